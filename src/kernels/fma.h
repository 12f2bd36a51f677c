/* a * b + c in one rounding, for scalar code: the CPU's where every CPU of
 * the target has it, an exact emulated one elsewhere.
 *
 * The emulation: the product of two floats is exact in double.  Its sum with
 * c is rounded to odd (Boldo, Melquiond 2008): a double that is inexact gets
 * an odd last bit, in the direction of the truth, so that the second rounding
 * to float cannot be misled.  Double has more than twice float's digits plus
 * two, which is what that needs, denormal results included. */
#pragma once

#include "base/bits.h"

#if defined(__FMA__) || defined(__aarch64__) || defined(__s390x__) || \
    (defined(__riscv_flen) && __riscv_flen >= 32)

static inline float lh_fmaf(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}

#else

/* Not inline: it would be half of what compiling plain.c takes. */
static __attribute__((noinline, unused)) float lh_fmaf(float a, float b,
                                                       float c)
{
    double product = (double)a * (double)b, addend = (double)c;
    double sum = product + addend;
    double part = sum - product;               /* TwoSum (Knuth)           */
    double error = (product - (sum - part)) + (addend - part);
    if (error > 0 || error < 0) {              /* neither 0 nor NaN        */
        uint64_t bits = lh_bits64_of(sum);
        if (!(bits & 1))
            bits += (error > 0) == (sum > 0) ? 1u : UINT64_MAX;
        sum = lh_double_of(bits);
    }
    return (float)sum;
}

#endif
