/* Autograd: each op's forward and gradient against a double reference.
 *
 * The references are written on their own, in double; gradients are their
 * central differences.  Ops come from the library's own table, so that one
 * without a case here is a failure. */
#include "longhand.h"

#include <math.h>

#include "test.h"

/* ------------------------------------------------------------ the cases -- */

/* One random instance of an op: its inputs, and what the rest needs. */
typedef struct instance {
    int inputs, dims[4];
    int64_t shape[4][4], size[4];
    float *data[4];
    bool constant[4];
    float s;
    int64_t n[6];                      /* the case's own sizes             */
    int32_t id[64];
    int64_t offset[8];
} instance;

typedef struct gradient_case {
    const char *op;
    void (*make)(instance *c, uint64_t *random);
    lh_tensor *(*apply)(lh_tape *t, const instance *c, lh_tensor **x);
    void (*reference)(const instance *c, double **x, double *y);
} gradient_case;

static double draw(uint64_t *random)               /* +-(0.1 .. 2)         */
{
    uint64_t word = test_random(random);
    double size = 0.1 + 1.9 * (double)(word >> 11) / 9007199254740992.0;
    return word & 1 ? size : -size;
}

static int64_t pick(uint64_t *random, int64_t low, int64_t high)
{
    return low + (int64_t)(test_random(random) %
                           (uint64_t)(high - low + 1));
}

static void input(instance *c, uint64_t *random, int dims, int64_t a,
                  int64_t b, int64_t d)
{
    int i = c->inputs++;
    int64_t shape[3] = { a, b, d };
    c->dims[i] = dims;
    c->size[i] = 1;
    for (int j = 0; j < dims; j++) {
        c->shape[i][j] = shape[j];
        c->size[i] *= shape[j];
    }
    c->data[i] = malloc((size_t)c->size[i] * sizeof(float));
    for (int64_t j = 0; j < c->size[i]; j++)
        c->data[i][j] = (float)draw(random);
}

/* ---- elementwise rows, expanded in double ---- */

#define K(c) ((double)(c))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define SELECT(condition, a, b) ((condition) ? (a) : (b))
#define FMA(a, b, c) ((a) * (b) + (c))
#define FNMA(a, b, c) ((c) - (a) * (b))
#define SQRT sqrt
#define EXP exp
#define LOG log
#define TANH tanh
#define ERF erf
#define GELU(x) ((x) * erfc((x) * -0.70710678118654752440) / 2)
#define SIGMOID(x) (1 / (1 + exp(-(x))))
#define SILU(x) ((x) * SIGMOID(x))
#define GELU_TANH(x) \
    ((x) * SIGMOID(1.5957691216057308 * ((x) + 0.044715 * (x) * (x) * (x))))

#define UNARY(name, forward, dx, doc) \
    static double row_##name(double x, double s) \
    { \
        (void)s; \
        return forward; \
    } \
    static lh_tensor *apply_##name(lh_tape *t, const instance *c, \
                                   lh_tensor **x) \
    { \
        (void)c; \
        return lh_##name(t, x[0]); \
    }
#define UNARY_S(name, forward, dx, doc) \
    static double row_##name(double x, double s) \
    { \
        return forward; \
    } \
    static lh_tensor *apply_##name(lh_tape *t, const instance *c, \
                                   lh_tensor **x) \
    { \
        return lh_##name(t, x[0], c->s); \
    }
#define BINARY(name, forward, da, db, doc) \
    static double row_##name(double a, double b) \
    { \
        return forward; \
    } \
    static lh_tensor *apply_##name(lh_tape *t, const instance *c, \
                                   lh_tensor **x) \
    { \
        (void)c; \
        return lh_##name(t, x[0], x[1]); \
    }
#include "kernels/elementwise.def"

