/* Tokenizers: round trips, unknown characters, text that is not UTF-8,
 * tokenizer.json both ways and damaged in every way, failing memory.
 *
 * With arguments it is the other half of tests/oracle_tokenizers.py: in DIR
 * it leaves, for each tokenizer NAME, NAME.json (a tokenizer.json), and
 * NAME-<i>.text and NAME-<i>.ids (one id a line) for each sample text:
 *
 *     build/tests/test_tokenizer --samples DIR
 *
 * and, after it, reads what that library has saved from them:
 *
 *     build/tests/test_tokenizer --read DIR/NAME.saved */
#include "longhand.h"

#include "base/base.h"
#include "base/file.h"
#include "tokenizer/tokenizer.h"

#include "test.h"
#include "torture.h"

/* U+0000, ASCII, Latin, a combining accent, Greek, Arabic with marks, Thai,
 * Devanagari, Chinese, Hangul, emoji with joiners, the last code point. */
static const char many[] =
    "\0\t\n\r !\"'/\\<|>ABCabc~\x7f" "\xc2\x80\xc2\xa0\xc3\xa9" "e\xcc\x81"
    "\xce\xb1\xcf\x89" "\xd8\xa7\xd9\x8e" "\xe0\xb8\xa3\xe0\xb8\xb1"
    "\xe0\xa4\x95\xe0\xa5\x8d" "\xe4\xb8\xad\xe6\x96\x87" "\xed\x95\x9c"
    "\xef\xbb\xbf\xef\xbf\xbd" "\xe2\x80\xa8"
    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80" "\xf4\x8f\xbf\xbf"
    "<|endoftext|>";

typedef struct sample {
    const char *text;
    size_t size;
} sample;

/* Texts of many's characters alone. */
static const sample samples[] = {
    { many, sizeof many - 1 },
    { "abc", 3 },
    { "", 0 },
    { " ", 1 },
    { "  a  b \n\n c\r\n\t", 14 },
    { "e\xcc\x81\xc3\xa9", 5 },
    { "\0\0a", 3 },
    { "\xe4\xb8\xad\xe6\x96\x87 \xe4\xb8\xad", 10 },
    { "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80", 11 },
    { "a<|end|>\\\"'", 11 },
};

static void expect(lh_context *ctx, lh_status status, const char *part)
{
    CHECK_EQ_INT(lh_error_status(ctx), status);
    if (!strstr(lh_error_message(ctx), part))
        printf("    \"%s\" is not in \"%s\"\n", part, lh_error_message(ctx));
    CHECK(strstr(lh_error_message(ctx), part) != NULL);
    lh_error_clear(ctx);
}

/* The pieces of the ids of a text are the text. */
static void round_trip(lh_context *ctx, const lh_tokenizer *k,
                       const char *text, size_t size)
{
    int32_t *ids = NULL;
    int64_t count = -1;
    CHECK_EQ_INT(lh_tokenizer_encode(ctx, k, text, size, &ids, &count),
                 LH_OK);
    size_t at = 0;
    bool same = ids != NULL;
    for (int64_t i = 0; i < count && same; i++) {
        size_t length = 0;
        const char *piece = lh_tokenizer_piece(k, ids[i], &length);
        same = piece && length && at + length <= size
            && !memcmp(piece, text + at, length);
        at += length;
    }
    CHECK(same && at == size);
    lh_memory_free(ctx, ids);
}

static void test_bytes(lh_context *ctx)
{
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    int32_t *ids = NULL;
    int64_t count = 0;
    size_t size = 9;
    CHECK_STR(lh_tokenizer_kind(k), "bytes");
    CHECK_EQ_INT(lh_tokenizer_vocabulary(k), 257);
    CHECK_EQ_INT(lh_tokenizer_border(k), 256);
    CHECK(lh_tokenizer_piece(k, 256, &size) && size == 0);
    CHECK(!lh_tokenizer_piece(k, 257, &size) && size == 0);
    CHECK(!lh_tokenizer_piece(k, -1, NULL));
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)(255 - i);
    round_trip(ctx, k, all, 256);
    CHECK(!lh_tokenizer_encode(ctx, k, all, 256, &ids, &count));
    bool right = count == 256;
    for (int i = 0; i < 256 && right; i++)
        right = ids[i] == 255 - i;
    CHECK(right);
    lh_memory_free(ctx, ids);
    round_trip(ctx, k, NULL, 0);
    lh_tokenizer_free(k);
    CHECK_STR(lh_error_message(ctx), "");
}

