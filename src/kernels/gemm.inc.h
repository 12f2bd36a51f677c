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
 *   gemm_strip   R rows of c; gemm_block: all rows, panel by panel
 *   gemm_ahead   what tiles fetch for the packing that comes after them
 *   gemm_pack    an operand turned so that j is contiguous
 *   gemm_few     products of few rows: decoding
 *   gemm_held    products of 16 rows or l at most, where 32 registers are
 *                wide
 *   gemm_panels  a block of rows; the first one packs b, panel by panel of
 *                GEMM_WIDE columns, the others find it packed
 *   gemm_small   gemm_small.inc.h: another way for small products
 *   gemm         rectangles of items, block by block: the kernel
 *
 * Wanted from the including file: the vector macros of vec_*.h; transpose()
 * of VEC_WIDTH x VEC_WIDTH floats; GEMM_ROWS, the rows of the largest tile
 * (12, 8 or 6) with two vectors; GEMM_CHAIN, its fma where FMA is a call. */

/* l in one block, at most.  Each block of l takes a tile's 24 lines of c in
 * and out again, which costs 360 cycles, as long as 15 of l: so blocks are
 * deep, and what tiles read comes from the second-level cache, which is quick
 * enough for 2 lines of b and, every 16 of l, 12 of a.  Two blocks of a (the
 * one in use and the next one) of GEMM_HIGH rows and two panels of b fit into
 * 1 MiB of it; b's block is read once for each block of a, from wherever it
 * is.  The 16 tiles of a whole block by two panels ask for the next two. */
#define GEMM_DEPTH 1024
#define GEMM_HIGH 96
#define GEMM_WIDE (2 * VEC_WIDTH)
/* l between two times that a tile asks for memory. */
#define GEMM_CHUNK 16
/* Of which the last ones, a row each, ask for lines of c: sooner asked for,
 * those of rows that are pages apart push each other out again. */
#define GEMM_C_LAST (14 * GEMM_CHUNK)
/* From l to l where a is packed across, and from row to row where along: an
 * odd number of lines, since a power of two would meet in few sets. */
#define GEMM_LINE (GEMM_HIGH + 16)
#define GEMM_PITCH (GEMM_DEPTH + 16)
/* Rows of the tiles for rows that are left. */
#define GEMM_SOME (GEMM_ROWS > 6 ? 4 : 2)
/* Floats of a block of b, and of a in the larger of its two forms. */
#define GEMM_B (LH_GEMM_PANEL * GEMM_DEPTH)
#define GEMM_A (GEMM_LINE * GEMM_DEPTH)
_Static_assert(GEMM_HIGH * GEMM_PITCH <= GEMM_A &&
               GEMM_B + 2 * GEMM_A <= LH_GEMM_SCRATCH,
               "packed operands do not fit into the scratch");

/* A product on its way through the layers.  start: what the chains begin
 * from, NULL: +0.  ragged: b's rows end with column n, so the last vector of
 * a row is loaded in part; otherwise whole vectors may be loaded.  b_panel:
 * what lies between GEMM_WIDE columns of b and the next ones, beyond the
 * stride; 0 where nothing is packed in panels. */
typedef struct VEC_SUFFIX(gemm_work) {
    int64_t n, k;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row, b_panel;
    const float *start;
    int64_t start_row;
    float *c;
    int64_t c_row;
    bool ragged;
    struct VEC_SUFFIX(gemm_ahead) *ahead;  /* NULL: nothing to ask for     */
    bool c_far;                            /* ask for tiles of c, too: in  */
                                           /* a step it is new memory, or  */
                                           /* another core's               */
} VEC_SUFFIX(gemm_work);

/* Memory that will be packed soon.  Tiles ask for it on their way, so that it
 * is in the second-level cache by then: packing would wait for memory while
 * no fma runs.  A tile asks for one unit: four lines, `apart` bytes from each
 * other, which move on by `step` with each GEMM_CHUNK of l.  The next unit
 * begins `next` bytes on and, behind `wide` of them, `skip` further.  then:
 * what follows, or NULL. */
typedef struct VEC_SUFFIX(gemm_ahead) {
    const char *at;
    int64_t apart, step, next, skip, wide, left, units;
    struct VEC_SUFFIX(gemm_ahead) *then;
} VEC_SUFFIX(gemm_ahead);

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
#ifndef GEMM_CHAIN
#define GEMM_CHAIN FMA
#endif
#define GEMM_FMA(r, v) \
    if (v < vecs) \
        c##r##_##v = GEMM_CHAIN(x, b##v, c##r##_##v);
