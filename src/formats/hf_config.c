/* Reading and writing config.json in four spellings.
 *
 * HFCONF_FIELDS below is the one list of lh_config's fields, from which the
 * "longhand" writer, its reader and the range check are made.  "gpt2",
 * "llama" and "nanochat" are spelled by hand, since they name and combine
 * things in their own ways; what they cannot say but does not change what the
 * model computes (how it was initialised, dropout) goes beside their keys
 * under our names.
 *
 * Refuses: to guess.  A key that changes the computation and has a value we
 * do not compute is an error that names it; other unknown keys are left. */
#include "formats/hf_config.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"

enum { HFCONF_LARGE = INT32_MAX };

/* Integers and numbers with the least and greatest value, yes or no, words
 * out of a list; and what came later: 0 or no where a file has it not. */
#define HFCONF_FIELDS(INTEGER, NUMBER, FLAG, WORD, LATER, LATER_FLAG) \
    INTEGER(layers, 1, 10000) \
    INTEGER(width, 1, HFCONF_LARGE) \
    INTEGER(heads, 1, HFCONF_LARGE) \
    INTEGER(kv_heads, 1, HFCONF_LARGE) \
    INTEGER(head_size, 1, HFCONF_LARGE) \
    INTEGER(feed_forward, 1, HFCONF_LARGE) \
    INTEGER(context, 1, HFCONF_LARGE) \
    INTEGER(vocabulary, 1, HFCONF_LARGE) \
    WORD(positions, lh_positions, hfconf_positions) \
    NUMBER(rotary_theta, 0, 1e30) \
    WORD(norm, lh_norm, hfconf_norms) \
    NUMBER(norm_eps, 1e-30, 1) \
    FLAG(norm_gain) \
    FLAG(norm_bias) \
    FLAG(embedding_norm) \
    FLAG(final_norm) \
    FLAG(qk_norm) \
    WORD(activation, lh_activation, hfconf_activations) \
    FLAG(attention_bias) \
    FLAG(feed_forward_bias) \
    FLAG(tied) \
    NUMBER(embedding_scale, 1e-30, 1e30) \
    NUMBER(logit_softcap, 0, 1e30) \
    NUMBER(dropout, 0, 0.999999) \
    NUMBER(init_std, 0, 1e6) \
    FLAG(init_scaled) \
    LATER(ngrams, 0, 3) \
    LATER(ngram_rows, 0, HFCONF_LARGE) \
    LATER_FLAG(init_zero) \
    LATER_FLAG(value_embeddings)

/* What an enumeration's values are called; the first row of a value is how
 * it is written, all are read. */
typedef struct hfconf_word {
    const char *text;
    int value;
} hfconf_word;

static const hfconf_word hfconf_positions[] = {
    { "none", LH_POSITIONS_NONE }, { "learned", LH_POSITIONS_LEARNED },
    { "rotary", LH_POSITIONS_ROTARY }, { NULL, 0 },
};
static const hfconf_word hfconf_norms[] = {
    { "rms", LH_NORM_RMS }, { "layer", LH_NORM_LAYER }, { NULL, 0 },
};
static const hfconf_word hfconf_activations[] = {
    { "relu", LH_RELU }, { "relu2", LH_RELU2 }, { "gelu", LH_GELU },
    { "gelu_tanh", LH_GELU_TANH }, { "swiglu", LH_SWIGLU },
    { "geglu", LH_GEGLU }, { NULL, 0 },
};
static const hfconf_word hfconf_gpt2_activations[] = {
    { "gelu_new", LH_GELU_TANH }, { "gelu_pytorch_tanh", LH_GELU_TANH },
    { "gelu", LH_GELU }, { "relu", LH_RELU }, { NULL, 0 },
};
static const hfconf_word hfconf_nanochat_activations[] = {
    { "relu2", LH_RELU2 }, { NULL, 0 },
};
static const hfconf_word hfconf_llama_activations[] = {
    { "silu", LH_SWIGLU }, { "swish", LH_SWIGLU }, { NULL, 0 },
};

