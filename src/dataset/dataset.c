/* Datasets: text as documents.
 *
 * Owns: cutting a text into documents, once, in place, when it is read; the
 * built-in names.  A document is bytes: nothing here asks whether they are
 * UTF-8, and a NUL is a byte like any other.  Refuses: a text without a
 * document, tokens (src/tokenizer) and windows (src/train).
 * A dataset never changes after it is made, so that threads may share it. */
#include "base/base.h"
#include "base/file.h"

#include "dataset/names_data.inc.h"

/* The index behind lh_dataset_contains(): open addressing, at most half
 * full; a slot holds the document's number + 1 and, above it, a part of its
 * hash, so that most comparisons need not look at the text. */
#define DATASET_NUMBER_BITS 40
#define DATASET_NUMBER_MASK ((UINT64_C(1) << DATASET_NUMBER_BITS) - 1)
/* A text made to collide could make the index slow to build; when one
 * document meets this many others the index is given up, and contains looks
 * through all documents.  10^7 random ones meet fewer than 60. */
#define DATASET_PROBES 256

struct lh_dataset {
    lh_context *ctx;
    lh_buffer text;                    /* all documents                    */
    int64_t documents;
    size_t *starts;                    /* [documents + 1], into text       */
    uint64_t *slots;                   /* [mask + 1], 0 for none; or NULL  */
    size_t mask;
};

/* --------------------------------------------------------------- index -- */

static uint64_t dataset_hash(const char *text, size_t size)
{
    /* FNV-1a (Fowler, Noll, Vo), mixed once more: its high bits are weak
     * on short texts. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    h = (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* The slot where a text stands or would stand.  *probes counts the other
 * slots in use that were met down; at 0 the search was given up. */
static uint64_t *dataset_slot(const lh_dataset *d, const char *text,
                              size_t size, uint64_t hash, int *probes)
{
    for (size_t at = hash & d->mask;; at = (at + 1) & d->mask) {
        uint64_t *slot = &d->slots[at];
        if (!*slot || !--*probes)
            return slot;
        if ((*slot ^ hash) & ~DATASET_NUMBER_MASK)
            continue;
        int64_t i = (int64_t)(*slot & DATASET_NUMBER_MASK) - 1;
        size_t other;
        const char *document = lh_dataset_document(d, i, &other);
        if (other == size && !memcmp(document, text, size))
            return slot;
    }
}

static lh_status dataset_index(lh_dataset *d)
{
    size_t slots = 16;
    if ((uint64_t)d->documents >= DATASET_NUMBER_MASK)
        return LH_OK;
    while (slots / 2 < (size_t)d->documents && slots <= SIZE_MAX / 16)
        slots *= 2;
    d->slots = lh_alloc(d->ctx, slots, sizeof *d->slots);
    if (!d->slots)
        return LH_ERROR_MEMORY;
    d->mask = slots - 1;
    for (int64_t i = 0; i < d->documents; i++) {
        int probes = DATASET_PROBES;
        size_t size;
        const char *text = lh_dataset_document(d, i, &size);
        uint64_t hash = dataset_hash(text, size);
        uint64_t *slot = dataset_slot(d, text, size, hash, &probes);
        if (!probes) {
            lh_free(d->ctx, d->slots);
            d->slots = NULL;
            return LH_OK;
        }
        if (!*slot)
            *slot = (hash & ~DATASET_NUMBER_MASK) | (uint64_t)(i + 1);
    }
    return LH_OK;
}

/* ------------------------------------------------------------- cutting -- */

static bool dataset_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The line at text[*at..size) without the blanks at its ends; *at moves
 * behind it. */
static const char *dataset_line(const char *text, size_t size, size_t *at,
                                size_t *length)
{
    const char *from = text + *at;
    const char *newline = memchr(from, '\n', size - *at);
    const char *to = newline ? newline : text + size;
    *at = newline ? (size_t)(newline - text) + 1 : size;
    while (from < to && dataset_blank(*from))
        from++;
    while (from < to && dataset_blank(to[-1]))
        to--;
    *length = (size_t)(to - from);
    return from;
}

static int64_t dataset_count(const char *text, size_t size)
{
    int64_t count = 0;
    size_t length;
    for (size_t at = 0; at < size;) {
        dataset_line(text, size, &at, &length);
        count += length > 0;
    }
    return count;
}

/* Moves the documents together.  What stood between them is gone: it is no
 * part of a document, and so of no token. */
static void dataset_cut(lh_dataset *d)
{
    char *text = d->text.data;
    size_t size = d->text.size, filled = 0, length;
    int64_t i = 0;
    for (size_t at = 0; at < size;) {
        const char *line = dataset_line(text, size, &at, &length);
        if (!length)
            continue;
        d->starts[i++] = filled;
        memmove(text + filled, line, length);
        filled += length;
    }
    d->starts[i] = filled;
    d->text.size = filled;
}

/* A dataset of the text, which it takes over, and frees on failure; `where`
 * names it in messages. */
static lh_dataset *dataset_make(lh_context *ctx, const char *where,
                                lh_buffer *text, lh_documents by)
{
    lh_dataset *d = lh_alloc(ctx, 1, sizeof *d);
    if (!d) {
        lh_buffer_free(ctx, text);
        return NULL;
    }
    d->ctx = ctx;
    d->text = *text;
    d->documents = !text->size ? 0 : by == LH_DOCUMENTS_WHOLE ? 1
                 : dataset_count(text->data, text->size);
    if (!d->documents) {
        lh_fail(ctx, LH_ERROR_FORMAT, "%s: %s: give a text with at least one"
                " document", where, text->size
                ? "there are only blank lines" : "it is empty");
        goto failed;
    }
    size_t count = (size_t)d->documents + 1;
    d->starts = lh_alloc(ctx, count, sizeof *d->starts);
    if (!d->starts)
        goto failed;
    if (by == LH_DOCUMENTS_WHOLE)
        d->starts[1] = text->size;
    else
        dataset_cut(d);
    if (dataset_index(d))
        goto failed;
    return d;
failed:
    lh_dataset_free(d);
    return NULL;
}

static bool dataset_by(lh_context *ctx, lh_documents by)
{
    if (by == LH_DOCUMENTS_LINES || by == LH_DOCUMENTS_WHOLE)
        return true;
    lh_fail(ctx, LH_ERROR_ARGUMENT, "a dataset by %d: documents are lines "
            "(%d) or the whole text (%d)", (int)by, LH_DOCUMENTS_LINES,
            LH_DOCUMENTS_WHOLE);
    return false;
}

/* -------------------------------------------------------------- public -- */

LH_API lh_dataset *lh_dataset_names(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_buffer text = { 0 };
    for (size_t i = 0; i < LH_COUNT(names_data); i++) {
        if (lh_buffer_add(ctx, &text, names_data[i], strlen(names_data[i]))) {
            lh_buffer_free(ctx, &text);
            return NULL;
        }
    }
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ' ')
            text.data[i] = '\n';
    return dataset_make(ctx, "the built-in names", &text,
                        LH_DOCUMENTS_LINES);
}

