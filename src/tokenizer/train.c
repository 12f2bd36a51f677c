/* Training byte pairs: what is read of texts.
 *
 * Documents are cut into pieces, and each distinct piece is kept once with
 * its count: that is what is read of a corpus of any size, by all threads,
 * each with a table of its own.  What follows from it is in
 * train_merges.c. */
#include "base/context.h"
#include "base/threads.h"
#include "tokenizer/train.h"
#include "tokenizer/unicode.h"

/* Memory for texts of pieces is taken in blocks of so many bytes. */
#define TRAIN_ROOM ((size_t)1 << 18)
/* Parts of documents of about this size; so many bytes in a round. */
#define TRAIN_PART ((size_t)1 << 16)
#define TRAIN_ROUND ((size_t)1 << 22)

/* ------------------------------------------------------ distinct pieces -- */

/* A part of a document, cut where a piece ends. */
typedef struct train_part {
    const char *text;
    size_t size;
} train_part;

/* The pieces that one thread has seen, and its parts of a round.  Memory is
 * the caller's part: a thread that lacks room stops, and is called again. */
typedef struct train_counter {
    lh_context *ctx;
    lh_arena arena;
    char *room;                        /* for texts                        */
    size_t room_size;
    lh_word *word;                  /* [mask + 1], text NULL: empty     */
    size_t mask, used;
    const lh_scanner *scan;
    const uint8_t *classes;
    const train_part *part;            /* every `stride`-th of them        */
    size_t parts, stride, next, at;
    size_t wanted;                     /* bytes of text it lacks room for  */
    bool full;                         /* of words                         */
} train_counter;

static lh_word *train_place(const train_counter *c, const char *text,
                               size_t size, uint32_t hash)
{
    for (size_t i = hash;; i++) {
        lh_word *w = &c->word[i & c->mask];
        if (!w->text || (w->hash == hash && w->size == size &&
                         !memcmp(w->text, text, size)))
            return w;
    }
}

static bool train_grow(train_counter *c)
{
    train_counter larger = *c;
    larger.mask = c->word ? 2 * c->mask + 1 : 65535;
    larger.word = lh_alloc_full(c->ctx, larger.mask + 1,
                                sizeof *larger.word);
    if (!larger.word)
        return false;
    for (size_t i = 0; c->word && i <= c->mask; i++)
        if (c->word[i].text)
            *train_place(&larger, c->word[i].text, c->word[i].size,
                         c->word[i].hash) = c->word[i];
    lh_free(c->ctx, c->word);
    c->word = larger.word;
    c->mask = larger.mask;
    return true;
}

/* Counts a piece; false: there is no room for it. */
static bool train_count(train_counter *c, const char *text, size_t size)
{
    uint32_t hash = lh_hash(text, size);
    lh_word *w = train_place(c, text, size, hash);
    if (!w->text) {
        c->full = 2 * c->used >= c->mask;
        c->wanted = size > c->room_size ? size : 0;
        if (c->full || c->wanted)
            return false;
        *w = (lh_word){ memcpy(c->room, text, size), (uint32_t)size, hash,
                           0 };
        c->room += size;
        c->room_size -= size;
        c->used++;
    }
    w->count++;
    return true;
}

/* One thread's parts of a round, from where it stopped. */
static void train_share(void *arg, int thread)
{
    train_counter *c = (train_counter *)arg + thread;
    for (; c->next < c->parts; c->next += c->stride, c->at = 0) {
        const train_part *p = &c->part[c->next];
        const unsigned char *text = (const unsigned char *)p->text;
        while (c->at < p->size) {
            size_t n = c->scan->next(c->scan, c->classes, text + c->at,
                                     p->size - c->at);
            if (!train_count(c, p->text + c->at, n))
                return;
            c->at += n;
        }
    }
}

/* All parts of a round, with as many threads as there are counters. */
static lh_status train_round(lh_context *ctx, train_counter *counter,
                             size_t threads, const train_part *part,
                             size_t parts)
{
    for (size_t i = 0; i < threads; i++) {
        counter[i].part = part;
        counter[i].parts = parts;
        counter[i].next = i;
        counter[i].at = 0;
        counter[i].stride = threads;
    }
    for (bool more = true; more;) {
        lh_pool_run(ctx->pool, (int)threads, train_share, counter);
        more = false;
        for (size_t i = 0; i < threads; i++) {
            train_counter *c = &counter[i];
            more |= c->full || c->wanted;
            if (c->full && !train_grow(c))
                return LH_ERROR_MEMORY;
            if (c->wanted) {
                c->room_size = c->wanted > TRAIN_ROOM ? c->wanted
                                                      : TRAIN_ROOM;
                c->room = lh_arena_alloc(&c->arena, c->room_size);
                if (!c->room)
                    return LH_ERROR_MEMORY;
            }
            c->full = false;
            c->wanted = 0;
        }
    }
    return LH_OK;
}

/* Moves the pieces of all counters to the first. */
static lh_status train_gather(train_counter *counter, size_t threads)
{
    train_counter *first = &counter[0];
    for (size_t t = 1; t < threads; t++)
        for (size_t i = 0; i <= counter[t].mask; i++) {
            lh_word *w = &counter[t].word[i];
            if (!w->text)
                continue;
            if (2 * first->used >= first->mask && !train_grow(first))
                return LH_ERROR_MEMORY;
            lh_word *to = train_place(first, w->text, w->size, w->hash);
            if (!to->text) {
                *to = *w;
                to->count = 0;
                first->used++;
            }
            to->count += w->count;
            w->text = NULL;
            counter[t].used--;
        }
    return LH_OK;
}

