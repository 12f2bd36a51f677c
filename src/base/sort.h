/* Sorting that takes no memory and n log n steps on the worst input, for
 * lists whose length and order a file decides.  (The C library's qsort may
 * do neither.) */
#pragma once

#include "base/base.h"

/* Sorts pointers so that compare(item[i], item[i + 1]) <= 0.  Not stable. */
LH_INTERNAL void lh_sort(const void **item, size_t count,
                         int (*compare)(const void *a, const void *b));
