/* longhand report RUN...: what runs did, as one page that loads nothing from
 * elsewhere and needs no script; with .svg, the chart of losses alone.
 *
 * Everything that was read is written as text (report_log.c).  The page is
 * written aside and renamed.  Read report_page() from the bottom. */
#include "cli/report_chart.h"
#include "cli/report_data.inc.h"
#include "cli/report_log.h"

#include <math.h>

enum { REPORT_RUNS = 9 };         /* two lines each on a chart             */

typedef struct report_page {
    FILE *f;
    int count;
    cli_log run[REPORT_RUNS];
    char name[REPORT_RUNS][40];
    cli_page_chart chart;
    double scale;                 /* of seconds, for an axis of time       */
    const char *clock;
} report_page;

/* A run's colour.  Of one alone c0 is what is held out, c1 (grey) the rest. */
static const char *const report_colour[REPORT_RUNS] = {
    "c0", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c1",
};

/* ----------------------------------------------------------------- axes -- */

typedef enum report_axis { REPORT_STEPS, REPORT_TIME, REPORT_LOG,
                           REPORT_AXES } report_axis;

static double report_x(const report_page *p, report_axis axis,
                       const cli_log_point *point)
{
    return axis == REPORT_TIME ? point->seconds / p->scale : point->step;
}

/* A chart over all runs' steps, or time. */
static void report_begin(report_page *p, report_axis axis, const char *title,
                         const char *unit)
{
    cli_page_chart *c = &p->chart;
    cli_page_chart_begin(c, title, unit);
    c->x0 = axis == REPORT_LOG ? INFINITY : 0;
    c->x1 = 0;
    c->log_x = axis == REPORT_LOG;
    c->axis = axis == REPORT_TIME ? p->clock : axis == REPORT_LOG
            ? "steps, logarithmic" : "steps";
    for (int i = 0; i < p->count; i++) {
        const cli_log *r = &p->run[i];
        if (!r->count)
            continue;
        double first = report_x(p, axis, r->point);
        double last = report_x(p, axis, r->last);
        c->x0 = c->log_x && first < c->x0 && first > 0 ? first : c->x0;
        c->x1 = last > c->x1 ? last : c->x1;
    }
}

static cli_line *report_line(report_page *p, report_axis axis, int run,
                             size_t field, cli_line_kind kind, int smooth,
                             const char *style)
{
    cli_line *l = cli_page_chart_line(&p->chart, kind, smooth, style);
    const cli_log *r = &p->run[run];
    for (int64_t i = 0; i < r->count; i++) {
        double y;
        memcpy(&y, (const char *)&r->point[i] + field, sizeof y);
        cli_page_chart_add(&p->chart, l, report_x(p, axis, &r->point[i]), y);
    }
    return l;
}

#define REPORT_FIELD(name) offsetof(cli_log_point, name)

/* --------------------------------------------------------------- charts -- */

static void report_loss(report_page *p, report_axis axis)
{
    report_begin(p, axis, "Loss", "nats per token");
    p->chart.log_y = axis == REPORT_LOG;
    for (int i = 0; i < p->count; i++) {
        const cli_log *r = &p->run[i];
        bool held = r->best >= 0, one = p->count == 1;
        const char *style = report_colour[i];
        const char *train = one ? held ? "c1" : "c0" : style;
        if (one || held)
            report_line(p, axis, i, REPORT_FIELD(loss), CLI_LINE_FAINT,
                        one ? 0 : 2, train);
        if (one || !held) {
            cli_line *l = report_line(p, axis, i, REPORT_FIELD(loss),
                                      CLI_LINE_PLAIN, 6, train);
            snprintf(l->label, sizeof l->label, "%s", one ? "train"
                                                          : p->name[i]);
        }
        if (!held)
            continue;
        cli_line *l = report_line(p, axis, i, REPORT_FIELD(held),
                                  CLI_LINE_DOTS, 0, style);
        snprintf(l->label, sizeof l->label, "%.3f %s",
                 r->point[r->best].held, one ? "held out" : p->name[i]);
    }
    cli_page_chart_end(&p->chart);
}

