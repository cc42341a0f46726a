/* What a former gateway left of a session: any bytes make a session or an error. A session that was made of them can be
 * written down, and what is written makes the same session again. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parking.h"
#include "ws_session.h"

#define DEMAND(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

#define LOG_BYTES_MAX (NAME_BYTES_MAX + ADDRESS_BYTES_MAX + 128u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hub_conf conf;
static struct worker worker;

/* A gateway worker without doors, whose services are away. */
struct hall {
    struct newest newest;
    struct uplink *uplink;
    struct reports *reports;
    struct ws_sessions *sessions;
};

static void say_nothing(void *user)
{
    (void)user;
}

static void lose_nothing(void *user, enum peer_kind service)
{
    (void)user;
    (void)service;
}

static void start_once(void)
{
    static char program[] = "fuzz", no_file[] = "--config=", runtime[] = "--runtime-dir=/nonexistent",
                state[] = "--state-dir=/nonexistent";
    char *words[] = {program, no_file, runtime, state, NULL};
    static struct page *page;
    struct conf_error error;

    if (page != NULL)
        return;
    log_open("fuzz", (enum log_level)0);
    DEMAND(conf_load((int)ARRAY_LEN(words) - 1, words, "fuzz", &conf, &error) == 0);
    DEMAND(page_create(NULL, "gateway", 1, &page) == 0);
    DEMAND(worker_init(&worker, PEER_GATEWAY, page, 0, -1) == 0);
}

static void hall_open(struct hall *hall)
{
    static const struct uplink_events UPLINK_EVENTS = {
        .answers_lost = say_nothing, .room = say_nothing, .ready_to_serve = say_nothing};
    static const struct reports_events REPORTS_EVENTS = {.answers_lost = lose_nothing};

    *hall = (struct hall){0};
    DEMAND(newest_init(&hall->newest, &conf) == 0);
    hall->uplink = uplink_new(&conf, &worker, &UPLINK_EVENTS, hall);
    hall->reports = reports_new(&conf, &worker, &REPORTS_EVENTS, hall);
    hall->sessions = ws_sessions_new(&conf, &worker, &hall->newest);
    DEMAND(hall->uplink != NULL && hall->reports != NULL && hall->sessions != NULL);
    ws_sessions_set_services(hall->sessions, hall->uplink, hall->reports);
    ws_sessions_take_in(hall->sessions, false);
}

static void hall_close(struct hall *hall)
{
    ws_sessions_free(hall->sessions);
    reports_free(hall->reports);
    uplink_free(hall->uplink);
    newest_done(&hall->newest);
    h2o_evloop_run(loop_h2o(worker.loop), 0); /* sockets that were closed are freed by the loop */
}

static void keep(void *user, int socket, struct view record)
{
    DEMAND(socket >= 0);
    close(socket);
    DEMAND(bytes_append(user, record.bytes, record.length) == 0);
}

/* Adopts a record and parks the session again. Returns whether there was one. */
static bool pass_through(struct view record, struct bytes *ret_parked)
{
    struct parking_writer writer = {0};
    struct hall hall;
    int ends[2], pair[2], taken;
    bool is_one;

    hall_open(&hall);
    DEMAND(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    DEMAND(parking_new(&pair[0], &pair[1]) == 0);
    writer.write_fd = pair[0];
    is_one = ws_session_adopt(
                 hall.sessions,
                 h2o_evloop_socket_create(loop_h2o(worker.loop), ends[0], H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION),
                 record) == 0;
    DEMAND(ws_sessions_count(hall.sessions) == is_one);
    ws_sessions_park(hall.sessions, &writer);
    taken = parking_take(pair[1], keep, ret_parked);
    DEMAND(taken == is_one);
    parking_writer_done(&writer);
    hall_close(&hall);
    close(pair[0]);
    close(pair[1]);
    close(ends[1]);
    return is_one;
}

/* All but its end, where the record for history stands, whose version rises with every hand-over. */
static struct view lasting(const struct bytes *record)
{
    return view_of(bytes_begin(record), record->length > LOG_BYTES_MAX ? record->length - LOG_BYTES_MAX : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes first = {0}, second = {0};

    start_once();
    if (pass_through(view_of(data, size), &first)) {
        DEMAND(pass_through(view_of(bytes_begin(&first), first.length), &second));
        DEMAND(view_equals(lasting(&first), view_of(bytes_begin(&second), lasting(&first).length)));
    }
    bytes_done(&first);
    bytes_done(&second);
    return 0;
}
