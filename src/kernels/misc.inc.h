/* The remaining kernels: rotary positions, dropout, whole sums, the
 * optimizer's step, and the machine's limit.  Needs lanes.inc.h before it. */

/* ------------------------------------------------------------- rotary -- */

/* Both directions of a kernel whose function is told which. */
#define MISC_BOTH(name) \
    LH_KERNEL(name##_forward) \
    { \
        (void)scratch; \
        VEC_SUFFIX(name)(args, begin, end, true); \
    } \
    LH_KERNEL(name##_backward) \
    { \
        (void)scratch; \
        VEC_SUFFIX(name)(args, begin, end, false); \
    }

/* Backward turns the other way, another sign of the sine, and adds. */
LANES_INLINE void VEC_SUFFIX(rotary)(const void *args, int64_t begin,
                                     int64_t end, bool forward)
{
    const lh_rotary_args *a = args;
    int64_t half = a->head_size / 2;
    for (int64_t i = begin; i < end; i++) {
        const float *cosine = a->cosine + a->positions[i] * half;
        const float *sine = a->sine + a->positions[i] * half;
        for (int64_t h = 0; h < a->heads; h++) {
            int64_t at = (i * a->heads + h) * a->head_size;
            const float *low = (forward ? a->x : a->dy) + at;
            const float *high = low + half;
            float *to_low = (forward ? a->y : a->dx) + at;
            float *to_high = to_low + half;
            for (int64_t j = 0; j < half; j += VEC_WIDTH) {
                VEC c = VEC_SUFFIX(row_load)(cosine, j, half);
                VEC s = VEC_SUFFIX(row_load)(sine, j, half);
                VEC x0 = VEC_SUFFIX(row_load)(low, j, half);
                VEC x1 = VEC_SUFFIX(row_load)(high, j, half);
                s = forward ? s : -s;
                VEC y0 = FNMA(x1, s, x0 * c), y1 = FMA(x0, s, x1 * c);
                if (!forward) {
                    y0 = VEC_SUFFIX(row_sum)(to_low, j, half, a->first) + y0;
                    y1 = VEC_SUFFIX(row_sum)(to_high, j, half, a->first) + y1;
                }
                VEC_SUFFIX(row_store)(to_low, j, half, y0);
                VEC_SUFFIX(row_store)(to_high, j, half, y1);
            }
        }
    }
}

MISC_BOTH(rotary)

/* ------------------------------------------------------------ dropout -- */

/* Pairs of integers as one of 64 bits. */
typedef uint64_t VEC_SUFFIX(dropout_long)
    __attribute__((vector_size(4 * VEC_WIDTH)));

/* The words of columns j .. j + 2 * VEC_WIDTH - 1 of a row: lh_philox() for
 * VEC_WIDTH / 2 blocks.  Each of the four counters lies in the lower half of
 * its pair; what is above it no product sees.  The blocks stand such that
 * the zip puts the words of the first half of them in order, and of the
 * second. */
LANES_INLINE void VEC_SUFFIX(dropout_words)(const lh_dropout_args *a,
                                            int64_t row, int64_t j,
                                            VEC_INT word[2])
{
    typedef VEC_SUFFIX(dropout_long) LONG;
    static const uint64_t order[3][8] = { { 0, 1 }, { 0, 2, 1, 3 },
                                          { 0, 4, 1, 5, 2, 6, 3, 7 } };
    uint64_t step_row = (uint64_t)(a->row0 + row);
    uint32_t k0 = a->key0, k1 = a->key1;
    const LONG zero = { 0 };
    LONG c0, c1 = zero + (uint32_t)step_row, c2 = zero + (step_row >> 32);
    LONG c3 = zero;
    memcpy(&c0, order[VEC_WIDTH / 8], sizeof c0);
    c0 += (uint64_t)(j / 4);
    for (int round = 0; round < 10; round++) {
        LONG p0 = (LONG)VEC_MUL_WIDE(c0, zero + 0xd2511f53u);
        LONG p1 = (LONG)VEC_MUL_WIDE(c2, zero + 0xcd9e8d57u);
        c0 = p1 >> 32 ^ c1 ^ (zero + k0);
        c1 = p1;
        c2 = p0 >> 32 ^ c3 ^ (zero + k1);
        c3 = p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    c0 = (c0 & 0xffffffffu) | c1 << 32;
    c2 = (c2 & 0xffffffffu) | c3 << 32;
    word[0] = VEC_ZIP_LOW(c0, c2);
    word[1] = VEC_ZIP_HIGH(c0, c2);
}

/* The elements at .. stop - 1 of all, a vector at most, by their words. */
LANES_INLINE void VEC_SUFFIX(dropout_vector)(const lh_dropout_args *a,
                                             int64_t at, int64_t stop,
                                             VEC_INT word, bool forward)
{
    const VEC zero = VEC_SET(0.0f), scale = VEC_SET(a->scale);
    const VEC kept = (VEC)(word >= VEC_INT_SET(a->threshold));
    if (forward) {
        VEC x = VEC_SUFFIX(row_load)(a->x, at, stop);
        VEC_SUFFIX(row_store)(a->y, at, stop,
                              SELECT(kept, x * scale, zero));
    } else {
        VEC dy = VEC_SUFFIX(row_load)(a->dy, at, stop);
        VEC dx = VEC_SUFFIX(row_sum)(a->dx, at, stop, a->first);
        VEC_SUFFIX(row_store)(a->dx, at, stop,
                              SELECT(kept, FMA(dy, scale, dx), dx));
    }
}

LANES_INLINE void VEC_SUFFIX(dropout)(const void *args, int64_t begin,
                                      int64_t end, bool forward)
{
    const lh_dropout_args a = *(const lh_dropout_args *)args;
    VEC_INT word[2];
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * a.columns, stop = at + a.columns, j = 0;
        for (; a.columns - j >= 2 * VEC_WIDTH; j += 2 * VEC_WIDTH) {
            int64_t now = at + j, next = now + VEC_WIDTH;
            VEC_SUFFIX(dropout_words)(&a, i, j, word);
            VEC_SUFFIX(dropout_vector)(&a, now, next, word[0], forward);
            VEC_SUFFIX(dropout_vector)(&a, next, next + VEC_WIDTH, word[1],
                                       forward);
        }
        if (j == a.columns)
            continue;
        VEC_SUFFIX(dropout_words)(&a, i, j, word);
        VEC_SUFFIX(dropout_vector)(&a, at + j, stop, word[0], forward);
        if (a.columns - j > VEC_WIDTH)
            VEC_SUFFIX(dropout_vector)(&a, at + j + VEC_WIDTH, stop, word[1],
                                       forward);
    }
}

MISC_BOTH(dropout)
#undef MISC_BOTH

/* --------------------------------------------------------------- sums -- */

LH_KERNEL(sum)
{
    LH_KERNEL_ARGS(sum);
    if (begin < end)
        *a->sum = VEC_SUFFIX(lanes_sum)(a->x, a->size);
}

LH_KERNEL(square_sums)
{
    LH_KERNEL_ARGS(square_sums);
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * LH_SQUARES_CHUNK;
        int64_t n = lh_min64(LH_SQUARES_CHUNK,
                             a->size - i * LH_SQUARES_CHUNK);
        /* Not lanes_dot(), which loads x twice: fma wait for that. */
        a->sums[i] = VEC_SUFFIX(lanes)(LANES_DOT, n, x, x, NULL, 0.0f, 0.0f);
    }
}

LH_KERNEL(accumulate)
{
    LH_KERNEL_ARGS(accumulate);
    const float *x = a->x + begin;
    float *y = a->y + begin;
    LANES_ROW(j, stop, end - begin,
        VEC_SUFFIX(row_store)(y, j, stop, LANES_AT(y) + LANES_AT(x)))
}

LH_KERNEL(fold)
{
    LH_KERNEL_ARGS(fold);
    const VEC zero = VEC_SET(0.0f);
    float *x = a->x + begin, *y = a->y + begin;
    LANES_ROW(j, stop, end - begin,
        VEC_SUFFIX(row_store)(y, j, stop, LANES_AT(y) + LANES_AT(x));
        VEC_SUFFIX(row_store)(x, j, stop, zero))
}

/* -------------------------------------------------------------- adamw -- */

/* Without a quotient of the including file: the plain one. */
#ifndef ADAMW_QUOTIENT
#define ADAMW_LIFTS(a) false
#define ADAMW_QUOTIENT(a, p, m, v, lifts) \
    ((void)(lifts), \
     (m) / (SQRT(v) * VEC_SET((a)->inverse_root) + VEC_SET((a)->eps)))
#endif

/* Elements i .. end - 1, at most a vector of them.  What lies far is asked
 * for 8 lines ahead: from memory, 12 lines and more ahead took a seventh
 * longer on a Zen 4 than not to ask. */
LANES_INLINE void VEC_SUFFIX(adamw_vector)(const lh_adamw_args *a, int64_t i,
                                           int64_t end, bool decays,
                                           bool lifts, bool far)
{
    if (far) {
        __builtin_prefetch(a->parameter + i + 128, 1);
        __builtin_prefetch(a->gradient + i + 128, 1);
        __builtin_prefetch(a->m + i + 128, 1);
        __builtin_prefetch(a->v + i + 128, 1);
    }
    VEC p = VEC_SUFFIX(row_load)(a->parameter, i, end);
    VEC m = VEC_SUFFIX(row_load)(a->m, i, end);
    VEC v = VEC_SUFFIX(row_load)(a->v, i, end);
    VEC g = VEC_SUFFIX(row_load)(a->gradient, i, end) *
            VEC_SET(a->gradient_scale);
    m = FMA(VEC_SET(a->one_minus_beta1), g - m, m);
    v = FMA(VEC_SET(a->one_minus_beta2), g * g - v, v);
    if (decays)
        p = FNMA(VEC_SET(a->decay), p, p);
    p = FNMA(VEC_SET(a->step_size), ADAMW_QUOTIENT(a, p, m, v, lifts), p);
    VEC_SUFFIX(row_store)(a->parameter, i, end, p);
    VEC_SUFFIX(row_store)(a->m, i, end, m);
    VEC_SUFFIX(row_store)(a->v, i, end, v);
    VEC_SUFFIX(row_store)(a->gradient, i, end, VEC_SET(0.0f));
}

LH_KERNEL(adamw)
{
    const lh_adamw_args a = *(const lh_adamw_args *)args;
    const bool decays = a.decay != 0.0f, lifts = ADAMW_LIFTS(&a);
    const bool far = end - begin >= 1 << 15;     /* beyond the caches      */
    int64_t i = begin;
    (void)scratch;
    for (; end - i >= VEC_WIDTH; i += VEC_WIDTH)
        VEC_SUFFIX(adamw_vector)(&a, i, i + VEC_WIDTH, decays, lifts, far);
    if (i < end)
        VEC_SUFFIX(adamw_vector)(&a, i, end, decays, lifts, far);
}

LH_KERNEL(lerp)
{
    LH_KERNEL_ARGS(lerp);
    const VEC s = VEC_SET(a->s);
    const float *x = a->x + begin;
    float *y = a->y + begin;
    LANES_ROW(j, stop, end - begin, VEC old = LANES_AT(y);
        VEC_SUFFIX(row_store)(y, j, stop, FMA(s, LANES_AT(x) - old, old)))
}

LH_KERNEL(muon)
{
    LH_KERNEL_ARGS(muon);
    const VEC rate = VEC_SET(a->rate), decay = VEC_SET(a->decay);
    const VEC zero = VEC_SET(0.0f);
    float *parameter = a->parameter + begin;
    float *direction = a->direction + begin;
    LANES_ROW(j, stop, end - begin,
        VEC p = LANES_AT(parameter);
        VEC u = LANES_AT(direction);
        if (a->decay != 0.0f)
            p = SELECT(u * p > zero, FNMA(decay, p, p), p);
        VEC_SUFFIX(row_store)(parameter, j, stop, FNMA(rate, u, p));
        VEC_SUFFIX(row_store)(direction, j, stop, zero))
}

/* -------------------------------------------------------------- limit -- */

LH_KERNEL(fma_limit)
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
