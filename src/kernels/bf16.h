/* bfloat16: a float's upper half, so 8 bits of precision over float's whole
 * range.  Widening is exact; narrowing rounds to the nearest, ties to even,
 * keeps denormals and infinities, and makes every NaN a quiet one. */
#pragma once

#include "kernels/fma.h"

static inline float lh_widen(uint16_t x)
{
    return lh_float_of((uint32_t)x << 16);
}

static inline uint16_t lh_narrow(float x)
{
    uint32_t bits = lh_bits_of(x);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
