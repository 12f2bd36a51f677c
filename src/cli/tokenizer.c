/* longhand tokenizer train|encode|decode: files of any size pass through in
 * blocks, cut where a tokenizer's pieces end. */
#include "cli/cli.h"

#define TOKENIZER_BLOCK ((size_t)1 << 22)
/* Lines that are handed over at once. */
#define TOKENIZER_LINES 4096

/* ------------------------------------------------------------- streams -- */

/* The files of a command line, or standard input, one behind the other. */
typedef struct tokenizer_input {
    char **path;
    int paths, next;
    FILE *file;
    const char *name;
    char *text;                        /* what has come and is not used    */
    size_t size, room;
    bool end;                          /* of the file at hand              */
} tokenizer_input;

/* Reads a block behind what is left, or as much as is left: a text may have no
 * place to cut it, and shall not be looked through again with each block. */
static int tokenizer_more(tokenizer_input *in)
{
    size_t most = in->size > TOKENIZER_BLOCK ? in->size : TOKENIZER_BLOCK;
    if (!cli_grow(&in->text, &in->room, in->size + most, 1))
        return cli_fail("%s: no memory for %zu bytes without a place to cut"
                        " them", in->name, in->size);
    size_t got = fread(in->text + in->size, 1, most, in->file);
    in->size += got;
    in->end = got < most;
    if (ferror(in->file))
        return cli_fail("%s: cannot be read: %s", in->name, strerror(errno));
    return CLI_DONE;
}

/* More of the file at hand, if there is, or of the next one; false: there is
 * none, or *code is not CLI_DONE. */
static bool tokenizer_next(tokenizer_input *in, int *code)
{
    while (!*code && (!in->file || (in->end && !in->size))) {
        if (in->file && in->file != stdin)
            fclose(in->file);
        in->file = NULL;
        in->end = false;
        if (in->next >= (in->paths ? in->paths : 1))
            return false;
        in->name = in->paths ? in->path[in->next] : "standard input";
        in->file = in->paths ? fopen(in->name, "rb") : stdin;
        in->next++;
        if (!in->file)
            *code = cli_fail("%s: cannot be opened: %s", in->name,
                             strerror(errno));
    }
    if (!*code && !in->end)
        *code = tokenizer_more(in);
    return !*code;
}

static void tokenizer_used(tokenizer_input *in, size_t size)
{
    memmove(in->text, in->text + size, in->size - size);
    in->size -= size;
}

static void tokenizer_close(tokenizer_input *in)
{
    if (in->file && in->file != stdin)
        fclose(in->file);
    free(in->text);
}

/* --------------------------------------------------------------- train -- */

/* How far it is: a bar on a terminal, a line every ten seconds elsewhere. */
typedef struct tokenizer_view {
    const cli_options *o;
    double begin, shown;               /* of this part; last               */
} tokenizer_view;

static void tokenizer_far(tokenizer_view *v, const char *what,
                          double share, const char *text)
{
    static const char bar[] = "########################################";
    double now = cli_clock(), took = now - v->begin;
    bool live = isatty(2);
    char left[32];
    if (v->o->given[OPT_quiet] || share <= 0 || share > 1 ||
        now - v->shown < (live ? 0.1 : 10))
        return;
    v->shown = now;
    cli_duration(left, took * (1 - share) / share);
    if (live)
        fprintf(stderr, "\r%s [%-40.*s] %s, %s left\033[K", what,
                (int)(40 * share), bar, text, left);
    else
        printf("%s %3.0f%%: %s, %s left\n", what, 100 * share, text, left);
    fflush(stdout);
}

static void tokenizer_there(const tokenizer_view *v)
{
    if (isatty(2) && !v->o->given[OPT_quiet])
        fputs("\r\033[K", stderr);
}

