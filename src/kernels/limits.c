/* The machine's own limits, measured now: what a share of the peak is a
 * share of.  Each takes the best of many short runs, since whatever disturbs
 * a run makes it slower, never faster. */
#include "base/strict.h"

#include "base/context.h"
#include "base/fpenv.h"
#include "base/threads.h"
#include "kernels/timing.h"

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

/* FLOP/s of one run of the FMA loop, made long against the clock's own
 * cost: half a millisecond; *rounds keeps how long. */
static double limit_fma_once(const lh_context *ctx, int64_t *rounds)
{
    double flops = 0.0, took;
    float result = 0.0f;
    /* a < 1: the chains stay near b / (1 - a), far from denormals. */
    lh_fma_limit_args args = { *rounds, 0.5f, 1.0f, &result, &flops };
    for (;; args.rounds *= 2) {
        double t0 = limit_clock();
        ctx->kernels->fn[LH_KERNEL_fma_limit](&args, 0, 1, NULL);
        took = limit_clock() - t0;
        if (took >= 0.0005 || args.rounds >= (int64_t)1 << 40)
            break;
    }
    *rounds = args.rounds;
    return flops / took;
}

LH_API double lh_limit_fma(lh_context *ctx, double seconds)
{
    if (!ctx)
        return 0.0;
    double start = limit_clock(), best = 0.0;
    int64_t rounds = 1 << 10;
    lh_fpenv saved = lh_fpenv_enter();
    do {
        double rate = limit_fma_once(ctx, &rounds);
        if (rate > best)
            best = rate;
    } while (limit_goes_on(start, seconds));
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

/* -------------------------------------------------------- one kernel -- */

/* A slice of a kernel's time: long against the clock and, with threads, the
 * waking of those that slept through the others' slices. */
static const double limit_slice = 0.002;
/* What needs fewer operations for each byte than this, on any machine that
 * we know of, may be bound by memory. */
static const double limit_intensity = 32.0;

typedef struct limit_reading {
    lh_kernel_fn *sum;
    const float *memory;
    int64_t part;                      /* floats of each thread            */
    int64_t passes;
} limit_reading;

static void limit_read_part(void *arg, int i)
{
    const limit_reading *r = arg;
    float sum;
    lh_sum_args args = { r->memory + i * r->part, r->part, &sum };
    for (int64_t pass = 0; pass < r->passes; pass++)
        r->sum(&args, 0, 1, NULL);
}

/* Bytes/s at which the threads read the memory of the operands. */
static double limit_read_once(const lh_context *ctx, limit_reading *r)
{
    int threads = lh_pool_threads(ctx->pool);
    double took;
    for (;; r->passes *= 2) {
        double t0 = limit_clock();
        lh_pool_run(ctx->pool, threads, limit_read_part, r);
        took = limit_clock() - t0;
        if (took >= limit_slice / 4)
            break;
    }
    return (double)threads * (double)r->part * (double)r->passes *
           sizeof(float) / took;
}

static lh_status limit_launch(lh_context *ctx, const lh_timing_work *w,
                              int64_t times)
{
    lh_status status = LH_OK;
    /* As dear as a thread: all threads take part if there are items. */
    for (int64_t i = 0; i < times && !status; i++)
        status = lh_launch(ctx, w->kernel, &w->args, w->items, ctx->grain,
                           w->scratch);
    return status;
}

/* Launches in turn with the limits; of each the best counts. */
static lh_status limit_measure(lh_context *ctx, const lh_timing_work *w,
                               double seconds, lh_timing *r)
{
    int threads = lh_pool_threads(ctx->pool);
    limit_reading reading = {
        .sum = ctx->kernels->fn[LH_KERNEL_sum], .memory = w->memory,
        .part = lh_max64((int64_t)w->floats / threads, 1), .passes = 1,
    };
    bool bound = w->flops < limit_intensity * w->bytes &&
                 (int64_t)w->floats >= threads;
    int64_t rounds = 1 << 10, times = 1;
    lh_status status = limit_launch(ctx, w, 1);  /* scratch, pages, caches */
    double start = limit_clock();
    while (!status) {
        double rate = threads * limit_fma_once(ctx, &rounds);
        r->fma = rate > r->fma ? rate : r->fma;
        rate = bound ? limit_read_once(ctx, &reading) : 0.0;
        r->read = rate > r->read ? rate : r->read;
        if (times > 1)
            status = limit_launch(ctx, w, times / 8 + 1);
        double t0 = limit_clock();
        status = status ? status : limit_launch(ctx, w, times);
        double took = limit_clock() - t0;
        if (took < limit_slice && times < (int64_t)1 << 30 &&
            limit_goes_on(start, seconds)) {
            times *= 2;
            continue;
        }
        if (took > 0.0 && (r->seconds <= 0.0 ||
                           took / (double)times < r->seconds))
            r->seconds = took / (double)times;
        if (!limit_goes_on(start, seconds))
            break;
    }
    r->flops = w->flops;
    r->bytes = w->bytes;
    return status;
}

LH_API lh_status lh_kernel_time(lh_context *ctx, const char *work,
                                const int64_t *size, double seconds,
                                lh_timing *timing)
{
    lh_timing_work w;
    if (!timing)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_kernel_time: nowhere to"
                       " say the result");
    *timing = (lh_timing){ 0 };
    if (!ctx)
        return LH_ERROR_ARGUMENT;
    lh_status status = lh_timing_make(ctx, &w, work, size);
    if (status)
        return status;
    lh_fpenv saved = lh_fpenv_enter();
    status = limit_measure(ctx, &w, seconds, timing);
    lh_fpenv_leave(saved);
    lh_floats_free(ctx, w.memory);
    return status;
}
