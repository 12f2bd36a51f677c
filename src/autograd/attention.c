/* Causal attention over packed documents.  Each document is a span of rows;
 * nothing is padded and the masked half is never touched.  Rows of q, k and v
 * may be one tensor's, side by side. */
#include "base/strict.h"

#include "autograd/ops.h"

/* Costs are told up to here: whether threads pay is clear long before, and
 * no product overflows. */
enum { ATTENTION_MUCH = 1 << 20 };

typedef struct attention_extra {
    const lh_span *spans;                /* [span_count]                   */
    int64_t span_count, longest;         /* longest: keys of one span      */
    int64_t pairs;                       /* (query, key) pairs, about      */
    int64_t heads, kv_heads;
    bool covered;                        /* all keys are in some span      */
    float scale;
    float *stats;                        /* [rows, heads, 2]               */
} attention_extra;

static lh_attention_args attention_args(lh_tensor *n)
{
    const attention_extra *e = n->extra;
    const lh_tensor *q = n->input[0].tensor, *k = q;
    const int64_t size = lh_columns(n) / e->heads;
    const float *k_data, *v_data;
    if (n->inputs > 1) {
        k = n->input[1].tensor;
        k_data = k->data;
        v_data = n->input[2].tensor->data;
    } else {
        k_data = q->data + lh_columns(n);
        v_data = k_data + e->kv_heads * size;
    }
    return (lh_attention_args){
        .q = q->data, .k = k_data, .v = v_data,
        .q_row = lh_columns(q), .k_row = lh_columns(k),
        .heads = e->heads, .kv_heads = e->kv_heads,
        .head_size = size, .scale = e->scale,
        .spans = e->spans, .span_count = e->span_count,
        .y = n->data, .stats = e->stats,
    };
}

static lh_status attention_launch(lh_tensor *n, lh_kernel kernel,
                                  const lh_attention_args *args,
                                  int64_t heads, int64_t passes)
{
    const attention_extra *e = n->extra;
    int64_t cost = lh_min64(e->pairs / e->span_count, ATTENTION_MUCH) *
                   lh_min64(args->head_size, ATTENTION_MUCH) * passes *
                   lh_min64(e->heads / heads, ATTENTION_MUCH);
    return lh_node_launch(n, kernel, args, e->span_count * heads, cost,
                          lh_attention_scratch(e->longest, args->head_size));
}

static lh_status attention_forward(lh_tensor *n)
{
    attention_extra *e = n->extra;
    if (!(e->scale > 0.0f))
        e->scale = 1.0f /
            __builtin_sqrtf((float)(lh_columns(n) / e->heads));
    e->stats = lh_tape_room(n->tape, (size_t)(lh_rows(n) * e->heads) * 2 *
                               sizeof(float));
    if (!e->stats)
        return LH_ERROR_MEMORY;
    lh_attention_args args = attention_args(n);
    return attention_launch(n, LH_KERNEL_attention_forward, &args, e->heads,
                            2);
}

static lh_status attention_backward(lh_tensor *n)
{
    const attention_extra *e = n->extra;
    lh_attention_args args = attention_args(n);
    bool joined = n->inputs == 1;
    args.dy = n->grad;
    if (!joined || e->covered)
        args.dq = lh_node_input_first(n, 0, &args.first_q);
    else
        args.dq = lh_node_input_grad(n, 0);
    if (joined) {
        args.dk = args.dq ? args.dq + (args.k - args.q) : NULL;
        args.dv = args.dq ? args.dq + (args.v - args.q) : NULL;
        args.first_k = args.first_v = args.first_q;
    } else if (e->covered) {
        args.dk = lh_node_input_first(n, 1, &args.first_k);
        args.dv = lh_node_input_first(n, 2, &args.first_v);
    } else {
        args.dk = lh_node_input_grad(n, 1);
        args.dv = lh_node_input_grad(n, 2);
    }
    return attention_launch(n, LH_KERNEL_attention_backward, &args,
                            e->kv_heads, 5);
}

LH_OP(attention)

/* ---------------------------------------------------- public functions -- */

/* Whether the spans stay within the rows of q and k, and in order: no two
 * share a query row. */
static bool attention_spans_ok(const lh_span *spans, int64_t count,
                               int64_t q_rows, int64_t k_rows)
{
    int64_t next = 0;
    for (int64_t i = 0; i < count; i++) {
        const lh_span *s = &spans[i];
        if (s->q_row != next || s->count < 1 || s->count > q_rows - next ||
            s->k_row < 0 || s->past < 0 || s->k_row > k_rows ||
            s->past > k_rows - s->k_row ||
            s->count > k_rows - s->k_row - s->past)
            return false;
        next += s->count;
    }
    return next == q_rows;
}

