/* bf16: conversions, and the product where the CPU has none of its own: the
 * operands widened a block at a time into the scratch, then gemm.  Needs
 * gemm.inc.h and bf16.h before it. */

typedef uint16_t VEC_SUFFIX(lh_half)
    __attribute__((vector_size(2 * VEC_WIDTH)));

LH_KERNEL(widen)
{
    LH_KERNEL_ARGS(widen);
    const uint16_t *x = a->x + begin;
    float *y = a->y + begin;
    int64_t n = end - begin;
    for (; n >= VEC_WIDTH; n -= VEC_WIDTH, x += VEC_WIDTH, y += VEC_WIDTH) {
        VEC_SUFFIX(lh_half) half;
        memcpy(&half, x, sizeof half);
        VEC_STORE(y, VEC_FLOAT(__builtin_convertvector(half, VEC_INT) << 16));
    }
    for (; n > 0; n--)
        *y++ = lh_widen(*x++);
}

/* The upper half of each float, rounded. */
static inline VEC_INT VEC_SUFFIX(bf16_near)(VEC x)
{
    VEC_INT bits = VEC_BITS(x);
    VEC_INT near = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return VEC_BITS(SELECT(x != x, VEC_FLOAT(bits >> 16 | 0x40),
                           VEC_FLOAT(near)));
}

LH_KERNEL(narrow)
{
    LH_KERNEL_ARGS(narrow);
    const float *x = a->x + begin;
    uint16_t *y = a->y + begin;
    int64_t n = end - begin;
    for (; n >= VEC_WIDTH; n -= VEC_WIDTH, x += VEC_WIDTH, y += VEC_WIDTH) {
        VEC_SUFFIX(lh_half) half = __builtin_convertvector(
            VEC_SUFFIX(bf16_near)(VEC_LOAD(x)), VEC_SUFFIX(lh_half));
        memcpy(y, &half, sizeof half);
    }
    for (; n > 0; n--)
        *y++ = lh_narrow(*x++);
}

/* y[i] = x[i] as bf16, as float. */
static void VEC_SUFFIX(bf16_round)(const float *x, float *y, int64_t n)
{
    for (; n >= VEC_WIDTH; n -= VEC_WIDTH, x += VEC_WIDTH, y += VEC_WIDTH)
        VEC_STORE(y, VEC_FLOAT(VEC_SUFFIX(bf16_near)(VEC_LOAD(x)) << 16));
    for (; n > 0; n--)
        *y++ = lh_widen(lh_narrow(*x++));
}

/* ------------------------------------------------------------ product -- */

/* Columns of b that are widened at a time, just before they are used; columns
 * whose sums are kept where c is narrow: a is widened anew for each of them;
 * l that are widened at a time.  Lines of an operand are asked for so many
 * before they are widened, or the CPU, which sees few of them at once, would
 * wait for memory.  From line to line of one that is widened, `length` long:
 * an odd number of cache lines. */
#define BF16_TILE LH_GEMM_TILE
#define BF16_COLUMNS 384
#define BF16_DEPTH 512
#define BF16_AHEAD 8
#define BF16_PITCH(length) (((length) + 31) / 32 * 32 + 16)
#define BF16_LINES(rows) (((rows) + 48) * BF16_DEPTH)   /* rows <= depth */
#define BF16_A BF16_LINES(LH_GEMM_BF16_HIGH)
#define BF16_SUM (LH_GEMM_BF16_HIGH * BF16_COLUMNS)
/* All of it lies in the room for a panel that gemm packs of b, behind the
 * columns that there are. */
#define BF16_FREE (BF16_TILE * BF16_DEPTH)
_Static_assert(LH_GEMM_BF16_HIGH <= BF16_DEPTH &&
               BF16_FREE + BF16_SUM + BF16_A + BF16_LINES(BF16_TILE) <=
                   GEMM_B,
               "widened operands do not fit into the scratch");

/* rows x count elements of from, strides row and col, one of them 1, into
 * `to`; the strides there.  wide: `from` are floats, to be rounded. */
