/* Reading and writing config.json in four spellings.
 *
 * HFCONF_FIELDS below is the one list of lh_config's fields, from which the
 * "longhand" layout and the range check are made.  "gpt2",
 * "llama" and "nanochat" are spelled by hand, since they name and combine
 * things in their own ways; what they cannot say but does not change what the
 * model computes (how it was initialised, dropout) goes beside their keys
 * under our names.
 *
 * Refuses: to guess.  A key that changes the computation and has a value we
 * do not compute is an error that names it; other unknown keys are left. */
#include "formats/hf_config.h"

#include <stdarg.h>

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

static const char *hfconf_text(const hfconf_word *list, int value)
{
    for (; list->text; list++)
        if (list->value == value)
            return list->text;
    return NULL;
}

/* -------------------------------------------------------------- layout -- */

/* What NanoChat computes, apart from what it has no counterpart for. */
static bool hfconf_is_nanochat(const lh_config *c)
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
    if (hfconf_is_nanochat(c))
        return LH_LAYOUT_NANOCHAT;
    bool plain = c->final_norm && !c->embedding_norm && !c->qk_norm
        && c->norm_gain && c->embedding_scale == 1 && c->logit_softcap == 0;
    if (plain && c->positions == LH_POSITIONS_LEARNED
        && c->norm == LH_NORM_LAYER && c->norm_bias && c->attention_bias
        && c->feed_forward_bias && c->tied && c->kv_heads == c->heads
        && c->heads > 0 && c->width % c->heads == 0
        && c->head_size == c->width / c->heads
        && hfconf_text(hfconf_gpt2_activations, (int)c->activation))
        return LH_LAYOUT_GPT2;
    if (plain && c->positions == LH_POSITIONS_ROTARY
        && c->norm == LH_NORM_RMS && !c->norm_bias
        && c->activation == LH_SWIGLU && !c->feed_forward_bias)
        return LH_LAYOUT_LLAMA;
    return LH_LAYOUT_LONGHAND;
}

/* ----------------------------------------------------- both directions -- */

/* A file that is written or read: each field is said once, and goes from the
 * config into the file or from there into the config. */
typedef struct hfconf_file {
    lh_context *ctx;
    lh_buffer *buffer;             /* what is written, its status that of the
                                      first failure; NULL: it is read      */
    const char *where;
    const lh_json *root;
    lh_status status;              /* of the first failure to read         */
} hfconf_file;

/* JSON text as it is; what is read is not asked for it. */
static LH_PRINTF(3, 4) void hfconf_put(hfconf_file *h, const char *key,
                                       const char *format, ...)
{
    char text[192];
    va_list args;
    if (!h->buffer)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lh_buffer_printf(h->ctx, h->buffer, "%s  \"%s\": %s",
                     h->buffer->size ? ",\n" : "{\n", key, text);
}

static LH_PRINTF(3, 4) void hfconf_fail(hfconf_file *h, const char *key,
                                        const char *format, ...)
{
    char what[192];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!h->status)
        h->status = lh_fail(h->ctx, LH_ERROR_FORMAT, "%s: \"%s\" %s",
                            h->where, key, what);
}

/* The member of that name, null counting as none.  Where there is none and
 * it is required, that is the failure.  What is written has none. */
static const lh_json *hfconf_get(hfconf_file *h, const char *key,
                                 bool required)
{
    const lh_json *m = h->status ? NULL : lh_json_get(h->root, key);
    if (m && m->type == LH_JSON_NULL)
        m = NULL;
    if (!m && required && !h->buffer)
        hfconf_fail(h, key, "is missing");
    return m;
}

/* An integer from low to high; `missing` where it is not there, below 0: it
 * must be. */
static void hfconf_integer(hfconf_file *h, const char *key, int64_t *value,
                           int64_t missing, int64_t low, int64_t high)
{
    hfconf_put(h, key, "%lld", (long long)*value);
    const lh_json *m = hfconf_get(h, key, missing < 0);
    if (m && (!m->integral || m->integer < low || m->integer > high))
        hfconf_fail(h, key, "must be an integer from %lld to %lld",
                    (long long)low, (long long)high);
    if (!h->buffer)
        *value = m ? m->integer : missing;
}

/* One from 1 on. */
static void hfconf_length(hfconf_file *h, const char *key, int64_t *value,
                          int64_t missing)
{
    hfconf_integer(h, key, value, missing, 1, HFCONF_LARGE);
}

