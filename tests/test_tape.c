/* The tape's promises: shared nodes, second passes, micro-batches, tied
 * tables, depth, poison, and less memory for the same gradients. */
#include "longhand.h"

#include <math.h>

#include "autograd/tape.h"
#include "test.h"
#include "torture.h"

static double draw(uint64_t *random)               /* +-(0.1 .. 2)         */
{
    uint64_t word = test_random(random);
    double size = 0.1 + 1.9 * (double)(word >> 11) / 9007199254740992.0;
    return word & 1 ? size : -size;
}
static void test_scalars(lh_context *ctx)
{
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *x = lh_scalar(t, 3), *y = lh_scalar(t, -2);
    lh_tensor *z = lh_add(t, lh_mul(t, x, y), lh_square(t, x));
    CHECK(lh_value(z) == 3);
    CHECK_EQ_INT(lh_backward(t, z), LH_OK);
    CHECK(lh_tensor_grad(x)[0] == 4 && lh_tensor_grad(y)[0] == 3);
    /* a second pass adds to the leaves, and starts anew in between */
    CHECK_EQ_INT(lh_backward(t, z), LH_OK);
    CHECK(lh_tensor_grad(x)[0] == 8 && lh_tensor_grad(y)[0] == 6);
    /* another loss over a shared part of the graph */
    lh_tensor *shared = lh_mul(t, x, x);              /* x used twice      */
    lh_tensor *twice = lh_add(t, shared, shared);     /* 2 x^2             */
    CHECK_EQ_INT(lh_backward(t, twice), LH_OK);
    CHECK(lh_tensor_grad(x)[0] == 8 + 12);
    CHECK(lh_tensor_grad(shared)[0] == 2);
    CHECK_EQ_INT(lh_backward(t, lh_mul(t, shared, y)), LH_OK);
    CHECK(lh_tensor_grad(shared)[0] == -2);
    CHECK(lh_tensor_grad(x)[0] == 20 - 12 && lh_tensor_grad(y)[0] == 15);
    lh_tape_free(t);
}

static void test_depth(lh_context *ctx)
{
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *x = lh_scalar(t, 1), *y = x;
    for (int i = 0; i < 1000000; i++)
        y = lh_shift(t, y, 1.0f);
    CHECK(lh_value(y) == 1000001);
    CHECK_EQ_INT(lh_backward(t, y), LH_OK);
    CHECK(lh_tensor_grad(x)[0] == 1);
    lh_tape_free(t);
}

/* The mean loss of rows 0..count-1 of x through p, twice used. */
static lh_tensor *small_loss(lh_tape *t, lh_tensor *p, const float *x,
                             int64_t first, int64_t count,
                             const int32_t *targets, float start)
{
    lh_tensor *rows = lh_constant(t, x + 4 * first, 2,
                                  (const int64_t[]){ count, 4 });
    lh_tensor *h = lh_tanh(t, lh_linear(t, rows, p, NULL));
    return lh_cross_entropy_part(t, lh_linear(t, h, p, NULL),
                                 targets + first, 6, start);
}

static void test_micro_batches(lh_context *ctx)
{
    float x[24], whole[16], whole_loss = 0;
    const int32_t targets[6] = { 0, 3, 1, 1, 2, 0 };
    uint64_t random = 5;
    lh_params *params = lh_params_new(ctx);
    lh_tensor *p = lh_params_add(params, "p", 2, (const int64_t[]){ 4, 4 },
                                 true);
    for (int i = 0; i < 24; i++)
        x[i] = (float)draw(&random);
    for (int i = 0; i < 16; i++)
        lh_tensor_data(p)[i] = (float)draw(&random);
    lh_tape *t = lh_tape_new(ctx);
    for (int parts = 1; parts <= 3; parts++) {
        float loss = 0;
        for (int i = 0; i < parts; i++) {
            lh_tape_reset(t);
            int64_t rows = 6 / parts;
            lh_tensor *l = small_loss(t, p, x, i * rows, rows, targets,
                                      loss);
            loss = lh_value(l);
            CHECK_EQ_INT(lh_backward(t, l), LH_OK);
        }
        if (parts == 1) {
            memcpy(whole, lh_tensor_grad(p), sizeof whole);
            whole_loss = loss;
        }
        CHECK(whole[0] != 0 && loss == whole_loss);
        CHECK(memcmp(whole, lh_tensor_grad(p), sizeof whole) == 0);
        lh_params_zero_grad(params);
    }
    /* a tape made anew for each part counts uses from 0 again */
    float loss = 0;
    for (int i = 0; i < 2; i++) {
        lh_tape *own = lh_tape_new(ctx);
        lh_tensor *l = small_loss(own, p, x, 3 * i, 3, targets, loss);
        loss = lh_value(l);
        CHECK_EQ_INT(lh_backward(own, l), LH_OK);
        lh_tape_free(own);
    }
    CHECK(memcmp(whole, lh_tensor_grad(p), sizeof whole) == 0);
    lh_tape_free(t);
    lh_params_free(params);
}

