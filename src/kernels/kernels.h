/* The kernel table: every piece of arithmetic that touches whole tensors.
 *
 * A kernel is a function over raw pointers and sizes that works on the items
 * begin..end-1 of its range; kernels.def lists them, this header gives each
 * one's arguments and its exact arithmetic.  plain.c holds them in plain C,
 * short and naive: the oracle.  rows_<isa>.c makes the same kernels from the
 * templates *.inc.h, once per instruction set.  Whatever fills a slot gives
 * the same bytes as plain C, for any split of its items among threads.
 *
 * Read next: plain.c, then gemm.inc.h, then table.c.
 *
 * Vocabulary of the comments below.  "Chain over i": one accumulator, i
 * ascending, one fma each.  "Lanes over i": 64 accumulators starting at +0,
 * element i goes into lane i mod 64 (by fma for products, by + for sums, by
 * max for maxima, which start at -inf), then lane j takes lane j+32, j+16,
 * j+8, j+4, j+2, j+1 in turn; lane 0 is the result.  max(a, b) is
 * a > b ? a : b.  A gradient that is added to and is a sum's `first` part is
 * taken for +0 and not read.  All rows are contiguous unless a stride is
 * given; strides count floats.
 */
#pragma once

#include "base/base.h"

/* ---------------------------------------------------------- the table -- */

/* Does the items begin..end-1 of the work that `args` describes.  `scratch`
 * is private to the calling thread: as many floats as the launch asked for,
 * aligned to LH_ALIGN, of undefined content.  Cannot fail. */
typedef void lh_kernel_fn(const void *args, int64_t begin, int64_t end,
                          float *scratch);

/* The head of one in plain.c and in the templates, which are made for each
 * instruction set; and its first line, where it takes no scratch. */
#define LH_KERNEL(name) \
    static void VEC_SUFFIX(name)(const void *args, int64_t begin, \
                                 int64_t end, float *scratch)
/* A part of kernels; gcc takes no others over into a region of other
 * options. */
#define LANES_INLINE static inline __attribute__((always_inline))
/* What lanes.inc.h reduces; its lanes_step() says by which formula. */
enum { LANES_SUM, LANES_MAX, LANES_DOT, LANES_CENTRED, LANES_DOT3, LANES_SUM2,
       LANES_DOT3_N, LANES_MAX_BY };
#define LH_KERNEL_ARGS(type) \
    const lh_##type##_args *a = args; \
    (void)scratch

/* From so many floats on, 32 MiB, a result has left most CPUs' caches before
 * anyone reads it.  What is not read first may then be stored past them: its
 * lines are not fetched, a third of what a norm would move. */
enum { LH_PAST = 1 << 23 };

/* The slots. */
typedef enum lh_kernel {
#define KERNEL(name, doc) LH_KERNEL_##name,
#include "kernels/kernels.def"
    LH_KERNEL_COUNT
} lh_kernel;

/* The instruction sets, from the least to the most.  A row of the table is
 * (kernel, isa); where an isa has no row of its own for a kernel the next
 * lower one that has serves.  Names are what LONGHAND_CPU takes. */
#define LH_ISAS(X) \
    X(c,      "plain C: the oracle, on every CPU") \
    X(sse2,   "SSE2: every x86-64; 4 floats, fma emulated") \
    X(neon,   "AArch64 Advanced SIMD, 4 floats") \
    X(neon_bf16, "AArch64 with products of bf16: these alone") \
    X(avx2,   "AVX2 and FMA, 8 floats") \
    X(avx512, "AVX-512 F, BW, DQ and VL, 16 floats") \
    X(avx512_bf16, "AVX-512 with products of bf16: these alone")

typedef enum lh_isa {
#define LH_X(name, doc) LH_ISA_##name,
    LH_ISAS(LH_X)
#undef LH_X
    LH_ISA_COUNT
} lh_isa;

/* An immutable table: what a context calls through. */
typedef struct lh_kernels {
    lh_isa isa;                            /* the best that is in use      */
    lh_kernel_fn *fn[LH_KERNEL_COUNT];     /* never NULL                   */
    lh_isa row[LH_KERNEL_COUNT];           /* where each fn comes from     */
    uint32_t failed;                       /* bit per isa: self-test failed */
} lh_kernels;

