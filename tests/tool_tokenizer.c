/* For tests/oracle_vocabularies.py.  Texts come on stdin, each behind its
 * length in 4 bytes, little-endian as all that follows.
 *
 *   tool_tokenizer ids FILE          each text's count of ids, and the ids
 *   tool_tokenizer back FILE         and its size when decoded, and the bytes
 *   tool_tokenizer special FILE      the ids where special tokens are tokens
 *   tool_tokenizer frame FILE        and with those that stand around a text
 *   tool_tokenizer train VOCABULARY FILE    trains on the texts into FILE
 *   tool_tokenizer save FILE OTHER          writes it as tokenizer.json
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "longhand.h"

static char *next_text(uint32_t *size)
{
    if (fread(size, 4, 1, stdin) != 1)
        return NULL;
    char *text = malloc((size_t)*size + 1);
    if (text && fread(text, 1, *size, stdin) != *size) {
        free(text);
        return NULL;
    }
    return text;
}

static void put(const void *what, int64_t count, size_t size)
{
    uint32_t n = (uint32_t)count;
    fwrite(&n, 4, 1, stdout);
    fwrite(what, size, n, stdout);
}

static int encode(lh_context *ctx, const char *path, const char *what)
{
    bool back = !strcmp(what, "back");
    lh_encoding how = { .special = !strcmp(what, "special"),
                        .frame = !strcmp(what, "frame") };
    lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
    uint32_t size;
    for (char *text; k && (text = next_text(&size)); free(text)) {
        int32_t *ids;
        int64_t count;
        if (lh_tokenizer_encode_as(ctx, k, text, size, &how, &ids, &count))
            break;
        put(ids, count, 4);
        char *decoded = NULL;
        size_t length;
        if (back && !lh_tokenizer_decode(ctx, k, ids, count, &decoded,
                                         &length, NULL))
            put(decoded, (int64_t)length, 1);
        lh_memory_free(ctx, decoded);
        lh_memory_free(ctx, ids);
    }
    lh_tokenizer_free(k);
    return lh_error_status(ctx) != LH_OK;
}

static int train(lh_context *ctx, int64_t vocabulary, const char *path)
{
    const char *special = "<|endoftext|>";
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(ctx);
    uint32_t size;
    for (char *text; (text = next_text(&size)); free(text))
        lh_tokenizer_trainer_add(t, &(const char *){ text },
                                 &(size_t){ size }, 1);
    lh_tokenizer *k = lh_tokenizer_trainer_make(t, vocabulary, &special, 1,
                                                NULL, NULL);
    lh_tokenizer_save(ctx, k, path);
    lh_tokenizer_free(k);
    lh_tokenizer_trainer_free(t);
    return lh_error_status(ctx) != LH_OK;
}

static int save(lh_context *ctx, const char *path, const char *other)
{
    lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
    if (k)
        lh_tokenizer_save(ctx, k, other);
    lh_tokenizer_free(k);
    return lh_error_status(ctx) != LH_OK;
}

int main(int argc, char **argv)
{
    lh_context *ctx = lh_context_new(NULL);
    int code = argc == 4 && !strcmp(argv[1], "train")
        ? train(ctx, strtoll(argv[2], NULL, 10), argv[3])
        : argc == 4 ? save(ctx, argv[2], argv[3])
        : argc == 3 ? encode(ctx, argv[2], argv[1]) : 2;
    if (code)
        fprintf(stderr, "%s\n", lh_error_message(ctx));
    lh_context_free(ctx);
    return code;
}
