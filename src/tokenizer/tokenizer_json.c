/* Writing tokenizer.json, as Hugging Face's `tokenizers` has it.
 *
 * Bytes and characters are written as byte-pair encodings without merges,
 * which give the same ids there: characters as a vocabulary of characters; bytes
 * through the ByteLevel pre-tokenizer, whose 256 printable characters stand
 * for the bytes (the map is GPT-2's).  The border is an added special token.
 * Two things differ over there: that library drops a character it does not
 * know without a word, and reads the border's name in a text as the border.
 * Reading: read_json.c. */
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizer/read.h"
#include "tokenizer/tokenizer.h"

#define TJSON_BORDER "<|endoftext|>"

/* ------------------------------------------------------------- writing -- */

static lh_status tjson_add(lh_context *ctx, lh_buffer *buffer,
                           const char *text)
{
    return lh_buffer_add(ctx, buffer, text, strlen(text));
}

/* A token as the file spells it: bytes by their letters. */
static lh_status tjson_add_token(lh_context *ctx, const lh_tokenizer *k,
                                 lh_buffer *buffer, int32_t id)
{
    size_t size;
    const char *piece = lh_tokenizer_piece(k, id, &size);
    if (k->codes)
        return lh_json_add_string(ctx, buffer, piece, size);
    char *letters = lh_alloc(ctx, 2 * size, 1);
    if (!letters)
        return LH_ERROR_MEMORY;
    size_t made = 0;
    for (size_t i = 0; i < size; i++)
        made += (size_t)lh_utf8_encode(
            lh_byte_letter((unsigned char)piece[i]), letters + made);
    lh_status status = lh_json_add_string(ctx, buffer, letters, made);
    lh_free(ctx, letters);
    return status;
}

static lh_status tjson_write_vocabulary(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        lh_buffer *buffer)
{
    lh_status status = LH_OK;
    bool first = true;
    for (int32_t id = 0; id < k->vocabulary && !status; id++) {
        size_t size;
        const char *piece = lh_tokenizer_piece(k, id, &size);
        if (!size || (k->bpe && lh_bpe_find(k, piece, size) != id))
            continue;                            /* an added token alone   */
        status = tjson_add(ctx, buffer, first ? "\n      " : ",\n      ");
        if (!status)
            status = tjson_add_token(ctx, k, buffer, id);
        if (!status)
            status = lh_buffer_printf(ctx, buffer, ": %d", (int)id);
        first = false;
    }
    return status;
}

static lh_status tjson_write_merges(lh_context *ctx, const lh_tokenizer *k,
                                    lh_buffer *buffer)
{
    size_t count = 0;
    lh_merge *merge = k->bpe ? lh_bpe_pairs(ctx, k, &count) : NULL;
    lh_status status = k->bpe && !merge ? LH_ERROR_MEMORY : LH_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = tjson_add(ctx, buffer, i ? ",\n      [" : "\n      [");
        if (!status)
            status = tjson_add_token(ctx, k, buffer, merge[i].left);
        if (!status)
            status = tjson_add(ctx, buffer, ", ");
        if (!status)
            status = tjson_add_token(ctx, k, buffer, merge[i].right);
        if (!status)
            status = tjson_add(ctx, buffer, "]");
    }
    lh_free(ctx, merge);
    return status;
}

static const char *tjson_truth(bool x)
{
    return x ? "true" : "false";
}

static lh_status tjson_write_added(lh_context *ctx, const lh_tokenizer *k,
                                   lh_buffer *buffer)
{
    lh_added border = { .text = TJSON_BORDER, .size = strlen(TJSON_BORDER),
                        .id = lh_tokenizer_border(k), .special = true };
    const lh_added *added = k->bpe ? k->bpe->added : &border;
    int count = k->bpe ? k->bpe->added_count : 1;
    lh_status status = LH_OK;
    for (int i = 0; i < count && !status; i++) {
        const lh_added *a = &added[i];
        size_t size = a->size;
        const char *text = k->bpe ? lh_tokenizer_piece(k, a->id, &size)
                                  : a->text;
        status = lh_buffer_printf(ctx, buffer, "%s\n    {\"id\": %d,"
                                  " \"content\": ", i ? "," : "",
                                  (int)a->id);
        if (!status)
            status = lh_json_add_string(ctx, buffer, text, size);
        if (!status)
            status = lh_buffer_printf(
                ctx, buffer, ", \"single_word\": %s, \"lstrip\": %s,"
                " \"rstrip\": %s, \"normalized\": %s, \"special\": %s}",
                tjson_truth(a->single_word), tjson_truth(a->lstrip),
                tjson_truth(a->rstrip), tjson_truth(a->normalized),
                tjson_truth(a->special));
    }
    return status;
}

