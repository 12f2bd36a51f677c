/* How fast the library's tokenizers are, in process: our side of
 * tools/bench_tokenizers.py, which starts one of these.  Not part of the
 * library or the program.
 *
 *     bench_tokenizer THREADS
 *
 * reads lines and answers each with one: the seconds that the library's call
 * took, and how much came out of it.
 *
 *     load FILE PRE      a tokenizer ("-": as the file says)
 *     text FILE BYTES    a text; a document ends with the first line end
 *                        BYTES or more behind its begin (0: one document)
 *     encode             each document by a call of its own
 *     batch              all documents by one call
 *     decode IDS         what was encoded last, so many ids a call
 *     train VOCABULARY   a tokenizer from the documents: read, then made
 */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "longhand.h"

typedef struct state {
    lh_context *ctx;
    lh_tokenizer *k;
    char *text;
    const char **document;
    size_t *size, documents;
    int32_t *ids;
    int64_t count;
} state;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *must(void *memory)
{
    if (!memory) {
        fprintf(stderr, "bench_tokenizer: no memory, or no such file\n");
        exit(1);
    }
    return memory;
}

static void check(const state *s, bool fine)
{
    if (!fine) {
        fprintf(stderr, "bench_tokenizer: %s\n", lh_error_message(s->ctx));
        exit(1);
    }
}

static void read_text(state *s, const char *path, size_t least)
{
    FILE *f = must(fopen(path, "rb"));
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    s->text = must(realloc(s->text, size + 1));
    if (fread(s->text, 1, size, f) != size)
        must(NULL);
    fclose(f);
    s->documents = 0;
    for (size_t at = 0; at < size;) {
        const char *end = least && size - at > least
            ? memchr(s->text + at + least, '\n', size - at - least) : NULL;
        size_t stop = end ? (size_t)(end - s->text) + 1 : size;
        if (s->documents % 4096 == 0) {
            size_t more = s->documents + 4096;
            s->document = must(realloc(s->document,
                                       more * sizeof *s->document));
            s->size = must(realloc(s->size, more * sizeof *s->size));
        }
        s->document[s->documents] = s->text + at;
        s->size[s->documents++] = stop - at;
        at = stop;
    }
}

/* One call a document; only the last one's ids are kept. */
static void encode(state *s)
{
    int64_t total = 0;
    double begun = now();
    for (size_t i = 0; i < s->documents; i++) {
        lh_memory_free(s->ctx, s->ids);
        check(s, !lh_tokenizer_encode(s->ctx, s->k, s->document[i],
                                      s->size[i], &s->ids, &s->count));
        total += s->count;
    }
    printf("%.9f %lld\n", now() - begun, (long long)total);
}

static void batch(state *s)
{
    int64_t *offsets;
    lh_memory_free(s->ctx, s->ids);
    double begun = now();
    check(s, !lh_tokenizer_encode_batch(s->ctx, s->k, s->document, s->size,
                                        (int64_t)s->documents, NULL, &s->ids,
                                        &offsets));
    s->count = offsets[s->documents];
    printf("%.9f %lld\n", now() - begun, (long long)s->count);
    lh_memory_free(s->ctx, offsets);
}

static void decode(state *s, int64_t block)
{
    size_t total = 0;
    double begun = now();
    for (int64_t at = 0; at < s->count; at += block) {
        int64_t left = s->count - at;
        char *text;
        size_t size;
        check(s, !lh_tokenizer_decode(s->ctx, s->k, s->ids + at,
                                      left < block ? left : block, &text,
                                      &size, NULL));
        lh_memory_free(s->ctx, text);
        total += size;
    }
    printf("%.9f %zu\n", now() - begun, total);
}

static void train(state *s, int64_t vocabulary)
{
    const char *special = "<|endoftext|>";
    double begun = now();
    lh_tokenizer_trainer *t = lh_tokenizer_trainer_new(s->ctx);
    check(s, t && !lh_tokenizer_trainer_add(t, s->document, s->size,
                                            (int64_t)s->documents));
    double read = now();
    lh_tokenizer *k = lh_tokenizer_trainer_make(t, vocabulary, &special, 1,
                                                NULL, NULL);
    check(s, k);
    printf("%.9f %lld %.9f\n", now() - begun,
           (long long)lh_tokenizer_vocabulary(k), read - begun);
    lh_tokenizer_free(k);
    lh_tokenizer_trainer_free(t);
}

static bool answer(state *s, const char *line)
{
    static char path[4096], word[64];
    size_t number;
    if (sscanf(line, "load %4095s %63s", path, word) == 2) {
        lh_tokenizer_free(s->k);
        double begun = now();
        s->k = lh_tokenizer_load(s->ctx, path,
                                 word[0] == '-' ? NULL : word);
        check(s, s->k);
        printf("%.9f %lld\n", now() - begun,
               (long long)lh_tokenizer_vocabulary(s->k));
    } else if (sscanf(line, "text %4095s %zu", path, &number) == 2) {
        read_text(s, path, number);
        printf("0 %zu\n", s->documents);
    } else if (sscanf(line, "train %zu", &number) == 1) {
        train(s, (int64_t)number);
    } else if (strncmp(line, "encode", 6) == 0) {
        encode(s);
    } else if (strncmp(line, "batch", 5) == 0) {
        batch(s);
    } else if (sscanf(line, "decode %zu", &number) == 1) {
        decode(s, (int64_t)number);
    } else {
        return false;
    }
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    static char line[8192];
    state s = { 0 };
    s.ctx = must(lh_context_new(&(lh_settings){
        .threads = argc > 1 ? atoi(argv[1]) : 1 }));
    while (fgets(line, sizeof line, stdin) && answer(&s, line))
        ;
    free(s.text);
    free(s.document);
    free(s.size);
    lh_memory_free(s.ctx, s.ids);
    lh_tokenizer_free(s.k);
    lh_context_free(s.ctx);
    return 0;
}
