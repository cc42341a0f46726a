/* supervisor - starts the services, keeps them running, stops them in order. */
#ifndef TAGHUB_CTL_SUPERVISOR_H
#define TAGHUB_CTL_SUPERVISOR_H

#include "run/conf.h"
#include "services.h"

#include <limits.h>

struct supervisor_conf {
    const struct hub_conf *hub;             /* the runtime directory exists and is ours alone */
    char programs[SERVICE_COUNT][PATH_MAX]; /* spawn_find_program() */
    /** All services are ready for the first time. */
    void (*on_ready)(const struct hub_conf *hub);
};

/**
 * Runs until SIGINT or SIGTERM, or until a service cannot be started, and then until no process is
 * left. Logs what happens. The calling process should have prepared itself with spawn_prepare().
 *
 * returns  the exit status of the hub: 0 after an orderly stop, EXIT_CONFIG when a service found
 *          its configuration or a port unusable, else EXIT_FAILURE
 */
int supervisor_run(const struct supervisor_conf *conf);

#endif
