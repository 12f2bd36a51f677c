/* The one row for AArch64 with BF16: products whose operands are bf16.
 *
 * bfmmla adds to 2 x 2 floats the products of two rows of four with two
 * columns of four: the work of four fma on vectors of four.  Operands are
 * packed as it wants them, lines in pairs, four elements of each in turn; a
 * tile is 8 x 8, sixteen registers.  It adds in an order of its own, so a
 * chain that is to be cut anywhere (a_row = 1: kernels.h) goes to the row of
 * rows_neon.c, which widens.  Loops as in gemm_bf16_avx512.inc.h. */
#include "base/strict.h"
#include "kernels/level.h"

#include "kernels/bf16.h"
#include "kernels/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/* Assembly, since clang below 16 hides the intrinsics. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("bf16"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+bf16")
#endif

#define BFMMLA_DEPTH 384               /* of a block, and a packed line    */
#define BFMMLA_COLUMNS 256
#define BFMMLA_A (LH_GEMM_BF16_HIGH * BFMMLA_DEPTH / 2)
#define BFMMLA_B (8 * BFMMLA_DEPTH / 2)
_Static_assert(LH_GEMM_BF16_HIGH % 8 == 0 &&
               BFMMLA_A + BFMMLA_B + LH_GEMM_BF16_HIGH * BFMMLA_COLUMNS <=
                   LH_GEMM_SCRATCH,
               "packed operands do not fit into the scratch");

/* --------------------------------------------------------------- tile -- */

#define BFMMLA_ROW(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define BFMMLA_EACH(X) \
    BFMMLA_ROW(X, 0) BFMMLA_ROW(X, 1) BFMMLA_ROW(X, 2) BFMMLA_ROW(X, 3)
