/* What a run keeps beside weights and losses.  Nothing here changes a bit of
 * the run, so that all of it may go by the clock and be left out. */
#include "cli/record.h"
#include "cli/report_log.h"

#include <math.h>
#include <time.h>

/* Tokens of a sample; norms of so many steps of a run. */
enum { RECORD_TOKENS = 120, RECORD_NAMES = 8, RECORD_NORMS = 50,
       RECORD_COPY = 1 << 22 };   /* parameters of a small model           */

double cli_record_flops(const lh_config *c, double length)
{
    double heads = (double)(c->heads * c->head_size);
    double kv = (double)(c->kv_heads * c->head_size);
    double width = (double)c->width;
    double forward = c->activation == LH_SWIGLU || c->activation == LH_GEGLU
                   ? 3 : 2;
    double layer = 2 * width * (heads + kv) +
                   forward * width * (double)c->feed_forward;
    /* 2mnk of each product; attention has two, their causal half. */
    return 3 * (2 * ((double)c->layers * layer +
                     width * (double)c->vocabulary) +
                2 * (double)c->layers * length * heads);
}

/* ------------------------------------------------------------- the run -- */

static void record_count(FILE *f, const char *name, int64_t n)
{
    char a[32];
    cli_json_text(f, name, cli_count(a, n));
}

static void record_real(FILE *f, const char *name, double x)
{
    fprintf(f, ", \"%s\": %.6g", name, x);
}

static void record_about(const cli_record *r, FILE *f)
{
    char text[1024] = "longhand", started[64];
    time_t now = time(NULL);
    struct tm utc;
    size_t at = strlen(text);
    for (int i = 1; i < r->o->argc && at + 2 < sizeof text; i++) {
        snprintf(text + at, sizeof text - at, " %s", r->o->argv[i]);
        at += strlen(text + at);
    }
    for (char *c = text; *c; c++)
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    fputs("{\"run\": ", f);
    cli_json_text(f, "{command", text);
    if (gmtime_r(&now, &utc) && strftime(started, sizeof started,
                                         "%Y-%m-%d %H:%M UTC", &utc))
        cli_json_text(f, "started", started);
    cli_json_text(f, "longhand", lh_version());
    const lh_config *c = lh_model_config(r->m);
    char a[32];
    snprintf(text, sizeof text, "%s: %lld layer%s, %lld wide, context %lld;"
             " %s parameters", r->preset, (long long)c->layers,
             c->layers > 1 ? "s" : "", (long long)c->width,
             (long long)c->context,
             cli_count(a, lh_params_size(lh_model_params(r->m))));
    cli_json_text(f, "what", text);
    fputs("}", f);
}

static void record_data(const cli_record *r, FILE *f)
{
    const lh_data_facts *d = &r->data->facts;
    size_t bytes;
    int32_t *ids = NULL;
    int64_t count = 0;
    const char *text = lh_dataset_bytes(r->data->dataset, &bytes);
    char hash[32];
    fputs(", \"data\": ", f);
    record_count(f, "{documents", d->documents);
    record_count(f, "bytes", d->bytes);
    record_real(f, "held out", r->settings->held_out);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)d->hash);
    cli_json_text(f, "hash", hash);
    fputs("}, \"tokenizer\": ", f);
    cli_json_text(f, "{kind", lh_tokenizer_kind(r->k));
    record_count(f, "tokens", lh_tokenizer_vocabulary(r->k));
    size_t some = text && d->loaded && !d->ids
        ? lh_text_whole(text, bytes < 16384 ? bytes : 16384) : 0;
    if (some && !lh_tokenizer_encode(r->ctx, r->k, text, some, &ids, &count)
        && count)
        record_real(f, "bytes per token", (double)some / (double)count);
    lh_memory_free(r->ctx, ids);
    lh_error_clear(r->ctx);
    fputs("}", f);
}

