/* bus_server - accepts links on a listening Unix socket. */
#ifndef TAGHUB_BUS_SERVER_H
#define TAGHUB_BUS_SERVER_H

#include "bus_link.h"

struct bus_server;

struct bus_server_events {
    /** A peer said hello and may stay. */
    void (*joined)(void *user, struct bus_link *link);
    /** The link is over and is freed afterwards. why is a sentence; called for joined links only. */
    void (*left)(void *user, struct bus_link *link, const char *why);
    /** As in bus_link_events; may be NULL. */
    void (*taken)(void *user, struct bus_link *link);
    /** Somebody was turned away before or by the hello; why names it. For the log. */
    void (*refused)(void *user, const char *why);
    /** May one more be accepted now? NULL means always. Asked again every 10 ms while the answer is no. */
    bool (*gate)(void *user);
};

/**
 * listen_fd   non-blocking listening socket; taken over
 * handlers    checked with bus_handlers_check() by the caller; borrowed, as are me and events
 * user        for handlers and events
 * returns     the server, or NULL without memory (listen_fd is then closed)
 */
struct bus_server *bus_server_new(struct loop *loop, int listen_fd, const struct bus_identity *me,
                                  const struct bus_handlers *handlers, const struct bus_server_events *events,
                                  void *user, uint64_t queue_bytes_max);
/** Closes every link without events, then the listener. Not inside `left` or `refused`. Accepts NULL. */
void bus_server_free(struct bus_server *server);

/** Ends one link as if the peer had left: `left` follows at the end of this turn. */
void bus_server_drop(struct bus_server *server, struct bus_link *link, const char *why);

/** Joined links, newest first: pass NULL for the first; NULL after the last. */
struct bus_link *bus_server_next(struct bus_server *server, struct bus_link *after);

/** Joined links of now. */
unsigned bus_server_count(const struct bus_server *server);

#endif
