/* bus_client - keeps a link to a service: connects, says hello, and connects again when the link is lost.
 *
 * The wait before a new attempt begins with 10 ms and doubles up to 1 s; a link that was usable resets it. */
#ifndef TAGHUB_BUS_CLIENT_H
#define TAGHUB_BUS_CLIENT_H

#include "bus_link.h"

struct bus_client;

struct bus_client_events {
    /** The link is usable. */
    void (*up)(void *user, struct bus_client *client);
    /** The link is lost; everything the peer had written was handled. Only after `up`. */
    void (*down)(void *user, struct bus_client *client, const char *why);
    /** An attempt failed; why differs from the one told last. For the log. */
    void (*trouble)(void *user, struct bus_client *client, const char *why);
    /** As in bus_link_events; may be NULL. */
    void (*taken)(void *user, struct bus_client *client);
};

/**
 * path      of the service's socket; borrowed, as are me, handlers and events
 * returns   the client, which makes its first attempt at the end of this turn; NULL without memory
 */
struct bus_client *bus_client_new(struct loop *loop, const char *path, enum lane lane, const struct bus_identity *me,
                                  const struct bus_handlers *handlers, const struct bus_client_events *events,
                                  void *user, uint64_t queue_bytes_max);
/** No event follows. Allowed inside its events, too. Accepts NULL. */
void bus_client_free(struct bus_client *client);

/** The usable link, or NULL. */
struct bus_link *bus_client_link(const struct bus_client *client);

/** Drops the link at once, unread, and connects again at the end of this turn; `down` follows if it was up. */
void bus_client_restart(struct bus_client *client, const char *why);

#endif
