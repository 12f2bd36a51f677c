/* Byte-pair encodings (Sennrich et al. 2016), as every file format of the
 * field describes them: a vocabulary, which pairs of tokens merge into which,
 * and a pipeline of what happens to a text before and after.
 *
 * Readers fill in an lh_bpe_parts and hand it to lh_bpe_make(). */
#pragma once

#include "tokenizer/kinds.h"
#include "tokenizer/scan.h"

/* A token that is looked for in the text before anything else happens. */
typedef struct lh_added {
    const char *text;
    size_t size;
    int32_t id;
    bool special, lstrip, rstrip, single_word, normalized;
} lh_added;

typedef struct lh_merge {
    int32_t left, right, made;
} lh_merge;

/* Where two tokens that follow each other become one. */
typedef struct lh_bpe_pair {
    int32_t left, right, made;         /* made < 0: an empty place         */
    uint32_t rank;                     /* the least merges first           */
} lh_bpe_pair;

/* A token by its bytes. */
typedef struct lh_bpe_slot {
    uint32_t hash;                     /* the lower half                   */
    int32_t id;                        /* below 0: an empty place          */
} lh_bpe_slot;

/* Of a token's bytes, and what one before them is multiplied with. */
typedef struct lh_bpe_hash {
    uint64_t hash, power;
} lh_bpe_hash;

/* The place of a key in a table with open addressing. */
typedef struct lh_bpe_spread {
    uint64_t factor;
    unsigned shift;
} lh_bpe_spread;

#define LH_BPE_STEPS 6
#define LH_BPE_FRAME 4

typedef struct lh_bpe {
    /* What a text is before it is cut.  form: of lh_unicode_normalize(), -1
     * none. */
    int form;
    bool lower;
    bool spaces;                       /* pieces have a space where files
                                          write U+2581, and so has a text  */
    bool spaces_late;                  /* not before added tokens are out  */
    bool squeezed;                     /* spaces at the ends go, and of
                                          several in a row all but one     */
    enum { LH_PREFIX_NONE,             /* a space before the text: always, */
           LH_PREFIX_SPACE,            /* unless there is one, and so      */
           LH_PREFIX_UNLESS_THERE,     /* before the first part alone      */
           LH_PREFIX_FIRST } prefix;
    bool strip_left, strip_right;
    const lh_scanner *step[LH_BPE_STEPS];
    int steps;
    uint8_t *classes;                  /* [LH_CLASSES]                     */
    uint8_t *apart;                    /* [256][256]: whether a piece ends
                                          between two bytes, as no token has
                                          them and they are no character's;
                                          NULL: pieces are as the steps say */
    bool cuts;                         /* a text may be cut between a letter
                                          of ASCII and a blank, but for what
                                          is done at its ends              */
    /* Added tokens in the order of their bytes; which bytes begin one (bit 0:
     * one that is not normalized, bit 1: is), the only such byte of either
     * kind (-1: none, 256: several), and whether all of a kind are special. */
    lh_added *added;                   /* texts are in `texts`             */
    const lh_added **order;
    int added_count;
    char *texts;
    uint8_t begins[256];
    int only[2];
    bool special[2];
    /* Tokens that --bos puts before and behind a text. */
    int32_t before[LH_BPE_FRAME], behind[LH_BPE_FRAME];
    int before_count, behind_count;
    /* The model. */
    bool whole_first;                  /* a piece that is a token is it    */
    bool characters;                   /* a piece begins as characters, not
                                          bytes; byte_id: what stands for
                                          the bytes of one that is no token */
    bool fuse_unknown;
    int32_t unknown;                   /* -1: such characters are dropped  */
    bool by_rank;                      /* pairs are not listed: two tokens
                                          merge where the vocabulary has
                                          both together                    */
    uint32_t *rank;                    /* by_rank: [vocabulary], NULL: the
                                          ids                              */
    int32_t byte_id[256];              /* -1: none                         */
    lh_bpe_pair *pair;                 /* [pair_places]                    */
    size_t pair_places;
    lh_bpe_slot *slot;                 /* tokens by their bytes            */
    uint8_t *maybe;                    /* bits: which keys of the pairs, or
                                          by_rank of the slots, may be there */
    lh_bpe_spread pair_spread, slot_spread, maybe_spread;
    lh_bpe_hash *hash;                 /* [vocabulary]                     */
    uint64_t *power;                   /* [longest + 1]: see bpe.c         */
    uint64_t (*spelled)[256];          /* [8]: of a byte with so many behind
                                          it                               */
    size_t longest;                    /* bytes of the longest token       */
    struct lh_bpe_cache *cache;        /* for all threads; NULL: each call
                                          has its own                      */
} lh_bpe;

/* Everything a tokenizer is made of but its pairs, borrowed for the call. */
typedef struct lh_bpe_parts {
    lh_bpe rules;                      /* the flags, form and steps        */
    int32_t vocabulary;
    const char *const *piece;          /* [vocabulary]; NULL: no such id   */
    const uint32_t *piece_size;
    bool *hidden;                      /* not found by its bytes; where an
                                          earlier one has them, too        */
    const float *score;                /* by_rank: the highest first; NULL */
    const lh_added *added;
    int added_count;
    int32_t border;
    const char *where;                 /* the file, for messages           */
} lh_bpe_parts;

