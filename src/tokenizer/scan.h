/* Pre-tokenizers: where a text is cut before pairs are merged.
 *
 * The field states these as regular expressions.  Nothing here interprets
 * one: each that is known is a scanner, written out, and scan.def has its
 * pattern text; what is not there is refused by name. */
#pragma once

#include "base/base.h"

typedef struct lh_scanner lh_scanner;

/* One row of scan.def: its name, its length-of-the-next-piece function and
 * what that needs to know. */
struct lh_scanner {
    const char *name;
    /* The length of the piece that begins at text[0]; 1 .. size. */
    size_t (*next)(const lh_scanner *scan, const uint8_t *classes,
                   const unsigned char *text, size_t size);
    int digits;                        /* at most so many together; 0: all */
    int flags;
    /* Of the scanners for whole texts: their pieces cover all of a text and
     * each ends where a blank follows a letter, so that there it may be
     * cut. */
    enum { LH_SCAN_NONE, LH_SCAN_GPT2, LH_SCAN_GPT4 } family;
};

/* Of gpt4's: see there. */
enum { LH_SCAN_END_FIRST = 1, LH_SCAN_CASED = 2 };

/* Where the next pieces of a text begin: start[i] for up to `room` - 1 of
 * them, and behind the last where that ends.  How many.  room > 64. */
LH_INTERNAL size_t lh_scan_pieces(const lh_scanner *scan,
                                  const uint8_t *classes,
                                  const unsigned char *text, size_t size,
                                  size_t *start, size_t room);

/* 's 't 'm 'd 're 've 'll at text[0]: its length, or 0.  Where case is
 * folded an s may be long (U+017F). */
LH_INTERNAL size_t lh_scan_contraction(const unsigned char *text,
                                       size_t size, bool fold);

/* By name ("gpt2", "cl100k", ...), and by the regular expression that a
 * tokenizer.json gives; NULL: not known. */
LH_INTERNAL const lh_scanner *lh_scanner_named(const char *name,
                                               size_t size);
LH_INTERNAL const lh_scanner *lh_scanner_of_pattern(const char *pattern,
                                                    size_t size);
/* Its regular expression as the `tokenizers` library takes it; NULL: that has
 * none. */
LH_INTERNAL const char *lh_scanner_pattern(const lh_scanner *scan);
