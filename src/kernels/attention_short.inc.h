/* Attention over short documents (names, lines), where the general way's
 * tiles are mostly edge.  A vector is VEC_WIDTH / 4 heads by four: by four
 * channels of a row, or, for scores and all of softmax, by the four queries of
 * a block, so that its lanes 4 g .. 4 g + 3 belong to the g-th head.
 * VEC_SPLAT(x, i) gives every lane of a head element i of the head's four.
 *
 * So nothing is summed across a register: a score is a chain of a key's
 * channels by a block of queries turned over; a mixture, and a gradient, is
 * one of a query's weights by rows as they lie.  The 64 virtual lanes over
 * the keys are an array of vectors, and the halving tree is a loop over it.
 *
 *         keys 0 ..            Blocks end with the document's last query; the
 *   q  -2 | .                  first one may begin before query 0.  What is
 *   u  -1 | .                  before it sees no key, so the diagonal's rule
 *   e   0 | \ .     block i    alone keeps it out: of the block's last four
 *   r   1 | x \      = -2      keys the e-th one, key i + e, is seen from
 *   i   2 | x x \ . . .        query i + e on.  Such a query is read from row
 *   e   3 | x x x \ . .        0; its m and r go there, before row 0's own.
 *   s   4 | x x x x \ .  i
 *       5 | x x x x x \  = 2
 *
 * The phases go over all blocks, one after another: each waits long for its
 * first results, and blocks wait side by side.
 *
 * The same bytes as attention.inc.h, which asks attention_short() first and
 * does the rest.  Needs turn4() of the including file and lanes.inc.h. */

#define SHORT_KEYS 32
#define SHORT_SIZE 32
/* Vectors of scores of a document at most. */
#define SHORT_UNITS (SHORT_KEYS * (SHORT_KEYS + 4) / 8)

/* Rows of a vector for each four channels; tensors' own where a row is one
 * vector, or in scratch, [count][wide]. */
typedef struct VEC_SUFFIX(short_work) {
    const lh_attention_args *a;
    int64_t h, heads;                  /* heads h .. h + heads - 1         */
    int64_t count, start, wide;        /* start: where the first block is  */
    int64_t step[3];                   /* to heads 1, 2, 3                 */
    const float *q, *k, *v, *dy;
    float *y, *stats, *dq, *dk, *dv;
    int64_t q_row, k_row, y_row;
    float *p, *t;                      /* [blocks][keys]                   */
    float *max;                        /* [blocks][4]                      */
    float *sums;                       /* [size]: of dy y in a block       */
    float *room;                       /* for rows                         */
} VEC_SUFFIX(short_work);

/* ----------------------------------------------- rows to scratch, back -- */

/* Rows to scratch, with the last head's in place of heads that are not there;
 * x NULL: room for them. */
static float *VEC_SUFFIX(short_in)(VEC_SUFFIX(short_work) *w,
                                   const float *x, int64_t row)
{
    float *to = w->room, *from = to;
    w->room += w->count * w->wide;
    for (int64_t i = 0; x && i < w->count; i++, x += row)
        for (int64_t c = 0; c < w->a->head_size; c += 4, to += VEC_WIDTH)
            VEC_STORE(to, VEC_SUFFIX(load_fours)(x + c, w->step));
    return from;
}

static void VEC_SUFFIX(short_out)(const VEC_SUFFIX(short_work) *w, float *x,
                                  int64_t row, const float *from)
{
    const int64_t size = w->a->head_size;
    for (int64_t i = 0; x && i < w->count; i++, x += row)
        for (int64_t c = 0; c < size; c += 4, from += VEC_WIDTH)
            for (int g = 0; g < w->heads; g++)
                memcpy(x + c + g * size, from + 4 * g, 4 * sizeof *x);
}

/* -------------------------------------------------------------- blocks -- */

#define SHORT_EACH(X) X(0) X(1) X(2) X(3)
/* Query i + r of a block's row in x; X of the four, turned over. */
#define SHORT_ROW(x, i, row) ((x) + lh_max64(0, i) * (row))
#define SHORT_TURN(u, X) VEC_SUFFIX(turn4)(u, X(0), X(1), X(2), X(3))

