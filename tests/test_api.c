/* The promises that longhand.h makes of all its functions at once: NULL is
 * an error and not a crash, and the host's floating-point settings change no
 * bit and are there again afterwards. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/context.h"
#include "longhand.h"

#include "test.h"

#include <fenv.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SSE2__) || defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* --------------------------------------------------------------- NULLs -- */

/* The call gives NULL, and an error in the context. */
#define REFUSED(call, status) do { \
    lh_error_clear(ctx); \
    CHECK((call) == NULL); \
    test_note(lh_error_status(ctx) == (status) && \
              lh_error_message(ctx)[0], __FILE__, __LINE__, \
              #call " records " #status); \
} while (0)
/* The same of one that gives a status; and what no context can hear of. */
#define DENIED(call) do { \
    lh_error_clear(ctx); \
    CHECK_EQ_INT(call, LH_ERROR_ARGUMENT); \
    test_note(lh_error_status(ctx) == LH_ERROR_ARGUMENT, __FILE__, \
              __LINE__, #call " is recorded"); \
} while (0)
#define UNHEARD(call) CHECK_EQ_INT(call, LH_ERROR_ARGUMENT)
/* The call poisons the tape. */
#define POISONS(call) do { \
    lh_tape_reset(t); \
    lh_error_clear(ctx); \
    test_note(arguments(t) && (call) == NULL && \
              lh_tape_status(t) == LH_ERROR_ARGUMENT && \
              lh_error_status(ctx) == LH_ERROR_ARGUMENT, __FILE__, \
              __LINE__, #call); \
    CHECK(lh_relu(t, x) == NULL);                /* and it stays poisoned */ \
} while (0)

/* A tensor [2, 4] of the tape as it is. */
static lh_tensor *x;

static bool arguments(lh_tape *t)
{
    x = lh_variable(t, NULL, 2, (const int64_t[]){ 2, 4 });
    return x != NULL;
}

static void nulls_context(void)
{
    lh_context_free(NULL);
    lh_error_clear(NULL);
    lh_memory_free(NULL, NULL);
    CHECK_EQ_INT(lh_error_status(NULL), LH_ERROR_ARGUMENT);
    CHECK(lh_error_message(NULL)[0]);
    CHECK_EQ_INT(lh_threads(NULL), 0);
    CHECK(lh_cpu_name(NULL) != NULL);
    CHECK(lh_cpu_level(NULL) == NULL);
    CHECK(lh_kernel_row(NULL, 0, NULL) == NULL);
    CHECK(lh_cpu_reason(NULL, 0, NULL) == NULL);
    CHECK(lh_limit_fma(NULL, 0) <= 0 && lh_limit_read(NULL, 0) <= 0 &&
          lh_limit_barrier(NULL, 0) <= 0);
    lh_timing timing = { .seconds = 1 };
    CHECK_EQ_INT(lh_kernel_time(NULL, "gemm_nt", (const int64_t[4]){ 1, 1, 1,
                                1 }, 0, &timing), LH_ERROR_ARGUMENT);
    CHECK(timing.seconds <= 0);
    for (int i = -2; i < 40; i++)
        CHECK(lh_status_text((lh_status)i)[0]);
    CHECK_STR(lh_version(), LH_VERSION);
    CHECK(lh_op_get(-1) == NULL && lh_op_get(1 << 20) == NULL);
    CHECK(lh_op_get(0) != NULL);
    CHECK(lh_preset_name(-1, NULL) == NULL);
    CHECK(lh_preset_name(1 << 20, NULL) == NULL);
    CHECK(lh_preset_name(0, NULL) != NULL);
    lh_context *ctx = lh_context_new(NULL);
    CHECK(lh_kernel_row(ctx, 0, NULL) && lh_cpu_reason(ctx, 0, NULL));
    CHECK(!lh_kernel_row(ctx, -1, NULL) && !lh_cpu_reason(ctx, -1, NULL));
    CHECK(!lh_kernel_row(ctx, lh_kernel_count(), NULL));
    CHECK(!lh_cpu_reason(ctx, 1 << 20, NULL));
    lh_memory_free(ctx, NULL);
    lh_context_free(ctx);
}

