/* Byte-pair encoding: making the tables, and merging.
 *
 * The bytes of a piece become tokens, and the pair with the least rank, the
 * leftmost of several, merges until none can.  Short pieces look for the least
 * pair afresh each time; long ones keep pairs in a heap, so that a megabyte of
 * one letter takes n log n steps.  Where pieces come from: bpe_text.c. */
#include "tokenizer/bpe.h"

#include "base/context.h"
#include "base/utf8.h"
#include "tokenizer/unicode.h"

/* ------------------------------------------------------------- hashing -- */

/* A polynomial over bytes, modulo 2^61 - 1: the hash of two texts together
 * follows from both, so that a merge's token is found without copying. */
#define BPE_PRIME (((uint64_t)1 << 61) - 1)
#define BPE_BASE 0x0b9d1c7a5f3e8641u

static uint64_t bpe_mul(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t low = (uint64_t)product & BPE_PRIME;
    uint64_t sum = low + (uint64_t)(product >> 61);
#else
    /* By halves of 32 bits: a b = high 2^64 + low, and 2^61 is 1 here. */
    uint64_t ah = a >> 32, al = a & 0xffffffffu;
    uint64_t bh = b >> 32, bl = b & 0xffffffffu;
    uint64_t mid = ah * bl + (al * bl >> 32);
    uint64_t other = al * bh + (mid & 0xffffffffu);
    uint64_t high = ah * bh + (mid >> 32) + (other >> 32);
    uint64_t low = other << 32 | (al * bl & 0xffffffffu);
    uint64_t sum = (low & BPE_PRIME) + (high << 3 | low >> 61);
#endif
    return sum >= BPE_PRIME ? sum - BPE_PRIME : sum;
}

/* x modulo the prime, of any x. */
static uint64_t bpe_fold(uint64_t x)
{
    x = (x & BPE_PRIME) + (x >> 61);
    return x >= BPE_PRIME ? x - BPE_PRIME : x;
}

/* Eight bytes a step, each times its power out of a table. */
static uint64_t bpe_hash(const lh_bpe *b, const char *text, size_t size)
{
    uint64_t hash = 0;
    for (size_t some; size; text += some, size -= some) {
        uint64_t sum = 0;                        /* of 8 below 2^61: fits  */
        some = size < 8 ? size : 8;
        for (size_t i = 0; i < some; i++)
            sum += b->spelled[some - 1 - i][(unsigned char)text[i]];
        sum = bpe_fold(sum);
        hash = hash ? bpe_fold(bpe_mul(hash, b->power[some]) + sum) : sum;
    }
    return hash;
}

/* Tables by hashes have open addressing: nothing is further from its place
 * than BPE_NEAREST, so that no look-up takes longer, and place 0 stays empty.
 * Real tokenizers need at most 40.  Where a file needs more, which is one that
 * was made for it, other factors are tried, and in the end it is refused. */
#define BPE_NEAREST 128
#define BPE_FACTORS 8
#define BPE_OTHER 0xd1342543de82ef95u

static size_t bpe_spread(const lh_bpe_spread *s, uint64_t key)
{
    return (size_t)(key * s->factor >> s->shift) + 1;
}

/* For so many entries, nine of sixteen places; the places there are. */
static size_t bpe_capacity(lh_bpe_spread *s, size_t count)
{
    *s = (lh_bpe_spread){ 0x9e3779b97f4a7c15u, 60 };
    while (count > (size_t)9 << (60 - s->shift))
        s->shift--;
    return ((size_t)1 << (64 - s->shift)) + BPE_NEAREST;
}

