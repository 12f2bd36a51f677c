/* What is picked for a time: the sizes by the work that can be done in it,
 * the rest by how often the data is then seen, the steps by the clock. */
#include "cli/budget.h"
#include "cli/record.h"

#include <stdarg.h>

/* ----------------------------------------------------------------- rule -- */

/* From so many FLOPs on, as cli_record_flops() counts them, these sizes.
 * tokens: of a step; of lines half. */
static const struct {
    double work;
    int64_t layers, width, heads, context, tokens;
} budget_size[] = {
    { 0, 2, 64, 4, 64, 2048 },
    { 1e11, 4, 128, 4, 128, 3072 },
    { 2.8e13, 4, 192, 4, 128, 3072 },
    { 7.5e13, 6, 256, 4, 256, 4096 },
    { 5e14, 6, 384, 6, 256, 8192 },
    { 4e15, 8, 512, 8, 256, 16384 },
};
enum { BUDGET_SIZES = sizeof budget_size / sizeof *budget_size,
       BUDGET_AT_ONCE = 4096 };   /* tokens, of a larger step              */

/* A model learns its data by heart, the sooner the more parameters it has for
 * each token and the more often it sees them.  What is dropped, by the
 * product of both; beyond the last row more steps do not pay. */
static const struct { double heart, dropout; } budget_dropout[] = {
    { 5, 0 }, { 10, 0.05 }, { 20, 0.1 }, { 30, 0.2 },
};
static const double budget_heart = 30.0;
/* But so many steps are taken even of a page. */
static const double budget_least = 300.0;
/* Parameters for a token, at the most. */
static const double budget_most_parameters = 3.6;
/* Tables of n-grams know a text by heart that they see more often. */
static const double budget_tables = 2.0;

/* Shares of the time: of measuring (up to three times), of evaluating, of all
 * steps and evaluations together. */
static const double budget_measuring = 0.01;
static const double budget_evaluating = 0.12;
static const double budget_use = 0.97;

/* Of the layers. */
static double budget_parameters(int64_t layers, int64_t width)
{
    return 12 * (double)layers * (double)width * (double)width;
}

static int budget_row(double work, double tokens)
{
    int row = 0;
    for (int i = 1; i < BUDGET_SIZES; i++)
        if (work >= budget_size[i].work &&
            budget_parameters(budget_size[i].layers, budget_size[i].width)
            <= budget_most_parameters * tokens)
            row = i;
    return row;
}

/* -------------------------------------------------------------- picking -- */

static bool budget_free(const cli_budget *b, cli_option option)
{
    return !b->o.given[option] || b->picked[option];
}

/* Picks an option that is not given; a flag: format NULL. */
__attribute__((format(printf, 3, 4)))
static int budget_set(cli_budget *b, cli_option option, const char *format,
                      ...)
{
    if (!budget_free(b, option))
        return CLI_DONE;
    b->picked[option] = true;
    if (!format)
        return cli_option_give(&b->o, option, NULL);
    va_list list;
    va_start(list, format);
    vsnprintf(b->value[option], sizeof b->value[option], format, list);
    va_end(list);
    return cli_option_give(&b->o, option, b->value[option]);
}

static int budget_integer(cli_budget *b, cli_option option, int64_t n)
{
    return budget_set(b, option, "%lld", (long long)n);
}

static int64_t budget_multiple(int64_t n, int64_t of)
{
    return (n + of - 1) / of * of;
}

/* The sizes of a row, for documents of `length` bytes on average. */
static int budget_sizes(cli_budget *b, int row, const lh_data_facts *f)
{
    double length = (double)f->bytes / (double)f->documents + 1;
    int64_t context = budget_size[row].context;
    if (f->by == LH_DOCUMENTS_LINES && f->longest + 1 < context)
        context = budget_multiple(f->longest + 1, 16);
    if (!budget_free(b, OPT_context))
        context = b->o.integer[OPT_context];
    if (b->own)
        context = b->own->context;
    double window = length < (double)context ? length : (double)context;
    double tokens = (double)budget_size[row].tokens /
                    (f->by == LH_DOCUMENTS_LINES ? 2 : 1);
    int64_t batch = (int64_t)(tokens / window);
    int64_t some = (int64_t)(BUDGET_AT_ONCE / window);
    int code = budget_integer(b, OPT_batch, batch > 0 ? batch : 1);
    if (!code && batch > some)
        code = budget_integer(b, OPT_micro_batch, some > 0 ? some : 1);
    if (code || b->own)
        return code;
    int64_t heads = budget_size[row].heads, width = budget_size[row].width;
    if (b->o.given[OPT_kv_heads])
        heads = budget_multiple(heads, b->o.integer[OPT_kv_heads]);
    if (!budget_free(b, OPT_heads))
        heads = b->o.integer[OPT_heads];
    width = budget_multiple(width, heads);
    code = budget_integer(b, OPT_layers, budget_size[row].layers);
    if (!code && budget_free(b, OPT_width))
        code = budget_integer(b, OPT_heads, heads);
    if (!code)
        code = budget_integer(b, OPT_width, width);
    return code ? code : budget_integer(b, OPT_context, context);
}

