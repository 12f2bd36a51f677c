/* The plan of a run's memory against the bytes that the run takes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include "model_help.h"
#include "torture.h"

/* Text of `lines` lines of `length` letters. */
static char *text_make(int lines, int length, size_t *size)
{
    uint64_t random = 3;
    *size = (size_t)lines * (size_t)(length + 1);
    char *text = malloc(*size);
    for (size_t i = 0; i < *size; i++)
        text[i] = (i + 1) % (size_t)(length + 1) == 0 ? '\n'
            : (char)('a' + test_random(&random) % 26);
    return text;
}

typedef struct planned {
    const char *what;
    int kind;
    int64_t width, layers, context;    /* 0: the kind's                    */
    int64_t batch, micro_batch;
    int threads;
    bool recompute, lines;
    double held_out, dropout;
} planned;

static lh_config planned_config(const planned *p, int64_t vocabulary)
{
    lh_config c = kind_config(p->kind);
    c.width = p->width;
    c.layers = p->layers;
    c.context = p->context;
    c.heads = c.kv_heads = 4;
    c.head_size = p->width / 4;
    c.feed_forward = 3 * p->width;
    c.vocabulary = vocabulary;
    c.dropout = p->dropout;
    return c;
}

/* The most that three steps and an evaluation hold, of which nothing is the
 * context's own. */
static int64_t measured(const planned *p, const char *text, size_t size,
                        lh_dtype dtype, lh_plan *plan)
{
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = p->threads });
    int64_t before = memory.live_bytes;
    lh_dataset *d = lh_dataset_text(ctx, text, size,
                                    p->lines ? LH_DOCUMENTS_LINES
                                             : LH_DOCUMENTS_WHOLE);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, size);
    lh_config c = planned_config(p, lh_tokenizer_vocabulary(k));
    lh_train_settings s = {
        .steps = 3, .batch = p->batch, .micro_batch = p->micro_batch,
        .dtype = dtype, .recompute = p->recompute, .held_out = p->held_out,
        .adamw = LH_ADAMW_DEFAULT, .seed = 1,
    };
    s.muon.learning_rate = p->kind % 3 == 2 ? 0.01 : 0;
    s.average = p->kind == 3 ? 0.9 : 0;
    int64_t count = memory.count;
    CHECK_OK(ctx, lh_train_plan(ctx, &c, &s, d, plan));
    CHECK_EQ_INT(memory.count, count);
    lh_model *m = lh_model_new(ctx, &c, 1);
    lh_trainer *r = lh_trainer_new(ctx, m, k, d, &s);
    CHECK_OK(ctx, lh_train(r, NULL, NULL));
    if (p->held_out > 0)
        CHECK_OK(ctx, lh_trainer_evaluate(r, NULL, NULL, NULL));
    lh_trainer_free(r);
    lh_model_free(m);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);
    return memory.peak_bytes - before;
}

static void test_measured(void)
{
    static const planned run[] = {
        { "one layer", 0, 128, 1, 64, 12, 0, 1, false, false, 0, 0 },
        { "gpt2", 1, 128, 3, 64, 16, 0, 2, false, false, 0, 0.1 },
        { "gpt2, parts", 1, 128, 3, 64, 16, 5, 2, false, false, 0, 0.1 },
        { "gpt2, again", 1, 96, 4, 64, 24, 0, 1, true, false, 0, 0.1 },
        { "llama", 2, 128, 3, 48, 16, 0, 1, false, false, 0, 0 },
        { "llama, again", 2, 128, 4, 48, 16, 4, 2, true, false, 0, 0 },
        { "held out", 3, 64, 3, 64, 2, 1, 1, false, false, 0.2, 0 },
        { "lines", 4, 128, 2, 64, 16, 0, 1, false, true, 0.1, 0 },
        { "long", 5, 64, 2, 512, 2, 0, 2, false, false, 0, 0 },
    };
    size_t size;
    char *text = text_make(600, 63, &size);
    for (size_t j = 0; j < 2 * sizeof run / sizeof run[0]; j++) {
        lh_dtype dtype = j % 2 ? LH_BF16 : LH_F32;
        size_t i = j / 2;
        lh_plan plan = { 0 };
        /* Without the last line break all windows are of one length. */
        int64_t bytes = measured(&run[i], text, size - 1, dtype, &plan);
        double ratio = (double)plan.peak / (double)bytes;
        bool close = ratio > 0.98 && ratio < 1.02;
        CHECK(close);
        CHECK(plan.parameters > 0 && plan.gradients > 0 && plan.data > 0 &&
              plan.activations > 0 && plan.scratch >= 0);
        CHECK(plan.moments >= (run[i].kind % 3 == 2 ? 1 : 2) *
                              (plan.parameters - 100000));
        if (!close)
            printf("    %s%s: planned %lld bytes, took %lld\n", run[i].what,
                   dtype ? " in bf16" : "", (long long)plan.peak,
                   (long long)bytes);
    }
    free(text);
}

