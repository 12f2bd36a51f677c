/* What a context is made of.  Rooms reach only the parts they need, through
 * the functions of base.h, threads.h, file.h and kernels/kernels.h. */
#pragma once

#include "base/base.h"

struct lh_pool;
struct lh_io;
struct lh_kernels;

struct lh_context {
    lh_allocator allocator;
    lh_status status;                  /* of the first error, or LH_OK     */
    char message[512];
    struct lh_pool *pool;              /* owned; NULL: no workers          */
    const struct lh_kernels *kernels;  /* the rows in use; never freed     */
    const struct lh_io *io;            /* system calls; tests replace them */
    int64_t grain;                     /* work that a thread must bring    */
    float *scratch;                    /* [threads, scratch_floats], owned */
    size_t scratch_floats;             /* of each thread; lh_launch grows  */
    uint64_t graphs;                   /* made so far: tapes number theirs */
    bool dry;                          /* see kernels/dry.h                */
};
