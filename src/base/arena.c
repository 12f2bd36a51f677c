/* The arena's slow path: the next block that is large enough, or a new one
 * twice as large as the last, so that a graph of any size takes a number of
 * blocks that grows with its logarithm. */
#include "base/arena.h"

#include "base/sabotage.h"

enum { ARENA_FIRST = 1 << 16, ARENA_LARGEST_STEP = 1 << 28 };
/* Fewer floats than this have no memory of their own. */
enum { ARENA_FEW = 1 << 11 };

static lh_arena_block *arena_block(lh_arena *arena, size_t size)
{
    size_t bytes;
    if (!lh_add_size(size, sizeof(lh_arena_block) + LH_ALIGN, &bytes))
        return LH_FAIL_NULL(arena->ctx, LH_ERROR_MEMORY, "a tensor is larger"
                            " than memory can be");
    lh_arena_block *block = lh_alloc_full(arena->ctx, 1, bytes);
    if (!block)
        return NULL;
    uintptr_t start = (uintptr_t)(block + 1);
    start = (start + LH_ALIGN - 1) & ~(uintptr_t)(LH_ALIGN - 1);
    block->memory = (char *)start;
    block->size = size;
    return block;
}

LH_INTERNAL lh_status lh_arena_reserve(lh_arena *arena, size_t size)
{
    if (arena->first || !size)
        return LH_OK;
    arena->first = arena->current = arena_block(arena, size);
    return arena->first ? LH_OK : LH_ERROR_MEMORY;
}

LH_INTERNAL size_t lh_arena_bytes(const lh_arena *arena)
{
    size_t bytes = 0;
    for (const lh_arena_block *b = arena->first; b; b = b->next)
        bytes += b->size + sizeof *b + LH_ALIGN;
    return bytes;
}

LH_INTERNAL void *lh_arena_more(lh_arena *arena, size_t size)
{
    if (size > SIZE_MAX - LH_ALIGN)
        return arena_block(arena, SIZE_MAX);     /* fails, and says so     */
    size_t padded = (size + LH_ALIGN - 1) & ~(size_t)(LH_ALIGN - 1);
    lh_arena_block *last = arena->current;
    for (lh_arena_block *b = last ? last->next : NULL; b; b = b->next) {
        last = b;
        if (padded <= b->size) {
            b->used = padded;
            arena->current = b;
            return b->memory;
        }
    }
    size_t wanted = last ? last->size : ARENA_FIRST / 2;
    wanted = wanted < ARENA_LARGEST_STEP ? 2 * wanted : wanted;
    if (wanted < padded)
        wanted = padded;
    lh_arena_block *block = arena_block(arena, wanted);
    if (!block)
        return NULL;
    if (last)
        last->next = block;
    else
        arena->first = block;
    block->used = padded;
    arena->current = block;
    return block->memory;
}

/* Tensors are often a multiple of 4096 bytes long.  Did all begin at the same
 * place of a page, they would be in each other's way in the caches. */
static size_t arena_padded(size_t size)
{
    return (size + 6 * (size_t)LH_ALIGN - 1) & ~(size_t)(LH_ALIGN - 1);
}

LH_INTERNAL void *lh_arena_take(lh_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return lh_arena_more(arena, SIZE_MAX);   /* fails, and says so     */
    size_t padded = arena_padded(size);
    lh_arena_piece *best = NULL;
    for (int i = 0; i < arena->pieces; i++) {
        lh_arena_piece *p = &arena->piece[i];
        if (p->size >= padded && (!best || p->size < best->size))
            best = p;
    }
    if (!best)
        return lh_arena_alloc(arena, padded);
    /* From its end: what is given back next stands before its beginning. */
    best->size -= padded;
    char *memory = best->memory + best->size;
    if (SABOTAGED(arena_twice))
        best->size += padded;
    if (!best->size)
        *best = arena->piece[--arena->pieces];
    return memory;
}

LH_INTERNAL void lh_arena_give(lh_arena *arena, void *memory, size_t size)
{
    lh_arena_piece given = { memory, arena_padded(size) }, *at = NULL;
    for (int i = arena->pieces - 1; i >= 0; i--) {
        lh_arena_piece *p = &arena->piece[i];
        bool before = p->memory + p->size == given.memory;
        if (!before && given.memory + given.size != p->memory)
            continue;                            /* does not touch it      */
        given.memory = before ? p->memory : given.memory;
        given.size += p->size;
        *p = arena->piece[--arena->pieces];
    }
    if (arena->pieces < LH_ARENA_PIECES) {
        arena->piece[arena->pieces++] = given;
        return;
    }
    for (int i = 0; i < arena->pieces; i++)
        if (!at || arena->piece[i].size < at->size)
            at = &arena->piece[i];
    if (at->size < given.size)
        *at = given;
}

LH_INTERNAL float *lh_arena_floats(lh_arena *arena, int64_t count)
{
    const size_t bytes = (size_t)count * sizeof(float);
    lh_arena_block *block = arena->current;
    if (count >= ARENA_FEW)
        return lh_floats_alloc(arena->ctx, (size_t)count);
    if (!block || block->size - block->used < bytes + LH_ALIGN) {
        block = arena_block(arena, ARENA_FIRST);
        if (!block)
            return NULL;
        block->next = arena->first;
        arena->first = arena->current = block;
    }
    return memset(lh_arena_alloc(arena, bytes), 0, bytes);
}

LH_INTERNAL void lh_arena_floats_free(lh_arena *arena, float *floats,
                                      int64_t count)
{
    if (count >= ARENA_FEW)
        lh_floats_free(arena->ctx, floats);
}

LH_INTERNAL void lh_arena_reset(lh_arena *arena)
{
    size_t used = 0;
    arena->pieces = 0;
    for (lh_arena_block *b = arena->first; b; b = b->next) {
        used += b->used;
        b->used = 0;
    }
    arena->most = used > arena->most ? used : arena->most;
    arena->current = arena->first;
}

LH_INTERNAL void lh_arena_free(lh_arena *arena)
{
    lh_arena_block *b = arena->first;
    while (b) {
        lh_arena_block *next = b->next;
        lh_free(arena->ctx, b);
        b = next;
    }
    arena->first = arena->current = NULL;
}