/* Elements for which the row has a value and no kink is near. */
static void make_elements(instance *c, uint64_t *random, int inputs,
                          double (*row)(double, double))
{
    int64_t a = pick(random, 1, 5), b = pick(random, 1, 9);
    int64_t d = pick(random, 1, 7);
    int dims = (int)pick(random, 1, 3);
    for (int i = 0; i < inputs; i++)
        input(c, random, dims, a, b, d);
    c->s = (float)(0.5 + fabs(draw(random)));
    for (int64_t j = 0; j < c->size[0]; j++)
        for (;;) {
            double x = c->data[0][j];
            double y = inputs > 1 ? c->data[1][j] : c->s;
            if (isfinite(row(x, y)) && (inputs < 2 || fabs(x - y) > 0.01))
                break;
            c->data[0][j] = (float)draw(random);
        }
}

#define UNARY(name, y, dx, doc) \
    static void make_##name(instance *c, uint64_t *random) \
    { \
        make_elements(c, random, 1, row_##name); \
    } \
    static void reference_##name(const instance *c, double **x, double *y_) \
    { \
        for (int64_t i = 0; i < c->size[0]; i++) \
            y_[i] = row_##name(x[0][i], c->s); \
    }
#define BINARY(name, y, da, db, doc) \
    static void make_##name(instance *c, uint64_t *random) \
    { \
        make_elements(c, random, 2, row_##name); \
    } \
    static void reference_##name(const instance *c, double **x, double *y_) \
    { \
        for (int64_t i = 0; i < c->size[0]; i++) \
            y_[i] = row_##name(x[0][i], x[1][i]); \
    }
#include "kernels/elementwise.def"

/* ---- linear: x [n0, n1], w [n2, n1], bias [n2] or none ---- */

static void make_linear(instance *c, uint64_t *random)
{
    int64_t *n = c->n;
    n[0] = pick(random, 1, 7), n[1] = pick(random, 1, 70);
    n[2] = pick(random, 1, 19);
    input(c, random, 2, n[0], n[1], 0);
    input(c, random, 2, n[2], n[1], 0);
    if (pick(random, 0, 1))
        input(c, random, 1, n[2], 0, 0);
}

static lh_tensor *apply_linear(lh_tape *t, const instance *c, lh_tensor **x)
{
    return lh_linear(t, x[0], x[1], c->inputs > 2 ? x[2] : NULL);
}

static void reference_linear(const instance *c, double **x, double *y)
{
    const int64_t *n = c->n;
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[2]; j++) {
            double sum = c->inputs > 2 ? x[2][j] : 0;
            for (int64_t k = 0; k < n[1]; k++)
                sum += x[0][i * n[1] + k] * x[1][j * n[1] + k];
            y[i * n[2] + j] = sum;
        }
}

/* ---- embedding: table [n0, n1], n2 ids ---- */

static void make_embedding(instance *c, uint64_t *random)
{
    c->n[0] = pick(random, 1, 9), c->n[1] = pick(random, 1, 37);
    c->n[2] = pick(random, 1, 30);
    input(c, random, 2, c->n[0], c->n[1], 0);
    for (int64_t i = 0; i < c->n[2]; i++)
        c->id[i] = (int32_t)pick(random, 0, c->n[0] - 1);
}

static lh_tensor *apply_embedding(lh_tape *t, const instance *c,
                                  lh_tensor **x)
{
    return lh_embedding(t, x[0], c->id, c->n[2]);
}

static void reference_embedding(const instance *c, double **x, double *y)
{
    for (int64_t i = 0; i < c->n[2]; i++)
        for (int64_t j = 0; j < c->n[1]; j++)
            y[i * c->n[1] + j] = x[0][c->id[i] * c->n[1] + j];
}

/* ---- norms: x [n0, n1]; n2 gain, n3 bias ---- */

static void make_norm(instance *c, uint64_t *random, bool bias)
{
    c->n[0] = pick(random, 1, 6), c->n[1] = pick(random, 2, 150);
    c->n[2] = pick(random, 0, 1), c->n[3] = bias ? pick(random, 0, 1) : 0;
    input(c, random, 2, c->n[0], c->n[1], 0);
    for (int64_t i = 0; i < c->n[2] + c->n[3]; i++)
        input(c, random, 1, c->n[1], 0, 0);
}

static void make_rms_norm(instance *c, uint64_t *random)
{
    make_norm(c, random, false);
}

static void make_layer_norm(instance *c, uint64_t *random)
{
    make_norm(c, random, true);
}

static lh_tensor *apply_rms_norm(lh_tape *t, const instance *c,
                                 lh_tensor **x)
{
    return lh_rms_norm(t, x[0], c->n[2] ? x[1] : NULL, 1e-3f);
}

static lh_tensor *apply_layer_norm(lh_tape *t, const instance *c,
                                   lh_tensor **x)
{
    return lh_layer_norm(t, x[0], c->n[2] ? x[1] : NULL,
                         c->n[3] ? x[1 + c->n[2]] : NULL, 1e-3f);
}

static void reference_norm(const instance *c, double **x, double *y,
                           bool layer)
{
    int64_t columns = c->n[1];
    for (int64_t i = 0; i < c->n[0]; i++) {
        const double *row = x[0] + i * columns;
        double mean = 0, square = 0;
        for (int64_t j = 0; layer && j < columns; j++)
            mean += row[j] / (double)columns;
        for (int64_t j = 0; j < columns; j++)
            square += (row[j] - mean) * (row[j] - mean) / (double)columns;
        for (int64_t j = 0; j < columns; j++) {
            double value = (row[j] - mean) / sqrt(square + (double)1e-3f);
            value *= c->n[2] ? x[1][j] : 1;
            y[i * columns + j] = value + (c->n[3] ? x[1 + c->n[2]][j] : 0);
        }
    }
}

static void reference_rms_norm(const instance *c, double **x, double *y)
{
    reference_norm(c, x, y, false);
}

static void reference_layer_norm(const instance *c, double **x, double *y)
{
    reference_norm(c, x, y, true);
}

/* ---- rotary: x [n0, n1 * 2 n2], tables [n3, n2] ---- */

static void make_rotary(instance *c, uint64_t *random)
{
    int64_t *n = c->n;
    n[0] = pick(random, 1, 6), n[1] = pick(random, 1, 3);
    n[2] = pick(random, 1, 20), n[3] = pick(random, 1, 9);
    input(c, random, 2, n[0], n[1] * 2 * n[2], 0);
    input(c, random, 2, n[3], n[2], 0);
    input(c, random, 2, n[3], n[2], 0);
    c->constant[1] = c->constant[2] = true;
    for (int64_t i = 0; i < n[0]; i++)
        c->id[i] = (int32_t)pick(random, 0, n[3] - 1);
}

static lh_tensor *apply_rotary(lh_tape *t, const instance *c, lh_tensor **x)
{
    return lh_rotary(t, x[0], x[1], x[2], c->id);
}

static void reference_rotary(const instance *c, double **x, double *y)
{
    const int64_t *n = c->n;
    int64_t half = n[2];
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t h = 0; h < n[1]; h++)
            for (int64_t j = 0; j < half; j++) {
                int64_t at = (i * n[1] + h) * 2 * half + j;
                double cosine = x[1][c->id[i] * half + j];
                double sine = x[2][c->id[i] * half + j];
                double a = x[0][at], b = x[0][at + half];
                y[at] = a * cosine - b * sine;
                y[at + half] = b * cosine + a * sine;
            }
}

