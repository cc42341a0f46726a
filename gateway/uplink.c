/* uplink - see uplink.h.
 *
 * Invariants
 *   P1  on every link to ingest, numbers ascend from the oldest unsettled one: a lost link makes the store go back
 *   P2  a sighting is news only above the mark of its origin; repeats are counted and dropped
 *   P3  a message is settled only when the slots that fanout wrote to cover every slot that is alive. A slot that came
 *       alive without it makes us go back, until it has it or is dead
 *   P4  marks are this worker's own from the moment it serves: it never takes fanout's word for what it has seen
 *   P5  a worker that nobody is connected to, and that waits for nothing, is not woken by the stream: it dozes, and takes
 *       what came at every tick. That the kernel has it is what `settled` promises, so nobody else notices
 */
#include "uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/un.h>

#include "bus_client.h"
#include "marks.h"
#include "run/log.h"
#include "run/svc.h"

#define DOZE_BYTES         32768u /* P5: more than that in a tick is no doze: the kernel must hold what waits */
#define UNCOVERED_RETRY_MS 100u   /* P3: time for a slot to subscribe or die before we go back again */
#define SERVE_ANYWAY_MS    1500u  /* a worker serves without a snapshot when fanout is away for so long */
#define PHOTOS_WAITING_MAX 64u    /* pictures whose fate is open, per worker */
#define PHOTOS_FLOW_MAX    32u    /* so many, and so many bytes that wait for ingest, are no crowd */
#define PHOTOS_FLOW_BYTES  131072u

enum { LINK_INGEST, LINK_INGEST_PHOTOS, LINK_FANOUT, LINK_FANOUT_PHOTOS, LINK_COUNT };

static const struct {
    const char *name;
    enum peer_kind service;
    enum lane lane;
} LINKS[LINK_COUNT] = {
    [LINK_INGEST] = {"ingest", PEER_INGEST, LANE_SIGHTINGS},
    [LINK_INGEST_PHOTOS] = {"ingest/photos", PEER_INGEST, LANE_PHOTOS},
    [LINK_FANOUT] = {"fanout", PEER_FANOUT, LANE_SIGHTINGS},
    [LINK_FANOUT_PHOTOS] = {"fanout/photos", PEER_FANOUT, LANE_PHOTOS},
};

struct photo_wait {
    uint64_t seq;
    const struct photo_ops *ops;
    void *requester; /* NULL once nobody waits */
    uint64_t arrived_utc_us, bytes;
    char camera[NAME_BYTES_MAX + 1];
    struct photo_wait *next;
};

struct uplink {
    const struct hub_conf *conf;
    struct worker *worker;
    const struct uplink_events *events;
    void *user;
    struct bus_client *clients[LINK_COUNT];
    struct unsettled_store *store;
    bool room_wanted;
    struct loop_task pump_task, room_task;
    struct marks marks, command_marks;
    uint64_t alive_told, caught_up_turn;
    bool serving, seeded[LINK_COUNT];
    bool is_used;                 /* P5: since the last tick */
    struct msg_settled uncovered; /* the newest report that did not cover all; up_to_seq 0: none */
    struct deadline_list uncovered_list, serve_list;
    struct deadline uncovered_deadline, serve_deadline;
    struct photo_wait *photos, **photos_end;
    uint64_t photo_seq;
    unsigned photo_count;
};

static struct bus_link *link_of(const struct uplink *uplink, int which)
{
    return bus_client_link(uplink->clients[which]);
}

static void count_store(struct uplink *uplink)
{
    count_set(uplink->worker->slot, COUNTER_unsettled, unsettled_count(uplink->store));
    count_set(uplink->worker->slot, COUNTER_unsettled_bytes, unsettled_bytes(uplink->store));
}

/* After something ended. */
static void store_shrank(struct uplink *uplink)
{
    count_store(uplink);
    if (uplink->room_wanted)
        loop_at_turn_end(uplink->worker->loop, &uplink->room_task);
}

static void tell_room(struct loop_task *task)
{
    struct uplink *uplink = H2O_STRUCT_FROM_MEMBER(struct uplink, room_task, task);

    uplink->room_wanted = false;
    uplink->events->room(uplink->user);
}

