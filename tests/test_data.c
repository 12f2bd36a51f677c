/* Data out of files: what a document is, blocks, folders, JSONL with lines
 * that are none, token files, what is held out, hostile files, and failing
 * memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/file.h"
#include "hostile.h"
#include "test.h"

static char folder[64];

static const char *file_of(const char *name, const void *data, size_t size)
{
    static char path[8][128];
    static int next;
    char *to = path[next++ % 8];
    snprintf(to, 128, "%s/%s", folder, name);
    FILE *f = fopen(to, "wb");
    if (f && size)
        fwrite(data, 1, size, f);
    if (f)
        fclose(f);
    return to;
}

static const char *text_of(const char *name, const char *text)
{
    return file_of(name, text, strlen(text));
}

static lh_dataset *open_one(lh_context *ctx, const char *path,
                            lh_documents by, const char *separator,
                            int64_t memory, const lh_tokenizer *k)
{
    lh_sources what = { .path = &path, .paths = 1, .by = by,
                        .separator = separator, .memory = memory,
                        .tokenizer = k };
    return lh_dataset_open(ctx, &what);
}

/* All that is told: documents, a NUL behind each. */
typedef struct told {
    char *text;
    size_t size, room;
    int64_t documents, pieces;
    bool wrong;
} told;

static lh_status tell(void *user, const lh_piece *p)
{
    told *t = user;
    char ids[16];
    t->wrong |= p->first != (t->pieces == 0);
    t->wrong |= t->pieces && p->size && (p->text[0] & 0xc0) == 0x80;
    t->pieces++;
    for (int64_t i = 0; i < (p->ids ? p->count : 1); i++) {
        const char *text = p->ids ? ids : p->text;
        size_t size = p->size;
        if (p->ids)
            size = (size_t)snprintf(ids, sizeof ids, "%d ", (int)p->ids[i]);
        if (t->size + size + 1 > t->room) {
            t->room = 2 * t->room + size + 64;
            t->text = realloc(t->text, t->room);
        }
        if (size)
            memcpy(t->text + t->size, text, size);
        t->size += size;
    }
    if (p->last) {
        t->text[t->size++] = 0;
        t->documents++;
        t->pieces = 0;
    }
    return LH_OK;
}

static told read_all(lh_context *ctx, const lh_dataset *d,
                     const lh_split *split)
{
    told t = { NULL, 0, 0, 0, 0, false };
    CHECK_EQ_INT(lh_dataset_read(ctx, d, split, tell, &t), LH_OK);
    CHECK(!t.wrong && !t.pieces);
    return t;
}

/* The documents are these, each followed by a NUL in `wanted`; in memory or
 * not. */
static void documents(lh_context *ctx, const char *path, lh_documents by,
                      const char *separator, const char *wanted, size_t size)
{
    for (int64_t memory = 0; memory < 2; memory++) {
        lh_dataset *d = open_one(ctx, path, by, separator, memory, NULL);
        lh_data_facts facts;
        lh_dataset_facts(d, &facts);
        CHECK(d && facts.loaded == !memory);
        told t = read_all(ctx, d, NULL);
        bool same = t.size == size && !memcmp(t.text, wanted, size);
        CHECK(same);
        if (!same)
            printf("    %s by %d: %lld documents, the first is \"%s\"\n",
                   path, (int)by, (long long)t.documents,
                   t.text ? t.text : "");
        CHECK_EQ_INT(t.documents, facts.documents);
        CHECK_EQ_INT((int64_t)t.size - t.documents, facts.bytes);
        free(t.text);
        lh_dataset_free(d);
    }
    CHECK_STR(lh_error_message(ctx), "");
}

#define DOCUMENTS(path, by, separator, wanted) \
    documents(ctx, path, by, separator, wanted, sizeof wanted - 1)

