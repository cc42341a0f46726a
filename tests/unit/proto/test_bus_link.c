/* bus_link: hello, order, nothing lost, and honest marks - at the moments when it is hard. */
#include "bus_end.h"

#include <signal.h>
#include <sys/wait.h>

/* ---- hello ---- */

static void test_both_ends_know_each_other(void **state)
{
    struct end client = {0}, server = {0};
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    end_begin(&client, *state, fds[0], LANE_PHOTOS, 1 << 20);
    end_begin(&server, *state, fds[1], -1, 1 << 20);
    await_that(*state, end_is_ready, &client);
    assert_int_equal(server.ready_count, 1);
    assert_int_equal(bus_link_peer(server.link)->kind, PEER_GATEWAY);
    assert_int_equal(bus_link_peer(server.link)->slot, GATEWAY.slot);
    assert_int_equal(bus_link_peer(server.link)->lane, LANE_PHOTOS);
    assert_int_equal(bus_link_peer(server.link)->incarnation, GATEWAY.incarnation);
    assert_int_equal(bus_link_peer(client.link)->kind, PEER_FANOUT);
    assert_int_equal(bus_link_peer(client.link)->lane, LANE_PHOTOS);
    bus_link_set_context(server.link, &client);
    assert_ptr_equal(bus_link_context(server.link), &client);
    bus_link_free(client.link);
    await_that(*state, end_is_closed, &server);
    assert_string_equal(server.why, "the peer closed the link");
    bus_link_free(NULL);
}

struct bad_peer {
    const char *name;
    struct msg_hello hello;
    bool no_hello, then_broken_length;
    enum msg_type then; /* MSG_none: nothing more */
    const char *why;    /* how it begins */
    unsigned ready_count;
    uint64_t handled_count;
};

/* What a bad peer writes; it leaves only when it is told to. */
static void append_bad_peer(struct bytes *out, const struct bad_peer *bad)
{
    static const uint8_t BROKEN_LENGTH[] = {0xff, 0xff, 0xff, 0xff};
    const struct msg_settled settled = {.up_to_seq = 1};

    if (!bad->no_hello)
        append_hello(out, &bad->hello);
    if (bad->then == MSG_ask)
        append_poll(out, 1);
    if (bad->then == MSG_settled)
        assert_int_equal(frame_write(out, MSG_settled, &settled), 0);
    if (bad->then == MSG_hello)
        append_hello(out, &bad->hello);
    if (bad->then_broken_length)
        assert_int_equal(bytes_append(out, BROKEN_LENGTH, sizeof BROKEN_LENGTH), 0);
}

static void check_bad_peer(struct loop *loop, const struct bad_peer *bad, int lane)
{
    struct end end = {0};
    struct bytes out = {0};
    int fds[2];

    print_message("    %s\n", bad->name);
    make_pair(SOCK_STREAM, fds);
    end_begin(&end, loop, fds[0], lane, 1 << 20);
    append_bad_peer(&out, bad);
    write_out(fds[1], &out);
    await_that(loop, end_is_closed, &end);
    assert_memory_equal(end.why, bad->why, strlen(bad->why));
    assert_int_equal(end.closed_count, 1);
    assert_int_equal(end.ready_count, bad->ready_count);
    assert_int_equal(end.messages_count, bad->handled_count);
    close(fds[1]);
}

#define HELLO(version_number, kinds, lane_number)                                                                      \
    {                                                                                                                  \
        .version = (version_number), .kind = (kinds), .lane = (lane_number), .slot = 1, .incarnation = 5               \
    }

