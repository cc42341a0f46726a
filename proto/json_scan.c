/* json_scan - which bytes are JSON, and where the members of an object lie.
 *
 * The hub forwards every field of a camera unchanged, whatever it is. The surest way to keep a
 * value equal is never to convert it: the text is checked once and then spliced from spans. That
 * puts all weight on the check, since what passes here is sent to every game.
 *
 * Checking and walking are separate passes. The walk trusts the check, so it only has to find
 * where values end, and it needs no room for members: the number of members is up to the sender.
 *
 * Invariants
 *   C1  both passes are linear in the length of the text, for hostile texts too: every byte is
 *       looked at a bounded number of times
 *   C2  no recursion; open containers are bits of one word and keys of one array of JSON_DEPTH_MAX
 *   C3  a byte at or beyond `end` is never read; the walk keeps this for unchecked texts too
 */
#include "json_scan.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>

/* Bytes of a key that an error message may quote. */
#define QUOTED_KEY_BYTES 64

struct scan {
    const uint8_t *at;
    const uint8_t *start;
    const uint8_t *end;
    unsigned depth;
    unsigned depth_max;
    uint64_t objects;                    /* bit 0: the innermost container is an object; bit 1: the one around it... */
    const uint8_t *keys[JSON_DEPTH_MAX]; /* per open object, the inside of the key last begun */
    struct json_error *error;
};

/* What the text must go on with. */
enum step { STEP_END, STEP_AFTER_VALUE, STEP_VALUE };

static const uint8_t *skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Eight bytes at a time: each function returns a word whose lowest set bit is the top bit of the
 * first byte that has the property. Bits above that one mean nothing. */
#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_TOPS UINT64_C(0x8080808080808080)

static inline uint64_t word_load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static inline uint64_t word_below(uint64_t word, uint8_t limit)
{
    return (word - WORD_ONES * limit) & ~word & WORD_TOPS;
}

static inline uint64_t word_equals(uint64_t word, uint8_t byte)
{
    return word_below(word ^ WORD_ONES * byte, 1);
}

/* Step over ordinary ASCII: to the first quote, backslash, control character or non-ASCII byte. */
static inline const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word = word_load(at);
        uint64_t stop = (word & WORD_TOPS) | word_below(word, 0x20) | word_equals(word, '"') | word_equals(word, '\\');

        if (stop != 0)
            return at + __builtin_ctzll(stop) / 8;
        at += 8;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Step to the first quote or backslash, for strings that are known to be good. */
static inline const uint8_t *skip_to_quote(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word = word_load(at);
        uint64_t stop = word_equals(word, '"') | word_equals(word, '\\');

        if (stop != 0)
            return at + __builtin_ctzll(stop) / 8;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The key of the value being scanned: that of the innermost object that is open. */
static struct view current_key(const struct scan *scan)
{
    uint64_t objects = scan->objects;

    for (unsigned depth = scan->depth; depth > 0; depth--, objects >>= 1) {
        if (objects & 1) {
            const uint8_t *key = scan->keys[depth - 1], *at = skip_to_quote(key, scan->end);

            while (at < scan->end && *at == '\\')
                at = skip_to_quote(at + 2, scan->end);
            return view_of(key, (size_t)(at - key));
        }
    }
    return view_of(NULL, 0);
}

/* A number that is not finite is reported with its key, cut to size between two characters. */
static void describe_not_finite(const struct scan *scan, char *text, size_t room)
{
    static const char SENTENCE[] = "number is not finite";
    struct view key = current_key(scan);
    size_t length = key.length;

    if (key.bytes == NULL) {
        snprintf(text, room, "%s", SENTENCE);
        return;
    }
    if (length > QUOTED_KEY_BYTES) {
        length = QUOTED_KEY_BYTES;
        while (length > 0 && (key.bytes[length] & 0xc0) == 0x80)
            length--;
    }
    snprintf(text, room, "%.*s%s: %s", (int)length, (const char *)key.bytes, length < key.length ? "..." : "",
             SENTENCE);
}

static void describe(const struct scan *scan, const uint8_t *at, struct json_error *error)
{
    char *text = error->text;
    size_t room = sizeof(error->text), offset = error->offset;

    switch (error->reason) {
    case JSON_EMPTY:
        snprintf(text, room, "not JSON: the text is empty");
        break;
    case JSON_ENDED:
        snprintf(text, room, "not JSON: the text ends at byte %zu, inside a value", offset);
        break;
    case JSON_UNEXPECTED:
        if (*at > ' ' && *at < 0x7f)
            snprintf(text, room, "not JSON: unexpected '%c' at byte %zu", *at, offset);
        else
            snprintf(text, room, "not JSON: unexpected byte 0x%02x at byte %zu", *at, offset);
        break;
    case JSON_NUMBER_FORM:
        snprintf(text, room, "not JSON: malformed number at byte %zu", offset);
        break;
    case JSON_NOT_FINITE:
        describe_not_finite(scan, text, room);
        break;
    case JSON_CONTROL:
        snprintf(text, room, "not JSON: raw control character 0x%02x in a string at byte %zu", *at, offset);
        break;
    case JSON_ESCAPE:
        snprintf(text, room, "not JSON: unknown escape at byte %zu", offset);
        break;
    case JSON_UTF8:
        snprintf(text, room, "not UTF-8 at byte %zu", offset);
        break;
    case JSON_DEPTH:
        snprintf(text, room, "nesting is deeper than %u", scan->depth_max);
        break;
    case JSON_TRAILING:
        snprintf(text, room, "text after the JSON value at byte %zu", offset);
        break;
    }
}

static __attribute__((cold, noinline)) int fail(struct scan *scan, enum json_reason reason, const uint8_t *at)
{
    scan->error->reason = reason;
    scan->error->offset = (size_t)(at - scan->start);
    describe(scan, at, scan->error);
    return -EBADMSG;
}

/* For a byte that cannot stand where it stands, or a text that ends there. */
static __attribute__((cold, noinline)) int fail_unexpected(struct scan *scan)
{
    if (scan->at == scan->end)
        return fail(scan, JSON_ENDED, scan->at);
    return fail(scan, JSON_UNEXPECTED, scan->at);
}

static bool starts_with(const struct scan *scan, const char *word, size_t length)
{
    return (size_t)(scan->end - scan->at) >= length && memcmp(scan->at, word, length) == 0;
}

/* The escape at scan->at, a backslash. What four hex digits mean is not checked: lone surrogates
 * and NUL travel on as they are written. */
static int scan_escape(struct scan *scan)
{
    const uint8_t *at = scan->at;
    size_t left = (size_t)(scan->end - at);

    if (left < 2)
        return fail(scan, JSON_ENDED, scan->end);
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at += 2;
        return 0;
    case 'u':
        for (size_t i = 2; i < 6; i++) {
            if (i >= left)
                return fail(scan, JSON_ENDED, scan->end);
            if (!((at[i] >= '0' && at[i] <= '9') || ((at[i] | 0x20) >= 'a' && (at[i] | 0x20) <= 'f')))
                return fail(scan, JSON_ESCAPE, at);
        }
        scan->at += 6;
        return 0;
    default:
        return fail(scan, JSON_ESCAPE, at);
    }
}

