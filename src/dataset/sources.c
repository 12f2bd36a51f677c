/* Which files the data is in, and what each holds.
 *
 * Owns: folders (all files below, by name, hidden ones left out), patterns,
 * and telling by a file's name and first bytes what it is.  Refuses: what is
 * compressed, and token files without their tokenizer.  In a folder what
 * cannot be data is left out instead, and noted. */
#include "dataset/dataset.h"

#include "base/bits.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

/* What is looked at to tell what a file is. */
enum { SOURCES_HEAD = 8192 };
/* Folders within folders. */
enum { SOURCES_DEPTH = 64 };
/* llm.c's token files: 256 words of 4 bytes, the first of them one of these
 * (version 1, ids of 2 bytes; version 7, ids of 4). */
enum { SOURCES_IDS_HEADER = 1024, SOURCES_IDS16 = 20240520,
       SOURCES_IDS32 = 20240801 };

LH_INTERNAL lh_source *lh_source_new(lh_dataset *d, const char *path,
                                     const char *name)
{
    if (lh_grow(d->ctx, &d->source, &d->room, (size_t)d->sources + 1,
                sizeof *d->source))
        return NULL;
    lh_source *s = &d->source[d->sources++];
    *s = (lh_source){ .path = lh_text_copy(d->ctx, path),
                      .name = lh_text_copy(d->ctx, name) };
    return s->path && s->name ? s : NULL;
}

/* ------------------------------------------------------- what it holds -- */

/* What cannot be read as it is, by its first bytes: the words for it. */
static const char *sources_foreign(const char *head, size_t size)
{
    static const struct { const char *begin; size_t size; const char *text; }
    row[] = {
        { "\x1f\x8b", 2, "is compressed (gzip): unpack it with gunzip -k" },
        { "\xfd" "7zXZ", 5, "is compressed (xz): unpack it with unxz -k" },
        { "\x28\xb5\x2f\xfd", 4, "is compressed (zstd): unpack it with"
          " unzstd" },
        { "BZh", 3, "is compressed (bzip2): unpack it with bunzip2 -k" },
        { "PK\x03\x04", 4, "is a zip archive: unpack it with unzip" },
        { "%PDF-", 5, "is a PDF: take its text out with pdftotext" },
        { "\xff\xfe", 2, "is UTF-16, not UTF-8: convert it with iconv -f"
          " UTF-16 -t UTF-8" },
        { "\xfe\xff", 2, "is UTF-16, not UTF-8: convert it with iconv -f"
          " UTF-16 -t UTF-8" },
    };
    for (size_t i = 0; i < LH_COUNT(row); i++)
        if (size >= row[i].size &&
            !memcmp(head, row[i].begin, row[i].size))
            return row[i].text;
    return NULL;
}

/* Bytes of a byte order mark in front. */
static size_t sources_mark(const char *head, size_t size)
{
    return size >= 3 && !memcmp(head, "\xef\xbb\xbf", 3) ? 3 : 0;
}

/* Records as JSON, one a line: by the name, or by the first line. */
static bool sources_jsonl(const char *name, const char *head, size_t size)
{
    static const char key[] = "\"text\"";
    if (lh_text_ends(name, ".jsonl") || lh_text_ends(name, ".ndjson"))
        return true;
    if (lh_text_ends(name, ".txt") || !size || head[0] != '{')
        return false;
    const char *end = memchr(head, '\n', size);
    size_t length = end ? (size_t)(end - head) : size;
    return memmem(head, length, key, sizeof key - 1) != NULL;
}

/* A token file's header, if it has one.  What it counts must be there. */
static lh_status sources_ids(lh_dataset *d, lh_source *s, const char *head,
                             size_t size)
{
    uint64_t magic = size >= SOURCES_IDS_HEADER ? lh_little(head, 4) : 0;
    if (!d->tokenizer)
        return lh_fail(d->ctx, LH_ERROR_ARGUMENT, "%s holds token ids: of"
                       " which tokenizer? --tokenizer FILE", s->name);
    s->kind = LH_SOURCE_IDS16;
    if (magic == SOURCES_IDS16 || magic == SOURCES_IDS32) {
        uint64_t version = lh_little(head + 4, 4);
        int64_t count = (int64_t)lh_little(head + 8, 4);
        if (version != (magic == SOURCES_IDS16 ? 1 : 7))
            return lh_fail(d->ctx, LH_ERROR_FORMAT, "%s: a token file of"
                           " version %u is not known", s->name,
                           (unsigned)version);
        s->kind = magic == SOURCES_IDS16 ? LH_SOURCE_IDS16
                                         : LH_SOURCE_IDS32;
        s->offset = SOURCES_IDS_HEADER;
        s->size -= SOURCES_IDS_HEADER;
        count *= s->kind == LH_SOURCE_IDS16 ? 2 : 4;
        if (count != s->size)
            return lh_fail(d->ctx, LH_ERROR_FORMAT, "%s: its header counts"
                           " %lld bytes of ids, %lld are there", s->name,
                           (long long)count, (long long)s->size);
    }
    if (s->size % (s->kind == LH_SOURCE_IDS16 ? 2 : 4))
        return lh_fail(d->ctx, LH_ERROR_FORMAT, "%s: ends in the middle of"
                       " an id", s->name);
    return LH_OK;
}

