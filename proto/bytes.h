/* bytes - a growing buffer that is filled at the end and emptied at the front. */
#ifndef TAGHUB_BYTES_H
#define TAGHUB_BYTES_H

#include <stddef.h>
#include <stdint.h>

/**
 * Zero-initialise; free with bytes_done(). What is in it lies at `at[start] .. at[start + length - 1]`.
 */
struct bytes {
    uint8_t *at;
    size_t start, length, room;
};

void bytes_done(struct bytes *bytes);

/** Where the content begins; may be NULL while there is none. */
static inline uint8_t *bytes_begin(const struct bytes *bytes)
{
    return bytes->at != NULL ? bytes->at + bytes->start : NULL; /* not even 0 may be added to NULL */
}

/**
 * Makes room for `more` bytes behind the content and returns where they go; NULL without memory, with the content
 * untouched. Follow with bytes_added(). Moves the content: pointers into it are void afterwards.
 */
uint8_t *bytes_reserve(struct bytes *bytes, size_t more);

static inline void bytes_added(struct bytes *bytes, size_t count)
{
    bytes->length += count;
}

/** Appends a copy. Returns 0 or -ENOMEM. */
int bytes_append(struct bytes *bytes, const void *from, size_t count);

/** Takes `count` (at most length) bytes off the front; an empty buffer that grew past 1 MiB gives its memory back. */
void bytes_consume(struct bytes *bytes, size_t count);

#endif