static void test_documents(lh_context *ctx)
{
    const char *p = text_of("p.txt", "\n\r\n  one\ntwo \n \t\r\n\n three\n");
    DOCUMENTS(p, LH_DOCUMENTS_PARAGRAPHS, NULL, "  one\ntwo\0 three\0");
    DOCUMENTS(p, LH_DOCUMENTS_LINES, NULL, "one\0two\0three\0");
    DOCUMENTS(p, LH_DOCUMENTS_FILES, NULL,
              "\n\r\n  one\ntwo \n \t\r\n\n three\n\0");
    DOCUMENTS(p, LH_DOCUMENTS_CHOSEN, NULL,
              "\n\r\n  one\ntwo \n \t\r\n\n three\n\0");
    p = text_of("s.txt", "a<|endoftext|>\r\nb \n<|endoftext|><|endoftext|>"
                "\n<|endoftex\n");
    DOCUMENTS(p, LH_DOCUMENTS_CHOSEN, NULL, "a\0b \0<|endoftex\0");
    DOCUMENTS(p, LH_DOCUMENTS_CHOSEN, "|>", "a<|endoftext\0b \n<|endoftext\0"
              "<|endoftext\0<|endoftex\0");
    p = text_of("l.txt", "anna\nbo\n");
    DOCUMENTS(p, LH_DOCUMENTS_CHOSEN, NULL, "anna\0bo\0");
    const char *two[] = { text_of("u.txt", "x y"), text_of("v.txt", "z\n"),
                          text_of("w.txt", "") };
    lh_sources what = { .path = two, .paths = 3, .by = LH_DOCUMENTS_WHOLE };
    lh_dataset *d = lh_dataset_open(ctx, &what);
    told t = read_all(ctx, d, NULL);
    CHECK(t.size == 7 && !memcmp(t.text, "x y\nz\n", 7));
    free(t.text);
    lh_dataset_free(d);
    what.by = LH_DOCUMENTS_FILES;
    d = lh_dataset_open(ctx, &what);
    CHECK_EQ_INT(lh_dataset_documents(d), 2);
    lh_dataset_free(d);
}

/* Texts of several blocks: borders, blanks and characters on the cuts. */
static void test_blocks(lh_context *ctx)
{
    enum { SIZE = 3200000, BLOCK = 1 << 20 };
    static const char *const mark[] = { "\n", "\n \n", "<|endoftext|>" };
    static const lh_documents by[] = { LH_DOCUMENTS_LINES,
        LH_DOCUMENTS_PARAGRAPHS, LH_DOCUMENTS_SEPARATED };
    char *text = calloc(SIZE + 64, 1), *wanted = malloc(SIZE + 64);
    for (int kind = 0; kind < 3; kind++)
        for (int at = -3; at < 16; at += kind == 2 ? 1 : 3) {
            size_t length = strlen(mark[kind]), size = 0;
            for (int i = 0; i < SIZE; i += 3)
                memcpy(text + i, "\xe2\x82\xac", 3);
            for (int i = 1; i <= 3; i++) {       /* 3 bytes a character    */
                size_t from = (size_t)(i * BLOCK - at) / 3 * 3;
                memset(text + from, ' ', 18);
                memcpy(text + from + 1, mark[kind], length);
                memcpy(text + from + 1 + length, "ab", 2);
            }
            for (size_t i = 0; i < SIZE; i++) {  /* the plainest reading   */
                size_t to = size;
                if (memcmp(text + i, mark[kind], length) != 0) {
                    wanted[size++] = text[i];
                    continue;
                }
                while (kind < 2 && wanted[to - 1] == ' ')
                    to--;
                wanted[to] = 0;
                size = to + 1;
                i += length - 1;
            }
            while (kind < 1 && wanted[size - 1] == ' ')
                size--;
            wanted[size++] = 0;
            documents(ctx, file_of("b.txt", text, SIZE), by[kind], NULL,
                      wanted, size);
        }
    /* More blanks than a block, before and behind. */
    memset(text, ' ', SIZE);
    text[SIZE / 2] = 'x';
    documents(ctx, file_of("b.txt", text, SIZE), LH_DOCUMENTS_LINES, NULL,
              "x", 2);
    free(text);
    free(wanted);
}

/* -------------------------------------------------------------- folders -- */

