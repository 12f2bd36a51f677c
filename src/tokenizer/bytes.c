/* The byte tokenizer: a token's id is the byte's value.  It can encode
 * anything, and is what every text that is not UTF-8 is sent to. */
#include "tokenizer/kinds.h"

static size_t bytes_bound(const lh_tokenizer *k, const char *text,
                          size_t size)
{
    (void)k;
    (void)text;
    return size;
}

static lh_status bytes_encode(lh_context *ctx, const lh_tokenizer *k,
                              const char *text, size_t size, int32_t *ids,
                              int64_t *count)
{
    (void)ctx;
    (void)k;
    for (size_t i = 0; i < size; i++)
        ids[i] = (unsigned char)text[i];
    *count = (int64_t)size;
    return LH_OK;
}

LH_TABLE_DEFINED const lh_tokenizer_kind_row lh_tokenizer_kind_bytes = {
    "bytes", bytes_bound, bytes_encode
};

LH_API lh_tokenizer *lh_tokenizer_bytes(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_tokenizer *k = lh_tokenizer_make(ctx, &lh_tokenizer_kind_bytes, 256,
                                        256);
    if (!k)
        return NULL;
    for (uint32_t i = 0; i < 256; i++) {
        k->pieces[i] = (char)i;
        k->starts[i + 1] = i + 1;
    }
    return k;
}
