/* The ground: contexts, errors, memory, buffers, numbers as text, random
 * numbers, double functions.  Numbers are held against the C library's,
 * functions against its long double ones. */
#define _GNU_SOURCE
#include "base/strict.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "base/context.h"
#include "base/math64.h"
#include "base/number.h"
#include "base/rng.h"
#include "base/threads.h"
#include "test.h"
#include "torture.h"

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---------------------------------------------------- contexts, errors -- */

static void test_context(void)
{
    CHECK_STR(lh_version(), LH_VERSION);
    CHECK_STR(lh_status_text(LH_ERROR_MEMORY), "out of memory");
    CHECK(lh_status_text((lh_status)-1) != NULL);
    CHECK(lh_status_text(LH_STATUS_COUNT) != NULL);
    CHECK_EQ_INT(lh_error_status(NULL), LH_ERROR_ARGUMENT);
    CHECK(lh_error_message(NULL) != NULL);
    lh_error_clear(NULL);
    lh_context_free(NULL);
    CHECK_EQ_INT(lh_threads(NULL), 0);

    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 3 });
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK_EQ_INT(lh_threads(ctx), 3);
    lh_context_free(ctx);

    ctx = lh_context_new(&(lh_settings){ .threads = -2 });
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    CHECK(strstr(lh_error_message(ctx), "-2 threads") != NULL);
    CHECK_EQ_INT(lh_threads(ctx), 1);
    lh_context_free(ctx);

    ctx = lh_context_new(&(lh_settings){ .threads = 1, .cpu = "abacus" });
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    CHECK(strstr(lh_error_message(ctx), "abacus") != NULL);
    CHECK_STR(lh_cpu_level(ctx), "c");
    lh_context_free(ctx);

    ctx = lh_context_new(NULL);
    int available = lh_threads_available();
    CHECK_EQ_INT(lh_threads(ctx), available < 256 ? available : 256);
    lh_context_free(ctx);
}

static void test_errors(lh_context *ctx)
{
    lh_error_clear(ctx);
    CHECK_EQ_INT(lh_fail(NULL, LH_ERROR_IO, "nobody hears"), LH_ERROR_IO);
    CHECK_EQ_INT(lh_fail(ctx, LH_ERROR_IO, "first %d", 1), LH_ERROR_IO);
    CHECK_EQ_INT(lh_fail(ctx, LH_ERROR_SHAPE, "second"), LH_ERROR_SHAPE);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_IO);
    CHECK_STR(lh_error_message(ctx), "first 1");
    lh_error_clear(ctx);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    CHECK_STR(lh_error_message(ctx), "");
    /* One line, whatever a file is called; no UTF-8 character cut. */
    lh_fail(ctx, LH_ERROR_IO, "%s", "a\nb\033[2Jc\177\xc3\xa9");
    CHECK_STR(lh_error_message(ctx), "a?b?[2Jc?\xc3\xa9");
    for (int shift = 0; shift < 4; shift++) {
        char text[2048];
        memset(text, 'x', (size_t)shift);
        for (size_t i = (size_t)shift; i + 4 <= 2000; i += 4)
            memcpy(text + i, "\xf0\x9f\x99\x82", 5);
        lh_error_clear(ctx);
        lh_fail(ctx, LH_ERROR_IO, "%s", text);
        size_t size = strlen(lh_error_message(ctx));
        CHECK(size > 500 && size < 512);
        CHECK_EQ_INT(size % 4, shift);
    }
    lh_error_clear(ctx);
}

/* -------------------------------------------------------------- memory -- */