static lh_status tjson_write_normalizer(lh_context *ctx, const lh_bpe *b,
                                        lh_buffer *buffer)
{
    static const char *const forms[] = { "NFD", "NFC", "NFKD", "NFKC" };
    if (!b || (b->form < 0 && !b->lower))
        return tjson_add(ctx, buffer, "null");
    return lh_buffer_printf(
        ctx, buffer, "{\"type\": \"Sequence\", \"normalizers\": [%s%s%s%s%s]}",
        b->form < 0 ? "" : "{\"type\": \"",
        b->form < 0 ? "" : forms[b->form], b->form < 0 ? "" : "\"}",
        b->form < 0 || !b->lower ? "" : ", ",
        b->lower ? "{\"type\": \"Lowercase\"}" : "");
}

/* The scanners, and ByteLevel last, which cuts by itself where the only one
 * is GPT-2's. */
static lh_status tjson_write_before(lh_context *ctx, const lh_tokenizer *k,
                                    lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    if (k->codes)
        return tjson_add(ctx, buffer, "null");
    bool own = b && b->steps == 1 && !strcmp(b->step[0]->name, "gpt2");
    bool several = b && !own && b->steps;
    lh_status status = several
        ? tjson_add(ctx, buffer, "{\"type\": \"Sequence\","
                    " \"pretokenizers\": [") : LH_OK;
    for (int i = 0; several && i < b->steps && !status; i++) {
        const char *pattern = lh_scanner_pattern(b->step[i]);
        status = pattern ? tjson_add(ctx, buffer, "{\"type\": \"Split\","
                                     " \"pattern\": {\"Regex\": ")
            : lh_fail(ctx, LH_ERROR_STATE, "this tokenizer cuts texts in a"
                      " way (%s) that is not written to tokenizer.json yet",
                      b->step[i]->name);
        if (!status)
            status = lh_json_add_string(ctx, buffer, pattern,
                                        strlen(pattern));
        if (!status)
            status = tjson_add(ctx, buffer, "}, \"behavior\": \"Isolated\","
                               " \"invert\": false}, ");
    }
    if (!status)
        status = lh_buffer_printf(
            ctx, buffer, "{\"type\": \"ByteLevel\", \"add_prefix_space\": %s,"
            " \"trim_offsets\": true, \"use_regex\": %s}%s",
            tjson_truth(b && b->prefix), tjson_truth(own),
            several ? "]}" : "");
    return status;
}

LH_INTERNAL lh_status lh_tokenizer_write(lh_context *ctx,
                                         const lh_tokenizer *k,
                                         lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    if (b && b->characters)
        return lh_fail(ctx, LH_ERROR_STATE, "a tokenizer whose pieces begin"
                       " as characters is not written to tokenizer.json yet");
    lh_status status = tjson_add(ctx, buffer,
        "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
        "  \"padding\": null,\n  \"added_tokens\": [");
    if (!status)
        status = tjson_write_added(ctx, k, buffer);
    if (!status)
        status = tjson_add(ctx, buffer, "\n  ],\n  \"normalizer\": ");
    if (!status)
        status = tjson_write_normalizer(ctx, b, buffer);
    if (!status)
        status = tjson_add(ctx, buffer, ",\n  \"pre_tokenizer\": ");
    if (!status)
        status = tjson_write_before(ctx, k, buffer);
    /* Without a decoder the library would put blanks between tokens. */
    if (!status)
        status = lh_buffer_printf(
            ctx, buffer, ",\n  \"post_processor\": null,\n"
            "  \"decoder\": %s,\n"
            "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n"
            "    \"unk_token\": null,\n"
            "    \"continuing_subword_prefix\": null,\n"
            "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
            "    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n"
            "    \"vocab\": {", k->codes ? "{\"type\": \"Fuse\"}"
            : "{\"type\": \"ByteLevel\", \"add_prefix_space\": false,"
              " \"trim_offsets\": true, \"use_regex\": true}",
            tjson_truth(b && b->whole_first));
    if (!status)
        status = tjson_write_vocabulary(ctx, k, buffer);
    if (!status)
        status = tjson_add(ctx, buffer, "\n    },\n    \"merges\": [");
    if (!status)
        status = tjson_write_merges(ctx, k, buffer);
    return status ? status : tjson_add(ctx, buffer, "]\n  }\n}\n");
}

LH_API lh_status lh_tokenizer_save(lh_context *ctx, const lh_tokenizer *k,
                                   const char *path)
{
    lh_buffer text = { 0 };
    if (!ctx || !k || !path)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_tokenizer_save: no"
                       " tokenizer or no path");
    lh_status status = lh_tokenizer_write(ctx, k, &text);
    if (!status)
        status = lh_file_write(ctx, path, text.data, text.size);
    lh_buffer_free(ctx, &text);
    return status;
}

#undef TJSON_BORDER
