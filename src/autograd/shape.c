/* Other views of the same elements: reshape and slice copy forward and add
 * back. */
#include "autograd/ops.h"

static lh_status shape_add(lh_tensor *n, float *dx)
{
    if (!dx)
        return LH_OK;
    return lh_node_launch(n, LH_KERNEL_accumulate,
                          &(lh_accumulate_args){ .x = n->grad, .y = dx },
                          n->size, 4, 0);
}

/* ------------------------------------------------------------- reshape -- */

static lh_status reshape_forward(lh_tensor *n)
{
    return lh_node_copy(n, n->input[0].tensor, 0);
}

static lh_status reshape_backward(lh_tensor *n)
{
    return shape_add(n, lh_node_input_grad(n, 0));
}

LH_OP(reshape)

LH_API lh_tensor *lh_reshape(lh_tape *t, lh_tensor *x, int dims,
                             const int64_t *shape)
{
    if (!lh_inputs_ok(t, "reshape", &x, 1))
        return NULL;
    if (!shape)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "reshape: no shape");
    int64_t size = 1;
    for (int i = 0; i < dims && i < LH_MAX_DIMS; i++)
        if (__builtin_mul_overflow(size, shape[i], &size))
            size = -1;
    if (size != x->size)
        return lh_tape_fail(t, LH_ERROR_SHAPE, "reshape: %lld elements into"
                            " %lld", (long long)x->size, (long long)size);
    return lh_node(t, &lh_op_reshape, &x, 1, dims, shape, NULL, 0);
}

/* --------------------------------------------------------------- slice -- */

static lh_status slice_forward(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor;
    int64_t first = *(const int64_t *)n->extra;
    return lh_node_copy(n, x, first * (x->size / x->shape[0]));
}

static lh_status slice_backward(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor;
    int64_t first = *(const int64_t *)n->extra;
    float *dx = lh_node_input_grad(n, 0);
    return shape_add(n, dx ? dx + first * (x->size / x->shape[0]) : NULL);
}

LH_OP(slice)

LH_API lh_tensor *lh_slice(lh_tape *t, lh_tensor *x, int64_t first,
                           int64_t count)
{
    if (!lh_inputs_ok(t, "slice", &x, 1))
        return NULL;
    if (first < 0 || count < 1 || first > x->shape[0] - count)
        return lh_tape_fail(t, LH_ERROR_SHAPE, "slice: %lld rows from %lld"
                            " of %lld", (long long)count, (long long)first,
                            (long long)x->shape[0]);
    int64_t shape[LH_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[0] = count;
    return lh_node(t, &lh_op_slice, &x, 1, x->dims, shape, &first,
                   sizeof first);
}
