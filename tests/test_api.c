/* The promise that longhand.h makes of all its functions at once: NULL is an
 * error and not a crash. */
#include "longhand.h"

#include "test.h"
#include "world.h"

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

static lh_tensor *part_nothing(lh_tape *t, lh_tensor *y, const void *data)
{
    (void)t, (void)y, (void)data;
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
    CHECK_EQ_INT(lh_recipe(ctx, "fast", true, NULL, &how), LH_OK);
    DENIED(lh_recipe(ctx, NULL, true, NULL, &how));
    UNHEARD(lh_recipe(NULL, "slow", true, NULL, &how));

    CHECK(!lh_tokenizer_bytes(NULL) && !lh_tokenizer_kind(NULL));
    CHECK(!lh_tokenizer_characters(NULL, "a", 1));
    REFUSED(lh_tokenizer_characters(ctx, NULL, 1), LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_tokenizer_vocabulary(NULL), 0);
    CHECK(lh_tokenizer_border(NULL) < 0);
    CHECK(!lh_tokenizer_piece(NULL, 0, NULL));
    CHECK(lh_tokenizer_find(NULL, "a", 1) < 0);
    CHECK(lh_tokenizer_special(NULL, 0) < 0);
    CHECK(!lh_tokenizer_cut(NULL, "a b", 3));
    int64_t *at = NULL;
    int32_t *id = NULL;
    lh_tokenizer *bytes = lh_tokenizer_bytes(ctx);
    UNHEARD(lh_tokenizer_encode_batch(NULL, bytes, &name, &(size_t){ 1 }, 1,
                                      NULL, &id, &at));
    DENIED(lh_tokenizer_encode_batch(ctx, NULL, &name, &(size_t){ 1 }, 1,
                                     NULL, &id, &at));
    DENIED(lh_tokenizer_encode_batch(ctx, bytes, NULL, NULL, 1, NULL, &id,
                                     &at));
    DENIED(lh_tokenizer_encode_batch(ctx, bytes, &(const char *){ NULL },
                                     &(size_t){ 1 }, 1, NULL, &id, &at));
    DENIED(lh_tokenizer_encode_batch(ctx, bytes, &name, &(size_t){ 1 }, 1,
                                     NULL, NULL, &at));
    DENIED(lh_tokenizer_encode_batch(ctx, bytes, &name, &(size_t){ 1 }, 1,
                                     NULL, &id, NULL));
    lh_tokenizer_free(bytes);
    CHECK(!lh_text_whole(NULL, 0));
    CHECK(!lh_tokenizer_load(NULL, "x", NULL));
    REFUSED(lh_tokenizer_load(ctx, NULL, NULL), LH_ERROR_ARGUMENT);
    REFUSED(lh_tokenizer_load(ctx, "no such file", NULL), LH_ERROR_IO);
    CHECK(!lh_tokenizer_trainer_new(NULL));
    CHECK_EQ_INT(lh_tokenizer_trainer_words(NULL), 0);
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
    CHECK(!lh_dataset_open(NULL, NULL));
    REFUSED(lh_dataset_open(ctx, NULL), LH_ERROR_ARGUMENT);
    REFUSED(lh_dataset_open(ctx, &(lh_sources){ .paths = 1 }),
            LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_dataset_read(ctx, NULL, NULL, NULL, NULL),
                 LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_dataset_alphabet(ctx, NULL, NULL, NULL),
                 LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    lh_data_facts facts;
    lh_dataset_facts(NULL, &facts), lh_dataset_facts(NULL, NULL);
    CHECK(!facts.documents && !lh_dataset_note(NULL, 0));
    CHECK_EQ_INT(lh_dataset_documents(NULL), 0);
    CHECK(!lh_dataset_document(NULL, 0, NULL));
    CHECK(!lh_dataset_bytes(NULL, NULL));
    CHECK(!lh_dataset_contains(NULL, "a", 1));
    lh_error_clear(ctx);
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
    DENIED(lh_tokenizer_savable(ctx, NULL));
    CHECK(!lh_tokenizer_savable(ctx, w->k));
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
    UNHEARD(lh_trainer_evaluate(NULL, NULL, NULL, NULL));
    double norms[64];
    UNHEARD(lh_trainer_resize(NULL, 5, 0));
    DENIED(lh_trainer_resize(w->r, 0, 0));
    UNHEARD(lh_trainer_norms(NULL, norms, norms));
    DENIED(lh_trainer_norms(w->r, NULL, norms));
    DENIED(lh_trainer_norms(w->r, norms, NULL));
    lh_trainer_average(NULL, true);
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
    UNHEARD(lh_evaluate_choices(NULL, w->m, w->k, "x", NULL, NULL, NULL,
                                NULL, NULL));
    DENIED(lh_evaluate_choices(ctx, NULL, w->k, "x", NULL, NULL, NULL, NULL,
                               NULL));
    DENIED(lh_evaluate_choices(ctx, w->m, NULL, "x", NULL, NULL, NULL, NULL,
                               NULL));
    DENIED(lh_evaluate_choices(ctx, w->m, w->k, NULL, NULL, NULL, NULL, NULL,
                               NULL));

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
    DENIED(lh_model_save_as(ctx, w->m, w->k, "x", (lh_weights)3));
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

int main(void)
{
    check_nulls();
    return test_end("api");
}
