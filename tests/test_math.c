/* Our own functions against libm in double: the largest error in ulp, held
 * to the bound that math.inc.h states; and exact results at the edges.
 * Equal bytes on every instruction set: over the same inputs, through the
 * kernel table.
 *
 * LH_STRIDE sets the step through the 2^32 bit patterns (1: all of them; a
 * prime near 2^32 / 2^20 without it). */
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
    double bound, worst;
    float at;
} function;

static function functions[] = {
    { "exp", math_exp_c, exp, 1.0, 0, 0 },
    { "log", math_log_c, log, 1.0, 0, 0 },
    { "tanh", math_tanh_c, tanh, 1.5, 0, 0 },
    { "erf", math_erf_c, erf, 1.5, 0, 0 },
    { "sigmoid", math_sigmoid_c, sigmoid64, 1.5, 0, 0 },
    { "rsqrt", math_rsqrt_c, rsqrt64, 1.5, 0, 0 },
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
    int exponent;
    frexp(wanted, &exponent);
    double ulp = ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
    return fabs((double)got - wanted) / ulp;
}

static uint64_t stride(void)
{
    const char *set = getenv("LH_STRIDE");
    uint64_t step = set ? strtoull(set, NULL, 10) : 4099;
    return step ? step : 1;
}

static void test_errors(void)
{
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += stride()) {
        float x = lh_float_of((uint32_t)bits);
        for (size_t i = 0; i < LH_COUNT(functions); i++) {
            function *f = &functions[i];
            double error = ulps(f->ours(x), f->reference((double)x));
            if (error > f->worst) {
                f->worst = error;
                f->at = x;
            }
        }
    }
    for (size_t i = 0; i < LH_COUNT(functions); i++) {
        const function *f = &functions[i];
        printf("    %-8s at most %.3f ulp (at %a), bound %.1f\n", f->name,
               f->worst, (double)f->at, f->bound);
        CHECK(f->worst <= f->bound);
        CHECK(f->worst > 0.4);             /* it was measured              */
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
    for (size_t i = 0; i < LH_COUNT(functions); i++)
        CHECK(isnan(functions[i].ours(NAN)));
}

/* ------------------------------------------------- equal on every row -- */

#define BLOCK 4096

static void compare(const lh_kernels *kernels, lh_kernel kernel,
                    const float *x, int64_t size)
{
    static float y[BLOCK], wanted[BLOCK];
    lh_kernel_fn *plain[LH_KERNEL_COUNT];
    lh_rows_c(plain);
    lh_map_args args = { .a = x, .b = x, .s = 3, .y = y };
    kernels->fn[kernel](&args, 0, size, NULL);
    args.y = wanted;
    plain[kernel](&args, 0, size, NULL);
    int64_t bad = 0;
    for (int64_t i = 0; i < size; i++)
        bad += lh_bits_of(y[i]) != lh_bits_of(wanted[i]) &&
               !(isnan(y[i]) && isnan(wanted[i]));
    if (bad)
        printf("    %s on %s: %lld differ\n", lh_kernel_name(kernel),
               lh_isa_name(kernels->row[kernel]), (long long)bad);
    CHECK(bad == 0);
}

static void test_rows(void)
{
    static const lh_kernel unary[] = {
        LH_KERNEL_exp_forward, LH_KERNEL_log_forward,
        LH_KERNEL_tanh_forward, LH_KERNEL_erf_forward,
        LH_KERNEL_sigmoid_forward, LH_KERNEL_gelu_forward,
        LH_KERNEL_gelu_tanh_forward, LH_KERNEL_silu_forward,
    };
    static float x[BLOCK];
    lh_context *ctx = lh_context_new(NULL);
    for (int isa = 0; isa < LH_ISA_COUNT; isa++) {
        const lh_kernels *kernels = lh_kernels_get(ctx, lh_isa_name(
                                                            (lh_isa)isa));
        lh_error_clear(ctx);
        if (!kernels)
            continue;
        uint64_t bits = 0, step = stride();
        while (bits < (uint64_t)1 << 32) {
            int64_t size = 0;
            for (; size < BLOCK && bits < (uint64_t)1 << 32; bits += step)
                x[size++] = lh_float_of((uint32_t)bits);
            for (size_t i = 0; i < LH_COUNT(unary); i++)
                compare(kernels, unary[i], x, size);
        }
    }
    lh_context_free(ctx);
}

int main(void)
{
    test_edges();
    test_errors();
    test_rows();
    return test_end("math");
}
