/* Training: it learns; a resumed run, one in micro-batches and one with more
 * threads end with the same bits; what cannot go on leaves all as it was. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "autograd/tape.h"
#include "base/context.h"
#include "model_help.h"
#include "torture.h"
#include "train/train.h"

static const char train_names[] =
    "ada\nbela\ncarlotta\nemma\nfinn\ngrace\nhugo\nines\njonathan\nkim\n"
    "lea\nmaximilian\nnoa\n";

typedef struct setup {
    lh_context *ctx;
    lh_dataset *data;
    lh_tokenizer *tokenizer;
    lh_config config;
    lh_train_settings settings;
    lh_model *model;
    lh_trainer *trainer;
} setup;

static lh_train_settings train_settings(void)
{
    return (lh_train_settings){
        .steps = 9, .batch = 6, .schedule = LH_COSINE, .warm_up = 3,
        .final_rate = 0.1, .seed = 5,
        .adamw = { 0.01, 0.9, 0.99, 1e-8, 0.1, 1.0 },
    };
}

/* A context and data; the model and the trainer come by setup_trainer(). */
static setup setup_make(const char *text, int kind, int threads)
{
    setup s = { .settings = train_settings() };
    s.ctx = lh_context_new(&(lh_settings){ .threads = threads });
    s.ctx->grain = 1;                            /* split everything       */
    s.data = lh_dataset_text(s.ctx, text, strlen(text), LH_DOCUMENTS_LINES);
    s.tokenizer = lh_tokenizer_characters(s.ctx, text, strlen(text));
    s.config = kind_config(kind);
    s.config.context = 6;
    s.config.init_std = 0.08;
    s.config.vocabulary = lh_tokenizer_vocabulary(s.tokenizer);
    if (kind % 3 == 2)
        s.settings.muon = (lh_muon_settings){ 0.02, 0.9, 0.1 };
    s.settings.average = kind > 4 ? 0.5 : 0;
    return s;
}

static void setup_trainer(setup *s, uint64_t seed)
{
    s->model = lh_model_new(s->ctx, &s->config, seed);
    s->trainer = lh_trainer_new(s->ctx, s->model, s->tokenizer, s->data,
                                &s->settings);
    CHECK(s->trainer != NULL);
    if (!s->trainer) {
        printf("    %s\n", lh_error_message(s->ctx));
        exit(1);
    }
}

static void setup_drop_trainer(setup *s)
{
    lh_trainer_free(s->trainer);
    lh_model_free(s->model);
    s->trainer = NULL;
    s->model = NULL;
}

static void setup_free(setup *s)
{
    setup_drop_trainer(s);
    lh_tokenizer_free(s->tokenizer);
    lh_dataset_free(s->data);
    lh_context_free(s->ctx);
}

/* -------------------------------------------------------------- learns -- */

static void test_overfits(void)
{
    setup s = setup_make("ada\nbob\nclaire\n", 0, 1);
    s.config.context = 16;
    s.settings = (lh_train_settings){
        .steps = 300, .batch = 3, .schedule = LH_LINEAR, .seed = 1,
        .adamw = { 0.01, 0.85, 0.99, 1e-8, 0, 0 },
    };
    setup_trainer(&s, 1);
    lh_progress first, p;
    CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &first));
    CHECK(first.loss > 1.8 && first.loss < 2.8);
    CHECK(first.tokens == 15 && first.documents == 3 && first.step == 1);
    CHECK(fabs(first.learning_rate - 0.01) < 1e-12);
    do
        CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &p));
    while (p.step < p.steps);
    /* Which name it is costs log 3 once in 15 tokens: nothing less is. */
    double least = 3 * log(3) / 15;
    CHECK(p.loss > least - 0.01 && p.loss < least + 0.02);
    CHECK_FAILS(s.ctx, LH_ERROR_STATE, "300",
                lh_trainer_step(s.trainer, &p));
    lh_evaluation e;
    CHECK_OK(s.ctx, lh_evaluate(s.ctx, s.model, s.tokenizer, s.data, NULL,
                                NULL, &e));
    CHECK(fabs((e.nats + e.end_nats) / 15 - p.loss) < 0.02);
    CHECK_EQ_INT(e.tokens, 12);
    CHECK_EQ_INT(e.ends, 3);
    CHECK_EQ_INT(e.bytes, 12);
    lh_session *session = lh_session_new(s.ctx, s.model, 3);
    for (int i = 0; i < 20; i++) {
        char *text = NULL;
        size_t size;
        CHECK_OK(s.ctx, lh_session_generate(
            session, s.tokenizer, &(lh_sampling){ .temperature = 0.5 }, 0,
            &text, &size));
        CHECK(text && strlen(text) == size &&
              lh_dataset_contains(s.data, text, size));
        lh_memory_free(s.ctx, text);
    }
    lh_session_free(session);
    setup_free(&s);
}

