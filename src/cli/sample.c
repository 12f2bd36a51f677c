/* longhand sample MODEL: texts by a model, one after the other. */
#include "cli/cli.h"

int cli_sample(const cli_options *o, lh_context *ctx)
{
    lh_tokenizer *k = NULL;
    cli_writing w = {
        .ctx = ctx, .seed = (uint64_t)o->integer[OPT_seed],
        .how = {
            .temperature = o->real[OPT_temperature],
            .top_k = o->integer[OPT_top_k],
            .top_p = o->real[OPT_top_p],
            .min_p = o->real[OPT_min_p],
        },
        .prompt = o->text[OPT_prompt],
        .length = o->integer[OPT_length],
        .count = o->integer[OPT_number],
    };
    w.code = cli_model_load(ctx, o->operand[0], &w.m, &k);
    w.k = k;
    while (cli_write(&w)) {
        if (o->given[OPT_json]) {
            fputs("{\"text\": ", stdout);
            cli_json_string(stdout, w.text, w.size);
            printf(", \"seed\": %lld}\n", (long long)o->integer[OPT_seed]);
        } else {
            cli_text(stdout, w.text, w.size);
            fputc('\n', stdout);
        }
        if (fflush(stdout) != 0)
            w.count = 0;          /* main says why                         */
    }
    lh_tokenizer_free(k);
    lh_model_free(w.m);
    return w.code;
}
