/* status_json - `status --json`. Counters and reasons come from their tables, so a new row appears
 * here by itself; the other members are a promise made in README.md. */
#include "status.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* cJSON_Add...ToObject() return NULL without memory; one failed addition fails the whole. */
struct builder {
    bool has_failed;
};

static cJSON *check(struct builder *builder, cJSON *item)
{
    builder->has_failed |= item == NULL;
    return item;
}

static void add_number(struct builder *builder, cJSON *object, const char *name, double value)
{
    check(builder, cJSON_AddNumberToObject(object, name, value));
}

static void add_text(struct builder *builder, cJSON *object, const char *name, const char *value)
{
    check(builder, value != NULL ? cJSON_AddStringToObject(object, name, value) : cJSON_AddNullToObject(object, name));
}

/* A process id, or null where there is no process. */
static void add_pid(struct builder *builder, cJSON *object, pid_t pid)
{
    if (pid > 0)
        add_number(builder, object, "pid", pid);
    else
        add_text(builder, object, "pid", NULL);
}

static void add_counters(struct builder *builder, cJSON *object, const char *name, enum counter_kind kind,
                         const struct tally *tally)
{
    cJSON *inner = check(builder, cJSON_AddObjectToObject(object, name));

    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        if (COUNTERS[i].kind == kind)
            add_number(builder, inner, COUNTERS[i].name, (double)tally->counters[i]);
    }
}

static void add_refused(struct builder *builder, cJSON *object, const struct tally *tally)
{
    cJSON *inner = check(builder, cJSON_AddObjectToObject(object, "refused"));

    for (size_t i = 0; i < REJECT_COUNT; i++) {
        if (tally->refused[i] > 0)
            add_number(builder, inner, reject_name((enum reject)i), (double)tally->refused[i]);
    }
}

static void add_rates(struct builder *builder, cJSON *object, const struct service_sample *before,
                      const struct service_sample *after, const struct tally *tally_before,
                      const struct tally *tally_after)
{
    cJSON *inner;

    if (!sample_has_rates(before, after)) {
        add_text(builder, object, "rates_per_s", NULL);
        return;
    }
    inner = check(builder, cJSON_AddObjectToObject(object, "rates_per_s"));
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        if (COUNTERS[i].kind == COUNTER_total)
            add_number(builder, inner, COUNTERS[i].name,
                       sample_rate_per_s(before, after, tally_before->counters[i], tally_after->counters[i]));
    }
}

static void add_tally(struct builder *builder, cJSON *object, const struct service_sample *before,
                      const struct service_sample *after, const struct tally *tally_before,
                      const struct tally *tally_after)
{
    add_counters(builder, object, "gauges", COUNTER_gauge, tally_after);
    add_counters(builder, object, "totals", COUNTER_total, tally_after);
    add_rates(builder, object, before, after, tally_before, tally_after);
    add_refused(builder, object, tally_after);
}

static void add_worker(struct builder *builder, cJSON *list, const struct service_sample *before,
                       const struct service_sample *after, unsigned number)
{
    const struct worker_sample *worker = &after->workers[number];
    cJSON *object = check(builder, cJSON_CreateObject());
    char incarnation[17];

    snprintf(incarnation, sizeof incarnation, "%016" PRIx64, worker->incarnation);
    add_number(builder, object, "number", number);
    add_pid(builder, object, worker->pid);
    add_text(builder, object, "state", slot_state_name(worker->state));
    add_text(builder, object, "health", health_name(worker->health));
    add_text(builder, object, "incarnation", incarnation);
    add_number(builder, object, "uptime_s", (double)worker->uptime_ms / 1000.0);
    add_number(builder, object, "restarts", (double)worker->restarts_count);
    add_number(builder, object, "heartbeat_age_ms", (double)worker->heartbeat_age_ms);
    add_tally(builder, object, before, after, &before->workers[number].tally, &worker->tally);
    if (!cJSON_AddItemToArray(list, object)) {
        builder->has_failed = true;
        cJSON_Delete(object);
    }
}

static void add_service(struct builder *builder, cJSON *list, const char *name, const struct service_sample *before,
                        const struct service_sample *after)
{
    cJSON *object = check(builder, cJSON_CreateObject()), *workers;

    add_text(builder, object, "service", name);
    add_text(builder, object, "health", health_name(after->health));
    add_text(builder, object, "error", after->error == 0 ? NULL : strerror(-after->error));
    add_pid(builder, object, after->pid);
    add_number(builder, object, "uptime_s", (double)after->uptime_ms / 1000.0);
    add_number(builder, object, "restarts", (double)after->restarts_count);
    add_tally(builder, object, before, after, &before->tally, &after->tally);
    workers = check(builder, cJSON_AddArrayToObject(object, "workers"));
    for (unsigned i = 0; i < after->worker_count; i++)
        add_worker(builder, workers, before, after, i);
    if (!cJSON_AddItemToArray(list, object)) {
        builder->has_failed = true;
        cJSON_Delete(object);
    }
}

int status_print_json(FILE *out, const struct status *status)
{
    struct builder builder = {false};
    cJSON *root = check(&builder, cJSON_CreateObject()), *services;
    char *text = NULL;

    add_text(&builder, root, "runtime_dir", status->runtime_dir);
    add_number(&builder, root, "interval_ms", (double)status->interval_ms);
    check(&builder, cJSON_AddBoolToObject(root, "healthy", status_is_healthy(status)));
    services = check(&builder, cJSON_AddArrayToObject(root, "services"));
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        add_service(&builder, services, SERVICES[i].name, &status->before[i], &status->after[i]);
    if (!builder.has_failed)
        text = cJSON_Print(root);
    if (text != NULL)
        fprintf(out, "%s\n", text);
    cJSON_Delete(root);
    cJSON_free(text);
    return text != NULL ? 0 : -ENOMEM;
}
