/* What the files of the program share.
 *
 * The program is a guest of the library like any other: it sees longhand.h
 * and nothing else.  Read options.def and subcommands.def first, then
 * main.c, then the file of a subcommand. */
#pragma once

/* Before any header of the system: a file that needs more of that than C11
 * has includes this one first. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

/* What most files need, and is quickly read. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longhand.h"

/* Exit codes.  A run stopped by Ctrl-C has not done what was asked: 1. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* -------------------------------------------------------- subcommands -- */

typedef enum cli_subcommand {
#define SUBCOMMAND(name, operands, least, most, what, more, example) \
    CLI_##name,
#include "cli/subcommands.def"
    CLI_SUBCOMMANDS
} cli_subcommand;

struct cli_options;

typedef struct cli_subcommand_row {
    const char *name, *operands;
    int least, most;
    const char *what, *more, *example;
    int (*run)(const struct cli_options *o, lh_context *ctx);
} cli_subcommand_row;

extern const cli_subcommand_row cli_subcommand_table[CLI_SUBCOMMANDS];

/* ------------------------------------------------------------ options -- */

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_INTEGER, CLI_REAL,
                        CLI_CHOICE, CLI_PERIOD, CLI_TIME, CLI_SHARE } cli_kind;

typedef enum cli_option {
#define OPTION(id, name, letter, value, holder, standard, who, help) \
    OPT_##id,
#include "cli/options.def"
    OPT_COUNT
} cli_option;

typedef struct cli_option_row {
    const char *name;
    char letter;
    struct {
        cli_kind kind;
        double low, high;
        const char *choices;      /* "a|b|c"                               */
    } value;
    const char *holder, *standard;
    unsigned who;                 /* bit s: subcommand s takes it          */
    const char *help;
} cli_option_row;

extern const cli_option_row cli_option_table[OPT_COUNT];

/* The heading under which option o stands. */
const char *cli_option_heading(cli_option o);

/* What a command line says; 0 and NULL where it does not and there is no
 * default.  Option o's value stands in integer (a whole number; a choice's
 * place in its list; a period's steps; 1: a share is a file), real (a number,
 * a share; seconds of a period or time) or text. */
typedef struct cli_options {
    cli_subcommand subcommand;
    bool given[OPT_COUNT];
    int64_t integer[OPT_COUNT];
    double real[OPT_COUNT];
    const char *text[OPT_COUNT];
    int operands;
    char **operand;               /* [operands], within argv               */
    int argc;
    char **argv;                  /* the whole line, in its first order    */
} cli_options;

/* Reads argv[2..]; CLI_DONE, or CLI_USAGE with the line printed.  `memory`
 * has room for argc pointers and receives the operands. */
int cli_options_parse(cli_options *o, cli_subcommand subcommand, int argc,
                      char **argv, char **memory);
/* Gives an option as the command line would; value: borrowed, NULL of a flag.
 * CLI_DONE, or CLI_USAGE with the line printed. */
int cli_option_give(cli_options *o, cli_option option, const char *value);
/* The name nearest to `name` among the options of some subcommands, a bit each
 * in `who`, or, where that is 0, among the subcommands; NULL: none is near. */
const char *cli_near(const char *name, unsigned who);

void cli_help(FILE *f);
void cli_help_subcommand(FILE *f, cli_subcommand s);
void cli_man(FILE *f);

/* ------------------------------------------------------------- saying -- */

#define CLI_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* One line on stderr, "longhand train: ...", control characters made
 * harmless.  They return CLI_FAILED and CLI_USAGE.  cli_error says the
 * context's error; cli_impossible too, CLI_USAGE where the numbers that were
 * given cannot be. */
extern const char *cli_name;      /* the subcommand's; NULL: none        */
int cli_fail(const char *format, ...) CLI_PRINTF(1, 2);
#define cli_usage(...) ((void)cli_fail(__VA_ARGS__), CLI_USAGE)
int cli_error(const lh_context *ctx);
int cli_impossible(const lh_context *ctx);

/* "12,345" into text[32]; "1:05" or "2 h 5 min" into text[32]. */
const char *cli_count(char *text, int64_t n);
const char *cli_duration(char *text, double seconds);
/* "2.36 GB" into text[32]. */
const char *cli_bytes(char *text, int64_t bytes);
/* The command of o as a shell takes it, with `more` (may be NULL, ends with
 * NULL) behind the subcommand, in front of the data, which may stand behind a
 * "--"; `without` an option, then without --resume too (OPT_COUNT: with all).
 * False where it does not fit. */
bool cli_command(const cli_options *o, const char *const *more,
                 cli_option without, char *text, size_t size);

/* JSON: a string with its quotes (invalid UTF-8 becomes U+FFFD); and members
 * of an object with what parts them, the name of its first one as "{name".  A
 * number that is not finite is null. */
