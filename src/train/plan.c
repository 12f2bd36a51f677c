/* What a run will hold in memory, before it begins.  Nothing is reckoned: the
 * code that trains runs, on a context that computes nothing and takes no
 * memory (kernels/dry.h), over windows as long as the longest of the data. */
#include "base/strict.h"

#include "base/fpenv.h"
#include "kernels/dry.h"
#include "model/model.h"
#include "train/train.h"

/* More windows than this an evaluation does not take at once. */
enum { PLAN_WINDOWS = 256 };
enum { PLAN_ROUNDS = 5 };

/* The windows of the data, of which the longest are there, as many as a step
 * or an evaluation takes; without data, a batch.  A token is taken to be a
 * byte. */
static lh_status plan_windows(lh_context *ctx, lh_windows *w,
                              const lh_dataset *d, int64_t context,
                              int64_t batch, const char *cache)
{
    lh_data_facts facts;
    lh_dataset_facts(d, &facts);
    bool files = d && !facts.loaded && cache;
    int64_t windows = d && !files ? 0 : batch;
    int64_t documents = facts.loaded ? facts.documents : d && !files;
    int64_t *have = lh_alloc(ctx, (size_t)context + 1, sizeof *have);
    *w = (lh_windows){ .ctx = ctx, .token_count = d && !files ? 1
                                                     : context + 1 };
    if (!have)
        return LH_ERROR_MEMORY;
    have[context] = windows;
    for (int64_t i = 0; i < documents; i++) {
        size_t size;
        lh_dataset_document(d, i, &size);
        int64_t rows = facts.loaded ? (int64_t)size + 1 : facts.units + 1;
        int64_t rest = rows % context;
        have[context] += rows / context;
        have[rest]++;
        windows += rows / context + (rest > 0);
        w->token_count += rows;
    }
    w->tokens = lh_alloc(ctx, (size_t)w->token_count, sizeof *w->tokens);
    w->window = lh_alloc(ctx, (size_t)windows, sizeof *w->window);
    int64_t most = lh_min64(windows, lh_max64(batch, PLAN_WINDOWS));
    for (int64_t n = context; w->window && n > 0 && w->count < most; n--)
        for (; have[n] > 0 && w->count < most; have[n]--) {
            w->longest = w->longest ? w->longest : (int32_t)n;
            w->window[w->count++].count = (int32_t)n;
        }
    lh_free(ctx, have);
    /* Of files: as long as they can be many; but those of a step are there. */
    w->training = files ? lh_max64(facts.units / context + facts.documents,
                                   windows) : windows;
    return w->tokens && w->window ? LH_OK : LH_ERROR_MEMORY;
}

/* Puts a tape with blocks of just the size that the trainer's tape needed in
 * its place.  True, and it stays, where its own are of that size already. */
static bool plan_fits(lh_trainer *r, lh_status *status)
{
    lh_tape *t = lh_tape_new(r->ctx);
    lh_tape_dtype(t, r->settings.dtype);
    *status = t ? lh_tape_like(t, r->tape) : LH_ERROR_MEMORY;
    bool fits = !*status && lh_tape_bytes(t) == lh_tape_bytes(r->tape);
    lh_tape_free(fits ? t : r->tape);
    r->tape = fits ? r->tape : t;
    return fits;
}

/* Runs a step and an evaluation, again and again in blocks that fit: in other
 * blocks other free pieces fit, and less or more is needed. */
static lh_status plan_steps(lh_trainer *r)
{
    const lh_windows *w = &r->windows;
    lh_status status = LH_OK;
    for (int round = 0; round < PLAN_ROUNDS; round++) {
        if ((round && plan_fits(r, &status)) || status)
            break;
        status = lh_trainer_step(r, NULL);
        if (!status && r->settings.held_out > 0)
            status = lh_windows_score(r->tape, r->model, w, 0, w->count,
                                      &(lh_scoring){ .k = NULL });
        if (status)
            break;
        lh_tape_reset(r->tape);
    }
    return status;
}

