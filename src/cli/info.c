/* longhand info: this machine and its kernels; or a model's facts. */
#include "cli/cli.h"

/* -------------------------------------------------------------- machine -- */

/* A kernel's name without its direction: both are in the same row. */
static size_t info_base(const char *name)
{
    const char *end = strstr(name, "_forward");
    end = end ? end : strstr(name, "_backward");
    return end ? (size_t)(end - name) : strlen(name);
}

/* The kernels of one instruction set, wrapped below each other. */
static void info_kernels(lh_context *ctx, const char *set)
{
    const char *name = NULL, *before = "";
    int column = 0;
    for (int j = 0; j < lh_kernel_count(); j++) {
        const char *row = lh_kernel_row(ctx, j, &name);
        if (!row || !name || strcmp(row, set) != 0)
            continue;
        int size = (int)info_base(name);
        if (size == (int)info_base(before) &&
            memcmp(name, before, (size_t)size) == 0)
            continue;
        if (!column)
            column = printf("  %-12s%.*s", set, size, name);
        else if (column + 2 + size > 78)
            column = printf(",\n%14s%.*s", "", size, name) - 2;
        else
            column += printf(", %.*s", size, name);
        before = name;
    }
    if (column)
        printf("\n");
}

static void info_machine(lh_context *ctx)
{
    const char *set, *why, *name, *what;
    bool fast;
    const char *bf16 = cli_bf16(ctx, &fast);
    printf("longhand %s\ncpu      %s\nlevel    %s\nthreads  %d\n"
           "bf16     %s%s\n\ninstruction sets\n", lh_version(),
           lh_cpu_name(ctx), lh_cpu_level(ctx), lh_threads(ctx),
           fast ? "" : "emulated, no faster than f32: ", bf16);
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++)
        printf("  %-12s%s\n", set, why);
    printf("\nkernels\n");
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++)
        info_kernels(ctx, set);
    printf("\npresets\n");
    for (int i = 0; (name = lh_preset_name(i, &what)); i++)
        printf("  %-12s%s\n", name, what);
}

static void info_machine_json(lh_context *ctx)
{
    const char *set, *why, *name;
    char member[64] = "{";
    cli_json_text(stdout, "{version", lh_version());
    cli_json_text(stdout, "cpu", lh_cpu_name(ctx));
    cli_json_text(stdout, "level", lh_cpu_level(ctx));
    cli_json_integer(stdout, "threads", lh_threads(ctx));
    printf(", \"instruction_sets\": ");
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++) {
        snprintf(member + 1, sizeof member - 1, "%s", set);
        cli_json_text(stdout, member + (i > 0), why);
    }
    printf("}, \"kernels\": ");
    for (int i = 0; i < lh_kernel_count(); i++) {
        const char *row = lh_kernel_row(ctx, i, &name);
        snprintf(member + 1, sizeof member - 1, "%s", name);
        cli_json_text(stdout, member + (i > 0), row);
    }
    puts("}}");
}

/* ---------------------------------------------------------------- model -- */

static void info_shape(char *text, size_t size, const lh_tensor *x)
{
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < lh_tensor_dims(x) && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld",
                               i ? " x " : "",
                               (long long)lh_tensor_shape(x)[i]);
}

static void info_config(const lh_config *c)
{
    static const char *positions[] = { "no", "learned", "rotary" };
    static const char *norm[] = { "RMSNorm", "LayerNorm" };
    static const char *activation[] = { "relu", "relu^2", "gelu",
                                        "gelu (tanh)", "swiglu", "geglu" };
    printf("layers        %lld\nwidth         %lld\n"
           "heads         %lld of %lld, %lld of keys and values\n"
           "feed-forward  %lld, %s\ncontext       %lld, %s positions\n"
           "norm          %s%s%s%s\nhead          %s\n",
           (long long)c->layers, (long long)c->width, (long long)c->heads,
           (long long)c->head_size, (long long)c->kv_heads,
           (long long)c->feed_forward, activation[c->activation],
           (long long)c->context, positions[c->positions], norm[c->norm],
           c->norm_gain ? " with gain" : "",
           c->norm_bias ? " and bias" : "",
           c->qk_norm ? ", on queries and keys too" : "",
           c->tied ? "the token embedding" : "its own");
}

static void info_model(lh_model *m, const lh_tokenizer *k)
{
    lh_params *p = lh_model_params(m);
    char number[32], shape[96];
    info_config(lh_model_config(m));
    printf("tokenizer     %s, %s tokens\n", lh_tokenizer_kind(k),
           cli_count(number, lh_tokenizer_vocabulary(k)));
    printf("parameters    %s in %lld tensors\n\n",
           cli_count(number, lh_params_size(p)),
           (long long)lh_params_count(p));
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        const lh_tensor *x = lh_params_get(p, i, &name);
        info_shape(shape, sizeof shape, x);
        printf("  %-47s %14s %12s\n", name, shape,
               cli_count(number, lh_tensor_size(x)));
    }
}

