/* Writing tokenizer.json, as Hugging Face's `tokenizers` has it, and what
 * `transformers` wants beside it.
 *
 * Bytes and characters are written as byte-pair encodings without merges,
 * which give the same ids there: characters as a vocabulary of characters;
 * bytes through the ByteLevel pre-tokenizer, whose 256 printable characters
 * stand for the bytes (the map is GPT-2's).  The border is an added special
 * token.
 * Two things differ over there: that library drops a character it does not
 * know without a word, and reads the border's name in a text as the border.
 * Reading: read_json.c. */
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizer/read.h"
#include "tokenizer/tokenizer.h"

#define TJSON_BORDER "<|endoftext|>"
#define TJSON_MARK 0x2581

/* ------------------------------------------------------------- writing -- */

/* What adds to a buffer leaves in its status whether it could. */
static void tjson_add(lh_context *ctx, lh_buffer *buffer, const char *text)
{
    lh_buffer_add(ctx, buffer, text, strlen(text));
}

/* The token that stands for a byte where characters are no tokens, if `id` is
 * one; else -1. */
static int tjson_byte(const lh_bpe *b, const char *piece, size_t size,
                      int32_t id)
{
    int byte = size == 1 ? (unsigned char)piece[0] : 0;
    return b && b->characters && size == 1 && b->byte_id[byte] == id ? byte
                                                                     : -1;
}

/* A token as the vocabulary spells it: bytes by their letters, spaces by
 * their mark, a byte that stands for itself by its number, and one that is
 * not found by its bytes as it is. */
static void tjson_add_token(lh_context *ctx, const lh_tokenizer *k,
                            lh_buffer *buffer, int32_t id)
{
    const lh_bpe *b = k->bpe;
    size_t size, made = 0;
    const char *piece = lh_tokenizer_piece(k, id, &size);
    int byte = tjson_byte(b, piece, size, id);
    bool letters = !k->codes && !(b && b->characters);
    if (byte >= 0) {
        lh_buffer_printf(ctx, buffer, "\"<0x%02X>\"", (unsigned)byte);
        return;
    }
    if ((b && lh_bpe_find(k, piece, size) != id) ||
        (!letters && !(b && b->spaces))) {
        lh_json_add_string(ctx, buffer, piece, size);
        return;
    }
    char *spelled = lh_alloc(ctx, 3 * size, 1);
    for (size_t i = 0; spelled && i < size; i++)
        if (letters || piece[i] == ' ')
            made += (size_t)lh_utf8_encode(
                letters ? lh_byte_letter((unsigned char)piece[i]) : TJSON_MARK,
                spelled + made);
        else
            spelled[made++] = piece[i];
    if (spelled)
        lh_json_add_string(ctx, buffer, spelled, made);
    else
        buffer->status = LH_ERROR_MEMORY;
    lh_free(ctx, spelled);
}

/* Whether unknown characters become bytes. */
static bool tjson_falls_back(const lh_bpe *b)
{
    bool any = false;
    for (int i = 0; b && b->characters && i < 256; i++)
        any |= b->byte_id[i] >= 0;
    return any;
}

/* Whether a token is one of the vocabulary and not an added one alone. */
static bool tjson_inside(const lh_tokenizer *k, int32_t id)
{
    size_t size;
    const char *piece = lh_tokenizer_piece(k, id, &size);
    return size && (!k->bpe || lh_bpe_find(k, piece, size) == id ||
                    k->bpe->unknown == id ||
                    tjson_byte(k->bpe, piece, size, id) >= 0);
}

/* The library numbers added tokens that are not in the vocabulary itself, from
 * its size on.  Where that gives other ids, they have to be in it. */
