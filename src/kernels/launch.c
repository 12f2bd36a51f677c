/* Launching a kernel: alone or split among the context's threads.
 *
 * The split never changes a bit (every kernel promises that for any split of
 * its items), so it is free to follow the clock.  Each thread begins with an
 * equal share of the items, always at the same place, so that it mostly finds
 * in its core's cache the rows that it wrote a launch before; it takes chunks
 * of it from a counter, and then those that others have left.  The scratch
 * memory is kept and only ever grows, so that a step which was run once
 * allocates nothing. */
#include "base/context.h"
#include "base/sabotage.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* The work that a thread must bring, in fused multiply-adds for each lane of
 * a vector: 2 to 5 us, and more where memory is what takes time.  Meeting
 * costs 0.1 us where each thread has a core to itself and spins, and a
 * thousand times that where it has not; but what one core has written comes
 * to the other only line by line.  Measured on a Zen 5 over all kernels,
 * launches in a loop: two threads break even where one takes 2.5 to 5 us, are
 * 1.2 to 1.5 times as fast at 10 and 1.6 to 1.8 at 20.  In a step it is less
 * that must cross.  A launch's `cost` should be true within a factor of two
 * for that. */
enum { LAUNCH_GRAIN = 16384 };
/* Chunks per thread: enough that a thread which starts late, or meets the
 * cheap half of a causal triangle, does not make the others wait long. */
enum { LAUNCH_CHUNKS = 4 };
/* Items of a chunk at most: the memory serves one thread faster than another,
 * and eighths of a table of 38 million weights keep one waiting for 1 ms.  For
 * AdamW it is beyond the caches still. */
enum { LAUNCH_ITEMS = 1 << 16 };
/* Rows of a product for which packing b costs little enough: 2%. */
enum { LAUNCH_ROWS = 768 };
/* Items of a product in bf16 for which packing a does: 2.5%. */
enum { LAUNCH_TILES = 6 };

/* The items that are a thread's own, of which `next` is the first that nobody
 * has taken. */
typedef struct launch_share {
    _Atomic int64_t next;
    int64_t end;
} launch_share;

typedef struct launch_work {
    lh_kernel_fn *fn;
    const void *args;
    int64_t chunk;
    float *scratch;
    size_t scratch_floats;             /* of each thread                   */
    int threads;
    launch_share share[LH_THREADS_MOST];
} launch_work;

static void launch_thread(void *arg, int i)
{
    launch_work *w = arg;
    float *scratch = w->scratch ? w->scratch + w->scratch_floats * (size_t)i
                                : NULL;
    for (int n = 0; n < w->threads; n++) {
        launch_share *s = &w->share[(i + n) % w->threads];
        int64_t begin;
        while ((begin = atomic_fetch_add_explicit(
                    &s->next, w->chunk, memory_order_relaxed)) < s->end)
            w->fn(w->args, begin, lh_min64(begin + w->chunk, s->end),
                  scratch);
    }
}

LH_INTERNAL int64_t lh_launch_grain(lh_isa isa)
{
    static const int64_t lanes[LH_ISA_COUNT] = {
        [LH_ISA_c] = 2, [LH_ISA_sse2] = 4, [LH_ISA_neon] = 4,
        [LH_ISA_neon_bf16] = 4,
        [LH_ISA_avx2] = 8, [LH_ISA_avx512] = 16,
        [LH_ISA_avx512_bf16] = 16,
    };
    return LAUNCH_GRAIN * lanes[isa];
}

/* How many threads pay: each must bring a grain of work and an item. */
static int launch_threads(const lh_context *ctx, int64_t items, int64_t cost)
{
    int64_t threads = lh_min64(lh_pool_threads(ctx->pool), items);
    double worth = (double)items * (double)cost / (double)ctx->grain;
    return worth < (double)threads ? (int)lh_max64((int64_t)worth, 1)
                                   : (int)threads;
}

/* How many items a thread takes at a time.  A product packs b anew for each
 * chunk, so there a chunk is a whole panel where each thread gets as many as
 * the others (or some parts of it, if it is high), else LAUNCH_ROWS or a
 * thread's share.  Others get chunks of whole cache lines where there are
 * many small items, so that two threads do not write to one line. */
