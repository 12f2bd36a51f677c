/* Shorthands of the language in elementwise.def that are built from its
 * primitives, the same for float, vectors and double. */
#pragma once

/* sqrt(2/pi) * (x + 0.044715 x^3), and the slope of gelu_tanh at x where t
 * is the tanh of that. */
#define GELU_INNER(x) \
    (K(0.79788456080286536) * FMA(K(0.044715) * (x) * (x), (x), (x)))
#define GELU_TANH_SLOPE(x, t) \
    FMA(K(0.5) * (x) * FNMA((t), (t), K(1)), \
        K(0.79788456080286536) * FMA(K(0.134145) * (x), (x), K(1)), \
        K(0.5) * (K(1) + (t)))
