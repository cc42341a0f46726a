/* bus_client: it comes back, patiently, and says once what is wrong. */
#include "bus_client.h"

#include <sys/un.h>

#include "bus_end.h"
#include "bus_server.h"

enum leave_at { STAY, LEAVE_UP, LEAVE_DOWN, LEAVE_TROUBLE };

struct guest {
    struct loop *loop;
    struct bus_client *client;
    struct bus_handlers handlers;
    char folder[64], path[96];
    unsigned up_count, down_count, trouble_count;
    uint64_t results_count;
    enum leave_at leave_at;
    bool restart_when_up;
    char why[192], trouble[192];
};

static void guest_leave(struct guest *guest)
{
    bus_client_free(guest->client);
    guest->client = NULL;
}

static void guest_up(void *user, struct bus_client *client)
{
    struct guest *guest = user;

    assert_non_null(bus_client_link(client));
    guest->up_count++;
    if (guest->leave_at == LEAVE_UP) {
        guest_leave(guest);
    } else if (guest->restart_when_up) {
        guest->restart_when_up = false;
        bus_client_restart(client, "a fresh start");
    }
}

static void guest_down(void *user, struct bus_client *client, const char *why)
{
    struct guest *guest = user;

    assert_null(bus_client_link(client));
    guest->down_count++;
    snprintf(guest->why, sizeof guest->why, "%s", why);
    if (guest->leave_at == LEAVE_DOWN)
        guest_leave(guest);
    else
        bus_client_restart(client, "again"); /* harmless: it does so anyway */
}

static void guest_trouble(void *user, struct bus_client *client, const char *why)
{
    struct guest *guest = user;

    assert_ptr_equal(client, guest->client);
    guest->trouble_count++;
    snprintf(guest->trouble, sizeof guest->trouble, "%s", why);
    if (guest->leave_at == LEAVE_TROUBLE)
        guest_leave(guest);
}

static const struct bus_client_events GUEST_EVENTS = {.up = guest_up, .down = guest_down, .trouble = guest_trouble};

static void guest_result(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct guest *guest = user;

    (void)link;
    assert_int_equal(msg->answer.request, ++guest->results_count);
}

static void guest_begin(struct guest *guest, struct loop *loop)
{
    guest->loop = loop;
    guest->handlers.on[MSG_answer] = guest_result;
    snprintf(guest->folder, sizeof guest->folder, "/tmp/taghub-unit-XXXXXX");
    assert_non_null(mkdtemp(guest->folder));
    snprintf(guest->path, sizeof guest->path, "%s/bus.sock", guest->folder);
    guest->client =
        bus_client_new(loop, guest->path, LANE_SIGHTINGS, &GATEWAY, &guest->handlers, &GUEST_EVENTS, guest, 1 << 20);
    assert_non_null(guest->client);
    assert_null(bus_client_link(guest->client));
}

static void guest_end(struct guest *guest)
{
    bus_client_free(guest->client);
    unlink(guest->path);
    rmdir(guest->folder);
}

static bool is_up(void *about)
{
    struct guest *guest = about;

    return guest->client != NULL && bus_client_link(guest->client) != NULL;
}

static bool had_trouble(void *about)
{
    return ((struct guest *)about)->trouble_count > 0;
}

static bool went_down(void *about)
{
    return ((struct guest *)about)->down_count > 0;
}

/* ---- a host: the server end ---- */

static void host_joined(void *user, struct bus_link *link)
{
    (void)user;
    for (uint64_t i = 1; i <= 20; i++) {
        struct msg_answer result = {.request = i, .http_status = 200, .body = view_text("{}")};

        bus_link_send(link, MSG_answer, &result);
    }
}

static void host_left(void *user, struct bus_link *link, const char *why)
{
    (void)user;
    (void)link;
    (void)why;
}

static void host_refused(void *user, const char *why)
{
    (void)user;
    (void)why;
}

static const struct bus_server_events HOST_EVENTS = {.joined = host_joined, .left = host_left, .refused = host_refused};
static const struct bus_handlers NO_HANDLERS;

static struct bus_server *host_new(const struct guest *guest)
{
    int fd = svc_listen_unix(guest->path);
    struct bus_server *server;

    assert_true(fd >= 0);
    server = bus_server_new(guest->loop, fd, &FANOUT, &NO_HANDLERS, &HOST_EVENTS, NULL, 1 << 20);
    assert_non_null(server);
    return server;
}

/* ---- tests ---- */

static void test_it_waits_for_the_service_and_comes_back(void **state)
{
    struct guest guest = {0};
    struct bus_server *server;

    guest_begin(&guest, *state);
    await_that(guest.loop, had_trouble, &guest);
    assert_non_null(strstr(guest.trouble, guest.path));
    assert_non_null(strstr(guest.trouble, "No such file"));
    for (unsigned round = 1; round <= 3; round++) {
        server = host_new(&guest);
        await_that(guest.loop, is_up, &guest);
        turn(guest.loop, 2);
        assert_int_equal(guest.up_count, round);
        assert_int_equal(guest.results_count, 20);
        guest.results_count = guest.down_count = 0;
        bus_server_free(server);
        await_that(guest.loop, went_down, &guest);
        assert_string_equal(guest.why, "the peer closed the link");
    }
    guest_end(&guest);
}

