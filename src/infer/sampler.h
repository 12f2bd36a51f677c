/* From logits to a token. */
#pragma once

#include "base/base.h"
#include "base/rng.h"

/* Room for one draw. */
typedef struct lh_draw {
    double *weight;                    /* [vocabulary]                     */
    int32_t *heap;                     /* [vocabulary]                     */
} lh_draw;

/* The token drawn from logits [vocabulary], or below 0 with the failure
 * recorded.  Takes one random number, none where the temperature is 0. */
LH_INTERNAL int32_t lh_sampler_draw(lh_context *ctx, lh_rng *rng,
                                    const float *logits, int64_t vocabulary,
                                    const lh_sampling *how, lh_draw *room);