static void record_settings(const cli_record *r, FILE *f)
{
    const lh_config *c = lh_model_config(r->m);
    const lh_train_settings *s = r->settings;
    const lh_adamw_settings *w = &s->adamw;
    fputs(", \"model\": ", f);
    cli_json_text(f, "{preset", r->preset);
    cli_json_integer(f, "parameters", lh_params_size(lh_model_params(r->m)));
    cli_json_integer(f, "layers", c->layers);
    cli_json_integer(f, "width", c->width);
    cli_json_integer(f, "heads", c->heads);
    cli_json_integer(f, "kv heads", c->kv_heads);
    cli_json_integer(f, "feed-forward", c->feed_forward);
    cli_json_integer(f, "context", c->context);
    record_real(f, "dropout", c->dropout);
    fputs("}, \"training\": ", f);
    cli_json_integer(f, "{steps", s->steps);
    cli_json_integer(f, "batch", s->batch);
    cli_json_integer(f, "micro-batch", s->micro_batch ? s->micro_batch
                                                      : s->batch);
    record_real(f, "learning rate", w->learning_rate);
    cli_json_text(f, "schedule", cli_schedule[s->schedule]);
    cli_json_integer(f, "warm-up", s->warm_up);
    cli_json_integer(f, "cool-down", s->cool_down);
    record_real(f, "beta 1", w->beta1);
    record_real(f, "beta 2", w->beta2);
    record_real(f, "weight decay", w->weight_decay);
    record_real(f, "clip", w->clip);
    cli_json_text(f, "dtype", s->dtype == LH_BF16 ? "bf16" : "f32");
    fprintf(f, ", \"seed\": %llu}", (unsigned long long)s->seed);
}

int cli_record_start(cli_record *r)
{
    char a[32];
    size_t size;
    FILE *f = open_memstream(&r->run, &size);
    if (!f)
        return cli_fail("out of memory");
    record_about(r, f);
    record_data(r, f);
    record_settings(r, f);
    fputs(", \"machine\": ", f);
    cli_json_text(f, "{cpu", lh_cpu_name(r->ctx));
    cli_json_text(f, "kernels", lh_cpu_level(r->ctx));
    fprintf(f, ", \"threads\": %d", lh_threads(r->ctx));
    cli_json_text(f, "memory", cli_bytes(a, r->peak));
    fputs("}}", f);
    r->sampled = r->kept = r->reported = cli_clock();
    double parameters = (double)lh_params_size(lh_model_params(r->m));
    r->sample_cost = RECORD_TOKENS * (5e-6 + 4e-10 * parameters);
    r->keep_cost = 0.02 + 8e-9 * parameters;
    char best[4200];
    snprintf(best, sizeof best, "%s/best/config.json", r->directory
             ? r->directory : "");
    r->kept_step = r->directory && access(best, R_OK) == 0 ? -1 : 0;
    return fclose(f) ? cli_fail("out of memory") : CLI_DONE;
}

void cli_record_free(cli_record *r)
{
    free(r->run);
    free(r->copy);
    free(r->sample);
}

/* --------------------------------------------------------------- sample -- */

static bool record_sample_due(const cli_record *r, const cli_view *v,
                              const lh_progress *p)
{
    double since = cli_clock() - r->sampled;
    int64_t steps = r->o->integer[OPT_sample_every];
    if (r->o->given[OPT_sample_every])
        return steps ? p->step % steps == 0
                     : since >= r->o->real[OPT_sample_every];
    steps = p->steps >= 10 ? p->steps / 10 : 1;
    return (r->directory || v->mode == CLI_VIEW_LIVE) &&
           (p->step % steps == 0 || p->step == p->steps) &&
           since >= 100 * r->sample_cost;
}

int cli_record_sample(cli_record *r, const cli_view *v, const lh_progress *p)
{
    bool lines = r->data->facts.by == LH_DOCUMENTS_LINES;
    size_t size;
    r->fresh = !cli_stop && record_sample_due(r, v, p);
    if (!r->fresh)
        return CLI_DONE;
    free(r->sample);
    r->sample = NULL;
    double start = cli_clock();
    lh_trainer_average(r->trainer, true);
    FILE *f = open_memstream(&r->sample, &size);
    cli_writing w = {
        .ctx = r->ctx, .m = r->m, .k = r->k, .seed = r->settings->seed,
        .how = { .temperature = r->o->real[OPT_temperature] },
        .length = lines ? 0 : RECORD_TOKENS,
        .count = lines ? RECORD_NAMES : 1,
        .code = f ? CLI_DONE : cli_fail("out of memory"),
    };
    while (cli_write(&w)) {
        fwrite(w.text, 1, w.size, f);
        if (w.count)
            fputc('\n', f);
    }
    if (f && fclose(f) && !w.code)
        w.code = cli_fail("out of memory");
    r->sampled = cli_clock();
    r->sample_cost = r->sampled - start;
    return w.code;
}

