/* Documents in tokens, cut into windows; which of them a step takes; and
 * windows laid one behind the other as a batch.
 *
 * Every document is border, tokens, border; its windows are as long as the
 * model's context, the last one shorter.  The training documents come first,
 * then those held out, so that the windows lie one behind the other without a
 * gap.  The order of an epoch is a function of the seed and the epoch's
 * number. */
#include "base/strict.h"

#include "base/rng.h"
#include "train/spool.h"

/* Of a long document so many bytes are encoded at once. */
enum { BATCHES_PART = 1 << 20 };
/* Tokens that are told at once where all need not fit into memory. */
enum { BATCHES_TOLD = 1 << 15 };

/* ---------------------------------------------------------- tokenizing -- */

typedef struct batches_state {
    lh_windows *w;
    const lh_windows_of *of;
    lh_spool *spool;                   /* NULL: into memory                */
    bool several;                      /* documents: failures say which    */
    lh_windows_part *on_part;          /* NULL: all of it is kept          */
    void *user;
    size_t tokens_room, windows_room, spellings_room;
    int64_t begin;                     /* the border before the document   */
    lh_buffer text;                    /* of it, not encoded yet           */
    size_t searched;                   /* of that: no place to cut it      */
    uint64_t tokens_hash, windows_hash;
} batches_state;

/* Room for `more` tokens behind those that are there. */
static lh_status batches_room(batches_state *s, int64_t more)
{
    lh_windows *w = s->w;
    int64_t needed;
    if (__builtin_add_overflow(w->token_count, more, &needed) ||
        needed > INT64_MAX / 4)
        return lh_fail(w->ctx, LH_ERROR_MEMORY, "the data has too many"
                       " tokens");
    return lh_grow(w->ctx, &w->tokens, &s->tokens_room, (size_t)needed,
                   sizeof *w->tokens);
}

static lh_status batches_put(batches_state *s, const int32_t *ids,
                             int64_t count)
{
    lh_windows *w = s->w;
    lh_status status = s->spool ? lh_spool_put(s->spool, ids, count)
                                : batches_room(s, count);
    if (status || !count)
        return status;
    for (int64_t i = 0; i < count; i++)
        s->tokens_hash = lh_mix(s->tokens_hash, (uint64_t)ids[i]);
    if (!s->spool)
        memcpy(w->tokens + w->token_count, ids, (size_t)count * sizeof *ids);
    w->token_count += count;
    return LH_OK;
}

/* Compares a part of a document with its tokens; text NULL: it has none. */
static void batches_spell(batches_state *s, const char *text, size_t size,
                          const int32_t *ids, int64_t count)
{
    lh_spelt *p = &s->w->spelling[s->w->spellings - 1];
    size_t at = 0, length;
    for (int64_t i = 0; i < count; i++, p->tokens++, at += length) {
        const char *piece = lh_tokenizer_piece(s->of->k, ids[i], &length);
        if (!text || p->wrong >= 0 ||
            (length <= size - at && !memcmp(text + at, piece, length)))
            continue;
        p->blank = !p->tokens && length && piece[0] == ' ';
        length -= p->blank;
        if (!p->blank || length > size || memcmp(text, piece + 1, length))
            p->wrong = p->tokens;
    }
    if (text && p->wrong < 0 && at != size)
        p->wrong = p->tokens;
    p->bytes += (int64_t)(text ? size : at);
}

/* Appends a text's tokens.  Of several documents a failure says which. */
static lh_status batches_encode(batches_state *s, int64_t document,
                                const char *text, size_t size)
{
    lh_context *ctx = s->w->ctx;
    int32_t *ids = NULL;
    int64_t count = 0;
    bool clear = lh_error_status(ctx) == LH_OK;
    lh_status status = lh_tokenizer_encode(ctx, s->of->k, text, size, &ids,
                                           &count);
    if (!status)
        status = batches_put(s, ids, count);
    if (!status && s->on_part)
        batches_spell(s, text, size, ids, count);
    lh_memory_free(ctx, ids);
    if (status != LH_ERROR_FORMAT || !clear || !s->several)
        return status;
    char message[512];
    snprintf(message, sizeof message, "%s", lh_error_message(ctx));
    lh_error_clear(ctx);
    return lh_fail(ctx, status, "document %lld, %s",
                   (long long)document + 1, message);
}

/* Cuts the document that ends with the border just put; of one that goes on
 * what makes whole windows. */
