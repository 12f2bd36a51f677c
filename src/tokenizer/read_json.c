/* Reading tokenizer.json, as Hugging Face's `tokenizers` writes it.
 *
 * A model of byte pairs with a pipeline of known parts becomes an lh_bpe;
 * every member of every part is looked at, and what is not known here is
 * refused by its name.  The two forms that tokenizer_json.c writes for bytes
 * and characters become those kinds again. */
#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"
#include "tokenizer/read.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

#define TJSON_BORDER "<|endoftext|>"
#define TJSON_MARK "\u2581"

typedef struct tjson_reader {
    lh_context *ctx;
    const char *where;
    lh_bpe rules;
    bool byte_level;
    bool fallback;                     /* unknown characters become bytes  */
    bool ends;                         /* spaces at the ends go            */
    lh_spelling spelling;
    bool *seen;                        /* [seen_count]: is an added token  */
    int32_t seen_count;
} tjson_reader;

/* -------------------------------------------------------------- members -- */

static bool tjson_nothing(const lh_json *value)
{
    return !value || value->type == LH_JSON_NULL;
}

static bool tjson_true(const lh_json *object, const char *key)
{
    const lh_json *value = lh_json_get(object, key);
    return value && value->type == LH_JSON_TRUE;
}

/* A member that is true unless it says otherwise. */
static bool tjson_unless(const lh_json *object, const char *key)
{
    const lh_json *value = lh_json_get(object, key);
    return !value || value->type != LH_JSON_FALSE;
}

/* Refuses a part by its type's name (or the want of one); false. */
static bool tjson_refuse(const tjson_reader *r, const char *part,
                         const lh_json *value)
{
    char shown[LH_UTF8_SHOWN];
    const lh_json *type = lh_json_get(value, "type");
    if (type && type->type == LH_JSON_STRING)
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its %s is a \"%s\", which is"
                " not known here; docs/tokenizers.md lists what is",
                r->where, part, lh_utf8_show(shown, type->string,
                                             type->size));
    else
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its %s is not one known here;"
                " docs/tokenizers.md lists what is", r->where, part);
    return false;
}

/* Every member of `object` is one of `known` (a NULL ends them), or null or
 * false, or an empty text: what changes nothing. */
static bool tjson_members(const tjson_reader *r, const char *part,
                          const lh_json *object, const char *const *known)
{
    for (const lh_json *m = object->child; m; m = m->next) {
        char shown[LH_UTF8_SHOWN];
        bool fine = m->type == LH_JSON_NULL || m->type == LH_JSON_FALSE
            || (m->type == LH_JSON_STRING && !m->size);
        for (int i = 0; known[i] && !fine; i++)
            fine = lh_text_is(m->key, m->key_size, known[i]);
        if (!fine)
            return LH_FAIL_AS(false, r->ctx, LH_ERROR_FORMAT, "%s: its %s has"
                              " \"%s\" set, which is not known here;"
                              " docs/tokenizers.md lists what is", r->where,
                              part, lh_utf8_show(shown, m->key, m->key_size));
    }
    return true;
}

typedef bool tjson_part(tjson_reader *r, const lh_json *part);

/* One part, or a Sequence of them in the member `list`. */
static bool tjson_each(tjson_reader *r, const char *what, const char *list,
                       const lh_json *part, tjson_part *read)
{
    if (tjson_nothing(part))
        return true;
    if (!lh_json_is(lh_json_get(part, "type"), "Sequence"))
        return read(r, part);
    const lh_json *parts = lh_json_get(part, list);
    if (!parts || parts->type != LH_JSON_ARRAY)
        return tjson_refuse(r, what, part);
    for (const lh_json *p = parts->child; p; p = p->next)
        if (!read(r, p))
            return false;
    return true;
}

/* ------------------------------------------------------------- pipeline -- */

