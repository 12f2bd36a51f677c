/* Causal attention, forward and backward, one template for every
 * instruction set.
 *
 * The work is cut into blocks: ATTENTION_BLOCK keys by as many queries (the
 * forward pass takes fewer queries).  A block's scores are a matrix product
 * with the keys turned over, so that vectors lie along the keys; mixing
 * values, and spreading gradients over keys and values, are products in which
 * the block is the left operand and vectors lie along the head.  Those chains
 * go on from block to block through memory, which loses nothing.
 *
 *          keys 0 ..         The blocks below the diagonal are whole products.
 *        +-----+-----+       On it, scores are made up to the last key that a
 *   q    | \   |     |       strip of ATTENTION_ROWS queries sees, and chains
 *   u 0  |   \ |     |       go in stairs: with each key one query of the
 *   e .. +-----+-----+       strip less has seen its last one, and with each
 *   r    |     | \   |       query one key of a strip more is seen.  A masked
 *   i    |     |   \ |       pair never gets into a chain.
 *   e    +-----+-----+
 *
 * Forward: all scores of the queries, row by row their softmax, then the
 * mixture.  Backward knows the softmax's sums, so a block of keys meets all
 * queries before the next one comes, and what is kept is one block, and dq.
 *
 * Heads whose size is not whole vectors are copied to rows that are.  Needs
 * lanes.inc.h, gemm.inc.h and attention_short.inc.h. */

#define ATTENTION_ROWS (GEMM_ROWS > 8 ? 8 : GEMM_ROWS)
#define ATTENTION_BLOCK (8 * ATTENTION_ROWS)
#define ATTENTION_QUERIES (4 * ATTENTION_ROWS)
_Static_assert(ATTENTION_BLOCK <= LH_ATTENTION_BLOCK &&
               ATTENTION_QUERIES <= LH_ATTENTION_QUERIES,
               "blocks do not fit into the scratch");

/* What the next item works on: rows of a few lines each, which lie so far
 * apart that no CPU foresees them.  A strip asks for so many of the last array
 * that still has some left. */
typedef struct VEC_SUFFIX(attention_ahead) {
    const float *x[8];
    int64_t row[8], arrays, rows, left, size, quota;
} VEC_SUFFIX(attention_ahead);

/* One document and one head on its way. */
typedef struct VEC_SUFFIX(attention_work) {
    const lh_attention_args *a;
    const lh_span *span;
    int64_t keys, wide, y_row;         /* wide: D in whole vectors         */
    const float *k, *v;                /* of the document and key head     */
    int64_t v_row;
    float *kt;                         /* [blocks, D, ATTENTION_BLOCK]     */
    VEC_SUFFIX(attention_ahead) *ahead;
} VEC_SUFFIX(attention_work);

/* ------------------------------------------------------------- stairs -- */

/* c[r] = chain over l of a[r][l] * b[l], for ATTENTION_ROWS rows r: from c,
 * or from +0.  First or last come the steps of the stairs, from `stair` on:
 * down, step r is missed by the rows before r; up, it is only for the rows
 * up to r. */
typedef struct VEC_SUFFIX(attention_strip) {
    int64_t k, stair, stairs;          /* whole steps; stair .. stairs - 1 */
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
    bool start;
} VEC_SUFFIX(attention_strip);

#define ATTENTION_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define ATTENTION_DECLARE(r) VEC c##r##_0 = zero, c##r##_1 = zero;
#define ATTENTION_LOAD(r) \
    if (r < ATTENTION_ROWS) { \
        c##r##_0 = VEC_LOAD(c + r * s->c_row); \
        if (vecs > 1) \
            c##r##_1 = VEC_LOAD(c + r * s->c_row + VEC_WIDTH); \
    }