/* ----------------------------------------------------------- same bits -- */

/* Trains all steps with the given threads and micro-batch. */
static setup train_all(int kind, int threads, int64_t micro, double dropout)
{
    setup s = setup_make(train_names, kind, threads);
    s.settings.micro_batch = micro;
    s.config.dropout = dropout;
    setup_trainer(&s, 3);
    if (threads > 1 || micro)                    /* memory given back      */
        s.trainer->tape->large = 64;
    /* Layers computed again: with every micro-batch but the first, and with
     * every number of threads. */
    s.trainer->settings.recompute = threads > 1 || micro > 1;
    CHECK_OK(s.ctx, lh_train(s.trainer, NULL, NULL));
    return s;
}

static void test_splits(int kind, double dropout)
{
    setup whole = train_all(kind, 1, 0, dropout);
    static const int64_t micros[] = { 1, 2, 4, 6, 7 };
    for (size_t i = 0; i < sizeof micros / sizeof micros[0]; i++) {
        setup s = train_all(kind, 1, micros[i], dropout);
        CHECK(models_equal(whole.model, s.model));
        setup_free(&s);
    }
    static const int threads[] = { 2, 3, 5 };
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        setup s = train_all(kind, threads[i], 0, dropout);
        CHECK(models_equal(whole.model, s.model));
        setup_free(&s);
    }
    setup other = train_all(kind, 1, 0, dropout > 0 ? 0 : 0.1);
    CHECK(!models_equal(whole.model, other.model));
    setup_free(&other);
    setup_free(&whole);
}

static void test_resume(int kind, double dropout)
{
    char directory[64], path[96];
    fresh_directory(directory);
    snprintf(path, sizeof path, "%s/trainer.safetensors", directory);
    setup whole = setup_make(train_names, kind, 1);
    whole.config.dropout = dropout;
    whole.settings.held_out = 0.2;
    setup_trainer(&whole, 3);
    lh_progress want, got;
    while (!lh_trainer_step(whole.trainer, &want) && want.step < want.steps)
        ;
    for (int64_t k = 0; k <= whole.settings.steps; k++) {
        setup s = setup_make(train_names, kind, 1);
        s.config.dropout = dropout;
        s.settings.held_out = 0.2;
        setup_trainer(&s, 3);
        for (int64_t i = 0; i < k; i++)
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
        CHECK_OK(s.ctx, lh_trainer_save(s.trainer, path));
        if (k < whole.settings.steps)            /* the killed run's rest  */
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
        setup_drop_trainer(&s);
        s.settings.micro_batch = k % 3;
        setup_trainer(&s, 99);                   /* other first weights    */
        CHECK_OK(s.ctx, lh_trainer_load(s.trainer, path));
        for (int64_t i = k; i < s.settings.steps; i++)
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &got));
        CHECK(models_equal(whole.model, s.model));
        if (k < whole.settings.steps)
            CHECK(memcmp(&got, &want, sizeof got) == 0);
        setup_free(&s);
    }
    setup_free(&whole);
    unlink(path);
    rmdir(directory);
}

