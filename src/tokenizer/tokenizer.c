/* Tokenizers: what all kinds share, and the public functions.
 *
 * Owns: the table of pieces, so that turning a token back into bytes is the
 * same look-up for every kind.  Refuses: to drop or replace what it cannot
 * encode, but where the library that a file was made for does.  Read kinds.h
 * first; then bytes.c, characters.c, tokenizer_json.c.
 */
#include "base/context.h"
#include "tokenizer/bpe.h"
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
    k->border = count;
    k->pieces = lh_alloc(ctx, bytes + LH_PIECE_PAD, 1);
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
    lh_bpe_free(k);
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
    return k ? k->border : -1;
}

LH_INTERNAL int32_t *lh_ids_room(lh_context *ctx, lh_ids *ids, size_t more)
{
    size_t need;
    if (more <= ids->capacity - ids->count && ids->id)
        return ids->id + ids->count;
    if (!lh_add_size(ids->count, more, &need) || need > SIZE_MAX / 16)
        return LH_FAIL_NULL(ctx, LH_ERROR_MEMORY, "the text has too many"
                            " tokens");
    need += ids->capacity / 2 + 16;
    int32_t *id = lh_resize(ctx, ids->id, ids->capacity, need, sizeof *id,
                            false);
    if (!id)
        return NULL;
    ids->id = id;
    ids->capacity = need;
    return id + ids->count;
}

LH_INTERNAL lh_status lh_ids_begin(lh_context *ctx, lh_ids *ids, size_t bytes)
{
    /* More than most texts need, as large pages are slow to move; what is
     * not used is no memory, but of a host's allocator. */
    lh_context asking = { 0 };
    return (!ctx->allocator.allocate &&
            lh_ids_room(&asking, ids, bytes / 2)) ||
           lh_ids_room(ctx, ids, bytes / 4) ? LH_OK : LH_ERROR_MEMORY;
}

/* Appends ids from a list. */
static lh_status tokenizer_frame(lh_context *ctx, lh_ids *out,
                                 const int32_t *id, int count)
{
    int32_t *to = lh_ids_room(ctx, out, (size_t)count);
    if (!to)
        return LH_ERROR_MEMORY;
    memcpy(to, id, (size_t)count * sizeof *id);
    out->count += (size_t)count;
    return LH_OK;
}

LH_INTERNAL lh_status lh_tokenizer_some(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        const char *text, size_t size,
                                        const lh_encoding *how, bool first,
                                        bool last, lh_ids *out)
{
    const lh_bpe *b = how && how->frame ? k->bpe : NULL;
    lh_status status = LH_OK;
    out->special = how && how->special;
    if (b && first)
        status = tokenizer_frame(ctx, out, b->before, b->before_count);
    if (!status)
        status = k->kind->encode(ctx, k, text, size, out);
    if (!status && b && last)
        status = tokenizer_frame(ctx, out, b->behind, b->behind_count);
    return status;
}

LH_API lh_status lh_tokenizer_encode_as(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        const char *text, size_t size,
                                        const lh_encoding *how,
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
    lh_ids made = { 0 };
    lh_status status = lh_ids_begin(ctx, &made, size);
    if (!status)
        status = lh_tokenizer_some(ctx, k, size ? text : "", size, how, true,
                                   true, &made);
    if (status) {
        lh_free(ctx, made.id);
        return status;
    }
    *ids = made.id;
    *count = (int64_t)made.count;
    return LH_OK;
}

LH_API lh_status lh_tokenizer_encode(lh_context *ctx, const lh_tokenizer *k,
                                     const char *text, size_t size,
                                     int32_t **ids, int64_t *count)
{
    return lh_tokenizer_encode_as(ctx, k, text, size, NULL, ids, count);
}

/* How many bytes the pieces of all ids have, if there are such ids. */
static lh_status tokenizer_bytes(lh_context *ctx, const lh_tokenizer *k,
                                 const int32_t *ids, int64_t count,
                                 size_t *bytes)
{
    uint64_t sum = 0;                  /* fits: ids are in memory, too     */
    for (int64_t i = 0; i < count; i++) {
        if ((uint32_t)ids[i] >= (uint32_t)k->vocabulary)
            return lh_fail(ctx, LH_ERROR_ARGUMENT, "id %lld is %d; the"
                           " tokenizer has 0 to %d", (long long)i,
                           (int)ids[i], (int)k->vocabulary - 1);
        sum += k->starts[ids[i] + 1] - k->starts[ids[i]];
    }
    *bytes = (size_t)sum;
    if (sum > PTRDIFF_MAX / 2)
        return lh_fail(ctx, LH_ERROR_MEMORY, "the text of %lld ids is too"
                       " long", (long long)count);
    return LH_OK;
}

