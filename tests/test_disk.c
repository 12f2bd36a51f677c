/* Models on disk: what is written reads back bit for bit in each layout, and
 * files that do not fit are refused by the name of what is wrong. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model_help.h"
#include "base/file.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"

static const char disk_letters[] = "abcdefghijklmnopqrstuvwxyz";

static lh_context *disk_ctx;

static void disk_path(char path[128], const char *directory,
                      const char *name)
{
    snprintf(path, 128, "%s/%s", directory, name);
}

static void disk_clean(const char *directory)
{
    static const char *const names[] = { "config.json", "model.safetensors",
                                         "tokenizer.json",
                                         "tokenizer_config.json" };
    char path[128];
    for (size_t i = 0; i < 4; i++) {
        disk_path(path, directory, names[i]);
        unlink(path);
    }
    CHECK(rmdir(directory) == 0);                /* and nothing beside     */
}

/* A model whose zeros and ones are not all the same. */
static lh_model *disk_model(int kind)
{
    lh_config c = kind_config(kind);
    lh_model *m = lh_model_new(disk_ctx, &c, 3);
    lh_params *p = lh_model_params(m);
    uint64_t seed = 31;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        for (int64_t j = 0; j < lh_tensor_size(x); j++)
            lh_tensor_data(x)[j] += (float)(test_random(&seed) % 1000) /
                                    1000;
    }
    return m;
}

static void test_round_trip(int kind, lh_layout layout,
                            const char *file_name)
{
    char directory[64], path[128];
    fresh_directory(directory);
    lh_model *m = disk_model(kind), *back = NULL;
    lh_tokenizer *k = lh_tokenizer_characters(disk_ctx, disk_letters, 26);
    lh_tokenizer *k_back = NULL;
    CHECK_EQ_INT(lh_layout_of(lh_model_config(m)), layout);
    for (int twice = 0; twice < 2; twice++)
        CHECK_OK(disk_ctx, lh_model_save(disk_ctx, m, k, directory));
    CHECK_OK(disk_ctx, lh_model_load(disk_ctx, directory, &back, &k_back));
    CHECK(back && models_equal(m, back));
    CHECK(k_back && lh_tokenizer_vocabulary(k_back) == 27);
    if (back) {
        lh_config a = *lh_model_config(m), b = *lh_model_config(back);
        CHECK_EQ_INT(a.layers, b.layers);
        CHECK_EQ_INT(a.kv_heads, b.kv_heads);
        CHECK(a.norm_eps == b.norm_eps && a.tied == b.tied);
        CHECK(a.activation == b.activation && a.positions == b.positions);
    }
    lh_model_free(back);
    lh_tokenizer_free(k_back);
    CHECK_OK(disk_ctx, lh_model_load(disk_ctx, directory, &back, NULL));
    lh_model_free(back);

    lh_safetensors file;
    disk_path(path, directory, "model.safetensors");
    CHECK_OK(disk_ctx, lh_safetensors_open(disk_ctx, path, &file));
    CHECK_STR(lh_safetensors_text(&file, "format"), "pt");
    CHECK(lh_safetensors_find(&file, file_name) != NULL);
    lh_safetensors_close(&file);
    lh_model_free(m);
    lh_tokenizer_free(k);
    disk_clean(directory);
}

/* GPT-2's fused, transposed tensor: element by element. */
static void test_gpt2_layout(void)
{
    char directory[64], path[128];
    fresh_directory(directory);
    lh_model *m = disk_model(1);
    lh_tokenizer *k = lh_tokenizer_characters(disk_ctx, disk_letters, 26);
    CHECK_OK(disk_ctx, lh_model_save(disk_ctx, m, k, directory));
    disk_path(path, directory, "model.safetensors");
    lh_safetensors file;
    CHECK_OK(disk_ctx, lh_safetensors_open(disk_ctx, path, &file));
    const lh_stored *s = lh_safetensors_find(
        &file, "transformer.h.1.attn.c_attn.weight");
    CHECK(s && s->dims == 2 && s->shape[0] == 24 && s->shape[1] == 72);
    static const char *const parts[] = { "q", "k", "v" };
    float data[24 * 72];
    CHECK_OK(disk_ctx, lh_stored_floats(disk_ctx, s, data));
    int64_t wrong = 0;
    for (int part = 0; part < 3; part++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.1.self_attn.%s_proj."
                 "weight", parts[part]);
        const float *w = lh_tensor_data(lh_params_find(lh_model_params(m),
                                                       name));
        for (int i = 0; i < 24; i++)
            for (int j = 0; j < 24; j++)
                wrong += data[j * 72 + part * 24 + i] != w[i * 24 + j];
    }
    CHECK_EQ_INT(wrong, 0);
    lh_safetensors_close(&file);
    lh_model_free(m);
    lh_tokenizer_free(k);
    disk_clean(directory);
}

