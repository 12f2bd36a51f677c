/* Longhand: train, fine-tune and run GPT language models, written out in
 * full.  This header is the whole public API, and its manual.
 *
 * The textbook in eight lines (built and run by the tests):
 *
 *     lh_context *ctx = lh_context_new(NULL);
 *     lh_tape *t = lh_tape_new(ctx);
 *     lh_tensor *x = lh_scalar(t, 3), *y = lh_scalar(t, -2);
 *     lh_tensor *z = lh_add(t, lh_mul(t, x, y), lh_square(t, x));
 *     lh_backward(t, z);                     // dz/dx = y + 2x, dz/dy = x
 *     float answer = lh_value(z);            // 3
 *     float dx = lh_tensor_grad(x)[0];       // 4
 *     lh_tape_free(t), lh_context_free(ctx);
 *
 * and a GPT trained and sampled in a host program: examples/embed.c.
 *
 * Conventions, said once:
 *
 *   Shapes    B batch, T time (positions of a document), C channels (width),
 *             V vocabulary, H heads, D head size, F feed-forward width,
 *             L layers, N rows: the positions of all documents of a batch,
 *             packed one behind the other without padding.  Tensors are
 *             row-major float32 (see lh_tape_dtype() for bfloat16).
 *   Failure   Functions return lh_status, or NULL for a pointer.  The first
 *             failure since lh_error_clear() stays in the context with one
 *             line of text: what, where, what to do.  Nothing here exits,
 *             aborts, prints, changes the locale, the environment or a
 *             signal handler.
 *   NULL      A NULL where an object is needed is LH_ERROR_ARGUMENT, not a
 *             crash, except the context of *_new, which must be one.  Every
 *             *_free takes NULL.
 *   Ownership Who calls *_new calls *_free, before freeing what it was made
 *             from.  Text and arrays that are handed in are copied unless it
 *             says "borrowed".  What is handed out belongs to the object it
 *             came from.
 *   Threads   A context and all that is made from it serve one thread at a
 *             time.  Different contexts are independent.  A model that is
 *             no longer trained may be used by sessions of many contexts at
 *             once; the same holds for tokenizers and datasets.  After a
 *             fork() the child leaves contexts of several threads alone,
 *             even lh_context_free(): their workers stayed behind.
 *   Numbers   The same calls with the same data give the same bits on every
 *             CPU, compiler and number of threads; bfloat16, which must be
 *             asked for, is outside that promise (lh_tape_dtype()).  Host
 *             settings like flush-to-zero are put aside during a call and
 *             restored.
 */
#ifndef LONGHAND_H
#define LONGHAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(LH_AMALGAMATION) || !defined(__GNUC__)
#define LH_API
#else
#define LH_API __attribute__((visibility("default")))
#endif

/* Major, minor, patch.  The soname carries the major number. */
#define LH_VERSION "0.1.0"
#define LH_VERSION_MAJOR 0

/* The version of the library that is linked: LH_VERSION of its build. */
LH_API const char *lh_version(void);

/* ------------------------------------------------------------- status -- */

#define LH_STATUSES(X) \
    X(LH_OK,              "done") \
    X(LH_ERROR_ARGUMENT,  "an argument or option that cannot be") \
    X(LH_ERROR_MEMORY,    "out of memory") \
    X(LH_ERROR_IO,        "reading or writing failed") \
    X(LH_ERROR_FORMAT,    "a file is not what it should be") \
    X(LH_ERROR_SHAPE,     "shapes that do not fit together") \
    X(LH_ERROR_EXISTS,    "something is already there") \
    X(LH_ERROR_STATE,     "not possible now") \
    X(LH_ERROR_NUMBER,    "the loss or a gradient is not finite") \
    X(LH_ERROR_STOPPED,   "stopped as asked")

typedef enum lh_status {
#define LH_X(name, text) name,
    LH_STATUSES(LH_X)
#undef LH_X
    LH_STATUS_COUNT
} lh_status;

/* "out of memory", ...: the table's text.  Any value; never NULL. */
LH_API const char *lh_status_text(lh_status status);

/* ------------------------------------------------------------ context -- */

typedef struct lh_context lh_context;

/* Where all memory of a context comes from.  allocate returns NULL where
 * there is none; both are called from the thread that uses the context. */
typedef struct lh_allocator {
    void *(*allocate)(void *user, size_t size);
    void (*release)(void *user, void *memory);
    void *user;
} lh_allocator;

/* All zeros is the default of each. */
typedef struct lh_settings {
    lh_allocator allocator;   /* allocate NULL: malloc and free            */
    int threads;              /* 0: the cores that this process may use;
                                 1 creates no thread; never changes a bit  */
    const char *cpu;          /* "c", "sse2", "avx2", "avx512", "neon" or one
                                 of these and "_bf16": no better kernels;
                                 NULL: as the variable LONGHAND_CPU says,
                                 else the best                             */
} lh_settings;

/* A context, or NULL where there is no memory for it.  settings may be NULL.
 * With a cpu that is unknown or not here the context is made with the plain
 * kernels, and lh_error_status() is LH_ERROR_ARGUMENT. */
LH_API lh_context *lh_context_new(const lh_settings *settings);
LH_API void lh_context_free(lh_context *ctx);

/* The first error since the last clear: its status (LH_OK: none) and its
 * line of text ("" for none; valid until the next error or clear). */
LH_API lh_status lh_error_status(const lh_context *ctx);
LH_API const char *lh_error_message(const lh_context *ctx);
LH_API void lh_error_clear(lh_context *ctx);

/* How many threads work for this context, the caller included. */
LH_API int lh_threads(const lh_context *ctx);

/* What was found and chosen: the CPU's own name, the instruction set in use
 * ("avx512"), and for kernel number i of lh_kernel_count() its name and the
 * instruction set that its row comes from.  NULL beyond the last. */
LH_API const char *lh_cpu_name(const lh_context *ctx);
LH_API const char *lh_cpu_level(const lh_context *ctx);
LH_API int lh_kernel_count(void);
LH_API const char *lh_kernel_row(const lh_context *ctx, int i,
                                 const char **name);
/* One line for each instruction set, i from 0: its name, and in `why` why it
 * is in use or not ("in use", "this CPU has no AVX-512", "above
 * LONGHAND_CPU", "failed its self-test").  NULL beyond the last. */
