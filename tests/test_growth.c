/* Tokenizers' files made so that work grows as a square, or worse: of one and
 * of eight times the size, in processor time.  Twice eight is what sorting and
 * caches may ask for, a square asks for 64. */
#include "longhand.h"

#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"

#include "test.h"

#include <time.h>

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

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    maker = ctx;
    grows(ctx, "added tokens", many_added, 4000);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("growth");
}