static void report_losses(report_page *p)
{
    static const char *const name[] = { "steps", "time", "logarithmic" };
    fputs("<section class=\"losses\">", p->f);
    for (int i = 0; i < REPORT_AXES; i++)
        fprintf(p->f, "<input type=\"radio\" name=\"axis\" id=\"a%d\"%s>"
                "<label for=\"a%d\">%s</label>", i, i ? "" : " checked", i,
                name[i]);
    for (int i = 0; i < REPORT_AXES; i++) {
        fprintf(p->f, "<div class=\"pane p%d\">", i);
        report_loss(p, (report_axis)i);
        fputs("</div>", p->f);
    }
    fputs("</section>\n", p->f);
}

static void report_small(report_page *p, const char *title, const char *unit,
                         size_t field, int smooth, bool logarithmic)
{
    report_begin(p, REPORT_STEPS, title, unit);
    p->chart.log_y = logarithmic;
    for (int i = 0; i < p->count; i++)
        report_line(p, REPORT_STEPS, i, field, CLI_LINE_PLAIN, smooth,
                    report_colour[i]);
    cli_page_chart_end(&p->chart);
}

/* Norms by layer: what stands before the layers, each of them from blue to
 * red, what stands behind. */
static void report_norms(report_page *p, const char *title, const char *unit,
                         size_t field)
{
    const cli_log *r = &p->run[0];
    double layers = cli_log_number(cli_log_get(cli_log_get(
        r->run, "model"), "layers"));
    int groups = layers >= 1 && layers < 4097 ? (int)layers + 2 : 0;
    int shown = groups < CLI_CHART_LINES ? groups : CLI_CHART_LINES;
    report_begin(p, REPORT_STEPS, title, unit);
    p->chart.log_y = true;
    for (int i = 0; i < shown; i++) {
        int group = i * (groups - 1) / (shown - 1);
        char style[48];
        snprintf(style, sizeof style, group == 0 ? "first" : group ==
                 groups - 1 ? "behind" : "h h%d",
                 layers > 1 ? (int)(9 * (group - 1) / (layers - 1)) : 0);
        cli_line *l = cli_page_chart_line(&p->chart, CLI_LINE_PLAIN, 0,
                                          style);
        for (int64_t j = 0; j < r->count; j++) {
            const char *at, *value = NULL;
            memcpy(&at, (const char *)&r->point[j] + field, sizeof at);
            bool there = at != NULL;
            for (int k = 0; k <= group && there; k++)
                there = cli_log_next(&at, NULL, &value);
            if (there)
                cli_page_chart_add(&p->chart, l, r->point[j].step,
                                   cli_log_number(value));
        }
        if (group == 0 || group == groups - 1)
            snprintf(l->label, sizeof l->label, "%s", group ? "head"
                                                            : "embedding");
        else if (group == 1 || group == groups - 2 || groups < 9)
            snprintf(l->label, sizeof l->label, "layer %d", group);
    }
    cli_page_chart_end(&p->chart);
}

static void report_charts(report_page *p)
{
    fputs("<section class=\"grid3\">", p->f);
    report_small(p, "Learning rate", "", REPORT_FIELD(rate), 0, false);
    report_small(p, "Speed", "tokens per second", REPORT_FIELD(speed), 3,
                 false);
    report_small(p, "Gradient norm", "before clipping", REPORT_FIELD(norm), 2,
                 true);
    fputs("</section>\n", p->f);
    if (p->count == 1) {
        fputs("<section class=\"grid2\">", p->f);
        report_norms(p, "Gradient norms", "by layer",
                     REPORT_FIELD(gradients));
        report_norms(p, "Weight norms", "by layer", REPORT_FIELD(weights));
        fputs("</section>\n", p->f);
    }
}

/* -------------------------------------------------------------- figures -- */

static void report_tile(FILE *f, const char *name, const char *value,
                        const char *more)
{
    fprintf(f, "<div><span>%s</span><b>%s</b><i>%s</i></div>", name, value,
            more);
}

