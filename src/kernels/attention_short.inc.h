/* Attention over short documents (names, lines), where the general way's
 * tiles are mostly edge: here each lane is a query, so that VEC_WIDTH of them
 * go through scores, softmax and mixture side by side and nothing is summed
 * across a register.  The 64 virtual lanes over the keys are then an array
 * of vectors, and the halving tree is a loop over it.  A lane whose query
 * does not see a key keeps what it had.
 *
 * Rows are turned over, and back, for several heads at once: as many as fit
 * into SHORT_SIZE channels.
 *
 * The same bytes as attention.inc.h, which asks attention_is_short() and
 * holds the rest.  Needs lanes.inc.h before it.
 *
 * In scratch, everything in rows of VEC_WIDTH queries: q, dy and y turned
 * over [heads, D], stats turned over [heads, 2], the scores or p [keys],
 * t [keys]; and rows [VEC_WIDTH, SHORT_SIZE] on their way back. */

#define SHORT_KEYS 32
#define SHORT_SIZE 32
#define SHORT_HEADS 16

typedef struct VEC_SUFFIX(short_work) {
    const lh_attention_args *a;
    int64_t size, keys, first;         /* query lane l sees keys <= first+l */
    int64_t queries, row;
    float *q, *dy, *y, *stats, *p, *t, *back;
} VEC_SUFFIX(short_work);

/* Few keys and small heads; and not decoding, where one lane would work. */
static bool VEC_SUFFIX(attention_is_short)(const lh_attention_args *a,
                                           const lh_span *s)
{
    int64_t keys = s->past + s->count;
    return keys <= SHORT_KEYS && a->head_size <= SHORT_SIZE &&
           4 * s->count >= keys;
}

/* How many heads may go together.  dk and dv of a group of heads are chains
 * by head, then query: all queries of one must be done before the next. */
static int64_t VEC_SUFFIX(short_heads)(const lh_attention_args *a,
                                       const lh_span *s)
{
    if (a->heads != a->kv_heads && s->count > VEC_WIDTH)
        return 1;
    return lh_min64(SHORT_HEADS, SHORT_SIZE / a->head_size);
}

static void VEC_SUFFIX(short_start)(VEC_SUFFIX(short_work) *w,
                                    const lh_attention_args *a,
                                    const lh_span *s, int64_t i,
                                    float *scratch)
{
    w->a = a;
    w->size = a->head_size;
    w->queries = lh_min64(VEC_WIDTH, s->count - i);
    w->row = s->q_row + i;
    w->first = s->past + i;
    w->keys = w->first + w->queries;
    w->q = scratch;
    w->dy = w->q + SHORT_SIZE * VEC_WIDTH;
    w->y = w->dy + SHORT_SIZE * VEC_WIDTH;
    w->stats = w->y + SHORT_SIZE * VEC_WIDTH;
    w->p = w->stats + 2 * SHORT_HEADS * VEC_WIDTH;
    w->t = w->p + SHORT_KEYS * VEC_WIDTH;
    w->back = w->t + SHORT_KEYS * VEC_WIDTH;
}

/* to[c][l] = from[l * row + c], c < n; lanes without a query become 0. */
static void VEC_SUFFIX(short_turn)(const VEC_SUFFIX(short_work) *w,
                                   float *to, const float *from, int64_t row,
                                   int64_t n)
{
    for (int64_t c = 0; c < n; c += VEC_WIDTH)
        VEC_SUFFIX(transpose)(to + c * VEC_WIDTH, VEC_WIDTH, from + c, row,
                              (int)w->queries,
                              (int)lh_min64(VEC_WIDTH, n - c));
}

/* The way back: to[l * row + c] = from[c][l], or added to it. */
static void VEC_SUFFIX(short_return)(const VEC_SUFFIX(short_work) *w,
                                     float *to, const float *from,
                                     int64_t row, int64_t n, bool add)
{
    for (int64_t c = 0; c < n; c += VEC_WIDTH)
        VEC_SUFFIX(transpose)(w->back + c, SHORT_SIZE, from + c * VEC_WIDTH,
                              VEC_WIDTH, (int)lh_min64(VEC_WIDTH, n - c),
                              (int)w->queries);
    for (int64_t l = 0; l < w->queries; l++)
        for (int64_t c = 0; c < n; c += VEC_WIDTH) {
            VEC x = VEC_LOAD(w->back + l * SHORT_SIZE + c);
            if (add)
                x = VEC_SUFFIX(row_load)(to + l * row, c, n) + x;
            VEC_SUFFIX(row_store)(to + l * row, c, n, x);
        }
}

