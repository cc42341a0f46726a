/* bus_end - what the tests of the bus share: one end of a link that writes down what happens to it, a peer that is a plain
 * socket, and a way to run a loop until something is true. */
#ifndef TAGHUB_TEST_BUS_END_H
#define TAGHUB_TEST_BUS_END_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus_link.h"
#include "frame.h"
#include "run/svc.h"

#define PATIENCE_MS 20000u /* only a test that fails waits so long */

static const struct bus_identity GATEWAY = {.kind = PEER_GATEWAY, .slot = 3, .incarnation = 77};
static const struct bus_identity FANOUT = {.kind = PEER_FANOUT, .slot = 0, .incarnation = 88};

/* ---- running the loop ---- */

struct await {
    struct loop *loop;
    struct deadline_list list;
    struct deadline look;
    bool (*is_true)(void *about);
    void *about;
    uint64_t until_mono_ms;
    bool late;
};

static inline void await_look(struct deadline *deadline)
{
    struct await *await = H2O_STRUCT_FROM_MEMBER(struct await, look, deadline);

    await->late = svc_mono_ms() > await->until_mono_ms;
    if (await->late || await->is_true(await->about))
        loop_stop(await->loop);
    else
        deadline_arm(await->loop, &await->list, deadline);
}

/* Runs the loop until is_true() says so; looks every millisecond. */
static inline void await_that(struct loop *loop, bool (*is_true)(void *about), void *about)
{
    struct await await = {.loop = loop,
                          .look.fire = await_look,
                          .is_true = is_true,
                          .about = about,
                          .until_mono_ms = svc_mono_ms() + PATIENCE_MS};

    loop_add_deadlines(loop, &await.list, 1);
    deadline_arm(loop, &await.list, &await.look);
    assert_int_equal(loop_run(loop), 0);
    loop_remove_deadlines(loop, &await.list);
    assert_false(await.late);
}

struct turn_stop {
    struct loop_task task;
    struct loop *loop;
};

static inline void turn_stop_run(struct loop_task *task)
{
    loop_stop(H2O_STRUCT_FROM_MEMBER(struct turn_stop, task, task)->loop);
}

/* Turns of the loop that do not wait: whatever can happen now happens. */
static inline void turn(struct loop *loop, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct turn_stop stop = {.task.run = turn_stop_run, .loop = loop};

        loop_at_turn_end(loop, &stop.task);
        assert_int_equal(loop_run(loop), 0);
    }
}

/* ---- one end ---- */

enum end_act { ACT_NOTHING, ACT_FREE, ACT_PAUSE, ACT_WRITE };

struct end {
    struct loop *loop;
    struct bus_link *link; /* NULL once freed */
    int fd;                /* the link's, for socket options */
    struct bus_handlers handlers;
    unsigned ready_count, closed_count, taken_count;
    uint64_t messages_count, last_seq;
    char why[192];
    enum end_act on_message, on_ready, on_taken;
    uint64_t act_every;            /* on_message: at each n-th */
    void (*also)(struct end *end); /* in the message handler */
    void *about;
    struct bus_link *forward_to;
};

static inline void end_act(struct end *end, enum end_act act)
{
    static const struct msg_answer RESULT = {.request = 1, .http_status = 200, .body = {(const uint8_t *)"{}", 2}};

    switch (act) {
    case ACT_NOTHING:
        return;
    case ACT_FREE:
        bus_link_free(end->link);
        end->link = NULL;
        return;
    case ACT_PAUSE:
        bus_link_pause(end->link);
        return;
    case ACT_WRITE:
        bus_link_send(end->link, MSG_answer, &RESULT);
        bus_link_flush(end->link);
        return;
    }
}

static inline void end_ready(void *owner, struct bus_link *link)
{
    struct end *end = owner;

    assert_ptr_equal(link, end->link);
    assert_true(bus_link_is_ready(link));
    end->ready_count++;
    end_act(end, end->on_ready);
}

