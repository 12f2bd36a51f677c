/* Datasets: documents, read once when one is made, and kept where they are
 * few enough; the built-in names.
 *
 * Owns: how texts are cut where nobody says it, what is counted, the index of
 * documents.  A document is bytes: nothing here asks whether they are UTF-8,
 * and a NUL is a byte like any other; both are counted.  Refuses: data without
 * a document, tokens (src/tokenizer) and windows (src/train).
 * A dataset never changes after it is made, so that threads may share it. */
#include "base/file.h"
#include "dataset/dataset.h"

#include <stdarg.h>

#include "dataset/names_data.inc.h"

/* What is kept in memory unless told otherwise, in bytes. */
enum { DATASET_MEMORY = 8 << 20 };
/* Of each text so much is looked at to choose how it is cut. */
enum { DATASET_SAMPLE = 1 << 18 };
static const char dataset_mark[] = "<|endoftext|>";
/* Notes that are kept. */
enum { DATASET_NOTES = 8 };

/* The index behind lh_dataset_contains(): open addressing, at most half
 * full; a slot holds the document's number + 1 and, above it, a part of its
 * hash, so that most comparisons need not look at the text. */
enum { DATASET_NUMBER_BITS = 40 };
static const uint64_t dataset_number_mask =
    (UINT64_C(1) << DATASET_NUMBER_BITS) - 1;
/* A text made to collide could make the index slow to build; when one
 * document meets this many others the index is given up, and contains looks
 * through all documents.  10^7 random ones meet fewer than 60. */
enum { DATASET_PROBES = 256 };

LH_INTERNAL lh_status lh_dataset_noted(lh_dataset *d, const char *format,
                                       ...)
{
    char text[512];
    va_list arguments;
    if (d->kept == DATASET_NOTES)
        return LH_OK;
    d->kept++;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lh_text_clean(text);               /* one line, whatever a name has    */
    return lh_buffer_add(d->ctx, &d->notes, text, strlen(text) + 1);
}

/* --------------------------------------------------------------- index -- */

/* Bytes more into a hash. */
static uint64_t dataset_mix(uint64_t hash, const void *data, size_t size)
{
    const char *bytes = data;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, size - at < 8 ? size - at : 8);
        hash = lh_mix(hash, word);
    }
    return hash;
}

/* Mixed once more: the last word's high bytes are in the high bits alone. */
static uint64_t dataset_hash(const char *text, size_t size)
{
    return lh_mix(dataset_mix(size, text, size), size);
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
        if ((*slot ^ hash) & ~dataset_number_mask)
            continue;
        int64_t i = (int64_t)(*slot & dataset_number_mask) - 1;
        size_t other;
        const char *document = lh_dataset_document(d, i, &other);
        if (other == size && !memcmp(document, text, size))
            return slot;
    }
}

static lh_status dataset_index(lh_dataset *d)
{
    size_t slots = 16;
    int64_t documents = d->facts.documents;
    d->facts.duplicates = -1;
    if ((uint64_t)documents >= dataset_number_mask)
        return LH_OK;
    while (slots / 2 < (size_t)documents && slots <= SIZE_MAX / 16)
        slots *= 2;
    d->slots = lh_alloc(d->ctx, slots, sizeof *d->slots);
    if (!d->slots)
        return LH_ERROR_MEMORY;
    d->mask = slots - 1;
    int64_t duplicates = 0;
    for (int64_t i = 0; i < documents; i++) {
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
        duplicates += *slot != 0;
        if (!*slot)
            *slot = (hash & ~dataset_number_mask) | (uint64_t)(i + 1);
    }
    d->facts.duplicates = duplicates;
    return LH_OK;
}

/* ------------------------------------------------------------- keeping -- */