void cli_json_string(FILE *f, const char *text, size_t size);
void cli_json_text(FILE *f, const char *name, const char *text);
void cli_json_real(FILE *f, const char *name, double x);
void cli_json_integer(FILE *f, const char *name, int64_t n);
/* A character in UTF-8 into text[4], no NUL behind it; its length. */
size_t cli_utf8_put(char *text, uint32_t code);
/* That of the character there, 1 at least; not harmless: none, or one that
 * steers a terminal. */
size_t cli_character(const char *text, size_t size, bool *harmless);

/* Text that a model wrote: on a terminal, control characters are shown as
 * '?' so that a hostile model cannot steer it. */
void cli_text(FILE *f, const char *text, size_t size);

/* Flushes stdout: CLI_DONE, or CLI_FAILED with the line printed. */
int cli_flush(void);

/* An array of *room things, `array` the address of its pointer, made long
 * enough for `needed`, twice as long at least; false: there is no memory. */
bool cli_grow(void *array, size_t *room, size_t needed, size_t size);

double cli_clock(void);           /* seconds, monotonic                    */

/* From cli_signals() on the first signal that asks to stop sets cli_stop; the
 * second one kills. */
extern volatile sig_atomic_t cli_stop;
void cli_signals(void);

/* --------------------------------------------------------------- data -- */

/* The data of the operands from `first` on, and what it was taken for. */
typedef struct cli_corpus {
    lh_dataset *dataset;
    lh_data_facts facts;
    bool names;                   /* the built-in names                    */
} cli_corpus;

/* k: of token files, or NULL; memory: see lh_sources. */
int cli_data_load(lh_context *ctx, const cli_options *o, int first,
                  const lh_tokenizer *k, int64_t memory, cli_corpus *data);
/* "20,110 given names (built in)", ...; and a line for each thing that was
 * left out or is odd. */
#define CLI_DATA_TEXT 128
const char *cli_data_text(char text[CLI_DATA_TEXT], const cli_corpus *data);
void cli_data_notes(FILE *f, const cli_corpus *data);
/* The tokenizer that --tokenizer asks for, which may need the data; NULL: an
 * error of the context.  And whether it is a file's, so that it is there
 * before the data. */
lh_tokenizer *cli_data_tokenizer(lh_context *ctx, const cli_options *o,
                                 const lh_dataset *d);
bool cli_data_tokenizer_given(const cli_options *o);
/* The vocabulary of byte pairs that pays for so many bytes to train on; 0:
 * characters do better (docs/tokenizers.md). */
int64_t cli_data_pairs(double bytes);
/* Hands a part of the data to a trainer of byte pairs, at most so many bytes
 * of it.  view: tokenizer.c's, NULL: nothing is shown. */
struct tokenizer_view;
int cli_tokenizer_feed(lh_context *ctx, lh_tokenizer_trainer *t,
                       const cli_corpus *data, const lh_split *split,
                       int64_t most, struct tokenizer_view *view);

/* ------------------------------------------------------------ writing -- */

/* The model of an operand, with its tokenizer. */
int cli_model_load(lh_context *ctx, const char *path, lh_model **m,
                   lh_tokenizer **k);

/* Texts, one after the other: each begins with `prompt` (may be NULL), ends at
 * a border or after `length` tokens (0: where the context is full; a longer
 * text goes on with the last half of the context). */
typedef struct cli_writing {
    lh_context *ctx;
    lh_model *m;
    const lh_tokenizer *k;
    uint64_t seed;
    lh_sampling how;
    const char *prompt;
    int64_t length;
    int64_t count;                /* texts to come                         */
    char *text;                   /* the last one, until the next          */
    size_t size;
    int code;
    lh_session *s;
    int32_t *token;               /* [tokens]: border, prompt, what came   */
    int64_t tokens;
    size_t room;                  /* of token                              */
    FILE *file;                   /* `text` in the making                  */
} cli_writing;

/* The next text; false: there is none, what was taken is given back, and
 * w->code says whether that is a failure.  Call until then. */
bool cli_write(cli_writing *w);

/* ----------------------------------------------------------- settings -- */

/* The preset's config and settings, each number overridden by its option.
 * The vocabulary is left 0. */
int cli_config(lh_context *ctx, const cli_options *o, const char *preset,
               lh_config *c);
int cli_settings(lh_context *ctx, const cli_options *o, const char *preset,
                 lh_train_settings *s);

extern const char *const cli_schedule[];      /* names of lh_schedule      */

/* The instruction set that bf16's products run on, and whether they are the
 * CPU's own; else they are emulated. */
const char *cli_bf16(lh_context *ctx, bool *fast);

/* Bytes of memory that this process may have; 0: not known. */
int64_t cli_memory(void);

/* -------------------------------------------------------- subcommands -- */

/* Writes FILE, a page or, where it ends so, an .svg, about the runs in
 * directories (or their logs); aside, then renamed. */
int cli_report_write(const char *file, int runs, char *const *directory);

#define SUBCOMMAND(name, operands, least, most, what, more, example) \
    int cli_##name(const cli_options *o, lh_context *ctx);
#include "cli/subcommands.def"
