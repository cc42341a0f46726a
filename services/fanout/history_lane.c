/* history_lane - see history_lane.h.
 *
 * Invariants
 *   L1  a picture of a camera leaves at most once per PERIOD_TICKS, because history has a disk to write to
 *   L2  nothing is sent before history has told what it has: after its restart it is not sent everything again */
#include "history_lane.h"

#include <stdlib.h>
#include <sys/un.h>

#include "bus_client.h"
#include "run/log.h"

#define PERIOD_TICKS (1000u / WORKER_TICK_MS)

struct history_lane {
    struct worker *worker;
    struct photos *photos;
    struct bus_client *client;
    struct photo_subscriber *subscriber; /* while there is a link */
    bool is_seeded;                      /* L2 */
    unsigned ticks;
};

static void on_photo(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history_lane *lane = user;

    (void)link;
    photos_restore(lane->subscriber, &msg->photo);
}

static void on_seed_end(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history_lane *lane = user;

    (void)link;
    (void)msg;
    lane->is_seeded = true;
}

static const struct bus_handlers HANDLERS = {.on = {[MSG_photo] = on_photo, [MSG_seed_end] = on_seed_end}};

static void link_up(void *user, struct bus_client *client)
{
    struct history_lane *lane = user;

    log_info("link_up", "to=history");
    lane->is_seeded = false;
    lane->subscriber = photos_subscribe(lane->photos, bus_client_link(client), PHOTO_READER_HISTORY);
    if (lane->subscriber == NULL)
        abort();
    photos_send_all(lane->subscriber); /* but for what it turns out to have */
}

static void link_down(void *user, struct bus_client *client, const char *why)
{
    struct history_lane *lane = user;

    (void)client;
    log_warn("link_down", "to=history reason=%s", log_quote(why));
    count_add(lane->worker->slot, COUNTER_link_losses, 1);
    photos_unsubscribe(lane->subscriber);
    lane->subscriber = NULL;
}

static void link_trouble(void *user, struct bus_client *client, const char *why)
{
    (void)user;
    (void)client;
    log_warn("link_trouble", "to=history reason=%s", log_quote(why));
}

static void link_taken(void *user, struct bus_client *client)
{
    struct history_lane *lane = user;

    (void)client;
    photos_link_taken(lane->subscriber);
}

static const struct bus_client_events EVENTS = {
    .up = link_up, .down = link_down, .trouble = link_trouble, .taken = link_taken};

void history_lane_release(struct history_lane *lane)
{
    if (lane->is_seeded)
        photos_release(lane->subscriber);
}

bool history_lane_has_all(const struct history_lane *lane)
{
    return photos_are_taken(lane->subscriber);
}

void history_lane_tick(struct history_lane *lane)
{
    if (++lane->ticks < PERIOD_TICKS) /* L1 */
        return;
    lane->ticks = 0;
    history_lane_release(lane);
}

struct history_lane *history_lane_new(const struct hub_conf *conf, struct worker *worker, struct photos *photos)
{
    struct history_lane *lane = calloc(1, sizeof *lane);
    char path[sizeof((struct sockaddr_un){0}.sun_path)];

    if (lane == NULL)
        return NULL;
    lane->worker = worker;
    lane->photos = photos;
    if (conf_socket_path(conf, "history", path, sizeof path) == 0) /* a picture always fits beyond what is queued */
        lane->client = bus_client_new(worker->loop, path, LANE_PHOTOS, &worker->identity, &HANDLERS, &EVENTS, lane,
                                      conf->bus_queue_max_bytes + PHOTO_BYTES_MAX);
    if (lane->client == NULL) {
        free(lane);
        return NULL;
    }
    return lane;
}

void history_lane_free(struct history_lane *lane)
{
    if (lane == NULL)
        return;
    bus_client_free(lane->client);
    photos_unsubscribe(lane->subscriber);
    free(lane);
}
