/* Kernels on tensors in bf16.  No kernel but the products is written twice:
 * some rows at a time, few enough to stay in the first-level cache, are
 * widened into the scratch, the kernel runs on them, and what it wrote is
 * rounded to bf16.
 *
 * For that it must be known what of each kernel's arguments belongs to a
 * row: the table of fields below.  Attention, whose rows meet, is widened by
 * documents and heads.  Read kernels.h first. */
#include "base/context.h"
#include "kernels/kernels.h"

/* Floats of bf16 operands that are widened at a time, or one row. */
enum { MIXED_FLOATS = 4096, MIXED_FIELDS = 7 };

/* What belongs to a row behind a pointer: so many elements of 4 bytes, or as
 * many as the kernel has columns. */
enum { MIXED_COLUMNS = 0 };

typedef struct mixed_field {
    size_t at;                         /* of the pointer in the arguments  */
    int64_t each;
    bool out;                          /* written, else read               */
} mixed_field;

typedef struct mixed_plan {
    size_t size;                       /* of the arguments                 */
    int64_t columns;
    int64_t rows;                      /* items are columns of these; or 0 */
    const mixed_field *field;          /* [MIXED_FIELDS], NULL: none       */
} mixed_plan;

typedef struct mixed_work {
    const struct lh_kernels *kernels;
    lh_kernel kernel;
    const void *args;
    const void *const *half;           /* [halves]: what is in bf16        */
    int halves;
    mixed_plan plan;
    int64_t widened;                   /* floats of a row                  */
} mixed_work;

/* ------------------------------------------------------------ fields -- */

