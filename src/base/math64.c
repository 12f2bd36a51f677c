/* exp, log, pow, sine, cosine in double, from + - * / sqrt alone.
 *
 * The plan is the same each time: reduce to a small argument that is kept as
 * an unevaluated sum hi + lo (Dekker 1971), run a Taylor series there, and
 * let the last addition be the only rounding that counts.  log is computed
 * to some 65 bits, so that pow, which multiplies it by up to 2^10, is right
 * too.  Refuses: speed (tens of nanoseconds a call are enough here). */
#include "base/strict.h"

#include "base/bits.h"
#include "base/math64.h"

/* ln 2 in two parts: 42 bits, so that a product with an exponent is exact,
 * and the next 53.  pi / 2 in four: 33 bits thrice, and the next 53. */
static const double math64_ln2_1 = 0x1.62e42fefa38p-1;
static const double math64_ln2_2 = 0x1.ef35793c7673p-45;
static const double math64_inv_ln2 = 0x1.71547652b82fep+0;
static const double math64_pi2_1 = 0x1.921fb544p+0;
static const double math64_pi2_2 = 0x1.0b4611a6p-34;
static const double math64_pi2_3 = 0x1.3198a2ep-69;
static const double math64_pi2_4 = 0x1.b839a252049c1p-104;
static const double math64_inv_pi2 = 0x1.45f306dc9c883p-1;
/* 1/3 - (double)(1/3) */
static const double math64_third_lo = 0x1.5555555555555p-56;
/* Adding and subtracting it rounds to an integer, |x| < 2^51. */
static const double math64_round = 0x1.8p52;

static const double math64_inverse_factorial[] = {
    1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
    1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800,
    1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200,
    1.0 / 1307674368000, 1.0 / 20922789888000, 1.0 / 355687428096000,
    1.0 / 6402373705728000,
};

/* ------------------------------------------------------ sums hi + lo -- */

typedef struct math64_pair {
    double hi, lo;
} math64_pair;

/* a + b exactly, |a| >= |b| or a = 0. */
static math64_pair math64_fast_sum(double a, double b)
{
    double sum = a + b;
    return (math64_pair){ sum, b - (sum - a) };
}

/* a + b exactly (Knuth). */
static math64_pair math64_sum(double a, double b)
{
    double sum = a + b, b_part = sum - a;
    return (math64_pair){ sum, (a - (sum - b_part)) + (b - b_part) };
}

/* a * b exactly, by halves of 26 bits (Veltkamp); |a|, |b| < 2^990. */
static math64_pair math64_product(double a, double b)
{
    const double splitter = 0x1p27 + 1;
    double at = a * splitter, bt = b * splitter;
    double a1 = at - (at - a), b1 = bt - (bt - b);
    double a2 = a - a1, b2 = b - b1, product = a * b;
    return (math64_pair){
        product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2
    };
}

/* 2^k, -1022 <= k <= 1023. */
static double math64_power2(int k)
{
    return lh_double_of((uint64_t)(k + 1023) << 52);
}

/* ------------------------------------------------------------ exp, log -- */

/* exp(hi + lo), |lo| far below |hi|: hi = k ln 2 + r, |r| <= ln 2 / 2. */
static double math64_exp(math64_pair x)
{
    if (x.hi != x.hi)
        return x.hi;
    if (x.hi > 710)
        return __builtin_inf();
    if (x.hi < -746)
        return 0;
    double kd = (x.hi * math64_inv_ln2 + math64_round) - math64_round;
    double part = x.hi - kd * math64_ln2_1;      /* exact                  */
    math64_pair r = math64_sum(part, -(kd * math64_ln2_2));
    r = math64_sum(r.hi, r.lo + x.lo);           /* pow's lo is not tiny   */
    double series = 0;                           /* r^14/14! ... r^2/2!    */
    for (int i = 14; i >= 2; i--)
        series = series * r.hi + math64_inverse_factorial[i];
    series *= r.hi * r.hi;
    math64_pair one = math64_fast_sum(1, r.hi);
    double y = one.hi + (one.lo + (series + (r.lo + r.lo * r.hi)));
    int k = (int)kd, half = k / 2;               /* 2^k may not be normal  */
    return y * math64_power2(half) * math64_power2(k - half);
}

/* log of a positive finite x, to about 2^-65 of its value:
 * x = 2^k m, 1/sqrt(2) <= m < sqrt(2), and with s = (m - 1) / (m + 1)
 * log m = 2 atanh s = 2 s (1 + t/3 + t^2/5 + ...), t = s^2 < 0.0295. */
