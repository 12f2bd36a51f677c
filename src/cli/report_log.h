/* The logs of runs, as a report reads them. */
#pragma once

#include "cli/cli.h"

/* A line of train.jsonl: numbers, NaN where it has none, and the places of
 * what a report reads later, NULL likewise. */
typedef struct cli_log_point {
    double step, tokens, seconds; /* seconds: over all parts of the run    */
    double loss, held, bits, rate, norm;
    double speed;                 /* tokens/s since the point before       */
    const char *gradients, *weights;   /* arrays of norms by layer         */
    const char *sample;
    const char *run;              /* of the process that wrote it first    */
} cli_log_point;

typedef struct cli_log {
    const char *name;             /* borrowed                              */
    char *text;                   /* the file, a NUL for each newline      */
    cli_log_point *point;         /* [count]                               */
    int64_t count;
    const char *run;              /* the first "run" object, or "{}"       */
    double steps;                 /* in all; NaN: not said                 */
    int64_t best;                 /* point with the least held-out loss, or
                                     -1                                    */
    const cli_log_point *last;    /* NULL: there is none                   */
} cli_log;

/* Reads DIRECTORY/train.jsonl, or, where the name ends so, the file. */
int cli_log_read(cli_log *log, const char *directory);
void cli_log_free(cli_log *log);

/* JSON without a tree, on text that ends with a NUL.  A value is where it
 * begins; NULL is none, and whatever is asked of it is none too. */
const char *cli_log_get(const char *object, const char *key);
double cli_log_number(const char *value);      /* NaN: no finite number    */
/* Steps through an object (key not NULL) or array: *at begins as the value;
 * false at its end, or where it is broken. */
bool cli_log_next(const char **at, const char **key, const char **value);

/* Writes a value as text of a page: a string decoded, all else as it is.
 * What is no UTF-8 and control characters become U+FFFD; nothing of it can be
 * markup. */
void cli_log_show(FILE *f, const char *value);
void cli_log_escape(FILE *f, const char *text, size_t size);
