/* Kernels alone: each beside the limit that binds it. */
#include "cli/bench.h"

/* The line of a timing, one or several added up. */
static int kernels_say(bench *b, const char *name, const lh_timing *t)
{
    double arithmetic = t->fma > 0 ? t->flops / t->fma : 0;
    double memory = t->read > 0 ? t->bytes / t->read : 0;
    if (arithmetic >= memory)
        return bench_say(b, name, t->seconds, t->flops / t->seconds * 1e-9,
                         "GFLOP/s", t->fma * 1e-9);
    return bench_say(b, name, t->seconds, t->bytes / t->seconds * 1e-9,
                     "GB/s", t->read * 1e-9);
}

/* Times it, says so, and adds `times` launches of it to *sum. */
static int kernels_part(bench *b, const char *name, const char *kernel,
                        const int64_t *size, int times, lh_timing *sum)
{
    lh_timing t;
    if (lh_kernel_time(b->ctx, kernel, size, b->seconds, &t))
        return cli_error(b->ctx);
    sum->seconds += times * t.seconds;
    sum->flops += times * t.flops;
    sum->fma = t.fma > sum->fma ? t.fma : sum->fma;
    return kernels_say(b, name, &t);
}

int bench_kernel(bench *b, const bench_work *w)
{
    lh_timing alone = { 0 };
    return kernels_part(b, w->name, w->kind, w->size, 1, &alone);
}

/* Each direction, and both together. */
int bench_attention(bench *b, const bench_work *w)
{
    static const char *const way[2] = { "forward", "backward" };
    lh_timing sum = { 0 };
    int code = CLI_DONE;
    for (int i = 0; i < 2 && !code; i++) {
        char kernel[32], name[64];
        snprintf(kernel, sizeof kernel, "attention_%s", way[i]);
        snprintf(name, sizeof name, "%s %s", w->name, way[i]);
        code = kernels_part(b, name, kernel, w->size, 1, &sum);
    }
    return code ? code : kernels_say(b, w->name, &sum);
}

/* ------------------------------------------------------------- products -- */

/* y [rows, outputs] = x [rows, inputs] w^T, `count` times in a step. */
typedef struct kernels_product {
    int64_t outputs, inputs;
    int count;
} kernels_product;

enum { KERNELS_PRODUCTS = 8 };

static void kernels_add(kernels_product *list, int64_t outputs,
                        int64_t inputs, int64_t count)
{
    while (list->count && (list->outputs != outputs ||
                           list->inputs != inputs))
        list++;
    *list = (kernels_product){ outputs, inputs, list->count + (int)count };
}

/* The products of a model, equal ones together. */
static void kernels_list(kernels_product *list, const lh_config *c,
                         int64_t vocabulary)
{
    bool gated = c->activation == LH_SWIGLU || c->activation == LH_GEGLU;
    int64_t heads = c->heads * c->head_size;
    kernels_add(list, heads, c->width, c->layers);              /* q       */
    kernels_add(list, c->kv_heads * c->head_size, c->width,
                2 * c->layers);                                 /* k, v    */
    kernels_add(list, c->width, heads, c->layers);              /* o       */
    kernels_add(list, c->feed_forward, c->width,
                (gated ? 2 : 1) * c->layers);                   /* up, gate */
    kernels_add(list, c->width, c->feed_forward, c->layers);    /* down    */
    kernels_add(list, vocabulary, c->width, 1);                 /* head    */
}

/* A line for each product, m x n x k and how often a step has it, then the
 * step's products together. */
int bench_products(bench *b, const bench_work *w)
{
    kernels_product list[KERNELS_PRODUCTS] = { { 0 } };
    lh_config config;
    lh_timing sum = { 0 };
    int64_t rows = w->size[0];
    int code = CLI_DONE;
    if (lh_preset(b->ctx, w->kind, &config))
        return cli_error(b->ctx);
    kernels_list(list, &config, w->size[1]);
    for (int i = 0; list[i].count && !code; i++) {
        int64_t n = list[i].outputs, k = list[i].inputs;
        const struct {
            const char *form;
            int64_t size[4];
        } part[3] = {
            { "nt", { rows, n, k, 1 } }, { "nn", { rows, k, n, 1 } },
            { "tn", { n, k, rows, 1 } },
        };
        for (int p = 0; p < 3 && !code; p++) {
            char kernel[32], name[64];
            snprintf(kernel, sizeof kernel, "gemm%s_%s",
                     w->size[2] ? "_bf16" : "", part[p].form);
            snprintf(name, sizeof name, "%s %s %lldx%lldx%lld x%d", w->name,
                     part[p].form, (long long)part[p].size[0],
                     (long long)part[p].size[1], (long long)part[p].size[2],
                     list[i].count);
            code = kernels_part(b, name, kernel, part[p].size, list[i].count,
                                &sum);
        }
    }
    return code ? code : kernels_say(b, w->name, &sum);
}
