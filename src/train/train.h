/* The inside of training, for the files of this room.
 *
 * A run's state is small: the weights, the optimizer's moments and the
 * number of steps done.  Everything else (which windows a step takes, its
 * learning rate, dropout's random numbers) is a function of settings, data
 * and that number, so that a checkpoint has nothing else to hold.
 *
 * Read batches.c, schedule.c, adamw.c, muon.c, trainer.c, checkpoint.c;
 * evaluate.c and choices.c. */
#pragma once

#include "base/base.h"
#include "base/file.h"

/* ------------------------------------------------------------ windows -- */

/* Part of a document: the tokens first .. first+count-1 are read, each one's
 * target is the token behind it. */
typedef struct lh_window {
    int64_t first;
    int32_t count;                     /* 1 .. context                     */
} lh_window;

/* What the tokens of a document give back of it. */
typedef struct lh_spelt {
    int64_t bytes, tokens;             /* of the document so far           */
    int64_t wrong;                     /* first token that does not spell
                                          it; below 0: all do              */
    bool blank;                        /* they put a space in front        */
} lh_spelt;

/* Data in tokens: documents cut into windows, training ones first. */
typedef struct lh_windows {
    lh_context *ctx;
    int32_t *tokens;                   /* border, document, border, ...    */
    int64_t token_count;
    lh_window *window;                 /* [count]; NULL: in the files      */
    int64_t count, training;           /* the rest is held out             */
    int32_t longest;                   /* rows of the longest              */
    int64_t bytes;                     /* of the documents                 */
    uint64_t hash;                     /* differs where tokens or cuts do  */
    lh_spelt *spelling;             /* of a part's documents; or NULL   */
    size_t spellings;
    lh_reader tokens_file, windows_file;
    int width;                         /* bytes of an id in the file       */
    int64_t vocabulary;                /* all ids are below                */
} lh_windows;

/* All that windows are a function of. */
typedef struct lh_windows_of {
    const lh_tokenizer *k;
    const lh_dataset *d;
    int64_t context;
    double held_out;                   /* see lh_split                     */
    uint64_t seed;
} lh_windows_of;

/* Tokenizes and cuts.  Data that is not in memory goes into the files
 * CACHE.tokens and CACHE.windows (NULL: into memory). */
LH_INTERNAL lh_status lh_windows_open(lh_context *ctx, lh_windows *w,
                                      const lh_windows_of *of,
                                      const char *cache);
/* All of the data, a part after another is told, so that it need not fit into
 * memory: windows in their order; spelling[0] is of the first one's document,
 * which may be one that the part before has left open. */
typedef lh_status lh_windows_part(void *user, const lh_windows *w);
LH_INTERNAL lh_status lh_windows_parts(lh_context *ctx,
                                       const lh_windows_of *of,
                                       lh_windows_part *on_part, void *user);
LH_INTERNAL void lh_windows_free(lh_windows *w);
LH_INTERNAL lh_status lh_windows_at(const lh_windows *w, int64_t i,
                                    lh_window *window);

/* The training windows in the order of an endless run: every epoch all of
 * them, in an order of its own; of more windows than a table has room for by
 * a permutation that needs none. */
#define LH_ORDER_TABLE ((int64_t)1 << 20)
typedef struct lh_order {
    int64_t *order;                    /* [training] of `epoch`            */
    int64_t epoch;                     /* below 0: none yet                */
    uint64_t key;
} lh_order;

LH_INTERNAL int64_t lh_order_at(lh_order *o, const lh_windows *w,
                                uint64_t seed, int64_t position);

/* Room to lay windows one behind the other as a batch. */
typedef struct lh_packer {
    int64_t *offsets;                  /* [windows + 1]                    */
    int32_t *tokens, *targets;         /* [rows]                           */
    lh_batch batch;                    /* documents 0: it is empty         */
} lh_packer;

LH_INTERNAL lh_status lh_packer_make(lh_context *ctx, lh_packer *p,
                                     int64_t windows, int64_t rows);
LH_INTERNAL void lh_packer_free(lh_context *ctx, lh_packer *p);
LH_INTERNAL lh_status lh_packer_add(lh_packer *p, const lh_windows *w,
                                    int64_t window);

/* What a scoring of windows knows; all but k may be NULL. */
typedef struct lh_scoring {
    const lh_tokenizer *k;             /* NULL: bytes are not counted      */
    const lh_spelt *spelling;       /* of the document at hand          */
    lh_told_window *on_window;
    void *user;
    int64_t first, offset;             /* of the document at hand          */
    lh_evaluation found;
} lh_scoring;

