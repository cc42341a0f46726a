/* frame: whole frames only, and no length is believed that cannot be. */
#include "frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void append_poll(struct bytes *out, uint64_t request)
{
    struct msg_ask ask = {.request = request};

    assert_int_equal(frame_write(out, MSG_ask, &ask), 0);
}

static uint64_t request_of(struct view content)
{
    union msg_any msg;
    struct codec_error error;
    enum msg_type type;

    assert_int_equal(codec_decode(content, &type, &msg, &error), 0);
    assert_int_equal(type, MSG_ask);
    return msg.ask.request;
}

/* Each prefix lies in memory of exactly its size, so that a sanitizer sees a step beyond it. */
static void test_byte_by_byte(void **state)
{
    struct bytes stream = {0};
    const uint64_t requests[] = {1, 128, 65536, UINT64_MAX};
    size_t next = 0;
    struct bytes arrived = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        append_poll(&stream, requests[i]);
    for (size_t i = 0; i < stream.length; i++) {
        struct view content;
        size_t frame_bytes;
        uint8_t *exact;
        int r;

        assert_int_equal(bytes_append(&arrived, bytes_begin(&stream) + i, 1), 0);
        exact = malloc(arrived.length);
        memcpy(exact, bytes_begin(&arrived), arrived.length);
        r = frame_read(view_of(exact, arrived.length), &content, &frame_bytes);
        if (r == 1) {
            assert_int_equal(frame_bytes, arrived.length);
            assert_int_equal(request_of(content), requests[next++]);
            bytes_consume(&arrived, frame_bytes);
        } else {
            assert_int_equal(r, 0);
        }
        free(exact);
    }
    assert_int_equal(next, ARRAY_LEN(requests));
    assert_int_equal(arrived.length, 0);
    bytes_done(&arrived);
    bytes_done(&stream);
}

static void test_all_at_once(void **state)
{
    struct bytes stream = {0};
    size_t used = 0;

    (void)state;
    for (uint64_t i = 1; i <= 100; i++)
        append_poll(&stream, i);
    for (uint64_t i = 1; i <= 100; i++) {
        struct view content;
        size_t frame_bytes;

        assert_int_equal(frame_read(view_of(bytes_begin(&stream) + used, stream.length - used), &content, &frame_bytes),
                         1);
        assert_int_equal(request_of(content), i);
        used += frame_bytes;
    }
    assert_int_equal(used, stream.length);
    bytes_done(&stream);
}

static void test_lengths(void **state)
{
    static const struct {
        const char *name;
        uint32_t length;
        int answer;
    } CASES[] = {
        {.name = "nothing", .length = 0, .answer = -EBADMSG},
        {.name = "one byte is awaited", .length = 1, .answer = 0},
        {.name = "the largest is awaited", .length = FRAME_BYTES_MAX, .answer = 0},
        {.name = "one beyond the largest", .length = FRAME_BYTES_MAX + 1, .answer = -EBADMSG},
        {.name = "sign bit", .length = 0x80000000u, .answer = -EBADMSG},
        {.name = "all bits", .length = UINT32_MAX, .answer = -EBADMSG},
        {.name = "text where a length should be", .length = 0x47455420u, .answer = -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const uint8_t header[] = {(uint8_t)(CASES[i].length >> 24), (uint8_t)(CASES[i].length >> 16),
                                  (uint8_t)(CASES[i].length >> 8), (uint8_t)CASES[i].length};
        struct view content;
        size_t frame_bytes;

        print_message("    %s\n", CASES[i].name);
        for (size_t have = 0; have < sizeof header; have++)
            assert_int_equal(frame_read(view_of(header, have), &content, &frame_bytes), 0);
        assert_int_equal(frame_read(view_of(header, sizeof header), &content, &frame_bytes), CASES[i].answer);
    }
}

static void test_write_without_memory_leaves_the_stream(void **state)
{
    struct bytes out = {0};
    struct msg_answer big = {.request = 1, .http_status = 200, .body = view_text("{}")};
    struct bytes full;

    (void)state;
    append_poll(&out, 7);
    full = out;
    full.length = full.room = SIZE_MAX - 16; /* so full that no room can be made behind it */
    assert_int_equal(frame_write(&full, MSG_answer, &big), -ENOMEM);
    assert_int_equal(full.length, SIZE_MAX - 16);
    assert_ptr_equal(full.at, out.at);
    bytes_done(&out);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "byte by byte", .test_func = test_byte_by_byte},
        {.name = "all at once", .test_func = test_all_at_once},
        {.name = "possible and impossible lengths", .test_func = test_lengths},
        {.name = "without memory the stream is as it was", .test_func = test_write_without_memory_leaves_the_stream},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
