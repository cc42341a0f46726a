/* relay - see relay.h.
 *
 * Why it may die at any moment: a message lies in the gateway until it is settled, and everything
 * needed to judge it travels with it. So a relay never asks whether something was done before; it
 * only has to keep the order in which a gateway sends, also where something gets lost.
 *
 * Invariants
 *   I1  nothing about a device outlives the handler of its message
 *   I2  go back, in order: after the first sighting or command of a link that fanout may not have
 *       got, none of that link is passed on any more. Such a link is tainted. Verdicts go on, so that
 *       an identify or a ping is answered without fanout. When fanout is back, tainted links are
 *       dropped; their gateways connect again and send from the oldest unsettled message on
 *   I3  pictures are not retained: without fanout, or with too many waiting for it, they are refused
 *   I4  no queue grows without end: who fills one is not read until it is short again
 */
#include "relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus_client.h"
#include "bus_server.h"
#include "judge.h"
#include "reply.h"
#include "run/log.h"

#define REFUSED_LINES_PER_S 10u
#define TICKS_PER_S         (1000u / WORKER_TICK_MS)

struct relay {
    struct worker *worker;
    const struct hub_conf *conf;
    struct judge *judge;
    struct bus_server *gateways;
    struct bus_client *fanout[LANE_COUNT];
    char fanout_path[sizeof((struct sockaddr_un){0}.sun_path)];
    bool is_full; /* I4: too much waits for fanout on the sightings lane */
    unsigned ticks_count;
    struct log_limit refused_limit; /* for lines that others cause */
};

static const char *const LANE_NAMES[LANE_COUNT] = {
    [LANE_SIGHTINGS] = "sightings",
    [LANE_PHOTOS] = "photos",
};

static const char *const SOURCE_NAMES[SOURCE_COUNT] = {
    [SOURCE_WEBSOCKET] = "websocket",         [SOURCE_HTTP_TAG] = "http_tag", [SOURCE_HTTP_PHOTO] = "http_photo",
    [SOURCE_HTTP_INTERVAL] = "http_interval", [SOURCE_UDP] = "udp",
};

/* ---- links from gateways ---- */

/* All that a link has to remember is a flag, so its context is one: NULL or this. */
static const char TAINTED[] = "tainted";

static bool is_tainted(const struct bus_link *link)
{
    return bus_link_context(link) != NULL;
}

static void taint(struct bus_link *link)
{
    bus_link_set_context(link, (void *)(uintptr_t)TAINTED);
}

static bool is_on_lane(const struct bus_link *link, enum lane lane)
{
    return bus_link_peer(link)->lane == (uint64_t)lane;
}

/* I4. Between the two bounds reading stays as it is, so that it does not flutter. */
static void adjust_reading(const struct relay *relay, struct bus_link *link)
{
    bool waits_for_fanout = relay->is_full && is_on_lane(link, LANE_SIGHTINGS);
    size_t queued_bytes = bus_link_queued_bytes(link);

    if (waits_for_fanout || queued_bytes > relay->conf->bus_queue_max_bytes / 2)
        bus_link_pause(link);
    else if (queued_bytes < relay->conf->bus_queue_max_bytes / 4)
        bus_link_resume(link);
}

static void adjust_reading_of_all(struct relay *relay)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(relay->gateways, link)) != NULL)
        adjust_reading(relay, link);
}

static void drop_all_on_lane(struct relay *relay, enum lane lane, bool only_tainted, const char *why)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(relay->gateways, link)) != NULL) {
        if (is_on_lane(link, lane) && (!only_tainted || is_tainted(link)))
            bus_server_drop(relay->gateways, link, why);
    }
}

/* What came by the wrong lane is not judged: the promises of the lanes differ. */
static bool came_by(const struct relay *relay, struct bus_link *link, enum lane lane)
{
    if (is_on_lane(link, lane))
        return true;
    bus_server_drop(relay->gateways, link, "a message on the wrong lane");
    return false;
}

/* ---- answers ---- */

static void answer(const struct relay *relay, struct bus_link *link, const struct msg_verdict *verdict)
{
    if (verdict->reject != REJECT_none)
        count_refused(relay->worker->slot, (enum reject)verdict->reject);
    bus_link_send(link, MSG_verdict, verdict);
    adjust_reading(relay, link);
}

static void log_refused(struct relay *relay, enum source source, const struct msg_verdict *verdict, const char *camera,
                        const char *address)
{
    if (verdict->reject == REJECT_none)
        return;
    log_limited(&relay->refused_limit, LOG_LEVEL_WARNING, "message_refused",
                "worker=%u source=%s reason=%s camera=%s address=%s", relay->worker->number, SOURCE_NAMES[source],
                reject_name((enum reject)verdict->reject), log_quote(camera), log_quote(address));
}

