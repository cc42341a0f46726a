/* bus_link - one end of a connection between two processes of the suite.
 *
 * Messages sent in one turn of the loop leave as one write. What arrives is handed to the handler of its row in
 * the process's one table. A link is usable after both ends have said hello; bus_client and bus_server make links
 * and see to that. */
#ifndef TAGHUB_BUS_LINK_H
#define TAGHUB_BUS_LINK_H

#include "run/loop.h"
#include "schema.h"

struct bus_link;

/** Who this process is; the same on all its links. */
struct bus_identity {
    enum peer_kind kind;
    uint64_t slot;        /* worker number, 0 for services without workers */
    uint64_t incarnation; /* random, never 0 */
};

/** Handles one message. `msg` and the bytes its blobs point to die when it returns. */
typedef void (*bus_handler)(void *user, struct bus_link *link, const union msg_any *msg);

/** One row per message that is addressed to this kind of process; hello is handled by the link itself. */
struct bus_handlers {
    bus_handler on[MSG_TYPE_COUNT];
};

/**
 * Compares a table with messages.def: every message addressed to `me` has a handler, and nothing else has.
 * returns NULL, or the name of the first message for which that is not so
 */
const char *bus_handlers_check(const struct bus_handlers *handlers, enum peer_kind me);

/** What the owner of a link is told. */
struct bus_link_events {
    void (*ready)(void *owner, struct bus_link *link);
    /**
     * The link is over; why is a sentence. When it was the peer that left, everything it had written was handled before;
     * not so when this end gave up on it (a broken rule, a full queue). The owner calls bus_link_free().
     */
    void (*closed)(void *owner, struct bus_link *link, const char *why);
    /** The kernel has taken more (bus_link_taken_mark() moved, or the queue became shorter). May be NULL. */
    void (*taken)(void *owner, struct bus_link *link);
};

struct bus_link_conf {
    const struct bus_identity *me;
    const struct bus_handlers *handlers;
    void *user; /* for the handlers */
    const struct bus_link_events *events;
    void *owner;              /* for the events */
    uint64_t queue_bytes_max; /* a peer for which more waits is dropped; senders are meant to stop earlier */
};

/**
 * Takes a connected socket over and says hello on it.
 *
 * lane     what this end asks for (client), or -1 to take the peer's choice (server)
 * returns  the link; NULL without memory, with the socket closed
 */
struct bus_link *bus_link_new(struct loop *loop, int fd, int lane, const struct bus_link_conf *conf);
/** Closes; no event follows. Safe inside handlers and events of the same link. Accepts NULL. */
void bus_link_free(struct bus_link *link);

/** The peer's hello; valid from `ready` on. */
const struct msg_hello *bus_link_peer(const struct bus_link *link);
bool bus_link_is_ready(const struct bus_link *link);

/** Space for whoever owns the link's meaning (a subscriber, a source). */
void bus_link_set_context(struct bus_link *link, void *context);
void *bus_link_context(const struct bus_link *link);

/** Queues a message for the end of this turn. Out of memory drops the link: a stream with a hole is worth nothing. */
void bus_link_send(struct bus_link *link, enum msg_type type, const void *msg);
/** Queues the message that is being handled, as it came: to be used inside a handler of `from`. */
void bus_link_forward(struct bus_link *to, const struct bus_link *from);
/** Writes now what is queued, as far as the kernel takes it. Sending does this by itself at the end of the turn. */
void bus_link_flush(struct bus_link *link);

/** Bytes not yet taken by the kernel. */
size_t bus_link_queued_bytes(const struct bus_link *link);
/** Milliseconds of the monotonic clock since which bytes wait and none was taken; 0 when nothing waits. */
uint64_t bus_link_stalled_since_mono_ms(const struct bus_link *link);

/**
 * Marks the end of what is queued with a number that ascends. bus_link_taken_mark() tells the highest mark that the
 * kernel is known to have taken with all before it; it never falls, and stands still once the link is lost.
 */
void bus_link_set_mark(struct bus_link *link, uint64_t mark);
uint64_t bus_link_taken_mark(const struct bus_link *link);

/** Stops and resumes handling of what arrives; both may be repeated. */
void bus_link_pause(struct bus_link *link);
void bus_link_resume(struct bus_link *link);
/**
 * While a link dozes nobody is woken by what arrives, nor by its end: both wait for bus_link_drain(), or for the end of
 * the doze. May be repeated.
 */
void bus_link_doze(struct bus_link *link, bool doze);
/**
 * Handles now whatever the peer has written so far; what it writes meanwhile waits for the next turn. Does nothing while
 * paused or inside the link's own handlers.
 * returns how many bytes waited
 */
size_t bus_link_drain(struct bus_link *link);

#endif
