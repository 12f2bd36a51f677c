/* The rows for AVX-512: vectors of 16 floats, 32 registers.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_avx512.h for the vector macros, all.inc.h for the list of kernels. */
#if defined(__x86_64__)
#include <immintrin.h>         /* before the pragmas: 5,000 functions        */
#endif
#include "base/strict.h"
#include "kernels/level.h"

#include "base/rng.h"
#include "base/sabotage.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include "kernels/vec_avx512.h"

/* Lane j takes j + 8, j + 4, j + 2, j + 1.  The instruction for the greater
 * one is a > b ? a : b. */
#define ROWS_FOLD(name, op) \
    static inline float VEC_SUFFIX(name)(VEC x) \
    { \
        __m512 v = (__m512)x; \
        __m256 a = _mm256_##op##_ps(_mm512_castps512_ps256(v), \
                                    _mm512_extractf32x8_ps(v, 1)); \
        __m128 b = _mm_##op##_ps(_mm256_castps256_ps128(a), \
                                 _mm256_extractf128_ps(a, 1)); \
        b = _mm_##op##_ps(b, _mm_movehl_ps(b, b)); \
        return _mm_cvtss_f32(_mm_##op##_ss(b, _mm_shuffle_ps(b, b, 1))); \
    }
ROWS_FOLD(fold_add, add)
ROWS_FOLD(fold_max, max)
#undef ROWS_FOLD

/* Four floats from p and each of the three places that are `step` behind. */
static inline VEC VEC_SUFFIX(load_fours)(const float *p, const int64_t *step)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + step[0]), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + step[1]), 2);
    return (VEC)_mm512_insertf32x4(v, _mm_loadu_ps(p + step[2]), 3);
}

/* Four rows of 16 turned over within each 128 bits: u[c] has the elements
 * c, 4 + c, 8 + c, 12 + c of all four. */
static inline void VEC_SUFFIX(turn4)(VEC u[4], VEC r0, VEC r1, VEC r2,
                                     VEC r3)
{
#define ROWS_ZIP(half, x, y) \
    _mm512_castps_pd(_mm512_unpack##half##_ps((__m512)(x), (__m512)(y)))
    __m512d a = ROWS_ZIP(lo, r0, r1), b = ROWS_ZIP(hi, r0, r1);
    __m512d c = ROWS_ZIP(lo, r2, r3), d = ROWS_ZIP(hi, r2, r3);
#undef ROWS_ZIP
    u[0] = (VEC)_mm512_unpacklo_pd(a, c);
    u[1] = (VEC)_mm512_unpackhi_pd(a, c);
    u[2] = (VEC)_mm512_unpacklo_pd(b, d);
    u[3] = (VEC)_mm512_unpackhi_pd(b, d);
}

/* Four rows of 8 from p and, behind them, the four below, turned over within
 * each 128 bits; and the element l of two such: of 16 rows. */
static inline __attribute__((always_inline)) void VEC_SUFFIX(turn_eights)(
    VEC u[4], const float *p, int64_t row)
{
#define ROWS_EIGHTS(p) \
    (VEC)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(p)), \
                            _mm256_loadu_ps((p) + 4 * row), 1)
    VEC_SUFFIX(turn4)(u, ROWS_EIGHTS(p), ROWS_EIGHTS(p + row),
                      ROWS_EIGHTS(p + 2 * row), ROWS_EIGHTS(p + 3 * row));
#undef ROWS_EIGHTS
}
#define TURNED(u, v, l) \
    (VEC)_mm512_shuffle_f32x4((__m512)u[(l) % 4], (__m512)v[(l) % 4], \
                              (l) < 4 ? 0x88 : 0xdd)

/* *p times b, plus c, broadcast on the way. */
static inline __attribute__((always_inline)) VEC VEC_SUFFIX(fma_from)(
    const float *p, VEC b, VEC c)
{
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(b), "m"(*p));
    return c;
}
#define FMA_FROM VEC_SUFFIX(fma_from)

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 16
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
    __mmask16 part = (__mmask16)((1u << depth) - 1u);
    VEC u[4][4];
#define ROWS_LOAD(j) \
    (VEC)_mm512_maskz_loadu_ps((j) < count ? part : (__mmask16)0, \
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
#define ROWS_HALF(g, c, half) \
    _mm512_shuffle_f32x4((__m512)u[g][c], (__m512)u[g + 1][c], half)
#define ROWS_CROSS(c) do { \
    __m512 a = ROWS_HALF(0, c, 0x44), b = ROWS_HALF(0, c, 0xee); \
    __m512 d = ROWS_HALF(2, c, 0x44), e = ROWS_HALF(2, c, 0xee); \
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
#undef ROWS_HALF
#undef ROWS_CROSS
}

/* AdamW's m / (sqrt(v) * inverse_root + eps), or what moves p as much.
 *
 * Moments of what no longer gets a gradient, such as a dead unit's weights,
 * stay subnormal for ever, and the divider and what shares its pipe take 28
 * cycles a vector over them instead of 8.  So what is below 2^-126 is taken
 * for that, which changes nothing where p is 2^-54 or more:
 *   the root of v times less than 2^10 stays below 2^-53, and half of a unit
 *     in the last place of an eps of 2^-27 or more is 2^-51;
 *   the quotient is 2^-99 at most, its product with a step size of less than
 *     2^20 below 2^-79, half of the least step of such a p.
 * By their bits, since a choice by masks would wait for the divider's pipe. */
static inline bool VEC_SUFFIX(adamw_lifts)(const lh_adamw_args *a)
{
    return a->eps >= 0x1p-27f && a->inverse_root >= 0.0f &&
           a->inverse_root < 0x1p10f && a->step_size < 0x1p20f &&
           a->step_size > -0x1p20f;
}

static inline VEC VEC_SUFFIX(adamw_quotient)(const lh_adamw_args *a, VEC p,
                                             VEC m, VEC v, bool lifts)
{
    const __m512i size = _mm512_set1_epi32(0x7fffffff);
    const __m512i normal = _mm512_set1_epi32(0x00800000);    /* 2^-126     */
    const __m512i least = _mm512_set1_epi32(0x24800000);     /* 2^-54      */
    __m512i size_m = _mm512_and_si512((__m512i)m, size);
    __m512i size_p = _mm512_and_si512((__m512i)p, size);
    if (lifts && !_mm512_cmplt_epu32_mask(size_p, least)) {
        m = (VEC)_mm512_or_si512(_mm512_max_epu32(size_m, normal),
                                 _mm512_andnot_si512(size, (__m512i)m));
        v = (VEC)_mm512_max_epu32((__m512i)v, normal);
    }
    return m / (SQRT(v) * VEC_SET(a->inverse_root) + VEC_SET(a->eps));
}
#define ADAMW_QUOTIENT VEC_SUFFIX(adamw_quotient)
#define ADAMW_LIFTS VEC_SUFFIX(adamw_lifts)

#define GEMM_ROWS 12
#include "kernels/all.inc.h"
#include "kernels/gemm_bf16_avx512.inc.h"

#else

LH_NO_ROWS(avx512)
LH_NO_ROWS(avx512_bf16)

#endif
