/* What the CPU and the operating system can do together.
 *
 * Owns: the list of features, their detection, and which of them each
 * instruction set of the kernel table needs.  Refuses to guess: a feature
 * counts only where the CPU has it and the system saves its registers. */
#pragma once

#include "kernels/kernels.h"

/* Bit numbers, made by the compiler, so that no two can collide.  The text
 * goes behind "this CPU has no ". */
#define LH_CPU_FEATURES(X) \
    X(sse2,     "SSE2") \
    X(neon,     "Advanced SIMD") \
    X(neon_bf16, "BF16 instructions") \
    X(ymm,      "system that saves AVX registers") \
    X(fma,      "FMA") \
    X(avx2,     "AVX2") \
    X(zmm,      "system that saves AVX-512 registers") \
    X(avx512f,  "AVX-512") \
    X(avx512dq, "AVX-512 DQ") \
    X(avx512bw, "AVX-512 BW") \
    X(avx512vl, "AVX-512 VL") \
    X(avx512_bf16, "AVX-512 BF16")

typedef enum lh_cpu_feature {
#define LH_X(name, text) LH_CPU_##name,
    LH_CPU_FEATURES(LH_X)
#undef LH_X
    LH_CPU_FEATURE_COUNT
} lh_cpu_feature;

#define LH_CPU_BIT(name) (1u << LH_CPU_##name)

/* The bits of the features that are here. */
LH_INTERNAL uint32_t lh_cpu_features(void);

/* The CPU's own name into `name`, or what is known instead. */
#define LH_CPU_NAME_SIZE 64
LH_INTERNAL void lh_cpu_brand(char name[LH_CPU_NAME_SIZE]);

/* NULL where `features` has all that `isa` needs, else one line that says
 * what is missing. */
LH_INTERNAL const char *lh_cpu_lacks(uint32_t features, lh_isa isa);

/* Fills *table with the best rows of the instruction sets up to `limit` that
 * `features` allows; rows that differ from plain C on a known input are left
 * out.  scratch: LH_SELFTEST_SCRATCH floats, aligned to LH_ALIGN.  Pure: it
 * depends on nothing else, so tests build tables for any mask that the CPU
 * allows.  In table.c. */
LH_INTERNAL void lh_kernels_build(uint32_t features, lh_isa limit,
                                  lh_kernels *table, float *scratch);

/* Whether fn gives the bytes that plain gives on a small fixed input, which
 * _start puts into the scratch once, behind what any of its kernels takes: a
 * few microseconds.  In selftest.c. */
#define LH_SELFTEST_SCRATCH (LH_GEMM_SCRATCH + 3 * 1024)
LH_INTERNAL void lh_kernel_selftest_start(float *scratch);
LH_INTERNAL bool lh_kernel_selftest(lh_kernel kernel, lh_kernel_fn *plain,
                                    lh_kernel_fn *fn, float *scratch);