static void test_characters(lh_context *ctx)
{
    lh_tokenizer *k = lh_tokenizer_characters(ctx, "hello", 5);
    int32_t *ids = NULL;
    int64_t count = 0;
    size_t size = 9;
    CHECK_STR(lh_tokenizer_kind(k), "characters");
    CHECK_EQ_INT(lh_tokenizer_vocabulary(k), 5);      /* e h l o, border   */
    CHECK_EQ_INT(lh_tokenizer_border(k), 4);
    CHECK(lh_tokenizer_piece(k, 4, &size) && size == 0);
    CHECK(!lh_tokenizer_piece(k, 5, &size));
    CHECK(!lh_tokenizer_encode(ctx, k, "hole", 4, &ids, &count));
    CHECK(count == 4 && ids[0] == 1 && ids[1] == 3 && ids[2] == 2
          && ids[3] == 0);
    lh_memory_free(ctx, ids);
    lh_tokenizer_free(k);

    k = lh_tokenizer_characters(ctx, many, sizeof many - 1);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        round_trip(ctx, k, samples[i].text, samples[i].size);
    lh_tokenizer_free(k);
    CHECK_STR(lh_error_message(ctx), "");
}

static void refuse(lh_context *ctx, const lh_tokenizer *k, const char *text,
                   size_t size, const char *part)
{
    int32_t some, *ids = &some;
    int64_t count = 5;
    CHECK_EQ_INT(lh_tokenizer_encode(ctx, k, text, size, &ids, &count),
                 LH_ERROR_FORMAT);
    CHECK(!ids && !count);
    expect(ctx, LH_ERROR_FORMAT, part);
}

static void test_unknown(lh_context *ctx)
{
    lh_tokenizer *k = lh_tokenizer_characters(ctx, "ab\xc3\xa9", 4);
    refuse(ctx, k, "abc", 3, "byte 2: the character 'c' (U+0063) is not");
    refuse(ctx, k, "a\xc3\xa9\n", 4, "byte 3: the character U+000A is not");
    refuse(ctx, k, "\0", 1, "byte 0: the character U+0000 is not");
    refuse(ctx, k, "a?", 2, "byte 1: the character '?' (U+003F)");
    refuse(ctx, k, "b\xc3\xaa", 3, "'\xc3\xaa' (U+00EA)");
    refuse(ctx, k, "b\xf0\x9f\x9a\x80", 5, "(U+1F680)");
    refuse(ctx, k, "x", 1, "use the byte tokenizer");
    refuse(ctx, k, "ab\xff", 3, "byte 2 (0xFF) is not UTF-8");
    refuse(ctx, k, "ab\xc3", 3, "byte 2 (0xC3) is not UTF-8");
    refuse(ctx, k, "\x80\x80\x80", 3, "byte 0 (0x80) is not UTF-8");
    lh_tokenizer_free(k);
    CHECK(!lh_tokenizer_characters(ctx, "abc\xed\xa0\x80", 6));
    expect(ctx, LH_ERROR_FORMAT, "byte 3 (0xED) is not UTF-8");
    CHECK(!lh_tokenizer_characters(ctx, "", 0));
    expect(ctx, LH_ERROR_FORMAT, "the text is empty");
    CHECK(!lh_tokenizer_characters(ctx, NULL, 2));
    expect(ctx, LH_ERROR_ARGUMENT, "NULL");
}

static void test_null(lh_context *ctx)
{
    int32_t *ids;
    int64_t count;
    CHECK(!lh_tokenizer_bytes(NULL));
    CHECK(!lh_tokenizer_characters(NULL, "a", 1));
    CHECK(!lh_tokenizer_kind(NULL));
    CHECK_EQ_INT(lh_tokenizer_vocabulary(NULL), 0);
    CHECK_EQ_INT(lh_tokenizer_border(NULL), -1);
    CHECK(!lh_tokenizer_piece(NULL, 0, NULL));
    CHECK_EQ_INT(lh_tokenizer_encode(ctx, NULL, "a", 1, &ids, &count),
                 LH_ERROR_ARGUMENT);
    expect(ctx, LH_ERROR_ARGUMENT, "NULL");
    lh_tokenizer_free(NULL);
}

/* ------------------------------------------------------ tokenizer.json -- */

static lh_tokenizer *read_text(lh_context *ctx, const char *text)
{
    return lh_tokenizer_from(ctx, "t.json", text, strlen(text), NULL);
}