/* For all keys j that block i sees, to[j] = chain over d of x[d] * k[j][d],
 * from +0, x being the block's rows. */
LANES_INLINE void VEC_SUFFIX(short_scores)(
    const VEC_SUFFIX(short_work) *w, int64_t i, const float *x, int64_t row,
    const float *k, float *to)
{
    const int64_t wide = w->wide, k_row = w->k_row;
#define SHORT_LOAD(r) VEC_LOAD(SHORT_ROW(x, i + r, row) + c)
#define SHORT_STEP(e) sum = FMA(VEC_SPLAT(four, e), u[e], sum);
    for (int64_t c = 0; c < wide; c += VEC_WIDTH, k += VEC_WIDTH) {
        VEC u[4];
        SHORT_TURN(u, SHORT_LOAD);
        for (int64_t j = 0; j < i + 4; j++) {
            VEC four = VEC_LOAD(k + j * k_row), sum = VEC_SET(0.0f);
            if (c)
                sum = VEC_LOAD(to + j * VEC_WIDTH);
            SHORT_EACH(SHORT_STEP)
            VEC_STORE(to + j * VEC_WIDTH, sum);
        }
    }
#undef SHORT_LOAD
#undef SHORT_STEP
}

/* The lanes of a block's queries from e on; all below 0. */
LANES_INLINE VEC_INT VEC_SUFFIX(short_from)(int64_t e)
{
    static const int32_t lanes[8] = { 0, 0, 0, -1, -1, -1, -1 };
    const float *four = (const float *)lanes + 3 - lh_max64(0, e);
    return VEC_BITS(VEC_SUFFIX(load_fours)(four, (const int64_t[3]){ 0 }));
}

/* The halving tree over x[0 .. n-1], which it destroys.  Each has met the
 * start value, as one without a partner does in 64 lanes: once is enough, and
 * matters (max(NaN, -inf) is -inf, and -0 + 0 is +0). */
LANES_INLINE VEC VEC_SUFFIX(short_tree)(int what, float *x, int64_t n)
{
    const VEC start = VEC_SET(what == LANES_MAX ? -__builtin_inff() : 0.0f);
#define SHORT_LANE(j) VEC_LOAD(x + (j) * VEC_WIDTH)
#define SHORT_LAST(j) VEC x##j = j < n ? SHORT_LANE(j) : start;
    for (int64_t half = 16; half > 2; half /= 2) {
        for (int64_t j = 0; j + half < n; j++)
            VEC_STORE(x + j * VEC_WIDTH,
                      VEC_SUFFIX(lanes_join)(what, SHORT_LANE(j),
                                             SHORT_LANE(j + half)));
        n = lh_min64(n, half);
    }
    SHORT_EACH(SHORT_LAST)
    return VEC_SUFFIX(lanes_join)(what,
                                  VEC_SUFFIX(lanes_join)(what, x0, x2),
                                  VEC_SUFFIX(lanes_join)(what, x1, x3));
#undef SHORT_LANE
#undef SHORT_LAST
}

/* D of block i's queries. */
LANES_INLINE VEC VEC_SUFFIX(short_slope)(const VEC_SUFFIX(short_work) *w,
                                         int64_t i)
{
    const VEC zero = VEC_SET(0.0f);
    float *to = w->sums;
#define SHORT_PART(r) \
    (FMA(VEC_LOAD(SHORT_ROW(w->dy, i + r, w->y_row) + c), \
         VEC_LOAD(SHORT_ROW(w->y, i + r, w->y_row) + c), zero) + zero)
#define SHORT_STORE(r) VEC_STORE(to + r * VEC_WIDTH, u[r]);
    for (int64_t c = 0; c < w->wide; c += VEC_WIDTH, to += 4 * VEC_WIDTH) {
        VEC u[4];
        SHORT_TURN(u, SHORT_PART);
        SHORT_EACH(SHORT_STORE)
    }
#undef SHORT_PART
#undef SHORT_STORE
    return VEC_SUFFIX(short_tree)(LANES_SUM, w->sums, w->a->head_size);
}

/* Rows of stats, m and r of each head, are pairs: turned over as vectors they
 * are m of the heads 0, 2, r of these, m of the heads 1, 3, r of these. */
