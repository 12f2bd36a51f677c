/* tokenizer.json, as Hugging Face's `tokenizers` has it.
 *
 * Both kinds are written as byte-pair encodings without merges, which give
 * the same ids there: characters as a vocabulary of characters; bytes
 * through the ByteLevel pre-tokenizer, whose 256 printable characters stand
 * for the bytes (the map is GPT-2's).  The border is an added special token.
 * Two things differ over there: that library drops a character it does not
 * know without a word, and reads the border's name in a text as the border.
 *
 * Reading takes what writing gives, in any order and spacing, with members
 * that are null or false added or left out; the rest is refused by name. */
#include "base/json.h"
#include "base/utf8.h"
#include "tokenizer/kinds.h"
#include "tokenizer/tokenizer.h"

#define TJSON_BORDER "<|endoftext|>"
#define TJSON_ADVICE "this version reads characters and bytes (byte-pair " \
                     "encodings without merges)"

/* ---------------------------------------------------- the byte letters -- */

/* The character that stands for a byte: itself where Latin-1 prints it, the
 * others from U+0100 upward. */
static uint32_t tjson_byte_letter(uint32_t byte)
{
    uint32_t skipped = 0;
    for (uint32_t b = 0; b < 256; b++) {
        bool prints = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        if (b == byte)
            return prints ? b : 256 + skipped;
        skipped += !prints;
    }
    return 0;
}

/* ------------------------------------------------------------- writing -- */

static lh_status tjson_add(lh_context *ctx, lh_buffer *buffer,
                           const char *text)
{
    return lh_buffer_add(ctx, buffer, text, strlen(text));
}

static lh_status tjson_write_vocabulary(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        lh_buffer *buffer)
{
    lh_status status = LH_OK;
    for (int32_t id = 0; id < k->vocabulary - 1 && !status; id++) {
        char letter[4];
        size_t size;
        const char *piece = lh_tokenizer_piece(k, id, &size);
        if (!k->codes) {
            size = (size_t)lh_utf8_encode(tjson_byte_letter((uint32_t)id),
                                          letter);
            piece = letter;
        }
        status = tjson_add(ctx, buffer, id ? ",\n      " : "\n      ");
        if (!status)
            status = lh_json_add_string(ctx, buffer, piece, size);
        if (!status)
            status = lh_buffer_printf(ctx, buffer, ": %d", (int)id);
    }
    return status;
}

LH_INTERNAL lh_status lh_tokenizer_write(lh_context *ctx,
                                         const lh_tokenizer *k,
                                         lh_buffer *buffer)
{
    static const char byte_level[] =
        "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
        "\"trim_offsets\": true, \"use_regex\": false}";
    const char *before = k->codes ? "null" : byte_level;
    /* Without a decoder the library would put blanks between tokens. */
    const char *after = k->codes ? "{\"type\": \"Fuse\"}" : byte_level;
    lh_status status = lh_buffer_printf(
        ctx, buffer,
        "{\n"
        "  \"version\": \"1.0\",\n"
        "  \"truncation\": null,\n"
        "  \"padding\": null,\n"
        "  \"added_tokens\": [\n"
        "    {\"id\": %d, \"content\": \"" TJSON_BORDER "\", "
        "\"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": true}\n"
        "  ],\n"
        "  \"normalizer\": null,\n"
        "  \"pre_tokenizer\": %s,\n"
        "  \"post_processor\": null,\n"
        "  \"decoder\": %s,\n"
        "  \"model\": {\n"
        "    \"type\": \"BPE\",\n"
        "    \"dropout\": null,\n"
        "    \"unk_token\": null,\n"
        "    \"continuing_subword_prefix\": null,\n"
        "    \"end_of_word_suffix\": null,\n"
        "    \"fuse_unk\": false,\n"
        "    \"byte_fallback\": false,\n"
        "    \"ignore_merges\": false,\n"
        "    \"vocab\": {", (int)lh_tokenizer_border(k), before, after);
    if (!status)
        status = tjson_write_vocabulary(ctx, k, buffer);
    if (!status)
        status = tjson_add(ctx, buffer, "\n    },\n    \"merges\": []\n"
                                        "  }\n}\n");
    return status;
}

/* ------------------------------------------------------------- reading -- */

typedef struct tjson_reader {
    lh_context *ctx;
    const char *where;
} tjson_reader;

static bool tjson_is(const lh_json *value, const char *text)
{
    return value && value->type == LH_JSON_STRING
        && value->size == strlen(text)
        && !memcmp(value->string, text, value->size);
}

