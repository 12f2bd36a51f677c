/* Matrix products, one template for every instruction set.
 *
 * c[i][j] is one chain of fma over l = 0..k-1, whatever the path: the chain
 * lives in a register while a block of at most GEMM_DEPTH of l passes, and
 * in c between blocks, which loses nothing.  Vectors lie along j, so that
 * lanes never meet.
 *
 * From the inside out:
 *   gemm_tile    R x V registers of c, R rows and V vectors; R and V are
 *                constants of each instance, the registers have names (gcc
 *                spills arrays of vectors)
 *   gemm_strip   R rows of c, all vectors; gemm_block: all rows
 *   gemm_pack    an operand turned so that j (or i) is contiguous
 *   gemm         tiles of LH_GEMM_TILE: the kernel
 *
 * Wanted from the including file: the vector macros of vec_*.h; transpose()
 * of VEC_WIDTH x VEC_WIDTH floats; GEMM_ROWS, the rows of the largest tile
 * (12, 8 or 6) with two vectors. */

/* l in one block: a packed block of each operand, 64 x 256 floats, fills the
 * scratch, and both stay in a second-level cache of 256 KiB. */
#define GEMM_DEPTH 256
_Static_assert(2 * LH_GEMM_TILE * GEMM_DEPTH <= LH_GEMM_SCRATCH,
               "packed operands do not fit into the scratch");

/* A product on its way through the layers.  start: what the chains begin
 * from, NULL: +0.  ragged: b's rows end with column n, so the last vector of
 * a row is loaded in part; otherwise whole vectors may be loaded. */
typedef struct VEC_SUFFIX(gemm_work) {
    int64_t n, k;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row;
    const float *start;
    int64_t start_row;
    float *c;
    int64_t c_row;
    bool ragged;
} VEC_SUFFIX(gemm_work);

#undef GEMM_INLINE
#define GEMM_INLINE static inline __attribute__((always_inline))

/* --------------------------------------------------------------- tile -- */

/* X(row, vector) for all registers that a tile may have. */
#define GEMM_EACH_VECTOR(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define GEMM_EACH(X) \
    GEMM_EACH_VECTOR(X, 0) GEMM_EACH_VECTOR(X, 1) GEMM_EACH_VECTOR(X, 2) \
    GEMM_EACH_VECTOR(X, 3) GEMM_EACH_VECTOR(X, 4) GEMM_EACH_VECTOR(X, 5) \
    GEMM_EACH_VECTOR(X, 6) GEMM_EACH_VECTOR(X, 7) GEMM_EACH_VECTOR(X, 8) \
    GEMM_EACH_VECTOR(X, 9) GEMM_EACH_VECTOR(X, 10) GEMM_EACH_VECTOR(X, 11)
#define GEMM_DECLARE(r, v) VEC c##r##_##v = zero;
#define GEMM_LOAD(r, v) \
    if (r < rows && v < vecs) \
        c##r##_##v = part && rest \
            ? VEC_LOAD_PART(start + r * start_row + v * VEC_WIDTH, rest) \
            : VEC_LOAD(start + r * start_row + v * VEC_WIDTH);
