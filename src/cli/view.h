/* How a run is shown while it goes: live on a terminal, plain lines in a
 * pipe, JSON, or not at all. */
#pragma once

#include "cli/cli.h"

typedef enum cli_view_mode { CLI_VIEW_LIVE, CLI_VIEW_PLAIN, CLI_VIEW_JSON,
                             CLI_VIEW_QUIET } cli_view_mode;

/* The curve is kept in this many bins over the run's steps, more than any
 * chart has dots, so that its memory does not grow with the run. */
#define CLI_VIEW_BINS 512

typedef struct cli_view {
    cli_view_mode mode;
    bool utf8, colour;
    const char *unit;             /* "names", ...; NULL: tokens            */
    int64_t steps;
    double start, drawn;          /* by cli_clock(); drawn 0: never        */
    int lines;                    /* of the frame on the screen            */
    int columns;                  /* of the terminal then                  */
    int64_t begun_step, begun_documents, begun_tokens;
    double recent;                /* the loss, smoothed                    */
    double held_out, bits;        /* NaN: none yet                         */
    bool fresh;                   /* since the last plain line             */
    double sum;                   /* of losses since the last plain line   */
    int64_t summed;
    double best;                  /* the least held-out loss; NaN: none    */
    int64_t best_step;
    int64_t since;                /* evaluations behind the best one       */
    bool falls;                   /* the last one is below that before     */
    double flops, peak;           /* a token; a second, 0: not measured    */
    lh_context *ctx;              /* to measure it on                      */
    const char *sample;           /* borrowed; NULL: none                  */
    double bin[CLI_VIEW_BINS];    /* sums of losses                        */
    double single[CLI_VIEW_BINS]; /* held-out losses; NaN: none            */
    int64_t binned[CLI_VIEW_BINS];
} cli_view;

/* A step, with what is known about it; NaN for a loss not measured. */
typedef struct cli_step {
    lh_progress progress;
    double held_out;              /* nats per token, as the loss           */
    double bits;                  /* held out, per byte of the text        */
    bool reported;                /* one of the steps for JSON and logs    */
    double seconds, tokens_per_second;
    double share;                 /* of the machine's FLOP/s               */
} cli_step;

/* `begun`: where the run stands before the first step of this process. */
void cli_view_start(cli_view *v, const cli_options *o, const char *unit,
                    const lh_progress *begun);
/* Losses of an earlier part of the run, for the chart; NaN: not measured. */
void cli_view_past(cli_view *v, int64_t step, double loss, double held_out);
/* The run has another number of steps than it began with. */
void cli_view_resize(cli_view *v, int64_t steps);
/* Completes `report` (seconds, tokens_per_second) and shows it. */
void cli_view_step(cli_view *v, cli_step *report);
/* The last frame stays on the screen. */
void cli_view_end(cli_view *v, const cli_step *last);

/* One object, one line; more (may be NULL) goes before its end. */
void cli_step_json(FILE *f, const cli_step *report, const char *more);
