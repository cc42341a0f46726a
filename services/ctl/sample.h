/* sample - what a service's shared page said at one moment, and what follows from it.
 *
 * Everything comes from the page and from the process table: no service is asked, so `status`
 * works also when they hang, and without `taghubctl run`. */
#ifndef TAGHUB_CTL_SAMPLE_H
#define TAGHUB_CTL_SAMPLE_H

#include "run/conf.h"
#include "run/page.h"
#include "services.h"

enum health {
    HEALTH_OK,
    HEALTH_STARTS, /* not serving yet */
    HEALTH_LEAVES, /* stops */
    HEALTH_HANGS,  /* its heartbeat stands still */
    HEALTH_AWAY,   /* no process, or no page */
    HEALTH_COUNT
};

/** The word that stands in both forms of output. */
const char *health_name(enum health health);
const char *slot_state_name(enum slot_state state);

/** Counters and refusals of one worker, or their sums. */
struct tally {
    uint64_t counters[COUNTER_COUNT];
    uint64_t refused[REJECT_COUNT];
};

struct worker_sample {
    enum health health;
    enum slot_state state;
    pid_t pid; /* 0: none */
    uint64_t incarnation;
    uint64_t uptime_ms;
    uint64_t restarts_count;
    uint64_t heartbeat_age_ms;
    bool is_parking; /* told to, and under way */
    struct tally tally;
};

struct service_sample {
    enum health health; /* the worst of the process and its workers */
    int error;          /* why there is no page (-ENOENT, -EPROTO, ...); 0 when there is one */
    pid_t pid;
    uint64_t started_utc_us;
    uint64_t uptime_ms;
    uint64_t restarts_count; /* of workers */
    uint64_t taken_mono_ms;  /* when these values were read */
    unsigned worker_count, alive_count;
    struct worker_sample workers[SLOT_MAX];
    struct tally tally; /* sums */
};

/** When a page is read, and what is a hang. */
struct sample_clock {
    uint64_t now_mono_ms;
    uint64_t now_utc_us;
    uint64_t hang_ms;
};

/**
 * Reads a page.
 *
 * page        borrowed
 * is_running  whether a process id is in use; kill(pid, 0) but for tests
 * ret_sample  error 0
 */
void sample_page(const struct page *page, const struct sample_clock *clock, bool (*is_running)(pid_t pid),
                 struct service_sample *ret_sample);

/** Reads the page of a service in the runtime directory; a missing one is a sample too. */
void sample_service(const struct hub_conf *conf, enum service service, struct service_sample *ret_sample);

/**
 * Whether rates can be told: both samples have a page, of the same life of the process, and time
 * passed between.
 */
bool sample_has_rates(const struct service_sample *before, const struct service_sample *after);

/**
 * Rise per second of a total between two samples for which sample_has_rates(). 0 when it was set
 * back.
 */
double sample_rate_per_s(const struct service_sample *before, const struct service_sample *after, uint64_t count_before,
                         uint64_t count_after);

#endif
