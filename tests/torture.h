/* Failing memory: an allocator for lh_settings that counts, makes the n-th
 * allocation fail, and knows what is still held.
 *
 *     torture memory = { 0 };
 *     lh_context *ctx = lh_context_new(&(lh_settings){
 *         .allocator = torture_allocator(&memory), .threads = 1 });
 *     torture_fail_at(&memory, n);      // the n-th from here on fails, once
 *     ... the operation under test ...
 *     bool failed = torture_failed(&memory);
 *     torture_fail_at(&memory, 0);      // no more failures
 *     ... free everything; then memory.live is 0, or something leaked
 *
 * Fresh memory is filled with 0xa5 and released memory with 0x5a, so that
 * reading either shows.  Releasing what did not come from here, or twice,
 * stops the program: a test's right, and what a library never does. */
#ifndef LH_TORTURE_H
#define LH_TORTURE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "longhand.h"

typedef struct torture {
    int64_t live;                  /* blocks that are held                 */
    int64_t live_bytes;
    int64_t peak_bytes;            /* the most that was held at once       */
    int64_t count;                 /* allocations asked for in all         */
    int64_t countdown;             /* > 0: until the one that fails        */
    bool failed;
} torture;

/* Stands in front of each block, as aligned as what malloc gives. */
typedef struct torture_block {
    _Alignas(max_align_t) uint64_t magic;
    size_t size;
} torture_block;

#define TORTURE_HELD 0x68656c642d626c6bu
#define TORTURE_FREE 0x667265652d626c6bu

static inline void *torture_allocate(void *user, size_t size)
{
    torture *t = user;
    t->count++;
    if (t->countdown > 0 && --t->countdown == 0) {
        t->failed = true;
        return NULL;
    }
    if (size > SIZE_MAX / 2)
        return NULL;
    torture_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->magic = TORTURE_HELD;
    block->size = size;
    t->live++;
    t->live_bytes += (int64_t)size;
    if (t->live_bytes > t->peak_bytes)
        t->peak_bytes = t->live_bytes;
    memset(block + 1, 0xa5, size);
    return block + 1;
}

static inline void torture_release(void *user, void *memory)
{
    torture *t = user;
    if (!memory)
        return;
    torture_block *block = (torture_block *)memory - 1;
    if (block->magic != TORTURE_HELD) {
        printf("torture.h: released twice, or never allocated here\n");
        fflush(stdout);
        abort();
    }
    t->live--;
    t->live_bytes -= (int64_t)block->size;
    memset(memory, 0x5a, block->size);
    block->magic = TORTURE_FREE;
    free(block);
}

static inline lh_allocator torture_allocator(torture *t)
{
    return (lh_allocator){ torture_allocate, torture_release, t };
}

/* The n-th allocation from now on fails, once (n = 1: the next); 0: none. */
static inline void torture_fail_at(torture *t, int64_t n)
{
    t->countdown = n;
    t->failed = false;
}

/* Whether an allocation failed since torture_fail_at(). */
static inline bool torture_failed(const torture *t)
{
    return t->failed;
}

#endif
