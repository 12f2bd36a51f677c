/* The sum of all elements. */
#include "base/strict.h"

#include "autograd/ops.h"
#include "base/fpenv.h"

static lh_status sum_forward(lh_tensor *n)
{
    lh_tensor *x = n->input[0].tensor;
    const float *data = lh_floats(n, x);
    if (!data)
        return LH_ERROR_MEMORY;
    return lh_node_launch(n, LH_KERNEL_sum,
                          &(lh_sum_args){
                              .x = data, .size = x->size, .sum = n->data,
                          }, 1, x->size, 0);
}

static lh_status sum_backward(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor;
    float *dx = lh_node_input_grad(n, 0);
    for (int64_t i = 0; dx && i < x->size; i++)
        dx[i] += n->grad[0];
    return LH_OK;
}

LH_OP(sum)

LH_API lh_tensor *lh_sum(lh_tape *t, lh_tensor *x)
{
    if (!lh_inputs_ok(t, "sum", &x, 1))
        return NULL;
    return lh_node(t, &lh_op_sum, &x, 1, 1, (const int64_t[]){ 1 }, NULL, 0);
}

LH_API lh_tensor *lh_mean(lh_tape *t, lh_tensor *x)
{
    if (!lh_inputs_ok(t, "mean", &x, 1))
        return NULL;
    int64_t size = x->size;
    lh_fpenv saved = lh_fpenv_enter();
    LH_FPENV_PIN(size);
    float share = 1.0f / (float)size;
    LH_FPENV_PIN(share);
    lh_fpenv_leave(saved);
    return lh_scale(t, lh_sum(t, x), share);
}