/* Whether a file with the name of token ids may be one, by its first ids. */
static const char *sources_no_ids(const lh_dataset *d, const lh_source *s,
                                  const char *head, size_t size)
{
    uint64_t vocabulary = (uint64_t)lh_tokenizer_vocabulary(d->tokenizer);
    for (size_t i = 0; i + 2 <= size; i += 2)
        if (lh_little(head + i, 2) >= vocabulary)
            return "has ids that the tokenizer has not";
    return s->size % 2 ? "ends in the middle of an id" : NULL;
}

static lh_status sources_sniff(lh_dataset *d, lh_source *s, const char *head,
                               size_t size, bool found)
{
    const char *foreign = sources_foreign(head, size);
    uint64_t magic = size >= 4 ? lh_little(head, 4) : 0;
    bool header = magic == SOURCES_IDS16 || magic == SOURCES_IDS32;
    bool ids = header || lh_text_ends(s->name, ".bin");
    if (ids && (d->tokenizer || !found)) {
        foreign = found && !header ? sources_no_ids(d, s, head, size) : NULL;
        if (!foreign)
            return sources_ids(d, s, head, size);
    } else {
        size_t mark = sources_mark(head, size);
        bool jsonl = sources_jsonl(s->name, head + mark, size - mark);
        s->kind = jsonl ? LH_SOURCE_JSONL : LH_SOURCE_TEXT;
        s->offset = (int64_t)mark;
        s->size -= (int64_t)mark;
        if (!jsonl && found && !foreign && memchr(head, 0, size))
            foreign = "is binary";
    }
    if (!foreign)
        return LH_OK;
    if (!found)
        return lh_fail(d->ctx, LH_ERROR_FORMAT, "%s %s", s->name, foreign);
    d->facts.left_out++;
    lh_status status = lh_dataset_noted(d, "%s left out: it %s", s->name,
                                        foreign);
    lh_free(d->ctx, s->path);
    lh_free(d->ctx, s->name);
    d->sources--;
    return status;
}

static bool sources_input(const lh_dataset *d, const char *path)
{
    return d->input && !strcmp(path, "-");
}

/* The first bytes of a file; where they are the beginning of one line that may
 * be a record, as many as a record may have. */
static lh_status sources_head(lh_context *ctx, const lh_reader *file,
                              lh_buffer *head)
{
    int64_t size = lh_min64(file->size, SOURCES_HEAD);
    for (bool more = true; more; size = lh_min64(file->size, LH_RECORD)) {
        if (lh_buffer_reserve(ctx, head, (size_t)size + 1) ||
            lh_reader_at(file, head->data, (size_t)size, 0))
            return lh_error_status(ctx);
        head->size = (size_t)size;
        size_t mark = sources_mark(head->data, head->size);
        more = size == SOURCES_HEAD && size < file->size &&
               head->data[mark] == '{' &&
               !memchr(head->data, '\n', head->size);
    }
    return LH_OK;
}

/* One file; `found` in a folder, not named. */
static lh_status sources_file(lh_dataset *d, const char *path, bool found)
{
    bool input = sources_input(d, path);
    lh_source *s = lh_source_new(d, input ? d->input : path,
                                 input ? "standard input" : path);
    lh_reader file;
    lh_buffer head = { 0 };
    if (!s)
        return LH_ERROR_MEMORY;
    lh_status status = lh_reader_open(d->ctx, &file, s->path);
    s->size = file.size;
    if (!status && s->size < 0) {      /* a pipe: it can be read once      */
        status = lh_reader_all(&file, &s->owned);
        s->text = s->owned.data;
        s->size = (int64_t)s->owned.size;
    } else if (!status) {
        status = sources_head(d->ctx, &file, &head);
    }
    lh_reader_close(&file);
    if (!status)
        status = sources_sniff(d, s, s->text ? s->text : head.data,
                               s->text ? s->owned.size : head.size, found);
    lh_buffer_free(d->ctx, &head);
    return status;
}

