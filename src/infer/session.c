/* A growing text and its keys and values.  Feeding many tokens at once or
 * one at a time gives the same bits: the forward pass computes each row by
 * itself (model/gpt.c).  Long texts go in pieces, which bounds memory. */
#include "base/strict.h"

#include "base/fpenv.h"
#include "infer/sampler.h"
#include "infer/session.h"

/* Rows of a piece: full tiles, and activations of a modest size. */
enum { SESSION_PIECE = 128 };
/* Rows that a cache begins with. */
enum { SESSION_CACHE = 64 };

LH_API lh_session *lh_session_new(lh_context *ctx, lh_model *m,
                                  uint64_t seed)
{
    if (!ctx || !m)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_session_new: no"
                            " model");
    lh_session *s = lh_alloc(ctx, 1, sizeof *s);
    if (!s)
        return NULL;
    size_t layers = (size_t)m->config.layers;
    size_t vocabulary = (size_t)m->config.vocabulary;
    s->ctx = ctx;
    s->model = m;
    s->rng = lh_rng_start(seed, LH_STREAM_SAMPLE);
    s->cache.key = lh_alloc(ctx, 2 * layers, sizeof *s->cache.key);
    s->logits = lh_alloc(ctx, vocabulary, sizeof *s->logits);
    s->draw.weight = lh_alloc(ctx, vocabulary, sizeof *s->draw.weight);
    s->draw.heap = lh_alloc(ctx, vocabulary, sizeof *s->draw.heap);
    s->tape = lh_tape_new(ctx);
    if (!s->cache.key || !s->logits || !s->draw.weight || !s->draw.heap ||
        !s->tape) {
        lh_session_free(s);
        return NULL;
    }
    s->cache.value = s->cache.key + layers;
    lh_tape_gradients(s->tape, false);
    return s;
}

LH_API void lh_session_free(lh_session *s)
{
    if (!s)
        return;
    for (int64_t i = 0; s->cache.key && i < 2 * s->model->config.layers; i++)
        lh_free(s->ctx, s->cache.key[i]);
    lh_free(s->ctx, s->cache.key);
    lh_free(s->ctx, s->logits);
    lh_free(s->ctx, s->draw.weight);
    lh_free(s->ctx, s->draw.heap);
    lh_tape_free(s->tape);
    lh_free(s->ctx, s);
}

LH_API void lh_session_reset(lh_session *s)
{
    if (s)
        s->cache.past = 0;
}

/* ------------------------------------------------------------- feeding -- */

/* Grows one layer's rows.  A layer whose rows have grown while another's
 * could not is no harm: capacity is what all of them have. */
static lh_status session_grow(lh_session *s, float **rows, int64_t capacity)
{
    const lh_config *c = &s->model->config;
    size_t columns = (size_t)(c->kv_heads * c->head_size);
    size_t old = *rows ? (size_t)s->cache.past * columns : 0, size;
    if (!lh_mul_size((size_t)capacity, columns, &size))
        return lh_fail(s->ctx, LH_ERROR_MEMORY, "the key/value cache is too"
                       " large");
    return lh_fit(s->ctx, rows, &old, size, sizeof **rows);
}

static lh_status session_room(lh_session *s, int64_t needed)
{
    lh_cache *cache = &s->cache;
    if (needed <= cache->capacity)
        return LH_OK;
    const lh_config *c = &s->model->config;
    int64_t capacity = lh_max64(needed, 2 * cache->capacity);
    capacity = lh_min64(c->context, lh_max64(capacity, SESSION_CACHE));
    for (int64_t i = 0; i < c->layers; i++)
        if (session_grow(s, &cache->key[i], capacity) ||
            session_grow(s, &cache->value[i], capacity))
            return LH_ERROR_MEMORY;
    cache->capacity = capacity;
    return LH_OK;
}

/* Appends at most SESSION_PIECE tokens; the logits of the last one if
 * `last`. */
static lh_status session_piece(lh_session *s, const int32_t *tokens,
                               int64_t count, bool last)
{
    lh_tape *t = s->tape;
    int32_t positions[SESSION_PIECE];
    for (int64_t i = 0; i < count; i++)
        positions[i] = (int32_t)(s->cache.past + i);
    lh_tape_reset(t);
    lh_tensor *logits = lh_model_forward(t, s->model, &(lh_pass){
        .rows = count, .tokens = tokens, .positions = positions,
        .spans = &(lh_span){ 0, count, 0, s->cache.past }, .span_count = 1,
        .wanted = 1, .cache = &s->cache,
    });
    if (!logits)
        return lh_tape_status(t);
    s->cache.past += count;
    s->cache.before[1] = count > 1 ? tokens[count - 2] : s->cache.before[0];
    s->cache.before[0] = tokens[count - 1];
    if (last)
        memcpy(s->logits, lh_tensor_data(logits),
               (size_t)s->model->config.vocabulary * sizeof *s->logits);
    return LH_OK;
}

LH_API lh_status lh_session_feed(lh_session *s, const int32_t *tokens,
                                 int64_t count)
{
    if (!s || count < 0 || (count && !tokens))
        return lh_fail(s ? s->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_session_feed: no session or no tokens");
    const lh_config *c = &s->model->config;
    if (count > c->context - s->cache.past)
        return lh_fail(s->ctx, LH_ERROR_STATE, "%lld tokens behind %lld are"
                       " more than the model's context of %lld",
                       (long long)count, (long long)s->cache.past,
                       (long long)c->context);
    for (int64_t i = 0; i < count; i++)
        if (tokens[i] < 0 || tokens[i] >= c->vocabulary)
            return lh_fail(s->ctx, LH_ERROR_ARGUMENT, "token %d is none of"
                           " the model's 0 to %lld", (int)tokens[i],
                           (long long)c->vocabulary - 1);
    lh_cache before = s->cache;
    lh_status status = session_room(s, before.past + count);
    lh_fpenv saved = lh_fpenv_enter();
    for (int64_t i = 0; i < count && !status; i += SESSION_PIECE) {
        int64_t piece = lh_min64(count - i, SESSION_PIECE);
        status = session_piece(s, tokens + i, piece, i + piece == count);
    }
    lh_fpenv_leave(saved);
    if (status) {                                /* nothing appended       */
        s->cache.past = before.past;
        memcpy(s->cache.before, before.before, sizeof before.before);
    }
    return status;
}

LH_API const float *lh_session_logits(const lh_session *s)
{
    return s && s->cache.past ? s->logits : NULL;
}

LH_API int64_t lh_session_position(const lh_session *s)
{
    return s ? s->cache.past : 0;
}

/* ------------------------------------------------------------ sampling -- */

LH_INTERNAL int32_t lh_session_draw(lh_session *s, const lh_sampling *how,
                                    int64_t vocabulary)
{
    if (!s->cache.past)
        return LH_FAIL_AS(-1, s->ctx, LH_ERROR_STATE, "nothing to sample from:"
                          " feed the session a token first");
    lh_fpenv saved = lh_fpenv_enter();
    int32_t token = lh_sampler_draw(s->ctx, &s->rng, s->logits, vocabulary,
                                    how, &s->draw);
    lh_fpenv_leave(saved);
    return token;
}

LH_API int32_t lh_session_sample(lh_session *s, const lh_sampling *how)
{
    if (!s || !how)
        return LH_FAIL_AS(-1, s ? s->ctx : NULL, LH_ERROR_ARGUMENT,
                          "lh_session_sample: no session, or nothing that says"
                          " how");
    return lh_session_draw(s, how, s->model->config.vocabulary);
}
