/* lh_kernel_time(): every kernel that it knows runs on its operands, with
 * one thread and two, and counts what it should; what it cannot do is said.
 * (That the operands are large enough is the sanitizers' to see.) */
#include <stdlib.h>
#include <string.h>

#include "longhand.h"
#include "test.h"

static int64_t blocks;                 /* taken and not given back         */

static void *take(void *user, size_t size)
{
    void *memory = size > (size_t)1 << 40 ? NULL : malloc(size);
    (void)user;
    blocks += memory != NULL;
    return memory;
}

static void give(void *user, void *memory)
{
    (void)user;
    blocks -= memory != NULL;
    free(memory);
}

/* Those that are no launch on operands. */
static bool is_untimed(const char *name)
{
    return strcmp(name, "fma_limit") == 0 || strcmp(name, "sum") == 0;
}

static void check_all(lh_context *ctx)
{
    static const int64_t sizes[][4] = { { 1, 1, 1, 1 }, { 5, 70, 33, 16 } };
    int64_t before = blocks;
    for (int i = 0; i < lh_kernel_count(); i++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const char *name = NULL;
            char work[64];
            lh_timing t;
            lh_kernel_row(ctx, i, &name);
            snprintf(work, sizeof work, "%s%s", name,
                     strncmp(name, "gemm", 4) == 0 ? "_nn" : "");
            lh_status status = lh_kernel_time(ctx, work, sizes[s], 0, &t);
            if (is_untimed(name)) {
                CHECK_EQ_INT(status, LH_ERROR_ARGUMENT);
                lh_error_clear(ctx);
                continue;
            }
            CHECK_EQ_INT(status, LH_OK);
            CHECK(t.seconds > 0 && t.fma > 0 && t.bytes > 0);
        }
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    int64_t scratch = 1;               /* the context keeps it             */
    CHECK(blocks - before <= scratch);
}

static bool is_near(double a, double b)
{
    return a > b - 0.5 && a < b + 0.5;
}

static void check_counts(lh_context *ctx)
{
    lh_timing t;
    const int64_t size[4] = { 6, 7, 8, 1 }, documents[4] = { 2, 3, 4, 8 };
    CHECK_EQ_INT(lh_kernel_time(ctx, "gemm_nt", size, 0.01, &t), LH_OK);
    CHECK(is_near(t.flops, 2 * 6 * 7 * 8));
    CHECK(is_near(t.bytes, 4 * (6 * 8 + 7 * 8 + 6 * 7)));
    CHECK(t.seconds < 0.01 && t.read > 0);
    /* 2 documents of 1 + 2 + 3 pairs, 32 wide, two products. */
    CHECK_EQ_INT(lh_kernel_time(ctx, "attention_forward", documents, 0, &t),
                 LH_OK);
    CHECK(is_near(t.flops, 2 * 6 * 32 * 2 * 2));
    CHECK_EQ_INT(lh_kernel_time(ctx, "attention_backward", documents, 0, &t),
                 LH_OK);
    CHECK(is_near(t.flops, 2 * 6 * 32 * 2 * 4));
    CHECK_EQ_INT(lh_kernel_time(ctx, "gelu_forward", size, 0, &t), LH_OK);
    CHECK(t.flops <= 0 && is_near(t.bytes, 4 * 2 * 6 * 7));
    CHECK_EQ_INT(lh_kernel_time(ctx, "mul_backward", size, 0, &t), LH_OK);
    CHECK(is_near(t.bytes, 4 * 5 * 6 * 7));
}

static void check_refused(lh_context *ctx)
{
    static const char *const works[] = { "", "gem", "gemm", "gemm_tt",
                                         "gelu", "gelu_forward_nt" };
    static const int64_t one[4] = { 1, 1, 1, 1 }, none[4] = { 1, 0, 1, 1 };
    static const int64_t most[4] = { 1 << 20, 1 << 20, 1 << 20, 1 << 20 };
    static const int64_t more[4] = { 1, (1 << 20) + 1, 1, 1 };
    lh_timing t;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        CHECK_EQ_INT(lh_kernel_time(ctx, works[i], one, 0, &t),
                     LH_ERROR_ARGUMENT);
        CHECK(strstr(lh_error_message(ctx), "can be timed") != NULL);
        lh_error_clear(ctx);
    }
    CHECK_EQ_INT(lh_kernel_time(ctx, NULL, one, 0, &t), LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_kernel_time(ctx, "sum_rows", NULL, 0, &t),
                 LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_kernel_time(ctx, "sum_rows", one, 0, NULL),
                 LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_kernel_time(ctx, "sum_rows", none, 0, &t),
                 LH_ERROR_ARGUMENT);
    CHECK_EQ_INT(lh_kernel_time(ctx, "sum_rows", more, 0, &t),
                 LH_ERROR_ARGUMENT);
    lh_error_clear(ctx);
    CHECK_EQ_INT(lh_kernel_time(ctx, "gemm_tn", most, 0, &t),
                 LH_ERROR_MEMORY);
    lh_error_clear(ctx);
    CHECK_EQ_INT(lh_kernel_time(ctx, "attention_backward", most, 0, &t),
                 LH_ERROR_MEMORY);
    lh_error_clear(ctx);
}

int main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        lh_context *ctx = lh_context_new(&(lh_settings){
            .allocator = { take, give, NULL }, .threads = threads });
        check_all(ctx);
        check_counts(ctx);
        check_refused(ctx);
        lh_context_free(ctx);
        CHECK_EQ_INT(blocks, 0);
    }
    return test_end("timing");
}
