/* Runs as a page. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/cli.h"

/* Writes FILE, a page or, where it ends so, an .svg, about the runs in
 * directories (or their logs); aside, then renamed. */
int cli_report_write(const char *file, int runs, char *const *directory);

#endif