static lh_status dataset_keep(void *user, const lh_piece *p)
{
    lh_dataset *d = user;
    uint64_t mark = (uint64_t)p->size << 2 | (uint64_t)p->first << 1 |
                    (uint64_t)p->last;
    d->facts.hash = dataset_mix(d->facts.hash, &mark, sizeof mark);
    d->facts.hash = dataset_mix(d->facts.hash, p->text, p->size);
    d->facts.hash = dataset_mix(d->facts.hash, p->ids, (size_t)p->count *
                                                       sizeof *p->ids);
    if (!d->facts.loaded)
        return LH_OK;
    lh_status status = lh_grow(d->ctx, &d->starts, &d->starts_room,
                               (size_t)p->document + 2, sizeof *d->starts);
    if (!status)
        status = lh_buffer_add(d->ctx, &d->text, p->text, p->size);
    if (!status)
        d->starts[p->document + 1] = d->text.size;
    return status;
}

/* Reads all sources; `where` names them in messages. */
static lh_status dataset_load(lh_dataset *d, const char *where)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < d->sources; i++)
        bytes += d->source[i].size;
    if (d->facts.loaded)               /* just as much as there may be     */
        lh_buffer_reserve(d->ctx, &d->text, (size_t)(bytes + d->sources) + 1);
    lh_status status = d->text.status ? d->text.status
                     : lh_sources_read(d->ctx, d, d, dataset_keep, d);
    if (!status && !d->facts.training)
        return lh_fail(d->ctx, LH_ERROR_FORMAT, "%s: %s%s%s: give a text"
                       " with at least one document", where, d->kept
                       ? "nothing could be read (" : bytes
                       ? "there are only blank lines" : "it is empty",
                       d->kept ? d->notes.data : "", d->kept ? ")" : "");
    if (status || !d->facts.loaded)
        return status;
    status = lh_fit(d->ctx, &d->starts, &d->starts_room,
                    (size_t)d->facts.documents + 1, sizeof *d->starts);
    return status ? status : dataset_index(d);
}

/* ------------------------------------------------------------- cutting -- */

/* A list has short lines one under the other: none longer than 200 bytes and
 * no empty ones between.  Books have empty lines between paragraphs, or
 * paragraphs as long lines.  A line that may go on does not count. */
static bool dataset_list(const char *text, size_t size, bool all,
                         int64_t *lines)
{
    int64_t gap = 0, before = *lines;
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;
        bool empty = length == 0 || (length == 1 && text[0] == '\r');
        if (length > 200 || (!empty && gap && *lines > before))
            return false;
        if (!end && !all)
            break;
        gap += empty;
        *lines += !empty;
        text += length + (end != NULL);
        size -= length + (end != NULL);
    }
    return true;
}

static lh_status dataset_sample(lh_dataset *d, const lh_source *s,
                                char *text, size_t size)
{
    lh_reader file;
    if (s->text) {
        memcpy(text, s->text + s->offset, size);
        return LH_OK;
    }
    lh_status status = lh_reader_open(d->ctx, &file, s->path);
    if (!status)
        status = lh_reader_at(&file, text, size, s->offset);
    lh_reader_close(&file);
    return status;
}

static lh_status dataset_choose(lh_dataset *d)
{
    char *text = lh_alloc(d->ctx, (size_t)DATASET_SAMPLE, 1);
    int64_t lines = 0, texts = 0;
    bool list = true;
    lh_status status = text ? LH_OK : LH_ERROR_MEMORY;
    d->facts.by = d->sources > 1 ? LH_DOCUMENTS_FILES : LH_DOCUMENTS_WHOLE;
    for (int64_t i = 0; i < d->sources && list && !status; i++) {
        const lh_source *s = &d->source[i];
        if (s->kind != LH_SOURCE_TEXT)
            continue;
        size_t size = (size_t)lh_min64(s->size, DATASET_SAMPLE);
        status = dataset_sample(d, s, text, size);
        if (!status && !texts++ && memmem(text, size, dataset_mark,
                                          sizeof dataset_mark - 1)) {
            d->facts.by = LH_DOCUMENTS_SEPARATED;
            break;
        }
        list = !status && dataset_list(text, size, s->size ==
                                       (int64_t)size, &lines);
    }
    if (list && lines > 1 && d->facts.by != LH_DOCUMENTS_SEPARATED)
        d->facts.by = LH_DOCUMENTS_LINES;
    lh_free(d->ctx, text);
    return status;
}