static void VEC_SUFFIX(bf16_block)(float *to, int64_t *to_row,
                                   int64_t *to_col, const void *from,
                                   int64_t row, int64_t col, int64_t rows,
                                   int64_t count, bool wide)
{
    bool along = col == 1;
    int64_t lines = along ? rows : count, length = along ? count : rows;
    int64_t stride = along ? row : col, pitch = BF16_PITCH(length);
    if (stride == length) {            /* one line                         */
        pitch = length;
        length *= lines;
        lines = 1;
    }
    *to_row = along ? pitch : 1;
    *to_col = along ? 1 : pitch;
    int64_t size = wide ? 4 : 2, bytes = length * size;
    const char *line = from;
    for (int64_t i = 0; i < lines; i++, line += stride * size, to += pitch) {
        for (int64_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(line + BF16_AHEAD * stride * size + at);
        if (wide)
            VEC_SUFFIX(bf16_round)((const float *)(const void *)line, to,
                                   length);
        else
            VEC_SUFFIX(widen)(&(lh_widen_args){
                (const uint16_t *)(const void *)line, to }, 0, length, NULL);
    }
}

/* Columns j .. j + n - 1 of a rectangle, at most BF16_COLUMNS. */
static void VEC_SUFFIX(bf16_columns)(const lh_gemm_bf16_args *g,
                                     const lh_gemm_part *p, int64_t j,
                                     int64_t n, float *scratch)
{
    float *sum = scratch + BF16_FREE, *a = sum + BF16_SUM, *b = a + BF16_A;
    float *c = g->narrow ? sum : (float *)g->c + p->i * g->c_row + j;
    int64_t l = 0;
    lh_gemm_args args = { .m = p->m, .a = a, .b = b,
                          .c_row = g->narrow ? BF16_COLUMNS : g->c_row,
                          .accumulate = g->accumulate };
    do {
        args.k = lh_min64(BF16_DEPTH, g->k - l);
        VEC_SUFFIX(bf16_block)(a, &args.a_row, &args.a_col,
                               g->a + p->i * g->a_row + l * g->a_col,
                               g->a_row, g->a_col, p->m, args.k, false);
        for (int64_t at = 0; at < n; at += BF16_TILE) {
            args.n = lh_min64(BF16_TILE, n - at);
            args.c = c + at;
            args.bias = g->bias ? g->bias + j + at : NULL;
            VEC_SUFFIX(bf16_block)(b, &args.b_col, &args.b_row,
                                   lh_gemm_bf16_b(g, l, j + at), g->b_col,
                                   g->b_row, args.n, args.k, g->wide);
            VEC_SUFFIX(gemm)(&args, 0, lh_gemm_items(args.m, args.n),
                             scratch);
        }
        args.accumulate = true;
        l += BF16_DEPTH;
    } while (l < g->k);
    for (int64_t i = 0; g->narrow && i < p->m; i++)
        VEC_SUFFIX(narrow)(&(lh_narrow_args){
            sum + i * BF16_COLUMNS,
            (uint16_t *)g->c + (p->i + i) * g->c_row + j }, 0, n, NULL);
}

LH_KERNEL(gemm_bf16)
{
    const lh_gemm_bf16_args *g = args;
    while (begin < end) {
        lh_gemm_part p = lh_gemm_bf16_next(g->m, g->n, begin, end);
        for (int64_t j = 0; j < p.n; j += BF16_COLUMNS)
            VEC_SUFFIX(bf16_columns)(g, &p, p.j + j,
                                     lh_min64(BF16_COLUMNS, p.n - j),
                                     scratch);
        begin += p.items;
    }
}

#undef BF16_DEPTH
#undef GEMM_B
#undef GEMM_DEPTH
#undef BF16_TILE
#undef BF16_COLUMNS
#undef BF16_AHEAD
#undef BF16_PITCH
#undef BF16_LINES
#undef BF16_A
#undef BF16_SUM
#undef BF16_FREE
