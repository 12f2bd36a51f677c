/* Random numbers that are counted, not drawn from hidden state: Philox 4x32
 * with 10 rounds (Salmon et al., SC 2011).  A stream is (seed, what it is
 * for); a position in it is one integer that a checkpoint can hold. */
#pragma once

#include "base/base.h"

/* out = Philox4x32-10 of counter under key. */
LH_INTERNAL void lh_philox(const uint32_t key[2], const uint32_t counter[4],
                           uint32_t out[4]);

/* A stream of 64-bit words; word i depends on (seed, stream, i) alone. */
typedef struct lh_rng {
    uint64_t seed, stream;
    uint64_t position;                 /* words taken so far               */
} lh_rng;

/* What streams are for: one number each, for ever. */
enum { LH_STREAM_WEIGHTS = 1, LH_STREAM_SHUFFLE = 2, LH_STREAM_SAMPLE = 3,
       LH_STREAM_SPLIT = 4 };

static inline lh_rng lh_rng_start(uint64_t seed, uint64_t stream)
{
    return (lh_rng){ seed, stream, 0 };
}
LH_INTERNAL uint64_t lh_rng_word(lh_rng *rng);
/* Uniform in [0, 1) with 53 bits; uniform in 0..n-1 without bias (n >= 1). */
LH_INTERNAL double lh_rng_uniform(lh_rng *rng);
LH_INTERNAL uint64_t lh_rng_below(lh_rng *rng, uint64_t n);
/* Standard normal, by Box and Muller with our own log, sine and cosine: two
 * words a draw, nothing kept. */
LH_INTERNAL double lh_rng_normal(lh_rng *rng);
/* A permutation of 0..count-1 into `order` (Fisher, Yates). */
LH_INTERNAL void lh_rng_shuffle(lh_rng *rng, int64_t *order, int64_t count);
/* Element i (below n) of a permutation of 0..n-1 that needs no table: one for
 * each key. */
LH_INTERNAL uint64_t lh_permuted(uint64_t key, uint64_t n, uint64_t i);
