/* The ground every room stands on: status, errors, memory, the context.
 *
 * Owns: the vocabulary shared by all files of the library.  Refuses: any
 * knowledge of tensors, models or files.  Read include/longhand.h first; it
 * declares lh_status, lh_context and lh_settings.
 *
 * Rules of the house that this header carries:
 *   - Every function of the library that another file calls is LH_INTERNAL
 *     (or LH_API when longhand.h has it).  In the amalgamation LH_INTERNAL is
 *     `static`, so names of static functions, types and macros are unique
 *     over the whole library, and no variable is shared between files.
 *   - A failure is a value.  The callee calls lh_fail() once, where it knows
 *     most, and everybody above returns the status upward.
 */
#pragma once

/* Before any header of the system: a file that needs more of that than C11
 * has includes this one first. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "longhand.h"

#ifdef __FAST_MATH__
#error "Longhand promises one arithmetic: build without -ffast-math, -Ofast."
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0
/* 32-bit x86 may compute in 80 bits, gcc -std=c11 for s390x in double. */
#error "FLT_EVAL_METHOD must be 0: -msse2 -mfpmath=sse, or on s390x \
-fexcess-precision=fast"
#endif

#ifdef LH_AMALGAMATION
#define LH_INTERNAL static __attribute__((unused))
#define LH_TABLE static __attribute__((unused))
#define LH_TABLE_DEFINED static __attribute__((unused))
#else
#define LH_INTERNAL __attribute__((visibility("hidden")))
/* A constant object that other files see: LH_TABLE const x; in a header and
 * LH_TABLE_DEFINED const x = ...; in one file. */
#define LH_TABLE extern __attribute__((visibility("hidden")))
#define LH_TABLE_DEFINED __attribute__((visibility("hidden")))
#endif
#define LH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define LH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int64_t lh_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t lh_max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* One cache line and one AVX-512 register: the alignment of tensor memory. */
#define LH_ALIGN 64

/* Whether text[0..size-1] is this word. */
static inline bool lh_text_is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && !memcmp(text, word, size);
}

static inline bool lh_text_ends(const char *text, const char *end)
{
    size_t size = strlen(text), length = strlen(end);
    return size >= length && !strcmp(text + size - length, end);
}

/* Floats in whole lines. */
static inline int64_t lh_lines(int64_t floats)
{
    const int64_t line = LH_ALIGN / (int64_t)sizeof(float);
    return (floats + line - 1) / line * line;
}

/* ------------------------------------------------------------- errors -- */

/* Records `code` and the formatted message as the context's error and
 * returns `code`, so that a caller can write `return lh_fail(...)`.  The
 * first error since lh_error_clear() stays; later ones are dropped, because
 * the first is the cause.  `format` is printf's, but %f %g %e are not to be
 * used (their output depends on the locale: see base/number.h).  The message
 * says what, where and what to do, in one line, without a final newline.
 * ctx may be NULL: then nothing is recorded.  LH_OK is never passed. */
LH_INTERNAL lh_status lh_fail(lh_context *ctx, lh_status code,
                              const char *format, ...) LH_PRINTF(3, 4);
/* The same for who returns something else: NULL, false, -1. */
#define LH_FAIL_AS(value, ...) ((void)lh_fail(__VA_ARGS__), value)
#define LH_FAIL_NULL(...) LH_FAIL_AS(NULL, __VA_ARGS__)

/* Makes a message one line that any terminal can show: what was quoted from a
 * hostile file has no control characters left, and where the text was cut no
 * UTF-8 character stays in half. */
LH_INTERNAL void lh_text_clean(char *text);

/* ------------------------------------------------------------- memory -- */

