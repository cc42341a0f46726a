/* history - see history.h; the essay in main.c tells why it is a process. This file is its side of the bus.
 *
 * Invariants
 *   H3  a session is acknowledged after COMMIT, to the newest link of the worker that holds it
 *   H4  a question is answered after every worker's reports that were written before it: who saw a camera leave, and
 *       asks by way of another worker, finds it gone
 *   H5  no queue grows without end: pictures give way to newer ones, and while too many sessions wait no gateway is
 *       read
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "answers.h"
#include "bus_server.h"
#include "photo_feed.h"
#include "recorder.h"
#include "run/log.h"
#include "run/svc.h"

struct history {
    const struct hub_conf *conf;
    struct worker *worker;
    struct bus_server *bus;
    struct sessions *sessions;
    struct claims claims;
    struct recorder *recorder;
    bool is_full;              /* H5 */
    uint64_t stop_due_mono_ms; /* 0: not asked to stop */
};

static bool is_gateway(const struct bus_link *link)
{
    return bus_link_peer(link)->kind == PEER_GATEWAY && bus_link_peer(link)->lane == LANE_SIGHTINGS;
}

static bool is_fanout(const struct bus_link *link)
{
    return bus_link_peer(link)->kind == PEER_FANOUT && bus_link_peer(link)->lane == LANE_PHOTOS;
}

static uint64_t now_mono_ms(const struct history *history)
{
    return loop_now_mono_ms(history->worker->loop);
}

/* ---- sessions ---- */

static void pause_gateways(struct history *history, bool pause)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(history->bus, link)) != NULL) {
        if (is_gateway(link) && pause)
            bus_link_pause(link);
        else if (is_gateway(link))
            bus_link_resume(link);
    }
}

/* H5. Between the two bounds it stays as it is, so that it does not flutter. */
static void review_queue(struct history *history)
{
    uint64_t limit_bytes = history->conf->history_queue_max_bytes / (history->is_full ? 2 : 1);
    bool is_full = recorder_waiting_bytes(history->recorder) > limit_bytes;

    if (is_full == history->is_full)
        return;
    history->is_full = is_full;
    log_warn(is_full ? "queue_full" : "queue_short_again", "waiting_bytes=%zu",
             recorder_waiting_bytes(history->recorder));
    pause_gateways(history, is_full);
}

static void on_session(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history *history = user;
    const struct origin *origin = claims_by_link(&history->claims, link);

    if (origin == NULL)
        return; /* told again on a newer link */
    if (sessions_put(history->sessions, origin->incarnation, &msg->session) < 0) {
        bus_server_drop(history->bus, link, "it holds more sessions than its limits allow, or there is no memory");
        return;
    }
    recorder_wake(history->recorder);
    review_queue(history);
}

/* H3 */
static void stored(void *user, const struct session *session)
{
    struct history *history = user;
    const struct origin *origin = claims_find(&history->claims, session->holder);
    const struct msg_session_stored report = {.number = session->said.number, .version = session->said.version};

    if (origin != NULL && origin->link != NULL)
        bus_link_send(origin->link, MSG_session_stored, &report);
}

static void on_seed_end(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history *history = user;

    (void)msg;
    claims_seed_end(&history->claims, link);
    recorder_review_claims(history->recorder);
}

/* ---- pictures ---- */

static void feed(struct history *history, struct bus_link *link)
{
    struct photo_feed *photos = bus_link_context(link);
    struct store *store = history->conf->history_photos ? recorder_store(history->recorder) : NULL;
    enum store_trouble trouble;

    if (photos == NULL || photo_feed_is_over(photos) || (store == NULL && history->conf->history_photos))
        return;
    trouble = photo_feed_pump(photos, store);
    if (store != NULL)
        recorder_note_read(history->recorder, trouble);
}

static void feed_all(struct history *history)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(history->bus, link)) != NULL) {
        if (is_fanout(link))
            feed(history, link);
    }
}

