/* The remaining kernels: rotary positions, dropout, whole sums, the
 * optimizer's step, and the machine's limit.  Needs lanes.inc.h before it. */

/* ------------------------------------------------------------- rotary -- */

static void VEC_SUFFIX(rotary_forward)(const void *args, int64_t begin,
                                       int64_t end, float *scratch)
{
    const lh_rotary_args *a = args;
    int64_t half = a->head_size / 2;
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        const float *cosine = a->cosine + a->positions[i] * half;
        const float *sine = a->sine + a->positions[i] * half;
        for (int64_t h = 0; h < a->heads; h++) {
            int64_t at = (i * a->heads + h) * a->head_size;
            const float *low = a->x + at, *high = low + half;
            for (int64_t j = 0; j < half; j += VEC_WIDTH) {
                VEC c = VEC_SUFFIX(row_load)(cosine, j, half);
                VEC s = VEC_SUFFIX(row_load)(sine, j, half);
                VEC x0 = VEC_SUFFIX(row_load)(low, j, half);
                VEC x1 = VEC_SUFFIX(row_load)(high, j, half);
                VEC_SUFFIX(row_store)(a->y + at, j, half,
                                      FNMA(x1, s, x0 * c));
                VEC_SUFFIX(row_store)(a->y + at + half, j, half,
                                      FMA(x0, s, x1 * c));
            }
        }
    }
}

static void VEC_SUFFIX(rotary_backward)(const void *args, int64_t begin,
                                        int64_t end, float *scratch)
{
    const lh_rotary_args *a = args;
    int64_t half = a->head_size / 2;
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        const float *cosine = a->cosine + a->positions[i] * half;
        const float *sine = a->sine + a->positions[i] * half;
        for (int64_t h = 0; h < a->heads; h++) {
            int64_t at = (i * a->heads + h) * a->head_size;
            const float *low = a->dy + at, *high = low + half;
            float *dlow = a->dx + at, *dhigh = dlow + half;
            for (int64_t j = 0; j < half; j += VEC_WIDTH) {
                VEC c = VEC_SUFFIX(row_load)(cosine, j, half);
                VEC s = VEC_SUFFIX(row_load)(sine, j, half);
                VEC y0 = VEC_SUFFIX(row_load)(low, j, half);
                VEC y1 = VEC_SUFFIX(row_load)(high, j, half);
                VEC_SUFFIX(row_store)(dlow, j, half,
                    VEC_SUFFIX(row_load)(dlow, j, half) +
                    FMA(y1, s, y0 * c));
                VEC_SUFFIX(row_store)(dhigh, j, half,
                    VEC_SUFFIX(row_load)(dhigh, j, half) +
                    FNMA(y0, s, y1 * c));
            }
        }
    }
}

/* ------------------------------------------------------------ dropout -- */

/* The factors of columns j .. j+63 of a row: 1 where kept, else 0. */
static void VEC_SUFFIX(dropout_mask)(const lh_dropout_args *a, int64_t row,
                                     int64_t j, int64_t count,
                                     float mask[64])
{
    const uint32_t key[2] = { a->key0, a->key1 };
    uint64_t step_row = (uint64_t)(a->row0 + row);
    for (int64_t i = 0; i < count; i += 4) {
        const uint32_t counter[4] = { (uint32_t)((j + i) / 4),
                                      (uint32_t)step_row,
                                      (uint32_t)(step_row >> 32), 0 };
        uint32_t words[4];
        lh_philox(key, counter, words);
        for (int l = 0; l < 4; l++)
            mask[i + l] = words[l] >= a->threshold ? 1.0f : 0.0f;
    }
}

static void VEC_SUFFIX(dropout_forward)(const void *args, int64_t begin,
                                        int64_t end, float *scratch)
{
    const lh_dropout_args *a = args;
    const VEC zero = VEC_SET(0.0f), scale = VEC_SET(a->scale);
    float mask[64];
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->columns; j += 64) {
            int64_t n = lh_min64(64, a->columns - j);
            int64_t at = i * a->columns + j;
            VEC_SUFFIX(dropout_mask)(a, i, j, n, mask);
            for (int64_t l = 0; l < n; l += VEC_WIDTH) {
                VEC x = VEC_SUFFIX(row_load)(a->x + at, l, n);
                VEC_SUFFIX(row_store)(a->y + at, l, n,
                    SELECT(VEC_LOAD(mask + l) > zero, x * scale, zero));
            }
        }
}

static void VEC_SUFFIX(dropout_backward)(const void *args, int64_t begin,
                                         int64_t end, float *scratch)
{
    const lh_dropout_args *a = args;
    const VEC zero = VEC_SET(0.0f), scale = VEC_SET(a->scale);
    float mask[64];
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < a->columns; j += 64) {
            int64_t n = lh_min64(64, a->columns - j);
            int64_t at = i * a->columns + j;
            VEC_SUFFIX(dropout_mask)(a, i, j, n, mask);
            for (int64_t l = 0; l < n; l += VEC_WIDTH) {
                VEC dy = VEC_SUFFIX(row_load)(a->dy + at, l, n);
                VEC dx = VEC_SUFFIX(row_load)(a->dx + at, l, n);
                VEC_SUFFIX(row_store)(a->dx + at, l, n,
                    SELECT(VEC_LOAD(mask + l) > zero, FMA(dy, scale, dx),
                           dx));
            }
        }
}

