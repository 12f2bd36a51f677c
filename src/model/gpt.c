/* The GPT: parameters from a config, their first values, and one forward
 * pass for every architecture.
 *
 * The forward is read from lh_model_forward() upwards: embedding, layers of
 * attention and feed-forward on a residual stream, norm, head.  Training and
 * decoding run the same lines; with a cache the keys and values of earlier
 * rows come from it, and since every row is computed by itself the bits are
 * the same.  See config.c for what configs can be. */
#include "base/strict.h"

#include "base/fpenv.h"
#include "base/math64.h"
#include "base/rng.h"
#include "base/threads.h"
#include "model/model.h"

/* --------------------------------------------------------- parameters -- */

static lh_tensor **gpt_field(lh_model *m, const lh_parameter_spec *spec)
{
    char *base = spec->layer < 0 ? (char *)&m->ends
                                 : (char *)&m->layer[spec->layer];
    return (lh_tensor **)(void *)(base + spec->field);
}

static lh_status gpt_add(void *user, const lh_parameter_spec *spec)
{
    lh_model *m = user;
    bool decay = spec->start <= LH_START_HEAD;
    lh_tensor *x = lh_params_add(m->params, spec->name, spec->dims,
                                 spec->shape, decay);
    *gpt_field(m, spec) = x;
    if (x)
        x->parameter->matrix = decay && spec->layer >= 0;
    return x ? LH_OK : LH_ERROR_MEMORY;
}

static lh_status gpt_rotary(lh_model *m)
{
    const lh_config *c = &m->config;
    size_t size = (size_t)c->context * (size_t)(c->head_size / 2);
    m->cosine = lh_alloc(m->ctx, 2 * size, sizeof(float));
    if (!m->cosine)
        return LH_ERROR_MEMORY;
    m->sine = m->cosine + size;
    lh_rotary_tables(m->cosine, m->sine, c->context, c->head_size,
                     c->rotary_theta);
    return LH_OK;
}

LH_INTERNAL lh_model *lh_model_blank(lh_context *ctx,
                                     const lh_config *config)
{
    if (lh_config_check(ctx, config))
        return NULL;
    lh_model *m = lh_alloc(ctx, 1, sizeof *m);
    if (!m)
        return NULL;
    m->ctx = ctx;
    m->config = *config;
    m->params = lh_params_new(ctx);
    m->layer = lh_alloc(ctx, (size_t)config->layers, sizeof *m->layer);
    if (!m->params || !m->layer ||
        lh_config_walk(config, gpt_add, m) ||
        (config->positions == LH_POSITIONS_ROTARY && gpt_rotary(m))) {
        lh_model_free(m);
        return NULL;
    }
    return m;
}

LH_API void lh_model_free(lh_model *m)
{
    if (!m)
        return;
    lh_params_free(m->params);
    lh_free(m->ctx, m->layer);
    lh_free(m->ctx, m->cosine);
    lh_free(m->ctx, m);
}

LH_API const lh_config *lh_model_config(const lh_model *m)
{
    return m ? &m->config : NULL;
}

LH_API lh_params *lh_model_params(lh_model *m)
{
    return m ? m->params : NULL;
}

/* ------------------------------------------------------- first values -- */

/* Fewer draws than this are not worth waking threads for. */
enum { GPT_DRAWS = 16384 };

typedef struct gpt_draws {
    lh_rng rng;
    float *data;
    int64_t size;
    int threads;
    double std;
} gpt_draws;

static void gpt_draw(void *arg, int thread)
{
    const gpt_draws *d = arg;
    lh_fpenv saved = lh_fpenv_enter();
    int64_t share = d->size / d->threads + 1;
    int64_t begin = lh_min64(share * thread, d->size);
    int64_t end = lh_min64(begin + share, d->size);
    lh_rng rng = d->rng;
    rng.position = 2 * (uint64_t)begin;        /* two words a draw         */
    for (int64_t i = begin; i < end; i++)
        d->data[i] = (float)(lh_rng_normal(&rng) * d->std);
    lh_fpenv_leave(saved);
}

/* Each parameter draws from a stream of its own, numbered by its name's
 * FNV-1a hash: what another parameter is, or whether, changes nothing. */
static uint64_t gpt_stream(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash << 8 | LH_STREAM_WEIGHTS;
}

typedef struct gpt_first {
    lh_model *m;
    uint64_t seed;
} gpt_first;

