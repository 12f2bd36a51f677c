/* Every format of tokenizers' files from a fixture of its own: its ids, what
 * it is written as, damaged in every way, with failing memory.  The real
 * tokenizers are tests/oracle_vocabularies.py's part. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

#include "hostile.h"
#include "test.h"
#include "tokenizer_files.h"

#include <unistd.h>

/* No cut where no scanner ends its pieces at blanks: "b a" may be a token. */
static void test_no_cut(lh_context *ctx)
{
    lh_buffer b = { 0 };
    make_json(&b);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "cut", b.data, b.size, NULL);
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "ab ab ab", 8), 0);
    lh_tokenizer_free(k);                        /* lstrip                 */
    for (int regex = 0; regex < 2; regex++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"version\": \"1.0\","
                 " \"pre_tokenizer\": {\"type\": \"Sequence\","
                 " \"pretokenizers\": [{\"type\": \"Digits\"},"
                 " {\"type\": \"ByteLevel\", \"add_prefix_space\": false,"
                 " \"use_regex\": %s}]}, \"model\": {\"vocab\": {\"a\": 0,"
                 " \"\u0120\": 1}, \"merges\": []}}",
                 regex ? "true" : "false");
        k = lh_tokenizer_from(ctx, "cut", text, strlen(text), NULL);
        CHECK(k != NULL);
        CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "aa aa aa", 8),
                     regex ? 5 : 0);
        lh_tokenizer_free(k);
    }
    lh_buffer_free(ctx, &b);
}

/* What sees letters of bytes, or gives them marks, is refused. */
static void test_before_letters(lh_context *ctx)
{
    static const char marks[] = "{\"type\": \"Replace\", \"pattern\":"
        " {\"String\": \" \"}, \"content\": \"\u2581\"}";
    static const char letters[] = "{\"type\": \"ByteLevel\","
        " \"add_prefix_space\": false, \"use_regex\": false}";
    static const char late[] = "{\"type\": \"Metaspace\","
        " \"replacement\": \"\u2581\", \"split\": false}";
    const struct { const char *normal, *first, *wanted; } bad[] = {
        { marks, "{\"type\": \"Digits\"}", "behind marks for spaces" },
        { "null", late, "behind marks for spaces" },
        { "null", letters, "behind ByteLevel" },
        { "null", "{\"type\": \"Digits\"}", NULL },
    };
    for (size_t i = 0; i < LH_COUNT(bad); i++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"version\": \"1.0\","
                 " \"normalizer\": %s, \"pre_tokenizer\": {\"type\":"
                 " \"Sequence\", \"pretokenizers\": [%s, %s]}, \"model\":"
                 " {\"vocab\": {\"a\": 0}, \"merges\": []}}",
                 bad[i].normal, bad[i].first, letters);
        lh_tokenizer *k = lh_tokenizer_from(ctx, "before", text, strlen(text),
                                            NULL);
        CHECK(!k == !!bad[i].wanted);
        if (bad[i].wanted)
            CHECK(strstr(lh_error_message(ctx), bad[i].wanted) != NULL);
        lh_error_clear(ctx);
        lh_tokenizer_free(k);
    }
}

/* Normalizers in an order that would give other texts here are refused. */
static void test_order(lh_context *ctx)
{
#define MARKS "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}," \
              " \"content\": \"\u2581\"}"
#define PREPEND "{\"type\": \"Prepend\", \"prepend\": \"\u2581\"}"
    static const struct { const char *normal; bool fine; } order[] = {
        { MARKS ", {\"type\": \"NFKC\"}", false },
        { MARKS ", {\"type\": \"NFKD\"}", false },
        { MARKS ", {\"type\": \"NFC\"}", true },
        { "{\"type\": \"NFKC\"}, " MARKS, true },
        { PREPEND ", {\"type\": \"NFKC\"}, " MARKS, true },
        { MARKS ", {\"type\": \"Strip\"}", false },
        { PREPEND ", {\"type\": \"Strip\"}, " MARKS, false },
        { "{\"type\": \"Strip\"}, " PREPEND ", " MARKS, true },
        { "{\"type\": \"Strip\", \"strip_right\": false},"
          " {\"type\": \"Strip\", \"strip_left\": false}", false },
    };
#undef MARKS
#undef PREPEND
    for (size_t i = 0; i < LH_COUNT(order); i++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"version\": \"1.0\","
                 " \"normalizer\": {\"type\": \"Sequence\","
                 " \"normalizers\": [%s]}, \"model\": {\"vocab\":"
                 " {\"a\": 0}, \"merges\": []}}", order[i].normal);
        lh_tokenizer *k = lh_tokenizer_from(ctx, "order", text, strlen(text),
                                            NULL);
        CHECK(!k == !order[i].fine);
        lh_error_clear(ctx);
        lh_tokenizer_free(k);
    }
}

