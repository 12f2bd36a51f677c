/* safetensors: exact bytes, every truncation, and files made to hurt. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/bits.h"
#include "formats/safetensors.h"
#include "hostile.h"

/* Tensors that are written have nothing to do with a reader. */
#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

static hostile_memory memory;
static lh_context ctx;
static char path[128];

/* The bytes that a file has for a tensor; until the next call. */
static const unsigned char *stored_raw(const lh_stored *s)
{
    static unsigned char bytes[1 << 17];
    size_t size = (size_t)s->size * lh_dtype_of(s->dtype).bytes;
    CHECK(!s->data && size <= sizeof bytes);
    CHECK_EQ_INT(lh_reader_at(s->reader, bytes, size, s->offset), LH_OK);
    return bytes;
}

static lh_status write_tensors(const lh_stored *tensor, size_t count,
                               const char *const *metadata, int64_t pairs)
{
    return lh_safetensors_write(&ctx, path, tensor, (int64_t)count, metadata,
                                pairs, NULL, NULL);
}

/* What others write: elements of every dtype, as they are in memory. */
static void raw_tensors(const lh_stored *tensor, size_t count,
                        const char *metadata)
{
    lh_buffer file = { 0 };
    int64_t end = 0;
    lh_buffer_add(&ctx, &file, "\0\0\0\0\0\0\0\0{", 9);
    lh_buffer_printf(&ctx, &file, "%s", metadata);
    for (size_t i = 0; i < count; i++) {
        const lh_stored *s = &tensor[i];
        int64_t begin = end;
        end += s->size * (int64_t)lh_dtype_of(s->dtype).bytes;
        lh_buffer_add(&ctx, &file, ",", i || *metadata);
        lh_json_add_string(&ctx, &file, s->name, strlen(s->name));
        lh_buffer_printf(&ctx, &file, ":{\"dtype\":\"%s\",\"shape\":[",
                         lh_dtype_of(s->dtype).name);
        for (int j = 0; j < s->dims; j++)
            lh_buffer_printf(&ctx, &file, j ? ",%lld" : "%lld",
                             (long long)s->shape[j]);
        lh_buffer_printf(&ctx, &file, "],\"data_offsets\":[%lld,%lld]}",
                         (long long)begin, (long long)end);
    }
    lh_buffer_add(&ctx, &file, "}", 1);
    lh_little_put(file.data, file.size - 8, 8);
    for (size_t i = 0; i < count; i++)
        for (int64_t j = 0; j < tensor[i].size; j++) {
            size_t width = lh_dtype_of(tensor[i].dtype).bytes;
            const char *from = (const char *)tensor[i].data +
                               (size_t)j * width;
            uint64_t v64;
            uint32_t v32;
            uint16_t v16;
            unsigned char byte[8] = { (unsigned char)*from };
            if (width == 8)
                lh_little_put(byte, (memcpy(&v64, from, 8), v64), 8);
            if (width == 4)
                lh_little_put(byte, (memcpy(&v32, from, 4), v32), 4);
            if (width == 2)
                lh_little_put(byte, (memcpy(&v16, from, 2), v16), 2);
            lh_buffer_add(&ctx, &file, byte, width);
        }
    CHECK_EQ_INT(lh_file_write(&ctx, path, file.data, file.size), LH_OK);
    lh_buffer_free(&ctx, &file);
}

/* ----------------------------------------------------------- round trip -- */