/* Scores windows first .. first+count-1, on a tape that is reset and left
 * without gradients. */
LH_INTERNAL lh_status lh_windows_score(lh_tape *t, lh_model *m,
                                       const lh_windows *w, int64_t first,
                                       int64_t count, lh_scoring *s);

/* ----------------------------------------------------------- schedule -- */

/* The learning rate of the step behind `step` done ones, where its peak is
 * `peak`. */
LH_INTERNAL double lh_schedule_rate(const lh_train_settings *s, double peak,
                                    int64_t step);
/* Whether the first `done` steps have the same rates where so many steps, and
 * so many falling ones, are set instead. */
LH_INTERNAL bool lh_schedule_same(const lh_train_settings *s, int64_t steps,
                                  int64_t cool_down, int64_t done);

/* ---------------------------------------------------------- optimizer -- */

struct lh_adamw {
    lh_context *ctx;
    lh_params *params;                 /* borrowed                         */
    int64_t count;                     /* of parameters                    */
    float **m, **v;                    /* [count][size]; v NULL: Muon's    */
    float **average;                   /* [count][size]; or NULL each.  The
                                          three lists are one block        */
    float *moments;                    /* all of these                     */
    float *sums;                       /* room for the norm's chunks       */
    double *squares;                   /* [count]: of the last gradients   */
    float *room;                       /* Muon's; NULL: not needed         */
    int64_t step;                      /* steps done                       */
    bool bf16;                         /* Muon's products                  */
};

/* lh_adamw_new(); muon: it takes the matrices within layers; average: there
 * is one. */
LH_INTERNAL lh_adamw *lh_adamw_make(lh_params *p, bool muon, bool average);
/* A step of the weights' running mean, whose decay is less in the first steps,
 * so that they are forgotten; the weights change places with it. */
LH_INTERNAL lh_status lh_adamw_average(lh_adamw *o, double decay);
LH_INTERNAL void lh_adamw_swap(lh_adamw *o);
/* lh_adamw_step() with what both need. */
LH_INTERNAL lh_status lh_adamw_advance(lh_adamw *o,
                                       const lh_adamw_settings *s,
                                       const lh_muon_settings *muon,
                                       double *norm);
/* Adds the squares of x[0..size-1] to *total; sums: room for a float each
 * LH_SQUARES_CHUNK. */
LH_INTERNAL lh_status lh_squares(lh_context *ctx, const float *x,
                                 int64_t size, float *sums, double *total);

/* A matrix for Muon, with room for lh_muon_room() floats. */
typedef struct lh_muon_matrix {
    int64_t rows, columns;
    float *parameter, *gradient, *momentum;    /* [rows, columns]          */
    float *sums, *room;
    float gradient_scale;
    bool bf16;                         /* its products' operands           */
} lh_muon_matrix;

LH_INTERNAL int64_t lh_muon_room(int64_t rows, int64_t columns);
/* The step of one matrix; its gradient becomes zero. */
LH_INTERNAL lh_status lh_muon_update(lh_context *ctx,
                                     const lh_muon_settings *s,
                                     const lh_muon_matrix *x);

/* ------------------------------------------------------------ trainer -- */

/* A trainer over windows, which it then owns, that are there already; NULL
 * with the windows freed.  Settings: lh_train_check() took them. */
LH_INTERNAL lh_trainer *lh_trainer_over(lh_context *ctx, lh_model *m,
                                        lh_windows *w,
                                        const lh_train_settings *settings);
LH_INTERNAL lh_status lh_train_check(lh_context *ctx,
                                     const lh_train_settings *s);

/* lh_train_plan() of what has been checked.  `like` (may be NULL) is a fresh
 * tape that gets blocks of the size needed. */
LH_INTERNAL lh_status lh_plan_make(lh_context *ctx, const lh_config *c,
                                   const lh_train_settings *s,
                                   const lh_dataset *d, lh_plan *plan,
                                   lh_tape *like);

struct lh_trainer {
    lh_context *ctx;
    lh_model *model;                   /* borrowed                         */
    const lh_tokenizer *tokenizer;     /* borrowed; NULL in a plan         */
    lh_train_settings settings;
    lh_tape *tape;
    lh_adamw *adamw;
    lh_windows windows;
    uint64_t data_hash;
    lh_order order;
    lh_packer packer;
    int64_t *chosen;                   /* [batch]: a step's windows        */
    int64_t tokens, documents;         /* trained on                       */
    bool averaged;                     /* the model has the mean's weights */
};