static bool had_trouble_twice(void *about)
{
    return ((struct guest *)about)->trouble_count > 1;
}

/* The same failure is told once, a new one again. */
static void test_trouble_is_told_when_it_changes(void **state)
{
    struct guest guest = {0};
    int fd;

    guest_begin(&guest, *state);
    await_that(guest.loop, had_trouble, &guest);
    for (uint64_t until = svc_mono_ms() + 60; svc_mono_ms() < until;) /* some three more attempts */
        turn(guest.loop, 1);
    assert_int_equal(guest.trouble_count, 1);
    fd = svc_listen_unix(guest.path);
    assert_true(fd >= 0);
    close(fd); /* the file stays, nobody listens */
    await_that(guest.loop, had_trouble_twice, &guest);
    assert_non_null(strstr(guest.trouble, "refused"));
    assert_int_equal(guest.up_count + guest.down_count, 0);
    guest_end(&guest);
}

/* A listener that hangs up on everybody before hello, and notes when they came. */
struct doorman {
    struct watch *watch;
    uint64_t came_mono_ms[8];
    unsigned count;
};

static void doorman_readable(void *user)
{
    struct doorman *doorman = user;
    int fd = accept(watch_fd(doorman->watch), NULL, NULL);

    if (fd < 0)
        return;
    close(fd);
    if (doorman->count < ARRAY_LEN(doorman->came_mono_ms))
        doorman->came_mono_ms[doorman->count] = svc_mono_ms();
    doorman->count++;
}

static bool six_came(void *about)
{
    return ((struct doorman *)about)->count >= 6;
}

static void test_the_back_off_grows(void **state)
{
    static const uint64_t WAITS_MS[] = {10, 20, 50, 100, 200};
    struct guest guest = {0};
    struct doorman doorman = {0};
    int fd;

    guest_begin(&guest, *state);
    fd = svc_listen_unix(guest.path);
    assert_true(fd >= 0);
    doorman.watch = watch_new(guest.loop, fd, doorman_readable, &doorman);
    assert_non_null(doorman.watch);
    await_that(guest.loop, six_came, &doorman);
    for (size_t i = 0; i < ARRAY_LEN(WAITS_MS); i++)
        assert_true(doorman.came_mono_ms[i + 1] - doorman.came_mono_ms[i] >= WAITS_MS[i]);
    assert_int_equal(guest.trouble_count, 1);
    assert_string_equal(guest.trouble, "the peer closed the link");
    watch_free(doorman.watch);
    guest_end(&guest);
}

static void test_restart(void **state)
{
    struct guest guest = {.restart_when_up = true};
    struct bus_server *server;

    guest_begin(&guest, *state);
    server = host_new(&guest);
    await_that(guest.loop, is_up, &guest);
    turn(guest.loop, 2);
    assert_int_equal(guest.up_count, 2);
    assert_int_equal(guest.down_count, 1);
    assert_string_equal(guest.why, "a fresh start");
    assert_int_equal(bus_server_count(server), 1);
    guest_end(&guest);
    bus_server_free(server);
}

static bool is_gone(void *about)
{
    return ((struct guest *)about)->client == NULL;
}

static void test_it_may_be_freed_in_its_events(void **state)
{
    static const struct {
        const char *name;
        enum leave_at leave_at;
        bool hosted;
    } CASES[] = {
        {.name = "when up", .leave_at = LEAVE_UP, .hosted = true},
        {.name = "when down", .leave_at = LEAVE_DOWN, .hosted = true},
        {.name = "in trouble", .leave_at = LEAVE_TROUBLE},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct guest guest = {.leave_at = CASES[i].leave_at};
        struct bus_server *server;

        print_message("    %s\n", CASES[i].name);
        guest_begin(&guest, *state);
        server = CASES[i].hosted ? host_new(&guest) : NULL;
        if (CASES[i].leave_at == LEAVE_DOWN) {
            await_that(guest.loop, is_up, &guest);
            bus_server_free(server);
            server = NULL;
        }
        await_that(guest.loop, is_gone, &guest);
        turn(guest.loop, 2);
        bus_server_free(server);
        guest_end(&guest);
    }
}

/* Also the second kind of trouble: inside a deadline, whose lists go away with the client. */
static void test_it_may_be_freed_in_a_later_attempt(void **state)
{
    struct guest guest = {0};
    int fd;

    guest_begin(&guest, *state);
    await_that(guest.loop, had_trouble, &guest);
    guest.leave_at = LEAVE_TROUBLE;
    fd = svc_listen_unix(guest.path);
    assert_true(fd >= 0);
    close(fd);
    await_that(guest.loop, is_gone, &guest);
    guest_end(&guest);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        WITH_LOOP("it waits for the service and comes back", test_it_waits_for_the_service_and_comes_back),
        WITH_LOOP("trouble is told when it changes", test_trouble_is_told_when_it_changes),
        WITH_LOOP("the back-off grows", test_the_back_off_grows),
        WITH_LOOP("restart", test_restart),
        WITH_LOOP("it may be freed in its events", test_it_may_be_freed_in_its_events),
        WITH_LOOP("it may be freed in a later attempt", test_it_may_be_freed_in_a_later_attempt),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