/* ---- dozing (P5) ---- */

static void wake_up(struct uplink *uplink)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT);

    uplink->is_used = true;
    if (link != NULL)
        bus_link_doze(link, false);
}

static void doze_or_not(struct uplink *uplink, bool has_clients)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT);
    bool is_idle = uplink->serving && !has_clients && !uplink->is_used && unsettled_count(uplink->store) == 0;

    uplink->is_used = false;
    if (link == NULL)
        return;
    bus_link_doze(link, is_idle);
    if (is_idle)
        uplink->is_used = bus_link_drain(link) > DOZE_BYTES;
}

/* ---- to ingest ---- */

static void pump(struct uplink *uplink)
{
    struct bus_link *link = link_of(uplink, LINK_INGEST);
    struct unsettled *entry;

    while (link != NULL && bus_link_queued_bytes(link) < uplink->conf->bus_queue_max_bytes / 2 &&
           (entry = unsettled_next_unsent(uplink->store)) != NULL) {
        bus_link_send(link, MSG_device_text, &entry->message);
        unsettled_sent(uplink->store, entry);
    }
}

static void pump_at_turn_end(struct loop_task *task)
{
    pump(H2O_STRUCT_FROM_MEMBER(struct uplink, pump_task, task));
}

bool uplink_has_room(struct uplink *uplink, size_t text_bytes)
{
    bool room = unsettled_has_room(uplink->store, text_bytes);

    uplink->room_wanted |= !room;
    return room;
}

int uplink_submit(struct uplink *uplink, const struct msg_device_text *message, const struct requester_ops *ops,
                  void *requester, struct unsettled **ret_entry)
{
    int r = unsettled_add(uplink->store, message, ops, requester, ret_entry);

    if (r < 0) {
        uplink->room_wanted = true;
        return r;
    }
    count_add(uplink->worker->slot, COUNTER_texts, 1);
    count_store(uplink);
    wake_up(uplink);
    loop_at_turn_end(uplink->worker->loop, &uplink->pump_task);
    return 0;
}

void uplink_withdraw(struct uplink *uplink, struct unsettled *entry)
{
    unsettled_withdraw(uplink->store, entry);
    store_shrank(uplink);
}

/* P1 */
static void go_back(struct uplink *uplink)
{
    count_add(uplink->worker->slot, COUNTER_resent, unsettled_go_back(uplink->store));
}

static void on_verdict_of_text(struct uplink *uplink, const struct msg_verdict *verdict)
{
    struct unsettled *entry = unsettled_find(uplink->store, verdict->seq);

    if (entry == NULL)
        return; /* it was sent twice and ended the first time */
    if (verdict->reject != REJECT_none)
        count_refused(uplink->worker->slot, (enum reject)verdict->reject);
    count_add(uplink->worker->slot, COUNTER_settled, 1);
    unsettled_end_verdict(uplink->store, entry, verdict);
    store_shrank(uplink);
}

/* ---- pictures ---- */

int uplink_submit_photo(struct uplink *uplink, const struct msg_device_photo *message, const struct photo_ops *ops,
                        void *requester, struct photo_wait **ret_wait)
{
    struct bus_link *link = link_of(uplink, LINK_INGEST_PHOTOS);
    struct msg_device_photo numbered = *message;
    struct photo_wait *wait;

    if (link == NULL || link_of(uplink, LINK_FANOUT_PHOTOS) == NULL)
        return -ENOTCONN;
    if (uplink->photo_count >= PHOTOS_WAITING_MAX ||
        bus_link_queued_bytes(link) > uplink->conf->photo_max_bytes + uplink->conf->bus_queue_max_bytes / 2)
        return -ENOBUFS;
    wait = calloc(1, sizeof *wait);
    if (wait == NULL)
        return -ENOMEM;
    wait->seq = numbered.seq = ++uplink->photo_seq;
    wait->ops = ops;
    wait->requester = requester;
    wait->arrived_utc_us = message->arrived_utc_us;
    wait->bytes = message->jpeg.length;
    memcpy(wait->camera, message->camera, sizeof wait->camera);
    *uplink->photos_end = wait;
    uplink->photos_end = &wait->next;
    uplink->photo_count++;
    count_add(uplink->worker->slot, COUNTER_photos, 1);
    bus_link_send(link, MSG_device_photo, &numbered);
    *ret_wait = wait;
    return 0;
}

