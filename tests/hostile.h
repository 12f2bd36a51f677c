/* What the tests of parsers and files share: a context without threads and
 * kernels whose allocator counts and can fail, and mutations of valid input
 * that are the same in every run. */
#ifndef LH_HOSTILE_H
#define LH_HOSTILE_H

#include "base/base.h"
#include "base/context.h"
#include "base/file.h"
#include "test.h"

typedef struct hostile_memory {
    int64_t live, calls, fail_at;          /* fail_at 0: never             */
} hostile_memory;

static inline void *hostile_allocate(void *user, size_t size)
{
    hostile_memory *memory = user;
    /* Sanitizers stop a program that asks malloc for the impossible. */
    if (++memory->calls == memory->fail_at || (uint64_t)size >> 38
        || size > PTRDIFF_MAX)
        return NULL;
    void *block = malloc(size ? size : 1);
    memory->live += block != NULL;
    return block;
}

static inline void hostile_release(void *user, void *block)
{
    hostile_memory *memory = user;
    memory->live -= block != NULL;
    free(block);
}

static inline lh_context hostile_context(hostile_memory *memory)
{
    *memory = (hostile_memory){ 0 };
    return (lh_context){
        .allocator = { hostile_allocate, hostile_release, memory },
        .io = &lh_io_system,
    };
}

/* Runs work(ctx, arg) with the first, second, ... allocation failing until
 * it succeeds: each failure is LH_ERROR_MEMORY and leaks nothing. */
static inline void hostile_exhaust(const char *name,
                                   lh_status (*work)(lh_context *, void *),
                                   void *arg)
{
    hostile_memory memory;
    lh_context ctx = hostile_context(&memory);
    for (int64_t n = 1; n < 10000; n++) {
        memory.calls = 0;
        memory.fail_at = n;
        lh_error_clear(&ctx);
        lh_status status = work(&ctx, arg);
        CHECK_EQ_INT(memory.live, 0);
        if (!status) {
            CHECK(memory.calls < n);
            CHECK(n > 1);
            return;
        }
        CHECK_EQ_INT(status, LH_ERROR_MEMORY);
        CHECK_EQ_INT(ctx.status, LH_ERROR_MEMORY);
    }
    printf("%s never succeeds\n", name);
    CHECK(false);
}

/* ----------------------------------------------------------- mutations -- */

/* This test's share of the mutations: LH_MUTATIONS (default 10^5) over the
 * parsers of json, safetensors and config. */
static inline int64_t hostile_mutations(void)
{
    const char *set = getenv("LH_MUTATIONS");
    return (set ? atoll(set) : 100000) / 3 + 1;
}

/* Changes text[0..*size), which has room for `room` bytes, in 1 to 4 places:
 * a bit, a byte, a range taken out, doubled or cut off, a digit, a word. */
static inline void hostile_mutate(uint64_t *state, char *text, size_t *size,
                                  size_t room)
{
    static const char bytes[] = "\"\\{}[],:0123456789-+.eEtfnu \n\x00\x7f"
                                "\x80\xc0\xed\xa0\xff";
    static const char *const words[] = {
        "18446744073709551615", "9223372036854775807", "-1", "1e999",
        "null", "\"__metadata__\"", "[[[[[[[[", "{\"a\":{\"a\":", "\\u0000",
        "\\ud800", "0.0000001", "2147483648", "1e-320", "true",
    };
    for (int edits = 1 + (int)(test_random(state) % 4); edits > 0; edits--) {
        uint64_t r = test_random(state);
        size_t at = *size ? (size_t)((r >> 32) % *size) : 0;
        size_t length = 1 + (size_t)((r >> 8) % 24);
        if (length > *size - at)
            length = *size - at;
        const char *word = words[(r >> 16) % LH_COUNT(words)];
        switch (*size ? r % 8 : 7) {
        case 0:
            text[at] = (char)(text[at] ^ 1 << (r >> 16) % 8);
            break;
        case 1: case 2:
            text[at] = bytes[(r >> 16) % (sizeof bytes - 1)];
            break;
        case 3:
            memmove(text + at, text + at + length, *size - at - length);
            *size -= length;
            break;
        case 4:
            if (*size + length > room)
                break;
            memmove(text + at + length, text + at, *size - at);
            *size += length;
            break;
        case 5:
            if (r >> 60 == 0)
                *size = at;
            break;
        case 6:
            text[at] = (char)(text[at] + ((r >> 16) % 2 ? 1 : -1));
            break;
        default:
            length = strlen(word);
            if (*size + length > room)
                break;
            memmove(text + at + length, text + at, *size - at);
            memcpy(text + at, word, length);
            *size += length;
        }
    }
}

/* Mutates `valid` and hands each to try_one(ctx, text, size), in a block
 * of exactly its size, so that a read behind it is seen by sanitizers; each
 * must leave no memory behind and give LH_OK or LH_ERROR_FORMAT. */
static inline void hostile_storm(const char *valid, size_t size,
                                 int64_t count, uint64_t seed,
                                 lh_status (*try_one)(lh_context *,
                                                      const char *, size_t))
{
    hostile_memory memory;
    lh_context ctx = hostile_context(&memory);
    size_t room = 2 * size + 256;
    char *text = malloc(room);
    int64_t accepted = 0;
    for (int64_t i = 0; i < count && text; i++) {
        size_t now = size;
        memcpy(text, valid, size);
        hostile_mutate(&seed, text, &now, room);
        char *exact = malloc(now ? now : 1);
        memcpy(exact, text, now);
        lh_error_clear(&ctx);
        lh_status status = try_one(&ctx, exact, now);
        free(exact);
        accepted += !status;
        if (memory.live || (status && status != LH_ERROR_FORMAT)
            || (status != LH_OK) != (ctx.message[0] != 0)) {
            printf("mutation %lld: status %d, %lld blocks left: %s\n",
                   (long long)i, (int)status, (long long)memory.live,
                   ctx.message);
            CHECK(false);
            break;
        }
    }
    free(text);
    /* Both sides must have been seen, or the storm tests nothing. */
    CHECK(count < 1000 || (accepted > 0 && accepted < count));
}

#endif
