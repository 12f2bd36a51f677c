/* Detection and choice: features and masks, limits that can only lower,
 * LONGHAND_CPU, the reasons that `info` prints, one table for all threads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test.h"

#include "base/context.h"
#include "kernels/cpu.h"

#include <pthread.h>

static uint32_t features;

static bool here(lh_isa isa)
{
    return !lh_cpu_lacks(features, isa);
}

/* What each set needs, said a second time. */
static void check_needs(void)
{
    uint32_t all = (1u << LH_CPU_FEATURE_COUNT) - 1u;
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
        CHECK(lh_cpu_lacks(all, isa) == NULL);
    CHECK(lh_cpu_lacks(0, LH_ISA_c) == NULL);
    CHECK_STR(lh_cpu_lacks(0, LH_ISA_sse2), "this CPU has no SSE2");
    CHECK_STR(lh_cpu_lacks(0, LH_ISA_neon), "this CPU has no Advanced SIMD");
    /* AVX2 does not imply FMA, and neither the system's support. */
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(fma), LH_ISA_avx2),
              "this CPU has no FMA");
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(ymm), LH_ISA_avx2),
              "this CPU has no system that saves AVX registers");
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(zmm), LH_ISA_avx512),
              "this CPU has no system that saves AVX-512 registers");
    CHECK(lh_cpu_lacks(all & ~LH_CPU_BIT(zmm), LH_ISA_avx2) == NULL);
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(avx512vl), LH_ISA_avx512),
              "this CPU has no AVX-512 VL");
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(neon_bf16), LH_ISA_neon_bf16),
              "this CPU has no BF16 instructions");
    CHECK_STR(lh_cpu_lacks(all & ~LH_CPU_BIT(avx512_bf16),
                           LH_ISA_avx512_bf16),
              "this CPU has no AVX-512 BF16");
    CHECK_STR(lh_cpu_lacks(LH_CPU_BIT(sse2) | LH_CPU_BIT(ymm) |
                           LH_CPU_BIT(fma) | LH_CPU_BIT(avx2),
                           LH_ISA_avx512), "this CPU has no AVX-512");
}

/* A table for every mask that this CPU allows: never a row from a set whose
 * features are masked out, never an empty slot. */
static void check_masks(void)
{
    char *memory = calloc(LH_SELFTEST_SCRATCH * 4 + LH_ALIGN, 1);
    if (!memory)
        exit(2);
    float *scratch = (float *)(void *)(memory + LH_ALIGN -
                                       (uintptr_t)memory % LH_ALIGN);
    for (int i = -1; i < LH_CPU_FEATURE_COUNT; i++) {
        uint32_t mask = i < 0 ? features : features & ~(1u << i);
        lh_kernels table;
        lh_kernels_build(mask, LH_ISA_COUNT - 1, &table, scratch);
        CHECK(table.failed == 0);
        CHECK(lh_cpu_lacks(mask, table.isa) == NULL);
        for (int k = 0; k < LH_KERNEL_COUNT; k++) {
            CHECK(table.fn[k] != NULL);
            CHECK(lh_cpu_lacks(mask, table.row[k]) == NULL);
            CHECK(table.row[k] <= table.isa);
        }
    }
    free(memory);
}

/* ------------------------------------------------------------- limits -- */

static void check_limits(void)
{
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++) {
        lh_settings settings = { .threads = 1, .cpu = lh_isa_name(isa) };
        lh_context *ctx = lh_context_new(&settings);
        CHECK(ctx != NULL);
        if (!ctx)
            continue;
        if (here(isa)) {
            CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
            CHECK_STR(lh_cpu_level(ctx), lh_isa_name(isa));
        } else {
            CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
            CHECK_STR(lh_cpu_level(ctx), "c");
            CHECK(strstr(lh_error_message(ctx), "this CPU has no") != NULL);
        }
        lh_context_free(ctx);
    }
    lh_settings wrong = { .threads = 1, .cpu = "avx1024" };
    lh_context *ctx = lh_context_new(&wrong);
    CHECK(ctx != NULL);
    if (!ctx)
        return;
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    CHECK(strstr(lh_error_message(ctx), "avx1024") != NULL);
    CHECK_STR(lh_cpu_level(ctx), "c");
    lh_context_free(ctx);
}

