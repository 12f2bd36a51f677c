/* What readers of tokenizer files share: a vocabulary as it is gathered, and
 * the letters that stand for bytes in it. */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "tokenizer/bpe.h"

/* More tokens than any tokenizer has: a bound for what a file claims. */
#define LH_VOCABULARY_MOST (1 << 24)

typedef struct lh_gather {
    lh_context *ctx;
    const char *where;                 /* the file, for messages           */
    lh_arena arena;                    /* holds pieces                     */
    const char **piece;                /* [capacity], NULL: none           */
    uint32_t *piece_size;
    bool *hidden;                      /* not found by its bytes           */
    float *score;                      /* NULL: there are none             */
    int32_t count, capacity;           /* count: the highest id and one    */
    lh_added *added;                   /* [added_count]                    */
    int added_count;
    size_t added_room;
    lh_merge *merge;                   /* [merges]                         */
    size_t merges, merge_room;
    char *both;                        /* the bytes of a merge's two       */
    size_t both_room;
    const lh_json *settings;           /* a tokenizer_config.json, or NULL */
} lh_gather;

LH_INTERNAL void lh_gather_free(lh_gather *g);

/* The text with a space for each U+2581, into `out` [size]; its size. */
LH_INTERNAL size_t lh_marks_decode(const char *text, size_t size, char *out);

/* How a file writes the bytes of tokens: as they are; as GPT-2's letters for
 * bytes; with U+2581 for a space. */
typedef enum lh_spelling { LH_SPELLED_PLAIN, LH_SPELLED_LETTERS,
                           LH_SPELLED_MARKS } lh_spelling;

/* Token `id` is these bytes, which are copied.  Refuses an id that another
 * token has, and ids beyond LH_VOCABULARY_MOST. */
LH_INTERNAL lh_status lh_gather_piece(lh_gather *g, int64_t id,
                                      const char *text, size_t size,
                                      lh_spelling spelling);
/* A token that texts are searched for; its text is borrowed, for as long as
 * g.  In the vocabulary it is spelled so. */
LH_INTERNAL lh_status lh_gather_added(lh_gather *g, lh_spelling spelling,
                                      const lh_added *added);

/* What the settings beside a file say: tokens that it does not have, which
 * tokens begin and end a text, and which one ends documents (*border). */
LH_INTERNAL lh_status lh_gather_settings(lh_gather *g, lh_bpe *rules,
                                         int32_t *border);

/* A tokenizer of what was gathered (its merges are for lh_gather_merge()). */
LH_INTERNAL lh_tokenizer *lh_gather_make(lh_gather *g, const lh_bpe *rules,
                                         int32_t border);

/* Appends a merge. */
LH_INTERNAL lh_status lh_gather_pair(lh_gather *g, lh_merge merge);

/* Two tokens that merge, as texts, for a tokenizer that was just made. */
LH_INTERNAL lh_status lh_gather_merge(lh_gather *g, const lh_tokenizer *k,
                                      const char *left, size_t left_size,
                                      const char *right, size_t right_size,
                                      lh_spelling spelling);

/* The character that stands for a byte: itself where Latin-1 prints it, the
 * others from U+0100 upward (GPT-2, Radford et al. 2019). */
LH_INTERNAL uint32_t lh_byte_letter(uint32_t byte);
/* Bytes that letters stand for, written to `out` [size]; how many; SIZE_MAX
 * where one character is no such letter. */
LH_INTERNAL size_t lh_letters_decode(const char *text, size_t size,
                                     char *out);

/* The byte of "<0x0A>" and its kind, which stand for bytes where characters
 * are no tokens; -1: it is none. */
LH_INTERNAL int lh_byte_token(const char *text, size_t size);
/* Token `id` is that byte: it is known by rules->byte_id, and not found. */
LH_INTERNAL lh_status lh_gather_byte(lh_gather *g, lh_bpe *rules, int64_t id,
                                     int byte);

/* What a tokenizer.json says for the spaces that SentencePiece takes away: at
 * the ends of a text, and of several in a row all but one. */
#define LH_ENDS_REGEX "\\A +|[ \u2581]+\\z"
#define LH_RUNS_REGEX " {2,}"

/* A parsed tokenizer.json. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_read_tree(lh_context *ctx,
                                                 const char *where,
                                                 const lh_json *root,
                                                 const lh_json *settings);
/* Files in binary, whole in memory. */
LH_INTERNAL lh_tokenizer *lh_read_sentencepiece(lh_context *ctx,
                                                const char *where,
                                                const char *text,
                                                size_t size,
                                                const lh_json *settings);
LH_INTERNAL lh_tokenizer *lh_read_llama2c(lh_context *ctx, const char *where,
                                          const char *text, size_t size);
LH_INTERNAL lh_tokenizer *lh_read_gguf(lh_context *ctx, const char *where,
                                       const char *text, size_t size);

/* Rules of a byte-level tokenizer: nothing before, byte_id all -1. */
LH_INTERNAL lh_bpe lh_bpe_rules(void);
/* byte_id from the vocabulary's tokens of one byte. */
LH_INTERNAL void lh_bpe_byte_ids(lh_tokenizer *k);