static inline uint64_t bpe_two(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* A filter of four bits for each place of a table, for the keys of pairs, or
 * the tokens' hashes.  Most pairs that are asked never merge: of nine in ten
 * it says so, and lies in a faster cache than the table. */
static lh_status bpe_make_maybe(lh_tokenizer *k, const lh_bpe_spread *s,
                                const lh_merge *merge, size_t count)
{
    lh_bpe *b = k->bpe;
    b->maybe_spread = (lh_bpe_spread){ s->factor, s->shift - 2 };
    b->maybe = lh_alloc(k->ctx, ((size_t)1 << (63 - s->shift)) + 1, 1);
    for (size_t i = 0; i < count && b->maybe; i++) {
        size_t bit = bpe_spread(&b->maybe_spread, !merge ? b->hash[i].hash
                                : bpe_two(merge[i].left, merge[i].right));
        b->maybe[bit / 8] |= (uint8_t)(1 << bit % 8);
    }
    return b->maybe ? LH_OK : LH_ERROR_MEMORY;
}

static inline bool bpe_maybe(const lh_bpe *b, uint64_t key)
{
    size_t bit = bpe_spread(&b->maybe_spread, key);
    return b->maybe[bit / 8] >> bit % 8 & 1;
}

/* ----------------------------------------------------------- look-ups -- */

static size_t bpe_size(const lh_tokenizer *k, int32_t id)
{
    return k->starts[id + 1] - k->starts[id];
}

/* The place of a token of this hash whose bytes are those of two texts: its
 * own, or an empty one; the first: neither is near. */
static lh_bpe_slot *bpe_slot(const lh_tokenizer *k, uint64_t hash,
                             const char *head, size_t head_size,
                             const char *tail, size_t tail_size)
{
    const lh_bpe *b = k->bpe;
    lh_bpe_slot *slot = b->slot + bpe_spread(&b->slot_spread, hash);
    for (int i = 0; i < BPE_NEAREST; i++, slot++) {
        if (slot->id < 0)
            return slot;
        const char *text = k->pieces + k->starts[slot->id];
        if (slot->hash == (uint32_t)hash &&
            bpe_size(k, slot->id) == head_size + tail_size &&
            !memcmp(text, head, head_size) &&
            (!tail_size || !memcmp(text + head_size, tail, tail_size)))
            return slot;
    }
    return b->slot;
}

LH_INTERNAL int32_t lh_bpe_find(const lh_tokenizer *k, const char *text,
                                size_t size)
{
    const lh_bpe *b = k->bpe;
    if (!size || size > b->longest)
        return -1;
    uint64_t hash = bpe_hash(b, text, size);
    return b->by_rank && !bpe_maybe(b, hash) ? -1
         : bpe_slot(k, hash, text, size, NULL, 0)->id;
}

LH_INTERNAL int32_t lh_bpe_both(const lh_tokenizer *k, int32_t left,
                                int32_t right)
{
    const lh_bpe *b = k->bpe;
    const lh_bpe_hash *tail = &b->hash[right];
    uint64_t hash = bpe_fold(bpe_mul(b->hash[left].hash, tail->power) +
                             tail->hash);
    return b->by_rank && !bpe_maybe(b, hash) ? -1
         : bpe_slot(k, hash, k->pieces + k->starts[left], bpe_size(k, left),
                    k->pieces + k->starts[right], bpe_size(k, right))->id;
}

static lh_bpe_pair *bpe_place(const lh_bpe *b, int32_t left, int32_t right)
{
    lh_bpe_pair *p = b->pair + bpe_spread(&b->pair_spread,
                                          bpe_two(left, right));
    for (int i = 0; i < BPE_NEAREST; i++, p++)
        if (p->made < 0 || (p->left == left && p->right == right))
            return p;
    return b->pair;
}

#define BPE_NEVER UINT32_MAX

/* The rank of a pair and what it makes; BPE_NEVER: it does not merge. */
static uint32_t bpe_rank(const lh_tokenizer *k, int32_t left, int32_t right,
                         int32_t *made)
{
    if (k->bpe->by_rank) {
        *made = lh_bpe_both(k, left, right);
        return *made < 0 ? BPE_NEVER
             : k->bpe->rank ? k->bpe->rank[*made] : (uint32_t)*made;
    }
    const lh_bpe_pair *p = bpe_maybe(k->bpe, bpe_two(left, right))
                         ? bpe_place(k->bpe, left, right) : k->bpe->pair;
    *made = p->made;
    return p->made < 0 ? BPE_NEVER : p->rank;
}

/* The same, out of the cache if it was asked before. */
static uint32_t bpe_known_rank(const lh_bpe_run *r, int32_t left,
                               int32_t right, int32_t *made)
{
    uint64_t hash = bpe_two(left, right) * 0x9e3779b97f4a7c15u;
    lh_bpe_pair *p = &r->scratch->pair[hash >> r->scratch->pair_shift];
    if (p->left != ~left || p->right != right) {
        p->rank = bpe_rank(r->k, left, right, &p->made);
        p->left = ~left;
        p->right = right;
    }
    *made = p->made;
    return p->rank;
}

/* ------------------------------------------------------------- merging -- */

/* Pieces of up to this many bytes look for the least pair each time. */
#define BPE_SHORT 48

/* Merges tokens [count] in place, until `least` are left; how many are. */
static size_t bpe_merge_short(const lh_bpe_run *r, int32_t *token,
                              size_t count, size_t least)
{
    uint32_t rank[BPE_SHORT];
    int32_t made[BPE_SHORT];
    for (size_t i = 0; i + 1 < count; i++)
        rank[i] = bpe_known_rank(r, token[i], token[i + 1], &made[i]);
    while (count > least) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (rank[i] < rank[best])
                best = i;
        if (rank[best] == BPE_NEVER)
            break;
        token[best] = made[best];
        count--;
        size_t tail = count - best - 1;
        memmove(token + best + 1, token + best + 2, tail * sizeof *token);
        if (tail) {
            memmove(rank + best + 1, rank + best + 2,
                    (tail - 1) * sizeof *rank);
            memmove(made + best + 1, made + best + 2,
                    (tail - 1) * sizeof *made);
            rank[best] = bpe_known_rank(r, token[best], token[best + 1],
                                        &made[best]);
        }
        if (best)
            rank[best - 1] = bpe_known_rank(r, token[best - 1], token[best],
                                            &made[best - 1]);
    }
    return count;
}

