/* Scanners by windows of 64 bytes: where pieces begin comes out of masks with
 * a bit for each byte, by the same rules as scan.c's, which has the last word
 * on what is rare: digits and spaces that are not ASCII, the end of a text,
 * long runs of spaces.
 *
 * A window begins where a piece does, so that nothing is carried over from
 * the one before; of the beginnings within it those count that the bytes
 * within it decide. */
#include "tokenizer/scan.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "tokenizer/unicode.h"

/* Bits of bytes by what they are.  upper, lower: letters that are nothing
 * else.  tail: all bytes of a character but its first. */
typedef struct scan_masks {
    uint64_t letter, upper, lower, number, space, line, blank, quote, slash;
    uint64_t high, tail;
    unsigned size;                     /* so many bytes are known          */
} scan_masks;

static inline void scan_ascii(scan_masks *m, const unsigned char *text,
                              int at, bool cased)
{
    lh_bytes x;
    memcpy(&x, text + at, sizeof x);
    lh_bytes line = (lh_bytes)(x == '\n') | (lh_bytes)(x == '\r');
    lh_bytes blank = (lh_bytes)(x == ' ');
    uint64_t letter = lh_bytes_bits((lh_bytes)((x | 0x20) - 'a' < 26));
    m->letter |= letter << at;
    m->number |= lh_bytes_bits((lh_bytes)(x - '0' < 10)) << at;
    m->line |= lh_bytes_bits(line) << at;
    m->blank |= lh_bytes_bits(blank) << at;
    m->space |= lh_bytes_bits((lh_bytes)(x - '\t' < 5) | blank) << at;
    m->quote |= lh_bytes_bits((lh_bytes)(x == '\'')) << at;
    m->high |= lh_bytes_bits(x) << at;
    if (!cased)
        return;
    m->lower |= (lh_bytes_bits(x + x + x + x) & letter) << at;
    m->slash |= lh_bytes_bits((lh_bytes)(x == '/')) << at;
}

static inline uint64_t scan_below(unsigned n)
{
    return n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0;
}

/* The class of a character that is not ASCII, among the first `size` bytes;
 * its length is 0 where it may go on behind them. */
static inline int scan_wide(const uint8_t *classes, const unsigned char *s,
                            unsigned size, unsigned *length)
{
    uint32_t code;
    if (s[0] >= 0xc2 && s[0] < 0xe0 && size > 1 && (s[1] & 0xc0) == 0x80) {
        *length = 2;
        return classes[(s[0] & 0x1f) << 6 | (s[1] & 0x3f)];
    }
    if (size < 4) {
        *length = 0;
        return 0;
    }
    int n = lh_utf8_decode((const char *)s, size, &code);
    *length = n ? (unsigned)n : 1;
    return !n ? 0 : code < LH_CLASSES ? classes[code]
                                      : lh_unicode_class(code);
}

/* Sorts in what is not ASCII, and ends what is known where a character comes
 * with which the masks do not work. */
static void scan_others(scan_masks *m, const uint8_t *classes,
                        const unsigned char *text, bool cased)
{
    while (m->high & scan_below(m->size)) {
        unsigned at = (unsigned)__builtin_ctzll(m->high), length;
        uint64_t before = at ? (uint64_t)1 << (at - 1) : 0;
        int class = scan_wide(classes, text + at, m->size - at, &length);
        uint64_t bits = scan_below(length) << at;
        if (!length || class & (LH_NUMBER | LH_SPACE)) {
            m->size = at;
            return;
        }
        m->high &= ~bits;
        m->tail |= bits & bits << 1;
        if (cased && !(class & LH_LETTER) && class & LH_LOWER) {
            /* A mark: of the word that it stands in, or hard. */
            if (!(m->letter & before)) {
                m->size = at;
                return;
            }
            class |= LH_LETTER;
        }
        if (!(class & LH_LETTER))
            continue;
        m->letter |= bits;
        if (!(class & LH_UPPER))
            m->lower |= bits;
        if (!(class & LH_LOWER))
            m->upper |= bits;
    }
}

/* \s+(?!\S)|\s+: where a run of spaces begins, and its last one. */
static inline uint64_t scan_window_gpt2(const scan_masks *m)
{
    uint64_t other = ~(m->letter | m->number | m->space);
    uint64_t begin = (m->letter & ~(m->letter << 1)) |
                     (m->number & ~(m->number << 1)) | (other & ~(other << 1));
    return (begin & ~(m->blank << 1)) |
           (m->space & ~(m->space << 1 & m->space >> 1));
}