/* A template that is another thing than tokens around a text, or names one of
 * no ids, of which there could be many, each searched for among all. */
static void test_template(lh_context *ctx)
{
#define TEXT "{\"Sequence\": {\"id\": \"A\"}}"
#define NAME "{\"SpecialToken\": {\"id\": \"a\"}}"
#define HEAD "{\"type\": \"TemplateProcessing\", \"special_tokens\":" \
             " {\"a\": {\"ids\": [0]}, \"b\": {\"ids\": []}}, \"single\": "
    static const struct { const char *part; bool fine; } part[] = {
        { HEAD "[" NAME ", " TEXT ", " NAME "]}", true },
        { HEAD "[" TEXT "]}, " HEAD "[" NAME ", " TEXT "]}", true },
        { HEAD "[" NAME ", " TEXT "]}, " HEAD "[" NAME ", " TEXT "]}", false },
        { HEAD "[{\"SpecialToken\": {\"id\": \"b\"}}, " TEXT "]}", false },
        { HEAD "[" TEXT ", " TEXT "]}", false },
        { HEAD "[" NAME "]}", false },
        { HEAD "\"$A\"}", false },
    };
#undef TEXT
#undef NAME
#undef HEAD
    for (size_t i = 0; i < LH_COUNT(part); i++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"version\": \"1.0\","
                 " \"post_processor\": {\"type\": \"Sequence\","
                 " \"processors\": [%s]}, \"model\": {\"vocab\":"
                 " {\"a\": 0}, \"merges\": []}}", part[i].part);
        lh_tokenizer *k = lh_tokenizer_from(ctx, "template", text,
                                            strlen(text), NULL);
        CHECK(!k == !part[i].fine);
        CHECK(k || strstr(lh_error_message(ctx), "TemplateProcessing"));
        lh_error_clear(ctx);
        lh_tokenizer_free(k);
    }
}

typedef struct fixture {
    const char *name, *pre;
    void (*make)(lh_buffer *b);
    int32_t frame;                     /* what begins a text; -1: nothing  */
    const char *text;                  /* these ids                        */
    int count, id[12];
} fixture;

static const fixture fixtures[] = {
    { "json", NULL, make_json, 5, "ab abba", 4, { 3, 4, 1, 0 } },
    { "json-spaced", NULL, make_json_spaced, -1, "ab\u00e9 ??b", 6,
      { 5, 6, 7, 3, 0, 2 } },
    { "json-metaspace", NULL, make_json_metaspace, 0,
      "A 11 \u2460\u2581\u2581b a  ", 8, { 4, 3, 2, 2, 3, 2, 5, 4 } },
    { "ranks", "gpt2", make_ranks, -1, "ab abba", 4, { 256, 257, 98, 97 } },
    { "sentencepiece", NULL, make_sentencepiece, -1, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "squeezed", NULL, make_squeezed, -1, "  the  \u2581 a \u2581 ", 5,
      { 261, 262, 262, 262, 266 } },
    { "defaults", NULL, make_defaults, -1, "  a  a ", 4,
      { 262, 266, 262, 266 } },
    { "llama2c", NULL, make_llama2c, -1, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "gguf-spaced", NULL, make_gguf_spaced, 1, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "gguf-pairs", NULL, make_gguf_pairs, -1, "ab abb\u00fca", 5,
      { 3, 4, 1, 6, 0 } },
};

