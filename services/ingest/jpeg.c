/* jpeg - a walk over marker segments.
 *
 * A JPEG file is a chain: FF, a marker byte and, for most markers, a length that leads to the next
 * FF. Following the chain is the only way to the right frame header. Searching for the bytes of
 * one finds those of thumbnails inside application segments, and a search for one kind misses
 * the others.
 *
 * Invariants
 *   J1  every read is preceded by a comparison with what is left
 *   J2  each turn of the walk moves forward by at least two bytes
 */
#include "jpeg.h"

#include <errno.h>
#include <stdbool.h>

/* Markers (ITU-T T.81, table B.1) that the walk tells apart. */
enum {
    MARKER_TEM = 0x01,  /* stands alone */
    MARKER_SOF0 = 0xc0, /* C0..CF are frame headers, but for the next three */
    MARKER_DHT = 0xc4,
    MARKER_JPG = 0xc8,
    MARKER_DAC = 0xcc,
    MARKER_SOF15 = 0xcf,
    MARKER_RST0 = 0xd0, /* RST0..RST7 stand alone */
    MARKER_RST7 = 0xd7,
    MARKER_SOI = 0xd8,
    MARKER_EOI = 0xd9,
    MARKER_SOS = 0xda,
};

/* A frame header up to the width: length (2), precision (1), height (2), width (2). */
#define FRAME_HEADER_BYTES 7

static unsigned read_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static bool marker_is_frame_header(uint8_t marker)
{
    return marker >= MARKER_SOF0 && marker <= MARKER_SOF15 && marker != MARKER_DHT && marker != MARKER_JPG &&
           marker != MARKER_DAC;
}

static bool marker_stands_alone(uint8_t marker)
{
    return marker == MARKER_TEM || (marker >= MARKER_RST0 && marker <= MARKER_RST7);
}

/* Markers behind which no frame header of this picture can come; 00 and FF are no markers. */
static bool marker_ends_walk(uint8_t marker)
{
    return marker == 0x00 || marker == MARKER_SOI || marker == MARKER_EOI || marker == MARKER_SOS;
}

/* Read the marker at *at, fill bytes before it skipped, and step behind it. */
static int read_marker(const uint8_t **at, const uint8_t *end, uint8_t *ret)
{
    const uint8_t *p = *at;

    if (p == end || *p != 0xff)
        return -EBADMSG;
    while (p < end && *p == 0xff)
        p++;
    if (p == end)
        return -EBADMSG;
    *ret = *p;
    *at = p + 1;
    return 0;
}

/* Find the frame header; the result points at its length, with all its fields readable. */
static int find_frame_header(const uint8_t *at, const uint8_t *end, const uint8_t **ret)
{
    for (;;) {
        uint8_t marker;
        size_t left;
        unsigned length;
        int r;

        r = read_marker(&at, end, &marker);
        if (r < 0)
            return r;
        if (marker_stands_alone(marker))
            continue;
        left = (size_t)(end - at);
        if (marker_ends_walk(marker) || left < 2)
            return -EBADMSG;
        length = read_u16(at);
        if (marker_is_frame_header(marker)) {
            if (length < FRAME_HEADER_BYTES || left < FRAME_HEADER_BYTES)
                return -EBADMSG;
            *ret = at;
            return 0;
        }
        if (length < 2 || length > left)
            return -EBADMSG;
        at += length;
    }
}

int jpeg_size(struct view bytes, uint16_t *ret_width, uint16_t *ret_height)
{
    static const uint8_t START[] = {0xff, MARKER_SOI, 0xff};
    const uint8_t *header = NULL;
    int r;

    if (bytes.length < sizeof(START) || memcmp(bytes.bytes, START, sizeof(START)) != 0)
        return -EBADMSG;
    r = find_frame_header(bytes.bytes + 2, bytes.bytes + bytes.length, &header);
    if (r < 0)
        return r;
    *ret_height = (uint16_t)read_u16(header + 3);
    *ret_width = (uint16_t)read_u16(header + 5);
    return 0;
}
