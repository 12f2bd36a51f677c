/* The byte tokenizer: a token's id is the byte's value.  It can encode
 * anything, and is what every text that is not UTF-8 is sent to. */
#include "tokenizer/kinds.h"

static lh_status bytes_encode(lh_context *ctx, const lh_tokenizer *k,
                              const char *text, size_t size, lh_ids *out)
{
    (void)k;
    int32_t *id = lh_ids_room(ctx, out, size);
    if (!id)
        return LH_ERROR_MEMORY;
    for (size_t i = 0; i < size; i++)
        id[i] = (unsigned char)text[i];
    out->count += size;
    return LH_OK;
}

LH_TABLE_DEFINED const lh_tokenizer_kind_row lh_tokenizer_kind_bytes = {
    "bytes", bytes_encode
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
