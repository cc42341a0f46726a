/* codec - a bus frame's content: one flat msgpack array, [id, field, field, ...], to and from a message struct.
 *
 * There is one codec for all messages; it walks the descriptors of schema.h and knows no message by name. */
#ifndef TAGHUB_CODEC_H
#define TAGHUB_CODEC_H

#include "bytes.h"
#include "schema.h"

/** Why a frame was not understood. `text` names the message and the field. */
struct codec_error {
    char text[160];
};

/**
 * Appends the encoded message to `out`.
 *
 * msg      a struct msg_... of this type; borrowed. Its values must be within their ranges (asserted: a value out of
 *          range is our own bug, because past the edge everything was checked)
 * returns  0, or -ENOMEM with `out` as it was
 */
int codec_encode(struct bytes *out, enum msg_type type, const void *msg);

/**
 * Reads one message.
 *
 * payload  the frame's content without its length; blobs of *ret_msg point into it
 * returns  0 with *ret_type and *ret_msg; -EBADMSG with *ret_error for anything else than exactly one known
 *          message with the right number of fields, each of its type and within its range; -ENOMEM
 */
int codec_decode(struct view payload, enum msg_type *ret_type, union msg_any *ret_msg, struct codec_error *ret_error);

#endif
