/* longhand eval MODEL DATA: how well a model foretells a text, as a whole, by
 * document, and where best and worst.  docs/eval.md has the protocol. */
#include "cli/cli.h"

#include <math.h>

/* A passage is so many tokens of a window (its last one fewer), and at least
 * so many, unless it is a whole document: a few tokens say little. */
enum { EVAL_PASSAGE = 32, EVAL_LEAST = 8, EVAL_SHOWN = 3 };

typedef struct eval_passage {
    int64_t document, offset;     /* bytes before it; below 0: unknown     */
    double bits;                  /* per byte                              */
    int32_t token[EVAL_PASSAGE];
    int count;
} eval_passage;

typedef struct eval_document {
    int64_t tokens;
    double nats;
} eval_document;

typedef struct eval_run {
    const cli_options *o;
    const lh_tokenizer *k;
    const lh_dataset *d;
    eval_document *each;          /* [documents], with --each              */
    eval_passage worst[EVAL_SHOWN], best[EVAL_SHOWN];   /* the first most  */
    int64_t done, all;            /* bytes                                 */
    double shown;                 /* when the progress was, by the clock   */
    bool progress;
} eval_run;

static double eval_bits(double nats, int64_t bytes)
{
    return bytes ? nats / log(2) / (double)bytes : (double)NAN;
}

/* ------------------------------------------------------------- passages -- */

/* Keeps p where it is among the worst (the best: sign -1) so far. */
static void eval_keep(eval_passage *list, const eval_passage *p, int sign)
{
    int at = EVAL_SHOWN;
    while (at && (!list[at - 1].count ||
                  sign * p->bits > sign * list[at - 1].bits))
        at--;
    for (int i = EVAL_SHOWN - 1; i > at; i--)
        list[i] = list[i - 1];
    if (at < EVAL_SHOWN)
        list[at] = *p;
}

static bool eval_window(void *user, const lh_scored *w)
{
    eval_run *r = user;
    eval_passage p = { .document = w->document, .offset = w->offset };
    double nats = 0, all = 0;
    int64_t bytes = 0;
    for (int64_t i = 0; i < w->count; i++) {
        size_t size;
        lh_tokenizer_piece(r->k, w->token[i], &size);
        p.token[p.count++] = w->token[i];
        bytes += (int64_t)size;
        nats += (double)w->loss[i];
        all += (double)w->loss[i];
        r->done += (int64_t)size;
        if (p.count < EVAL_PASSAGE && i + 1 < w->count)
            continue;
        p.bits = eval_bits(nats, bytes);
        if (bytes && (p.count >= EVAL_LEAST || (w->end && !w->first &&
                                                p.count == w->count))) {
            eval_keep(r->worst, &p, 1);
            eval_keep(r->best, &p, -1);
        }
        if (p.offset >= 0)
            p.offset += bytes;
        p.count = 0, bytes = 0, nats = 0;
    }
    if (r->each) {
        r->each[w->document].tokens += w->count;
        r->each[w->document].nats += all;
    }
    if (r->progress && cli_clock() - r->shown > 0.2) {
        r->shown = cli_clock();
        fprintf(stderr, "\r%3.0f %%", 100.0 * (double)r->done /
                                      (double)(r->all + 1));
    }
    return true;
}

/* The text of tokens, on one line: at most `size` - 1 bytes. */
static size_t eval_text(const eval_run *r, const eval_passage *p, char *text,
                        size_t size)
{
    size_t at = 0, length;
    for (int i = 0; i < p->count; i++) {
        const char *piece = lh_tokenizer_piece(r->k, p->token[i], &length);
        for (size_t j = 0; j < length && at + 1 < size; j++)
            text[at++] = piece[j];
    }
    return lh_text_whole(text, at);
}

