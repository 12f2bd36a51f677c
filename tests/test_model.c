/* Configs that cannot be, parameters, first values, the whole model's
 * gradient against differences, and decoding against the whole sequence. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model_help.h"
#include "formats/hf_config.h"
#include "model/model.h"

/* ------------------------------------------------------------- configs -- */

static void refuse(lh_context *ctx, lh_config c, const char *part)
{
    lh_error_clear(ctx);
    CHECK(lh_model_new(ctx, &c, 1) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_SHAPE);
    bool says = strstr(lh_error_message(ctx), part) != NULL;
    CHECK(says);
    if (!says)
        printf("    says: %s\n", lh_error_message(ctx));
    lh_error_clear(ctx);
}

#define REFUSE(kind, change, part) do { \
    lh_config c = kind_config(kind); \
    change; \
    refuse(ctx, c, part); \
} while (0)

static void test_refusals(lh_context *ctx)
{
    REFUSE(0, c.layers = 0, "layers");
    REFUSE(0, c.layers = 1025, "layers");
    REFUSE(0, c.width = -1, "width");
    REFUSE(0, c.heads = 0, "heads");
    REFUSE(0, c.kv_heads = 0, "kv_heads");
    REFUSE(0, c.kv_heads = 3, "evenly");
    REFUSE(0, c.kv_heads = 8, "evenly");
    REFUSE(0, c.head_size = 0, "head_size");
    REFUSE(0, c.feed_forward = 0, "feed_forward");
    REFUSE(0, c.context = 0, "context");
    REFUSE(0, c.vocabulary = 0, "vocabulary");
    REFUSE(0, c.vocabulary = (int64_t)1 << 31, "vocabulary");
    REFUSE(0, c.width = INT64_MAX, "width");
    REFUSE(0, (c.width = INT32_MAX, c.vocabulary = INT32_MAX,
               c.feed_forward = INT32_MAX), "memory");
    REFUSE(0, (c.head_size = 1 << 20, c.heads = c.kv_heads = 1 << 12),
           "head_size");
    REFUSE(2, c.head_size = 7, "odd");
    REFUSE(2, c.rotary_theta = 0, "rotary_theta");
    REFUSE(2, c.rotary_theta = NAN, "rotary_theta");
    REFUSE(2, c.context = INT32_MAX, "context");
    REFUSE(2, c.norm_bias = true, "bias");
    REFUSE(7, c.ngrams = 4, "ngrams");
    REFUSE(7, c.ngrams = 1, "ngrams");
    REFUSE(7, c.ngram_rows = 0, "ngram_rows");
    REFUSE(7, c.ngram_rows = (int64_t)1 << 31, "ngram_rows");
    REFUSE(0, c.norm_eps = 0, "norm_eps");
    REFUSE(0, c.norm_eps = NAN, "norm_eps");
    REFUSE(0, c.embedding_scale = 0, "embedding_scale");
    REFUSE(0, c.embedding_scale = INFINITY, "embedding_scale");
    REFUSE(0, c.logit_softcap = -1, "logit_softcap");
    REFUSE(0, c.dropout = 1, "dropout");
    REFUSE(0, c.dropout = NAN, "dropout");
    REFUSE(0, c.init_std = -1, "init_std");
    REFUSE(0, c.positions = (lh_positions)7, "positions");
    REFUSE(0, c.norm = (lh_norm)-1, "norm");
    REFUSE(0, c.activation = (lh_activation)9, "activation");
    CHECK(lh_model_new(ctx, NULL, 1) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
}

static lh_status add_size(void *user, const lh_parameter_spec *s)
{
    *(int64_t *)user += s->shape[0] * (s->dims > 1 ? s->shape[1] : 1);
    return LH_OK;
}

static void test_preset(lh_context *ctx, const char *name,
                        int64_t vocabulary, int64_t wanted)
{
    lh_config c;
    CHECK_OK(ctx, lh_preset(ctx, name, &c));
    CHECK_EQ_INT(c.vocabulary, 0);
    c.vocabulary = vocabulary;
    int64_t size = 0;
    CHECK_OK(ctx, lh_config_check(ctx, &c));
    CHECK_OK(ctx, lh_config_walk(&c, add_size, &size));
    CHECK_EQ_INT(size, wanted);
}

static void test_presets(lh_context *ctx)
{
    const char *what, *name;
    int count = 0;
    for (; (name = lh_preset_name(count, &what)); count++) {
        lh_config c;
        lh_train_settings s;
        CHECK(what && *what);
        CHECK_OK(ctx, lh_preset(ctx, name, &c));
        CHECK_OK(ctx, lh_train_preset(ctx, name, &s));
        CHECK(s.steps > 0 && s.batch > 0 && s.adamw.learning_rate > 0);
        c.vocabulary = 50;
        CHECK_OK(ctx, lh_config_check(ctx, &c));
    }
    CHECK(count >= 5);
    for (int i = 0; (name = lh_preset_name(i, NULL)); i++)
        for (int compatible = 0; compatible < 2; compatible++) {
            lh_config c, plain;
            lh_train_settings s;
            CHECK_OK(ctx, lh_preset(ctx, name, &c));
            CHECK_OK(ctx, lh_train_preset(ctx, name, &s));
            plain = c;
            CHECK_OK(ctx, lh_recipe(ctx, "plain", true, &c, &s));
            CHECK(memcmp(&c, &plain, sizeof c) == 0);
            CHECK(s.muon.learning_rate == 0);
            CHECK_OK(ctx, lh_recipe(ctx, "fast", compatible, &c, &s));
            c.vocabulary = 50;
            CHECK_OK(ctx, lh_config_check(ctx, &c));
            CHECK(c.layers == plain.layers && c.width == plain.width);
            CHECK_EQ_INT(lh_layout_of(&c), compatible ? LH_LAYOUT_NANOCHAT
                                                      : LH_LAYOUT_LONGHAND);
            CHECK(s.muon.learning_rate > 0 && s.cool_down <= s.steps);
        }
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "plain, fast",
                lh_recipe(ctx, "slow", false, NULL, NULL));
    test_preset(ctx, "micro", 27, 4192);
    test_preset(ctx, "gpt2", 50257, 124439808);
    test_preset(ctx, "llama-15m", 32000, 15191712);
    lh_config c;
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "micro, nano",
                lh_preset(ctx, "nothing", &c));
}