/* Reads what there is, and if that is a tokenizer uses it. */
static lh_status use(lh_context *ctx, const fixture *f, const char *text,
                     size_t size)
{
    int32_t *ids;
    int64_t count;
    char *back;
    size_t length;
    /* Of its own size, so that a sanitizer sees a byte too many. */
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    lh_tokenizer *k = lh_tokenizer_from(ctx, f->name, copy, size, f->pre);
    free(copy);
    if (!k)
        return lh_error_status(ctx);
    lh_status status = lh_tokenizer_encode_as(
        ctx, k, f->text, strlen(f->text), &(lh_encoding){ true, true },
        &ids, &count);
    if (!status) {
        status = lh_tokenizer_decode(ctx, k, ids, count, &back, &length,
                                     NULL);
        lh_memory_free(ctx, ids);
    }
    if (!status) {
        lh_buffer written = { 0 };
        lh_memory_free(ctx, back);
        status = lh_tokenizer_write(ctx, k, &written);
        lh_buffer_free(ctx, &written);
    }
    lh_tokenizer_free(k);
    return status;
}

static lh_status use_whole(lh_context *ctx, void *arg)
{
    lh_buffer file = { 0 };
    const fixture *f = arg;
    f->make(&file);
    lh_status status = use(ctx, f, file.data, file.size);
    lh_buffer_free(maker, &file);
    return status;
}

/* The ids of a fixture's text, and what begins it. */
static void ids_are(lh_context *ctx, const fixture *f, const lh_tokenizer *k)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    CHECK(!lh_tokenizer_encode(ctx, k, f->text, strlen(f->text), &ids,
                               &count));
    bool same = count == f->count;
    for (int i = 0; i < f->count && same; i++)
        same = ids[i] == f->id[i];
    for (int64_t i = 0; i < count && !same; i++)
        printf("    %s: id %d\n", f->name, (int)ids[i]);
    CHECK(same);
    lh_memory_free(ctx, ids);
    CHECK(!lh_tokenizer_encode_as(ctx, k, "", 0,
                                  &(lh_encoding){ .frame = true }, &ids,
                                  &count));
    CHECK(count ? ids[0] == f->frame : f->frame < 0);
    lh_memory_free(ctx, ids);
}

/* What it is written as gives the same ids, and is written as the same. */
static void written_again(lh_context *ctx, const fixture *f,
                          const lh_tokenizer *k)
{
    lh_buffer one = { 0 }, two = { 0 };
    CHECK(!lh_tokenizer_write(ctx, k, &one));
    lh_tokenizer *back = lh_tokenizer_from(ctx, "t.json", one.data, one.size,
                                           NULL);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK(back != NULL);
    if (back) {
        ids_are(ctx, f, back);
        CHECK(!lh_tokenizer_write(ctx, back, &two));
        CHECK(one.size == two.size && !memcmp(one.data, two.data, one.size));
    }
    lh_tokenizer_free(back);
    lh_buffer_free(ctx, &one);
    lh_buffer_free(ctx, &two);
}

static void test_fixture(lh_context *ctx, const fixture *f)
{
    lh_buffer file = { 0 };
    f->make(&file);
    lh_tokenizer *k = lh_tokenizer_from(ctx, f->name, file.data, file.size,
                                        f->pre);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK(k != NULL);
    if (k) {
        ids_are(ctx, f, k);
        written_again(ctx, f, k);
    }
    lh_tokenizer_free(k);
    hostile_exhaust(f->name, use_whole, (void *)f);
    int64_t read = 0, tried = 0;
    hostile_memory memory;
    lh_context host = hostile_context(&memory);
    for (size_t n = 0; n < file.size; n++, tried++) {
        lh_error_clear(&host);
        read += !use(&host, f, file.data, n);
        CHECK_EQ_INT(memory.live, 0);
    }
    char *text = malloc(file.size + 200);
    uint64_t state = 9;
    int64_t mutations = hostile_mutations() * 3 / (int)LH_COUNT(fixtures);
    for (int64_t i = 0; i < mutations; i++, tried++) {
        size_t size = file.size;
        memcpy(text, file.data, size);
        hostile_mutate(&state, text, &size, file.size + 200);
        lh_error_clear(&host);
        lh_status status = use(&host, f, text, size);
        CHECK((status != LH_OK) == (lh_error_message(&host)[0] != 0));
        CHECK_EQ_INT(memory.live, 0);
        read += !status;
    }
    CHECK(read > 0 && read < tried);
    free(text);
    lh_buffer_free(maker, &file);
}