/* Documents on their way to the trainer, which takes many at once. */
typedef struct tokenizer_feed {
    lh_tokenizer_trainer *t;
    tokenizer_view *view;
    int64_t bytes, total;              /* read; to be read                 */
    char *text;
    size_t size, room;
    size_t start[TOKENIZER_LINES + 1]; /* of each document in text         */
    int64_t count;                     /* of documents that are whole      */
    size_t searched;                   /* of the one behind them: no place */
    int64_t left;                      /* bytes that are still wanted      */
} tokenizer_feed;

/* Where an unfinished document may be cut: at its last blank behind a
 * letter. */
static size_t tokenizer_part(const char *text, size_t size)
{
    for (size_t at = size; at-- > 1;) {
        char before = text[at - 1];
        if (text[at] == ' ' && ((before >= 'a' && before <= 'z') ||
                                (before >= 'A' && before <= 'Z')))
            return at;
    }
    return 0;
}

/* Hands over what is whole, and of a long document what can be cut. */
static lh_status tokenizer_flush(tokenizer_feed *f)
{
    static const char *text[TOKENIZER_LINES + 1];
    static size_t length[TOKENIZER_LINES + 1];
    int64_t count = f->count;
    size_t done = f->start[count];
    bool looks = f->size - done >= TOKENIZER_BLOCK &&
                 (f->size - done) / 2 >= f->searched;
    size_t part = looks ? tokenizer_part(f->text + done, f->size - done) : 0;
    f->start[count + 1] = done + part;
    count += part > 0;
    for (int64_t i = 0; i < count; i++) {
        text[i] = f->text + f->start[i];
        length[i] = f->start[i + 1] - f->start[i];
    }
    lh_status status = count ? lh_tokenizer_trainer_add(f->t, text, length,
                                                        count) : LH_OK;
    done += part;
    memmove(f->text, f->text + done, f->size - done);
    f->size -= done;
    f->searched = looks ? f->size : count ? 0 : f->searched;
    f->count = 0;
    return status;
}

static lh_status tokenizer_piece(void *user, const lh_piece *p)
{
    tokenizer_feed *f = user;
    char a[32], b[32], c[32], said[120];
    int64_t before = f->bytes >> 20;
    if (cli_stop)
        return LH_ERROR_STOPPED;
    f->bytes += (int64_t)p->size;
    if (f->view && f->bytes >> 20 != before) {
        snprintf(said, sizeof said, "%s of %s, %s words",
                 cli_bytes(a, f->bytes), cli_bytes(b, f->total),
                 cli_count(c, lh_tokenizer_trainer_words(f->t)));
        tokenizer_far(f->view, "reading",
                      (double)f->bytes / (double)f->total, said);
    }
    if (!cli_grow(&f->text, &f->room, f->size + p->size, 1))
        return LH_ERROR_MEMORY;
    if (p->size)
        memcpy(f->text + f->size, p->text, p->size);
    f->size += p->size;
    f->left -= (int64_t)p->size;
    if (f->left < 0)
        return LH_ERROR_STOPPED;
    if (p->last)
        f->start[++f->count] = f->size;
    return f->count == TOKENIZER_LINES - 1 || f->size >= TOKENIZER_BLOCK
        ? tokenizer_flush(f) : LH_OK;
}

int cli_tokenizer_feed(lh_context *ctx, lh_tokenizer_trainer *t,
                       const cli_corpus *data, const lh_split *split,
                       int64_t most, tokenizer_view *view)
{
    tokenizer_feed *f = calloc(1, sizeof *f);
    if (!f)
        return cli_fail("out of memory");
    f->t = t;
    f->left = most;
    f->view = view;
    f->total = data->facts.bytes;
    lh_status status = lh_dataset_read(ctx, data->dataset, split,
                                       tokenizer_piece, f);
    if (!status || (status == LH_ERROR_STOPPED && f->left < 0))
        status = tokenizer_flush(f);
    free(f->text);
    free(f);
    if (view)
        tokenizer_there(view);
    if (!status)
        return CLI_DONE;
    return cli_stop ? cli_fail("stopped while reading; nothing is written")
         : lh_error_status(ctx) ? cli_error(ctx) : cli_fail("out of memory");
}

