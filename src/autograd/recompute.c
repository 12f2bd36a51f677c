/* A part of a graph that is not kept.  Forward computes it on a tape within
 * the tape and keeps the result alone; backward computes it again there, and
 * walks through it: time for memory.
 *
 * The bits are those of the part on the tape itself: the inner nodes are
 * numbered as they would be there, which dropout counts by; gradients are
 * added where the outer ones lie; and an accumulator of a parameter is that
 * of its place in the forward pass, which is noted. */
#include "autograd/ops.h"
#include "base/sabotage.h"

typedef struct recompute_extra {
    lh_part *part;
    const void *data;
    const lh_tensor *result;             /* forward's, on the inner tape   */
    const int *uses;                     /* of parameters, in their order  */
    int64_t first_node, dropout_seed, dropout_step, dropout_row;
} recompute_extra;

/* The part on the inner tape, from a leaf over the elements of x; NULL with
 * the outer tape poisoned.  uses NULL: they are counted. */
static lh_tensor *recompute_run(lh_tape *t, const recompute_extra *e,
                                const lh_tensor *x, const int *uses,
                                lh_tensor **leaf)
{
    lh_tape *inner = t->inner;
    lh_tape_reset(inner);
    inner->graph = t->graph;
    inner->large = t->large;
    inner->gradients = t->gradients;
    inner->dropout_seed = e->dropout_seed;
    inner->dropout_step = e->dropout_step;
    inner->dropout_row = e->dropout_row;
    inner->uses = uses;
    inner->dtype = t->dtype;
    inner->mixed = t->mixed;
    *leaf = lh_borrow(inner, x->data, x->dims, x->shape);
    if (*leaf) {
        (*leaf)->needs_grad = x->needs_grad;
        (*leaf)->dtype = x->dtype;
    }
    inner->nodes = e->first_node;        /* the leaf is not counted        */
    lh_tensor *y = *leaf ? e->part(inner, *leaf, e->data) : NULL;
    if (inner->status)
        t->status = inner->status;
    else if (!y || y->tape != inner || !y->op)
        lh_tape_fail(t, LH_ERROR_ARGUMENT, "recompute: the part did not"
                     " compute anything on the tape that it was given");
    return t->status ? NULL : y;
}

/* Notes which accumulators the inner graph adds to. */
static const int *recompute_uses(lh_tape *t, lh_tensor *last)
{
    size_t count = 0;
    int *uses = NULL;
    for (int fill = 0; fill < 2; fill++) {
        for (lh_tensor *n = last; n; n = n->previous)
            for (int i = n->needs_grad ? n->inputs - 1 : -1; i >= 0; i--)
                if (n->input[i].tensor->parameter) {
                    if (fill)
                        uses[--count] = n->input[i].use;
                    else
                        count++;
                }
        if (!fill)
            uses = lh_tape_room(t, (count + 1) * sizeof *uses);
        if (!uses)
            return NULL;
    }
    return uses;
}

static lh_status recompute_forward(lh_tensor *n)
{
    const recompute_extra *e = n->extra;
    return lh_node_copy(n, e->result, 0);
}

static lh_status recompute_backward(lh_tensor *n)
{
    const recompute_extra *e = n->extra;
    lh_tape *inner = n->tape->inner;
    lh_tensor *x = n->input[0].tensor, *leaf;
    const int *uses = SABOTAGED(recomputed_use) ? NULL : e->uses;
    lh_tensor *y = recompute_run(n->tape, e, x, uses, &leaf);
    if (!y)
        return n->tape->status;
    leaf->grad = lh_node_input_grad(n, 0);
    if (x->needs_grad && !leaf->grad)
        return LH_ERROR_MEMORY;
    y->grad = n->grad;
    y->pass = ++inner->pass;
    return lh_tape_walk(inner, y);
}

LH_OP(recompute)

LH_API lh_tensor *lh_recompute(lh_tape *t, lh_part *part, lh_tensor *x,
                               const void *data, size_t size)
{
    if (!lh_inputs_ok(t, "recompute", &x, 1))
        return NULL;
    if (!part || (size && !data) || x->parameter)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "recompute: no part, no"
                            " data, or a parameter as input; parameters are"
                            " used within the part");
    if (t->outer)                        /* nothing is kept in any case    */
        return part(t, x, data);
    void *copy = lh_arena_alloc(&t->arena, size);
    if (!copy || !lh_tape_inner(t)) {
        t->status = LH_ERROR_MEMORY;
        return NULL;
    }
    if (size)
        memcpy(copy, data, size);
    recompute_extra extra = {
        .part = part, .data = copy, .first_node = t->nodes,
        .dropout_seed = t->dropout_seed, .dropout_step = t->dropout_step,
        .dropout_row = t->dropout_row,
    };
    lh_tensor *leaf, *y = recompute_run(t, &extra, x, NULL, &leaf);
    if (!y)
        return NULL;
    extra.result = y;
    extra.uses = recompute_uses(t, t->inner->last);
    if (!extra.uses)
        return NULL;
    uint8_t dtype = lh_tape_turn(t, y->dtype);
    lh_tensor *n = lh_node(t, &lh_op_recompute, &x, 1, y->dims, y->shape,
                           &extra, sizeof extra);
    lh_tape_turn(t, dtype);
    if (n)
        n->needs_grad = y->needs_grad;
    t->nodes = t->inner->nodes;
    return n;
}
