/* The charts of a report.  A line's points are gathered in columns; when all
 * are there the scale is chosen, and axes, lines and labels are written. */
#include "cli/chart.h"
#include "cli/report_chart.h"
#include "cli/report_log.h"

#include <math.h>

/* The plane that lines are drawn in, stretched to the page's; alone it stands
 * within an SVG of these sizes. */
enum { PLANE = 1000, SVG_WIDTH = 760, SVG_HEIGHT = 400, SVG_LEFT = 48,
       SVG_TOP = 34, SVG_RIGHT = 150, SVG_BOTTOM = 44 };

void cli_page_chart_begin(cli_page_chart *c, const char *title,
                          const char *unit)
{
    c->title = title;
    c->unit = unit;
    c->axis = "steps";
    c->lines = 0;
    c->log_x = c->log_y = false;
}

cli_line *cli_page_chart_line(cli_page_chart *c, cli_line_kind kind,
                              int smooth, const char *style)
{
    cli_line *l = &c->line[c->lines < CLI_CHART_LINES ? c->lines++
                                                      : c->lines - 1];
    memset(l, 0, sizeof *l);
    l->kind = kind;
    l->smooth = smooth;
    snprintf(l->style, sizeof l->style, "%s", style);
    return l;
}

static double page_share(bool logarithmic, double low, double high,
                          double v)
{
    return logarithmic ? log(v / low) / log(high / low)
                       : (v - low) / (high - low);
}

void cli_page_chart_add(const cli_page_chart *c, cli_line *l, double x,
                        double y)
{
    double share = page_share(c->log_x, c->x0, c->x1, x);
    if (y - y != 0 || !(share >= 0 && share <= 1) || (c->log_y && y <= 0))
        return;
    int at = (int)(share * (CLI_CHART_COLUMNS - 1) + 0.5);
    l->x[at] += share;
    l->y[at] += c->log_y ? log(y) : y;
    l->count[at]++;
}

/* Means of the columns, each with its neighbours, the near ones more; packed
 * together.  The number of them. */
static int page_means(const cli_page_chart *c, cli_line *l)
{
    double mean[CLI_CHART_COLUMNS];
    int filled = 0;
    for (int i = 0; i < CLI_CHART_COLUMNS; i++)
        mean[i] = cli_chart_mean(l->y, l->count, CLI_CHART_COLUMNS, i,
                                 l->smooth);
    for (int i = 0; i < CLI_CHART_COLUMNS; i++)
        if (l->count[i] > 0) {
            l->x[filled] = l->x[i] / l->count[i];
            l->y[filled++] = c->log_y ? exp(mean[i]) : mean[i];
        }
    return filled;
}

/* The range of y.  The first fall of a loss, the steepest and shortest part,
 * may leave the chart at its top, unless x is logarithmic. */
static bool page_scale(cli_page_chart *c, int *size)
{
    bool any = false;
    for (int i = 0; i < c->lines; i++) {
        const cli_line *l = &c->line[i];
        size[i] = page_means(c, &c->line[i]);
        for (int j = 0; j < size[i]; j++) {
            bool start = l->x[j] < 0.02 && !c->log_x && size[i] > 50;
            if (start || l->kind == CLI_LINE_FAINT)
                continue;
            c->y0 = !any || l->y[j] < c->y0 ? l->y[j] : c->y0;
            c->y1 = !any || l->y[j] > c->y1 ? l->y[j] : c->y1;
            any = true;
        }
    }
    double room = 0.06 * (c->y1 - c->y0);
    if (!(room > 1e-9 * fabs(c->y1)))
        room = c->y1 > 0 ? 0.1 * c->y1 : 1;
    if (c->log_y) {
        c->y1 *= 1 + room / c->y1;
        c->y0 /= 1.1;
    } else {
        c->y1 += room;
        c->y0 = c->y0 >= 0 && c->y0 < room ? 0 : c->y0 - room;
    }
    return any;
}

