/* The emulated fused multiply-add, float and SSE2 vector, against libm's: all
 * specials with each other, random bits, and sums that land near the middle
 * between two floats, normal and below, where one rounding and two differ.
 * Then SSE2's access in part, at a page that may not be touched.
 *
 * LH_FMA_TRIALS sets the random inputs of each kind. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/strict.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "kernels/fma.h"
#include "test.h"

#if defined(__SSE2__)
#include "kernels/vec_sse2.h"
#endif

/* libm's is exact, in hardware or not. */
static bool same(float got, float wanted)
{
    return isnan(wanted) ? isnan(got)
                         : lh_bits_of(got) == lh_bits_of(wanted);
}

static int64_t wrong;

static void check_one(const char *what, float got, float a, float b, float c)
{
    if (!same(got, fmaf(a, b, c)) && wrong++ < 5)
        printf("    %s: fma(%a, %a, %a) is %a\n", what, (double)a, (double)b,
               (double)c, (double)got);
}

static void check_four(const float a[4], const float b[4], const float c[4])
{
    for (int i = 0; i < 4; i++)
        check_one("float", lh_fmaf(a[i], b[i], c[i]), a[i], b[i], c[i]);
#if defined(__SSE2__)
    float plus[4], minus[4];
    VEC x = VEC_LOAD(a), y = VEC_LOAD(b), z = VEC_LOAD(c);
    VEC_STORE(plus, FMA(x, y, z));
    VEC_STORE(minus, FNMA(x, y, z));
    for (int i = 0; i < 4; i++) {
        check_one("vector", plus[i], a[i], b[i], c[i]);
        check_one("fnma", minus[i], -a[i], b[i], c[i]);
    }
#endif
}

static void test_specials(void)
{
    static const float x[] = {
        0.0f, 1.0f, 1.5f, 0x1.000002p0f, 0x1.fffffep0f, 3.0f, 0x1p-149f,
        0x1.8p-148f, 0x1p-126f, 0x1.fffffcp-127f, 0x1.000002p-126f, 0x1p-75f,
        0x1p-64f, 0x1p-63f, 0x1p24f, 0x1.fffffep127f, 0x1p127f, 0x1p64f,
        INFINITY, NAN, 0x1.fffffep-76f, 0x1.000002p-24f, 0x1p-24f,
    };
    enum { N = LH_COUNT(x) };
    for (size_t i = 0; i < N * N * N * 2; i++) {
        float a[4], b[4], c[4];
        for (size_t lane = 0; lane < 4; lane++) {    /* the lanes differ   */
            size_t at = (i / 2 + lane * 17) % (N * N * N);
            float sign = lane & 1 ? -1.0f : 1.0f;
            a[lane] = sign * x[at % N];
            b[lane] = x[at / N % N];
            c[lane] = i & 1 ? -x[at / N / N] : x[at / N / N];
        }
        check_four(a, b, c);
    }
    CHECK_EQ_INT(wrong, 0);
}

/* A float of random digits, 2^low <= |x| < 2^high, or what is left of it
 * below the normal ones. */
static float draw(uint64_t *state, int low, int high)
{
    uint64_t word = test_random(state);
    double x = ldexp(1.0 + (double)(word & 0x7fffff) * 0x1p-23,
                     low + (int)(word >> 32) % (high - low));
    return (float)(word >> 31 & 1 ? -x : x);
}

/* A float with few digits, so that halves are common. */
static float short_float(uint64_t word, int range)
{
    float digits = (float)(1 + (word & 0xfff)) * (word >> 40 & 1 ? 1 : -1);
    return ldexpf(digits, (int)(word >> 20 & 0xffff) % range - range / 2);
}

enum { FMA_BITS, FMA_CANCEL, FMA_SHORT, FMA_NEAR, FMA_HALF, FMA_LOW,
       FMA_KINDS };

static void draw_one(int kind, uint64_t *state, float *a, float *b, float *c)
{
    uint64_t word = test_random(state);
    if (kind <= FMA_CANCEL) {
        *a = lh_float_of((uint32_t)word);
        *b = lh_float_of((uint32_t)(word >> 32));
        *c = lh_float_of((uint32_t)test_random(state));
        if (kind == FMA_CANCEL)
            *c = -(*a * *b);
        return;
    }
    if (kind == FMA_SHORT) {
        int range = word >> 63 ? 140 : 40;
        *a = short_float(word, range);
        *b = short_float(test_random(state), range);
        *c = short_float(test_random(state), 90);
        if (range == 140)
            *c = 0x1p-140f;
        return;
    }
    if (kind == FMA_NEAR) {      /* half a unit above a float, or nearly   */
        *a = draw(state, -4, 4);
        *b = draw(state, -4, 4);
        float y = draw(state, -1, 6);
        *c = (float)((double)y + ldexp(0.5, ilogbf(y) - 23) -
                     (double)*a * (double)*b);
        return;
    }
    /* The product is half a unit of c less some 2^-46 of it or nothing:
     * (1 + k u) (1 - k u) is 1 - k^2 u^2. */
    int unit = -149;
    float k = (float)(word % 200) * 0x1p-23f;
    *c = draw(state, -149, -120);
    if (kind == FMA_HALF) {
        *c = draw(state, -40, 40);
        unit = ilogbf(*c) - 23;
    }
    *a = ldexpf(1 + k, unit / 2) * (word >> 32 & 1 ? -1.0f : 1.0f);
    *b = ldexpf(1 - k, unit - unit / 2 - 1);
}

static void test_random_inputs(void)
{
    const char *set = getenv("LH_FMA_TRIALS");
    int64_t trials = set ? strtoll(set, NULL, 10) : 500000;
    uint64_t state = 1;
    for (int kind = 0; kind < FMA_KINDS; kind++) {
        wrong = 0;
        for (int64_t i = 0; i < trials; i++) {
            float a[4], b[4], c[4];
            for (int lane = 0; lane < 4; lane++)
                draw_one(kind, &state, &a[lane], &b[lane], &c[lane]);
            check_four(a, b, c);
        }
        CHECK_EQ_INT(wrong, 0);
    }
}

#if defined(__SSE2__)
/* n floats that end, or begin, where memory does. */
static void test_parts(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 3 * page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED &&
          !mprotect(memory + page, page, PROT_READ | PROT_WRITE));
    for (int n = 0; n <= 4; n++)
        for (int end = 0; end < 2; end++) {
            float *p = (float *)(void *)(memory + (end ? 2 : 1) * page), x[4];
            p -= end ? n : 0;
            for (int i = 0; i < n; i++)
                p[i] = (float)(i + 1);
            VEC v = VEC_LOAD_PART(p, n);
            VEC_STORE(x, v);
            for (int i = 0; i < 4; i++)
                CHECK(same(x[i], i < n ? (float)(i + 1) : 0.0f));
            VEC_STORE_PART(p, v + v, n);
            for (int i = 0; i < n; i++)
                CHECK(same(p[i], (float)(2 * i + 2)));
        }
    munmap(memory, 3 * page);
}
#endif

int main(void)
{
    test_specials();
    test_random_inputs();
#if defined(__SSE2__)
    test_parts();
#else
    SKIP("SSE2's fma and access in part", "no SSE2 here");
#endif
    return test_end("fma");
}
