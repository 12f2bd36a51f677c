/* An operation of your own, from outside the library: two functions, the
 * forward and the vector-Jacobian product, and it stands on the tape like
 * those within.
 *
 * The op: y_i = x_i |x_i|^p, a signed power with a parameter p that is plain
 * data, not differentiated.  Its local gradient is (p + 1) |x_i|^p, and
 * backward multiplies it by the gradient from above and adds. */
#include <math.h>
#include <stdio.h>

#include "longhand.h"

static lh_status signed_power_forward(lh_tensor *node)
{
    lh_tensor *x = lh_node_input(node, 0);
    const float *p = lh_node_data(node), *in = lh_tensor_data(x);
    float *y = lh_tensor_data(node);
    for (int64_t i = 0; i < lh_tensor_size(node); i++)
        y[i] = in[i] * powf(fabsf(in[i]), *p);
    return LH_OK;
}

static lh_status signed_power_backward(lh_tensor *node)
{
    const float *p = lh_node_data(node), *dy = lh_node_grad(node);
    const float *x = lh_tensor_data(lh_node_input(node, 0));
    float *dx = lh_node_input_grad(node, 0);
    for (int64_t i = 0; dx && i < lh_tensor_size(node); i++)
        dx[i] += dy[i] * (*p + 1) * powf(fabsf(x[i]), *p);
    return LH_OK;
}

static const lh_op signed_power_op = {
    "signed_power", signed_power_forward, signed_power_backward
};

static lh_tensor *signed_power(lh_tape *t, lh_tensor *x, float p)
{
    return lh_apply(t, &signed_power_op, &x, 1, lh_tensor_dims(x),
                    lh_tensor_shape(x), &p, sizeof p);
}

int main(void)
{
    lh_context *ctx = lh_context_new(NULL);
    lh_tape *t = lh_tape_new(ctx);
    const float values[4] = { -2, -0.5f, 1, 3 };
    const int64_t shape[1] = { 4 };
    lh_tensor *x = lh_variable(t, values, 1, shape);

    /* Mixed with the library's own ops, and used twice. */
    lh_tensor *y = lh_mul(t, signed_power(t, x, 0.5f), x);
    lh_tensor *loss = lh_sum(t, lh_add(t, y, signed_power(t, x, 2)));
    if (lh_backward(t, loss)) {
        fprintf(stderr, "custom_op: %s\n", lh_error_message(ctx));
        return 1;
    }

    /* The sum over x^2 |x|^0.5 + x |x|^2: by hand, the slope is
     * 2.5 x |x|^0.5 + 3 x^2. */
    int wrong = 0;
    for (int i = 0; i < 4; i++) {
        double v = values[i], got = lh_tensor_grad(x)[i];
        double expected = 2.5 * v * sqrt(fabs(v)) + 3 * v * v;
        printf("x %5.2f   gradient %10.5f   expected %10.5f\n", v, got,
               expected);
        wrong += !(fabs(got - expected) < 1e-4);
    }
    lh_tape_free(t);
    lh_context_free(ctx);
    return wrong != 0;
}
