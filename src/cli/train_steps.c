/* The steps of a run, what comes behind each, and the end. */
#include "cli/train.h"

#include <math.h>

/* ---------------------------------------------------------------- steps -- */

static int train_failed(const cli_train_run *r)
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

static int train_save(cli_train_run *r)
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
static bool train_save_due(const cli_train_run *r)
{
    int64_t steps = r->o->integer[OPT_save_every];
    if (steps)
        return r->last.progress.step % steps == 0;
    return cli_clock() - r->saved >= r->o->real[OPT_save_every];
}

static bool train_window(void *user, const lh_scored *window)
{
    (void)user, (void)window;
    return !cli_stop;
}

/* Held-out losses beside the training loss, which has the ends of documents
 * too, and beside other tokenizers' (docs/eval.md).  What a signal stops is
 * made again when the run goes on. */
static int train_evaluate(cli_train_run *r)
{
    lh_evaluation e;
    lh_status status = lh_trainer_evaluate(r->trainer, train_window, NULL,
                                           &e);
    r->owed = status == LH_ERROR_STOPPED;
    if (r->owed)
        lh_error_clear(r->ctx);
    if (status)
        return r->owed ? CLI_DONE : train_failed(r);
    char text[32];                /* as it is read back from the log       */
    snprintf(text, sizeof text, "%.9g", (e.nats + e.end_nats) /
                                        (double)(e.tokens + e.ends));
    r->last.held_out = strtod(text, NULL);
    r->last.bits = e.bytes ? e.nats / log(2) / (double)e.bytes : (double)NAN;
    return CLI_DONE;
}

/* Before the first of the regular evaluations, at halves of its step, quarters
 * and so on: in a long run the best model may be long behind it. */
static bool train_evaluates(const cli_train_run *r)
{
    int64_t step = r->last.progress.step, every = r->eval_every;
    while (step < every && every / 2 >= r->eval_first)
        every /= 2;
    return r->settings.held_out > 0 &&
           (step == r->settings.steps || step == every ||
            (every == r->eval_every && step % every == 0));
}

/* Behind a step: evaluates, shows, logs, saves. */
static int train_behind(cli_train_run *r)
{
    cli_step *report = &r->last;
    const lh_progress *p = &report->progress;
    bool end = p->step == p->steps;
    report->held_out = report->bits = (double)NAN;
    bool evaluated = train_evaluates(r);
    int code = evaluated ? train_evaluate(r) : CLI_DONE;
    if (code)
        return code;
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

/* The evaluation behind the last step of an earlier process, which a signal
 * had stopped. */
static int train_judge(cli_train_run *r)
{
    int64_t step = r->last.progress.step;
    int code = train_evaluate(r);
    if (code || r->owed)
        return code;
    r->view.bits = r->last.bits;
    cli_view_past(&r->view, step, (double)NAN, r->last.held_out);
    code = cli_rundir_judge(&r->dir, &r->last);
    if (!code && r->view.best_step == step &&
        cli_record_best(&r->record, step))
        lh_error_clear(r->ctx);
    return code;
}

/* It has overfitted: the held-out loss is clearly above its best, no longer
 * falls, and has not been better for as long as --patience says.  All of this
 * stands in the log, so that a resumed run ends where the whole one does. */
static bool train_overfits(const cli_train_run *r)
{
    const cli_view *v = &r->view;
    return r->patience && v->since >= r->patience && !v->falls &&
           v->held_out > 1.01 * v->best;
}

/* Another number of steps, where the machine is not as fast as measured. */
static int train_correct(cli_train_run *r)
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

int cli_train_steps(cli_train_run *r)
{
    int code = CLI_DONE;
    r->saved = r->budget.steps_begun = cli_clock();
    if (r->dir.unjudged && train_evaluates(r))
        code = train_judge(r);
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

static int train_write(cli_train_run *r)
{
    const cli_options *o = r->o;
    bool json = o->given[OPT_json];
    cli_writing w = { .ctx = r->ctx, .m = r->m, .k = r->k,
                      .seed = r->settings.seed,
                      .how = { .temperature = o->real[OPT_temperature] } };
    w.count = r->data.facts.by == LH_DOCUMENTS_LINES ? 20 : 1;
    if (o->given[OPT_count] || json)     /* --json: steps, unless asked    */
        w.count = o->integer[OPT_count];
    if (r->data.facts.by == LH_DOCUMENTS_WHOLE)
        w.length = 4 * r->config.context;
    if (!json && r->view.mode != CLI_VIEW_QUIET && w.count)
        printf("\n");
    while (w.count = cli_stop ? 0 : w.count, cli_write(&w)) {
        bool known = lh_dataset_contains(r->data.dataset, w.text, w.size);
        if (json) {
            fputs("{\"text\": ", stdout);
            cli_json_string(stdout, w.text, w.size);
            printf(", \"in_data\": %s}\n", known ? "true" : "false");
        } else {
            fputs("  ", stdout);
            cli_text(stdout, w.text, w.size);
            int pad = known && w.size < 18 ? (int)(18 - w.size) : 1;
            printf("%*s%s\n", known ? pad : 0, "",
                   known ? "(in the data)" : "");
        }
    }
    return w.code;
}

int cli_train_end(cli_train_run *r)
{
    bool stopped = cli_stop && (r->last.progress.step != r->settings.steps ||
                                r->owed);
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
        cli_train_say_best(r);
    if (code)
        return code;
    if (stopped)
        return cli_train_stopped(r);
    if (r->planned && r->view.mode != CLI_VIEW_QUIET) {
        char a[32], b[32];
        if (r->view.mode != CLI_VIEW_JSON)
            printf("\n%s steps, not %s: the machine was %s than measured\n",
                   cli_count(a, r->settings.steps), cli_count(b, r->planned),
                   r->settings.steps < r->planned ? "slower" : "faster");
        cli_train_say_command(r);
    }
    if (r->begun == r->settings.steps && r->view.mode == CLI_VIEW_PLAIN)
        printf("all %lld steps were done\n", (long long)r->settings.steps);
    lh_trainer_free(r->trainer);  /* its memory is the sampling's          */
    r->trainer = NULL;
    return train_write(r);
}
