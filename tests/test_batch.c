/* Many texts encoded at once give what each gives alone, for any number of
 * threads; and what they are decoded to. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "longhand.h"

#include "test.h"

#define TEXTS 60

/* Words, some of them long, tabs and bytes that are no UTF-8; of every tenth
 * text so many that threads share it. */
static char *some_text(uint64_t *state, int i, size_t *size)
{
    static const char *const words[] = {
        "First", "Citizen", "speak,", "we'll", "  ", "\n\n", "\u4e2d\u6587",
        "<|endoftext|>", "incomprehensibilities", "12345", "e\u0301", "\xff",
    };
    size_t room = i % 10 == 9 ? 150000 + test_random(state) % 200000
                : i % 7 == 6 ? 0 : test_random(state) % 6000;
    char *text = malloc(room + 32);
    *size = 0;
    while (text && *size < room) {
        const char *word = words[test_random(state) % 12];
        if (i == 19 && *size > 50000 && *size + 90000 < room) {
            memset(text + *size, '7', 80000);    /* nowhere to cut it      */
            *size += 80000;
        }
        memcpy(text + *size, word, strlen(word));
        *size += strlen(word);
        text[(*size)++] = ' ';
    }
    return text;
}

typedef struct texts {
    char *text[TEXTS];
    size_t size[TEXTS];
} texts;

/* In so many steps, with a tokenizer made after each; the last one. */
static lh_tokenizer *trained(lh_context *ctx, const texts *t,
                             int64_t vocabulary, int steps)
{
    const char *special = "<|endoftext|>";
    lh_tokenizer_trainer *r = lh_tokenizer_trainer_new(ctx);
    lh_tokenizer *k = NULL;
    for (int i = 0, each = TEXTS / steps; i < steps; i++) {
        lh_tokenizer_free(k);
        CHECK(!lh_tokenizer_trainer_add(
            r, (const char *const *)t->text + i * each, t->size + i * each,
            each));
        k = lh_tokenizer_trainer_make(r, vocabulary, &special, 1, NULL, NULL);
    }
    lh_tokenizer_trainer_free(r);
    return k;
}

/* A host's allocator, which only the thread `host` may ask. */
static pthread_t host;
static atomic_int strangers;

static void *allocate(void *user, size_t size)
{
    (void)user;
    strangers += !pthread_equal(host, pthread_self());
    return malloc(size);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Neither steps nor threads make other tokens. */
static void test_trained(const lh_tokenizer *k, const texts *t)
{
    lh_context *one = lh_context_new(&(lh_settings){
        .threads = 3, .allocator = { allocate, release, NULL } });
    int64_t vocabulary = lh_tokenizer_vocabulary(k);
    lh_tokenizer *other = trained(one, t, vocabulary, 1);
    CHECK_EQ_INT(lh_tokenizer_vocabulary(other), vocabulary);
    for (int32_t i = 0; i < vocabulary; i++) {
        size_t size, as;
        const char *piece = lh_tokenizer_piece(k, i, &size);
        const char *same = lh_tokenizer_piece(other, i, &as);
        CHECK(size == as && !memcmp(piece, same, size));
    }
    lh_tokenizer_free(other);
    lh_context_free(one);
    CHECK_EQ_INT(strangers, 0);
}

/* All at once beside one after the other. */
static void test_same(const lh_tokenizer *k, const texts *t, int threads,
                      const lh_encoding *how)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = threads });
    int32_t *ids, *alone;
    int64_t *offsets, count;
    char *back;
    size_t size;
    CHECK(!lh_tokenizer_encode_batch(ctx, k, (const char *const *)t->text,
                                     t->size, TEXTS, how, &ids, &offsets));
    for (int i = 0; i < TEXTS && offsets; i++) {
        CHECK(!lh_tokenizer_encode_as(ctx, k, t->text[i], t->size[i], how,
                                      &alone, &count));
        CHECK_EQ_INT(offsets[i + 1] - offsets[i], count);
        CHECK(offsets[i + 1] - offsets[i] == count &&
              !memcmp(ids + offsets[i], alone,
                      (size_t)count * sizeof *alone));
        CHECK(!lh_tokenizer_decode(ctx, k, alone, count, &back, &size, NULL));
        CHECK(how || (size == t->size[i] && !memcmp(back, t->text[i], size)));
        lh_memory_free(ctx, back);
        lh_memory_free(ctx, alone);
    }
    lh_memory_free(ctx, ids);
    lh_memory_free(ctx, offsets);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
}