/* Ticks of an axis into tick[16]: 1, 2 or 5 times a power of ten apart; of a
 * logarithmic one of some length powers of ten, or these and 2 and 5. */
static int page_ticks(bool logarithmic, double low, double high, int wanted,
                       double *tick)
{
    int n = 0;
    double rough = (high - low) / wanted, power = pow(10, floor(log10(rough)));
    double step = power * (rough <= power ? 1 : rough <= 2 * power ? 2
                           : rough <= 5 * power ? 5 : 10);
    if (!logarithmic || high / low < 4) {
        for (double i = ceil(low / step); i * step <= high * (1 + 1e-9) &&
             n < 16; i++)
            tick[n++] = i * step;
        return n;
    }
    static const int some[] = { 1, 2, 5 };
    int each = high / low < 60 ? 3 : 1;
    int skip = each == 1 ? (int)ceil(log10(high / low) / 6) : 1;
    for (int e = (int)floor(log10(low)); e <= log10(high) && n < 16; e++)
        for (int i = 0; i < each && n < 16; i++) {
            double v = some[i] * pow(10, e);
            if (v >= low && v <= high && (each > 1 || e % skip == 0))
                tick[n++] = v;
        }
    return n;
}

const char *cli_page_number(char *text, double x)
{
    double size = fabs(x);
    if (size >= 999.5e9 || (size < 1e-3 && x != 0))
        snprintf(text, 32, "%.2g", x);
    else if (size >= 999.5e6)
        snprintf(text, 32, "%.3g G", x / 1e9);
    else if (size >= 999.5e3)
        snprintf(text, 32, "%.3g M", x / 1e6);
    else if (size >= 9999.5)
        snprintf(text, 32, "%.3g k", x / 1e3);
    else
        snprintf(text, 32, "%.4g", x);
    return text;
}

/* -------------------------------------------------------------- writing -- */

/* A label: what it is, where it stands in shares of the plane. */
static void page_text(const cli_page_chart *c, const char *what,
                       const char *style, double x, double y,
                       const char *text)
{
    double width = SVG_WIDTH - SVG_LEFT - SVG_RIGHT;
    double height = SVG_HEIGHT - SVG_TOP - SVG_BOTTOM;
    if (!c->svg)
        fprintf(c->f, "<span class=\"%s %s\" style=\"left:%.2f%%;top:%.2f%%"
                "\">", what, style, 100 * x, 100 * y);
    else
        fprintf(c->f, "<text class=\"%s %s\" x=\"%.1f\" y=\"%.1f\">", what,
                style, SVG_LEFT + x * width + (*what == 'y' ? -6 :
                                               *what == 'e' ? 8 : 0),
                SVG_TOP + y * height + (*what == 'x' ? 18 : *what == 't'
                                        ? -14 : *what == 'a' ? 36 : 4));
    cli_log_escape(c->f, text, strlen(text));
    fputs(c->svg ? "</text>\n" : "</span>", c->f);
}

static double page_y(const cli_page_chart *c, double y)
{
    return 1 - page_share(c->log_y, c->y0, c->y1, y);
}

static void page_grid(const cli_page_chart *c)
{
    double tick[16];
    int n = page_ticks(c->log_y, c->y0, c->y1, 5, tick);
    fputs("<path class=\"grid\" d=\"", c->f);
    for (int i = 0; i < n; i++)
        fprintf(c->f, "M0 %.1fH%d", PLANE * page_y(c, tick[i]), PLANE);
    fputs("\"/>", c->f);
}

