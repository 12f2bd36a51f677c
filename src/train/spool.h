/* Windows in files: what batches.c needs of spool.c. */
#pragma once

#include "train/train.h"

typedef struct lh_spool_file {
    lh_writer file;
    unsigned char *block;              /* what is not written yet          */
    size_t filled;
} lh_spool_file;

typedef struct lh_spool {
    lh_spool_file tokens, windows;
    int width;                         /* bytes of an id                   */
} lh_spool;

/* Hands all tokens to lh_spool_put() and all starts of windows, ascending, to
 * lh_spool_start(); the windows' counts are set then. */
typedef lh_status lh_spool_fill(void *user, lh_spool *c);
LH_INTERNAL lh_status lh_spool_put(lh_spool *c, const int32_t *ids,
                                   int64_t count);
LH_INTERNAL lh_status lh_spool_start(lh_spool *c, int64_t first);

/* Opens the files at PATH for these windows, filling them where they are not
 * there or others'. */
LH_INTERNAL lh_status lh_spool_open(lh_windows *w, const char *path,
                                    const lh_windows_of *of,
                                    lh_spool_fill *fill, void *user);

/* Window i; and ids [count] from token `first` on.  LH_ERROR_FORMAT where
 * they are none. */
LH_INTERNAL lh_status lh_spool_window(const lh_windows *w, int64_t i,
                                      lh_window *window);
LH_INTERNAL lh_status lh_spool_tokens(const lh_windows *w, int64_t first,
                                      int64_t count, int32_t *ids);