/* The table for the CPU, no higher than `cpu` (a name of LH_ISAS; NULL: the
 * environment variable LONGHAND_CPU, and without one no limit).  Built once
 * per limit in the whole process, immutable, never freed; NULL with
 * LH_ERROR_ARGUMENT in ctx for an unknown name or one that this CPU does not
 * have.  Any thread. */
LH_INTERNAL const lh_kernels *lh_kernels_get(lh_context *ctx,
                                             const char *cpu);

/* lh_rows_<isa>() fills in the rows that an instruction set has of its own, in
 * a file of its own; lh_rows_c() fills all.  LH_NO_ROWS: one that this machine
 * cannot have. */
#define LH_X(name, doc) \
    LH_INTERNAL void lh_rows_##name(lh_kernel_fn *fn[LH_KERNEL_COUNT]);
LH_ISAS(LH_X)
#undef LH_X
#define LH_NO_ROWS(name) \
    LH_INTERNAL void lh_rows_##name(lh_kernel_fn *fn[LH_KERNEL_COUNT]) \
    { \
        (void)fn; \
    }

/* "gemm", "relu_backward", ... */
LH_INTERNAL const char *lh_kernel_name(lh_kernel kernel);
LH_INTERNAL const char *lh_isa_name(lh_isa isa);

/* Runs a kernel over items 0..items-1 with the context's rows and threads.
 * `cost` is the work of one item in units of a fused multiply-add: it
 * decides whether threads pay.  Fails only for want of scratch memory. */
LH_INTERNAL lh_status lh_launch(lh_context *ctx, lh_kernel kernel,
                                const void *args, int64_t items,
                                int64_t cost, int64_t scratch_floats);

/* The same where some of the tensors that args point to are in bf16: those
 * among half[0..halves-1].  In mixed.c: the kernel sees floats, widened and
 * rounded in the scratch; not for the products, gemm_bf16 and the like. */
LH_INTERNAL lh_status lh_launch_mixed(lh_context *ctx, lh_kernel kernel,
                                      const void *args, int64_t items,
                                      int64_t cost, int64_t scratch_floats,
                                      const void *const *half, int halves);

/* lh_launch() of fn in the kernel's place. */
LH_INTERNAL lh_status lh_launch_function(lh_context *ctx, lh_kernel_fn *fn,
                                         lh_kernel kernel, const void *args,
                                         int64_t items, int64_t cost,
                                         int64_t scratch_floats);

/* The least work that a thread is woken for where the rows are of `isa`: a
 * context's `grain`, which tests lower so that small work is split too. */
LH_INTERNAL int64_t lh_launch_grain(lh_isa isa);
/* The cost of an element that is only read and written. */
enum { LH_COPY_COST = 8 };

/* --------------------------------------------------------- arguments -- */

/* c[i][j] = chain over l in 0..k-1 of a[i][l] * b[l][j], which starts from
 * c[i][j] where `accumulate`, else from bias[j] (bias NULL: from +0).
 * a[i][l] is a[i * a_row + l * a_col], likewise b[l][j]; one of b_row, b_col
 * is 1 and one of a_row, a_col is 1.  c does not overlap a or b.  k = 0
 * stores the start.  y = x W^T is a = x, b_row = 1, b_col = k.
 * Items: lh_gemm_items() rectangles of c, numbered panel by panel of columns,
 * from the top to the bottom of each: lh_gemm_next().  Scratch:
 * LH_GEMM_SCRATCH floats. */
typedef struct lh_gemm_args {
    int64_t m, n, k;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row, b_col;
    float *c;
    int64_t c_row;
    const float *bias;                     /* [n] or NULL                  */
    bool accumulate;
} lh_gemm_args;

/* An item is LH_GEMM_DOWN rows of a panel of at most LH_GEMM_PANEL columns,
 * or 6 * LH_GEMM_TILE below LH_GEMM_TALL rows, whose part of c then stays in a
 * second-level cache; where c has no more than LH_GEMM_FLAT rows, all of
 * LH_GEMM_TILE columns. */
