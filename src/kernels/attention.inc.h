/* Causal attention, forward and backward, one template for every
 * instruction set.
 *
 * All is made of matrix products on a tile of ATTENTION_TILE queries: the
 * scores (q times k turned over, so that vectors lie along the keys), the
 * mixture of values, and their gradients.  A query sees the keys up to its
 * own position: the keys that all queries of the tile see are one product;
 * the few that only the later ones see follow one by one, which goes on with
 * the same chains.  Masked pairs are never multiplied.
 *
 * Scratch, with ld = keys rounded up to 64: k turned over [D, ld], v turned
 * over [D, ld] (backward), the tile's rows [4, ld], 4096 floats for blocks of
 * products.  Needs lanes.inc.h, gemm.inc.h and attention_short.inc.h. */

#define ATTENTION_TILE 4
#define ATTENTION_EXTRA 4096

/* One document and one head on the way. */
typedef struct VEC_SUFFIX(attention_work) {
    const lh_attention_args *a;
    const lh_span *span;
    int64_t ld, y_row;
    const float *q, *k, *v;                /* of the document and head     */
    float *kt, *vt, *rows, *extra;         /* of the scratch               */
} VEC_SUFFIX(attention_work);

static void VEC_SUFFIX(attention_start)(VEC_SUFFIX(attention_work) *w,
                                        const lh_attention_args *a,
                                        int64_t span, int64_t kv_head,
                                        float *scratch)
{
    const lh_span *s = &a->spans[span];
    int64_t size = a->head_size, keys = s->past + s->count;
    w->a = a;
    w->span = s;
    w->ld = (keys + 63) / 64 * 64;
    w->y_row = a->heads * size;
    w->k = a->k + s->k_row * a->k_row + kv_head * size;
    w->v = a->v + s->k_row * a->k_row + kv_head * size;
    w->kt = scratch;
    w->vt = w->kt + size * w->ld;
    w->rows = w->vt + size * w->ld;
    w->extra = w->rows + ATTENTION_TILE * w->ld;
    VEC_SUFFIX(gemm_pack)(w->kt, w->ld, w->k, 1, a->k_row, size, keys);
}

/* rows[r][j] = q of query i + r times key j, for all keys of the tile. */
static void VEC_SUFFIX(attention_scores)(
    const VEC_SUFFIX(attention_work) *w, const float *q, int64_t queries,
    int64_t keys)
{
    VEC_SUFFIX(gemm_work) g = {
        .n = keys, .k = w->a->head_size, .a = q, .a_row = w->a->q_row,
        .a_col = 1, .b = w->kt, .b_row = w->ld, .c = w->rows,
        .c_row = w->ld,
    };
    VEC_SUFFIX(gemm_block)(&g, queries);
}

/* out[r] = chain over keys j, from +0, of rows[r][j] * x[j], for the tile's
 * queries, of which the first sees `common` keys and each next one more;
 * columns of x from d to d + n - 1. */
static void VEC_SUFFIX(attention_mix)(const VEC_SUFFIX(attention_work) *w,
                                      const float *x, int64_t d, int64_t n,
                                      int64_t queries, int64_t common,
                                      float *out, int64_t out_row)
{
    VEC_SUFFIX(gemm_work) g = {
        .n = n, .k = common, .a = w->rows, .a_row = w->ld, .a_col = 1,
        .b = x + d, .b_row = w->a->k_row, .c = out, .c_row = out_row,
        .ragged = true,
    };
    VEC_SUFFIX(gemm_block)(&g, queries);
    for (int64_t r = 1; r < queries; r++) {
        g.k = r;
        g.a = w->rows + r * w->ld + common;
        g.b = x + d + common * w->a->k_row;
        g.start = g.c = out + r * out_row;
        VEC_SUFFIX(gemm_block)(&g, 1);
    }
}

/* dx[j] = chain over the tile's queries r that see key j, from dx[j], of
 * rows[r][j] * f[r]; f has rows of the given stride. */
static void VEC_SUFFIX(attention_spread)(
    const VEC_SUFFIX(attention_work) *w, const float *f, int64_t f_row,
    int64_t queries, int64_t common, float *dx)
{
    VEC_SUFFIX(gemm_work) g = {
        .n = w->a->head_size, .k = queries, .a = w->rows, .a_row = 1,
        .a_col = w->ld, .b = f, .b_row = f_row, .start = dx,
        .start_row = w->a->k_row, .c = dx, .c_row = w->a->k_row,
        .ragged = true,
    };
    VEC_SUFFIX(gemm_block)(&g, common);
    for (int64_t r = 1; r < queries; r++) {
        g.k = queries - r;
        g.a = w->rows + r * w->ld + common + r - 1;
        g.b = f + r * f_row;
        g.start = g.c = dx + (common + r - 1) * w->a->k_row;
        VEC_SUFFIX(gemm_block)(&g, 1);
    }
}

