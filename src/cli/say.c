/* What the program says: errors, numbers for people, JSON, model text.
 *
 * The locale is never set, so printf's numbers are those of C. */
#include "cli/cli.h"

#include <stdarg.h>
#include <time.h>

const char *cli_name;
static bool say_said;             /* one line is said, the first cause     */

/* -------------------------------------------------------------- errors -- */

int cli_fail(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    say_said = true;
    fflush(stdout);
    fprintf(stderr, "longhand%s%s: %s\n", cli_name ? " " : "",
            cli_name ? cli_name : "", text);
    return CLI_FAILED;
}

int cli_error(const lh_context *ctx)
{
    const char *message = lh_error_message(ctx);
    if (!message[0])
        message = lh_status_text(lh_error_status(ctx));
    return cli_fail("%s", message);
}

int cli_impossible(const lh_context *ctx)
{
    lh_status status = lh_error_status(ctx);
    int code = cli_error(ctx);
    return status == LH_ERROR_SHAPE || status == LH_ERROR_ARGUMENT
        ? CLI_USAGE : code;
}

int cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_DONE;
    /* A reader that has seen enough (head, less) is no failure to report. */
    if (errno == EPIPE || say_said)
        return CLI_FAILED;
    return cli_fail("writing the output failed%s%s; is the disk full?",
                    errno ? ": " : "", errno ? strerror(errno) : "");
}

/* -------------------------------------------------------------- numbers -- */

const char *cli_count(char *text, int64_t n)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < size; i++) {
        text[at++] = digits[i];
        if ((size - 1 - i) % 3 == 0 && i < size - 1 && digits[i] != '-')
            text[at++] = ',';
    }
    text[at] = 0;
    return text;
}

const char *cli_bytes(char *text, int64_t bytes)
{
    static const char *const unit[] = { "bytes", "kB", "MB", "GB", "TB" };
    double x = (double)bytes;
    int i = 0;
    for (; x >= 999.5 && i < 4; i++)
        x /= 1000;
    snprintf(text, 32, "%.*f %s", i && x < 9.995 ? 2 : i && x < 99.95 ? 1 : 0,
             x, unit[i]);
    return text;
}

const char *cli_duration(char *text, double seconds)
{
    double s = seconds < 0 ? 0 : seconds > 3e9 ? 3e9 : seconds;
    long whole = (long)(s + 0.5);
    if (whole >= 2 * 86400)
        snprintf(text, 32, "%ld days %ld h", whole / 86400,
                 whole % 86400 / 3600);
    else if (whole >= 3600)
        snprintf(text, 32, "%ld:%02ld:%02ld", whole / 3600,
                 whole % 3600 / 60, whole % 60);
    else
        snprintf(text, 32, "%ld:%02ld", whole / 60, whole % 60);
    return text;
}

bool cli_grow(void *array, size_t *room, size_t needed, size_t size)
{
    void *memory;
    if (needed <= *room)
        return true;
    memcpy(&memory, array, sizeof memory);
    needed = needed > 2 * *room + 64 ? needed : 2 * *room + 64;
    memory = needed < SIZE_MAX / size ? realloc(memory, needed * size) : NULL;
    if (!memory)
        return false;
    memcpy(array, &memory, sizeof memory);
    *room = needed;
    return true;
}

double cli_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ----------------------------------------------------------------- JSON -- */

/* The length of the well-formed UTF-8 sequence at text, or 0. */
static size_t say_utf8(const char *bytes, size_t size)
{
    const unsigned char *text = (const unsigned char *)bytes;
    unsigned char c = text[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3
             : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (!n || n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F) ||
        (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F))
        return 0;
    return n;
}

