/* Kernels that work on each row by itself: norms, softmax, cross-entropy.
 * Needs lanes.inc.h before it.  kernels.h has the formulas; the operations
 * here stand in the same order. */

/* 1 / sqrt(x) by way of a vector of it: the same bits, since every lane
 * computes alone. */
static float VEC_SUFFIX(row_rsqrt)(float x)
{
    float result;
    VEC_STORE_PART(&result, RSQRT(VEC_SET(x)), 1);
    return result;
}

/* lanes_dot(), without the call where the row is one vector, to which the
 * other lanes' +0 is added. */
LANES_INLINE float VEC_SUFFIX(row_dot)(const float *p, const float *q,
                                       int64_t n)
{
    const VEC zero = VEC_SET(0.0f);
    return n == VEC_WIDTH
        ? VEC_SUFFIX(fold_add)(FMA(VEC_LOAD(p), VEC_LOAD(q), zero) + zero)
        : VEC_SUFFIX(lanes_dot)(p, q, n);
}

/* -------------------------------------------------------------- norms -- */

LH_KERNEL(rms_norm_forward)
{
    LH_KERNEL_ARGS(norm);
    const VEC index = VEC_LOAD(VEC_SUFFIX(lanes_index));
    const bool past = a->past;
    int64_t n = a->columns;
    /* A vector of rows at a time, for one square root and one quotient. */
    for (int64_t at = begin; at < end; at += VEC_WIDTH) {
        int64_t rows = lh_min64(VEC_WIDTH, end - at);
        const float *x = a->x + at * n, *gain = a->gain;
        float *y = a->y + at * n, scales[VEC_WIDTH];
        VEC q = VEC_SET(0.0f);
        for (int64_t i = 0; i < rows; i++)
            q = SELECT(index == VEC_SET((float)i), VEC_SET(
                VEC_SUFFIX(row_dot)(x + i * n, x + i * n, n)), q);
        VEC_STORE(scales, RSQRT(q / VEC_SET((float)n) + VEC_SET(a->eps)));
        VEC_SUFFIX(row_store)(a->scale, at, end, VEC_LOAD(scales));
        for (int64_t i = 0; i < rows; i++, x += n, y += n) {
            const VEC scale = VEC_SET(scales[i]);
            LANES_ROW_PAST(j, stop, n, past, VEC v = LANES_AT(x) * scale;
                if (gain)
                    v = v * LANES_AT(gain);
                VEC_SUFFIX(row_stream)(y, j, stop, v, far))
        }
    }
    VEC_STREAM_END(past);
}

LH_KERNEL(rms_norm_backward)
{
    LH_KERNEL_ARGS(norm);
    const bool past = a->past && a->first;
    int64_t n = a->columns;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * n, *dy = a->dy + i * n, *gain = a->gain;
        float *dx = a->dx + i * n, r = a->scale[i];
        float d = gain ? VEC_SUFFIX(lanes)(LANES_DOT3, n, dy, gain, x, 0.0f,
                                           0.0f)
                       : VEC_SUFFIX(row_dot)(dy, x, n);
        const VEC e = VEC_SET(d * r * r / (float)n), scale = VEC_SET(r);
        LANES_ROW_PAST(j, stop, n, past, VEC h = LANES_AT(dy);
            LANES_AHEAD(x + n + j);
            LANES_AHEAD(dy + n + j);
            if (gain)
                h = h * LANES_AT(gain);
            h = FNMA(LANES_AT(x), e, h);
            VEC_SUFFIX(row_stream)(dx, j, stop, FMA(h, scale,
                VEC_SUFFIX(row_sum)(dx, j, stop, a->first)), far))
    }
    VEC_STREAM_END(past);
}

/* The pass that writes asks for the next row's inputs, since memory would wait
 * while the passes before it read what is in the caches; backward's other one
 * for its x. */
LH_KERNEL(layer_norm_forward)
{
    LH_KERNEL_ARGS(norm);
    const float *gain = a->gain, *bias = a->bias;
    const bool past = a->past;
    int64_t n = a->columns;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * n;
        float *y = a->y + i * n;
        float m = VEC_SUFFIX(lanes_sum)(x, n) / (float)n;
        float q = VEC_SUFFIX(lanes)(LANES_CENTRED, n, x, NULL, NULL, m,
                                    0.0f);
        float r = VEC_SUFFIX(row_rsqrt)(q / (float)n + a->eps);
        const VEC mean = VEC_SET(m), scale = VEC_SET(r);
        a->mean[i] = m;
        a->scale[i] = r;
        LANES_ROW_PAST(j, stop, n, past,
            LANES_AHEAD(x + n + j);
            VEC v = (LANES_AT(x) - mean) * scale;
            if (gain)
                v = bias ? FMA(v, LANES_AT(gain), LANES_AT(bias))
                         : v * LANES_AT(gain);
            else if (bias)
                v = v + LANES_AT(bias);
            VEC_SUFFIX(row_stream)(y, j, stop, v, far))
    }
    VEC_STREAM_END(past);
}

