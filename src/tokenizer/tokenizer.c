/* Tokenizers: what all kinds share, and the public functions.
 *
 * Owns: the table of pieces, so that turning a token back into bytes is the
 * same look-up for every kind.  Refuses: to drop or replace what it cannot
 * encode.  Read kinds.h first; then bytes.c, characters.c, tokenizer_json.c.
 */
#include "tokenizer/kinds.h"
#include "tokenizer/tokenizer.h"

LH_INTERNAL lh_tokenizer *lh_tokenizer_make(lh_context *ctx,
                                            const lh_tokenizer_kind_row *kind,
                                            int32_t count, size_t bytes)
{
    lh_tokenizer *k = lh_alloc(ctx, 1, sizeof *k);
    if (!k)
        return NULL;
    k->ctx = ctx;
    k->kind = kind;
    k->vocabulary = count + 1;
    k->pieces = lh_alloc(ctx, bytes, 1);
    if (k->pieces)
        k->starts = lh_alloc(ctx, (size_t)count + 2, sizeof *k->starts);
    if (!k->starts) {
        lh_tokenizer_free(k);
        return NULL;
    }
    k->starts[count + 1] = (uint32_t)bytes;    /* where the border ends    */
    return k;
}

LH_API void lh_tokenizer_free(lh_tokenizer *k)
{
    if (!k)
        return;
    lh_free(k->ctx, k->codes);
    lh_free(k->ctx, k->starts);
    lh_free(k->ctx, k->pieces);
    lh_free(k->ctx, k);
}

LH_API const char *lh_tokenizer_kind(const lh_tokenizer *k)
{
    return k ? k->kind->name : NULL;
}

LH_API int64_t lh_tokenizer_vocabulary(const lh_tokenizer *k)
{
    return k ? k->vocabulary : 0;
}

LH_API int32_t lh_tokenizer_border(const lh_tokenizer *k)
{
    return k ? k->vocabulary - 1 : -1;
}

LH_API lh_status lh_tokenizer_encode(lh_context *ctx, const lh_tokenizer *k,
                                     const char *text, size_t size,
                                     int32_t **ids, int64_t *count)
{
    if (ids)
        *ids = NULL;
    if (count)
        *count = 0;
    if (!ctx || !k || !ids || !count || (!text && size))
        return lh_fail(ctx, LH_ERROR_ARGUMENT,
                       "lh_tokenizer_encode: NULL where a tokenizer, a text "
                       "or a place for the result is needed");
    int32_t *made = lh_alloc(ctx, k->kind->bound(k, text, size),
                             sizeof *made);
    if (!made)
        return LH_ERROR_MEMORY;
    lh_status status = k->kind->encode(ctx, k, text, size, made, count);
    if (status) {
        lh_free(ctx, made);
        *count = 0;
        return status;
    }
    *ids = made;
    return LH_OK;
}

LH_API const char *lh_tokenizer_piece(const lh_tokenizer *k, int32_t id,
                                      size_t *size)
{
    bool there = k && id >= 0 && id < k->vocabulary;
    if (size)
        *size = there ? k->starts[id + 1] - k->starts[id] : 0;
    return there ? k->pieces + k->starts[id] : NULL;
}
