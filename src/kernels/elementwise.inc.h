/* The loops of the elementwise rows: for each row of elementwise.def its
 * forward and its backward kernel, over VEC.  What is left behind the last
 * whole vector is copied to a vector of its own and goes through the same
 * loop, whose expression is so compiled once; the lanes behind are computed
 * and dropped.  Needs vec_<isa>.h, math.inc.h, kernels.h. */
#include "kernels/language.h"

#if VEC_WIDTH > 1
/* Points m's operands at copies of their n elements from i on. */
static __attribute__((noinline)) void VEC_SUFFIX(elementwise_enter)(
    lh_map_args *m, float (*tail)[VEC_WIDTH], int64_t i, int64_t n)
{
    const float *from[6] = { m->a, m->b, m->y, m->dy, m->da, m->db };
    for (int p = 0; p < 6; p++)
        VEC_STORE(tail[p], from[p] ? VEC_LOAD_PART(from[p] + i, (int)n)
                                   : VEC_SET(0.0f));
    m->a = tail[0];
    m->b = tail[1];
    m->y = tail[2];
    m->dy = tail[3];
    m->db = !m->db ? NULL : tail[m->db == m->da ? 4 : 5];
    m->da = m->da ? tail[4] : NULL;
}

/* Copies back what the kernel has written: y, or da and db. */
static __attribute__((noinline)) void VEC_SUFFIX(elementwise_leave)(
    const lh_map_args *real, const lh_map_args *m, int64_t i, int64_t n,
    bool backward)
{
    if (!backward)
        VEC_STORE_PART(real->y + i, VEC_LOAD(m->y), (int)n);
    if (backward && real->da)
        VEC_STORE_PART(real->da + i, VEC_LOAD(m->da), (int)n);
    if (backward && real->db)
        VEC_STORE_PART(real->db + i, VEC_LOAD(m->db), (int)n);
}
#define ELEMENTWISE_TAIL(backward) \
        if (m.a == tail[0]) \
            VEC_SUFFIX(elementwise_leave)(args, &m, end - rest, rest, \
                                          backward); \
        if (m.a == tail[0] || !rest) \
            break; \
        VEC_SUFFIX(elementwise_enter)(&m, tail, stop, rest); \
        i = 0; \
        stop = VEC_WIDTH;
#else
#define ELEMENTWISE_TAIL(backward) \
        (void)tail, (void)rest; \
        break;
#endif

/* The kernel `kernel` of a row, one way or backward: PIECE(row, load, store)
 * for each vector; load(p) and store(p, v) are at element i of p.  The
 * arguments are copied, or each store would make the compiler read them
 * again. */
#define ELEMENTWISE_KERNEL(kernel, row, PIECE, backward) \
    LH_KERNEL(kernel) \
    { \
        lh_map_args m = *(const lh_map_args *)args; \
        const VEC s = VEC_SET(m.s); \
        int64_t i = begin, rest = (end - begin) % VEC_WIDTH; \
        int64_t stop = end - rest; \
        float tail[6][VEC_WIDTH]; \
        (void)scratch, (void)s; \
        for (;;) { \
            for (; i < stop; i += VEC_WIDTH) { \
                PIECE(row, ELEMENTWISE_LOAD, ELEMENTWISE_STORE) \
            } \
            ELEMENTWISE_TAIL(backward) \
        } \
    }
#define ELEMENTWISE_LOAD(p) VEC_LOAD((p) + i)
#define ELEMENTWISE_STORE(p, v) VEC_STORE((p) + i, v)

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
    ELEMENTWISE_KERNEL(name##_forward, name, ELEMENTWISE_UNARY_FORWARD, \
                       false) \
    ELEMENTWISE_KERNEL(name##_backward, name, ELEMENTWISE_UNARY_BACKWARD, \
                       true)
#define BINARY(name, forward, da, db, doc) \
    ELEMENTWISE_KERNEL(name##_forward, name, ELEMENTWISE_BINARY_FORWARD, \
                       false) \
    ELEMENTWISE_KERNEL(name##_backward, name, ELEMENTWISE_BINARY_BACKWARD, \
                       true)
#include "kernels/elementwise.def"

#undef ELEMENTWISE_KERNEL
#undef ELEMENTWISE_LOAD
#undef ELEMENTWISE_STORE
#undef ELEMENTWISE_TAIL
#undef ELEMENTWISE_EXPRESSION
#undef ELEMENTWISE_ADD
#undef ELEMENTWISE_UNARY_FORWARD
#undef ELEMENTWISE_UNARY_BACKWARD
#undef ELEMENTWISE_BINARY_FORWARD
#undef ELEMENTWISE_BINARY_BACKWARD
