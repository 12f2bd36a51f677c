/* The field's own tokenizers, where their files are: changed at random they
 * are read or refused, with memory that fails they are refused, texts come
 * back as they were, and a megabyte of one character, of rubbish, or without a
 * place to cut takes no longer than others do.  Their ids are
 * tests/oracle_vocabularies.py's part.  LH_MUTATIONS sets how much is
 * tried. */
#include "longhand.h"

#include "base/file.h"
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

/* Texts are the same again, or their normal form is. */
static void test_back(lh_context *ctx, const lh_tokenizer *k)
{
    static const char *const texts[] = { "names", "botchan",
                                         "tinyshakespeare" };
    for (size_t i = 0; i < LH_COUNT(texts); i++) {
        char path[1000], *back = NULL;
        lh_buffer text = { 0 }, form = { 0 };
        int32_t *ids = NULL;
        int64_t count = 0;
        size_t size = 0;
        snprintf(path, sizeof path, "%s/text/%s.txt", test_data(), texts[i]);
        CHECK(!lh_file_read(ctx, path, &text));
        CHECK(!lh_tokenizer_encode(ctx, k, text.data, text.size, &ids,
                                   &count));
        CHECK(!lh_tokenizer_decode(ctx, k, ids, count, &back, &size, NULL));
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
    if (!tested)
        SKIP("real tokenizers", "no tokenizers/ in LONGHAND_TEST_DATA");
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("vocabularies");
}