static bool tjson_normalizer(tjson_reader *r, const lh_json *part)
{
    static const struct { const char *name; int form; } forms[] = {
        { "NFC", LH_FORM_COMPOSED }, { "NFD", 0 },
        { "NFKC", LH_FORM_COMPOSED | LH_FORM_COMPATIBLE },
        { "NFKD", LH_FORM_COMPATIBLE },
    };
    static const char *const known[] = { "type", NULL };
    static const char *const strip[] = { "type", "strip_left", "strip_right",
                                         NULL };
    static const char *const prepend[] = { "type", "prepend", NULL };
    static const char *const replace[] = { "type", "pattern", "content",
                                           NULL };
    const lh_json *type = lh_json_get(part, "type");
    /* Here forms and Strip come first: behind marks, or spaces that are gone,
     * Strip would take others, and a compatible form leave new ones. */
    bool late = r->rules.spaces || r->ends;
    for (size_t i = 0; i < LH_COUNT(forms); i++)
        if (lh_json_is(type, forms[i].name) && r->rules.form < 0 &&
            !r->rules.lower &&
            !(late && (forms[i].form & LH_FORM_COMPATIBLE))) {
            r->rules.form = forms[i].form;
            return tjson_members(r, "normalizer", part, known);
        }
    if (lh_json_is(type, "Lowercase") && !r->rules.lower) {
        r->rules.lower = true;
        return tjson_members(r, "normalizer", part, known);
    }
    if (lh_json_is(type, "Strip") && r->rules.form < 0 && !r->rules.lower &&
        !late && !r->rules.prefix && !r->rules.strip_left &&
        !r->rules.strip_right) {
        r->rules.strip_left = tjson_unless(part, "strip_left");
        r->rules.strip_right = tjson_unless(part, "strip_right");
        return tjson_members(r, "normalizer", part, strip);
    }
    const lh_json *from = lh_json_get(part, "pattern");
    const lh_json *content = lh_json_get(part, "content");
    bool replaces = lh_json_is(type, "Replace") && !r->rules.prefix;
    if (replaces && lh_json_is(lh_json_get(from, "Regex"), LH_ENDS_REGEX) &&
        lh_json_is(content, "") && !r->ends) {
        r->ends = true;
        return tjson_members(r, "normalizer", part, replace);
    }
    if (replaces && lh_json_is(lh_json_get(from, "Regex"), LH_RUNS_REGEX) &&
        lh_json_is(content, " ") && r->ends) {
        r->rules.squeezed = true;
        return tjson_members(r, "normalizer", part, replace);
    }
    /* U+2581 for spaces, as SentencePiece's models have it. */
    if (lh_json_is(type, "Prepend") && !r->rules.prefix &&
        lh_json_is(lh_json_get(part, "prepend"), TJSON_MARK)) {
        r->rules.prefix = LH_PREFIX_SPACE;
        return tjson_members(r, "normalizer", part, prepend);
    }
    if (lh_json_is(type, "Replace") &&
        lh_json_is(lh_json_get(from, "String"), " ") &&
        lh_json_is(content, TJSON_MARK)) {
        r->rules.spaces = true;
        return tjson_members(r, "normalizer", part, replace);
    }
    return tjson_refuse(r, late ? "normalizer behind others" : "normalizer",
                        part);
}

static bool tjson_step(tjson_reader *r, const lh_json *part,
                       const lh_scanner *scan)
{
    if (!scan || r->rules.steps == LH_BPE_STEPS)
        return tjson_refuse(r, "pre_tokenizer", part);
    r->rules.step[r->rules.steps++] = scan;
    return true;
}

static const lh_scanner *tjson_scanner(const char *name)
{
    return lh_scanner_named(name, strlen(name));
}

/* ByteLevel cuts as GPT-2 does, unless told not to, and says that the model
 * is of bytes.  What follows it would see letters, not text; marks before it
 * would be bytes of the text, not spaces. */
