/* Launches to be timed: for each kernel that is worth it the operands, the
 * arguments, and what a launch counts.
 *
 * Each case runs twice, first to count its operands and then to place them.
 * All numbers lie between 0 and 1, so that no sum ends in what is not finite
 * and no moment becomes denormal, however often it is launched. */
#include "base/strict.h"
#include "kernels/level.h"

#include "base/context.h"
#include "kernels/timing.h"

/* Sizes up to this; three of them multiply without overflow. */
enum { TIMING_LARGEST = 1 << 20 };

/* An operand of rows x columns.  It counts once: what is written comes to
 * the core's cache first, as what is read does, and goes back by ways of its
 * own. */
static float *timing_take(lh_timing_work *w, int64_t rows, int64_t columns)
{
    const size_t line = LH_ALIGN / sizeof(float);
    size_t count = (size_t)rows * (size_t)columns, end;
    float *at = w->memory ? w->memory + w->floats : NULL;
    w->bytes += (double)count * sizeof(float);
    if (!lh_mul_size((size_t)rows, (size_t)columns, &count) ||
        !lh_add_size(w->floats, (count + line - 1) / line * line, &end))
        w->beyond = true;
    else
        w->floats = end;
    return at;
}

/* Whole numbers 0 .. below-1 in some order. */
static const int32_t *timing_ids(lh_timing_work *w, int64_t count,
                                 int64_t below)
{
    int32_t *ids = (int32_t *)(void *)timing_take(w, count, 1);
    for (int64_t i = 0; ids && i < count; i++)
        ids[i] = (int32_t)(i * 7919 % below);
    return ids;
}

/* --------------------------------------------------------------- cases -- */

/* size: m, n, k.  nt: y = x w^T; nn: dx = dy w; tn: dw += dy^T x.  In bf16
 * y is bf16, the weights and the gradients are floats. */
static void timing_gemm(lh_timing_work *w)
{
    int64_t m = w->size[0], n = w->size[1], k = w->size[2];
    bool nt = strcmp(w->form, "_nt") == 0, tn = strcmp(w->form, "_tn") == 0;
    bool bf16 = w->kernel == LH_KERNEL_gemm_bf16;
    void *a = timing_take(w, m, bf16 ? (k + 1) / 2 : k);
    void *b = timing_take(w, n, bf16 && tn ? (k + 1) / 2 : k);
    float *c = timing_take(w, m, bf16 && nt ? (n + 1) / 2 : n);
#define TIMING_PRODUCT \
    .m = m, .n = n, .k = k, .a = a, .a_row = tn ? 1 : k, \
    .a_col = tn ? m : 1, .b = b, .b_row = nt ? 1 : n, .b_col = nt ? k : 1, \
    .c = c, .c_row = n, .accumulate = tn
    if (bf16)
        w->args.gemm_bf16 = (lh_gemm_bf16_args){ TIMING_PRODUCT,
                                                 .narrow = nt, .wide = !tn };
    else
        w->args.gemm = (lh_gemm_args){ TIMING_PRODUCT };
#undef TIMING_PRODUCT
    w->items = bf16 ? lh_gemm_bf16_items(m, n) : lh_gemm_items(m, n);
    w->scratch = LH_GEMM_SCRATCH;
    w->flops = 2.0 * (double)(m * n * k);
}

/* size: rows, columns, as one array. */
static void timing_narrow(lh_timing_work *w)
{
    float *x = timing_take(w, w->size[0], w->size[1]);
    uint16_t *y = (uint16_t *)(void *)timing_take(w, w->size[0],
                                                  (w->size[1] + 1) / 2);
    if (w->kernel == LH_KERNEL_narrow)
        w->args.narrow = (lh_narrow_args){ x, y };
    else
        w->args.widen = (lh_widen_args){ y, x };
    w->items = w->size[0] * w->size[1];
}

/* size: rows, columns. */
static void timing_sum_rows(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    w->args.sum_rows = (lh_sum_rows_args){
        timing_take(w, rows, columns), timing_take(w, 1, columns),
        rows, columns,
    };
    w->items = columns;
}

