/* Models on disk: a directory with config.json, model.safetensors,
 * tokenizer.json and tokenizer_config.json, in the layout of GPT-2, of Llama,
 * of NanoChat, or our own.
 *
 * What a file must hold follows from its config alone: a plan lists the
 * file's tensors and which parameters each consists of.  Loading refuses
 * what is missing, unexpected or of another shape, by name, before a model
 * is allocated; the plan's own size is bounded by lh_config_check(). */
#include "base/strict.h"

#include "base/file.h"
#include "base/fpenv.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

/* ------------------------------------------------------------ the plan -- */

/* One parameter's place in a tensor of the file: its outputs (rows) stand
 * behind `first` others. */
typedef struct disk_piece {
    lh_parameter_spec spec;
    int64_t first;
} disk_piece;

/* One tensor of the file: one parameter, or q, k and v fused. */
typedef struct disk_entry {
    char name[128];
    int pieces;
    disk_piece piece[3];
    bool transposed;
    int64_t half;                      /* not 0: the halves of so many
                                          outputs stand the other way round */
    int64_t outputs, inputs;           /* inputs 0: a vector               */
} disk_entry;

typedef struct disk_plan {
    lh_context *ctx;
    lh_layout layout;
    disk_entry *entry;                 /* [entries]                        */
    int64_t entries;
    size_t room;                       /* of entry                         */
    int64_t half;                      /* of a head                        */
} disk_plan;

static lh_status disk_add(void *user, const lh_parameter_spec *spec)
{
    disk_plan *plan = user;
    char name[128];
    int part = -1;
    bool transposed = false;
    lh_layout_name(plan->layout, spec->name, name, &part, &transposed);
    disk_entry *e = NULL;
    if (part > 0)                      /* a fused one was begun just above */
        for (int64_t i = plan->entries - 1; i >= 0 && !e; i--)
            if (strcmp(plan->entry[i].name, name) == 0)
                e = &plan->entry[i];
    if (!e) {
        if (lh_grow(plan->ctx, &plan->entry, &plan->room,
                    (size_t)plan->entries + 1, sizeof *plan->entry))
            return LH_ERROR_MEMORY;
        e = &plan->entry[plan->entries++];
        memcpy(e->name, name, sizeof name);
        e->transposed = transposed;
        /* NanoChat turns the pairs of q and k the other way. */
        if (plan->layout == LH_LAYOUT_NANOCHAT && spec->layer >= 0 &&
            (spec->field == offsetof(lh_model_layer, q) ||
             spec->field == offsetof(lh_model_layer, k)))
            e->half = plan->half;
        e->inputs = spec->dims > 1 ? spec->shape[1] : 0;
    }
    e->piece[part > 0 ? part : 0] = (disk_piece){ *spec, e->outputs };
    e->pieces++;
    e->outputs += spec->shape[0];
    return LH_OK;
}

static lh_status disk_plan_make(lh_context *ctx, disk_plan *plan,
                                const lh_config *c, lh_layout layout)
{
    *plan = (disk_plan){ .ctx = ctx, .layout = layout,
                         .half = c->head_size / 2 };
    return lh_config_walk(c, disk_add, plan);
}

/* ------------------------------------------------- between the layouts -- */

/* Where the parameter is the file's tensor as it stands. */
static bool disk_plain(const disk_entry *e)
{
    return e->pieces == 1 && !e->transposed && !e->half;
}

/* Copies a piece out of the file's elements, or into them. */
static void disk_copy(const disk_entry *e, const disk_piece *p, float *file,
                      float *ours, bool out)
{
    int64_t inputs = e->inputs ? e->inputs : 1;
    int64_t step = e->transposed ? e->outputs : 1;
    for (int64_t i = 0; i < p->spec.shape[0]; i++) {
        int64_t there = p->first + i;
        if (e->half)
            there += there / e->half % 2 ? -e->half : e->half;
        float *theirs = file + (e->transposed ? there : there * inputs);
        float *row = ours + i * inputs;
        for (int64_t j = 0; j < inputs; j++) {
            if (out)
                row[j] = theirs[j * step];
            else
                theirs[j * step] = row[j];
        }
    }
}

static lh_tensor *disk_tensor(const lh_model *m, const disk_piece *p)
{
    return lh_params_find(m->params, p->spec.name);
}

/* -------------------------------------------------------------- saving -- */

/* What is being written: entries that are not a parameter as it stands are
 * put together in `room` when their turn comes. */
