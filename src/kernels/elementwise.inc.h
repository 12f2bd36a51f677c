/* The loops of the elementwise rows: for each row of elementwise.def its
 * forward and its backward kernel, over VEC.  What is left behind the last
 * whole vector goes through the same loop, whose expression is so compiled
 * once: loads and stores branch, and the lanes behind are computed and
 * dropped.  Needs vec_<isa>.h, math.inc.h, kernels.h. */
#include "kernels/language.h"

/* The kernel `kernel` of a row, one way or backward: PIECE(row, load, store)
 * for each vector; load(p) and store(p, v) are at element i of p.  The
 * arguments are copied, or each store would make the compiler read them
 * again. */
#define ELEMENTWISE_KERNEL(kernel, row, PIECE) \
    LH_KERNEL(kernel) \
    { \
        lh_map_args m = *(const lh_map_args *)args; \
        const VEC s = VEC_SET(m.s); \
        (void)scratch, (void)s; \
        for (int64_t i = begin; i < end; i += VEC_WIDTH) { \
            const int left = (int)lh_min64(end - i, VEC_WIDTH); \
            PIECE(row, ELEMENTWISE_LOAD, ELEMENTWISE_STORE) \
        } \
    }
/* By a branch and not always by a mask: masked loads take two to three times
 * as long where operands come from beyond the caches (Zen 5). */
#define ELEMENTWISE_LOAD(p) \
    (left == VEC_WIDTH ? VEC_LOAD((p) + i) : VEC_LOAD_PART((p) + i, left))
#define ELEMENTWISE_STORE(p, v) \
    do { \
        const VEC value = v; \
        if (left == VEC_WIDTH) \
            VEC_STORE((p) + i, value); \
        else \
            VEC_STORE_PART((p) + i, value, left); \
    } while (0)

/* The row's expressions as functions, so that the pieces below are the same
 * for all rows: y = value(a, b, s), and slopes da and db of (a, b, s, y). */
#define ELEMENTWISE_EXPRESSION(function, a, b, expression) \
    static inline VEC VEC_SUFFIX(function)(VEC a, VEC b, VEC s, VEC y) \
    { \
        (void)a, (void)b, (void)s, (void)y; \
        return expression; \
    }

#define UNARY(name, forward, dx, doc) \
    ELEMENTWISE_EXPRESSION(name##_value, x, none, forward) \
    ELEMENTWISE_EXPRESSION(name##_slope, x, none, dx)
#define BINARY(name, forward, da, db, doc) \
    ELEMENTWISE_EXPRESSION(name##_value, a, b, forward) \
    ELEMENTWISE_EXPRESSION(name##_slope_a, a, b, da) \
    ELEMENTWISE_EXPRESSION(name##_slope_b, a, b, db)
#include "kernels/elementwise.def"

/* ---------------------------------------------------------- the pieces -- */

/* A row's slopes stand before the first store: what they share (swiglu's
 * sigmoid) is then computed once. */
#define ELEMENTWISE_ADD(d, first, slope, load, store) \
    if (m.d) { \
        store(m.d, FMA(dy, slope, m.first ? VEC_SET(0.0f) : load(m.d))); \
    }

#define ELEMENTWISE_UNARY_FORWARD(name, load, store) \
    VEC a = load(m.a); \
    store(m.y, VEC_SUFFIX(name##_value)(a, a, s, a));
#define ELEMENTWISE_UNARY_BACKWARD(name, load, store) \
    VEC dy = load(m.dy); \
    VEC da = VEC_SUFFIX(name##_slope)(load(m.a), s, s, load(m.y)); \
    ELEMENTWISE_ADD(da, first_a, da, load, store)
#define ELEMENTWISE_BINARY_FORWARD(name, load, store) \
    VEC a = load(m.a); \
    store(m.y, VEC_SUFFIX(name##_value)(a, load(m.b), s, a));
#define ELEMENTWISE_BINARY_BACKWARD(name, load, store) \
    VEC a = load(m.a), b = load(m.b), y = load(m.y), dy = load(m.dy); \
    VEC da = VEC_SUFFIX(name##_slope_a)(a, b, s, y); \
    VEC db = VEC_SUFFIX(name##_slope_b)(a, b, s, y); \
    ELEMENTWISE_ADD(da, first_a, da, load, store) \
    ELEMENTWISE_ADD(db, first_b, db, load, store)

/* ------------------------------------------------- two kernels for each -- */

#define UNARY(name, forward, dx, doc) \
    ELEMENTWISE_KERNEL(name##_forward, name, ELEMENTWISE_UNARY_FORWARD) \
    ELEMENTWISE_KERNEL(name##_backward, name, ELEMENTWISE_UNARY_BACKWARD)
#define BINARY(name, forward, da, db, doc) \
    ELEMENTWISE_KERNEL(name##_forward, name, ELEMENTWISE_BINARY_FORWARD) \
    ELEMENTWISE_KERNEL(name##_backward, name, ELEMENTWISE_BINARY_BACKWARD)
#include "kernels/elementwise.def"

#undef ELEMENTWISE_KERNEL
#undef ELEMENTWISE_LOAD
#undef ELEMENTWISE_STORE
#undef ELEMENTWISE_EXPRESSION
#undef ELEMENTWISE_ADD
#undef ELEMENTWISE_UNARY_FORWARD
#undef ELEMENTWISE_UNARY_BACKWARD
#undef ELEMENTWISE_BINARY_FORWARD
#undef ELEMENTWISE_BINARY_BACKWARD
