/* Numbers in text, independently of the locale. */
#pragma once

#include "base/base.h"

/* The longest text that lh_number_write gives, its NUL included. */
#define LH_NUMBER_SIZE 32

/* The shortest decimal that reads back as the same double, in JSON's
 * spelling ("0.001", "1e-08", "3.0" as "3"); the length.  Not finite:
 * "null". */
LH_INTERNAL int lh_number_write(char text[LH_NUMBER_SIZE], double value);

/* A JSON number of exactly `size` bytes, correctly rounded; false where the
 * text is not one or the value overflows. */
LH_INTERNAL bool lh_number_parse(const char *text, size_t size,
                                 double *value);
/* A decimal integer of exactly `size` bytes, with sign; false where it is
 * not one or does not fit. */
LH_INTERNAL bool lh_integer_parse(const char *text, size_t size,
                                  int64_t *value);
