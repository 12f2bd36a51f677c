/* Small matrix products, the same chains as gemm.inc.h: where the operands
 * are in the first-level cache, what a product costs is the way to it.  So
 * there are no tiles and no edges of rows:
 *
 *   small_rows     a few vectors of b stay in registers while the rows of c
 *                  pass, one at a time, each with its own part of a: any
 *                  number of rows costs alike, and the CPU looks ahead from
 *                  row to row by itself
 *   small_columns  where a lies across (dw = dy^T x): a few rows of c stay in
 *                  registers while the l pass
 *
 * Two vectors of columns go together where there are two: half the loads of
 * a, and chains of half the length, of which the CPU overlaps twice as many.
 *
 * Needs transpose() of the including file. */

/* Rows and l of one go: scratch holds b's columns, then c's. */
#define SMALL_BLOCK 128

/* l (of small_rows) or rows (of small_columns) in registers at once: 16
 * vectors, or 8 where 16 registers are all there are.  SMALL_STATIC: those
 * with many registers keep them if they are functions of their own. */
#if GEMM_ROWS < 8
#define SMALL_ONE 8
#define SMALL_TWO 4
#define SMALL_STATIC static
#else
#define SMALL_ONE 16
#define SMALL_TWO 8
#define SMALL_STATIC static __attribute__((noinline))
#endif
#define SMALL_EACH(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
    X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

/* One or two vectors of columns: pointers are at the first one.  In the last
 * vector, where it is not whole, b has `rest` columns, start `read` and c
 * `write`; between steps c stays whole, in `between`: rows that lie one behind
 * the other could not be loaded before all stores have reached the cache. */
typedef struct VEC_SUFFIX(small_work) {
    int64_t m, k, later;               /* later: l behind these k          */
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row;
    const float *start;
    int64_t start_row, start_step;     /* step: to the next columns        */
    float *c;
    int64_t n, c_row;
    float *between;
    int rest, read, write;
} VEC_SUFFIX(small_work);

#define SMALL_INLINE static inline __attribute__((always_inline))
#define SMALL_VEC(v, p, n) \
    (part && v == vecs - 1 ? VEC_LOAD_PART((p) + v * VEC_WIDTH, n) \
                           : VEC_LOAD((p) + v * VEC_WIDTH))
#define SMALL_PUT(v, p, x, n) \
    do { \
        if (part && v == vecs - 1) \
            VEC_STORE_PART((p) + v * VEC_WIDTH, x, n); \
        else \
            VEC_STORE((p) + v * VEC_WIDTH, x); \
    } while (0)