bool uplink_photos_flow(const struct uplink *uplink)
{
    const struct bus_link *link = link_of(uplink, LINK_INGEST_PHOTOS);

    return uplink->photo_count < PHOTOS_FLOW_MAX && (link == NULL || bus_link_queued_bytes(link) < PHOTOS_FLOW_BYTES);
}

void photo_wait_abandon(struct photo_wait *wait)
{
    wait->requester = NULL;
}

/* Takes out the wait with this number; the caller frees it. NULL when there is none. */
static struct photo_wait *take_photo(struct uplink *uplink, uint64_t seq)
{
    struct photo_wait **slot = &uplink->photos, *wait;

    while (*slot != NULL && (*slot)->seq != seq)
        slot = &(*slot)->next;
    wait = *slot;
    if (wait == NULL)
        return NULL;
    *slot = wait->next;
    if (wait->next == NULL)
        uplink->photos_end = slot;
    uplink->photo_count--;
    return wait;
}

static void on_verdict_of_photo(struct uplink *uplink, const struct msg_verdict *verdict)
{
    struct photo_wait *wait = take_photo(uplink, verdict->seq);

    if (wait == NULL)
        return;
    if (verdict->reject != REJECT_none)
        count_refused(uplink->worker->slot, (enum reject)verdict->reject);
    if (wait->requester != NULL)
        wait->ops->verdict(wait->requester, verdict);
    free(wait);
}

static void lose_photos(struct uplink *uplink)
{
    while (uplink->photos != NULL) {
        struct photo_wait *wait = take_photo(uplink, uplink->photos->seq);

        if (wait->requester == NULL || !wait->ops->lost(wait->requester))
            count_add(uplink->worker->slot, COUNTER_photos_dropped, 1);
        free(wait);
    }
}

/* ---- settling ---- */

static bool covers(const struct uplink *uplink, uint64_t slots)
{
    return (page_alive_mask(uplink->worker->page) & ~slots) == 0;
}

static void settle(struct uplink *uplink, uint64_t up_to_seq)
{
    uint64_t now = svc_utc_us();

    for (const struct unsettled *entry = unsettled_first_seen(uplink->store);
         entry != NULL && entry->message.seq <= up_to_seq; entry = entry->next_seen)
        count_duration(uplink->worker->slot, HISTOGRAM_settled, entry->message.arrived_utc_us, now);
    count_add(uplink->worker->slot, COUNTER_settled, unsettled_settle(uplink->store, up_to_seq));
    store_shrank(uplink);
}

static void on_settled(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)link;
    if (covers(uplink, msg->settled.slots)) { /* P3 */
        if (uplink->uncovered.up_to_seq <= msg->settled.up_to_seq)
            deadline_disarm(&uplink->uncovered_deadline); /* the slot that was missing has it by now */
        settle(uplink, msg->settled.up_to_seq);
        return;
    }
    uplink->uncovered = msg->settled;
    if (!deadline_is_armed(&uplink->uncovered_deadline))
        deadline_arm(uplink->worker->loop, &uplink->uncovered_list, &uplink->uncovered_deadline);
}

/* P3: the slot that was missing is dead by now, or gets everything again. */
static void uncovered_again(struct deadline *deadline)
{
    struct uplink *uplink = H2O_STRUCT_FROM_MEMBER(struct uplink, uncovered_deadline, deadline);

    if (unsettled_count(uplink->store) == 0)
        return;
    if (covers(uplink, uplink->uncovered.slots))
        settle(uplink, uplink->uncovered.up_to_seq);
    else
        bus_client_restart(uplink->clients[LINK_INGEST], "a worker has not got everything");
}

/* ---- from fanout ---- */

