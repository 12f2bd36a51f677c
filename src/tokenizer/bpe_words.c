/* Byte-pair encoding: the pieces of a text as they come from the scanners,
 * some bytes each and mostly ones that were seen before.  Those come out of a
 * cache; the others are merged (bpe.c).
 *
 * The cache is a hash table with open addressing that all threads of a
 * tokenizer share.  What is in it never changes, so it is read without a lock;
 * what is new is added under one, its count last.  A table that is half full
 * is replaced by a larger one, from some megabytes on by an empty one, and
 * freed when the last thread has turned to the new one. */
#include "base/context.h"
#include "tokenizer/bpe.h"

#include <pthread.h>

/* Pieces of up to so many bytes are their own keys, longer ones have a hash;
 * still longer ones are not kept. */
#define BPE_LONG_KEY 255
/* Tokens of a place; more of them stand elsewhere. */
#define BPE_FEW 3
/* Pieces that are cut at once, and looked up at once. */
#define BPE_CUT 1024
#define BPE_ASKED 64
/* Places of a table: half a cache line each, up to half of them in use, with
 * so many integers of `more` for each. */
#define BPE_PLACES_FIRST 9
#define BPE_PLACES_LAST 19
#define BPE_MORES 4
#define BPE_NEAR 64
/* Tokens that are copied at once; short keys never have more. */
#define BPE_COPIED 16
#define BPE_FOUR 4u

struct bpe_word {
    uint64_t low, high;                /* the key, with its size           */
    int32_t token[BPE_FEW];            /* if they are more, or of a hash:
                                          where in `more` they begin, behind
                                          the bytes of a hash              */
    atomic_int count;                  /* of tokens, and 1; BPE_FEW + 1 more
                                          if they are in `more`; 0: an empty
                                          place                            */
};

typedef struct bpe_word bpe_word;

typedef struct bpe_table {
    bpe_word *word;                    /* [1 << (64 - shift)]              */
    int32_t *more;                     /* [BPE_MORES << (64 - shift)] and
                                          BPE_COPIED                       */
    unsigned shift;                    /* of a hash, for the place         */
    /* Under the mutex: */
    size_t words, mores;               /* in use                           */
    size_t users;                      /* the cache, and who works with it */
} bpe_table;

struct lh_bpe_cache {
    pthread_mutex_t mutex;             /* for all writing                  */
    _Atomic(bpe_table *) table;        /* what is new goes there           */
    lh_bpe_scratch *idle;
};

/* What is looked for, and where it is looked for first. */
typedef struct bpe_asked {
    uint64_t low, high;
    bpe_word *word;
} bpe_asked;

/* --------------------------------------------------------------- table -- */

/* One block: it is filled as it grows, so that it may lie in large pages. */
static bpe_table *bpe_table_new(lh_context *ctx, unsigned bits)
{
    size_t places = (size_t)1 << bits;
    bpe_table *t = lh_alloc_full(
        ctx, 1, sizeof *t + LH_ALIGN + places * sizeof *t->word +
                (BPE_MORES * places + BPE_COPIED) * sizeof *t->more);
    if (!t)
        return NULL;
    t->users = 1;
    t->shift = 64 - bits;
    t->word = (bpe_word *)(((uintptr_t)(t + 1) | (LH_ALIGN - 1)) + 1);
    t->more = (int32_t *)(t->word + places);
    return t;
}

static void bpe_table_leave(lh_context *ctx, bpe_table *t)
{
    if (t && !--t->users)
        lh_free(ctx, t);
}

static inline bpe_word *bpe_home(const bpe_table *t, uint64_t low,
                                 uint64_t high)
{
    return &t->word[lh_bpe_home(low, high, (int)t->shift)];
}

static inline int bpe_count(const bpe_word *e)
{
    return atomic_load_explicit(&e->count, memory_order_acquire);
}

/* Where a key is, or the empty place for it; NULL: neither is near, which only
 * happens to texts that mean it. */
static bpe_word *bpe_probe(const bpe_table *t, uint64_t low, uint64_t high)
{
    size_t mask = ((size_t)1 << (64 - t->shift)) - 1;
    size_t first = (size_t)(bpe_home(t, low, high) - t->word);
    for (size_t i = first; i < first + BPE_NEAR; i++) {
        bpe_word *e = &t->word[i & mask];
        if (!bpe_count(e) || (e->low == low && e->high == high))
            return e;
    }
    return NULL;
}

