/* Byte pairs: normal forms and scanners on known texts; training and merging
 * against a naive count and a naive search.  Files are tests/test_formats.c's
 * part, the real tokenizers tests/oracle_vocabularies.py's. */
#include "longhand.h"

#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

#include "hostile.h"
#include "test.h"

/* -------------------------------------------------------------- unicode -- */

static void normal(lh_context *ctx, int form, const char *text,
                   const char *wanted)
{
    lh_buffer out = { 0 };
    CHECK(!lh_unicode_normalize(ctx, form, text, strlen(text), &out));
    CHECK_STR(out.data ? out.data : "", wanted);
    lh_buffer_free(ctx, &out);
}

static void test_unicode(lh_context *ctx)
{
    enum { NFD, NFC, NFKD, NFKC };
    normal(ctx, NFC, "cafe\u0301", "caf\u00e9");
    normal(ctx, NFD, "caf\u00e9", "cafe\u0301");
    normal(ctx, NFC, "\u1112\u1161\u11ab", "\ud55c");
    normal(ctx, NFD, "\ud55c\ud558", "\u1112\u1161\u11ab\u1112\u1161");
    normal(ctx, NFD, "a\u0301\u0327", "a\u0327\u0301");
    normal(ctx, NFC, "a\u0327\u0301b", "\u00e1\u0327b");
    normal(ctx, NFKC, "\ufb01\u2460\uff21", "fi1A");
    normal(ctx, NFC, "\ufb01", "\ufb01");
    normal(ctx, NFC, "\u0958", "\u0915\u093c");      /* an exclusion       */
    normal(ctx, NFC, "\u0344", "\u0308\u0301");
    normal(ctx, NFD, "\u0301a", "\u0301a");
    normal(ctx, NFC, "e\xff\u0301", "e\xff\u0301");
    normal(ctx, NFC, "", "");
    lh_buffer out = { 0 };
    const char *text = "A\u00c4\u0130\U00010400z\xff";
    CHECK(!lh_unicode_lower(ctx, text, strlen(text), &out));
    CHECK_STR(out.data, "a\u00e4i\u0307\U00010428z\xff");
    lh_buffer_free(ctx, &out);
    /* A hundred thousand marks take no longer than as many letters. */
    char *marks = malloc(200001);
    for (int i = 0; i < 100000; i++)
        memcpy(marks + 2 * i, i % 2 ? "\u0327" : "\u0301", 2);
    CHECK(!lh_unicode_normalize(ctx, NFC, marks, 200000, &out));
    CHECK_EQ_INT((int64_t)out.size, 200000);
    CHECK(out.data && !memcmp(out.data, "\u0327\u0327", 4));
    lh_buffer_free(ctx, &out);
    free(marks);
    CHECK(lh_unicode_class(0x10ffff) == 0);
    CHECK(lh_unicode_class('a') == (LH_LETTER | LH_LOWER | LH_WORD));
    CHECK(lh_unicode_class(0x2003) == LH_SPACE);
}

/* ------------------------------------------------------------- scanners -- */

/* The pieces of a text, '|' between. */
static void pieces(const char *name, const char *text, const char *wanted)
{
    static uint8_t classes[LH_CLASSES];
    char found[512] = "";
    size_t size = strlen(text), filled = 0;
    const lh_scanner *scan = lh_scanner_named(name, strlen(name));
    CHECK(scan != NULL);
    lh_unicode_classes(classes);
    for (size_t at = 0, n; at < size; at += n) {
        n = scan->next(scan, classes, (const unsigned char *)text + at,
                       size - at);
        CHECK(n > 0 && n <= size - at);
        if (!n || n > size - at)
            return;
        if (at)
            found[filled++] = '|';
        memcpy(found + filled, text + at, n);
        filled += n;
    }
    CHECK_STR(found, wanted);
}