/* Written, read and written again is the same bytes. */
static void there_and_back(lh_context *ctx, lh_tokenizer *k)
{
    lh_buffer one = { 0 }, two = { 0 };
    CHECK_EQ_INT(lh_tokenizer_write(ctx, k, &one), LH_OK);
    lh_tokenizer *back = lh_tokenizer_from(ctx, "t.json", one.data, one.size,
                                           NULL);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK(back != NULL);
    if (back) {
        CHECK_STR(lh_tokenizer_kind(back), lh_tokenizer_kind(k));
        CHECK_EQ_INT(lh_tokenizer_border(back), lh_tokenizer_border(k));
        CHECK_EQ_INT(lh_tokenizer_write(ctx, back, &two), LH_OK);
        CHECK(one.size == two.size && !memcmp(one.data, two.data, one.size));
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
            round_trip(ctx, back, samples[i].text, samples[i].size);
    }
    lh_tokenizer_free(back);
    lh_buffer_free(ctx, &one);
    lh_buffer_free(ctx, &two);
}

/* `what` in a small valid file, made `with`, is refused with `part` in the
 * message; or read, where part is NULL. */
static void changed(lh_context *ctx, const char *valid, const char *what,
                    const char *with, const char *part)
{
    const char *found = strstr(valid, what);
    CHECK(found != NULL);
    if (!found)
        return;
    size_t room = strlen(valid) + strlen(with) + 1;
    char *text = malloc(room);
    snprintf(text, room, "%.*s%s%s", (int)(found - valid), valid, with,
             found + strlen(what));
    lh_tokenizer *k = read_text(ctx, text);
    CHECK((k != NULL) == !part);
    if (part)
        expect(ctx, LH_ERROR_FORMAT, part);
    else
        CHECK_STR(lh_error_message(ctx), "");
    lh_tokenizer_free(k);
    free(text);
}

static void test_foreign(lh_context *ctx, const char *valid, bool bytes)
{
    changed(ctx, valid, "\"BPE\"", "\"WordPiece\"",
            "t.json: its model is a \"WordPiece\"");
    changed(ctx, valid, "\"normalizer\": null", "\"normalizer\": {\"type\": "
            "\"BertNormalizer\"}", "its normalizer is a \"BertNormalizer\"");
    changed(ctx, valid, "\"normalizer\": null", "\"normalizer\": {\"type\": "
            "\"Lowercase\"}", NULL);
    changed(ctx, valid, "\"post_processor\": null", "\"post_processor\": {}",
            "its post_processor is not one");
    changed(ctx, valid, "\"truncation\": null", "\"truncation\": {}",
            "its root has \"truncation\" set");
    changed(ctx, valid, "\"merges\": []", "\"merges\": [\"a zz\"]",
            "merge 1, \"a\" and \"zz\"");
    changed(ctx, valid, "\"merges\": []", "\"merges\": [7]",
            "merge 1 is not two tokens");
    changed(ctx, valid, "\"merges\": []", "\"merges\": {}", "no merges");
    changed(ctx, valid, "\"dropout\": null", "\"dropout\": 0.1",
            "its model has \"dropout\" set");
    changed(ctx, valid, "\"unk_token\": null", "\"unk_token\": \"zz\"",
            "its unk_token");
    changed(ctx, valid, "<|endoftext|>", "", "an added token is empty");
    changed(ctx, valid, "\"version\": \"1.0\"", "\"version\": \"2.0\"",
            "its version");
    changed(ctx, valid, "\"dropout\": null,", "", NULL);
    changed(ctx, valid, "\"dropout\": null", "\"new\": null", NULL);
    changed(ctx, valid, "\"unk_token\": null,", "\"dropout\": null,",
            "the key \"dropout\" twice");
    changed(ctx, valid, "\"model\"", "\"modem\"", "it has no \"model\"");
    if (bytes) {
        changed(ctx, valid, "\"type\": \"ByteLevel\"", "\"type\": "
                "\"UnicodeScripts\"", "a \"UnicodeScripts\"");
        changed(ctx, valid, "\"use_regex\": false", "\"use_regex\": true",
                NULL);
        changed(ctx, valid, "\"!\": 33", "\"!\": 34",
                "the id 34 is given to two tokens");
        return;
    }
    changed(ctx, valid, "\"pre_tokenizer\": null", "\"pre_tokenizer\": "
            "{\"type\": \"Whitespace\"}", "its pre_tokenizer is a "
            "\"Whitespace\"");
    changed(ctx, valid, "\"Fuse\"", "\"WordPiece\"",
            "its decoder is a \"WordPiece\"");
    changed(ctx, valid, "\"a\": 0", "\"ab\": 0", NULL);
    changed(ctx, valid, "\"a\": 0", "\"a\": 1",
            "the id 1 is given to two tokens");
    changed(ctx, valid, "\"a\": 0", "\"a\": -1", "\"a\"");
    changed(ctx, valid, "\"a\": 0", "\"a\": 0.0", "\"a\"");
    changed(ctx, valid, "\"a\": 0", "\"a\": 99999999999", "\"a\"");
}