static inline uint64_t scan_window_gpt4(const lh_scanner *scan,
                                        const scan_masks *m)
{
    bool cased = scan->flags & LH_SCAN_CASED;
    uint64_t other = ~(m->letter | m->number | m->space), begin;
    /* Line ends behind others are theirs. */
    uint64_t ends = m->line | (cased ? m->slash : 0);
    uint64_t seed = other << 1 & m->line;
    uint64_t taken = (ends & ~(ends + seed)) | seed;
    other &= ~taken;
    uint64_t space = m->space & ~taken, blank = space & ~m->line;
    /* Others, but behind a blank; a first one that letters follow is theirs,
     * and so is a last space. */
    uint64_t first = other & ~(other << 1) & ~(m->blank << 1);
    uint64_t after = ((first << 1) + m->tail) & ~m->tail;
    begin = first | (m->letter & ~(m->letter << 1) & ~(blank << 1) & ~after);
    if (cased)
        begin |= m->upper & m->lower << 1;
    /* Digits. */
    uint64_t digits = m->number & ~(m->number << 1);
    if (scan->digits == 1)
        digits = m->number;
    else if (m->number & m->number << 3)
        for (uint64_t inside = m->number & m->number << 1, next = digits;
             (next = next << 3 & inside & inside << 1 & inside << 2);)
            digits |= next;
    /* Spaces: where a run begins, behind its last line end, and its last one
     * if that is no line end. */
    uint64_t last = blank & ~(m->space >> 1);
    uint64_t behind = blank & m->line << 1;
    if ((blank + behind) & ~blank & m->line) {
        uint64_t fill = last, open = blank;
        for (int step = 1; step < 64; step *= 2) {
            fill |= open & fill >> step;
            open &= open >> step;
        }
        behind &= fill;
    }
    return begin | digits | (space & ~(space << 1)) | last | behind;
}

/* Cuts contractions out (or, cased, into the word before). */
static uint64_t scan_quotes(const lh_scanner *scan, scan_masks *m,
                            const unsigned char *text, uint64_t begin)
{
    bool cased = scan->flags & LH_SCAN_CASED;
    bool fold = scan->family == LH_SCAN_GPT4;
    uint64_t quote = m->quote & (cased ? m->letter << 1 : begin | 1);
    unsigned end = 0;
    for (; quote & scan_below(m->size); quote &= quote - 1) {
        unsigned at = (unsigned)__builtin_ctzll(quote);
        if (at + 3 > m->size) {
            m->size = at + !cased;
            break;
        }
        if (cased && at == end)
            continue;
        unsigned length = (unsigned)lh_scan_contraction(text + at, 3, fold);
        if (!length)
            continue;
        end = at + length;
        begin &= ~(scan_below(length - !cased) << (at + !cased));
        if (end < 64)
            begin |= (uint64_t)1 << end;
    }
    return begin;
}

/* Bits of the bytes of text[0 .. 63] at which a piece begins, as one does at
 * the first, up to the last that is sure; `size` of them are the text's. */
static inline uint64_t scan_window(const lh_scanner *scan,
                                   const uint8_t *classes,
                                   const unsigned char *text, unsigned size)
{
    bool cased = scan->flags & LH_SCAN_CASED;
    scan_masks m = { .size = size };
    scan_ascii(&m, text, 0, cased);
    scan_ascii(&m, text, 16, cased);
    scan_ascii(&m, text, 32, cased);
    scan_ascii(&m, text, 48, cased);
    m.upper = m.letter & ~m.lower;
    if (m.high & scan_below(size)) {
        scan_others(&m, classes, text, cased);
        uint64_t both = m.letter & ~m.upper & ~m.lower, hard;
        if (cased && (hard = both << 1 & m.upper & scan_below(m.size)))
            m.size = (unsigned)__builtin_ctzll(hard);
    }
    uint64_t begin = scan->family == LH_SCAN_GPT2
        ? scan_window_gpt2(&m) : scan_window_gpt4(scan, &m);
    if (m.quote)
        begin = scan_quotes(scan, &m, text, begin);
    /* Of spaces at the end only where they begin is sure. */
    uint64_t solid = ~m.space & scan_below(m.size);
    unsigned sure = solid ? 64 - (unsigned)__builtin_clzll(solid) : 0;
    return (begin & scan_below(sure + (sure < m.size))) | 1;
}

LH_INTERNAL size_t lh_scan_pieces(const lh_scanner *scan,
                                  const uint8_t *classes,
                                  const unsigned char *text, size_t size,
                                  size_t *start, size_t room)
{
    size_t count = 0, at = 0;
    while (at < size && count + 64 <= room) {
        uint64_t begin = 0;
        if (scan->family && size - at >= 64) {
            begin = scan_window(scan, classes, text + at, 64);
        } else if (scan->family && size - at > 16) {
            unsigned char rest[64] = { 0 };
            memcpy(rest, text + at, size - at);
            begin = scan_window(scan, classes, rest, (unsigned)(size - at));
        }
        if (begin < 2) {
            start[count++] = at;
            at += scan->next(scan, classes, text + at, size - at);
            continue;
        }
        for (; begin & (begin - 1); begin &= begin - 1)
            start[count++] = at + (size_t)__builtin_ctzll(begin);
        at += (size_t)__builtin_ctzll(begin);
    }
    start[count] = at;
    return count;
}