size_t cli_utf8_put(char *text, uint32_t code)
{
    static const unsigned char first[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(first[n] | code);
    return n;
}

size_t cli_character(const char *text, size_t size, bool *harmless)
{
    const unsigned char *u = (const unsigned char *)text;
    size_t n = say_utf8(text, size);
    *harmless = n && (u[0] >= 32 || u[0] == '\n' || u[0] == '\t') &&
                u[0] != 127 && !(n == 2 && u[0] == 0xC2 && u[1] < 0xA0);
    return n ? n : 1;
}

void cli_json_string(FILE *f, const char *text, size_t size)
{
    const unsigned char *u = (const unsigned char *)text;
    fputc('"', f);
    for (size_t i = 0, n; i < size; i += n) {
        n = say_utf8(text + i, size - i);
        if (n == 0) {
            fputs("\xEF\xBF\xBD", f);
            n = 1;
        } else if (n > 1) {
            fwrite(text + i, 1, n, f);
        } else if (u[i] == '"' || u[i] == '\\') {
            fprintf(f, "\\%c", u[i]);
        } else if (u[i] == '\n') {
            fputs("\\n", f);
        } else if (u[i] < 32 || u[i] == 127) {
            fprintf(f, "\\u%04x", u[i]);
        } else {
            fputc(u[i], f);
        }
    }
    fputc('"', f);
}

static void say_member(FILE *f, const char *name)
{
    bool first = name[0] == '{';
    fprintf(f, "%s\"%s\": ", first ? "{" : ", ", name + first);
}

void cli_json_text(FILE *f, const char *name, const char *text)
{
    say_member(f, name);
    cli_json_string(f, text, strlen(text));
}

/* 9 significant digits hold every float. */
void cli_json_real(FILE *f, const char *name, double x)
{
    say_member(f, name);
    if (x - x == 0)
        fprintf(f, "%.9g", x);
    else
        fputs("null", f);
}

void cli_json_integer(FILE *f, const char *name, int64_t n)
{
    say_member(f, name);
    fprintf(f, "%lld", (long long)n);
}

/* -------------------------------------------------------------- command -- */

/* Appends a word as a shell takes it; false where it does not fit. */
static bool say_quote(char *text, size_t size, const char *word)
{
    size_t at = strlen(text);
    bool plain = word[0] && word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_")] == 0;
    if (at && at + 1 < size)
        text[at++] = ' ';
    if (!plain && at + 1 < size)
        text[at++] = '\'';
    for (; *word && at + 8 < size; word++) {
        if (*word == '\'') {
            memcpy(text + at, "'\\''", 4);
            at += 4;
        } else {
            text[at++] = *word;
        }
    }
    if (!plain && at + 1 < size)
        text[at++] = '\'';
    text[at] = 0;
    return !*word && at + 2 < size;
}

bool cli_command(const cli_options *o, const char *const *more,
                 cli_option without, char *text, size_t size)
{
    const char *name = without < OPT_COUNT ? cli_option_table[without].name
                                           : NULL;
    bool fits = true;
    text[0] = 0;
    for (int i = 0; i < o->argc && fits; i++) {
        const char *word = o->argv[i];
        size_t n = name ? strlen(name) : 0;
        bool is = name && strncmp(word, "--", 2) == 0 &&
                  strncmp(word + 2, name, n) == 0;
        if (is && !word[2 + n])
            i++;                  /* its value is the next word            */
        else if (name && strcmp(word, "--resume") == 0)
            continue;
        else if (!is || word[2 + n] != '=')
            fits = say_quote(text, size, word);
        for (int j = 0; i == 1 && fits && more && more[j]; j++)
            fits = say_quote(text, size, more[j]);
    }
    return fits;
}

/* ----------------------------------------------------------- model text -- */

void cli_text(FILE *f, const char *text, size_t size)
{
    if (!isatty(fileno(f))) {
        fwrite(text, 1, size, f);
        return;
    }
    bool harmless;
    for (size_t i = 0, n; i < size; i += n) {
        n = cli_character(text + i, size - i, &harmless);
        fwrite(harmless ? text + i : "?", 1, harmless ? n : 1, f);
    }
}