/* A table of four times as many places with all that this one has, or an empty
 * one. */
static bpe_table *bpe_grow(lh_context *ctx, const bpe_table *old)
{
    size_t places = (size_t)1 << (64 - old->shift);
    bool last = old->shift == 64 - BPE_PLACES_LAST;
    bpe_table *t = bpe_table_new(ctx, 64 - old->shift + (last ? 0 : 2));
    if (!t || last)
        return t;
    memcpy(t->more, old->more, old->mores * sizeof *t->more);
    t->mores = old->mores;
    for (size_t i = 0; i < places; i++) {
        const bpe_word *from = &old->word[i];
        int count = bpe_count(from);
        bpe_word *e = count ? bpe_probe(t, from->low, from->high) : NULL;
        if (!e)
            continue;
        e->low = from->low;
        e->high = from->high;
        memcpy(e->token, from->token, sizeof e->token);
        atomic_store_explicit(&e->count, count, memory_order_relaxed);
        t->words++;
    }
    return t;
}

/* --------------------------------------------------------------- cache -- */

LH_INTERNAL struct lh_bpe_cache *lh_bpe_cache_new(lh_context *ctx)
{
    struct lh_bpe_cache *c = lh_alloc(ctx, 1, sizeof *c);
    bpe_table *t = c ? bpe_table_new(ctx, BPE_PLACES_FIRST) : NULL;
    if (!t) {
        lh_free(ctx, c);
        return NULL;
    }
    c->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_init(&c->table, t);
    return c;
}

static void bpe_scratch_free(lh_context *ctx, lh_bpe_scratch *s)
{
    lh_free(ctx, s->pair);
    lh_free(ctx, s);
}

LH_INTERNAL void lh_bpe_cache_free(lh_context *ctx, struct lh_bpe_cache *c)
{
    if (!c)
        return;
    while (c->idle) {
        lh_bpe_scratch *next = c->idle->next;
        bpe_scratch_free(ctx, c->idle);
        c->idle = next;
    }
    bpe_table_leave(ctx, atomic_load(&c->table));
    pthread_mutex_destroy(&c->mutex);
    lh_free(ctx, c);
}

/* Turns to the table that is added to; a larger one deserves more pairs, and
 * which merge is soon known again. */
static lh_status bpe_turn(lh_context *ctx, lh_bpe_scratch *s)
{
    pthread_mutex_lock(&s->cache->mutex);
    bpe_table_leave(ctx, s->table);
    s->table = atomic_load(&s->cache->table);
    s->table->users++;
    pthread_mutex_unlock(&s->cache->mutex);
    unsigned shift = s->table->shift + 4;
    if (s->pair && s->pair_shift == shift)
        return LH_OK;
    lh_free(ctx, s->pair);
    s->pair = lh_alloc(ctx, (size_t)1 << (64 - shift), sizeof *s->pair);
    s->pair_shift = shift;
    return s->pair ? LH_OK : LH_ERROR_MEMORY;
}

LH_INTERNAL lh_bpe_scratch *lh_bpe_take(lh_context *ctx,
                                        const lh_tokenizer *k)
{
    struct lh_bpe_cache *own = NULL, *c = k->bpe->cache;
    lh_bpe_scratch *s = NULL;
    if (!c || ctx->allocator.allocate)
        c = own = lh_bpe_cache_new(ctx);
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->mutex);
    s = c->idle;
    if (s)
        c->idle = s->next;
    pthread_mutex_unlock(&c->mutex);
    if (!s)
        s = lh_alloc(ctx, 1, sizeof *s);
    if (!s) {
        lh_bpe_cache_free(ctx, own);
        return NULL;
    }
    s->cache = c;
    if (!bpe_turn(ctx, s))
        return s;
    lh_bpe_give(ctx, k, s);
    return NULL;
}

LH_INTERNAL void lh_bpe_give(lh_context *ctx, const lh_tokenizer *k,
                             lh_bpe_scratch *s)
{
    if (!s)
        return;
    struct lh_bpe_cache *c = s->cache;
    pthread_mutex_lock(&c->mutex);
    bpe_table_leave(ctx, s->table);
    s->table = NULL;
    s->next = c->idle;
    c->idle = s;
    pthread_mutex_unlock(&c->mutex);
    if (c != k->bpe->cache)
        lh_bpe_cache_free(ctx, c);
}

/* ---------------------------------------------------------------- keys -- */

