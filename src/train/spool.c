/* Windows of data that is larger than memory, in two files: PATH.tokens, ids
 * of two or four bytes, one behind the other (so that others read it, too),
 * and PATH.windows, where each window begins, and at its end what the files
 * were made from.
 *
 * They are written aside, synced and renamed, the one with the facts last, and
 * used again where these are the same.  Both are untrusted: sizes are checked
 * when they are opened, starts and ids whenever they are read. */
#include "base/strict.h"

#include "base/bits.h"
#include "base/context.h"
#include "tokenizer/tokenizer.h"
#include "train/spool.h"

/* The facts at the end of PATH.windows: eight bytes each, lowest first. */
#define SPOOL_FACTS(X) \
    X(magic) X(key) X(token_count) X(count) X(training) X(longest) X(width) \
    X(bytes) X(hash)
static const uint64_t spool_magic = UINT64_C(0x31736e656b6f746c);
/* Bytes that are collected for a write. */
enum { SPOOL_BLOCK = 1 << 18 };

typedef struct spool_facts {
#define SPOOL_FIELD(name) uint64_t name;
    SPOOL_FACTS(SPOOL_FIELD)
#undef SPOOL_FIELD
} spool_facts;

enum {
#define SPOOL_ONE(name) + 8
    SPOOL_SIZE = 8 SPOOL_FACTS(SPOOL_ONE)        /* and their hash         */
#undef SPOOL_ONE
};

static uint64_t spool_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* All that the windows are a function of. */
static lh_status spool_key(lh_context *ctx, const lh_windows_of *of,
                           uint64_t *key)
{
    lh_data_facts facts;
    lh_buffer json = { 0 };
    lh_dataset_facts(of->d, &facts);
    lh_status status = lh_tokenizer_say(ctx, of->k, &json);
    uint64_t word[] = { facts.hash, (uint64_t)facts.training,
                        (uint64_t)facts.documents, (uint64_t)of->context,
                        of->seed, (uint64_t)lh_tokenizer_vocabulary(of->k) };
    *key = spool_hash(1, word, sizeof word);
    *key = spool_hash(*key, &of->held_out, sizeof of->held_out);
    *key = spool_hash(*key, json.data, json.size);
    lh_buffer_free(ctx, &json);
    return status;
}

/* ------------------------------------------------------------- reading -- */

/* The facts of files that are whole and fit together; false: none. */
static bool spool_facts_read(lh_windows *w, uint64_t key, int64_t context,
                             spool_facts *f)
{
    unsigned char text[SPOOL_SIZE], *at = text;
    int64_t size = w->windows_file.size - SPOOL_SIZE;
    if (size < 0 || lh_reader_at(&w->windows_file, text, sizeof text, size))
        return false;
#define SPOOL_FIELD(name) f->name = lh_little(at, 8), at += 8;
    SPOOL_FACTS(SPOOL_FIELD)
#undef SPOOL_FIELD
    return lh_little(at, 8) == spool_hash(2, text, sizeof text - 8) &&
           f->magic == spool_magic && f->key == key &&
           (f->width == 2 || f->width == 4) &&
           f->token_count <= INT64_MAX / 8 && f->count <= INT64_MAX / 16 &&
           f->count > 0 && f->training > 0 && f->training <= f->count &&
           f->longest > 0 && f->longest <= (uint64_t)context &&
           (uint64_t)w->tokens_file.size == f->token_count * f->width &&
           (uint64_t)size == (f->count + 1) * 8;
}

/* Opens both; LH_ERROR_STATE, unrecorded: they are not those of `key`. */
static lh_status spool_open(lh_windows *w, const char *tokens,
                            const char *windows, uint64_t key,
                            int64_t context)
{
    spool_facts f = { 0 };
    bool clear = lh_error_status(w->ctx) == LH_OK;
    lh_status status = lh_reader_open(w->ctx, &w->windows_file, windows);
    if (!status)
        status = lh_reader_open(w->ctx, &w->tokens_file, tokens);
    if (!status && spool_facts_read(w, key, context, &f)) {
        w->token_count = (int64_t)f.token_count;
        w->count = (int64_t)f.count;
        w->training = (int64_t)f.training;
        w->longest = (int32_t)f.longest;
        w->width = (int)f.width;
        w->bytes = (int64_t)f.bytes;
        w->hash = f.hash;
        return LH_OK;
    }
    lh_reader_close(&w->tokens_file);
    lh_reader_close(&w->windows_file);
    if (status == LH_ERROR_MEMORY)
        return status;
    if (clear)
        lh_error_clear(w->ctx);
    return LH_ERROR_STATE;
}

static lh_status spool_damaged(const lh_reader *file)
{
    return lh_fail(file->ctx, LH_ERROR_FORMAT, "%s is damaged: delete it, it"
                   " is made again", file->path);
}

LH_INTERNAL lh_status lh_spool_window(const lh_windows *w, int64_t i,
                                      lh_window *window)
{
    unsigned char text[16];
    lh_status status = lh_reader_at(&w->windows_file, text, sizeof text,
                                    8 * i);
    if (status)
        return status;
    uint64_t first = lh_little(text, 8), next = lh_little(text + 8, 8);
    if (first >= next || next - first > (uint64_t)w->longest ||
        next >= (uint64_t)w->token_count)
        return spool_damaged(&w->windows_file);
    *window = (lh_window){ (int64_t)first, (int32_t)(next - first) };
    return LH_OK;
}

