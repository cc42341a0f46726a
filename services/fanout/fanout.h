/* fanout - who gets what: sightings, pictures and commands, to every gateway worker. */
#ifndef TAGHUB_FANOUT_H
#define TAGHUB_FANOUT_H

#include "run/conf.h"
#include "run/worker.h"

struct fanout;

/** *listen_fd is taken over when it is -1 afterwards; conf and worker are borrowed. 0 with *ret_fanout, or -errno. */
int fanout_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct fanout **ret_fanout);
void fanout_free(struct fanout *fanout);

/** See bus_handlers_check(): NULL when the table of handlers fits messages.def. */
const char *fanout_handlers_check(void);

#endif
