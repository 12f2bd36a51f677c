/* config.json: each layout keeps what it says it keeps; what is not computed
 * here is refused by its name. */
#include "formats/hf_config.h"
#include "hostile.h"

static hostile_memory memory;
static lh_context ctx;

/* -------------------------------------------------------------- configs -- */

static lh_config gpt2_config(void)
{
    return (lh_config){
        .layers = 12, .width = 768, .heads = 12, .kv_heads = 12,
        .head_size = 64, .feed_forward = 3072, .context = 1024,
        .vocabulary = 50257, .positions = LH_POSITIONS_LEARNED,
        .rotary_theta = 10000, .norm = LH_NORM_LAYER, .norm_eps = 1e-5,
        .norm_gain = true, .norm_bias = true, .final_norm = true,
        .activation = LH_GELU_TANH, .attention_bias = true,
        .feed_forward_bias = true, .tied = true, .embedding_scale = 1,
        .dropout = 0.1, .init_std = 0.02, .init_scaled = true,
    };
}

static lh_config llama_config(void)
{
    return (lh_config){
        .layers = 6, .width = 288, .heads = 6, .kv_heads = 2,
        .head_size = 48, .feed_forward = 768, .context = 256,
        .vocabulary = 32000, .positions = LH_POSITIONS_ROTARY,
        .rotary_theta = 500000, .norm = LH_NORM_RMS, .norm_eps = 1e-6,
        .norm_gain = true, .final_norm = true, .activation = LH_SWIGLU,
        .tied = true, .embedding_scale = 1, .init_std = 0.02,
    };
}

static lh_config micro_config(void)
{
    return (lh_config){
        .layers = 1, .width = 16, .heads = 4, .kv_heads = 4, .head_size = 4,
        .feed_forward = 64, .context = 16, .vocabulary = 27,
        .positions = LH_POSITIONS_LEARNED, .rotary_theta = 10000,
        .norm = LH_NORM_RMS, .norm_eps = 1e-5, .embedding_norm = true,
        .activation = LH_RELU, .embedding_scale = 1, .init_std = 0.08,
    };
}

static lh_config nanochat_config(void)
{
    return (lh_config){
        .layers = 4, .width = 128, .heads = 4, .kv_heads = 2,
        .head_size = 32, .feed_forward = 512, .context = 64,
        .vocabulary = 66, .positions = LH_POSITIONS_ROTARY,
        .rotary_theta = 10000, .norm = LH_NORM_RMS, .norm_eps = 1e-6,
        .embedding_norm = true, .final_norm = true, .qk_norm = true,
        .activation = LH_RELU2, .embedding_scale = 1, .logit_softcap = 15,
        .init_std = 0.02, .init_zero = true,
    };
}

/* By hand, so that a field that the library forgets is missed here. */
static bool same_config(const lh_config *a, const lh_config *b)
{
    return a->layers == b->layers && a->width == b->width
        && a->heads == b->heads && a->kv_heads == b->kv_heads
        && a->head_size == b->head_size
        && a->feed_forward == b->feed_forward && a->context == b->context
        && a->vocabulary == b->vocabulary && a->positions == b->positions
        && a->rotary_theta == b->rotary_theta && a->norm == b->norm
        && a->norm_eps == b->norm_eps && a->norm_gain == b->norm_gain
        && a->norm_bias == b->norm_bias
        && a->embedding_norm == b->embedding_norm
        && a->final_norm == b->final_norm && a->qk_norm == b->qk_norm
        && a->activation == b->activation
        && a->attention_bias == b->attention_bias
        && a->feed_forward_bias == b->feed_forward_bias
        && a->tied == b->tied && a->embedding_scale == b->embedding_scale
        && a->logit_softcap == b->logit_softcap && a->dropout == b->dropout
        && a->init_std == b->init_std && a->init_scaled == b->init_scaled
        && a->init_zero == b->init_zero && a->ngrams == b->ngrams
        && a->ngram_rows == b->ngram_rows
        && a->value_embeddings == b->value_embeddings;
}