/* ---- texts ---- */

/* I2 */
static void pass_on(struct relay *relay, struct bus_link *from, enum msg_type type, const void *msg)
{
    struct bus_link *fanout = bus_client_link(relay->fanout[LANE_SIGHTINGS]);

    if (fanout == NULL)
        taint(from);
    if (is_tainted(from))
        return;
    bus_link_send(fanout, type, msg);
    if (!relay->is_full && bus_link_queued_bytes(fanout) > relay->conf->bus_queue_max_bytes / 2) {
        relay->is_full = true;
        adjust_reading_of_all(relay);
    }
}

static void on_text(void *user, struct bus_link *link, const union msg_any *msg)
{
    const struct msg_device_text *text = &msg->device_text;
    struct relay *relay = user;
    struct judged judged;

    if (!came_by(relay, link, LANE_SIGHTINGS))
        return;
    count_add(relay->worker->slot, COUNTER_texts, 1);
    judge_text(relay->judge, text, bus_link_peer(link)->incarnation, &judged);
    switch (judged.kind) {
    case JUDGED_VERDICT:
        log_refused(relay, (enum source)text->source, &judged.verdict, text->fallback_name, text->address);
        answer(relay, link, &judged.verdict);
        break;
    case JUDGED_SIGHTING:
        pass_on(relay, link, MSG_sighting, &judged.sighting);
        break;
    case JUDGED_COMMAND:
        pass_on(relay, link, MSG_command, &judged.command);
        break;
    case JUDGED_PHOTO:
        assert(judged.kind != JUDGED_PHOTO); /* no text becomes a picture */
        break;
    }
}

/* ---- pictures ---- */

/* I3. Why a good picture cannot go to fanout now; REJECT_none when it can. */
static enum reject photo_obstacle(const struct relay *relay)
{
    const struct bus_link *fanout = bus_client_link(relay->fanout[LANE_PHOTOS]);

    if (fanout == NULL)
        return REJECT_unavailable;
    if (bus_link_queued_bytes(fanout) > relay->conf->photo_memory_bytes)
        return REJECT_overload;
    return REJECT_none;
}

/* A WebSocket is told nothing: its camera could do nothing about it, and sends the next picture. */
static void give_up_photo(struct relay *relay, struct bus_link *link, const struct msg_device_photo *photo,
                          enum reject why)
{
    struct msg_verdict verdict = {.seq = photo->seq, .reject = why};
    char reply[REPLY_BYTES_MAX];

    if (photo->source != SOURCE_WEBSOCKET) {
        verdict.http_status = 503;
        verdict.reply = reply_refusal(
            REPLY_FORM_STATUS,
            why == REJECT_overload ? "Too many pictures are waiting" : "Pictures cannot be stored now", reply);
    }
    count_add(relay->worker->slot, COUNTER_photos_dropped, 1);
    log_refused(relay, (enum source)photo->source, &verdict, photo->camera, NULL);
    answer(relay, link, &verdict);
}

static void on_photo(void *user, struct bus_link *link, const union msg_any *msg)
{
    const struct msg_device_photo *photo = &msg->device_photo;
    struct relay *relay = user;
    struct judged judged;
    enum reject obstacle;

    if (!came_by(relay, link, LANE_PHOTOS))
        return;
    count_add(relay->worker->slot, COUNTER_photos, 1);
    judge_photo(relay->judge, photo, bus_link_peer(link)->incarnation, &judged);
    if (judged.kind == JUDGED_VERDICT) {
        log_refused(relay, (enum source)photo->source, &judged.verdict, photo->camera, NULL);
        answer(relay, link, &judged.verdict);
        return;
    }
    assert(judged.kind == JUDGED_PHOTO);
    obstacle = photo_obstacle(relay);
    if (obstacle != REJECT_none)
        give_up_photo(relay, link, photo, obstacle);
    else
        bus_link_send(bus_client_link(relay->fanout[LANE_PHOTOS]), MSG_photo, &judged.photo);
}

/* ---- gateways coming and going ---- */

static void gateway_joined(void *user, struct bus_link *link)
{
    const struct msg_hello *peer = bus_link_peer(link);
    struct relay *relay = user;

    log_info("link_joined", "worker=%u peer=%s slot=%u lane=%s", relay->worker->number,
             peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot, LANE_NAMES[peer->lane]);
    count_set(relay->worker->slot, COUNTER_connections, bus_server_count(relay->gateways));
    adjust_reading(relay, link);
}