LH_API lh_status lh_tokenizer_decode(lh_context *ctx, const lh_tokenizer *k,
                                     const int32_t *ids, int64_t count,
                                     char **text, size_t *size,
                                     int64_t *offsets)
{
    if (text)
        *text = NULL;
    if (size)
        *size = 0;
    if (!ctx || !k || !text || !size || count < 0 || (!ids && count))
        return lh_fail(ctx, LH_ERROR_ARGUMENT,
                       "lh_tokenizer_decode: NULL where a tokenizer, ids or "
                       "a place for the result is needed");
    size_t bytes = 0;
    if (tokenizer_bytes(ctx, k, ids, count, &bytes))
        return lh_error_status(ctx);
    char *made = lh_alloc(ctx, bytes + LH_PIECE_PAD, 1);
    if (!made)
        return LH_ERROR_MEMORY;
    /* The space that was put before the text is none of it. */
    bool drop = k->bpe && k->bpe->spaces && k->bpe->prefix;
    size_t at = 0;
    int64_t i = 0;
    for (; i < count && (drop || offsets); i++) {
        const char *piece = k->pieces + k->starts[ids[i]];
        size_t length = k->starts[ids[i] + 1] - k->starts[ids[i]];
        size_t skip = drop && length && piece[0] == ' ';
        drop &= !length;
        if (offsets)
            offsets[i] = (int64_t)at;
        if (length > skip)
            memcpy(made + at, piece + skip, length - skip);
        at += length - skip;
    }
    for (; i < count; i++) {
        const char *piece = k->pieces + k->starts[ids[i]];
        size_t length = k->starts[ids[i] + 1] - k->starts[ids[i]];
        memcpy(made + at, piece, LH_PIECE_PAD);
        if (length > LH_PIECE_PAD)
            memcpy(made + at + LH_PIECE_PAD, piece + LH_PIECE_PAD,
                   length - LH_PIECE_PAD);
        at += length;
    }
    if (offsets)
        offsets[count] = (int64_t)at;
    *text = made;
    *size = at;
    return LH_OK;
}

LH_API size_t lh_tokenizer_cut(const lh_tokenizer *k, const char *text,
                               size_t size)
{
    if (!k || !text)
        return 0;
    if (!k->bpe)
        return k->codes ? lh_text_whole(text, size) : size;
    return lh_bpe_cut(k, text, size);
}

LH_API int32_t lh_tokenizer_find(const lh_tokenizer *k, const char *text,
                                 size_t size)
{
    if (!k || !text || !size)
        return -1;
    if (k->bpe)
        for (int i = 0; i < k->bpe->added_count; i++) {
            int32_t id = k->bpe->added[i].id;
            size_t length = k->starts[id + 1] - k->starts[id];
            if (length == size &&
                !memcmp(k->pieces + k->starts[id], text, size))
                return id;
        }
    if (k->bpe)
        return lh_bpe_find(k, text, size);
    for (int32_t id = 0; id < k->vocabulary; id++)
        if (k->starts[id + 1] - k->starts[id] == size &&
            !memcmp(k->pieces + k->starts[id], text, size))
            return id;
    return -1;
}

LH_API int32_t lh_tokenizer_special(const lh_tokenizer *k, int i)
{
    if (!k || i < 0)
        return -1;
    if (!k->bpe)
        return i ? -1 : k->border;
    for (int at = 0; at < k->bpe->added_count; at++)
        if (k->bpe->added[at].special && i-- == 0)
            return k->bpe->added[at].id;
    return -1;
}

LH_API const char *lh_tokenizer_piece(const lh_tokenizer *k, int32_t id,
                                      size_t *size)
{
    bool there = k && id >= 0 && id < k->vocabulary;
    if (size)
        *size = there ? k->starts[id + 1] - k->starts[id] : 0;
    return there ? k->pieces + k->starts[id] : NULL;
}
