/* The command line: options.def as a table, and its parser.
 *
 * Refuses what it does not know with one line that says what was meant, what
 * was given and what is expected. */
#include "cli/cli.h"

/* -------------------------------------------------------------- tables -- */

const cli_subcommand_row cli_subcommand_table[CLI_SUBCOMMANDS] = {
#define SUBCOMMAND(name, operands, least, most, what, more, example) \
    { #name, operands, least, most, what, more, example, cli_##name },
#include "cli/subcommands.def"
};

#define TRAIN (1u << CLI_train)
#define SAMPLE (1u << CLI_sample)
#define EVAL (1u << CLI_eval)
#define REPORT (1u << CLI_report)
#define TOKENIZER (1u << CLI_tokenizer)
#define DATA (1u << CLI_data)
#define INFO (1u << CLI_info)
#define BENCH (1u << CLI_bench)
#define FLAG { CLI_FLAG, 0, 0, NULL }
#define TEXT { CLI_TEXT, 0, 0, NULL }
#define PERIOD { CLI_PERIOD, 0, 0, NULL }
#define TIME { CLI_TIME, 0, 0, NULL }
#define INTEGER(low, high) { CLI_INTEGER, low, (double)(high), NULL }
#define REAL(low, high) { CLI_REAL, low, high, NULL }
#define SHARE(low, high) { CLI_SHARE, low, high, NULL }
#define CHOICE(list) { CLI_CHOICE, 0, 0, list }

const cli_option_row cli_option_table[OPT_COUNT] = {
#define OPTION(id, name, letter, value, holder, standard, who, help) \
    { name, letter, value, holder, standard, who, help },
#include "cli/options.def"
};

/* A group's options are those that stand below it in the file. */
const char *cli_option_heading(cli_option o)
{
    const char *heading = "";
#define GROUP(name) heading = name;
#define OPTION(id, ...) if (o == OPT_##id) return heading;
#include "cli/options.def"
    return heading;
}

/* -------------------------------------------------------------- nearest -- */

/* How many letters must change to make b of a (Levenshtein 1966), with long
 * words cut: nobody's typing error is there. */
static int options_distance(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    int row[LONGEST + 1];
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int least = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[m];
}

/* A beginning counts as near; else at most a third of the letters differ
 * (one, in a short word). */
static int options_score(const char *wanted, const char *known)
{
    size_t size = strlen(wanted);
    if (size >= 2 && strncmp(wanted, known, size) == 0)
        return 0;
    int distance = options_distance(wanted, known);
    int bound = (int)strlen(known) / 3 + 1;
    return distance <= bound ? distance : 1000;
}

const char *cli_near(const char *name, unsigned who)
{
    const char *best = NULL;
    int least = 1000, count = who ? (int)OPT_COUNT : (int)CLI_SUBCOMMANDS;
    for (int i = 0; i < count; i++) {
        const char *known = who ? cli_option_table[i].name
                                : cli_subcommand_table[i].name;
        int score = options_score(name, known);
        if (score < least && (!who || cli_option_table[i].who & who))
            best = known, least = score;
    }
    return best;
}

/* Says that there is no such option, and what may have been meant. */
static int options_unknown(const char *name, cli_subcommand s)
{
    for (int o = 0; o < OPT_COUNT; o++) {
        if (strcmp(cli_option_table[o].name, name) != 0)
            continue;
        for (int other = 0; other < CLI_SUBCOMMANDS; other++)
            if (cli_option_table[o].who & 1u << other)
                return cli_usage("--%s is an option of %s, not of %s; see"
                                 " longhand %s -h", name,
                                 cli_subcommand_table[other].name,
                                 cli_subcommand_table[s].name,
                                 cli_subcommand_table[s].name);
    }
    const char *near = cli_near(name, 1u << s);
    if (near)
        return cli_usage("unknown option --%s; did you mean --%s?", name,
                         near);
    return cli_usage("unknown option --%s; longhand %s -h lists them", name,
                     cli_subcommand_table[s].name);
}

/* --------------------------------------------------------------- values -- */

static int options_choice(const char *list, const char *text)
{
    size_t size = strlen(text);
    for (int i = 0; ; i++) {
        size_t length = strcspn(list, "|");
        if (length == size && memcmp(list, text, size) == 0)
            return i;
        if (!list[length])
            return -1;
        list += length + 1;
    }
}

static bool options_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && !*end && !errno && strspn(text, "+-0123456789") ==
           strlen(text);
}

static bool options_real(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && *value - *value == 0 &&
           strspn(text, "+-.0123456789eE") == strlen(text);
}

/* "500" steps, or "60s", "10m", "2h". */
static bool options_period(const char *text, int64_t *steps, double *seconds)
{
    char digits[32];
    size_t size = strlen(text);
    *steps = 0, *seconds = 0;
    if (size < 1 || size >= sizeof digits)
        return false;
    char unit = text[size - 1];
    if (!strchr("smh", unit))
        return options_integer(text, steps) && *steps > 0;
    memcpy(digits, text, size - 1);
    digits[size - 1] = 0;
    if (!options_real(digits, seconds) || !(*seconds > 0))
        return false;
    *seconds *= unit == 's' ? 1 : unit == 'm' ? 60 : 3600;
    return *seconds < 1e9;
}