/* A token of a long piece; gone ones have token -1. */
typedef struct bpe_link {
    int32_t token, made;
    uint32_t rank;
    uint32_t before, after;            /* UINT32_MAX: none                 */
} bpe_link;

/* A heap of pairs by (rank, place), the least on top; a pair whose rank has
 * changed since it was put in is passed over. */
typedef struct bpe_heap {
    uint64_t *key;                     /* rank << 32 | place               */
    size_t count;
} bpe_heap;

static void bpe_heap_push(bpe_heap *h, uint64_t key)
{
    size_t i = h->count++;
    for (; i && h->key[(i - 1) / 2] > key; i = (i - 1) / 2)
        h->key[i] = h->key[(i - 1) / 2];
    h->key[i] = key;
}

static uint64_t bpe_heap_pop(bpe_heap *h)
{
    uint64_t top = h->key[0], last = h->key[--h->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->key[child + 1] < h->key[child])
            child++;
        if (h->key[child] >= last)
            break;
        h->key[i] = h->key[child];
        i = child;
    }
    h->key[i] = last;
    return top;
}

static void bpe_pair_up(const lh_bpe_run *r, bpe_link *link, uint32_t i,
                        bpe_heap *heap)
{
    bpe_link *at = &link[i];
    at->rank = at->after == UINT32_MAX
        ? BPE_NEVER
        : bpe_known_rank(r, at->token, link[at->after].token, &at->made);
    if (at->rank != BPE_NEVER)
        bpe_heap_push(heap, (uint64_t)at->rank << 32 | i);
}

/* The same for many tokens.  Each merge puts two pairs in, so the heap never
 * has more than three for each token. */