/* a * b, and true; or false where the product does not fit. */
static inline bool lh_mul_size(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool lh_add_size(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* `count` objects of `size` bytes, zeroed, from the context's allocator;
 * NULL with LH_ERROR_MEMORY recorded where there is none or the product
 * overflows.  count or size 0 gives a valid pointer of no use.  Aligned as
 * malloc's.  lh_free takes NULL.  Any thread may call both at once if the
 * caller's allocator allows it (malloc does). */
LH_INTERNAL void *lh_alloc(lh_context *ctx, size_t count, size_t size);
LH_INTERNAL void lh_free(lh_context *ctx, void *memory);

/* The same of memory that will be filled from its beginning: megabytes of it
 * lie in large pages where the system has such, as 4 KB at a time its work is
 * a quarter of the time that encoding a known text takes. */
LH_INTERNAL void *lh_alloc_full(lh_context *ctx, size_t count, size_t size);

LH_INTERNAL char *lh_text_copy(lh_context *ctx, const char *text);
/* Three texts, one behind the other. */
LH_INTERNAL char *lh_text_join(lh_context *ctx, const char *a, const char *b,
                               const char *c);

/* lh_alloc() aligned to `align`, a power of two; and lh_alloc_full() of floats
 * aligned to LH_ALIGN: parameters, gradients, moments and what products pack,
 * where a vector that lies across two cache lines costs twice.  Both are given
 * back by lh_floats_free(). */
LH_INTERNAL void *lh_aligned_alloc(lh_context *ctx, size_t count, size_t size,
                                   size_t align);
LH_INTERNAL float *lh_floats_alloc(lh_context *ctx, size_t count);
LH_INTERNAL void lh_floats_free(lh_context *ctx, void *memory);

/* Grows or shrinks: a new block with the first min(old, new) * size bytes of
 * `memory`, which is freed; the rest is zeroed, or holds anything.  On failure
 * NULL, and `memory` is untouched and still owned by the caller.  memory may
 * be NULL with old_count 0. */
LH_INTERNAL void *lh_resize(lh_context *ctx, void *memory, size_t old_count,
                            size_t new_count, size_t size, bool zeroed);

/* Makes an array of *room elements, `array` the address of its pointer, as
 * long as `wanted`; or long enough for `needed`, half as long again at least.
 * On failure it is as it was. */
LH_INTERNAL lh_status lh_fit(lh_context *ctx, void *array, size_t *room,
                             size_t wanted, size_t size);
LH_INTERNAL lh_status lh_grow(lh_context *ctx, void *array, size_t *room,
                              size_t needed, size_t size);

/* A word more into a hash of 64 bits. */
static inline uint64_t lh_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* A hash for tables.  It is no secret: who looks up what a file decides must
 * bear that all of it collides. */
static inline uint32_t lh_hash(const char *text, size_t size)
{
    uint64_t hash = size, word = 0;
    uint32_t ends[2];
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = lh_mix(hash, word);
    }
    if (size >= 4) {                             /* they may overlap       */
        memcpy(&ends[0], text, 4);
        memcpy(&ends[1], text + size - 4, 4);
        word = (uint64_t)ends[0] << 32 | ends[1];
    } else {
        word = size ? (uint64_t)(unsigned char)text[0] << 16 |
                      (uint64_t)(unsigned char)text[size / 2] << 8 |
                      (unsigned char)text[size - 1] : 0;
    }
    hash = lh_mix(hash, word) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

/* Sorts pointers so that compare(item[i], item[i + 1]) <= 0, not stable: takes
 * no memory and n log n steps on the worst input, for lists whose length and
 * order a file decides.  (The C library's qsort may do neither.) */
LH_INTERNAL void lh_sort(const void **item, size_t count,
                         int (*compare)(const void *a, const void *b));

/* A growing byte buffer; all zeros is an empty one.  `data` is always
 * followed by a NUL byte that is not counted, once anything was added.  After
 * a failure nothing is added any more, and each call gives it again: who adds
 * many pieces needs to look at the last one's status alone. */
typedef struct lh_buffer {
    char *data;
    size_t size;
    size_t capacity;
    lh_status status;                  /* of the first failure             */
} lh_buffer;

/* Makes the capacity what is given, the NUL among it. */
LH_INTERNAL lh_status lh_buffer_reserve(lh_context *ctx, lh_buffer *buffer,
                                        size_t capacity);
LH_INTERNAL lh_status lh_buffer_add(lh_context *ctx, lh_buffer *buffer,
                                    const void *bytes, size_t size);
LH_INTERNAL lh_status lh_buffer_printf(lh_context *ctx, lh_buffer *buffer,
                                       const char *format, ...)
    LH_PRINTF(3, 4);
LH_INTERNAL void lh_buffer_free(lh_context *ctx, lh_buffer *buffer);
