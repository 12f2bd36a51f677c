/* What tokenizers' files claim and do not have: ids out of range, merges that
 * are given twice or have no end, numbers of tokens and sizes near 2^31, all
 * of which are refused before memory is asked for, or read as their libraries
 * do.  And tokenizers of several files, each of which is damaged.  Files that
 * are slow to read are tests/test_growth.c's part. */
#include "longhand.h"

#include "tokenizer/tokenizer.h"

#include "hostile.h"

#include <errno.h>

/* Memory that tells the largest block, and says no to what is absurd. */
static size_t largest;

static void *watched(void *user, size_t size)
{
    largest = size > largest ? size : largest;
    return hostile_allocate(user, size);
}

/* -------------------------------------------------------------- claims -- */

/* A file, whose bytes may be NUL: refused with this, or, where `wanted` is
 * NULL, read; never with memory for more than it has. */
static void claims(const char *name, const char *text, size_t size,
                   const char *wanted)
{
    hostile_memory memory;
    lh_context ctx = hostile_context(&memory);
    ctx.allocator.allocate = watched;
    largest = 0;
    lh_tokenizer *k = lh_tokenizer_from(&ctx, name, text, size, "gpt2");
    CHECK(!k == !!wanted);
    CHECK(largest < 1 << 20);
    if (wanted && !strstr(ctx.message, wanted))
        CHECK_STR(ctx.message, wanted);
    lh_tokenizer_free(k);
    CHECK_EQ_INT(memory.live, 0);
}

static void test_json(void)
{
    static const struct { const char *vocab, *rest, *wanted; } claim[] = {
        { "\"a\": 0, \"b\": 2147483648", "", "ids are 0 to" },
        { "\"a\": 0, \"b\": 16777216", "", "ids are 0 to" },
        { "\"a\": 0, \"b\": -1", "", "ids are 0 to" },
        { "\"a\": 0, \"b\": 1.5", "", "without a whole number" },
        { "\"a\": 0, \"b\": 18446744073709551616", "", "whole number" },
        { "\"a\": 0, \"b\": 0", "", "given to two tokens" },
        { "\"a\": 0, \"<0x-1>\": 1, \"<0x0a>\": 2, \"<0xGG>\": 3", "", NULL },
        { "\"a\": 0, \"<0x00>\": 1, \"<0xFF>\": 2", "", NULL },
        { "\"a\": 0, \"\": 1", "", NULL },
        { "\"a\": 0", ", \"added_tokens\": [{\"id\": 2147483648, \"content\":"
          " \"x\"}]", "no id it can have" },
        { "\"a\": 0", ", \"added_tokens\": [{\"id\": 1, \"content\": \"\"}]",
          "is empty" },
        { "\"a\": 0", ", \"added_tokens\": [{\"id\": 0, \"content\": \"x\"}]",
          "given to two tokens" },
        { "\"a\": 0", ", \"post_processor\": {\"type\":"
          " \"TemplateProcessing\", \"single\": [{\"SpecialToken\":"
          " {\"id\": \"x\"}}, {\"Sequence\": {\"id\": \"A\"}}],"
          " \"special_tokens\": {\"x\": {\"ids\": [1]}}}",
          "is not in the vocabulary" },
    };
    static const struct { const char *merges, *wanted; } merge[] = {
        { "\"a b\", \"b c\", \"a b\"", NULL },
        { "\"a b\", [\"ab\", \"c\"], [\"a\", \"bc\"]", NULL },
        { "[\"ab\", \"c\"], [\"a\", \"b\"], [\"b\", \"c\"]", NULL },
        { "[\"\", \"a\"]", "the first is not" },
        { "[\"a\", \"\"]", "the second is not" },
        { "[\"a\", \"a\"]", "what they make is not" },
        { "[\"a\", \"x\"]", "the second is not" },
        { "[\"a\"]", "is not two tokens" },
        { "\"ab\"", "is not two tokens" },
        { "7", "is not two tokens" },
    };
    char text[1000];
    for (size_t i = 0; i < LH_COUNT(claim); i++) {
        snprintf(text, sizeof text, "{\"version\": \"1.0\", \"model\":"
                 " {\"byte_fallback\": true, \"vocab\": {%s}, \"merges\":"
                 " []}%s}", claim[i].vocab, claim[i].rest);
        claims(claim[i].vocab, text, strlen(text), claim[i].wanted);
    }
    for (size_t i = 0; i < LH_COUNT(merge); i++) {
        snprintf(text, sizeof text, "{\"version\": \"1.0\", \"model\":"
                 " {\"vocab\": {\"\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"ab\":"
                 " 4, \"bc\": 5, \"abc\": 6}, \"merges\": [%s]}}",
                 merge[i].merges);
        claims(merge[i].merges, text, strlen(text), merge[i].wanted);
    }
}

