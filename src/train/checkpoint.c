/* A run in one file: weights, moments and counters as tensors and metadata
 * of a safetensors file, with everything the run is a function of, so that
 * loading can say what is not the same.
 *
 * Loading checks all of it before it changes anything.  The size of a
 * micro-batch is not kept: it changes no bit. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/number.h"
#include "formats/safetensors.h"
#include "train/train.h"

static const char checkpoint_format[] = "longhand trainer 2";

/* ----------------------------------------------- what must be the same -- */

/* FIELD(object, member) of lh_config c and lh_train_settings s: INTEGER for
 * integers, choices and yes or no, REAL for f64. */
#define CHECKPOINT_FIELDS(INTEGER, REAL) \
    INTEGER(config, layers) INTEGER(config, width) INTEGER(config, heads) \
    INTEGER(config, kv_heads) INTEGER(config, head_size) \
    INTEGER(config, feed_forward) INTEGER(config, context) \
    INTEGER(config, vocabulary) INTEGER(config, positions) \
    REAL(config, rotary_theta) INTEGER(config, norm) \
    REAL(config, norm_eps) INTEGER(config, norm_gain) \
    INTEGER(config, norm_bias) INTEGER(config, embedding_norm) \
    INTEGER(config, final_norm) INTEGER(config, qk_norm) \
    INTEGER(config, activation) INTEGER(config, attention_bias) \
    INTEGER(config, feed_forward_bias) INTEGER(config, tied) \
    REAL(config, embedding_scale) REAL(config, logit_softcap) \
    REAL(config, dropout) INTEGER(config, ngrams) \
    INTEGER(config, ngram_rows) INTEGER(config, value_embeddings) \
    INTEGER(training, steps) INTEGER(training, batch) \
    REAL(training, adamw.learning_rate) REAL(training, adamw.beta1) \
    REAL(training, adamw.beta2) REAL(training, adamw.eps) \
    REAL(training, adamw.weight_decay) REAL(training, adamw.clip) \
    REAL(training, muon.learning_rate) REAL(training, muon.momentum) \
    REAL(training, muon.weight_decay) REAL(training, average) \
    INTEGER(training, schedule) INTEGER(training, warm_up) \
    INTEGER(training, cool_down) REAL(training, final_rate) \
    REAL(training, held_out) INTEGER(training, seed)

enum {
#define CHECKPOINT_ONE(object, member) + 1
    /* Before them: format, version, dtype, data, step, tokens, documents. */
    CHECKPOINT_DTYPE = 2, CHECKPOINT_DATA, CHECKPOINT_FIRST = 7,
    CHECKPOINT_PAIRS = CHECKPOINT_FIRST
                       CHECKPOINT_FIELDS(CHECKPOINT_ONE, CHECKPOINT_ONE)
#undef CHECKPOINT_ONE
};

typedef struct checkpoint_pair {
    const char *key;
    char value[LH_NUMBER_SIZE];
} checkpoint_pair;

static void checkpoint_text(checkpoint_pair *pair, const char *key,
                            const char *value)
{
    pair->key = key;
    snprintf(pair->value, sizeof pair->value, "%s", value);
}

static void checkpoint_integer(checkpoint_pair *pair, const char *key,
                               int64_t value)
{
    pair->key = key;
    snprintf(pair->value, sizeof pair->value, "%lld", (long long)value);
}

/* The dtype is what the run computes in; the file's weights and moments are
 * floats. */
