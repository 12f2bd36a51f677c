/* Tokenizers' files and data made so that work grows as a square, or worse: of
 * one and of eight times the size, in processor time.  Twice eight is what
 * sorting and caches may ask for, a square asks for 64. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"
#include "train/spool.h"

#include "test.h"

#include <time.h>
#include <unistd.h>

static lh_context *maker;              /* of the files' bytes              */

static void put(lh_buffer *b, const char *text)
{
    CHECK(!lh_buffer_add(maker, b, text, strlen(text)));
}

/* Clocks of work on something of this size. */
typedef double growth_work(lh_context *ctx, int size);

/* Eight times the size takes no 32 times as long. */
static void grows(lh_context *ctx, const char *name, growth_work *work,
                  int size)
{
    double few = work(ctx, size), again = work(ctx, size);
    double many = work(ctx, 8 * size);
    if (again < few)
        few = again;
    CHECK(many < 32 * few + 1000);
    if (many >= 32 * few + 1000)
        printf("    %s: %.0f and %.0f clocks\n", name, few, many);
}

/* Clocks of finding `count` added tokens in a text that has the first letter
 * of them all, and none, and of writing them: ids with a gap, which have to be
 * in the vocabulary. */
static double many_added(lh_context *ctx, int count)
{
    lh_buffer b = { 0 }, out = { 0 };
    int32_t *ids;
    int64_t found;
    char *text = malloc((size_t)count);
    memset(text, 'a', (size_t)count);
    const char *head = "{\"version\": \"1.0\", \"pre_tokenizer\":"
        " {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
        " \"model\": {\"vocab\": {\"a\": 0}, \"merges\": []},"
        " \"added_tokens\": [";
    put(&b, head);
    for (int i = 0; i < count; i++)
        lh_buffer_printf(maker, &b, "%s{\"id\": %d, \"content\":"
                         " \"a%06d\"}", i ? ", " : "", i + 2, i);
    put(&b, "]}");
    lh_tokenizer *k = lh_tokenizer_from(ctx, "many", b.data, b.size, NULL);
    clock_t begun = clock();
    CHECK(k && !lh_tokenizer_encode(ctx, k, text, (size_t)count, &ids,
                                    &found));
    CHECK(found == count && !lh_tokenizer_write(ctx, k, &out));
    double took = (double)(clock() - begun);
    lh_memory_free(ctx, ids);
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &out);
    lh_buffer_free(maker, &b);
    free(text);
    return took;
}

/* Clocks of writing a tokenizer that has one token of `size` letters, which
 * every two others that are it together might make. */
static double long_splits(lh_context *ctx, int size)
{
    static const char *const first[] = { "<unk>", "<s>", "</s>", "a", "aa" };
    char *text = malloc((size_t)size + 1);
    lh_buffer b = { 0 }, out = { 0 };
    memset(text, 'a', (size_t)size);
    text[size] = 0;
    CHECK(!lh_buffer_add(maker, &b, "\x08\0\0\0", 4));
    for (size_t i = 0; i < LH_COUNT(first) + 1; i++) {
        const char *token = i < LH_COUNT(first) ? first[i] : text;
        uint32_t length = (uint32_t)strlen(token);
        CHECK(!lh_buffer_add(maker, &b, "\0\0\0\0", 4));
        for (int k = 0; k < 4; k++)
            lh_buffer_add(maker, &b, &(char){ (char)(length >> 8 * k) }, 1);
        put(&b, token);
    }
    lh_tokenizer *k = lh_tokenizer_from(ctx, "long.bin", b.data, b.size,
                                        NULL);
    clock_t begun = clock();
    CHECK(k && !lh_tokenizer_write(ctx, k, &out));
    double took = (double)(clock() - begun);
    CHECK(out.data && strstr(out.data, "\"merges\": [\n      [\"a\","
                                       " \"a\"]]"));
    lh_tokenizer_free(k);
    lh_buffer_free(ctx, &out);
    lh_buffer_free(maker, &b);
    free(text);
    return took;
}

/* Lines of ranks: of the bytes; of so many letters. */
static void put_bytes(lh_buffer *b)
{
    static const char *const four = "AQgw", *const digits = "ABCDEFGHIJKLMNOP"
        "QRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 256; i++)
        lh_buffer_printf(maker, b, "%c%c== %d\n", digits[i / 4], four[i % 4],
                         i);
}

static void put_rank(lh_buffer *b, int size, int rank)
{
    static const char *const end[3] = { "YWFh", "YQ==", "YWE=" };
    for (int at = 0; at + 3 <= size; at += 3)
        put(b, end[0]);
    lh_buffer_printf(maker, b, "%s %d\n", size % 3 ? end[size % 3] : "", rank);
}

