/* bus_server: who is let in, who is told about it, and how links are counted and dropped. */
#include "bus_server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "bus_end.h"

struct hub {
    struct loop *loop;
    struct bus_server *server;
    struct bus_handlers handlers;
    char folder[64], path[96];
    unsigned joined_count, left_count, refused_count, gate_count;
    uint64_t messages_count;
    bool gate_open, drops_joined, frees_in_handler;
    char why[192];
};

static void hub_joined(void *user, struct bus_link *link)
{
    struct hub *hub = user;

    hub->joined_count++;
    bus_link_set_context(link, hub);
    if (hub->drops_joined)
        bus_server_drop(hub->server, link, "not today");
}

static void hub_left(void *user, struct bus_link *link, const char *why)
{
    struct hub *hub = user;

    assert_ptr_equal(bus_link_context(link), hub); /* the link is there until this returns */
    hub->left_count++;
    snprintf(hub->why, sizeof hub->why, "%s", why);
    bus_server_drop(hub->server, link, "once more"); /* harmless */
}

static void hub_refused(void *user, const char *why)
{
    struct hub *hub = user;

    hub->refused_count++;
    snprintf(hub->why, sizeof hub->why, "%s", why);
}

static bool hub_gate(void *user)
{
    struct hub *hub = user;

    hub->gate_count++;
    return hub->gate_open;
}

static const struct bus_server_events HUB_EVENTS = {
    .joined = hub_joined, .left = hub_left, .refused = hub_refused, .gate = hub_gate};

static void hub_ask(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct hub *hub = user;
    struct msg_answer result = {.request = msg->ask.request, .http_status = 200, .body = view_text("{}")};

    hub->messages_count++;
    bus_link_send(link, MSG_answer, &result);
    if (hub->frees_in_handler) {
        bus_server_free(hub->server);
        hub->server = NULL;
    }
}

static void hub_begin(struct hub *hub, struct loop *loop)
{
    int fd;

    hub->loop = loop;
    hub->gate_open = true;
    hub->handlers.on[MSG_ask] = hub_ask;
    snprintf(hub->folder, sizeof hub->folder, "/tmp/taghub-unit-XXXXXX");
    assert_non_null(mkdtemp(hub->folder));
    snprintf(hub->path, sizeof hub->path, "%s/bus.sock", hub->folder);
    fd = svc_listen_unix(hub->path);
    assert_true(fd >= 0);
    hub->server = bus_server_new(loop, fd, &FANOUT, &hub->handlers, &HUB_EVENTS, hub, 1 << 20);
    assert_non_null(hub->server);
}