/* A run whose length changes before its rates fall is the run that had the new
 * length from its start: changed as it goes, or when it is loaded. */
static void test_resize(void)
{
    char directory[64], path[96];
    fresh_directory(directory);
    snprintf(path, sizeof path, "%s/trainer.safetensors", directory);
    setup whole = setup_make(train_names, 2, 1);
    whole.settings.schedule = LH_TRAPEZOID;
    whole.settings.cool_down = 4;
    setup_trainer(&whole, 3);
    lh_progress want, got;
    while (!lh_trainer_step(whole.trainer, &want) && want.step < want.steps)
        ;
    for (int64_t k = 0; k <= 6; k++) {           /* of 12, 6 of them fall  */
        setup s = setup_make(train_names, 2, 1);
        s.settings.schedule = LH_TRAPEZOID;
        s.settings.steps = 12;
        s.settings.cool_down = 6;
        setup_trainer(&s, 3);
        for (int64_t i = 0; i < k; i++)
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
        CHECK_OK(s.ctx, lh_trainer_save(s.trainer, path));
        if (k > 5) {
            CHECK_FAILS(s.ctx, LH_ERROR_STATE, "of a run of 9",
                        lh_trainer_resize(s.trainer, 9, 4));
            setup_drop_trainer(&s);
            s.settings = whole.settings;
            setup_trainer(&s, 3);
            CHECK_FAILS(s.ctx, LH_ERROR_STATE, "training.steps",
                        lh_trainer_load(s.trainer, path));
            setup_free(&s);
            break;
        }
        CHECK_OK(s.ctx, lh_trainer_resize(s.trainer, 9, 4));
        for (int64_t i = k; i < 9; i++)
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &got));
        CHECK(models_equal(whole.model, s.model));
        CHECK(memcmp(&got, &want, sizeof got) == 0);
        setup_drop_trainer(&s);
        s.settings = whole.settings;
        setup_trainer(&s, 99);
        CHECK_OK(s.ctx, lh_trainer_load(s.trainer, path));
        for (int64_t i = k; i < 9; i++)
            CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &got));
        CHECK(models_equal(whole.model, s.model));
        setup_free(&s);
    }
    setup_free(&whole);
    unlink(path);
    rmdir(directory);
}

/* -------------------------------------------------------- refused ones -- */

static void refuse_load(setup *s, const char *path, lh_status status,
                        const char *part)
{
    lh_model *before = lh_model_new(s->ctx, &s->config, 3);
    setup_trainer(s, 3);
    CHECK_FAILS(s->ctx, status, part, lh_trainer_load(s->trainer, path));
    CHECK(models_equal(before, s->model));
    lh_model_free(before);
    setup_free(s);
}

static void test_refusals(void)
{
    char directory[64], path[96];
    fresh_directory(directory);
    snprintf(path, sizeof path, "%s/trainer.safetensors", directory);
    setup s = setup_make(train_names, 2, 1);
    setup_trainer(&s, 4);
    CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
    CHECK_OK(s.ctx, lh_trainer_save(s.trainer, path));
    CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
    CHECK_OK(s.ctx, lh_trainer_save(s.trainer, path));   /* over it        */
    CHECK_FAILS(s.ctx, LH_ERROR_IO, directory,
                lh_trainer_save(s.trainer, directory));
    setup_free(&s);

    s = setup_make(train_names, 2, 1);
    s.config.feed_forward = 44;
    refuse_load(&s, path, LH_ERROR_STATE, "config.feed_forward is 40");
    s = setup_make(train_names, 2, 1);
    s.settings.seed = 6;
    refuse_load(&s, path, LH_ERROR_STATE, "training.seed is 5");
    s = setup_make(train_names, 2, 1);
    s.settings.adamw.learning_rate = 0.02;
    refuse_load(&s, path, LH_ERROR_STATE, "learning_rate is 0.01");
    char other[sizeof train_names];
    memcpy(other, train_names, sizeof other);
    other[0] = 'e';
    s = setup_make(other, 2, 1);
    refuse_load(&s, path, LH_ERROR_STATE, "other data");
    s = setup_make(train_names, 2, 1);
    refuse_load(&s, "/nowhere/trainer.safetensors", LH_ERROR_IO, "nowhere");
    CHECK(truncate(path, 5000) == 0);
    s = setup_make(train_names, 2, 1);
    refuse_load(&s, path, LH_ERROR_FORMAT, "trainer.safetensors");
    unlink(path);
    CHECK(rmdir(directory) == 0);
}

