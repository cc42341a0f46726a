/* sample - see sample.h. */
#include "sample.h"

#include <errno.h>
#include <signal.h>
#include <sys/un.h>

#include "run/svc.h"

const char *health_name(enum health health)
{
    static const char *const NAMES[HEALTH_COUNT] = {
        [HEALTH_OK] = "ok",       [HEALTH_STARTS] = "starts", [HEALTH_LEAVES] = "leaves",
        [HEALTH_HANGS] = "hangs", [HEALTH_AWAY] = "away",
    };

    return NAMES[health];
}

const char *slot_state_name(enum slot_state state)
{
    switch (state) {
    case SLOT_EMPTY:
        return "empty";
    case SLOT_STARTING:
        return "starting";
    case SLOT_ALIVE:
        return "alive";
    case SLOT_LEAVING:
        return "leaving";
    }
    return "unknown"; /* a page is another process's memory */
}

/* The wall clock may step, and the page lives while we read: a moment yet to come was just now. */
static uint64_t since(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

static enum health judge_worker(const struct worker_sample *worker, const struct sample_clock *clock,
                                bool (*is_running)(pid_t pid))
{
    if (worker->pid <= 0 || !is_running(worker->pid))
        return HEALTH_AWAY;
    if (worker->heartbeat_age_ms > clock->hang_ms)
        return HEALTH_HANGS;
    switch (worker->state) {
    case SLOT_STARTING:
        return HEALTH_STARTS;
    case SLOT_ALIVE:
        return HEALTH_OK;
    case SLOT_LEAVING:
        return HEALTH_LEAVES;
    case SLOT_EMPTY:
        break;
    }
    return HEALTH_AWAY;
}

/* Nobody was left to take back what a dead process had written about itself. */
static void forget_now(struct worker_sample *worker)
{
    worker->uptime_ms = 0;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        if (COUNTERS[i].kind == COUNTER_gauge)
            worker->tally.counters[i] = 0;
    }
}

static void sample_worker(const struct page_slot *slot, const struct sample_clock *clock, bool (*is_running)(pid_t pid),
                          struct worker_sample *ret_worker)
{
    *ret_worker = (struct worker_sample){
        .state = (enum slot_state)atomic_load(&slot->state),
        .pid = atomic_load(&slot->pid),
        .incarnation = atomic_load(&slot->incarnation),
        .restarts_count = atomic_load(&slot->restarts_count),
        .uptime_ms = since(atomic_load(&slot->started_utc_us), clock->now_utc_us) / 1000,
        .heartbeat_age_ms = since(atomic_load(&slot->heartbeat_mono_ms), clock->now_mono_ms),
        .is_parking = atomic_load(&slot->park_stage) != PARK_NOT,
    };
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        ret_worker->tally.counters[i] = count_get(slot, (enum counter)i);
    for (size_t i = 0; i < REJECT_COUNT; i++)
        ret_worker->tally.refused[i] = atomic_load(&slot->refused[i]);
    ret_worker->health = judge_worker(ret_worker, clock, is_running);
    if (ret_worker->health == HEALTH_AWAY)
        forget_now(ret_worker);
}

static void add_tally(struct tally *sum, const struct tally *more)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        sum->counters[i] += more->counters[i];
    for (size_t i = 0; i < REJECT_COUNT; i++)
        sum->refused[i] += more->refused[i];
}

void sample_page(const struct page *page, const struct sample_clock *clock, bool (*is_running)(pid_t pid),
                 struct service_sample *ret_sample)
{
    unsigned slot_count = atomic_load(&page->slot_count);

    *ret_sample = (struct service_sample){
        .pid = atomic_load(&page->master_pid),
        .started_utc_us = atomic_load(&page->started_utc_us),
        .taken_mono_ms = clock->now_mono_ms,
        .worker_count = slot_count <= SLOT_MAX ? slot_count : SLOT_MAX,
    };
    ret_sample->uptime_ms = since(ret_sample->started_utc_us, clock->now_utc_us) / 1000;
    for (unsigned i = 0; i < ret_sample->worker_count; i++) {
        struct worker_sample *worker = &ret_sample->workers[i];

        sample_worker(&page->slots[i], clock, is_running, worker);
        add_tally(&ret_sample->tally, &worker->tally);
        ret_sample->restarts_count += worker->restarts_count;
        ret_sample->alive_count += worker->health == HEALTH_OK;
        if (worker->health > ret_sample->health)
            ret_sample->health = worker->health;
    }
    if (ret_sample->pid <= 0 || !is_running(ret_sample->pid)) {
        ret_sample->health = HEALTH_AWAY;
        ret_sample->uptime_ms = 0;
    }
}

static bool is_in_process_table(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

void sample_service(const struct hub_conf *conf, enum service service, struct service_sample *ret_sample)
{
    struct sample_clock clock = {.hang_ms = conf->worker_hang_ms};
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const struct page *page;
    int r = conf_page_path(conf, SERVICES[service].name, path, sizeof path);

    if (r == 0)
        r = page_open(path, &page);
    if (r < 0) {
        *ret_sample = (struct service_sample){.health = HEALTH_AWAY, .error = r};
        return;
    }
    clock.now_mono_ms = svc_mono_ms();
    clock.now_utc_us = svc_utc_us();
    sample_page(page, &clock, is_in_process_table, ret_sample);
    page_free(page);
}

bool sample_has_rates(const struct service_sample *before, const struct service_sample *after)
{
    return before->error == 0 && after->error == 0 && before->pid == after->pid &&
           before->started_utc_us == after->started_utc_us && after->taken_mono_ms > before->taken_mono_ms;
}

double sample_rate_per_s(const struct service_sample *before, const struct service_sample *after, uint64_t count_before,
                         uint64_t count_after)
{
    return (double)since(count_before, count_after) * 1000.0 / (double)(after->taken_mono_ms - before->taken_mono_ms);
}
