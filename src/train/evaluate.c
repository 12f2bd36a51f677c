/* The mean loss of a model over windows, without gradients: held-out data
 * in a run, and lh_evaluate().  Losses are summed in f64 in the windows'
 * order, so that how many are run at once shows nowhere. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/context.h"
#include "base/fpenv.h"
#include "train/train.h"

/* Rows run at once: enough for full tiles, little memory. */
#define EVALUATE_ROWS 256

/* Adds the losses of one batch of windows, on an empty tape. */
static lh_status evaluate_batch(lh_tape *t, lh_model *m, const lh_packer *p,
                                double *sum, int64_t *tokens)
{
    int64_t rows = p->offsets[p->batch.documents];
    lh_tensor *loss = lh_model_loss(t, m, &p->batch, rows, 0.0f);
    const float *losses = lh_cross_entropy_losses(loss);
    if (!losses)
        return lh_tape_status(t);
    for (int64_t i = 0; i < rows; i++)
        *sum += (double)losses[i];
    *tokens += rows;
    return LH_OK;
}

LH_INTERNAL lh_status lh_windows_loss(lh_tape *t, lh_model *m,
                                      const lh_windows *w, int64_t first,
                                      int64_t count, double *loss,
                                      int64_t *tokens)
{
    int64_t at_once = lh_max64(1, EVALUATE_ROWS / w->longest);
    lh_packer packer;
    lh_status status = lh_packer_make(w->ctx, &packer, at_once,
                                      at_once * w->longest);
    if (status)
        return status;
    double sum = 0;
    int64_t scored = 0;
    lh_tape_gradients(t, false);
    lh_tape_recompute(t, true);                  /* one layer at a time    */
    lh_tape_dropout(t, -1, 0, 0);
    lh_tape_reset(t);
    for (int64_t i = 0; i < count && !status; i += at_once) {
        lh_packer_clear(&packer);
        for (int64_t j = i; j < lh_min64(count, i + at_once); j++)
            lh_packer_add(&packer, w, first + j);
        status = evaluate_batch(t, m, &packer, &sum, &scored);
        lh_tape_again(t);
    }
    lh_packer_free(w->ctx, &packer);
    if (!status && sum - sum != 0 && !w->ctx->dry)
        status = lh_fail(w->ctx, LH_ERROR_NUMBER, "the loss is not finite;"
                         " the model's weights are damaged, or too large");
    if (status)
        return status;
    if (loss)
        *loss = sum / (double)scored;
    if (tokens)
        *tokens = scored;
    return LH_OK;
}

LH_API lh_status lh_evaluate(lh_context *ctx, lh_model *m,
                             const lh_tokenizer *k, const lh_dataset *d,
                             double *loss, int64_t *tokens, int64_t *bytes)
{
    if (!ctx || !m || !k || !d)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_evaluate: no model, no"
                       " tokenizer or no data");
    lh_windows windows;
    lh_fpenv saved = lh_fpenv_enter();
    lh_status status = lh_windows_make(ctx, &windows, k, d,
                                       lh_model_config(m)->context, 0, 0);
    lh_tape *t = status ? NULL : lh_tape_new(ctx);
    if (!status && !t)
        status = LH_ERROR_MEMORY;
    if (!status)
        status = lh_windows_loss(t, m, &windows, 0, windows.count, loss,
                                 tokens);
    if (!status && bytes)
        *bytes = windows.bytes;
    lh_tape_free(t);
    lh_windows_free(&windows);
    lh_fpenv_leave(saved);
    return status;
}

#undef EVALUATE_ROWS
