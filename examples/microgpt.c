/* A GPT, whole: this file trains a model on names and writes new ones, with
 * nothing between you and the algorithm but the operations of longhand.h.
 * Three columns, to be read in order:
 *
 *   1  dataset, tokenizer, autograd     what goes in, and how we differentiate
 *   2  the GPT                          parameters, and the forward pass
 *   3  training, inference              what is done with it
 *
 *     build/examples/microgpt                      the built-in names
 *     build/examples/microgpt --names names.txt    a file, one name a line
 *
 * It follows Andrej Karpathy's microgpt.py number by number: on the same file
 * it prints the same losses and the same names.  That is why its random
 * numbers are Python's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpython_random.h"
#include "longhand.h"

enum { WIDTH = 16, HEADS = 4, CONTEXT = 16, STEPS = 1000, NAMES = 20 };

/* An example may do what the library never does: give up. */
static void check(lh_context *ctx)
{
    if (lh_error_status(ctx)) {
        fprintf(stderr, "microgpt: %s\n", lh_error_message(ctx));
        exit(1);
    }
}

/* ====================================================================== */
/* 1. Dataset, tokenizer, autograd                                        */
/* ====================================================================== */

/* A document is one name.  A token is one character; the border, one more
 * token, stands at both ends of each document. */
typedef struct data {
    lh_dataset *docs;
    lh_tokenizer *tokenizer;
    int64_t *order;                   /* [documents], shuffled             */
} data;

static data load(lh_context *ctx, const char *path, py_random *random)
{
    data d = { 0 };
    d.docs = path ? lh_dataset_file(ctx, path, LH_DOCUMENTS_LINES)
                  : lh_dataset_names(ctx);
    check(ctx);
    size_t size;
    const char *text = lh_dataset_bytes(d.docs, &size);
    d.tokenizer = lh_tokenizer_characters(ctx, text, size);
    check(ctx);

    int64_t count = lh_dataset_documents(d.docs);
    d.order = malloc((size_t)count * sizeof *d.order);
    if (!d.order)
        exit(1);
    for (int64_t i = 0; i < count; i++)
        d.order[i] = i;
    py_shuffle(random, d.order, count);
    printf("documents: %lld\n", (long long)count);
    printf("vocabulary: %lld\n",
           (long long)lh_tokenizer_vocabulary(d.tokenizer));
    return d;
}

/* Autograd needs no code here.  A tape records each operation as it is
 * computed; lh_backward() walks it from the last node to the first, and at
 * each node multiplies the gradient from above by the operation's local
 * gradients and adds that to its inputs'.  So every line of part 2 is also
 * its own derivative. */

/* ====================================================================== */
/* 2. The GPT                                                             */
/* ====================================================================== */

typedef struct gpt {
    lh_params *params;
    lh_tensor *wte, *wpe, *lm_head;   /* [V, C], [T, C], [V, C]            */
    lh_tensor *wq, *wk, *wv, *wo;     /* [C, C]                            */
    lh_tensor *fc1, *fc2;             /* [4C, C], [C, 4C]                  */
} gpt;

static lh_tensor *matrix(gpt *g, const char *name, int64_t rows,
                         int64_t columns, py_random *random)
{
    lh_tensor *w = lh_params_add(g->params, name, 2,
                                 (int64_t[]){ rows, columns }, false);
    for (int64_t i = 0; w && i < rows * columns; i++)
        lh_tensor_data(w)[i] = (float)py_gauss(random, 0.08);
    return w;
}

static gpt create(lh_context *ctx, int64_t vocabulary, py_random *random)
{
    gpt g = { .params = lh_params_new(ctx) };
    g.wte = matrix(&g, "wte", vocabulary, WIDTH, random);
    g.wpe = matrix(&g, "wpe", CONTEXT, WIDTH, random);
    g.lm_head = matrix(&g, "lm_head", vocabulary, WIDTH, random);
    g.wq = matrix(&g, "wq", WIDTH, WIDTH, random);
    g.wk = matrix(&g, "wk", WIDTH, WIDTH, random);
    g.wv = matrix(&g, "wv", WIDTH, WIDTH, random);
    g.wo = matrix(&g, "wo", WIDTH, WIDTH, random);
    g.fc1 = matrix(&g, "fc1", 4 * WIDTH, WIDTH, random);
    g.fc2 = matrix(&g, "fc2", WIDTH, 4 * WIDTH, random);
    check(ctx);
    printf("parameters: %lld\n", (long long)lh_params_size(g.params));
    return g;
}

/* The logits [n, V]: row i scores what comes behind token i, from what the
 * tokens 0..i say. */