/* The figures of one run, large. */
static void report_tiles(report_page *p)
{
    const cli_log *r = &p->run[0];
    const cli_log_point *last = r->last;
    char value[64], more[96], a[32];
    fputs("<section class=\"tiles\">", p->f);
    if (r->best >= 0) {
        const cli_log_point *best = &r->point[r->best];
        snprintf(value, sizeof value, "%.3f", best->bits);
        if (!isnan(best->bits))
            report_tile(p->f, "held out", value, "bits per byte");
        snprintf(value, sizeof value, "%.4f", best->held);
        snprintf(more, sizeof more, "nats per token, step %s",
                 cli_count(a, (int64_t)best->step));
        report_tile(p->f, "held out, best", value, more);
    }
    snprintf(value, sizeof value, "%.4f", last->loss);
    report_tile(p->f, "training loss", value, "nats per token, last step");
    snprintf(more, sizeof more, "%s steps",
             cli_count(a, (int64_t)last->step));
    report_tile(p->f, "trained on", cli_page_number(value, last->tokens),
                "tokens");
    snprintf(value, sizeof value, "%s", cli_duration(a, last->seconds));
    report_tile(p->f, "time", value, more);
    if (last->seconds > 0)
        report_tile(p->f, "speed", cli_page_number(
            value, last->tokens / last->seconds), "tokens per second");
    fputs("</section>\n", p->f);
    if (r->best >= 0 && !isnan(last->held) &&
        last->held > 1.01 * r->point[r->best].held)
        fprintf(p->f, "<p class=\"warn\">Overfitted: the held-out loss was"
                " least, %.4f, at step %s, and ends at %.4f.</p>\n",
                r->point[r->best].held,
                cli_count(a, (int64_t)r->point[r->best].step), last->held);
}

static void report_cell(FILE *f, double x, const char *format)
{
    fputs("<td>", f);
    if (!isnan(x))
        fprintf(f, format, x);
    fputs("</td>", f);
}

/* The figures of several runs, a row each. */
static void report_runs(report_page *p)
{
    char a[32];
    fputs("<section class=\"wide\"><table class=\"runs\"><tr><th>run</th>"
          "<th>parameters</th><th>steps</th><th>tokens</th><th>time</th>"
          "<th>train</th><th>held out</th><th>bits/byte</th><th>at step</th>"
          "</tr>", p->f);
    for (int i = 0; i < p->count; i++) {
        const cli_log *r = &p->run[i];
        const cli_log_point *l = r->last, *best = r->best < 0 ? NULL
                                                : &r->point[r->best];
        fprintf(p->f, "<tr><th class=\"%s\">", report_colour[i]);
        cli_log_escape(p->f, r->name, strlen(r->name));
        fprintf(p->f, "</th><td>%s</td><td>%.0f</td>", cli_page_number(
            a, cli_log_number(cli_log_get(cli_log_get(
                r->run, "model"), "parameters"))), l->step);
        fprintf(p->f, "<td>%s</td>", cli_page_number(a, l->tokens));
        fprintf(p->f, "<td>%s</td>", cli_duration(a, l->seconds));
        report_cell(p->f, l->loss, "%.4f");
        report_cell(p->f, best ? best->held : (double)NAN, "%.4f");
        report_cell(p->f, best ? best->bits : (double)NAN, "%.4f");
        report_cell(p->f, best ? best->step : (double)NAN, "%.0f");
        fputs("</tr>", p->f);
    }
    fputs("</table></section>\n", p->f);
}

/* -------------------------------------------------------------- samples -- */

