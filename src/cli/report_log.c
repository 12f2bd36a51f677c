/* The logs of runs as reports read them: train.jsonl, by whomever it was
 * written, and text as HTML.
 *
 * A line is looked through where it stands; a broken one ends early and
 * gives what came before.  Refuses: nothing but what cannot be read. */
#include "cli/report_log.h"

#include <math.h>

/* ----------------------------------------------------------------- JSON -- */

/* Behind the value at p; NULL where none ends. */
static const char *log_skip(const char *p)
{
    int depth = 0;
    do {
        p += strspn(p, " ,:");
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                p += *p == '\\' && p[1];
            p = *p ? p + 1 : NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else {
            size_t size = strcspn(p, " ,:{}[]\"");
            p = size ? p + size : NULL;
        }
    } while (p && depth > 0);
    return depth ? NULL : p;
}

bool cli_log_next(const char **at, const char **key, const char **value)
{
    const char *p = *at;
    if (!p)
        return false;
    p += strspn(p, key ? "{, " : "[, ");
    if (key) {
        *key = *p == '"' ? p : NULL;
        p = *key ? log_skip(p) : NULL;
        p = p ? p + strspn(p, ": ") : NULL;
    }
    *value = p;
    *at = p && *p && *p != ']' && *p != '}' ? log_skip(p) : NULL;
    return *at != NULL;
}

const char *cli_log_get(const char *object, const char *key)
{
    const char *name, *value;
    size_t size = strlen(key);
    while (cli_log_next(&object, &name, &value))
        if (!strncmp(name + 1, key, size) && name[size + 1] == '"')
            return value;
    return NULL;
}

double cli_log_number(const char *value)
{
    if (!value || !strchr("-0123456789", *value))
        return (double)NAN;
    double x = strtod(value, NULL);
    return x - x == 0 ? x : (double)NAN;
}

/* ----------------------------------------------------------------- HTML -- */

void cli_log_escape(FILE *f, const char *text, size_t size)
{
    bool harmless;
    for (size_t i = 0, n; i < size; i += n) {
        n = cli_character(text + i, size - i, &harmless);
        if (!harmless)
            fputs("\xEF\xBF\xBD", f);
        else if (strchr("&<>\"'", text[i]))
            fprintf(f, "&#%d;", text[i]);
        else
            fwrite(text + i, 1, n, f);
    }
}

