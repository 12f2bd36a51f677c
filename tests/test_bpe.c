/* Byte pairs: normal forms and scanners on known texts; training and merging
 * against a naive count and a naive search; every format of file from a
 * fixture of its own, damaged in every way; failing memory.  The real
 * tokenizers are tests/oracle_vocabularies.py's part. */
#include "longhand.h"

#include "base/file.h"
#include "base/json.h"
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
    pieces("gpt2", "a\u00e9\u4e2d1\u0664'S'll", "a\u00e9\u4e2d|1\u0664|'|S|'ll");
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
    pieces("signs", " \u3000!?(a \uff5e\u2019\xff", " \u3000!?(a| \uff5e\u2019|"
           "\xff");
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
    lh_tokenizer_trainer_free(t);
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

/* ------------------------------------------------------------- fixtures -- */

static lh_context *maker;              /* of the fixtures' bytes           */

static uint64_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void put(lh_buffer *b, const void *bytes, size_t size)
{
    CHECK(!lh_buffer_add(maker, b, bytes, size));
}

static void put_number(lh_buffer *b, uint64_t n, int bytes)
{
    for (; bytes; bytes--, n >>= 8)
        put(b, &(char){ (char)n }, 1);
}

static void put_text(lh_buffer *b, const char *text)
{
    put_number(b, strlen(text), 8);
    put(b, text, strlen(text));
}

/* A vocabulary as SentencePiece has it: three specials, the bytes, then these
 * with falling scores. */
static const char *const spaced[] = {
    "\u2581t", "he", "\u2581the", "\u2581", "t", "h", "e", "a", "\u4e2d",
};
enum { SPACED = 3 + 256 + (int)LH_COUNT(spaced) };

static const char *spaced_piece(int id, char room[8], float *score, int *kind)
{
    static const char *const first[] = { "<unk>", "<s>", "</s>" };
    *score = id < 259 ? 0 : (float)(259 - id);
    *kind = id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1;
    snprintf(room, 8, "<0x%02X>", (unsigned)(id - 3) & 255);
    return id < 3 ? first[id] : id < 259 ? room : spaced[id - 259];
}

static void make_sentencepiece(lh_buffer *b)
{
    for (int id = 0; id < SPACED; id++) {
        char room[8];
        float score;
        int kind;
        const char *piece = spaced_piece(id, room, &score, &kind);
        size_t size = strlen(piece);
        put_number(b, 0x0a, 1);
        put_number(b, 2 + size + 5 + 2, 1);
        put_number(b, 0x0a, 1);
        put_number(b, size, 1);
        put(b, piece, size);
        put_number(b, 0x15, 1);
        put_number(b, float_bits(score), 4);
        put_number(b, 0x18, 1);
        put_number(b, (uint64_t)kind, 1);
    }
    put(b, "\x12\x05\x18\x02\xd0\x02\x02", 7);   /* BPE; </s> is 2         */
    put(b, "\x1a\x04\x18\x01\x20\x00", 6);       /* prefix, not squeezed   */
}

static void make_llama2c(lh_buffer *b)
{
    put_number(b, 8, 4);
    for (int id = 0; id < SPACED; id++) {
        char room[8], plain[16];
        float score;
        int kind;
        const char *piece = spaced_piece(id, room, &score, &kind);
        size_t size = 0;
        for (const char *p = piece; *p; p++) {
            bool mark = !strncmp(p, "\u2581", 3);
            plain[size++] = mark ? ' ' : *p;
            p += mark ? 2 : 0;
        }
        put_number(b, float_bits(score), 4);
        put_number(b, size, 4);
        put(b, plain, size);
    }
}

static void make_gguf_head(lh_buffer *b, int pairs, const char *model)
{
    put(b, "GGUF", 4);
    put_number(b, 3, 4);
    put_number(b, 0, 8);
    put_number(b, (uint64_t)pairs, 8);
    put_text(b, "tokenizer.ggml.model");
    put_number(b, 8, 4);
    put_text(b, model);
}

static void make_array(lh_buffer *b, const char *key, int type, int count)
{
    put_text(b, key);
    put_number(b, 9, 4);
    put_number(b, (uint64_t)type, 4);
    put_number(b, (uint64_t)count, 8);
}

static void make_gguf_spaced(lh_buffer *b)
{
    char room[8];
    float score;
    int kind;
    make_gguf_head(b, 5, "llama");
    make_array(b, "tokenizer.ggml.tokens", 8, SPACED);
    for (int id = 0; id < SPACED; id++)
        put_text(b, spaced_piece(id, room, &score, &kind));
    make_array(b, "tokenizer.ggml.scores", 6, SPACED);
    for (int id = 0; id < SPACED; id++) {
        spaced_piece(id, room, &score, &kind);
        put_number(b, float_bits(score), 4);
    }
    make_array(b, "tokenizer.ggml.token_type", 5, SPACED);
    for (int id = 0; id < SPACED; id++) {
        spaced_piece(id, room, &score, &kind);
        put_number(b, (uint64_t)kind, 4);
    }
    put_text(b, "tokenizer.ggml.eos_token_id");
    put_number(b, 4, 4);
    put_number(b, 2, 4);
}

