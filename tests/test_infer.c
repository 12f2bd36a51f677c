/* Samplers on known logits, and seeds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model_help.h"
#include "infer/sampler.h"

enum { INFER_SIZE = 7, INFER_DRAWS = 20000 };

/* exp of these: 1 2 4 8 8 0.5 0 */
static const float infer_logits[INFER_SIZE] = {
    0.0f, 0.6931472f, 1.3862944f, 2.0794415f, 2.0794415f, -0.6931472f,
    -INFINITY
};

static lh_context *infer_ctx;

/* The draws' shares of each token. */
static void infer_shares(const float *logits, lh_sampling how,
                         double share[INFER_SIZE])
{
    double weight[INFER_SIZE];
    int32_t heap[INFER_SIZE];
    lh_draw room = { weight, heap };
    lh_rng rng = lh_rng_start(9, LH_STREAM_SAMPLE);
    for (int i = 0; i < INFER_SIZE; i++)
        share[i] = 0;
    for (int i = 0; i < INFER_DRAWS; i++) {
        int32_t token = lh_sampler_draw(infer_ctx, &rng, logits, INFER_SIZE,
                                        &how, &room);
        CHECK(token >= 0 && token < INFER_SIZE);
        if (token >= 0 && token < INFER_SIZE)
            share[token] += 1.0 / INFER_DRAWS;
    }
}

static void infer_expect(lh_sampling how, const double wanted[INFER_SIZE],
                         const char *what)
{
    double share[INFER_SIZE], total = 0;
    infer_shares(infer_logits, how, share);
    for (int i = 0; i < INFER_SIZE; i++)
        total += wanted[i];
    for (int i = 0; i < INFER_SIZE; i++) {
        double p = wanted[i] / total;
        bool close = p == 0 ? share[i] == 0 : fabs(share[i] - p) < 0.015;
        CHECK(close);
        if (!close)
            printf("    %s: token %d: %.4f, wanted %.4f\n", what, i,
                   share[i], p);
    }
}

static void test_samplers(void)
{
    infer_expect((lh_sampling){ .temperature = 0 },
                 (double[]){ 0, 0, 0, 1, 0, 0, 0 }, "greedy");
    infer_expect((lh_sampling){ .temperature = 1 },
                 (double[]){ 1, 2, 4, 8, 8, 0.5, 0 }, "temperature 1");
    infer_expect((lh_sampling){ .temperature = 0.5 },
                 (double[]){ 1, 4, 16, 64, 64, 0.25, 0 }, "0.5");
    infer_expect((lh_sampling){ .temperature = 1e-300 },
                 (double[]){ 0, 0, 0, 1, 1, 0, 0 }, "nearly 0");
    infer_expect((lh_sampling){ .temperature = 1, .top_k = 3 },
                 (double[]){ 0, 0, 4, 8, 8, 0, 0 }, "top-k 3");
    infer_expect((lh_sampling){ .temperature = 1, .top_k = 1 },
                 (double[]){ 0, 0, 0, 1, 0, 0, 0 }, "top-k 1");
    infer_expect((lh_sampling){ .temperature = 1, .top_k = 100 },
                 (double[]){ 1, 2, 4, 8, 8, 0.5, 0 }, "top-k 100");
    infer_expect((lh_sampling){ .temperature = 1, .top_p = 0.68 },
                 (double[]){ 0, 0, 0, 8, 8, 0, 0 }, "top-p 0.68");
    infer_expect((lh_sampling){ .temperature = 1, .top_p = 0.69 },
                 (double[]){ 0, 0, 4, 8, 8, 0, 0 }, "top-p 0.69");
    infer_expect((lh_sampling){ .temperature = 1, .top_p = 0.001 },
                 (double[]){ 0, 0, 0, 1, 0, 0, 0 }, "top-p 0.001");
    infer_expect((lh_sampling){ .temperature = 1, .top_p = 1 },
                 (double[]){ 1, 2, 4, 8, 8, 0.5, 0 }, "top-p 1");
    infer_expect((lh_sampling){ .temperature = 1, .top_k = 3,
                                .top_p = 0.7 },
                 (double[]){ 0, 0, 0, 8, 8, 0, 0 }, "top-k, top-p");
    infer_expect((lh_sampling){ .temperature = 1, .min_p = 0.2 },
                 (double[]){ 0, 2, 4, 8, 8, 0, 0 }, "min-p 0.2");
    infer_expect((lh_sampling){ .temperature = 1, .min_p = 1 },
                 (double[]){ 0, 0, 0, 8, 8, 0, 0 }, "min-p 1");
}

