/* y = x w^T + bias: three matrix products, one forward and two backward.
 * Several weights that lie one behind the other are one to all but dx, whose
 * sums go over the outputs in the order in which nodes of their own would
 * come.  relu() of y, or a tensor that y is added to, can be in the node. */
#include "autograd/ops.h"

/* Floats of a gradient that leaves the second-level cache anyway. */
enum { LINEAR_PAST = 1 << 19 };

static const lh_op linear_onto_op;

/* But that which y is added to. */
static int linear_inputs(const lh_tensor *n)
{
    return n->inputs - (n->op == &linear_onto_op);
}

static bool linear_is_bf16(const lh_tensor *n)
{
    bool bf16 = n->dtype == LH_BF16;
    for (int i = 0; n->tape->mixed && i < n->inputs; i++)
        bf16 |= n->input[i].tensor->dtype == LH_BF16;
    return bf16;
}

/* The product; or, where there is an a, in bf16: of that and of g's b, which
 * are the elements of `b`.  `narrow` rounds the result.  Inlined, since what
 * has just been written one by one would be read by twos, which waits for the
 * cache. */
static inline __attribute__((always_inline)) lh_status linear_product(
    lh_tensor *n, const lh_gemm_args *g, const uint16_t *a,
    const lh_tensor *b, bool narrow)
{
    int64_t items = lh_gemm_items(g->m, g->n);
    if (!a)
        return lh_launch(n->tape->ctx, LH_KERNEL_gemm, g, items, items > 1
                             ? g->m * g->n / items * g->k
                             : g->m * g->n * g->k, LH_GEMM_SCRATCH);
    int64_t cost = lh_gemm_bf16_high(g->m) * LH_GEMM_TILE / 2 * g->k;
    return lh_launch(n->tape->ctx, LH_KERNEL_gemm_bf16, &(lh_gemm_bf16_args){
        .m = g->m, .n = g->n, .k = g->k,
        .a = a, .a_row = g->a_row, .a_col = g->a_col,
        .b = g->b, .b_row = g->b_row, .b_col = g->b_col,
        .c = g->c, .c_row = g->c_row, .bias = g->bias,
        .accumulate = g->accumulate, .narrow = narrow,
        .wide = b->dtype == LH_F32,
        .past = g->a_row == 1 && g->m * g->n >= LINEAR_PAST,
    }, lh_gemm_bf16_items(g->m, g->n), cost, LH_GEMM_SCRATCH);
}

static lh_status linear_forward(lh_tensor *n)
{
    lh_tensor *x = n->input[0].tensor, *w = n->input[1].tensor;
    int64_t k = w->shape[1], outputs = lh_columns(n);
    bool with_bias = linear_inputs(n) > 2 && outputs == w->shape[0];
    bool bf16 = linear_is_bf16(n);
    const uint16_t *a = bf16 ? lh_narrowed(n->tape, x) : NULL;
    float *bias = with_bias ? lh_floats(n, n->input[2].tensor) : NULL;
    if ((bf16 && !a) || (with_bias && !bias))
        return LH_ERROR_MEMORY;
    return linear_product(n, &(lh_gemm_args){
        .m = lh_rows(x), .n = outputs, .k = k,
        .a = x->data, .a_row = k, .a_col = 1,
        .b = w->data, .b_row = 1, .b_col = k,
        .c = n->data, .c_row = outputs, .bias = bias,
    }, a, w, n->dtype == LH_BF16);
}

static lh_status linear_backward(lh_tensor *n)
{
    lh_tape *t = n->tape;
    lh_tensor *x = n->input[0].tensor, *w = n->input[1].tensor;
    int64_t rows = lh_rows(n), columns = lh_columns(n), k = w->shape[1];
    int weights = columns > w->shape[0] ? n->inputs - 1 : 1;
    bool first, joined = true;                   /* their gradients are    */
    bool fresh = true;                           /* and +0                 */
    float *dx = lh_node_input_first(n, 0, &first), *dw[LH_MAX_INPUTS];
    for (int i = weights; i > 0; i--) {
        dw[i] = lh_node_input_grad(n, i);
        joined &= i == weights ||
                  dw[i + 1] == dw[i] + n->input[i].tensor->size;
        fresh &= lh_parameter_fresh(n->input[i].tensor, dw[i]);
    }
    float *dbias = linear_inputs(n) > 1 + weights ? lh_node_input_grad(n, 2)
                                                  : NULL;
    uint16_t *half = NULL;                       /* dy, rounded for both   */
    size_t bytes = (size_t)n->size * sizeof *half;
    lh_status status = LH_OK;
    if (linear_is_bf16(n) && (dx || dw[1])) {
        half = lh_arena_take(&t->elements, bytes);
        if (!half)
            return LH_ERROR_MEMORY;
        status = lh_launch(t->ctx, LH_KERNEL_narrow,
                           &(lh_narrow_args){ n->grad, half }, n->size,
                           LH_COPY_COST, 0);
    }
    float *dy = n->grad + columns;
    for (int i = weights; i > 0; i--, first = false) {
        w = n->input[i].tensor;
        dy -= w->shape[0];
        if (dx && !status)                       /* dx += dy w             */
            status = linear_product(n, &(lh_gemm_args){
                .m = rows, .n = k, .k = w->shape[0],
                .a = dy, .a_row = columns, .a_col = 1,
                .b = w->data, .b_row = k, .b_col = 1,
                .c = dx, .c_row = k, .accumulate = !first,
            }, half, w, false);
    }
    for (int i = 1; i <= weights && dw[i] && !status; i++) {
        int64_t outputs = joined ? columns : n->input[i].tensor->shape[0];
        status = linear_product(n, &(lh_gemm_args){
            .m = outputs, .n = k, .k = rows,     /* dw += dy^T x           */
            .a = dy, .a_row = 1, .a_col = columns,
            .b = x->data, .b_row = k, .b_col = 1,
            .c = dw[i], .c_row = k, .accumulate = !fresh,
        }, half, x, false);
        dy += outputs;
        if (joined)
            break;
    }
    if (half)
        lh_arena_give(&t->elements, half, bytes);
    if (dbias && !status)                        /* dbias += sums of dy    */
        status = lh_launch(t->ctx, LH_KERNEL_sum_rows,
                           &(lh_sum_rows_args){
                               .x = n->grad, .sum = dbias,
                               .rows = rows, .columns = columns,
                           }, columns, 4 * rows, 0);
    return status;
}

