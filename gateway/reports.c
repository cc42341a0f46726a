/* reports - see reports.h.
 *
 * Invariants
 *   R1  a link to metrics that takes too little is told no more news; when it has taken everything, all that is
 *       remembered is told again. What was told before is recognised by its count
 *   R2  a link has room for all that is remembered: that is limited by its number, not by its telling */
#include "reports.h"

#include <stdlib.h>
#include <sys/un.h>

#include "bus_client.h"
#include "codec.h"
#include "photo_log.h"
#include "run/log.h"
#include "run/svc.h"

enum { LINK_METRICS, LINK_HISTORY, LINK_COUNT };

static const struct {
    const char *name;
    enum peer_kind service;
} LINKS[LINK_COUNT] = {
    [LINK_METRICS] = {"metrics", PEER_METRICS},
    [LINK_HISTORY] = {"history", PEER_HISTORY},
};

struct reports {
    const struct hub_conf *conf;
    struct worker *worker;
    const struct reports_events *events;
    void *user;
    struct bus_client *clients[LINK_COUNT];
    struct photo_log *photos;
    struct session_log *sessions;
    bool metrics_behind; /* R1 */
};

static struct bus_link *link_of(const struct reports *reports, int which)
{
    return bus_client_link(reports->clients[which]);
}

static int which_service(enum peer_kind service)
{
    return service == PEER_METRICS ? LINK_METRICS : LINK_HISTORY;
}

/* ---- pictures, to metrics ---- */

static void tell_photo(void *user, const struct msg_photo_stored *stored)
{
    bus_link_send(link_of(user, LINK_METRICS), MSG_photo_stored, stored);
}

void reports_photo(struct reports *reports, const struct msg_photo_stored *stored)
{
    const struct msg_photo_stored *kept = photo_log_add(reports->photos, stored);
    struct bus_link *link = link_of(reports, LINK_METRICS);

    if (kept == NULL || link == NULL)
        return; /* without memory a statistic is what can be spared */
    reports->metrics_behind |= bus_link_queued_bytes(link) > reports->conf->bus_queue_max_bytes / 2;
    if (reports->metrics_behind)
        return; /* R1 */
    tell_photo(reports, kept);
}

void reports_flush(struct reports *reports)
{
    struct bus_link *link = link_of(reports, LINK_METRICS);

    if (link != NULL)
        bus_link_flush(link);
}

static void tell_all_photos(struct reports *reports)
{
    reports->metrics_behind = false;
    photo_log_each(reports->photos, tell_photo, reports);
}

/* ---- sessions, to history ---- */

static void tell_session(void *user, const struct msg_session *record)
{
    struct reports *reports = user;
    struct bus_link *link = link_of(reports, LINK_HISTORY);

    if (link != NULL)
        bus_link_send(link, MSG_session, record);
}

static void session_changed(void *user, const struct msg_session *record)
{
    struct reports *reports = user;

    tell_session(user, record);
    if (link_of(reports, LINK_HISTORY) != NULL)
        bus_link_flush(link_of(reports, LINK_HISTORY));
}

static void session_given_up(void *user, const struct msg_session *record)
{
    struct reports *reports = user;

    count_add(reports->worker->slot, COUNTER_sessions_given_up, 1);
    if (count_get(reports->worker->slot, COUNTER_sessions_given_up) == 1)
        log_error("sessions_given_up", "worker=%u camera=%s reason=\"history is away for too long\"",
                  reports->worker->number, log_quote(record->camera));
}

struct logged_session *reports_session_open(struct reports *reports, const char *camera, const char *address,
                                            uint16_t port)
{
    return session_log_open(reports->sessions, camera, address, port, svc_utc_us());
}

struct logged_session *reports_session_adopt(struct reports *reports, const struct msg_session *former,
                                             uint64_t former_origin)
{
    return session_log_adopt(reports->sessions, former, former_origin);
}

void reports_session_rename(struct reports *reports, struct logged_session *session, const char *camera)
{
    session_log_rename(reports->sessions, session, camera);
}

void reports_session_end(struct reports *reports, struct logged_session **session, enum session_end end)
{
    if (*session != NULL)
        session_log_end(reports->sessions, *session, end, svc_utc_us());
    *session = NULL;
}

/* ---- parking ---- */

struct park {
    struct parking_writer *parking;
    uint64_t origin;
};

static void park_session(void *user, const struct msg_session *record)
{
    const struct park *park = user;
    struct bytes parked = {0}, encoded = {0};

    if (record->ended_utc_us != 0 && codec_encode(&encoded, MSG_session, record) == 0 &&
        record_put_u64(&parked, park->origin) == 0 &&
        record_put_blob(&parked, view_of(bytes_begin(&encoded), encoded.length)) == 0)
        parking_add(park->parking, -1, view_of(bytes_begin(&parked), parked.length));
    bytes_done(&encoded);
    bytes_done(&parked);
}

void reports_park(struct reports *reports, struct parking_writer *parking)
{
    struct park park = {.parking = parking, .origin = reports->worker->identity.incarnation};

    session_log_each(reports->sessions, park_session, &park);
}