/* ------------------------------------------------------------- training -- */

struct lh_tokenizer_trainer {
    lh_context *ctx;
    const lh_scanner *scan;
    uint8_t *classes;
    train_counter *counter;            /* [threads]                        */
    size_t threads;
    int64_t documents;
};

LH_API void lh_tokenizer_trainer_free(lh_tokenizer_trainer *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->counter && i < t->threads; i++) {
        lh_arena_free(&t->counter[i].arena);
        lh_free(t->ctx, t->counter[i].word);
    }
    lh_free(t->ctx, t->counter);
    lh_free(t->ctx, t->classes);
    lh_free(t->ctx, t);
}

LH_API lh_tokenizer_trainer *lh_tokenizer_trainer_new(lh_context *ctx)
{
    lh_tokenizer_trainer *t = ctx ? lh_alloc(ctx, 1, sizeof *t) : NULL;
    if (!t)
        return NULL;
    t->ctx = ctx;
    t->scan = lh_scanner_named("gpt2", 4);
    t->threads = (size_t)lh_pool_threads(ctx->pool);
    t->classes = lh_alloc(ctx, LH_CLASSES, 1);
    t->counter = lh_alloc(ctx, t->threads, sizeof *t->counter);
    bool ok = t->classes && t->counter;
    if (ok)
        lh_unicode_classes(t->classes);
    for (size_t i = 0; i < t->threads && ok; i++) {
        train_counter *c = &t->counter[i];
        c->ctx = c->arena.ctx = ctx;
        c->scan = t->scan;
        c->classes = t->classes;
        ok = train_grow(c);
    }
    if (!ok) {
        lh_tokenizer_trainer_free(t);
        return NULL;
    }
    return t;
}

LH_API int64_t lh_tokenizer_trainer_words(const lh_tokenizer_trainer *t)
{
    int64_t words = 0;
    for (size_t i = 0; t && i < t->threads; i++)
        words += (int64_t)t->counter[i].used;
    return words;
}

/* Where a part may end, from `at` on: between a letter and a blank, where
 * every scanner's pieces end; the document's end if there is no such place. */
static size_t train_cut(const char *text, size_t size, size_t at)
{
    for (; at < size; at++)
        if (text[at] == ' ' && ((text[at - 1] >= 'a' && text[at - 1] <= 'z') ||
                                (text[at - 1] >= 'A' && text[at - 1] <= 'Z')))
            return at;
    return size;
}

LH_API lh_status lh_tokenizer_trainer_add(lh_tokenizer_trainer *t,
                                          const char *const *text,
                                          const size_t *size, int64_t count)
{
    if (!t || count < 0 || (count && (!text || !size)))
        return lh_fail(t ? t->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_tokenizer_trainer_add: no trainer or no texts");
    train_part *part = NULL;
    size_t parts = 0, room = 0, bytes = 0;
    lh_status status = LH_OK;
    for (int64_t i = 0; i < count && !status; i++) {
        for (size_t at = 0, end; at < size[i] && !status; at = end) {
            end = size[i] - at <= TRAIN_PART
                ? size[i] : train_cut(text[i], size[i], at + TRAIN_PART);
            status = lh_grow(t->ctx, &part, &room, parts + 1, sizeof *part);
            if (status)
                break;
            part[parts++] = (train_part){ text[i] + at, end - at };
            bytes += end - at;
            if (end - at > UINT32_MAX / 2)
                status = lh_fail(t->ctx, LH_ERROR_ARGUMENT, "document %lld"
                                 " has %zu bytes without a blank; split it",
                                 (long long)(t->documents + i + 1),
                                 end - at);
            if (!status && bytes >= TRAIN_ROUND) {
                status = train_round(t->ctx, t->counter, t->threads, part,
                                     parts);
                parts = bytes = 0;
            }
        }
    }
    if (!status && parts)
        status = train_round(t->ctx, t->counter, t->threads, part, parts);
    t->documents += count;
    lh_free(t->ctx, part);
    return status;
}

LH_API lh_tokenizer *lh_tokenizer_trainer_make(
    lh_tokenizer_trainer *t, int64_t vocabulary, const char *const *special,
    int specials, lh_train_report *report, void *user)
{
    if (!t)
        return NULL;
    lh_context *ctx = t->ctx;
    if (specials < 1 || !special || vocabulary - 256 < specials ||
        vocabulary > 1 << 20)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "a vocabulary of %lld: it"
                            " is at least the 256 bytes and the special"
                            " tokens, of which there is one or more, and at"
                            " most 2^20", (long long)vocabulary);
    lh_gather g = { .ctx = ctx, .where = "training", .arena = { .ctx = ctx } };
    lh_tokenizer *k = NULL;
    lh_status status = train_gather(t->counter, t->threads);
    if (!status)
        status = lh_train_merges(&g, t->counter[0].word,
                                 t->counter[0].mask + 1, special, specials,
                                 vocabulary, report, user);
    if (!status) {
        lh_bpe rules = lh_bpe_rules();
        rules.step[rules.steps++] = t->scan;
        k = lh_gather_make(&g, &rules, 0);
    }
    if (k) {
        lh_bpe_byte_ids(k);
        if (lh_bpe_merges(k, g.where, g.merge, g.merges)) {
            lh_tokenizer_free(k);
            k = NULL;
        }
    }
    lh_gather_free(&g);
    return k;
}

#undef TRAIN_ROOM
#undef TRAIN_PART
#undef TRAIN_ROUND