LANES_INLINE void VEC_SUFFIX(short_stats)(
    const VEC_SUFFIX(short_work) *w, int64_t i, VEC *m, VEC *r, bool forward)
{
    const int64_t even[3] = { 8, 8, 8 }, both[3] = { 16, 4, 20 };
    const int pairs = (int)w->heads * 2;
    float side[36] = { 0 };
    VEC u[4];
#define SHORT_PAIRS(r) SHORT_ROW(w->stats, i + r, w->a->heads * 2)
#define SHORT_LOAD(r) VEC_LOAD_PART(SHORT_PAIRS(r), pairs)
#define SHORT_SIDE(r) \
    VEC_SUFFIX(load_fours)(side + r % 2 * 16 + r / 2 * 4, even)
#define SHORT_STORE(r) VEC_STORE_PART(SHORT_PAIRS(r), u[r], pairs);
    if (forward) {
        VEC_STORE(side, *m);
        VEC_STORE(side + 16, *r);
        SHORT_TURN(u, SHORT_SIDE);
        SHORT_EACH(SHORT_STORE)
    } else {
        SHORT_TURN(u, SHORT_LOAD);
        VEC_STORE(side, u[0]);
        VEC_STORE(side + 16, u[2]);
        *m = VEC_SUFFIX(load_fours)(side, both);
        VEC_STORE(side, u[1]);
        VEC_STORE(side + 16, u[3]);
        *r = VEC_SUFFIX(load_fours)(side, both);
    }
#undef SHORT_PAIRS
#undef SHORT_LOAD
#undef SHORT_SIDE
#undef SHORT_STORE
}

/* Chains over the keys j that block i's queries see, from +0: forward of
 * p[j] * v[j], times `by` to y; backward of t[j] * k[j], added to dq.  There
 * dk and dv go on with what these queries add to them. */
