/* Files: every system call is made to fail, to be short and to be
 * interrupted; the old file or the new one is there, and nothing else. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

static hostile_memory memory;
static lh_context ctx;
static char root[64];                  /* a folder of our own              */

/* ----------------------------------------------- system calls that fail -- */

/* Each call is counted, noted by its letter, and may be made to fail. */
static struct {
    int64_t calls, fail_at;            /* 0: none                          */
    int error;
    int64_t room;                      /* bytes until ENOSPC; < 0: endless */
    bool is_short, interrupt, zero_write;
    int64_t told;                      /* size() says this; -2: the truth  */
    char trace[4096];                  /* letters of the calls             */
    char failed;                       /* the letter of the one that did   */
    bool toggle;
} fault;
static int64_t open_files;             /* opened and not closed            */

static void fault_reset(void)
{
    memset(&fault, 0, sizeof fault);
    fault.room = -1;
    fault.told = -2;
}

static bool fault_here(char letter)
{
    size_t length = strlen(fault.trace);
    if (fault.interrupt && strchr("orwsc", letter)
        && (fault.toggle = !fault.toggle)) {
        errno = EINTR;
        return letter != 'c';          /* close() closes nevertheless      */
    }
    if (length + 1 < sizeof fault.trace)
        fault.trace[length] = letter;
    if (++fault.calls != fault.fail_at)
        return false;
    fault.failed = letter;
    errno = fault.error;
    return true;
}

static bool is_directory(int fd)
{
    struct stat facts = { 0 };
    return !fstat(fd, &facts) && S_ISDIR(facts.st_mode);
}

static int bad_open(const char *path, int flags, int mode)
{
    char letter = flags & O_CREAT ? 'a' : flags & O_DIRECTORY ? 'd' : 'o';
    if (fault_here(letter))
        return -1;
    int fd = lh_io_system.open(path, flags, mode);
    open_files += fd >= 0;
    return fd;
}

static ssize_t bad_read(int fd, void *data, size_t size)
{
    if (fault_here('r'))
        return -1;
    return lh_io_system.read(fd, data, fault.is_short && size ? 1 : size);
}

