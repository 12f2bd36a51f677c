/* Evaluation: what is scored, counted and told, beside a session that reads
 * the same windows token by token and a softmax in double; and multiple
 * choice, likewise. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <unistd.h>

#include "autograd/tape.h"
#include "model_help.h"
#include "train/train.h"

typedef struct eval_setup {
    lh_context *ctx;
    lh_dataset *d;
    lh_tokenizer *k;
    lh_model *m;
    /* What the windows told. */
    int64_t windows, stop;
    double nats, end_nats;
    int64_t document, first, offset;   /* that are expected next           */
    bool known;                        /* offsets are                      */
} eval_setup;

static const char eval_text[] =
    "the quick brown fox jumps over the lazy dog\n"
    "caf\xc3\xa9\nx\nhow vexingly quick daft zebras jump\n";

static eval_setup eval_make(const char *json, int64_t context)
{
    eval_setup s = { .known = true };
    lh_config c = kind_config(2);
    s.ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    s.d = lh_dataset_text(s.ctx, eval_text, strlen(eval_text),
                          LH_DOCUMENTS_LINES);
    s.k = json ? lh_tokenizer_load(s.ctx, json, NULL)
               : lh_tokenizer_characters(s.ctx, eval_text,
                                         strlen(eval_text));
    c.context = context;
    c.vocabulary = lh_tokenizer_vocabulary(s.k);
    s.m = lh_model_new(s.ctx, &c, 7);
    CHECK(s.m != NULL);
    return s;
}

static void eval_free(eval_setup *s)
{
    lh_model_free(s->m);
    lh_tokenizer_free(s->k);
    lh_dataset_free(s->d);
    lh_context_free(s->ctx);
}

/* -log softmax(logits)[target] in double. */
static double eval_loss(const float *logits, int64_t size, int32_t target)
{
    double sum = 0;
    for (int64_t i = 0; i < size; i++)
        sum += exp((double)logits[i] - (double)logits[target]);
    return log(sum);
}

/* The losses of token ids behind `before` of them, by a session: windows of
 * the context from the border on, each with nothing before it. */
static double eval_session(const eval_setup *s, const int32_t *id,
                           int64_t count, int64_t before, double *end)
{
    int64_t context = lh_model_config(s->m)->context;
    int64_t size = lh_tokenizer_vocabulary(s->k);
    int32_t border = lh_tokenizer_border(s->k);
    lh_session *t = lh_session_new(s->ctx, s->m, 1);
    double nats = 0;
    for (int64_t i = 0; i <= count; i++) {
        if (i % context == 0)
            lh_session_reset(t);
        CHECK_EQ_INT(lh_session_feed(t, i ? &id[i - 1] : &border, 1), LH_OK);
        const float *logits = lh_session_logits(t);
        if (i < count && i >= before)
            nats += eval_loss(logits, size, id[i]);
        else if (i == count && end)
            *end += eval_loss(logits, size, border);
    }
    lh_session_free(t);
    return nats;
}

static bool eval_told(void *user, const lh_scored *w)
{
    eval_setup *s = user;
    CHECK_EQ_INT(w->document, s->document);
    CHECK_EQ_INT(w->first, s->first);
    if (s->known)
        CHECK_EQ_INT(w->offset, s->offset);
    CHECK(w->count + w->end <= lh_model_config(s->m)->context);
    for (int64_t i = 0; i < w->count; i++) {
        size_t size;
        lh_tokenizer_piece(s->k, w->token[i], &size);
        s->nats += (double)w->loss[i];
        s->offset += (int64_t)size;
    }
    s->first += w->count;
    if (w->end) {
        s->end_nats += (double)w->end_loss;
        s->document++, s->first = s->offset = 0;
    }
    return ++s->windows != s->stop;
}

/* For every context, one and many windows, the session's sums. */
static void test_windows(void)
{
    for (int64_t context = 1; context < 40; context += 6) {
        eval_setup s = eval_make(NULL, context);
        lh_evaluation e;
        double nats = 0, end = 0;
        int64_t tokens = 0, windows = 0, documents = 4;
        for (int64_t i = 0; i < documents; i++) {
            int32_t *id;
            int64_t count;
            size_t size;
            const char *text = lh_dataset_document(s.d, i, &size);
            lh_tokenizer_encode(s.ctx, s.k, text, size, &id, &count);
            nats += eval_session(&s, id, count, 0, &end);
            tokens += count;
            windows += (count + context) / context;
            lh_memory_free(s.ctx, id);
        }
        CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, eval_told, &s, &e),
                     LH_OK);
        CHECK_EQ_INT(e.documents, documents);
        CHECK_EQ_INT(e.ends, documents);
        CHECK_EQ_INT(e.tokens, tokens);
        CHECK_EQ_INT(e.bytes, (int64_t)strlen(eval_text) - 4);
        CHECK_EQ_INT(e.bytes, tokens + 1);       /* the e with its accent  */
        CHECK_EQ_INT(e.lossy, 0);
        CHECK_EQ_INT(s.windows, windows);
        CHECK(fabs(e.nats - nats) < 1e-5 * nats);
        CHECK(fabs(e.end_nats - end) < 1e-5 * end);
        CHECK(e.nats == s.nats && e.end_nats == s.end_nats);
        s.document = s.first = s.offset = s.windows = 0;
        s.stop = 2;
        CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, eval_told, &s, &e),
                     LH_ERROR_STOPPED);
        CHECK_EQ_INT(s.windows, 2);
        eval_free(&s);
    }
}