static lh_status gpt_fill(void *user, const lh_parameter_spec *spec)
{
    const gpt_first *first = user;
    const lh_config *c = &first->m->config;
    lh_tensor *x = *gpt_field(first->m, spec);
    bool last = spec->start == LH_START_OUTPUT ||
                spec->start == LH_START_HEAD;
    if (spec->start == LH_START_ZERO || (last && c->init_zero))
        return LH_OK;
    if (spec->start == LH_START_ONE) {
        for (int64_t i = 0; i < x->size; i++)
            x->data[i] = 1.0f;
        return LH_OK;
    }
    lh_pool *pool = first->m->ctx->pool;
    gpt_draws draws = {
        .rng = lh_rng_start(first->seed, gpt_stream(spec->name)),
        .data = x->data, .size = x->size, .std = c->init_std,
        .threads = x->size < GPT_DRAWS ? 1 : lh_pool_threads(pool),
    };
    if (spec->start == LH_START_OUTPUT && c->init_scaled)
        draws.std /= lh_sqrt64(2.0 * (double)c->layers);
    if (draws.threads > 1)
        lh_pool_run(pool, draws.threads, gpt_draw, &draws);
    else
        gpt_draw(&draws, 0);
    return LH_OK;
}

LH_API lh_model *lh_model_new(lh_context *ctx, const lh_config *config,
                              uint64_t seed)
{
    if (!ctx || !config)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_model_new: no config");
    lh_fpenv saved = lh_fpenv_enter();
    lh_model *m = lh_model_blank(ctx, config);
    if (m)
        lh_config_walk(config, gpt_fill, &(gpt_first){ m, seed });
    lh_fpenv_leave(saved);
    return m;
}

/* ------------------------------------------------------------ forward -- */

static lh_tensor *gpt_norm(lh_tape *t, const lh_config *c, lh_tensor *x,
                           lh_tensor *gain, lh_tensor *shift)
{
    float eps = (float)c->norm_eps;
    return c->norm == LH_NORM_RMS ? lh_rms_norm(t, x, gain, eps)
                                  : lh_layer_norm(t, x, gain, shift, eps);
}

/* The norm of each head's own D channels. */
static lh_tensor *gpt_head_norm(lh_tape *t, const lh_config *c,
                                lh_tensor *x, lh_tensor *gain)
{
    int64_t rows = x ? x->shape[0] : 0, columns = x ? x->shape[1] : 0;
    x = lh_reshape(t, x, 2, (const int64_t[]){
                       rows * columns / c->head_size, c->head_size });
    x = gpt_norm(t, c, x, gain, NULL);
    return lh_reshape(t, x, 2, (const int64_t[]){ rows, columns });
}

/* Puts the rows of x behind what a layer's cache holds, and gives them all. */
static lh_tensor *gpt_remember(lh_tape *t, const lh_cache *cache,
                               float *rows, lh_tensor *x)
{
    if (!x)
        return NULL;
    int64_t columns = x->shape[1];
    memcpy(rows + cache->past * columns, x->data,
           (size_t)x->size * sizeof(float));
    return lh_borrow(t, rows, 2, (const int64_t[]){
                         cache->past + x->shape[0], columns });
}

/* What every layer of a pass needs. */
typedef struct gpt_run {
    const lh_model *m;
    lh_pass pass;
    lh_tensor *cosine, *sine;          /* NULL: no rotary positions        */
    int64_t layer;                     /* the one at hand                  */
} gpt_run;

/* Whether q, k and v can be one product that attention takes as it is: where
 * nothing comes between, and the weights lie one behind the other, as small
 * ones do, whose nodes cost as much as the products.  Fewer nodes would move
 * dropout's random numbers. */
static bool gpt_joins(const lh_tape *t, const gpt_run *run)
{
    const lh_config *c = &run->m->config;
    const lh_model_layer *w = &run->m->layer[run->layer];
    return w->k->data == w->q->data + w->q->size &&
           w->v->data == w->k->data + w->k->size && !w->q_bias &&
           !w->value_table && !c->qk_norm && !run->cosine &&
           !run->pass.cache && c->dropout == 0 && t->dtype == LH_F32;
}

/* What the heads saw, side by side, [N, H * D]: from the normed x q
 * [N, H * D], and k, v [N or all, kv_heads * D]. */
