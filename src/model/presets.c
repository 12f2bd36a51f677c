/* The presets, by name: the table is presets.def. */
#include "base/base.h"

#include <stdio.h>

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
#undef CONFIG
#undef TRAIN
#undef PRESET
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
    if (!config)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_preset: no config");
    const preset_row *row = preset_find(ctx, name);
    if (!row)
        return LH_ERROR_ARGUMENT;
    *config = row->config;
    return LH_OK;
}

LH_API lh_status lh_train_preset(lh_context *ctx, const char *name,
                                 lh_train_settings *settings)
{
    if (!settings)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_train_preset: no"
                       " settings");
    const preset_row *row = preset_find(ctx, name);
    if (!row)
        return LH_ERROR_ARGUMENT;
    *settings = row->train;
    return LH_OK;
}