LH_API lh_dataset *lh_dataset_text(lh_context *ctx, const char *text,
                                   size_t size, lh_documents by)
{
    if (!ctx || !dataset_by(ctx, by))
        return NULL;
    if (!text && size) {
        lh_fail(ctx, LH_ERROR_ARGUMENT,
                "lh_dataset_text: NULL where a text is needed");
        return NULL;
    }
    lh_buffer copy = { 0 };
    if (size && lh_buffer_add(ctx, &copy, text, size)) {
        lh_buffer_free(ctx, &copy);
        return NULL;
    }
    return dataset_make(ctx, "the text", &copy, by);
}

LH_API lh_dataset *lh_dataset_file(lh_context *ctx, const char *path,
                                   lh_documents by)
{
    if (!ctx || !dataset_by(ctx, by))
        return NULL;
    if (!path) {
        lh_fail(ctx, LH_ERROR_ARGUMENT,
                "lh_dataset_file: NULL where a path is needed");
        return NULL;
    }
    lh_buffer text = { 0 };
    if (lh_file_read(ctx, path, &text))
        return NULL;
    return dataset_make(ctx, path, &text, by);
}

LH_API void lh_dataset_free(lh_dataset *d)
{
    if (!d)
        return;
    lh_free(d->ctx, d->slots);
    lh_free(d->ctx, d->starts);
    lh_buffer_free(d->ctx, &d->text);
    lh_free(d->ctx, d);
}

LH_API int64_t lh_dataset_documents(const lh_dataset *d)
{
    return d ? d->documents : 0;
}

LH_API const char *lh_dataset_document(const lh_dataset *d, int64_t i,
                                       size_t *size)
{
    bool there = d && i >= 0 && i < d->documents;
    if (size)
        *size = there ? d->starts[i + 1] - d->starts[i] : 0;
    return there ? d->text.data + d->starts[i] : NULL;
}

LH_API const char *lh_dataset_bytes(const lh_dataset *d, size_t *size)
{
    if (size)
        *size = d ? d->text.size : 0;
    return d ? d->text.data : NULL;
}

LH_API bool lh_dataset_contains(const lh_dataset *d, const char *text,
                                size_t size)
{
    if (!d || !text || !size)          /* no document is empty             */
        return false;
    if (d->slots) {
        /* What is there was put there within DATASET_PROBES, and is met
         * itself one later. */
        int probes = DATASET_PROBES + 1;
        const uint64_t *slot = dataset_slot(d, text, size,
                                            dataset_hash(text, size),
                                            &probes);
        return probes && *slot;
    }
    for (int64_t i = 0; i < d->documents; i++) {
        size_t other;
        const char *document = lh_dataset_document(d, i, &other);
        if (other == size && !memcmp(document, text, size))
            return true;
    }
    return false;
}

#undef DATASET_NUMBER_BITS
#undef DATASET_NUMBER_MASK
#undef DATASET_PROBES