/* Counts that cannot belong to the checkpoint's step. */
static void test_counts(void)
{
    static const char *const wrong[][2] = {
        { "\"documents\":\"12\"", "\"documents\":\"13\"" },
        { "\"tokens\":\"", "\"tokens\":\"9" },
        { "\"step\":\"2\"", "\"step\":\"7\"" },
    };
    char directory[64], path[96], *at;
    fresh_directory(directory);
    snprintf(path, sizeof path, "%s/trainer.safetensors", directory);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setup s = setup_make(train_names, 0, 1);
        lh_progress p = { .step = 9 };
        setup_trainer(&s, 3);
        lh_trainer_progress(s.trainer, &p);
        CHECK(p.step == 0 && p.steps == 9 && !p.documents && !p.tokens);
        CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
        CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &p));
        int64_t tokens = p.tokens;
        CHECK_OK(s.ctx, lh_trainer_save(s.trainer, path));
        setup_drop_trainer(&s);
        setup_trainer(&s, 4);
        CHECK_OK(s.ctx, lh_trainer_load(s.trainer, path));
        lh_trainer_progress(s.trainer, &p);
        CHECK(p.step == 2 && p.documents == 12 && p.tokens == tokens);
        CHECK(p.loss == 0 && p.learning_rate == 0);
        setup_free(&s);

        static char bytes[1 << 20];
        FILE *f = fopen(path, "r+b");
        size_t size = fread(bytes, 1, sizeof bytes - 1, f);
        for (at = bytes; memcmp(at, wrong[i][0], strlen(wrong[i][0])); at++)
            CHECK(at < bytes + size);
        memcpy(at, wrong[i][1], strlen(wrong[i][1]));
        rewind(f);
        CHECK(fwrite(bytes, 1, size, f) == size);
        CHECK(fclose(f) == 0);
        s = setup_make(train_names, 0, 1);
        refuse_load(&s, path, LH_ERROR_FORMAT, "is not a count");
    }
    unlink(path);
    CHECK(rmdir(directory) == 0);
}

static void refuse_settings(const char *part, void (*change)(setup *s))
{
    setup s = setup_make(train_names, 0, 1);
    s.model = lh_model_new(s.ctx, &s.config, 3);
    change(&s);
    lh_error_clear(s.ctx);
    s.trainer = lh_trainer_new(s.ctx, s.model, s.tokenizer, s.data,
                               &s.settings);
    CHECK(s.trainer == NULL);
    CHECK(strstr(lh_error_message(s.ctx), part) != NULL);
    setup_free(&s);
}

static void no_steps(setup *s) { s->settings.steps = 0; }
static void no_batch(setup *s) { s->settings.batch = 0; }
static void long_warm_up(setup *s) { s->settings.warm_up = 10; }
static void all_held_out(setup *s) { s->settings.held_out = 1; }
static void bad_final(setup *s) { s->settings.final_rate = NAN; }
static void small_model(setup *s)
{
    s->config.vocabulary = 3;
    lh_model_free(s->model);
    s->model = lh_model_new(s->ctx, &s->config, 1);
}

/* ---------------------------------------------------------- not finite -- */