static int tokenizer_read(lh_context *ctx, tokenizer_view *v,
                          lh_tokenizer_trainer *t, int64_t *bytes)
{
    const cli_options *o = v->o;
    char *input = "-";
    cli_options read = *o;
    cli_corpus data;
    if (o->operands < 2) {
        read.operand = &input;
        read.operands = 1;
    }
    int code = cli_data_load(ctx, &read, o->operands < 2 ? 0 : 1, NULL, 0,
                             &data);
    v->begin = cli_clock();
    if (!code)
        code = cli_tokenizer_feed(ctx, t, &data, NULL, INT64_MAX, v);
    if (!code && !o->given[OPT_quiet])
        cli_data_notes(stdout, &data);
    *bytes = data.facts.bytes;
    lh_dataset_free(data.dataset);
    return code;
}

static bool tokenizer_progress(void *user, int64_t tokens)
{
    tokenizer_view *v = user;
    int64_t all = v->o->integer[OPT_vocab];
    char a[32], b[32], text[80];
    snprintf(text, sizeof text, "%s of %s tokens", cli_count(a, tokens),
             cli_count(b, all));
    tokenizer_far(v, "merging", (double)(tokens - 256) / (double)(all - 256),
                  text);
    return !cli_stop;
}

static int tokenizer_train(lh_context *ctx, const cli_options *o)
{
    const char *special = o->text[OPT_special];
    char a[32], b[32];
    int64_t bytes = 0;
    tokenizer_view view = { .o = o };
    double begin = view.shown = cli_clock();
    cli_signals();
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(ctx);
    int code = t ? tokenizer_read(ctx, &view, t, &bytes) : cli_error(ctx);
    lh_tokenizer *k = NULL;
    if (!code) {
        view.begin = cli_clock();
        k = lh_tokenizer_trainer_make(t, o->integer[OPT_vocab], &special, 1,
                                      tokenizer_progress, &view);
        tokenizer_there(&view);
        if (!k || lh_tokenizer_save(ctx, k, o->text[OPT_to]))
            code = cli_error(ctx);
    }
    if (!code && !o->given[OPT_quiet]) {
        printf("%s tokens from %s bytes in %.1f s: %s\n",
               cli_count(a, lh_tokenizer_vocabulary(k)),
               cli_count(b, bytes), cli_clock() - begin, o->text[OPT_to]);
        if (lh_tokenizer_vocabulary(k) < o->integer[OPT_vocab])
            printf("The text has no more pairs to merge, so there are fewer"
                   " than the %s asked for.\n",
                   cli_count(a, o->integer[OPT_vocab]));
    }
    lh_tokenizer_free(k);
    lh_tokenizer_trainer_free(t);
    return code;
}

/* -------------------------------------------------------------- encode -- */

enum { TOKENIZER_TEXT, TOKENIZER_JSON, TOKENIZER_U16, TOKENIZER_U32 };

typedef struct tokenizer_output {
    const cli_options *o;
    int64_t count;                     /* ids so far                       */
} tokenizer_output;

/* The text with every second token on a grey ground. */
static void tokenizer_show(const lh_tokenizer *k, const int32_t *id,
                           int64_t count, int64_t before)
{
    bool colours = isatty(1) && !getenv("NO_COLOR");
    for (int64_t i = 0; i < count; i++) {
        size_t size;
        const char *piece = lh_tokenizer_piece(k, id[i], &size);
        if (colours)
            printf("\033[48;5;%dm", (before + i) % 2 ? 238 : 24);
        else if (before + i)
            putchar('|');
        cli_text(stdout, piece, size);
        if (colours)
            fputs("\033[0m", stdout);
    }
}

