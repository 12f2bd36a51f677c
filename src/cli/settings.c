/* What the options ask for: a model's sizes and a run's settings, the
 * preset's where an option does not say; and the memory there is for it. */
#include "cli/cli.h"

#include <sys/resource.h>

#define SETTINGS(field, from) \
    (field) = o->given[OPT_##from] ? o->integer[OPT_##from] : (field)
#define SETTINGS_REAL(field, from) \
    (field) = o->given[OPT_##from] ? o->real[OPT_##from] : (field)

/* What follows from width and heads keeps the preset's proportions. */
int cli_config(lh_context *ctx, const cli_options *o, const char *name,
               lh_config *c)
{
    lh_config preset;
    bool compatible = o->given[OPT_compatible];
    if (lh_preset(ctx, name, c) ||
        lh_recipe(ctx, o->text[OPT_recipe], compatible, c, NULL))
        return cli_error(ctx), CLI_USAGE;
    preset = *c;
    SETTINGS(c->layers, layers);
    SETTINGS(c->width, width);
    SETTINGS(c->heads, heads);
    SETTINGS(c->context, context);
    SETTINGS_REAL(c->dropout, dropout);
    if (o->given[OPT_heads])
        c->kv_heads = preset.kv_heads == preset.heads ? c->heads
                    : c->heads % preset.kv_heads ? 1 : preset.kv_heads;
    SETTINGS(c->kv_heads, kv_heads);
    if (o->given[OPT_width] || o->given[OPT_heads]) {
        if (c->width % c->heads)
            return cli_usage("--width %lld is not a multiple of --heads"
                             " %lld", (long long)c->width,
                             (long long)c->heads);
        c->head_size = c->width / c->heads;
        c->feed_forward = (c->width * preset.feed_forward +
                           preset.width / 2) / preset.width;
    }
    SETTINGS(c->feed_forward, feed_forward);
    if (c->heads % c->kv_heads)
        return cli_usage("--heads %lld is not a multiple of --kv-heads %lld",
                         (long long)c->heads, (long long)c->kv_heads);
    return CLI_DONE;
}

int cli_settings(lh_context *ctx, const cli_options *o, const char *name,
                 lh_train_settings *s)
{
    if (lh_train_preset(ctx, name, s))
        return cli_error(ctx), CLI_USAGE;
    SETTINGS(s->steps, steps);
    if (lh_recipe(ctx, o->text[OPT_recipe], false, NULL, s))
        return cli_error(ctx), CLI_USAGE;
    SETTINGS(s->batch, batch);
    SETTINGS(s->micro_batch, micro_batch);
    SETTINGS(s->warm_up, warm_up);
    SETTINGS(s->cool_down, cool_down);
    SETTINGS_REAL(s->adamw.learning_rate, lr);
    SETTINGS_REAL(s->muon.learning_rate, muon_lr);
    SETTINGS_REAL(s->adamw.weight_decay, weight_decay);
    SETTINGS_REAL(s->adamw.clip, clip);
    SETTINGS_REAL(s->held_out, held_out);
    if (o->given[OPT_schedule]) {
        s->schedule = (lh_schedule)o->integer[OPT_schedule];
        if (s->schedule == LH_TRAPEZOID && !s->cool_down)
            s->cool_down = s->steps / 5;
    }
    s->seed = (uint64_t)o->integer[OPT_seed];
    s->recompute = o->given[OPT_recompute];
    s->dtype = o->integer[OPT_dtype] ? LH_BF16 : LH_F32;
    return CLI_DONE;
}

const char *const cli_schedule[] = { "constant", "linear", "cosine",
                                     "trapezoid" };

const char *cli_bf16(lh_context *ctx, bool *fast)
{
    const char *name = NULL, *row = "?";
    for (int i = 0; i < lh_kernel_count(); i++) {
        row = lh_kernel_row(ctx, i, &name);
        if (strcmp(name, "gemm_bf16") == 0)
            break;
    }
    *fast = strstr(row, "bf16") != NULL;
    return row;
}

/* --------------------------------------------------------------- memory -- */

static int64_t settings_least(int64_t a, int64_t b)
{
    return b > 0 && b < a ? b : a;
}

/* The number in a file, or 0: there is none, or it says "max". */
static int64_t settings_number(const char *path)
{
    long long value = 0;
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lld", &value) != 1)
        value = 0;
    if (f)
        fclose(f);
    return value;
}

int64_t cli_memory(void)
{
    struct rlimit limit;
    int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages < 1 || size < 1)
        return 0;
    int64_t memory = pages * size;
    /* A container's bounds, of either version of cgroups. */
    memory = settings_least(memory, settings_number(
        "/sys/fs/cgroup/memory.max"));
    memory = settings_least(memory, settings_number(
        "/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        memory = settings_least(memory, (int64_t)limit.rlim_cur);
    return memory;
}