/* ---- attention: q [n0, n1 n3], k and v [n0, n2 n3], n4 documents ---- */

static void make_attention(instance *c, uint64_t *random)
{
    int64_t *n = c->n;
    n[2] = pick(random, 1, 3), n[1] = n[2] * pick(random, 1, 3);
    n[3] = pick(random, 1, 20), n[4] = pick(random, 1, 3);
    n[5] = pick(random, 0, 1);                  /* a scale of its own      */
    for (int64_t i = 0; i < n[4]; i++)
        c->offset[i + 1] = c->offset[i] + pick(random, 1, 9);
    n[0] = c->offset[n[4]];
    c->s = n[5] ? 0.3f : 0.0f;
    input(c, random, 2, n[0], n[1] * n[3], 0);
    input(c, random, 2, n[0], n[2] * n[3], 0);
    input(c, random, 2, n[0], n[2] * n[3], 0);
}

static lh_tensor *apply_attention(lh_tape *t, const instance *c,
                                  lh_tensor **x)
{
    return lh_attention(t, x[0], x[1], x[2], c->n[1], c->n[2], c->s,
                        c->offset, c->n[4]);
}

static void reference_query(const instance *c, double **x, double *y,
                            int64_t first, int64_t row, int64_t head)
{
    const int64_t *n = c->n;
    int64_t size = n[3], group = head / (n[1] / n[2]);
    double scale = n[5] ? (double)0.3f : 1 / sqrt((double)size);
    const double *q = x[0] + (row * n[1] + head) * size;
    double weight[64], most = -INFINITY, sum = 0;
    for (int64_t j = first; j <= row; j++) {
        const double *k = x[1] + (j * n[2] + group) * size;
        double score = 0;
        for (int64_t d = 0; d < size; d++)
            score += q[d] * k[d];
        weight[j - first] = score * scale;
        most = fmax(most, score * scale);
    }
    for (int64_t j = first; j <= row; j++)
        sum += weight[j - first] = exp(weight[j - first] - most);
    for (int64_t d = 0; d < size; d++) {
        double value = 0;
        for (int64_t j = first; j <= row; j++)
            value += weight[j - first] * x[2][(j * n[2] + group) * size + d];
        y[(row * n[1] + head) * size + d] = value / sum;
    }
}