/* Against sorting: the heap keeps just the likeliest, for any logits. */
static void test_heap_keeps(void)
{
    enum { SIZE = 60 };
    double weight[SIZE];
    int32_t heap[SIZE];
    lh_draw room = { weight, heap };
    uint64_t seed = 5;
    for (int round = 0; round < 300; round++) {
        float logits[SIZE];
        for (int i = 0; i < SIZE; i++)
            logits[i] = (float)(test_random(&seed) % 9) / 4;
        int64_t k = 1 + (int64_t)(test_random(&seed) % SIZE);
        lh_rng rng = lh_rng_start((uint64_t)round, LH_STREAM_SAMPLE);
        lh_sampling how = { .temperature = 1, .top_k = k };
        int32_t token = lh_sampler_draw(infer_ctx, &rng, logits, SIZE, &how,
                                        &room);
        for (int i = 0; i < SIZE; i++) {
            int64_t before = 0;
            for (int j = 0; j < SIZE; j++)
                before += logits[j] > logits[i] ||
                          (logits[j] == logits[i] && j < i);
            CHECK((weight[i] > 0) == (before < k));
        }
        CHECK(token >= 0 && weight[token] > 0);
    }
}

static void test_bad(void)
{
    double weight[INFER_SIZE];
    int32_t heap[INFER_SIZE];
    lh_draw room = { weight, heap };
    lh_rng rng = lh_rng_start(9, LH_STREAM_SAMPLE);
    static const lh_sampling bad[] = {
        { .temperature = -1 }, { .temperature = NAN },
        { .temperature = 1, .top_k = -1 }, { .temperature = 1, .top_p = 2 },
        { .temperature = 1, .min_p = -0.5 }, { .temperature = 1,
                                               .top_p = NAN },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ_INT(lh_sampler_draw(infer_ctx, &rng, infer_logits,
                                     INFER_SIZE, &bad[i], &room), -1);
        CHECK_EQ_INT(lh_error_status(infer_ctx), LH_ERROR_ARGUMENT);
        lh_error_clear(infer_ctx);
    }
    float logits[INFER_SIZE];
    for (int i = 0; i < 2; i++) {
        memcpy(logits, infer_logits, sizeof logits);
        logits[5] = i ? NAN : INFINITY;
        CHECK_EQ_INT(lh_sampler_draw(infer_ctx, &rng, logits, INFER_SIZE,
                                     &(lh_sampling){ .temperature = i },
                                     &room), -1);
        CHECK_EQ_INT(lh_error_status(infer_ctx), LH_ERROR_NUMBER);
        lh_error_clear(infer_ctx);
    }
}

/* --------------------------------------------------------------- seeds -- */

static void generate(lh_model *m, const lh_tokenizer *k, uint64_t seed,
                     int count, char out[512])
{
    lh_session *s = lh_session_new(infer_ctx, m, seed);
    out[0] = '\0';
    for (int i = 0; i < count; i++) {
        char *text = NULL;
        size_t size = 0;
        CHECK_OK(infer_ctx, lh_session_generate(
            s, k, &(lh_sampling){ .temperature = 1 }, 0, &text, &size));
        CHECK(text && strlen(text) == size && size <= 20);
        strncat(out, text, 40);
        strcat(out, "|");
        lh_memory_free(infer_ctx, text);
    }
    lh_session_free(s);
}

static void test_seeds(void)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    lh_tokenizer *k = lh_tokenizer_characters(infer_ctx, text, 26);
    lh_config c = kind_config(2);            /* 29 tokens: 2 to spare      */
    lh_model *m = lh_model_new(infer_ctx, &c, 4);
    char a[512], b[512], other[512];
    generate(m, k, 1, 8, a);
    generate(m, k, 1, 8, b);
    generate(m, k, 2, 8, other);
    CHECK_STR(a, b);
    CHECK(strcmp(a, other) != 0);
    CHECK(strlen(a) > 8);
    lh_session *s = lh_session_new(infer_ctx, m, 1);
    char *limited = NULL;
    size_t size;
    CHECK_OK(infer_ctx, lh_session_generate(
        s, k, &(lh_sampling){ .temperature = 0 }, 3, &limited, &size));
    CHECK(size <= 3);
    lh_memory_free(infer_ctx, limited);
    CHECK_FAILS(infer_ctx, LH_ERROR_ARGUMENT, "sampling",
                lh_session_generate(s, k, &(lh_sampling){ .min_p = 3 }, 0,
                                    &limited, &size));
    lh_session_free(s);
    lh_model_free(m);
    lh_tokenizer_free(k);
}

int main(void)
{
    infer_ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    test_samplers();
    test_heap_keeps();
    test_bad();
    test_seeds();
    CHECK_EQ_INT(lh_error_status(infer_ctx), LH_OK);
    lh_context_free(infer_ctx);
    return test_end("infer");
}
