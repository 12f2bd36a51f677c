/* EXP LOG TANH ERF SIGMOID GELU RSQRT: one source for floats and for vectors
 * of every width, from + - * / sqrt, fma, comparisons and integer operations
 * on the bits, without a branch: so the same bits on every row.
 *
 * Bounds in ulp, which tests/test_math.c holds, and in brackets the largest
 * errors seen: EXP 1.0 (0.775), LOG 1.0 (0.822), TANH 1.5 (1.343), ERF 1.5
 * (1.189), SIGMOID 1.5 (1.480), RSQRT 1.5 (1.491: two roundings).  GELU's, and
 * its slope's, are with them.
 * tools/fit_math.py fits the polynomials anew.  Needs the macros of
 * vec_<isa>.h. */

/* Adding and taking away 1.5 * 2^23 rounds to an integer, which stands in
 * the low bits of the sum. */
#define MATH_ROUND 12582912.0f
#define MATH_ROUND_BITS 0x4b400000u

/* e^x = 2^n e^r, |r| <= ln(2)/2, e^r = 1 + r + r^2 q(r), with 1 + r kept in
 * two parts.  2^n is applied by one instruction, or in two halves, so that a
 * denormal result is rounded once and an overflow is infinite.  For x of -104
 * to 89, and NaN. */
LANES_INLINE VEC VEC_SUFFIX(math_exp_within)(VEC x)
{
    VEC t = FMA(x, K(1.4426950408889634), K(MATH_ROUND));
    VEC n = t - K(MATH_ROUND);
    VEC r = FNMA(n, K(0.693147182464599609375), x);
    r = FNMA(n, K(-1.90465429995776804525e-9), r);
    VEC q = K(0.00019918785);
    q = FMA(q, r, K(0.0013946368279));
    q = FMA(q, r, K(0.0083332636383));
    q = FMA(q, r, K(0.0416662658430));
    q = FMA(q, r, K(0.1666666686372));
    q = FMA(q, r, K(0.5000000079112));
    VEC high = K(1) + r, low = (K(1) - high) + r;
    VEC y = high + FMA(r * r, q, low);
#ifdef SCALE2
    return SCALE2(y, n);
#else
    VEC_INT i = VEC_BITS(t) - VEC_INT_SET(MATH_ROUND_BITS);
    VEC_INT half = ((i + VEC_INT_SET(512u)) >> 1) - VEC_INT_SET(256u);
    VEC_INT rest = i - half;
    y = y * VEC_FLOAT((half + VEC_INT_SET(127u)) << 23);
    return y * VEC_FLOAT((rest + VEC_INT_SET(127u)) << 23);
#endif
}

/* The limits on x, which a NaN passes: e^89 overflows, e^-104 is below half
 * of the least float.  The functions below set the one that they need. */
LANES_INLINE VEC VEC_SUFFIX(math_exp)(VEC x)
{
    return VEC_SUFFIX(math_exp_within)(MAX(K(-104), MIN(K(89), x)));
}

/* log(x) = e ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2);
 * log(1 + f) = f - f^2/2 + f^3 q(f). */
LANES_INLINE VEC VEC_SUFFIX(math_log)(VEC x)
{
    VEC scaled = SELECT(x < K(1.1754943508222875e-38), x * K(8388608.0), x);
    VEC less = SELECT(x < K(1.1754943508222875e-38), K(23), K(0));
    VEC_INT i = VEC_BITS(scaled) - VEC_INT_SET(0x3f3504f3u);
    VEC_INT e = (i + VEC_INT_SET(0x40000000u)) >> 23;
    VEC m = VEC_FLOAT((i & VEC_INT_SET(0x007fffffu)) +
                      VEC_INT_SET(0x3f3504f3u));
    VEC n = VEC_FLOAT(e + VEC_INT_SET(MATH_ROUND_BITS - 128u)) -
            K(MATH_ROUND) - less;
    VEC f = m - K(1), s = f * f;
    VEC q = K(0.06917401872);
    q = FMA(q, f, K(-0.1179203614));
    q = FMA(q, f, K(0.1187325989));
    q = FMA(q, f, K(-0.1238401305));
    q = FMA(q, f, K(0.1421858300));
    q = FMA(q, f, K(-0.1666926651));
    q = FMA(q, f, K(0.2000223037));
    q = FMA(q, f, K(-0.2499998637));
    q = FMA(q, f, K(0.3333331039));
    VEC r = FMA(f * s, q, n * K(-1.90465429995776804525e-9));
    r = FNMA(K(0.5), s, r);
    r = FMA(n, K(0.693147182464599609375), f + r);
    r = SELECT(x < K(__builtin_inff()), r, x);
    r = SELECT(x > K(0), r, K(__builtin_nanf("")));
    return SELECT(x == K(0), K(-__builtin_inff()), r);
}