/* The code of \uXXXX at p, 0 where it is none. */
static uint32_t log_hex(const char *p)
{
    char digits[5] = "";
    if (p[0] != '\\' || p[1] != 'u')
        return 0;
    strncpy(digits, p + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4
        ? (uint32_t)strtoul(digits, NULL, 16) : 0;
}

/* At the backslash: writes what is meant, and the length of its spelling. */
static size_t log_escaped(FILE *f, const char *p)
{
    static const char spelled[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *found = p[1] ? strchr(spelled, p[1]) : NULL;
    uint32_t code = log_hex(p), low = 0;
    if (p[1] != 'u') {
        cli_log_escape(f, found ? meant + (found - spelled) : p + 1, 1);
        return 2;
    }
    if (code >> 10 == 0x36 && (low = log_hex(p + 6)) >> 10 == 0x37)
        code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
    char utf8[4];
    cli_log_escape(f, utf8, cli_utf8_put(utf8, code));
    return code >= 0x10000 ? 12 : strnlen(p, 6);
}

void cli_log_show(FILE *f, const char *value)
{
    if (!value)
        return;
    if (*value != '"') {
        cli_log_escape(f, value, strcspn(value, " ,:{}[]\""));
        return;
    }
    for (const char *p = value + 1; *p && *p != '"';) {
        size_t size = strcspn(p, "\\\"");
        cli_log_escape(f, p, size);
        p += size;
        if (*p == '\\')
            p += p[1] ? log_escaped(f, p) : 1;
    }
}

/* -------------------------------------------------------------- reading -- */

static int log_file(cli_log *log, const char *path)
{
    size_t room = 0;
    FILE *f = fopen(path, "rb");
    if (!f)
        return cli_fail("%s: cannot be opened: %s; name the directory of a"
                        " run", path, strerror(errno));
    bool empty = getdelim(&log->text, &room, 0, f) < 0;
    bool failed = ferror(f) || (empty && !feof(f)) ||
                  !cli_grow(&log->text, &room, 1, 1);
    fclose(f);
    if (failed)
        return cli_fail("%s: reading failed", path);
    if (empty)
        log->text[0] = 0;
    return CLI_DONE;
}

/* The members of a line: numbers, and places of what is read later. */
static void log_members(cli_log_point *p, const char *line)
{
    const struct { const char *key; double *number; const char **place; }
    member[] = {
        { "step", &p->step, NULL }, { "tokens", &p->tokens, NULL },
        { "loss", &p->loss, NULL }, { "held_out_loss", &p->held, NULL },
        { "held_out_bits_per_byte", &p->bits, NULL },
        { "lr", &p->rate, NULL }, { "gradient_norm", &p->norm, NULL },
        { "seconds", &p->seconds, NULL }, { "sample", NULL, &p->sample },
        { "gradients", NULL, &p->gradients }, { "run", NULL, &p->run },
        { "weights", NULL, &p->weights },
    };
    const char *key, *value;
    while (cli_log_next(&line, &key, &value))
        for (size_t i = 0; i < sizeof member / sizeof member[0]; i++) {
            size_t size = strlen(member[i].key);
            if (strncmp(key + 1, member[i].key, size) || key[size + 1] != '"')
                continue;
            if (member[i].number)
                *member[i].number = cli_log_number(value);
            else
                *member[i].place = value;
        }
}

/* A line; what a later process of the run counts anew goes on. */
static void log_line(cli_log *log, const char *line, double *before,
                     double *past)
{
    const double none = (double)NAN;
    cli_log_point *p = &log->point[log->count];
    const cli_log_point *last = log->count ? p - 1 : NULL;
    *p = (cli_log_point){ none, none, none, none, none, none, none, none,
                          none, NULL, NULL, NULL, NULL };
    log_members(p, line);
    if (p->run && log->run[1] == '}')
        log->run = p->run;
    if (isnan(p->step) || isnan(p->seconds))
        return;
    if (p->seconds < *before)
        *past += *before;
    *before = p->seconds;
    p->seconds += *past;
    if (last && p->seconds > last->seconds)
        p->speed = (p->tokens - last->tokens) / (p->seconds - last->seconds);
    if (!isnan(p->held) && (log->best < 0 ||
                            p->held < log->point[log->best].held))
        log->best = log->count;
    log->last = p;
    log->count++;
}

int cli_log_read(cli_log *log, const char *directory)
{
    char path[4200];
    size_t length = strlen(directory);
    bool file = length > 6 && !strcmp(directory + length - 6, ".jsonl");
    double before = 0, past = 0;
    int64_t lines = 1;
    *log = (cli_log){ .name = directory, .run = "{}", .best = -1 };
    if ((size_t)snprintf(path, sizeof path, file ? "%s" : "%s/train.jsonl",
                         directory) >= sizeof path)
        return cli_fail("the path is too long: %.64s...", directory);
    int code = log_file(log, path);
    if (code)
        return code;
    for (char *c = log->text; (c = strchr(c, '\n')); lines++)
        *c++ = 0;
    log->point = calloc((size_t)lines, sizeof *log->point);
    if (!log->point)
        return cli_fail("%s: no memory for its points", path);
    char *line = log->text;
    for (int64_t i = 0; i < lines; i++) {
        log_line(log, line, &before, &past);
        line += strlen(line) + 1;
    }
    log->steps = cli_log_number(cli_log_get(cli_log_get(log->run,
                                                        "training"),
                                            "steps"));
    return CLI_DONE;
}

void cli_log_free(cli_log *log)
{
    free(log->text);
    free(log->point);
    *log = (cli_log){ .best = -1 };
}
