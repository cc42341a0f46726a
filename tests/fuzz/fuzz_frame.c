/* A stream is cut into the same frames however it arrives. The first byte of the input says in which pieces it comes. */
#include <errno.h>
#include <stdlib.h>

#include "frame.h"

#define DEMAND(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The frames of a stream, found so far: their contents one after the other, and how it ended. */
struct frames {
    struct bytes contents;
    size_t count;
    bool broken;
};

/* Takes whole frames off the front. */
static void find_frames(struct frames *frames, struct bytes *stream)
{
    struct view content;
    size_t frame_bytes;
    int r;

    while (!frames->broken) {
        r = frame_read(view_of(bytes_begin(stream), stream->length), &content, &frame_bytes);
        DEMAND(r == 0 || r == 1 || r == -EBADMSG);
        frames->broken = r < 0;
        if (r <= 0)
            return;
        DEMAND(content.length > 0 && content.length <= FRAME_BYTES_MAX);
        DEMAND(frame_bytes == content.length + FRAME_HEADER_BYTES && frame_bytes <= stream->length);
        DEMAND(bytes_append(&frames->contents, content.bytes, content.length) == 0);
        frames->count++;
        bytes_consume(stream, frame_bytes);
    }
}

/* What we write we read. */
static void write_again(struct view content)
{
    static union msg_any msg;
    struct codec_error error;
    struct bytes out = {0};
    enum msg_type type;
    struct view back;
    size_t frame_bytes;

    if (codec_decode(content, &type, &msg, &error) != 0)
        return;
    DEMAND(frame_write(&out, type, &msg) == 0);
    DEMAND(frame_read(view_of(bytes_begin(&out), out.length), &back, &frame_bytes) == 1);
    DEMAND(frame_bytes == out.length);
    DEMAND(codec_decode(back, &type, &msg, &error) == 0);
    bytes_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frames whole = {0}, pieces = {0};
    struct bytes stream = {0}, dribble = {0};
    struct view content;
    size_t piece, frame_bytes;

    if (size == 0)
        return 0;
    piece = 1u + data[0];
    data++;
    size--;
    if (frame_read(view_of(data, size), &content, &frame_bytes) == 1)
        write_again(content);
    DEMAND(bytes_append(&stream, data, size) == 0);
    find_frames(&whole, &stream);
    for (size_t at = 0; at < size && !pieces.broken; at += piece) {
        DEMAND(bytes_append(&dribble, data + at, size - at < piece ? size - at : piece) == 0);
        find_frames(&pieces, &dribble);
    }
    DEMAND(whole.count == pieces.count && whole.broken == pieces.broken);
    DEMAND(view_equals(view_of(bytes_begin(&whole.contents), whole.contents.length),
                       view_of(bytes_begin(&pieces.contents), pieces.contents.length)));
    DEMAND(whole.broken || stream.length == dribble.length);
    bytes_done(&whole.contents);
    bytes_done(&pieces.contents);
    bytes_done(&stream);
    bytes_done(&dribble);
    return 0;
}