/* -------------------------------------------------------- first values -- */

static double first_loss(lh_context *ctx, lh_model *m)
{
    int32_t tokens[41];
    int64_t offsets[3] = { 0, 20, 40 };
    kind_tokens(tokens, 41, 3);
    lh_tape *t = lh_tape_new(ctx);
    lh_batch batch = { 2, offsets, tokens, tokens + 1 };
    double loss = (double)lh_value(lh_model_loss(t, m, &batch, 40, 0));
    lh_tape_free(t);
    return loss;
}

static void test_start(lh_context *ctx, int kind)
{
    lh_config c = kind_config(kind);
    c.init_std = 0.02;
    c.embedding_scale = 1;
    lh_model *a = lh_model_new(ctx, &c, 7), *b = lh_model_new(ctx, &c, 7);
    lh_model *other = lh_model_new(ctx, &c, 8);
    CHECK(a && b && other);
    CHECK(models_equal(a, b));
    CHECK(!models_equal(a, other));
    CHECK(fabs(first_loss(ctx, a) - log(KIND_VOCABULARY)) < 0.1);
    /* What other parameters there are changes nothing. */
    c.layers = 1;
    lh_model *less = lh_model_new(ctx, &c, 7);
    lh_tensor *x = lh_params_find(lh_model_params(a),
                                  "model.layers.0.mlp.up_proj.weight");
    lh_tensor *y = lh_params_find(lh_model_params(less),
                                  "model.layers.0.mlp.up_proj.weight");
    CHECK(x && y && memcmp(lh_tensor_data(x), lh_tensor_data(y),
                           (size_t)lh_tensor_size(x) * 4) == 0);
    double squares = 0;
    for (int64_t i = 0; i < lh_tensor_size(x); i++)
        squares += pow((double)lh_tensor_data(x)[i], 2);
    double std = sqrt(squares / (double)lh_tensor_size(x));
    CHECK(std > 0.017 && std < 0.023);
    lh_model_free(a);
    lh_model_free(b);
    lh_model_free(other);
    lh_model_free(less);
}

/* ------------------------------------------------------------ gradient -- */

/* The loss in f64 from the rows' losses: less rounding than their f32 sum. */
static double row_loss(lh_tape *t, lh_model *m, const lh_batch *batch)
{
    int64_t rows = batch->offsets[batch->documents], scored = 0;
    lh_tape_reset(t);
    lh_tensor *loss = lh_model_loss(t, m, batch, rows, 0);
    const float *losses = lh_cross_entropy_losses(loss);
    double sum = 0;
    for (int64_t i = 0; losses && i < rows; i++) {
        sum += (double)losses[i];
        scored += batch->targets[i] >= 0;
    }
    (void)scored;
    return sum / (double)rows;
}