static size_t bpe_merge_long(lh_bpe_run *r, int32_t *token, size_t count,
                             size_t least)
{
    size_t each = sizeof(bpe_link) + 3 * sizeof(uint64_t);
    size_t need = count * each;
    if (count >= UINT32_MAX || count > SIZE_MAX / each) {
        r->status = lh_fail(r->ctx, LH_ERROR_MEMORY, "a piece of the text is"
                            " too long");
        return 0;
    }
    if (need > r->memory_bytes) {
        lh_free(r->ctx, r->memory);
        r->memory = lh_alloc(r->ctx, need, 1);
        r->memory_bytes = r->memory ? need : 0;
        if (!r->memory) {
            r->status = LH_ERROR_MEMORY;
            return 0;
        }
    }
    bpe_heap heap = { .key = r->memory };
    bpe_link *link = (bpe_link *)(void *)(heap.key + 3 * count);
    for (uint32_t i = 0; i < count; i++)
        link[i] = (bpe_link){ token[i], -1, BPE_NEVER, i ? i - 1 : UINT32_MAX,
                              i + 1 < count ? i + 1 : UINT32_MAX };
    for (uint32_t i = 0; i + 1 < count; i++)
        bpe_pair_up(r, link, i, &heap);
    for (size_t now = count; heap.count && now > least;) {
        uint64_t top = bpe_heap_pop(&heap);
        uint32_t i = (uint32_t)top;
        bpe_link *at = &link[i];
        if (at->token < 0 || at->rank != top >> 32)
            continue;
        bpe_link *gone = &link[at->after];
        now--;
        at->token = at->made;
        at->after = gone->after;
        gone->token = -1;
        if (at->after != UINT32_MAX)
            link[at->after].before = i;
        bpe_pair_up(r, link, i, &heap);
        if (at->before != UINT32_MAX)
            bpe_pair_up(r, link, at->before, &heap);
    }
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (link[i].token >= 0)
            token[left++] = link[i].token;
    return left;
}

static size_t bpe_merge(lh_bpe_run *r, int32_t *token, size_t count,
                        size_t least)
{
    return count <= BPE_SHORT ? bpe_merge_short(r, token, count, least)
                              : bpe_merge_long(r, token, count, least);
}

/* The tokens that bytes begin as; how many. */
static size_t bpe_bytes(const lh_bpe *b, const unsigned char *text,
                        size_t size, int32_t *token)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        if (b->byte_id[text[i]] >= 0)
            token[count++] = b->byte_id[text[i]];
    return count;
}

/* The tokens that characters begin as: themselves, else their bytes where
 * each has a token, else unknown. */
static size_t bpe_characters(const lh_tokenizer *k, const unsigned char *text,
                             size_t size, int32_t *token)
{
    const lh_bpe *b = k->bpe;
    size_t count = 0;
    bool unknown = false;
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code;
        int n = lh_utf8_decode((const char *)text + at, size - at, &code);
        length = n ? (size_t)n : 1;
        int32_t id = lh_bpe_find(k, (const char *)text + at, length);
        bool fused = unknown;
        unknown = false;
        if (id >= 0) {
            token[count++] = id;
            continue;
        }
        size_t had = count;
        count += bpe_bytes(b, text + at, length, token + count);
        if (count - had == length)
            continue;
        count = had;
        unknown = b->unknown >= 0;
        if (unknown && !(fused && b->fuse_unknown))
            token[count++] = b->unknown;
    }
    return count;
}

LH_INTERNAL void lh_bpe_piece(lh_bpe_run *r, const unsigned char *text,
                              size_t size)
{
    const lh_bpe *b = r->k->bpe;
    int32_t *token = lh_ids_room(r->ctx, r->out, size);
    if (!token) {
        r->status = LH_ERROR_MEMORY;
        return;
    }
    if (b->whole_first) {
        int32_t id = lh_bpe_find(r->k, (const char *)text, size);
        if (id >= 0) {
            token[0] = id;
            r->out->count++;
            return;
        }
    }
    size_t count = b->characters ? bpe_characters(r->k, text, size, token)
                                 : bpe_bytes(b, text, size, token);
    r->out->count += bpe_merge(r, token, count, 1);
}

/* The two tokens that each is made of whose bytes merge into two; how many;
 * SIZE_MAX: no memory. */
