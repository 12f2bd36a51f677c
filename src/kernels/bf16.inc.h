/* bf16: conversions, and the product where the CPU has none of its own: the
 * operands widened a block at a time into the scratch, then gemm.  Needs
 * gemm.inc.h and bf16.h before it. */

typedef uint16_t VEC_SUFFIX(lh_half)
    __attribute__((vector_size(2 * VEC_WIDTH)));

LH_KERNEL(widen)
{
    LH_KERNEL_ARGS(widen);
    int64_t i = begin;
    for (; end - i >= VEC_WIDTH; i += VEC_WIDTH) {
        VEC_SUFFIX(lh_half) x;
        memcpy(&x, a->x + i, sizeof x);
        VEC_INT bits = __builtin_convertvector(x, VEC_INT) << 16;
        VEC_STORE(a->y + i, VEC_FLOAT(bits));
    }
    for (; i < end; i++)
        a->y[i] = lh_widen(a->x[i]);
}

LH_KERNEL(narrow)
{
    LH_KERNEL_ARGS(narrow);
    int64_t i = begin;
    for (; end - i >= VEC_WIDTH; i += VEC_WIDTH) {
        VEC_INT bits = VEC_BITS(VEC_LOAD(a->x + i));
        VEC_INT near = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        VEC_INT nan = (VEC_INT)((bits & 0x7fffffff) > 0x7f800000);
        near = (nan & (bits >> 16 | 0x40)) | (~nan & near);
        VEC_SUFFIX(lh_half) y = __builtin_convertvector(
            near, VEC_SUFFIX(lh_half));
        memcpy(a->y + i, &y, sizeof y);
    }
    for (; i < end; i++)
        a->y[i] = lh_narrow(a->x[i]);
}

/* ------------------------------------------------------------ product -- */

#define BF16_DEPTH 256
#define BF16_TILE LH_GEMM_TILE
_Static_assert(LH_GEMM_SCRATCH + 2 * BF16_TILE * BF16_DEPTH +
                   BF16_TILE * BF16_TILE <= LH_GEMM_BF16_SCRATCH,
               "widened operands do not fit into the scratch");

/* rows x count elements of from, strides row and col, one of them 1, into
 * `to`; the strides there.  Both are at most a block's.  wide: `from` are
 * floats, to be rounded. */
static void VEC_SUFFIX(bf16_block)(float *to, int64_t *to_row,
                                   int64_t *to_col, const void *from,
                                   int64_t row, int64_t col, int64_t rows,
                                   int64_t count, bool wide)
{
    bool along = col == 1;
    int64_t lines = along ? rows : count, length = along ? count : rows;
    int64_t stride = along ? row : col;
    int64_t pitch = along ? BF16_DEPTH : BF16_TILE;
    uint16_t half[BF16_DEPTH];
    for (int64_t i = 0; i < lines; i++) {
        const uint16_t *line = (const uint16_t *)from + i * stride;
        if (wide) {
            lh_narrow_args args = { (const float *)from + i * stride, half };
            VEC_SUFFIX(narrow)(&args, 0, length, NULL);
            line = half;
        }
        VEC_SUFFIX(widen)(&(lh_widen_args){ line, to + i * pitch }, 0,
                          length, NULL);
    }
    *to_row = along ? pitch : 1;
    *to_col = along ? 1 : pitch;
}

static void VEC_SUFFIX(bf16_tile)(const lh_gemm_bf16_args *g, int64_t i,
                                  int64_t m, int64_t j, int64_t n,
                                  float *scratch)
{
    float *a = scratch + LH_GEMM_SCRATCH, *b = a + BF16_TILE * BF16_DEPTH;
    float *sum = b + BF16_TILE * BF16_DEPTH;
    float *c = (float *)g->c + (g->narrow ? 0 : i * g->c_row + j);
    size_t bytes = (size_t)n * sizeof(float);
    for (int64_t r = 0; r < m; r++)
        if (g->accumulate || g->bias)
            memcpy(sum + r * BF16_TILE,
                   g->accumulate ? c + r * g->c_row : g->bias + j, bytes);
        else
            memset(sum + r * BF16_TILE, 0, bytes);
    for (int64_t l = 0; l < g->k; l += BF16_DEPTH) {
        lh_gemm_args args = {
            .m = m, .n = n, .k = lh_min64(BF16_DEPTH, g->k - l),
            .a = a, .b = b, .c = sum, .c_row = BF16_TILE,
            .accumulate = true,
        };
        VEC_SUFFIX(bf16_block)(a, &args.a_row, &args.a_col,
                               g->a + i * g->a_row + l * g->a_col,
                               g->a_row, g->a_col, m, args.k, false);
        VEC_SUFFIX(bf16_block)(b, &args.b_col, &args.b_row,
                               lh_gemm_bf16_b(g, l, j), g->b_col, g->b_row,
                               n, args.k, g->wide);
        VEC_SUFFIX(gemm)(&args, 0, 1, scratch);
    }
    for (int64_t r = 0; r < m; r++)
        if (g->narrow)
            VEC_SUFFIX(narrow)(&(lh_narrow_args){
                                   sum + r * BF16_TILE,
                                   (uint16_t *)g->c + (i + r) * g->c_row + j,
                               }, 0, n, NULL);
        else
            memcpy(c + r * g->c_row, sum + r * BF16_TILE, bytes);
}

LH_KERNEL(gemm_bf16)
{
    const lh_gemm_bf16_args *g = args;
    while (begin < end) {
        lh_gemm_part p = lh_gemm_bf16_next(g->m, g->n, begin, end);
        for (int64_t i = 0; i < p.m; i += BF16_TILE)
            for (int64_t j = 0; j < p.n; j += BF16_TILE)
                VEC_SUFFIX(bf16_tile)(g, p.i + i,
                                      lh_min64(BF16_TILE, p.m - i), p.j + j,
                                      lh_min64(BF16_TILE, p.n - j), scratch);
        begin += p.items;
    }
}

#undef BF16_DEPTH
#undef BF16_TILE
