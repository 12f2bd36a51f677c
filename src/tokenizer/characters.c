/* The character tokenizer: a token is one of the code points of the text
 * that it was made from, numbered ascending.  No normalization: a letter
 * and its combining accent are two characters where the text has two. */
#include "base/utf8.h"
#include "tokenizer/kinds.h"

/* The id of a code point, or -1. */
static int32_t characters_find(const lh_tokenizer *k, uint32_t code)
{
    if (code < 128)
        return k->ascii[code];
    int32_t low = 0, high = k->vocabulary - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (k->codes[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < k->vocabulary - 1 && k->codes[low] == code ? low : -1;
}

static lh_status characters_unknown(lh_context *ctx, const lh_tokenizer *k,
                                    const char *text, int length, size_t at,
                                    uint32_t code)
{
    /* lh_utf8_show gives "?" for what a terminal should not be sent. */
    char shown[LH_UTF8_SHOWN] = "";
    lh_utf8_show(shown, text, (size_t)length);
    bool printable = code == '?' || strcmp(shown, "?") != 0;
    return lh_fail(ctx, LH_ERROR_FORMAT,
                   "byte %zu: the character %s%s%sU+%04X%s is not among the "
                   "%d of this tokenizer: leave it out, or use the byte "
                   "tokenizer", at, printable ? "'" : "",
                   printable ? shown : "", printable ? "' (" : "",
                   (unsigned)code, printable ? ")" : "",
                   (int)(k->vocabulary - 1));
}

static lh_status characters_invalid(lh_context *ctx, const char *text,
                                    size_t at)
{
    return lh_fail(ctx, LH_ERROR_FORMAT,
                   "byte %zu (0x%02X) is not UTF-8 text: convert the text, "
                   "or use the byte tokenizer", at,
                   (unsigned)(unsigned char)text[at]);
}

static lh_status characters_encode(lh_context *ctx, const lh_tokenizer *k,
                                   const char *text, size_t size,
                                   lh_ids *out)
{
    for (size_t at = 0; at < size;) {
        uint32_t code = 0;
        int length = lh_utf8_decode(text + at, size - at, &code);
        if (!length)
            return characters_invalid(ctx, text, at);
        int32_t id = characters_find(k, code);
        if (id < 0)
            return characters_unknown(ctx, k, text + at, length, at, code);
        int32_t *place = lh_ids_room(ctx, out, 1);
        if (!place)
            return LH_ERROR_MEMORY;
        *place = id;
        out->count++;
        at += (size_t)length;
    }
    return LH_OK;
}

LH_TABLE_DEFINED const lh_tokenizer_kind_row lh_tokenizer_kind_characters = {
    "characters", characters_encode
};

/* -------------------------------------------------------------- making -- */

LH_INTERNAL lh_tokenizer *lh_tokenizer_from_codes(lh_context *ctx,
                                                  const uint32_t *codes,
                                                  int32_t count)
{
    char spelled[4];
    size_t bytes = 0;
    for (int32_t i = 0; i < count; i++)
        bytes += (size_t)lh_utf8_encode(codes[i], spelled);
    lh_tokenizer *k = lh_tokenizer_make(ctx, &lh_tokenizer_kind_characters,
                                        count, bytes);
    if (!k)
        return NULL;
    k->codes = lh_alloc(ctx, (size_t)count, sizeof *k->codes);
    if (!k->codes) {
        lh_tokenizer_free(k);
        return NULL;
    }
    memset(k->ascii, 0xff, sizeof k->ascii);
    for (int32_t i = 0; i < count; i++) {
        int length = lh_utf8_encode(codes[i], spelled);
        k->codes[i] = codes[i];
        if (codes[i] < 128)
            k->ascii[codes[i]] = i;
        memcpy(k->pieces + k->starts[i], spelled, (size_t)length);
        k->starts[i + 1] = k->starts[i] + (uint32_t)length;
    }
    return k;
}

LH_API lh_tokenizer *lh_tokenizer_characters(lh_context *ctx,
                                             const char *text, size_t size)
{
    if (!ctx)
        return NULL;
    if (!text && size)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_tokenizer_characters:"
                            " NULL where a text is needed");
    if (!size)
        return LH_FAIL_NULL(ctx, LH_ERROR_FORMAT, "the text is empty: a"
                            " character tokenizer needs at least one"
                            " character");
    lh_tokenizer *k = NULL;
    uint32_t *codes = NULL;
    uint32_t *seen = lh_alloc(ctx, LH_UTF8_CODES / 32, sizeof *seen);
    size_t fine = seen ? lh_utf8_mark(seen, text, size) : 0;
    int32_t count = 0;
    uint32_t code = 0;
    if (seen && fine < size)
        characters_invalid(ctx, text, fine);
    else
        while (seen && (code = lh_utf8_marked(seen, code)) < LH_UTF8_CODES)
            code++, count++;
    if (count)
        codes = lh_alloc(ctx, (size_t)count, sizeof *codes);
    code = 0;
    for (int32_t i = 0; codes && i < count; i++)
        codes[i] = code = lh_utf8_marked(seen, code + (i > 0));
    if (codes)
        k = lh_tokenizer_from_codes(ctx, codes, count);
    lh_free(ctx, codes);
    lh_free(ctx, seen);
    return k;
}