#define MATH_SIGN VEC_INT_SET(0x80000000u)

/* |x| < 0.63: x + x^3 q(x^2); beyond: 1 - 2 / (e^(2|x|) + 1). */
LANES_INLINE VEC VEC_SUFFIX(math_tanh)(VEC x)
{
    VEC a = VEC_FLOAT(VEC_BITS(x) & ~MATH_SIGN), s = x * x;
    VEC q = K(0.0021227455694);
    q = FMA(q, s, K(-0.0081562801990));
    q = FMA(q, s, K(0.0216926069669));
    q = FMA(q, s, K(-0.0539453783875));
    q = FMA(q, s, K(0.1333319591131));
    q = FMA(q, s, K(-0.3333333057136));
    VEC low = FMA(x * s, q, x);
    VEC e = VEC_SUFFIX(math_exp_within)(MIN(K(89), a + a));
    VEC high = K(1) - K(2) / (e + K(1));
    VEC y = SELECT(a < K(0.63), low, high);
    return VEC_FLOAT(VEC_BITS(y) | (VEC_BITS(x) & MATH_SIGN));
}

/* |x| < 0.92: x + x q(x^2); beyond: 1 - e^-p(|x|), 1 from 4 on. */
LANES_INLINE VEC VEC_SUFFIX(math_erf)(VEC x)
{
    VEC a = VEC_FLOAT(VEC_BITS(x) & ~MATH_SIGN), s = x * x;
    VEC q = K(8.362309830572713e-05);
    q = FMA(q, s, K(-0.0008141480986));
    q = FMA(q, s, K(0.0052009900394));
    q = FMA(q, s, K(-0.0268594135081));
    q = FMA(q, s, K(0.1128369649645));
    q = FMA(q, s, K(-0.3761263386149));
    q = FMA(q, s, K(0.1283791666591));
    VEC low = FMA(x, q, x);
    VEC c = MIN(K(4), a);
    VEC p = K(2.0828616572372796e-05);
    p = FMA(p, c, K(-0.0004313935931));
    p = FMA(p, c, K(0.0041562552646));
    p = FMA(p, c, K(-0.0250806179235));
    p = FMA(p, c, K(0.1082203869547));
    p = FMA(p, c, K(0.6334008476682));
    p = FMA(p, c, K(1.1294884082345));
    p = FMA(p, c, K(-0.0001692055403));
    VEC high = K(1) - VEC_SUFFIX(math_exp_within)(-p);
    VEC y = SELECT(a < K(0.92), low, high);
    return VEC_FLOAT(VEC_BITS(y) | (VEC_BITS(x) & MATH_SIGN));
}

/* By z = e^-|x|, which cannot overflow: q = 1 / (1 + z), or z / (1 + z).  What
 * the sum and the quotient lost is put back by one step; 1 / (1 + z) is q,
 * or 1 - q. */
LANES_INLINE VEC VEC_SUFFIX(math_sigmoid)(VEC x)
{
    VEC z = VEC_SUFFIX(math_exp_within)(
        MAX(K(-104), VEC_FLOAT(VEC_BITS(x) | MATH_SIGN)));
    VEC top = SELECT(x > K(0), K(1), z);
    VEC sum = K(1) + z, lost = z - (sum - K(1));
    VEC q = top / sum;
    VEC rest = FNMA(q, lost, FNMA(q, sum, top));
    return FMA(rest, SELECT(x > K(0), q, K(1) - q), q);
}

