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
 *   gemm_pack    an operand turned so that j is contiguous; gemm_pack_b: in
 *                panels of GEMM_WIDE columns, gemm_pack_a: in panels of rows
 *   gemm         rectangles of tiles of LH_GEMM_TILE: the kernel
 *
 * Wanted from the including file: the vector macros of vec_*.h; transpose()
 * of VEC_WIDTH x VEC_WIDTH floats; GEMM_ROWS, the rows of the largest tile
 * (12, 8 or 6) with two vectors. */

/* l in one block, and rows of one block of a.  b's block, up to
 * LH_GEMM_PANEL columns of this depth, and a's fill the scratch: 384 KiB, in
 * a second-level cache.  A strip of a, 12 KiB, is read again for every panel
 * of GEMM_WIDE columns of b, and those stream by. */
#define GEMM_DEPTH 256
#define GEMM_HIGH 96
#define GEMM_WIDE (2 * VEC_WIDTH)
/* From l to l where a is packed across, and from row to row where along:
 * whole vectors, and no power of two, which would meet in few sets. */
#define GEMM_LINE ((GEMM_ROWS + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH)
#define GEMM_PITCH (GEMM_DEPTH + 16)
_Static_assert(LH_GEMM_PANEL * GEMM_DEPTH + GEMM_HIGH * GEMM_PITCH <=
                   LH_GEMM_SCRATCH &&
               LH_GEMM_PANEL * GEMM_DEPTH +
                   (GEMM_HIGH + GEMM_ROWS - 1) / GEMM_ROWS * GEMM_LINE *
                   GEMM_DEPTH <= LH_GEMM_SCRATCH,
               "packed operands do not fit into the scratch");

/* A product on its way through the layers.  start: what the chains begin
 * from, NULL: +0.  ragged: b's rows end with column n, so the last vector of
 * a row is loaded in part; otherwise whole vectors may be loaded.  a_panel,
 * b_panel: what lies between GEMM_ROWS rows of a, GEMM_WIDE columns of b, and
 * the next ones, beyond the strides; 0 where nothing is packed in panels. */