/* NanoChat's q and k: the halves of each head change places, v's do not. */
static void test_nanochat_layout(void)
{
    char directory[64], path[128];
    fresh_directory(directory);
    lh_model *m = disk_model(6);                 /* 4 heads of 6 from 24   */
    lh_tokenizer *k = lh_tokenizer_characters(disk_ctx, disk_letters, 26);
    CHECK_OK(disk_ctx, lh_model_save(disk_ctx, m, k, directory));
    disk_path(path, directory, "model.safetensors");
    lh_safetensors file;
    CHECK_OK(disk_ctx, lh_safetensors_open(disk_ctx, path, &file));
    static const char *const parts[] = { "q", "v" };
    for (int part = 0; part < 2; part++) {
        char name[64];
        float data[24 * 24];
        snprintf(name, sizeof name, "model.layers.1.self_attn.%s_proj."
                 "weight", parts[part]);
        const float *w = lh_tensor_data(lh_params_find(lh_model_params(m),
                                                       name));
        CHECK_OK(disk_ctx, lh_stored_floats(
            disk_ctx, lh_safetensors_find(&file, name), data));
        int64_t wrong = 0;
        for (int i = 0; i < (part ? 12 : 24); i++)
            wrong += memcmp(data + i * 24, w + (part ? i : i / 6 * 6 +
                            (i + 3) % 6) * 24, 24 * sizeof *w) != 0;
        CHECK_EQ_INT(wrong, 0);
    }
    lh_safetensors_close(&file);
    lh_model_free(m);
    lh_tokenizer_free(k);
    disk_clean(directory);
}

/* Weights in 16 bits come back rounded to the nearest, ties to even. */
static void test_rounded(lh_weights weights, const float (*row)[2], int rows)
{
    char directory[64], path[128];
    fresh_directory(directory);
    lh_model *m = disk_model(6), *back = NULL;
    lh_tokenizer *k = lh_tokenizer_characters(disk_ctx, disk_letters, 26);
    static const char name[] = "model.layers.0.mlp.up_proj.weight";
    float *x = lh_tensor_data(lh_params_find(lh_model_params(m), name));
    for (int i = 0; i < rows; i++)
        x[i] = row[i][0];
    for (int i = 0; i < rows; i++)
        x[rows + i] = -row[i][0];
    CHECK_OK(disk_ctx, lh_model_save_as(disk_ctx, m, k, directory, weights));
    CHECK_OK(disk_ctx, lh_model_load(disk_ctx, directory, &back, NULL));
    lh_params *p = lh_model_params(back);
    const float *y = lh_tensor_data(lh_params_find(p, name));
    for (int i = 0; y && i < rows; i++)
        CHECK(y[i] == row[i][1] && y[rows + i] == -row[i][1]);
    float most = weights == LH_WEIGHTS_F16 ? 0x1p-11f : 0x1p-8f;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *a = lh_params_get(lh_model_params(m), i, NULL);
        lh_tensor *b = lh_params_get(p, i, NULL);
        for (int64_t j = 0; j < lh_tensor_size(a); j++) {
            float u = lh_tensor_data(a)[j], v = lh_tensor_data(b)[j];
            CHECK(fabsf(u - v) <= fabsf(u) * most + 0x1p-25f);
        }
    }
    x[3] = weights == LH_WEIGHTS_F16 ? 65520 : 0x1.fffp127f;
    CHECK_FAILS(disk_ctx, LH_ERROR_ARGUMENT, "too large",
                lh_model_save_as(disk_ctx, m, k, directory, weights));
    lh_safetensors file;                         /* the old one is there   */
    disk_path(path, directory, "model.safetensors");
    CHECK_OK(disk_ctx, lh_safetensors_open(disk_ctx, path, &file));
    const lh_stored *s = lh_safetensors_find(&file, "lm_head.weight");
    CHECK(s && s->dtype == (weights == LH_WEIGHTS_F16 ? LH_DTYPE_F16
                                                      : LH_DTYPE_BF16));
    lh_safetensors_close(&file);
    lh_model_free(back);
    lh_model_free(m);
    lh_tokenizer_free(k);
    disk_clean(directory);
}

