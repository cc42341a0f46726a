/* metrics - what gateway workers tell of pictures, and the answers to what they ask: statistics and counts. */
#ifndef TAGHUB_METRICS_H
#define TAGHUB_METRICS_H

#include "run/conf.h"
#include "run/worker.h"

struct metrics;

/** *listen_fd is taken over when it is -1 afterwards; conf and worker are borrowed. 0 with *ret_metrics, or -errno. */
int metrics_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct metrics **ret_metrics);
/** Accepts NULL. */
void metrics_free(struct metrics *metrics);

/** See bus_handlers_check(): NULL when the table of handlers fits messages.def. */
const char *metrics_handlers_check(void);

#endif