LH_API const char *lh_cpu_reason(const lh_context *ctx, int i,
                                 const char **why);

/* The machine's own limits, measured now for about `seconds` each: fused
 * multiply-adds of one core in FLOP/s (2 each, the best row in use); bytes/s
 * that one core reads from memory; seconds in which the threads meet once. */
LH_API double lh_limit_fma(lh_context *ctx, double seconds);
LH_API double lh_limit_read(lh_context *ctx, double seconds);
LH_API double lh_limit_barrier(lh_context *ctx, double seconds);

/* What one kernel takes alone, beside what bounds it. */
typedef struct lh_timing {
    double seconds;           /* of one launch, the least of many          */
    double flops;             /* of one launch: 2mnk of a product, causal
                                 attention's two (backward: four) products;
                                 0 where they are not what counts          */
    double bytes;             /* of all operands, each once                */
    double fma;               /* FLOP/s: lh_limit_fma() times the threads  */
    double read;              /* bytes/s at which the threads read memory
                                 of the operands' size; 0: not measured,
                                 since so many FLOPs a byte do not wait    */
} lh_timing;

/* Times a kernel (a name of lh_kernel_row(), "gemm" followed by "_nt", "_nn"
 * or "_tn") for about `seconds` on operands made for it, with all threads
 * that find an item, in turn with its limits, so that they have the same
 * noise.  size [4], each 1 .. 2^20, those that are not used 1:
 *   gemm                     m, n, k; tn adds to what is there
 *   attention                documents, T, heads, head size
 *   rotary                   rows, heads, head size
 *   embedding                rows, columns, vocabulary
 *   the others               rows, columns (cross_entropy: its vocabulary)
 * A kernel that cannot be timed so is LH_ERROR_ARGUMENT. */
LH_API lh_status lh_kernel_time(lh_context *ctx, const char *work,
                                const int64_t *size, double seconds,
                                lh_timing *timing);

/* ----------------------------------------------------- tape and tensors -- */

#define LH_MAX_DIMS 4
#define LH_MAX_INPUTS 8

typedef struct lh_tape lh_tape;
typedef struct lh_tensor lh_tensor;

/* A define-by-run tape: each operation computes at once and appends a node.
 * Memory comes from an arena that lh_tape_reset() empties without giving it
 * back, so that a training step takes nothing from the heap.  A failed
 * operation poisons the tape: it and all later ones return NULL and cost
 * nothing, and lh_tape_status() tells the first failure; reset heals.
 * Tensors from before a reset are gone; an operation that is given one says
 * so where it can still tell. */
LH_API lh_tape *lh_tape_new(lh_context *ctx);
LH_API void lh_tape_free(lh_tape *t);
LH_API void lh_tape_reset(lh_tape *t);
LH_API lh_status lh_tape_status(const lh_tape *t);

/* Off: nothing is kept for a backward pass, and parameters are only read.
 * On for a new tape; stays over a reset. */
LH_API void lh_tape_gradients(lh_tape *t, bool on);

/* On: lh_backward() gives back the memory of what it has passed, elements and
 * gradients of the values in between, for the gradients that are still to
 * come.  Afterwards variables and parameters have their gradients, and the
 * loss its value; what lies in between is gone (data and gradient may be
 * NULL), and the graph takes no further operation or pass.  Off for a new
 * tape; stays over a reset.  A trainer's tape has it on. */
LH_API void lh_tape_reuse(lh_tape *t, bool on);

/* On: of each layer of a model on this tape only the input is kept, by
 * lh_recompute(); the bits are the same.  Off for a new tape; stays over a
 * reset. */
LH_API void lh_tape_recompute(lh_tape *t, bool on);

/* What a tape keeps of what its operations compute: float32, or bfloat16,
 * a float's upper half, in half the memory.  In LH_BF16 products take their
 * operands in bf16 and sum in floats, twice as fast where the CPU has
 * instructions for it (lh_kernel_row() of "gemm_bf16" is then a row with bf16
 * in its name) and no faster elsewhere.  Leaves, parameters, values of one
 * element, a model's logits and all gradients stay floats; so does what
 * operations from outside compute (they see floats too).  Bits are then no
 * longer the same on every CPU, but on one CPU they are: for any number of
 * threads, any micro-batches, every run.  LH_F32 for a new tape; stays over a
 * reset; between operations it may be changed for those to come. */
typedef enum lh_dtype { LH_F32, LH_BF16 } lh_dtype;
LH_API void lh_tape_dtype(lh_tape *t, lh_dtype dtype);

/* What dropout's random numbers are counted by, beside the op's place on the
 * tape: the run's seed, the step, and the row of the whole step's batch at
 * which this tape's rows begin (a micro-batch's first).  Until it is called,
 * and after seed < 0, dropout passes everything through. */
LH_API void lh_tape_dropout(lh_tape *t, int64_t seed, int64_t step,
                            int64_t first_row);

/* Leaves, copied from `data` (NULL: zeros).  A constant has no gradient, a
 * variable has.  shape: `dims` positive lengths, dims 1..LH_MAX_DIMS. */
LH_API lh_tensor *lh_constant(lh_tape *t, const float *data, int dims,
                              const int64_t *shape);
LH_API lh_tensor *lh_variable(lh_tape *t, const float *data, int dims,
                              const int64_t *shape);
/* A variable of one element. */
LH_API lh_tensor *lh_scalar(lh_tape *t, float value);

/* The gradient of `loss` (one element) with respect to every variable and
 * parameter it came from, added to what is there: a second call, on the same
 * loss or another, adds again.  Gradients of values in between are those of
 * the last call.  Not recursive: depth is bounded by memory alone. */
LH_API lh_status lh_backward(lh_tape *t, lh_tensor *loss);

/* A tensor's elements, valid until its tape is reset (a parameter's: until
 * it is freed); NULL for NULL.  Of a tensor in bf16 a copy as floats, to be
 * read alone.  grad: [size], or NULL where no gradient has
 * reached it.  For a parameter used several times reading the gradient folds
 * its parts: read it at the end of a step, not within one. */
LH_API float *lh_tensor_data(lh_tensor *x);
LH_API float *lh_tensor_grad(lh_tensor *x);
LH_API int64_t lh_tensor_size(const lh_tensor *x);
LH_API int lh_tensor_dims(const lh_tensor *x);
LH_API const int64_t *lh_tensor_shape(const lh_tensor *x);
/* The first element; NaN for NULL or where it is gone. */
LH_API float lh_value(const lh_tensor *x);