LANES_INLINE void VEC_SUFFIX(short_mix)(
    const VEC_SUFFIX(short_work) *w, int64_t i, const float *p,
    const float *t, bool forward, VEC by)
{
    const VEC zero = VEC_SET(0.0f);
    const int64_t wide = w->wide, k_row = w->k_row;
    const float *x = forward ? w->v : w->k;
    float *to_k = w->dk, *to_v = w->dv;
#define SHORT_LOAD(r) \
    VEC s##r = zero, q##r = zero, f##r = zero; \
    if (!forward) { \
        q##r = VEC_LOAD(SHORT_ROW(w->q, i + r, w->q_row) + c); \
        f##r = VEC_LOAD(SHORT_ROW(w->dy, i + r, w->y_row) + c); \
    }
#define SHORT_STEP(r) \
    if (r >= first) { \
        VEC share = VEC_SPLAT(weight, r); \
        s##r = FMA(share, row, s##r); \
        if (!forward) { \
            dk = FMA(share, q##r, dk); \
            dv = FMA(VEC_SPLAT(chance, r), f##r, dv); \
        } \
    }
#define SHORT_KEY(from, j, new) { \
        const int first = from; \
        const int64_t key = (j) * k_row + c, lane = (j) * VEC_WIDTH; \
        VEC row = VEC_LOAD(x + key), dk = zero, dv = zero; \
        VEC weight = VEC_LOAD((forward ? p : t) + lane), chance = weight; \
        if (!forward) { \
            chance = VEC_LOAD(p + lane); \
            if (!(new && w->a->first_k)) \
                dk = VEC_LOAD(to_k + key); \
            if (!(new && w->a->first_v)) \
                dv = VEC_LOAD(to_v + key); \
        } \
        SHORT_STEP(0) SHORT_STEP(1) SHORT_STEP(2) SHORT_STEP(3) \
        if (!forward) { \
            VEC_STORE(to_k + key, dk); \
            VEC_STORE(to_v + key, dv); \
        } \
    }
#define SHORT_NEW(e) \
    if (i + e >= 0) \
        SHORT_KEY(e, i + e, true)
#define SHORT_PUT(r) \
    if (i + r >= 0 && forward) { \
        VEC_STORE(w->y + (i + r) * w->y_row + c, s##r * VEC_SPLAT(by, r)); \
    } else if (i + r >= 0) { \
        float *to = w->dq + (i + r) * w->q_row + c; \
        VEC_STORE(to, (w->a->first_q ? zero : VEC_LOAD(to)) + s##r); \
    }
    for (int64_t c = 0; c < wide; c += VEC_WIDTH) {
        SHORT_EACH(SHORT_LOAD)
        for (int64_t j = 0; j < i; j++)
            SHORT_KEY(0, j, false)
        SHORT_EACH(SHORT_NEW)
        SHORT_EACH(SHORT_PUT)
    }
#undef SHORT_LOAD
#undef SHORT_STEP
#undef SHORT_KEY
#undef SHORT_NEW
#undef SHORT_PUT
}

/* -------------------------------------------------------- the kernels -- */

/* All blocks i, with their place in p and t. */
#define SHORT_BLOCKS \
    for (int64_t i = w->start, at = 0; i < w->count; \
         at += (i + 4) * VEC_WIDTH, i += 4)
#define SHORT_MAX(i) (w->max + ((i) - w->start) * VEC_WIDTH)

static void VEC_SUFFIX(short_forward)(const VEC_SUFFIX(short_work) *w)
{
    const VEC least = VEC_SET(-__builtin_inff());
    const VEC scale = VEC_SET(w->a->scale);
    SHORT_BLOCKS {
        const float *p = w->p + at;
        float *t = w->t + at;
        VEC_SUFFIX(short_scores)(w, i, w->q, w->q_row, w->k, w->p + at);
        for (int64_t j = 0; j < i + 4; j++, p += VEC_WIDTH, t += VEC_WIDTH)
            VEC_STORE(t, SELECT(VEC_SUFFIX(short_from)(j - i),
                                MAX(VEC_LOAD(p) * scale, least), least));
    }
    SHORT_BLOCKS
        VEC_STORE(SHORT_MAX(i), VEC_SUFFIX(short_tree)(LANES_MAX, w->t + at,
                                                       i + 4));
    /* exp of what is not seen is taken too, for nothing; of -inf it would be
     * slow on many CPUs, which take a detour where a product underflows. */
    SHORT_BLOCKS {
        const VEC max = VEC_LOAD(SHORT_MAX(i));
        float *p = w->p + at, *t = w->t + at;
        for (int64_t j = 0; j < i + 4; j++, p += VEC_WIDTH, t += VEC_WIDTH) {
            VEC e = EXP(VEC_LOAD(p) * scale - max);
            e = (VEC)((VEC_INT)e & VEC_SUFFIX(short_from)(j - i));
            VEC_STORE(p, e);
            VEC_STORE(t, e);
        }
    }
    SHORT_BLOCKS {
        VEC max = VEC_LOAD(SHORT_MAX(i)), r = VEC_SET(1.0f) /
            VEC_SUFFIX(short_tree)(LANES_SUM, w->t + at, i + 4);
        VEC_SUFFIX(short_mix)(w, i, w->p + at, NULL, true, r);
        VEC_SUFFIX(short_stats)(w, i, &max, &r, true);
    }
}

static void VEC_SUFFIX(short_backward)(const VEC_SUFFIX(short_work) *w)
{
    const VEC scale = VEC_SET(w->a->scale);
    SHORT_BLOCKS {
        float *p = w->p + at, *t = w->t + at;
        VEC m, r, dot = VEC_SUFFIX(short_slope)(w, i);
        VEC_SUFFIX(short_stats)(w, i, &m, &r, false);
        VEC_SUFFIX(short_scores)(w, i, w->q, w->q_row, w->k, p);
        VEC_SUFFIX(short_scores)(w, i, w->dy, w->y_row, w->v, t);
        for (int64_t j = 0; j < i + 4; j++, p += VEC_WIDTH, t += VEC_WIDTH) {
            VEC e = EXP(VEC_LOAD(p) * scale - m) * r;
            VEC_STORE(p, e);
            VEC_STORE(t, (e * (VEC_LOAD(t) - dot)) * scale);
        }
    }
    SHORT_BLOCKS
        VEC_SUFFIX(short_mix)(w, i, w->p + at, w->t + at, false, scale);
}

/* Does items from `item` on, one way or backward, and tells how many: a
 * vector's heads of a span at most.  None where it is not short: few keys,
 * small heads of whole fours, each with keys of its own, and no past. */
static int64_t VEC_SUFFIX(attention_short)(const lh_attention_args *a,
                                           int64_t item, int64_t end,
                                           bool forward, float *scratch)
{
    const int64_t h = item % a->heads;
    const int64_t n = lh_min64(lh_min64(VEC_WIDTH / 4, end - item),
                               a->heads - h);
    const lh_span *s = &a->spans[item / a->heads];
    if (a->heads != a->kv_heads || a->head_size % 4 || s->past ||
        a->head_size > SHORT_SIZE || s->count > SHORT_KEYS)
        return 0;
    const int64_t at = h * a->head_size, y_row = a->heads * a->head_size;
    const int64_t q = s->q_row * a->q_row + at;
    const int64_t k = s->k_row * a->k_row + at, y = s->q_row * y_row + at;
    float *const dq = a->dq ? a->dq + q : NULL;
    float *const dk = a->dk ? a->dk + k : NULL;
    float *const dv = a->dv ? a->dv + k : NULL;
    VEC_SUFFIX(short_work) w = {
        .a = a, .h = h, .heads = n, .count = s->count,
        .start = -(-s->count & 3), .wide = a->head_size / 4 * VEC_WIDTH,
        .q = a->q + q, .k = a->k + k, .v = a->v + k, .y = a->y + y,
        .stats = a->stats + (s->q_row * a->heads + h) * 2,
        .dy = forward ? NULL : a->dy + y, .dq = dq, .dk = dk, .dv = dv,
        .q_row = a->q_row, .k_row = a->k_row, .y_row = y_row,
        .p = scratch, .t = scratch + SHORT_UNITS * VEC_WIDTH,
        .max = scratch + 2 * SHORT_UNITS * VEC_WIDTH,
    };
    w.sums = w.max + SHORT_KEYS * VEC_WIDTH;
    w.room = w.sums + SHORT_SIZE * VEC_WIDTH;
    bool whole = w.wide == VEC_WIDTH && 4 * n == VEC_WIDTH &&
                 (forward || (dq && dk && dv));
    if (!whole) {
        for (int g = 0; g < 3; g++)
            w.step[g] = lh_min64(g + 1, n - 1) * a->head_size;
        w.q = VEC_SUFFIX(short_in)(&w, w.q, w.q_row);
        w.k = VEC_SUFFIX(short_in)(&w, w.k, w.k_row);
        w.v = VEC_SUFFIX(short_in)(&w, w.v, w.k_row);
        w.y = VEC_SUFFIX(short_in)(&w, forward ? NULL : w.y, y_row);
        w.q_row = w.k_row = w.y_row = w.wide;
    }
    if (forward) {
        VEC_SUFFIX(short_forward)(&w);
        if (!whole)
            VEC_SUFFIX(short_out)(&w, a->y + y, y_row, w.y);
        return n;
    }
    if (!whole) {
        w.dy = VEC_SUFFIX(short_in)(&w, w.dy, y_row);
        w.dq = VEC_SUFFIX(short_in)(&w, a->first_q ? NULL : dq, a->q_row);
        w.dk = VEC_SUFFIX(short_in)(&w, a->first_k ? NULL : dk, a->k_row);
        w.dv = VEC_SUFFIX(short_in)(&w, a->first_v ? NULL : dv, a->k_row);
    }
    VEC_SUFFIX(short_backward)(&w);
    if (!whole) {
        VEC_SUFFIX(short_out)(&w, dq, a->q_row, w.dq);
        VEC_SUFFIX(short_out)(&w, dk, a->k_row, w.dk);
        VEC_SUFFIX(short_out)(&w, dv, a->k_row, w.dv);
    }
    return n;
}

#undef SHORT_KEYS
#undef SHORT_SIZE
#undef SHORT_UNITS
#undef SHORT_EACH
#undef SHORT_ROW
#undef SHORT_TURN
#undef SHORT_BLOCKS
#undef SHORT_MAX