/* The difference quotient along `u`, Richardson-extrapolated. */
static double slope(lh_tape *t, lh_model *m, const lh_batch *batch,
                    lh_tensor *x, const double *u, double step)
{
    int64_t size = lh_tensor_size(x);
    float *data = lh_tensor_data(x);
    float *kept = malloc((size_t)size * sizeof *kept);
    double quotient[2];
    memcpy(kept, data, (size_t)size * sizeof *kept);
    for (int half = 0; half < 2; half++) {
        double h = half ? step / 2 : step, loss[2];
        for (int sign = 0; sign < 2; sign++) {
            for (int64_t i = 0; i < size; i++)
                data[i] = (float)((double)kept[i] +
                                  (sign ? -h : h) * u[i]);
            loss[sign] = row_loss(t, m, batch);
        }
        quotient[half] = (loss[0] - loss[1]) / (2 * h);
    }
    memcpy(data, kept, (size_t)size * sizeof *kept);
    free(kept);
    return (4 * quotient[1] - quotient[0]) / 3;
}

static void check_slope(double got, double wanted, const char *name,
                        const char *how)
{
    bool close = fabs(got - wanted) <= 4e-3 * fabs(wanted) + 6e-4;
    CHECK(close);
    if (!close)
        printf("    %s, %s: differences %.6f, gradient %.6f\n", name, how,
               got, wanted);
}

/* Along the gradient itself, along a random direction, and three single
 * elements of every parameter. */
static void test_gradient(lh_context *ctx, int kind)
{
    lh_config c = kind_config(kind);
    lh_model *m = lh_model_new(ctx, &c, 11);
    int32_t tokens[30];
    int64_t offsets[4] = { 0, 9, 10, 29 };
    kind_tokens(tokens, 30, 5);
    tokens[13] = -1;                             /* a row without target   */
    int32_t inputs[30];
    memcpy(inputs, tokens, sizeof inputs);
    inputs[13] = 4;
    lh_batch batch = { 3, offsets, inputs, tokens + 1 };
    lh_tape *t = lh_tape_new(ctx);
    CHECK_OK(ctx, lh_backward(t, lh_model_loss(t, m, &batch, 29, 0)));
    lh_params *p = lh_model_params(m);
    uint64_t seed = 17;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        lh_tensor *x = lh_params_get(p, i, &name);
        int64_t size = lh_tensor_size(x);
        const float *g = lh_tensor_grad(x);
        CHECK(g != NULL);
        if (!g)
            continue;
        double *u = calloc((size_t)size, sizeof *u), length = 0, dot = 0;
        for (int64_t j = 0; j < size; j++)
            length += (double)g[j] * (double)g[j];
        length = sqrt(length);
        CHECK(length > 0 || strstr(name, "k_proj.bias"));
        for (int64_t j = 0; length > 0 && j < size; j++)
            u[j] = (double)g[j] / length;
        check_slope(slope(t, m, &batch, x, u, 4e-3), length, name,
                    "along the gradient");
        double scale = 1 / sqrt((double)size);
        for (int64_t j = 0; j < size; j++) {
            u[j] = test_random(&seed) % 2 ? scale : -scale;
            dot += u[j] * (double)g[j];
        }
        check_slope(slope(t, m, &batch, x, u, 4e-3), dot, name, "random");
        for (int n = 0; n < 3; n++) {
            int64_t at = (int64_t)(test_random(&seed) % (uint64_t)size);
            memset(u, 0, (size_t)size * sizeof *u);
            u[at] = 1;
            check_slope(slope(t, m, &batch, x, u, 4e-3), (double)g[at],
                        name, "one element");
        }
        free(u);
    }
    lh_tape_free(t);
    lh_model_free(m);
}

/* ------------------------------------------------------------ decoding -- */

static bool same_row(const float *a, const float *b)
{
    return a && b && memcmp(a, b, KIND_VOCABULARY * sizeof *a) == 0;
}

/* One at a time, in pieces, and several documents in a batch: all give the
 * rows that the whole sequence gives. */
