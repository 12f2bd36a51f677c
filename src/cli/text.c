/* Text out: the model of a command line, and its writing. */
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
    FILE *text;                   /* in memory                             */
} text_writer;

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
    fputs(prompt, w->text);
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
        if (code)
            return code;
        if (piece)
            fwrite(piece, 1, size, w->text);
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
    text_writer w = { .ctx = ctx, .s = s, .text = open_memstream(text, size),
                      .context = lh_model_config(m)->context };
    if (!w.text)
        return cli_fail("out of memory");
    lh_session_reset(s);
    int code = text_begin(&w, k, how->prompt);
    if (!code)
        code = text_go_on(&w, k, how);
    free(w.token);
    bool whole = !ferror(w.text);
    if ((fclose(w.text) || !whole) && !code)
        code = cli_fail("out of memory");
    if (code)
        free(*text);
    return code;
}
