/* What every tokenizer is made of, whatever its kind: a table of pieces,
 * and the few functions in which kinds differ.  For the files of this room.
 *
 * A new kind (byte-pair encoding is the next) is one file with its row of
 * lh_tokenizer_kind, and its form in tokenizer_json.c. */
#ifndef LH_TOKENIZER_KINDS_H
#define LH_TOKENIZER_KINDS_H

#include "base/base.h"

typedef struct lh_tokenizer_kind_row {
    const char *name;                  /* what lh_tokenizer_kind() says    */
    /* At most so many tokens for this text: what encode's ids has room
     * for. */
    size_t (*bound)(const lh_tokenizer *k, const char *text, size_t size);
    /* Fills ids and *count.  Failures go to ctx, which need not be the
     * tokenizer's own: many contexts may share one tokenizer. */
    lh_status (*encode)(lh_context *ctx, const lh_tokenizer *k,
                        const char *text, size_t size, int32_t *ids,
                        int64_t *count);
} lh_tokenizer_kind_row;

LH_TABLE const lh_tokenizer_kind_row lh_tokenizer_kind_bytes;
LH_TABLE const lh_tokenizer_kind_row lh_tokenizer_kind_characters;

/* Immutable once made.  The border is the last id, and its piece empty. */
struct lh_tokenizer {
    lh_context *ctx;
    const lh_tokenizer_kind_row *kind;
    int32_t vocabulary;                /* tokens, the border included      */
    char *pieces;                      /* all pieces, one behind the other */
    uint32_t *starts;                  /* [vocabulary + 1], into pieces    */
    uint32_t *codes;                   /* characters: [vocabulary - 1],
                                          ascending; else NULL             */
    int32_t ascii[128];                /* characters: the id, or -1        */
};

/* A tokenizer of `count` tokens, whose pieces take `bytes` bytes in all,
 * and the border; pieces and the starts of all but the first are for the
 * caller to fill in.  NULL: out of memory, recorded. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_make(lh_context *ctx,
                                            const lh_tokenizer_kind_row *kind,
                                            int32_t count, size_t bytes);

/* A character tokenizer of these code points: count of them, valid and
 * strictly ascending; copied. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_from_codes(lh_context *ctx,
                                                  const uint32_t *codes,
                                                  int32_t count);

#endif
