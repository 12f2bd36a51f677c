/* Tokenizers in binary files: SentencePiece's .model (a protocol buffer),
 * llama2.c's tokenizer.bin, and the vocabulary inside a GGUF file.
 *
 * Each is a cursor over bytes that never passes the end: what is claimed and
 * not there fails.  Formats: sentencepiece_model.proto (Kudo, Richardson
 * 2018); the GGUF specification of ggml, versions 2 and 3. */
#include "base/bits.h"
#include "base/utf8.h"
#include "tokenizer/read.h"
#include "tokenizer/unicode.h"

/* -------------------------------------------------------------- cursor -- */

typedef struct binary_cursor {
    const unsigned char *at, *end;
    bool failed;                       /* beyond the end, or impossible    */
} binary_cursor;

static const unsigned char *binary_take(binary_cursor *c, uint64_t size)
{
    if (c->failed || size > (uint64_t)(c->end - c->at)) {
        c->failed = true;
        return NULL;
    }
    const unsigned char *there = c->at;
    c->at += size;
    return there;
}

/* A little-endian number of 1, 2, 4 or 8 bytes; 0 after a failure. */
static uint64_t binary_number(binary_cursor *c, int bytes)
{
    const unsigned char *p = binary_take(c, (uint64_t)bytes);
    return p ? lh_little(p, bytes) : 0;
}

/* The kinds of tokens, the same numbers in .model and GGUF files. */
enum { BINARY_NORMAL = 1, BINARY_UNKNOWN, BINARY_CONTROL, BINARY_USER,
       BINARY_UNUSED, BINARY_BYTE };

/* One token of a vocabulary with scores or of bytes' letters. */
static lh_status binary_token(lh_gather *g, lh_bpe *rules, int64_t id,
                              const char *text, size_t size, float score,
                              uint64_t kind, lh_spelling spelling)
{
    int byte = kind == BINARY_BYTE ? lh_byte_token(text, size) : -1;
    lh_status status;
    if (kind == BINARY_UNUSED || kind > BINARY_BYTE || !kind ||
        (kind == BINARY_BYTE && byte < 0) || score != score)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: token %lld is of kind"
                       " %llu (unused pieces are 5), or scores no number,"
                       " which is not known here", g->where, (long long)id,
                       (unsigned long long)kind);
    if (byte >= 0)
        return lh_gather_byte(g, rules, id, byte);
    if (!size)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: token %lld is empty",
                       g->where, (long long)id);
    /* What is looked for in texts is not written in bytes' letters. */
    bool plain = kind == BINARY_CONTROL ||
                 (kind == BINARY_USER && spelling == LH_SPELLED_LETTERS);
    status = lh_gather_piece(g, id, text, size,
                             plain ? LH_SPELLED_PLAIN : spelling);
    if (status)
        return status;
    g->score[id] = score;
    g->hidden[id] |= plain || kind == BINARY_UNKNOWN;
    if (kind == BINARY_UNKNOWN)
        rules->unknown = (int32_t)id;
    if (kind != BINARY_CONTROL && kind != BINARY_USER)
        return LH_OK;
    lh_added a = { .text = g->piece[id], .size = g->piece_size[id],
                   .id = (int32_t)id, .special = kind == BINARY_CONTROL,
                   .normalized = kind == BINARY_USER };
    return lh_gather_added(g, LH_SPELLED_PLAIN, &a);
}

/* Rules of SentencePiece's byte pairs: characters, by score. */
static lh_bpe binary_rules(void)
{
    lh_bpe rules = lh_bpe_rules();
    rules.characters = rules.by_rank = rules.spaces = true;
    rules.fuse_unknown = true;
    rules.prefix = LH_PREFIX_SPACE;
    return rules;
}

/* Cuts at spaces where no token goes across one: the same tokens, from
 * pieces short enough to be seen again. */
static void binary_cut(const lh_gather *g, lh_bpe *rules)
{
    for (int32_t id = 0; id < g->count; id++)
        for (uint32_t i = 1; i < g->piece_size[id] && !g->hidden[id]; i++)
            if (g->piece[id][i] == ' ' && g->piece[id][i - 1] != ' ')
                return;
    rules->step[rules->steps++] = lh_scanner_named("spaced", 6);
}