static void plan_fill(lh_plan *p, const lh_trainer *r, int64_t live)
{
    const lh_params *params = r->adamw->params;
    for (int64_t i = 0; i < lh_params_count(params); i++) {
        const lh_tensor *x = lh_params_get(params, i, NULL);
        p->gradients += x->size * (int64_t)sizeof(float) *
                        ((x->grad != NULL) + x->parameter->parts);
    }
    p->activations = lh_tape_bytes(r->tape);
    p->scratch = live - p->parameters - p->moments - p->data -
                 p->gradients - p->activations;
}

/* On the dry context.  `like`, if not NULL, gets blocks as large as needed;
 * whether it could is *given. */
static lh_status plan_run(lh_dry *dry, const lh_config *c,
                          const lh_train_settings *settings,
                          const lh_dataset *d, lh_plan *p, lh_tape *like,
                          lh_status *given)
{
    lh_train_settings s = *settings;
    lh_context *ctx = &dry->ctx;
    lh_windows w;
    s.steps = PLAN_ROUNDS;
    s.warm_up = s.cool_down = 0;
    lh_model *m = lh_model_blank(ctx, c);
    if (!m)
        return lh_error_status(ctx);
    p->parameters = dry->live;
    lh_adamw *adamw = lh_adamw_make(lh_model_params(m),
                                    s.muon.learning_rate > 0,
                                    s.average > 0);
    p->moments = dry->live - p->parameters;
    lh_adamw_free(adamw);
    lh_status status = plan_windows(ctx, &w, d, c->context, s.batch,
                                    s.cache);
    int64_t there = w.count;
    lh_trainer *r = NULL;
    if (status)
        lh_windows_free(&w);
    else
        r = lh_trainer_over(ctx, m, &w, &s);
    if (r) {
        p->data = dry->live - p->parameters - p->moments;
        r->windows.training = lh_min64(there, s.batch);
        r->windows.count = there;
        status = plan_steps(r);
        if (!status)
            plan_fill(p, r, dry->live);
        if (!status && like)
            *given = lh_tape_like(like, r->tape);
    }
    status = status ? status : lh_error_status(ctx);
    lh_trainer_free(r);
    lh_model_free(m);
    return status;
}

LH_INTERNAL lh_status lh_plan_make(lh_context *ctx, const lh_config *c,
                                   const lh_train_settings *s,
                                   const lh_dataset *d, lh_plan *plan,
                                   lh_tape *like)
{
    lh_dry dry;
    *plan = (lh_plan){ 0 };
    lh_fpenv saved = lh_fpenv_enter();
    lh_dry_begin(&dry, ctx);
    lh_status given = LH_OK;
    lh_status status = plan_run(&dry, c, s, d, plan, like, &given);
    lh_dry_end(&dry);
    lh_fpenv_leave(saved);
    if (like)                  /* without a plan a tape grows as it must   */
        return given;
    if (status)
        return lh_fail(ctx, status, "%s", lh_error_message(&dry.ctx));
    size_t size;
    if (lh_dataset_bytes(d, &size))
        plan->data += (int64_t)size + 8 * (lh_dataset_documents(d) + 1);
    plan->peak = plan->parameters + plan->gradients + plan->moments +
                 plan->activations + plan->scratch + plan->data;
    return LH_OK;
}

LH_API lh_status lh_train_plan(lh_context *ctx, const lh_config *c,
                               const lh_train_settings *s,
                               const lh_dataset *d, lh_plan *plan)
{
    if (!ctx || !c || !s || !plan)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_train_plan: no context,"
                       " no config, no settings or no plan");
    lh_status status = lh_config_check(ctx, c);
    if (!status)
        status = lh_train_check(ctx, s);
    return status ? status : lh_plan_make(ctx, c, s, d, plan, NULL);
}
