/* JSON, UTF-8 and sorting: what is read, what is refused and where. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>

#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"
#include "hostile.h"

static hostile_memory memory;
static lh_context ctx;

static lh_status parse(const char *text, lh_json_document *document)
{
    lh_error_clear(&ctx);
    return lh_json_parse(&ctx, "test", text, strlen(text), document);
}

/* ----------------------------------------------------------------- utf8 -- */

static void test_utf8(void)
{
    uint32_t wrong = 0;
    for (uint32_t code = 0; code < 0x120000; code++) {
        char text[4];
        uint32_t again = 0xffffffff;
        int length = lh_utf8_encode(code, text);
        bool valid = code < 0xd800 || (code > 0xdfff && code <= 0x10ffff);
        if (valid != (length > 0) || (valid
            && (lh_utf8_decode(text, (size_t)length, &again) != length
                || again != code
                || lh_utf8_decode(text, (size_t)length - 1, &again))))
            wrong++;
    }
    CHECK_EQ_INT(wrong, 0);
    /* Every 3 bytes: as many valid beginnings as the standard has. */
    int64_t valid[5] = { 0 };
    uint32_t code;
    for (uint32_t i = 0; i < 1 << 24; i++) {
        char text[3] = { (char)(i >> 16), (char)(i >> 8), (char)i };
        valid[lh_utf8_decode(text, 3, &code)]++;
    }
    CHECK_EQ_INT(valid[1], 128 << 16);
    CHECK_EQ_INT(valid[2], 1920 << 8);
    CHECK_EQ_INT(valid[3], 63488 - 2048);
    CHECK_EQ_INT(valid[4], 0);
    static const unsigned char last[] = { 0x7f, 0x80, 0xbf, 0xc0 };
    for (uint32_t i = 0; i < 1 << 21; i++) {
        char text[4] = { (char)(0xf0 | i >> 18), (char)(i >> 10),
                         (char)(i >> 2), (char)last[i & 3] };
        valid[4] += lh_utf8_decode(text, 4, &code) == 4;
    }
    CHECK_EQ_INT(valid[4], 2 * (0x100000 >> 6));
    char out[LH_UTF8_SHOWN];
    CHECK_STR(lh_utf8_show(out, "a\n\xff\xc3\xa9", 5), "a??\xc3\xa9");
    char many[100];
    memset(many, 'x', sizeof many);
    CHECK_EQ_INT(strlen(lh_utf8_show(out, many, 100)), LH_UTF8_SHOWN - 4);
    CHECK(strstr(out, "xx...") != NULL);
    CHECK_STR(lh_utf8_show(out, "", 0), "");
}

/* ----------------------------------------------------------------- sort -- */