#define BFMMLA_DECLARE(r, c) float32x4_t s##r##c = vdupq_n_f32(0.0f);
#define BFMMLA_STEP(r, c) \
    __asm__("bfmmla %0.4s, %1.8h, %2.8h" \
            : "+w"(s##r##c) : "w"(a##r), "w"(b##c));
#define BFMMLA_STORE(r, c) vst1q_f32(out + 4 * (4 * r + c), s##r##c);
#define BFMMLA_LOAD(x, i) \
    uint16x8_t x##i = vld1q_u16(x + i * 2 * BFMMLA_DEPTH);

/* 8 x 8 sums over 4 * quads elements, in squares of 2 x 2. */
static void bfmmla_tile(const uint16_t *a, const uint16_t *b, int64_t quads,
                        float out[64])
{
    BFMMLA_EACH(BFMMLA_DECLARE)
    for (; quads > 0; quads--, a += 8, b += 8) {
        BFMMLA_LOAD(a, 0) BFMMLA_LOAD(a, 1) BFMMLA_LOAD(a, 2)
        BFMMLA_LOAD(a, 3) BFMMLA_LOAD(b, 0) BFMMLA_LOAD(b, 1)
        BFMMLA_LOAD(b, 2) BFMMLA_LOAD(b, 3)
        BFMMLA_EACH(BFMMLA_STEP)
    }
    BFMMLA_EACH(BFMMLA_STORE)
}

/* ------------------------------------------------------------ packing -- */

/* Elements at .. at + n - 1, rounded to bf16 where they are floats. */
static void bfmmla_take(uint16_t *to, const void *from, int64_t at,
                        int64_t n, bool wide)
{
    for (int64_t i = 0; wide && i < n; i++)
        to[i] = lh_narrow(((const float *)from)[at + i]);
    if (!wide)
        memcpy(to, (const uint16_t *)from + at, (size_t)n * sizeof *to);
}

/* Up to 8 lines of k elements, `row` apart, those of a line `col` apart, one
 * of the two being 1; zeros beyond.  Lines 2i, 2i + 1: from 2i lines on. */
static void bfmmla_pack(uint16_t *to, const void *from, int64_t row,
                        int64_t col, int64_t lines, int64_t k, bool wide)
{
    for (int64_t l = 0; l < k; l += 4, to += 8) {
        int64_t some = lh_min64(4, k - l);
        if (col == 1) {
            memset(to, 0, 16);
            for (int p = 1; p < 4; p++)
                memset(to + p * 2 * BFMMLA_DEPTH, 0, 16);
            for (int64_t i = 0; i < lines; i++)
                bfmmla_take(to + i / 2 * 2 * BFMMLA_DEPTH + i % 2 * 4, from,
                            i * row + l, some, wide);
            continue;
        }
        uint16_t part[4][8] = { { 0 } };
        for (int64_t i = 0; i < some; i++)
            bfmmla_take(part[i], from, (l + i) * col, lines, wide);
        uint16x8_t r0 = vld1q_u16(part[0]), r1 = vld1q_u16(part[1]);
        uint16x8_t r2 = vld1q_u16(part[2]), r3 = vld1q_u16(part[3]);
        uint16x8_t s = vzip1q_u16(r0, r2), t = vzip1q_u16(r1, r3);
        vst1q_u16(to, vzip1q_u16(s, t));
        vst1q_u16(to + 2 * BFMMLA_DEPTH, vzip2q_u16(s, t));
        s = vzip2q_u16(r0, r2), t = vzip2q_u16(r1, r3);
        vst1q_u16(to + 4 * BFMMLA_DEPTH, vzip1q_u16(s, t));
        vst1q_u16(to + 6 * BFMMLA_DEPTH, vzip2q_u16(s, t));
    }
}

/* ------------------------------------------------------------- kernel -- */

/* Columns j .. j + n - 1 of a rectangle, over l = from..to-1, a packed. */
static void bfmmla_columns(const lh_gemm_bf16_args *g, const lh_gemm_part *p,
                           int64_t j, int64_t n, int64_t from, int64_t to,
                           const uint16_t *a, uint16_t *b, float *sum)
{
    int64_t c_row = g->narrow ? BFMMLA_COLUMNS : g->c_row;
    bool adds = from > 0 || g->accumulate;
    float out[64];
    for (int64_t at = 0; at < n; at += 8) {
        int64_t wide = lh_min64(8, n - at);
        bfmmla_pack(b, lh_gemm_bf16_b(g, from, j + at), g->b_col, g->b_row,
                    wide, to - from, g->wide);
        for (int64_t i = 0; i < p->m; i += 8) {
            float *c = (g->narrow ? sum + at
                        : (float *)g->c + p->i * g->c_row + j + at) +
                       i * c_row;
            bfmmla_tile(a + i * BFMMLA_DEPTH, b, (to - from + 3) / 4, out);
            for (int64_t r = 0; r < lh_min64(8, p->m - i); r++)
                for (int64_t l = 0; l < wide; l++) {
                    float start = adds ? c[r * c_row + l]
                                : g->bias ? g->bias[j + at + l] : 0.0f;
                    c[r * c_row + l] = start +
                        out[r / 2 * 16 + l / 2 * 4 + r % 2 * 2 + l % 2];
                }
        }
    }
}

/* A rectangle of at most BFMMLA_COLUMNS columns. */
static void bfmmla_part(const lh_gemm_bf16_args *g, const lh_gemm_part *p,
                        int64_t j, int64_t n, float *scratch)
{
    uint16_t *a = (uint16_t *)(void *)scratch, *b = a + 2 * BFMMLA_A;
    float *sum = scratch + BFMMLA_A + BFMMLA_B;
    int64_t from = 0;
    do {
        int64_t to = lh_min64(from + BFMMLA_DEPTH, g->k);
        for (int64_t i = 0; i < p->m; i += 8)
            bfmmla_pack(a + i * BFMMLA_DEPTH, g->a + (p->i + i) * g->a_row +
                        from * g->a_col, g->a_row, g->a_col,
                        lh_min64(8, p->m - i), to - from, false);
        bfmmla_columns(g, p, j, n, from, to, a, b, sum);
        from = to;
    } while (from < g->k);
    for (int64_t i = 0; g->narrow && i < p->m; i++)
        for (int64_t l = 0; l < n; l++)
            ((uint16_t *)g->c)[(p->i + i) * g->c_row + j + l] =
                lh_narrow(sum[i * BFMMLA_COLUMNS + l]);
}

static void gemm_bf16_neon_bf16(const void *args, int64_t begin, int64_t end,
                                float *scratch)
{
    const lh_gemm_bf16_args *g = args;
    if (g->a_row == 1) {
        lh_kernel_fn *fn[LH_KERNEL_COUNT];
        lh_rows_neon(fn);
        fn[LH_KERNEL_gemm_bf16](args, begin, end, scratch);
        return;
    }
    while (begin < end) {
        lh_gemm_part p = lh_gemm_bf16_next(g->m, g->n, begin, end);
        for (int64_t j = 0; j < p.n; j += BFMMLA_COLUMNS)
            bfmmla_part(g, &p, p.j + j, lh_min64(BFMMLA_COLUMNS, p.n - j),
                        scratch);
        begin += p.items;
    }
}

LH_INTERNAL void lh_rows_neon_bf16(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    fn[LH_KERNEL_gemm_bf16] = gemm_bf16_neon_bf16;
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#undef BFMMLA_DEPTH
#undef BFMMLA_COLUMNS
#undef BFMMLA_A
#undef BFMMLA_B
#undef BFMMLA_ROW
#undef BFMMLA_EACH
#undef BFMMLA_DECLARE
#undef BFMMLA_STEP
#undef BFMMLA_STORE
#undef BFMMLA_LOAD

#else

LH_NO_ROWS(neon_bf16)

#endif
