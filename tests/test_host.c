/* The library as a guest: the host's floating-point settings change no bit
 * and are there again afterwards; and what else it promises of memory that
 * was used before, tensors in two places or of another time, and sizes that
 * cannot be. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/context.h"
#include "longhand.h"

#include "test.h"
#include "world.h"

#include <fenv.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SSE2__) || defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* -------------------------------------------------- the host's settings -- */

/* What a host may have set: rounding, and on x86 the rest of MXCSR. */
typedef struct host {
    const char *name;
    int rounding;
    unsigned sse;                      /* bits set ...                     */
    unsigned unmasked;                 /* ... and mask bits taken away     */
} host;

static const host hosts[] = {
    { "defaults", FE_TONEAREST, 0, 0 },
#ifdef FE_UPWARD
    { "upward", FE_UPWARD, 0, 0 },
#endif
#ifdef FE_TOWARDZERO
    { "toward zero", FE_TOWARDZERO, 0, 0 },
#endif
    { "flush to zero, denormals are zero", FE_TONEAREST, 0x8040, 0 },
#ifdef FE_DOWNWARD
    { "downward, flush to zero", FE_DOWNWARD, 0x8000, 0 },
#endif
    { "traps", FE_TONEAREST, 0, 0x0f80 },
};

static const host *host_now;

static void host_set(const host *h)
{
    host_now = h;
    fesetround(h->rounding);
#if defined(__SSE2__) || defined(__x86_64__)
    _mm_setcsr(((_mm_getcsr() & 0x7f80u) | h->sse) & ~h->unmasked);
#endif
}

static bool host_kept(void)
{
    bool kept = fegetround() == host_now->rounding;
#if defined(__SSE2__) || defined(__x86_64__)
    unsigned sse = _mm_getcsr();
    kept = kept && (sse & 0x8040u) == host_now->sse &&
           (sse & 0x1f80u) == (0x1f80u & ~host_now->unmasked);
#endif
    return kept;
}

static void host_default(void)
{
#if defined(__SSE2__) || defined(__x86_64__)
    _mm_setcsr(0x1f80u);
#endif
    fesetround(FE_TONEAREST);
}

#define KEPT() test_note(host_kept(), __FILE__, __LINE__, host_now->name)

/* The bits that came out, stage by stage, and what is put in.  Nothing here
 * computes with floats. */
#define STAGES 64
typedef struct trace {
    uint64_t hash[STAGES];
    const char *what[STAGES];
    int stages;
} trace;

static void trace_bytes(trace *o, const char *what, const void *data,
                        size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    KEPT();
    CHECK(data && o->stages < STAGES);
    if (!data || o->stages >= STAGES)
        return;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    o->what[o->stages] = what;
    o->hash[o->stages++] = hash;
}

static void trace_tensor(trace *o, const char *what, lh_tensor *y)
{
    trace_bytes(o, what, lh_tensor_data(y),
                (size_t)lh_tensor_size(y) * sizeof(float));
}

static void trace_grad(trace *o, const char *what, lh_tensor *y)
{
    trace_bytes(o, what, lh_tensor_grad(y),
                (size_t)lh_tensor_size(y) * sizeof(float));
}

/* Positive floats of random digits between 1/4 and 4. */
#define VALUES 48
static float value[2][VALUES];

static void values_make(void)
{
    uint64_t random = 7;
    for (int i = 0; i < 2 * VALUES; i++) {
        uint32_t bits = (uint32_t)test_random(&random);
        bits = (125 + bits % 4) << 23 | bits >> 9;
        memcpy(&value[i / VALUES][i % VALUES], &bits, sizeof bits);
    }
}