static void checkpoint_pairs(const lh_trainer *r,
                             const lh_train_settings *training,
                             checkpoint_pair pair[CHECKPOINT_PAIRS])
{
    const lh_config *config = lh_model_config(r->model);
    checkpoint_text(pair++, "format", checkpoint_format);
    checkpoint_text(pair++, "version", LH_VERSION);
    checkpoint_text(pair++, "dtype", training->dtype == LH_BF16 ? "bf16"
                                                                : "f32");
    checkpoint_integer(pair++, "data", (int64_t)r->data_hash);
    checkpoint_integer(pair++, "step", r->adamw->step);
    checkpoint_integer(pair++, "tokens", r->tokens);
    checkpoint_integer(pair++, "documents", r->documents);
#define CHECKPOINT_INTEGER(object, member) \
    checkpoint_integer(pair++, #object "." #member, (int64_t)object->member);
#define CHECKPOINT_REAL(object, member) \
    pair->key = #object "." #member; \
    lh_number_write(pair++->value, object->member);
    CHECKPOINT_FIELDS(CHECKPOINT_INTEGER, CHECKPOINT_REAL)
#undef CHECKPOINT_INTEGER
#undef CHECKPOINT_REAL
}

/* ------------------------------------------------------------- tensors -- */

/* The run's tensors: the weights, their first moments, and their second ones
 * and their running mean where they have any.  Names of these are "adamw.m.",
 * "adamw.v." or "average." and the weight's. */
typedef struct checkpoint_list {
    lh_stored *stored;                 /* [count]                          */
    float **data;                      /* [count]                          */
    char *names;                       /* [3 * parameters][name_size]      */
    int64_t count;
} checkpoint_list;

static void checkpoint_list_free(lh_context *ctx, checkpoint_list *list)
{
    lh_free(ctx, list->stored);
    lh_free(ctx, list->data);
    lh_free(ctx, list->names);
}

static void checkpoint_tensor(checkpoint_list *list, const lh_tensor *x,
                              const char *name, float *data)
{
    if (!data)
        return;
    lh_stored *s = &list->stored[list->count];
    s->name = name;
    s->dtype = LH_DTYPE_F32;
    s->dims = x->dims;
    memcpy(s->shape, x->shape, sizeof s->shape);
    s->size = x->size;
    s->data = data;
    list->data[list->count++] = data;
}

static lh_status checkpoint_list_make(const lh_trainer *r,
                                      checkpoint_list *list)
{
    const lh_adamw *o = r->adamw;
    size_t count = (size_t)o->count, longest = 0;
    for (int64_t i = 0; i < o->count; i++) {
        const char *name;
        lh_params_get(o->params, i, &name);
        longest = strlen(name) > longest ? strlen(name) : longest;
    }
    size_t name_size = longest + sizeof "adamw.m.";
    list->count = 0;
    list->stored = lh_alloc(r->ctx, 4 * count, sizeof *list->stored);
    list->data = lh_alloc(r->ctx, 4 * count, sizeof *list->data);
    list->names = lh_alloc(r->ctx, 3 * count, name_size);
    if (!list->stored || !list->data || !list->names) {
        checkpoint_list_free(r->ctx, list);
        return LH_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < 4 * o->count; i++) {
        static const char *const kind[] = { "", "adamw.m.", "adamw.v.",
                                            "average." };
        float **const from[] = { NULL, o->m, o->v, o->average };
        int64_t which = i / o->count, at = i % o->count;
        lh_tensor *x = lh_params_get(o->params, at, NULL);
        char *name = which ? list->names + (size_t)(i - o->count) * name_size
                           : x->parameter->name;
        if (which)
            snprintf(name, name_size, "%s%s", kind[which],
                     x->parameter->name);
        checkpoint_tensor(list, x, name, which ? from[which][at] : x->data);
    }
    return LH_OK;
}

/* -------------------------------------------------------------- saving -- */

static lh_status checkpoint_finite(const lh_trainer *r,
                                   const checkpoint_list *list)
{
    for (int64_t i = 0; i < list->count; i++)
        for (int64_t j = 0; j < list->stored[i].size; j++)
            if (list->data[i][j] - list->data[i][j] != 0)
                return lh_fail(r->ctx, LH_ERROR_NUMBER, "step %lld: a number"
                               " of %s is not finite; a lower learning rate"
                               " or clipping may help",
                               (long long)r->adamw->step,
                               list->stored[i].name);
    return LH_OK;
}

LH_API lh_status lh_trainer_save(lh_trainer *r, const char *path)
{
    if (!r || !path)
        return lh_fail(r ? r->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_trainer_save: no trainer or no path");
    checkpoint_list list;
    lh_trainer_average(r, false);
    lh_status status = checkpoint_list_make(r, &list);
    if (status)
        return status;
    checkpoint_pair pair[CHECKPOINT_PAIRS];
    const char *text[2 * CHECKPOINT_PAIRS];
    checkpoint_pairs(r, &r->settings, pair);
    for (int i = 0; i < CHECKPOINT_PAIRS; i++) {
        text[2 * i] = pair[i].key;
        text[2 * i + 1] = pair[i].value;
    }
    status = checkpoint_finite(r, &list);
    if (!status)
        status = lh_safetensors_write(r->ctx, path, list.stored,
                                      list.count, text, CHECKPOINT_PAIRS,
                                      NULL, NULL);
    checkpoint_list_free(r->ctx, &list);
    return status;
}

/* ------------------------------------------------------------- loading -- */

static lh_status checkpoint_count(lh_context *ctx, const lh_safetensors *file,
                                  const char *path, const char *key,
                                  int64_t least, int64_t most,
                                  int64_t *value)
{
    const char *text = lh_safetensors_text(file, key);
    if (text && lh_integer_parse(text, strlen(text), value) &&
        *value >= least && *value <= most)
        return LH_OK;
    return lh_fail(ctx, LH_ERROR_FORMAT, "%s: %s is not a count from %lld to"
                   " %lld", path, key, (long long)least, (long long)most);
}

/* Makes the file's numbers of steps those of the run, if it may go on so. */
static void checkpoint_length(const lh_trainer *r, const lh_safetensors *file,
                              lh_train_settings *s)
{
    static const char *const key[] = { "training.steps",
                                       "training.cool_down", "step" };
    int64_t number[3];
    for (int i = 0; i < 3; i++) {
        const char *text = lh_safetensors_text(file, key[i]);
        if (!text || !lh_integer_parse(text, strlen(text), &number[i]))
            return;
    }
    if (number[1] >= 0 && number[1] <= number[0] && number[2] >= 0 &&
        number[2] <= number[0] &&
        lh_schedule_same(&r->settings, number[0], number[1], number[2])) {
        s->steps = number[0];
        s->cool_down = number[1];
    }
}

static lh_status checkpoint_check(lh_trainer *r, const lh_safetensors *file,
                                  const char *path)
{
    const char *format = lh_safetensors_text(file, "format");
    if (!format || strcmp(format, checkpoint_format) != 0)
        return lh_fail(r->ctx, LH_ERROR_FORMAT, "%s is no checkpoint of this"
                       " version of Longhand: its format is not \"%s\"",
                       path, checkpoint_format);
    checkpoint_pair pair[CHECKPOINT_PAIRS];
    lh_train_settings settings = r->settings;
    checkpoint_length(r, file, &settings);
    checkpoint_pairs(r, &settings, pair);
    for (int i = CHECKPOINT_FIRST; i < CHECKPOINT_PAIRS; i++) {
        const char *there = lh_safetensors_text(file, pair[i].key);
        if (!there || strcmp(there, pair[i].value) != 0)
            return lh_fail(r->ctx, LH_ERROR_STATE, "%s is of another run: %s"
                           " is %s there and %s here; give what it was begun"
                           " with", path, pair[i].key, there ? there
                           : "missing", pair[i].value);
    }
    const char *there = lh_safetensors_text(file, "dtype");
    const char *here = pair[CHECKPOINT_DTYPE].value;
    if (strcmp(there ? there : "f32", here) != 0)
        return lh_fail(r->ctx, LH_ERROR_STATE, "%s is of a run in %s, this"
                       " one is in %s: go on with the dtype that it was"
                       " begun with", path, there ? there : "f32", here);
    there = lh_safetensors_text(file, "data");
    here = pair[CHECKPOINT_DATA].value;
    if (!there || strcmp(there, here) != 0)
        return lh_fail(r->ctx, LH_ERROR_STATE, "%s is of a run on other"
                       " data, or tokenized otherwise; give what it was"
                       " begun with", path);
    return LH_OK;
}

/* The file's tensor for entry i, which must have its shape. */
static lh_status checkpoint_find(lh_trainer *r, const lh_safetensors *file,
                                 const char *path, const lh_stored *wanted,
                                 const lh_stored **found)
{
    const lh_stored *s = lh_safetensors_find(file, wanted->name);
    if (!s)
        return lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: the tensor %s is"
                       " missing", path, wanted->name);
    bool same = s->dtype == wanted->dtype && s->dims == wanted->dims;
    for (int i = 0; same && i < s->dims; i++)
        same = s->shape[i] == wanted->shape[i];
    if (!same)
        return lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: the tensor %s has"
                       " another shape or dtype than the model's", path,
                       wanted->name);
    *found = s;
    return LH_OK;
}