static void test_scanners(void)
{
    pieces("gpt2", "Hello world's  12 dogs!\n\n end  ",
           "Hello| world|'s| | 12| dogs|!|\n\n| end|  ");
    pieces("gpt2", "a\u00e9\u4e2d1\u0664'S'll",
           "a\u00e9\u4e2d|1\u0664|'|S|'ll");
    pieces("gpt2", " \xff\xff x\t\ty", " \xff\xff| x|\t|\t|y");
    pieces("cl100k", "DON'T 12345 x\n  \n y  ", "DON|'T| |123|45| x|\n  \n| y|"
           "  ");
    pieces("cl100k", "a\n  ", "a|\n  ");
    pieces("llama3", "a\n  ", "a|\n|  ");
    pieces("llama3", "'\u017fx \u00b7abc ...\r\n\tif", "'\u017f|x| \u00b7|abc|"
           " ...\r\n|\tif");
    pieces("qwen2", "x123 4", "x|1|2|3| |4");
    pieces("o200k", "McDonald ABCdef'LL HTTPServer/x", "Mc|Donald| ABCdef'LL|"
           " HTTPServer|/x");
    pieces("o200k", " //\n/x \u0301ABC \u0301abC", " //\n/|x| \u0301|ABC|"
           " \u0301ab|C");
    pieces("digits", "a12b3", "a|12|b|3");
    pieces("digit", "a12b3", "a|1|2|b|3");
    pieces("mark", "a!!b", "a|!|!|b");
    pieces("marks", "a!!b", "a|!!|b");
    pieces("three", "a1234567b", "a|123|456|7b");
    pieces("spaced", "  ab  c", "  ab|  c");
    pieces("metaspace", "  ab  c", " | ab| | c");
    pieces("falcon", "a+=b~", "a|+=|b|~");
    pieces("whole", "a b", "a b");
    pieces("ends", "a\r\n\nb", "a|\r|\n|\n|b");
    pieces("cased", "1  ab\u00e9 \u10a0\u10d0\u4e2dx\u01bb 2", "1 | ab\u00e9|"
           " \u10a0|\u10d0\u4e2d|x|\u01bb 2");
    pieces("signs", " \u3000!?(a \uff5e\u2019\xff",
           " \u3000!?(a| \uff5e\u2019|\xff");
    pieces("signs", "\u3000 !", "\u3000| !");
    pieces("trailing", " a  \t", " a|  \t");
    pieces("trailing", " \u3000", " \u3000");
    pieces("han", "a\u4e2d\u0800b\ud55c\u9fa6", "a|\u4e2d\u0800|b|\ud55c|"
           "\u9fa6");
}

/* ------------------------------------------------------------- training -- */

/* Merges by counting all pairs anew each time. */
typedef struct naive {
    int32_t symbol[4096];              /* words behind each other, -1 ends */
    int count;
    lh_merge merge[512];
    int merges;
} naive;

static void naive_train(naive *n, int merges, int32_t next)
{
    for (n->merges = 0; n->merges < merges; n->merges++) {
        int64_t best = 0;
        int32_t left = 0, right = 0;
        for (int i = 0; i + 1 < n->count; i++) {
            int32_t a = n->symbol[i], b = n->symbol[i + 1];
            int64_t count = 0;
            if (a < 0 || b < 0)
                continue;
            for (int j = 0; j + 1 < n->count; j++)
                count += n->symbol[j] == a && n->symbol[j + 1] == b;
            if (count > best || (count == best && (a < left ||
                                 (a == left && b < right))))
                best = count, left = a, right = b;
        }
        if (!best)
            return;
        int kept = 0;
        for (int i = 0; i < n->count; i++) {
            bool here = i + 1 < n->count && n->symbol[i] == left &&
                        n->symbol[i + 1] == right;
            n->symbol[kept++] = here ? next : n->symbol[i];
            i += here;
        }
        n->count = kept;
        n->merge[n->merges] = (lh_merge){ left, right, next++ };
    }
}

static lh_tokenizer *train(lh_context *ctx, const char *text, size_t size,
                           int64_t vocabulary)
{
    const char *special = "<|endoftext|>";
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(ctx);
    CHECK(t && !lh_tokenizer_trainer_add(t, &text, &size, 1));
    lh_tokenizer *k = lh_tokenizer_trainer_make(t, vocabulary, &special, 1,
                                                NULL, NULL);
    CHECK(k != NULL);
    lh_tokenizer_trainer_free(t);
    return k;
}

/* Words of few letters, so that pairs tie and overlap. */
static size_t few_letters(uint64_t *state, char *text, size_t size)
{
    size_t at = 0;
    while (at + 14 < size) {
        if (at)
            text[at++] = ' ';
        for (uint64_t n = 1 + test_random(state) % 12; n; n--)
            text[at++] = (char)('a' + test_random(state) % 3);
    }
    return at;
}

