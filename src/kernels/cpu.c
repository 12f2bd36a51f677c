/* Detection: CPUID and XGETBV on x86; AArch64 always has what its row needs.
 * Read cpu.h first.  Nothing here reads a file or keeps state. */
#include "kernels/cpu.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* ---------------------------------------------------------- detection -- */

#if defined(__x86_64__) || defined(__i386__)

/* Which registers the system saves: XCR0.  Only where OSXSAVE is set; the
 * bytes are xgetbv, which old assemblers do not know without -mxsave. */
static uint32_t cpu_saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0"
                     : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* A feature that a bit of a register tells. */
#define CPU_HAS(word, bit, name) ((word) >> (bit) & 1 ? LH_CPU_BIT(name) : 0)

LH_INTERNAL uint32_t lh_cpu_features(void)
{
    unsigned a, b, c, d;
    uint32_t found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    found |= CPU_HAS(d, 26, sse2);
#if !defined(__x86_64__)
    return found;                /* the vector rows are made for 64 bits   */
#endif
    if (c & 1u << 27) {                          /* OSXSAVE                */
        uint32_t saved = cpu_saved_state();
        if ((saved & 0x6) == 0x6)
            found |= LH_CPU_BIT(ymm);
        if ((saved & 0xe6) == 0xe6)
            found |= LH_CPU_BIT(zmm);
    }
    found |= CPU_HAS(c, 12, fma);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return found;
    found |= CPU_HAS(b, 5, avx2) | CPU_HAS(b, 16, avx512f) |
             CPU_HAS(b, 17, avx512dq) | CPU_HAS(b, 30, avx512bw) |
             CPU_HAS(b, 31, avx512vl);
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        found |= CPU_HAS(a, 5, avx512_bf16);
    return found;
}
#undef CPU_HAS

LH_INTERNAL void lh_cpu_brand(char name[LH_CPU_NAME_SIZE])
{
    unsigned r[12];
    char brand[sizeof r + 1] = { 0 };
    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1],
                         &r[4 * i + 2], &r[4 * i + 3])) {
            strcpy(name, "x86 without a name");
            return;
        }
    memcpy(brand, r, sizeof r);
    size_t out = 0;
    for (const char *s = brand; *s; s++)         /* blanks: one, not first */
        if (*s != ' ' || (out && s[1] && s[1] != ' '))
            name[out++] = *s;
    name[out] = '\0';
}

#elif defined(__aarch64__)

LH_INTERNAL uint32_t lh_cpu_features(void)
{
    uint32_t found = LH_CPU_BIT(neon) | LH_CPU_BIT(fma);
#if defined(__linux__)
    if (getauxval(AT_HWCAP2) & 1ul << 14)        /* HWCAP2_BF16            */
        found |= LH_CPU_BIT(neon_bf16);
#endif
    return found;
}

/* The main ID register in hexadecimal where the system lets us read it. */
LH_INTERNAL void lh_cpu_brand(char name[LH_CPU_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    strcpy(name, "AArch64");
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & 1ul << 11) {       /* HWCAP_CPUID            */
        uint64_t id;
        __asm__("mrs %0, midr_el1" : "=r"(id));
        strcpy(name, "AArch64 implementer 0x__ part 0x___");
        name[22] = digits[id >> 28 & 15];
        name[23] = digits[id >> 24 & 15];
        name[32] = digits[id >> 12 & 15];
        name[33] = digits[id >> 8 & 15];
        name[34] = digits[id >> 4 & 15];
    }
#else
    (void)digits;
#endif
}

#else

LH_INTERNAL uint32_t lh_cpu_features(void)
{
    return 0;
}

LH_INTERNAL void lh_cpu_brand(char name[LH_CPU_NAME_SIZE])
{
    strcpy(name, "a CPU that Longhand has only plain C for");
}

#endif

/* -------------------------------------------------------------- needs -- */

LH_INTERNAL const char *lh_cpu_lacks(uint32_t features, lh_isa isa)
{
    enum { NEON = LH_CPU_BIT(neon) | LH_CPU_BIT(fma),
           AVX512 = LH_CPU_BIT(zmm) | LH_CPU_BIT(fma) | LH_CPU_BIT(avx2) |
                    LH_CPU_BIT(avx512f) | LH_CPU_BIT(avx512dq) |
                    LH_CPU_BIT(avx512bw) | LH_CPU_BIT(avx512vl) };
    static const uint32_t needs[LH_ISA_COUNT] = {
        [LH_ISA_sse2] = LH_CPU_BIT(sse2),
        [LH_ISA_neon] = NEON,
        [LH_ISA_neon_bf16] = NEON | LH_CPU_BIT(neon_bf16),
        /* AVX2 without FMA exists on some hypervisors. */
        [LH_ISA_avx2] = LH_CPU_BIT(ymm) | LH_CPU_BIT(fma) |
                        LH_CPU_BIT(avx2),
        [LH_ISA_avx512] = AVX512,
        [LH_ISA_avx512_bf16] = AVX512 | LH_CPU_BIT(avx512_bf16),
    };
    static const char *const lacks[LH_CPU_FEATURE_COUNT] = {
#define LH_X(name, text) "this CPU has no " text,
        LH_CPU_FEATURES(LH_X)
#undef LH_X
    };
    uint32_t missing = needs[isa] & ~features;
    /* The feature itself says more than the system's part in it. */
    uint32_t system = LH_CPU_BIT(ymm) | LH_CPU_BIT(zmm);
    if (missing & ~system)
        missing &= ~system;
    for (int i = 0; i < LH_CPU_FEATURE_COUNT; i++)
        if (missing & 1u << i)
            return lacks[i];
    return NULL;
}