/* The format's own words, byte for byte: whatever the machine's order. */
static void test_bytes(void)
{
    static const float f[2] = { 1.0f, -2.5f };
    const lh_stored tensor[2] = {
        { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
        { "b", LH_DTYPE_BF16, 0, { 0 }, 1, f + 1 },
    };
    static const char *const metadata[] = { "k", "v\n" };
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\\n\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}";
    static const unsigned char data[10] = { 0, 0, 0x80, 0x3f, 0, 0, 0x20,
                                            0xc0, 0x20, 0xc0 };
    CHECK_EQ_INT(write_tensors(tensor, 2, metadata, 1),
                 LH_OK);
    lh_buffer got;
    CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_OK);
    size_t length = sizeof header - 1, padded = (length + 7) / 8 * 8;
    CHECK_EQ_INT(got.size, 8 + padded + sizeof data);
    if (got.size == 8 + padded + sizeof data) {
        CHECK_EQ_INT((unsigned char)got.data[0], padded);
        CHECK(!memcmp(got.data + 1, "\0\0\0\0\0\0\0", 7));
        CHECK(!memcmp(got.data + 8, header, length));
        for (size_t p = length; p < padded; p++)
            CHECK_EQ_INT(got.data[8 + p], ' ');
        CHECK(!memcmp(got.data + 8 + padded, data, sizeof data));
    }
    lh_buffer_free(&ctx, &got);
    lh_safetensors file;
    CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
    CHECK_EQ_INT(file.count, 2);
    CHECK_STR(lh_safetensors_text(&file, "k"), "v\n");
    CHECK(!lh_safetensors_text(&file, "none"));
    const lh_stored *a = lh_safetensors_find(&file, "a");
    CHECK(a && a->dims == 1 && a->shape[0] == 2 && a->size == 2);
    const lh_stored *b = lh_safetensors_find(&file, "b");
    CHECK(b && b->dims == 0 && b->size == 1 && b->dtype == LH_DTYPE_BF16);
    CHECK(!lh_safetensors_find(&file, "__metadata__"));
    float back[2] = { 0 };
    CHECK_EQ_INT(lh_stored_floats(&ctx, a, back), LH_OK);
    CHECK(back[0] == 1.0f && back[1] == -2.5f);
    CHECK_EQ_INT(lh_stored_floats(&ctx, b, back), LH_OK);
    CHECK(back[0] == -2.5f);
    lh_safetensors_close(&file);
    CHECK_EQ_INT(memory.live, 0);
}

/* The data begins at a multiple of 8, however long the header. */
static void test_padding(void)
{
    const float one = 1;
    for (int n = 0; n < 9; n++) {
        const char *name = &"abcdefghi"[n];
        const lh_stored t = { name, LH_DTYPE_BF16, 1, { 1 }, 1, &one };
        CHECK_EQ_INT(write_tensors(&t, 1, NULL, 0),
                     LH_OK);
        lh_buffer got;
        CHECK_EQ_INT(lh_file_read(&ctx, path, &got), LH_OK);
        CHECK(got.size % 8 == 2 && got.data[got.size - 1] == 0x3f);
        CHECK_EQ_INT((unsigned char)got.data[0], got.size - 10);
        lh_buffer_free(&ctx, &got);
    }
    CHECK_EQ_INT(memory.live, 0);
}

/* Larger than a chunk, odd shapes, none at all, names of any letters. */
static void test_round_trip(void)
{
    enum { LARGE = 40001 };
    static double d[LARGE];
    static float f[LARGE];
    static int64_t i[3] = { INT64_MIN, -1, INT64_MAX };
    uint64_t state = 3;
    for (int k = 0; k < LARGE; k++) {
        d[k] = (double)(int64_t)test_random(&state);
        f[k] = (float)d[k];
    }
    const lh_stored tensor[] = {
        { "d", LH_DTYPE_F64, 2, { LARGE, 1 }, LARGE, d },
        { "caf\xc3\xa9 \"x\"", LH_DTYPE_I64, 1, { 3 }, 3, i },
        { "", LH_DTYPE_F32, 4, { 1, LARGE, 1, 1 }, LARGE, f },
        { "empty", LH_DTYPE_F32, 3, { 2, 0, 3 }, 0, f },
        { "u", LH_DTYPE_U8, 1, { 5 }, 5, "hello" },
    };
    raw_tensors(tensor, LH_COUNT(tensor), "");
    lh_safetensors file;
    CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
    CHECK_EQ_INT(file.count, LH_COUNT(tensor));
    CHECK(!file.metadata && !lh_safetensors_text(&file, "k"));
    for (int64_t n = 0; n < file.count; n++) {
        CHECK_STR(file.tensor[n].name, tensor[n].name);
        CHECK_EQ_INT(file.tensor[n].size, tensor[n].size);
        CHECK_EQ_INT(file.tensor[n].dims, tensor[n].dims);
    }
    static float back[LARGE];
    for (int64_t n = 0; n <= 2; n += 2) {
        memset(back, 0, sizeof back);
        CHECK_EQ_INT(lh_stored_floats(&ctx, &file.tensor[n], back), LH_OK);
        CHECK(!memcmp(back, f, sizeof back));
    }
    const unsigned char *low = stored_raw(&file.tensor[1]);
    CHECK(low[0] == 0 && low[7] == 0x80 && low[8] == 0xff && low[23] == 0x7f);
    CHECK(!memcmp(stored_raw(&file.tensor[4]), "hello", 5));
    CHECK_EQ_INT(lh_stored_floats(&ctx, &file.tensor[1], back),
                 LH_ERROR_FORMAT);
    CHECK(strstr(ctx.message, "holds integers") != NULL);
    lh_error_clear(&ctx);
    CHECK(lh_stored_same(&file.tensor[0], &file.tensor[0]) &&
          !lh_stored_same(&file.tensor[0], &file.tensor[2]));
    CHECK(truncate(path, 200) == 0);             /* while it is open       */
    CHECK_EQ_INT(lh_stored_floats(&ctx, &file.tensor[2], back), LH_ERROR_IO);
    CHECK(strstr(ctx.message, "shorter") != NULL);
    lh_error_clear(&ctx);
    lh_safetensors_close(&file);
    /* Ours, larger than a chunk and of no elements. */
    CHECK_EQ_INT(write_tensors(tensor + 2, 2, NULL, 0), LH_OK);
    CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
    memset(back, 0, sizeof back);
    CHECK_EQ_INT(lh_stored_floats(&ctx, &file.tensor[0], back), LH_OK);
    CHECK(!memcmp(back, f, sizeof back) && file.tensor[1].size == 0);
    lh_safetensors_close(&file);
    /* A file without tensors is one. */
    CHECK_EQ_INT(write_tensors(NULL, 0, NULL, 0), LH_OK);
    CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
    CHECK_EQ_INT(file.count, 0);
    lh_safetensors_close(&file);
    CHECK_EQ_INT(memory.live, 0);
}

