/* A curve as a few rows of characters. */
#pragma once

#include "cli/cli.h"

#define CLI_CHART_WIDTH 80        /* cells at most                         */
#define CLI_CHART_HEIGHT 8

/* Dots: two a cell across, four down.  lit[row][column]. */
typedef struct cli_chart {
    int width, height;            /* in cells                              */
    double low, high;             /* values at the lowest and highest dot  */
    double value[2][2 * CLI_CHART_WIDTH];   /* NaN where there is none; the
                                     second curve is drawn over the first  */
    uint8_t cell[2][CLI_CHART_HEIGHT][CLI_CHART_WIDTH];   /* braille bits  */
} cli_chart;

/* Draws sums[i] / counts[i] over `bins` bins spread over the width, smoothed
 * a little, and single values (NaN: none) joined by lines; false where there
 * is nothing to draw yet. */
bool cli_chart_draw(cli_chart *c, const double *sums, const int64_t *counts,
                    const double *singles, int bins);
/* The mean of a column's sums over its counts and those of its neighbours up
 * to `radius` away, the near ones weighing more: a step's loss is noise round
 * the curve that people look for. */
double cli_chart_mean(const double *sum, const double *count, int columns,
                      int at, int radius);
/* Cell (row, column) as text[4]: braille, or ASCII.  *curve: whose dots. */
const char *cli_chart_cell(const cli_chart *c, int row, int column,
                           bool utf8, char *text, int *curve);
