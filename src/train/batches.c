/* Documents in tokens, cut into windows; which of them a step takes; and
 * windows laid one behind the other as a batch.
 *
 * Every document is border, tokens, border; its windows are as long as the
 * model's context, the last one shorter.  A whole file is one document.  The
 * order of an epoch is a function of the seed and the epoch's number. */
#include "base/strict.h"

#include <stdio.h>

#include "base/rng.h"
#include "train/train.h"

/* ---------------------------------------------------------- tokenizing -- */

/* Room for `more` tokens behind those that are there. */
static lh_status batches_room(lh_windows *w, int64_t *capacity, int64_t more)
{
    int64_t needed;
    if (__builtin_add_overflow(w->token_count, more, &needed) ||
        needed > INT64_MAX / 4)
        return lh_fail(w->ctx, LH_ERROR_MEMORY, "the data has too many"
                       " tokens");
    if (needed <= *capacity)
        return LH_OK;
    int64_t grown = lh_max64(needed, *capacity + *capacity / 2);
    int32_t *tokens = lh_resize(w->ctx, w->tokens, (size_t)*capacity,
                                (size_t)grown, sizeof *tokens);
    if (!tokens)
        return LH_ERROR_MEMORY;
    w->tokens = tokens;
    *capacity = grown;
    return LH_OK;
}

/* The tokens of document i, of several: a failure says which one it is. */
static lh_status batches_encode(lh_windows *w, const lh_tokenizer *k,
                                const lh_dataset *d, int64_t i,
                                int32_t **ids, int64_t *count)
{
    size_t size;
    const char *text = lh_dataset_document(d, i, &size);
    bool clear = lh_error_status(w->ctx) == LH_OK;
    lh_status status = lh_tokenizer_encode(w->ctx, k, text, size, ids,
                                           count);
    w->bytes += (int64_t)size;
    if (status != LH_ERROR_FORMAT || !clear || lh_dataset_documents(d) < 2)
        return status;
    char message[512];
    snprintf(message, sizeof message, "%s", lh_error_message(w->ctx));
    lh_error_clear(w->ctx);
    return lh_fail(w->ctx, status, "document %lld, %s", (long long)i + 1,
                   message);
}

/* Appends each document and the border behind it, and records where each
 * begins: at the border before it. */
static lh_status batches_tokenize(lh_windows *w, const lh_tokenizer *k,
                                  const lh_dataset *d, int64_t *begin)
{
    int64_t documents = lh_dataset_documents(d), capacity = 0;
    int32_t border = lh_tokenizer_border(k);
    size_t bytes;
    lh_dataset_bytes(d, &bytes);                 /* a token has at least 1 */
    lh_status status = batches_room(w, &capacity, (int64_t)bytes +
                                                  documents + 1);
    if (!status)
        w->tokens[w->token_count++] = border;
    for (int64_t i = 0; i < documents && !status; i++) {
        int32_t *ids = NULL;
        int64_t count = 0;
        status = batches_encode(w, k, d, i, &ids, &count);
        if (!status)
            status = batches_room(w, &capacity, count + 1);
        if (!status) {
            begin[i] = w->token_count - 1;
            if (count)
                memcpy(w->tokens + w->token_count, ids,
                       (size_t)count * sizeof *ids);
            w->token_count += count;
            w->tokens[w->token_count++] = border;
        }
        lh_memory_free(w->ctx, ids);
    }
    begin[documents] = w->token_count - 1;
    return status;
}

/* ------------------------------------------------------------- cutting -- */

static void batches_cut(lh_windows *w, int64_t from, int64_t to,
                        int64_t context)
{
    for (int64_t first = from; first < to; first += context) {
        int32_t count = (int32_t)lh_min64(context, to - first);
        w->window[w->count++] = (lh_window){ first, count };
        if (count > w->longest)
            w->longest = count;
    }
}

/* Documents that are held out: true.  At least one, never all. */
static void batches_split(bool *aside, int64_t *order, int64_t documents,
                          double share, uint64_t seed)
{
    int64_t held = (int64_t)(share * (double)documents + 0.5);
    held = lh_max64(1, lh_min64(held, documents - 1));
    lh_rng rng = lh_rng_start(seed, LH_STREAM_SPLIT);
    lh_rng_shuffle(&rng, order, documents);
    for (int64_t i = 0; i < held; i++)
        aside[order[i]] = true;
}

/* Cuts the training documents, then those held out. */
static lh_status batches_windows(lh_windows *w, const int64_t *begin,
                                 const bool *aside, int64_t documents,
                                 int64_t context, double held_out)
{
    int64_t total = 0;
    for (int64_t i = 0; i < documents; i++)
        total += (begin[i + 1] - begin[i] + context - 1) / context;
    w->window = lh_alloc(w->ctx, (size_t)total, sizeof *w->window);
    if (!w->window)
        return LH_ERROR_MEMORY;
    for (int part = 0; part < 2; part++) {
        for (int64_t i = 0; i < documents; i++)
            if (aside[i] == (part == 1))
                batches_cut(w, begin[i], begin[i + 1], context);
        if (part == 0)
            w->training = w->count;
    }
    if (documents > 1 || !(held_out > 0))
        return LH_OK;
    if (w->count < 2)
        return lh_fail(w->ctx, LH_ERROR_ARGUMENT, "the data is one window;"
                       " nothing can be held out of it");
    int64_t held = (int64_t)(held_out * (double)w->count + 0.5);
    w->training -= lh_max64(1, lh_min64(held, w->count - 1));
    return LH_OK;
}

