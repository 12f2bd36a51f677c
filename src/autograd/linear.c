/* y = x w^T + bias: three matrix products, one forward and two backward. */
#include "autograd/ops.h"

static lh_status linear_product(lh_tensor *n, const lh_gemm_args *args)
{
    int64_t items = lh_gemm_items(args->m, args->n);
    return lh_launch(n->tape->ctx, LH_KERNEL_gemm, args, items,
                     args->m * args->n / items * args->k, LH_GEMM_SCRATCH);
}

static lh_status linear_forward(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor, *w = n->input[1].tensor;
    int64_t k = w->shape[1];
    return linear_product(n, &(lh_gemm_args){
        .m = lh_rows(x), .n = w->shape[0], .k = k,
        .a = x->data, .a_row = k, .a_col = 1,
        .b = w->data, .b_row = 1, .b_col = k,
        .c = n->data, .c_row = w->shape[0],
        .bias = n->inputs > 2 ? n->input[2].tensor->data : NULL,
    });
}

static lh_status linear_backward(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor, *w = n->input[1].tensor;
    int64_t rows = lh_rows(x), outputs = w->shape[0], k = w->shape[1];
    bool first;
    float *dx = lh_node_input_first(n, 0, &first);
    float *dw = lh_node_input_grad(n, 1);
    float *dbias = n->inputs > 2 ? lh_node_input_grad(n, 2) : NULL;
    lh_status status = LH_OK;
    if (dx)                                      /* dx += dy w             */
        status = linear_product(n, &(lh_gemm_args){
            .m = rows, .n = k, .k = outputs,
            .a = n->grad, .a_row = outputs, .a_col = 1,
            .b = w->data, .b_row = k, .b_col = 1,
            .c = dx, .c_row = k, .accumulate = !first,
        });
    if (dw && !status)                           /* dw += dy^T x           */
        status = linear_product(n, &(lh_gemm_args){
            .m = outputs, .n = k, .k = rows,
            .a = n->grad, .a_row = 1, .a_col = outputs,
            .b = x->data, .b_row = k, .b_col = 1,
            .c = dw, .c_row = k, .accumulate = true,
        });
    if (dbias && !status)                        /* dbias += sums of dy    */
        status = lh_launch(n->tape->ctx, LH_KERNEL_sum_rows,
                           &(lh_sum_rows_args){
                               .x = n->grad, .sum = dbias,
                               .rows = rows, .columns = outputs,
                           }, outputs, rows, 0);
    return status;
}

LH_TABLE_DEFINED const lh_op lh_op_linear = {
    "linear", linear_forward, linear_backward
};

LH_API lh_tensor *lh_linear(lh_tape *t, lh_tensor *x, lh_tensor *w,
                            lh_tensor *bias)
{
    lh_tensor *input[3] = { x, w, bias };
    int inputs = bias ? 3 : 2;
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
    return lh_node(t, &lh_op_linear, input, inputs, x->dims, shape, NULL, 0);
}