static math64_pair math64_log(double x)
{
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits = lh_bits64_of(x);
    k += (int)(bits >> 52) - 1023;
    double m = lh_double_of((bits & 0xfffffffffffffu) | (uint64_t)1023
                              << 52);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k++;
    }
    double f = m - 1;                            /* exact                  */
    math64_pair d = math64_sum(m, 1), s, t, u, p;
    s.hi = f / d.hi;
    p = math64_product(s.hi, d.hi);
    s.lo = (((f - p.hi) - p.lo) - s.hi * d.lo) / d.hi;
    t = math64_product(s.hi, s.hi);
    t.lo += 2 * s.hi * s.lo;
    u = math64_product(t.hi, 1.0 / 3);
    u.lo += t.lo * (1.0 / 3) + t.hi * math64_third_lo;
    double series = 0;                           /* t^13/27 ... t^2/5      */
    for (int i = 27; i >= 5; i -= 2)
        series = series * t.hi + 1.0 / i;
    p = math64_fast_sum(u.hi, series * t.hi * t.hi);
    u.hi = p.hi;
    u.lo += p.lo;
    p = math64_product(s.hi, u.hi);              /* s (1 + u)              */
    p.lo += s.hi * u.lo + s.lo * u.hi + s.lo;
    t = math64_fast_sum(s.hi, p.hi);
    t.lo += p.lo;
    double kd = k;
    s = math64_sum(kd * math64_ln2_1, 2 * t.hi);
    s.lo += 2 * t.lo + kd * math64_ln2_2;
    return math64_fast_sum(s.hi, s.lo);
}

LH_INTERNAL double lh_exp64(double x)
{
    return math64_exp((math64_pair){ x, 0 });
}

LH_INTERNAL double lh_log64(double x)
{
    if (x != x || x == __builtin_inf())
        return x;
    if (x == 0)
        return -__builtin_inf();
    if (x < 0)
        return __builtin_nan("");
    math64_pair y = math64_log(x);
    return y.hi + y.lo;
}

/* ----------------------------------------------------------------- pow -- */

/* 0: not an integer, 1: an odd one, 2: an even one. */
static int math64_parity(double y)
{
    if (y < 0)
        y = -y;
    if (y >= 0x1p53)                             /* infinity included      */
        return 2;
    int64_t whole = (int64_t)y;
    return (double)whole != y ? 0 : whole % 2 ? 1 : 2;
}

LH_INTERNAL double lh_pow64(double x, double y)
{
    const double inf = __builtin_inf();
    if (y == 0 || x == 1)
        return 1;
    if (x != x || y != y)
        return __builtin_nan("");
    int parity = math64_parity(y);
    bool below = lh_bits64_of(x) >> 63;           /* -0 counts as negative  */
    double sign = below && parity == 1 ? -1 : 1;
    if (below)
        x = -x;
    if (x == 0 || x == inf)
        return sign * ((x == 0) == (y < 0) ? inf : 0.0);
    if (y == inf || y == -inf)
        return x == 1 ? 1 : (x > 1) == (y > 0) ? inf : 0;
    if (below && !parity)
        return __builtin_nan("");
    if (x == 1)
        return sign;
    if (y > 0x1p64 || y < -0x1p64)               /* |log x| >= 2^-53       */
        return (x > 1) == (y > 0) ? inf : 0;
    math64_pair log = math64_log(x), product = math64_product(log.hi, y);
    product.lo += log.lo * y;
    return sign * math64_exp(math64_fast_sum(product.hi, product.lo));
}

/* -------------------------------------------------------- sine, cosine -- */

/* x = n pi/2 + r, |r| <= pi/4 and a little; then the four quarters. */
LH_INTERNAL void lh_sincos64(double x, double *sine, double *cosine)
{
    if (!(x < 0x1p20 && x > -0x1p20)) {          /* NaN too                */
        *sine = *cosine = __builtin_nan("");
        return;
    }
    double n = (x * math64_inv_pi2 + math64_round) - math64_round;
    double a = x - n * math64_pi2_1;             /* exact                  */
    math64_pair b = math64_sum(a, -(n * math64_pi2_2));
    math64_pair c = math64_sum(b.hi, -(n * math64_pi2_3));
    math64_pair r = math64_sum(c.hi, (c.lo + b.lo) - n * math64_pi2_4);

    double q = r.hi * r.hi, s_series = 0, c_series = 0;
    for (int i = 17; i >= 3; i -= 2)             /* -q/3! + q^2/5! ...     */
        s_series = math64_inverse_factorial[i] - q * s_series;
    for (int i = 18; i >= 4; i -= 2)             /* 1/4! - q/6! ...        */
        c_series = math64_inverse_factorial[i] - q * c_series;
    double half = 0.5 * q;
    double s = r.hi + (r.lo * (1 - half) - r.hi * q * s_series);
    math64_pair w = math64_fast_sum(1, -half);
    double k = w.hi + (w.lo + (q * q * c_series - r.hi * r.lo));
    int quarter = (int)n & 3;
    if (x == 0)
        s = x;                                   /* sin -0 is -0           */
    *sine = quarter == 0 ? s : quarter == 1 ? k : quarter == 2 ? -s : -k;
    *cosine = quarter == 0 ? k : quarter == 1 ? -s : quarter == 2 ? -k : s;
}