static void round_trip(const lh_config *config, lh_layout wanted,
                       const char *type)
{
    lh_buffer text = { 0 };
    lh_config back;
    lh_layout layout = LH_LAYOUT_LONGHAND;
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_layout_of(config), wanted);
    CHECK_EQ_INT(lh_config_write(&ctx, &text, config, 26, LH_WEIGHTS_F32),
                 LH_OK);
    CHECK(strstr(text.data, type) != NULL);
    CHECK(strstr(text.data, "\"bos_token_id\": 26") != NULL);
    CHECK_EQ_INT(lh_config_read(&ctx, "config.json", text.data, text.size,
                                &back, &layout), LH_OK);
    CHECK_EQ_INT(layout, wanted);
    CHECK(same_config(config, &back));
    if (ctx.message[0] || !same_config(config, &back))
        printf("    %s\n%s", ctx.message, text.data);
    lh_buffer_free(&ctx, &text);
    CHECK_EQ_INT(memory.live, 0);
}

static void test_round_trips(void)
{
    lh_config c = gpt2_config();
    static const lh_activation gpt2[] = { LH_GELU_TANH, LH_GELU, LH_RELU };
    for (size_t i = 0; i < LH_COUNT(gpt2); i++) {
        c.activation = gpt2[i];
        round_trip(&c, LH_LAYOUT_GPT2, "\"GPT2LMHeadModel\"");
    }
    c.feed_forward = 100;
    c.init_scaled = false;
    c.rotary_theta = 0;
    c.norm_eps = 1.2345678901234567e-7;
    c.dropout = 0;
    round_trip(&c, LH_LAYOUT_GPT2, "\"gpt2\"");
    c = llama_config();
    lh_buffer text = { 0 };
    CHECK_EQ_INT(lh_config_write(&ctx, &text, &c, 3, LH_WEIGHTS_F32), LH_OK);
    CHECK(strstr(text.data, "\"rope_theta\": 500000.0,") != NULL);
    CHECK(strstr(text.data, "\"rope_parameters\": {\"rope_type\": "
                            "\"default\", \"rope_theta\": 500000.0}"));
    lh_buffer_free(&ctx, &text);
    for (int i = 0; i < 16; i++) {
        c.tied = i & 1;
        c.attention_bias = i & 2;
        c.dropout = i & 4 ? 0.25 : 0;
        c.init_scaled = i & 8;
        c.head_size = i & 8 ? 32 : 48;
        c.init_zero = i & 8;
        round_trip(&c, LH_LAYOUT_LLAMA, "\"LlamaForCausalLM\"");
    }
    c = nanochat_config();
    round_trip(&c, LH_LAYOUT_NANOCHAT, "\"final_logit_softcapping\": 15.0");
    /* Where it is not named it is transformers' default. */
    lh_config back;
    lh_layout layout;
    c.logit_softcap = 30;
    CHECK_EQ_INT(lh_config_write(&ctx, &text, &c, 3, LH_WEIGHTS_F32), LH_OK);
    memcpy(strstr(text.data, "final_logit_softcapping"), "some", 4);
    CHECK_EQ_INT(lh_config_read(&ctx, "config.json", text.data, text.size,
                                &back, &layout), LH_OK);
    CHECK(back.logit_softcap == 15);
    lh_buffer_free(&ctx, &text);
    c.dropout = 0.25;
    c.logit_softcap = 0;
    round_trip(&c, LH_LAYOUT_NANOCHAT, "\"final_logit_softcapping\": null");
    c.ngrams = 2;
    c.ngram_rows = 4096;
    round_trip(&c, LH_LAYOUT_LONGHAND, "counterpart\": [\"ngrams\"]");
    c.value_embeddings = true;
    round_trip(&c, LH_LAYOUT_LONGHAND, "\"ngrams\", \"value_embeddings\"]");
    c = micro_config();
    round_trip(&c, LH_LAYOUT_LONGHAND, "\"longhand\"");
    c.dropout = 0.5;
    c.logit_softcap = 30;
    c.embedding_scale = 1.0 / 3;
    c.positions = LH_POSITIONS_NONE;
    c.activation = LH_RELU2;
    c.qk_norm = c.tied = c.init_scaled = c.final_norm = true;
    round_trip(&c, LH_LAYOUT_LONGHAND, "\"relu2\"");
}