static void reference_attention(const instance *c, double **x, double *y)
{
    for (int64_t i = 0; i < c->n[4]; i++)
        for (int64_t row = c->offset[i]; row < c->offset[i + 1]; row++)
            for (int64_t head = 0; head < c->n[1]; head++)
                reference_query(c, x, y, c->offset[i], row, head);
}

/* ---- softmax and cross-entropy: x [n0, n1] ---- */

static void make_softmax(instance *c, uint64_t *random)
{
    c->n[0] = pick(random, 1, 6), c->n[1] = pick(random, 1, 150);
    input(c, random, 2, c->n[0], c->n[1], 0);
}

static lh_tensor *apply_softmax(lh_tape *t, const instance *c, lh_tensor **x)
{
    (void)c;
    return lh_softmax(t, x[0]);
}

static double log_sum(const double *x, int64_t count)
{
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < count; j++)
        most = fmax(most, x[j]);
    for (int64_t j = 0; j < count; j++)
        sum += exp(x[j] - most);
    return most + log(sum);
}

static void reference_softmax(const instance *c, double **x, double *y)
{
    for (int64_t i = 0; i < c->n[0]; i++) {
        const double *row = x[0] + i * c->n[1];
        double total = log_sum(row, c->n[1]);
        for (int64_t j = 0; j < c->n[1]; j++)
            y[i * c->n[1] + j] = exp(row[j] - total);
    }
}

static void make_cross_entropy(instance *c, uint64_t *random)
{
    make_softmax(c, random);
    for (int64_t i = 0; i < c->n[0]; i++)
        c->id[i] = (int32_t)pick(random, -1, c->n[1] - 1);
    c->id[0] = 0;
}

static lh_tensor *apply_cross_entropy(lh_tape *t, const instance *c,
                                      lh_tensor **x)
{
    return lh_cross_entropy(t, x[0], c->id);
}

static void reference_cross_entropy(const instance *c, double **x, double *y)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < c->n[0]; i++) {
        const double *row = x[0] + i * c->n[1];
        if (c->id[i] < 0)
            continue;
        sum += log_sum(row, c->n[1]) - row[c->id[i]];
        count++;
    }
    y[0] = sum / (double)count;
}

static void make_linear_cross_entropy(instance *c, uint64_t *random)
{
    make_linear(c, random);
    for (int64_t i = 0; i < c->n[0]; i++)
        c->id[i] = (int32_t)pick(random, -1, c->n[2] - 1);
    c->id[0] = 0;
}

