/* Muon (Jordan et al. 2024): a matrix's momentum, of which all singular
 * values are brought near 1, is the direction of its step.
 *
 * That is done by products alone: a polynomial a x + b x^3 + c x^5 of odd
 * powers, applied to X as (a I + b A + c A A) X with A = X X^T, applies
 * itself to each singular value.  Five of them, made for each other (Amsel et
 * al. 2025, "The Polar Express", whose coefficients these are), bring what
 * was above a thousandth of the whole to 0.84 .. 1.15.  The products are
 * gemm's, so that the bits are the same everywhere; of a tall matrix X^T X is
 * taken, which is smaller.  In a run in bf16 they are gemm_bf16's: what that
 * rounds is less than the polynomials leave. */
#include "base/strict.h"

#include "base/context.h"
#include "base/math64.h"
#include "kernels/kernels.h"
#include "train/train.h"

/* Odd, so that the result stands where the gradient was. */
enum { MUON_ROUNDS = 5 };
static const float muon_polynomial[MUON_ROUNDS][3] = {
    { 8.156554524902461f, -22.48329292557795f,  15.878769915207462f },
    { 4.042929935166739f, -2.808917465908714f,  0.5000178451051316f },
    { 3.8916678022926607f, -2.772484153217685f, 0.5060648178503393f },
    { 3.285753657755655f, -2.3681294933425376f, 0.46449024233003106f },
    { 2.3465413258596377f, -1.7097828382687081f, 0.42323551169305323f },
};
/* The polynomials are made for values of at most 1 / 1.02, since rounding may
 * push one beyond. */
static const double muon_safety = 1.02;

LH_INTERNAL int64_t lh_muon_room(int64_t rows, int64_t columns)
{
    int64_t side = lh_min64(rows, columns);
    return 2 * lh_lines(rows * columns) + 4 * lh_lines(side * side);
}

/* The product; or, half not NULL, of its operands in bf16: a is made there. */
static lh_status muon_product(lh_context *ctx, uint16_t *half,
                              const lh_gemm_args *g)
{
    int64_t items = half ? lh_gemm_bf16_items(g->m, g->n)
                         : lh_gemm_items(g->m, g->n);
    int64_t cost = g->m * g->n / items * g->k;
    if (!half)
        return lh_launch(ctx, LH_KERNEL_gemm, g, items, cost,
                         LH_GEMM_SCRATCH);
    lh_status status = lh_launch(ctx, LH_KERNEL_narrow,
                                 &(lh_narrow_args){ g->a, half },
                                 g->m * g->k, LH_COPY_COST, 0);
    return status ? status
        : lh_launch(ctx, LH_KERNEL_gemm_bf16, &(lh_gemm_bf16_args){
              .m = g->m, .n = g->n, .k = g->k, .a = half, .b = g->b, .c = g->c,
              .a_row = g->a_row, .a_col = g->a_col, .b_row = g->b_row,
              .b_col = g->b_col, .c_row = g->c_row, .wide = true,
          }, items, cost / 2, LH_GEMM_SCRATCH);
}

static lh_status muon_lerp(lh_context *ctx, const float *x, float *y,
                           double s, int64_t size)
{
    lh_lerp_args args = { x, y, (float)s };
    return lh_launch(ctx, LH_KERNEL_lerp, &args, size, 6, 0);
}

static lh_status muon_scale(lh_context *ctx, const float *x, float *y,
                            float s, int64_t size)
{
    lh_map_args args = { .a = x, .s = s, .y = y };
    return lh_launch(ctx, LH_KERNEL_scale_forward, &args, size, 4, 0);
}

static void muon_diagonal(const lh_context *ctx, float *x, int64_t side,
                          float add)
{
    for (int64_t i = 0; i < side && !ctx->dry; i++)
        x[i * (side + 1)] += add;
}

/* to = (a I + b A + c A A) from, or from times that; A, t, p [side, side]. */
static lh_status muon_round(lh_context *ctx, const float polynomial[3],
                            int64_t rows, int64_t columns, const float *from,
                            float *to, float *room, bool bf16)
{
    int64_t side = lh_min64(rows, columns), other = rows + columns - side;
    bool tall = rows > columns;
    float *gram = room, *t = gram + lh_lines(side * side);
    float *p = t + lh_lines(side * side);
    uint16_t *half = bf16 ? (void *)(p + lh_lines(side * side)) : NULL;
    int64_t row = tall ? 1 : columns, column = tall ? columns : 1;
    lh_status status = muon_product(ctx, half, &(lh_gemm_args){
        .m = side, .n = side, .k = other, .a = from, .a_row = row,
        .a_col = column, .b = from, .b_row = column, .b_col = row,
        .c = gram, .c_row = side,
    });
    if (!status)
        status = muon_scale(ctx, gram, t, polynomial[2], side * side);
    if (status)
        return status;
    muon_diagonal(ctx, t, side, polynomial[1]);
    status = muon_product(ctx, half, &(lh_gemm_args){
        .m = side, .n = side, .k = side, .a = t, .a_row = side, .a_col = 1,
        .b = gram, .b_row = side, .b_col = 1, .c = p, .c_row = side,
    });
    if (status)
        return status;
    muon_diagonal(ctx, p, side, polynomial[0]);
    const float *a = tall ? from : p, *b = tall ? p : from;
    return muon_product(ctx, half, &(lh_gemm_args){
        .m = rows, .n = columns, .k = side, .a = a, .a_row = side,
        .a_col = 1, .b = b, .b_row = columns, .b_col = 1,
        .c = to, .c_row = columns,
    });
}

LH_INTERNAL lh_status lh_muon_update(lh_context *ctx,
                                     const lh_muon_settings *s,
                                     const lh_muon_matrix *x)
{
    int64_t size = x->rows * x->columns;
    float *other = x->room, *rest = other + lh_lines(size);
    double squares = 0;
    lh_status status = LH_OK;
    if (x->gradient_scale != 1.0f)
        status = muon_scale(ctx, x->gradient, x->gradient,
                            x->gradient_scale, size);
    if (!status)
        status = muon_lerp(ctx, x->gradient, x->momentum, 1 - s->momentum,
                           size);
    if (!status)                                 /* Nesterov's             */
        status = muon_lerp(ctx, x->momentum, x->gradient, s->momentum, size);
    if (!status)
        status = lh_squares(ctx, x->gradient, size, x->sums, &squares);
    /* A momentum that has decayed this far is none: squares of floats lose it,
     * and its length with them. */
    double length = lh_sqrt64(squares) * muon_safety;
    double scale = squares > 1e-30 ? 1 / (length + 1e-20) : 0;
    if (!status)
        status = muon_scale(ctx, x->gradient, other, (float)scale, size);
    for (int i = 0; i < MUON_ROUNDS && !status; i++)
        status = muon_round(ctx, muon_polynomial[i], x->rows, x->columns,
                            i % 2 ? x->gradient : other,
                            i % 2 ? other : x->gradient, rest, x->bf16);
    double shape = (double)x->rows / (double)x->columns;
    double rate = s->learning_rate * (shape > 1 ? lh_sqrt64(shape) : 1);
    lh_muon_args args = {
        .parameter = x->parameter, .direction = x->gradient,
        .rate = (float)rate,
        .decay = (float)(s->learning_rate * s->weight_decay),
    };
    return status ? status : lh_launch(ctx, LH_KERNEL_muon, &args, size, 6,
                                       0);
}
