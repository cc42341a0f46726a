/* bytes - see bytes.h. Content is moved to the front only when the room behind it is too small, so that a
 * stream which is consumed as fast as it is filled is copied once. */
#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 4096u
#define ROOM_KEPT  (1u << 20)

void bytes_done(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

uint8_t *bytes_reserve(struct bytes *bytes, size_t more)
{
    size_t room = bytes->room;
    uint8_t *at;

    if (bytes->room - bytes->start - bytes->length >= more && bytes->at != NULL)
        return bytes->at + bytes->start + bytes->length;
    if (bytes->room - bytes->length >= more && bytes->start >= bytes->length && bytes->at != NULL) {
        memcpy(bytes->at, bytes->at + bytes->start, bytes->length);
        bytes->start = 0;
        return bytes->at + bytes->length;
    }
    if (room < ROOM_FIRST)
        room = ROOM_FIRST;
    while (room - bytes->length < more) {
        if (room > SIZE_MAX / 2)
            return NULL;
        room *= 2;
    }
    at = malloc(room);
    if (at == NULL)
        return NULL;
    if (bytes->length > 0)
        memcpy(at, bytes->at + bytes->start, bytes->length);
    free(bytes->at);
    bytes->at = at;
    bytes->start = 0;
    bytes->room = room;
    return at + bytes->length;
}

int bytes_append(struct bytes *bytes, const void *from, size_t count)
{
    uint8_t *to = bytes_reserve(bytes, count);

    if (to == NULL)
        return -ENOMEM;
    if (count > 0)
        memcpy(to, from, count);
    bytes->length += count;
    return 0;
}

void bytes_consume(struct bytes *bytes, size_t count)
{
    bytes->start += count;
    bytes->length -= count;
    if (bytes->length > 0)
        return;
    bytes->start = 0;
    if (bytes->room > ROOM_KEPT)
        bytes_done(bytes);
}