#define GEMM_STEP(r, from) \
    if (r < rows) { \
        VEC x = VEC_SET(from); \
        GEMM_EACH_VECTOR(GEMM_FMA, r) \
    }

static void VEC_SUFFIX(gemm_ahead_next)(VEC_SUFFIX(gemm_work) *w)
{
    VEC_SUFFIX(gemm_ahead) *ahead = w->ahead;
    ahead->at += ahead->next;
    if (--ahead->left == 0) {
        ahead->at += ahead->skip;
        ahead->left = ahead->wide;
    }
    if (--ahead->units == 0)
        w->ahead = ahead->then;
}

/* Rows i .. i + rows - 1 and columns j .. j + vecs * VEC_WIDTH - 1 of the
 * product, or up to column n if that is less.  rows, vecs and part, whether
 * it may be less, are constants where it is called; only a tile of one vector
 * has a part. */
GEMM_INLINE void VEC_SUFFIX(gemm_tile)(VEC_SUFFIX(gemm_work) *w,
                                       int64_t i, int64_t j, int rows,
                                       int vecs, bool part)
{
    const int64_t a_row = w->a_row, a_col = w->a_col, b_row = w->b_row;
    const int64_t c_row = w->c_row;
    const int64_t panel = w->b_panel;
    const float *a = w->a + i * a_row;
    const float *b = w->b + j;
    if (panel)
        b += j / GEMM_WIDE * panel;
    const VEC zero = VEC_SET(0.0f);
    int rest = part && w->n - j < VEC_WIDTH ? (int)(w->n - j) : 0;
    const bool ragged = rest && w->ragged;
    float *c = w->c + i * c_row + j;
    const char *ahead = (const char *)a;
    const float *c_ahead = c;
    int64_t apart = 0, step = 0, chunk = w->k, c_step = 0;
    if (rows == GEMM_ROWS && w->c_far) {
        chunk = GEMM_CHUNK;
        if (w->start == w->c)          /* read at the start of a tile: for */
            c_ahead += rows * c_row;   /* the one below                    */
        c_step = c_row;
    }
    if (w->ahead) {
        chunk = GEMM_CHUNK;
        ahead = w->ahead->at;
        apart = w->ahead->apart;
        step = w->ahead->step;
        VEC_SUFFIX(gemm_ahead_next)(w);
    }
    GEMM_EACH(GEMM_DECLARE)
    if (w->start) {
        const int64_t start_row = w->start_row;
        const float *start = w->start + i * start_row + j;
        GEMM_EACH(GEMM_LOAD)
    }
    /* Three bases and three distances: as many registers as there are.  The
     * compiler would make one base and eleven distances of them. */
    const float *a4 = a + 4 * a_row, *a8 = a + 8 * a_row;
    int64_t a_row3 = 3 * a_row;
    __asm__("" : "+r"(a4), "+r"(a8), "+r"(a_row3));
    for (int64_t l = w->k; l > 0; l -= chunk) {
        int64_t run = l < chunk ? l : chunk;
        __builtin_prefetch(ahead, 0, 2);
        __builtin_prefetch(ahead + apart, 0, 2);
        __builtin_prefetch(ahead + 2 * apart, 0, 2);
        __builtin_prefetch(ahead + 3 * apart, 0, 2);
        __builtin_prefetch(c_ahead, 1, 3);
        __builtin_prefetch(c_ahead + VEC_WIDTH, 1, 3);
        ahead += step;
        if (l <= GEMM_C_LAST)
            c_ahead += c_step;
        do {
            VEC b0 = zero, b1 = zero, b2 = zero, b3 = zero;
            b0 = part && ragged ? VEC_LOAD_PART(b, rest) : VEC_LOAD(b);
            if (vecs > 1)
                b1 = VEC_LOAD(b + VEC_WIDTH);
            if (vecs > 2) {
                b2 = VEC_LOAD(b + panel + 2 * VEC_WIDTH);
                b3 = VEC_LOAD(b + panel + 3 * VEC_WIDTH);
            }
            GEMM_STEP(0, a[0]) GEMM_STEP(1, a[a_row])
            GEMM_STEP(2, a[2 * a_row]) GEMM_STEP(3, a[a_row3])
            GEMM_STEP(4, a4[0]) GEMM_STEP(5, a4[a_row])
            GEMM_STEP(6, a4[2 * a_row]) GEMM_STEP(7, a4[a_row3])
            GEMM_STEP(8, a8[0]) GEMM_STEP(9, a8[a_row])
            GEMM_STEP(10, a8[2 * a_row]) GEMM_STEP(11, a8[a_row3])
            a += a_col;
            if (rows > 4)
                a4 += a_col;
            if (rows > 8)
                a8 += a_col;
            b += b_row;
        } while (--run);
    }
    GEMM_EACH(GEMM_STORE)
}

