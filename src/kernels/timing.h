/* A kernel's launch as an op makes it, on operands of its own, and what it
 * counts: what limits.c times.  Read timing.c next. */
#pragma once

#include "kernels/kernels.h"

typedef struct lh_timing_work {
    const int64_t *size;               /* what the caller asked for        */
    const char *form;                  /* behind the kernel's name: "_nt"  */
    bool forward;                      /* as the name ends                 */
    /* The operands, one behind the other; NULL while they are counted.  */
    float *memory;
    size_t floats;
    bool beyond;                       /* they do not fit an address space */
    /* What the case fills in. */
    lh_kernel kernel;
    lh_kernel_args args;
    int64_t items, scratch;
    double flops, bytes;
} lh_timing_work;

/* The launch of `work` with these sizes, its operands in memory of the
 * context that the caller frees; the error is in ctx. */
LH_INTERNAL lh_status lh_timing_make(lh_context *ctx, lh_timing_work *w,
                                     const char *work, const int64_t *size);