static void eval_say_passages(const eval_run *r, const eval_passage *list,
                              const char *name)
{
    char text[256], a[32], b[32];
    for (int i = 0; i < EVAL_SHOWN && list[i].count; i++) {
        const eval_passage *p = &list[i];
        size_t size = eval_text(r, p, text, sizeof text);
        if (r->o->given[OPT_json]) {
            cli_json_text(stdout, "{passage", name);
            cli_json_integer(stdout, "document", p->document + 1);
            cli_json_real(stdout, "offset", p->offset < 0
                          ? (double)NAN : (double)p->offset);
            cli_json_real(stdout, "bits_per_byte", p->bits);
            fputs(", \"text\": ", stdout);
            cli_json_string(stdout, text, size);
            puts("}");
            continue;
        }
        for (size_t j = 0; j < size; j++)
            if ((unsigned char)text[j] < ' ')
                text[j] = ' ';
        size = lh_text_whole(text, size < 100 ? size : 100);
        printf("%-14s %.3f bits per byte, document %s", i ? "" : name,
               p->bits, cli_count(a, p->document + 1));
        if (p->offset > 0)
            printf(", byte %s", cli_count(b, p->offset));
        fputs("\n               ", stdout);
        cli_text(stdout, text, size);
        puts("");
    }
}

/* ------------------------------------------------------------ documents -- */

static void eval_say_each(const eval_run *r)
{
    int64_t count = lh_dataset_documents(r->d), worst = -1, best = -1;
    double high = 0, low = 0;
    size_t size;
    for (int64_t i = 0; i < count; i++) {
        lh_dataset_document(r->d, i, &size);
        double bits = eval_bits(r->each[i].nats, (int64_t)size);
        if (worst < 0 || bits > high)
            worst = i, high = bits;
        if (best < 0 || bits < low)
            best = i, low = bits;
    }
    if (!r->o->given[OPT_json])
        puts("document     tokens       bytes  nats/token  bits/byte");
    for (int64_t i = 0; i < count; i++) {
        lh_dataset_document(r->d, i, &size);
        const eval_document *e = &r->each[i];
        double loss = e->nats / (double)e->tokens;
        double bits = eval_bits(e->nats, (int64_t)size);
        const char *mark = i == worst ? "worst" : i == best ? "best" : "";
        if (!r->o->given[OPT_json]) {
            printf("%8lld %10lld  %10zu  %10.4f %10.4f%s%s\n",
                   (long long)i + 1, (long long)e->tokens, size, loss, bits,
                   mark[0] ? "  " : "", mark);
            continue;
        }
        cli_json_integer(stdout, "{document", i + 1);
        cli_json_integer(stdout, "tokens", e->tokens);
        cli_json_integer(stdout, "bytes", (int64_t)size);
        cli_json_real(stdout, "loss", loss);
        cli_json_real(stdout, "bits_per_byte", bits);
        puts("}");
    }
    if (!r->o->given[OPT_json])
        puts("");
}

/* --------------------------------------------------------------- result -- */

/* What the last line of JSON has no room for stands in the one before. */
static void eval_say_json(const lh_evaluation *e, double loss, double ends,
                          double bits)
{
    cli_json_integer(stdout, "{documents", e->documents);
    cli_json_integer(stdout, "ends", e->ends);
    cli_json_real(stdout, "loss_with_ends", ends);
    cli_json_integer(stdout, "lossy_documents", e->lossy);
    printf(", \"comparable\": %s}\n", e->lossy ? "false" : "true");
    cli_json_integer(stdout, "{tokens", e->tokens);
    cli_json_integer(stdout, "bytes", e->bytes);
    cli_json_real(stdout, "loss", loss);
    cli_json_real(stdout, "perplexity", exp(loss));
    cli_json_real(stdout, "bits_per_byte", bits);
    puts("}");
}

static void eval_say(const eval_run *r, const lh_evaluation *e)
{
    char a[32], b[32];
    double loss = e->nats / (double)e->tokens;
    double ends = (e->nats + e->end_nats) / (double)(e->tokens + e->ends);
    double bits = eval_bits(e->nats, e->bytes);
    bool json = r->o->given[OPT_json];
    if (r->each)
        eval_say_each(r);
    if (!json) {
        printf("documents      %s\n", cli_count(a, e->documents));
        printf("tokens         %s\nbytes          %s\n"
               "loss           %.4f nats per token\n"
               "perplexity     %.4f\nbits per byte  %.4f%s\n",
               cli_count(a, e->tokens), cli_count(b, e->bytes), loss,
               exp(loss), bits, e->lossy ? ", not comparable:" : "");
        if (e->lossy)
            printf("               of %s of %s documents the tokens do not"
                   " give back the text\n", cli_count(a, e->lossy),
                   cli_count(b, e->documents));
        printf("with ends      %.4f nats per token, %s end%s of documents"
               " among them\n\n", ends, cli_count(a, e->ends),
               e->ends == 1 ? "" : "s");
    }
    if (!json || r->each) {
        eval_say_passages(r, r->worst, "worst");
        eval_say_passages(r, r->best, "best");
    }
    if (json)
        eval_say_json(e, loss, ends, bits);
}

