/* Data: what the operands of train, eval and tokenizer name, as a dataset;
 * and longhand data, which shows what was understood. */
#include "cli/cli.h"

/* Data that is looked at may be kept in memory up to here. */
enum { DATA_MEMORY = 1 << 30 };
/* Bytes of a sample that are shown. */
enum { DATA_SHOWN = 240 };

/* ------------------------------------------------------------- loading -- */

/* Standard input can be read once, data is read as often as needed: so it is
 * put into a file without a name, which lives as long as the program. */
static const char *data_input(int *code)
{
    static char path[32];
    static FILE *file;
    char block[65536];
    size_t size;
    if (file)
        return path;
    file = tmpfile();
    while (file && (size = fread(block, 1, sizeof block, stdin)) > 0)
        if (fwrite(block, 1, size, file) != size)
            break;
    if (!file || ferror(stdin) || ferror(file) || fflush(file)) {
        *code = cli_fail("standard input cannot be kept in a file of the"
                         " temporary folder: %s", strerror(errno));
        return NULL;
    }
    snprintf(path, sizeof path, "/dev/fd/%d", fileno(file));
    return path;
}

static bool data_goes_on(void *user)
{
    (void)user;
    return !cli_stop;
}

int cli_data_load(lh_context *ctx, const cli_options *o, int first,
                  const lh_tokenizer *k, int64_t memory, cli_corpus *data)
{
    int code = CLI_DONE;
    const char *held_out = o->text[OPT_held_out];
    lh_sources what = {
        .path = (const char *const *)(o->operand + first),
        .paths = o->operands - first, .tokenizer = k, .memory = memory,
        .by = LH_DOCUMENTS_CHOSEN, .separator = o->text[OPT_separator],
        .on_read = data_goes_on,
    };
    *data = (cli_corpus){ .names = o->operands <= first };
    if (o->given[OPT_documents])
        what.by = (lh_documents)o->integer[OPT_documents];
    if (what.separator && o->given[OPT_documents])
        return cli_usage("--separator says what a document is, so does"
                         " --documents; leave one out");
    if (o->given[OPT_held_out] && o->integer[OPT_held_out] && !data->names) {
        what.held_out = &held_out;
        what.held_outs = 1;
    }
    for (int i = first; i < o->operands && !code; i++)
        if (!strcmp(o->operand[i], "-"))
            what.input = data_input(&code);
    if (code)
        return code;
    data->dataset = data->names ? lh_dataset_names(ctx)
                                : lh_dataset_open(ctx, &what);
    if (!data->dataset)
        return cli_error(ctx);
    lh_dataset_facts(data->dataset, &data->facts);
    return CLI_DONE;
}

const char *cli_data_text(char text[CLI_DATA_TEXT], const cli_corpus *data)
{
    const lh_data_facts *f = &data->facts;
    static const char *const unit[] = { "lines", NULL, "paragraphs", "files",
                                        "texts between separators", NULL };
    char a[32], b[32];
    const char *what = f->ids ? "documents of token ids"
        : f->records == f->documents ? "records"
        : f->records ? "records and texts" : unit[f->by];
    cli_count(a, f->documents);
    if (data->names)
        snprintf(text, CLI_DATA_TEXT, "%s given names (built in)", a);
    else if (f->documents == 1)
        snprintf(text, CLI_DATA_TEXT, "%s bytes, one document",
                 cli_count(b, f->bytes));
    else if (f->by == LH_DOCUMENTS_LINES && !f->records)
        snprintf(text, CLI_DATA_TEXT, "%s lines, each a document", a);
    else
        snprintf(text, CLI_DATA_TEXT, "%s %s, each a document, %s", a,
                 what ? what : "texts", cli_bytes(b, f->bytes));
    return text;
}

void cli_data_notes(FILE *f, const cli_corpus *data)
{
    const lh_data_facts *facts = &data->facts;
    const char *note;
    char a[32];
    for (int i = 0; (note = lh_dataset_note(data->dataset, i)); i++)
        fprintf(f, "note   %s\n", note);
    if (facts->left_out)
        fprintf(f, "note   left out: %s records and files\n",
                cli_count(a, facts->left_out));
    if (facts->invalid)
        fprintf(f, "note   not UTF-8: %s documents\n",
                cli_count(a, facts->invalid));
    if (facts->nuls)
        fprintf(f, "note   with NUL bytes: %s documents\n",
                cli_count(a, facts->nuls));
}

lh_tokenizer *cli_data_tokenizer(lh_context *ctx, const cli_options *o,
                                 const lh_dataset *d)
{
    const char *kind = o->given[OPT_tokenizer] ? o->text[OPT_tokenizer]
                                               : "characters";
    if (!strcmp(kind, "bytes"))
        return lh_tokenizer_bytes(ctx);
    if (strcmp(kind, "characters") != 0)
        return lh_tokenizer_load(ctx, kind, NULL);
    char *text;
    size_t size;
    lh_tokenizer *k = NULL;
    if (d && !lh_dataset_alphabet(ctx, d, &text, &size)) {
        k = lh_tokenizer_characters(ctx, text, size);
        lh_memory_free(ctx, text);
    }
    return k;
}

bool cli_data_tokenizer_given(const cli_options *o)
{
    const char *kind = o->text[OPT_tokenizer];
    return o->given[OPT_tokenizer] && strcmp(kind, "characters") &&
           strcmp(kind, "bytes");
}

/* Measured with nano's 2,000 steps: a token for each 1,700 bytes, in powers
 * of two from 512 on; beyond 4,096 it is not measured. */
int64_t cli_data_pairs(double bytes)
{
    int64_t vocabulary = 512;
    if (bytes < 1700 * 512)
        return 0;
    while (vocabulary < 4096 && bytes >= 1700 * 2 * (double)vocabulary)
        vocabulary *= 2;
    return vocabulary;
}

