/* The ops' own objects, made from the two tables, and what they share. */
#ifndef LH_OPS_H
#define LH_OPS_H

#include "autograd/tape.h"

#define OP(name, doc, file) LH_TABLE const lh_op lh_op_##name;
#include "autograd/ops.def"
#undef OP

/* The length of the last dimension, and how many rows of that length. */
static inline int64_t lh_columns(const lh_tensor *x)
{
    return x->shape[x->dims - 1];
}

static inline int64_t lh_rows(const lh_tensor *x)
{
    return x->size / x->shape[x->dims - 1];
}

/* The node's elements from elsewhere. */
static inline lh_status lh_node_copy(lh_tensor *node, const float *from)
{
    if (!node->tape->ctx->dry)
        memcpy(node->data, from, (size_t)node->size * sizeof(float));
    return LH_OK;
}

/* Bytes of the arena for what a node keeps from forward to backward; NULL
 * with the failure recorded. */
static inline void *lh_node_keep(lh_tensor *node, size_t size)
{
    return lh_arena_alloc(&node->tape->arena, size);
}

#endif