typedef struct disk_saving {
    disk_plan plan;
    const lh_model *m;
    lh_weights weights;
    float *room;
} disk_saving;

static int64_t disk_stored(const disk_saving *saving, int64_t i,
                           lh_stored *s)
{
    const disk_entry *e = &saving->plan.entry[i];
    static const lh_stored_dtype dtype[] = { LH_DTYPE_F32, LH_DTYPE_BF16,
                                             LH_DTYPE_F16 };
    s->name = e->name;
    s->dtype = dtype[saving->weights];
    s->dims = e->inputs ? 2 : 1;
    s->shape[0] = e->transposed ? e->inputs : e->outputs;
    s->shape[1] = e->transposed ? e->outputs : e->inputs;
    s->size = e->outputs * (e->inputs ? e->inputs : 1);
    if (!disk_plain(e))
        return s->size;
    s->data = disk_tensor(saving->m, &e->piece[0])->data;
    return 0;
}

static const float *disk_gather(void *user, int64_t i)
{
    disk_saving *saving = user;
    const disk_entry *e = &saving->plan.entry[i];
    for (int j = 0; j < e->pieces; j++)
        disk_copy(e, &e->piece[j], saving->room,
                  disk_tensor(saving->m, &e->piece[j])->data, false);
    return saving->room;
}

static lh_status disk_write_weights(lh_context *ctx, const lh_model *m,
                                    lh_weights weights, const char *path)
{
    /* transformers takes no file that does not say "pt". */
    static const char *const metadata[] = { "format", "pt" };
    disk_saving saving = { .m = m, .weights = weights };
    lh_status status = disk_plan_make(ctx, &saving.plan, &m->config,
                                      lh_layout_of(&m->config));
    int64_t count = saving.plan.entries, most = 0;
    lh_stored *stored = status ? NULL : lh_alloc(ctx, (size_t)count,
                                                 sizeof *stored);
    for (int64_t i = 0; stored && i < count; i++)
        most = lh_max64(most, disk_stored(&saving, i, &stored[i]));
    saving.room = stored ? lh_alloc(ctx, (size_t)most, sizeof(float)) : NULL;
    status = saving.room
        ? lh_safetensors_write(ctx, path, stored, count, metadata, 1,
                               disk_gather, &saving)
        : status ? status : LH_ERROR_MEMORY;
    lh_free(ctx, saving.room);
    lh_free(ctx, stored);
    lh_free(ctx, saving.plan.entry);
    return status;
}

typedef enum disk_part { DISK_TOKENIZER, DISK_SETTINGS, DISK_WEIGHTS,
                         DISK_CONFIG, DISK_PARTS } disk_part;
static const char *const disk_name[DISK_PARTS] = {
    "tokenizer.json", "tokenizer_config.json", "model.safetensors",
    "config.json",
};

static lh_status disk_write(lh_context *ctx, const lh_model *m,
                            const lh_tokenizer *k, const char *directory,
                            lh_weights weights, disk_part part)
{
    char *path = lh_path_join(ctx, directory, disk_name[part]);
    lh_buffer text = { 0 };
    lh_status status = path ? LH_OK : LH_ERROR_MEMORY;
    if (!status && part == DISK_WEIGHTS) {
        status = disk_write_weights(ctx, m, weights, path);
    } else if (!status) {
        status = part == DISK_CONFIG
            ? lh_config_write(ctx, &text, &m->config,
                              lh_tokenizer_border(k), weights)
            : part == DISK_SETTINGS
            ? lh_tokenizer_write_settings(ctx, k, m->config.context, &text)
            : lh_tokenizer_write(ctx, k, &text);
        if (!status)
            status = lh_file_write(ctx, path, text.data, text.size);
    }
    lh_buffer_free(ctx, &text);
    lh_free(ctx, path);
    return status;
}

LH_API lh_status lh_model_save_as(lh_context *ctx, lh_model *m,
                                  const lh_tokenizer *k,
                                  const char *directory, lh_weights weights)
{
    if (!ctx || !m || !k || !directory ||
        (unsigned)weights > LH_WEIGHTS_F16)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_model_save: no model, no"
                       " tokenizer, no directory or no such kind of weights");
    if (lh_tokenizer_vocabulary(k) > m->config.vocabulary)
        return lh_fail(ctx, LH_ERROR_SHAPE, "the tokenizer has %lld tokens,"
                       " the model takes %lld",
                       (long long)lh_tokenizer_vocabulary(k),
                       (long long)m->config.vocabulary);
    lh_fpenv saved = lh_fpenv_enter();           /* floats become f16      */
    lh_status status = lh_directory_make(ctx, directory);
    for (int part = 0; part < DISK_PARTS && !status; part++)
        status = disk_write(ctx, m, k, directory, weights, (disk_part)part);
    lh_fpenv_leave(saved);
    return status;
}

