/* A chart of a report: lines over one axis, with their names at their ends.
 * As part of a page its labels are text of the page, so that they stay
 * readable at every width; alone it is an SVG. */
#pragma once

#include "cli/cli.h"

enum { CLI_CHART_LINES = 20, CLI_CHART_COLUMNS = 300 };

typedef enum cli_line_kind { CLI_LINE_PLAIN, CLI_LINE_FAINT, CLI_LINE_DOTS }
    cli_line_kind;

/* Means over columns of the chart, so that a long run makes no long page. */
typedef struct cli_line {
    cli_line_kind kind;
    int smooth;                   /* columns on either side                */
    char style[48];               /* classes: its colour                   */
    char label[64];               /* "": none                              */
    double x[CLI_CHART_COLUMNS], y[CLI_CHART_COLUMNS];   /* sums, then means */
    double count[CLI_CHART_COLUMNS];
} cli_line;

typedef struct cli_page_chart {
    FILE *f;
    bool svg;
    const char *title, *unit, *axis;
    bool log_x, log_y;
    double x0, x1, y0, y1;        /* x: to be set; y: of what is drawn     */
    int lines;
    cli_line line[CLI_CHART_LINES];
} cli_page_chart;

/* An empty chart; a line on it (the last one again where there is no room
 * for more); a point of the line, dropped where it is not finite. */
void cli_page_chart_begin(cli_page_chart *c, const char *title,
                          const char *unit);
cli_line *cli_page_chart_line(cli_page_chart *c, cli_line_kind kind,
                              int smooth, const char *style);
void cli_page_chart_add(const cli_page_chart *c, cli_line *l, double x,
                        double y);
/* Writes it; nothing where it has no points. */
void cli_page_chart_end(cli_page_chart *c);

/* "1.5 k", "3 M", "0.02" into text[32]. */
const char *cli_page_number(char *text, double x);
