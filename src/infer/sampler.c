/* From logits to a token: greedy, temperature, top-k, top-p (Holtzman et al.
 * 2020), min-p (Nguyen et al. 2024), in this order, each on what the one
 * before left.
 *
 * All in f64 with our own exponential, and no order depends on anything but
 * logits and ids: of equal logits the smaller id is the likelier one, and
 * the draw walks the kept tokens by id. */
#include "base/strict.h"

#include "base/math64.h"
#include "infer/sampler.h"

static bool sampler_before(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

/* Restores the heap (likeliest on top) below node i. */
static void sampler_sink(const float *logits, int32_t *heap, int64_t count,
                         int64_t i)
{
    int32_t id = heap[i];
    for (int64_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count &&
            sampler_before(logits, heap[child + 1], heap[child]))
            child++;
        if (!sampler_before(logits, heap[child], id))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = id;
}

/* The likeliest one leaves the heap, and stands behind its end. */
static int32_t sampler_pop(const float *logits, int32_t *heap,
                           int64_t *count)
{
    int32_t top = heap[0];
    heap[0] = heap[--*count];
    heap[*count] = top;
    sampler_sink(logits, heap, *count, 0);
    return top;
}

/* Keeps the weights of the likeliest: at most top_k, and of these the fewest
 * that have the share top_p. */
static void sampler_keep(const float *logits, int64_t vocabulary,
                         const lh_sampling *how, lh_draw *room)
{
    int64_t left = vocabulary, most = vocabulary;
    int32_t *heap = room->heap;
    double total = 0, sum = 0;
    for (int64_t i = 0; i < vocabulary; i++)
        heap[i] = (int32_t)i;
    for (int64_t i = vocabulary / 2 - 1; i >= 0; i--)
        sampler_sink(logits, heap, vocabulary, i);
    if (how->top_k > 0)
        most = lh_min64(how->top_k, vocabulary);
    if (most < vocabulary) {
        for (int64_t i = 0; i < most; i++)
            total += room->weight[sampler_pop(logits, heap, &left)];
        for (int64_t i = 0; i < left; i++)
            room->weight[heap[i]] = 0;
    } else {
        for (int64_t i = 0; i < vocabulary; i++)
            total += room->weight[i];
    }
    if (!(how->top_p > 0 && how->top_p < 1))
        return;
    /* The popped ones stand at heap[vocabulary - 1], [vocabulary - 2], ...
     * and those that are not wanted before them. */
    for (int64_t i = 0; i < most; i++) {
        int64_t place = vocabulary - 1 - i;
        if (sum >= how->top_p * total) {
            for (int64_t j = 0; j <= place; j++)
                room->weight[heap[j]] = 0;
            return;
        }
        sum += room->weight[place >= left
                            ? heap[place]
                            : sampler_pop(logits, heap, &left)];
    }
}

/* The likeliest token; below 0 where a logit is NaN or +infinity. */
static int32_t sampler_greedy(lh_context *ctx, const float *logits,
                              int64_t vocabulary)
{
    int64_t best = 0;
    for (int64_t i = 0; i < vocabulary; i++) {
        if (!(logits[i] < __builtin_inff()))
            return LH_FAIL_AS(-1, ctx, LH_ERROR_NUMBER, "the logit of token"
                              " %lld is not finite; the model's weights are"
                              " damaged", (long long)i);
        if (logits[i] > logits[best])
            best = i;
    }
    return (int32_t)best;
}

LH_INTERNAL int32_t lh_sampler_draw(lh_context *ctx, lh_rng *rng,
                                    const float *logits, int64_t vocabulary,
                                    const lh_sampling *how, lh_draw *room)
{
    if (!(how->temperature >= 0 && how->top_k >= 0 && how->top_p >= 0 &&
          how->top_p <= 1 && how->min_p >= 0 && how->min_p <= 1))
        return LH_FAIL_AS(-1, ctx, LH_ERROR_ARGUMENT, "sampling: temperature"
                          " and top-k must be 0 or more, top-p and min-p 0 to"
                          " 1");
    int32_t best = sampler_greedy(ctx, logits, vocabulary);
    if (best < 0 || how->temperature == 0)
        return best;
    double most = (double)logits[best], total = 0, sum = 0;
    for (int64_t i = 0; i < vocabulary; i++) {
        double x = ((double)logits[i] - most) / how->temperature;
        room->weight[i] = i == best ? 1 : x > -700 ? lh_exp64(x) : 0;
    }
    if (how->top_k > 0 || (how->top_p > 0 && how->top_p < 1))
        sampler_keep(logits, vocabulary, how, room);
    for (int64_t i = 0; i < vocabulary; i++) {
        if (room->weight[i] < how->min_p)        /* of the likeliest's 1   */
            room->weight[i] = 0;
        total += room->weight[i];
    }
    double point = lh_rng_uniform(rng) * total;
    for (int64_t i = 0; i < vocabulary; i++) {
        sum += room->weight[i];
        if (point < sum)
            return (int32_t)i;
    }
    return best;                                 /* by rounding alone      */
}
