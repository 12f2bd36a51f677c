/* Byte-pair encoding: the pieces of a text as they come from the scanners,
 * some bytes each and mostly ones that were seen before.  Those come out of a
 * cache; the others are merged (bpe.c).
 *
 * The cache is a hash table with open addressing, in which nothing is ever
 * removed: it grows, and from some megabytes on starts anew.  A piece that is
 * not where its hash says changes places with what is there, so that pieces
 * that come often are found at the first look. */
#include "tokenizer/bpe.h"

/* Pieces of up to so many bytes are their own keys, longer ones have a hash;
 * still longer ones are not kept. */
#define BPE_SHORT_KEY 15
#define BPE_LONG_KEY 255
/* Tokens of a place; more of them stand elsewhere. */
#define BPE_FEW 3
/* Pieces that are cut at once, and looked up at once. */
#define BPE_CUT 1024
#define BPE_ASKED 64
/* Places of a cache: half a cache line each, half of them in use. */
#define BPE_PLACES_FIRST 9
#define BPE_PLACES_LAST 19
#define BPE_NEAR 64
/* So many integers of `more`, and it starts anew. */
#define BPE_MORES ((size_t)1 << 21)

/* An empty place is zeros: a key has its size in it. */
struct bpe_word {
    uint64_t low, high;                /* the key                          */
    int32_t token[BPE_FEW];            /* if they are more, or of a hash:
                                          where in `more` they begin, behind
                                          the bytes of a hash              */
    int32_t count;                     /* ... and BPE_FEW is added to this */
};

typedef struct bpe_word bpe_word;

/* What is looked for, and where it is looked for first. */
typedef struct bpe_asked {
    uint64_t low, high;
    bpe_word *word;
} bpe_asked;

/* --------------------------------------------------------------- cache -- */

static bpe_word *bpe_places(lh_context *ctx, unsigned bits)
{
    return (bpe_word *)(void *)lh_floats_alloc(
        ctx, sizeof(bpe_word) / sizeof(float) << bits);
}

static inline bpe_word *bpe_home(const lh_bpe_cache *c, uint64_t low,
                                 uint64_t high)
{
    return &c->word[((low ^ high * 0xd6e8feb86659fd93u) *
                     0x9e3779b97f4a7c15u) >> c->shift];
}

/* Where a key is, or the empty place for it; NULL: neither is near, which only
 * happens to texts that mean it. */
static bpe_word *bpe_probe(const lh_bpe_cache *c, const bpe_asked *ask)
{
    size_t mask = ((size_t)1 << (64 - c->shift)) - 1;
    size_t first = (size_t)(ask->word - c->word);
    for (size_t i = first; i < first + BPE_NEAR; i++) {
        bpe_word *e = &c->word[i & mask];
        if (!e->high || (e->low == ask->low && e->high == ask->high))
            return e;
    }
    return NULL;
}

LH_INTERNAL lh_bpe_cache *lh_bpe_cache_new(lh_context *ctx)
{
    lh_bpe_cache *c = lh_alloc(ctx, 1, sizeof *c);
    if (!c)
        return NULL;
    c->shift = 64 - BPE_PLACES_FIRST;
    c->word = bpe_places(ctx, BPE_PLACES_FIRST);
    c->pair_shift = c->shift;
    c->pair = lh_alloc(ctx, (size_t)1 << BPE_PLACES_FIRST, sizeof *c->pair);
    if (!c->word || !c->pair) {
        lh_bpe_cache_free(ctx, c);
        return NULL;
    }
    return c;
}

LH_INTERNAL void lh_bpe_cache_free(lh_context *ctx, lh_bpe_cache *c)
{
    if (!c)
        return;
    lh_floats_free(ctx, (float *)(void *)c->word);
    lh_free(ctx, c->pair);
    lh_free(ctx, c->more);
    lh_free(ctx, c);
}

/* Four times as many places; or none in use any more.  Which pairs merge is
 * forgotten: they are soon known again. */
