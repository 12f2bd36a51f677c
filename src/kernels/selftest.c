/* The known-answer self-test: each row of a new table against plain C.
 *
 * One small shape with ragged edges for each kernel; the outputs must be the
 * same bytes.  It guards against a compiler or a CPU that breaks a row, in
 * the field, in microseconds; the search for faults is tests/test_kernels.c.
 * A kernel without a case here does not compile. */
#include "base/strict.h"

#include "kernels/cpu.h"

/* The pools in the scratch behind what the kernels get: the inputs, and an
 * output of each side. */
#define SELFTEST_POOL 1024
_Static_assert(LH_SELFTEST_SCRATCH >= LH_SELFTEST_POOLS + 3 * SELFTEST_POOL,
               "the self-test's pools do not fit");

/* 5 rows of 21 columns: no multiple of any vector width. */
enum { SELFTEST_ROWS = 5, SELFTEST_COLUMNS = 21,
       SELFTEST_SIZE = SELFTEST_ROWS * SELFTEST_COLUMNS };

static const int32_t selftest_ids[SELFTEST_ROWS] = { 3, 0, 3, 4, 1 };
static const lh_span selftest_spans[2] = { { 0, 2, 0, 0 }, { 2, 3, 2, 0 } };

/* Each case fills the arguments, reads from `in`, writes to `out` and gives
 * the number of items; 0: nothing to compare. */
typedef int64_t selftest_case(lh_kernel_args *args, const float *in,
                              float *out);

static int64_t selftest_gemm(lh_kernel_args *args, const float *in,
                             float *out)
{
    args->gemm = (lh_gemm_args){
        .m = SELFTEST_ROWS, .n = SELFTEST_COLUMNS, .k = 19,
        .a = in, .a_row = 1, .a_col = SELFTEST_ROWS,
        .b = in + 200, .b_row = 1, .b_col = 19,
        .c = out, .c_row = SELFTEST_COLUMNS, .accumulate = true,
    };
    return lh_gemm_items(SELFTEST_ROWS, SELFTEST_COLUMNS);
}

/* Small integers, so that the bytes are the same in whatever order a CPU's
 * own instructions add. */
static int64_t selftest_gemm_bf16(lh_kernel_args *args, const float *in,
                                  float *out)
{
    static const uint16_t numbers[16] = {
        0x3f80, 0xc000, 0x4040, 0x0000, 0xbf80, 0x4080, 0x40a0, 0xc040,
        0x4000, 0x40e0, 0xc0c0, 0x3f80, 0x8000, 0xc080, 0x40c0, 0x4100,
    };
    uint16_t *a = (uint16_t *)(void *)(out + 500), *b = a + 100;
    (void)in;
    for (int i = 0; i < 500; i++)
        a[i] = numbers[(i * i + 3 * i) / 5 % 16];
    args->gemm_bf16 = (lh_gemm_bf16_args){
        .m = SELFTEST_ROWS, .n = SELFTEST_COLUMNS, .k = 19,
        .a = a, .a_row = 19, .a_col = 1,
        .b = b, .b_row = SELFTEST_COLUMNS, .b_col = 1,
        .c = out, .c_row = SELFTEST_COLUMNS, .narrow = true,
    };
    return lh_gemm_bf16_items(SELFTEST_ROWS, SELFTEST_COLUMNS);
}

static int64_t selftest_widen(lh_kernel_args *args, const float *in,
                              float *out)
{
    args->widen = (lh_widen_args){ (const uint16_t *)(const void *)in, out };
    return SELFTEST_SIZE;
}

static int64_t selftest_narrow(lh_kernel_args *args, const float *in,
                               float *out)
{
    args->narrow = (lh_narrow_args){ in, (uint16_t *)(void *)out };
    return SELFTEST_SIZE;
}

static int64_t selftest_sum_rows(lh_kernel_args *args, const float *in,
                                 float *out)
{
    args->sum_rows = (lh_sum_rows_args){ in, out, SELFTEST_ROWS,
                                         SELFTEST_COLUMNS };
    return SELFTEST_COLUMNS;
}

static int64_t selftest_embedding_forward(lh_kernel_args *args,
                                          const float *in, float *out)
{
    args->embedding = (lh_embedding_args){
        .ids = selftest_ids, .rows = SELFTEST_ROWS,
        .columns = SELFTEST_COLUMNS, .table = in, .y = out,
        .dy = in + 200, .dtable = out,
    };
    return SELFTEST_ROWS;
}

static int64_t selftest_embedding_backward(lh_kernel_args *args,
                                           const float *in, float *out)
{
    selftest_embedding_forward(args, in, out);
    return SELFTEST_COLUMNS;
}