static const char *hfconf_word_of(const hfconf_word *list, int value)
{
    for (; list->text; list++)
        if (list->value == value)
            return list->text;
    return NULL;
}

/* -------------------------------------------------------------- layout -- */

/* What NanoChat computes, apart from what it has no counterpart for. */
static bool hfconf_nanochat(const lh_config *c)
{
    return c->embedding_norm && c->final_norm && c->qk_norm
        && c->norm == LH_NORM_RMS && !c->norm_gain && !c->norm_bias
        && c->positions == LH_POSITIONS_ROTARY && !c->tied
        && c->activation == LH_RELU2 && !c->attention_bias
        && !c->feed_forward_bias && c->embedding_scale == 1;
}

LH_INTERNAL lh_layout lh_layout_of(const lh_config *c)
{
    if (c->ngrams || c->value_embeddings)
        return LH_LAYOUT_LONGHAND;
    if (hfconf_nanochat(c))
        return LH_LAYOUT_NANOCHAT;
    bool plain = c->final_norm && !c->embedding_norm && !c->qk_norm
        && c->norm_gain && c->embedding_scale == 1 && c->logit_softcap == 0;
    if (plain && c->positions == LH_POSITIONS_LEARNED
        && c->norm == LH_NORM_LAYER && c->norm_bias && c->attention_bias
        && c->feed_forward_bias && c->tied && c->kv_heads == c->heads
        && c->heads > 0 && c->width % c->heads == 0
        && c->head_size == c->width / c->heads
        && hfconf_word_of(hfconf_gpt2_activations, (int)c->activation))
        return LH_LAYOUT_GPT2;
    if (plain && c->positions == LH_POSITIONS_ROTARY
        && c->norm == LH_NORM_RMS && !c->norm_bias
        && c->activation == LH_SWIGLU && !c->feed_forward_bias)
        return LH_LAYOUT_LLAMA;
    return LH_LAYOUT_LONGHAND;
}

/* ------------------------------------------------------------- writing -- */

typedef struct hfconf_writer {
    lh_context *ctx;
    lh_buffer *buffer;             /* its status is of the first failure   */
    bool begun;
} hfconf_writer;

/* JSON text as it is. */
static void hfconf_put(hfconf_writer *w, const char *key, const char *text)
{
    lh_buffer_printf(w->ctx, w->buffer, "%s  \"%s\": %s",
                     w->begun ? ",\n" : "{\n", key, text);
    w->begun = true;
}

static void hfconf_put_integer(hfconf_writer *w, const char *key,
                               int64_t value)
{
    hfconf_put(w, key, "");
    lh_buffer_printf(w->ctx, w->buffer, "%lld", (long long)value);
}

/* A number as Python takes it for a float: with a point, "10000.0". */
static const char *hfconf_float(char text[LH_NUMBER_SIZE + 2], double value)
{
    lh_number_write(text, value);
    return strpbrk(text, ".en") ? text : strcat(text, ".0");
}

static void hfconf_put_number(hfconf_writer *w, const char *key,
                              double value)
{
    char text[LH_NUMBER_SIZE + 2];
    hfconf_put(w, key, hfconf_float(text, value));
}

static void hfconf_put_flag(hfconf_writer *w, const char *key, bool value)
{
    hfconf_put(w, key, value ? "true" : "false");
}

static void hfconf_put_word(hfconf_writer *w, const char *key,
                            const hfconf_word *list, int value)
{
    const char *text = hfconf_word_of(list, value);
    hfconf_put(w, key, "");
    if (!w->buffer->status && !text)
        w->buffer->status = lh_fail(w->ctx, LH_ERROR_ARGUMENT,
                                    "the config's \"%s\" has no such value"
                                    " as %d", key, value);
    lh_buffer_printf(w->ctx, w->buffer, "\"%s\"", text ? text : "");
}