/* Saving, loading and going on take no more than the run did, whatever the
 * layout in the file. */
static void test_files(int kind)
{
    static const planned run = { "files", 1, 128, 3, 16, 1, 0, 1, false,
                                 false, 0, 0 };
    char directory[64], path[96];
    size_t size;
    char *text = text_make(50, 63, &size);
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = 1 });
    lh_dataset *d = lh_dataset_text(ctx, text, size, LH_DOCUMENTS_WHOLE);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, size);
    planned p = run;
    p.kind = kind;
    lh_config c = planned_config(&p, lh_tokenizer_vocabulary(k));
    lh_train_settings s = { .steps = 2, .batch = 1,
                            .adamw = LH_ADAMW_DEFAULT };
    lh_model *m = lh_model_new(ctx, &c, 1), *again = NULL;
    lh_trainer *r = lh_trainer_new(ctx, m, k, d, &s);
    CHECK_OK(ctx, lh_trainer_step(r, NULL));
    int64_t peak = memory.peak_bytes, weights = 4 * lh_params_size(
        lh_model_params(m));
    fresh_directory(directory);
    snprintf(path, sizeof path, "%s/trainer.safetensors", directory);
    CHECK_OK(ctx, lh_trainer_save(r, path));
    CHECK_OK(ctx, lh_model_save(ctx, m, k, directory));
    lh_trainer_free(r);
    CHECK(memory.peak_bytes < peak + weights / 4);
    memory.peak_bytes = memory.live_bytes;
    int64_t before = memory.live_bytes;
    CHECK_OK(ctx, lh_model_load(ctx, directory, &again, NULL));
    CHECK(models_equal(m, again));
    CHECK(memory.peak_bytes - before < weights + weights / 3);
    lh_model_free(again);
    r = lh_trainer_new(ctx, m, k, d, &s);
    CHECK_OK(ctx, lh_trainer_load(r, path));
    CHECK_OK(ctx, lh_trainer_step(r, NULL));
    CHECK(memory.peak_bytes < peak + weights / 4);
    lh_trainer_free(r);
    lh_model_free(m);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);
    for (int i = 0; i < 5; i++) {
        static const char *const name[] = {
            "trainer.safetensors", "model.safetensors", "config.json",
            "tokenizer.json", "tokenizer_config.json"
        };
        snprintf(path, sizeof path, "%s/%s", directory, name[i]);
        unlink(path);
    }
    CHECK_EQ_INT(rmdir(directory), 0);
    free(text);
}

/* What is asked of memory, and what a plan of a model that no machine has. */
static void test_shares(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    lh_config c;
    lh_train_settings s;
    lh_plan plan, other;
    CHECK_OK(ctx, lh_preset(ctx, "gpt2", &c));
    CHECK_OK(ctx, lh_train_preset(ctx, "gpt2", &s));
    c.vocabulary = 50257;
    CHECK_OK(ctx, lh_train_plan(ctx, &c, &s, NULL, &plan));
    CHECK(plan.parameters > 4 * 124439808 && plan.parameters < 498000000);
    CHECK(plan.moments > 2 * 4 * 124439808 && plan.moments < 996000000);
    CHECK_EQ_INT(plan.gradients, 4 * (124439808 + 50257 * 768));
    CHECK_EQ_INT(plan.peak, plan.parameters + plan.gradients + plan.moments +
                            plan.activations + plan.scratch + plan.data);
    s.recompute = true;
    CHECK_OK(ctx, lh_train_plan(ctx, &c, &s, NULL, &other));
    CHECK(other.activations < plan.activations);
    CHECK_EQ_INT(other.gradients, plan.gradients);
    c.layers = 200;
    c.width = c.heads = 1 << 15;
    c.kv_heads = 1 << 15;
    c.head_size = 1;
    c.feed_forward = 1 << 17;
    /* 13 TB of addresses: a sanitizer that shadows each has none for them. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
    SKIP("a plan larger than any machine", "no addresses beside the shadow");
    c.layers = 1, c.context = 8;
    c.width = c.heads = c.kv_heads = c.feed_forward = 8;
#endif
#endif
    CHECK_OK(ctx, lh_train_plan(ctx, &c, &s, NULL, &plan));
    CHECK(plan.peak > (c.layers == 1 ? 0 : (int64_t)1 << 43));
    c.width = 0;
    CHECK_FAILS(ctx, LH_ERROR_SHAPE, "width",
                lh_train_plan(ctx, &c, &s, NULL, &plan));
    c.width = 8;
    s.batch = 0;
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "batch",
                lh_train_plan(ctx, &c, &s, NULL, &plan));
    lh_context_free(ctx);
}

int main(void)
{
    test_measured();
    test_shares();
    test_files(1);
    test_files(3);
    return test_end("plan");
}