LH_OP(linear)

/* ------------------------------------------------ what comes behind it -- */

/* In place; relu has no b. */
static lh_status linear_then_forward(lh_tensor *n)
{
    lh_map_args args = { .a = n->data, .y = n->data,
                         .b = n->input[n->inputs - 1].tensor->data };
    lh_status status = linear_forward(n);
    return status ? status
        : lh_launch(n->tape->ctx, n->op == &linear_onto_op
                        ? LH_KERNEL_add_forward : LH_KERNEL_relu_forward,
                    &args, n->size, LH_MAP_COST, 0);
}

/* relu's y is above 0 where its input was.  What y is added to has the same
 * gradient, and takes it over where it is the first; on a tape within a tape
 * it is a copy, since gradients are the outer tape's. */
static lh_status linear_then_backward(lh_tensor *n)
{
    lh_tape *t = n->tape;
    lh_tensor *last = n->input[n->inputs - 1].tensor;
    lh_map_args args = { .a = n->data, .b = n->data, .y = n->data,
                         .dy = n->grad, .da = n->grad, .first_a = true };
    bool onto = n->op == &linear_onto_op;
    bool hands = onto && last->op && last->needs_grad &&
                 last->pass != t->pass && !t->outer;
    if (onto)
        args.da = hands ? NULL
                        : lh_node_input_first(n, n->inputs - 1, &args.first_a);
    lh_status status = args.da
        ? lh_launch(t->ctx, onto ? LH_KERNEL_add_backward
                                 : LH_KERNEL_relu_backward,
                    &args, n->size, LH_MAP_COST, 0) : LH_OK;
    if (!status)
        status = linear_backward(n);
    if (hands) {
        last->grad = n->grad;
        last->pass = t->pass;
        n->grad = NULL;
    }
    return status;
}

static const lh_op linear_relu_op = { "linear", linear_then_forward,
                                      linear_then_backward };
static const lh_op linear_onto_op = { "linear", linear_then_forward,
                                      linear_then_backward };

/* ---------------------------------------------------- public functions -- */

static lh_tensor *linear_node(lh_tape *t, const lh_op *op, lh_tensor *onto,
                              lh_tensor *x, lh_tensor *w, lh_tensor *bias)
{
    lh_tensor *input[4] = { x, w, bias ? bias : onto, onto };
    int inputs = 2 + !!bias + !!onto;
    if (!lh_inputs_ok(t, "linear", input, inputs))
        return NULL;
    if (w->dims != 2 || lh_columns(x) != w->shape[1])
        return lh_tape_fail(t, LH_ERROR_SHAPE, "linear: x has rows of %lld,"
                            " the weight takes rows of %lld",
                            (long long)lh_columns(x),
                            (long long)lh_columns(w));
    if (bias && bias->size != w->shape[0])
        return lh_tape_fail(t, LH_ERROR_SHAPE, "linear: a bias of %lld for"
                            " %lld outputs", (long long)bias->size,
                            (long long)w->shape[0]);
    int64_t shape[LH_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->dims - 1] = w->shape[0];
    return lh_node(t, op, input, inputs, x->dims, shape, NULL, 0);
}

LH_API lh_tensor *lh_linear(lh_tape *t, lh_tensor *x, lh_tensor *w,
                            lh_tensor *bias)
{
    return linear_node(t, &lh_op_linear, NULL, x, w, bias);
}

/* Fewer nodes would move dropout's random numbers. */
LH_INTERNAL lh_tensor *lh_linear_then(lh_tape *t, lh_tensor *onto,
                                      lh_tensor *x, lh_tensor *w,
                                      lh_tensor *bias, float dropout)
{
    if (!t->mixed && t->dropout_seed < 0)
        return linear_node(t, onto ? &linear_onto_op : &linear_relu_op, onto,
                           x, w, bias);
    x = lh_linear(t, x, w, bias);
    return onto ? lh_add(t, onto, lh_dropout(t, x, dropout))
                : lh_relu(t, x);
}

LH_INTERNAL lh_tensor *lh_linear_joined(lh_tape *t, lh_tensor *x,
                                        lh_tensor *const *w, int count)
{
    lh_tensor *input[LH_MAX_INPUTS] = { x };
    int64_t columns = 0, shape[LH_MAX_DIMS];
    for (int i = 0; i < count; i++) {
        input[i + 1] = w[i];
        columns += w[i]->shape[0];
    }
    if (!lh_inputs_ok(t, "linear", input, count + 1))
        return NULL;
    memcpy(shape, x->shape, sizeof shape);
    shape[x->dims - 1] = columns;
    return lh_node(t, &lh_op_linear, input, count + 1, x->dims, shape, NULL,
                   0);
}