static void gateway_left(void *user, struct bus_link *link, const char *why)
{
    const struct msg_hello *peer = bus_link_peer(link);
    struct relay *relay = user;

    log_info("link_left", "worker=%u peer=%s slot=%u lane=%s reason=%s", relay->worker->number,
             peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot, LANE_NAMES[peer->lane], log_quote(why));
    /* it still counts until it is freed */
    count_set(relay->worker->slot, COUNTER_connections, bus_server_count(relay->gateways) - 1);
}

static void gateway_taken(void *user, struct bus_link *link)
{
    adjust_reading(user, link);
}

static void stranger_refused(void *user, const char *why)
{
    struct relay *relay = user;

    log_limited(&relay->refused_limit, LOG_LEVEL_WARNING, "link_refused", "worker=%u reason=%s", relay->worker->number,
                log_quote(why));
}

static bool may_take_one_more(void *user)
{
    const struct relay *relay = user;

    return page_gate(relay->worker->page, relay->worker->number, COUNTER_connections, 0);
}

static const struct bus_server_events SERVER_EVENTS = {
    .joined = gateway_joined,
    .left = gateway_left,
    .taken = gateway_taken,
    .refused = stranger_refused,
    .gate = may_take_one_more,
};

/* ---- fanout coming and going ---- */

static enum lane lane_of(const struct relay *relay, const struct bus_client *client)
{
    return client == relay->fanout[LANE_PHOTOS] ? LANE_PHOTOS : LANE_SIGHTINGS;
}

static void count_links_up(const struct relay *relay)
{
    uint64_t up_count = 0;

    for (int lane = 0; lane < LANE_COUNT; lane++)
        up_count += relay->fanout[lane] != NULL && bus_client_link(relay->fanout[lane]) != NULL;
    count_set(relay->worker->slot, COUNTER_links_up, up_count);
}

/* I2: everything that came so far may be lost, however long ago it was passed on. */
static void sightings_lost(struct relay *relay)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(relay->gateways, link)) != NULL) {
        if (is_on_lane(link, LANE_SIGHTINGS))
            taint(link);
    }
    relay->is_full = false; /* verdicts go on */
    adjust_reading_of_all(relay);
}

static void fanout_up(void *user, struct bus_client *client)
{
    struct relay *relay = user;
    enum lane lane = lane_of(relay, client);

    log_info("link_up", "worker=%u to=fanout lane=%s", relay->worker->number, LANE_NAMES[lane]);
    count_links_up(relay);
    if (lane == LANE_SIGHTINGS)
        drop_all_on_lane(relay, LANE_SIGHTINGS, true, "fanout is back, begin anew"); /* I2 */
}

static void fanout_down(void *user, struct bus_client *client, const char *why)
{
    struct relay *relay = user;
    enum lane lane = lane_of(relay, client);

    log_warn("link_down", "worker=%u to=fanout lane=%s reason=%s", relay->worker->number, LANE_NAMES[lane],
             log_quote(why));
    count_add(relay->worker->slot, COUNTER_link_losses, 1);
    count_links_up(relay);
    if (lane == LANE_SIGHTINGS)
        sightings_lost(relay);
    else /* nobody will hear of the pictures that were under way: their gateways shall not wait */
        drop_all_on_lane(relay, LANE_PHOTOS, false, "fanout is lost, with pictures under way");
}

static void fanout_trouble(void *user, struct bus_client *client, const char *why)
{
    const struct relay *relay = user;

    log_warn("link_trouble", "worker=%u to=fanout lane=%s reason=%s", relay->worker->number,
             LANE_NAMES[lane_of(relay, client)], log_quote(why));
}

static void fanout_taken(void *user, struct bus_client *client)
{
    struct relay *relay = user;
    const struct bus_link *link = bus_client_link(client);

    if (!relay->is_full || lane_of(relay, client) != LANE_SIGHTINGS || link == NULL)
        return;
    if (bus_link_queued_bytes(link) < relay->conf->bus_queue_max_bytes / 4) {
        relay->is_full = false;
        adjust_reading_of_all(relay);
    }
}

static const struct bus_client_events CLIENT_EVENTS = {
    .up = fanout_up,
    .down = fanout_down,
    .trouble = fanout_trouble,
    .taken = fanout_taken,
};

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_device_text] = on_text,
                                                 [MSG_device_photo] = on_photo,
                                             }};

const char *relay_check_handlers(void)
{
    return bus_handlers_check(&HANDLERS, PEER_INGEST);
}

/* ---- from time to time ---- */