/* Tensors, and operations without a tape. */
static void nulls_tape(void)
{
    const int64_t one[1] = { 1 };
    lh_tape_free(NULL);
    lh_tape_reset(NULL);
    lh_tape_gradients(NULL, true);
    lh_tape_dropout(NULL, 1, 1, 1);
    lh_tape_reuse(NULL, true);
    lh_tape_dtype(NULL, LH_BF16);
    lh_tape_recompute(NULL, true);
    CHECK(lh_tape_new(NULL) == NULL);
    UNHEARD(lh_tape_status(NULL));
    UNHEARD(lh_backward(NULL, NULL));
    CHECK(!lh_constant(NULL, NULL, 1, one) && !lh_scalar(NULL, 1));
    CHECK(!lh_variable(NULL, NULL, 1, one));
    CHECK(!lh_tensor_data(NULL) && !lh_tensor_grad(NULL));
    CHECK(!lh_tensor_shape(NULL) && !lh_cross_entropy_losses(NULL));
    CHECK_EQ_INT(lh_tensor_size(NULL), 0);
    CHECK_EQ_INT(lh_tensor_dims(NULL), 0);
    lh_plan plan;
    UNHEARD(lh_train_plan(NULL, NULL, NULL, NULL, &plan));
    CHECK(lh_value(NULL) != lh_value(NULL));
    CHECK(!lh_node_input(NULL, 0) && !lh_node_data(NULL));
    CHECK(!lh_node_grad(NULL) && !lh_node_input_grad(NULL, 0));
#define UNARY(name, y, dx, doc) CHECK(!lh_##name(NULL, NULL));
#define UNARY_S(name, y, dx, doc) CHECK(!lh_##name(NULL, NULL, 1));
#define BINARY(name, y, da, db, doc) CHECK(!lh_##name(NULL, NULL, NULL));
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY_S
#undef BINARY
    CHECK(!lh_linear(NULL, NULL, NULL, NULL) && !lh_sum(NULL, NULL));
    CHECK(!lh_embedding(NULL, NULL, NULL, 1) && !lh_mean(NULL, NULL));
    CHECK(!lh_rms_norm(NULL, NULL, NULL, 1) && !lh_softmax(NULL, NULL));
    CHECK(!lh_layer_norm(NULL, NULL, NULL, NULL, 1));
    CHECK(!lh_rotary(NULL, NULL, NULL, NULL, NULL));
    CHECK(!lh_attention(NULL, NULL, NULL, NULL, 1, 1, 0, NULL, 1));
    CHECK(!lh_cross_entropy(NULL, NULL, NULL));
    CHECK(!lh_cross_entropy_part(NULL, NULL, NULL, 1, 0));
    CHECK(!lh_linear_cross_entropy(NULL, NULL, NULL, NULL, NULL, 1, 0));
    CHECK(!lh_dropout(NULL, NULL, 0) && !lh_slice(NULL, NULL, 0, 1));
    CHECK(!lh_reshape(NULL, NULL, 1, one));
    CHECK(!lh_recompute(NULL, NULL, NULL, NULL, 0));
    CHECK(!lh_apply(NULL, NULL, NULL, 0, 1, one, NULL, 0));
    CHECK(!lh_model_logits(NULL, NULL, NULL));
    CHECK(!lh_model_loss(NULL, NULL, NULL, 1, 0));
    lh_rotary_tables(NULL, NULL, 4, 4, 1e4);
}

static lh_tensor *part_nothing(lh_tape *t, lh_tensor *x, const void *data)
{
    (void)t, (void)x, (void)data;
    return NULL;
}

static lh_status forward_nothing(lh_tensor *node)
{
    (void)node;
    return LH_OK;
}