#define LH_GEMM_TILE 64
#define LH_GEMM_PANEL (12 * LH_GEMM_TILE)
#define LH_GEMM_DOWN 48
#define LH_GEMM_FLAT 96
#define LH_GEMM_TALL 768
#define LH_GEMM_SCRATCH ((LH_GEMM_PANEL + 2 * 112) * 1024)
static inline int64_t lh_gemm_down(int64_t m)
{
    return m <= LH_GEMM_FLAT ? LH_GEMM_FLAT : LH_GEMM_DOWN;
}

/* Panels of columns, of about equal width, an even number of them so that two
 * threads need not pack the same one; but one where rows are many and columns
 * few, which two threads share by rows. */
static inline int64_t lh_gemm_panels(int64_t m, int64_t n)
{
    if (m <= LH_GEMM_FLAT || n <= LH_GEMM_TILE)
        return (n + LH_GEMM_TILE - 1) / LH_GEMM_TILE;
    int64_t wide = m >= LH_GEMM_TALL ? LH_GEMM_PANEL : 6 * LH_GEMM_TILE;
    int64_t panels = (n + wide - 1) / wide;
    return m >= LH_GEMM_TALL && panels == 1 ? 1 : panels + panels % 2;
}

/* Where panel p of so many begins: at a multiple of half a tile, or of a
 * quarter (of a vector, the widest) where there are two, so that each thread
 * has as much of 352 columns as the other. */
static inline int64_t lh_gemm_column(int64_t m, int64_t n, int64_t p,
                                     int64_t panels)
{
    int64_t unit = m <= LH_GEMM_FLAT ? LH_GEMM_TILE
                                     : LH_GEMM_TILE / (panels == 2 ? 4 : 2);
    int64_t units = m <= LH_GEMM_FLAT ? panels : (n + unit - 1) / unit;
    return lh_min64(units * p / panels * unit, n);
}

static inline int64_t lh_gemm_items(int64_t m, int64_t n)
{
    int64_t down = lh_gemm_down(m);
    return (m + down - 1) / down * lh_gemm_panels(m, n);
}

/* The rectangle of c that the first `items` of some items make: rows i ..
 * i + m - 1, columns j .. j + n - 1, n no more than LH_GEMM_PANEL.  Whoever
 * does items that follow each other packs little for much work. */
typedef struct lh_gemm_part {
    int64_t items, i, m, j, n;
} lh_gemm_part;

/* The first rectangle of the items begin..end-1: whole panels together, so
 * that a thread alone packs a once for all of them. */
static inline lh_gemm_part lh_gemm_next(int64_t m, int64_t n, int64_t begin,
                                        int64_t end)
{
    int64_t down = lh_gemm_down(m), panels = lh_gemm_panels(m, n);
    int64_t rows = (m + down - 1) / down;
    int64_t panel = begin / rows, row = begin - panel * rows;
    int64_t most = rows > 1 ? rows - row : LH_GEMM_PANEL / LH_GEMM_TILE;
    lh_gemm_part p = { .items = lh_min64(end - begin, most),
                       .i = row * down };
    int64_t next = panel + (rows > 1 ? 1 : p.items);
    p.j = lh_gemm_column(m, n, panel, panels);
    while (rows > 1 && p.items % rows == 0 &&
           end - begin - p.items >= rows &&
           lh_gemm_column(m, n, next + 1, panels) - p.j <= LH_GEMM_PANEL) {
        p.items += rows;
        next++;
    }
    p.m = lh_min64(rows > 1 ? p.items * down : down, m - p.i);
    p.n = lh_gemm_column(m, n, next, panels) - p.j;
    return p;
}

/* gemm on operands in bf16 (bf16.h), which are widened: the same chain, kept
 * in float.  `narrow`: c is bf16 and gets the chain rounded once; never with
 * `accumulate`.  `wide`: b is float, and rounded to bf16 as it is read.
 * `past`: nobody reads c before it has left the caches.
 * Outside the promise of equal bytes: a row made of the CPU's own bf16
 * instructions may take denormals for zeros (avx512_bf16 does, and is the
 * same elsewhere), and may add in another order (neon_bf16).  What a row gives
 * for one element of c depends on that element's operands alone; and a chain
 * over l cut anywhere in two, accumulated, is the whole chain where a_row = 1:
 * rows of a batch may come in parts.
 * Items: lh_gemm_bf16_items() blocks of rows x LH_GEMM_TILE columns of c,
 * block by block: lh_gemm_bf16_next().  Scratch: LH_GEMM_SCRATCH. */
