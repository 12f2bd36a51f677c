/* Failing memory: for each public operation, the n-th allocation fails for
 * n = 1, 2, ... until the operation succeeds.  Each failure is an error
 * value with a message, leaks nothing, and leaves the context usable. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include <unistd.h>

#include "test.h"
#include "torture.h"

/* Everything before the operation under test is made without failures. */
typedef struct scene {
    lh_context *ctx;
    lh_tape *tape;
    lh_dataset *names;
    lh_tokenizer *tokenizer;
    lh_model *model;
    char directory[64];
} scene;

typedef struct operation {
    const char *name;
    bool (*run)(scene *s);             /* true: done; frees what it made   */
} operation;

/* ------------------------------------------------------- the operations -- */

static bool run_tape(scene *s)
{
    lh_tape *t = lh_tape_new(s->ctx);
    lh_tape_free(t);
    return t;
}

static lh_tensor *run_part(lh_tape *t, lh_tensor *x, const void *data)
{
    (void)data;
    return lh_add(t, x, lh_tanh(t, x));
}

static bool run_any_graph(scene *s, lh_dtype dtype)
{
    const int64_t rows = 300;
    const int64_t offsets[3] = { 0, 100, 300 };
    static const int32_t ids[300];
    lh_params *params = lh_params_new(s->ctx);
    lh_tensor *table = lh_params_add(params, "table", 2,
                                     (int64_t[]){ 9, 16 }, true);
    lh_tensor *w = lh_params_add(params, "w", 2, (int64_t[]){ 16, 16 },
                                 true);
    lh_tensor *gain = lh_params_add(params, "gain", 1, (int64_t[]){ 16 },
                                    false);
    lh_tape *t = lh_tape_new(s->ctx);
    bool done = false;
    lh_tape_dtype(t, dtype);
    if (table && w && gain && t) {
        float cosine[16], sine[16];
        int32_t *positions = calloc((size_t)rows, sizeof *positions);
        lh_rotary_tables(cosine, sine, 2, 16, 10000.0);
        lh_tensor *c = lh_constant(t, cosine, 2, (int64_t[]){ 2, 8 });
        lh_tensor *d = lh_constant(t, sine, 2, (int64_t[]){ 2, 8 });
        lh_tape_dropout(t, 1, 1, 0);
        lh_tensor *x = lh_embedding(t, table, ids, rows);
        x = lh_rms_norm(t, lh_layer_norm(t, x, gain, gain, 1e-5f), gain,
                        1e-5f);
        lh_tensor *q = lh_rotary(t, lh_linear(t, x, w, gain), c, d,
                                 positions);
        x = lh_attention(t, q, lh_linear(t, x, w, NULL), x, 2, 2, 0,
                         offsets, 2);
        x = lh_recompute(t, run_part, x, NULL, 0);
        x = lh_softmax(t, lh_dropout(t, lh_gelu(t, x), 0.1f));
        x = lh_slice(t, lh_reshape(t, x, 2, (int64_t[]){ 150, 32 }), 1, 100);
        lh_tensor *loss = lh_cross_entropy(t, x, ids);
        loss = lh_add(t, loss, lh_mean(t, x));
        done = !lh_backward(t, loss);
        free(positions);
    }
    lh_tape_free(t);
    lh_params_free(params);
    return done;
}

static bool run_graph(scene *s)
{
    return run_any_graph(s, LH_F32);
}

static bool run_graph_bf16(scene *s)
{
    return run_any_graph(s, LH_BF16);
}

static bool run_adamw(scene *s)
{
    lh_adamw *o = lh_adamw_new(lh_model_params(s->model));
    const lh_adamw_settings how = LH_ADAMW_DEFAULT;
    bool done = o && !lh_adamw_step(o, &how, NULL);
    lh_adamw_free(o);
    return done;
}