/* A token that no text is spelled as does not stand in the way of the one
 * that is, whichever has the lower id, nor once it is written. */
static void test_foreign(lh_context *ctx)
{
    static const char *const head[2] = {
        "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\":"
        " \" \"}, \"content\": \"\u2581\"}", "\"pre_tokenizer\": {\"type\":"
        " \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}"
    };
    static const char *const mark[2] = { "\u2581", "\u0120" };
    for (int i = 0; i < 8; i++) {
        char text[500];
        const char *good = mark[i & 1], *one = i & 2 ? good : " ";
        snprintf(text, sizeof text, "{\"version\": \"1.0\", %s, \"model\":"
                 " {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"vocab\":"
                 " {\"<unk>\": 0, \"%s\": 1, \"%s\": 2, \"a\": 3, \"b\":"
                 " 4, \"a%s\": 5}, \"merges\": [%s]}}", head[i & 1], one,
                 i & 2 ? " " : good, good, i & 4 ? "[\"a\", \" \"]" : "");
        lh_tokenizer *k = lh_tokenizer_from(ctx, "foreign", text,
                                            strlen(text), NULL);
        const fixture f = { "foreign", NULL, NULL, -1, "a b", 3,
                            { 3, i & 2 ? 1 : 2, 4 } };
        CHECK(!k == !!(i & 4));
        if (k) {
            ids_are(ctx, &f, k);
            written_again(ctx, &f, k);
        }
        lh_error_clear(ctx);
        lh_tokenizer_free(k);
    }
}

/* A merge makes the token that texts are spelled as, where the one beside it
 * has the same bytes. */
static void test_foreign_made(lh_context *ctx)
{
    static const char text[] =
        "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"ByteLevel\","
        " \"add_prefix_space\": false, \"use_regex\": false}, \"model\":"
        " {\"type\": \"BPE\", \"vocab\": {\"a\u0120\": 0, \"a \": 1,"
        " \"\u0120\": 2, \"a\": 3, \"b\": 4}, \"merges\":"
        " [[\"a\", \"\u0120\"]]}}";
    const fixture f = { "made", NULL, NULL, -1, "a b", 2, { 0, 4 } };
    lh_tokenizer *k = lh_tokenizer_from(ctx, "made", text, strlen(text),
                                        NULL);
    CHECK(k);
    if (k)
        ids_are(ctx, &f, k);
    lh_tokenizer_free(k);
}

/* A text is no tokenizer, and is told what would be one. */
static void test_unknown(lh_context *ctx)
{
    static const char text[] = "once\nupon a time";
    for (size_t size = 4; size < sizeof text; size += 12) {
        CHECK(!lh_tokenizer_from(ctx, "a.txt", text, size, NULL));
        CHECK(strstr(lh_error_message(ctx), "a.txt: no file of a kind"));
        lh_error_clear(ctx);
    }
}

