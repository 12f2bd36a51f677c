/* Training byte pairs: which merges a text asks for.
 *
 * The pair with the highest count, of several the one with the smaller (left,
 * right), becomes a token, everywhere, again and again.  Each pair has a list
 * of the places where it came to be.  A merge goes through its pair's, and
 * notes what stands beside it; then each pair that has lost or gained is
 * looked up once, and those that gained get lists, all in one block.  The rule
 * is that of the `tokenizers` library's BpeTrainer, in its details too: "aaa"
 * has the pair (a, a) twice, and a merge that spells a token that is there
 * makes no new one. */
#include "tokenizer/train.h"

/* --------------------------------------------------------------- pairs -- */

/* A place of the text of all words, which stand one behind the other.  A
 * token is at the places of its first byte and its last; at those between,
 * and around words, is TRAIN_NONE.  So both neighbours of a token are one
 * step away, and nothing moves when it grows. */
typedef struct train_symbol {
    int32_t token;
    uint32_t word;
} train_symbol;

#define TRAIN_NONE (-1)

/* Where the left tokens of a pair began when the pair came to be. */
typedef struct train_places {
    struct train_places *next;
    uint32_t count, place[];
} train_places;

/* Bytes of so many, a multiple of a pointer's. */
#define TRAIN_PLACES(n) \
    ((offsetof(train_places, place) + 4 * (size_t)(n) + 7) & ~(size_t)7)

/* A pair of tokens: its count, and all places where it stands, with others
 * where it stood once. */
typedef struct train_pair {
    int32_t left, right;               /* left < 0: an empty place         */
    int64_t count;
    train_places *places;
} train_pair;

typedef struct train_best {
    int64_t count;                     /* of the pair, or what it once was */
    int32_t left, right;
} train_best;

typedef struct train_list {
    train_best *best;
    size_t count, capacity;
} train_list;

/* What a merge changes beside it: pairs with the token of this index, which
 * is 2 token for one on the left, 2 token + 1 for one on the right. */
typedef struct train_beside {
    int64_t count;                     /* lost with the old, gained with
                                          the new                          */
    uint32_t events;
    train_places *places;              /* of the new: one for each event   */
} train_beside;

typedef struct train_event {
    uint32_t index, place;
} train_event;

typedef struct train_run {
    lh_context *ctx;
    lh_status status;
    lh_arena arena;                    /* holds places                     */
    train_symbol *symbol;              /* [symbols]                        */
    size_t symbols;
    int64_t *count;                    /* [words]                          */
    train_pair *pair;                  /* [mask + 1]                       */
    size_t mask, used;
    train_list heap;                   /* of counts from `limit` on        */
    train_list later;                  /* the others, in no order          */
    int64_t limit;
    train_beside *beside;              /* [2 vocabulary], [65536] at least */
    uint32_t *touched;                 /* of those: which are not zero     */
    size_t touches;
    train_event *event;
    size_t events, event_capacity;
} train_run;

