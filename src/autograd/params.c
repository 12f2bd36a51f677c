/* Parameters: named tensors that outlive tapes, and their gradients. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/fpenv.h"

struct lh_params {
    lh_context *ctx;
    lh_tensor **item;                    /* [count]                        */
    int64_t count, capacity;
};

LH_API lh_params *lh_params_new(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_params *p = lh_alloc(ctx, 1, sizeof *p);
    if (p)
        p->ctx = ctx;
    return p;
}

static void params_free_tensor(lh_context *ctx, lh_tensor *x)
{
    if (!x)
        return;
    lh_parameter *own = x->parameter;
    if (own) {
        for (int i = 0; i < own->parts; i++)
            lh_floats_free(ctx, own->part[i]);
        lh_free(ctx, own->part);
        lh_free(ctx, own->name);
        lh_free(ctx, own);
    }
    lh_floats_free(ctx, x->data);
    lh_floats_free(ctx, x->grad);
    lh_free(ctx, x);
}

LH_API void lh_params_free(lh_params *p)
{
    if (!p)
        return;
    for (int64_t i = 0; i < p->count; i++)
        params_free_tensor(p->ctx, p->item[i]);
    lh_free(p->ctx, p->item);
    lh_free(p->ctx, p);
}

static lh_tensor *params_tensor(lh_context *ctx, const char *name, int dims,
                                const int64_t *shape, bool decay)
{
    int64_t size = 1;
    for (int i = 0; i < dims; i++)
        if (shape[i] < 1 || __builtin_mul_overflow(size, shape[i], &size) ||
            size > INT64_MAX / 64 || (uint64_t)size > SIZE_MAX / 64) {
            lh_fail(ctx, LH_ERROR_SHAPE, "parameter %s: dimension %d of"
                    " length %lld makes a tensor that cannot be", name, i,
                    (long long)shape[i]);
            return NULL;
        }
    lh_tensor *x = lh_alloc(ctx, 1, sizeof *x);
    if (!x)
        return NULL;
    size_t length = strlen(name);
    x->parameter = lh_alloc(ctx, 1, sizeof *x->parameter);
    x->data = lh_floats_alloc(ctx, (size_t)size);
    if (x->parameter)
        x->parameter->name = lh_alloc(ctx, length + 1, 1);
    if (!x->parameter || !x->data || !x->parameter->name) {
        params_free_tensor(ctx, x);
        return NULL;
    }
    memcpy(x->parameter->name, name, length);
    x->parameter->ctx = ctx;
    x->parameter->decay = decay;
    x->size = size;
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
    if (!name || !shape || dims < 1 || dims > LH_MAX_DIMS) {
        lh_fail(p->ctx, LH_ERROR_ARGUMENT, "a parameter needs a name and 1"
                " to %d dimensions", LH_MAX_DIMS);
        return NULL;
    }
    if (lh_params_find(p, name)) {
        lh_fail(p->ctx, LH_ERROR_EXISTS, "there are two parameters named"
                " %s", name);
        return NULL;
    }
    if (p->count == p->capacity) {
        int64_t grown = p->capacity ? 2 * p->capacity : 32;
        lh_tensor **item = lh_resize(p->ctx, p->item, (size_t)p->capacity,
                                     (size_t)grown, sizeof *item);
        if (!item)
            return NULL;
        p->item = item;
        p->capacity = grown;
    }
    lh_tensor *x = params_tensor(p->ctx, name, dims, shape, decay);
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

LH_INTERNAL void lh_parameter_fold(lh_tensor *x)
{
    lh_parameter *own = x->parameter;
    lh_fpenv saved = lh_fpenv_enter();
    for (int i = 0; i < own->parts; i++) {
        float *part = own->part[i];
        for (int64_t j = 0; j < x->size; j++)
            x->grad[j] += part[j];
        memset(part, 0, (size_t)x->size * sizeof *part);
    }
    lh_fpenv_leave(saved);
    own->graph = 0;
}

LH_API float *lh_tensor_grad(lh_tensor *x)
{
    if (!x)
        return NULL;
    if (x->parameter && x->parameter->parts)
        lh_parameter_fold(x);
    return x->grad;
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
        x->parameter->graph = 0;
    }
}
