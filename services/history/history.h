/* history - what gateway workers and fanout tell is written down, and questions about it are answered. */
#ifndef TAGHUB_HISTORY_H
#define TAGHUB_HISTORY_H

#include "run/conf.h"
#include "run/worker.h"

struct history;

/**
 * Opens the database, or begins to try. A database in trouble is no error: it is logged, and mended or waited for.
 *
 * listen_fd  taken over
 * returns    0 with *ret_history; -ENOMEM
 */
int history_new(const struct hub_conf *conf, struct worker *worker, int *listen_fd, struct history **ret_history);
/** Accepts NULL. */
void history_free(struct history *history);

/** See bus_handlers_check(): NULL when the table of handlers fits messages.def. */
const char *history_handlers_check(void);

#endif