static void hub_end(struct hub *hub)
{
    bus_server_free(hub->server);
    unlink(hub->path);
    rmdir(hub->folder);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static unsigned count_by_walking(const struct hub *hub)
{
    unsigned count = 0;

    for (struct bus_link *link = bus_server_next(hub->server, NULL); link != NULL;
         link = bus_server_next(hub->server, link))
        count++;
    return count;
}

static void test_joined_and_left(void **state)
{
    struct hub hub = {0};
    int fds[3];

    hub_begin(&hub, *state);
    for (int i = 0; i < 3; i++)
        fds[i] = connect_to(hub.path);
    turn(hub.loop, 5);
    assert_int_equal(bus_server_count(hub.server), 0); /* connected, but nobody said hello */
    assert_null(bus_server_next(hub.server, NULL));
    for (int i = 0; i < 3; i++)
        write_hello(fds[i], &GATEWAY);
    write_asks(fds[1], 1, 7);
    turn(hub.loop, 3);
    assert_int_equal(hub.joined_count, 3);
    assert_int_equal(bus_server_count(hub.server), 3);
    assert_int_equal(count_by_walking(&hub), 3);
    assert_int_equal(hub.messages_count, 7);
    close(fds[1]);
    turn(hub.loop, 3);
    assert_int_equal(hub.left_count, 1);
    assert_string_equal(hub.why, "the peer closed the link");
    assert_int_equal(bus_server_count(hub.server), 2);
    assert_int_equal(count_by_walking(&hub), 2);
    assert_int_equal(hub.refused_count, 0);
    hub_end(&hub);
    assert_int_equal(hub.left_count, 1); /* no events at the end */
    close(fds[0]);
    close(fds[2]);
}

/* A peer may be gone before it was accepted; what it wrote still counts. */
static void test_a_peer_that_left_before_it_was_accepted(void **state)
{
    struct hub hub = {0};
    int fd;

    hub_begin(&hub, *state);
    fd = connect_to(hub.path);
    write_hello(fd, &GATEWAY);
    write_asks(fd, 1, 300);
    close(fd);
    turn(hub.loop, 5);
    assert_int_equal(hub.joined_count, 1);
    assert_int_equal(hub.messages_count, 300);
    assert_int_equal(hub.left_count, 1);
    hub_end(&hub);
}

static void test_refused_is_told_once(void **state)
{
    struct hub hub = {0};
    struct msg_hello hello = hello_of(&GATEWAY, LANE_SIGHTINGS);
    struct bytes out = {0};
    int fd;

    hub_begin(&hub, *state);
    hello.version = BUS_VERSION + 1;
    fd = connect_to(hub.path);
    append_hello(&out, &hello);
    write_out(fd, &out);
    turn(hub.loop, 4);
    assert_int_equal(hub.refused_count, 1);
    assert_int_equal(hub.joined_count + hub.left_count, 0);
    assert_memory_equal(hub.why, "gateway speaks bus version", 26);
    close(fd);
    turn(hub.loop, 2);
    assert_int_equal(hub.refused_count, 1);
    hub_end(&hub);
}

static void test_drop(void **state)
{
    struct hub hub = {.drops_joined = true};
    char some[256];
    int fd;

    hub_begin(&hub, *state);
    fd = connect_to(hub.path);
    write_hello(fd, &GATEWAY);
    write_asks(fd, 1, 5);
    turn(hub.loop, 4);
    assert_int_equal(hub.joined_count, 1);
    assert_int_equal(hub.left_count, 1);
    assert_int_equal(hub.messages_count, 0); /* nothing more of it is handled */
    assert_string_equal(hub.why, "not today");
    assert_int_equal(bus_server_count(hub.server), 0);
    while (recv(fd, some, sizeof some, 0) > 0)
        continue;
    assert_int_not_equal(errno, EAGAIN); /* the peer sees the end */
    close(fd);
    hub_end(&hub);
}

static bool somebody_joined(void *about)
{
    return ((struct hub *)about)->joined_count > 0;
}

static void test_a_closed_gate_keeps_peers_waiting(void **state)
{
    struct hub hub = {0};
    unsigned gate_count;
    int fd;

    hub_begin(&hub, *state);
    hub.gate_open = false;
    fd = connect_to(hub.path);
    write_hello(fd, &GATEWAY);
    turn(hub.loop, 50);
    gate_count = hub.gate_count;
    assert_in_range(gate_count, 1, 20); /* asked by the clock, not in every turn */
    assert_int_equal(hub.joined_count, 0);
    hub.gate_open = true;
    await_that(hub.loop, somebody_joined, &hub);
    assert_true(hub.gate_count > gate_count);
    close(fd);
    hub_end(&hub);
}

static void test_the_server_may_be_freed_in_a_handler(void **state)
{
    struct hub hub = {.frees_in_handler = true};
    int fd;

    hub_begin(&hub, *state);
    fd = connect_to(hub.path);
    write_hello(fd, &GATEWAY);
    write_asks(fd, 1, 5);
    turn(hub.loop, 4);
    assert_int_equal(hub.messages_count, 1);
    assert_int_equal(hub.left_count, 0);
    close(fd);
    hub_end(&hub);
}

static bool somebody_was_refused(void *about)
{
    return ((struct hub *)about)->refused_count > 0;
}

/* Needs root, which alone can become somebody else. */
static void test_another_user_is_refused(void **state)
{
    struct hub hub = {0};
    char byte;
    int status;
    pid_t pid;

    if (geteuid() != 0)
        skip();
    hub_begin(&hub, *state);
    assert_int_equal(chmod(hub.folder, 0755), 0);
    assert_int_equal(chmod(hub.path, 0666), 0); /* the file lets it in, the server must not */
    pid = fork();
    if (pid == 0) {
        int fd;

        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        fd = connect_to(hub.path);
        (void)!send(fd, "anything", 8, MSG_NOSIGNAL); /* it may be too late for that already */
        fcntl(fd, F_SETFL, 0);
        _exit(recv(fd, &byte, 1, 0) <= 0 ? 0 : 3); /* not one byte comes back */
    }
    await_that(hub.loop, somebody_was_refused, &hub);
    assert_string_equal(hub.why, "the peer runs as another user");
    assert_int_equal(hub.joined_count, 0);
    assert_int_equal(hub.messages_count, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    hub_end(&hub);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        WITH_LOOP("joined and left", test_joined_and_left),
        WITH_LOOP("a peer that left before it was accepted", test_a_peer_that_left_before_it_was_accepted),
        WITH_LOOP("refused is told once", test_refused_is_told_once),
        WITH_LOOP("drop", test_drop),
        WITH_LOOP("a closed gate keeps peers waiting", test_a_closed_gate_keeps_peers_waiting),
        WITH_LOOP("the server may be freed in a handler", test_the_server_may_be_freed_in_a_handler),
        WITH_LOOP("another user is refused", test_another_user_is_refused),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
