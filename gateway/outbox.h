/* outbox - what waits to be sent to one WebSocket, made of frames that many of them share.
 *
 * A frame is encoded once per worker and counted by reference. A full outbox gives up a sighting for a newer one: of the
 * same camera and tag, else one that is not the newest of its camera and tag, else the oldest. */
#ifndef TAGHUB_OUTBOX_H
#define TAGHUB_OUTBOX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "ws_frame.h"

enum out_kind {
    OUT_SIGHTING, /* may give way to a newer one with the same key */
    OUT_REPLY,    /* never dropped: welcome, replies, replays, notices, control frames */
};

/** One WebSocket frame, header included. Immutable; freed with the last reference. */
struct out_frame {
    uint32_t references;
    enum out_kind kind;
    uint64_t key; /* sightings: hash of camera and tag */
    size_t length;
    uint8_t bytes[];
};

/** A frame with one reference, or NULL without memory. `payload` is copied behind a header. */
struct out_frame *out_frame_new(enum ws_opcode opcode, struct view payload, enum out_kind kind, uint64_t key);
/** A frame that was written down before: `bytes` with its header, as they were. */
struct out_frame *out_frame_raw(struct view bytes, enum out_kind kind, uint64_t key);
/** A close frame; see ws_write_close(). */
struct out_frame *out_frame_close(uint16_t code, const char *reason);
static inline struct out_frame *out_frame_ref(struct out_frame *frame)
{
    frame->references++;
    return frame;
}
/** Accepts NULL. */
void out_frame_unref(struct out_frame *frame);

/** Key of a sighting: equal for equal camera and tag. */
uint64_t out_key(const char *camera, const char *tag);

/** Zero-initialise; free with outbox_done(). */
struct outbox {
    struct out_frame **frames; /* circular */
    uint32_t room, first, count;
    uint32_t replies;  /* how many of them are not sightings */
    size_t bytes;      /* of all frames that wait, the one partly sent in full */
    size_t first_sent; /* bytes of the first frame that the kernel has taken */
};

struct outbox_limits {
    uint32_t frames_max;
    size_t bytes_max;
};

/** Whether `frame` would be beyond the limits. An empty outbox has room for any frame. */
bool outbox_is_full(const struct outbox *box, const struct outbox_limits *limits, const struct out_frame *frame);

enum outbox_push {
    OUTBOX_QUEUED,
    OUTBOX_REPLACED, /* queued, and an older sighting was dropped for it */
    OUTBOX_REFUSED,  /* not queued: no memory, or full of what may not be dropped */
};

/** Queues one reference of `frame` (takes its own). Limits hold for sightings only. */
enum outbox_push outbox_push(struct outbox *box, const struct outbox_limits *limits, struct out_frame *frame);

/** Up to `max` pieces to send, from where the kernel stopped. Returns how many. */
unsigned outbox_gather(const struct outbox *box, struct iovec *pieces, unsigned max);

/** The kernel took so many bytes. Returns how many sightings are thereby sent whole. */
uint32_t outbox_taken(struct outbox *box, size_t bytes);

/** Calls each() for every frame, the next to be sent first, until it returns a negative value, which is returned. */
int outbox_each(const struct outbox *box, int (*each)(void *user, const struct out_frame *frame), void *user);
/** So many bytes of the first frame, and not all of them, were sent by somebody else. Returns 0 or -EPROTO. */
int outbox_skip(struct outbox *box, size_t bytes);

/** Drops what waits, but for a frame of which a part is sent: the stream must stay whole. */
void outbox_clear_unsent(struct outbox *box);

void outbox_done(struct outbox *box);

#endif