typedef struct lh_gemm_bf16_args {
    int64_t m, n, k;
    const uint16_t *a;
    int64_t a_row, a_col;
    const void *b;                         /* uint16_t, or float: wide     */
    int64_t b_row, b_col;
    void *c;                               /* float, or uint16_t: narrow   */
    int64_t c_row;
    const float *bias;                     /* [n] or NULL                  */
    bool accumulate, narrow, wide, past;
} lh_gemm_bf16_args;

/* Rows of a block at most, and of what all but the last are multiples. */
#define LH_GEMM_BF16_HIGH 288
#define LH_GEMM_BF16_ROWS 12
static inline int64_t lh_gemm_bf16_high(int64_t m)
{
    int64_t blocks = (m + LH_GEMM_BF16_HIGH - 1) / LH_GEMM_BF16_HIGH;
    int64_t rows = (m + blocks - 1) / blocks;
    return (rows + LH_GEMM_BF16_ROWS - 1) / LH_GEMM_BF16_ROWS *
           LH_GEMM_BF16_ROWS;
}

static inline int64_t lh_gemm_bf16_items(int64_t m, int64_t n)
{
    int64_t high = lh_gemm_bf16_high(m);
    return (m + high - 1) / high * ((n + LH_GEMM_TILE - 1) / LH_GEMM_TILE);
}

/* Where b[l][j] is. */
static inline const void *lh_gemm_bf16_b(const lh_gemm_bf16_args *g,
                                         int64_t l, int64_t j)
{
    return (const char *)g->b +
           (l * g->b_row + j * g->b_col) * (g->wide ? 4 : 2);
}

/* The first rectangle of the items begin..end-1: columns of one block. */
static inline lh_gemm_part lh_gemm_bf16_next(int64_t m, int64_t n,
                                             int64_t begin, int64_t end)
{
    int64_t across = (n + LH_GEMM_TILE - 1) / LH_GEMM_TILE;
    int64_t high = lh_gemm_bf16_high(m), block = begin / across;
    int64_t column = begin - block * across;
    lh_gemm_part p = { .items = lh_min64(across - column, end - begin),
                       .i = block * high, .j = column * LH_GEMM_TILE };
    p.m = lh_min64(high, m - p.i);
    p.n = lh_min64(p.items * LH_GEMM_TILE, n - p.j);
    return p;
}

/* y[i] = x[i] as float, or as bf16.  Items: elements. */
typedef struct lh_widen_args {
    const uint16_t *x;
    float *y;
} lh_widen_args;

typedef struct lh_narrow_args {
    const float *x;
    uint16_t *y;
} lh_narrow_args;

/* sum[j] += x[0][j], x[1][j], ... in that order, by addition (bias
 * gradients).  Items: columns. */
typedef struct lh_sum_rows_args {
    const float *x;                        /* [rows, columns]              */
    float *sum;                            /* [columns]                    */
    int64_t rows, columns;
} lh_sum_rows_args;

/* y[i] = table[ids[i]], + places[place_ids[i]] unless that is NULL.  Forward's
 * items: rows i.  Backward, of one table: dtable[ids[i]][j] += dy[i][j], i
 * ascending; items: columns j. */
typedef struct lh_embedding_args {
    const int32_t *ids;                    /* [rows], each below vocabulary */
    int64_t rows, columns;
    const float *table;                    /* [vocabulary, columns]        */
    const int32_t *place_ids;              /* [rows]                       */
    const float *places;                   /* [its rows, columns] or NULL  */
    float *y;                              /* [rows, columns]              */
    const float *dy;
    float *dtable;
} lh_embedding_args;