static void test_not_finite(void)
{
    setup s = setup_make(train_names, 1, 1);
    setup_trainer(&s, 3);
    lh_progress p;
    CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &p));
    lh_tensor *x = lh_params_get(lh_model_params(s.model), 2, NULL);
    float kept = lh_tensor_data(x)[1];
    lh_tensor_data(x)[1] = NAN;
    lh_model *before = lh_model_new(s.ctx, &s.config, 3);
    for (int64_t i = 0; i < lh_params_count(lh_model_params(before)); i++) {
        lh_tensor *to = lh_params_get(lh_model_params(before), i, NULL);
        memcpy(lh_tensor_data(to), lh_tensor_data(lh_params_get(
                   lh_model_params(s.model), i, NULL)),
               (size_t)lh_tensor_size(to) * sizeof(float));
    }
    CHECK_FAILS(s.ctx, LH_ERROR_NUMBER, "not finite",
                lh_trainer_step(s.trainer, &p));
    CHECK(models_equal(before, s.model));
    lh_model_free(before);
    CHECK_FAILS(s.ctx, LH_ERROR_NUMBER, "not finite",
                lh_trainer_save(s.trainer, "/nowhere/at/all"));
    CHECK_FAILS(s.ctx, LH_ERROR_NUMBER, "not finite",
                lh_evaluate(s.ctx, s.model, s.tokenizer, s.data, NULL, NULL,
                            NULL));
    /* Mended, the run goes on as if nothing had been. */
    lh_tensor_data(x)[1] = kept;
    setup other = setup_make(train_names, 1, 1);
    setup_trainer(&other, 3);
    CHECK_OK(s.ctx, lh_train(s.trainer, NULL, NULL));
    CHECK_OK(other.ctx, lh_train(other.trainer, NULL, NULL));
    CHECK(models_equal(s.model, other.model));
    setup_free(&other);
    setup_free(&s);
}

/* --------------------------------------------------------------- norms -- */

/* The parameters' gradient norms make up the step's; the weights' are what
 * their elements say. */
static void test_norms(void)
{
    setup s = setup_make(train_names, 1, 1);
    setup_trainer(&s, 3);
    lh_params *p = lh_model_params(s.model);
    double gradient[64], weight[64], total = 0;
    lh_progress progress;
    CHECK_OK(s.ctx, lh_trainer_norms(s.trainer, gradient, weight));
    CHECK(gradient[0] == 0 && weight[0] > 0);
    CHECK_OK(s.ctx, lh_trainer_step(s.trainer, &progress));
    CHECK_OK(s.ctx, lh_trainer_norms(s.trainer, gradient, weight));
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        double sum = 0;
        for (int64_t j = 0; j < lh_tensor_size(x); j++)
            sum += (double)lh_tensor_data(x)[j] *
                   (double)lh_tensor_data(x)[j];
        CHECK(fabs(weight[i] - sqrt(sum)) <= 1e-6 * sqrt(sum));
        total += gradient[i] * gradient[i];
    }
    CHECK(fabs(sqrt(total) - progress.gradient_norm) <
          1e-9 * progress.gradient_norm);
    setup_free(&s);
}

/* ------------------------------------------------------------ held out -- */

/* Goes on while there are windows left to its user. */
static bool train_some(void *user, const lh_scored *window)
{
    int *left = user;
    return window->count >= 0 && (*left)-- > 0;
}