static bool tjson_byte_level(tjson_reader *r, const lh_json *part)
{
    static const char *const known[] = { "type", "add_prefix_space",
                                         "trim_offsets", "use_regex", NULL };
    bool prefix = tjson_unless(part, "add_prefix_space");
    if (r->rules.spaces || (prefix && r->rules.steps))
        return tjson_refuse(r, r->rules.spaces ? "pre_tokenizer behind marks"
                               " for spaces" : "pre_tokenizer", part);
    r->rules.prefix = prefix ? LH_PREFIX_UNLESS_THERE : LH_PREFIX_NONE;
    r->byte_level = true;
    if (tjson_unless(part, "use_regex") &&
        !tjson_step(r, part, tjson_scanner("gpt2")))
        return false;
    return tjson_members(r, "ByteLevel", part, known);
}

/* Split by one of the known patterns, which leave nothing between. */
static bool tjson_split(tjson_reader *r, const lh_json *part)
{
    static const char *const known[] = { "type", "pattern", "behavior",
                                         "invert", NULL };
    char shown[LH_UTF8_SHOWN];
    const lh_json *pattern = lh_json_get(part, "pattern");
    const lh_json *regex = lh_json_get(pattern, "Regex");
    const lh_json *behavior = lh_json_get(part, "behavior");
    bool invert = tjson_true(part, "invert");
    if (!regex || regex->type != LH_JSON_STRING)
        return LH_FAIL_AS(false, r->ctx, LH_ERROR_FORMAT, "%s: its Split has"
                          " no regular expression", r->where);
    const lh_scanner *scan = lh_scanner_of_pattern(regex->string,
                                                   regex->size);
    if (!scan)
        return LH_FAIL_AS(false, r->ctx, LH_ERROR_FORMAT, "%s: the pattern"
                          " \"%s\" of its Split is not known here;"
                          " docs/tokenizers.md lists those that are", r->where,
                          lh_utf8_show(shown, regex->string, regex->size));
    /* What is not matched goes in the second: so all must be. */
    if (!lh_json_is(behavior, "Isolated") &&
        !(lh_json_is(behavior, "Removed") && invert &&
          scan->family != LH_SCAN_NONE))
        return LH_FAIL_AS(false, r->ctx, LH_ERROR_FORMAT, "%s: its Split is"
                          " neither Isolated nor Removed with invert, which"
                          " alone are known here", r->where);
    return tjson_step(r, part, scan) &&
           tjson_members(r, "Split", part, known);
}

/* Metaspace: a mark for each space, one before the text, and, unless told
 * not to, a cut before each. */
static bool tjson_metaspace(tjson_reader *r, const lh_json *part)
{
    static const char *const known[] = { "type", "replacement", "split",
                                         "prepend_scheme",
                                         "add_prefix_space", NULL };
    const lh_json *scheme = lh_json_get(part, "prepend_scheme");
    if (r->rules.steps || r->rules.prefix || r->rules.spaces ||
        !lh_json_is(lh_json_get(part, "replacement"), TJSON_MARK))
        return tjson_refuse(r, "pre_tokenizer", part);
    r->rules.spaces = r->rules.spaces_late = true;
    r->rules.prefix = lh_json_is(scheme, "never") ? LH_PREFIX_NONE
                    : lh_json_is(scheme, "first") ? LH_PREFIX_FIRST
                    : tjson_unless(part, "add_prefix_space")
                    ? LH_PREFIX_UNLESS_THERE : LH_PREFIX_NONE;
    return (!tjson_unless(part, "split") ||
            tjson_step(r, part, tjson_scanner("metaspace"))) &&
           tjson_members(r, "Metaspace", part, known);
}

static bool tjson_pre_tokenizer(tjson_reader *r, const lh_json *part)
{
    static const char *const digits[] = { "type", "individual_digits", NULL };
    static const char *const marks[] = { "type", "behavior", NULL };
    const lh_json *type = lh_json_get(part, "type");
    if (r->byte_level)
        return tjson_refuse(r, "pre_tokenizer behind ByteLevel", part);
    if (lh_json_is(type, "ByteLevel"))
        return tjson_byte_level(r, part);
    if (lh_json_is(type, "Split"))
        return tjson_split(r, part);
    if (lh_json_is(type, "Metaspace"))
        return tjson_metaspace(r, part);
    if (lh_json_is(type, "Digits"))
        return tjson_step(r, part, tjson_scanner(
                              tjson_true(part, "individual_digits")
                              ? "digit" : "digits")) &&
               tjson_members(r, "Digits", part, digits);
    if (lh_json_is(type, "Punctuation")) {
        const lh_json *behavior = lh_json_get(part, "behavior");
        bool together = lh_json_is(behavior, "Contiguous");
        if (behavior && !together && !lh_json_is(behavior, "Isolated"))
            return tjson_refuse(r, "pre_tokenizer", part);
        return tjson_step(r, part, tjson_scanner(together ? "marks"
                                                          : "mark")) &&
               tjson_members(r, "Punctuation", part, marks);
    }
    return tjson_refuse(r, "pre_tokenizer", part);
}

