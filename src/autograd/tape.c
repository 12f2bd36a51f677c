/* The tape: nodes in the order they were computed, and backward().
 *
 * Owns tensors that live on a tape and the bookkeeping of gradients.  Knows
 * no operation: an op brings its forward and its vector-Jacobian product,
 * this file calls them.  Parameters, which outlive tapes, are in params.c.
 */
#include "autograd/tape.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/fpenv.h"
#include "base/sabotage.h"

/* ------------------------------------------------------------ the tape -- */

LH_API lh_tape *lh_tape_new(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_tape *t = lh_alloc(ctx, 1, sizeof *t);
    if (!t)
        return NULL;
    t->ctx = ctx;
    t->arena.ctx = t->elements.ctx = ctx;
    t->large = LH_TAPE_LARGE;
    t->gradients = true;
    t->graph = ++ctx->graphs;
    t->dropout_seed = -1;
    return t;
}

LH_API void lh_tape_free(lh_tape *t)
{
    if (!t)
        return;
    lh_tape_free(t->inner);
    lh_arena_free(&t->arena);
    lh_arena_free(&t->elements);
    lh_free(t->ctx, t);
}

LH_API void lh_tape_reset(lh_tape *t)
{
    if (!t)
        return;
    lh_arena_reset(&t->arena);
    lh_arena_reset(&t->elements);
    if (t->inner)
        lh_tape_reset(t->inner);
    t->last = NULL;
    t->nodes = 0;
    t->status = LH_OK;
    t->mixed = t->dtype == LH_BF16;
    t->graph = ++t->ctx->graphs;
}

LH_INTERNAL lh_tape *lh_tape_inner(lh_tape *t)
{
    if (!t->inner) {
        t->inner = lh_tape_new(t->ctx);
        if (!t->inner)
            return NULL;
        t->inner->outer = t;
        t->inner->reuse = true;
    }
    return t->inner;
}

LH_INTERNAL lh_status lh_tape_like(lh_tape *t, const lh_tape *other)
{
    lh_status status = lh_arena_reserve(&t->arena, other->arena.most);
    if (!status)
        status = lh_arena_reserve(&t->elements, other->elements.most);
    if (status || !other->inner)
        return status;
    lh_tape *inner = lh_tape_inner(t);
    return inner ? lh_tape_like(inner, other->inner) : LH_ERROR_MEMORY;
}

LH_INTERNAL int64_t lh_tape_bytes(const lh_tape *t)
{
    return (int64_t)(lh_arena_bytes(&t->arena) +
                     lh_arena_bytes(&t->elements)) +
           (t->inner ? lh_tape_bytes(t->inner) : 0);
}

LH_API lh_status lh_tape_status(const lh_tape *t)
{
    return t ? t->status : LH_ERROR_ARGUMENT;
}

LH_API void lh_tape_gradients(lh_tape *t, bool on)
{
    if (t)
        t->gradients = on;
}

LH_API void lh_tape_reuse(lh_tape *t, bool on)
{
    if (t)
        t->reuse = on;
}

LH_API void lh_tape_recompute(lh_tape *t, bool on)
{
    if (t)
        t->recompute = on;
}

LH_API void lh_tape_dropout(lh_tape *t, int64_t seed, int64_t step,
                            int64_t first_row)
{
    if (!t)
        return;
    t->dropout_seed = seed;
    t->dropout_step = step;
    t->dropout_row = first_row;
}

LH_INTERNAL lh_tensor *lh_tape_fail(lh_tape *t, lh_status status,
                                    const char *format, ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!t->status)
        t->status = lh_fail(t->ctx, status, "%s", message);
    return NULL;
}

/* ------------------------------------------------------------- tensors -- */

/* The number of elements of a shape; below 0, with the tape poisoned, where
 * it has none or too many. */
