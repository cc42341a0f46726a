/* json_scan - strict JSON (RFC 8259) in two steps: check a text once, then walk over its members.
 *
 *     struct json_iterator it;
 *     struct json_member member;
 *     struct json_error error;
 *     enum json_type type;
 *
 *     if (json_check(text, JSON_DEPTH_MAX, &type, &error) < 0 || type != JSON_OBJECT)
 *         ...refuse...
 *     json_iterator_init(&it, text);
 *     while (json_next_member(&it, &member))
 *         if (json_key_equals(&member, "tag_id"))
 *             ...
 *
 * Nothing is allocated or copied: keys, values and spans are views into the text and die with
 * it. A value that is itself an object can be walked in the same way. Values of strings and
 * numbers come from json_string.h and json_number.h, which this header brings along.
 */
#ifndef TAGHUB_JSON_SCAN_H
#define TAGHUB_JSON_SCAN_H

#include <stdbool.h>

#include "json_number.h"
#include "json_string.h"
#include "view.h"

/* The deepest nesting that can be asked for: one for an object or array at the top. */
#define JSON_DEPTH_MAX 64

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_reason {
    JSON_EMPTY,       /* nothing but white space */
    JSON_ENDED,       /* the text ends inside a value */
    JSON_UNEXPECTED,  /* a byte that cannot stand there */
    JSON_NUMBER_FORM, /* `01`, `1.`, `1e`, `-` */
    JSON_NOT_FINITE,  /* 1e999, NaN, Infinity, -Infinity */
    JSON_CONTROL,     /* a raw control character inside a string */
    JSON_ESCAPE,      /* a backslash followed by no escape of JSON */
    JSON_UTF8,        /* a string that is not UTF-8 */
    JSON_DEPTH,       /* nested deeper than allowed */
    JSON_TRAILING     /* something behind the value */
};

struct json_error {
    enum json_reason reason;
    size_t offset;  /* byte of the text where it was noticed, counted from 0 */
    char text[160]; /* a sentence for the sender, e.g. "x_cm: number is not finite". Valid UTF-8 without
                       control characters; it may quote up to 64 bytes of a key: escape it */
};

/** One member of an object. Every view points into the text. */
struct json_member {
    struct view key;     /* between the quotes, escapes as written */
    bool key_escaped;    /* the key contains a backslash */
    struct view value;   /* raw text of the value; a string with its quotes */
    enum json_type type; /* of the value */
    struct view span;    /* from the opening quote of the key to the end of the value */
};

/** Where a walk over an object stands; the fields are private. */
struct json_iterator {
    const uint8_t *at;
    const uint8_t *end;
};

/**
 * Check that a text is exactly one JSON value, with white space around it at most.
 *
 * Strict: strings are valid UTF-8 without raw control characters, numbers follow the grammar and
 * are finite as doubles. Any \uXXXX is accepted, lone surrogates and \u0000 too, and so are
 * repeated and empty keys. One pass, linear in the length, constant stack.
 *
 * text       borrowed
 * depth_max  most containers open at a time, 1..JSON_DEPTH_MAX
 * ret_type   type of the value; written on success
 * ret_error  why not; written on failure
 * returns    0
 * errors     -EBADMSG, see ret_error
 */
int json_check(struct view text, unsigned depth_max, enum json_type *ret_type, struct json_error *ret_error);

/**
 * The type of a value, by its first byte.
 *
 * value  raw text of a checked value, not empty; white space in front is skipped
 */
enum json_type json_type_of(struct view value);

/**
 * Start a walk over the members of an object.
 *
 * object  text that json_check() accepted, or a value out of such a text. Anything but an object
 *         has no members. A text that was not checked yields nonsense, but is never read out of
 *         bounds.
 */
void json_iterator_init(struct json_iterator *it, struct view object);

/** Take the next member, in the order of the text. Returns false after the last one. */
bool json_next_member(struct json_iterator *it, struct json_member *ret);

/** Whether the member has this key; escapes in the key count as the characters they stand for. */
static inline bool json_key_equals(const struct json_member *member, const char *key)
{
    if (member->key_escaped)
        return json_inside_equals(member->key, key);
    return view_equals(member->key, view_text(key));
}

/**
 * Find a member by its key; of several the last one, which is the one that counts. Each call walks
 * over the whole object: to pick several members walk once and compare.
 *
 * object   as for json_iterator_init()
 * returns  0
 * errors   -ENOENT  no such member
 */
int json_find(struct view object, const char *key, struct json_member *ret);

#endif