static void tjson_write_vocabulary(lh_context *ctx, const lh_tokenizer *k,
                                   lh_buffer *buffer)
{
    int added = k->bpe ? k->bpe->added_count : 0;
    int32_t next = 0;
    bool first = true, numbered = true;
    bool *inside = lh_alloc(ctx, (size_t)k->vocabulary, sizeof *inside);
    if (!inside)
        buffer->status = LH_ERROR_MEMORY;
    for (int32_t id = 0; id < k->vocabulary && inside; id++)
        next += inside[id] = tjson_inside(k, id);
    for (int i = 0; i < added && inside; i++)
        if (!inside[k->bpe->added[i].id])
            numbered &= k->bpe->added[i].id == next++;
    for (int i = 0; i < added && !numbered; i++)
        inside[k->bpe->added[i].id] = true;
    for (int32_t id = 0; id < k->vocabulary && !buffer->status; id++) {
        if (!inside[id])
            continue;
        tjson_add(ctx, buffer, first ? "\n      " : ",\n      ");
        tjson_add_token(ctx, k, buffer, id);
        lh_buffer_printf(ctx, buffer, ": %d", (int)id);
        first = false;
    }
    lh_free(ctx, inside);
}

static void tjson_write_merges(lh_context *ctx, const lh_tokenizer *k,
                               lh_buffer *buffer)
{
    size_t count = 0;
    lh_merge *merge = k->bpe ? lh_bpe_pairs(ctx, k, &count) : NULL;
    if (k->bpe && !merge)
        buffer->status = LH_ERROR_MEMORY;
    for (size_t i = 0; i < count && !buffer->status; i++) {
        tjson_add(ctx, buffer, i ? ",\n      [" : "\n      [");
        tjson_add_token(ctx, k, buffer, merge[i].left);
        tjson_add(ctx, buffer, ", ");
        tjson_add_token(ctx, k, buffer, merge[i].right);
        tjson_add(ctx, buffer, "]");
    }
    lh_free(ctx, merge);
}

static const char *tjson_truth(bool x)
{
    return x ? "true" : "false";
}

static void tjson_write_added(lh_context *ctx, const lh_tokenizer *k,
                              lh_buffer *buffer)
{
    lh_added border = { .text = TJSON_BORDER, .size = strlen(TJSON_BORDER),
                        .id = lh_tokenizer_border(k), .special = true };
    const lh_added *added = k->bpe ? k->bpe->added : &border;
    int count = k->bpe ? k->bpe->added_count : 1;
    for (int i = 0; i < count; i++) {
        const lh_added *a = &added[i];
        lh_buffer_printf(ctx, buffer, "%s\n    {\"id\": %d, \"content\": ",
                         i ? "," : "", (int)a->id);
        if (k->bpe)
            tjson_add_token(ctx, k, buffer, a->id);
        else
            lh_json_add_string(ctx, buffer, a->text, a->size);
        lh_buffer_printf(
            ctx, buffer, ", \"single_word\": %s, \"lstrip\": %s,"
            " \"rstrip\": %s, \"normalized\": %s, \"special\": %s}",
            tjson_truth(a->single_word), tjson_truth(a->lstrip),
            tjson_truth(a->rstrip), tjson_truth(a->normalized),
            tjson_truth(a->special));
    }
}

/* What a buffer has of ", part, part" as a Sequence of them, or null; list
 * NULL: it is one part. */
static void tjson_sequence(lh_context *ctx, lh_buffer *parts,
                           const char *list, lh_buffer *buffer)
{
    if (parts->status)
        buffer->status = parts->status;
    else if (!parts->size)
        tjson_add(ctx, buffer, "null");
    else if (!list)
        tjson_add(ctx, buffer, parts->data + 2);
    else
        lh_buffer_printf(ctx, buffer, "{\"type\": \"Sequence\", \"%s\":"
                         " [%s]}", list, parts->data + 2);
    lh_buffer_free(ctx, parts);
}

static void tjson_write_regex(lh_context *ctx, const char *type,
                              const char *pattern, const char *more,
                              lh_buffer *parts)
{
    lh_buffer_printf(ctx, parts, ", {\"type\": \"%s\", \"pattern\":"
                     " {\"Regex\": ", type);
    lh_json_add_string(ctx, parts, pattern, strlen(pattern));
    lh_buffer_printf(ctx, parts, "}, %s}", more);
}

