/* Root mean square norm and layer norm of rows. */
#include "autograd/ops.h"

/* The work of an element of a norm, in fused multiply-adds. */
enum { NORM_COST = 10 };

typedef struct norm_extra {
    float eps;
    bool gain, bias;                     /* which of them are inputs       */
    float *mean, *scale;                 /* [rows], kept for backward      */
} norm_extra;

static lh_norm_args norm_args(lh_tensor *n)
{
    const norm_extra *e = n->extra;
    return (lh_norm_args){
        .x = n->input[0].tensor->data,
        .gain = e->gain ? lh_floats(n, n->input[1].tensor) : NULL,
        .bias = e->bias ? lh_floats(n, n->input[1 + e->gain].tensor) : NULL,
        .eps = e->eps, .rows = lh_rows(n), .columns = lh_columns(n),
        .past = n->dtype == LH_F32 && n->size >= LH_PAST,
        .y = n->data, .mean = e->mean, .scale = e->scale,
    };
}

static lh_status norm_forward(lh_tensor *n)
{
    bool rms = n->op == &lh_op_rms_norm;
    norm_extra *e = n->extra;
    size_t rows = (size_t)lh_rows(n);
    e->mean = lh_tape_room(n->tape, 2 * rows * sizeof(float));
    if (!e->mean)
        return LH_ERROR_MEMORY;
    e->scale = e->mean + rows;
    lh_norm_args args = norm_args(n);
    return lh_node_launch(n, rms ? LH_KERNEL_rms_norm_forward
                                 : LH_KERNEL_layer_norm_forward,
                          &args, args.rows, NORM_COST * args.columns, 0);
}

static lh_status norm_backward(lh_tensor *n)
{
    bool rms = n->op == &lh_op_rms_norm;
    const norm_extra *e = n->extra;
    lh_norm_args args = norm_args(n);
    args.dy = n->grad;
    args.dx = lh_node_input_first(n, 0, &args.first);
    args.dgain = e->gain ? lh_node_input_grad(n, 1) : NULL;
    args.dbias = e->bias ? lh_node_input_grad(n, 1 + e->gain) : NULL;
    lh_status status = LH_OK;
    if (args.dx)
        status = lh_node_launch(n, rms ? LH_KERNEL_rms_norm_backward
                                       : LH_KERNEL_layer_norm_backward,
                                &args, args.rows, NORM_COST * args.columns,
                                0);
    if ((args.dgain || args.dbias) && !status)
        status = lh_node_launch(n, rms ? LH_KERNEL_rms_norm_gain
                                       : LH_KERNEL_layer_norm_gain,
                                &args, args.columns, 8 * args.rows, 0);
    return status;
}

LH_OP_OF(rms_norm, norm_forward, norm_backward)
LH_OP_OF(layer_norm, norm_forward, norm_backward)

static lh_tensor *norm_node(lh_tape *t, const lh_op *op, lh_tensor *x,
                            lh_tensor *gain, lh_tensor *bias, float eps)
{
    lh_tensor *input[3] = { x };
    int inputs = 1;
    norm_extra extra = { .eps = eps, .gain = gain, .bias = bias };
    if (gain)
        input[inputs++] = gain;
    if (bias)
        input[inputs++] = bias;
    if (!lh_inputs_ok(t, op->name, input, inputs))
        return NULL;
    for (int i = 1; i < inputs; i++)
        if (input[i]->size != lh_columns(x))
            return lh_tape_fail(t, LH_ERROR_SHAPE, "%s: rows of %lld, a gain"
                                " or bias of %lld", op->name,
                                (long long)lh_columns(x),
                                (long long)input[i]->size);
    return lh_node(t, op, input, inputs, x->dims, x->shape, &extra,
                   sizeof extra);
}

LH_API lh_tensor *lh_rms_norm(lh_tape *t, lh_tensor *x, lh_tensor *gain,
                              float eps)
{
    return norm_node(t, &lh_op_rms_norm, x, gain, NULL, eps);
}

LH_API lh_tensor *lh_layer_norm(lh_tape *t, lh_tensor *x, lh_tensor *gain,
                                lh_tensor *bias, float eps)
{
    return norm_node(t, &lh_op_layer_norm, x, gain, bias, eps);
}
