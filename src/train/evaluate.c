/* The losses of a model over windows, without gradients: held-out data in a
 * run, and lh_evaluate().  docs/eval.md says what is scored.
 *
 * Losses are summed in f64 in the windows' order, so that how many are run
 * at once shows nowhere. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/context.h"
#include "base/fpenv.h"
#include "train/train.h"

/* Rows run at once: enough for full tiles, little memory. */
enum { EVALUATE_ROWS = 256 };

/* Sums what one window gave, and tells it. */
static lh_status evaluate_window(lh_scoring *s, lh_context *ctx,
                                 const int32_t *target, const float *loss,
                                 int64_t rows, int32_t border)
{
    lh_evaluation *e = &s->found;
    const lh_spelt *p = s->spelling;
    bool end = target[rows - 1] == border;
    lh_scored w = { e->documents, s->first, rows - end, s->offset, target,
                    loss, end, end ? loss[rows - 1] : 0 };
    size_t size = 0;
    for (int64_t i = 0; i < w.count; i++) {
        e->nats += (double)loss[i];
        if (s->k)
            lh_tokenizer_piece(s->k, target[i], &size);
        if (!p)
            e->bytes += (int64_t)size;
        else if (p->wrong >= 0 && s->first + i >= p->wrong)
            s->offset = -1;
        else
            s->offset += (int64_t)size - (p->blank && !s->first && !i);
    }
    s->first += w.count;
    e->tokens += w.count;
    if (end) {
        e->ends++;
        e->end_nats += (double)w.end_loss;
        if (p) {
            e->bytes += p->bytes;
            e->lossy += p->wrong >= 0;
            s->spelling++;
        }
        e->documents++;
        s->first = s->offset = 0;
    }
    if (s->on_window && !s->on_window(s->user, &w))
        return lh_fail(ctx, LH_ERROR_STOPPED, "stopped as asked in document"
                       " %lld", (long long)w.document + 1);
    return LH_OK;
}

/* The losses of one batch of windows, on an empty tape. */
static lh_status evaluate_batch(lh_tape *t, lh_model *m, const lh_packer *p,
                                lh_scoring *s, int32_t border)
{
    const lh_batch *b = &p->batch;
    lh_tensor *loss = lh_model_loss(t, m, b, b->offsets[b->documents], 0.0f);
    const float *losses = lh_cross_entropy_losses(loss);
    lh_status status = losses ? LH_OK : lh_tape_status(t);
    for (int64_t i = 0; i < b->documents && !status; i++) {
        int64_t first = b->offsets[i];
        status = evaluate_window(s, t->ctx, b->targets + first,
                                 losses + first, b->offsets[i + 1] - first,
                                 border);
    }
    return status;
}

LH_INTERNAL lh_status lh_windows_score(lh_tape *t, lh_model *m,
                                       const lh_windows *w, int64_t first,
                                       int64_t count, lh_scoring *s)
{
    int64_t at_once = lh_max64(1, EVALUATE_ROWS / w->longest);
    int32_t border = s->k ? lh_tokenizer_border(s->k) : -1;
    lh_packer packer;
    lh_status status = lh_packer_make(w->ctx, &packer, at_once,
                                      at_once * w->longest);
    if (status)
        return status;
    lh_tape_gradients(t, false);
    lh_tape_recompute(t, true);                  /* one layer at a time    */
    lh_tape_dropout(t, -1, 0, 0);
    lh_tape_reset(t);
    for (int64_t i = 0; i < count && !status; i += at_once) {
        packer.batch.documents = 0;
        for (int64_t j = i; j < lh_min64(count, i + at_once) && !status; j++)
            status = lh_packer_add(&packer, w, first + j);
        if (!status)
            status = evaluate_batch(t, m, &packer, s, border);
        lh_tape_reset(t);
    }
    lh_packer_free(w->ctx, &packer);
    double sum = s->found.nats + s->found.end_nats;
    if (!status && !w->ctx->dry && sum - sum != 0)
        status = lh_fail(w->ctx, LH_ERROR_NUMBER, "the loss is not finite;"
                         " the model's weights are damaged, or too large");
    return status;
}

typedef struct evaluate_run {
    lh_tape *tape;
    lh_model *model;
    lh_scoring scoring;
} evaluate_run;

static lh_status evaluate_part(void *user, const lh_windows *w)
{
    evaluate_run *r = user;
    r->scoring.spelling = w->spelling;
    return lh_windows_score(r->tape, r->model, w, 0, w->count, &r->scoring);
}

LH_API lh_status lh_evaluate(lh_context *ctx, lh_model *m,
                             const lh_tokenizer *k, const lh_dataset *d,
                             lh_told_window *on_window, void *user,
                             lh_evaluation *found)
{
    if (!ctx || !m || !k || !d)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_evaluate: no model, no"
                       " tokenizer or no data");
    if (lh_tokenizer_border(k) < 0)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "the tokenizer has no token"
                       " that begins a document, so that its first token"
                       " cannot be scored");
    lh_fpenv saved = lh_fpenv_enter();
    evaluate_run r = { lh_tape_new(ctx), m, { .k = k, .on_window = on_window,
                                              .user = user } };
    lh_windows_of of = { k, d, lh_model_config(m)->context, 0, 0 };
    lh_status status = r.tape ? lh_windows_parts(ctx, &of, evaluate_part, &r)
                              : LH_ERROR_MEMORY;
    if (!status && found)
        *found = r.scoring.found;
    lh_tape_free(r.tape);
    lh_fpenv_leave(saved);
    return status;
}
