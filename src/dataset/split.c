/* Telling the documents of a part: those that are trained on, or those that
 * are not; and what a pass over all of them finds out.
 *
 * Which part a document is in is a function of its number, the share and the
 * seed alone. */
#include "base/rng.h"
#include "base/utf8.h"
#include "dataset/dataset.h"

/* So many documents are drawn as cards are, from a table; more are numbered
 * by a permutation that needs none. */
enum { SPLIT_TABLE = 1 << 20 };

typedef struct split_state {
    const lh_dataset *d;
    lh_data_part part;
    lh_read_piece *on;
    void *user;
    int64_t held;                      /* documents that are held out      */
    int64_t border;                    /* unit at which they begin; -1     */
    int64_t unit;                      /* of all that was told             */
    bool *aside;                       /* [documents], or NULL             */
    uint64_t key;
    bool open;                         /* a document of the part has begun */
} split_state;

static bool split_aside(const split_state *s, int64_t document)
{
    const lh_data_facts *f = &s->d->facts;
    if (f->training < f->documents)
        return document >= f->training;
    if (!s->held)
        return false;
    return s->aside ? s->aside[document]
         : (int64_t)lh_permuted(s->key, (uint64_t)f->documents,
                                (uint64_t)document) < s->held;
}

static lh_status split_tell(split_state *s, lh_piece p, bool last)
{
    if (!s->open && !p.size && !p.count)
        return LH_OK;
    p.first = !s->open;
    p.last = last;
    s->open = !last;
    return s->on(s->user, &p);
}

/* The piece in which the border is belongs to both parts. */
static lh_status split_piece(void *user, const lh_piece *piece)
{
    split_state *s = user;
    lh_piece p = *piece;
    if (s->border < 0)
        return split_aside(s, p.document) == (s->part == LH_PART_HELD_OUT)
            ? s->on(s->user, piece) : LH_OK;
    int64_t units = p.ids ? p.count : (int64_t)p.size;
    int64_t cut = lh_max64(0, lh_min64(units, s->border - s->unit));
    s->unit += units;
    while (!p.ids && cut && cut < units && (p.text[cut] & 0xc0) == 0x80)
        cut++;                         /* no character is cut              */
    bool held_out = s->part == LH_PART_HELD_OUT;
    bool last = p.last || (!held_out && s->unit >= s->border);
    if (p.ids) {
        p.ids += held_out ? cut : 0;
        p.count = held_out ? units - cut : cut;
    } else {
        p.text += held_out ? cut : 0;
        p.size = (size_t)(held_out ? units - cut : cut);
    }
    return split_tell(s, p, last);
}

/* How many documents, or which units, are held out. */
static lh_status split_make(lh_context *ctx, split_state *s, double share,
                            uint64_t seed)
{
    const lh_data_facts *f = &s->d->facts;
    s->border = -1;
    if (f->training < f->documents || !(share > 0))
        return LH_OK;
    double documents = (double)f->documents;
    if (f->documents == 1 || (f->by != LH_DOCUMENTS_LINES &&
                              share * documents < 0.5)) {
        s->border = (int64_t)((1 - share) * (double)f->units);
        s->border = lh_max64(1, lh_min64(s->border, f->units - 1));
        return f->units > 1 ? LH_OK
             : lh_fail(ctx, LH_ERROR_ARGUMENT, "the data is a single %s;"
                       " nothing can be held out of it", f->ids ? "token"
                       : "byte");
    }
    s->held = (int64_t)(share * documents + 0.5);
    s->held = lh_max64(1, lh_min64(s->held, f->documents - 1));
    lh_rng rng = lh_rng_start(seed, LH_STREAM_SPLIT);
    if (f->documents > SPLIT_TABLE) {
        s->key = lh_rng_word(&rng);
        return LH_OK;
    }
    size_t count = (size_t)f->documents;
    int64_t *order = lh_alloc(ctx, count, sizeof *order);
    s->aside = order ? lh_alloc(ctx, count, sizeof *s->aside) : NULL;
    if (s->aside) {
        lh_rng_shuffle(&rng, order, f->documents);
        for (int64_t i = 0; i < s->held; i++)
            s->aside[order[i]] = true;
    }
    lh_free(ctx, order);
    return s->aside ? LH_OK : LH_ERROR_MEMORY;
}

