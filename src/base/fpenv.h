/* The floating-point environment: every public entry that computes puts the
 * host's aside (flush-to-zero, odd rounding, unmasked traps), works with the
 * IEEE defaults and restores it.  Worker threads enter once, for good.
 *
 * Sticky exception flags are not the host's settings: where they come with
 * the control register they are left as the computation leaves them. */
#pragma once

#include <stdint.h>

/* Nothing that is computed may move across a change of the environment:
 * operands come from memory, and this keeps memory in order. */
#define LH_FPENV_FENCE() __asm__ volatile("" : : : "memory")

/* The same for what a function has in registers alone: what is computed from
 * the variable x behind this is not computed before it. */
#define LH_FPENV_PIN(x) __asm__ volatile("" : "+m"(x))

#if defined(__SSE2__) || defined(__x86_64__)
#if defined(__i386__)
/* Without 64-bit registers compilers take the x87 unit to turn 64-bit
 * integers into doubles, and round by its control word: the processor's own
 * default is all traps masked, 64 bits of mantissa, to nearest. */
typedef struct lh_fpenv {
    unsigned sse;
    unsigned short x87;
} lh_fpenv;
static inline void lh_fpenv_x87(unsigned short word)
{
    __asm__ volatile("fldcw %0" : : "m"(word) : "memory");
}
#else
typedef struct lh_fpenv {
    unsigned sse;
} lh_fpenv;
#endif
static inline lh_fpenv lh_fpenv_enter(void)
{
    lh_fpenv saved;
    saved.sse = __builtin_ia32_stmxcsr();
    if ((saved.sse & ~0x3fu) != 0x1f80u)   /* all but the sticky flags     */
        __builtin_ia32_ldmxcsr(0x1f80u);
#if defined(__i386__)
    __asm__ volatile("fnstcw %0" : "=m"(saved.x87));
    if ((saved.x87 & 0xf3f) != 0x33f)
        lh_fpenv_x87(0x37f);
#endif
    LH_FPENV_FENCE();
    return saved;
}
static inline void lh_fpenv_leave(lh_fpenv saved)
{
    LH_FPENV_FENCE();
    if ((saved.sse & ~0x3fu) != 0x1f80u)
        __builtin_ia32_ldmxcsr(saved.sse);
#if defined(__i386__)
    if ((saved.x87 & 0xf3f) != 0x33f)
        lh_fpenv_x87(saved.x87);
#endif
}
#elif defined(__aarch64__)
/* FPCR: rounding, flush-to-zero (FZ, FZ16, FIZ), default NaN and traps are
 * all off at 0.  Flags live in FPSR and stay. */
typedef uint64_t lh_fpenv;
static inline void lh_fpenv_set(uint64_t value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value) : "memory");
}
static inline lh_fpenv lh_fpenv_enter(void)
{
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved) : : "memory");
    if (saved)
        lh_fpenv_set(0);
    return saved;
}
static inline void lh_fpenv_leave(lh_fpenv saved)
{
    LH_FPENV_FENCE();
    if (saved)
        lh_fpenv_set(saved);
}
#else
/* RISC-V, s390x, POWER, ...: the C library knows the register.  (RISC-V has
 * rounding and flags alone; POWER's and s390x's masks come along.) */
#include <fenv.h>
typedef fenv_t lh_fpenv;
static inline lh_fpenv lh_fpenv_enter(void)
{
    fenv_t saved;
    fegetenv(&saved);
    fesetenv(FE_DFL_ENV);
    LH_FPENV_FENCE();
    return saved;
}
static inline void lh_fpenv_leave(lh_fpenv saved)
{
    LH_FPENV_FENCE();
    fesetenv(&saved);
}
#endif

#undef LH_FPENV_FENCE
