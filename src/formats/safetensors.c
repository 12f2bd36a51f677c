/* The safetensors reader: a header that must account for every byte.
 *
 * The order is: the length N against the bytes that are there, the header as
 * strict JSON, each tensor's entry on its own (dtype, shape, size, range),
 * then all ranges together: sorted, they must tile the data exactly.  Only
 * then is anything handed out.  Every multi-byte value is assembled from its
 * bytes, so the machine's byte order and alignment do not matter. */
#include "base/strict.h"

#include "formats/safetensors.h"

#include "base/bits.h"
#include "base/fpenv.h"
#include "base/utf8.h"

/* The format's reference implementation takes no longer header. */
enum { STORED_HEADER_MAX = 100000000 };
/* Bytes that are read together where they are not read to their place; a
 * multiple of every element size. */
enum { STORED_ROOM = 16384 };

/* --------------------------------------------------------------- bytes -- */

/* IEEE binary16; every one of its numbers is a float. */
static float stored_f16(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 31)
        return lh_float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return lh_float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f;       /* exact               */
    return sign ? -small : small;
}

/* `from` may be `data` itself where the elements are as wide. */
static lh_status stored_convert(lh_context *ctx, const lh_stored *s,
                                const unsigned char *from, size_t count,
                                float *data)
{
    lh_fpenv saved;
    switch (s->dtype) {
    case LH_DTYPE_F32:
        for (size_t i = 0; i < count; i++)
            data[i] = lh_float_of((uint32_t)lh_little(from + 4 * i, 4));
        return LH_OK;
    case LH_DTYPE_F64:
        saved = lh_fpenv_enter();
        for (size_t i = 0; i < count; i++)
            data[i] = (float)lh_double_of(lh_little(from + 8 * i, 8));
        lh_fpenv_leave(saved);
        return LH_OK;
    case LH_DTYPE_BF16:
        for (size_t i = 0; i < count; i++)
            data[i] = lh_float_of((uint32_t)lh_little(from + 2 * i, 2)
                                 << 16);
        return LH_OK;
    case LH_DTYPE_F16:
        for (size_t i = 0; i < count; i++)
            data[i] = stored_f16((uint32_t)lh_little(from + 2 * i, 2));
        return LH_OK;
    default: {
        char shown[LH_UTF8_SHOWN];
        return lh_fail(ctx, LH_ERROR_FORMAT,
                       "the tensor \"%s\" holds integers where floats "
                       "should be", lh_utf8_show(shown, s->name,
                                                 strlen(s->name)));
    }
    }
}

/* A piece of the tensor's bytes, in place or into `room`. */
static const unsigned char *stored_bytes_at(const lh_stored *s, size_t first,
                                            size_t size, void *room)
{
    if (s->data)
        return (const unsigned char *)s->data + first;
    return lh_reader_at(s->reader, room, size, s->offset + (int64_t)first)
        ? NULL : room;
}

LH_INTERNAL lh_status lh_stored_floats(lh_context *ctx, const lh_stored *s,
                                       float *data)
{
    unsigned char room[STORED_ROOM];
    size_t width = lh_dtype_of(s->dtype).bytes, count = (size_t)s->size;
    bool plain = s->data || s->dtype == LH_DTYPE_F32;
    lh_status status = LH_OK;
    for (size_t i = 0, n; i < count && !status; i += n) {
        n = plain || count - i < STORED_ROOM / width ? count - i
                                                     : STORED_ROOM / width;
        const unsigned char *from = stored_bytes_at(
            s, i * width, n * width, plain ? (void *)data : room);
        status = from ? stored_convert(ctx, s, from, n, data + i)
                      : LH_ERROR_IO;
    }
    return status;
}

