/* Memory that is given out by moving a pointer and taken back all at once.
 *
 * Blocks come from the context's allocator and are kept over a reset, so
 * that work which repeats (a training step) takes nothing from the heap
 * after its first round.  Large pieces may also be given back one by one and
 * are then taken again before anything new.  Not thread-safe, like its
 * context. */
#pragma once

#include "base/base.h"

typedef struct lh_arena_block {
    struct lh_arena_block *next;
    char *memory;                      /* aligned to LH_ALIGN              */
    size_t size, used;
} lh_arena_block;

typedef struct lh_arena_piece {
    char *memory;
    size_t size;
} lh_arena_piece;

/* So many free pieces that do not touch each other are remembered; beyond,
 * the smallest is lost until the reset. */
#define LH_ARENA_PIECES 32

typedef struct lh_arena {
    lh_context *ctx;
    lh_arena_block *first, *current;
    lh_arena_piece piece[LH_ARENA_PIECES];     /* free                     */
    int pieces;
    size_t most;                       /* used before any reset            */
} lh_arena;

/* `size` bytes aligned to LH_ALIGN, content undefined; NULL with
 * LH_ERROR_MEMORY recorded. */
LH_INTERNAL void *lh_arena_more(lh_arena *arena, size_t size);
static inline void *lh_arena_alloc(lh_arena *arena, size_t size)
{
    lh_arena_block *block = arena->current;
    size_t padded = (size + LH_ALIGN - 1) & ~(size_t)(LH_ALIGN - 1);
    if (__builtin_expect(block && padded >= size &&
                         padded <= block->size - block->used, 1)) {
        char *memory = block->memory + block->used;
        block->used += padded;
        return memory;
    }
    return lh_arena_more(arena, size);
}

/* The same, not aligned, for an arena of nothing else. */
static inline char *lh_arena_text(lh_arena *arena, size_t size)
{
    lh_arena_block *block = arena->current;
    if (!block || size > block->size - block->used)
        return lh_arena_more(arena, size);
    block->used += size;
    return block->memory + block->used - size;
}

/* For an arena of large pieces: the same, out of the smallest free piece that
 * has room, else new; and one of them back, with the size asked for. */
LH_INTERNAL void *lh_arena_take(lh_arena *arena, size_t size);
LH_INTERNAL void lh_arena_give(lh_arena *arena, void *memory, size_t size);

/* Zeros, aligned to LH_ALIGN, for an arena that is never reset: a few lie one
 * behind the other, many by themselves, and are freed so. */
LH_INTERNAL float *lh_arena_floats(lh_arena *arena, int64_t count);
LH_INTERNAL void lh_arena_floats_free(lh_arena *arena, float *floats,
                                      int64_t count);

/* A first block for so many bytes, where there is none yet.  bytes: what all
 * blocks of an arena take. */
LH_INTERNAL lh_status lh_arena_reserve(lh_arena *arena, size_t size);
LH_INTERNAL size_t lh_arena_bytes(const lh_arena *arena);

/* Takes everything back; the blocks stay. */
LH_INTERNAL void lh_arena_reset(lh_arena *arena);
LH_INTERNAL void lh_arena_free(lh_arena *arena);