#define MIXED(type, name, each, out) \
    { offsetof(lh_##type##_args, name), each, out }
#define MIXED_IN(type, name) MIXED(type, name, MIXED_COLUMNS, false)
#define MIXED_OUT(type, name) MIXED(type, name, MIXED_COLUMNS, true)

static const mixed_field mixed_norm[MIXED_FIELDS] = {
    MIXED_IN(norm, x), MIXED_OUT(norm, y), MIXED(norm, mean, 1, true),
    MIXED(norm, scale, 1, true),
};
static const mixed_field mixed_norm_backward[MIXED_FIELDS] = {
    MIXED_IN(norm, x), MIXED(norm, mean, 1, false),
    MIXED(norm, scale, 1, false), MIXED_IN(norm, dy), MIXED_OUT(norm, dx),
};
static const mixed_field mixed_rotary[MIXED_FIELDS] = {
    MIXED_IN(rotary, x), MIXED_OUT(rotary, y),
    MIXED(rotary, positions, 1, false),
};
static const mixed_field mixed_embedding[MIXED_FIELDS] = {
    MIXED(embedding, ids, 1, false), MIXED_OUT(embedding, y),
};
static const mixed_field mixed_softmax[MIXED_FIELDS] = {
    MIXED_IN(softmax, x), MIXED_OUT(softmax, y),
};
static const mixed_field mixed_softmax_backward[MIXED_FIELDS] = {
    MIXED_IN(softmax, y), MIXED_IN(softmax, dy), MIXED_OUT(softmax, dx),
};
static const mixed_field mixed_cross_entropy[MIXED_FIELDS] = {
    MIXED_IN(cross_entropy, x), MIXED(cross_entropy, targets, 1, false),
    MIXED(cross_entropy, losses, 1, true),
    MIXED(cross_entropy, stats, 2, true),
    MIXED(cross_entropy, grads, 1, false), MIXED_OUT(cross_entropy, dx),
};
static const mixed_field mixed_dropout[MIXED_FIELDS] = {
    MIXED_IN(dropout, x), MIXED_OUT(dropout, y),
};
static const mixed_field mixed_map[MIXED_FIELDS] = {
    MIXED_IN(map, a), MIXED_IN(map, b), MIXED_OUT(map, y),
};
static const mixed_field mixed_map_backward[MIXED_FIELDS] = {
    MIXED_IN(map, a), MIXED_IN(map, b), MIXED_IN(map, y),
    MIXED_IN(map, dy), MIXED_OUT(map, da), MIXED_OUT(map, db),
};

/* The kernels that read or write bf16; the others' operands are floats. */
static mixed_plan mixed_plan_of(lh_kernel kernel, const lh_kernel_args *a)
{
#define MIXED_PLAN(type, columns, rows, fields) \
    return (mixed_plan){ sizeof(lh_##type##_args), columns, rows, fields }
    switch (kernel) {
    case LH_KERNEL_rms_norm_forward:
    case LH_KERNEL_layer_norm_forward:
        MIXED_PLAN(norm, a->norm.columns, 0, mixed_norm);
    case LH_KERNEL_rms_norm_backward:
    case LH_KERNEL_layer_norm_backward:
        MIXED_PLAN(norm, a->norm.columns, 0, mixed_norm_backward);
    case LH_KERNEL_rms_norm_gain:
    case LH_KERNEL_layer_norm_gain:
        MIXED_PLAN(norm, a->norm.columns, a->norm.rows, mixed_norm_backward);
    case LH_KERNEL_rotary_forward:
        MIXED_PLAN(rotary, a->rotary.heads * a->rotary.head_size, 0,
                   mixed_rotary);
    case LH_KERNEL_embedding_forward:
        MIXED_PLAN(embedding, a->embedding.columns, 0, mixed_embedding);
    case LH_KERNEL_softmax_forward:
        MIXED_PLAN(softmax, a->softmax.columns, 0, mixed_softmax);
    case LH_KERNEL_softmax_backward:
        MIXED_PLAN(softmax, a->softmax.columns, 0, mixed_softmax_backward);
    case LH_KERNEL_cross_entropy_forward:
    case LH_KERNEL_cross_entropy_backward:
        MIXED_PLAN(cross_entropy, a->cross_entropy.vocabulary, 0,
                   mixed_cross_entropy);
    case LH_KERNEL_dropout_forward:
        MIXED_PLAN(dropout, a->dropout.columns, 0, mixed_dropout);
#define UNARY(name, y, dx, doc) \
    case LH_KERNEL_##name##_forward: \
        MIXED_PLAN(map, 1, 0, mixed_map); \
    case LH_KERNEL_##name##_backward: \
        MIXED_PLAN(map, 1, 0, mixed_map_backward);
#include "kernels/elementwise.def"
    default:
        return (mixed_plan){ 0, 0, 0, NULL };
    }
#undef MIXED_PLAN
}

/* -------------------------------------------------------------- rows -- */

static bool mixed_is_half(const mixed_work *w, const void *p)
{
    for (int i = 0; i < w->halves; i++)
        if (w->half[i] == p)
            return true;
    return false;
}

/* The pointer of a field, in the arguments or in a copy of them. */
static char **mixed_pointer(const void *args, const mixed_field *f)
{
    return (char **)(void *)((char *)args + f->at);
}

static void mixed_widen(const mixed_work *w, const uint16_t *x, float *y,
                        int64_t n)
{
    w->kernels->fn[LH_KERNEL_widen](&(lh_widen_args){ x, y }, 0, n, NULL);
}

static void mixed_narrow(const mixed_work *w, const float *x, uint16_t *y,
                         int64_t n)
{
    w->kernels->fn[LH_KERNEL_narrow](&(lh_narrow_args){ x, y }, 0, n, NULL);
}

/* Rows i .. i + n - 1, and of them the items begin..end-1 where those are
 * columns, which are then widened alone. */
static void mixed_rows(const mixed_work *w, int64_t i, int64_t n,
                       int64_t begin, int64_t end, float *scratch)
{
    const mixed_plan *p = &w->plan;
    lh_kernel_args args;
    float *room = scratch;
    memcpy(&args, w->args, p->size);
    for (int k = 0; k < 2; k++) {      /* pointers and inputs; outputs     */
        room = scratch;
        for (const mixed_field *f = p->field;
             f < p->field + MIXED_FIELDS && (f->at || f == p->field); f++) {
            char **at = mixed_pointer(&args, f);
            char *all = *mixed_pointer(w->args, f);
            int64_t each = f->each ? f->each : p->columns;
            if (!all)
                continue;
            if (!mixed_is_half(w, all)) {
                *at = all + i * each * 4;
                continue;
            }
            uint16_t *half = (uint16_t *)(void *)all + i * each;
            if (k && f->out)
                mixed_narrow(w, room, half, n * each);
            else if (!k && !f->out && !p->rows)
                mixed_widen(w, half, room, n * each);
            else if (!k && !f->out)
                for (int64_t r = 0; r < n; r++)
                    mixed_widen(w, half + r * each + begin,
                                room + r * each + begin, end - begin);
            *at = (char *)room;
            room += n * each;
        }
        if (k)
            return;
        if (w->kernel == LH_KERNEL_dropout_forward)
            args.dropout.row0 += i;
        if (p->rows)
            args.norm.rows = n;
        room += -(uintptr_t)(room - scratch) % 16;
        w->kernels->fn[w->kernel](&args, p->rows ? begin : 0,
                                  p->rows ? end : n, room);
    }
}

static void mixed_run(const void *args, int64_t begin, int64_t end,
                      float *scratch)
{
    const mixed_work *w = args;
    int64_t rows = w->plan.rows, step = MIXED_FLOATS / w->widened;
    step = step >= 64 ? step / 64 * 64 : step > 0 ? step : 1;
    for (int64_t i = rows ? 0 : begin; i < (rows ? rows : end); i += step)
        mixed_rows(w, i, lh_min64(step, (rows ? rows : end) - i), begin, end,
                   scratch);
}

/* --------------------------------------------------------- attention -- */

/* count rows of `wide` elements of either kind, `row` apart from the element
 * `at` on, and the same as floats without gaps. */
typedef struct mixed_operand {
    float *part;
    const float *all;                          /* NULL: not there          */
    int64_t at, row, count, wide;
    bool in, out;
} mixed_operand;

/* From all of it to the part, or back. */
static void mixed_move(const mixed_work *w, const mixed_operand *o, bool back)
{
    bool half = o->all && mixed_is_half(w, o->all);
    size_t bytes = (size_t)o->wide * sizeof *o->part;
    if (!o->all || !(back ? o->out : o->in))
        return;
    for (int64_t i = 0, at = o->at; i < o->count; i++, at += o->row) {
        float *part = o->part + i * o->wide, *whole = (float *)o->all + at;
        uint16_t *halves = (uint16_t *)(void *)o->all + at;
        if (half && back)
            mixed_narrow(w, part, halves, o->wide);
        else if (half)
            mixed_widen(w, halves, part, o->wide);
        else
            memcpy(back ? whole : part, back ? part : whole, bytes);
    }
}

/* What one document and some query heads of one key head need as floats. */
static int64_t mixed_attention_scratch(const lh_attention_args *a)
{
    int64_t longest = 0, group = a->heads / a->kv_heads;
    for (int64_t i = 0; i < a->span_count; i++)
        longest = lh_max64(longest, a->spans[i].past + a->spans[i].count);
    return (longest * (4 * group * a->head_size + 2 * group +
                       4 * a->head_size) + 15) / 16 * 16;
}

/* The query heads h .. h + n - 1, of one key head, in one document. */
static void mixed_attention(const mixed_work *w, const lh_span *span,
                            int64_t h, int64_t n, float *scratch)
{
    const lh_attention_args *a = w->args;
    bool forward = w->kernel == LH_KERNEL_attention_forward;
    int64_t size = a->head_size, wide = n * size, rows = span->count;
    int64_t keys = span->past + rows, y_row = a->heads * size;
    int64_t q_at = span->q_row * a->q_row + h * size;
    int64_t k_at = span->k_row * a->k_row +
                   h / (a->heads / a->kv_heads) * size;
    int64_t y_at = span->q_row * y_row + h * size;
    int64_t stats_at = (span->q_row * a->heads + h) * 2;
    lh_span one = { 0, rows, 0, span->past };
    float *room = scratch + mixed_attention_scratch(a);
    float *q = scratch, *y = q + rows * wide, *stats = y + rows * wide;
    float *k = stats + rows * 2 * n, *v = k + keys * size;
    float *dy = v + keys * size, *dq = dy + rows * wide;
    float *dk = dq + rows * wide, *dv = dk + keys * size;
    const mixed_operand operand[] = {
        { q, a->q, q_at, a->q_row, rows, wide, true, false },
        { k, a->k, k_at, a->k_row, keys, size, true, false },
        { v, a->v, k_at, a->k_row, keys, size, true, false },
        { y, a->y, y_at, y_row, rows, wide, !forward, forward },
        { stats, a->stats, stats_at, 2 * a->heads, rows, 2 * n, !forward,
          forward },
        { dy, a->dy, y_at, y_row, rows, wide, true, false },
        { dq, a->dq, q_at, a->q_row, rows, wide, !a->first_q, true },
        { dk, a->dk, k_at, a->k_row, rows, size, !a->first_k, true },
        { dv, a->dv, k_at, a->k_row, rows, size, !a->first_v, true },
    };
    lh_attention_args part = {
        .q = q, .k = k, .v = v, .q_row = wide, .k_row = size, .heads = n,
        .kv_heads = 1, .head_size = size, .scale = a->scale, .spans = &one,
        .span_count = 1, .y = y, .stats = stats, .dy = dy,
        .dq = a->dq ? dq : NULL, .dk = a->dk ? dk : NULL,
        .dv = a->dv ? dv : NULL, .first_q = a->first_q,
        .first_k = a->first_k, .first_v = a->first_v,
    };
    for (size_t i = 0; i < LH_COUNT(operand); i++)
        mixed_move(w, &operand[i], false);
    w->kernels->fn[w->kernel](&part, 0, forward ? n : 1, room);
    for (size_t i = 0; i < LH_COUNT(operand); i++)
        mixed_move(w, &operand[i], true);
}

static void mixed_attention_run(const void *args, int64_t begin, int64_t end,
                                float *scratch)
{
    const mixed_work *w = args;
    const lh_attention_args *a = w->args;
    bool forward = w->kernel == LH_KERNEL_attention_forward;
    int64_t group = a->heads / a->kv_heads;
    while (begin < end) {
        int64_t heads = forward ? a->heads : a->kv_heads;
        int64_t h = begin % heads, n = group;
        if (forward)
            n = lh_min64(end - begin, group - h % group);
        mixed_attention(w, &a->spans[begin / heads], forward ? h : h * group,
                        n, scratch);
        begin += forward ? n : 1;
    }
}

/* ------------------------------------------------------------- launch -- */

LH_INTERNAL lh_status lh_launch_mixed(lh_context *ctx, lh_kernel kernel,
                                      const void *args, int64_t items,
                                      int64_t cost, int64_t scratch_floats,
                                      const void *const *half, int halves)
{
    mixed_work w = { ctx->kernels, kernel, args, half, halves,
                     mixed_plan_of(kernel, args), 0 };
    lh_kernel_fn *dry = ctx->dry ? ctx->kernels->fn[kernel] : NULL;
    if (kernel == LH_KERNEL_attention_forward ||
        kernel == LH_KERNEL_attention_backward)
        return lh_launch_function(ctx, dry ? dry : mixed_attention_run,
                                  kernel, &w, items, cost, scratch_floats +
                                  mixed_attention_scratch(args));
    for (int i = 0; w.plan.field && i < MIXED_FIELDS; i++) {
        const mixed_field *f = &w.plan.field[i];
        if ((f->at || !i) && mixed_is_half(&w, *mixed_pointer(args, f)))
            w.widened += f->each ? f->each : w.plan.columns;
    }
    if (!w.widened)
        return lh_launch(ctx, kernel, args, items, cost, scratch_floats);
    return lh_launch_function(ctx, dry ? dry : mixed_run, kernel, &w, items,
                              cost, scratch_floats +
                              lh_max64(MIXED_FLOATS, w.widened) + 16);
}

#undef MIXED
#undef MIXED_IN
#undef MIXED_OUT
