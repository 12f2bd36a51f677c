/* Rotary positions: each pair of channels turned by its position's angle. */
#include "base/strict.h"

#include "autograd/ops.h"
#include "base/fpenv.h"
#include "base/math64.h"

static lh_rotary_args rotary_args(lh_tensor *n)
{
    lh_tensor *cosine = n->input[1].tensor, *sine = n->input[2].tensor;
    return (lh_rotary_args){
        .x = n->input[0].tensor->data, .positions = n->extra,
        .cosine = lh_floats(n, cosine), .sine = lh_floats(n, sine),
        .rows = lh_rows(n), .head_size = 2 * cosine->shape[1],
        .heads = lh_columns(n) / (2 * cosine->shape[1]),
        .y = n->data,
    };
}

static lh_status rotary_forward(lh_tensor *n)
{
    lh_rotary_args args = rotary_args(n);
    return lh_node_launch(n, LH_KERNEL_rotary_forward, &args,
                          args.rows, 8 * lh_columns(n), 0);
}

static lh_status rotary_backward(lh_tensor *n)
{
    lh_rotary_args args = rotary_args(n);
    args.dy = n->grad;
    args.dx = lh_node_input_first(n, 0, &args.first);
    if (!args.dx)
        return LH_OK;
    return lh_node_launch(n, LH_KERNEL_rotary_backward, &args,
                          args.rows, 8 * lh_columns(n), 0);
}

LH_OP(rotary)

LH_API lh_tensor *lh_rotary(lh_tape *t, lh_tensor *x, lh_tensor *cosine,
                            lh_tensor *sine, const int32_t *positions)
{
    lh_tensor *input[3] = { x, cosine, sine };
    if (!lh_inputs_ok(t, "rotary", input, 3))
        return NULL;
    if (!positions)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "rotary: no positions");
    if (cosine->dims != 2 || sine->size != cosine->size ||
        lh_columns(sine) != cosine->shape[1] ||
        lh_columns(x) % (2 * cosine->shape[1]))
        return lh_tape_fail(t, LH_ERROR_SHAPE, "rotary: rows of %lld do not"
                            " split into heads of twice the tables' width",
                            (long long)lh_columns(x));
    if (cosine->needs_grad || sine->needs_grad)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "rotary: the tables must"
                            " be constants");
    int64_t rows = lh_rows(x);
    for (int64_t i = 0; i < rows; i++)
        if (positions[i] < 0 || positions[i] >= cosine->shape[0])
            return lh_tape_fail(t, LH_ERROR_ARGUMENT, "rotary: position %d"
                                " at row %lld; the tables have 0 to %lld",
                                (int)positions[i], (long long)i,
                                (long long)cosine->shape[0] - 1);
    return lh_node(t, &lh_op_rotary, input, 3, x->dims, x->shape, positions,
                   (size_t)rows * sizeof *positions);
}

/* Angle p * theta^(-2i/D) in f64, then rounded once to f32. */
LH_API void lh_rotary_tables(float *cosine, float *sine, int64_t positions,
                             int64_t head_size, double theta)
{
    if (!cosine || !sine || head_size < 2)
        return;
    lh_fpenv saved = lh_fpenv_enter();
    int64_t half = head_size / 2;
    for (int64_t i = 0; i < half; i++) {
        double share = -2.0 * (double)i / (double)head_size;
        double rate = lh_pow64(theta, share);
        for (int64_t p = 0; p < positions; p++) {
            double s, c;
            lh_sincos64((double)p * rate, &s, &c);
            cosine[p * half + i] = (float)c;
            sine[p * half + i] = (float)s;
        }
    }
    lh_fpenv_leave(saved);
}
