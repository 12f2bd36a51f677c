/* Attention over short documents (names, lines), where the general way's
 * tiles are mostly edge.  Here a vector is a few heads by four queries: its
 * lanes 4 g .. 4 g + 3 belong to the g-th head of some, VEC_WIDTH / 4 of them.
 * Scores, softmax and mixture of all these go side by side, nothing is summed
 * across a register, and of the masked half only what is beside the diagonal
 * is computed.  The 64 virtual lanes over the keys are an array of vectors,
 * and the halving tree is a loop over it.  A lane whose query does not see a
 * key keeps what it had.
 *
 * "Turned" is [channel][head][query], as the lanes lie; rows are
 * [query][head][channel], of which a vector holds four channels.  VEC_SPLAT(x,
 * i) gives every lane of a head element i of the head's four.
 *
 * The same bytes as attention.inc.h, which asks attention_is_short() and
 * holds the rest.  Needs turn4() of the including file and lanes.inc.h. */

#define SHORT_KEYS 32
#define SHORT_SIZE 32
/* Heads in a vector. */
#define SHORT_HEADS (VEC_WIDTH / 4)

/* In scratch: q, dy and y turned, the scores or p [keys], t [keys]. */
typedef struct VEC_SUFFIX(short_work) {
    const lh_attention_args *a;
    int64_t size, h, heads;            /* heads h .. h + heads - 1         */
    int64_t row, queries, keys, first; /* query i sees keys <= first + i   */
    int64_t key_row;                   /* of key 0                         */
    bool whole;                        /* a row's vector lies together     */
    int64_t step[3];                   /* to heads 1, 2, 3 of it           */
    float *q, *dy, *y, *p, *t;
} VEC_SUFFIX(short_work);

/* Few keys, small heads of whole fours, each with keys of its own; and not
 * decoding, where one lane would work. */
static bool VEC_SUFFIX(attention_is_short)(const lh_attention_args *a,
                                           const lh_span *s)
{
    int64_t keys = s->past + s->count;
    return keys <= SHORT_KEYS && a->head_size <= SHORT_SIZE &&
           a->head_size % 4 == 0 && a->heads == a->kv_heads &&
           4 * s->count >= keys;
}

/* The queries from i of the heads from h, at most SHORT_HEADS. */
static void VEC_SUFFIX(short_start)(VEC_SUFFIX(short_work) *w,
                                    const lh_attention_args *a,
                                    const lh_span *s, int64_t h, int64_t n,
                                    int64_t i, float *scratch)
{
    w->a = a;
    w->size = a->head_size;
    w->h = h;
    w->heads = n;
    w->row = s->q_row + i;
    w->queries = lh_min64(4, s->count - i);
    w->first = s->past + i;
    w->keys = w->first + w->queries;
    w->key_row = s->k_row;
    w->whole = w->size == 4 && n == SHORT_HEADS;
    for (int g = 0; g < 3; g++)
        w->step[g] = lh_min64(g + 1, n - 1) * w->size;
    w->q = scratch;
    w->dy = w->q + SHORT_SIZE * VEC_WIDTH;
    w->y = w->dy + SHORT_SIZE * VEC_WIDTH;
    w->p = w->y + SHORT_SIZE * VEC_WIDTH;
    w->t = w->p + SHORT_KEYS * VEC_WIDTH;
}

/* Four channels of each head, from those of the first one; heads that are not
 * there get the last one's. */
LANES_INLINE VEC VEC_SUFFIX(short_load)(const VEC_SUFFIX(short_work) *w,
                                        const float *p)
{
    return w->whole ? VEC_LOAD(p)
                    : VEC_SUFFIX(load_fours)(p, w->step);
}

LANES_INLINE void VEC_SUFFIX(short_store)(const VEC_SUFFIX(short_work) *w,
                                          float *p, VEC v)
{
    float four[VEC_WIDTH];
    if (w->whole) {
        VEC_STORE(p, v);
        return;
    }
    VEC_STORE(four, v);
    for (int g = 0; g < w->heads; g++)
        memcpy(p + g * w->size, four + 4 * g, 4 * sizeof *p);
}

/* Row i of the queries; one that is not there is the last one again. */
#define SHORT_ROW(w, x, row, i) \
    VEC_SUFFIX(short_load)(w, (x) + lh_min64(i, (w)->queries - 1) * (row))

/* Rows of the queries to their turned form. */
static void VEC_SUFFIX(short_turn)(const VEC_SUFFIX(short_work) *w,
                                   float *to, const float *x, int64_t row)
{
    for (int64_t c = 0; c < w->size; c += 4) {
        VEC u[4];
        VEC_SUFFIX(turn4)(u, SHORT_ROW(w, x + c, row, 0),
                          SHORT_ROW(w, x + c, row, 1),
                          SHORT_ROW(w, x + c, row, 2),
                          SHORT_ROW(w, x + c, row, 3));
        for (int i = 0; i < 4; i++)
            VEC_STORE(to + (c + i) * VEC_WIDTH, u[i]);
    }
}