#define GEMM_STORE(r, v) \
    if (r < rows && v < vecs) { \
        if (part && rest) \
            VEC_STORE_PART(c + r * c_row + v * VEC_WIDTH, c##r##_##v, rest); \
        else \
            VEC_STORE(c + r * c_row + v * VEC_WIDTH, c##r##_##v); \
    }
#define GEMM_FMA(r, v) \
    if (v < vecs) \
        c##r##_##v = FMA(x, b##v, c##r##_##v);
#define GEMM_STEP(r) \
    if (r < rows) { \
        VEC x = VEC_SET(a[r * a_row]); \
        GEMM_EACH_VECTOR(GEMM_FMA, r) \
    }

/* How the last vector of a tile may end: whole; c in part; b in part too. */
#define GEMM_WHOLE 0
#define GEMM_PART_C 1
#define GEMM_PART_B 2

/* Rows i .. i + rows - 1 and columns j .. j + vecs * VEC_WIDTH - 1 of the
 * product, or up to column n if that is less.  rows, vecs and part are
 * constants where it is called; only a tile of one vector has a part. */
GEMM_INLINE void VEC_SUFFIX(gemm_tile)(const VEC_SUFFIX(gemm_work) *w,
                                       int64_t i, int64_t j, int rows,
                                       int vecs, int part)
{
    const int64_t a_row = w->a_row, a_col = w->a_col, b_row = w->b_row;
    const int64_t c_row = w->c_row;
    const float *a = w->a + i * a_row, *b = w->b + j;
    const VEC zero = VEC_SET(0.0f);
    int rest = part && w->n - j < VEC_WIDTH ? (int)(w->n - j) : 0;
    float *c = w->c + i * c_row + j;
    GEMM_EACH(GEMM_DECLARE)
    if (w->start) {
        const int64_t start_row = w->start_row;
        const float *start = w->start + i * start_row + j;
        GEMM_EACH(GEMM_LOAD)
    }
    for (int64_t l = w->k; l > 0; l--) {
        VEC b0 = zero, b1 = zero, b2 = zero, b3 = zero;
        b0 = part == GEMM_PART_B ? VEC_LOAD_PART(b, rest) : VEC_LOAD(b);
        if (vecs > 1)
            b1 = VEC_LOAD(b + VEC_WIDTH);
        if (vecs > 2) {
            b2 = VEC_LOAD(b + 2 * VEC_WIDTH);
            b3 = VEC_LOAD(b + 3 * VEC_WIDTH);
        }
        GEMM_STEP(0) GEMM_STEP(1) GEMM_STEP(2) GEMM_STEP(3)
        GEMM_STEP(4) GEMM_STEP(5) GEMM_STEP(6) GEMM_STEP(7)
        GEMM_STEP(8) GEMM_STEP(9) GEMM_STEP(10) GEMM_STEP(11)
        a += a_col;
        b += b_row;
    }
    GEMM_EACH(GEMM_STORE)
}

/* One strip of `rows` rows over all columns, with tiles of `vecs` vectors
 * and one vector at a time for what is left. */
#define GEMM_STRIP(rows, vecs) \
static void VEC_SUFFIX(gemm_strip##rows)(const VEC_SUFFIX(gemm_work) *w, \
                                         int64_t i) \
{ \
    int64_t j = 0, whole = w->n; \
    if (w->ragged) \
        whole = whole / VEC_WIDTH * VEC_WIDTH; \
    for (; w->n - j >= vecs * VEC_WIDTH; j += vecs * VEC_WIDTH) \
        VEC_SUFFIX(gemm_tile)(w, i, j, rows, vecs, GEMM_WHOLE); \
    for (; j < whole; j += VEC_WIDTH) \
        VEC_SUFFIX(gemm_tile)(w, i, j, rows, 1, GEMM_PART_C); \
    if (j < w->n) \
        VEC_SUFFIX(gemm_tile)(w, i, j, rows, 1, GEMM_PART_B); \
}

#if GEMM_ROWS >= 12
GEMM_STRIP(12, 2)
#endif
#if GEMM_ROWS >= 8
GEMM_STRIP(8, 2)
#else
GEMM_STRIP(6, 2)
#endif
#if VEC_WIDTH == 8
GEMM_STRIP(4, 2)
GEMM_STRIP(2, 4)
#else
GEMM_STRIP(4, 4)
GEMM_STRIP(2, 4)
#endif
GEMM_STRIP(1, 4)

/* All m rows, in the largest strips that fit. */
static void VEC_SUFFIX(gemm_block)(const VEC_SUFFIX(gemm_work) *w, int64_t m)
{
    int64_t i = 0;
#if GEMM_ROWS >= 12
    for (; m - i >= 12; i += 12)
        VEC_SUFFIX(gemm_strip12)(w, i);
#endif
#if GEMM_ROWS >= 8
    for (; m - i >= 8; i += 8)
        VEC_SUFFIX(gemm_strip8)(w, i);
#else
    for (; m - i >= 6; i += 6)
        VEC_SUFFIX(gemm_strip6)(w, i);
#endif
    if (m - i >= 4) {
        VEC_SUFFIX(gemm_strip4)(w, i);
        i += 4;
    }
    if (m - i >= 2) {
        VEC_SUFFIX(gemm_strip2)(w, i);
        i += 2;
    }
    if (m - i >= 1)
        VEC_SUFFIX(gemm_strip1)(w, i);
}

/* ------------------------------------------------------------ packing -- */

/* to[l * ld + j] = from[l * row + j * col] for l < depth, j < count, one of
 * row and col being 1.  Whole vectors are stored: up to ld, a multiple of
 * VEC_WIDTH not below count, the content behind count is undefined. */
static void VEC_SUFFIX(gemm_pack)(float *to, int64_t ld, const float *from,
                                  int64_t row, int64_t col, int64_t depth,
                                  int64_t count)
{
    int64_t whole = count / VEC_WIDTH * VEC_WIDTH;
    if (col == 1) {
        for (int64_t l = 0; l < depth; l++) {
            const float *s = from + l * row;
            float *d = to + l * ld;
            int64_t j = 0;
            for (; j < whole; j += VEC_WIDTH)
                VEC_STORE(d + j, VEC_LOAD(s + j));
            if (j < count)
                VEC_STORE(d + j, VEC_LOAD_PART(s + j, (int)(count - j)));
        }
        return;
    }
    for (int64_t j = 0; j < count; j += VEC_WIDTH) {
        int columns = (int)lh_min64(VEC_WIDTH, count - j);
        for (int64_t l = 0; l < depth; l += VEC_WIDTH)
            VEC_SUFFIX(transpose)(to + l * ld + j, ld, from + l + j * col,
                                  col, columns,
                                  (int)lh_min64(VEC_WIDTH, depth - l));
    }
}

/* ------------------------------------------------------------- kernel -- */

/* The tiles of column tj whose rows are first..last, over l = from..to-1. */
static void VEC_SUFFIX(gemm_panel)(const lh_gemm_args *g, int64_t tj,
                                   int64_t first, int64_t last, int64_t from,
                                   int64_t to, float *scratch)
{
    int64_t j = tj * LH_GEMM_TILE, depth = to - from;
    int64_t n = lh_min64(LH_GEMM_TILE, g->n - j);
    int64_t ld = (n + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH;
    int64_t m = lh_min64((last + 1) * LH_GEMM_TILE, g->m);
    VEC_SUFFIX(gemm_work) w = {
        .n = n, .k = depth, .a_row = g->a_row, .a_col = g->a_col,
        .b = g->b + from * g->b_row + j * g->b_col, .b_row = g->b_row,
        .c_row = g->c_row, .ragged = true,
    };
    /* b is packed where it lies across, and where enough rows use it that
     * walking its long rows again and again would cost more. */
    if (g->b_col != 1 || m - first * LH_GEMM_TILE >= 4 * GEMM_ROWS) {
        VEC_SUFFIX(gemm_pack)(scratch, ld, w.b, g->b_row, g->b_col, depth,
                              n);
        w.b = scratch;
        w.b_row = ld;
        w.ragged = false;
    }
    scratch += LH_GEMM_TILE * GEMM_DEPTH;
    for (int64_t i = first * LH_GEMM_TILE; i < m; i += LH_GEMM_TILE) {
        int64_t rows = lh_min64(LH_GEMM_TILE, m - i);
        w.a = g->a + i * g->a_row + from * g->a_col;
        w.c = g->c + i * g->c_row + j;
        if (from > 0 || g->accumulate) {
            w.start = w.c;
            w.start_row = g->c_row;
        } else if (g->bias) {
            w.start = g->bias + j;
            w.start_row = 0;
        }
        /* A walk through a with long strides meets few sets of the cache. */
        if (rows >= GEMM_ROWS && depth >= 64 &&
            (g->a_row == 1 || g->a_row % 512 == 0)) {
            VEC_SUFFIX(gemm_pack)(scratch, LH_GEMM_TILE, w.a, g->a_col,
                                  g->a_row, depth, rows);
            w.a = scratch;
            w.a_row = 1;
            w.a_col = LH_GEMM_TILE;
        }
        VEC_SUFFIX(gemm_block)(&w, rows);
        w.a_row = g->a_row;
        w.a_col = g->a_col;
        if (SABOTAGED(gemm_lane) && n > 1) {
            float lane = w.c[0];
            w.c[0] = w.c[1];
            w.c[1] = lane;
        }
    }
}

/* Tiles are numbered row by row; within begin..end-1 they are done column by
 * column, so that b is packed once for each. */
static void VEC_SUFFIX(gemm)(const void *args, int64_t begin, int64_t end,
                             float *scratch)
{
    const lh_gemm_args *g = args;
    int64_t across = (g->n + LH_GEMM_TILE - 1) / LH_GEMM_TILE;
    for (int64_t tj = 0; tj < across; tj++) {
        /* The rows ti with begin <= ti * across + tj < end. */
        int64_t first = (begin - tj + across - 1) / across;
        int64_t last = end - 1 - tj < 0 ? -1 : (end - 1 - tj) / across;
        if (begin < tj)
            first = 0;
        if (first > last)
            continue;
        int64_t from = 0;
        do {
            int64_t to = lh_min64(from + GEMM_DEPTH, g->k);
            VEC_SUFFIX(gemm_panel)(g, tj, first, last, from, to, scratch);
            from = to;
        } while (from < g->k);
    }
}

#undef GEMM_DEPTH
#undef GEMM_WHOLE
#undef GEMM_PART_C
#undef GEMM_PART_B
#undef GEMM_EACH_VECTOR
#undef GEMM_EACH
#undef GEMM_DECLARE
#undef GEMM_LOAD
#undef GEMM_STORE
#undef GEMM_FMA
#undef GEMM_STEP
#undef GEMM_STRIP
