/* unsettled - what this worker has taken in from devices and whose fate is still open.
 *
 * Messages are numbered in the order of arrival and kept until a verdict or a settlement ends them, so that they can
 * be sent again, in order, when a service between here and the games dies. The store is bounded in bytes; who wants
 * to put something in asks first and stops reading its source when there is no room. */
#ifndef TAGHUB_UNSETTLED_H
#define TAGHUB_UNSETTLED_H

#include "schema.h"

struct unsettled;

/** Who waits for the end of a message. Each is called at most once per message, and never after unsettled_abandon(). */
struct requester_ops {
    /** Ingest answered; the message is over. */
    void (*verdict)(void *requester, const struct msg_verdict *verdict);
    /** The sighting is with every worker; the message is over. */
    void (*settled)(void *requester, const struct unsettled *entry);
    /** The command reached so many cameras; the message is over. NULL where no command can come of it. */
    void (*command_result)(void *requester, const struct msg_command_result *result);
};

/** One message. Only the store changes it. */
struct unsettled {
    struct msg_device_text message; /* its blobs point behind this struct */
    const struct requester_ops *ops;
    void *requester;                                         /* NULL once nobody waits */
    bool sent;                                               /* on the link of now */
    bool seen;                                               /* it came back from fanout as a sighting */
    bool named;                                              /* that sighting brought its camera_name */
    char camera[NAME_BYTES_MAX + 1], tag[TAG_BYTES_MAX + 1]; /* of that sighting */
    size_t cost_bytes;
    struct unsettled *next_seen; /* ascending */
};

struct unsettled_store;

/** bytes_max limits the memory of all entries. NULL without memory. */
struct unsettled_store *unsettled_store_new(size_t bytes_max);
void unsettled_store_free(struct unsettled_store *store);

/** Is there room for a message with a text of so many bytes? */
bool unsettled_has_room(const struct unsettled_store *store, size_t text_bytes);

/**
 * Puts a copy of the message in and gives it the next number (message->seq is ignored).
 * returns 0 with *ret_entry; -ENOBUFS when there is no room; -ENOMEM
 */
int unsettled_add(struct unsettled_store *store, const struct msg_device_text *message, const struct requester_ops *ops,
                  void *requester, struct unsettled **ret_entry);

/** The requester is gone; the message stays until its end. */
void unsettled_abandon(struct unsettled *entry);

/**
 * The requester was told that nobody knows, and goes on: the message is not sent again. A copy that is under way may
 * still arrive. Frees the entry.
 */
void unsettled_withdraw(struct unsettled_store *store, struct unsettled *entry);

/** The entry with this number, or NULL when it has ended (or never was). */
struct unsettled *unsettled_find(const struct unsettled_store *store, uint64_t seq);

/** The oldest entry that is not sent on the link of now, or NULL. Marking it `sent` is unsettled_sent(). */
struct unsettled *unsettled_next_unsent(const struct unsettled_store *store);
void unsettled_sent(struct unsettled_store *store, struct unsettled *entry);
/** The link is lost: everything is to be sent again. Returns how many had been sent. */
uint64_t unsettled_go_back(struct unsettled_store *store);

/** It came back as a sighting; remembered for unsettled_settle(). A repeat changes nothing. */
void unsettled_saw(struct unsettled_store *store, struct unsettled *entry, const struct msg_sighting *sighting);
/** The oldest entry that was seen; follow `next_seen`. */
const struct unsettled *unsettled_first_seen(const struct unsettled_store *store);
/** Ends every entry that was seen, up to this number: each requester is told, oldest first. Returns how many. */
uint64_t unsettled_settle(struct unsettled_store *store, uint64_t up_to_seq);

/** Ends one entry: takes it out, then tells its requester through the callback that belongs to the outcome. */
void unsettled_end_verdict(struct unsettled_store *store, struct unsettled *entry, const struct msg_verdict *verdict);
void unsettled_end_command(struct unsettled_store *store, struct unsettled *entry,
                           const struct msg_command_result *result);

uint64_t unsettled_count(const struct unsettled_store *store);
size_t unsettled_bytes(const struct unsettled_store *store);

#endif
