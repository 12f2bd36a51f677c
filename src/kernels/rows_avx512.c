/* The rows for AVX-512: vectors of 16 floats, 32 registers.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_avx512.h for the vector macros, all.inc.h for the list of kernels. */
#include "base/strict.h"

#include "base/rng.h"
#include "base/sabotage.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include "kernels/vec_avx512.h"

/* Lane j takes j + 8, j + 4, j + 2, j + 1. */
static inline float VEC_SUFFIX(fold_add)(VEC x)
{
    __m512 v = (__m512)x;
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v),
                             _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a),
                          _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* The instruction is a > b ? a : b. */
static inline float VEC_SUFFIX(fold_max)(VEC x)
{
    __m512 v = (__m512)x;
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v),
                             _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a),
                          _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* Four rows of 16 turned over within each 128 bits: u[c] has the elements
 * c, 4 + c, 8 + c, 12 + c of all four. */
static inline void VEC_SUFFIX(turn4)(__m512 u[4], __m512 r0, __m512 r1,
                                     __m512 r2, __m512 r3)
{
    __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
    __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
    __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
    __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
    u[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    u[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    u[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    u[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
}

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 16
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
    __mmask16 part = (__mmask16)((1u << depth) - 1u);
    __m512 u[4][4];
#define ROWS_LOAD(j) \
    _mm512_maskz_loadu_ps((j) < count ? part : (__mmask16)0, \
                          from + ((j) < count ? (j) : 0) * stride)
#define ROWS_TURN(g) \
    VEC_SUFFIX(turn4)(u[g], ROWS_LOAD(4 * g), ROWS_LOAD(4 * g + 1), \
                      ROWS_LOAD(4 * g + 2), ROWS_LOAD(4 * g + 3));
    ROWS_TURN(0) ROWS_TURN(1) ROWS_TURN(2) ROWS_TURN(3)
#undef ROWS_LOAD
#undef ROWS_TURN
    /* For each c the four squares of 128 bits change places. */
#define ROWS_PUT(l, v) \
    if (l < depth) \
        _mm512_storeu_ps(to + (l) * ld, v)
#define ROWS_CROSS(c) do { \
    __m512 a = _mm512_shuffle_f32x4(u[0][c], u[1][c], 0x44); \
    __m512 b = _mm512_shuffle_f32x4(u[0][c], u[1][c], 0xee); \
    __m512 d = _mm512_shuffle_f32x4(u[2][c], u[3][c], 0x44); \
    __m512 e = _mm512_shuffle_f32x4(u[2][c], u[3][c], 0xee); \
    ROWS_PUT(c, _mm512_shuffle_f32x4(a, d, 0x88)); \
    ROWS_PUT(4 + c, _mm512_shuffle_f32x4(a, d, 0xdd)); \
    ROWS_PUT(8 + c, _mm512_shuffle_f32x4(b, e, 0x88)); \
    ROWS_PUT(12 + c, _mm512_shuffle_f32x4(b, e, 0xdd)); \
} while (0)
    ROWS_CROSS(0);
    ROWS_CROSS(1);
    ROWS_CROSS(2);
    ROWS_CROSS(3);
#undef ROWS_PUT
#undef ROWS_CROSS
}

#define GEMM_ROWS 12
#include "kernels/all.inc.h"

#else

LH_INTERNAL void lh_rows_avx512(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    (void)fn;
}

#endif
