/* Files, through the context's system calls.
 *
 * Owns: retrying what is interrupted or short, telling errno in words, and
 * the order of a write that loses nothing: new file aside, its bytes synced,
 * renamed over the old, the directory synced.  Killed at any instant, PATH
 * is the old file or the new one (a stray PATH.tmp-* may be left behind).
 * Refuses: to write over what is no regular file (/dev/null, a terminal). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/sabotage.h"

/* One call moves at most this much: Linux stops a little below 2 GiB. */
enum { FILE_CHUNK = 1 << 30 };
/* What has no size beforehand (a pipe, /dev/zero) may give this much. */
static const size_t file_endless = (size_t)1 << 31;
/* Names tried aside: PATH.tmp-<pid>, then with -1, -2, ... behind it, where
 * a killed run, or another one at work, has left such a file. */
enum { FILE_ASIDE_NAMES = 1000 };

/* -------------------------------------------------------- system calls -- */

static int file_open(const char *path, int flags, int mode)
{
    return open(path, flags, mode);
}

static int64_t file_size(int fd)
{
    struct stat facts = { 0 };   /* clang 14's MSan does not know fstat()  */
    if (fstat(fd, &facts) || !S_ISREG(facts.st_mode))
        return -1;
    return facts.st_size;
}

static int file_sync(int fd)
{
#ifdef F_FULLFSYNC
    /* macOS: fsync leaves the bytes in the drive's cache. */
    if (!fcntl(fd, F_FULLFSYNC))
        return 0;
#endif
    return fsync(fd);
}

LH_TABLE_DEFINED const lh_io lh_io_system = {
    file_open, read, write, file_size, file_sync,
    close, rename, unlink, mkdir, pread,
};

/* -------------------------------------------------------------- errors -- */

/* Records that `what` ("read", "write", ...) failed for `path`.  errno in
 * words: strerror() is neither thread-safe nor the same in every locale. */
static lh_status file_fail(lh_context *ctx, const char *what,
                           const char *path, int error)
{
    static const struct {
        int error;
        const char *text;
    } row[] = {
        { ENOENT, "there is no such file or directory" },
        { EACCES, "permission denied" },
        { EPERM, "not permitted" },
        { EISDIR, "it is a directory" },
        { ENOTDIR, "a part of the path is not a directory" },
        { EEXIST, "it is there already" },
        { ENOSPC, "no space is left on the device: free some" },
        { EDQUOT, "the disk quota is used up: free some space" },
        { EFBIG, "the file system does not take a file that large" },
        { EROFS, "the file system is read-only" },
        { EMFILE, "too many files are open in this process" },
        { ENFILE, "too many files are open on this machine" },
        { ENAMETOOLONG, "the name is too long" },
        { ELOOP, "too many symbolic links" },
        { ENOMEM, "out of memory" },
        { EIO, "input/output error: the device may be failing" },
        { EPIPE, "the reader is gone" },
        { EXDEV, "it is on another file system" },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++)
        if (row[i].error == error)
            return lh_fail(ctx, LH_ERROR_IO, "cannot %s %s: %s", what, path,
                           row[i].text);
    return lh_fail(ctx, LH_ERROR_IO, "cannot %s %s: system error %d", what,
                   path, error);
}