static lh_status batches_cut(batches_state *s, bool ends)
{
    lh_windows *w = s->w;
    int64_t to = w->token_count - 1, first = s->begin;
    int64_t more = (to - first + s->of->context - 1) / s->of->context;
    if (!s->spool && lh_grow(w->ctx, &w->window, &s->windows_room,
                             (size_t)(w->count + more), sizeof *w->window))
        return LH_ERROR_MEMORY;
    for (; first < to && (ends || s->of->context <= to - first);
         first += s->of->context) {
        int32_t count = (int32_t)lh_min64(s->of->context, to - first);
        if (s->spool && lh_spool_start(s->spool, first))
            return lh_error_status(w->ctx);
        if (!s->spool)
            w->window[w->count] = (lh_window){ first, count };
        w->count++;
        s->windows_hash = lh_mix(s->windows_hash, (uint64_t)first);
        if (count > w->longest)
            w->longest = count;
    }
    s->begin = ends ? to : first;
    return LH_OK;
}

/* Tells what windows there are and forgets them; what has none yet stays. */
static lh_status batches_tell(batches_state *s, bool ends)
{
    lh_windows *w = s->w;
    lh_status status = ends ? LH_OK : batches_cut(s, false);
    if (!status && w->count)
        status = s->on_part(s->user, w);
    w->token_count -= s->begin;
    memmove(w->tokens, w->tokens + s->begin,
            (size_t)w->token_count * sizeof *w->tokens);
    if (!ends)
        w->spelling[0] = w->spelling[w->spellings - 1];
    w->spellings = !ends;
    s->begin = w->count = w->longest = 0;
    return status;
}

static lh_status batches_piece(void *user, const lh_piece *p)
{
    batches_state *s = user;
    lh_buffer *text = &s->text;
    int32_t border = lh_tokenizer_border(s->of->k);
    lh_status status = LH_OK;
    if (p->first && s->on_part) {
        lh_windows *w = s->w;
        if (lh_grow(w->ctx, &w->spelling, &s->spellings_room,
                    w->spellings + 1, sizeof *w->spelling))
            return LH_ERROR_MEMORY;
        w->spelling[w->spellings++] = (lh_spelt){ .wrong = -1 };
    }
    if (p->ids) {
        status = batches_put(s, p->ids, p->count);
        if (!status && s->on_part)
            batches_spell(s, NULL, 0, p->ids, p->count);
    } else if (p->first && p->last) {
        status = batches_encode(s, p->document, p->text, p->size);
    } else {
        status = lh_buffer_add(s->w->ctx, text, p->text, p->size);
        /* Looked for when twice as much has come: all of it may have none. */
        bool looks = text->size >= BATCHES_PART &&
                     text->size / 2 >= s->searched;
        size_t part = p->last ? text->size : !looks ? 0
                    : lh_tokenizer_cut(s->of->k, text->data, text->size);
        if (!status && part) {
            status = batches_encode(s, p->document, text->data, part);
            memmove(text->data, text->data + part, text->size - part);
            text->size -= part;
        }
        if (looks || p->last)
            s->searched = text->size;
    }
    if (!status && p->last)
        status = batches_put(s, &border, 1);
    if (!status && p->last)
        status = batches_cut(s, true);
    return status || !s->on_part || s->w->token_count < BATCHES_TOLD
         ? status : batches_tell(s, p->last);
}

/* The training part, then what is held out. */
static lh_status batches_fill(void *user, lh_spool *spool)
{
    batches_state *s = user;
    lh_windows *w = s->w;
    lh_data_facts f;
    lh_dataset_facts(s->of->d, &f);
    bool held_out = s->of->held_out > 0 || f.training < f.documents;
    int32_t border = lh_tokenizer_border(s->of->k);
    lh_split split = { LH_PART_TRAINING, s->of->held_out, s->of->seed };
    s->spool = spool;
    s->several = f.documents > 1;
    w->bytes = f.bytes;
    /* A token has at least one byte. */
    lh_status status = spool ? LH_OK
        : batches_room(s, f.loaded && !s->on_part ? f.bytes + f.documents + 1 +
                                     (s->of->held_out > 0) : 1);
    if (!status)
        status = batches_put(s, &border, 1);
    if (!status)
        status = lh_dataset_read(w->ctx, s->of->d, &split, batches_piece, s);
    w->training = w->count;
    split.part = LH_PART_HELD_OUT;
    if (!status && held_out)
        status = lh_dataset_read(w->ctx, s->of->d, &split, batches_piece, s);
    w->hash = lh_mix(lh_mix(lh_mix((uint64_t)w->count,
        (uint64_t)w->training), s->tokens_hash), s->windows_hash);
    lh_buffer_free(w->ctx, &s->text);
    return status;
}

