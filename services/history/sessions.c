/* sessions - see sessions.h. A hash of where they began, and through it the list of those that wait.
 *
 * Invariants
 *   N1  a session is in the table while it is open or waits, and not longer
 *   N2  it waits at most once, with its newest state: who is told of ten changes writes one row
 *   N3  it is known by where it began, whoever holds it: going on elsewhere neither ends nor doubles it
 *   N4  versions order all words about it, of all its holders: the last one of a worker that gave it away can be read
 *       after the first one of its heir
 */
#include "sessions.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64u

struct sessions {
    struct session **buckets;
    size_t bucket_count; /* a power of two */
    uint64_t count, count_max, open_count, waiting_count;
    struct session *waiting, **waiting_end;
};

struct sessions *sessions_new(uint64_t count_max)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (sessions != NULL)
        sessions->buckets = calloc(BUCKETS_MIN, sizeof(struct session *));
    if (sessions == NULL || sessions->buckets == NULL) {
        free(sessions);
        return NULL;
    }
    sessions->bucket_count = BUCKETS_MIN;
    sessions->count_max = count_max;
    sessions->waiting_end = &sessions->waiting;
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < sessions->bucket_count; i++) {
        struct session *session;

        while ((session = sessions->buckets[i]) != NULL) {
            sessions->buckets[i] = session->next_in_bucket;
            free(session);
        }
    }
    free(sessions->buckets);
    free(sessions);
}

struct store_session session_row(const struct session *session)
{
    const struct msg_session *said = &session->said;

    return (struct store_session){
        .origin = session->id.origin,
        .number = session->id.number,
        .camera = said->camera,
        .address = said->address,
        .transport = "websocket",
        .port = (uint16_t)said->port,
        .identified_utc_us = said->identified_utc_us,
        .alive_utc_us = said->ended_utc_us,
        .ended_utc_us = said->ended_utc_us,
        .end = session_end_name((enum session_end)said->end),
    };
}

/* ---- the table ---- */

/* Origins are random and numbers count up: a sum spreads well enough. */
static size_t bucket_index(const struct sessions *sessions, uint64_t origin, uint64_t number)
{
    return (size_t)(origin + number) & (sessions->bucket_count - 1);
}

static struct session **bucket_of(const struct sessions *sessions, const struct session *session)
{
    return &sessions->buckets[bucket_index(sessions, session->id.origin, session->id.number)];
}

struct session *sessions_find(const struct sessions *sessions, uint64_t origin, uint64_t number)
{
    struct session *session = sessions->buckets[bucket_index(sessions, origin, number)];

    while (session != NULL && (session->id.origin != origin || session->id.number != number))
        session = session->next_in_bucket;
    return session;
}

struct session *sessions_next(const struct sessions *sessions, const struct session *after)
{
    size_t i = 0;

    if (after != NULL && after->next_in_bucket != NULL)
        return after->next_in_bucket;
    if (after != NULL)
        i = bucket_index(sessions, after->id.origin, after->id.number) + 1;
    while (i < sessions->bucket_count && sessions->buckets[i] == NULL)
        i++;
    return i < sessions->bucket_count ? sessions->buckets[i] : NULL;
}

static void link_in_bucket(struct sessions *sessions, struct session *session)
{
    struct session **bucket = bucket_of(sessions, session);

    session->next_in_bucket = *bucket;
    *bucket = session;
}

/* Without memory it stays as it is: slower, not wrong. */
static void grow(struct sessions *sessions)
{
    struct sessions larger = *sessions;
    struct session *session, *next;

    larger.bucket_count *= 2;
    larger.buckets = calloc(larger.bucket_count, sizeof(struct session *));
    if (larger.buckets == NULL)
        return;
    for (session = sessions_next(sessions, NULL); session != NULL; session = next) {
        next = sessions_next(sessions, session);
        link_in_bucket(&larger, session);
    }
    free(sessions->buckets);
    sessions->buckets = larger.buckets;
    sessions->bucket_count = larger.bucket_count;
}

