/* EXP LOG TANH ERF SIGMOID SILU GELU RSQRT: one source for floats and for
 * vectors of every width, from + - * / sqrt, fma, comparisons and integer
 * operations on the bits, without a branch: so the same bits on every row.
 *
 * Bounds in ulp, which tests/test_math.c holds, and in brackets the largest
 * errors seen: EXP 1.0 (0.775), LOG 1.0 (0.822), TANH 1.5 (1.343), ERF 1.5
 * (1.189), SIGMOID 1.5 (1.480), RSQRT 1.5 (1.491: two roundings).  Those of
 * SILU, the GELUs and their slopes are with them.
 * tools/fit_math.py fits the polynomials anew.  Needs the macros of
 * vec_<isa>.h. */

/* What is alike for every type of vector that the compiler knows. */
#define K(c) VEC_SET((float)(c))
#ifndef VEC_BITS
#define VEC_INT_SET(x) ((VEC_INT){ 0 } + (uint32_t)(x))
#define VEC_BITS(x) ((VEC_INT)(x))
#define VEC_FLOAT(x) ((VEC)(x))
#endif

/* Adding and taking away 1.5 * 2^23 rounds to an integer, which stands in
 * the low bits of the sum. */
#define MATH_ROUND 12582912.0f
#define MATH_ROUND_BITS 0x4b400000u

/* Three steps of Horner's rule for a polynomial of x. */
#define MATH_STEPS(q, x, a, b, c) \
    FMA(FMA(FMA(q, x, K(a)), x, K(b)), x, K(c))

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
    q = MATH_STEPS(q, r, 0.0013946368279, 0.0083332636383, 0.0416662658430);
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
    q = MATH_STEPS(q, f, -0.1179203614, 0.1187325989, -0.1238401305);
    q = MATH_STEPS(q, f, 0.1421858300, -0.1666926651, 0.2000223037);
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
#define MATH_ABS(x) VEC_FLOAT(VEC_BITS(x) & ~MATH_SIGN)

