/* The vector macros for AVX2 and FMA: 8 floats.  As vec_avx512.h. */
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

typedef float lh_vec_avx2 __attribute__((vector_size(32)));
typedef uint32_t lh_vec_int_avx2 __attribute__((vector_size(32)));

#define VEC lh_vec_avx2
#define VEC_INT lh_vec_int_avx2
#define VEC_WIDTH 8
#define VEC_SUFFIX(name) name##_avx2

#define VEC_PART(n) \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), \
                       _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define VEC_LOAD(p) ((VEC)_mm256_loadu_ps(p))
#define VEC_STORE(p, v) _mm256_storeu_ps(p, (__m256)(v))
#define VEC_STREAM(p, v) _mm256_stream_ps(p, (__m256)(v))
#define VEC_STREAM_END(past) ((past) ? _mm_sfence() : (void)0)
#define VEC_LOAD_PART(p, n) ((VEC)_mm256_maskload_ps(p, VEC_PART(n)))
#define VEC_STORE_PART(p, v, n) \
    _mm256_maskstore_ps(p, VEC_PART(n), (__m256)(v))
#define VEC_SET(x) ((VEC)_mm256_set1_ps(x))

#define VEC_MUL_WIDE(a, b) \
    ((VEC_INT)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define VEC_ZIP_LOW(a, b) \
    ((VEC_INT)_mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b)))
#define VEC_ZIP_HIGH(a, b) \
    ((VEC_INT)_mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b)))

#define FMA(a, b, c) \
    ((VEC)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FNMA(a, b, c) \
    ((VEC)_mm256_fnmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define SQRT(x) ((VEC)_mm256_sqrt_ps((__m256)(x)))
#define MAX(a, b) ((VEC)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define MIN(a, b) ((VEC)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define SELECT(condition, a, b) \
    ((VEC)_mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(condition)))
#define VEC_SPLAT(x, i) ((VEC)_mm256_permute_ps((__m256)(x), (i) * 0x55))
