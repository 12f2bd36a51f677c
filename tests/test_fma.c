/* The scalar fma against libm's: random floats of all sizes, products that
 * nearly cancel the addend, results that are denormal, and sums that lie
 * half-way between two floats, where rounding twice goes wrong. */
#include "base/strict.h"

#include <math.h>

#include "base/base.h"
#include "kernels/fma.h"
#include "test.h"

static int64_t wrong;

static void check(float a, float b, float c)
{
    volatile float x = a, y = b, z = c;     /* libm's, not the compiler's  */
    float got = lh_fmaf(a, b, c), wanted = fmaf(x, y, z);
    if (lh_bits_of(got) == lh_bits_of(wanted) ||
        (isnan(got) && isnan(wanted)))
        return;
    if (wrong++ < 5)
        printf("    fma(%a, %a, %a) = %a, not %a\n", (double)a, (double)b,
               (double)c, (double)wanted, (double)got);
}

/* A float with few digits, so that halves are common. */
static float short_float(uint64_t word, int range)
{
    float digits = (float)(1 + (word & 0xfff)) * (word >> 40 & 1 ? 1 : -1);
    return ldexpf(digits, (int)(word >> 20 & 0xffff) % range - range / 2);
}

int main(void)
{
    static const float hard[] = {
        0.0f, -0.0f, 1.0f, -1.0f, 0x1p-149f, -0x1p-149f, 0x1p-126f,
        0x1.fffffep127f, -0x1.fffffep127f, 0x1.000002p0f, 0x1.fffffep-1f,
        0x1p-75f, 0x1.8p-75f, 0x1p64f, 0x1.000002p-64f, 3.0f, 0x1p24f,
        INFINITY, -INFINITY, NAN,
    };
    for (size_t i = 0; i < LH_COUNT(hard); i++)
        for (size_t j = 0; j < LH_COUNT(hard); j++)
            for (size_t k = 0; k < LH_COUNT(hard); k++)
                check(hard[i], hard[j], hard[k]);
    uint64_t random = 3;
    for (int i = 0; i < 2500000; i++) {
        uint64_t u = test_random(&random), v = test_random(&random);
        float a = lh_float_of((uint32_t)u), b = lh_float_of((uint32_t)v);
        check(a, b, lh_float_of((uint32_t)(u >> 32)));
        check(a, b, -(a * b));
        check(short_float(u, 40), short_float(v, 40), short_float(u ^ v, 90));
        check(short_float(u, 140), short_float(v, 140), 0x1p-140f);
    }
    CHECK(wrong == 0);
    return test_end("fma");
}