static void test_memory(void)
{
    torture memory = { 0 };
    lh_settings settings = { .allocator = torture_allocator(&memory),
                             .threads = 2 };
    lh_context *ctx = NULL;
    for (int n = 1; n < 100; n++) {
        torture_fail_at(&memory, n);
        ctx = lh_context_new(&settings);
        if (!torture_failed(&memory))
            break;
        /* A pool that got no memory means fewer threads, not failure. */
        CHECK(!ctx || (lh_threads(ctx) == 1 && !lh_error_status(ctx)));
        lh_context_free(ctx);
        CHECK_EQ_INT(memory.live, 0);
        ctx = NULL;
    }
    CHECK(ctx != NULL);
    torture_fail_at(&memory, 0);

    unsigned char *a = lh_alloc(ctx, 10, 3);
    for (int i = 0; i < 30; i++)
        CHECK_EQ_INT(a[i], 0);
    memset(a, 7, 30);
    a = lh_resize(ctx, a, 10, 20, 3, true);
    for (int i = 0; i < 60; i++)
        CHECK_EQ_INT(a[i], i < 30 ? 7 : 0);
    a = lh_resize(ctx, a, 20, 2, 3, true);
    for (int i = 0; i < 6; i++)
        CHECK_EQ_INT(a[i], 7);
    torture_fail_at(&memory, 1);
    CHECK(lh_resize(ctx, a, 2, 4, 3, true) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_MEMORY);
    CHECK_EQ_INT(a[5], 7);
    torture_fail_at(&memory, 1);
    CHECK(lh_alloc(ctx, 1, 1) == NULL);
    torture_fail_at(&memory, 0);
    lh_error_clear(ctx);
    CHECK(lh_alloc(ctx, SIZE_MAX / 2, 3) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_MEMORY);
    lh_error_clear(ctx);
    CHECK(lh_resize(ctx, a, 2, SIZE_MAX / 2, 3, true) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_MEMORY);
    lh_error_clear(ctx);
    void *none = lh_alloc(ctx, 0, 8);
    CHECK(none != NULL);
    none = lh_resize(ctx, none, 0, 0, 8, true);
    CHECK(none != NULL);
    lh_memory_free(ctx, none);
    lh_memory_free(ctx, NULL);
    lh_memory_free(ctx, a);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);

    /* The C library's memory. */
    ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    int64_t *b = lh_resize(ctx, NULL, 0, 3, sizeof *b, true);
    b[2] = 5;
    b = lh_resize(ctx, b, 3, 1000, sizeof *b, true);
    CHECK(b[2] == 5 && b[3] == 0 && b[999] == 0);
    CHECK(lh_resize(ctx, b, 1000, SIZE_MAX / 8, sizeof *b, true) == NULL);
    lh_free(ctx, b);
    lh_context_free(ctx);
}

static void test_buffer(void)
{
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = 1 });
    int64_t before = memory.live;
    lh_buffer buffer = { 0 };
    CHECK_EQ_INT(lh_buffer_add(ctx, &buffer, NULL, 0), LH_OK);
    CHECK_STR(buffer.data, "");
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ_INT(lh_buffer_add(ctx, &buffer, "ab", 2), LH_OK);
        CHECK_EQ_INT(lh_buffer_printf(ctx, &buffer, "%d,", i), LH_OK);
        CHECK_EQ_INT(buffer.data[buffer.size], 0);
    }
    CHECK_EQ_INT(buffer.size, 2000 + 10 * 2 + 90 * 3 + 900 * 4);
    CHECK_EQ_INT(strlen(buffer.data), buffer.size);
    CHECK(strncmp(buffer.data, "ab0,ab1,ab2,", 12) == 0);
    size_t size = buffer.size;
    torture_fail_at(&memory, 1);
    CHECK_EQ_INT(lh_buffer_printf(ctx, &buffer, "%20000d", 1),
                 LH_ERROR_MEMORY);
    CHECK_EQ_INT(buffer.size, size);
    CHECK_EQ_INT(lh_buffer_add(ctx, &buffer, "x", SIZE_MAX - 10),
                 LH_ERROR_MEMORY);
    CHECK_EQ_INT(strlen(buffer.data), size);
    torture_fail_at(&memory, 0);
    lh_buffer_free(ctx, &buffer);
    lh_buffer_free(ctx, &buffer);
    CHECK_EQ_INT(memory.live, before);
    lh_context_free(ctx);
}

/* ------------------------------------------------------------- numbers -- */

static void check_number(double value, const char *wanted)
{
    char text[LH_NUMBER_SIZE];
    CHECK_EQ_INT(lh_number_write(text, value), strlen(wanted));
    CHECK_STR(text, wanted);
}

static void check_parse(const char *text, double wanted)
{
    double got = -77;
    CHECK(lh_number_parse(text, strlen(text), &got));
    if (bits_of(got) != bits_of(wanted))
        printf("    %.60s: got %a, wanted %a\n", text, got, wanted);
    CHECK(bits_of(got) == bits_of(wanted));
}

