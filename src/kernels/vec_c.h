/* The vector macros at width 1: plain floats.  What the templates of math
 * and elementwise rows become for plain C.  vec_end.h takes them back. */
#include "kernels/fma.h"

#define VEC float
#define VEC_INT uint32_t
#define VEC_WIDTH 1
#define VEC_SUFFIX(name) name##_c

#define VEC_LOAD(p) (*(p))
#define VEC_STORE(p, v) (*(p) = (v))
#define VEC_LOAD_PART(p, n) ((void)(n), *(p))
#define VEC_STORE_PART(p, v, n) ((void)(n), *(p) = (v))
#define VEC_SET(x) (x)
#define VEC_INT_SET(x) (x)
#define VEC_BITS(x) lh_bits_of(x)
#define VEC_FLOAT(x) lh_float_of(x)

#define FMA(a, b, c) lh_fmaf(a, b, c)
#define FNMA(a, b, c) lh_fmaf(-(a), b, c)
#define SQRT(x) __builtin_sqrtf(x)
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define SELECT(condition, a, b) ((condition) ? (a) : (b))