/* A number as Python takes it for a float: with a point, "10000.0". */
static const char *hfconf_float(char text[LH_NUMBER_SIZE + 2], double value)
{
    lh_number_write(text, value);
    return strpbrk(text, ".en") ? text : strcat(text, ".0");
}

/* A number; missing: NaN where it must be there. */
static void hfconf_number(hfconf_file *h, const char *key, double *value,
                          double missing, double low, double high)
{
    char a[LH_NUMBER_SIZE + 2], b[LH_NUMBER_SIZE];
    hfconf_put(h, key, "%s", hfconf_float(a, *value));
    const lh_json *m = hfconf_get(h, key, missing != missing);
    /* The parser gives finite numbers only. */
    if (m && (m->type != LH_JSON_NUMBER || m->number < low ||
              m->number > high)) {
        lh_number_write(a, low);
        lh_number_write(b, high);
        hfconf_fail(h, key, "must be a number from %s to %s", a, b);
    }
    if (!h->buffer)
        *value = m ? m->number : missing;
}

/* missing: -1 where it must be there. */
static void hfconf_flag(hfconf_file *h, const char *key, bool *value,
                        int missing)
{
    hfconf_put(h, key, "%s", *value ? "true" : "false");
    const lh_json *m = hfconf_get(h, key, missing < 0);
    if (m && m->type != LH_JSON_TRUE && m->type != LH_JSON_FALSE)
        hfconf_fail(h, key, "must be true or false");
    if (!h->buffer)
        *value = m ? m->type == LH_JSON_TRUE : missing > 0;
}

/* The value, or what is read in its place; missing: as of a flag. */
static int hfconf_word_of(hfconf_file *h, const char *key,
                          const hfconf_word *list, int value, int missing)
{
    const char *text = hfconf_text(list, value);
    if (h->buffer && !h->buffer->status && !text)
        h->buffer->status = lh_fail(h->ctx, LH_ERROR_ARGUMENT,
                                    "the config's \"%s\" has no such value"
                                    " as %d", key, value);
    hfconf_put(h, key, "\"%s\"", text ? text : "");
    const lh_json *m = hfconf_get(h, key, missing < 0);
    if (!m)
        return h->buffer ? value : missing < 0 ? 0 : missing;
    for (; list->text; list++)
        if (lh_json_is(m, list->text))
            return list->value;
    char shown[LH_UTF8_SHOWN];
    hfconf_fail(h, key, "is \"%s\", which is not computed here",
                m->type == LH_JSON_STRING
                ? lh_utf8_show(shown, m->string, m->size) : "?");
    return 0;
}

/* ------------------------------------------------------------ refusals -- */

/* Keys that change what is computed, wherever they turn up: refused unless
 * absent, null, false, empty, or the one number that changes nothing. */
static void hfconf_refuse(hfconf_file *h, bool nanochat)
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
        const lh_json *m = hfconf_get(h, row[i].key, false);
        if (nanochat && !strcmp(row[i].key, "final_logit_softcapping"))
            continue;
        if (m && m->type != LH_JSON_FALSE
            && !(m->type >= LH_JSON_STRING && !m->size)
            && !(m->type == LH_JSON_NUMBER && m->number == row[i].harmless))
            hfconf_fail(h, row[i].key,
                        "changes the model in a way that is not computed "
                        "here");
    }
    const lh_json *window = hfconf_get(h, "sliding_window", false);
    const lh_json *use = hfconf_get(h, "use_sliding_window", false);
    if (window && !(use && use->type == LH_JSON_FALSE))
        hfconf_fail(h, "sliding_window", "is set: only full attention is "
                                         "computed here");
    const lh_json *types = hfconf_get(h, "layer_types", false);
    bool full = !types || types->type == LH_JSON_ARRAY;
    for (const lh_json *m = types ? types->child : NULL; m && full;
         m = m->next)
        full = lh_json_is(m, "full_attention");
    if (!full)
        hfconf_fail(h, "layer_types", "has other layers than "
                                      "\"full_attention\"");
}

/* The class that a file was made with must be the one with a head. */
static void hfconf_architecture(hfconf_file *h, const char *wanted)
{
    const lh_json *list = hfconf_get(h, "architectures", false);
    bool found = !list;
    for (const lh_json *m = list ? list->child : NULL; m; m = m->next)
        found = found || lh_json_is(m, wanted);
    if (!found)
        hfconf_fail(h, "architectures", "must hold \"%s\"", wanted);
}

/* ------------------------------------------------------------- layouts -- */