/* The chain over d of x[d] * turned[d], from +0, for all lanes. */
LANES_INLINE VEC VEC_SUFFIX(short_dot)(const float *x, const float *turned,
                                       int64_t size)
{
    VEC sum = VEC_SET(0.0f);
    for (int64_t d = 0; d < size; d++)
        sum = FMA(VEC_SET(x[d]), VEC_LOAD(turned + d * VEC_WIDTH), sum);
    return sum;
}

/* `yes` in the lanes whose query sees key j, `no` in the others. */
LANES_INLINE VEC VEC_SUFFIX(short_seen)(const VEC_SUFFIX(short_work) *w,
                                        int64_t j, VEC yes, VEC no)
{
    static const float index[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                     12, 13, 14, 15 };
    if (j <= w->first)
        return yes;
    return SELECT(VEC_LOAD(index) >= VEC_SET((float)(j - w->first)), yes,
                  no);
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

/* to[d] = chain over the keys j seen, from +0, of p[j] * x[j][d]. */
static void VEC_SUFFIX(short_mix)(const VEC_SUFFIX(short_work) *w, float *to,
                                  const float *p, const float *x,
                                  int64_t row)
{
    const VEC zero = VEC_SET(0.0f);
    int64_t d = 0;
    for (; d + 4 <= w->size; d += 4) {
        VEC s0 = zero, s1 = zero, s2 = zero, s3 = zero;
        for (int64_t j = 0; j < w->keys; j++) {
            const float *xj = x + j * row + d;
            VEC pj = VEC_LOAD(p + j * VEC_WIDTH);
            s0 = VEC_SUFFIX(short_seen)(w, j, FMA(pj, VEC_SET(xj[0]), s0),
                                        s0);
            s1 = VEC_SUFFIX(short_seen)(w, j, FMA(pj, VEC_SET(xj[1]), s1),
                                        s1);
            s2 = VEC_SUFFIX(short_seen)(w, j, FMA(pj, VEC_SET(xj[2]), s2),
                                        s2);
            s3 = VEC_SUFFIX(short_seen)(w, j, FMA(pj, VEC_SET(xj[3]), s3),
                                        s3);
        }
        VEC_STORE(to + d * VEC_WIDTH, s0);
        VEC_STORE(to + (d + 1) * VEC_WIDTH, s1);
        VEC_STORE(to + (d + 2) * VEC_WIDTH, s2);
        VEC_STORE(to + (d + 3) * VEC_WIDTH, s3);
    }
    for (; d < w->size; d++) {
        VEC sum = zero;
        for (int64_t j = 0; j < w->keys; j++)
            sum = VEC_SUFFIX(short_seen)(
                w, j, FMA(VEC_LOAD(p + j * VEC_WIDTH),
                          VEC_SET(x[j * row + d]), sum), sum);
        VEC_STORE(to + d * VEC_WIDTH, sum);
    }
}

/* dx[j] = chain over the queries l that see key j, from dx[j], of
 * p[j][l] * f[l]: vectors lie along d here, four keys at a time. */
static void VEC_SUFFIX(short_spread)(const VEC_SUFFIX(short_work) *w,
                                     float *dx, int64_t row, const float *p,
                                     const float *f, int64_t f_row)
{
#define SHORT_P(r) VEC_SET(p[(j + r) * VEC_WIDTH + l])
#define SHORT_DX(r) dx + (j + r) * row, d, w->size
    for (int64_t j = 0; j < w->keys; j += 4)
        for (int64_t d = 0; d < w->size; d += VEC_WIDTH) {
            int64_t n = w->keys - j, sees = j - w->first;
            int64_t l = lh_max64(0, sees);
            VEC x, x0, x1 = VEC_SET(0.0f), x2 = x1, x3 = x1;
            x0 = VEC_SUFFIX(row_load)(SHORT_DX(0));
            if (n > 1)
                x1 = VEC_SUFFIX(row_load)(SHORT_DX(1));
            if (n > 2)
                x2 = VEC_SUFFIX(row_load)(SHORT_DX(2));
            if (n > 3)
                x3 = VEC_SUFFIX(row_load)(SHORT_DX(3));
            for (; l < lh_min64(sees + 3, w->queries); l++) {
                x = VEC_SUFFIX(row_load)(f + l * f_row, d, w->size);
                x0 = FMA(SHORT_P(0), x, x0);
                if (l > sees)
                    x1 = FMA(SHORT_P(1), x, x1);
                if (l > sees + 1)
                    x2 = FMA(SHORT_P(2), x, x2);
            }
            for (; l < w->queries; l++) {
                x = VEC_SUFFIX(row_load)(f + l * f_row, d, w->size);
                x0 = FMA(SHORT_P(0), x, x0);
                x1 = FMA(SHORT_P(1), x, x1);
                x2 = FMA(SHORT_P(2), x, x2);
                x3 = FMA(SHORT_P(3), x, x3);
            }
            VEC_SUFFIX(row_store)(SHORT_DX(0), x0);
            if (n > 1)
                VEC_SUFFIX(row_store)(SHORT_DX(1), x1);
            if (n > 2)
                VEC_SUFFIX(row_store)(SHORT_DX(2), x2);
            if (n > 3)
                VEC_SUFFIX(row_store)(SHORT_DX(3), x3);
        }
#undef SHORT_P
#undef SHORT_DX
}

/* ------------------------------------------------------------ forward -- */

/* Turned y and stats of one head from its turned q. */
static void VEC_SUFFIX(short_head)(const VEC_SUFFIX(short_work) *w,
                                   const float *q, const float *k,
                                   const float *v, float *y, float *stats)
{
    const VEC least = VEC_SET(-__builtin_inff()), zero = VEC_SET(0.0f);
    int64_t row = w->a->k_row;
    for (int64_t j = 0; j < w->keys; j++) {
        VEC x = VEC_SUFFIX(short_dot)(k + j * row, q, w->size) *
                VEC_SET(w->a->scale);
        VEC_STORE(w->p + j * VEC_WIDTH, x);
        VEC_STORE(w->t + j * VEC_WIDTH,
                  VEC_SUFFIX(short_seen)(w, j, x, least));
    }
    /* exp of what is not seen is taken too, for nothing; of -inf it would be
     * slow on many CPUs, which take a detour where a product underflows. */
    VEC max = VEC_SUFFIX(short_tree)(LANES_MAX, w->t, w->keys);
    for (int64_t j = 0; j < w->keys; j++) {
        VEC e = EXP(VEC_LOAD(w->p + j * VEC_WIDTH) - max);
        VEC_STORE(w->p + j * VEC_WIDTH,
                  VEC_SUFFIX(short_seen)(w, j, e, zero));
    }
    VEC sum = VEC_SUFFIX(short_tree)(LANES_SUM, w->p, w->keys);
    VEC inverse = VEC_SET(1.0f) / sum;
    VEC_SUFFIX(short_mix)(w, y, w->p, v, row);
    for (int64_t d = 0; d < w->size; d++)
        VEC_STORE(y + d * VEC_WIDTH, VEC_LOAD(y + d * VEC_WIDTH) * inverse);
    VEC_STORE(stats, max);
    VEC_STORE(stats + VEC_WIDTH, inverse);
}

/* Where the keys of head h begin. */
static int64_t VEC_SUFFIX(short_keys)(const lh_attention_args *a,
                                      const lh_span *s, int64_t h)
{
    return s->k_row * a->k_row + h / (a->heads / a->kv_heads) * a->head_size;
}

/* The heads h .. h + n - 1. */
static void VEC_SUFFIX(short_forward)(const lh_attention_args *a,
                                      const lh_span *s, int64_t h, int64_t n,
                                      float *scratch)
{
    int64_t size = a->head_size, y_row = a->heads * size;
    for (int64_t i = 0; i < s->count; i += VEC_WIDTH) {
        VEC_SUFFIX(short_work) w;
        VEC_SUFFIX(short_start)(&w, a, s, i, scratch);
        VEC_SUFFIX(short_turn)(&w, w.q, a->q + w.row * a->q_row + h * size,
                               a->q_row, n * size);
        for (int64_t g = 0; g < n; g++) {
            int64_t at = VEC_SUFFIX(short_keys)(a, s, h + g);
            VEC_SUFFIX(short_head)(&w, w.q + g * size * VEC_WIDTH, a->k + at,
                                   a->v + at, w.y + g * size * VEC_WIDTH,
                                   w.stats + 2 * g * VEC_WIDTH);
        }
        VEC_SUFFIX(short_return)(&w, a->y + w.row * y_row + h * size, w.y,
                                 y_row, n * size, false);
        VEC_SUFFIX(short_return)(&w, a->stats + (w.row * a->heads + h) * 2,
                                 w.stats, 2 * a->heads, 2 * n, false);
    }
}

/* ----------------------------------------------------------- backward -- */

/* p and t of the kernel's formulas for all keys of head g of the work. */
static void VEC_SUFFIX(short_slopes)(const VEC_SUFFIX(short_work) *w,
                                     int64_t g, const float *k,
                                     const float *v)
{
    const VEC scale = VEC_SET(w->a->scale);
    const float *stats = w->stats + 2 * g * VEC_WIDTH;
    const VEC max = VEC_LOAD(stats), inverse = VEC_LOAD(stats + VEC_WIDTH);
    int64_t at = g * w->size * VEC_WIDTH, row = w->a->k_row;
    float *products = w->t;                      /* t comes only after     */
    for (int64_t d = 0; d < w->size * VEC_WIDTH; d += VEC_WIDTH)
        VEC_STORE(products + d, FMA(VEC_LOAD(w->dy + at + d),
                                    VEC_LOAD(w->y + at + d), VEC_SET(0.0f)));
    VEC dot = VEC_SUFFIX(short_tree)(LANES_SUM, products, w->size);
    for (int64_t j = 0; j < w->keys; j++) {
        VEC x = VEC_SUFFIX(short_dot)(k + j * row, w->q + at, w->size);
        VEC s = VEC_SUFFIX(short_dot)(v + j * row, w->dy + at, w->size);
        VEC p = EXP(x * scale - max) * inverse;
        VEC_STORE(w->p + j * VEC_WIDTH, p);
        VEC_STORE(w->t + j * VEC_WIDTH, (p * (s - dot)) * scale);
    }
}

static void VEC_SUFFIX(short_backward)(const lh_attention_args *a,
                                       const lh_span *s, int64_t h,
                                       int64_t n, float *scratch)
{
    int64_t size = a->head_size, y_row = a->heads * size;
    for (int64_t i = 0; i < s->count; i += VEC_WIDTH) {
        VEC_SUFFIX(short_work) w;
        VEC_SUFFIX(short_start)(&w, a, s, i, scratch);
        int64_t at = w.row * a->q_row + h * size;
        const float *q = a->q + at;
        const float *dy = a->dy + w.row * y_row + h * size;
        VEC_SUFFIX(short_turn)(&w, w.q, q, a->q_row, n * size);
        VEC_SUFFIX(short_turn)(&w, w.dy, dy, y_row, n * size);
        VEC_SUFFIX(short_turn)(&w, w.y, a->y + w.row * y_row + h * size,
                               y_row, n * size);
        VEC_SUFFIX(short_turn)(&w, w.stats,
                               a->stats + (w.row * a->heads + h) * 2,
                               2 * a->heads, 2 * n);
        for (int64_t g = 0; g < n; g++) {
            int64_t kv = VEC_SUFFIX(short_keys)(a, s, h + g);
            VEC_SUFFIX(short_slopes)(&w, g, a->k + kv, a->v + kv);
            if (a->dv)
                VEC_SUFFIX(short_spread)(&w, a->dv + kv, a->k_row, w.p,
                                         dy + g * size, y_row);
            if (a->dk)
                VEC_SUFFIX(short_spread)(&w, a->dk + kv, a->k_row, w.t,
                                         q + g * size, a->q_row);
            if (a->dq)                       /* y of this head is read     */
                VEC_SUFFIX(short_mix)(&w, w.y + g * size * VEC_WIDTH, w.t,
                                      a->k + kv, a->k_row);
        }
        if (a->dq)
            VEC_SUFFIX(short_return)(&w, a->dq + at, w.y, a->q_row, n * size,
                                     true);
    }
}

#undef SHORT_KEYS
#undef SHORT_SIZE
#undef SHORT_HEADS
