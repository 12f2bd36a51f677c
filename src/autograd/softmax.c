/* Softmax of rows. */
#include "autograd/ops.h"

/* The work of an element: an exponential and two passes. */
enum { SOFTMAX_COST = 32 };

static lh_status softmax_launch(lh_tensor *n, lh_kernel kernel,
                                const float *dy, float *dx)
{
    lh_softmax_args args = {
        .x = n->input[0].tensor->data, .rows = lh_rows(n),
        .columns = lh_columns(n), .y = n->data, .dy = dy, .dx = dx,
    };
    return lh_node_launch(n, kernel, &args, args.rows,
                          SOFTMAX_COST * args.columns, 0);
}

static lh_status softmax_forward(lh_tensor *n)
{
    return softmax_launch(n, LH_KERNEL_softmax_forward, NULL, NULL);
}

static lh_status softmax_backward(lh_tensor *n)
{
    float *dx = lh_node_input_grad(n, 0);
    if (!dx)
        return LH_OK;
    return softmax_launch(n, LH_KERNEL_softmax_backward, n->grad, dx);
}

LH_OP(softmax)

LH_API lh_tensor *lh_softmax(lh_tape *t, lh_tensor *x)
{
    if (!lh_inputs_ok(t, "softmax", &x, 1))
        return NULL;
    return lh_node(t, &lh_op_softmax, &x, 1, x->dims, x->shape, NULL, 0);
}
