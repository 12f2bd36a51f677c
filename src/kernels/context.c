/* Making a context: where the ground and the kernel table meet.
 *
 * It stands in this room because the ground may not know the kernels.  A
 * context that could be made is given out even where a setting was wrong:
 * only so the error has a place to stay. */
#include "base/context.h"
#include "base/file.h"
#include "base/threads.h"
#include "kernels/kernels.h"

static int context_threads(lh_context *ctx, int wanted)
{
    if (wanted < 0)
        lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_context_new: %d threads; give"
                " 1 or more, or 0 for all cores that the process may use",
                wanted);
    if (wanted == 0)
        wanted = lh_threads_available();
    return wanted < 1 ? 1 : wanted < LH_THREADS_MOST ? wanted
                                                     : LH_THREADS_MOST;
}

LH_API lh_context *lh_context_new(const lh_settings *settings)
{
    static const lh_settings defaults;
    if (!settings)
        settings = &defaults;
    lh_context seed = { .allocator = settings->allocator };
    lh_context *ctx = lh_alloc(&seed, 1, sizeof *ctx);
    if (!ctx)
        return NULL;
    ctx->allocator = settings->allocator;
    ctx->io = &lh_io_system;
    ctx->kernels = lh_kernels_get(ctx, settings->cpu);
    if (!ctx->kernels)                           /* the error stays        */
        ctx->kernels = lh_kernels_get(ctx, "c");
    int threads = context_threads(ctx, settings->threads);
    if (!ctx->kernels || ctx->status == LH_ERROR_MEMORY) {
        lh_free(&seed, ctx);
        return NULL;
    }
    ctx->grain = lh_launch_grain(ctx->kernels->isa);
    ctx->pool = lh_pool_new(ctx, threads);
    return ctx;
}

LH_API void lh_context_free(lh_context *ctx)
{
    if (!ctx)
        return;
    lh_pool_free(ctx->pool);
    lh_floats_free(ctx, ctx->scratch);
    lh_context last = { .allocator = ctx->allocator };
    lh_free(&last, ctx);
}

LH_API int lh_threads(const lh_context *ctx)
{
    return ctx ? lh_pool_threads(ctx->pool) : 0;
}
