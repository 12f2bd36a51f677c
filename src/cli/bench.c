/* longhand bench: how fast, beside what this machine could do.
 *
 * Each work is a row of the table below.  Limits are measured in turn with
 * the work, so that both have the machine's noise: FLOPs beside nothing but
 * fma, bytes beside nothing but reading, whichever binds.  FLOPs: 2mnk per
 * product and attention's causal half, real tokens only, nothing recomputed
 * counted, a training step 3 times its forward. */
#include "cli/bench.h"

/* --------------------------------------------------------------- timing -- */

double bench_time(bench *b, lh_status (*round)(void *user), void *user)
{
    double least = -1, begun = cli_clock();
    int64_t rounds = 1;
    if (round(user))
        return -1;                /* also warms up                         */
    /* Not more than a few, if one is long; not looking at the clock for
     * each, if it is short. */
    if (cli_clock() - begun < b->seconds / 10)
        begun = cli_clock();
    do {
        double peak = lh_limit_fma(b->ctx, 0), start = cli_clock(), now;
        int64_t done = 0;
        if (peak > b->peak)
            b->peak = peak;
        do {
            for (int64_t i = 0; i < rounds; i++)
                if (round(user))
                    return -1;
            done += rounds;
            now = cli_clock();
        } while (now - start < b->seconds / 10);
        if (rounds > 1 || done < 20) {
            double each = (now - start) / (double)done;
            least = least < 0 || each < least ? each : least;
        }
        rounds = done / 20 + 1;
    } while (cli_clock() - begun < b->seconds || least < 0);
    return least;
}

/* -------------------------------------------------------------- results -- */

/* A time in the unit that people read it in. */
static void bench_seconds(char *text, size_t size, double s)
{
    static const char *const unit[] = { "s", "ms", "us", "ns", "ps" };
    int i = 0;
    for (; s < 1 && i < 4; i++)
        s *= 1000;
    snprintf(text, size, "%.*f %s", i < 3 ? 2 : 1, s, unit[i]);
}

int bench_say(bench *b, const char *name, double seconds, double rate,
              const char *unit, double limit)
{
    char text[32];
    if (seconds < 0)
        return lh_error_status(b->ctx) ? cli_error(b->ctx)
                                       : cli_fail("%s: failed", name);
    if (!b->o->given[OPT_json]) {
        bench_seconds(text, sizeof text, seconds);
        printf("%-40s %10s %10.4g %-8s", name, text, rate, unit);
        if (limit > 0)
            printf(" %7.4g %5.1f %%", limit, 100 * rate / limit);
        printf("\n");
        return cli_flush();
    }
    cli_json_text(stdout, "{work", name);
    cli_json_integer(stdout, "threads", lh_threads(b->ctx));
    cli_json_real(stdout, "seconds", seconds);
    cli_json_real(stdout, "rate", rate);
    cli_json_text(stdout, "unit", unit);
    if (limit > 0) {
        cli_json_real(stdout, "limit", limit);
        cli_json_real(stdout, "share", rate / limit);
    }
    puts("}");
    return cli_flush();
}

int bench_flops(bench *b, const char *name, double seconds, double flops)
{
    if (b->peak <= 0)
        b->peak = lh_limit_fma(b->ctx, b->seconds);
    return bench_say(b, name, seconds, flops / seconds * 1e-9, "GFLOP/s",
                     b->peak * lh_threads(b->ctx) * 1e-9);
}

/* --------------------------------------------------------------- limits -- */

static int bench_fma(bench *b, const bench_work *w)
{
    double peak = lh_limit_fma(b->ctx, b->seconds);
    return bench_say(b, w->name, 2 / peak, peak * 1e-9, "GFLOP/s", 0);
}

static int bench_read(bench *b, const bench_work *w)
{
    double rate = lh_limit_read(b->ctx, b->seconds);
    return bench_say(b, w->name, 1 / rate, rate * 1e-9, "GB/s", 0);
}

static int bench_barrier(bench *b, const bench_work *w)
{
    double seconds = lh_limit_barrier(b->ctx, b->seconds);
    return bench_say(b, w->name, seconds, 1e-6 / (seconds > 0 ? seconds : 1),
                     "M/s", 0);
}

