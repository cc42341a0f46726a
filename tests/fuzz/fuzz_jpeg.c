/* Any bytes: once a prefix is enough to know the size, nothing behind it changes the answer. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define PREFIX_MAX 512

struct result {
    int r;
    uint16_t width, height;
};

/* The size of the first `length` bytes, in an allocation that ends where they end. */
static struct result size_of_prefix(const uint8_t *bytes, size_t length, size_t extra)
{
    struct result result = {.width = 0xabcd, .height = 0xef01};
    uint8_t *copy = malloc(length + extra + 1);

    assert(copy != NULL);
    /* One spare byte in front, so that even an empty view ends where its allocation ends. */
    if (length > 0)
        memcpy(copy + 1, bytes, length);
    memset(copy + 1 + length, 0xff, extra);
    result.r = jpeg_size(view_of(copy + 1, length + extra), &result.width, &result.height);
    free(copy);
    assert(result.r == 0 || result.r == -EBADMSG);
    assert(result.r == 0 || (result.width == 0xabcd && result.height == 0xef01));
    return result;
}

static int results_equal(struct result a, struct result b)
{
    return a.r == b.r && a.width == b.width && a.height == b.height;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct result whole = size_of_prefix(bytes, length, 0), earlier = {.r = -EBADMSG};
    size_t shortest = length < PREFIX_MAX ? length : PREFIX_MAX;

    for (size_t i = 0; i <= shortest; i++) {
        struct result part = size_of_prefix(bytes, i, 0);

        if (earlier.r == 0)
            assert(results_equal(part, earlier));
        if (part.r == 0) {
            assert(results_equal(part, whole));
            assert(results_equal(part, size_of_prefix(bytes, i, 64)));
        }
        earlier = part;
    }
    if (whole.r == 0)
        assert(length >= 11 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff);
    return 0;
}
