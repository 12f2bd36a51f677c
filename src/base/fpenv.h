/* The floating-point environment: every public entry that computes puts the
 * host's aside (flush-to-zero, odd rounding, unmasked traps), works with the
 * IEEE defaults and restores it.  Worker threads enter once, for good. */
#ifndef LH_FPENV_H
#define LH_FPENV_H

#include <stdint.h>

#if defined(__SSE2__) || defined(__x86_64__)
#include <xmmintrin.h>
typedef unsigned lh_fpenv;
static inline lh_fpenv lh_fpenv_enter(void)
{
    unsigned saved = _mm_getcsr();
    if ((saved & ~0x3fu) != 0x1f80u)       /* all but the sticky flags     */
        _mm_setcsr(0x1f80u);
    return saved;
}
static inline void lh_fpenv_leave(lh_fpenv saved)
{
    if ((saved & ~0x3fu) != 0x1f80u)
        _mm_setcsr(saved);
}
#elif defined(__aarch64__)
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
    if (saved)
        lh_fpenv_set(saved);
}
#else
#include <fenv.h>
typedef fenv_t lh_fpenv;
static inline lh_fpenv lh_fpenv_enter(void)
{
    fenv_t saved;
    fegetenv(&saved);
    fesetenv(FE_DFL_ENV);
    return saved;
}
static inline void lh_fpenv_leave(lh_fpenv saved)
{
    fesetenv(&saved);
}
#endif

#endif