/* A table that is looked up and is the head too, as GPT-2's: its gradient is
 * the sum of what two tables of the same values get; in one part or two, step
 * after step, whether or not the head comes first. */
static void test_tied(lh_context *ctx)
{
    enum { V = 70, C = 9, ROWS = 8 };
    const int64_t shape[2] = { V, C };
    int32_t ids[ROWS] = { 3, 69, 3, 0, 64, 63, 3, 8 }, targets[ROWS];
    float value[V * C];
    uint64_t random = 17;
    for (int i = 0; i < V * C; i++)
        value[i] = (float)draw(&random);
    for (int step = 0; step < 6; step++) {
        lh_params *params = lh_params_new(ctx);
        lh_tensor *p[3];
        for (int i = 0; i < 3; i++) {
            const char *names[3] = { "tied", "lookup", "head" };
            p[i] = lh_params_add(params, names[i], 2, shape, true);
            memcpy(lh_tensor_data(p[i]), value, sizeof value);
        }
        lh_tape *t = lh_tape_new(ctx);
        for (int again = 0; again < 3; again++) {
            int parts = 1 + step % 2;
            int64_t rows = ROWS / parts;
            for (int i = 0; i < ROWS; i++) {
                ids[i] = (ids[i] * 3 + i + again) % V;
                targets[i] = (ids[i] * 5 + 1) % V;
            }
            for (int part = 0; part < 2 * parts; part++) {
                bool tied = part % 2;
                int64_t at = part / 2 * rows;
                lh_tape_reset(t);
                lh_tensor *head = p[tied ? 0 : 2], *x;
                lh_tensor *first = lh_constant(t, value, 2, shape);
                if (step >= 4)                   /* the head's use first   */
                    first = lh_linear(t, first, head, NULL);
                x = lh_embedding(t, p[tied ? 0 : 1], ids + at, rows);
                x = lh_linear(t, lh_tanh(t, x), head, NULL);
                x = lh_cross_entropy_part(t, x, targets + at, ROWS, 0);
                if (step >= 4)
                    x = lh_add(t, x, lh_mean(t, first));
                CHECK_EQ_INT(lh_backward(t, x), LH_OK);
            }
            const float *sum = lh_tensor_grad(p[0]);
            const float *a = lh_tensor_grad(p[1]), *b = lh_tensor_grad(p[2]);
            int64_t bad = 0;
            for (int i = 0; step < 4 && i < V * C; i++)
                bad += sum[i] != a[i] + b[i];
            for (int i = 0; step >= 4 && i < V * C; i++)
                bad += fabsf(sum[i] - (a[i] + b[i])) > 1e-6f;
            CHECK_EQ_INT(bad, 0);
            CHECK(sum == lh_tensor_grad(p[0]) && a[ids[0] * C] != 0);
            lh_params_zero_grad(params);
        }
        lh_tape_free(t);
        lh_params_free(params);
    }
}

/* Cross-entropy in place of the logits gives the bytes of the two ops that
 * it stands for: loss, losses and gradients, of one backward and of two, with
 * exponentials that are kept and with others. */
