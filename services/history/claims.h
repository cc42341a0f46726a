/* claims - which gateway workers are there to speak for their sessions, and what becomes of sessions nobody speaks for.
 *
 * A worker that ends in order tells the end of its sessions itself. One that is lost may come back on a new link within
 * a moment, and then tells all it holds. Only when it does not, its sessions end with a guess. Pure: told the time. */
#ifndef TAGHUB_CLAIMS_H
#define TAGHUB_CLAIMS_H

#include "sessions.h"

/**
 * How long a worker may be lost before its sessions end: ten times the longest pause between two attempts to connect.
 * One that was merely slower puts it right, since what it says counts over the guess.
 */
#define CLAIMS_GRACE_MS 10000u

struct bus_link;

/** A gateway worker. */
struct origin {
    uint64_t incarnation;
    struct bus_link *link; /* its newest one; NULL while it is lost */
    bool is_seeded;        /* it has told all it holds on that link */
    uint64_t lost_utc_us, lost_mono_ms;
    struct origin *next;
};

struct claims {
    struct sessions *sessions; /* borrowed */
    struct origin *origins;
    uint64_t started_mono_ms;
    bool is_start_over;
};

void claims_init(struct claims *claims, struct sessions *sessions, uint64_t now_mono_ms);
void claims_done(struct claims *claims);

/** A worker is there, maybe again; until it tells of them, its sessions are away. Returns 0 or -ENOMEM. */
int claims_join(struct claims *claims, struct bus_link *link, uint64_t incarnation, uint64_t now_utc_us);
/** The worker on this link has told all it holds; what it did not tell of has ended. */
void claims_seed_end(struct claims *claims, const struct bus_link *link);
/** Harmless for a link whose worker has come back on another one. */
void claims_leave(struct claims *claims, const struct bus_link *link, uint64_t now_utc_us, uint64_t now_mono_ms);

/**
 * Gives up on workers that were lost too long ago: their sessions end when they were lost.
 *
 * returns  whether more sessions can be orphans than before, also once when the time after the start is over
 */
bool claims_expire(struct claims *claims, uint64_t now_mono_ms);

/** The worker whose newest link this is, or NULL. */
struct origin *claims_by_link(const struct claims *claims, const struct bus_link *link);
struct origin *claims_find(const struct claims *claims, uint64_t incarnation);

/** May a session that stands open in the database be ended, because nobody holds it and nobody can come to claim it? */
bool claims_is_orphan(const struct claims *claims, uint64_t origin, uint64_t number);

/** When a worker was last there: now_utc_us while it is, or is not known at all. */
uint64_t claims_alive_utc_us(const struct claims *claims, uint64_t incarnation, uint64_t now_utc_us);

#endif
