/* The ground: versions, errors, memory, growing buffers.
 *
 * Owns the one place where the library asks for memory and the one place
 * where an error becomes a line of text.  Refuses to know who asks. */
#include "base/context.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

LH_API const char *lh_version(void)
{
    return LH_VERSION;
}

LH_API const char *lh_status_text(lh_status status)
{
    static const char *const texts[LH_STATUS_COUNT] = {
#define LH_X(name, text) text,
        LH_STATUSES(LH_X)
#undef LH_X
    };
    return (unsigned)status < LH_STATUS_COUNT ? texts[status]
                                              : "an unknown status";
}

/* ------------------------------------------------------------- errors -- */

LH_INTERNAL void lh_text_clean(char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    text[lh_text_whole(text, size)] = '\0';
}

LH_INTERNAL lh_status lh_fail(lh_context *ctx, lh_status code,
                              const char *format, ...)
{
    if (!ctx || ctx->status != LH_OK)
        return code;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(ctx->message, sizeof ctx->message, format, args);
    va_end(args);
    if (length < 0)
        strcpy(ctx->message, lh_status_text(code));
    lh_text_clean(ctx->message);
    ctx->status = code;
    return code;
}

LH_API lh_status lh_error_status(const lh_context *ctx)
{
    return ctx ? ctx->status : LH_ERROR_ARGUMENT;
}

LH_API const char *lh_error_message(const lh_context *ctx)
{
    if (!ctx)
        return "no context (NULL): lh_context_new() makes one";
    return ctx->status == LH_OK ? "" : ctx->message;
}

LH_API void lh_error_clear(lh_context *ctx)
{
    if (!ctx)
        return;
    ctx->status = LH_OK;
    ctx->message[0] = '\0';
}

/* ------------------------------------------------------------- memory -- */

static void *base_no_memory(lh_context *ctx, size_t count, size_t size)
{
    return LH_FAIL_NULL(ctx, LH_ERROR_MEMORY, "out of memory: %zu x %zu bytes"
                        " could not be had; free memory, or use a smaller"
                        " model, batch or context", count, size);
}

/* The bytes of count objects, at least one; false where no object can be so
 * large: differences of its pointers have to fit. */
static bool base_bytes(size_t count, size_t size, size_t *bytes)
{
    if (!lh_mul_size(count, size, bytes) || *bytes > PTRDIFF_MAX)
        return false;
    *bytes += !*bytes;
    return true;
}

/* calloc and realloc know things that the caller's allocator cannot tell:
 * that fresh pages are zero, that a block can grow where it is. */
LH_INTERNAL void *lh_alloc(lh_context *ctx, size_t count, size_t size)
{
    size_t bytes;
    void *memory = NULL;
    if (!base_bytes(count, size, &bytes))
        return base_no_memory(ctx, count, size);
    if (!ctx || !ctx->allocator.allocate) {
        memory = calloc(1, bytes);
    } else {
        memory = ctx->allocator.allocate(ctx->allocator.user, bytes);
        if (memory && !ctx->dry)                 /* those are zeros        */
            memset(memory, 0, bytes);
    }
    return memory ? memory : base_no_memory(ctx, count, size);
}

LH_INTERNAL void *lh_alloc_full(lh_context *ctx, size_t count, size_t size)
{
    char *memory = lh_alloc(ctx, count, size);
#ifdef MADV_HUGEPAGE
    const size_t page = (size_t)1 << 21, bytes = count * size;
    if (memory && bytes >= 2 * page && !(ctx && ctx->allocator.allocate)) {
        size_t skip = (page - (uintptr_t)memory % page) % page;
        (void)madvise(memory + skip, (bytes - skip) / page * page,
                      MADV_HUGEPAGE);
    }
#endif
    return memory;
}

LH_INTERNAL void lh_free(lh_context *ctx, void *memory)
{
    if (!memory)
        return;
    if (!ctx || !ctx->allocator.allocate)
        free(memory);
    else if (ctx->allocator.release)             /* none: never given back */
        ctx->allocator.release(ctx->allocator.user, memory);
}

LH_INTERNAL char *lh_text_copy(lh_context *ctx, const char *text)
{
    char *copy = lh_alloc(ctx, strlen(text) + 1, 1);
    return copy ? strcpy(copy, text) : NULL;
}

LH_INTERNAL char *lh_text_join(lh_context *ctx, const char *a, const char *b,
                               const char *c)
{
    char *text = lh_alloc(ctx, strlen(a) + strlen(b) + strlen(c) + 1, 1);
    return text ? strcat(strcat(strcpy(text, a), b), c) : NULL;
}

/* What lh_alloc gave stands right before the first aligned byte behind its
 * own first word. */