/* A symbol that is found behind no space cannot be written. */
static void test_symbol(lh_context *ctx)
{
    lh_buffer b = { 0 }, out = { 0 };
    int32_t *ids = NULL;
    int64_t count = 0;
    make_sentencepiece(&b);
    put(&b, "\x0a\x07\x0a\x03zzz\x18\x04", 9);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "symbol", b.data, b.size, NULL);
    CHECK(k && !lh_tokenizer_encode(ctx, k, "thezzzt", 7, &ids, &count));
    CHECK(count == 3 && ids[0] == 261 && ids[1] == SPACED &&
          ids[2] == 263);
    lh_memory_free(ctx, ids);
    CHECK_EQ_INT(lh_tokenizer_savable(ctx, k), LH_ERROR_STATE);
    lh_error_clear(ctx);
    CHECK_EQ_INT(lh_tokenizer_write(ctx, k, &out), LH_ERROR_STATE);
    CHECK(strstr(lh_error_message(ctx), "symbol \"zzz\"") != NULL);
    lh_error_clear(ctx);
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &out);
    lh_buffer_free(maker, &b);
}

/* What is not known here is refused by its name: this part of a
 * tokenizer.json, or of its model. */
static void refused(lh_context *ctx, const char *name, const char *text,
                    size_t size, const char *pre, const char *wanted)
{
    lh_tokenizer *k = lh_tokenizer_from(ctx, name, text, size, pre);
    bool said = !k && strstr(lh_error_message(ctx), wanted) &&
                strstr(lh_error_message(ctx), name) == lh_error_message(ctx);
    CHECK(said);
    if (!said)
        printf("    %s: \"%s\", not \"%s\"\n", name, lh_error_message(ctx),
               wanted);
    lh_tokenizer_free(k);
    lh_error_clear(ctx);
}

static void test_refused_json(lh_context *ctx)
{
    static const struct { const char *part, *value, *wanted; } bad[] = {
        { "model", "{\"type\": \"WordPiece\", \"vocab\": {}}", "WordPiece" },
        { "model", "{\"type\": \"WordLevel\", \"vocab\": {}}", "WordLevel" },
        { "model", "{\"type\": \"Unigram\", \"vocab\": []}", "Unigram" },
        { "normalizer", "{\"type\": \"Precompiled\","
          " \"precompiled_charsmap\": \"AAAA\"}", "\"Precompiled\"" },
        { "normalizer", "{\"type\": \"Sequence\", \"normalizers\":"
          " [{\"type\": \"NFC\"}, {\"type\": \"StripAccents\"}]}",
          "\"StripAccents\"" },
        { "normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\":"
          " \"``\"}, \"content\": \"''\"}", "\"Replace\"" },
        { "normalizer", "{\"type\": \"Prepend\", \"prepend\": \"_\"}",
          "\"Prepend\"" },
        { "pre_tokenizer", "{\"type\": \"Whitespace\"}", "\"Whitespace\"" },
        { "pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\":"
          " \"[a-z]+\"}, \"behavior\": \"Isolated\"}", "\"[a-z]+\"" },
        { "pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"String\":"
          " \" \"}, \"behavior\": \"Isolated\"}", "no regular expression" },
        { "pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\":"
          " \"[0-9][0-9][0-9]\"}, \"behavior\": \"MergedWithNext\"}",
          "neither Isolated nor" },
        { "pre_tokenizer", "{\"type\": \"Punctuation\", \"behavior\":"
          " \"Removed\"}", "\"Punctuation\"" },
        { "post_processor", "{\"type\": \"RobertaProcessing\"}",
          "\"RobertaProcessing\"" },
        { "decoder", "{\"type\": \"BPEDecoder\", \"suffix\": \"</w>\"}",
          "\"BPEDecoder\"" },
        { "truncation", "{\"max_length\": 512}", "\"truncation\"" },
        { "padding", "{\"strategy\": \"BatchLongest\"}", "\"padding\"" },
        { "dropout", "0.1", "\"dropout\"" },
        { "continuing_subword_prefix", "\"##\"",
          "\"continuing_subword_prefix\"" },
        { "end_of_word_suffix", "\"</w>\"", "\"end_of_word_suffix\"" },
    };
    for (size_t i = 0; i < LH_COUNT(bad); i++) {
        char text[1000];
        const char *part = bad[i].part, *value = bad[i].value;
        bool model = !strcmp(part, "model"), within = i > 15;
        int size = snprintf(
            text, sizeof text, "{\"version\": \"1.0\", \"model\": %s%s%s%s%s",
            model ? value : "{\"type\": \"BPE\", \"vocab\": {\"a\": 0},"
            " \"merges\": []", model ? "" : within ? ", \"" : "}, \"",
            model ? "" : part, model ? "" : "\": ", model ? "" : value);
        size += snprintf(text + size, sizeof text - (size_t)size, within
                         ? "}}" : "}");
        refused(ctx, part, text, (size_t)size, NULL, bad[i].wanted);
    }
}