static void info_model_json(lh_model *m, const lh_tokenizer *k)
{
    const lh_config *c = lh_model_config(m);
    lh_params *p = lh_model_params(m);
    const struct { const char *name; int64_t number; } row[] = {
        { "{layers", c->layers }, { "width", c->width },
        { "heads", c->heads }, { "kv_heads", c->kv_heads },
        { "head_size", c->head_size }, { "feed_forward", c->feed_forward },
        { "context", c->context }, { "vocabulary", c->vocabulary },
        { "parameters", lh_params_size(p) },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        cli_json_integer(stdout, row[i].name, row[i].number);
    cli_json_text(stdout, "tokenizer", lh_tokenizer_kind(k));
    printf(", \"tensors\": {");
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        const lh_tensor *x = lh_params_get(p, i, &name);
        fputs(i ? ", " : "", stdout);
        cli_json_string(stdout, name, strlen(name));
        for (int d = 0; d < lh_tensor_dims(x); d++)
            printf("%s%lld", d ? ", " : ": [",
                   (long long)lh_tensor_shape(x)[d]);
        printf("]");
    }
    printf("}}\n");
}

/* ----------------------------------------------------------------- plan -- */

/* What these change a plan has; without --plan, or of a model that is there,
 * they say nothing. */
static int info_needless(const cli_options *o)
{
    static const cli_option sizes[] = {
        OPT_layers, OPT_width, OPT_heads, OPT_kv_heads, OPT_feed_forward,
        OPT_context, OPT_dropout, OPT_vocabulary, OPT_preset,
        OPT_compatible, OPT_batch, OPT_micro_batch, OPT_recompute,
        OPT_held_out, OPT_dtype, OPT_recipe, OPT_muon_lr,
    };
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) {
        if (!o->given[sizes[i]])
            continue;
        const char *name = cli_option_table[sizes[i]].name;
        if (!o->given[OPT_plan])
            return cli_usage("--%s says nothing without --plan", name);
        if (o->operands && i < 8)
            return cli_usage("--%s is for a model to be made; %s has its"
                             " own", name, o->operand[0]);
    }
    return CLI_DONE;
}

/* The tokens of a run on the built-in names. */
static int64_t info_vocabulary(lh_context *ctx)
{
    size_t size;
    lh_dataset *d = lh_dataset_names(ctx);
    const char *text = lh_dataset_bytes(d, &size);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, size);
    int64_t count = lh_tokenizer_vocabulary(k);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    return count;
}

static void info_plan_show(const lh_config *c, const lh_train_settings *s,
                           const lh_plan *p, bool json)
{
    const struct { const char *name; int64_t bytes; } row[] = {
        { "parameters", p->parameters }, { "gradients", p->gradients },
        { "moments", p->moments }, { "activations", p->activations },
        { "scratch", p->scratch }, { "data", p->data }, { "peak", p->peak },
        { "machine", cli_memory() },
    };
    int rows = (int)(sizeof row / sizeof *row);
    int64_t part = s->micro_batch && s->micro_batch < s->batch
        ? s->micro_batch : s->batch;
    char a[32], b[32], d[32];
    if (!json)
        printf("model  %lld layer%s, %lld wide, %lld heads, context %lld, %s"
               " tokens\nstep   %s windows of %lld, %s at once%s%s\n\n",
               (long long)c->layers, c->layers > 1 ? "s" : "",
               (long long)c->width, (long long)c->heads,
               (long long)c->context, cli_count(a, c->vocabulary),
               cli_count(b, s->batch), (long long)c->context,
               cli_count(d, part),
               s->recompute ? "; layers computed again" : "",
               s->dtype == LH_BF16 ? "; in bf16" : "");
    for (int i = 0; i < rows; i++) {
        if (json)
            printf("%s\"%s\": %lld", i ? ", " : "{", row[i].name,
                   (long long)row[i].bytes);
        else
            printf("%s%-12s %9s %22s\n", i == rows - 2 ? "\n" : "",
                   row[i].name, cli_bytes(a, row[i].bytes),
                   cli_count(b, row[i].bytes));
    }
    if (json)
        printf("}\n");
}

static int info_plan(lh_context *ctx, const cli_options *o)
{
    const char *preset = o->given[OPT_preset] ? o->text[OPT_preset] : "micro";
    lh_config c;
    lh_train_settings s;
    lh_plan plan;
    int code = cli_settings(ctx, o, preset, &s);
    if (!code && !o->operands)
        code = cli_config(ctx, o, preset, &c);
    if (code)
        return code;
    if (o->operands && lh_config_load(ctx, o->operand[0], &c))
        return cli_error(ctx);
    if (o->given[OPT_vocabulary])
        c.vocabulary = o->integer[OPT_vocabulary];
    else if (!o->operands)
        c.vocabulary = info_vocabulary(ctx);
    if (lh_train_plan(ctx, &c, &s, NULL, &plan))
        return cli_impossible(ctx);
    info_plan_show(&c, &s, &plan, o->given[OPT_json]);
    return CLI_DONE;
}

int cli_info(const cli_options *o, lh_context *ctx)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    int code = info_needless(o);
    if (code)
        return code;
    if (o->given[OPT_plan])
        code = info_plan(ctx, o);
    else if (!o->operands)
        (o->given[OPT_json] ? info_machine_json : info_machine)(ctx);
    else
        code = cli_model_load(ctx, o->operand[0], &m, &k);
    if (m)
        (o->given[OPT_json] ? info_model_json : info_model)(m, k);
    lh_tokenizer_free(k);
    lh_model_free(m);
    return code;
}