/* The chain over d of x[d] * turned[d], from +0, for all lanes. */
LANES_INLINE VEC VEC_SUFFIX(short_dot)(const VEC_SUFFIX(short_work) *w,
                                       const float *x, const float *turned)
{
    VEC sum = VEC_SET(0.0f);
    for (int64_t c = 0; c < w->size; c += 4, turned += 4 * VEC_WIDTH) {
        VEC four = VEC_SUFFIX(short_load)(w, x + c);
        sum = FMA(VEC_SPLAT(four, 0), VEC_LOAD(turned), sum);
        sum = FMA(VEC_SPLAT(four, 1), VEC_LOAD(turned + VEC_WIDTH), sum);
        sum = FMA(VEC_SPLAT(four, 2), VEC_LOAD(turned + 2 * VEC_WIDTH), sum);
        sum = FMA(VEC_SPLAT(four, 3), VEC_LOAD(turned + 3 * VEC_WIDTH), sum);
    }
    return sum;
}

/* The lanes whose query sees key first + past. */
LANES_INLINE VEC_INT VEC_SUFFIX(short_seen)(int64_t past)
{
    static const float index[16] = { 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
                                     0, 1, 2, 3 };
    return (VEC_INT)(VEC_LOAD(index) >= VEC_SET((float)past));
}

/* The halving tree over x[0 .. n-1], n <= 32.  A lane without a partner meets
 * the start value, as it does in 64 lanes: once is enough for all levels
 * above n, and it matters (max(NaN, -inf) is -inf, and -0 + 0 is +0). */
#define SHORT_LANE(j) \
    ((j) < n ? VEC_SUFFIX(lanes_join)(what, VEC_LOAD(x + (j) * VEC_WIDTH), \
                                      start) : start)
#define SHORT_JOIN(a, b) VEC_SUFFIX(lanes_join)(what, a, b)
#define SHORT_FOLD(j) \
    VEC x##j = SHORT_LANE(j); \
    if (n > 16) \
        x##j = SHORT_JOIN(SHORT_JOIN(x##j, SHORT_LANE(j + 16)), \
                          SHORT_JOIN(SHORT_LANE(j + 8), \
                                     SHORT_LANE(j + 24))); \
    else if (n > 8) \
        x##j = SHORT_JOIN(x##j, SHORT_LANE(j + 8));
LANES_INLINE VEC VEC_SUFFIX(short_tree)(int what, const float *x,
                                        int64_t n)
{
    const VEC start = VEC_SET(what == LANES_MAX ? -__builtin_inff() : 0.0f);
    SHORT_FOLD(0) SHORT_FOLD(1) SHORT_FOLD(2) SHORT_FOLD(3)
    SHORT_FOLD(4) SHORT_FOLD(5) SHORT_FOLD(6) SHORT_FOLD(7)
    x0 = SHORT_JOIN(x0, x4);
    x1 = SHORT_JOIN(x1, x5);
    x2 = SHORT_JOIN(x2, x6);
    x3 = SHORT_JOIN(x3, x7);
    return SHORT_JOIN(SHORT_JOIN(x0, x2), SHORT_JOIN(x1, x3));
}
#undef SHORT_LANE
#undef SHORT_JOIN
#undef SHORT_FOLD

/* Rows to[i] = (chain over the keys j seen, from +0, of p[j] * x[j]) * by,
 * or that added to what they hold: +0 where `first`. */
