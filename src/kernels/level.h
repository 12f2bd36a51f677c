/* How hard gcc works on the rows: the second include of their files.  What
 * -O2 adds to -O1 takes a third of their time to compile, and is worth
 * something to intrinsics in three passes alone: registers kept over calls
 * (decoding twice as fast), loads moved out of loops (norms and AdamW a
 * tenth), and vzeroupper, which gcc hides behind the last one.  In the
 * amalgamation inline functions of other files have another level, and would
 * not be inlined.  timing.c, whose cases grow twice as long at -O2, has it,
 * too.  Two passes of -O1 are time for nothing on x86-64; without ivopts
 * AdamW, GELU and norms would take 2 to 12% longer, without thread-jumps
 * transpose(). */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && \
    !defined(LH_AMALGAMATION)
#pragma GCC optimize("O1", "caller-saves", "gcse", "expensive-optimizations")
#if defined(__SSE2__)
#pragma GCC optimize("no-tree-pta", "no-tree-dominator-opts")
#endif
#endif
