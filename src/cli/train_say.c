/* What a run says about itself: at its beginning, where it is stopped, where
 * it has overfitted. */
#include "cli/train.h"

const char *cli_train_name(const cli_train_run *r)
{
    return r->o->given[OPT_from] ? r->o->text[OPT_from] : r->preset;
}

void cli_train_say_command(const cli_train_run *r)
{
    char text[CLI_BUDGET_COMMAND];
    if (!cli_budget_command(&r->budget, text))
        return;
    if (r->view.mode == CLI_VIEW_JSON)
        cli_json_text(stdout, "{command", text), puts("}");
    else
        printf("       the same run, to the bit: %s\n", text);
}

static void train_say_budget(const cli_train_run *r)
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
    cli_train_say_command(r);
}

void cli_train_say(const cli_train_run *r)
{
    const lh_config *c = &r->config;
    const lh_train_settings *s = &r->settings;
    char a[32], b[32], text[CLI_DATA_TEXT];
    if (r->view.mode == CLI_VIEW_JSON || r->view.mode == CLI_VIEW_QUIET) {
        cli_data_notes(stderr, &r->data);
        if (r->view.mode == CLI_VIEW_JSON && r->budget.seconds > 0)
            cli_train_say_command(r);
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
           " %s parameters\n", cli_train_name(r), (long long)c->layers,
           c->layers > 1 ? "s" : "", (long long)c->width,
           (long long)c->heads, (long long)c->context,
           cli_count(a, lh_params_size(lh_model_params(r->m))));
    printf("train  %s steps of %lld, %s rate from %g", cli_count(a, s->steps),
           (long long)s->batch, cli_schedule[s->schedule],
           s->adamw.learning_rate);
    if (s->muon.learning_rate > 0)
        printf(", Muon's from %g", s->muon.learning_rate);
    if (s->held_out > 0)
        printf(", %g%% held out", 100 * s->held_out);
    printf("\n");
    bool fast;
    const char *row = cli_bf16(r->ctx, &fast);
    if (s->dtype == LH_BF16)
        printf("dtype  bf16, %s%s kernels; other bits than on other CPUs\n",
               fast ? "" : "emulated: no faster than f32 here; ", row);
    printf("memory %s at its peak\n", cli_bytes(a, r->peak));
    printf("out    %s", r->dir.path ? r->dir.path
           : "nothing is saved; --out DIR does");
    if (r->dir.resumes)
        printf(", going on from step %s", cli_count(a, r->begun));
    printf("\n");
    if (r->budget.seconds > 0)
        train_say_budget(r);
    printf("\n");
    fflush(stdout);
}

int cli_train_stopped(const cli_train_run *r)
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

void cli_train_say_best(const cli_train_run *r)
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
