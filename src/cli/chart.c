/* The loss as a small chart: means over columns of dots, smoothed, joined by
 * a line of braille dots (U+2800 and up), or ' . and | where the terminal
 * has no UTF-8. */
#include "cli/chart.h"

#include <math.h>

/* ------------------------------------------------------------ smoothing -- */

enum { CHART_DOTS = 2 * CLI_CHART_WIDTH, CHART_RADIUS = 2 };

double cli_chart_mean(const double *sum, const double *count, int columns,
                      int at, int radius)
{
    double s = 0, n = 0;
    for (int i = -radius; i <= radius; i++) {
        if (at + i < 0 || at + i >= columns)
            continue;
        double weight = radius + 1 - abs(i);
        s += weight * sum[at + i];
        n += weight * count[at + i];
    }
    return s / n;
}

/* Straight lines over columns that no step fell into (short runs). */
static void chart_bridge(double *value, int columns)
{
    int last = -1;
    for (int x = 0; x < columns; x++) {
        if (isnan(value[x]))
            continue;
        for (int i = last + 1; last >= 0 && i < x; i++)
            value[i] = value[last] + (value[x] - value[last]) *
                       (i - last) / (x - last);
        last = x;
    }
}

/* -------------------------------------------------------------- drawing -- */

static void chart_dot(cli_chart *c, int curve, int x, int y)
{
    static const uint8_t bit[2][4] = { { 0x01, 0x02, 0x04, 0x40 },
                                       { 0x08, 0x10, 0x20, 0x80 } };
    uint8_t *cell = &c->cell[curve][y / 4][x / 2];
    *cell = (uint8_t)(*cell | bit[x % 2][y % 4]);
}

static bool chart_range(cli_chart *c, int columns)
{
    bool any = false;
    for (int x = 0; x < 2 * columns; x++) {
        double v = c->value[x / columns][x % columns];
        if (isnan(v))
            continue;
        c->low = !any || v < c->low ? v : c->low;
        c->high = !any || v > c->high ? v : c->high;
        any = true;
    }
    if (any && c->high - c->low < 0.01) {    /* a flat line in the middle  */
        c->low -= 0.005;
        c->high += 0.005;
    }
    return any;
}

static void chart_line(cli_chart *c, int curve, int columns)
{
    int dots = 4 * c->height, before = -1;
    for (int x = 0; x < columns; x++) {
        double v = c->value[curve][x];
        if (isnan(v)) {
            before = -1;
            continue;
        }
        double share = (c->high - v) / (c->high - c->low);
        int y = (int)(share * (dots - 1) + 0.5);
        int from = before < 0 ? y : before < y ? before + 1
                 : before > y ? before - 1 : y;
        for (int i = from; i != y; i += from < y ? 1 : -1)
            chart_dot(c, curve, x, i);
        chart_dot(c, curve, x, y);
        before = y;
    }
}

bool cli_chart_draw(cli_chart *c, const double *sums, const int64_t *counts,
                    const double *singles, int bins)
{
    double sum[CHART_DOTS] = { 0 }, count[CHART_DOTS] = { 0 };
    int columns = 2 * c->width;
    memset(c->cell, 0, sizeof c->cell);
    for (int x = 0; x < columns; x++)
        c->value[1][x] = (double)NAN;
    for (int i = 0; i < bins; i++) {
        if (!isnan(singles[i]))
            c->value[1][i * columns / bins] = singles[i];
        sum[i * columns / bins] += sums[i];
        count[i * columns / bins] += (double)counts[i];
    }
    for (int x = 0; x < columns; x++)
        c->value[0][x] = count[x] > 0
            ? cli_chart_mean(sum, count, columns, x, CHART_RADIUS)
            : (double)NAN;
    chart_bridge(c->value[0], columns);
    chart_bridge(c->value[1], columns);
    if (!chart_range(c, columns))
        return false;
    chart_line(c, 0, columns);
    chart_line(c, 1, columns);
    return true;
}

const char *cli_chart_cell(const cli_chart *c, int row, int column,
                           bool utf8, char *text, int *curve)
{
    unsigned over = c->cell[1][row][column];
    unsigned bits = c->cell[0][row][column] | over;
    *curve = over != 0;
    text[1] = 0;
    text[0] = ' ';
    if (utf8 && bits) {
        text[cli_utf8_put(text, 0x2800 + bits)] = 0;
    } else if (bits) {
        bool upper = bits & 0x1B, lower = bits & 0xE4;
        text[0] = upper && lower ? '|' : upper ? '\'' : '.';
    }
    return text;
}
