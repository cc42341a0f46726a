/* prefork - a master that forks workers, and does nothing else.
 *
 * The master parses no byte from outside. It starts a worker anew when one dies (with back-off), kills one whose
 * heartbeat stops, tells systemd when all are alive, and feeds systemd's watchdog only while every worker beats. A
 * worker whose master dies is killed by the kernel at once. */
#ifndef TAGHUB_RUN_PREFORK_H
#define TAGHUB_RUN_PREFORK_H

#include "run/page.h"

struct prefork_conf {
    unsigned worker_count; /* 1..SLOT_MAX */
    struct page *page;
    uint64_t hang_ms; /* a worker that did not beat for so long is killed */
    uint64_t stop_ms; /* a worker that has not ended so long after SIGTERM is killed */
    /** Runs in the child; what it returns is the worker's exit status. Uses master_fd for worker_init(). */
    int (*worker_main)(void *user, unsigned number, int master_fd);
    /**
     * Only for services whose workers can park what they hold (worker->on_park): SIGHUP has them finish what is under
     * way before, SIGUSR1 has them hurry. NULL: both are ignored.
     * On SIGHUP: could this program begin anew with what its configuration says now? 0, or -errno, logged.
     */
    int (*may_reload)(void *user);
    void *user;
};

enum prefork_end {
    PREFORK_STOPPED, /* SIGTERM, SIGINT */
    PREFORK_PARKED,  /* SIGUSR1: the workers have parked; whoever starts this program next goes on */
    PREFORK_RELOAD,  /* SIGHUP: likewise, and it is this process that shall begin anew */
};

/**
 * Runs until it is told to end, and until the last worker has ended. Logs what happens to workers.
 * returns enum prefork_end; -errno when it could not begin
 */
int prefork_run(const struct prefork_conf *conf);

#endif