static void on_sighting(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;
    const struct msg_sighting *sighting = &msg->sighting;

    (void)link;
    if (!marks_accept(&uplink->marks, sighting->origin, sighting->seq)) { /* P2 */
        count_add(uplink->worker->slot, COUNTER_doubles, 1);
        return;
    }
    count_add(uplink->worker->slot, COUNTER_sightings, 1);
    if (sighting->origin == uplink->worker->identity.incarnation) {
        struct unsettled *entry = unsettled_find(uplink->store, sighting->seq);

        count_add(uplink->worker->slot, COUNTER_sightings_taken, 1);
        if (entry != NULL)
            unsettled_saw(uplink->store, entry, sighting);
    }
    uplink->events->sighting(uplink->user, sighting);
}

static void on_photo(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)link;
    uplink->events->photo(uplink->user, &msg->photo);
}

static void tell_photo_stored(struct uplink *uplink, const struct photo_wait *wait,
                              const struct msg_photo_settled *settled)
{
    struct msg_photo_stored stored = {.arrived_utc_us = wait->arrived_utc_us,
                                      .bytes = wait->bytes,
                                      .width = settled->width,
                                      .height = settled->height};
    uint64_t now = svc_utc_us(), processing_us = now > wait->arrived_utc_us ? now - wait->arrived_utc_us : 0;

    stored.processing_us = processing_us < UINT32_MAX ? processing_us : UINT32_MAX;
    memcpy(stored.camera, wait->camera, sizeof stored.camera);
    uplink->events->photo_stored(uplink->user, &stored);
}

static void on_photo_settled(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;
    struct photo_wait *wait = take_photo(uplink, msg->photo_settled.seq);

    (void)link;
    if (wait == NULL)
        return;
    tell_photo_stored(uplink, wait, &msg->photo_settled);
    if (wait->requester != NULL)
        wait->ops->settled(wait->requester);
    free(wait);
}

static void on_command(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;
    const struct msg_command *command = &msg->command;
    bool first = marks_accept(&uplink->command_marks, command->origin, command->seq);
    struct msg_command_done done = {.origin = command->origin, .seq = command->seq};

    done.cameras_count = uplink->events->command(uplink->user, command, first);
    if (first)
        count_add(uplink->worker->slot, COUNTER_commands, done.cameras_count);
    bus_link_send(link, MSG_command_done, &done);
}

static void on_command_result(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;
    struct unsettled *entry = unsettled_find(uplink->store, msg->command_result.seq);

    (void)link;
    if (entry == NULL)
        return;
    count_add(uplink->worker->slot, COUNTER_settled, 1);
    unsettled_end_command(uplink->store, entry, &msg->command_result);
    store_shrank(uplink);
}

static void on_answer(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)link;
    uplink->events->answer(uplink->user, &msg->answer);
}

static void on_verdict(void *user, struct bus_link *link, const union msg_any *msg)
{
    if (bus_link_peer(link)->lane == LANE_PHOTOS)
        on_verdict_of_photo(user, &msg->verdict);
    else
        on_verdict_of_text(user, &msg->verdict);
}

/* ---- the beginning of a subscription ---- */

static void on_mark(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)link;
    if (!uplink->serving) /* P4 */
        marks_raise(&uplink->marks, msg->mark.origin, msg->mark.seq);
}

static void on_kept(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)link;
    uplink->events->kept(uplink->user, &msg->kept);
}

static void begin_to_serve(struct uplink *uplink)
{
    if (uplink->serving)
        return;
    uplink->serving = true;
    deadline_disarm(&uplink->serve_deadline);
    uplink->events->ready_to_serve(uplink->user);
}

static void on_seed_end(void *user, struct bus_link *link, const union msg_any *msg)
{
    struct uplink *uplink = user;

    (void)msg;
    uplink->seeded[bus_link_peer(link)->lane == LANE_PHOTOS ? LINK_FANOUT_PHOTOS : LINK_FANOUT] = true;
    if (uplink->seeded[LINK_FANOUT] && uplink->seeded[LINK_FANOUT_PHOTOS])
        begin_to_serve(uplink);
}

static void serve_anyway(struct deadline *deadline)
{
    struct uplink *uplink = H2O_STRUCT_FROM_MEMBER(struct uplink, serve_deadline, deadline);

    log_warn("serves_without_snapshot", "reason=\"fanout is away\"");
    begin_to_serve(uplink);
}

