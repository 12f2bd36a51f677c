/* The vector macros for AArch64's Advanced SIMD: 4 floats.  Every AArch64
 * compiler has it, so no target region is opened. */
#include <arm_neon.h>

typedef float lh_vec_neon __attribute__((vector_size(16)));
typedef uint32_t lh_vec_int_neon __attribute__((vector_size(16)));

#define VEC lh_vec_neon
#define VEC_INT lh_vec_int_neon
#define VEC_WIDTH 4
#define VEC_SUFFIX(name) name##_neon

/* There is no masked access: the part goes through the stack. */
static inline VEC lh_load_part_neon(const float *p, int64_t n)
{
    float part[4] = { 0 };
    memcpy(part, p, (size_t)n * sizeof(float));
    return (VEC)vld1q_f32(part);
}

static inline void lh_store_part_neon(float *p, VEC v, int64_t n)
{
    float part[4];
    vst1q_f32(part, (float32x4_t)v);
    memcpy(p, part, (size_t)n * sizeof(float));
}

#define VEC_LOAD(p) ((VEC)vld1q_f32(p))
#define VEC_STORE(p, v) vst1q_f32(p, (float32x4_t)(v))
#define VEC_LOAD_PART(p, n) lh_load_part_neon(p, n)
#define VEC_STORE_PART(p, v, n) lh_store_part_neon(p, v, n)
#define VEC_SET(x) ((VEC)vdupq_n_f32(x))

#define VEC_MUL_WIDE(a, b) \
    ((VEC_INT)vmull_u32(vmovn_u64((uint64x2_t)(a)), \
                        vmovn_u64((uint64x2_t)(b))))
#define VEC_ZIP_LOW(a, b) \
    ((VEC_INT)vzip1q_u64((uint64x2_t)(a), (uint64x2_t)(b)))
#define VEC_ZIP_HIGH(a, b) \
    ((VEC_INT)vzip2q_u64((uint64x2_t)(a), (uint64x2_t)(b)))

#define FMA(a, b, c) \
    ((VEC)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FNMA(a, b, c) \
    ((VEC)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define SQRT(x) ((VEC)vsqrtq_f32((float32x4_t)(x)))
#define SELECT(condition, a, b) \
    ((VEC)vbslq_f32((uint32x4_t)(condition), (float32x4_t)(a), \
                    (float32x4_t)(b)))
#define MAX(a, b) \
    ((VEC)vbslq_f32(vcgtq_f32((float32x4_t)(a), (float32x4_t)(b)), \
                    (float32x4_t)(a), (float32x4_t)(b)))
#define MIN(a, b) \
    ((VEC)vbslq_f32(vcltq_f32((float32x4_t)(a), (float32x4_t)(b)), \
                    (float32x4_t)(a), (float32x4_t)(b)))
#define VEC_SPLAT(x, i) ((VEC)vdupq_laneq_f32((float32x4_t)(x), i))