static void on_photo(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history *history = user;

    if (!is_fanout(link)) {
        bus_server_drop(history->bus, link, "pictures come from fanout, on the photo lane");
        return;
    }
    if (history->conf->history_photos)
        recorder_take_photo(history->recorder, &msg->photo);
}

/* ---- questions ---- */

/* H4. Links of other lanes bring nothing that is asked for. */
static void hear_the_others(struct history *history, const struct bus_link *asker)
{
    struct bus_link *link = NULL;

    while ((link = bus_server_next(history->bus, link)) != NULL) {
        if (link != asker && is_gateway(link))
            bus_link_drain(link);
    }
}

static enum store_trouble tell_history(struct history *history, const struct msg_ask *ask, char **ret_text)
{
    struct store *store = recorder_store(history->recorder);
    enum store_trouble trouble;

    if (store == NULL)
        return recorder_trouble(history->recorder);
    trouble = answer_history(store, history->sessions, ask->hub_started_utc_us, svc_utc_us(), ret_text);
    recorder_note_read(history->recorder, trouble);
    return trouble;
}

static void on_ask(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct history *history = user;
    struct msg_answer answer = {.request = msg->ask.request, .http_status = 200};
    enum store_trouble trouble;
    char *text = NULL;

    if (msg->ask.question != QUESTION_CONNECTION_UPTIME && msg->ask.question != QUESTION_CONNECTION_HISTORY)
        return; /* no question of ours: who asked is told that it took too long */
    hear_the_others(history, link);
    if (msg->ask.question == QUESTION_CONNECTION_UPTIME) {
        text = answer_uptime(history->sessions, svc_utc_us());
    } else {
        trouble = tell_history(history, &msg->ask, &text);
        if (text == NULL) {
            answer.http_status = 503;
            text = answer_trouble(trouble);
        }
    }
    answer.body = view_text(text);
    bus_link_send(link, MSG_answer, &answer);
    free(text);
}

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_session] = on_session,
                                                 [MSG_photo] = on_photo,
                                                 [MSG_seed_end] = on_seed_end,
                                                 [MSG_ask] = on_ask,
                                             }};

const char *history_handlers_check(void)
{
    return bus_handlers_check(&HANDLERS, PEER_HISTORY);
}

/* ---- links coming and going ---- */

static void joined(void *user, struct bus_link *link)
{
    struct history *history = user;
    const struct msg_hello *peer = bus_link_peer(link);

    log_info("joined", "peer=%s worker=%u lane=%u", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane);
    count_set(history->worker->slot, COUNTER_connections, bus_server_count(history->bus));
    if (is_gateway(link)) {
        if (claims_join(&history->claims, link, peer->incarnation, svc_utc_us()) < 0)
            abort(); /* begun anew it is told everything again */
        pause_gateways(history, history->is_full);
    } else if (is_fanout(link)) {
        struct photo_feed *photos = photo_feed_new(link, history->worker->identity.incarnation);

        if (photos == NULL)
            abort();
        bus_link_set_context(link, photos);
        feed(history, link);
    }
}

static void left(void *user, struct bus_link *link, const char *why)
{
    struct history *history = user;
    const struct msg_hello *peer = bus_link_peer(link);

    log_info("left", "peer=%s worker=%u lane=%u reason=%s", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane, log_quote(why));
    count_set(history->worker->slot, COUNTER_connections, bus_server_count(history->bus) - 1);
    claims_leave(&history->claims, link, svc_utc_us(), now_mono_ms(history));
    photo_feed_free(bus_link_context(link));
}

static void taken(void *user, struct bus_link *link)
{
    feed(user, link);
}

static void refused(void *user, const char *why)
{
    (void)user;
    log_warn("peer_refused", "reason=%s", log_quote(why));
}

static const struct bus_server_events EVENTS = {.joined = joined, .left = left, .taken = taken, .refused = refused};