static void test_in_place(lh_context *ctx)
{
    enum { ROWS = 21, C = 19, V = 83 };
    const int64_t shape[3][2] = { { ROWS, C }, { V, C }, { V, 1 } };
    float value[V * C], kept[3][V * C], losses[ROWS], loss[2];
    int32_t targets[ROWS];
    uint64_t random = 11;
    for (int i = 0; i < V * C; i++)
        value[i] = (float)draw(&random);
    for (int i = 0; i < ROWS; i++)
        targets[i] = i % 5 == 2 ? -1 : i * 4 % V;
    for (int way = 0; way < 4; way++)
        for (int fused = 0; fused < 2; fused++) {
            lh_tape *t = lh_tape_new(ctx);
            lh_tensor *in[3];
            t->large = way & 2 ? 64 : t->large;
            for (int i = 0; i < 3; i++)
                in[i] = lh_variable(t, value, i < 2 ? 2 : 1, shape[i]);
            lh_tensor *l = fused
                ? lh_linear_cross_entropy(t, in[0], in[1], in[2], targets,
                                          30, 0.5f)
                : lh_cross_entropy_part(
                      t, lh_linear(t, in[0], in[1], in[2]), targets, 30,
                      0.5f);
            for (int i = 0; i <= (way & 1); i++)
                CHECK_EQ_INT(lh_backward(t, l), LH_OK);
            loss[fused] = lh_value(l);
            const float *each = lh_cross_entropy_losses(l);
            CHECK(each && (!fused ||
                           memcmp(losses, each, sizeof losses) == 0));
            if (each)
                memcpy(losses, each, sizeof losses);
            for (int i = 0; i < 3; i++) {
                size_t bytes = (size_t)lh_tensor_size(in[i]) * 4;
                CHECK(!fused || memcmp(kept[i], lh_tensor_grad(in[i]),
                                       bytes) == 0);
                memcpy(kept[i], lh_tensor_grad(in[i]), bytes);
            }
            CHECK(kept[2][0] != 0 && (!fused || loss[0] == loss[1]));
            lh_tape_free(t);
        }
}

/* Two lookups and their sum as one node: the same bytes, both ways, where
 * gradients begin at +0 and where they are added to. */
static void test_places(lh_context *ctx)
{
    enum { ROWS = 23, V = 9, C = 37 };
    const int64_t shape[2] = { V, C };
    float value[V * C], kept[3][ROWS * C];
    int32_t id[2][ROWS];
    uint64_t random = 5;
    for (int i = 0; i < V * C; i++)
        value[i] = i % 7 ? (float)draw(&random) : -0.0f;
    for (int i = 0; i < ROWS; i++) {
        id[0][i] = i * 4 % V;
        id[1][i] = i / 4;
    }
    for (int passes = 1; passes <= 2; passes++)
        for (int fused = 0; fused < 2; fused++) {
            lh_tape *t = lh_tape_new(ctx);
            lh_tensor *a = lh_variable(t, value, 2, shape);
            lh_tensor *b = lh_variable(t, value, 2, shape);
            lh_tensor *y = fused
                ? lh_embedding_places(t, a, id[0], b, id[1], ROWS)
                : lh_add(t, lh_embedding(t, a, id[0], ROWS),
                         lh_embedding(t, b, id[1], ROWS));
            lh_tensor *l = lh_sum(t, lh_mul(t, y, lh_tanh(t, y)));
            for (int i = 0; i < passes; i++)
                CHECK_EQ_INT(lh_backward(t, l), LH_OK);
            const float *got[3] = { lh_tensor_data(y), lh_tensor_grad(a),
                                    lh_tensor_grad(b) };
            for (int i = 0; i < 3; i++) {
                size_t bytes = (size_t)(i ? V : ROWS) * C * sizeof(float);
                CHECK(!fused || memcmp(kept[i], got[i], bytes) == 0);
                memcpy(kept[i], got[i], bytes);
            }
            CHECK(kept[1][1] != 0 && kept[2][1] != 0);
            lh_tape_free(t);
        }
    const int32_t wrong[2] = { 0, V };
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *a = lh_variable(t, value, 2, shape);
    lh_tensor *b = lh_variable(t, value, 2, shape);
    CHECK(!lh_embedding_places(t, a, wrong, b, wrong, 1) ||
          !lh_embedding_places(t, a, id[0], b, wrong, 2));
    CHECK(strstr(lh_error_message(ctx), "id 9 at row 1") != NULL);
    CHECK(!lh_embedding_places(t, a, id[0], b, id[1], ROWS));
    lh_error_clear(ctx);
    lh_tape_free(t);
}