static lh_tokenizer *binary_make(lh_gather *g, lh_bpe *rules, int32_t border)
{
    binary_cut(g, rules);
    if (border >= g->count)
        border = -1;
    return lh_gather_make(g, rules, border);
}

/* ------------------------------------------------------- SentencePiece -- */

/* A field of a protocol buffer: its number and type, and its number or its
 * bytes; false at the end. */
typedef struct binary_field {
    uint64_t number, value;
    binary_cursor bytes;
} binary_field;

static uint64_t binary_varint(binary_cursor *c)
{
    uint64_t n = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint64_t byte = binary_number(c, 1);
        n |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return n;
    }
    c->failed = true;
    return 0;
}

static bool binary_next(binary_cursor *c, binary_field *f)
{
    if (c->failed || c->at == c->end)
        return false;
    uint64_t key = binary_varint(c);
    *f = (binary_field){ .number = key >> 3 };
    switch (key & 7) {
    case 0:
        f->value = binary_varint(c);
        break;
    case 1:
        f->value = binary_number(c, 8);
        break;
    case 5:
        f->value = binary_number(c, 4);
        break;
    case 2: {
        uint64_t size = binary_varint(c);
        f->bytes.at = binary_take(c, size);
        f->bytes.end = f->bytes.at + (c->failed ? 0 : size);
        break;
    }
    default:
        c->failed = true;
    }
    return !c->failed;
}

static lh_status binary_piece(lh_gather *g, lh_bpe *rules, binary_cursor c)
{
    const char *text = "";
    size_t size = 0;
    float score = 0;
    uint64_t kind = BINARY_NORMAL;
    for (binary_field f; binary_next(&c, &f);) {
        if (f.number == 1 && f.bytes.at) {
            text = (const char *)f.bytes.at;
            size = (size_t)(f.bytes.end - f.bytes.at);
        } else if (f.number == 2)
            score = lh_float_of((uint32_t)f.value);
        else if (f.number == 3)
            kind = f.value;
    }
    if (c.failed)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: piece %d is cut off",
                       g->where, (int)g->count);
    return binary_token(g, rules, g->count, text, size, score, kind,
                        LH_SPELLED_MARKS);
}

/* TrainerSpec: what kind of model; where the special pieces are. */
static lh_status binary_trainer(lh_gather *g, binary_cursor c,
                                int32_t *border)
{
    uint64_t type = 1, suffix = 0;
    for (binary_field f; binary_next(&c, &f);) {
        if (f.number == 3)
            type = f.value;
        else if (f.number == 24)
            suffix = f.value;
        else if (f.number == 42)
            *border = f.value < LH_VOCABULARY_MOST ? (int32_t)f.value : -1;
    }
    if (c.failed || type != 2 || suffix)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: it is %s; of"
                       " SentencePiece models byte pairs (BPE) are known"
                       " here", g->where, c.failed ? "cut off"
                       : suffix ? "a model with spaces behind words"
                       : type == 1 ? "a Unigram model" : "a word or character"
                       " model");
    return LH_OK;
}

/* NormalizerSpec. */
static lh_status binary_normalizer(lh_gather *g, lh_bpe *rules,
                                   binary_cursor c)
{
    bool map = false, prefix = true, squeezed = true, escaped = true;
    for (binary_field f; binary_next(&c, &f);) {
        if (f.number == 2)
            map = f.bytes.at != f.bytes.end;
        else if (f.number == 3)
            prefix = f.value != 0;
        else if (f.number == 4)
            squeezed = f.value != 0;
        else if (f.number == 5)
            escaped = f.value != 0;
    }
    if (c.failed || map || !escaped)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: %s", g->where, c.failed
                       ? "its normalizer is cut off" : map
                       ? "its normalizer has a character map"
                         " (precompiled_charsmap), which is not known here"
                       : "its normalizer leaves spaces as they are, which is"
                         " not known here");
    rules->prefix = prefix ? LH_PREFIX_SPACE : LH_PREFIX_NONE;
    rules->squeezed = squeezed;
    return LH_OK;
}