/* ---------------------------------------------------------- operations -- */

/* The elementwise operations: one row of elementwise.def each, in which
 * stand the forward expression and the local gradients.
 *   UNARY    lh_<name>(t, x)        y = f(x)
 *   UNARY_S  lh_<name>(t, x, s)     y = f(x, s), s a constant
 *   BINARY   lh_<name>(t, a, b)     y = f(a, b), shapes equal          */
#define UNARY(name, y, dx, doc) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *x);
#define UNARY_S(name, y, dx, doc) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *x, float s);
#define BINARY(name, y, da, db, doc) \
    LH_API lh_tensor *lh_##name(lh_tape *t, lh_tensor *a, lh_tensor *b);
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY_S
#undef BINARY

/* y [N, K'] = x [N, K] w^T + bias, w [K', K], bias [K'] or NULL. */
LH_API lh_tensor *lh_linear(lh_tape *t, lh_tensor *x, lh_tensor *w,
                            lh_tensor *bias);
/* y [count, C] = the rows `ids` of table [V, C]; ids are copied; one outside
 * 0..V-1 is LH_ERROR_ARGUMENT. */
LH_API lh_tensor *lh_embedding(lh_tape *t, lh_tensor *table,
                               const int32_t *ids, int64_t count);
/* Norms of rows of the last dimension; gain and bias [C], each may be NULL. */
LH_API lh_tensor *lh_rms_norm(lh_tape *t, lh_tensor *x, lh_tensor *gain,
                              float eps);
LH_API lh_tensor *lh_layer_norm(lh_tape *t, lh_tensor *x, lh_tensor *gain,
                                lh_tensor *bias, float eps);
/* Rotary positions (Su et al. 2021; halves paired as in Hugging Face's
 * Llama) of x [N, heads * D]; cosine and sine [T, D/2] from
 * lh_rotary_tables(); positions [N], each below T, copied. */
LH_API lh_tensor *lh_rotary(lh_tape *t, lh_tensor *x, lh_tensor *cosine,
                            lh_tensor *sine, const int32_t *positions);
/* cosine, sine [positions, head_size / 2], of angle p * theta^(-2i/D). */
LH_API void lh_rotary_tables(float *cosine, float *sine, int64_t positions,
                             int64_t head_size, double theta);
/* Causal attention within each document: y, q [N, H * D]; k, v
 * [N, kv_heads * D]; H a multiple of kv_heads; scores times `scale` (0:
 * 1/sqrt(D)).  Document i has the rows offsets[i] .. offsets[i+1]-1;
 * offsets[documents] = N.  Copied. */
LH_API lh_tensor *lh_attention(lh_tape *t, lh_tensor *q, lh_tensor *k,
                               lh_tensor *v, int64_t heads, int64_t kv_heads,
                               float scale, const int64_t *offsets,
                               int64_t documents);
/* Softmax of the last dimension. */
LH_API lh_tensor *lh_softmax(lh_tape *t, lh_tensor *x);
/* The mean over the rows that have a target of -log softmax(logits)[target],
 * in nats; logits [N, V]; targets [N], copied; below 0 is none. */
LH_API lh_tensor *lh_cross_entropy(lh_tape *t, lh_tensor *logits,
                                   const int32_t *targets);
/* The same as a part of a step of `step_targets` targets in all: start +
 * the sum of the rows' losses / step_targets.  Handing each micro-batch's
 * value as the next one's `start` gives the whole batch's bits. */
LH_API lh_tensor *lh_cross_entropy_part(lh_tape *t, lh_tensor *logits,
                                        const int32_t *targets,
                                        int64_t step_targets, float start);
/* lh_cross_entropy_part() of lh_linear(t, x, w, bias), the same bits, in less
 * memory and time: backward writes the logits' gradient in their place. */
LH_API lh_tensor *lh_linear_cross_entropy(lh_tape *t, lh_tensor *x,
                                          lh_tensor *w, lh_tensor *bias,
                                          const int32_t *targets,
                                          int64_t step_targets, float start);
/* The losses [N] of the rows of what any of them gave. */
LH_API const float *lh_cross_entropy_losses(const lh_tensor *loss);
/* Zeroes elements with probability rate (0 <= rate < 1), the others times
 * 1 / (1 - rate); see lh_tape_dropout(). */
LH_API lh_tensor *lh_dropout(lh_tape *t, lh_tensor *x, float rate);
/* The same elements in another shape of equal size. */
LH_API lh_tensor *lh_reshape(lh_tape *t, lh_tensor *x, int dims,
                             const int64_t *shape);
/* Rows first .. first+count-1 of x [N, ...]. */
LH_API lh_tensor *lh_slice(lh_tape *t, lh_tensor *x, int64_t first,
                           int64_t count);
/* part(t, x, data), of which nothing but the result is kept: backward calls
 * it again.  The bits are those of the call itself.  A part computes a node
 * from x, parameters and constants, on the tape that it is given, the same
 * each time; from other variables it cannot.  data: size bytes, copied (what
 * it points to is to last as long as the graph); may be NULL. */
typedef lh_tensor *lh_part(lh_tape *t, lh_tensor *x, const void *data);
LH_API lh_tensor *lh_recompute(lh_tape *t, lh_part *part, lh_tensor *x,
                               const void *data, size_t size);
/* The sum and the mean of all elements: one element. */
LH_API lh_tensor *lh_sum(lh_tape *t, lh_tensor *x);
LH_API lh_tensor *lh_mean(lh_tape *t, lh_tensor *x);

/* ------------------------------------------------- operations of yours -- */

/* What an operation is: its forward and its vector-Jacobian product.  Both
 * are called with the node: inputs, output, and a copy of what lh_apply()
 * was given as `data`.  backward adds to its inputs' gradients.  A row of
 * your own works like those within (examples/custom_op.c). */
typedef struct lh_op {
    const char *name;
    lh_status (*forward)(lh_tensor *node);
    lh_status (*backward)(lh_tensor *node);   /* NULL: no gradient         */
} lh_op;

/* Appends a node with `inputs` inputs and an output of the given shape,
 * zeroed, and runs op->forward.  op is borrowed; data (size bytes, may be
 * NULL) is copied. */
LH_API lh_tensor *lh_apply(lh_tape *t, const lh_op *op,
                           lh_tensor *const *input, int inputs, int dims,
                           const int64_t *shape, const void *data,
                           size_t size);