/* A model that knows nothing says that every token costs log V. */
static void test_uniform(void)
{
    eval_setup s = eval_make(NULL, 16);
    lh_params *p = lh_model_params(s.m);
    for (int64_t i = 0; i < lh_params_count(p); i++) {
        lh_tensor *x = lh_params_get(p, i, NULL);
        memset(lh_tensor_data(x), 0, (size_t)lh_tensor_size(x) * 4);
    }
    lh_evaluation e;
    CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, NULL, NULL, &e), LH_OK);
    double each = log((double)lh_tokenizer_vocabulary(s.k));
    CHECK(fabs(e.nats / (double)e.tokens - each) < 1e-6);
    CHECK(fabs(e.end_nats / 4 - each) < 1e-6);
    eval_free(&s);
}

static void eval_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

/* Byte pairs whose normalizer makes small letters: what had capitals is not
 * given back, and is marked.  One that puts a space in front is. */
static void test_lossy(const char *path)
{
    char json[8192] = "", *at = json;
    lh_context *ctx = lh_context_new(NULL);
    lh_tokenizer *bytes = lh_tokenizer_bytes(ctx);
    lh_tokenizer_save(ctx, bytes, path);
    FILE *f = fopen(path, "r");
    at += fread(json, 1, sizeof json - 200, f);
    *at = 0;
    fclose(f);
    char *null = strstr(json, "\"normalizer\": null");
    CHECK(null != NULL);
    memmove(null + 39, null + 18, strlen(null + 18) + 1);
    memcpy(null, "\"normalizer\": {\"type\": \"Lowercase\"}    ", 39);
    eval_write(path, json);
    eval_setup s = eval_make(path, 8);
    lh_evaluation e;
    CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, NULL, NULL, &e), LH_OK);
    CHECK_EQ_INT(e.lossy, 0);
    lh_dataset_free(s.d);
    s.d = lh_dataset_text(s.ctx, "a\nbBb\ncc\nD\n", 11, LH_DOCUMENTS_LINES);
    CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, NULL, NULL, &e), LH_OK);
    CHECK_EQ_INT(e.lossy, 2);
    CHECK_EQ_INT(e.bytes, 7);
    eval_free(&s);
    lh_tokenizer_free(bytes);
    lh_context_free(ctx);
}

/* ------------------------------------------------------ multiple choice -- */

static double eval_nats[2];

static bool eval_chosen(void *user, const lh_chosen *item)
{
    memcpy(eval_nats, item->nats, sizeof eval_nats);
    *(lh_chosen *)user = *item;
    return item->line < 9;
}

/* Nats of `text` behind its first `before` characters. */
static double eval_behind(const eval_setup *s, const char *text,
                          int64_t before)
{
    int32_t *id;
    int64_t count;
    lh_tokenizer_encode(s->ctx, s->k, text, strlen(text), &id, &count);
    double nats = eval_session(s, id, count, before, NULL);
    lh_memory_free(s->ctx, id);
    return nats;
}