/* ---- from time to time ---- */

static void progress(void *user)
{
    struct history *history = user;

    if (history->bus == NULL)
        return; /* the first run, before anybody can come */
    review_queue(history);
    feed_all(history);
}

static const struct recorder_events RECORDER_EVENTS = {.stored = stored, .progress = progress};

static void count_queued_bytes(struct history *history)
{
    uint64_t bytes = recorder_waiting_bytes(history->recorder);
    struct bus_link *link = NULL;

    while ((link = bus_server_next(history->bus, link)) != NULL)
        bytes += bus_link_queued_bytes(link);
    count_set(history->worker->slot, COUNTER_queued_bytes, bytes);
}

/* Stops when all is written, or when it has taken too long. What is lost then, gateways that live tell again. */
static void review_stop(struct history *history)
{
    bool is_late = now_mono_ms(history) >= history->stop_due_mono_ms;

    if (history->stop_due_mono_ms == 0 || (recorder_can_write(history->recorder) && !is_late))
        return;
    if (recorder_can_write(history->recorder))
        log_error("not_written", "waiting_bytes=%zu trouble=%s", recorder_waiting_bytes(history->recorder),
                  store_trouble_name(recorder_trouble(history->recorder)));
    loop_stop(history->worker->loop);
}

static void on_tick(void *user)
{
    struct history *history = user;

    if (claims_expire(&history->claims, now_mono_ms(history)))
        recorder_review_claims(history->recorder);
    recorder_tick(history->recorder);
    count_queued_bytes(history);
    review_stop(history);
}

/* Gateways stop first, and what they wrote last may still lie in their sockets. */
static void on_stop(void *user)
{
    struct history *history = user;

    history->stop_due_mono_ms = now_mono_ms(history) + history->conf->stop_deadline_ms / 2;
    hear_the_others(history, NULL);
    recorder_run(history->recorder);
    review_stop(history);
}

/* ---- the whole ---- */

/* Twice what the gateway's workers may keep: a worker that has died, and the one in its place. */
static uint64_t sessions_count_max(const struct hub_conf *conf)
{
    return UINT64_C(2) * conf->gateway_workers * (conf->sessions_kept_max_count + conf->connections_max_count);
}

int history_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct history **ret_history)
{
    struct history *history = calloc(1, sizeof *history);
    int r = -ENOMEM;

    if (history == NULL)
        goto out;
    history->conf = conf;
    history->worker = worker;
    history->sessions = sessions_new(sessions_count_max(conf));
    if (history->sessions == NULL)
        goto out;
    claims_init(&history->claims, history->sessions, now_mono_ms(history));
    history->recorder = recorder_new(conf, worker, history->sessions, &history->claims, &RECORDER_EVENTS, history);
    if (history->recorder == NULL)
        goto out;
    recorder_run(history->recorder);
    history->bus = bus_server_new(worker->loop, *listen_fd, &worker->identity, &HANDLERS, &EVENTS, history,
                                  conf->bus_queue_max_bytes + ANSWER_BYTES_MAX + PHOTO_BYTES_MAX);
    *listen_fd = -1;
    if (history->bus == NULL)
        goto out;
    worker->on_tick = on_tick;
    worker->on_stop = on_stop;
    worker->user = history;
    *ret_history = history;
    history = NULL;
    r = 0;
out:
    history_free(history);
    if (*listen_fd >= 0)
        close(*listen_fd);
    *listen_fd = -1;
    return r;
}

static void free_feeds(struct history *history)
{
    struct bus_link *link = NULL;

    while (history->bus != NULL && (link = bus_server_next(history->bus, link)) != NULL)
        photo_feed_free(bus_link_context(link));
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    free_feeds(history);
    bus_server_free(history->bus);
    recorder_free(history->recorder);
    claims_done(&history->claims);
    sessions_free(history->sessions);
    free(history);
}
