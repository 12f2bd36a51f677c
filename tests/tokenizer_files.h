/* Small files of tokenizers, one of each format, as bytes in a buffer. */
#ifndef LH_TOKENIZER_FILES_H
#define LH_TOKENIZER_FILES_H

#include "base/base.h"
#include "test.h"

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
    make_gguf_head(b, 6, "llama");
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
    put_text(b, "tokenizer.ggml.bos_token_id");
    put_number(b, 4, 4);
    put_number(b, 1, 4);
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
    /* The bytes, "ab", " ab" */
    static const char *const four = "AQgw", *const digits = "ABCDEFGHIJKLMNOP"
        "QRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 256; i++)
        lh_buffer_printf(maker, b, "%c%c== %d\n", digits[i / 4], four[i % 4],
                         i);
    put(b, "YWI= 256\nIGFi 257\n", 18);
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

/* Marks put in late, digits and signs apart, nothing lost. */
static void make_json_metaspace(lh_buffer *b)
{
    const char *text =
        "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 0, \"content\":"
        " \"<pad>\", \"special\": true}, {\"id\": 5, \"content\":"
        " \"\u2581\u2581b\", \"normalized\": false}], \"normalizer\":"
        " {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Strip\","
        " \"strip_left\": false}, {\"type\": \"NFKC\"}, {\"type\":"
        " \"Lowercase\"}]}, \"pre_tokenizer\": {\"type\": \"Sequence\","
        " \"pretokenizers\": [{\"type\": \"Metaspace\", \"replacement\":"
        " \"\u2581\", \"prepend_scheme\": \"first\"}, {\"type\": \"Digits\","
        " \"individual_digits\": true}, {\"type\": \"Punctuation\","
        " \"behavior\": \"Contiguous\"}, {\"type\": \"Split\", \"pattern\":"
        " {\"Regex\": \"[0-9][0-9][0-9]\"}, \"behavior\": \"Isolated\"}]},"
        " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\":"
        " [{\"SpecialToken\": {\"id\": \"<pad>\"}}, {\"Sequence\": {\"id\":"
        " \"A\"}}, {\"SpecialToken\": {\"id\": \"<pad>\"}}],"
        " \"special_tokens\": {\"<pad>\": {\"ids\": [0]}}},"
        " \"decoder\": {\"type\": \"Metaspace\", \"replacement\":"
        " \"\u2581\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"<pad>\":"
        " 0, \"a\": 1, \"1\": 2, \"\u2581\": 3, \"\u2581a\": 4,"
        " \"\u2581\u2581b\": 5, \"11\": 6}, \"merges\": [\"\u2581 a\","
        " \"1 1\"]}}";
    put(b, text, strlen(text));
}

/* SentencePiece's other defaults: spaces that are too many go. */
static void make_squeezed(lh_buffer *b)
{
    make_sentencepiece(b);
    b->size -= 6;
    put(b, "\x1a\x04\x18\x01\x20\x01", 6);
}

/* What holds where it is not said: the same. */
static void make_defaults(lh_buffer *b)
{
    make_sentencepiece(b);
    b->size -= 6;
}

#endif