static void test_a_server_refuses(void **state)
{
    static const struct bad_peer CASES[] = {
        {.name = "another version",
         .hello = HELLO(9, PEER_GATEWAY, LANE_SIGHTINGS),
         .then = MSG_ask,
         .why = "gateway speaks bus version 9, this is version "},
        {.name = "two kinds at once",
         .hello = HELLO(BUS_VERSION, PEER_GATEWAY | PEER_INGEST, LANE_SIGHTINGS),
         .why = "the peer claims to be several kinds of process"},
        {.name = "first message is not hello",
         .no_hello = true,
         .then = MSG_ask,
         .why = "the first message was not hello"},
        {.name = "no message at all",
         .no_hello = true,
         .then_broken_length = true,
         .why = "a frame announced an impossible length"},
        {.name = "a message that a gateway may not send",
         .hello = HELLO(BUS_VERSION, PEER_GATEWAY, LANE_SIGHTINGS),
         .then = MSG_settled,
         .why = "gateway may not send settled here",
         .ready_count = 1},
        {.name = "a message from the wrong kind",
         .hello = HELLO(BUS_VERSION, PEER_INGEST, LANE_SIGHTINGS),
         .then = MSG_ask,
         .why = "ingest may not send ask here",
         .ready_count = 1},
        {.name = "hello twice",
         .hello = HELLO(BUS_VERSION, PEER_GATEWAY, LANE_SIGHTINGS),
         .then = MSG_hello,
         .why = "gateway may not send hello here",
         .ready_count = 1},
        {.name = "a broken frame after a good one",
         .hello = HELLO(BUS_VERSION, PEER_GATEWAY, LANE_SIGHTINGS),
         .then = MSG_ask,
         .then_broken_length = true,
         .why = "a frame announced an impossible length",
         .ready_count = 1,
         .handled_count = 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_bad_peer(*state, &CASES[i], -1);
}

static void test_a_client_refuses(void **state)
{
    static const struct bad_peer CASES[] = {
        {.name = "another version",
         .hello = HELLO(0, PEER_FANOUT, LANE_SIGHTINGS),
         .why = "fanout speaks bus version 0, this is version "},
        {.name = "another lane",
         .hello = HELLO(BUS_VERSION, PEER_FANOUT, LANE_PHOTOS),
         .why = "the peer answered with another lane"},
        {.name = "first message is not hello",
         .no_hello = true,
         .then = MSG_settled,
         .why = "the first message was not hello"},
        {.name = "a message for somebody else",
         .hello = HELLO(BUS_VERSION, PEER_FANOUT, LANE_SIGHTINGS),
         .then = MSG_settled, /* this end has no handler for it */
         .why = "fanout may not send settled here",
         .ready_count = 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_bad_peer(*state, &CASES[i], LANE_SIGHTINGS);
}

/* The refused peer reads the server's hello before the end, so its own log can say which versions met. */
static void test_a_refused_version_is_told_ours(void **state)
{
    struct end end = {0};
    struct msg_hello hello = HELLO(BUS_VERSION + 1, PEER_GATEWAY, LANE_PHOTOS);
    struct bytes out = {0};
    struct view content;
    struct codec_error error;
    uint8_t answer[256];
    enum msg_type type;
    union msg_any msg;
    size_t frame_bytes;
    ssize_t n;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    end_begin(&end, *state, fds[0], -1, 1 << 20);
    append_hello(&out, &hello);
    write_out(fds[1], &out);
    await_that(*state, end_is_closed, &end);
    n = recv(fds[1], answer, sizeof answer, 0);
    assert_true(n > 0);
    assert_int_equal(frame_read(view_of(answer, (size_t)n), &content, &frame_bytes), 1);
    assert_int_equal(frame_bytes, n);
    assert_int_equal(codec_decode(content, &type, &msg, &error), 0);
    assert_int_equal(type, MSG_hello);
    assert_int_equal(msg.hello.version, BUS_VERSION);
    assert_int_equal(msg.hello.lane, LANE_PHOTOS);
    assert_int_equal(recv(fds[1], answer, sizeof answer, 0), 0);
    close(fds[1]);
}

static void test_a_frame_may_come_byte_by_byte(void **state)
{
    struct end end = {0};
    struct msg_hello hello = HELLO(BUS_VERSION, PEER_GATEWAY, LANE_SIGHTINGS);
    struct bytes out = {0};
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    end_begin(&end, *state, fds[0], -1, 1 << 20);
    append_hello(&out, &hello);
    append_poll(&out, 1);
    append_poll(&out, 2);
    for (size_t i = 0; i < out.length; i++) {
        assert_int_equal(send(fds[1], bytes_begin(&out) + i, 1, 0), 1);
        turn(*state, 1);
    }
    assert_int_equal(end.messages_count, 2);
    bytes_done(&out);
    close(fds[1]);
    await_that(*state, end_is_closed, &end);
}

/* ---- writing ---- */

/* An end that said hello with a plain socket and is ready. */
static void begin_ready(struct end *end, struct loop *loop, int type, int *ret_peer_fd, uint64_t queue_bytes_max)
{
    char hello[256];
    int fds[2];

    make_pair(type, fds);
    end_begin(end, loop, fds[0], -1, queue_bytes_max);
    end->fd = fds[0];
    write_hello(fds[1], &GATEWAY);
    await_that(loop, end_is_ready, end);
    turn(loop, 1);
    assert_true(recv(fds[1], hello, sizeof hello, 0) > 0);
    *ret_peer_fd = fds[1];
}

static void send_result(struct end *end, uint64_t request, size_t json_bytes)
{
    static const uint8_t JSON[65536];
    struct msg_answer result = {.request = request, .http_status = 200, .body = view_of(JSON, json_bytes)};

    bus_link_send(end->link, MSG_answer, &result);
}

static size_t result_bytes(uint64_t request, size_t json_bytes)
{
    static const uint8_t JSON[65536];
    struct msg_answer result = {.request = request, .http_status = 200, .body = view_of(JSON, json_bytes)};
    struct bytes out = {0};
    size_t length;

    assert_int_equal(frame_write(&out, MSG_answer, &result), 0);
    length = out.length;
    bytes_done(&out);
    return length;
}

/* Over a socket of packets each write is one packet. */
static void test_messages_of_one_turn_are_one_write(void **state)
{
    struct end end = {0};
    uint8_t packet[65536];
    size_t expected = 0;
    int peer_fd;

    begin_ready(&end, *state, SOCK_SEQPACKET, &peer_fd, 1 << 20);
    for (uint64_t i = 1; i <= 100; i++) {
        send_result(&end, i, 100);
        expected += result_bytes(i, 100);
    }
    assert_int_equal(recv(peer_fd, packet, sizeof packet, 0), -1);
    assert_int_equal(bus_link_queued_bytes(end.link), expected);
    turn(*state, 1);
    assert_int_equal(recv(peer_fd, packet, sizeof packet, 0), expected);
    assert_int_equal(recv(peer_fd, packet, sizeof packet, 0), -1);
    assert_int_equal(errno, EAGAIN);

    send_result(&end, 1, 2);
    bus_link_flush(end.link); /* now, not at the end of the turn */
    assert_int_equal(recv(peer_fd, packet, sizeof packet, 0), result_bytes(1, 2));
    bus_link_free(end.link);
    close(peer_fd);
}

static void test_a_peer_that_does_not_read_is_dropped(void **state)
{
    struct end end = {0};
    const uint64_t max_bytes = 100000;
    uint64_t sent = 0;
    int peer_fd;

    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, max_bytes);
    while (bus_link_is_ready(end.link)) {
        assert_true(bus_link_queued_bytes(end.link) <= max_bytes);
        send_result(&end, ++sent, 1000);
        if (sent % 10 == 0)
            turn(*state, 1);
    }
    assert_true(sent > max_bytes / 1100);
    send_result(&end, ++sent, 1000); /* harmless */
    await_that(*state, end_is_closed, &end);
    assert_string_equal(end.why, "the peer reads too slowly");
    close(peer_fd);
}

static void test_stalled_since(void **state)
{
    struct end end = {0};
    char some[65536];
    uint64_t stalled, before;
    int peer_fd;

    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, 64 << 20);
    assert_int_equal(bus_link_stalled_since_mono_ms(end.link), 0);
    before = svc_mono_ms();
    while (bus_link_queued_bytes(end.link) < 1000000) {
        send_result(&end, 1, 50000);
        bus_link_flush(end.link);
    }
    stalled = bus_link_stalled_since_mono_ms(end.link);
    assert_in_range(stalled, before, svc_mono_ms());
    while (svc_mono_ms() <= stalled)
        turn(*state, 1);
    send_result(&end, 1, 50000);
    bus_link_flush(end.link);
    assert_int_equal(bus_link_stalled_since_mono_ms(end.link), stalled); /* more waits, but nothing was taken */

    while (bus_link_queued_bytes(end.link) > 0) {
        while (recv(peer_fd, some, sizeof some, 0) > 0)
            continue;
        turn(*state, 1);
    }
    assert_int_equal(bus_link_stalled_since_mono_ms(end.link), 0);
    assert_true(end.taken_count > 1);
    bus_link_free(end.link);
    close(peer_fd);
}

/* ---- marks ---- */

#define MARKS_MAX 4000u

static uint64_t check_marks(const struct end *end, const uint64_t *ends, uint64_t appended, uint64_t told_before)
{
    uint64_t told = bus_link_taken_mark(end->link);

    assert_true(told >= told_before);
    assert_true(ends[told] <= appended - bus_link_queued_bytes(end->link)); /* it was really taken */
    return told;
}

/* A small socket buffer and a peer that reads a few bytes at a time, sometimes everything. */
static void test_marks_tell_the_truth(void **state)
{
    static uint64_t ends[MARKS_MAX + 1]; /* bytes appended when the mark was set */
    struct end end = {0};
    uint64_t appended = 0, told = 0, behind_max = 0;
    int small = 1, peer_fd;
    char some[32768];

    srandom(3);
    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, 64 << 20);
    assert_int_equal(setsockopt(end.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    for (uint64_t mark = 1; mark <= MARKS_MAX; mark++) {
        size_t json_bytes = 2 + (size_t)random() % 3000;

        send_result(&end, mark, json_bytes);
        appended += result_bytes(mark, json_bytes);
        bus_link_set_mark(end.link, mark);
        ends[mark] = appended;
        told = check_marks(&end, ends, appended, told);
        if (random() % 3 == 0)
            bus_link_flush(end.link);
        told = check_marks(&end, ends, appended, told);
        if (random() % 3 != 0)
            (void)!recv(peer_fd, some, (size_t)random() % sizeof some, 0);
        while (random() % 20 == 0 && (recv(peer_fd, some, sizeof some, 0) > 0 || bus_link_queued_bytes(end.link) > 0))
            turn(*state, 1);
        turn(*state, 1);
        told = check_marks(&end, ends, appended, told);
        behind_max = mark - told > behind_max ? mark - told : behind_max;
    }
    while (bus_link_queued_bytes(end.link) > 0) {
        (void)!recv(peer_fd, some, sizeof some, 0);
        turn(*state, 1);
    }
    assert_int_equal(bus_link_taken_mark(end.link), MARKS_MAX);
    assert_true(behind_max > 10); /* else the peer was never slow and this shows nothing */
    bus_link_free(end.link);
    close(peer_fd);
}

static void test_a_mark_on_an_empty_queue_is_taken(void **state)
{
    struct end end = {0};
    int peer_fd;

    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, 1 << 20);
    bus_link_set_mark(end.link, 5);
    assert_int_equal(bus_link_taken_mark(end.link), 5);
    send_result(&end, 1, 2);
    bus_link_set_mark(end.link, 6);
    assert_int_equal(bus_link_taken_mark(end.link), 5);
    turn(*state, 1);
    assert_int_equal(bus_link_taken_mark(end.link), 6);
    bus_link_free(end.link);
    close(peer_fd);
}

/* Its queue is empty because it was thrown away: nothing of it was taken. */
static void test_marks_stand_still_once_the_peer_is_gone(void **state)
{
    struct end end = {0};
    int peer_fd;

    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, 1 << 20);
    bus_link_set_mark(end.link, 5);
    close(peer_fd);
    send_result(&end, 1, 2);
    bus_link_set_mark(end.link, 6);
    bus_link_flush(end.link);
    assert_false(bus_link_is_ready(end.link));
    assert_int_equal(bus_link_taken_mark(end.link), 5);
    send_result(&end, 2, 2);
    bus_link_set_mark(end.link, 7);
    assert_int_equal(bus_link_taken_mark(end.link), 5);
    await_that(*state, end_is_closed, &end);
}

/* ---- the end of a peer ---- */

struct death {
    const char *name;
    bool unread;      /* we wrote something that it never read: its end is a reset, not an end of file */
    bool write_after; /* we write after its death */
    bool paused;      /* we were paused when it died */
};

#define LAST_WORDS 1500u

static pid_t fork_peer(int fd)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct bytes out = {0};
        struct msg_hello hello = hello_of(&GATEWAY, LANE_SIGHTINGS);

        append_hello(&out, &hello);
        for (uint64_t i = 1; i <= LAST_WORDS; i++)
            append_poll(&out, i);
        if (send(fd, bytes_begin(&out), out.length, MSG_NOSIGNAL) == (ssize_t)out.length)
            raise(SIGKILL);
        _exit(1);
    }
    return pid;
}

