/* What no conformance case can show: masks at every alignment, the state between calls and in its
 * packed form, and the frames we write. What clients may send and what becomes of it is in
 * test_ws_conformance.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws_frame.h"

#define FIN       0x80
#define STARS_10  "**********"
#define STARS_41  STARS_10 STARS_10 STARS_10 STARS_10 "*"
#define STARS_112 STARS_41 STARS_41 STARS_10 STARS_10 STARS_10
#define STARS_123 STARS_41 STARS_41 STARS_41

static const struct ws_limits LIMITS = {.text_bytes = 10000, .binary_bytes = 10000, .fragments_max = 10};

/* ---- payload ---- */

/* Parse one binary frame at an address of the given alignment, cut in two; compare with a byte loop. */
static void check_unmasking(size_t length, size_t alignment, size_t cut)
{
    enum { HEADER = 8 };
    static const uint8_t key[] = {0x00, 0x80, 0x5a, 0xff};
    uint8_t *block = malloc(8 + HEADER + length);
    uint8_t *frame = block + alignment;
    size_t header = length < 126 ? 6 : HEADER;
    struct ws_parser parser;
    struct ws_event event;
    size_t used;

    frame[0] = FIN | WS_OPCODE_BINARY;
    frame[1] = 0x80 | (length < 126 ? (uint8_t)length : 126);
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
    memcpy(frame + header - sizeof(key), key, sizeof(key));
    for (size_t i = 0; i < length; i++)
        frame[header + i] = (uint8_t)(i * 7) ^ key[i % 4];
    ws_parser_init(&parser);
    used = ws_parse(&parser, &LIMITS, frame, header + cut, &event);
    assert_int_equal(used, header + cut);
    if (cut < length)
        used += ws_parse(&parser, &LIMITS, frame + used, length - cut, &event);
    assert_int_equal(used, header + length);
    assert_true(event.kind == WS_DATA && event.last);
    for (size_t i = 0; i < length; i++)
        if (frame[header + i] != (uint8_t)(i * 7))
            fail_msg("byte %zu of %zu at alignment %zu, cut %zu", i, length, alignment, cut);
    free(block);
}

static void test_unmasking_at_every_alignment(void **unused)
{
    (void)unused;
    for (size_t alignment = 0; alignment < 8; alignment++) {
        for (size_t length = 0; length <= 48; length++)
            for (size_t cut = 0; cut <= length; cut++)
                check_unmasking(length, alignment, cut);
        for (size_t cut = 0; cut <= 40; cut++)
            check_unmasking(4099, alignment, cut);
    }
}

/* ---- the parser between calls ---- */

static void test_nothing_in_nothing_out(void **unused)
{
    struct ws_parser parser;
    struct ws_event event;

    (void)unused;
    ws_parser_init(&parser);
    assert_int_equal(ws_parse(&parser, &LIMITS, NULL, 0, &event), 0);
    assert_int_equal(event.kind, WS_NEED_MORE);
}

static void test_in_message_from_header_to_last_byte(void **unused)
{
    uint8_t stream[] = "\x01\x81\0\0\0\0a"
                       "\x80\x81\0\0\0\0b";
    static const bool in_message[sizeof(stream) - 1] = {[5 ... 12] = true};
    struct ws_parser parser;
    struct ws_event event;
    size_t used = 0;

    (void)unused;
    ws_parser_init(&parser);
    assert_false(ws_parser_in_message(&parser));
    for (size_t have = 1; have < sizeof(stream); have++) {
        used += ws_parse(&parser, &LIMITS, stream + used, have - used, &event);
        if (ws_parser_in_message(&parser) != in_message[have - 1])
            fail_msg("after %zu bytes", have);
    }
}

/* Limits may shrink while a message is under way; the next header is judged by the new ones. */
static void test_lowered_limit_holds_for_the_next_frame(void **unused)
{
    uint8_t stream[] = "\x02\x82\0\0\0\0ab" /* first frame, two bytes */
                       "\x80\x80\0\0\0\0";  /* last frame, empty */
    const struct ws_limits lowered = {.binary_bytes = 1, .fragments_max = 2};
    struct ws_parser parser;
    struct ws_event event;
    size_t used;

    (void)unused;
    ws_parser_init(&parser);
    used = ws_parse(&parser, &LIMITS, stream, 7, &event);
    used += ws_parse(&parser, &lowered, stream + used, 1, &event);
    assert_int_equal(event.kind, WS_DATA);
    ws_parse(&parser, &lowered, stream + used, sizeof(stream) - 1 - used, &event);
    assert_int_equal(event.kind, WS_ERROR);
    assert_int_equal(event.code, 1009);
}

/* Inside the second frame (258 bytes, 256 of them to come) of a text, one byte into a character. */
static const uint8_t PACKED[WS_PARSER_PACKED_BYTES] =
    "\1\0\1\1\1"        /* version, not finished, fin, text, inside a character */
    "\x33\x44\x11\x22"  /* key, turned by the two bytes that came */
    "\0\0\0\2"          /* frames */
    "\0\0\0\0\0\0\1\0"  /* bytes to come */
    "\0\0\0\0\0\0\1\3"; /* bytes announced */