static void VEC_SUFFIX(short_mix)(const VEC_SUFFIX(short_work) *w, float *to,
                                  int64_t row, const float *x, const float *p,
                                  VEC by, bool add, bool first)
{
    const VEC zero = VEC_SET(0.0f);
    const int64_t x_row = w->a->k_row;
    for (int64_t c = 0; c < w->size; c += 4) {
        const float *xj = x + c, *pj = p;
        VEC u[4], s0 = zero, s1 = zero, s2 = zero, s3 = zero;
        int64_t j = 0;
        for (; j <= w->first; j++, xj += x_row, pj += VEC_WIDTH) {
            VEC four = VEC_SUFFIX(short_load)(w, xj), q = VEC_LOAD(pj);
            s0 = FMA(q, VEC_SPLAT(four, 0), s0);
            s1 = FMA(q, VEC_SPLAT(four, 1), s1);
            s2 = FMA(q, VEC_SPLAT(four, 2), s2);
            s3 = FMA(q, VEC_SPLAT(four, 3), s3);
        }
        for (; j < w->keys; j++, xj += x_row, pj += VEC_WIDTH) {
            VEC_INT seen = VEC_SUFFIX(short_seen)(j - w->first);
            VEC four = VEC_SUFFIX(short_load)(w, xj), q = VEC_LOAD(pj);
            s0 = SELECT(seen, FMA(q, VEC_SPLAT(four, 0), s0), s0);
            s1 = SELECT(seen, FMA(q, VEC_SPLAT(four, 1), s1), s1);
            s2 = SELECT(seen, FMA(q, VEC_SPLAT(four, 2), s2), s2);
            s3 = SELECT(seen, FMA(q, VEC_SPLAT(four, 3), s3), s3);
        }
        VEC_SUFFIX(turn4)(u, s0 * by, s1 * by, s2 * by, s3 * by);
        for (int64_t i = 0; i < w->queries; i++) {
            float *at = to + i * row + c;
            if (add)
                u[i] = (first ? zero : VEC_SUFFIX(short_load)(w, at)) + u[i];
            VEC_SUFFIX(short_store)(w, at, u[i]);
        }
    }
}

/* dx[j] = chain over the queries i that see key j, from dx[j] (from +0 where
 * no query before these does and `first`), of p[j][i] * f[i]. */
static void VEC_SUFFIX(short_spread)(const VEC_SUFFIX(short_work) *w,
                                     float *dx, const float *p,
                                     const float *f, int64_t f_row,
                                     bool first)
{
    for (int64_t c = 0; c < w->size; c += 4) {
        const VEC f0 = SHORT_ROW(w, f + c, f_row, 0);
        const VEC f1 = SHORT_ROW(w, f + c, f_row, 1);
        const VEC f2 = SHORT_ROW(w, f + c, f_row, 2);
        const VEC f3 = SHORT_ROW(w, f + c, f_row, 3);
        float *at = dx + c;
        for (int64_t j = 0; j < w->keys; j++, at += w->a->k_row) {
            VEC q = VEC_LOAD(p + j * VEC_WIDTH), x = VEC_SET(0.0f);
            if (!first || j < w->first)
                x = VEC_SUFFIX(short_load)(w, at);
            if (j <= w->first)
                x = FMA(VEC_SPLAT(q, 0), f0, x);
            if (j <= w->first + 1 && w->queries > 1)
                x = FMA(VEC_SPLAT(q, 1), f1, x);
            if (j <= w->first + 2 && w->queries > 2)
                x = FMA(VEC_SPLAT(q, 2), f2, x);
            if (w->queries > 3)
                x = FMA(VEC_SPLAT(q, 3), f3, x);
            VEC_SUFFIX(short_store)(w, at, x);
        }
    }
}

/* -------------------------------------------------------- the kernels -- */

/* Row i of stats: m and r for each head, from the first one on. */
LANES_INLINE float *VEC_SUFFIX(short_stats)(const VEC_SUFFIX(short_work) *w,
                                            int64_t i)
{
    return w->a->stats + ((w->row + lh_min64(i, w->queries - 1)) *
                          w->a->heads + w->h) * 2;
}

static void VEC_SUFFIX(short_forward)(const VEC_SUFFIX(short_work) *w)
{
    const VEC least = VEC_SET(-__builtin_inff()), zero = VEC_SET(0.0f);
    const lh_attention_args *a = w->a;
    int64_t y_row = a->heads * w->size, at = w->h * w->size;
    const float *k = a->k + w->key_row * a->k_row + at;
    VEC_SUFFIX(short_turn)(w, w->q, a->q + w->row * a->q_row + at, a->q_row);
    for (int64_t j = 0; j < w->keys; j++) {
        VEC x = VEC_SUFFIX(short_dot)(w, k + j * a->k_row, w->q) *
                VEC_SET(a->scale);
        VEC_STORE(w->p + j * VEC_WIDTH, x);
        if (j > w->first)
            x = SELECT(VEC_SUFFIX(short_seen)(j - w->first), x, least);
        VEC_STORE(w->t + j * VEC_WIDTH, x);
    }
    /* exp of what is not seen is taken too, for nothing; of -inf it would be
     * slow on many CPUs, which take a detour where a product underflows. */
    VEC max = VEC_SUFFIX(short_tree)(LANES_MAX, w->t, w->keys), u[4];
    for (int64_t j = 0; j < w->keys; j++) {
        VEC e = EXP(VEC_LOAD(w->p + j * VEC_WIDTH) - max);
        if (j > w->first)
            e = SELECT(VEC_SUFFIX(short_seen)(j - w->first), e, zero);
        VEC_STORE(w->p + j * VEC_WIDTH, e);
    }
    VEC sum = VEC_SUFFIX(short_tree)(LANES_SUM, w->p, w->keys);
    VEC inverse = VEC_SET(1.0f) / sum;
    VEC_SUFFIX(short_mix)(w, a->y + w->row * y_row + at, y_row,
                          a->v + w->key_row * a->k_row + at, w->p, inverse,
                          false, false);
    VEC_SUFFIX(turn4)(u, max, inverse, max, inverse);
    for (int64_t i = 0; i < w->queries; i++) {
        float stats[VEC_WIDTH], *to = VEC_SUFFIX(short_stats)(w, i);
        VEC_STORE(stats, u[i]);
        for (int64_t g = 0; g < w->heads; g++)
            memcpy(to + 2 * g, stats + 4 * g, 2 * sizeof *stats);
    }
}

