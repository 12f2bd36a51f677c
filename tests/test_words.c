/* The fast way through a text beside the plain one: windows of 64 bytes beside
 * the scanners that go from character to character, words out of a cache that
 * threads share beside the same words merged one at a time. */
#include <stdlib.h>

#include "longhand.h"

#include "tokenizer/bpe.h"
#include "tokenizer/unicode.h"

#include "test.h"

/* What windows treat in their own way, and what they leave to the scanners. */
static const char *const parts[] = {
    " ", "  ", "   ", "\n", "\r\n", "\t", " \n", "\n ", "\n\n\n\n", "\x0b",
    "a", "A", "abc", "Abc", "ABC", "aBC", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "1", "12", "123", "1234", "12345678901", "'", "'s", "'S", "'ll", "'LL",
    "'re", "'ve", "'t", "'r", "'\u017f", "\u017f", "!", "!!", "/", "//",
    "/\n", "!\n", "!\r\n/", "(", "(a", "_", "\u00e9", "\u00c9", "\u0431",
    "\u0411", "\u4e2d", "\u4e2dA", "\u4e2dAb", "\u2019", "\u2019t", "\u0301",
    "e\u0301", "\u0301A", "\u00a0", "\u3000", "\u00b2", "\u0664",
    "\U0001f600", "\U00010400", "\U00010428", "\xff", "\x80", "\xe4\xb8",
    "\xf0\x9f", "\xc2", "\u02b0", "\u01c5", "\u0902", "\u0915", ".", ",",
    "                        ",
    "                                                                     ",
};

static size_t mixed(uint64_t *state, char *text, size_t size)
{
    size_t at = 0, most = test_random(state) % 120;
    size_t first = test_random(state) % LH_COUNT(parts);
    size_t kinds = 3 + test_random(state) % (LH_COUNT(parts) - 3);
    for (size_t i = 0; i < most; i++) {
        const char *part = parts[(first + test_random(state) % kinds) %
                                 LH_COUNT(parts)];
        if (strlen(part) > size - at)
            break;
        memcpy(text + at, part, strlen(part));
        at += strlen(part);
    }
    return at;
}

static void test_windows(void)
{
    static const char *const names[] = { "gpt2", "cl100k", "llama3", "qwen2",
                                         "o200k", "digits", "spaced" };
    static uint8_t classes[LH_CLASSES];
    lh_unicode_classes(classes);
    uint64_t state = 11;
    size_t start[257];
    for (int round = 0; round < 20000; round++) {
        char room[2048];
        size_t size = mixed(&state, room, sizeof room);
        /* Of its own size, so that sanitizers see what is read behind it. */
        unsigned char *text = malloc(size + !size);
        memcpy(text, room, size);
        const char *name = names[round % (int)LH_COUNT(names)];
        const lh_scanner *scan = lh_scanner_named(name, strlen(name));
        bool same = true;
        for (size_t at = 0; at < size && same;) {
            size_t from = at;
            size_t count = lh_scan_pieces(scan, classes, text + at, size - at,
                                          start, 256);
            for (size_t i = 0; i < count && same; i++) {
                same = from + start[i] == at;
                at += scan->next(scan, classes, text + at, size - at);
            }
            same &= count && from + start[count] == at;
        }
        CHECK(same);
        free(text);
    }
}

/* Words of a few letters or of all, some many tokens or many bytes long. */
static size_t words(uint64_t *state, char *text, size_t size, int kinds)
{
    size_t at = 0;
    while (at + 400 < size) {
        uint64_t n = 1 + test_random(state) % 9;
        if (test_random(state) % 64 == 0)
            n = 1 + test_random(state) % 300;
        text[at++] = ' ';
        for (; n; n--)
            text[at++] = (char)('a' + test_random(state) % (uint64_t)kinds);
    }
    return at;
}

static void *allocate(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* alone: a context with an allocator, which shares no cache, so that each of
 * its calls begins with an empty one. */
static void same_words(lh_context *ctx, lh_context *alone,
                       const lh_tokenizer *k, const char *text, size_t size)
{
    int32_t *ids, *some;
    int64_t *offsets, count, n, have = 0;
    CHECK(!lh_tokenizer_encode_batch(ctx, k, &text, &size, 1, NULL, &ids,
                                     &offsets));
    count = offsets ? offsets[1] : 0;
    lh_memory_free(ctx, offsets);
    for (size_t at = 0, end; at < size; at = end) {
        const char *next = memchr(text + at + 1, ' ', size - at - 1);
        end = next ? (size_t)(next - text) : size;
        CHECK(!lh_tokenizer_encode(alone, k, text + at, end - at, &some,
                                   &n));
        CHECK(have + n <= count &&
              !memcmp(ids + have, some, (size_t)n * sizeof *ids));
        have += n;
        lh_memory_free(alone, some);
    }
    CHECK_EQ_INT(have, count);
    lh_memory_free(ctx, ids);
}

static void test_cache(lh_context *ctx, lh_context *alone)
{
    enum { SIZE = 4 << 20 };
    char *text = malloc(SIZE);
    uint64_t state = 12;
    size_t size = words(&state, text, 4000, 4);
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(ctx);
    CHECK(!lh_tokenizer_trainer_add(t, &(const char *){ text }, &size, 1));
    lh_tokenizer *k = lh_tokenizer_trainer_make(
        t, 400, &(const char *){ "<|end|>" }, 1, NULL, NULL);
    lh_tokenizer_trainer_free(t);
    CHECK(k != NULL);
    for (int round = 0; round < 200; round++) {
        size = words(&state, text, 500 + 100 * (size_t)round, 1 + round % 26);
        same_words(ctx, alone, k, text, size);
    }
    /* More words than there are places. */
    size = words(&state, text, SIZE, 26);
    same_words(ctx, alone, k, text, size);
    lh_tokenizer_free(k);
    free(text);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 3 });
    lh_context *alone = lh_context_new(&(lh_settings){
        .threads = 1, .allocator = { allocate, release, NULL } });
    test_windows();
    test_cache(ctx, alone);
    lh_context_free(alone);
    lh_context_free(ctx);
    return test_end("words");
}