static void test_folders(lh_context *ctx)
{
    char path[128], link[160];
    snprintf(path, sizeof path, "%s/notes", folder);
    mkdir(path, 0777);
    snprintf(link, sizeof link, "%s/deep", path);
    mkdir(link, 0777);
    snprintf(link, sizeof link, "%s/deep/circle", path);
    CHECK(!symlink(path, link));
    text_of("notes/b.txt", "second\n");
    text_of("notes/a.md", "first\n");
    text_of("notes/deep/c", "third\n");
    text_of("notes/.hidden", "never\n");
    file_of("notes/z.png", "\x89PNG\0\0", 6);
    const char *packed = file_of("notes/y.gz", "\x1f\x8b\x08\x00", 4);
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_FILES, NULL, 0, NULL);
    told t = read_all(ctx, d, NULL);
    static const char wanted[] = "first\n\0second\n\0third\n";
    CHECK(t.size == sizeof wanted && !memcmp(t.text, wanted, t.size));
    lh_data_facts facts;
    lh_dataset_facts(d, &facts);
    CHECK_EQ_INT(facts.files, 3);
    CHECK_EQ_INT(facts.left_out, 3);
    for (int i = 0; i < 3; i++)
        CHECK(strstr(lh_dataset_note(d, i), " left out: "));
    CHECK(!lh_dataset_note(d, 3) && !lh_dataset_note(d, -1));
    free(t.text);
    lh_dataset_free(d);
    CHECK(!open_one(ctx, packed, LH_DOCUMENTS_FILES, NULL, 0, NULL));
    CHECK(strstr(lh_error_message(ctx), "gunzip"));
    lh_error_clear(ctx);
    snprintf(path, sizeof path, "%s/notes/[ab].*", folder);
    d = open_one(ctx, path, LH_DOCUMENTS_FILES, NULL, 0, NULL);
    CHECK_EQ_INT(lh_dataset_documents(d), 2);
    lh_dataset_free(d);
    snprintf(path, sizeof path, "%s/notes/q*", folder);
    CHECK(!open_one(ctx, path, LH_DOCUMENTS_FILES, NULL, 0, NULL));
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_IO);
    lh_error_clear(ctx);
}

/* A note that is too long for its line ends with a whole character. */
static void test_long_names(lh_context *ctx)
{
    char path[1200], name[252] = "", *end = path;
    end += snprintf(path, sizeof path, "%s/long", folder);
    for (int i = 0; i < 125; i++)
        strcat(name, "\xc3\xa9");
    mkdir(path, 0777);
    for (int depth = 0; depth < 2; depth++) {
        end += sprintf(end, "/%s", name);
        mkdir(path, 0777);
    }
    for (int shift = 0; shift < 2; shift++) {
        sprintf(end, "/%s%s", &"x"[!shift], name);
        FILE *f = fopen(path, "wb");
        CHECK(f && fwrite("a\0b", 1, 3, f) == 3 && !fclose(f));
    }
    text_of("long/text", "some\n");
    snprintf(path, sizeof path, "%s/long", folder);
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_FILES, NULL, 0, NULL);
    for (int i = 0; i < 2; i++) {
        const char *note = lh_dataset_note(d, i);
        CHECK(note && lh_text_whole(note, strlen(note)) == strlen(note));
    }
    lh_dataset_free(d);
}

/* ---------------------------------------------------------------- JSONL -- */