static void check_death(struct loop *loop, const struct death *death)
{
    struct end end = {0};
    int fds[2], status;
    pid_t pid;

    print_message("    %s\n", death->name);
    make_pair(SOCK_STREAM, fds);
    if (death->unread)
        assert_int_equal(send(fds[0], "never read", 10, 0), 10);
    pid = fork_peer(fds[1]);
    close(fds[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    end_begin(&end, loop, fds[0], -1, 1 << 20);
    end.on_message = death->paused ? ACT_PAUSE : ACT_NOTHING;
    end.act_every = 100;
    end.on_ready = death->write_after ? ACT_WRITE : ACT_NOTHING;
    if (death->paused) {
        for (unsigned i = 1; i <= LAST_WORDS / 100; i++) {
            turn(loop, 3);
            assert_int_equal(end.messages_count, i * 100);
            assert_int_equal(end.closed_count, 0);
            bus_link_resume(end.link);
        }
    }
    await_that(loop, end_is_closed, &end);
    assert_int_equal(end.messages_count, LAST_WORDS);
    assert_string_equal(end.why, "the peer closed the link");
}

static void test_what_a_killed_peer_wrote_is_handled(void **state)
{
    static const struct death CASES[] = {
        {.name = "killed"},
        {.name = "killed with something unread", .unread = true},
        {.name = "we write to the dead", .write_after = true},
        {.name = "we write, and something is unread", .unread = true, .write_after = true},
        {.name = "we were paused", .paused = true},
        {.name = "we were paused and wrote", .paused = true, .unread = true, .write_after = true},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_death(*state, &CASES[i]);
}

/* Writing fails although the peer lives (here: a packet that is too large). It is told by an end of file, and what it
 * still writes counts. */
static void test_a_link_broken_in_one_direction_ends(void **state)
{
    struct end end = {0};
    struct bytes out = {0};
    int small = 1, peer_fd;
    char byte;

    begin_ready(&end, *state, SOCK_SEQPACKET, &peer_fd, 1 << 20);
    assert_int_equal(setsockopt(end.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    send_result(&end, 1, 60000);
    turn(*state, 2);
    assert_false(bus_link_is_ready(end.link));
    assert_int_equal(end.closed_count, 0);
    assert_int_equal(recv(peer_fd, &byte, 1, 0), 0);
    for (uint64_t i = 1; i <= 10; i++) {
        append_poll(&out, i);
        write_out(peer_fd, &out);
    }
    close(peer_fd);
    await_that(*state, end_is_closed, &end);
    assert_int_equal(end.messages_count, 10);
}

static void poll_peer(int peer_fd, uint64_t from, uint64_t to)
{
    struct bytes out = {0};

    for (uint64_t i = from; i <= to; i++)
        append_poll(&out, i);
    write_out(peer_fd, &out);
}

/* Neither what comes nor the end of it is seen before somebody looks. */
static void test_a_link_that_dozes(void **state)
{
    struct end end = {0};
    int peer_fd;

    begin_ready(&end, *state, SOCK_STREAM, &peer_fd, 1 << 20);
    bus_link_doze(end.link, true);
    poll_peer(peer_fd, 1, 3);
    turn(*state, 3);
    assert_int_equal(end.messages_count, 0);
    assert_true(bus_link_drain(end.link) > 0);
    assert_int_equal(end.messages_count, 3);
    assert_int_equal(bus_link_drain(end.link), 0);

    poll_peer(peer_fd, 4, 5);
    bus_link_pause(end.link);
    bus_link_doze(end.link, false);
    turn(*state, 3);
    assert_int_equal(end.messages_count, 3); /* a pause is a pause */
    bus_link_doze(end.link, true);
    bus_link_resume(end.link);
    turn(*state, 3);
    assert_int_equal(end.messages_count, 3); /* and a doze a doze */
    bus_link_doze(end.link, false);
    turn(*state, 3);
    assert_int_equal(end.messages_count, 5);

    bus_link_doze(end.link, true);
    poll_peer(peer_fd, 6, 6);
    close(peer_fd);
    turn(*state, 3);
    assert_int_equal(end.closed_count, 0);
    bus_link_drain(end.link);
    bus_link_drain(end.link);
    await_that(*state, end_is_closed, &end);
    assert_int_equal(end.messages_count, 6);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        WITH_LOOP("both ends know each other", test_both_ends_know_each_other),
        WITH_LOOP("a server refuses", test_a_server_refuses),
        WITH_LOOP("a client refuses", test_a_client_refuses),
        WITH_LOOP("a refused version is told ours", test_a_refused_version_is_told_ours),
        WITH_LOOP("a frame may come byte by byte", test_a_frame_may_come_byte_by_byte),
        WITH_LOOP("messages of one turn are one write", test_messages_of_one_turn_are_one_write),
        WITH_LOOP("a peer that does not read is dropped", test_a_peer_that_does_not_read_is_dropped),
        WITH_LOOP("stalled since", test_stalled_since),
        WITH_LOOP("marks tell the truth", test_marks_tell_the_truth),
        WITH_LOOP("a mark on an empty queue is taken", test_a_mark_on_an_empty_queue_is_taken),
        WITH_LOOP("marks stand still once the peer is gone", test_marks_stand_still_once_the_peer_is_gone),
        WITH_LOOP("what a killed peer wrote is handled", test_what_a_killed_peer_wrote_is_handled),
        WITH_LOOP("a link broken in one direction ends", test_a_link_broken_in_one_direction_ends),
        WITH_LOOP("a link that dozes", test_a_link_that_dozes),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
