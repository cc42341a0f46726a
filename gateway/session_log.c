/* session_log - see session_log.h.
 *
 * Invariants
 *   L1  a session that is open is in the list, so that a history which begins anew learns that it is alive
 *   L2  a session that has ended is in the list until its last version is stored, or it had to be given up: then it was
 *       the oldest ended one of more than count_max
 *   L3  numbers ascend along the list
 *   L4  versions of a session rise from worker to worker, and each names where it began and not whom it is from: so
 *       history finds its row, whichever of them it has heard */
#include "session_log.h"

#include <stdlib.h>

struct session_log {
    struct logged_session *oldest, *newest;
    uint64_t count, count_max, ended_count, numbers;
    void (*changed)(void *user, const struct msg_session *record);
    void (*given_up)(void *user, const struct msg_session *record);
    void *user;
};

struct session_log *session_log_new(uint32_t count_max, void (*changed)(void *user, const struct msg_session *record),
                                    void (*given_up)(void *user, const struct msg_session *record), void *user)
{
    struct session_log *log = calloc(1, sizeof *log);

    if (log != NULL)
        *log = (struct session_log){.count_max = count_max, .changed = changed, .given_up = given_up, .user = user};
    return log;
}

static bool has_ended(const struct logged_session *session)
{
    return session->record.ended_utc_us != 0;
}

static void forget(struct session_log *log, struct logged_session *session)
{
    *(session->older != NULL ? &session->older->newer : &log->oldest) = session->newer;
    *(session->newer != NULL ? &session->newer->older : &log->newest) = session->older;
    log->count--;
    log->ended_count -= has_ended(session);
    free(session);
}

void session_log_free(struct session_log *log)
{
    if (log == NULL)
        return;
    while (log->oldest != NULL)
        forget(log, log->oldest);
    free(log);
}

static void change(struct session_log *log, struct logged_session *session)
{
    session->record.version++;
    log->changed(log->user, &session->record);
}

/* L2 */
static void keep_within_limit(struct session_log *log)
{
    struct logged_session *session = log->oldest;

    if (log->count <= log->count_max)
        return;
    while (session != NULL && !has_ended(session))
        session = session->newer;
    if (session == NULL)
        return; /* all of them are open: connections are limited elsewhere */
    log->given_up(log->user, &session->record);
    forget(log, session);
}

/* Returns it when it is open. One that has ended can be the one that is given up. */
static struct logged_session *add(struct session_log *log, const struct msg_session *record)
{
    struct logged_session *session = calloc(1, sizeof *session);
    bool is_open = record->ended_utc_us == 0;

    if (session == NULL)
        return NULL;
    session->record = *record;
    session->record.number = ++log->numbers;
    session->older = log->newest;
    *(log->newest != NULL ? &log->newest->newer : &log->oldest) = session;
    log->newest = session;
    log->count++;
    log->ended_count += !is_open;
    change(log, session);
    keep_within_limit(log);
    return is_open ? session : NULL;
}

struct logged_session *session_log_open(struct session_log *log, const char *camera, const char *address, uint16_t port,
                                        uint64_t now_utc_us)
{
    struct msg_session record = {.port = port, .identified_utc_us = now_utc_us};

    memcpy(record.camera, camera, strlen(camera) + 1);
    memcpy(record.address, address, strlen(address) + 1);
    return add(log, &record);
}

struct logged_session *session_log_adopt(struct session_log *log, const struct msg_session *former,
                                         uint64_t former_origin)
{
    struct msg_session record = *former;

    if (former->heir_of_origin == 0) { /* L4 */
        record.heir_of_origin = former_origin;
        record.heir_of_number = former->number;
    }
    return add(log, &record);
}

void session_log_rename(struct session_log *log, struct logged_session *session, const char *camera)
{
    if (strcmp(session->record.camera, camera) == 0)
        return;
    memcpy(session->record.camera, camera, strlen(camera) + 1);
    change(log, session);
}

void session_log_end(struct session_log *log, struct logged_session *session, enum session_end end, uint64_t now_utc_us)
{
    /* a clock that was set back must not make a session end before it began */
    session->record.ended_utc_us =
        now_utc_us > session->record.identified_utc_us ? now_utc_us : session->record.identified_utc_us;
    session->record.end = end;
    log->ended_count++;
    change(log, session);
}

void session_log_stored(struct session_log *log, uint64_t number, uint64_t version)
{
    struct logged_session *session = log->oldest;

    while (session != NULL && session->record.number < number) /* L3 */
        session = session->newer;
    if (session == NULL || session->record.number != number)
        return; /* given up meanwhile, or told twice */
    if (has_ended(session) && version >= session->record.version)
        forget(log, session);
}

void session_log_each(const struct session_log *log, void (*each)(void *user, const struct msg_session *record),
                      void *user)
{
    for (const struct logged_session *session = log->oldest; session != NULL; session = session->newer)
        each(user, &session->record);
}

uint64_t session_log_count(const struct session_log *log)
{
    return log->count;
}

bool session_log_is_settled(const struct session_log *log)
{
    return log->ended_count == 0;
}
