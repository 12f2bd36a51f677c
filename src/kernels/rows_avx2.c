/* The rows for AVX2 with FMA: vectors of 8 floats, 16 registers.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_avx2.h for the vector macros, all.inc.h for the list of kernels. */
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

#include "kernels/vec_avx2.h"

/* Lane j takes j + 4, j + 2, j + 1.  The instruction for the greater one is
 * a > b ? a : b. */
#define ROWS_FOLD(name, op) \
    static inline float VEC_SUFFIX(name)(VEC x) \
    { \
        __m256 v = (__m256)x; \
        __m128 a = _mm_##op##_ps(_mm256_castps256_ps128(v), \
                                 _mm256_extractf128_ps(v, 1)); \
        a = _mm_##op##_ps(a, _mm_movehl_ps(a, a)); \
        return _mm_cvtss_f32(_mm_##op##_ss(a, _mm_shuffle_ps(a, a, 1))); \
    }
ROWS_FOLD(fold_add, add)
ROWS_FOLD(fold_max, max)
#undef ROWS_FOLD

/* Four floats from p and from the place that is `step` behind. */
static inline VEC VEC_SUFFIX(load_fours)(const float *p, const int64_t *step)
{
    return (VEC)_mm256_insertf128_ps(
        _mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + *step), 1);
}

/* Four rows of 8 turned over within each 128 bits: u[c] has the elements c
 * and 4 + c of all four. */
static inline void VEC_SUFFIX(turn4)(VEC u[4], VEC r0, VEC r1, VEC r2,
                                     VEC r3)
{
#define ROWS_ZIP(half, x, y) \
    _mm256_castps_pd(_mm256_unpack##half##_ps((__m256)(x), (__m256)(y)))
    __m256d a = ROWS_ZIP(lo, r0, r1), b = ROWS_ZIP(hi, r0, r1);
    __m256d c = ROWS_ZIP(lo, r2, r3), d = ROWS_ZIP(hi, r2, r3);
#undef ROWS_ZIP
    u[0] = (VEC)_mm256_unpacklo_pd(a, c);
    u[1] = (VEC)_mm256_unpackhi_pd(a, c);
    u[2] = (VEC)_mm256_unpacklo_pd(b, d);
    u[3] = (VEC)_mm256_unpackhi_pd(b, d);
}

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 8
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
    VEC u[2][4];
#define ROWS_LOAD(j) \
    ((j) >= count ? VEC_SET(0.0f) \
                  : depth == VEC_WIDTH \
                        ? VEC_LOAD(from + (j) * stride) \
                        : VEC_LOAD_PART(from + (j) * stride, depth))
#define ROWS_TURN(g) \
    VEC_SUFFIX(turn4)(u[g], ROWS_LOAD(4 * g), ROWS_LOAD(4 * g + 1), \
                      ROWS_LOAD(4 * g + 2), ROWS_LOAD(4 * g + 3));
    ROWS_TURN(0) ROWS_TURN(1)
#undef ROWS_LOAD
#undef ROWS_TURN
#define ROWS_PUT(l, half) \
    if (l < depth) \
        _mm256_storeu_ps(to + (l) * ld, \
                         _mm256_permute2f128_ps((__m256)u[0][l % 4], \
                                                (__m256)u[1][l % 4], half))
    ROWS_PUT(0, 0x20);
    ROWS_PUT(1, 0x20);
    ROWS_PUT(2, 0x20);
    ROWS_PUT(3, 0x20);
    ROWS_PUT(4, 0x31);
    ROWS_PUT(5, 0x31);
    ROWS_PUT(6, 0x31);
    ROWS_PUT(7, 0x31);
#undef ROWS_PUT
}

#define GEMM_ROWS 6
#include "kernels/all.inc.h"

#else

LH_NO_ROWS(avx2)

#endif