static lh_tensor *gpt_attention(lh_tape *t, const gpt_run *run,
                                lh_tensor *x)
{
    const lh_config *c = &run->m->config;
    const lh_model_layer *w = &run->m->layer[run->layer];
    const lh_pass *pass = &run->pass;
    if (gpt_joins(t, run)) {
        lh_tensor *qkv = lh_linear_joined(
            t, x, (lh_tensor *const[]){ w->q, w->k, w->v }, 3);
        return lh_attention_spans(t, qkv, NULL, NULL, c->heads, c->kv_heads,
                                  0.0f, pass->spans, pass->span_count);
    }
    lh_tensor *q = lh_linear(t, x, w->q, w->q_bias);
    lh_tensor *k = lh_linear(t, x, w->k, w->k_bias);
    lh_tensor *v = lh_linear(t, x, w->v, w->v_bias);
    if (w->value_table)
        v = lh_add(t, v, lh_embedding(t, w->value_table, pass->tokens,
                                      pass->rows));
    if (c->qk_norm) {
        q = gpt_head_norm(t, c, q, w->q_gain);
        k = gpt_head_norm(t, c, k, w->k_gain);
    }
    if (run->cosine) {
        q = lh_rotary(t, q, run->cosine, run->sine, pass->positions);
        k = lh_rotary(t, k, run->cosine, run->sine, pass->positions);
    }
    if (pass->cache) {
        k = gpt_remember(t, pass->cache, pass->cache->key[run->layer], k);
        v = gpt_remember(t, pass->cache, pass->cache->value[run->layer], v);
    }
    return lh_attention_spans(t, q, k, v, c->heads, c->kv_heads, 0.0f,
                              pass->spans, pass->span_count);
}

static lh_tensor *gpt_feed_forward(lh_tape *t, const lh_config *c,
                                   const lh_model_layer *w, lh_tensor *x)
{
    if (c->activation == LH_RELU)
        return lh_linear_then(t, NULL, x, w->up, w->up_bias, 0.0f);
    lh_tensor *h = lh_linear(t, x, w->up, w->up_bias);
    lh_tensor *gate = lh_gated(c) ? lh_linear(t, x, w->gate, w->gate_bias)
                                  : NULL;
    switch (c->activation) {
    case LH_RELU:      h = lh_relu(t, h);           break;
    case LH_RELU2:     h = lh_relu2(t, h);          break;
    case LH_GELU:      h = lh_gelu(t, h);           break;
    case LH_GELU_TANH: h = lh_gelu_tanh(t, h);      break;
    case LH_SWIGLU:    h = lh_swiglu(t, gate, h);   break;
    case LH_GEGLU:     h = lh_geglu(t, gate, h);    break;
    }
    return h;
}

/* An lh_part: data is the gpt_run. */
static lh_tensor *gpt_layer(lh_tape *t, lh_tensor *x, const void *data)
{
    const gpt_run *run = data;
    const lh_config *c = &run->m->config;
    const lh_model_layer *w = &run->m->layer[run->layer];
    lh_tensor *h = gpt_norm(t, c, x, w->attention_gain, w->attention_shift);
    h = gpt_attention(t, run, h);
    x = lh_linear_then(t, x, h, w->o, w->o_bias, (float)c->dropout);
    h = gpt_norm(t, c, x, w->feed_gain, w->feed_shift);
    h = gpt_feed_forward(t, c, w, h);
    return lh_linear_then(t, x, h, w->down, w->down_bias, (float)c->dropout);
}

/* x, and each row's entry in the table of `order` tokens in a row: that of
 * its own token and those before it in the document, V where there is none.
 * As digits they are the row's number; from where there are too few rows,
 * scattered. */
static lh_tensor *gpt_ngrams(lh_tape *t, const lh_config *c,
                             const lh_pass *pass, lh_tensor *x,
                             lh_tensor *table, int order)
{
    int32_t *ids = lh_tape_room(t, (size_t)pass->rows * sizeof *ids);
    if (!ids)
        return NULL;
    uint64_t rows = (uint64_t)table->shape[0];
    for (int64_t i = 0; i < pass->rows; i++) {
        uint64_t number = 0;
        for (int64_t back = order - 1; back >= 0; back--) {
            int64_t token = back > pass->positions[i] ? c->vocabulary
                : i >= back ? pass->tokens[i - back]
                            : pass->cache->before[back - i - 1];
            number = number * (uint64_t)(c->vocabulary + 1) +
                     (uint64_t)token;
        }
        if (number >= rows)                      /* 2^64 by the golden cut */
            number = (number * 0x9e3779b97f4a7c15u >> 32) % rows;
        ids[i] = (int32_t)number;
    }
    return lh_add(t, x, lh_embedding(t, table, ids, pass->rows));
}

static lh_tensor *gpt_embed(lh_tape *t, const lh_model *m,
                            const lh_pass *pass)
{
    const lh_config *c = &m->config;
    const lh_model_ends *w = &m->ends;
    bool scales = c->embedding_scale != 1;
    /* One node less would move dropout's random numbers. */
    bool together = w->place && !scales && c->dropout == 0;
    lh_tensor *x = together
        ? lh_embedding_places(t, w->embed, pass->tokens, w->place,
                              pass->positions, pass->rows)
        : lh_embedding(t, w->embed, pass->tokens, pass->rows);
    if (scales)
        x = lh_scale(t, x, (float)c->embedding_scale);
    if (w->place && !together)
        x = lh_add(t, x, lh_embedding(t, w->place, pass->positions,
                                      pass->rows));
    if (w->bigrams)
        x = gpt_ngrams(t, c, pass, x, w->bigrams, 2);
    if (w->trigrams)
        x = gpt_ngrams(t, c, pass, x, w->trigrams, 3);
    if (c->embedding_norm)
        x = gpt_norm(t, c, x, w->embed_gain, w->embed_shift);
    return lh_dropout(t, x, (float)c->dropout);
}

