/* The inside of a session, for the files of this room. */
#pragma once

#include "infer/sampler.h"
#include "model/model.h"

struct lh_session {
    lh_context *ctx;
    lh_model *model;                   /* borrowed, only read              */
    lh_tape *tape;
    lh_rng rng;
    lh_cache cache;                    /* cache.past: the position         */
    float *logits;                     /* [V], behind the last token       */
    lh_draw draw;
};

/* A token among the first `vocabulary`; below 0: an error. */
LH_INTERNAL int32_t lh_session_draw(lh_session *s, const lh_sampling *how,
                                    int64_t vocabulary);
