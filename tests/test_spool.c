/* Data that is larger than memory: its tokens in files give the same windows,
 * batches and weights as in memory; files that are others', cut or damaged;
 * failing system calls and failing memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "longhand.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostile.h"
#include "model_help.h"
#include "tokenizer/tokenizer.h"
#include "train/spool.h"

static char folder[64], path[80], tokens[96], windows[96];

static lh_dataset *data_open(lh_context *ctx, const char *name,
                             lh_documents by, int64_t memory)
{
    const char *file = name;
    lh_sources what = { .path = &file, .paths = 1, .by = by,
                        .memory = memory };
    return lh_dataset_open(ctx, &what);
}

static char *data_write(char *name, size_t room, const char *text,
                        size_t size)
{
    snprintf(name, room, "%s/text", folder);
    FILE *f = fopen(name, "wb");
    if (f) {
        fwrite(text, 1, size, f);
        fclose(f);
    }
    return name;
}

static char *data_make(size_t *size, int lines)
{
    char *text = malloc((size_t)lines * 40);
    *size = 0;
    for (int i = 0; i < lines; i++)
        *size += (size_t)sprintf(text + *size, "%.*s of %d\n", i % 17 + 1,
                                 "a line of letters", i * i);
    return text;
}

/* Both give the same windows, in each kind of document. */
static void same(lh_context *ctx, const char *name, lh_documents by,
                 double held_out, const lh_tokenizer *k)
{
    lh_windows a, b;
    lh_dataset *small = data_open(ctx, name, by, 0);
    lh_dataset *large = data_open(ctx, name, by, 1);
    lh_windows_of of[2] = { { k, small, 7, held_out, 3 },
                            { k, large, 7, held_out, 3 } };
    unlink(tokens), unlink(windows);
    CHECK_OK(ctx, lh_windows_open(ctx, &a, &of[0], path));
    for (int again = 0; again < 2; again++) {
        CHECK_OK(ctx, lh_windows_open(ctx, &b, &of[1], path));
        CHECK(a.window && !b.window && !b.tokens);
        CHECK(a.hash == b.hash && a.bytes == b.bytes);
        CHECK_EQ_INT(a.count, b.count);
        CHECK_EQ_INT(a.training, b.training);
        CHECK_EQ_INT(a.longest, b.longest);
        lh_packer p, q;
        CHECK_OK(ctx, lh_packer_make(ctx, &p, 1, 7));
        CHECK_OK(ctx, lh_packer_make(ctx, &q, 1, 7));
        bool equal = a.count == b.count;
        for (int64_t i = 0; i < a.count && equal; i++) {
            p.batch.documents = q.batch.documents = 0;
            equal = !lh_packer_add(&p, &a, i) && !lh_packer_add(&q, &b, i);
            size_t bytes = (size_t)p.offsets[1] * sizeof *p.tokens;
            equal = equal && p.offsets[1] == q.offsets[1] &&
                    !memcmp(p.tokens, q.tokens, bytes) &&
                    !memcmp(p.targets, q.targets, bytes);
        }
        CHECK(equal);
        lh_packer_free(ctx, &p), lh_packer_free(ctx, &q);
        lh_windows_free(&b);
    }
    lh_windows_free(&a);
    lh_dataset_free(small), lh_dataset_free(large);
    CHECK_STR(lh_error_message(ctx), "");
}

/* A SentencePiece model that no tokenizer.json can say: pieces <unk>, the
 * space's mark, a, e, and the user's symbol "ine"; byte pairs. */
static const char unsavable[] = "\x0a\x09\x0a\x05<unk>\x18\x02"
    "\x0a\x05\x0a\x03\xe2\x96\x81" "\x0a\x03\x0a\x01" "a"
    "\x0a\x03\x0a\x01" "e" "\x0a\x07\x0a\x03" "ine\x18\x04"
    "\x12\x02\x18\x02";

static void test_same(lh_context *ctx)
{
    char name[96];
    size_t size;
    char *text = data_make(&size, 3000);
    lh_tokenizer *k = lh_tokenizer_from(ctx, "unsavable", unsavable,
                                        sizeof unsavable - 1, NULL);
    data_write(name, sizeof name, text, size);
    CHECK_EQ_INT(lh_tokenizer_savable(ctx, k), LH_ERROR_STATE);
    lh_error_clear(ctx);
    same(ctx, name, LH_DOCUMENTS_LINES, 0.2, k);
    lh_tokenizer_free(k);
    k = lh_tokenizer_bytes(ctx);
    for (int i = 0; i < 6; i++)
        same(ctx, name, i % 2 ? LH_DOCUMENTS_WHOLE : LH_DOCUMENTS_LINES,
             i / 2 * 0.2, k);
    free(text);
    lh_tokenizer_free(k);
}