static int compare_ints(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void test_sort(void)
{
    static int value[1000];
    static const void *item[1000];
    uint64_t state = 1;
    for (size_t count = 0; count < 1000; count += 1 + count / 9) {
        int64_t sum = 0, after = 0;
        bool ordered = true;
        for (size_t i = 0; i < count; i++) {
            value[i] = (int)(test_random(&state) % (1 + count / 2));
            item[i] = &value[i];
            sum += value[i];
        }
        lh_sort(item, count, compare_ints);
        for (size_t i = 0; i < count; i++) {
            after += *(const int *)item[i];
            ordered = ordered && (!i || compare_ints(item[i - 1],
                                                     item[i]) <= 0);
        }
        CHECK(ordered && sum == after);
    }
}

/* -------------------------------------------------------------- reading -- */

static void test_values(void)
{
    lh_json_document d;
    CHECK_EQ_INT(parse(" {\"a\": [1, -2.5e1, true, false, null, \"x\\n\\u00e9"
                       "\\ud83d\\ude00\\u0000y\"], \"\": {}, \"b\\u0000c\":"
                       " []}\t\r\n", &d), LH_OK);
    const lh_json *a = lh_json_get(d.root, "a");
    CHECK(d.root->type == LH_JSON_OBJECT && d.root->size == 3);
    CHECK(a && a->type == LH_JSON_ARRAY && a->size == 6 && a->child);
    const lh_json *v = a->child;
    CHECK(v->type == LH_JSON_NUMBER && v->integral && v->integer == 1
          && v->number == 1);
    v = v->next;
    CHECK(v->type == LH_JSON_NUMBER && !v->integral && v->number == -25);
    v = v->next;
    CHECK(v->type == LH_JSON_TRUE && v->next->type == LH_JSON_FALSE);
    v = v->next->next;
    CHECK(v->type == LH_JSON_NULL);
    v = v->next;
    CHECK(v->type == LH_JSON_STRING && v->size == 10 && !v->next
          && !memcmp(v->string, "x\n\xc3\xa9\xf0\x9f\x98\x80\0y", 11));
    CHECK(lh_json_get(d.root, "") && lh_json_get(d.root, "")->size == 0);
    CHECK(!lh_json_get(d.root, "b") && !lh_json_get(a, "a")
          && !lh_json_get(NULL, "a"));
    lh_json_free(&d);
    CHECK_EQ_INT(parse("[9223372036854775807, -9223372036854775808, "
                       "9223372036854775808, 1.0, 1e2, -0, 0.1]", &d), LH_OK);
    v = d.root->child;
    CHECK(v->integral && v->integer == INT64_MAX);
    v = v->next;
    CHECK(v->integral && v->integer == INT64_MIN);
    v = v->next;
    CHECK(!v->integral && v->number == 9223372036854775808.0);
    v = v->next;
    CHECK(!v->integral && !v->next->integral && v->next->number == 100);
    v = v->next->next;
    CHECK(v->integral && v->integer == 0 && v->number == 0);
    CHECK(v->next->number == 0.1);
    lh_json_free(&d);
    CHECK_EQ_INT(memory.live, 0);
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *message;
    } row[] = {
        { "", "test: byte 0: the JSON text ends too early" },
        { " ", "byte 1: the JSON text ends too early" },
        { "[1,]", "byte 3: a JSON value should stand here" },
        { "[1 2]", "byte 3: ',' or ']'" },
        { "{\"a\":1,}", "byte 7: a key in quotes" },
        { "{\"a\" 1}", "byte 5: ':'" },
        { "{\"a\":1 \"b\"}", "byte 7: ',' or '}'" },
        { "[1]]", "byte 3: something stands behind" },
        { "nul", "byte 0: no JSON value begins" },
        { "[01]", "byte 1: no JSON number" },
        { "1e400", "byte 0: no JSON number, or one that is too large" },
        { "\"a", "byte 0: a string without its end" },
        { "\"a\tb\"", "byte 2: a control character" },
        { "\"a\x1f\"", "byte 2: a control character" },
        { "\"\\x\"", "byte 1: an escape that JSON does not have" },
        { "\"\\u12g4\"", "byte 1: \\u needs four" },
        { "\"\\ud800\"", "byte 1: half a surrogate pair" },
        { "\"\\ud800\\u0041\"", "byte 1: half a surrogate pair" },
        { "\"\\ud800\\ue000\"", "byte 1: half a surrogate pair" },
        { "\"\\udc00\"", "byte 1: half a surrogate pair" },
        { "\"\xed\xa0\x80\"", "byte 1: a byte that is not UTF-8" },
        { "\"\xc0\x80\"", "byte 1: a byte that is not UTF-8" },
        { "\xef\xbb\xbf{}", "byte 0: a JSON value should stand here" },
        { "{\"a\":1,\"\\u0061\":2}", "byte 17: the object that ends here has "
                                     "the key \"a\" twice" },
        { "{\"\":1,\"\":2}", "the key \"\" twice" },
        { "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,"
          "\"9\":1,\"\\u000a\":1,\"5\":1}", "the key \"5\" twice" },
        { "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,"
          "\"9\":1,\"\\u0031\":1}", "the key \"1\" twice" },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        lh_json_document d;
        CHECK_EQ_INT(parse(row[i].text, &d), LH_ERROR_FORMAT);
        CHECK(strstr(ctx.message, row[i].message) != NULL);
        if (!strstr(ctx.message, row[i].message))
            printf("    %s\n    got    %s\n    wanted %s\n", row[i].text,
                   ctx.message, row[i].message);
        CHECK(!d.root);
    }
    CHECK_EQ_INT(memory.live, 0);
}

