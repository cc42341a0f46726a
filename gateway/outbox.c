/* outbox - see outbox.h. The ring grows on demand, so an idle client costs a few words. */
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_FIRST 8u
#define KEYS_ROOM  8192u /* twice the sightings that game_queue_messages_count allows */

struct out_frame *out_frame_new(enum ws_opcode opcode, struct view payload, enum out_kind kind, uint64_t key)
{
    struct out_frame *frame = malloc(sizeof *frame + WS_HEADER_MAX + payload.length);
    size_t header;

    if (frame == NULL)
        return NULL;
    header = ws_write_header(frame->bytes, opcode, payload.length);
    if (payload.length > 0)
        memcpy(frame->bytes + header, payload.bytes, payload.length);
    frame->references = 1;
    frame->kind = kind;
    frame->key = key;
    frame->length = header + payload.length;
    return frame;
}

struct out_frame *out_frame_raw(struct view bytes, enum out_kind kind, uint64_t key)
{
    struct out_frame *frame = malloc(sizeof *frame + bytes.length);

    if (frame == NULL)
        return NULL;
    frame->references = 1;
    frame->kind = kind;
    frame->key = key;
    frame->length = bytes.length;
    if (bytes.length > 0)
        memcpy(frame->bytes, bytes.bytes, bytes.length);
    return frame;
}

struct out_frame *out_frame_close(uint16_t code, const char *reason)
{
    struct out_frame *frame = malloc(sizeof *frame + WS_CLOSE_FRAME_MAX);

    if (frame == NULL)
        return NULL;
    frame->references = 1;
    frame->kind = OUT_REPLY;
    frame->key = 0;
    frame->length = ws_write_close(frame->bytes, code, reason);
    return frame;
}

void out_frame_unref(struct out_frame *frame)
{
    if (frame != NULL && --frame->references == 0)
        free(frame);
}

/* FNV-1a, with the NULs of both texts as their border. */
uint64_t out_key(const char *camera, const char *tag)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const char *texts[] = {camera, tag};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *at = texts[i];

        do {
            hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
        } while (*at++ != '\0');
    }
    return hash;
}

static struct out_frame **slot(const struct outbox *box, uint32_t index)
{
    return &box->frames[(box->first + index) & (box->room - 1)];
}

static bool grow(struct outbox *box)
{
    uint32_t room = box->room == 0 ? ROOM_FIRST : box->room * 2;
    struct out_frame **frames = malloc(room * sizeof *frames);

    if (frames == NULL)
        return false;
    for (uint32_t i = 0; i < box->count; i++)
        frames[i] = *slot(box, i);
    free(box->frames);
    box->frames = frames;
    box->room = room;
    box->first = 0;
    return true;
}

static void remove_at(struct outbox *box, uint32_t index)
{
    struct out_frame *frame = *slot(box, index);

    for (uint32_t i = index; i + 1 < box->count; i++)
        *slot(box, i) = *slot(box, i + 1);
    box->count--;
    box->bytes -= frame->length;
    box->replies -= frame->kind == OUT_REPLY;
    out_frame_unref(frame);
}

/* The oldest sighting from `begin` on that has a newer one with its key behind it. One walk from the newest to the oldest,
 * with a table of the keys met: whoever sends ever new keys to a slow client must not make others pay for it. */
static bool find_outdated(const struct outbox *box, uint32_t begin, uint32_t *ret_index)
{
    uint32_t places[KEYS_ROOM], mask = 15, met = 0; /* of the newest frame with a key: its index and 1 */
    bool found = false;

    while (mask < 2 * box->count && mask + 1 < KEYS_ROOM)
        mask = 2 * mask + 1;
    memset(places, 0, (mask + 1) * sizeof *places);
    for (uint32_t i = box->count; i-- > begin && met < mask;) {
        const struct out_frame *frame = *slot(box, i);
        uint32_t at = (uint32_t)frame->key & mask;

        if (frame->kind != OUT_SIGHTING)
            continue;
        while (places[at] != 0 && (*slot(box, places[at] - 1))->key != frame->key)
            at = (at + 1) & mask;
        if (places[at] != 0) {
            *ret_index = i;
            found = true;
        } else {
            places[at] = i + 1;
            met++;
        }
    }
    return found;
}