static void test_held_out(void)
{
    setup s = setup_make(train_names, 2, 1);
    lh_evaluation e;
    setup_trainer(&s, 3);
    CHECK_FAILS(s.ctx, LH_ERROR_STATE, "held out",
                lh_trainer_evaluate(s.trainer, NULL, NULL, &e));
    CHECK_EQ_INT(s.trainer->windows.training, s.trainer->windows.count);
    setup_drop_trainer(&s);
    s.settings.held_out = 0.3;                   /* of 13 documents: 4     */
    setup_trainer(&s, 3);
    const lh_windows *w = &s.trainer->windows;
    int64_t documents = 0, rows = 0;
    for (int64_t i = w->training; i < w->count; i++) {
        documents += w->tokens[w->window[i].first] ==
                     lh_tokenizer_border(s.tokenizer);
        rows += w->window[i].count;
    }
    CHECK_EQ_INT(documents, 4);
    CHECK_OK(s.ctx, lh_trainer_evaluate(s.trainer, NULL, NULL, &e));
    CHECK_EQ_INT(e.documents, 4);
    CHECK_EQ_INT(e.ends, 4);
    CHECK_EQ_INT(e.tokens, rows - 4);
    CHECK_EQ_INT(e.bytes, rows - 4);             /* all are ASCII          */
    double loss = (e.nats + e.end_nats) / (double)rows;
    CHECK(loss > 2 && loss < 4);
    /* Evaluating in between changes no bit of the run, stopped or not. */
    setup other = setup_make(train_names, 2, 1);
    other.settings.held_out = 0.3;
    other.config.dropout = s.config.dropout = 0.1;
    setup_trainer(&other, 3);
    setup_drop_trainer(&s);
    setup_trainer(&s, 3);
    for (int i = 0; i < 9; i++) {
        int left = i;
        CHECK_OK(s.ctx, lh_trainer_step(s.trainer, NULL));
        if (i < 3)
            CHECK_FAILS(s.ctx, LH_ERROR_STOPPED, "as asked",
                        lh_trainer_evaluate(s.trainer, train_some, &left,
                                            NULL));
        else
            CHECK_OK(s.ctx, lh_trainer_evaluate(s.trainer, NULL, NULL,
                                                NULL));
        CHECK_EQ_INT(left, i < 3 ? -1 : i);
    }
    CHECK_OK(other.ctx, lh_train(other.trainer, NULL, NULL));
    CHECK(models_equal(s.model, other.model));
    setup_free(&other);
    setup_free(&s);
}

/* A whole file is one document: the end of its text is held out, rounded up,
 * and every token is a target once. */
static void test_whole(void)
{
    setup s = setup_make(train_names, 2, 1);
    lh_dataset *whole = lh_dataset_text(s.ctx, train_names,
                                        strlen(train_names),
                                        LH_DOCUMENTS_WHOLE);
    lh_windows w;
    lh_windows_of of = { s.tokenizer, whole, 6, 0.26, 1 };
    CHECK_OK(s.ctx, lh_windows_open(s.ctx, &w, &of, NULL));
    int64_t size = (int64_t)strlen(train_names), rows = 0, training = 0;
    int64_t trained = (int64_t)((1 - 0.26) * (double)size);
    CHECK_EQ_INT(w.training, (trained + 1 + 5) / 6);
    CHECK_EQ_INT(w.count - w.training, (size - trained + 1 + 5) / 6);
    for (int64_t i = 0; i < w.count; i++) {
        CHECK_EQ_INT(w.window[i].first, rows);
        rows += w.window[i].count;
        training += i < w.training ? w.window[i].count : 0;
    }
    CHECK_EQ_INT(training, trained + 1);
    CHECK_EQ_INT(rows, size + 2);
    lh_windows_free(&w);
    lh_dataset_free(whole);
    setup_free(&s);
}

/* Every epoch has each window once, in an order of its own. */
static void test_order(void)
{
    setup s = setup_make(train_names, 0, 1);
    setup_trainer(&s, 3);
    const lh_windows *w = &s.trainer->windows;
    lh_order *o = &s.trainer->order;
    int64_t n = w->training, same = 0;
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = lh_order_at(o, w, 5, epoch * n + i);
            sum += at;
            same += at == lh_order_at(o, w, 5, i);
        }
        CHECK_EQ_INT(sum, n * (n - 1) / 2);
    }
    CHECK(same >= n && same < 2 * n);
    /* More windows than a table has room for. */
    lh_windows many = { .training = LH_ORDER_TABLE + 3 };
    lh_order none = { .epoch = -1 };
    n = many.training;
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += lh_order_at(&none, &many, 5, epoch * n + i);
        CHECK_EQ_INT(sum, n * (n - 1) / 2);
    }
    CHECK(lh_order_at(&none, &many, 5, 1) != lh_order_at(&none, &many, 5,
                                                         n + 1));
    setup_free(&s);
}

