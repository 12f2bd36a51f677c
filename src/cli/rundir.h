/* A run's directory: whose it is, its log, its checkpoint's path. */
#pragma once

#include "cli/view.h"

typedef struct cli_rundir {
    const char *path;             /* borrowed                              */
    char checkpoint[4096];        /* PATH/trainer.safetensors              */
    FILE *log;                    /* PATH/train.jsonl, locked              */
    bool resumes;                 /* there is a checkpoint to go on from   */
    char *unjudged;               /* the log's last line, owned, if it has
                                   * no held-out loss                      */
    int64_t unjudged_at;          /* its place                             */
} cli_rundir;

/* Refuses a PATH that cannot be written, that holds anything of another run or
 * model (`resume` is false) or that a run is writing to now; takes it where it
 * holds a log.  It makes nothing, since it comes before all that is read. */
int cli_rundir_fits(cli_rundir *d, const char *path, bool resume);
/* Then makes it where it is not there, and takes it for this run. */
int cli_rundir_open(cli_rundir *d, bool resume);
void cli_rundir_close(cli_rundir *d);

/* Cuts off what the log holds behind `step` (a killed run wrote it behind
 * its last checkpoint), and tells the view the losses up to there. */
int cli_rundir_trim(cli_rundir *d, int64_t step, cli_view *v);
int cli_rundir_log(cli_rundir *d, const cli_step *report,
                   const char *more);
/* Puts the held-out loss into the line that has none. */
int cli_rundir_judge(cli_rundir *d, const cli_step *report);
/* The log is on the disk; before each checkpoint, so that it never lacks a
 * step that the checkpoint has. */
int cli_rundir_sync(cli_rundir *d);
