/* The elementwise ops: from each row of elementwise.def an op and its public
 * function.  The arithmetic is in the kernels that the same rows make. */
#include "autograd/ops.h"

static inline __attribute__((always_inline)) lh_status elementwise_launch(
    lh_tensor *n, lh_kernel kernel, bool backward)
{
    lh_map_args args = {
        .a = n->input[0].tensor->data,
        .b = n->inputs > 1 ? n->input[1].tensor->data : NULL,
        .s = n->inputs == 1 ? *(const float *)n->extra : 0.0f,
        .y = n->data, .dy = n->grad,
    };
    if (backward)
        args.da = lh_node_input_first(n, 0, &args.first_a);
    if (backward && n->inputs > 1)
        args.db = lh_node_input_first(n, 1, &args.first_b);
    if (n->size == 1 && !n->tape->mixed) {       /* nothing to split       */
        n->tape->ctx->kernels->fn[kernel](&args, 0, 1, NULL);
        return LH_OK;
    }
    return lh_node_launch(n, kernel, &args, n->size, LH_MAP_COST, 0);
}

/* One for each way, without a branch: a small node is 30 ns. */
static lh_status elementwise_forward(lh_tensor *n, lh_kernel kernel)
{
    return elementwise_launch(n, kernel, false);
}

static lh_status elementwise_backward(lh_tensor *n, lh_kernel kernel)
{
    return elementwise_launch(n, kernel, true);
}

static lh_tensor *elementwise_unary(lh_tape *t, const lh_op *op,
                                    lh_tensor *x, float s)
{
    if (!lh_inputs_ok(t, op->name, &x, 1))
        return NULL;
    return lh_node(t, op, &x, 1, x->dims, x->shape, &s, sizeof s);
}

static lh_tensor *elementwise_binary(lh_tape *t, const lh_op *op,
                                     lh_tensor *a, lh_tensor *b)
{
    lh_tensor *input[2] = { a, b };
    if (!(t && !t->status && lh_tensor_ok(t, a) && lh_tensor_ok(t, b)) &&
        !lh_inputs_ok(t, op->name, input, 2))
        return NULL;
    bool same = a->dims == b->dims;
    for (int i = 0; same && i < a->dims; i++)
        same = a->shape[i] == b->shape[i];
    if (!same)
        return lh_tape_fail(t, LH_ERROR_SHAPE, "%s: the inputs have %lld and"
                            " %lld elements, or different shapes", op->name,
                            (long long)a->size, (long long)b->size);
    return lh_node(t, op, input, 2, a->dims, a->shape, NULL, 0);
}

/* ---------------------------------------------------- one op for a row -- */

#define ELEMENTWISE_OP(name) \
    static lh_status name##_elementwise_forward(lh_tensor *n) \
    { \
        return elementwise_forward(n, LH_KERNEL_##name##_forward); \
    } \
    static lh_status name##_elementwise_backward(lh_tensor *n) \
    { \
        return elementwise_backward(n, LH_KERNEL_##name##_backward); \
    } \
    static const lh_op name##_elementwise_op = { \
        #name, name##_elementwise_forward, name##_elementwise_backward \
    };
#define UNARY(name, y, dx, doc) ELEMENTWISE_OP(name) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *x) \
    { \
        return elementwise_unary(t, &name##_elementwise_op, x, 0.0f); \
    }
#define UNARY_S(name, y, dx, doc) ELEMENTWISE_OP(name) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *x, float s) \
    { \
        return elementwise_unary(t, &name##_elementwise_op, x, s); \
    }
#define BINARY(name, y, da, db, doc) ELEMENTWISE_OP(name) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *a, lh_tensor *b) \
    { \
        return elementwise_binary(t, &name##_elementwise_op, a, b); \
    }
#include "kernels/elementwise.def"
#undef ELEMENTWISE_OP

/* -------------------------------------------------------- all the ops -- */

static const lh_op *const elementwise_all_ops[] = {
#define OP(name, doc, file) &lh_op_##name,
#include "autograd/ops.def"
#define UNARY(name, y, dx, doc) &name##_elementwise_op,
#include "kernels/elementwise.def"
};

LH_API const lh_op *lh_op_get(int i)
{
    return i >= 0 && (size_t)i < LH_COUNT(elementwise_all_ops)
        ? elementwise_all_ops[i] : NULL;
}