static void test_jsonl(lh_context *ctx)
{
    static const size_t lines[] = { 20 << 20, (16 << 20) + 1, 16 << 20 };
    static const char text[] = "\xef\xbb\xbf{\"text\": \"one\"}\r\n\n"
        "{\"text\": \"tw\\u00f6\\n\", \"id\": 2}\n{\"text\": }\n"
        "{\"title\": \"x\"}\n{\"text\": 7}\n{\"text\": \"\"}\n"
        "{\"text\": \"\xff\"}\n{\"text\": \"e\\n\\u0000d\"}";
    const char *path = file_of("r.jsonl", text, sizeof text - 1);
    for (int64_t memory = 0; memory < 2; memory++) {
        lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL,
                                 memory, NULL);
        told t = read_all(ctx, d, NULL);
        static const char wanted[] = "one\0tw\xc3\xb6\n\0e\n\0d";
        CHECK(t.size == sizeof wanted && !memcmp(t.text, wanted, t.size));
        lh_data_facts facts;
        lh_dataset_facts(d, &facts);
        CHECK_EQ_INT(facts.records, 3);
        CHECK_EQ_INT(facts.left_out, 5);
        CHECK_EQ_INT(facts.nuls, 1);
        CHECK(strstr(lh_dataset_note(d, 0), "r.jsonl, line 4"));
        CHECK(strstr(lh_dataset_note(d, 1), "line 5: has no \"text\""));
        CHECK(strstr(lh_dataset_note(d, 4), "line 8"));
        CHECK(strstr(lh_dataset_note(d, 5), "line 9: a NUL"));
        free(t.text);
        lh_dataset_free(d);
    }
    CHECK_STR(lh_error_message(ctx), "");
    /* A line that is too long is said, and those behind it are read. */
    char *more = malloc(lines[0] + 64);
    for (int i = 0; i < 3; i++) {
        memset(more, 'x', lines[i]);
        memcpy(more, "{\"text\": \"", 10);
        strcpy(more + lines[i] - 2, "\"}\n{\"text\": \"end\"}\n");
        path = text_of("long.ndjson", more);
        lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0,
                                 NULL);
        told t = read_all(ctx, d, NULL);
        CHECK_EQ_INT(t.size, i < 2 ? 4 : lines[i] - 12 + 1 + 4);
        CHECK(t.size < 4 || !memcmp(t.text + t.size - 4, "end", 4));
        const char *note = lh_dataset_note(d, 0);
        CHECK(!note == (i == 2));
        CHECK(!note || strstr(note, "line 1: more than 16 MB"));
        CHECK(!lh_dataset_note(d, 1));
        free(t.text);
        lh_dataset_free(d);
    }
    free(more);
    path = text_of("none.jsonl", "{\"t\": 1}\n");
    CHECK(!open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, NULL));
    CHECK(strstr(lh_error_message(ctx), "has no \"text\""));
    lh_error_clear(ctx);
    DOCUMENTS(text_of("first", "{\"text\": \"by its first line\"}\n"),
              LH_DOCUMENTS_CHOSEN, NULL, "by its first line\0");
    DOCUMENTS(text_of("first", "\xef\xbb\xbf{\"text\": \"behind a mark\"}\n"),
              LH_DOCUMENTS_CHOSEN, NULL, "behind a mark\0");
    /* However late: the line's end is what ends it, and 16 MB. */
    static const int begins[] = { 8182, 8192, 9000, (16 << 20) - 12,
                                  16 << 20 };
    static const char *const rest[] = { "\"text\": \"x\"}\n",
                                        "\"other\": 1}\n{\"text\": 1}\n" };
    char *late = malloc((16 << 20) + 64);
    for (int i = 0; i < 10; i++) {
        memset(late, ' ', (size_t)begins[i / 2]);
        late[0] = '{';
        strcpy(late + begins[i / 2], rest[i % 2]);
        lh_dataset *d = open_one(ctx, text_of("late.json", late),
                                 LH_DOCUMENTS_CHOSEN, NULL, 0, NULL);
        lh_data_facts facts;
        lh_dataset_facts(d, &facts);
        CHECK_EQ_INT(facts.documents, 1);
        CHECK_EQ_INT(facts.records, i % 2 == 0 && i < 8);
        lh_dataset_free(d);
    }
    free(late);
}