/* All documents. */
static lh_status split_all(lh_context *ctx, const lh_dataset *d,
                           lh_read_piece *on, void *user)
{
    if (!d->facts.loaded)
        return lh_sources_read(ctx, d, NULL, on, user);
    lh_status status = LH_OK;
    for (int64_t i = 0; i < d->facts.documents && !status; i++) {
        lh_piece p = { .document = i, .first = true, .last = true };
        p.text = lh_dataset_document(d, i, &p.size);
        status = on(user, &p);
    }
    return status;
}

LH_API lh_status lh_dataset_read(lh_context *ctx, const lh_dataset *d,
                                 const lh_split *split,
                                 lh_read_piece *on_piece, void *user)
{
    if (!ctx || !d || !on_piece || (split && !(split->share >= 0 &&
                                               split->share < 1)))
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_dataset_read: no dataset,"
                       " nobody to tell, or a share that is none");
    if (!split || split->part == LH_PART_ALL)
        return split_all(ctx, d, on_piece, user);
    split_state s = { .d = d, .part = split->part, .on = on_piece,
                      .user = user };
    lh_status status = split_make(ctx, &s, split->share, split->seed);
    if (!status)
        status = split_all(ctx, d, split_piece, &s);
    lh_free(ctx, s.aside);
    return status;
}

/* ------------------------------------------------------------ alphabet -- */

typedef struct split_alphabet {
    lh_context *ctx;
    const lh_dataset *d;
    uint32_t *seen;                    /* [LH_UTF8_CODES / 32]             */
    size_t at;                         /* in the document                  */
} split_alphabet;

static lh_status split_gather(void *user, const lh_piece *p)
{
    split_alphabet *a = user;
    a->at = p->first ? 0 : a->at;
    size_t at = lh_utf8_mark(a->seen, p->text, p->size);
    char where[48] = "";
    if (at < p->size && a->d->facts.documents > 1)
        snprintf(where, sizeof where, "document %lld, ",
                 (long long)p->document + 1);
    if (at < p->size)
        return lh_fail(a->ctx, LH_ERROR_FORMAT, "%sbyte %zu (0x%02X) is not"
                       " UTF-8 text: convert the text, or use the byte"
                       " tokenizer", where, a->at + at,
                       (unsigned)(unsigned char)p->text[at]);
    a->at += p->size;
    return LH_OK;
}

LH_API lh_status lh_dataset_alphabet(lh_context *ctx, const lh_dataset *d,
                                     char **text, size_t *size)
{
    if (!ctx || !d || !text || !size)
        return lh_fail(ctx, LH_ERROR_ARGUMENT, "lh_dataset_alphabet: no"
                       " dataset, or no place for the result");
    *text = NULL;
    *size = 0;
    split_alphabet a = { .ctx = ctx, .d = d };
    lh_buffer made = { 0 };
    a.seen = lh_alloc(ctx, LH_UTF8_CODES / 32, sizeof *a.seen);
    lh_status status = a.seen ? split_all(ctx, d, split_gather, &a)
                              : LH_ERROR_MEMORY;
    for (uint32_t code = 0; !status && (code = lh_utf8_marked(a.seen, code)) <
         LH_UTF8_CODES; code++) {
        char spelled[4];
        status = lh_buffer_add(ctx, &made, spelled,
                               (size_t)lh_utf8_encode(code, spelled));
    }
    lh_free(ctx, a.seen);
    if (status) {
        lh_buffer_free(ctx, &made);
        return status;
    }
    *text = made.data;
    *size = made.size;
    return LH_OK;
}