/* Threads of the host's that encode with one tokenizer, each with a context of
 * its own, while its cache fills: each the same. */
enum { HOSTS = 3 };

typedef struct sharing {
    const lh_tokenizer *k;
    const texts *t;
    int64_t count;
    uint64_t hash;
    bool failed;
} sharing;

static void *share(void *arg)
{
    sharing *s = arg;
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    s->count = 0;
    s->hash = 5;
    s->failed = !ctx;
    for (int i = 0; i < TEXTS && !s->failed; i++) {
        int32_t *ids;
        int64_t count;
        s->failed = lh_tokenizer_encode(ctx, s->k, s->t->text[i],
                                        s->t->size[i], &ids, &count);
        for (int64_t j = 0; j < count; j++)
            s->hash = (s->hash ^ (uint32_t)ids[j]) * 0x100000001b3u;
        s->count += count;
        lh_memory_free(ctx, ids);
    }
    lh_context_free(ctx);
    return NULL;
}

static void test_shared(const lh_tokenizer *k, const texts *t)
{
    sharing each[HOSTS + 1];
    pthread_t thread[HOSTS];
    for (int i = 0; i <= HOSTS; i++)
        each[i] = (sharing){ .k = k, .t = t };
    for (int i = 0; i < HOSTS; i++)
        CHECK(!pthread_create(&thread[i], NULL, share, &each[i]));
    for (int i = 0; i < HOSTS; i++)
        pthread_join(thread[i], NULL);
    share(&each[HOSTS]);
    for (int i = 0; i <= HOSTS; i++) {
        CHECK(!each[i].failed && each[i].hash == each[HOSTS].hash);
        CHECK_EQ_INT(each[i].count, each[HOSTS].count);
    }
}

/* The first text that cannot be encoded is named, whoever came upon it. */
static void test_failure(lh_context *ctx)
{
    static char large[300000];
    const char *text[] = { "abc", large, "cab", "a?c", "", "??" };
    size_t size[] = { 3, sizeof large, 3, 3, 0, 2 };
    int32_t *ids;
    int64_t *offsets;
    memset(large, 'b', sizeof large);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, "abc", 3);
    CHECK(!lh_tokenizer_encode_batch(ctx, k, text, size, 3, NULL, &ids,
                                     &offsets));
    CHECK(offsets && offsets[1] == 3 && offsets[2] == 300003 &&
          offsets[3] == 300006 && ids[300003] == 2);
    lh_memory_free(ctx, ids);
    lh_memory_free(ctx, offsets);
    CHECK_EQ_INT(lh_tokenizer_encode_batch(ctx, k, text, size, 6, NULL, &ids,
                                           &offsets), LH_ERROR_FORMAT);
    CHECK(!ids && !offsets);
    CHECK(strstr(lh_error_message(ctx), "text 3: byte 1:") != NULL);
    lh_error_clear(ctx);
    CHECK(!lh_tokenizer_encode_batch(ctx, k, NULL, NULL, 0, NULL, &ids,
                                     &offsets));
    CHECK(offsets && !offsets[0]);
    lh_memory_free(ctx, ids);
    lh_memory_free(ctx, offsets);
    lh_tokenizer_free(k);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 3 });
    static const lh_encoding special = { .special = true, .frame = true };
    static texts t;
    uint64_t state = 5;
    host = pthread_self();
    for (int i = 0; i < TEXTS; i++)
        t.text[i] = some_text(&state, i, &t.size[i]);
    lh_tokenizer *const kinds[] = { trained(ctx, &t, 290, 1),
                                    trained(ctx, &t, 700, 4),
                                    lh_tokenizer_bytes(ctx) };
    test_trained(kinds[1], &t);
    for (int i = 0; i < 3; i++) {
        CHECK(kinds[i] != NULL);
        test_shared(kinds[i], &t);
        for (int threads = 1; threads < 4; threads++)
            test_same(kinds[i], &t, threads, threads == 3 ? &special : NULL);
        lh_tokenizer_free(kinds[i]);
    }
    for (int i = 0; i < TEXTS; i++)
        free(t.text[i]);
    test_failure(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("batch");
}