static void test_number_text(void)
{
    static const struct { double value; const char *text; } spelt[] = {
        { 0.0, "0" }, { -0.0, "-0" }, { 3.0, "3" }, { -1.5, "-1.5" },
        { 0.001, "0.001" }, { 0.0001, "0.0001" }, { 0.00001, "1e-05" },
        { 1e-8, "1e-08" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" },
        { 1e15, "1000000000000000" }, { 1e16, "1e+16" }, { 1e22, "1e+22" },
        { 1e23, "1e+23" }, { 123456789012345680.0, "1.2345678901234568e+17" },
        { 9007199254740993.0, "9007199254740992" }, { 1e100, "1e+100" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { DBL_MIN, "2.2250738585072014e-308" },
        { 0x1p-1074, "5e-324" }, { 0x1p-44, "5.684341886080802e-14" },
        { 0x1p-24, "5.960464477539063e-08" }, { 100.0, "100" },
        { 5e-324 * 3, "1.5e-323" }, { 2e-323 / 2, "1e-323" },
        { 12345.678, "12345.678" }, { 0x1.fffffffffffffp52,
        "9007199254740991" }, { 9.5e-3, "0.0095" }, { INFINITY, "null" },
        { -INFINITY, "null" }, { NAN, "null" },
    };
    for (size_t i = 0; i < LH_COUNT(spelt); i++)
        check_number(spelt[i].value, spelt[i].text);
    static const char *const refused[] = {
        "", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "1.e5", "0x10",
        "nan", "inf", "Infinity", " 1", "1 ", "1,5", "1e5.0", "--1", "1-",
        "1e309", "-1e309", "1.797693134862315808e308", "1e99999999999999999",
        "1e9223372036854775808", "1e18446744073709551617", "1e310", "2e308",
    };
    double value;
    for (size_t i = 0; i < LH_COUNT(refused); i++)
        if (lh_number_parse(refused[i], strlen(refused[i]), &value)) {
            printf("    \"%s\" was taken\n", refused[i]);
            CHECK(false);
        }
    CHECK(!lh_number_parse("1\0002", 3, &value));
    CHECK(lh_number_parse("12", 1, &value) && value == 1);
    check_parse("-0", -0.0);
    check_parse("0e999999999999999999999", 0.0);
    check_parse("-0.000e-99999999999999999999", -0.0);
    check_parse("1e-99999999999999999999", 0.0);
    check_parse("1E3", 1000.0);
    check_parse("1e+3", 1000.0);
    check_parse("1.7976931348623158e308", DBL_MAX);
    check_parse("1.797693134862315807e308", DBL_MAX);
    check_parse("9007199254740993", 9007199254740992.0);
    check_parse("9007199254740995", 9007199254740996.0);
    check_parse("2.4703282292062327e-324", 0.0);
    check_parse("2.4703282292062328e-324", 0x1p-1074);
    check_parse("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
    check_parse("2.2250738585072012e-308", 0x1p-1022);
    check_parse("1.00000000000000011102230246251565404236316680908203125",
                1.0);
    check_parse("1.00000000000000011102230246251565404236316680908203124",
                1.0);
    check_parse("1.00000000000000011102230246251565404236316680908203126",
                1 + DBL_EPSILON);
}

/* Texts so long that not all of their digits are kept. */
static void test_number_long(void)
{
    enum { LONG = 40000 };
    char *text = malloc(LONG + 64);
    if (!text)
        return;
    /* A tie, thousands of zeros, and then nothing or a 1. */
    int size = sprintf(text, "9007199254740993.");
    memset(text + size, '0', LONG);
    text[size + LONG] = '\0';
    check_parse(text, 9007199254740992.0);
    text[size + LONG - 1] = '1';
    check_parse(text, 9007199254740994.0);
    /* A one behind thousands of zeros, and the exponent that undoes them. */
    memset(text, '0', LONG);
    text[1] = '.';
    sprintf(text + LONG, "123e%d", LONG);
    check_parse(text, 12.3);
    memset(text, '7', LONG);
    sprintf(text + LONG, "e-%d", LONG);
    check_parse(text, 7.0 / 9);
    memset(text + 1, '0', LONG);
    sprintf(text + LONG, "e-%d", LONG - 1);
    check_parse(text, 7.0);
    free(text);
}

/* A double whose bits are random, or near an edge. */
static double random_double(uint64_t *state, int i)
{
    uint64_t bits = test_random(state);
    switch (i % 8) {
    case 0:                                      /* few bits, any exponent */
        bits &= 0xfff0000000000000u | bits >> 50;
        break;
    case 1:                                      /* denormal               */
        bits = (bits & 0x800fffffffffffffu) >> (i / 8 % 20) * 2;
        break;
    case 2:                                      /* around powers of two   */
        bits = (bits & 0xfff0000000000000u) + bits % 5 - 2;
        break;
    case 3:                                      /* short decimals         */
        return (double)(int64_t)(bits % 2000000) / 1000.0 - 1000.0;
    case 4:                                      /* integers               */
        return (double)(int64_t)(bits >> bits % 60);
    case 5:                                      /* floats                 */
        return (double)((float)(bits >> 40) * 0x1p-20f);
    default:
        break;
    }
    return of_bits(bits);
}

/* Digits of a text's mantissa, without the zeros at both its ends. */
static int significant(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count += count || *text != '0';
    }
    return count > zeros ? count - zeros : 1;
}

static void test_number_random(void)
{
    uint64_t state = 11;
    for (int i = 0; i < 100000; i++) {
        double value = random_double(&state, i), back = 0, got = 0;
        char ours[LH_NUMBER_SIZE], theirs[64];
        if (!isfinite(value))
            continue;
        int size = lh_number_write(ours, value);
        bool parsed = lh_number_parse(ours, (size_t)size, &back);
        snprintf(theirs, sizeof theirs, "%.17g", value);
        bool ok = parsed && bits_of(back) == bits_of(value) &&
                  bits_of(strtod(ours, NULL)) == bits_of(value) &&
                  lh_number_parse(theirs, strlen(theirs), &got) &&
                  bits_of(got) == bits_of(value);
        /* No shorter one reads back, and of as many digits none is nearer:
         * where rounding to so many digits reads back, it is that one. */
        int digits = significant(ours);
        if (digits > 1) {
            snprintf(theirs, sizeof theirs, "%.*e", digits - 2, value);
            ok = ok && strtod(theirs, NULL) != value;
        }
        snprintf(theirs, sizeof theirs, "%.*e", digits - 1, value);
        double rounded = strtod(theirs, NULL);
        if (rounded == value) {
            char minus[LH_NUMBER_SIZE];
            lh_number_write(minus, rounded);
            ok = ok && !strcmp(minus, ours) &&
                 strtold(theirs, NULL) == strtold(ours, NULL);
        }
        if (!ok)
            printf("    %a is written as %s\n", value, ours);
        CHECK(ok);
    }
    /* Any decimal reads as the C library reads it. */
    for (int i = 0; i < 20000; i++) {
        char text[128];
        int size = 0, digits = 1 + (int)(test_random(&state) % 40);
        text[size++] = (char)('1' + test_random(&state) % 9);
        text[size++] = '.';
        for (int d = 0; d < digits; d++)
            text[size++] = (char)('0' + test_random(&state) % 10);
        size += sprintf(text + size, "e%d",
                        (int)(test_random(&state) % 640) - 330);
        double wanted = strtod(text, NULL), got = 0;
        bool ok = lh_number_parse(text, (size_t)size, &got);
        if (isinf(wanted) ? ok : !ok || bits_of(got) != bits_of(wanted)) {
            printf("    %s is read as %a, not %a\n", text, got, wanted);
            CHECK(false);
        }
    }
}

static void test_number_locale(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8",
                                         "fr_FR.UTF-8", "de_DE" };
    bool set = false;
    for (size_t i = 0; i < LH_COUNT(names) && !set; i++)
        set = setlocale(LC_ALL, names[i]) != NULL;
    if (!set) {
        SKIP("numbers where the decimal point is a comma",
             "no such locale is installed");
        return;
    }
    check_number(1.5, "1.5");
    check_parse("1.5", 1.5);
    setlocale(LC_ALL, "C");
}

static void test_integers(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        { "0", true, 0 }, { "-0", true, 0 }, { "+7", true, 7 },
        { "007", true, 7 }, { "-12", true, -12 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "18446744073709551616", false, 0 },
        { "18446744073709551617", false, 0 },
        { "99999999999999999999999", false, 0 }, { "", false, 0 },
        { "-", false, 0 }, { "+", false, 0 }, { "1.0", false, 0 },
        { "1e3", false, 0 }, { " 1", false, 0 }, { "1 ", false, 0 },
        { "0x1", false, 0 }, { "--1", false, 0 },
    };
    for (size_t i = 0; i < LH_COUNT(rows); i++) {
        int64_t value = 0;
        bool ok = lh_integer_parse(rows[i].text, strlen(rows[i].text),
                                   &value);
        if (ok != rows[i].ok || value != rows[i].value)
            printf("    \"%s\"\n", rows[i].text);
        CHECK(ok == rows[i].ok && value == rows[i].value);
    }
}