static void test_depth(void)
{
    static char text[2 * 100000 + 1];
    lh_json_document d;
    static const int depths[] = { 1, LH_JSON_DEPTH, LH_JSON_DEPTH + 1,
                                  100000 };
    for (size_t i = 0; i < LH_COUNT(depths); i++) {
        size_t n = (size_t)depths[i];
        memset(text, '[', n);
        memset(text + n, ']', n);
        text[2 * n] = 0;
        bool fine = depths[i] <= LH_JSON_DEPTH;
        CHECK_EQ_INT(parse(text, &d), fine ? LH_OK : LH_ERROR_FORMAT);
        CHECK(fine || strstr(ctx.message, "byte 64: nested too deeply"));
        lh_json_free(&d);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* An object of very many keys takes n log n, and one twice is still found. */
static void test_many_keys(void)
{
    lh_buffer text = { 0 };
    lh_json_document d;
    for (int i = 0; i < 100000; i++)
        lh_buffer_printf(&ctx, &text, "%s\"key number %d\":%d", i ? "," : "{",
                         i, i);
    lh_buffer_printf(&ctx, &text, ",\"key number %d\":0}", 100000);
    CHECK_EQ_INT(parse(text.data, &d), LH_OK);
    CHECK(d.root && d.root->size == 100001);
    CHECK_EQ_INT(lh_json_get(d.root, "key number 77777")->integer, 77777);
    lh_json_free(&d);
    text.data[text.size - 10] = '9';
    memmove(text.data + text.size - 9, text.data + text.size - 4, 5);
    CHECK_EQ_INT(parse(text.data, &d), LH_ERROR_FORMAT);
    CHECK(strstr(ctx.message, "\"key number 9\" twice") != NULL);
    lh_buffer_free(&ctx, &text);
    CHECK_EQ_INT(memory.live, 0);
}

/* Keys that were made to meet in a table. */
static void test_meeting_keys(void)
{
    for (int twice = 0; twice < 2; twice++) {
        lh_buffer text = { 0 };
        lh_json_document d;
        char key[12];
        int keys = 0;
        for (int i = 0; keys < 200; i++) {
            size_t size = (size_t)snprintf(key, sizeof key, "%d", i);
            if (lh_hash(key, size) % 512 == 7)
                lh_buffer_printf(&ctx, &text, "%s\"%s\":0",
                                 keys++ ? "," : "{", key);
        }
        lh_buffer_printf(&ctx, &text, ",\"%s\":0}", twice ? key : "");
        CHECK_EQ_INT(parse(text.data, &d),
                     twice ? LH_ERROR_FORMAT : LH_OK);
        CHECK(!twice || strstr(ctx.message, "twice") != NULL);
        lh_json_free(&d);
        lh_buffer_free(&ctx, &text);
    }
    lh_error_clear(&ctx);
    CHECK_EQ_INT(memory.live, 0);
}

/* -------------------------------------------------------------- writing -- */

static void rewrite(lh_buffer *out, const lh_json *v)
{
    char text[LH_NUMBER_SIZE];
    switch (v->type) {
    case LH_JSON_NULL:
        lh_buffer_printf(&ctx, out, "null");
        break;
    case LH_JSON_TRUE:
    case LH_JSON_FALSE:
        lh_buffer_printf(&ctx, out, v->type == LH_JSON_TRUE ? "true"
                                                            : "false");
        break;
    case LH_JSON_NUMBER:
        lh_buffer_add(&ctx, out, text,
                      (size_t)lh_number_write(text, v->number));
        break;
    case LH_JSON_STRING:
        lh_json_add_string(&ctx, out, v->string, v->size);
        break;
    default:
        lh_buffer_add(&ctx, out, v->type == LH_JSON_ARRAY ? "[" : "{", 1);
        for (const lh_json *m = v->child; m; m = m->next) {
            if (v->type == LH_JSON_OBJECT) {
                lh_json_add_string(&ctx, out, m->key, m->key_size);
                lh_buffer_add(&ctx, out, ":", 1);
            }
            rewrite(out, m);
            if (m->next)
                lh_buffer_add(&ctx, out, ",", 1);
        }
        lh_buffer_add(&ctx, out, v->type == LH_JSON_ARRAY ? "]" : "}", 1);
    }
}

static bool same(const lh_json *a, const lh_json *b)
{
    if (a->type != b->type || a->size != b->size
        || a->key_size != b->key_size
        || (a->key && memcmp(a->key, b->key, a->key_size)))
        return false;
    if (a->type == LH_JSON_STRING)
        return !memcmp(a->string, b->string, a->size + 1);
    if (a->type == LH_JSON_NUMBER)
        return a->number == b->number;
    const lh_json *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        if (!same(x, y))
            return false;
    return !x && !y;
}

static void test_writing(void)
{
    lh_buffer out = { 0 };
    CHECK_EQ_INT(lh_json_add_string(&ctx, &out, "a\"\\\n\x01\x7f\xc3\xa9\0z",
                                    10), LH_OK);
    CHECK_STR(out.data, "\"a\\\"\\\\\\n\\u0001\x7f\xc3\xa9\\u0000z\"");
    lh_buffer_free(&ctx, &out);
    CHECK_EQ_INT(lh_json_add_string(&ctx, &out, "ab\x80", 3),
                 LH_ERROR_ARGUMENT);
    CHECK(strstr(ctx.message, "byte 2") != NULL);
    lh_buffer_free(&ctx, &out);
    /* Every character there is, in one string. */
    lh_buffer all = { 0 };
    for (uint32_t code = 0; code < 0x110000; code += code < 700 ? 1 : 61) {
        char text[4];
        int length = lh_utf8_encode(code, text);
        lh_buffer_add(&ctx, &all, text, (size_t)length);
    }
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_json_add_string(&ctx, &out, all.data, all.size), LH_OK);
    lh_json_document d;
    CHECK_EQ_INT(lh_json_parse(&ctx, "all", out.data, out.size, &d), LH_OK);
    CHECK(d.root && d.root->size == all.size
          && !memcmp(d.root->string, all.data, all.size));
    lh_json_free(&d);
    lh_buffer_free(&ctx, &all);
    lh_buffer_free(&ctx, &out);
    CHECK_EQ_INT(memory.live, 0);
}

/* --------------------------------------------------------- hostile text -- */

static const char sample[] =
    "{\"name\": \"caf\xc3\xa9 \\u00e9\\n\\ud83d\\ude00\", \"list\": [1, -2, "
    "3.5e-3, true, false, null, [], {}], \"deep\": {\"a\": {\"b\": [[[0]]]}},"
    " \"k1\": 1, \"k2\": 2, \"k3\": 3, \"k4\": 4, \"k5\": 5, \"k6\": 6, "
    "\"k7\": \"\\\"\\\\\\/\", \"end\": 1e300}";

static lh_status parse_sample(lh_context *with, void *arg)
{
    (void)arg;
    lh_json_document d;
    lh_status status = lh_json_parse(with, "sample", sample,
                                     sizeof sample - 1, &d);
    lh_json_free(&d);
    return status;
}

static lh_status parse_many(lh_context *with, void *arg)
{
    lh_buffer *text = arg;
    lh_json_document d;
    lh_status status = lh_json_parse(with, "many", text->data, text->size,
                                     &d);
    lh_json_free(&d);
    return status;
}

/* What is accepted must survive being written and read again. */
static lh_status try_text(lh_context *with, const char *text, size_t size)
{
    lh_json_document d, again;
    lh_status status = lh_json_parse(with, "mutation", text, size, &d);
    if (status)
        return status;
    lh_buffer out = { 0 };
    rewrite(&out, d.root);
    status = lh_json_parse(with, "again", out.data, out.size, &again);
    if (status || !same(d.root, again.root))
        CHECK(false);
    lh_json_free(&again);
    lh_json_free(&d);
    lh_buffer_free(&ctx, &out);
    return LH_OK;
}

/* --------------------------------------------------------------- pairs -- */

static const char paired[] =
    "{\"pairs\": [\"a b\", [\"caf\xc3\xa9\", \"\\u00e9 \\n\"],"
    " [ \"\" , \" \" ], \" \", [\"a long one of many bytes\","
    " \"\xe2\x96\x81 x\"], \"c\", 7, [\"d\"], [\"e\", 1],"
    " {\"pairs\": [\"x y\"]}, [[\"i\"], \"j\"], [\"f\", \"g\", \"h\"]],"
    " \"other\": [\"a b\", [\"c\", \"d\"]],"
    " \"more\": {\"pairs\": []}}";

/* Whether an array of pairs is what the elements of `tree` say. */
static bool same_pairs(const lh_json *tree, const lh_json *list)
{
    const char *text = list->string;
    size_t at = 0;
    bool fine = !list->child && list->size == tree->size;
    for (const lh_json *m = tree->child; m && fine; m = m->next, at++) {
        const lh_json *a = m->child, *b = a ? a->next : NULL;
        const char *blank = m->type == LH_JSON_STRING
            ? memchr(m->string, ' ', m->size) : NULL;
        bool two = m->type == LH_JSON_ARRAY && m->size == 2 &&
            a->type == LH_JSON_STRING && b->type == LH_JSON_STRING;
        const char *left = blank ? m->string : two ? a->string : "";
        const char *right = blank ? blank + 1 : two ? b->string : "";
        size_t head = blank ? (size_t)(blank - left) : two ? a->size : 0;
        size_t tail = blank ? m->size - head - 1 : two ? b->size : 0;
        if (!blank && !two)                      /* ends what is compared  */
            return list->pair[at].left == UINT32_MAX;
        fine = list->pair[at].left == head && list->pair[at].right == tail &&
               !memcmp(text, left, head) &&
               !memcmp(text + head + 1, right, tail);
        text += head + tail + 2;
    }
    return fine;
}

/* Read as pairs a text is what it is read in full, or refused by the same
 * line. */
static lh_status try_pairs(lh_context *with, const char *text, size_t size)
{
    lh_json_document d, full;
    char line[sizeof with->message];
    lh_status status = lh_json_parse(with, "pairs", text, size, &full);
    snprintf(line, sizeof line, "%s", status ? with->message : "");
    lh_error_clear(with);
    CHECK_EQ_INT(lh_json_parse_pairs(with, "pairs", text, size, "pairs", &d),
                 status);
    if (status)
        CHECK(!strcmp(line, with->message));
    const lh_json *list = status ? NULL : lh_json_get(d.root, "pairs");
    if (list && list->type == LH_JSON_ARRAY)
        CHECK(same_pairs(lh_json_get(full.root, "pairs"), list));
    lh_json_free(&full);
    lh_json_free(&d);
    return status;
}

static lh_status parse_pairs(lh_context *with, void *arg)
{
    lh_buffer *text = arg;
    lh_json_document d;
    lh_status status = lh_json_parse_pairs(with, "many", text->data,
                                           text->size, "pairs", &d);
    lh_json_free(&d);
    return status;
}

static void test_pairs(void)
{
    lh_json_document d;
    lh_buffer text = { 0 };
    CHECK_EQ_INT(try_pairs(&ctx, paired, sizeof paired - 1), LH_OK);
    lh_json_parse_pairs(&ctx, "pairs", paired, sizeof paired - 1, "pairs", &d);
    CHECK(d.root && lh_json_get(d.root, "other")->child);
    CHECK(d.root && !lh_json_get(lh_json_get(d.root, "more"), "pairs")->size);
    lh_json_free(&d);
    lh_buffer_add(&ctx, &text, "{\"pairs\": [\"a b\"", 16);
    for (int i = 0; i < 5000; i++)
        lh_buffer_add(&ctx, &text, ",[\"a\",\"b\"]", 10);
    lh_buffer_add(&ctx, &text, "]}", 2);
    CHECK_EQ_INT(try_pairs(&ctx, text.data, text.size), LH_OK);
    hostile_exhaust("pairs", parse_pairs, &text);
    lh_buffer_free(&ctx, &text);
    /* What was no pair is read again into the same memory. */
    lh_buffer_add(&ctx, &text, "{\"pairs\": [[\"", 13);
    lh_buffer_reserve(&ctx, &text, 4 << 20);
    memset(text.data + text.size, 'x', 3 << 20);
    text.size += 3 << 20;
    lh_buffer_add(&ctx, &text, "\"]]}", 4);
    CHECK_EQ_INT(try_pairs(&ctx, text.data, text.size), LH_OK);
    lh_buffer_free(&ctx, &text);
    hostile_storm(paired, sizeof paired - 1, hostile_mutations(), 8,
                  try_pairs);
}

static void test_hostile(void)
{
    lh_json_document d;
    for (size_t size = 0; size < sizeof sample - 1; size++) {
        char *exact = malloc(size ? size : 1);
        memcpy(exact, sample, size);
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_json_parse(&ctx, "cut", exact, size, &d),
                     LH_ERROR_FORMAT);
        free(exact);
    }
    CHECK_EQ_INT(memory.live, 0);
    hostile_exhaust("sample", parse_sample, NULL);
    lh_buffer text = { 0 };
    lh_buffer_add(&ctx, &text, "[0", 2);
    for (int i = 0; i < 20000; i++)
        lh_buffer_add(&ctx, &text, ",{}", 3);
    lh_buffer_add(&ctx, &text, "]", 1);
    hostile_exhaust("many", parse_many, &text);
    lh_buffer_free(&ctx, &text);
    hostile_storm(sample, sizeof sample - 1, hostile_mutations(), 7,
                  try_text);
}

