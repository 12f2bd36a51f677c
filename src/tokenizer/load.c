/* Tokenizers from files of every known format, told apart by what is in
 * them, and by name where one vocabulary lies in two files. */
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizer/read.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

/* --------------------------------------------------------- rank files -- */

/* What files of bare ranks, or of a vocabulary and its merges, do not say: by
 * the name that is given, or by how many tokens there are. */
typedef struct load_family {
    const char *name;                  /* a scanner's                      */
    int32_t ranks, pairs;              /* tokens in either kind of file    */
    int form;
    bool whole;                        /* a piece that is a token is it    */
    /* Behind the ranks: how far, as a byte, and the name; the first of them
     * ends documents. */
    const char *special[6];
} load_family;

static const load_family load_families[] = {
    { "gpt2", 50256, 50257, -1, false, { "\0<|endoftext|>" } },
    { "cl100k", 100256, 0, -1, true,
      { "\1<|endoftext|>", "\2<|fim_prefix|>", "\3<|fim_middle|>",
        "\4<|fim_suffix|>", "\24<|endofprompt|>" } },
    { "o200k", 199998, 0, -1, true,
      { "\1<|endoftext|>", "\24<|endofprompt|>" } },
    { "llama3", 128000, 128000, -1, true,
      { "\1<|end_of_text|>", "\0<|begin_of_text|>", "\6<|start_header_id|>",
        "\7<|end_header_id|>", "\11<|eot_id|>" } },
    { "qwen2", 0, 151643, LH_FORM_COMPOSED, false, { "\0<|endoftext|>" } },
};

/* The special tokens of a family, behind id `end`, until one's place is taken
 * by another: then it is only of the same size. */
static lh_status load_special(lh_gather *g, const load_family *f, int32_t end,
                              int32_t *border)
{
    lh_status status = LH_OK;
    for (int i = 0; f->special[i] && !status; i++) {
        const char *name = f->special[i] + 1;
        lh_added a = { .text = name, .size = strlen(name), .special = true,
                       .id = end + name[-1] };
        if (a.id < g->count && g->piece[a.id] &&
            !lh_text_is(g->piece[a.id], g->piece_size[a.id], name))
            return LH_OK;
        status = lh_gather_added(g, LH_SPELLED_PLAIN, &a);
        if (!i)
            *border = a.id;
    }
    return status;
}

/* NULL: none, and an error that says what could be given. */
static const load_family *load_family_of(const lh_gather *g, const char *pre,
                                         bool ranks)
{
    char shown[LH_UTF8_SHOWN];
    for (size_t i = 0; i < LH_COUNT(load_families); i++) {
        const load_family *f = &load_families[i];
        if (pre ? !strcmp(pre, f->name)
                : g->count == (ranks ? f->ranks : f->pairs))
            return f;
    }
    if (pre)
        lh_fail(g->ctx, LH_ERROR_ARGUMENT, "%s: there is no way \"%s\" of"
                " cutting texts; there are gpt2, cl100k, o200k, llama3,"
                " qwen2", g->where, lh_utf8_show(shown, pre, strlen(pre)));
    else
        lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: the file does not say how texts"
                " are cut, and %d tokens are of no tokenizer known here; say"
                " it (--pre): gpt2, cl100k, o200k, llama3 or qwen2", g->where,
                (int)g->count);
    return NULL;
}

/* Base64 (RFC 4648) of one line, to its bytes; SIZE_MAX: it is none. */
static size_t load_base64(const char *text, size_t size, char *out)
{
    uint32_t bits = 0;
    int held = 0;
    size_t made = 0;
    while (size && text[size - 1] == '=')
        size--;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        uint32_t six = c >= 'A' && c <= 'Z' ? c - 65u
                     : c >= 'a' && c <= 'z' ? c - 71u
                     : c >= '0' && c <= '9' ? c + 4u
                     : c == '+' ? 62 : c == '/' ? 63 : 64;
        if (six == 64)
            return SIZE_MAX;
        bits = bits << 6 | six;
        held += 6;
        if (held >= 8)
            out[made++] = (char)(bits >> (held -= 8));
    }
    return made;
}

