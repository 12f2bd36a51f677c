/* longhand sample MODEL: texts by a model, one after the other. */
#include "cli/cli.h"

static int sample_texts(const cli_options *o, lh_context *ctx, lh_model *m,
                        const lh_tokenizer *k, lh_session *s)
{
    lh_sampling sampling = {
        .temperature = o->real[OPT_temperature],
        .top_k = o->integer[OPT_top_k],
        .top_p = o->real[OPT_top_p],
        .min_p = o->real[OPT_min_p],
    };
    cli_writing writing = {
        .how = &sampling,
        .prompt = o->text[OPT_prompt],
        .length = o->integer[OPT_length],
    };
    for (int64_t i = 0; i < o->integer[OPT_number]; i++) {
        char *text;
        size_t size;
        int code = cli_write(ctx, s, m, k, &writing, &text, &size);
        if (code)
            return code;
        if (o->given[OPT_json]) {
            fputs("{\"text\": ", stdout);
            cli_json_string(stdout, text, size);
            printf(", \"seed\": %lld}\n", (long long)o->integer[OPT_seed]);
        } else {
            cli_text(stdout, text, size);
            fputc('\n', stdout);
        }
        free(text);
        if (fflush(stdout) != 0)
            break;                /* main says why                         */
    }
    return CLI_DONE;
}

int cli_sample(const cli_options *o, lh_context *ctx)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    lh_session *s = NULL;
    int code = cli_model_load(ctx, o->operand[0], &m, &k);
    if (!code)
        s = lh_session_new(ctx, m, (uint64_t)o->integer[OPT_seed]);
    if (!code && !s)
        code = cli_error(ctx);
    if (!code)
        code = sample_texts(o, ctx, m, k, s);
    lh_session_free(s);
    lh_tokenizer_free(k);
    lh_model_free(m);
    return code;
}