/* Where rows lie beyond the caches, one loop sums a row and writes the one
 * before. */
LH_KERNEL(layer_norm_backward)
{
    LH_KERNEL_ARGS(norm);
    const bool past = a->past && a->first;
    int64_t n = a->columns;
    bool joins = past && n % 64 == 0 && (uintptr_t)a->dx % sizeof(VEC) == 0;
    float *before = NULL;
    VEC row[4] = { VEC_SET(0.0f) };    /* mean, scale, sum, dot            */
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * n, *dy = a->dy + i * n, *gain = a->gain;
        float *dx = a->dx + i * n, s;
        float d = VEC_SUFFIX(lanes_and_sum)(LANES_DOT3_N, n, dy, x, gain,
                                            a->mean[i], a->scale[i], &s,
                                            before, row);
        row[0] = VEC_SET(a->mean[i]), row[1] = VEC_SET(a->scale[i]);
        row[2] = VEC_SET(s / (float)n), row[3] = VEC_SET(d / (float)n);
        before = joins && i + 1 < end ? dx : NULL;
        if (before)
            continue;
        LANES_ROW_PAST(j, stop, n, past, VEC h = LANES_AT(dy);
            LANES_AHEAD(dy + n + j);
            VEC v = (LANES_AT(x) - row[0]) * row[1];
            if (gain)
                h = h * LANES_AT(gain);
            h = FNMA(v, row[3], h - row[2]);
            VEC_SUFFIX(row_stream)(dx, j, stop, FMA(h, row[1],
                VEC_SUFFIX(row_sum)(dx, j, stop, a->first)), far))
    }
    VEC_STREAM_END(past);
}

/* ------------------------------------------------------------ softmax -- */

LH_KERNEL(softmax_forward)
{
    LH_KERNEL_ARGS(softmax);
    int64_t n = a->columns;
    for (int64_t i = begin; i < end; i++) {
        const float *x = a->x + i * n;
        float *y = a->y + i * n;
        float max = VEC_SUFFIX(lanes_max)(x, n);
        float sum = VEC_SUFFIX(exp_row)(y, x, max, n);
        const VEC inverse = VEC_SET(1.0f / sum);
        LANES_ROW(j, stop, n,
            VEC_SUFFIX(row_store)(y, j, stop, LANES_AT(y) * inverse))
    }
}

LH_KERNEL(softmax_backward)
{
    LH_KERNEL_ARGS(softmax);
    int64_t n = a->columns;
    for (int64_t i = begin; i < end; i++) {
        const float *y = a->y + i * n, *dy = a->dy + i * n;
        float *dx = a->dx + i * n;
        const VEC d = VEC_SET(VEC_SUFFIX(lanes_dot)(dy, y, n));
        LANES_ROW(j, stop, n, VEC_SUFFIX(row_store)(dx, j, stop,
            FMA(LANES_AT(y), LANES_AT(dy) - d, LANES_AT(dx))))
    }
}

/* ------------------------------------------------------ cross-entropy -- */

/* The sum in lanes of exp(x[j] - max) without a place to keep the row: 64
 * lanes in memory.  In the last vector those behind the row's end stay. */
static float VEC_SUFFIX(exp_sum)(const float *x, float max, int64_t n)
{
    const VEC most = VEC_SET(max);
    float lane[64] = { 0 };
    int64_t j = 0;
    for (; n - j >= VEC_WIDTH; j += VEC_WIDTH)
        VEC_STORE(lane + j % 64, VEC_LOAD(lane + j % 64) +
                                 EXP(VEC_LOAD(x + j) - most));
    if (j < n) {
        VEC sum = VEC_LOAD(lane + j % 64);
        VEC e = EXP(VEC_LOAD_PART(x + j, (int)(n - j)) - most);
        VEC_STORE(lane + j % 64, SELECT(VEC_LOAD(VEC_SUFFIX(lanes_index)) <
                                        VEC_SET((float)(n - j)),
                                        sum + e, sum));
    }
    /* Now a row of 64 sums, each added to a lane of +0: none is -0. */
    return VEC_SUFFIX(lanes_sum)(lane, 64);
}