/* A line "BASE64 RANK". */
static lh_status load_rank(lh_gather *g, const char *line, size_t size,
                           char *bytes, int64_t number)
{
    const char *blank = memchr(line, ' ', size);
    size_t head = blank ? (size_t)(blank - line) : 0, made;
    int64_t rank = blank && head + 1 < size ? 0 : -1;
    for (size_t i = head + 1; i < size && rank >= 0; i++)
        rank = line[i] >= '0' && line[i] <= '9' && rank < INT32_MAX
            ? 10 * rank + (line[i] - '0') : -1;
    made = rank < 0 ? SIZE_MAX : load_base64(line, head, bytes);
    if (made == SIZE_MAX || !made)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: line %lld is not a token"
                       " in base64 and its rank", g->where,
                       (long long)number);
    return lh_gather_piece(g, rank, bytes, made, LH_SPELLED_PLAIN);
}

static lh_tokenizer *load_ranks(lh_context *ctx, const char *where,
                                const char *text, size_t size,
                                const char *pre)
{
    lh_gather g = { .ctx = ctx, .where = where, .arena = { .ctx = ctx } };
    lh_bpe rules = lh_bpe_rules();
    lh_tokenizer *k = NULL;
    lh_status status = LH_OK;
    int64_t number = 0;
    char *bytes = lh_alloc(ctx, size + 1, 1);
    if (!bytes)
        status = LH_ERROR_MEMORY;
    for (size_t at = 0; at < size && !status; number++) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        if (length)
            status = load_rank(&g, line, length, bytes, number + 1);
    }
    lh_free(ctx, bytes);
    for (int32_t id = 0; id < g.count && !status; id++)
        if (!g.piece[id])
            status = lh_fail(ctx, LH_ERROR_FORMAT, "%s: rank %d is missing",
                             where, (int)id);
    const load_family *family = status ? NULL
                                       : load_family_of(&g, pre, true);
    int32_t border = -1;
    if (family && !load_special(&g, family, g.count, &border)) {
        rules.by_rank = rules.whole_first = true;
        rules.form = family->form;
        rules.step[rules.steps++] = lh_scanner_named(
            family->name, strlen(family->name));
        k = lh_gather_make(&g, &rules, border);
    }
    if (k)
        lh_bpe_byte_ids(k);
    for (int i = 0; k && i < 256; i++)
        if (k->bpe->byte_id[i] < 0) {
            lh_fail(ctx, LH_ERROR_FORMAT, "%s: the byte 0x%02x has no rank",
                    where, (unsigned)i);
            lh_tokenizer_free(k);
            k = NULL;
        }
    lh_gather_free(&g);
    return k;
}

/* --------------------------------------------------- vocabulary, merges -- */

/* merges.txt: "a b" a line, "#version" first. */
static lh_status load_merges(lh_gather *g, const lh_tokenizer *k,
                             const char *text, size_t size)
{
    lh_status status = LH_OK;
    for (size_t at = 0; at < size && !status;) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        bool version = !at && length > 8 && !memcmp(line, "#version", 8);
        at += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        if (!length || version)
            continue;
        const char *blank = memchr(line, ' ', length);
        size_t left = blank ? (size_t)(blank - line) : length;
        status = left + 1 < length
            ? lh_gather_merge(g, k, line, left, blank + 1, length - left - 1,
                              LH_SPELLED_LETTERS)
            : lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: merge %zu is not two"
                      " tokens", g->where, g->merges + 1);
    }
    return status;
}