static void hfconf_gpt2(hfconf_file *h, lh_config *c)
{
    bool reads = !h->buffer, scaled = true;
    hfconf_integer(h, "n_layer", &c->layers, -1, 1, 10000);
    hfconf_length(h, "n_embd", &c->width, -1);
    hfconf_length(h, "n_head", &c->heads, -1);
    hfconf_length(h, "n_positions", &c->context, -1);
    hfconf_put(h, "n_ctx", "%lld", (long long)c->context);
    hfconf_length(h, "vocab_size", &c->vocabulary, -1);
    if (h->status)
        return;
    if (c->width % c->heads)
        hfconf_fail(h, "n_embd", "must be a multiple of \"n_head\"");
    c->kv_heads = c->heads;
    c->head_size = c->width / c->heads;
    hfconf_length(h, "n_inner", &c->feed_forward, 4 * c->width);
    c->positions = LH_POSITIONS_LEARNED;
    c->norm = LH_NORM_LAYER;
    hfconf_number(h, "layer_norm_epsilon", &c->norm_eps, 1e-5, 1e-30, 1);
    c->norm_bias = c->attention_bias = c->feed_forward_bias = true;
    c->activation = (lh_activation)hfconf_word_of(
        h, "activation_function", hfconf_gpt2_activations,
        (int)c->activation, LH_GELU_TANH);
    hfconf_flag(h, "tie_word_embeddings", &c->tied, 1);
    if (!c->tied)
        hfconf_fail(h, "tie_word_embeddings", "must be true for \"gpt2\"");
    hfconf_flag(h, "scale_attn_weights", &scaled, 1);
    if (!scaled)
        hfconf_fail(h, "scale_attn_weights", "must be true");
    const char *dropout[] = { "embd_pdrop", "attn_pdrop", "resid_pdrop" };
    for (int i = reads ? 2 : 0; i < 3; i++)      /* one is as good         */
        hfconf_number(h, dropout[i], &c->dropout, 0.1, 0, 0.999999);
    hfconf_number(h, "initializer_range", &c->init_std, 0.02, 0, 1e6);
    if (reads || !c->init_scaled)
        hfconf_flag(h, "init_scaled", &c->init_scaled, 1);
    if (reads || c->init_zero)
        hfconf_flag(h, "init_zero", &c->init_zero, 0);
    if (reads || c->rotary_theta != 10000)
        hfconf_number(h, "rotary_theta", &c->rotary_theta, 10000, 0, 1e30);
}

/* transformers 4 has rope_theta and rope_scaling, 5 rope_parameters. */
static void hfconf_rope(hfconf_file *h, double *theta)
{
    static const char *const list[] = { "rope_parameters", "rope_scaling" };
    char text[LH_NUMBER_SIZE + 2];
    hfconf_number(h, "rope_theta", theta, 0, 1e-30, 1e30);
    hfconf_put(h, "rope_scaling", "null");
    hfconf_put(h, "rope_parameters", "{\"rope_type\": \"default\","
               " \"rope_theta\": %s}", hfconf_float(text, *theta));
    for (size_t i = 0; i < LH_COUNT(list); i++) {
        const lh_json *rope = hfconf_get(h, list[i], false);
        if (rope && rope->type != LH_JSON_OBJECT) {
            hfconf_fail(h, list[i], "must be an object or null");
            rope = NULL;
        }
        for (const lh_json *m = rope ? rope->child : NULL; m; m = m->next) {
            bool type = !strcmp(m->key, "rope_type")
                     || !strcmp(m->key, "type");
            bool base = !strcmp(m->key, "rope_theta")
                     && m->type == LH_JSON_NUMBER && m->number >= 1e-30
                     && m->number <= 1e30
                     && (*theta == 0 || *theta == m->number);
            bool part = !strcmp(m->key, "partial_rotary_factor")
                     && m->type == LH_JSON_NUMBER && m->number == 1;
            if (base)
                *theta = m->number;
            if (!base && !part && !(type && lh_json_is(m, "default"))) {
                char shown[LH_UTF8_SHOWN];
                hfconf_fail(h, list[i], "has a \"%s\" that is not computed "
                            "here, or contradicts \"rope_theta\"",
                            lh_utf8_show(shown, m->key, m->key_size));
            }
        }
    }
    *theta = *theta == 0 ? 10000 : *theta;
}