void reports_adopt_record(struct reports *reports, struct view record)
{
    struct record_reader reader = {.left = record};
    uint64_t origin = record_get_u64(&reader);
    struct view encoded = record_get_blob(&reader);
    struct codec_error error;
    enum msg_type type;
    union msg_any msg;

    if (!reader.is_broken && codec_decode(encoded, &type, &msg, &error) == 0 && type == MSG_session)
        session_log_adopt(reports->sessions, &msg.session, origin);
}

bool reports_are_settled(const struct reports *reports)
{
    return session_log_is_settled(reports->sessions);
}

static void on_session_stored(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct reports *reports = user;

    (void)link;
    session_log_stored(reports->sessions, msg->session_stored.number, msg->session_stored.version);
}

/* ---- questions ---- */

bool reports_ask(struct reports *reports, enum peer_kind service, const struct msg_ask *ask)
{
    struct bus_link *link = link_of(reports, which_service(service));

    if (link != NULL)
        bus_link_send(link, MSG_ask, ask);
    return link != NULL;
}

static void on_answer(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct reports *reports = user;

    (void)link;
    reports->events->answer(reports->user, &msg->answer);
}

/* ---- links coming and going ---- */

static int which_client(const struct reports *reports, const struct bus_client *client)
{
    return client == reports->clients[LINK_METRICS] ? LINK_METRICS : LINK_HISTORY;
}

static void link_up(void *user, struct bus_client *client)
{
    struct reports *reports = user;
    int which = which_client(reports, client);

    log_info("link_up", "worker=%u to=%s", reports->worker->number, LINKS[which].name);
    page_set_link(reports->worker->slot, PAGE_LINK(LINKS[which].service, LANE_SIGHTINGS), true);
    if (which == LINK_METRICS) {
        tell_all_photos(reports);
        return;
    }
    session_log_each(reports->sessions, tell_session, reports);
    bus_link_send(bus_client_link(client), MSG_seed_end, &(struct msg_seed_end){});
}

static void link_down(void *user, struct bus_client *client, const char *why)
{
    struct reports *reports = user;
    int which = which_client(reports, client);

    log_warn("link_down", "worker=%u to=%s reason=%s", reports->worker->number, LINKS[which].name, log_quote(why));
    page_set_link(reports->worker->slot, PAGE_LINK(LINKS[which].service, LANE_SIGHTINGS), false);
    count_add(reports->worker->slot, COUNTER_link_losses, 1);
    reports->events->answers_lost(reports->user, LINKS[which].service);
}

static void link_trouble(void *user, struct bus_client *client, const char *why)
{
    struct reports *reports = user;

    log_warn("link_trouble", "worker=%u to=%s reason=%s", reports->worker->number,
             LINKS[which_client(reports, client)].name, log_quote(why));
}

static void link_taken(void *user, struct bus_client *client)
{
    struct reports *reports = user;

    if (reports->metrics_behind && which_client(reports, client) == LINK_METRICS &&
        bus_link_queued_bytes(bus_client_link(client)) == 0)
        tell_all_photos(reports); /* R1 */
}

static const struct bus_client_events CLIENT_EVENTS = {
    .up = link_up, .down = link_down, .trouble = link_trouble, .taken = link_taken};

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_answer] = on_answer,
                                                 [MSG_session_stored] = on_session_stored,
                                             }};

/* ---- the rest ---- */

void reports_tick(struct reports *reports)
{
    count_set(reports->worker->slot, COUNTER_sessions_kept, session_log_count(reports->sessions));
}

static int connect_all(struct reports *reports)
{
    const struct hub_conf *conf = reports->conf;
    const uint64_t remembered_bytes[LINK_COUNT] = {
        /* R2 */
        [LINK_METRICS] = (uint64_t)conf->cameras_max_count * PHOTO_LOG_NEWEST * sizeof(struct msg_photo_stored),
        [LINK_HISTORY] = (uint64_t)conf->sessions_kept_max_count * sizeof(struct msg_session),
    };
    char path[sizeof((struct sockaddr_un){0}.sun_path)];

    for (int i = 0; i < LINK_COUNT; i++) {
        if (conf_socket_path(conf, LINKS[i].name, path, sizeof path) < 0)
            return -1;
        reports->clients[i] =
            bus_client_new(reports->worker->loop, path, LANE_SIGHTINGS, &reports->worker->identity, &HANDLERS,
                           &CLIENT_EVENTS, reports, conf->bus_queue_max_bytes + remembered_bytes[i]);
        if (reports->clients[i] == NULL)
            return -1;
    }
    return 0;
}

struct reports *reports_new(const struct hub_conf *conf, struct worker *worker, const struct reports_events *events,
                            void *user)
{
    struct reports *reports = calloc(1, sizeof *reports);

    if (reports == NULL)
        return NULL;
    *reports = (struct reports){.conf = conf, .worker = worker, .events = events, .user = user};
    reports->photos = photo_log_new(conf->cameras_max_count);
    reports->sessions = session_log_new(conf->sessions_kept_max_count, session_changed, session_given_up, reports);
    if (reports->photos == NULL || reports->sessions == NULL || connect_all(reports) < 0) {
        reports_free(reports);
        return NULL;
    }
    return reports;
}

void reports_free(struct reports *reports)
{
    if (reports == NULL)
        return;
    for (int i = 0; i < LINK_COUNT; i++)
        bus_client_free(reports->clients[i]);
    photo_log_free(reports->photos);
    session_log_free(reports->sessions);
    free(reports);
}