/* A string, from its opening quote to behind the closing one. */
static int scan_string(struct scan *scan)
{
    scan->at++;
    for (;;) {
        size_t length;

        scan->at = skip_plain(scan->at, scan->end);
        if (scan->at == scan->end)
            return fail(scan, JSON_ENDED, scan->at);
        if (*scan->at == '"') {
            scan->at++;
            return 0;
        }
        if (*scan->at == '\\') {
            int r = scan_escape(scan);

            if (r < 0)
                return r;
            continue;
        }
        if (*scan->at < 0x20)
            return fail(scan, JSON_CONTROL, scan->at);
        length = json_utf8_length(scan->at, scan->end);
        if (length == 0)
            return fail(scan, JSON_UTF8, scan->at);
        scan->at += length;
    }
}

static int scan_string_value(struct scan *scan)
{
    int r = scan_string(scan);

    return r < 0 ? r : STEP_AFTER_VALUE;
}

static int scan_number(struct scan *scan)
{
    size_t length;
    int r;

    r = json_number_scan(view_of(scan->at, (size_t)(scan->end - scan->at)), &length);
    if (r == -ERANGE || (r < 0 && starts_with(scan, "-Infinity", 9)))
        return fail(scan, JSON_NOT_FINITE, scan->at);
    if (r < 0)
        return fail(scan, JSON_NUMBER_FORM, scan->at);
    scan->at += length;
    return STEP_AFTER_VALUE;
}

static int scan_literal(struct scan *scan, const char *word, size_t length)
{
    if (!starts_with(scan, word, length))
        return fail_unexpected(scan);
    scan->at += length;
    return STEP_AFTER_VALUE;
}

/* Key and colon of a member. */
static int scan_key(struct scan *scan)
{
    int r;

    scan->at = skip_space(scan->at, scan->end);
    if (scan->at == scan->end || *scan->at != '"')
        return fail_unexpected(scan);
    scan->keys[scan->depth - 1] = scan->at + 1;
    r = scan_string(scan);
    if (r < 0)
        return r;
    scan->at = skip_space(scan->at, scan->end);
    if (scan->at == scan->end || *scan->at != ':')
        return fail_unexpected(scan);
    scan->at++;
    return STEP_VALUE;
}

static int close_container(struct scan *scan)
{
    scan->at++;
    scan->depth--;
    scan->objects >>= 1;
    return STEP_AFTER_VALUE;
}

static int open_container(struct scan *scan, bool is_object)
{
    if (scan->depth == scan->depth_max)
        return fail(scan, JSON_DEPTH, scan->at);
    scan->objects = scan->objects << 1 | is_object;
    scan->depth++;
    scan->at = skip_space(scan->at + 1, scan->end);
    if (scan->at < scan->end && *scan->at == (is_object ? '}' : ']'))
        return close_container(scan);
    return is_object ? scan_key(scan) : STEP_VALUE;
}