/* The numbers beside the axes. */
static void page_numbers(const cli_page_chart *c)
{
    double tick[16];
    char text[32];
    int n = page_ticks(c->log_y, c->y0, c->y1, 5, tick);
    for (int i = 0; i < n; i++)
        page_text(c, "y", "", 0, page_y(c, tick[i]),
                   cli_page_number(text, tick[i]));
    n = page_ticks(c->log_x, c->x0, c->x1, 5, tick);
    for (int i = 0; i < n; i++)
        page_text(c, "x", "", page_share(c->log_x, c->x0, c->x1, tick[i]),
                   1, cli_page_number(text, tick[i]));
    page_text(c, "a", "", 0.5, 1, c->axis);
}

static void page_line(const cli_page_chart *c, const cli_line *l, int size)
{
    static const char *const kind[] = { "line", "faint", "line" };
    fprintf(c->f, "<path class=\"%s %s\" d=\"", kind[l->kind], l->style);
    for (int i = 0; i < size; i++)
        fprintf(c->f, "%c%.1f %.1f", i ? 'L' : 'M', PLANE * l->x[i],
                PLANE * page_y(c, l->y[i]));
    fputs("\"/>", c->f);
    if (l->kind != CLI_LINE_DOTS || size > 60)
        return;
    /* A line of no length with round ends: a dot that is not stretched. */
    fprintf(c->f, "<path class=\"dots %s\" d=\"", l->style);
    for (int i = 0; i < size; i++)
        fprintf(c->f, "M%.1f %.1fh0", PLANE * l->x[i],
                PLANE * page_y(c, l->y[i]));
    fputs("\"/>", c->f);
}

/* The names at the lines' ends, pushed apart where they would touch. */
static void page_labels(const cli_page_chart *c, const int *size)
{
    int order[CLI_CHART_LINES], n = 0;
    double at[CLI_CHART_LINES], gap = c->svg ? 0.05 : 0.075, low = 1;
    for (int i = 0; i < c->lines; i++)
        if (c->line[i].label[0] && size[i]) {
            double y = page_y(c, c->line[i].y[size[i] - 1]);
            y = y < 0 ? 0 : y > 1 ? 1 : y;
            int j = n++;
            for (; j && at[j - 1] > y; j--)
                at[j] = at[j - 1], order[j] = order[j - 1];
            at[j] = y;
            order[j] = i;
        }
    for (int j = n - 1; j >= 0; j--) {         /* none below the plane     */
        at[j] = at[j] > low ? low : at[j];
        low = at[j] - gap;
    }
    for (int j = 0; j < n; j++) {
        if (!j && at[j] < 0)
            at[j] = 0;
        if (j && at[j] < at[j - 1] + gap)
            at[j] = at[j - 1] + gap;
        page_text(c, "e", c->line[order[j]].style, 1, at[j],
                   c->line[order[j]].label);
    }
}

void cli_page_chart_end(cli_page_chart *c)
{
    int size[CLI_CHART_LINES];
    char title[160];
    bool named = false;
    if (!(c->x1 > c->x0) || !page_scale(c, size))
        return;
    for (int i = 0; i < c->lines; i++)
        named |= c->line[i].label[0] != 0;
    snprintf(title, sizeof title, "%s, %s", c->title, c->unit);
    if (c->svg)
        fprintf(c->f, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" ",
                SVG_LEFT, SVG_TOP, SVG_WIDTH - SVG_LEFT - SVG_RIGHT,
                SVG_HEIGHT - SVG_TOP - SVG_BOTTOM);
    else
        fprintf(c->f, "<figure><figcaption><b>%s</b> %s</figcaption>"
                "<div class=\"plot%s\"><svg role=\"img\" aria-label=\"%s\" ",
                c->title, c->unit, named ? "" : " bare", title);
    fprintf(c->f, "viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">",
            PLANE, PLANE);
    page_grid(c);
    for (int i = 0; i < c->lines; i++)
        if (size[i])
            page_line(c, &c->line[i], size[i]);
    fputs("</svg>", c->f);
    page_numbers(c);
    page_labels(c, size);
    if (c->svg)
        page_text(c, "t", "", 0, 0, title);
    else
        fputs("</div></figure>\n", c->f);
}