/* The fixture of a format with these bytes for those. */
static void refused_with(lh_context *ctx, const char *name,
                         void (*make)(lh_buffer *b), const char *bytes,
                         const char *by, size_t size, const char *wanted)
{
    lh_buffer b = { 0 };
    make(&b);
    size_t at = b.size - size;
    while (at && memcmp(b.data + at, bytes, size))
        at--;
    CHECK(!memcmp(b.data + at, bytes, size));
    memcpy(b.data + at, by, size);
    refused(ctx, name, b.data, b.size, NULL, wanted);
    lh_buffer_free(maker, &b);
}

static void test_refused(lh_context *ctx)
{
    static const struct { const char *type, *wanted; } kinds[] = {
        { "\x12\x05\x18\x01", "Unigram" }, { "\x12\x05\x18\x03", "a word or" },
        { "\x12\x05\x18\x04", "character model" },
    };
    test_refused_json(ctx);
    for (size_t i = 0; i < LH_COUNT(kinds); i++)
        refused_with(ctx, "model", make_sentencepiece, "\x12\x05\x18\x02",
                     kinds[i].type, 4, kinds[i].wanted);
    refused_with(ctx, "behind", make_sentencepiece, "\x18\x02\xd0\x02\x02",
                 "\x18\x02\xc0\x01\x01", 5, "spaces behind words");
    refused_with(ctx, "map", make_sentencepiece, "\x1a\x04\x18\x01\x20\x00",
                 "\x1a\x04\x12\x02zz", 6, "precompiled_charsmap");
    refused_with(ctx, "spaces", make_sentencepiece, "\x18\x01\x20\x00",
                 "\x18\x01\x28\x00", 4, "leaves spaces");
    refused_with(ctx, "unused", make_sentencepiece, "\x18\x01\x12\x05",
                 "\x18\x05\x12\x05", 4, "unused pieces");
    refused_with(ctx, "bert", make_gguf_spaced, "llama", "albrt", 5,
                 "a \"albrt\"");
    refused_with(ctx, "pre", make_gguf_pairs, "gpt-2", "gpt-9", 5,
                 "\"gpt-9\"");
    refused_with(ctx, "version", make_gguf_pairs, "GGUF\3", "GGUF\1", 5,
                 "version 1");
    lh_buffer b = { 0 };
    make_ranks(&b);
    refused(ctx, "ranks", b.data, b.size, NULL, "(--pre)");
    refused(ctx, "ranks", b.data, b.size, "p50k", "no way \"p50k\"");
    lh_buffer_free(maker, &b);
}

/* ------------------------------------------------------------ settings -- */

static void leave(const char *directory, const char *name, const char *text,
                  size_t size)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    CHECK(!lh_file_write(maker, path, text, size));
}

/* A directory's tokenizer gives these ids for a text, and ends documents
 * so. */
static void settings_give(lh_context *ctx, const char *directory,
                          int32_t border, int count, const int32_t *id)
{
    int32_t *ids = NULL;
    int64_t got = 0;
    lh_tokenizer *k = lh_tokenizer_load(ctx, directory, "gpt2");
    CHECK_STR(lh_error_message(ctx), "");
    CHECK_EQ_INT(lh_tokenizer_border(k), border);
    CHECK(!lh_tokenizer_encode_as(ctx, k, "abtool", 6,
                                  &(lh_encoding){ .frame = true }, &ids,
                                  &got));
    CHECK(got == count && !memcmp(ids, id, (size_t)count * sizeof *id));
    lh_memory_free(ctx, ids);
    lh_tokenizer_free(k);
}

