/* Gathering a vocabulary out of a file, whatever its format. */
#include "tokenizer/read.h"

#include "base/utf8.h"

LH_INTERNAL void lh_gather_free(lh_gather *g)
{
    lh_arena_free(&g->arena);
    lh_free(g->ctx, g->piece);
    lh_free(g->ctx, g->piece_size);
    lh_free(g->ctx, g->hidden);
    lh_free(g->ctx, g->score);
    lh_free(g->ctx, g->added);
    lh_free(g->ctx, g->merge);
    lh_free(g->ctx, g->both);
}

/* -------------------------------------------------------------- letters -- */

LH_INTERNAL uint32_t lh_byte_letter(uint32_t byte)
{
    if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad))
        return byte;
    if (byte <= 32)
        return 256 + byte;
    return byte == 0xad ? 256 + 67 : 256 + 33 + (byte - 127);
}

LH_INTERNAL size_t lh_letters_decode(const char *text, size_t size, char *out)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t made = 0;
    for (size_t at = 0; at < size; at++, made++) {
        uint32_t code = s[at];
        if (code - '!' > '~' - '!') {
            if (code < 0xc2 || code > 0xc5 || size - at < 2 ||
                (s[++at] & 0xc0) != 0x80)
                return SIZE_MAX;
            code = (code & 0x1f) << 6 | (s[at] & 0x3f);
            if (code > 323 || code <= 0xa0 || code == 0xad)
                return SIZE_MAX;
            code -= code < 256 ? 0 : code <= 288 ? 256 : code < 323 ? 162
                                                       : 323 - 0xad;
        }
        out[made] = (char)code;
    }
    return made;
}

LH_INTERNAL size_t lh_marks_decode(const char *text, size_t size, char *out)
{
    size_t made = 0;
    for (size_t at = 0; at < size; at++) {
        bool mark = size - at >= 3 && !memcmp(text + at, "\u2581", 3);
        out[made++] = mark ? ' ' : text[at];
        at += mark ? 2 : 0;
    }
    return made;
}

/* ----------------------------------------------------------- gathering -- */

/* Grows what there is of each token to hold token `id`. */
static lh_status read_room(lh_gather *g, int64_t id)
{
    size_t from = (size_t)g->capacity, room[4] = { from, from, from, from };
    if (id < g->capacity)
        return LH_OK;
    size_t to = (size_t)lh_min64(LH_VOCABULARY_MOST,
                                 lh_max64(id + 1, 2 * (int64_t)from + 512));
    if (lh_fit(g->ctx, &g->piece, &room[0], to, sizeof *g->piece) ||
        lh_fit(g->ctx, &g->piece_size, &room[1], to, sizeof *g->piece_size) ||
        lh_fit(g->ctx, &g->hidden, &room[2], to, sizeof *g->hidden) ||
        lh_fit(g->ctx, &g->score, &room[3], to, sizeof *g->score))
        return LH_ERROR_MEMORY;
    g->capacity = (int32_t)to;
    return LH_OK;
}

/* The bytes that `text` spells, into out [size]; how many.  *foreign: no text
 * is ever spelled so, and what is may spell the same bytes. */
static size_t read_spelled(const char *text, size_t size, char *out,
                           lh_spelling spelling, bool *foreign)
{
    size_t made = spelling == LH_SPELLED_LETTERS
        ? lh_letters_decode(text, size, out) : SIZE_MAX;
    *foreign = spelling == LH_SPELLED_LETTERS ? made == SIZE_MAX
        : spelling == LH_SPELLED_MARKS && size && memchr(text, ' ', size);
    if (made != SIZE_MAX)
        return made;
    if (spelling == LH_SPELLED_MARKS)
        return lh_marks_decode(text, size, out);
    if (size)
        memcpy(out, text, size);
    return size;
}

LH_INTERNAL lh_status lh_gather_piece(lh_gather *g, int64_t id,
                                      const char *text, size_t size,
                                      lh_spelling spelling)
{
    char shown[LH_UTF8_SHOWN];
    if (size > INT32_MAX / 64)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: token %lld has %zu bytes;"
                       " at most %d are read", g->where, (long long)id, size,
                       INT32_MAX / 64);
    if (id < 0 || id >= LH_VOCABULARY_MOST)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: token \"%s\" has the id"
                       " %lld; ids are 0 to %d", g->where,
                       lh_utf8_show(shown, text, size), (long long)id,
                       LH_VOCABULARY_MOST - 1);
    if (read_room(g, id))
        return LH_ERROR_MEMORY;
    char *copy = lh_arena_text(&g->arena, size + 1);
    if (!copy)
        return LH_ERROR_MEMORY;
    bool foreign;
    size_t bytes = read_spelled(text, size, copy, spelling, &foreign);
    const char *there = g->piece[id];
    if (there && (g->piece_size[id] != bytes || memcmp(there, copy, bytes)))
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: the id %lld is given to"
                       " two tokens, the second \"%s\"", g->where,
                       (long long)id, lh_utf8_show(shown, text, size));
    g->piece[id] = copy;
    g->piece_size[id] = (uint32_t)bytes;
    g->hidden[id] = foreign && (!there || g->hidden[id]);
    g->count = (int32_t)lh_max64(g->count, id + 1);
    return LH_OK;
}