/* The ids that a template puts before the text, which it has once, and behind
 * it; the only template that puts any. */
static bool tjson_template(tjson_reader *r, const lh_json *part)
{
    static const char *const known[] = { "type", "single", "pair",
                                         "special_tokens", NULL };
    const lh_json *single = lh_json_get(part, "single");
    const lh_json *specials = lh_json_get(part, "special_tokens");
    bool text = false;
    bool framed = r->rules.before_count + r->rules.behind_count > 0;
    for (const lh_json *m = single ? single->child : NULL; m; m = m->next) {
        const lh_json *name = lh_json_get(lh_json_get(m, "SpecialToken"),
                                          "id");
        if (lh_json_get(m, "Sequence") && !text) {
            text = true;
            continue;
        }
        const lh_json *of = name && name->type == LH_JSON_STRING
            ? lh_json_get(specials, name->string) : NULL;
        const lh_json *ids = lh_json_get(of, "ids");
        int *count = text ? &r->rules.behind_count : &r->rules.before_count;
        int32_t *to = text ? r->rules.behind : r->rules.before;
        if (!ids || ids->type != LH_JSON_ARRAY || !ids->size || framed)
            return tjson_refuse(r, "post_processor", part);
        for (const lh_json *i = ids->child; i; i = i->next) {
            if (!i->integral || i->integer < 0 ||
                i->integer >= LH_VOCABULARY_MOST || *count == LH_BPE_FRAME)
                return tjson_refuse(r, "post_processor", part);
            to[(*count)++] = (int32_t)i->integer;
        }
    }
    if (!text)
        return tjson_refuse(r, "post_processor", part);
    return tjson_members(r, "post_processor", part, known);
}

static bool tjson_post_processor(tjson_reader *r, const lh_json *part)
{
    const lh_json *type = lh_json_get(part, "type");
    if (lh_json_is(type, "TemplateProcessing"))
        return tjson_template(r, part);
    return lh_json_is(type, "ByteLevel")           /* offsets alone          */
        ? true : tjson_refuse(r, "post_processor", part);
}

/* What decoders do follows from the model: bytes' letters, marks that are
 * spaces, bytes' tokens.  Another one is refused. */
static bool tjson_decoder(tjson_reader *r, const lh_json *part)
{
    const lh_json *type = lh_json_get(part, "type");
    const lh_json *from = lh_json_get(lh_json_get(part, "pattern"), "String");
    const lh_json *to = lh_json_get(part, "content");
    const lh_json *start = lh_json_get(part, "start");
    const lh_json *stop = lh_json_get(part, "stop");
    bool spaces = r->rules.spaces;
    bool fine = r->byte_level ? lh_json_is(type, "ByteLevel")
              : lh_json_is(type, "Fuse") ||
                (r->fallback && lh_json_is(type, "ByteFallback")) ||
                (spaces && lh_json_is(type, "Metaspace") &&
                 lh_json_is(lh_json_get(part, "replacement"), TJSON_MARK)) ||
                (spaces && lh_json_is(type, "Replace") &&
                 lh_json_is(from, TJSON_MARK) && lh_json_is(to, " ")) ||
                (spaces && lh_json_is(type, "Strip") && lh_json_is(to, " ") &&
                 start && start->integral && start->integer == 1 &&
                 stop && stop->integral && stop->integer == 0);
    return fine || tjson_refuse(r, "decoder", part);
}

