/* The kernel tables: which function runs for each kernel.
 *
 * One table for each limit that was asked for, built at its first use in
 * static storage and never changed after that: the library's only writable
 * globals.  No lock and no constructor: a table is published through an
 * atomic of three states, and who comes while it is being built yields.
 * Read kernels.h and cpu.h first. */
#include "base/context.h"
#include "base/fpenv.h"
#include "kernels/cpu.h"

#include <sched.h>
#include <stdlib.h>

enum { TABLE_ABSENT, TABLE_IN_WORK, TABLE_READY };

/* Indexed by the limit. */
static lh_kernels table_of[LH_ISA_COUNT];
static atomic_int table_state[LH_ISA_COUNT];
static char table_cpu_name[LH_CPU_NAME_SIZE];
static atomic_int table_cpu_state;

/* -------------------------------------------------------------- names -- */

LH_INTERNAL const char *lh_kernel_name(lh_kernel kernel)
{
    static const char *const names[LH_KERNEL_COUNT] = {
#define KERNEL(name, doc) #name,
#include "kernels/kernels.def"
    };
    return (unsigned)kernel < LH_KERNEL_COUNT ? names[kernel] : NULL;
}

LH_INTERNAL const char *lh_isa_name(lh_isa isa)
{
    static const char *const names[LH_ISA_COUNT] = {
#define LH_X(name, doc) #name,
        LH_ISAS(LH_X)
#undef LH_X
    };
    return (unsigned)isa < LH_ISA_COUNT ? names[isa] : NULL;
}

/* ------------------------------------------------------------ building -- */

static void table_fill(lh_isa isa, lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    static void (*const rows[LH_ISA_COUNT])(lh_kernel_fn **) = {
#define LH_X(name, doc) lh_rows_##name,
        LH_ISAS(LH_X)
#undef LH_X
    };
    rows[isa](fn);
}

LH_INTERNAL void lh_kernels_build(uint32_t features, lh_isa limit,
                                  lh_kernels *table, float *scratch)
{
    lh_kernel_fn *plain[LH_KERNEL_COUNT] = { 0 };
    memset(table, 0, sizeof *table);
    table_fill(LH_ISA_c, plain);
    memcpy(table->fn, plain, sizeof plain);
    if (limit > LH_ISA_c)
        lh_kernel_selftest_start(scratch);
    for (lh_isa isa = LH_ISA_c + 1; isa <= limit; isa++) {
        lh_kernel_fn *fn[LH_KERNEL_COUNT] = { 0 };
        int rows = 0, good = 0;
        if (lh_cpu_lacks(features, isa))
            continue;
        table_fill(isa, fn);
        for (int k = 0; k < LH_KERNEL_COUNT; k++) {
            if (!fn[k])
                continue;
            rows++;
            if (!lh_kernel_selftest((lh_kernel)k, plain[k], fn[k], scratch))
                continue;
            good++;
            table->fn[k] = fn[k];
            table->row[k] = isa;
        }
        if (good < rows)
            table->failed |= 1u << isa;
        if (good || !rows)
            table->isa = isa;
    }
}

/* Builds the table for a limit, or waits for who is building it.  A better
 * set than C needs memory for its self-test. */
static lh_status table_make(lh_context *ctx, lh_isa limit)
{
    float *scratch = NULL;
    int absent = TABLE_ABSENT;
    if (limit > LH_ISA_c) {
        scratch = lh_floats_alloc(ctx, LH_SELFTEST_SCRATCH);
        if (!scratch)
            return LH_ERROR_MEMORY;
    }
    if (atomic_compare_exchange_strong(&table_state[limit], &absent,
                                       TABLE_IN_WORK)) {
        lh_fpenv saved = lh_fpenv_enter();
        lh_kernels_build(lh_cpu_features(), limit, &table_of[limit],
                         scratch);
        lh_fpenv_leave(saved);
        atomic_store_explicit(&table_state[limit], TABLE_READY,
                              memory_order_release);
    }
    lh_floats_free(ctx, scratch);
    while (atomic_load_explicit(&table_state[limit], memory_order_acquire) !=
           TABLE_READY)
        sched_yield();
    return LH_OK;
}