/* ---------------------------------------------------- folders, patterns -- */

static int sources_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static lh_status sources_path(lh_dataset *d, const char *path, int depth);

/* The names in a folder into list[*count], sorted. */
static lh_status sources_list(lh_context *ctx, const char *path,
                              const void ***list, size_t *count)
{
    DIR *folder = opendir(path);
    size_t room = 0;
    lh_status status = LH_OK;
    if (!folder)
        return lh_fail(ctx, LH_ERROR_IO, "cannot read the folder %s (system"
                       " error %d)", path, errno);
    for (struct dirent *entry; !status && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char *name = lh_grow(ctx, list, &room, *count + 1, sizeof **list)
            ? NULL : lh_path_join(ctx, path, entry->d_name);
        if (name)
            (*list)[(*count)++] = name;
        else
            status = LH_ERROR_MEMORY;
    }
    closedir(folder);
    if (!status)
        lh_sort(*list, *count, sources_order);
    return status;
}

/* Links to folders are not followed: they may lead around in circles. */
static lh_status sources_entry(lh_dataset *d, const char *path, int depth)
{
    struct stat facts = { 0 }, link = { 0 };
    bool there = !stat(path, &facts) && !lstat(path, &link);
    if (there && S_ISDIR(facts.st_mode) && !S_ISLNK(link.st_mode))
        return sources_path(d, path, depth + 1);
    if (there && S_ISREG(facts.st_mode))
        return sources_file(d, path, true);
    d->facts.left_out++;
    return lh_dataset_noted(d, "%s left out: it is no file", path);
}

static lh_status sources_folder(lh_dataset *d, const char *path, int depth)
{
    const void **list = NULL;
    size_t count = 0;
    if (depth > SOURCES_DEPTH)
        return lh_fail(d->ctx, LH_ERROR_IO, "%s: more than %d folders deep",
                       path, SOURCES_DEPTH);
    lh_status status = sources_list(d->ctx, path, &list, &count);
    for (size_t i = 0; i < count && !status; i++)
        status = sources_entry(d, list[i], depth);
    for (size_t i = 0; i < count; i++)
        lh_free(d->ctx, (void *)(uintptr_t)list[i]);
    lh_free(d->ctx, list);
    return status;
}

/* The C library sorts as the locale says; this does not. */
static lh_status sources_pattern(lh_dataset *d, const char *path)
{
    glob_t found = { 0 };
    int code = glob(path, GLOB_NOSORT, NULL, &found);
    lh_status status = LH_OK;
    if (code)
        status = lh_fail(d->ctx, LH_ERROR_IO, "%s: %s", path, code ==
                         GLOB_NOMATCH ? "no file has such a name"
                         : "the pattern cannot be looked up");
    else
        lh_sort((const void **)(uintptr_t)found.gl_pathv, found.gl_pathc,
                sources_order);
    for (size_t i = 0; !status && i < found.gl_pathc; i++)
        status = sources_path(d, found.gl_pathv[i], 1);
    if (!code)
        globfree(&found);
    return status;
}

static lh_status sources_path(lh_dataset *d, const char *path, int depth)
{
    struct stat facts = { 0 };
    bool there = !stat(path, &facts);
    if (there && S_ISDIR(facts.st_mode))
        return sources_folder(d, path, depth);
    if (!there && !depth && strpbrk(path, "*?[") && !sources_input(d, path))
        return sources_pattern(d, path);
    return sources_file(d, path, false);
}

LH_INTERNAL lh_status lh_sources_add(lh_dataset *d, const char *path,
                                     bool held_out)
{
    int64_t before = d->sources;
    int kept = d->kept;
    lh_status status = sources_path(d, path, 0);
    const char *note = lh_dataset_note(d, kept);
    for (int64_t i = before; i < d->sources; i++)
        d->source[i].held_out = held_out;
    if (!status && d->sources == before)
        status = lh_fail(d->ctx, LH_ERROR_FORMAT, "%s: no text is in this"
                         " folder%s%s%s", path, note ? " (" : "",
                         note ? note : "", note ? ")" : "");
    return status;
}
