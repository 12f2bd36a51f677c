/* The micro model of `longhand bench micro` written by hand for itself: no
 * engine, no tape, no kernels to be called, the width a constant.  An
 * opponent for tools/bench_peers.py.  Not part of the library or the program,
 * and it promises no bits: -O3 -march=native -ffast-math.
 *
 *     bench_fused NAMES                     reads lines "BATCH SECONDS"
 *     bench_fused NAMES losses BATCH STEPS  means of the loss, ten in all
 *     bench_fused NAMES check               gradients by finite differences
 *
 * A line is answered with the seconds of one name, the least and the median
 * of many slices.  The work is the library's: whole names in shuffled order
 * and nothing padded, forward, backward, and Adam over all parameters at each
 * step.  What is fused:
 *
 * - Weights lie as [inputs][outputs], cut into squares of 16 x 16.  Backward
 *   takes each square once: turned over in registers it gives the gradient of
 *   the inputs, then its own gradient is summed in registers and goes straight
 *   into Adam.  No gradient of a matrix is ever in memory.
 * - At 16 wide attention takes four keys of four heads in a vector.
 * - Both norms of the embedding share one sum of squares; relu, residuals and
 *   norms are the ends of the products before them.
 * - Adam keeps its moments divided by (1 - beta), and its corrections are two
 *   numbers a step: seven operations for 16 weights, no root, no quotient. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifndef WIDTH
#define WIDTH 16
#endif

enum {
    C = WIDTH, HEADS = 4, D = C / HEADS, F = 4 * C, V = 27, T = 16,
    LANES = 16, VL = 32,              /* V in whole vectors                */
    BATCH = 16, ROWS = BATCH * T,
    /* Where the parameters begin. */
    WTE = 0, WPE = WTE + V * C, QKV = WPE + T * C, WO = QKV + 3 * C * C,
    FC1 = WO + C * C, FC2 = FC1 + C * F, HEAD = FC2 + F * C,
    PARAMETERS = HEAD + C * VL, EMBEDDINGS = QKV
};

#define ALWAYS static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#if WIDTH > 16
#define SHARED static NOINLINE
#else
#define SHARED ALWAYS
#endif
#define ALIGNED __attribute__((aligned(64)))

typedef float vec __attribute__((vector_size(64), may_alias));
typedef int32_t ivec __attribute__((vector_size(64), may_alias));

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) \
                 DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
#define AT(p) (*(vec *)(p))
#define GET(p) (*(const vec *)(p))

static ALIGNED float weight[PARAMETERS + 16], first[PARAMETERS + 48],
                     second[PARAMETERS + 80];

/* -------------------------------------------------------------- vectors -- */

ALWAYS vec splat(float x) { return (vec){ 0 } + x; }

ALWAYS vec larger(vec a, vec b)
{
    ivec m = a > b;
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}

ALWAYS vec where(ivec m, vec a, vec b)
{
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}