static lh_tokenizer *load_vocabulary(lh_context *ctx, const char *where,
                                     const lh_json *vocab,
                                     const lh_buffer *merges,
                                     const char *pre,
                                     const lh_json *settings)
{
    lh_gather g = { .ctx = ctx, .where = where, .arena = { .ctx = ctx },
                    .settings = settings };
    lh_bpe rules = lh_bpe_rules();
    lh_tokenizer *k = NULL;
    lh_status status = LH_OK;
    for (const lh_json *m = vocab->child; m && !status; m = m->next)
        status = m->integral
            ? lh_gather_piece(&g, m->integer, m->key, m->key_size,
                              LH_SPELLED_LETTERS)
            : lh_fail(ctx, LH_ERROR_FORMAT, "%s: the vocabulary has a token"
                      " without a whole number for its id", where);
    const load_family *family = status ? NULL
                                       : load_family_of(&g, pre, false);
    int32_t border = -1;
    if (family) {
        rules.form = family->form;
        rules.whole_first = family->whole;
        rules.step[rules.steps++] = lh_scanner_named(
            family->name, strlen(family->name));
        int32_t end = family->ranks ? family->ranks : g.count;
        bool whole = g.count == family->pairs &&
                     !lh_json_get(settings, "added_tokens_decoder");
        if (!(whole && load_special(&g, family, end, &border)) &&
            !lh_gather_settings(&g, &rules, &border))
            k = lh_gather_make(&g, &rules, border);
    }
    if (k) {
        lh_bpe_byte_ids(k);
        if (border < 0)
            k->border = lh_bpe_find(k, "<|endoftext|>", 13);
        if (load_merges(&g, k, merges->data, merges->size) ||
            lh_bpe_merges(k, g.where, g.merge, g.merges)) {
            lh_tokenizer_free(k);
            k = NULL;
        }
    }
    lh_gather_free(&g);
    return k;
}

/* A file beside that of `path`; NULL: no memory. */
static char *load_path_beside(lh_context *ctx, const char *path,
                              const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t head = slash ? (size_t)(slash - path) + 1 : 0;
    char *beside = lh_alloc(ctx, head + strlen(name) + 1, 1);
    if (!beside)
        return NULL;
    memcpy(beside, path, head);
    return strcpy(beside + head, name) - head;
}

/* The merges that lie beside a vocabulary: merges.txt or vocab.bpe. */
static lh_status load_beside(lh_context *ctx, const char *path,
                             lh_buffer *merges)
{
    char *beside = load_path_beside(ctx, path, "vocab.bpe");
    if (beside && !lh_file_there(ctx, beside)) {
        lh_free(ctx, beside);
        beside = load_path_beside(ctx, path, "merges.txt");
    }
    lh_status status = beside ? lh_file_read(ctx, beside, merges)
                              : LH_ERROR_MEMORY;
    lh_free(ctx, beside);
    return status;
}

/* ------------------------------------------------------------- any file -- */

static lh_tokenizer *load_json(lh_context *ctx, const char *path,
                               const char *text, size_t size,
                               const char *pre, const lh_json *settings)
{
    lh_json_document document;
    if (lh_json_parse_pairs(ctx, path, text, size, "merges", &document))
        return NULL;
    lh_tokenizer *k = NULL;
    const lh_json *root = document.root;
    if (root->type == LH_JSON_OBJECT && root->child &&
        root->child->integral) {
        lh_buffer merges = { 0 };
        if (!load_beside(ctx, path, &merges))
            k = load_vocabulary(ctx, path, root, &merges, pre, settings);
        lh_buffer_free(ctx, &merges);
    } else {
        k = lh_tokenizer_read_tree(ctx, path, root, settings);
    }
    lh_json_free(&document);
    return k;
}

/* Whether a file begins with a line of text that has a blank, as a list of
 * ranks does. */
static bool load_line(const char *text, size_t size)
{
    size_t at = 0;
    bool blank = false;
    while (at < size && text[at] != '\n') {
        unsigned char c = (unsigned char)text[at++];
        blank |= c == ' ';
        if ((c < ' ' && c != '\r') || c > '~')
            return false;
    }
    return blank;
}

