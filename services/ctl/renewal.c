/* renewal - see renewal.h. */
#include "renewal.h"

bool renewal_is_possible(const struct service_sample *sample)
{
    if (sample->error != 0 || sample->pid <= 0)
        return false;
    for (unsigned i = 0; i < sample->worker_count; i++) {
        if (sample->workers[i].heartbeat_age_ms <= RENEWAL_LATE_MS)
            return true;
    }
    return false;
}

static bool serves(const struct service_sample *sample)
{
    return sample->error == 0 && sample->worker_count > 0 && sample->alive_count == sample->worker_count;
}

static bool anybody_parks(const struct service_sample *now)
{
    for (unsigned i = 0; i < now->worker_count; i++) {
        if (now->workers[i].is_parking)
            return true;
    }
    return false;
}

/* How many of these workers were there before. */
static unsigned count_old_workers(const struct service_sample *before, const struct service_sample *now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < now->worker_count && i < before->worker_count; i++)
        count += now->workers[i].incarnation == before->workers[i].incarnation;
    return count;
}

enum renewal renewal_judge(enum renewal_kind kind, const struct service_sample *before,
                           const struct service_sample *now, uint64_t elapsed_ms)
{
    const unsigned old_count = count_old_workers(before, now);
    const bool is_new = kind == RENEWAL_RELOAD ? old_count == 0 : now->pid != before->pid;

    if (serves(now) && is_new)
        return RENEWAL_DONE;
    if (kind == RENEWAL_RELOAD && serves(now) && !anybody_parks(now) && old_count == now->worker_count &&
        elapsed_ms >= RENEWAL_REFUSED_MS)
        return RENEWAL_REFUSED;
    return elapsed_ms >= RENEWAL_LATE_MS ? RENEWAL_LATE : RENEWAL_UNDER_WAY;
}
