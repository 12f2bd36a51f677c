/* Between the halves of training byte pairs: the distinct pieces of a text. */
#ifndef LH_TRAIN_MERGES_H
#define LH_TRAIN_MERGES_H

#include "tokenizer/read.h"

typedef struct lh_word {
    const char *text;                  /* NULL: an empty place             */
    uint32_t size, hash;
    int64_t count;
} lh_word;

/* Fills in the vocabulary and the merges of `g`, which is empty: the special
 * tokens, the 256 bytes, and merges until there are `vocabulary` tokens or no
 * pair is left.  word: a table [places] of the pieces. */
LH_INTERNAL lh_status lh_train_merges(
    lh_gather *g, const lh_word *word, size_t places,
    const char *const *special, int specials, int64_t vocabulary,
    lh_train_report *report, void *user);

#endif
