/* The pool: every index runs once a round, what a round wrote is there when
 * it is over, and workers are good guests.  Meant to be run under
 * ThreadSanitizer too: the counters are plain memory on purpose. */
#define _GNU_SOURCE
#include <fenv.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/context.h"
#include "base/fpenv.h"
#include "base/threads.h"
#include "test.h"
#include "torture.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

enum { MOST = 8 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* -------------------------------------------------------------- rounds -- */

typedef struct rounds {
    int64_t count[MOST];               /* of index i; no atomics           */
    int64_t value;                     /* the caller's, read by all        */
    int64_t seen[MOST];
} rounds;

static void count_round(void *arg, int i)
{
    rounds *r = arg;
    r->count[i]++;
    r->seen[i] = r->value;
}

/* Returns how many rounds went wrong. */
static int64_t run_rounds(lh_pool *pool, int64_t n)
{
    int threads = lh_pool_threads(pool);
    rounds r = { { 0 }, 0, { 0 } };
    int64_t wanted[MOST] = { 0 }, wrong = 0;
    for (int64_t round = 0; round < n; round++) {
        int part = 1 + (int)(round % threads);
        r.value = round;
        lh_pool_run(pool, part, count_round, &r);
        for (int i = 0; i < threads; i++) {
            wanted[i] += i < part;
            wrong += r.count[i] != wanted[i];
            wrong += i < part && r.seen[i] != round;
        }
    }
    return wrong;
}

/* Chunks from a counter, as kernels take them. */
enum { CHUNKS = 23 };

typedef struct share {
    atomic_int next;
    int64_t count[CHUNKS];             /* no atomics: one thread each      */
    int64_t value, wrong;              /* the caller's                     */
    int64_t seen[CHUNKS];
    double slow;                       /* seconds of a chunk               */
} share;

static void share_round(void *arg, int i)
{
    share *s = arg;
    int chunk;
    (void)i;
    while ((chunk = atomic_fetch_add(&s->next, 1)) < CHUNKS) {
        double start = s->slow > 0 ? seconds() : 0;
        while (s->slow > 0 && seconds() - start < s->slow)
            ;
        s->count[chunk]++;
        s->seen[chunk] = s->value;
    }
}

static void share_rounds(lh_pool *pool, int64_t count, double slow)
{
    share s = { .slow = slow };
    for (int64_t round = 1; round <= count; round++) {
        s.value = round;
        atomic_store(&s.next, 0);
        if (round % 7 == 0)            /* mixed with rounds of the others  */
            lh_pool_run(pool, lh_pool_threads(pool), share_round, &s);
        else
            lh_pool_share(pool, lh_pool_threads(pool), share_round, &s);
        for (int i = 0; i < CHUNKS; i++)
            s.wrong += s.count[i] != round || s.seen[i] != round;
    }
    CHECK_EQ_INT(s.wrong, 0);
}

/* Slow chunks, too: then a worker that dawdles after a round, as those of
 * builds with -DLH_SABOTAGE do, falls into the middle of the next one. */
static void test_shares(lh_context *ctx)
{
    for (int threads = 1; threads <= MOST; threads += threads > 2 ? 5 : 1) {
        lh_pool *pool = lh_pool_new(ctx, threads);
        share_rounds(pool, 20000, 0);
        share_rounds(pool, 700, 20e-6);
        lh_pool_free(pool);
    }
}

static void test_rounds(lh_context *ctx)
{
    static const int sizes[] = { 1, 2, 3, 8 };
    for (size_t s = 0; s < LH_COUNT(sizes); s++) {
        lh_pool *pool = lh_pool_new(ctx, sizes[s]);
        CHECK(sizes[s] == 1 ? !pool : pool != NULL);
        CHECK_EQ_INT(lh_pool_threads(pool), sizes[s]);
        double start = seconds();
        CHECK_EQ_INT(run_rounds(pool, 10000), 0);
        printf("  pool of %d: %.2f us a round\n", sizes[s],
               (seconds() - start) * 1e2);
        lh_pool_free(pool);
    }
    lh_pool_free(NULL);
    /* More than there are: as many as there are. */
    lh_pool *pool = lh_pool_new(ctx, 2);
    rounds r = { { 0 }, 0, { 0 } };
    lh_pool_run(pool, 5, count_round, &r);
    CHECK(r.count[0] == 1 && r.count[1] == 1 && r.count[2] == 0);
    lh_pool_run(NULL, 5, count_round, &r);
    CHECK(r.count[0] == 2 && r.count[1] == 1);
    lh_pool_free(pool);
}

/* Rounds apart by less and more than what workers spin and yield for, and
 * workers that take longer than the caller does. */
static void sleep_round(void *arg, int i)
{
    int64_t us = *(int64_t *)arg;
    if (i)
        usleep((useconds_t)us);
}

static void test_sleep(lh_context *ctx)
{
    static const int64_t pauses[] = { 0, 3, 50, 99, 100, 101, 300, 2000 };
    lh_pool *pool = lh_pool_new(ctx, 3);
    for (int round = 0; round < 5; round++)
        for (size_t p = 0; p < LH_COUNT(pauses); p++) {
            int64_t us = pauses[p];
            lh_pool_run(pool, 3, sleep_round, &us);
            usleep((useconds_t)us);
            CHECK_EQ_INT(run_rounds(pool, 3), 0);
        }
    lh_pool_free(pool);
    /* Pools that never work, or work once. */
    for (int i = 0; i < 50; i++) {
        pool = lh_pool_new(ctx, 2 + i % 4);
        if (i % 3)
            CHECK_EQ_INT(run_rounds(pool, i % 3), 0);
        if (i % 10 == 9)
            usleep(300);
        lh_pool_free(pool);
    }
}

/* A pool that has nothing to do burns no core for long. */
static void test_idle(lh_context *ctx)
{
    lh_pool *pool = lh_pool_new(ctx, 4);
    CHECK_EQ_INT(run_rounds(pool, 3), 0);
    usleep(20000);
    clock_t before = clock();
    usleep(100000);
    CHECK(clock() - before < CLOCKS_PER_SEC / 50);
    CHECK_EQ_INT(run_rounds(pool, 3), 0);
    lh_pool_free(pool);
}

/* ---------------------------------------------------- oversubscription -- */

static void *crowd(void *arg)
{
    int64_t *wrong = arg;
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 4 });
    *wrong = ctx && lh_threads(ctx) == 4 ? run_rounds(ctx->pool, 2500) : -1;
    lh_context_free(ctx);
    return NULL;
}

