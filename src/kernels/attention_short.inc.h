/* Attention over short documents (names, lines), where the general way's
 * tiles are mostly edge: here each lane is a query, so that VEC_WIDTH of them
 * go through scores, softmax and mixture side by side and nothing is summed
 * across a register.  The 64 virtual lanes over the keys are then an array
 * of vectors, and the halving tree is a loop over it.  A lane whose query
 * does not see a key keeps what it had.
 *
 * The same bytes as attention.inc.h, which asks attention_is_short() and
 * holds the rest.  Needs lanes.inc.h before it.
 *
 * In scratch, everything in rows of VEC_WIDTH queries: q, dy and y turned
 * over [D], the scores or p [keys], t [keys], a work area [64]. */

#define SHORT_KEYS 32
#define SHORT_SIZE 32

typedef struct VEC_SUFFIX(short_work) {
    int64_t size, keys, first;         /* query lane l sees keys <= first+l */
    int64_t queries;
    float *q, *dy, *y, *p, *t, *area;
} VEC_SUFFIX(short_work);

/* Few keys and small heads; and not decoding, where one lane would work. */
static bool VEC_SUFFIX(attention_is_short)(const lh_attention_args *a,
                                           const lh_span *s)
{
    int64_t keys = s->past + s->count;
    return keys <= SHORT_KEYS && a->head_size <= SHORT_SIZE &&
           4 * s->count >= keys;
}

static void VEC_SUFFIX(short_start)(VEC_SUFFIX(short_work) *w,
                                    const lh_attention_args *a,
                                    const lh_span *s, int64_t i,
                                    float *scratch)
{
    w->size = a->head_size;
    w->queries = lh_min64(VEC_WIDTH, s->count - i);
    w->first = s->past + i;
    w->keys = w->first + w->queries;
    w->q = scratch;
    w->dy = w->q + SHORT_SIZE * VEC_WIDTH;
    w->y = w->dy + SHORT_SIZE * VEC_WIDTH;
    w->p = w->y + SHORT_SIZE * VEC_WIDTH;
    w->t = w->p + SHORT_KEYS * VEC_WIDTH;
    w->area = w->t + SHORT_KEYS * VEC_WIDTH;
}