static struct session *add(struct sessions *sessions, struct store_session_id id)
{
    struct session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->id = id;
    session->said.ended_utc_us = 1; /* not counted as open before something is said of it */
    link_in_bucket(sessions, session);
    sessions->count++;
    return session;
}

static void forget(struct sessions *sessions, struct session *session)
{
    struct session **slot = bucket_of(sessions, session);

    while (*slot != session)
        slot = &(*slot)->next_in_bucket;
    *slot = session->next_in_bucket;
    sessions->count--;
    free(session);
}

/* ---- what waits ---- */

static bool is_open(const struct session *session)
{
    return session->said.ended_utc_us == 0;
}

static void wait_to_be_written(struct sessions *sessions, struct session *session)
{
    if (session->waits)
        return; /* N2 */
    session->waits = true;
    session->next_waiting = NULL;
    *sessions->waiting_end = session;
    sessions->waiting_end = &session->next_waiting;
    sessions->waiting_count++;
}

struct session *sessions_first_waiting(const struct sessions *sessions)
{
    return sessions->waiting;
}

size_t sessions_waiting_bytes(const struct sessions *sessions)
{
    return sessions->waiting_count * sizeof(struct session);
}

void sessions_pop_waiting(struct sessions *sessions)
{
    struct session *session = sessions->waiting;

    sessions->waiting = session->next_waiting;
    if (sessions->waiting == NULL)
        sessions->waiting_end = &sessions->waiting;
    sessions->waiting_count--;
    session->waits = false;
    if (!is_open(session))
        forget(sessions, session); /* N1 */
}

void sessions_all_wait(struct sessions *sessions)
{
    for (struct session *each = sessions_next(sessions, NULL); each != NULL; each = sessions_next(sessions, each)) {
        if (is_open(each))
            wait_to_be_written(sessions, each);
    }
}

/* ---- what is said ---- */

/* N3 */
static struct store_session_id id_of(uint64_t holder, const struct msg_session *said)
{
    if (said->heir_of_origin != 0)
        return (struct store_session_id){.origin = said->heir_of_origin, .number = said->heir_of_number};
    return (struct store_session_id){.origin = holder, .number = said->number};
}

static void say(struct sessions *sessions, struct session *session, uint64_t holder, const struct msg_session *said)
{
    sessions->open_count -= is_open(session);
    session->holder = holder;
    session->said = *said;
    sessions->open_count += is_open(session);
    session->is_away = false;
    wait_to_be_written(sessions, session);
}

int sessions_put(struct sessions *sessions, uint64_t holder, const struct msg_session *said)
{
    struct store_session_id id = id_of(holder, said);
    struct session *session = sessions_find(sessions, id.origin, id.number);

    if (session != NULL && said->version < session->said.version)
        return 0; /* N4 */
    if (session == NULL && sessions->count >= sessions->count_max)
        return -ENOSPC;
    if (session == NULL && sessions->count >= sessions->bucket_count)
        grow(sessions);
    if (session == NULL)
        session = add(sessions, id);
    if (session == NULL)
        return -ENOMEM;
    say(sessions, session, holder, said);
    return 0;
}

bool session_is_there(const struct session *session)
{
    return is_open(session) && !session->is_away;
}

uint64_t sessions_open_count(const struct sessions *sessions)
{
    return sessions->open_count;
}

/* ---- whose worker is lost ---- */

void sessions_mark_away(struct sessions *sessions, uint64_t holder)
{
    for (struct session *each = sessions_next(sessions, NULL); each != NULL; each = sessions_next(sessions, each)) {
        if (each->holder == holder && is_open(each))
            each->is_away = true;
    }
}

void sessions_end_away(struct sessions *sessions, uint64_t holder, uint64_t ended_utc_us)
{
    for (struct session *each = sessions_next(sessions, NULL); each != NULL; each = sessions_next(sessions, each)) {
        struct msg_session guess = each->said;

        if (each->holder != holder || !each->is_away)
            continue;
        guess.ended_utc_us = ended_utc_us > guess.identified_utc_us ? ended_utc_us : guess.identified_utc_us;
        guess.end = SESSION_END_hub_restart;
        say(sessions, each, holder, &guess);
    }
}
