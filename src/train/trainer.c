/* The training loop: a step is its windows in micro-batches, forward and
 * backward on one tape that is reset between them, then the optimizer.
 *
 * After its first round of each shape a step takes nothing from the heap.  A
 * step that fails leaves weights, moments and counters as they were. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/context.h"
#include "base/fpenv.h"
#include "base/math64.h"
#include "train/train.h"

/* -------------------------------------------------------------- making -- */

LH_INTERNAL lh_status lh_train_check(lh_context *ctx,
                                     const lh_train_settings *s)
{
    const struct { bool holds; const char *otherwise; } rule[] = {
        { s->steps >= 1 && s->batch >= 1 && s->batch <= INT32_MAX &&
          s->steps <= INT64_MAX / 2 / s->batch,
          "training takes 1 step or more and a batch of 1 or more" },
        { (unsigned)s->dtype <= LH_BF16,
          "training takes the dtype LH_F32 or LH_BF16" },
        { s->micro_batch >= 0,
          "a micro-batch is 1 or more, or 0 for the whole batch" },
        { s->final_rate >= 0 && s->final_rate <= 1,
          "the final rate is a share of the peak, 0 to 1" },
        { s->average >= 0 && s->average < 1,
          "the average's decay must be at least 0 and below 1" },
        { s->held_out >= 0 && s->held_out < 1,
          "the held-out share must be at least 0 and below 1" },
    };
    for (size_t i = 0; i < LH_COUNT(rule); i++)
        if (!rule[i].holds)
            return lh_fail(ctx, LH_ERROR_ARGUMENT, "%s", rule[i].otherwise);
    if ((unsigned)s->schedule > LH_TRAPEZOID || s->warm_up < 0 ||
        s->cool_down < 0 || s->warm_up > s->steps ||
        s->cool_down > s->steps - s->warm_up)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "warm-up and cool-down are 0"
                       " or more, together at most the %lld steps",
                       (long long)s->steps);
    return LH_OK;
}

static lh_status trainer_make(lh_trainer *r)
{
    lh_train_settings *s = &r->settings;
    if (!s->micro_batch || s->micro_batch > s->batch)
        s->micro_batch = s->batch;
    r->order.epoch = -1;
    r->order.order = lh_alloc(r->ctx, (size_t)lh_min64(r->windows.training,
                              LH_ORDER_TABLE), sizeof *r->order.order);
    r->chosen = lh_alloc(r->ctx, (size_t)s->batch, sizeof *r->chosen);
    r->tape = lh_tape_new(r->ctx);
    r->adamw = lh_adamw_make(lh_model_params(r->model),
                             s->muon.learning_rate > 0, s->average > 0);
    if (!r->order.order || !r->chosen || !r->tape || !r->adamw)
        return LH_ERROR_MEMORY;
    lh_tape_dtype(r->tape, s->dtype);
    r->adamw->bf16 = s->dtype == LH_BF16;
    return lh_packer_make(r->ctx, &r->packer, s->micro_batch,
                          s->micro_batch * r->windows.longest);
}

LH_INTERNAL lh_trainer *lh_trainer_over(lh_context *ctx, lh_model *m,
                                        lh_windows *w,
                                        const lh_train_settings *settings)
{
    lh_trainer *r = lh_alloc(ctx, 1, sizeof *r);
    if (!r) {
        lh_windows_free(w);
        return NULL;
    }
    r->ctx = ctx;
    r->model = m;
    r->settings = *settings;
    r->windows = *w;
    if (trainer_make(r)) {
        lh_trainer_free(r);
        return NULL;
    }
    return r;
}

static lh_trainer *trainer_new(lh_context *ctx, lh_model *m,
                               const lh_tokenizer *k, const lh_dataset *d,
                               const lh_train_settings *s)
{
    const lh_config *c = lh_model_config(m);
    lh_windows w;
    lh_plan plan;
    lh_windows_of of = { k, d, c->context, s->held_out, s->seed };
    if (lh_windows_open(ctx, &w, &of, s->cache))
        return NULL;
    lh_trainer *r = lh_trainer_over(ctx, m, &w, s);
    if (!r)
        return NULL;
    r->tokenizer = k;
    r->settings.cache = NULL;
    r->data_hash = r->windows.hash;
    /* Blocks of the size that a step needs, for a tape that has none. */
    if (!lh_plan_make(ctx, c, s, d, &plan, r->tape))
        return r;
    lh_trainer_free(r);
    return NULL;
}

