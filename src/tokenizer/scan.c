/* The scanners.  Each says above it, as a regular expression, what it finds;
 * the first alternative that fits wins, as those engines have it.  A byte
 * that is not UTF-8 is a character of no class. */
#include "tokenizer/scan.h"

#include "base/utf8.h"
#include "tokenizer/unicode.h"

#define SCAN_WORD (LH_LETTER | LH_NUMBER | LH_SPACE)

/* The class of the character at text[at], whose length goes to *length; 0
 * and no class at the end. */
static inline int scan_class(const uint8_t *classes,
                             const unsigned char *text, size_t size,
                             size_t at, size_t *length)
{
    *length = 1;
    if (at >= size) {
        *length = 0;
        return 0;
    }
    if (text[at] < 0x80)
        return classes[text[at]];
    uint32_t code;
    int n = lh_utf8_decode((const char *)text + at, size - at, &code);
    if (!n)
        return 0;
    *length = (size_t)n;
    return code < LH_CLASSES ? classes[code] : lh_unicode_class(code);
}

/* Where the characters from `at` on stop that have a bit of `some` or, where
 * some is 0, none of `none`; at most `most` of them. */
static inline size_t scan_run(const uint8_t *classes,
                              const unsigned char *text, size_t size,
                              size_t at, int some, int none, int64_t most)
{
    size_t length;
    for (; at < size && most > 0; at += length, most--) {
        int class = scan_class(classes, text, size, at, &length);
        if (some ? !(class & some) : class & none)
            break;
    }
    return at;
}

