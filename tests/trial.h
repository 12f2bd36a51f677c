/* What one trial of a kernel works on: buffers of random floats, mostly
 * ordinary and sometimes extreme, with canaries around them and copies of what
 * they held and of what plain C made of them. */
#ifndef LH_TRIAL_H
#define LH_TRIAL_H

#include "test.h"

#include "kernels/kernels.h"

#define CANARY 0x4b1dc0deu
#define FRONT 32
/* Under a sanitizer a buffer ends where its memory ends, so that reading
 * behind it is found too. */
#if defined(__SANITIZE_ADDRESS__)
#define BACK 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BACK 0
#endif
#endif
#ifndef BACK
#define BACK 32
#endif

enum { MAX_BUFFERS = 16, MAX_ROWS = 256 };

typedef struct buffer {
    uint32_t *memory;                  /* all of it                        */
    size_t front, count, total;        /* floats                           */
    uint32_t *before, *plain;          /* copies: as made; plain C's       */
} buffer;

typedef struct trial {
    uint64_t random;
    int extreme;                       /* one value in so many; 0: none    */
    buffer buffers[MAX_BUFFERS];
    int buffer_count;
    int32_t ids[MAX_ROWS];
    lh_span spans[8];
    int64_t items, scratch;
    bool inexact;                      /* other orders give other bits     */
    lh_kernel_args args;
} trial;

/* ------------------------------------------------------------- random -- */

static int64_t below(trial *t, int64_t n)
{
    return (int64_t)(test_random(&t->random) % (uint64_t)n);
}

static bool chance(trial *t, int percent)
{
    return below(t, 100) < percent;
}

/* 1 .. most, often at the edge of a vector or a tile. */
static int64_t size_of(trial *t, int64_t most)
{
    static const int64_t edges[] = { 1, 4, 8, 16, 32, 48, 64, 128, 256 };
    int64_t size = chance(t, 50)
        ? 1 + below(t, most)
        : edges[below(t, (int64_t)LH_COUNT(edges))] - 1 + below(t, 3);
    return size < 1 ? 1 : size > most ? most : size;
}

static uint32_t value(trial *t)
{
    static const uint32_t extremes[] = {
        0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff,
        0x807fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,
        0x7f800000, 0xff800000, 0x7fc00000, 0x0d000000, 0x8d000000,
        0x42b17218, 0xc2cff1b5, 0x3f800000, 0xbf800000, 0x5f000000,
    };
    float x;
    uint32_t bits;
    if (t->extreme && below(t, t->extreme) == 0) {
        if (chance(t, 20))
            return (uint32_t)test_random(&t->random);
        return extremes[below(t, (int64_t)LH_COUNT(extremes))];
    }
    x = (float)(below(t, 1 << 24) - (1 << 23)) * 0x1p-22f;
    memcpy(&bits, &x, 4);
    return bits;
}

static float number(trial *t)
{
    uint32_t bits = value(t);
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* `count` random floats with canaries before and behind, `off` floats behind
 * a multiple of 64 bytes. */
static float *floats_off(trial *t, int64_t count, size_t off)
{
    buffer *b = &t->buffers[t->buffer_count++];
    b->count = (size_t)count;
    b->total = FRONT + 32 + b->count + BACK;
    b->memory = malloc(b->total * 4);
    b->front = FRONT + off + (16 - ((uintptr_t)b->memory / 4 + FRONT) % 16);
    b->before = malloc(b->total * 4);
    b->plain = malloc(b->total * 4);
    if (!b->memory || !b->before || !b->plain)
        exit(2);
    for (size_t i = 0; i < b->total; i++)
        b->before[i] = i < b->front || i >= b->front + b->count
            ? CANARY : value(t);
    return (float *)b->memory + b->front;
}

static float *floats(trial *t, int64_t count)
{
    return floats_off(t, count, (size_t)below(t, 16));
}

/* The same with so many percent zero, subnormal or not far above: what the
 * moments of a weight without gradients come to. */
static float *lowered(trial *t, int64_t count, int percent, bool negative)
{
    float *x = floats(t, count);
    buffer *b = &t->buffers[t->buffer_count - 1];
    for (size_t i = 0; i < b->count; i++)
        if (chance(t, percent)) {
            uint32_t sign = negative && chance(t, 50) ? 0x80000000u : 0;
            b->before[b->front + i] = sign | (uint32_t)(below(t, 1 << 28) >>
                                                         below(t, 28));
        }
    return x;
}

static float *maybe(trial *t, int64_t count)
{
    return chance(t, 70) ? floats(t, count) : NULL;
}

#endif
