/* Reductions along a row: the 64 virtual lanes of kernels.h.
 *
 * Element i goes into lane i mod 64, so that the lanes are 64 / VEC_WIDTH
 * registers whatever the width.  What lies behind the row's end is skipped:
 * the lane keeps its old value, since even an added zero would turn a lane of
 * -0 into +0.  Then the halving tree: whole registers first, then fold_add()
 * and fold_max() of the including file within one.
 *
 * One function body serves all reductions; `what` is a constant wherever it
 * is called, so the rest of the switch is gone. */

#ifndef VEC_STREAM
#define VEC_STREAM(p, v) VEC_STORE(p, v)
#define VEC_STREAM_END(past) ((void)0)
#endif

/* With the row operands p, q, s and the constants u, r. */
LANES_INLINE VEC VEC_SUFFIX(lanes_step)(int what, VEC lane, VEC p, VEC q,
                                        VEC s, VEC u, VEC r)
{
    switch (what) {
    case LANES_SUM:
        return lane + p;
    case LANES_MAX:
        return MAX(lane, p);
    case LANES_MAX_BY:
        return MAX(lane, p * r);
    case LANES_DOT:
        return FMA(p, q, lane);
    case LANES_CENTRED:
        return FMA(p - u, p - u, lane);
    case LANES_DOT3:
        return FMA(p * q, s, lane);
    case LANES_SUM2:
        return lane + p * s;
    default:
        return FMA(p * s, (q - u) * r, lane);
    }
}

LANES_INLINE VEC VEC_SUFFIX(lanes_join)(int what, VEC a, VEC b)
{
    if (what == LANES_MAX || what == LANES_MAX_BY)
        return MAX(a, b);
    return a + b;
}

static const float VEC_SUFFIX(lanes_index)[16] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
};

#ifndef LANES_IN_MEMORY
/* X(i) for each register of the 64 lanes; LANES_TREE joins the halves. */
#if VEC_WIDTH == 16
#define LANES_EACH(X) X(0) X(1) X(2) X(3)
#define LANES_TREE(X) X(0, 2) X(1, 3) X(0, 1)
#elif VEC_WIDTH == 8
#define LANES_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LANES_TREE(X) \
    X(0, 4) X(1, 5) X(2, 6) X(3, 7) X(0, 2) X(1, 3) X(0, 1)
#else
#define LANES_EACH(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
    X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LANES_TREE(X) \
    X(0, 8) X(1, 9) X(2, 10) X(3, 11) X(4, 12) X(5, 13) X(6, 14) X(7, 15) \
    X(0, 4) X(1, 5) X(2, 6) X(3, 7) X(0, 2) X(1, 3) X(0, 1)
#endif

#define LANES_DECLARE(i) VEC lane##i = start, more##i = start;
#define LANES_TAKE(i, at) \
    if (sum) \
        __builtin_prefetch(q + n + (at), 0, 2); \
    LANES_BEFORE(at) \
    lane##i = LANES_STEP(what, lane##i, at); \
    more##i = LANES_STEP(LANES_SUM2, more##i, at);