LH_API lh_status lh_model_save(lh_context *ctx, lh_model *m,
                               const lh_tokenizer *k, const char *directory)
{
    return lh_model_save_as(ctx, m, k, directory, LH_WEIGHTS_F32);
}

/* ------------------------------------------------------------- loading -- */

/* The file's tensor of this name; published files also leave out the first
 * part, "model." or "transformer.". */
static const lh_stored *disk_find(const lh_safetensors *file,
                                  lh_layout layout, const char *name)
{
    const lh_stored *s = lh_safetensors_find(file, name);
    const char *dot = strchr(name, '.');
    if (!s && layout != LH_LAYOUT_LONGHAND && dot)
        s = lh_safetensors_find(file, dot + 1);
    return s;
}

/* What published files hold beside the weights: masks and angles, which are
 * no parameters, and a tied head once more. */
static bool disk_needless(const disk_plan *plan, const lh_config *c,
                          const lh_safetensors *file, const lh_stored *s)
{
    if (plan->layout == LH_LAYOUT_LONGHAND)
        return false;
    if (lh_text_ends(s->name, ".attn.bias") ||
        lh_text_ends(s->name, ".attn.masked_bias") ||
        lh_text_ends(s->name, ".rotary_emb.inv_freq"))
        return true;
    if (!c->tied || strcmp(s->name, "lm_head.weight") != 0)
        return false;
    const lh_stored *e = disk_find(file, plan->layout, plan->entry[0].name);
    return e && lh_stored_same(e, s);
}

static lh_status disk_check_entry(const disk_plan *plan, const char *path,
                                  const disk_entry *e, const lh_stored *s)
{
    int64_t rows = e->transposed ? e->inputs : e->outputs;
    int64_t columns = e->transposed ? e->outputs : e->inputs;
    if (!s)
        return lh_fail(plan->ctx, LH_ERROR_FORMAT, "%s: the tensor %s is"
                       " missing", path, e->name);
    if (s->dtype != LH_DTYPE_F32 && s->dtype != LH_DTYPE_F64 &&
        s->dtype != LH_DTYPE_BF16 && s->dtype != LH_DTYPE_F16)
        return lh_fail(plan->ctx, LH_ERROR_FORMAT, "%s: the tensor %s does"
                       " not hold floats", path, e->name);
    if (s->dims != (e->inputs ? 2 : 1) || s->shape[0] != rows ||
        (e->inputs && s->shape[1] != columns))
        return lh_fail(plan->ctx, LH_ERROR_FORMAT, "%s: the tensor %s has"
                       " another shape than config.json asks for: %lld x"
                       " %lld", path, e->name, (long long)rows,
                       (long long)lh_max64(columns, 1));
    return LH_OK;
}

/* Every tensor of the plan is there and fits, and no other is. */
static lh_status disk_check(const disk_plan *plan, const lh_config *c,
                            const lh_safetensors *file, const char *path)
{
    /* Three needless ones a layer and a head, see disk_needless(): with a
     * bound no file takes longer to look through than a model's. */
    if (file->count > plan->entries + 3 * c->layers + 1)
        return lh_fail(plan->ctx, LH_ERROR_FORMAT, "%s: %lld tensors, where"
                       " the model of config.json has %lld", path,
                       (long long)file->count, (long long)plan->entries);
    bool *seen = lh_alloc(plan->ctx, (size_t)file->count, sizeof *seen);
    lh_status status = seen ? LH_OK : LH_ERROR_MEMORY;
    for (int64_t i = 0; i < plan->entries && !status; i++) {
        const disk_entry *e = &plan->entry[i];
        const lh_stored *s = disk_find(file, plan->layout, e->name);
        status = disk_check_entry(plan, path, e, s);
        if (!status)
            seen[s - file->tensor] = true;
    }
    for (int64_t i = 0; i < file->count && !status; i++) {
        const lh_stored *s = &file->tensor[i];
        if (!seen[i] && !disk_needless(plan, c, file, s))
            status = lh_fail(plan->ctx, LH_ERROR_FORMAT, "%s: the tensor"
                             " %.100s is none of a model that config.json"
                             " describes", path, s->name);
    }
    lh_free(plan->ctx, seen);
    return status;
}

