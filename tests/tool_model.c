/* For oracle_model.py: writes a small model in the layout of KIND (gpt2,
 * llama, nanochat) into DIR, every weight moved off its initial value so that
 * gains and biases count, and prints the logits of one document, a row a line.
 *
 * It is the model as it is read again, which counts where its weights were
 * written in 16 bits: WEIGHTS is f32, bf16 or f16.
 *
 *     tool_model KIND DIR WEIGHTS
 */
#include "longhand.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 13 };

static bool configure(const char *kind, lh_config *c)
{
    *c = (lh_config){
        .layers = 3, .width = 48, .heads = 4, .kv_heads = 4, .head_size = 12,
        .feed_forward = 192, .context = 16,
        .positions = LH_POSITIONS_LEARNED, .norm = LH_NORM_LAYER,
        .norm_eps = 1e-5, .norm_gain = true, .norm_bias = true,
        .final_norm = true, .activation = LH_GELU_TANH,
        .attention_bias = true, .feed_forward_bias = true, .tied = true,
        .embedding_scale = 1, .init_std = 0.1 };
    if (strcmp(kind, "gpt2") == 0)
        return true;
    *c = (lh_config){
        .layers = 3, .width = 48, .heads = 4, .kv_heads = 2, .head_size = 12,
        .feed_forward = 104, .context = 16,
        .positions = LH_POSITIONS_ROTARY, .rotary_theta = 10000,
        .norm = LH_NORM_RMS, .norm_eps = 1e-5, .norm_gain = true,
        .final_norm = true, .activation = LH_SWIGLU,
        .embedding_scale = 1, .init_std = 0.1 };
    if (strcmp(kind, "llama") == 0)
        return true;
    c->norm_gain = false;
    c->embedding_norm = c->qk_norm = true;
    c->activation = LH_RELU2;
    c->logit_softcap = 15;
    return strcmp(kind, "nanochat") == 0;
}

/* Uniform in +-0.1, by a linear congruential generator. */
static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 83886080.0f - 0.1f;
}

static int show(lh_context *ctx, const char *kind, const char *directory,
                const char *weights)
{
    lh_config config;
    if (!configure(kind, &config)) {
        fprintf(stderr, "tool_model: gpt2, llama or nanochat, not %s\n", kind);
        return 2;
    }
    lh_tokenizer *k = lh_tokenizer_characters(ctx, "abcdefghijklmnop", 16);
    config.vocabulary = lh_tokenizer_vocabulary(k);
    lh_model *m = lh_model_new(ctx, &config, 5);
    lh_params *p = lh_model_params(m);
    uint32_t state = 1;
    for (int64_t i = 0; p && i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        for (int64_t j = 0; j < lh_tensor_size(x); j++)
            lh_tensor_data(x)[j] += noise(&state);
    }
    lh_model_save_as(ctx, m, k, directory, weights[0] == 'b'
                     ? LH_WEIGHTS_BF16 : strcmp(weights, "f16")
                     ? LH_WEIGHTS_F32 : LH_WEIGHTS_F16);
    lh_model_free(m);
    if (lh_model_load(ctx, directory, &m, NULL))
        m = NULL;

    int32_t tokens[ROWS];
    const int64_t offsets[2] = { 0, ROWS };
    for (int32_t i = 0; i < ROWS; i++)
        tokens[i] = (7 * i + 16) % 17;
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *logits = lh_model_logits(t, m, &(lh_batch){
        .documents = 1, .offsets = offsets, .tokens = tokens });
    for (int32_t i = 0; logits && i < ROWS; i++) {
        printf("%d", tokens[i]);
        for (int64_t v = 0; v < config.vocabulary; v++)
            printf(" %.9g", (double)lh_tensor_data(logits)
                                [i * config.vocabulary + v]);
        printf("\n");
    }
    lh_tape_free(t);
    lh_model_free(m);
    lh_tokenizer_free(k);
    return 0;
}

int main(int argc, char **argv)
{
    lh_context *ctx = lh_context_new(NULL);
    if (argc != 4 || !ctx)
        return 2;
    int code = show(ctx, argv[1], argv[2], argv[3]);
    if (lh_error_status(ctx)) {
        fprintf(stderr, "tool_model: %s\n", lh_error_message(ctx));
        code = 1;
    }
    lh_context_free(ctx);
    return code;
}