static void *base_aligned(lh_context *ctx, size_t count, size_t size,
                          size_t align, bool full)
{
    size_t bytes;
    if (!base_bytes(count, size, &bytes) ||
        !lh_add_size(bytes, align + sizeof(char *), &bytes))
        return base_no_memory(ctx, count, size);
    char *memory = full ? lh_alloc_full(ctx, bytes, 1)
                        : lh_alloc(ctx, bytes, 1);
    if (!memory)
        return NULL;
    char *start = memory + sizeof memory;
    start += (align - (uintptr_t)start % align) % align;
    memcpy(start - sizeof memory, &memory, sizeof memory);
    return start;
}

LH_INTERNAL void *lh_aligned_alloc(lh_context *ctx, size_t count, size_t size,
                                   size_t align)
{
    return base_aligned(ctx, count, size, align, false);
}

LH_INTERNAL float *lh_floats_alloc(lh_context *ctx, size_t count)
{
    return base_aligned(ctx, count, sizeof(float), LH_ALIGN, true);
}

LH_INTERNAL void lh_floats_free(lh_context *ctx, void *memory)
{
    char *given = NULL;
    if (memory)
        memcpy(&given, (char *)memory - sizeof given, sizeof given);
    lh_free(ctx, given);
}

LH_INTERNAL void *lh_resize(lh_context *ctx, void *memory, size_t old_count,
                            size_t new_count, size_t size, bool zeroed)
{
    size_t old_bytes = old_count * size, bytes;  /* the old one did fit    */
    if (!base_bytes(new_count, size, &bytes))
        return base_no_memory(ctx, new_count, size);
    if (!memory)
        return lh_alloc_full(ctx, new_count, size);
    if (ctx && ctx->allocator.allocate) {
        void *grown = lh_alloc(ctx, new_count, size);
        if (!grown)
            return NULL;
        memcpy(grown, memory, old_bytes < bytes ? old_bytes : bytes);
        lh_free(ctx, memory);
        return grown;
    }
    char *grown = realloc(memory, bytes);
    if (!grown)
        return base_no_memory(ctx, new_count, size);
    if (zeroed && bytes > old_bytes)
        memset(grown + old_bytes, 0, bytes - old_bytes);
    return grown;
}

LH_INTERNAL lh_status lh_fit(lh_context *ctx, void *array, size_t *room,
                             size_t wanted, size_t size)
{
    void *memory;
    memcpy(&memory, array, sizeof memory);
    memory = lh_resize(ctx, memory, *room, wanted, size, true);
    if (!memory)
        return LH_ERROR_MEMORY;
    memcpy(array, &memory, sizeof memory);
    *room = wanted;
    return LH_OK;
}

LH_INTERNAL lh_status lh_grow(lh_context *ctx, void *array, size_t *room,
                              size_t needed, size_t size)
{
    size_t wanted = *room + *room / 2 + 16;
    return needed <= *room ? LH_OK
        : lh_fit(ctx, array, room, wanted < needed ? needed : wanted, size);
}

LH_API void lh_memory_free(lh_context *ctx, void *memory)
{
    lh_free(ctx, memory);
}

/* ------------------------------------------------------------ buffers -- */

LH_INTERNAL lh_status lh_buffer_reserve(lh_context *ctx, lh_buffer *buffer,
                                        size_t capacity)
{
    if (lh_fit(ctx, &buffer->data, &buffer->capacity, capacity, 1))
        buffer->status = LH_ERROR_MEMORY;
    return buffer->status;
}

/* Room for `more` bytes and a NUL behind them; what does not fit into a size
 * is more than there is, too. */
static lh_status base_buffer_grow(lh_context *ctx, lh_buffer *buffer,
                                  size_t more)
{
    size_t needed;
    if (!lh_add_size(buffer->size, more, &needed) || needed == SIZE_MAX)
        needed = SIZE_MAX - 1;
    if (!buffer->status)
        buffer->status = lh_grow(ctx, &buffer->data, &buffer->capacity,
                                 needed + 1, 1);
    return buffer->status;
}

LH_INTERNAL lh_status lh_buffer_add(lh_context *ctx, lh_buffer *buffer,
                                    const void *bytes, size_t size)
{
    lh_status status = base_buffer_grow(ctx, buffer, size);
    if (status)
        return status;
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return LH_OK;
}

LH_INTERNAL lh_status lh_buffer_printf(lh_context *ctx, lh_buffer *buffer,
                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 && !buffer->status)
        buffer->status = lh_fail(ctx, LH_ERROR_ARGUMENT, "a text is too long"
                                 " for one piece, or its format is not one");
    lh_status status = base_buffer_grow(ctx, buffer, (size_t)length);
    if (status)
        return status;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, args);
    va_end(args);
    buffer->size += (size_t)length;
    return LH_OK;
}

LH_INTERNAL void lh_buffer_free(lh_context *ctx, lh_buffer *buffer)
{
    lh_free(ctx, buffer->data);
    *buffer = (lh_buffer){ 0 };
}