static int64_t targets_of(const instance *c)
{
    int64_t count = 0;
    for (int64_t i = 0; i < c->n[0]; i++)
        count += c->id[i] >= 0;
    return count;
}

static lh_tensor *apply_linear_cross_entropy(lh_tape *t, const instance *c,
                                             lh_tensor **x)
{
    return lh_linear_cross_entropy(t, x[0], x[1],
                                   c->inputs > 2 ? x[2] : NULL, c->id,
                                   targets_of(c), 0.0f);
}

static void reference_linear_cross_entropy(const instance *c, double **x,
                                           double *y)
{
    instance logits = *c;
    double *row = malloc((size_t)(c->n[0] * c->n[2]) * sizeof *row);
    if (!row)
        exit(2);
    reference_linear(c, x, row);
    logits.n[1] = c->n[2];
    reference_cross_entropy(&logits, &row, y);
    free(row);
}

/* ---- the rest ---- */

static void make_rows(instance *c, uint64_t *random)
{
    c->n[0] = pick(random, 2, 9), c->n[1] = pick(random, 1, 40);
    input(c, random, 2, c->n[0], c->n[1], 0);
}

/* Dropout's mask is seen in its output; the reference applies it. */
static lh_tensor *apply_dropout(lh_tape *t, const instance *c, lh_tensor **x)
{
    (void)c;
    lh_tape_dropout(t, 7, 3, 0);
    return lh_dropout(t, x[0], 0.25f);
}

static const float *dropout_seen;

static void reference_dropout(const instance *c, double **x, double *y)
{
    for (int64_t i = 0; i < c->size[0]; i++)
        y[i] = dropout_seen[i] == 0.0f ? 0 : x[0][i] / 0.75;
}

static lh_tensor *apply_reshape(lh_tape *t, const instance *c, lh_tensor **x)
{
    return lh_reshape(t, x[0], 3, (const int64_t[]){ 1, c->n[1], c->n[0] });
}

static void reference_reshape(const instance *c, double **x, double *y)
{
    memcpy(y, x[0], (size_t)c->size[0] * sizeof *y);
}

static lh_tensor *apply_slice(lh_tape *t, const instance *c, lh_tensor **x)
{
    return lh_slice(t, x[0], 1, c->n[0] - 1);
}

static void reference_slice(const instance *c, double **x, double *y)
{
    memcpy(y, x[0] + c->n[1], (size_t)(c->size[0] - c->n[1]) * sizeof *y);
}

static lh_tensor *apply_sum(lh_tape *t, const instance *c, lh_tensor **x)
{
    (void)c;
    return lh_sum(t, x[0]);
}

static void reference_sum(const instance *c, double **x, double *y)
{
    y[0] = 0;
    for (int64_t i = 0; i < c->size[0]; i++)
        y[0] += x[0][i];
}

static lh_tensor *square_part(lh_tape *t, lh_tensor *x, const void *data)
{
    return lh_add(t, lh_scale(t, x, *(const float *)data),
                  lh_mul(t, x, lh_tanh(t, x)));
}

static lh_tensor *apply_recompute(lh_tape *t, const instance *c,
                                  lh_tensor **x)
{
    (void)c;
    return lh_recompute(t, square_part, x[0], &(float){ 0.5f },
                        sizeof(float));
}

static void reference_recompute(const instance *c, double **x, double *y)
{
    for (int64_t i = 0; i < c->size[0]; i++)
        y[i] = x[0][i] * (0.5 + tanh(x[0][i]));
}

#define CASE(name) { #name, make_##name, apply_##name, reference_##name },
#define ROWS(name) { #name, make_rows, apply_##name, reference_##name },
static const gradient_case cases[] = {
    CASE(linear) CASE(embedding) CASE(rms_norm) CASE(layer_norm)
    CASE(rotary) CASE(attention) CASE(softmax) CASE(cross_entropy)
    CASE(linear_cross_entropy)
    ROWS(dropout) ROWS(reshape) ROWS(slice) ROWS(sum)
    ROWS(recompute)
#define UNARY(name, y, dx, doc) CASE(name)
#include "kernels/elementwise.def"
};