static void count_queued_bytes(struct relay *relay)
{
    struct bus_link *link = NULL;
    uint64_t sum_bytes = 0;

    for (int lane = 0; lane < LANE_COUNT; lane++) {
        link = bus_client_link(relay->fanout[lane]);
        sum_bytes += link != NULL ? bus_link_queued_bytes(link) : 0;
    }
    link = NULL;
    while ((link = bus_server_next(relay->gateways, link)) != NULL)
        sum_bytes += bus_link_queued_bytes(link);
    count_set(relay->worker->slot, COUNTER_queued_bytes, sum_bytes);
}

/* Workers that begin later, or anew, get their share: who has two links more than another gives one up. Only a link
 * of sightings is given up, because there nothing is lost by it (I2). */
static void share_links(struct relay *relay)
{
    struct bus_link *link = NULL;

    if (page_gate(relay->worker->page, relay->worker->number, COUNTER_connections, 1))
        return;
    while ((link = bus_server_next(relay->gateways, link)) != NULL) {
        if (is_on_lane(link, LANE_SIGHTINGS)) {
            bus_server_drop(relay->gateways, link, "another worker has fewer links");
            return;
        }
    }
}

void relay_tick(struct relay *relay)
{
    count_links_up(relay);
    count_queued_bytes(relay);
    /* a link whose peer died while it was not read has lost its queue without a `taken` event; its
     * end is seen only when reading goes on */
    adjust_reading_of_all(relay);
    relay->ticks_count++;
    if (relay->ticks_count % TICKS_PER_S != 0)
        return;
    share_links(relay);
    log_limit_flush(&relay->refused_limit, LOG_LEVEL_WARNING, "message_refused");
}

/* ---- beginning and end ---- */

static struct judge_limits limits_of(const struct hub_conf *conf)
{
    return (struct judge_limits){
        .depth_max_count = conf->json_depth_max_count,
        .udp_require_token = conf->udp_require_token,
        .telemetry =
            {
                .tag_id_max = conf->tag_id_max,
                .angle_max_deg = conf->angle_max_deg,
                .length_max_cm = conf->length_max_cm,
            },
    };
}

static int call_fanout(struct relay *relay)
{
    /* a relay stops before these bounds (I3, I4); one message always fits beyond */
    const uint64_t queue_bytes_max[LANE_COUNT] = {
        [LANE_SIGHTINGS] = relay->conf->bus_queue_max_bytes,
        [LANE_PHOTOS] = relay->conf->photo_memory_bytes + 2 * PHOTO_BYTES_MAX,
    };
    int r = conf_socket_path(relay->conf, "fanout", relay->fanout_path, sizeof relay->fanout_path);

    for (int lane = 0; r == 0 && lane < LANE_COUNT; lane++) {
        relay->fanout[lane] =
            bus_client_new(relay->worker->loop, relay->fanout_path, (enum lane)lane, &relay->worker->identity,
                           &HANDLERS, &CLIENT_EVENTS, relay, queue_bytes_max[lane]);
        if (relay->fanout[lane] == NULL)
            r = -ENOMEM;
    }
    return r;
}

static int listen_for_gateways(struct relay *relay, int *listen_fd)
{
    relay->gateways = bus_server_new(relay->worker->loop, *listen_fd, &relay->worker->identity, &HANDLERS,
                                     &SERVER_EVENTS, relay, relay->conf->bus_queue_max_bytes);
    *listen_fd = -1;
    return relay->gateways != NULL ? 0 : -ENOMEM;
}

int relay_new(struct worker *worker, const struct hub_conf *conf, int *listen_fd, const char *token,
              struct relay **ret_relay)
{
    const struct judge_limits limits = limits_of(conf);
    struct relay *relay = calloc(1, sizeof *relay);
    int r = -ENOMEM;

    if (relay == NULL)
        goto out;
    relay->worker = worker;
    relay->conf = conf;
    relay->refused_limit = LOG_LIMIT(REFUSED_LINES_PER_S);
    r = judge_new(&limits, token, &relay->judge);
    if (r < 0)
        goto out;
    r = listen_for_gateways(relay, listen_fd);
    if (r < 0)
        goto out;
    r = call_fanout(relay);
    if (r < 0)
        goto out;
    *ret_relay = relay;
    relay = NULL;
out:
    relay_free(relay);
    if (*listen_fd >= 0)
        close(*listen_fd);
    *listen_fd = -1;
    return r;
}

int relay_set_token(struct relay *relay, const char *token)
{
    return judge_set_token(relay->judge, token);
}

void relay_free(struct relay *relay)
{
    if (relay == NULL)
        return;
    log_limit_flush(&relay->refused_limit, LOG_LEVEL_WARNING, "message_refused");
    for (int lane = 0; lane < LANE_COUNT; lane++)
        bus_client_free(relay->fanout[lane]);
    bus_server_free(relay->gateways);
    judge_free(relay->judge);
    free(relay);
}