/* One field away from what a class of theirs computes is our own layout. */
static void test_layouts(void)
{
#define AWAY(base, change) do { \
    lh_config c = base(); \
    change; \
    round_trip(&c, LH_LAYOUT_LONGHAND, "\"longhand\""); \
} while (0)
    AWAY(gpt2_config, c.positions = LH_POSITIONS_NONE);
    AWAY(gpt2_config, c.positions = LH_POSITIONS_ROTARY);
    AWAY(gpt2_config, c.norm = LH_NORM_RMS);
    AWAY(gpt2_config, c.norm_gain = false);
    AWAY(gpt2_config, c.norm_bias = false);
    AWAY(gpt2_config, c.attention_bias = false);
    AWAY(gpt2_config, c.feed_forward_bias = false);
    AWAY(gpt2_config, c.tied = false);
    AWAY(gpt2_config, c.activation = LH_RELU2);
    AWAY(gpt2_config, c.activation = LH_SWIGLU);
    AWAY(gpt2_config, c.activation = LH_GEGLU);
    AWAY(gpt2_config, c.kv_heads = 4);
    AWAY(gpt2_config, c.head_size = 32);
    AWAY(gpt2_config, c.heads = c.kv_heads = 7);
    AWAY(gpt2_config, c.final_norm = false);
    AWAY(gpt2_config, c.embedding_norm = true);
    AWAY(gpt2_config, c.qk_norm = true);
    AWAY(gpt2_config, c.embedding_scale = 2);
    AWAY(gpt2_config, c.logit_softcap = 30);
    AWAY(llama_config, c.positions = LH_POSITIONS_NONE);
    AWAY(llama_config, c.positions = LH_POSITIONS_LEARNED);
    AWAY(llama_config, c.norm = LH_NORM_LAYER);
    AWAY(llama_config, c.norm_gain = false);
    AWAY(llama_config, c.norm_bias = true);
    AWAY(llama_config, c.feed_forward_bias = true);
    AWAY(llama_config, c.activation = LH_GEGLU);
    AWAY(llama_config, c.activation = LH_RELU);
    AWAY(llama_config, c.final_norm = false);
    AWAY(llama_config, c.embedding_norm = true);
    AWAY(llama_config, c.qk_norm = true);
    AWAY(llama_config, c.embedding_scale = 2);
    AWAY(llama_config, c.logit_softcap = 30);
    AWAY(llama_config, c.ngrams = 3; c.ngram_rows = 5);
    AWAY(llama_config, c.value_embeddings = true);
    AWAY(nanochat_config, c.norm_gain = true);
    AWAY(nanochat_config, c.norm = LH_NORM_LAYER);
    AWAY(nanochat_config, c.positions = LH_POSITIONS_NONE);
    AWAY(nanochat_config, c.activation = LH_RELU);
    AWAY(nanochat_config, c.tied = true);
    AWAY(nanochat_config, c.attention_bias = true);
    AWAY(nanochat_config, c.feed_forward_bias = true);
    AWAY(nanochat_config, c.embedding_norm = false);
    AWAY(nanochat_config, c.final_norm = false);
    AWAY(nanochat_config, c.qk_norm = false);
    AWAY(nanochat_config, c.embedding_scale = 2);
    AWAY(nanochat_config, c.value_embeddings = true);
