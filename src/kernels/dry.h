/* A context that computes nothing and holds nothing: kernels return at once,
 * memory is reserved and counted but not there until it is touched.  What
 * runs on it says how much memory it would hold. */
#pragma once

#include "base/context.h"
#include "kernels/kernels.h"

typedef struct lh_dry {
    lh_context ctx;
    lh_kernels kernels;
    int64_t live;                      /* bytes held                       */
} lh_dry;

/* With the threads of ctx, which must not run meanwhile.  Elements are zeros
 * throughout; copying or clearing them is to be left out where ctx->dry.
 * lh_dry_end() gives back the scratch; objects are freed before. */
LH_INTERNAL void lh_dry_begin(lh_dry *d, const lh_context *ctx);
LH_INTERNAL void lh_dry_end(lh_dry *d);
