/* fanout - see fanout.h and the essay in main.c for why it is a process.
 *
 * The stream is the row of sightings as fanout passed them on, numbered from 1. Every subscriber gets all of it from
 * the place where it joined. The stream *restarts* when somebody may have missed a part: the links to ingest are
 * closed, whereupon every gateway worker sends again, in order, what is not settled.
 *
 * Invariants
 *   A1  the gate is open only while every slot that is alive has subscribed, or is fresh and waits for nothing but the
 *       gate; while it is shut no sighting is read
 *   A2  a subscriber that is lost, or comes back without being fresh, restarts the stream: first copies reach everybody
 *       in order, or not at all
 *   A3  `settled` is reported when the kernel has taken the sighting for every subscriber but the origin; for the
 *       origin the report itself stands behind the sighting in the same stream
 *   A4  repeats are passed on (a worker may need them) but change nothing here
 *   A5  a fresh subscriber gets marks and newest in one piece, at a place of the stream, and only through an open gate
 */
#include "fanout.h"

#include <errno.h>
#include <stdlib.h>

#include "bus_server.h"
#include "camera_table.h"
#include "commands.h"
#include "history_lane.h"
#include "marks.h"
#include "owed.h"
#include "photo_lanes.h"
#include "polling.h"
#include "run/log.h"

/* A gateway worker, from its `subscribe` on. */
struct subscriber {
    struct bus_link *link; /* sightings lane */
    uint64_t slot_bit, origin;
    bool fresh, seeded, subscribed;
    struct owed owed;
    struct subscriber *next;
};

struct kept_text {
    char tag[TAG_BYTES_MAX + 1];
    size_t json_bytes;
    uint8_t json[];
};

struct fanout {
    const struct hub_conf *conf;
    struct worker *worker;
    struct bus_server *bus;
    struct subscriber *subscribers;
    struct photo_lanes photo_lanes;
    struct commands commands;
    struct marks marks;
    struct camera_table *newest; /* struct kept_text */
    struct photos *photos;
    struct history_lane *history;
    struct polling *polling;
    char *poll_reply;
    uint64_t stream, turn;
    uint64_t alive; /* as a worker told last */
    bool alive_known, gate_open, crowded;
    unsigned stop_ticks; /* left of an orderly stop; 0: none is going on */
    struct loop_task settle_task;
};

/* ---- finding ---- */

static struct subscriber *subscriber_of(struct fanout *fanout, const struct bus_link *link)
{
    struct subscriber *each = fanout->subscribers;

    while (each != NULL && each->link != link)
        each = each->next;
    return each;
}

static struct subscriber *subscriber_by_origin(struct fanout *fanout, uint64_t origin)
{
    struct subscriber *each = fanout->subscribers;

    while (each != NULL && (each->origin != origin || !each->subscribed))
        each = each->next;
    return each;
}

static uint64_t subscribed_slots(const struct fanout *fanout)
{
    uint64_t slots = 0;

    for (const struct subscriber *each = fanout->subscribers; each != NULL; each = each->next)
        slots |= each->subscribed ? each->slot_bit : 0;
    return slots;
}

/* Those of the gate (A1): with the fresh ones, which may have begun to serve while they waited for it. */
static uint64_t seeded_slots(const struct fanout *fanout)
{
    uint64_t slots = 0;

    for (const struct subscriber *each = fanout->subscribers; each != NULL; each = each->next)
        slots |= each->seeded ? each->slot_bit : 0;
    return slots;
}

/* The context of a link to ingest whose stream has ended: it is not read again, whatever the gate does. */
static const char ENDED[] = "ended";

static bool is_source(const struct bus_link *link)
{
    return bus_link_peer(link)->kind == PEER_INGEST && bus_link_peer(link)->lane == LANE_SIGHTINGS &&
           bus_link_context(link) == NULL;
}

/* ---- settling (A3) ---- */

/* What came in one turn from one origin is reported as one. */
static void owe(struct fanout *fanout, uint64_t origin, uint64_t seq)
{
    struct subscriber *subscriber = subscriber_by_origin(fanout, origin);

    if (subscriber != NULL) /* else that worker is gone, and with it who waited */
        owed_add(&subscriber->owed, fanout->turn, fanout->stream, seq);
}

