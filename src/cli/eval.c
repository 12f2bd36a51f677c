/* longhand eval MODEL DATA: how well a model foretells a text. */
#include <math.h>

#include "cli/cli.h"

static int eval_run(const cli_options *o, lh_context *ctx, lh_model *m,
                    const lh_tokenizer *k, const cli_data *data)
{
    double loss;
    int64_t tokens, bytes;
    char a[32], b[32];
    if (lh_evaluate(ctx, m, k, data->dataset, &loss, &tokens, &bytes))
        return cli_error(ctx);
    /* Nats over all tokens, in bits, over all bytes. */
    double bits = bytes ? loss * (double)tokens / (double)bytes / log(2)
                        : (double)NAN;
    if (!o->given[OPT_json]) {
        printf("tokens         %s\nbytes          %s\n"
               "loss           %.4f nats per token\n"
               "perplexity     %.4f\nbits per byte  %.4f\n",
               cli_count(a, tokens), cli_count(b, bytes), loss, exp(loss),
               bits);
        return CLI_DONE;
    }
    printf("{\"tokens\": %lld, \"bytes\": %lld, \"loss\": ",
           (long long)tokens, (long long)bytes);
    cli_json_number(stdout, loss);
    fputs(", \"perplexity\": ", stdout);
    cli_json_number(stdout, exp(loss));
    fputs(", \"bits_per_byte\": ", stdout);
    cli_json_number(stdout, bits);
    fputs("}\n", stdout);
    return CLI_DONE;
}

int cli_eval(const cli_options *o)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    cli_data data = { 0 };
    int code;
    lh_context *ctx = cli_context(o, OPT_threads, &code);
    if (!ctx)
        return code;
    code = cli_model_load(ctx, o->operand[0], &m, &k);
    if (!code)
        code = cli_data_load(ctx, o, 1, &data);
    if (!code)
        code = eval_run(o, ctx, m, k, &data);
    lh_dataset_free(data.dataset);
    lh_tokenizer_free(k);
    lh_model_free(m);
    lh_context_free(ctx);
    return code;
}
