/* longhand bench: how fast, beside what this machine could do.
 *
 * Each work is a row: how to prepare it, one round of it, and what a round
 * counts.  A round's time is the median of nine slices of the time given.
 * FLOPs: 2mnk per gemm and attention's causal half, real tokens only,
 * nothing recomputed counted, a training step 3 times its forward. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct bench bench;

typedef struct bench_work {
    const char *name;
    int (*run)(bench *b, const struct bench_work *w);
    int64_t size;
    const char *kind;             /* gemm's orientation; step's preset     */
} bench_work;

struct bench {
    const cli_options *o;
    lh_context *ctx;
    double seconds;
    double peak;                  /* FLOP/s of one core; 0: not yet        */
    /* The round that is timed, and what it works on. */
    lh_status (*round)(bench *b);
    lh_tape *tape;
    lh_params *params;
    lh_tensor *x, *w, *v, *y;
    int64_t size;
    lh_trainer *trainer;
};

/* --------------------------------------------------------------- timing -- */

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one round: below 0 where it fails. */
static double bench_time(bench *b)
{
    enum { SLICES = 9 };
    double slice[SLICES], begun, now;
    int64_t rounds = 1;
    if (b->round(b))
        return -1;                /* also warms up                         */
    for (int i = -1; i < SLICES; i++) {
        int64_t done = 0;
        begun = cli_clock();
        do {
            for (int64_t j = 0; j < rounds; j++)
                if (b->round(b))
                    return -1;
            done += rounds;
            now = cli_clock();
        } while (now - begun < b->seconds / SLICES);
        if (i >= 0)
            slice[i] = (now - begun) / (double)done;
        else                      /* the first tells how often to look at
                                     the clock: 20 times a slice           */
            rounds = done / 20 + 1;
    }
    qsort(slice, SLICES, sizeof *slice, bench_compare);
    return slice[SLICES / 2];
}

static double bench_peak(bench *b)
{
    if (b->peak <= 0)
        b->peak = lh_limit_fma(b->ctx, b->seconds);
    return b->peak;
}

/* -------------------------------------------------------------- results -- */

/* A time in the unit that people read it in. */
static void bench_seconds(char *text, size_t size, double s)
{
    if (s < 1e-9)
        snprintf(text, size, "%.1f ps", s * 1e12);
    else if (s < 1e-6)
        snprintf(text, size, "%.1f ns", s * 1e9);
    else if (s < 1e-3)
        snprintf(text, size, "%.2f us", s * 1e6);
    else if (s < 1)
        snprintf(text, size, "%.2f ms", s * 1e3);
    else
        snprintf(text, size, "%.2f s", s);
}

/* seconds: of one; rate in unit; limit 0: none is known. */
static int bench_say(bench *b, const char *name, double seconds, double rate,
                     const char *unit, double limit)
{
    char text[32];
    if (seconds < 0)
        return lh_error_status(b->ctx) ? cli_error(b->ctx)
                                       : cli_fail("%s: failed", name);
    if (!b->o->given[OPT_json]) {
        bench_seconds(text, sizeof text, seconds);
        printf("%-20s %12s %12.4g %-9s", name, text, rate, unit);
        if (limit > 0)
            printf(" %10.4g %7.1f %%", limit, 100 * rate / limit);
        printf("\n");
        return cli_flush();
    }
    fputs("{\"work\": ", stdout);
    cli_json_string(stdout, name, strlen(name));
    printf(", \"threads\": %d, \"seconds\": ", lh_threads(b->ctx));
    cli_json_number(stdout, seconds);
    fputs(", \"rate\": ", stdout);
    cli_json_number(stdout, rate);
    printf(", \"unit\": \"%s\"", unit);
    if (limit > 0) {
        fputs(", \"limit\": ", stdout);
        cli_json_number(stdout, limit);
        fputs(", \"share\": ", stdout);
        cli_json_number(stdout, rate / limit);
    }
    fputs("}\n", stdout);
    return cli_flush();
}

