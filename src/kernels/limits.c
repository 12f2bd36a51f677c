/* The machine's own limits, measured now: what a share of the peak is a
 * share of.  Each takes the best of many short runs, since whatever disturbs
 * a run makes it slower, never faster. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/strict.h"

#include "base/context.h"
#include "base/fpenv.h"
#include "base/threads.h"
#include "kernels/kernels.h"

#include <time.h>

static double limit_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether the measurement that began at `start` goes on. */
static bool limit_goes_on(double start, double seconds)
{
    return limit_clock() - start < seconds;
}

LH_API double lh_limit_fma(lh_context *ctx, double seconds)
{
    if (!ctx)
        return 0.0;
    lh_kernel_fn *fn = ctx->kernels->fn[LH_KERNEL_fma_limit];
    double start = limit_clock(), flops = 0.0, best = 0.0;
    float result = 0.0f;
    /* a < 1: the chains stay near b / (1 - a), far from denormals. */
    lh_fma_limit_args args = { 1 << 10, 0.5f, 1.0f, &result, &flops };
    lh_fpenv saved = lh_fpenv_enter();
    do {
        double t0 = limit_clock();
        fn(&args, 0, 1, NULL);
        double took = limit_clock() - t0;
        /* Runs of half a millisecond: long against the clock's own cost. */
        if (took < 0.0005 && args.rounds < (int64_t)1 << 40)
            args.rounds *= 2;
        else if (took > 0.0 && flops / took > best)
            best = flops / took;
    } while (best <= 0.0 || limit_goes_on(start, seconds));
    lh_fpenv_leave(saved);
    return best;
}

LH_API double lh_limit_read(lh_context *ctx, double seconds)
{
    /* Several times the caches of most cores; passes of a part of it at a
     * time, so that a pass between two interruptions counts. */
    const int64_t size = (int64_t)1 << 25, part = size / 8;
    if (!ctx)
        return 0.0;
    float *memory = lh_alloc(ctx, (size_t)size, sizeof *memory);
    if (!memory)
        return 0.0;
    for (int64_t i = 0; i < size; i += 512)      /* pages of its own       */
        memory[i] = 1.0f;
    lh_kernel_fn *fn = ctx->kernels->fn[LH_KERNEL_sum];
    double start = limit_clock(), best = 0.0;
    float sum;
    lh_fpenv saved = lh_fpenv_enter();
    do {
        for (int64_t at = 0; at < size; at += part) {
            lh_sum_args args = { memory + at, part, &sum };
            double t0 = limit_clock();
            fn(&args, 0, 1, NULL);
            double took = limit_clock() - t0;
            double rate = (double)part * sizeof(float) / took;
            if (took > 0.0 && rate > best)
                best = rate;
        }
    } while (limit_goes_on(start, seconds));
    lh_fpenv_leave(saved);
    lh_free(ctx, memory);
    return best;
}

static void limit_nothing(void *arg, int i)
{
    (void)arg, (void)i;
}

LH_API double lh_limit_barrier(lh_context *ctx, double seconds)
{
    if (!ctx)
        return 0.0;
    int threads = lh_pool_threads(ctx->pool);
    double start = limit_clock(), best = 0.0;
    do {
        double t0 = limit_clock();
        for (int i = 0; i < 100; i++)
            lh_pool_run(ctx->pool, threads, limit_nothing, NULL);
        double took = (limit_clock() - t0) / 100.0;
        if (took > 0.0 && (best <= 0.0 || took < best))
            best = took;
    } while (best <= 0.0 || limit_goes_on(start, seconds));
    return best;
}
