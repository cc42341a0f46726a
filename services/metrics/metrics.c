/* metrics - see metrics.h and the essay in main.c for why it is a process.
 *
 * Invariants
 *   M1  an answer knows every report that was written before the question, on whichever link
 *   M2  pages are mapped for one answer: a service that was started again has a new one
 *   M3  nothing is kept that the gateway workers cannot tell again, save what workers that are gone had counted */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "bus_server.h"
#include "cameras.h"
#include "prometheus.h"
#include "run/log.h"
#include "run/svc.h"
#include "video_json.h"

#define PATH_ROOM 256

#define NO_SUCH_CAMERA "{\"status\":\"error\",\"error\":\"no such camera\",\"message\":\"no such camera\"}"
#define NO_ROOM                                                                                                        \
    "{\"status\":\"error\",\"error\":\"no room for the answer\",\"message\":\"no room for the "                        \
    "answer\"}"

/* Who has a page. */
static const enum peer_kind SERVICES[] = {PEER_GATEWAY, PEER_INGEST, PEER_FANOUT, PEER_METRICS, PEER_HISTORY};

struct metrics {
    const struct hub_conf *conf;
    struct worker *worker;
    struct bus_server *bus;
    struct cameras *cameras;
    uint64_t now_utc_us; /* as the cameras were told */
};

static void look_at_clock(struct metrics *metrics)
{
    metrics->now_utc_us = svc_utc_us();
    cameras_set_clock(metrics->cameras, metrics->now_utc_us);
}

/* What has been written on any link is handled now; the link whose handler runs is left alone. */
static void read_all_links(struct metrics *metrics)
{
    for (struct bus_link *link = bus_server_next(metrics->bus, NULL); link != NULL;
         link = bus_server_next(metrics->bus, link))
        bus_link_drain(link);
}

static void on_photo_stored(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct metrics *metrics = user;
    const struct msg_hello *peer = bus_link_peer(link);

    look_at_clock(metrics);
    if (cameras_take(metrics->cameras, peer->slot, peer->incarnation, &msg->photo_stored))
        count_add(metrics->worker->slot, COUNTER_photos, 1);
}

/* ---- answers: texts for free(), NULL without memory ---- */

/* Of the camera that is asked for, or of the newest. Returns false when there is none of that name. */
static bool asked_stats(const struct metrics *metrics, const struct msg_ask *ask, struct video_stats *ret_stats)
{
    const struct camera *camera =
        ask->named ? cameras_find(metrics->cameras, ask->camera) : cameras_newest(metrics->cameras);

    camera_stats(camera, metrics->conf->video_target_interval_ms, ret_stats);
    return camera != NULL || !ask->named;
}

static char *no_such_camera(uint64_t *ret_status)
{
    *ret_status = 404;
    return strdup(NO_SUCH_CAMERA);
}

static char *answer_video_fps(struct metrics *metrics, const struct msg_ask *ask, uint64_t *ret_status)
{
    struct video_stats stats;

    return asked_stats(metrics, ask, &stats) ? video_json_fps(&stats) : no_such_camera(ret_status);
}

static char *answer_video_stats(struct metrics *metrics, const struct msg_ask *ask, uint64_t *ret_status)
{
    struct video_stats stats;

    return asked_stats(metrics, ask, &stats) ? video_json_stats(&stats) : no_such_camera(ret_status);
}

static char *answer_cameras(struct metrics *metrics, const struct msg_ask *ask, uint64_t *ret_status)
{
    size_t count;
    const struct camera **list = cameras_by_name(metrics->cameras, &count);
    char *text = NULL;

    (void)ask;
    (void)ret_status;
    if (list != NULL)
        text = video_json_cameras(list, count, metrics->conf->video_target_interval_ms, metrics->now_utc_us);
    free(list);
    return text;
}

/* NULL when the service is down and left no page. */
static const struct page *open_page(const struct metrics *metrics, enum peer_kind service)
{
    const struct page *page;
    char path[PATH_ROOM];

    if (conf_page_path(metrics->conf, peer_name(service), path, sizeof path) < 0 || page_open(path, &page) < 0)
        return NULL;
    return page;
}