static void subscribe(struct uplink *uplink, struct bus_link *link, bool photos)
{
    struct msg_subscribe hello = {.fresh = !uplink->serving, .alive = page_alive_mask(uplink->worker->page)};

    bus_link_send(link, MSG_subscribe, &hello);
    if (photos) {
        uplink->events->seed_photos(uplink->user, link);
    } else {
        for (uint32_t i = 0; i < uplink->marks.count; i++) {
            struct msg_mark mark = {.origin = uplink->marks.items[i].origin, .seq = uplink->marks.items[i].seq};

            if (mark.seq > 0)
                bus_link_send(link, MSG_mark, &mark);
        }
        uplink->alive_told = hello.alive;
        uplink->events->seed_sightings(uplink->user, link);
    }
    bus_link_send(link, MSG_seed_end, &(struct msg_seed_end){});
}

/* ---- links coming and going ---- */

static int which_client(const struct uplink *uplink, const struct bus_client *client)
{
    int which = 0;

    while (uplink->clients[which] != client)
        which++;
    return which;
}

static void link_up(void *user, struct bus_client *client)
{
    struct uplink *uplink = user;
    int which = which_client(uplink, client);

    log_info("link_up", "worker=%u to=%s", uplink->worker->number, LINKS[which].name);
    page_set_link(uplink->worker->slot, PAGE_LINK(LINKS[which].service, LINKS[which].lane), true);
    if (which == LINK_INGEST)
        pump(uplink);
    else if (which != LINK_INGEST_PHOTOS)
        subscribe(uplink, bus_client_link(client), which == LINK_FANOUT_PHOTOS);
}

static void link_down(void *user, struct bus_client *client, const char *why)
{
    struct uplink *uplink = user;
    int which = which_client(uplink, client);

    log_warn("link_down", "worker=%u to=%s reason=%s", uplink->worker->number, LINKS[which].name, log_quote(why));
    page_set_link(uplink->worker->slot, PAGE_LINK(LINKS[which].service, LINKS[which].lane), false);
    count_add(uplink->worker->slot, COUNTER_link_losses, 1);
    uplink->seeded[which] = false; /* half a snapshot of a fanout that is gone is none */
    if (which == LINK_INGEST)
        go_back(uplink);
    else if (which == LINK_FANOUT)
        uplink->events->answers_lost(uplink->user);
    else
        lose_photos(uplink);
    wake_up(uplink); /* the other link to fanout may have ended too */
}

static void link_trouble(void *user, struct bus_client *client, const char *why)
{
    struct uplink *uplink = user;

    log_warn("link_trouble", "worker=%u to=%s reason=%s", uplink->worker->number,
             LINKS[which_client(uplink, client)].name, log_quote(why));
}

static void link_taken(void *user, struct bus_client *client)
{
    struct uplink *uplink = user;

    if (client == uplink->clients[LINK_INGEST])
        loop_at_turn_end(uplink->worker->loop, &uplink->pump_task);
}

static const struct bus_client_events CLIENT_EVENTS = {
    .up = link_up, .down = link_down, .trouble = link_trouble, .taken = link_taken};

static const struct bus_handlers HANDLERS = {.on = {
                                                 [MSG_verdict] = on_verdict,
                                                 [MSG_sighting] = on_sighting,
                                                 [MSG_photo] = on_photo,
                                                 [MSG_command] = on_command,
                                                 [MSG_command_result] = on_command_result,
                                                 [MSG_settled] = on_settled,
                                                 [MSG_photo_settled] = on_photo_settled,
                                                 [MSG_mark] = on_mark,
                                                 [MSG_kept] = on_kept,
                                                 [MSG_seed_end] = on_seed_end,
                                                 [MSG_answer] = on_answer,
                                             }};

/* ---- the rest ---- */

void uplink_catch_up(struct uplink *uplink)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT);

    if (link != NULL)
        bus_link_drain(link);
}

/* Once a turn is enough: whoever is served in it had begun to ask before it began. */
void uplink_catch_up_photos(struct uplink *uplink)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT_PHOTOS);
    uint64_t turn = loop_turn(uplink->worker->loop);

    if (link == NULL || uplink->caught_up_turn == turn)
        return;
    uplink->caught_up_turn = turn;
    bus_link_drain(link);
}

