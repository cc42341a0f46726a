/* photos - pictures on their way to every gateway worker; the newest of each camera wins at every queue.
 *
 * A picture is copied in once and counted by reference. It is settled when every worker's kernel has taken it, or a
 * newer picture of the same camera took its place, or the worker left. History is a subscriber for whom nobody waits: it
 * gets what is newest whenever photos_release() says so. */
#ifndef TAGHUB_PHOTOS_H
#define TAGHUB_PHOTOS_H

#include "bus_link.h"

struct photos;
struct photo_subscriber;

/** settled() is called once per picture from ingest. NULL without memory. */
struct photos *photos_new(uint32_t cameras_max, uint64_t bytes_max,
                          void (*settled)(void *user, const struct msg_photo *photo), void *user);
void photos_free(struct photos *photos);

/** Who gets pictures. */
enum photo_reader {
    PHOTO_READER_WORKER,  /* each picture, at once */
    PHOTO_READER_HISTORY, /* each camera's newest at every photos_release() */
};

/** A photo link; borrowed until photos_unsubscribe(). NULL without memory. */
struct photo_subscriber *photos_subscribe(struct photos *photos, struct bus_link *link, enum photo_reader reader);
/** Its pictures count as taken. Accepts NULL. */
void photos_unsubscribe(struct photo_subscriber *subscriber);

/** Sends everything that is known, for a reader that has just begun. */
void photos_send_all(struct photo_subscriber *subscriber);

/** Sends what waits now to history. Accepts NULL. */
void photos_release(struct photo_subscriber *history);
/** Has its kernel taken all that was ever meant for it? True for NULL. */
bool photos_are_taken(const struct photo_subscriber *subscriber);

/** News from ingest: kept, and sent to every subscriber. */
void photos_take(struct photos *photos, const struct msg_photo *photo);
/** What a worker kept: only remembered, if it is newer than what is known. */
void photos_seed(struct photos *photos, const struct msg_photo *photo);
/** What history kept: sent to every worker, if it is newer than what is known; history is not sent what it has. */
void photos_restore(struct photo_subscriber *history, const struct msg_photo *photo);

/** The subscriber's link has taken more. */
void photos_link_taken(struct photo_subscriber *subscriber);

#endif