static void hfconf_put_gpt2(hfconf_writer *w, const lh_config *c)
{
    hfconf_put_integer(w, "vocab_size", c->vocabulary);
    hfconf_put_integer(w, "n_positions", c->context);
    hfconf_put_integer(w, "n_ctx", c->context);
    hfconf_put_integer(w, "n_embd", c->width);
    hfconf_put_integer(w, "n_layer", c->layers);
    hfconf_put_integer(w, "n_head", c->heads);
    hfconf_put_integer(w, "n_inner", c->feed_forward);
    hfconf_put_word(w, "activation_function", hfconf_gpt2_activations,
                    (int)c->activation);
    hfconf_put_number(w, "layer_norm_epsilon", c->norm_eps);
    hfconf_put_number(w, "resid_pdrop", c->dropout);
    hfconf_put_number(w, "embd_pdrop", c->dropout);
    hfconf_put_number(w, "attn_pdrop", c->dropout);
    hfconf_put_number(w, "initializer_range", c->init_std);
    hfconf_put(w, "scale_attn_weights", "true");
    hfconf_put(w, "tie_word_embeddings", "true");
    if (!c->init_scaled)
        hfconf_put_flag(w, "init_scaled", false);
    if (c->init_zero)
        hfconf_put_flag(w, "init_zero", true);
    if (c->rotary_theta != 10000)
        hfconf_put_number(w, "rotary_theta", c->rotary_theta);
}

/* What Llama and NanoChat have in common. */
static void hfconf_put_both(hfconf_writer *w, const lh_config *c,
                            const hfconf_word *activations)
{
    char text[LH_NUMBER_SIZE + 2];
    hfconf_put_integer(w, "vocab_size", c->vocabulary);
    hfconf_put_integer(w, "max_position_embeddings", c->context);
    hfconf_put_integer(w, "hidden_size", c->width);
    hfconf_put_integer(w, "intermediate_size", c->feed_forward);
    hfconf_put_integer(w, "num_hidden_layers", c->layers);
    hfconf_put_integer(w, "num_attention_heads", c->heads);
    hfconf_put_integer(w, "num_key_value_heads", c->kv_heads);
    hfconf_put_integer(w, "head_dim", c->head_size);
    hfconf_put_word(w, "hidden_act", activations, (int)c->activation);
    hfconf_put_number(w, "rms_norm_eps", c->norm_eps);
    hfconf_put_flag(w, "attention_bias", c->attention_bias);
    hfconf_put(w, "attention_dropout", "0.0");
    hfconf_put_flag(w, "tie_word_embeddings", c->tied);
    hfconf_put_number(w, "initializer_range", c->init_std);
    /* transformers 4 reads the first, 5 the second. */
    hfconf_put_number(w, "rope_theta", c->rotary_theta);
    hfconf_put(w, "rope_scaling", "null");
    hfconf_put(w, "rope_parameters", "{\"rope_type\": \"default\", "
                                     "\"rope_theta\": ");
    lh_buffer_printf(w->ctx, w->buffer, "%s}",
                     hfconf_float(text, c->rotary_theta));
    if (c->dropout != 0)
        hfconf_put_number(w, "dropout", c->dropout);
    if (c->init_scaled)
        hfconf_put_flag(w, "init_scaled", true);
    if (c->init_zero)
        hfconf_put_flag(w, "init_zero", true);
}

static void hfconf_put_llama(hfconf_writer *w, const lh_config *c)
{
    hfconf_put_both(w, c, hfconf_llama_activations);
    hfconf_put(w, "mlp_bias", "false");
}

static void hfconf_put_nanochat(hfconf_writer *w, const lh_config *c)
{
    hfconf_put_both(w, c, hfconf_nanochat_activations);
    if (c->logit_softcap > 0)
        hfconf_put_number(w, "final_logit_softcapping", c->logit_softcap);
    else
        hfconf_put(w, "final_logit_softcapping", "null");
    hfconf_put(w, "pad_token_id", "null");
}