/* All 2^16 halves of both kinds: against their definition, and kept whole by
 * reading and writing but for NaNs, which become one, and infinities, which a
 * float may be. */
static void test_halves(void)
{
    static uint16_t half[65536];
    static float got[65536];
    for (uint32_t h = 0; h < 65536; h++)
        half[h] = (uint16_t)h;
    static const lh_stored_dtype kind[2] = { LH_DTYPE_F16, LH_DTYPE_BF16 };
    for (int k = 0; k < 2; k++) {
        int bits = k ? 7 : 10, bias = k ? 127 : 15, top = k ? 255 : 31;
        lh_stored t = { "h", kind[k], 1, { 65536 }, 65536, half };
        raw_tensors(&t, 1, "");
        lh_safetensors file;
        CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
        CHECK_EQ_INT(lh_stored_floats(&ctx, &file.tensor[0], got), LH_OK);
        lh_safetensors_close(&file);
        t.data = got;
        CHECK_EQ_INT(write_tensors(&t, 1, NULL, 0), LH_OK);
        CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
        const unsigned char *raw = stored_raw(&file.tensor[0]);
        int64_t wrong = 0;
        for (uint32_t h = 0; h < 65536; h++) {
            int exponent = (int)(h >> bits) & top;
            double fraction = h & ((1u << bits) - 1);
            double value = exponent
                ? ldexp(fraction + ldexp(1, bits), exponent - bias - bits)
                : ldexp(fraction, 1 - bias - bits);
            uint32_t stored = raw[2 * h] | (uint32_t)raw[2 * h + 1] << 8;
            bool nan = exponent == top && fraction > 0;
            if (exponent == top)
                value = (double)INFINITY;
            value = h >> 15 ? -value : value;
            wrong += nan ? got[h] == got[h]
                           || stored != (k ? 0x7fc0u : 0x7e00u)
                         : (double)got[h] != value || stored != h
                           || !signbit(got[h]) != !(h >> 15);
        }
        CHECK_EQ_INT(wrong, 0);
        lh_safetensors_close(&file);
    }
    /* NaNs of floats, in the file's bytes. */
    static const uint32_t f32[3] = { 0xffc12345u, 0x7f800001u, 0x7f800000u };
    float nans[3];
    memcpy(nans, f32, sizeof nans);
    const lh_stored t = { "f", LH_DTYPE_F32, 1, { 3 }, 3, nans };
    static const unsigned char wanted[12] = {
        0, 0, 0xc0, 0x7f, 0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0x7f };
    lh_buffer bytes;
    CHECK_EQ_INT(write_tensors(&t, 1, NULL, 0), LH_OK);
    CHECK_EQ_INT(lh_file_read(&ctx, path, &bytes), LH_OK);
    CHECK(bytes.size > 12
          && !memcmp(bytes.data + bytes.size - 12, wanted, 12));
    lh_buffer_free(&ctx, &bytes);
    CHECK_EQ_INT(memory.live, 0);
}

