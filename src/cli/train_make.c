/* What a run trains: tokenizer, model, trainer; and that there is memory for
 * it. */
#include "cli/train.h"

/* Of a large text byte pairs are learned from so many bytes. */
enum { TRAIN_LEARN = 1 << 26 };

/* A run that the machine has not the memory for is not begun. */
static int train_plan(cli_train_run *r)
{
    char peak[32], most[32], part[32];
    lh_plan plan;
    if (lh_train_plan(r->ctx, &r->config, &r->settings, r->data.dataset,
                      &plan))
        return cli_impossible(r->ctx);
    int64_t memory = cli_memory();
    r->peak = plan.peak;
    if (!memory || plan.peak <= memory)
        return CLI_DONE;
    cli_bytes(peak, plan.peak);
    cli_bytes(most, memory);
    cli_bytes(part, plan.activations);
    if (plan.peak - plan.activations > memory)
        return cli_fail("the run needs %s of memory, this machine has %s;"
                        " take a smaller model: --layers, --width", peak,
                        most);
    return cli_fail("the run needs %s of memory, %s of it for activations,"
                    " this machine has %s; take a smaller --micro-batch,"
                    " --recompute or --dtype bf16", peak, part, most);
}

/* Data that is not in memory leaves its tokens beside the run, or in a
 * temporary folder. */
static int train_cache(cli_train_run *r)
{
    const char *temporary = getenv("TMPDIR");
    int size = snprintf(r->cache, sizeof r->cache, "%s%s", r->dir.path
                        ? r->dir.path : temporary ? temporary : "/tmp",
                        r->dir.path ? "" : "/longhand-XXXXXX");
    if (size < 0 || (size_t)size + 8 > sizeof r->cache)
        return cli_fail("the path of the folder for tokens is too long");
    if (!r->dir.path && !mkdtemp(r->cache))
        return cli_fail("%s: no folder for tokens can be made there: %s",
                        r->cache, strerror(errno));
    strcat(r->cache, "/data");
    r->settings.cache = r->cache;
    return CLI_DONE;
}

static bool train_goes_on(void *user, int64_t tokens)
{
    (void)user, (void)tokens;
    return !cli_stop;
}

/* Byte pairs of the training part. */
static int train_pairs(cli_train_run *r, int64_t vocabulary)
{
    const char *special = "<|endoftext|>";
    lh_split split = { LH_PART_TRAINING, r->settings.held_out,
                       r->settings.seed };
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(r->ctx);
    int code = t ? cli_tokenizer_feed(r->ctx, t, &r->data, &split,
                                      TRAIN_LEARN, NULL) : cli_error(r->ctx);
    if (!code)
        r->k = lh_tokenizer_trainer_make(t, vocabulary, &special, 1,
                                         train_goes_on, NULL);
    lh_tokenizer_trainer_free(t);
    return code ? code : r->k ? CLI_DONE : cli_error(r->ctx);
}

int cli_train_from(cli_train_run *r)
{
    static const cli_option own[] = {
        OPT_tokenizer, OPT_layers, OPT_width, OPT_heads, OPT_kv_heads,
        OPT_feed_forward, OPT_context, OPT_compatible,
    };
    const cli_options *o = r->o;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (o->given[own[i]])
            return cli_usage("--from MODEL has its own tokenizer and sizes;"
                             " leave out --%s", cli_option_table[own[i]].name);
    int code = cli_model_load(r->ctx, o->text[OPT_from], &r->from, &r->k);
    if (code)
        return code;
    r->config = *lh_model_config(r->from);
    if (o->given[OPT_dropout])
        r->config.dropout = o->real[OPT_dropout];
    return CLI_DONE;
}

/* Its weights, which a new model of its sizes begins with. */
static void train_take(cli_train_run *r)
{
    const lh_params *p = lh_model_params(r->m);
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        memcpy(lh_tensor_data(x), lh_tensor_data(lh_params_get(
               lh_model_params(r->from), i, NULL)),
               (size_t)lh_tensor_size(x) * sizeof(float));
    }
    lh_model_free(r->from);
    r->from = NULL;
}

int cli_train_tokenizer(cli_train_run *r)
{
    const lh_data_facts *f = &r->data.facts;
    bool free = !r->o->given[OPT_tokenizer] && strcmp(r->preset, "micro") &&
                f->by != LH_DOCUMENTS_LINES;
    int64_t vocabulary = !free ? 0
        : cli_data_pairs((1 - r->settings.held_out) * (double)f->bytes);
    r->learned = vocabulary > 0;
    if (vocabulary)
        return train_pairs(r, vocabulary);
    r->k = free && f->invalid ? lh_tokenizer_bytes(r->ctx)
         : cli_data_tokenizer(r->ctx, r->o, r->data.dataset);
    return r->k ? CLI_DONE : cli_error(r->ctx);
}

int cli_train_make(cli_train_run *r)
{
    int code = r->k ? CLI_DONE : cli_train_tokenizer(r);
    if (code)
        return code;
    if (lh_tokenizer_border(r->k) < 0)
        return cli_fail("%s: it has no token that ends a document",
                        r->o->text[r->from ? OPT_from : OPT_tokenizer]);
    if (r->dir.path && lh_tokenizer_savable(r->ctx, r->k))
        return cli_error(r->ctx); /* not after hours                       */
    if (!r->from)
        r->config.vocabulary = lh_tokenizer_vocabulary(r->k);
    if (!r->data.facts.loaded)
        code = train_cache(r);
    if (!code)
        code = train_plan(r);
    if (!code)
        r->m = lh_model_new(r->ctx, &r->config, r->settings.seed);
    if (r->m && r->from)
        train_take(r);
    if (r->m)
        r->trainer = lh_trainer_new(r->ctx, r->m, r->k, r->data.dataset,
                                    &r->settings);
    if (r->cache[0] && !r->dir.path) {
        char file[sizeof r->cache + 16];
        snprintf(file, sizeof file, "%s.tokens", r->cache);
        unlink(file);             /* it is open, and gone with the run     */
        snprintf(file, sizeof file, "%s.windows", r->cache);
        unlink(file);
        *strrchr(r->cache, '/') = 0;
        rmdir(r->cache);
    }
    return code ? code : r->trainer ? CLI_DONE : cli_impossible(r->ctx);
}