/* ------------------------------------------------------------ forward -- */

static void VEC_SUFFIX(attention_forward)(const void *args, int64_t begin,
                                          int64_t end, float *scratch)
{
    const lh_attention_args *a = args;
    int64_t size = a->head_size, group = a->heads / a->kv_heads;
    for (int64_t item = begin; item < end; item++) {
        VEC_SUFFIX(attention_work) w;
        const lh_span *span = &a->spans[item / a->heads];
        int64_t h = item % a->heads;
        if (VEC_SUFFIX(attention_is_short)(a, span)) {
            int64_t n = lh_min64(VEC_SUFFIX(short_heads)(a, span),
                                 lh_min64(a->heads - h, end - item));
            VEC_SUFFIX(short_forward)(a, span, h, n, scratch);
            item += n - 1;
            continue;
        }
        VEC_SUFFIX(attention_start)(&w, a, item / a->heads, h / group,
                                    scratch);
        for (int64_t i = 0; i < w.span->count; i += ATTENTION_TILE) {
            int64_t queries = lh_min64(ATTENTION_TILE, w.span->count - i);
            int64_t row = w.span->q_row + i, common = w.span->past + i + 1;
            float *y = a->y + row * w.y_row + h * size;
            float *stats = a->stats + (row * a->heads + h) * 2;
            VEC_SUFFIX(attention_scores)(&w, a->q + row * a->q_row +
                                         h * size, queries,
                                         common + queries - 1);
            for (int64_t r = 0; r < queries; r++) {
                float *s = w.rows + r * w.ld, max, sum;
                int64_t n = common + r;
                for (int64_t j = 0; j < n; j += VEC_WIDTH)
                    VEC_STORE(s + j, VEC_LOAD(s + j) * VEC_SET(a->scale));
                max = VEC_SUFFIX(lanes_max)(s, n);
                sum = VEC_SUFFIX(exp_row)(s, s, max, n);
                stats[r * a->heads * 2] = max;
                stats[r * a->heads * 2 + 1] = 1.0f / sum;
            }
            VEC_SUFFIX(attention_mix)(&w, w.v, 0, size, queries, common, y,
                                      w.y_row);
            for (int64_t r = 0; r < queries; r++) {
                VEC scale = VEC_SET(stats[r * a->heads * 2 + 1]);
                float *yr = y + r * w.y_row;
                for (int64_t d = 0; d < size; d += VEC_WIDTH)
                    VEC_SUFFIX(row_store)(yr, d, size, scale *
                        VEC_SUFFIX(row_load)(yr, d, size));
            }
        }
    }
}

/* ----------------------------------------------------------- backward -- */

/* rows[r][j] from p to t = (p * (g - D)) * scale, where g is dy of the query
 * times v of the key, in blocks that fit the extra memory. */
static void VEC_SUFFIX(attention_slopes)(
    const VEC_SUFFIX(attention_work) *w, const float *y, const float *dy,
    int64_t queries, int64_t common)
{
    const int64_t block = ATTENTION_EXTRA / ATTENTION_TILE;
    const VEC scale = VEC_SET(w->a->scale);
    int64_t keys = common + queries - 1;
    float dots[ATTENTION_TILE];
    for (int64_t r = 0; r < queries; r++)
        dots[r] = VEC_SUFFIX(lanes_dot)(dy + r * w->y_row,
                                        y + r * w->y_row, w->a->head_size);
    for (int64_t from = 0; from < keys; from += block) {
        int64_t n = lh_min64(block, keys - from);
        VEC_SUFFIX(gemm_work) g = {
            .n = n, .k = w->a->head_size, .a = dy, .a_row = w->y_row,
            .a_col = 1, .b = w->vt + from, .b_row = w->ld, .c = w->extra,
            .c_row = block,
        };
        VEC_SUFFIX(gemm_block)(&g, queries);
        for (int64_t r = 0; r < queries; r++) {
            float *t = w->rows + r * w->ld + from;
            const float *gr = w->extra + r * block;
            const VEC dot = VEC_SET(dots[r]);
            for (int64_t j = 0; j < n; j += VEC_WIDTH)
                VEC_STORE(t + j, (VEC_LOAD(t + j) *
                                  (VEC_LOAD(gr + j) - dot)) * scale);
        }
    }
}

