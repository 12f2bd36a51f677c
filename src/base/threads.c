/* Threads that work in rounds.
 *
 * Each worker waits at a gate of its own, and so does the caller; a gate is
 * one word, and opening one is one exchange, whose old value says whether
 * the other side sleeps and must be woken.  A worker that has no part in a
 * round sees nothing of it.  Waiting goes from spinning (the next round is
 * often a microsecond away) over yielding (another pool may want this core)
 * to sleeping.  The work's arguments are plain memory: they are written
 * before a gate opens and read after, and not again before all came back. */
#include "base/context.h"
#include "base/fpenv.h"
#include "base/sabotage.h"
#include "base/threads.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Sleeping and being woken costs some 50 us until work goes on, yielding
 * less than 1.  Measured with launches of 2 to 20 us: longer gives nothing,
 * and burns a core that others could use. */
enum { THREADS_SPIN_NS = 5000, THREADS_YIELD_NS = 100000 };
/* Two cache lines: the hardware fetches them in pairs. */
enum { THREADS_PAD = 128 };
/* The kernels need little; 256 stacks of 8 MiB would fill a 32-bit host. */
enum { THREADS_STACK = 1 << 20 };

/* ---------------------------------------------------------------- gate -- */

enum { THREADS_SHUT, THREADS_ASLEEP, THREADS_OPEN, THREADS_QUIT };

typedef struct threads_gate {
    atomic_int state;
    pthread_mutex_t mutex;                       /* for sleeping alone     */
    pthread_cond_t woken;
} threads_gate;

static bool threads_gate_init(threads_gate *gate)
{
    atomic_init(&gate->state, THREADS_SHUT);
    if (pthread_mutex_init(&gate->mutex, NULL))
        return false;
    if (pthread_cond_init(&gate->woken, NULL)) {
        pthread_mutex_destroy(&gate->mutex);
        return false;
    }
    return true;
}

static void threads_gate_destroy(threads_gate *gate)
{
    pthread_cond_destroy(&gate->woken);
    pthread_mutex_destroy(&gate->mutex);
}

static void threads_gate_open(threads_gate *gate, int state)
{
    int old = atomic_exchange_explicit(&gate->state, state,
                                       memory_order_acq_rel);
    if (old != THREADS_ASLEEP)
        return;
    /* Who sleeps went to sleep under the mutex, so it is in the wait or
     * sees the new state before it. */
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_signal(&gate->woken);
    pthread_mutex_unlock(&gate->mutex);
}

/* From open to shut: the worker that takes part, or the caller that goes on
 * without it; only one of them gets true. */
static bool threads_gate_shut(threads_gate *gate)
{
    int state = THREADS_OPEN;
    return atomic_compare_exchange_strong_explicit(
        &gate->state, &state, THREADS_SHUT, memory_order_acq_rel,
        memory_order_acquire);
}

static int threads_gate_state(threads_gate *gate)
{
    return atomic_load_explicit(&gate->state, memory_order_acquire);
}

static int64_t threads_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void threads_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" : : : "memory");      /* `yield` does nothing   */
#endif
}

/* Waits until the gate is open; its state, which is not shut again.  Shut
 * means that it was opened and shut again while we slept. */
