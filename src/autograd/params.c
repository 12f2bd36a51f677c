/* Parameters: named tensors that outlive tapes, and their gradients. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/fpenv.h"

struct lh_params {
    lh_context *ctx;
    lh_arena data, grads;                /* of the parameters              */
    lh_tensor **item;                    /* [count]                        */
    int64_t count;
    size_t room;                         /* of item                        */
};

LH_API lh_params *lh_params_new(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_params *p = lh_alloc(ctx, 1, sizeof *p);
    if (p)
        p->ctx = p->data.ctx = p->grads.ctx = ctx;
    return p;
}

static void params_free_tensor(lh_params *p, lh_tensor *x)
{
    lh_context *ctx = p->ctx;
    if (!x)
        return;
    lh_parameter *own = x->parameter;
    if (own) {
        for (int i = 0; i < own->parts; i++)
            lh_floats_free(ctx, own->part[i]);
        lh_free(ctx, own->part);
        lh_free(ctx, own->looked);
        lh_free(ctx, own->name);
        lh_free(ctx, own);
    }
    lh_arena_floats_free(&p->data, x->data, x->size);
    lh_arena_floats_free(&p->grads, x->grad, x->size);
    lh_free(ctx, x);
}

LH_API void lh_params_free(lh_params *p)
{
    if (!p)
        return;
    for (int64_t i = 0; i < p->count; i++)
        params_free_tensor(p, p->item[i]);
    lh_arena_free(&p->data);
    lh_arena_free(&p->grads);
    lh_free(p->ctx, p->item);
    lh_free(p->ctx, p);
}

static lh_tensor *params_tensor(lh_params *p, const char *name, int dims,
                                const int64_t *shape, bool decay)
{
    lh_context *ctx = p->ctx;
    int64_t size = 1;
    for (int i = 0; i < dims; i++)
        if (!lh_elements(&size, shape[i]))
            return LH_FAIL_NULL(ctx, LH_ERROR_SHAPE, "parameter %s: dimension"
                                " %d of length %lld makes a tensor that cannot"
                                " be", name, i, (long long)shape[i]);
    lh_tensor *x = lh_alloc(ctx, 1, sizeof *x);
    if (!x)
        return NULL;
    x->parameter = lh_alloc(ctx, 1, sizeof *x->parameter);
    x->data = lh_arena_floats(&p->data, size);
    x->size = size;
    if (x->parameter)
        x->parameter->name = lh_text_copy(ctx, name);
    if (!x->parameter || !x->data || !x->parameter->name) {
        params_free_tensor(p, x);
        return NULL;
    }
    x->parameter->ctx = ctx;
    x->parameter->grads = &p->grads;
    x->parameter->decay = decay;
    x->dims = dims;
    x->needs_grad = true;
    for (int i = 0; i < dims; i++)
        x->shape[i] = shape[i];
    return x;
}

LH_API lh_tensor *lh_params_add(lh_params *p, const char *name, int dims,
                                const int64_t *shape, bool decay)
{
    if (!p)
        return NULL;
    if (!name || !shape || dims < 1 || dims > LH_MAX_DIMS)
        return LH_FAIL_NULL(p->ctx, LH_ERROR_ARGUMENT, "a parameter needs a"
                            " name and 1 to %d dimensions", LH_MAX_DIMS);
    if (lh_params_find(p, name))
        return LH_FAIL_NULL(p->ctx, LH_ERROR_EXISTS, "there are two parameters"
                            " named %s", name);
    if (lh_grow(p->ctx, &p->item, &p->room, (size_t)p->count + 1,
                sizeof *p->item))
        return NULL;
    lh_tensor *x = params_tensor(p, name, dims, shape, decay);
    if (x)
        p->item[p->count++] = x;
    return x;
}

LH_INTERNAL lh_context *lh_params_context(const lh_params *p)
{
    return p->ctx;
}

LH_API int64_t lh_params_count(const lh_params *p)
{
    return p ? p->count : 0;
}

LH_API lh_tensor *lh_params_get(const lh_params *p, int64_t i,
                                const char **name)
{
    lh_tensor *x = p && i >= 0 && i < p->count ? p->item[i] : NULL;
    if (name)
        *name = x ? x->parameter->name : NULL;
    return x;
}