/* ---------------------------------------------------------------- model -- */

static lh_status tjson_vocabulary(tjson_reader *r, lh_gather *g,
                                  const lh_json *vocab)
{
    lh_status status = LH_OK;
    for (const lh_json *m = vocab->child; m && !status; m = m->next) {
        int byte = r->fallback ? lh_byte_token(m->key, m->key_size) : -1;
        status = !m->integral
            ? lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: the vocabulary has a"
                      " token \"%s\" without a whole number for its id",
                      r->where, lh_utf8_show((char[LH_UTF8_SHOWN]){ 0 },
                                             m->key, m->key_size))
          : byte >= 0 ? lh_gather_byte(g, &r->rules, m->integer, byte)
            : lh_gather_piece(g, m->integer, m->key, m->key_size,
                              r->spelling);
    }
    return status;
}

/* What is looked for in a normal form must be in it. */
static lh_status tjson_added_form(const tjson_reader *r, lh_gather *g,
                                  lh_added *a)
{
    const lh_bpe *b = &r->rules;
    lh_buffer form = { 0 }, lower = { 0 };
    lh_status status = LH_OK;
    const char *text = a->text;
    size_t size = a->size;
    if (a->normalized && b->form >= 0) {
        status = lh_unicode_normalize(r->ctx, b->form, text, size, &form);
        text = form.data, size = form.size;
    }
    if (a->normalized && b->lower && !status) {
        status = lh_unicode_lower(r->ctx, text, size, &lower);
        text = lower.data, size = lower.size;
    }
    bool prefix = a->normalized && b->prefix == LH_PREFIX_SPACE;
    char *copy = status ? NULL : lh_arena_text(&g->arena, size + 1);
    if (copy) {
        copy[0] = ' ';
        a->size = prefix + (a->normalized && b->spaces && !b->spaces_late
            ? lh_marks_decode(text, size, copy + prefix)
            : (memcpy(copy + prefix, text, size), size));
        a->text = copy;
    }
    lh_buffer_free(r->ctx, &form);
    lh_buffer_free(r->ctx, &lower);
    return copy ? LH_OK : LH_ERROR_MEMORY;
}

/* The token of an object, which has its id or, in settings, is named by it. */
static lh_status tjson_added_one(const tjson_reader *r, lh_gather *g,
                                 const lh_json *m)
{
    const lh_json *content = lh_json_get(m, "content");
    const lh_json *number = lh_json_get(m, "id");
    int64_t id = number && number->integral ? number->integer : -1;
    if (!number && m->key && m->key[0] >= '0' &&
        !lh_integer_parse(m->key, m->key_size, &id))
        id = -1;
    if (id < 0 || id >= LH_VOCABULARY_MOST || !content ||
        content->type != LH_JSON_STRING)
        return lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: an added token without"
                       " content or with no id it can have", r->where);
    if (id < r->seen_count && r->seen[id])
        return LH_OK;
    lh_status status = lh_gather_added(g, r->spelling, &(lh_added){
        .text = content->string, .size = content->size, .id = (int32_t)id,
        .special = tjson_true(m, "special"),
        .lstrip = tjson_true(m, "lstrip"), .rstrip = tjson_true(m, "rstrip"),
        .single_word = tjson_true(m, "single_word"),
        .normalized = tjson_true(m, "normalized"),
    });
    return status ? status
                  : tjson_added_form(r, g, &g->added[g->added_count - 1]);
}

static lh_status tjson_added(const tjson_reader *r, lh_gather *g,
                             const lh_json *list)
{
    lh_status status = LH_OK;
    if (tjson_nothing(list))
        return LH_OK;
    for (const lh_json *m = list->child; m && !status; m = m->next)
        status = tjson_added_one(r, g, m);
    return status;
}

/* The id of a token that settings name, as a text or an object; -1: they
 * don't, or it is not there. */
