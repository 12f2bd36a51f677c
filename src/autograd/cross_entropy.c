/* The loss: -log softmax(logits)[target] of each row, summed with a weight.
 * The sum is one chain over the rows from `start`, so that micro-batches
 * which hand it on give the whole batch's bits. */
#include "base/strict.h"

#include "autograd/ops.h"

enum { CROSS_ENTROPY_COST = 32 };

typedef struct cross_entropy_extra {
    const int32_t *targets;              /* [rows]                         */
    float *losses, *stats, *grads;       /* [rows], [rows, 2], [rows]      */
    float *exps;                         /* [rows, V]; NULL: not kept      */
    int64_t step_targets;
    float weight, start;                 /* weight: 1 / step_targets       */
} cross_entropy_extra;

static lh_cross_entropy_args cross_entropy_args(lh_tensor *n)
{
    const lh_tensor *x = n->input[0].tensor;
    const cross_entropy_extra *e = n->extra;
    return (lh_cross_entropy_args){
        .x = x->data, .targets = e->targets, .rows = lh_rows(x),
        .vocabulary = lh_columns(x), .losses = e->losses, .stats = e->stats,
        .exps = e->exps,
    };
}

static lh_status cross_entropy_forward(lh_tensor *n)
{
    cross_entropy_extra *e = n->extra;
    const lh_tensor *x = n->input[0].tensor;
    size_t rows = (size_t)lh_rows(x), size = (size_t)x->size;
    /* A few are kept for backward, which is quicker than to compute them. */
    bool keeps = n->needs_grad && x->dtype == LH_F32 &&
                 size * sizeof(float) < n->tape->large;
    e->losses = lh_tape_room(n->tape, (4 * rows + (keeps ? size : 0)) *
                                      sizeof(float));
    if (!e->losses)
        return LH_ERROR_MEMORY;
    e->exps = keeps ? e->losses + 4 * rows : NULL;
    e->weight = 1.0f / (float)e->step_targets;
    e->stats = e->losses + rows;
    e->grads = e->losses + 3 * rows;
    lh_cross_entropy_args args = cross_entropy_args(n);
    lh_status status = lh_node_launch(n,
                                      LH_KERNEL_cross_entropy_forward, &args,
                                      args.rows,
                                      CROSS_ENTROPY_COST * args.vocabulary, 0);
    for (size_t i = 0; i < rows && !n->tape->ctx->dry; i++)
        e->grads[i] = e->weight;
    if (!status)                                 /* losses without: +0     */
        status = lh_launch(n->tape->ctx, LH_KERNEL_gemm, &(lh_gemm_args){
            .m = 1, .n = 1, .k = args.rows,
            .a = e->losses, .a_row = args.rows, .a_col = 1,
            .b = e->grads, .b_row = 1, .b_col = 1,
            .c = n->data, .c_row = 1, .bias = &e->start,
        }, 1, args.rows, LH_GEMM_SCRATCH);
    return status;
}

static lh_status cross_entropy_slopes(lh_tensor *n, float *dx, bool first)
{
    cross_entropy_extra *e = n->extra;
    lh_cross_entropy_args args = cross_entropy_args(n);
    for (int64_t i = 0; i < args.rows; i++)
        e->grads[i] = n->grad[0] * e->weight;
    args.grads = e->grads;
    args.dx = dx;
    args.first = first;
    return lh_node_launch(n, LH_KERNEL_cross_entropy_backward, &args,
                          args.rows, CROSS_ENTROPY_COST * args.vocabulary, 0);
}

static lh_status cross_entropy_backward(lh_tensor *n)
{
    bool first;
    float *dx = lh_node_input_first(n, 0, &first);
    return dx ? cross_entropy_slopes(n, dx, first) : LH_OK;
}

LH_OP(cross_entropy)

/* The logits are a product's output that nobody else has and that its own
 * backward does not look at: their gradient takes their place, so they are
 * not stored twice and no gradient has to be zeroed.  A second backward
 * computes them again where it needs them. */
static lh_status linear_cross_entropy_backward(lh_tensor *n)
{
    lh_tensor *logits = n->input[0].tensor;
    const cross_entropy_extra *e = n->extra;
    lh_status status = logits->grad && !e->exps
        ? logits->op->forward(logits) : LH_OK;
    if (status)
        return status;
    logits->grad = logits->data;
    logits->pass = n->tape->pass;
    return cross_entropy_slopes(n, logits->data, true);
}

