/* session_log - the sessions of cameras that this worker has to answer for: those that are open, and those that have
 * ended and are not yet in the database.
 *
 * A session is told as it stands, with a version that rises at every change, as often as need be: history keeps the
 * newest word and says which version it has committed. An ended session is forgotten when that is its last one. */
#ifndef TAGHUB_SESSION_LOG_H
#define TAGHUB_SESSION_LOG_H

#include <stdbool.h>

#include "schema.h"

struct session_log;

/** One session. Only the log changes it. */
struct logged_session {
    struct msg_session record;
    struct logged_session *older, *newer;
};

/**
 * changed    called with every new version, to be told to history
 * given_up   called for a session that goes before it was stored, because there are more than count_max
 * returns    NULL without memory
 */
struct session_log *session_log_new(uint32_t count_max, void (*changed)(void *user, const struct msg_session *record),
                                    void (*given_up)(void *user, const struct msg_session *record), void *user);
/** Accepts NULL. */
void session_log_free(struct session_log *log);

/** A camera was identified. Returns its session, to be ended by session_log_end(); NULL without memory. */
struct logged_session *session_log_open(struct session_log *log, const char *camera, const char *address, uint16_t port,
                                        uint64_t now_utc_us);
/**
 * A session that another worker had, open or not yet stored, goes on here: with a number of this log, the next version,
 * and the rest as it was. It is told at once, as what continues that one.
 *
 * former         as the other worker told it last
 * former_origin  that worker's incarnation
 * returns        the session when it is open; NULL when it has ended (it is kept until it is stored), or without memory
 */
struct logged_session *session_log_adopt(struct session_log *log, const struct msg_session *former,
                                         uint64_t former_origin);
/** The connection goes by another name, or by the same: then nothing changes. */
void session_log_rename(struct session_log *log, struct logged_session *session, const char *camera);
/** The session is over; the pointer is dead afterwards. */
void session_log_end(struct session_log *log, struct logged_session *session, enum session_end end,
                     uint64_t now_utc_us);

/** History has committed this version. */
void session_log_stored(struct session_log *log, uint64_t number, uint64_t version);

/** Tells all as they stand, in the order in which they began. */
void session_log_each(const struct session_log *log, void (*each)(void *user, const struct msg_session *record),
                      void *user);

uint64_t session_log_count(const struct session_log *log);
/** Is every ended session stored, so that nothing would be lost with this process? */
bool session_log_is_settled(const struct session_log *log);

#endif