static int32_t tjson_named(const lh_gather *g, const char *key)
{
    const lh_json *name = lh_json_get(g->settings, key);
    if (name && name->type == LH_JSON_OBJECT)
        name = lh_json_get(name, "content");
    for (int32_t id = 0; name && name->type == LH_JSON_STRING && name->size &&
         id < g->count; id++)
        if (g->piece[id] && g->piece_size[id] == name->size &&
            !memcmp(g->piece[id], name->string, name->size))
            return id;
    return -1;
}

LH_INTERNAL lh_status lh_gather_settings(lh_gather *g, lh_bpe *rules,
                                         int32_t *border)
{
    tjson_reader r = { .ctx = g->ctx, .where = g->where, .rules = *rules,
                       .seen_count = g->count, .spelling = rules->spaces
                       ? LH_SPELLED_MARKS : LH_SPELLED_PLAIN };
    if (!g->settings)
        return LH_OK;
    r.seen = lh_alloc(g->ctx, (size_t)g->count, sizeof *r.seen);
    for (int i = 0; i < g->added_count && r.seen; i++)
        r.seen[g->added[i].id] = true;
    lh_status status = !r.seen ? LH_ERROR_MEMORY : tjson_added(
        &r, g, lh_json_get(g->settings, "added_tokens_decoder"));
    lh_free(g->ctx, r.seen);
    int32_t begin = tjson_named(g, "bos_token");
    int32_t end = tjson_named(g, "eos_token");
    bool framed = rules->before_count + rules->behind_count > 0;
    if (begin >= 0 && !framed && tjson_true(g->settings, "add_bos_token"))
        rules->before[rules->before_count++] = begin;
    if (end >= 0 && !framed && tjson_true(g->settings, "add_eos_token"))
        rules->behind[rules->behind_count++] = end;
    if (end >= 0)
        *border = end;
    return status;
}

static lh_status tjson_merges(const tjson_reader *r, lh_gather *g,
                              const lh_tokenizer *k, const lh_json *list)
{
    const char *text = list->string;
    lh_status status = lh_grow(r->ctx, &g->merge, &g->merge_room, list->size,
                               sizeof *g->merge);
    for (size_t i = 0; i < list->size && !status; i++) {
        lh_json_pair m = list->pair[i];
        status = m.left == UINT32_MAX
            ? lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: merge %zu is not two"
                      " tokens", r->where, i + 1)
            : lh_gather_merge(g, k, text, m.left, text + m.left + 1, m.right,
                              r->spelling);
        text += (size_t)m.left + m.right + 2;
    }
    return status;
}

/* The token that begins and ends documents, by the names in use. */
static int32_t tjson_border(const lh_gather *g)
{
    static const char *const names[] = { TJSON_BORDER, "<|end_of_text|>",
                                         "</s>", "<eos>", "<|eot_id|>" };
    for (size_t n = 0; n < LH_COUNT(names); n++)
        for (int i = 0; i < g->added_count; i++)
            if (lh_text_is(g->added[i].text, g->added[i].size, names[n]))
                return g->added[i].id;
    return -1;
}

static bool tjson_model_members(tjson_reader *r, const lh_json *model)
{
    static const char *const known[] = { "type", "vocab", "merges",
                                         "ignore_merges", "byte_fallback",
                                         "fuse_unk", "unk_token", NULL };
    if (!lh_json_is(lh_json_get(model, "type"), "BPE") &&
        lh_json_get(model, "type"))
        return tjson_refuse(r, "model", model);
    r->rules.whole_first = tjson_true(model, "ignore_merges");
    r->rules.fuse_unknown = tjson_true(model, "fuse_unk");
    r->fallback = tjson_true(model, "byte_fallback");
    return tjson_members(r, "model", model, known);
}

/* The unknown token, and that the template's ids are there. */
static bool tjson_frame(const tjson_reader *r, lh_tokenizer *k,
                        const lh_json *unknown)
{
    const lh_bpe *b = &r->rules;
    bool fine = true;
    for (int i = 0; i < b->before_count; i++)
        fine &= b->before[i] < k->vocabulary;
    for (int i = 0; i < b->behind_count; i++)
        fine &= b->behind[i] < k->vocabulary;
    if (unknown && unknown->type == LH_JSON_STRING && unknown->size) {
        k->bpe->unknown = lh_bpe_find(k, unknown->string, unknown->size);
        fine &= k->bpe->unknown >= 0;
    }
    if (!fine)
        lh_fail(r->ctx, LH_ERROR_FORMAT, "%s: its unk_token or a token of its"
                " post_processor is not in the vocabulary", r->where);
    return fine;
}

