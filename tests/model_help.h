/* Small models of every kind, for the tests of models, training, inference
 * and files. */
#ifndef LH_MODEL_HELP_H
#define LH_MODEL_HELP_H

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "longhand.h"
#include "test.h"

#define KINDS 8
#define KIND_VOCABULARY 29

/* Kind i: 0 microgpt, 1 GPT-2, 2 Llama with grouped heads and all that newer
 * ones add, 3 to 5 what is left, mixed; 6 NanoChat, 7 it and more. */
static inline lh_config kind_config(int i)
{
    lh_config c = {
        .layers = 2, .width = 24, .heads = 4, .kv_heads = 4, .head_size = 6,
        .feed_forward = 40, .context = 20, .vocabulary = KIND_VOCABULARY,
        .rotary_theta = 10000, .norm_eps = 1e-5, .embedding_scale = 1,
        .init_std = 0.2, .init_scaled = true,
    };
    switch (i) {
    case 0:
        c.layers = 1;
        c.width = 16;
        c.head_size = 4;
        c.feed_forward = 64;
        c.positions = LH_POSITIONS_LEARNED;
        c.embedding_norm = true;
        break;
    case 1:
        c.positions = LH_POSITIONS_LEARNED;
        c.norm = LH_NORM_LAYER;
        c.norm_gain = c.norm_bias = c.final_norm = c.tied = true;
        c.attention_bias = c.feed_forward_bias = true;
        c.activation = LH_GELU_TANH;
        break;
    case 2:
        c.positions = LH_POSITIONS_ROTARY;
        c.kv_heads = 2;
        c.norm_gain = c.final_norm = c.qk_norm = true;
        c.activation = LH_SWIGLU;
        c.logit_softcap = 5;
        c.embedding_scale = 2.5;
        break;
    case 3:
        c.positions = LH_POSITIONS_ROTARY;
        c.kv_heads = 1;
        c.norm_gain = c.final_norm = c.tied = true;
        c.activation = LH_SWIGLU;
        c.attention_bias = true;
        break;
    case 4:
        c.positions = LH_POSITIONS_NONE;
        c.norm = LH_NORM_LAYER;
        c.activation = LH_GEGLU;
        c.final_norm = true;
        c.feed_forward_bias = true;
        c.head_size = 5;
        break;
    case 7:
        c.ngrams = 3;
        c.ngram_rows = 1000;             /* all pairs, triples that meet   */
        c.value_embeddings = true;
        /* fall through */
    case 6:
        c.positions = LH_POSITIONS_ROTARY;
        c.kv_heads = 2;
        c.embedding_norm = c.final_norm = c.qk_norm = true;
        c.activation = LH_RELU2;
        c.logit_softcap = 15;
        break;
    default:
        c.positions = LH_POSITIONS_LEARNED;
        c.norm = LH_NORM_LAYER;
        c.norm_bias = true;
        c.embedding_norm = true;
        c.activation = i % 2 ? LH_RELU2 : LH_GELU;
        c.kv_heads = 2;
    }
    return c;
}

static inline void kind_tokens(int32_t *tokens, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++)
        tokens[i] = (int32_t)(test_random(&seed) % KIND_VOCABULARY);
}

/* Whether two models have the same parameters, bit for bit. */
static inline bool models_equal(lh_model *a, lh_model *b)
{
    lh_params *p = lh_model_params(a), *q = lh_model_params(b);
    int64_t count = lh_params_count(p);
    if (count != lh_params_count(q))
        return false;
    for (int64_t i = 0; i < count; i++) {
        const char *name;
        lh_tensor *x = lh_params_get(p, i, &name);
        lh_tensor *y = lh_params_find(q, name);
        if (lh_tensor_size(x) != lh_tensor_size(y) ||
            memcmp(lh_tensor_data(x), lh_tensor_data(y),
                   (size_t)lh_tensor_size(x) * sizeof(float)) != 0)
            return false;
    }
    return true;
}

/* A fresh directory; `path` must hold 64 bytes. */
static inline const char *fresh_directory(char path[64])
{
    snprintf(path, 64, "/tmp/longhand-test-XXXXXX");
    if (!mkdtemp(path)) {
        printf("no temporary directory\n");
        exit(1);
    }
    return path;
}

#define CHECK_OK(ctx, status) do { \
    lh_status check_s = (status); \
    test_note(check_s == LH_OK, __FILE__, __LINE__, #status); \
    if (check_s != LH_OK && test_failed <= 20) \
        printf("    %s\n", lh_error_message(ctx)); \
} while (0)

/* That it fails with this status and a message that says `part`. */
#define CHECK_FAILS(ctx, wanted, part, status) do { \
    lh_error_clear(ctx); \
    CHECK_EQ_INT((status), (wanted)); \
    bool check_said = strstr(lh_error_message(ctx), (part)) != NULL; \
    test_note(check_said, __FILE__, __LINE__, "says " #part); \
    if (!check_said && test_failed <= 20) \
        printf("    says: %s\n", lh_error_message(ctx)); \
    lh_error_clear(ctx); \
} while (0)

#endif
