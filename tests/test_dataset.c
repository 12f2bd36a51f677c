/* Datasets: lines and whole texts, awkward endings, the index, the built-in
 * names, files, and failing memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include <unistd.h>

#include "test.h"
#include "torture.h"

static bool is(const lh_dataset *d, int64_t i, const char *wanted)
{
    size_t size = 99;
    const char *text = lh_dataset_document(d, i, &size);
    return text && size == strlen(wanted) && !memcmp(text, wanted, size);
}

static bool has(const lh_dataset *d, const char *text)
{
    return lh_dataset_contains(d, text, strlen(text));
}

static void test_lines(lh_context *ctx)
{
    static const char text[] =
        "\n  anna\r\nbo b\t\n \t\r\n\n\tcleo  \r\r\ndan";
    lh_dataset *d = lh_dataset_text(ctx, text, sizeof text - 1,
                                    LH_DOCUMENTS_LINES);
    CHECK_EQ_INT(lh_dataset_documents(d), 4);
    CHECK(is(d, 0, "anna") && is(d, 1, "bo b") && is(d, 2, "cleo")
          && is(d, 3, "dan"));
    size_t size = 0;
    const char *bytes = lh_dataset_bytes(d, &size);
    CHECK_EQ_INT(size, 15);
    CHECK(bytes && !memcmp(bytes, "annabo bcleodan", 15));
    CHECK(has(d, "anna") && has(d, "bo b") && has(d, "cleo")
          && has(d, "dan"));
    CHECK(!has(d, "") && !has(d, "ann") && !has(d, "anna\n")
          && !has(d, "bo") && !has(d, "dann"));
    CHECK(!lh_dataset_document(d, 4, &size) && size == 0);
    CHECK(!lh_dataset_document(d, -1, NULL));
    lh_dataset_free(d);

    /* Bytes are bytes: a NUL, and what is no UTF-8. */
    d = lh_dataset_text(ctx, "a\0b\n\xff\xfe", 6, LH_DOCUMENTS_LINES);
    CHECK_EQ_INT(lh_dataset_documents(d), 2);
    CHECK(lh_dataset_contains(d, "a\0b", 3)
          && lh_dataset_contains(d, "\xff\xfe", 2)
          && !lh_dataset_contains(d, "a", 1));
    lh_dataset_free(d);

    d = lh_dataset_text(ctx, "x", 1, LH_DOCUMENTS_LINES);
    CHECK(is(d, 0, "x") && has(d, "x"));
    lh_dataset_free(d);
    /* A carriage return within a line is no end of it. */
    d = lh_dataset_text(ctx, "a\rb\nc", 5, LH_DOCUMENTS_LINES);
    CHECK(is(d, 0, "a\rb") && is(d, 1, "c"));
    lh_dataset_free(d);
    CHECK_STR(lh_error_message(ctx), "");
}

static void test_whole(lh_context *ctx)
{
    static const char text[] = " one\r\n\ntwo \n";
    lh_dataset *d = lh_dataset_text(ctx, text, sizeof text - 1,
                                    LH_DOCUMENTS_WHOLE);
    size_t size = 0;
    CHECK_EQ_INT(lh_dataset_documents(d), 1);
    CHECK(is(d, 0, text) && has(d, text) && !has(d, "one"));
    const char *bytes = lh_dataset_bytes(d, &size);
    CHECK(size == sizeof text - 1 && bytes && !memcmp(bytes, text, size));
    lh_dataset_free(d);
    d = lh_dataset_text(ctx, "\n", 1, LH_DOCUMENTS_WHOLE);
    CHECK(is(d, 0, "\n"));
    lh_dataset_free(d);
}

static void expect(lh_context *ctx, const lh_dataset *d, lh_status status,
                   const char *part)
{
    CHECK(!d);
    CHECK_EQ_INT(lh_error_status(ctx), status);
    if (!strstr(lh_error_message(ctx), part))
        printf("    \"%s\" is not in \"%s\"\n", part, lh_error_message(ctx));
    CHECK(strstr(lh_error_message(ctx), part) != NULL);
    lh_error_clear(ctx);
}

static void test_refusals(lh_context *ctx)
{
    expect(ctx, lh_dataset_text(ctx, "", 0, LH_DOCUMENTS_LINES),
           LH_ERROR_FORMAT, "the text: it is empty");
    expect(ctx, lh_dataset_text(ctx, NULL, 0, LH_DOCUMENTS_WHOLE),
           LH_ERROR_FORMAT, "the text: it is empty");
    expect(ctx, lh_dataset_text(ctx, " \r\n\t\n\n", 6, LH_DOCUMENTS_LINES),
           LH_ERROR_FORMAT, "only blank lines");
    expect(ctx, lh_dataset_text(ctx, NULL, 5, LH_DOCUMENTS_LINES),
           LH_ERROR_ARGUMENT, "NULL");
    expect(ctx, lh_dataset_text(ctx, "a", 1, (lh_documents)7),
           LH_ERROR_ARGUMENT, "7");
    expect(ctx, lh_dataset_file(ctx, NULL, LH_DOCUMENTS_LINES),
           LH_ERROR_ARGUMENT, "NULL");
    expect(ctx, lh_dataset_file(ctx, "/nonexistent/names.txt",
                                LH_DOCUMENTS_LINES),
           LH_ERROR_IO, "/nonexistent/names.txt");
    CHECK_EQ_INT(lh_dataset_documents(NULL), 0);
    CHECK(!lh_dataset_bytes(NULL, NULL)
          && !lh_dataset_document(NULL, 0, NULL)
          && !lh_dataset_contains(NULL, "a", 1));
    lh_dataset_free(NULL);
}

