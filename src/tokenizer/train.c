/* Training byte pairs: which merges a text asks for.
 *
 * Documents are cut into pieces, and each distinct piece is kept once with
 * its count: that is what is read of a corpus of any size.  Then the pair
 * with the highest count, of several the one with the smaller (left, right),
 * becomes a token, everywhere, again and again.  A pair's count follows from
 * what merges change around it; for each pair there is a list of the pieces
 * that have it or had it once.  The rule is that of the `tokenizers`
 * library's BpeTrainer, in its details too: "aaa" has the pair (a, a) twice,
 * and a merge that spells a token that is there makes no new one. */
#include "base/context.h"
#include "base/threads.h"
#include "tokenizer/read.h"
#include "tokenizer/unicode.h"

/* Memory for texts of pieces is taken in blocks of so many bytes. */
#define TRAIN_ROOM ((size_t)1 << 18)
/* Parts of documents of about this size; so many bytes in a round. */
#define TRAIN_PART ((size_t)1 << 16)
#define TRAIN_ROUND ((size_t)1 << 22)

/* ------------------------------------------------------ distinct pieces -- */

typedef struct train_word {
    const char *text;                  /* in the counter's arena           */
    uint32_t size, hash;
    int64_t count;
} train_word;

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
    train_word *word;                  /* [mask + 1], text NULL: empty     */
    size_t mask, used;
    const lh_scanner *scan;
    const uint8_t *classes;
    const train_part *part;            /* every `stride`-th of them        */
    size_t parts, stride, next, at;
    size_t wanted;                     /* bytes of text it lacks room for  */
    bool full;                         /* of words                         */
} train_counter;

static uint32_t train_hash(const char *text, size_t size)
{
    uint64_t hash = size, word;
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, text, size);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

static train_word *train_place(const train_counter *c, const char *text,
                               size_t size, uint32_t hash)
{
    for (size_t i = hash;; i++) {
        train_word *w = &c->word[i & c->mask];
        if (!w->text || (w->hash == hash && w->size == size &&
                         !memcmp(w->text, text, size)))
            return w;
    }
}

