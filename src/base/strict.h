/* One arithmetic, the compiler's part: a*b+c is never fused behind our back.
 * The first include of every file whose floating point can reach a weight, a
 * logit or a token.  gcc (12.2 seen) ignores the standard's pragma and obeys
 * its own; clang obeys the standard's. */
#pragma once

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
