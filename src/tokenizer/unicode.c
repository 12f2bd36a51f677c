/* Unicode's classes, normal forms and lower case, from sorted tables.
 *
 * A normal form is made one run after the other: a starter and the marks
 * behind it, decomposed, the marks sorted by their class without changing
 * places within one, and put together again where that is asked for. */
#include "tokenizer/unicode.h"

#include "base/utf8.h"
#include "tokenizer/unicode_data.inc.h"

/* ------------------------------------------------------------- classes -- */

/* How many of the ascending `table` are at or below `key`. */
#define UNICODE_BELOW(name, type) \
    static size_t name(const type *table, size_t count, type key) \
    { \
        size_t low = 0; \
        while (low < count) { \
            size_t middle = low + (count - low) / 2; \
            if (table[middle] <= key) \
                low = middle + 1; \
            else \
                count = middle; \
        } \
        return low; \
    }
UNICODE_BELOW(unicode_below32, uint32_t)
UNICODE_BELOW(unicode_below64, uint64_t)

LH_INTERNAL void lh_unicode_classes(uint8_t classes[LH_CLASSES])
{
    for (size_t i = 0; i < LH_COUNT(unicode_runs); i++) {
        size_t from = unicode_runs[i] >> 8, to = LH_CLASSES;
        if (from >= LH_CLASSES)
            return;
        if (i + 1 < LH_COUNT(unicode_runs))
            to = (size_t)lh_min64(unicode_runs[i + 1] >> 8, LH_CLASSES);
        memset(classes + from, (int)(unicode_runs[i] & 0xff), to - from);
    }
}

LH_INTERNAL int lh_unicode_class(uint32_t code)
{
    size_t i = unicode_below32(unicode_runs, LH_COUNT(unicode_runs),
                               code << 8 | 0xff);
    return (int)(unicode_runs[i - 1] & 0xff);
}

/* -------------------------------------------------------- normal forms -- */

/* Hangul syllables (Unicode Standard, section 3.12): leading consonants,
 * vowels and trailing consonants from these on, so many of each. */
#define HANGUL 0xac00u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11a7u
#define HANGUL_LS 19u
#define HANGUL_VS 21u
#define HANGUL_TS 28u

/* The run: code points << 8 | class; the first `sorted` are in order. */
typedef struct unicode_run {
    lh_context *ctx;
    lh_buffer *out;
    lh_status status;
    bool composed;
    uint32_t *item, *other;              /* [capacity] each                */
    size_t count, capacity;
} unicode_run;

static uint32_t unicode_mark(uint32_t code)
{
    size_t i = unicode_below32(unicode_marks, LH_COUNT(unicode_marks),
                               code << 8 | 0xff);
    return i && unicode_marks[i - 1] >> 8 == code ? unicode_marks[i - 1] & 0xff
                                                  : 0;
}

/* What two code points make; 0: nothing. */
static uint32_t unicode_compose(uint32_t a, uint32_t b)
{
    if (a - HANGUL_L < HANGUL_LS && b - HANGUL_V < HANGUL_VS)
        return HANGUL + ((a - HANGUL_L) * HANGUL_VS + (b - HANGUL_V)) *
                        HANGUL_TS;
    if (a - HANGUL < HANGUL_LS * HANGUL_VS * HANGUL_TS &&
        (a - HANGUL) % HANGUL_TS == 0 && b - HANGUL_T - 1 < HANGUL_TS - 1)
        return a + (b - HANGUL_T);
    uint64_t key = (uint64_t)a << 42 | (uint64_t)b << 21 | 0x1fffff;
    size_t i = unicode_below64(unicode_pairs, LH_COUNT(unicode_pairs), key);
    return i && unicode_pairs[i - 1] >> 21 == key >> 21
        ? (uint32_t)(unicode_pairs[i - 1] & 0x1fffff) : 0;
}

/* Marks by class, each class in its old order: a counting sort. */
static void unicode_sort(unicode_run *r)
{
    size_t place[257] = { 0 };
    size_t first = r->count && !(r->item[0] & 0xff);
    bool sorted = true;
    for (size_t i = first; i < r->count; i++) {
        place[(r->item[i] & 0xff) + 1]++;
        sorted &= i == first ||
                  (r->item[i - 1] & 0xff) <= (r->item[i] & 0xff);
    }
    if (sorted)
        return;
    for (int c = 0; c < 256; c++)
        place[c + 1] += place[c];
    for (size_t i = first; i < r->count; i++)
        r->other[first + place[r->item[i] & 0xff]++] = r->item[i];
    memcpy(r->item + first, r->other + first,
           (r->count - first) * sizeof *r->item);
}

/* Puts marks into the starter; a mark is blocked by one before it that stays
 * and is of its class or a higher one. */
static void unicode_join(unicode_run *r)
{
    size_t kept = 1;
    uint32_t before = 0;
    for (size_t i = 1; i < r->count; i++) {
        uint32_t class = r->item[i] & 0xff;
        uint32_t made = kept == 1 || before < class
            ? unicode_compose(r->item[0] >> 8, r->item[i] >> 8) : 0;
        if (made) {
            r->item[0] = made << 8;
            continue;
        }
        before = class;
        r->item[kept++] = r->item[i];
    }
    r->count = kept;
}