static void test_crowd(void)
{
    pthread_t thread[4];
    int64_t wrong[4];
    double start = seconds();
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&thread[i], NULL, crowd, &wrong[i]));
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        CHECK_EQ_INT(wrong[i], 0);
    }
    double took = seconds() - start;
    printf("  4 pools of 4 at once: %.2f us a round\n", took * 1e6 / 10000);
    CHECK(took < 5);                   /* a time slice a round takes 40    */
}

/* --------------------------------------------------------- good guests -- */

typedef struct guest {
    bool blocked[MOST], faults[MOST], nearest[MOST], denormal[MOST];
} guest;

static void look_around(void *arg, int i)
{
    static const int async[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1,
                                 SIGCHLD, SIGPIPE, SIGWINCH };
    guest *g = arg;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    g->blocked[i] = true;
    for (size_t s = 0; s < LH_COUNT(async); s++)
        g->blocked[i] &= sigismember(&set, async[s]) == 1;
    g->faults[i] = !sigismember(&set, SIGSEGV) && !sigismember(&set, SIGFPE);
    volatile double one = 1, little = 0x1p-60, least = 0x1p-1022;
    volatile double sum = one + little, half = least * 0.5;
    g->nearest[i] = sum == 1;
    g->denormal[i] = half > 0 && half * 2 == least;
}