static void settings_refused(lh_context *ctx, const char *directory,
                             const char *settings, const char *part)
{
    leave(directory, "tokenizer_config.json", settings, strlen(settings));
    CHECK(!lh_tokenizer_load(ctx, directory, "gpt2"));
    CHECK(strstr(lh_error_message(ctx), part) != NULL);
    lh_error_clear(ctx);
}

/* tokenizer_config.json: tokens that the file does not have, the one that
 * ends documents, what is put around a text; in a directory, where the first
 * name that is there is read. */
static void test_settings(lh_context *ctx)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json",
        "merges.txt", "tokenizer.model", "tokenizer_config.json" };
    static const char vocab[] =
        "{\"a\": 0, \"b\": 1, \"ab\": 2, \"t\": 3}";
    static const char more[] =
        "{\"added_tokens_decoder\": {\"5\": {\"content\": \"<|im_end|>\","
        " \"special\": true}, \"6\": {\"content\": \"tool\", \"special\":"
        " false}, \"3\": {\"content\": \"t\", \"special\": true}},"
        " \"bos_token\": null, \"eos_token\": {\"content\":"
        " \"<|im_end|>\"}, \"add_bos_token\": true, \"add_eos_token\":"
        " true}";
    char directory[100], path[200];
    snprintf(directory, sizeof directory, "/tmp/longhand-formats-%ld",
             (long)getpid());
    CHECK(!lh_directory_make(ctx, directory));
    CHECK(!lh_tokenizer_load(ctx, directory, NULL));
    CHECK(strstr(lh_error_message(ctx), "no tokenizer in it") != NULL);
    lh_error_clear(ctx);
    leave(directory, "vocab.json", vocab, sizeof vocab - 1);
    leave(directory, "merges.txt", "#version: 0.2\na b\n", 18);
    settings_give(ctx, directory, -1, 2, (const int32_t[]){ 2, 3 });
    leave(directory, "tokenizer_config.json", more, sizeof more - 1);
    settings_give(ctx, directory, 5, 3, (const int32_t[]){ 2, 6, 5 });
    settings_refused(ctx, directory, "{", "tokenizer_config.json");
    settings_refused(ctx, directory, "{\"added_tokens_decoder\": {\"1\":"
                     " {\"content\": \"c\"}}}", "given to two tokens");
    settings_refused(ctx, directory, "{\"added_tokens_decoder\": {\"x\":"
                     " {\"content\": \"c\"}}}", "no id it can have");
    settings_refused(ctx, directory, "{\"added_tokens_decoder\":"
                     " {\"99999999\": {\"content\": \"c\"}}}",
                     "no id it can have");
    /* tokenizer.json comes first, and knows what is put around texts. */
    lh_buffer b = { 0 };
    make_json(&b);
    leave(directory, "tokenizer.json", b.data, b.size);
    leave(directory, "tokenizer_config.json", more, sizeof more - 1);
    CHECK(!lh_tokenizer_load(ctx, directory, NULL));
    CHECK(strstr(lh_error_message(ctx), "given to two tokens") != NULL);
    lh_error_clear(ctx);
    static const char end[] = "{\"eos_token\": \"b\", \"add_eos_token\": true,"
        " \"added_tokens_decoder\": {\"5\": {\"content\": \"<|end|>\"}}}";
    leave(directory, "tokenizer_config.json", end, sizeof end - 1);
    settings_give(ctx, directory, 1, 2, (const int32_t[]){ 5, 3 });
    lh_tokenizer *k = lh_tokenizer_load(ctx, directory, NULL);
    CHECK(k && k->bpe->added_count == 1);
    lh_tokenizer_free(k);
    /* The last of the names; its marks are spaces. */
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        CHECK(unlink(path) == 0);
    }
    b.size = 0;
    make_sentencepiece(&b);
    leave(directory, "tokenizer.model", b.data, b.size);
    static const char spaces[] = "{\"added_tokens_decoder\": {\"261\":"
        " {\"content\": \"\u2581the\"}, \"300\": {\"content\": \"tool\"}},"
        " \"bos_token\": \"<s>\", \"add_bos_token\": true}";
    leave(directory, "tokenizer_config.json", spaces, sizeof spaces - 1);
    settings_give(ctx, directory, 2, 5,
                  (const int32_t[]){ 1, 262, 266, 3 + 'b', 300 });
    static const char bare[] = "{\"add_bos_token\": false}";
    leave(directory, "tokenizer_config.json", bare, sizeof bare - 1);
    settings_give(ctx, directory, 2, 7, (const int32_t[]){
        262, 266, 3 + 'b', 263, 3 + 'o', 3 + 'o', 3 + 'l' });
    /* An error that is there already stays. */
    lh_fail(ctx, LH_ERROR_IO, "earlier");
    lh_tokenizer_free(lh_tokenizer_load(ctx, directory, NULL));
    CHECK_STR(lh_error_message(ctx), "earlier");
    lh_error_clear(ctx);
    for (int i = 3; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(directory) == 0);
    lh_buffer_free(maker, &b);
}

