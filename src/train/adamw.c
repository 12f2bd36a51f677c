/* AdamW: the moments, the global norm and the step; matrices that are Muon's
 * (muon.c) have one moment and a step of their own.
 *
 * The norm is summed in one fixed order (parameters as they were added,
 * chunks ascending, in f64), and the two powers come from our own f64
 * functions, so that no thread and no libm is in the result. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/context.h"
#include "base/fpenv.h"
#include "base/math64.h"
#include "train/train.h"

static int64_t adamw_chunks(int64_t size)
{
    return (size + LH_SQUARES_CHUNK - 1) / LH_SQUARES_CHUNK;
}

LH_INTERNAL lh_adamw *lh_adamw_make(lh_params *p, bool muon, bool average)
{
    int64_t room = 0, ms = 0, vs = 0;
    int64_t count = lh_params_count(p), chunks = 1;
    lh_context *ctx = lh_params_context(p);
    if (!count)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_adamw_new: there are"
                            " no parameters");
    lh_adamw *o = lh_alloc(ctx, 1, sizeof *o);
    if (!o)
        return NULL;
    o->ctx = ctx;
    o->params = p;
    o->count = count;
    o->m = lh_alloc(ctx, 3 * (size_t)count, sizeof *o->m);
    for (int64_t i = 0; i < count; i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        chunks = lh_max64(chunks, adamw_chunks(x->size));
        ms += lh_lines(x->size);
        if (!muon || !x->parameter->matrix)
            vs += lh_lines(x->size);
        else
            room = lh_max64(room, lh_muon_room(x->shape[0], x->shape[1]));
    }
    o->sums = lh_alloc(ctx, (size_t)chunks, sizeof(float));
    o->squares = lh_alloc(ctx, (size_t)count, sizeof *o->squares);
    o->moments = lh_floats_alloc(ctx, (size_t)(ms + vs + (average ? ms : 0)));
    if (room)
        o->room = lh_floats_alloc(ctx, (size_t)room);
    if (!o->m || !o->sums || !o->squares || !o->moments ||
        (room && !o->room)) {
        lh_adamw_free(o);
        return NULL;
    }
    o->v = o->m + count;
    o->average = o->v + count;
    float *m = o->moments, *v = m + ms, *mean = v + vs;
    for (int64_t i = 0; i < count; i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        o->m[i] = m;
        m += lh_lines(x->size);
        if (average)
            o->average[i] = mean + (o->m[i] - o->moments);
        if (muon && x->parameter->matrix)
            continue;
        o->v[i] = v;
        v += lh_lines(x->size);
    }
    return o;
}

LH_API lh_adamw *lh_adamw_new(lh_params *p)
{
    return p ? lh_adamw_make(p, false, false) : NULL;
}

LH_API void lh_adamw_free(lh_adamw *o)
{
    if (!o)
        return;
    lh_floats_free(o->ctx, o->moments);
    lh_free(o->ctx, o->m);
    lh_free(o->ctx, o->sums);
    lh_free(o->ctx, o->squares);
    lh_floats_free(o->ctx, o->room);
    lh_free(o->ctx, o);
}

LH_INTERNAL lh_status lh_squares(lh_context *ctx, const float *x,
                                 int64_t size, float *sums, double *total)
{
    int64_t chunks = adamw_chunks(size);
    lh_square_sums_args args = { x, size, sums };
    lh_status status = LH_OK;
    if (chunks == 1)                   /* nothing to split                 */
        ctx->kernels->fn[LH_KERNEL_square_sums](&args, 0, 1, NULL);
    else
        status = lh_launch(ctx, LH_KERNEL_square_sums, &args, chunks,
                           12 * LH_SQUARES_CHUNK, 0);
    for (int64_t c = 0; c < chunks && !status; c++)
        *total += (double)sums[c];
    return status;
}

static lh_status adamw_norm(lh_adamw *o, double *norm)
{
    double total = 0;
    for (int64_t i = 0; i < o->count; i++) {
        lh_tensor *x = lh_params_get(o->params, i, NULL);
        float *gradient = lh_tensor_grad(x);
        double before = total;
        lh_status status = gradient ? lh_squares(o->ctx, gradient, x->size,
                                                 o->sums, &total) : LH_OK;
        if (status)
            return status;
        o->squares[i] = total - before;
    }
    *norm = lh_sqrt64(total);
    if (total - total != 0)
        return lh_fail(o->ctx, LH_ERROR_NUMBER, "step %lld: the gradient is"
                       " not finite; a lower learning rate or clipping may"
                       " help", (long long)o->step + 1);
    return LH_OK;
}

static lh_status adamw_check(lh_adamw *o, const lh_adamw_settings *s,
                             const lh_muon_settings *muon)
{
    if (!(muon->learning_rate >= 0 && muon->learning_rate <= 1e30 &&
          muon->momentum >= 0 && muon->momentum < 1 &&
          muon->weight_decay >= 0 && muon->weight_decay <= 1e30))
        return lh_fail(o->ctx, LH_ERROR_ARGUMENT, "muon: learning rate and"
                       " weight decay must be 0 or more, the momentum at"
                       " least 0 and below 1");
    bool ok = s->learning_rate >= 0 && s->beta1 >= 0 && s->beta1 < 1 &&
              s->beta2 >= 0 && s->beta2 < 1 && s->eps > 0 &&
              s->weight_decay >= 0 && s->clip >= 0 &&
              s->learning_rate <= 1e30 && s->weight_decay <= 1e30 &&
              s->eps <= 1e30 && s->clip <= 1e300;
    if (!ok)
        return lh_fail(o->ctx, LH_ERROR_ARGUMENT, "adamw: learning rate,"
                       " weight decay and clip must be 0 or more, eps above"
                       " 0, the betas at least 0 and below 1");
    if (lh_params_count(o->params) != o->count)
        return lh_fail(o->ctx, LH_ERROR_STATE, "adamw: parameters were added"
                       " since it was made; make a new one");
    return LH_OK;
}