/* ------------------------------------------------------ random numbers -- */

static void test_philox(void)
{
    /* The known answers that come with Random123. */
    static const uint32_t rows[][10] = {
        { 0, 0, 0, 0, 0, 0,
          0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
          0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e,
          0x03707344, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };
    for (size_t i = 0; i < LH_COUNT(rows); i++) {
        uint32_t out[4];
        lh_philox(rows[i], rows[i] + 2, out);
        for (int j = 0; j < 4; j++)
            CHECK(out[j] == rows[i][6 + j]);
    }
}

static void test_rng(void)
{
    enum { DRAWS = 200000 };
    lh_rng rng = lh_rng_start(1, LH_STREAM_SAMPLE), other = rng;
    uint64_t word[64];
    for (int i = 0; i < 64; i++)
        word[i] = lh_rng_word(&rng);
    for (int i = 63; i >= 0; i--) {              /* any position, any order */
        other.position = (uint64_t)i;
        CHECK(lh_rng_word(&other) == word[i]);
    }
    other = lh_rng_start(1, LH_STREAM_SHUFFLE);
    CHECK(lh_rng_word(&other) != word[0]);
    other = lh_rng_start((uint64_t)1 << 32, LH_STREAM_SAMPLE);
    CHECK(lh_rng_word(&other) != word[0]);

    double sum = 0, squares = 0, cubes = 0, fourth = 0, least = 1, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = lh_rng_uniform(&rng);
        sum += u;
        squares += u * u;
        least = u < least ? u : least;
        most = u > most ? u : most;
    }
    CHECK(fabs(sum / DRAWS - 0.5) < 0.003);
    CHECK(fabs(squares / DRAWS - 1.0 / 3) < 0.003);
    CHECK(least >= 0 && least < 1e-4 && most < 1 && most > 1 - 1e-4);

    int64_t count[7] = { 0 };
    for (int i = 0; i < 70000; i++) {
        uint64_t n = lh_rng_below(&rng, 7);
        CHECK(n < 7);
        count[n < 7 ? n : 0]++;
    }
    for (int i = 0; i < 7; i++)
        CHECK(count[i] > 9600 && count[i] < 10400);
    int upper = 0;                               /* modulo would give 2/3  */
    for (int i = 0; i < 3000; i++)
        upper += lh_rng_below(&rng, (uint64_t)3 << 62) < (uint64_t)1 << 62;
    CHECK(upper > 850 && upper < 1150);
    CHECK_EQ_INT(lh_rng_below(&rng, 1), 0);

    sum = squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = lh_rng_normal(&rng);
        sum += x;
        squares += x * x;
        cubes += x * x * x;
        fourth += x * x * x * x;
    }
    CHECK(fabs(sum / DRAWS) < 0.01);
    CHECK(fabs(squares / DRAWS - 1) < 0.015);
    CHECK(fabs(cubes / DRAWS) < 0.04);
    CHECK(fabs(fourth / DRAWS - 3) < 0.12);
    /* Two words a draw, also from an odd position. */
    rng.position = 1;
    lh_rng_normal(&rng);
    CHECK_EQ_INT(rng.position, 3);
}