/* Cut where no token could lie across, normal forms in parts, and all at
 * once: the same. */
static void test_apart(lh_context *ctx)
{
    static const char *const parts[] = { "t", "h", "e", "a", " ", " the",
                                         "\u4e2d", "\u00e9", "\xe4", "\n",
                                         "e\u0301", "  ", "\u2581", "A" };
    enum { SIZE = 70000 };
    char *text = malloc(SIZE);
    lh_buffer b = { 0 };
    uint64_t state = 13;
    make_sentencepiece(&b);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "apart", b.data, b.size, NULL);
    CHECK(k && k->bpe->apart && k->bpe->cuts);
    uint8_t *apart = k->bpe->apart;
    for (int round = 0; round < 40; round++) {
        size_t size = 0, most = round % 8 == 7 ? SIZE - 8
                              : round % 2 ? 9000 : 60;
        k->bpe->form = round % 3 ? -1 : LH_FORM_COMPOSED;
        k->bpe->lower = round % 5 == 2;
        while (size < most) {
            const char *part = parts[test_random(&state) % LH_COUNT(parts)];
            memcpy(text + size, part, strlen(part));
            size += strlen(part);
        }
        int32_t *ids[2];
        int64_t count[2];
        for (int i = 0; i < 2; i++) {
            k->bpe->apart = i ? apart : NULL;
            k->bpe->cuts = i;
            CHECK(!lh_tokenizer_encode(ctx, k, text, size, &ids[i],
                                       &count[i]));
        }
        CHECK(count[0] == count[1] &&
              !memcmp(ids[0], ids[1], (size_t)count[0] * sizeof *ids[0]));
        lh_memory_free(ctx, ids[0]);
        lh_memory_free(ctx, ids[1]);
    }
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "the the", 7), 0);
    k->bpe->prefix = LH_PREFIX_NONE;
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "the the", 7), 3);
    apart['e' << 8 | ' '] = 0;                   /* as for a token "e "    */
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "the the", 7), 0);
    k->bpe->lower = false;
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "thE the", 7), 3);
    k->bpe->lower = true;                        /* of which E becomes one */
    CHECK_EQ_INT((int64_t)lh_tokenizer_cut(k, "thE the", 7), 0);
    lh_tokenizer_free(k);
    lh_buffer_free(maker, &b);
    free(text);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    maker = ctx;
    test_apart(ctx);
    test_no_cut(ctx);
    test_before_letters(ctx);
    test_order(ctx);
    test_template(ctx);
    test_unknown(ctx);
    test_symbol(ctx);
    test_refused(ctx);
    test_foreign(ctx);
    test_foreign_made(ctx);
    test_settings(ctx);
    for (size_t i = 0; i < LH_COUNT(fixtures); i++)
        test_fixture(ctx, &fixtures[i]);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("formats");
}