bool uplink_ask(struct uplink *uplink, const struct msg_ask *ask)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT);

    if (link == NULL)
        return false;
    bus_link_send(link, MSG_ask, ask);
    wake_up(uplink);
    return true;
}

bool uplink_is_quiet(const struct uplink *uplink)
{
    return unsettled_count(uplink->store) == 0 && uplink->photo_count == 0;
}

void uplink_tick(struct uplink *uplink, bool has_clients)
{
    struct bus_link *link = link_of(uplink, LINK_FANOUT);
    uint64_t alive = page_alive_mask(uplink->worker->page), queued = 0;

    if (link != NULL && alive != uplink->alive_told) {
        bus_link_send(link, MSG_alive, &(struct msg_alive){.slots = alive});
        uplink->alive_told = alive;
    }
    for (int i = 0; i < LINK_COUNT; i++)
        queued += link_of(uplink, i) != NULL ? bus_link_queued_bytes(link_of(uplink, i)) : 0;
    count_set(uplink->worker->slot, COUNTER_queued_bytes, queued);
    doze_or_not(uplink, has_clients);
}

/* A link to fanout must also hold all that this worker tells of itself when it subscribes. */
static uint64_t queue_bytes_max(const struct hub_conf *conf, int which)
{
    uint64_t kept_bytes_max = sizeof(struct msg_kept) + TEXT_BYTES_MAX + 1024;

    if (which == LINK_FANOUT)
        return conf->bus_queue_max_bytes + conf->cameras_max_count * kept_bytes_max;
    return conf->bus_queue_max_bytes + (which == LINK_INGEST ? 0 : conf->photo_memory_bytes);
}

static int connect_all(struct uplink *uplink)
{
    char path[sizeof((struct sockaddr_un){0}.sun_path)];

    for (int i = 0; i < LINK_COUNT; i++) {
        int r = conf_socket_path(uplink->conf, peer_name(LINKS[i].service), path, sizeof path);

        if (r < 0)
            return r;
        uplink->clients[i] = bus_client_new(uplink->worker->loop, path, LINKS[i].lane, &uplink->worker->identity,
                                            &HANDLERS, &CLIENT_EVENTS, uplink, queue_bytes_max(uplink->conf, i));
        if (uplink->clients[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

struct uplink *uplink_new(const struct hub_conf *conf, struct worker *worker, const struct uplink_events *events,
                          void *user)
{
    struct uplink *uplink = calloc(1, sizeof *uplink);

    if (uplink == NULL)
        return NULL;
    uplink->conf = conf;
    uplink->worker = worker;
    uplink->events = events;
    uplink->user = user;
    uplink->photos_end = &uplink->photos;
    uplink->pump_task.run = pump_at_turn_end;
    uplink->room_task.run = tell_room;
    uplink->uncovered_deadline.fire = uncovered_again;
    uplink->serve_deadline.fire = serve_anyway;
    loop_add_deadlines(worker->loop, &uplink->uncovered_list, UNCOVERED_RETRY_MS);
    loop_add_deadlines(worker->loop, &uplink->serve_list, SERVE_ANYWAY_MS);
    deadline_arm(worker->loop, &uplink->serve_list, &uplink->serve_deadline);
    uplink->store = unsettled_store_new(conf->unsettled_max_bytes);
    if (uplink->store == NULL || connect_all(uplink) < 0) {
        uplink_free(uplink);
        return NULL;
    }
    return uplink;
}

void uplink_free(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    for (int i = 0; i < LINK_COUNT; i++)
        bus_client_free(uplink->clients[i]);
    while (uplink->photos != NULL)
        free(take_photo(uplink, uplink->photos->seq));
    loop_task_cancel(&uplink->pump_task);
    loop_task_cancel(&uplink->room_task);
    deadline_disarm(&uplink->uncovered_deadline);
    deadline_disarm(&uplink->serve_deadline);
    loop_remove_deadlines(uplink->worker->loop, &uplink->uncovered_list);
    loop_remove_deadlines(uplink->worker->loop, &uplink->serve_list);
    unsettled_store_free(uplink->store);
    free(uplink);
}