static lh_status disk_fill(const disk_plan *plan, const lh_model *m,
                           const disk_entry *e, const lh_stored *s)
{
    if (disk_plain(e))
        return lh_stored_floats(plan->ctx, s,
                                disk_tensor(m, &e->piece[0])->data);
    float *file = lh_alloc(plan->ctx, (size_t)s->size, sizeof *file);
    if (!file)
        return LH_ERROR_MEMORY;
    lh_status status = lh_stored_floats(plan->ctx, s, file);
    for (int j = 0; j < e->pieces && !status; j++)
        disk_copy(e, &e->piece[j], file, disk_tensor(m, &e->piece[j])->data,
                  true);
    lh_free(plan->ctx, file);
    return status;
}

static lh_model *disk_read_weights(lh_context *ctx, const lh_config *c,
                                   lh_layout layout, const char *directory)
{
    disk_plan plan;
    lh_safetensors file = { .ctx = ctx };
    lh_model *m = NULL;
    lh_status status = disk_plan_make(ctx, &plan, c, layout);
    char *path = status ? NULL : lh_path_join(ctx, directory,
                                              disk_name[DISK_WEIGHTS]);
    if (path && !lh_safetensors_open(ctx, path, &file) &&
        !disk_check(&plan, c, &file, path))
        m = lh_model_blank(ctx, c);
    for (int64_t i = 0; m && i < plan.entries; i++) {
        const disk_entry *e = &plan.entry[i];
        if (disk_fill(&plan, m, e, disk_find(&file, layout, e->name))) {
            lh_model_free(m);
            m = NULL;
        }
    }
    lh_safetensors_close(&file);
    lh_free(ctx, path);
    lh_free(ctx, plan.entry);
    return m;
}

static lh_tokenizer *disk_read_tokenizer(lh_context *ctx, const char *path,
                                         const lh_config *c)
{
    lh_tokenizer *k = lh_tokenizer_load(ctx, path, NULL);
    if (k && lh_tokenizer_vocabulary(k) > c->vocabulary) {
        lh_fail(ctx, LH_ERROR_FORMAT, "%s: its tokenizer has %lld tokens, the"
                " model beside it takes %lld", path,
                (long long)lh_tokenizer_vocabulary(k),
                (long long)c->vocabulary);
        lh_tokenizer_free(k);
        return NULL;
    }
    return k;
}

static lh_status disk_read_config(lh_context *ctx, const char *directory,
                                  lh_config *c, lh_layout *layout)
{
    lh_buffer text = { 0 };
    char *path = lh_path_join(ctx, directory, disk_name[DISK_CONFIG]);
    lh_status status = path ? lh_file_read(ctx, path, &text)
                            : LH_ERROR_MEMORY;
    if (!status)
        status = lh_config_read(ctx, path, text.data, text.size, c, layout);
    lh_buffer_free(ctx, &text);
    lh_free(ctx, path);
    return status ? status : lh_config_check(ctx, c);
}

LH_API lh_status lh_config_load(lh_context *ctx, const char *directory,
                                lh_config *config)
{
    if (!ctx || !directory || !config)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_config_load: no"
                       " directory, or no place for the config");
    lh_layout layout;
    return disk_read_config(ctx, directory, config, &layout);
}

LH_API lh_status lh_model_load(lh_context *ctx, const char *directory,
                               lh_model **m, lh_tokenizer **k)
{
    if (!ctx || !directory || !m)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_model_load: no directory,"
                       " or no place for the model");
    lh_config config;
    lh_layout layout = LH_LAYOUT_LONGHAND;
    lh_tokenizer *tokenizer = NULL;
    lh_status status = disk_read_config(ctx, directory, &config, &layout);
    if (status)
        return status;
    if (k)
        tokenizer = disk_read_tokenizer(ctx, directory, &config);
    if (!k || tokenizer)
        *m = disk_read_weights(ctx, &config, layout, directory);
    if ((k && !tokenizer) || !*m) {
        lh_tokenizer_free(tokenizer);
        return lh_error_status(ctx);
    }
    if (k)
        *k = tokenizer;
    return LH_OK;
}