/* For op functions.  Input i; the copy of data; the gradient from above
 * [size of node]; the gradient of input i to add to [its size], or NULL
 * where it needs none. */
LH_API lh_tensor *lh_node_input(const lh_tensor *node, int i);
LH_API void *lh_node_data(const lh_tensor *node);
LH_API const float *lh_node_grad(const lh_tensor *node);
LH_API float *lh_node_input_grad(lh_tensor *node, int i);

/* The operations that are there, number i from 0; NULL beyond the last.  To
 * be listed; those of the library are called by their functions, not with
 * lh_apply(). */
LH_API const lh_op *lh_op_get(int i);

/* ---------------------------------------------------------- parameters -- */

/* A set of named tensors that outlive tapes, with their gradients. */
typedef struct lh_params lh_params;

LH_API lh_params *lh_params_new(lh_context *ctx);
LH_API void lh_params_free(lh_params *p);
/* A new parameter of zeros; decay: whether weight decay applies.  A name
 * that is there already is LH_ERROR_EXISTS. */
LH_API lh_tensor *lh_params_add(lh_params *p, const char *name, int dims,
                                const int64_t *shape, bool decay);
LH_API int64_t lh_params_count(const lh_params *p);
/* Number i in the order of adding; NULL beyond.  name may be NULL. */
LH_API lh_tensor *lh_params_get(const lh_params *p, int64_t i,
                                const char **name);
LH_API lh_tensor *lh_params_find(const lh_params *p, const char *name);
/* The number of elements in all. */
LH_API int64_t lh_params_size(const lh_params *p);
LH_API void lh_params_zero_grad(lh_params *p);

/* AdamW (Loshchilov, Hutter 2019).  Zeros are not defaults: use
 * LH_ADAMW_DEFAULT. */
typedef struct lh_adamw_settings {
    double learning_rate, beta1, beta2, eps, weight_decay;
    double clip;              /* bound of the global gradient norm; 0: none */
} lh_adamw_settings;
#define LH_ADAMW_DEFAULT { 1e-3, 0.9, 0.999, 1e-8, 0.0, 0.0 }

typedef struct lh_adamw lh_adamw;
LH_API lh_adamw *lh_adamw_new(lh_params *p);      /* p is borrowed         */
LH_API void lh_adamw_free(lh_adamw *o);
/* One step from the gradients that are there, which it leaves at zero.
 * norm (may be NULL) receives the gradients' global norm before clipping.
 * A norm that is not finite is LH_ERROR_NUMBER, and nothing is changed. */
LH_API lh_status lh_adamw_step(lh_adamw *o, const lh_adamw_settings *s,
                               double *norm);

/* Muon (Jordan et al. 2024), for the matrices within a model's layers, beside
 * AdamW for all else: the momentum, all its singular values brought near 1,
 * times the rate and, where there are more rows than columns, the root of
 * their ratio.  The decay is decoupled and cautious: it leaves alone what the
 * step itself makes larger. */
typedef struct lh_muon_settings {
    double learning_rate, momentum, weight_decay;
} lh_muon_settings;

/* --------------------------------------------------------------- model -- */

typedef enum lh_positions { LH_POSITIONS_NONE, LH_POSITIONS_LEARNED,
                            LH_POSITIONS_ROTARY } lh_positions;
typedef enum lh_norm { LH_NORM_RMS, LH_NORM_LAYER } lh_norm;
typedef enum lh_activation { LH_RELU, LH_RELU2, LH_GELU, LH_GELU_TANH,
                             LH_SWIGLU, LH_GEGLU } lh_activation;

/* Everything that makes one GPT different from another. */
typedef struct lh_config {
    int64_t layers, width, heads, kv_heads, head_size, feed_forward;
    int64_t context, vocabulary;
    lh_positions positions;
    double rotary_theta;
    lh_norm norm;
    double norm_eps;
    bool norm_gain;               /* on every norm                         */
    bool norm_bias;               /* on every norm but those of q and k    */
    bool embedding_norm;          /* a norm right behind the embedding     */
    bool final_norm;
    bool qk_norm;                 /* a norm of each head's q and k         */
    lh_activation activation;
    bool attention_bias, feed_forward_bias;
    bool tied;                    /* the head is the token embedding       */
    double embedding_scale;       /* 1: none                               */
    double logit_softcap;         /* 0: none                               */
    double dropout;
    double init_std;              /* of the normal draws                   */
    bool init_scaled;             /* output projections / sqrt(2 layers)   */
    bool init_zero;               /* they and the head begin at 0          */
    int64_t ngrams;               /* 2: a table of pairs of tokens, looked
                                     up and added to the embedding; 3: one
                                     of triples too; 0: none               */
    int64_t ngram_rows;           /* of each table at most: more different
                                     ones share rows                       */
    bool value_embeddings;        /* in each layer a table by token, which
                                     is added to v                         */
} lh_config;

/* A preset by name into *config, its vocabulary left 0; unknown:
 * LH_ERROR_ARGUMENT, the message lists them.  Number i from 0: the name and
 * what it is, NULL beyond the last. */
LH_API lh_status lh_preset(lh_context *ctx, const char *name,
                           lh_config *config);
LH_API const char *lh_preset_name(int i, const char **what);

typedef struct lh_model lh_model;

/* Documents packed one behind the other: row r holds tokens[r], whose next
 * token is targets[r] (below 0: none).  Document i has the rows offsets[i]
 * .. offsets[i+1]-1 and begins at position 0. */
typedef struct lh_batch {
    int64_t documents;
    const int64_t *offsets;       /* [documents + 1], offsets[0] = 0       */
    const int32_t *tokens;        /* [N]                                   */
    const int32_t *targets;       /* [N], or NULL where there is no loss   */
} lh_batch;

/* A model with weights drawn from `seed`.  Every impossible config is
 * LH_ERROR_SHAPE with its reason; so are rotary positions with context times
 * head_size above 2^25, whose tables a small hostile file could ask for. */
LH_API lh_model *lh_model_new(lh_context *ctx, const lh_config *config,
                              uint64_t seed);
LH_API void lh_model_free(lh_model *m);
LH_API const lh_config *lh_model_config(const lh_model *m);
/* Its parameters, named as in Hugging Face's Llama. */
LH_API lh_params *lh_model_params(lh_model *m);
/* The forward pass: logits [N, V] at every row; and the part of a step's
 * loss as lh_cross_entropy_part() has it. */