/* ------------------------------------------------------------ measuring -- */

/* Some text of the data, and its tokens: steps on it cost what steps on all
 * of it do. */
typedef struct budget_some {
    lh_context *ctx;
    const lh_tokenizer *k;
    bool lines;
    char text[1 << 18];
    size_t size, bytes;           /* bytes: without what ends lines        */
    int64_t tokens;
    lh_dataset *data;
} budget_some;

static lh_status budget_take(void *user, const lh_piece *piece)
{
    budget_some *s = user;
    const char *text = piece->text;
    size_t size = piece->size, room = sizeof s->text - s->size - 1;
    char *decoded = NULL;
    int32_t *ids = NULL;
    int64_t count = 0;
    lh_status status = LH_OK;
    if (piece->ids) {
        status = lh_tokenizer_decode(s->ctx, s->k, piece->ids, piece->count,
                                     &decoded, &size, NULL);
        text = decoded;
    }
    if (!status && size > room)
        size = lh_text_whole(text, room);
    if (!status)
        status = lh_tokenizer_encode(s->ctx, s->k, text, size, &ids, &count);
    if (!status) {
        memcpy(s->text + s->size, text, size);
        s->size += size;
        s->bytes += size;
        s->tokens += count;
        if (s->lines && piece->last)
            s->text[s->size++] = '\n';
        if (s->size + 4096 > sizeof s->text)
            status = LH_ERROR_STOPPED;
    }
    lh_memory_free(s->ctx, ids);
    lh_memory_free(s->ctx, decoded);
    return status;
}

static int budget_sample(budget_some *s, const cli_corpus *data)
{
    lh_split split = { .part = LH_PART_ALL };
    lh_status status = lh_dataset_read(s->ctx, data->dataset, &split,
                                       budget_take, s);
    if (status && status != LH_ERROR_STOPPED)
        return cli_error(s->ctx);
    lh_error_clear(s->ctx);
    s->data = lh_dataset_text(s->ctx, s->text, s->size, s->lines
                              ? LH_DOCUMENTS_LINES : LH_DOCUMENTS_WHOLE);
    return s->data ? CLI_DONE : cli_error(s->ctx);
}

static int budget_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Trains a little: the first step takes memory, the median of the next ones
 * counts. */
static int budget_steps(cli_budget *b, lh_context *ctx, lh_trainer *r,
                        double *tokens)
{
    enum { MOST = 25 };
    double seconds[MOST], begun = cli_clock();
    lh_progress p = { 0 };
    int count = 0;
    if (lh_trainer_step(r, &p))
        return cli_error(ctx);
    do {
        double before = cli_clock();
        if (lh_trainer_step(r, &p))
            return cli_error(ctx);
        seconds[count++] = cli_clock() - before;
    } while (count < MOST && !cli_stop &&
             cli_clock() - begun + seconds[count - 1] <
             budget_measuring * b->seconds);
    qsort(seconds, (size_t)count, sizeof *seconds, budget_order);
    b->step = seconds[count / 2];
    *tokens = (double)p.tokens / (double)p.step;
    return CLI_DONE;
}

/* Seconds and tokens of a step with the options as they are; its FLOPs. */
static int budget_measure(cli_budget *b, const char *preset,
                          const budget_some *s, double *tokens, double *work)
{
    lh_config config;
    lh_train_settings settings;
    int code = CLI_DONE;
    if (b->own)
        config = *b->own;
    else
        code = cli_config(s->ctx, &b->o, preset, &config);
    if (!code)
        code = cli_settings(s->ctx, &b->o, preset, &settings);
    if (code)
        return code;
    if (!b->own)
        config.vocabulary = lh_tokenizer_vocabulary(s->k);
    settings.steps = 1 << 20;
    settings.warm_up = settings.cool_down = 0;
    settings.held_out = 0;
    lh_model *m = lh_model_new(s->ctx, &config, settings.seed);
    lh_trainer *r = m ? lh_trainer_new(s->ctx, m, s->k, s->data, &settings)
                      : NULL;
    code = r ? budget_steps(b, s->ctx, r, tokens) : cli_error(s->ctx);
    lh_trainer_free(r);
    lh_model_free(m);
    if (!code)
        *work = *tokens * cli_record_flops(&config, *tokens / (double)
                                           settings.batch);
    return code;
}

