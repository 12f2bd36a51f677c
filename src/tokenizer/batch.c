/* Encoding many texts, or a large one, by all threads of a context.
 *
 * Threads take the next part in turn: some short texts, or a slice of a long
 * one that ends where it may be cut.  Each encodes into memory of its own.
 * When the parts before have their places it takes the next one and copies
 * what it has; until then it encodes further parts, some megabytes at most, so
 * that no thread stands still because another has no core.  So ids are in
 * order, and there only once.  What may be cut where depends on the texts
 * alone, and so do the ids. */
#include "base/context.h"
#include "base/threads.h"
#include "tokenizer/bpe.h"

#include <pthread.h>

/* About so many bytes are a part. */
#define BATCH_PART ((size_t)1 << 16)
/* No more is taken where so many parts or ids have no place yet. */
#define BATCH_AHEAD 64
#define BATCH_IDS ((size_t)1 << 21)

typedef struct batch_part {
    int64_t number;
    int64_t from, to;                  /* texts: all of from .. to - 1,    */
    size_t from_at, to_at;             /* but from this byte on, and of
                                          `to` what is before that one     */
    size_t first, count;               /* of the thread's ids              */
    lh_status status;
} batch_part;

typedef struct batch_worker {
    lh_context ctx;                    /* failures, and memory             */
    lh_status status;                  /* of the last part                 */
    lh_ids ids;
    batch_part part[BATCH_AHEAD];      /* taken, but up to `put` they have */
    int put, taken;                    /* their places                     */
    int64_t at;                        /* the text at hand                 */
} batch_worker;

typedef struct batch_job {
    const lh_tokenizer *k;
    const char *const *text;
    const size_t *size;
    int64_t count;
    const lh_encoding *how;
    batch_worker *worker;              /* [threads]                        */
    pthread_mutex_t mutex;             /* for all below                    */
    pthread_cond_t turned;
    int64_t next;                      /* the text to be taken next,       */
    size_t next_at;                    /* from this byte on                */
    int64_t parts, turn;               /* taken; which may take a place    */
    lh_ids ids;                        /* of all                           */
    size_t wanted;                     /* more of them, 0 if it does       */
    int64_t *offsets;                  /* [count + 1]                      */
    batch_worker *failed;              /* the first by its part            */
} batch_job;

/* Takes a part; false: there is none, or no room.  Locked. */
static bool batch_take(batch_job *job, batch_worker *w)
{
    size_t bytes = 0;
    batch_part *p = &w->part[w->taken];
    if (job->failed || job->wanted || job->next == job->count || w->status ||
        w->taken == BATCH_AHEAD || w->ids.count > BATCH_IDS)
        return false;
    w->taken++;
    p->number = job->parts++;
    p->from = job->next;
    p->from_at = job->next_at;
    while (job->next < job->count) {
        size_t left = job->size[job->next] - job->next_at, cut = 0;
        if (left > BATCH_PART - bytes && bytes)
            break;
        /* Where a table has no such place, it and more are one part. */
        for (size_t most = BATCH_PART; most < left && !cut && job->k->bpe;
             most *= 2)
            cut = lh_tokenizer_cut(job->k, job->text[job->next] +
                                           job->next_at, most);
        if (cut) {
            job->next_at += cut;
            break;
        }
        job->next++;
        job->next_at = 0;
        bytes += left < BATCH_PART ? left : BATCH_PART;
    }
    p->to = job->next;
    p->to_at = job->next_at;
    return true;
}

/* Encodes a part; the offsets of texts are within the thread's ids for now. */
static void batch_encode(const batch_job *job, batch_worker *w)
{
    batch_part *p = &w->part[w->taken - 1];
    p->first = w->ids.count;
    if (job->k->bpe && !w->ids.scratch) {
        w->at = p->from;
        w->ids.scratch = lh_bpe_take(&w->ctx, job->k);
        w->status = w->ids.scratch ? LH_OK : LH_ERROR_MEMORY;
    }
    for (int64_t i = p->from; i <= p->to && !w->status; i++) {
        size_t from = i == p->from ? p->from_at : 0;
        size_t to = i < p->to ? job->size[i] : p->to_at;
        bool first = !from, last = i < p->to;
        if (!last && !to)                        /* none of that one       */
            break;
        if (first)
            job->offsets[i] = (int64_t)w->ids.count;
        w->at = i;
        w->status = lh_tokenizer_some(
            &w->ctx, job->k, to > from ? job->text[i] + from : "", to - from,
            job->how, first, last, &w->ids);
    }
    p->count = w->ids.count - p->first;
    p->status = w->status;
}

/* Takes a place for the ids of the first part that has none, if need be when
 * it is its turn; false: that is not to be had, now or at all. */