static void unicode_finish(unicode_run *r)
{
    if (r->count < 2)
        return;
    unicode_sort(r);
    if (r->composed && !(r->item[0] & 0xff))
        unicode_join(r);
}

static void unicode_emit(unicode_run *r)
{
    char text[4];
    for (size_t i = 0; i < r->count && !r->status; i++) {
        int length = lh_utf8_encode(r->item[i] >> 8, text);
        r->status = lh_buffer_add(r->ctx, r->out, text, (size_t)length);
    }
    r->count = 0;
}

static void unicode_push(unicode_run *r, uint32_t code)
{
    uint32_t class = unicode_mark(code);
    if (!class) {
        unicode_finish(r);
        uint32_t made = r->composed && r->count == 1 &&
                        !(r->item[0] & 0xff)
            ? unicode_compose(r->item[0] >> 8, code) : 0;
        if (made) {
            r->item[0] = made << 8;
            return;
        }
        unicode_emit(r);
    }
    if (r->count == r->capacity) {
        size_t room[] = { r->capacity, r->capacity };
        size_t grown = r->capacity ? 2 * r->capacity : 32;
        if (lh_fit(r->ctx, &r->item, &room[0], grown, sizeof *r->item) ||
            lh_fit(r->ctx, &r->other, &room[1], grown, sizeof *r->other)) {
            r->status = LH_ERROR_MEMORY;
            return;
        }
        r->capacity = grown;
    }
    r->item[r->count++] = code << 8 | class;
}

static void unicode_decompose(unicode_run *r, bool compatible, uint32_t code)
{
    uint32_t syllable = code - HANGUL;
    if (syllable < HANGUL_LS * HANGUL_VS * HANGUL_TS) {
        unicode_push(r, HANGUL_L + syllable / (HANGUL_VS * HANGUL_TS));
        unicode_push(r, HANGUL_V + syllable / HANGUL_TS % HANGUL_VS);
        if (syllable % HANGUL_TS)
            unicode_push(r, HANGUL_T + syllable % HANGUL_TS);
        return;
    }
    /* The compatible form, if it is another, stands behind the canonical. */
    size_t i = unicode_below32(unicode_whole, LH_COUNT(unicode_whole),
                               code << 1 | compatible);
    if (!i || unicode_whole[i - 1] >> 1 != code) {
        unicode_push(r, code);
        return;
    }
    const uint32_t *part = unicode_parts + (unicode_places[i - 1] >> 8);
    for (uint32_t n = unicode_places[i - 1] & 0xff; n && !r->status; n--)
        unicode_push(r, *part++);
}

LH_INTERNAL lh_status lh_unicode_normalize(lh_context *ctx, int form,
                                           const char *text, size_t size,
                                           lh_buffer *out)
{
    unicode_run r = { .ctx = ctx, .out = out,
                      .composed = form & LH_FORM_COMPOSED };
    for (size_t at = 0; at < size && !r.status;) {
        uint32_t code = 0;
        size_t plain = lh_utf8_ascii(text + at, size - at);
        if (plain > 1) {                 /* the last may take a mark       */
            unicode_finish(&r);
            unicode_emit(&r);
            if (!r.status)
                r.status = lh_buffer_add(ctx, out, text + at, plain - 1);
            at += plain - 1;
        }
        int length = r.status ? 1 : lh_utf8_decode(text + at, size - at,
                                                   &code);
        if (length) {
            if (!r.status)
                unicode_decompose(&r, form & LH_FORM_COMPATIBLE, code);
            at += (size_t)length;
            continue;
        }
        unicode_finish(&r);
        unicode_emit(&r);
        if (!r.status)
            r.status = lh_buffer_add(ctx, out, text + at++, 1);
    }
    unicode_finish(&r);
    unicode_emit(&r);
    lh_free(ctx, r.item);
    lh_free(ctx, r.other);
    return r.status;
}

LH_INTERNAL lh_status lh_unicode_lower(lh_context *ctx, const char *text,
                                       size_t size, lh_buffer *out)
{
    lh_status status = LH_OK;
    for (size_t at = 0; at < size && !status;) {
        uint32_t code = 0;
        int length = lh_utf8_decode(text + at, size - at, &code);
        uint64_t key = (uint64_t)code << 42 | 0x3ffffffffffu;
        size_t i = length ? unicode_below64(unicode_lower,
                                            LH_COUNT(unicode_lower), key)
                          : 0;
        if (!i || unicode_lower[i - 1] >> 42 != code) {
            status = lh_buffer_add(ctx, out, text + at,
                                   length ? (size_t)length : 1);
        } else {
            char to[8];
            uint64_t made = unicode_lower[i - 1];
            int n = lh_utf8_encode((uint32_t)(made & 0x1fffff), to);
            if (made >> 21 & 0x1fffff)
                n += lh_utf8_encode((uint32_t)(made >> 21 & 0x1fffff),
                                    to + n);
            status = lh_buffer_add(ctx, out, to, (size_t)n);
        }
        at += length ? (size_t)length : 1;
    }
    return status;
}

#undef HANGUL
#undef HANGUL_L
#undef HANGUL_V
#undef HANGUL_T
#undef HANGUL_LS
#undef HANGUL_VS
#undef HANGUL_TS
#undef UNICODE_BELOW
