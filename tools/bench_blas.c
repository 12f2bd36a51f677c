/* How fast a BLAS library multiplies, through its C interface: an opponent
 * for tools/bench_peers.py, which starts one of these for each library and
 * number of threads.  Not part of the library or the program.
 *
 *     bench_blas LIBRARY
 *
 * reads lines "FORM M N K SECONDS" (form nt, nn or tn, as lh_kernel_time()
 * has them) and answers each with a line: the seconds of one product, the
 * least of many slices.  Threads are the library's own environment variable's
 * to say.  `bench_blas clock` gives the core's GHz. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void sgemm_fn(int order, int transpose_a, int transpose_b, int m,
                      int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c,
                      int ldc);

enum { BLAS_ROWS = 101, BLAS_AS_IS = 111, BLAS_TRANSPOSED = 112 };

typedef struct product {
    sgemm_fn *sgemm;
    int m, n, k;
    int a_transposed, b_transposed;
    float beta;                   /* 1: c += ..., as weight gradients need */
    float *a, *b, *c;
} product;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply(const product *p, long times)
{
    for (long i = 0; i < times; i++)
        p->sgemm(BLAS_ROWS, p->a_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS,
                 p->b_transposed ? BLAS_TRANSPOSED : BLAS_AS_IS, p->m, p->n,
                 p->k, 1.0f, p->a, p->a_transposed ? p->m : p->k, p->b,
                 p->b_transposed ? p->k : p->n, p->beta, p->c, p->n);
}

/* GHz: a chain of multiplications (3 cycles on every x86-64 and AArch64 core
 * of the last ten years) and additions (1). */
static double clock_rate(void)
{
    enum { STEPS = 10000000 };
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double begun = now();
        unsigned long long x = 1;
        for (int j = 0; j < STEPS; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            __asm__ volatile("" : "+r"(x));
        }
        double rate = 4e-9 * STEPS / (now() - begun);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Slices of 2 ms or one product. */
static double measure(const product *p, double seconds)
{
    double least = 1e300, took;
    long times = 1;
    if ((double)p->m * p->n * p->k < 0x1p34)     /* seconds warm themselves */
        multiply(p, 1);
    double start = now();
    do {
        if (times > 1)
            multiply(p, times / 8 + 1);
        double begun = now();
        multiply(p, times);
        took = now() - begun;
        if (took < 0.002 && now() - start < seconds)
            times *= 2;
        else if (took / (double)times < least)
            least = took / (double)times;
    } while (now() - start < seconds || least > 1e299);
    return least;
}

static float *operand(long size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (size_t)size * sizeof(float)))
        exit(1);
    float *x = memory;
    unsigned word = 1;
    for (long i = 0; i < size; i++) {
        word = word * 1664525u + 1013904223u;
        x[i] = (float)(word >> 8) * 0x1p-24f;
    }
    return x;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "clock") == 0) {
        printf("%.3f\n", clock_rate());
        return 0;
    }
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL)
                              : NULL;
    product p = { 0 };
    char line[256], form[8];
    double seconds;
    if (library)
        *(void **)&p.sgemm = dlsym(library, "cblas_sgemm");
    if (!p.sgemm) {
        fprintf(stderr, "bench_blas: %s\n",
                argc == 2 ? dlerror() : "usage: bench_blas LIBRARY");
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%7s %d %d %d %lf", form, &p.m, &p.n, &p.k,
                   &seconds) != 5 || p.m < 1 || p.n < 1 || p.k < 1)
            return 1;
        p.a_transposed = form[0] == 't';
        p.b_transposed = form[1] == 't';
        p.beta = strcmp(form, "tn") == 0 ? 1.0f : 0.0f;
        p.a = operand((long)p.m * p.k);
        p.b = operand((long)p.k * p.n);
        p.c = operand((long)p.m * p.n);
        printf("%.9g\n", measure(&p, seconds));
        fflush(stdout);
        free(p.a);
        free(p.b);
        free(p.c);
    }
    return 0;
}
