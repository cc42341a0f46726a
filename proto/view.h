/* view - a borrowed run of bytes, and the few macros every file needs. */
#ifndef TAGHUB_VIEW_H
#define TAGHUB_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/**
 * Bytes that belong to somebody else. A view is valid only as long as its owner says; keep the
 * bytes by copying them. `bytes` may be NULL only when `length` is 0; there is no terminating NUL.
 */
struct view {
    const uint8_t *bytes;
    size_t length;
};

static inline struct view view_of(const void *bytes, size_t length)
{
    return (struct view){.bytes = bytes, .length = length};
}

static inline struct view view_text(const char *text)
{
    return view_of(text, strlen(text));
}

static inline int view_equals(struct view a, struct view b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

#endif
