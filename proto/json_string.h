/* json_string - between the text inside a JSON string and the characters it stands for.
 *
 * "Inside" means the bytes between the quotes, escapes and all.
 */
#ifndef TAGHUB_JSON_STRING_H
#define TAGHUB_JSON_STRING_H

#include <stdbool.h>

#include "view.h"

/** One past the last byte of a text; also for the empty view, whose bytes may be NULL. */
static inline const uint8_t *json_view_end(struct view text)
{
    return text.length > 0 ? text.bytes + text.length : text.bytes;
}

/**
 * Bytes of the UTF-8 sequence at the start of a text (RFC 3629: shortest form, no surrogates, at
 * most U+10FFFF).
 *
 * at, end  the text; at < end
 * returns  1 to 4, or 0 when there is no complete valid sequence
 */
static inline size_t json_utf8_length(const uint8_t *at, const uint8_t *end)
{
    uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
    size_t length;

    if (*at < 0x80)
        return 1;
    if (*at < 0xc2 || *at > 0xf4)
        return 0;
    length = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    if ((size_t)(end - at) < length)
        return 0;
    if (*at == 0xe0)
        low = 0xa0;
    else if (*at == 0xed)
        high = 0x9f;
    else if (*at == 0xf0)
        low = 0x90;
    else if (*at == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/**
 * Turn the inside of a string into UTF-8: escapes become characters, surrogate pairs one
 * character.
 *
 * inside      text between the quotes, from a checked JSON text
 * dst, room   where the characters and a terminating NUL go; room in bytes, the NUL counted
 * ret_length  bytes written before the NUL; larger than strlen(dst) when the string has a \u0000
 * returns     0
 * errors      -E2BIG   does not fit
 *             -EILSEQ  a surrogate without its other half: no UTF-8 exists for it
 *             -EINVAL  a malformed escape (the text was not checked)
 *             After an error the contents of dst are undefined.
 */
int json_unescape(struct view inside, char *dst, size_t room, size_t *ret_length);

/**
 * json_unescape() for a whole string value, quotes included.
 *
 * value    raw text of the value, as a json_member holds it
 * errors   as above; -EINVAL also when the value is not a string
 */
int json_decode_string(struct view value, char *dst, size_t room, size_t *ret_length);

/**
 * Whether the inside of a string stands for exactly this text, escapes decoded. A string with a
 * lone surrogate or with \u0000 equals nothing.
 */
bool json_inside_equals(struct view inside, const char *text);

/**
 * Write text as the inside of a JSON string. Quotes, backslashes and control characters are
 * escaped, other characters are kept; a byte that is not part of valid UTF-8 becomes \ufffd, so
 * the result is valid whatever comes in.
 *
 * dst, room   where the result goes, no terminating NUL; dst may be NULL when room is 0
 * utf8_text   borrowed
 * returns     bytes of the complete result, at most 6 times those of the text; when this is more
 *             than room, dst holds only as many whole characters from the start as fit
 */
size_t json_escape(char *dst, size_t room, struct view utf8_text);

#endif