static int tokenizer_put(tokenizer_output *out, const lh_tokenizer *k,
                         const int32_t *id, int64_t count)
{
    int64_t format = out->o->integer[OPT_format];
    if (format == TOKENIZER_U16 && lh_tokenizer_vocabulary(k) > 65536)
        return cli_usage("--format u16: the tokenizer has %lld tokens; u32"
                         " has room for them",
                         (long long)lh_tokenizer_vocabulary(k));
    const char *between = format == TOKENIZER_JSON ? ", " : " ";
    char text[4096];
    size_t size = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t value = (uint32_t)id[i];
        char digits[12];
        int first = 12, low = format == TOKENIZER_U16 ? 2 : 4;
        if (size > sizeof text - 16) {
            fwrite(text, 1, size, stdout);
            size = 0;
        }
        if (format >= TOKENIZER_U16) {
            for (int b = 0; b < low; b++)
                text[size++] = (char)(value >> 8 * b);
            continue;
        }
        do
            digits[--first] = (char)('0' + value % 10);
        while (value /= 10);
        for (const char *c = out->count + i ? between : ""; *c; c++)
            text[size++] = *c;
        memcpy(text + size, digits + first, (size_t)(12 - first));
        size += (size_t)(12 - first);
    }
    fwrite(text, 1, size, stdout);
    return CLI_DONE;
}

static int tokenizer_some(lh_context *ctx, const lh_tokenizer *k,
                          tokenizer_output *out, const char *text,
                          size_t size)
{
    const cli_options *o = out->o;
    lh_encoding how = { .special = o->given[OPT_allow_special],
                        .frame = o->given[OPT_bos] };
    const char *const texts[] = { text, "" };    /* with --bos the second  */
    const size_t sizes[] = { size, 0 };
    int32_t *ids;
    int64_t *offsets, count;
    if (lh_tokenizer_encode_batch(ctx, k, texts, sizes, 1 + how.frame, &how,
                                  &ids, &offsets))
        return cli_error(ctx);
    count = offsets[1];
    bool bare = how.frame && offsets[2] == count;
    lh_memory_free(ctx, offsets);
    int code = CLI_DONE;
    if (bare)
        code = cli_usage("--bos: %s says of no token that it begins or ends"
                         " a text", o->text[OPT_pieces]);
    else if (o->given[OPT_show])
        tokenizer_show(k, ids, count, out->count);
    else if (!o->given[OPT_only_count])
        code = tokenizer_put(out, k, ids, count);
    out->count += count;
    lh_memory_free(ctx, ids);
    return code;
}

static int tokenizer_encode(lh_context *ctx, const cli_options *o,
                            const lh_tokenizer *k)
{
    tokenizer_input in = { .path = o->operand + 1,
                           .paths = o->operands - 1 };
    tokenizer_output out = { .o = o };
    int code = CLI_DONE;
    bool json = o->integer[OPT_format] == TOKENIZER_JSON &&
                !o->given[OPT_only_count] && !o->given[OPT_show];
    if (json)
        putchar('[');
    while (tokenizer_next(&in, &code)) {
        size_t part = in.end ? in.size : o->given[OPT_bos] ? 0
            : lh_tokenizer_cut(k, in.text, in.size);
        if (!part)
            continue;
        code = tokenizer_some(ctx, k, &out, in.text, part);
        tokenizer_used(&in, part);
    }
    tokenizer_close(&in);
    if (!code && o->given[OPT_only_count])
        printf("%lld\n", (long long)out.count);
    else if (!code && (json || o->given[OPT_show] ||
                       o->integer[OPT_format] == TOKENIZER_TEXT))
        puts(json ? "]" : "");
    return code;
}

/* -------------------------------------------------------------- decode -- */

/* The ids of the bytes at hand into id; how many, and *used bytes.  Below 0:
 * not ids, said. */
