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
enum { SELFTEST_POOL = 1024 };
_Static_assert(LH_SELFTEST_SCRATCH >= LH_GEMM_SCRATCH + 3 * SELFTEST_POOL,
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

/* SELFTEST(kernel, type of its arguments, items, arguments...) */
#define SELFTEST(name, type, items, ...) \
    static int64_t selftest_##name(lh_kernel_args *args, const float *in, \
                                   float *out) \
    { \
        (void)in; \
        args->type = (lh_##type##_args){ __VA_ARGS__ }; \
        return items; \
    }
/* The same case under another name, but for a field or two. */
#define SELFTEST_LIKE(name, other, items, ...) \
    static int64_t selftest_##name(lh_kernel_args *args, const float *in, \
                                   float *out) \
    { \
        selftest_##other(args, in, out); \
        __VA_ARGS__; \
        return items; \
    }

SELFTEST(gemm, gemm, lh_gemm_items(SELFTEST_ROWS, SELFTEST_COLUMNS),
         .m = SELFTEST_ROWS, .n = SELFTEST_COLUMNS, .k = 19,
         .a = in, .a_row = 1, .a_col = SELFTEST_ROWS,
         .b = in + 200, .b_row = 1, .b_col = 19,
         .c = out, .c_row = SELFTEST_COLUMNS, .accumulate = true)

/* Small integers, so that the bytes are the same in whatever order a CPU's
 * own instructions add. */
static uint16_t *selftest_integers(float *to)
{
    static const uint16_t numbers[16] = {
        0x3f80, 0xc000, 0x4040, 0x0000, 0xbf80, 0x4080, 0x40a0, 0xc040,
        0x4000, 0x40e0, 0xc0c0, 0x3f80, 0x8000, 0xc080, 0x40c0, 0x4100,
    };
    uint16_t *a = (uint16_t *)(void *)to;
    for (int i = 0; i < 500; i++)
        a[i] = numbers[(i * i + 3 * i) / 5 % 16];
    return a;
}

SELFTEST(gemm_bf16, gemm_bf16,
         lh_gemm_bf16_items(SELFTEST_ROWS, SELFTEST_COLUMNS),
         .m = SELFTEST_ROWS, .n = SELFTEST_COLUMNS, .k = 19,
         .a = selftest_integers(out + 500), .a_row = 19, .a_col = 1,
         .b = out + 550, .b_row = SELFTEST_COLUMNS,
         .b_col = 1, .c = out, .c_row = SELFTEST_COLUMNS, .narrow = true)
SELFTEST(widen, widen, SELFTEST_SIZE, (const uint16_t *)(const void *)in, out)
SELFTEST(narrow, narrow, SELFTEST_SIZE, in, (uint16_t *)(void *)out)
SELFTEST(sum_rows, sum_rows, SELFTEST_COLUMNS, in, out, SELFTEST_ROWS,
         SELFTEST_COLUMNS)
SELFTEST(embedding_forward, embedding, SELFTEST_ROWS,
         .ids = selftest_ids, .rows = SELFTEST_ROWS,
         .columns = SELFTEST_COLUMNS, .table = in, .places = in + 50,
         .place_ids = selftest_ids, .y = out, .dy = in + 200,
         .dtable = out)
SELFTEST_LIKE(embedding_backward, embedding_forward, SELFTEST_COLUMNS, )

/* The forward of a norm gives its backward's statistics: here any will do. */
SELFTEST(rms_norm_forward, norm, SELFTEST_ROWS,
         .x = in, .gain = in + 200, .bias = in + 300, .eps = 1e-5f,
         .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS, .y = out,
         .mean = out + 2 * SELFTEST_SIZE,
         .scale = out + 2 * SELFTEST_SIZE + SELFTEST_ROWS, .dy = in + 400,
         .dx = out, .dgain = out + 50, .dbias = out + 100)
SELFTEST_LIKE(rms_norm_backward, rms_norm_forward, SELFTEST_ROWS,
              args->norm.mean = (float *)in + 700,
              args->norm.scale = args->norm.mean + SELFTEST_ROWS)
SELFTEST_LIKE(rms_norm_gain, rms_norm_backward, SELFTEST_COLUMNS, )
SELFTEST_LIKE(layer_norm_forward, rms_norm_forward, SELFTEST_ROWS, )
SELFTEST_LIKE(layer_norm_backward, rms_norm_backward, SELFTEST_ROWS, )
SELFTEST_LIKE(layer_norm_gain, rms_norm_gain, SELFTEST_COLUMNS, )