static void test_poison(lh_context *ctx)
{
    lh_tape *t = lh_tape_new(ctx), *other = lh_tape_new(ctx);
    lh_tensor *a = lh_constant(t, NULL, 1, (const int64_t[]){ 3 });
    lh_tensor *b = lh_constant(t, NULL, 1, (const int64_t[]){ 4 });
    CHECK(lh_add(t, a, b) == NULL);
    CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_SHAPE);
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_SHAPE);
    CHECK(strstr(lh_error_message(ctx), "add") != NULL);
    CHECK(lh_exp(t, a) == NULL);
    lh_tape_reset(t);
    lh_error_clear(ctx);
    lh_tensor *x = lh_scalar(t, 1);
    CHECK(lh_exp(t, x) != NULL && !lh_tape_status(t));
    CHECK(lh_exp(other, x) == NULL);           /* of another tape          */
    CHECK_EQ_INT(lh_error_status(ctx), LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    CHECK(lh_backward(t, lh_constant(t, NULL, 1, (int64_t[]){ 1 })) ==
          LH_ERROR_ARGUMENT);
    lh_tape_reset(t);
    lh_error_clear(ctx);
    CHECK(lh_constant(t, NULL, 2, (int64_t[]){ INT64_MAX, 2 }) == NULL);
    CHECK_EQ_INT(lh_tape_status(t), LH_ERROR_SHAPE);
    lh_tape_reset(t);
    lh_error_clear(ctx);
    int32_t id = 9;
    lh_tensor *table = lh_variable(t, NULL, 2, (int64_t[]){ 3, 2 });
    CHECK(lh_embedding(t, table, &id, 1) == NULL);
    CHECK(strstr(lh_error_message(ctx), "id 9") != NULL);
    lh_tape_reset(t);
    lh_error_clear(ctx);
    CHECK(lh_exp(NULL, NULL) == NULL && lh_backward(NULL, NULL) != LH_OK);
    CHECK(lh_tensor_data(NULL) == NULL && lh_tensor_grad(NULL) == NULL);
    CHECK(lh_value(NULL) != lh_value(NULL));
    lh_tape_free(t);
    lh_tape_free(other);
}

/* No gradients: nothing is kept, and parameters stay without one. */
/* A residual tower whose tensors are large enough to be given back. */
static lh_tensor *tower(lh_tape *t, lh_tensor *x, lh_tensor *w)
{
    for (int i = 0; i < 12; i++) {
        lh_tensor *h = lh_rms_norm(t, x, NULL, 1e-5f);
        h = lh_gelu(t, lh_linear(t, h, w, NULL));
        x = lh_add(t, x, lh_mul(t, h, lh_tanh(t, h)));
    }
    return lh_mean(t, lh_square(t, x));
}

/* Its gradient three times over in one tape; the most bytes that it held. */
static int64_t tower_bytes(bool reuse, float *gradient, size_t size)
{
    enum { ROWS = 200, C = 96 };
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = 1 });
    lh_tape *t = lh_tape_new(ctx);
    int64_t count = 0;
    lh_tape_reuse(t, reuse);
    for (int round = 0; round < 3; round++) {
        uint64_t random = 9;
        lh_tape_reset(t);
        lh_tensor *x = lh_variable(t, NULL, 2, (int64_t[]){ ROWS, C });
        lh_tensor *w = lh_variable(t, NULL, 2, (int64_t[]){ C, C });
        for (int i = 0; i < ROWS * C; i++)
            lh_tensor_data(x)[i] = (float)draw(&random);
        for (int i = 0; i < C * C; i++)
            lh_tensor_data(w)[i] = (float)draw(&random) / C;
        lh_tensor *y = lh_exp(t, x), *loss = tower(t, y, w);
        CHECK_EQ_INT(lh_backward(t, loss), LH_OK);
        CHECK(lh_value(loss) > 0 && lh_tensor_grad(w));
        CHECK((lh_tensor_data(y) == NULL) == reuse);
        CHECK((lh_tensor_grad(y) == NULL) == reuse);
        CHECK((lh_value(y) > 0) == !reuse);
        memcpy(gradient, lh_tensor_grad(x), size);
        if (round)
            CHECK_EQ_INT(memory.count, count);
        count = memory.count;
        if (!reuse)
            continue;
        CHECK(lh_exp(t, x) == NULL && lh_backward(t, loss) != LH_OK);
        CHECK(strstr(lh_error_message(ctx), "lh_tape_reuse") != NULL);
        lh_error_clear(ctx);
    }
    lh_tape_free(t);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);
    return memory.peak_bytes;
}

/* The same gradients, in less memory, and nothing is done with what is gone.
 */
