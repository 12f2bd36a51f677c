/* Kernels whose items are columns: sums over rows, one chain per column with
 * the rows ascending, and the lookup table's two directions.  Vectors lie
 * along the columns, so no chain is split.  Needs lanes.inc.h before it. */

static void VEC_SUFFIX(sum_rows)(const void *args, int64_t begin,
                                 int64_t end, float *scratch)
{
    const lh_sum_rows_args *a = args;
    (void)scratch;
    for (int64_t j = begin; j < end; j += VEC_WIDTH) {
        VEC sum = VEC_SUFFIX(row_load)(a->sum, j, end);
        for (int64_t i = 0; i < a->rows; i++)
            sum = sum + VEC_SUFFIX(row_load)(a->x + i * a->columns, j, end);
        VEC_SUFFIX(row_store)(a->sum, j, end, sum);
    }
}

/* ----------------------------------------------------------- embedding -- */

static void VEC_SUFFIX(embedding_forward)(const void *args, int64_t begin,
                                          int64_t end, float *scratch)
{
    const lh_embedding_args *a = args;
    int64_t n = a->columns;
    (void)scratch;
    for (int64_t i = begin; i < end; i++) {
        const float *row = a->table + a->ids[i] * n;
        float *y = a->y + i * n;
        for (int64_t j = 0; j < n; j += VEC_WIDTH)
            VEC_SUFFIX(row_store)(y, j, n, VEC_SUFFIX(row_load)(row, j, n));
    }
}

static void VEC_SUFFIX(embedding_backward)(const void *args, int64_t begin,
                                           int64_t end, float *scratch)
{
    const lh_embedding_args *a = args;
    (void)scratch;
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

static void VEC_SUFFIX(rms_norm_gain)(const void *args, int64_t begin,
                                      int64_t end, float *scratch)
{
    const lh_norm_args *a = args;
    (void)scratch;
    if (!a->dgain)
        return;
    for (int64_t j = begin; j < end; j += VEC_WIDTH) {
        VEC sum = VEC_SUFFIX(row_load)(a->dgain, j, end);
        for (int64_t i = 0; i < a->rows; i++) {
            VEC x = VEC_SUFFIX(row_load)(a->x + i * a->columns, j, end);
            VEC dy = VEC_SUFFIX(row_load)(a->dy + i * a->columns, j, end);
            sum = FMA(dy, x * VEC_SET(a->scale[i]), sum);
        }
        VEC_SUFFIX(row_store)(a->dgain, j, end, sum);
    }
}

static void VEC_SUFFIX(layer_norm_gain)(const void *args, int64_t begin,
                                        int64_t end, float *scratch)
{
    const lh_norm_args *a = args;
    (void)scratch;
    for (int64_t j = begin; a->dgain && j < end; j += VEC_WIDTH) {
        VEC sum = VEC_SUFFIX(row_load)(a->dgain, j, end);
        for (int64_t i = 0; i < a->rows; i++) {
            VEC x = VEC_SUFFIX(row_load)(a->x + i * a->columns, j, end);
            VEC dy = VEC_SUFFIX(row_load)(a->dy + i * a->columns, j, end);
            sum = FMA(dy, (x - VEC_SET(a->mean[i])) * VEC_SET(a->scale[i]),
                      sum);
        }
        VEC_SUFFIX(row_store)(a->dgain, j, end, sum);
    }
    if (a->dbias)
        VEC_SUFFIX(sum_rows)(&(lh_sum_rows_args){ a->dy, a->dbias, a->rows,
                                                  a->columns },
                             begin, end, NULL);
}
