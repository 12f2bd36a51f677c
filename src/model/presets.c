/* The presets, by name: the table is presets.def; and the recipes, which
 * change them. */
#include "base/base.h"

typedef struct preset_row {
    const char *name, *what;
    lh_config config;
    lh_train_settings train;
} preset_row;

static const preset_row preset_rows[] = {
#define CONFIG(...) { __VA_ARGS__ }
#define TRAIN(...) { __VA_ARGS__ }
#define PRESET(name, what, config, train) { #name, what, config, train },
#include "model/presets.def"
};

LH_API const char *lh_preset_name(int i, const char **what)
{
    bool there = i >= 0 && (size_t)i < LH_COUNT(preset_rows);
    if (what)
        *what = there ? preset_rows[i].what : NULL;
    return there ? preset_rows[i].name : NULL;
}

/* The row, or NULL with the names recorded. */
static const preset_row *preset_find(lh_context *ctx, const char *name)
{
    char names[256];
    size_t used = 0;
    for (size_t i = 0; i < LH_COUNT(preset_rows); i++) {
        const preset_row *row = &preset_rows[i];
        if (name && strcmp(row->name, name) == 0)
            return row;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used,
                                     "%s%s", i ? ", " : "", row->name);
    }
    lh_fail(ctx, LH_ERROR_ARGUMENT, "there is no preset named %s; there are"
            " %s", name ? name : "(NULL)", names);
    return NULL;
}

LH_API lh_status lh_preset(lh_context *ctx, const char *name,
                           lh_config *config)
{
    const preset_row *row = config ? preset_find(ctx, name) : NULL;
    if (!row)                          /* of two failures the first stays  */
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_preset: no config");
    *config = row->config;
    return LH_OK;
}

LH_API lh_status lh_train_preset(lh_context *ctx, const char *name,
                                 lh_train_settings *settings)
{
    const preset_row *row = settings ? preset_find(ctx, name) : NULL;
    if (!row)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_train_preset: no"
                       " settings");
    *settings = row->train;
    return LH_OK;
}

/* ------------------------------------------------------------- recipes -- */

/* What nanochat (Karpathy 2025) and modded-nanogpt (Jordan et al. 2024-26)
 * found, as far as it paid here: LOG.md has the runs. */
static void preset_fast_config(lh_config *c, bool compatible)
{
    *c = (lh_config){
        .layers = c->layers, .width = c->width, .heads = c->heads,
        .kv_heads = c->kv_heads, .head_size = c->head_size,
        .feed_forward = 4 * c->width, .context = c->context,
        .vocabulary = c->vocabulary, .positions = LH_POSITIONS_ROTARY,
        .rotary_theta = 10000, .norm = LH_NORM_RMS, .norm_eps = 1e-6,
        .embedding_norm = true, .final_norm = true, .qk_norm = true,
        .activation = LH_RELU2, .embedding_scale = 1, .logit_softcap = 15,
        .dropout = c->dropout, .init_std = 0.02, .init_zero = true,
    };
    if (!compatible) {
        c->ngrams = 3;
        c->ngram_rows = 8192;
        c->value_embeddings = true;
    }
}

static void preset_fast_settings(lh_train_settings *s)
{
    s->adamw = (lh_adamw_settings){
        .learning_rate = 0.004, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-10,
    };
    s->muon = (lh_muon_settings){ .learning_rate = 0.02, .momentum = 0.95 };
    s->schedule = LH_TRAPEZOID;
    s->warm_up = 0;
    s->cool_down = s->steps / 2;
    s->final_rate = 0;
}

LH_API lh_status lh_recipe(lh_context *ctx, const char *name,
                           bool compatible, lh_config *config,
                           lh_train_settings *settings)
{
    if (!name || (strcmp(name, "plain") && strcmp(name, "fast")))
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "there is no recipe named %s;"
                       " there are plain, fast", name ? name : "(NULL)");
    if (strcmp(name, "plain") == 0)
        return LH_OK;
    if (config)
        preset_fast_config(config, compatible);
    if (settings)
        preset_fast_settings(settings);
    return LH_OK;
}