static bool train_before(const train_best *a, const train_best *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static void train_push(train_run *r, train_best item)
{
    train_list *to = item.count < r->limit ? &r->later : &r->heap;
    if (item.count <= 0 || r->status)
        return;
    r->status = lh_grow(r->ctx, &to->best, &to->capacity, to->count + 1,
                        sizeof *to->best);
    if (r->status)
        return;
    size_t i = to->count++;
    for (; to == &r->heap && i && train_before(&item, &to->best[(i - 1) / 2]);
         i = (i - 1) / 2)
        to->best[i] = to->best[(i - 1) / 2];
    to->best[i] = item;
}

/* Most pairs never come near the highest count.  The heap has those of at
 * least half of what that was, and when it is empty, so of the others. */
static void train_refill(train_run *r)
{
    size_t count = r->later.count;
    r->limit = 0;
    for (size_t i = 0; i < count; i++)
        r->limit = lh_max64(r->limit, r->later.best[i].count / 2);
    r->later.count = 0;
    for (size_t i = 0; i < count; i++)
        train_push(r, r->later.best[i]);
}

static train_best train_pop(train_run *r)
{
    train_best *heap = r->heap.best, top = *heap;
    train_best last = heap[--r->heap.count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap.count)
            break;
        if (child + 1 < r->heap.count &&
            train_before(&heap[child + 1], &heap[child]))
            child++;
        if (!train_before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
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

/* Room for `more` pairs. */
static bool train_rehash(train_run *r, size_t more)
{
    train_run larger = *r;
    if (r->pair && 2 * (r->used + more) < r->mask)
        return true;
    for (larger.mask = 65535; larger.mask < 4 * (r->used + more);)
        larger.mask = 2 * larger.mask + 1;
    larger.pair = lh_alloc_full(r->ctx, larger.mask + 1,
                                sizeof *larger.pair);
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

/* The pair of a token beside (its index) with the one behind which it stands
 * or before which; made if it is new, for which there is room. */
static train_pair *train_side(train_run *r, uint32_t index, int32_t before,
                              int32_t behind)
{
    int32_t token = (int32_t)(index / 2);
    int32_t left = index % 2 ? before : token;
    int32_t right = index % 2 ? token : behind;
    train_pair *p = train_find(r, left, right);
    if (p->left < 0) {
        *p = (train_pair){ .left = left, .right = right };
        r->used++;
    }
    return p;
}

/* A pair gains a count, and room for the places of it, which is all that is
 * kept of b. */
static void train_gain(train_pair *p, train_beside *b, char **room)
{
    p->count += b->count;
    b->places = (train_places *)(void *)*room;
    b->places->next = p->places;
    b->places->count = 0;
    p->places = b->places;
    *room += TRAIN_PLACES(b->events);
    *b = (train_beside){ .places = p->places };
}

/* Meets a token beside a merge: `place` is where the new pair begins. */
static void train_meet(train_run *r, size_t index, uint32_t place,
                       int64_t count)
{
    train_beside *b = &r->beside[index];
    if (!b->events++)
        r->touched[r->touches++] = (uint32_t)index;
    b->count += count;
    r->event[r->events++] = (train_event){ (uint32_t)index, place };
}

/* Merges a pair at a place if it still is there; where it can overlap itself,
 * in the whole row of such tokens, from the left. */
static void train_merge(train_run *r, uint32_t at, const train_best *best,
                        int32_t made, const uint32_t *size)
{
    int32_t left = best->left, right = best->right;
    train_symbol *s = r->symbol;
    int64_t count = r->count[s[at].word];
    while (left == right && s[at].token == left && s[at - 1].token == left)
        at -= size[left];
    while (s[at].token == left && s[at + size[left]].token == right) {
        uint32_t next = at + size[left], end = next + size[right];
        int32_t before = s[at - 1].token, behind = s[end].token;
        s[next - 1].token = s[next].token = TRAIN_NONE;
        s[at].token = s[end - 1].token = made;
        if (before >= 0)
            train_meet(r, 2 * (size_t)before, at - size[before], count);
        if (behind >= 0)
            train_meet(r, 2 * (size_t)behind + 1, at, count);
        if (left != right)
            break;
        at = end;
    }
}

/* The next merge into *best; false: no pair is left. */
static bool train_next(train_run *r, train_best *best)
{
    while ((r->heap.count || r->later.count) && !r->status) {
        if (!r->heap.count) {
            train_refill(r);
            continue;
        }
        *best = train_pop(r);
        const train_pair *p = train_find(r, best->left, best->right);
        if (p->left < 0 || !p->places)
            continue;                            /* merged already         */
        if (p->count == best->count)
            return true;
        train_push(r, (train_best){ p->count, p->left, p->right });
    }
    return false;
}

/* Merges it everywhere, into a token `made`; size: of the tokens.  Counts
 * change when all is merged, once for each token beside. */
static void train_apply(train_run *r, const train_best *best, int32_t made,
                        const uint32_t *size)
{
    train_pair *p = train_find(r, best->left, best->right);
    const train_places *places = p->places;
    size_t most = 0;
    p->places = NULL;
    for (const train_places *i = places; i; i = i->next)
        most += 2 * (size_t)i->count;
    if (most > r->event_capacity) {
        lh_free(r->ctx, r->event);
        r->event_capacity = 2 * most;
        r->event = lh_alloc(r->ctx, r->event_capacity, sizeof *r->event);
    }
    r->touches = r->events = 0;
    for (const train_places *i = places; i && r->event; i = i->next)
        for (uint32_t j = 0; j < i->count; j++) {
            if (i->count - j > 12)               /* asked for beforehand   */
                __builtin_prefetch(&r->symbol[i->place[j + 12]], 1);
            train_merge(r, i->place[j], best, made, size);
        }
    char *room = lh_arena_alloc(&r->arena, r->touches * TRAIN_PLACES(1) +
                                           r->events * sizeof(uint32_t));
    if (!r->event || !room || !train_rehash(r, r->touches)) {
        r->status = LH_ERROR_MEMORY;
        return;
    }
    for (size_t i = 0; i < r->touches; i++) {
        train_beside *b = &r->beside[r->touched[i]];
        train_side(r, r->touched[i], best->right, best->left)->count -=
            b->count;
        p = train_side(r, r->touched[i], made, made);
        train_gain(p, b, &room);
        train_push(r, (train_best){ p->count, p->left, p->right });
    }
    for (size_t i = 0; i < r->events; i++) {
        train_places *to = r->beside[r->event[i].index].places;
        to->place[to->count++] = r->event[i].place;
    }
}

/* ---------------------------------------------------------- vocabulary -- */

/* Which of the ids from `first` on a byte has: by its letter. */
static int32_t train_byte_id(int32_t first, uint32_t byte)
{
    uint32_t below = 0;
    for (uint32_t b = 0; b < 256; b++)
        below += lh_byte_letter(b) < lh_byte_letter(byte);
    return first + (int32_t)below;
}

/* The pieces as tokens of bytes; memory for all that follows. */
static lh_status train_words(train_run *r, const lh_word *word,
                             size_t places, int32_t first, size_t vocabulary)
{
    int32_t byte_id[256];
    size_t at = 0, distinct = 0;
    size_t beside = vocabulary < 32768 ? 32768 : vocabulary;
    uint32_t words = 0;
    for (uint32_t b = 0; b < 256; b++)
        byte_id[b] = train_byte_id(first, b);
    r->symbols = 1;
    for (size_t i = 0; i < places; i++)
        if (word[i].count) {
            r->symbols += (size_t)lh_word_size(&word[i]) + 1;
            distinct++;
        }
    if (r->symbols >= UINT32_MAX)
        return lh_fail(r->ctx, LH_ERROR_MEMORY, "the text has too many"
                       " distinct words");
    r->symbol = lh_alloc_full(r->ctx, r->symbols, sizeof *r->symbol);
    r->count = lh_alloc(r->ctx, distinct, sizeof *r->count);
    r->beside = lh_alloc(r->ctx, 2 * beside, sizeof *r->beside);
    r->touched = lh_alloc(r->ctx, 2 * beside, sizeof *r->touched);
    if (!r->symbol || !r->count || !r->beside || !r->touched)
        return LH_ERROR_MEMORY;
    r->symbol[at++].token = TRAIN_NONE;
    for (size_t i = 0; i < places; i++) {
        const lh_word *w = &word[i];
        if (!w->count)
            continue;
        r->count[words] = w->count;
        for (uint32_t j = 0, size = lh_word_size(w); j < size; j++)
            r->symbol[at++] = (train_symbol){
                byte_id[(unsigned char)w->text[j]], words };
        r->symbol[at++].token = TRAIN_NONE;
        words++;
    }
    return LH_OK;
}

/* All pairs of bytes, which have the indices 256 left + right here. */
static lh_status train_start(train_run *r, int32_t first)
{
    train_symbol *s = r->symbol;
    size_t bytes = 0;
    for (size_t at = 0; at + 1 < r->symbols; at++) {
        if (s[at].token < 0 || s[at + 1].token < 0)
            continue;
        uint32_t index = (uint32_t)(256 * (s[at].token - first) +
                                    s[at + 1].token - first);
        train_beside *b = &r->beside[index];
        if (!b->events++)
            r->touched[r->touches++] = index;
        b->count += r->count[s[at].word];
        bytes += sizeof(uint32_t);
    }
    char *room = lh_arena_alloc(&r->arena, r->touches * TRAIN_PLACES(1) +
                                           bytes);
    if (!room || !train_rehash(r, r->touches))
        return LH_ERROR_MEMORY;
    for (size_t i = 0; i < r->touches; i++) {
        int32_t index = (int32_t)r->touched[i];
        train_pair *p = train_side(r, 2 * (uint32_t)(first + index / 256),
                                   0, first + index % 256);
        train_gain(p, &r->beside[index], &room);
        train_push(r, (train_best){ p->count, p->left, p->right });
    }
    for (size_t at = 0; at + 1 < r->symbols; at++)
        if (s[at].token >= 0 && s[at + 1].token >= 0) {
            train_places *to = r->beside[256 * (s[at].token - first) +
                                         s[at + 1].token - first].places;
            to->place[to->count++] = (uint32_t)at;
        }
    return r->status;
}

static void train_end(train_run *r)
{
    lh_arena_free(&r->arena);
    lh_free(r->ctx, r->symbol);
    lh_free(r->ctx, r->count);
    lh_free(r->ctx, r->pair);
    lh_free(r->ctx, r->heap.best);
    lh_free(r->ctx, r->later.best);
    lh_free(r->ctx, r->beside);
    lh_free(r->ctx, r->touched);
    lh_free(r->ctx, r->event);
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
    for (size_t i = lh_hash(text, size);; i++) {
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
        if (strlen(special[i]) < 2)
            return lh_fail(g->ctx, LH_ERROR_ARGUMENT, "the special token"
                           " \"%s\" is empty or one byte, and those are"
                           " tokens anyway", special[i]);
        if (*train_name(n, g, special[i], strlen(special[i])) >= 0)
            return lh_fail(g->ctx, LH_ERROR_ARGUMENT, "the special token"
                           " \"%s\" is given twice", special[i]);
        if (train_token(n, g, special[i], strlen(special[i])) < 0)
            return LH_ERROR_MEMORY;
        status = lh_gather_added(g, LH_SPELLED_PLAIN, &(lh_added){
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

static lh_status train_until(train_run *r, train_names *n, lh_gather *g,
                             int64_t vocabulary, lh_train_report *report,
                             void *user)
{
    train_best best;
    while (g->count < vocabulary && train_next(r, &best)) {
        int32_t made = train_made(n, g, best.left, best.right);
        if (made < 0)
            return LH_ERROR_MEMORY;
        if (lh_gather_pair(g, (lh_merge){ best.left, best.right, made }))
            return LH_ERROR_MEMORY;
        train_apply(r, &best, made, g->piece_size);
        if (report && g->merges % 64 == 0 && !report(user, g->count))
            return lh_fail(g->ctx, LH_ERROR_STOPPED, "stopped as asked at"
                           " %d tokens", (int)g->count);
    }
    return r->status;
}

LH_INTERNAL lh_status lh_train_merges(
    lh_gather *g, const lh_word *word, size_t places,
    const char *const *special, int specials, int64_t vocabulary,
    lh_train_report *report, void *user)
{
    train_run r = { .ctx = g->ctx, .arena = { .ctx = g->ctx },
                    .limit = INT64_MAX };
    train_names n = { .mask = 4095 };
    while (n.mask < 2 * (size_t)vocabulary)
        n.mask = 2 * n.mask + 1;
    n.id = lh_alloc(g->ctx, n.mask + 1, sizeof *n.id);
    lh_status status = n.id ? LH_OK : LH_ERROR_MEMORY;
    if (!status) {
        memset(n.id, 0xff, (n.mask + 1) * sizeof *n.id);
        status = train_first(&n, g, special, specials);
    }
    if (!status)
        status = train_words(&r, word, places, specials, (size_t)vocabulary);
    if (!status)
        status = train_start(&r, specials);
    if (!status)
        status = train_until(&r, &n, g, vocabulary, report, user);
    train_end(&r);
    lh_free(g->ctx, n.id);
    return status;
}

#undef TRAIN_NONE
#undef TRAIN_PLACES
