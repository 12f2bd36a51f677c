/* A run's directory: whose it is, its log, its checkpoint's path. */
#ifndef CLI_RUNDIR_H
#define CLI_RUNDIR_H

#include "cli/view.h"

typedef struct cli_rundir {
    const char *path;             /* borrowed                              */
    char checkpoint[4096];        /* PATH/trainer.safetensors              */
    FILE *log;                    /* PATH/train.jsonl, locked              */
    bool resumes;                 /* there is a checkpoint to go on from   */
} cli_rundir;

/* Whether cli_rundir_open() will refuse PATH for what is in it, before all
 * that a run reads and measures. */
int cli_rundir_fits(const char *path, bool resume);
/* Makes PATH where it is not there, and takes it for this run; refuses where
 * it holds anything of another run or model and `resume` is false, or where
 * a run is writing to it now. */
int cli_rundir_open(cli_rundir *d, const char *path, bool resume);
void cli_rundir_close(cli_rundir *d);

/* Cuts off what the log holds behind `step` (a killed run wrote it behind
 * its last checkpoint), and tells the view the losses up to there. */
int cli_rundir_trim(cli_rundir *d, int64_t step, cli_view *v);
int cli_rundir_log(cli_rundir *d, const cli_step *report,
                   const char *more);
/* The log is on the disk; before each checkpoint, so that it never lacks a
 * step that the checkpoint has. */
int cli_rundir_sync(cli_rundir *d);

#endif