static bool tjson_nothing(const lh_json *value)
{
    return !value || value->type == LH_JSON_NULL;
}

/* Refuses a part by its type's name (or a model's want of one); false. */
static bool tjson_refuse(const tjson_reader *r, const char *part,
                         const lh_json *value)
{
    char shown[LH_UTF8_SHOWN];
    const lh_json *type = lh_json_get(value, "type");
    if (type && type->type == LH_JSON_STRING)
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its %s is a \"%s\": "
                TJSON_ADVICE, r->where, part,
                lh_utf8_show(shown, type->string, type->size));
    else
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its %s is not one known here: "
                TJSON_ADVICE, r->where, part);
    return false;
}

/* Every member of `object` is one of `known` (a NULL ends them), or null or
 * false, or an empty text: what changes nothing. */
static bool tjson_members(const tjson_reader *r, const char *part,
                          const lh_json *object, const char *const *known)
{
    for (const lh_json *m = object->child; m; m = m->next) {
        char shown[LH_UTF8_SHOWN];
        bool fine = m->type == LH_JSON_NULL || m->type == LH_JSON_FALSE
            || (m->type == LH_JSON_STRING && !m->size);
        for (int i = 0; known[i] && !fine; i++)
            fine = m->key_size == strlen(known[i])
                && !memcmp(m->key, known[i], m->key_size);
        if (!fine) {
            lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its %s has \"%s\" set: "
                    TJSON_ADVICE, r->where, part,
                    lh_utf8_show(shown, m->key, m->key_size));
            return false;
        }
    }
    return true;
}

/* The one added token is the border, as id `count`. */
static bool tjson_read_border(const tjson_reader *r, const lh_json *root,
                              size_t count)
{
    static const char *const known[] = { "id", "content", "special", NULL };
    const lh_json *added = lh_json_get(root, "added_tokens");
    const lh_json *one = added && added->type == LH_JSON_ARRAY
        && added->size == 1 ? added->child : NULL;
    const lh_json *id = lh_json_get(one, "id");
    const lh_json *special = lh_json_get(one, "special");
    if (!id || !id->integral || id->integer < 0
        || (uint64_t)id->integer != count
        || !tjson_is(lh_json_get(one, "content"), TJSON_BORDER)
        || !special || special->type != LH_JSON_TRUE) {
        lh_fail(r->ctx, LH_ERROR_FORMAT,
                "%s: its added_tokens should be one special token, "
                TJSON_BORDER " as id %zu", r->where, count);
        return false;
    }
    return tjson_members(r, "added token", one, known);
}

/* ByteLevel as it is written here: no regular expression, no blank put
 * before the text. */
static bool tjson_read_byte_level(const tjson_reader *r, const lh_json *value)
{
    static const char *const known[] = { "type", "trim_offsets", NULL };
    const lh_json *regex = lh_json_get(value, "use_regex");
    const lh_json *blank = lh_json_get(value, "add_prefix_space");
    if (!tjson_is(lh_json_get(value, "type"), "ByteLevel"))
        return tjson_refuse(r, "pre_tokenizer", value);
    if (!regex || regex->type != LH_JSON_FALSE || !blank
        || blank->type != LH_JSON_FALSE) {
        lh_fail(r->ctx, LH_ERROR_FORMAT,
                "%s: its ByteLevel pre_tokenizer should have use_regex and "
                "add_prefix_space false: " TJSON_ADVICE, r->where);
        return false;
    }
    return tjson_members(r, "pre_tokenizer", value, known);
}