/* What Llama and NanoChat have in common. */
static void hfconf_both(hfconf_file *h, lh_config *c,
                        const hfconf_word *activations)
{
    bool reads = !h->buffer;
    hfconf_integer(h, "num_hidden_layers", &c->layers, -1, 1, 10000);
    hfconf_length(h, "hidden_size", &c->width, -1);
    hfconf_length(h, "num_attention_heads", &c->heads, -1);
    hfconf_length(h, "intermediate_size", &c->feed_forward, -1);
    hfconf_length(h, "max_position_embeddings", &c->context, -1);
    hfconf_length(h, "vocab_size", &c->vocabulary, -1);
    if (h->status)
        return;
    hfconf_length(h, "num_key_value_heads", &c->kv_heads, c->heads);
    /* Without head_dim the width must be divisible. */
    hfconf_length(h, "head_dim", &c->head_size, c->width % c->heads
                  ? -1 : c->width / c->heads);
    c->positions = LH_POSITIONS_ROTARY;
    hfconf_rope(h, &c->rotary_theta);
    c->norm = LH_NORM_RMS;
    hfconf_number(h, "rms_norm_eps", &c->norm_eps, 1e-6, 1e-30, 1);
    c->activation = (lh_activation)hfconf_word_of(
        h, "hidden_act", activations, (int)c->activation,
        activations->value);
    hfconf_flag(h, "attention_bias", &c->attention_bias, 0);
    hfconf_put(h, "attention_dropout", "0.0");
    hfconf_flag(h, "tie_word_embeddings", &c->tied, 0);
    hfconf_number(h, "initializer_range", &c->init_std, 0.02, 0, 1e6);
    if (reads || c->dropout != 0)
        hfconf_number(h, "dropout", &c->dropout, 0, 0, 0.999999);
    if (reads || c->init_scaled)
        hfconf_flag(h, "init_scaled", &c->init_scaled, 0);
    if (reads || c->init_zero)
        hfconf_flag(h, "init_zero", &c->init_zero, 0);
}

static void hfconf_llama(hfconf_file *h, lh_config *c)
{
    hfconf_both(h, c, hfconf_llama_activations);
    hfconf_put(h, "mlp_bias", "false");
}

/* The names of the fields of theirs that Llama has too, what is always so, and
 * a soft-cap on the logits. */
static void hfconf_nanochat(hfconf_file *h, lh_config *c)
{
    hfconf_both(h, c, hfconf_nanochat_activations);
    c->norm_gain = false;
    c->embedding_norm = c->qk_norm = true;
    /* transformers' default is 15; null is none. */
    const char *cap = "final_logit_softcapping";
    if (h->buffer && !(c->logit_softcap > 0))
        hfconf_put(h, cap, "null");
    else
        hfconf_number(h, cap, &c->logit_softcap,
                      lh_json_get(h->root, cap) ? 0 : 15, 0, 1e30);
    hfconf_put(h, "pad_token_id", "null");
    if (c->attention_bias)
        hfconf_fail(h, "attention_bias", "must be false for \"nanochat\"");
    if (c->tied)
        hfconf_fail(h, "tie_word_embeddings",
                    "must be false for \"nanochat\"");
}

/* A file of ours has no key that we do not know: what a later version added
 * may change what is computed. */
static void hfconf_unknown(hfconf_file *h)
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
    for (const lh_json *m = h->root ? h->root->child : NULL; m; m = m->next) {
        size_t i = 0;
        char shown[LH_UTF8_SHOWN];
        while (i < LH_COUNT(known) &&
               !lh_text_is(m->key, m->key_size, known[i]))
            i++;
        if (i == LH_COUNT(known))
            hfconf_fail(h, lh_utf8_show(shown, m->key, m->key_size),
                        "is nothing that this version knows");
    }
}