/* A byte order mark begins no text. */
static void test_mark(lh_context *ctx)
{
    const char *two[] = { text_of("m1.txt", "\xef\xbb\xbfone\n"),
                          text_of("m2.txt", "\xef\xbb\xbftwo\xef\xbb\xbf") };
    DOCUMENTS(two[0], LH_DOCUMENTS_WHOLE, NULL, "one\n\0");
    DOCUMENTS(two[0], LH_DOCUMENTS_CHOSEN, NULL, "one\n\0");
    DOCUMENTS(text_of("m3.txt", "\xef\xbb\xbf" "a<|endoftext|>b"),
              LH_DOCUMENTS_CHOSEN, NULL, "a\0b\0");
    lh_sources what = { .path = two, .paths = 2, .by = LH_DOCUMENTS_WHOLE };
    lh_dataset *d = lh_dataset_open(ctx, &what);
    told t = read_all(ctx, d, NULL);
    CHECK_STR(t.text, "one\ntwo\xef\xbb\xbf");
    free(t.text);
    lh_dataset_free(d);
    CHECK(!open_one(ctx, text_of("m4.txt", "\xef\xbb\xbf"),
                    LH_DOCUMENTS_CHOSEN, NULL, 0, NULL));
    CHECK(strstr(lh_error_message(ctx), "it is empty"));
    lh_error_clear(ctx);
}

/* ---------------------------------------------------------------- pipes -- */

static int opened;

static int open_counted(const char *path, int flags, int mode)
{
    opened++;
    return lh_io_system.open(path, flags, mode);
}

static void *pipe_fill(void *path)
{
    FILE *f = fopen(path, "w");
    fputs("anna\nbo\n", f);
    fclose(f);
    return NULL;
}

/* A named pipe is opened once: its writer may be gone by then. */
static void test_pipe(lh_context *ctx)
{
    char path[96];
    pthread_t writer;
    lh_io io = lh_io_system;
    snprintf(path, sizeof path, "%s/pipe", folder);
    CHECK(!mkfifo(path, 0600));
    CHECK(!pthread_create(&writer, NULL, pipe_fill, path));
    io.open = open_counted;
    ctx->io = &io;
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 1, NULL);
    ctx->io = &lh_io_system;
    pthread_join(writer, NULL);
    CHECK_EQ_INT(opened, 1);
    CHECK_EQ_INT(lh_dataset_documents(d), 2);
    lh_dataset_free(d);
}

/* Each reading asks, and ends where it is told to. */
static bool asked(void *user)
{
    int *left = user;
    return --*left >= 0;
}

static void test_stopped(lh_context *ctx)
{
    const char *path = text_of("stopped", "one\ntwo\n");
    for (int left = 0; left < 2; left++) {
        int count = left;
        lh_sources what = { .path = &path, .paths = 1, .memory = 1,
                            .on_read = asked, .user = &count };
        lh_dataset *d = lh_dataset_open(ctx, &what);
        char *text;
        size_t size;
        CHECK(!d == !left);
        if (d)
            CHECK_EQ_INT(lh_dataset_alphabet(ctx, d, &text, &size),
                         LH_ERROR_STOPPED);
        CHECK(strstr(lh_error_message(ctx), "stopped as asked while reading"));
        lh_error_clear(ctx);
        lh_dataset_free(d);
    }
}

static void test_odd(lh_context *ctx)
{
    const char *path = file_of("odd.txt", "good\nba\xff""d\n\0x\nok\n\xfe\n",
                               18);
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_LINES, NULL, 0, NULL);
    lh_data_facts facts;
    lh_dataset_facts(d, &facts);
    CHECK_EQ_INT(facts.documents, 5);
    CHECK_EQ_INT(facts.invalid, 2);
    CHECK_EQ_INT(facts.nuls, 1);
    CHECK_EQ_INT(facts.left_out, 0);
    CHECK(strstr(lh_dataset_note(d, 0), "line 2: the byte 0xff"));
    CHECK(strstr(lh_dataset_note(d, 1), "line 3: a NUL"));
    char *text;
    size_t size;
    CHECK_EQ_INT(lh_dataset_alphabet(ctx, d, &text, &size),
                 LH_ERROR_FORMAT);
    CHECK(strstr(lh_error_message(ctx), "document 2, byte 2 (0xFF)"));
    lh_error_clear(ctx);
    lh_dataset_free(d);
    d = lh_dataset_text(ctx, "b\xc3\xa9" "ab", 5, LH_DOCUMENTS_WHOLE);
    CHECK_EQ_INT(lh_dataset_alphabet(ctx, d, &text, &size), LH_OK);
    CHECK(size == 4 && !memcmp(text, "ab\xc3\xa9", 4));
    lh_memory_free(ctx, text);
    lh_dataset_free(d);
}