static bool run_model(scene *s)
{
    lh_config config;
    if (lh_preset(s->ctx, "micro", &config))
        return false;
    config.vocabulary = 27;
    lh_model *m = lh_model_new(s->ctx, &config, 1);
    lh_model_free(m);
    return m;
}

static bool run_train(scene *s)
{
    lh_train_settings settings;
    if (lh_train_preset(s->ctx, "micro", &settings))
        return false;
    settings.steps = 1;
    settings.batch = 3;
    settings.held_out = 0.01;
    lh_trainer *r = lh_trainer_new(s->ctx, s->model, s->tokenizer, s->names,
                                   &settings);
    bool done = r && !lh_train(r, NULL, NULL) &&
                !lh_trainer_evaluate(r, NULL, NULL, NULL);
    lh_trainer_free(r);
    return done;
}

static bool run_checkpoint(scene *s)
{
    lh_train_settings settings;
    char path[96];
    if (lh_train_preset(s->ctx, "micro", &settings))
        return false;
    snprintf(path, sizeof path, "%s/trainer.safetensors", s->directory);
    lh_trainer *r = lh_trainer_new(s->ctx, s->model, s->tokenizer, s->names,
                                   &settings);
    bool done = r && !lh_trainer_save(r, path) && !lh_trainer_load(r, path);
    lh_trainer_free(r);
    return done;
}

static bool run_disk(scene *s)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    bool done = !lh_model_save(s->ctx, s->model, s->tokenizer,
                               s->directory) &&
                !lh_model_load(s->ctx, s->directory, &m, &k);
    lh_model_free(m);
    lh_tokenizer_free(k);
    return done;
}

static bool run_session(scene *s)
{
    char *text = NULL;
    size_t size;
    const lh_sampling how = { .temperature = 1, .top_k = 5, .top_p = 0.9,
                              .min_p = 0.01 };
    lh_session *session = lh_session_new(s->ctx, s->model, 1);
    bool done = session && !lh_session_generate(session, s->tokenizer, &how,
                                                0, &text, &size);
    lh_memory_free(s->ctx, text);
    lh_session_free(session);
    return done;
}

static bool run_tokenizer(scene *s)
{
    int32_t *ids = NULL;
    int64_t count;
    lh_tokenizer *k = lh_tokenizer_characters(s->ctx, "hello world", 11);
    lh_tokenizer *b = lh_tokenizer_bytes(s->ctx);
    bool done = k && b && !lh_tokenizer_encode(s->ctx, k, "hold", 4, &ids,
                                               &count);
    lh_memory_free(s->ctx, ids);
    const char *text[] = { "a", "bc" };
    size_t size[] = { 1, 2 };
    int64_t *offsets = NULL;
    ids = NULL;
    done = done && !lh_tokenizer_encode_batch(s->ctx, b, text, size, 2, NULL,
                                              &ids, &offsets);
    lh_memory_free(s->ctx, ids);
    lh_memory_free(s->ctx, offsets);
    lh_tokenizer_free(k);
    lh_tokenizer_free(b);
    return done;
}

static bool run_dataset(scene *s)
{
    lh_dataset *d = lh_dataset_text(s->ctx, "a\nb\n", 4, LH_DOCUMENTS_LINES);
    lh_dataset *n = lh_dataset_names(s->ctx);
    lh_dataset_free(d);
    lh_dataset_free(n);
    return d && n;
}

static bool run_evaluate(scene *s)
{
    char path[96];
    static const char item[] =
        "{\"prompt\": \"\", \"choices\": [\"na\", \"bo\"], \"gold\": 1}\n";
    lh_dataset *d = lh_dataset_text(s->ctx, "anna\nbo\n", 8,
                                    LH_DOCUMENTS_LINES);
    snprintf(path, sizeof path, "%s/choices.jsonl", s->directory);
    FILE *f = fopen(path, "w");
    bool done = f && d && fputs(item, f) >= 0;
    if (f)
        fclose(f);
    done = done && !lh_evaluate(s->ctx, s->model, s->tokenizer, d, NULL,
                                NULL, NULL) &&
           !lh_evaluate_choices(s->ctx, s->model, s->tokenizer, path, NULL,
                                NULL, NULL, NULL, NULL);
    remove(path);
    lh_dataset_free(d);
    return done;
}

