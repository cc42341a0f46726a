/* bytes: what goes in at the end comes out at the front, whatever the sizes. */
#include "bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "view.h"

/* The n-th byte of an endless stream that repeats with no power of two. */
static uint8_t stream_byte(size_t n)
{
    return (uint8_t)(n % 251);
}

static void append_stream(struct bytes *bytes, size_t *appended, size_t count)
{
    uint8_t *to = bytes_reserve(bytes, count);

    assert_non_null(to);
    for (size_t i = 0; i < count; i++)
        to[i] = stream_byte((*appended)++);
    bytes_added(bytes, count);
}

static void consume_stream(struct bytes *bytes, size_t *consumed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(bytes_begin(bytes)[i], stream_byte((*consumed)++));
    bytes_consume(bytes, count);
}

static void test_is_a_queue(void **state)
{
    static const struct {
        const char *name;
        size_t append, consume;
    } CASES[] = {
        {.name = "in step", .append = 100, .consume = 100},
        {.name = "grows slowly", .append = 101, .consume = 100},
        {.name = "grows fast", .append = 5000, .consume = 1},
        {.name = "larger than the first room", .append = 4097, .consume = 4096},
        {.name = "one by one", .append = 1, .consume = 1},
        {.name = "never emptied", .append = 70000, .consume = 69999},
    };

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct bytes bytes = {0};
        size_t appended = 0, consumed = 0;

        print_message("    %s\n", CASES[c].name);
        for (int i = 0; i < 200; i++) {
            append_stream(&bytes, &appended, CASES[c].append);
            assert_int_equal(bytes.length, appended - consumed);
            consume_stream(&bytes, &consumed, CASES[c].consume);
        }
        consume_stream(&bytes, &consumed, bytes.length);
        assert_int_equal(consumed, appended);
        bytes_done(&bytes);
    }
}

/* A seeded walk, so that every way of making room is taken. */
static void test_random_walk(void **state)
{
    struct bytes bytes = {0};
    size_t appended = 0, consumed = 0;

    (void)state;
    srandom(1);
    for (int i = 0; i < 20000; i++) {
        if (random() % 2 == 0)
            append_stream(&bytes, &appended, (size_t)random() % 3000);
        else
            consume_stream(&bytes, &consumed, bytes.length == 0 ? 0 : (size_t)random() % (bytes.length + 1));
        assert_true(bytes.start + bytes.length <= bytes.room);
    }
    bytes_done(&bytes);
    assert_null(bytes.at);
}

static void test_impossible_room_leaves_content(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    assert_int_equal(bytes_append(&bytes, "abc", 3), 0);
    assert_null(bytes_reserve(&bytes, SIZE_MAX));
    assert_null(bytes_reserve(&bytes, SIZE_MAX / 2));
    assert_int_equal(bytes.length, 3);
    assert_memory_equal(bytes_begin(&bytes), "abc", 3);
    bytes_done(&bytes);
}

static void test_large_room_is_given_back(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    assert_non_null(bytes_reserve(&bytes, 3u << 20));
    bytes_added(&bytes, 3u << 20);
    bytes_consume(&bytes, (3u << 20) - 1);
    assert_non_null(bytes.at);
    bytes_consume(&bytes, 1);
    assert_int_equal(bytes.room, 0);
    assert_null(bytes.at);

    assert_int_equal(bytes_append(&bytes, "x", 1), 0);
    bytes_consume(&bytes, 1);
    assert_int_not_equal(bytes.room, 0); /* a small one is kept for the next message */
    bytes_done(&bytes);
}

static void test_nothing(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    assert_int_equal(bytes_append(&bytes, NULL, 0), 0);
    bytes_consume(&bytes, 0);
    assert_int_equal(bytes.length, 0);
    bytes_done(&bytes);
    bytes_done(&bytes);
    assert_null(bytes_begin(&bytes));
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "is a queue", .test_func = test_is_a_queue},
        {.name = "a random walk keeps the stream", .test_func = test_random_walk},
        {.name = "impossible room leaves the content", .test_func = test_impossible_room_leaves_content},
        {.name = "large room is given back", .test_func = test_large_room_is_given_back},
        {.name = "nothing is possible too", .test_func = test_nothing},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