LH_INTERNAL lh_tokenizer *lh_read_sentencepiece(lh_context *ctx,
                                                const char *where,
                                                const char *text,
                                                size_t size,
                                                const lh_json *settings)
{
    lh_gather g = { .ctx = ctx, .where = where, .arena = { .ctx = ctx },
                    .settings = settings };
    lh_bpe rules = binary_rules();
    binary_cursor c = { (const unsigned char *)text,
                        (const unsigned char *)text + size, false };
    lh_status status = LH_OK;
    int32_t border = 2;
    bool trainer = false;
    rules.squeezed = true;                       /* as it is if not said   */
    for (binary_field f; !status && binary_next(&c, &f);) {
        if (f.number == 1)
            status = binary_piece(&g, &rules, f.bytes);
        else if (f.number == 2) {
            status = binary_trainer(&g, f.bytes, &border);
            trainer = true;
        } else if (f.number == 3)
            status = binary_normalizer(&g, &rules, f.bytes);
    }
    if (!status && (c.failed || !trainer))
        status = lh_fail(ctx, LH_ERROR_FORMAT, "%s: it is no SentencePiece"
                         " model, or cut off", where);
    if (!status)
        status = lh_gather_settings(&g, &rules, &border);
    lh_tokenizer *k = status ? NULL : binary_make(&g, &rules, border);
    lh_gather_free(&g);
    return k;
}

/* ------------------------------------------------------------- llama2.c -- */

LH_INTERNAL lh_tokenizer *lh_read_llama2c(lh_context *ctx, const char *where,
                                          const char *text, size_t size)
{
    lh_gather g = { .ctx = ctx, .where = where, .arena = { .ctx = ctx } };
    lh_bpe rules = binary_rules();
    binary_cursor c = { (const unsigned char *)text,
                        (const unsigned char *)text + size, false };
    lh_status status = LH_OK;
    binary_number(&c, 4);                        /* the longest token      */
    while (!status && !c.failed && c.at < c.end) {
        float score = lh_float_of((uint32_t)binary_number(&c, 4));
        uint64_t length = binary_number(&c, 4);
        const char *token = (const char *)binary_take(&c, length);
        int64_t id = g.count;
        if (!c.failed)
            status = binary_token(&g, &rules, id, token, (size_t)length,
                                  score, id == 0 ? BINARY_UNKNOWN
                                  : id < 3 ? BINARY_CONTROL
                                  : lh_byte_token(token, (size_t)length) >= 0
                                  ? BINARY_BYTE : BINARY_NORMAL,
                                  LH_SPELLED_PLAIN);
    }
    if (!status && (c.failed || !g.count))
        status = g.count
            ? lh_fail(ctx, LH_ERROR_FORMAT, "%s: token %d is cut off", where,
                      (int)g.count)
            : lh_fail(ctx, LH_ERROR_FORMAT, "%s: no file of a kind that is"
                      " read here: tokenizer.json, vocab.json beside"
                      " merges.txt, .tiktoken, a SentencePiece model,"
                      " tokenizer.bin, GGUF", where);
    lh_tokenizer *k = status ? NULL : binary_make(&g, &rules, 1);
    lh_gather_free(&g);
    return k;
}

/* ----------------------------------------------------------------- GGUF -- */

/* The values that matter, and where each array's elements begin. */
typedef struct binary_gguf {
    const char *model, *pre;
    size_t model_size, pre_size;
    binary_cursor tokens, scores, kinds, merges;
    uint64_t token_count, score_count, kind_count, merge_count;
    int64_t eos, bos;
    int64_t space;                     /* add_space_prefix                 */
    int64_t add_bos, add_eos;          /* -1: not said                     */
} binary_gguf;

enum { BINARY_GGUF_STRING = 8, BINARY_GGUF_ARRAY = 9 };

static int binary_gguf_size(uint64_t type)
{
    static const int size[13] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    return type < 13 ? size[type] : 0;
}

static const char *binary_string(binary_cursor *c, size_t *size)
{
    uint64_t n = binary_number(c, 8);
    const unsigned char *text = binary_take(c, n);
    *size = text ? (size_t)n : 0;
    return text ? (const char *)text : "";
}

