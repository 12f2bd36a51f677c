/* The loops of the elementwise rows: for each row of elementwise.def its
 * forward and its backward kernel, over VEC.  Needs vec_<isa>.h, math.inc.h,
 * kernels.h.
 *
 * The long rows are one chain of operations, so there are several vectors
 * in a turn, whose chains lie side by side: by itself gcc leaves one behind
 * the other, and the next is then beyond the CPU's window; or it moves them
 * into the branches behind them, each for itself.  The others, and what is
 * left, go vector by vector: loads and stores branch for the last one, and
 * the lanes behind it are computed and dropped. */

/* X(v, x, y) for each vector v of a turn. */
#define ELEMENTWISE_ONE(X, x, y) X(0, x, y)
#define ELEMENTWISE_TWO(X, x, y) X(0, x, y) X(1, x, y)
#define ELEMENTWISE_FOUR(X, x, y) X(0, x, y) X(1, x, y) X(2, x, y) X(3, x, y)

/* The kernel `kernel` of a row, one way or backward: PIECE(row, EACH) for
 * each turn of `turn` vectors.  `n`, which their loads and stores look at,
 * is a constant but in the last loop; a tape of scalars needs no loop.  The
 * arguments are copied, or each store would make the compiler read them
 * again. */
#define ELEMENTWISE_KERNEL(kernel, row, binary, PIECE, EACH, turn) \
    LH_KERNEL(kernel) \
    { \
        lh_map_args m = *(const lh_map_args *)args; \
        enum { two = binary }; \
        const VEC s = VEC_SET(m.s); \
        int64_t i = begin; \
        (void)scratch, (void)s; \
        m.b = two ? m.b : m.a; \
        if (!ELEMENTWISE_LONG && end - begin == 1) { \
            enum { n = 1 }; \
            PIECE(row, ELEMENTWISE_ONE) \
            return; \
        } \
        ELEMENTWISE_TURNS(row, PIECE, EACH, turn) \
        for (; i < end; i += VEC_WIDTH) { \
            const int n = (int)(end - i < VEC_WIDTH ? end - i : VEC_WIDTH); \
            PIECE(row, ELEMENTWISE_ONE) \
        } \
    }
#if VEC_WIDTH >= 8
#define ELEMENTWISE_TURNS(row, PIECE, EACH, turn) \
    for (; ELEMENTWISE_LONG && end - i >= turn * VEC_WIDTH; \
         i += turn * VEC_WIDTH) { \
        enum { n = VEC_WIDTH }; \
        PIECE(row, EACH) \
    }
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("schedule-insns", "no-tree-sink")
#endif
#else
#define ELEMENTWISE_TURNS(row, PIECE, EACH, turn)
#endif

/* Vector v of a turn at p.  By a branch and not always by a mask: masked
 * loads take two to three times as long where operands come from beyond the
 * caches (Zen 5).  One element takes no mask at all. */
#define ELEMENTWISE_LOAD(p, v) \
    (n == VEC_WIDTH ? VEC_LOAD((p) + i + (v) * VEC_WIDTH) \
     : n == 1 ? (VEC){ (p)[i] } : VEC_LOAD_PART((p) + i, n))