LH_API lh_tensor *lh_model_logits(lh_tape *t, lh_model *m,
                                  const lh_batch *batch);
LH_API lh_tensor *lh_model_loss(lh_tape *t, lh_model *m,
                                const lh_batch *batch, int64_t step_targets,
                                float start);

/* ----------------------------------------------------------- tokenizer -- */

typedef struct lh_tokenizer lh_tokenizer;

/* The 256 bytes, and the document border as id 256. */
LH_API lh_tokenizer *lh_tokenizer_bytes(lh_context *ctx);
/* The distinct characters of a UTF-8 text by code point, then the border. */
LH_API lh_tokenizer *lh_tokenizer_characters(lh_context *ctx,
                                             const char *text, size_t size);
/* A tokenizer from a file: tokenizer.json, a vocabulary in JSON with
 * merges.txt or vocab.bpe beside it, a .tiktoken list of ranks, a
 * SentencePiece .model of byte pairs, llama2.c's tokenizer.bin, or a GGUF file
 * (docs/tokenizers.md); or the directory of a model that has tokenizer.json,
 * vocab.json or tokenizer.model, the first of them.  A tokenizer_config.json
 * beside one of these names adds tokens and says which one ends documents.
 * pre: how texts are cut, where the file does not say
 * it: "gpt2", "cl100k", "o200k", "llama3", "qwen2"; NULL: known by the number
 * of tokens.  NULL: LH_ERROR_IO, LH_ERROR_FORMAT, LH_ERROR_ARGUMENT. */
LH_API lh_tokenizer *lh_tokenizer_load(lh_context *ctx, const char *path,
                                       const char *pre);
LH_API void lh_tokenizer_free(lh_tokenizer *k);
LH_API const char *lh_tokenizer_kind(const lh_tokenizer *k);
LH_API int64_t lh_tokenizer_vocabulary(const lh_tokenizer *k);
/* The token that begins and ends documents. */
LH_API int32_t lh_tokenizer_border(const lh_tokenizer *k);
/* The ids of `text`; *ids (from ctx, to be given to lh_memory_free) holds
 * *count.  A character that the tokenizer does not have is
 * LH_ERROR_FORMAT: which, at which byte.
 *
 * Any number of threads may encode with one tokenizer, each with a context of
 * its own.  One of byte pairs remembers what the pieces of texts came to, in
 * up to 24 MB and half a MB for each thread that has encoded at a time; while
 * they do, 24 MB more for each at the worst.  Nothing outlives the call where
 * a context has an allocator of the host's. */
LH_API lh_status lh_tokenizer_encode(lh_context *ctx, const lh_tokenizer *k,
                                     const char *text, size_t size,
                                     int32_t **ids, int64_t *count);
/* The same as told: `special`, what spells a special token is that token and
 * not its letters (a text from elsewhere could inject them); `frame`, with
 * the tokens that the file's template puts around a text. */
typedef struct lh_encoding {
    bool special, frame;
} lh_encoding;
LH_API lh_status lh_tokenizer_encode_as(lh_context *ctx,
                                        const lh_tokenizer *k,
                                        const char *text, size_t size,
                                        const lh_encoding *how,
                                        int32_t **ids, int64_t *count);
/* Many texts at once (how: NULL is none of it), by all of the context's
 * threads, which also share out long texts; by one where the context has an
 * allocator of the host's.  The ids of text i are (*ids)[(*offsets)[i]] up to
 * that of i + 1, the same for any number of threads; *ids and *offsets
 * [count + 1] are for lh_memory_free. */
LH_API lh_status lh_tokenizer_encode_batch(
    lh_context *ctx, const lh_tokenizer *k, const char *const *text,
    const size_t *size, int64_t count, const lh_encoding *how, int32_t **ids,
    int64_t **offsets);
/* The text of ids, not NUL-terminated, for lh_memory_free; LH_ERROR_ARGUMENT
 * for an id outside the vocabulary.  offsets [count + 1], or NULL, receives
 * where each token's bytes begin in it. */
LH_API lh_status lh_tokenizer_decode(lh_context *ctx, const lh_tokenizer *k,
                                     const int32_t *ids, int64_t count,
                                     char **text, size_t *size,
                                     int64_t *offsets);
/* How many bytes at the front of a text that may go on are whole UTF-8
 * characters (and what is no UTF-8): what a stream may show by now. */
LH_API size_t lh_text_whole(const char *text, size_t size);
/* Where a text may be cut so that its parts, each encoded by itself, give the
 * ids of the whole: the last such place not beyond `size`; 0: none is
 * known. */
LH_API size_t lh_tokenizer_cut(const lh_tokenizer *k, const char *text,
                               size_t size);
/* The id of the token with these bytes; -1: there is none. */
LH_API int32_t lh_tokenizer_find(const lh_tokenizer *k, const char *text,
                                 size_t size);
/* Special token number i from 0: its id; -1 beyond the last. */
LH_API int32_t lh_tokenizer_special(const lh_tokenizer *k, int i);
/* The bytes of a token, not NUL-terminated; size 0 for the border; NULL for
 * an id outside the vocabulary. */
LH_API const char *lh_tokenizer_piece(const lh_tokenizer *k, int32_t id,
                                      size_t *size);
LH_API void lh_memory_free(lh_context *ctx, void *memory);

/* Training byte-level byte pairs.  Texts are added in any number of calls,
 * each a document, and only their distinct words are kept; then the tokenizer
 * is made: the special tokens (the first begins and ends documents), the 256
 * bytes, and merges until the vocabulary is full or no pair is left.  All of
 * the context's threads count, or one where the context has an allocator of
 * the host's; the result does not depend on them.  More texts may be added
 * then, and a tokenizer of all be made.  Where there was no memory for a text
 * all that follows fails: some of it was counted.  No protection against texts
 * made so that their words collide in tables: time may become the square of
 * their number. */
typedef struct lh_tokenizer_trainer lh_tokenizer_trainer;
/* Is told the tokens so far; false stops: LH_ERROR_STOPPED. */
typedef bool lh_train_report(void *user, int64_t tokens);
LH_API lh_tokenizer_trainer *lh_tokenizer_trainer_new(lh_context *ctx);
LH_API void lh_tokenizer_trainer_free(lh_tokenizer_trainer *t);
LH_API lh_status lh_tokenizer_trainer_add(lh_tokenizer_trainer *t,
                                          const char *const *text,
                                          const size_t *size, int64_t count);
