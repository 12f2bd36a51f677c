/* longhand train: data, model, steps, and what is written at the end.
 *
 * The settings are the preset's, each overridden by its option.  What a run
 * leaves is a function of data, settings and seed; when it was interrupted,
 * shown or evaluated changes nothing.  Read cli_train() from the bottom. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/budget.h"
#include "cli/record.h"
#include "cli/rundir.h"

/* Of a large text byte pairs are learned from so many bytes. */
#define TRAIN_LEARN ((int64_t)1 << 26)

typedef struct train_run {
    const cli_options *o;
    cli_budget budget;            /* seconds 0: none is set                */
    lh_context *ctx;
    const char *preset;
    lh_config config;
    lh_train_settings settings;
    cli_corpus data;
    lh_tokenizer *k;
    lh_model *m, *from;           /* from: what --from names, or NULL      */
    lh_trainer *trainer;
    cli_rundir dir;               /* path NULL: nothing is saved           */
    cli_view view;
    cli_record record;
    cli_step last;                /* the step before                       */
    int64_t report_every, eval_every;
    int64_t patience;             /* in evaluations; 0: endless            */
    double saved;                 /* when, by cli_clock()                  */
    int64_t begun;                /* steps done before this process        */
    int64_t saved_step;           /* of the checkpoint; 0: none            */
    int64_t peak;                 /* bytes that it will hold               */
    int64_t planned;              /* steps, before they were corrected     */
    char cache[4200];             /* path of data that is not in memory    */
    bool learned;                 /* the tokenizer was, for this run       */
} train_run;

/* ------------------------------------------------------------- settings -- */

/* A preset's warm-up and held-out share are meant for its own length of run
 * and some data; where they do not fit and are not asked for, they give. */
static void train_fit(train_run *r)
{
    const cli_options *o = r->o;
    lh_train_settings *s = &r->settings;
    const lh_data_facts *f = &r->data.facts;
    if (!o->given[OPT_warm_up] && s->warm_up > s->steps / 10)
        s->warm_up = s->steps / 10;
    if (!o->given[OPT_cool_down] && s->cool_down > s->steps - s->warm_up)
        s->cool_down = s->steps - s->warm_up;
    if (!o->given[OPT_held_out] && f->documents == 1 &&
        f->bytes / 16 < r->config.context)
        s->held_out = 0;
    if (!o->given[OPT_held_out] && s->held_out * (double)f->bytes > 1e6)
        s->held_out = 1e6 / (double)f->bytes;
    if (f->training < f->documents)
        s->held_out = (double)(f->documents - f->training) /
                      (double)f->documents;
}

/* Ten times in a run, but not so often that evaluating costs more than a
 * part of training: at least as many tokens are trained on in between as an
 * evaluation scores, which is a third of the work. */
static int64_t train_eval_every(const train_run *r)
{
    const lh_train_settings *s = &r->settings;
    double documents = (double)r->data.facts.documents;
    double each = (double)r->data.facts.bytes / documents + 1;
    double window = each < (double)r->config.context
                  ? each : (double)r->config.context;
    double least = s->held_out * documents * each /
                   ((double)s->batch * window);
    double tenth = (double)s->steps / 10;
    double every = tenth > least ? tenth : least;
    return every > (double)s->steps ? s->steps
         : every > 1 ? (int64_t)every : 1;
}

static int train_settings(train_run *r)
{
    const cli_options *o = r->o;
    lh_train_settings *s = &r->settings;
    int code = cli_settings(r->ctx, o, r->preset, s);
    if (code)
        return code;
    train_fit(r);
    if (s->warm_up + s->cool_down > s->steps)
        return cli_usage("--warm-up and --cool-down are more than the %lld"
                         " --steps", (long long)s->steps);
    r->report_every = s->steps > 1000 ? s->steps / 1000 : 1;
    r->eval_every = train_eval_every(r);
    if (o->given[OPT_eval_every])
        r->eval_every = o->integer[OPT_eval_every];
    int64_t quarter = s->steps / r->eval_every / 4;
    r->patience = o->given[OPT_patience] ? o->integer[OPT_patience]
                : quarter > 5 ? quarter : 5;
    if (s->held_out <= 0 && (o->given[OPT_eval_every] ||
                             o->given[OPT_patience]))
        return cli_usage("--%s needs documents to evaluate on; add"
                         " --held-out 0.1", o->given[OPT_eval_every]
                         ? "eval-every" : "patience");
    return CLI_DONE;
}