LH_API lh_trainer *lh_trainer_new(lh_context *ctx, lh_model *m,
                                  const lh_tokenizer *k, const lh_dataset *d,
                                  const lh_train_settings *settings)
{
    if (!ctx)
        return NULL;
    if (!m || !k || !d || !settings)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_trainer_new: no model,"
                            " no tokenizer, no data or no settings");
    if (lh_train_check(ctx, settings))
        return NULL;
    if (lh_tokenizer_vocabulary(k) > lh_model_config(m)->vocabulary)
        return LH_FAIL_NULL(ctx, LH_ERROR_SHAPE, "the tokenizer has %lld"
                            " tokens, the model takes %lld",
                            (long long)lh_tokenizer_vocabulary(k),
                            (long long)lh_model_config(m)->vocabulary);
    lh_fpenv saved = lh_fpenv_enter();
    lh_trainer *r = trainer_new(ctx, m, k, d, settings);
    lh_fpenv_leave(saved);
    return r;
}

LH_API void lh_trainer_free(lh_trainer *r)
{
    if (!r)
        return;
    lh_windows_free(&r->windows);
    lh_packer_free(r->ctx, &r->packer);
    lh_free(r->ctx, r->order.order);
    lh_free(r->ctx, r->chosen);
    lh_adamw_free(r->adamw);
    lh_tape_free(r->tape);
    lh_free(r->ctx, r);
}

/* ---------------------------------------------------------------- step -- */

/* The windows of the step at hand into r->chosen; their targets in all. */
static lh_status trainer_choose(lh_trainer *r, int64_t *targets)
{
    const lh_train_settings *s = &r->settings;
    int64_t position = r->adamw->step * s->batch;
    lh_status status = LH_OK;
    *targets = 0;
    for (int64_t i = 0; i < s->batch && !status; i++) {
        lh_window window = { 0 };
        r->chosen[i] = lh_order_at(&r->order, &r->windows, s->seed,
                                   position + i);
        status = lh_windows_at(&r->windows, r->chosen[i], &window);
        *targets += window.count;
    }
    return status;
}

/* Forward and backward over all micro-batches; the step's mean loss. */
static lh_status trainer_gradients(lh_trainer *r, int64_t targets,
                                   float *loss)
{
    const lh_train_settings *s = &r->settings;
    bool drops = lh_model_config(r->model)->dropout > 0;
    int64_t row = 0;
    *loss = 0;
    lh_tape_gradients(r->tape, true);
    lh_tape_reuse(r->tape, true);
    lh_tape_recompute(r->tape, s->recompute);
    for (int64_t i = 0; i < s->batch; i += s->micro_batch) {
        r->packer.batch.documents = 0;
        for (int64_t j = i; j < lh_min64(s->batch, i + s->micro_batch); j++)
            if (lh_packer_add(&r->packer, &r->windows, r->chosen[j]))
                return lh_error_status(r->ctx);
        lh_tape_reset(r->tape);
        lh_tape_dropout(r->tape,
                        drops ? (int64_t)(s->seed & INT64_MAX) : -1,
                        r->adamw->step, row);
        lh_tensor *part = lh_model_loss(r->tape, r->model, &r->packer.batch,
                                        targets, *loss);
        if (!part || lh_backward(r->tape, part))
            return lh_tape_status(r->tape);
        *loss = lh_value(part);
        row += r->packer.offsets[r->packer.batch.documents];
    }
    return LH_OK;
}

LH_API void lh_trainer_progress(const lh_trainer *r, lh_progress *progress)
{
    if (!progress)
        return;
    *progress = (lh_progress){ 0 };
    if (!r)
        return;
    progress->step = r->adamw->step;
    progress->steps = r->settings.steps;
    progress->tokens = r->tokens;
    progress->documents = r->documents;
}

LH_API lh_status lh_trainer_resize(lh_trainer *r, int64_t steps,
                                   int64_t cool_down)
{
    if (!r)
        return LH_ERROR_ARGUMENT;
    lh_train_settings settings = r->settings;
    settings.steps = steps;
    settings.cool_down = cool_down;
    lh_status status = lh_train_check(r->ctx, &settings);
    if (status)
        return status;
    if (steps < r->adamw->step ||
        !lh_schedule_same(&r->settings, steps, cool_down, r->adamw->step))
        return lh_fail(r->ctx, LH_ERROR_STATE, "the %lld steps that are done"
                       " would not be those of a run of %lld",
                       (long long)r->adamw->step, (long long)steps);
    r->settings = settings;
    return LH_OK;
}

