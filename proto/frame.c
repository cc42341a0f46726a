/* frame - see frame.h. A length over the limit is refused from its four bytes, before anything is buffered. */
#include "frame.h"

#include <errno.h>

static void put_be32(uint8_t *to, size_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

int frame_write(struct bytes *out, enum msg_type type, const void *msg)
{
    static const uint8_t LENGTH_LATER[FRAME_HEADER_BYTES];
    size_t length_before = out->length;
    int r = bytes_append(out, LENGTH_LATER, sizeof LENGTH_LATER);

    if (r == 0)
        r = codec_encode(out, type, msg);
    if (r < 0) {
        out->length = length_before;
        return r;
    }
    put_be32(bytes_begin(out) + length_before, out->length - length_before - FRAME_HEADER_BYTES);
    return 0;
}

int frame_read(struct view stream, struct view *ret_content, size_t *ret_frame_bytes)
{
    size_t length;

    if (stream.length < FRAME_HEADER_BYTES)
        return 0;
    length =
        (size_t)stream.bytes[0] << 24 | (size_t)stream.bytes[1] << 16 | (size_t)stream.bytes[2] << 8 | stream.bytes[3];
    if (length == 0 || length > FRAME_BYTES_MAX)
        return -EBADMSG;
    if (stream.length - FRAME_HEADER_BYTES < length)
        return 0;
    *ret_content = view_of(stream.bytes + FRAME_HEADER_BYTES, length);
    *ret_frame_bytes = FRAME_HEADER_BYTES + length;
    return 1;
}
