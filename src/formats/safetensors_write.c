/* The safetensors writer: the header first, padded with blanks so that the
 * data begins at a multiple of 8, then each tensor's bytes in the order
 * given.  Other readers map the file: hand in floats before what has 16 bits,
 * and every tensor is aligned to its own size.
 *
 * The header is read again by our own strict reader before a byte of it
 * reaches the disk: a name that stands twice cannot be written. */
#include "formats/safetensors.h"

#include "base/bits.h"
#include "base/utf8.h"

/* Bytes that go out together; a multiple of every element size. */
enum { STORING_CHUNK = 1 << 16 };

/* -------------------------------------------------------------- header -- */

static lh_status storing_fail(lh_context *ctx, const char *path,
                              const lh_stored *s, const char *what)
{
    char shown[LH_UTF8_SHOWN];
    return lh_fail(ctx, LH_ERROR_ARGUMENT,
                   "cannot write %s: tensor \"%s\": %s", path,
                   lh_utf8_show(shown, s->name, strlen(s->name)), what);
}

/* The tensor's bytes, if it is one that can be. */
static lh_status storing_check(lh_context *ctx, const char *path,
                               const lh_stored *s, size_t *bytes)
{
    if (!strcmp(s->name, "__metadata__"))
        return storing_fail(ctx, path, s, "the format keeps this name for "
                                          "itself");
    if ((s->dtype != LH_DTYPE_F32 && s->dtype != LH_DTYPE_BF16
         && s->dtype != LH_DTYPE_F16) || s->dims < 0
        || s->dims > LH_MAX_DIMS)
        return storing_fail(ctx, path, s, "no such dtype or shape");
    int64_t size = 1;
    for (int i = 0; i < s->dims; i++)
        if (s->shape[i] < 0
            || __builtin_mul_overflow(size, s->shape[i], &size))
            return storing_fail(ctx, path, s, "its shape cannot be");
    if (size != s->size
        || !lh_mul_size((size_t)size, lh_dtype_of(s->dtype).bytes, bytes))
        return storing_fail(ctx, path, s, "its size is not that of its "
                                          "shape");
    return LH_OK;
}

/* "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]} */
static lh_status storing_entry(lh_context *ctx, const char *path,
                               const lh_stored *s, size_t *offset,
                               lh_buffer *header)
{
    size_t bytes = 0, end;
    lh_status status = storing_check(ctx, path, s, &bytes);
    if (status)
        return status;
    if (!lh_add_size(*offset, bytes, &end) || end > PTRDIFF_MAX)
        return storing_fail(ctx, path, s, "the file grows too large");
    lh_json_add_string(ctx, header, s->name, strlen(s->name));
    lh_buffer_printf(ctx, header, ":{\"dtype\":\"%s\",\"shape\":[",
                     lh_dtype_of(s->dtype).name);
    for (int i = 0; i < s->dims; i++)
        lh_buffer_printf(ctx, header, i ? ",%lld" : "%lld",
                         (long long)s->shape[i]);
    status = lh_buffer_printf(ctx, header, "],\"data_offsets\":[%zu,%zu]}",
                              *offset, end);
    *offset = end;
    return status;
}

static lh_status storing_header(lh_context *ctx, const char *path,
                                const lh_stored *tensor, int64_t count,
                                const char *const *metadata, int64_t pairs,
                                lh_buffer *header)
{
    size_t offset = 0;
    lh_status status = LH_OK;
    lh_buffer_add(ctx, header, "{", 1);
    for (int64_t i = 0; i < 2 * pairs; i++) {
        lh_buffer_printf(ctx, header, "%s", !i ? "\"__metadata__\":{"
                                           : i % 2 ? ":" : ",");
        lh_json_add_string(ctx, header, metadata[i], strlen(metadata[i]));
    }
    if (pairs > 0)
        lh_buffer_add(ctx, header, "}", 1);
    for (int64_t i = 0; i < count && !status; i++) {
        if (i || pairs > 0)
            lh_buffer_add(ctx, header, ",", 1);
        status = storing_entry(ctx, path, &tensor[i], &offset, header);
    }
    if (status)
        return status;
    status = lh_buffer_add(ctx, header, "}", 1);
    while (!status && header->size % 8)
        status = lh_buffer_add(ctx, header, " ", 1);
    if (status)
        return status;
    lh_json_document again;
    status = lh_json_parse(ctx, path, header->data, header->size, &again);
    if (!status)
        lh_json_free(&again);
    return status;
}

