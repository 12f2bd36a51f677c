/* The field's own tokenizers, where their files are: changed at random they
 * are read or refused, with memory that fails they are refused, texts come
 * back as they were, and a megabyte of one character, of rubbish, or without a
 * place to cut takes no longer than others do.  Their ids are those that their
 * libraries gave, of which tests/vocabularies.txt has hashes and the GGUF
 * files' neighbours some lines; tests/oracle_vocabularies.py asks the
 * libraries themselves.  LH_MUTATIONS sets how much is tried. */
#include "longhand.h"

#include "base/file.h"
#include "base/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

#include "hostile.h"
#include "test.h"

static const char *const real_files[] = {
    "tokenizers/gpt2/tokenizer.json", "tokenizers/minimind/tokenizer.json",
    "tokenizers/llama2/tokenizer.model", "tokenizers/llama2/tokenizer.bin",
    "tokenizers/r50k_base.tiktoken", "tokenizers/cl100k_base.tiktoken",
    "tokenizers/o200k_base.tiktoken", "tokenizers/gpt2/encoder.json",
    "tokenizers/qwen2/vocab.json", "tokenizers/llama3.2/encoder.json",
    "vocab-gguf/ggml-vocab-gpt-2.gguf", "vocab-gguf/ggml-vocab-falcon.gguf",
    "vocab-gguf/ggml-vocab-deepseek-llm.gguf",
    "vocab-gguf/ggml-vocab-llama-spm.gguf",
};

typedef struct real_file {
    const char *path, *text;
    size_t size;
} real_file;

/* Reads it, and encodes a little and decodes it again. */
static lh_status real_use(lh_context *ctx, void *arg)
{
    static const char sample[] = "Hello  wor\xffld, it's 12345\u4e2d\n";
    const real_file *f = arg;
    int32_t *ids = NULL;
    int64_t count = 0;
    char *back = NULL;
    size_t size;
    lh_tokenizer *k = lh_tokenizer_from(ctx, f->path, f->text, f->size,
                                        NULL);
    if (k && !lh_tokenizer_encode_as(ctx, k, sample, sizeof sample - 1,
                                     &(lh_encoding){ true, true }, &ids,
                                     &count))
        lh_tokenizer_decode(ctx, k, ids, count, &back, &size, NULL);
    lh_memory_free(ctx, ids);
    lh_memory_free(ctx, back);
    lh_tokenizer_free(k);
    return lh_error_status(ctx);
}

/* Damaged, in a block of its own size. */
static void test_mutations(const real_file *f, int64_t count)
{
    hostile_memory memory;
    lh_context host = hostile_context(&memory);
    uint64_t state = f->size;
    size_t room = 2 * f->size;
    char *text = malloc(room);
    for (int64_t i = 0; i < count; i++) {
        size_t size = f->size;
        memcpy(text, f->text, size);
        hostile_mutate(&state, text, &size, room);
        char *exact = malloc(size + !size);
        memcpy(exact, text, size);
        lh_error_clear(&host);
        lh_status status = real_use(&host, &(real_file){ f->path, exact,
                                                         size });
        CHECK((status != LH_OK) == (lh_error_message(&host)[0] != 0));
        CHECK_EQ_INT(memory.live, 0);
        free(exact);
    }
    free(text);
}

/* The first, a later, ... allocation fails. */
static void test_memory(const real_file *f, int64_t step)
{
    hostile_memory memory;
    lh_context host = hostile_context(&memory);
    lh_status status = LH_ERROR_MEMORY;
    for (int64_t n = 1; n < 100000 && status; n += step) {
        memory.calls = 0;
        memory.fail_at = n;
        lh_error_clear(&host);
        status = real_use(&host, (void *)f);
        CHECK(!status || status == LH_ERROR_MEMORY);
        CHECK_EQ_INT(memory.live, 0);
    }
    CHECK_EQ_INT(status, LH_OK);
}

/* Texts are the same again, or their normal form is; each token's bytes lie
 * where they are said to. */
