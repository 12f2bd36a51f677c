/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011), and what is drawn from it.
 *
 * A stream's word i is one half of the block with number i / 2: key = seed,
 * counter = (block, stream).  Nothing is kept between draws, so a position
 * can be skipped to, and two threads can draw parts of one sequence. */
#include "base/strict.h"

#include "base/math64.h"
#include "base/rng.h"

LH_INTERNAL void lh_philox(const uint32_t key[2], const uint32_t counter[4],
                           uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)c0 * 0xd2511f53u;
        uint64_t p1 = (uint64_t)c2 * 0xcd9e8d57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9e3779b9u;                       /* the golden ratio       */
        k1 += 0xbb67ae85u;                       /* sqrt(3) - 1            */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The block's two words. */
static void rng_block(const lh_rng *rng, uint64_t block, uint64_t words[2])
{
    const uint32_t key[2] = { (uint32_t)rng->seed,
                              (uint32_t)(rng->seed >> 32) };
    const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32),
                                  (uint32_t)rng->stream,
                                  (uint32_t)(rng->stream >> 32) };
    uint32_t out[4];
    lh_philox(key, counter, out);
    words[0] = out[0] | (uint64_t)out[1] << 32;
    words[1] = out[2] | (uint64_t)out[3] << 32;
}

LH_INTERNAL uint64_t lh_rng_word(lh_rng *rng)
{
    uint64_t words[2], position = rng->position++;
    rng_block(rng, position / 2, words);
    return words[position % 2];
}

/* The upper 53 bits as a fraction: a multiple of 2^-53 below 1. */
static double rng_fraction(uint64_t word)
{
    return (double)(int64_t)(word >> 11) * 0x1p-53;
}

LH_INTERNAL double lh_rng_uniform(lh_rng *rng)
{
    return rng_fraction(lh_rng_word(rng));
}

/* 2^64 mod n words are refused, so that each residue has equally many. */
LH_INTERNAL uint64_t lh_rng_below(lh_rng *rng, uint64_t n)
{
    uint64_t refused = (0 - n) % n, word;
    do
        word = lh_rng_word(rng);
    while (word < refused);
    return word % n;
}

LH_INTERNAL double lh_rng_normal(lh_rng *rng)
{
    uint64_t words[2];
    if (rng->position % 2 == 0) {                /* both of one block      */
        rng_block(rng, rng->position / 2, words);
        rng->position += 2;
    } else {
        words[0] = lh_rng_word(rng);
        words[1] = lh_rng_word(rng);
    }
    double u = 1 - rng_fraction(words[0]);       /* (0, 1]: has a log      */
    double turn = rng_fraction(words[1]) * 0x1.921fb54442d18p+2;  /* 2 pi  */
    double sine, cosine;
    lh_sincos64(turn, &sine, &cosine);
    return lh_sqrt64(-2 * lh_log64(u)) * cosine;
}

LH_INTERNAL void lh_rng_shuffle(lh_rng *rng, int64_t *order, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)lh_rng_below(rng, (uint64_t)i + 1);
        int64_t held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* Four rounds of a Feistel network (Luby and Rackoff 1988) on the fewest bits,
 * an even number, that hold n - 1; what falls outside goes through again. */
LH_INTERNAL uint64_t lh_permuted(uint64_t key, uint64_t n, uint64_t i)
{
    int half = 1;
    while (half < 32 && (n - 1) >> 2 * half)
        half++;
    uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 1; round <= 4; round++) {
            uint64_t h = (right + round * key) *
                         UINT64_C(0x9e3779b97f4a7c15);
            h = (h ^ h >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
            uint64_t next = left ^ ((h ^ h >> 29) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}
