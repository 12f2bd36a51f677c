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

/* Parts of documents of about this size; so many bytes in a round. */
#define TRAIN_PART ((size_t)1 << 16)
#define TRAIN_ROUND ((size_t)1 << 22)
/* Pieces that are cut at once, and looked up at once. */
#define TRAIN_CUT 128

/* ------------------------------------------------------ distinct pieces -- */

/* A part of a document, cut where a piece ends. */
typedef struct train_part {
    const char *text;
    size_t size;
} train_part;

/* The pieces that one thread has seen. */
typedef struct train_counter {
    lh_context ctx;                    /* failures, and memory             */
    lh_arena arena;                    /* for texts                        */
    lh_word *word;                     /* [mask + 1], count 0: empty       */
    size_t mask, used;
    int shift;                         /* of a hash, for the place         */
} train_counter;

struct lh_tokenizer_trainer {
    lh_context *ctx;
    const lh_scanner *scan;
    uint8_t *classes;
    train_counter *counter;            /* [threads]                        */
    size_t threads;
    int64_t documents;
    const train_part *part;            /* of a round: [parts], of which    */
    size_t parts;
    atomic_size_t next;                /* this one is to be taken next     */
};

static inline lh_word *train_home(const train_counter *c, const lh_word *w)
{
    return &c->word[lh_bpe_home(w->low, w->high, c->shift)];
}

/* Where a piece is, or the empty place for it. */
static inline lh_word *train_place(const train_counter *c,
                                   const lh_word *like)
{
    for (lh_word *w = train_home(c, like);; w++) {
        if (w > c->word + c->mask)
            w = c->word;
        if (!w->count || (w->low == like->low && w->high == like->high &&
                          (w->high < LH_WORD_LONG ||
                           !memcmp(w->text, like->text, lh_word_size(w)))))
            return w;
    }
}

static bool train_grow(train_counter *c)
{
    train_counter larger = { .shift = c->word ? c->shift - 1 : 48 };
    larger.mask = ((size_t)1 << (64 - larger.shift)) - 1;
    larger.word = lh_alloc_full(&c->ctx, larger.mask + 1,
                                sizeof *larger.word);
    if (!larger.word)
        return false;
    for (size_t i = 0; c->word && i <= c->mask; i++)
        if (c->word[i].count)
            *train_place(&larger, &c->word[i]) = c->word[i];
    lh_free(&c->ctx, c->word);
    c->word = larger.word;
    c->mask = larger.mask;
    c->shift = larger.shift;
    return true;
}

/* Asks for a piece of a text; text[0 .. readable - 1] may be read. */
static inline void train_ask(const train_counter *c, lh_word *ask,
                             const char *text, size_t size, size_t readable)
{
    ask->text = text;
    if (size <= LH_BPE_SHORT) {
        lh_bpe_key(text, size, readable, &ask->low, &ask->high);
    } else {
        ask->low = lh_hash(text, size);
        ask->high = LH_WORD_LONG | size;
    }
    __builtin_prefetch(train_home(c, ask));
}

/* Counts a piece so many times; false: there is no room for it. */
static inline bool train_count(train_counter *c, const lh_word *ask,
                               int64_t count)
{
    lh_word *w = train_place(c, ask);
    if (!w->count) {
        size_t size = lh_word_size(ask);
        char *text = lh_arena_text(&c->arena, size);
        if (!text || (2 * c->used >= c->mask && !train_grow(c)))
            return false;
        w = train_place(c, ask);
        *w = *ask;
        w->text = memcpy(text, ask->text, size);
        w->count = 0;
        c->used++;
    }
    w->count += count;
    return true;
}

/* Parts of a round, until there are none. */
static void train_share(void *arg, int thread)
{
    lh_tokenizer_trainer *t = arg;
    train_counter *c = &t->counter[thread];
    size_t start[TRAIN_CUT + 1], i;
    lh_word ask[TRAIN_CUT];
    while (!c->ctx.status && (i = atomic_fetch_add(&t->next, 1)) < t->parts) {
        const char *text = t->part[i].text;
        for (size_t left = t->part[i].size, n; left && !c->ctx.status;
             text += start[n], left -= start[n]) {
            n = lh_scan_pieces(t->scan, t->classes, (const void *)text, left,
                               start, TRAIN_CUT);
            for (i = 0; i < n; i++)
                train_ask(c, &ask[i], text + start[i], start[i + 1] - start[i],
                          left - start[i]);
            for (i = 0; i < n && train_count(c, &ask[i], 1);)
                i++;
        }
    }
}

/* What a thread failed of, which has lost counts: for good. */
static lh_status train_failed(lh_tokenizer_trainer *t)
{
    for (size_t i = 0; i < t->threads; i++)
        if (t->counter[i].ctx.status)
            return lh_fail(t->ctx, t->counter[i].ctx.status, "%s",
                           t->counter[i].ctx.message);
    return LH_OK;
}

/* All parts of a round, by all threads that come. */
static lh_status train_round(lh_tokenizer_trainer *t, const train_part *part,
                             size_t parts)
{
    t->part = part;
    t->parts = parts;
    atomic_store(&t->next, 0);
    lh_pool_share(t->ctx->pool, (int)t->threads, train_share, t);
    return train_failed(t);
}

/* Moves the pieces of all counters to the first. */
static lh_status train_gather(lh_tokenizer_trainer *t)
{
    train_counter *first = &t->counter[0];
    lh_status status = train_failed(t);
    for (size_t i = 1; i < t->threads && !status; i++) {
        train_counter *c = &t->counter[i];
        for (size_t j = 0; j <= c->mask; j++) {
            lh_word *w = &c->word[j];
            if (w->count && !train_count(first, w, w->count))
                return train_failed(t);
            c->used -= w->count > 0;
            w->count = 0;
        }
    }
    return status;
}

/* ------------------------------------------------------------- training -- */

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
    /* A host's allocator is for the host's thread alone. */
    t->threads = ctx->allocator.allocate
        ? 1 : (size_t)lh_pool_threads(ctx->pool);
    t->classes = lh_alloc(ctx, LH_CLASSES, 1);
    t->counter = lh_alloc(ctx, t->threads, sizeof *t->counter);
    bool ok = t->classes && t->counter;
    if (ok)
        lh_unicode_classes(t->classes);
    for (size_t i = 0; i < t->threads && ok; i++) {
        train_counter *c = &t->counter[i];
        c->ctx.allocator = ctx->allocator;
        c->arena.ctx = &c->ctx;
        ok = train_grow(c);
    }
    if (ok)
        return t;
    lh_tokenizer_trainer_free(t);
    return LH_FAIL_NULL(ctx, LH_ERROR_MEMORY, "no memory for a trainer");
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
                status = train_round(t, part, parts);
                parts = bytes = 0;
            }
        }
    }
    if (!status && parts)
        status = train_round(t, part, parts);
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
    lh_status status = train_gather(t);
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

#undef TRAIN_PART
#undef TRAIN_ROUND
#undef TRAIN_CUT
