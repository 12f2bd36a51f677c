/* The vector macros for SSE2, which every x86-64 has: 4 floats, and no fused
 * multiply-add, so that this is emulated.  No target region is opened. */
#include <emmintrin.h>

typedef float lh_vec_sse2 __attribute__((vector_size(16)));
typedef uint32_t lh_vec_int_sse2 __attribute__((vector_size(16)));

#define VEC lh_vec_sse2
#define VEC_INT lh_vec_int_sse2
#define VEC_WIDTH 4
#define VEC_SUFFIX(name) name##_sse2

/* There is no masked access: a pair, and one.  Out of line, since these are
 * many places and none of them hot. */
static __attribute__((noinline)) VEC lh_load_part_sse2(const float *p,
                                                       int64_t n)
{
    if (n >= 4)
        return (VEC)_mm_loadu_ps(p);
    if (n < 2)
        return n < 1 ? (VEC)_mm_setzero_ps() : (VEC)_mm_load_ss(p);
    __m128 pair = (__m128)_mm_loadl_epi64((const __m128i *)(const void *)p);
    return n < 3 ? (VEC)pair : (VEC)_mm_movelh_ps(pair, _mm_load_ss(p + 2));
}

static __attribute__((noinline)) void lh_store_part_sse2(float *p, VEC v,
                                                         int64_t n)
{
    __m128 x = (__m128)v;
    if (n >= 4) {
        _mm_storeu_ps(p, x);
        return;
    }
    if (n >= 2) {
        _mm_storel_epi64((__m128i *)(void *)p, (__m128i)x);
        x = _mm_movehl_ps(x, x);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, x);
}

#define VEC_LOAD(p) ((VEC)_mm_loadu_ps(p))
#define VEC_STORE(p, v) _mm_storeu_ps(p, (__m128)(v))
#define VEC_LOAD_PART(p, n) lh_load_part_sse2(p, n)
#define VEC_STORE_PART(p, v, n) lh_store_part_sse2(p, v, n)
#define VEC_SET(x) ((VEC)_mm_set1_ps(x))

#define VEC_MUL_WIDE(a, b) \
    ((VEC_INT)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#define VEC_ZIP_LOW(a, b) \
    ((VEC_INT)_mm_unpacklo_epi64((__m128i)(a), (__m128i)(b)))
#define VEC_ZIP_HIGH(a, b) \
    ((VEC_INT)_mm_unpackhi_epi64((__m128i)(a), (__m128i)(b)))

#define SQRT(x) ((VEC)_mm_sqrt_ps((__m128)(x)))
#define MAX(a, b) ((VEC)_mm_max_ps((__m128)(a), (__m128)(b)))
#define MIN(a, b) ((VEC)_mm_min_ps((__m128)(a), (__m128)(b)))
#define SELECT(condition, a, b) \
    ((VEC)(((VEC_INT)(condition) & (VEC_INT)(a)) | \
           (~(VEC_INT)(condition) & (VEC_INT)(b))))

/* ----------------------------------------------------------------- fma -- */

/* Two floats of each operand: the product, exact in double, plus c, rounded
 * to odd as fma.h says: a sum that lost something gets an odd last bit, after
 * one step towards zero where the truth lies there. */
static inline __m128d lh_fma_odd_sse2(__m128 a, __m128 b, __m128 c)
{
    __m128d product = _mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b));
    __m128d addend = _mm_cvtps_pd(c), sum = _mm_add_pd(product, addend);
    __m128d part = _mm_sub_pd(sum, product);     /* TwoSum (Knuth)         */
    __m128d error = _mm_add_pd(_mm_sub_pd(product, _mm_sub_pd(sum, part)),
                               _mm_sub_pd(addend, part));
    /* Its square is above 0 where it is neither 0 nor NaN. */
    __m128i lost = _mm_srli_epi64(
        (__m128i)_mm_cmpgt_pd(_mm_mul_pd(error, error), _mm_setzero_pd()),
        63);
    __m128i back = _mm_srli_epi64((__m128i)_mm_xor_pd(error, sum), 63);
    return (__m128d)_mm_or_si128(
        lost, _mm_sub_epi64((__m128i)sum, _mm_and_si128(back, lost)));
}

static __attribute__((noinline, cold)) VEC lh_fma_exact_sse2(VEC x, VEC y,
                                                             VEC z)
{
    __m128 a = (__m128)x, b = (__m128)y, c = (__m128)z;
    return (VEC)_mm_movelh_ps(
        _mm_cvtpd_ps(lh_fma_odd_sse2(a, b, c)),
        _mm_cvtpd_ps(lh_fma_odd_sse2(_mm_movehl_ps(a, a),
                                     _mm_movehl_ps(b, b),
                                     _mm_movehl_ps(c, c))));
}

static inline __m128d lh_fma_near_sse2(__m128 a, __m128 b, __m128 c)
{
    return _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)),
                      _mm_cvtps_pd(c));
}

/* a * b + c in one rounding.  Rounding the sum to double and then to float
 * is the same as long as the first does not land halfway between two floats,
 * whence the second goes to even whatever was lost.  Halfway, the double's
 * last 29 bits are 1 and zeros; below the normal numbers halfway is
 * elsewhere, so all of those are suspects too.  Zero is none: a sum of at
 * most 2^-150 is exact in double, since the product has only 48 bits. */
static inline __attribute__((always_inline)) VEC lh_fma_here_sse2(VEC x, VEC y,
                                                                  VEC z)
{
    __m128 a = (__m128)x, b = (__m128)y, c = (__m128)z;
    __m128d low = lh_fma_near_sse2(a, b, c);
    __m128d high = lh_fma_near_sse2(_mm_movehl_ps(a, a), _mm_movehl_ps(b, b),
                                    _mm_movehl_ps(c, c));
    __m128i y4 = (__m128i)_mm_movelh_ps(_mm_cvtpd_ps(low),
                                        _mm_cvtpd_ps(high));
    __m128i last = (__m128i)_mm_shuffle_ps((__m128)low, (__m128)high, 0x88);
    __m128i halfway = _mm_cmpeq_epi32(
        _mm_and_si128(last, _mm_set1_epi32(0x1fffffff)),
        _mm_set1_epi32(0x10000000));
    /* Twice the bits have no sign; moved, 1 unit is the least integer, 0 the
     * greatest, and 2^-126 the last suspect. */
    __m128i twice = _mm_add_epi32(_mm_add_epi32(y4, y4),
                                  _mm_set1_epi32(0x7ffffffe));
    __m128i tiny = _mm_cmplt_epi32(twice, _mm_set1_epi32(-0x7f000001));
    if (__builtin_expect(_mm_movemask_epi8(_mm_or_si128(halfway, tiny)), 0))
        return lh_fma_exact_sse2(x, y, z);
    return (VEC)y4;
}

/* By a call wherever it is not all of the work: 24 instructions in hundreds of
 * places take as long to compile as the rest of the file. */
static __attribute__((noinline)) VEC lh_fma_sse2(VEC x, VEC y, VEC z)
{
    return lh_fma_here_sse2(x, y, z);
}

#define FMA(a, b, c) lh_fma_sse2(a, b, c)
#define FNMA(a, b, c) lh_fma_sse2(-(a), b, c)
