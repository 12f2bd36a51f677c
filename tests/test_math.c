/* Our own functions against libm in double: the largest error in ulp, held
 * to the bound that math.inc.h states; exact results at the edges; and, for
 * the same floats, equal bytes on every instruction set, through the kernel
 * table.  Then every elementwise row, both directions, the same way.
 *
 * LH_STRIDE sets the step through the 2^32 bit patterns (1: all of them; a
 * prime near 2^32 / 2^20 without it).  The rows' own step is never less than
 * ROWS_STEP: they are made from the functions.  -mfma spares the emulated
 * fma, for the same bits: then all floats take minutes. */
#include "base/strict.h"

#include <math.h>

#include "base/base.h"
#include "kernels/kernels.h"
#include "kernels/vec_c.h"
#include "kernels/math.inc.h"
#include "test.h"

static double sigmoid64(double x)
{
    return 1 / (1 + exp(-x));
}

static double rsqrt64(double x)
{
    return 1 / sqrt(x);
}

typedef struct function {
    const char *name;
    float (*ours)(float);
    double (*reference)(double);
    double bound;
    lh_kernel row;                         /* COUNT: it has none           */
    double worst;
    float at;
} function;

static function functions[] = {
    { "exp", math_exp_c, exp, 1.0, LH_KERNEL_exp_forward, 0, 0 },
    { "log", math_log_c, log, 1.0, LH_KERNEL_log_forward, 0, 0 },
    { "tanh", math_tanh_c, tanh, 1.5, LH_KERNEL_tanh_forward, 0, 0 },
    { "erf", math_erf_c, erf, 1.5, LH_KERNEL_erf_forward, 0, 0 },
    { "sigmoid", math_sigmoid_c, sigmoid64, 1.5,
      LH_KERNEL_sigmoid_forward, 0, 0 },
    { "rsqrt", math_rsqrt_c, rsqrt64, 1.5, LH_KERNEL_COUNT, 0, 0 },
};

/* The distance in units of the last place of a float near `wanted`. */
static double ulps(float got, double wanted)
{
    if (isnan(wanted) || isnan(got))
        return isnan(wanted) && isnan(got) ? 0 : INFINITY;
    if (fabs(wanted) >= 0x1.ffffffp127)            /* rounds to infinity   */
        return got == (float)wanted ? 0 : INFINITY;
    if (isinf(got))
        return INFINITY;
    uint64_t bits;
    memcpy(&bits, &wanted, sizeof bits);
    bits = bits >> 52 & 0x7ff;
    bits = (bits < 1023 - 126 ? 1023 - 126 : bits) - 23;
    bits <<= 52;
    double ulp;
    memcpy(&ulp, &bits, sizeof ulp);
    return fabs((double)got - wanted) / ulp;
}

static uint64_t stride(void)
{
    const char *set = getenv("LH_STRIDE");
    uint64_t step = set ? strtoull(set, NULL, 10) : 4099;
    return step ? step : 1;
}

/* Not a multiple of any vector's width: each block has a tail. */
#define BLOCK 4093

typedef struct tables {
    const lh_kernels *isa[LH_ISA_COUNT];       /* NULL: not on this CPU    */
    lh_kernel_fn *plain[LH_KERNEL_COUNT];
    int64_t compared;                          /* rows that are not plain  */
} tables;

static int64_t differ(const float *x, const float *y, int64_t size)
{
    int64_t count = 0;
    if (memcmp(x, y, (size_t)size * sizeof *x) == 0)
        return 0;
    for (int64_t i = 0; i < size; i++)
        count += lh_bits_of(x[i]) != lh_bits_of(y[i]) &&
                 !(isnan(x[i]) && isnan(y[i]));
    return count;
}

/* One function over a block: its errors, and its row on each isa. */
static void measure(tables *t, function *f, const float *x, int64_t size)
{
    static float y[BLOCK], got[BLOCK];
    for (int64_t i = 0; i < size; i++) {
        y[i] = f->ours(x[i]);
        double error = ulps(y[i], f->reference((double)x[i]));
        if (error > f->worst) {
            f->worst = error;
            f->at = x[i];
        }
    }
    for (int isa = 0; isa < LH_ISA_COUNT && f->row != LH_KERNEL_COUNT; isa++) {
        const lh_kernels *k = t->isa[isa];
        if (!k || k->row[f->row] != (lh_isa)isa)
            continue;
        lh_map_args args = { .a = x, .y = got };
        k->fn[f->row](&args, 0, size, NULL);
        int64_t bad = differ(got, y, size);
        if (bad)
            printf("    %s on %s: %lld differ\n", f->name,
                   lh_isa_name((lh_isa)isa), (long long)bad);
        CHECK(bad == 0);
    }
}