static void test_training(lh_context *ctx)
{
    uint64_t state = 3;
    char text[1500];
    for (int round = 0; round < 12; round++) {
        static naive n;
        size_t size = few_letters(&state, text, round < 3 ? 60 : 1000);
        lh_tokenizer *k = train(ctx, text, size, 257 + 60);
        n.count = 0;
        for (size_t i = 0; i < size; i++) {
            if (i && text[i] == ' ')
                n.symbol[n.count++] = -1;
            n.symbol[n.count++] = k->bpe->byte_id[(unsigned char)text[i]];
        }
        naive_train(&n, 60, 257);
        size_t count = 0;
        lh_merge *merge = lh_bpe_pairs(ctx, k, &count);
        CHECK_EQ_INT((int64_t)count, n.merges);
        CHECK(merge && !memcmp(merge, n.merge, count * sizeof *merge));
        CHECK_EQ_INT(lh_tokenizer_vocabulary(k), 257 + n.merges);
        lh_free(ctx, merge);
        lh_tokenizer_free(k);
    }
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(ctx);
    CHECK(!lh_tokenizer_trainer_make(t, 200, &(const char *){ "x" }, 1, NULL,
                                     NULL));
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    /* A byte is a token already. */
    CHECK(!lh_tokenizer_trainer_make(t, 300, &(const char *){ "x" }, 1, NULL,
                                     NULL));
    CHECK(strstr(lh_error_message(ctx), "one byte") != NULL);
    lh_error_clear(ctx);
    lh_tokenizer_trainer_free(t);
}

/* A trainer that could not keep a text makes no tokenizer of the others. */
static void test_lost_counts(void)
{
    hostile_memory memory;
    lh_context small = hostile_context(&memory);
    static char text[1 << 20];
    const char *const texts[] = { "some words", text };
    const size_t sizes[] = { 10, sizeof text };
    for (size_t i = 0; i < sizeof text; i++)       /* many words           */
        text[i] = i % 8 ? (char)('a' + (i >> (3 * (i % 8))) % 8) : ' ';
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(&small);
    CHECK(t && !lh_tokenizer_trainer_add(t, texts, sizes, 1));
    memory.fail_at = memory.calls + 3;
    CHECK_EQ_INT(lh_tokenizer_trainer_add(t, texts + 1, sizes + 1, 1),
                 LH_ERROR_MEMORY);
    lh_error_clear(&small);
    CHECK(!lh_tokenizer_trainer_make(t, 260, &(const char *){ "<x>" }, 1,
                                     NULL, NULL));
    CHECK_EQ_INT(lh_error_status(&small), LH_ERROR_MEMORY);
    lh_tokenizer_trainer_free(t);
    CHECK_EQ_INT(memory.live, 0);
}

/* -------------------------------------------------------------- merging -- */

/* The least pair, the leftmost of several, by looking at all. */
static int64_t naive_merge(const lh_tokenizer *k, int32_t *token,
                           int64_t count, const lh_merge *merge, size_t merges)
{
    for (size_t m = 0; m < merges;) {
        int64_t at = 0;
        while (at + 1 < count && !(token[at] == merge[m].left &&
                                   token[at + 1] == merge[m].right))
            at++;
        if (at + 1 >= count) {
            m++;
            continue;
        }
        token[at] = merge[m].made;
        count--;
        memmove(token + at + 1, token + at + 2,
                (size_t)(count - at - 1) * sizeof *token);
        m = 0;
    }
    (void)k;
    return count;
}

static void test_merging(lh_context *ctx)
{
    uint64_t state = 8;
    char text[4000];
    size_t merges;
    size_t size = few_letters(&state, text, sizeof text);
    lh_tokenizer *k = train(ctx, text, size, 257 + 200);
    lh_merge *merge = lh_bpe_pairs(ctx, k, &merges);
    int32_t token[600], *ids;
    int64_t count;
    for (int round = 0; round < 600; round++) {
        int64_t n = 1 + (int64_t)(test_random(&state) % (round % 3 ? 30
                                                                 : 600));
        for (int64_t i = 0; i < n; i++) {
            text[i] = (char)('a' + test_random(&state) % 3);
            token[i] = k->bpe->byte_id[(unsigned char)text[i]];
        }
        CHECK(!lh_tokenizer_encode(ctx, k, text, (size_t)n, &ids, &count));
        n = naive_merge(k, token, n, merge, merges);
        CHECK_EQ_INT(count, n);
        CHECK(count == n && !memcmp(ids, token, (size_t)n * sizeof *ids));
        lh_memory_free(ctx, ids);
    }
    lh_free(ctx, merge);
    /* A megabyte of one letter, of blanks, of bytes that are no text. */
    enum { MANY = 1000000 };
    char *many = malloc(MANY), *back;
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < MANY; i++)
            many[i] = kind == 0 ? 'a' : kind == 1 ? ' '
                    : (char)test_random(&state);
        CHECK(!lh_tokenizer_encode(ctx, k, many, MANY, &ids, &count));
        CHECK(!lh_tokenizer_decode(ctx, k, ids, count, &back, &size, NULL));
        CHECK(size == MANY && !memcmp(back, many, MANY));
        lh_memory_free(ctx, ids);
        lh_memory_free(ctx, back);
    }
    free(many);
    lh_tokenizer_free(k);
}