/* ------------------------------------------------------------- showing -- */

typedef struct data_show {
    const cli_options *o;
    lh_context *ctx;
    const cli_corpus *data;
    const lh_tokenizer *k;
    int64_t tokens;
    int64_t shown;                /* samples so far                        */
    bool samples;                 /* the second reading: they are shown    */
} data_show;

/* A sample: its first tokens, with what parts them. */
static void data_sample(data_show *s, const lh_piece *p, const int32_t *id,
                        int64_t count)
{
    bool colours = isatty(1) && !getenv("NO_COLOR");
    bool json = s->o->given[OPT_json];
    size_t size = 0, total = 0;
    char a[32];
    if (json)
        printf("{\"document\": %lld, \"pieces\": [",
               (long long)p->document + 1);
    else
        printf("\n%s\n  ", cli_count(a, p->document + 1));
    for (int64_t i = 0; i < count && total < DATA_SHOWN; i++) {
        const char *piece = lh_tokenizer_piece(s->k, id[i], &size);
        if (json) {
            fputs(i ? ", " : "", stdout);
            cli_json_string(stdout, piece, size);
        } else {
            if (colours)
                printf("\033[48;5;%dm", i % 2 ? 238 : 24);
            for (size_t j = 0, part; j < size; j += part) {
                bool ends = piece[j] == '\n' || piece[j] == '\r', known;
                part = cli_character(piece + j, size - j, &known);
                cli_text(stdout, ends ? "\xe2\x86\xb5" : piece + j,
                         ends ? 3 : part);
            }
            fputs(colours ? "\033[0m" : "|", stdout);
        }
        total += size;
    }
    puts(json ? "]}" : total < DATA_SHOWN ? "" : "...");
}

static lh_status data_piece(void *user, const lh_piece *p)
{
    data_show *s = user;
    int64_t count = p->count, wanted = s->o->integer[OPT_samples];
    int32_t *made = NULL;
    const int32_t *id = p->ids;
    int64_t documents = s->data->facts.documents;
    wanted = wanted < documents ? wanted : documents;
    bool sample = s->samples && p->first && s->shown < wanted &&
                  p->document == (int64_t)((double)s->shown *
                                           (double)documents /
                                           (double)wanted);
    if (s->samples && !sample)
        return s->shown < wanted ? LH_OK : LH_ERROR_STOPPED;
    size_t size = s->samples && p->size > 4 * DATA_SHOWN
        ? lh_text_whole(p->text, 4 * DATA_SHOWN) : p->size;
    lh_status status = id ? LH_OK
        : lh_tokenizer_encode(s->ctx, s->k, p->text, size, &made, &count);
    s->tokens += count;
    if (!status && sample) {
        data_sample(s, p, id ? id : made, count);
        s->shown++;
    }
    lh_memory_free(s->ctx, made);
    return status;
}

static void data_say(const data_show *s)
{
    const lh_data_facts *f = &s->data->facts;
    const struct { const char *name; int64_t number; } row[] = {
        { "files", f->files }, { "documents", f->documents },
        { "held out", f->documents - f->training },
        { "duplicates", f->duplicates }, { "left out", f->left_out },
        { "not UTF-8", f->invalid }, { "with NULs", f->nuls },
        { "longest", f->longest }, { "bytes", f->bytes },
        { "tokens", s->tokens },
    };
    char text[CLI_DATA_TEXT], a[32];
    bool json = s->o->given[OPT_json];
    if (!json)
        printf("data        %s\n", cli_data_text(text, s->data));
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bool needless = !json && row[i].number == 0 && i > 1;
        if (needless || row[i].number < 0)
            continue;
        if (json) {
            char name[16] = "{";
            for (size_t j = 0; row[i].name[j]; j++)
                name[j + 1] = strchr(" -", row[i].name[j]) ? '_'
                                                           : row[i].name[j];
            cli_json_integer(stdout, name + (i > 0), row[i].number);
        } else {
            printf("%-11s %s\n", row[i].name, cli_count(a, row[i].number));
        }
    }
    if (json) {
        cli_json_text(stdout, "tokenizer", lh_tokenizer_kind(s->k));
        puts("}");
        return;
    }
    printf("tokenizer   %s, %s tokens, %.2f bytes a token\n",
           lh_tokenizer_kind(s->k), cli_count(a, lh_tokenizer_vocabulary(
           s->k)), (double)f->bytes / (double)(s->tokens + !s->tokens));
}

int cli_data(const cli_options *o, lh_context *ctx)
{
    cli_corpus data = { 0 };
    lh_tokenizer *k = NULL;
    if (cli_data_tokenizer_given(o))
        k = cli_data_tokenizer(ctx, o, NULL);
    int code = cli_data_tokenizer_given(o) && !k ? cli_error(ctx)
             : cli_data_load(ctx, o, 0, k, DATA_MEMORY, &data);
    if (!code && !k)
        k = cli_data_tokenizer(ctx, o, data.dataset);
    if (!code && !k)
        code = cli_error(ctx);
    data_show s = { .o = o, .ctx = ctx, .data = &data, .k = k };
    if (!code && lh_dataset_read(ctx, data.dataset, NULL, data_piece, &s))
        code = cli_error(ctx);
    if (!code) {
        data_say(&s);
        cli_data_notes(o->given[OPT_json] ? stderr : stdout, &data);
        s.samples = true;
        lh_status status = lh_dataset_read(ctx, data.dataset, NULL,
                                           data_piece, &s);
        if (status && status != LH_ERROR_STOPPED)
            code = cli_error(ctx);
    }
    lh_dataset_free(data.dataset);
    lh_tokenizer_free(k);
    return code;
}
