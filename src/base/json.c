/* The JSON reader and the part of a writer that is not printf.
 *
 * One pass of recursive descent, as deep as LH_JSON_DEPTH allows.  Memory is
 * bounded by the text: decoded strings are never longer than their spelling
 * (so one block of the text's size holds them all), and each node stands for
 * at least two bytes.  Duplicate keys are found in a table, by sorting where a
 * file makes that slow: n log n on the most hostile object. */
#include "base/json.h"

#include "base/bytes.h"
#include "base/number.h"
#include "base/utf8.h"

typedef struct json_parser {
    lh_context *ctx;
    const char *where, *text;
    size_t size, at;
    int depth;
    lh_arena *arena;
    char *strings;                 /* where the next decoded byte goes     */
    lh_json *node;                 /* unused nodes, `nodes` of them        */
    size_t nodes, slab;
    const char *pairs_key;         /* NULL: no array is one of pairs       */
    lh_json_pair *pair;
    size_t pairs, pairs_room;
    lh_status status;              /* of the first failure                 */
} json_parser;

static bool json_value(json_parser *p, lh_json *node);

/* Fails at byte `at`; false, so that callers can return it. */
static bool json_fail(json_parser *p, size_t at, const char *what)
{
    p->status = lh_fail(p->ctx, LH_ERROR_FORMAT, "%s: byte %zu: %s",
                        p->where, at, what);
    return false;
}

static bool json_unexpected(json_parser *p, const char *wanted)
{
    if (p->at >= p->size)
        return json_fail(p, p->at, "the JSON text ends too early");
    return json_fail(p, p->at, wanted);
}

static int json_peek(const json_parser *p)
{
    return p->at < p->size ? (unsigned char)p->text[p->at] : -1;
}

static inline void json_space(json_parser *p)
{
    size_t at = p->at;
    while (at < p->size && (unsigned char)p->text[at] <= ' ' &&
           (p->text[at] == ' ' || p->text[at] == '\n' ||
            p->text[at] == '\t' || p->text[at] == '\r'))
        at++;
    p->at = at;
}

static lh_json *json_node(json_parser *p)
{
    if (!p->nodes) {
        p->slab = p->slab < 4096 ? 2 * p->slab : p->slab;
        p->node = lh_arena_alloc(p->arena, p->slab * sizeof *p->node);
        if (!p->node) {
            p->status = LH_ERROR_MEMORY;
            return NULL;
        }
        p->nodes = p->slab;
    }
    p->nodes--;
    memset(p->node, 0, sizeof *p->node);
    return p->node++;
}

/* ------------------------------------------------------------- strings -- */