static void tjson_write_normalizer(lh_context *ctx, const lh_bpe *b,
                                   lh_buffer *buffer)
{
    static const char *const forms[] = { "NFD", "NFC", "NFKD", "NFKC" };
    lh_buffer parts = { 0 };
    if (b && (b->strip_left || b->strip_right))
        lh_buffer_printf(ctx, &parts, ", {\"type\": \"Strip\","
                         " \"strip_left\": %s, \"strip_right\": %s}",
                         tjson_truth(b->strip_left),
                         tjson_truth(b->strip_right));
    if (b && b->form >= 0)
        lh_buffer_printf(ctx, &parts, ", {\"type\": \"%s\"}",
                         forms[b->form]);
    if (b && b->lower)
        tjson_add(ctx, &parts, ", {\"type\": \"Lowercase\"}");
    if (b && b->squeezed) {
        tjson_write_regex(ctx, "Replace", LH_ENDS_REGEX,
                          "\"content\": \"\"", &parts);
        tjson_write_regex(ctx, "Replace", LH_RUNS_REGEX,
                          "\"content\": \" \"", &parts);
    }
    if (b && b->prefix == LH_PREFIX_SPACE)
        tjson_add(ctx, &parts, ", {\"type\": \"Prepend\","
                  " \"prepend\": \"\u2581\"}");
    if (b && b->spaces && !b->spaces_late)
        tjson_add(ctx, &parts, ", {\"type\": \"Replace\","
                  " \"pattern\": {\"String\": \" \"},"
                  " \"content\": \"\u2581\"}");
    tjson_sequence(ctx, &parts, "normalizers", buffer);
}

/* One way of cutting; nothing where it is ours alone. */
static void tjson_write_step(lh_context *ctx, const lh_scanner *scan,
                             lh_buffer *parts)
{
    static const struct { const char *name, *part; } own[] = {
        { "digits", "Digits\", \"individual_digits\": false" },
        { "digit", "Digits\", \"individual_digits\": true" },
        { "marks", "Punctuation\", \"behavior\": \"Contiguous\"" },
        { "mark", "Punctuation\", \"behavior\": \"Isolated\"" },
    };
    const char *pattern = lh_scanner_pattern(scan);
    for (size_t i = 0; i < LH_COUNT(own); i++)
        if (!strcmp(scan->name, own[i].name)) {
            lh_buffer_printf(ctx, parts, ", {\"type\": \"%s}", own[i].part);
            return;
        }
    if (pattern)
        tjson_write_regex(ctx, "Split", pattern, "\"behavior\":"
                          " \"Isolated\", \"invert\": false", parts);
}

/* Metaspace first, the scanners, and ByteLevel last, which cuts by itself
 * where the only one is GPT-2's. */
static void tjson_write_before(lh_context *ctx, const lh_tokenizer *k,
                               lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    lh_buffer parts = { 0 };
    bool own = b && b->steps == 1 && !strcmp(b->step[0]->name, "gpt2");
    bool bytes = !k->codes && !(b && b->characters), split = false;
    for (int i = 0; b && i < b->steps; i++)
        split |= !strcmp(b->step[i]->name, "metaspace");
    if (b && b->spaces_late)
        lh_buffer_printf(
            ctx, &parts, ", {\"type\": \"Metaspace\", \"replacement\":"
            " \"\u2581\", \"prepend_scheme\": \"%s\", \"split\": %s}",
            b->prefix == LH_PREFIX_NONE ? "never"
            : b->prefix == LH_PREFIX_FIRST ? "first" : "always",
            tjson_truth(split));
    for (int i = 0; b && i < b->steps && !(own && bytes); i++)
        tjson_write_step(ctx, b->step[i], &parts);
    if (bytes)
        lh_buffer_printf(
            ctx, &parts, ", {\"type\": \"ByteLevel\", \"add_prefix_space\":"
            " %s, \"trim_offsets\": true, \"use_regex\": %s}",
            tjson_truth(b && b->prefix), tjson_truth(own));
    bool alone = bytes && (own || !b || !b->steps);
    tjson_sequence(ctx, &parts, alone ? NULL : "pretokenizers", buffer);
}

/* ", {"SpecialToken": ...}" or a text's place, which is a negative id. */
static void tjson_write_place(lh_context *ctx, const lh_tokenizer *k,
                              int32_t id, int text, lh_buffer *parts)
{
    if (id < 0) {
        lh_buffer_printf(ctx, parts, ", {\"Sequence\": {\"id\": \"%c\","
                         " \"type_id\": %d}}", 'A' + text, text);
        return;
    }
    tjson_add(ctx, parts, ", {\"SpecialToken\": {\"id\": ");
    tjson_add_token(ctx, k, parts, id);
    lh_buffer_printf(ctx, parts, ", \"type_id\": %d}}", text);
}

