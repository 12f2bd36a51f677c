/* Writing a new document, token by token. */
#include "infer/session.h"

/* The tokens of one document into *text, without its borders. */
static lh_status generate_document(lh_session *s, const lh_tokenizer *k,
                                   const lh_sampling *how, int64_t limit,
                                   lh_buffer *text)
{
    const lh_config *c = &s->model->config;
    int64_t vocabulary = lh_min64(c->vocabulary,
                                  lh_tokenizer_vocabulary(k));
    int32_t border = lh_tokenizer_border(k), token = border;
    for (int64_t i = 0; i < limit && s->cache.past < c->context; i++) {
        lh_status status = lh_session_feed(s, &token, 1);
        if (status)
            return status;
        token = lh_session_draw(s, how, vocabulary);
        if (token < 0)
            return lh_error_status(s->ctx);
        if (token == border)
            break;
        size_t size;
        const char *piece = lh_tokenizer_piece(k, token, &size);
        status = lh_buffer_add(s->ctx, text, piece, size);
        if (status)
            return status;
    }
    return LH_OK;
}

LH_API lh_status lh_session_generate(lh_session *s, const lh_tokenizer *k,
                                     const lh_sampling *how, int64_t limit,
                                     char **text, size_t *size)
{
    if (!s || !k || !how || !text || limit < 0)
        return lh_fail(s ? s->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_session_generate: no session, no tokenizer,"
                       " nothing that says how, or no place for the text");
    if (lh_tokenizer_border(k) >= s->model->config.vocabulary)
        return lh_fail(s->ctx, LH_ERROR_SHAPE, "the tokenizer is not the"
                       " model's: its border is token %d",
                       (int)lh_tokenizer_border(k));
    lh_buffer buffer = { 0 };
    lh_session_reset(s);
    lh_status status = generate_document(s, k, how,
                                         limit ? limit : INT64_MAX, &buffer);
    if (!status)                                 /* an empty document, too */
        status = lh_buffer_add(s->ctx, &buffer, "", 0);
    if (status) {
        lh_buffer_free(s->ctx, &buffer);
        return status;
    }
    *text = buffer.data;
    if (size)
        *size = buffer.size;
    return LH_OK;
}
