/* status_text - `status` for people. Which counters there are, counters.def says: a row without
 * any value in it is left out, so the tables stay short. */
#include "status.h"

#include <errno.h>
#include <inttypes.h>

#define LABEL_WIDTH  20
#define COLUMN_WIDTH 12
#define CELL_ROOM    24

/* "41s", "3h 12m", "8d 4h": two units are enough to see what restarted when. */
static const char *describe_time(char dst[CELL_ROOM], uint64_t ms)
{
    uint64_t s = ms / 1000;

    if (s < 60)
        snprintf(dst, CELL_ROOM, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(dst, CELL_ROOM, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(dst, CELL_ROOM, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(dst, CELL_ROOM, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
    return dst;
}

static const char *describe_pid(char dst[CELL_ROOM], pid_t pid)
{
    if (pid > 0)
        snprintf(dst, CELL_ROOM, "%d", (int)pid);
    else
        snprintf(dst, CELL_ROOM, "-");
    return dst;
}

static void print_services(FILE *out, const struct status *status)
{
    char pid[CELL_ROOM], uptime[CELL_ROOM], workers[CELL_ROOM];

    fprintf(out, "%-10s %-8s %9s %9s %10s %9s\n", "SERVICE", "HEALTH", "PID", "WORKERS", "UPTIME", "RESTARTS");
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        const struct service_sample *service = &status->after[i];

        fprintf(out, "%-10s %-8s", SERVICES[i].name, health_name(service->health));
        if (service->error != 0) {
            fprintf(out, "   %s\n", service->error == -ENOENT ? "it was not started" : strerror(-service->error));
            continue;
        }
        snprintf(workers, sizeof workers, "%u of %u", service->alive_count, service->worker_count);
        fprintf(out, " %9s %9s %10s %9" PRIu64 "\n", describe_pid(pid, service->pid), workers,
                describe_time(uptime, service->uptime_ms), service->restarts_count);
    }
}

static void print_heading(FILE *out, const char *title)
{
    fprintf(out, "\n%-*s", LABEL_WIDTH, title);
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        fprintf(out, "%*s", COLUMN_WIDTH, SERVICES[i].name);
    fprintf(out, "\n");
}

static bool has_value(const struct status *status, size_t counter)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (status->after[i].tally.counters[counter] > 0)
            return true;
    }
    return false;
}

/* A zero is shown as a dot, so that the eye finds what is not. */
static void print_gauge(FILE *out, uint64_t value)
{
    if (value == 0)
        fprintf(out, "%*s", COLUMN_WIDTH, ".");
    else
        fprintf(out, "%*" PRIu64, COLUMN_WIDTH, value);
}

static void print_rate(FILE *out, const struct service_sample *before, const struct service_sample *after,
                       size_t counter)
{
    double rate_per_s;

    if (!sample_has_rates(before, after)) {
        fprintf(out, "%*s", COLUMN_WIDTH, "?");
        return;
    }
    rate_per_s = sample_rate_per_s(before, after, before->tally.counters[counter], after->tally.counters[counter]);
    if (rate_per_s > 0)
        fprintf(out, "%*.1f", COLUMN_WIDTH, rate_per_s);
    else
        fprintf(out, "%*s", COLUMN_WIDTH, ".");
}

static void print_counters(FILE *out, const struct status *status, const char *title, enum counter_kind kind)
{
    bool has_heading = false;

    for (size_t counter = 0; counter < COUNTER_COUNT; counter++) {
        if (COUNTERS[counter].kind != kind || !has_value(status, counter))
            continue;
        if (!has_heading)
            print_heading(out, title);
        has_heading = true;
        fprintf(out, "%-*s", LABEL_WIDTH, COUNTERS[counter].name);
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            if (kind == COUNTER_gauge)
                print_gauge(out, status->after[i].tally.counters[counter]);
            else
                print_rate(out, &status->before[i], &status->after[i], counter);
        }
        fprintf(out, "\n");
    }
}

static void print_refused(FILE *out, const struct status *status)
{
    bool has_heading = false;

    for (size_t reason = 0; reason < REJECT_COUNT; reason++) {
        uint64_t sum = 0;

        for (size_t i = 0; i < SERVICE_COUNT; i++)
            sum += status->after[i].tally.refused[reason];
        if (sum == 0)
            continue;
        if (!has_heading)
            print_heading(out, "REFUSED SO FAR");
        has_heading = true;
        fprintf(out, "%-*s", LABEL_WIDTH, reject_name((enum reject)reason));
        for (size_t i = 0; i < SERVICE_COUNT; i++)
            print_gauge(out, status->after[i].tally.refused[reason]);
        fprintf(out, "\n");
    }
}

static void print_worker(FILE *out, const char *service, unsigned number, const struct worker_sample *worker)
{
    char label[CELL_ROOM], pid[CELL_ROOM], uptime[CELL_ROOM];

    snprintf(label, sizeof label, "%s %u", service, number);
    fprintf(out, "%-12s %-8s %-8s %9s %9s %10" PRIu64 " %9" PRIu64 "  %016" PRIx64 " %6" PRIu64 "\n", label,
            health_name(worker->health), slot_state_name(worker->state), describe_pid(pid, worker->pid),
            describe_time(uptime, worker->uptime_ms), worker->heartbeat_age_ms, worker->restarts_count,
            worker->incarnation, worker->tally.counters[COUNTER_connections]);
}

static void print_workers(FILE *out, const struct status *status)
{
    bool has_heading = false;

    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        for (unsigned number = 0; number < status->after[i].worker_count; number++) {
            if (!has_heading)
                fprintf(out, "\n%-12s %-8s %-8s %9s %9s %10s %9s  %-16s %6s\n", "WORKER", "HEALTH", "STATE", "PID",
                        "UPTIME", "BEAT ms", "RESTARTS", "INCARNATION", "CONNS");
            has_heading = true;
            print_worker(out, SERVICES[i].name, number, &status->after[i].workers[number]);
        }
    }
}

void status_print_text(FILE *out, const struct status *status)
{
    fprintf(out, "taghub in %s: %s\n\n", status->runtime_dir, status_is_healthy(status) ? "healthy" : "NOT healthy");
    print_services(out, status);
    print_counters(out, status, "NOW", COUNTER_gauge);
    print_counters(out, status, "PER SECOND", COUNTER_total);
    print_refused(out, status);
    print_workers(out, status);
}
