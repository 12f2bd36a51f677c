/* For oracle_adamw.py: 100 steps of AdamW with weight decay, clipping and a
 * learning rate that changes, on a parameter that decays and one that does
 * not; the loss is a polynomial.  Prints the weights after each 10 steps. */
#include "longhand.h"

#include <stdio.h>

enum { SIZE = 24, STEPS = 100 };

/* loss = sum(square(square(w) - target)) + sum(square(b - w)). */
static lh_tensor *loss_of(lh_tape *t, lh_tensor *w, lh_tensor *b,
                          const float *target)
{
    const int64_t shape[1] = { SIZE };
    lh_tensor *goal = lh_constant(t, target, 1, shape);
    lh_tensor *far = lh_square(t, lh_sub(t, lh_square(t, w), goal));
    lh_tensor *apart = lh_square(t, lh_sub(t, b, w));
    return lh_add(t, lh_sum(t, far), lh_sum(t, apart));
}

int main(void)
{
    const int64_t shape[1] = { SIZE };
    float target[SIZE];
    lh_context *ctx = lh_context_new(NULL);
    lh_params *p = lh_params_new(ctx);
    lh_tensor *w = lh_params_add(p, "w", 1, shape, true);
    lh_tensor *b = lh_params_add(p, "b", 1, shape, false);
    lh_adamw *o = lh_adamw_new(p);
    lh_tape *t = lh_tape_new(ctx);
    if (!w || !b || !o || !t)
        return 1;
    for (int i = 0; i < SIZE; i++) {
        lh_tensor_data(w)[i] = (float)(i - 12) / 8;
        lh_tensor_data(b)[i] = (float)(i % 5) / 4;
        target[i] = (float)(i % 7) / 2;
    }
    for (int step = 0; step < STEPS; step++) {
        lh_tape_reset(t);
        lh_backward(t, loss_of(t, w, b, target));
        lh_adamw_settings how = { .learning_rate = 0.05 / (1 + step / 10),
            .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1,
            .clip = 2 };
        lh_adamw_step(o, &how, NULL);
        if ((step + 1) % 10)
            continue;
        printf("%d", step + 1);
        for (int i = 0; i < 2 * SIZE; i++)
            printf(" %.9g", (double)lh_tensor_data(i < SIZE ? w : b)
                                [i % SIZE]);
        printf("\n");
    }
    int code = lh_error_status(ctx) != LH_OK;
    if (code)
        fprintf(stderr, "tool_adamw: %s\n", lh_error_message(ctx));
    lh_tape_free(t);
    lh_adamw_free(o);
    lh_params_free(p);
    lh_context_free(ctx);
    return code;
}
