/* Sixteen bytes at once.  Apart from bits.h, as the intrinsics' header takes
 * longer to compile than all else that most files include. */
#pragma once

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef uint8_t lh_bytes __attribute__((vector_size(16)));

/* The highest bit of each, the first one's lowest. */
static inline uint64_t lh_bytes_bits(lh_bytes x)
{
#if defined(__SSE2__)
    return (uint64_t)(unsigned)_mm_movemask_epi8((__m128i)x);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    const lh_bytes weight = { 1, 2, 4, 8, 16, 32, 64, 128,
                              1, 2, 4, 8, 16, 32, 64, 128 };
    lh_bytes y = (lh_bytes)vshrq_n_s8((int8x16_t)x, 7) & weight;
    return vaddv_u8(vget_low_u8((uint8x16_t)y)) |
           (uint64_t)vaddv_u8(vget_high_u8((uint8x16_t)y)) << 8;
#else
    uint64_t bits = 0;
    for (int i = 0; i < 16; i++)
        bits |= (uint64_t)(x[i] >> 7) << i;
    return bits;
#endif
}
