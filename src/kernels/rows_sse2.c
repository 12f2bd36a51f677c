/* The rows for SSE2: vectors of 4 floats, 16 registers (8 on 32-bit x86), an
 * emulated fma.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_sse2.h for the vector macros and the fma, all.inc.h for the kernels. */
#include "base/strict.h"
#include "kernels/level.h"

#include "base/rng.h"
#include "base/sabotage.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"

#if defined(__SSE2__)

/* The emulated fma leaves the optimizer little to do: -O1 without these passes
 * compiles in half of the time to code that is as fast.  ipa-ra keeps
 * registers over its calls. */
#if !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("O1", "ipa-ra")
#ifndef LH_AMALGAMATION                /* where it would hold for the rest */
#pragma GCC optimize("no-thread-jumps", "no-tree-slsr")
#endif
#endif
#include "kernels/vec_sse2.h"

/* Lane j takes j + 2, j + 1.  The instruction for the greater one is
 * a > b ? a : b. */
#define ROWS_FOLD(name, op) \
    static inline float VEC_SUFFIX(name)(VEC x) \
    { \
        __m128 a = (__m128)x; \
        a = _mm_##op##_ps(a, _mm_movehl_ps(a, a)); \
        return _mm_cvtss_f32(_mm_##op##_ss(a, _mm_shuffle_ps(a, a, 1))); \
    }
ROWS_FOLD(fold_add, add)
ROWS_FOLD(fold_max, max)
#undef ROWS_FOLD

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 4
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
#define ROWS_LOAD(j) \
    (__m128)((j) < count ? VEC_LOAD_PART(from + (j) * stride, depth) : zero)
    const VEC zero = VEC_SET(0.0f);
    __m128 r0 = ROWS_LOAD(0), r1 = ROWS_LOAD(1);
    __m128 r2 = ROWS_LOAD(2), r3 = ROWS_LOAD(3);
#undef ROWS_LOAD
    __m128 a = _mm_unpacklo_ps(r0, r1), b = _mm_unpackhi_ps(r0, r1);
    __m128 c = _mm_unpacklo_ps(r2, r3), d = _mm_unpackhi_ps(r2, r3);
    _mm_storeu_ps(to, _mm_movelh_ps(a, c));
    if (depth > 1)
        _mm_storeu_ps(to + ld, _mm_movehl_ps(c, a));
    if (depth > 2)
        _mm_storeu_ps(to + 2 * ld, _mm_movelh_ps(b, d));
    if (depth > 3)
        _mm_storeu_ps(to + 3 * ld, _mm_movehl_ps(d, b));
}

/* Where an fma is 24 instructions, ways of their own for small products and
 * short documents would gain little but time to compile. */
#define GENERAL_ALONE
#define LANES_IN_MEMORY
#define GEMM_ROWS 4
#define GEMM_CHAIN lh_fma_here_sse2
#include "kernels/all.inc.h"

#else

LH_NO_ROWS(sse2)

#endif
