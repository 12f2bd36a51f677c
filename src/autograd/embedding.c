/* Rows of a table, and the scatter-add back into it. */
#include "autograd/ops.h"

static lh_status embedding_forward(lh_tensor *n)
{
    lh_tensor *table = n->input[0].tensor;
    const float *data = lh_floats(n, table);
    lh_status status = data ? LH_OK : LH_ERROR_MEMORY;
    if (!status && n->needs_grad && table->parameter && !n->input[0].use)
        status = lh_parameter_lookup(table);
    return status ? status
        : lh_node_launch(n, LH_KERNEL_embedding_forward,
                         &(lh_embedding_args){
                             .ids = n->extra, .rows = n->shape[0],
                             .columns = n->shape[1],
                             .table = data, .y = n->data,
                         }, n->shape[0], 6 * n->shape[1], 0);
}

static lh_status embedding_backward(lh_tensor *n)
{
    float *dtable = lh_node_lookup_grad(n, 0, n->extra, n->shape[0]);
    if (!dtable)
        return LH_OK;
    return lh_node_launch(n, LH_KERNEL_embedding_backward,
                          &(lh_embedding_args){
                              .ids = n->extra, .rows = n->shape[0],
                              .columns = n->shape[1],
                              .dy = n->grad, .dtable = dtable,
                          }, n->shape[1], n->shape[0], 0);
}

LH_OP(embedding)

LH_API lh_tensor *lh_embedding(lh_tape *t, lh_tensor *table,
                               const int32_t *ids, int64_t count)
{
    if (!lh_inputs_ok(t, "embedding", &table, 1))
        return NULL;
    if (!ids || count < 1 || table->dims != 2)
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "embedding: no ids, or a"
                            " table that is not [V, C]");
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= table->shape[0])
            return lh_tape_fail(t, LH_ERROR_ARGUMENT, "embedding: id %d at"
                                " row %lld; the table has 0 to %lld",
                                (int)ids[i], (long long)i,
                                (long long)table->shape[0] - 1);
    return lh_node(t, &lh_op_embedding, &table, 1, 2,
                   (const int64_t[]){ count, table->shape[1] }, ids,
                   (size_t)count * sizeof *ids);
}