static lh_status dataset_by(lh_dataset *d, const lh_sources *what)
{
    const char *mark = what->separator;
    lh_status status = LH_OK;
    d->facts.by = what->by;
    if (mark && !*mark)
        return lh_fail(d->ctx, LH_ERROR_ARGUMENT, "the separator of documents"
                       " is empty");
    if (what->by == LH_DOCUMENTS_CHOSEN && mark)
        d->facts.by = LH_DOCUMENTS_SEPARATED;
    else if (what->by == LH_DOCUMENTS_CHOSEN)
        status = dataset_choose(d);
    if (status || d->facts.by != LH_DOCUMENTS_SEPARATED)
        return status;
    mark = mark ? mark : dataset_mark;
    d->separator = lh_text_copy(d->ctx, mark);
    return d->separator ? LH_OK : LH_ERROR_MEMORY;
}

/* -------------------------------------------------------------- public -- */

static lh_dataset *dataset_new(lh_context *ctx, unsigned by)
{
    if (by > LH_DOCUMENTS_CHOSEN)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "a dataset by %u:"
                            " documents are %d to %d", by, LH_DOCUMENTS_LINES,
                            LH_DOCUMENTS_CHOSEN);
    lh_dataset *d = lh_alloc(ctx, 1, sizeof *d);
    if (d)
        d->ctx = ctx;
    return d;
}

static lh_status dataset_open(lh_dataset *d, const lh_sources *what)
{
    lh_status status = LH_OK;
    int64_t bytes = 0, memory = what->memory ? what->memory : DATASET_MEMORY;
    const lh_source *texts = NULL, *ids = NULL;
    bool once = false;
    d->tokenizer = what->tokenizer;
    d->input = what->input;
    d->on_read = what->on_read;
    d->user = what->user;
    for (int64_t i = 0; i < what->paths + what->held_outs && !status; i++) {
        bool held_out = i >= what->paths;
        status = lh_sources_add(d, held_out ? what->held_out[i - what->paths]
                                            : what->path[i], held_out);
    }
    d->input = NULL;
    for (int64_t i = 0; i < d->sources && !status; i++) {
        const lh_source *s = &d->source[i];
        if (__builtin_add_overflow(bytes, s->size, &bytes))
            status = lh_fail(d->ctx, LH_ERROR_MEMORY, "the data has too many"
                             " bytes");
        *(s->kind >= LH_SOURCE_IDS16 ? &ids : &texts) = s;
        once |= s->text != NULL;
    }
    if (!status && ids && texts)
        status = lh_fail(d->ctx, LH_ERROR_ARGUMENT, "%s holds token ids, %s"
                         " does not: token files and texts do not go"
                         " together", ids->name, texts->name);
    if (status)
        return status;
    d->facts.files = d->sources;
    d->facts.ids = ids != NULL;
    d->facts.duplicates = -1;
    d->facts.loaded = !ids && (bytes <= memory || once);
    status = dataset_by(d, what);
    return status ? status : dataset_load(d, d->sources == 1
                                          ? d->source[0].name : "the data");
}

LH_API lh_dataset *lh_dataset_open(lh_context *ctx, const lh_sources *what)
{
    bool there = ctx && what && what->paths > 0 && what->path &&
                 what->held_outs >= 0 && (what->held_out ||
                                          !what->held_outs);
    for (int64_t i = 0; there && i < what->paths + what->held_outs; i++)
        there = i < what->paths ? what->path[i] != NULL
                                : what->held_out[i - what->paths] != NULL;
    if (!there)
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_dataset_open: NULL"
                            " where a path is needed");
    lh_dataset *d = dataset_new(ctx, what->by);
    if (!d || !dataset_open(d, what))
        return d;
    lh_dataset_free(d);
    return NULL;
}

