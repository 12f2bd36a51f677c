/* Between the halves of training byte pairs: the distinct pieces of a text. */
#pragma once

#include "tokenizer/read.h"

typedef struct lh_word {
    uint64_t low, high;                /* lh_bpe_key()'s; of a long piece a
                                          hash, and LH_WORD_LONG and size  */
    const char *text;
    int64_t count;                     /* 0: an empty place                */
} lh_word;

#define LH_WORD_LONG (UINT64_C(1) << 63)

static inline uint32_t lh_word_size(const lh_word *w)
{
    return (uint32_t)(w->high < LH_WORD_LONG ? w->high >> 56 : w->high);
}

/* Fills in the vocabulary and the merges of `g`, which is empty: the special
 * tokens, the 256 bytes, and merges until there are `vocabulary` tokens or no
 * pair is left.  word: a table [places] of the pieces. */
LH_INTERNAL lh_status lh_train_merges(
    lh_gather *g, const lh_word *word, size_t places,
    const char *const *special, int specials, int64_t vocabulary,
    lh_train_report *report, void *user);