#define LANES_FULL(i) LANES_TAKE(i, j + i * VEC_WIDTH)
#define LANES_REST(i) \
    if (n - j >= VEC_WIDTH) { \
        LANES_TAKE(i, j) \
        j += VEC_WIDTH; \
    } else if (j < n) { \
        int rest = (int)(n - j); \
        VEC stepped = LANES_PART(what, lane##i, rest); \
        VEC added = LANES_PART(LANES_SUM2, more##i, rest); \
        VEC_INT in = (VEC_INT)(VEC_LOAD(VEC_SUFFIX(lanes_index)) < \
                               VEC_SET((float)rest)); \
        lane##i = SELECT(in, stepped, lane##i); \
        more##i = SELECT(in, added, more##i); \
        j = n; \
    }
#define LANES_JOIN(a, b) \
    lane##a = VEC_SUFFIX(lanes_join)(what, lane##a, lane##b); \
    more##a = more##a + more##b;
#endif

#define LANES_BEFORE(at) \
    if (dx) { \
        __builtin_prefetch(p + n + (at), 0, 2); \
        VEC v = (VEC_LOAD(q - n + (at)) - before[0]) * before[1]; \
        VEC h = VEC_LOAD(p - n + (at)) * LANES_S(at) - before[2]; \
        h = FNMA(v, before[3], h); \
        VEC_STREAM(dx + (at), FMA(h, before[1], start)); \
    }
#define LANES_Q(at) (two ? VEC_LOAD(q + (at)) : start)
#define LANES_S(at) (three && s ? VEC_LOAD(s + (at)) : VEC_SET(1.0f))
#define LANES_STEP(what, lane, at) \
    VEC_SUFFIX(lanes_step)(what, lane, VEC_LOAD(p + (at)), LANES_Q(at), \
                           LANES_S(at), u, r)
/* The row's last elements, fewer than a vector. */
#define LANES_PART(what, lane, rest) \
    VEC_SUFFIX(lanes_step)( \
        what, lane, VEC_LOAD_PART(p + j, rest), \
        two ? VEC_LOAD_PART(q + j, rest) : start, \
        three && s ? VEC_LOAD_PART(s + j, rest) : VEC_SET(1.0f), u, r)

/* Where `sum` is given, it takes the sum of p * s on the way, where s may be
 * NULL, for ones; and q's next row is asked for.  Where `dx` is, that is a
 * layer norm's gradient for the row before, of `before`, its mean, scale, sum
 * and dot: it is written on the way, and p's next row asked for as well, so
 * that memory reads and writes all the time (both before what is written: one
 * of them behind it wins nothing).  n is a multiple of 64 then, dx at one of
 * whole vectors. */
LANES_INLINE float VEC_SUFFIX(lanes_and_sum)(
    int what, int64_t n, const float *p, const float *q, const float *s,
    float centre, float factor, float *sum, float *dx, const VEC *before)
{
    const bool three = what == LANES_DOT3 || what == LANES_DOT3_N;
    const bool max = what == LANES_MAX || what == LANES_MAX_BY;
    const bool two = three || (what != LANES_SUM && !max &&
                               what != LANES_CENTRED);
    const VEC start = VEC_SET(max ? -__builtin_inff() : 0.0f);
    const VEC u = VEC_SET(centre), r = VEC_SET(factor);
    int64_t j = 0;
#ifdef LANES_IN_MEMORY
    /* Where registers cannot hold the 64 lanes: short loops over memory,
     * which compile in a fifth of the time. */
    enum { LANES = 64 / VEC_WIDTH };
    VEC lane[LANES], more[LANES], lane0, more0;
    for (int i = 0; i < LANES; i++)
        lane[i] = more[i] = start;
    for (int i = 0; n - j >= VEC_WIDTH; i = (i + 1) % LANES, j += VEC_WIDTH) {
        LANES_BEFORE(j)
        lane[i] = LANES_STEP(what, lane[i], j);
        if (sum)
            more[i] = LANES_STEP(LANES_SUM2, more[i], j);
    }
    if (j < n) {
        VEC *last = &lane[j / VEC_WIDTH % LANES], *also = last - lane + more;
        VEC stepped = LANES_PART(what, *last, (int)(n - j));
        VEC added = LANES_PART(LANES_SUM2, *also, (int)(n - j));
        memcpy(last, &stepped, (size_t)(n - j) * sizeof(float));
        memcpy(also, &added, (size_t)(n - j) * sizeof(float));
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) {
            lane[i] = VEC_SUFFIX(lanes_join)(what, lane[i], lane[i + half]);
            more[i] = more[i] + more[i + half];
        }
    lane0 = lane[0], more0 = more[0];
#else
    LANES_EACH(LANES_DECLARE)
    for (; n - j >= 64; j += 64) {
        LANES_EACH(LANES_FULL)
    }
    LANES_EACH(LANES_REST)
    LANES_TREE(LANES_JOIN)
#endif
    if (sum)
        *sum = VEC_SUFFIX(fold_add)(more0);
    return max ? VEC_SUFFIX(fold_max)(lane0) : VEC_SUFFIX(fold_add)(lane0);
}

LANES_INLINE float VEC_SUFFIX(lanes)(int what, int64_t n, const float *p,
                                     const float *q, const float *s,
                                     float centre, float factor)
{
    return VEC_SUFFIX(lanes_and_sum)(what, n, p, q, s, centre, factor, NULL,
                                     NULL, NULL);
}

/* The plain ones, out of line: they are used in many places. */
static float VEC_SUFFIX(lanes_sum)(const float *p, int64_t n)
{
    return VEC_SUFFIX(lanes)(LANES_SUM, n, p, NULL, NULL, 0.0f, 0.0f);
}

static float VEC_SUFFIX(lanes_max)(const float *p, int64_t n)
{
    return VEC_SUFFIX(lanes)(LANES_MAX, n, p, NULL, NULL, 0.0f, 0.0f);
}

static float VEC_SUFFIX(lanes_dot)(const float *p, const float *q, int64_t n)
{
    return VEC_SUFFIX(lanes)(LANES_DOT, n, p, q, NULL, 0.0f, 0.0f);
}

/* Loads and stores of row elements j .. j + VEC_WIDTH - 1, or up to n. */
LANES_INLINE VEC VEC_SUFFIX(row_load)(const float *p, int64_t j, int64_t n)
{
    return n - j >= VEC_WIDTH ? VEC_LOAD(p + j)
                              : VEC_LOAD_PART(p + j, (int)(n - j));
}

/* What a gradient holds so far: +0 where this is the first part of it. */
LANES_INLINE VEC VEC_SUFFIX(row_sum)(const float *p, int64_t j, int64_t n,
                                     bool first)
{
    return first ? VEC_SET(0.0f) : VEC_SUFFIX(row_load)(p, j, n);
}

LANES_INLINE void VEC_SUFFIX(row_store)(float *p, int64_t j, int64_t n,
                                        VEC v)
{
    if (n - j >= VEC_WIDTH)
        VEC_STORE(p + j, v);
    else
        VEC_STORE_PART(p + j, v, (int)(n - j));
}

/* The same, past the caches where that is wished and p allows it. */
LANES_INLINE void VEC_SUFFIX(row_stream)(float *p, int64_t j, int64_t n,
                                         VEC v, bool past)
{
    if (past && n - j >= VEC_WIDTH && (uintptr_t)(p + j) % sizeof v == 0)
        VEC_STREAM(p + j, v);
    else
        VEC_SUFFIX(row_store)(p, j, n, v);
}

/* STEP for the elements j .. stop - 1 of a row of n, a vector at a time, then
 * for what is left: row_load() and row_store() up to `stop` have no branch
 * but in the second.  LANES_AT(p): those of the row p. */
#define LANES_AT(p) VEC_SUFFIX(row_load)(p, j, stop)
#define LANES_ROW(j, stop, n, STEP) { \
        int64_t j = 0; \
        for (; (n) - j >= VEC_WIDTH; j += VEC_WIDTH) { \
            const int64_t stop = j + VEC_WIDTH; \
            STEP; \
        } \
        if (j < (n)) { \
            const int64_t stop = (n); \
            STEP; \
        } \
    }

/* The same where what is stored may go past the caches: `far` is a constant in
 * STEP.  LANES_AHEAD asks for what comes a row later, far ones for the second
 * level's cache, since the first holds little more than the row at hand. */
#define LANES_ROW_PAST(j, stop, n, past, STEP) \
    if (past) { \
        enum { far = true }; \
        LANES_ROW(j, stop, n, STEP) \
    } else { \
        enum { far = false }; \
        LANES_ROW(j, stop, n, STEP) \
    }
#define LANES_AHEAD(p) __builtin_prefetch(p, 0, far ? 2 : 3)

/* e[j] = exp(x[j] - max), stored; their sum in lanes.  e may be x. */
static float VEC_SUFFIX(exp_row)(float *e, const float *x, float max,
                                 int64_t n)
{
    const VEC most = VEC_SET(max);
    LANES_ROW(j, stop, n, VEC_SUFFIX(row_store)(e, j, stop,
        EXP(VEC_SUFFIX(row_load)(x, j, stop) - most)))
    return VEC_SUFFIX(lanes_sum)(e, n);
}

#undef LANES_EACH
#undef LANES_TREE
#undef LANES_DECLARE
#undef LANES_BEFORE
#undef LANES_Q
#undef LANES_S
#undef LANES_PART
#undef LANES_STEP
#undef LANES_TAKE
#undef LANES_FULL
#undef LANES_REST
#undef LANES_JOIN
