/* Scalar double functions of our own, from + - * / sqrt alone (no fma, no
 * libm), so that schedules, rotary tables, normal draws and samplers give the
 * same bits everywhere.  Error at most 2 ulp in the ranges that are used
 * here; tested against long double. */
#pragma once

#include "base/base.h"

LH_INTERNAL double lh_exp64(double x);
LH_INTERNAL double lh_log64(double x);
LH_INTERNAL double lh_pow64(double x, double y);   /* x > 0, or y integral */
/* Sine and cosine of x radians, |x| < 2^20; beyond it both are NaN. */
LH_INTERNAL void lh_sincos64(double x, double *sine, double *cosine);
/* Correctly rounded. */
static inline double lh_sqrt64(double x) { return __builtin_sqrt(x); }
