/* JSON (RFC 8259), strict: UTF-8 only, no duplicate keys, nesting at most
 * LH_JSON_DEPTH, nothing behind the value, numbers that fit.
 *
 * A parsed document is a tree in one arena; lh_json_free takes it back. */
#pragma once

#include "base/arena.h"
#include "base/base.h"

#define LH_JSON_DEPTH 64

typedef enum lh_json_type { LH_JSON_NULL, LH_JSON_FALSE, LH_JSON_TRUE,
                            LH_JSON_NUMBER, LH_JSON_STRING, LH_JSON_ARRAY,
                            LH_JSON_OBJECT } lh_json_type;

typedef struct lh_json {
    lh_json_type type;
    bool integral;                 /* written without . or e, fits int64   */
    int64_t integer;
    union {
        double number;
        const struct lh_json_pair *pair;         /* see below               */
    };
    const char *string;            /* decoded, NUL behind it; may hold NULs */
    size_t size;                   /* bytes of string; children            */
    const char *key;               /* in an object: decoded, NUL behind it */
    size_t key_size;
    struct lh_json *child, *next;  /* first child; next sibling            */
} lh_json;

/* Bytes of two texts; left: UINT32_MAX for what is not two. */
typedef struct lh_json_pair {
    uint32_t left, right;
} lh_json_pair;

typedef struct lh_json_document {
    lh_arena arena;
    lh_json *root;
} lh_json_document;

/* Parses text[0..size).  `where` names the source in messages, which give
 * the byte.  LH_ERROR_FORMAT, LH_ERROR_MEMORY.
 *
 * With a `key` an array that is a member of this name has no children: each of
 * its elements is a pair of texts, "a b" or ["a", "b"], their sizes in
 * pair[size] and they themselves at `string`, a byte behind each. */
LH_INTERNAL lh_status lh_json_parse_pairs(lh_context *ctx, const char *where,
                                          const char *text, size_t size,
                                          const char *key,
                                          lh_json_document *document);
static inline lh_status lh_json_parse(lh_context *ctx, const char *where,
                                      const char *text, size_t size,
                                      lh_json_document *document)
{
    return lh_json_parse_pairs(ctx, where, text, size, NULL, document);
}
LH_INTERNAL void lh_json_free(lh_json_document *document);

/* The member of an object; NULL where it is none or has none. */
LH_INTERNAL const lh_json *lh_json_get(const lh_json *object,
                                       const char *key);

/* Whether it is that string; NULL is none. */
static inline bool lh_json_is(const lh_json *value, const char *text)
{
    return value && value->type == LH_JSON_STRING &&
           lh_text_is(value->string, value->size, text);
}

/* Writing: a quoted, escaped string.  Numbers are lh_number_write(), the rest
 * is lh_buffer_printf. */
LH_INTERNAL lh_status lh_json_add_string(lh_context *ctx, lh_buffer *buffer,
                                         const char *text, size_t size);