/* All parts of the file but its tokens and merges, into r->rules. */
static bool tjson_parts(tjson_reader *r, const lh_json *root)
{
    static const char *const known[] = {
        "version", "added_tokens", "normalizer", "pre_tokenizer",
        "post_processor", "decoder", "model", NULL
    };
    bool ok = tjson_model_members(r, lh_json_get(root, "model")) &&
        tjson_members(r, "root", root, known) &&
        tjson_each(r, "normalizer", "normalizers",
                   lh_json_get(root, "normalizer"), tjson_normalizer) &&
        tjson_each(r, "pre_tokenizer", "pretokenizers",
                   lh_json_get(root, "pre_tokenizer"), tjson_pre_tokenizer) &&
        tjson_each(r, "post_processor", "processors",
                   lh_json_get(root, "post_processor"),
                   tjson_post_processor) &&
        tjson_each(r, "decoder", "decoders", lh_json_get(root, "decoder"),
                   tjson_decoder);
    /* A mark before the text alone, or spaces gone at its ends alone. */
    if (ok && ((r->rules.prefix == LH_PREFIX_SPACE && !r->rules.spaces) ||
               r->ends != r->rules.squeezed))
        ok = tjson_refuse(r, "normalizer", lh_json_get(root, "normalizer"));
    r->rules.characters = !r->byte_level;
    r->spelling = r->byte_level ? LH_SPELLED_LETTERS
                : r->rules.spaces ? LH_SPELLED_MARKS : LH_SPELLED_PLAIN;
    return ok;
}

static lh_tokenizer *tjson_pairs(tjson_reader *r, const lh_json *root,
                                 const lh_json *settings)
{
    const lh_json *model = lh_json_get(root, "model");
    lh_gather g = { .ctx = r->ctx, .where = r->where,
                    .arena = { .ctx = r->ctx }, .settings = settings };
    lh_tokenizer *k = NULL;
    bool ok = !tjson_vocabulary(r, &g, lh_json_get(model, "vocab")) &&
              !tjson_added(r, &g, lh_json_get(root, "added_tokens"));
    int32_t border = tjson_border(&g);
    if (ok && !lh_gather_settings(&g, &r->rules, &border))
        k = lh_gather_make(&g, &r->rules, border);
    if (k && r->byte_level)
        lh_bpe_byte_ids(k);
    if (k && (!tjson_frame(r, k, lh_json_get(model, "unk_token")) ||
              tjson_merges(r, &g, k, lh_json_get(model, "merges")) ||
              lh_bpe_merges(k, g.where, g.merge, g.merges))) {
        lh_tokenizer_free(k);
        k = NULL;
    }
    lh_gather_free(&g);
    return k;
}

/* ------------------------------------------------- bytes and characters -- */

/* The code points of a vocabulary by id, if it is a plain numbering: each
 * token one character, ids from 0, ascending for characters, the letters of
 * bytes in their bytes' order.  NULL: it is another, or no memory. */
static uint32_t *tjson_codes(lh_context *ctx, const lh_json *vocab,
                             bool letters)
{
    uint32_t *codes = lh_alloc(ctx, vocab->size, sizeof *codes);
    bool plain = codes && (!letters || vocab->size == 256);
    for (const lh_json *m = vocab->child; m && plain; m = m->next) {
        uint32_t code = 0;
        int length = lh_utf8_decode(m->key, m->key_size, &code);
        plain = length && (size_t)length == m->key_size && m->integral &&
                m->integer >= 0 && (uint64_t)m->integer < vocab->size;
        if (plain)
            codes[m->integer] = code + 1;        /* 0: none                */
    }
    for (size_t i = 0; i < vocab->size && plain; i++) {
        plain = codes[i] > 0;
        codes[i]--;
        plain &= letters ? codes[i] == lh_byte_letter((uint32_t)i)
                         : !i || codes[i - 1] < codes[i];
    }
    if (!plain) {
        lh_free(ctx, codes);
        codes = NULL;
    }
    return codes;
}