/* ---------------------------------------------------------------- data -- */

/* The file's bits of a float, in 16 of them rounded to the nearest, ties to
 * even.  NaNs differ between machines in payload and sign; in files all are
 * the positive quiet one. */
static uint32_t storing_bits(lh_stored_dtype dtype, float x)
{
    uint32_t bits = lh_bits_of(x), half = 0x3f000000u;
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    bool nan = size > 0x7f800000u;
    if (dtype == LH_DTYPE_F32)
        return nan ? 0x7fc00000u : bits;
    if (dtype == LH_DTYPE_BF16)
        return nan ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    if (nan)
        return 0x7e00;
    if (size >= 0x477ff000u)                     /* 65520 and more         */
        return sign | 0x7c00;
    if (size >= 0x38800000u)                     /* 2^-14, the least normal */
        return sign | (size + 0xfff + (size >> 13 & 1) - 0x38000000u) >> 13;
    /* Denormals are multiples of 2^-24, which is what floats from 1/2 to 1
     * are multiples of. */
    return sign | (lh_bits_of(lh_float_of(size) + 0.5f) - half);
}

/* `count` floats as the file has them; false where one becomes infinite. */
static bool storing_convert(lh_stored_dtype dtype, const float *from,
                            size_t count, unsigned char *to)
{
    uint32_t infinite = dtype == LH_DTYPE_BF16 ? 0x7f80 : 0x7c00;
    bool fits = true;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = storing_bits(dtype, from[i]);
        if (dtype == LH_DTYPE_F32) {
            lh_little_put(to + 4 * i, bits, 4);
            continue;
        }
        fits = fits && ((bits & 0x7fff) != infinite || from[i] - from[i] != 0);
        lh_little_put(to + 2 * i, bits, 2);
    }
    return fits;
}

static lh_status storing_data(lh_writer *w, const lh_stored *s,
                              const float *from, unsigned char *chunk)
{
    size_t bytes = lh_dtype_of(s->dtype).bytes, left = (size_t)s->size;
    lh_status status = LH_OK;
    while (left && !status) {
        size_t count = STORING_CHUNK / bytes;
        count = left < count ? left : count;
        if (!storing_convert(s->dtype, from, count, chunk))
            return storing_fail(w->ctx, w->path, s, "a number is too large"
                                " for its 16 bits; write floats");
        status = lh_writer_add(w, chunk, count * bytes);
        from += count;
        left -= count;
    }
    return status;
}

LH_INTERNAL lh_status lh_safetensors_write(
    lh_context *ctx, const char *path, const lh_stored *tensor,
    int64_t count, const char *const *metadata, int64_t pairs,
    const float *(*fill)(void *user, int64_t i), void *user)
{
    lh_buffer header = { 0 };
    unsigned char *chunk = lh_alloc(ctx, STORING_CHUNK, 1);
    lh_status status = chunk
        ? storing_header(ctx, path, tensor, count, metadata, pairs, &header)
        : LH_ERROR_MEMORY;
    if (!status) {
        lh_writer w;
        lh_writer_begin(ctx, &w, path);
        lh_little_put(chunk, header.size, 8);
        lh_writer_add(&w, chunk, 8);
        status = lh_writer_add(&w, header.data, header.size);
        for (int64_t i = 0; i < count && !status; i++)
            status = storing_data(&w, &tensor[i],
                                  tensor[i].data || !fill
                                      ? tensor[i].data : fill(user, i),
                                  chunk);
        if (!status)
            status = lh_writer_commit(&w);
        lh_writer_abandon(&w);
    }
    lh_buffer_free(ctx, &header);
    lh_free(ctx, chunk);
    return status;
}