static void test_back(lh_context *ctx, const lh_tokenizer *k)
{
    static const char *const texts[] = { "names", "botchan",
                                         "tinyshakespeare" };
    for (size_t i = 0; i < LH_COUNT(texts); i++) {
        char path[1000], *back = NULL;
        lh_buffer text = { 0 }, form = { 0 };
        int32_t *ids = NULL;
        int64_t count = 0, wrong = 0, *offsets;
        size_t size = 0, length;
        snprintf(path, sizeof path, "%s/text/%s.txt", test_data(), texts[i]);
        CHECK(!lh_file_read(ctx, path, &text));
        CHECK(!lh_tokenizer_encode(ctx, k, text.data, text.size, &ids,
                                   &count));
        offsets = malloc((size_t)(count + 1) * sizeof *offsets);
        CHECK(!lh_tokenizer_decode(ctx, k, ids, count, &back, &size,
                                   offsets));
        for (int64_t j = count ? count - 1 : 0; j > 0; j--) {
            const char *piece = lh_tokenizer_piece(k, ids[j], &length);
            wrong += offsets[j] + (int64_t)length != offsets[j + 1] ||
                     memcmp(back + offsets[j], piece, length);
        }
        CHECK(!wrong && !offsets[0] && offsets[count] == (int64_t)size);
        free(offsets);
        if (k->bpe->form >= 0)
            CHECK(!lh_unicode_normalize(ctx, k->bpe->form, text.data,
                                        text.size, &form));
        const lh_buffer *wanted = k->bpe->form >= 0 ? &form : &text;
        CHECK(size == wanted->size && !memcmp(back, wanted->data, size));
        lh_memory_free(ctx, ids);
        lh_memory_free(ctx, back);
        lh_buffer_free(ctx, &text);
        lh_buffer_free(ctx, &form);
    }
}

/* ----------------------------------------------------- what is known -- */

/* The hash of tests/vocabularies.txt. */
static uint32_t hash_ids(lh_context *ctx, const lh_tokenizer *k,
                         const char *text, size_t size)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    uint64_t hash = 0xcbf29ce484222325u;
    CHECK(!lh_tokenizer_encode(ctx, k, text, size, &ids, &count));
    for (int64_t i = 0; i < count; i++)
        hash = (hash ^ (uint32_t)ids[i]) * 0x100000001b3u;
    lh_memory_free(ctx, ids);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Each code point, from U+3000 on every 31st one, in company. */
static void put_codes(lh_context *ctx, lh_buffer *b)
{
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 31) {
        static const char around[] = " @ \n1@1\n@@\na@b\nA@\n '@s 's@";
        if (c >= 0xd800 && c < 0xe000)
            continue;
        for (const char *a = around; *a; a++) {
            char code[4] = { *a };
            int size = *a == '@' ? lh_utf8_encode(c, code) : 1;
            lh_buffer_add(ctx, b, code, (size_t)size);
        }
    }
    CHECK(!b->status);
}

/* A line of tests/vocabularies.txt: a file and hashes of the ids of texts. */
static void test_hashes(lh_context *ctx, const lh_buffer *text, int texts)
{
    char line[200], name[100], path[1000];
    int lines = 0;
    FILE *file = fopen("tests/vocabularies.txt", "r");
    if (!file)
        SKIP("hashes of ids", "no tests/vocabularies.txt here");
    while (file && fgets(line, sizeof line, file)) {
        int used = 0;
        if (*line == '#' || sscanf(line, "%99s%n", name, &used) != 1)
            continue;
        snprintf(path, sizeof path, "%s/tokenizers/%s", test_data(), name);
        lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
        CHECK(k != NULL);
        char *at = line + used;
        for (int i = 0; k && i < texts; i++) {
            uint32_t wanted = (uint32_t)strtoul(at, &at, 16);
            bool same = hash_ids(ctx, k, text[i].data, text[i].size) ==
                        wanted;
            CHECK(same);
            if (!same)
                printf("    %s: other ids of text %d\n", name, i + 1);
        }
        lh_tokenizer_free(k);
        lines++;
    }
    CHECK(!file || lines > 5);
    if (file)
        fclose(file);
}