static void host_elementwise(trace *o, lh_tape *t)
{
    const int64_t shape[2] = { 4, 12 };
    lh_tensor *y;
#define HOST_ROW(name, call) \
    lh_tape_reset(t); \
    a = lh_variable(t, value[0], 2, shape); \
    b = lh_variable(t, value[1], 2, shape); \
    y = call; \
    trace_tensor(o, name, y); \
    CHECK_EQ_INT(lh_backward(t, lh_sum(t, y)), LH_OK); \
    trace_grad(o, name "'s gradient", a);
#define UNARY(name, y, dx, doc) HOST_ROW(#name, lh_##name(t, a))
#define UNARY_S(name, y, dx, doc) HOST_ROW(#name, lh_##name(t, a, 0.7f))
#define BINARY(name, y, da, db, doc) HOST_ROW(#name, lh_##name(t, a, b))
    lh_tensor *a, *b;
#include "kernels/elementwise.def"
#undef HOST_ROW
    /* Denormal sums. */
    lh_tape_reset(t);
    a = lh_variable(t, value[0], 2, shape);
    y = lh_scale(t, lh_scale(t, a, 1e-20f), 1e-21f);
    y = lh_scale(t, lh_scale(t, lh_mean(t, y), 1e20f), 1e21f);
    trace_tensor(o, "denormals", y);
    CHECK(lh_value(y) > 0.1f);
    lh_backward(t, y);
    trace_grad(o, "denormals' gradient", a);
}

static void host_operations(trace *o, lh_tape *t)
{
    const int64_t shape[2] = { 4, 12 }, weight[2] = { 4, 12 }, row[1] = { 12 };
    const int64_t half[2] = { 4, 3 }, offsets[3] = { 0, 3, 4 };
    const int32_t id[4] = { 2, 0, 3, 0 }, next[4] = { 1, -1, 3, 2 };
    float cosine[12], sine[12];
    lh_rotary_tables(cosine, sine, 4, 6, 1234.5);
    trace_bytes(o, "cosines", cosine, sizeof cosine);
    trace_bytes(o, "sines", sine, sizeof sine);
    lh_tape_reset(t);
    lh_tape_dropout(t, 5, 6, 7);
    lh_tensor *a = lh_variable(t, value[0], 2, shape);
    lh_tensor *w = lh_variable(t, value[1], 2, weight);
    lh_tensor *gain = lh_variable(t, value[1], 1, row);
    lh_tensor *bias = lh_variable(t, value[1] + 12, 1, row);
    lh_tensor *c = lh_constant(t, cosine, 2, half);
    lh_tensor *s = lh_constant(t, sine, 2, half);
    lh_tensor *y = lh_embedding(t, a, id, 4);
    y = lh_rms_norm(t, y, gain, 1e-5f);
    y = lh_dropout(t, y, 0.3f);
    trace_tensor(o, "dropout", y);
    lh_tensor *q = lh_rotary(t, y, c, s, id);
    y = lh_attention(t, q, lh_scale(t, y, 0.3f), y, 2, 2, 0, offsets, 2);
    trace_tensor(o, "attention", y);
    y = lh_softmax(t, lh_layer_norm(t, y, gain, bias, 1e-5f));
    trace_tensor(o, "softmax", y);
    y = lh_linear(t, y, w, NULL);
    lh_tensor *loss = lh_cross_entropy(t, y, next);
    trace_bytes(o, "losses", lh_cross_entropy_losses(loss),
                4 * sizeof(float));
    loss = lh_add(t, loss, lh_cross_entropy_part(t, y, next, 7, 0.1f));
    loss = lh_add(t, loss, lh_mean(t, lh_slice(t, y, 1, 3)));
    trace_tensor(o, "loss", loss);
    CHECK_EQ_INT(lh_backward(t, loss), LH_OK);
    CHECK_EQ_INT(lh_backward(t, loss), LH_OK);
    trace_grad(o, "gradient", a);
    trace_grad(o, "gradient of w", w);
    trace_grad(o, "gradient of the gain", gain);
    trace_grad(o, "gradient of the bias", bias);
}