static bool batch_put(batch_job *job, batch_worker *w, bool wait)
{
    const batch_part *p = &w->part[w->put];
    pthread_mutex_lock(&job->mutex);
    while (wait && job->turn != p->number && !job->wanted && !job->failed)
        pthread_cond_wait(&job->turned, &job->mutex);
    size_t at = job->ids.count;
    bool fine = job->turn == p->number && !job->wanted && !job->failed;
    if (fine && p->status)
        job->failed = w;
    else if (fine && p->count > job->ids.capacity - at)
        job->wanted = p->count;
    fine &= !job->wanted && !job->failed;
    job->ids.count += fine ? p->count : 0;
    job->turn += fine;
    pthread_cond_broadcast(&job->turned);
    pthread_mutex_unlock(&job->mutex);
    if (!fine)
        return false;
    if (p->count)
        memcpy(job->ids.id + at, w->ids.id + p->first,
               p->count * sizeof *w->ids.id);
    for (int64_t i = p->from + (p->from_at > 0); i < p->to + (p->to_at > 0);
         i++)
        job->offsets[i] += (int64_t)at - (int64_t)p->first;
    if (++w->put == w->taken)
        w->put = w->taken = 0, w->ids.count = 0;
    return true;
}

static void batch_work(void *arg, int thread)
{
    batch_job *job = arg;
    batch_worker *w = &job->worker[thread];
    for (bool more = true; more;) {
        pthread_mutex_lock(&job->mutex);
        more = batch_take(job, w);
        pthread_mutex_unlock(&job->mutex);
        if (more)
            batch_encode(job, w);
        bool wait = !more;
        while (w->taken && batch_put(job, w, wait))
            more = true, wait = false;
    }
}

static lh_status batch_run(lh_context *ctx, batch_job *job, int threads)
{
    do {
        if (!lh_ids_room(ctx, &job->ids, job->wanted))
            return LH_ERROR_MEMORY;
        job->wanted = 0;
        lh_pool_run(ctx->pool, threads, batch_work, job);
    } while (job->wanted);
    const batch_worker *w = job->failed;
    job->offsets[job->count] = (int64_t)job->ids.count;
    return !w ? LH_OK
         : job->count == 1 ? lh_fail(ctx, w->status, "%s", w->ctx.message)
         : lh_fail(ctx, w->status, "text %lld: %s", (long long)w->at,
                   w->ctx.message);
}

LH_API lh_status lh_tokenizer_encode_batch(
    lh_context *ctx, const lh_tokenizer *k, const char *const *text,
    const size_t *size, int64_t count, const lh_encoding *how, int32_t **ids,
    int64_t **offsets)
{
    size_t bytes = 0;
    bool fine = ctx && k && ids && offsets && count >= 0 &&
                (!count || (text && size));
    if (ids)
        *ids = NULL;
    if (offsets)
        *offsets = NULL;
    for (int64_t i = 0; i < count && fine; i++)
        fine = (text[i] || !size[i]) && lh_add_size(bytes, size[i], &bytes);
    if (!fine)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_tokenizer_encode_batch:"
                       " NULL where a tokenizer, texts or a place for the"
                       " result is needed");
    /* A host's allocator is for the host's thread alone. */
    int threads = ctx->allocator.allocate ? 1 : lh_pool_threads(ctx->pool);
    threads = (int)lh_min64(threads, (int64_t)(bytes / BATCH_PART) + 1);
    batch_job job = { .k = k, .text = text, .size = size, .count = count,
                      .how = how, .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .turned = PTHREAD_COND_INITIALIZER };
    job.worker = lh_alloc(ctx, (size_t)threads, sizeof *job.worker);
    job.offsets = lh_alloc(ctx, (size_t)count + 1, sizeof *job.offsets);
    lh_status status = job.worker && job.offsets
        ? lh_ids_begin(ctx, &job.ids, bytes) : LH_ERROR_MEMORY;
    for (int i = 0; i < threads && !status; i++)
        job.worker[i].ctx.allocator = ctx->allocator;
    if (!status)
        status = batch_run(ctx, &job, threads);
    for (int i = 0; job.worker && i < threads; i++) {
        lh_bpe_give(ctx, k, job.worker[i].ids.scratch);
        lh_free(ctx, job.worker[i].ids.id);
    }
    lh_free(ctx, job.worker);
    if (status) {
        lh_free(ctx, job.ids.id);
        lh_free(ctx, job.offsets);
        return status;
    }
    *ids = job.ids.id;
    *offsets = job.offsets;
    return LH_OK;
}

#undef BATCH_PART
#undef BATCH_AHEAD
#undef BATCH_IDS