/* The level and status of a context made under LONGHAND_CPU=value. */
static void check_variable(const char *value, const char *level,
                           lh_status status)
{
    if (value)
        setenv("LONGHAND_CPU", value, 1);
    else
        unsetenv("LONGHAND_CPU");
    lh_context *ctx = lh_context_new(NULL);
    CHECK(ctx != NULL);
    if (!ctx)
        return;
    CHECK_STR(lh_cpu_level(ctx), level);
    CHECK_EQ_INT(lh_error_status(ctx), status);
    if (status)
        CHECK(strstr(lh_error_message(ctx), "LONGHAND_CPU") != NULL &&
              strstr(lh_error_message(ctx), "c") != NULL);
    lh_context_free(ctx);
}

static void check_environment(void)
{
    const char *was = getenv("LONGHAND_CPU");
    char *keep = was ? strdup(was) : NULL;
    lh_isa best = LH_ISA_c;
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
        if (here(isa))
            best = isa;
    check_variable(NULL, lh_isa_name(best), LH_OK);
    check_variable("", lh_isa_name(best), LH_OK);
    check_variable("mmx", "c", LH_ERROR_ARGUMENT);
    check_variable("AVX2", "c", LH_ERROR_ARGUMENT);
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
        check_variable(lh_isa_name(isa), here(isa) ? lh_isa_name(isa) : "c",
                       here(isa) ? LH_OK : LH_ERROR_ARGUMENT);
    if (keep)
        setenv("LONGHAND_CPU", keep, 1);
    else
        unsetenv("LONGHAND_CPU");
    free(keep);
}

/* ------------------------------------------------------------ reasons -- */

static void check_reasons(void)
{
    lh_settings settings = { .threads = 1, .cpu = "c" };
    lh_context *ctx = lh_context_new(&settings);
    const char *why = NULL, *name = NULL;
    CHECK(ctx != NULL);
    if (!ctx)
        return;
    for (int i = 0; i < LH_ISA_COUNT; i++) {
        CHECK_STR(lh_cpu_reason(ctx, i, &why), lh_isa_name((lh_isa)i));
        if (i == LH_ISA_c)
            CHECK_STR(why, "in use");
        else if (here((lh_isa)i))
            CHECK(strstr(why, "above LONGHAND_CPU") != NULL);
        else
            CHECK_STR(why, lh_cpu_lacks(features, (lh_isa)i));
    }
    CHECK(lh_cpu_reason(ctx, -1, &why) == NULL);
    CHECK(lh_cpu_reason(ctx, LH_ISA_COUNT, NULL) == NULL);
    CHECK(lh_cpu_reason(NULL, 0, NULL) == NULL);
    CHECK_EQ_INT(lh_kernel_count(), LH_KERNEL_COUNT);
    CHECK_STR(lh_kernel_row(ctx, LH_KERNEL_gemm, &name), "c");
    CHECK_STR(name, "gemm");
    CHECK_STR(lh_kernel_name(LH_KERNEL_relu_backward), "relu_backward");
    CHECK(lh_kernel_row(ctx, lh_kernel_count(), &name) == NULL);
    CHECK(lh_kernel_row(ctx, -1, &name) == NULL);
    const char *cpu = lh_cpu_name(ctx);
    CHECK(cpu && cpu[0] && cpu[0] != ' ' && cpu[strlen(cpu) - 1] != ' ');
    CHECK(lh_cpu_name(ctx) == cpu);
    CHECK(lh_limit_fma(ctx, 0.001) > 0.0);
    CHECK(lh_limit_barrier(ctx, 0.001) > 0.0);
    CHECK(lh_limit_fma(NULL, 0.001) <= 0.0);
    lh_context_free(ctx);
}

/* ------------------------------------------------------------ threads -- */

static void *get_table(void *arg)
{
    return (void *)lh_kernels_get(NULL, arg);
}

/* Eight threads ask at once, first of all: one table, complete. */
static void check_race(void)
{
    lh_isa best = LH_ISA_c;
    pthread_t thread[8];
    void *table[8] = { 0 };
    int made = 0;
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
        if (here(isa))
            best = isa;
    for (; made < 8; made++)
        if (pthread_create(&thread[made], NULL, get_table,
                           (void *)lh_isa_name(best)) != 0)
            break;
    for (int i = 0; i < made; i++) {
        pthread_join(thread[i], &table[i]);
        CHECK(table[i] && table[i] == table[0]);
        CHECK(table[i] && ((lh_kernels *)table[i])->fn[0] != NULL);
    }
}

int main(void)
{
    features = lh_cpu_features();
    check_race();
    check_needs();
    check_masks();
    check_limits();
    check_environment();
    check_reasons();
    return test_end("cpu");
}