static lh_status bpe_grow(lh_context *ctx, lh_bpe_cache *c)
{
    size_t places = (size_t)1 << (64 - c->shift);
    if (c->shift == 64 - BPE_PLACES_LAST || c->mores > BPE_MORES) {
        memset(c->word, 0, places * sizeof *c->word);
        c->words = c->mores = 0;
        return LH_OK;
    }
    bpe_word *old = c->word, *word = bpe_places(ctx, 64 - c->shift + 2);
    lh_bpe_pair *pair = lh_alloc(ctx, places, sizeof *pair);
    if (!word || !pair) {
        lh_floats_free(ctx, (float *)(void *)word);
        lh_free(ctx, pair);
        return LH_ERROR_MEMORY;
    }
    lh_free(ctx, c->pair);
    c->pair = pair;
    c->pair_shift = c->shift;
    c->word = word;
    c->shift -= 2;
    for (size_t i = 0; i < places; i++) {
        bpe_asked ask = { old[i].low, old[i].high,
                          bpe_home(c, old[i].low, old[i].high) };
        bpe_word *e = old[i].high ? bpe_probe(c, &ask) : NULL;
        if (e)
            *e = old[i];
    }
    lh_floats_free(ctx, (float *)(void *)old);
    return LH_OK;
}

/* Where `count` integers may be put behind the others of `more`. */
static int32_t *bpe_more(lh_bpe_run *r, size_t count)
{
    lh_bpe_cache *c = r->cache;
    if (c->more_room - c->mores < count) {
        size_t room = 2 * c->more_room + 1024;
        int32_t *more = lh_resize(r->ctx, c->more, c->more_room, room,
                                  sizeof *more);
        if (!more) {
            r->status = LH_ERROR_MEMORY;
            return NULL;
        }
        c->more = more;
        c->more_room = room;
    }
    return c->more + c->mores;
}

/* ---------------------------------------------------------------- keys -- */

/* The first `size` bytes of text, up to BPE_SHORT_KEY, as two words, and the
 * size in the last; 16 bytes may be read. */