/* size: rows, columns, vocabulary. */
static void timing_embedding(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    w->args.embedding = (lh_embedding_args){
        .ids = timing_ids(w, rows, w->size[2]), .rows = rows,
        .columns = columns, .table = timing_take(w, w->size[2], columns),
        .y = timing_take(w, rows, columns),
    };
    w->args.embedding.dy = w->args.embedding.y;
    w->args.embedding.dtable = (float *)w->args.embedding.table;
    w->bytes = 2.0 * sizeof(float) * (double)(rows * columns);
    w->items = w->forward ? rows : columns;
}

/* size: rows, columns; with gain, layer norms with bias. */
static void timing_norm(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    bool gain = w->kernel == LH_KERNEL_rms_norm_gain ||
                w->kernel == LH_KERNEL_layer_norm_gain;
    w->args.norm = (lh_norm_args){
        .x = timing_take(w, rows, columns),
        .gain = timing_take(w, 1, columns),
        .bias = timing_take(w, 1, columns), .eps = 1e-5f, .rows = rows,
        .columns = columns, .past = rows * columns >= LH_PAST,
        .first = true, .mean = timing_take(w, rows, 1),
        .scale = timing_take(w, rows, 1),
    };
    if (w->forward)
        w->args.norm.y = timing_take(w, rows, columns);
    else
        w->args.norm.dy = timing_take(w, rows, columns);
    if (gain) {
        w->args.norm.dgain = timing_take(w, 1, columns);
        w->args.norm.dbias = timing_take(w, 1, columns);
    } else if (!w->forward) {
        w->args.norm.dx = timing_take(w, rows, columns);
    }
    w->items = gain ? columns : rows;
}

/* size: rows, heads, head size. */
static void timing_rotary(lh_timing_work *w)
{
    int64_t rows = w->size[0], heads = w->size[1], half = w->size[2] / 2;
    float *x = timing_take(w, rows, 2 * heads * half);
    float *y = timing_take(w, rows, 2 * heads * half);
    w->args.rotary = (lh_rotary_args){
        .x = x, .positions = timing_ids(w, rows, lh_min64(rows, 1024)),
        .cosine = timing_take(w, 1024, half),
        .sine = timing_take(w, 1024, half), .rows = rows, .heads = heads,
        .head_size = 2 * half, .y = y, .dy = x, .dx = y,
    };
    w->items = rows;
}

/* size: documents, T, heads, head size. */
static void timing_attention(lh_timing_work *w)
{
    int64_t documents = w->size[0], rows = w->size[1];
    int64_t heads = w->size[2], width = heads * w->size[3];
    int64_t all = documents * rows;
    lh_span *span = (lh_span *)(void *)timing_take(
        w, documents, sizeof(lh_span) / sizeof(float));
    for (int64_t i = 0; span && i < documents; i++)
        span[i] = (lh_span){ i * rows, rows, i * rows, 0 };
    w->args.attention = (lh_attention_args){
        .q = timing_take(w, all, width), .k = timing_take(w, all, width),
        .v = timing_take(w, all, width), .q_row = width, .k_row = width,
        .heads = heads, .kv_heads = heads, .head_size = w->size[3],
        .scale = 0.125f, .spans = span, .span_count = documents,
        .y = timing_take(w, all, width),
        .stats = timing_take(w, all, 2 * heads),
    };
    if (!w->forward) {
        w->args.attention.dy = timing_take(w, all, width);
        w->args.attention.dq = timing_take(w, all, width);
        w->args.attention.dk = timing_take(w, all, width);
        w->args.attention.dv = timing_take(w, all, width);
    }
    w->items = documents * heads;
    w->scratch = lh_attention_scratch(rows, w->size[3]);
    /* Two products of 2 D a pair of query and key forward, four backward. */
    w->flops = (w->forward ? 4.0 : 8.0) * (double)documents * (double)width *
               ((double)rows * (double)(rows + 1) / 2);
}