LH_INTERNAL lh_status lh_spool_tokens(const lh_windows *w, int64_t first,
                                      int64_t count, int32_t *ids)
{
    unsigned char block[4096];
    int64_t most = (int64_t)sizeof block / w->width;
    for (int64_t at = 0; at < count; at += most) {
        int64_t part = lh_min64(most, count - at);
        lh_status status = lh_reader_at(&w->tokens_file, block,
                                        (size_t)(part * w->width),
                                        (first + at) * w->width);
        if (status)
            return status;
        for (int64_t i = 0; i < part; i++) {
            uint64_t id = lh_little(block + i * w->width, w->width);
            if (id >= (uint64_t)w->vocabulary)
                return spool_damaged(&w->tokens_file);
            ids[at + i] = (int32_t)id;
        }
    }
    return LH_OK;
}

/* ------------------------------------------------------------- writing -- */

static lh_status spool_add(lh_spool_file *f, uint64_t value, int width)
{
    if (f->filled + 8 > SPOOL_BLOCK) {
        lh_status status = lh_writer_add(&f->file, f->block, f->filled);
        f->filled = 0;
        if (status)
            return status;
    }
    lh_little_put(f->block + f->filled, value, width);
    f->filled += (size_t)width;
    return LH_OK;
}

LH_INTERNAL lh_status lh_spool_put(lh_spool *c, const int32_t *ids,
                                   int64_t count)
{
    lh_status status = LH_OK;
    for (int64_t i = 0; i < count && !status; i++)
        status = spool_add(&c->tokens, (uint64_t)ids[i], c->width);
    return status;
}

LH_INTERNAL lh_status lh_spool_start(lh_spool *c, int64_t first)
{
    return spool_add(&c->windows, (uint64_t)first, 8);
}

static lh_status spool_begin(lh_context *ctx, lh_spool_file *f,
                             const char *path)
{
    lh_status status = lh_writer_begin(ctx, &f->file, path);
    f->block = status ? NULL : lh_alloc(ctx, SPOOL_BLOCK, 1);
    return status ? status : f->block ? LH_OK : LH_ERROR_MEMORY;
}

static lh_status spool_commit(lh_spool_file *f)
{
    lh_status status = lh_writer_add(&f->file, f->block, f->filled);
    return status ? status : lh_writer_commit(&f->file);
}

static void spool_end(lh_context *ctx, lh_spool_file *f)
{
    if (f->file.ctx)
        lh_writer_abandon(&f->file);
    lh_free(ctx, f->block);
}

/* Tokenizes into the files.  The old facts go first: they must never stand
 * beside tokens that are not theirs. */
static lh_status spool_make(lh_windows *w, const char *tokens,
                            const char *windows, uint64_t key,
                            lh_spool_fill *fill, void *user)
{
    lh_context *ctx = w->ctx;
    lh_spool c = { .width = w->vocabulary > 65536 ? 4 : 2 };
    (void)ctx->io->unlink(windows);
    lh_status status = spool_begin(ctx, &c.tokens, tokens);
    if (!status)
        status = spool_begin(ctx, &c.windows, windows);
    if (!status)
        status = fill(user, &c);
    if (!status)
        status = lh_spool_start(&c, w->token_count - 1);
    const spool_facts f = {
        spool_magic, key, (uint64_t)w->token_count, (uint64_t)w->count,
        (uint64_t)w->training, (uint64_t)w->longest, (uint64_t)c.width,
        (uint64_t)w->bytes, w->hash,
    };
    unsigned char text[SPOOL_SIZE], *at = text;
#define SPOOL_FIELD(name) lh_little_put(at, f.name, 8), at += 8;
    SPOOL_FACTS(SPOOL_FIELD)
#undef SPOOL_FIELD
    lh_little_put(at, spool_hash(2, text, sizeof text - 8), 8);
    for (size_t i = 0; i < sizeof text && !status; i += 8)
        status = spool_add(&c.windows, lh_little(text + i, 8), 8);
    if (!status)
        status = spool_commit(&c.tokens);
    if (!status)
        status = spool_commit(&c.windows);
    spool_end(ctx, &c.tokens);
    spool_end(ctx, &c.windows);
    return status;
}

LH_INTERNAL lh_status lh_spool_open(lh_windows *w, const char *path,
                                    const lh_windows_of *of,
                                    lh_spool_fill *fill, void *user)
{
    uint64_t key = 0;
    char *tokens = lh_text_join(w->ctx, path, ".tokens", "");
    char *windows = tokens ? lh_text_join(w->ctx, path, ".windows", "")
                           : NULL;
    lh_status status = windows ? spool_key(w->ctx, of, &key)
                               : LH_ERROR_MEMORY;
    w->vocabulary = lh_tokenizer_vocabulary(of->k);
    if (!status)
        status = spool_open(w, tokens, windows, key, of->context);
    if (status == LH_ERROR_STATE) {
        status = spool_make(w, tokens, windows, key, fill, user);
        if (!status)
            status = spool_open(w, tokens, windows, key, of->context);
        if (status == LH_ERROR_STATE)
            status = lh_fail(w->ctx, LH_ERROR_IO, "%s and .windows were"
                             " changed by something else", tokens);
    }
    lh_free(w->ctx, tokens);
    lh_free(w->ctx, windows);
    return status;
}

#undef SPOOL_FACTS
