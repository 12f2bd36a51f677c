/* Dropout, by random numbers that are counted, not drawn: an element's fate
 * is a function of the run's seed, the step, the op's place on the tape, the
 * row within the whole step and the column.  So micro-batches, threads and
 * resumed runs agree. */
#include "base/strict.h"

#include "autograd/ops.h"
#include "base/rng.h"

typedef struct dropout_extra {
    lh_dropout_args args;                /* but the pointers               */
    float rate;
} dropout_extra;

static lh_status dropout_launch(lh_tensor *n, lh_kernel kernel,
                                const float *dy, float *dx, bool first)
{
    lh_dropout_args args = ((const dropout_extra *)n->extra)->args;
    args.x = n->input[0].tensor->data;
    args.y = n->data;
    args.dy = dy;
    args.dx = dx;
    args.first = first;
    return lh_node_launch(n, kernel, &args, args.rows,
                          40 * args.columns, 0);
}

static lh_status dropout_forward(lh_tensor *n)
{
    dropout_extra *e = n->extra;
    e->args.scale = 1.0f / (1.0f - e->rate);
    return dropout_launch(n, LH_KERNEL_dropout_forward, NULL, NULL, false);
}

static lh_status dropout_backward(lh_tensor *n)
{
    bool first;
    float *dx = lh_node_input_first(n, 0, &first);
    if (!dx)
        return LH_OK;
    return dropout_launch(n, LH_KERNEL_dropout_backward, n->grad, dx, first);
}

LH_OP(dropout)

LH_API lh_tensor *lh_dropout(lh_tape *t, lh_tensor *x, float rate)
{
    if (!lh_inputs_ok(t, "dropout", &x, 1))
        return NULL;
    if (!(rate >= 0.0f && rate < 1.0f))
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "dropout: the rate is not"
                            " at least 0 and below 1");
    if (rate == 0.0f || t->dropout_seed < 0)
        return x;
    uint32_t key[2] = { (uint32_t)t->dropout_seed,
                        (uint32_t)(t->dropout_seed >> 32) };
    uint32_t counter[4] = { (uint32_t)t->dropout_step,
                            (uint32_t)(t->dropout_step >> 32),
                            (uint32_t)t->nodes, 0x64726f70u };
    uint32_t derived[4];
    lh_philox(key, counter, derived);
    dropout_extra extra = { .rate = rate, .args = {
        .rows = lh_rows(x), .columns = lh_columns(x),
        .key0 = derived[0], .key1 = derived[1], .row0 = t->dropout_row,
        .threshold = (uint32_t)((double)rate * 4294967296.0),
    } };
    return lh_node(t, &lh_op_dropout, &x, 1, x->dims, x->shape, &extra,
                   sizeof extra);
}