typedef struct VEC_SUFFIX(gemm_work) {
    int64_t n, k;
    const float *a;
    int64_t a_row, a_col, a_panel;
    const float *b;
    int64_t b_row, b_panel;
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
    const int64_t panel = w->b_panel;
    const float *a = w->a + i * a_row;
    const float *b = w->b + j;
    if (w->a_panel)
        a += i / GEMM_ROWS * w->a_panel;
    if (panel)
        b += j / GEMM_WIDE * panel;
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
            b2 = VEC_LOAD(b + panel + 2 * VEC_WIDTH);
            b3 = VEC_LOAD(b + panel + 3 * VEC_WIDTH);
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

/* b's columns 0..n-1 in panels of GEMM_WIDE, one behind the other. */
static void VEC_SUFFIX(gemm_pack_b)(VEC_SUFFIX(gemm_work) *w, float *to,
                                    int64_t row, int64_t col)
{
    for (int64_t j = 0; j < w->n; j += GEMM_WIDE)
        VEC_SUFFIX(gemm_pack)(to + j * w->k, GEMM_WIDE, w->b + j * col, row,
                              col, w->k, lh_min64(GEMM_WIDE, w->n - j));
    w->b = to;
    w->b_row = GEMM_WIDE;
    w->b_panel = (w->k - 1) * GEMM_WIDE;
    w->ragged = false;
}

/* `rows` rows of a nearer to each other or, where a lies across, in panels
 * of GEMM_ROWS. */
static void VEC_SUFFIX(gemm_pack_a)(VEC_SUFFIX(gemm_work) *w, float *to,
                                    int64_t rows)
{
    const float *from = w->a;
    w->a = to;
    if (w->a_col == 1) {
        VEC_SUFFIX(gemm_pack)(to, GEMM_PITCH, from, w->a_row, 1, rows, w->k);
        w->a_row = GEMM_PITCH;
        return;
    }
    for (int64_t i = 0; i < rows; i += GEMM_ROWS)
        for (int64_t v = 0; v < GEMM_LINE && v < rows - i; v += VEC_WIDTH) {
            const float *s = from + i + v;
            float *d = to + i / GEMM_ROWS * w->k * GEMM_LINE + v;
            int part = (int)lh_min64(VEC_WIDTH, rows - i - v);
            if (part == VEC_WIDTH)
                for (int64_t l = w->k; l; l--, s += w->a_col, d += GEMM_LINE)
                    VEC_STORE(d, VEC_LOAD(s));
            else
                for (int64_t l = w->k; l; l--, s += w->a_col, d += GEMM_LINE)
                    VEC_STORE(d, VEC_LOAD_PART(s, part));
        }
    w->a_col = GEMM_LINE;
    w->a_panel = w->k * GEMM_LINE - GEMM_ROWS;
}

/* The m rows from i and the n columns from j, over l = from..to-1. */
static void VEC_SUFFIX(gemm_rectangle)(const lh_gemm_args *g, int64_t i,
                                       int64_t m, int64_t j, int64_t n,
                                       int64_t from, int64_t to,
                                       float *scratch)
{
    VEC_SUFFIX(gemm_work) w = {
        .n = n, .k = to - from,
        .b = g->b + from * g->b_row + j * g->b_col, .b_row = g->b_row,
        .c_row = g->c_row, .ragged = true,
    };
    /* b is packed where it lies across, and where enough rows use it that
     * walking its long rows again and again would cost more. */
    if (w.k && (g->b_col != 1 || m >= 4 * GEMM_ROWS))
        VEC_SUFFIX(gemm_pack_b)(&w, scratch, g->b_row, g->b_col);
    scratch += LH_GEMM_PANEL * GEMM_DEPTH;
    for (int64_t end = i + m; i < end; i += GEMM_HIGH) {
        int64_t rows = lh_min64(GEMM_HIGH, end - i);
        w.a = g->a + i * g->a_row + from * g->a_col;
        w.a_row = g->a_row;
        w.a_col = g->a_col;
        w.a_panel = 0;
        w.c = g->c + i * g->c_row + j;
        if (from > 0 || g->accumulate) {
            w.start = w.c;
            w.start_row = g->c_row;
        } else if (g->bias) {
            w.start = g->bias + j;
            w.start_row = 0;
        }
        /* In place a is read as fast as packed, unless its rows are whole
         * pages apart and so meet in one set of the cache. */
        if (rows >= GEMM_ROWS && w.k >= 64 &&
            lh_max64(g->a_row, g->a_col) % 1024 == 0)
            VEC_SUFFIX(gemm_pack_a)(&w, scratch, rows);
        VEC_SUFFIX(gemm_block)(&w, rows);
        if (SABOTAGED(gemm_lane) && n > 1) {
            float lane = w.c[0];
            w.c[0] = w.c[1];
            w.c[1] = lane;
        }
    }
}

/* A rectangle of tiles, b packed once for each block of l.  The blocks are of
 * about equal depth.  Few rows take few columns at a time, so that what they
 * pack is still in the first-level cache when they read it. */
static void VEC_SUFFIX(gemm_part)(const lh_gemm_args *g,
                                  const lh_gemm_part *p, float *scratch)
{
    int64_t wide = p->m < GEMM_ROWS ? LH_GEMM_TILE : LH_GEMM_PANEL;
    for (int64_t j = 0; j < p->n; j += wide) {
        int64_t n = lh_min64(wide, p->n - j), from = 0;
        do {
            int64_t left = g->k - from, to = g->k;
            if (left > GEMM_DEPTH) {
                int64_t blocks = (left + GEMM_DEPTH - 1) / GEMM_DEPTH;
                to = from + (left / blocks + 15) / 16 * 16;
            }
            VEC_SUFFIX(gemm_rectangle)(g, p->i, p->m, p->j + j, n, from, to,
                                       scratch);
            from = to;
        } while (from < g->k);
    }
}

static void VEC_SUFFIX(gemm)(const void *args, int64_t begin, int64_t end,
                             float *scratch)
{
    const lh_gemm_args *g = args;
    while (begin < end) {
        lh_gemm_part p = { .items = 1, .m = g->m, .n = g->n };
        if (g->m > LH_GEMM_TILE || g->n > LH_GEMM_TILE)  /* divisions cost */
            p = lh_gemm_next(g->m, g->n, begin, end);
        VEC_SUFFIX(gemm_part)(g, &p, scratch);
        begin += p.items;
    }
}

#undef GEMM_DEPTH
#undef GEMM_WIDE
#undef GEMM_LINE
#undef GEMM_PITCH
#undef GEMM_HIGH
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
