/* A small setting in which everything can be called: a model with all that
 * a configuration can ask for, its data, trainer and session. */
#ifndef LH_WORLD_H
#define LH_WORLD_H

#include "longhand.h"
#include "test.h"

typedef struct world {
    lh_context *ctx;
    lh_tape *t;
    lh_dataset *d;
    lh_tokenizer *k;
    lh_model *m;
    lh_trainer *r;
    lh_session *s;
    lh_config config;
    lh_train_settings how;
} world;

static const char text[] = "anna\nbert\ncarla\ndan\nemil\nfred\ngerda\n";

static world world_make(lh_context *ctx)
{
    world w = { .ctx = ctx, .t = lh_tape_new(ctx) };
    w.d = lh_dataset_text(ctx, text, sizeof text - 1, LH_DOCUMENTS_LINES);
    w.k = lh_tokenizer_characters(ctx, text, sizeof text - 1);
    CHECK_EQ_INT(lh_preset(ctx, "micro", &w.config), LH_OK);
    CHECK_EQ_INT(lh_train_preset(ctx, "micro", &w.how), LH_OK);
    w.config.vocabulary = lh_tokenizer_vocabulary(w.k);
    w.config.kv_heads = 2;
    w.config.embedding_scale = 1.1;
    w.config.logit_softcap = 3.3;
    w.config.dropout = 0.3;
    w.config.qk_norm = w.config.final_norm = w.config.norm_gain = true;
    w.config.positions = LH_POSITIONS_ROTARY;
    w.config.rotary_theta = 1e4;
    w.how.steps = 4;
    w.how.batch = 5;
    w.how.micro_batch = 3;
    w.how.held_out = 0.2;
    w.how.adamw.clip = 0.1;
    w.m = lh_model_new(ctx, &w.config, 3);
    w.r = lh_trainer_new(ctx, w.m, w.k, w.d, &w.how);
    w.s = lh_session_new(ctx, w.m, 4);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    CHECK(w.t && w.d && w.k && w.m && w.r && w.s);
    return w;
}

static void world_free(world *w)
{
    lh_session_free(w->s);
    lh_trainer_free(w->r);
    lh_model_free(w->m);
    lh_tokenizer_free(w->k);
    lh_dataset_free(w->d);
    lh_tape_free(w->t);
}

#endif