static ssize_t bad_write(int fd, const void *data, size_t size)
{
    if (fault_here('w'))
        return -1;
    if (fault.zero_write)
        return 0;
    if (fault.room == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (fault.room > 0 && (int64_t)size > fault.room)
        size = (size_t)fault.room;
    if (fault.is_short && size)
        size = 1;
    int64_t put = lh_io_system.write(fd, data, size);
    fault.room -= fault.room > 0 ? put : 0;
    return put;
}

static int64_t bad_size(int fd)
{
    return fault_here('z') ? -1
         : fault.told != -2 ? fault.told : lh_io_system.size(fd);
}

static int bad_sync(int fd)
{
    return fault_here(is_directory(fd) ? 'S' : 's') ? -1
                                                    : lh_io_system.sync(fd);
}

static int bad_close(int fd)
{
    bool failing = fault_here('c');
    int result = lh_io_system.close(fd);
    open_files--;
    return failing ? -1 : result;
}

static int bad_rename(const char *from, const char *to)
{
    return fault_here('m') ? -1 : lh_io_system.rename(from, to);
}

static int bad_unlink(const char *path)
{
    return fault_here('u') ? -1 : lh_io_system.unlink(path);
}

static int bad_mkdir(const char *path, mode_t mode)
{
    return fault_here('k') ? -1 : lh_io_system.mkdir(path, mode);
}

static ssize_t bad_read_at(int fd, void *data, size_t size, off_t offset)
{
    if (fault_here('r'))
        return -1;
    return lh_io_system.read_at(fd, data,
                                fault.is_short && size ? 1 : size, offset);
}

static const lh_io bad_io = {
    bad_open, bad_read, bad_write, bad_size, bad_sync, bad_close,
    bad_rename, bad_unlink, bad_mkdir, bad_read_at,
};

/* ----------------------------------------------------------- the folder -- */

static const char *in_root(const char *name)
{
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", root, name);
    return path[turn];
}

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = -2;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

/* Written without the library. */
static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static bool holds(const char *path, const char *text)
{
    char found[256] = { 0 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t size = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    return size == strlen(text) && !memcmp(found, text, size);
}

/* -------------------------------------------------------------- writing -- */

static void test_order(void)
{
    const char *path = in_root("order");
    fault_reset();
    CHECK_EQ_INT(lh_file_write(&ctx, path, "new", 3), LH_OK);
    /* Is there an old one? no; aside, write, sync, the directory opened,
     * close, rename, sync of the directory, close. */
    CHECK_STR(fault.trace, "oawsdcmSc");
    CHECK(holds(path, "new"));
    fault_reset();
    CHECK_EQ_INT(lh_file_write(&ctx, path, "newer", 5), LH_OK);
    CHECK_STR(fault.trace, "ozcawsdcmSc");
    CHECK(holds(path, "newer"));
    fault_reset();
    CHECK_EQ_INT(lh_file_write(&ctx, path, "", 0), LH_OK);
    CHECK(holds(path, ""));
    CHECK_EQ_INT(entries(root), 1);
    unlink(path);
    /* Beside the current directory's file, too. */
    char before[4096];
    CHECK(getcwd(before, sizeof before) && !chdir(root));
    CHECK_EQ_INT(lh_file_write(&ctx, "here", "new", 3), LH_OK);
    CHECK(holds("here", "new") && !unlink("here"));
    CHECK(!chdir(before));
}

static void test_failing_writes(int error)
{
    const char *path = in_root("file");
    int failures = 0;
    for (int64_t n = 1; n < 100; n++) {
        put(path, "the old one");
        fault_reset();
        fault.fail_at = n;
        fault.error = error;
        lh_error_clear(&ctx);
        lh_status status = lh_file_write(&ctx, path, "the new one!", 12);
        if (!status) {
            CHECK(holds(path, "the new one!"));
        } else {
            failures++;
            CHECK_EQ_INT(status, LH_ERROR_IO);
            CHECK(strstr(ctx.message, root) != NULL);
            /* After the rename there is no way back: the new one is whole,
             * and the message says what is not sure. */
            CHECK(holds(path, fault.failed == 'S' ? "the new one!"
                                                  : "the old one"));
            CHECK(fault.failed != 'S'
                  || strstr(ctx.message, "make safe the directory"));
        }
        CHECK_EQ_INT(entries(root), 1);
        if (!fault.failed)
            break;
        /* The context goes on working. */
        fault_reset();
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_file_write(&ctx, path, "again", 5), LH_OK);
    }
    CHECK(failures >= 6 && !fault.failed);
    CHECK_EQ_INT(memory.live, 0);
    unlink(path);
}

static void test_odd_writes(void)
{
    const char *path = in_root("file");
    put(path, "old");
    fault_reset();
    fault.is_short = fault.interrupt = true;
    CHECK_EQ_INT(lh_file_write(&ctx, path, "a letter at a time", 18), LH_OK);
    CHECK(holds(path, "a letter at a time"));
    for (int64_t room = 0; room < 10; room++) {
        fault_reset();
        fault.room = room;
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_file_write(&ctx, path, "0123456789", 10),
                     LH_ERROR_IO);
        CHECK(strstr(ctx.message, "no space is left") != NULL);
        CHECK(holds(path, "a letter at a time"));
        CHECK_EQ_INT(entries(root), 1);
    }
    fault_reset();
    fault.zero_write = true;
    lh_error_clear(&ctx);
    errno = 0;
    CHECK_EQ_INT(lh_file_write(&ctx, path, "0", 1), LH_ERROR_IO);
    CHECK(strstr(ctx.message, "no space is left") != NULL);
    /* A stranger's file aside is not ours to touch. */
    char aside[600];
    snprintf(aside, sizeof aside, "%s.tmp-%ld", path, (long)getpid());
    put(aside, "somebody's");
    fault_reset();
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_file_write(&ctx, path, "mine", 4), LH_OK);
    CHECK(holds(path, "mine") && holds(aside, "somebody's"));
    CHECK_EQ_INT(entries(root), 2);
    unlink(aside);
    /* Begun and given up. */
    lh_writer w;
    CHECK_EQ_INT(lh_writer_begin(&ctx, &w, path), LH_OK);
    CHECK_EQ_INT(lh_writer_add(&w, "half", 4), LH_OK);
    lh_writer_abandon(&w);
    lh_writer_abandon(&w);
    CHECK(holds(path, "mine"));
    CHECK_EQ_INT(entries(root), 1);
    /* A failed writer stays failed. */
    CHECK_EQ_INT(lh_writer_begin(&ctx, &w, path), LH_OK);
    fault_reset();
    fault.room = 0;
    CHECK_EQ_INT(lh_writer_add(&w, "x", 1), LH_ERROR_IO);
    fault_reset();
    CHECK_EQ_INT(lh_writer_add(&w, "x", 1), LH_ERROR_IO);
    CHECK_EQ_INT(lh_writer_commit(&w), LH_ERROR_IO);
    lh_writer_abandon(&w);
    CHECK(holds(path, "mine"));
    unlink(path);
    CHECK_EQ_INT(entries(root), 0);
    CHECK_EQ_INT(memory.live, 0);
}