/* size: rows, columns. */
static void timing_softmax(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    float *x = timing_take(w, rows, columns);
    w->args.softmax = (lh_softmax_args){
        .x = x, .rows = rows, .columns = columns,
        .y = timing_take(w, rows, columns), .dy = x,
    };
    if (!w->forward)
        w->args.softmax.dx = timing_take(w, rows, columns);
    w->items = rows;
}

/* size: rows, vocabulary. */
static void timing_cross_entropy(lh_timing_work *w)
{
    int64_t rows = w->size[0], vocabulary = w->size[1];
    float *x = timing_take(w, rows, vocabulary);
    w->args.cross_entropy = (lh_cross_entropy_args){
        .x = x, .targets = timing_ids(w, rows, vocabulary), .rows = rows,
        .vocabulary = vocabulary, .losses = timing_take(w, rows, 1),
        .stats = timing_take(w, rows, 2), .grads = timing_take(w, rows, 1),
        .dx = x, .first = true,        /* as a model's loss has it         */
    };
    w->items = rows;
}

/* size: rows, columns; half of them are dropped. */
static void timing_dropout(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    float *x = timing_take(w, rows, columns);
    float *y = timing_take(w, rows, columns);
    w->args.dropout = (lh_dropout_args){
        .x = x, .rows = rows, .columns = columns, .key0 = 1, .key1 = 2,
        .threshold = 1u << 31, .scale = 2.0f, .y = y, .dy = x, .dx = y,
    };
    w->items = rows;
}

/* size of these: rows, columns, as one array; and another such one.  Rates so
 * small that nothing changes much in a million launches. */
static void timing_arrays(lh_timing_work *w)
{
    float *x = timing_take(w, w->size[0], w->size[1]);
    float *y = timing_take(w, w->size[0], w->size[1]);
    if (w->kernel == LH_KERNEL_accumulate)
        w->args.accumulate = (lh_accumulate_args){ x, y };
    else if (w->kernel == LH_KERNEL_fold)
        w->args.fold = (lh_fold_args){ x, y };
    else if (w->kernel == LH_KERNEL_lerp)
        w->args.lerp = (lh_lerp_args){ x, y, 0x1p-20f };
    else
        w->args.muon = (lh_muon_args){ x, y, 0x1p-20f, 0x1p-24f };
    w->items = w->size[0] * w->size[1];
}

static void timing_square_sums(lh_timing_work *w)
{
    int64_t size = w->size[0] * w->size[1];
    w->items = (size + LH_SQUARES_CHUNK - 1) / LH_SQUARES_CHUNK;
    float *x = timing_take(w, w->size[0], w->size[1]);
    w->args.square_sums = (lh_square_sums_args){
        x, size, timing_take(w, w->items, 1)
    };
}

static void timing_adamw(lh_timing_work *w)
{
    int64_t rows = w->size[0], columns = w->size[1];
    w->args.adamw = (lh_adamw_args){
        .parameter = timing_take(w, rows, columns),
        .gradient = timing_take(w, rows, columns),
        .m = timing_take(w, rows, columns),
        .v = timing_take(w, rows, columns), .size = rows * columns,
        .gradient_scale = 0.5f, .one_minus_beta1 = 0x1p-20f,
        .one_minus_beta2 = 0x1p-20f, .decay = 0x1p-24f,
        .step_size = 0x1p-20f, .inverse_root = 1.5f, .eps = 1e-8f,
    };
    w->items = rows * columns;
}

/* Backward asks for y or for the first input, seldom for both: they are one
 * operand here. */
static void timing_map(lh_timing_work *w, bool binary)
{
    int64_t rows = w->size[0], columns = w->size[1];
    lh_map_args *g = &w->args.map;
    *g = (lh_map_args){ .a = timing_take(w, rows, columns), .s = 1.25f };
    if (binary)
        g->b = timing_take(w, rows, columns);
    g->y = w->forward ? timing_take(w, rows, columns) : (float *)g->a;
    if (!w->forward) {
        g->dy = timing_take(w, rows, columns);
        g->da = timing_take(w, rows, columns);
        g->db = binary ? timing_take(w, rows, columns) : NULL;
    }
    w->items = rows * columns;
}