#undef AWAY
    lh_config c = micro_config();
    lh_buffer text = { 0 };
    c.activation = (lh_activation)99;
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_config_write(&ctx, &text, &c, 0, LH_WEIGHTS_F32),
                 LH_ERROR_ARGUMENT);
    CHECK(strstr(ctx.message, "\"activation\"") != NULL);
    lh_buffer_free(&ctx, &text);
}

/* ------------------------------------------------------------- refusals -- */

static lh_status read_text(const char *text, lh_config *config,
                           lh_layout *layout)
{
    lh_error_clear(&ctx);
    return lh_config_read(&ctx, "config.json", text, strlen(text), config,
                          layout);
}

#define LLAMA "{\"model_type\": \"llama\", \"hidden_size\": 8, " \
    "\"intermediate_size\": 16, \"num_hidden_layers\": 2, " \
    "\"num_attention_heads\": 2, \"vocab_size\": 10, " \
    "\"max_position_embeddings\": 32"
#define NANOCHAT "{\"model_type\": \"nanochat\", \"hidden_size\": 8, " \
    "\"intermediate_size\": 16, \"num_hidden_layers\": 2, " \
    "\"num_attention_heads\": 2, \"vocab_size\": 10, " \
    "\"max_position_embeddings\": 32"
#define GPT2 "{\"model_type\": \"gpt2\", \"n_embd\": 8, \"n_layer\": 2, " \
    "\"n_head\": 2, \"n_positions\": 32, \"vocab_size\": 10"

/* What stands behind LLAMA or GPT2, and what the message holds (NULL: it is
 * read). */
typedef struct addition {
    const char *text, *message;
} addition;

static const addition llama_row[] = {
    { "", NULL },
    { ", \"rope_scaling\": null, \"sliding_window\": null", NULL },
    { ", \"rope_scaling\": {\"rope_type\": \"default\"}", NULL },
    { ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}",
      "\"rope_scaling\" has a \"type\"" },
    { ", \"rope_scaling\": {\"rope_type\": \"llama3\"}",
      "\"rope_scaling\" has a \"rope_type\"" },
    { ", \"rope_scaling\": 2", "\"rope_scaling\" must be an object" },
    { ", \"rope_parameters\": [1]", "\"rope_parameters\" must be an object" },
    { ", \"rope_parameters\": {\"rope_type\": \"default\", "
      "\"rope_theta\": 5000}", NULL },
    { ", \"rope_parameters\": {\"rope_type\": \"yarn\"}",
      "\"rope_parameters\"" },
    { ", \"rope_theta\": 10000, \"rope_parameters\": {\"rope_theta\": 5000}",
      "contradicts" },
    { ", \"rope_parameters\": {\"partial_rotary_factor\": 0.5}",
      "partial_rotary_factor" },
    { ", \"partial_rotary_factor\": 0.25", "\"partial_rotary_factor\"" },
    { ", \"partial_rotary_factor\": 1.0", NULL },
    { ", \"rope_theta\": -1", "\"rope_theta\" must be a number" },
    { ", \"rope_theta\": \"1\"", "\"rope_theta\" must be a number" },
    { ", \"sliding_window\": 4096", "\"sliding_window\"" },
    { ", \"sliding_window\": 4096, \"use_sliding_window\": false", NULL },
    { ", \"layer_types\": [\"full_attention\", \"full_attention\"]", NULL },
    { ", \"layer_types\": [\"full_attention\", \"sliding_attention\"]",
      "\"layer_types\"" },
    { ", \"hidden_act\": \"gelu\"", "\"hidden_act\" is \"gelu\"" },
    { ", \"hidden_act\": 1", "\"hidden_act\" is \"?\"" },
    { ", \"quantization_config\": {\"bits\": 4}", "\"quantization_config\"" },
    { ", \"quantization_config\": null", NULL },
    { ", \"mlp_bias\": true", "\"mlp_bias\"" },
    { ", \"attention_bias\": true", NULL },
    { ", \"attention_bias\": 1", "\"attention_bias\" must be true or false" },
    { ", \"num_key_value_heads\": 1", NULL },
    { ", \"num_key_value_heads\": 3", "2 heads cannot share 3" },
    { ", \"num_key_value_heads\": 0", "\"num_key_value_heads\" must be an" },
    { ", \"head_dim\": 3", "an even head size" },
    { ", \"head_dim\": 2147483648", "\"head_dim\" must be an integer" },
    { ", \"rms_norm_eps\": 0", "\"rms_norm_eps\" must be a number" },
    { ", \"rms_norm_eps\": 2", "\"rms_norm_eps\" must be a number" },
    { ", \"architectures\": [\"LlamaForSequenceClassification\"]",
      "\"architectures\" must hold \"LlamaForCausalLM\"" },
    { ", \"architectures\": [\"LlamaForCausalLM\"]", NULL },
    { ", \"architectures\": []", "\"architectures\"" },
    { ", \"pretraining_tp\": 1, \"use_cache\": true, \"x\": [1]", NULL },
    { ", \"vocab_size\": 10", "the key \"vocab_size\" twice" },
};

