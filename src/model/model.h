/* The inside of a model: its parameters by field, the walk over them, and
 * the one forward pass that training and decoding share.
 *
 * Read parameters.def first, then gpt.c; config.c says which configs can
 * be. */
#pragma once

#include "autograd/tape.h"
#include "base/base.h"

static inline bool lh_gated(const lh_config *c)
{
    return c->activation == LH_SWIGLU || c->activation == LH_GEGLU;
}

/* Rows of the table of `order` tokens in a row, of which each is one of V or
 * none: no more than there can be. */
static inline int64_t lh_ngram_rows(const lh_config *c, int order)
{
    int64_t rows = 1;
    for (int i = 0; i < order && rows < c->ngram_rows; i++)
        rows *= c->vocabulary + 1;     /* both below 2^31                  */
    return lh_min64(rows, c->ngram_rows);
}

/* A layer's parameters, and those before and behind the layers; NULL where
 * the config has none. */
typedef struct lh_model_layer {
#define LAYER(field, name, when, rows, columns, start) lh_tensor *field;
#include "model/parameters.def"
} lh_model_layer;

typedef struct lh_model_ends {
#define FRONT(field, name, when, rows, columns, start) lh_tensor *field;
#define BACK(field, name, when, rows, columns, start) lh_tensor *field;
#include "model/parameters.def"
} lh_model_ends;

struct lh_model {
    lh_context *ctx;
    lh_config config;
    lh_params *params;
    lh_model_ends ends;
    lh_model_layer *layer;             /* [layers]                         */
    float *cosine, *sine;              /* [context, D/2]; rotary alone, in
                                          one block                        */
};

/* ------------------------------------------------------------- config -- */

/* LH_OK, or LH_ERROR_SHAPE with the reason.  Afterwards every product of two
 * of its numbers fits, and so does the number of parameters times 16. */
LH_INTERNAL lh_status lh_config_check(lh_context *ctx, const lh_config *c);

/* --------------------------------------------------------- parameters -- */

typedef enum lh_start { LH_START_NORMAL, LH_START_OUTPUT, LH_START_HEAD,
                        LH_START_PLACE, LH_START_ONE, LH_START_ZERO }
    lh_start;

/* One parameter of a config, whether or not a model has been made of it. */
typedef struct lh_parameter_spec {
    char name[128];
    int64_t layer;                     /* below 0: not in a layer          */
    size_t field;                      /* its offset in lh_model_layer or
                                          lh_model_ends                    */
    int dims;
    int64_t shape[2];
    lh_start start;
} lh_parameter_spec;

/* Calls visit for each parameter in order until it fails; its status.  Needs
 * no checked config: shapes that do not fit are LH_ERROR_SHAPE. */
typedef lh_status lh_parameter_visit(void *user,
                                     const lh_parameter_spec *spec);
LH_INTERNAL lh_status lh_config_walk(const lh_config *c,
                                     lh_parameter_visit *visit, void *user);

/* A model of zeros, for who will fill it. */
LH_INTERNAL lh_model *lh_model_blank(lh_context *ctx,
                                     const lh_config *config);

/* ------------------------------------------------------------ forward -- */

/* Keys and values of what has been seen: [capacity, kv_heads * D] for each
 * layer, the first `past` rows filled. */
typedef struct lh_cache {
    float **key, **value;              /* [layers], in one block           */
    int64_t past, capacity;
    int32_t before[2];                 /* the last tokens, from the last   */
} lh_cache;

/* What a forward pass is over. */
typedef struct lh_pass {
    int64_t rows;
    const int32_t *tokens, *positions; /* [rows]                           */
    const lh_span *spans;
    int64_t span_count;
    int64_t wanted;                    /* logits of the last so many rows  */
    lh_cache *cache;                   /* NULL: none.  Else one span, whose
                                          keys are put behind the past     */
} lh_pass;

/* The logits [wanted, V]; NULL with the tape poisoned.  Does not move
 * cache->past.  The caller has entered fpenv.h's environment. */
LH_INTERNAL lh_tensor *lh_model_forward(lh_tape *t, lh_model *m,
                                        const lh_pass *pass);
