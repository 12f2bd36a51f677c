/* What every tokenizer is made of, whatever its kind: a table of pieces,
 * and the few functions in which kinds differ.  For the files of this room.
 *
 * A kind is one file with its row of lh_tokenizer_kind_row; what is written
 * of it is in tokenizer_json.c. */
#pragma once

#include "base/base.h"

/* The ids of a text as they come, and what is remembered for more of them. */
typedef struct lh_ids {
    int32_t *id;
    size_t count, capacity;
    bool special;                      /* special tokens in the text are
                                          tokens, not text                 */
    struct lh_bpe_scratch *scratch;    /* byte pairs: see bpe.h; NULL: one
                                          for the call                     */
} lh_ids;

/* Room for `more` ids behind those that are there; NULL: no memory. */
LH_INTERNAL int32_t *lh_ids_room(lh_context *ctx, lh_ids *ids, size_t more);

/* The first room, for what texts of so many bytes mostly have; where memory is
 * short, less. */
LH_INTERNAL lh_status lh_ids_begin(lh_context *ctx, lh_ids *ids,
                                   size_t bytes);

typedef struct lh_tokenizer_kind_row {
    const char *name;                  /* what lh_tokenizer_kind() says    */
    /* Appends the ids of a text.  Failures go to ctx, which need not be the
     * tokenizer's own: many contexts may share one tokenizer. */
    lh_status (*encode)(lh_context *ctx, const lh_tokenizer *k,
                        const char *text, size_t size, lh_ids *out);
} lh_tokenizer_kind_row;

LH_TABLE const lh_tokenizer_kind_row lh_tokenizer_kind_bytes;
LH_TABLE const lh_tokenizer_kind_row lh_tokenizer_kind_characters;

/* Bytes behind the last piece that may be read: short pieces are copied
 * without a look at how long they are. */
#define LH_PIECE_PAD 16

/* Immutable once made.  Of bytes and characters the border is the last id,
 * and its piece empty. */
struct lh_tokenizer {
    lh_context *ctx;
    const lh_tokenizer_kind_row *kind;
    int32_t vocabulary;                /* tokens, the border included      */
    int32_t border;                    /* -1: none                         */
    char *pieces;                      /* all pieces, one behind the other,
                                          and LH_PIECE_PAD                 */
    uint32_t *starts;                  /* [vocabulary + 1], into pieces    */
    uint32_t *codes;                   /* characters: [vocabulary - 1],
                                          ascending; else NULL             */
    int32_t ascii[128];                /* characters: the id, or -1        */
    struct lh_bpe *bpe;                /* byte pairs: bpe.h; else NULL     */
};

/* A tokenizer of `count` tokens and the border behind them, whose pieces take
 * `bytes` bytes in all; pieces and the starts of all but the first are for
 * the caller to fill in.  NULL: out of memory, recorded. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_make(lh_context *ctx,
                                            const lh_tokenizer_kind_row *kind,
                                            int32_t count, size_t bytes);

/* Appends the ids of a part of a text, which is whole if it is the first and
 * the last one, as lh_tokenizer_encode_as() has them. */
LH_INTERNAL lh_status lh_tokenizer_some(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        const char *text, size_t size,
                                        const lh_encoding *how, bool first,
                                        bool last, lh_ids *out);

/* A character tokenizer of these code points: count of them, valid and
 * strictly ascending; copied. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_from_codes(lh_context *ctx,
                                                  const uint32_t *codes,
                                                  int32_t count);