LH_INTERNAL bool lh_stored_same(const lh_stored *a, const lh_stored *b)
{
    unsigned char room[2][STORED_ROOM];
    size_t size = (size_t)a->size * lh_dtype_of(a->dtype).bytes;
    bool same = a->dtype == b->dtype && a->size == b->size;
    for (size_t i = 0, n; i < size && same; i += n) {
        n = size - i < STORED_ROOM ? size - i : STORED_ROOM;
        const unsigned char *x = stored_bytes_at(a, i, n, room[0]);
        const unsigned char *y = stored_bytes_at(b, i, n, room[1]);
        same = x && y && memcmp(x, y, n) == 0;
    }
    return same;
}

/* ------------------------------------------------------------- entries -- */

static lh_status stored_fail(const lh_safetensors *file, const lh_json *entry,
                             const char *what)
{
    char shown[LH_UTF8_SHOWN];
    return lh_fail(file->ctx, LH_ERROR_FORMAT, "%s: tensor \"%s\": %s",
                   file->where, lh_utf8_show(shown, entry->key,
                                             entry->key_size), what);
}

static lh_status stored_read_dtype(const lh_safetensors *file,
                                   const lh_json *entry, const lh_json *text,
                                   lh_stored *s)
{
    char shown[LH_UTF8_SHOWN], name[LH_UTF8_SHOWN];
    if (text->type != LH_JSON_STRING)
        return stored_fail(file, entry, "its dtype is no string");
    for (int i = 0; i < LH_DTYPE_COUNT; i++)
        if (lh_json_is(text, lh_dtype_of((lh_stored_dtype)i).name)) {
            s->dtype = (lh_stored_dtype)i;
            return LH_OK;
        }
    return lh_fail(file->ctx, LH_ERROR_FORMAT,
                   "%s: tensor \"%s\": the dtype \"%s\" is not one that is "
                   "read here", file->where,
                   lh_utf8_show(name, entry->key, entry->key_size),
                   lh_utf8_show(shown, text->string, text->size));
}

static lh_status stored_read_shape(const lh_safetensors *file,
                                   const lh_json *entry, const lh_json *list,
                                   lh_stored *s)
{
    if (list->type != LH_JSON_ARRAY)
        return stored_fail(file, entry, "its shape is no array");
    if (list->size > LH_MAX_DIMS)
        return stored_fail(file, entry, "its shape has more than 4"
                                        " dimensions");
    s->dims = 0;
    s->size = 1;
    bool empty = false;
    for (const lh_json *n = list->child; n; n = n->next) {
        if (!n->integral || n->integer < 0)
            return stored_fail(file, entry, "its shape holds something that"
                                            " is no length");
        s->shape[s->dims++] = n->integer;
        empty = empty || !n->integer;
        /* A zero later on must not make an impossible product harmless:
         * lengths are multiplied as if it were not there. */
        if (n->integer && __builtin_mul_overflow(s->size, n->integer,
                                                 &s->size))
            return stored_fail(file, entry, "its shape is larger than any "
                                            "file");
    }
    if (empty)
        s->size = 0;
    return LH_OK;
}

static lh_status stored_read_range(const lh_safetensors *file,
                                   const lh_json *entry, const lh_json *list,
                                   lh_stored *s)
{
    const lh_json *begin = list->child;
    const lh_json *end = begin ? begin->next : NULL;
    int64_t bytes;
    if (list->type != LH_JSON_ARRAY || list->size != 2 || !begin->integral
        || !end->integral)
        return stored_fail(file, entry, "its data_offsets are not two "
                                        "integers");
    if (begin->integer < 0 || end->integer < begin->integer)
        return stored_fail(file, entry, "its data_offsets are no range");
    if (end->integer > file->size)
        return stored_fail(file, entry, "its data ends behind the end of the "
                                        "file: is it cut off?");
    if (__builtin_mul_overflow(s->size, (int64_t)lh_dtype_of(s->dtype).bytes,
                               &bytes) ||
        bytes != end->integer - begin->integer)
        return stored_fail(file, entry, "its data_offsets do not agree with "
                                        "its shape and dtype");
    s->offset = file->begin + begin->integer;
    s->reader = &file->reader;
    s->data = file->reader.ctx ? NULL : file->bytes.data + s->offset;
    return LH_OK;
}

