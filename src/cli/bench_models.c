/* What models do: a node of the tape, training steps, decoded tokens. */
#include "cli/bench.h"
#include "cli/record.h"

/* ----------------------------------------------------------------- node -- */

enum { MODELS_NODES = 4096 };

/* A chain of one-element nodes, forward and backward; their arithmetic, some
 * nanoseconds, is not taken off. */
static lh_status models_nodes(void *user)
{
    lh_tape *t = user;
    lh_tape_reset(t);
    lh_tensor *a = lh_scalar(t, 0.5f), *y = a;
    for (int i = 0; i < MODELS_NODES; i++)
        y = i & 1 ? lh_mul(t, y, a) : lh_add(t, y, a);
    return lh_backward(t, y);
}

int bench_node(bench *b, const bench_work *w)
{
    lh_tape *t = lh_tape_new(b->ctx);
    if (!t)
        return cli_error(b->ctx);
    double seconds = bench_time(b, models_nodes, t) / MODELS_NODES;
    lh_tape_free(t);
    return bench_say(b, w->name, seconds, 1e-6 / seconds, "M/s", 0);
}

/* ---------------------------------------------------------------- steps -- */

static lh_status models_step(void *user)
{
    lh_progress p;
    return lh_trainer_step(user, &p);
}

/* FLOPs of a window's training, on average over the data's: documents of one
 * border and their characters, in windows of the context. */
static double models_window_flops(const lh_config *c, const lh_dataset *d)
{
    double flops = 0, windows = 0;
    for (int64_t i = 0; i < lh_dataset_documents(d); i++) {
        size_t size;
        const char *text = lh_dataset_document(d, i, &size);
        int64_t left = 1;
        for (size_t j = 0; j < size; j++)
            left += ((unsigned char)text[j] & 0xC0) != 0x80;
        for (; left > 0; left -= c->context) {
            double t = (double)(left < c->context ? left : c->context);
            flops += t * cli_record_flops(c, t + 1);     /* t (t+1)/2 pairs */
            windows++;
        }
    }
    return flops / windows;
}

/* Steps of a config on some data; count: what a step's time is divided by,
 * its documents or 1. */
static int models_train(bench *b, const bench_work *w, lh_config *config,
                        const lh_dataset *d, int64_t batch, int64_t count)
{
    lh_train_settings settings;
    size_t size;
    const char *text = lh_dataset_bytes(d, &size);
    lh_model *m = NULL;
    lh_trainer *r = NULL;
    lh_tokenizer *k = lh_tokenizer_characters(b->ctx, text, size);
    if (k && !lh_train_preset(b->ctx, w->kind, &settings)) {
        config->vocabulary = lh_tokenizer_vocabulary(k);
        settings.steps = 1000000000;
        settings.schedule = LH_CONSTANT;
        settings.held_out = 0;
        settings.cool_down = 0;
        settings.batch = batch;
        settings.micro_batch = 0;
        settings.dtype = w->size[3] ? LH_BF16 : LH_F32;
        m = lh_model_new(b->ctx, config, 42);
    }
    if (m)
        r = lh_trainer_new(b->ctx, m, k, d, &settings);
    int code = !r ? cli_error(b->ctx)
        : bench_flops(b, w->name, bench_time(b, models_step, r) /
                      (double)count, models_window_flops(config, d) *
                                     (double)(batch / count));
    lh_trainer_free(r);
    lh_model_free(m);
    lh_tokenizer_free(k);
    return code;
}

/* The built-in names, each by itself, without padding: time per name. */
int bench_micro(bench *b, const bench_work *w)
{
    lh_config c;
    lh_dataset *names = lh_dataset_names(b->ctx);
    int code = names && !lh_preset(b->ctx, w->kind, &c) ? CLI_DONE
                                                        : cli_error(b->ctx);
    if (!code) {
        c.width = w->size[1];
        c.head_size = c.width / c.heads;
        c.feed_forward = 4 * c.width;
        code = models_train(b, w, &c, names, w->size[0], w->size[0]);
    }
    lh_dataset_free(names);
    return code;
}

/* Lines of T - 1 characters, as many different ones as make a vocabulary
 * with the border: windows of T tokens.  *text is to be freed. */
static lh_dataset *models_lines(lh_context *ctx, int64_t batch, int64_t t,
                                int64_t vocabulary, char **text)
{
    int64_t distinct = vocabulary - 1, least = 4 * batch;
    int64_t lines = (distinct + t - 2) / (t - 1), i = 0;
    lines = lines > least ? lines : least;
    char *at = *text = malloc((size_t)(lines * (4 * t + 1)));
    if (!at)
        return NULL;
    for (int64_t line = 0; line < lines; line++, *at++ = '\n')
        for (int64_t j = 1; j < t; j++, i++) {
            /* From U+3400 on, without the surrogates, in UTF-8. */
            uint32_t c = 0x3400u + (uint32_t)(i * 7919 % distinct);
            at += cli_utf8_put(at, c < 0xD800 ? c : c + 0x10000 - 0xD800);
        }
    return lh_dataset_text(ctx, *text, (size_t)(at - *text),
                           LH_DOCUMENTS_LINES);
}

int bench_step(bench *b, const bench_work *w)
{
    lh_config c;
    char *text = NULL;
    lh_dataset *d = models_lines(b->ctx, w->size[0], w->size[1], w->size[2],
                                 &text);
    int code = d && !lh_preset(b->ctx, w->kind, &c)
        ? models_train(b, w, &c, d, w->size[0], 1)
        : text ? cli_error(b->ctx) : cli_fail("out of memory");
    lh_dataset_free(d);
    free(text);
    return code;
}

/* --------------------------------------------------------------- decode -- */

/* A token behind the others, up to 64 of them. */
static lh_status models_token(void *user)
{
    lh_session *s = user;
    const int32_t token = 1;
    if (lh_session_position(s) == 64)
        lh_session_reset(s);
    return lh_session_feed(s, &token, 1);
}

/* Beside what reading each weight once would take. */
int bench_decode(bench *b, const bench_work *w)
{
    lh_config c;
    lh_model *m = NULL;
    lh_session *s = NULL;
    int code;
    if (!lh_preset(b->ctx, w->kind, &c)) {
        c.vocabulary = w->size[2];
        m = lh_model_new(b->ctx, &c, 42);
    }
    if (m)
        s = lh_session_new(b->ctx, m, 42);
    if (s) {
        double seconds = bench_time(b, models_token, s);
        /* 6 FLOPs a token for each weight that it goes through. */
        double bytes = 4 * cli_record_flops(&c, 0) / 6, limit = 0;
        if (bytes > 1e8)          /* more than caches hold                 */
            limit = lh_limit_read(b->ctx, b->seconds) / bytes *
                    lh_threads(b->ctx);
        code = bench_say(b, w->name, seconds, 1 / seconds, "tokens/s", limit);
    } else {
        code = cli_error(b->ctx);
    }
    lh_session_free(s);
    lh_model_free(m);
    return code;
}