/* Root mean square norm (Zhang, Sennrich 2019) of each row x of C values:
 *   q = lanes over j of x[j] * x[j];   r = 1 / sqrt(q / C + eps)
 *   y[j] = (x[j] * r) * gain[j]                   (gain NULL: x[j] * r)
 * Backward, with h[j] = dy[j] * gain[j] (gain NULL: dy[j]):
 *   d = lanes over j of h[j] * x[j];   e = d * r * r / C  (left to right)
 *   dx[j] += fnma(x[j], e, h[j]) * r    by dx = fma(that fnma, r, dx)
 * Backward for the gain, items: columns:
 *   dgain[j] = chain over rows of dy[j] * (x[j] * r), from dgain[j]
 * Layer norm (Ba, Kiros, Hinton 2016), in the same arguments:
 *   m = lanes over j of x[j] (sums) / C;  c[j] = x[j] - m
 *   q = lanes over j of c[j] * c[j];   r = 1 / sqrt(q / C + eps)
 *   n[j] = c[j] * r;  y[j] = fma(n[j], gain[j], bias[j])  (bias NULL: the
 *   product alone; gain NULL: n[j], then + bias[j] if there is one)
 * Backward: h as above; s = lanes over j of h[j] (sums) / C;
 *   d = lanes over j of h[j] * n[j], / C;
 *   dx[j] = fma(fnma(n[j], d, h[j] - s), r, dx[j])
 * and dgain[j] = chain over rows of dy[j] * n[j]; dbias[j] += dy[j] by rows.
 * 1/sqrt is the rsqrt of math.inc.h.  Items: rows (columns for _gain). */
typedef struct lh_norm_args {
    const float *x;                        /* [rows, columns]              */
    const float *gain, *bias;              /* [columns] or NULL            */
    float eps;
    int64_t rows, columns;
    float *y;                              /* [rows, columns]              */
    float *mean;                           /* [rows]; layer norm alone     */
    float *scale;                          /* [rows]: r                    */
    const float *dy;
    float *dx;                             /* [rows, columns]              */
    bool first;                            /* of dx                        */
    bool past;                             /* y, dx: LH_PAST floats        */
    float *dgain, *dbias;                  /* [columns], each may be NULL  */
} lh_norm_args;

/* Rotary positions (Su et al. 2021), halves paired as Hugging Face's Llama
 * does: in each head of D values, i < D/2, with c, s of row positions[row]:
 *   y[i]     = fnma(x[i+D/2], s, x[i] * c)
 *   y[i+D/2] = fma (x[i],     s, x[i+D/2] * c)
 * Backward turns dy the other way and adds:
 *   dx[i]     += fma (dy[i+D/2], s, dy[i] * c)
 *   dx[i+D/2] += fnma(dy[i],     s, dy[i+D/2] * c)
 * fnma(a, b, c) is -(a * b) + c in one rounding.  Items: rows. */
typedef struct lh_rotary_args {
    const float *x;                        /* [rows, heads * D]            */
    const int32_t *positions;              /* [rows], each below T         */
    const float *cosine, *sine;            /* [T, D/2]                     */
    int64_t rows, heads, head_size;
    float *y;
    const float *dy;
    float *dx;
    bool first;
} lh_rotary_args;

/* One document's part of a batch: `count` rows of queries from row q_row,
 * whose keys and values are the rows k_row .. k_row + past + count - 1; the
 * query i of the document's rows sees its keys 0 .. past + i. */
typedef struct lh_span {
    int64_t q_row, count, k_row, past;
} lh_span;

/* Causal attention with grouped heads; query head h uses key/value head
 * h / (heads / kv_heads).  For a query q and its keys j = 0 .. n-1:
 *   s[j] = (chain over d of q[d] * k[j][d], from +0) * scale
 *   m = lanes over j, max, of s[j];  e[j] = exp(s[j] - m)
 *   z = lanes over j of e[j] (sums);  r = 1 / z
 *   y[d] = (chain over j of e[j] * v[j][d], from +0) * r
 * stats keeps m and r.  Forward's items: span * heads + h.
 * Backward recomputes e from m, and with p[j] = e[j] * r:
 *   D = lanes over d of dy[d] * y[d]
 *   g[j] = (chain over d of dy[d] * v[j][d], from +0)
 *   t[j] = (p[j] * (g[j] - D)) * scale
 *   dq[d] = dq[d] + (chain over j of t[j] * k[j][d], from +0)
 *   dk[j][d] = chain over (h, query) of t[j] * q[d],  from dk[j][d]
 *   dv[j][d] = chain over (h, query) of p[j] * dy[d], from dv[j][d]
 * with h ascending within the group, then queries ascending; spans have
 * past = 0 there and no two share rows.  Backward's items: span * kv_heads +
 * kv head.  dq, dk, dv may be NULL, each for itself.  Scratch:
 * lh_attention_scratch(). */
