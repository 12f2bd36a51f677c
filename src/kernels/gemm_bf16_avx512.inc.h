/* The one row for AVX-512 BF16: products whose operands are bf16.
 *
 * vdpbf16ps adds two products to each float, as two fma: first that of the
 * upper halves, then that of the lower ones (measured on Zen 5; Intel's
 * manual words it so).  So a pair holds element l of the chain above and
 * l + 1 below, and the sum is gemm's chain on the widened operands, bit for
 * bit but for denormals, which the instruction takes for zeros.  Twice an
 * fma's work in one instruction, and two of them issue in a cycle.
 *
 * From the inside out: bf16_product, up to 12 rows x 2 vectors of c in named
 * registers; bf16_pack_*, operands as pairs; gemm_bf16, the kernel: a block
 * of a for all its columns, and panels of b made just before they are read,
 * so that they are near.  Included by rows_avx512.c, for immintrin.h takes
 * half as long to compile as all of this. */
#if defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 10

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")
#endif

/* l in one block: 48 KiB of b and 18 to 24 KiB of a at a time, which come
 * from the second-level cache, two lines with 24 products; what that costs is
 * less than c read and written once more. */
#define BF16_DEPTH 768
#define BF16_ROWS LH_GEMM_BF16_ROWS
/* Columns of a panel of b; floats from row to row of a where it lies along,
 * from pair to pair where across. */
#define BF16_WIDE 32
#define BF16_PITCH (BF16_DEPTH / 2 + 16)
#define BF16_LINE 16
#define BF16_COLUMNS 384               /* that sums are kept of for c narrow */
#define BF16_A (LH_GEMM_BF16_HIGH / BF16_ROWS * BF16_LINE * BF16_DEPTH / 2)
#define BF16_CHUNK 8                   /* pairs between two rows asked for */
#define BF16_B (BF16_WIDE * BF16_DEPTH / 2)
_Static_assert(BF16_A >= LH_GEMM_BF16_HIGH * BF16_PITCH &&
               BF16_A + BF16_B + LH_GEMM_BF16_HIGH * BF16_COLUMNS <=
                   LH_GEMM_SCRATCH,
               "packed pairs do not fit into the scratch");

/* Lines of the cache that tiles ask for on their way, `each` of them with each
 * BF16_CHUNK pairs and `left` in all, into the second-level cache (the first
 * is full of what they multiply): `wide` behind each other, `skip` bytes
 * that nobody wants, and so on; `more` of the first before the skip. */
typedef struct bf16_asks {
    const char *at;
    int64_t wide, skip, more, left, each;
} bf16_asks;

/* Rows of pairs: where a tile begins, from row to row and pair to pair. */
typedef struct bf16_work {
    const uint32_t *a;
    int64_t a_row, a_col, pairs;
    const uint32_t *b;
    const float *start;                /* NULL: +0                         */
    int64_t start_row;
    float *c;
    int64_t c_row;
    uint16_t *half;                    /* where c is rounded to, or NULL   */
    int64_t half_row;
    bool past;                         /* c goes past the caches           */
    const char *next;                  /* what the next tile will write,   */
    int64_t next_row;                  /* bytes from row to row            */
    bf16_asks *asks;                   /* the next panel of b              */
} bf16_work;

static inline __attribute__((always_inline)) void bf16_ask(bf16_asks *s)
{
    for (int64_t n = lh_min64(s->each, s->left); n > 0; n--) {
        __builtin_prefetch(s->at, 0, 2);
        s->left--;
        s->at += 64;
        if (--s->more == 0) {
            s->at += s->skip;
            s->more = s->wide;
        }
    }
}

static inline __mmask16 bf16_mask(int64_t n)
{
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1u) : 0;
}

/* --------------------------------------------------------------- tile -- */

#define BF16_EACH(X, to) \
    X(0, to) X(1, to) X(2, to) X(3, to) X(4, to) X(5, to) X(6, to) X(7, to) \
    X(8, to) X(9, to) X(10, to) X(11, to)