/* to[d][l] = from[l * row + d]; lanes without a query become 0. */
static void VEC_SUFFIX(short_turn)(const VEC_SUFFIX(short_work) *w,
                                   float *to, const float *from, int64_t row)
{
    for (int64_t d = 0; d < w->size; d++)
        VEC_STORE(to + d * VEC_WIDTH, VEC_SET(0.0f));
    for (int64_t l = 0; l < w->queries; l++)
        for (int64_t d = 0; d < w->size; d++)
            to[d * VEC_WIDTH + l] = from[l * row + d];
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

/* The halving tree over x[0 .. n-1], n <= 32, done in w->area.  A lane
 * without a partner meets the start value, as it does in 64 lanes: once is
 * enough for all levels above n, and it matters (max(NaN, -inf) is -inf, and
 * -0 + 0 is +0). */
LANES_INLINE VEC VEC_SUFFIX(short_tree)(const VEC_SUFFIX(short_work) *w,
                                        int what, const float *x, int64_t n)
{
    const VEC start = VEC_SET(what == LANES_MAX ? -__builtin_inff() : 0.0f);
    int64_t half = 1;
    for (int64_t j = 0; j < n; j++) {
        VEC lane = VEC_LOAD(x + j * VEC_WIDTH);
        lane = VEC_SUFFIX(lanes_join)(what, lane, start);
        VEC_STORE(w->area + j * VEC_WIDTH, lane);
    }
    while (half < n)
        half *= 2;
    for (half /= 2; half > 0; half /= 2) {
        for (int64_t j = 0; j < half; j++) {
            float *at = w->area + j * VEC_WIDTH;
            VEC lane = VEC_LOAD(at), other = start;
            if (j + half < n)
                other = VEC_LOAD(at + half * VEC_WIDTH);
            lane = VEC_SUFFIX(lanes_join)(what, lane, other);
            VEC_STORE(at, lane);
        }
        n = half;
    }
    return VEC_LOAD(w->area);
}

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
 * p[j][l] * f[l]: vectors lie along d here. */
static void VEC_SUFFIX(short_spread)(const VEC_SUFFIX(short_work) *w,
                                     float *dx, int64_t row, const float *p,
                                     const float *f, int64_t f_row)
{
    for (int64_t j = 0; j < w->keys; j++)
        for (int64_t d = 0; d < w->size; d += VEC_WIDTH) {
            VEC sum = VEC_SUFFIX(row_load)(dx + j * row, d, w->size);
            for (int64_t l = lh_max64(0, j - w->first); l < w->queries; l++)
                sum = FMA(VEC_SET(p[j * VEC_WIDTH + l]),
                          VEC_SUFFIX(row_load)(f + l * f_row, d, w->size),
                          sum);
            VEC_SUFFIX(row_store)(dx + j * row, d, w->size, sum);
        }
}

/* ------------------------------------------------------------ forward -- */

static void VEC_SUFFIX(short_forward)(const lh_attention_args *a,
                                      const lh_span *s, int64_t h,
                                      float *scratch)
{
    int64_t size = a->head_size, y_row = a->heads * size;
    int64_t kv = s->k_row * a->k_row + h / (a->heads / a->kv_heads) * size;
    const float *k = a->k + kv, *v = a->v + kv;
    const VEC least = VEC_SET(-__builtin_inff()), zero = VEC_SET(0.0f);
    for (int64_t i = 0; i < s->count; i += VEC_WIDTH) {
        VEC_SUFFIX(short_work) w;
        int64_t row = s->q_row + i;
        float *y = a->y + row * y_row + h * size;
        float *stats = a->stats + (row * a->heads + h) * 2;
        VEC_SUFFIX(short_start)(&w, a, s, i, scratch);
        VEC_SUFFIX(short_turn)(&w, w.q, a->q + row * a->q_row + h * size,
                               a->q_row);
        for (int64_t j = 0; j < w.keys; j++) {
            VEC x = VEC_SUFFIX(short_dot)(k + j * a->k_row, w.q, size) *
                    VEC_SET(a->scale);
            VEC_STORE(w.p + j * VEC_WIDTH,
                      VEC_SUFFIX(short_seen)(&w, j, x, least));
        }
        VEC max = VEC_SUFFIX(short_tree)(&w, LANES_MAX, w.p, w.keys);
        for (int64_t j = 0; j < w.keys; j++) {
            VEC e = EXP(VEC_LOAD(w.p + j * VEC_WIDTH) - max);
            VEC_STORE(w.p + j * VEC_WIDTH,
                      VEC_SUFFIX(short_seen)(&w, j, e, zero));
        }
        VEC sum = VEC_SUFFIX(short_tree)(&w, LANES_SUM, w.p, w.keys);
        VEC inverse = VEC_SET(1.0f) / sum;
        VEC_SUFFIX(short_mix)(&w, w.y, w.p, v, a->k_row);
        for (int64_t d = 0; d < size; d++)
            VEC_STORE(w.y + d * VEC_WIDTH,
                      VEC_LOAD(w.y + d * VEC_WIDTH) * inverse);
        VEC_STORE(w.area, max);
        VEC_STORE(w.area + VEC_WIDTH, inverse);
        for (int64_t l = 0; l < w.queries; l++) {
            stats[l * a->heads * 2] = w.area[l];
            stats[l * a->heads * 2 + 1] = w.area[VEC_WIDTH + l];
            for (int64_t d = 0; d < size; d++)
                y[l * y_row + d] = w.y[d * VEC_WIDTH + l];
        }
    }
}

/* ----------------------------------------------------------- backward -- */

/* p and t of the kernel's formulas for all keys. */
static void VEC_SUFFIX(short_slopes)(const VEC_SUFFIX(short_work) *w,
                                     const lh_attention_args *a,
                                     const float *k, const float *v,
                                     const float *stats)
{
    const VEC scale = VEC_SET(a->scale);
    float *products = w->t;                      /* t comes only after     */
    for (int64_t l = 0; l < VEC_WIDTH; l++) {
        int64_t at = lh_min64(l, w->queries - 1) * a->heads * 2;
        w->area[l] = stats[at];
        w->area[VEC_WIDTH + l] = stats[at + 1];
    }
    VEC max = VEC_LOAD(w->area), inverse = VEC_LOAD(w->area + VEC_WIDTH);
    for (int64_t d = 0; d < w->size; d++)
        VEC_STORE(products + d * VEC_WIDTH,
                  FMA(VEC_LOAD(w->dy + d * VEC_WIDTH),
                      VEC_LOAD(w->y + d * VEC_WIDTH), VEC_SET(0.0f)));
    VEC dot = VEC_SUFFIX(short_tree)(w, LANES_SUM, products, w->size);
    for (int64_t j = 0; j < w->keys; j++) {
        VEC x = VEC_SUFFIX(short_dot)(k + j * a->k_row, w->q, w->size);
        VEC g = VEC_SUFFIX(short_dot)(v + j * a->k_row, w->dy, w->size);
        VEC p = EXP(x * scale - max) * inverse;
        VEC_STORE(w->p + j * VEC_WIDTH, p);
        VEC_STORE(w->t + j * VEC_WIDTH, (p * (g - dot)) * scale);
    }
}

static void VEC_SUFFIX(short_backward)(const lh_attention_args *a,
                                       const lh_span *s, int64_t h,
                                       float *scratch)
{
    int64_t size = a->head_size, y_row = a->heads * size;
    int64_t kv = s->k_row * a->k_row + h / (a->heads / a->kv_heads) * size;
    const float *k = a->k + kv, *v = a->v + kv;
    for (int64_t i = 0; i < s->count; i += VEC_WIDTH) {
        VEC_SUFFIX(short_work) w;
        int64_t row = s->q_row + i, at = row * a->q_row + h * size;
        const float *dy = a->dy + row * y_row + h * size;
        VEC_SUFFIX(short_start)(&w, a, s, i, scratch);
        VEC_SUFFIX(short_turn)(&w, w.q, a->q + at, a->q_row);
        VEC_SUFFIX(short_turn)(&w, w.dy, dy, y_row);
        VEC_SUFFIX(short_turn)(&w, w.y, a->y + row * y_row + h * size,
                               y_row);
        VEC_SUFFIX(short_slopes)(&w, a, k, v,
                                 a->stats + (row * a->heads + h) * 2);
        if (a->dv)
            VEC_SUFFIX(short_spread)(&w, a->dv + kv, a->k_row, w.p, dy,
                                     y_row);
        if (a->dk)
            VEC_SUFFIX(short_spread)(&w, a->dk + kv, a->k_row, w.t,
                                     a->q + at, a->q_row);
        if (!a->dq)
            continue;
        VEC_SUFFIX(short_mix)(&w, w.y, w.t, k, a->k_row);
        for (int64_t l = 0; l < w.queries; l++) {
            float *dq = a->dq + at + l * a->q_row;
            for (int64_t d = 0; d < size; d++)
                dq[d] = dq[d] + w.y[d * VEC_WIDTH + l];
        }
    }
}

#undef SHORT_KEYS
#undef SHORT_SIZE
