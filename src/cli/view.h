/* How a run is shown while it goes: live on a terminal, plain lines in a
 * pipe, JSON, or not at all. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

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
    double sum;                   /* of losses since the last plain line   */
    int64_t summed;
    double bin[CLI_VIEW_BINS];    /* sums of losses                        */
    int64_t binned[CLI_VIEW_BINS];
} cli_view;

/* A step, with what is known about it; NaN for a loss not measured. */
typedef struct cli_report {
    lh_progress progress;
    double held_out;              /* nats per token, as the loss           */
    double bits;                  /* held out, per byte of the text        */
    bool reported;                /* one of the steps for JSON and logs    */
    double seconds, tokens_per_second;
} cli_report;

/* `begun`: where the run stands before the first step of this process. */
void cli_view_start(cli_view *v, const cli_options *o, const char *unit,
                    const lh_progress *begun);
/* A loss of an earlier part of the run, for the chart. */
void cli_view_past(cli_view *v, int64_t step, double loss);
/* Completes `report` (seconds, tokens_per_second) and shows it. */
void cli_view_step(cli_view *v, cli_report *report);
/* The last frame stays on the screen. */
void cli_view_end(cli_view *v, const cli_report *last);

/* One object, one line. */
void cli_report_json(FILE *f, const cli_report *report);

#endif
