/* longhand info: this machine and its kernels; or a model's facts. */
#include <string.h>

#include "cli/cli.h"

/* -------------------------------------------------------------- machine -- */

/* A kernel's name without its direction: both are in the same row. */
static size_t info_base(const char *name)
{
    const char *const ending[] = { "_forward", "_backward" };
    size_t size = strlen(name);
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(ending[i]);
        if (size > length && strcmp(name + size - length, ending[i]) == 0)
            return size - length;
    }
    return size;
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
    printf("longhand %s\ncpu      %s\nlevel    %s\nthreads  %d\n\n"
           "instruction sets\n", lh_version(), lh_cpu_name(ctx),
           lh_cpu_level(ctx), lh_threads(ctx));
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++)
        printf("  %-12s%s\n", set, why);
    printf("\nkernels\n");
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++)
        info_kernels(ctx, set);
    printf("\npresets\n");
    for (int i = 0; (name = lh_preset_name(i, &what)); i++)
        printf("  %-12s%s\n", name, what);
}

static void info_string(const char *text)
{
    cli_json_string(stdout, text, strlen(text));
}

static void info_machine_json(lh_context *ctx)
{
    const char *set, *why, *row, *name;
    printf("{\"version\": ");
    info_string(lh_version());
    printf(", \"cpu\": ");
    info_string(lh_cpu_name(ctx));
    printf(", \"level\": ");
    info_string(lh_cpu_level(ctx));
    printf(", \"threads\": %d, \"instruction_sets\": {", lh_threads(ctx));
    for (int i = 0; (set = lh_cpu_reason(ctx, i, &why)); i++) {
        fputs(i ? ", " : "", stdout);
        info_string(set);
        printf(": ");
        info_string(why);
    }
    printf("}, \"kernels\": {");
    for (int i = 0; i < lh_kernel_count(); i++) {
        row = lh_kernel_row(ctx, i, &name);
        fputs(i ? ", " : "", stdout);
        info_string(name ? name : "?");
        printf(": ");
        info_string(row ? row : "?");
    }
    printf("}}\n");
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
    printf("{\"layers\": %lld, \"width\": %lld, \"heads\": %lld,"
           " \"kv_heads\": %lld, \"head_size\": %lld, \"feed_forward\": %lld,"
           " \"context\": %lld, \"vocabulary\": %lld, \"parameters\": %lld,"
           " \"tokenizer\": ", (long long)c->layers, (long long)c->width,
           (long long)c->heads, (long long)c->kv_heads,
           (long long)c->head_size, (long long)c->feed_forward,
           (long long)c->context, (long long)c->vocabulary,
           (long long)lh_params_size(p));
    info_string(lh_tokenizer_kind(k));
    printf(", \"tensors\": {");
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        const lh_tensor *x = lh_params_get(p, i, &name);
        fputs(i ? ", " : "", stdout);
        info_string(name);
        for (int d = 0; d < lh_tensor_dims(x); d++)
            printf("%s%lld", d ? ", " : ": [",
                   (long long)lh_tensor_shape(x)[d]);
        printf("]");
    }
    printf("}}\n");
}

int cli_info(const cli_options *o)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    int code;
    lh_context *ctx = cli_context(o, OPT_threads, &code);
    if (!ctx)
        return code;
    if (!o->operands)
        (o->given[OPT_json] ? info_machine_json : info_machine)(ctx);
    else
        code = cli_model_load(ctx, o->operand[0], &m, &k);
    if (m)
        (o->given[OPT_json] ? info_model_json : info_model)(m, k);
    lh_tokenizer_free(k);
    lh_model_free(m);
    lh_context_free(ctx);
    return code;
}