#define TURN8(x) __builtin_shufflevector(x, x, \
    8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define TURN4(x) __builtin_shufflevector(x, x, \
    4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define TURN2(x) __builtin_shufflevector(x, x, \
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define TURN1(x) __builtin_shufflevector(x, x, \
    1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)

/* Sums and maxima in all lanes. */
ALWAYS vec sum(vec x)
{
    x += TURN8(x);
    x += TURN4(x);
    x += TURN2(x);
    return x + TURN1(x);
}

ALWAYS vec largest(vec x)
{
    x = larger(x, TURN8(x));
    x = larger(x, TURN4(x));
    x = larger(x, TURN2(x));
    return larger(x, TURN1(x));
}

/* 14 bits of 1 / sqrt(x), as Adam needs them, and nearly all. */
ALWAYS vec rough_rsqrt(vec x)
{
#ifdef __AVX512F__
    return (vec)_mm512_rsqrt14_ps((__m512)x);
#else
    for (int i = 0; i < LANES; i++)
        x[i] = 1 / sqrtf(x[i]);
    return x;
#endif
}

ALWAYS vec rsqrt(vec x)
{
    vec y = rough_rsqrt(x);
    return y * (1.5f - 0.5f * x * y * y);
}

/* exp(x) for x <= 88. */
ALWAYS vec exponential(vec x)
{
#ifdef __AVX512F__
    vec t = x * 1.44269504f;
    vec n = (vec)_mm512_roundscale_ps((__m512)t, 8);
    t -= n;
    vec y = 0.00133986f * t + 0.00961812f;
    y = y * t + 0.0555033f;
    y = y * t + 0.24022650f;
    y = y * t + 0.69314720f;
    y = y * t + 1.0f;
    return (vec)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
    for (int i = 0; i < LANES; i++)
        x[i] = expf(x[i]);
    return x;
#endif
}

#define UNPACK_LOW(a, b) __builtin_shufflevector(a, b, \
    0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define UNPACK_HIGH(a, b) __builtin_shufflevector(a, b, \
    2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define PAIRS_LOW(a, b) __builtin_shufflevector(a, b, \
    0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define PAIRS_HIGH(a, b) __builtin_shufflevector(a, b, \
    2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define FOURS_EVEN(a, b) __builtin_shufflevector(a, b, \
    0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define FOURS_ODD(a, b) __builtin_shufflevector(a, b, \
    4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)

/* Within each four lanes, four vectors turned over. */
#define TURN_FOURS(a, b, c, d) do { \
        vec ab = UNPACK_LOW(a, b), cd = UNPACK_LOW(c, d); \
        vec ef = UNPACK_HIGH(a, b), gh = UNPACK_HIGH(c, d); \
        a = PAIRS_LOW(ab, cd); \
        b = PAIRS_HIGH(ab, cd); \
        c = PAIRS_LOW(ef, gh); \
        d = PAIRS_HIGH(ef, gh); \
    } while (0)
/* Four vectors' fours turned over. */
#define TURN_LANES(a, b, c, d) do { \
        vec ab = FOURS_EVEN(a, b), cd = FOURS_EVEN(c, d); \
        vec ef = FOURS_ODD(a, b), gh = FOURS_ODD(c, d); \
        a = FOURS_EVEN(ab, cd); \
        b = FOURS_EVEN(ef, gh); \
        c = FOURS_ODD(ab, cd); \
        d = FOURS_ODD(ef, gh); \
    } while (0)

/* w[i][j] to w[j][i]. */
ALWAYS void turn(vec w[16])
{
    TURN_FOURS(w[0], w[1], w[2], w[3]);
    TURN_FOURS(w[4], w[5], w[6], w[7]);
    TURN_FOURS(w[8], w[9], w[10], w[11]);
    TURN_FOURS(w[12], w[13], w[14], w[15]);
    /* Lanes 4 l + j of row 4 q + i are now column 4 l + i of row 4 q + j. */
    TURN_LANES(w[0], w[4], w[8], w[12]);
    TURN_LANES(w[1], w[5], w[9], w[13]);
    TURN_LANES(w[2], w[6], w[10], w[14]);
    TURN_LANES(w[3], w[7], w[11], w[15]);
}

/* ------------------------------------------------------------- products -- */

/* Rows n of x, times a square: y = x w, or y += x w. */
ALWAYS void rows_by_square(const vec w[16], const float *x, int xs, float *y,
                           int ys, int n, int add)
{
    int t = 0;
    for (; t + 4 <= n; t += 4, x += 4 * xs, y += 4 * ys) {
        vec a = { 0 }, b = a, c = a, d = a;
        if (add) {
            a = GET(y);
            b = GET(y + ys);
            c = GET(y + 2 * ys);
            d = GET(y + 3 * ys);
        }
#define STEP(k) \
        a += x[k] * w[k]; \
        b += x[xs + k] * w[k]; \
        c += x[2 * xs + k] * w[k]; \
        d += x[3 * xs + k] * w[k];
        EACH(STEP)
#undef STEP
        AT(y) = a;
        AT(y + ys) = b;
        AT(y + 2 * ys) = c;
        AT(y + 3 * ys) = d;
    }
    for (; t < n; t++, x += xs, y += ys) {
        vec a = { 0 };
        if (add)
            a = GET(y);
#define STEP(k) a += x[k] * w[k];
        EACH(STEP)
#undef STEP
        AT(y) = a;
    }
}

#define LOAD(k) w[k] = GET(at + 16 * k);

/* What becomes of a product: a sum with what lies at `add` (or NULL), no
 * less than `least`. */
typedef struct end {
    const float *add;
    float least;
} end;

#define ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) \
                 DO(9) DO(10) DO(11) DO(12) DO(13)

/* R rows of y = x w in registers, 32 columns of w's squares, or 16 in two
 * sums, if `wide` is 0.  `down` floats lie between two squares. */
ALWAYS void block(const float *x, size_t xs, const float *w, size_t down,
                  int squares_down, float *y, size_t ys, end e, int wide,
                  const int R)
{
#define STEP(r) vec a##r = { 0 }, b##r = a##r;
    ROWS(STEP)
#undef STEP
    /* Five addresses; gcc would keep fourteen, and spill them. */
    const float *x0 = x, *x3 = x + 3 * xs, *x6 = x + 6 * xs,
                *x9 = x + 9 * xs, *x12 = x + 12 * xs;
    __asm__("" : "+r"(xs), "+r"(x3), "+r"(x6), "+r"(x9), "+r"(x12));
#define ROW(r, at) \
    if (R > r) { \
        a##r += (at)[k] * w0; \
        b##r += (at)[wide ? k : k + 1] * w1; \
    }
    for (int s = 0; s < squares_down; s++) {
        for (int k = 0; k < 16; k += wide ? 1 : 2) {
            vec w0 = GET(w + k * 16);
            vec w1 = GET(w + k * 16 + (wide ? 256 : 16));
            ROW(0, x0) ROW(1, x0 + xs) ROW(2, x0 + 2 * xs)
            ROW(3, x3) ROW(4, x3 + xs) ROW(5, x3 + 2 * xs)
            ROW(6, x6) ROW(7, x6 + xs) ROW(8, x6 + 2 * xs)
            ROW(9, x9) ROW(10, x9 + xs) ROW(11, x9 + 2 * xs)
            ROW(12, x12) ROW(13, x12 + xs)
        }
        w += down;
        x0 += 16;
        x3 += 16;
        x6 += 16;
        x9 += 16;
        x12 += 16;
    }
#undef ROW
    vec least = splat(e.least);
#define STEP(r) \
    if (R > r) { \
        if (!wide) \
            a##r += b##r; \
        if (e.add) \
            a##r += GET(e.add + r * ys); \
        AT(y + r * ys) = larger(a##r, least); \
    } \
    if (R > r && wide) { \
        if (e.add) \
            b##r += GET(e.add + r * ys + 16); \
        AT(y + r * ys + 16) = larger(b##r, least); \
    }
    ROWS(STEP)
#undef STEP
}

ALWAYS void blocks(const float *x, size_t xs, const float *w, size_t down,
                   int squares_down, float *y, size_t ys, end e, int wide,
                   int n)
{
    for (int rows; n; n -= rows) {
        rows = n <= 14 ? n : n >= 28 ? 14 : n / 2;
        switch (rows) {
#define STEP(r) \
        case r + 1: \
            block(x, xs, w, down, squares_down, y, ys, e, wide, r + 1); \
            break;
        ROWS(STEP)
#undef STEP
        }
        x += (size_t)rows * xs;
        y += (size_t)rows * ys;
        e.add += e.add ? (size_t)rows * ys : 0;
    }
}

/* 32 columns of a product. */
SHARED void columns(const float *x, int in, const float *w, int down,
                             int squares_down, float *y, int out, int n,
                             end e)
{
    blocks(x, (size_t)in, w, (size_t)down, squares_down, y, (size_t)out, e, 1,
           n);
}

/* y = x w, with x of `in` and y of `out` columns. */
static NOINLINE void forward(const float *x, int in, const float *w, float *y,
                             int out, int n, end e)
{
    for (int o = 0; o < out; o += 32, e.add += e.add ? 32 : 0) {
        if (out - o > 16)
            columns(x, in, w + o * 16, 16 * out, in / 16, y + o, out, n, e);
        else
            blocks(x, (size_t)in, w + o * 16, (size_t)(16 * out), in / 16,
                   y + o, (size_t)out, e, 0, n);
    }
}

/* ---------------------------------------------------------------- Adam -- */

static const float RATE = 0.01f, BETA1 = 0.85f, BETA2 = 0.99f, EPS = 1e-8f;
static double power1, power2;          /* of the betas                     */
static struct { float rate, eps; } step_now;

/* Moments are kept as m / (1 - beta1) and v / (1 - beta2), so
 * rate m' / (sqrt(v') + eps) is `rate` times first / sqrt(second + eps). */
static void adam_begin(float rate)
{
    power1 *= BETA1;
    power2 *= BETA2;
    double of_v = (1 - BETA2) / (1 - power2);
    step_now.rate = (float)(rate * (1 - BETA1) / (1 - power1) / sqrt(of_v));
    step_now.eps = (float)(EPS * EPS / of_v) + 1e-30f;
}

ALWAYS void adam(size_t at, vec g, vec rate, vec eps)
{
    vec m = AT(first + at) * BETA1 + g;
    vec v = AT(second + at) * BETA2 + g * g;
    AT(first + at) = m;
    AT(second + at) = v;
    AT(weight + at) -= rate * m * rough_rsqrt(v + eps);
}

#if WIDTH > 16
/* dx = dy w^T, and w's own step: squares two wide and at most four deep, so
 * that what is read meets two of them. */
static NOINLINE void backward(const float *x, int in, size_t w_at,
                              const float *dy, int out, float *dx, int n)
{
    enum { DEEP = 64 };
    static ALIGNED float turned[DEEP * 32];
    vec rate = splat(step_now.rate), eps = splat(step_now.eps);
    for (int i = 0; i < in; i += 32)
        for (int o = 0; o < out; o += DEEP) {
            int deep = out - o < DEEP ? out - o : DEEP;
            size_t here = w_at + (size_t)(i * out + o * 16);
            for (int s = 0; s < deep / 8; s++) {
                const float *at = weight + here + s / 2 * 256 +
                                  s % 2 * 16 * out;
                vec w[16];
                EACH(LOAD)
                turn(w);
#define STEP(k) AT(turned + s * 256 + k * 16) = w[k];
                EACH(STEP)
#undef STEP
            }
            columns(dy + o, out, turned, 512, deep / 16, dx + i, in, n,
                    (end){ o ? dx + i : NULL, -1e37f });
            /* Eight rows of two squares side by side. */
            for (int s = 0; s < deep / 8; s++) {
                const float *dyt = dy + o + s / 4 * 32;
                const float *xt = x + i + s % 4 * 8;
                size_t at = here + (size_t)(s / 4 * 512 + s % 2 * 128 +
                                            s / 2 % 2 * 16 * out);
                vec g[16];
#define STEP(k) g[k] = (vec){ 0 };
                EACH(STEP)
#undef STEP
                for (int t = 0; t < n; t++, xt += in, dyt += out) {
                    vec d = GET(dyt), e = GET(dyt + 16);
#define STEP(k) g[k] += xt[k & 7] * (k < 8 ? d : e);
                    EACH(STEP)
#undef STEP
                }
#define STEP(k) adam(at + (k & 7) * 16 + (k < 8 ? 0 : 256), g[k], rate, eps);
                EACH(STEP)
#undef STEP
            }
        }
}
#else
/* dx = dy w^T, and w's own step. */
static void backward(const float *x, int in, size_t w_at, const float *dy,
                     int out, float *dx, int n)
{
    vec rate = splat(step_now.rate), eps = splat(step_now.eps);
    for (int i = 0; i < in; i += 16)
        for (int o = 0; o < out; o += 16) {
            size_t here = w_at + (size_t)(i * out + o * 16);
            const float *at = weight + here, *xt = x + i, *dyt = dy + o;
            vec w[16];
            EACH(LOAD)
            turn(w);
            if (o)
                rows_by_square(w, dyt, out, dx + i, in, n, 1);
            else
                rows_by_square(w, dyt, out, dx + i, in, n, 0);
#define ZERO(k) w[k] = (vec){ 0 };
            EACH(ZERO)
            for (int t = 0; t < n; t++, xt += in, dyt += out) {
                vec d = GET(dyt);
#define STEP(k) w[k] += xt[k] * d;
                EACH(STEP)
#undef STEP
            }
#define STEP(k) adam(here + 16 * k, w[k], rate, eps);
            EACH(STEP)
#undef STEP
        }
}

#endif

/* ------------------------------------------------------------ attention -- */

/* Lanes of a head, at most a vector's. */
enum { PART = D < LANES ? D : LANES };
typedef float part __attribute__((vector_size(4 * PART), may_alias,
                                  aligned(4)));
static ALIGNED float chance[BATCH][HEADS * T * T];

/* Rows of [t][stride] from `at`, D columns, turned over to [d][T]; rows from
 * n on are whatever there is. */
ALWAYS void turned_head(const float *at, int stride, float to[D][T], int n)
{
    for (int t = 0; t < n; t++)
        for (int d = 0; d < D; d++)
            to[d][t] = at[t * stride + d];
}

static const ivec LANE = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                           15 };

#if WIDTH == 16
/* Heads of four: a vector holds four keys of each head, [head][key], or a
 * row's channels, [head][channel].  What is to meet all of a head's is
 * repeated within its four lanes. */
#define ONE(x, j) __builtin_shufflevector(x, x, \
    j, j, j, j, 4 + j, 4 + j, 4 + j, 4 + j, \
    8 + j, 8 + j, 8 + j, 8 + j, 12 + j, 12 + j, 12 + j, 12 + j)

ALWAYS vec sum_four(vec x)
{
    x += TURN2(x);
    return x + TURN1(x);
}

ALWAYS vec largest_of_four(vec x)
{
    x = larger(x, TURN2(x));
    return larger(x, TURN1(x));
}

static void attend(const float *qkv, float *y, float *p, int n)
{
    vec kt[T];
    for (int u = 0; u < n; u += 4) {
        const float *k = qkv + u * 3 * C + C;
        vec k0 = GET(k), k1 = GET(k + 3 * C), k2 = GET(k + 6 * C),
            k3 = GET(k + 9 * C);
        TURN_FOURS(k0, k1, k2, k3);
        kt[u] = k0;
        kt[u + 1] = k1;
        kt[u + 2] = k2;
        kt[u + 3] = k3;
    }
    for (int t = 0; t < n; t++) {
        vec q = GET(qkv + t * 3 * C) * 0.5f, e[T / 4], o = { 0 };
        vec q0 = ONE(q, 0), q1 = ONE(q, 1), q2 = ONE(q, 2), q3 = ONE(q, 3);
        int last = t / 4;
        for (int u = 0; u <= last; u++)
            e[u] = q0 * kt[4 * u] + q1 * kt[4 * u + 1] +
                   q2 * kt[4 * u + 2] + q3 * kt[4 * u + 3];
        e[last] = where((LANE & 3) <= t % 4, e[last], splat(-1e30f));
        vec most = e[0], total = { 0 };
        for (int u = 1; u <= last; u++)
            most = larger(most, e[u]);
        most = largest_of_four(most);
        for (int u = 0; u <= last; u++)
            total += e[u] = exponential(e[u] - most);
        total = 1 / sum_four(total);
        for (int u = 0; u <= last; u++) {
            const float *v = qkv + u * 4 * 3 * C + 2 * C;
            e[u] *= total;
            AT(p + t * T * HEADS + u * 16) = e[u];
            o += ONE(e[u], 0) * GET(v) + ONE(e[u], 1) * GET(v + 3 * C) +
                 ONE(e[u], 2) * GET(v + 6 * C) +
                 ONE(e[u], 3) * GET(v + 9 * C);
        }
        AT(y + t * C) = o;
    }
}

static void attend_backward(const float *qkv, const float *y, const float *dy,
                            const float *p, float *dqkv, int n)
{
    for (int u = 0; u < n; u += 4) {
        const float *kv = qkv + u * 3 * C + C;
        float *to = dqkv + u * 3 * C + C;
        vec k0 = GET(kv), k1 = GET(kv + 3 * C), k2 = GET(kv + 6 * C),
            k3 = GET(kv + 9 * C);
        vec v0 = GET(kv + C), v1 = GET(kv + 4 * C), v2 = GET(kv + 7 * C),
            v3 = GET(kv + 10 * C);
        vec dk0 = { 0 }, dk1 = dk0, dk2 = dk0, dk3 = dk0;
        vec dv0 = dk0, dv1 = dk0, dv2 = dk0, dv3 = dk0;
        TURN_FOURS(v0, v1, v2, v3);
        for (int t = u; t < n; t++) {
            vec d = GET(dy + t * C), q = GET(qkv + t * 3 * C);
            vec chances = GET(p + t * T * HEADS + u * 4);
            vec ds = ONE(d, 0) * v0 + ONE(d, 1) * v1 + ONE(d, 2) * v2 +
                     ONE(d, 3) * v3;
            ds = chances * 0.5f * (ds - sum_four(d * GET(y + t * C)));
            dv0 += ONE(chances, 0) * d;
            dv1 += ONE(chances, 1) * d;
            dv2 += ONE(chances, 2) * d;
            dv3 += ONE(chances, 3) * d;
            vec s0 = ONE(ds, 0), s1 = ONE(ds, 1), s2 = ONE(ds, 2),
                s3 = ONE(ds, 3);
            dk0 += s0 * q;
            dk1 += s1 * q;
            dk2 += s2 * q;
            dk3 += s3 * q;
            vec dq = s0 * k0 + s1 * k1 + s2 * k2 + s3 * k3;
            float *to_q = dqkv + t * 3 * C;
            if (u)
                dq += GET(to_q);
            AT(to_q) = dq;
        }
        AT(to) = dk0;
        AT(to + 3 * C) = dk1;
        AT(to + 6 * C) = dk2;
        AT(to + 9 * C) = dk3;
        AT(to + C) = dv0;
        AT(to + 4 * C) = dv1;
        AT(to + 7 * C) = dv2;
        AT(to + 10 * C) = dv3;
    }
}
#else
static void attend(const float *qkv, float *y, float *p, int n)
{
    const float scale = 1 / sqrtf(D);
    ALIGNED float kt[D][T] = { { 0 } };
    for (int h = 0; h < HEADS; h++) {
        turned_head(qkv + C + h * D, 3 * C, kt, n);
        for (int t = 0; t < n; t++) {
            const float *q = qkv + t * 3 * C + h * D;
            vec s = { 0 };
            for (int d = 0; d < D; d++)
                s += q[d] * GET(kt[d]);
            ivec seen = LANE <= ((ivec){ 0 } + t);
            s = where(seen, s * scale, splat(-1e30f));
            s = where(seen, exponential(s - largest(s)), splat(0));
            s /= sum(s);
            AT(p + (h * T + t) * T) = s;
            for (int d = 0; d < D; d += PART) {
                part o = { 0 };
                for (int u = 0; u <= t; u++)
                    o += p[(h * T + t) * T + u] *
                         *(const part *)(qkv + u * 3 * C + 2 * C + h * D + d);
                *(part *)(y + t * C + h * D + d) = o;
            }
        }
    }
}

static void attend_backward(const float *qkv, const float *y, const float *dy,
                            const float *p, float *dqkv, int n)
{
    const float scale = 1 / sqrtf(D);
    (void)y;
    ALIGNED float vt[D][T] = { { 0 } }, ds[T][T];
    for (int h = 0; h < HEADS; h++) {
        turned_head(qkv + 2 * C + h * D, 3 * C, vt, n);
        for (int t = 0; t < n; t++) {
            const float *d_y = dy + t * C + h * D;
            vec s = { 0 }, prob = GET(p + (h * T + t) * T);
            for (int d = 0; d < D; d++)
                s += d_y[d] * GET(vt[d]);
            AT(ds[t]) = prob * (s - sum(prob * s)) * scale;
        }
        for (int d = 0; d < D; d += PART)
            for (int t = 0; t < n; t++) {
                part dq = { 0 }, dk = dq, dv = dq;
                const float *here = qkv + h * D + d;
                for (int u = 0; u <= t; u++)
                    dq += ds[t][u] * *(const part *)(here + u * 3 * C + C);
                for (int u = t; u < n; u++) {
                    dk += ds[u][t] * *(const part *)(here + u * 3 * C);
                    dv += p[(h * T + u) * T + t] *
                          *(const part *)(dy + u * C + h * D + d);
                }
                float *to = dqkv + t * 3 * C + h * D + d;
                *(part *)to = dq;
                *(part *)(to + C) = dk;
                *(part *)(to + 2 * C) = dv;
            }
    }
}

#endif

/* ---------------------------------------------------------------- norms -- */

ALWAYS vec squares(const float *x)
{
    vec s = { 0 };
    for (int c = 0; c < C; c += 16)
        s += GET(x + c) * GET(x + c);
    return sum(s) * (1.0f / C);
}

static const float NORM_EPS = 1e-5f;

/* With h = x r: dx = r (dh - h mean(dh h)), added to what is there. */
ALWAYS void norm_backward(const float *h, const float *dh, vec r, float *dx)
{
    vec s = { 0 };
    for (int c = 0; c < C; c += 16)
        s += GET(h + c) * GET(dh + c);
    s = sum(s) * (1.0f / C);
    for (int c = 0; c < C; c += 16)
        AT(dx + c) += r * (GET(dh + c) - GET(h + c) * s);
}

/* ----------------------------------------------------------------- step -- */

/* Activations of a step, and their gradients. */
static ALIGNED float x0[ROWS][C], h1[ROWS][C], qkv[ROWS + 3][3 * C],
    o[ROWS][C],
    x1[ROWS][C], h2[ROWS][C], a[ROWS][F], x2[ROWS][C], logits[ROWS][VL],
    dx[ROWS][C], dh[ROWS][C], da[ROWS][F], dqkv[ROWS + 3][3 * C],
    embedding_gradient[EMBEDDINGS];
static ALIGNED vec r0[ROWS], r1[ROWS], r2[ROWS];

/* A name's tokens, the border at both ends, and how many it foretells. */
typedef struct name {
    uint8_t token[T + 1], count;
} name;

/* Softmax and cross-entropy of n rows; logits become their gradients. */
static float cross_entropy(const uint8_t *target, int n, float share,
                           float y[][VL])
{
    float loss = 0, product = 1;      /* 27^16 is no problem             */
    for (int t = 0; t < n; t++) {
        vec low = GET(y[t]);
        vec high = where(LANE < V - 16, GET(y[t] + 16), splat(-1e30f));
        vec most = largest(larger(low, high));
        float right = y[t][target[t]];
        low = exponential(low - most);
        high = exponential(high - most);
        vec total = sum(low + high);
        product *= total[0];
        loss += most[0] - right;
        /* By whole vectors: what is stored by parts waits when loaded. */
        ivec here = LANE - (int32_t)target[t];
        total = share / total;
        AT(y[t]) = low * total - where(here == 0, splat(share), splat(0));
        AT(y[t] + 16) = high * total -
                        where(here == -16, splat(share), splat(0));
    }
    return loss + logf(product);
}

/* A batch: its names, rows `from[b]` to `from[b + 1]` each. */
typedef struct batch {
    const name *names[BATCH];
    int size, from[BATCH + 1];
} batch;

/* Token and place, their norm, and that one's. */
static void embed(batch *s)
{
    int n = 0;
    for (int b = 0; b < s->size; b++) {
        s->from[b] = n;
        for (int t = 0; t < s->names[b]->count; t++, n++) {
            const float *token = weight + WTE + s->names[b]->token[t] * C;
            const float *place = weight + WPE + t * C;
            for (int c = 0; c < C; c += 16)
                AT(x0[n] + c) = GET(token + c) + GET(place + c);
            vec mean = squares(x0[n]);
            r0[n] = rsqrt(mean + NORM_EPS);
            r1[n] = rsqrt(mean * r0[n] * r0[n] + NORM_EPS);
            for (int c = 0; c < C; c += 16) {
                AT(x0[n] + c) *= r0[n];
                AT(h1[n] + c) = GET(x0[n] + c) * r1[n];
            }
        }
    }
    s->from[s->size] = n;
}

/* The loss, summed; logits become their gradients. */
static float foretell(batch *s)
{
    static const float LARGE = 1e37f;
    const end plain = { NULL, -LARGE };
    float loss = 0;
    embed(s);
    int n = s->from[s->size];
    forward(h1[0], C, weight + QKV, qkv[0], 3 * C, n, plain);
    for (int b = 0; b < s->size; b++)
        attend(qkv[s->from[b]], o[s->from[b]], chance[b],
               s->from[b + 1] - s->from[b]);
    forward(o[0], C, weight + WO, x1[0], C, n, (end){ x0[0], -LARGE });
    for (int t = 0; t < n; t++) {
        r2[t] = rsqrt(squares(x1[t]) + NORM_EPS);
        for (int c = 0; c < C; c += 16)
            AT(h2[t] + c) = GET(x1[t] + c) * r2[t];
    }
    forward(h2[0], C, weight + FC1, a[0], F, n, (end){ NULL, 0 });
    forward(a[0], F, weight + FC2, x2[0], C, n, (end){ x1[0], -LARGE });
    forward(x2[0], C, weight + HEAD, logits[0], VL, n, plain);
    for (int b = 0; b < s->size; b++)
        loss += cross_entropy(s->names[b]->token + 1, s->names[b]->count,
                              1.0f / (float)n, logits + s->from[b]);
    return loss;
}

static void learn(const batch *s, float rate)
{
    int n = s->from[s->size];
    adam_begin(rate);
    backward(x2[0], C, HEAD, logits[0], VL, dx[0], n);
    backward(a[0], F, FC2, dx[0], C, da[0], n);
    for (int t = 0; t < n; t++)
        for (int f = 0; f < F; f += 16)
            AT(da[t] + f) = where(GET(a[t] + f) > splat(0),
                                  GET(da[t] + f), splat(0));
    backward(h2[0], C, FC1, da[0], F, dh[0], n);
    for (int t = 0; t < n; t++)
        norm_backward(h2[t], dh[t], r2[t], dx[t]);
    backward(o[0], C, WO, dx[0], C, dh[0], n);
    for (int b = 0; b < s->size; b++)
        attend_backward(qkv[s->from[b]], o[s->from[b]], dh[s->from[b]],
                        chance[b], dqkv[s->from[b]],
                        s->from[b + 1] - s->from[b]);
    backward(h1[0], C, QKV, dqkv[0], 3 * C, dh[0], n);
    for (int b = 0; b < s->size; b++)
        for (int t = 0, i = s->from[b]; i < s->from[b + 1]; t++, i++) {
            float *token = embedding_gradient + WTE +
                           s->names[b]->token[t] * C;
            norm_backward(h1[i], dh[i], r1[i], dx[i]);
            norm_backward(x0[i], dx[i], r0[i], token);
            norm_backward(x0[i], dx[i], r0[i],
                          embedding_gradient + WPE + t * C);
        }
    vec of_rate = splat(step_now.rate), of_eps = splat(step_now.eps);
    for (int i = 0; i < EMBEDDINGS; i += 16) {
        adam((size_t)i, GET(embedding_gradient + i), of_rate, of_eps);
        AT(embedding_gradient + i) = splat(0);
    }
}

/* One step over a batch; the mean loss of its tokens. */
static float step(batch *s, float rate)
{
    float loss = foretell(s);
    learn(s, rate);
    return loss / (float)s->from[s->size];
}

/* ----------------------------------------------------------------- data -- */

static name *all;
static const name **order;
static int count, position;
static uint64_t random_state;

static uint32_t random_word(void)
{
    random_state = random_state * 6364136223846793005u +
                   1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

static float normal(void)
{
    double u = (random_word() + 1.0) / 4294967297.0;
    return (float)(sqrt(-2 * log(u)) *
                   cos(6.283185307179586 * random_word() / 4294967296.0));
}

/* Weights of deviation 0.08, moments 0, the order of the names as read. */
static void begin(void)
{
    random_state = 42;
    position = 0;
    power1 = power2 = 1;
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    memset(embedding_gradient, 0, sizeof embedding_gradient);
    for (int i = 0; i < PARAMETERS; i++) {
        int head = i - HEAD;           /* squares of 16 x 16, 2 to a row   */
        int none = head >= 0 && head / 256 % 2 && head % 16 >= V - 16;
        weight[i] = none ? 0 : 0.08f * normal();
    }
    for (int i = 0; i < count; i++)
        order[i] = all + i;
}

static float next(int size, float rate)
{
    batch s = { .size = size };
    for (int b = 0; b < size; b++, position++) {
        if (position % count == 0)
            for (int i = count - 1; i > 0; i--) {
                int j = (int)((uint64_t)random_word() * (uint64_t)(i + 1) >>
                              32);
                const name *was = order[i];
                order[i] = order[j];
                order[j] = was;
            }
        int at = position % count;
        __builtin_prefetch(order[at + 24 < count ? at + 24 : at]);
        s.names[b] = order[at];
    }
    return step(&s, rate);
}

static int read_names(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[64];
    size_t room = 1 << 15;
    all = calloc(room, sizeof *all);
    order = calloc(room, sizeof *order);
    while (f && all && order && count < (int)room &&
           fgets(line, sizeof line, f)) {
        name *d = all + count;
        size_t length = strcspn(line, "\n");
        if (length < 1 || length >= T ||
            strspn(line, "abcdefghijklmnopqrstuvwxyz") != length)
            return 0;
        for (size_t i = 0; i < length; i++)
            d->token[i + 1] = (uint8_t)(line[i] - 'a' + 1);
        d->count = (uint8_t)(length + 1);
        count++;
    }
    return f && !fclose(f) && count;
}

/* -------------------------------------------------------------- modes -- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *of_x, const void *of_y)
{
    double x = *(const double *)of_x, y = *(const double *)of_y;
    return (x > y) - (x < y);
}

/* Slices of a millisecond. */
static void measure(int size, double seconds)
{
    enum { SLICES = 4096 };
    static double slice[SLICES];
    int slices = 0, steps = 1;
    begin();
    for (double start = now(), took; now() - start < seconds || !slices;) {
        double begun = now();
        for (int i = 0; i < steps; i++)
            next(size, RATE);
        took = now() - begun;
        if (took < 0.001)
            steps *= 2;
        else
            slice[slices++ % SLICES] = took / steps / size;
    }
    if (slices > SLICES)
        slices = SLICES;
    qsort(slice, (size_t)slices, sizeof *slice, ascending);
    printf("%.9g %.9g\n", slice[0], slice[slices / 2]);
    fflush(stdout);
}

static void losses(int size, int steps)
{
    double total = 0;
    begin();
    for (int i = 1; i <= steps; i++) {
        total += next(size, RATE);
        if (i * 10 % steps == 0) {
            printf("step %d loss %.4f\n", i, total / (steps / 10));
            total = 0;
        }
    }
}

/* From moments of 0 a step of rate 0 leaves the gradient in `first`. */
static float gradient(batch *s)
{
    memset(first, 0, sizeof first);
    return step(s, 0);
}

/* Slopes along the gradient and along a random direction, each matrix by
 * itself, after a few steps of training. */
static int check(void)
{
    static const struct { const char *name; int from, to; } part_of[] = {
        { "wte", WTE, WPE }, { "wpe", WPE, QKV }, { "qkv", QKV, WO },
        { "wo", WO, FC1 }, { "fc1", FC1, FC2 }, { "fc2", FC2, HEAD },
        { "head", HEAD, PARAMETERS },
    };
    static float kept[PARAMETERS], g[PARAMETERS], way[PARAMETERS];
    batch s = { .size = 7 };
    int wrong = 0;
    begin();
    for (int i = 0; i < 200; i++)
        next(BATCH, RATE);
    for (int i = 0; i < 7; i++)
        s.names[i] = order[(i * 2003 + 5) % count];
    gradient(&s);
    memcpy(kept, weight, sizeof kept);
    memcpy(g, first, sizeof g);
    for (size_t p = 0; p < sizeof part_of / sizeof *part_of; p++)
        for (int random = 0; random < 2; random++) {
            double length = 0, slope = 0;
            for (int i = part_of[p].from; i < part_of[p].to; i++) {
                way[i] = random ? g[i] != 0 ? normal() : 0 : g[i];
                length += way[i] * way[i];
            }
            for (int i = part_of[p].from; i < part_of[p].to; i++) {
                way[i] /= (float)sqrt(length);
                slope += g[i] * way[i];
            }
            double at[2];
            for (int side = 0; side < 2; side++) {
                for (int i = part_of[p].from; i < part_of[p].to; i++)
                    weight[i] = kept[i] + (side ? 0.005f : -0.005f) * way[i];
                at[side] = gradient(&s);
                memcpy(weight, kept, sizeof kept);
            }
            double found = (at[1] - at[0]) / 0.01;
            int good = fabs(found - slope) < 0.01 * fabs(slope) + 5e-4;
            printf("%-5s %s %10.6f, by differences %10.6f%s\n",
                   part_of[p].name, random ? "random" : "down  ", slope,
                   found, good ? "" : "  WRONG");
            wrong += !good;
        }
    return wrong != 0;
}

int main(int argc, char **argv)
{
    int size, steps;
    double seconds;
    char line[64];
#ifdef __AVX512F__
    _mm_setcsr(_mm_getcsr() | 0x8040);   /* no subnormal numbers           */
#endif
    if (argc < 2 || !read_names(argv[1])) {
        fprintf(stderr, "bench_fused: usage: bench_fused NAMES\n");
        return 1;
    }
    if (argc == 3 && strcmp(argv[2], "check") == 0)
        return check();
    if (argc == 5 && strcmp(argv[2], "losses") == 0) {
        size = atoi(argv[3]);
        steps = atoi(argv[4]);
        if (size < 1 || size > BATCH || steps < 10)
            return 1;
        losses(size, steps);
        return 0;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%d %lf", &size, &seconds) != 2 || size < 1 ||
            size > BATCH)
            return 1;
        measure(size, seconds);
    }
    return 0;
}
