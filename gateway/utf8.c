/* utf8 - is this text UTF-8?
 *
 * Why not a library: the text of a WebSocket message arrives in pieces that may be cut inside a
 * character, the place in the character must survive a move to another process, and a broken text
 * must be refused at its first wrong byte. That is one small number and two tables.
 *
 * Invariants
 *   U1  the state names which bytes may come next; UTF8_START means "the first byte of a character"
 *   U2  the special cases of table 3-7 (E0, ED, F0, F4) narrow only the second byte, so each of them
 *       is one state more and later bytes need no memory of the first
 *   U3  BROKEN never leads anywhere else
 */
#include "utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

enum utf8_state {
    WHOLE = UTF8_START,
    LAST_1,    /* one continuation byte to come */
    LAST_2,    /* two */
    LAST_3,    /* three */
    SECOND_E0, /* two, the first of them not overlong */
    SECOND_ED, /* two, the first of them not a surrogate */
    SECOND_F0, /* three, the first of them not overlong */
    SECOND_F4, /* three, the first of them not above U+10FFFF */
    BROKEN,
    STATE_COUNT,
};

struct step {
    uint8_t low, high; /* the bytes that may come */
    uint8_t next;      /* and the state after one of them */
};

/* WHOLE and BROKEN have no continuation: their range is empty. */
static const struct step STEPS[STATE_COUNT] = {
    [WHOLE] = {1, 0, BROKEN},           [LAST_1] = {0x80, 0xbf, WHOLE},     [LAST_2] = {0x80, 0xbf, LAST_1},
    [LAST_3] = {0x80, 0xbf, LAST_2},    [SECOND_E0] = {0xa0, 0xbf, LAST_1}, [SECOND_ED] = {0x80, 0x9f, LAST_1},
    [SECOND_F0] = {0x90, 0xbf, LAST_2}, [SECOND_F4] = {0x80, 0x8f, LAST_2}, [BROKEN] = {1, 0, BROKEN},
};

/* State after the first byte of a character. 80..C1 and F5..FF begin none. */
static uint32_t after_first(uint8_t byte)
{
    if (byte < 0x80)
        return WHOLE;
    if (byte < 0xc2)
        return BROKEN;
    if (byte < 0xe0)
        return LAST_1;
    if (byte < 0xf0)
        return byte == 0xe0 ? SECOND_E0 : byte == 0xed ? SECOND_ED : LAST_2;
    if (byte < 0xf5)
        return byte == 0xf0 ? SECOND_F0 : byte == 0xf4 ? SECOND_F4 : LAST_3;
    return BROKEN;
}

static uint32_t after_continuation(uint32_t state, uint8_t byte)
{
    const struct step *step = &STEPS[state];

    return byte >= step->low && byte <= step->high ? step->next : BROKEN;
}

/* Length of the ASCII at the front, in whole words of 8 bytes: JSON is nearly nothing else. */
static size_t ascii_words(const uint8_t *bytes, size_t n)
{
    size_t i = 0;
    uint64_t word;

    for (; n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        if (word & HIGH_BITS)
            break;
    }
    return i;
}

bool utf8_feed(uint32_t *state, const uint8_t *bytes, size_t n)
{
    uint32_t now = *state < STATE_COUNT ? *state : BROKEN;

    for (size_t i = 0; i < n && now != BROKEN; i++) {
        if (now != WHOLE) {
            now = after_continuation(now, bytes[i]);
            continue;
        }
        i += ascii_words(bytes + i, n - i);
        if (i < n)
            now = after_first(bytes[i]);
    }
    *state = now;
    return now != BROKEN;
}

bool utf8_is_complete(uint32_t state)
{
    return state == WHOLE;
}

bool utf8_state_is_valid(uint32_t state)
{
    return state < BROKEN;
}