static void report_samples(report_page *p)
{
    bool any = false;
    for (int i = 0; i < p->count; i++) {
        const cli_log *r = &p->run[i];
        const cli_log_point *only = NULL;
        for (int64_t j = 0; j < r->count && p->count > 1; j++)
            only = r->point[j].sample ? &r->point[j] : only;
        for (int64_t j = 0; j < r->count; j++) {
            const cli_log_point *at = &r->point[j];
            if (!at->sample || (only && at != only))
                continue;
            if (!any)
                fputs("<h2>Samples</h2><section class=\"samples\">", p->f);
            any = true;
            fprintf(p->f, "<div><h3 class=\"%s\">",
                    p->count > 1 ? report_colour[i] : "");
            if (p->count > 1)
                cli_log_escape(p->f, p->name[i], strlen(p->name[i]));
            fprintf(p->f, " step %.0f</h3><pre>", at->step);
            cli_log_show(p->f, at->sample);
            fputs("</pre></div>", p->f);
        }
    }
    if (any)
        fputs("</section>\n", p->f);
}

/* ------------------------------------------------------------- settings -- */

static bool report_same(const char *a, const char *b)
{
    size_t n = a && *a == '"' ? strcspn(a + 1, "\"") + 2
             : a ? strcspn(a, ",}") : 0;
    return a && b ? !strncmp(a, b, n) && (*a == '"' || strchr(",}", b[n]))
                  : a == b;
}

/* Where a run was gone on with, and on what. */
static void report_resumed(FILE *f, const cli_log *r)
{
    static const char *const fact[] = { "cpu", "kernels", "threads" };
    for (int64_t i = 0; i < r->count; i++) {
        const char *run = r->point[i].run;
        if (!run || run == r->run)
            continue;
        fputs("<p>", f);
        cli_log_escape(f, r->name, strlen(r->name));
        fprintf(f, " was gone on with at step %.0f:", r->point[i].step);
        for (int j = 0; j < 3; j++) {
            fprintf(f, "%s %s ", j ? "," : "", fact[j]);
            cli_log_show(f, cli_log_get(cli_log_get(run, "machine"),
                                        fact[j]));
        }
        fputs("</p>\n", f);
    }
}

/* What a run was made of: a table for each part of its "run" object, a column
 * for each run; where they differ is marked. */
static void report_settings(report_page *p)
{
    const char *part = p->run[0].run, *heading, *members;
    fprintf(p->f, "<h2>Settings</h2><section class=\"settings%s\">",
            p->count > 1 ? " many" : "");
    while (cli_log_next(&part, &heading, &members)) {
        const char *key, *value;
        char name[64];
        fputs("<table><caption>", p->f);
        cli_log_show(p->f, heading);
        fputs("</caption>", p->f);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(heading + 1, "\""),
                 heading + 1);
        while (cli_log_next(&members, &key, &value)) {
            char row[64];
            bool same = true;
            if (!strncmp(key, "\"what\"", 6))   /* the page's second line    */
                continue;
            snprintf(row, sizeof row, "%.*s", (int)strcspn(key + 1, "\""),
                     key + 1);
            const char *cell[REPORT_RUNS];
            for (int i = 0; i < p->count; i++) {
                cell[i] = cli_log_get(cli_log_get(p->run[i].run, name), row);
                same &= report_same(value, cell[i]);
            }
            fprintf(p->f, "<tr%s><th>", same ? "" : " class=\"differs\"");
            cli_log_show(p->f, key);
            fputs("</th>", p->f);
            for (int i = 0; i < p->count; i++) {
                fputs("<td>", p->f);
                cli_log_show(p->f, cell[i]);
                fputs("</td>", p->f);
            }
            fputs("</tr>", p->f);
        }
        fputs("</table>", p->f);
    }
    fputs("</section>\n", p->f);
    for (int i = 0; i < p->count; i++)
        report_resumed(p->f, &p->run[i]);
}

/* ----------------------------------------------------------------- page -- */

/* Of a chart alone what stands above the comment. */
static void report_style(FILE *f, bool page)
{
    for (size_t i = 0; i < sizeof report_css / sizeof report_css[0] &&
         (page || report_css[i][0] != '/'); i++)
        fputs(report_css[i], f);
}

