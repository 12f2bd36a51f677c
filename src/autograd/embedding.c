/* Rows of a table, or the sum of rows of two, and the scatter-add back. */
#include "autograd/ops.h"

/* The ids of input i, [rows]. */
static const int32_t *embedding_ids(const lh_tensor *n, int i)
{
    return (const int32_t *)n->extra + i * n->shape[0];
}

static lh_status embedding_forward(lh_tensor *n)
{
    lh_embedding_args args = {
        .ids = embedding_ids(n, 0), .place_ids = embedding_ids(n, 1),
        .rows = n->shape[0], .columns = n->shape[1], .y = n->data,
    };
    for (int i = 0; i < n->inputs; i++) {
        lh_tensor *table = n->input[i].tensor;
        const float *data = lh_floats(n, table);
        lh_status status = data ? LH_OK : LH_ERROR_MEMORY;
        if (!status && n->needs_grad && table->parameter && !n->input[i].use)
            status = lh_parameter_lookup(table);
        if (status)
            return status;
        *(i ? &args.places : &args.table) = data;
    }
    return lh_node_launch(n, LH_KERNEL_embedding_forward, &args, args.rows,
                          6 * args.columns, 0);
}

static lh_status embedding_backward(lh_tensor *n)
{
    lh_status status = LH_OK;
    for (int i = n->inputs - 1; i >= 0 && !status; i--) {
        lh_embedding_args args = {
            .ids = embedding_ids(n, i), .rows = n->shape[0],
            .columns = n->shape[1], .dy = n->grad,
        };
        args.dtable = lh_node_lookup_grad(n, i, args.ids, args.rows);
        if (args.dtable)
            status = lh_node_launch(n, LH_KERNEL_embedding_backward, &args,
                                    args.columns, args.rows, 0);
    }
    return status;
}

LH_OP(embedding)

/* Whether ids, count of them, are rows of the table. */
static bool embedding_ok(lh_tape *t, const lh_tensor *table,
                         const int32_t *ids, int64_t count)
{
    if (!ids || count < 1 || table->dims != 2) {
        lh_tape_fail(t, LH_ERROR_ARGUMENT, "embedding: no ids, or a table"
                     " that is not [V, C]");
        return false;
    }
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= table->shape[0]) {
            lh_tape_fail(t, LH_ERROR_ARGUMENT, "embedding: id %d at row %lld;"
                         " the table has 0 to %lld", (int)ids[i],
                         (long long)i, (long long)table->shape[0] - 1);
            return false;
        }
    return true;
}

LH_API lh_tensor *lh_embedding(lh_tape *t, lh_tensor *table,
                               const int32_t *ids, int64_t count)
{
    if (!lh_inputs_ok(t, "embedding", &table, 1) ||
        !embedding_ok(t, table, ids, count))
        return NULL;
    return lh_node(t, &lh_op_embedding, &table, 1, 2,
                   (const int64_t[]){ count, table->shape[1] }, ids,
                   (size_t)count * sizeof *ids);
}

LH_INTERNAL lh_tensor *lh_embedding_places(lh_tape *t, lh_tensor *table,
                                           const int32_t *ids,
                                           lh_tensor *places,
                                           const int32_t *place_ids,
                                           int64_t count)
{
    lh_tensor *input[2] = { table, places };
    if (!t || t->status)
        return NULL;
    if (t->dtype != LH_F32 || table == places)
        return lh_add(t, lh_embedding(t, table, ids, count),
                      lh_embedding(t, places, place_ids, count));
    if (!lh_inputs_ok(t, "embedding", input, 2) ||
        !embedding_ok(t, table, ids, count) ||
        !embedding_ok(t, places, place_ids, count))
        return NULL;
    size_t bytes = (size_t)count * sizeof *ids;
    int32_t *both = lh_tape_room(t, 2 * bytes);
    if (!both)
        return NULL;
    memcpy(both, ids, bytes);
    memcpy(both + count, place_ids, bytes);
    return lh_node(t, &lh_op_embedding, input, 2, 2,
                   (const int64_t[]){ count, table->shape[1] }, both,
                   2 * bytes);
}
