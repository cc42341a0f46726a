/* gateway - see gateway.h. Joins the modules of a worker; each of them knows only what it is given here. */
#include "gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doors.h"
#include "http.h"
#include "newest.h"
#include "reports.h"
#include "run/log.h"
#include "udp.h"
#include "uplink.h"
#include "ws_session.h"

/* After SIGTERM: replies that are due are given this long, then what is left is cut. */
#define STOP_GRACE_MS 1000u

/* While parking: how often to see whether nothing is under way any more, and for how long to wait for it. A service that
 * is away would hold everybody up: then what is unsettled costs its sender the connection. Who need not hurry first
 * serves on until the requests that are under way have ended: by rounds, for others begin meanwhile, of which the long
 * ones are waited for too. When a round is over as soon as PARK_ROUND_MS, none of these is left. */
#define PARK_LOOK_MS      2u
#define PARK_FINISH_MS    5000u
#define PARK_ROUND_MS     50u
#define PARK_HTTP_MS      200u
#define PARK_UNSETTLED_MS 400u

/* While adopting: between two batches, and how long to wait for workers that have yet to take their share. */
#define ADOPT_PAUSE_MS 1u
#define ADOPT_SHARE_MS 100u

struct gateway {
    struct worker worker;
    struct newest newest;
    struct ws_sessions *sessions;
    struct http *http;
    struct uplink *uplink;
    struct reports *reports;
    struct udp *udp;
    struct doors *doors;
    bool stopping;
    uint64_t cut_mono_ms;
    const struct gateway_sockets *sockets;
    struct deadline_list park_list, adopt_list;
    struct deadline park_deadline, adopt_deadline;
    uint64_t finish_began_mono_ms, round_began_mono_ms, park_began_mono_ms, adopt_began_mono_ms;
};

static void on_sighting(void *user, const struct msg_sighting *sighting)
{
    struct gateway *gateway = user;
    struct out_frame *frame =
        out_frame_new(WS_OPCODE_TEXT, sighting->json, OUT_SIGHTING, out_key(sighting->camera, sighting->tag));

    if (frame == NULL || newest_keep_sighting(&gateway->newest, sighting->camera, sighting->tag,
                                              sighting->arrived_utc_us, frame, true) < 0)
        abort(); /* a worker that forgets what it acknowledges must not go on; its master starts another */
    ws_sessions_broadcast(gateway->sessions, frame, sighting->arrived_utc_us);
    out_frame_unref(frame);
}

static void on_kept(void *user, const struct msg_kept *kept)
{
    struct gateway *gateway = user;
    struct out_frame *frame = out_frame_new(WS_OPCODE_TEXT, kept->json, OUT_SIGHTING, out_key(kept->camera, kept->tag));

    if (frame != NULL)
        newest_keep_sighting(&gateway->newest, kept->camera, kept->tag, kept->arrived_utc_us, frame, false);
    out_frame_unref(frame);
}

static void on_photo(void *user, const struct msg_photo *photo)
{
    struct gateway *gateway = user;

    newest_keep_photo(&gateway->newest, photo);
}

static uint64_t on_command(void *user, const struct msg_command *command, bool first)
{
    struct gateway *gateway = user;

    return ws_sessions_command(gateway->sessions, command->camera, command->event, first);
}

static void on_photo_stored(void *user, const struct msg_photo_stored *stored)
{
    struct gateway *gateway = user;

    reports_photo(gateway->reports, stored);
}

static void on_answer(void *user, const struct msg_answer *answer)
{
    struct gateway *gateway = user;

    http_answer(gateway->http, answer);
}

static void on_answers_lost(void *user, enum peer_kind service)
{
    struct gateway *gateway = user;

    http_answers_lost(gateway->http, service);
}

static void on_answers_of_fanout_lost(void *user)
{
    on_answers_lost(user, PEER_FANOUT);
}

static void on_room(void *user)
{
    struct gateway *gateway = user;

    ws_sessions_room(gateway->sessions);
    udp_room(gateway->udp);
}

/* ---- sessions that were parked ---- */

static void adopt_session(void *user, int socket, struct view record)
{
    struct gateway *gateway = user;

    if (socket >= 0 && http_adopt(gateway->http, socket, record) < 0)
        log_warn("session_not_adopted", "worker=%u", gateway->worker.number);
    else if (socket < 0)
        reports_adopt_record(gateway->reports, record);
}

/* Whether another worker, perhaps one that is just starting, should take the next batch. */
static bool has_its_share(const struct gateway *gateway)
{
    const struct page *page = gateway->worker.page;
    uint64_t mine = count_get(gateway->worker.slot, COUNTER_connections);

    if (loop_now_mono_ms(gateway->worker.loop) - gateway->adopt_began_mono_ms >= ADOPT_SHARE_MS)
        return false;
    for (unsigned i = 0; i < page->slot_count; i++) {
        uint32_t state = atomic_load(&page->slots[i].state);

        if ((state == SLOT_STARTING || state == SLOT_ALIVE) &&
            count_get(&page->slots[i], COUNTER_connections) + PARKING_BATCH <= mine)
            return true;
    }
    return false;
}