/* The sighting that gives way: the oldest with this key, else the oldest of which a newer one waits, else the oldest of
 * all; never one partly sent. So the newest of a key goes only when there are more keys than places. */
static bool find_victim(const struct outbox *box, uint64_t key, uint32_t *ret_index)
{
    const uint32_t begin = box->first_sent > 0 ? 1 : 0;
    bool found = false;

    for (uint32_t i = begin; i < box->count; i++) {
        const struct out_frame *frame = *slot(box, i);

        if (frame->kind != OUT_SIGHTING)
            continue;
        if (frame->key == key) {
            *ret_index = i;
            return true;
        }
        if (!found)
            *ret_index = i;
        found = true;
    }
    return find_outdated(box, begin, ret_index) || found;
}

bool outbox_is_full(const struct outbox *box, const struct outbox_limits *limits, const struct out_frame *frame)
{
    return box->count > 0 && (box->count >= limits->frames_max || box->bytes + frame->length > limits->bytes_max);
}

enum outbox_push outbox_push(struct outbox *box, const struct outbox_limits *limits, struct out_frame *frame)
{
    enum outbox_push result = OUTBOX_QUEUED;
    uint32_t victim = 0;

    if (frame->kind == OUT_SIGHTING && outbox_is_full(box, limits, frame)) {
        if (!find_victim(box, frame->key, &victim))
            return OUTBOX_REFUSED;
        remove_at(box, victim);
        result = OUTBOX_REPLACED;
    }
    if (box->count == box->room && !grow(box))
        return OUTBOX_REFUSED;
    *slot(box, box->count) = out_frame_ref(frame);
    box->count++;
    box->bytes += frame->length;
    box->replies += frame->kind == OUT_REPLY;
    return result;
}

unsigned outbox_gather(const struct outbox *box, struct iovec *pieces, unsigned max)
{
    unsigned count = 0;
    size_t skip = box->first_sent;

    while (count < max && count < box->count) {
        struct out_frame *frame = *slot(box, count);

        pieces[count] = (struct iovec){.iov_base = frame->bytes + skip, .iov_len = frame->length - skip};
        skip = 0;
        count++;
    }
    return count;
}

uint32_t outbox_taken(struct outbox *box, size_t bytes)
{
    uint32_t sightings = 0;

    while (bytes > 0) {
        struct out_frame *frame = *slot(box, 0);
        size_t left = frame->length - box->first_sent;

        if (bytes < left) {
            box->first_sent += bytes;
            break;
        }
        bytes -= left;
        box->first_sent = 0;
        sightings += frame->kind == OUT_SIGHTING;
        box->bytes -= frame->length;
        box->replies -= frame->kind == OUT_REPLY;
        out_frame_unref(frame);
        box->first = (box->first + 1) & (box->room - 1);
        box->count--;
    }
    return sightings;
}

int outbox_each(const struct outbox *box, int (*each)(void *user, const struct out_frame *frame), void *user)
{
    int r = 0;

    for (uint32_t i = 0; i < box->count && r >= 0; i++)
        r = each(user, *slot(box, i));
    return r;
}

int outbox_skip(struct outbox *box, size_t bytes)
{
    if (box->count == 0 || box->first_sent != 0 || bytes >= (*slot(box, 0))->length)
        return -EPROTO;
    box->first_sent = bytes;
    return 0;
}

void outbox_clear_unsent(struct outbox *box)
{
    while (box->count > (box->first_sent > 0 ? 1u : 0u))
        remove_at(box, box->count - 1);
}

void outbox_done(struct outbox *box)
{
    box->first_sent = 0;
    outbox_clear_unsent(box);
    free(box->frames);
    *box = (struct outbox){0};
}