/* All rows, over `depth` of the l; depth and vecs are constants. */
SMALL_INLINE void VEC_SUFFIX(small_rows)(VEC_SUFFIX(small_work) *w,
                                         int depth, int vecs,
                                         bool part)
{
    const float *a = w->a, *start = w->start;
    float *c = w->c;
    const int64_t a_row = w->a_row, b_row = w->b_row;
    const int64_t start_row = w->start_row;
    int64_t c_row = w->c_row;
    const int rest = w->rest, read = w->read;
    int write = w->write;
    if (part && w->k + w->later > depth) {
        c = w->between;
        c_row = vecs * VEC_WIDTH;
        write = VEC_WIDTH;
    }
    float *first = c;
#define SMALL_LOAD(l) \
    VEC b##l = VEC_SET(0.0f), d##l = b##l; \
    if (l < depth) { \
        b##l = SMALL_VEC(0, w->b + l * b_row, rest); \
        if (vecs > 1) \
            d##l = SMALL_VEC(1, w->b + l * b_row, rest); \
    }
#define SMALL_FMA(l) \
    if (l < depth) { \
        const VEC s = VEC_SET(a[l]); \
        x = FMA(s, b##l, x); \
        if (vecs > 1) \
            y = FMA(s, d##l, y); \
    }
    SMALL_EACH(SMALL_LOAD)
    for (int64_t i = w->m; i > 0; i--) {
        VEC x = SMALL_VEC(0, start, read), y = x;
        if (vecs > 1)
            y = SMALL_VEC(1, start, read);
        SMALL_EACH(SMALL_FMA)
        SMALL_PUT(0, c, x, write);
        if (vecs > 1)
            SMALL_PUT(1, c, y, write);
        a += a_row;
        c += c_row;
        start += start_row;
    }
#undef SMALL_LOAD
#undef SMALL_FMA
    w->a += depth;
    w->b += depth * b_row;
    w->k -= depth;
    w->start = first;
    w->start_row = c_row;
    w->read = write;
}

/* `rows` rows, over all l and w->n columns; rows and vecs are constants, a_row
 * is 1.  Along the rows of c, which may be more than a cache holds. */
SMALL_INLINE void VEC_SUFFIX(small_columns)(VEC_SUFFIX(small_work) *w,
                                            int rows, int vecs,
                                            bool part)
{
    const int64_t a_col = w->a_col, b_row = w->b_row, c_row = w->c_row;
    const int64_t start_row = w->start_row, wide = vecs * VEC_WIDTH;
    const int rest = w->rest;
    const float *start = w->start, *from = w->b;
    float *c = w->c;
    /* From row to row by a pointer each: the compiler would keep as many
     * distances, and not in registers. */
#define SMALL_LOAD(r) \
    VEC x##r = VEC_SET(0.0f), y##r = x##r; \
    if (r < rows) { \
        x##r = SMALL_VEC(0, s, rest); \
        if (vecs > 1) \
            y##r = SMALL_VEC(1, s, rest); \
        s += start_row; \
        __asm__("" : "+r"(s)); \
    }
#define SMALL_FMA(r) \
    if (r < rows) { \
        const VEC ar = VEC_SET(a[r]); \
        x##r = FMA(ar, x, x##r); \
        if (vecs > 1) \
            y##r = FMA(ar, y, y##r); \
    }
#define SMALL_STORE(r) \
    if (r < rows) { \
        SMALL_PUT(0, d, x##r, rest); \
        if (vecs > 1) \
            SMALL_PUT(1, d, y##r, rest); \
        d += c_row; \
        __asm__("" : "+r"(d)); \
    }
    for (int64_t j = w->n; j > 0; j -= wide) {
        const float *a = w->a, *b = from, *s = start;
        float *d = c;
        SMALL_EACH(SMALL_LOAD)
        for (int64_t l = w->k; l > 0; l--) {
            const VEC x = SMALL_VEC(0, b, rest);
            const VEC y = vecs > 1 ? SMALL_VEC(1, b, rest) : x;
            SMALL_EACH(SMALL_FMA)
            a += a_col;
            b += b_row;
        }
        SMALL_EACH(SMALL_STORE)
        from += wide;
        c += wide;
        start += w->start_step;
    }
#undef SMALL_LOAD
#undef SMALL_FMA
#undef SMALL_STORE
    w->a += rows;
    w->c += rows * w->c_row;
    w->start += rows * w->start_row;
    w->m -= rows;
}

/* name() in steps of `most`, then of the powers of two that are left. */
#define SMALL_STEPS(name, steps, left, most, vecs, part) \
SMALL_STATIC void VEC_SUFFIX(steps)(VEC_SUFFIX(small_work) *w) \
{ \
    while (w->left >= most) \
        VEC_SUFFIX(name)(w, most, vecs, part); \
    if (most > 8 && (w->left & 8)) \
        VEC_SUFFIX(name)(w, 8, vecs, part); \
    if (most > 4 && (w->left & 4)) \
        VEC_SUFFIX(name)(w, 4, vecs, part); \
    if (w->left & 2) \
        VEC_SUFFIX(name)(w, 2, vecs, part); \
    if (w->left & 1) \
        VEC_SUFFIX(name)(w, 1, vecs, part); \
}
SMALL_STEPS(small_rows, small_rows1, k, SMALL_ONE, 1, false)
SMALL_STEPS(small_rows, small_rows2, k, SMALL_TWO, 2, false)
SMALL_STEPS(small_rows, small_rows1_part, k, SMALL_ONE, 1, true)
SMALL_STEPS(small_rows, small_rows2_part, k, SMALL_TWO, 2, true)
SMALL_STEPS(small_columns, small_columns1, m, SMALL_ONE, 1, false)
SMALL_STEPS(small_columns, small_columns2, m, SMALL_TWO, 2, false)
SMALL_STEPS(small_columns, small_columns1_part, m, SMALL_ONE, 1, true)
SMALL_STEPS(small_columns, small_columns2_part, m, SMALL_TWO, 2, true)

/* The n columns from j of the part's rows: at most two vectors of them, or
 * twos where a_row and b_col are 1. */
static void VEC_SUFFIX(small_part)(const lh_gemm_args *g,
                                   const lh_gemm_part *p, int64_t j,
                                   int64_t n, float *scratch)
{
    static const float zeros[2 * VEC_WIDTH];
    int64_t wide = n > VEC_WIDTH ? 2 * VEC_WIDTH : VEC_WIDTH;
    int rest = (int)((n - 1) % VEC_WIDTH + 1);
    const bool whole = rest == VEC_WIDTH;
    VEC_SUFFIX(small_work) w = {
        .m = p->m, .later = g->k, .a = g->a + p->i * g->a_row,
        .a_row = g->a_row, .a_col = g->a_col,
        .b = g->b + j * g->b_col, .b_row = g->b_row, .start = zeros,
        .c = g->c + p->i * g->c_row + j, .n = n, .c_row = g->c_row,
        .between = scratch + SMALL_BLOCK * wide,
        .rest = rest, .read = rest, .write = rest,
    };
    if (g->accumulate) {
        w.start = w.c;
        w.start_row = w.c_row;
        w.start_step = wide;
    } else if (g->bias) {
        w.start = g->bias + j;
        w.start_step = wide;
    }
    for (const float *b = w.b; w.later > 0; b += SMALL_BLOCK * g->b_row) {
        w.k = w.later;
        if (g->b_col != 1) {
            w.k = lh_min64(w.k, SMALL_BLOCK);
            w.b = scratch;
            w.b_row = wide;
            for (int64_t v = 0; v < n; v += VEC_WIDTH)
                for (int64_t l = 0; l < w.k; l += VEC_WIDTH)
                    VEC_SUFFIX(transpose)(
                        scratch + l * wide + v, wide, b + l + v * g->b_col,
                        g->b_col, (int)lh_min64(VEC_WIDTH, n - v),
                        (int)lh_min64(VEC_WIDTH, w.k - l));
        }
        w.later -= w.k;
        if (g->a_row == 1 && whole)
            wide > VEC_WIDTH ? VEC_SUFFIX(small_columns2)(&w)
                             : VEC_SUFFIX(small_columns1)(&w);
        else if (g->a_row == 1)
            wide > VEC_WIDTH ? VEC_SUFFIX(small_columns2_part)(&w)
                             : VEC_SUFFIX(small_columns1_part)(&w);
        else if (whole)
            wide > VEC_WIDTH ? VEC_SUFFIX(small_rows2)(&w)
                             : VEC_SUFFIX(small_rows1)(&w);
        else
            wide > VEC_WIDTH ? VEC_SUFFIX(small_rows2_part)(&w)
                             : VEC_SUFFIX(small_rows1_part)(&w);
    }
}

/* Whether this is the way for a product: all of it is near the core, and
 * what larger tiles save is less than what they cost.  To turn b over pays
 * less, the more of it there is. */
static bool VEC_SUFFIX(gemm_is_small)(const lh_gemm_args *g)
{
    if (g->a_row != 1 && g->m > 4 && g->m <= 16)
        return g->k > 0 && g->k <= 512 && g->n <= 512;
    if (g->a_row == 1 && g->b_col == 1 && g->k <= 16)
        return g->k > 0 && g->m <= 512 && g->n <= 512;
    return g->k > 0 && g->k <= SMALL_BLOCK && g->m <= SMALL_BLOCK &&
           g->n <= 64 && (g->a_col == 1 || g->b_col == 1) &&
           (g->b_col == 1 || g->n <= 32 || g->k <= 32);
}

static void VEC_SUFFIX(gemm_small)(const lh_gemm_args *g, int64_t begin,
                                   int64_t end, float *scratch)
{
    while (begin < end) {
        lh_gemm_part p = { .items = 1, .m = g->m, .n = g->n };
        if (g->m > LH_GEMM_TILE || g->n > LH_GEMM_TILE)  /* divisions cost */
            p = lh_gemm_next(g->m, g->n, begin, end);
        for (int64_t j = 0, n; j < p.n; j += n) {
            n = lh_min64(2 * VEC_WIDTH, p.n - j);
            if (g->a_row == 1 && g->b_col == 1)
                n = lh_max64(n, (p.n - j) / (2 * VEC_WIDTH) * 2 * VEC_WIDTH);
            VEC_SUFFIX(small_part)(g, &p, p.j + j, n, scratch);
        }
        begin += p.items;
    }
}

#undef SMALL_BLOCK
#undef SMALL_ONE
#undef SMALL_TWO
#undef SMALL_EACH
#undef SMALL_INLINE
#undef SMALL_STATIC
#undef SMALL_STEPS
#undef SMALL_VEC
#undef SMALL_PUT
