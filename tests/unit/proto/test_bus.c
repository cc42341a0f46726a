/* The bus at work: two ends that both are links, stopping and starting, forwarding, draining, and going away in the
 * middle of things. */
#include "bus_end.h"

/* ---- order and completeness ---- */

#define FLOW_MESSAGES 20000u
#define FLOW_QUEUE    65536u

/* A client that sends numbered messages, as many as the queue takes, and goes on when some were taken. */
struct feeder {
    struct end end;
    uint64_t sent;
};

static void feeder_fill(struct feeder *feeder)
{
    while (feeder->sent < FLOW_MESSAGES && bus_link_queued_bytes(feeder->end.link) < FLOW_QUEUE / 2) {
        struct msg_ask ask = {.request = ++feeder->sent};

        bus_link_send(feeder->end.link, MSG_ask, &ask);
    }
}

static void pause_now_and_then(struct end *end)
{
    if (random() % 10 != 0)
        return;
    bus_link_pause(end->link);
    bus_link_pause(end->link);
    if (random() % 2 == 0)
        bus_link_resume(end->link); /* still inside the handler */
}

struct flow {
    struct feeder feeder;
    struct end sink;
};

static bool flow_is_over(void *about)
{
    struct flow *flow = about;

    feeder_fill(&flow->feeder);
    bus_link_resume(flow->sink.link);
    bus_link_resume(flow->sink.link);
    if (random() % 3 == 0)
        bus_link_drain(flow->sink.link);
    return flow->sink.messages_count == FLOW_MESSAGES;
}

static void test_stopping_and_starting_loses_nothing(void **state)
{
    struct flow flow = {.sink = {.also = pause_now_and_then}};
    int fds[2];

    srandom(4);
    make_pair(SOCK_STREAM, fds);
    end_begin(&flow.feeder.end, *state, fds[0], LANE_SIGHTINGS, FLOW_QUEUE);
    end_begin(&flow.sink, *state, fds[1], -1, FLOW_QUEUE);
    await_that(*state, end_is_ready, &flow.feeder.end);
    for (uint64_t until = svc_mono_ms() + PATIENCE_MS; !flow_is_over(&flow);) {
        assert_true(svc_mono_ms() < until);
        turn(*state, 1);
    }
    assert_int_equal(flow.sink.last_seq, FLOW_MESSAGES);
    bus_link_free(flow.feeder.end.link);
    await_that(*state, end_is_closed, &flow.sink);
}

/* Also pause() as a sender sees it: what it wrote before it left waits until the reader goes on. */
static void test_a_paused_link_is_not_closed(void **state)
{
    struct end end = {.on_message = ACT_PAUSE};
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    end_begin(&end, *state, fds[0], -1, 1 << 20);
    write_hello(fds[1], &GATEWAY);
    write_asks(fds[1], 1, 3);
    for (unsigned i = 1; i <= 3; i++) {
        turn(*state, 4);
        assert_int_equal(end.messages_count, i);
        bus_link_drain(end.link); /* does nothing while paused */
        assert_int_equal(end.messages_count, i);
        assert_int_equal(end.closed_count, 0);
        if (i == 2)
            close(fds[1]);
        bus_link_resume(end.link); /* the others are buffered: nothing new has to come for them */
    }
    await_that(*state, end_is_closed, &end);
    assert_int_equal(end.messages_count, 3);
}

/* ---- drain ---- */

/* In a handler of one link, everything that was written to another is handled at once, as a read that must see what
 * was acknowledged needs it. */
static void drain_the_other(struct end *end)
{
    struct end *other = end->about;

    bus_link_drain(other->link);
    assert_int_equal(other->messages_count, 500);
    bus_link_drain(end->link); /* its own: nothing, we are inside it */
    assert_int_equal(end->messages_count, 1);
}

static void test_drain_inside_another_links_handler(void **state)
{
    struct end asker = {.also = NULL}, stream = {0};
    int asker_fds[2], stream_fds[2];

    make_pair(SOCK_STREAM, asker_fds);
    make_pair(SOCK_STREAM, stream_fds);
    end_begin(&asker, *state, asker_fds[0], -1, 1 << 20);
    end_begin(&stream, *state, stream_fds[0], -1, 1 << 20);
    write_hello(asker_fds[1], &GATEWAY);
    write_hello(stream_fds[1], &GATEWAY);
    await_that(*state, end_is_ready, &asker);
    await_that(*state, end_is_ready, &stream);
    bus_link_pause(stream.link);
    write_asks(stream_fds[1], 1, 500);
    turn(*state, 2);
    assert_int_equal(stream.messages_count, 0);
    bus_link_resume(stream.link);
    asker.also = drain_the_other;
    asker.about = &stream;
    write_asks(asker_fds[1], 1, 1);
    turn(*state, 2);
    assert_int_equal(asker.messages_count, 1);
    bus_link_free(asker.link);
    bus_link_free(stream.link);
    close(asker_fds[1]);
    close(stream_fds[1]);
}

/* Each message that is handled makes the peer write the next one. */
static void write_another(struct end *end)
{
    write_asks(*(int *)end->about, end->messages_count + 10, end->messages_count + 10);
}

static void test_drain_ends_though_the_peer_never_stops(void **state)
{
    struct end end = {.also = write_another};
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    end.about = &fds[1];
    end_begin(&end, *state, fds[0], -1, 1 << 20);
    write_hello(fds[1], &GATEWAY);
    write_asks(fds[1], 1, 10);
    bus_link_drain(end.link);
    assert_int_equal(end.messages_count, 10);
    bus_link_drain(end.link);
    assert_int_equal(end.messages_count, 20);
    bus_link_free(end.link);
    close(fds[1]);
}