/* --------------------------------------------------------- the checking -- */

static bool close_to(double got, double wanted, double scale, double bound)
{
    return fabs(got - wanted) <= bound * (fabs(wanted) + scale);
}

static double weighted(const instance *c, const gradient_case *g,
                       double **x, double *y, int64_t size,
                       const float *weight)
{
    double sum = 0;
    g->reference(c, x, y);
    for (int64_t i = 0; i < size; i++)
        sum += y[i] * weight[i];
    return sum;
}

static int64_t check_input(const instance *c, const gradient_case *g, int i,
                           double **x, double *y, int64_t size,
                           const float *weight, const float *grad)
{
    int64_t bad = 0;
    double largest = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < c->size[i]; j++) {
            double kept = x[i][j], step = 1e-5;
            x[i][j] = kept + step;
            double above = weighted(c, g, x, y, size, weight);
            x[i][j] = kept - step;
            double below = weighted(c, g, x, y, size, weight);
            x[i][j] = kept;
            double slope = (above - below) / (2 * step);
            if (!pass)
                largest = fmax(largest, fabs(slope));
            else if (!close_to(grad[j], slope, largest + 1e-3, 1e-4))
                bad++;
        }
    return bad;
}

static void check_case(lh_context *ctx, const gradient_case *g,
                       uint64_t *random)
{
    instance c = { 0 };
    g->make(&c, random);
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *x[4] = { NULL };
    double *wide[4] = { NULL };
    for (int i = 0; i < c.inputs; i++) {
        x[i] = (c.constant[i] ? lh_constant : lh_variable)(
            t, c.data[i], c.dims[i], c.shape[i]);
        wide[i] = malloc((size_t)c.size[i] * sizeof(double));
        for (int64_t j = 0; j < c.size[i]; j++)
            wide[i][j] = c.data[i][j];
    }
    lh_tensor *y = g->apply(t, &c, x);
    int64_t size = lh_tensor_size(y), bad = 0;
    CHECK(y && size > 0);
    if (y) {
        double *reference = malloc((size_t)size * sizeof(double));
        float *weight = malloc((size_t)size * sizeof(float));
        dropout_seen = lh_tensor_data(y);
        g->reference(&c, wide, reference);
        for (int64_t i = 0; i < size; i++) {
            weight[i] = (float)draw(random);
            bad += !close_to(lh_tensor_data(y)[i], reference[i], 1, 2e-6);
        }
        lh_tensor *w = lh_constant(t, weight, lh_tensor_dims(y),
                                   lh_tensor_shape(y));
        CHECK_EQ_INT(lh_backward(t, lh_sum(t, lh_mul(t, y, w))), LH_OK);
        for (int i = 0; i < c.inputs; i++) {
            if (c.constant[i])
                continue;
            const float *grad = lh_tensor_grad(x[i]);
            CHECK(grad != NULL);
            if (grad)
                bad += check_input(&c, g, i, wide, reference, size, weight,
                                   grad);
        }
        free(reference);
        free(weight);
    }
    if (bad)
        printf("    %s: %lld values are off\n", g->op, (long long)bad);
    CHECK(bad == 0);
    for (int i = 0; i < c.inputs; i++) {
        free(c.data[i]);
        free(wide[i]);
    }
    lh_tape_free(t);
}

static void test_gradients(lh_context *ctx)
{
    uint64_t random = 1;
    const lh_op *op;
    for (int i = 0; (op = lh_op_get(i)); i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
            if (strcmp(cases[j].op, op->name))
                continue;
            found = true;
            for (int round = 0; round < 8; round++)
                check_case(ctx, &cases[j], &random);
        }
        if (!found)
            printf("    %s has no gradient case\n", op->name);
        CHECK(found);
    }
}

int main(void)
{
    lh_context *ctx = lh_context_new(NULL);
    CHECK(ctx != NULL);
    test_gradients(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    return test_end("autograd");
}