/* ------------------------------------------------------------- held out -- */

static void split_is(lh_context *ctx, const lh_dataset *d, double share,
                     size_t training, const char *held)
{
    lh_split split = { LH_PART_TRAINING, share, 1 };
    told a = read_all(ctx, d, &split);
    split.part = LH_PART_HELD_OUT;
    told b = read_all(ctx, d, &split), all = read_all(ctx, d, NULL);
    CHECK_EQ_INT(a.size - (size_t)a.documents, training);
    if (held)
        CHECK_STR(b.text, held);
    CHECK_EQ_INT(a.size + b.size - (size_t)(a.documents + b.documents),
                 all.size - (size_t)all.documents);
    free(a.text), free(b.text), free(all.text);
}

static void test_held_out(lh_context *ctx)
{
    lh_dataset *d = lh_dataset_text(ctx, "0123456789", 10,
                                    LH_DOCUMENTS_WHOLE);
    split_is(ctx, d, 0.1, 9, "9");
    split_is(ctx, d, 0.11, 8, "89");
    split_is(ctx, d, 0.99, 1, "123456789");
    lh_dataset_free(d);
    d = lh_dataset_text(ctx, "ab\xe2\x82\xac" "c", 6, LH_DOCUMENTS_WHOLE);
    split_is(ctx, d, 0.4, 5, "c");               /* byte 3 is in a euro    */
    lh_dataset_free(d);
    /* The end of the text, also in several blocks. */
    enum { SIZE = 3000001 };
    char *text = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 23);
    const char *path = file_of("h.txt", text, SIZE);
    d = open_one(ctx, path, LH_DOCUMENTS_WHOLE, NULL, 1, NULL);
    for (int i = 1; i < 9; i++) {
        double share = 0.1 * i;
        split_is(ctx, d, share, (size_t)((1 - share) * SIZE), NULL);
    }
    lh_dataset_free(d);
    free(text);
    /* Of three texts a share of less than half a text. */
    const char *three[] = { text_of("1", "aaaa"), text_of("2", "bbbb"),
                            text_of("3", "cc") };
    lh_sources what = { .path = three, .paths = 3,
                        .by = LH_DOCUMENTS_FILES };
    d = lh_dataset_open(ctx, &what);
    split_is(ctx, d, 0.15, 8, "cc");
    split_is(ctx, d, 0.1, 9, "c");
    lh_dataset_free(d);
    what.paths = 2;
    what.held_out = three + 2;
    what.held_outs = 1;
    d = lh_dataset_open(ctx, &what);
    split_is(ctx, d, 0.5, 8, "cc");
    CHECK_EQ_INT(lh_dataset_documents(d), 3);
    lh_dataset_free(d);
    /* By document where there are many; another seed takes others. */
    char many[8 * 1000];
    size_t size = 0;
    for (int i = 100; i < 1000; i++)
        size += (size_t)sprintf(many + size, "%d\n", i);
    d = lh_dataset_text(ctx, many, size, LH_DOCUMENTS_LINES);
    split_is(ctx, d, 0.1, 810 * 3, NULL);
    lh_split one = { LH_PART_HELD_OUT, 0.1, 1 }, two = one;
    two.seed = 2;
    told a = read_all(ctx, d, &one), b = read_all(ctx, d, &two);
    CHECK(a.size == b.size && memcmp(a.text, b.text, a.size) != 0);
    free(a.text), free(b.text);
    /* More documents than a table has room for. */
    enum { LINES = (1 << 20) + 7 };
    char *lines = malloc(2 * LINES);
    for (int i = 0; i < LINES; i++)
        memcpy(lines + 2 * i, "a\n", 2);
    lh_dataset *most = lh_dataset_text(ctx, lines, 2 * LINES,
                                       LH_DOCUMENTS_LINES);
    split_is(ctx, most, 0.25, LINES - (LINES + 2) / 4, NULL);
    lh_dataset_free(most);
    free(lines);
    one.share = 1;
    CHECK_EQ_INT(lh_dataset_read(ctx, d, &one, tell, &a),
                 LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    lh_dataset_free(d);
}