/* The forward of a norm gives its backward's statistics: here any will do. */
static int64_t selftest_norm(lh_kernel_args *args, const float *in,
                             float *out, bool forward)
{
    float *stats = forward ? out + 2 * SELFTEST_SIZE : (float *)in + 700;
    args->norm = (lh_norm_args){
        .x = in, .gain = in + 200, .bias = in + 300, .eps = 1e-5f,
        .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS, .y = out,
        .mean = stats, .scale = stats + SELFTEST_ROWS, .dy = in + 400,
        .dx = out, .dgain = out + 50, .dbias = out + 100,
    };
    return SELFTEST_ROWS;
}

static int64_t selftest_rms_norm_forward(lh_kernel_args *args,
                                         const float *in, float *out)
{
    return selftest_norm(args, in, out, true);
}

static int64_t selftest_rms_norm_backward(lh_kernel_args *args,
                                          const float *in, float *out)
{
    return selftest_norm(args, in, out, false);
}

static int64_t selftest_rms_norm_gain(lh_kernel_args *args, const float *in,
                                      float *out)
{
    selftest_norm(args, in, out, false);
    return SELFTEST_COLUMNS;
}

#define selftest_layer_norm_forward selftest_rms_norm_forward
#define selftest_layer_norm_backward selftest_rms_norm_backward
#define selftest_layer_norm_gain selftest_rms_norm_gain

static int64_t selftest_rotary_forward(lh_kernel_args *args, const float *in,
                                       float *out)
{
    args->rotary = (lh_rotary_args){
        .x = in, .positions = selftest_ids, .cosine = in + 200,
        .sine = in + 300, .rows = SELFTEST_ROWS, .heads = 2,
        .head_size = 10, .y = out, .dy = in + 400, .dx = out,
    };
    return SELFTEST_ROWS;
}

#define selftest_rotary_backward selftest_rotary_forward

/* Two query heads over one of keys and values; documents of 2 and 3. */
static int64_t selftest_attention(lh_kernel_args *args, const float *in,
                                  float *out, bool forward)
{
    args->attention = (lh_attention_args){
        .q = in, .k = in + 200, .v = in + 300, .q_row = 20, .k_row = 10,
        .heads = 2, .kv_heads = 1, .head_size = 10, .scale = 0.3f,
        .spans = selftest_spans, .span_count = 2,
        .y = forward ? out : (float *)in + 400,
        .stats = forward ? out + 400 : (float *)in + 500,
        .dy = in + 600, .dq = out, .dk = out + 100, .dv = out + 200,
    };
    return forward ? 4 : 2;
}

static int64_t selftest_attention_forward(lh_kernel_args *args,
                                          const float *in, float *out)
{
    return selftest_attention(args, in, out, true);
}

static int64_t selftest_attention_backward(lh_kernel_args *args,
                                           const float *in, float *out)
{
    return selftest_attention(args, in, out, false);
}

static int64_t selftest_softmax_forward(lh_kernel_args *args, const float *in,
                                        float *out)
{
    args->softmax = (lh_softmax_args){
        .x = in, .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS,
        .y = out, .dy = in + 200, .dx = out,
    };
    return SELFTEST_ROWS;
}

static int64_t selftest_softmax_backward(lh_kernel_args *args,
                                         const float *in, float *out)
{
    selftest_softmax_forward(args, in, out);
    args->softmax.y = (float *)in + 400;
    return SELFTEST_ROWS;
}

static int64_t selftest_cross_entropy_forward(lh_kernel_args *args,
                                              const float *in, float *out)
{
    args->cross_entropy = (lh_cross_entropy_args){
        .x = in, .targets = selftest_ids, .rows = SELFTEST_ROWS,
        .vocabulary = SELFTEST_COLUMNS, .losses = out, .stats = out + 10,
    };
    return SELFTEST_ROWS;
}

static int64_t selftest_cross_entropy_backward(lh_kernel_args *args,
                                               const float *in, float *out)
{
    selftest_cross_entropy_forward(args, in, out);
    args->cross_entropy.stats = (float *)in + 200;
    args->cross_entropy.grads = in + 300;
    args->cross_entropy.dx = out;
    return SELFTEST_ROWS;
}

#define selftest_cross_entropy_in_place selftest_cross_entropy_backward

static int64_t selftest_dropout_forward(lh_kernel_args *args, const float *in,
                                        float *out)
{
    args->dropout = (lh_dropout_args){
        .x = in, .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS,
        .key0 = 1, .key1 = 2, .row0 = 3, .threshold = 1u << 30,
        .scale = 4.0f / 3.0f, .y = out, .dy = in + 200, .dx = out,
    };
    return SELFTEST_ROWS;
}

#define selftest_dropout_backward selftest_dropout_forward

static int64_t selftest_sum(lh_kernel_args *args, const float *in, float *out)
{
    args->sum = (lh_sum_args){ in, 3 * SELFTEST_SIZE, out };
    return 1;
}

