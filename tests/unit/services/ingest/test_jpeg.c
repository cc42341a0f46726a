/* The walk to the frame header. */
#include "jpeg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(...)                                                                                                     \
    {                                                                                                                  \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                                         \
    }

#define SOI 0xff, 0xd8
#define EOI 0xff, 0xd9
/* A frame header of one component, 240 lines of 320 pixels. */
#define FRAME(marker) 0xff, marker, 0, 11, 8, 0, 240, 1, 64, 1, 1, 0x11, 0
/* An application segment that holds a whole thumbnail, 16 lines of 16 pixels. */
#define EXIF         0xff, 0xe1, 0, 21, SOI, 0xff, 0xc0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0, EOI, 'x', 'x'
#define QUANTIZATION 0xff, 0xdb, 0, 5, 0, 1, 2
#define SCAN         0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3

static const struct {
    const char *name;
    struct view bytes;
    int r;
    uint16_t width, height;
} CASES[] = {
    {"baseline", BYTES(SOI, FRAME(0xc0), SCAN, EOI), 0, 320, 240},
    {"extended", BYTES(SOI, FRAME(0xc1), SCAN), 0, 320, 240},
    {"progressive", BYTES(SOI, FRAME(0xc2), SCAN), 0, 320, 240},
    {"lossless", BYTES(SOI, FRAME(0xc3)), 0, 320, 240},
    {"differential", BYTES(SOI, FRAME(0xc5)), 0, 320, 240},
    {"differential progressive", BYTES(SOI, FRAME(0xc6)), 0, 320, 240},
    {"differential lossless", BYTES(SOI, FRAME(0xc7)), 0, 320, 240},
    {"arithmetic", BYTES(SOI, FRAME(0xc9)), 0, 320, 240},
    {"arithmetic progressive", BYTES(SOI, FRAME(0xca)), 0, 320, 240},
    {"arithmetic lossless", BYTES(SOI, FRAME(0xcb)), 0, 320, 240},
    {"arithmetic differential", BYTES(SOI, FRAME(0xcd)), 0, 320, 240},
    {"last of the frame headers", BYTES(SOI, FRAME(0xcf)), 0, 320, 240},
    {"Huffman table is none", BYTES(SOI, FRAME(0xc4), EOI), -EBADMSG, 0, 0},
    {"reserved C8 is none", BYTES(SOI, FRAME(0xc8), EOI), -EBADMSG, 0, 0},
    {"arithmetic conditioning is none", BYTES(SOI, FRAME(0xcc), EOI), -EBADMSG, 0, 0},
    {"table before the frame", BYTES(SOI, QUANTIZATION, FRAME(0xc0)), 0, 320, 240},
    {"Huffman table before the frame", BYTES(SOI, 0xff, 0xc4, 0, 9, 0xff, 0xc0, 0, 11, 8, 0, 1, FRAME(0xc0)), 0, 320,
     240},
    {"thumbnail inside EXIF", BYTES(SOI, EXIF, FRAME(0xc0), SCAN, EOI), 0, 320, 240},
    {"thumbnail and progressive", BYTES(SOI, EXIF, QUANTIZATION, FRAME(0xc2)), 0, 320, 240},
    {"first of two frame headers", BYTES(SOI, FRAME(0xc0), 0xff, 0xc2, 0, 11, 8, 0, 1, 0, 1), 0, 320, 240},
    {"segment without contents", BYTES(SOI, 0xff, 0xfe, 0, 2, FRAME(0xc0)), 0, 320, 240},
    {"fill bytes after the start", BYTES(SOI, 0xff, 0xff, 0xff, FRAME(0xc0)), 0, 320, 240},
    {"fill bytes between segments", BYTES(SOI, QUANTIZATION, 0xff, 0xff, FRAME(0xc0)), 0, 320, 240},
    {"markers that stand alone", BYTES(SOI, 0xff, 0x01, 0xff, 0xd0, 0xff, 0xd7, FRAME(0xc0)), 0, 320, 240},
    {"largest size", BYTES(SOI, 0xff, 0xc0, 0, 8, 8, 0xff, 0xff, 0xff, 0xfe), 0, 65534, 65535},
    {"height comes later", BYTES(SOI, 0xff, 0xc0, 0, 11, 8, 0, 0, 1, 64), 0, 320, 0},
    {"width of nothing", BYTES(SOI, 0xff, 0xc0, 0, 11, 8, 0, 240, 0, 0), 0, 0, 240},

    {"nothing", {NULL, 0}, -EBADMSG, 0, 0},
    {"only the start", BYTES(SOI), -EBADMSG, 0, 0},
    {"start and FF", BYTES(SOI, 0xff), -EBADMSG, 0, 0},
    {"no FF behind the start", BYTES(SOI, 0x00, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"PNG", BYTES(0x89, 'P', 'N', 'G', 13, 10, 26, 10), -EBADMSG, 0, 0},
    {"frame without a start", BYTES(FRAME(0xc0)), -EBADMSG, 0, 0},
    {"one byte before the start", BYTES(0, SOI, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"only fill bytes", BYTES(SOI, 0xff, 0xff, 0xff, 0xff), -EBADMSG, 0, 0},
    {"only markers that stand alone", BYTES(SOI, 0xff, 0xd0, 0xff, 0xd1), -EBADMSG, 0, 0},
    {"scan before the frame", BYTES(SOI, SCAN, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"end before the frame", BYTES(SOI, EOI, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"second start", BYTES(SOI, SOI, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"end, then what looks like its length", BYTES(SOI, EOI, 0, 2, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"start, then what looks like its length", BYTES(SOI, SOI, 0, 2, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"FF 00 is no marker", BYTES(SOI, 0xff, 0x00, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"garbage between segments", BYTES(SOI, QUANTIZATION, 0, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"segment of length 0", BYTES(SOI, 0xff, 0xe0, 0, 0, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"segment of length 1", BYTES(SOI, 0xff, 0xe0, 0, 1, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"segment beyond the end", BYTES(SOI, 0xff, 0xe0, 0xff, 0xff, FRAME(0xc0)), -EBADMSG, 0, 0},
    {"segment up to the end", BYTES(SOI, 0xff, 0xe0, 0, 4, 1, 2), -EBADMSG, 0, 0},
    {"half a length", BYTES(SOI, 0xff, 0xe0, 0), -EBADMSG, 0, 0},
    {"frame header too short to hold a size", BYTES(SOI, 0xff, 0xc0, 0, 6, 8, 0, 240, 1, 64), -EBADMSG, 0, 0},
    {"frame header cut off", BYTES(SOI, 0xff, 0xc0, 0, 11, 8, 0, 240, 1), -EBADMSG, 0, 0},
};

/* In an allocation of exactly its size, so that a sanitizer sees any read beyond it. */
static int size_of_copy(struct view bytes, uint16_t *ret_width, uint16_t *ret_height)
{
    uint8_t *copy = malloc(bytes.length + (bytes.length == 0));
    int r;

    assert_non_null(copy);
    if (bytes.length > 0)
        memcpy(copy, bytes.bytes, bytes.length);
    r = jpeg_size(view_of(copy, bytes.length), ret_width, ret_height);
    free(copy);
    return r;
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint16_t width = 0, height = 0;
        int r = size_of_copy(CASES[i].bytes, &width, &height);

        if (r != CASES[i].r || width != CASES[i].width || height != CASES[i].height)
            fail_msg("%s: returns %d, %u x %u", CASES[i].name, r, width, height);
    }
}

/* Cut off anywhere, a file is either refused or has the size that it has as a whole. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct view part = CASES[i].bytes;

        while (part.length > 0) {
            uint16_t width, height;

            part.length--;
            if (size_of_copy(part, &width, &height) < 0)
                continue;
            if (CASES[i].r < 0 || width != CASES[i].width || height != CASES[i].height)
                fail_msg("%s: the first %zu bytes differ", CASES[i].name, part.length);
        }
    }
}

static void test_long_chain(void **state)
{
    enum { BYTES_TOTAL = 4 * 1024 * 1024 };
    static uint8_t bytes[BYTES_TOTAL] = {SOI};
    static const uint8_t HEADER[] = {FRAME(0xc0)};
    uint16_t width, height;
    size_t at = 2;

    (void)state;
    for (; at + 4 + sizeof(HEADER) <= sizeof(bytes); at += 4)
        memcpy(bytes + at, (const uint8_t[]){0xff, 0xfe, 0, 2}, 4);
    memcpy(bytes + at, HEADER, sizeof(HEADER));
    assert_int_equal(jpeg_size(view_of(bytes, at + sizeof(HEADER)), &width, &height), 0);
    assert_int_equal(width, 320);
    assert_int_equal(height, 240);
    assert_int_equal(jpeg_size(view_of(bytes, at), &width, &height), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_long_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