static int eval_data(const cli_options *o, lh_context *ctx, lh_model *m,
                     const lh_tokenizer *k, const lh_dataset *d)
{
    eval_run r = { .o = o, .k = k, .d = d, .shown = cli_clock() };
    lh_evaluation found;
    lh_data_facts facts;
    lh_dataset_facts(d, &facts);
    r.all = facts.bytes;
    r.progress = isatty(STDERR_FILENO) && !o->given[OPT_json];
    if (o->given[OPT_each] && facts.ids)
        return cli_usage("--each needs text; token files have none");
    if (o->given[OPT_each]) {
        r.each = calloc((size_t)lh_dataset_documents(d), sizeof *r.each);
        if (!r.each)
            return cli_fail("out of memory");
    }
    int code = CLI_DONE;
    if (lh_evaluate(ctx, m, k, d, eval_window, &r, &found))
        code = cli_error(ctx);
    if (r.progress)
        fputs("\r     \r", stderr);
    if (!code)
        eval_say(&r, &found);
    free(r.each);
    return code;
}

/* -------------------------------------------------------------- choices -- */

static bool eval_item(void *user, const lh_chosen *item)
{
    if (*(const bool *)user)
        printf("{\"line\": %lld, \"answer\": %lld, \"plain\": %lld,"
               " \"normalized\": %lld}\n", (long long)item->line,
               (long long)item->answer, (long long)item->plain,
               (long long)item->normal);
    else
        printf("line %lld: answer %lld, likeliest %lld, by its bytes"
               " %lld\n", (long long)item->line, (long long)item->answer,
               (long long)item->plain, (long long)item->normal);
    return true;
}

static int eval_choices(const cli_options *o, lh_context *ctx, lh_model *m,
                        const lh_tokenizer *k)
{
    int64_t items, plain, normal;
    bool json = o->given[OPT_json];
    char a[32];
    if (lh_evaluate_choices(ctx, m, k, o->text[OPT_choices],
                            o->given[OPT_each] ? eval_item : NULL, &json,
                            &items, &plain, &normal))
        return cli_error(ctx);
    double share = (double)plain / (double)items;
    double normalized = (double)normal / (double)items;
    if (json)
        printf("{\"items\": %lld, \"accuracy\": %.9g,"
               " \"accuracy_normalized\": %.9g}\n", (long long)items, share,
               normalized);
    else
        printf("items          %s\nright          %.2f %%, the likeliest\n"
               "               %.2f %%, the likeliest for its bytes\n",
               cli_count(a, items), 100 * share, 100 * normalized);
    return CLI_DONE;
}

int cli_eval(const cli_options *o, lh_context *ctx)
{
    lh_model *m = NULL;
    lh_tokenizer *k = NULL;
    cli_corpus data = { 0 };
    if (o->operands < 2 && !o->given[OPT_choices])
        return cli_usage("DATA is missing: longhand eval MODEL DATA...");
    int code = cli_model_load(ctx, o->operand[0], &m, &k);
    if (!code && o->given[OPT_choices])
        code = eval_choices(o, ctx, m, k);
    if (!code && o->operands > 1)
        code = cli_data_load(ctx, o, 1, k, o->given[OPT_each] ? INT64_MAX
                             : 0, &data);
    if (!code && data.dataset)
        code = eval_data(o, ctx, m, k, data.dataset);
    lh_dataset_free(data.dataset);
    lh_tokenizer_free(k);
    lh_model_free(m);
    return code;
}
