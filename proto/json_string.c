/* json_string - escapes in both directions.
 *
 * Text from cameras and games travels through the hub as it came, escapes included; only the few
 * strings that the hub itself works with (keys, names, the event) are decoded here, and only what
 * the hub says itself is escaped here.
 *
 * Invariants
 *   S1  no read beyond the view, also when the caller forgot to check the text
 *   S2  what json_escape() writes is valid inside a JSON string, also for bytes that are no UTF-8
 */
#include "json_string.h"

#include <errno.h>
#include <stdio.h>

#define REPLACEMENT "\\ufffd"

/* Single-letter escapes, both ways: the character at [letter], the letter at [character]. */
static const char LETTER_TO_CHARACTER[128] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};
static const char CHARACTER_TO_LETTER[128] = {
    ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
};

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Read `\uXXXX` at `at`. Returns whether there is one. */
static bool read_unit(const uint8_t *at, const uint8_t *end, uint32_t *ret)
{
    uint32_t unit = 0;

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return false;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(at[i]);

        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret = unit;
    return true;
}

/* Decode the escape that starts with the backslash at *at, and step behind it. */
static int read_escape(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
    const uint8_t *p = *at;
    uint32_t high, low;

    if (end - p < 2)
        return -EINVAL;
    if (p[1] != 'u') {
        if (p[1] >= 128 || LETTER_TO_CHARACTER[p[1]] == 0)
            return -EINVAL;
        *ret = (uint32_t)LETTER_TO_CHARACTER[p[1]];
        *at = p + 2;
        return 0;
    }
    if (!read_unit(p, end, &high))
        return -EINVAL;
    p += 6;
    if (high >= 0xd800 && high <= 0xdfff) {
        if (high >= 0xdc00 || !read_unit(p, end, &low) || low < 0xdc00 || low > 0xdfff)
            return -EILSEQ;
        p += 6;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = high;
    *at = p;
    return 0;
}

static size_t utf8_write(uint32_t point, char dst[4])
{
    if (point < 0x80) {
        dst[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        dst[0] = (char)(0xc0 | point >> 6);
        dst[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        dst[0] = (char)(0xe0 | point >> 12);
        dst[1] = (char)(0x80 | (point >> 6 & 0x3f));
        dst[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    dst[0] = (char)(0xf0 | point >> 18);
    dst[1] = (char)(0x80 | (point >> 12 & 0x3f));
    dst[2] = (char)(0x80 | (point >> 6 & 0x3f));
    dst[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* The next piece of the decoded text: one escape, or the plain bytes up to the next one. Plain
 * bytes are not copied: the piece points at them. Escapes use the caller's four bytes. */
static int next_piece(const uint8_t **at, const uint8_t *end, char character[4], struct view *ret)
{
    const uint8_t *stop;
    uint32_t point;
    int r;

    if (**at == '\\') {
        r = read_escape(at, end, &point);
        if (r < 0)
            return r;
        *ret = view_of(character, utf8_write(point, character));
        return 0;
    }
    stop = memchr(*at, '\\', (size_t)(end - *at));
    if (stop == NULL)
        stop = end;
    *ret = view_of(*at, (size_t)(stop - *at));
    *at = stop;
    return 0;
}

int json_unescape(struct view inside, char *dst, size_t room, size_t *ret_length)
{
    const uint8_t *at = inside.bytes, *end = json_view_end(inside);
    size_t used = 0;

    while (at < end) {
        struct view piece;
        char character[4];
        int r;

        r = next_piece(&at, end, character, &piece);
        if (r < 0)
            return r;
        if (piece.length > room - used)
            return -E2BIG;
        memcpy(dst + used, piece.bytes, piece.length);
        used += piece.length;
    }
    if (used == room)
        return -E2BIG;
    dst[used] = '\0';
    *ret_length = used;
    return 0;
}

int json_decode_string(struct view value, char *dst, size_t room, size_t *ret_length)
{
    if (value.length < 2 || value.bytes[0] != '"' || value.bytes[value.length - 1] != '"')
        return -EINVAL;
    return json_unescape(view_of(value.bytes + 1, value.length - 2), dst, room, ret_length);
}

bool json_inside_equals(struct view inside, const char *text)
{
    const uint8_t *at = inside.bytes, *end = json_view_end(inside);
    size_t left = strlen(text);

    while (at < end) {
        struct view piece;
        char character[4];

        if (next_piece(&at, end, character, &piece) < 0 || piece.length > left ||
            memcmp(text, piece.bytes, piece.length) != 0)
            return false;
        text += piece.length;
        left -= piece.length;
    }
    return left == 0;
}

/* One character of the text as it stands in a JSON string: at most 6 bytes. */
static size_t escape_character(const uint8_t **at, const uint8_t *end, char dst[8])
{
    const uint8_t *p = *at;
    size_t length = json_utf8_length(p, end);

    *at = p + (length > 0 ? length : 1);
    if (length == 0) {
        memcpy(dst, REPLACEMENT, sizeof(REPLACEMENT) - 1);
        return sizeof(REPLACEMENT) - 1;
    }
    if (length == 1 && CHARACTER_TO_LETTER[*p] != 0) {
        dst[0] = '\\';
        dst[1] = CHARACTER_TO_LETTER[*p];
        return 2;
    }
    if (*p < 0x20)
        return (size_t)snprintf(dst, 8, "\\u%04x", *p);
    memcpy(dst, p, length);
    return length;
}

size_t json_escape(char *dst, size_t room, struct view utf8_text)
{
    const uint8_t *at = utf8_text.bytes, *end = json_view_end(utf8_text);
    size_t total = 0;
    bool fits = true; /* after a character that did not fit no smaller one may slip in */

    while (at < end) {
        char character[8];
        size_t length = escape_character(&at, end, character);

        fits = fits && length <= room - total;
        if (fits)
            memcpy(dst + total, character, length);
        total += length;
    }
    return total;
}