static size_t bpe_parents(lh_context *ctx, const lh_tokenizer *k,
                          lh_merge *merge)
{
    lh_bpe_run r = { .ctx = ctx, .k = k, .scratch = lh_bpe_take(ctx, k) };
    int32_t *token = lh_alloc(ctx, k->bpe->longest + 1, sizeof *token);
    size_t have = 0;
    bool fine = r.scratch && token;
    for (int32_t id = 0; id < k->vocabulary && fine; id++) {
        const char *text = k->pieces + k->starts[id];
        size_t size = bpe_size(k, id);
        if (size < 2 || lh_bpe_find(k, text, size) != id)
            continue;
        size_t count = bpe_bytes(k->bpe, (const unsigned char *)text, size,
                                 token);
        count = bpe_merge(&r, token, count, 2);
        if (count == 2)
            merge[have++] = (lh_merge){ token[0], token[1], id };
        fine = !r.status;
    }
    lh_bpe_give(ctx, k, r.scratch);
    lh_free(ctx, r.memory);
    lh_free(ctx, token);
    return fine ? have : SIZE_MAX;
}

static int bpe_by_rank(const void *a, const void *b)
{
    const lh_bpe_pair *x = a, *y = b;
    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank)
         : x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->right > y->right) - (x->right < y->right);
}

/* Every two tokens that are a third together; their number. */
static size_t bpe_splits(const lh_tokenizer *k, lh_bpe_pair *pair)
{
    const lh_bpe *b = k->bpe;
    size_t count = 0;
    for (int32_t id = 0; id < k->vocabulary; id++) {
        const char *text = k->pieces + k->starts[id];
        size_t size = bpe_size(k, id);
        uint64_t head = 0, all = b->hash[id].hash;
        if (!size || lh_bpe_find(k, text, size) != id)
            continue;
        for (size_t at = 1; at < size; at++) {
            head = bpe_fold(bpe_mul(head, BPE_BASE) +
                            (unsigned char)text[at - 1] + 1);
            int32_t left = bpe_slot(k, head, text, at, NULL, 0)->id;
            if (left < 0)
                continue;
            uint64_t tail = bpe_fold(all + BPE_PRIME -
                                     bpe_mul(head, b->power[size - at]));
            int32_t right = bpe_slot(k, tail, text + at, size - at, NULL,
                                     0)->id;
            if (right >= 0)
                pair[count++] = (lh_bpe_pair){
                    left, right, id, b->rank ? b->rank[id] : (uint32_t)id };
        }
    }
    return count;
}

LH_INTERNAL lh_merge *lh_bpe_pairs(lh_context *ctx, const lh_tokenizer *k,
                                   size_t *count)
{
    const lh_bpe *b = k->bpe;
    bool splits = b->by_rank && b->characters, made = b->by_rank && !splits;
    size_t places = splits ? k->starts[k->vocabulary]
                  : made ? (size_t)k->vocabulary : b->pair_places, have = 0;
    lh_bpe_pair *all = lh_alloc(ctx, splits ? places : 1, sizeof *all);
    lh_merge *merge = lh_alloc(ctx, places, sizeof *merge);
    const void **order = lh_alloc(ctx, made ? 1 : places, sizeof *order);
    bool fine = all && merge && order;
    if (fine && made) {
        have = bpe_parents(ctx, k, merge);
        fine = have != SIZE_MAX;
    } else if (fine) {
        const lh_bpe_pair *pair = splits ? all : b->pair;
        if (splits)
            places = bpe_splits(k, all);
        for (size_t i = 0; i < places; i++)
            if (pair[i].made >= 0)
                order[have++] = &pair[i];
        lh_sort(order, have, bpe_by_rank);
        for (size_t i = 0; i < have; i++) {
            const lh_bpe_pair *p = order[i];
            merge[i] = (lh_merge){ p->left, p->right, p->made };
        }
    }
    if (!fine) {
        lh_free(ctx, merge);
        merge = NULL;
    }
    lh_free(ctx, all);
    lh_free(ctx, order);
    *count = have;
    return merge;
}

/* -------------------------------------------------------------- making -- */