/* --------------------------------------------------------------- making -- */

static int train_impossible(const train_run *r)
{
    int code = cli_error(r->ctx);
    lh_status status = lh_error_status(r->ctx);
    return status == LH_ERROR_SHAPE || status == LH_ERROR_ARGUMENT
        ? CLI_USAGE : code;
}

/* A run that the machine has not the memory for is not begun. */
static int train_plan(train_run *r)
{
    char peak[32], most[32], part[32];
    lh_plan plan;
    if (lh_train_plan(r->ctx, &r->config, &r->settings, r->data.dataset,
                      &plan))
        return train_impossible(r);
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
static int train_cache(train_run *r)
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
static int train_pairs(train_run *r, int64_t vocabulary)
{
    const char *special = "<|endoftext|>";
    lh_split split = { LH_PART_TRAINING, r->settings.held_out,
                       r->settings.seed };
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(r->ctx);
    int code = t ? cli_tokenizer_feed(r->ctx, t, r->data.dataset, &split,
                                      TRAIN_LEARN) : cli_error(r->ctx);
    if (!code)
        r->k = lh_tokenizer_trainer_make(t, vocabulary, &special, 1,
                                         train_goes_on, NULL);
    lh_tokenizer_trainer_free(t);
    return code ? code : r->k ? CLI_DONE : cli_error(r->ctx);
}

/* The model of --from: tokenizer and sizes are its own. */
static int train_from(train_run *r)
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
static void train_take(train_run *r)
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

/* What --tokenizer says, or what does best for so much text. */
static int train_tokenizer(train_run *r)
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

static int train_make(train_run *r)
{
    int code = r->k ? CLI_DONE : train_tokenizer(r);
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
    return code ? code : r->trainer ? CLI_DONE : train_impossible(r);
}

/* Where the products of bf16 run, and that they gain nothing there. */
static void train_say_bf16(lh_context *ctx)
{
    bool fast;
    const char *row = cli_bf16(ctx, &fast);
    printf("dtype  bf16, %s%s kernels; other bits than on other CPUs\n",
           fast ? "" : "emulated: no faster than f32 here; ", row);
}

static const char *train_name(const train_run *r)
{
    return r->o->given[OPT_from] ? r->o->text[OPT_from] : r->preset;
}

/* The command that needs no picking: with all of its numbers it is the same
 * run on every machine. */
static void train_say_command(const train_run *r)
{
    char text[CLI_BUDGET_COMMAND];
    if (cli_budget_command(&r->budget, text))
        printf("       the same run, to the bit: %s\n", text);
}

static void train_say_budget(const train_run *r)
{
    const cli_budget *b = &r->budget;
    char text[32];
    if (b->step > 0)
        printf("budget %s: a step takes %.3g ms here\n",
               b->o.text[OPT_budget], 1e3 * b->step);
    else
        printf("budget as it was when the run began\n");
    if (b->enough)
        printf("       more steps would only learn so little text by heart:"
               " about %s in all\n",
               cli_duration(text, b->step * (double)r->settings.steps));
    train_say_command(r);
}

/* What the run is about, in a few lines. */
static void train_say(const train_run *r)
{
    const lh_config *c = &r->config;
    const lh_train_settings *s = &r->settings;
    char a[32], b[32], text[CLI_DATA_TEXT];
    if (r->view.mode == CLI_VIEW_JSON || r->view.mode == CLI_VIEW_QUIET) {
        cli_data_notes(stderr, &r->data);
        return;
    }
    printf("longhand %s, %s kernels, %d thread%s, seed %llu\n",
           lh_version(), lh_cpu_level(r->ctx), lh_threads(r->ctx),
           lh_threads(r->ctx) > 1 ? "s" : "", (unsigned long long)s->seed);
    printf("data   %s; %s tokens: %s%s\n", cli_data_text(text, &r->data),
           cli_count(b, c->vocabulary), lh_tokenizer_kind(r->k),
           r->learned ? ", learned from it" : "");
    cli_data_notes(stdout, &r->data);
    printf("model  %s: %lld layer%s, %lld wide, %lld heads, context %lld;"
           " %s parameters\n", train_name(r), (long long)c->layers,
           c->layers > 1 ? "s" : "", (long long)c->width,
           (long long)c->heads, (long long)c->context,
           cli_count(a, lh_params_size(lh_model_params(r->m))));
    printf("train  %s steps of %lld, %s rate from %g", cli_count(a, s->steps),
           (long long)s->batch, cli_schedule(s->schedule),
           s->adamw.learning_rate);
    if (s->muon.learning_rate > 0)
        printf(", Muon's from %g", s->muon.learning_rate);
    if (s->held_out > 0)
        printf(", %g%% held out", 100 * s->held_out);
    printf("\n");
    if (s->dtype == LH_BF16)
        train_say_bf16(r->ctx);
    printf("memory %s at its peak", cli_bytes(a, r->peak));
    printf("\nout    %s", r->dir.path ? r->dir.path
           : "nothing is saved; --out DIR does");
    if (r->dir.resumes)
        printf(", going on from step %s", cli_count(a, r->begun));
    printf("\n");
    if (r->budget.seconds > 0)
        train_say_budget(r);
    printf("\n");
    fflush(stdout);
}

/* ---------------------------------------------------------------- steps -- */

static int train_failed(const train_run *r)
{
    const char *message = lh_error_message(r->ctx);
    char step[32];
    if (lh_error_status(r->ctx) != LH_ERROR_NUMBER)
        return cli_error(r->ctx);
    if (r->saved_step)
        return cli_fail("%s; the checkpoint of step %s is kept in %s",
                        message, cli_count(step, r->saved_step),
                        r->dir.path);
    return cli_fail("%s; nothing had been saved", message);
}

static int train_save(train_run *r)
{
    if (!r->dir.path || r->saved_step == r->last.progress.step)
        return CLI_DONE;
    int code = cli_rundir_sync(&r->dir);
    /* A better model is not lost with the process that has a copy of it. */
    if (!code && cli_record_keep(&r->record, &r->view))
        lh_error_clear(r->ctx);
    if (!code && lh_trainer_save(r->trainer, r->dir.checkpoint))
        code = train_failed(r);
    r->saved = cli_clock();
    if (code)
        return code;
    r->saved_step = r->last.progress.step;
    cli_record_report(&r->record, false);
    return CLI_DONE;
}

/* Checkpoints come by steps, or by the clock. */
static bool train_save_due(const train_run *r)
{
    int64_t steps = r->o->integer[OPT_save_every];
    if (steps)
        return r->last.progress.step % steps == 0;
    return cli_clock() - r->saved >= r->o->real[OPT_save_every];
}

/* Held-out losses beside the training loss, which has the ends of documents
 * too, and beside other tokenizers' (docs/eval.md). */
static lh_status train_evaluate(train_run *r)
{
    lh_evaluation e;
    lh_status status = lh_trainer_evaluate(r->trainer, &e);
    if (status)
        return status;
    char text[32];                /* as it is read back from the log       */
    snprintf(text, sizeof text, "%.9g", (e.nats + e.end_nats) /
                                        (double)(e.tokens + e.ends));
    r->last.held_out = strtod(text, NULL);
    r->last.bits = e.bytes ? e.nats / log(2) / (double)e.bytes : (double)NAN;
    return LH_OK;
}

/* Behind a step: evaluates, shows, logs, saves. */
static int train_behind(train_run *r)
{
    cli_step *report = &r->last;
    const lh_progress *p = &report->progress;
    bool end = p->step == p->steps;
    int code = CLI_DONE;
    report->held_out = report->bits = (double)NAN;
    bool evaluated = r->settings.held_out > 0 &&
                     (end || p->step % r->eval_every == 0);
    if (evaluated && train_evaluate(r))
        return train_failed(r);
    /* Neither a sample nor a copy that fails ends a run. */
    if (cli_record_sample(&r->record, &r->view, p))
        lh_error_clear(r->ctx);
    r->view.sample = r->record.sample;
    bool told = r->record.fresh || cli_record_norms_due(p);
    report->reported = end || evaluated || p->step % r->report_every == 0;
    cli_view_step(&r->view, report);
    if (!code && r->dir.path && (report->reported || told)) {
        char *more = cli_record_more(&r->record, report);
        code = cli_rundir_log(&r->dir, report, more);
        free(more);
    }
    if (!code && evaluated && r->view.best_step == p->step &&
        cli_record_best(&r->record, p->step))
        lh_error_clear(r->ctx);
    if (!code && !end && r->dir.path && train_save_due(r))
        code = train_save(r);
    if (ferror(stdout))
        cli_stop = 1;
    return code;
}

/* It has overfitted: the held-out loss is clearly above its best, no longer
 * falls, and has not been better for as long as --patience says.  All of this
 * stands in the log, so that a resumed run ends where the whole one does. */
static bool train_overfits(const train_run *r)
{
    const cli_view *v = &r->view;
    return r->patience && v->since >= r->patience && !v->falls &&
           v->held_out > 1.01 * v->best;
}

/* Another number of steps, where the machine is not as fast as measured. */
static int train_correct(train_run *r)
{
    lh_train_settings *s = &r->settings;
    int64_t steps, cool_down, planned = s->steps;
    if (!(r->budget.seconds > 0) ||
        !cli_budget_correct(&r->budget, s, r->last.progress.step, &steps,
                            &cool_down))
        return CLI_DONE;
    if (lh_trainer_resize(r->trainer, steps, cool_down))
        return train_failed(r);
    r->planned = planned;
    r->record.steps = s->steps = steps;
    s->cool_down = cool_down;
    cli_view_resize(&r->view, steps);
    int code = cli_budget_resize(&r->budget, s);
    return code || !r->dir.path ? code
         : cli_budget_write(&r->budget, r->dir.path);
}

/* To the last step, a signal, or a failure. */
static int train_steps(train_run *r)
{
    int code = CLI_DONE;
    r->saved = r->budget.steps_begun = cli_clock();
    while (!cli_stop && !code && r->last.progress.step < r->settings.steps &&
           !train_overfits(r)) {
        code = lh_trainer_step(r->trainer, &r->last.progress)
             ? train_failed(r) : train_behind(r);
        if (!code)
            code = train_correct(r);
    }
    if (!code)                    /* else it would erase what was said     */
        cli_view_end(&r->view, &r->last);
    return code;
}

/* ------------------------------------------------------------------ end -- */

/* One line: where it stopped, and the command that goes on. */
static int train_stopped(const train_run *r)
{
    char command[768], step[32], steps[32];
    const cli_options *o = r->o;
    cli_count(step, r->last.progress.step);
    cli_count(steps, r->settings.steps);
    if (!r->dir.path && ferror(stdout))
        return cli_flush();       /* says what became of the output        */
    if (!r->dir.path)
        return cli_fail("stopped at step %s of %s; nothing is saved: give"
                        " --out DIR to be able to go on", step, steps);
    if (!r->last.progress.step)
        return cli_fail("stopped before the first step");
    const char *more[] = { o->given[OPT_resume] ? NULL : "--resume", NULL };
    bool fits = cli_command(o, more, OPT_COUNT, command, sizeof command);
    return cli_fail("stopped at step %s of %s, saved in %s; go on with: %s",
                    step, steps, r->dir.path, fits ? command
                    : "the same command and --resume");
}

static int train_write(train_run *r)
{
    const cli_options *o = r->o;
    bool json = o->given[OPT_json];
    lh_sampling how = { .temperature = o->real[OPT_temperature] };
    cli_writing writing = { .how = &how };
    int64_t count = r->data.by == LH_DOCUMENTS_LINES ? 20 : 1;
    if (o->given[OPT_count] || json)     /* --json: steps, unless asked    */
        count = o->integer[OPT_count];
    if (r->data.by == LH_DOCUMENTS_WHOLE)
        writing.length = 4 * r->config.context;
    lh_session *s = lh_session_new(r->ctx, r->m, r->settings.seed);
    if (!s)
        return cli_error(r->ctx);
    int code = CLI_DONE;
    if (!json && r->view.mode != CLI_VIEW_QUIET && count)
        printf("\n");
    for (int64_t i = 0; i < count && !code && !cli_stop; i++) {
        char *text;
        size_t size;
        code = cli_write(r->ctx, s, r->m, r->k, &writing, &text, &size);
        if (code)
            break;
        bool known = lh_dataset_contains(r->data.dataset, text, size);
        if (json) {
            fputs("{\"text\": ", stdout);
            cli_json_string(stdout, text, size);
            printf(", \"in_data\": %s}\n", known ? "true" : "false");
        } else {
            fputs("  ", stdout);
            cli_text(stdout, text, size);
            int pad = known && size < 18 ? (int)(18 - size) : 1;
            printf("%*s%s\n", known ? pad : 0, "",
                   known ? "(in the data)" : "");
        }
        free(text);
    }
    lh_session_free(s);
    return code;
}

/* Says that a run has overfitted, and where the better model is. */
static void train_say_best(const train_run *r)
{
    const cli_view *v = &r->view;
    char a[32], b[32];
    bool early = r->last.progress.step < r->settings.steps && !cli_stop;
    FILE *f = r->view.mode <= CLI_VIEW_PLAIN ? stdout : stderr;
    if (!(v->held_out > 1.01 * v->best) || (f == stderr && !early))
        return;
    fprintf(f, "%soverfitted: the held-out loss was least, %.4f, at step %s,"
            " and is %.4f now", f == stderr ? "" : "\n", v->best,
            cli_count(a, v->best_step), v->held_out);
    if (early)
        fprintf(f, ", at step %s of %s: ended (--patience)",
                cli_count(a, r->last.progress.step),
                cli_count(b, r->settings.steps));
    if (r->record.kept_step)
        fprintf(f, "; the model of %s%s is in %s/best",
                r->record.kept_step > 0 ? "step " : "a better step",
                r->record.kept_step > 0 ? cli_count(b, r->record.kept_step)
                                        : "", r->dir.path);
    fputs("\n", f);
}

static int train_end(train_run *r)
{
    bool stopped = cli_stop && r->last.progress.step != r->settings.steps;
    int code = train_save(r);
    lh_trainer_average(r->trainer, true);
    if (!code && r->dir.path && r->last.progress.step) {
        if (lh_model_save_as(r->ctx, r->m, r->k, r->dir.path,
                             (lh_weights)r->o->integer[OPT_weights]))
            code = cli_error(r->ctx);
        if (!code)
            code = cli_record_end(&r->record, &r->view,
                                  stopped ? -1 : r->last.progress.step);
        if (!code)
            cli_record_report(&r->record, true);
    }
    if (!code && r->last.progress.step)
        train_say_best(r);
    if (code)
        return code;
    if (stopped)
        return train_stopped(r);
    if (r->planned && r->view.mode <= CLI_VIEW_PLAIN) {
        char a[32], b[32];
        printf("\n%s steps, not %s: the machine was %s than measured\n",
               cli_count(a, r->settings.steps), cli_count(b, r->planned),
               r->settings.steps < r->planned ? "slower" : "faster");
        train_say_command(r);
    }
    if (r->begun == r->settings.steps && r->view.mode == CLI_VIEW_PLAIN)
        printf("all %lld steps were done\n", (long long)r->settings.steps);
    lh_trainer_free(r->trainer);  /* its memory is the sampling's          */
    r->trainer = NULL;
    return train_write(r);
}

/* ------------------------------------------------------------------ run -- */

/* Sizes, steps and the rest for the time there is: measured, or what was
 * picked when the run began. */
static int train_budget(train_run *r)
{
    cli_budget *b = &r->budget;
    const cli_options *o = r->o;
    int code = CLI_DONE;
    if (!(o->given[OPT_resume] && cli_budget_read(b, o->text[OPT_out]))) {
        if (!r->k)
            code = train_tokenizer(r);
        b->own = r->from ? &r->config : NULL;
        if (!code)
            code = cli_budget_pick(b, r->ctx, r->preset, &r->data, r->k,
                                   r->settings.held_out);
    }
    if (!code && !r->from)
        code = cli_config(r->ctx, o, r->preset, &r->config);
    else if (o->given[OPT_dropout])
        r->config.dropout = o->real[OPT_dropout];
    return code ? code : train_settings(r);
}

static int train_prepare(train_run *r)
{
    const cli_options *o = r->o;
    if (o->given[OPT_resume] && !o->given[OPT_out])
        return cli_usage("--resume needs --out DIR: the run to go on with");
    int code = o->given[OPT_out]
        ? cli_rundir_fits(o->text[OPT_out], o->given[OPT_resume]) : CLI_DONE;
    if (!code && o->given[OPT_from])
        code = train_from(r);
    if (!code && !r->from && cli_data_tokenizer_given(o)) {
        r->k = cli_data_tokenizer(r->ctx, o, NULL);
        if (!r->k)
            return cli_error(r->ctx);
    }
    if (!code)
        code = cli_data_load(r->ctx, o, 0, r->k, 0, &r->data);
    if (code)
        return code;
    cli_signals();                /* until here one may kill it as well    */
    bool small = r->data.by == LH_DOCUMENTS_LINES &&
                 !(r->from && r->config.width > 16);
    r->preset = o->given[OPT_preset] ? o->text[OPT_preset]
              : small ? "micro" : "nano";
    if (!r->from)
        code = cli_config(r->ctx, o, r->preset, &r->config);
    if (!code)
        code = train_settings(r);
    if (!code && r->budget.seconds > 0)
        code = train_budget(r);
    /* A run that cannot be leaves no directory, but tokens need one. */
    bool early = !r->data.facts.loaded;
    for (int i = 0; i < 2 && !code; i++)
        if (early == (i == 1))
            code = train_make(r);
        else if (o->given[OPT_out])
            code = cli_rundir_open(&r->dir, o->text[OPT_out],
                                   o->given[OPT_resume]);
    if (!code && r->dir.resumes &&
        lh_trainer_load(r->trainer, r->dir.checkpoint))
        code = cli_error(r->ctx);
    if (!code && r->budget.seconds > 0 && r->dir.path && !r->budget.settled)
        code = cli_budget_write(&r->budget, r->dir.path);
    if (code)
        return code;
    lh_trainer_progress(r->trainer, &r->last.progress);
    r->begun = r->saved_step = r->last.progress.step;
    cli_view_start(&r->view, o, r->data.names ? "names"
                   : r->data.by == LH_DOCUMENTS_LINES ? "lines" : NULL,
                   &r->last.progress);
    const lh_data_facts *f = &r->data.facts;
    double length = (double)f->bytes / (double)f->documents + 1;
    double context = (double)r->config.context;
    r->view.flops = cli_record_flops(&r->config, length < context ? length
                                                                  : context);
    bool fast;
    cli_bf16(r->ctx, &fast);
    if (r->settings.dtype == LH_BF16 && fast)
        r->view.flops /= 2;       /* of a peak that is twice as high       */
    r->view.ctx = r->ctx;
    r->record = (cli_record){ .o = o, .ctx = r->ctx,
        .preset = train_name(r),
        .directory = r->dir.path, .data = &r->data, .k = r->k, .m = r->m,
        .settings = &r->settings, .trainer = r->trainer, .peak = r->peak };
    code = cli_record_start(&r->record);
    return code || !r->dir.path ? code
         : cli_rundir_trim(&r->dir, r->begun, &r->view);
}

static void train_free(train_run *r)
{
    cli_record_free(&r->record);
    cli_rundir_close(&r->dir);
    lh_trainer_free(r->trainer);
    lh_model_free(r->m);
    lh_model_free(r->from);
    lh_tokenizer_free(r->k);
    lh_dataset_free(r->data.dataset);
}

int cli_train(const cli_options *o, lh_context *ctx)
{
    train_run r = { .ctx = ctx };
    int code = cli_budget_start(&r.budget, o);
    r.o = &r.budget.o;
    if (!code)
        code = train_prepare(&r);
    if (!code) {
        train_say(&r);
        code = train_steps(&r);
    }
    if (!code)
        code = train_end(&r);
    train_free(&r);
    return code;
}