static void test_functions(tables *t)
{
    static float x[BLOCK];
    uint64_t bits = 0, step = stride();
    while (bits < (uint64_t)1 << 32) {
        int64_t size = 0;
        for (; size < BLOCK && bits < (uint64_t)1 << 32; bits += step)
            x[size++] = lh_float_of((uint32_t)bits);
        for (size_t i = 0; i < LH_COUNT(functions); i++)
            measure(t, &functions[i], x, size);
    }
    for (size_t i = 0; i < LH_COUNT(functions); i++) {
        const function *f = &functions[i];
        printf("    %-8s at most %.3f ulp (at %a), bound %.1f\n", f->name,
               f->worst, (double)f->at, f->bound);
        CHECK(f->worst <= f->bound);
        CHECK(f->worst > 0.4);             /* it was measured              */
    }
}

/* x N(x) and its slope in double, N the normal distribution and, of v =
 * sqrt(2 / pi) (x + 0.044715 x^3), the logistic function at 2 v. */
static double gelu64(double x, double *slope)
{
    double n = erfc(x * -0.70710678118654752440) / 2;
    *slope = n + x * 0.39894228040143267794 * exp(x * x / -2);
    return x * n;
}

static double gelu_tanh64(double x, double *slope)
{
    double root = 0.79788456080286535588;
    double v = root * (x + 0.044715 * x * x * x), n = sigmoid64(2 * v);
    double v_slope = root * (1 + 3 * 0.044715 * x * x);
    *slope = n + 2 * x * v_slope * n * sigmoid64(-2 * v);
    return x * n;
}

static double silu64(double x, double *slope)
{
    double s = sigmoid64(x);
    *slope = s + x * s * sigmoid64(-x);
    return x * s;
}

/* A gated unit, x N(x), and its slope: bounds in ulp above `least`, in
 * 2^-24 |x| below 0, and of the slope in 2^-23. */
static void test_gated(const char *name, float (*value)(float),
                       float (*slope)(float),
                       double (*reference)(double, double *), float least,
                       double bound, double bound_below, double bound_slope)
{
    double ulp = 0, below = 0, error = 0, d;
    uint64_t step = stride();
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += step) {
        float x = lh_float_of((uint32_t)bits);
        if (!(fabsf(x) <= 1e30f && fabsf(x) >= 1e-30f))
            continue;
        double y = value(x), wanted = reference((double)x, &d);
        if (x > least)
            ulp = fmax(ulp, ulps(value(x), wanted));
        if (x < 0)
            below = fmax(below, fabs(y - wanted) / -(double)x);
        if (fabsf(x) > 100)                /* beyond, doubles' 0 * inf     */
            d = x > 0;
        error = fmax(error, fabs((double)slope(x) - d));
    }
    printf("    %s at most %.3f ulp above %g, below 0 %.3f of 2^-24 |x|, slope"
           " %.3f of 2^-23\n", name, ulp, (double)least, below * 0x1p24,
           error * 0x1p23);
    CHECK(ulp > 0.4 && ulp <= bound);
    CHECK(below > 0x1p-26 && below <= bound_below * 0x1p-24);
    CHECK(error > 0x1p-25 && error <= bound_slope * 0x1p-23);
    CHECK(value(INFINITY) == INFINITY && value(-5) < 0 && value(0) == 0);
    CHECK(slope(INFINITY) == 1 && slope(0) == 0.5f);
    CHECK(fabsf(value(-INFINITY)) < 2e-36f);
    CHECK(fabsf(slope(-INFINITY)) < 2e-36f);
    for (uint32_t payload = 0x7f800001u; payload <= 0x7fffffffu;
         payload += 0x55555) {
        CHECK(isnan(value(lh_float_of(payload))));
        CHECK(isnan(slope(lh_float_of(payload | 0x80000000u))));
    }
}

static void test_edges(void)
{
    float inf = INFINITY;
    CHECK(math_exp_c(-inf) == 0 && math_exp_c(inf) == inf);
    CHECK(math_exp_c(0) == 1 && math_exp_c(-0.0f) == 1);
    CHECK(math_exp_c(-103.0f) == 0x1p-149f && math_exp_c(89) == inf);
    CHECK(math_log_c(0) == -inf && math_log_c(-0.0f) == -inf);
    CHECK(math_log_c(1) == 0 && math_log_c(inf) == inf);
    CHECK(isnan(math_log_c(-1)) && isnan(math_log_c(-inf)));
    CHECK(math_tanh_c(inf) == 1 && math_tanh_c(-inf) == -1);
    CHECK(math_erf_c(inf) == 1 && math_erf_c(-inf) == -1);
    CHECK(math_erf_c(0) == 0 && math_tanh_c(0) == 0);
    CHECK(signbit(math_tanh_c(-0.0f)) && signbit(math_erf_c(-0.0f)));
    CHECK(math_sigmoid_c(0) == 0.5f && math_sigmoid_c(inf) == 1);
    CHECK(math_sigmoid_c(-inf) == 0);
    CHECK(math_gelu_c(-6) == 0 && math_gelu_tanh_c(-6) == 0);
    for (size_t i = 0; i < LH_COUNT(functions); i++)
        CHECK(isnan(functions[i].ours(NAN)));
}

