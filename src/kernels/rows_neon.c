/* The rows for AArch64: Advanced SIMD, vectors of 4 floats, 32 registers.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_neon.h for the vector macros, all.inc.h for the list of kernels. */
#include "base/strict.h"
#include "kernels/level.h"

#include "base/rng.h"
#include "base/sabotage.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"

#if defined(__aarch64__)

#include "kernels/vec_neon.h"

/* Lane j takes j + 2, j + 1. */
static inline float VEC_SUFFIX(fold_add)(VEC x)
{
    float a = x[0] + x[2], b = x[1] + x[3];
    return a + b;
}

/* a > b ? a : b, which is not what fmax does. */
static inline float VEC_SUFFIX(fold_max)(VEC x)
{
    float a = x[0] > x[2] ? x[0] : x[2];
    float b = x[1] > x[3] ? x[1] : x[3];
    return a > b ? a : b;
}

/* Four floats from p. */
static inline VEC VEC_SUFFIX(load_fours)(const float *p, const int64_t *step)
{
    (void)step;
    return VEC_LOAD(p);
}

/* Four rows of 4 turned over. */
static inline void VEC_SUFFIX(turn4)(VEC u[4], VEC r0, VEC r1, VEC r2,
                                     VEC r3)
{
#define ROWS_ZIP(half, x, y) \
    (float64x2_t)vzip##half##q_f32((float32x4_t)(x), (float32x4_t)(y))
    float64x2_t a = ROWS_ZIP(1, r0, r1), b = ROWS_ZIP(2, r0, r1);
    float64x2_t c = ROWS_ZIP(1, r2, r3), d = ROWS_ZIP(2, r2, r3);
#undef ROWS_ZIP
    u[0] = (VEC)vzip1q_f64(a, c);
    u[1] = (VEC)vzip2q_f64(a, c);
    u[2] = (VEC)vzip1q_f64(b, d);
    u[3] = (VEC)vzip2q_f64(b, d);
}

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 4
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
#define ROWS_LOAD(j) \
    ((j) < count ? VEC_LOAD_PART(from + (j) * stride, depth) : VEC_SET(0.0f))
    VEC u[4];
    VEC_SUFFIX(turn4)(u, ROWS_LOAD(0), ROWS_LOAD(1), ROWS_LOAD(2),
                      ROWS_LOAD(3));
#undef ROWS_LOAD
    for (int l = 0; l < depth; l++)
        VEC_STORE(to + l * ld, u[l]);
}

#define GEMM_ROWS 8
#include "kernels/all.inc.h"

#else

LH_NO_ROWS(neon)

#endif
