#!/bin/sh
# Embedded data are what their generators make of it.
set -eu
LC_ALL=C awk -f tools/embed_names.awk tools/names.txt |
    cmp - src/dataset/names_data.inc.h
LC_ALL=C awk -f tools/embed_css.awk tools/report.css |
    cmp - src/cli/report_data.inc.h
echo "the embedded names and style are their sources'"
