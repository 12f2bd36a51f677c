/* Between the halves of training byte pairs: the distinct pieces of a text. */
#ifndef LH_TRAIN_MERGES_H
#define LH_TRAIN_MERGES_H

#include "tokenizer/read.h"

typedef struct lh_word {
    const char *text;                  /* NULL: an empty place             */
    uint32_t size, hash;
    int64_t count;
} lh_word;

static inline uint32_t lh_word_hash(const char *text, size_t size)
{
    uint64_t hash = size, word;
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, text, size);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

/* Fills in the vocabulary and the merges of `g`, which is empty: the special
 * tokens, the 256 bytes, and merges until there are `vocabulary` tokens or no
 * pair is left.  word: a table [places] of the pieces. */
LH_INTERNAL lh_status lh_train_merges(
    lh_gather *g, const lh_word *word, size_t places,
    const char *const *special, int specials, int64_t vocabulary,
    lh_train_report *report, void *user);

#endif