static void test_packed_form_is_the_same_everywhere(void **unused)
{
    uint8_t stream[] = "\x01\x81\0\0\0\0a"                /* first frame, one byte */
                       "\x80\xfe\x01\x02\x11\x22\x33\x44" /* last frame, 258 bytes, */
                       "\x73\xe1";                        /* of these the masked b and C3 */
    uint8_t packed[WS_PARSER_PACKED_BYTES];
    struct ws_parser parser;
    struct ws_event event;
    size_t used = 0;

    (void)unused;
    ws_parser_init(&parser);
    while (used < sizeof(stream) - 1)
        used += ws_parse(&parser, &LIMITS, stream + used, sizeof(stream) - 1 - used, &event);
    ws_parser_pack(&parser, packed);
    assert_memory_equal(packed, PACKED, sizeof(packed));
}

static void test_impossible_packed_states_are_refused(void **unused)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } changes[] = {
        {"another version", 0, 2},
        {"finished inside a frame", 1, 1},
        {"finished is no truth value", 1, 2},
        {"fin is no truth value", 2, 2},
        {"payload without a message", 3, 0},
        {"message of pings", 3, WS_OPCODE_PING},
        {"binary inside a character", 3, WS_OPCODE_BINARY},
        {"broken text", 4, 8},
        {"unknown place in a character", 4, 200},
        {"message of no frames", 12, 0},
        {"more to come than announced", 14, 1},
        {"inside a character before its first byte", 28, 0},
        {"key and fin outside a frame", 19, 0},
    };
    uint8_t packed[WS_PARSER_PACKED_BYTES];
    struct ws_parser parser;

    (void)unused;
    assert_int_equal(ws_parser_unpack(PACKED, &parser), 0);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        memcpy(packed, PACKED, sizeof(packed));
        packed[changes[i].at] = changes[i].value;
        if (ws_parser_unpack(packed, &parser) != -EINVAL)
            fail_msg("%s was taken", changes[i].name);
    }
    memcpy(packed, PACKED, sizeof(packed));
    packed[13] = packed[21] = 0x80;
    assert_int_equal(ws_parser_unpack(packed, &parser), -EINVAL); /* a frame of 2^63 bytes */
    assert_true(ws_parser_in_message(&parser));                   /* still what the good state made it */
}

/* ---- what we write ---- */

static void test_written_headers(void **unused)
{
    static const struct {
        const char *name;
        enum ws_opcode opcode;
        uint64_t length;
        size_t size;
        uint8_t bytes[WS_HEADER_MAX];
    } cases[] = {
        {"empty text", WS_OPCODE_TEXT, 0, 2, {0x81, 0}},
        {"longest short form", WS_OPCODE_TEXT, 125, 2, {0x81, 125}},
        {"shortest in 16 bits", WS_OPCODE_BINARY, 126, 4, {0x82, 126, 0, 126}},
        {"longest in 16 bits", WS_OPCODE_BINARY, 65535, 4, {0x82, 126, 0xff, 0xff}},
        {"shortest in 64 bits", WS_OPCODE_TEXT, 65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {"every byte of the length",
         WS_OPCODE_BINARY,
         UINT64_C(0x0102030405060708),
         10,
         {0x82, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
        {"ping", WS_OPCODE_PING, 4, 2, {0x89, 4}},
        {"longest pong", WS_OPCODE_PONG, 125, 2, {0x8a, 125}},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t dst[WS_HEADER_MAX] = {0};

        if (ws_write_header(dst, cases[i].opcode, cases[i].length) != cases[i].size ||
            memcmp(dst, cases[i].bytes, sizeof(dst)) != 0)
            fail_msg("%s", cases[i].name);
    }
}

static void test_written_closes(void **unused)
{
    static const struct {
        const char *name;
        uint16_t code;
        const char *reason, *payload;
        size_t length; /* of the payload */
    } cases[] = {
        {"code alone", 1000, NULL, "\x03\xe8", 2},
        {"empty reason", 1001, "", "\x03\xe9", 2},
        {"reason", 1013, "slow", "\x03\xf5slow", 6},
        {"private code", 4999, "x", "\x13\x87x", 3},
        {"no code to answer", WS_CLOSE_ABSENT, NULL, "", 0},
        {"no code, so no reason", WS_CLOSE_ABSENT, "lost", "", 0},
        {"reason that just fits", 1000, STARS_123, "\x03\xe8" STARS_123, 125},
        {"reason too long by one", 1000, STARS_123 "*", "\x03\xe8" STARS_123, 125},
        {"cut before two bytes", 1000, STARS_112 STARS_10 "\xc3\xa9", "\x03\xe8" STARS_112 STARS_10, 124},
        {"cut before four bytes", 1000,
         STARS_112 "********\xf0\x9f\x98\x80"
                   "rest",
         "\x03\xe8" STARS_112 "********", 122},
        {"cut behind two bytes", 1000,
         STARS_112 "*********\xc3\xa9"
                   "rest",
         "\x03\xe8" STARS_112 "*********\xc3\xa9", 125},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t dst[WS_CLOSE_FRAME_MAX];
        size_t n = ws_write_close(dst, cases[i].code, cases[i].reason);

        if (n != 2 + cases[i].length || dst[0] != 0x88 || dst[1] != cases[i].length ||
            memcmp(dst + 2, cases[i].payload, cases[i].length) != 0)
            fail_msg("%s: %zu bytes", cases[i].name, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unmasking_at_every_alignment),
        cmocka_unit_test(test_nothing_in_nothing_out),
        cmocka_unit_test(test_in_message_from_header_to_last_byte),
        cmocka_unit_test(test_lowered_limit_holds_for_the_next_frame),
        cmocka_unit_test(test_packed_form_is_the_same_everywhere),
        cmocka_unit_test(test_impossible_packed_states_are_refused),
        cmocka_unit_test(test_written_headers),
        cmocka_unit_test(test_written_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