/* The number of steps, and how often they are interrupted to evaluate. */
static int budget_count(cli_budget *b, double tokens, double held_out,
                        double most)
{
    double left = budget_use * b->seconds - (cli_clock() - b->begun);
    double evaluation = b->step * held_out / tokens / 3;
    double times = budget_evaluating * b->seconds / (evaluation + 1e-9);
    times = times > 10 ? 10 : times > 1 ? (double)(int)times : 1;
    if (!(held_out > 0))
        evaluation = 0;
    b->evaluation = evaluation;
    double steps = (left - times * evaluation) / b->step;
    if (steps < 10)
        return cli_fail("--budget %s: fewer than ten steps of %.3g s fit in"
                        " beside reading, measuring and evaluating; give more"
                        " time, a smaller --held-out or --width",
                        b->o.text[OPT_budget], b->step);
    b->most = (double)(int64_t)(most > budget_least ? most : budget_least);
    b->enough = steps > b->most;
    steps = b->enough ? b->most : steps;
    int code = budget_integer(b, OPT_steps, (int64_t)steps);
    if (code || !(held_out > 0))
        return code;
    code = budget_integer(b, OPT_eval_every, (int64_t)(steps / times + 1));
    /* Else it would follow from the steps, which may be corrected. */
    int64_t patience = (int64_t)steps / b->o.integer[OPT_eval_every] / 4;
    return code ? code : budget_integer(b, OPT_patience,
                                        patience > 5 ? patience : 5);
}

static int budget_rule(cli_budget *b, const char *preset,
                       const cli_corpus *data, const budget_some *s,
                       double share)
{
    const lh_data_facts *f = &data->facts;
    double tokens = 1, work = 0, all = f->ids ? (double)f->units
        : (double)f->bytes * (double)s->tokens /
          (double)(s->bytes + !s->bytes);
    bool fast = b->o.integer[OPT_recipe] && !b->own;
    double training = (1 - share) * all;
    int row = budget_row(1e12, training);
    int code = fast ? budget_set(b, OPT_compatible, NULL) : CLI_DONE;
    if (!code)
        code = budget_sizes(b, row, f);
    if (!code)
        code = budget_measure(b, preset, s, &tokens, &work);
    int better = budget_row(work / b->step * b->seconds, training);
    if (!code)
        code = budget_sizes(b, better, f);
    if (!code && better != row)
        code = budget_measure(b, preset, s, &tokens, &work);
    if (code)
        return code;
    double passes = budget_use * b->seconds / b->step * tokens / training;
    double each = budget_parameters(b->own ? b->own->layers
                                    : b->o.integer[OPT_layers], b->own
                                    ? b->own->width
                                    : b->o.integer[OPT_width]) / training;
    int i = 0;
    while (passes * each > budget_dropout[i].heart &&
           budget_dropout[i].heart < budget_heart)
        i++;
    if (budget_dropout[i].dropout > 0)
        code = budget_set(b, OPT_dropout, "%g", budget_dropout[i].dropout);
    if (!code && passes <= budget_tables && b->picked[OPT_compatible]) {
        b->picked[OPT_compatible] = b->o.given[OPT_compatible] = false;
        code = budget_measure(b, preset, s, &tokens, &work);
    }
    return code ? code
         : budget_count(b, tokens, share * all,
                        budget_heart / each * training / tokens);
}

int cli_budget_start(cli_budget *b, const cli_options *o)
{
    *b = (cli_budget){ .o = *o, .begun = cli_clock(),
                       .seconds = o->real[OPT_budget] };
    if (!o->given[OPT_budget])
        return CLI_DONE;
    if (o->given[OPT_steps])
        return cli_usage("--budget picks the steps; give it or --steps");
    if (o->given[OPT_preset])
        return cli_usage("--budget picks the sizes; give it or --preset");
    return budget_set(b, OPT_recipe, "fast");
}

static lh_status budget_add(void *user, const lh_piece *piece)
{
    *(int64_t *)user += piece->ids ? piece->count : (int64_t)piece->size;
    return LH_OK;
}

/* What a share of documents is of the text, where it is in memory. */
static double budget_share(lh_context *ctx, const cli_corpus *data,
                           double share, uint64_t seed)
{
    const lh_data_facts *f = &data->facts;
    int64_t part = 0, all = f->ids ? f->units : f->bytes;
    lh_split split = { LH_PART_HELD_OUT, share, seed };
    if (!f->loaded || all < 1 ||
        (!(share > 0) && f->training == f->documents) ||
        lh_dataset_read(ctx, data->dataset, &split, budget_add, &part)) {
        lh_error_clear(ctx);
        return share;
    }
    return (double)part / (double)all;
}

int cli_budget_pick(cli_budget *b, lh_context *ctx, const char *preset,
                    const cli_corpus *data, const lh_tokenizer *k,
                    double share)
{
    budget_some *s = calloc(1, sizeof *s);
    if (!s)
        return cli_fail("out of memory");
    s->ctx = ctx;
    s->k = k;
    s->lines = data->facts.by == LH_DOCUMENTS_LINES;
    int code = budget_sample(s, data);
    if (!code)
        code = budget_rule(b, preset, data, s, budget_share(
                           ctx, data, share,
                           (uint64_t)b->o.integer[OPT_seed]));
    lh_dataset_free(s->data);
    free(s);
    return code;
}