/* exp_row(), if e is given, and the maximum of a row of more than a vector,
 * two at most: behind its end stands what is below all else, and whose exp is
 * the lane's +0. */
static float VEC_SUFFIX(exp_two)(float *e, const float *x, float *max,
                                 int64_t n)
{
    const VEC least = VEC_SET(-__builtin_inff());
    VEC u = VEC_LOAD(x), v = VEC_SUFFIX(row_load)(x, VEC_WIDTH, n);
    v = SELECT(VEC_LOAD(VEC_SUFFIX(lanes_index)) <
               VEC_SET((float)(n - VEC_WIDTH)), v, least);
    *max = VEC_SUFFIX(fold_max)(MAX(MAX(u, least), MAX(v, least)));
    u = EXP(u - VEC_SET(*max));
    v = EXP(v - VEC_SET(*max));
    if (e) {
        VEC_STORE(e, u);
        VEC_SUFFIX(row_store)(e, VEC_WIDTH, n, v);
    }
    return VEC_SUFFIX(fold_add)(u + v);
}

LH_KERNEL(cross_entropy_forward)
{
    LH_KERNEL_ARGS(cross_entropy);
    int64_t n = a->vocabulary;
    /* A vector of rows at a time, for one logarithm and one quotient; the
     * sums wait in losses. */
    for (int64_t at = begin; at < end; at += VEC_WIDTH) {
        int64_t last = lh_min64(at + VEC_WIDTH, end);
        float inverse[VEC_WIDTH];
        for (int64_t i = at; i < last; i++) {
            const float *x = a->x + i * n;
            float max = 0.0f, sum = 1.0f;
            if (a->targets[i] >= 0) {
                float *e = a->exps ? a->exps + i * n : NULL;
                bool two = n > VEC_WIDTH && n <= 2 * VEC_WIDTH;
                max = two ? 0.0f : VEC_SUFFIX(lanes_max)(x, n);
                sum = two ? VEC_SUFFIX(exp_two)(e, x, &max, n)
                    : e ? VEC_SUFFIX(exp_row)(e, x, max, n)
                        : VEC_SUFFIX(exp_sum)(x, max, n);
            }
            a->stats[2 * i] = max;
            a->losses[i] = sum;
        }
        VEC sums = VEC_SUFFIX(row_load)(a->losses, at, last);
        VEC_STORE(inverse, VEC_SET(1.0f) / sums);
        VEC_SUFFIX(row_store)(a->losses, at, last, LOG(sums));
        for (int64_t i = at; i < last; i++) {
            int32_t target = a->targets[i];
            bool none = target < 0;
            a->losses[i] = none ? 0.0f : a->losses[i] -
                           (a->x[i * n + target] - a->stats[2 * i]);
            a->stats[2 * i + 1] = none ? 0.0f : inverse[i - at];
        }
    }
}

LH_KERNEL(cross_entropy_backward)
{
    static const float one[3 * VEC_WIDTH] = { [VEC_WIDTH] = 1.0f };
    LH_KERNEL_ARGS(cross_entropy);
    const int64_t n = a->vocabulary;
    for (int64_t i = begin; i < end; i++) {
        const int64_t target = a->targets[i];
        const float *exps = a->exps ? a->exps + i * n : NULL;
        const float *x = a->x + i * n;
        float *dx = a->dx + i * n;
        const VEC max = VEC_SET(a->stats[2 * i]), g = VEC_SET(a->grads[i]);
        const VEC inverse = VEC_SET(a->stats[2 * i + 1]);
        if (target < 0 && a->first)
            memset(dx, 0, (size_t)n * sizeof *dx);
        if (target < 0)
            continue;
        /* No branch, which would go the wrong way half of the time. */
        LANES_ROW(j, stop, n,
            int64_t at = lh_max64(-VEC_WIDTH,
                                  lh_min64(target - j, VEC_WIDTH));
            VEC p = exps ? LANES_AT(exps) : EXP(LANES_AT(x) - max);
            p = p * inverse - VEC_LOAD(one + VEC_WIDTH - at);
            VEC_SUFFIX(row_store)(dx, j, stop, FMA(g, p,
                VEC_SUFFIX(row_sum)(dx, j, stop, a->first))))
    }
}