static void test_reuse(void)
{
    static float keeping[200 * 96], giving[200 * 96];
    int64_t most = tower_bytes(false, keeping, sizeof keeping);
    int64_t less = tower_bytes(true, giving, sizeof giving);
    CHECK(memcmp(keeping, giving, sizeof keeping) == 0);
    CHECK(10 * less < 7 * most);
}

/* ---- parts that are computed again ---- */

typedef struct part_data {
    lh_tensor *w, *bias, *constant;
    int depth;
} part_data;

/* Uses its parameters twice each, a constant from outside, and dropout. */
static lh_tensor *part_layer(lh_tape *t, lh_tensor *x, const void *data)
{
    const part_data *p = data;
    lh_tensor *h = lh_rms_norm(t, x, p->bias, 1e-5f);
    h = lh_dropout(t, lh_linear(t, h, p->w, p->bias), 0.2f);
    if (p->depth) {                              /* a part within a part   */
        part_data inner = *p;
        inner.depth = 0;
        h = lh_recompute(t, part_layer, h, &inner, sizeof inner);
    }
    h = lh_add(t, lh_mul(t, h, p->constant), x);
    return lh_add(t, h, lh_linear(t, lh_tanh(t, x), p->w, NULL));
}

/* A step of two micro-batches; the parameters' gradients into `gradient`. */
static void part_step(lh_context *ctx, bool again, bool reuse,
                      float gradient[2][64])
{
    const int64_t shape[2] = { 5, 8 }, square[2] = { 8, 8 };
    lh_params *p = lh_params_new(ctx);
    part_data data = { lh_params_add(p, "w", 2, square, true),
                       lh_params_add(p, "bias", 1, square, false), NULL, 0 };
    uint64_t random = 4;
    for (int i = 0; i < 64; i++)
        lh_tensor_data(data.w)[i] = (float)draw(&random);
    for (int i = 0; i < 8; i++)
        lh_tensor_data(data.bias)[i] = (float)draw(&random);
    lh_tape *t = lh_tape_new(ctx);
    lh_tape_reuse(t, reuse);
    for (int micro = 0; micro < 2; micro++) {
        float value[40];
        for (int i = 0; i < 40; i++)
            value[i] = (float)draw(&random);
        lh_tape_reset(t);
        lh_tape_dropout(t, 3, 1, 5 * micro);
        data.constant = lh_constant(t, value, 2, shape);
        lh_tensor *x = lh_variable(t, value, 2, shape), *y = x;
        y = lh_dropout(t, lh_linear(t, y, data.w, NULL), 0.3f);
        for (data.depth = 0; data.depth < 2; data.depth++) {
            lh_tensor *before = y;
            y = again ? lh_recompute(t, part_layer, y, &data, sizeof data)
                      : part_layer(t, y, &data);
            y = lh_dropout(t, lh_add(t, y, before), 0.1f);
        }
        y = lh_linear(t, y, data.w, data.bias);
        CHECK_EQ_INT(lh_backward(t, lh_mean(t, lh_square(t, y))), LH_OK);
        memcpy(gradient[micro], lh_tensor_grad(x), 40 * sizeof(float));
    }
    memcpy(gradient[0], lh_tensor_grad(data.w), 64 * sizeof(float));
    memcpy(gradient[1] + 40, lh_tensor_grad(data.bias), 8 * sizeof(float));
    lh_tape_free(t);
    lh_params_free(p);
}

static lh_tensor *lazy_part(lh_tape *t, lh_tensor *x, const void *data)
{
    (void)t;
    return data ? *(lh_tensor *const *)data : x;
}

static lh_tensor *outer_part(lh_tape *t, lh_tensor *x, const void *data)
{
    return lh_add(t, x, *(lh_tensor *const *)data);
}

static void test_recompute(lh_context *ctx)
{
    static float plain[2][64], again[2][64];
    part_step(ctx, false, false, plain);
    for (int reuse = 0; reuse < 2; reuse++) {
        part_step(ctx, true, reuse, again);
        CHECK(memcmp(plain, again, sizeof plain) == 0);
    }
    lh_tape *t = lh_tape_new(ctx);
    lh_params *p = lh_params_new(ctx);
    lh_tensor *w = lh_params_add(p, "w", 1, (int64_t[]){ 1 }, false);
    for (int i = 0; i < 4; i++) {                /* parts that cannot be   */
        static const char *const said[] = {
            "did not compute", "did not compute", "another tape", "parameter"
        };
        lh_tape_reset(t);
        lh_tensor *x = lh_scalar(t, 2), *y = lh_scalar(t, 3);
        y = i == 3 ? lh_recompute(t, lazy_part, w, NULL, 0)
                   : lh_recompute(t, i < 2 ? lazy_part : outer_part, x,
                                  i ? &y : NULL, i ? sizeof y : 0);
        CHECK(y == NULL && lh_tape_status(t) == LH_ERROR_ARGUMENT);
        CHECK(strstr(lh_error_message(ctx), said[i]) != NULL);
        lh_error_clear(ctx);
    }
    lh_params_free(p);
    lh_tape_free(t);
}