/* Passes over `count` values of a type. */
static void binary_skip(binary_cursor *c, uint64_t type, uint64_t count)
{
    size_t size;
    int each = binary_gguf_size(type);
    if (each)
        binary_take(c, count > UINT64_MAX / 8 ? UINT64_MAX
                                              : count * (uint64_t)each);
    else if (type == BINARY_GGUF_STRING)
        for (; count && !c->failed; count--)
            binary_string(c, &size);
    else
        c->failed = true;
}

/* One key and its value. */
static void binary_pair(binary_cursor *c, binary_gguf *f)
{
    size_t size;
    const char *key = binary_string(c, &size);
    uint64_t type = binary_number(c, 4);
    if (type == BINARY_GGUF_ARRAY) {
        type = binary_number(c, 4);
        uint64_t count = binary_number(c, 8);
        binary_cursor begin = *c;
        bool strings = type == BINARY_GGUF_STRING;
        if (lh_text_is(key, size, "tokenizer.ggml.tokens") && strings)
            f->tokens = begin, f->token_count = count;
        else if (lh_text_is(key, size, "tokenizer.ggml.merges") && strings)
            f->merges = begin, f->merge_count = count;
        else if (lh_text_is(key, size, "tokenizer.ggml.scores") && type == 6)
            f->scores = begin, f->score_count = count;
        else if (lh_text_is(key, size, "tokenizer.ggml.token_type") &&
                 (type == 5 || type == 4))
            f->kinds = begin, f->kind_count = count;
        binary_skip(c, type, count);
        return;
    }
    if (type == BINARY_GGUF_STRING) {
        size_t length;
        const char *text = binary_string(c, &length);
        if (lh_text_is(key, size, "tokenizer.ggml.model"))
            f->model = text, f->model_size = length;
        else if (lh_text_is(key, size, "tokenizer.ggml.pre"))
            f->pre = text, f->pre_size = length;
        return;
    }
    int each = binary_gguf_size(type);
    uint64_t value = each ? binary_number(c, each) : 0;
    c->failed |= !each;
    if (lh_text_is(key, size, "tokenizer.ggml.eos_token_id"))
        f->eos = (int64_t)(uint32_t)value;
    else if (lh_text_is(key, size, "tokenizer.ggml.bos_token_id"))
        f->bos = (int64_t)(uint32_t)value;
    else if (lh_text_is(key, size, "tokenizer.ggml.add_space_prefix"))
        f->space = value != 0;
    else if (lh_text_is(key, size, "tokenizer.ggml.add_bos_token"))
        f->add_bos = value != 0;
    else if (lh_text_is(key, size, "tokenizer.ggml.add_eos_token"))
        f->add_eos = value != 0;
}

/* tokenizer.ggml.pre, as far as it is known, to a scanner and a form. */
static const struct {
    const char *pre, *scanner[LH_BPE_STEPS];
    bool whole;
} binary_pres[] = {
    { "gpt-2", { "gpt2" }, false },
    { "llama-bpe", { "llama3" }, true },
    { "qwen2", { "qwen2" }, false },
    { "falcon", { "falcon", "gpt2", "three" }, false },
    { "deepseek-llm", { "ends", "cased", "signs", "trailing", "han",
                        "digit" }, false },
};

static lh_status binary_gguf_rules(lh_gather *g, const binary_gguf *f,
                                   lh_bpe *rules, bool *letters)
{
    char shown[LH_UTF8_SHOWN];
    *letters = lh_text_is(f->model, f->model_size, "gpt2");
    if (lh_text_is(f->model, f->model_size, "llama")) {
        *rules = binary_rules();
        rules->prefix = f->space ? LH_PREFIX_SPACE : LH_PREFIX_NONE;
        return LH_OK;
    }
    if (!*letters)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: its tokenizer is a"
                       " \"%s\", which is not known here", g->where,
                       lh_utf8_show(shown, f->model, f->model_size));
    for (size_t i = 0; i < LH_COUNT(binary_pres); i++)
        if (lh_text_is(f->pre, f->pre_size, binary_pres[i].pre)) {
            rules->whole_first = binary_pres[i].whole;
            for (int s = 0; s < LH_BPE_STEPS && binary_pres[i].scanner[s];
                 s++)
                rules->step[rules->steps++] = lh_scanner_named(
                    binary_pres[i].scanner[s],
                    strlen(binary_pres[i].scanner[s]));
            return LH_OK;
        }
    return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: its texts are cut as for"
                   " \"%s\" (tokenizer.ggml.pre), which is not known here",
                   g->where, lh_utf8_show(shown, f->pre, f->pre_size));
}