typedef struct lh_attention_args {
    const float *q;                        /* [rows, heads, head_size]     */
    const float *k, *v;                    /* [key rows, kv_heads, D]      */
    int64_t q_row, k_row;                  /* floats from row to row       */
    int64_t heads, kv_heads, head_size;
    float scale;
    const lh_span *spans;
    int64_t span_count;
    float *y;                              /* [rows, heads, head_size]     */
    float *stats;                          /* [rows, heads, 2]: m, r       */
    const float *dy;                       /* as y                         */
    float *dq, *dk, *dv;                   /* as q, k, v                   */
    bool first_q, first_k, first_v;        /* of dq, dk, dv                */
} lh_attention_args;

/* Floats of scratch for at most `keys` keys in a span: keys turned over,
 * values, and LH_ATTENTION_QUERIES rows of scores; or, backward, five blocks
 * of rows, four that are turned over or scores, and dq; or all of a short
 * document (attention_short.inc.h), for which one block more is asked. */
#define LH_ATTENTION_QUERIES 32
#define LH_ATTENTION_BLOCK 64
static inline int64_t lh_attention_scratch(int64_t keys, int64_t head_size)
{
    const int64_t block = LH_ATTENTION_BLOCK, wide = (head_size + 15) & ~15;
    return (2 * wide + LH_ATTENTION_QUERIES) * (keys + 2 * block) +
           block * (8 * wide + 2 * block);
}

/* Softmax of each row: m = lanes max; e[j] = exp(x[j] - m); z = lanes sum;
 * y[j] = e[j] * (1 / z).  Backward: d = lanes over j of dy[j] * y[j];
 * dx[j] = fma(y[j], dy[j] - d, dx[j]).  Items: rows. */
typedef struct lh_softmax_args {
    const float *x;                        /* [rows, columns]              */
    int64_t rows, columns;
    float *y;
    const float *dy;
    float *dx;
} lh_softmax_args;

/* Cross-entropy of each row of logits against its target, in nats:
 * m, e, z as in softmax; losses = log(z) - (x[target] - m); stats = m, 1/z.
 * A target below 0 is no target: its loss and stats are +0.  Backward, with
 * g = grads[row]: dx[j] = fma(g, e[j] * (1/z) - (j == target ? 1 : 0),
 * dx[j]); rows without a target are untouched.  first: as if dx were +0; it
 * may be x then.  Where exps is given forward leaves e there, of rows with a
 * target, and backward takes it for exp(x[j] - m).  Items: rows. */
typedef struct lh_cross_entropy_args {
    const float *x;                        /* [rows, vocabulary]: logits   */
    const int32_t *targets;                /* [rows], below vocabulary     */
    int64_t rows, vocabulary;
    float *losses;                         /* [rows]                       */
    float *stats;                          /* [rows, 2]                    */
    float *exps;                           /* [rows, vocabulary] or NULL   */
    const float *grads;                    /* [rows]: d(loss)/d(losses)    */
    float *dx;
    bool first;
} lh_cross_entropy_args;

/* Dropout (Srivastava et al. 2014), inverted: element (row, j) is kept where
 * the word (row0 + row, j) of Philox stream (key0, key1) is at or above
 * `threshold`: y = x * scale, else +0.  The word is number j mod 4 of the
 * block with counter (j / 4, row low, row high, 0).  Backward:
 * dx = fma(dy, scale, dx) for kept ones alone.  Items: rows. */
typedef struct lh_dropout_args {
    const float *x;                        /* [rows, columns]              */
    int64_t rows, columns;
    uint32_t key0, key1;
    int64_t row0;                          /* of x within the whole step   */
    uint32_t threshold;                    /* rate * 2^32                  */
    float scale;                           /* 1 / (1 - rate)               */
    float *y;
    const float *dy;
    float *dx;
    bool first;
} lh_dropout_args;

/* sum = lanes over i of x[i] (sums), stored in *sum.  One item. */
typedef struct lh_sum_args {
    const float *x;
    int64_t size;
    float *sum;
} lh_sum_args;