#define BF16_DECLARE(r, to) __m512 c##r##_0 = zero, c##r##_1 = zero;
#define BF16_STEP(r, to) \
    if (r < rows) { \
        __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[r * a_row]); \
        c##r##_0 = _mm512_dpbf16_ps(c##r##_0, x, b0); \
        if (vecs > 1) \
            c##r##_1 = _mm512_dpbf16_ps(c##r##_1, x, b1); \
    }
/* Reads or writes a row, one vector `v` at a time: `to`. */
#define BF16_MOVE(r, to) \
    if (r < rows && r < m) { \
        to(r, 0, first) \
        if (vecs > 1) \
            to(r, 1, second) \
    }
#define BF16_LOAD(r, v, mask) \
    c##r##_##v = _mm512_maskz_loadu_ps(mask, start + r * start_row + 16 * v);
#define BF16_ROUND(r, v, mask) \
    _mm256_mask_storeu_epi16(half + r * half_row + 16 * v, mask, \
                             (__m256i)_mm512_cvtneps_pbh(c##r##_##v));
#define BF16_PAST(r, v, mask) \
    _mm512_stream_ps(c + r * c_row + 16 * v, c##r##_##v);
#define BF16_STORE(r, v, mask) \
    _mm512_mask_storeu_ps(c + r * c_row + 16 * v, mask, c##r##_##v);

/* m rows, at most `rows`, and n columns, at most 16 * vecs.  rows and vecs
 * are constants where it is called.  Rows behind m compute on what lies
 * there and are dropped. */
static inline __attribute__((always_inline)) void
bf16_product(const bf16_work *w, int64_t m, int64_t n, int rows, int vecs)
{
    const __mmask16 first = bf16_mask(n), second = bf16_mask(n - 16);
    const __m512 zero = _mm512_setzero_ps();
    const int64_t a_row = w->a_row, a_col = w->a_col, c_row = w->c_row;
    const uint32_t *a = w->a, *b = w->b;
    float *c = w->c;
    BF16_EACH(BF16_DECLARE, )
    if (w->start) {
        const float *start = w->start;
        const int64_t start_row = w->start_row;
        BF16_EACH(BF16_MOVE, BF16_LOAD)
    }
    const char *next = w->next;
    const int64_t next_row = w->next_row;
    const bool past = w->past;
    /* Row by row: all at once would keep the reads of a and b waiting. */
    for (int64_t l = w->pairs; l > 0; l -= BF16_CHUNK) {
        int64_t run = lh_min64(l, BF16_CHUNK);
        if (!past) {
            __builtin_prefetch(next, 0, 2);
            __builtin_prefetch(next + 64, 0, 2);
            next += next_row;
        }
        bf16_ask(w->asks);
        do {
            __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = b0;
            if (vecs > 1)
                b1 = (__m512bh)_mm512_loadu_si512(b + 16);
            BF16_EACH(BF16_STEP, )
            a += a_col;
            b += BF16_WIDE;
        } while (--run);
    }
    if (w->half) {
        uint16_t *half = w->half;
        const int64_t half_row = w->half_row;
        BF16_EACH(BF16_MOVE, BF16_ROUND)
    } else if (past) {
        BF16_EACH(BF16_MOVE, BF16_PAST)
    } else {
        BF16_EACH(BF16_MOVE, BF16_STORE)
    }
}

#define BF16_TILE(rows, vecs) \
static void bf16_tile_##rows##_##vecs(const bf16_work *w, int64_t m, \
                                      int64_t n) \
{ \
    bf16_product(w, m, n, rows, vecs); \
}
BF16_TILE(12, 2) BF16_TILE(12, 1) BF16_TILE(4, 2) BF16_TILE(4, 1)

static void bf16_tile(const bf16_work *w, int64_t m, int64_t n)
{
    if (m > 4)
        (n > 16 ? bf16_tile_12_2 : bf16_tile_12_1)(w, m, n);
    else
        (n > 16 ? bf16_tile_4_2 : bf16_tile_4_1)(w, m, n);
}

/* ------------------------------------------------------------ packing -- */

/* Up to 32 elements, zeros behind them. */
static inline __m512i bf16_load(const uint16_t *from, int64_t count)
{
    if (count >= 32)
        return _mm512_loadu_si512(from);
    return _mm512_maskz_loadu_epi16(
        count > 0 ? (__mmask32)((1u << count) - 1u) : 0, from);
}

/* The same of b, whose floats are rounded. */
static inline __m512i bf16_load_b(const void *from, int64_t at,
                                  int64_t count, bool wide)
{
    const float *x = (const float *)from + at;
    if (!wide)
        return bf16_load((const uint16_t *)from + at, count);
    return (__m512i)_mm512_cvtne2ps_pbh(
        _mm512_maskz_loadu_ps(bf16_mask(count - 16), x + 16),
        _mm512_maskz_loadu_ps(bf16_mask(count), x));
}

/* Pairs of the lines `above` and `below`: columns 0..15 and 16..31. */
static inline void bf16_interleave(uint32_t *to, __m512i above,
                                   __m512i below)
{
    static const uint16_t order[32] = {
        0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39,
        8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47
    };
    __m512i low = _mm512_loadu_si512(order);
    __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(below, low, above));
    _mm512_storeu_si512(to + 16, _mm512_permutex2var_epi16(below, high,
                                                           above));
}

/* Four vectors of 16 floats turned over within each 128 bits. */
static inline void bf16_turn4(__m512i r[4])
{
    __m512i a = _mm512_unpacklo_epi32(r[0], r[1]);
    __m512i b = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i c = _mm512_unpacklo_epi32(r[2], r[3]);
    __m512i d = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(a, c);
    r[1] = _mm512_unpackhi_epi64(a, c);
    r[2] = _mm512_unpacklo_epi64(b, d);
    r[3] = _mm512_unpackhi_epi64(b, d);
}

/* to[l * BF16_WIDE + j] = pair l of line j, element 2 l of it above, for 16
 * lines `stride` apart from the element `at` of b on, of which those from
 * `lines` on are zeros, and 16 pairs. */
static inline void bf16_transpose(uint32_t *to, const void *from, int64_t at,
                                  int64_t stride, int64_t lines,
                                  int64_t count, bool wide)
{
    __m512i r[16];
    for (int j = 0; j < 16; j++)
        r[j] = _mm512_rol_epi32(bf16_load_b(from, at + j * stride,
                                            j < lines ? count : 0, wide), 16);
    for (int j = 0; j < 16; j += 4)
        bf16_turn4(r + j);
    for (int l = 0; l < 4; l++) {
        __m512i a = _mm512_shuffle_i32x4(r[l], r[4 + l], 0x44);
        __m512i b = _mm512_shuffle_i32x4(r[l], r[4 + l], 0xee);
        __m512i c = _mm512_shuffle_i32x4(r[8 + l], r[12 + l], 0x44);
        __m512i d = _mm512_shuffle_i32x4(r[8 + l], r[12 + l], 0xee);
        uint32_t *t = to + l * BF16_WIDE;
        _mm512_storeu_si512(t, _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_storeu_si512(t + 4 * BF16_WIDE,
                            _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_storeu_si512(t + 8 * BF16_WIDE,
                            _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_storeu_si512(t + 12 * BF16_WIDE,
                            _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

/* A panel of b: n columns from j on, at most BF16_WIDE, and k elements of the
 * chain from `first` on. */
static void bf16_pack_b(uint32_t *to, const lh_gemm_bf16_args *g, int64_t j,
                        int64_t first, int64_t n, int64_t k)
{
    const void *from = lh_gemm_bf16_b(g, first, j);
    const int64_t row = g->b_row, col = g->b_col;
    const bool wide = g->wide;
    if (col == 1) {
        for (int64_t l = 0; l < k; l += 2)
            bf16_interleave(to + l / 2 * BF16_WIDE,
                            bf16_load_b(from, l * row, n, wide),
                            bf16_load_b(from, (l + 1) * row,
                                        l + 1 < k ? n : 0, wide));
        return;
    }
    for (int64_t l = 0; l < k; l += 32)
        for (int64_t i = 0; i < n; i += 16)
            bf16_transpose(to + l / 2 * BF16_WIDE + i, from, i * col + l,
                           col, n - i, k - l, wide);
}

/* What that will read, or nothing: n below 1. */
static bf16_asks bf16_ask_b(const lh_gemm_bf16_args *g, int64_t j, int64_t l,
                            int64_t n, int64_t k)
{
    bool across = g->b_col == 1;
    int64_t size = g->wide ? 4 : 2, wide = ((across ? n : k) * size + 63) / 64;
    return (bf16_asks){
        .at = lh_gemm_bf16_b(g, l, j), .wide = wide, .more = wide,
        .skip = (across ? g->b_row : g->b_col) * size - wide * 64,
        .left = n < 1 ? 0 : wide * (across ? k : n),
    };
}

/* The rows of `mask`, which lie side by side, of k lines. */
static inline void bf16_pack_strip(uint32_t *to, const uint16_t *line,
                                   int64_t col, __mmask16 mask, int64_t k)
{
    for (int64_t l = 0; l < k; l += 2, line += 2 * col, to += BF16_LINE) {
        __m512i above = _mm512_cvtepu16_epi32(
            _mm256_maskz_loadu_epi16(mask, line));
        __m512i below = _mm512_cvtepu16_epi32(
            _mm256_maskz_loadu_epi16(l + 1 < k ? mask : 0, line + col));
        _mm512_storeu_si512(
            to, _mm512_or_si512(_mm512_slli_epi32(above, 16), below));
    }
}

/* A block of a: m rows, k elements.  Along: lines of pairs BF16_PITCH apart;
 * across: for each strip of BF16_ROWS rows its pairs, BF16_LINE apart. */
static void bf16_pack_a(uint32_t *to, const uint16_t *from, int64_t row,
                        int64_t col, int64_t m, int64_t k)
{
    if (col == 1) {
        for (int64_t i = 0; i < m; i++)
            for (int64_t l = 0; l < k; l += 32) {
                const uint16_t *later = from + lh_min64(i + 4, m - 1) * row;
                _mm_prefetch((const char *)(later + l), _MM_HINT_T0);
                _mm512_storeu_si512(
                    to + i * BF16_PITCH + l / 2, _mm512_rol_epi32(
                        bf16_load(from + i * row + l, k - l), 16));
            }
        return;
    }
    /* Few lines at a time: those of the next strip are theirs as well, and
     * far apart, where few sets of the first-level cache hold them. */
    for (int64_t at = 0; at < k; at += 16)
        for (int64_t i = 0; i < m; i += BF16_ROWS)
            bf16_pack_strip(to + i / BF16_ROWS * BF16_LINE * (BF16_DEPTH / 2) +
                                at / 2 * BF16_LINE,
                            from + i + at * col, col,
                            bf16_mask(lh_min64(BF16_ROWS, m - i)),
                            lh_min64(16, k - at));
}

/* ------------------------------------------------------------- kernel -- */

/* Columns j .. j + n - 1 of a rectangle, over l = from..to-1, a packed; `last`
 * is asked for by the last panel. */
static void bf16_columns(const lh_gemm_bf16_args *g, const lh_gemm_part *p,
                         int64_t j, int64_t n, int64_t from, int64_t to,
                         const bf16_asks *last, const uint32_t *a,
                         uint32_t *b, float *sum)
{
    bool along = g->a_col == 1;
    bf16_work w = {
        .b = b, .a_row = along ? BF16_PITCH : 1,
        .a_col = along ? 1 : BF16_LINE, .pairs = (to - from + 1) / 2,
        .c_row = g->narrow ? BF16_COLUMNS : g->c_row, .half_row = g->c_row,
    };
    int64_t strip = along ? BF16_ROWS * BF16_PITCH
                          : BF16_LINE * (BF16_DEPTH / 2);
    bool past = g->past && !g->narrow && !g->accumulate &&
                to - from == g->k && g->c_row % 16 == 0 &&
                (uintptr_t)g->c % 64 == 0;
    int64_t slots = lh_max64(1, w.pairs / BF16_CHUNK) *
                    ((p->m + BF16_ROWS - 1) / BF16_ROWS);
    for (int64_t at = 0; at < n; at += BF16_WIDE) {
        int64_t wide = lh_min64(BF16_WIDE, n - at);
        float *c = g->narrow ? sum + at
                             : (float *)g->c + p->i * g->c_row + j + at;
        bf16_asks asks = *last;
        bf16_pack_b(b, g, j + at, from, wide, to - from);
        if (at + wide < n)
            asks = bf16_ask_b(g, j + at + wide, from,
                              lh_min64(BF16_WIDE, n - at - wide), to - from);
        asks.each = (asks.left + slots - 1) / slots;
        w.asks = &asks;
        w.past = past && wide == BF16_WIDE;
        for (int64_t i = 0; i < p->m; i += BF16_ROWS) {
            w.a = a + i / BF16_ROWS * strip;
            w.c = c + i * w.c_row;
            bool below = i + BF16_ROWS < p->m;
            w.next = (const char *)(below ? w.c + BF16_ROWS * w.c_row
                                          : c + BF16_WIDE);
            w.next_row = w.c_row * 4;
            if (g->narrow && to == g->k) {
                uint16_t *half = (uint16_t *)g->c + p->i * g->c_row + j + at;
                w.half = half + i * g->c_row;
                w.next = (const char *)(below
                    ? w.half + BF16_ROWS * g->c_row : half + BF16_WIDE);
                w.next_row = g->c_row * 2;
            }
            w.start = from > 0 || g->accumulate ? w.c
                    : g->bias ? g->bias + j + at : NULL;
            w.start_row = from > 0 || g->accumulate ? w.c_row : 0;
            bf16_tile(&w, lh_min64(BF16_ROWS, p->m - i), wide);
        }
    }
}

static void gemm_bf16_avx512_bf16(const void *args, int64_t begin,
                                  int64_t end, float *scratch)
{
    const lh_gemm_bf16_args *g = args;
    uint32_t *a = (uint32_t *)(void *)scratch, *b = a + BF16_A;
    float *sum = scratch + BF16_A + BF16_B;
    int64_t blocks = lh_max64(1, (g->k + BF16_DEPTH - 1) / BF16_DEPTH);
    int64_t deep = ((g->k + blocks - 1) / blocks + 31) / 32 * 32;
    while (begin < end) {
        lh_gemm_part p = lh_gemm_bf16_next(g->m, g->n, begin, end);
        for (int64_t j = 0; j < p.n; j += BF16_COLUMNS) {
            int64_t n = lh_min64(BF16_COLUMNS, p.n - j), from = 0;
            do {
                int64_t to = lh_min64(from + deep, g->k);
                if (to < g->k || from > 0 || j == 0)
                    bf16_pack_a(a, g->a + p.i * g->a_row + from * g->a_col,
                                g->a_row, g->a_col, p.m, to - from);
                /* Next come the same columns or those behind them. */
                int64_t later = to < g->k ? j : j + n;
                int64_t l = to < g->k ? to : 0;
                bf16_asks last = bf16_ask_b(
                    g, p.j + later, l, lh_min64(BF16_WIDE, p.n - later),
                    lh_min64(deep, g->k - l));
                bf16_columns(g, &p, p.j + j, n, from, to, &last, a, b, sum);
                from = to;
            } while (from < g->k);
        }
        begin += p.items;
    }
    if (g->past)
        _mm_sfence();
}

LH_INTERNAL void lh_rows_avx512_bf16(lh_kernel_fn *fn[LH_KERNEL_COUNT])
{
    fn[LH_KERNEL_gemm_bf16] = gemm_bf16_avx512_bf16;
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#undef BF16_DEPTH
#undef BF16_ROWS
#undef BF16_WIDE
#undef BF16_PITCH
#undef BF16_LINE
#undef BF16_COLUMNS
#undef BF16_A
#undef BF16_B
#undef BF16_CHUNK
#undef BF16_EACH
#undef BF16_DECLARE
#undef BF16_LOAD
#undef BF16_STEP
#undef BF16_MOVE
#undef BF16_ROUND
#undef BF16_PAST
#undef BF16_STORE
#undef BF16_TILE

#else

LH_NO_ROWS(avx512_bf16)

#endif