static void hfconf_longhand(hfconf_file *h, lh_config *c)
{
    double must = __builtin_nan("");
    /* For who wonders why no other program knows it. */
    if (hfconf_is_nanochat(c))
        hfconf_put(h, "without_counterpart", !c->value_embeddings
                   ? "[\"ngrams\"]" : !c->ngrams
                   ? "[\"value_embeddings\"]"
                   : "[\"ngrams\", \"value_embeddings\"]");
#define HFCONF_INTEGER(name, low, high) \
    hfconf_integer(h, #name, &c->name, -1, low, high);
#define HFCONF_NUMBER(name, low, high) \
    hfconf_number(h, #name, &c->name, must, low, high);
#define HFCONF_FLAG(name) hfconf_flag(h, #name, &c->name, -1);
#define HFCONF_WORD(name, type, list) \
    c->name = (type)hfconf_word_of(h, #name, list, (int)c->name, -1);
#define HFCONF_LATER(name, low, high) \
    hfconf_integer(h, #name, &c->name, 0, low, high);
#define HFCONF_LATER_FLAG(name) hfconf_flag(h, #name, &c->name, 0);
    HFCONF_FIELDS(HFCONF_INTEGER, HFCONF_NUMBER, HFCONF_FLAG, HFCONF_WORD,
                  HFCONF_LATER, HFCONF_LATER_FLAG)
#undef HFCONF_INTEGER
#undef HFCONF_NUMBER
#undef HFCONF_FLAG
#undef HFCONF_WORD
#undef HFCONF_LATER
#undef HFCONF_LATER_FLAG
    hfconf_unknown(h);
}

/* What must hold between the fields, in each layout. */
static void hfconf_check(hfconf_file *h, const lh_config *c)
{
    bool rotary = c->positions == LH_POSITIONS_ROTARY;
    if (!h->status && c->heads % c->kv_heads)
        h->status = lh_fail(h->ctx, LH_ERROR_FORMAT,
                            "%s: %lld heads cannot share %lld key/value "
                            "heads", h->where, (long long)c->heads,
                            (long long)c->kv_heads);
    if (!h->status && rotary && (c->head_size % 2 || c->rotary_theta <= 0))
        h->status = lh_fail(h->ctx, LH_ERROR_FORMAT,
                            "%s: rotary positions need an even head size "
                            "and a positive theta", h->where);
}

/* ------------------------------------------------------------ the types -- */

static const struct {
    const char *name, *architecture;
    void (*fields)(hfconf_file *h, lh_config *c);
} hfconf_types[] = {
    [LH_LAYOUT_GPT2] = { "gpt2", "GPT2LMHeadModel", hfconf_gpt2 },
    [LH_LAYOUT_LLAMA] = { "llama", "LlamaForCausalLM", hfconf_llama },
    [LH_LAYOUT_NANOCHAT] = { "nanochat", "NanoChatForCausalLM",
                             hfconf_nanochat },
    [LH_LAYOUT_LONGHAND] = { "longhand", "LonghandForCausalLM",
                             hfconf_longhand },
};

LH_INTERNAL lh_status lh_config_write(lh_context *ctx, lh_buffer *buffer,
                                      const lh_config *config,
                                      int32_t border, lh_weights weights)
{
    static const char *const dtype[] = { "float32", "bfloat16", "float16" };
    hfconf_file h = { .ctx = ctx, .buffer = buffer };
    lh_layout layout = lh_layout_of(config);
    lh_config c = *config;
    hfconf_put(&h, "architectures", "[\"%s\"]",
               hfconf_types[layout].architecture);
    hfconf_put(&h, "model_type", "\"%s\"", hfconf_types[layout].name);
    hfconf_types[layout].fields(&h, &c);
    hfconf_put(&h, "bos_token_id", "%d", (int)border);
    hfconf_put(&h, "eos_token_id", "%d", (int)border);
    hfconf_put(&h, "torch_dtype", "\"%s\"", dtype[weights]);
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
    hfconf_file h = { .ctx = ctx, .where = where, .root = document.root };
    /* What gpt2 and llama have in common. */
    lh_config c = { .norm_gain = true, .final_norm = true,
                    .embedding_scale = 1 };
    const lh_json *type = hfconf_get(&h, "model_type", true);
    size_t i = 0;
    while (i < LH_COUNT(hfconf_types) &&
           !lh_json_is(type, hfconf_types[i].name))
        i++;
    if (i < LH_COUNT(hfconf_types)) {
        *layout = (lh_layout)i;
        hfconf_refuse(&h, i == LH_LAYOUT_NANOCHAT);
        if (i != LH_LAYOUT_LONGHAND)
            hfconf_architecture(&h, hfconf_types[i].architecture);
        hfconf_types[i].fields(&h, &c);
    } else if (type) {
        char shown[LH_UTF8_SHOWN];
        h.status = lh_fail(ctx, LH_ERROR_FORMAT,
                           "%s: \"model_type\" is \"%s\": only \"gpt2\", "
                           "\"llama\", \"nanochat\" and \"longhand\" are "
                           "read", where,
                           type->type == LH_JSON_STRING
                           ? lh_utf8_show(shown, type->string, type->size)
                           : "?");
    }
    hfconf_check(&h, &c);
    if (!h.status)
        *config = c;
    lh_json_free(&document);
    return h.status;
}

#undef HFCONF_FIELDS
