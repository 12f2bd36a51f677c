/* safetensors: named tensors in one file (the format's own README: 8 bytes
 * little-endian header size N, N bytes of JSON, the tensors' bytes).
 *
 * Strict: duplicate names, offsets that overlap, leave gaps or lie outside,
 * sizes that do not follow from shape and dtype, and trailing bytes are
 * refused.  Knows names, shapes and bytes; not the tape. */
#pragma once

#include "base/base.h"
#include "base/file.h"
#include "base/json.h"

/* dtypes that are read: name in the file, bytes. */
#define LH_DTYPES(X) \
    X(F32, "F32", 4) X(F64, "F64", 8) X(BF16, "BF16", 2) X(F16, "F16", 2) \
    X(I64, "I64", 8) X(I32, "I32", 4) X(U8, "U8", 1)
typedef enum lh_stored_dtype {
#define LH_X(name, text, bytes) LH_DTYPE_##name,
    LH_DTYPES(LH_X)
#undef LH_X
    LH_DTYPE_COUNT
} lh_stored_dtype;

typedef struct lh_dtype_row {
    const char *name;
    size_t bytes;                      /* of one element                   */
} lh_dtype_row;

static inline lh_dtype_row lh_dtype_of(lh_stored_dtype dtype)
{
    static const lh_dtype_row row[] = {
#define LH_X(name, text, bytes) { text, bytes },
        LH_DTYPES(LH_X)
#undef LH_X
    };
    return row[dtype];
}

typedef struct lh_stored {
    const char *name;
    lh_stored_dtype dtype;
    int dims;                          /* 0..LH_MAX_DIMS; 0: one element   */
    int64_t shape[LH_MAX_DIMS];
    int64_t size;                      /* elements                         */
    const void *data;                  /* little-endian, maybe unaligned;
                                          NULL: in the file, not in memory */
    const lh_reader *reader;           /* of that file                     */
    int64_t offset;                    /* of the first byte: in the file,
                                          or behind the header             */
} lh_stored;

/* ------------------------------------------------------------- reading -- */

typedef struct lh_safetensors {
    lh_context *ctx;
    lh_buffer bytes;                   /* the whole file, or the header    */
    lh_reader reader;                  /* open: the data is read from it   */
    const char *where;                 /* in messages, until it is open    */
    int64_t begin, size;               /* of the data behind the header    */
    lh_json_document header;
    lh_stored *tensor;                 /* [count], in the file's order     */
    int64_t count;
    const lh_json *metadata;           /* object of strings, or NULL       */
} lh_safetensors;

/* The tensors stay in the file until they are asked for; `file` is not to be
 * copied. */
LH_INTERNAL lh_status lh_safetensors_open(lh_context *ctx, const char *path,
                                          lh_safetensors *file);
LH_INTERNAL void lh_safetensors_close(lh_safetensors *file);
LH_INTERNAL const lh_stored *lh_safetensors_find(const lh_safetensors *file,
                                                 const char *name);
/* A metadata string, or NULL. */
LH_INTERNAL const char *lh_safetensors_text(const lh_safetensors *file,
                                            const char *key);
/* Elements as floats (F32, BF16, F16, F64 rounded); LH_ERROR_FORMAT for an
 * integer dtype. */
LH_INTERNAL lh_status lh_stored_floats(lh_context *ctx, const lh_stored *s,
                                       float *data);
/* Whether two tensors of a file have the same bytes. */
LH_INTERNAL bool lh_stored_same(const lh_stored *a, const lh_stored *b);

/* ------------------------------------------------------------- writing -- */

/* Writes tensors (F32, BF16 or F16; their data are floats, rounded to the
 * nearest) and metadata pairs key, value, key, value, ..., in this order,
 * aside and renamed (file.h).  NaNs become the canonical one.  Tensors without
 * data get it from fill(user, i) when their turn comes, until the next call;
 * fill may be NULL where there are none. */
LH_INTERNAL lh_status lh_safetensors_write(
    lh_context *ctx, const char *path, const lh_stored *tensor,
    int64_t count, const char *const *metadata, int64_t pairs,
    const float *(*fill)(void *user, int64_t i), void *user);