/* A text in parts gives the ids of the whole, and offsets are those of the
 * tokens' bytes. */
static void test_parts(lh_context *ctx)
{
    static const char words[] = "First Citizen: we'll  speak, speak.\n\nAll\t"
                                "of 1234 \u4e2d\u6587 e\u0301 x  y ";
    char text[6000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = words[i % (sizeof words - 1)];
    lh_tokenizer *k = train(ctx, text, sizeof text, 400);
    int32_t *whole, *part;
    int64_t count, some, offsets[6001];
    char *back;
    size_t size;
    CHECK(!lh_tokenizer_encode(ctx, k, text, sizeof text, &whole, &count));
    CHECK(!lh_tokenizer_decode(ctx, k, whole, count, &back, &size, offsets));
    CHECK(size == sizeof text && !memcmp(back, text, size));
    CHECK_EQ_INT(offsets[count], (int64_t)size);
    for (int64_t i = 0; i < count; i++) {
        size_t length;
        const char *piece = lh_tokenizer_piece(k, whole[i], &length);
        CHECK(offsets[i + 1] - offsets[i] == (int64_t)length &&
              !memcmp(text + offsets[i], piece, length));
    }
    lh_memory_free(ctx, back);
    for (size_t step = 40; step < 200; step += 7) {
        int64_t have = 0;
        for (size_t at = 0, end; at < sizeof text; at = end) {
            end = sizeof text;
            if (end - at > step)
                end = at + lh_tokenizer_cut(k, text + at, step);
            CHECK(end > at);
            if (end == at)
                break;
            CHECK(!lh_tokenizer_encode(ctx, k, text + at, end - at, &part,
                                       &some));
            CHECK(have + some <= count &&
                  !memcmp(part, whole + have, (size_t)some * sizeof *part));
            have += some;
            lh_memory_free(ctx, part);
        }
        CHECK_EQ_INT(have, count);
    }
    lh_memory_free(ctx, whole);
    CHECK_EQ_INT(lh_tokenizer_find(k, "<|endoftext|>", 13), 0);
    CHECK_EQ_INT(lh_tokenizer_special(k, 0), 0);
    CHECK_EQ_INT(lh_tokenizer_special(k, 1), -1);
    CHECK_EQ_INT(lh_tokenizer_border(k), 0);
    CHECK_EQ_INT((int64_t)lh_text_whole("ab\xe4\xb8", 4), 2);
    CHECK_EQ_INT((int64_t)lh_text_whole("ab\xe4\xb8\xad", 5), 5);
    CHECK_EQ_INT((int64_t)lh_text_whole("\x80\x80\x80\x80", 4), 4);
    /* A special token in a text is text, unless it is asked for. */
    const char *injected = "a<|endoftext|>b";
    CHECK(!lh_tokenizer_encode(ctx, k, injected, 15, &whole, &count));
    for (int64_t i = 0; i < count; i++)
        CHECK(whole[i] != 0);
    lh_memory_free(ctx, whole);
    CHECK(!lh_tokenizer_encode_as(ctx, k, injected, 15,
                                  &(lh_encoding){ .special = true }, &whole,
                                  &count));
    CHECK(count == 3 && whole[1] == 0);
    lh_memory_free(ctx, whole);
    int32_t beyond = 400;
    CHECK(lh_tokenizer_decode(ctx, k, &beyond, 1, &back, &size, NULL) ==
          LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    lh_tokenizer_free(k);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    test_unicode(ctx);
    test_scanners();
    test_training(ctx);
    test_lost_counts();
    test_merging(ctx);
    test_parts(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("bpe");
}
