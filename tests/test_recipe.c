/* What the fast recipe has and the plain one has not: Muon against its
 * definition in double, and what it leaves alone; the weights' running
 * mean. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "autograd/tape.h"
#include "base/context.h"
#include "model_help.h"
#include "train/train.h"

/* ---------------------------------------------------------------- muon -- */

#define SIDE 24

/* z [rows, columns] = x y, or x y^T. */
static void product(double *z, const double *x, const double *y, int rows,
                    int inner, int columns, bool turned)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int l = 0; l < inner; l++)
                sum += x[i * inner + l] * (turned ? y[j * inner + l]
                                                  : y[l * columns + j]);
            z[i * columns + j] = sum;
        }
}

/* X / |X|, and round after round (a + b X X^T + c (X X^T)^2) X, naively. */
static void polynomials(double *x, int rows, int columns,
                        const double table[][3], int rounds, bool same,
                        double safety)
{
    static double gram[SIDE * SIDE], y[SIDE * SIDE], z[SIDE * SIDE];
    double length = 0;
    int size = rows * columns;
    for (int i = 0; i < size; i++)
        length += x[i] * x[i];
    for (int i = 0; i < size; i++)
        x[i] /= sqrt(length) * safety;
    for (int round = 0; round < rounds; round++) {
        const double *p = table[same ? 0 : round];
        product(gram, x, x, rows, columns, rows, true);
        product(y, gram, x, rows, rows, columns, false);
        product(z, gram, y, rows, rows, columns, false);
        for (int i = 0; i < size; i++)
            x[i] = p[0] * x[i] + p[1] * y[i] + p[2] * z[i];
    }
}

/* Muon's five, for the values that it must give; or Newton's iteration for
 * X (X X^T)^(-1/2), whose values they come near to. */
static void orthogonal(double *x, int rows, int columns, bool exact)
{
    static const double newton[][3] = { { 1.5, -0.5, 0 } }, muon[][3] = {
        { 8.156554524902461, -22.48329292557795, 15.878769915207462 },
        { 4.042929935166739, -2.808917465908714, 0.5000178451051316 },
        { 3.8916678022926607, -2.772484153217685, 0.5060648178503393 },
        { 3.285753657755655, -2.3681294933425376, 0.46449024233003106 },
        { 2.3465413258596377, -1.7097828382687081, 0.42323551169305323 },
    };
    double turned[SIDE * SIDE], *y = rows > columns ? turned : x;
    int size = rows * columns, side = rows > columns ? columns : rows;
    for (int i = 0; i < size; i++)
        if (y == turned)
            y[i % columns * rows + i / columns] = x[i];
    if (exact)
        polynomials(y, side, size / side, newton, 60, true, 1);
    else
        polynomials(y, side, size / side, muon, 5, false, 1.02);
    for (int i = 0; i < size; i++)
        if (y == turned)
            x[i] = y[i % columns * rows + i / columns];
}

/* Five steps of Muon, and as many in double, or exactly orthogonal ones. */
static void test_muon(int rows, int columns, bool exact, bool bf16)
{
    enum { STEPS = 5 };
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    ctx->grain = 1;
    lh_params *p = lh_params_new(ctx);
    int size = rows * columns;
    lh_tensor *x = lh_params_add(p, "matrix", 2, (const int64_t[]){
                                     rows, columns }, true);
    x->parameter->matrix = true;
    lh_adamw *o = lh_adamw_make(p, true, false);
    CHECK(!o->v[0]);
    o->bf16 = bf16;
    lh_adamw_settings adamw = { 1, 0.9, 0.95, 1e-8, 5, 2.5 };
    lh_muon_settings muon = { 0.03, 0.8, 0.2 };
    static double want[SIDE * SIDE], m[SIDE * SIDE], u[SIDE * SIDE];
    static float start[SIDE * SIDE];
    uint64_t seed = 11;
    memset(m, 0, sizeof m);
    for (int i = 0; i < size; i++)
        want[i] = (double)(x->data[i] = start[i] =
            (float)(test_random(&seed) % 1000) / 500 - 1);
    lh_tape *t = lh_tape_new(ctx);
    double worst = 0, norm;
    for (int step = 0; step < STEPS; step++) {
        /* The gradient: random, but the same for both. */
        lh_tape_reset(t);
        float g[SIDE * SIDE];
        double squares = 0;
        for (int i = 0; i < size; i++) {
            g[i] = (float)(test_random(&seed) % 1000) / 500 - 1;
            squares += (double)g[i] * (double)g[i];
        }
        lh_tensor *c = lh_constant(t, g, 2, x->shape);
        CHECK_OK(ctx, lh_backward(t, lh_sum(t, lh_mul(t, x, c))));
        CHECK_OK(ctx, lh_adamw_advance(o, &adamw, &muon, &norm));
        CHECK(fabs(norm - sqrt(squares)) < 1e-4 * norm);
        for (int i = 0; i < size; i++) {
            double scaled = (double)g[i] *
                            fmin(1, adamw.clip / sqrt(squares));
            m[i] += (1 - muon.momentum) * (scaled - m[i]);
            u[i] = scaled + muon.momentum * (m[i] - scaled);
        }
        orthogonal(u, rows, columns, exact);
        double ratio = rows > columns ? sqrt((double)rows / columns) : 1;
        for (int i = 0; i < size; i++) {
            if (u[i] * want[i] > 0)
                want[i] -= muon.learning_rate * muon.weight_decay * want[i];
            want[i] -= muon.learning_rate * ratio * u[i];
        }
    }
    double moved = 0;
    for (int i = 0; i < size; i++) {
        worst = fmax(worst, fabs(want[i] - (double)x->data[i]));
        moved = fmax(moved, fabs(want[i] - (double)start[i]));
    }
    /* The polynomials leave values of a thousandth of the whole and more
     * within 0.84 and 1.15. */
    CHECK(worst < (exact ? 0.2 : bf16 ? 0.15 : 2e-5) * moved);
    CHECK(lh_tensor_grad(x)[0] == 0 && o->step == STEPS);
    muon.momentum = 1;
    CHECK_FAILS(ctx, LH_ERROR_ARGUMENT, "momentum",
                lh_adamw_advance(o, &adamw, &muon, &norm));
    lh_tape_free(t);
    lh_adamw_free(o);
    lh_params_free(p);
    lh_context_free(ctx);
}