static void test_sixteen_bits(void)
{
    static const float f16[][2] = {
        { 1, 1 }, { 0, 0 }, { 65504, 65504 }, { 65519, 65504 },
        { 1 + 0x1p-11f, 1 }, { 1 + 0x3p-11f, 1 + 0x1p-9f },
        { 1 + 0x1.002p-11f, 1 + 0x1p-10f }, { 0x1p-14f, 0x1p-14f },
        { 0x1.ffep-15f, 0x1p-14f }, { 0x1p-24f, 0x1p-24f },
        { 0x1p-25f, 0 }, { 0x1.01p-25f, 0x1p-24f }, { 0x3p-25f, 0x1p-23f },
        { 0x1p-140f, 0 },
    }, bf16[][2] = {
        { 1, 1 }, { 0, 0 }, { 1 + 0x1p-8f, 1 }, { 1 + 0x3p-8f, 1 + 0x1p-6f },
        { 1 + 0x1.002p-8f, 1 + 0x1p-7f }, { 0x1p-133f, 0x1p-133f },
        { 0x1p-134f, 0 }, { 0x1.fep127f, 0x1.fep127f },
    };
    test_rounded(LH_WEIGHTS_F16, f16, LH_COUNT(f16));
    test_rounded(LH_WEIGHTS_BF16, bf16, LH_COUNT(bf16));
}

/* ------------------------------------------------------------- refusals -- */

/* Replaces the first `from` in a file by `to`, of equal length. */
static void disk_edit(const char *path, const char *from, const char *to)
{
    lh_buffer text = { 0 };
    CHECK_OK(disk_ctx, lh_file_read(disk_ctx, path, &text));
    char *at = text.data ? memmem(text.data, text.size, from, strlen(from))
                         : NULL;
    CHECK(at != NULL);
    if (at) {
        memcpy(at, to, strlen(to));
        CHECK_OK(disk_ctx, lh_file_write(disk_ctx, path, text.data,
                                         text.size));
    }
    lh_buffer_free(disk_ctx, &text);
}

static void refuse(int kind, const char *file, const char *from,
                   const char *to, const char *part)
{
    char directory[64], path[128];
    fresh_directory(directory);
    lh_model *m = disk_model(kind), *back = NULL;
    lh_tokenizer *k = lh_tokenizer_bytes(disk_ctx), *k_back = NULL;
    lh_tokenizer_free(k);
    k = lh_tokenizer_characters(disk_ctx, disk_letters, 26);
    CHECK_OK(disk_ctx, lh_model_save(disk_ctx, m, k, directory));
    disk_path(path, directory, file);
    if (from)
        disk_edit(path, from, to);
    else
        CHECK(unlink(path) == 0);
    lh_error_clear(disk_ctx);
    lh_status status = lh_model_load(disk_ctx, directory, &back, &k_back);
    CHECK(status == LH_ERROR_FORMAT || status == LH_ERROR_SHAPE ||
          (!from && status == LH_ERROR_IO));
    CHECK(back == NULL && k_back == NULL);
    bool says = strstr(lh_error_message(disk_ctx), part) != NULL;
    CHECK(says);
    if (!says)
        printf("    says: %s\n", lh_error_message(disk_ctx));
    lh_error_clear(disk_ctx);
    lh_model_free(m);
    lh_tokenizer_free(k);
    disk_clean(directory);
}

static void test_refusals(void)
{
    refuse(0, "model.safetensors", NULL, NULL, "model.safetensors");
    refuse(0, "config.json", NULL, NULL, "config.json");
    refuse(0, "tokenizer.json", NULL, NULL, "tokenizer.json");
    refuse(0, "model.safetensors", "q_proj", "q_proy", "q_proj");
    refuse(1, "model.safetensors", "h.1.mlp.c_fc.bias",
           "h.1.mlp.c_fc.bios", "c_fc.bias");
    refuse(0, "model.safetensors", "[64,16]", "[16,64]", "mlp.");
    refuse(0, "config.json", "\"feed_forward\": 64",
           "\"feed_forward\": 65", "mlp.up_proj.weight");
    refuse(0, "config.json", "\"layers\": 1", "\"layers\": 2",
           "model.layers.1");
    refuse(0, "config.json", "\"kv_heads\": 4", "\"kv_heads\": 3",
           "3 key/value heads");
}

int main(void)
{
    disk_ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    test_round_trip(0, LH_LAYOUT_LONGHAND,
                    "model.layers.0.self_attn.q_proj.weight");
    test_round_trip(1, LH_LAYOUT_GPT2, "transformer.h.0.ln_1.bias");
    test_round_trip(3, LH_LAYOUT_LLAMA,
                    "model.layers.1.self_attn.o_proj.bias");
    for (int kind = 2; kind < KINDS; kind++)
        if (kind != 3 && kind != 6)
            test_round_trip(kind, LH_LAYOUT_LONGHAND,
                            "model.embed_tokens.weight");
    test_round_trip(6, LH_LAYOUT_NANOCHAT, "model.layers.1.mlp.fc2.weight");
    test_gpt2_layout();
    test_nanochat_layout();
    test_sixteen_bits();
    test_refusals();
    CHECK_EQ_INT(lh_error_status(disk_ctx), LH_OK);
    lh_context_free(disk_ctx);
    return test_end("disk");
}