/* ", "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}". */
static void tjson_write_name(lh_context *ctx, const lh_tokenizer *k,
                             int32_t id, lh_buffer *names)
{
    tjson_add(ctx, names, ", ");
    tjson_add_token(ctx, k, names, id);
    tjson_add(ctx, names, ": {\"id\": ");
    tjson_add_token(ctx, k, names, id);
    lh_buffer_printf(ctx, names, ", \"ids\": [%d], \"tokens\": [", (int)id);
    tjson_add_token(ctx, k, names, id);
    tjson_add(ctx, names, "]}");
}

/* The template of what --bos puts around a text, and around each of two. */
static void tjson_write_frame(lh_context *ctx, const lh_tokenizer *k,
                              lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    lh_buffer parts[2] = { { 0 } }, names = { 0 };
    int count = b ? b->before_count + b->behind_count : 0;
    int32_t place[2 * LH_BPE_FRAME + 1];
    if (!count) {
        tjson_add(ctx, buffer, "null");
        return;
    }
    memcpy(place, b->before, sizeof b->before);
    place[b->before_count] = -1;
    memcpy(place + b->before_count + 1, b->behind,
           (size_t)b->behind_count * sizeof *place);
    for (int i = 0; i <= count; i++) {
        bool named = place[i] < 0;
        for (int j = 0; j < i; j++)
            named |= place[j] == place[i];
        tjson_write_place(ctx, k, place[i], 0, &parts[0]);
        tjson_write_place(ctx, k, place[i], 1, &parts[1]);
        if (!named)
            tjson_write_name(ctx, k, place[i], &names);
    }
    lh_status status = parts[0].status ? parts[0].status
                     : parts[1].status ? parts[1].status : names.status;
    if (status)
        buffer->status = status;
    else
        lh_buffer_printf(
            ctx, buffer, "{\"type\": \"TemplateProcessing\", \"single\": [%s],"
            " \"pair\": [%s%s], \"special_tokens\": {%s}}",
            parts[0].data + 2, parts[0].data + 2, parts[1].data,
            names.data + 2);
    lh_buffer_free(ctx, &parts[0]);
    lh_buffer_free(ctx, &parts[1]);
    lh_buffer_free(ctx, &names);
}

/* Without a decoder the library would put blanks between tokens. */
static void tjson_write_decoder(lh_context *ctx, const lh_tokenizer *k,
                                lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    if (k->codes)
        tjson_add(ctx, buffer, "{\"type\": \"Fuse\"}");
    else if (!b || !b->characters)
        tjson_add(ctx, buffer, "{\"type\": \"ByteLevel\","
                  " \"add_prefix_space\": false, \"trim_offsets\":"
                  " true, \"use_regex\": true}");
    else
        lh_buffer_printf(
            ctx, buffer, "{\"type\": \"Sequence\", \"decoders\":"
            " [%s%s{\"type\": \"Fuse\"}%s]}", b->spaces ? "{\"type\":"
            " \"Replace\", \"pattern\": {\"String\": \"\u2581\"},"
            " \"content\": \" \"}, " : "",
            tjson_falls_back(b) ? "{\"type\": \"ByteFallback\"}, " : "",
            b->spaces && b->prefix ? ", {\"type\": \"Strip\","
            " \"content\": \" \", \"start\": 1, \"stop\": 0}" : "");
}

static void tjson_write_model(lh_context *ctx, const lh_tokenizer *k,
                              lh_buffer *buffer)
{
    const lh_bpe *b = k->bpe;
    tjson_add(ctx, buffer, ",\n  \"model\": {\n    \"type\": \"BPE\",\n"
              "    \"dropout\": null,\n    \"unk_token\": ");
    if (b && b->unknown >= 0)
        tjson_add_token(ctx, k, buffer, b->unknown);
    else
        tjson_add(ctx, buffer, "null");
    lh_buffer_printf(
        ctx, buffer, ",\n    \"continuing_subword_prefix\": null,\n"
        "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": %s,\n"
        "    \"byte_fallback\": %s,\n    \"ignore_merges\": %s,\n"
        "    \"vocab\": {", tjson_truth(b && b->fuse_unknown),
        tjson_truth(tjson_falls_back(b)), tjson_truth(b && b->whole_first));
    tjson_write_vocabulary(ctx, k, buffer);
    tjson_add(ctx, buffer, "\n    },\n    \"merges\": [");
    tjson_write_merges(ctx, k, buffer);
    tjson_add(ctx, buffer, "]\n  }\n}\n");
}