/* A parameter used thrice, and its optimizer. */
static void host_parameters(trace *o, lh_context *ctx, lh_tape *t)
{
    const int64_t shape[2] = { 4, 12 };
    lh_adamw_settings how = { 0.01, 0.9, 0.95, 1e-8, 0.1, 0.5 };
    lh_params *p = lh_params_new(ctx);
    lh_tensor *w = lh_params_add(p, "w", 2, shape, true);
    memcpy(lh_tensor_data(w), value[0], sizeof value[0]);
    lh_adamw *adamw = lh_adamw_new(p);
    double norm = 0;
    for (int step = 0; step < 2; step++) {
        lh_tape_reset(t);
        lh_tensor *y = lh_mul(t, lh_exp(t, w), lh_tanh(t, w));
        CHECK_EQ_INT(lh_backward(t, lh_mean(t, lh_div(t, y, w))), LH_OK);
        trace_grad(o, "folded gradient", w);
        CHECK_EQ_INT(lh_adamw_step(adamw, &how, &norm), LH_OK);
        trace_tensor(o, "adamw", w);
        trace_bytes(o, "gradient norm", &norm, sizeof norm);
    }
    lh_params_zero_grad(p);
    lh_adamw_free(adamw);
    lh_params_free(p);
}

static void trace_model(trace *o, const char *what, lh_model *m)
{
    lh_params *p = lh_model_params(m);
    for (int64_t i = 0; i < lh_params_count(p); i += 3)
        trace_tensor(o, what, lh_params_get(p, i, NULL));
}

static void host_model(trace *o, lh_context *ctx, const char *folder)
{
    char path[300];
    world w = world_make(ctx);
    trace_model(o, "first weights", w.m);
    const int64_t offsets[2] = { 0, 3 };
    const int32_t tokens[3] = { 0, 1, 2 };
    lh_batch batch = { 1, offsets, tokens, tokens };
    lh_tape_dropout(w.t, 5, 6, 7);
    trace_tensor(o, "logits", lh_model_logits(w.t, w.m, &batch));
    trace_tensor(o, "loss", lh_model_loss(w.t, w.m, &batch, 3, 0.1f));

    lh_progress p = { 0 };
    lh_evaluation e;
    CHECK_EQ_INT(lh_trainer_step(w.r, &p), LH_OK);
    trace_bytes(o, "progress", &p, sizeof p);
    snprintf(path, sizeof path, "%s/state", folder);
    CHECK_EQ_INT(lh_trainer_save(w.r, path), LH_OK);
    KEPT();
    CHECK_EQ_INT(lh_trainer_load(w.r, path), LH_OK);
    CHECK_EQ_INT(lh_train(w.r, NULL, NULL), LH_OK);
    trace_model(o, "trained", w.m);
    CHECK_EQ_INT(lh_trainer_evaluate(w.r, NULL, NULL, &e), LH_OK);
    trace_bytes(o, "held-out losses", &e, sizeof e);
    CHECK_EQ_INT(lh_evaluate(ctx, w.m, w.k, w.d, NULL, NULL, &e), LH_OK);
    trace_bytes(o, "losses over all", &e, sizeof e);

    const lh_sampling how = { 0.7, 9, 0.93, 0.01 };
    char *made = NULL;
    size_t size = 0;
    CHECK_EQ_INT(lh_session_feed(w.s, tokens, 3), LH_OK);
    trace_bytes(o, "session's logits", lh_session_logits(w.s),
                (size_t)w.config.vocabulary * sizeof(float));
    int32_t token = lh_session_sample(w.s, &how);
    trace_bytes(o, "token", &token, sizeof token);
    CHECK_EQ_INT(lh_session_generate(w.s, w.k, &how, 0, &made, &size),
                 LH_OK);
    trace_bytes(o, "text", made, size);
    lh_memory_free(ctx, made);

    lh_model *m = NULL;
    CHECK_EQ_INT(lh_model_save(ctx, w.m, w.k, folder), LH_OK);
    KEPT();
    CHECK_EQ_INT(lh_model_load(ctx, folder, &m, NULL), LH_OK);
    trace_model(o, "read again", m);
    trace_bytes(o, "config", lh_model_config(m), sizeof w.config);
    lh_model_free(m);
    world_free(&w);
}