static char *answer_prometheus(struct metrics *metrics, const struct msg_ask *ask, uint64_t *ret_status)
{
    struct prometheus_view view = {.service_count = ARRAY_LEN(SERVICES),
                                   .target_interval_ms = metrics->conf->video_target_interval_ms,
                                   .hang_ms = metrics->conf->worker_hang_ms,
                                   .now_mono_ms = svc_mono_ms(),
                                   .now_utc_us = metrics->now_utc_us};
    const struct camera **list = cameras_by_name(metrics->cameras, &view.camera_count);
    char *text = NULL;

    (void)ask;
    (void)ret_status;
    view.cameras = list;
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++) {
        view.services[i].name = peer_name(SERVICES[i]);
        view.services[i].page = open_page(metrics, SERVICES[i]); /* M2 */
    }
    if (list != NULL)
        text = prometheus_text(&view);
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++)
        page_free(view.services[i].page);
    free(list);
    return text;
}

/* May set *ret_status, which is 200. */
typedef char *(*answerer)(struct metrics *metrics, const struct msg_ask *ask, uint64_t *ret_status);

static const answerer ANSWERERS[QUESTION_COUNT] = {
    [QUESTION_VIDEO_FPS] = answer_video_fps,
    [QUESTION_VIDEO_STATS] = answer_video_stats,
    [QUESTION_CAMERAS] = answer_cameras,
    [QUESTION_PROMETHEUS] = answer_prometheus,
};

static void on_ask(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct metrics *metrics = user;
    struct msg_answer answer = {.request = msg->ask.request, .http_status = 200};
    char *text;

    if (ANSWERERS[msg->ask.question] == NULL)
        return; /* no question of ours: who asked is told that it took too long */

    read_all_links(metrics); /* M1 */
    look_at_clock(metrics);
    text = ANSWERERS[msg->ask.question](metrics, &msg->ask, &answer.http_status);
    if (text != NULL && strlen(text) <= ANSWER_BYTES_MAX) {
        answer.body = view_text(text);
    } else {
        answer.http_status = 503;
        answer.body = view_text(NO_ROOM);
    }
    bus_link_send(link, MSG_answer, &answer);
    free(text);
}

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_photo_stored] = on_photo_stored,
                                                 [MSG_ask] = on_ask,
                                             }};

/* ---- links coming and going ---- */

static void joined(void *user, struct bus_link *link)
{
    struct metrics *metrics = user;
    const struct msg_hello *peer = bus_link_peer(link);

    log_info("joined", "peer=%s worker=%u lane=%u", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane);
    count_set(metrics->worker->slot, COUNTER_connections, bus_server_count(metrics->bus));
    /* what the former worker of its slot had written comes first: cameras.c, C2 */
    read_all_links(metrics);
}

static void left(void *user, struct bus_link *link, const char *why)
{
    struct metrics *metrics = user;
    const struct msg_hello *peer = bus_link_peer(link);

    log_info("left", "peer=%s worker=%u lane=%u reason=%s", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane, log_quote(why));
    count_set(metrics->worker->slot, COUNTER_connections, bus_server_count(metrics->bus) - 1);
}

static void refused(void *user, const char *why)
{
    (void)user;
    log_warn("peer_refused", "reason=%s", log_quote(why));
}

static const struct bus_server_events EVENTS = {.joined = joined, .left = left, .refused = refused};

static void on_tick(void *user)
{
    struct metrics *metrics = user;
    uint64_t queued = 0;

    look_at_clock(metrics);
    for (struct bus_link *link = bus_server_next(metrics->bus, NULL); link != NULL;
         link = bus_server_next(metrics->bus, link))
        queued += bus_link_queued_bytes(link);
    count_set(metrics->worker->slot, COUNTER_queued_bytes, queued);
}

/* ---- the whole ---- */

int metrics_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return -ENOMEM;
    metrics->conf = conf;
    metrics->worker = worker;
    metrics->cameras = cameras_new(conf->cameras_max_count);
    metrics->bus = bus_server_new(worker->loop, *listen_fd, &worker->identity, &HANDLERS, &EVENTS, metrics,
                                  conf->bus_queue_max_bytes + ANSWER_BYTES_MAX);
    *listen_fd = -1;
    if (metrics->cameras == NULL || metrics->bus == NULL) {
        metrics_free(metrics);
        return -ENOMEM;
    }
    worker->on_tick = on_tick;
    worker->user = metrics;
    *ret_metrics = metrics;
    return 0;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    bus_server_free(metrics->bus);
    cameras_free(metrics->cameras);
    free(metrics);
}

const char *metrics_handlers_check(void)
{
    return bus_handlers_check(&HANDLERS, PEER_METRICS);
}
