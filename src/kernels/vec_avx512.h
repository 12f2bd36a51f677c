/* The vector macros for AVX-512 (F, BW, DQ, VL): 16 floats.  Opens a target
 * region, in which all functions may use it; vec_end.h closes it.
 *
 * VEC and VEC_INT are the compiler's own vector types, so + - * / and
 * comparisons are written as for floats; a comparison gives a vector of 0
 * and -1, which SELECT takes. */
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

typedef float lh_vec_avx512 __attribute__((vector_size(64)));
typedef uint32_t lh_vec_int_avx512 __attribute__((vector_size(64)));

#define VEC lh_vec_avx512
#define VEC_INT lh_vec_int_avx512
#define VEC_WIDTH 16
#define VEC_SUFFIX(name) name##_avx512

#define VEC_PART(n) ((__mmask16)((1u << (n)) - 1u))
#define VEC_LOAD(p) ((VEC)_mm512_loadu_ps(p))
#define VEC_STORE(p, v) _mm512_storeu_ps(p, (__m512)(v))
/* Past the caches, to whole vectors' addresses; the end comes before other
 * threads are told of it. */
#define VEC_STREAM(p, v) _mm512_stream_ps(p, (__m512)(v))
#define VEC_STREAM_END(past) ((past) ? _mm_sfence() : (void)0)
#define VEC_LOAD_PART(p, n) ((VEC)_mm512_maskz_loadu_ps(VEC_PART(n), p))
#define VEC_STORE_PART(p, v, n) \
    _mm512_mask_storeu_ps(p, VEC_PART(n), (__m512)(v))
#define VEC_SET(x) ((VEC)_mm512_set1_ps(x))

/* Of each pair of integers the lower ones' product in 64 bits; the pairs of
 * a and b in turn, from each 128 bits the lower pairs or the upper ones. */
#define VEC_MUL_WIDE(a, b) \
    ((VEC_INT)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define VEC_ZIP_LOW(a, b) \
    ((VEC_INT)_mm512_unpacklo_epi64((__m512i)(a), (__m512i)(b)))
#define VEC_ZIP_HIGH(a, b) \
    ((VEC_INT)_mm512_unpackhi_epi64((__m512i)(a), (__m512i)(b)))

#define FMA(a, b, c) \
    ((VEC)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FNMA(a, b, c) \
    ((VEC)_mm512_fnmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define SQRT(x) ((VEC)_mm512_sqrt_ps((__m512)(x)))
#define MAX(a, b) ((VEC)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define MIN(a, b) ((VEC)_mm512_min_ps((__m512)(a), (__m512)(b)))
/* a * 2^b for whole b, rounded once. */
#define SCALE2(a, b) ((VEC)_mm512_scalef_ps((__m512)(a), (__m512)(b)))
#define SELECT(condition, a, b) \
    ((VEC)(((VEC_INT)(condition) & (VEC_INT)(a)) | \
           (~(VEC_INT)(condition) & (VEC_INT)(b))))
/* In each group of four lanes its element i, a constant. */
#define VEC_SPLAT(x, i) ((VEC)_mm512_permute_ps((__m512)(x), (i) * 0x55))