/* Nobody opens a door, or reads a camera, before every game is in somebody's hands again: none shall miss a sighting. */
static void adopt_some(struct deadline *deadline)
{
    struct gateway *gateway = H2O_STRUCT_FROM_MEMBER(struct gateway, adopt_deadline, deadline);
    int parking = gateway->sockets->park_read_fd, count = 0;

    if (gateway->stopping)
        return;
    if (parking_is_empty(parking)) {
        ws_sessions_take_in(gateway->sessions, true);
        doors_open(gateway->doors);
        worker_is_alive(&gateway->worker);
        udp_tick(gateway->udp);
        return;
    }
    if (!has_its_share(gateway))
        count = parking_take(parking, adopt_session, gateway);
    if (count < 0)
        log_error("parking_broken", "worker=%u error=%s", gateway->worker.number, strerror(-count));
    if (count > 0)
        log_info("sessions_adopted", "worker=%u count=%d", gateway->worker.number, count);
    deadline_arm(gateway->worker.loop, &gateway->adopt_list, deadline);
}

static void on_ready_to_serve(void *user)
{
    struct gateway *gateway = user;

    gateway->adopt_began_mono_ms = loop_now_mono_ms(gateway->worker.loop);
    adopt_some(&gateway->adopt_deadline);
}

/* ---- parking ---- */

/* Behind the last turn of the loop: what libh2o has read until then is in its buffers, and nothing is read any more. */
static void park_all(struct gateway *gateway)
{
    struct parking_writer parking = {.write_fd = gateway->sockets->park_write_fd};

    uplink_catch_up(gateway->uplink); /* what the last of the others took in */
    reports_park(gateway->reports, &parking);
    ws_sessions_park(gateway->sessions, &parking);
    parking_writer_done(&parking);
}

static void begin_to_park(struct gateway *gateway)
{
    gateway->stopping = true; /* of everything but sessions */
    gateway->cut_mono_ms = UINT64_MAX;
    gateway->park_began_mono_ms = loop_now_mono_ms(gateway->worker.loop);
    doors_close(gateway->doors);
    udp_stop(gateway->udp);
    http_begin_stop(gateway->http);
    ws_sessions_take_in(gateway->sessions, false);
}

static void look_whether_quiet(struct gateway *gateway)
{
    uint64_t waited_ms = loop_now_mono_ms(gateway->worker.loop) - gateway->park_began_mono_ms;
    bool is_quiet = uplink_is_quiet(gateway->uplink) && ws_sessions_are_quiet(gateway->sessions) &&
                    (!http_is_busy(gateway->http) || waited_ms >= PARK_HTTP_MS);

    atomic_store(&gateway->worker.slot->park_stage, is_quiet ? PARK_QUIET : PARK_FINISHED);
    if (page_all_at(gateway->worker.page, PARK_QUIET) || waited_ms >= PARK_UNSETTLED_MS)
        loop_stop(gateway->worker.loop);
}

static void look_whether_finished(struct gateway *gateway)
{
    uint64_t now = loop_now_mono_ms(gateway->worker.loop);
    bool is_round_over = !http_is_marked_busy(gateway->http);

    if (now - gateway->finish_began_mono_ms >= PARK_FINISH_MS ||
        (is_round_over && now - gateway->round_began_mono_ms < PARK_ROUND_MS)) {
        atomic_store(&gateway->worker.slot->park_stage, PARK_FINISHED);
    } else if (is_round_over) {
        gateway->round_began_mono_ms = now;
        http_mark_busy(gateway->http);
    }
}

/* The steps of enum park_stage. */
static void go_on_parking(struct deadline *deadline)
{
    struct gateway *gateway = H2O_STRUCT_FROM_MEMBER(struct gateway, park_deadline, deadline);

    if (gateway->park_began_mono_ms == 0 && atomic_load(&gateway->worker.slot->park_stage) == PARK_SERVES)
        look_whether_finished(gateway);
    if (gateway->park_began_mono_ms == 0 && page_all_at(gateway->worker.page, PARK_FINISHED))
        begin_to_park(gateway);
    if (gateway->park_began_mono_ms != 0)
        look_whether_quiet(gateway);
    deadline_arm(gateway->worker.loop, &gateway->park_list, deadline);
}

static void on_park(void *user, bool hurry)
{
    struct gateway *gateway = user;

    if (gateway->finish_began_mono_ms == 0) {
        gateway->finish_began_mono_ms = gateway->round_began_mono_ms = loop_now_mono_ms(gateway->worker.loop);
        atomic_store(&gateway->worker.slot->park_stage, PARK_SERVES);
        http_mark_busy(gateway->http);
    }
    if (hurry && gateway->park_began_mono_ms == 0)
        begin_to_park(gateway);
    go_on_parking(&gateway->park_deadline);
}

static void seed_sightings(void *user, struct bus_link *link)
{
    struct gateway *gateway = user;

    newest_seed_sightings(&gateway->newest, link);
}

static void seed_photos(void *user, struct bus_link *link)
{
    struct gateway *gateway = user;

    newest_seed_photos(&gateway->newest, link);
}

