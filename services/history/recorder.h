/* recorder - writes what waits into the database, many things in one transaction, and does the database's upkeep. */
#ifndef TAGHUB_RECORDER_H
#define TAGHUB_RECORDER_H

#include "claims.h"
#include "run/conf.h"
#include "run/worker.h"
#include "store.h"

struct recorder;

struct recorder_events {
    /** A session is committed as it stands. */
    void (*stored)(void *user, const struct session *session);
    /** What waits has become less, or the database can be read again. */
    void (*progress)(void *user);
};

/** All pointers are borrowed. Begins with the first recorder_run(). NULL without memory. */
struct recorder *recorder_new(const struct hub_conf *conf, struct worker *worker, struct sessions *sessions,
                              struct claims *claims, const struct recorder_events *events, void *user);
void recorder_free(struct recorder *recorder);

/** Keeps a copy of a picture until it is written, or gives it up when too much waits. */
void recorder_take_photo(struct recorder *recorder, const struct msg_photo *photo);
/** To be called when sessions have begun to wait: they are written within history_commit_ms. */
void recorder_wake(struct recorder *recorder);
/** To be called when claims_is_orphan() can have become true of a session in the database. */
void recorder_review_claims(struct recorder *recorder);
/** To be called every WORKER_TICK_MS. */
void recorder_tick(struct recorder *recorder);
/** Opens the database if it is closed, and writes all that waits and who is there now; what meets trouble waits on. */
void recorder_run(struct recorder *recorder);

/** Does something wait that could be written? */
bool recorder_can_write(const struct recorder *recorder);
/** Sessions and pictures that wait; pictures have given way when it is more than history_queue_max_bytes. */
size_t recorder_waiting_bytes(const struct recorder *recorder);

/** For reading, until the next call of this module. NULL while the database is closed; recorder_trouble() says why. */
struct store *recorder_store(const struct recorder *recorder);
enum store_trouble recorder_trouble(const struct recorder *recorder);
/** What came of reading: trouble is logged once, and a corrupt database set aside. */
void recorder_note_read(struct recorder *recorder, enum store_trouble trouble);

#endif