/* ---------------------------------------------------------- token files -- */

static size_t header(unsigned char *to, uint32_t magic, uint32_t version,
                     uint32_t count)
{
    uint32_t word[256] = { magic, version, count };
    for (int i = 0; i < 256; i++)
        for (int j = 0; j < 4; j++)
            to[4 * i + j] = (unsigned char)(word[i] >> 8 * j);
    return 1024;
}

static void test_ids(lh_context *ctx)
{
    static const int32_t id[] = { 256, 1, 2, 256, 256, 3, 255 };
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    unsigned char file[2048];
    for (int kind = 0; kind < 3; kind++) {
        size_t size = kind == 1 ? header(file, 20240520, 1, 7)
                    : kind == 2 ? header(file, 20240801, 7, 7) : 0;
        for (int i = 0; i < 7; i++)
            for (int j = 0; j < (kind == 2 ? 4 : 2); j++)
                file[size++] = (unsigned char)(id[i] >> 8 * j);
        const char *path = file_of("ids.bin", file, size);
        lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k);
        lh_data_facts facts;
        lh_dataset_facts(d, &facts);
        told t = read_all(ctx, d, NULL);
        CHECK(facts.ids && t.size == 12 &&
              !memcmp(t.text, "1 2 \0" "3 255 ", 12));
        CHECK_EQ_INT(facts.units, 4);
        CHECK_EQ_INT(facts.bytes, 4);
        free(t.text);
        lh_split split = { LH_PART_HELD_OUT, 0.2, 1 };
        t = read_all(ctx, d, &split);
        CHECK(t.size == 5 && !memcmp(t.text, "255 ", 5));
        free(t.text);
        lh_dataset_free(d);
        CHECK(!open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, NULL));
        CHECK(strstr(lh_error_message(ctx), "of which tokenizer?"));
        lh_error_clear(ctx);
        /* One byte less, an id more, another version, a count that lies. */
        for (int what = 0; what < (kind ? 4 : 2); what++) {
            unsigned char other[2048];
            memcpy(other, file, size);
            size_t now = size - (what == 0);
            if (what == 1)
                other[size - (kind == 2 ? 3 : 1)] = 2;
            if (what > 1)
                other[what == 2 ? 4 : 9] += 1;
            path = file_of("bad.bin", other, now);
            CHECK(!open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k));
            CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_FORMAT);
            lh_error_clear(ctx);
        }
    }
    lh_tokenizer_free(k);
}

/* A .bin in a folder is ids where it can be. */
static void test_folder_ids(lh_context *ctx)
{
    static const unsigned char good[] = { 1, 0, 2, 0 }, bad[] = { 1, 0, 2, 9 };
    char path[128];
    lh_data_facts facts;
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    snprintf(path, sizeof path, "%s/ids", folder);
    mkdir(path, 0777);
    file_of("ids/odd.bin", good, 3);
    file_of("ids/other.bin", bad, 4);
    CHECK(!open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k));
    CHECK(strstr(lh_error_message(ctx), "in this folder (") &&
          strstr(lh_error_message(ctx), "odd.bin left out: it ends in the"
                                        " middle of an id)"));
    lh_error_clear(ctx);
    const char *right = file_of("ids/right.bin", good, 4);
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k);
    lh_dataset_facts(d, &facts);
    CHECK(facts.ids && facts.files == 1 && facts.left_out == 2);
    lh_dataset_free(d);
    const char *text = text_of("ids/text", "a text\n");
    CHECK(!open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k));
    CHECK(strstr(lh_error_message(ctx), "right.bin holds token ids, ") &&
          strstr(lh_error_message(ctx), "ids/text does not: "));
    lh_error_clear(ctx);
    CHECK(!unlink(right));
    d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k);
    lh_dataset_facts(d, &facts);
    CHECK(!facts.ids && facts.files == 1 && facts.left_out == 2);
    CHECK(strstr(lh_dataset_note(d, 1), "other.bin left out: it has ids that"
                                        " the tokenizer has not"));
    lh_dataset_free(d);
    CHECK(!unlink(text));
    lh_tokenizer_free(k);
}

