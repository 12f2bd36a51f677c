/* Multiple choice: which of several ways to go on does a model find the
 * likeliest.  docs/eval.md says which fields an item has and what is scored.
 *
 * Each choice is read behind its prompt as one text, so that the tokens are
 * those of that text; those behind the prompt's own are scored. */
#include "base/strict.h"

#include "autograd/tape.h"
#include "base/file.h"
#include "base/fpenv.h"
#include "base/json.h"
#include "base/number.h"
#include "train/train.h"

typedef struct choices_run {
    lh_context *ctx;
    lh_model *m;
    const lh_tokenizer *k;
    lh_tape *tape;
    const char *path;
    bool clear;                        /* no error stood there before      */
    lh_buffer text;                    /* a prompt and one of its choices  */
    double *nats;                      /* [room]                           */
    size_t room;
    lh_chosen item;
} choices_run;

static lh_status choices_fail(const choices_run *r, const char *what)
{
    char message[512];
    snprintf(message, sizeof message, "%s", what);   /* perhaps the error's */
    if (r->clear)
        lh_error_clear(r->ctx);
    return lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: line %lld: %s", r->path,
                   (long long)r->item.line, message);
}

static const lh_json *choices_get(const lh_json *object,
                                  const char *const *names)
{
    const lh_json *found = NULL;
    for (; *names && !found; names++)
        found = lh_json_get(object, *names);
    return found;
}

/* The loss of what stands behind the first `prompt` bytes of the text. */
static lh_status choices_score(choices_run *r, size_t prompt, double *nats)
{
    int64_t context = lh_model_config(r->m)->context, count = 0, before = 0;
    int32_t *ids = NULL, *first = NULL, *target = NULL;
    lh_status status = lh_tokenizer_encode(r->ctx, r->k, r->text.data,
                                           prompt, &first, &before);
    if (!status)
        status = lh_tokenizer_encode(r->ctx, r->k, r->text.data,
                                     r->text.size, &ids, &count);
    before = lh_min64(before, count - 1);
    if (!status && (before < 0 || count - before > context))
        status = choices_fail(r, before < 0 ? "a choice has no tokens"
                              : "a choice is longer than the context");
    int64_t skip = lh_max64(0, count - context), rows = count - skip;
    if (!status)
        target = lh_alloc(r->ctx, 2 * (size_t)rows, sizeof *target);
    if (!status && !target)
        status = LH_ERROR_MEMORY;
    if (!status) {
        int32_t *token = target + rows;
        for (int64_t i = 0; i < rows; i++) {
            token[i] = skip + i ? ids[skip + i - 1]
                                : lh_tokenizer_border(r->k);
            target[i] = skip + i < before ? -1 : ids[skip + i];
        }
        lh_tape_reset(r->tape);
        const float *loss = lh_cross_entropy_losses(lh_model_loss(
            r->tape, r->m, &(lh_batch){ 1, (int64_t[]){ 0, rows }, token,
                                        target }, rows, 0.0f));
        status = loss ? LH_OK : lh_tape_status(r->tape);
        *nats = 0;
        for (int64_t i = before - skip; i < rows && !status; i++)
            *nats += (double)loss[i];
    }
    lh_free(r->ctx, target);
    lh_memory_free(r->ctx, first);
    lh_memory_free(r->ctx, ids);
    return status;
}

/* The number of the right choice: a number, its digits, a letter, or the
 * choice itself; -1: none of these. */
static int64_t choices_answer(const lh_json *answer, const lh_json *choices)
{
    int64_t number = -1, i = 0;
    if (!answer)
        return -1;
    if (answer->type == LH_JSON_NUMBER && answer->integral)
        return answer->integer;
    if (answer->type != LH_JSON_STRING)
        return -1;
    for (const lh_json *c = choices->child; c; c = c->next, i++)
        if (c->size == answer->size &&
            !memcmp(c->string, answer->string, c->size))
            return i;
    if (lh_integer_parse(answer->string, answer->size, &number))
        return number;
    return answer->size == 1 ? answer->string[0] - 'A' : -1;
}

static bool choices_blank(const char *text, size_t size, bool end)
{
    return !size || memchr(" \n\t", text[end ? size - 1 : 0], 3);
}

/* Scores each choice.  A space is put before it where neither it nor the
 * prompt has one; blanks that end the prompt are the choice's. */