static inline void bpe_key(const unsigned char *text, size_t size,
                           bpe_asked *ask)
{
    /* The first bytes of a word: none, 8 times, then 1 and so on, all, 8
     * times; so that it does for both. */
    static const uint64_t mask[BPE_SHORT_KEY + 9] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff,
        0xffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff,
        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff,
        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff
    };
    uint64_t low, high;
    memcpy(&low, text, 8);
    memcpy(&high, text + 8, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    low = __builtin_bswap64(low);
    high = __builtin_bswap64(high);
#endif
    ask->low = low & mask[size + 8];
    ask->high = (high & mask[size]) | (uint64_t)size << 56;
}

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
static inline bpe_asked bpe_ask(const lh_bpe_cache *c,
                                const unsigned char *text, size_t size,
                                size_t readable)
{
    bpe_asked ask = { 0, 1, NULL };
    unsigned char copy[16] = { 0 };
    if (size > BPE_SHORT_KEY) {
        if (size <= BPE_LONG_KEY)
            bpe_long_key(text, size, &ask);
    } else {
        if (readable < 16)
            text = memcpy(copy, text, size);
        bpe_key(text, size, &ask);
    }
    ask.word = bpe_home(c, ask.low, ask.high);
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
 * is asked for or has many: how many pieces.  *token has room for BPE_FEW + 1
 * tokens each. */
static size_t bpe_recall(const bpe_asked *ask, size_t count, int32_t **token)
{
    int32_t *out = *token;
    size_t i = 0;
    for (; i < count; i++) {
        const bpe_word *e = ask[i].word;
        if (((e->low ^ ask[i].low) | (e->high ^ ask[i].high)) ||
            e->count > BPE_FEW)
            break;
        memcpy(out, e->token, BPE_FEW * sizeof *out);
        out += e->count;
    }
    *token = out;
    return i;
}

/* Tokens that are in `more`; false: the hash is another piece's. */
static bool bpe_recall_many(lh_bpe_run *r, const bpe_word *e,
                            const unsigned char *text, size_t size)
{
    const int32_t *more = r->cache->more + e->token[0];
    size_t count = (size_t)(e->count - BPE_FEW - 1);
    if (size > BPE_SHORT_KEY && memcmp(more, text, size))
        return false;
    int32_t *token = bpe_room(r, count);
    if (!token)
        return true;
    if (size > BPE_SHORT_KEY)
        more += (size + 3) / 4;
    memcpy(token, more, count * sizeof *token);
    r->out->count += count;
    return true;
}

/* Puts a piece whose tokens are known into its place. */
static void bpe_keep(lh_bpe_run *r, const bpe_asked *ask, bpe_word *e,
                     const unsigned char *text, size_t size,
                     const int32_t *token, size_t count)
{
    if (size > BPE_SHORT_KEY || count > BPE_FEW) {
        size_t bytes = size > BPE_SHORT_KEY ? (size + 3) / 4 : 0;
        int32_t *more = bpe_more(r, bytes + count);
        if (!more)
            return;
        if (bytes)
            memcpy(more, text, size);
        memcpy(more + bytes, token, count * sizeof *token);
        e->token[0] = (int32_t)r->cache->mores;
        e->count = (int32_t)count + BPE_FEW + 1;
        r->cache->mores += bytes + count;
    } else {
        memcpy(e->token, token, count * sizeof *token);
        e->count = (int32_t)count;
    }
    e->low = ask->low;
    e->high = ask->high;
    r->cache->words++;
}

/* Appends the tokens of a piece that bpe_recall() stopped at. */
static void bpe_learn(lh_bpe_run *r, const bpe_asked *ask,
                      const unsigned char *text, size_t size)
{
    bpe_word *e = size > BPE_LONG_KEY || !r->cache ? NULL
                : bpe_probe(r->cache, ask);
    if (e && e->high) {
        bpe_word swap = *e;
        *e = *ask->word;
        *ask->word = swap;
        int32_t *token = bpe_room(r, BPE_FEW + 1);
        if (!token)
            return;
        if (bpe_recall(ask, 1, &token)) {
            r->out->count = (size_t)(token - r->out->id);
            return;
        }
        if (bpe_recall_many(r, ask->word, text, size))
            return;
        e = NULL;
    }
    size_t before = r->out->count;
    lh_bpe_piece(r, text, size);
    if (e && !r->status)
        bpe_keep(r, ask, e, text, size, r->out->id + before,
                 r->out->count - before);
}

/* Pieces that begin at start[0 .. count - 1]; the last ends at
 * start[count]. */
static void bpe_some(lh_bpe_run *r, const unsigned char *text,
                     size_t readable, const size_t *start, size_t count)
{
    bpe_asked ask[BPE_ASKED];
    lh_bpe_cache *c = r->cache;
    if (c && (c->words + BPE_ASKED > (size_t)1 << (63 - c->shift) ||
              c->mores > BPE_MORES))
        r->status = bpe_grow(r->ctx, c);
    for (size_t i = 0; c && !r->status && i < count; i++)
        ask[i] = bpe_ask(c, text + start[i], start[i + 1] - start[i],
                         readable - start[i]);
    for (size_t i = 0; i < count && !r->status; i++) {
        int32_t *token = bpe_room(r, (BPE_FEW + 1) * (count - i));
        if (!token)
            return;
        if (c)
            i += bpe_recall(ask + i, count - i, &token);
        r->out->count = (size_t)(token - r->out->id);
        if (i < count)
            bpe_learn(r, &ask[i], text + start[i], start[i + 1] - start[i]);
    }
}

/* As lh_scan_pieces(): a piece ends where no token could go on, but not within
 * a character. */
static size_t bpe_apart(const uint8_t *joins, const unsigned char *text,
                        size_t size, size_t *start, size_t room)
{
    size_t count = 0, at = 0;
    while (at < size && count + 1 < room) {
        start[count++] = at++;
        while (at < size && (joins[text[at - 1] << 8 | text[at]] ||
                             (text[at] & 0xc0) == 0x80))
            at++;
    }
    start[count] = at;
    return count;
}

LH_INTERNAL void lh_bpe_pieces(lh_bpe_run *r, const lh_scanner *scan,
                               const unsigned char *text, size_t size,
                               size_t readable)
{
    size_t start[BPE_CUT + 1];
    const lh_bpe *b = r->k->bpe;
    for (size_t at = 0; at < size && !r->status; at += start[0]) {
        size_t count = b->joins
            ? bpe_apart(b->joins, text + at, size - at, start, BPE_CUT)
            : lh_scan_pieces(scan, b->classes, text + at, size - at, start,
                             BPE_CUT);
        for (size_t i = 0, some; i < count && !r->status; i += some) {
            some = count - i < BPE_ASKED ? count - i : BPE_ASKED;
            bpe_some(r, text + at, readable - at, start + i, some);
        }
        start[0] = start[count];
    }
}

#undef BPE_SHORT_KEY
#undef BPE_LONG_KEY
#undef BPE_FEW
#undef BPE_CUT
#undef BPE_ASKED
#undef BPE_PLACES_FIRST
#undef BPE_PLACES_LAST
#undef BPE_MORES
#undef BPE_NEAR