/* The normal distribution at -c, 0 <= c <= 8: 2^(c p(c)) / 2, but 0 at 8.  Of
 * 2^n 2^r / 2, by n and r as in exp, 2^r / 2 is a normal number and the whole
 * too: n is added to the exponent. */
LANES_INLINE VEC VEC_SUFFIX(math_normal_tail)(VEC c)
{
    VEC p = K(3.939921984e-7);
    p = FMA(p, c, K(-7.860191258e-6));
    p = FMA(p, c, K(6.508299379e-5));
    p = FMA(p, c, K(-0.0002540895107));
    p = FMA(p, c, K(-3.751582973e-5));
    p = FMA(p, c, K(0.006983047092));
    p = FMA(p, c, K(-0.05246256664));
    p = FMA(p, c, K(-0.4592143976));
    p = FMA(p, c, K(-1.151104868));
    VEC t = FMA(p, c, K(MATH_ROUND)), r = FMA(p, c, K(MATH_ROUND) - t);
    VEC q = K(7.661274989e-5);
    q = FMA(q, r, K(0.0006698641138));
    q = FMA(q, r, K(0.004809280083));
    q = FMA(q, r, K(0.02775169093));
    q = FMA(q, r, K(0.1201132337));
    q = FMA(q, r, K(0.3465735991));
    q = FMA(q, r, K(0.5));
    q = VEC_FLOAT(VEC_BITS(q) + (VEC_BITS(t) << 23));
    return SELECT(c < K(8), q, K(0));
}

/* x N(x), N the normal distribution, as max(0, x) - |x| N(-|x|), which does
 * not cancel: 1.5 ulp (1.294) above 0, 2^-24 |x| (0.879 of it) below, and 0
 * from -8 on, where the truth is -5e-15. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu)(VEC x)
{
    VEC c = MIN(K(8), VEC_FLOAT(VEC_BITS(x) & ~MATH_SIGN));
    return FNMA(c, VEC_SUFFIX(math_normal_tail)(c), MAX(K(0), x));
}

/* Its slope, within 1.01 * 2^-23 (1.006): below 0, with c = |x|,
 * N(x) + x N'(x) = N(x) (1 - c q(c)); those of x and -x add up to 1. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu_slope)(VEC x)
{
    VEC c = MIN(K(8), VEC_FLOAT(VEC_BITS(x) & ~MATH_SIGN));
    VEC q = K(-2.581962026e-6);
    q = FMA(q, c, K(4.502548284e-5));
    q = FMA(q, c, K(-0.0003220807922));
    q = FMA(q, c, K(0.001069216157));
    q = FMA(q, c, K(0.000120896288));
    q = FMA(q, c, K(-0.01936536155));
    q = FMA(q, c, K(0.1091027225));
    q = FMA(q, c, K(0.6366017505));
    q = FMA(q, c, K(0.7978856735));
    VEC y = VEC_SUFFIX(math_normal_tail)(c) * FNMA(q, c, K(1));
    return SELECT(x > K(0), K(1) - y, y);
}

LANES_INLINE VEC VEC_SUFFIX(math_rsqrt)(VEC x)
{
    return K(1) / SQRT(x);
}

#define EXP(x) VEC_SUFFIX(math_exp)(x)
#define LOG(x) VEC_SUFFIX(math_log)(x)
#define TANH(x) VEC_SUFFIX(math_tanh)(x)
#define ERF(x) VEC_SUFFIX(math_erf)(x)
#define SIGMOID(x) VEC_SUFFIX(math_sigmoid)(x)
#define GELU(x) VEC_SUFFIX(math_gelu)(x)
#define GELU_SLOPE(x) VEC_SUFFIX(math_gelu_slope)(x)
#define RSQRT(x) VEC_SUFFIX(math_rsqrt)(x)

#undef MATH_ROUND
#undef MATH_ROUND_BITS
#undef MATH_SIGN