/* ------------------------------------------------------------- the line -- */

bool cli_record_norms_due(const lh_progress *p)
{
    int64_t every = p->steps / RECORD_NORMS;
    return p->step % (every > 4 ? every : 4) == 0 || p->step == p->steps;
}

/* The group of a parameter: 0 before the layers, 1 .. layers, then the
 * rest. */
static int64_t record_group(const char *name, int64_t layers, bool *begun)
{
    const char *found = strstr(name, "layers.");
    if (!found)
        return *begun ? layers + 1 : 0;
    *begun = true;
    int64_t layer = strtoll(found + 7, NULL, 10);
    return layer < layers ? layer + 1 : layers;
}

static int record_norms(cli_record *r, FILE *f)
{
    const lh_params *p = lh_model_params(r->m);
    int64_t count = lh_params_count(p);
    int64_t layers = lh_model_config(r->m)->layers;
    size_t room = (size_t)(2 * (count + layers + 2));
    double *norm = calloc(room, sizeof *norm);
    if (!norm)
        return cli_fail("out of memory");
    lh_trainer_average(r->trainer, false);
    if (lh_trainer_norms(r->trainer, norm, norm + count)) {
        free(norm);
        return cli_error(r->ctx);
    }
    double *sum = norm + 2 * count;
    for (int weights = 0; weights < 2; weights++) {
        bool begun = false;
        memset(sum, 0, (size_t)(layers + 2) * sizeof *sum);
        for (int64_t i = 0; i < count; i++) {
            const char *name;
            lh_params_get(p, i, &name);
            double x = norm[weights * count + i];
            sum[record_group(name, layers, &begun)] += x * x;
        }
        fprintf(f, ", \"%s\": [", weights ? "weights" : "gradients");
        for (int64_t i = 0; i < layers + 2; i++)
            fprintf(f, "%s%.5g", i ? ", " : "", sqrt(sum[i]));
        fputs("]", f);
    }
    free(norm);
    return CLI_DONE;
}

char *cli_record_more(cli_record *r, const cli_step *report)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    if (cli_record_norms_due(&report->progress))
        record_norms(r, f);
    if (r->fresh && r->sample)
        cli_json_text(f, "sample", r->sample);
    if (!r->told)
        fprintf(f, ", \"run\": %s", r->run);
    r->told = true;
    if (r->steps)
        cli_json_integer(f, "corrected_steps", r->steps);
    r->steps = 0;
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

/* ----------------------------------------------------------------- best -- */

/* The weights into the copy, or both exchanged. */
static void record_copy(cli_record *r, bool exchange)
{
    const lh_params *p = lh_model_params(r->m);
    float *copy = r->copy;
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        float *weight = lh_tensor_data(x);
        for (int64_t j = lh_tensor_size(x); j > 0; j--, copy++, weight++) {
            float kept = *copy;
            *copy = *weight;
            *weight = exchange ? kept : *weight;
        }
    }
}

static int record_write(cli_record *r, int64_t step)
{
    char path[4200];
    double start = cli_clock();
    snprintf(path, sizeof path, "%s/best", r->directory);
    if (lh_model_save_as(r->ctx, r->m, r->k, path,
                         (lh_weights)r->o->integer[OPT_weights]))
        return cli_error(r->ctx);
    r->kept = cli_clock();
    r->keep_cost = r->kept - start;
    r->kept_step = step;
    return CLI_DONE;
}

int cli_record_best(cli_record *r, int64_t step)
{
    int64_t size = lh_params_size(lh_model_params(r->m));
    if (!r->directory)
        return CLI_DONE;
    lh_trainer_average(r->trainer, true);        /* what was judged        */
    if (!r->copy && size <= RECORD_COPY)
        r->copy = malloc((size_t)size * sizeof *r->copy);
    r->copy_step = r->copy ? step : 0;
    if (r->copy)
        record_copy(r, false);
    return r->copy && cli_clock() - r->kept < 20 * r->keep_cost ? CLI_DONE
         : record_write(r, step);
}

