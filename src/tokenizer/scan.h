/* Pre-tokenizers: where a text is cut before pairs are merged.
 *
 * The field states these as regular expressions.  Nothing here interprets
 * one: each that is known is a scanner, written out, and scan.def has its
 * pattern text; what is not there is refused by name. */
#ifndef LH_SCAN_H
#define LH_SCAN_H

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
};

/* Whether its pieces cover all of a text and each ends where a blank follows
 * a letter, as those for whole texts do: there a text may be cut. */
LH_INTERNAL bool lh_scanner_cuts(const lh_scanner *scan);

/* By name ("gpt2", "cl100k", ...), and by the regular expression that a
 * tokenizer.json gives; NULL: not known. */
LH_INTERNAL const lh_scanner *lh_scanner_named(const char *name,
                                               size_t size);
LH_INTERNAL const lh_scanner *lh_scanner_of_pattern(const char *pattern,
                                                    size_t size);
/* Its regular expression as the `tokenizers` library takes it; NULL: that has
 * none. */
LH_INTERNAL const char *lh_scanner_pattern(const lh_scanner *scan);

#endif
