/* utf8 - is this text UTF-8? Answered piece by piece, as the bytes arrive. */
#ifndef TAGHUB_UTF8_H
#define TAGHUB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** State before the first byte, and after every whole character. */
#define UTF8_START 0u

/**
 * Take the next piece of a text. Cutting a text into pieces anywhere changes no answer.
 *
 * Strict as Unicode's table 3-7: no overlong form, no surrogate, nothing above U+10FFFF. NUL and
 * noncharacters are characters like any other. The answer is false with the first byte that no
 * continuation could make valid again, not later.
 *
 * state    UTF8_START before the first piece; updated. After false every later piece is false too
 * bytes    n bytes, borrowed; may be NULL when n is 0
 * returns  true while the text so far is valid, or a valid text cut inside a character
 */
bool utf8_feed(uint32_t *state, const uint8_t *bytes, size_t n);

/** True when the text so far is valid and does not end inside a character. */
bool utf8_is_complete(uint32_t state);

/** True when utf8_feed() can leave this state with the answer true: for states read from outside. */
bool utf8_state_is_valid(uint32_t state);

#endif