static void bpe_long_key(const unsigned char *text, size_t size,
                         bpe_asked *ask)
{
    uint64_t hash = size, word = 0;
    for (size_t at = 0; at < size; at += 8) {
        memcpy(&word, text + at, size - at < 8 ? size - at : 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    ask->low = hash;
    ask->high = (uint64_t)size << 56 | 1;
}

/* Asks for a piece; text[0 .. readable - 1] may be read.  What is not kept
 * has a key that is nowhere. */
static inline bpe_asked bpe_ask(const bpe_table *t, const unsigned char *text,
                                size_t size, size_t readable)
{
    bpe_asked ask = { 0, 1, NULL };
    if (size <= LH_BPE_SHORT)
        lh_bpe_key(text, size, readable, &ask.low, &ask.high);
    else if (size <= BPE_LONG_KEY)
        bpe_long_key(text, size, &ask);
    ask.word = bpe_home(t, ask.low, ask.high);
    __builtin_prefetch(ask.word);
    return ask;
}

/* -------------------------------------------------------------- pieces -- */

/* Room for `count` more tokens; NULL: none, and the run has failed. */
static int32_t *bpe_room(lh_bpe_run *r, size_t count)
{
    int32_t *token = lh_ids_room(r->ctx, r->out, count);
    if (!token)
        r->status = LH_ERROR_MEMORY;
    return token;
}

/* Appends the tokens of the next pieces, up to the first that is not where it
 * is asked for or is long: how many pieces.  *token has room for BPE_COPIED
 * tokens each. */
static size_t bpe_recall(const bpe_table *t, const bpe_asked *ask,
                         size_t count, int32_t **token)
{
    int32_t *out = *token;
    size_t i = 0;
    for (; i < count; i++) {
        const bpe_word *e = ask[i].word;
        unsigned n = (unsigned)bpe_count(e) - 1;
        if (n > BPE_FEW + 1 + BPE_COPIED ||
            ((e->low ^ ask[i].low) | (e->high ^ ask[i].high)))
            break;
        if (n <= BPE_FEW) {
            memcpy(out, e->token, BPE_FEW * sizeof *out);
        } else {
            if (e->high >> 56 > LH_BPE_SHORT)
                break;
            n -= BPE_FEW + 1;
            const int32_t *from = t->more + e->token[0];
            for (unsigned j = 0; j < n; j += BPE_FOUR)
                memcpy(out + j, from + j, BPE_FOUR * sizeof *out);
        }
        out += n;
    }
    *token = out;
    return i;
}

/* The tokens of a piece wherever they are; false: the hash is another
 * piece's. */
static bool bpe_recall_any(lh_bpe_run *r, const bpe_word *e,
                           const unsigned char *text, size_t size)
{
    const int32_t *from = e->token;
    size_t count = (size_t)bpe_count(e) - 1;
    if (count > BPE_FEW) {
        from = r->scratch->table->more + e->token[0];
        count -= BPE_FEW + 1;
    }
    if (size > LH_BPE_SHORT && memcmp(from, text, size))
        return false;
    if (size > LH_BPE_SHORT)
        from += (size + 3) / 4;
    int32_t *token = bpe_room(r, count);
    if (token) {
        memcpy(token, from, count * sizeof *token);
        r->out->count += count;
    }
    return true;
}

/* Adds a piece whose tokens are known, unless another thread was faster or is
 * at it: to merge the piece once more is less than to wait. */
static void bpe_keep(lh_bpe_run *r, const bpe_asked *ask,
                     const unsigned char *text, size_t size,
                     const int32_t *token, size_t count)
{
    struct lh_bpe_cache *c = r->scratch->cache;
    size_t bytes = size > LH_BPE_SHORT ? (size + 3) / 4 : 0;
    bool much = bytes || count > BPE_FEW;
    if (pthread_mutex_trylock(&c->mutex))
        return;
    bpe_table *t = atomic_load_explicit(&c->table, memory_order_relaxed);
    size_t places = (size_t)1 << (64 - t->shift);
    if (t->words >= places / 2 ||
        (much && t->mores + bytes + count > BPE_MORES * places)) {
        bpe_table *old = t;
        t = bpe_grow(r->ctx, old);
        if (t) {
            atomic_store_explicit(&c->table, t, memory_order_relaxed);
            bpe_table_leave(r->ctx, old);
        }
    }
    bpe_word *e = t ? bpe_probe(t, ask->low, ask->high) : NULL;
    if (e && !bpe_count(e)) {
        int32_t *to = much ? t->more + t->mores : e->token;
        if (bytes)
            memcpy(to, text, size);
        memcpy(to + bytes, token, count * sizeof *token);
        if (much) {
            e->token[0] = (int32_t)t->mores;
            /* What is copied four at a time is this word's alone. */
            t->mores += (bytes + count + BPE_FOUR - 1) / BPE_FOUR * BPE_FOUR;
        }
        e->low = ask->low;
        e->high = ask->high;
        t->words++;
        atomic_store_explicit(&e->count, (int)count + 1 + much * (BPE_FEW + 1),
                              memory_order_release);
    }
    pthread_mutex_unlock(&c->mutex);
    if (!t)
        r->status = LH_ERROR_MEMORY;
}

/* Appends the tokens of a piece that bpe_recall() stopped at. */
static void bpe_learn(lh_bpe_run *r, const bpe_asked *ask,
                      const unsigned char *text, size_t size)
{
    const bpe_word *e = size > BPE_LONG_KEY ? NULL
                      : bpe_probe(r->scratch->table, ask->low, ask->high);
    /* An empty place may be another piece's by now: its key is looked at
     * behind its count. */
    if (e && bpe_count(e) && e->low == ask->low && e->high == ask->high &&
        bpe_recall_any(r, e, text, size))
        return;
    size_t before = r->out->count;
    lh_bpe_piece(r, text, size);
    if (e && !r->status)
        bpe_keep(r, ask, text, size, r->out->id + before,
                 r->out->count - before);
}

/* Pieces that begin at start[0 .. count - 1]; the last ends at
 * start[count]. */
static void bpe_some(lh_bpe_run *r, const unsigned char *text,
                     size_t readable, const size_t *start, size_t count)
{
    bpe_asked ask[BPE_ASKED];
    lh_bpe_scratch *s = r->scratch;
    if (s->table != atomic_load_explicit(&s->cache->table,
                                         memory_order_relaxed))
        r->status = bpe_turn(r->ctx, s);
    for (size_t i = 0; !r->status && i < count; i++)
        ask[i] = bpe_ask(s->table, text + start[i], start[i + 1] - start[i],
                         readable - start[i]);
    for (size_t i = 0; i < count && !r->status; i++) {
        int32_t *token = bpe_room(r, BPE_COPIED * (count - i));
        if (!token)
            return;
        i += bpe_recall(s->table, ask + i, count - i, &token);
        r->out->count = (size_t)(token - r->out->id);
        if (i < count)
            bpe_learn(r, &ask[i], text + start[i], start[i + 1] - start[i]);
    }
}

/* As lh_scan_pieces(), where two bytes stand apart. */
static size_t bpe_apart(const uint8_t *apart, const unsigned char *text,
                        size_t size, size_t *start, size_t room)
{
    size_t count = 0, at = 0;
    for (; at < size && count + 64 < room; at += 64) {
        size_t n = size - at < 64 ? size - at : 64;
        uint64_t begin = !at;
        for (size_t i = !at; i < n; i++)
            begin |= (uint64_t)apart[text[at + i - 1] << 8 | text[at + i]]
                     << i;
        for (; begin; begin &= begin - 1)
            start[count++] = at + (size_t)__builtin_ctzll(begin);
    }
    if (at < size)                               /* the last goes on       */
        return count - 1;
    start[count] = size;
    return count;
}

LH_INTERNAL void lh_bpe_pieces(lh_bpe_run *r, const lh_scanner *scan,
                               const unsigned char *text, size_t size,
                               size_t readable)
{
    size_t start[BPE_CUT + 1];
    const lh_bpe *b = r->k->bpe;
    for (size_t at = 0; at < size && !r->status; at += start[0]) {
        size_t count = b->apart
            ? bpe_apart(b->apart, text + at, size - at, start, BPE_CUT)
            : lh_scan_pieces(scan, b->classes, text + at, size - at, start,
                             BPE_CUT);
        for (size_t i = 0, some; i < count && !r->status; i += some) {
            some = count - i < BPE_ASKED ? count - i : BPE_ASKED;
            bpe_some(r, text + at, readable - at, start + i, some);
        }
        start[0] = start[count];
    }
}

#undef BPE_LONG_KEY
#undef BPE_FEW
#undef BPE_CUT
#undef BPE_ASKED
#undef BPE_PLACES_FIRST
#undef BPE_PLACES_LAST
#undef BPE_MORES
#undef BPE_NEAR
#undef BPE_COPIED
#undef BPE_FOUR