/* Three letters, two merges; a token to be found is spelled as it is. */
static void make_gguf_pairs(lh_buffer *b)
{
    static const char *const token[] = { "a", "b", "\u0120", "ab",
                                         "\u0120ab", "<|end|>", "\u00fc" };
    make_gguf_head(b, 5, "gpt2");
    put_text(b, "tokenizer.ggml.pre");
    put_number(b, 8, 4);
    put_text(b, "gpt-2");
    make_array(b, "tokenizer.ggml.tokens", 8, 7);
    for (int i = 0; i < 7; i++)
        put_text(b, token[i]);
    make_array(b, "tokenizer.ggml.token_type", 5, 7);
    for (int i = 0; i < 7; i++)
        put_number(b, i == 5 ? 3 : i == 6 ? 4 : 1, 4);
    make_array(b, "tokenizer.ggml.merges", 8, 2);
    put_text(b, "a b");
    put_text(b, "\u0120 ab");
}

static void make_ranks(lh_buffer *b)
{
    /* a, b, a blank, "ab", " ab" */
    const char *text = "YQ== 0\nYg== 1\nIA== 2\nYWI= 3\nIGFi 4\n";
    put(b, text, strlen(text));
}

static void make_json(lh_buffer *b)
{
    const char *text =
        "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 5, \"content\":"
        " \"<|end|>\", \"special\": true, \"lstrip\": true}],"
        " \"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\":"
        " \"ByteLevel\", \"add_prefix_space\": false}, \"post_processor\":"
        " {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\":"
        " {\"id\": \"<|end|>\", \"type_id\": 0}}, {\"Sequence\": {\"id\":"
        " \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<|end|>\":"
        " {\"id\": \"<|end|>\", \"ids\": [5], \"tokens\": [\"<|end|>\"]}}},"
        " \"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\":"
        " \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"\u0120\": 2, \"ab\": 3,"
        " \"\u0120ab\": 4}, \"merges\": [\"a b\", [\"\u0120\", \"ab\"]]}}";
    put(b, text, strlen(text));
}

static void make_json_spaced(lh_buffer *b)
{
    const char *text =
        "{\"version\": \"1.0\", \"normalizer\": {\"type\": \"Sequence\","
        " \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\u2581\"},"
        " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"},"
        " \"content\": \"\u2581\"}]}, \"pre_tokenizer\": null, \"decoder\":"
        " {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\","
        " \"pattern\": {\"String\": \"\u2581\"}, \"content\": \" \"},"
        " {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\":"
        " \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
        " \"model\": {\"type\": \"BPE\", \"unk_token\":"
        " \"<unk>\", \"fuse_unk\": true, \"byte_fallback\": true, \"vocab\":"
        " {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"\u2581\": 3, \"ab\": 4,"
        " \"\u2581ab\": 5, \"<0xC3>\": 6, \"<0xA9>\": 7}, \"merges\":"
        " [\"a b\", \"\u2581 ab\"]}}";
    put(b, text, strlen(text));
}

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

typedef struct fixture {
    const char *name, *pre;
    void (*make)(lh_buffer *b);
    const char *text;                  /* these ids                        */
    int count, id[12];
} fixture;

static const fixture fixtures[] = {
    { "json", NULL, make_json, "ab abba", 4, { 3, 4, 1, 0 } },
    { "json-spaced", NULL, make_json_spaced, "ab\u00e9 ??b", 6,
      { 5, 6, 7, 3, 0, 2 } },
    { "ranks", "gpt2", make_ranks, "ab abba", 4, { 3, 4, 1, 0 } },
    { "sentencepiece", NULL, make_sentencepiece, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "llama2c", NULL, make_llama2c, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "gguf-spaced", NULL, make_gguf_spaced, "the \u4e2d\u00e9", 5,
      { 261, 262, 267, 3 + 0xc3, 3 + 0xa9 } },
    { "gguf-pairs", NULL, make_gguf_pairs, "ab abb\u00fca", 5,
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
    if (!status)
        lh_memory_free(ctx, back);
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

static void test_fixture(lh_context *ctx, const fixture *f)
{
    lh_buffer file = { 0 };
    int32_t *ids;
    int64_t count = 0;
    f->make(&file);
    lh_tokenizer *k = lh_tokenizer_from(ctx, f->name, file.data, file.size,
                                        f->pre);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK(k != NULL);
    if (k) {
        CHECK(!lh_tokenizer_encode(ctx, k, f->text, strlen(f->text), &ids,
                                   &count));
        bool same = count == f->count;
        for (int i = 0; i < f->count && same; i++)
            same = ids[i] == f->id[i];
        if (!same)
            for (int64_t i = 0; i < count; i++)
                printf("    %s: id %d\n", f->name, (int)ids[i]);
        CHECK(same);
        lh_memory_free(ctx, ids);
        lh_tokenizer_free(k);
    }
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

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    maker = ctx;
    test_unicode(ctx);
    test_scanners();
    test_training(ctx);
    test_merging(ctx);
    test_parts(ctx);
    test_no_cut(ctx);
    for (size_t i = 0; i < LH_COUNT(fixtures); i++)
        test_fixture(ctx, &fixtures[i]);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("bpe");
}
