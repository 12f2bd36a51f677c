#!/bin/sh
# The embedded names are what their generator makes of the list.
set -eu
LC_ALL=C awk -f tools/embed_names.awk tools/names.txt |
    cmp - src/dataset/names_data.inc.h
echo "the embedded names are the list's"
