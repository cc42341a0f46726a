/* Any text: check and walk agree, errors are fit to be sent, values survive being decoded. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const uint8_t *skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
        at++;
    return at;
}

/* A sentence of printable UTF-8 that ends inside its array. */
static void verify_error(const struct json_error *error, size_t length)
{
    size_t text_length = strnlen(error->text, sizeof(error->text));
    const uint8_t *at = (const uint8_t *)error->text, *end = at + text_length;

    assert(text_length > 0 && text_length < sizeof(error->text));
    assert(error->offset <= length);
    while (at < end) {
        size_t step = json_utf8_length(at, end);

        assert(step > 0 && *at >= 0x20);
        at += step;
    }
}

/* The inside of a string, decoded, escaped and decoded again; and compared with itself. */
static void verify_string(struct view inside)
{
    size_t room = inside.length + 1, length, again_length, escaped_length;
    char *decoded = malloc(room), *again = malloc(room), *escaped;
    int r;

    assert(decoded != NULL && again != NULL);
    r = json_unescape(inside, decoded, room, &length);
    assert(r == 0 || r == -EILSEQ);
    if (r == 0) {
        escaped_length = json_escape(NULL, 0, view_of(decoded, length));
        escaped = malloc(escaped_length + 1);
        assert(escaped != NULL);
        assert(json_escape(escaped, escaped_length, view_of(decoded, length)) == escaped_length);
        assert(json_unescape(view_of(escaped, escaped_length), again, room, &again_length) == 0);
        assert(view_equals(view_of(decoded, length), view_of(again, again_length)));
        assert(json_inside_equals(inside, decoded) == (strlen(decoded) == length));
        free(escaped);
    }
    free(again);
    free(decoded);
}

static void verify_number(struct view number)
{
    char text[32] = "";
    double value;
    int64_t i64;
    uint64_t u64;

    assert(json_number_double(number, &value) == 0 && isfinite(value));
    if (json_number_i64(number, &i64) == 0) {
        assert(value == (double)i64);
        snprintf(text, sizeof(text), "%s%" PRId64, i64 == 0 && signbit(value) ? "-" : "", i64);
        assert(view_equals(number, view_text(text)));
    }
    if (json_number_u64(number, &u64) == 0) {
        assert(value == (double)u64);
        snprintf(text, sizeof(text), "%s%" PRIu64, signbit(value) ? "-" : "", u64);
        assert(view_equals(number, view_text(text)));
    }
}

/* Each member is valid by itself, and between the spans there is nothing but commas and space. */
static void verify_object(struct view object)
{
    const uint8_t *end = object.bytes + object.length, *at = skip_space(object.bytes, end);
    struct json_iterator it;
    struct json_member member, last;
    struct json_error error;
    enum json_type type;
    size_t count = 0;

    assert(*at == '{');
    at = skip_space(at + 1, end);
    json_iterator_init(&it, object);
    for (; json_next_member(&it, &member); count++) {
        if (count > 0) {
            assert(*at == ',');
            at = skip_space(at + 1, end);
        }
        assert(at == member.span.bytes && at + 1 == member.key.bytes);
        at += member.span.length;
        assert(at == member.value.bytes + member.value.length);
        at = skip_space(at, end);
        assert(member.key_escaped == (memchr(member.key.bytes, '\\', member.key.length) != NULL));
        assert(json_check(member.value, JSON_DEPTH_MAX - 1, &type, &error) == 0);
        assert(type == member.type);
        verify_string(member.key);
        if (type == JSON_STRING)
            verify_string(view_of(member.value.bytes + 1, member.value.length - 2));
        if (type == JSON_NUMBER)
            verify_number(member.value);
        if (type == JSON_OBJECT)
            verify_object(member.value);
        if (json_key_equals(&member, "a")) {
            assert(json_find(object, "a", &last) == 0);
            assert(last.span.bytes >= member.span.bytes && json_key_equals(&last, "a"));
        }
    }
    assert(*at == '}');
    assert(skip_space(at + 1, end) == end);
}

/* What is one value stays one when it becomes part of another. */
static void verify_nested(struct view text)
{
    char *nested = malloc(text.length + 16);
    struct json_iterator it;
    struct json_member member;
    struct json_error error;
    enum json_type type;
    size_t length = 0;

    assert(nested != NULL);
    memcpy(nested, "{\"\\u0061\":", 10);
    memcpy(nested + 10, text.bytes, text.length);
    length = 10 + text.length;
    nested[length++] = '}';
    assert(json_check(view_of(nested, length), JSON_DEPTH_MAX, &type, &error) == 0);
    assert(type == JSON_OBJECT);
    json_iterator_init(&it, view_of(nested, length));
    assert(json_next_member(&it, &member) && json_key_equals(&member, "a"));
    assert(!json_next_member(&it, &member));
    free(nested);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct view text = view_of(bytes, length);
    struct json_iterator it;
    struct json_member member;
    struct json_error error;
    enum json_type type;

    /* Nobody should walk an unchecked text, but if somebody does it must stay inside. */
    json_iterator_init(&it, text);
    while (json_next_member(&it, &member)) {
        assert(member.span.bytes >= bytes);
        assert(member.span.bytes + member.span.length <= bytes + length);
    }

    if (json_check(text, JSON_DEPTH_MAX, &type, &error) < 0) {
        verify_error(&error, length);
        return 0;
    }
    assert(type == json_type_of(text));
    if (type == JSON_OBJECT)
        verify_object(text);
    if (json_check(text, JSON_DEPTH_MAX - 1, &type, &error) == 0)
        verify_nested(text);
    else
        assert(error.reason == JSON_DEPTH);
    return 0;
}
