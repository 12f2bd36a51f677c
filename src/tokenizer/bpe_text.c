/* Byte-pair encoding of a text: added tokens, normal form, scanners, and the
 * pieces that are left, a few bytes each and mostly ones that were seen
 * before: those come out of a cache, the others are merged (bpe.c). */
#include "tokenizer/bpe.h"

#include "base/utf8.h"
#include "tokenizer/unicode.h"

/* A text is brought into normal form in parts of about so many bytes. */
#define BPE_PART ((size_t)1 << 15)

/* ------------------------------------------------------------ pipeline -- */

static void bpe_cut(lh_bpe_run *r, const unsigned char *text, size_t size,
                    size_t readable, int step)
{
    const lh_bpe *b = r->k->bpe;
    const lh_scanner *scan = b->steps ? b->step[step]
                                      : lh_scanner_named("whole", 5);
    if (step + 1 >= b->steps) {
        lh_bpe_pieces(r, scan, text, size, readable);
        return;
    }
    for (size_t at = 0; at < size && !r->status;) {
        size_t n = scan->next(scan, b->classes, text + at, size - at);
        bpe_cut(r, text + at, n, readable - at, step + 1);
        at += n;
    }
}

/* -------------------------------------------------------- added tokens -- */

static int bpe_class(const lh_bpe *b, uint32_t code)
{
    return code < LH_CLASSES ? b->classes[code] : lh_unicode_class(code);
}

/* Where the character begins that ends before text[at], at > 0. */
static size_t bpe_before(const char *text, size_t at)
{
    size_t back = at - 1;
    while (back && at - back < 4 && (text[back] & 0xc0) == 0x80)
        back--;
    return back;
}

/* Whether a text begins with a character of words (\w). */
static bool bpe_wordy(const lh_bpe *b, const char *text, size_t size)
{
    uint32_t code = 0;
    return lh_utf8_decode(text, size, &code) && bpe_class(b, code) & LH_WORD;
}

/* Bytes of spaces at the beginning; and bytes up to the spaces at the end.
 * marked: ' ' is U+2581 there, which is no space. */
static size_t bpe_spaces(const lh_bpe *b, const char *text, size_t size,
                         bool marked)
{
    size_t at = 0;
    for (uint32_t code = 0; at < size; ) {
        int length = lh_utf8_decode(text + at, size - at, &code);
        if (!length || !(bpe_class(b, code) & LH_SPACE) ||
            (marked && code == ' '))
            break;
        at += (size_t)length;
    }
    return at;
}

static size_t bpe_trimmed(const lh_bpe *b, const char *text, size_t size,
                          bool marked)
{
    while (size) {
        size_t back = bpe_before(text, size);
        if (bpe_spaces(b, text + back, size - back, marked) !=
            size - back)
            break;
        size = back;
    }
    return size;
}

/* Of b->order[low .. high - 1], which are the same up to `depth`: the first
 * with a byte there, and of `c` or more. */
