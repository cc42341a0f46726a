/* status - the verb: looks twice, and tells what was seen and what happened in between. */
#include "status.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "verbs.h"

#define INTERVAL_DEFAULT_MS 500u
#define INTERVAL_MIN_MS     10u
#define INTERVAL_MAX_MS     60000u

bool status_is_healthy(const struct status *status)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (status->after[i].health == HEALTH_AWAY || status->after[i].health == HEALTH_HANGS)
            return false;
    }
    return true;
}

/* returns 0, or EXIT_USAGE */
static int take_interval(struct args *args, uint64_t *ret_interval_ms)
{
    const char *text = NULL;
    unsigned long value;
    char *end;
    int r = args_take_value(args, "--interval", &text);

    if (r < 0)
        return verb_usage_error("status: --interval needs a number of milliseconds");
    if (r == 0)
        return 0;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || value < INTERVAL_MIN_MS ||
        value > INTERVAL_MAX_MS)
        return verb_usage_error("status: --interval '%s' is not a number of milliseconds from %u to %u", text,
                                INTERVAL_MIN_MS, INTERVAL_MAX_MS);
    *ret_interval_ms = value;
    return 0;
}

static void take_samples(const struct hub_conf *conf, struct status *status)
{
    for (int i = 0; i < SERVICE_COUNT; i++)
        sample_service(conf, (enum service)i, &status->before[i]);
    poll(NULL, 0, (int)status->interval_ms);
    for (int i = 0; i < SERVICE_COUNT; i++)
        sample_service(conf, (enum service)i, &status->after[i]);
}

int verb_status(struct args *args)
{
    bool wants_json = args_take_flag(args, "--json");
    uint64_t interval_ms = INTERVAL_DEFAULT_MS;
    struct status *status;
    struct hub_conf conf;
    int r = take_interval(args, &interval_ms);

    if (r == 0)
        r = verb_load_conf(args, &conf);
    if (r != 0)
        return r;
    status = calloc(1, sizeof *status);
    if (status == NULL) {
        fprintf(stderr, "taghubctl: %s\n", strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    status->runtime_dir = conf.runtime_dir;
    status->interval_ms = interval_ms;
    take_samples(&conf, status);
    if (wants_json)
        r = status_print_json(stdout, status);
    else
        status_print_text(stdout, status);
    r = r == 0 && fflush(stdout) == 0 && status_is_healthy(status) ? EXIT_SUCCESS : EXIT_FAILURE;
    free(status);
    return r;
}