/* -------------------------------------------------------------- hostile -- */

static const char *hostile_name;

static lh_status try_file(lh_context *ctx, const char *text, size_t size)
{
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    const char *path = file_of(hostile_name, text, size);
    lh_dataset *d = open_one(ctx, path, LH_DOCUMENTS_CHOSEN, NULL, 0, k);
    told t = { NULL, 0, 0, 0, 0, false };
    lh_status status = d ? lh_dataset_read(ctx, d, NULL, tell, &t)
                         : lh_error_status(ctx);
    free(t.text);
    lh_dataset_free(d);
    lh_tokenizer_free(k);
    return status;
}

static lh_status try_all(lh_context *ctx, void *arg)
{
    const lh_sources *what = arg;
    lh_dataset *d = lh_dataset_open(ctx, what);
    lh_split split = { LH_PART_HELD_OUT, 0.2, 1 };
    told t = { NULL, 0, 0, 0, 0, false };
    lh_status status = d ? lh_dataset_read(ctx, d, &split, tell, &t)
                         : lh_error_status(ctx);
    char *text = NULL;
    size_t size;
    if (!status)
        status = lh_dataset_alphabet(ctx, d, &text, &size);
    lh_memory_free(ctx, text);
    free(t.text);
    lh_dataset_free(d);
    return status;
}

static void test_hostile(lh_context *ctx)
{
    static const char records[] = "{\"text\": \"one\"}\n{\"text\": \"\\u00e9"
        "\\ud83d\\ude00\", \"id\": [1, 2]}\n{\"text\": \"three\"}\n";
    unsigned char file[2048];
    size_t size = header(file, 20240520, 1, 40);
    for (int i = 0; i < 40; i++) {
        file[size++] = (unsigned char)(i % 7 ? i : 0);
        file[size++] = i % 7 == 0;
    }
    hostile_name = "m.bin";
    for (size_t cut = 0; cut < size; cut += cut < 1020 ? 17 : 1) {
        CHECK(try_file(ctx, (char *)file, cut) != LH_OK || cut < 1024);
        lh_error_clear(ctx);
    }
    int64_t count = hostile_mutations() / 50;
    hostile_storm((char *)file, size, count, 1, try_file);
    hostile_name = "m.jsonl";
    for (size_t cut = 0; cut < sizeof records; cut++) {
        CHECK(try_file(ctx, records, cut) == (cut < 15 ? LH_ERROR_FORMAT
                                                       : LH_OK));
        lh_error_clear(ctx);
    }
    hostile_storm(records, sizeof records - 1, count, 2, try_file);
    const char *paths[] = { text_of("e.jsonl", records),
                            text_of("e.txt", "a text\n\nof some lines\n"),
                            folder };
    char path[128];
    snprintf(path, sizeof path, "%s/notes", folder);
    paths[2] = path;
    for (int64_t memory = 0; memory < 2; memory++) {
        lh_sources what = { .path = paths, .paths = 3, .memory = memory,
                            .by = memory ? LH_DOCUMENTS_CHOSEN
                                         : LH_DOCUMENTS_SEPARATED };
        hostile_exhaust("data", try_all, &what);
    }
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    strcpy(folder, "/tmp/longhand-data-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    test_documents(ctx);
    test_blocks(ctx);
    test_folders(ctx);
    test_long_names(ctx);
    test_jsonl(ctx);
    test_odd(ctx);
    test_mark(ctx);
    test_pipe(ctx);
    test_stopped(ctx);
    test_held_out(ctx);
    test_ids(ctx);
    test_folder_ids(ctx);
    test_hostile(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
    return test_end("data");
}