LH_INTERNAL lh_tensor *lh_model_forward(lh_tape *t, lh_model *m,
                                        const lh_pass *pass)
{
    const lh_config *c = &m->config;
    gpt_run run = { .m = m, .pass = *pass };
    t->entered = true;
    if (m->cosine) {
        int64_t table[2] = { c->context, c->head_size / 2 };
        run.cosine = lh_borrow(t, m->cosine, 2, table);
        run.sine = lh_borrow(t, m->sine, 2, table);
    }
    lh_tensor *x = gpt_embed(t, m, pass);
    for (; run.layer < c->layers; run.layer++)
        x = t->recompute && !pass->cache
            ? lh_recompute(t, gpt_layer, x, &run, sizeof run)
            : gpt_layer(t, x, &run);
    if (pass->wanted < pass->rows)
        x = lh_slice(t, x, pass->rows - pass->wanted, pass->wanted);
    if (c->final_norm)
        x = gpt_norm(t, c, x, m->ends.final_gain, m->ends.final_shift);
    uint8_t dtype = lh_tape_turn(t, LH_F32);     /* logits stay floats     */
    x = lh_linear(t, x, c->tied ? m->ends.embed : m->ends.head, NULL);
    if (c->logit_softcap > 0)
        x = lh_softcap(t, x, (float)c->logit_softcap);
    lh_tape_turn(t, dtype);
    t->entered = false;
    return x;
}

/* ------------------------------------------------------ public passes -- */

/* Whether the documents can be: in order, none empty, none longer than the
 * context. */
static bool gpt_batch_ok(lh_tape *t, const lh_model *m, const lh_batch *b)
{
    int64_t context = m->config.context;
    if (!b->tokens || !b->offsets || b->documents < 1 || b->offsets[0])
        return LH_TAPE_FAIL_AS(false, t, LH_ERROR_ARGUMENT, "batch: no"
                               " documents, tokens or offsets, or offsets that"
                               " do not begin at 0");
    for (int64_t i = 0; i < b->documents; i++) {
        int64_t before = b->offsets[i], after = b->offsets[i + 1];
        if (after <= before || after - before > context)
            return LH_TAPE_FAIL_AS(false, t, LH_ERROR_SHAPE, "batch: document"
                                   " %lld goes from row %lld to %lld; the"
                                   " context takes 1 to %lld rows",
                                   (long long)i, (long long)before,
                                   (long long)after, (long long)context);
    }
    return true;
}

static lh_tensor *gpt_logits(lh_tape *t, lh_model *m, const lh_batch *batch)
{
    if (!gpt_batch_ok(t, m, batch))
        return NULL;
    int64_t rows = batch->offsets[batch->documents];
    lh_span *spans = lh_tape_room(t, (size_t)batch->documents *
                                     sizeof *spans);
    int32_t *positions = lh_tape_room(t, (size_t)rows * sizeof *positions);
    if (!spans || !positions)
        return NULL;
    for (int64_t i = 0; i < batch->documents; i++) {
        int64_t first = batch->offsets[i];
        int64_t count = batch->offsets[i + 1] - first;
        spans[i] = (lh_span){ first, count, first, 0 };
        for (int64_t p = 0; p < count; p++)
            positions[first + p] = (int32_t)p;
    }
    return lh_model_forward(t, m, &(lh_pass){
        .rows = rows, .tokens = batch->tokens, .positions = positions,
        .spans = spans, .span_count = batch->documents, .wanted = rows,
    });
}

LH_API lh_tensor *lh_model_logits(lh_tape *t, lh_model *m,
                                  const lh_batch *batch)
{
    if (!t || t->status)
        return NULL;
    if (!m || !batch)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT,
                            "lh_model_logits: no model or no batch");
    lh_fpenv saved = lh_fpenv_enter();
    lh_tensor *logits = gpt_logits(t, m, batch);
    lh_fpenv_leave(saved);
    return logits;
}

LH_API lh_tensor *lh_model_loss(lh_tape *t, lh_model *m,
                                const lh_batch *batch, int64_t step_targets,
                                float start)
{
    lh_tensor *logits = lh_model_logits(t, m, batch);
    if (!logits)
        return NULL;
    return lh_cross_entropy_take(t, logits, batch->targets, step_targets,
                                 start);
}
