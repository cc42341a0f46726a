/* reports - a gateway worker's links to metrics and history: what it tells them, and what HTTP clients ask them.
 *
 * Nobody waits for either. What they must know is kept here and told again to one that begins anew (photo_log,
 * session_log), so that a restart of theirs loses nothing. */
#ifndef TAGHUB_REPORTS_H
#define TAGHUB_REPORTS_H

#include "parking.h"
#include "run/conf.h"
#include "run/worker.h"
#include "session_log.h"

struct reports;

struct reports_events {
    void (*answer)(void *user, const struct msg_answer *answer);
    /** No answer comes to what this service was asked. */
    void (*answers_lost)(void *user, enum peer_kind service);
};

/** conf, worker and events are borrowed. NULL without memory. */
struct reports *reports_new(const struct hub_conf *conf, struct worker *worker, const struct reports_events *events,
                            void *user);
/** Accepts NULL. */
void reports_free(struct reports *reports);

/** Asks PEER_METRICS or PEER_HISTORY. Returns false when it is away. */
bool reports_ask(struct reports *reports, enum peer_kind service, const struct msg_ask *ask);

/** A picture was stored (stored->count is ignored). */
void reports_photo(struct reports *reports, const struct msg_photo_stored *stored);
/** To be called before anybody is told that a picture was stored: then who is told may ask metrics about it. */
void reports_flush(struct reports *reports);

/** See session_log.h. What is told is written before these return: who sees it happen may ask history. */
struct logged_session *reports_session_open(struct reports *reports, const char *camera, const char *address,
                                            uint16_t port);
struct logged_session *reports_session_adopt(struct reports *reports, const struct msg_session *former,
                                             uint64_t former_origin);
void reports_session_rename(struct reports *reports, struct logged_session *session, const char *camera);
/** Takes the session over and leaves NULL; NULL is fine. */
void reports_session_end(struct reports *reports, struct logged_session **session, enum session_end end);

/** Parks what history has not stored yet, sessions that are open aside: they travel with their sockets. */
void reports_park(struct reports *reports, struct parking_writer *parking);
/** Takes over what reports_park() wrote; what is no such record is ignored. */
void reports_adopt_record(struct reports *reports, struct view record);

/** Is every session that has ended in the database? */
bool reports_are_settled(const struct reports *reports);

/** To be called at every tick of the worker. */
void reports_tick(struct reports *reports);

#endif