static void timing_unary(lh_timing_work *w)
{
    timing_map(w, false);
}

static void timing_binary(lh_timing_work *w)
{
    timing_map(w, true);
}

/* ---------------------------------------------------------------- table -- */

#define TIMING_BOTH(name, function) \
    [LH_KERNEL_##name##_forward] = function, \
    [LH_KERNEL_##name##_backward] = function,

/* NULL: it is not timed. */
static void (*const timing_case[LH_KERNEL_COUNT])(lh_timing_work *w) = {
    [LH_KERNEL_gemm] = timing_gemm, [LH_KERNEL_gemm_bf16] = timing_gemm,
    [LH_KERNEL_widen] = timing_narrow, [LH_KERNEL_narrow] = timing_narrow,
    [LH_KERNEL_sum_rows] = timing_sum_rows,
    TIMING_BOTH(embedding, timing_embedding)
    TIMING_BOTH(rms_norm, timing_norm) TIMING_BOTH(layer_norm, timing_norm)
    [LH_KERNEL_rms_norm_gain] = timing_norm,
    [LH_KERNEL_layer_norm_gain] = timing_norm,
    TIMING_BOTH(rotary, timing_rotary)
    TIMING_BOTH(attention, timing_attention)
    TIMING_BOTH(softmax, timing_softmax)
    TIMING_BOTH(cross_entropy, timing_cross_entropy)
    TIMING_BOTH(dropout, timing_dropout)
    [LH_KERNEL_square_sums] = timing_square_sums,
    [LH_KERNEL_adamw] = timing_adamw,
    [LH_KERNEL_fold] = timing_arrays, [LH_KERNEL_accumulate] = timing_arrays,
    [LH_KERNEL_lerp] = timing_arrays, [LH_KERNEL_muon] = timing_arrays,
#define UNARY(name, y, dx, doc) TIMING_BOTH(name, timing_unary)
#define BINARY(name, y, da, db, doc) TIMING_BOTH(name, timing_binary)
#include "kernels/elementwise.def"
};

/* The kernel whose name `work` is; a product's, up to its orientation. */
static bool timing_find(lh_timing_work *w, const char *work)
{
    for (int i = 0; work && i < LH_KERNEL_COUNT; i++) {
        const char *name = lh_kernel_name((lh_kernel)i);
        size_t length = strlen(name);
        if (strncmp(work, name, length) != 0)
            continue;
        w->kernel = (lh_kernel)i;
        w->form = work + length;
        w->forward = lh_text_ends(name, "_forward");
        if (timing_case[i] == timing_gemm ? strcmp(w->form, "_nt") == 0 ||
                                            strcmp(w->form, "_nn") == 0 ||
                                            strcmp(w->form, "_tn") == 0
                                          : !*w->form)
            return timing_case[i] != NULL;
    }
    return false;
}

LH_INTERNAL lh_status lh_timing_make(lh_context *ctx, lh_timing_work *w,
                                     const char *work, const int64_t *size)
{
    *w = (lh_timing_work){ .size = size };
    if (!size || !timing_find(w, work))
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_kernel_time: \"%s\" is no"
                       " kernel that can be timed", work ? work : "");
    for (int i = 0; i < 4; i++)
        if (size[i] < 1 || size[i] > TIMING_LARGEST)
            return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_kernel_time: a size"
                           " of %lld; sizes are 1 to %lld",
                           (long long)size[i], (long long)TIMING_LARGEST);
    timing_case[w->kernel](w);
    w->memory = w->beyond ? NULL : lh_floats_alloc(ctx, w->floats);
    if (!w->memory)
        return lh_fail(ctx, LH_ERROR_MEMORY, "lh_kernel_time: no memory for"
                       " the operands of %s", work);
    uint32_t word = 1;
    for (size_t i = 0; i < w->floats; i++) {
        word = word * 1664525u + 1013904223u;
        w->memory[i] = (float)(word >> 8 | 1) * 0x1p-24f;
    }
    w->floats = 0;
    w->bytes = 0;
    timing_case[w->kernel](w);
    return LH_OK;
}

#undef TIMING_BOTH