/* --------------------------------------------------------------- sums -- */

static void VEC_SUFFIX(sum)(const void *args, int64_t begin, int64_t end,
                            float *scratch)
{
    const lh_sum_args *a = args;
    (void)scratch;
    if (begin < end)
        *a->sum = VEC_SUFFIX(lanes_sum)(a->x, a->size);
}

static void VEC_SUFFIX(square_sums)(const void *args, int64_t begin,
                                    int64_t end, float *scratch)
{
    const lh_square_sums_args *a = args;
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * LH_SQUARES_CHUNK;
        a->sums[i] = VEC_SUFFIX(lanes_dot)(
            x, x, lh_min64(LH_SQUARES_CHUNK, a->size - i *
                                             LH_SQUARES_CHUNK));
    }
}

static void VEC_SUFFIX(accumulate)(const void *args, int64_t begin,
                                   int64_t end, float *scratch)
{
    const lh_accumulate_args *a = args;
    const float *x = a->x + begin;
    float *y = a->y + begin;
    (void)scratch;
    LANES_ROW(i, stop, end - begin, VEC_SUFFIX(row_store)(y, i, stop,
        VEC_SUFFIX(row_load)(y, i, stop) + VEC_SUFFIX(row_load)(x, i, stop)))
}

static void VEC_SUFFIX(fold)(const void *args, int64_t begin, int64_t end,
                             float *scratch)
{
    const lh_fold_args *a = args;
    const VEC zero = VEC_SET(0.0f);
    float *x = a->x + begin, *y = a->y + begin;
    (void)scratch;
    LANES_ROW(i, stop, end - begin,
        VEC_SUFFIX(row_store)(y, i, stop, VEC_SUFFIX(row_load)(y, i, stop) +
                                          VEC_SUFFIX(row_load)(x, i, stop));
        VEC_SUFFIX(row_store)(x, i, stop, zero))
}

/* -------------------------------------------------------------- adamw -- */

/* Elements i .. end - 1, at most a vector of them. */
LANES_INLINE void VEC_SUFFIX(adamw_vector)(const lh_adamw_args *a, int64_t i,
                                           int64_t end)
{
    VEC p = VEC_SUFFIX(row_load)(a->parameter, i, end);
    VEC m = VEC_SUFFIX(row_load)(a->m, i, end);
    VEC v = VEC_SUFFIX(row_load)(a->v, i, end);
    VEC g = VEC_SUFFIX(row_load)(a->gradient, i, end) *
            VEC_SET(a->gradient_scale);
    m = FMA(VEC_SET(a->one_minus_beta1), g - m, m);
    v = FMA(VEC_SET(a->one_minus_beta2), g * g - v, v);
    if (a->decay != 0.0f)
        p = FNMA(VEC_SET(a->decay), p, p);
    VEC root = SQRT(v) * VEC_SET(a->inverse_root) + VEC_SET(a->eps);
    p = FNMA(VEC_SET(a->step_size), m / root, p);
    VEC_SUFFIX(row_store)(a->parameter, i, end, p);
    VEC_SUFFIX(row_store)(a->m, i, end, m);
    VEC_SUFFIX(row_store)(a->v, i, end, v);
    VEC_SUFFIX(row_store)(a->gradient, i, end, VEC_SET(0.0f));
}

static void VEC_SUFFIX(adamw)(const void *args, int64_t begin, int64_t end,
                              float *scratch)
{
    const lh_adamw_args a = *(const lh_adamw_args *)args;
    int64_t i = begin;
    (void)scratch;
    for (; end - i >= VEC_WIDTH; i += VEC_WIDTH)
        VEC_SUFFIX(adamw_vector)(&a, i, i + VEC_WIDTH);
    if (i < end)
        VEC_SUFFIX(adamw_vector)(&a, i, end);
}

/* -------------------------------------------------------------- limit -- */

static void VEC_SUFFIX(fma_limit)(const void *args, int64_t begin,
                                  int64_t end, float *scratch)
{
    const lh_fma_limit_args *l = args;
    const VEC a = VEC_SET(l->a), b = VEC_SET(l->b);
    /* Twelve different numbers, or the compiler would see one chain. */
    VEC x0 = a + b, x1 = x0 + b, x2 = x1 + b, x3 = x2 + b, x4 = x3 + b;
    VEC x5 = x4 + b, x6 = x5 + b, x7 = x6 + b, x8 = x7 + b, x9 = x8 + b;
    VEC x10 = x9 + b, x11 = x10 + b;
    (void)scratch;
    if (begin >= end)
        return;
    for (int64_t i = 0; i < l->rounds; i++) {
        x0 = FMA(x0, a, b), x1 = FMA(x1, a, b), x2 = FMA(x2, a, b);
        x3 = FMA(x3, a, b), x4 = FMA(x4, a, b), x5 = FMA(x5, a, b);
        x6 = FMA(x6, a, b), x7 = FMA(x7, a, b), x8 = FMA(x8, a, b);
        x9 = FMA(x9, a, b), x10 = FMA(x10, a, b), x11 = FMA(x11, a, b);
    }
    x0 = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11;
    *l->result = VEC_SUFFIX(fold_add)(x0);
    *l->flops = 2.0 * LH_FMA_CHAINS * VEC_WIDTH * (double)l->rounds;
}
