/* Which configs can be, and the parameters that each one has.
 *
 * A config may come from a hostile file: no number of it is used before it
 * has been checked here, and nothing is allocated. */
#include "model/model.h"

/* More layers than any model has, few enough to walk. */
enum { CONFIG_LAYERS = 1024 };
/* Elements of both rotary tables: 2^18 positions of heads of 128. */
enum { CONFIG_ROTARY = 1 << 25 };

/* ------------------------------------------------------------ the walk -- */

typedef struct config_walk {
    lh_parameter_visit *visit;
    void *user;
    lh_status status;
} config_walk;

static void config_tell(config_walk *w, int64_t layer, const char *name,
                        size_t field, int64_t rows, int64_t columns,
                        lh_start start)
{
    lh_parameter_spec spec = {
        .layer = layer, .field = field, .dims = columns ? 2 : 1,
        .shape = { rows, columns }, .start = start,
    };
    if (layer < 0)
        snprintf(spec.name, sizeof spec.name, "%s", name);
    else
        snprintf(spec.name, sizeof spec.name, "model.layers.%lld.%s",
                 (long long)layer, name);
    w->status = w->visit(w->user, &spec);
}

#define CONFIG_ROW(struct, layer, field, name, when, rows, columns, start) \
    if (!w.status && (when)) \
        config_tell(&w, layer, name, offsetof(struct, field), rows, \
                    columns, LH_START_##start);

LH_INTERNAL lh_status lh_config_walk(const lh_config *c,
                                     lh_parameter_visit *visit, void *user)
{
    config_walk w = { visit, user, LH_OK };
#define FRONT(field, name, when, rows, columns, start) \
    CONFIG_ROW(lh_model_ends, -1, field, name, when, rows, columns, start)
#include "model/parameters.def"
    for (int64_t i = 0; i < c->layers && !w.status; i++) {
#define LAYER(field, name, when, rows, columns, start) \
    CONFIG_ROW(lh_model_layer, i, field, name, when, rows, columns, start)
#include "model/parameters.def"
    }
#define BACK(field, name, when, rows, columns, start) \
    CONFIG_ROW(lh_model_ends, -1, field, name, when, rows, columns, start)
#include "model/parameters.def"
    return w.status;
}
#undef CONFIG_ROW

/* ----------------------------------------------------------- the check -- */

static lh_status config_refuse(lh_context *ctx, const char *reason)
{
    return lh_fail(ctx, LH_ERROR_SHAPE, "config: %s", reason);
}

/* Each length by itself: 1 to 2^31 - 1, so that any two multiply. */
static lh_status config_check_lengths(lh_context *ctx, const lh_config *c)
{
    const struct { const char *name; int64_t value; } length[] = {
        { "layers", c->layers }, { "width", c->width },
        { "heads", c->heads }, { "kv_heads", c->kv_heads },
        { "head_size", c->head_size }, { "feed_forward", c->feed_forward },
        { "context", c->context }, { "vocabulary", c->vocabulary },
    };
    for (size_t i = 0; i < LH_COUNT(length); i++)
        if (length[i].value < 1 || length[i].value > INT32_MAX)
            return lh_fail(ctx, LH_ERROR_SHAPE, "config: %s is %lld; it must"
                           " be 1 to %d", length[i].name,
                           (long long)length[i].value, INT32_MAX);
    if (c->layers > CONFIG_LAYERS)
        return lh_fail(ctx, LH_ERROR_SHAPE, "config: %lld layers; at most %d"
                       " can be", (long long)c->layers, CONFIG_LAYERS);
    if (c->heads % c->kv_heads)
        return lh_fail(ctx, LH_ERROR_SHAPE, "config: %lld heads do not share"
                       " %lld kv_heads evenly", (long long)c->heads,
                       (long long)c->kv_heads);
    if (c->heads * c->head_size > INT32_MAX)
        return config_refuse(ctx, "heads times head_size is too large");
    return LH_OK;
}

/* What must hold of the rest, the lengths being what they may be. */
static lh_status config_check_rest(lh_context *ctx, const lh_config *c)
{
    bool rotary = c->positions == LH_POSITIONS_ROTARY;
    const struct { bool holds; const char *otherwise; } rule[] = {
        { (unsigned)c->positions <= LH_POSITIONS_ROTARY,
          "an unknown kind of positions" },
        { (unsigned)c->norm <= LH_NORM_LAYER, "an unknown kind of norm" },
        { (unsigned)c->activation <= LH_GEGLU, "an unknown activation" },
        { c->norm != LH_NORM_RMS || !c->norm_bias, "an RMS norm has no bias;"
          " take norm_bias away or choose the layer norm" },
        { !c->ngrams || (c->ngrams >= 2 && c->ngrams <= 3 &&
                         c->ngram_rows >= 1 && c->ngram_rows <= INT32_MAX),
          "ngrams must be 0, 2 or 3, and ngram_rows then 1 or more" },
        { !rotary || (__builtin_isfinite(c->rotary_theta) &&
                      c->rotary_theta >= 1),
          "rotary_theta must be 1 or more" },
        { !rotary || c->context <= CONFIG_ROTARY / c->head_size,
          "context times head_size is above 2^25, too large for rotary"
          " positions" },
        { c->norm_eps > 0 && c->norm_eps <= 1,
          "norm_eps must be above 0, at most 1" },
        { __builtin_isfinite(c->embedding_scale) && c->embedding_scale != 0,
          "embedding_scale must be a number, not 0 (1: none)" },
        { __builtin_isfinite(c->logit_softcap) && c->logit_softcap >= 0,
          "logit_softcap must be 0 (none) or more" },
        { c->dropout >= 0 && c->dropout < 1,
          "dropout must be at least 0, below 1" },
        { __builtin_isfinite(c->init_std) && c->init_std >= 0,
          "init_std must be 0 or more" },
    };
    if (rotary && c->head_size % 2)
        return lh_fail(ctx, LH_ERROR_SHAPE, "config: rotary positions turn"
                       " pairs; a head_size of %lld is odd",
                       (long long)c->head_size);
    for (size_t i = 0; i < LH_COUNT(rule); i++)
        if (!rule[i].holds)
            return config_refuse(ctx, rule[i].otherwise);
    return LH_OK;
}

static lh_status config_add_size(void *user, const lh_parameter_spec *spec)
{
    int64_t *total = user, size = spec->shape[0];
    if ((spec->dims > 1 &&
         __builtin_mul_overflow(size, spec->shape[1], &size)) ||
        __builtin_add_overflow(*total, size, total))
        return LH_ERROR_SHAPE;
    return LH_OK;
}

LH_INTERNAL lh_status lh_config_check(lh_context *ctx, const lh_config *c)
{
    lh_status status = config_check_lengths(ctx, c);
    if (!status)
        status = config_check_rest(ctx, c);
    if (status)
        return status;
    int64_t total = 0;
    if (lh_config_walk(c, config_add_size, &total) ||
        total > INT64_MAX / 64 || (uint64_t)total > SIZE_MAX / 64)
        return config_refuse(ctx, "more parameters than memory can have");
    return LH_OK;
}