/* What cannot be written is refused, and the old file stays. */
static void test_refused_writes(void)
{
    static const float f[4] = { 1, 2, 3, 4 };
    static const struct {
        lh_stored tensor[2];
        const char *message;
    } row[] = {
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "a", LH_DTYPE_F32, 1, { 2 }, 2, f } }, "\"a\" twice" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b", LH_DTYPE_F32, 1, { 2 }, 3, f } }, "\"b\": its size" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "__metadata__", LH_DTYPE_F32, 1, { 2 }, 2, f } },
          "keeps this name" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b\xff", LH_DTYPE_F32, 1, { 2 }, 2, f } }, "not UTF-8" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b", LH_DTYPE_F32, 5, { 2 }, 2, f } }, "\"b\": no such" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b", LH_DTYPE_F64, 1, { 2 }, 2, f } }, "\"b\": no such" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b", LH_DTYPE_F32, 1, { -2 }, -2, f } }, "\"b\": its shape" },
        { { { "a", LH_DTYPE_F32, 1, { 2 }, 2, f },
            { "b", LH_DTYPE_F32, 2, { INT64_MAX, 3 }, 2, f } },
          "\"b\": its shape" },
    };
    CHECK_EQ_INT(write_tensors(row[0].tensor, 1, NULL, 0),
                 LH_OK);
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        lh_error_clear(&ctx);
        lh_status status = write_tensors(row[i].tensor, 2,
                                                NULL, 0);
        CHECK(status == LH_ERROR_ARGUMENT
              || (i == 0 && status == LH_ERROR_FORMAT));
        CHECK(strstr(ctx.message, row[i].message) != NULL);
        if (!strstr(ctx.message, row[i].message))
            printf("    got %s\n", ctx.message);
    }
    lh_error_clear(&ctx);
    lh_safetensors file;
    CHECK_EQ_INT(lh_safetensors_open(&ctx, path, &file), LH_OK);
    CHECK_EQ_INT(file.count, 1);
    lh_safetensors_close(&file);
    CHECK_EQ_INT(memory.live, 0);
}

/* -------------------------------------------------------- hostile files -- */

/* A file in memory, of just its size: no disk is asked, and a read behind it
 * is seen by sanitizers. */
static const char *held;
static size_t held_size, held_at;
static bool held_pipe;                 /* has no size, is read on and on   */

static int held_open(const char *name, int flags, int mode)
{
    (void)name, (void)flags, (void)mode;
    return 0;
}

static int64_t held_length(int fd)
{
    return held_pipe ? -1 : fd + (int64_t)held_size;
}

static int held_close(int fd)
{
    return fd;
}

static ssize_t held_read_at(int fd, void *data, size_t size, off_t offset)
{
    size_t left = held_size - (size_t)(fd + offset);
    size = size < left ? size : left;
    memcpy(data, held + offset, size);
    return (ssize_t)size;
}

static ssize_t held_read(int fd, void *data, size_t size)
{
    ssize_t got = held_read_at(fd, data, size < 100 ? size : 100,
                               (off_t)held_at);
    held_at += (size_t)got;
    return got;
}

static const lh_io held_io = { .open = held_open, .size = held_length,
                               .close = held_close, .read = held_read,
                               .read_at = held_read_at };

static lh_status open_held(lh_context *with, const char *name,
                           const void *bytes, size_t size,
                           lh_safetensors *file)
{
    held = bytes;
    held_size = size;
    held_at = 0;
    with->io = &held_io;
    return lh_safetensors_open(with, name, file);
}

static lh_status parse(const char *header, size_t data,
                       lh_safetensors *file)
{
    static char bytes[4096];
    size_t length = strlen(header);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (char)length;
    bytes[1] = (char)(length >> 8);
    memcpy(bytes + 8, header, length);
    char *exact = malloc(8 + length + data);
    memcpy(exact, bytes, 8 + length + data);
    lh_error_clear(&ctx);
    lh_status status = open_held(&ctx, "h.safetensors", exact,
                                 8 + length + data, file);
    free(exact);
    return status;
}