static void hfconf_put_longhand(hfconf_writer *w, const lh_config *c)
{
    /* For who wonders why no other program knows it. */
    if (hfconf_nanochat(c))
        hfconf_put(w, "without_counterpart", !c->value_embeddings
                   ? "[\"ngrams\"]" : !c->ngrams
                   ? "[\"value_embeddings\"]"
                   : "[\"ngrams\", \"value_embeddings\"]");
#define HFCONF_INTEGER(name, low, high) hfconf_put_integer(w, #name, c->name);
#define HFCONF_NUMBER(name, low, high) hfconf_put_number(w, #name, c->name);
#define HFCONF_FLAG(name) hfconf_put_flag(w, #name, c->name);
#define HFCONF_WORD(name, type, list) \
    hfconf_put_word(w, #name, list, (int)c->name);
    HFCONF_FIELDS(HFCONF_INTEGER, HFCONF_NUMBER, HFCONF_FLAG, HFCONF_WORD,
                  HFCONF_INTEGER, HFCONF_FLAG)
#undef HFCONF_INTEGER
#undef HFCONF_NUMBER
#undef HFCONF_FLAG
#undef HFCONF_WORD
}

/* ------------------------------------------------------------- reading -- */

typedef struct hfconf_reader {
    lh_context *ctx;
    const char *where;
    const lh_json *root;
    lh_status status;              /* of the first failure                 */
} hfconf_reader;

static LH_PRINTF(3, 4) void hfconf_fail(hfconf_reader *r, const char *key,
                                        const char *format, ...)
{
    char what[192];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!r->status)
        r->status = lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: \"%s\" %s",
                            r->where, key, what);
}

/* The member of that name, null counting as none.  Where there is none and
 * it is required, that is the failure. */
static const lh_json *hfconf_get(hfconf_reader *r, const char *key,
                                 bool required)
{
    const lh_json *m = r->status ? NULL : lh_json_get(r->root, key);
    if (m && m->type == LH_JSON_NULL)
        m = NULL;
    if (!m && required)
        hfconf_fail(r, key, "is missing");
    return m;
}

/* An integer from low to high; `missing` where it is not there, below 0: it
 * must be. */
static int64_t hfconf_integer(hfconf_reader *r, const char *key,
                              int64_t missing, int64_t low, int64_t high)
{
    const lh_json *m = hfconf_get(r, key, missing < 0);
    if (!m)
        return missing;
    if (!m->integral || m->integer < low || m->integer > high)
        hfconf_fail(r, key, "must be an integer from %lld to %lld",
                    (long long)low, (long long)high);
    return m->integer;
}

/* One from 1 on. */
static int64_t hfconf_length(hfconf_reader *r, const char *key,
                             int64_t missing)
{
    return hfconf_integer(r, key, missing, 1, HFCONF_LARGE);
}

/* A number; missing: NaN where it must be there. */
static double hfconf_number(hfconf_reader *r, const char *key,
                            double missing, double low, double high)
{
    const lh_json *m = hfconf_get(r, key, missing != missing);
    if (!m)
        return missing;
    /* The parser gives finite numbers only. */
    if (m->type != LH_JSON_NUMBER || m->number < low || m->number > high) {
        char a[LH_NUMBER_SIZE], b[LH_NUMBER_SIZE];
        lh_number_write(a, low);
        lh_number_write(b, high);
        hfconf_fail(r, key, "must be a number from %s to %s", a, b);
    }
    return m->number;
}

/* missing: -1 where it must be there. */
static bool hfconf_flag(hfconf_reader *r, const char *key, int missing)
{
    const lh_json *m = hfconf_get(r, key, missing < 0);
    if (m && m->type != LH_JSON_TRUE && m->type != LH_JSON_FALSE)
        hfconf_fail(r, key, "must be true or false");
    return m ? m->type == LH_JSON_TRUE : missing > 0;
}