LH_API lh_tensor *lh_params_find(const lh_params *p, const char *name)
{
    for (int64_t i = 0; p && name && i < p->count; i++)
        if (strcmp(p->item[i]->parameter->name, name) == 0)
            return p->item[i];
    return NULL;
}

LH_API int64_t lh_params_size(const lh_params *p)
{
    int64_t size = 0;
    for (int64_t i = 0; p && i < p->count; i++)
        size += p->item[i]->size;
    return size;
}

/* ----------------------------------------------------------- gradients -- */

/* Words of a bit per row. */
static size_t params_words(const lh_tensor *x)
{
    return (size_t)(x->shape[0] + 63) / 64;
}

LH_INTERNAL lh_status lh_parameter_lookup(lh_tensor *x)
{
    lh_parameter *own = x->parameter;
    own->lookup = true;
    if (!own->looked)
        own->looked = lh_alloc(own->ctx, params_words(x),
                               sizeof *own->looked);
    return own->looked ? LH_OK : LH_ERROR_MEMORY;
}

/* All parts are zero, and the next use is a graph's first. */
static void params_forget(lh_tensor *x)
{
    lh_parameter *own = x->parameter;
    own->graph = 0;
    own->added = 0;
    if (own->parts && own->looked)
        memset(own->looked, 0, params_words(x) * sizeof *own->looked);
}

LH_INTERNAL float *lh_parameter_grad(lh_tensor *x, int use,
                                     const int32_t *ids, int64_t count)
{
    lh_parameter *own = x->parameter;
    if (own->lookup && own->uses > 1 && use < 2)
        use = 1 - use;
    if (!use)
        return x->grad;
    if (!ids || !own->looked)
        own->added |= (uint32_t)1 << lh_min64(use - 1, 31);
    else
        for (int64_t i = 0; i < count; i++)
            own->looked[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
    return own->part[use - 1];
}

/* Adds a part's elements first .. first + size - 1 and clears them. */
static void params_fold_part(lh_tensor *x, float *part, int64_t first,
                             int64_t size)
{
    lh_fold_args args = { part + first, x->grad + first };
    lh_launch(x->parameter->ctx, LH_KERNEL_fold, &args, size, LH_COPY_COST, 0);
}

/* Adds the parts to the gradient in order of use and clears them: the end of
 * a step.  Of a part to which only lookups added it takes the rows that they
 * did.  grad stays NULL where the parameter was never used. */
static void params_fold(lh_tensor *x)
{
    lh_parameter *own = x->parameter;
    int64_t columns = x->size / x->shape[0];
    lh_fpenv saved = lh_fpenv_enter();
    for (int i = 0; i < own->parts; i++) {
        if (own->added >> lh_min64(i, 31) & 1)
            params_fold_part(x, own->part[i], 0, x->size);
        else if (own->looked)
            for (int64_t row = 0; row < x->shape[0]; row++)
                if (own->looked[row / 64] >> row % 64 & 1)
                    params_fold_part(x, own->part[i], row * columns,
                                     columns);
    }
    lh_fpenv_leave(saved);
    params_forget(x);
}

LH_INTERNAL bool lh_parameter_fresh(lh_tensor *x, const float *grad)
{
    lh_parameter *own = x->parameter;
    bool fresh = own && own->fresh && grad == x->grad;
    if (fresh)
        own->fresh = false;
    return fresh;
}

LH_API float *lh_tensor_grad(lh_tensor *x)
{
    if (!x)
        return NULL;
    if (x->parameter && x->parameter->parts)
        params_fold(x);
    if (x->parameter)                  /* whoever asks may write           */
        x->parameter->cleared = x->parameter->fresh = false;
    return x->grad;
}

LH_INTERNAL void lh_params_cleared(lh_params *p)
{
    for (int64_t i = 0; i < p->count; i++)
        p->item[i]->parameter->cleared = true;
}

LH_API void lh_params_zero_grad(lh_params *p)
{
    for (int64_t i = 0; p && i < p->count; i++) {
        lh_tensor *x = p->item[i];
        size_t bytes = (size_t)x->size * sizeof(float);
        if (x->grad)
            memset(x->grad, 0, bytes);
        for (int j = 0; j < x->parameter->parts; j++)
            memset(x->parameter->part[j], 0, bytes);
        params_forget(x);
    }
}