#define F32(name, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape \
    ",\"data_offsets\":[" #begin "," #end "]}"

static void test_hostile_headers(void)
{
    static const struct {
        const char *header;
        size_t data;
        const char *message;                   /* NULL: it is a good one   */
    } row[] = {
        { "{" F32("a", "[2]", 0, 8) "}", 8, NULL },
        { "{" F32("a", "[2]", 0, 8) "}    ", 8, NULL },
        { "{" F32("b", "[2]", 8, 16) "," F32("a", "[2]", 0, 8) "}", 16,
          NULL },
        { "{" F32("b", "[2]", 0, 8) "," F32("e", "[0]", 0, 0) ","
          F32("f", "[3,0]", 8, 8) "}", 8, NULL },
        { "{" F32("a", "[2]", 0, 8) "}", 7, "\"a\": its data ends behind" },
        { "{" F32("a", "[2]", 0, 8) "}", 9, "1 bytes behind the last" },
        { "{}", 1, "1 bytes behind the last" },
        { "{" F32("a", "[2]", 0, 8) "," F32("b", "[2]", 4, 12) "}", 12,
          "\"b\": its data overlaps" },
        { "{" F32("a", "[2]", 0, 8) "," F32("b", "[2]", 0, 8) "}", 8,
          "its data overlaps" },
        { "{" F32("a", "[4]", 0, 16) "," F32("b", "[1]", 4, 8) "}", 16,
          "\"b\": its data overlaps" },
        { "{" F32("a", "[2]", 0, 8) "," F32("e", "[0]", 4, 4) "}", 8,
          "\"e\": its data overlaps" },
        { "{" F32("a", "[1]", 0, 4) "," F32("b", "[1]", 8, 12) "}", 12,
          "\"b\": its data begins behind a gap" },
        { "{" F32("a", "[1]", 4, 8) "}", 8, "\"a\": its data begins" },
        { "{" F32("a", "[1]", 0, 4) "," F32("a", "[1]", 4, 8) "}", 8,
          "\"a\" twice" },
        { "{" F32("a", "[3]", 0, 8) "}", 8, "\"a\": its data_offsets do not"
                                            " agree" },
        { "{" F32("a", "[2]", 8, 0) "}", 8, "\"a\": its data_offsets are no "
                                            "range" },
        { "{" F32("a", "[2]", -8, 0) "}", 8, "are no range" },
        { "{" F32("a", "[2]", 0, 8.0) "}", 8, "are not two integers" },
        { "{" F32("a", "[2]", 0, 99999999999999999999) "}", 8,
          "are not two integers" },
        { "{" F32("a", "[2]", 0, 9223372036854775807) "}", 8,
          "ends behind" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}"
          "}", 8, "are not two integers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{\"a\":"
          "0,\"b\":8}}}", 8, "are not two integers" },
        { "{" F32("a", "[4294967296,4294967296]", 0, 0) "}", 0,
          "\"a\": its shape is larger" },
        { "{" F32("a", "[0,4294967296,4294967296]", 0, 0) "}", 0,
          "\"a\": its shape is larger" },
        { "{" F32("a", "[4611686018427387904]", 0, 0) "}", 0,
          "do not agree" },
        { "{" F32("a", "[-1]", 0, 0) "}", 0, "something that is no length" },
        { "{" F32("a", "[1.0]", 0, 4) "}", 4, "something that is no length" },
        { "{" F32("a", "[\"1\"]", 0, 4) "}", 4,
          "something that is no length" },
        { "{" F32("a", "2", 0, 8) "}", 8, "its shape is no array" },
        { "{" F32("a", "[1,1,1,1,2]", 0, 8) "}", 8, "more than 4" },
        { "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]"
          "}}", 8, "\"a\": the dtype \"F8_E4M3\"" },
        { "{\"a\":{\"dtype\":5,\"shape\":[8],\"data_offsets\":[0,8]}}", 8,
          "its dtype is no string" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8,
          "it needs dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],"
          "\"more\":1}}", 8, "and nothing else" },
        { "{\"a\":[]}", 0, "described by no object" },
        { "{\"a\\u0000b\":{}}", 0, "NUL" },
        { "{\"a\\u0007b\":[]}", 0, "tensor \"a?b\"" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "not an object of strings" },
        { "{\"__metadata__\":[]}", 0, "not an object of strings" },
        { "{\"__metadata__\":\"x\"}", 0, "not an object of strings" },
        { "[]", 0, "byte 8: a header begins with '{'" },
        { " {}", 0, "byte 8" },
        { "", 0, "byte 8" },
        { "{} x", 0, "something stands behind" },
        { "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
          "[[[[[[[[[[[[[[[[[[[[[[", 0, "nested too deeply" },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        lh_safetensors file;
        bool good = !row[i].message;
        CHECK_EQ_INT(parse(row[i].header, row[i].data, &file),
                     good ? LH_OK : LH_ERROR_FORMAT);
        bool named = good || (strstr(ctx.message, row[i].message)
                              && strstr(ctx.message, "h.safetensors"));
        CHECK(named);
        if (!named)
            printf("    %s\n    got    %s\n    wanted %s\n", row[i].header,
                   ctx.message, row[i].message);
        lh_safetensors_close(&file);
        CHECK_EQ_INT(memory.live, 0);
    }
}