int cli_record_keep(cli_record *r, const cli_view *v)
{
    if (r->copy_step != v->best_step || r->kept_step == v->best_step ||
        !r->copy_step)
        return CLI_DONE;
    record_copy(r, true);
    int code = record_write(r, v->best_step);
    record_copy(r, true);
    return code;
}

/* ----------------------------------------------------------------- card -- */

/* Whether a file holds a word within its first 64 kB; 0: there is none. */
static int record_holds(const char *path, const char *word)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return strstr(text, word) ? 1 : -1;
}

static void record_card(const cli_record *r, FILE *f, const cli_view *v,
                        bool loads)
{
    const char *at = r->run, *part, *members, *key, *value;
    const char *slash = strrchr(r->directory, '/');
    fprintf(f, "---\n%spipeline_tag: text-generation\ntags:\n- longhand\n---"
            "\n\n# ", loads ? "library_name: transformers\n" : "");
    slash = slash && slash[1] ? slash + 1 : r->directory;
    cli_log_escape(f, slash, strlen(slash));
    fprintf(f, "\n\nA language model made with Longhand %s.\n\n",
            lh_version());
    if (v->best - v->best == 0)
        fprintf(f, "Held-out loss: %.4f nats per token at the end, %.4f at"
                " best (step %lld)", v->held_out, v->best,
                (long long)v->best_step);
    if (v->bits - v->bits == 0)
        fprintf(f, "; %.4f bits per byte at the end", v->bits);
    fputs(v->best - v->best == 0 ? ".\n\n" : "", f);
    fputs("```\nlonghand sample .\nlonghand eval . TEXT\n```\n\n", f);
    if (loads)
        fputs("```python\nfrom transformers import AutoModelForCausalLM,"
              " PreTrainedTokenizerFast\n"
              "model = AutoModelForCausalLM.from_pretrained(\".\")\n"
              "tokenizer = PreTrainedTokenizerFast(tokenizer_file="
              "\"tokenizer.json\")\n```\n\n", f);
    fputs("| | |\n|---|---|\n", f);
    while (cli_log_next(&at, &part, &members)) {
        fputs("| **", f);
        cli_log_show(f, part);
        fputs("** | |\n", f);
        while (cli_log_next(&members, &key, &value)) {
            fputs("| ", f);
            cli_log_show(f, key);
            fputs(" | ", f);
            cli_log_show(f, value);
            fputs(" |\n", f);
        }
    }
    fputs("\n`report.html` shows how it was trained.\n", f);
}

int cli_record_end(cli_record *r, const cli_view *v, int64_t step)
{
    /* A directory without config.json holds no model, nor half of one. */
    static const char *const file[] = { "config.json", "model.safetensors",
                                        "tokenizer.json",
                                        "tokenizer_config.json", "" };
    char path[4200], aside[4240];
    int code = v->best_step == step ? CLI_DONE : cli_record_keep(r, v);
    if (code)
        return code;
    if (v->best_step == step)
        for (int i = 0; i < 5; i++) {
            snprintf(path, sizeof path, "%s/best/%s", r->directory, file[i]);
            remove(path);
        }
    snprintf(path, sizeof path, "%s/config.json", r->directory);
    bool loads = record_holds(path, "LlamaForCausalLM") > 0 ||
                 record_holds(path, "NanoChatForCausalLM") > 0 ||
                 record_holds(path, "LMHeadModel") > 0;
    snprintf(path, sizeof path, "%s/README.md", r->directory);
    snprintf(aside, sizeof aside, "%s.tmp-%ld", path, (long)getpid());
    if (record_holds(path, "made with Longhand") < 0)
        return CLI_DONE;          /* somebody's own                        */
    FILE *f = fopen(aside, "w");
    if (!f)
        return cli_fail("%s: cannot be written", aside);
    record_card(r, f, v, loads);
    if ((ferror(f) | fclose(f)) || rename(aside, path) != 0) {
        unlink(aside);
        return cli_fail("%s: writing failed", path);
    }
    return CLI_DONE;
}

void cli_record_report(cli_record *r, bool now)
{
    char path[4200], *directory = (char *)(uintptr_t)r->directory;
    double start = cli_clock();
    if (!r->directory || (!now && start - r->reported < 200 * r->report_cost))
        return;
    snprintf(path, sizeof path, "%s/report.html", r->directory);
    cli_report_write(path, 1, &directory);
    r->reported = cli_clock();
    r->report_cost = r->reported - start;
}