/* A whole scalar or empty container, or the beginning of a container. */
static int step_value(struct scan *scan)
{
    scan->at = skip_space(scan->at, scan->end);
    if (scan->at == scan->end)
        return fail(scan, scan->depth == 0 ? JSON_EMPTY : JSON_ENDED, scan->at);
    switch (*scan->at) {
    case '"':
        return scan_string_value(scan);
    case '-':
    case '0' ... '9':
        return scan_number(scan);
    case '{':
        return open_container(scan, true);
    case '[':
        return open_container(scan, false);
    case 't':
        return scan_literal(scan, "true", 4);
    case 'f':
        return scan_literal(scan, "false", 5);
    case 'n':
        return scan_literal(scan, "null", 4);
    default:
        if (starts_with(scan, "NaN", 3) || starts_with(scan, "Infinity", 8))
            return fail(scan, JSON_NOT_FINITE, scan->at);
        return fail_unexpected(scan);
    }
}

/* What follows a value: the end, a comma and the next member or element, or a closing bracket. */
static int step_after_value(struct scan *scan)
{
    bool in_object = scan->objects & 1;

    scan->at = skip_space(scan->at, scan->end);
    if (scan->depth == 0)
        return scan->at == scan->end ? STEP_END : fail(scan, JSON_TRAILING, scan->at);
    if (scan->at == scan->end)
        return fail_unexpected(scan);
    if (*scan->at == (in_object ? '}' : ']'))
        return close_container(scan);
    if (*scan->at != ',')
        return fail_unexpected(scan);
    scan->at++;
    return in_object ? scan_key(scan) : STEP_VALUE;
}

int json_check(struct view text, unsigned depth_max, enum json_type *ret_type, struct json_error *ret_error)
{
    struct scan scan; /* not cleared as a whole: `keys` is written before it is read */
    int step = STEP_VALUE;

    assert(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    scan.at = scan.start = text.bytes;
    scan.end = json_view_end(text);
    scan.depth = 0;
    scan.depth_max = depth_max;
    scan.objects = 0;
    scan.error = ret_error;
    while (step > STEP_END)
        step = step == STEP_VALUE ? step_value(&scan) : step_after_value(&scan);
    if (step < 0)
        return step;
    *ret_type = json_type_of(text);
    return 0;
}

enum json_type json_type_of(struct view value)
{
    const uint8_t *end = json_view_end(value), *at = skip_space(value.bytes, end);

    assert(at < end);
    switch (*at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* The closing quote of a string whose inside starts at `at`, or `end`. */
static const uint8_t *find_closing_quote(const uint8_t *at, const uint8_t *end, bool *ret_escaped)
{
    *ret_escaped = false;
    for (;;) {
        at = skip_to_quote(at, end);
        if (at == end || *at == '"')
            return at;
        *ret_escaped = true;
        if (end - at < 2)
            return end;
        at += 2;
    }
}

static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
    bool escaped;

    at = find_closing_quote(at + 1, end, &escaped);
    return at < end ? at + 1 : end;
}

/* The end of a container: brackets are counted, strings stepped over. */
static const uint8_t *skip_container(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            if (depth == 0)
                return at + 1;
        }
        at++;
    }
    return end;
}

static bool ends_scalar(uint8_t byte)
{
    return byte <= ' ' || byte == ',' || byte == '}' || byte == ']';
}

static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end)
{
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && !ends_scalar(*at))
        at++;
    return at;
}

void json_iterator_init(struct json_iterator *it, struct view object)
{
    it->end = json_view_end(object);
    it->at = skip_space(object.bytes, it->end);
    if (it->at < it->end && *it->at == '{')
        it->at++;
    else
        it->at = it->end;
}

bool json_next_member(struct json_iterator *it, struct json_member *ret)
{
    const uint8_t *end = it->end, *at = skip_space(it->at, end), *quote, *value;
    struct json_member member;

    it->at = end; /* whatever is wrong or over below ends the walk */
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at == end || *at != '"')
        return false;
    quote = at;
    at = find_closing_quote(quote + 1, end, &member.key_escaped);
    if (at == end)
        return false;
    member.key = view_of(quote + 1, (size_t)(at - quote - 1));
    at = skip_space(at + 1, end);
    if (at == end || *at != ':')
        return false;
    value = skip_space(at + 1, end);
    if (value == end)
        return false;
    at = skip_value(value, end);
    if (at == value)
        return false;
    member.value = view_of(value, (size_t)(at - value));
    member.type = json_type_of(member.value);
    member.span = view_of(quote, (size_t)(at - quote));
    it->at = at;
    *ret = member;
    return true;
}

int json_find(struct view object, const char *key, struct json_member *ret)
{
    struct json_iterator it;
    struct json_member member;
    int r = -ENOENT;

    json_iterator_init(&it, object);
    while (json_next_member(&it, &member)) {
        if (json_key_equals(&member, key)) {
            *ret = member;
            r = 0;
        }
    }
    return r;
}
