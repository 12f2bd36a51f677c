/* The random numbers that CPython's `random` module gives, so that an example
 * can repeat a run of a Python program: MT19937 (Matsumoto, Nishimura 1998)
 * seeded by init_by_array, and on top of it random(), shuffle(), gauss() and
 * choices() as CPython's Lib/random.py composes them.
 *
 * Double precision and libm, as there.  The library itself uses neither this
 * generator nor libm. */
#ifndef CPYTHON_RANDOM_H
#define CPYTHON_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct py_random {
    uint32_t state[624];
    int used;                          /* words of state already given out */
    bool has_next;                     /* gauss() makes two at a time      */
    double next;
} py_random;

/* random.seed(seed), for a seed of one 32-bit word. */
static void py_seed(py_random *r, uint32_t seed)
{
    uint32_t *s = r->state;
    s[0] = 19650218u;
    for (uint32_t i = 1; i < 624; i++)
        s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;
    uint32_t i = 1;
    for (int k = 0; k < 624; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + seed;
        if (++i == 624)
            s[0] = s[623], i = 1;
    }
    for (int k = 0; k < 623; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == 624)
            s[0] = s[623], i = 1;
    }
    s[0] = 0x80000000u;
    r->used = 624;
    r->next = 0;
    r->has_next = false;
}

static uint32_t py_word(py_random *r)
{
    uint32_t *s = r->state;
    if (r->used == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (s[i] & 0x80000000u) |
                         (s[(i + 1) % 624] & 0x7fffffffu);
            s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        r->used = 0;
    }
    uint32_t y = s[r->used++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* random.random(): 53 bits in [0, 1). */
static double py_uniform(py_random *r)
{
    uint32_t a = py_word(r) >> 5, b = py_word(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

/* random.shuffle(order): Fisher and Yates, indices by rejection on as many
 * bits as the bound has. */
static void py_shuffle(py_random *r, int64_t *order, int64_t count)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int bits = 1;
        while ((i + 1) >> bits)
            bits++;
        int64_t j;
        do
            j = py_word(r) >> (32 - bits);
        while (j > i);
        int64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* random.gauss(0, sigma): Box and Muller, the second value kept. */
static double py_gauss(py_random *r, double sigma)
{
    double z = r->next;
    r->has_next = !r->has_next;
    if (r->has_next) {
        double angle = py_uniform(r) * 6.283185307179586;
        double radius = sqrt(-2.0 * log(1.0 - py_uniform(r)));
        z = cos(angle) * radius;
        r->next = sin(angle) * radius;
    }
    return z * sigma;
}

/* random.choices(range(count), weights)[0]. */
static int py_choice(py_random *r, const float *weight, int count)
{
    double total = 0, sum = 0;
    for (int i = 0; i < count; i++)
        total += weight[i];
    double x = py_uniform(r) * total;
    for (int i = 0; i < count - 1; i++)
        if (x < (sum += weight[i]))
            return i;
    return count - 1;
}

#endif