LH_INTERNAL lh_status lh_windows_open(lh_context *ctx, lh_windows *w,
                                      const lh_windows_of *of,
                                      const char *cache)
{
    lh_data_facts facts;
    lh_dataset_facts(of->d, &facts);
    *w = (lh_windows){ .ctx = ctx };
    if (!facts.documents)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "the data has no documents");
    batches_state s = { .w = w, .of = of };
    lh_status status = !facts.loaded && cache
        ? lh_spool_open(w, cache, of, batches_fill, &s)
        : batches_fill(&s, NULL);
    if (!status && w->window)
        status = lh_fit(ctx, &w->window, &s.windows_room, (size_t)w->count,
                        sizeof *w->window);
    if (status)
        lh_windows_free(w);
    return status;
}

LH_INTERNAL lh_status lh_windows_parts(lh_context *ctx,
                                       const lh_windows_of *of,
                                       lh_windows_part *on_part, void *user)
{
    lh_windows w = { .ctx = ctx };
    batches_state s = { .w = &w, .of = of, .on_part = on_part, .user = user };
    lh_status status = batches_fill(&s, NULL);
    if (!status)
        status = batches_tell(&s, true);
    lh_windows_free(&w);
    return status;
}

LH_INTERNAL void lh_windows_free(lh_windows *w)
{
    lh_free(w->ctx, w->spelling);
    lh_free(w->ctx, w->tokens);
    lh_free(w->ctx, w->window);
    lh_reader_close(&w->tokens_file);
    lh_reader_close(&w->windows_file);
    *w = (lh_windows){ .ctx = w->ctx };
}

LH_INTERNAL lh_status lh_windows_at(const lh_windows *w, int64_t i,
                                    lh_window *window)
{
    if (!w->window)
        return lh_spool_window(w, i, window);
    *window = w->window[i];
    return LH_OK;
}

/* --------------------------------------------------------------- order -- */

/* Windows are asked for before their turn, and then the tokens that they name:
 * both lie anywhere in memory. */
enum { ORDER_SOON = 16 };

LH_INTERNAL int64_t lh_order_at(lh_order *o, const lh_windows *w,
                                uint64_t seed, int64_t position)
{
    int64_t epoch = position / w->training;
    bool table = w->training <= LH_ORDER_TABLE;
    if (epoch != o->epoch) {
        lh_rng rng = lh_rng_start(seed, (uint64_t)epoch << 8 |
                                        LH_STREAM_SHUFFLE);
        if (table)
            lh_rng_shuffle(&rng, o->order, w->training);
        o->key = lh_rng_word(&rng);
        o->epoch = epoch;
    }
    position -= epoch * w->training;
    if (!table)
        return (int64_t)lh_permuted(o->key, (uint64_t)w->training,
                                    (uint64_t)position);
    const int64_t *order = o->order + position;
    if (w->window && position + 2 * ORDER_SOON < w->training) {
        /* Not a function: gcc 12 takes one for nothing, and leaves it out. */
        const lh_window *soon = &w->window[order[ORDER_SOON]];
        __builtin_prefetch(&w->window[order[2 * ORDER_SOON]]);
        __builtin_prefetch(w->tokens + soon->first);
        __builtin_prefetch(w->tokens + soon->first + soon->count);
    }
    return *order;
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

LH_INTERNAL lh_status lh_packer_add(lh_packer *p, const lh_windows *w,
                                    int64_t window)
{
    lh_window part;
    int64_t row = p->offsets[p->batch.documents];
    int32_t *tokens = p->tokens + row, *targets = p->targets + row;
    lh_status status = lh_windows_at(w, window, &part);
    if (status)
        return status;
    size_t bytes = (size_t)part.count * sizeof *tokens;
    if (w->window) {
        memcpy(tokens, w->tokens + part.first, bytes);
        memcpy(targets, w->tokens + part.first + 1, bytes);
    } else {
        status = lh_spool_tokens(w, part.first, part.count, tokens);
        if (!status)
            status = lh_spool_tokens(w, part.first + part.count, 1,
                                     targets + part.count - 1);
        memcpy(targets, tokens + 1, bytes - sizeof *tokens);
    }
    p->offsets[++p->batch.documents] = row + part.count;
    return status;
}