/* Whether the file is what tokenizer_json.c writes for bytes or characters:
 * no merges, nothing before but bytes' letters, and the border behind. */
static bool tjson_own(const lh_json *root, const lh_json *vocab, bool *bytes)
{
    const lh_json *model = lh_json_get(root, "model");
    const lh_json *merges = lh_json_get(model, "merges");
    const lh_json *before = lh_json_get(root, "pre_tokenizer");
    const lh_json *added = lh_json_get(root, "added_tokens");
    const lh_json *one = added && added->size == 1 ? added->child : NULL;
    const lh_json *id = lh_json_get(one, "id");
    *bytes = !tjson_nothing(before);
    return !merges->size && tjson_nothing(lh_json_get(root, "normalizer")) &&
           tjson_nothing(lh_json_get(root, "post_processor")) &&
           tjson_nothing(lh_json_get(model, "unk_token")) &&
           id && id->integral && (uint64_t)id->integer == vocab->size &&
           lh_json_is(lh_json_get(one, "content"), TJSON_BORDER) &&
           (!*bytes || (lh_json_is(lh_json_get(before, "type"), "ByteLevel") &&
                        !tjson_unless(before, "use_regex") &&
                        !tjson_unless(before, "add_prefix_space")));
}

/* A plain numbering of bytes or characters, else byte pairs. */
static lh_tokenizer *tjson_make(tjson_reader *r, const lh_json *root,
                                const lh_json *settings)
{
    const lh_json *vocab = lh_json_get(lh_json_get(root, "model"), "vocab");
    bool bytes;
    if (!tjson_parts(r, root))
        return NULL;
    uint32_t *codes = tjson_own(root, vocab, &bytes)
        ? tjson_codes(r->ctx, vocab, bytes) : NULL;
    if (!codes && lh_error_status(r->ctx) == LH_ERROR_MEMORY)
        return NULL;
    lh_tokenizer *k = !codes ? tjson_pairs(r, root, settings)
        : bytes ? lh_tokenizer_bytes(r->ctx)
        : lh_tokenizer_from_codes(r->ctx, codes, (int32_t)vocab->size);
    lh_free(r->ctx, codes);
    return k;
}

LH_INTERNAL lh_tokenizer *lh_tokenizer_read_tree(lh_context *ctx,
                                                 const char *where,
                                                 const lh_json *root,
                                                 const lh_json *settings)
{
    tjson_reader r = { .ctx = ctx, .where = where, .rules = lh_bpe_rules(),
                       .spelling = LH_SPELLED_PLAIN };
    const lh_json *model = lh_json_get(root, "model");
    const lh_json *vocab = lh_json_get(model, "vocab");
    const lh_json *merges = lh_json_get(model, "merges");
    if (!model)
        lh_fail(ctx, LH_ERROR_FORMAT, "%s: it has no \"model\": this is no"
                " tokenizer.json", where);
    else if (lh_json_get(model, "type") &&
             !lh_json_is(lh_json_get(model, "type"), "BPE"))
        tjson_refuse(&r, "model", model);
    else if (!lh_json_is(lh_json_get(root, "version"), "1.0"))
        lh_fail(ctx, LH_ERROR_FORMAT, "%s: its version is not \"1.0\", the one"
                " known here", where);
    else if (!vocab || vocab->type != LH_JSON_OBJECT || !vocab->size ||
             !merges || merges->type != LH_JSON_ARRAY)
        lh_fail(ctx, LH_ERROR_FORMAT, "%s: its model has no vocab or no"
                " merges", where);
    else
        return tjson_make(&r, root, settings);
    return NULL;
}

#undef TJSON_BORDER
#undef TJSON_MARK
