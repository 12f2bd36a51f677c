/* The names that our parameters have in a GPT-2 file, and the two that are
 * others in a NanoChat one.  Ours are already those of Hugging Face's
 * Llama. */
#include "formats/hf_config.h"

/* Within layer N: ours behind "model.layers.N.", theirs behind
 * "transformer.h.N.".  Conv1D: weights stand as [in, out]. */
static const struct {
    const char *ours, *theirs;
    int part;
    bool conv1d;
} naming_layer[] = {
    { "input_layernorm",          "ln_1",        -1, false },
    { "self_attn.q_proj",         "attn.c_attn",  0, true  },
    { "self_attn.k_proj",         "attn.c_attn",  1, true  },
    { "self_attn.v_proj",         "attn.c_attn",  2, true  },
    { "self_attn.o_proj",         "attn.c_proj", -1, true  },
    { "post_attention_layernorm", "ln_2",        -1, false },
    { "mlp.up_proj",              "mlp.c_fc",    -1, true  },
    { "mlp.down_proj",            "mlp.c_proj",  -1, true  },
};

static const struct {
    const char *ours, *theirs;
} naming_whole[] = {
    { "model.embed_tokens",        "transformer.wte"  },
    { "model.position_embeddings", "transformer.wpe"  },
    { "model.norm",                "transformer.ln_f" },
};

/* What follows `prefix` in text where it is followed by a dot, else NULL. */
static const char *naming_rest(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return !strncmp(text, prefix, length) && text[length] == '.'
        ? text + length + 1 : NULL;
}

static void naming_gpt2(const char *ours, char name[128], int *part,
                        bool *transposed)
{
    const char *rest;
    for (size_t i = 0; i < LH_COUNT(naming_whole); i++)
        if ((rest = naming_rest(ours, naming_whole[i].ours)))
            snprintf(name, 128, "%s.%s", naming_whole[i].theirs, rest);
    const char *layer = naming_rest(ours, "model.layers");
    size_t digits = layer ? strspn(layer, "0123456789") : 0;
    if (!digits || digits > 10 || layer[digits] != '.')
        return;
    for (size_t i = 0; i < LH_COUNT(naming_layer); i++)
        if ((rest = naming_rest(layer + digits + 1, naming_layer[i].ours))) {
            snprintf(name, 128, "transformer.h.%.*s.%s.%s", (int)digits,
                     layer, naming_layer[i].theirs, rest);
            *part = naming_layer[i].part;
            *transposed = naming_layer[i].conv1d && !strcmp(rest, "weight");
        }
}

LH_INTERNAL void lh_layout_name(lh_layout layout, const char *ours,
                                char name[128], int *part, bool *transposed)
{
    *part = -1;
    *transposed = false;
    snprintf(name, 128, "%s", ours);
    char *mlp = strstr(name, ".mlp.");
    if (layout == LH_LAYOUT_NANOCHAT && mlp)     /* up and down            */
        strcpy(mlp + strlen(".mlp."), strstr(mlp, "up_proj") ? "fc1.weight"
                                                              : "fc2.weight");
    if (layout == LH_LAYOUT_GPT2)
        naming_gpt2(ours, name, part, transposed);
}