/* p and t of the kernel's formulas for all keys. */
static void VEC_SUFFIX(short_slopes)(const VEC_SUFFIX(short_work) *w,
                                     const float *k, const float *v)
{
    const VEC scale = VEC_SET(w->a->scale);
    float stats[4][VEC_WIDTH] = { { 0 } };
    VEC u[4];
    for (int i = 0; i < 4; i++) {
        const float *from = VEC_SUFFIX(short_stats)(w, i);
        for (int64_t g = 0; g < w->heads; g++)
            memcpy(stats[i] + 4 * g, from + 2 * g, 2 * sizeof **stats);
    }
    VEC_SUFFIX(turn4)(u, VEC_LOAD(stats[0]), VEC_LOAD(stats[1]),
                      VEC_LOAD(stats[2]), VEC_LOAD(stats[3]));
    for (int64_t d = 0; d < w->size * VEC_WIDTH; d += VEC_WIDTH)
        VEC_STORE(w->t + d, FMA(VEC_LOAD(w->dy + d), VEC_LOAD(w->y + d),
                                VEC_SET(0.0f)));         /* t comes after  */
    VEC dot = VEC_SUFFIX(short_tree)(LANES_SUM, w->t, w->size);
    for (int64_t j = 0; j < w->keys; j++) {
        VEC x = VEC_SUFFIX(short_dot)(w, k + j * w->a->k_row, w->q);
        VEC s = VEC_SUFFIX(short_dot)(w, v + j * w->a->k_row, w->dy);
        VEC p = EXP(x * scale - u[0]) * u[1];
        VEC_STORE(w->p + j * VEC_WIDTH, p);
        VEC_STORE(w->t + j * VEC_WIDTH, (p * (s - dot)) * scale);
    }
}

static void VEC_SUFFIX(short_backward)(const VEC_SUFFIX(short_work) *w)
{
    const lh_attention_args *a = w->a;
    int64_t y_row = a->heads * w->size, head = w->h * w->size;
    int64_t at = w->row * a->q_row + head, key = w->key_row * a->k_row + head;
    const float *q = a->q + at, *dy = a->dy + w->row * y_row + head;
    VEC_SUFFIX(short_turn)(w, w->q, q, a->q_row);
    VEC_SUFFIX(short_turn)(w, w->dy, dy, y_row);
    VEC_SUFFIX(short_turn)(w, w->y, a->y + w->row * y_row + head, y_row);
    VEC_SUFFIX(short_slopes)(w, a->k + key, a->v + key);
    if (a->dv)
        VEC_SUFFIX(short_spread)(w, a->dv + key, w->p, dy, y_row, a->first_v);
    if (a->dk)
        VEC_SUFFIX(short_spread)(w, a->dk + key, w->t, q, a->q_row,
                                 a->first_k);
    if (a->dq)
        VEC_SUFFIX(short_mix)(w, a->dq + at, a->q_row, a->k + key, w->t,
                              VEC_SET(1.0f), true, a->first_q);
}

/* The heads h .. h + n - 1 of a span, one way or backward. */
static void VEC_SUFFIX(attention_short)(const lh_attention_args *a,
                                        const lh_span *s, int64_t h,
                                        int64_t n, bool forward,
                                        float *scratch)
{
    VEC_SUFFIX(short_work) w;
    for (; n > 0; h += SHORT_HEADS, n -= SHORT_HEADS)
        for (int64_t i = 0; i < s->count; i += 4) {
            VEC_SUFFIX(short_start)(&w, a, s, h, lh_min64(SHORT_HEADS, n), i,
                                    scratch);
            if (forward)
                VEC_SUFFIX(short_forward)(&w);
            else
                VEC_SUFFIX(short_backward)(&w);
        }
}

#undef SHORT_KEYS
#undef SHORT_SIZE
#undef SHORT_HEADS
#undef SHORT_ROW