#define ATTENTION_STORE(r) \
    if (r < ATTENTION_ROWS) { \
        VEC_STORE(c + r * s->c_row, c##r##_0); \
        if (vecs > 1) \
            VEC_STORE(c + r * s->c_row + VEC_WIDTH, c##r##_1); \
    }
#define ATTENTION_STEP(r) \
    if (r < ATTENTION_ROWS) { \
        VEC x = VEC_SET(a[r * a_row]); \
        c##r##_0 = FMA(x, b0, c##r##_0); \
        if (vecs > 1) \
            c##r##_1 = FMA(x, b1, c##r##_1); \
    }
#define ATTENTION_STAIR(r) \
    case r: ATTENTION_STEP(r) __attribute__((fallthrough));
#define ATTENTION_NEXT_B \
    VEC b0 = VEC_LOAD(b), b1 = vecs > 1 ? VEC_LOAD(b + VEC_WIDTH) : zero; \
    b += b_row;

/* `vecs` vectors from column d on; vecs and up are constants. */
GEMM_INLINE void VEC_SUFFIX(attention_tile)(
    const VEC_SUFFIX(attention_strip) *s, int64_t d, int vecs, bool up)
{
    const int64_t a_row = up ? 1 : s->a_row, a_col = up ? s->a_col : 1;
    const int64_t b_row = s->b_row;
    const float *a = s->a, *b = s->b + d;
    float *c = s->c + d;
    const VEC zero = VEC_SET(0.0f);
    ATTENTION_EACH(ATTENTION_DECLARE)
    if (s->start) {
        ATTENTION_EACH(ATTENTION_LOAD)
    }
    for (int64_t r = s->stair; up && r < s->stairs; r++, a += a_col) {
        ATTENTION_NEXT_B
        switch (r) {
        ATTENTION_STAIR(7) ATTENTION_STAIR(6) ATTENTION_STAIR(5)
        ATTENTION_STAIR(4) ATTENTION_STAIR(3) ATTENTION_STAIR(2)
        ATTENTION_STAIR(1) ATTENTION_STAIR(0)
        default:
            break;
        }
    }
    for (int64_t l = s->k; l > 0; l--, a += a_col) {
        ATTENTION_NEXT_B
        ATTENTION_EACH(ATTENTION_STEP)
    }
    for (int64_t r = s->stair; !up && r < s->stairs; r++, a += a_col) {
        ATTENTION_NEXT_B
        switch (r) {
        ATTENTION_STAIR(1) ATTENTION_STAIR(2) ATTENTION_STAIR(3)
        ATTENTION_STAIR(4) ATTENTION_STAIR(5) ATTENTION_STAIR(6)
        ATTENTION_STAIR(7)
        default:
            break;
        }
    }
    ATTENTION_EACH(ATTENTION_STORE)
}

#define ATTENTION_STRIP(name, up) \
static void VEC_SUFFIX(name)(const VEC_SUFFIX(attention_strip) *s, \
                             int64_t wide) \
{ \
    int64_t d = 0; \
    for (; wide - d >= 2 * VEC_WIDTH; d += 2 * VEC_WIDTH) \
        VEC_SUFFIX(attention_tile)(s, d, 2, up); \
    if (d < wide) \
        VEC_SUFFIX(attention_tile)(s, d, 1, up); \
}
ATTENTION_STRIP(attention_down, false)
ATTENTION_STRIP(attention_up, true)

/* -------------------------------------------------------------- ahead -- */

/* The item is to be asked for while the one before it is computed; not where
 * a core's own cache holds what there is. */
static void VEC_SUFFIX(attention_see)(VEC_SUFFIX(attention_ahead) *q,
                                      const lh_attention_args *a,
                                      int64_t item, bool forward)
{
    const float *const x[8] = { a->dq, a->dk, a->dv, a->q,
                                a->k, a->v, a->y, a->dy };
    const int64_t size = a->head_size, group = a->heads / a->kv_heads;
    const int64_t heads = forward ? a->heads : a->kv_heads;
    const int64_t h = item % heads * (a->heads / heads);
    const lh_span *s = &a->spans[item / heads];
    const lh_span *last = &a->spans[a->span_count - 1];
    if ((last->q_row + last->count) * (a->q_row + a->k_row) < 1 << 17)
        return;
    for (int i = 0; i < 8; i++) {
        bool key = i == 1 || i == 2 || i == 4 || i == 5;
        int64_t row = key ? a->k_row : i < 4 ? a->q_row : a->heads * size;
        if (x[i]) {
            q->x[q->arrays] = x[i] + (key ? s->k_row : s->q_row) * row +
                              (key ? h / group : h) * size;
            q->row[q->arrays++] = row;
        }
    }
    q->rows = q->left = s->count;
    q->size = size;
    q->quota = 1 + 2 * q->arrays * ATTENTION_ROWS / (forward ? 2 : 5) /
               (1 + (s->count + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK);
}

/* A strip's part, for the second-level cache: the first one has no room. */
static void VEC_SUFFIX(attention_ask)(VEC_SUFFIX(attention_ahead) *q)
{
    const int64_t i = q->arrays - 1, rows = lh_min64(q->quota, q->left);
    const int64_t size = q->size;
    for (int64_t r = 0; r < rows; r++, q->x[i] += q->row[i])
        for (int64_t d = 0; d < size; d += 16)
            __builtin_prefetch(q->x[i] + d, 0, 2);
    q->left -= rows;
    if (q->left == 0 && i > 0) {
        q->left = q->rows;
        q->arrays = i;
    }
}

/* ------------------------------------------------------------- blocks -- */

/* In all of them `sees` keys of the block of n keys are seen by the first
 * query, one more by each next one; it is negative where the block begins
 * behind the first query's own key, and n or more where all see all. */

/* c[r][j] = chain over d of x[r][d] * turned[d][j]. */
static void VEC_SUFFIX(attention_scores)(
    const VEC_SUFFIX(attention_work) *w, const float *x, int64_t x_row,
    const float *turned, int64_t queries, int64_t n, int64_t sees, float *c,
    int64_t c_row)
{
    for (int64_t r = 0; r < queries; r += ATTENTION_ROWS) {
        int64_t rows = lh_min64(ATTENTION_ROWS, queries - r);
        int64_t most = lh_min64(n, sees + r + rows - 1);
        int64_t wide = (most + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH;
        VEC_SUFFIX(attention_ask)(w->ahead);
        if (rows == ATTENTION_ROWS) {
            VEC_SUFFIX(attention_strip) s = {
                .k = w->a->head_size, .a = x + r * x_row, .a_row = x_row,
                .b = turned, .b_row = ATTENTION_BLOCK, .c = c + r * c_row,
                .c_row = c_row,
            };
            VEC_SUFFIX(attention_down)(&s, wide);
        } else {
            VEC_SUFFIX(gemm_work) g = {
                .n = wide, .k = w->a->head_size, .a = x + r * x_row,
                .a_row = x_row, .a_col = 1, .b = turned,
                .b_row = ATTENTION_BLOCK, .c = c + r * c_row, .c_row = c_row,
            };
            VEC_SUFFIX(gemm_block)(&g, rows);
        }
    }
}

/* to[r] = chain over keys j, from +0 or from to, of rows[r][j] * x[j]; a
 * strip is whole in `rows` and `to`, whatever the number of queries. */
static void VEC_SUFFIX(attention_mix)(
    const VEC_SUFFIX(attention_work) *w, const float *rows, int64_t rows_row,
    const float *x, int64_t x_row, int64_t queries, int64_t n, int64_t sees,
    float *to, bool start)
{
    if (queries == 1) {                /* decoding                         */
        VEC_SUFFIX(gemm_work) g = {
            .n = w->wide, .k = lh_min64(n, sees), .a = rows, .a_col = 1,
            .b = x, .b_row = x_row, .c = to, .start = start ? to : NULL,
        };
        VEC_SUFFIX(gemm_block)(&g, 1);
        return;
    }
    for (int64_t r = 0; r < queries; r += ATTENTION_ROWS) {
        int64_t k = lh_max64(0, lh_min64(n, sees + r));
        VEC_SUFFIX(attention_strip) s = {
            .k = k, .stair = k - sees - r + 1, .a = rows + r * rows_row,
            .a_row = rows_row, .a_col = 1, .b = x, .b_row = x_row,
            .c = to + r * w->wide, .c_row = w->wide, .start = start,
        };
        s.stairs = lh_min64(ATTENTION_ROWS, s.stair + n - k);
        if (SABOTAGED(attention_stair))
            s.stair++;
        VEC_SUFFIX(attention_ask)(w->ahead);
        if (s.k > 0 || s.stair < s.stairs)
            VEC_SUFFIX(attention_down)(&s, w->wide);
    }
}

/* dx[j] = chain over the queries r that see key j, from dx[j] or +0, of
 * rows[r][j] * f[r]: on the diagonal (the first query sees the first key
 * alone), or where all see all. */
static void VEC_SUFFIX(attention_spread)(
    const VEC_SUFFIX(attention_work) *w, const float *rows, const float *f,
    int64_t f_row, int64_t queries, int64_t n, bool diagonal, float *dx,
    int64_t dx_row, bool start)
{
    for (int64_t j = 0; j < n; j += ATTENTION_ROWS) {
        int64_t first = diagonal ? j : 0;
        VEC_SUFFIX(attention_strip) s = {
            .stairs = diagonal ? lh_min64(ATTENTION_ROWS - 1, queries - j)
                               : 0,
            .a = rows + first * ATTENTION_BLOCK + j,
            .a_col = ATTENTION_BLOCK, .b = f + first * f_row, .b_row = f_row,
            .c = dx + j * dx_row, .c_row = dx_row, .start = start,
        };
        s.k = queries - first - s.stairs;
        VEC_SUFFIX(attention_ask)(w->ahead);
        VEC_SUFFIX(attention_up)(&s, w->wide);
    }
}

static void VEC_SUFFIX(attention_start)(VEC_SUFFIX(attention_work) *w,
                                        const lh_attention_args *a,
                                        int64_t span, int64_t kv_head)
{
    const lh_span *s = &a->spans[span];
    int64_t size = a->head_size;
    w->a = a;
    w->span = s;
    w->keys = s->past + s->count;
    w->wide = (size + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH;
    w->y_row = a->heads * size;
    w->k = a->k + s->k_row * a->k_row + kv_head * size;
    w->v = a->v + s->k_row * a->k_row + kv_head * size;
}

/* Rows of whole vectors: x itself, or a copy of it. */
static const float *VEC_SUFFIX(attention_whole)(
    const VEC_SUFFIX(attention_work) *w, float *to, const float *x,
    int64_t rows, int64_t *row)
{
    if (w->wide == w->a->head_size)
        return x;
    VEC_SUFFIX(gemm_pack)(to, w->wide, x, *row, 1, rows, w->a->head_size);
    *row = w->wide;
    return to;
}

/* ------------------------------------------------------------ forward -- */

/* e of the kernel's formulas for rows of n, n + 1, ... scores, in place, and m
 * and r.  Step by step for all rows: within one each waits for the last. */
static void VEC_SUFFIX(attention_softmax)(const lh_attention_args *a,
                                          float *s, int64_t ld, int64_t rows,
                                          int64_t n, float *stats)
{
    const VEC scale = VEC_SET(a->scale);
    for (int64_t r = 0; r < rows; r++)
        stats[r * a->heads * 2] =
            VEC_SUFFIX(lanes)(LANES_MAX_BY, n + r, s + r * ld, NULL, NULL,
                              0.0f, a->scale);
    for (int64_t r = 0; r < rows; r++) {
        const VEC max = VEC_SET(stats[r * a->heads * 2]);
        float *e = s + r * ld;
        for (int64_t j = 0; j < n + r; j += VEC_WIDTH)
            VEC_STORE(e + j, EXP(VEC_LOAD(e + j) * scale - max));
    }
    for (int64_t r = 0; r < rows; r++)
        stats[r * a->heads * 2 + 1] =
            1.0f / VEC_SUFFIX(lanes_sum)(s + r * ld, n + r);
}

/* The queries from i of head h. */
static void VEC_SUFFIX(attention_forward_tile)(
    const VEC_SUFFIX(attention_work) *w, int64_t h, int64_t i, float *rows)
{
    const lh_attention_args *a = w->a;
    const int64_t block = ATTENTION_BLOCK;
    int64_t queries = lh_min64(ATTENTION_QUERIES, w->span->count - i);
    int64_t first = w->span->past + i, keys = first + queries;
    int64_t row = w->span->q_row + i, size = a->head_size;
    int64_t ld = (w->keys + 63) / 64 * 64 + 16;
    const float *q = a->q + row * a->q_row + h * size;
    float *y = a->y + row * w->y_row + h * size;
    float *stats = a->stats + (row * a->heads + h) * 2;
    float *mixed = rows + ATTENTION_QUERIES * ld;
    for (int64_t from = 0; from < keys; from += block)
        VEC_SUFFIX(attention_scores)(w, q, a->q_row, w->kt + from * size,
                                     queries, lh_min64(block, keys - from),
                                     first + 1 - from, rows + from, ld);
    for (int64_t r = 0; r < queries; r += ATTENTION_ROWS)
        VEC_SUFFIX(attention_softmax)(a, rows + r * ld, ld,
                                      lh_min64(ATTENTION_ROWS, queries - r),
                                      first + r + 1,
                                      stats + r * a->heads * 2);
    for (int64_t from = 0; from < keys; from += block)
        VEC_SUFFIX(attention_mix)(w, rows + from, ld, w->v + from * w->v_row,
                                  w->v_row, queries,
                                  lh_min64(block, keys - from),
                                  first + 1 - from, mixed, from > 0);
    for (int64_t r = 0; r < queries; r++) {
        VEC scale = VEC_SET(stats[r * a->heads * 2 + 1]);
        for (int64_t d = 0; d < size; d += VEC_WIDTH)
            VEC_SUFFIX(row_store)(y + r * w->y_row, d, size, scale *
                                  VEC_LOAD(mixed + r * w->wide + d));
    }
}

LH_KERNEL(attention_forward)
{
    const lh_attention_args *a = args;
    int64_t size = a->head_size, group = a->heads / a->kv_heads;
    int64_t packed = -1;
    for (int64_t item = begin; item < end; item++) {
        VEC_SUFFIX(attention_work) w;
        int64_t h = item % a->heads;
#ifndef GENERAL_ALONE
        int64_t done = VEC_SUFFIX(attention_short)(a, item, end, true,
                                                   scratch);
        if (done) {
            item += done - 1;
            packed = -1;
            continue;
        }
#endif
        VEC_SUFFIX(attention_start)(&w, a, item / a->heads, h / group);
        int64_t blocks = (w.keys + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
        float *v = scratch + blocks * ATTENTION_BLOCK * size;
        float *rows = v + blocks * ATTENTION_BLOCK * w.wide;
        w.kt = scratch;
        w.v_row = a->k_row;
        if (packed != item / group) {  /* heads of a group share keys      */
            packed = item / group;
            for (int64_t j = 0; j < w.keys; j += ATTENTION_BLOCK)
                VEC_SUFFIX(gemm_pack)(w.kt + j * size, ATTENTION_BLOCK,
                                      w.k + j * a->k_row, 1, a->k_row, size,
                                      lh_min64(ATTENTION_BLOCK, w.keys - j));
            w.v = VEC_SUFFIX(attention_whole)(&w, v, w.v, w.keys, &w.v_row);
        } else if (w.wide != size) {
            w.v = v;
            w.v_row = w.wide;
        }
        VEC_SUFFIX(attention_ahead) ahead = { .rows = 0 };
        w.ahead = &ahead;
        if (item + 1 < end)
            VEC_SUFFIX(attention_see)(&ahead, a, item + 1, true);
        for (int64_t i = 0; i < w.span->count; i += ATTENTION_QUERIES)
            VEC_SUFFIX(attention_forward_tile)(&w, h, i, rows);
    }
}

/* ----------------------------------------------------------- backward -- */

/* A block of keys and a block of queries on their way.  Where heads are not
 * whole vectors, or strips of keys not whole, copies stand for k, dk, dv, q
 * and dy. */
typedef struct VEC_SUFFIX(attention_back) {
    VEC_SUFFIX(attention_work) w;
    float *kt, *vt;                    /* [D, ATTENTION_BLOCK]             */
    float *p, *t;                      /* [ATTENTION_BLOCK, the same]      */
    float *copy[5];                    /* each [ATTENTION_BLOCK, wide]     */
    float *dots;                       /* [queries]: D                     */
    float *dq;                         /* [queries, wide]: chains over j   */
    const float *k;
    float *dk, *dv;
    int64_t k_row, dk_row;
} VEC_SUFFIX(attention_back);

/* p from the scores, t from p and g, in their places. */
static void VEC_SUFFIX(attention_slopes)(
    const VEC_SUFFIX(attention_back) *b, int64_t i, int64_t queries,
    int64_t n, bool diagonal, const float *stats)
{
    const lh_attention_args *a = b->w.a;
    const VEC scale = VEC_SET(a->scale);
    for (int64_t r = 0; r < queries; r++) {
        const VEC max = VEC_SET(stats[r * a->heads * 2]);
        const VEC inverse = VEC_SET(stats[r * a->heads * 2 + 1]);
        const VEC dot = VEC_SET(b->dots[i + r]);
        float *p = b->p + r * ATTENTION_BLOCK;
        float *t = b->t + r * ATTENTION_BLOCK;
        int64_t seen = diagonal ? r + 1 : n;
        for (int64_t j = 0; j < seen; j += VEC_WIDTH) {
            VEC x = EXP(VEC_LOAD(p + j) * scale - max) * inverse;
            VEC_STORE(p + j, x);
            VEC_STORE(t + j, (x * (VEC_LOAD(t + j) - dot)) * scale);
        }
    }
}

/* The queries from i of head h with the block of n keys from j. */
static void VEC_SUFFIX(attention_back_tile)(
    const VEC_SUFFIX(attention_back) *b, int64_t h, int64_t i, int64_t j,
    int64_t n)
{
    const VEC_SUFFIX(attention_work) *w = &b->w;
    const lh_attention_args *a = w->a;
    int64_t queries = lh_min64(ATTENTION_BLOCK, w->span->count - i);
    int64_t row = w->span->q_row + i, size = a->head_size;
    int64_t q_row = a->q_row, dy_row = w->y_row;
    int64_t sees = i == j ? 1 : n;
    bool diagonal = i == j;
    bool first = diagonal && h % (a->heads / a->kv_heads) == 0;
    const float *q = a->q + row * q_row + h * size;
    const float *dy = a->dy + row * dy_row + h * size;
    const float *stats = a->stats + (row * a->heads + h) * 2;
    VEC_SUFFIX(attention_scores)(w, q, q_row, b->kt, queries, n, sees, b->p,
                                 ATTENTION_BLOCK);
    VEC_SUFFIX(attention_scores)(w, dy, dy_row, b->vt, queries, n, sees, b->t,
                                 ATTENTION_BLOCK);
    VEC_SUFFIX(attention_slopes)(b, i, queries, n, diagonal, stats);
    q = VEC_SUFFIX(attention_whole)(w, b->copy[0], q, queries, &q_row);
    dy = VEC_SUFFIX(attention_whole)(w, b->copy[1], dy, queries, &dy_row);
    if (b->dv)
        VEC_SUFFIX(attention_spread)(w, b->p, dy, dy_row, queries, n,
                                     diagonal, b->dv, b->dk_row,
                                     !(first && a->first_v));
    if (b->dk)
        VEC_SUFFIX(attention_spread)(w, b->t, q, q_row, queries, n, diagonal,
                                     b->dk, b->dk_row,
                                     !(first && a->first_k));
    if (!a->dq)
        return;
    float *dq = b->dq + i * w->wide;
    VEC_SUFFIX(attention_mix)(w, b->t, ATTENTION_BLOCK, b->k, b->k_row,
                              queries, n, sees, dq, j > 0);
    for (int64_t r = 0; r < queries && diagonal; r++) {
        float *to = a->dq + (row + r) * a->q_row + h * size;
        for (int64_t d = 0; d < size; d += VEC_WIDTH)
            VEC_SUFFIX(row_store)(to, d, size,
                                  VEC_SUFFIX(row_sum)(to, d, size,
                                                      a->first_q) +
                                  VEC_LOAD(dq + r * w->wide + d));
    }
}

/* The block of keys from j with all queries of head h that see some. */
static void VEC_SUFFIX(attention_back_keys)(VEC_SUFFIX(attention_back) *b,
                                            int64_t h, int64_t j, float *dk,
                                            float *dv)
{
    VEC_SUFFIX(attention_work) *w = &b->w;
    const lh_attention_args *a = w->a;
    int64_t n = lh_min64(ATTENTION_BLOCK, w->keys - j), size = a->head_size;
    bool copied = w->wide != size || n % ATTENTION_ROWS;
    bool first = h % (a->heads / a->kv_heads) == 0;
    VEC_SUFFIX(gemm_pack)(b->kt, ATTENTION_BLOCK, w->k + j * a->k_row, 1,
                          a->k_row, size, n);
    VEC_SUFFIX(gemm_pack)(b->vt, ATTENTION_BLOCK, w->v + j * a->k_row, 1,
                          a->k_row, size, n);
    b->k_row = b->dk_row = a->k_row;
    b->k = VEC_SUFFIX(attention_whole)(w, b->copy[2], w->k + j * a->k_row, n,
                                       &b->k_row);
    b->dk = dk ? dk + j * a->k_row : NULL;
    b->dv = dv ? dv + j * a->k_row : NULL;
    if (copied) {
        b->dk_row = w->wide;
        if (dk && !(first && a->first_k))
            VEC_SUFFIX(gemm_pack)(b->copy[3], w->wide, b->dk, a->k_row, 1, n,
                                  size);
        if (dv && !(first && a->first_v))
            VEC_SUFFIX(gemm_pack)(b->copy[4], w->wide, b->dv, a->k_row, 1, n,
                                  size);
        b->dk = dk ? b->copy[3] : NULL;
        b->dv = dv ? b->copy[4] : NULL;
    }
    for (int64_t i = j; i < w->span->count; i += ATTENTION_BLOCK)
        VEC_SUFFIX(attention_back_tile)(b, h, i, j, n);
    for (int64_t r = 0; r < n && copied; r++)
        for (int64_t d = 0; d < size; d += VEC_WIDTH) {
            int64_t at = (j + r) * a->k_row, from = r * w->wide + d;
            if (dk)
                VEC_SUFFIX(row_store)(dk + at, d, size,
                                      VEC_LOAD(b->dk + from));
            if (dv)
                VEC_SUFFIX(row_store)(dv + at, d, size,
                                      VEC_LOAD(b->dv + from));
        }
}

static void VEC_SUFFIX(attention_back_head)(VEC_SUFFIX(attention_back) *b,
                                            int64_t h, float *dk, float *dv)
{
    const VEC_SUFFIX(attention_work) *w = &b->w;
    int64_t size = w->a->head_size, at = w->span->q_row * w->y_row + h * size;
    for (int64_t i = 0; i < w->span->count; i++, at += w->y_row)
        b->dots[i] = VEC_SUFFIX(lanes_dot)(w->a->dy + at, w->a->y + at, size);
    for (int64_t j = 0; j < w->keys; j += ATTENTION_BLOCK)
        VEC_SUFFIX(attention_back_keys)(b, h, j, dk, dv);
}

LH_KERNEL(attention_backward)
{
    const lh_attention_args *a = args;
    int64_t size = a->head_size, group = a->heads / a->kv_heads;
    for (int64_t item = begin; item < end; item++) {
        VEC_SUFFIX(attention_back) b;
        const lh_span *span = &a->spans[item / a->kv_heads];
        int64_t kv_head = item % a->kv_heads;
#ifndef GENERAL_ALONE
        int64_t done = VEC_SUFFIX(attention_short)(a, item, end, false,
                                                   scratch);
        if (done) {
            item += done - 1;
            continue;
        }
#endif
        VEC_SUFFIX(attention_start)(&b.w, a, item / a->kv_heads, kv_head);
        b.p = scratch;
        b.t = b.p + ATTENTION_BLOCK * ATTENTION_BLOCK;
        b.kt = b.t + ATTENTION_BLOCK * ATTENTION_BLOCK;
        b.vt = b.kt + ATTENTION_BLOCK * size;
        b.copy[0] = b.vt + ATTENTION_BLOCK * size;
        for (int c = 1; c < 5; c++)
            b.copy[c] = b.copy[c - 1] + ATTENTION_BLOCK * b.w.wide;
        b.dq = b.copy[4] + ATTENTION_BLOCK * b.w.wide;
        b.dots = b.dq + (b.w.keys + ATTENTION_ROWS) * b.w.wide;
        VEC_SUFFIX(attention_ahead) ahead = { .rows = 0 };
        b.w.ahead = &ahead;
        if (item + 1 < end)
            VEC_SUFFIX(attention_see)(&ahead, a, item + 1, false);
        int64_t at = span->k_row * a->k_row + kv_head * size;
        for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++)
            VEC_SUFFIX(attention_back_head)(&b, h, a->dk ? a->dk + at : NULL,
                                            a->dv ? a->dv + at : NULL);
    }
}

#undef ATTENTION_ROWS
#undef ATTENTION_BLOCK
#undef ATTENTION_QUERIES
#undef ATTENTION_EACH
#undef ATTENTION_DECLARE
#undef ATTENTION_LOAD
#undef ATTENTION_STORE
#undef ATTENTION_STEP
#undef ATTENTION_STAIR
#undef ATTENTION_NEXT_B
#undef ATTENTION_STRIP