static const addition gpt2_row[] = {
    { "", NULL },
    { ", \"n_inner\": null, \"pruned_heads\": {}, \"n_ctx\": 1", NULL },
    { ", \"n_inner\": 0", "\"n_inner\" must be an integer" },
    { ", \"n_inner\": 1.5", "\"n_inner\" must be an integer" },
    { ", \"activation_function\": \"gelu_pytorch_tanh\"", NULL },
    { ", \"activation_function\": \"tanh\"",
      "\"activation_function\" is \"tanh\"" },
    { ", \"tie_word_embeddings\": false", "\"tie_word_embeddings\"" },
    { ", \"scale_attn_weights\": false", "\"scale_attn_weights\"" },
    { ", \"scale_attn_by_inverse_layer_idx\": true",
      "\"scale_attn_by_inverse_layer_idx\"" },
    { ", \"add_cross_attention\": true", "\"add_cross_attention\"" },
    { ", \"pruned_heads\": {\"0\": [1]}", "\"pruned_heads\"" },
    { ", \"resid_pdrop\": 1", "\"resid_pdrop\" must be a number" },
    { ", \"architectures\": [\"GPT2Model\"]", "\"architectures\"" },
};

static void test_additions(const char *start, const addition *row,
                           size_t count, lh_layout wanted)
{
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        lh_config config = { .layers = -7 };
        lh_layout layout = LH_LAYOUT_LONGHAND;
        bool good = !row[i].message;
        snprintf(text, sizeof text, "%s%s}", start, row[i].text);
        CHECK_EQ_INT(read_text(text, &config, &layout),
                     good ? LH_OK : LH_ERROR_FORMAT);
        bool named = good ? config.layers == 2 && layout == wanted
                   : config.layers == -7 && strstr(ctx.message, "config.json")
                     && strstr(ctx.message, row[i].message);
        CHECK(named);
        if (!named)
            printf("    %s\n    got %s\n", row[i].text, ctx.message);
    }
    CHECK_EQ_INT(memory.live, 0);
}