static void test_choices(const char *path)
{
    eval_setup s = eval_make(NULL, 24);
    static const char *const form[] = {
        "{\"prompt\": \"the \", \"choices\": [\"quick\", \"dog\"],"
        " \"answer\": %d}\n",
        "\n{\"query\": \"the\", \"endings\": [\"quick\", \"dog\"],"
        " \"label\": \"%d\"}",
        "{\"context\": \"the\", \"choices\": [\" quick\", \" dog\"],"
        " \"gold\": %d, \"more\": [1]}\n",
    };
    double quick = eval_behind(&s, "the quick", 3);
    double dog = eval_behind(&s, "the dog", 3);
    int64_t likely = dog < quick, normal;
    for (size_t i = 0; i < sizeof form / sizeof form[0]; i++)
        for (int answer = 0; answer < 2; answer++) {
            char line[256];
            lh_chosen item = { 0 };
            int64_t items, plain, by_bytes;
            int space = i == 2;
            normal = dog / (3 + space) < quick / (5 + space);
            snprintf(line, sizeof line, form[i], answer);
            eval_write(path, line);
            CHECK_EQ_INT(lh_evaluate_choices(s.ctx, s.m, s.k, path,
                                             eval_chosen, &item, &items,
                                             &plain, &by_bytes), LH_OK);
            CHECK_EQ_INT(items, 1);
            CHECK_EQ_INT(item.answer, answer);
            CHECK_EQ_INT(item.choices, 2);
            CHECK_EQ_INT(item.line, i == 1 ? 2 : 1);
            CHECK(fabs(eval_nats[0] - quick) < 1e-5 * quick);
            CHECK(fabs(eval_nats[1] - dog) < 1e-5 * dog);
            CHECK_EQ_INT(item.plain, likely);
            CHECK_EQ_INT(item.normal, normal);
            CHECK_EQ_INT(plain, likely == answer);
            CHECK_EQ_INT(by_bytes, normal == answer);
        }
    /* A prompt longer than the context loses its front. */
    eval_write(path, "{\"prompt\": \"the lazy dog jumps over the\","
                     " \"choices\": [\"fox\", \"dog\"], \"answer\": \"dog\"}"
                     "\n\n{\"prompt\": \"x\", \"choices\": [\"a\", \"b\","
                     " \"c\"], \"answer\": \"C\"}\n\n\n\n\n\n{}\n");
    lh_chosen item = { 0 };
    CHECK_EQ_INT(lh_evaluate_choices(s.ctx, s.m, s.k, path, eval_chosen,
                                     &item, NULL, NULL, NULL),
                 LH_ERROR_FORMAT);
    CHECK(strstr(lh_error_message(s.ctx), "line 9: an item has a prompt"));
    CHECK_EQ_INT(item.line, 3);
    CHECK_EQ_INT(item.answer, 2);
    static const struct { const char *line, *says; } bad[] = {
        { "", "there is no item" },
        { "{", "line 1: JSON: byte 1" },
        { "[]", "an item has" },
        { "{\"prompt\": \"a\", \"choices\": [\"a\"], \"answer\": 0}", "item" },
        { "{\"prompt\": \"a\", \"choices\": [\"a\", 1], \"answer\": 0}",
          "an item has" },
        { "{\"prompt\": \"a\", \"choices\": [\"a\", \"b\"], \"answer\": 2}",
          "an item has" },
        { "{\"prompt\": \"a\", \"choices\": [\"a\", \"b\"], \"answer\": -1}",
          "an item has" },
        { "{\"prompt\": \"\", \"choices\": [\"\", \"b\"], \"answer\": 0}",
          "line 1: a choice has no tokens" },
        { "{\"prompt\": \"a\", \"choices\": [\"Q\", \"b\"], \"answer\": 0}",
          "line 1: " },
        { "{\"prompt\": \"a\", \"choices\": [\"the quick brown fox jumps\","
          " \"b\"], \"answer\": 0}", "line 1: a choice is longer than" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lh_error_clear(s.ctx);
        eval_write(path, bad[i].line);
        CHECK_EQ_INT(lh_evaluate_choices(s.ctx, s.m, s.k, path, NULL, NULL,
                                         NULL, NULL, NULL), LH_ERROR_FORMAT);
        CHECK(strstr(lh_error_message(s.ctx), bad[i].says));
    }
    eval_free(&s);
}

/* More than is told at once, from a file: what all windows at once give. */
static void test_parts(const char *path)
{
    enum { TIMES = 1100 };
    size_t size = strlen(eval_text);
    char *text = calloc(TIMES, size + 1);
    for (int i = 0; i < TIMES; i++)
        memcpy(text + size * (size_t)i, eval_text, size);
    eval_write(path, text);
    for (int whole = 0; whole < 2; whole++) {
        eval_setup s = eval_make(NULL, 29);
        lh_dataset_free(s.d);
        lh_sources what = { .path = &path, .paths = 1, .memory = 1,
                            .by = whole ? LH_DOCUMENTS_WHOLE
                                        : LH_DOCUMENTS_LINES };
        s.d = lh_dataset_open(s.ctx, &what);
        lh_evaluation e;
        lh_windows w;
        lh_windows_of of = { s.k, s.d, 29, 0, 0 };
        lh_scoring all = { .k = s.k };
        lh_tape *t = lh_tape_new(s.ctx);
        CHECK_EQ_INT(lh_evaluate(s.ctx, s.m, s.k, s.d, eval_told, &s, &e),
                     LH_OK);
        CHECK_EQ_INT(lh_windows_open(s.ctx, &w, &of, NULL),
                     LH_OK);
        CHECK(w.token_count > 2 << 15);
        CHECK_EQ_INT(lh_windows_score(t, s.m, &w, 0, w.count, &all), LH_OK);
        CHECK_EQ_INT(s.windows, w.count);
        CHECK(e.nats == all.found.nats && e.end_nats == all.found.end_nats);
        CHECK_EQ_INT(e.documents, whole ? 1 : 4 * TIMES);
        CHECK_EQ_INT(e.bytes, whole ? TIMES * size : TIMES * (size - 4));
        CHECK_EQ_INT(e.lossy, 0);
        lh_tape_free(t);
        lh_windows_free(&w);
        eval_free(&s);
    }
    free(text);
}

int main(void)
{
    char path[] = "/tmp/longhand-eval-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    test_windows();
    test_uniform();
    test_lossy(path);
    test_choices(path);
    test_parts(path);
    close(file);
    unlink(path);
    return test_end("eval");
}