static int64_t tokenizer_ids(const tokenizer_input *in, int64_t format,
                             int32_t *id, size_t *used)
{
    const unsigned char *text = (const unsigned char *)in->text;
    int64_t count = 0;
    size_t at = 0, each = format == TOKENIZER_U16 ? 2 : 4;
    if (format >= TOKENIZER_U16) {
        for (; in->size - at >= each; at += each)
            id[count++] = (int32_t)((uint32_t)text[at] |
                (uint32_t)text[at + 1] << 8 |
                (each == 2 ? 0 : (uint32_t)text[at + 2] << 16 |
                                 (uint32_t)text[at + 3] << 24));
        *used = at;
        return !in->end || at == in->size ? count
             : -cli_fail("%s: ends in the middle of an id", in->name);
    }
    for (*used = 0; at < in->size;) {
        unsigned char c = text[at];
        if (c && strchr(" \t\n\v\f\r,[]", c)) {
            *used = ++at;
            continue;
        }
        int64_t value = 0;
        size_t from = at;
        for (; at < in->size && text[at] >= '0' && text[at] <= '9'; at++)
            value = value < INT32_MAX ? 10 * value + (text[at] - '0') : value;
        if (at == in->size && !in->end)
            return count;                        /* it may go on           */
        if (at == from || value > INT32_MAX)
            return -cli_fail("%s: \"%c\" is no id; ids are whole numbers with"
                             " blanks between", in->name,
                             c >= ' ' && c < 127 ? c : '?');
        id[count++] = (int32_t)value;
        *used = at;
    }
    return count;
}

/* The bytes of one id at the beginning of a text. */
static int64_t tokenizer_shown(lh_context *ctx, const lh_tokenizer *k,
                               int32_t id)
{
    char *text;
    size_t size;
    lh_tokenizer_decode(ctx, k, &id, 1, &text, &size, NULL);
    lh_memory_free(ctx, text);
    return (int64_t)size;
}

static int tokenizer_decode(lh_context *ctx, const cli_options *o,
                            const lh_tokenizer *k)
{
    tokenizer_input in = { .path = o->operand + 1,
                           .paths = o->operands - 1 };
    int code = CLI_DONE;
    int32_t *id = NULL, last = 0;
    int64_t total = 0;
    while (tokenizer_next(&in, &code)) {
        /* A block follows the last id of the one before, since what begins a
         * text may be decoded in a way of its own. */
        int64_t before = total > 0, skip[2] = { 0 };
        size_t used = 0, size;
        char *text;
        free(id);
        id = malloc((in.size + 2) * sizeof *id);
        if (id)
            id[0] = last;
        int64_t count = id ? tokenizer_ids(&in, o->integer[OPT_format],
                                           id + before, &used)
                           : -cli_fail("out of memory");
        if (count < 0) {
            code = CLI_FAILED;
        } else if (o->given[OPT_show]) {
            tokenizer_show(k, id + before, count, total);
        } else if (lh_tokenizer_decode(ctx, k, id, count + before, &text,
                                       &size, NULL)) {
            code = cli_error(ctx);
        } else {
            skip[1] = tokenizer_shown(ctx, k, last);
            fwrite(text + skip[before], 1, size - (size_t)skip[before],
                   stdout);
            lh_memory_free(ctx, text);
        }
        if (count > 0)
            last = id[before + count - 1];
        total += count;
        tokenizer_used(&in, used);
    }
    free(id);
    tokenizer_close(&in);
    return code;
}

int cli_tokenizer(const cli_options *o, lh_context *ctx)
{
    const char *action = o->operand[0];
    bool encode = !strcmp(action, "encode");
    if (!strcmp(action, "train"))
        return tokenizer_train(ctx, o);
    if (!encode && strcmp(action, "decode") != 0)
        return cli_usage("tokenizer %s: there are train, encode and decode",
                         action);
    if (!o->given[OPT_pieces])
        return cli_usage("--tokenizer FILE is needed: which tokenizer?");
    lh_tokenizer *k = lh_tokenizer_load(ctx, o->text[OPT_pieces],
                                        o->text[OPT_pre]);
    int code = !k ? cli_error(ctx) : (encode ? tokenizer_encode
                                             : tokenizer_decode)(ctx, o, k);
    lh_tokenizer_free(k);
    return code;
}