static void test_gradients_off(lh_context *ctx)
{
    lh_params *params = lh_params_new(ctx);
    lh_tensor *p = lh_params_add(params, "p", 1, (const int64_t[]){ 4 },
                                 false);
    lh_tape *t = lh_tape_new(ctx);
    lh_tape_gradients(t, false);
    lh_tensor *y = lh_sum(t, lh_exp(t, p));
    CHECK(lh_value(y) == 4);
    CHECK(lh_tensor_grad(p) == NULL);
    CHECK(lh_backward(t, y) == LH_ERROR_ARGUMENT);
    CHECK(lh_tensor_grad(p) == NULL);
    lh_error_clear(ctx);
    lh_tape_free(t);
    lh_params_free(params);
}

/* q, k and v as one product and attention over it as it is: the same bytes as
 * four nodes, both ways, where dx begins at +0 and where it is added to, with
 * gradients that lie one behind the other and with others. */
static void test_joined(lh_context *ctx)
{
    enum { ROWS = 13, C = 12, HEADS = 4, KV = 2, D = 4, PARTS = 5 };
    const int64_t q_shape[2] = { HEADS * D, C }, k_shape[2] = { KV * D, C };
    const int64_t offsets[3] = { 0, 9, ROWS };
    const lh_span spans[2] = { { 0, 9, 0, 0 }, { 9, 4, 9, 0 } };
    float value[ROWS * HEADS * D], kept[PARTS][ROWS * HEADS * D];
    uint64_t random = 23;
    for (int i = 0; i < ROWS * HEADS * D; i++)
        value[i] = i % 7 ? (float)draw(&random) : -0.0f;
    for (int way = 0; way < 4; way++)
        for (int fused = 0; fused < 2; fused++) {
            lh_params *params = lh_params_new(ctx);
            lh_tape *t = lh_tape_new(ctx);
            lh_tensor *w[3], *x = lh_variable(t, value, 2, (const int64_t[]){
                                                  ROWS, C });
            for (int i = 0; i < 3; i++) {
                const char *names[3] = { "q", "k", "v" };
                w[i] = lh_params_add(params, names[i], 2,
                                     i ? k_shape : q_shape, true);
                memcpy(lh_tensor_data(w[i]), value + 9 * i,
                       (size_t)lh_tensor_size(w[i]) * sizeof *value);
            }
            CHECK(w[1]->data == w[0]->data + w[0]->size);
            lh_tensor *h = lh_tanh(t, x), *y, *l;
            l = lh_sum(t, h);
            if (way & 1)               /* gradients that lie apart         */
                l = lh_add(t, l, lh_sum(t, lh_linear(t, x, w[1], NULL)));
            if (fused) {
                y = lh_linear_joined(t, h, w, 3);
                y = lh_attention_spans(t, y, NULL, NULL, HEADS, KV, 0,
                                       spans, 2);
            } else {
                lh_tensor *in[3];
                for (int i = 0; i < 3; i++)
                    in[i] = lh_linear(t, h, w[i], NULL);
                y = lh_attention(t, in[0], in[1], in[2], HEADS, KV, 0,
                                 offsets, 2);
            }
            lh_tensor *z = lh_mul(t, y, lh_tanh(t, y));
            if (way & 2)               /* added to before they come        */
                z = lh_mul(t, z, lh_linear(t, h, w[0], NULL));
            l = lh_add(t, l, lh_sum(t, z));
            for (int i = 0; i < 2; i++)
                CHECK_EQ_INT(lh_backward(t, l), LH_OK);
            lh_tensor *got[PARTS] = { y, x, w[0], w[1], w[2] };
            for (int i = 0; i < PARTS; i++) {
                const float *now = i ? lh_tensor_grad(got[i])
                                     : lh_tensor_data(y);
                size_t bytes = (size_t)got[i]->size * sizeof *now;
                CHECK(!fused || memcmp(kept[i], now, bytes) == 0);
                CHECK(now[1] != 0 && now[got[i]->size - 1] != 0);
                memcpy(kept[i], now, bytes);
            }
            lh_tape_free(t);
            lh_params_free(params);
        }
}

