/* The inside of tape and tensor, for the files of this room and for the few
 * functions above it that must not cost a public call.
 *
 * A tensor is a leaf (op NULL) or a node: the output of an op, with its
 * inputs.  Nodes are linked backwards in the order they were made, which is
 * a topological order: backward() walks the links once.  Read tape.c next.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/context.h"
#include "kernels/kernels.h"

/* A parameter's gradient parts beyond the first: one for each use within
 * one graph, so that micro-batches add up in one chain per use. */
typedef struct lh_parameter {
    lh_context *ctx;
    char *name;                        /* owned                            */
    lh_arena *grads;                   /* where its gradient goes          */
    bool decay, matrix;                /* matrix: one that Muon may take   */
    uint64_t graph;                    /* whose uses are counted; 0: none  */
    int uses, parts;
    float **part;                      /* [parts]; part[0] is use 1        */
    uint32_t added;                    /* bit i: to part i, of any row; the
                                          last bit is all further parts'   */
    bool lookup;                       /* use 0 is an embedding's          */
    uint64_t *looked;                  /* a bit per row that lookups added
                                          to in any part; NULL: none       */
    bool cleared, fresh;               /* its gradient is +0, no graph has
                                          used it since; the first one has */
} lh_parameter;

/* The use of `parameter` at hand, its graph's first, is a lookup: makes room
 * for its rows. */
LH_INTERNAL lh_status lh_parameter_lookup(lh_tensor *parameter);

/* The accumulator of use `use`.  A lookup names its rows, ids NULL is anybody
 * else.  Where the first of several uses is a lookup's (a GPT with tied
 * embeddings) part 0 is that use's and the gradient itself is the second
 * use's, since the sum of the two is the same, and the part needs no pass
 * over a whole vocabulary to be added and cleared. */
LH_INTERNAL float *lh_parameter_grad(lh_tensor *parameter, int use,
                                     const int32_t *ids, int64_t count);

/* Whether nothing was added to grad, an accumulator of x, since a step; from
 * now on something will have been.  Then an op may write what it would add. */
LH_INTERNAL bool lh_parameter_fresh(lh_tensor *x, const float *grad);

/* All gradients are +0, and nobody outside has to do with them. */
LH_INTERNAL void lh_params_cleared(lh_params *p);

/* The context that a set of parameters was made with. */
LH_INTERNAL lh_context *lh_params_context(const lh_params *p);

typedef struct lh_edge {
    lh_tensor *tensor;
    int use;                           /* of a parameter: which accumulator */
} lh_edge;

struct lh_tensor {                     /* tape_append() sets each field    */
    float *data;                       /* uint16_t where dtype is LH_BF16  */
    void *copy;                        /* data in the other dtype, or NULL */
    float *grad;                       /* NULL: none has come              */
    int64_t size;
    int64_t shape[LH_MAX_DIMS];
    int dims;
    int inputs;
    bool needs_grad;
    uint8_t dtype;                     /* lh_dtype                         */
    uint16_t round;                    /* of the tape's graph, low bits    */
    uint32_t pass;                     /* of backward, that grad is from   */
    int64_t index;                     /* place on the tape, from 0        */
    const lh_op *op;                   /* NULL: a leaf                     */
    lh_tensor *previous;               /* made just before                 */
    lh_tape *tape;                     /* NULL: a parameter                */
    lh_parameter *parameter;           /* NULL: not one                    */
    void *extra;                       /* the op's own data                */
    lh_edge input[];                   /* [inputs]                         */
};