LH_INTERNAL size_t lh_scan_contraction(const unsigned char *text,
                                       size_t size, bool fold)
{
    if (size < 2 || text[0] != '\'')
        return 0;
    unsigned char a = text[1], b = size > 2 ? text[2] : 0;
    if (fold) {
        if (a == 0xc5 && b == 0xbf)
            return 3;
        a |= a >= 'A' && a <= 'Z' ? 0x20 : 0;
        b |= b >= 'A' && b <= 'Z' ? 0x20 : 0;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') ||
           (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ of a run of spaces: all of it at the end of the text, else
 * all but the last, which belongs to what follows. */
static size_t scan_spaces(const uint8_t *classes, const unsigned char *text,
                          size_t size)
{
    size_t at = 0, last = 0, length;
    while (scan_class(classes, text, size, at, &length) & LH_SPACE) {
        last = at;
        at += length;
    }
    return at < size && last ? last : at;
}

/* All of it. */
static size_t scan_whole(const lh_scanner *scan, const uint8_t *classes,
                         const unsigned char *text, size_t size)
{
    (void)scan, (void)classes, (void)text;
    return size;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|
 * \s+(?!\S)|\s+ */
static size_t scan_gpt2(const lh_scanner *scan, const uint8_t *classes,
                        const unsigned char *text, size_t size)
{
    (void)scan;
    size_t length, at = lh_scan_contraction(text, size, false);
    if (at)
        return at;
    int class = scan_class(classes, text, size, 0, &at);
    if (text[0] == ' ' && size > 1) {
        class = scan_class(classes, text, size, 1, &length);
        at += length;
    }
    if (class & LH_SPACE)
        return scan_spaces(classes, text, size);
    int some = class & (LH_LETTER | LH_NUMBER);
    return scan_run(classes, text, size, at, some, SCAN_WORD, INT64_MAX);
}

/* A word by case: [U]*[W]+|[U]+[W]*, U what may stand before small letters
 * and W small ones, from `at` on; where it ends, or `at` for none.  Longest
 * run of U first: if no W follows, the run is given back as far as its last
 * character that is a W too; with none of these it is all capitals. */
static size_t scan_cased(const uint8_t *classes, const unsigned char *text,
                         size_t size, size_t at)
{
    size_t length, end = at, both = at;
    int class;
    while ((class = scan_class(classes, text, size, end, &length)) &
           LH_UPPER) {
        end += length;
        if (class & LH_LOWER)
            both = end;
    }
    if (class & LH_LOWER)
        return scan_run(classes, text, size, end, LH_LOWER, 0, INT64_MAX);
    return both > at ? both : end;
}

/* [^\r\n\p{L}\p{N}]?\p{L}+, or by case with a contraction behind; 0: none
 * here.  By case the first character is tried as what stands before the
 * word, and where that leads nowhere as the word's own. */
static size_t scan_word(const lh_scanner *scan, const uint8_t *classes,
                        const unsigned char *text, size_t size)
{
    size_t first, second, end = 0;
    int class = scan_class(classes, text, size, 0, &first);
    bool before = !(class & (LH_LETTER | LH_NUMBER)) && text[0] != '\r' &&
                  text[0] != '\n';
    if (!(scan->flags & LH_SCAN_CASED)) {
        if (before)
            class = scan_class(classes, text, size, first, &second);
        return class & LH_LETTER
            ? scan_run(classes, text, size, first, LH_LETTER, 0, INT64_MAX)
            : 0;
    }
    if (before)
        end = scan_cased(classes, text, size, first);
    /* All capitals behind a mark: the mark alone is the first pattern's. */
    if (before && end > first && class & LH_LOWER) {
        size_t at = first, length;
        bool small = false;
        for (; at < end && !small; at += length)
            small = scan_class(classes, text, size, at, &length) & LH_LOWER;
        if (!small)
            end = first;
    }
    if (before && end == first)
        end = class & LH_LOWER ? first : 0;
    if (!before)
        end = scan_cased(classes, text, size, 0);
    return end ? end + lh_scan_contraction(text + end, size - end, true) : 0;
}

/* Where a run of line ends, and slashes too if asked for, stops. */
static size_t scan_ends(const lh_scanner *scan, const unsigned char *text,
                        size_t size, size_t at)
{
    while (at < size && (text[at] == '\r' || text[at] == '\n' ||
                         (text[at] == '/' && scan->flags & LH_SCAN_CASED)))
        at++;
    return at;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|WORD|\p{N}{1,digits}|
 * ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * LH_SCAN_CASED: words are cut by case, contractions belong to them, and it
 * is [\r\n/]*.  LH_SCAN_END_FIRST: \s+$ before \s*[\r\n]+. */
static size_t scan_gpt4(const lh_scanner *scan, const uint8_t *classes,
                        const unsigned char *text, size_t size)
{
    size_t at = 0, length, second, newline = 0;
    if (!(scan->flags & LH_SCAN_CASED))
        at = lh_scan_contraction(text, size, true);
    if (!at)
        at = scan_word(scan, classes, text, size);
    if (at)
        return at;
    int class = scan_class(classes, text, size, 0, &length);
    if (class & LH_NUMBER)
        return scan_run(classes, text, size, 0, LH_NUMBER, 0, scan->digits);
    if (text[0] == ' ' && size > 1 &&
        !(scan_class(classes, text, size, 1, &second) & SCAN_WORD)) {
        class = 0;
        length += second;
    }
    if (!(class & LH_SPACE)) {
        at = scan_run(classes, text, size, length, 0, SCAN_WORD, INT64_MAX);
        return scan_ends(scan, text, size, at);
    }
    while (scan_class(classes, text, size, at, &length) & LH_SPACE) {
        if (text[at] == '\r' || text[at] == '\n')
            newline = at + 1;
        at += length;
    }
    if (at == size && scan->flags & LH_SCAN_END_FIRST)
        return at;
    return newline ? newline : scan_spaces(classes, text, size);
}

/* Characters of one class (the flags) together or one by one, and what is
 * between: \p{N}+, \p{N}, punctuation. */
static size_t scan_some(const lh_scanner *scan, const uint8_t *classes,
                        const unsigned char *text, size_t size)
{
    size_t at = scan_run(classes, text, size, 0, scan->flags, 0,
                         scan->digits ? scan->digits : INT64_MAX);
    return at ? at : scan_run(classes, text, size, 0, 0, scan->flags,
                              INT64_MAX);
}

/* [0-9][0-9][0-9], and what is between. */
static size_t scan_three(const lh_scanner *scan, const uint8_t *classes,
                         const unsigned char *text, size_t size)
{
    (void)scan, (void)classes;
    size_t run = 0;
    for (size_t at = 0; at < size; at++) {
        run = text[at] >= '0' && text[at] <= '9' ? run + 1 : 0;
        if (run == 3)
            return at == 2 ? 3 : at - 2;
    }
    return size;
}

/* Spaces and what follows them up to the next:  *[^ ]* */
static size_t scan_spaced(const lh_scanner *scan, const uint8_t *classes,
                          const unsigned char *text, size_t size)
{
    (void)scan, (void)classes;
    size_t at = 0;
    while (at < size && text[at] == ' ')
        at++;
    while (at < size && text[at] != ' ')
        at++;
    return at;
}

/* A space and what follows it up to the next:  ?[^ ]* */
static size_t scan_metaspace(const lh_scanner *scan, const uint8_t *classes,
                             const unsigned char *text, size_t size)
{
    (void)scan, (void)classes;
    size_t at = 1;
    while (at < size && text[at] != ' ')
        at++;
    return at;
}

/* [\p{P}$+<=>^~|`]+, and what is between. */
static size_t scan_falcon(const lh_scanner *scan, const uint8_t *classes,
                          const unsigned char *text, size_t size)
{
    (void)scan;
    size_t at = 0, length;
    bool first = false;
    for (; at < size; at += length) {
        bool mark = scan_class(classes, text, size, at, &length) &
                        LH_PUNCTUATION ||
                    (text[at] < 0x80 && strchr("$+<=>^~|`", text[at]) &&
                     text[at]);
        if (at == 0)
            first = mark;
        else if (mark != first)
            break;
    }
    return at;
}

/* The sets that DeepSeek's patterns spell out, character by character: line
 * ends; letters with case, as Unicode had them by version 11 and without the
 * mathematical and Georgian ones; signs, the wide and the curly ones too; and
 * everything from U+0800 to the last of the first Han block, with Hangul. */
enum { SCAN_ENDS = 1, SCAN_LETTERS, SCAN_SIGNS, SCAN_HAN, SCAN_BLANK = 8 };

static bool scan_member(int set, int class, uint32_t code)
{
    static const uint32_t newer[][2] = {         /* letters with case      */
        { 0x560, 0x588 }, { 0x10c7, 0x10ff }, { 0x1c80, 0x1c8f },
        { 0x2d00, 0x2dff }, { 0xa790, 0xab6f }, { 0x10500, 0x10c7f },
        { 0x10d00, 0x1189f }, { 0x118e0, 0x1e8ff }, { 0x1e944, 0x10ffff },
    };
    uint32_t narrow = code >= 0xff01 && code <= 0xff5e ? code - 0xfee0 : code;
    bool in = class & LH_LETTER && !(class & LH_UPPER) != !(class & LH_LOWER);
    switch (set) {
    case SCAN_ENDS:
        return code == '\r' || code == '\n';
    case SCAN_LETTERS:
        for (size_t i = 0; i < LH_COUNT(newer) && code >= newer[i][0]; i++)
            in &= code > newer[i][1];
        return in;
    case SCAN_SIGNS:
        return (narrow >= '!' && narrow <= '/') ||
               (narrow >= ':' && narrow <= '~') ||
               (code >= 0x2018 && code <= 0x201f) ||
               (code >= 0x3000 && code <= 0x3002);
    default:
        return (code >= 0x800 && code <= 0x9fa5) ||
               (code >= 0xac00 && code <= 0xd7ff);
    }
}

/* Characters of a set, `digits` of them at most, with SCAN_BLANK a space
 * before them, and what is between. */
static size_t scan_set(const lh_scanner *scan, const uint8_t *classes,
                       const unsigned char *text, size_t size)
{
    int set = scan->flags & ~SCAN_BLANK;
    size_t begin = 0, found = 0, length;
    bool blank = false;                          /* just before `at`       */
    for (size_t at = 0; at < size; at += length) {
        uint32_t code = UINT32_MAX;
        int class = scan_class(classes, text, size, at, &length);
        bool in = lh_utf8_decode((const char *)text + at, size - at, &code) &&
                  scan_member(set, class, code);
        size_t from = blank ? begin : at;
        if (in && !found++ && from > 0)
            return from;                         /* what was between       */
        if (found && (!in || (scan->digits && found > (size_t)scan->digits)))
            return at;
        blank = scan->flags & SCAN_BLANK && class & LH_SPACE;
        if (blank)
            begin = at;
    }
    return size;
}

/* The spaces at the end, and what is before them:  \s+$ */
static size_t scan_trailing(const lh_scanner *scan, const uint8_t *classes,
                            const unsigned char *text, size_t size)
{
    (void)scan;
    size_t end = 0, length;
    for (size_t at = 0; at < size; at += length)
        if (!(scan_class(classes, text, size, at, &length) & LH_SPACE))
            end = at + length;
    return end ? end : size;
}

/* --------------------------------------------------------------- table -- */

static const lh_scanner scan_table[] = {
#define SCANNER(name, function, digits, flags, family) \
    { #name, function, digits, flags, family },
#define PATTERN(name, text)
#include "tokenizer/scan.def"
#undef SCANNER
#undef PATTERN
};

static const struct { const char *name, *pattern; } scan_patterns[] = {
#define SCANNER(name, function, digits, flags, family)
#define PATTERN(name, text) { #name, text },
#include "tokenizer/scan.def"
#undef SCANNER
#undef PATTERN
};

LH_INTERNAL const lh_scanner *lh_scanner_named(const char *name, size_t size)
{
    for (size_t i = 0; i < LH_COUNT(scan_table); i++)
        if (strlen(scan_table[i].name) == size &&
            !memcmp(scan_table[i].name, name, size))
            return &scan_table[i];
    return NULL;
}

LH_INTERNAL const char *lh_scanner_pattern(const lh_scanner *scan)
{
    for (size_t i = 0; i < LH_COUNT(scan_patterns); i++)
        if (!strcmp(scan_patterns[i].name, scan->name))
            return scan_patterns[i].pattern;
    return NULL;
}

LH_INTERNAL const lh_scanner *lh_scanner_of_pattern(const char *pattern,
                                                    size_t size)
{
    for (size_t i = 0; i < LH_COUNT(scan_patterns); i++)
        if (strlen(scan_patterns[i].pattern) == size &&
            !memcmp(scan_patterns[i].pattern, pattern, size))
            return lh_scanner_named(scan_patterns[i].name,
                                    strlen(scan_patterns[i].name));
    return NULL;
}

#undef SCAN_WORD