static int64_t tape_elements(lh_tape *t, const char *what, int dims,
                             const int64_t *shape)
{
    if (dims < 1 || dims > LH_MAX_DIMS || !shape)
        return LH_TAPE_FAIL_AS(-1, t, shape ? LH_ERROR_SHAPE
                               : LH_ERROR_ARGUMENT, "%s: no shape, or %d"
                               " dimensions; a tensor has 1 to %d", what,
                               dims, LH_MAX_DIMS);
    int64_t size = 1;
    for (int i = 0; i < dims; i++)
        if (!lh_elements(&size, shape[i]))
            return LH_TAPE_FAIL_AS(-1, t, LH_ERROR_SHAPE, "%s: dimension %d"
                                   " of length %lld makes a tensor that cannot"
                                   " be", what, i, (long long)shape[i]);
    return size;
}

/* By itself gcc inlines it nowhere, which is a twentieth of a small node. */
#define TAPE_INLINE static inline __attribute__((always_inline))

/* A tensor linked behind the last one, with room for edges, extra data and,
 * unless it is borrowed, its elements: one piece of the arena, or two. */
TAPE_INLINE lh_tensor *tape_append(lh_tape *t, const char *what, int inputs,
                                   int dims, const int64_t *shape,
                                   int64_t size, size_t extra,
                                   float *borrowed, int dtype)
{
    if (size == 1)                     /* losses stay floats               */
        dtype = LH_F32;
    size_t head = sizeof(lh_tensor) + (size_t)inputs * sizeof(lh_edge);
    size_t at_extra = (head + 15) & ~(size_t)15;
    if (extra > SIZE_MAX / 4)          /* elements: lh_elements()          */
        return lh_tape_fail(t, LH_ERROR_MEMORY, "%s: too large", what);
    size_t at_data = (at_extra + extra + LH_ALIGN - 1) &
                     ~(size_t)(LH_ALIGN - 1);
    size_t elements = borrowed ? 0 : (size_t)size * lh_dtype_size(dtype);
    bool large = elements >= t->large;
    char *memory = lh_arena_alloc(&t->arena,
                                  at_data + (large ? 0 : elements));
    lh_tensor *x = (lh_tensor *)(void *)memory;
    if (x)
        x->data = borrowed ? borrowed
            : large ? lh_arena_take(&t->elements, elements)
            : (float *)(void *)(memory + at_data);
    if (!x || !x->data) {
        t->status = LH_ERROR_MEMORY;
        return NULL;
    }
    /* Field by field: gcc 12 makes of a memset, and of a literal, `rep stos`,
     * which takes longer than all the rest of this function. */
    x->grad = NULL;
    x->copy = NULL;
    x->dtype = (uint8_t)dtype;
    x->size = size;
    x->shape[0] = shape[0];
    for (int i = 1; i < LH_MAX_DIMS; i++)
        x->shape[i] = i < dims ? shape[i] : 0;
    x->dims = dims;
    x->inputs = inputs;
    x->needs_grad = false;
    x->pass = 0;
    x->index = t->nodes++;
    x->op = NULL;
    x->previous = t->last;
    x->tape = t;
    x->round = (uint16_t)t->graph;
    x->parameter = NULL;
    x->extra = memory + at_extra;
    t->last = x;
    return x;
}

static lh_tensor *tape_leaf(lh_tape *t, const char *what, const float *data,
                            float *borrowed, int dims, const int64_t *shape,
                            bool variable)
{
    if (!t || t->status)
        return NULL;
    int64_t size = tape_elements(t, what, dims, shape);
    lh_tensor *x = size < 0 ? NULL : tape_append(t, what, 0, dims, shape,
                                                 size, 0, borrowed, LH_F32);
    if (!x || borrowed)
        return x;
    if (data)
        memcpy(x->data, data, (size_t)x->size * sizeof(float));
    else
        memset(x->data, 0, (size_t)x->size * sizeof(float));
    x->needs_grad = variable && t->gradients;
    return x;
}

LH_API lh_tensor *lh_constant(lh_tape *t, const float *data, int dims,
                              const int64_t *shape)
{
    return tape_leaf(t, "constant", data, NULL, dims, shape, false);
}

LH_API lh_tensor *lh_variable(lh_tape *t, const float *data, int dims,
                              const int64_t *shape)
{
    return tape_leaf(t, "variable", data, NULL, dims, shape, true);
}