static const struct uplink_events UPLINK_EVENTS = {
    .sighting = on_sighting,
    .kept = on_kept,
    .photo = on_photo,
    .command = on_command,
    .photo_stored = on_photo_stored,
    .answer = on_answer,
    .answers_lost = on_answers_of_fanout_lost,
    .room = on_room,
    .ready_to_serve = on_ready_to_serve,
    .seed_sightings = seed_sightings,
    .seed_photos = seed_photos,
};

static const struct reports_events REPORTS_EVENTS = {.answer = on_answer, .answers_lost = on_answers_lost};

static void tend_stop(struct gateway *gateway)
{
    bool late = loop_now_mono_ms(gateway->worker.loop) >= gateway->cut_mono_ms;

    if (late)
        http_abort(gateway->http);
    if (late || (http_connection_count(gateway->http) == 0 && reports_are_settled(gateway->reports)))
        loop_stop(gateway->worker.loop);
}

static void on_tick(void *user)
{
    struct gateway *gateway = user;

    uplink_tick(gateway->uplink, ws_sessions_count(gateway->sessions) > 0);
    reports_tick(gateway->reports);
    count_set(gateway->worker.slot, COUNTER_links_up,
              (unsigned)__builtin_popcount(atomic_load(&gateway->worker.slot->links)));
    if (gateway->park_began_mono_ms != 0)
        return;
    if (gateway->stopping)
        tend_stop(gateway);
    else if (atomic_load(&gateway->worker.slot->state) == SLOT_ALIVE)
        udp_tick(gateway->udp);
}

static void on_stop(void *user)
{
    struct gateway *gateway = user;

    gateway->stopping = true;
    gateway->cut_mono_ms = loop_now_mono_ms(gateway->worker.loop) + STOP_GRACE_MS;
    doors_close(gateway->doors);
    udp_stop(gateway->udp);
    http_begin_stop(gateway->http);
    ws_sessions_close_all(gateway->sessions);
}

static int open_modules(struct gateway *gateway, const struct hub_conf *conf, const struct gateway_sockets *sockets)
{
    struct worker *worker = &gateway->worker;

    if (newest_init(&gateway->newest, conf) < 0)
        return -ENOMEM;
    gateway->sessions = ws_sessions_new(conf, worker, &gateway->newest);
    if (gateway->sessions == NULL)
        return -ENOMEM;
    gateway->http = http_new(conf, worker, &gateway->newest, gateway->sessions);
    if (gateway->http == NULL)
        return -ENOMEM;
    gateway->doors = doors_new(conf, worker, gateway->http, sockets);
    gateway->uplink = uplink_new(conf, worker, &UPLINK_EVENTS, gateway);
    gateway->reports = reports_new(conf, worker, &REPORTS_EVENTS, gateway);
    if (gateway->doors == NULL || gateway->uplink == NULL || gateway->reports == NULL)
        return -ENOMEM;
    gateway->udp = udp_new(conf, worker, gateway->uplink, &sockets->udp);
    if (gateway->udp == NULL)
        return -ENOMEM;
    ws_sessions_set_services(gateway->sessions, gateway->uplink, gateway->reports);
    ws_sessions_take_in(gateway->sessions, false); /* see adopt_some() */
    http_set_services(gateway->http, gateway->uplink, gateway->reports);
    return 0;
}

static void close_modules(struct gateway *gateway)
{
    doors_free(gateway->doors);
    if (gateway->http != NULL)
        http_abort(gateway->http);
    ws_sessions_free(gateway->sessions);
    udp_free(gateway->udp);
    uplink_free(gateway->uplink);
    reports_free(gateway->reports);
    http_free(gateway->http);
    newest_done(&gateway->newest);
}

int gateway_run(const struct hub_conf *conf, struct page *page, const struct gateway_sockets *sockets, unsigned number,
                int master_fd)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    int r;

    if (gateway == NULL)
        return -ENOMEM;
    r = worker_init(&gateway->worker, PEER_GATEWAY, page, number, master_fd);
    if (r < 0)
        goto out;
    gateway->worker.on_tick = on_tick;
    gateway->worker.on_stop = on_stop;
    gateway->worker.on_park = on_park;
    gateway->worker.user = gateway;
    gateway->sockets = sockets;
    gateway->park_deadline.fire = go_on_parking;
    gateway->adopt_deadline.fire = adopt_some;
    loop_add_deadlines(gateway->worker.loop, &gateway->park_list, PARK_LOOK_MS);
    loop_add_deadlines(gateway->worker.loop, &gateway->adopt_list, ADOPT_PAUSE_MS);
    r = open_modules(gateway, conf, sockets);
    if (r == 0)
        r = worker_run(&gateway->worker);
    if (r == 0 && gateway->park_began_mono_ms != 0) {
        park_all(gateway);
        _exit(
            EXIT_SUCCESS); /* libh2o cannot be taken down with requests open, and the kernel closes everything faster */
    }
    deadline_disarm(&gateway->park_deadline);
    deadline_disarm(&gateway->adopt_deadline);
    close_modules(gateway);
    worker_done(&gateway->worker);
out:
    free(gateway);
    return r;
}