/* 1 - beta^t.  beta^t is below e^(-t (1 - beta)), and 1 less e^-40 is 1. */
static double adamw_correction(double beta, double t)
{
    return t * (1 - beta) > 40 ? 1 : 1 - lh_pow64(beta, t);
}

/* Whether parameter i goes on where args end, so that they go together. */
static bool adamw_follows(const lh_adamw *o, int64_t i, bool decay,
                          const lh_adamw_args *args)
{
    lh_tensor *x = lh_params_get(o->params, i, NULL);
    return x && x->data == args->parameter + args->size &&
           x->parameter->decay == decay &&
           o->m[i] == args->m + args->size &&
           o->v[i] == args->v + args->size &&
           lh_tensor_grad(x) == args->gradient + args->size;
}

static lh_status adamw_update(lh_adamw *o, const lh_adamw_settings *s,
                              const lh_muon_settings *muon, double norm)
{
    double t = (double)(o->step + 1);
    double correction1 = adamw_correction(s->beta1, t);
    double correction2 = adamw_correction(s->beta2, t);
    lh_adamw_args args = {
        .gradient_scale = s->clip > 0 && norm > s->clip
            ? (float)(s->clip / norm) : 1.0f,
        .one_minus_beta1 = (float)(1 - s->beta1),
        .one_minus_beta2 = (float)(1 - s->beta2),
        .step_size = (float)(s->learning_rate / correction1),
        .inverse_root = (float)(1 / lh_sqrt64(correction2)),
        .eps = (float)s->eps,
    };
    lh_status status = LH_OK;
    for (int64_t i = 0; i < o->count && !status; i++) {
        lh_tensor *x = lh_params_get(o->params, i, NULL);
        args.parameter = x->data;
        args.gradient = lh_tensor_grad(x);
        args.m = o->m[i];
        if (args.gradient && !o->v[i]) {
            status = lh_muon_update(o->ctx, muon, &(lh_muon_matrix){
                x->shape[0], x->shape[1], x->data, args.gradient, o->m[i],
                o->sums, o->room, args.gradient_scale, o->bf16 });
            continue;
        }
        args.v = o->v[i];
        args.size = x->size;
        args.decay = x->parameter->decay
            ? (float)(s->learning_rate * s->weight_decay) : 0.0f;
        while (args.gradient &&
               adamw_follows(o, i + 1, x->parameter->decay, &args))
            args.size += lh_params_get(o->params, ++i, NULL)->size;
        if (args.gradient)
            status = lh_launch(o->ctx, LH_KERNEL_adamw, &args, args.size, 32,
                               0);
    }
    if (!status)
        o->step++;
    return status;
}

LH_INTERNAL lh_status lh_adamw_advance(lh_adamw *o,
                                       const lh_adamw_settings *s,
                                       const lh_muon_settings *muon,
                                       double *norm)
{
    *norm = 0;
    lh_status status = adamw_check(o, s, muon);
    if (!status)
        status = adamw_norm(o, norm);
    return status ? status : adamw_update(o, s, muon, *norm);
}

LH_API lh_status lh_adamw_step(lh_adamw *o, const lh_adamw_settings *s,
                               double *norm)
{
    if (!o || !s)
        return lh_fail(o ? o->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_adamw_step: no optimizer or no settings");
    double length;
    lh_fpenv saved = lh_fpenv_enter();
    lh_status status = lh_adamw_advance(o, s, &(lh_muon_settings){ 0 },
                                        &length);
    lh_fpenv_leave(saved);
    if (norm)
        *norm = length;
    return status;
}

/* --------------------------------------------------- the weights' mean -- */

LH_INTERNAL lh_status lh_adamw_average(lh_adamw *o, double decay)
{
    double t = (double)o->step, early = t > 1 ? (1 + t) / (10 + t) : 0;
    lh_status status = LH_OK;
    for (int64_t i = 0; i < o->count && !status; i++) {
        lh_tensor *x = lh_params_get(o->params, i, NULL);
        lh_lerp_args args = { x->data, o->average[i],
                              (float)(1 - (decay < early ? decay : early)) };
        status = lh_launch(o->ctx, LH_KERNEL_lerp, &args, x->size, 6, 0);
    }
    return status;
}

LH_INTERNAL void lh_adamw_swap(lh_adamw *o)
{
    for (int64_t i = 0; i < o->count && !o->ctx->dry; i++) {
        lh_tensor *x = lh_params_get(o->params, i, NULL);
        for (int64_t j = 0; j < x->size; j++) {
            float weight = x->data[j];
            x->data[j] = o->average[i][j];
            o->average[i][j] = weight;
        }
    }
}