/* Four hexadecimal digits at p->at + skip; -1 where there are none. */
static int32_t json_hex4(const json_parser *p, size_t skip)
{
    if (p->size - p->at < skip + 4)
        return -1;
    int32_t value = 0;
    for (size_t i = p->at + skip; i < p->at + skip + 4; i++) {
        char c = p->text[i];
        int digit = c >= '0' && c <= '9' ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* At the backslash. */
static bool json_escape(json_parser *p)
{
    static const char spelled[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = p->size - p->at >= 2 ? p->text[p->at + 1] : 0;
    const char *found = c ? strchr(spelled, c) : NULL;
    if (found) {
        *p->strings++ = meant[found - spelled];
        p->at += 2;
        return true;
    }
    if (c != 'u')
        return json_fail(p, p->at, "an escape that JSON does not have");
    int32_t code = json_hex4(p, 2);
    if (code < 0)
        return json_fail(p, p->at, "\\u needs four hexadecimal digits");
    size_t length = 6;
    if (code >= 0xd800 && code < 0xdc00 && p->size - p->at >= 12
        && p->text[p->at + 6] == '\\' && p->text[p->at + 7] == 'u') {
        int32_t low = json_hex4(p, 8);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
            length = 12;
        }
    }
    int bytes = lh_utf8_encode((uint32_t)code, p->strings);
    if (!bytes)
        return json_fail(p, p->at, "half a surrogate pair");
    p->strings += bytes;
    p->at += length;
    return true;
}

/* So many of sixteen bytes are characters that stand for themselves, of one
 * byte or, as letters for bytes are, of two. */
static inline int json_sixteen(const char *text)
{
    lh_bytes x;
    memcpy(&x, text, 16);
    uint64_t high = lh_bytes_bits(x), stop = lh_bytes_bits(
        (lh_bytes)(x == '"') | (lh_bytes)(x == '\\') | (lh_bytes)(x < 0x20));
    if (high) {
        uint64_t two = lh_bytes_bits((lh_bytes)(x - 0xc2 < 0xe0 - 0xc2));
        uint64_t more = lh_bytes_bits((lh_bytes)((x & 0xc0) == 0x80));
        stop |= high & ~((two & more >> 1) | (more & two << 1));
    }
    return stop ? __builtin_ctzll(stop) : 16;
}

/* Characters that stand for themselves. */
static inline void json_plain(json_parser *p)
{
    const char *s = p->text + p->at, *end = p->text + p->size;
    char *to = p->strings;
    for (int length;; s += length, to += length) {
        uint32_t code;
        length = 0;
        if (end - s >= 16) {
            memcpy(to, s, 16);
            length = json_sixteen(s);
            if (length == 16)
                continue;
            s += length, to += length;
        }
        if (s == end || *s == '"' || *s == '\\' || (unsigned char)*s < 0x20)
            break;
        length = lh_utf8_decode(s, (size_t)(end - s), &code);
        if (!length)
            break;
        memcpy(to, s, (size_t)length);
    }
    p->at = (size_t)(s - p->text);
    p->strings = to;
}

/* At the opening quote. */
static bool json_string(json_parser *p, const char **string, size_t *size)
{
    size_t quote = p->at++;
    char *start = p->strings;
    int c;
    while (json_plain(p), (c = json_peek(p)) != '"') {
        if (c < 0)
            return json_fail(p, quote, "a string without its end");
        if (c != '\\')
            return json_fail(p, p->at, c < 0x20
                             ? "a control character in a string"
                             : "a byte that is not UTF-8");
        if (!json_escape(p))
            return false;
    }
    p->at++;
    *string = start;
    *size = (size_t)(p->strings - start);
    *p->strings++ = 0;
    return true;
}

/* ---------------------------------------------------------- containers -- */

static int json_compare_keys(const void *a, const void *b)
{
    const lh_json *x = a, *y = b;
    if (x->key_size != y->key_size)
        return x->key_size < y->key_size ? -1 : 1;
    return memcmp(x->key, y->key, x->key_size);
}

static bool json_duplicate(json_parser *p, const lh_json *member)
{
    char shown[LH_UTF8_SHOWN];
    p->status = lh_fail(p->ctx, LH_ERROR_FORMAT,
                        "%s: byte %zu: the object that ends here has the "
                        "key \"%s\" twice", p->where, p->at - 1,
                        lh_utf8_show(shown, member->key, member->key_size));
    return false;
}

/* Refuses a key that stands twice; few are compared each with each, many in
 * a table.  Where a file was made for its keys to meet there they are
 * sorted. */
static bool json_keys(json_parser *p, const lh_json *object)
{
    size_t mask = 15, steps = 0, count = 0;
    if (object->size <= 8) {
        for (const lh_json *a = object->child; a; a = a->next)
            for (const lh_json *b = a->next; b; b = b->next)
                if (!json_compare_keys(a, b))
                    return json_duplicate(p, b);
        return true;
    }
    while (mask < 2 * object->size)
        mask = 2 * mask + 1;
    const void **key = lh_alloc(p->ctx, mask + 1, sizeof *key);
    if (!key) {
        p->status = LH_ERROR_MEMORY;
        return false;
    }
    bool fine = true;
    for (const lh_json *a = object->child;
         a && fine && steps < 8 * object->size; a = a->next) {
        size_t i = lh_hash(a->key, a->key_size);
        for (; key[i & mask] && fine && steps < 8 * object->size; i++) {
            steps++;
            fine = json_compare_keys(a, key[i & mask]) != 0;
        }
        key[i & mask] = a;
        if (!fine)
            json_duplicate(p, a);
    }
    if (fine && steps >= 8 * object->size) {
        for (const lh_json *a = object->child; a; a = a->next)
            key[count++] = a;
        lh_sort(key, count, json_compare_keys);
        for (size_t i = 1; i < count && fine; i++)
            if (!json_compare_keys(key[i - 1], key[i]))
                fine = json_duplicate(p, key[i]);
    }
    lh_free(p->ctx, key);
    return fine;
}

/* "key": of a member, up to its value. */
static bool json_key(json_parser *p, lh_json *member)
{
    if (json_peek(p) != '"')
        return json_unexpected(p, "a key in quotes should stand here");
    if (!json_string(p, &member->key, &member->key_size))
        return false;
    json_space(p);
    if (json_peek(p) != ':')
        return json_unexpected(p, "':' should stand here");
    p->at++;
    json_space(p);
    return true;
}

/* Whether the next character is this; then behind it and the spaces around. */
static bool json_next(json_parser *p, int c)
{
    json_space(p);
    if (json_peek(p) != c)
        return false;
    p->at++;
    json_space(p);
    return true;
}

/* An element of an array of pairs: its texts lie behind those before, their
 * sizes are kept.  What is no pair is checked like any value. */
static bool json_pair(json_parser *p)
{
    size_t at = p->at, left = 0, right = 0;
    char *strings = p->strings;
    const char *text = NULL;
    bool array = p->depth < LH_JSON_DEPTH && json_next(p, '[');
    bool two = json_peek(p) == '"';
    if (two && !json_string(p, &text, &left))
        return false;
    if (array) {
        two = two && json_next(p, ',') && json_peek(p) == '"';
        if (two && !json_string(p, &text, &right))
            return false;
        two = two && json_next(p, ']');
    } else if (two) {
        const char *blank = memchr(text, ' ', left);
        right = blank ? left - (size_t)(blank - text) - 1 : 0;
        left = blank ? (size_t)(blank - text) : UINT32_MAX;
    }
    if (!two) {
        p->at = at;
        p->strings = strings;
        lh_json *node = json_node(p);
        if (!node || !json_value(p, node))
            return false;
    }
    if (!two || left > UINT32_MAX || right > UINT32_MAX)
        left = UINT32_MAX;
    p->status = lh_grow(p->ctx, &p->pair, &p->pairs_room, p->pairs + 1,
                        sizeof *p->pair);
    if (p->status)
        return false;
    p->pair[p->pairs++] = (lh_json_pair){ (uint32_t)left, (uint32_t)right };
    return true;
}

/* At the opening bracket. */
static bool json_container(json_parser *p, lh_json *node, char close)
{
    bool object = close == '}', pairs = !object && p->pairs_key && node->key &&
        lh_text_is(node->key, node->key_size, p->pairs_key);
    size_t first = p->pairs;
    if (p->depth == LH_JSON_DEPTH)
        return json_fail(p, p->at, "nested too deeply");
    p->depth++;
    p->at++;
    node->type = object ? LH_JSON_OBJECT : LH_JSON_ARRAY;
    node->string = pairs ? p->strings : NULL;
    lh_json **link = &node->child;
    json_space(p);
    while (node->size || json_peek(p) != close) {
        lh_json *child = pairs ? NULL : json_node(p);
        if (pairs ? !json_pair(p)
                  : !child || (object && !json_key(p, child))
                        || !json_value(p, child))
            return false;
        *link = child;
        link = child ? &child->next : link;
        node->size++;
        json_space(p);
        if (json_peek(p) == close)
            break;
        if (json_peek(p) != ',')
            return json_unexpected(p, object
                                   ? "',' or '}' should stand here"
                                   : "',' or ']' should stand here");
        p->at++;
        json_space(p);
    }
    p->at++;
    p->depth--;
    if (pairs) {
        size_t bytes = (p->pairs - first) * sizeof *p->pair;
        void *copy = lh_arena_alloc(p->arena, bytes);
        p->status = copy ? LH_OK : LH_ERROR_MEMORY;
        if (copy && bytes)
            memcpy(copy, p->pair + first, bytes);
        node->pair = copy;
        p->pairs = first;
        return copy != NULL;
    }
    return !object || json_keys(p, node);
}

/* -------------------------------------------------------------- values -- */

static bool json_number(json_parser *p, lh_json *node)
{
    size_t start = p->at;
    bool integral = true, digits = true;
    uint64_t value = 0;
    for (int c; (c = json_peek(p)) >= 0; p->at++) {
        if (c == '.' || c == 'e' || c == 'E')
            integral = false;
        else if (c != '-' && c != '+' && (c < '0' || c > '9'))
            break;
        digits &= c >= '0' && c <= '9';
        value = 10 * value + (uint64_t)(c - '0');
    }
    const char *text = p->text + start;
    node->type = LH_JSON_NUMBER;
    /* Most are ids: digits that a double holds. */
    if (digits && text[0] > '0' && p->at - start < 16) {
        node->integer = (int64_t)value;
        node->number = (double)value;
        return node->integral = true;
    }
    if (!lh_number_parse(text, p->at - start, &node->number))
        return json_fail(p, start, "no JSON number, or one that is too "
                                   "large");
    node->integral = integral
        && lh_integer_parse(text, p->at - start, &node->integer);
    return true;
}

static bool json_word(json_parser *p, lh_json *node, const char *word,
                      lh_json_type type)
{
    size_t length = strlen(word);
    if (p->size - p->at < length || memcmp(p->text + p->at, word, length))
        return json_fail(p, p->at, "no JSON value begins like this");
    p->at += length;
    node->type = type;
    return true;
}

static bool json_value(json_parser *p, lh_json *node)
{
    int c = json_peek(p);
    switch (c) {
    case '{':
        return json_container(p, node, '}');
    case '[':
        return json_container(p, node, ']');
    case '"':
        node->type = LH_JSON_STRING;
        return json_string(p, &node->string, &node->size);
    case 'n':
        return json_word(p, node, "null", LH_JSON_NULL);
    case 't':
        return json_word(p, node, "true", LH_JSON_TRUE);
    case 'f':
        return json_word(p, node, "false", LH_JSON_FALSE);
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return json_number(p, node);
        return json_unexpected(p, "a JSON value should stand here");
    }
}

LH_INTERNAL lh_status lh_json_parse_pairs(lh_context *ctx, const char *where,
                                          const char *text, size_t size,
                                          const char *key,
                                          lh_json_document *document)
{
    *document = (lh_json_document){ .arena.ctx = ctx };
    json_parser p = { .ctx = ctx, .where = where, .text = text, .size = size,
                      .arena = &document->arena, .slab = 8,
                      .pairs_key = key };
    size_t room;
    if (lh_add_size(size, 1, &room))
        p.strings = lh_arena_alloc(p.arena, room);
    document->root = p.strings ? json_node(&p) : NULL;
    if (!document->root) {
        lh_json_free(document);
        return lh_fail(ctx, LH_ERROR_MEMORY,
                       "%s: no memory for its %zu bytes of JSON", where,
                       size);
    }
    json_space(&p);
    bool fine = json_value(&p, document->root);
    json_space(&p);
    if (fine && p.at < size)
        json_fail(&p, p.at, "something stands behind the JSON value");
    lh_free(ctx, p.pair);
    if (p.status)
        lh_json_free(document);
    return p.status;
}

LH_INTERNAL void lh_json_free(lh_json_document *document)
{
    lh_arena_free(&document->arena);
    document->root = NULL;
}

LH_INTERNAL const lh_json *lh_json_get(const lh_json *object,
                                       const char *key)
{
    if (!object || object->type != LH_JSON_OBJECT)
        return NULL;
    for (const lh_json *m = object->child; m; m = m->next)
        if (lh_text_is(m->key, m->key_size, key))
            return m;
    return NULL;
}

/* ------------------------------------------------------------- writing -- */

/* How the character at text[0..size) is spelled in a string, into
 * spelled[8]; its bytes, 0 for what is not UTF-8. */
static int json_spell(const char *text, size_t size, char spelled[8],
                      size_t *length)
{
    static const char special[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    static const char digits[] = "0123456789abcdef";
    uint32_t code = 0;
    int bytes = lh_utf8_decode(text, size, &code);
    const char *found = code && code < 0x80 ? strchr(special, (int)code)
                                            : NULL;
    if (found) {
        spelled[0] = '\\';
        spelled[1] = names[found - special];
        *length = 2;
    } else if (bytes && code < 0x20) {
        memcpy(spelled, "\\u00", 4);
        spelled[4] = digits[code >> 4];
        spelled[5] = digits[code & 15];
        *length = 6;
    } else {
        memcpy(spelled, text, (size_t)bytes);
        *length = (size_t)bytes;
    }
    return bytes;
}

LH_INTERNAL lh_status lh_json_add_string(lh_context *ctx, lh_buffer *buffer,
                                         const char *text, size_t size)
{
    char chunk[256];
    size_t filled = 1;
    chunk[0] = '"';
    for (size_t at = 0; at < size;) {
        size_t length = 0;
        int bytes = json_spell(text + at, size - at, chunk + filled,
                               &length);
        if (!bytes && !buffer->status)
            buffer->status = lh_fail(ctx, LH_ERROR_ARGUMENT,
                                     "byte %zu of a text is not UTF-8: JSON "
                                     "cannot hold it", at);
        if (!bytes)
            return buffer->status;
        at += (size_t)bytes;
        filled += length;
        if (filled > sizeof chunk - 16) {
            lh_buffer_add(ctx, buffer, chunk, filled);
            filled = 0;
        }
    }
    chunk[filled++] = '"';
    return lh_buffer_add(ctx, buffer, chunk, filled);
}