LH_TABLE const lh_tokenizer_kind_row lh_tokenizer_kind_bpe;

LH_INTERNAL lh_tokenizer *lh_bpe_make(lh_context *ctx,
                                      const lh_bpe_parts *parts);

/* The pairs, in the order of their rank; once, unless by_rank. */
LH_INTERNAL lh_status lh_bpe_merges(lh_tokenizer *k, const char *where,
                                    const lh_merge *merge, size_t count);

/* The same back, where they are not listed the pair that each token is made
 * of, or of pieces that begin as characters each that it may be made of; for
 * lh_free.  NULL: no memory. */
LH_INTERNAL lh_merge *lh_bpe_pairs(lh_context *ctx, const lh_tokenizer *k,
                                   size_t *count);

/* lh_tokenizer_cut(). */
LH_INTERNAL size_t lh_bpe_cut(const lh_tokenizer *k, const char *text,
                              size_t size);

/* The id of a token by its bytes; -1: there is none. */
LH_INTERNAL int32_t lh_bpe_find(const lh_tokenizer *k, const char *text,
                                size_t size);

/* The token whose bytes are those of two; -1: none. */
LH_INTERNAL int32_t lh_bpe_both(const lh_tokenizer *k, int32_t left,
                                int32_t right);

/* What a thread encodes with: the pieces that texts had so far and their
 * tokens, which the threads of a tokenizer share, and the pairs that it asked
 * for itself.  A tokenizer keeps them between calls, unless an allocator is
 * the host's: 24 MB and half a MB for each thread at most, and a table of 24
 * MB for each that has not turned to the last one yet. */
typedef struct lh_bpe_scratch {
    struct lh_bpe_cache *cache;        /* bpe_words.c                      */
    struct bpe_table *table;           /* of it                            */
    lh_bpe_pair *pair;                 /* [1 << (64 - pair_shift)]; left: ~
                                          of it                            */
    unsigned pair_shift;               /* of a hash, for the place         */
    struct lh_bpe_scratch *next;       /* that no thread has               */
} lh_bpe_scratch;

/* NULL: no memory. */
LH_INTERNAL struct lh_bpe_cache *lh_bpe_cache_new(lh_context *ctx);
LH_INTERNAL void lh_bpe_cache_free(lh_context *ctx,
                                   struct lh_bpe_cache *cache);
LH_INTERNAL lh_bpe_scratch *lh_bpe_take(lh_context *ctx,
                                        const lh_tokenizer *k);
LH_INTERNAL void lh_bpe_give(lh_context *ctx, const lh_tokenizer *k,
                             lh_bpe_scratch *scratch);

#define LH_BPE_SHORT 15

/* The `size` bytes of a text, up to LH_BPE_SHORT, as two words, and the size
 * in the second; text[0 .. readable - 1] may be read. */
static inline void lh_bpe_key(const void *text, size_t size, size_t readable,
                              uint64_t *first, uint64_t *second)
{
    /* The first bytes of a word: none, 8 times, then 1 and so on, all, 8
     * times; so that it does for both. */
    static const uint64_t mask[LH_BPE_SHORT + 9] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff,
        0xffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff,
        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff,
        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff
    };
    uint64_t low, high;
    char copy[16] = { 0 };
    if (readable < 16)
        text = memcpy(copy, text, size);
    memcpy(&low, text, 8);
    memcpy(&high, (const char *)text + 8, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low = __builtin_bswap64(low);
    high = __builtin_bswap64(high);
#endif
    *first = low & mask[size + 8];
    *second = (high & mask[size]) | (uint64_t)size << 56;
}

/* The place of a key in a table of 2^(64 - shift). */
static inline size_t lh_bpe_home(uint64_t first, uint64_t second, int shift)
{
    return (size_t)((first ^ second * 0xd6e8feb86659fd93u) *
                    0x9e3779b97f4a7c15u >> shift);
}

/* What encoding a text works with. */
typedef struct lh_bpe_run {
    lh_context *ctx;
    const lh_tokenizer *k;
    lh_ids *out;
    lh_status status;
    bool first;                        /* nothing has come yet             */
    bool inside;                       /* this is no text's begin          */
    void *memory;                      /* for long pieces                  */
    size_t memory_bytes;
    lh_bpe_scratch *scratch;
} lh_bpe_run;

/* Appends the tokens of one piece, and of all pieces of a text that a scanner
 * finds; text[0 .. readable - 1] may be read. */
LH_INTERNAL void lh_bpe_piece(lh_bpe_run *r, const unsigned char *text,
                              size_t size);
LH_INTERNAL void lh_bpe_pieces(lh_bpe_run *r, const lh_scanner *scan,
                               const unsigned char *text, size_t size,
                               size_t readable);
LH_INTERNAL void lh_bpe_free(lh_tokenizer *k);