/* One strip of `rows` rows, columns j..n-1, with tiles of `vecs` vectors and
 * one vector at a time for what is left.  Not inline, or registers would be
 * too few. */
#define GEMM_STRIP(name, rows, vecs) \
static __attribute__((noinline)) void VEC_SUFFIX(name)( \
    VEC_SUFFIX(gemm_work) *w, int64_t i, int64_t j, int64_t n) \
{ \
    for (; n - j >= vecs * VEC_WIDTH; j += vecs * VEC_WIDTH) \
        VEC_SUFFIX(gemm_tile)(w, i, j, rows, vecs, false); \
    for (; j < n; j += VEC_WIDTH) \
        VEC_SUFFIX(gemm_tile)(w, i, j, rows, 1, true); \
}
GEMM_STRIP(gemm_strip, GEMM_ROWS, 2)
GEMM_STRIP(gemm_strip_some, GEMM_SOME, 4)
GEMM_STRIP(gemm_strip1, 1, 4)

/* All m rows, in the largest strips that fit, whole ones panel by panel. */
static void VEC_SUFFIX(gemm_block)(VEC_SUFFIX(gemm_work) *w, int64_t m)
{
    int64_t i = m / GEMM_ROWS * GEMM_ROWS;
    for (int64_t j = 0; j < w->n; j += GEMM_WIDE)
        for (int64_t r = 0; r < i; r += GEMM_ROWS)
            VEC_SUFFIX(gemm_strip)(w, r, j, lh_min64(w->n, j + GEMM_WIDE));
    for (; m - i >= GEMM_SOME; i += GEMM_SOME)
        VEC_SUFFIX(gemm_strip_some)(w, i, 0, w->n);
    for (; i < m; i++)
        VEC_SUFFIX(gemm_strip1)(w, i, 0, w->n);
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

/* ----------------------------------------------------------- few rows -- */

#ifndef GENERAL_ALONE
/* With few rows of c and b across (a token that is decoded), b's squares of
 * VEC_WIDTH are turned over, used and forgotten: memory is the
 * limit.  The next rows of b, which lie behind these, are asked for a step at
 * a time, as much as is read. */
#define GEMM_FEW 4
#define GEMM_FEW_EACH(X) \
    X(0, 0) X(0, 1) X(1, 0) X(1, 1) X(2, 0) X(2, 1) X(3, 0) X(3, 1)
#define GEMM_USE(r, v) \
    if (r < rows) \
        c##r##_##v = FMA(VEC_SET(a[row[r]]), \
                         VEC_LOAD(turned[v] + q * VEC_WIDTH), c##r##_##v);

#define GEMM_FEW_LOAD(r, v) \
    if (r < rows) \
        c##r##_##v = VEC_LOAD_PART(start + (r < m ? r : 0) * start_row + \
                                   v * VEC_WIDTH, columns[v]);