static void test_defaults(void)
{
    lh_config c;
    lh_layout layout;
    CHECK_EQ_INT(read_text(GPT2 "}", &c, &layout), LH_OK);
    CHECK(c.feed_forward == 32 && c.head_size == 4 && c.kv_heads == 2
          && c.norm_eps == 1e-5 && c.activation == LH_GELU_TANH && c.tied
          && c.norm_bias && c.attention_bias && c.feed_forward_bias
          && c.positions == LH_POSITIONS_LEARNED && c.final_norm);
    CHECK_EQ_INT(read_text(LLAMA "}", &c, &layout), LH_OK);
    CHECK(c.head_size == 4 && c.kv_heads == 2 && c.norm_eps == 1e-6
          && c.activation == LH_SWIGLU && !c.tied && c.norm_gain
          && !c.norm_bias && !c.attention_bias && !c.feed_forward_bias
          && c.positions == LH_POSITIONS_ROTARY && c.rotary_theta == 10000);
    CHECK_EQ_INT(read_text(LLAMA ", \"rope_parameters\": {\"rope_theta\": "
                           "77}}", &c, &layout), LH_OK);
    CHECK(c.rotary_theta == 77);
    static const addition whole[] = {
        { "{}", "\"model_type\" is missing" },
        { "[]", "\"model_type\" is missing" },
        { "{\"model_type\": 5}", "\"model_type\" is \"?\"" },
        { "{\"model_type\": \"qwen2\"}", "\"qwen2\": only \"gpt2\"" },
        { "{\"model_type\": \"longhand\"}", "\"layers\" is missing" },
        { "{\"model_type\": \"gpt2\"}", "\"n_layer\" is missing" },
        { "{\"model_type\": \"gpt2\", \"n_embd\": 9, \"n_layer\": 2, "
          "\"n_head\": 2, \"n_positions\": 32, \"vocab_size\": 10}",
          "\"n_embd\" must be a multiple" },
        { "{\"model_type\": \"gpt2\", \"n_layer\": 10001}",
          "\"n_layer\" must be an integer from 1 to 10000" },
        { "{\"model_type\": \"llama\", \"num_hidden_layers\": null}",
          "\"num_hidden_layers\" is missing" },
        { "{\"model_type\": \"gpt2\"", "ends too early" },
        { "{\"model_type\": \"nanochat\", \"architectures\": [\"A\"]}",
          "NanoChatForCausalLM" },
        { NANOCHAT ", \"hidden_act\": \"silu\"}", "\"silu\"" },
        { NANOCHAT ", \"attention_bias\": true}", "\"attention_bias\"" },
        { NANOCHAT ", \"tie_word_embeddings\": true}", "\"tie_word" },
        { NANOCHAT ", \"final_logit_softcapping\": -1}", "softcapping" },
        { LLAMA ", \"final_logit_softcapping\": 15}", "softcapping" },
    };
    for (size_t i = 0; i < LH_COUNT(whole); i++) {
        CHECK_EQ_INT(read_text(whole[i].text, &c, &layout), LH_ERROR_FORMAT);
        CHECK(strstr(ctx.message, whole[i].message) != NULL);
        if (!strstr(ctx.message, whole[i].message))
            printf("    %s\n    got %s\n", whole[i].text, ctx.message);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* Our own layout needs each of its fields, in its range. */
static void test_longhand_fields(void)
{
    lh_config c = micro_config(), back;
    lh_layout layout;
    lh_buffer text = { 0 };
    CHECK_EQ_INT(lh_config_write(&ctx, &text, &c, 0, LH_WEIGHTS_F32), LH_OK);
    int fields = 0;
    for (char *line = strchr(text.data, '\n') + 1; *line != '}';
         line = strchr(line, '\n') + 1) {
        char key[64] = { 0 }, *quote = strchr(line + 3, '"');
        memcpy(key, line + 3, (size_t)(quote - line - 3));
        if (strstr("architectures bos_token_id eos_token_id torch_dtype",
                   key))
            continue;
        fields++;
        line[3] ^= 1;                  /* the field under another name     */
        CHECK_EQ_INT(read_text(text.data, &back, &layout), LH_ERROR_FORMAT);
        CHECK((strstr(ctx.message, key) && strstr(ctx.message, "missing")) ||
              strstr(ctx.message, "nothing that this version knows"));
        line[3] ^= 1;
    }
    CHECK_EQ_INT(fields, 31);          /* model_type and lh_config's 30    */
    CHECK_EQ_INT(read_text(text.data, &back, &layout), LH_OK);
    lh_buffer_free(&ctx, &text);
    static const struct {
        double value;
        const char *key;
    } bad[] = { { 0, "norm_eps" }, { 1, "dropout" }, { -1, "dropout" },
                { 0, "embedding_scale" }, { -1, "logit_softcap" },
                { -1, "init_std" }, { -1, "rotary_theta" } };
    for (size_t i = 0; i < LH_COUNT(bad); i++) {
        double *at[] = { &c.norm_eps, &c.dropout, &c.dropout,
                         &c.embedding_scale, &c.logit_softcap, &c.init_std,
                         &c.rotary_theta };
        double old = *at[i];
        *at[i] = bad[i].value;
        lh_config_write(&ctx, &text, &c, 0, LH_WEIGHTS_F32);
        CHECK_EQ_INT(read_text(text.data, &back, &layout), LH_ERROR_FORMAT);
        CHECK(strstr(ctx.message, bad[i].key) != NULL);
        *at[i] = old;
        lh_buffer_free(&ctx, &text);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* ------------------------------------------------------ files of others -- */

static void test_others(void)
{
    static const struct {
        const char *file, *message;
    } row[] = {
        { "llama-tiny.config.json", NULL },
        { "pythia-410m.config.json", "\"gpt_neox\"" },
        { "qwen2-1.5b-instruct.config.json", "\"qwen2\"" },
        { "qwen2-1.5b-instruct.generation_config.json", "\"model_type\"" },
        { "qwen2.tokenizer_config.json", "\"model_type\"" },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        char file[4096];
        lh_buffer text;
        lh_config c = { 0 };
        lh_layout layout;
        snprintf(file, sizeof file, "%s/configs/%s", test_data(),
                 row[i].file);
        lh_error_clear(&ctx);
        if (lh_file_read(&ctx, file, &text)) {
            SKIP(row[i].file, ctx.message);
            continue;
        }
        lh_status status = lh_config_read(&ctx, row[i].file, text.data,
                                          text.size, &c, &layout);
        lh_buffer_free(&ctx, &text);
        CHECK_EQ_INT(status, row[i].message ? LH_ERROR_FORMAT : LH_OK);
        CHECK(!row[i].message || strstr(ctx.message, row[i].message));
        if (!status)
            CHECK(layout == LH_LAYOUT_LLAMA && c.layers == 4
                  && c.width == 384 && c.heads == 6 && c.kv_heads == 2
                  && c.head_size == 64 && c.feed_forward == 1536
                  && c.context == 256 && c.vocabulary == 10000 && c.tied
                  && c.norm_eps == 1e-6 && c.rotary_theta == 10000);
    }
    CHECK_EQ_INT(memory.live, 0);
}

static void test_names(void)
{
    static const struct {
        const char *ours, *gpt2;
        int part;
        bool transposed;
    } row[] = {
        { "model.embed_tokens.weight", "transformer.wte.weight", -1, false },
        { "model.position_embeddings.weight", "transformer.wpe.weight", -1,
          false },
        { "model.layers.0.input_layernorm.bias", "transformer.h.0.ln_1.bias",
          -1, false },
        { "model.layers.11.self_attn.q_proj.weight",
          "transformer.h.11.attn.c_attn.weight", 0, true },
        { "model.layers.11.self_attn.k_proj.bias",
          "transformer.h.11.attn.c_attn.bias", 1, false },
        { "model.layers.11.self_attn.v_proj.weight",
          "transformer.h.11.attn.c_attn.weight", 2, true },
        { "model.layers.3.self_attn.o_proj.weight",
          "transformer.h.3.attn.c_proj.weight", -1, true },
        { "model.layers.3.post_attention_layernorm.weight",
          "transformer.h.3.ln_2.weight", -1, false },
        { "model.layers.3.mlp.up_proj.weight",
          "transformer.h.3.mlp.c_fc.weight", -1, true },
        { "model.layers.3.mlp.down_proj.bias",
          "transformer.h.3.mlp.c_proj.bias", -1, false },
        { "model.norm.weight", "transformer.ln_f.weight", -1, false },
        { "lm_head.weight", "lm_head.weight", -1, false },
        { "model.layers.x.mlp.up_proj.weight",
          "model.layers.x.mlp.up_proj.weight", -1, false },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        char name[128];
        int part = 9;
        bool transposed = false;
        lh_layout_name(LH_LAYOUT_GPT2, row[i].ours, name, &part,
                       &transposed);
        CHECK_STR(name, row[i].gpt2);
        CHECK_EQ_INT(part, row[i].part);
        CHECK_EQ_INT(transposed, row[i].transposed);
        static const lh_layout plain[] = { LH_LAYOUT_LLAMA,
                                           LH_LAYOUT_LONGHAND };
        for (size_t k = 0; k < 2; k++) {
            lh_layout_name(plain[k], row[i].ours, name, &part, &transposed);
            CHECK_STR(name, row[i].ours);
            CHECK(part == -1 && !transposed);
        }
    }
}

/* --------------------------------------------------------- hostile text -- */

static lh_status try_config(lh_context *with, const char *text, size_t size)
{
    lh_config c = { 0 };
    lh_layout layout = LH_LAYOUT_LONGHAND;
    lh_status status = lh_config_read(with, "mutation", text, size, &c,
                                      &layout);
    /* What is accepted is in range and can be said again. */
    if (!status) {
        lh_buffer again = { 0 };
        lh_config back = { 0 };
        CHECK(c.layers > 0 && c.layers <= 10000 && c.width > 0
              && c.heads % c.kv_heads == 0 && c.norm_eps > 0
              && c.vocabulary <= INT32_MAX && c.dropout < 1);
        CHECK_EQ_INT(lh_config_write(with, &again, &c, 0, LH_WEIGHTS_F32),
                     LH_OK);
        CHECK_EQ_INT(lh_config_read(with, "again", again.data, again.size,
                                    &back, &layout), LH_OK);
        CHECK(same_config(&c, &back));
        lh_buffer_free(with, &again);
    }
    return status;
}

static lh_status write_and_read(lh_context *with, void *arg)
{
    lh_config *config = arg, back;
    lh_layout layout;
    lh_buffer text = { 0 };
    lh_status status = lh_config_write(with, &text, config, 0, LH_WEIGHTS_F32);
    if (!status)
        status = lh_config_read(with, "c", text.data, text.size, &back,
                                &layout);
    lh_buffer_free(with, &text);
    return status;
}

int main(void)
{
    ctx = hostile_context(&memory);
    test_round_trips();
    test_layouts();
    test_additions(LLAMA, llama_row, LH_COUNT(llama_row), LH_LAYOUT_LLAMA);
    test_additions(GPT2, gpt2_row, LH_COUNT(gpt2_row), LH_LAYOUT_GPT2);
    test_defaults();
    test_longhand_fields();
    test_others();
    test_names();
    lh_config all[] = { gpt2_config(), llama_config(), micro_config() };
    for (size_t i = 0; i < LH_COUNT(all); i++) {
        lh_buffer text = { 0 };
        hostile_exhaust("config", write_and_read, &all[i]);
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_config_write(&ctx, &text, &all[i], 1,
                                     LH_WEIGHTS_F32), LH_OK);
        for (size_t size = 0; size + 2 < text.size; size++) {
            char *exact = malloc(size ? size : 1);
            memcpy(exact, text.data, size);
            lh_error_clear(&ctx);
            CHECK_EQ_INT(try_config(&ctx, exact, size), LH_ERROR_FORMAT);
            free(exact);
        }
        hostile_storm(text.data, text.size,
                      hostile_mutations() / (int64_t)LH_COUNT(all), 13 + i,
                      try_config);
        lh_buffer_free(&ctx, &text);
    }
    CHECK_EQ_INT(memory.live, 0);
    return test_end("config");
}
