/* UTF-8 (RFC 3629): no surrogates, no overlong forms, nothing above
 * U+10FFFF. */
#pragma once

#include "base/base.h"

/* The character at text[0..size): its code point and, as the result, its
 * length in bytes; 0 where there is no valid one (or size is 0). */
LH_INTERNAL int lh_utf8_decode(const char *text, size_t size,
                               uint32_t *code);
/* So many bytes at the beginning are ASCII. */
LH_INTERNAL size_t lh_utf8_ascii(const char *text, size_t size);
/* Writes the character; its length, 0 for what is none. */
LH_INTERNAL int lh_utf8_encode(uint32_t code, char text[4]);

/* Sets of code points, a bit each.  Marks those of a text; how many of its
 * bytes are UTF-8 from the first on.  And the least that is marked from `code`
 * on; LH_UTF8_CODES: none is. */
#define LH_UTF8_CODES 0x110000u
LH_INTERNAL size_t lh_utf8_mark(uint32_t seen[LH_UTF8_CODES / 32],
                                const char *text, size_t size);
LH_INTERNAL uint32_t lh_utf8_marked(const uint32_t seen[LH_UTF8_CODES / 32],
                                    uint32_t code);

/* Text out of a file as it may stand in a message of one line: what is not
 * printable as '?', and what is too long cut off with "...".  Returns out. */
#define LH_UTF8_SHOWN 64
LH_INTERNAL const char *lh_utf8_show(char out[LH_UTF8_SHOWN],
                                     const char *text, size_t size);