LH_API lh_tensor *lh_scalar(lh_tape *t, float value)
{
    return tape_leaf(t, "scalar", &value, NULL, 1, (const int64_t[]){ 1 },
                     true);
}

LH_INTERNAL lh_tensor *lh_borrow(lh_tape *t, float *data, int dims,
                                 const int64_t *shape)
{
    if (!t || t->status)
        return NULL;
    if (!data)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "borrow: no data");
    return tape_leaf(t, "borrow", NULL, data, dims, shape, false);
}

LH_API int64_t lh_tensor_size(const lh_tensor *x)
{
    return x ? x->size : 0;
}

LH_API int lh_tensor_dims(const lh_tensor *x)
{
    return x ? x->dims : 0;
}

LH_API const int64_t *lh_tensor_shape(const lh_tensor *x)
{
    return x ? x->shape : NULL;
}

/* --------------------------------------------------------------- nodes -- */

LH_INTERNAL bool lh_inputs_ok(lh_tape *t, const char *op,
                              lh_tensor *const *input, int inputs)
{
    if (!t || t->status)
        return false;
    for (int i = 0; i < inputs; i++) {
        if (lh_tensor_ok(t, input[i]))
            continue;
        if (!input[i])
            return LH_TAPE_FAIL_AS(false, t, LH_ERROR_ARGUMENT, "%s: input %d"
                                   " is NULL", op, i);
        /* A part that is computed again reads the outer tape's constants. */
        if (input[i]->tape && input[i]->tape != t &&
            (input[i]->tape != t->outer || input[i]->needs_grad))
            return LH_TAPE_FAIL_AS(false, t, LH_ERROR_ARGUMENT, "%s: input %d"
                                   " is on another tape", op, i);
        /* Its memory is the arena's still.  Once something else lies there
         * no check can help. */
        if (input[i]->tape && input[i]->round != (uint16_t)t->graph)
            return LH_TAPE_FAIL_AS(false, t, LH_ERROR_ARGUMENT, "%s: input %d"
                                   " was made before the tape was reset, or"
                                   " went backward with lh_tape_reuse()", op,
                                   i);
    }
    return true;
}

/* Which of a parameter's accumulators this use of it adds to; makes it on
 * its first time.  Below 0: no memory. */
static int tape_use(lh_tape *t, lh_tensor *x)
{
    lh_parameter *p = x->parameter;
    if (p->graph != t->graph) {
        p->graph = t->graph;
        p->uses = 0;
        p->lookup = false;
        p->fresh = p->cleared;
        if (!SABOTAGED(fresh_gradient))
            p->cleared = false;
    }
    if (!x->grad) {
        x->grad = lh_arena_floats(p->grads, x->size);
        if (!x->grad)
            return -1;
    }
    if (p->uses > p->parts) {
        size_t parts = (size_t)p->parts;
        if (lh_fit(p->ctx, &p->part, &parts, (size_t)p->uses,
                   sizeof *p->part))
            return -1;
        /* Not in large pages: a lookup adds to few of its rows. */
        p->part[p->parts] = lh_aligned_alloc(p->ctx, (size_t)x->size,
                                             sizeof(float), LH_ALIGN);
        if (!p->part[p->parts])
            return -1;
        p->parts++;
    }
    return p->uses++;
}

