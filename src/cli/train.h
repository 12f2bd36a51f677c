/* A run of longhand train, as its files share it.
 *
 * Read train.c (settings, the run) from the bottom, then train_make.c (what
 * is trained), train_steps.c (steps and the end), train_say.c (what is said
 * about it). */
#pragma once

#include "cli/budget.h"
#include "cli/record.h"
#include "cli/rundir.h"

typedef struct cli_train_run {
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
    int64_t eval_first;           /* not sooner                            */
    int64_t patience;             /* in evaluations; 0: endless            */
    double saved;                 /* when, by cli_clock()                  */
    int64_t begun;                /* steps done before this process        */
    int64_t saved_step;           /* of the checkpoint; 0: none            */
    int64_t peak;                 /* bytes that it will hold               */
    int64_t planned;              /* steps, before they were corrected     */
    char cache[4200];             /* path of data that is not in memory    */
    bool owed;                    /* the last step's evaluation: a signal
                                   * came before its end                   */
    bool learned;                 /* the tokenizer was, for this run       */
} cli_train_run;

/* The model of --from: tokenizer and sizes are its own. */
int cli_train_from(cli_train_run *r);
/* What --tokenizer says, or what does best for so much text. */
int cli_train_tokenizer(cli_train_run *r);
/* Tokenizer, plan of memory, model, trainer. */
int cli_train_make(cli_train_run *r);

/* To the last step, a signal, or a failure. */
int cli_train_steps(cli_train_run *r);
/* Checkpoint, exports, and what the model writes. */
int cli_train_end(cli_train_run *r);

/* What the run is about, in a few lines; what it began with. */
void cli_train_say(const cli_train_run *r);
const char *cli_train_name(const cli_train_run *r);
/* The command that needs no picking: with all of its numbers it is the same
 * run on every machine. */
void cli_train_say_command(const cli_train_run *r);
/* That a run has overfitted, and where the better model is. */
void cli_train_say_best(const cli_train_run *r);
/* One line: where it stopped, and the command that goes on. */
int cli_train_stopped(const cli_train_run *r);
