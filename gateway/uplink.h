/* uplink - a gateway worker's side of the bus: device messages to ingest, the stream of news from fanout.
 *
 * It keeps the promise of the acknowledgement: a message is settled when every living worker has it, is sent again
 * when a service dies in between, and is accepted once. */
#ifndef TAGHUB_UPLINK_H
#define TAGHUB_UPLINK_H

#include "run/conf.h"
#include "run/worker.h"
#include "unsettled.h"

struct uplink;

/** What the worker does with what comes. */
struct uplink_events {
    /** News, first copy only. */
    void (*sighting)(void *user, const struct msg_sighting *sighting);
    /** State, not news: a camera's newest before this worker was there. */
    void (*kept)(void *user, const struct msg_kept *kept);
    void (*photo)(void *user, const struct msg_photo *photo);
    /** A picture of ours is with every worker; for the statistics (count is not set). Before its sender is told. */
    void (*photo_stored)(void *user, const struct msg_photo_stored *stored);
    /** Tells the cameras of this worker, if `first`, and returns how many match in any case. */
    uint64_t (*command)(void *user, const struct msg_command *command, bool first);
    void (*answer)(void *user, const struct msg_answer *answer);
    /** fanout is lost: no answer comes to what it was asked. */
    void (*answers_lost)(void *user);
    /** There is room in the store again, after uplink_submit() or uplink_has_room() said no. */
    void (*room)(void *user);
    /** This worker knows what it needs to serve. Once. */
    void (*ready_to_serve)(void *user);
    /** fanout has just started, or this worker has: tell it all cameras' newest, with the functions below. */
    void (*seed_sightings)(void *user, struct bus_link *link);
    void (*seed_photos)(void *user, struct bus_link *link);
};

/** Who waits for the fate of a picture. Exactly one is called, unless photo_wait_abandon(). */
struct photo_ops {
    void (*verdict)(void *requester, const struct msg_verdict *verdict);
    void (*settled)(void *requester); /* every worker has it, or a newer one */
    bool (*lost)(void *requester);    /* a service is away; the picture may still come. true: it is offered again */
};

struct photo_wait;

/** conf, worker and events are borrowed. NULL without memory. */
struct uplink *uplink_new(const struct hub_conf *conf, struct worker *worker, const struct uplink_events *events,
                          void *user);
void uplink_free(struct uplink *uplink);

/** Room for a text of so many bytes? If not, events->room follows when there is. */
bool uplink_has_room(struct uplink *uplink, size_t text_bytes);

/** Takes a device message in; see unsettled_add(). -ENOBUFS: no room, events->room follows. */
int uplink_submit(struct uplink *uplink, const struct msg_device_text *message, const struct requester_ops *ops,
                  void *requester, struct unsettled **ret_entry);

/** Its sender was told that nobody knows: see unsettled_withdraw(). */
void uplink_withdraw(struct uplink *uplink, struct unsettled *entry);

/**
 * Passes a picture on (message->seq is ignored).
 * returns 0 with *ret_wait; -ENOTCONN when ingest is away; -ENOBUFS when too much waits; -ENOMEM
 */
int uplink_submit_photo(struct uplink *uplink, const struct msg_device_photo *message, const struct photo_ops *ops,
                        void *requester, struct photo_wait **ret_wait);
/** Is the way of pictures so clear that a camera may have a second one on it? */
bool uplink_photos_flow(const struct uplink *uplink);
void photo_wait_abandon(struct photo_wait *wait);

/** Handles all that fanout has written so far: what was acknowledged anywhere is visible afterwards. */
void uplink_catch_up(struct uplink *uplink);
void uplink_catch_up_photos(struct uplink *uplink);

/** Asks fanout. Returns false when it is away. */
bool uplink_ask(struct uplink *uplink, const struct msg_ask *ask);

/** Is nothing of this worker's under way: texts settled, pictures' fates known? */
bool uplink_is_quiet(const struct uplink *uplink);

/** To be called at every tick of the worker. A worker without clients (WebSockets) takes the stream at ticks alone. */
void uplink_tick(struct uplink *uplink, bool has_clients);

#endif