static void host_limits(lh_context *ctx)
{
    CHECK(lh_limit_fma(ctx, 0) > 0);
    KEPT();
    CHECK(lh_limit_read(ctx, 0) > 0);
    KEPT();
    CHECK(lh_limit_barrier(ctx, 0) > 0);
    KEPT();
    lh_timing timing;
    CHECK_EQ_INT(lh_kernel_time(ctx, "gemm_tn", (const int64_t[4]){ 3, 4, 5,
                                1 }, 0, &timing), LH_OK);
    CHECK(timing.seconds > 0 && timing.fma > 0);
    KEPT();
}

static void host_run(const host *h, const char *cpu, trace *elementwise,
                     trace *operations, trace *model, const char *folder)
{
    host_set(h);
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2,
                                                     .cpu = cpu });
    lh_tape *t = lh_tape_new(ctx);
    KEPT();
    ctx->grain = 1;                              /* workers compute too    */
    host_elementwise(elementwise, t);
    host_operations(operations, t);
    host_parameters(operations, ctx, t);
    host_model(model, ctx, folder);
    lh_tape_free(t);
    host_limits(ctx);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    lh_context_free(ctx);
    KEPT();
    host_default();
}

static void trace_compare(const host *h, const char *cpu, const trace *got,
                          const trace *wanted)
{
    CHECK(got->stages == wanted->stages && got->stages > 9);
    for (int i = 0; i < wanted->stages; i++) {
        bool same = got->hash[i] == wanted->hash[i];
        test_note(same, __FILE__, __LINE__, wanted->what[i]);
        if (!same && test_failed <= 20)
            printf("    other bits with the host's setting \"%s\", %s\n",
                   h->name, cpu ? cpu : "best kernels");
    }
}

static void folder_remove(const char *folder)
{
    static const char *const file[] = { "state", "config.json",
        "model.safetensors", "tokenizer.json", "tokenizer_config.json" };
    char path[300];
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, file[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(folder) == 0);
}

static void check_hosts(void)
{
    static trace wanted[3], got[3];
    static const char *const cpu[] = { "c", NULL };
    char folder[200];
    snprintf(folder, sizeof folder, "/tmp/longhand-api-%ld", (long)getpid());
    CHECK(mkdir(folder, 0777) == 0);
    host_run(&hosts[0], "c", &wanted[0], &wanted[1], &wanted[2], folder);
    for (size_t c = 0; c < sizeof cpu / sizeof *cpu; c++)
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
            memset(got, 0, sizeof got);
            host_run(&hosts[i], cpu[c], &got[0], &got[1], &got[2], folder);
            for (int part = 0; part < 3; part++)
                trace_compare(&hosts[i], cpu[c], &got[part], &wanted[part]);
        }
    folder_remove(folder);
}

/* ---------------------------------------------------- promises one by one */

static lh_status forward_nothing(lh_tensor *node)
{
    (void)node;
    return LH_OK;
}

/* The output of one's own op is zeroed, on memory that was used before. */
static void check_zeroed(void)
{
    const lh_op op = { "nothing", forward_nothing, NULL };
    const int64_t shape[1] = { VALUES };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    for (int round = 0; round < 2; round++) {
        lh_tape_reset(t);
        lh_tensor *y = lh_apply(t, &op, NULL, 0, 1, shape, NULL, 0);
        CHECK(y != NULL);
        for (int i = 0; y && i < VALUES; i++) {
            CHECK(memcmp(lh_tensor_data(y) + i, &(float){ 0 },
                         sizeof(float)) == 0);
            lh_tensor_data(y)[i] = 1.0f;
        }
    }
    lh_tape_free(t);
    lh_context_free(ctx);
}

/* One tensor in several places of an op: the gradient is the sum over them,
 * and has the same bits on every instruction set. */