/* |x| < 0.63: x + x^3 q(x^2); beyond: 1 - 2 / (e^(2|x|) + 1). */
LANES_INLINE VEC VEC_SUFFIX(math_tanh)(VEC x)
{
    VEC a = MATH_ABS(x), s = x * x;
    VEC q = K(0.0021227455694);
    q = MATH_STEPS(q, s, -0.0081562801990, 0.0216926069669, -0.0539453783875);
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
    VEC a = MATH_ABS(x), s = x * x;
    VEC q = K(8.362309830572713e-05);
    q = MATH_STEPS(q, s, -0.0008141480986, 0.0052009900394, -0.0268594135081);
    q = MATH_STEPS(q, s, 0.1128369649645, -0.3761263386149, 0.1283791666591);
    VEC low = FMA(x, q, x);
    VEC c = MIN(K(4), a);
    VEC p = K(2.0828616572372796e-05);
    p = MATH_STEPS(p, c, -0.0004313935931, 0.0041562552646, -0.0250806179235);
    p = MATH_STEPS(p, c, 0.1082203869547, 0.6334008476682, 1.1294884082345);
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

/* e^-x = 2^n e^-r for x of -87 to 87: a normal float, whose exponent takes n
 * by a sum.  Less exact than EXP, since a 1 is added to it. */
LANES_INLINE VEC VEC_SUFFIX(math_exp_minus)(VEC x)
{
    VEC t = FMA(x, K(-1.4426950408889634), K(MATH_ROUND));
    VEC n = t - K(MATH_ROUND);
    VEC r = FMA(n, K(0.693147182464599609375), x);
    r = FMA(n, K(-1.90465429995776804525e-9), r);
    VEC q = K(0.001395485697);
    q = MATH_STEPS(q, r, -0.008375250718, 0.04166611835, -0.1666641453);
    q = MATH_STEPS(q, r, 0.5000000137, -1, 1);
    return VEC_FLOAT(VEC_BITS(q) + (VEC_BITS(t) << 23));
}

/* x / (1 + e^-x), within 2.5 ulp (2.394; 1.507 above 0).  What is below -87
 * counts as -87, for which this is -1.4e-36. */
LANES_INLINE VEC VEC_SUFFIX(math_silu)(VEC x)
{
    VEC c = MAX(K(-87), x);
    return c / (K(1) + VEC_SUFFIX(math_exp_minus)(MIN(K(87), c)));
}

/* Its slope, s + x s (1 - s), s = 1 / (1 + e^-x), within 1.6 * 2^-23 (1.588):
 * 1 - s is e^-x s, in which nothing cancels. */
LANES_INLINE VEC VEC_SUFFIX(math_silu_slope)(VEC x)
{
    VEC c = MIN(K(87), MAX(K(-87), x)), e = VEC_SUFFIX(math_exp_minus)(c);
    VEC s = K(1) / (K(1) + e);
    return FMA(c * s, e * s, s);
}

/* What the square of 1 - u lacks of 1, for a variable u. */
#define MATH_LACK(u) FNMA(u, u, (u) + (u))

/* x N(x), N the normal distribution: (x + |x| e) / 2 with e = erf(|x| / 2^.5).
 * 1 - e is (1 - c p(c))^8 with c = |x|, so there is no exponential.  Within
 * 1.5 ulp (1.4996) above 0, 1.1 * 2^-24 |x| (1.059) below; 0 from -6 on, where
 * the truth is -6e-9. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu)(VEC x)
{
    VEC above = MAX(K(-6), x), h = K(0.5) * above;
    VEC c = MIN(K(6), MATH_ABS(above));
    VEC u = K(3.076004346e-7);
    u = MATH_STEPS(u, c, -7.948274281e-6, 6.455097088e-5, -3.403611163e-5);
    u = MATH_STEPS(u, c, -0.001645972358, 0.000737729037, 0.03481542815);
    u = c * FMA(u, c, K(0.09973554768));
    u = MATH_LACK(u), u = MATH_LACK(u);
    return FMA(MATH_ABS(h), MATH_LACK(u), h);
}

/* Its slope, within 1.6 * 2^-23 (1.526).  Below 0 it has one zero, -z, and is
 * (1 - c / z) (1 - c p(c))^8 / 2; those of x and -x add up to 1. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu_slope)(VEC x)
{
    VEC c = MIN(K(6.5), MATH_ABS(x));
    VEC u = K(1.280030214e-7);
    u = MATH_STEPS(u, c, -5.022479157e-6, 4.415322991e-5, 9.999512213e-5);
    u = MATH_STEPS(u, c, -0.002591983226, 0.003147969808, 0.04802550737);
    u = c * FMA(u, c, K(0.03320123802));
    u = MATH_LACK(u), u = K(1) - MATH_LACK(u);
    VEC y = FNMA(u * u, FNMA(c, K(0.6650779951), K(0.5)), K(0.5));
    return K(0.5) + VEC_FLOAT(VEC_BITS(y) | (VEC_BITS(x) & MATH_SIGN));
}

/* GPT-2's GELU has e = tanh(v), v = sqrt(2 / pi) (c + 0.044715 c^3), in place
 * of erf: 1 - e is (1 - c p(c))^4, and this what its root lacks of 1.  Within
 * 1.5 ulp (1.397) above 0, 2^-24 |x| (0.994) below; 0 from -5.5 on. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu_tanh_lack)(VEC c)
{
    VEC u = K(-1.896791534e-8);
    u = MATH_STEPS(u, c, 6.19473098e-7, -8.19030876e-6, 5.670705381e-5);
    u = MATH_STEPS(u, c, -0.0002166269314, 0.0004167481975, -0.0002702049234);
    u = MATH_STEPS(u, c, 0.000701298272, -0.004972633727, -0.005569554439);
    u = FMA(u, c, K(0.05967442523));
    u = c * FMA(u, c, K(0.1994715646));
    return MATH_LACK(u);
}

LANES_INLINE VEC VEC_SUFFIX(math_gelu_tanh)(VEC x)
{
    VEC above = MAX(K(-5.5), x), h = K(0.5) * above;
    VEC u = VEC_SUFFIX(math_gelu_tanh_lack)(MIN(K(5.5), MATH_ABS(above)));
    return FMA(MATH_ABS(h), MATH_LACK(u), h);
}

/* Its slope, above 0 (1 + e + c v'(c) (1 - e^2)) / 2, by w = 1 - e.  Within
 * 2.5 * 2^-23 (2.186): what 1 - e errs times c v'.  The last sum is often half
 * way between floats, where an emulated fma is slow. */
LANES_INLINE VEC VEC_SUFFIX(math_gelu_tanh_slope)(VEC x)
{
    VEC c = MIN(K(5.5), MATH_ABS(x));
    VEC root = K(1) - VEC_SUFFIX(math_gelu_tanh_lack)(c), w = root * root;
    VEC v = c * FMA(c * c, K(0.10703222440890037), K(0.79788456080286536));
    VEC y = FMA(v, MATH_LACK(w), K(1) - w);
    y = VEC_FLOAT(VEC_BITS(y) | (VEC_BITS(x) & MATH_SIGN));
    return K(0.5) + K(0.5) * y;
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
#define SILU(x) VEC_SUFFIX(math_silu)(x)
#define SILU_SLOPE(x) VEC_SUFFIX(math_silu_slope)(x)
#define GELU(x) VEC_SUFFIX(math_gelu)(x)
#define GELU_SLOPE(x) VEC_SUFFIX(math_gelu_slope)(x)
#define GELU_TANH(x) VEC_SUFFIX(math_gelu_tanh)(x)
#define GELU_TANH_SLOPE(x) VEC_SUFFIX(math_gelu_tanh_slope)(x)
#define RSQRT(x) VEC_SUFFIX(math_rsqrt)(x)

#undef MATH_ROUND
#undef MATH_ROUND_BITS
#undef MATH_SIGN
#undef MATH_ABS
#undef MATH_LACK
#undef MATH_STEPS