/* ------------------------------------------------- other people's cases -- */

/* The suite of N. Seriot: y_ must be read, n_ refused, i_ either. */
static void test_suite(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/json/test_parsing", test_data());
    DIR *directory = opendir(path);
    if (!directory) {
        SKIP("JSON's parsing suite", "no folder json/test_parsing in "
                                     "LONGHAND_TEST_DATA");
        return;
    }
    int seen[3] = { 0 };
    for (struct dirent *e; (e = readdir(directory));) {
        size_t length = strlen(e->d_name);
        if (length < 6 || e->d_name[1] != '_')
            continue;
        char file[4096 + 512];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        lh_error_clear(&ctx);
        lh_buffer text;
        CHECK_EQ_INT(lh_file_read(&ctx, file, &text), LH_OK);
        lh_json_document d;
        lh_status status = lh_json_parse(&ctx, e->d_name, text.data,
                                         text.size, &d);
        bool twice = strstr(e->d_name, "duplicated_key") != NULL;
        bool fine = e->d_name[0] == 'y' && !twice ? status == LH_OK
                  : e->d_name[0] == 'n' || twice ? status == LH_ERROR_FORMAT
                  : status == LH_OK || status == LH_ERROR_FORMAT;
        CHECK(fine);
        if (!fine)
            printf("    %s: %d %s\n", e->d_name, (int)status, ctx.message);
        seen[e->d_name[0] == 'y' ? 0 : e->d_name[0] == 'n' ? 1 : 2]++;
        lh_json_free(&d);
        lh_buffer_free(&ctx, &text);
    }
    closedir(directory);
    CHECK(seen[0] > 90 && seen[1] > 180 && seen[2] > 30);
    CHECK_EQ_INT(memory.live, 0);
}

int main(void)
{
    ctx = hostile_context(&memory);
    test_utf8();
    test_sort();
    test_values();
    test_refusals();
    test_depth();
    test_many_keys();
    test_meeting_keys();
    test_writing();
    test_pairs();
    test_hostile();
    test_suite();
    return test_end("json");
}
