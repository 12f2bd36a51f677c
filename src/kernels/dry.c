/* See dry.h.  It stands in this room because it is a table of kernels. */
#include "kernels/dry.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Pieces of this size and more are mapped: reserved addresses, no memory. */
enum { DRY_LARGE = 1 << 16 };
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* In front of each piece. */
typedef struct dry_piece {
    _Alignas(max_align_t) size_t bytes;        /* with this                */
    size_t asked;
} dry_piece;

static void *dry_allocate(void *user, size_t size)
{
    lh_dry *d = user;
    size_t bytes;
    if (!lh_add_size(size, sizeof(dry_piece), &bytes))
        return NULL;
    dry_piece *piece = bytes < DRY_LARGE ? calloc(1, bytes)
        : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!piece || (void *)piece == MAP_FAILED)
        return NULL;
    piece->bytes = bytes;
    piece->asked = size;
    d->live += (int64_t)size;
    return piece + 1;
}

static void dry_release(void *user, void *memory)
{
    lh_dry *d = user;
    dry_piece *piece = (dry_piece *)memory - 1;
    d->live -= (int64_t)piece->asked;
    if (piece->bytes < DRY_LARGE)
        free(piece);
    else
        munmap(piece, piece->bytes);
}

static void dry_kernel(const void *args, int64_t begin, int64_t end,
                       float *scratch)
{
    (void)args, (void)begin, (void)end, (void)scratch;
}

LH_INTERNAL void lh_dry_begin(lh_dry *d, const lh_context *ctx)
{
    d->kernels = *ctx->kernels;
    for (int i = 0; i < LH_KERNEL_COUNT; i++)
        d->kernels.fn[i] = dry_kernel;
    d->ctx = *ctx;
    d->ctx.allocator = (lh_allocator){ dry_allocate, dry_release, d };
    d->ctx.kernels = &d->kernels;
    d->ctx.scratch = NULL;
    d->ctx.scratch_floats = 0;
    d->ctx.dry = true;
    d->live = 0;
    lh_error_clear(&d->ctx);
}

LH_INTERNAL void lh_dry_end(lh_dry *d)
{
    lh_floats_free(&d->ctx, d->ctx.scratch);
}