static lh_tensor *forward(lh_tape *t, const gpt *g, const int32_t *token,
                          int64_t n)
{
    int32_t position[CONTEXT];
    for (int32_t i = 0; i < n; i++)
        position[i] = i;
    lh_tensor *x = lh_add(t, lh_embedding(t, g->wte, token, n),
                          lh_embedding(t, g->wpe, position, n));
    x = lh_rms_norm(t, x, NULL, 1e-5f);

    /* Attention: each token looks back and gathers from those that fit. */
    lh_tensor *h = lh_rms_norm(t, x, NULL, 1e-5f);
    lh_tensor *q = lh_linear(t, h, g->wq, NULL);
    lh_tensor *k = lh_linear(t, h, g->wk, NULL);
    lh_tensor *v = lh_linear(t, h, g->wv, NULL);
    h = lh_attention(t, q, k, v, HEADS, HEADS, 0, (int64_t[]){ 0, n }, 1);
    x = lh_add(t, lh_linear(t, h, g->wo, NULL), x);

    /* Feed-forward: each token thinks about what it gathered. */
    h = lh_rms_norm(t, x, NULL, 1e-5f);
    h = lh_relu(t, lh_linear(t, h, g->fc1, NULL));
    x = lh_add(t, lh_linear(t, h, g->fc2, NULL), x);

    return lh_linear(t, x, g->lm_head, NULL);
}

/* ====================================================================== */
/* 3. Training, inference                                                 */
/* ====================================================================== */

/* One document a step: predict each of its tokens from those before it, and
 * move every parameter a little against its gradient (Adam). */
static void train(lh_context *ctx, lh_tape *t, const gpt *g, const data *d)
{
    lh_adamw *adam = lh_adamw_new(g->params);
    int32_t border = lh_tokenizer_border(d->tokenizer);
    for (int64_t step = 0; step < STEPS; step++) {
        size_t size;
        int32_t *ids, token[CONTEXT + 1] = { border };
        int64_t count, i, n = 0;
        i = d->order[step % lh_dataset_documents(d->docs)];
        const char *name = lh_dataset_document(d->docs, i, &size);
        lh_tokenizer_encode(ctx, d->tokenizer, name, size, &ids, &count);
        check(ctx);
        while (n < CONTEXT && n < count)
            token[n + 1] = ids[n], n++;
        if (n < CONTEXT)
            token[++n] = border;
        lh_memory_free(ctx, ids);

        lh_tape_reset(t);
        lh_tensor *logits = forward(t, g, token, n);
        lh_tensor *loss = lh_cross_entropy(t, logits, token + 1);
        lh_backward(t, loss);
        lh_adamw_settings how = { .beta1 = 0.85, .beta2 = 0.99, .eps = 1e-8,
            .learning_rate = 0.01 * (1 - (double)step / STEPS) };
        lh_adamw_step(adam, &how, NULL);
        check(ctx);
        printf("step %lld loss %.4f\n", (long long)step + 1,
               (double)lh_value(loss));
    }
    lh_adamw_free(adam);
}

/* A new name: begin with the border, draw a token from the model's own
 * distribution, append it, until the border comes again. */
static void sample(lh_context *ctx, lh_tape *t, const gpt *g, const data *d,
                   py_random *random)
{
    int vocabulary = (int)lh_tokenizer_vocabulary(d->tokenizer);
    int32_t token[CONTEXT + 1] = { lh_tokenizer_border(d->tokenizer) };
    lh_tape_gradients(t, false);
    for (int64_t n = 1; n <= CONTEXT; n++) {
        lh_tape_reset(t);
        lh_tensor *logits = forward(t, g, token, n);
        lh_tensor *last = lh_slice(t, logits, n - 1, 1);
        lh_tensor *p = lh_softmax(t, lh_scale(t, last, 1 / 0.5f));
        check(ctx);
        token[n] = py_choice(random, lh_tensor_data(p), vocabulary);
        if (token[n] == token[0])
            break;
        size_t size;
        const char *piece = lh_tokenizer_piece(d->tokenizer, token[n], &size);
        printf("%.*s", (int)size, piece);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--names") != 0)) {
        fprintf(stderr, "usage: microgpt [--names FILE]\n");
        return 2;
    }
    py_random random;
    py_seed(&random, 42);
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    if (!ctx)
        return 1;
    check(ctx);
    data d = load(ctx, argc == 3 ? argv[2] : NULL, &random);
    gpt g = create(ctx, lh_tokenizer_vocabulary(d.tokenizer), &random);
    lh_tape *t = lh_tape_new(ctx);
    check(ctx);

    train(ctx, t, &g, &d);
    for (int i = 0; i < NAMES; i++)
        sample(ctx, t, &g, &d, &random);

    lh_tape_free(t);
    lh_params_free(g.params);
    free(d.order);
    lh_tokenizer_free(d.tokenizer);
    lh_dataset_free(d.docs);
    lh_context_free(ctx);
    return 0;
}