static int threads_gate_wait(threads_gate *gate, bool spin)
{
    int state;
    int64_t start = 0, waited = 0;
    for (int i = 0; waited < THREADS_YIELD_NS; i++) {
        state = threads_gate_state(gate);
        if (state >= THREADS_OPEN)
            return state;
        if (!i)
            start = threads_now();
        if (i % 16 == 0 || !spin)                /* the clock costs 20 ns  */
            waited = threads_now() - start;
        spin = spin && waited <= THREADS_SPIN_NS;
        if (spin)
            threads_pause();
        else
            sched_yield();
    }
    pthread_mutex_lock(&gate->mutex);
    state = THREADS_SHUT;
    if (atomic_compare_exchange_strong_explicit(
            &gate->state, &state, THREADS_ASLEEP, memory_order_acq_rel,
            memory_order_acquire))
        while ((state = threads_gate_state(gate)) == THREADS_ASLEEP)
            pthread_cond_wait(&gate->woken, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return state;
}

/* ---------------------------------------------------------------- pool -- */

typedef struct threads_worker {
    _Alignas(THREADS_PAD) threads_gate gate;
    lh_pool *pool;
    int number;                                  /* from 1                 */
    pthread_t thread;
} threads_worker;

struct lh_pool {
    /* Read by all, written between rounds. */
    _Alignas(THREADS_PAD) void (*fn)(void *arg, int i);
    void *arg;
    bool spin;                                   /* a core for each thread */
    int workers;
    lh_context *ctx;
    threads_worker *worker;                      /* [workers]              */
    _Alignas(THREADS_PAD) atomic_int working;    /* workers not yet back   */
    _Alignas(THREADS_PAD) threads_gate done;     /* the last one opens it  */
};

static void *threads_work(void *arg)
{
    threads_worker *me = arg;
    lh_pool *pool = me->pool;
    lh_fpenv_enter();
    while (threads_gate_wait(&me->gate, pool->spin) != THREADS_QUIT) {
        if (!threads_gate_shut(&me->gate))       /* withdrawn meanwhile    */
            continue;
        pool->fn(pool->arg, me->number);
        if (atomic_fetch_sub_explicit(&pool->working, 1,
                                      memory_order_acq_rel) == 1) {
#ifdef LH_SABOTAGE
            /* A build with faults looks for races too: there a worker falls
             * asleep where others may overtake it. */
            usleep(1);
#endif
            threads_gate_open(&pool->done, THREADS_OPEN);
        }
    }
    return NULL;
}

/* The signals of a process are the host's: its own threads get them.  Those
 * that a thread's own fault raises stay as they are, so that a host's crash
 * reporter sees our crashes too. */
static void threads_block_signals(sigset_t *host)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                                  SIGSYS };
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, NULL, host);
    for (size_t i = 0; i < LH_COUNT(faults); i++)
        if (!sigismember(host, faults[i]))
            sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static bool threads_start(threads_worker *worker)
{
    pthread_attr_t attributes;
    if (!threads_gate_init(&worker->gate))
        return false;
    bool made = !pthread_attr_init(&attributes);
    if (made) {
        pthread_attr_setstacksize(&attributes, THREADS_STACK);
        made = !pthread_create(&worker->thread, &attributes, threads_work,
                               worker);
        pthread_attr_destroy(&attributes);
    }
    if (!made)
        threads_gate_destroy(&worker->gate);
    return made;
}

LH_INTERNAL lh_pool *lh_pool_new(lh_context *ctx, int threads)
{
    bool clean = lh_error_status(ctx) == LH_OK;
    if (threads < 2)
        return NULL;
    lh_pool *pool = lh_aligned_alloc(ctx, 1, sizeof *pool +
                                     (size_t)(threads - 1) *
                                     sizeof *pool->worker, THREADS_PAD);
    if (!pool) {
        if (clean)
            lh_error_clear(ctx);
        return NULL;
    }
    pool->worker = (threads_worker *)(void *)(pool + 1);
    pool->ctx = ctx;
    pool->spin = threads <= lh_threads_available();
    atomic_init(&pool->working, 0);
    if (!threads_gate_init(&pool->done)) {
        lh_floats_free(ctx, pool);
        return NULL;
    }
    sigset_t host;
    threads_block_signals(&host);
    while (pool->workers < threads - 1) {
        threads_worker *worker = &pool->worker[pool->workers];
        worker->pool = pool;
        worker->number = pool->workers + 1;
        if (!threads_start(worker))
            break;
        pool->workers++;
    }
    pthread_sigmask(SIG_SETMASK, &host, NULL);
    if (pool->workers == 0) {
        lh_pool_free(pool);
        return NULL;
    }
    return pool;
}

LH_INTERNAL void lh_pool_free(lh_pool *pool)
{
    if (!pool)
        return;
    for (int i = 0; i < pool->workers; i++)
        threads_gate_open(&pool->worker[i].gate, THREADS_QUIT);
    for (int i = 0; i < pool->workers; i++) {
        pthread_join(pool->worker[i].thread, NULL);
        threads_gate_destroy(&pool->worker[i].gate);
    }
    threads_gate_destroy(&pool->done);
    lh_floats_free(pool->ctx, pool);
}

LH_INTERNAL int lh_pool_threads(const lh_pool *pool)
{
    return pool ? pool->workers + 1 : 1;
}

/* Opens the gates of `helpers` workers for fn. */
static void threads_begin(lh_pool *pool, int helpers,
                          void (*fn)(void *arg, int i), void *arg)
{
    pool->fn = fn;
    pool->arg = arg;
    atomic_store_explicit(&pool->done.state, THREADS_SHUT,
                          memory_order_relaxed);
    atomic_store_explicit(&pool->working, helpers, memory_order_relaxed);
    for (int i = 0; i < helpers; i++)
        threads_gate_open(&pool->worker[i].gate, THREADS_OPEN);
}

static int threads_helpers(const lh_pool *pool, int threads)
{
    int helpers = lh_pool_threads(pool) - 1;
    return threads - 1 < helpers ? threads - 1 : helpers;
}

LH_INTERNAL void lh_pool_run(lh_pool *pool, int threads,
                             void (*fn)(void *arg, int i), void *arg)
{
    int helpers = threads_helpers(pool, threads);
    if (helpers > 0)
        threads_begin(pool, helpers, fn, arg);
    fn(arg, 0);
    if (helpers > 0)
        threads_gate_wait(&pool->done, pool->spin);
}