#define ELEMENTWISE_STORE(v, x, to) \
    if (n == VEC_WIDTH) \
        VEC_STORE(m.to + i + (v) * VEC_WIDTH, x##v); \
    else if (n == 1) \
        memcpy(m.to + i, &x##v, sizeof(float)); \
    else \
        VEC_STORE_PART(m.to + i, x##v, n);

/* The row's expressions as functions, so that the pieces below are the same
 * for all rows: y = value(a, b, s), and slopes da and db of (a, b, s, y).  In
 * a unary row b is a, and its slope is not asked for. */
#define ELEMENTWISE_EXPRESSION(function, a, b, expression) \
    LANES_INLINE VEC VEC_SUFFIX(function)(VEC a, VEC b, VEC s, VEC y) \
    { \
        (void)a, (void)b, (void)s, (void)y; \
        return expression; \
    }

#define BINARY(name, forward, da, db, doc) \
    ELEMENTWISE_EXPRESSION(name##_value, a, b, forward) \
    ELEMENTWISE_EXPRESSION(name##_slope_a, a, b, da) \
    ELEMENTWISE_EXPRESSION(name##_slope_b, a, b, db)
#define UNARY(name, forward, dx, doc) \
    ELEMENTWISE_EXPRESSION(name##_value, x, none, forward) \
    ELEMENTWISE_EXPRESSION(name##_slope_a, x, none, dx) \
    ELEMENTWISE_EXPRESSION(name##_slope_b, x, none, x)
#include "kernels/elementwise.def"

/* ---------------------------------------------------------- the pieces -- */

/* All of a turn is loaded before it is computed, and computed before the
 * first store: the chains lie side by side, and what a row's slopes share
 * (swiglu's exponential) is computed once. */
#define ELEMENTWISE_TAKE(v, x, from) VEC x##v = ELEMENTWISE_LOAD(m.from, v);
#define ELEMENTWISE_CALL(v, x, function) \
    VEC x##v = VEC_SUFFIX(function)(a##v, b##v, s, y##v);
#define ELEMENTWISE_ADD(v, d, first) \
    d##v = FMA(ELEMENTWISE_LOAD(m.dy, v), d##v, \
               m.first ? VEC_SET(0.0f) : ELEMENTWISE_LOAD(m.d, v));

/* value() looks at no y. */
#define ELEMENTWISE_FORWARD(name, EACH) \
    EACH(ELEMENTWISE_TAKE, a, a) \
    EACH(ELEMENTWISE_TAKE, b, b) \
    EACH(ELEMENTWISE_TAKE, y, a) \
    EACH(ELEMENTWISE_CALL, value, name##_value) \
    EACH(ELEMENTWISE_STORE, value, y)
#define ELEMENTWISE_BACKWARD(name, EACH) \
    EACH(ELEMENTWISE_TAKE, a, a) \
    EACH(ELEMENTWISE_TAKE, b, b) \
    EACH(ELEMENTWISE_TAKE, y, y) \
    EACH(ELEMENTWISE_CALL, da, name##_slope_a) \
    EACH(ELEMENTWISE_CALL, db, name##_slope_b) \
    if (m.da) { \
        EACH(ELEMENTWISE_ADD, da, first_a) \
        EACH(ELEMENTWISE_STORE, da, da) \
    } \
    if (two && m.db) { \
        EACH(ELEMENTWISE_ADD, db, first_b) \
        EACH(ELEMENTWISE_STORE, db, db) \
    }

/* ------------------------------------------------- two kernels for each -- */

/* Backward in twos: more would not stay in registers. */
#define ELEMENTWISE_BOTH(name, binary) \
    ELEMENTWISE_KERNEL(name##_forward, name, binary, ELEMENTWISE_FORWARD, \
                       ELEMENTWISE_FOUR, 4) \
    ELEMENTWISE_KERNEL(name##_backward, name, binary, ELEMENTWISE_BACKWARD, \
                       ELEMENTWISE_TWO, 2)
#define UNARY(name, forward, dx, doc) ELEMENTWISE_BOTH(name, false)
#define BINARY(name, forward, da, db, doc) ELEMENTWISE_BOTH(name, true)
#include "kernels/elementwise.def"

#undef ELEMENTWISE_ONE
#undef ELEMENTWISE_TWO
#undef ELEMENTWISE_FOUR
#undef ELEMENTWISE_KERNEL
#undef ELEMENTWISE_TURNS
#undef ELEMENTWISE_LOAD
#undef ELEMENTWISE_STORE
#undef ELEMENTWISE_EXPRESSION
#undef ELEMENTWISE_TAKE
#undef ELEMENTWISE_CALL
#undef ELEMENTWISE_ADD
#undef ELEMENTWISE_FORWARD
#undef ELEMENTWISE_BACKWARD
#undef ELEMENTWISE_BOTH