/* Whatever it holds, reading gives a tokenizer or an error. */
static void damaged(lh_context *ctx, const char *text, size_t size,
                    int64_t *read)
{
    /* Of its own size, so that a sanitizer sees a byte too many. */
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "t.json", copy, size, NULL);
    bool told = lh_error_status(ctx) != LH_OK && lh_error_message(ctx)[0];
    CHECK(told == !k);                 /* one of them, never both          */
    *read += k != NULL;
    lh_tokenizer_free(k);
    lh_error_clear(ctx);
    free(copy);
}

static void test_damaged(lh_context *ctx, const char *valid, size_t size)
{
    int64_t read = 0;
    /* But for the newlines at the end each byte is needed. */
    for (size_t n = 0; n < size - 1; n++)
        damaged(ctx, valid, n, &read);
    CHECK_EQ_INT(read, 0);
    static const char bytes[] = "\"\\{}[],:0123-.eEu \n\0\x80\xff\xc3ntf";
    char *text = malloc(size + 8);
    uint64_t state = 11;
    for (int round = 0; round < 100000; round++) {
        memcpy(text, valid, size);
        size_t length = size;
        for (uint64_t edits = 1 + test_random(&state) % 3; edits; edits--) {
            size_t at = test_random(&state) % length;
            char byte = bytes[test_random(&state) % (sizeof bytes - 1)];
            switch (test_random(&state) % 4) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                text[at] = (char)(text[at] ^ 1 << test_random(&state) % 8);
                break;
            case 2:                    /* one byte more                    */
                memmove(text + at + 1, text + at, length++ - at);
                text[at] = byte;
                break;
            default:                   /* one byte less                    */
                memmove(text + at, text + at + 1, --length - at);
                break;
            }
        }
        damaged(ctx, text, length, &read);
    }
    CHECK(read > 0 && read < 50000);
    free(text);
}

/* A deep tree and a long one are refused, not followed off the stack. */
static void test_hostile(lh_context *ctx)
{
    enum { SIZE = 200000 };
    char *text = malloc(SIZE);
    int64_t read = 0;
    memset(text, '[', SIZE);
    damaged(ctx, text, SIZE, &read);
    for (size_t i = 0; i + 5 <= SIZE; i += 5)
        memcpy(text + i, "{\"\":", 5);
    damaged(ctx, text, SIZE, &read);
    damaged(ctx, "[]", 2, &read);
    damaged(ctx, "null", 4, &read);
    damaged(ctx, "{\"model\": []}", 13, &read);
    damaged(ctx, "{\"model\": {\"type\": \"BPE\", \"vocab\": {}}}", 39,
            &read);
    CHECK_EQ_INT(read, 0);
    free(text);
}

static void test_json(lh_context *ctx)
{
    lh_buffer file = { 0 };
    lh_tokenizer *k = lh_tokenizer_characters(ctx, "a\nc", 3);
    CHECK(!lh_tokenizer_write(ctx, k, &file));
    lh_tokenizer_free(k);
    /* For the changes the letters are a, b, c. */
    char *newline = strstr(file.data, "\"\\n\": 0");
    CHECK(newline != NULL);
    lh_buffer_free(ctx, &file);

    k = lh_tokenizer_characters(ctx, "abc", 3);
    CHECK(!lh_tokenizer_write(ctx, k, &file));
    test_foreign(ctx, file.data, false);
    test_damaged(ctx, file.data, file.size);
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &file);

    k = lh_tokenizer_bytes(ctx);
    there_and_back(ctx, k);
    CHECK(!lh_tokenizer_write(ctx, k, &file));
    test_foreign(ctx, file.data, true);
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &file);

    k = lh_tokenizer_characters(ctx, many, sizeof many - 1);
    there_and_back(ctx, k);
    lh_tokenizer_free(k);
}

/* -------------------------------------------------------------- memory -- */

static bool everything(lh_context *ctx)
{
    lh_buffer file = { 0 };
    int32_t *ids = NULL;
    int64_t count;
    lh_tokenizer *read = NULL;
    lh_tokenizer *b = lh_tokenizer_bytes(ctx);
    lh_tokenizer *k = b ? lh_tokenizer_characters(ctx, "abc", 3) : NULL;
    bool done = k && !lh_tokenizer_encode(ctx, k, "cab", 3, &ids, &count)
        && !lh_tokenizer_write(ctx, k, &file)
        && (read = lh_tokenizer_from(ctx, "t", file.data, file.size,
                                     NULL)) != NULL;
    lh_tokenizer_free(read);
    lh_buffer_free(ctx, &file);
    if (done) {
        done = !lh_tokenizer_write(ctx, b, &file)
            && (read = lh_tokenizer_from(ctx, "t", file.data, file.size,
                                         NULL));
        if (done)
            lh_tokenizer_free(read);
    }
    lh_buffer_free(ctx, &file);
    lh_memory_free(ctx, ids);
    lh_tokenizer_free(b);
    lh_tokenizer_free(k);
    return done;
}