static lh_status binary_gguf_tokens(lh_gather *g, binary_gguf *f,
                                    lh_bpe *rules, bool letters)
{
    lh_status status = LH_OK;
    for (uint64_t i = 0; i < f->token_count && !status; i++) {
        size_t size;
        const char *text = binary_string(&f->tokens, &size);
        float score = i < f->score_count
            ? lh_float_of((uint32_t)binary_number(&f->scores, 4)) : 0;
        uint64_t kind = i < f->kind_count ? binary_number(&f->kinds, 4)
                                          : BINARY_NORMAL;
        status = binary_token(g, rules, (int64_t)i, text, size, score, kind,
                              letters ? LH_SPELLED_LETTERS
                                      : LH_SPELLED_MARKS);
    }
    return status;
}

static lh_status binary_gguf_merges(lh_gather *g, binary_gguf *f,
                                    lh_tokenizer *k)
{
    lh_status status = LH_OK;
    for (uint64_t i = 0; i < f->merge_count && !status; i++) {
        size_t size;
        const char *text = binary_string(&f->merges, &size);
        const char *blank = size > 1 ? memchr(text + 1, ' ', size - 1) : NULL;
        size_t left = blank ? (size_t)(blank - text) : size;
        status = blank
            ? lh_gather_merge(g, k, text, left, blank + 1, size - left - 1,
                              LH_SPELLED_LETTERS)
            : lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: merge %zu is not two"
                      " tokens", g->where, g->merges + 1);
    }
    return status ? status : lh_bpe_merges(k, g->where, g->merge,
                                            g->merges);
}

LH_INTERNAL lh_tokenizer *lh_read_gguf(lh_context *ctx, const char *where,
                                       const char *text, size_t size)
{
    lh_gather g = { .ctx = ctx, .where = where, .arena = { .ctx = ctx } };
    binary_gguf f = { .model = "", .pre = "", .eos = -1, .bos = -1,
                      .space = 1, .add_bos = -1, .add_eos = -1 };
    lh_bpe rules = lh_bpe_rules();
    binary_cursor c = { (const unsigned char *)text,
                        (const unsigned char *)text + size, false };
    lh_tokenizer *k = NULL;
    bool letters = false;
    lh_status status = LH_OK;
    binary_take(&c, 4);
    uint64_t version = binary_number(&c, 4);
    binary_number(&c, 8);                        /* tensors                */
    uint64_t pairs = binary_number(&c, 8);
    if (version != 2 && version != 3)
        status = lh_fail(ctx, LH_ERROR_FORMAT, "%s: GGUF of version %llu; 2"
                         " and 3 are known here", where,
                         (unsigned long long)version);
    for (; pairs && !c.failed && !status; pairs--)
        binary_pair(&c, &f);
    if (!status && (c.failed || !f.token_count))
        status = lh_fail(ctx, LH_ERROR_FORMAT, "%s: a GGUF file that is cut"
                         " off or has no tokenizer", where);
    if (!status)
        status = binary_gguf_rules(&g, &f, &rules, &letters);
    if (!status)
        status = binary_gguf_tokens(&g, &f, &rules, letters);
    f.bos = (uint64_t)f.bos < f.token_count ? f.bos : -1;
    f.eos = (uint64_t)f.eos < f.token_count ? f.eos : -1;
    /* Unless told, models with scores begin texts with a token. */
    if (f.bos >= 0 && (f.add_bos > 0 || (f.add_bos < 0 && !letters)))
        rules.before[rules.before_count++] = (int32_t)f.bos;
    if (f.eos >= 0 && f.add_eos > 0)
        rules.behind[rules.behind_count++] = (int32_t)f.eos;
    if (!status)
        k = letters ? lh_gather_make(&g, &rules, (int32_t)f.eos)
                    : binary_make(&g, &rules, (int32_t)f.eos);
    if (k && letters) {
        lh_bpe_byte_ids(k);
        if (binary_gguf_merges(&g, &f, k)) {
            lh_tokenizer_free(k);
            k = NULL;
        }
    }
    lh_gather_free(&g);
    return k;
}