/* missing: -1 where it must be there. */
static int hfconf_word_read(hfconf_reader *r, const char *key,
                            const hfconf_word *list, int missing)
{
    const lh_json *m = hfconf_get(r, key, missing < 0);
    if (!m)
        return missing < 0 ? 0 : missing;
    for (; list->text; list++)
        if (lh_json_is(m, list->text))
            return list->value;
    char shown[LH_UTF8_SHOWN];
    hfconf_fail(r, key, "is \"%s\", which is not computed here",
                m->type == LH_JSON_STRING
                ? lh_utf8_show(shown, m->string, m->size) : "?");
    return 0;
}

/* Keys that change what is computed, wherever they turn up: refused unless
 * absent, null, false, empty, or the one number that changes nothing. */
static void hfconf_refuse(hfconf_reader *r, bool nanochat)
{
    static const struct {
        const char *key;
        double harmless;
    } row[] = {
        { "quantization_config", 0 }, { "partial_rotary_factor", 1 },
        { "rotary_pct", 1 }, { "attn_logit_softcapping", 0 },
        { "final_logit_softcapping", 0 }, { "add_cross_attention", 0 },
        { "is_encoder_decoder", 0 }, { "num_local_experts", 0 },
        { "num_experts", 0 }, { "use_qk_norm", 0 },
        { "scale_attn_by_inverse_layer_idx", 0 }, { "mlp_bias", 0 },
        { "embedding_multiplier", 1 }, { "residual_multiplier", 1 },
        { "attention_multiplier", 1 }, { "logits_scaling", 1 },
        { "use_parallel_residual", 0 }, { "pruned_heads", 0 },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        const lh_json *m = hfconf_get(r, row[i].key, false);
        if (nanochat && !strcmp(row[i].key, "final_logit_softcapping"))
            continue;
        if (m && m->type != LH_JSON_FALSE
            && !(m->type >= LH_JSON_STRING && !m->size)
            && !(m->type == LH_JSON_NUMBER && m->number == row[i].harmless))
            hfconf_fail(r, row[i].key,
                        "changes the model in a way that is not computed "
                        "here");
    }
    const lh_json *window = hfconf_get(r, "sliding_window", false);
    const lh_json *use = hfconf_get(r, "use_sliding_window", false);
    if (window && !(use && use->type == LH_JSON_FALSE))
        hfconf_fail(r, "sliding_window", "is set: only full attention is "
                                         "computed here");
    const lh_json *types = hfconf_get(r, "layer_types", false);
    bool full = !types || types->type == LH_JSON_ARRAY;
    for (const lh_json *m = types ? types->child : NULL; m && full;
         m = m->next)
        full = lh_json_is(m, "full_attention");
    if (!full)
        hfconf_fail(r, "layer_types", "has other layers than "
                                      "\"full_attention\"");
}

/* The class that a file was made with must be the one with a head. */
static void hfconf_architecture(hfconf_reader *r, const char *wanted)
{
    const lh_json *list = hfconf_get(r, "architectures", false);
    bool found = !list;
    for (const lh_json *m = list ? list->child : NULL; m; m = m->next)
        found = found || lh_json_is(m, wanted);
    if (!found)
        hfconf_fail(r, "architectures", "must hold \"%s\"", wanted);
}

static void hfconf_read_gpt2(hfconf_reader *r, lh_config *c)
{
    c->layers = hfconf_integer(r, "n_layer", -1, 1, 10000);
    c->width = hfconf_length(r, "n_embd", -1);
    c->heads = hfconf_length(r, "n_head", -1);
    c->context = hfconf_length(r, "n_positions", -1);
    c->vocabulary = hfconf_length(r, "vocab_size", -1);
    if (r->status)
        return;
    if (c->width % c->heads)
        hfconf_fail(r, "n_embd", "must be a multiple of \"n_head\"");
    c->kv_heads = c->heads;
    c->head_size = c->width / c->heads;
    c->feed_forward = hfconf_length(r, "n_inner", 4 * c->width);
    c->positions = LH_POSITIONS_LEARNED;
    c->rotary_theta = hfconf_number(r, "rotary_theta", 10000, 0, 1e30);
    c->norm = LH_NORM_LAYER;
    c->norm_eps = hfconf_number(r, "layer_norm_epsilon", 1e-5, 1e-30, 1);
    c->norm_bias = c->attention_bias = c->feed_forward_bias = true;
    c->activation = (lh_activation)hfconf_word_read(r, "activation_function",
                                                    hfconf_gpt2_activations,
                                                    LH_GELU_TANH);
    c->tied = hfconf_flag(r, "tie_word_embeddings", 1);
    if (!c->tied)
        hfconf_fail(r, "tie_word_embeddings", "must be true for \"gpt2\"");
    if (!hfconf_flag(r, "scale_attn_weights", 1))
        hfconf_fail(r, "scale_attn_weights", "must be true");
    c->dropout = hfconf_number(r, "resid_pdrop", 0.1, 0, 0.999999);
    c->init_std = hfconf_number(r, "initializer_range", 0.02, 0, 1e6);
    c->init_scaled = hfconf_flag(r, "init_scaled", 1);
    c->init_zero = hfconf_flag(r, "init_zero", 0);
}

