/* A number's bits, and the number of some bits; its bytes, lowest first. */
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

static inline uint32_t lh_bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float lh_float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t lh_bits64_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double lh_double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t lh_little(const void *from, int count)
{
    const unsigned char *bytes = from;
    uint64_t value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static inline void lh_little_put(void *to, uint64_t value, int count)
{
    unsigned char *bytes = to;
    for (int i = 0; i < count; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

/* Sixteen bytes, and the highest bit of each, the first one's lowest. */
typedef uint8_t lh_bytes __attribute__((vector_size(16)));

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