static lh_status stored_read(const lh_safetensors *file, const lh_json *entry,
                             lh_stored *s)
{
    if (entry->type != LH_JSON_OBJECT)
        return stored_fail(file, entry, "it is described by no object");
    if (memchr(entry->key, 0, entry->key_size))
        return stored_fail(file, entry, "its name has a NUL in it");
    const lh_json *dtype = lh_json_get(entry, "dtype");
    const lh_json *shape = lh_json_get(entry, "shape");
    const lh_json *range = lh_json_get(entry, "data_offsets");
    if (!dtype || !shape || !range || entry->size != 3)
        return stored_fail(file, entry, "it needs dtype, shape and "
                                        "data_offsets, and nothing else");
    s->name = entry->key;
    lh_status status = stored_read_dtype(file, entry, dtype, s);
    if (!status)
        status = stored_read_shape(file, entry, shape, s);
    if (!status)
        status = stored_read_range(file, entry, range, s);
    return status;
}

/* -------------------------------------------------------------- tiling -- */

static int64_t stored_bytes(const lh_stored *s)
{
    return s->size * (int64_t)lh_dtype_of(s->dtype).bytes;
}

/* By beginning; an empty tensor before the one that begins there too. */
static int stored_compare(const void *a, const void *b)
{
    const lh_stored *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    int64_t nx = stored_bytes(x), ny = stored_bytes(y);
    return nx < ny ? -1 : nx > ny;
}

/* The tensors' ranges must follow each other from the first byte of the data
 * to the last. */
static lh_status stored_tile(const lh_safetensors *file)
{
    size_t count = (size_t)file->count;
    const void **sorted = lh_alloc(file->ctx, count, sizeof *sorted);
    if (!sorted)
        return LH_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &file->tensor[i];
    lh_sort(sorted, count, stored_compare);
    lh_status status = LH_OK;
    int64_t end = 0;
    for (size_t i = 0; i < count && !status; i++) {
        const lh_stored *s = sorted[i];
        int64_t begin = s->offset - file->begin;
        char shown[LH_UTF8_SHOWN];
        if (begin != end)
            status = lh_fail(file->ctx, LH_ERROR_FORMAT,
                             "%s: tensor \"%s\": its data %s", file->where,
                             lh_utf8_show(shown, s->name, strlen(s->name)),
                             begin < end ? "overlaps that of another tensor"
                             : "begins behind a gap that belongs to no "
                               "tensor");
        end = begin + stored_bytes(s);
    }
    lh_free(file->ctx, sorted);
    if (!status && end != file->size)
        status = lh_fail(file->ctx, LH_ERROR_FORMAT,
                         "%s: %lld bytes behind the last tensor belong to "
                         "none", file->where, (long long)(file->size - end));
    return status;
}

/* ---------------------------------------------------------------- file -- */

static lh_status stored_metadata(lh_safetensors *file, const lh_json *member)
{
    bool fine = member->type == LH_JSON_OBJECT;
    for (const lh_json *m = member->child; m && fine; m = m->next)
        fine = m->type == LH_JSON_STRING;
    if (!fine)
        return lh_fail(file->ctx, LH_ERROR_FORMAT,
                       "%s: its __metadata__ is not an object of strings",
                       file->where);
    file->metadata = member;
    return LH_OK;
}

static lh_status stored_entries(lh_safetensors *file)
{
    const lh_json *root = file->header.root;
    file->tensor = lh_alloc(file->ctx, root->size, sizeof *file->tensor);
    if (!file->tensor)
        return LH_ERROR_MEMORY;
    lh_status status = LH_OK;
    for (const lh_json *m = root->child; m && !status; m = m->next)
        status = lh_text_is(m->key, m->key_size, "__metadata__")
            ? stored_metadata(file, m)
            : stored_read(file, m, &file->tensor[file->count++]);
    return status ? status : stored_tile(file);
}