#define GEMM_FEW_STORE(r, v) \
    if (r < rows && r < m) \
        VEC_STORE_PART(c + r * c_row + v * VEC_WIDTH, c##r##_##v, columns[v]);

/* All rows, at most `rows`, of the n columns from j, two vectors at most, all
 * l; rows is a constant.  A missing row is row 0 again, and dropped. */
GEMM_INLINE void VEC_SUFFIX(gemm_few_tile)(const lh_gemm_args *g, int64_t j,
                                           int rows, int64_t n)
{
    const int columns[2] = { (int)lh_min64(n, VEC_WIDTH),
                             (int)lh_min64(lh_max64(n - VEC_WIDTH, 0),
                                           VEC_WIDTH) };
    const int64_t a_col = g->a_col, b_col = g->b_col, c_row = g->c_row;
    const int64_t start_row = g->accumulate ? c_row : 0;
    const int64_t m = g->m;
    const int64_t row[4] = { 0, m > 1 ? g->a_row : 0, m > 2 ? 2 * g->a_row : 0,
                             m > 3 ? 3 * g->a_row : 0 };
    const float *a = g->a, *b = g->b + j * b_col;
    const char *ahead = (const char *)(b + 2 * VEC_WIDTH * b_col);
    float *c = g->c + j;
    const float *start = g->accumulate ? c : g->bias ? g->bias + j : NULL;
    const VEC zero = VEC_SET(0.0f);
    float turned[2][VEC_WIDTH * VEC_WIDTH];
    GEMM_FEW_EACH(GEMM_DECLARE)
    if (start) {
        GEMM_FEW_EACH(GEMM_FEW_LOAD)
    }
    for (int64_t l = g->k; l > 0; l -= VEC_WIDTH) {
        const int depth = (int)lh_min64(l, VEC_WIDTH);
        for (int v = 0; v < 2; v++)
            VEC_SUFFIX(transpose)(turned[v], VEC_WIDTH,
                                  b + v * columns[0] * b_col, b_col,
                                  columns[v], depth);
        for (int q = 0; q < 2 * VEC_WIDTH * VEC_WIDTH; q += 16, ahead += 64)
            __builtin_prefetch(ahead, 0, 2);
        for (int64_t q = 0; q < depth; q++) {
            GEMM_FEW_EACH(GEMM_USE)
            a += a_col;
        }
        b += VEC_WIDTH;
    }
    GEMM_FEW_EACH(GEMM_FEW_STORE)
}

/* The items begin..end-1, which are columns. */
static void VEC_SUFFIX(gemm_few)(const lh_gemm_args *g, int64_t begin,
                                 int64_t end)
{
    int64_t to = lh_min64(end * LH_GEMM_TILE, g->n);
    int64_t j = begin * LH_GEMM_TILE;
    for (; g->m == 1 && j < to; j += 2 * VEC_WIDTH)
        VEC_SUFFIX(gemm_few_tile)(g, j, 1, to - j);
    for (; j < to; j += 2 * VEC_WIDTH)
        VEC_SUFFIX(gemm_few_tile)(g, j, 4, to - j);
}

#if VEC_WIDTH == 16
/* 5 to 16 rows: the chains of at most 8 by 32 columns stay in registers.
 * Where b lies across, the fma take as long as turning over, and the CPU does
 * both at once if nothing goes through memory: the 16 other registers hold 8
 * l, and as they are used the next 8 l are turned into their places, which at
 * the end are those of the next tile.  More rows go in two halves, where a
 * lies across (dw = dy^T x) with a few l in eights, and the last columns in a
 * whole vector.  The last of them meet those before: some are computed twice,
 * so not where c is added to.  Where b's rows are 2 KiB apart, all their
 * lines are in two sets of the first-level cache: half as many columns are
 * read before a line's second half is wanted. */
static bool VEC_SUFFIX(gemm_is_held)(const lh_gemm_args *g)
{
    const int64_t left = g->n % LH_GEMM_TILE;
    const bool across = g->a_col != 1;
    const bool twice = across ? g->m % 8 != 0 : g->m > 8 && g->m % 2 != 0;
    if (g->m < 5 || (twice && g->accumulate))
        return false;
    if (across)
        return g->b_col == 1 && g->m >= 8 && g->m <= LH_GEMM_FLAT &&
               g->n % VEC_WIDTH == 0 && g->n <= LH_GEMM_TILE && g->k <= 16;
    if (g->m > 16 || g->k < 16 || g->k > 4096)
        return false;
    if (g->b_col == 1)
        return g->n % VEC_WIDTH == 0 && g->n * g->k <= (int64_t)1 << 22;
    return ((g->m <= 8 && g->b_col == 512) || g->b_col % 512) &&
           g->k % 8 == 0 && !g->accumulate && (left == 0 || left >= VEC_WIDTH);
}

#define GEMM_HOLD(step, l, first, second) do { \
        const VEC b0 = first, b1 = second; \
        step(0, a[l]) step(1, (a + a_row)[l]) step(2, (a + 2 * a_row)[l]) \
        step(3, a3[l]) step(4, (a3 + a_row)[l]) step(6, a6[l]) \
        step(5, (a3 + 2 * a_row)[l]) step(7, (a6 + a_row)[l]) \
    } while (0)

/* Most rows' fma broadcast for themselves: to do so into a register takes the
 * place of a shuffle on Zen 4, and twice from memory a second load, of which
 * Zen 5 has none left. */
#define GEMM_ONE(r, from) \
    if (r < rows - 6) { \
        GEMM_STEP(r, from) \
    } else if (r < rows) { \
        c##r##_0 = FMA_FROM(&(from), b0, c##r##_0); \
        if (vecs > 1) \
            c##r##_1 = FMA_FROM(&(from), b1, c##r##_1); \
    }
#define GEMM_TURN(u, column) \
    VEC_SUFFIX(turn_eights)(u, b + (column) * b_col, b_col)