static void test_shuffle(void)
{
    lh_rng rng = lh_rng_start(5, LH_STREAM_SHUFFLE);
    int64_t order[100], first[4] = { 0 };
    for (int round = 0; round < 4000; round++) {
        lh_rng_shuffle(&rng, order, 4);
        CHECK(order[0] >= 0 && order[0] < 4);
        first[order[0] & 3]++;
    }
    for (int i = 0; i < 4; i++)
        CHECK(first[i] > 880 && first[i] < 1120);
    bool seen[100] = { false };
    lh_rng_shuffle(&rng, order, 100);
    for (int i = 0; i < 100; i++) {
        CHECK(order[i] >= 0 && order[i] < 100 && !seen[order[i]]);
        seen[order[i]] = true;
    }
    lh_rng_shuffle(&rng, order, 0);
    lh_rng_shuffle(&rng, order, 1);
    CHECK_EQ_INT(order[0], 0);
}

/* ---------------------------------------------------- double functions -- */

/* The distance in units of the last place of a double near `wanted`. */
static double ulps(double got, long double wanted)
{
    int e;
    if ((double)wanted == got || (isnan(got) && isnan((double)wanted)))
        return 0;
    frexpl(wanted, &e);
    e = e - 53 < -1074 ? -1074 : e - 53;
    return (double)(fabsl((long double)got - wanted) / ldexpl(1, e));
}