LH_INTERNAL lh_status lh_gather_added(lh_gather *g, lh_spelling spelling,
                                      const lh_added *added)
{
    if (!added->size)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: an added token is"
                       " empty", g->where);
    bool there = added->id < g->count && g->piece[added->id];
    lh_status status = there && g->hidden[added->id] ? LH_OK
        : lh_gather_piece(g, added->id, added->text, added->size,
                          there ? spelling : LH_SPELLED_PLAIN);
    if (status)
        return status;
    g->hidden[added->id] |= !there;
    if (lh_grow(g->ctx, &g->added, &g->added_room,
                (size_t)g->added_count + 1, sizeof *g->added))
        return LH_ERROR_MEMORY;
    g->added[g->added_count++] = *added;
    return LH_OK;
}

LH_INTERNAL int lh_byte_token(const char *text, size_t size)
{
    int byte = 0;
    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F')))
            return -1;
        byte = 16 * byte + (c <= '9' ? c - '0' : c - 'A' + 10);
    }
    return byte;
}

LH_INTERNAL lh_status lh_gather_byte(lh_gather *g, lh_bpe *rules, int64_t id,
                                     int byte)
{
    char text = (char)byte;
    lh_status status = lh_gather_piece(g, id, &text, 1, LH_SPELLED_PLAIN);
    if (status)
        return status;
    g->hidden[id] = true;
    rules->byte_id[byte] = (int32_t)id;
    return LH_OK;
}

LH_INTERNAL lh_tokenizer *lh_gather_make(lh_gather *g, const lh_bpe *rules,
                                         int32_t border)
{
    if (!g->count)
        return LH_FAIL_NULL(g->ctx, LH_ERROR_FORMAT, "%s: it has no tokens",
                            g->where);
    lh_bpe_parts parts = {
        .rules = *rules, .vocabulary = g->count, .piece = g->piece,
        .piece_size = g->piece_size, .hidden = g->hidden,
        .score = rules->by_rank && rules->spaces ? g->score : NULL,
        .added = g->added, .added_count = g->added_count, .border = border,
        .where = g->where,
    };
    return lh_bpe_make(g->ctx, &parts);
}

LH_INTERNAL lh_status lh_gather_pair(lh_gather *g, lh_merge merge)
{
    if (lh_grow(g->ctx, &g->merge, &g->merge_room, g->merges + 1,
                sizeof *g->merge))
        return LH_ERROR_MEMORY;
    g->merge[g->merges++] = merge;
    return LH_OK;
}

LH_INTERNAL lh_status lh_gather_merge(lh_gather *g, const lh_tokenizer *k,
                                      const char *left, size_t left_size,
                                      const char *right, size_t right_size,
                                      lh_spelling spelling)
{
    char shown[LH_UTF8_SHOWN], other[LH_UTF8_SHOWN];
    bool foreign[2];
    if (lh_grow(g->ctx, &g->both, &g->both_room,
                left_size + right_size + 1, 1))
        return LH_ERROR_MEMORY;
    size_t a = read_spelled(left, left_size, g->both, spelling, &foreign[0]);
    size_t b = read_spelled(right, right_size, g->both + a, spelling,
                            &foreign[1]);
    lh_merge m = { foreign[0] ? -1 : lh_bpe_find(k, g->both, a),
                   foreign[1] ? -1 : lh_bpe_find(k, g->both + a, b), -1 };
    /* Most files have what they make by the last one, or next to it. */
    int32_t id = g->merges ? g->merge[g->merges - 1].made : 0, end = id + 2;
    for (; id < end && id < g->count && m.left >= 0 && m.right >= 0; id++)
        if (g->piece_size[id] == a + b && !g->hidden[id] &&
            !memcmp(g->piece[id], g->both, a + b))
            m.made = id;
    if (m.left >= 0 && m.right >= 0 && m.made < 0)
        m.made = lh_bpe_both(k, m.left, m.right);
    if (m.left < 0 || m.right < 0 || m.made < 0)
        return lh_fail(g->ctx, LH_ERROR_FORMAT, "%s: merge %zu, \"%s\" and"
                       " \"%s\": %s is not in the vocabulary", g->where,
                       g->merges + 1, lh_utf8_show(shown, left, left_size),
                       lh_utf8_show(other, right, right_size),
                       m.left < 0 ? "the first" : m.right < 0 ? "the second"
                       : "what they make");
    return lh_gather_pair(g, m);
}

/* --------------------------------------------------------------- rules -- */

LH_INTERNAL lh_bpe lh_bpe_rules(void)
{
    lh_bpe rules = { .form = -1, .unknown = -1 };
    for (int i = 0; i < 256; i++)
        rules.byte_id[i] = -1;
    return rules;
}

LH_INTERNAL void lh_bpe_byte_ids(lh_tokenizer *k)
{
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        k->bpe->byte_id[i] = lh_bpe_find(k, &byte, 1);
    }
}