#define GEMM_TURNED(l) do { \
        v0[l] = TURNED(u0, u1, l + 4); \
        v1[l] = TURNED(u2, u3, l + 4); \
        GEMM_HOLD(GEMM_ONE, l, TURNED(u0, u1, l), TURNED(u2, u3, l)); \
    } while (0)

/* Columns j .. to - 1, `rows` rows and `vecs` vectors at a time; those and
 * turns, whether b lies across, are constants. */
GEMM_INLINE void VEC_SUFFIX(gemm_held)(const lh_gemm_args *g, int64_t j,
                                       int64_t to, int rows, int vecs,
                                       bool turns)
{
    enum { part = 0, rest = 0 };
    const VEC zero = VEC_SET(0.0f), b2 = zero, b3 = zero;
    const int64_t wide = vecs * VEC_WIDTH, second = wide - VEC_WIDTH;
    const int64_t b_col = g->b_col, b_row = g->b_row, c_row = g->c_row;
    const int64_t start_row = g->accumulate ? c_row : 0, a_col = g->a_col;
    int64_t a_row = g->a_row, i = 0, at = lh_min64(j, to - wide);
    const float *b = g->b + at * b_col;
    VEC u0[4], u1[4], u2[4], u3[4], v0[4], v1[4];
    if (j >= to)
        return;
    if (turns) {
        GEMM_TURN(u0, 0);
        GEMM_TURN(u1, 8);
        GEMM_TURN(u2, second);
        GEMM_TURN(u3, second + 8);
    }
    do {
        const float *a = g->a + i * a_row, *a3 = a + 3 * a_row, *a6 = a3;
        float *c = g->c + i * c_row + at;
        a6 += 3 * a_row;
        __asm__("" : "+r"(a3), "+r"(a6), "+r"(a_row));  /* as in gemm_tile */
        GEMM_EACH(GEMM_DECLARE)
        if (g->accumulate || g->bias) {
            const float *start = g->accumulate ? c : g->bias + at;
            GEMM_EACH(GEMM_LOAD)
        }
        i = i + rows < g->m ? lh_min64(i + rows, g->m - rows) : 0;
        j += i ? 0 : wide;
        at = lh_min64(j, to - wide);
        const float *then = g->b + at * b_col;
        int64_t l = g->k;
        for (; !turns && l > 0; l--, a += a_col, a3 += a_col, a6 += a_col) {
            GEMM_HOLD(GEMM_STEP, 0, VEC_LOAD(b), VEC_LOAD(b + second));
            b += b_row;
        }
        for (; turns && l > 0; l -= 8, a += 8, a3 += 8, a6 += 8) {
            b = l > 8 ? b + 8 : then;
            GEMM_TURNED(0);
            GEMM_TURNED(1);
            GEMM_TURNED(2);
            GEMM_TURNED(3);
            GEMM_TURN(u0, 0);
            GEMM_HOLD(GEMM_ONE, 4, v0[0], v1[0]);
            GEMM_TURN(u1, 8);
            GEMM_HOLD(GEMM_ONE, 5, v0[1], v1[1]);
            GEMM_TURN(u2, second);
            GEMM_HOLD(GEMM_ONE, 6, v0[2], v1[2]);
            GEMM_TURN(u3, second + 8);
            GEMM_HOLD(GEMM_ONE, 7, v0[3], v1[3]);
        }
        b = turns ? b : then;
        GEMM_EACH(GEMM_STORE)
    } while (j < to);
}

/* By themselves, since a compiler that does not optimize keeps a place on the
 * stack for every value of each: all in one would be 1.6 MB. */