static lh_status trainer_step(lh_trainer *r, lh_progress *p)
{
    float loss;
    double norm;
    int64_t targets;
    lh_adamw_settings adamw = r->settings.adamw;
    lh_muon_settings muon = r->settings.muon;
    adamw.learning_rate = lh_schedule_rate(&r->settings, adamw.learning_rate,
                                           r->adamw->step);
    muon.learning_rate = lh_schedule_rate(&r->settings, muon.learning_rate,
                                          r->adamw->step);
    lh_status status = trainer_choose(r, &targets);
    if (!status)
        status = trainer_gradients(r, targets, &loss);
    if (!status && !r->ctx->dry && loss - loss != 0)
        status = lh_fail(r->ctx, LH_ERROR_NUMBER, "step %lld: the loss is"
                         " not finite; a lower learning rate or clipping may"
                         " help", (long long)r->adamw->step + 1);
    if (!status)
        status = lh_adamw_advance(r->adamw, &adamw, &muon, &norm);
    if (!status)
        lh_params_cleared(lh_model_params(r->model));
    if (!status && r->settings.average > 0)
        status = lh_adamw_average(r->adamw, r->settings.average);
    if (status) {
        lh_params_zero_grad(lh_model_params(r->model));
        lh_tape_reset(r->tape);
        return status;
    }
    r->tokens += targets;
    r->documents += r->settings.batch;
    lh_trainer_progress(r, p);
    p->loss = (double)loss;
    p->learning_rate = adamw.learning_rate;
    p->gradient_norm = norm;
    return LH_OK;
}

LH_API lh_status lh_trainer_step(lh_trainer *r, lh_progress *progress)
{
    lh_progress local;
    if (!r)
        return LH_ERROR_ARGUMENT;
    if (r->adamw->step >= r->settings.steps)
        return lh_fail(r->ctx, LH_ERROR_STATE, "all %lld steps are done",
                       (long long)r->settings.steps);
    lh_trainer_average(r, false);
    lh_fpenv saved = lh_fpenv_enter();
    lh_status status = trainer_step(r, progress ? progress : &local);
    lh_fpenv_leave(saved);
    return status;
}

LH_API lh_status lh_trainer_norms(lh_trainer *r, double *gradient,
                                  double *weight)
{
    if (!r || !gradient || !weight)
        return lh_fail(r ? r->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_trainer_norms: no trainer or no room for norms");
    lh_adamw *o = r->adamw;
    lh_status status = LH_OK;
    lh_fpenv saved = lh_fpenv_enter();
    for (int64_t i = 0; i < o->count && !status; i++) {
        lh_tensor *x = lh_params_get(o->params, i, NULL);
        double squares = 0;
        status = lh_squares(r->ctx, x->data, x->size, o->sums, &squares);
        gradient[i] = lh_sqrt64(o->squares[i]);
        weight[i] = lh_sqrt64(squares);
    }
    lh_fpenv_leave(saved);
    return status;
}

LH_API void lh_trainer_average(lh_trainer *r, bool on)
{
    if (!r || r->averaged == on || !(r->settings.average > 0) ||
        !r->adamw->step)
        return;
    lh_adamw_swap(r->adamw);
    r->averaged = on;
}

LH_API lh_status lh_trainer_evaluate(lh_trainer *r, lh_told_window *on_window,
                                     void *user, lh_evaluation *found)
{
    if (!r)
        return LH_ERROR_ARGUMENT;
    const lh_windows *w = &r->windows;
    if (w->training == w->count)
        return lh_fail(r->ctx, LH_ERROR_STATE, "nothing is held out of the"
                       " training data; give a held-out share");
    lh_scoring s = { .k = r->tokenizer, .on_window = on_window,
                     .user = user };
    bool averaged = r->averaged;
    lh_trainer_average(r, true);
    lh_fpenv saved = lh_fpenv_enter();
    lh_status status = lh_windows_score(r->tape, r->model, w, w->training,
                                        w->count - w->training, &s);
    lh_fpenv_leave(saved);
    lh_trainer_average(r, averaged);
    if (!status && found)
        *found = s.found;
    return status;
}

LH_API lh_status lh_train(lh_trainer *r,
                          bool (*on_step)(void *user, const lh_progress *p),
                          void *user)
{
    if (!r)
        return LH_ERROR_ARGUMENT;
    while (r->adamw->step < r->settings.steps) {
        lh_progress progress;
        lh_status status = lh_trainer_step(r, &progress);
        if (status)
            return status;
        if (on_step && !on_step(user, &progress))
            return lh_fail(r->ctx, LH_ERROR_STOPPED, "stopped as asked at"
                           " step %lld of %lld", (long long)progress.step,
                           (long long)progress.steps);
    }
    return LH_OK;
}