/* A dataset of a text, which is borrowed. */
static lh_dataset *dataset_make(lh_context *ctx, const char *name,
                                const char *text, size_t size,
                                lh_documents by)
{
    lh_dataset *d = dataset_new(ctx, by);
    lh_source *s = d ? lh_source_new(d, "", name) : NULL;
    if (s) {
        s->text = text ? text : "";
        s->size = (int64_t)size;
        d->facts.files = 1;
        d->facts.loaded = true;
        lh_sources what = { .by = by };
        if (!dataset_by(d, &what) && !dataset_load(d, name)) {
            s->text = NULL;            /* it is read from memory now       */
            return d;
        }
    }
    lh_dataset_free(d);
    return NULL;
}

LH_API lh_dataset *lh_dataset_names(lh_context *ctx)
{
    if (!ctx)
        return NULL;
    lh_buffer text = { 0 };
    for (size_t i = 0; i < LH_COUNT(names_data); i++)
        lh_buffer_add(ctx, &text, names_data[i], strlen(names_data[i]));
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ' ')
            text.data[i] = '\n';
    lh_dataset *d = text.status ? NULL
        : dataset_make(ctx, "the built-in names", text.data, text.size,
                       LH_DOCUMENTS_LINES);
    lh_buffer_free(ctx, &text);
    return d;
}

LH_API lh_dataset *lh_dataset_text(lh_context *ctx, const char *text,
                                   size_t size, lh_documents by)
{
    if (!ctx || (!text && size))
        return LH_FAIL_NULL(ctx, LH_ERROR_ARGUMENT, "lh_dataset_text: NULL"
                            " where a text is needed");
    return dataset_make(ctx, "the text", text, size, by);
}

LH_API lh_dataset *lh_dataset_file(lh_context *ctx, const char *path,
                                   lh_documents by)
{
    lh_sources what = { .path = &path, .paths = 1, .by = by };
    return lh_dataset_open(ctx, &what);
}

LH_API void lh_dataset_free(lh_dataset *d)
{
    if (!d)
        return;
    for (int64_t i = 0; i < d->sources; i++) {
        lh_free(d->ctx, d->source[i].path);
        lh_free(d->ctx, d->source[i].name);
        lh_buffer_free(d->ctx, &d->source[i].owned);
    }
    lh_free(d->ctx, d->source);
    lh_free(d->ctx, d->separator);
    lh_free(d->ctx, d->slots);
    lh_free(d->ctx, d->starts);
    lh_buffer_free(d->ctx, &d->notes);
    lh_buffer_free(d->ctx, &d->text);
    lh_free(d->ctx, d);
}

LH_API int64_t lh_dataset_documents(const lh_dataset *d)
{
    return d ? d->facts.documents : 0;
}

LH_API void lh_dataset_facts(const lh_dataset *d, lh_data_facts *facts)
{
    if (facts)
        *facts = d ? d->facts : (lh_data_facts){ 0 };
}

LH_API const char *lh_dataset_note(const lh_dataset *d, int i)
{
    if (!d || i < 0 || i >= d->kept)
        return NULL;
    const char *note = d->notes.data;
    while (i--)
        note += strlen(note) + 1;
    return note;
}

LH_API const char *lh_dataset_document(const lh_dataset *d, int64_t i,
                                       size_t *size)
{
    bool there = d && d->facts.loaded && i >= 0 && i < d->facts.documents;
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
    if (!d || !d->facts.loaded || !text || !size)     /* none is empty   */
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
    for (int64_t i = 0; i < d->facts.documents; i++) {
        size_t other;
        const char *document = lh_dataset_document(d, i, &other);
        if (other == size && !memcmp(document, text, size))
            return true;
    }
    return false;
}