static inline size_t lh_dtype_size(int dtype)
{
    return dtype == LH_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* *size times one more dimension; false: no tensor can be so large, or the
 * dimension is none. */
static inline bool lh_elements(int64_t *size, int64_t dimension)
{
    return dimension >= 1 &&
           !__builtin_mul_overflow(*size, dimension, size) &&
           *size <= INT64_MAX / 64 && (uint64_t)*size <= SIZE_MAX / 64;
}

/* Elements of fewer bytes than this lie behind their tensor, more of them in
 * an arena of their own, whose pieces can be given back. */
#define LH_TAPE_LARGE ((size_t)1 << 16)

struct lh_tape {
    lh_context *ctx;
    lh_arena arena, elements;
    size_t large;                      /* LH_TAPE_LARGE; tests take less   */
    lh_tensor *last;
    int64_t nodes;
    lh_status status;                  /* not LH_OK: poisoned              */
    bool gradients, reuse, recompute;
    bool entered;                      /* fpenv.h has been, by the caller  */
    lh_tape *inner, *outer;            /* of recompute.c; NULL: none       */
    const int *uses;                   /* the next uses of parameters, in
                                          order; NULL: they are counted    */
    uint8_t dtype;                     /* lh_dtype of nodes to come        */
    bool mixed;                        /* some nodes may be in bf16        */
    uint32_t pass;
    uint64_t graph;                    /* new at each reset, never reused  */
    int64_t dropout_seed, dropout_step, dropout_row;
};

/* -------------------------------------------------- for rooms above -- */

/* Bytes of the tape's arena; NULL with the tape poisoned. */
static inline void *lh_tape_room(lh_tape *t, size_t size)
{
    void *room = lh_arena_alloc(&t->arena, size);
    if (!room)
        t->status = LH_ERROR_MEMORY;
    return room;
}

/* A constant over memory that the caller keeps for the tape's lifetime. */
LH_INTERNAL lh_tensor *lh_borrow(lh_tape *t, float *data, int dims,
                                 const int64_t *shape);

/* The dtype of nodes to come; gives that before.  t may be NULL. */
static inline uint8_t lh_tape_turn(lh_tape *t, uint8_t dtype)
{
    uint8_t before = t ? t->dtype : dtype;
    if (t)
        t->dtype = dtype;
    return before;
}

/* Attention with explicit spans (kernels.h): k and v may hold more rows than
 * q, as a key/value cache does.  Gradients only where every past is 0.  k and
 * v NULL: they lie behind q in its rows, which are floats. */
LH_INTERNAL lh_tensor *lh_attention_spans(lh_tape *t, lh_tensor *q,
                                          lh_tensor *k, lh_tensor *v,
                                          int64_t heads, int64_t kv_heads,
                                          float scale, const lh_span *spans,
                                          int64_t span_count);

/* lh_linear() by `count` parameters [n, K] that lie one behind the other in
 * memory as one node, with the same bytes: rows of y are their outputs side
 * by side.  All of it in floats; count is below LH_MAX_INPUTS. */
LH_INTERNAL lh_tensor *lh_linear_joined(lh_tape *t, lh_tensor *x,
                                        lh_tensor *const *w, int count);

/* lh_add() of `onto`, of y's shape and none of the others, and lh_dropout() of
 * y = lh_linear(); where onto is NULL lh_relu() of y.  One node where it can
 * be, with the same bytes but for the signs of gradients that are zeros. */
LH_INTERNAL lh_tensor *lh_linear_then(lh_tape *t, lh_tensor *onto,
                                      lh_tensor *x, lh_tensor *w,
                                      lh_tensor *bias, float dropout);

/* lh_add() of two lh_embedding() of `count` rows as one node, with the same
 * bytes: of tables of as many columns, at different weights. */
LH_INTERNAL lh_tensor *lh_embedding_places(lh_tape *t, lh_tensor *table,
                                           const int32_t *ids,
                                           lh_tensor *places,
                                           const int32_t *place_ids,
                                           int64_t count);

/* lh_cross_entropy_part() of logits that nobody else has or will have: where
 * they are a linear's, their gradient is written over them. */
LH_INTERNAL lh_tensor *lh_cross_entropy_take(lh_tape *t, lh_tensor *logits,
                                             const int32_t *targets,
                                             int64_t step_targets,
                                             float start);

/* The tape within the tape (recompute.c), made at its first use. */
LH_INTERNAL lh_tape *lh_tape_inner(lh_tape *t);

/* Gives a fresh tape blocks as large as what `other` used at most before its
 * resets; the bytes of all blocks of a tape. */
LH_INTERNAL lh_status lh_tape_like(lh_tape *t, const lh_tape *other);
LH_INTERNAL int64_t lh_tape_bytes(const lh_tape *t);

/* Poisons the tape with a failure (see lh_fail) and returns NULL; or, for who
 * returns something else, that. */
LH_INTERNAL lh_tensor *lh_tape_fail(lh_tape *t, lh_status status,
                                    const char *format, ...)
    LH_PRINTF(3, 4);
#define LH_TAPE_FAIL_AS(value, ...) ((void)lh_tape_fail(__VA_ARGS__), value)

/* ------------------------------------------------------ for the ops -- */

/* A node whose forward has run, or NULL; lh_inputs_ok() has been asked.  Data
 * is not zeroed: forward writes all of it.  `size` bytes of `extra` are
 * copied into the arena. */
LH_INTERNAL lh_tensor *lh_node(lh_tape *t, const lh_op *op,
                               lh_tensor *const *input, int inputs, int dims,
                               const int64_t *shape, const void *extra,
                               size_t size);

/* The walk of backward from `from`, whose gradient is there and of the pass
 * t->pass; with t->reuse what it has passed is given back, but not that
 * gradient. */
LH_INTERNAL lh_status lh_tape_walk(lh_tape *t, lh_tensor *from);

/* lh_node_input_grad() for an op that can begin a sum: where nothing has been
 * added in this pass *first is set and the gradient is not zeroed; the op
 * then writes all of it, each element as if +0 had been there. */
LH_INTERNAL float *lh_node_input_begin(lh_tensor *node, int i, bool *first);
static inline float *lh_node_input_first(lh_tensor *node, int i, bool *first)
{
    const lh_tensor *x = node->input[i].tensor;
    *first = false;                    /* most have begun                  */
    return !x->needs_grad ? NULL
        : x->grad && !x->parameter &&
          (!x->op || x->pass == node->tape->pass)
        ? x->grad : lh_node_input_begin(node, i, first);
}

/* lh_node_input_grad() for an op that adds to the rows `ids` alone. */
LH_INTERNAL float *lh_node_lookup_grad(lh_tensor *node, int i,
                                       const int32_t *ids, int64_t count);

/* True where tape and inputs are sound; else poisons the tape where it is
 * not yet.  NULL inputs are refused here, optional ones are not passed. */
LH_INTERNAL bool lh_inputs_ok(lh_tape *t, const char *op,
                              lh_tensor *const *input, int inputs);

/* True for most tensors that lh_inputs_ok() finds sound, and soon. */
static inline bool lh_tensor_ok(const lh_tape *t, const lh_tensor *x)
{
    return x && x->tape == t && x->round == (uint16_t)t->graph;
}
