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

/* Feeds tokens from `from` on of the text.  Where the context has no room for
 * them, the last half of it begins anew. */
static int text_feed(cli_writing *w, int64_t from)
{
    int64_t context = lh_model_config(w->m)->context;
    if (lh_session_position(w->s) + w->tokens - from > context) {
        int64_t keep = context / 2 > 0 ? context / 2 : 1;
        from = w->tokens > keep ? w->tokens - keep : 0;
        lh_session_reset(w->s);
    }
    if (lh_session_feed(w->s, w->token + from, w->tokens - from))
        return cli_error(w->ctx);
    return CLI_DONE;
}

static int text_push(cli_writing *w, int32_t token)
{
    if (!cli_grow(&w->token, &w->room, (size_t)w->tokens + 1,
                  sizeof *w->token))
        return cli_fail("out of memory");
    w->token[w->tokens++] = token;
    return CLI_DONE;
}

static int text_begin(cli_writing *w)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    w->tokens = 0;
    lh_session_reset(w->s);
    int code = text_push(w, lh_tokenizer_border(w->k));
    if (!code && w->prompt && lh_tokenizer_encode(w->ctx, w->k, w->prompt,
                                                  strlen(w->prompt), &ids,
                                                  &count))
        code = cli_error(w->ctx);
    for (int64_t i = 0; i < count && !code; i++)
        code = text_push(w, ids[i]);
    lh_memory_free(w->ctx, ids);
    fputs(w->prompt ? w->prompt : "", w->file);
    return code ? code : text_feed(w, 0);
}

static int text_go_on(cli_writing *w)
{
    int64_t context = lh_model_config(w->m)->context;
    for (int64_t i = 0; w->length == 0 || i < w->length; i++) {
        int32_t id = lh_session_sample(w->s, &w->how);
        size_t size = 0;
        if (id < 0)
            return cli_error(w->ctx);
        if (id == lh_tokenizer_border(w->k))
            break;
        const char *piece = lh_tokenizer_piece(w->k, id, &size);
        int code = text_push(w, id);
        if (code)
            return code;
        if (piece)
            fwrite(piece, 1, size, w->file);
        if (w->length == 0 && lh_session_position(w->s) >= context)
            break;
        if (i + 1 != w->length)
            code = text_feed(w, w->tokens - 1);
        if (code)
            return code;
    }
    return CLI_DONE;
}

bool cli_write(cli_writing *w)
{
    free(w->text);
    w->text = NULL;
    if (!w->code && !w->s && !(w->s = lh_session_new(w->ctx, w->m, w->seed)))
        w->code = cli_error(w->ctx);
    if (!w->code && w->count-- > 0) {
        w->file = open_memstream(&w->text, &w->size);
        if (w->file)
            w->code = text_begin(w);
        if (w->file && !w->code)
            w->code = text_go_on(w);
        bool whole = w->file && !ferror(w->file);
        if ((!w->file || fclose(w->file) || !whole) && !w->code)
            w->code = cli_fail("out of memory");
        if (!w->code)
            return true;
        free(w->text);
    }
    free(w->token);
    lh_session_free(w->s);
    return false;
}