/* Distinct words so far, those counted twice that two threads have seen. */
LH_API int64_t lh_tokenizer_trainer_words(const lh_tokenizer_trainer *t);
LH_API lh_tokenizer *lh_tokenizer_trainer_make(
    lh_tokenizer_trainer *t, int64_t vocabulary, const char *const *special,
    int specials, lh_train_report *report, void *user);
/* tokenizer.json, as the `tokenizers` library has it. */
LH_API lh_status lh_tokenizer_save(lh_context *ctx, const lh_tokenizer *k,
                                   const char *path);
/* Whether it can be: LH_ERROR_STATE, with what it has that cannot be said
 * there (docs/tokenizers.md).  To be asked before long work. */
LH_API lh_status lh_tokenizer_savable(lh_context *ctx, const lh_tokenizer *k);

/* ------------------------------------------------------------- dataset -- */

/* What a document is: a line (blanks at both ends taken off, empty ones
 * dropped); all of the text; what stands between blank lines; a file; what
 * stands between separators (line ends at both ends of the last two taken
 * off).  CHOSEN: separated where "<|endoftext|>" is in the first text's
 * beginning; lines where all texts are lists of short lines; else files, of
 * which a single one is the whole.  A record of JSONL is a document always:
 * its "text". */
typedef enum lh_documents { LH_DOCUMENTS_LINES, LH_DOCUMENTS_WHOLE,
                            LH_DOCUMENTS_PARAGRAPHS, LH_DOCUMENTS_FILES,
                            LH_DOCUMENTS_SEPARATED, LH_DOCUMENTS_CHOSEN }
    lh_documents;

/* Text as documents, never changed after it is made. */
typedef struct lh_dataset lh_dataset;

/* Where data comes from.  A path is a file, a folder (all files below it by
 * name, but hidden ones) or a pattern with * ? [ ].  Files are text, JSONL
 * (.jsonl, .ndjson, or by their first line) or token files: nanoGPT's .bin
 * (ids of 2 bytes) and llm.c's (with their header), whose documents end at
 * the tokenizer's border.  All zeros but path is the default of each. */
typedef struct lh_sources {
    const char *const *path;
    int64_t paths;
    const char *const *held_out;  /* documents that are not trained on     */
    int64_t held_outs;
    lh_documents by;
    const char *separator;        /* NULL: "<|endoftext|>"                 */
    const char *input;            /* the file that the path "-" stands for;
                                     NULL: "-" is a name like others       */
    const lh_tokenizer *tokenizer;/* of token files; borrowed, as long as
                                     the dataset                           */
    int64_t memory;               /* bytes of data that may be kept in
                                     memory; 0: 8 MB.  More is read again
                                     each time, and gives the same bits    */
    bool (*on_read)(void *user);  /* asked before each MB that is read, now
                                     and later; false: LH_ERROR_STOPPED.
                                     NULL: nobody                          */
    void *user;
} lh_sources;

/* What was found. */
typedef struct lh_data_facts {
    int64_t files;
    int64_t documents, training;  /* training: before those of held_out    */
    int64_t bytes;                /* of the documents                      */
    int64_t units;                /* bytes; of token files: tokens         */
    int64_t longest;              /* document, in bytes                    */
    int64_t records;              /* documents that are JSONL's            */
    int64_t duplicates;           /* documents equal to an earlier one; -1:
                                     not counted, it is not in memory      */
    int64_t left_out;             /* JSONL lines and files in folders that
                                     could not be read                     */
    int64_t invalid, nuls;        /* documents with invalid UTF-8, NULs    */
    lh_documents by;              /* given, or chosen                      */
    bool loaded;                  /* it is in memory                       */
    bool ids;                     /* of token files                        */
    uint64_t hash;                /* of all documents                      */
} lh_data_facts;

/* The documents of files; NULL: LH_ERROR_IO, LH_ERROR_FORMAT (no document,
 * compressed files, ids that the tokenizer has not), ... */
LH_API lh_dataset *lh_dataset_open(lh_context *ctx, const lh_sources *what);
/* The given names that the library carries, one a document. */
LH_API lh_dataset *lh_dataset_names(lh_context *ctx);
LH_API lh_dataset *lh_dataset_text(lh_context *ctx, const char *text,
                                   size_t size, lh_documents by);
LH_API lh_dataset *lh_dataset_file(lh_context *ctx, const char *path,
                                   lh_documents by);
LH_API void lh_dataset_free(lh_dataset *d);
LH_API int64_t lh_dataset_documents(const lh_dataset *d);
LH_API void lh_dataset_facts(const lh_dataset *d, lh_data_facts *facts);
/* Line number i from 0 about what was left out or is odd ("more.jsonl, line
 * 5: ..."); the first few.  NULL beyond the last. */
LH_API const char *lh_dataset_note(const lh_dataset *d, int i);
/* Document i: its bytes, not NUL-terminated.  NULL where the data is not in
 * memory. */
LH_API const char *lh_dataset_document(const lh_dataset *d, int64_t i,
                                       size_t *size);
/* All documents one behind the other, without what stood between them; NULL
 * where the data is not in memory. */
LH_API const char *lh_dataset_bytes(const lh_dataset *d, size_t *size);
/* Whether a document equals these bytes; false where it is not in memory. */
LH_API bool lh_dataset_contains(const lh_dataset *d, const char *text,
                                size_t size);

/* The part that is trained on, or the one that is not.  Where the dataset has
 * documents of held_out, these; else `share` of the documents, drawn by
 * `seed`, at least one; or, where that would be less than half a document and
 * a document is no line, the end of the text: its last `share` of bytes
 * (rounded up; a character is not cut), of token files of tokens. */
typedef enum lh_data_part { LH_PART_ALL, LH_PART_TRAINING, LH_PART_HELD_OUT }
    lh_data_part;
typedef struct lh_split {
    lh_data_part part;
    double share;                 /* 0 <= share < 1                        */
    uint64_t seed;
} lh_split;

/* A document, or a piece of a long one: whole characters, or ids. */
typedef struct lh_piece {
    int64_t document;             /* its number in the whole dataset       */
    bool first, last;             /* piece of its document                 */
    const char *text;
    size_t size;
    const int32_t *ids;           /* of a token file; else NULL            */
    int64_t count;
} lh_piece;