LH_OP_OF(linear_cross_entropy, cross_entropy_forward,
         linear_cross_entropy_backward)

/* ---------------------------------------------------- public functions -- */

/* How many rows have a target; below 0, with the tape poisoned, where one is
 * outside the vocabulary. */
static int64_t cross_entropy_count(lh_tape *t, const lh_tensor *logits,
                                   const int32_t *targets)
{
    if (!targets)
        return LH_TAPE_FAIL_AS(-1, t, LH_ERROR_ARGUMENT, "cross_entropy: no"
                               " targets");
    int64_t count = 0, rows = lh_rows(logits);
    for (int64_t i = 0; i < rows; i++) {
        if (targets[i] >= lh_columns(logits))
            return LH_TAPE_FAIL_AS(-1, t, LH_ERROR_ARGUMENT, "cross_entropy:"
                                   " target %d at row %lld; the logits have 0"
                                   " to %lld", (int)targets[i], (long long)i,
                                   (long long)lh_columns(logits) - 1);
        count += targets[i] >= 0;
    }
    return count;
}

static lh_tensor *cross_entropy_node(lh_tape *t, const lh_op *op,
                                     lh_tensor *logits,
                                     const int32_t *targets,
                                     int64_t step_targets, float start)
{
    if (!lh_inputs_ok(t, "cross_entropy", &logits, 1) ||
        cross_entropy_count(t, logits, targets) < 0)
        return NULL;
    if (step_targets < 1)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "cross_entropy: no row has"
                            " a target");
    size_t bytes = (size_t)lh_rows(logits) * sizeof *targets;
    int32_t *copy = lh_tape_room(t, bytes);
    if (!copy)
        return NULL;
    memcpy(copy, targets, bytes);
    cross_entropy_extra extra = {
        .targets = copy, .step_targets = step_targets, .start = start,
    };
    return lh_node(t, op, &logits, 1, 1,
                   (const int64_t[]){ 1 }, &extra, sizeof extra);
}

LH_API lh_tensor *lh_cross_entropy_part(lh_tape *t, lh_tensor *logits,
                                        const int32_t *targets,
                                        int64_t step_targets, float start)
{
    return cross_entropy_node(t, &lh_op_cross_entropy, logits, targets,
                              step_targets, start);
}

LH_INTERNAL lh_tensor *lh_cross_entropy_take(lh_tape *t, lh_tensor *logits,
                                             const int32_t *targets,
                                             int64_t step_targets,
                                             float start)
{
    bool linear = logits && logits->op == &lh_op_linear &&
                  logits->dtype == LH_F32;
    return cross_entropy_node(t, linear ? &lh_op_linear_cross_entropy
                                        : &lh_op_cross_entropy,
                              logits, targets, step_targets, start);
}

LH_API lh_tensor *lh_linear_cross_entropy(lh_tape *t, lh_tensor *x,
                                          lh_tensor *w, lh_tensor *bias,
                                          const int32_t *targets,
                                          int64_t step_targets, float start)
{
    uint8_t dtype = lh_tape_turn(t, LH_F32);     /* logits stay floats     */
    lh_tensor *logits = lh_linear(t, x, w, bias);
    lh_tape_turn(t, dtype);
    return lh_cross_entropy_take(t, logits, targets, step_targets, start);
}

LH_API lh_tensor *lh_cross_entropy(lh_tape *t, lh_tensor *logits,
                                   const int32_t *targets)
{
    if (!lh_inputs_ok(t, "cross_entropy", &logits, 1))
        return NULL;
    int64_t count = cross_entropy_count(t, logits, targets);
    return count < 0 ? NULL
        : lh_cross_entropy_part(t, logits, targets, count, 0.0f);
}

LH_API const float *lh_cross_entropy_losses(const lh_tensor *loss)
{
    if (!loss || (loss->op != &lh_op_cross_entropy &&
                  loss->op != &lh_op_linear_cross_entropy))
        return NULL;
    return ((const cross_entropy_extra *)loss->extra)->losses;
}