/* ------------------------------------------------------------ schedule -- */

static void check_rate(const lh_train_settings *s, int64_t step,
                       double wanted)
{
    double got = lh_schedule_rate(s, s->adamw.learning_rate, step);
    bool close = fabs(got - wanted) < 1e-12;
    CHECK(close);
    if (!close)
        printf("    step %lld: %.9f, wanted %.9f\n", (long long)step, got,
               wanted);
}

static void test_schedule(void)
{
    lh_train_settings s = { .steps = 1000, .schedule = LH_LINEAR,
                            .adamw.learning_rate = 0.01 };
    for (int64_t i = 0; i < 1000; i += 111)
        check_rate(&s, i, 0.01 * (1 - (double)i / 1000));
    s.warm_up = 100;
    s.final_rate = 0.1;
    check_rate(&s, 0, 0.01 / 101);
    check_rate(&s, 99, 0.01 * 100 / 101);
    check_rate(&s, 100, 0.01);
    check_rate(&s, 550, 0.0055);
    s.schedule = LH_COSINE;
    check_rate(&s, 100, 0.01);
    check_rate(&s, 550, 0.0055);
    check_rate(&s, 325, 0.001 + 0.009 * (0.5 + 0.25 * sqrt(2)));
    s.schedule = LH_TRAPEZOID;
    s.cool_down = 200;
    check_rate(&s, 800, 0.01);
    check_rate(&s, 900, 0.0055);
    check_rate(&s, 999, 0.001 + 0.009 / 200);
    s.schedule = LH_CONSTANT;
    check_rate(&s, 50, 0.01 * 51 / 101);
    check_rate(&s, 999, 0.01);
}

/* --------------------------------------------------------------- adamw -- */

static void test_adamw(void)
{
    enum { SIZE = 5000, STEPS = 12 };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_params *p = lh_params_new(ctx);
    int64_t shape[2] = { SIZE, 1 };
    lh_tensor *x[2] = { lh_params_add(p, "matrix", 2, shape, true),
                        lh_params_add(p, "gain", 1, shape, false) };
    lh_adamw *o = lh_adamw_new(p);
    lh_adamw_settings s = { 1e-2, 0.9, 0.95, 1e-8, 0.1, 1.5 };
    static double want[2][SIZE], m[2][SIZE], v[2][SIZE];
    uint64_t seed = 3;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < SIZE; i++)
            want[k][i] = (double)(lh_tensor_data(x[k])[i] =
                (float)(test_random(&seed) % 1000) / 500 - 1);
    lh_tape *t = lh_tape_new(ctx);
    for (int step = 1; step <= STEPS; step++) {
        /* The loss is the sum of square(x) / 100: gradients x / 50. */
        lh_tape_reset(t);
        lh_tensor *loss = lh_scale(t, lh_add(t,
            lh_sum(t, lh_square(t, x[0])), lh_sum(t, lh_square(t, x[1]))),
            0.01f);
        CHECK_OK(ctx, lh_backward(t, loss));
        double squares = 0, norm, got;
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < SIZE; i++)
                squares += want[k][i] * want[k][i] / 2500;
        norm = sqrt(squares);
        double scale = norm > s.clip ? s.clip / norm : 1;
        CHECK_OK(ctx, lh_adamw_step(o, &s, &got));
        CHECK(fabs(got - norm) < 1e-4 * norm);
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < SIZE; i++) {
                double g = want[k][i] / 50 * scale;
                m[k][i] += (1 - s.beta1) * (g - m[k][i]);
                v[k][i] += (1 - s.beta2) * (g * g - v[k][i]);
                if (k == 0)
                    want[k][i] -= 1e-2 * 0.1 * want[k][i];
                want[k][i] -= 1e-2 * m[k][i] / (1 - pow(s.beta1, step)) /
                    (sqrt(v[k][i] / (1 - pow(s.beta2, step))) + s.eps);
            }
    }
    double worst = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < SIZE; i++)
            worst = fmax(worst, fabs(want[k][i] -
                                     (double)lh_tensor_data(x[k])[i]));
    CHECK(worst < 2e-4);
    CHECK(lh_tensor_grad(x[0])[7] == 0);
    float before = lh_tensor_data(x[0])[7];
    lh_tensor_grad(x[0])[7] = 1;
    lh_tensor_grad(x[1])[4999] = INFINITY;
    CHECK_FAILS(ctx, LH_ERROR_NUMBER, "not finite",
                lh_adamw_step(o, &s, NULL));
    CHECK(lh_tensor_data(x[0])[7] == before);
    CHECK(lh_tensor_grad(x[0])[7] == 1);
    s.beta1 = 1;
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "beta", lh_adamw_step(o, &s, NULL));
    lh_tape_free(t);
    lh_adamw_free(o);
    lh_params_free(p);
    lh_context_free(ctx);
}