LH_INTERNAL void lh_pool_share(lh_pool *pool, int threads,
                               void (*fn)(void *arg, int i), void *arg)
{
    int helpers = threads_helpers(pool, threads), late = 0;
    if (helpers > 0)
        threads_begin(pool, helpers, fn, arg);
    fn(arg, 0);
    for (int i = 0; i < helpers; i++)
        late += threads_gate_shut(&pool->worker[i].gate);
    /* Whoever takes `working` to 0 is the last: a worker then opens the gate,
     * which must be waited for even if it is 0 by now, lest it opens into
     * the next round; the caller just goes on. */
    bool wait = !late && !SABOTAGED(gate_early);
    if (helpers > late &&
        (wait || atomic_fetch_sub_explicit(&pool->working, late,
                                            memory_order_acq_rel) != late))
        threads_gate_wait(&pool->done, pool->spin);
}

/* ----------------------------------------------------------- processors -- */

#ifdef __linux__
/* A small file of /proc or /sys; its bytes, NUL-terminated, 0 for none. */
static size_t threads_file(const char *path, char *text, size_t size)
{
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && have < size - 1) {
        ssize_t got = read(fd, text + have, size - 1 - have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    text[have] = '\0';
    return have;
}

/* Cores that a group's quota allows, rounded up; 0: no quota.  The second
 * version of cgroups has "QUOTA PERIOD" in one file, the first in two. */
static int threads_quota(const char *group)
{
    char path[600], text[64], *end;
    int64_t quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", group);
    if (threads_file(path, text, sizeof text)) {
        quota = strtoll(text, &end, 10);         /* 0: "max"               */
        period = strtoll(end, NULL, 10);
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", group);
        if (!threads_file(path, text, sizeof text))
            return 0;
        quota = strtoll(text, NULL, 10);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", group);
        threads_file(path, text, sizeof text);
        period = strtoll(text, NULL, 10);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (int)lh_min64((quota - 1) / period + 1, 1 << 20);
}

/* The lowest quota on the way from a group to the root of a mount.  Within a
 * container the group may be the host's name for what is mounted as the root:
 * then only the root is there. */
static int threads_quota_above(const char *mount, const char *group,
                               size_t size, int least)
{
    char path[512];
    if (strlen(mount) + size >= sizeof path)
        return least;
    for (;;) {
        snprintf(path, sizeof path, "%s%.*s", mount, (int)size, group);
        int quota = threads_quota(path);
        if (quota && quota < least)
            least = quota;
        if (size == 0)
            return least;
        do
            size--;
        while (size && group[size] != '/');
    }
}

/* Whether a list of controllers, "cpu,cpuacct:...", has cpu. */
static bool threads_has_cpu(const char *names)
{
    for (;;) {
        size_t size = strcspn(names, ",:\n");
        if (size == 3 && strncmp(names, "cpu", 3) == 0)
            return true;
        if (names[size] != ',')
            return false;
        names += size + 1;
    }
}

/* Lines of /proc/self/cgroup: "0::/GROUP", "4:cpu,cpuacct:/GROUP". */
LH_INTERNAL int lh_threads_quota(const char *root, int cores)
{
    char text[4096], path[200];
    if (strlen(root) > 100)
        return cores;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    threads_file(path, text, sizeof text);
    for (const char *line = text; *line; ) {
        const char *end = line + strcspn(line, "\n");
        const char *names = strchr(line, ':');
        const char *group = names ? strchr(names + 1, ':') : NULL;
        if (group && group < end &&
            (names[1] == ':' || threads_has_cpu(names + 1))) {
            snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root,
                     names[1] == ':' ? "" : "/cpu");
            group++;
            cores = threads_quota_above(path, group, (size_t)(end - group),
                                        cores);
        }
        line = *end ? end + 1 : end;
    }
    return cores;
}

LH_INTERNAL int lh_threads_available(void)
{
    int cores = 0;
    for (size_t sets = 1; sets <= 64 && !cores; sets *= 4) {
        cpu_set_t allowed[64];                   /* up to 65,536 of them   */
        if (!sched_getaffinity(0, sets * sizeof allowed[0], allowed))
            cores = CPU_COUNT_S(sets * sizeof allowed[0], allowed);
    }
    if (cores < 1)
        cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 1 ? lh_threads_quota("", cores) : 1;
}
#else
LH_INTERNAL int lh_threads_quota(const char *root, int cores)
{
    (void)root;
    return cores;
}

LH_INTERNAL int lh_threads_available(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 1 << 20 ? 1 << 20 : (int)cores;
}
#endif
