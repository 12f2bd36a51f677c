/* What a run keeps and tells beside its losses: what it was made of, norms by
 * layer, samples, the best model so far, a model card. */
#pragma once

#include "cli/view.h"

typedef struct cli_record {
    const cli_options *o;
    lh_context *ctx;
    const char *preset, *directory;   /* directory NULL: nothing is kept   */
    const cli_corpus *data;
    const lh_train_settings *settings;
    const lh_tokenizer *k;
    lh_model *m;
    lh_trainer *trainer;
    int64_t peak;                 /* bytes of memory                       */
    char *run;                    /* the "run" object, for the first line  */
    bool told;                    /* that line is written                  */
    int64_t steps;                /* corrected, not told yet; or 0         */
    char *sample;                 /* the last one, or NULL                 */
    bool fresh;                   /* it is of this step                    */
    double sampled, sample_cost;  /* when, by the clock; seconds           */
    double kept, keep_cost;       /* of the best model                     */
    int64_t kept_step;            /* 0: none; -1: an earlier process's     */
    float *copy;                  /* of a small model's best weights       */
    int64_t copy_step;            /* 0: none                               */
    double reported, report_cost; /* of report.html                        */
} cli_record;

/* Takes the facts that are there; cli_record_free() what it made. */
int cli_record_start(cli_record *r);
void cli_record_free(cli_record *r);

/* Behind a step: writes a sample where one is due; whether norms are. */
int cli_record_sample(cli_record *r, const cli_view *v,
                      const lh_progress *p);
bool cli_record_norms_due(const lh_progress *p);
/* What a line of the log has beside the numbers: ", ..." for free(). */
char *cli_record_more(cli_record *r, const cli_step *report);
/* The step has the least held-out loss so far: keeps its model in
 * DIRECTORY/best; of a small one a copy, if that would take more than a part
 * of the time since. */
int cli_record_best(cli_record *r, int64_t step);
/* The copy goes to DIRECTORY/best too: before a checkpoint, since the run goes
 * on from there without it. */
int cli_record_keep(cli_record *r, const cli_view *v);
/* The end, at `step`; below 0: not yet, the run was stopped.  No best model
 * is kept where the directory itself holds it.  And the card. */
int cli_record_end(cli_record *r, const cli_view *v, int64_t step);
/* report.html; where it cannot be written the run goes on.  Not now: only if
 * it costs little. */
void cli_record_report(cli_record *r, bool now);

/* FLOPs of forward and backward for a token: those of products, and of
 * attention over windows of `length`. */
double cli_record_flops(const lh_config *c, double length);