static bool options_value(cli_options *o, cli_option option,
                          const char *text)
{
    const cli_option_row *row = &cli_option_table[option];
    int64_t *integer = &o->integer[option];
    double *real = &o->real[option];
    o->text[option] = text;
    switch (row->value.kind) {
    case CLI_FLAG:
        return true;
    case CLI_TEXT:
        return text[0] != 0;
    case CLI_INTEGER:
        return options_integer(text, integer) &&
               (double)*integer >= row->value.low &&
               (double)*integer <= row->value.high;
    case CLI_REAL:
        return options_real(text, real) && *real >= row->value.low &&
               *real <= row->value.high;
    case CLI_CHOICE:
        *integer = options_choice(row->value.choices, text);
        return *integer >= 0;
    case CLI_PERIOD:
        return options_period(text, integer, real);
    case CLI_TIME:
        return options_period(text, integer, real) && !*integer;
    case CLI_SHARE:
        *integer = !options_real(text, real);
        return *integer ? text[0] != 0 : *real >= row->value.low &&
                                         *real <= row->value.high;
    }
    return false;
}

static int options_refuse(cli_option option, const char *text)
{
    const cli_option_row *row = &cli_option_table[option];
    switch (row->value.kind) {
    case CLI_INTEGER:
        return cli_usage("--%s %s: expected a whole number from %.0f to"
                         " %.0f", row->name, text, row->value.low,
                         row->value.high);
    case CLI_SHARE:
    case CLI_REAL:
        return cli_usage("--%s %s: expected a number from %g to %g",
                         row->name, text, row->value.low, row->value.high);
    case CLI_CHOICE:
        return cli_usage("--%s %s: expected one of %s", row->name, text,
                         row->value.choices);
    case CLI_PERIOD:
        return cli_usage("--%s %s: expected steps (500) or a time (60s, 5m)",
                         row->name, text);
    case CLI_TIME:
        return cli_usage("--%s %s: expected a time: 90s, 10m, 2h", row->name,
                         text);
    default:
        return cli_usage("--%s: expected %s, got nothing", row->name,
                         row->holder);
    }
}

/* --------------------------------------------------------------- parser -- */

int cli_option_give(cli_options *o, cli_option option, const char *value)
{
    o->given[option] = true;
    if (value && !options_value(o, option, value))
        return options_refuse(option, value);
    return CLI_DONE;
}

/* An option's value is behind '=', behind the letter, or the next word. */
static int options_take(cli_options *o, cli_option option,
                        const char *value, int *at)
{
    const cli_option_row *row = &cli_option_table[option];
    bool flag = row->value.kind == CLI_FLAG;
    if (flag && value)
        return cli_usage("--%s takes no value", row->name);
    if (!flag && !value && *at + 1 >= o->argc)
        return cli_usage("--%s needs a value: --%s %s", row->name,
                         row->name, row->holder);
    if (!flag && !value)
        value = o->argv[++*at];
    return cli_option_give(o, option, value);
}

static int options_long(cli_options *o, const char *word, int *at)
{
    char name[64];
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    if (size >= sizeof name)
        size = sizeof name - 1;
    memcpy(name, word, size);
    name[size] = 0;
    for (int i = 0; i < OPT_COUNT; i++)
        if (cli_option_table[i].who & 1u << o->subcommand &&
            strcmp(cli_option_table[i].name, name) == 0)
            return options_take(o, (cli_option)i, equals ? equals + 1 : NULL,
                                at);
    return options_unknown(name, o->subcommand);
}

static int options_short(cli_options *o, const char *word, int *at)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const cli_option_row *row = &cli_option_table[i];
        if (row->letter == word[0] && row->who & 1u << o->subcommand)
            return options_take(o, (cli_option)i, word[1] ? word + 1 : NULL,
                                at);
    }
    return cli_usage("unknown option -%s; longhand %s -h lists them", word,
                     cli_subcommand_table[o->subcommand].name);
}

int cli_options_parse(cli_options *o, cli_subcommand subcommand, int argc,
                      char **argv, char **memory)
{
    const cli_subcommand_row *row = &cli_subcommand_table[subcommand];
    *o = (cli_options){ .subcommand = subcommand, .operand = memory,
                        .argc = argc, .argv = argv };
    bool words = false;
    for (int i = 0; i < OPT_COUNT; i++)
        if (!strchr("(", cli_option_table[i].standard[0]))
            options_value(o, (cli_option)i, cli_option_table[i].standard);
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        int code = CLI_DONE;
        if (words || word[0] != '-' || !word[1])
            o->operand[o->operands++] = argv[i];
        else if (strcmp(word, "--") == 0)
            words = true;
        else if (word[1] == '-')
            code = options_long(o, word + 2, &i);
        else
            code = options_short(o, word + 1, &i);
        if (code)
            return code;
    }
    if (o->given[OPT_help])
        return CLI_DONE;
    const char *wanted = row->operands;
    for (int i = 0; i < o->operands && o->operands < row->least; i++)
        wanted += strcspn(wanted, " ") + 1;
    if (o->operands < row->least)
        return cli_usage("%.*s is missing: longhand %s %s",
                         (int)strcspn(wanted, " ."), wanted, row->name,
                         row->operands);
    if (o->operands > row->most)
        return cli_usage("too much: %s; the usage is longhand %s %s",
                         o->operand[row->most], row->name, row->operands);
    return CLI_DONE;
}