#define GEMM_HELD_BY(held, r, turns) \
static void VEC_SUFFIX(held)(const lh_gemm_args *g, int64_t j, int64_t odd, \
                             int64_t to) \
{ \
    VEC_SUFFIX(gemm_held)(g, j, odd, r, 2, turns); \
    VEC_SUFFIX(gemm_held)(g, odd, to, r, 1, turns); \
}
#define GEMM_HELD(r) \
    GEMM_HELD_BY(gemm_held_##r, r, false) \
    GEMM_HELD_BY(gemm_turned_##r, r, true)
GEMM_HELD(5) GEMM_HELD(6) GEMM_HELD(7) GEMM_HELD(8)

static void VEC_SUFFIX(gemm_held_items)(const lh_gemm_args *g, int64_t begin,
                                        int64_t end)
{
    const int64_t rows = g->a_col != 1 ? 8 : g->m > 8 ? (g->m + 1) / 2 : g->m;
    const int64_t j = begin * LH_GEMM_TILE;
    const int64_t to = lh_min64(end * LH_GEMM_TILE, g->n);
    const int64_t odd = g->b_col == 512 ? j : to - (to - j) % GEMM_WIDE;
#define GEMM_HELD_IF(r) \
    if (rows == r && g->b_col == 1) \
        VEC_SUFFIX(gemm_held_##r)(g, j, odd, to); \
    else if (rows == r) \
        VEC_SUFFIX(gemm_turned_##r)(g, j, odd, to);
    GEMM_HELD_IF(5) GEMM_HELD_IF(6) GEMM_HELD_IF(7) GEMM_HELD_IF(8)
}
#undef TURNED
#undef GEMM_HOLD
#undef GEMM_ONE
#undef GEMM_TURN
#undef GEMM_TURNED
#undef FMA_FROM
#undef GEMM_HELD
#undef GEMM_HELD_BY
#undef GEMM_HELD_IF
#endif

#undef GEMM_FEW_EACH
#undef GEMM_USE
#undef GEMM_FEW_LOAD
#undef GEMM_FEW_STORE
#endif

/* ------------------------------------------------------------- blocks -- */

/* A block on the way through the items: rows i .. i + rows - 1 (0: no more)
 * of the rectangle p with l = from .. from + depth - 1; `item` is the first
 * item behind the rectangle. */
typedef struct VEC_SUFFIX(gemm_place) {
    lh_gemm_part p;
    int64_t item, i, rows, from, depth;
} VEC_SUFFIX(gemm_place);

/* What the blocks share: the packed block of b, those of a (the one in use
 * and the next one), and what tiles ask for.  far: the operands are more than
 * a second-level cache holds. */
typedef struct VEC_SUFFIX(gemm_plan) {
    const lh_gemm_args *g;
    int64_t end;
    bool pack_a, far;
    float *b, *a[2];
    VEC_SUFFIX(gemm_work) w;
    VEC_SUFFIX(gemm_ahead) ahead[2];
} VEC_SUFFIX(gemm_plan);

/* The first of the parts, of about equal size and none above `most`, that
 * `size` is cut into; a multiple of `unit`, as `most` is, or all of it. */
static int64_t VEC_SUFFIX(gemm_even)(int64_t size, int64_t most, int64_t unit)
{
    int64_t parts = (size + most - 1) / most;
    return parts < 2 ? size : (size / parts + unit - 1) / unit * unit;
}

/* Moves on by a block: down the rows, then along l, then to the next
 * rectangle. */
static void VEC_SUFFIX(gemm_next)(const VEC_SUFFIX(gemm_plan) *plan,
                                  VEC_SUFFIX(gemm_place) *q)
{
    const lh_gemm_args *g = plan->g;
    q->i += q->rows;
    if (q->i >= q->p.i + q->p.m) {
        q->from += q->depth;
        if (q->from >= g->k) {
            q->rows = 0;
            if (q->item >= plan->end)
                return;
            q->p = lh_gemm_next(g->m, g->n, q->item, plan->end);
            q->item += q->p.items;
            q->from = 0;
        }
        q->i = q->p.i;
        q->depth = VEC_SUFFIX(gemm_even)(g->k - q->from, GEMM_DEPTH, 16);
    }
    q->rows = VEC_SUFFIX(gemm_even)(q->p.i + q->p.m - q->i, GEMM_HIGH,
                                    GEMM_ROWS);
}

/* b is packed where it lies across, and where enough rows use it that
 * walking its long rows again and again would cost more. */
static bool VEC_SUFFIX(gemm_packs_b)(const VEC_SUFFIX(gemm_plan) *plan,
                                     const VEC_SUFFIX(gemm_place) *q)
{
    return plan->g->k > 0 &&
           (plan->g->b_col != 1 || q->p.m >= 4 * GEMM_ROWS);
}

/* The next tiles are to ask for x[l * row + j * col], l < depth, j < count,
 * one of row and col being 1; twice at most. */
static void VEC_SUFFIX(gemm_see)(VEC_SUFFIX(gemm_plan) *plan, const float *x,
                                 int64_t row, int64_t col, int64_t depth,
                                 int64_t count)
{
    VEC_SUFFIX(gemm_ahead) *to = plan->ahead;
    int64_t chunks = (plan->w.k + GEMM_CHUNK - 1) / GEMM_CHUNK;
    if (!plan->far || depth <= 0 || count <= 0)
        return;
    if (plan->w.ahead)
        to = to->then = to + 1;
    else
        plan->w.ahead = to;
    *to = (VEC_SUFFIX(gemm_ahead)){ .at = (const char *)x };
    if (col == 1) {          /* an l for each chunk, in lines of its row:  */
        to->at += 60;        /* where the first is cut, those behind it    */
        to->wide = (count + 63) / 64;
        to->apart = 64;
        to->step = row * 4;
        to->next = 256;
        to->skip = chunks * to->step - to->wide * to->next;
        to->units = (depth + chunks - 1) / chunks * to->wide;
    } else {                 /* four j from their first l to the last      */
        to->wide = to->units = (count + 3) / 4;
        to->apart = col * 4;
        to->step = 64;
        to->next = 4 * to->apart;
    }
    to->left = to->wide;
}

/* b's panels from column j of the rectangle on, two of them. */
static void VEC_SUFFIX(gemm_see_b)(VEC_SUFFIX(gemm_plan) *plan,
                                   const VEC_SUFFIX(gemm_place) *q, int64_t j)
{
    const lh_gemm_args *g = plan->g;
    VEC_SUFFIX(gemm_see)(plan, g->b + q->from * g->b_row +
                         (q->p.j + j) * g->b_col, g->b_row, g->b_col,
                         q->depth, lh_min64(2 * GEMM_WIDE, q->p.n - j));
}

/* Part t of `parts` of a's block at q: packed into `to`, rows, or columns
 * where a lies across, nearer to each other; or, with `to` NULL, only asked
 * for. */
static void VEC_SUFFIX(gemm_pack_a)(VEC_SUFFIX(gemm_plan) *plan,
                                    const VEC_SUFFIX(gemm_place) *q,
                                    float *to, int64_t t, int64_t parts)
{
    const lh_gemm_args *g = plan->g;
    const float *from = g->a + q->i * g->a_row + q->from * g->a_col;
    bool along = g->a_col == 1;
    int64_t row = along ? g->a_row : g->a_col;
    int64_t pitch = along ? GEMM_PITCH : GEMM_LINE;
    int64_t all = along ? q->rows : q->depth;
    int64_t count = along ? q->depth : q->rows;
    int64_t first = all * t / parts, last = all * (t + 1) / parts;
    from += first * row;
    if (to)
        VEC_SUFFIX(gemm_pack)(to + first * pitch, pitch, from, row, 1,
                              last - first, count);
    else if (along)
        VEC_SUFFIX(gemm_see)(plan, from, 1, row, count, last - first);
    else
        VEC_SUFFIX(gemm_see)(plan, from, row, 1, last - first, count);
}

/* The work of the block at q, whose operands are packed as the plan says. */
static void VEC_SUFFIX(gemm_start)(VEC_SUFFIX(gemm_plan) *plan,
                                   const VEC_SUFFIX(gemm_place) *q)
{
    const lh_gemm_args *g = plan->g;
    VEC_SUFFIX(gemm_work) *w = &plan->w;
    *w = (VEC_SUFFIX(gemm_work)){
        .n = q->p.n, .k = q->depth,
        .a = g->a + q->i * g->a_row + q->from * g->a_col,
        .a_row = g->a_row, .a_col = g->a_col,
        .b = g->b + q->from * g->b_row + q->p.j * g->b_col,
        .b_row = g->b_row, .ragged = true,
        .c = g->c + q->i * g->c_row + q->p.j, .c_row = g->c_row,
        .c_far = g->m * g->n >= (int64_t)1 << 14,
    };
    if (plan->pack_a) {
        w->a = plan->a[0];
        if (g->a_col == 1)
            w->a_row = GEMM_PITCH;
        else
            w->a_col = GEMM_LINE;
    }
    if (VEC_SUFFIX(gemm_packs_b)(plan, q)) {
        w->b = plan->b;
        w->b_row = GEMM_WIDE;
        w->b_panel = (w->k - 1) * GEMM_WIDE;
        w->ragged = false;
    }
    if (q->from > 0 || g->accumulate) {
        w->start = w->c;
        w->start_row = g->c_row;
    } else if (g->bias) {
        w->start = g->bias + q->p.j;
    }
}

/* The block at q, two panels of b at a time, which are packed if it is the
 * first one with these columns and l.  Meanwhile the next panels are asked
 * for, and a part of the next block of a, which is packed behind them. */
static void VEC_SUFFIX(gemm_panels)(VEC_SUFFIX(gemm_plan) *plan,
                                    const VEC_SUFFIX(gemm_place) *q,
                                    const VEC_SUFFIX(gemm_place) *next)
{
    const lh_gemm_args *g = plan->g;
    const int64_t step = 2 * GEMM_WIDE, n = q->p.n;
    const float *from = g->b + q->from * g->b_row + q->p.j * g->b_col;
    const bool packs = VEC_SUFFIX(gemm_packs_b)(plan, q);
    const bool first = packs && q->i == q->p.i;
    VEC_SUFFIX(gemm_work) *w = &plan->w;
    int64_t t = 0, parts = (n + step - 1) / step;
    for (int64_t j = 0; j < n; j += step, t++) {
        w->n = lh_min64(step, n - j);
        for (int64_t i = 0; first && i < w->n; i += GEMM_WIDE)
            VEC_SUFFIX(gemm_pack)(plan->b + (j + i) * w->k, GEMM_WIDE,
                                  from + (j + i) * g->b_col, g->b_row,
                                  g->b_col, w->k,
                                  lh_min64(GEMM_WIDE, w->n - i));
        w->ahead = NULL;
        if (first)
            VEC_SUFFIX(gemm_see_b)(plan, q, j + step);
        if (next->rows)
            VEC_SUFFIX(gemm_pack_a)(plan, next, NULL, t, parts);
        if (next->rows && next->i == next->p.i && t == parts - 1)
            VEC_SUFFIX(gemm_see_b)(plan, next, 0);
        VEC_SUFFIX(gemm_block)(w, q->rows);
        if (next->rows && plan->pack_a)
            VEC_SUFFIX(gemm_pack_a)(plan, next, plan->a[1], t, parts);
        w->b += packs ? step * w->k : step;
        w->c += step;
        if (w->start)
            w->start += step;
    }
}

/* ------------------------------------------------------------- kernel -- */

LH_KERNEL(gemm)
{
    const lh_gemm_args *g = args;
#if VEC_WIDTH == 16
    if (VEC_SUFFIX(gemm_is_held)(g)) {
        VEC_SUFFIX(gemm_held_items)(g, begin, end);
        return;
    }
#endif
#ifndef GENERAL_ALONE
    if (VEC_SUFFIX(gemm_is_small)(g)) {
        VEC_SUFFIX(gemm_small)(g, begin, end, scratch);
        return;
    }
    if (g->m <= GEMM_FEW && g->b_col != 1 && g->k > 0) {
        VEC_SUFFIX(gemm_few)(g, begin, end);
        return;
    }
#endif
    /* a is read in place as fast as packed, unless its rows are whole pages
     * apart and so meet in one set of the cache or, where it lies across,
     * each l is on a page of its own. */
    VEC_SUFFIX(gemm_plan) plan = {
        .g = g, .end = end, .b = scratch,
        .a = { scratch + GEMM_B, scratch + GEMM_B + GEMM_A },
        .far = (g->m + g->n) * g->k + g->m * g->n > (int64_t)1 << 18,
        .pack_a = g->m >= GEMM_ROWS && g->k >= 64 &&
                  (g->a_col == 1 ? g->a_row % 1024 == 0 : g->a_col >= 1024),
    };
    VEC_SUFFIX(gemm_place) q = { .item = begin, .from = g->k }, next;
    VEC_SUFFIX(gemm_next)(&plan, &q);
    if (plan.pack_a && q.rows)
        VEC_SUFFIX(gemm_pack_a)(&plan, &q, plan.a[0], 0, 1);
    for (; q.rows; q = next) {
        next = q;
        VEC_SUFFIX(gemm_next)(&plan, &next);
        VEC_SUFFIX(gemm_start)(&plan, &q);
        float *c = plan.w.c, *packed = plan.a[0];
        VEC_SUFFIX(gemm_panels)(&plan, &q, &next);
        plan.a[0] = plan.a[1];
        plan.a[1] = packed;
        if (SABOTAGED(gemm_lane) && q.p.n > 1) {
            float lane = c[0];
            c[0] = c[1];
            c[1] = lane;
        }
    }
}

#undef GEMM_WIDE
#undef GEMM_LINE
#undef GEMM_PITCH
#undef GEMM_SOME
#undef GEMM_HIGH
#undef GEMM_CHUNK
#undef GEMM_C_LAST
#undef GEMM_FEW
#undef GEMM_A
#undef GEMM_EACH_VECTOR
#undef GEMM_EACH
#undef GEMM_DECLARE
#undef GEMM_LOAD
#undef GEMM_STORE
#undef GEMM_FMA
#undef GEMM_CHAIN
#undef GEMM_STEP
#undef GEMM_STRIP