/* transformers 4 has rope_theta and rope_scaling, 5 rope_parameters. */
static double hfconf_read_rope(hfconf_reader *r)
{
    static const char *const list[] = { "rope_parameters", "rope_scaling" };
    double theta = hfconf_number(r, "rope_theta", 0, 1e-30, 1e30);
    for (size_t i = 0; i < LH_COUNT(list); i++) {
        const lh_json *rope = hfconf_get(r, list[i], false);
        if (rope && rope->type != LH_JSON_OBJECT) {
            hfconf_fail(r, list[i], "must be an object or null");
            rope = NULL;
        }
        for (const lh_json *m = rope ? rope->child : NULL; m; m = m->next) {
            bool type = !strcmp(m->key, "rope_type")
                     || !strcmp(m->key, "type");
            bool base = !strcmp(m->key, "rope_theta")
                     && m->type == LH_JSON_NUMBER && m->number >= 1e-30
                     && m->number <= 1e30
                     && (theta == 0 || theta == m->number);
            bool part = !strcmp(m->key, "partial_rotary_factor")
                     && m->type == LH_JSON_NUMBER && m->number == 1;
            if (base)
                theta = m->number;
            if (!base && !part && !(type && lh_json_is(m, "default"))) {
                char shown[LH_UTF8_SHOWN];
                hfconf_fail(r, list[i], "has a \"%s\" that is not computed "
                            "here, or contradicts \"rope_theta\"",
                            lh_utf8_show(shown, m->key, m->key_size));
            }
        }
    }
    return theta == 0 ? 10000 : theta;
}

/* What Llama and NanoChat have in common. */
static void hfconf_read_both(hfconf_reader *r, lh_config *c,
                             const hfconf_word *activations)
{
    c->layers = hfconf_integer(r, "num_hidden_layers", -1, 1, 10000);
    c->width = hfconf_length(r, "hidden_size", -1);
    c->heads = hfconf_length(r, "num_attention_heads", -1);
    c->feed_forward = hfconf_length(r, "intermediate_size", -1);
    c->context = hfconf_length(r, "max_position_embeddings", -1);
    c->vocabulary = hfconf_length(r, "vocab_size", -1);
    if (r->status)
        return;
    c->kv_heads = hfconf_length(r, "num_key_value_heads", c->heads);
    /* Without head_dim the width must be divisible. */
    c->head_size = hfconf_length(r, "head_dim", c->width % c->heads
                                 ? -1 : c->width / c->heads);
    c->positions = LH_POSITIONS_ROTARY;
    c->rotary_theta = hfconf_read_rope(r);
    c->norm = LH_NORM_RMS;
    c->norm_eps = hfconf_number(r, "rms_norm_eps", 1e-6, 1e-30, 1);
    c->activation = (lh_activation)hfconf_word_read(r, "hidden_act",
                                                    activations,
                                                    activations->value);
    c->attention_bias = hfconf_flag(r, "attention_bias", 0);
    c->tied = hfconf_flag(r, "tie_word_embeddings", 0);
    c->dropout = hfconf_number(r, "dropout", 0, 0, 0.999999);
    c->init_std = hfconf_number(r, "initializer_range", 0.02, 0, 1e6);
    c->init_scaled = hfconf_flag(r, "init_scaled", 0);
    c->init_zero = hfconf_flag(r, "init_zero", 0);
}