/* ---------------------------------------------------- callbacks, memory -- */

static bool stop_at_four(void *user, const lh_progress *p)
{
    ++*(int *)user;
    return p->step < 4;
}

static void test_stop(void)
{
    setup s = setup_make(train_names, 0, 1);
    setup_trainer(&s, 3);
    int calls = 0;
    CHECK_FAILS(s.ctx, LH_ERROR_STOPPED, "step 4 of 9",
                lh_train(s.trainer, stop_at_four, &calls));
    CHECK_EQ_INT(calls, 4);
    CHECK_OK(s.ctx, lh_train(s.trainer, NULL, NULL));
    setup_free(&s);
}

static void test_heap(void)
{
    static const char text[] = "abcd\nbcda\ncdab\ndabc\nacbd\n";
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = 1 });
    lh_dataset *d = lh_dataset_text(ctx, text, strlen(text),
                                    LH_DOCUMENTS_LINES);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, strlen(text));
    lh_config c = kind_config(1);
    c.vocabulary = lh_tokenizer_vocabulary(k);
    c.dropout = 0.1;
    lh_model *m = lh_model_new(ctx, &c, 1);
    lh_train_settings s = train_settings();
    s.steps = 30;
    s.micro_batch = 4;
    for (int recompute = 0; recompute < 2; recompute++) {
        s.recompute = recompute;
        lh_trainer *r = lh_trainer_new(ctx, m, k, d, &s);
        CHECK_OK(ctx, lh_trainer_step(r, NULL));
        int64_t before = memory.count;
        CHECK_OK(ctx, lh_train(r, NULL, NULL));
        CHECK_EQ_INT(memory.count - before, 0);
        lh_trainer_free(r);
    }
    lh_model_free(m);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);
}

int main(void)
{
    test_schedule();
    test_adamw();
    test_order();
    test_whole();
    test_norms();
    test_held_out();
    test_overfits();
    for (int kind = 0; kind < KINDS; kind++) {
        test_splits(kind, kind % 2 ? 0.1 : 0);
        test_resume(kind, kind % 2 ? 0 : 0.1);
    }
    test_resize();
    test_refusals();
    refuse_settings("steps", long_warm_up);
    refuse_settings("1 step", no_steps);
    refuse_settings("batch", no_batch);
    refuse_settings("held-out", all_held_out);
    refuse_settings("final rate", bad_final);
    refuse_settings("tokens", small_model);
    test_counts();
    test_not_finite();
    test_stop();
    test_heap();
    return test_end("train");
}