static void test_file(lh_context *ctx)
{
    char path[] = "/tmp/longhand-dataset-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    expect(ctx, lh_dataset_file(ctx, path, LH_DOCUMENTS_LINES),
           LH_ERROR_FORMAT, path);
    CHECK(write(fd, "b\r\na", 4) == 4);
    lh_dataset *d = lh_dataset_file(ctx, path, LH_DOCUMENTS_LINES);
    CHECK_EQ_INT(lh_dataset_documents(d), 2);
    CHECK(is(d, 0, "b") && is(d, 1, "a"));
    lh_dataset_free(d);
    d = lh_dataset_file(ctx, path, LH_DOCUMENTS_WHOLE);
    CHECK(is(d, 0, "b\r\na"));
    lh_dataset_free(d);
    close(fd);
    unlink(path);
}

/* Random texts against the plainest reading of the rule. */
static void test_rule(lh_context *ctx)
{
    static const char alphabet[] = "ab \t\r\n\n";
    uint64_t state = 3;
    for (int round = 0; round < 3000; round++) {
        char text[40], wanted[48];
        size_t size = test_random(&state) % sizeof text, filled = 0;
        int64_t count = 0;
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[test_random(&state) % 7];
        for (size_t i = 0; i < size;) {
            size_t end = i, from, to;
            while (end < size && text[end] != '\n')
                end++;
            for (from = i; from < end && text[from] < 'a'; from++)
                ;
            for (to = end; to > from && text[to - 1] < 'a'; to--)
                ;
            if (to > from) {
                memcpy(wanted + filled, text + from, to - from);
                filled += to - from;
                count++;
            }
            i = end + 1;
        }
        lh_dataset *d = lh_dataset_text(ctx, text, size, LH_DOCUMENTS_LINES);
        size_t got = 0;
        const char *bytes = lh_dataset_bytes(d, &got);
        CHECK_EQ_INT(lh_dataset_documents(d), count);
        CHECK_EQ_INT(got, filled);
        CHECK(!filled || (bytes && !memcmp(bytes, wanted, filled)));
        lh_dataset_free(d);
        lh_error_clear(ctx);
    }
}

static void test_index(lh_context *ctx)
{
    enum { LINES = 20000 };
    char *text = malloc(LINES * 8), line[16];
    size_t size = 0;
    for (int i = 0; i < LINES; i++)    /* the even numbers, each twice     */
        size += (size_t)sprintf(text + size, "%d\n", i / 2 * 2);
    lh_dataset *d = lh_dataset_text(ctx, text, size, LH_DOCUMENTS_LINES);
    CHECK_EQ_INT(lh_dataset_documents(d), LINES);
    bool right = true;
    for (int i = 0; i < LINES; i++) {
        sprintf(line, "%d", i);
        right = right && has(d, line) == (i % 2 == 0);
    }
    CHECK(right);
    lh_dataset_free(d);
    free(text);
}

static void test_names(lh_context *ctx)
{
    lh_dataset *d = lh_dataset_names(ctx);
    int64_t count = lh_dataset_documents(d);
    CHECK(count >= 4000);
    bool letters = true, ascending = true;
    for (int64_t i = 0; i < count; i++) {
        size_t size, before = 0;
        const char *name = lh_dataset_document(d, i, &size);
        const char *last = i ? lh_dataset_document(d, i - 1, &before) : "";
        letters = letters && size >= 2 && size <= 15;
        for (size_t j = 0; j < size; j++)
            letters = letters && name[j] >= 'a' && name[j] <= 'z';
        int order = memcmp(last, name, before < size ? before : size);
        ascending = ascending && (order < 0 || (!order && before < size));
    }
    CHECK(letters);
    CHECK(ascending);                  /* so none is there twice           */
    CHECK(has(d, "anna") && has(d, "zoe") && !has(d, "qqq"));
    lh_dataset_free(d);
}

static void test_memory(void)
{
    for (int which = 0; which < 3; which++) {
        for (int64_t n = 1;; n++) {
            torture memory = { 0 };
            lh_context *ctx = lh_context_new(&(lh_settings){
                .allocator = torture_allocator(&memory), .threads = 1 });
            torture_fail_at(&memory, n);
            lh_dataset *d = which == 2 ? lh_dataset_names(ctx)
                : lh_dataset_text(ctx, "a\nb", 3, which
                                  ? LH_DOCUMENTS_WHOLE : LH_DOCUMENTS_LINES);
            bool failed = torture_failed(&memory);
            CHECK(failed == !d);
            CHECK_EQ_INT(lh_error_status(ctx),
                         failed ? LH_ERROR_MEMORY : LH_OK);
            lh_dataset_free(d);
            lh_context_free(ctx);
            CHECK_EQ_INT(memory.live, 0);
            if (!failed) {
                CHECK(n > 3);
                break;
            }
        }
    }
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    CHECK(!lh_dataset_names(NULL));
    test_lines(ctx);
    test_whole(ctx);
    test_refusals(ctx);
    test_file(ctx);
    test_rule(ctx);
    test_index(ctx);
    test_names(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    test_memory();
    return test_end("dataset");
}