static void report_html(report_page *p)
{
    const cli_log *r = &p->run[0];
    bool drawn = false;
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width\">"
          "<meta http-equiv=\"Content-Security-Policy\" content=\""
          "default-src 'none'; style-src 'unsafe-inline'\">"
          "<meta name=\"color-scheme\" content=\"light dark\"><title>", p->f);
    for (int i = 0; i < p->count; i++) {
        fputs(i ? ", " : "", p->f);
        cli_log_escape(p->f, p->run[i].name, strlen(p->run[i].name));
        drawn |= p->run[i].count > 0;
    }
    fputs("</title><style>\n", p->f);
    report_style(p->f, true);
    fputs("</style></head><body>\n<header><h1>", p->f);
    if (p->count == 1)
        cli_log_escape(p->f, r->name, strlen(r->name));
    else
        fprintf(p->f, "%d runs", p->count);
    fputs("</h1><p>", p->f);
    if (p->count == 1)
        cli_log_show(p->f, cli_log_get(cli_log_get(r->run, "run"), "what"));
    if (p->count == 1 && r->last && r->last->step < r->steps)
        fprintf(p->f, " <em>at step %.0f of %.0f</em>", r->last->step,
                r->steps);
    fputs("</p></header>\n", p->f);
    if (drawn && p->count == 1)
        report_tiles(p);
    else if (drawn)
        report_runs(p);
    if (drawn) {
        report_losses(p);
        report_charts(p);
    }
    report_samples(p);
    report_settings(p);
    fprintf(p->f, "<footer>longhand %s; this page loads nothing from"
            " elsewhere</footer></body></html>\n", lh_version());
}

static void report_svg(report_page *p)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 400\""
          " width=\"760\" height=\"400\"><style>\n", p->f);
    report_style(p->f, false);
    fputs("</style>\n", p->f);
    p->chart.svg = true;
    report_loss(p, REPORT_STEPS);
    fputs("</svg>\n", p->f);
}

/* Seconds, minutes or hours, for the longest run. */
static void report_clock(report_page *p)
{
    double most = 0;
    for (int i = 0; i < p->count; i++)
        if (p->run[i].last && p->run[i].last->seconds > most)
            most = p->run[i].last->seconds;
    p->scale = most < 180 ? 1 : most < 3 * 3600 ? 60 : 3600;
    p->clock = most < 180 ? "seconds" : most < 3 * 3600 ? "minutes"
                                                         : "hours";
}

/* The last part of a run's path, cut to what a label has room for. */
static void report_name(char name[40], const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    const char *slash = memrchr(path, '/', size);
    slash = slash && slash + 1 < path + size ? slash + 1 : path;
    size -= (size_t)(slash - path);
    snprintf(name, 40, "%.*s", (int)lh_text_whole(slash, size < 36 ? size
                                                              : 36), slash);
}

int cli_report_write(const char *file, int runs, char *const *directory)
{
    char aside[4200];
    size_t length = strlen(file);
    int code = CLI_DONE;
    if (runs > REPORT_RUNS)
        return cli_usage("a report shows at most %d runs", REPORT_RUNS);
    report_page *p = calloc(1, sizeof *p);
    if (!p)
        return cli_fail("out of memory");
    for (; p->count < runs && !code; p->count++) {
        code = cli_log_read(&p->run[p->count], directory[p->count]);
        report_name(p->name[p->count], directory[p->count]);
    }
    snprintf(aside, sizeof aside, "%.4000s.tmp-%ld", file, (long)getpid());
    p->f = code ? NULL : fopen(aside, "w");
    if (!code && !p->f)
        code = cli_fail("%s: cannot be written: %s", file, strerror(errno));
    p->chart.f = p->f;
    report_clock(p);
    if (!code && length > 4 && !strcmp(file + length - 4, ".svg"))
        report_svg(p);
    else if (!code)
        report_html(p);
    if (p->f && (ferror(p->f) | fclose(p->f) || rename(aside, file) != 0)) {
        code = cli_fail("%s: writing failed: %s", file, strerror(errno));
        unlink(aside);
    }
    for (int i = 0; i < p->count; i++)
        cli_log_free(&p->run[i]);
    free(p);
    return code;
}

int cli_report(const cli_options *o, lh_context *ctx)
{
    (void)ctx;
    return cli_report_write(o->text[OPT_page], o->operands, o->operand);
}