static int64_t launch_chunk(lh_kernel kernel, const void *args,
                            int64_t items, int64_t threads)
{
    int64_t parts = threads * LAUNCH_CHUNKS;
    if (kernel == LH_KERNEL_gemm) {
        const lh_gemm_args *g = args;
        int64_t down = lh_gemm_down(g->m);
        int64_t rows = (g->m + down - 1) / down, panels = items / rows;
        int64_t least = lh_min64(rows, LAUNCH_ROWS / down);
        if (rows > 1 && panels % threads == 0) {
            int64_t pieces = lh_max64(1, lh_min64(parts / panels,
                                                  rows / least));
            return (rows + pieces - 1) / pieces;
        }
        int64_t each = items / least / threads;
        parts = threads * lh_max64(1, lh_min64(each, LAUNCH_CHUNKS));
        return (items + parts - 1) / parts;
    }
    bool bf16 = kernel == LH_KERNEL_gemm_bf16;
    if (bf16)
        parts = threads * lh_max64(1, lh_min64(items / LAUNCH_TILES / threads,
                                               2 * LAUNCH_CHUNKS));
    int64_t chunk = lh_min64((items + parts - 1) / parts, LAUNCH_ITEMS);
    return chunk > 64 && !bf16 ? (chunk + 63) / 64 * 64 : chunk;
}

/* Equal shares; of chunks of whole cache lines in whole lines. */
static void launch_split(launch_work *w, int64_t items)
{
    int64_t unit = w->chunk % 64 ? 1 : 64;
    int64_t units = (items + unit - 1) / unit, begin = 0;
    for (int i = 0; i < w->threads; i++) {
        int64_t end = lh_min64(items, units * (i + 1) / w->threads * unit);
        atomic_init(&w->share[i].next, begin);
        w->share[i].end = begin = end;
    }
}

static lh_status launch_grow(lh_context *ctx, int64_t floats)
{
    size_t line = LH_ALIGN / sizeof(float), each, all;
    bool fits = floats >= 0 && (uint64_t)floats <= SIZE_MAX / sizeof(float) &&
                lh_add_size((size_t)floats, line - 1, &each) &&
                lh_mul_size(each / line * line,
                            (size_t)lh_pool_threads(ctx->pool), &all);
    lh_floats_free(ctx, ctx->scratch);
    ctx->scratch = NULL;
    ctx->scratch_floats = 0;
    if (!fits)
        return lh_fail(ctx, LH_ERROR_MEMORY, "kernel scratch: more floats"
                       " than memory has addresses; use a shorter context");
    ctx->scratch = lh_floats_alloc(ctx, all);
    if (!ctx->scratch)
        return LH_ERROR_MEMORY;
    ctx->scratch_floats = each / line * line;
    return LH_OK;
}

LH_INTERNAL lh_status lh_launch_function(lh_context *ctx, lh_kernel_fn *fn,
                                         lh_kernel kernel, const void *args,
                                         int64_t items, int64_t cost,
                                         int64_t scratch_floats)
{
    if (SABOTAGE_NUMBER == LH_FAULT_KERNELS + (int)kernel)
        items--;
    if (items <= 0)
        return LH_OK;
    if (scratch_floats > (int64_t)ctx->scratch_floats) {
        lh_status status = launch_grow(ctx, scratch_floats);
        if (status)
            return status;
    }
    int threads = ctx->pool ? launch_threads(ctx, items, cost) : 1;
    if (threads < 2) {
        fn(args, 0, items, ctx->scratch);
        return LH_OK;
    }
    launch_work work;                  /* 4 KiB, so not filled with zeros  */
    work.fn = fn;
    work.args = args;
    work.chunk = launch_chunk(kernel, args, items, threads);
    work.scratch = ctx->scratch;
    work.scratch_floats = ctx->scratch_floats;
    work.threads = threads;
    launch_split(&work, items);
    lh_pool_share(ctx->pool, threads, launch_thread, &work);
    return LH_OK;
}

LH_INTERNAL lh_status lh_launch(lh_context *ctx, lh_kernel kernel,
                                const void *args, int64_t items,
                                int64_t cost, int64_t scratch_floats)
{
    return lh_launch_function(ctx, ctx->kernels->fn[kernel], kernel, args,
                              items, cost, scratch_floats);
}