static void test_lengths(void)
{
    static const struct {
        unsigned char bytes[10];
        const char *message;
    } row[] = {
        { { 3, 0, 0, 0, 0, 0, 0, 0, '{', '}' }, "it is cut off" },
        { { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}' }, "begins with '{'" },
        { { 1, 0, 0, 0, 0, 0, 0, 0, '{', '}' }, "ends too early" },
        { { 2, 0, 0, 0, 0, 0, 0, 0x80, '{', '}' }, "no safetensors file" },
        { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}' },
          "no safetensors file" },
        { { 2, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}' },
          "no safetensors file" },
        { { 0, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}' }, "it is cut off" },
    };
    lh_safetensors file;
    for (size_t i = 0; i < LH_COUNT(row); i++) {
        lh_error_clear(&ctx);
        CHECK_EQ_INT(open_held(&ctx, "h", row[i].bytes, 10, &file),
                     LH_ERROR_FORMAT);
        CHECK(strstr(ctx.message, row[i].message) != NULL);
    }
    /* Neither is memory taken for a header that is only claimed: for the name,
     * for the length. */
    memory.calls = 0;
    open_held(&ctx, "h", row[6].bytes, 10, &file);
    CHECK_EQ_INT(memory.calls, 2);
    ctx.io = &lh_io_system;
    lh_error_clear(&ctx);
    CHECK_EQ_INT(memory.live, 0);
}

/* --------------------------------------------- small file, all the ways -- */

static char *small;
static size_t small_size;

static void make_small(void)
{
    static const float f[6] = { 1, 2, 3, 4, 5, 6 };
    static const int64_t i[1] = { 42 };
    static const uint16_t h[3] = { 0x3c00, 0x4000, 0x4200 };
    const lh_stored tensor[] = {
        { "step", LH_DTYPE_I64, 0, { 0 }, 1, i },
        { "model.norm.weight", LH_DTYPE_F32, 2, { 2, 3 }, 6, f },
        { "half", LH_DTYPE_F16, 1, { 3 }, 3, h },
    };
    raw_tensors(tensor, 3, "\"__metadata__\":{\"format\":\"pt\","
                           "\"x\":\"\xc3\xa9\"}");
    lh_buffer bytes;
    CHECK_EQ_INT(lh_file_read(&ctx, path, &bytes), LH_OK);
    small = malloc(bytes.size);
    small_size = bytes.size;
    memcpy(small, bytes.data, bytes.size);
    lh_buffer_free(&ctx, &bytes);
}

/* What is accepted must be readable to its last element. */
static lh_status try_bytes(lh_context *with, const char *bytes, size_t size)
{
    lh_safetensors file;
    lh_status status = open_held(with, "mutation", bytes, size, &file);
    if (status)
        return status;
    int64_t total = 0;
    for (int64_t i = 0; i < file.count; i++) {
        const lh_stored *s = &file.tensor[i];
        CHECK(lh_safetensors_find(&file, s->name) == s);
        CHECK(s->size >= 0 && s->size <= (int64_t)size);
        float *out = malloc((size_t)s->size * sizeof *out + 1);
        status = lh_stored_floats(with, s, out);
        if (status)
            lh_error_clear(with);
        free(out);
        total += s->size;
    }
    CHECK(total <= (int64_t)size);
    lh_safetensors_close(&file);
    return LH_OK;
}

static void test_truncations(void)
{
    lh_safetensors file;
    for (size_t size = 0; size <= small_size + 1; size++) {
        char *exact = calloc(1, size ? size : 1);
        memcpy(exact, small, size < small_size ? size : small_size);
        lh_error_clear(&ctx);
        CHECK_EQ_INT(open_held(&ctx, "cut", exact, size, &file),
                     size == small_size ? LH_OK : LH_ERROR_FORMAT);
        lh_safetensors_close(&file);
        held_pipe = true;
        CHECK_EQ_INT(open_held(&ctx, "cut", exact, size, &file),
                     size == small_size ? LH_OK : LH_ERROR_FORMAT);
        free(exact);                   /* a pipe is read once, and whole   */
        float f[6] = { 0 };
        if (size == small_size)
            CHECK(!lh_stored_floats(&ctx, &file.tensor[1], f) && f[5] == 6);
        lh_safetensors_close(&file);
        held_pipe = false;
    }
    ctx.io = &lh_io_system;
    CHECK_EQ_INT(memory.live, 0);
}

static lh_status parse_small(lh_context *with, void *arg)
{
    (void)arg;
    lh_safetensors file;
    lh_status status = open_held(with, "small", small, small_size, &file);
    lh_safetensors_close(&file);
    return status;
}

static lh_status open_small(lh_context *with, void *arg)
{
    (void)arg;
    lh_safetensors file;
    lh_status status = lh_safetensors_open(with, path, &file);
    lh_safetensors_close(&file);
    return status;
}

static lh_status write_small(lh_context *with, void *arg)
{
    (void)arg;
    static const float f[2] = { 1, 2 };
    const lh_stored tensor = { "a", LH_DTYPE_F32, 1, { 2 }, 2, f };
    static const char *const metadata[] = { "k", "v" };
    return lh_safetensors_write(with, path, &tensor, 1, metadata, 1,
                                NULL, NULL);
}

/* A disk that is full at every byte of the file. */
static int64_t room;
static ssize_t full_write(int fd, const void *data, size_t size)
{
    if (room <= 0) {
        errno = ENOSPC;
        return -1;
    }
    size = (int64_t)size > room ? (size_t)room : size;
    room -= (int64_t)size;
    return lh_io_system.write(fd, data, size);
}

static void test_full_disk(void)
{
    lh_io io = lh_io_system;
    io.write = full_write;
    lh_buffer before, after;
    CHECK_EQ_INT(lh_file_read(&ctx, path, &before), LH_OK);
    ctx.io = &io;
    for (int64_t n = 0; n < 200; n++) {
        room = n;
        lh_error_clear(&ctx);
        lh_status status = write_small(&ctx, NULL);
        if (!status)
            break;
        CHECK_EQ_INT(status, LH_ERROR_IO);
        CHECK(strstr(ctx.message, "no space is left") != NULL);
        CHECK_EQ_INT(lh_file_read(&ctx, path, &after), LH_OK);
        CHECK(after.size == before.size
              && !memcmp(after.data, before.data, after.size));
        lh_buffer_free(&ctx, &after);
    }
    ctx.io = &lh_io_system;
    CHECK(room == 0);                  /* it fitted, to the byte           */
    lh_buffer_free(&ctx, &before);
    CHECK_EQ_INT(memory.live, 0);
}

int main(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.80s/longhand-XXXXXX", base ? base
                                                               : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0) {
        printf("cannot make %s\n", path);
        return 1;
    }
    close(fd);
    ctx = hostile_context(&memory);
    test_bytes();
    test_padding();
    test_round_trip();
    test_halves();
    test_refused_writes();
    test_hostile_headers();
    test_lengths();
    make_small();
    test_truncations();
    hostile_exhaust("parse", parse_small, NULL);
    hostile_exhaust("open", open_small, NULL);
    test_full_disk();
    hostile_exhaust("write", write_small, NULL);
    hostile_storm(small, small_size, hostile_mutations(), 11, try_bytes);
    free(small);
    CHECK(!unlink(path));
    return test_end("safetensors");
}