static void test_memory(void)
{
    for (int64_t n = 1;; n++) {
        torture memory = { 0 };
        lh_context *ctx = lh_context_new(&(lh_settings){
            .allocator = torture_allocator(&memory), .threads = 1 });
        torture_fail_at(&memory, n);
        bool done = everything(ctx), failed = torture_failed(&memory);
        CHECK(done != failed);
        CHECK_EQ_INT(lh_error_status(ctx), failed ? LH_ERROR_MEMORY : LH_OK);
        lh_error_clear(ctx);
        torture_fail_at(&memory, 0);
        CHECK(everything(ctx));
        lh_context_free(ctx);
        CHECK_EQ_INT(memory.live, 0);
        if (!failed) {
            CHECK(n > 15);
            return;
        }
    }
}

/* ---------------------------------------------- for the other library -- */

static bool leave(const char *directory, const char *name, const char *data,
                  size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    bool fine = file && fwrite(data, 1, size, file) == size;
    if (file && fclose(file))
        fine = false;
    if (!fine)
        fprintf(stderr, "%s: cannot be written\n", path);
    return fine;
}

static bool leave_tokenizer(lh_context *ctx, const char *directory,
                            const char *name, const lh_tokenizer *k)
{
    char file[64];
    lh_buffer json = { 0 };
    snprintf(file, sizeof file, "%s.json", name);
    bool fine = !lh_tokenizer_write(ctx, k, &json)
        && leave(directory, file, json.data, json.size);
    lh_buffer_free(ctx, &json);
    for (size_t i = 0; i < sizeof samples / sizeof *samples && fine; i++) {
        lh_buffer list = { 0 };
        int32_t *ids;
        int64_t count;
        fine = !lh_tokenizer_encode(ctx, k, samples[i].text, samples[i].size,
                                    &ids, &count)
            && !lh_buffer_add(ctx, &list, "", 0);
        for (int64_t j = 0; j < count && fine; j++)
            fine = !lh_buffer_printf(ctx, &list, "%d\n", (int)ids[j]);
        lh_memory_free(ctx, ids);
        snprintf(file, sizeof file, "%s-%zu.text", name, i);
        fine = fine && leave(directory, file, samples[i].text,
                             samples[i].size);
        snprintf(file, sizeof file, "%s-%zu.ids", name, i);
        fine = fine && leave(directory, file, list.data, list.size);
        lh_buffer_free(ctx, &list);
    }
    return fine;
}

static int leave_samples(lh_context *ctx, const char *directory)
{
    lh_tokenizer *b = lh_tokenizer_bytes(ctx);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, many, sizeof many - 1);
    bool fine = b && k && leave_tokenizer(ctx, directory, "bytes", b)
        && leave_tokenizer(ctx, directory, "characters", k);
    lh_tokenizer_free(b);
    lh_tokenizer_free(k);
    lh_context_free(ctx);
    return fine ? 0 : 1;
}

static int read_file(lh_context *ctx, const char *path)
{
    lh_buffer text = { 0 };
    lh_tokenizer *k = NULL;
    if (!lh_file_read(ctx, path, &text))
        k = lh_tokenizer_from(ctx, path, text.data, text.size, NULL);
    if (k)
        printf("%s: %s, %d tokens\n", path, lh_tokenizer_kind(k),
               (int)lh_tokenizer_vocabulary(k));
    else
        fprintf(stderr, "%s\n", lh_error_message(ctx));
    int result = k ? 0 : 1;
    lh_buffer_free(ctx, &text);
    lh_tokenizer_free(k);
    lh_context_free(ctx);
    return result;
}

int main(int argc, char **argv)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    if (argc == 3 && !strcmp(argv[1], "--samples"))
        return leave_samples(ctx, argv[2]);
    if (argc == 3 && !strcmp(argv[1], "--read"))
        return read_file(ctx, argv[2]);
    test_bytes(ctx);
    test_characters(ctx);
    test_unknown(ctx);
    test_null(ctx);
    test_json(ctx);
    test_hostile(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    test_memory();
    return test_end("tokenizer");
}