static lh_tokenizer *load_any(lh_context *ctx, const char *where,
                              const char *text, size_t size, const char *pre,
                              const lh_json *settings)
{
    size_t at = 0;
    while (at < size && text[at] && strchr(" \t\r\n", text[at]))
        at++;
    if (!size)
        return LH_FAIL_NULL(ctx, LH_ERROR_FORMAT, "%s: the file is empty",
                            where);
    if (at < size && text[at] == '{')
        return load_json(ctx, where, text, size, pre, settings);
    if (size >= 4 && !memcmp(text, "GGUF", 4))
        return lh_read_gguf(ctx, where, text, size);
    if (load_line(text, size))
        return load_ranks(ctx, where, text, size, pre);
    return text[0] == '\n'
        ? lh_read_sentencepiece(ctx, where, text, size, settings)
        : lh_read_llama2c(ctx, where, text, size);
}

LH_INTERNAL lh_tokenizer *lh_tokenizer_from(lh_context *ctx,
                                            const char *where,
                                            const char *text, size_t size,
                                            const char *pre)
{
    return load_any(ctx, where, text, size, pre, NULL);
}

/* The names that tokenizers have in the directories of models; beside them
 * lie their settings. */
static const char *const load_names[] = { "tokenizer.json", "vocab.json",
                                          "tokenizer.model" };

/* The file of a directory, or the path itself; NULL: no memory, or there is
 * none in the directory. */
static char *load_resolve(lh_context *ctx, const char *path)
{
    char *file = lh_path_join(ctx, path, ".");
    bool directory = file && lh_file_there(ctx, file);
    for (size_t i = 0; i < LH_COUNT(load_names) && directory && file; i++) {
        lh_free(ctx, file);
        file = lh_path_join(ctx, path, load_names[i]);
        if (file && lh_file_there(ctx, file))
            return file;
    }
    if (file && directory)
        lh_fail(ctx, LH_ERROR_IO, "%s: there is no tokenizer in it"
                " (tokenizer.json, vocab.json or tokenizer.model)", path);
    else if (file)
        memcpy(file, path, strlen(path) + 1);
    if (!directory)
        return file;
    lh_free(ctx, file);
    return NULL;
}

/* Whether a path's last part is one of the names. */
static bool load_named(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool named = false;
    for (size_t i = 0; i < LH_COUNT(load_names); i++)
        named |= !strcmp(name, load_names[i]);
    return named;
}

LH_API lh_tokenizer *lh_tokenizer_load(lh_context *ctx, const char *path,
                                       const char *pre)
{
    if (!ctx)
        return NULL;
    if (!path)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_tokenizer_load: no"
                            " path");
    lh_buffer text = { 0 }, set = { 0 };
    lh_json_document settings = { .root = NULL };
    lh_tokenizer *k = NULL;
    char *file = load_resolve(ctx, path), *beside = NULL;
    lh_status status = file ? lh_file_read(ctx, file, &text)
                            : LH_ERROR_MEMORY;
    if (!status && load_named(file)) {
        beside = load_path_beside(ctx, file, "tokenizer_config.json");
        status = beside ? LH_OK : LH_ERROR_MEMORY;
    }
    bool set_there = beside && lh_file_there(ctx, beside);
    if (!status && set_there)
        status = lh_file_read(ctx, beside, &set);
    if (!status && set_there)
        status = lh_json_parse(ctx, beside, set.data, set.size, &settings);
    if (!status)
        k = load_any(ctx, file, text.data, text.size, pre, settings.root);
    if (settings.root)
        lh_json_free(&settings);
    lh_buffer_free(ctx, &set);
    lh_buffer_free(ctx, &text);
    lh_free(ctx, beside);
    lh_free(ctx, file);
    return k;
}