static uint64_t taken_by_others(const struct fanout *fanout, const struct subscriber *origin)
{
    uint64_t least = UINT64_MAX;

    for (const struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (each->subscribed && each != origin && bus_link_taken_mark(each->link) < least)
            least = bus_link_taken_mark(each->link);
    }
    return least;
}

static void report_settled(struct fanout *fanout, struct subscriber *origin)
{
    const struct msg_settled settled = {.up_to_seq = owed_take(&origin->owed, taken_by_others(fanout, origin)),
                                        .slots = subscribed_slots(fanout)};

    if (settled.up_to_seq == 0)
        return;
    bus_link_send(origin->link, MSG_settled, &settled);
    count_add(fanout->worker->slot, COUNTER_settled, 1);
}

/* At the end of a turn. Who is owed no report is written to first: then the reports can travel with the deliveries. */
static void settle(struct loop_task *task)
{
    struct fanout *fanout = H2O_STRUCT_FROM_MEMBER(struct fanout, settle_task, task);

    fanout->turn++;
    for (struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (each->subscribed && owed_is_empty(&each->owed))
            bus_link_flush(each->link);
    }
    for (struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (each->subscribed && !owed_is_empty(&each->owed)) {
            report_settled(fanout, each);
            bus_link_flush(each->link);
        }
    }
}

/* ---- the gate (A1) and the stream (A2) ---- */

static void apply_gate(struct fanout *fanout)
{
    for (struct bus_link *link = bus_server_next(fanout->bus, NULL); link != NULL;
         link = bus_server_next(fanout->bus, link)) {
        if (!is_source(link))
            continue;
        if (fanout->gate_open && !fanout->crowded)
            bus_link_resume(link);
        else
            bus_link_pause(link);
    }
}

static void restart_stream(struct fanout *fanout, const char *why)
{
    if (fanout->stream == 0)
        return;
    log_info("stream_restarts", "reason=%s", log_quote(why));
    for (struct bus_link *link = bus_server_next(fanout->bus, NULL); link != NULL;
         link = bus_server_next(fanout->bus, link)) {
        if (is_source(link)) {
            bus_link_set_context(link, (void *)(uintptr_t)ENDED);
            bus_server_drop(fanout->bus, link, why);
        }
    }
    for (struct subscriber *each = fanout->subscribers; each != NULL; each = each->next)
        owed_clear(&each->owed);
    commands_clear(&fanout->commands);
}

static void send_snapshot(struct fanout *fanout, struct subscriber *subscriber)
{
    for (uint32_t i = 0; i < fanout->marks.count; i++) {
        struct msg_mark mark = {.origin = fanout->marks.items[i].origin, .seq = fanout->marks.items[i].seq};

        bus_link_send(subscriber->link, MSG_mark, &mark);
    }
    for (const struct camera_entry *entry = camera_table_oldest(fanout->newest); entry != NULL; entry = entry->newer) {
        const struct kept_text *text = entry->value;
        struct msg_kept kept = {.arrived_utc_us = entry->arrived_utc_us, .json = view_of(text->json, text->json_bytes)};

        memcpy(kept.camera, entry->name, sizeof kept.camera);
        memcpy(kept.tag, text->tag, sizeof kept.tag);
        bus_link_send(subscriber->link, MSG_kept, &kept);
    }
    bus_link_send(subscriber->link, MSG_seed_end, &(struct msg_seed_end){});
}

static void let_in(struct fanout *fanout, struct subscriber *subscriber)
{
    if (subscriber->fresh)
        send_snapshot(fanout, subscriber);
    subscriber->subscribed = true;
    bus_link_set_mark(subscriber->link, fanout->stream);
    log_info("subscribed", "worker=%u fresh=%d", (unsigned)bus_link_peer(subscriber->link)->slot, subscriber->fresh);
}

static void review_gate(struct fanout *fanout)
{
    bool open = fanout->alive_known && (fanout->alive & ~seeded_slots(fanout)) == 0;

    if (open != fanout->gate_open)
        log_info("gate", "open=%d", open);
    fanout->gate_open = open;
    for (struct subscriber *each = fanout->subscribers; each != NULL && open; each = each->next) {
        if (each->seeded && !each->subscribed)
            let_in(fanout, each); /* A5 */
    }
    if (open)
        photo_lanes_welcome(&fanout->photo_lanes);
    apply_gate(fanout);
}

