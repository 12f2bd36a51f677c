/* The rows for AArch64: Advanced SIMD, vectors of 4 floats, 32 registers.
 *
 * What stands here is what the templates need and no shared macro gives: the
 * halving tree within a register, and turning a square of floats over.  Read
 * vec_neon.h for the vector macros, all.inc.h for the list of kernels. */
#include "base/strict.h"

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

/* to[l * ld + j] = from[j * stride + l] for l < depth, j < count, at most 4
 * each; whole vectors are stored, zeros behind count. */
static inline void VEC_SUFFIX(transpose)(float *to, int64_t ld,
                                         const float *from, int64_t stride,
                                         int count, int depth)
{
#define ROWS_LOAD(j) \
    (float32x4_t)((j) < count ? VEC_LOAD_PART(from + (j) * stride, depth) \
                              : zero)
    const VEC zero = VEC_SET(0.0f);
    float32x4_t r0 = ROWS_LOAD(0), r1 = ROWS_LOAD(1);
    float32x4_t r2 = ROWS_LOAD(2), r3 = ROWS_LOAD(3);
    float32x4_t a = vzip1q_f32(r0, r1), b = vzip2q_f32(r0, r1);
    float32x4_t c = vzip1q_f32(r2, r3), d = vzip2q_f32(r2, r3);
#undef ROWS_LOAD
    vst1q_f32(to, vcombine_f32(vget_low_f32(a), vget_low_f32(c)));
    if (depth > 1)
        vst1q_f32(to + ld, vcombine_f32(vget_high_f32(a), vget_high_f32(c)));
    if (depth > 2)
        vst1q_f32(to + 2 * ld, vcombine_f32(vget_low_f32(b),
                                            vget_low_f32(d)));
    if (depth > 3)
        vst1q_f32(to + 3 * ld, vcombine_f32(vget_high_f32(b),
                                            vget_high_f32(d)));
}

#define GEMM_ROWS 8
#include "kernels/all.inc.h"

#else

LH_INTERNAL void lh_rows_neon(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    (void)fn;
}

#endif