/* The last of two equal merges has its rank, as in `tokenizers`. */
static void test_twice(void)
{
    static const char text[] = "{\"version\": \"1.0\", \"model\": {\"vocab\":"
        " {\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"bc\": 4}, \"merges\":"
        " [\"a b\", \"b c\", \"a b\"]}}";
    hostile_memory memory;
    lh_context ctx = hostile_context(&memory);
    int32_t *ids = NULL;
    int64_t count = 0;
    lh_tokenizer *k = lh_tokenizer_from(&ctx, "twice", text, sizeof text - 1,
                                        NULL);
    CHECK(k && !lh_tokenizer_encode(&ctx, k, "abc", 3, &ids, &count));
    CHECK(count == 2 && ids[0] == 0 && ids[1] == 4);
    lh_memory_free(&ctx, ids);
    lh_tokenizer_free(k);
}

static void test_binary(void)
{
#define KEY "\x15\0\0\0\0\0\0\0tokenizer.ggml.tokens\x09\0\0\0\x08\0\0\0"
#define GGUF(pairs) "GGUF\3\0\0\0\0\0\0\0\0\0\0\0" pairs "\0\0\0\0"
#define CLAIM(text, wanted) claims(#text, text, sizeof(text) - 1, wanted)
    /* So many tokens, one token of so many bytes, so many pairs. */
    CLAIM(GGUF("\1\0\0\0") KEY "\0\0\0\x80\0\0\0\0", "cut off");
    CLAIM(GGUF("\1\0\0\0") KEY "\xff\xff\xff\xff\xff\xff\xff\x7f", "cut off");
    CLAIM(GGUF("\1\0\0\0") KEY "\1\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0a",
          "cut off");
    CLAIM(GGUF("\0\0\0\x80") KEY "\0\0\0\0\0\0\0\0", "cut off");
    /* A piece of 2^31 bytes; of a size in too many bytes. */
    CLAIM("\x0a\x80\x80\x80\x80\x08\x0a\x01" "a", "cut off");
    CLAIM("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "cut off");
    CLAIM("\x0a\x08\x0a\x80\x80\x80\x80\x08" "ab", "cut off");
    /* llama2.c's. */
    CLAIM("\x08\0\0\0\0\0\0\0\1\0\0\0a\0\0\0\0\0\0\0\x80z", "cut off");
    CLAIM("\x08\0\0\0\0\0\0\0\xff\xff\xff\xff", "no file of a kind");
    /* Ranks. */
    CLAIM("YQ== 2147483648\n", "ids are 0 to");
    CLAIM("YQ== 21474836480\n", "line 1 is not a token");
    CLAIM("YQ== 16777216\n", "ids are 0 to");
    CLAIM("YQ== -1\n", "line 1 is not a token");
    CLAIM("YQ== 0\nYg== 0\n", "given to two tokens");
    CLAIM("YQ== 0\nYg== 2\n", "rank 1 is missing");
    CLAIM("YQ== 0\nYg== 1\n", "the byte 0x00 has no rank");
#undef KEY
#undef GGUF
#undef CLAIM
}

/* Wherever an added token might begin the text is followed to its end. */
static void test_long(void)
{
    for (int length = 512; length < 514; length++) {
        char text[700];
        snprintf(text, sizeof text, "{\"version\": \"1.0\", \"model\":"
                 " {\"vocab\": {\"a\": 0}, \"merges\": []},"
                 " \"added_tokens\": [{\"id\": 1, \"content\":"
                 " \"%0*d\"}]}", length, 0);
        claims("long", text, strlen(text), length > 512
               ? "000...\" has more than 512 bytes" : NULL);
    }
}

/* ------------------------------------------------------- several files -- */

/* Files in memory, which lie in "d/". */
static struct mine {
    const char *name, *text;
    char *now;
    size_t size, at;
} mine[] = {
    { .name = "d/vocab.json", .text = "{\"a\": 0, \"b\": 1, \"\u0120\": 2,"
      " \"ab\": 3, \"\u0120ab\": 4, \"<|end|>\": 5}" },
    { .name = "d/merges.txt", .text = "#version: 0.2\r\na b\r\n\u0120 ab"
      "\r\n" },
    { .name = "d/tokenizer_config.json", .text =
      "{\"added_tokens_decoder\": {\"5\": {\"content\": \"<|end|>\","
      " \"special\": true}, \"7\": {\"content\": \"tool\"}}, \"bos_token\":"
      " \"<|end|>\", \"eos_token\": {\"content\": \"tool\"},"
      " \"add_bos_token\": true, \"add_eos_token\": true}" },
};
enum { MINE = (int)LH_COUNT(mine), FIRST = 1000 };

static int mine_open(const char *path, int flags, int mode)
{
    for (int i = 0; i < MINE; i++)
        if (!strcmp(path, mine[i].name)) {
            mine[i].at = 0;
            return FIRST + i;
        }
    (void)flags;
    (void)mode;
    errno = ENOENT;
    return -1;
}

static ssize_t mine_read(int fd, void *data, size_t size)
{
    struct mine *m = &mine[fd - FIRST];
    size_t left = m->size - m->at;
    size = size < left ? size : left;
    memcpy(data, m->now + m->at, size);
    m->at += size;
    return (ssize_t)size;
}

static int64_t mine_size(int fd)
{
    return (int64_t)mine[fd - FIRST].size;
}

static int mine_close(int fd)
{
    (void)fd;
    return 0;
}

static lh_status mine_use(lh_context *ctx, void *arg)
{
    lh_encoding as = { .special = true, .frame = true };
    int32_t *ids = NULL;
    int64_t count = 0;
    char *back = NULL;
    size_t size;
    lh_tokenizer *k = lh_tokenizer_load(ctx, "d/vocab.json", "gpt2");
    if (k && !lh_tokenizer_encode_as(ctx, k, "ab abb tool", 11, &as, &ids,
                                     &count) &&
        !lh_tokenizer_decode(ctx, k, ids, count, &back, &size, NULL) && arg) {
        static const int32_t wanted[] = { 5, 3, 4, 1, 2, 7, 7 };
        CHECK(count == 7 && !memcmp(ids, wanted, sizeof wanted));
    }
    lh_memory_free(ctx, ids);
    lh_memory_free(ctx, back);
    lh_tokenizer_free(k);
    return lh_error_status(ctx);
}

static void mine_whole(void)
{
    for (int i = 0; i < MINE; i++) {
        mine[i].size = strlen(mine[i].text);
        memcpy(mine[i].now, mine[i].text, mine[i].size);
    }
}

/* One of them damaged at a time: cut off anywhere, changed at random. */
static void test_several(void)
{
    static const lh_io io = { .open = mine_open, .read = mine_read,
                              .size = mine_size, .close = mine_close };
    hostile_memory memory;
    lh_context ctx = hostile_context(&memory);
    int64_t count = hostile_mutations() / MINE + 1, tried = 0, read = 0;
    uint64_t state = 6;
    ctx.io = &io;
    for (int i = 0; i < MINE; i++)
        mine[i].now = malloc(strlen(mine[i].text) + 300);
    mine_whole();
    CHECK(!mine_use(&ctx, ""));
    for (int64_t n = 1; n == 1 || memory.calls >= memory.fail_at; n++) {
        memory.calls = 0;
        memory.fail_at = n;
        lh_error_clear(&ctx);
        lh_status status = mine_use(&ctx, NULL);
        CHECK_EQ_INT(status, memory.calls < n ? LH_OK : LH_ERROR_MEMORY);
        CHECK_EQ_INT(memory.live, 0);
    }
    memory.fail_at = 0;
    for (int i = 0; i < MINE; i++)
        for (int64_t n = -(int64_t)strlen(mine[i].text); n < count; n++) {
            mine_whole();
            if (n < 0)
                mine[i].size = (size_t)(-n - 1);
            else
                hostile_mutate(&state, mine[i].now, &mine[i].size,
                               mine[i].size + 300);
            lh_error_clear(&ctx);
            lh_status status = mine_use(&ctx, NULL);
            CHECK((status != LH_OK) == (ctx.message[0] != 0));
            CHECK_EQ_INT(memory.live, 0);
            read += !status;
            tried++;
        }
    CHECK(read > 0 && read < tried);
    for (int i = 0; i < MINE; i++)
        free(mine[i].now);
}

int main(void)
{
    test_json();
    test_twice();
    test_binary();
    test_long();
    test_several();
    return test_end("claims");
}