/* ---- subscribing ---- */

static void on_subscribe(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;
    struct subscriber *subscriber = subscriber_of(fanout, link);
    struct photo_lane *lane = photo_lanes_find(&fanout->photo_lanes, link);

    if (lane != NULL)
        photo_lane_set_fresh(lane, msg->subscribe.fresh != 0);
    if (subscriber == NULL)
        return;
    subscriber->fresh = msg->subscribe.fresh != 0;
    fanout->alive = msg->subscribe.alive;
    fanout->alive_known = true;
}

static void on_alive(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;

    (void)link;
    fanout->alive = msg->alive.slots;
    review_gate(fanout);
}

static void on_mark(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;

    (void)link;
    marks_raise(&fanout->marks, msg->mark.origin, msg->mark.seq);
}

static void keep(struct fanout *fanout, const char *camera, const char *tag, uint64_t arrived_utc_us, struct view json,
                 bool news)
{
    struct kept_text *text = malloc(sizeof *text + json.length);

    if (text == NULL)
        return;
    memcpy(text->tag, tag, strlen(tag) + 1);
    memcpy(text->json, json.bytes, json.length);
    text->json_bytes = json.length;
    camera_table_put(fanout->newest, camera, arrived_utc_us, text, sizeof *text + json.length, !news);
}

static void on_kept(void *user, struct bus_link *link, const union msg_any *msg)
{
    const struct msg_kept *kept = &msg->kept;

    (void)link;
    keep(user, kept->camera, kept->tag, kept->arrived_utc_us, kept->json, false);
}

static void on_seed_end(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;
    struct subscriber *subscriber = subscriber_of(fanout, link);
    struct photo_lane *lane = photo_lanes_find(&fanout->photo_lanes, link);

    (void)msg;
    if (lane != NULL)
        photo_lane_set_seeded(lane);
    if (subscriber != NULL) {
        subscriber->seeded = true;
        if (!subscriber->fresh) {
            restart_stream(fanout, "a worker came back"); /* A2 */
            let_in(fanout, subscriber);
        }
    }
    review_gate(fanout);
}

/* ---- the stream ---- */

static void review_crowd(struct fanout *fanout)
{
    size_t most = 0, limit = fanout->conf->bus_queue_max_bytes / 2;

    for (const struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (bus_link_queued_bytes(each->link) > most)
            most = bus_link_queued_bytes(each->link);
    }
    if (fanout->crowded == (most > (fanout->crowded ? limit / 2 : limit)))
        return;
    fanout->crowded = !fanout->crowded;
    apply_gate(fanout);
}

static void on_sighting(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;
    const struct msg_sighting *sighting = &msg->sighting;

    if (bus_link_peer(link)->kind != PEER_INGEST)
        return;
    fanout->stream++;
    loop_at_turn_end(fanout->worker->loop, &fanout->settle_task); /* before the links' own writes */
    for (struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (!each->subscribed)
            continue;
        bus_link_forward(each->link, link);
        bus_link_set_mark(each->link, fanout->stream);
    }
    owe(fanout, sighting->origin, sighting->seq);
    review_crowd(fanout);
    if (!marks_accept(&fanout->marks, sighting->origin, sighting->seq)) { /* A4 */
        count_add(fanout->worker->slot, COUNTER_doubles, 1);
        return;
    }
    count_add(fanout->worker->slot, COUNTER_sightings, 1);
    keep(fanout, sighting->camera, sighting->tag, sighting->arrived_utc_us, sighting->json, true);
    polling_push(fanout->polling, sighting->json);
}

static void on_photo(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;

    if (bus_link_peer(link)->kind == PEER_GATEWAY) {
        photos_seed(fanout->photos, &msg->photo);
        return;
    }
    count_add(fanout->worker->slot, COUNTER_photos, 1);
    photos_take(fanout->photos, &msg->photo);
}

static void photo_settled(void *user, const struct msg_photo *photo)
{
    struct fanout *fanout = user;

    photo_lanes_settled(&fanout->photo_lanes, photo);
}

/* ---- commands ---- */

static void command_over(void *user, uint64_t origin, const struct msg_command_result *result)
{
    struct subscriber *subscriber = subscriber_by_origin(user, origin);

    if (subscriber != NULL)
        bus_link_send(subscriber->link, MSG_command_result, result);
}