static bool train_grow(train_counter *c)
{
    train_counter larger = *c;
    larger.mask = c->word ? 2 * c->mask + 1 : 65535;
    larger.word = lh_alloc(c->ctx, larger.mask + 1, sizeof *larger.word);
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
    uint32_t hash = train_hash(text, size);
    train_word *w = train_place(c, text, size, hash);
    if (!w->text) {
        c->full = 2 * c->used >= c->mask;
        c->wanted = size > c->room_size ? size : 0;
        if (c->full || c->wanted)
            return false;
        *w = (train_word){ memcpy(c->room, text, size), (uint32_t)size, hash,
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

/* Adds the pieces of all counters to those of the first. */
static lh_status train_gather(train_counter *counter, size_t threads)
{
    train_counter *first = &counter[0];
    for (size_t t = 1; t < threads; t++)
        for (size_t i = 0; counter[t].word && i <= counter[t].mask; i++) {
            const train_word *w = &counter[t].word[i];
            if (!w->text)
                continue;
            if (2 * first->used >= first->mask && !train_grow(first))
                return LH_ERROR_MEMORY;
            train_word *to = train_place(first, w->text, w->size, w->hash);
            if (!to->text) {
                *to = *w;
                to->count = 0;
                first->used++;
            }
            to->count += w->count;
        }
    return LH_OK;
}

/* --------------------------------------------------------------- pairs -- */

/* A pair of tokens: its count, and the pieces it stands in. */
typedef struct train_pair {
    int32_t left, right;               /* left < 0: an empty place         */
    int64_t count;
    uint32_t *word;                    /* [words]                          */
    uint32_t words, capacity;
} train_pair;

typedef struct train_best {            /* in the heap                      */
    int64_t count;
    int32_t left, right;
} train_best;

typedef struct train_run {
    lh_context *ctx;
    lh_status status;
    int32_t *symbol;                   /* pieces one behind the other      */
    uint64_t *start;                   /* [words]                          */
    uint32_t *length;                  /* [words]: symbols left            */
    int64_t *count;                    /* [words]                          */
    uint32_t words;
    train_pair *pair;                  /* [mask + 1]                       */
    size_t mask, used;
    train_best *heap;
    size_t heap_count, heap_capacity;
    size_t *fresh;                     /* places of pairs that gained      */
    size_t fresh_count, fresh_capacity;
} train_run;

static bool train_before(const train_best *a, const train_best *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static void train_push(train_run *r, train_best item)
{
    if (r->heap_count == r->heap_capacity) {
        size_t grown = 2 * r->heap_capacity + 1024;
        train_best *heap = lh_resize(r->ctx, r->heap, r->heap_count, grown,
                                     sizeof *heap);
        if (!heap) {
            r->status = LH_ERROR_MEMORY;
            return;
        }
        r->heap = heap;
        r->heap_capacity = grown;
    }
    size_t i = r->heap_count++;
    for (; i && train_before(&item, &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = item;
}

static train_best train_pop(train_run *r)
{
    train_best top = r->heap[0], last = r->heap[--r->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap_count)
            break;
        if (child + 1 < r->heap_count &&
            train_before(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!train_before(&r->heap[child], &last))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = last;
    return top;
}

static train_pair *train_find(const train_run *r, int32_t left,
                              int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) *
                   0x9e3779b97f4a7c15u;
    for (size_t i = (size_t)(key >> 20);; i++) {
        train_pair *p = &r->pair[i & r->mask];
        if (p->left < 0 || (p->left == left && p->right == right))
            return p;
    }
}

static bool train_rehash(train_run *r)
{
    train_run larger = *r;
    larger.mask = r->pair ? 2 * r->mask + 1 : 65535;
    larger.pair = lh_alloc(r->ctx, larger.mask + 1, sizeof *larger.pair);
    if (!larger.pair) {
        r->status = LH_ERROR_MEMORY;
        return false;
    }
    for (size_t i = 0; i <= larger.mask; i++)
        larger.pair[i].left = -1;
    for (size_t i = 0; r->pair && i <= r->mask; i++)
        if (r->pair[i].left >= 0)
            *train_find(&larger, r->pair[i].left, r->pair[i].right) =
                r->pair[i];
    lh_free(r->ctx, r->pair);
    r->pair = larger.pair;
    r->mask = larger.mask;
    return true;
}

/* The place of a pair, which is made if it is new; NULL: no memory. */
static train_pair *train_have(train_run *r, int32_t left, int32_t right)
{
    if (2 * r->used >= r->mask && !train_rehash(r))
        return NULL;
    train_pair *p = train_find(r, left, right);
    if (p->left < 0) {
        *p = (train_pair){ .left = left, .right = right };
        r->used++;
    }
    return p;
}

/* A piece gains a pair. */
static void train_gain(train_run *r, int32_t left, int32_t right,
                       uint32_t word)
{
    train_pair *p = train_have(r, left, right);
    if (!p)
        return;
    p->count += r->count[word];
    if (p->words && p->word[p->words - 1] == word)
        return;
    if (p->words == p->capacity) {
        uint32_t grown = p->capacity + p->capacity / 2 + 4;
        uint32_t *list = lh_resize(r->ctx, p->word, p->words, grown,
                                   sizeof *list);
        if (!list) {
            r->status = LH_ERROR_MEMORY;
            return;
        }
        p->word = list;
        p->capacity = grown;
    }
    p->word[p->words++] = word;
}

static void train_lose(train_run *r, int32_t left, int32_t right,
                       uint32_t word)
{
    train_pair *p = train_find(r, left, right);
    if (p->left >= 0)
        p->count -= r->count[word];
}

/* Notes that the pair may be a new best one. */
static void train_note(train_run *r, int32_t left, int32_t right)
{
    if (r->fresh_count + 2 > r->fresh_capacity) {
        size_t grown = 2 * r->fresh_capacity + 1024;
        size_t *fresh = lh_resize(r->ctx, r->fresh, r->fresh_count, grown,
                                  sizeof *fresh);
        if (!fresh) {
            r->status = LH_ERROR_MEMORY;
            return;
        }
        r->fresh = fresh;
        r->fresh_capacity = grown;
    }
    r->fresh[r->fresh_count++] = (size_t)left;
    r->fresh[r->fresh_count++] = (size_t)right;
}

/* Merges a pair in one piece, from the left. */
static void train_merge(train_run *r, uint32_t word, int32_t left,
                        int32_t right, int32_t made)
{
    int32_t *s = r->symbol + r->start[word];
    uint32_t n = r->length[word], kept = 0;
    for (uint32_t i = 0; i < n && !r->status; i++) {
        if (i + 1 == n || s[i] != left || s[i + 1] != right) {
            s[kept++] = s[i];
            continue;
        }
        if (kept) {
            train_lose(r, s[kept - 1], left, word);
            train_gain(r, s[kept - 1], made, word);
            train_note(r, s[kept - 1], made);
        }
        if (i + 2 < n) {
            train_lose(r, right, s[i + 2], word);
            train_gain(r, made, s[i + 2], word);
            train_note(r, made, s[i + 2]);
        }
        s[kept++] = made;
        i++;
    }
    r->length[word] = kept;
}

/* The next merge into *best; false: no pair is left. */
static bool train_next(train_run *r, train_best *best)
{
    while (r->heap_count && !r->status) {
        *best = train_pop(r);
        train_pair *p = train_find(r, best->left, best->right);
        if (p->left < 0 || !p->words)
            continue;                            /* merged already         */
        if (p->count == best->count)
            return best->count > 0;
        best->count = p->count;
        if (best->count > 0)
            train_push(r, *best);
    }
    return false;
}

/* Merges it everywhere, and puts the pairs that gained into the heap. */
static void train_apply(train_run *r, const train_best *best, int32_t made)
{
    train_pair *p = train_find(r, best->left, best->right);
    uint32_t *list = p->word, words = p->words;
    p->word = NULL;
    p->words = p->capacity = 0;
    r->fresh_count = 0;
    for (uint32_t i = 0; i < words && !r->status; i++)
        train_merge(r, list[i], best->left, best->right, made);
    lh_free(r->ctx, list);
    for (size_t i = 0; i < r->fresh_count && !r->status; i += 2) {
        int32_t left = (int32_t)r->fresh[i], right = (int32_t)r->fresh[i + 1];
        p = train_find(r, left, right);
        if (p->count > 0)
            train_push(r, (train_best){ p->count, left, right });
    }
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
    size_t parts = 0, capacity = 0, bytes = 0;
    lh_status status = LH_OK;
    for (int64_t i = 0; i < count && !status; i++) {
        for (size_t at = 0, end; at < size[i] && !status; at = end) {
            end = size[i] - at <= TRAIN_PART
                ? size[i] : train_cut(text[i], size[i], at + TRAIN_PART);
            if (parts == capacity) {
                size_t grown = 2 * capacity + 256;
                train_part *more = lh_resize(t->ctx, part, parts, grown,
                                             sizeof *more);
                if (!more) {
                    status = LH_ERROR_MEMORY;
                    break;
                }
                part = more;
                capacity = grown;
            }
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

/* Which of the ids from `first` on a byte has: by its letter. */
static int32_t train_byte_id(int32_t first, uint32_t byte)
{
    uint32_t below = 0;
    for (uint32_t b = 0; b < 256; b++)
        below += lh_byte_letter(b) < lh_byte_letter(byte);
    return first + (int32_t)below;
}

/* The pieces as tokens of bytes, and all their pairs. */
static lh_status train_start(train_run *r, const train_counter *c,
                             int32_t first)
{
    int32_t byte_id[256];
    size_t symbols = 0, at = 0;
    for (uint32_t b = 0; b < 256; b++)
        byte_id[b] = train_byte_id(first, b);
    for (size_t i = 0; i <= c->mask; i++)
        symbols += c->word[i].text ? c->word[i].size : 0;
    if (c->used >= UINT32_MAX)
        return lh_fail(r->ctx, LH_ERROR_MEMORY, "the text has too many"
                       " distinct words");
    r->symbol = lh_alloc(r->ctx, symbols, sizeof *r->symbol);
    r->start = lh_alloc(r->ctx, c->used, sizeof *r->start);
    r->length = lh_alloc(r->ctx, c->used, sizeof *r->length);
    r->count = lh_alloc(r->ctx, c->used, sizeof *r->count);
    if (!r->symbol || !r->start || !r->length || !r->count)
        return LH_ERROR_MEMORY;
    for (size_t i = 0; i <= c->mask && !r->status; i++) {
        const train_word *w = &c->word[i];
        if (!w->text)
            continue;
        r->start[r->words] = at;
        r->length[r->words] = w->size;
        r->count[r->words] = w->count;
        for (uint32_t j = 0; j < w->size; j++)
            r->symbol[at + j] = byte_id[(unsigned char)w->text[j]];
        for (uint32_t j = 0; j + 1 < w->size; j++)
            train_gain(r, r->symbol[at + j], r->symbol[at + j + 1],
                       r->words);
        at += w->size;
        r->words++;
    }
    for (size_t i = 0; r->pair && i <= r->mask && !r->status; i++)
        if (r->pair[i].left >= 0)
            train_push(r, (train_best){ r->pair[i].count, r->pair[i].left,
                                        r->pair[i].right });
    return r->status;
}

static void train_end(train_run *r)
{
    for (size_t i = 0; r->pair && i <= r->mask; i++)
        lh_free(r->ctx, r->pair[i].word);
    lh_free(r->ctx, r->symbol);
    lh_free(r->ctx, r->start);
    lh_free(r->ctx, r->length);
    lh_free(r->ctx, r->count);
    lh_free(r->ctx, r->pair);
    lh_free(r->ctx, r->heap);
    lh_free(r->ctx, r->fresh);
}

/* Ids by the bytes of their tokens. */
typedef struct train_names {
    int32_t *id;                       /* [mask + 1], -1: empty            */
    size_t mask;
} train_names;

/* The place of a text among the tokens of g. */
static int32_t *train_name(const train_names *n, const lh_gather *g,
                           const char *text, size_t size)
{
    for (size_t i = train_hash(text, size);; i++) {
        int32_t *id = &n->id[i & n->mask];
        if (*id < 0 || (g->piece_size[*id] == size &&
                        !memcmp(g->piece[*id], text, size)))
            return id;
    }
}

/* A new token, unless one is spelled so: its id; -1: no memory. */
static int32_t train_token(train_names *n, lh_gather *g, const char *text,
                           size_t size)
{
    int32_t *place = train_name(n, g, text, size), id = g->count;
    if (*place >= 0)
        return *place;
    if (lh_gather_piece(g, id, text, size, LH_SPELLED_PLAIN))
        return -1;
    return *place = id;
}

/* The token that a merge makes; -1: no memory. */
static int32_t train_made(train_names *n, lh_gather *g, int32_t left,
                          int32_t right)
{
    size_t head = g->piece_size[left], tail = g->piece_size[right];
    char *text = lh_alloc(g->ctx, head + tail, 1);
    if (!text)
        return -1;
    memcpy(text, g->piece[left], head);
    memcpy(text + head, g->piece[right], tail);
    int32_t id = train_token(n, g, text, head + tail);
    lh_free(g->ctx, text);
    return id;
}

/* Specials, then the bytes by their letters. */
static lh_status train_first(train_names *n, lh_gather *g,
                             const char *const *special, int specials)
{
    lh_status status = LH_OK;
    for (int32_t i = 0; i < specials && !status; i++) {
        if (*train_name(n, g, special[i], strlen(special[i])) >= 0)
            return lh_fail(g->ctx, LH_ERROR_ARGUMENT, "the special token"
                           " \"%s\" is given twice", special[i]);
        if (train_token(n, g, special[i], strlen(special[i])) < 0)
            return LH_ERROR_MEMORY;
        status = lh_gather_added(g, &(lh_added){
            .text = special[i], .size = strlen(special[i]), .id = i,
            .special = true });
    }
    char order[256];
    for (uint32_t b = 0; b < 256; b++)
        order[train_byte_id(0, b)] = (char)b;
    for (int i = 0; i < 256 && !status; i++)
        if (train_token(n, g, &order[i], 1) < 0)
            status = LH_ERROR_MEMORY;
    return status;
}

static lh_status train_merges(train_run *r, train_names *n, lh_gather *g,
                              int64_t vocabulary,
                              lh_train_report *report, void *user)
{
    train_best best;
    while (g->count < vocabulary && train_next(r, &best)) {
        int32_t made = train_made(n, g, best.left, best.right);
        if (made < 0)
            return LH_ERROR_MEMORY;
        if (lh_gather_pair(g, (lh_merge){ best.left, best.right, made }))
            return LH_ERROR_MEMORY;
        train_apply(r, &best, made);
        if (report && g->merges % 64 == 0 && !report(user, g->count))
            return lh_fail(g->ctx, LH_ERROR_STOPPED, "stopped as asked at"
                           " %d tokens", (int)g->count);
    }
    return r->status;
}

LH_API lh_tokenizer *lh_tokenizer_trainer_make(
    lh_tokenizer_trainer *t, int64_t vocabulary, const char *const *special,
    int specials, lh_train_report *report, void *user)
{
    if (!t)
        return NULL;
    lh_context *ctx = t->ctx;
    if (specials < 1 || !special || vocabulary < 256 + specials ||
        vocabulary > 1 << 20) {
        lh_fail(ctx, LH_ERROR_ARGUMENT, "a vocabulary of %lld: it is at least"
                " the 256 bytes and the special tokens, of which there is one"
                " or more, and at most 2^20", (long long)vocabulary);
        return NULL;
    }
    lh_gather g = { .ctx = ctx, .where = "training", .arena = { .ctx = ctx } };
    train_run r = { .ctx = ctx };
    train_names n = { .mask = 4095 };
    lh_tokenizer *k = NULL;
    while (n.mask < 2 * (size_t)vocabulary)
        n.mask = 2 * n.mask + 1;
    n.id = lh_alloc(ctx, n.mask + 1, sizeof *n.id);
    lh_status status = n.id ? LH_OK : LH_ERROR_MEMORY;
    if (!status) {
        memset(n.id, 0xff, (n.mask + 1) * sizeof *n.id);
        status = train_first(&n, &g, special, specials);
    }
    if (!status)
        status = train_gather(t->counter, t->threads);
    if (!status)
        status = train_start(&r, t->counter, specials);
    if (!status)
        status = train_merges(&r, &n, &g, vocabulary, report, user);
    if (!status) {
        lh_bpe rules = lh_bpe_rules();
        rules.step[rules.steps++] = t->scan;
        k = lh_gather_make(&g, &rules, 0);
    }
    if (k) {
        lh_bpe_byte_ids(k);
        if (lh_bpe_merges(k, g.merge, g.merges)) {
            lh_tokenizer_free(k);
            k = NULL;
        }
    }
    train_end(&r);
    lh_free(ctx, n.id);
    lh_gather_free(&g);
    return k;
}

#undef TRAIN_ROOM
#undef TRAIN_PART
#undef TRAIN_ROUND
