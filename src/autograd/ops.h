/* The ops' own objects, made from the two tables, and what they share. */
#pragma once

#include "autograd/tape.h"

#define OP(name, doc, file) LH_TABLE const lh_op lh_op_##name;
#include "autograd/ops.def"

/* The object of an op; of one that has name_forward() and name_backward(). */
#define LH_OP_OF(name, forward, backward) \
    LH_TABLE_DEFINED const lh_op lh_op_##name = { #name, forward, backward };
#define LH_OP(name) LH_OP_OF(name, name##_forward, name##_backward)

/* What a map kernel costs an element, in the time of fused multiply-adds:
 * between an addition, bound by its loads (4), and gelu (50). */
enum { LH_MAP_COST = 16 };

/* The length of the last dimension, and how many rows of that length. */
static inline int64_t lh_columns(const lh_tensor *x)
{
    return x->shape[x->dims - 1];
}

static inline int64_t lh_rows(const lh_tensor *x)
{
    return x->dims == 2 ? x->shape[0]            /* a division is slow     */
                        : x->size / x->shape[x->dims - 1];
}

/* The node's elements are those of its input from `first` on. */
LH_INTERNAL lh_status lh_node_copy(lh_tensor *node, const lh_tensor *from,
                                   int64_t first);

/* The elements of an input as floats; of a tensor in bf16 a copy, made once.
 * NULL, with the tape poisoned, where there is no memory. */
LH_INTERNAL float *lh_widened(lh_tape *t, lh_tensor *x);
static inline float *lh_floats(const lh_tensor *node, lh_tensor *x)
{
    return x->dtype == LH_F32 ? x->data : lh_widened(node->tape, x);
}

/* The elements of an input in bf16, a copy if need be. */
LH_INTERNAL const uint16_t *lh_narrowed(lh_tape *t, lh_tensor *x);

/* lh_launch() with the data of the node and of its inputs as they are: for a
 * kernel that mixed.c knows. */
LH_INTERNAL lh_status lh_node_launch_mixed(lh_tensor *node, lh_kernel kernel,
                                           const void *args, int64_t items,
                                           int64_t cost, int64_t scratch);
static inline lh_status lh_node_launch(lh_tensor *node, lh_kernel kernel,
                                       const void *args, int64_t items,
                                       int64_t cost, int64_t scratch)
{
    if (node->tape->mixed)
        return lh_node_launch_mixed(node, kernel, args, items, cost,
                                    scratch);
    return lh_launch(node->tape->ctx, kernel, args, items, cost, scratch);
}