static int64_t selftest_square_sums(lh_kernel_args *args, const float *in,
                                    float *out)
{
    args->square_sums = (lh_square_sums_args){ in, 3 * SELFTEST_SIZE, out };
    return 1;
}

static int64_t selftest_accumulate(lh_kernel_args *args, const float *in,
                                   float *out)
{
    args->accumulate = (lh_accumulate_args){ in, out };
    return SELFTEST_SIZE;
}

static int64_t selftest_fold(lh_kernel_args *args, const float *in,
                             float *out)
{
    (void)in;
    args->fold = (lh_fold_args){ out + SELFTEST_SIZE, out };
    return SELFTEST_SIZE;
}

static int64_t selftest_adamw(lh_kernel_args *args, const float *in,
                              float *out)
{
    (void)in;
    args->adamw = (lh_adamw_args){
        .parameter = out, .gradient = out + 200, .m = out + 400,
        .v = out + 600, .size = SELFTEST_SIZE, .gradient_scale = 0.5f,
        .one_minus_beta1 = 0.1f, .one_minus_beta2 = 0.01f, .decay = 0.001f,
        .step_size = 0.01f, .inverse_root = 1.5f, .eps = 1e-8f,
    };
    return SELFTEST_SIZE;
}

static int64_t selftest_lerp(lh_kernel_args *args, const float *in,
                             float *out)
{
    args->lerp = (lh_lerp_args){ in, out, 0.3f };
    return SELFTEST_SIZE;
}

static int64_t selftest_muon(lh_kernel_args *args, const float *in,
                             float *out)
{
    (void)in;
    args->muon = (lh_muon_args){ out, out + 200, 0.02f, 0.01f };
    return SELFTEST_SIZE;
}

/* Differs from row to row by its nature. */
static int64_t selftest_fma_limit(lh_kernel_args *args, const float *in,
                                  float *out)
{
    (void)args, (void)in, (void)out;
    return 0;
}

static int64_t selftest_map(lh_kernel_args *args, const float *in, float *out)
{
    args->map = (lh_map_args){
        .a = in, .b = in + 200, .s = 1.25f, .y = out, .dy = in + 400,
        .da = out + 200, .db = out + 400,
    };
    return SELFTEST_SIZE;
}

/* Backward reads y, which is any number here, and where it must not write. */
static int64_t selftest_map_backward(lh_kernel_args *args, const float *in,
                                     float *out)
{
    selftest_map(args, in, out);
    args->map.y = (float *)in + 600;
    return SELFTEST_SIZE;
}

/* The same bytes, where NaN equals NaN. */
static bool selftest_same(const float *a, const float *b)
{
    for (int i = 0; i < SELFTEST_POOL; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 &&
            (a[i] == a[i] || b[i] == b[i]))
            return false;
    return true;
}

LH_INTERNAL void lh_kernel_selftest_start(float *scratch)
{
    float *in = scratch + LH_SELFTEST_POOLS;
    uint32_t word = 12345;
    for (int i = 0; i < SELFTEST_POOL; i++) {    /* -2 .. 2, 24 bits       */
        word = word * 1664525u + 1013904223u;
        in[i] = ((float)(word >> 8) - 8388608.0f) * 0x1p-22f;
    }
}

LH_INTERNAL bool lh_kernel_selftest(lh_kernel kernel, lh_kernel_fn *plain,
                                    lh_kernel_fn *fn, float *scratch)
{
    static selftest_case *const cases[LH_KERNEL_COUNT] = {
#define KERNEL(name, doc) selftest_##name,
#include "kernels/kernels.def"
#undef KERNEL
#define UNARY(name, y, dx, doc) selftest_map, selftest_map_backward,
#define UNARY_S(name, y, dx, doc) UNARY(name, y, dx, doc)
#define BINARY(name, y, da, db, doc) UNARY(name, y, da, doc)
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY_S
#undef BINARY
    };
    float *in = scratch + LH_SELFTEST_POOLS;
    float *out[2] = { in + SELFTEST_POOL, in + 2 * SELFTEST_POOL };
    lh_kernel_args args;
    int64_t items = 0;
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < SELFTEST_POOL; i++)  /* adamw's v is not < 0   */
            out[side][i] = in[i] * in[i];
        items = cases[kernel](&args, in, out[side]);
        if (items > 0)
            (side ? fn : plain)(&args, 0, items, scratch);
    }
    return items == 0 ||
           memcmp(out[0], out[1], SELFTEST_POOL * sizeof(float)) == 0 ||
           selftest_same(out[0], out[1]);
}

#undef SELFTEST_POOL
#undef selftest_layer_norm_forward
#undef selftest_layer_norm_backward
#undef selftest_layer_norm_gain
#undef selftest_rotary_backward
#undef selftest_dropout_backward