/* open() that goes on after a signal. */
static int file_open_again(lh_context *ctx, const char *path, int flags)
{
    int fd;
    do
        fd = ctx->io->open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int file_sync_again(lh_context *ctx, int fd)
{
    int result;
    if (SABOTAGED(skipped_sync))
        return 0;
    do
        result = ctx->io->sync(fd);
    while (result && errno == EINTR);
    return result;
}

/* ------------------------------------------------------------- reading -- */

/* The size of the regular file at path; -1: it is another thing, -2: there is
 * none, or one that we may not read. */
static int64_t file_look(lh_context *ctx, const char *path)
{
    int fd = file_open_again(ctx, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -2;
    int64_t size = ctx->io->size(fd);
    (void)ctx->io->close(fd);
    return size;
}

LH_INTERNAL bool lh_file_there(lh_context *ctx, const char *path)
{
    return file_look(ctx, path) != -2;
}

LH_INTERNAL lh_status lh_reader_open(lh_context *ctx, lh_reader *r,
                                     const char *path)
{
    *r = (lh_reader){ .fd = -1 };
    char *copy = lh_text_copy(ctx, path);
    if (!copy)
        return LH_ERROR_MEMORY;
    int fd = file_open_again(ctx, path, O_RDONLY);
    if (fd < 0) {
        lh_free(ctx, copy);
        return file_fail(ctx, "open", path, errno);
    }
    *r = (lh_reader){ ctx, copy, fd, ctx->io->size(fd) };
    return LH_OK;
}

/* A file's size is a hint: it may change meanwhile, and is 0 for those that
 * the kernel makes up (/proc). */
LH_INTERNAL lh_status lh_reader_all(const lh_reader *r, lh_buffer *buffer)
{
    lh_context *ctx = r->ctx;
    size_t limit = r->size < 0 ? file_endless : SIZE_MAX;
    /* One byte more than told, so that the read that finds the end of the
     * file has room to be one. */
    lh_status status = r->size > 0 && (uint64_t)r->size > SIZE_MAX / 2
        ? lh_fail(ctx, LH_ERROR_MEMORY, "%s is larger than this machine's"
                  " memory can be", r->path)
        : lh_buffer_reserve(ctx, buffer, r->size > 0 ? (size_t)r->size + 2
                                                     : 4097);
    while (!status) {
        size_t room = buffer->capacity - 1 - buffer->size;
        int64_t got = ctx->io->read(r->fd, buffer->data + buffer->size,
                                    room < FILE_CHUNK ? room : FILE_CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        buffer->size += got > 0 ? (size_t)got : 0;
        if (got < 0)
            status = file_fail(ctx, "read", r->path, errno);
        else if (buffer->size > limit)
            status = lh_fail(ctx, LH_ERROR_IO, "%s gives more than 2 GiB and"
                             " is no regular file: save it as one first",
                             r->path);
        else if (buffer->size == buffer->capacity - 1)
            status = buffer->capacity > SIZE_MAX / 2
                ? lh_fail(ctx, LH_ERROR_MEMORY, "%s is too large", r->path)
                : lh_buffer_reserve(ctx, buffer, 2 * buffer->capacity);
    }
    if (status)
        lh_buffer_free(ctx, buffer);
    else
        buffer->data[buffer->size] = 0;
    return status;
}

LH_INTERNAL lh_status lh_reader_at(const lh_reader *r, void *data,
                                   size_t size, int64_t offset)
{
    char *to = data;
    while (size) {
        int64_t got = r->ctx->io->read_at(
            r->fd, to, size < FILE_CHUNK ? size : FILE_CHUNK, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_fail(r->ctx, "read", r->path, errno);
        if (got == 0)
            return lh_fail(r->ctx, LH_ERROR_IO, "cannot read %s: it has"
                           " become shorter meanwhile", r->path);
        to += got;
        offset += got;
        size -= (size_t)got;
    }
    return LH_OK;
}

/* What was read is read, whatever close() says. */
LH_INTERNAL void lh_reader_close(lh_reader *r)
{
    if (!r->ctx)
        return;
    (void)r->ctx->io->close(r->fd);
    lh_free(r->ctx, r->path);
    *r = (lh_reader){ .fd = -1 };
}

LH_INTERNAL lh_status lh_file_read(lh_context *ctx, const char *path,
                                   lh_buffer *buffer)
{
    lh_reader r;
    *buffer = (lh_buffer){ 0 };
    lh_status status = lh_reader_open(ctx, &r, path);
    if (!status)
        status = lh_reader_all(&r, buffer);
    lh_reader_close(&r);
    return status;
}

/* ------------------------------------------------------------- writing -- */

/* The first failure: nothing is left beside PATH. */
static lh_status writer_fail(lh_writer *w, lh_status status)
{
    if (!w->status)
        w->status = status;
    if (w->fd >= 0) {
        (void)w->ctx->io->close(w->fd);
        (void)w->ctx->io->unlink(w->aside);
    }
    w->fd = -1;
    return w->status;
}

static lh_status writer_fail_errno(lh_writer *w, const char *what)
{
    int error = errno;
    return writer_fail(w, file_fail(w->ctx, what, w->path, error));
}

LH_INTERNAL lh_status lh_writer_begin(lh_context *ctx, lh_writer *w,
                                      const char *path)
{
    *w = (lh_writer){ .ctx = ctx, .fd = -1 };
    size_t room = strlen(path) + 48;
    w->path = lh_text_copy(ctx, path);
    w->aside = w->path ? lh_alloc(ctx, room, 1) : NULL;
    if (!w->aside)
        return writer_fail(w, LH_ERROR_MEMORY);
    /* A device or directory there is not to be replaced by a file. */
    if (file_look(ctx, path) == -1)
        return writer_fail(w, lh_fail(ctx, LH_ERROR_IO, "cannot write %s: it"
                                      " is there and no regular file", path));
    for (int i = 0; i < FILE_ASIDE_NAMES; i++) {
        int end = snprintf(w->aside, room, "%s.tmp-%ld", path,
                           (long)getpid());
        if (i)
            snprintf(w->aside + end, room - (size_t)end, "-%d", i);
        w->fd = file_open_again(ctx, w->aside, O_WRONLY | O_CREAT | O_EXCL);
        if (w->fd >= 0)
            return LH_OK;
        if (errno != EEXIST)
            break;
    }
    return writer_fail(w, file_fail(ctx, "make", w->aside, errno));
}

LH_INTERNAL lh_status lh_writer_add(lh_writer *w, const void *data,
                                    size_t size)
{
    const char *bytes = data;
    if (!w->status && w->fd < 0)
        return lh_fail(w->ctx, LH_ERROR_STATE, "a write after the end");
    while (!w->status && size) {
        size_t chunk = size < FILE_CHUNK ? size : FILE_CHUNK;
        int64_t put = w->ctx->io->write(w->fd, bytes, chunk);
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;         /* POSIX has no other meaning for it   */
        if (put <= 0)
            return writer_fail_errno(w, "write");
        bytes += put;
        size -= (size_t)put;
    }
    return w->status;
}

/* PATH's directory, its part before the last '/', opened before anything is
 * renamed: if it cannot be, the old file stands. */
static int writer_open_directory(lh_writer *w)
{
    const char *slash = strrchr(w->path, '/');
    char *directory = lh_text_copy(w->ctx, slash ? w->path : ".");
    if (!directory) {
        writer_fail(w, LH_ERROR_MEMORY);
        return -1;
    }
    if (slash)
        directory[slash == w->path ? 1 : slash - w->path] = '\0';
    int fd = file_open_again(w->ctx, directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        int error = errno;
        writer_fail(w, file_fail(w->ctx, "open the directory", directory,
                                 error));
    }
    lh_free(w->ctx, directory);
    return fd;
}

LH_INTERNAL lh_status lh_writer_commit(lh_writer *w)
{
    const lh_io *io = w->ctx->io;
    if (w->status)
        return w->status;
    if (w->fd < 0)
        return lh_fail(w->ctx, LH_ERROR_STATE, "a write after the end");
    if (file_sync_again(w->ctx, w->fd))
        return writer_fail_errno(w, "write");
    int directory = writer_open_directory(w);
    if (directory < 0)
        return w->status;
    /* After the sync a failing close loses nothing, but it is a failing
     * device: the old file is the better one.  EINTR closes too. */
    int fd = w->fd, error = 0;
    w->fd = -1;
    if ((io->close(fd) && errno != EINTR) || io->rename(w->aside, w->path)) {
        error = errno;
        (void)io->unlink(w->aside);
        w->status = file_fail(w->ctx, "write", w->path, error);
    } else if (file_sync_again(w->ctx, directory) && errno != EINVAL
               && errno != ENOTSUP) {
        /* Some file systems cannot sync a directory, and say so. */
        w->status = file_fail(w->ctx, "make safe the directory of", w->path,
                              errno);
    }
    (void)io->close(directory);
    return w->status;
}

LH_INTERNAL void lh_writer_abandon(lh_writer *w)
{
    if (w->fd >= 0)
        writer_fail(w, LH_ERROR_STOPPED);
    lh_free(w->ctx, w->path);
    lh_free(w->ctx, w->aside);
    w->path = w->aside = NULL;
}

LH_INTERNAL lh_status lh_file_write(lh_context *ctx, const char *path,
                                    const void *data, size_t size)
{
    lh_writer w;
    lh_writer_begin(ctx, &w, path);
    lh_writer_add(&w, data, size);
    lh_status status = lh_writer_commit(&w);
    lh_writer_abandon(&w);
    return status;
}

/* --------------------------------------------------------- directories -- */

LH_INTERNAL lh_status lh_directory_make(lh_context *ctx, const char *path)
{
    size_t length = strlen(path);
    char *part = lh_alloc(ctx, length + 1, 1);
    if (!part)
        return LH_ERROR_MEMORY;
    lh_status status = LH_OK;
    for (size_t i = 0; i < length && !status; i++) {
        part[i] = path[i];
        bool last = i + 1 == length;
        if (path[i] == '/' || (!last && path[i + 1] != '/'))
            continue;
        if (ctx->io->mkdir(part, 0777) && errno != EEXIST)
            status = file_fail(ctx, "make the directory", part, errno);
    }
    lh_free(ctx, part);
    if (status)
        return status;
    int fd = file_open_again(ctx, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return file_fail(ctx, "use as a directory", path, errno);
    (void)ctx->io->close(fd);
    return LH_OK;
}

LH_INTERNAL char *lh_path_join(lh_context *ctx, const char *directory,
                               const char *name)
{
    bool slash = *directory && !lh_text_ends(directory, "/");
    return lh_text_join(ctx, directory, slash ? "/" : "", name);
}