static const operation operations[] = {
    { "tape", run_tape },           { "graph", run_graph },
    { "graph in bf16", run_graph_bf16 },
    { "adamw", run_adamw },         { "model", run_model },
    { "train", run_train },         { "checkpoint", run_checkpoint },
    { "disk", run_disk },           { "session", run_session },
    { "tokenizer", run_tokenizer }, { "dataset", run_dataset },
    { "evaluate", run_evaluate },
};

/* ------------------------------------------------------------- the loop -- */

/* The scene's own objects, made without failures; false: a bug. */
static bool scene_make(scene *s, torture *memory)
{
    lh_config config;
    s->ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(memory), .threads = 2 });
    s->names = lh_dataset_text(s->ctx, "anna\nbo\ncleo\ndana\n", 18,
                               LH_DOCUMENTS_LINES);
    size_t size = 0;
    const char *bytes = lh_dataset_bytes(s->names, &size);
    s->tokenizer = lh_tokenizer_characters(s->ctx, bytes, size);
    if (lh_preset(s->ctx, "micro", &config))
        return false;
    config.vocabulary = lh_tokenizer_vocabulary(s->tokenizer);
    s->model = lh_model_new(s->ctx, &config, 1);
    return s->model;
}

static void scene_free(scene *s)
{
    lh_model_free(s->model);
    lh_tokenizer_free(s->tokenizer);
    lh_dataset_free(s->names);
    lh_context_free(s->ctx);
}

static void test_operation(const operation *op, const char *directory)
{
    for (int64_t n = 1; n < 100000; n++) {
        torture memory = { 0 };
        scene s = { 0 };
        snprintf(s.directory, sizeof s.directory, "%s", directory);
        if (!scene_make(&s, &memory)) {
            CHECK(false && "the scene cannot be made");
            return;
        }
        torture_fail_at(&memory, n);
        bool done = op->run(&s);
        bool failed = torture_failed(&memory);
        torture_fail_at(&memory, 0);
        if (!done) {
            if (!failed || lh_error_status(s.ctx) != LH_ERROR_MEMORY)
                printf("    %s, allocation %lld: %s\n", op->name,
                       (long long)n, lh_error_message(s.ctx));
            CHECK(failed);
            CHECK_EQ_INT(lh_error_status(s.ctx), LH_ERROR_MEMORY);
            CHECK(lh_error_message(s.ctx)[0] != '\0');
        }
        lh_error_clear(s.ctx);
        CHECK(op->run(&s));            /* the context is as good as new    */
        CHECK_STR(lh_error_message(s.ctx), "");
        scene_free(&s);
        if (memory.live)
            printf("    %s, allocation %lld: %lld blocks leak\n", op->name,
                   (long long)n, (long long)memory.live);
        CHECK_EQ_INT(memory.live, 0);
        if (done && !failed)
            return;
    }
    CHECK(false && "never succeeded");
}

static void test_context(void)
{
    for (int64_t n = 1;; n++) {
        torture memory = { 0 };
        torture_fail_at(&memory, n);
        lh_context *ctx = lh_context_new(&(lh_settings){
            .allocator = torture_allocator(&memory), .threads = 2 });
        bool failed = torture_failed(&memory);
        lh_context_free(ctx);
        CHECK_EQ_INT(memory.live, 0);
        if (!failed) {
            CHECK(ctx != NULL && n > 1);
            return;
        }
    }
}

int main(void)
{
    char directory[] = "/tmp/longhand-torture-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    test_context();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        test_operation(&operations[i], directory);
    static const char *const files[] = {
        "trainer.safetensors", "config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    CHECK_EQ_INT(rmdir(directory), 0); /* nothing half-written is left     */
    return test_end("torture");
}