/* A node whose forward has not run; the inputs are ok. */
TAPE_INLINE lh_tensor *tape_node(lh_tape *t, const lh_op *op,
                                 lh_tensor *const *input, int inputs,
                                 int dims, const int64_t *shape,
                                 const void *extra, size_t size, int dtype)
{
    const lh_tensor *x = inputs ? input[0] : NULL;
    int64_t count = x && x->shape == shape && x->dims == dims
        ? x->size : tape_elements(t, op->name, dims, shape);
    lh_tensor *node = count < 0 ? NULL
        : tape_append(t, op->name, inputs, dims, shape, count, size, NULL,
                      dtype);
    if (!node)
        return NULL;
    node->op = op;
    if (size)
        memcpy(node->extra, extra, size);
    bool needs = false, owned = false;
    for (int i = 0; i < inputs; i++) {
        lh_tensor *in = input[i];
        node->input[i] = (lh_edge){ in, 0 };
        needs |= in->needs_grad;
        owned |= in->parameter != NULL;
    }
    node->needs_grad = needs && t->gradients && op->backward;
    for (int i = 0; owned && node->needs_grad && i < inputs; i++) {
        lh_edge *edge = &node->input[i];
        if (!edge->tensor->parameter)
            continue;
        edge->use = t->uses ? *t->uses++ : tape_use(t, edge->tensor);
        if (edge->use < 0) {
            t->last = node->previous;
            return lh_tape_fail(t, LH_ERROR_MEMORY, "%s: out of memory",
                                op->name);
        }
    }
    return node;
}

TAPE_INLINE lh_tensor *tape_forward(lh_tape *t, lh_tensor *node)
{
    lh_status status;
    if (t->entered) {                  /* to ask costs 5 ns, a wait for    */
        status = node->op->forward(node);        /* all that is computed   */
    } else {
        lh_fpenv saved = lh_fpenv_enter();
        status = node->op->forward(node);
        lh_fpenv_leave(saved);
    }
    if (status) {
        t->last = node->previous;
        return lh_tape_fail(t, status, "%s: failed", node->op->name);
    }
    return node;
}

LH_INTERNAL lh_tensor *lh_node(lh_tape *t, const lh_op *op,
                               lh_tensor *const *input, int inputs, int dims,
                               const int64_t *shape, const void *extra,
                               size_t size)
{
    lh_tensor *node = tape_node(t, op, input, inputs, dims, shape, extra,
                                size, t->dtype);
    return node ? tape_forward(t, node) : NULL;
}

LH_API lh_tensor *lh_apply(lh_tape *t, const lh_op *op,
                           lh_tensor *const *input, int inputs, int dims,
                           const int64_t *shape, const void *data,
                           size_t size)
{
    if (!t || t->status)
        return NULL;
    if (!op || !op->name || !op->forward || inputs < 0 ||
        inputs > LH_MAX_INPUTS || (inputs && !input) || (size && !data))
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "apply: no op, no forward,"
                            " or not 0 to %d inputs", LH_MAX_INPUTS);
    if (!lh_inputs_ok(t, op->name, input, inputs))
        return NULL;
    lh_tensor *node = tape_node(t, op, input, inputs, dims, shape, data,
                                size, LH_F32);
    if (!node)
        return NULL;
    memset(node->data, 0, (size_t)node->size * sizeof(float));
    return tape_forward(t, node);
}

LH_API lh_tensor *lh_node_input(const lh_tensor *node, int i)
{
    return node && i >= 0 && i < node->inputs ? node->input[i].tensor : NULL;
}

LH_API void *lh_node_data(const lh_tensor *node)
{
    return node ? node->extra : NULL;
}

/* ------------------------------------------------------------ backward -- */

LH_API const float *lh_node_grad(const lh_tensor *node)
{
    return node ? node->grad : NULL;
}

/* The gradient of x, to which nothing has been added in this pass: where
 * `first` is given it is left as it is and *first set, else it is zeros. */
static float *tape_begin(lh_tape *t, lh_tensor *x, bool *first)
{
    size_t bytes = (size_t)x->size * sizeof(float);
    if (!x->grad) {
        /* A few lie behind the node's elements: pieces are whole lines. */
        if (bytes >= t->large)
            x->grad = lh_arena_take(&t->elements, bytes);
        else if (x->op && bytes <= LH_ALIGN / 2)
            x->grad = x->data + LH_ALIGN / 2 / sizeof(float);
        else
            x->grad = lh_arena_alloc(&t->arena, bytes);
        if (!x->grad) {
            t->status = LH_ERROR_MEMORY;
            return NULL;
        }
    }
    x->pass = t->pass;
    if (first)
        *first = true;
    else if (!t->ctx->dry)
        memset(x->grad, 0, bytes);
    return x->grad;
}