LH_INTERNAL lh_status lh_windows_make(lh_context *ctx, lh_windows *w,
                                      const lh_tokenizer *k,
                                      const lh_dataset *d, int64_t context,
                                      double held_out, uint64_t seed)
{
    *w = (lh_windows){ .ctx = ctx };
    int64_t documents = lh_dataset_documents(d);
    if (documents < 1)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "the data has no documents");
    size_t count = (size_t)documents;
    int64_t *begin = lh_alloc(ctx, count + 1, sizeof *begin);
    int64_t *order = lh_alloc(ctx, count, sizeof *order);
    bool *aside = lh_alloc(ctx, count, sizeof *aside);
    lh_status status = begin && order && aside ? LH_OK : LH_ERROR_MEMORY;
    if (!status)
        status = batches_tokenize(w, k, d, begin);
    if (!status && held_out > 0 && documents > 1)
        batches_split(aside, order, documents, held_out, seed);
    if (!status)
        status = batches_windows(w, begin, aside, documents, context,
                                 held_out);
    lh_free(ctx, begin);
    lh_free(ctx, order);
    lh_free(ctx, aside);
    if (status)
        lh_windows_free(w);
    return status;
}

LH_INTERNAL void lh_windows_free(lh_windows *w)
{
    lh_free(w->ctx, w->tokens);
    lh_free(w->ctx, w->window);
    *w = (lh_windows){ .ctx = w->ctx };
}

static uint64_t batches_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

LH_INTERNAL uint64_t lh_windows_hash(const lh_windows *w)
{
    uint64_t hash = batches_mix((uint64_t)w->count, (uint64_t)w->training);
    for (int64_t i = 0; i < w->token_count; i++)
        hash = batches_mix(hash, (uint64_t)w->tokens[i]);
    for (int64_t i = 0; i < w->count; i++) {
        hash = batches_mix(hash, (uint64_t)w->window[i].first);
        hash = batches_mix(hash, (uint64_t)w->window[i].count);
    }
    return hash;
}

/* --------------------------------------------------------------- order -- */

LH_INTERNAL int64_t lh_order_at(lh_order *o, const lh_windows *w,
                                uint64_t seed, int64_t position)
{
    int64_t epoch = position / w->training;
    if (epoch != o->epoch) {
        lh_rng rng = lh_rng_start(seed, (uint64_t)epoch << 8 |
                                        LH_STREAM_SHUFFLE);
        lh_rng_shuffle(&rng, o->order, w->training);
        o->epoch = epoch;
    }
    return o->order[position % w->training];
}

/* ------------------------------------------------------------- packing -- */

LH_INTERNAL lh_status lh_packer_make(lh_context *ctx, lh_packer *p,
                                     int64_t windows, int64_t rows)
{
    *p = (lh_packer){ .offsets = NULL };
    if (windows > PTRDIFF_MAX / 16 || rows > PTRDIFF_MAX / 16)
        return lh_fail(ctx, LH_ERROR_MEMORY, "a batch of %lld windows and"
                       " %lld rows is too large; use a smaller batch or"
                       " micro-batch", (long long)windows, (long long)rows);
    p->offsets = lh_alloc(ctx, (size_t)windows + 1, sizeof *p->offsets);
    p->tokens = lh_alloc(ctx, (size_t)rows, sizeof *p->tokens);
    p->targets = lh_alloc(ctx, (size_t)rows, sizeof *p->targets);
    p->batch = (lh_batch){ 0, p->offsets, p->tokens, p->targets };
    if (p->offsets && p->tokens && p->targets)
        return LH_OK;
    lh_packer_free(ctx, p);
    return LH_ERROR_MEMORY;
}

LH_INTERNAL void lh_packer_free(lh_context *ctx, lh_packer *p)
{
    lh_free(ctx, p->offsets);
    lh_free(ctx, p->tokens);
    lh_free(ctx, p->targets);
    *p = (lh_packer){ .offsets = NULL };
}

LH_INTERNAL void lh_packer_clear(lh_packer *p)
{
    p->batch.documents = 0;
}

LH_INTERNAL void lh_packer_add(lh_packer *p, const lh_windows *w,
                               int64_t window)
{
    lh_window part = w->window[window];
    int64_t row = p->offsets[p->batch.documents];
    size_t bytes = (size_t)part.count * sizeof *w->tokens;
    memcpy(p->tokens + row, w->tokens + part.first, bytes);
    memcpy(p->targets + row, w->tokens + part.first + 1, bytes);
    p->offsets[++p->batch.documents] = row + part.count;
}