/* The library puts the space that begins a text before what it looks for in
 * the normal form, too; SentencePiece does not. */
LH_API lh_status lh_tokenizer_savable(lh_context *ctx, const lh_tokenizer *k)
{
    if (!ctx || !k)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_tokenizer_savable: no"
                       " tokenizer");
    const lh_bpe *b = k->bpe;
    char shown[LH_UTF8_SHOWN];
    bool prefix = b && b->prefix == LH_PREFIX_SPACE;
    for (int i = 0; prefix && i < b->added_count; i++) {
        size_t size;
        const char *piece = lh_tokenizer_piece(k, b->added[i].id, &size);
        if (b->added[i].normalized && b->added[i].size == size)
            return lh_fail(ctx, LH_ERROR_STATE, "a tokenizer that puts a space"
                           " before texts and has the user-defined symbol"
                           " \"%s\" cannot be said in tokenizer.json",
                           lh_utf8_show(shown, piece, size));
    }
    return LH_OK;
}

LH_INTERNAL lh_status lh_tokenizer_say(lh_context *ctx, const lh_tokenizer *k,
                                       lh_buffer *buffer)
{
    tjson_add(ctx, buffer, "{\n  \"version\": \"1.0\",\n"
              "  \"truncation\": null,\n  \"padding\": null,\n"
              "  \"added_tokens\": [");
    tjson_write_added(ctx, k, buffer);
    tjson_add(ctx, buffer, "\n  ],\n  \"normalizer\": ");
    tjson_write_normalizer(ctx, k->bpe, buffer);
    tjson_add(ctx, buffer, ",\n  \"pre_tokenizer\": ");
    tjson_write_before(ctx, k, buffer);
    tjson_add(ctx, buffer, ",\n  \"post_processor\": ");
    tjson_write_frame(ctx, k, buffer);
    tjson_add(ctx, buffer, ",\n  \"decoder\": ");
    tjson_write_decoder(ctx, k, buffer);
    tjson_write_model(ctx, k, buffer);
    return buffer->status;
}

LH_INTERNAL lh_status lh_tokenizer_write(lh_context *ctx,
                                         const lh_tokenizer *k,
                                         lh_buffer *buffer)
{
    lh_status status = lh_tokenizer_savable(ctx, k);
    return status ? status : lh_tokenizer_say(ctx, k, buffer);
}

/* "key": "token", as tokenizer.json's added_tokens have it. */
static void tjson_write_token(lh_context *ctx, const lh_tokenizer *k,
                              const char *key, int32_t id, lh_buffer *buffer)
{
    lh_buffer_printf(ctx, buffer, ",\n  \"%s\": ", key);
    if (k->bpe)
        tjson_add_token(ctx, k, buffer, id);
    else
        lh_json_add_string(ctx, buffer, TJSON_BORDER, strlen(TJSON_BORDER));
}

LH_INTERNAL lh_status lh_tokenizer_write_settings(lh_context *ctx,
                                                  const lh_tokenizer *k,
                                                  int64_t context,
                                                  lh_buffer *buffer)
{
    int32_t end = k->border;
    int32_t begin = k->bpe && k->bpe->before_count ? k->bpe->before[0] : end;
    lh_buffer_printf(
        ctx, buffer, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
        "  \"clean_up_tokenization_spaces\": false,\n"
        "  \"model_max_length\": %lld", (long long)context);
    if (begin >= 0)
        tjson_write_token(ctx, k, "bos_token", begin, buffer);
    if (end >= 0)
        tjson_write_token(ctx, k, "eos_token", end, buffer);
    return lh_buffer_add(ctx, buffer, "\n}\n", 3);
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
#undef TJSON_MARK