static double between(uint64_t *state, double low, double high)
{
    return low + (high - low) * ((double)(test_random(state) >> 11) *
                                 0x1p-53);
}

static uint64_t mix(uint64_t hash, double x)
{
    return (hash ^ bits_of(x)) * 0x100000001b3u;
}

static void test_math_ulp(void)
{
    enum { EXP, LOG, LOG_NEAR, POW, POW_BETA, SINE, COSINE, FUNCTIONS };
    static const char *const name[] = { "exp", "log", "log near 1", "pow",
                                        "pow of a beta", "sine", "cosine" };
    static const double bound[] = { 1, 1, 1, 1, 1, 1, 1 };
    double worst[FUNCTIONS] = { 0 };
    uint64_t state = 3, hash = 0xcbf29ce484222325u;
    for (int i = 0; i < 30000; i++) {
        double x[FUNCTIONS], y[FUNCTIONS];
        long double wanted[FUNCTIONS];
        x[EXP] = i % 2 ? between(&state, -1, 1) : between(&state, -745, 709);
        x[LOG] = fabs(of_bits(test_random(&state) & 0x7fefffffffffffffu));
        x[LOG_NEAR] = between(&state, 0.5, 2);
        x[POW] = between(&state, 0.01, 100);
        double power = between(&state, -150, 150);
        x[POW_BETA] = 1 - between(&state, 1e-4, 0.5);
        double step = (double)(test_random(&state) >> 44);
        x[SINE] = i % 2 ? between(&state, -10, 10)
                        : between(&state, -0x1p20, 0x1p20);
        if (i % 16 == 0)                         /* the hardest: near n pi/2 */
            x[SINE] = (double)(i * 7) * 1.57079632679489661923;
        x[COSINE] = x[SINE];
        y[EXP] = lh_exp64(x[EXP]);
        y[LOG] = lh_log64(x[LOG]);
        y[LOG_NEAR] = lh_log64(x[LOG_NEAR]);
        y[POW] = lh_pow64(x[POW], power);
        y[POW_BETA] = lh_pow64(x[POW_BETA], step);
        lh_sincos64(x[SINE], &y[SINE], &y[COSINE]);
        wanted[EXP] = expl(x[EXP]);
        wanted[LOG] = logl(x[LOG]);
        wanted[LOG_NEAR] = logl(x[LOG_NEAR]);
        wanted[POW] = powl(x[POW], power);
        wanted[POW_BETA] = powl(x[POW_BETA], step);
        wanted[SINE] = sinl(x[SINE]);
        wanted[COSINE] = cosl(x[COSINE]);
        for (int f = 0; f < FUNCTIONS; f++) {
            double error = ulps(y[f], wanted[f]);
            worst[f] = error > worst[f] ? error : worst[f];
            hash = mix(hash, y[f]);
        }
    }
    volatile long double one = 1, wider = one + DBL_EPSILON / 1024;
    if (wider == one)
        SKIP("the error of double functions",
             "long double is no wider than double here (valgrind?)");
    for (int f = 0; f < FUNCTIONS && wider != one; f++) {
        printf("  %-14s at most %.3f ulp\n", name[f], worst[f]);
        CHECK(worst[f] <= bound[f]);
    }
    /* The same bits wherever this is built. */
    if (hash != 0x107638cc500d26b1u)
        printf("    the hash is 0x%016" PRIx64 "\n", hash);
    CHECK(hash == 0x107638cc500d26b1u);
}