/* ------------------------------------------------------------- choosing -- */

/* The instruction sets that are here, as "c, sse2, avx2". */
static void table_list(uint32_t features, char list[96])
{
    list[0] = '\0';
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
        if (!lh_cpu_lacks(features, isa)) {
            if (list[0])
                strcat(list, ", ");
            strcat(list, lh_isa_name(isa));
        }
}

LH_INTERNAL const lh_kernels *lh_kernels_get(lh_context *ctx,
                                             const char *cpu)
{
    uint32_t features = lh_cpu_features();
    const char *source = "cpu", *lacks = NULL;
    char list[96];
    lh_isa limit = LH_ISA_c;
    if (!cpu) {
        source = "LONGHAND_CPU";
        cpu = getenv(source);
    }
    if (!cpu || !cpu[0]) {                       /* no limit: the best     */
        for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++)
            if (!lh_cpu_lacks(features, isa))
                limit = isa;
    } else {
        while (limit < LH_ISA_COUNT && strcmp(cpu, lh_isa_name(limit)) != 0)
            limit++;
        table_list(features, list);
        if (limit == LH_ISA_COUNT)
            return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "%s is \"%.40s\","
                                " which is no instruction set that Longhand"
                                " knows; it may be one of %s here", source,
                                cpu, list);
        lacks = lh_cpu_lacks(features, limit);
        if (lacks)
            return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "%s is \"%s\", but %s;"
                                " it may be one of %s here", source, cpu,
                                lacks, list);
    }
    if (atomic_load_explicit(&table_state[limit], memory_order_acquire) !=
            TABLE_READY && table_make(ctx, limit))
        return NULL;
    return &table_of[limit];
}

/* ---------------------------------------------------- public functions -- */

LH_API const char *lh_cpu_name(const lh_context *ctx)
{
    int absent = TABLE_ABSENT;
    (void)ctx;
    if (atomic_compare_exchange_strong(&table_cpu_state, &absent,
                                       TABLE_IN_WORK)) {
        lh_cpu_brand(table_cpu_name);
        atomic_store_explicit(&table_cpu_state, TABLE_READY,
                              memory_order_release);
    }
    while (atomic_load_explicit(&table_cpu_state, memory_order_acquire) !=
           TABLE_READY)
        sched_yield();
    return table_cpu_name;
}

LH_API const char *lh_cpu_level(const lh_context *ctx)
{
    return ctx && ctx->kernels ? lh_isa_name(ctx->kernels->isa) : NULL;
}

LH_API int lh_kernel_count(void)
{
    return LH_KERNEL_COUNT;
}

LH_API const char *lh_kernel_row(const lh_context *ctx, int i,
                                 const char **name)
{
    if (!ctx || !ctx->kernels || i < 0 || i >= LH_KERNEL_COUNT)
        return NULL;
    if (name)
        *name = lh_kernel_name((lh_kernel)i);
    return lh_isa_name(ctx->kernels->row[i]);
}

LH_API const char *lh_cpu_reason(const lh_context *ctx, int i,
                                 const char **why)
{
    if (!ctx || !ctx->kernels || i < 0 || i >= LH_ISA_COUNT)
        return NULL;
    const lh_kernels *table = ctx->kernels;
    lh_isa isa = (lh_isa)i;
    bool failed = table->failed >> i & 1;
    const char *reason = lh_cpu_lacks(lh_cpu_features(), isa);
    if (!reason && failed)
        reason = isa == table->isa ? "in use, without the rows that failed"
                                     " their self-test"
                                   : "failed its self-test";
    if (!reason && isa == table->isa)
        reason = "in use";
    if (!reason && isa > table->isa)
        reason = "above LONGHAND_CPU, or the cpu that was asked for";
    if (!reason)
        reason = "in use where no better set has the kernel";
    if (why)
        *why = reason;
    return lh_isa_name(isa);
}
