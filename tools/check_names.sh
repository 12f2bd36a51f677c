#!/bin/sh
# The embedded names are what their generator makes of the list.
set -eu
sh tools/embed_names | cmp - src/dataset/names_data.inc.h
echo "the embedded names are the list's"