/* Pieces of a file, with every call failing once. */
static void test_reader(void)
{
    const char *path = in_root("file");
    lh_reader r;
    char got[4] = "";
    int failures = 0;
    put(path, "0123456789");
    for (int64_t n = 1; n < 20; n++) {
        fault_reset();
        fault.fail_at = n;
        fault.error = EIO;
        lh_error_clear(&ctx);
        lh_status status = lh_reader_open(&ctx, &r, path);
        if (!status)
            status = lh_reader_at(&r, got, 3, 5);
        lh_reader_close(&r);
        lh_reader_close(&r);
        failures += status == LH_ERROR_IO && strstr(ctx.message, path);
        CHECK(status || !strcmp(got, "567"));
        CHECK_EQ_INT(open_files, 0);
        if (!fault.failed)
            break;
    }
    CHECK_EQ_INT(failures, 2);                   /* open and read          */
    fault_reset();
    fault.is_short = fault.interrupt = true;
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_reader_open(&ctx, &r, path), LH_OK);
    CHECK_EQ_INT(r.size, 10);
    CHECK_EQ_INT(lh_reader_at(&r, got, 3, 7), LH_OK);
    CHECK_STR(got, "789");
    CHECK_EQ_INT(lh_reader_at(&r, got, 3, 8), LH_ERROR_IO);
    CHECK(strstr(ctx.message, "shorter") != NULL);
    lh_reader_close(&r);
    unlink(path);
    CHECK_EQ_INT(memory.live, 0);
}

/* What a write must not replace. */
static void test_targets(void)
{
    struct stat facts = { 0 };
    static const char *const bad[] = { "/dev/null", "/", "/dev/full" };
    for (size_t i = 0; i < LH_COUNT(bad); i++) {
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_file_write(&ctx, bad[i], "x", 1), LH_ERROR_IO);
        CHECK(strstr(ctx.message, "no regular file") != NULL);
    }
    CHECK(!stat("/dev/null", &facts) && S_ISCHR(facts.st_mode));
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_file_write(&ctx, in_root("no/such"), "x", 1),
                 LH_ERROR_IO);
    CHECK(strstr(ctx.message, "there is no such file or directory"));
    CHECK_EQ_INT(entries(root), 0);
}

/* A process that writes two versions in turn and is killed at any instant
 * leaves one of them, whole. */