SELFTEST(rotary_forward, rotary, SELFTEST_ROWS,
         .x = in, .positions = selftest_ids, .cosine = in + 200,
         .sine = in + 300, .rows = SELFTEST_ROWS, .heads = 2,
         .head_size = 10, .y = out, .dy = in + 400, .dx = out)
SELFTEST_LIKE(rotary_backward, rotary_forward, SELFTEST_ROWS, )

/* Two query heads over one of keys and values; documents of 2 and 3. */
SELFTEST(attention_forward, attention, 4,
         .q = in, .k = in + 200, .v = in + 300, .q_row = 20, .k_row = 10,
         .heads = 2, .kv_heads = 1, .head_size = 10, .scale = 0.3f,
         .spans = selftest_spans, .span_count = 2, .y = out,
         .stats = out + 400, .dy = in + 600, .dq = out, .dk = out + 100,
         .dv = out + 200)
SELFTEST_LIKE(attention_backward, attention_forward, 2,
              args->attention.y = (float *)in + 400,
              args->attention.stats = (float *)in + 500)

SELFTEST(softmax_forward, softmax, SELFTEST_ROWS,
         .x = in, .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS,
         .y = out, .dy = in + 200, .dx = out)
SELFTEST_LIKE(softmax_backward, softmax_forward, SELFTEST_ROWS,
              args->softmax.y = (float *)in + 400)
SELFTEST(cross_entropy_forward, cross_entropy, SELFTEST_ROWS,
         .x = in, .targets = selftest_ids, .rows = SELFTEST_ROWS,
         .vocabulary = SELFTEST_COLUMNS, .losses = out, .stats = out + 10,
         .grads = in + 300, .dx = out)
SELFTEST_LIKE(cross_entropy_backward, cross_entropy_forward, SELFTEST_ROWS,
              args->cross_entropy.stats = (float *)in + 200)

SELFTEST(dropout_forward, dropout, SELFTEST_ROWS,
         .x = in, .rows = SELFTEST_ROWS, .columns = SELFTEST_COLUMNS,
         .key0 = 1, .key1 = 2, .row0 = 3, .threshold = 1u << 30,
         .scale = 4.0f / 3.0f, .y = out, .dy = in + 200, .dx = out)
SELFTEST_LIKE(dropout_backward, dropout_forward, SELFTEST_ROWS, )

SELFTEST(sum, sum, 1, in, 3 * SELFTEST_SIZE, out)
SELFTEST(square_sums, square_sums, 1, in, 3 * SELFTEST_SIZE, out)
SELFTEST(accumulate, accumulate, SELFTEST_SIZE, in, out)
SELFTEST(fold, fold, SELFTEST_SIZE, out + SELFTEST_SIZE, out)
SELFTEST(adamw, adamw, SELFTEST_SIZE,
         .parameter = out, .gradient = out + 200, .m = out + 400,
         .v = out + 600, .size = SELFTEST_SIZE, .gradient_scale = 0.5f,
         .one_minus_beta1 = 0.1f, .one_minus_beta2 = 0.01f, .decay = 0.001f,
         .step_size = 0.01f, .inverse_root = 1.5f, .eps = 1e-8f)
SELFTEST(lerp, lerp, SELFTEST_SIZE, in, out, 0.3f)
SELFTEST(muon, muon, SELFTEST_SIZE, out, out + 200, 0.02f, 0.01f)
/* Differs from row to row by its nature. */
SELFTEST(fma_limit, sum, 0, in, 0, out)

SELFTEST(map, map, SELFTEST_SIZE, .a = in, .b = in + 200, .s = 1.25f,
         .y = out, .dy = in + 400, .da = out + 200, .db = out + 400)
/* Backward reads y, which is any number here, and where it must not write. */
SELFTEST_LIKE(map_backward, map, SELFTEST_SIZE,
              args->map.y = (float *)in + 600)

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
    float *in = scratch + LH_GEMM_SCRATCH;
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
#define MAP(name) selftest_map, selftest_map_backward,
#include "kernels/kernels.def"
    };
    float *in = scratch + LH_GEMM_SCRATCH;
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

#undef SELFTEST
#undef SELFTEST_LIKE