static void test_math_special(void)
{
    double s, c;
    CHECK(lh_exp64(0) == 1 && lh_exp64(-0.0) == 1);
    CHECK(lh_exp64(710) == INFINITY && lh_exp64(-746) == 0);
    CHECK(lh_exp64(INFINITY) == INFINITY && lh_exp64(-INFINITY) == 0);
    CHECK(isnan(lh_exp64(NAN)));
    CHECK(lh_exp64(709.782712893384) < INFINITY);
    CHECK(lh_exp64(709.7827128933841) == INFINITY);
    CHECK(lh_exp64(-745) == 0x1p-1074);
    CHECK(lh_log64(1) == 0 && lh_log64(0) == -INFINITY);
    CHECK(lh_log64(-0.0) == -INFINITY && lh_log64(INFINITY) == INFINITY);
    CHECK(isnan(lh_log64(-1)) && isnan(lh_log64(NAN)));
    CHECK(isnan(lh_log64(-INFINITY)));
    static const double xs[] = { 0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3,
        10, INFINITY, -INFINITY, NAN, 1 + DBL_EPSILON, 1 - DBL_EPSILON / 2,
        DBL_MAX, DBL_MIN, 0x1p-1074, -0x1p-1074, 1e300, -1e300 };
    for (size_t i = 0; i < LH_COUNT(xs); i++)
        for (size_t j = 0; j < LH_COUNT(xs); j++) {
            double got = lh_pow64(xs[i], xs[j]), wanted = pow(xs[i], xs[j]);
            bool ok = isnan(wanted) ? isnan(got)
                    : isinf(wanted) || wanted == 0
                    ? bits_of(got) == bits_of(wanted)
                    : ulps(got, wanted) <= 1.01;
            if (!ok)
                printf("    pow(%a, %a) = %a, not %a\n", xs[i], xs[j], got,
                       wanted);
            CHECK(ok);
        }
    CHECK(lh_pow64(10, 3) == 1000 && lh_pow64(10, -2) == 0.01);
    CHECK(lh_pow64(2, -1074) == 0x1p-1074);
    lh_sincos64(0, &s, &c);
    CHECK(s == 0 && !signbit(s) && c == 1);
    lh_sincos64(-0.0, &s, &c);
    CHECK(s == 0 && signbit(s) && c == 1);
    lh_sincos64(1e-320, &s, &c);
    CHECK(s == 1e-320 && c == 1);
    static const double outside[] = { 0x1p20, -0x1p20, INFINITY, NAN };
    for (int i = 0; i < 4; i++) {
        lh_sincos64(outside[i], &s, &c);
        CHECK(isnan(s) && isnan(c));
    }
    CHECK(lh_sqrt64(2) == 0x1.6a09e667f3bcdp+0);
}

/* What has gone into files stays: a seed means the same for ever. */
static void test_golden(void)
{
    lh_rng rng = lh_rng_start(42, LH_STREAM_WEIGHTS);
    uint64_t hash = 0xcbf29ce484222325u;
    int64_t order[50];
    for (int i = 0; i < 1000; i++)
        hash = mix(hash, lh_rng_normal(&rng));
    for (uint64_t n = 1; n < 1000; n++)
        hash = mix(hash, (double)(int64_t)lh_rng_below(&rng, n));
    lh_rng_shuffle(&rng, order, 50);
    for (int i = 0; i < 50; i++)
        hash = mix(hash, (double)order[i]);
    if (hash != 0xcec7c4118e26f093u)
        printf("    the hash is 0x%016" PRIx64 "\n", hash);
    CHECK(hash == 0xcec7c4118e26f093u);
}

/* A permutation for each key and length, and not the same one. */
static void test_permuted(void)
{
    static const uint64_t length[] = { 1, 2, 3, 5, 64, 65, 1000, 70000 };
    static unsigned char seen[70000];
    for (size_t j = 0; j < LH_COUNT(length); j++) {
        uint64_t n = length[j], fixed = 0, same = 0;
        memset(seen, 0, sizeof seen);
        bool right = true;
        for (uint64_t i = 0; i < n; i++) {
            uint64_t at = lh_permuted(7, n, i);
            right = right && at < n && !seen[at];
            seen[at < n ? at : 0] = 1;
            fixed += at == i;
            same += at == lh_permuted(8, n, i);
        }
        CHECK(right);
        CHECK(n < 1000 || (fixed < 20 && same < 20));
    }
}

int main(void)
{
    test_permuted();
    test_context();
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    test_errors(ctx);
    lh_context_free(ctx);
    test_memory();
    test_buffer();
    test_number_text();
    test_number_long();
    test_number_random();
    test_number_locale();
    test_integers();
    test_philox();
    test_rng();
    test_shuffle();
    test_math_ulp();
    test_math_special();
    test_golden();
    return test_end("base");
}