/* NULL for each of an operation's objects. */
static void nulls_operations(lh_context *ctx, lh_tape *t)
{
    const int32_t id[2] = { 0, 1 };
    const int64_t offsets[2] = { 0, 2 }, flat[1] = { 8 };
    const lh_op op = { "nothing", forward_nothing, NULL };
    const lh_op none = { "nothing", NULL, NULL };
    lh_tensor *const null[1] = { NULL };
    POISONS(lh_constant(t, NULL, 1, NULL));
    POISONS(lh_variable(t, NULL, 1, NULL));
#define UNARY(name, y, dx, doc) POISONS(lh_##name(t, NULL));
#define UNARY_S(name, y, dx, doc) POISONS(lh_##name(t, NULL, 1));
#define BINARY(name, y, da, db, doc) \
    POISONS(lh_##name(t, x, NULL)); POISONS(lh_##name(t, NULL, x));
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY_S
#undef BINARY
    POISONS(lh_linear(t, NULL, x, x));
    POISONS(lh_linear(t, x, NULL, NULL));
    POISONS(lh_embedding(t, NULL, id, 2));
    POISONS(lh_embedding(t, x, NULL, 2));
    POISONS(lh_rms_norm(t, NULL, NULL, 1));
    POISONS(lh_layer_norm(t, NULL, NULL, NULL, 1));
    POISONS(lh_rotary(t, NULL, x, x, id));
    POISONS(lh_rotary(t, x, NULL, x, id));
    POISONS(lh_rotary(t, x, x, NULL, id));
    POISONS(lh_rotary(t, x, x, x, NULL));
    POISONS(lh_attention(t, NULL, x, x, 1, 1, 0, offsets, 1));
    POISONS(lh_attention(t, x, NULL, x, 1, 1, 0, offsets, 1));
    POISONS(lh_attention(t, x, x, NULL, 1, 1, 0, offsets, 1));
    POISONS(lh_attention(t, x, x, x, 1, 1, 0, NULL, 1));
    POISONS(lh_softmax(t, NULL));
    POISONS(lh_cross_entropy(t, NULL, id));
    POISONS(lh_cross_entropy(t, x, NULL));
    POISONS(lh_cross_entropy_part(t, NULL, id, 2, 0));
    POISONS(lh_cross_entropy_part(t, x, NULL, 2, 0));
    POISONS(lh_linear_cross_entropy(t, NULL, x, NULL, id, 2, 0));
    POISONS(lh_linear_cross_entropy(t, x, x, NULL, NULL, 2, 0));
    POISONS(lh_dropout(t, NULL, 0.5f));
    POISONS(lh_reshape(t, NULL, 1, flat));
    POISONS(lh_reshape(t, x, 1, NULL));
    POISONS(lh_slice(t, NULL, 0, 1));
    POISONS(lh_recompute(t, part_nothing, NULL, NULL, 0));
    POISONS(lh_recompute(t, NULL, x, NULL, 0));
    POISONS(lh_recompute(t, part_nothing, x, NULL, 4));
    POISONS(lh_recompute(t, part_nothing, x, NULL, 0));
    POISONS(lh_sum(t, NULL));
    POISONS(lh_mean(t, NULL));
    POISONS(lh_apply(t, NULL, &x, 1, 1, flat, NULL, 0));
    POISONS(lh_apply(t, &none, &x, 1, 1, flat, NULL, 0));
    POISONS(lh_apply(t, &op, NULL, 1, 1, flat, NULL, 0));
    POISONS(lh_apply(t, &op, null, 1, 1, flat, NULL, 0));
    POISONS(lh_apply(t, &op, &x, 1, 1, NULL, NULL, 0));
    POISONS(lh_apply(t, &op, &x, 1, 1, flat, NULL, 4));
    lh_tape_reset(t);
    lh_error_clear(ctx);
    DENIED(lh_backward(t, NULL));
    lh_tape_reset(t);
}

/* Objects that cannot be made of nothing. */
static void nulls_objects(lh_context *ctx)
{
    const int64_t one[1] = { 1 };
    const char *name = "";
    lh_config config;
    lh_train_settings how;
    lh_params_free(NULL), lh_adamw_free(NULL), lh_model_free(NULL);
    lh_tokenizer_free(NULL), lh_dataset_free(NULL), lh_trainer_free(NULL);
    lh_session_free(NULL), lh_session_reset(NULL);
    lh_params_zero_grad(NULL);
    CHECK(!lh_params_new(NULL) && !lh_adamw_new(NULL));
    CHECK(!lh_params_add(NULL, "x", 1, one, false));
    CHECK(!lh_params_get(NULL, 0, &name) && !name);
    CHECK(!lh_params_find(NULL, "x"));
    CHECK_EQ_INT(lh_params_count(NULL), 0);
    CHECK_EQ_INT(lh_params_size(NULL), 0);
    lh_params *p = lh_params_new(ctx);
    REFUSED(lh_adamw_new(p), LH_ERROR_ARGUMENT);
    REFUSED(lh_params_add(p, NULL, 1, one, false), LH_ERROR_ARGUMENT);
    REFUSED(lh_params_add(p, "x", 1, NULL, false), LH_ERROR_ARGUMENT);
    CHECK(!lh_params_find(p, NULL) && !lh_params_get(p, -1, NULL));
    CHECK(lh_params_add(p, "x", 1, one, false) != NULL);
    REFUSED(lh_params_add(p, "x", 1, one, false), LH_ERROR_EXISTS);
    lh_adamw *o = lh_adamw_new(p);
    lh_adamw_settings s = LH_ADAMW_DEFAULT;
    UNHEARD(lh_adamw_step(NULL, &s, NULL));
    DENIED(lh_adamw_step(o, NULL, NULL));
    lh_adamw_free(o);
    lh_params_free(p);

    CHECK_EQ_INT(lh_preset(NULL, "micro", &config), LH_OK);
    UNHEARD(lh_preset(NULL, "no such one", &config));
    DENIED(lh_preset(ctx, NULL, &config));
    DENIED(lh_preset(ctx, "micro", NULL));
    CHECK_EQ_INT(lh_train_preset(NULL, "micro", &how), LH_OK);
    UNHEARD(lh_train_preset(NULL, "no such one", &how));
    DENIED(lh_train_preset(ctx, NULL, &how));
    DENIED(lh_train_preset(ctx, "micro", NULL));

    CHECK(!lh_tokenizer_bytes(NULL) && !lh_tokenizer_kind(NULL));
    CHECK(!lh_tokenizer_characters(NULL, "a", 1));
    REFUSED(lh_tokenizer_characters(ctx, NULL, 1), LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_tokenizer_vocabulary(NULL), 0);
    CHECK(lh_tokenizer_border(NULL) < 0);
    CHECK(!lh_tokenizer_piece(NULL, 0, NULL));
    CHECK(lh_tokenizer_find(NULL, "a", 1) < 0);
    CHECK(lh_tokenizer_special(NULL, 0) < 0);
    CHECK(!lh_tokenizer_cut(NULL, "a b", 3));
    CHECK(!lh_text_whole(NULL, 0));
    CHECK(!lh_tokenizer_load(NULL, "x", NULL));
    REFUSED(lh_tokenizer_load(ctx, NULL, NULL), LH_ERROR_ARGUMENT);
    REFUSED(lh_tokenizer_load(ctx, "no such file", NULL), LH_ERROR_IO);
    CHECK(!lh_tokenizer_trainer_new(NULL));
    lh_tokenizer_trainer_free(NULL);
    CHECK(lh_tokenizer_trainer_add(NULL, NULL, NULL, 0) != LH_OK);
    CHECK(!lh_tokenizer_trainer_make(NULL, 300, &name, 1, NULL, NULL));
    lh_tokenizer_trainer *trainer = lh_tokenizer_trainer_new(ctx);
    DENIED(lh_tokenizer_trainer_add(trainer, NULL, NULL, 1));
    REFUSED(lh_tokenizer_trainer_make(trainer, 300, NULL, 0, NULL, NULL),
            LH_ERROR_ARGUMENT);
    lh_tokenizer_trainer_free(trainer);
    CHECK(!lh_dataset_names(NULL));
    CHECK(!lh_dataset_text(NULL, "a", 1, LH_DOCUMENTS_LINES));
    CHECK(!lh_dataset_file(NULL, "a", LH_DOCUMENTS_LINES));
    REFUSED(lh_dataset_text(ctx, NULL, 1, LH_DOCUMENTS_LINES),
            LH_ERROR_ARGUMENT);
    REFUSED(lh_dataset_file(ctx, NULL, LH_DOCUMENTS_LINES),
            LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_dataset_documents(NULL), 0);
    CHECK(!lh_dataset_document(NULL, 0, NULL));
    CHECK(!lh_dataset_bytes(NULL, NULL));
    CHECK(!lh_dataset_contains(NULL, "a", 1));
    lh_error_clear(ctx);
}

/* A small setting in which everything can be called. */
typedef struct world {
    lh_context *ctx;
    lh_tape *t;
    lh_dataset *d;
    lh_tokenizer *k;
    lh_model *m;
    lh_trainer *r;
    lh_session *s;
    lh_config config;
    lh_train_settings how;
} world;

static const char text[] = "anna\nbert\ncarla\ndan\nemil\nfred\ngerda\n";

static world world_make(lh_context *ctx)
{
    world w = { .ctx = ctx, .t = lh_tape_new(ctx) };
    w.d = lh_dataset_text(ctx, text, sizeof text - 1, LH_DOCUMENTS_LINES);
    w.k = lh_tokenizer_characters(ctx, text, sizeof text - 1);
    CHECK_EQ_INT(lh_preset(ctx, "micro", &w.config), LH_OK);
    CHECK_EQ_INT(lh_train_preset(ctx, "micro", &w.how), LH_OK);
    w.config.vocabulary = lh_tokenizer_vocabulary(w.k);
    w.config.kv_heads = 2;
    w.config.embedding_scale = 1.1;
    w.config.logit_softcap = 3.3;
    w.config.dropout = 0.3;
    w.config.qk_norm = w.config.final_norm = w.config.norm_gain = true;
    w.config.positions = LH_POSITIONS_ROTARY;
    w.config.rotary_theta = 1e4;
    w.how.steps = 4;
    w.how.batch = 5;
    w.how.micro_batch = 3;
    w.how.held_out = 0.2;
    w.how.adamw.clip = 0.1;
    w.m = lh_model_new(ctx, &w.config, 3);
    w.r = lh_trainer_new(ctx, w.m, w.k, w.d, &w.how);
    w.s = lh_session_new(ctx, w.m, 4);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    CHECK(w.t && w.d && w.k && w.m && w.r && w.s);
    return w;
}

static void world_free(world *w)
{
    lh_session_free(w->s);
    lh_trainer_free(w->r);
    lh_model_free(w->m);
    lh_tokenizer_free(w->k);
    lh_dataset_free(w->d);
    lh_tape_free(w->t);
}

static void nulls_world(const world *w)
{
    lh_context *ctx = w->ctx;
    lh_tape *t = w->t;
    const int64_t offsets[2] = { 0, 2 };
    const int32_t tokens[2] = { 0, 1 };
    lh_batch batch = { 1, offsets, tokens, NULL };
    lh_batch no_tokens = { 1, offsets, NULL, tokens };
    lh_batch no_offsets = { 1, NULL, tokens, tokens };
    const lh_sampling how = { 1, 0, 0, 0 };
    int32_t *ids;
    int64_t count;
    char *made;
    size_t size;
    lh_model *m = NULL;
    CHECK(!lh_model_new(NULL, &w->config, 1) && !lh_model_config(NULL));
    CHECK(!lh_model_params(NULL));
    REFUSED(lh_model_new(ctx, NULL, 1), LH_ERROR_ARGUMENT);
    POISONS(lh_model_logits(t, NULL, &batch));
    POISONS(lh_model_logits(t, w->m, NULL));
    POISONS(lh_model_logits(t, w->m, &no_tokens));
    POISONS(lh_model_logits(t, w->m, &no_offsets));
    POISONS(lh_model_loss(t, NULL, &batch, 1, 0));
    POISONS(lh_model_loss(t, w->m, NULL, 1, 0));
    POISONS(lh_model_loss(t, w->m, &batch, 1, 0));   /* without targets    */
    lh_tape_reset(t);

    UNHEARD(lh_tokenizer_encode(NULL, w->k, "a", 1, &ids, &count));
    DENIED(lh_tokenizer_encode(ctx, NULL, "a", 1, &ids, &count));
    DENIED(lh_tokenizer_encode(ctx, w->k, NULL, 1, &ids, &count));
    DENIED(lh_tokenizer_encode(ctx, w->k, "a", 1, NULL, &count));
    DENIED(lh_tokenizer_encode(ctx, w->k, "a", 1, &ids, NULL));
    CHECK(lh_tokenizer_piece(w->k, 0, NULL) != NULL);
    DENIED(lh_tokenizer_encode_as(ctx, w->k, NULL, 1, NULL, &ids, &count));
    DENIED(lh_tokenizer_decode(ctx, NULL, tokens, 2, &made, &size, NULL));
    DENIED(lh_tokenizer_decode(ctx, w->k, NULL, 2, &made, &size, NULL));
    DENIED(lh_tokenizer_decode(ctx, w->k, tokens, -1, &made, &size, NULL));
    DENIED(lh_tokenizer_save(ctx, NULL, "x"));
    DENIED(lh_tokenizer_save(ctx, w->k, NULL));
    CHECK(lh_tokenizer_find(w->k, NULL, 1) < 0);
    CHECK_EQ_INT(lh_tokenizer_special(w->k, 0), lh_tokenizer_border(w->k));
    CHECK(lh_dataset_document(w->d, 0, NULL) != NULL);
    CHECK(lh_dataset_bytes(w->d, NULL) != NULL);
    CHECK(!lh_dataset_contains(w->d, NULL, 1));

    CHECK(!lh_trainer_new(NULL, w->m, w->k, w->d, &w->how));
    REFUSED(lh_trainer_new(ctx, NULL, w->k, w->d, &w->how),
            LH_ERROR_ARGUMENT);
    REFUSED(lh_trainer_new(ctx, w->m, NULL, w->d, &w->how),
            LH_ERROR_ARGUMENT);
    REFUSED(lh_trainer_new(ctx, w->m, w->k, NULL, &w->how),
            LH_ERROR_ARGUMENT);
    REFUSED(lh_trainer_new(ctx, w->m, w->k, w->d, NULL), LH_ERROR_ARGUMENT);
    UNHEARD(lh_trainer_step(NULL, NULL));
    lh_progress progress = { .step = 5 };
    lh_trainer_progress(NULL, NULL);
    lh_trainer_progress(w->r, NULL);
    lh_trainer_progress(NULL, &progress);
    CHECK_EQ_INT(progress.step, 0);
    UNHEARD(lh_trainer_evaluate(NULL, NULL, NULL));
    UNHEARD(lh_trainer_save(NULL, "x"));
    UNHEARD(lh_trainer_load(NULL, "x"));
    DENIED(lh_trainer_save(w->r, NULL));
    DENIED(lh_trainer_load(w->r, NULL));
    UNHEARD(lh_train(NULL, NULL, NULL));
    UNHEARD(lh_evaluate(NULL, w->m, w->k, w->d, NULL, NULL, NULL));
    DENIED(lh_evaluate(ctx, NULL, w->k, w->d, NULL, NULL, NULL));
    DENIED(lh_evaluate(ctx, w->m, NULL, w->d, NULL, NULL, NULL));
    DENIED(lh_evaluate(ctx, w->m, w->k, NULL, NULL, NULL, NULL));
    CHECK_EQ_INT(lh_evaluate(ctx, w->m, w->k, w->d, NULL, NULL, NULL),
                 LH_OK);

    CHECK(!lh_session_new(NULL, w->m, 1) && !lh_session_logits(NULL));
    REFUSED(lh_session_new(ctx, NULL, 1), LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_session_position(NULL), 0);
    UNHEARD(lh_session_feed(NULL, tokens, 1));
    DENIED(lh_session_feed(w->s, NULL, 1));
    CHECK(lh_session_sample(NULL, &how) < 0);
    lh_error_clear(ctx);
    CHECK(lh_session_sample(w->s, NULL) < 0);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    UNHEARD(lh_session_generate(NULL, w->k, &how, 0, &made, NULL));
    DENIED(lh_session_generate(w->s, NULL, &how, 0, &made, NULL));
    DENIED(lh_session_generate(w->s, w->k, NULL, 0, &made, NULL));
    DENIED(lh_session_generate(w->s, w->k, &how, 0, NULL, NULL));

    UNHEARD(lh_model_save(NULL, w->m, w->k, "x"));
    DENIED(lh_model_save(ctx, NULL, w->k, "x"));
    DENIED(lh_model_save(ctx, w->m, NULL, "x"));
    DENIED(lh_model_save(ctx, w->m, w->k, NULL));
    UNHEARD(lh_model_load(NULL, "x", &m, NULL));
    DENIED(lh_model_load(ctx, NULL, &m, NULL));
    DENIED(lh_model_load(ctx, "x", NULL, NULL));
    lh_config config;
    UNHEARD(lh_config_load(NULL, "x", &config));
    DENIED(lh_config_load(ctx, NULL, &config));
    DENIED(lh_config_load(ctx, "x", NULL));
    DENIED(lh_train_plan(ctx, NULL, NULL, NULL, NULL));
    lh_error_clear(ctx);
}

static void check_nulls(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    nulls_context();
    nulls_tape();
    lh_tape *t = lh_tape_new(ctx);
    nulls_operations(ctx, t);
    lh_tape_free(t);
    nulls_objects(ctx);
    world w = world_make(ctx);
    nulls_world(&w);
    world_free(&w);
    lh_context_free(ctx);
}

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
#undef UNARY
#undef UNARY_S
#undef BINARY
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
    double loss = 0;
    CHECK_EQ_INT(lh_trainer_step(w.r, &p), LH_OK);
    trace_bytes(o, "progress", &p, sizeof p);
    snprintf(path, sizeof path, "%s/state", folder);
    CHECK_EQ_INT(lh_trainer_save(w.r, path), LH_OK);
    KEPT();
    CHECK_EQ_INT(lh_trainer_load(w.r, path), LH_OK);
    CHECK_EQ_INT(lh_train(w.r, NULL, NULL), LH_OK);
    trace_model(o, "trained", w.m);
    CHECK_EQ_INT(lh_trainer_evaluate(w.r, &loss, NULL), LH_OK);
    trace_bytes(o, "held-out loss", &loss, sizeof loss);
    CHECK_EQ_INT(lh_evaluate(ctx, w.m, w.k, w.d, &loss, NULL, NULL), LH_OK);
    trace_bytes(o, "loss over all", &loss, sizeof loss);

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
        "model.safetensors", "tokenizer.json" };
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
    check_nulls();
    check_hosts();
    check_zeroed();
    check_shared();
    check_stale();
    check_offsets();
    check_sizes();
    return test_end("api");
}
