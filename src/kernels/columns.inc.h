/* Kernels whose items are columns: sums over rows, one chain per column with
 * the rows ascending, and the lookup table's two directions.  Vectors lie
 * along the columns, so no chain is split.  Needs lanes.inc.h before it. */

/* Four rows at a time, from the left to the right, so that memory is read in
 * sequence and the sums, which stay in the nearest cache, are loaded and
 * stored once for four additions.  X(r) for each of the rows. */
#define COLUMNS_1(X) X(0)
#define COLUMNS_4(X) X(0) X(1) X(2) X(3)

LH_KERNEL(sum_rows)
{
    LH_KERNEL_ARGS(sum_rows);
    const float *x = a->x + begin;
    float *sum = a->sum + begin;
    int64_t i = 0, n = end - begin, next = a->columns;
#define COLUMNS_ADD(r) v = v + VEC_SUFFIX(row_load)(x + r * next, j, stop);
#define COLUMNS_SUM(ROWS) \
    LANES_ROW(j, stop, n, VEC v = VEC_SUFFIX(row_load)(sum, j, stop); \
        ROWS(COLUMNS_ADD) VEC_SUFFIX(row_store)(sum, j, stop, v))
    for (; a->rows - i >= 4; i += 4, x += 4 * next)
        COLUMNS_SUM(COLUMNS_4)
    for (; i < a->rows; i++, x += next)
        COLUMNS_SUM(COLUMNS_1)
#undef COLUMNS_ADD
#undef COLUMNS_SUM
}

/* ----------------------------------------------------------- embedding -- */

LH_KERNEL(embedding_forward)
{
    LH_KERNEL_ARGS(embedding);
    int64_t n = a->columns;
    for (int64_t i = begin; i < end; i++) {
        const float *row = a->table + a->ids[i] * n;
        const float *place = a->places ? a->places + a->place_ids[i] * n
                                       : NULL;
        float *y = a->y + i * n;
        for (int64_t j = 0; j < n; j += VEC_WIDTH) {
            VEC x = VEC_SUFFIX(row_load)(row, j, n);
            if (place)
                x = x + VEC_SUFFIX(row_load)(place, j, n);
            VEC_SUFFIX(row_store)(y, j, n, x);
        }
    }
}

LH_KERNEL(embedding_backward)
{
    LH_KERNEL_ARGS(embedding);
    for (int64_t i = 0; i < a->rows; i++) {
        const float *dy = a->dy + i * a->columns;
        float *row = a->dtable + a->ids[i] * a->columns;
        for (int64_t j = begin; j < end; j += VEC_WIDTH)
            VEC_SUFFIX(row_store)(row, j, end,
                                  VEC_SUFFIX(row_load)(row, j, end) +
                                  VEC_SUFFIX(row_load)(dy, j, end));
    }
}

/* --------------------------------------------------------------- norms -- */

/* Gain and bias, each may be NULL, in one pass over dy. */
LANES_INLINE void VEC_SUFFIX(columns_gain)(const lh_norm_args *a,
                                           int64_t begin, int64_t end,
                                           float *dgain, float *dbias,
                                           bool centred)
{
    const float *x = a->x + begin, *dy = a->dy + begin;
    int64_t i = 0, n = end - begin, next = a->columns;
#define COLUMNS_STATS(r) \
    const VEC scale##r = VEC_SET(a->scale[i + r]); \
    const VEC mean##r = VEC_SET(centred ? a->mean[i + r] : 0.0f);
#define COLUMNS_ADD(r) { \
        VEC v = VEC_SUFFIX(row_load)(x + r * next, j, stop); \
        VEC d = VEC_SUFFIX(row_load)(dy + r * next, j, stop); \
        gain = FMA(d, (centred ? v - mean##r : v) * scale##r, gain); \
        bias = bias + d; \
    }
#define COLUMNS_GAIN(ROWS) { \
        ROWS(COLUMNS_STATS) \
        LANES_ROW(j, stop, n, VEC gain = zero; VEC bias = zero; \
            if (dgain) \
                gain = VEC_SUFFIX(row_load)(dgain + begin, j, stop); \
            if (dbias) \
                bias = VEC_SUFFIX(row_load)(dbias + begin, j, stop); \
            ROWS(COLUMNS_ADD) \
            if (dgain) \
                VEC_SUFFIX(row_store)(dgain + begin, j, stop, gain); \
            if (dbias) \
                VEC_SUFFIX(row_store)(dbias + begin, j, stop, bias)) \
    }
    const VEC zero = VEC_SET(0.0f);
    for (; a->rows - i >= 4; i += 4, x += 4 * next, dy += 4 * next)
        COLUMNS_GAIN(COLUMNS_4)
    for (; i < a->rows; i++, x += next, dy += next)
        COLUMNS_GAIN(COLUMNS_1)
#undef COLUMNS_STATS
#undef COLUMNS_ADD
#undef COLUMNS_GAIN
}

LH_KERNEL(rms_norm_gain)
{
    LH_KERNEL_ARGS(norm);
    if (a->dgain)
        VEC_SUFFIX(columns_gain)(a, begin, end, a->dgain, NULL, false);
}

LH_KERNEL(layer_norm_gain)
{
    LH_KERNEL_ARGS(norm);
    bool same = a->dgain == a->dbias;  /* one tensor: first as the gain    */
    VEC_SUFFIX(columns_gain)(a, begin, end, a->dgain, same ? NULL : a->dbias,
                             true);
    if (same && a->dbias)
        VEC_SUFFIX(columns_gain)(a, begin, end, NULL, a->dbias, true);
}

#undef COLUMNS_1
#undef COLUMNS_4
