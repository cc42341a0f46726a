/* single - the life of a service that is one process with one loop, from main() to its end.
 *
 * Settings, page, socket, loop, the service itself: the same steps for each of them, so they are written once. */
#ifndef TAGHUB_RUN_SINGLE_H
#define TAGHUB_RUN_SINGLE_H

#include "run/conf.h"
#include "run/worker.h"

/** What is different. All texts are constants. */
struct single {
    const char *name;    /* "fanout": in the log, of its socket and its page */
    const char *program; /* "taghub-fanout" */
    const char *purpose; /* one line for --help */
    enum peer_kind kind;
    /** See bus_handlers_check(): NULL when the table of handlers fits messages.def. */
    const char *(*check_handlers)(void);
    /** Makes the service: 0 or -errno. When it took *listen_fd over, that is -1 afterwards, also after an error. */
    int (*open)(const struct hub_conf *conf, struct worker *worker, int *listen_fd, void **ret_service);
    /** Accepts NULL. */
    void (*close)(void *service);
};

/**
 * Runs it until SIGTERM or SIGINT.
 *
 * returns  exit status: 0; 78 (EX_CONFIG) when only somebody's hand can mend it; 1. Both are logged with the step
 */
int single_main(const struct single *what, int argc, char **argv);

#endif
