/* A pool of threads that meet: the caller and its workers run one function
 * together and wait for each other.  Workers block all signals (but those
 * that their own faults raise), set the floating-point defaults, spin a
 * little, then yield, then sleep.  A thread that cannot be made means fewer,
 * not failure. */
#pragma once

#include "base/base.h"

/* A context asks for no more threads than this: lh_threads() tells. */
enum { LH_THREADS_MOST = 256 };

typedef struct lh_pool lh_pool;

/* The processors that this process may run on (affinity and, on Linux, the
 * cgroup's quota), at least 1. */
LH_INTERNAL int lh_threads_available(void);
/* The least of `cores` and the quotas of this process's cgroups, rounded up,
 * by the files below `root`: "" but in tests. */
LH_INTERNAL int lh_threads_quota(const char *root, int cores);

/* A pool of up to `threads` threads, the caller included.  NULL for 1, for
 * want of memory (nothing is recorded) or where no thread can be made. */
LH_INTERNAL lh_pool *lh_pool_new(lh_context *ctx, int threads);
LH_INTERNAL void lh_pool_free(lh_pool *pool);
/* Threads in the pool, the caller included; 1 for NULL. */
LH_INTERNAL int lh_pool_threads(const lh_pool *pool);

/* Runs fn(arg, i) for i = 0 .. threads-1, i = 0 on the caller, and returns
 * when all are done.  NULL pool: fn(arg, 0).  Not from within fn. */
LH_INTERNAL void lh_pool_run(lh_pool *pool, int threads,
                             void (*fn)(void *arg, int i), void *arg);
/* The same for work that the threads share out among themselves: i = 0 and
 * whoever else comes before the caller is done.  A worker that the operating
 * system has not run by then is not waited for, so that on a busy machine a
 * round takes no longer than the caller alone. */
LH_INTERNAL void lh_pool_share(lh_pool *pool, int threads,
                               void (*fn)(void *arg, int i), void *arg);