static void shared_run(trace *o, const char *cpu)
{
    const int64_t shape[2] = { 4, 12 }, offsets[3] = { 0, 3, 4 };
    const int64_t row[1] = { 12 };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1,
                                                     .cpu = cpu });
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *a = lh_variable(t, value[0], 2, shape);
    lh_tensor *b = lh_variable(t, value[1], 2, shape);
    lh_tensor *g = lh_variable(t, value[1], 1, row);
    lh_tensor *y = lh_attention(t, a, a, a, 2, 2, 0, offsets, 2);
    y = lh_add(t, y, lh_attention(t, a, b, b, 3, 3, 0, offsets, 2));
    y = lh_add(t, y, lh_attention(t, b, a, b, 3, 3, 0, offsets, 2));
    y = lh_add(t, y, lh_attention(t, b, b, a, 3, 3, 0, offsets, 2));
    y = lh_layer_norm(t, y, g, g, 1e-5f);
    y = lh_add(t, y, lh_mul(t, y, y));
    y = lh_linear(t, y, b, NULL);
    CHECK_EQ_INT(lh_backward(t, lh_sum(t, lh_mul(t, y, y))), LH_OK);
    trace_tensor(o, "shared inputs", y);
    trace_grad(o, "gradient of a, shared", a);
    trace_grad(o, "gradient of b, shared", b);
    trace_grad(o, "gradient of gain = bias", g);
    lh_tape_free(t);
    lh_context_free(ctx);
}

/* The gradient of y = attention(a, a, a) is that of attention(q, k, v) at
 * q = k = v = a, summed; roundings apart. */
static void check_shared_sum(void)
{
    const int64_t shape[2] = { 4, 12 }, offsets[3] = { 0, 3, 4 };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *in[4], *y[2];
    for (int i = 0; i < 4; i++)
        in[i] = lh_variable(t, value[0], 2, shape);
    y[0] = lh_attention(t, in[0], in[0], in[0], 2, 2, 0, offsets, 2);
    y[1] = lh_attention(t, in[1], in[2], in[3], 2, 2, 0, offsets, 2);
    for (int i = 0; i < 2; i++)
        CHECK_EQ_INT(lh_backward(t, lh_sum(t, lh_mul(t, y[i], y[i]))),
                     LH_OK);
    for (int i = 0; i < VALUES; i++) {
        double sum = 0, got = (double)lh_tensor_grad(in[0])[i];
        for (int j = 1; j < 4; j++)
            sum += (double)lh_tensor_grad(in[j])[i];
        CHECK(got - sum < 1e-3 && sum - got < 1e-3);
    }
    lh_tape_free(t);
    lh_context_free(ctx);
}

/* Keys behind the last document, which nobody sees, have a gradient of 0,
 * whatever the arena's memory held before. */
static void check_unseen_keys(void)
{
    const int64_t q_shape[2] = { 3, 4 }, k_shape[2] = { 5, 4 };
    const int64_t offsets[3] = { 0, 1, 3 }, all = VALUES;
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *dirt = lh_constant(t, value[0], 1, &all);
    for (int i = 0; i < 100; i++)
        dirt = lh_scale(t, dirt, 1);
    lh_tape_reset(t);
    lh_tensor *q = lh_variable(t, value[0], 2, q_shape);
    lh_tensor *k = lh_variable(t, value[0], 2, k_shape);
    lh_tensor *v = lh_variable(t, value[0], 2, k_shape);
    lh_tensor *y = lh_attention(t, q, lh_scale(t, k, 1), lh_scale(t, v, 1), 2,
                                2, 0, offsets, 2);
    CHECK_EQ_INT(lh_backward(t, lh_sum(t, lh_mul(t, y, y))), LH_OK);
    for (int i = 12; i < 20; i++)
        CHECK(lh_tensor_grad(k)[i] == 0 && lh_tensor_grad(v)[i] == 0);
    CHECK(lh_tensor_grad(v)[0] != 0 && lh_tensor_grad(v)[11] != 0);
    lh_tape_free(t);
    lh_context_free(ctx);
}