/* The accumulator that use `use` of x adds to in this pass.  A value in
 * between begins each pass at +0; variables and parameters keep what they
 * have. */
static inline float *tape_accumulator(lh_tape *t, lh_tensor *x, int use,
                                      bool *first)
{
    if (x->parameter)
        return x->parameter->parts ? lh_parameter_grad(x, use, NULL, 0)
                                   : x->grad;
    return x->grad && (!x->op || x->pass == t->pass)
        ? x->grad : tape_begin(t, x, first);
}

LH_API float *lh_node_input_grad(lh_tensor *node, int i)
{
    bool wanted = node && i >= 0 && i < node->inputs &&
                  node->input[i].tensor->needs_grad;
    return wanted ? lh_node_input_begin(node, i, NULL) : NULL;
}

LH_INTERNAL float *lh_node_input_begin(lh_tensor *node, int i, bool *first)
{
    const lh_edge *edge = &node->input[i];
    return tape_accumulator(node->tape, edge->tensor, edge->use, first);
}

LH_INTERNAL float *lh_node_lookup_grad(lh_tensor *node, int i,
                                       const int32_t *ids, int64_t count)
{
    const lh_edge *edge = &node->input[i];
    return edge->tensor->parameter && edge->tensor->parameter->parts
        ? lh_parameter_grad(edge->tensor, edge->use, ids, count)
        : lh_node_input_grad(node, i);
}

/* For sabotage builds. */
static inline void tape_negate(float *grad, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        grad[i] = -grad[i];
}

/* Nothing looks at the elements and the gradient of a node any more. */
static void tape_give(lh_tape *t, lh_tensor *n, bool first)
{
    size_t bytes = (size_t)n->size * sizeof(float);
    size_t elements = (size_t)n->size * lh_dtype_size(n->dtype);
    const float *given = n->data;      /* the gradient may lie there       */
    if (!n->op || bytes < t->large)
        return;
    if (elements >= t->large) {
        lh_arena_give(&t->elements, n->data, elements);
        n->data = NULL;
    }
    if (n->grad && n->grad != given && !first)
        lh_arena_give(&t->elements, n->grad, bytes);
    n->grad = NULL;
}

LH_INTERNAL lh_status lh_tape_walk(lh_tape *t, lh_tensor *from)
{
    bool gives = t->reuse && t->elements.first;
    for (lh_tensor *n = from; n && !t->status; n = n->previous) {
        if (n->op && n->needs_grad && n->grad && n->pass == t->pass) {
            if (SABOTAGE_NUMBER >= LH_FAULT_OPS &&
                lh_op_get(SABOTAGE_NUMBER - LH_FAULT_OPS) == n->op)
                tape_negate(n->grad, n->size);
            lh_status status = n->op->backward(n);
            if (status)
                lh_tape_fail(t, status, "%s: backward failed", n->op->name);
        }
        if (gives)
            tape_give(t, n, n == from);
    }
    return t->status;
}

LH_API lh_status lh_backward(lh_tape *t, lh_tensor *loss)
{
    if (!t)
        return LH_ERROR_ARGUMENT;
    if (!lh_inputs_ok(t, "backward", &loss, 1))
        return t->status;
    if (loss->size != 1)
        lh_tape_fail(t, LH_ERROR_SHAPE, "backward: the loss has %lld"
                     " elements; take lh_sum or lh_mean of it",
                     (long long)loss->size);
    else if (!loss->needs_grad || loss->parameter)
        lh_tape_fail(t, LH_ERROR_ARGUMENT, "backward: the loss comes from no"
                     " variable or parameter");
    if (t->status)
        return t->status;
    lh_fpenv saved = lh_fpenv_enter();
    t->pass++;
    float *one = tape_accumulator(t, loss, 0, NULL);
    if (one)
        one[0] += 1.0f;
    lh_tape_walk(t, loss);
    if (t->reuse)                      /* its nodes are no inputs any more */
        t->graph = ++t->ctx->graphs;
    lh_fpenv_leave(saved);
    return t->status;
}

#undef TAPE_INLINE