/* All but the vocabulary is as it is written; *bytes tells the kind. */
static bool tjson_read_frame(const tjson_reader *r, const lh_json *root,
                             bool *bytes)
{
    static const char *const in_root[] = {
        "version", "added_tokens", "pre_tokenizer", "decoder", "model", NULL
    };
    static const char *const in_model[] = { "type", "vocab", "merges", NULL };
    const lh_json *model = lh_json_get(root, "model");
    const lh_json *vocab = lh_json_get(model, "vocab");
    const lh_json *merges = lh_json_get(model, "merges");
    const lh_json *normalizer = lh_json_get(root, "normalizer");
    const lh_json *before = lh_json_get(root, "pre_tokenizer");
    const lh_json *after = lh_json_get(root, "decoder");
    if (!model) {
        lh_fail(r->ctx, LH_ERROR_FORMAT,
                "%s: it has no \"model\": this is no tokenizer.json",
                r->where);
        return false;
    }
    if (!tjson_is(lh_json_get(model, "type"), "BPE"))
        return tjson_refuse(r, "model", model);
    if (!tjson_nothing(normalizer))
        return tjson_refuse(r, "normalizer", normalizer);
    if (merges && (merges->type != LH_JSON_ARRAY || merges->size)) {
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its model has %zu merges: "
                TJSON_ADVICE, r->where, merges->size);
        return false;
    }
    if (!vocab || vocab->type != LH_JSON_OBJECT || !vocab->size) {
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its model has no vocab",
                r->where);
        return false;
    }
    if (!tjson_is(lh_json_get(root, "version"), "1.0")) {
        lh_fail(r->ctx, LH_ERROR_FORMAT,
                "%s: its version is not \"1.0\", the one known here",
                r->where);
        return false;
    }
    *bytes = !tjson_nothing(before);
    if (*bytes && !tjson_read_byte_level(r, before))
        return false;
    if (!tjson_nothing(after) && !tjson_is(lh_json_get(after, "type"),
                                           *bytes ? "ByteLevel" : "Fuse"))
        return tjson_refuse(r, "decoder", after);
    return tjson_members(r, "root", root, in_root)
        && tjson_members(r, "model", model, in_model)
        && tjson_read_border(r, root, vocab->size);
}

/* The vocabulary's characters by id into codes [vocab->size]. */
static bool tjson_read_codes(const tjson_reader *r, const lh_json *vocab,
                             uint32_t *codes)
{
    for (size_t i = 0; i < vocab->size; i++)
        codes[i] = UINT32_MAX;
    for (const lh_json *m = vocab->child; m; m = m->next) {
        char shown[LH_UTF8_SHOWN];
        uint32_t code = 0;
        int length = lh_utf8_decode(m->key, m->key_size, &code);
        lh_utf8_show(shown, m->key, m->key_size);
        if (!length || (size_t)length != m->key_size) {
            lh_fail(r->ctx, LH_ERROR_FORMAT,
                    "%s: the token \"%s\" in its vocab is not one "
                    "character: " TJSON_ADVICE, r->where, shown);
            return false;
        }
        if (!m->integral || m->integer < 0
            || (uint64_t)m->integer >= vocab->size
            || codes[m->integer] != UINT32_MAX) {
            lh_fail(r->ctx, LH_ERROR_FORMAT,
                    "%s: the id of \"%s\" in its vocab is not one of "
                    "0 .. %zu, or is given twice", r->where, shown,
                    vocab->size - 1);
            return false;
        }
        codes[m->integer] = code;
    }
    return true;
}

/* Whether the ids are numbered as they are here. */
static bool tjson_check_order(const tjson_reader *r, const uint32_t *codes,
                              size_t count, bool bytes)
{
    bool fine = !bytes || count == 256;
    for (size_t i = 0; i < count && fine; i++)
        fine = bytes ? codes[i] == tjson_byte_letter((uint32_t)i)
                     : !i || codes[i - 1] < codes[i];
    if (!fine)
        lh_fail(r->ctx, LH_ERROR_FORMAT, bytes
                ? "%s: its vocab should be the 256 byte letters, each with "
                  "its byte as id"
                : "%s: its vocab is not numbered by ascending code point",
                r->where);
    return fine;
}

LH_INTERNAL lh_tokenizer *lh_tokenizer_read(lh_context *ctx,
                                            const char *where,
                                            const char *text, size_t size)
{
    tjson_reader r = { ctx, where };
    lh_json_document document;
    if (lh_json_parse(ctx, where, text, size, &document))
        return NULL;
    lh_tokenizer *k = NULL;
    uint32_t *codes = NULL;
    bool bytes = false;
    if (!tjson_read_frame(&r, document.root, &bytes))
        goto done;
    const lh_json *vocab = lh_json_get(lh_json_get(document.root, "model"),
                                       "vocab");
    codes = lh_alloc(ctx, vocab->size, sizeof *codes);
    if (!codes || !tjson_read_codes(&r, vocab, codes)
        || !tjson_check_order(&r, codes, vocab->size, bytes))
        goto done;
    k = bytes ? lh_tokenizer_bytes(ctx)
              : lh_tokenizer_from_codes(ctx, codes, (int32_t)vocab->size);
done:
    lh_free(ctx, codes);
    lh_json_free(&document);
    return k;
}

#undef TJSON_BORDER
#undef TJSON_ADVICE
