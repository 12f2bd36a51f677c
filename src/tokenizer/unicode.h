/* What the tokenizers need of Unicode: the class of each code point, normal
 * forms, lower case.  The tables are tools/unicode_tables.py's. */
#pragma once

#include "base/base.h"

/* The bits of a class.  UPPER: what may stand in a word before small letters
 * (capitals, and letters and marks without case); LOWER likewise.  A mark is
 * both and no LETTER.  WORD: regular expressions' \w.  SPLITS: what the
 * `tokenizers` library's Punctuation takes for it. */
enum { LH_LETTER = 1, LH_NUMBER = 2, LH_SPACE = 4, LH_UPPER = 8,
       LH_LOWER = 16, LH_PUNCTUATION = 32, LH_WORD = 64, LH_SPLITS = 128 };

/* The classes of the code points below LH_CLASSES, where nearly all text
 * is, and of any. */
#define LH_CLASSES 0x20000
LH_INTERNAL void lh_unicode_classes(uint8_t classes[LH_CLASSES]);
LH_INTERNAL int lh_unicode_class(uint32_t code);

/* Normal forms (Unicode Standard Annex 15); COMPOSED with either. */
enum { LH_FORM_COMPOSED = 1, LH_FORM_COMPATIBLE = 2 };

/* Appends the text in a normal form, or in lower case.  What is not UTF-8 is
 * left as it is.  Time is linear in the text. */
LH_INTERNAL lh_status lh_unicode_normalize(lh_context *ctx, int form,
                                           const char *text, size_t size,
                                           lh_buffer *out);
LH_INTERNAL lh_status lh_unicode_lower(lh_context *ctx, const char *text,
                                       size_t size, lh_buffer *out);
