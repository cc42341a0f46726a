/* ingest_worker - one worker of taghub-ingest, from its fork to its end. */
#ifndef TAGHUB_INGEST_WORKER_H
#define TAGHUB_INGEST_WORKER_H

#include "run/conf.h"
#include "run/page.h"

/** What the master hands to its workers; all of it is borrowed. */
struct ingest_worker_conf {
    const struct hub_conf *hub;
    struct page *page;
    int *listen_fd;    /* where gateways connect; taken over and left as -1 */
    const char *token; /* as the master found it when it started */
};

/**
 * Serves until SIGTERM. Then it ends at once: what is unsettled lies in the gateway.
 *
 * number, master_fd  as prefork gives them
 * returns            0 or -errno, which has been logged
 */
int ingest_worker_run(const struct ingest_worker_conf *conf, unsigned number, int master_fd);

#endif
