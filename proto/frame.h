/* frame - how messages lie in a stream: a 4-byte big-endian length, then that many bytes of codec content. */
#ifndef TAGHUB_FRAME_H
#define TAGHUB_FRAME_H

#include "codec.h"

#define FRAME_HEADER_BYTES 4u
#define FRAME_BYTES_MAX    (PHOTO_BYTES_MAX + 4096u) /* content of the largest message */

/** Appends one framed message. Returns 0, or -ENOMEM with `out` as it was. See codec_encode() for msg. */
int frame_write(struct bytes *out, enum msg_type type, const void *msg);

/**
 * Looks for a whole frame at the front of a stream.
 *
 * returns  1 with *ret_content (points into `stream`) and *ret_frame_bytes, what to consume afterwards;
 *          0 when more bytes are needed; -EBADMSG when the announced length is 0 or over FRAME_BYTES_MAX
 */
int frame_read(struct view stream, struct view *ret_content, size_t *ret_frame_bytes);

#endif
