/* Around the kernels: the tables that contexts choose from, the launch over
 * threads, and the host's floating-point settings. */
#include "test.h"

#include "base/context.h"
#include "base/fpenv.h"
#include "kernels/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Each table: all rows passed their self-test and come from the set. */
static void check_tables(void)
{
    for (lh_isa isa = LH_ISA_c; isa < LH_ISA_COUNT; isa++) {
        if (lh_cpu_lacks(lh_cpu_features(), isa))
            continue;
        const lh_kernels *k = lh_kernels_get(NULL, lh_isa_name(isa));
        CHECK(k != NULL);
        if (!k)
            continue;
        CHECK(k->failed == 0);
        CHECK_EQ_INT(k->isa, isa);
        for (int i = 0; i < LH_KERNEL_COUNT; i++) {
            CHECK(k->fn[i] != NULL);
            lh_isa wanted = isa;
            if (isa == LH_ISA_avx512_bf16 && i != LH_KERNEL_gemm_bf16)
                wanted = LH_ISA_avx512;
            if (isa == LH_ISA_neon_bf16 && i != LH_KERNEL_gemm_bf16)
                wanted = LH_ISA_neon;
            CHECK_EQ_INT(k->row[i], wanted);
        }
        double flops = 0;
        float result;
        lh_fma_limit_args limit = { 10, 0.5f, 1.0f, &result, &flops };
        k->fn[LH_KERNEL_fma_limit](&limit, 0, 1, NULL);
        CHECK(flops >= 2.0 * LH_FMA_CHAINS * 10);
    }
}

static int allocations;

static void *counted_allocate(void *user, size_t size)
{
    (void)user;
    allocations++;
    return malloc(size);
}

static void counted_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* The same product with 1 and 5 threads, and nothing allocated the second
 * time. */
static void check_launch(void)
{
    enum { M = 200, N = 150, K = 40 };
    static float a[M * K], b[N * K], c[2][M * N];
    uint64_t random = 5;
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(test_random(&random) % 1000) - 500.0f;
    for (int i = 0; i < N * K; i++)
        b[i] = (float)(test_random(&random) % 1000) * 0.013f;
    for (int i = 0; i < 2; i++) {
        lh_settings settings = {
            .allocator = { counted_allocate, counted_release, NULL },
            .threads = i ? 5 : 1,
        };
        lh_context *ctx = lh_context_new(&settings);
        lh_gemm_args g = { .m = M, .n = N, .k = K, .a = a, .a_row = K,
                           .a_col = 1, .b = b, .b_row = 1, .b_col = K,
                           .c = c[i], .c_row = N };
        CHECK(ctx != NULL);
        if (!ctx)
            return;
        ctx->grain = 1;
        for (int twice = 0; twice < 2; twice++) {
            int before = allocations;
            CHECK(lh_launch(ctx, LH_KERNEL_gemm, &g, lh_gemm_items(M, N),
                            64 * 64 * K, LH_GEMM_SCRATCH) == LH_OK);
            CHECK(!twice || allocations == before);
        }
        CHECK(lh_launch(ctx, LH_KERNEL_gemm, &g, 0, 1, 0) == LH_OK);
        lh_context_free(ctx);
    }
    CHECK(memcmp(c[0], c[1], sizeof c[0]) == 0);
}

/* A launch of two threads: the first items that were taken, and how often
 * each was. */
enum { SHARED = 100 };
typedef struct shared {
    atomic_int calls;
    int64_t first[2];
    atomic_int taken[SHARED];
} shared;

/* Whoever comes first waits for another thread, three seconds at most. */
static void shared_items(const void *args, int64_t begin, int64_t end,
                         float *scratch)
{
    shared *s = (shared *)(uintptr_t)args;
    int call = atomic_fetch_add(&s->calls, 1);
    (void)scratch;
    if (call < 2)
        s->first[call] = begin;
    for (time_t until = time(NULL) + 3;
         call == 0 && atomic_load(&s->calls) < 2 && time(NULL) < until;)
        sched_yield();
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&s->taken[i], 1);
}

/* Threads begin in shares of their own, and all items are done once. */
static void check_shares(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 2 });
    CHECK(ctx != NULL);
    if (ctx && lh_threads(ctx) == 2) {
        static shared s;
        ctx->grain = 1;
        CHECK(lh_launch_function(ctx, shared_items, LH_KERNEL_add_forward, &s,
                                 SHARED, 1, 0) == LH_OK);
        CHECK_EQ_INT(s.first[0] + s.first[1], SHARED / 2);
        for (int i = 0; i < SHARED; i++)
            CHECK_EQ_INT(atomic_load(&s.taken[i]), 1);
    }
    lh_context_free(ctx);
}

/* The public entry under a host's odd settings: the same bits as without,
 * and the settings are there again afterwards. */
static void public_bits(lh_context *ctx, float out[12])
{
    static const float x[4] = { 1e-40f, 3.0f, -1e-39f, 0.7f };
    static const float w[4] = { 0.5f, 1.0f / 3.0f, 1e-3f, 1e-38f };
    lh_tape *t = lh_tape_new(ctx);
    lh_tensor *a = lh_scalar(t, 0), *b = lh_scalar(t, 0), *y = NULL;
    for (int i = 0; i < 4; i++) {
        a = lh_scalar(t, x[i]);
        b = lh_scalar(t, w[i]);
        y = lh_mul(t, a, b);
        y = lh_add(t, y, lh_exp(t, lh_div(t, a, b)));
        lh_backward(t, y);
        out[3 * i] = lh_value(y);
        out[3 * i + 1] = lh_tensor_grad(a)[0];
        out[3 * i + 2] = lh_tensor_grad(b)[0];
        lh_tape_reset(t);
    }
    lh_tape_free(t);
}

#if defined(__x86_64__)
static void check_host_flags(void)
{
    /* Flush to zero with denormals as zero; each odd rounding; both. */
    static const unsigned hosts[] = { 0x9fc0, 0x3f80, 0x5f80, 0x7f80,
                                      0xffc0 };
    float clean[12], odd[12];
    lh_context *ctx = lh_context_new(NULL);
    CHECK(ctx != NULL);
    if (!ctx)
        return;
    public_bits(ctx, clean);
    CHECK(clean[0] != 0.0f);
    for (size_t i = 0; i < LH_COUNT(hosts); i++) {
        unsigned saved = _mm_getcsr();
        _mm_setcsr(hosts[i]);
        public_bits(ctx, odd);
        unsigned after = _mm_getcsr();
        _mm_setcsr(saved);
        CHECK_EQ_INT(after & ~0x3fu, hosts[i] & ~0x3fu);
        CHECK(memcmp(clean, odd, sizeof clean) == 0);
    }
    lh_context_free(ctx);
}
#else
static void check_host_flags(void)
{
    float clean[12], again[12];
    lh_context *ctx = lh_context_new(NULL);
    CHECK(ctx != NULL);
    if (!ctx)
        return;
    public_bits(ctx, clean);
    public_bits(ctx, again);
    CHECK(memcmp(clean, again, sizeof clean) == 0);
    lh_context_free(ctx);
}
#endif

int main(void)
{
    check_tables();
    check_launch();
    check_shares();
    check_host_flags();
    return test_end("launch");
}
