/* What the files of `longhand bench` share: the clock, the limits and the
 * lines.  bench.c has the table of works, bench_kernels.c times kernels
 * alone, bench_models.c whole nodes, steps and tokens. */
#pragma once

#include "cli/cli.h"

typedef struct bench {
    const cli_options *o;
    lh_context *ctx;
    double seconds;               /* for each work                         */
    double peak;                  /* FLOP/s of one core, the best of all that
                                     was measured so far; 0: nothing yet   */
} bench;

typedef struct bench_work {
    const char *name;
    int (*run)(bench *b, const struct bench_work *w);
    int64_t size[4];
    const char *kind;             /* a kernel's or a preset's name         */
} bench_work;

/* Seconds of one round of what is done again and again, below 0 where it
 * fails: the least of many slices, in turn with the FMA loop, since whatever
 * disturbs makes it slower. */
double bench_time(bench *b, lh_status (*round)(void *user), void *user);

/* One line: seconds of one (below 0: it failed); rate in unit; limit 0: none
 * is known. */
int bench_say(bench *b, const char *name, double seconds, double rate,
              const char *unit, double limit);
/* The same from FLOPs, beside all threads' FMA loop. */
int bench_flops(bench *b, const char *name, double seconds, double flops);

/* bench_kernels.c: size and kind of lh_kernel_time(). */
int bench_kernel(bench *b, const bench_work *w);
int bench_attention(bench *b, const bench_work *w);
/* The matrix products of a preset's step: size is rows, vocabulary, 1 for
 * bf16. */
int bench_products(bench *b, const bench_work *w);

/* bench_models.c: of micro size is batch, width; of a step batch, T,
 * vocabulary, 1 for bf16. */
int bench_node(bench *b, const bench_work *w);
int bench_micro(bench *b, const bench_work *w);
int bench_step(bench *b, const bench_work *w);
int bench_decode(bench *b, const bench_work *w);