static void check_shared(void)
{
    static trace wanted, got;
    const char *name;
    host_set(&hosts[0]);
    shared_run(&wanted, "c");
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    for (int i = 0; (name = lh_cpu_reason(ctx, i, NULL)); i++) {
        lh_context *limited = lh_context_new(&(lh_settings){
            .threads = 1, .cpu = name });
        bool here = !lh_error_status(limited);
        lh_context_free(limited);
        if (!here)
            continue;
        memset(&got, 0, sizeof got);
        shared_run(&got, name);
        for (int j = 0; j < wanted.stages; j++)
            test_note(got.hash[j] == wanted.hash[j], __FILE__, __LINE__,
                      wanted.what[j]);
    }
    lh_context_free(ctx);
    check_unseen_keys();
    check_shared_sum();
}

/* A tensor kept over a reset is told from one of now. */
static void check_stale(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    for (int i = 0; i < 3; i++) {
        lh_scalar(t, 1);
        lh_tensor *old = lh_exp(t, lh_scalar(t, 2));
        lh_tape_reset(t);
        lh_tensor *now = lh_scalar(t, 1);
        CHECK(!lh_add(t, now, old));
        CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_ARGUMENT);
        lh_tape_reset(t);
        CHECK_EQ_INT(lh_backward(t, old), LH_ERROR_ARGUMENT);
        lh_tape_reset(t);
        now = lh_scalar(t, 1);
        CHECK_EQ_INT(lh_backward(t, lh_add(t, now, now)), LH_OK);
    }
    lh_tape_free(t);
    lh_context_free(ctx);
}

/* Documents that cannot be, with offsets whose differences overflow. */
static void check_offsets(void)
{
    static const int64_t bad[][3] = {
        { 0, INT64_MAX, INT64_MIN }, { 0, INT64_MIN, 4 }, { 0, 3, 2 },
        { 0, 0, 4 }, { 0, 4, 4 }, { 0, 2, 5 }, { -1, 2, 4 }, { 1, 2, 4 },
        { 0, 2, INT64_MAX },
    };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lh_tape_reset(t);
        lh_tensor *a = lh_variable(t, NULL, 2, (const int64_t[]){ 4, 4 });
        CHECK(!lh_attention(t, a, a, a, 2, 2, 0, bad[i], 2));
        CHECK(lh_tape_status(t) != LH_OK);
    }
    lh_tape_free(t);
    lh_context_free(ctx);
}

/* Parameters whose size no memory has, or whose size in bytes overflows. */
static void check_sizes(void)
{
    static const int64_t bad[][2] = {
        { INT64_MAX, 1 }, { INT64_MAX, 2 }, { (int64_t)1 << 62, 1 },
        { (int64_t)1 << 32, (int64_t)1 << 32 }, { 0, 1 }, { -1, -1 },
        { INT64_MIN, -1 }, { 1, INT64_MIN },
    };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_params *p = lh_params_new(ctx);
    lh_tape *t = lh_tape_new(ctx);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lh_error_clear(ctx);
        CHECK(!lh_params_add(p, "w", 2, bad[i], false));
        CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_SHAPE);
        lh_tape_reset(t);
        CHECK(!lh_variable(t, NULL, 2, bad[i]));
        CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_SHAPE);
        lh_tape_reset(t);
        CHECK(!lh_reshape(t, lh_scalar(t, 1), 2, bad[i]));
        CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_SHAPE);
    }
    CHECK_EQ_INT(lh_params_count(p), 0);
    lh_tape_free(t);
    lh_params_free(p);
    lh_context_free(ctx);
}

int main(void)
{
    values_make();
    check_hosts();
    check_zeroed();
    check_shared();
    check_stale();
    check_offsets();
    check_sizes();
    return test_end("host");
}