/* Tells the documents of a part (split NULL: all) in their order.  on_piece
 * ends the reading with anything but LH_OK, which is returned.  A piece is
 * gone after the call.  ctx may be another than the dataset's. */
typedef lh_status lh_read_piece(void *user, const lh_piece *piece);
LH_API lh_status lh_dataset_read(lh_context *ctx, const lh_dataset *d,
                                 const lh_split *split,
                                 lh_read_piece *on_piece, void *user);
/* The distinct characters of the text, in order, for
 * lh_tokenizer_characters(); *text is for lh_memory_free.  LH_ERROR_FORMAT
 * where it is not UTF-8: in which document, at which byte. */
LH_API lh_status lh_dataset_alphabet(lh_context *ctx, const lh_dataset *d,
                                     char **text, size_t *size);

/* ------------------------------------------------------------ training -- */

typedef enum lh_schedule { LH_CONSTANT, LH_LINEAR, LH_COSINE, LH_TRAPEZOID }
    lh_schedule;

/* What a run is a function of, with the data and the library's version. */
typedef struct lh_train_settings {
    int64_t steps;
    int64_t batch;                /* windows (documents or parts) a step   */
    int64_t micro_batch;          /* windows at once; 0: the whole batch   */
    bool recompute;               /* keeps less, computes more: the same
                                     bits                                  */
    lh_dtype dtype;               /* of the tape; the weights stay floats  */
    lh_adamw_settings adamw;      /* learning_rate: the schedule's peak    */
    lh_muon_settings muon;        /* the same; 0: AdamW for all            */
    double average;               /* decay of a running mean of the weights,
                                     by which the run is then judged; 0:
                                     none                                  */
    lh_schedule schedule;
    int64_t warm_up;              /* steps of linear rise from 0           */
    int64_t cool_down;            /* trapezoid: steps of linear fall       */
    double final_rate;            /* share of the peak at the end          */
    double held_out;              /* see lh_split: 0 <= x < 1              */
    const char *cache;            /* borrowed while a trainer is made: the
                                     tokens of data that is not in memory go
                                     into the files CACHE.tokens and
                                     CACHE.windows, which are used again
                                     where data, tokenizer and settings are
                                     the same; NULL: into memory           */
    uint64_t seed;
} lh_train_settings;

/* The settings that go with a preset, and with those of lh_preset(). */
LH_API lh_status lh_train_preset(lh_context *ctx, const char *name,
                                 lh_train_settings *settings);

/* Makes a preset's config and settings those of a recipe, "plain" (which
 * changes nothing) or "fast": rotary positions, norms without gains, of q and
 * k too, relu^2, a soft-cap, tables by pairs and triples of tokens and by
 * layer; Muon for the matrices, rates that stay and then fall to 0 over the
 * settings' steps.  Sizes stay, but for the feed-forward's, which is 4 widths.
 * compatible: without the tables, as NanoChatForCausalLM computes.  Either
 * may be NULL.  Unknown: LH_ERROR_ARGUMENT. */
LH_API lh_status lh_recipe(lh_context *ctx, const char *name,
                           bool compatible, lh_config *config,
                           lh_train_settings *settings);

/* What a step tells. */
typedef struct lh_progress {
    int64_t step, steps;          /* done, of                              */
    int64_t tokens, documents;    /* trained on so far                     */
    double loss;                  /* nats per token, this step             */
    double learning_rate, gradient_norm;
} lh_progress;

/* Bytes that training a model of this config holds. */
typedef struct lh_plan {
    int64_t parameters, gradients, moments;
    int64_t activations;          /* and the gradients of values in between */
    int64_t scratch;              /* of kernels, and what is small         */
    int64_t data;                 /* text, tokens, windows, batches        */
    int64_t peak;                 /* all of them: the most held at once    */
} lh_plan;

/* What a trainer over data d, and the model, will hold, by the code that
 * trains, run without arithmetic and memory: no other number of the config
 * than its own is used, a large model costs milliseconds.  d NULL: windows
 * as long as the context.  Documents of unequal length: the longest of them
 * are taken to meet in one batch. */
LH_API lh_status lh_train_plan(lh_context *ctx, const lh_config *config,
                               const lh_train_settings *settings,
                               const lh_dataset *d, lh_plan *plan);

typedef struct lh_trainer lh_trainer;

/* A trainer over borrowed model, tokenizer and data (tokenized here). */
LH_API lh_trainer *lh_trainer_new(lh_context *ctx, lh_model *m,
                                  const lh_tokenizer *k, const lh_dataset *d,
                                  const lh_train_settings *settings);
LH_API void lh_trainer_free(lh_trainer *r);
/* One step.  LH_ERROR_NUMBER where loss or gradient is not finite: the
 * weights are those before it.  LH_ERROR_STATE after the last. */
LH_API lh_status lh_trainer_step(lh_trainer *r, lh_progress *progress);
/* Where the run stands: steps, tokens and documents, those before a load
 * included; the numbers that only a step has are 0. */
LH_API void lh_trainer_progress(const lh_trainer *r, lh_progress *progress);
/* From now on the run has so many steps, a trapezoid so many falling ones.
 * LH_ERROR_STATE, and nothing changed, where a step that is done would have
 * had another learning rate: what comes is the run that had them from its
 * start.  So only a constant schedule, and a trapezoid that does not fall
 * yet, can be changed; loading a checkpoint asks for no more either. */
LH_API lh_status lh_trainer_resize(lh_trainer *r, int64_t steps,
                                   int64_t cool_down);
/* Norms of each parameter's gradient in the last step (before clipping), and
 * of itself now: [lh_params_count()] each. */
LH_API lh_status lh_trainer_norms(lh_trainer *r, double *gradient,
                                  double *weight);

/* What evaluating found (docs/eval.md): nats are sums of -log p. */
typedef struct lh_evaluation {
    int64_t documents;
    int64_t tokens, ends;         /* scored: of the texts; borders behind
                                     them, which count in ends alone       */
    int64_t bytes;                /* of the texts                          */
    int64_t lossy;                /* documents that their tokens do not give
                                     back: bits per byte do not compare    */
    double nats, end_nats;
} lh_evaluation;