/* Clocks of writing a tokenizer by rank, which says what two tokens each is
 * made of: runs of a letter whose sizes are powers of two. */
static double long_parents(lh_context *ctx, int size)
{
    lh_buffer b = { 0 };
    int rank = 256;
    put_bytes(&b);
    for (int n = 2; n <= size; n *= 2)
        put_rank(&b, n, rank++);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "long.tiktoken", b.data, b.size,
                                        "gpt2");
    clock_t begun = clock();
    size_t count = 0;
    lh_merge *merge = k ? lh_bpe_pairs(ctx, k, &count) : NULL;
    double took = (double)(clock() - begun);
    CHECK_EQ_INT((int64_t)count, rank - 256);
    for (int i = 0; merge && i < (int)count; i++)
        CHECK(merge[i].left == (i ? 255 + i : 'a') &&
              merge[i].right == merge[i].left && merge[i].made == 256 + i);
    lh_free(ctx, merge);
    lh_tokenizer_free(k);
    lh_buffer_free(maker, &b);
    return took;
}

/* ----------------------------------------------------------- collisions -- */

enum { CRAFTED = 1000, PLACES = 2048, SIGNS = 1500, FACTORS = 8 };

/* Where a table of PLACES looks for a key first. */
static size_t place_of(lh_bpe_spread s, uint64_t key)
{
    return (size_t)(key * s.factor >> 53);
}

static lh_tokenizer *crafted(lh_context *ctx, const char *vocab,
                             const char *merges)
{
    lh_buffer b = { 0 };
    lh_buffer_printf(maker, &b, "{\"version\": \"1.0\", \"model\": {"
                     "\"vocab\": {%s}, \"merges\": [%s]}}", vocab, merges);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "crafted", b.data, b.size, NULL);
    lh_buffer_free(maker, &b);
    return k;
}

/* Signs, two of which are a token and a merge where the first `factors` ways
 * to spread would put their pair into 2 of 5 places; a tokenizer of them. */
static lh_tokenizer *crafted_pairs(lh_context *ctx, lh_bpe_spread first,
                                   int factors)
{
    lh_buffer vocab = { 0 }, merges = { 0 };
    int made = 0;
    for (int i = 0; i < SIGNS; i++)
        lh_buffer_printf(maker, &vocab, "%s\"%c%c%c\": %d", i ? ", " : "",
                         0xe4 + i / 4096, 0x80 + i / 64 % 64, 0x80 + i % 64,
                         i);
    for (int i = 0; i < SIGNS * SIGNS && made < CRAFTED; i++) {
        int pair[2] = { i / SIGNS, i % SIGNS };
        lh_bpe_spread s = first;
        bool near = true;
        for (int n = 0; n < factors && near; n++) {
            near = place_of(s, (uint64_t)pair[0] << 32 | (uint64_t)pair[1]) <
                   2 * PLACES / 5;
            s.factor *= 0xd1342543de82ef95u;
        }
        if (!near)
            continue;
        char sign[2][4];
        for (int j = 0; j < 2; j++)
            snprintf(sign[j], 4, "%c%c%c", 0xe4 + pair[j] / 4096,
                     0x80 + pair[j] / 64 % 64, 0x80 + pair[j] % 64);
        lh_buffer_printf(maker, &vocab, ", \"%s%s\": %d", sign[0], sign[1],
                         SIGNS + made);
        lh_buffer_printf(maker, &merges, "%s[\"%s\", \"%s\"]",
                         made++ ? ", " : "", sign[0], sign[1]);
    }
    CHECK_EQ_INT(made, CRAFTED);
    lh_tokenizer *k = crafted(ctx, vocab.data, merges.data);
    lh_buffer_free(maker, &vocab);
    lh_buffer_free(maker, &merges);
    return k;
}

/* Tokens of four letters; of those that stand near each other in the table
 * another tokenizer. */
static lh_tokenizer *crafted_tokens(lh_context *ctx, const lh_tokenizer *from)
{
    lh_buffer vocab = { 0 };
    int made = 0, count = from ? CRAFTED : 26 * 26 * 26;
    for (int i = 0; i < 26 * 26 * 26 && made < count; i++)
        if (!from || place_of(from->bpe->slot_spread,
                              from->bpe->hash[i].hash) < PLACES / 10)
            lh_buffer_printf(maker, &vocab, "%s\"x%c%c%c\": %d",
                             made ? ", " : "", 'a' + i / 676,
                             'a' + i / 26 % 26, 'a' + i % 26, made), made++;
    CHECK_EQ_INT(made, count);
    lh_tokenizer *k = crafted(ctx, vocab.data, "");
    lh_buffer_free(maker, &vocab);
    return k;
}