static lh_status checkpoint_load(lh_trainer *r, const lh_safetensors *file,
                                 const char *path,
                                 const checkpoint_list *list)
{
    int64_t step = 0, tokens = 0, documents = 0;
    const lh_stored *s = NULL;
    lh_status status = checkpoint_check(r, file, path);
    if (!status)
        status = checkpoint_count(r->ctx, file, path, "step", 0,
                                  r->settings.steps, &step);
    /* So many windows, each of 1 to `longest` tokens. */
    int64_t windows = status ? 0 : step * r->settings.batch;
    int64_t most = windows > INT64_MAX / 2 / r->windows.longest
        ? INT64_MAX / 2 : windows * r->windows.longest;
    if (!status)
        status = checkpoint_count(r->ctx, file, path, "documents", windows,
                                  windows, &documents);
    if (!status)
        status = checkpoint_count(r->ctx, file, path, "tokens", windows,
                                  most, &tokens);
    for (int64_t i = 0; i < list->count && !status; i++)
        status = checkpoint_find(r, file, path, &list->stored[i], &s);
    if (!status && file->count != list->count)
        status = lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: %lld tensors where"
                         " the model needs %lld", path,
                         (long long)file->count,
                         (long long)list->count);
    if (status)
        return status;
    for (int64_t i = 0; i < list->count && !status; i++) {
        status = checkpoint_find(r, file, path, &list->stored[i], &s);
        if (!status)
            status = lh_stored_floats(r->ctx, s, list->data[i]);
    }
    lh_params_zero_grad(r->adamw->params);
    r->adamw->step = step;
    r->tokens = tokens;
    r->documents = documents;
    return status;
}

LH_API lh_status lh_trainer_load(lh_trainer *r, const char *path)
{
    if (!r || !path)
        return lh_fail(r ? r->ctx : NULL, LH_ERROR_ARGUMENT,
                       "lh_trainer_load: no trainer or no path");
    lh_safetensors file;
    lh_status status = lh_safetensors_open(r->ctx, path, &file);
    if (status)
        return status;
    checkpoint_list list;
    lh_trainer_average(r, false);
    status = checkpoint_list_make(r, &list);
    if (!status) {
        status = checkpoint_load(r, &file, path, &list);
        checkpoint_list_free(r->ctx, &list);
    }
    lh_safetensors_close(&file);
    return status;
}

#undef CHECKPOINT_FIELDS