/* A window of a document, scored. */
typedef struct lh_scored {
    int64_t document, first, count;  /* tokens first.. of its text, from 0 */
    int64_t offset;               /* bytes before them; below 0: unknown,
                                     tokens did not give back the text     */
    const int32_t *token;         /* [count]                               */
    const float *loss;            /* [count], nats                         */
    bool end;                     /* the document's last window            */
    float end_loss;               /* then: of the border behind it         */
} lh_scored;

/* Is told windows in order, and returns false to stop: LH_ERROR_STOPPED. */
typedef bool lh_told_window(void *user, const lh_scored *window);

/* The held-out documents, of one document its last windows; bytes are those
 * that the tokens spell, lossy is 0.  on_window may be NULL.  LH_ERROR_STATE
 * where nothing is held out; LH_ERROR_NUMBER where the loss is not finite.
 * Whether it ends or is stopped changes nothing of the run. */
LH_API lh_status lh_trainer_evaluate(lh_trainer *r, lh_told_window *on_window,
                                     void *user, lh_evaluation *found);
/* On: the model has the running mean's weights, for who wants to save or use
 * them, until it is turned off or the run goes on or is saved.  Without a
 * mean nothing changes. */
LH_API void lh_trainer_average(lh_trainer *r, bool on);
/* All that a resumed run needs, written to one file: aside, synced, renamed,
 * the directory synced; a run that is killed at any instant leaves the old
 * file or the new one.  Loading checks that model, data and settings are the
 * same and says which is not; the micro-batch may be another, since it
 * changes no bit.  Saving is LH_ERROR_NUMBER where a weight is not finite,
 * so that no good checkpoint is replaced by one that cannot go on. */
LH_API lh_status lh_trainer_save(lh_trainer *r, const char *path);
LH_API lh_status lh_trainer_load(lh_trainer *r, const char *path);
/* Trains to the last step.  Each step calls on_step (may be NULL), which
 * returns false to stop: LH_ERROR_STOPPED. */
LH_API lh_status lh_train(lh_trainer *r,
                          bool (*on_step)(void *user, const lh_progress *p),
                          void *user);

/* A model's losses over a dataset: each document between borders, in
 * non-overlapping windows of the context, every token scored once.
 * on_window may be NULL.  LH_ERROR_NUMBER where the loss is not finite;
 * LH_ERROR_ARGUMENT where the tokenizer has no border. */
LH_API lh_status lh_evaluate(lh_context *ctx, lh_model *m,
                             const lh_tokenizer *k, const lh_dataset *d,
                             lh_told_window *on_window, void *user,
                             lh_evaluation *found);

/* An item of multiple choice, scored; line: of the file, from 1. */
typedef struct lh_chosen {
    int64_t line, choices, answer;   /* answer and picks: from 0           */
    const double *nats;           /* [choices]: of all tokens of each      */
    int64_t plain;                /* the likeliest choice                  */
    int64_t normal;               /* the likeliest for its bytes           */
} lh_chosen;

/* Multiple choice from a file of JSON lines (docs/eval.md says which
 * fields).  on_item as on_window above.  plain, normal: how many of the
 * *items were picked right by either. */
LH_API lh_status lh_evaluate_choices(lh_context *ctx, lh_model *m,
                                     const lh_tokenizer *k, const char *path,
                                     bool (*on_item)(void *user,
                                                     const lh_chosen *item),
                                     void *user, int64_t *items,
                                     int64_t *plain, int64_t *normal);

/* ----------------------------------------------------------- inference -- */

typedef struct lh_sampling {
    double temperature;           /* 0: the likeliest token (greedy)       */
    int64_t top_k;                /* 0: off                                */
    double top_p;                 /* 1 (or 0): off                         */
    double min_p;                 /* 0: off                                */
} lh_sampling;

/* One growing text with its key/value cache.  Sessions of many contexts may
 * share one model that is not being trained. */
typedef struct lh_session lh_session;

LH_API lh_session *lh_session_new(lh_context *ctx, lh_model *m,
                                  uint64_t seed);
LH_API void lh_session_free(lh_session *s);
/* Forgets the text; the random numbers go on. */
LH_API void lh_session_reset(lh_session *s);
/* Appends tokens in one pass.  Beyond the model's context:
 * LH_ERROR_STATE, nothing appended. */
LH_API lh_status lh_session_feed(lh_session *s, const int32_t *tokens,
                                 int64_t count);
/* The logits [V] behind the last token; NULL before the first. */
LH_API const float *lh_session_logits(const lh_session *s);
LH_API int64_t lh_session_position(const lh_session *s);
/* Draws the next token; it is not appended.  Below 0: an error. */
LH_API int32_t lh_session_sample(lh_session *s, const lh_sampling *how);
/* A new document: resets the session, feeds the border and samples until the
 * border comes again, `limit` tokens are there (0: the context) or the
 * context is full.  *text (NUL-terminated, `size` bytes; for lh_memory_free)
 * is the caller's. */
LH_API lh_status lh_session_generate(lh_session *s, const lh_tokenizer *k,
                                     const lh_sampling *how, int64_t limit,
                                     char **text, size_t *size);

/* ------------------------------------------------------ models on disk -- */

/* Writes config.json, model.safetensors, tokenizer.json and
 * tokenizer_config.json into `directory` (made if needed), each whole or not
 * at all.  A config that Hugging Face's GPT2LMHeadModel, LlamaForCausalLM or
 * NanoChatForCausalLM can say is written as such. */
LH_API lh_status lh_model_save(lh_context *ctx, lh_model *m,
                               const lh_tokenizer *k, const char *directory);
/* The same with the weights in 16 bits, rounded to the nearest; one that
 * becomes infinite so is LH_ERROR_ARGUMENT, and the old file stays. */
typedef enum lh_weights { LH_WEIGHTS_F32, LH_WEIGHTS_BF16, LH_WEIGHTS_F16 }
    lh_weights;
LH_API lh_status lh_model_save_as(lh_context *ctx, lh_model *m,
                                  const lh_tokenizer *k,
                                  const char *directory, lh_weights weights);
/* config.json alone. */
LH_API lh_status lh_config_load(lh_context *ctx, const char *directory,
                                lh_config *config);
/* Reads them, the tokenizer as lh_tokenizer_load() does; k may be NULL. */
LH_API lh_status lh_model_load(lh_context *ctx, const char *directory,
                               lh_model **m, lh_tokenizer **k);

#ifdef __cplusplus
}
#endif
#endif