/* Pairs and tokens that all would stand at one place stand elsewhere, and
 * where they do so in every way they are refused: a look-up never takes
 * long. */
static void test_collisions(lh_context *ctx)
{
    lh_tokenizer *many = crafted_tokens(ctx, NULL);
    lh_bpe_spread first = many->bpe->slot_spread;
    lh_tokenizer *few = crafted_tokens(ctx, many);
    lh_tokenizer *two = crafted_pairs(ctx, first, 1);
    CHECK(few && two);
    if (!few || !two)
        return;
    CHECK(few->bpe->slot_spread.factor != many->bpe->slot_spread.factor);
    for (int32_t id = 0; id < CRAFTED; id++)
        CHECK_EQ_INT(lh_bpe_find(few, few->pieces + 4 * id, 4), id);
    CHECK(two->bpe->pair_spread.factor != first.factor);
    int32_t *ids;
    int64_t count;
    const char *text = two->pieces + two->starts[SIGNS];
    CHECK(!lh_tokenizer_encode(ctx, two, text, 6 * CRAFTED, &ids, &count));
    CHECK_EQ_INT(count, CRAFTED);
    for (int32_t i = 0; i < CRAFTED; i++)
        CHECK_EQ_INT(ids[i], SIGNS + i);
    lh_memory_free(ctx, ids);
    lh_tokenizer_free(many);
    lh_tokenizer_free(few);
    lh_tokenizer_free(two);
    CHECK(!crafted_pairs(ctx, first, FACTORS));
    CHECK(strstr(lh_error_message(ctx), "crafted: its merges crowd"));
    lh_error_clear(ctx);
}

/* Clocks of reading documents with so many MB of what may be their end. */
static double many_blanks(lh_context *ctx, int size)
{
    static const lh_documents by[] = { LH_DOCUMENTS_LINES,
        LH_DOCUMENTS_PARAGRAPHS, LH_DOCUMENTS_SEPARATED };
    double took = 0;
    size_t length = (size_t)size << 20;
    char *text = malloc(length);
    for (int i = 0; i < 3; i++) {
        memset(text, i < 2 ? ' ' : '\n', length);
        memcpy(text, i < 1 ? "a" : "a\n", i < 1 ? 1 : 2);
        memcpy(text + length - 2, "b\n", 2);
        clock_t begun = clock();
        lh_dataset *d = lh_dataset_text(ctx, text, length, by[i]);
        took += (double)(clock() - begun);
        CHECK_EQ_INT(lh_dataset_documents(d), 1);
        lh_dataset_free(d);
    }
    free(text);
    return took;
}

/* Clocks of encoding a document that has no place to cut it and comes in one
 * large part and many small ones: so many MB, hundreds of files. */
static double no_cut(lh_context *ctx, int size)
{
    enum { FILES = 100 };
    static const char json[] = "{\"version\": \"1.0\", \"pre_tokenizer\":"
        " {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
        " \"model\": {\"vocab\": {\"1\": 0, \",\": 1}, \"merges\": []}}";
    char large[] = "/tmp/longhand-growth-XXXXXX", few[sizeof large];
    strcpy(few, large);
    FILE *f = fdopen(mkstemp(large), "w"), *g = fdopen(mkstemp(few), "w");
    for (int i = 0; i < size << 18; i++)
        fputs("1,1,", f);
    fputs("1,", g);
    fclose(f), fclose(g);
    const char **path = calloc((size_t)(FILES * size), sizeof *path);
    for (int i = 0; i < FILES * size; i++)
        path[i] = i ? few : large;
    lh_sources what = { .path = path, .paths = FILES * size, .memory = 1,
                        .by = LH_DOCUMENTS_WHOLE };
    lh_dataset *d = lh_dataset_open(ctx, &what);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "few", json, sizeof json - 1,
                                        NULL);
    lh_windows w;
    lh_windows_of of = { k, d, 64, 0, 1 };
    clock_t begun = clock();
    CHECK(d && k && !lh_windows_open(ctx, &w, &of, NULL));
    double took = (double)(clock() - begun);
    lh_windows_free(&w);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    unlink(large), unlink(few);
    free(path);
    return took;
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    maker = ctx;
    grows(ctx, "added tokens", many_added, 4000);
    grows(ctx, "splits", long_splits, 4000);
    grows(ctx, "parents", long_parents, 2048);
    grows(ctx, "blanks", many_blanks, 4);
    grows(ctx, "no place to cut", no_cut, 1);
    test_collisions(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("growth");
}