/* ---------------------------------------------------------------- works -- */

#define BENCH_PRODUCT(n, form, dtype, kernel) \
    { "gemm " #n " " #form " " #dtype, bench_kernel, { n, n, n, 1 }, \
      #kernel "_" #form },
#define BENCH_GEMM(n) \
    BENCH_PRODUCT(n, nt, f32, gemm) BENCH_PRODUCT(n, nn, f32, gemm) \
    BENCH_PRODUCT(n, tn, f32, gemm)
#define BENCH_GEMM_BF16(n) \
    BENCH_PRODUCT(n, nt, bf16, gemm_bf16) \
    BENCH_PRODUCT(n, nn, bf16, gemm_bf16) \
    BENCH_PRODUCT(n, tn, bf16, gemm_bf16)

#define BENCH_PRODUCTS(preset, rows, vocabulary) \
    { "products " #preset " f32", bench_products, { rows, vocabulary, 0, 0 }, \
      #preset }, \
    { "products " #preset " bf16", bench_products, \
      { rows, vocabulary, 1, 0 }, #preset },

/* Decoding's product, a row of x with a matrix of n rows of k. */
#define BENCH_MATVEC(n, k) \
    { "matvec " #n "x" #k " f32", bench_kernel, { 1, n, k, 1 }, "gemm_nt" },

#define BENCH_ATTENTION(t, d) \
    { "attention " #t " head " #d " f32", bench_attention, \
      { 2048 / t, t, 384 / d, d }, "" },

/* A kernel of rows at a size, in a core's own cache and beyond all. */
#define BENCH_ROWS(kernel, r, c) \
    { #kernel " " #r "x" #c, bench_kernel, { r, c, 1, 1 }, #kernel },
#define BENCH_BOTH(kernel) \
    BENCH_ROWS(kernel, 64, 768) BENCH_ROWS(kernel, 4096, 4096)
#define BENCH_WAYS(op) \
    BENCH_BOTH(op##_forward) BENCH_BOTH(op##_backward)

#define BENCH_MICRO(width) \
    { "micro 1 width " #width, bench_micro, { 1, width, 0, 0 }, "micro" },

#define BENCH_STEP(preset, batch, t, vocabulary) \
    { "step " #preset " f32", bench_step, { batch, t, vocabulary, 0 }, \
      #preset }, \
    { "step " #preset " bf16", bench_step, { batch, t, vocabulary, 1 }, \
      #preset },

static const bench_work bench_table[] = {
    { "fma", bench_fma, { 0 }, "" },
    { "read", bench_read, { 0 }, "" },
    { "barrier", bench_barrier, { 0 }, "" },
    { "node", bench_node, { 0 }, "" },
    BENCH_GEMM(16) BENCH_GEMM(32) BENCH_GEMM(64) BENCH_GEMM(128)
    BENCH_GEMM(256) BENCH_GEMM(512) BENCH_GEMM(1024) BENCH_GEMM(2048)
    BENCH_GEMM(4096)
    BENCH_GEMM_BF16(64) BENCH_GEMM_BF16(256) BENCH_GEMM_BF16(1024)
    BENCH_GEMM_BF16(4096)
    BENCH_PRODUCTS(nano, 768, 65) BENCH_PRODUCTS(small, 4096, 65)
    BENCH_PRODUCTS(gpt2, 256, 50257)
    BENCH_MATVEC(128, 128) BENCH_MATVEC(768, 768) BENCH_MATVEC(3072, 768)
    BENCH_MATVEC(768, 3072) BENCH_MATVEC(50257, 768)
    BENCH_ATTENTION(64, 32) BENCH_ATTENTION(64, 64)
    BENCH_ATTENTION(256, 32) BENCH_ATTENTION(256, 64)
    BENCH_ATTENTION(1024, 32) BENCH_ATTENTION(1024, 64)
    BENCH_ROWS(cross_entropy_forward, 256, 50257)
    BENCH_ROWS(cross_entropy_backward, 256, 50257)
    BENCH_WAYS(layer_norm) BENCH_BOTH(layer_norm_gain) BENCH_WAYS(rms_norm)
    BENCH_WAYS(gelu_tanh) BENCH_WAYS(gelu) BENCH_WAYS(silu)
    BENCH_WAYS(swiglu) BENCH_WAYS(exp) BENCH_WAYS(softmax)
    BENCH_WAYS(dropout)
    BENCH_BOTH(sum_rows) BENCH_BOTH(square_sums) BENCH_BOTH(accumulate)
    BENCH_BOTH(adamw)
    { "embedding_forward 256x768", bench_kernel, { 256, 768, 256, 1 },
      "embedding_forward" },
    { "embedding_backward 256x768", bench_kernel, { 256, 768, 256, 1 },
      "embedding_backward" },
    { "rotary_forward 4096x6x64", bench_kernel, { 4096, 6, 64, 1 },
      "rotary_forward" },
    { "rotary_backward 4096x6x64", bench_kernel, { 4096, 6, 64, 1 },
      "rotary_backward" },
    { "micro 1", bench_micro, { 1, 16, 0, 0 }, "micro" },
    { "micro 16", bench_micro, { 16, 16, 0, 0 }, "micro" },
    BENCH_MICRO(32) BENCH_MICRO(64) BENCH_MICRO(128)
    BENCH_STEP(nano, 12, 64, 65) BENCH_STEP(small, 16, 256, 65)
    BENCH_STEP(gpt2, 4, 64, 50257)
    { "decode nano f32", bench_decode, { 0, 0, 65, 0 }, "nano" },
    { "decode small f32", bench_decode, { 0, 0, 65, 0 }, "small" },
    { "decode gpt2 f32", bench_decode, { 0, 0, 50257, 0 }, "gpt2" },
};

enum { BENCH_WORKS = (int)(sizeof bench_table / sizeof *bench_table) };

/* The works whose names one word, or several joined, begin; one that it is
 * the whole name of is meant alone. */
static bool bench_mark(const char *word, bool *chosen)
{
    bool any = false;
    for (int w = 0; w < BENCH_WORKS; w++)
        if (strcmp(bench_table[w].name, word) == 0)
            return chosen[w] = true;
    for (int w = 0; w < BENCH_WORKS; w++)
        if (strncmp(bench_table[w].name, word, strlen(word)) == 0)
            chosen[w] = any = true;
    return any;
}

/* Marks the works that are asked for.  All words together are tried first:
 * `bench gemm 64` is the work, not all gemms and an unknown 64. */
static int bench_choose(const cli_options *o, bool *chosen)
{
    char all[256] = "";
    for (int i = 0; i < o->operands; i++)
        if (strlen(all) + strlen(o->operand[i]) + 2 < sizeof all)
            strcat(strcat(all, i ? " " : ""), o->operand[i]);
    if (bench_mark(all, chosen))
        return CLI_DONE;
    for (int i = 0; i < o->operands; i++)
        if (!bench_mark(o->operand[i], chosen))
            return cli_usage("%s: no work begins so; there are fma, read,"
                             " barrier, node, gemm, products, matvec,"
                             " attention, micro, step, decode, and kernels"
                             " by name (info lists them)", o->operand[i]);
    return CLI_DONE;
}

int cli_bench(const cli_options *o, lh_context *ctx)
{
    bool chosen[BENCH_WORKS] = { false };
    bench b = { .o = o, .ctx = ctx, .seconds = o->real[OPT_seconds] };
    int code = bench_choose(o, chosen);
    if (!code && !o->given[OPT_json])
        printf("%s, %s kernels, %d thread%s\n\n%-40s %10s %10s %-8s %7s"
               " %7s\n", lh_cpu_name(ctx), lh_cpu_level(ctx),
               lh_threads(ctx), lh_threads(ctx) > 1 ? "s" : "", "work",
               "each", "rate", "", "limit", "share");
    for (int w = 0; w < BENCH_WORKS && !code; w++)
        if (chosen[w])
            code = bench_table[w].run(&b, &bench_table[w]);
    return code;
}