/* sums[c] = lanes over the up to LH_SQUARES_CHUNK elements of chunk c of
 * x * x.  Items: chunks. */
typedef struct lh_square_sums_args {
    const float *x;
    int64_t size;
    float *sums;                           /* [chunks]                     */
} lh_square_sums_args;
#define LH_SQUARES_CHUNK 4096

/* AdamW (Loshchilov, Hutter 2019; Kingma, Ba 2015), one element:
 *   g = gradient * gradient_scale
 *   m = fma(1 - beta1, g - m, m)
 *   v = fma(1 - beta2, g * g - v, v)
 *   p = fnma(learning_rate * decay, p, p)              (decay 0: skipped)
 *   p = fnma(step_size, m / (sqrt(v) * inverse_root + eps), p)
 * and the gradient becomes +0.  step_size = learning_rate / (1 - beta1^t),
 * inverse_root = 1 / sqrt(1 - beta2^t), both computed in f64.  All factors
 * are handed over as floats.  Items: elements. */
typedef struct lh_adamw_args {
    float *parameter, *gradient, *m, *v;   /* [size]                       */
    int64_t size;
    float gradient_scale, one_minus_beta1, one_minus_beta2;
    float decay;                           /* learning_rate * decay        */
    float step_size, inverse_root, eps;
} lh_adamw_args;

/* y[i] = fma(s, x[i] - y[i], y[i]).  Items: elements. */
typedef struct lh_lerp_args {
    const float *x;
    float *y;
    float s;
} lh_lerp_args;

/* The end of Muon's step (train/muon.c), one element, u the direction that
 * stands where the gradient was:
 *   p = u * p > 0 ? fnma(decay, p, p) : p              (decay 0: skipped)
 *   p = fnma(rate, u, p)
 * and u becomes +0.  Items: elements. */
typedef struct lh_muon_args {
    float *parameter, *direction;
    float rate, decay;
} lh_muon_args;

/* An elementwise row, y = f(a), f(a, s) or f(a, b), or its backward:
 * da = fma(dy, local_a, da), db = fma(dy, local_b, db); da and db may be
 * NULL, each for itself.  a, b, da, db may be equal where the inputs are
 * the same tensor: per element, da is written before db is read.
 * Items: elements. */
typedef struct lh_map_args {
    const float *a, *b;
    float s;
    float *y;                              /* backward: read alone         */
    const float *dy;
    float *da, *db;
    bool first_a, first_b;                 /* of da and db                 */
} lh_map_args;

/* The machine's limit: `rounds` times LH_FMA_CHAINS independent chains of
 * x = fma(x, a, b), each in the widest register the row has, summed into
 * *result so that nothing is left out.  Not arithmetic that anybody uses:
 * rows differ in bits and width; *flops receives 2 * fmas * lanes done.
 * One item. */
#define LH_FMA_CHAINS 12
typedef struct lh_fma_limit_args {
    int64_t rounds;
    float a, b;
    float *result;
    double *flops;
} lh_fma_limit_args;

/* y[i] = y[i] + x[i].  Items: elements. */
typedef struct lh_accumulate_args {
    const float *x;
    float *y;
} lh_accumulate_args;

/* The same, and x[i] becomes +0. */
typedef struct lh_fold_args {
    float *x, *y;
} lh_fold_args;

/* Any kernel's arguments, for who goes through the whole table. */
typedef union lh_kernel_args {
    lh_gemm_args gemm;
    lh_gemm_bf16_args gemm_bf16;
    lh_widen_args widen;
    lh_narrow_args narrow;
    lh_sum_rows_args sum_rows;
    lh_embedding_args embedding;
    lh_norm_args norm;
    lh_rotary_args rotary;
    lh_attention_args attention;
    lh_softmax_args softmax;
    lh_cross_entropy_args cross_entropy;
    lh_dropout_args dropout;
    lh_sum_args sum;
    lh_square_sums_args square_sums;
    lh_adamw_args adamw;
    lh_lerp_args lerp;
    lh_muon_args muon;
    lh_map_args map;
    lh_accumulate_args accumulate;
    lh_fold_args fold;
} lh_kernel_args;