/* Of a file whose table would look for something too long. */
static lh_status bpe_crafted(lh_context *ctx, const char *where,
                             const char *what)
{
    return lh_fail(ctx, LH_ERROR_FORMAT, "%s: its %s crowd at one place of a"
                   " table, as only those of a file made for that do", where,
                   what);
}

static int bpe_by_score(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Tokens that score the same rank the same. */
static lh_status bpe_make_ranks(lh_tokenizer *k, const lh_bpe_parts *p)
{
    size_t count = (size_t)p->vocabulary;
    const void **order = lh_alloc(k->ctx, count, sizeof *order);
    k->bpe->rank = lh_alloc(k->ctx, count, sizeof *k->bpe->rank);
    if (order && k->bpe->rank) {
        for (size_t i = 0; i < count; i++)
            order[i] = p->score + i;
        lh_sort(order, count, bpe_by_score);
        uint32_t rank = 0;
        for (size_t i = 0; i < count; i++) {
            rank += i && bpe_by_score(order[i - 1], order[i]) != 0;
            k->bpe->rank[(const float *)order[i] - p->score] = rank;
        }
    }
    lh_free(k->ctx, order);
    return order && k->bpe->rank ? LH_OK : LH_ERROR_MEMORY;
}

/* The look-up of the vocabulary; of two tokens with the same bytes the first
 * is found. */
static lh_status bpe_make_slots(lh_tokenizer *k, const lh_bpe_parts *p)
{
    lh_bpe *b = k->bpe;
    size_t places = bpe_capacity(&b->slot_spread, (size_t)p->vocabulary);
    b->slot = lh_alloc(k->ctx, places, sizeof *b->slot);
    if (!b->slot || (b->by_rank && bpe_make_maybe(k, &b->slot_spread, NULL,
                                                  (size_t)p->vocabulary)))
        return LH_ERROR_MEMORY;
    for (int i = 0; i < BPE_FACTORS; i++, b->slot_spread.factor *= BPE_OTHER) {
        int32_t id = 0;
        memset(b->slot, 0xff, places * sizeof *b->slot);
        for (; id < p->vocabulary; id++) {
            size_t size = bpe_size(k, id);
            if (!size || (p->hidden && p->hidden[id]))
                continue;
            lh_bpe_slot *slot = bpe_slot(k, b->hash[id].hash, p->piece[id],
                                         size, NULL, 0);
            if (slot == b->slot)
                break;
            if (slot->id < 0)
                *slot = (lh_bpe_slot){ (uint32_t)b->hash[id].hash, id };
            else if (p->hidden)
                p->hidden[id] = true;
        }
        if (id == p->vocabulary)
            return LH_OK;
    }
    return bpe_crafted(k->ctx, p->where, "tokens");
}

/* The vocabulary's bytes and their hashes. */
static lh_status bpe_make_vocabulary(lh_tokenizer *k, const lh_bpe_parts *p)
{
    lh_bpe *b = k->bpe;
    size_t at = 0;
    for (int32_t id = 0; id < p->vocabulary; id++)
        if (p->piece[id] && p->piece_size[id] > b->longest)
            b->longest = p->piece_size[id];
    b->hash = lh_alloc(k->ctx, (size_t)p->vocabulary, sizeof *b->hash);
    b->power = lh_alloc(k->ctx, b->longest + 1, sizeof *b->power);
    b->spelled = lh_alloc(k->ctx, 8, sizeof *b->spelled);
    if (!b->hash || !b->power || !b->spelled)
        return LH_ERROR_MEMORY;
    b->power[0] = 1;
    for (size_t i = 0; i < b->longest; i++)
        b->power[i + 1] = bpe_mul(b->power[i], BPE_BASE);
    for (size_t i = 0; i < 8 && i < b->longest; i++)
        for (uint64_t c = 0; c < 256; c++)
            b->spelled[i][c] = bpe_mul(b->power[i], c + 1);
    for (int32_t id = 0; id < p->vocabulary; id++) {
        uint32_t size = p->piece[id] ? p->piece_size[id] : 0;
        k->starts[id] = (uint32_t)at;
        if (size)
            memcpy(k->pieces + at, p->piece[id], size);
        k->starts[id + 1] = (uint32_t)(at += size);
        b->hash[id] = (lh_bpe_hash){ bpe_hash(b, p->piece[id], size),
                                     b->power[size] };
    }
    return bpe_make_slots(k, p);
}

LH_INTERNAL lh_status lh_bpe_merges(lh_tokenizer *k, const char *where,
                                    const lh_merge *merge, size_t count)
{
    lh_bpe *b = k->bpe;
    b->pair_places = bpe_capacity(&b->pair_spread, count);
    b->pair = lh_alloc_full(k->ctx, b->pair_places, sizeof *b->pair);
    if (!b->pair || bpe_make_maybe(k, &b->pair_spread, merge, count))
        return LH_ERROR_MEMORY;
    for (int n = 0; n < BPE_FACTORS; n++, b->pair_spread.factor *= BPE_OTHER) {
        size_t i = 0;
        for (size_t j = 0; j < b->pair_places; j++)
            b->pair[j].made = -1;
        for (; i < count; i++) {
            const lh_merge *m = &merge[i];
            lh_bpe_pair *p = bpe_place(b, m->left, m->right);
            if (p == b->pair)
                break;
            /* Of a pair that is given twice the last rank holds, as a map
             * has it that is filled in order. */
            *p = (lh_bpe_pair){ m->left, m->right, m->made, (uint32_t)i };
        }
        if (i == count)
            return LH_OK;
    }
    return bpe_crafted(k->ctx, where, "merges");
}

static int bpe_by_bytes(const void *a, const void *b)
{
    const lh_added *x = a, *y = b;
    int order = memcmp(x->text, y->text,
                       x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Where one might begin a text is followed to its end.  Real ones have up to a
 * hundred bytes. */
#define BPE_ADDED_MOST 512

static lh_status bpe_make_added(lh_tokenizer *k, const lh_bpe_parts *p)
{
    lh_bpe *b = k->bpe;
    size_t bytes = 0, at = 0, count = (size_t)p->added_count;
    for (size_t i = 0; i < count; i++) {
        char shown[LH_UTF8_SHOWN];
        bytes += p->added[i].size;
        if (p->added[i].size > BPE_ADDED_MOST)
            return lh_fail(k->ctx, LH_ERROR_FORMAT, "%s: the added token"
                           " \"%s\" has more than %d bytes", p->where,
                           lh_utf8_show(shown, p->added[i].text,
                                        p->added[i].size), BPE_ADDED_MOST);
    }
    b->added = lh_alloc(k->ctx, count, sizeof *b->added);
    b->order = lh_alloc(k->ctx, count, sizeof *b->order);
    b->texts = lh_alloc(k->ctx, bytes, 1);
    if (!b->added || !b->order || !b->texts)
        return LH_ERROR_MEMORY;
    for (int kind = 0; kind < 2; kind++)
        b->only[kind] = -1, b->special[kind] = true;
    for (size_t i = 0; i < count; i++) {
        b->added[i] = p->added[i];
        b->added[i].text = memcpy(b->texts + at, p->added[i].text,
                                  p->added[i].size);
        b->order[i] = &b->added[i];
        int kind = b->added[i].normalized, first = (unsigned char)b->texts[at];
        b->only[kind] = b->only[kind] < 0 || b->only[kind] == first ? first
                                                                    : 256;
        b->begins[first] |= (uint8_t)(1 << kind);
        b->special[kind] &= b->added[i].special;
        at += p->added[i].size;
    }
    b->added_count = p->added_count;
    lh_sort((const void **)b->order, count, bpe_by_bytes);
    return LH_OK;
}

/* A text that is one piece, or is cut before spaces alone, may be cut wherever
 * no token could lie across; but not where what has no token is one together
 * or a whole piece is looked for first. */
static lh_status bpe_make_apart(lh_tokenizer *k)
{
    lh_bpe *b = k->bpe;
    bool whole = !b->steps || (b->steps == 1 &&
                 (!strcmp(b->step[0]->name, "whole") ||
                  !strcmp(b->step[0]->name, "spaced")));
    for (int i = 0; i < 256; i++)
        whole &= b->byte_id[i] >= 0;
    if (!whole || b->whole_first)
        return LH_OK;
    b->apart = lh_alloc(k->ctx, 256, 256);
    if (!b->apart)
        return LH_ERROR_MEMORY;
    for (size_t i = 0; i < 256 * 256; i++)
        b->apart[i] = (i & 0xc0) != 0x80;
    for (int32_t id = 0; id < k->vocabulary; id++) {
        const unsigned char *text =
            (const unsigned char *)k->pieces + k->starts[id];
        for (size_t i = 1; i < bpe_size(k, id); i++)
            b->apart[text[i - 1] << 8 | text[i]] = 0;
    }
    return LH_OK;
}

/* Between a letter of ASCII and a blank: there the pieces of scanners for
 * whole texts end and no normal form joins.  Not where no scanner is one, or
 * an added token may lie across a blank. */
static bool bpe_cuts(const lh_bpe *b)
{
    bool cuts = b->apart;
    for (int i = 0; i < b->steps; i++)
        cuts |= b->step[i]->family != LH_SCAN_NONE;
    for (int i = 0; i < b->added_count; i++)
        cuts &= !b->added[i].lstrip && !b->added[i].rstrip &&
                !memchr(b->added[i].text, ' ', b->added[i].size);
    return cuts && !b->squeezed;
}

LH_INTERNAL void lh_bpe_free(lh_tokenizer *k)
{
    lh_bpe *b = k->bpe;
    if (!b)
        return;
    lh_bpe_cache_free(k->ctx, b->cache);
    void *own[] = { b->classes, b->apart, b->added, b->order, b->texts,
                    b->pair, b->slot, b->maybe, b->spelled, b->hash,
                    b->power, b->rank };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        lh_free(k->ctx, own[i]);
    lh_free(k->ctx, b);
}

LH_INTERNAL lh_tokenizer *lh_bpe_make(lh_context *ctx, const lh_bpe_parts *p)
{
    size_t bytes = 0;
    for (int32_t id = 0; id < p->vocabulary; id++)
        bytes += p->piece[id] ? p->piece_size[id] : 0;
    if (bytes > UINT32_MAX)
        return LH_FAIL_NULL(ctx, LH_ERROR_FORMAT, "%s: its tokens have more"
                            " than 4 GB", p->where);
    lh_tokenizer *k = lh_tokenizer_make(ctx, &lh_tokenizer_kind_bpe,
                                        p->vocabulary - 1, bytes);
    if (!k)
        return NULL;
    k->border = p->border;
    k->bpe = lh_alloc(ctx, 1, sizeof *k->bpe);
    lh_status status = k->bpe ? LH_OK : LH_ERROR_MEMORY;
    if (!status) {
        *k->bpe = p->rules;
        k->bpe->classes = lh_alloc(ctx, LH_CLASSES, 1);
        status = k->bpe->classes ? bpe_make_vocabulary(k, p)
                                 : LH_ERROR_MEMORY;
    }
    if (!status && p->score)
        status = bpe_make_ranks(k, p);
    if (!status)
        status = bpe_make_added(k, p);
    if (!status)
        status = bpe_make_apart(k);
    /* A host's allocator is for the host's thread alone. */
    if (!status && !(ctx && ctx->allocator.allocate)) {
        k->bpe->cache = lh_bpe_cache_new(ctx);
        status = k->bpe->cache ? LH_OK : LH_ERROR_MEMORY;
    }
    if (status) {
        lh_tokenizer_free(k);
        return NULL;
    }
    lh_unicode_classes(k->bpe->classes);
    k->bpe->cuts = bpe_cuts(k->bpe);
    return k;
}

#undef BPE_PRIME
#undef BPE_BASE
#undef BPE_NEAREST
#undef BPE_FACTORS
#undef BPE_OTHER
#undef BPE_ADDED_MOST
#undef BPE_NEVER
#undef BPE_SHORT