/* The host rounds upwards and flushes denormals where it can. */
static void test_guest(lh_context *ctx)
{
    sigset_t before, after;
    guest g;
    memset(&g, 0, sizeof g);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    fesetround(FE_UPWARD);
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);          /* FTZ, DAZ               */
#endif
    lh_pool *pool = lh_pool_new(ctx, 4);
    lh_fpenv saved = lh_fpenv_enter();
    lh_pool_run(pool, 4, look_around, &g);
    lh_fpenv_leave(saved);
    CHECK_EQ_INT(fegetround(), FE_UPWARD);
#if defined(__SSE2__)
    CHECK_EQ_INT(_mm_getcsr() & 0x8040u, 0x8040u);
    _mm_setcsr(_mm_getcsr() & ~0x8040u);
#endif
    fesetround(FE_TONEAREST);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++)
        CHECK_EQ_INT(sigismember(&before, s), sigismember(&after, s));
    CHECK(!g.blocked[0]);
    for (int i = 0; i < 4; i++) {
        CHECK(i == 0 || g.blocked[i]);
        CHECK(g.faults[i]);
        CHECK(g.nearest[i]);
        CHECK(g.denormal[i]);
    }
    lh_pool_free(pool);
}

/* -------------------------------------------------------------- quotas -- */