static void test_decoding(lh_context *ctx, int kind, int64_t length)
{
    lh_config c = kind_config(kind);
    c.context = length + 3;
    lh_model *m = lh_model_new(ctx, &c, 23);
    int32_t *tokens = malloc((size_t)(2 * length) * sizeof *tokens);
    kind_tokens(tokens, 2 * length, 29);
    lh_tape *t = lh_tape_new(ctx), *u = lh_tape_new(ctx);
    lh_tape_gradients(t, false);
    int64_t one[2] = { 0, length };
    lh_batch batch = { 1, one, tokens, NULL };
    lh_tensor *whole = lh_model_logits(t, m, &batch);
    const float *rows = lh_tensor_data(whole);
    CHECK(rows != NULL);
    lh_session *s = lh_session_new(ctx, m, 1);
    CHECK(lh_session_logits(s) == NULL);
    int64_t wrong = 0;
    for (int64_t i = 0; rows && i < length; i++) {
        CHECK_OK(ctx, lh_session_feed(s, tokens + i, 1));
        wrong += !same_row(lh_session_logits(s), rows + i * KIND_VOCABULARY);
    }
    CHECK_EQ_INT(wrong, 0);
    CHECK_EQ_INT(lh_session_position(s), length);
    for (int64_t cut = 0; rows && cut < length; cut += 1 + length / 7) {
        lh_session_reset(s);
        CHECK_OK(ctx, lh_session_feed(s, tokens, cut));
        CHECK_OK(ctx, lh_session_feed(s, tokens + cut, length - cut));
        CHECK(same_row(lh_session_logits(s),
                       rows + (length - 1) * KIND_VOCABULARY));
    }
    int64_t offsets[4] = { 0, length / 2, length / 2 + length,
                           2 * length };
    memmove(tokens + length / 2, tokens,
            (size_t)length * sizeof *tokens);
    lh_tensor *packed = lh_model_logits(u, m, &(lh_batch){
        3, offsets, tokens, NULL });
    CHECK(packed && rows && memcmp(
        lh_tensor_data(packed) + length / 2 * KIND_VOCABULARY, rows,
        (size_t)(length * KIND_VOCABULARY) * sizeof(float)) == 0);
    lh_session_free(s);
    lh_tape_free(t);
    lh_tape_free(u);
    lh_model_free(m);
    free(tokens);
}

/* The same on every row of kernels that is here: a model as GPT-2's and one as
 * Llama's, on two threads. */
static void test_every_row(lh_context *ctx)
{
    const char *name, *why;
    for (int i = 0; (name = lh_cpu_reason(ctx, i, &why)) != NULL; i++) {
        lh_context *other = lh_context_new(&(lh_settings){
            .threads = 2, .cpu = name });
        if (lh_error_status(other) == LH_OK) {
            CHECK_STR(lh_cpu_level(other), name);
            test_decoding(other, 1, 41);
            test_decoding(other, 2, 41);
            test_decoding(other, 7, 41);
        }
        lh_context_free(other);
    }
}

static void test_session_errors(lh_context *ctx)
{
    lh_config c = kind_config(2);
    lh_model *m = lh_model_new(ctx, &c, 1);
    lh_session *s = lh_session_new(ctx, m, 1);
    int32_t tokens[21];
    kind_tokens(tokens, 21, 1);
    CHECK_FAILS(ctx, LH_ERROR_STATE, "context",
                lh_session_feed(s, tokens, 21));
    CHECK_EQ_INT(lh_session_position(s), 0);
    CHECK_OK(ctx, lh_session_feed(s, tokens, 20));
    CHECK_FAILS(ctx, LH_ERROR_STATE, "context",
                lh_session_feed(s, tokens, 1));
    lh_session_reset(s);
    tokens[3] = KIND_VOCABULARY;
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "29",
                lh_session_feed(s, tokens, 5));
    CHECK_EQ_INT(lh_session_position(s), 0);
    CHECK_EQ_INT(lh_session_sample(s, &(lh_sampling){ 0 }), -1);
    lh_error_clear(ctx);
    CHECK(lh_session_feed(NULL, tokens, 1) == LH_ERROR_ARGUMENT);
    int64_t offsets[2] = { 0, 21 };
    lh_tape *t = lh_tape_new(ctx);
    CHECK(!lh_model_logits(t, m, &(lh_batch){ 1, offsets, tokens, NULL }));
    CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_SHAPE);
    lh_error_clear(ctx);
    lh_tape_free(t);
    lh_session_free(s);
    lh_model_free(m);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    test_refusals(ctx);
    test_presets(ctx);
    for (int kind = 0; kind < KINDS; kind++) {
        test_start(ctx, kind);
        test_gradient(ctx, kind);
        test_decoding(ctx, kind, 17);
    }
    test_decoding(ctx, 2, 150);
    test_every_row(ctx);
    test_session_errors(ctx);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    lh_context_free(ctx);
    return test_end("model");
}