/* ------------------------------------------------ the elementwise rows -- */

#define ROWS_STEP 1009

typedef struct block {
    int64_t size;
    float a[BLOCK], b[BLOCK], dy[BLOCK], da[BLOCK], db[BLOCK];
} block;

typedef struct result {
    float y[BLOCK], da[BLOCK], db[BLOCK];
} result;

/* A row's forward, then its backward from that y and the block's da, db. */
static void run(lh_kernel_fn *forward, lh_kernel_fn *backward,
                const block *in, result *out)
{
    memcpy(out->da, in->da, sizeof out->da);
    memcpy(out->db, in->db, sizeof out->db);
    lh_map_args args = { .a = in->a, .b = in->b, .s = 3, .y = out->y,
                         .dy = in->dy, .da = out->da, .db = out->db };
    forward(&args, 0, in->size, NULL);
    backward(&args, 0, in->size, NULL);
}

static void compare(tables *t, const char *name, lh_kernel forward,
                    lh_kernel backward, const block *in)
{
    static result wanted, got;
    run(t->plain[forward], t->plain[backward], in, &wanted);
    for (int isa = 0; isa < LH_ISA_COUNT; isa++) {
        const lh_kernels *k = t->isa[isa];
        if (!k || (k->row[forward] != (lh_isa)isa &&
                   k->row[backward] != (lh_isa)isa) || isa == LH_ISA_c)
            continue;
        run(k->fn[forward], k->fn[backward], in, &got);
        int64_t bad = differ(got.y, wanted.y, in->size) +
                      differ(got.da, wanted.da, in->size) +
                      differ(got.db, wanted.db, in->size);
        if (bad)
            printf("    %s on %s: %lld differ\n", name,
                   lh_isa_name((lh_isa)isa), (long long)bad);
        CHECK(bad == 0);
        t->compared++;
    }
}

static void compare_all(tables *t, const block *in)
{
#define COMPARE(name) \
    compare(t, #name, LH_KERNEL_##name##_forward, \
            LH_KERNEL_##name##_backward, in);
#define UNARY(name, y, dx, doc) COMPARE(name)
#include "kernels/elementwise.def"
#undef COMPARE
}

/* Every float of the sample as a; b and the gradients are shuffled bits. */
static void fill(block *in, uint64_t *bits, uint64_t step)
{
    in->size = 0;
    for (; in->size < BLOCK && *bits < (uint64_t)1 << 32; *bits += step) {
        uint64_t word = *bits + 1;
        int64_t i = in->size++;
        in->a[i] = lh_float_of((uint32_t)*bits);
        in->b[i] = lh_float_of((uint32_t)(test_random(&word) >> 32));
        in->dy[i] = lh_float_of((uint32_t)test_random(&word));
        in->da[i] = (float)(word >> 40) - 0x1p23f;
        in->db[i] = i % 3 ? 1e-30f : -0.0f;
    }
}

static void test_rows(tables *t)
{
    static const float special[] = {
        0.0f, -0.0f, 1.0f, -1.0f, 0.5f, INFINITY, -INFINITY, NAN, 88.72284f,
        0x1p-149f, -0x1p-149f, 0x1.fffffcp-127f, 0x1p-126f, -0x1p-126f,
        0x1.fffffep127f, -0x1.fffffep127f, 0x1.000002p0f, -103.97208f,
    };
    static block in;
    uint64_t bits = 0, step = stride();
    for (size_t i = 0; i < LH_COUNT(special); i++)
        for (size_t j = 0; j < LH_COUNT(special); j++) {
            in.a[in.size] = special[i];
            in.b[in.size] = in.dy[in.size] = special[j];
            in.da[in.size] = in.db[in.size] = special[(i + j) % 5];
            in.size++;
        }
    compare_all(t, &in);
    if (step < ROWS_STEP)
        step = ROWS_STEP;
    while (bits < (uint64_t)1 << 32) {
        fill(&in, &bits, step);
        compare_all(t, &in);
    }
    if (!t->compared)
        SKIP("equal bytes on every row", "this CPU has plain C alone");
}

int main(void)
{
    static tables t;
    lh_context *ctx = lh_context_new(NULL);
    for (int isa = 0; isa < LH_ISA_COUNT; isa++) {
        t.isa[isa] = lh_kernels_get(ctx, lh_isa_name((lh_isa)isa));
        lh_error_clear(ctx);
    }
    lh_rows_c(t.plain);
    test_edges();
    test_gated("gelu", math_gelu_c, math_gelu_slope_c, gelu64, 0, 1.5, 1.1,
               1.6);
    test_gated("gelu_tanh", math_gelu_tanh_c, math_gelu_tanh_slope_c,
               gelu_tanh64, 0, 1.5, 1, 2.5);
    test_gated("silu", math_silu_c, math_silu_slope_c, silu64, -87, 2.5,
               1.3, 1.6);
    test_functions(&t);
    test_rows(&t);
    lh_context_free(ctx);
    return test_end("math");
}
