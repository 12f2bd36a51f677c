/* The view of a run.
 *
 * Live: one frame (chart, bar, one line of numbers) redrawn in place at most
 * 20 times a second, in one write so that it does not flicker, and never as
 * wide as the terminal, so that no line wraps.  Plain: about 20 lines. */
#include "cli/view.h"
#include "cli/chart.h"

#include <math.h>
#include <stdarg.h>
#include <sys/ioctl.h>

/* ------------------------------------------------------------- starting -- */

static bool view_utf8(void)
{
    const char *name[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(name[i]);
        if (value && value[0])
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

void cli_view_start(cli_view *v, const cli_options *o, const char *unit,
                    const lh_progress *begun)
{
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    *v = (cli_view){ .unit = unit, .steps = begun->steps,
                     .start = cli_clock(), .held_out = (double)NAN,
                     .bits = (double)NAN, .best = (double)NAN,
                     .begun_step = begun->step,
                     .begun_documents = begun->documents,
                     .begun_tokens = begun->tokens };
    for (int i = 0; i < CLI_VIEW_BINS; i++)
        v->single[i] = (double)NAN;
    v->utf8 = view_utf8();
    v->colour = !(plain && plain[0]);
    if (o->given[OPT_json])
        v->mode = CLI_VIEW_JSON;
    else if (o->given[OPT_quiet])
        v->mode = CLI_VIEW_QUIET;
    else if (isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0)
        v->mode = CLI_VIEW_LIVE;
    else
        v->mode = CLI_VIEW_PLAIN;
}

void cli_view_past(cli_view *v, int64_t step, double loss, double held_out)
{
    if (step < 1 || step > v->steps)
        return;
    double share = (double)(step - 1) / (double)v->steps;
    int i = (int)(share * CLI_VIEW_BINS);
    if (loss - loss == 0)
        v->bin[i] += loss, v->binned[i]++;
    if (held_out - held_out != 0)
        return;
    v->falls = held_out < v->held_out;
    v->single[i] = v->held_out = held_out;
    v->since++;
    if (!(v->best <= held_out))
        v->best = held_out, v->best_step = step, v->since = 0;
}

/* Each bin to its new place, from the side where none waits that moves. */
void cli_view_resize(cli_view *v, int64_t steps)
{
    double ratio = (double)v->steps / (double)steps;
    v->steps = steps;
    for (int n = 0; n < CLI_VIEW_BINS; n++) {
        int i = ratio > 1 ? CLI_VIEW_BINS - 1 - n : n;
        int to = (int)(ratio * i);
        if (to == i)
            continue;
        if (to < CLI_VIEW_BINS) {
            v->bin[to] += v->bin[i];
            v->binned[to] += v->binned[i];
            if (v->single[i] - v->single[i] == 0)
                v->single[to] = v->single[i];
        }
        v->bin[i] = 0;
        v->binned[i] = 0;
        v->single[i] = (double)NAN;
    }
}

/* ----------------------------------------------------------------- JSON -- */

static void view_member(FILE *f, const char *name, double x)
{
    if (x - x == 0)
        cli_json_real(f, name, x);
}

void cli_step_json(FILE *f, const cli_step *r, const char *more)
{
    const lh_progress *p = &r->progress;
    cli_json_integer(f, "{step", p->step);
    cli_json_integer(f, "tokens", p->tokens);
    view_member(f, "loss", p->loss);
    view_member(f, "held_out_loss", r->held_out);
    view_member(f, "held_out_bits_per_byte", r->bits);
    view_member(f, "lr", p->learning_rate);
    view_member(f, "gradient_norm", p->gradient_norm);
    view_member(f, "tokens_per_second", r->tokens_per_second);
    view_member(f, "seconds", r->seconds);
    view_member(f, "share", r->share);
    fprintf(f, "%s}\n", more ? more : "");
}

/* -------------------------------------------------------------- numbers -- */

/* "38,012 names/s" and "0:12 left" ("took 0:03" at the end). */
static void view_speed(const cli_view *v, const cli_step *r, char *speed,
                       char *left)
{
    const lh_progress *p = &r->progress;
    char number[32], time[32];
    double per = v->unit ? (double)(p->documents - v->begun_documents)
                         : (double)(p->tokens - v->begun_tokens);
    double done = (double)(p->step - v->begun_step);
    double rate = r->seconds > 0 ? per / r->seconds : 0;
    snprintf(speed, 64, "%s %s/s", cli_count(number, (int64_t)(rate + 0.5)),
             v->unit ? v->unit : "tokens");
    if (p->step >= v->steps)
        snprintf(left, 64, "%.1f s in all", r->seconds);
    else
        snprintf(left, 64, "%s left",
                 cli_duration(time, r->seconds * (double)(v->steps - p->step)
                                    / done));
}

/* ---------------------------------------------------------------- frame -- */

typedef struct view_frame {
    char text[12288];
    size_t size;
    int lines, width;             /* the terminal's columns less one       */
    int chart;                    /* columns of it                         */
} view_frame;

static CLI_PRINTF(2, 3) void view_add(view_frame *f, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    size_t room = sizeof f->text - f->size;
    int n = vsnprintf(f->text + f->size, room, format, list);
    va_end(list);
    if (n > 0)
        f->size += (size_t)n < room ? (size_t)n : room - 1;
}

static void view_newline(view_frame *f)
{
    view_add(f, "\x1b[K\n");
    f->lines++;
}

static const char *view_sgr(const cli_view *v, const char *code)
{
    return v->colour ? code : "";
}

static void view_chart(const cli_view *v, view_frame *f, int rows)
{
    static cli_chart chart;       /* 4 kB; the program has one thread      */
    char text[4];
    chart.width = f->chart;
    chart.height = rows;
    if (!cli_chart_draw(&chart, v->bin, v->binned, v->single, CLI_VIEW_BINS))
        return;
    for (int y = 0; y < rows; y++) {
        double share = (double)y / (rows - 1);
        bool label = y == 0 || y == rows - 1 || y == (rows - 1) / 2;
        if (label)
            view_add(f, "%s%6.*f %s%s", view_sgr(v, "\x1b[2m"),
                     chart.high < 99 ? 3 : 0,
                     chart.high + (chart.low - chart.high) * share,
                     v->utf8 ? "\u2524" : "|", view_sgr(v, "\x1b[0m"));
        else
            view_add(f, "       %s%s%s", view_sgr(v, "\x1b[2m"),
                     v->utf8 ? "\u2502" : "|", view_sgr(v, "\x1b[0m"));
        for (int x = 0, curve, before = -1; x < chart.width; x++) {
            const char *cell = cli_chart_cell(&chart, y, x, v->utf8, text,
                                              &curve);
            if (curve != before)
                view_add(f, "%s", view_sgr(v, curve ? "\x1b[33m"
                                                    : "\x1b[36m"));
            before = curve;
            view_add(f, "%s", cell);
        }
        view_add(f, "%s", view_sgr(v, "\x1b[0m"));
        view_newline(f);
    }
}

/* The bar stands below the chart, as long as it: where the curve ends, the
 * bar ends. */
static void view_bar(const cli_view *v, view_frame *f, double share)
{
    int width = f->chart, full = (int)(share * width);
    view_add(f, " %3d %% %s", (int)(share * 100), v->utf8 ? " " : "[");
    view_add(f, "%s", view_sgr(v, "\x1b[32m"));
    for (int x = 0; x < full; x++)
        view_add(f, "%s", v->utf8 ? "\u2501" : "=");
    view_add(f, "%s%s", view_sgr(v, "\x1b[0m"), view_sgr(v, "\x1b[2m"));
    for (int x = full; x < width; x++)
        view_add(f, "%s", v->utf8 ? "\u2500" : "-");
    view_add(f, "%s%s", view_sgr(v, "\x1b[0m"), v->utf8 ? "" : "]");
    view_newline(f);
}

/* As many numbers as two lines have room for, the important ones first. */
static void view_numbers(const cli_view *v, view_frame *f,
                         const cli_step *r)
{
    char part[7][64], step[32], steps[32];
    int count = 0, room = f->width;
    snprintf(part[count++], 64, "step %s/%s",
             cli_count(step, r->progress.step), cli_count(steps, v->steps));
    snprintf(part[count++], 64, "loss %.4f", v->recent);
    if (v->held_out - v->held_out == 0)
        snprintf(part[count++], 64, "held out %.4f (%.3f bits/byte)",
                 v->held_out, v->bits);
    view_speed(v, r, part[count + 1], part[count]);
    count += 2;
    if (v->held_out > 1.01 * v->best)
        snprintf(part[count++], 64, "best %.4f at %s", v->best,
                 cli_count(step, v->best_step));
    if (r->share - r->share == 0)
        snprintf(part[count++], 64, "%.0f %% of peak", 100 * r->share);
    bool second = false;
    for (int i = 0; i < count; i++) {
        int size = (int)strlen(part[i]) + 2;
        if (size > room && !second) {
            view_newline(f);
            room = f->width;
            second = true;
        }
        if (size > room)
            break;
        view_add(f, "  %s", part[i]);
        room -= size;
    }
    view_newline(f);
}

/* The sample's first lines, dim, none longer than the width. */
static void view_sample(const cli_view *v, view_frame *f, int rows)
{
    const char *c = v->sample;
    for (int y = 0; y < rows && c && *c; y++) {
        view_add(f, "  %s", view_sgr(v, "\x1b[2m"));
        for (int x = 2; *c && *c != '\n';) {
            bool harmless;
            size_t n = cli_character(c, strlen(c), &harmless);
            harmless = harmless && *c != '\t';
            x += n > 2 ? 2 : 1;   /* perhaps a wide character              */
            if (x < f->width)
                view_add(f, "%.*s", (int)n, harmless ? c : "?");
            c += n;
        }
        c += *c == '\n';
        view_add(f, "%s", view_sgr(v, "\x1b[0m"));
        view_newline(f);
    }
}

static void view_draw(cli_view *v, const cli_step *r)
{
    static view_frame frame;
    struct winsize w = { 0 };
    int columns = 80, rows = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_row)
        columns = w.ws_col, rows = w.ws_row;
    frame = (view_frame){ .width = columns < 80 ? columns - 1 : 79 };
    frame.chart = frame.width - 9 < CLI_CHART_WIDTH ? frame.width - 9
                                                    : CLI_CHART_WIDTH;
    if (v->lines && columns < v->columns)    /* the old frame has wrapped  */
        view_add(&frame, "\x1b[2J\x1b[H");
    else if (v->lines)
        view_add(&frame, "\x1b[%dA\r", v->lines);
    v->columns = columns;
    int height = rows >= 18 ? CLI_CHART_HEIGHT : rows >= 10 ? 4 : 0;
    if (frame.width >= 30) {
        if (height)
            view_chart(v, &frame, height);
        view_bar(v, &frame, (double)r->progress.step / (double)v->steps);
    }
    view_numbers(v, &frame, r);
    view_sample(v, &frame, rows >= 18 ? 3 : 0);
    view_add(&frame, "\x1b[J");
    fwrite(frame.text, 1, frame.size, stdout);
    fflush(stdout);
    v->lines = frame.lines;
}

/* ---------------------------------------------------------------- steps -- */

static void view_plain(cli_view *v, const cli_step *r)
{
    char speed[64], left[64], step[32], steps[32], held[64] = "";
    view_speed(v, r, speed, left);
    if (v->fresh)
        snprintf(held, sizeof held, "  held out %.4f (%.3f bits/byte)",
                 v->held_out, v->bits);
    v->fresh = false;
    cli_count(steps, v->steps);
    printf("step %*s of %s  loss %.4f%s  %s  %s\n", (int)strlen(steps),
           cli_count(step, r->progress.step), steps,
           v->sum / (double)v->summed, held, speed, left);
    fflush(stdout);
    v->sum = 0, v->summed = 0;
}

void cli_view_step(cli_view *v, cli_step *r)
{
    const lh_progress *p = &r->progress;
    double now = cli_clock();
    r->seconds = now - v->start;
    r->tokens_per_second = r->seconds > 0
        ? (double)(p->tokens - v->begun_tokens) / r->seconds : 0;
    /* Measured when it is known that the run lasts. */
    if (v->peak <= 0 && r->seconds > 2 && v->ctx)
        v->peak = lh_limit_fma(v->ctx, 0.01) * lh_threads(v->ctx);
    r->share = v->peak > 0 ? r->tokens_per_second * v->flops / v->peak
                           : (double)NAN;
    if (r->held_out - r->held_out == 0)
        v->bits = r->bits, v->fresh = true;
    cli_view_past(v, p->step, p->loss, r->held_out);
    /* The loss that is shown is a mean over about the last 1% of the run. */
    double span = (double)v->steps / 100 + 1;
    double done = (double)(p->step - v->begun_step);
    v->recent += (p->loss - v->recent) / (done < span ? done : span);
    v->sum += p->loss;
    v->summed++;
    int64_t every = v->steps / 20 > 0 ? v->steps / 20 : 1;
    if (v->mode == CLI_VIEW_JSON && r->reported) {
        cli_step_json(stdout, r, NULL);
        fflush(stdout);
    }
    if (v->mode == CLI_VIEW_PLAIN && (p->step % every == 0 ||
                                      p->step == v->steps))
        view_plain(v, r);
    if (v->mode != CLI_VIEW_LIVE)
        return;
    if (now - v->drawn >= 0.05) {
        v->drawn = now;
        view_draw(v, r);
    }
}

void cli_view_end(cli_view *v, const cli_step *last)
{
    v->sample = NULL;             /* others follow                         */
    if (v->mode == CLI_VIEW_LIVE && last->progress.step > v->begun_step)
        view_draw(v, last);
}