/* The texts of NAME.gguf.inp and, a line each, their ids in NAME.gguf.out. */
static void test_lines(lh_context *ctx, const char *name, const char *of)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[1000];
    lh_buffer text = { 0 }, out = { 0 };
    int64_t wrong = 0, lines = 0;
    snprintf(path, sizeof path, "%s/vocab-gguf/ggml-vocab-%s.gguf.inp",
             test_data(), name);
    CHECK(!lh_file_read(ctx, path, &text));
    memcpy(path + strlen(path) - 4, ".out", 4);
    CHECK(!lh_file_read(ctx, path, &out));
    CHECK(!lh_buffer_add(ctx, &text, "", 1) &&
          !lh_buffer_add(ctx, &out, "", 1));
    snprintf(path, sizeof path, of ? "%s/tokenizers/%s" :
             "%s/vocab-gguf/ggml-vocab-%s.gguf", test_data(), of ? of : name);
    lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
    CHECK(k != NULL);
    const char *at = text.data, *id = out.data;
    while (k && at && id) {
        const char *end = strstr(at, mark), *line = strchr(id, '\n');
        int32_t *ids = NULL;
        int64_t count = 0, i = 0;
        CHECK(!lh_tokenizer_encode(ctx, k, at, end ? (size_t)(end - at)
                                                   : strlen(at), &ids,
                                   &count));
        for (char *next; *id != '\n' && *id; id = next, i++) {
            long wanted = strtol(id, &next, 10);
            wrong += next == id || i >= count || ids[i] != wanted;
            if (next == id)
                break;
            next += *next == ' ';
        }
        wrong += i != count;
        lh_memory_free(ctx, ids);
        at = end ? end + sizeof mark - 1 : NULL;
        id = line ? line + 1 : NULL;
        lines++;
    }
    CHECK(lines > 30);
    CHECK_EQ_INT(wrong, 0);
    if (wrong)
        printf("    %s: other ids\n", name);
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &text);
    lh_buffer_free(ctx, &out);
}

/* Special tokens, of which files do not say all. */
static void test_specials(lh_context *ctx)
{
    static const struct { const char *file, *text; int32_t id; }
    known[] = {
        { "r50k_base.tiktoken", "<|endoftext|>", 50256 },
        { "cl100k_base.tiktoken", "<|fim_suffix|>", 100260 },
        { "cl100k_base.tiktoken", "<|endofprompt|>", 100276 },
        { "o200k_base.tiktoken", "<|endofprompt|>", 200018 },
        { "gpt2/encoder.json", "<|endoftext|>", 50256 },
        { "llama3.2/encoder.json", "<|eot_id|>", 128009 },
        { "qwen2/vocab.json", "<|im_end|>", 151645 },
        { "llama2/tokenizer.model", "<s>", 1 },
        { "llama2/tokenizer.bin", "\n</s>\n", 2 },
    };
    for (size_t i = 0; i < LH_COUNT(known); i++) {
        char path[1000];
        int32_t *ids = NULL;
        int64_t count = 0;
        snprintf(path, sizeof path, "%s/tokenizers/%s", test_data(),
                 known[i].file);
        lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
        size_t size = strlen(known[i].text);
        CHECK(!lh_tokenizer_encode(ctx, k, known[i].text, size, &ids,
                                   &count));
        CHECK(count > 1);
        lh_memory_free(ctx, ids);
        CHECK(!lh_tokenizer_encode_as(ctx, k, known[i].text, size,
                                      &(lh_encoding){ .special = true },
                                      &ids, &count));
        CHECK(count == 1 && ids[0] == known[i].id);
        lh_memory_free(ctx, ids);
        lh_tokenizer_free(k);
    }
}

