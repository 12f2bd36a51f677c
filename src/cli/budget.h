/* --budget: what to train in so much time, on this data and this machine.
 *
 * What is picked are options, given as if the command line had them; without
 * --budget and with them the command is the same run.  docs/recipes.md has
 * the rule and where its numbers come from. */
#pragma once

#include "cli/cli.h"

typedef struct cli_budget {
    cli_options o;                /* the command's, and what was picked    */
    char value[OPT_COUNT][24];
    bool picked[OPT_COUNT];
    double begun, seconds;        /* by cli_clock(); of the budget         */
    double step;                  /* seconds of one, measured              */
    double evaluation;            /* seconds of one, reckoned              */
    double steps_begun;           /* when the first one began              */
    double most;                  /* steps that pay on so much data        */
    bool enough;                  /* they take less than the time          */
    bool settled;                 /* the number of steps stays             */
    const lh_config *own;         /* sizes are given: a model's; or NULL   */
} cli_budget;

/* Room for a command with all that can be picked. */
enum { CLI_BUDGET_COMMAND = 2048 };

/* Takes the command's options.  b->o are to be used from here on. */
int cli_budget_start(cli_budget *b, const cli_options *o);

/* Picks what was not given.  share: of the documents that is held out. */
int cli_budget_pick(cli_budget *b, lh_context *ctx, const char *preset,
                    const cli_corpus *data, const lh_tokenizer *k,
                    double share);

/* What was picked, in DIRECTORY/budget.txt, so that a run that goes on has
 * the same numbers; reading: false where there is none. */
bool cli_budget_read(cli_budget *b, const char *directory);
int cli_budget_write(const cli_budget *b, const char *directory);

/* Behind step `done`: whether the machine is so much slower or faster than
 * measured that the number of steps has to be another one, and how many of
 * them then fall.  That is asked once, when half of the time is gone or the
 * rates would begin to fall, and where the run stays the one of a command. */
bool cli_budget_correct(cli_budget *b, const lh_train_settings *s,
                        int64_t done, int64_t *steps, int64_t *cool_down);
/* Picks them instead. */
int cli_budget_resize(cli_budget *b, const lh_train_settings *s);

/* The command that is the same run. */
bool cli_budget_command(const cli_budget *b, char text[CLI_BUDGET_COMMAND]);
