/* Tensors in bf16: which they are, and their copies in the other type.
 *
 * On a tape in bf16 the library's operations store what they compute in bf16
 * and compute in floats; values of one element, leaves, parameters and all
 * gradients stay floats, and so do the values of operations from outside.
 * Products round weights to bf16 as they read them. */
#include "autograd/ops.h"
#include "base/fpenv.h"
#include "kernels/bf16.h"

LH_API void lh_tape_dtype(lh_tape *t, lh_dtype dtype)
{
    if (!t)
        return;
    t->mixed |= dtype == LH_BF16;
    if ((unsigned)dtype <= LH_BF16)
        t->dtype = (uint8_t)dtype;
    else
        lh_tape_fail(t, LH_ERROR_ARGUMENT, "lh_tape_dtype: %d is no dtype",
                     (int)dtype);
}

LH_INTERNAL float *lh_widened(lh_tape *t, lh_tensor *x)
{
    if (x->dtype == LH_F32)
        return x->data;
    if (x->copy || !x->data)
        return x->copy;
    float *copy = lh_tape_room(t, (size_t)x->size * sizeof *copy);
    if (!copy)
        return NULL;
    lh_launch(t->ctx, LH_KERNEL_widen,
              &(lh_widen_args){ (const uint16_t *)(void *)x->data, copy },
              x->size, LH_COPY_COST, 0);
    return x->copy = copy;
}

LH_INTERNAL const uint16_t *lh_narrowed(lh_tape *t, lh_tensor *x)
{
    if (x->dtype == LH_BF16)
        return (const uint16_t *)(void *)x->data;
    uint16_t *copy = lh_tape_room(t, (size_t)x->size * sizeof *copy);
    if (copy)
        lh_launch(t->ctx, LH_KERNEL_narrow,
                  &(lh_narrow_args){ x->data, copy }, x->size,
                  LH_COPY_COST, 0);
    return copy;
}

LH_INTERNAL lh_status lh_node_copy(lh_tensor *node, const lh_tensor *from,
                                   int64_t first)
{
    lh_context *ctx = node->tape->ctx;
    size_t each = lh_dtype_size(from->dtype);
    const char *at = (const char *)from->data + (size_t)first * each;
    if (from->dtype != node->dtype && node->dtype == LH_F32)
        return lh_launch(ctx, LH_KERNEL_widen,
                         &(lh_widen_args){ (const uint16_t *)(const void *)at,
                                           node->data }, node->size,
                         LH_COPY_COST, 0);
    if (from->dtype != node->dtype)
        return lh_launch(ctx, LH_KERNEL_narrow,
                         &(lh_narrow_args){ (const float *)(const void *)at,
                                            (uint16_t *)(void *)node->data },
                         node->size, LH_COPY_COST, 0);
    if (!ctx->dry)
        memcpy(node->data, at, (size_t)node->size * each);
    return LH_OK;
}

LH_INTERNAL lh_status lh_node_launch_mixed(lh_tensor *node, lh_kernel kernel,
                                           const void *args, int64_t items,
                                           int64_t cost, int64_t scratch)
{
    const void *half[1 + LH_MAX_INPUTS];
    int halves = 0;
    if (node->dtype == LH_BF16)
        half[halves++] = node->data;
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i].tensor->dtype == LH_BF16)
            half[halves++] = node->input[i].tensor->data;
    return halves ? lh_launch_mixed(node->tape->ctx, kernel, args, items,
                                    cost, scratch, half, halves)
                  : lh_launch(node->tape->ctx, kernel, args, items, cost,
                              scratch);
}

LH_API float *lh_tensor_data(lh_tensor *x)
{
    if (!x || x->dtype == LH_F32)
        return x ? x->data : NULL;
    lh_fpenv saved = lh_fpenv_enter();
    float *data = lh_widened(x->tape, x);
    lh_fpenv_leave(saved);
    return data;
}

LH_API float lh_value(const lh_tensor *x)
{
    if (!x || !x->data)
        return __builtin_nanf("");
    return x->dtype == LH_F32
        ? x->data[0] : lh_widen(*(const uint16_t *)(void *)x->data);
}
