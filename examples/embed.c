/* A language model inside a host program: trained when it starts, then asked.
 *
 *     cc -O2 embed.c longhand.c -lm -lpthread
 *
 * The host keeps control: it sees every step, may stop, and gets every
 * failure as a value with one line of text. */
#include <stdio.h>

#include "longhand.h"

static bool on_step(void *user, const lh_progress *p)
{
    (void)user;
    if (p->step % 100 == 0)
        printf("step %lld of %lld, loss %.2f\n", (long long)p->step,
               (long long)p->steps, p->loss);
    return true;                               /* false stops              */
}

int main(void)
{
    lh_context *ctx = lh_context_new(NULL);
    if (!ctx)
        return 1;
    size_t size = 0;
    char *text = NULL;
    lh_config config = { 0 };
    lh_train_settings how = { 0 };
    lh_dataset *names = lh_dataset_names(ctx);
    const char *all = lh_dataset_bytes(names, &size);
    lh_tokenizer *tokenizer = lh_tokenizer_characters(ctx, all, size);
    lh_preset(ctx, "micro", &config);
    lh_train_preset(ctx, "micro", &how);
    config.vocabulary = lh_tokenizer_vocabulary(tokenizer);
    how.steps = 300;
    lh_model *model = lh_model_new(ctx, &config, how.seed);
    lh_trainer *trainer = lh_trainer_new(ctx, model, tokenizer, names, &how);
    lh_train(trainer, on_step, NULL);

    lh_session *session = lh_session_new(ctx, model, 1);
    const lh_sampling warm = { .temperature = 0.5 };
    for (int i = 0; i < 5; i++)
        if (!lh_session_generate(session, tokenizer, &warm, 0, &text, &size))
            printf("%s\n", text), lh_memory_free(ctx, text);

    /* Any failure above made what followed fail too, and was kept. */
    int code = lh_error_status(ctx) != LH_OK;
    if (code)
        fprintf(stderr, "embed: %s\n", lh_error_message(ctx));
    lh_session_free(session), lh_trainer_free(trainer), lh_model_free(model);
    lh_tokenizer_free(tokenizer), lh_dataset_free(names);
    lh_context_free(ctx);
    return code;
}