static void hfconf_read_llama(hfconf_reader *r, lh_config *c)
{
    hfconf_read_both(r, c, hfconf_llama_activations);
}

/* The names of the fields of theirs that Llama has too, what is always so, and
 * a soft-cap on the logits. */
static void hfconf_read_nanochat(hfconf_reader *r, lh_config *c)
{
    hfconf_read_both(r, c, hfconf_nanochat_activations);
    c->norm_gain = false;
    c->embedding_norm = c->qk_norm = true;
    /* transformers' default is 15; null is none. */
    c->logit_softcap = hfconf_number(
        r, "final_logit_softcapping",
        lh_json_get(r->root, "final_logit_softcapping") ? 0 : 15, 0, 1e30);
    if (c->attention_bias)
        hfconf_fail(r, "attention_bias", "must be false for \"nanochat\"");
    if (c->tied)
        hfconf_fail(r, "tie_word_embeddings",
                    "must be false for \"nanochat\"");
}

/* A file of ours has no key that we do not know: what a later version added
 * may change what is computed. */
static void hfconf_unknown(hfconf_reader *r)
{
    static const char *const known[] = {
#define HFCONF_NAME(name, ...) #name,
        HFCONF_FIELDS(HFCONF_NAME, HFCONF_NAME, HFCONF_NAME, HFCONF_NAME,
                      HFCONF_NAME, HFCONF_NAME)
#undef HFCONF_NAME
        "architectures", "model_type", "without_counterpart", "bos_token_id",
        "eos_token_id", "pad_token_id", "torch_dtype", "dtype",
        "transformers_version",
    };
    for (const lh_json *m = r->root->child; m; m = m->next) {
        size_t i = 0;
        char shown[LH_UTF8_SHOWN];
        while (i < LH_COUNT(known) &&
               !lh_text_is(m->key, m->key_size, known[i]))
            i++;
        if (i == LH_COUNT(known))
            hfconf_fail(r, lh_utf8_show(shown, m->key, m->key_size),
                        "is nothing that this version knows");
    }
}

