/* The textbook engine: a tape of one-element tensors is what introductions to
 * backpropagation build by hand.  Each result stands beside the number that
 * calculus gives; the program fails where they differ. */
#include <math.h>
#include <stdio.h>

#include "longhand.h"

static int wrong;

static void show(const char *what, double got, double expected)
{
    printf("%-28s %10.6f   expected %10.6f\n", what, got, expected);
    if (!(fabs(got - expected) <= 1e-5 * (1 + fabs(expected))))
        wrong++;
}

static double slope(lh_tensor *x)
{
    return lh_tensor_grad(x)[0];
}

int main(void)
{
    lh_context *ctx = lh_context_new(NULL);
    lh_tape *t = lh_tape_new(ctx);
    if (!t)
        return 1;

    /* z = x y + x^2: used twice, x gets the sum of both ways. */
    lh_tensor *x = lh_scalar(t, 3), *y = lh_scalar(t, -2);
    lh_tensor *z = lh_add(t, lh_mul(t, x, y), lh_square(t, x));
    lh_backward(t, z);
    show("z = x y + x^2", lh_value(z), 3);
    show("dz/dx = y + 2 x", slope(x), 4);
    show("dz/dy = x", slope(y), 3);

    /* A neuron: tanh of a weighted sum, two inputs and a bias.  The bias
     * makes the sum log(1 + sqrt 2), where tanh is 1 / sqrt 2. */
    lh_tape_reset(t);
    lh_tensor *x1 = lh_scalar(t, 2), *w1 = lh_scalar(t, -3);
    lh_tensor *x2 = lh_scalar(t, 0), *w2 = lh_scalar(t, 1);
    lh_tensor *bias = lh_scalar(t, 6.8813735870195432f);
    lh_tensor *sum = lh_add(t, lh_add(t, lh_mul(t, x1, w1),
                                      lh_mul(t, x2, w2)), bias);
    lh_tensor *out = lh_tanh(t, sum);
    lh_backward(t, out);
    show("out = tanh(w . x + bias)", lh_value(out), 0.707107);
    show("dout/dx1 = w1 (1 - out^2)", slope(x1), -1.5);
    show("dout/dw1 = x1 (1 - out^2)", slope(w1), 1);
    show("dout/dx2 = w2 (1 - out^2)", slope(x2), 0.5);
    show("dout/dw2 = x2 (1 - out^2)", slope(w2), 0);

    /* The same tanh from exponentials: (e^2s - 1) / (e^2s + 1). */
    lh_tape_reset(t);
    lh_tensor *s = lh_scalar(t, 0.88137358701954305f);
    lh_tensor *e = lh_exp(t, lh_scale(t, s, 2));
    out = lh_div(t, lh_shift(t, e, -1), lh_shift(t, e, 1));
    lh_backward(t, out);
    show("(e^2s - 1) / (e^2s + 1)", lh_value(out), 0.707107);
    show("its slope", slope(s), 0.5);

    /* Newton's method for the square root of 2, a hundred tapes a blink:
     * x <- x - f(x) / f'(x), the slope from the tape. */
    float root = 1;
    for (int i = 0; i < 6; i++) {
        lh_tape_reset(t);
        x = lh_scalar(t, root);
        lh_tensor *f = lh_shift(t, lh_square(t, x), -2);
        lh_backward(t, f);
        root -= lh_value(f) / lh_tensor_grad(x)[0];
    }
    show("root of x^2 - 2", root, 1.414214);

    if (lh_error_status(ctx)) {
        fprintf(stderr, "scalar: %s\n", lh_error_message(ctx));
        wrong++;
    }
    lh_tape_free(t);
    lh_context_free(ctx);
    return wrong != 0;
}