LH_INTERNAL lh_tensor *lh_attention_spans(lh_tape *t, lh_tensor *q,
                                          lh_tensor *k, lh_tensor *v,
                                          int64_t heads, int64_t kv_heads,
                                          float scale, const lh_span *spans,
                                          int64_t span_count)
{
    lh_tensor *input[3] = { q, k, v };
    bool joined = !k && !v;
    int inputs = joined ? 1 : 3;
    if (!lh_inputs_ok(t, "attention", input, inputs))
        return NULL;
    int64_t shape[LH_MAX_DIMS], columns = lh_columns(q);
    if (joined) {
        columns = columns / (heads + 2 * kv_heads) * heads;
        k = v = q;
    } else if (heads < 1 || kv_heads < 1 || heads % kv_heads ||
               columns % heads || lh_columns(k) % kv_heads ||
               columns / heads != lh_columns(k) / kv_heads ||
               lh_columns(v) != lh_columns(k) || v->size != k->size) {
        return lh_tape_fail(t, LH_ERROR_SHAPE, "attention: q of %lld, k of"
                            " %lld and v of %lld channels do not split into"
                            " %lld and %lld heads", (long long)columns,
                            (long long)lh_columns(k),
                            (long long)lh_columns(v), (long long)heads,
                            (long long)kv_heads);
    }
    if (!spans || span_count < 1 ||
        !attention_spans_ok(spans, span_count, lh_rows(q), lh_rows(k)))
        return lh_tape_fail(t, LH_ERROR_SHAPE, "attention: the documents do"
                            " not cover the %lld rows in order",
                            (long long)lh_rows(q));
    attention_extra extra = {
        .span_count = span_count, .heads = heads, .kv_heads = kv_heads,
        .scale = scale,
    };
    /* Gradients that share memory would be added in an order that depends on
     * the instruction set: a tensor given twice is copied. */
    if (!joined && k == q)
        input[1] = lh_reshape(t, k, k->dims, k->shape);
    if (!joined && (v == q || v == k))
        input[2] = lh_reshape(t, v, v->dims, v->shape);
    if (t->status)
        return NULL;
    lh_span *copy = lh_tape_room(t, (size_t)span_count * sizeof *copy);
    if (!copy)
        return NULL;
    int64_t covered = 0;
    for (int64_t i = 0; i < span_count; i++) {
        int64_t keys = spans[i].past + spans[i].count;
        copy[i] = spans[i];
        covered += keys;
        extra.longest = lh_max64(extra.longest, keys);
        extra.pairs += lh_min64(spans[i].count, ATTENTION_MUCH) *
                       lh_min64(keys + spans[i].past + 1, ATTENTION_MUCH) /
                       2;
    }
    extra.spans = copy;
    extra.covered = covered == lh_rows(k);   /* no two share rows          */
    memcpy(shape, q->shape, sizeof shape);
    shape[q->dims - 1] = columns;
    return lh_node(t, &lh_op_attention, input, inputs, q->dims, shape,
                   &extra, sizeof extra);
}

LH_API lh_tensor *lh_attention(lh_tape *t, lh_tensor *q, lh_tensor *k,
                               lh_tensor *v, int64_t heads, int64_t kv_heads,
                               float scale, const int64_t *offsets,
                               int64_t documents)
{
    lh_tensor *input[3] = { q, k, v };
    if (!lh_inputs_ok(t, "attention", input, 3))
        return NULL;
    if (!offsets || documents < 1 || offsets[0] != 0 ||
        documents > lh_rows(q))
        return lh_tape_fail(t, LH_ERROR_ARGUMENT, "attention: no documents,"
                            " or more of them than rows");
    lh_span *spans = lh_tape_room(t, (size_t)documents * sizeof *spans);
    if (!spans)
        return NULL;
    for (int64_t i = 0; i < documents; i++) {
        if (offsets[i + 1] < offsets[i])
            return lh_tape_fail(t, LH_ERROR_SHAPE, "attention: document"
                                " %lld ends before it begins",
                                (long long)i);
        spans[i] = (lh_span){ offsets[i], offsets[i + 1] - offsets[i],
                              offsets[i], 0 };
    }
    return lh_attention_spans(t, q, k, v, heads, kv_heads, scale, spans,
                              documents);
}