static int bench_flops(bench *b, const char *name, double seconds,
                       double flops)
{
    if (seconds < 0)
        return bench_say(b, name, seconds, 0, "", 0);
    return bench_say(b, name, seconds, flops / seconds * 1e-9, "GFLOP/s",
                     bench_peak(b) * lh_threads(b->ctx) * 1e-9);
}

/* --------------------------------------------------------------- limits -- */

static int bench_fma(bench *b, const bench_work *w)
{
    double peak = bench_peak(b);
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

/* ----------------------------------------------------------------- node -- */

enum { BENCH_NODES = 4096 };

/* A chain of one-element nodes, forward and backward; their arithmetic, a
 * nanosecond or so, is not taken off. */
static lh_status bench_node_round(bench *b)
{
    lh_tape_reset(b->tape);
    lh_tensor *a = lh_scalar(b->tape, 0.5f), *y = a;
    for (int i = 0; i < BENCH_NODES; i++)
        y = i & 1 ? lh_mul(b->tape, y, a) : lh_add(b->tape, y, a);
    return lh_backward(b->tape, y);
}

static int bench_node(bench *b, const bench_work *w)
{
    b->round = bench_node_round;
    double seconds = bench_time(b);
    seconds = seconds < 0 ? seconds : seconds / BENCH_NODES;
    return bench_say(b, w->name, seconds, 1e-6 / seconds, "M/s", 0);
}

/* ----------------------------------------------------------------- gemm -- */

static void bench_fill(lh_tensor *x)
{
    float *data = lh_tensor_data(x);
    uint32_t state = 1;
    for (int64_t i = 0; i < lh_tensor_size(x); i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
}

static lh_tensor *bench_matrix(bench *b, const char *name, int64_t rows,
                               int64_t columns)
{
    const int64_t shape[] = { rows, columns };
    lh_tensor *x = lh_params_add(b->params, name, 2, shape, false);
    if (x)
        bench_fill(x);
    return x;
}

/* nt: y = x w^T, as the forward pass has it. */
static lh_status bench_forward_round(bench *b)
{
    lh_tape_reset(b->tape);
    return lh_linear(b->tape, b->x, b->w, NULL) ? LH_OK
                                               : lh_tape_status(b->tape);
}

/* nn: dx = dy w; tn: dw = dy^T x.  The same loss again and again. */
static lh_status bench_backward_round(bench *b)
{
    return lh_backward(b->tape, b->y);
}

static int bench_gemm(bench *b, const bench_work *w)
{
    int64_t n = w->size;
    const int64_t shape[] = { n, n };
    bool nn = strcmp(w->kind, "nn") == 0;
    b->x = bench_matrix(b, "x", n, n);
    b->w = bench_matrix(b, "w", n, n);
    if (!b->x || !b->w)
        return cli_error(b->ctx);
    if (strcmp(w->kind, "nt") == 0) {
        lh_tape_gradients(b->tape, false);
        b->round = bench_forward_round;
    } else {
        /* The other one is a constant, so that its gradient is not made. */
        lh_tensor *other = lh_constant(b->tape, lh_tensor_data(nn ? b->w
                                       : b->x), 2, shape);
        b->y = lh_sum(b->tape, nn ? lh_linear(b->tape, b->x, other, NULL)
                                  : lh_linear(b->tape, other, b->w, NULL));
        b->round = bench_backward_round;
    }
    return bench_flops(b, w->name, bench_time(b), 2.0 * (double)(n * n * n));
}

/* ------------------------------------------------------------ attention -- */

enum { BENCH_HEADS = 6, BENCH_HEAD_SIZE = 64 };

static lh_status bench_attention_round(bench *b)
{
    const int64_t offsets[] = { 0, b->size };
    lh_tape_reset(b->tape);
    return lh_attention(b->tape, b->x, b->w, b->v, BENCH_HEADS, BENCH_HEADS,
                        0, offsets, 1) ? LH_OK : lh_tape_status(b->tape);
}

/* The forward pass over one document: T (T + 1) / 2 pairs, 4 C each. */
static int bench_attention(bench *b, const bench_work *w)
{
    int64_t width = BENCH_HEADS * BENCH_HEAD_SIZE;
    b->size = w->size;
    b->x = bench_matrix(b, "q", w->size, width);
    b->w = bench_matrix(b, "k", w->size, width);
    b->v = bench_matrix(b, "v", w->size, width);
    if (!b->x || !b->w || !b->v)
        return cli_error(b->ctx);
    lh_tape_gradients(b->tape, false);
    b->round = bench_attention_round;
    double t = (double)w->size;
    return bench_flops(b, w->name, bench_time(b),
                       2 * t * (t + 1) * (double)width);
}

/* ------------------------------------------------------------- training -- */

static lh_status bench_step_round(bench *b)
{
    lh_progress p;
    return lh_trainer_step(b->trainer, &p);
}

/* Multiply-adds of one token beside attention: the matrices that it goes
 * through, all but the embeddings; a tied head is the embedding's matrix
 * once more. */
static double bench_matrices(lh_model *m)
{
    const lh_config *c = lh_model_config(m);
    lh_params *p = lh_model_params(m);
    double sum = c->tied ? (double)(c->vocabulary * c->width) : 0;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        const lh_tensor *x = lh_params_get(p, i, &name);
        if (lh_tensor_dims(x) == 2 && !strstr(name, "embed"))
            sum += (double)lh_tensor_size(x);
    }
    return sum;
}

/* FLOPs of a window's training, on average over the data's: documents of one
 * border and their tokens (a byte each, in the built-in names), in windows
 * of the context. */
static double bench_window_flops(lh_model *m, const lh_dataset *d)
{
    const lh_config *c = lh_model_config(m);
    double flops = 0, windows = 0, matrices = bench_matrices(m);
    for (int64_t i = 0; i < lh_dataset_documents(d); i++) {
        size_t size;
        lh_dataset_document(d, i, &size);
        for (int64_t left = (int64_t)size + 1; left > 0; left -= c->context) {
            double t = (double)(left < c->context ? left : c->context);
            double pairs = t * (t + 1) / 2;
            flops += 2 * matrices * t + (double)c->layers * pairs * 4 *
                     (double)(c->heads * c->head_size);
            windows++;
        }
    }
    return 3 * flops / windows;
}

/* Steps of a preset on the built-in names, as lines or as one text, until
 * the time is over; per: 1 for a step's time, else by the batch. */
static int bench_train(bench *b, const bench_work *w, const lh_dataset *d,
                       int64_t batch)
{
    lh_config config;
    lh_train_settings settings;
    size_t size;
    const char *text = lh_dataset_bytes(d, &size);
    lh_model *m = NULL;
    lh_tokenizer *k = lh_tokenizer_characters(b->ctx, text, size);
    int code = CLI_FAILED;
    if (k && !lh_preset(b->ctx, w->kind, &config) &&
        !lh_train_preset(b->ctx, w->kind, &settings)) {
        config.vocabulary = lh_tokenizer_vocabulary(k);
        settings.steps = 1000000000;
        settings.schedule = LH_CONSTANT;
        settings.held_out = 0;
        settings.cool_down = 0;
        if (batch)
            settings.batch = batch;
        m = lh_model_new(b->ctx, &config, 42);
    }
    if (m)
        b->trainer = lh_trainer_new(b->ctx, m, k, d, &settings);
    if (b->trainer) {
        b->round = bench_step_round;
        double seconds = bench_time(b), count = batch ? (double)batch : 1;
        code = bench_flops(b, w->name, seconds < 0 ? seconds
                                                   : seconds / count,
                           bench_window_flops(m, d) *
                           (double)settings.batch / count);
    } else {
        code = cli_error(b->ctx);
    }
    lh_trainer_free(b->trainer);
    b->trainer = NULL;
    lh_model_free(m);
    lh_tokenizer_free(k);
    return code;
}

static int bench_micro(bench *b, const bench_work *w)
{
    lh_dataset *names = lh_dataset_names(b->ctx);
    if (!names)
        return cli_error(b->ctx);
    int code = bench_train(b, w, names, w->size);
    lh_dataset_free(names);
    return code;
}

static int bench_step(bench *b, const bench_work *w)
{
    lh_dataset *names = lh_dataset_names(b->ctx);
    if (!names)
        return cli_error(b->ctx);
    size_t size;
    const char *text = lh_dataset_bytes(names, &size);
    lh_dataset *d = lh_dataset_text(b->ctx, text, size, LH_DOCUMENTS_WHOLE);
    int code = d ? bench_train(b, w, d, 0) : cli_error(b->ctx);
    lh_dataset_free(d);
    lh_dataset_free(names);
    return code;
}

/* ---------------------------------------------------------------- works -- */

#define BENCH_GEMM(n) \
    { "gemm " #n " nt f32", bench_gemm, n, "nt" }, \
    { "gemm " #n " nn f32", bench_gemm, n, "nn" }, \
    { "gemm " #n " tn f32", bench_gemm, n, "tn" },

static const bench_work bench_table[] = {
    { "fma", bench_fma, 0, "" },
    { "read", bench_read, 0, "" },
    { "barrier", bench_barrier, 0, "" },
    { "node", bench_node, 0, "" },
    BENCH_GEMM(16) BENCH_GEMM(32) BENCH_GEMM(64) BENCH_GEMM(128)
    BENCH_GEMM(256) BENCH_GEMM(512) BENCH_GEMM(1024)
    { "attention 64 f32", bench_attention, 64, "" },
    { "attention 256 f32", bench_attention, 256, "" },
    { "attention 1024 f32", bench_attention, 1024, "" },
    { "micro 1", bench_micro, 1, "micro" },
    { "micro 16", bench_micro, 16, "micro" },
    { "step nano f32", bench_step, 0, "nano" },
};

enum { BENCH_WORKS = (int)(sizeof bench_table / sizeof *bench_table) };

static bool bench_begins(const char *name, const char *beginning)
{
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

/* Marks the works that are asked for.  All words together are tried first:
 * `bench gemm 64` is the work, not all gemms and an unknown 64. */
static int bench_choose(const cli_options *o, bool *chosen)
{
    char all[256] = "";
    bool any = false;
    for (int i = 0; i < o->operands; i++)
        if (strlen(all) + strlen(o->operand[i]) + 2 < sizeof all)
            strcat(strcat(all, i ? " " : ""), o->operand[i]);
    for (int w = 0; w < BENCH_WORKS; w++)
        any |= chosen[w] = bench_begins(bench_table[w].name, all);
    for (int i = 0; i < o->operands && !any; i++) {
        bool known = false;
        for (int w = 0; w < BENCH_WORKS; w++)
            if (bench_begins(bench_table[w].name, o->operand[i]))
                chosen[w] = known = true;
        if (!known)
            return cli_usage("%s: no work begins so; there are fma, read,"
                             " barrier, node, gemm, attention, micro, step",
                             o->operand[i]);
    }
    return CLI_DONE;
}

static int bench_one(bench *b, const bench_work *w)
{
    b->tape = lh_tape_new(b->ctx);
    b->params = lh_params_new(b->ctx);
    int code = b->tape && b->params ? w->run(b, w) : cli_error(b->ctx);
    lh_tape_free(b->tape);
    lh_params_free(b->params);
    return code;
}

int cli_bench(const cli_options *o)
{
    bool chosen[BENCH_WORKS] = { false };
    bench b = { .o = o, .seconds = o->real[OPT_seconds] };
    int code = bench_choose(o, chosen);
    if (code)
        return code;
    b.ctx = cli_context(o, OPT_bench_threads, &code);
    if (!b.ctx)
        return code;
    if (!o->given[OPT_json])
        printf("%s, %s kernels, %d thread%s\n\n%-20s %12s %12s %-9s %10s"
               " %9s\n", lh_cpu_name(b.ctx), lh_cpu_level(b.ctx),
               lh_threads(b.ctx), lh_threads(b.ctx) > 1 ? "s" : "", "work",
               "each", "rate", "", "limit", "share");
    for (int w = 0; w < BENCH_WORKS && !code; w++)
        if (chosen[w])
            code = bench_one(&b, &bench_table[w]);
    lh_context_free(b.ctx);
    return code;
}
