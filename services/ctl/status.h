/* status - the two forms in which `taghubctl status` tells what it saw. */
#ifndef TAGHUB_CTL_STATUS_H
#define TAGHUB_CTL_STATUS_H

#include <stdio.h>

#include "sample.h"

/** Every service twice, interval_ms apart. Large: keep it off the stack. */
struct status {
    const char *runtime_dir;
    uint64_t interval_ms;
    struct service_sample before[SERVICE_COUNT], after[SERVICE_COUNT];
};

/** Whether nothing is away and nothing hangs. */
bool status_is_healthy(const struct status *status);

/** Tables for people, at most 100 columns wide. */
void status_print_text(FILE *out, const struct status *status);

/**
 * One JSON object with the members that README.md promises. returns 0, or -ENOMEM with nothing
 * printed
 */
int status_print_json(FILE *out, const struct status *status);

#endif