/* ----------------------------------------------------------- correcting -- */

bool cli_budget_correct(cli_budget *b, const lh_train_settings *s,
                        int64_t done, int64_t *steps, int64_t *cool_down)
{
    double now = cli_clock(), used = now - b->steps_begun;
    double left = b->begun + budget_use * b->seconds - now;
    bool falls = done >= s->steps - s->cool_down;
    if (b->settled || !budget_free(b, OPT_cool_down) ||
        s->schedule != LH_TRAPEZOID || done < s->warm_up ||
        (!falls && used < left) || done >= s->steps)
        return false;
    b->settled = true;
    if (done < b->o.integer[OPT_eval_every])
        left -= b->evaluation;    /* it was in no time so far              */
    /* At the speed so far, evaluations and all; of the past half a step in
     * ten at the least, since a rate that does not fall helps nobody. */
    double rest = left > 0 ? left / used * (double)done : 0;
    rest = rest > (double)done / 10 + 1 ? rest : (double)done / 10 + 1;
    rest = rest < b->most - (double)done ? rest : b->most - (double)done;
    double planned = (double)(s->steps - done);
    if (rest > 0.95 * planned && rest < 1.05 * planned)
        return false;
    *cool_down = (int64_t)rest;
    *steps = done + *cool_down;
    return true;
}

int cli_budget_resize(cli_budget *b, const lh_train_settings *s)
{
    int code = budget_integer(b, OPT_steps, s->steps);
    if (!code)
        code = budget_integer(b, OPT_warm_up, s->warm_up);
    return code ? code : budget_integer(b, OPT_cool_down, s->cool_down);
}

/* -------------------------------------------------------------- keeping -- */

static const char *budget_path(char path[4200], const char *directory,
                               const char *more)
{
    snprintf(path, 4200, "%s/budget.txt%s", directory, more);
    return path;
}

int cli_budget_write(const cli_budget *b, const char *directory)
{
    char path[4200], aside[4200], more[32], own[3] = "--";
    FILE *f = fopen(budget_path(path, directory, ""), "r");
    if (f && fread(own, 1, 2, f) == 2 && strcmp(own, "--") != 0) {
        fclose(f);
        return cli_fail("--out %s: holds a budget.txt that is no run's; name"
                        " another directory", directory);
    }
    if (f)
        fclose(f);
    snprintf(more, sizeof more, ".tmp-%ld", (long)getpid());
    f = fopen(budget_path(aside, directory, more), "w");
    for (int i = 0; f && i < OPT_COUNT; i++)
        if (b->picked[i])
            fprintf(f, "--%s%s%s\n", cli_option_table[i].name,
                    b->value[i][0] ? " " : "", b->value[i]);
    bool good = f && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (f && fclose(f) != 0)
        good = false;
    if (good && rename(aside, path) == 0)
        return CLI_DONE;
    int code = cli_fail("%s: cannot be written: %s", path, strerror(errno));
    unlink(aside);
    return code;
}

bool cli_budget_read(cli_budget *b, const char *directory)
{
    char path[4200], line[128];
    const cli_budget before = *b;
    FILE *f = fopen(budget_path(path, directory, ""), "r");
    bool good = f != NULL;
    while (good && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *value = strchr(line, ' ');
        if (value)
            *value++ = 0;
        int i = 0;
        while (i < OPT_COUNT && !(cli_option_table[i].who & 1u << CLI_train &&
               strncmp(line, "--", 2) == 0 &&
               strcmp(line + 2, cli_option_table[i].name) == 0))
            i++;
        good = i < OPT_COUNT &&
               (value != NULL) == (cli_option_table[i].value.kind !=
                                   CLI_FLAG) &&
               !budget_set(b, (cli_option)i, value ? "%s" : NULL, value);
    }
    if (f)
        fclose(f);
    if (!good)                    /* of a damaged one nothing counts       */
        *b = before;
    b->settled = good;
    return good;
}

bool cli_budget_command(const cli_budget *b, char text[CLI_BUDGET_COMMAND])
{
    const char *more[2 * OPT_COUNT + 1];
    char name[OPT_COUNT][24];
    int count = 0;
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!b->picked[i])
            continue;
        snprintf(name[i], sizeof name[i], "--%s", cli_option_table[i].name);
        more[count++] = name[i];
        if (b->value[i][0])
            more[count++] = b->value[i];
    }
    more[count] = NULL;
    return cli_command(&b->o, more, OPT_budget, text, CLI_BUDGET_COMMAND);
}
