/* claims - see claims.h.
 *
 * Invariants
 *   C1  only the newest link of a worker counts: what is still read from an older one was told again on the newer
 *   C2  a worker that has not told all it holds, or may still come back, loses no session to a guess
 */
#include "claims.h"

#include <errno.h>
#include <stdlib.h>

void claims_init(struct claims *claims, struct sessions *sessions, uint64_t now_mono_ms)
{
    *claims = (struct claims){.sessions = sessions, .started_mono_ms = now_mono_ms};
}

void claims_done(struct claims *claims)
{
    struct origin *origin;

    while ((origin = claims->origins) != NULL) {
        claims->origins = origin->next;
        free(origin);
    }
}

struct origin *claims_find(const struct claims *claims, uint64_t incarnation)
{
    struct origin *origin = claims->origins;

    while (origin != NULL && origin->incarnation != incarnation)
        origin = origin->next;
    return origin;
}

struct origin *claims_by_link(const struct claims *claims, const struct bus_link *link)
{
    struct origin *origin = claims->origins;

    while (origin != NULL && origin->link != link)
        origin = origin->next;
    return origin;
}

static void lose(struct claims *claims, struct origin *origin, uint64_t now_utc_us)
{
    origin->link = NULL;
    origin->is_seeded = false;
    origin->lost_utc_us = now_utc_us;
    sessions_mark_away(claims->sessions, origin->incarnation);
}

int claims_join(struct claims *claims, struct bus_link *link, uint64_t incarnation, uint64_t now_utc_us)
{
    struct origin *origin = claims_find(claims, incarnation);

    if (origin == NULL) {
        origin = calloc(1, sizeof *origin);
        if (origin == NULL)
            return -ENOMEM;
        origin->incarnation = incarnation;
        origin->next = claims->origins;
        claims->origins = origin;
    }
    if (origin->link != NULL) /* C1: the end of its older link has not been seen yet */
        lose(claims, origin, now_utc_us);
    origin->link = link;
    return 0;
}

void claims_seed_end(struct claims *claims, const struct bus_link *link)
{
    struct origin *origin = claims_by_link(claims, link);

    if (origin == NULL)
        return;
    origin->is_seeded = true;
    sessions_end_away(claims->sessions, origin->incarnation, origin->lost_utc_us);
}

void claims_leave(struct claims *claims, const struct bus_link *link, uint64_t now_utc_us, uint64_t now_mono_ms)
{
    struct origin *origin = claims_by_link(claims, link);

    if (origin == NULL)
        return;
    lose(claims, origin, now_utc_us);
    origin->lost_mono_ms = now_mono_ms;
}

bool claims_expire(struct claims *claims, uint64_t now_mono_ms)
{
    bool more_orphans = !claims->is_start_over && now_mono_ms >= claims->started_mono_ms + CLAIMS_GRACE_MS;
    struct origin **slot = &claims->origins;

    claims->is_start_over = claims->is_start_over || more_orphans;
    while (*slot != NULL) {
        struct origin *origin = *slot;

        if (origin->link != NULL || now_mono_ms < origin->lost_mono_ms + CLAIMS_GRACE_MS) {
            slot = &origin->next;
            continue;
        }
        sessions_end_away(claims->sessions, origin->incarnation, origin->lost_utc_us);
        *slot = origin->next;
        free(origin);
        more_orphans = true;
    }
    return more_orphans;
}

bool claims_is_orphan(const struct claims *claims, uint64_t origin, uint64_t number)
{
    const struct origin *speaker = claims_find(claims, origin);

    if (sessions_find(claims->sessions, origin, number) != NULL)
        return false;                                                    /* open, or its end waits to be written */
    return speaker != NULL ? speaker->is_seeded : claims->is_start_over; /* C2 */
}

uint64_t claims_alive_utc_us(const struct claims *claims, uint64_t incarnation, uint64_t now_utc_us)
{
    const struct origin *origin = claims_find(claims, incarnation);

    return origin != NULL && origin->link == NULL ? origin->lost_utc_us : now_utc_us;
}