/* dq += the tile's rows times k. */
static void VEC_SUFFIX(attention_dq)(const VEC_SUFFIX(attention_work) *w,
                                     float *dq, int64_t queries,
                                     int64_t common)
{
    const int64_t block = ATTENTION_EXTRA / ATTENTION_TILE;
    int64_t size = w->a->head_size;
    for (int64_t d = 0; d < size; d += block) {
        int64_t n = lh_min64(block, size - d);
        VEC_SUFFIX(attention_mix)(w, w->k, d, n, queries, common, w->extra,
                                  block);
        for (int64_t r = 0; r < queries; r++) {
            float *to = dq + r * w->a->q_row + d;
            const float *from = w->extra + r * block;
            for (int64_t j = 0; j < n; j += VEC_WIDTH)
                VEC_SUFFIX(row_store)(to, j, n,
                    VEC_SUFFIX(row_load)(to, j, n) +
                    VEC_SUFFIX(row_load)(from, j, n));
        }
    }
}

static void VEC_SUFFIX(attention_back_tile)(VEC_SUFFIX(attention_work) *w,
                                            int64_t h, int64_t i, float *dk,
                                            float *dv)
{
    const lh_attention_args *a = w->a;
    int64_t queries = lh_min64(ATTENTION_TILE, w->span->count - i);
    int64_t row = w->span->q_row + i, common = w->span->past + i + 1;
    const float *q = a->q + row * a->q_row + h * a->head_size;
    const float *dy = a->dy + row * w->y_row + h * a->head_size;
    const float *y = a->y + row * w->y_row + h * a->head_size;
    const float *stats = a->stats + (row * a->heads + h) * 2;
    VEC_SUFFIX(attention_scores)(w, q, queries, common + queries - 1);
    for (int64_t r = 0; r < queries; r++) {
        const VEC max = VEC_SET(stats[r * a->heads * 2]);
        const VEC inverse = VEC_SET(stats[r * a->heads * 2 + 1]);
        float *p = w->rows + r * w->ld;
        for (int64_t j = 0; j < common + r; j += VEC_WIDTH)
            VEC_STORE(p + j, EXP(VEC_LOAD(p + j) * VEC_SET(a->scale) - max) *
                             inverse);
    }
    if (dv)
        VEC_SUFFIX(attention_spread)(w, dy, w->y_row, queries, common, dv);
    if (!a->dq && !dk)
        return;
    VEC_SUFFIX(attention_slopes)(w, y, dy, queries, common);
    if (a->dq)
        VEC_SUFFIX(attention_dq)(w, a->dq + row * a->q_row +
                                 h * a->head_size, queries, common);
    if (dk)
        VEC_SUFFIX(attention_spread)(w, q, a->q_row, queries, common, dk);
}

static void VEC_SUFFIX(attention_backward)(const void *args, int64_t begin,
                                           int64_t end, float *scratch)
{
    const lh_attention_args *a = args;
    int64_t size = a->head_size, group = a->heads / a->kv_heads;
    for (int64_t item = begin; item < end; item++) {
        VEC_SUFFIX(attention_work) w;
        const lh_span *span = &a->spans[item / a->kv_heads];
        int64_t kv_head = item % a->kv_heads;
        if (VEC_SUFFIX(attention_is_short)(a, span)) {
            int64_t some = VEC_SUFFIX(short_heads)(a, span);
            int64_t kv_heads = lh_min64(a->kv_heads - kv_head, end - item);
            int64_t last = (kv_head + kv_heads) * group;
            for (int64_t h = kv_head * group; h < last; h += some)
                VEC_SUFFIX(short_backward)(a, span, h,
                                           lh_min64(some, last - h),
                                           scratch);
            item += kv_heads - 1;
            continue;
        }
        VEC_SUFFIX(attention_start)(&w, a, item / a->kv_heads, kv_head,
                                    scratch);
        int64_t at = w.span->k_row * a->k_row + kv_head * size;
        float *dk = a->dk ? a->dk + at : NULL;
        float *dv = a->dv ? a->dv + at : NULL;
        if (a->dq || dk)
            VEC_SUFFIX(gemm_pack)(w.vt, w.ld, w.v, 1, a->k_row, size,
                                  w.span->past + w.span->count);
        for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++)
            for (int64_t i = 0; i < w.span->count; i += ATTENTION_TILE)
                VEC_SUFFIX(attention_back_tile)(&w, h, i, dk, dv);
    }
}

#undef ATTENTION_TILE
#undef ATTENTION_EXTRA