static void on_command(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;

    count_add(fanout->worker->slot, COUNTER_commands, 1);
    for (struct subscriber *each = fanout->subscribers; each != NULL; each = each->next) {
        if (each->subscribed)
            bus_link_forward(each->link, link);
    }
    commands_add(&fanout->commands, &msg->command, subscribed_slots(fanout)); /* else who asked is told: too late */
}

static void on_command_done(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;

    commands_done(&fanout->commands, UINT64_C(1) << bus_link_peer(link)->slot, &msg->command_done);
}

static void on_ask(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct fanout *fanout = user;
    struct msg_answer answer = {.request = msg->ask.request, .http_status = 200};

    if (msg->ask.question != QUESTION_POLL)
        return; /* no question of ours: who asked is told that it took too long */
    count_add(fanout->worker->slot, COUNTER_polls, 1);
    answer.body = view_of(fanout->poll_reply, polling_take(fanout->polling, fanout->poll_reply));
    bus_link_send(link, MSG_answer, &answer);
}

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_sighting] = on_sighting,
                                                 [MSG_photo] = on_photo,
                                                 [MSG_command] = on_command,
                                                 [MSG_command_done] = on_command_done,
                                                 [MSG_subscribe] = on_subscribe,
                                                 [MSG_alive] = on_alive,
                                                 [MSG_mark] = on_mark,
                                                 [MSG_kept] = on_kept,
                                                 [MSG_seed_end] = on_seed_end,
                                                 [MSG_ask] = on_ask,
                                             }};

/* ---- links coming and going ---- */

static void add_subscriber(struct fanout *fanout, struct bus_link *link)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);

    if (subscriber == NULL)
        abort();
    subscriber->link = link;
    subscriber->slot_bit = UINT64_C(1) << bus_link_peer(link)->slot;
    subscriber->origin = bus_link_peer(link)->incarnation;
    subscriber->next = fanout->subscribers;
    fanout->subscribers = subscriber;
}

static void joined(void *user, struct bus_link *link)
{
    struct fanout *fanout = user;
    const struct msg_hello *peer = bus_link_peer(link);

    log_info("joined", "peer=%s worker=%u lane=%u", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane);
    count_set(fanout->worker->slot, COUNTER_connections, bus_server_count(fanout->bus));
    if (is_source(link))
        apply_gate(fanout);
    else if (peer->kind == PEER_GATEWAY && peer->lane == LANE_SIGHTINGS)
        add_subscriber(fanout, link);
    else if (peer->kind == PEER_GATEWAY)
        photo_lanes_add(&fanout->photo_lanes, fanout->photos, link);
}

static void remove_subscriber(struct fanout *fanout, struct subscriber *subscriber)
{
    struct subscriber **slot = &fanout->subscribers;
    bool missed = subscriber->subscribed && (fanout->alive & subscriber->slot_bit) != 0;

    while (*slot != subscriber)
        slot = &(*slot)->next;
    *slot = subscriber->next;
    owed_clear(&subscriber->owed);
    if (missed)
        restart_stream(fanout, "a worker is lost"); /* A2 */
    commands_lose(&fanout->commands, subscriber->slot_bit);
    free(subscriber);
    loop_at_turn_end(fanout->worker->loop, &fanout->settle_task);
    review_gate(fanout);
    review_crowd(fanout);
}

static void left(void *user, struct bus_link *link, const char *why)
{
    struct fanout *fanout = user;
    const struct msg_hello *peer = bus_link_peer(link);
    struct subscriber *subscriber = subscriber_of(fanout, link);
    struct photo_lane *lane = photo_lanes_find(&fanout->photo_lanes, link);

    log_info("left", "peer=%s worker=%u lane=%u reason=%s", peer_name((enum peer_kind)peer->kind), (unsigned)peer->slot,
             (unsigned)peer->lane, log_quote(why));
    count_set(fanout->worker->slot, COUNTER_connections, bus_server_count(fanout->bus) - 1);
    if (subscriber != NULL)
        remove_subscriber(fanout, subscriber);
    if (lane != NULL)
        photo_lanes_remove(&fanout->photo_lanes, lane);
}

