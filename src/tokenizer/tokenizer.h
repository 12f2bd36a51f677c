/* The inside of tokenizers, for the files of this room and for model/disk.c,
 * which keeps a tokenizer beside its model. */
#pragma once

#include "base/base.h"

/* tokenizer.json: for characters a form that Hugging Face's `tokenizers`
 * loads and that gives the same ids there; likewise bytes (the GPT-2 byte
 * alphabet with no merges).  Reading takes byte pairs with the parts that are
 * known here, and refuses every other by its name. */
LH_INTERNAL lh_status lh_tokenizer_write(lh_context *ctx,
                                         const lh_tokenizer *k,
                                         lh_buffer *buffer);
/* The same text, also of a tokenizer that cannot be saved, as reading it would
 * make another one: for telling tokenizers apart. */
LH_INTERNAL lh_status lh_tokenizer_say(lh_context *ctx, const lh_tokenizer *k,
                                       lh_buffer *buffer);
/* tokenizer_config.json, as `transformers` has it, for the directory of a
 * model with this context: what begins and ends texts. */
LH_INTERNAL lh_status lh_tokenizer_write_settings(lh_context *ctx,
                                                  const lh_tokenizer *k,
                                                  int64_t context,
                                                  lh_buffer *buffer);

/* A file of any known format, in memory; for `pre` and what is read see
 * lh_tokenizer_load().  Merges that lie beside `where` are read from there. */
LH_INTERNAL lh_tokenizer *lh_tokenizer_from(lh_context *ctx,
                                            const char *where,
                                            const char *text, size_t size,
                                            const char *pre);
