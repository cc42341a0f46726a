/* sessions - every session of a camera that is open, or has ended and waits to be written. Pure: no clock, no loop.
 *
 * A session keeps the name it began with, here and in the database, while its connection goes from worker to worker:
 * who takes it over tells it with a number of its own, and which session it continues. */
#ifndef TAGHUB_SESSIONS_H
#define TAGHUB_SESSIONS_H

#include "schema.h"
#include "store.h"

struct sessions;

/** Owned by the table; gone with sessions_pop_waiting() when it has ended. */
struct session {
    struct store_session_id id; /* where it began */
    uint64_t holder;            /* incarnation of the gateway worker that holds it now */
    struct msg_session said;    /* the newest word about it */
    bool is_away;               /* open, but nobody says so at present; see claims.h */
    bool waits;                 /* to be written */
    struct session *next_waiting;
    struct session *next_in_bucket; /* private */
};

/** As the store takes it and borrowed from it; with an end, alive_utc_us is that, else 0. */
struct store_session session_row(const struct session *session);

/** count_max: of all. Returns NULL without memory. */
struct sessions *sessions_new(uint64_t count_max);
void sessions_free(struct sessions *sessions);

/**
 * Takes in what a worker says of a session, which is the worker's from now on; it waits to be written. The newest word
 * counts, also over a guess of sessions_end_away(); an older one, of a worker that held it before, changes nothing.
 *
 * returns  0; -ENOSPC when there are too many sessions; -ENOMEM
 */
int sessions_put(struct sessions *sessions, uint64_t holder, const struct msg_session *said);

/** By where it began. */
struct session *sessions_find(const struct sessions *sessions, uint64_t origin, uint64_t number);

/** All of them, in no order: pass NULL for the first; NULL after the last. None may be added or popped meanwhile. */
struct session *sessions_next(const struct sessions *sessions, const struct session *after);

/** Is it open, and does somebody say so? */
bool session_is_there(const struct session *session);
/** Open ones. */
uint64_t sessions_open_count(const struct sessions *sessions);

/* ---- what waits to be written ---- */

/** The first; follow next_waiting. */
struct session *sessions_first_waiting(const struct sessions *sessions);
size_t sessions_waiting_bytes(const struct sessions *sessions);
/** The first one is written: it waits no longer, and when it has ended it is forgotten. */
void sessions_pop_waiting(struct sessions *sessions);
/** Every open session waits, for a database that may not know it. */
void sessions_all_wait(struct sessions *sessions);

/* ---- whose worker is lost ---- */

/** Open sessions that this worker holds are away until sessions_put() tells of them. */
void sessions_mark_away(struct sessions *sessions, uint64_t holder);
/** Those that are still away end: as a guess, at this time but not before they began, for SESSION_END_hub_restart. */
void sessions_end_away(struct sessions *sessions, uint64_t holder, uint64_t ended_utc_us);

#endif
