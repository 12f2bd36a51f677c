/* Short training runs, and one line for each with the hash of its final
 * weights: the same on every CPU, compiler, optimisation level and number of
 * threads, with a batch whole or in parts.  golden.sh compares them with
 * golden.txt.
 *
 *     golden [THREADS [MICRO-BATCH]]     0: the default of each
 *     golden levels                      what LONGHAND_CPU may be here
 */
#include "base/context.h"
#include "longhand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
    const char *name;
    lh_config config;
    lh_train_settings how;
} run;

/* Together they go through every op, every kind of every choice but some of
 * the activations, and batches of more rows than a tile has. */
static const run runs[] = {
    { "micro",
      { .layers = 1, .width = 16, .heads = 4, .kv_heads = 4, .head_size = 4,
        .feed_forward = 64, .context = 16,
        .positions = LH_POSITIONS_LEARNED, .norm = LH_NORM_RMS,
        .norm_eps = 1e-5, .embedding_norm = true, .activation = LH_RELU,
        .embedding_scale = 1, .init_std = 0.08 },
      { .steps = 12, .batch = 12, .schedule = LH_LINEAR, .seed = 42,
        .adamw = { .learning_rate = 0.01, .beta1 = 0.85, .beta2 = 0.99,
                   .eps = 1e-8 } } },
    { "gpt2",
      { .layers = 2, .width = 36, .heads = 3, .kv_heads = 3, .head_size = 12,
        .feed_forward = 144, .context = 24,
        .positions = LH_POSITIONS_LEARNED, .norm = LH_NORM_LAYER,
        .norm_eps = 1e-5, .norm_gain = true, .norm_bias = true,
        .final_norm = true, .activation = LH_GELU_TANH,
        .attention_bias = true, .feed_forward_bias = true, .tied = true,
        .embedding_scale = 1, .dropout = 0.1, .init_std = 0.02,
        .init_scaled = true },
      { .steps = 6, .batch = 12, .schedule = LH_COSINE, .warm_up = 2,
        .final_rate = 0.1, .held_out = 0.1, .seed = 7,
        .adamw = { .learning_rate = 0.003, .beta1 = 0.9, .beta2 = 0.95,
                   .eps = 1e-8, .weight_decay = 0.1, .clip = 1 } } },
    { "llama",
      { .layers = 2, .width = 40, .heads = 4, .kv_heads = 2, .head_size = 10,
        .feed_forward = 104, .context = 5,
        .positions = LH_POSITIONS_ROTARY, .rotary_theta = 10000,
        .norm = LH_NORM_RMS, .norm_eps = 1e-5, .norm_gain = true,
        .final_norm = true, .qk_norm = true, .activation = LH_SWIGLU,
        .embedding_scale = 6.324555320336759, .logit_softcap = 30,
        .init_std = 0.02, .init_scaled = true },
      { .steps = 6, .batch = 20, .schedule = LH_TRAPEZOID, .warm_up = 2,
        .cool_down = 2, .seed = 9,
        .adamw = { .learning_rate = 0.003, .beta1 = 0.9, .beta2 = 0.99,
                   .eps = 1e-8, .weight_decay = 0.01, .clip = 1 } } },
    { "fast",
      { .layers = 2, .width = 48, .heads = 4, .kv_heads = 2, .head_size = 12,
        .feed_forward = 192, .context = 7,
        .positions = LH_POSITIONS_ROTARY, .rotary_theta = 10000,
        .norm = LH_NORM_RMS, .norm_eps = 1e-6, .embedding_norm = true,
        .final_norm = true, .qk_norm = true, .activation = LH_RELU2,
        .embedding_scale = 1, .logit_softcap = 15, .dropout = 0.1,
        .init_std = 0.02, .init_zero = true, .ngrams = 3,
        .ngram_rows = 1000, .value_embeddings = true },
      { .steps = 6, .batch = 20, .schedule = LH_TRAPEZOID, .cool_down = 3,
        .seed = 11, .average = 0.6,
        .muon = { .learning_rate = 0.02, .momentum = 0.95,
                  .weight_decay = 0.1 },
        .adamw = { .learning_rate = 0.004, .beta1 = 0.8, .beta2 = 0.95,
                   .eps = 1e-10, .clip = 1 } } },
};

/* FNV-1a over the bits of every weight, least significant byte first. */
static uint64_t hash(lh_params *p)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        for (int64_t j = 0; j < lh_tensor_size(x); j++) {
            uint32_t bits;
            memcpy(&bits, lh_tensor_data(x) + j, sizeof bits);
            for (int b = 0; b < 32; b += 8)
                h = (h ^ (bits >> b & 0xff)) * 0x100000001b3u;
        }
    }
    return h;
}

static bool golden(const run *r, int threads, int64_t micro_batch)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = threads });
    if (!ctx)
        return false;
    ctx->grain = 1;                              /* split everything       */
    lh_config config = r->config;
    lh_train_settings how = r->how;
    how.micro_batch = micro_batch;
    size_t size = 0;
    lh_progress last = { 0 };
    lh_dataset *names = lh_dataset_names(ctx);
    const char *text = lh_dataset_bytes(names, &size);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, size);
    config.vocabulary = lh_tokenizer_vocabulary(k);
    lh_model *m = lh_model_new(ctx, &config, how.seed);
    lh_trainer *t = lh_trainer_new(ctx, m, k, names, &how);
    for (int64_t i = 0; i < how.steps; i++)
        if (lh_trainer_step(t, &last))
            break;
    lh_trainer_average(t, true);
    bool done = lh_error_status(ctx) == LH_OK;
    if (done)
        printf("%-8s %016" PRIx64 " loss %.6f\n", r->name,
               hash(lh_model_params(m)), last.loss);
    else
        printf("%-8s %s\n", r->name, lh_error_message(ctx));
    lh_trainer_free(t);
    lh_model_free(m);
    lh_tokenizer_free(k);
    lh_dataset_free(names);
    lh_context_free(ctx);
    return done;
}

/* The instruction sets that a context can be made with, least first. */
static int levels(void)
{
    lh_context *ctx = lh_context_new(NULL);
    const char *name, *why;
    for (int i = 0; ctx && (name = lh_cpu_reason(ctx, i, &why)); i++) {
        lh_context *limited = lh_context_new(&(lh_settings){
            .threads = 1, .cpu = name });
        if (limited && !lh_error_status(limited))
            printf("%s\n", name);
        lh_context_free(limited);
    }
    lh_context_free(ctx);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "levels") == 0)
        return levels();
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    int micro_batch = argc > 2 ? atoi(argv[2]) : 0;
    bool done = true;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        done = golden(&runs[i], threads, micro_batch) && done;
    return done ? 0 : 1;
}