/* ---- forwarding ---- */

static void test_forwarding_keeps_every_byte(void **state)
{
    struct end from = {0}, to = {0};
    struct bytes expected = {0};
    int from_fds[2], to_fds[2];
    char got[65536], hello[256];

    make_pair(SOCK_STREAM, from_fds);
    make_pair(SOCK_STREAM, to_fds);
    end_begin(&from, *state, from_fds[0], -1, 1 << 20);
    end_begin(&to, *state, to_fds[0], -1, 1 << 20);
    from.forward_to = to.link;
    write_hello(from_fds[1], &GATEWAY);
    write_hello(to_fds[1], &GATEWAY);
    await_that(*state, end_is_ready, &to);
    turn(*state, 1);
    assert_true(recv(to_fds[1], hello, sizeof hello, 0) > 0);
    for (uint64_t i = 1; i <= 1000; i++)
        append_poll(&expected, i);
    assert_int_equal(send(from_fds[1], bytes_begin(&expected), expected.length, 0), expected.length);
    turn(*state, 2);
    assert_int_equal(recv(to_fds[1], got, sizeof got, 0), expected.length);
    assert_memory_equal(got, bytes_begin(&expected), expected.length);
    bytes_done(&expected);
    bus_link_free(from.link);
    bus_link_free(to.link);
    close(from_fds[1]);
    close(to_fds[1]);
}

/* ---- going away in the middle of things ---- */

struct departure {
    const char *name;
    enum end_act on_message, on_ready, on_taken;
    uint64_t handled_count;
};

static void check_departure(struct loop *loop, const struct departure *departure)
{
    struct end end = {.on_message = departure->on_message,
                      .on_ready = departure->on_ready,
                      .on_taken = departure->on_taken,
                      .act_every = 5};
    int fds[2];

    print_message("    %s\n", departure->name);
    make_pair(SOCK_STREAM, fds);
    end_begin(&end, loop, fds[0], -1, 1 << 20);
    write_hello(fds[1], &GATEWAY);
    write_asks(fds[1], 1, 100);
    turn(loop, 3);
    assert_null(end.link);
    assert_int_equal(end.messages_count, departure->handled_count);
    assert_int_equal(end.closed_count, 0);
    close(fds[1]);
    turn(loop, 1);
}

static void test_a_link_may_be_freed_in_its_events(void **state)
{
    static const struct departure CASES[] = {
        {.name = "in a handler", .on_message = ACT_FREE, .handled_count = 5},
        {.name = "when ready", .on_ready = ACT_FREE},
        {.name = "when something was taken", .on_taken = ACT_FREE, .handled_count = 100}, /* at the turn's end */
        {.name = "taken, inside ready", .on_ready = ACT_WRITE, .on_taken = ACT_FREE},
        {.name = "taken, inside a handler", .on_message = ACT_WRITE, .on_taken = ACT_FREE, .handled_count = 5},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_departure(*state, &CASES[i]);
}

/* No turn follows: whoever stops uses the links' and then the loop's free. */
static void test_a_link_freed_after_the_last_turn_leaves_nothing(void **state)
{
    struct loop *loop = loop_new();
    struct end end = {0};
    int fds[2];

    (void)state;
    make_pair(SOCK_STREAM, fds);
    end_begin(&end, loop, fds[0], -1, 1 << 20);
    bus_link_free(end.link);
    bus_link_free(end.link); /* until the turn ends a second time is harmless */
    loop_free(loop);         /* a leak checker would tell */
    close(fds[1]);
}

static void test_the_table_of_handlers_is_checked(void **state)
{
    struct bus_handlers handlers = {{NULL}};

    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);

        if (desc != NULL && type != MSG_hello && (desc->to & PEER_FANOUT) != 0)
            handlers.on[type] = end_on_ask;
    }
    assert_null(bus_handlers_check(&handlers, PEER_FANOUT));
    assert_non_null(bus_handlers_check(&handlers, PEER_INGEST));
    handlers.on[MSG_ask] = NULL;
    assert_string_equal(bus_handlers_check(&handlers, PEER_FANOUT), "ask");
    handlers.on[MSG_ask] = end_on_ask;
    handlers.on[MSG_settled] = end_on_ask;
    assert_string_equal(bus_handlers_check(&handlers, PEER_FANOUT), "settled");
    handlers.on[MSG_settled] = NULL;
    handlers.on[MSG_hello] = end_on_ask;
    assert_string_equal(bus_handlers_check(&handlers, PEER_FANOUT), "hello");
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        WITH_LOOP("stopping and starting loses nothing", test_stopping_and_starting_loses_nothing),
        WITH_LOOP("a paused link is not closed", test_a_paused_link_is_not_closed),
        WITH_LOOP("drain inside another link's handler", test_drain_inside_another_links_handler),
        WITH_LOOP("drain ends though the peer never stops", test_drain_ends_though_the_peer_never_stops),
        WITH_LOOP("forwarding keeps every byte", test_forwarding_keeps_every_byte),
        WITH_LOOP("a link may be freed in its events", test_a_link_may_be_freed_in_its_events),
        WITH_LOOP("a link freed after the last turn leaves nothing",
                  test_a_link_freed_after_the_last_turn_leaves_nothing),
        WITH_LOOP("the table of handlers is checked", test_the_table_of_handlers_is_checked),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