/* A run on either gives the same weights; other data makes other files. */
static void test_run(lh_context *ctx)
{
    char name[96];
    size_t size;
    char *text = data_make(&size, 500);
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    lh_config c = kind_config(1);
    c.vocabulary = lh_tokenizer_vocabulary(k);
    lh_train_settings s = { .steps = 5, .batch = 3, .held_out = 0.1,
                            .adamw = LH_ADAMW_DEFAULT, .seed = 1,
                            .cache = path };
    lh_model *m[2];
    lh_evaluation loss[2];
    lh_trainer *r[2];
    data_write(name, sizeof name, text, size);
    for (int i = 0; i < 2; i++) {
        lh_dataset *d = data_open(ctx, name, LH_DOCUMENTS_LINES, i);
        m[i] = lh_model_new(ctx, &c, 1);
        r[i] = lh_trainer_new(ctx, m[i], k, d, &s);
        CHECK_OK(ctx, lh_train(r[i], NULL, NULL));
        CHECK_OK(ctx, lh_trainer_evaluate(r[i], NULL, NULL, &loss[i]));
        lh_dataset_free(d);
    }
    CHECK(models_equal(m[0], m[1]) && loss[0].nats == loss[1].nats);
    struct stat before = { 0 }, after = { 0 };
    CHECK(!stat(tokens, &before));
    text[5] = 'q';
    data_write(name, sizeof name, text, size);
    lh_dataset *d = data_open(ctx, name, LH_DOCUMENTS_LINES, 1);
    lh_model *other = lh_model_new(ctx, &c, 1);
    lh_trainer *changed = lh_trainer_new(ctx, other, k, d, &s);
    CHECK(!stat(tokens, &after) && before.st_ino != after.st_ino);
    char saved[96];
    snprintf(saved, sizeof saved, "%s/saved", folder);
    CHECK_OK(ctx, lh_trainer_save(r[0], saved));
    CHECK_FAILS(ctx, LH_ERROR_STATE, "other data",
                lh_trainer_load(changed, saved));
    CHECK_OK(ctx, lh_trainer_load(r[1], saved));
    lh_trainer_free(changed);
    lh_model_free(other);
    lh_dataset_free(d);
    for (int i = 0; i < 2; i++) {
        lh_trainer_free(r[i]);
        lh_model_free(m[i]);
    }
    lh_tokenizer_free(k);
    free(text);
}

/* Fewer windows than a step takes: each comes more than once. */
static void test_few(lh_context *ctx)
{
    char name[96];
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    lh_config c = kind_config(1);
    c.vocabulary = lh_tokenizer_vocabulary(k);
    lh_train_settings s = { .steps = 2, .batch = 3000, .micro_batch = 100,
                            .adamw = LH_ADAMW_DEFAULT, .seed = 1,
                            .cache = path };
    lh_model *m[2];
    data_write(name, sizeof name, "one\ntwo\nthree\n", 14);
    for (int i = 0; i < 2; i++) {
        lh_dataset *d = data_open(ctx, name, LH_DOCUMENTS_LINES, i);
        m[i] = lh_model_new(ctx, &c, 1);
        lh_trainer *r = lh_trainer_new(ctx, m[i], k, d, &s);
        CHECK_OK(ctx, lh_train(r, NULL, NULL));
        lh_trainer_free(r);
        lh_dataset_free(d);
    }
    CHECK(models_equal(m[0], m[1]));
    lh_model_free(m[0]);
    lh_model_free(m[1]);
    lh_tokenizer_free(k);
}

/* -------------------------------------------------------------- damage -- */