/* A gradient of zeros moves nothing, and makes no NaN. */
static void test_muon_zero(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    static float p[64], g[64], m[64], sums[1], room[1024];
    CHECK(lh_muon_room(8, 8) <= 1024);
    p[5] = 3;
    CHECK_OK(ctx, lh_muon_update(ctx, &(lh_muon_settings){ 0.1, 0.9, 0.1 },
                                 &(lh_muon_matrix){ 8, 8, p, g, m, sums,
                                                    room, 1, false }));
    CHECK(p[5] == 3 && p[4] == 0);
    /* A momentum whose squares no float holds is none. */
    for (int i = 0; i < 64; i++)
        m[i] = 2e-23f;
    CHECK_OK(ctx, lh_muon_update(ctx, &(lh_muon_settings){ 0.1, 0.9, 0 },
                                 &(lh_muon_matrix){ 8, 8, p, g, m, sums,
                                                    room, 1, false }));
    CHECK(p[5] == 3 && p[4] == 0);
    lh_context_free(ctx);
}

/* Which of a model's parameters are Muon's: the matrices within layers. */
static void test_matrices(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    lh_config c = kind_config(2);
    lh_model *m = lh_model_new(ctx, &c, 1);
    lh_params *p = lh_model_params(m);
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        const char *name;
        lh_tensor *x = lh_params_get(p, i, &name);
        CHECK(x->parameter->matrix == (strstr(name, "_proj.weight") != NULL));
    }
    lh_model_free(m);
    lh_context_free(ctx);
}

/* ------------------------------------------------------------- average -- */

/* The mean of the weights behind each step, in double; the model gets it when
 * asked, and evaluations judge it. */
static void test_average(void)
{
    enum { STEPS = 12 };
    static const char text[] = "abcd\nbcda\ncdab\ndabc\nacbd\n";
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    lh_dataset *d = lh_dataset_text(ctx, text, strlen(text),
                                    LH_DOCUMENTS_LINES);
    lh_tokenizer *k = lh_tokenizer_characters(ctx, text, strlen(text));
    lh_config c = kind_config(6);
    c.vocabulary = lh_tokenizer_vocabulary(k);
    lh_model *m = lh_model_new(ctx, &c, 1);
    lh_trainer *r = lh_trainer_new(ctx, m, k, d, &(lh_train_settings){
        .steps = STEPS, .batch = 2, .adamw = { 0.01, 0.9, 0.99, 1e-8, 0, 0 },
        .muon = { 0.02, 0.9, 0 }, .held_out = 0.4, .average = 0.75 });
    lh_tensor *x = lh_params_find(lh_model_params(m),
                                  "model.layers.1.mlp.up_proj.weight");
    double mean = 0;
    float begin = lh_tensor_data(x)[7];
    lh_trainer_average(r, true);                 /* of nothing: what is    */
    CHECK(lh_tensor_data(x)[7] == begin);
    for (int step = 0; step < STEPS; step++) {
        CHECK_OK(ctx, lh_trainer_step(r, NULL));
        double decay = step ? fmin(0.75, (2.0 + step) / (11.0 + step)) : 0;
        mean = decay * mean + (1 - decay) * (double)lh_tensor_data(x)[7];
    }
    lh_evaluation before, on, off;
    float weight = lh_tensor_data(x)[7];
    CHECK_OK(ctx, lh_trainer_evaluate(r, NULL, NULL, &before));
    CHECK(lh_tensor_data(x)[7] == weight);
    lh_trainer_average(r, true);
    lh_trainer_average(r, true);
    CHECK(fabs((double)lh_tensor_data(x)[7] - mean) < 1e-6);
    CHECK(lh_tensor_data(x)[7] != weight);
    CHECK_OK(ctx, lh_trainer_evaluate(r, NULL, NULL, &on));
    CHECK(on.nats == before.nats);
    CHECK(fabs((double)lh_tensor_data(x)[7] - mean) < 1e-6);
    r->settings.average = 0;                     /* as without one         */
    r->averaged = false;
    CHECK_OK(ctx, lh_trainer_evaluate(r, NULL, NULL, &off));
    CHECK(off.nats == on.nats);
    r->settings.average = 0.75;
    r->averaged = true;
    lh_trainer_average(r, false);
    CHECK(lh_tensor_data(x)[7] == weight);
    lh_trainer_free(r);
    lh_model_free(m);
    lh_tokenizer_free(k);
    lh_dataset_free(d);
    lh_context_free(ctx);
}

int main(void)
{
    for (int kind = 0; kind < 3; kind++) {
        bool exact = kind == 1, bf16 = kind == 2;
        test_muon(SIDE, SIDE, exact, bf16);
        test_muon(8, 24, exact, bf16);
        test_muon(24, 8, exact, bf16);
        test_muon(1, 20, exact, bf16);
    }
    test_muon_zero();
    test_matrices();
    test_average();
    return test_end("recipe");
}