/* The first `size` bytes of the file into file->bytes. */
static lh_status stored_begin(lh_safetensors *file, size_t size)
{
    size_t had = file->bytes.size;
    if (lh_buffer_reserve(file->ctx, &file->bytes, size + 1))
        return LH_ERROR_MEMORY;
    file->bytes.size = size;
    return lh_reader_at(&file->reader, file->bytes.data + had, size - had,
                        (int64_t)had);
}

/* Reads file->bytes, which `file` owns already, or what it reads there, of
 * `size` bytes in all. */
static lh_status stored_parse(lh_safetensors *file, size_t size)
{
    lh_context *ctx = file->ctx;
    const char *where = file->where;
    bool reads = file->reader.ctx != NULL;
    if (size < 8)
        return lh_fail(ctx, LH_ERROR_FORMAT,
                       "%s: %zu bytes are no safetensors file: it begins "
                       "with 8 bytes that hold its header's length", where,
                       size);
    lh_status status = reads ? stored_begin(file, 8) : LH_OK;
    if (status)
        return status;
    uint64_t length = lh_little(file->bytes.data, 8);
    if (length > STORED_HEADER_MAX)
        return lh_fail(ctx, LH_ERROR_FORMAT,
                       "%s: a header of %llu bytes is none: this is no "
                       "safetensors file", where,
                       (unsigned long long)length);
    if (length > size - 8)
        return lh_fail(ctx, LH_ERROR_FORMAT,
                       "%s: its header should have %llu bytes, the file has "
                       "%zu more: it is cut off", where,
                       (unsigned long long)length, size - 8);
    file->begin = 8 + (int64_t)length;
    file->size = (int64_t)size - file->begin;
    if (reads)
        status = stored_begin(file, (size_t)file->begin);
    if (status)
        return status;
    if (!length || file->bytes.data[8] != '{')
        return lh_fail(ctx, LH_ERROR_FORMAT,
                       "%s: byte 8: a header begins with '{'", where);
    status = lh_json_parse(ctx, where, file->bytes.data + 8, (size_t)length,
                           &file->header);
    return status ? status : stored_entries(file);
}

LH_INTERNAL lh_status lh_safetensors_open(lh_context *ctx, const char *path,
                                          lh_safetensors *file)
{
    *file = (lh_safetensors){ .ctx = ctx, .where = path };
    lh_status status = lh_reader_open(ctx, &file->reader, path);
    size_t size = (size_t)file->reader.size;
    if (!status && file->reader.size < 0) {      /* a pipe                 */
        status = lh_reader_all(&file->reader, &file->bytes);
        lh_reader_close(&file->reader);
        size = file->bytes.size;
    }
    if (!status)
        status = stored_parse(file, size);
    if (status)
        lh_safetensors_close(file);
    return status;
}

LH_INTERNAL void lh_safetensors_close(lh_safetensors *file)
{
    lh_context *ctx = file->ctx;
    lh_free(ctx, file->tensor);
    lh_json_free(&file->header);
    lh_buffer_free(ctx, &file->bytes);
    lh_reader_close(&file->reader);
    *file = (lh_safetensors){ .ctx = ctx };
}

LH_INTERNAL const lh_stored *lh_safetensors_find(const lh_safetensors *file,
                                                 const char *name)
{
    for (int64_t i = 0; i < file->count; i++)
        if (!strcmp(file->tensor[i].name, name))
            return &file->tensor[i];
    return NULL;
}

LH_INTERNAL const char *lh_safetensors_text(const lh_safetensors *file,
                                            const char *key)
{
    const lh_json *text = lh_json_get(file->metadata, key);
    return text ? text->string : NULL;
}
