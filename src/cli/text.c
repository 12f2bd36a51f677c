/* Text out: the model of a command line, and its writing. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* ---------------------------------------------------------------- model -- */

int cli_model_load(lh_context *ctx, const char *path, lh_model **m,
                   lh_tokenizer **k)
{
    if (!lh_model_load(ctx, path, m, k))
        return CLI_DONE;
    if (lh_error_status(ctx) != LH_ERROR_IO)
        return cli_error(ctx);
    return cli_fail("%s; MODEL is a directory that train --out wrote",
                    lh_error_message(ctx));
}

/* -------------------------------------------------------------- writing -- */

typedef struct text_writer {
    lh_context *ctx;
    lh_session *s;
    int64_t context;
    int32_t *token;               /* [count]: border, prompt, what came    */
    int64_t count;
    size_t tokens;                /* there is room for                     */
    char *text;
    size_t size, room;
} text_writer;

static int text_put(text_writer *w, const char *bytes, size_t size)
{
    if (!cli_grow(&w->text, &w->room, w->size + size + 1, 1))
        return cli_fail("out of memory");
    memcpy(w->text + w->size, bytes, size);
    w->size += size;
    w->text[w->size] = 0;
    return CLI_DONE;
}

/* Feeds tokens from..count-1 of the text.  Where the context has no room for
 * them, the last half of it begins anew. */
static int text_feed(text_writer *w, int64_t from)
{
    if (lh_session_position(w->s) + w->count - from > w->context) {
        int64_t keep = w->context / 2 > 0 ? w->context / 2 : 1;
        from = w->count > keep ? w->count - keep : 0;
        lh_session_reset(w->s);
    }
    if (lh_session_feed(w->s, w->token + from, w->count - from))
        return cli_error(w->ctx);
    return CLI_DONE;
}

static int text_push(text_writer *w, int32_t token)
{
    if (!cli_grow(&w->token, &w->tokens, (size_t)w->count + 1,
                  sizeof *w->token))
        return cli_fail("out of memory");
    w->token[w->count++] = token;
    return CLI_DONE;
}

static int text_begin(text_writer *w, const lh_tokenizer *k,
                      const char *prompt)
{
    int code = text_push(w, lh_tokenizer_border(k));
    if (code || !prompt)
        return code ? code : text_feed(w, 0);
    int32_t *ids = NULL;
    int64_t count = 0;
    if (lh_tokenizer_encode(w->ctx, k, prompt, strlen(prompt), &ids, &count))
        return cli_error(w->ctx);
    for (int64_t i = 0; i < count && !code; i++)
        code = text_push(w, ids[i]);
    lh_memory_free(w->ctx, ids);
    if (!code)
        code = text_put(w, prompt, strlen(prompt));
    return code ? code : text_feed(w, 0);
}

static int text_go_on(text_writer *w, const lh_tokenizer *k,
                      const cli_writing *how)
{
    for (int64_t i = 0; how->length == 0 || i < how->length; i++) {
        int32_t id = lh_session_sample(w->s, how->how);
        size_t size = 0;
        if (id < 0)
            return cli_error(w->ctx);
        if (id == lh_tokenizer_border(k))
            break;
        const char *piece = lh_tokenizer_piece(k, id, &size);
        int code = text_push(w, id);
        if (!code && piece)
            code = text_put(w, piece, size);
        if (code)
            return code;
        if (how->length == 0 && lh_session_position(w->s) >= w->context)
            break;
        if (i + 1 != how->length)
            code = text_feed(w, w->count - 1);
        if (code)
            return code;
    }
    return CLI_DONE;
}

int cli_write(lh_context *ctx, lh_session *s, const lh_model *m,
              const lh_tokenizer *k, const cli_writing *how, char **text,
              size_t *size)
{
    text_writer w = { .ctx = ctx, .s = s,
                      .context = lh_model_config(m)->context };
    lh_session_reset(s);
    int code = text_put(&w, "", 0);
    if (!code)
        code = text_begin(&w, k, how->prompt);
    if (!code)
        code = text_go_on(&w, k, how);
    free(w.token);
    if (code) {
        free(w.text);
        w.text = NULL;
    }
    *text = w.text;
    *size = w.size;
    return code;
}