static inline void end_closed(void *owner, struct bus_link *link, const char *why)
{
    struct end *end = owner;

    assert_ptr_equal(link, end->link);
    end->closed_count++;
    snprintf(end->why, sizeof end->why, "%s", why);
    end_act(end, ACT_FREE);
}

static inline void end_taken(void *owner, struct bus_link *link)
{
    struct end *end = owner;

    assert_ptr_equal(link, end->link);
    end->taken_count++;
    end_act(end, end->on_taken);
}

static const struct bus_link_events END_EVENTS = {.ready = end_ready, .closed = end_closed, .taken = end_taken};

/* Numbers must come one after the other: nothing lost, nothing twice, nothing out of order. */
static inline void end_message(struct end *end, uint64_t seq)
{
    assert_int_equal(end->closed_count, 0);
    assert_int_equal(seq, end->last_seq + 1);
    end->last_seq = seq;
    end->messages_count++;
    if (end->also != NULL)
        end->also(end);
    if (end->act_every == 0 || end->messages_count % end->act_every == 0)
        end_act(end, end->on_message);
}

static inline void end_on_ask(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct end *end = user;

    if (end->forward_to != NULL)
        bus_link_forward(end->forward_to, link);
    end_message(end, msg->ask.request);
}

static inline void end_on_answer(void *user, struct bus_link *link, const union msg_any *msg)
{
    (void)link;
    end_message(user, msg->answer.request);
}

/* A link over this socket. The end must not move afterwards. lane -1: the side that was connected to. */
static inline void end_begin(struct end *end, struct loop *loop, int fd, int lane, uint64_t queue_bytes_max)
{
    struct bus_link_conf conf = {.me = lane < 0 ? &FANOUT : &GATEWAY,
                                 .handlers = &end->handlers,
                                 .user = end,
                                 .events = &END_EVENTS,
                                 .owner = end,
                                 .queue_bytes_max = queue_bytes_max};

    end->loop = loop;
    if (lane < 0)
        end->handlers.on[MSG_ask] = end_on_ask;
    else
        end->handlers.on[MSG_answer] = end_on_answer;
    end->link = bus_link_new(loop, fd, lane, &conf);
    assert_non_null(end->link);
}

static inline bool end_is_closed(void *about)
{
    return ((struct end *)about)->closed_count > 0;
}

static inline bool end_is_ready(void *about)
{
    return ((struct end *)about)->ready_count > 0;
}

/* ---- a peer that is a plain socket ---- */

static inline void make_pair(int type, int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void append_hello(struct bytes *out, const struct msg_hello *hello)
{
    assert_int_equal(frame_write(out, MSG_hello, hello), 0);
}

static inline struct msg_hello hello_of(const struct bus_identity *who, enum lane lane)
{
    return (struct msg_hello){
        .version = BUS_VERSION, .kind = who->kind, .lane = lane, .slot = who->slot, .incarnation = who->incarnation};
}

static inline void append_poll(struct bytes *out, uint64_t request)
{
    struct msg_ask ask = {.request = request};

    assert_int_equal(frame_write(out, MSG_ask, &ask), 0);
}

/* Writes all of it, which must fit the socket, and forgets it. */
static inline void write_out(int fd, struct bytes *out)
{
    assert_int_equal(send(fd, bytes_begin(out), out->length, MSG_NOSIGNAL), out->length);
    bytes_done(out);
}

static inline void write_hello(int fd, const struct bus_identity *who)
{
    struct bytes out = {0};
    struct msg_hello hello = hello_of(who, LANE_SIGHTINGS);

    append_hello(&out, &hello);
    write_out(fd, &out);
}

static inline void write_asks(int fd, uint64_t first, uint64_t last)
{
    struct bytes out = {0};

    for (uint64_t i = first; i <= last; i++)
        append_poll(&out, i);
    write_out(fd, &out);
}

static inline int loop_setup(void **state)
{
    *state = loop_new();
    return *state == NULL ? -1 : 0;
}

static inline int loop_teardown(void **state)
{
    loop_free(*state);
    return 0;
}

#define WITH_LOOP(text, function)                                                                                      \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = loop_setup, .teardown_func = loop_teardown              \
    }

#endif
