/* Sources read as documents: a window moves over each file, in it ends of
 * documents are looked for, and what stands between them is told.  A document
 * longer than a block is told in pieces, so that memory is a block and not a
 * document; only a record of JSONL must be there whole, and blanks of which it
 * is not known yet whether a document ends with them.
 *
 * Whatever the blocks, the same documents come out. */
#include "dataset/dataset.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

enum { READ_BLOCK = 1 << 20 };
enum { READ_WHERE = LH_UTF8_SHOWN + 64 };

typedef struct read_state {
    lh_context *ctx;
    const lh_dataset *d;
    lh_dataset *report;                /* NULL: not the first reading      */
    lh_read_piece *on;
    void *user;
    const lh_source *s;
    lh_reader file;
    int64_t offset;                    /* in the file: behind the window   */
    char *text;                        /* [at..size) is not used yet       */
    size_t at, size, room;
    bool end;                          /* the file ends with the window    */
    int64_t line;                      /* of the file, at text[at]         */
    lh_piece piece;
    int64_t bytes;                     /* of the document so far           */
    bool open;                         /* a document has begun             */
    bool invalid, nul;                 /* it has shown such                */
    char last;                         /* byte that was told               */
} read_state;

/* ------------------------------------------------------------- telling -- */

static int64_t read_lines(const char *text, size_t size)
{
    int64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* The file's line in which text[at] is; a record stands in one line. */
static long long read_line(const read_state *r, const char *text, size_t at)
{
    return (long long)(r->line + (r->s->kind == LH_SOURCE_JSONL
                                  ? 0 : read_lines(text, at)));
}

/* Counts what is odd in a piece, once a document. */
static lh_status read_check(read_state *r, const char *text, size_t size)
{
    lh_data_facts *f = &r->report->facts;
    lh_status status = LH_OK;
    if (!r->nul && size) {
        const char *nul = memchr(text, 0, size);
        r->nul = nul != NULL;
        f->nuls += r->nul;
        if (nul && f->nuls == 1)
            status = lh_dataset_noted(r->report, "%s, line %lld: a NUL byte",
                r->s->name, read_line(r, text, (size_t)(nul - text)));
    }
    for (size_t at = lh_utf8_ascii(text, size);
         at < size && !r->invalid && !status;
         at += lh_utf8_ascii(text + at, size - at)) {
        uint32_t code;
        int length = lh_utf8_decode(text + at, size - at, &code);
        r->invalid = !length;
        f->invalid += !length;
        if (!length && f->invalid == 1)
            status = lh_dataset_noted(r->report, "%s, line %lld: the byte"
                " 0x%02x is no UTF-8", r->s->name, read_line(r, text, at),
                (unsigned)(unsigned char)text[at]);
        at += (size_t)length;
    }
    return status;
}

/* A part of the document at hand.  Empty documents are none. */
static lh_status read_tell(read_state *r, const char *text, size_t size,
                           bool last)
{
    lh_piece *p = &r->piece;
    if (!r->open && !size && !p->count)
        return LH_OK;
    lh_status status = r->report && !p->ids ? read_check(r, text, size)
                                            : LH_OK;
    p->text = text;
    p->size = size;
    p->first = !r->open;
    p->last = last;
    r->open = !last;
    r->bytes += (int64_t)size;
    if (size)
        r->last = text[size - 1];
    if (r->report) {
        r->report->facts.bytes += (int64_t)size;
        r->report->facts.units += p->ids ? p->count : (int64_t)size;
    }
    if (!status)
        status = r->on(r->user, p);
    if (!last)
        return status;
    if (r->report) {
        lh_data_facts *f = &r->report->facts;
        f->longest = lh_max64(f->longest, r->bytes);
        f->records += r->s->kind == LH_SOURCE_JSONL;
        f->documents++;
        f->training += !r->s->held_out;
    }
    p->document++;
    r->bytes = 0;
    r->invalid = r->nul = false;
    return status;
}

/* -------------------------------------------------------------- window -- */

/* A block, or as much as is kept, so that what is kept is looked through again
 * as often as it doubles and not with each block. */
static lh_status read_more(read_state *r)
{
    if (r->at)
        memmove(r->text, r->text + r->at, r->size - r->at);
    r->size -= r->at;
    r->at = 0;
    int64_t left = r->s->offset + r->s->size - r->offset;
    int64_t most = lh_max64(READ_BLOCK, (int64_t)r->size);
    size_t size = (size_t)lh_min64(left, most);
    if (lh_grow(r->ctx, &r->text, &r->room, r->size + (size_t)most, 1))
        return LH_ERROR_MEMORY;
    if (r->d->on_read && !r->d->on_read(r->d->user))
        return lh_fail(r->ctx, LH_ERROR_STOPPED, "stopped as asked while"
                       " reading %s", r->s->name);
    lh_status status = LH_OK;
    if (r->s->text && size)
        memcpy(r->text + r->size, r->s->text + r->offset, size);
    else if (size)
        status = lh_reader_at(&r->file, r->text + r->size, size, r->offset);
    r->offset += (int64_t)size;
    r->size += size;
    r->end = left == (int64_t)size;
    return status;
}

static void read_used(read_state *r, size_t to)
{
    if (r->report && r->text)          /* before the first block: NULL     */
        r->line += read_lines(r->text + r->at, to - r->at);
    r->at = to;
}

/* ---------------------------------------------------------------- text -- */

static bool read_is(const char *set, char c)
{
    return c && strchr(set, c) != NULL;
}

/* Where the first border in text[0..size) is, and behind it; false: none.
 * One that may go on behind the window is none. */
static bool read_border(const read_state *r, const char *text, size_t size,
                        size_t *from, size_t *to)
{
    const char *mark = r->d->separator ? r->d->separator : "\n", *found;
    size_t length = strlen(mark);
    lh_documents by = r->d->facts.by;
    if (!size || by == LH_DOCUMENTS_WHOLE || by == LH_DOCUMENTS_FILES)
        return false;
    for (size_t at = 0; (found = memmem(text + at, size - at, mark, length));
         at = *from + 1) {
        *from = (size_t)(found - text);
        *to = *from + length;
        if (by != LH_DOCUMENTS_PARAGRAPHS)
            return true;
        while (*to < size && read_is(" \t\r", text[*to]))
            ++*to;
        if (*to < size && text[(*to)++] == '\n')
            return true;
    }
    return false;
}

/* How much of text[0..size), in which is no border, can be told before more
 * is read: without the beginning of one, what is taken off at the end, and
 * half a character. */
static size_t read_safe(const read_state *r, const char *back,
                        const char *text, size_t size)
{
    size_t mark = r->d->separator ? strlen(r->d->separator) - 1 : 0;
    size = size > mark ? size - mark : 0;
    while (size && read_is(back, text[size - 1]))
        size--;
    for (size_t i = 1; i <= 3 && i < size; i++) {
        unsigned char c = (unsigned char)text[size - i];
        if (c >= 0xc0)
            return size - i;
        if (c < 0x80)
            break;
    }
    return size;
}

static lh_status read_text(read_state *r)
{
    /* What is taken off the ends of a document. */
    static const char *const front[] = { " \t\r", "", "\r\n", "", "\r\n" };
    static const char *const back[] = { " \t\r", "", " \t\r\n", "",
                                        "\r\n" };
    lh_documents by = r->d->facts.by;
    lh_status status = LH_OK;
    while (!status && !(r->end && r->at == r->size)) {
        size_t from = 0, to = 0, begin = r->at;
        while (!r->open && begin < r->size &&
               read_is(front[by], r->text[begin]))
            begin++;
        read_used(r, begin);
        char *text = r->text ? r->text + r->at : NULL;
        size_t size = r->size - r->at;
        bool last = read_border(r, text, size, &from, &to);
        if (!last && !r->end) {
            from = to = read_safe(r, back[by], text, size);
            if (size >= READ_BLOCK)
                status = read_tell(r, text, from, false);
            else
                to = 0;
            read_used(r, r->at + to);
            if (!status)
                status = read_more(r);
            continue;
        }
        if (!last)                     /* the rest of the file             */
            from = to = size;
        while (from && read_is(back[by], text[from - 1]))
            from--;
        bool joined = by == LH_DOCUMENTS_WHOLE;
        status = read_tell(r, text, from, !joined);
        read_used(r, r->at + to);
    }
    /* The document may have been told before its end was seen. */
    if (!status && r->open && by != LH_DOCUMENTS_WHOLE)
        status = read_tell(r, "", 0, true);
    return status;
}

/* --------------------------------------------------------------- JSONL -- */

/* "FILE, line 5: what is wrong". */
static const char *read_where(const read_state *r, char where[READ_WHERE],
                              const char *what)
{
    char shown[LH_UTF8_SHOWN];
    snprintf(where, READ_WHERE, "%s, line %lld%s%s",
             lh_utf8_show(shown, r->s->name, strlen(r->s->name)),
             (long long)r->line, *what ? ": " : "", what);
    return where;
}

static lh_status read_left_out(read_state *r, const char *why)
{
    if (!r->report)
        return LH_OK;
    r->report->facts.left_out++;
    return lh_dataset_noted(r->report, "%s", why);
}

/* The line's text; or, with what was wrong noted, nothing. */
static lh_status read_record(read_state *r, const char *line, size_t size)
{
    char where[READ_WHERE], why[READ_WHERE + 128];
    lh_json_document json = { 0 };
    bool clear = lh_error_status(r->ctx) == LH_OK;
    read_where(r, where, "");
    lh_status status = lh_json_parse(r->ctx, where, line, size, &json);
    if (status == LH_ERROR_MEMORY)
        return status;
    const lh_json *text = status ? NULL : lh_json_get(json.root, "text");
    bool told = text && text->type == LH_JSON_STRING && text->size;
    if (status && clear) {
        snprintf(why, sizeof why, "%s", lh_error_message(r->ctx));
        lh_error_clear(r->ctx);
    } else {
        read_where(r, why, status ? "is no JSON" : !text
                   ? "has no \"text\"" : text->type != LH_JSON_STRING
                   ? "its \"text\" is no text" : "its \"text\" is empty");
    }
    status = told ? read_tell(r, text->string, text->size, true)
                  : read_left_out(r, why);
    lh_json_free(&json);
    return status;
}

static lh_status read_jsonl(read_state *r)
{
    lh_status status = LH_OK;
    bool skips = false;                /* within a line that is too long   */
    r->line = 1;
    while (!status && !(r->end && r->at == r->size)) {
        const char *line = r->text ? r->text + r->at : NULL;
        size_t size = r->size - r->at;
        const char *found = size ? memchr(line, '\n', size) : NULL;
        size = found ? (size_t)(found - line) : size;
        if (!skips && size > LH_RECORD) {
            char where[READ_WHERE];
            status = read_left_out(r, read_where(r, where,
                                                 "more than 16 MB"));
            skips = true;
        }
        if (!found && !r->end) {
            r->at = skips ? r->size : r->at;
            status = status ? status : read_more(r);
            continue;
        }
        r->at += size + (found != NULL);
        while (size && read_is(" \t\r", line[size - 1]))
            size--;
        if (size && !skips)
            status = read_record(r, line, size);
        skips = false;
        r->line++;
    }
    return status;
}

/* ----------------------------------------------------------------- ids -- */

/* Ids text[at..) of the window into id; how many.  Below 0: one is none. */
static int64_t read_ids(read_state *r, int32_t *id)
{
    size_t each = r->s->kind == LH_SOURCE_IDS16 ? 2 : 4;
    int64_t count = (int64_t)((r->size - r->at) / each);
    int64_t vocabulary = lh_tokenizer_vocabulary(r->d->tokenizer);
    const unsigned char *b = (const unsigned char *)r->text + r->at;
    for (int64_t i = 0; i < count; i++, b += each) {
        uint32_t value = (uint32_t)(each == 2 ? lh_little(b, 2)
                                              : lh_little(b, 4));
        if (value >= vocabulary) {
            int64_t at = (r->offset - r->s->offset) / (int64_t)each - count;
            return LH_FAIL_AS(-1, r->ctx, LH_ERROR_FORMAT, "%s: id number"
                              " %lld is %lu, the tokenizer has 0 to %lld: give"
                              " the one that made it", r->s->name,
                              (long long)(at + i), (unsigned long)value,
                              (long long)vocabulary - 1);
        }
        id[i] = (int32_t)value;
    }
    r->at += (size_t)count * each;
    return count;
}

static lh_status read_tokens(read_state *r)
{
    int32_t border = lh_tokenizer_border(r->d->tokenizer);
    int32_t *id = lh_alloc(r->ctx, READ_BLOCK / 2, sizeof *id);
    lh_status status = id ? LH_OK : LH_ERROR_MEMORY;
    while (!status && !r->end) {
        status = read_more(r);
        int64_t count = status ? 0 : read_ids(r, id);
        if (count < 0)
            status = LH_ERROR_FORMAT;
        for (int64_t at = 0, to; at < count && !status; at = to + 1) {
            for (to = at; to < count && id[to] != border; to++)
                if (r->report) {
                    size_t size;
                    lh_tokenizer_piece(r->d->tokenizer, id[to], &size);
                    r->bytes += (int64_t)size;
                    r->report->facts.bytes += (int64_t)size;
                }
            r->piece.ids = id + at;
            r->piece.count = to - at;
            status = read_tell(r, "", 0, to < count);
        }
    }
    r->piece.count = 0;
    if (!status && r->open)
        status = read_tell(r, "", 0, true);
    r->piece.ids = NULL;
    lh_free(r->ctx, id);
    return status;
}

/* ------------------------------------------------------------- sources -- */

static lh_status read_source(read_state *r, const lh_source *next)
{
    const lh_source *s = r->s;
    r->at = r->size = 0;
    r->end = false;
    r->line = 1;
    r->offset = s->offset;
    r->file = (lh_reader){ .ctx = NULL };
    lh_status status = s->text ? LH_OK
                               : lh_reader_open(r->ctx, &r->file, s->path);
    /* Files that are joined keep a line's end between them. */
    if (!status && r->open && r->last != '\n' && s->size)
        status = read_tell(r, "\n", 1, false);
    if (!status)
        status = s->kind == LH_SOURCE_TEXT ? read_text(r)
               : s->kind == LH_SOURCE_JSONL ? read_jsonl(r) : read_tokens(r);
    bool ends = !next || next->held_out != s->held_out ||
                next->kind != s->kind;
    if (!status && r->open && ends)
        status = read_tell(r, "", 0, true);
    lh_reader_close(&r->file);
    return status;
}

LH_INTERNAL lh_status lh_sources_read(lh_context *ctx, const lh_dataset *d,
                                      lh_dataset *report, lh_read_piece *on,
                                      void *user)
{
    read_state r = { .ctx = ctx, .d = d, .report = report, .on = on,
                     .user = user };
    lh_status status = LH_OK;
    for (int64_t i = 0; i < d->sources && !status; i++) {
        r.s = &d->source[i];
        status = read_source(&r, i + 1 < d->sources ? r.s + 1 : NULL);
    }
    lh_free(ctx, r.text);
    return status;
}
