/* parking: what is parked comes out once, in order, with its sockets; and what is no parking is refused without a leak. */
#include "parking.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    unsigned count, socket_count;
    char text[4096]; /* records, one behind the other; "*" before one with a socket, which was alive */
};

static unsigned open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static void on_record(void *user, int socket, struct view record)
{
    struct seen *seen = user;

    seen->count++;
    if (socket >= 0) {
        assert_int_equal(send(socket, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), 1);
        close(socket);
        seen->socket_count++;
        strcat(seen->text, "*");
    }
    strncat(seen->text, (const char *)record.bytes, record.length);
}

static void test_a_way_there_and_back(void **state)
{
    unsigned before = open_fds();
    struct parking_writer writer = {0};
    struct seen seen = {0};
    int pair[2], read_fd;
    char got[8];

    (void)state;
    assert_int_equal(parking_new(&writer.write_fd, &read_fd), 0);
    assert_true(parking_is_empty(read_fd));
    assert_int_equal(parking_take(read_fd, on_record, &seen), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(parking_add(&writer, pair[0], view_text("one ")), 0);
    assert_int_equal(parking_add(&writer, -1, view_text("two ")), 0);
    assert_int_equal(parking_add(&writer, pair[0], view_text("")), 0);
    assert_true(parking_is_empty(read_fd));
    assert_int_equal(parking_flush(&writer), 0);
    assert_int_equal(parking_flush(&writer), 0); /* nothing more */
    close(pair[0]);                              /* it lives on in the parking */
    assert_false(parking_is_empty(read_fd));
    assert_int_equal(parking_take(read_fd, on_record, &seen), 3);
    assert_string_equal(seen.text, "*one two *");
    assert_int_equal(recv(pair[1], got, sizeof got, MSG_DONTWAIT), 2);
    assert_int_equal(parking_take(read_fd, on_record, &seen), 0);
    close(pair[1]);
    close(writer.write_fd);
    close(read_fd);
    parking_writer_done(&writer);
    assert_int_equal(open_fds(), before);
}

static void test_many_survive_their_writer(void **state)
{
    struct parking_writer writer = {0};
    struct seen seen = {0};
    int pair[2], read_fd, count, batches = 0;

    (void)state;
    assert_int_equal(parking_new(&writer.write_fd, &read_fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(parking_add(&writer, pair[0], view_of("", 0)), 0);
    assert_int_equal(parking_flush(&writer), 0);
    parking_writer_done(&writer);
    while ((count = parking_take(read_fd, on_record, &seen)) > 0 && count <= (int)PARKING_BATCH) {
        char got[PARKING_BATCH];

        assert_int_equal(recv(pair[1], got, sizeof got, MSG_DONTWAIT | MSG_WAITALL), count);
        seen.text[0] = '\0';
        batches++;
    }
    assert_int_equal(count, 0);
    assert_int_equal(seen.socket_count, 5000);
    assert_int_equal(batches, (5000 + PARKING_BATCH - 1) / PARKING_BATCH);
    close(pair[0]);
    close(pair[1]);
    close(writer.write_fd);
    close(read_fd);
}

static void test_what_is_no_parking(void **state)
{
    unsigned before = open_fds();
    struct seen seen = {0};
    int write_fd, read_fd;

    (void)state;
    assert_int_equal(parking_new(&write_fd, &read_fd), 0);
    assert_int_equal(send(write_fd, "nonsense and more", 17, 0), 17);
    assert_int_equal(parking_take(read_fd, on_record, &seen), -EPROTO);
    assert_int_equal(parking_take(read_fd, on_record, &seen), 0);
    close(write_fd);
    assert_true(parking_take(read_fd, on_record, &seen) <= 0);
    close(read_fd);
    assert_int_equal(seen.count, 0);
    assert_int_equal(open_fds(), before);
}

static void test_records(void **state)
{
    struct bytes record = {0};
    struct record_reader reader;
    char text[4];

    (void)state;
    assert_int_equal(record_put_u64(&record, UINT64_MAX), 0);
    assert_int_equal(record_put_blob(&record, view_text("abc")), 0);
    assert_int_equal(record_put_blob(&record, view_text("")), 0);
    assert_int_equal(record_put_blob(&record, view_text("long")), 0);
    reader = (struct record_reader){.left = view_of(bytes_begin(&record), record.length)};
    assert_true(record_get_u64(&reader) == UINT64_MAX);
    record_get_text(&reader, text, sizeof text);
    assert_string_equal(text, "abc");
    assert_int_equal(record_get_blob(&reader).length, 0);
    assert_false(reader.is_broken);
    record_get_text(&reader, text, sizeof text); /* does not fit */
    assert_true(reader.is_broken);
    assert_string_equal(text, "");
    for (size_t length = 0; length < record.length; length++) { /* cut anywhere: broken, never beyond the end */
        reader = (struct record_reader){.left = view_of(bytes_begin(&record), length)};
        record_get_u64(&reader);
        for (int i = 0; i < 3; i++)
            record_get_blob(&reader);
        assert_true(reader.is_broken);
        assert_int_equal(record_get_u64(&reader), 0);
    }
    bytes_done(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_way_there_and_back),
        cmocka_unit_test(test_many_survive_their_writer),
        cmocka_unit_test(test_what_is_no_parking),
        cmocka_unit_test(test_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