/* relu behind a product, and what a product is added to, within its node
 * have the bytes of nodes of their own: with and without a bias, with other
 * uses of all tensors before and behind it, with a second backward, within a
 * part that is computed again, of a leaf, with gradients that are given
 * back. */
enum { THEN_ROWS = 5, THEN_C = 19 };

typedef struct then_part {
    int way, fused;
    lh_tensor *w, *bias;
} then_part;

static lh_tensor *then_run(lh_tape *t, lh_tensor *a, const void *data)
{
    const then_part *p = data;
    lh_tensor *bias = p->way & 1 ? p->bias : NULL, *h = lh_tanh(t, a), *y;
    lh_tensor *onto = p->way & 2 ? a : NULL;
    for (int i = 0; i < 6 && onto && p->way & 16; i++)
        onto = lh_tanh(t, onto);
    lh_tensor *x = lh_tanh(t, h);
    if (p->fused)
        y = lh_linear_then(t, onto, x, p->w, bias, 0.0f);
    else if (onto)
        y = lh_add(t, onto, lh_linear(t, x, p->w, bias));
    else
        y = lh_relu(t, lh_linear(t, x, p->w, bias));
    /* A gradient is there before the node's own comes. */
    return p->way & 4 ? lh_add(t, y, lh_tanh(t, onto ? onto : x)) : y;
}

static void test_then(lh_context *ctx)
{
    enum { PARTS = 4, SIZE = THEN_C * THEN_C };
    const int64_t shape[2] = { THEN_ROWS, THEN_C }, row = THEN_C;
    const int64_t square[2] = { THEN_C, THEN_C };
    float value[SIZE], kept[PARTS][SIZE];
    for (int i = 0; i < SIZE; i++)
        value[i] = (float)(i * 37 % 101 - 50) / 64;
    for (int way = 0; way < 64; way++)
        for (int fused = 0; fused < 2; fused++) {
            lh_params *params = lh_params_new(ctx);
            lh_tape *t = lh_tape_new(ctx);
            then_part part = { way, fused,
                lh_params_add(params, "w", 2, square, true),
                lh_params_add(params, "b", 1, &row, false) };
            memcpy(lh_tensor_data(part.w), value, sizeof value);
            memcpy(lh_tensor_data(part.bias), value, sizeof(float) * THEN_C);
            lh_tape_reuse(t, way & 32);
            t->large = way & 40 ? 256 : t->large;
            lh_tensor *a = lh_variable(t, value, 2, shape), *y;
            y = way & 8 ? lh_recompute(t, then_run, a, &part, sizeof part)
                        : then_run(t, a, &part);
            lh_tensor *l = lh_sum(t, lh_mul(t, y, lh_tanh(t, y)));
            for (int i = 0; i < (way & 32 ? 1 : 2); i++)
                CHECK_EQ_INT(lh_backward(t, l), LH_OK);
            /* A part's own gradient stays that of its node.               */
            bool stays = (way & 40) == 8;
            lh_tensor *got[PARTS] = { stays ? y : l, a, part.w,
                                      way & 1 ? part.bias : part.w };
            for (int i = 0; i < PARTS; i++) {
                const float *now = i || stays ? lh_tensor_grad(got[i])
                                              : lh_tensor_data(l);
                size_t bytes = (size_t)got[i]->size * sizeof *now;
                CHECK(!fused || memcmp(kept[i], now, bytes) == 0);
                CHECK(now[got[i]->size - 1] != 0 || now[1] != 0);
                memcpy(kept[i], now, bytes);
            }
            lh_tape_free(t);
            lh_params_free(params);
        }
}

int main(void)
{
    lh_context *ctx = lh_context_new(NULL);
    CHECK(ctx != NULL);
    test_scalars(ctx);
    test_depth(ctx);
    test_micro_batches(ctx);
    test_tied(ctx);
    test_in_place(ctx);
    test_places(ctx);
    test_joined(ctx);
    test_then(ctx);
    test_poison(ctx);
    test_reuse();
    test_recompute(ctx);
    test_gradients_off(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("tape");
}