static int bpe_edge(const lh_bpe *b, int low, int high, size_t depth, int c)
{
    while (low < high) {
        int middle = low + (high - low) / 2;
        const lh_added *a = b->order[middle];
        if (a->size <= depth || (unsigned char)a->text[depth] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest added token that begins at text[0]; NULL: none. */
static const lh_added *bpe_added_at(const lh_bpe *b, const char *text,
                                    size_t size, bool normalized)
{
    const lh_added *found = NULL;
    int low = 0, high = b->added_count;
    for (size_t depth = 0; depth < size && low < high; depth++) {
        int c = (unsigned char)text[depth];
        low = bpe_edge(b, low, high, depth, c);
        high = bpe_edge(b, low, high, depth, c + 1);
        for (int i = low; i < high && b->order[i]->size == depth + 1; i++)
            if (b->order[i]->normalized == normalized)
                found = b->order[i];
    }
    return found;
}

/* Whether a token that wants to stand alone does, at begin .. end - 1. */
static bool bpe_alone(const lh_bpe *b, const char *text, size_t size,
                      size_t begin, size_t end)
{
    size_t back = begin ? bpe_before(text, begin) : 0;
    return !(begin && bpe_wordy(b, text + back, begin - back)) &&
           !(end < size && bpe_wordy(b, text + end, size - end));
}

static void bpe_emit(lh_bpe_run *r, int32_t id)
{
    int32_t *token = lh_ids_room(r->ctx, r->out, 1);
    if (!token) {
        r->status = LH_ERROR_MEMORY;
        return;
    }
    token[0] = id;
    r->out->count++;
    r->first = false;
}

typedef void bpe_rest(lh_bpe_run *r, const char *text, size_t size);

/* Where from text[at] on an added token of a kind may begin. */
static size_t bpe_candidate(const lh_bpe *b, const char *text, size_t size,
                            size_t at, bool normalized)
{
    if (b->only[normalized] < 256) {
        const char *found = memchr(text + at, b->only[normalized], size - at);
        return found ? (size_t)(found - text) : size;
    }
    while (at < size && !(b->begins[(unsigned char)text[at]] >> normalized &
                          1))
        at++;
    return at;
}

/* Emits the added tokens of one kind, and hands what is between to `rest`.  A
 * special token that is not asked for stays text. */
static void bpe_added(lh_bpe_run *r, const char *text, size_t size,
                      bool normalized, bpe_rest *rest)
{
    const lh_bpe *b = r->k->bpe;
    bool marked = normalized && b->spaces && !b->spaces_late;
    bool none = b->only[normalized] < 0 ||
                (b->special[normalized] && !r->out->special);
    size_t from = 0, at = 0;
    while (!none && !r->status &&
           (at = bpe_candidate(b, text, size, at, normalized)) < size) {
        const lh_added *found = bpe_added_at(b, text + at, size - at,
                                             normalized);
        if (!found) {
            at++;
            continue;
        }
        size_t begin = at, end = at += found->size;
        if ((found->special && !r->out->special) ||
            (found->single_word && !bpe_alone(b, text, size, begin, end)))
            continue;
        if (found->lstrip)
            begin = from + bpe_trimmed(b, text + from, begin - from,
                                       marked);
        if (found->rstrip)
            end += bpe_spaces(b, text + end, size - end, marked);
        if (begin > from)
            rest(r, text + from, begin - from);
        bpe_emit(r, found->id);
        at = from = end;
    }
    if (from < size && !r->status)
        rest(r, text + from, size - from);
}

/* A space before the text where that is the rule; U+2581 as a space; without
 * the spaces that are too many, which U+2581 is at the end alone; U+FFFD for
 * each byte that is not UTF-8. */
static lh_status bpe_respace(lh_bpe_run *r, const char *text, size_t size,
                             lh_buffer *out)
{
    const lh_bpe *b = r->k->bpe;
    lh_status status = LH_OK;
    bool space = true;                 /* where squeezed: no more of them  */
    for (bool more = b->squeezed; more;) {
        bool mark = size >= 3 && !memcmp(text + size - 3, "\u2581", 3);
        more = mark || (size && text[size - 1] == ' ');
        size -= mark ? 3 : more;
    }
    if (size && b->prefix == LH_PREFIX_SPACE && !r->inside)
        status = lh_buffer_add(r->ctx, out, " ", 1);
    for (size_t from = 0, at = 0; from < size && !status && b->spaces;
         from = at) {
        uint32_t code;
        int length;
        do {                           /* what stays as it is              */
            if (!b->squeezed)
                at += lh_utf8_ascii(text + at, size - at);
            code = 0xfffd;
            length = lh_utf8_decode(text + at, size - at, &code);
            if (!length || code == 0x2581 || (b->squeezed && code == ' '))
                break;
            at += (size_t)length;
        } while (at < size);
        status = lh_buffer_add(r->ctx, out, text + from, at - from);
        space &= at == from;
        if (at == size || status)
            break;
        if (!length)
            status = lh_buffer_add(r->ctx, out, "\ufffd", 3);
        else if (!(space && code == ' '))
            status = lh_buffer_add(r->ctx, out, " ", 1);
        space = code == ' ';
        at += length ? (size_t)length : 1;
    }
    if (!b->spaces && !status)
        status = lh_buffer_add(r->ctx, out, text, size);
    return status;
}

/* Text in which no added token is looked for any more. */
static void bpe_plain(lh_bpe_run *r, const char *text, size_t size)
{
    const lh_bpe *b = r->k->bpe;
    lh_buffer late = { 0 }, spaced = { 0 };
    bool wanted = b->prefix == LH_PREFIX_UNLESS_THERE ||
                  (b->prefix == LH_PREFIX_FIRST && r->first);
    r->first = false;
    if (b->spaces_late) {
        r->status = bpe_respace(r, text, size, &late);
        text = late.data, size = late.size;
    }
    if (!r->status && wanted && size && text[0] != ' ') {
        r->status = lh_buffer_add(r->ctx, &spaced, " ", 1);
        if (!r->status)
            r->status = lh_buffer_add(r->ctx, &spaced, text, size);
        text = spaced.data, size = spaced.size;
    }
    if (!r->status)
        bpe_cut(r, (const unsigned char *)text, size, size, 0);
    lh_buffer_free(r->ctx, &late);
    lh_buffer_free(r->ctx, &spaced);
}

/* A part of a text without the added tokens that are looked for before normal
 * forms, in buffers that are used again. */
static void bpe_normal(lh_bpe_run *r, const char *text, size_t size,
                       lh_buffer made[3])
{
    const lh_bpe *b = r->k->bpe;
    made[0].size = made[1].size = made[2].size = 0;
    if (b->form >= 0) {
        r->status = lh_unicode_normalize(r->ctx, b->form, text, size,
                                         &made[0]);
        text = made[0].data, size = made[0].size;
    }
    if (b->lower && !r->status) {
        r->status = lh_unicode_lower(r->ctx, text, size, &made[1]);
        text = made[1].data, size = made[1].size;
    }
    if (((b->spaces && !b->spaces_late) || b->prefix == LH_PREFIX_SPACE) &&
        !r->status) {
        r->status = bpe_respace(r, text, size, &made[2]);
        text = made[2].data, size = made[2].size;
    }
    if (!r->status && size)
        bpe_added(r, text, size, true, bpe_plain);
}

/* Where a text may be cut, but for what is done at its ends: at most `size`,
 * 0: nowhere. */
static size_t bpe_cut_inside(const lh_bpe *b, const char *text, size_t size)
{
    for (size_t at = b->cuts ? size : 0; at-- > 1;) {
        unsigned char c = (unsigned char)text[at - 1], small = c | 0x20;
        if (text[at] == ' ' && small >= 'a' && small <= 'z' &&
            (!b->apart || b->apart[(b->lower ? small : c) << 8 | ' ']))
            return at;
    }
    return 0;
}

/* The same of all of it, in parts that stay in a processor's cache. */
static void bpe_normalize(lh_bpe_run *r, const char *text, size_t size)
{
    const lh_bpe *b = r->k->bpe;
    lh_buffer made[3] = { { 0 } };
    if (b->strip_left) {
        size_t blank = bpe_spaces(b, text, size, false);
        text += blank, size -= blank;
    }
    if (b->strip_right)
        size = bpe_trimmed(b, text, size, false);
    r->inside = false;
    for (size_t at = 0, cut; at < size && !r->status; at += cut) {
        cut = 0;
        for (size_t most = BPE_PART; most < size - at && !cut; most *= 2)
            cut = bpe_cut_inside(b, text + at, most);
        cut = cut ? cut : size - at;
        bpe_normal(r, text + at, cut, made);
        r->inside = true;
    }
    for (int i = 0; i < 3; i++)
        lh_buffer_free(r->ctx, &made[i]);
}

static lh_status bpe_encode(lh_context *ctx, const lh_tokenizer *k,
                            const char *text, size_t size, lh_ids *out)
{
    lh_bpe_run r = { .ctx = ctx, .k = k, .out = out, .first = true,
                     .scratch = out->scratch };
    if (!r.scratch)
        r.scratch = lh_bpe_take(ctx, k);
    if (!r.scratch)
        return LH_ERROR_MEMORY;
    bpe_added(&r, text, size, false, bpe_normalize);
    if (!out->scratch)
        lh_bpe_give(ctx, k, r.scratch);
    lh_free(ctx, r.memory);
    return r.status;
}

LH_INTERNAL size_t lh_bpe_cut(const lh_tokenizer *k, const char *text,
                              size_t size)
{
    const lh_bpe *b = k->bpe;
    return b->prefix || b->strip_left || b->strip_right
        ? 0 : bpe_cut_inside(b, text, size);
}

LH_TABLE_DEFINED const lh_tokenizer_kind_row lh_tokenizer_kind_bpe = {
    "bpe", bpe_encode
};

#undef BPE_PART