static void hfconf_read_longhand(hfconf_reader *r, lh_config *c)
{
    double must = __builtin_nan("");
#define HFCONF_INTEGER(name, low, high) \
    c->name = hfconf_integer(r, #name, -1, low, high);
#define HFCONF_NUMBER(name, low, high) \
    c->name = hfconf_number(r, #name, must, low, high);
#define HFCONF_FLAG(name) c->name = hfconf_flag(r, #name, -1);
#define HFCONF_WORD(name, type, list) \
    c->name = (type)hfconf_word_read(r, #name, list, -1);
#define HFCONF_LATER(name, low, high) \
    c->name = hfconf_integer(r, #name, 0, low, high);
#define HFCONF_LATER_FLAG(name) c->name = hfconf_flag(r, #name, 0);
    HFCONF_FIELDS(HFCONF_INTEGER, HFCONF_NUMBER, HFCONF_FLAG, HFCONF_WORD,
                  HFCONF_LATER, HFCONF_LATER_FLAG)
#undef HFCONF_LATER
#undef HFCONF_LATER_FLAG
    hfconf_unknown(r);
#undef HFCONF_INTEGER
#undef HFCONF_NUMBER
#undef HFCONF_FLAG
#undef HFCONF_WORD
}

/* What must hold between the fields, in each layout. */
static void hfconf_check(hfconf_reader *r, const lh_config *c)
{
    bool rotary = c->positions == LH_POSITIONS_ROTARY;
    if (!r->status && c->heads % c->kv_heads)
        r->status = lh_fail(r->ctx, LH_ERROR_FORMAT,
                            "%s: %lld heads cannot share %lld key/value "
                            "heads", r->where, (long long)c->heads,
                            (long long)c->kv_heads);
    if (!r->status && rotary && (c->head_size % 2 || c->rotary_theta <= 0))
        r->status = lh_fail(r->ctx, LH_ERROR_FORMAT,
                            "%s: rotary positions need an even head size "
                            "and a positive theta", r->where);
}

/* ------------------------------------------------------------ the types -- */

static const struct {
    const char *name, *architecture;
    void (*put)(hfconf_writer *w, const lh_config *c);
    void (*read)(hfconf_reader *r, lh_config *c);
} hfconf_types[] = {
    [LH_LAYOUT_GPT2] = { "gpt2", "GPT2LMHeadModel", hfconf_put_gpt2,
                         hfconf_read_gpt2 },
    [LH_LAYOUT_LLAMA] = { "llama", "LlamaForCausalLM", hfconf_put_llama,
                          hfconf_read_llama },
    [LH_LAYOUT_NANOCHAT] = { "nanochat", "NanoChatForCausalLM",
                             hfconf_put_nanochat, hfconf_read_nanochat },
    [LH_LAYOUT_LONGHAND] = { "longhand", "LonghandForCausalLM",
                             hfconf_put_longhand, hfconf_read_longhand },
};

LH_INTERNAL lh_status lh_config_write(lh_context *ctx, lh_buffer *buffer,
                                      const lh_config *config,
                                      int32_t border, lh_weights weights)
{
    static const char *const dtype[] = { "\"float32\"", "\"bfloat16\"",
                                         "\"float16\"" };
    hfconf_writer w = { .ctx = ctx, .buffer = buffer };
    lh_layout layout = lh_layout_of(config);
    hfconf_put(&w, "architectures", "");
    lh_buffer_printf(ctx, buffer, "[\"%s\"]",
                     hfconf_types[layout].architecture);
    hfconf_put(&w, "model_type", "");
    lh_buffer_printf(ctx, buffer, "\"%s\"", hfconf_types[layout].name);
    hfconf_types[layout].put(&w, config);
    hfconf_put_integer(&w, "bos_token_id", border);
    hfconf_put_integer(&w, "eos_token_id", border);
    hfconf_put(&w, "torch_dtype", dtype[weights]);
    return lh_buffer_printf(ctx, buffer, "\n}\n");
}

LH_INTERNAL lh_status lh_config_read(lh_context *ctx, const char *where,
                                     const char *text, size_t size,
                                     lh_config *config, lh_layout *layout)
{
    lh_json_document document;
    lh_status status = lh_json_parse(ctx, where, text, size, &document);
    if (status)
        return status;
    hfconf_reader r = { .ctx = ctx, .where = where, .root = document.root };
    /* What gpt2 and llama have in common. */
    lh_config c = { .norm_gain = true, .final_norm = true,
                    .embedding_scale = 1 };
    const lh_json *type = hfconf_get(&r, "model_type", true);
    size_t i = 0;
    while (i < LH_COUNT(hfconf_types) &&
           !lh_json_is(type, hfconf_types[i].name))
        i++;
    if (i < LH_COUNT(hfconf_types)) {
        *layout = (lh_layout)i;
        hfconf_refuse(&r, i == LH_LAYOUT_NANOCHAT);
        if (i != LH_LAYOUT_LONGHAND)
            hfconf_architecture(&r, hfconf_types[i].architecture);
        hfconf_types[i].read(&r, &c);
    } else if (type) {
        char shown[LH_UTF8_SHOWN];
        r.status = lh_fail(ctx, LH_ERROR_FORMAT,
                           "%s: \"model_type\" is \"%s\": only \"gpt2\", "
                           "\"llama\", \"nanochat\" and \"longhand\" are "
                           "read", where,
                           type->type == LH_JSON_STRING
                           ? lh_utf8_show(shown, type->string, type->size)
                           : "?");
    }
    hfconf_check(&r, &c);
    if (!r.status)
        *config = c;
    lh_json_free(&document);
    return r.status;
}

#undef HFCONF_FIELDS
