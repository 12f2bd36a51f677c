/* Files: read whole or by pieces, written whole or not at all.
 *
 * Every system call goes through the context's lh_io, so that tests can make
 * the n-th one fail.  Errors name the path and say what to do. */
#pragma once

#include "base/base.h"

#include <sys/types.h>

/* The system calls.  Each returns as the POSIX one does, errno set. */
typedef struct lh_io {
    int (*open)(const char *path, int flags, int mode);
    ssize_t (*read)(int fd, void *data, size_t size);
    ssize_t (*write)(int fd, const void *data, size_t size);
    int64_t (*size)(int fd);                   /* of a regular file, or -1 */
    int (*sync)(int fd);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    ssize_t (*read_at)(int fd, void *data, size_t size, off_t offset);
} lh_io;

LH_TABLE const lh_io lh_io_system;

/* The whole file into *buffer (empty before; a NUL follows the content).
 * Short reads are gone on with; EINTR is retried.  LH_ERROR_IO. */
LH_INTERNAL lh_status lh_file_read(lh_context *ctx, const char *path,
                                   lh_buffer *buffer);

/* Whether there is a file or directory that can be opened; records nothing. */
LH_INTERNAL bool lh_file_there(lh_context *ctx, const char *path);

/* A file that is read by pieces.  size below 0: it is no regular one and can
 * be read only whole, by lh_reader_all(), and once: opened again, a pipe would
 * wait for another writer.  lh_reader_at() takes `size` bytes at an offset;
 * fewer are LH_ERROR_IO. */
typedef struct lh_reader {
    lh_context *ctx;                           /* NULL: not open           */
    char *path;                                /* owned                    */
    int fd;
    int64_t size;
} lh_reader;

LH_INTERNAL lh_status lh_reader_open(lh_context *ctx, lh_reader *r,
                                     const char *path);
LH_INTERNAL lh_status lh_reader_at(const lh_reader *r, void *data,
                                   size_t size, int64_t offset);
/* Everything in it, into *buffer as lh_file_read() does. */
LH_INTERNAL lh_status lh_reader_all(const lh_reader *r, lh_buffer *buffer);
LH_INTERNAL void lh_reader_close(lh_reader *r);

/* A file written aside: begin makes PATH.tmp-<pid> beside it, add appends,
 * commit syncs, renames over PATH and syncs the directory.  After a failure,
 * or abandon, PATH is what it was and nothing is left beside it; what comes
 * behind a failure gives it again. */
typedef struct lh_writer {
    lh_context *ctx;
    char *path, *aside;                        /* owned                    */
    int fd;
    lh_status status;                          /* of the first failure     */
} lh_writer;

LH_INTERNAL lh_status lh_writer_begin(lh_context *ctx, lh_writer *w,
                                      const char *path);
LH_INTERNAL lh_status lh_writer_add(lh_writer *w, const void *data,
                                    size_t size);
LH_INTERNAL lh_status lh_writer_commit(lh_writer *w);
LH_INTERNAL void lh_writer_abandon(lh_writer *w);   /* also after commit   */

/* Begin, add, commit. */
LH_INTERNAL lh_status lh_file_write(lh_context *ctx, const char *path,
                                    const void *data, size_t size);

/* Makes a directory and those above it where they are missing. */
LH_INTERNAL lh_status lh_directory_make(lh_context *ctx, const char *path);
/* directory/name in new memory (lh_free); NULL: out of memory. */
LH_INTERNAL char *lh_path_join(lh_context *ctx, const char *directory,
                               const char *name);