static void test_known(lh_context *ctx)
{
    static const char *const texts[] = { "names", "botchan",
                                         "tinyshakespeare" };
    static const char *const line[][2] = {
        { "gpt-2", NULL }, { "falcon", NULL }, { "deepseek-llm", NULL },
        { "llama-spm", NULL }, { "llama-bpe", "llama3.2/encoder.json" },
        { "qwen2", "qwen2/vocab.json" },
    };
    lh_buffer text[4] = { { 0 } };
    for (int i = 0; i < 3; i++) {
        char path[1000];
        snprintf(path, sizeof path, "%s/text/%s.txt", test_data(), texts[i]);
        CHECK(!lh_file_read(ctx, path, &text[i]));
    }
    put_codes(ctx, &text[3]);
    test_hashes(ctx, text, 4);
    test_specials(ctx);
    for (size_t i = 0; i < LH_COUNT(line); i++)
        test_lines(ctx, line[i][0], line[i][1]);
    for (int i = 0; i < 4; i++)
        lh_buffer_free(ctx, &text[i]);
}

/* What has no place to cut.  A step that looked at all the rest each time
 * would take hours, so that this has no clock. */
static void test_long(lh_context *ctx, const lh_tokenizer *k, size_t size)
{
    bool exact = !k->bpe->characters && k->bpe->form < 0;
    for (int i = 0; i < 256; i++)      /* Falcon's has not every byte      */
        exact &= k->bpe->byte_id[i] >= 0;
    char *text = malloc(size), *back;
    uint64_t state = 4;
    for (int kind = 0; kind < 6; kind++) {
        int32_t *ids;
        int64_t count;
        size_t length;
        for (size_t i = 0; i < size; i++) {
            uint64_t word = test_random(&state);
            text[i] = kind == 0 ? 'a' : kind == 1 ? ' '
                    : kind == 2 ? "\U0001f600"[i % 4]
                    : kind == 3 ? (char)word : kind == 4
                    ? "ab"[word % 2] : (char)('a' + word % 26);
        }
        CHECK(!lh_tokenizer_encode(ctx, k, text, size, &ids, &count));
        CHECK(!lh_tokenizer_decode(ctx, k, ids, count, &back, &length,
                                   NULL));
        if (exact || kind < 2 || kind > 3)
            CHECK(length == size && !memcmp(back, text, size));
        lh_memory_free(ctx, ids);
        lh_memory_free(ctx, back);
    }
    free(text);
}

static void test_file(lh_context *ctx, const char *path, int64_t mutations)
{
    lh_buffer file = { 0 };
    bool much = mutations >= 200;
    CHECK(!lh_file_read(ctx, path, &file));
    real_file f = { path, file.data, file.size };
    lh_tokenizer *k = lh_tokenizer_from(ctx, path, f.text, f.size, NULL);
    CHECK_STR(lh_error_message(ctx), "");
    CHECK(k != NULL);
    if (k) {
        test_back(ctx, k);
        test_long(ctx, k, much ? 1000000 : 100000);
    }
    lh_tokenizer_free(k);
    test_mutations(&f, mutations);
    test_memory(&f, much ? 1 : 29);
    lh_buffer_free(ctx, &file);
}

int main(int argc, char **argv)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    const char *set = getenv("LH_MUTATIONS");
    int64_t mutations = set ? atoll(set) / 5000 : 2;
    int tested = 0;
    for (size_t i = 0; i < LH_COUNT(real_files); i++) {
        char path[1000];
        snprintf(path, sizeof path, "%s/%s", test_data(), real_files[i]);
        if (!lh_file_there(ctx, path) ||
            (argc > 1 && !strstr(path, argv[1])))
            continue;
        test_file(ctx, path, mutations > 2 ? mutations : 2);
        tested++;
    }
    if (tested && argc < 2)
        test_known(ctx);
    if (!tested)
        SKIP("real tokenizers", "no tokenizers/ in LONGHAND_TEST_DATA");
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("vocabularies");
}
