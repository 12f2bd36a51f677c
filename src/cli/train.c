/* longhand train: data, model, steps, and what is written at the end.
 *
 * The settings are the preset's, each overridden by its option.  What a run
 * leaves is a function of data, settings and seed; when it was interrupted,
 * shown or evaluated changes nothing.  Read cli_train() from the bottom. */
#include "cli/train.h"

/* ------------------------------------------------------------- settings -- */

/* A preset's warm-up and held-out share are meant for its own length of run
 * and some data; where they do not fit and are not asked for, they give. */
static void train_fit(cli_train_run *r)
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
 * evaluation scores, which is a third of the work.  Sooner at first. */
static void train_eval_every(cli_train_run *r)
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
    r->eval_every = every > (double)s->steps ? s->steps
                  : every > 1 ? (int64_t)every : 1;
    r->eval_first = least < every ? (int64_t)least + 10 : r->eval_every;
    if (r->o->given[OPT_eval_every])
        r->eval_every = r->eval_first = r->o->integer[OPT_eval_every];
}

static int train_settings(cli_train_run *r)
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
    train_eval_every(r);
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

/* ------------------------------------------------------------------ run -- */

/* Sizes, steps and the rest for the time there is: measured, or what was
 * picked when the run began. */
static int train_budget(cli_train_run *r)
{
    cli_budget *b = &r->budget;
    const cli_options *o = r->o;
    int code = CLI_DONE;
    if (!(o->given[OPT_resume] && cli_budget_read(b, o->text[OPT_out]))) {
        if (!r->k)
            code = cli_train_tokenizer(r);
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

static int train_prepare(cli_train_run *r)
{
    const cli_options *o = r->o;
    if (o->given[OPT_resume] && !o->given[OPT_out])
        return cli_usage("--resume needs --out DIR: the run to go on with");
    int code = o->given[OPT_out]
        ? cli_rundir_fits(&r->dir, o->text[OPT_out], o->given[OPT_resume])
        : CLI_DONE;
    if (!code && o->given[OPT_from])
        code = cli_train_from(r);
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
    bool small = r->data.facts.by == LH_DOCUMENTS_LINES &&
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
            code = cli_train_make(r);
        else if (r->dir.path)
            code = cli_rundir_open(&r->dir, o->given[OPT_resume]);
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
                   : r->data.facts.by == LH_DOCUMENTS_LINES ? "lines" : NULL,
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
        .preset = cli_train_name(r),
        .directory = r->dir.path, .data = &r->data, .k = r->k, .m = r->m,
        .settings = &r->settings, .trainer = r->trainer, .peak = r->peak };
    code = cli_record_start(&r->record);
    return code || !r->dir.path ? code
         : cli_rundir_trim(&r->dir, r->begun, &r->view);
}

static void train_free(cli_train_run *r)
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
    cli_train_run r = { .ctx = ctx };
    int code = cli_budget_start(&r.budget, o);
    r.o = &r.budget.o;
    if (!code)
        code = train_prepare(&r);
    if (!code) {
        cli_train_say(&r);
        code = cli_train_steps(&r);
    }
    if (!code)
        code = cli_train_end(&r);
    train_free(&r);
    return code;
}