#ifdef __linux__
/* A file below the fake root, with the folders on the way to it. */
static void put(const char *root, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int remove_one(const char *path, const struct stat *s, int flag,
                      struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

/* What /proc/self/cgroup says, two files of groups, and the cores of 8. */
static const struct {
    const char *groups, *name[2], *text[2];
    int cores;
} quotas[] = {
    { "0::/\n", { "/cpu.max" }, { "150000 100000\n" }, 2 },
    { "0::/\n", { "/cpu.max" }, { "max 100000\n" }, 8 },
    { "0::/\n", { "/cpu.max" }, { "1000 100000\n" }, 1 },
    { "0::/a/b\n", { "/a/cpu.max", "/a/b/cpu.max" },
      { "300000 100000\n", "max 100000\n" }, 3 },
    { "0::/a/b\n", { "/a/cpu.max", "/a/b/cpu.max" },
      { "300000 100000\n", "200000 50000\n" }, 3 },
    { "0::/a/b\n", { "/a/cpu.max", "/ab/cpu.max" },
      { "9900000 100000\n", "100000 100000\n" }, 8 },
    /* A container whose group bears the host's name. */
    { "0::/docker/1234\n", { "/cpu.max" }, { "200000 100000\n" }, 2 },
    { "5:memory:/m\n4:cpu,cpuacct:/c\n0::/\n",
      { "/cpu/c/cpu.cfs_quota_us", "/cpu/c/cpu.cfs_period_us" },
      { "400000\n", "100000\n" }, 4 },
    { "4:cpuacct,cpu:/c/d\n", { "/cpu/c/cpu.cfs_quota_us",
                               "/cpu/c/cpu.cfs_period_us" },
      { "25000\n", "50000\n" }, 1 },
    { "4:cpu:/c\n", { "/cpu/c/cpu.cfs_quota_us",
                      "/cpu/c/cpu.cfs_period_us" },
      { "-1\n", "100000\n" }, 8 },
    { "4:cpuset:/c\n3:cpuacct:/c\n", { "/cpu/c/cpu.cfs_quota_us",
                                       "/cpu/c/cpu.cfs_period_us" },
      { "100000\n", "100000\n" }, 8 },
    /* Nonsense limits nothing. */
    { "", { "/cpu.max" }, { "100000 100000\n" }, 8 },
    { "0:", { "/cpu.max" }, { "100000 100000\n" }, 8 },
    { "0::/", { "/cpu.max" }, { "100000" }, 8 },
    { "0::/", { "/cpu.max" }, { "100000 0\n" }, 8 },
    { "0::/", { "/cpu.max" }, { "99999999999999999999999 100000\n" }, 8 },
    { "0::/", { "/cpu.max" }, { "" }, 8 },
    { "4:cpu:/c\n", { "/cpu/c/cpu.cfs_quota_us" }, { "100000\n" }, 8 },
};

static void test_quotas(void)
{
    for (size_t i = 0; i < LH_COUNT(quotas); i++) {
        char root[] = "/tmp/longhand-quota-XXXXXX", name[200];
        CHECK(mkdtemp(root) != NULL);
        put(root, "/proc/self/cgroup", quotas[i].groups);
        for (int f = 0; f < 2 && quotas[i].name[f]; f++) {
            snprintf(name, sizeof name, "/sys/fs/cgroup%s",
                     quotas[i].name[f]);
            put(root, name, quotas[i].text[f]);
        }
        int cores = lh_threads_quota(root, 8);
        CHECK_EQ_INT(cores, quotas[i].cores);
        if (cores != quotas[i].cores)
            printf("    quota %d\n", (int)i);
        CHECK(!nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS));
    }
    CHECK_EQ_INT(lh_threads_quota("/nowhere", 5), 5);
}

/* A process that may run on one core has one thread, unless told. */
static void test_affinity(void)
{
    cpu_set_t all, one;
    size_t cpu = 0;
    if (sched_getaffinity(0, sizeof all, &all)) {
        SKIP("affinity", "this machine has more cores than the test");
        return;
    }
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(!sched_setaffinity(0, sizeof one, &one));
    for (int threads = 0; threads < 4; threads += 3) {
        lh_context *ctx = lh_context_new(&(lh_settings){
            .threads = threads });
        CHECK_EQ_INT(lh_threads(ctx), threads ? threads : 1);
        lh_context_free(ctx);
    }
    CHECK(!sched_setaffinity(0, sizeof all, &all));
}
#else
static void test_quotas(void)
{
    SKIP("quotas of cgroups", "no Linux");
}

static void test_affinity(void)
{
    SKIP("affinity", "no Linux");
}
#endif

/* ------------------------------------------------------ fewer, not none -- */

static void test_no_memory(void)
{
    torture memory = { 0 };
    lh_context *ctx = lh_context_new(&(lh_settings){
        .allocator = torture_allocator(&memory), .threads = 1 });
    torture_fail_at(&memory, 1);
    CHECK(lh_pool_new(ctx, 4) == NULL);
    CHECK_EQ_INT(lh_error_status(ctx), LH_OK);
    torture_fail_at(&memory, 0);
    lh_context_free(ctx);
    CHECK_EQ_INT(memory.live, 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
/* In a process with room for a few stacks: 0 right, 1 wrong, 2 the limit
 * does nothing here. */
static int starve(lh_context *ctx)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld", &pages) != 1)
        return 2;
    fclose(file);
    rlim_t size = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (6 << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){ size, size }) ||
        mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        != MAP_FAILED)
        return 2;
    lh_pool *pool = lh_pool_new(ctx, 64);
    int threads = lh_pool_threads(pool);
    bool right = threads < 64 && !lh_error_status(ctx);
    if (threads <= MOST)
        right = right && run_rounds(pool, 100) == 0;
    lh_pool_free(pool);
    return right ? 0 : 1;
}
#endif

static void test_starved(lh_context *ctx)
{
    int status = 2 << 8;
#ifndef SANITIZED
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(starve(ctx));
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 1);
#endif
    if (status == 2 << 8)
        SKIP("threads that cannot be made", "no limit of address space here");
    (void)ctx;
}

int main(void)
{
    CHECK(lh_threads_available() >= 1);
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    test_rounds(ctx);
    test_shares(ctx);
    test_sleep(ctx);
    test_idle(ctx);
    test_crowd();
    test_guest(ctx);
    test_quotas();
    test_affinity();
    test_no_memory();
    test_starved(ctx);
    lh_context_free(ctx);
    return test_end("threads");
}