static char *slurp(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    char *data = calloc(1, 1 << 20);
    *size = f ? fread(data, 1, 1 << 20, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static void spill(const char *name, const char *data, size_t size)
{
    FILE *f = fopen(name, "wb");
    if (f) {
        fwrite(data, 1, size, f);
        fclose(f);
    }
}

/* What is read of all windows: LH_OK, or what was said. */
static lh_status read_windows(lh_context *ctx, const lh_tokenizer *k,
                              const lh_dataset *d, uint64_t *hash)
{
    lh_windows w;
    lh_packer p = { .offsets = NULL };
    lh_windows_of of = { k, d, 7, 0, 1 };
    lh_status status = lh_windows_open(ctx, &w, &of, path);
    if (status)
        return status;
    status = lh_packer_make(ctx, &p, 1, 7);
    for (int64_t i = 0; i < w.count && !status; i++) {
        p.batch.documents = 0;
        status = lh_packer_add(&p, &w, i);
    }
    *hash = w.hash;
    lh_packer_free(ctx, &p);
    lh_windows_free(&w);
    return status;
}

static int no_sync(int fd)
{
    return fd < 0;
}

static void test_damage(lh_context *ctx)
{
    lh_io io = lh_io_system;
    char name[96];
    size_t size, sizes[2];
    uint64_t state = 5, hash = 0, wanted = 0;
    char *text = data_make(&size, 20);
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    data_write(name, sizeof name, text, size);
    lh_dataset *d = data_open(ctx, name, LH_DOCUMENTS_LINES, 1);
    unlink(tokens), unlink(windows);
    CHECK_OK(ctx, read_windows(ctx, k, d, &wanted));
    io.sync = no_sync;
    ctx->io = &io;
    const char *file[2] = { tokens, windows };
    char *good[2] = { slurp(tokens, &sizes[0]), slurp(windows, &sizes[1]) };
    int64_t refused = 0, made = 0;
    for (int i = 0; i < 2; i++)
        for (size_t cut = 0; cut < sizes[i] + 9; cut += 3) {
            spill(tokens, good[0], sizes[0]);
            spill(windows, good[1], sizes[1]);
            spill(file[i], good[i], cut);        /* zeros behind the end   */
            CHECK_OK(ctx, read_windows(ctx, k, d, &hash));
            CHECK(hash == wanted);
        }
    for (int i = 0; i < 2000; i++) {
        int which = i % 2;
        char *bad = malloc(sizes[which]);
        memcpy(bad, good[which], sizes[which]);
        bad[test_random(&state) % sizes[which]] ^=
            (char)(1 << test_random(&state) % 8);
        spill(tokens, good[0], sizes[0]);
        spill(windows, good[1], sizes[1]);
        spill(file[which], bad, sizes[which]);
        lh_status status = read_windows(ctx, k, d, &hash);
        CHECK(!status || status == LH_ERROR_FORMAT);
        refused += status != LH_OK;
        made += !status && which && hash == wanted;
        lh_error_clear(ctx);
        free(bad);
    }
    CHECK(refused > 100 && made > 50);
    spill(tokens, good[0], sizes[0]);
    spill(windows, good[1], sizes[1]);
    free(good[0]), free(good[1]), free(text);
    lh_dataset_free(d);
    lh_tokenizer_free(k);
    ctx->io = &lh_io_system;
}

/* ------------------------------------------------------------- failures -- */

static int64_t calls, fails_at;

static bool fails(void)
{
    if (++calls != fails_at)
        return false;
    errno = ENOSPC;
    return true;
}

static ssize_t failing_write(int fd, const void *data, size_t size)
{
    return fails() ? -1 : lh_io_system.write(fd, data, size);
}

static int failing_sync(int fd)
{
    return fails() ? -1 : no_sync(fd);
}

static int failing_rename(const char *from, const char *to)
{
    return fails() ? -1 : lh_io_system.rename(from, to);
}

static int failing_open(const char *name, int flags, int mode)
{
    return flags & 0100 && fails() ? -1 : lh_io_system.open(name, flags,
                                                            mode);
}

typedef struct exhausted {
    const lh_tokenizer *k;
    const lh_dataset *d;
} exhausted;

static lh_status exhaust(lh_context *ctx, void *arg)
{
    const exhausted *e = arg;
    uint64_t hash;
    unlink(tokens), unlink(windows);
    return read_windows(ctx, e->k, e->d, &hash);
}

static void test_failures(lh_context *ctx)
{
    char name[96];
    size_t size;
    uint64_t hash = 0, wanted = 0;
    char *text = data_make(&size, 40);
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    data_write(name, sizeof name, text, size);
    lh_dataset *d = data_open(ctx, name, LH_DOCUMENTS_LINES, 1);
    CHECK_OK(ctx, read_windows(ctx, k, d, &wanted));
    lh_io io = lh_io_system;
    io.write = failing_write;
    io.sync = failing_sync;
    io.rename = failing_rename;
    io.open = failing_open;
    for (fails_at = 1; fails_at < 100; fails_at++) {
        /* Whatever call fails: next time it is made, and right. */
        unlink(tokens), unlink(windows);
        calls = 0;
        ctx->io = &io;
        lh_status status = read_windows(ctx, k, d, &hash);
        ctx->io = &lh_io_system;
        if (!status)
            break;
        CHECK_EQ_INT(status, LH_ERROR_IO);
        lh_error_clear(ctx);
        CHECK_OK(ctx, read_windows(ctx, k, d, &hash));
        CHECK(hash == wanted);
    }
    CHECK(fails_at > 8 && fails_at < 100);
    exhausted e = { k, d };
    hostile_exhaust("spool", exhaust, &e);
    lh_dataset_free(d);
    lh_tokenizer_free(k);
    free(text);
}

/* Whatever call fails while a checkpoint or a model is written: the old files
 * stand or the new ones, all whole, and nothing is beside them. */
static void test_saving(lh_context *ctx)
{
    char model[96], saved[2][96], command[300];
    lh_tokenizer *k = lh_tokenizer_bytes(ctx);
    lh_dataset *d = lh_dataset_names(ctx);
    lh_config c = kind_config(1);
    c.vocabulary = lh_tokenizer_vocabulary(k);
    lh_train_settings s = { .steps = 9, .batch = 3,
                            .adamw = LH_ADAMW_DEFAULT, .seed = 1 };
    lh_model *m = lh_model_new(ctx, &c, 1), *read;
    lh_trainer *r = lh_trainer_new(ctx, m, k, d, &s);
    size_t size[3];
    char *file[3];
    snprintf(model, sizeof model, "%s/model", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(saved[i], sizeof saved[i], "%s/saved%d", folder, i);
        CHECK_OK(ctx, lh_trainer_step(r, NULL));
        CHECK_OK(ctx, lh_trainer_save(r, saved[i]));
        file[i] = slurp(saved[i], &size[i]);
    }
    CHECK_OK(ctx, lh_model_save(ctx, m, k, model));
    lh_io io = lh_io_system;
    io.write = failing_write;
    io.sync = failing_sync;
    io.rename = failing_rename;
    io.open = failing_open;
    lh_status status = LH_ERROR_IO;
    for (fails_at = 1; status && fails_at < 1000; fails_at++) {
        spill(saved[0], file[0], size[0]);
        calls = 0;
        ctx->io = &io;
        status = lh_trainer_save(r, saved[0]);
        lh_status also = lh_model_save(ctx, m, k, model);
        ctx->io = &lh_io_system;
        status = status ? status : also;
        lh_error_clear(ctx);
        file[2] = slurp(saved[0], &size[2]);
        int same = size[2] == size[1] && !memcmp(file[2], file[1], size[1]);
        CHECK(same || (status && size[2] == size[0] &&
                       !memcmp(file[2], file[0], size[0])));
        CHECK_OK(ctx, lh_model_load(ctx, model, &read, NULL));
        CHECK(models_equal(m, read));
        lh_model_free(read);
        free(file[2]);
    }
    CHECK(fails_at > 10 && fails_at < 1000);
    snprintf(command, sizeof command, "find '%s' | grep -q tmp-", folder);
    CHECK(system(command) != 0);
    free(file[0]), free(file[1]);
    lh_trainer_free(r);
    lh_model_free(m);
    lh_dataset_free(d);
    lh_tokenizer_free(k);
}

int main(void)
{
    lh_context *ctx = lh_context_new(&(lh_settings){ .threads = 1 });
    strcpy(folder, "/tmp/longhand-spool-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/data", folder);
    snprintf(tokens, sizeof tokens, "%s.tokens", path);
    snprintf(windows, sizeof windows, "%s.windows", path);
    test_same(ctx);
    test_run(ctx);
    test_few(ctx);
    test_damage(ctx);
    test_failures(ctx);
    test_saving(ctx);
    CHECK_STR(lh_error_message(ctx), "");
    lh_context_free(ctx);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
    return test_end("spool");
}