static void taken(void *user, struct bus_link *link)
{
    struct fanout *fanout = user;
    struct photo_lane *lane = photo_lanes_find(&fanout->photo_lanes, link);

    if (lane != NULL)
        photo_lane_taken(lane);
    else
        loop_at_turn_end(fanout->worker->loop, &fanout->settle_task);
    if (fanout->crowded)
        review_crowd(fanout);
}

static void refused(void *user, const char *why)
{
    (void)user;
    log_warn("peer_refused", "reason=%s", log_quote(why));
}

static const struct bus_server_events EVENTS = {.joined = joined, .left = left, .taken = taken, .refused = refused};

/* ---- history ---- */

#define STOP_TICKS_MAX 10u /* for history to take the last pictures */

/* What is newest shall be there at the next start. */
static void on_stop(void *user)
{
    struct fanout *fanout = user;

    fanout->stop_ticks = STOP_TICKS_MAX;
    history_lane_release(fanout->history);
    if (history_lane_has_all(fanout->history))
        loop_stop(fanout->worker->loop);
}

static void tend_history(struct fanout *fanout)
{
    if (fanout->stop_ticks == 0)
        history_lane_tick(fanout->history);
    else if (--fanout->stop_ticks == 0 || history_lane_has_all(fanout->history))
        loop_stop(fanout->worker->loop);
}

/* A worker that takes nothing is presumed to hang; its master will end it. */
static void on_tick(void *user)
{
    struct fanout *fanout = user;
    uint64_t now = loop_now_mono_ms(fanout->worker->loop), queued = 0;

    for (struct bus_link *link = bus_server_next(fanout->bus, NULL); link != NULL;
         link = bus_server_next(fanout->bus, link)) {
        uint64_t since = bus_link_stalled_since_mono_ms(link);

        queued += bus_link_queued_bytes(link);
        if (since != 0 && now > since + fanout->conf->bus_stall_ms)
            bus_server_drop(fanout->bus, link, "it takes nothing");
    }
    count_set(fanout->worker->slot, COUNTER_queued_bytes, queued);
    tend_history(fanout);
}

/* ---- the whole ---- */

int fanout_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct fanout **ret_fanout)
{
    struct fanout *fanout = calloc(1, sizeof *fanout);

    if (fanout == NULL)
        return -ENOMEM;
    fanout->conf = conf;
    fanout->worker = worker;
    fanout->settle_task.run = settle;
    fanout->commands = (struct commands){.over = command_over, .user = fanout};
    fanout->newest = camera_table_new(conf->cameras_max_count, UINT64_MAX, free);
    fanout->photos = photos_new(conf->cameras_max_count, conf->photo_memory_bytes, photo_settled, fanout);
    fanout->poll_reply = malloc(POLLING_REPLY_BYTES_MAX);
    if (fanout->newest == NULL || fanout->photos == NULL || fanout->poll_reply == NULL ||
        polling_new(&fanout->polling) < 0) {
        fanout_free(fanout);
        return -ENOMEM;
    }
    fanout->bus = bus_server_new(worker->loop, *listen_fd, &worker->identity, &HANDLERS, &EVENTS, fanout,
                                 conf->bus_queue_max_bytes + conf->photo_memory_bytes);
    *listen_fd = -1;
    fanout->history = history_lane_new(conf, worker, fanout->photos);
    if (fanout->bus == NULL || fanout->history == NULL) {
        fanout_free(fanout);
        return -ENOMEM;
    }
    worker->on_tick = on_tick;
    worker->on_stop = on_stop;
    worker->user = fanout;
    *ret_fanout = fanout;
    return 0;
}

void fanout_free(struct fanout *fanout)
{
    if (fanout == NULL)
        return;
    loop_task_cancel(&fanout->settle_task);
    fanout->stream = 0;
    while (fanout->subscribers != NULL) {
        struct subscriber *subscriber = fanout->subscribers;

        fanout->subscribers = subscriber->next;
        owed_clear(&subscriber->owed);
        free(subscriber);
    }
    commands_clear(&fanout->commands);
    photo_lanes_clear(&fanout->photo_lanes);
    history_lane_free(fanout->history);
    photos_free(fanout->photos);
    bus_server_free(fanout->bus);
    camera_table_free(fanout->newest);
    polling_free(fanout->polling);
    free(fanout->poll_reply);
    free(fanout);
}

const char *fanout_handlers_check(void)
{
    return bus_handlers_check(&HANDLERS, PEER_FANOUT);
}