static void test_killed(void)
{
    const char *path = in_root("file");
    static char a[200000], b[100000];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    uint64_t state = 5;
    int torn = 0;
    ctx.io = &lh_io_system;
    for (int i = 0; i < 25; i++) {
        lh_file_write(&ctx, path, a, sizeof a);
        pid_t child = fork();
        if (child == 0)
            for (;;) {
                lh_file_write(&ctx, path, b, sizeof b);
                lh_file_write(&ctx, path, a, sizeof a);
            }
        usleep((useconds_t)(test_random(&state) % 8000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        lh_buffer found;
        CHECK_EQ_INT(lh_file_read(&ctx, path, &found), LH_OK);
        torn += !((found.size == sizeof a && !memcmp(found.data, a, sizeof a))
                  || (found.size == sizeof b
                      && !memcmp(found.data, b, sizeof b)));
        lh_buffer_free(&ctx, &found);
    }
    ctx.io = &bad_io;
    CHECK_EQ_INT(torn, 0);
    /* Only files aside may be left of the killed. */
    DIR *directory = opendir(root);
    for (struct dirent *e; directory && (e = readdir(directory));)
        if (e->d_name[0] != '.') {
            CHECK(!strcmp(e->d_name, "file")
                  || !strncmp(e->d_name, "file.tmp-", 9));
            unlink(in_root(e->d_name));
        }
    if (directory)
        closedir(directory);
    CHECK_EQ_INT(entries(root), 0);
}

/* -------------------------------------------------------------- reading -- */

static void test_reading(void)
{
    const char *path = in_root("file");
    static char text[10001];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    put(path, text);
    lh_buffer got;
    /* The size that is told may be anything. */
    static const int64_t told[] = { -2, -1, 0, 1, 9999, 10000, 10001,
                                    50000 };
    for (size_t i = 0; i < 2 * LH_COUNT(told); i++) {
        fault_reset();
        fault.told = told[i / 2];
        fault.is_short = fault.interrupt = i % 2;
        CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_OK);
        CHECK(got.size == 10000 && !memcmp(got.data, text, 10001));
        lh_buffer_free(&ctx, &got);
    }
    int failures = 0;
    for (int64_t n = 1; n < 100; n++) {
        fault_reset();
        fault.fail_at = n;
        fault.error = EIO;
        lh_error_clear(&ctx);
        lh_status status = lh_file_read(&ctx, path, &got);
        if (!status) {
            CHECK(got.size == 10000 && !memcmp(got.data, text, 10001));
            lh_buffer_free(&ctx, &got);
            if (!fault.failed)
                break;
            continue;
        }
        failures++;
        CHECK_EQ_INT(status, LH_ERROR_IO);
        CHECK(strstr(ctx.message, path) != NULL);
        CHECK(!got.data && !got.size);
    }
    CHECK(failures >= 3 && !fault.failed);
    fault_reset();
    put(path, "");
    CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_OK);
    CHECK(got.size == 0 && got.data && got.data[0] == 0);
    lh_buffer_free(&ctx, &got);
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_file_read(&ctx, root, &got), LH_ERROR_IO);
    CHECK(strstr(ctx.message, "it is a directory") != NULL);
    unlink(path);
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_ERROR_IO);
    CHECK(strstr(ctx.message, "there is no such file") != NULL);
    /* A file larger than any memory is refused before it is read. */
    put(path, "x");
    fault_reset();
    fault.told = INT64_MAX - 2;
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_ERROR_MEMORY);
    unlink(path);
    /* Files that the kernel makes up tell the size 0. */
    fault_reset();
    lh_error_clear(&ctx);
    if (!access("/proc/self/status", R_OK)) {
        CHECK_EQ_INT(lh_file_read(&ctx, "/proc/self/status", &got), LH_OK);
        CHECK(got.size > 20);
        lh_buffer_free(&ctx, &got);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* ---------------------------------------------------------- directories -- */

static void test_directories(void)
{
    fault_reset();
    lh_error_clear(&ctx);
    static const char *const good[] = { "a/b//c/", "a/b/c", "a", "d", "e//" };
    for (size_t i = 0; i < LH_COUNT(good); i++) {
        CHECK_EQ_INT(lh_directory_make(&ctx, in_root(good[i])), LH_OK);
        CHECK_EQ_INT(lh_directory_make(&ctx, in_root(good[i])), LH_OK);
        CHECK(entries(in_root(good[i])) >= 0);
    }
    CHECK_EQ_INT(lh_directory_make(&ctx, "/"), LH_OK);
    put(in_root("a/file"), "x");
    static const char *const bad[] = { "a/file", "a/file/below" };
    for (size_t i = 0; i < LH_COUNT(bad); i++) {
        lh_error_clear(&ctx);
        CHECK_EQ_INT(lh_directory_make(&ctx, in_root(bad[i])), LH_ERROR_IO);
        CHECK(strstr(ctx.message, "is not a directory") != NULL);
    }
    CHECK(holds(in_root("a/file"), "x"));
    lh_error_clear(&ctx);
    CHECK_EQ_INT(lh_directory_make(&ctx, ""), LH_ERROR_IO);
    for (int64_t n = 1; n < 100; n++) {
        fault_reset();
        fault.fail_at = n;
        fault.error = EACCES;
        lh_error_clear(&ctx);
        lh_status status = lh_directory_make(&ctx, in_root("f/g"));
        if (!fault.failed)
            break;
        if (!status)
            continue;                  /* a close() that does not matter   */
        CHECK_EQ_INT(status, LH_ERROR_IO);
        CHECK(strstr(ctx.message, "permission denied") != NULL);
    }
    CHECK(!fault.failed && entries(in_root("f/g")) == 0);
    fault_reset();
    unlink(in_root("a/file"));
    static const char *const gone[] = { "a/b/c", "a/b", "a", "d", "e", "f/g",
                                        "f" };
    for (size_t i = 0; i < LH_COUNT(gone); i++)
        CHECK(!rmdir(in_root(gone[i])));
    static const char *const join[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "/", "b", "/b" },
        { "", "b", "b" }, { ".", "b/c", "./b/c" },
    };
    for (size_t i = 0; i < LH_COUNT(join); i++) {
        char *path = lh_path_join(&ctx, join[i][0], join[i][1]);
        CHECK_STR(path, join[i][2]);
        lh_free(&ctx, path);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* --------------------------------------------------------------- memory -- */

static lh_status write_and_read(lh_context *with, void *arg)
{
    const char *path = arg;
    lh_buffer got = { 0 };
    lh_status status = lh_file_write(with, path, "whole", 5);
    CHECK(holds(path, status ? "before" : "whole"));
    if (!status)
        put(path, "before");
    if (!status)
        status = lh_file_read(with, path, &got);
    lh_buffer_free(with, &got);
    return status;
}

int main(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.40s/longhand-XXXXXX", base ? base
                                                               : "/tmp");
    if (!mkdtemp(root)) {
        printf("cannot make %s\n", root);
        return 1;
    }
    ctx = hostile_context(&memory);
    ctx.io = &bad_io;
    test_order();
    test_failing_writes(EIO);
    test_failing_writes(ENOSPC);
    test_odd_writes();
    test_reader();
    test_targets();
    test_killed();
    test_reading();
    test_directories();
    static char path[600];
    snprintf(path, sizeof path, "%s", in_root("memory"));
    put(path, "before");
    hostile_exhaust("files", write_and_read, path);
    unlink(path);
    CHECK(!rmdir(root));
    CHECK_EQ_INT(open_files, 0);
    return test_end("files");
}