static lh_status choices_item(choices_run *r, const lh_json *prompt,
                              const lh_json *choices)
{
    lh_chosen *item = &r->item;
    double best = 0, best_normal = 0;
    size_t end = prompt->size;
    while (end && choices_blank(prompt->string, end, true))
        end--;
    const lh_json *c = choices->child;
    for (int64_t i = 0; i < item->choices; i++, c = c->next) {
        bool space = !choices_blank(prompt->string, prompt->size, true) &&
                     !choices_blank(c->string, c->size, false);
        r->text.size = 0;
        lh_buffer_add(r->ctx, &r->text, prompt->string, prompt->size);
        lh_buffer_add(r->ctx, &r->text, " ", space);
        lh_status status = lh_buffer_add(r->ctx, &r->text, c->string,
                                         c->size);
        if (!status)
            status = choices_score(r, end, &r->nats[i]);
        if (status == LH_ERROR_FORMAT)
            return choices_fail(r, lh_error_message(r->ctx));
        if (status)
            return status;
        double normal = r->nats[i] / (double)lh_max64(1, (int64_t)c->size);
        if (!i || r->nats[i] < best)
            item->plain = i, best = r->nats[i];
        if (!i || normal < best_normal)
            item->normal = i, best_normal = normal;
    }
    return LH_OK;
}

/* Reads and scores one line. */
static lh_status choices_line(choices_run *r, const char *line, size_t size)
{
    static const char *const prompts[] = { "prompt", "query", "context",
                                           "ctx", "question", NULL };
    static const char *const lists[] = { "choices", "endings", NULL };
    static const char *const answers[] = { "answer", "label", "gold", NULL };
    lh_json_document document;
    lh_status status = lh_json_parse(r->ctx, "JSON", line, size, &document);
    if (status == LH_ERROR_FORMAT)
        return choices_fail(r, lh_error_message(r->ctx));
    if (status)
        return status;
    const lh_json *prompt = choices_get(document.root, prompts);
    const lh_json *list = choices_get(document.root, lists);
    bool fine = prompt && prompt->type == LH_JSON_STRING && list &&
                list->type == LH_JSON_ARRAY && list->size > 1;
    for (const lh_json *c = fine ? list->child : NULL; c; c = c->next)
        fine &= c->type == LH_JSON_STRING;
    r->item.choices = fine ? (int64_t)list->size : 0;
    r->item.answer = fine ? choices_answer(choices_get(document.root,
                                                       answers), list) : -1;
    if (r->item.answer < 0 || r->item.answer >= r->item.choices)
        status = choices_fail(r, "an item has a prompt, two or more choices"
                              " and the number of the right one, from 0:"
                              " {\"prompt\": \"...\", \"choices\":"
                              " [\"...\", \"...\"], \"answer\": 0}");
    if (!status)
        status = lh_grow(r->ctx, &r->nats, &r->room, (size_t)r->item.choices,
                         sizeof *r->nats);
    r->item.nats = r->nats;
    if (!status)
        status = choices_item(r, prompt, list);
    lh_json_free(&document);
    return status;
}

LH_API lh_status lh_evaluate_choices(lh_context *ctx, lh_model *m,
                                     const lh_tokenizer *k, const char *path,
                                     bool (*on_item)(void *user,
                                                     const lh_chosen *item),
                                     void *user, int64_t *items,
                                     int64_t *plain, int64_t *normal)
{
    if (!ctx || !m || !k || !path || lh_tokenizer_border(k) < 0)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_evaluate_choices: no"
                       " model, no file, or no tokenizer with a token that"
                       " begins a document");
    choices_run r = { .ctx = ctx, .m = m, .k = k, .path = path,
                      .clear = !lh_error_status(ctx) };
    int64_t count = 0, right = 0, right_normal = 0;
    lh_buffer file = { 0 };
    lh_fpenv saved = lh_fpenv_enter();
    lh_status status = lh_file_read(ctx, path, &file);
    if (!status && !(r.tape = lh_tape_new(ctx)))
        status = LH_ERROR_MEMORY;
    lh_tape_gradients(r.tape, false);
    for (size_t at = 0, size; at < file.size && !status; at += size + 1) {
        const char *line = file.data + at;
        const char *end = memchr(line, '\n', file.size - at);
        size = end ? (size_t)(end - line) : file.size - at;
        r.item.line++;
        if (strspn(line, " \t\r") >= size)
            continue;
        status = choices_line(&r, line, size);
        count++;
        right += !status && r.item.plain == r.item.answer;
        right_normal += !status && r.item.normal == r.item.answer;
        if (!status && on_item && !on_item(user, &r.item))
            status = lh_fail(ctx, LH_ERROR_STOPPED, "stopped as asked");
    }
    if (!status && !count)
        status = lh_fail(ctx, LH_ERROR_FORMAT, "%s: there is no item", path);
    if (items)
        *items = count;
    if (plain)
        *plain = right;
    if (normal)
        *normal = right_normal;
    lh_tape_free(r.tape);
    lh_free(ctx, r.nats);
    lh_buffer_free(ctx, &r.text);
    lh_buffer_free(ctx, &file);
    lh_fpenv_leave(saved);
    return status;
}
