/* worker - one process with one loop: what every worker and every single-process service does the same way.
 *
 * It beats in the shared page, ends its loop on SIGTERM or SIGINT, and tells who started it when it serves: the master
 * of a prefork service, or systemd when the process has no master. */
#ifndef TAGHUB_RUN_WORKER_H
#define TAGHUB_RUN_WORKER_H

#include "bus_link.h"
#include "run/loop.h"
#include "run/page.h"

#define WORKER_TICK_MS 100u

struct worker {
    struct loop *loop;
    struct page *page;
    struct page_slot *slot;
    unsigned number;
    struct bus_identity identity;
    int master_fd; /* eventfd of the master, -1 when there is none */
    /** Every WORKER_TICK_MS; may be NULL. Set by the owner, with `user`. */
    void (*on_tick)(void *user);
    /** Asked to stop: finish, then call loop_stop(). NULL: the loop ends at once. */
    void (*on_stop)(void *user);
    /**
     * Asked to park what it holds: then call loop_stop(). It stays alive meanwhile. NULL: it stops instead.
     * The first time it may first finish what is under way, unless it is to hurry; it may be told to hurry later.
     */
    void (*on_park)(void *user, bool hurry);
    void *user;
    /* private */
    struct watch *signals;
    bool is_parking, hurries;
    struct deadline_list tick_list;
    struct deadline tick;
    uint64_t watchdog_ms, watchdog_due_mono_ms;
};

/**
 * Blocks SIGTERM, SIGINT and SIGPIPE's effect, makes the loop, and begins to beat.
 *
 * page, number  this worker's slot; the caller keeps the page
 * master_fd     given by prefork, or -1
 * returns       0, or -errno with nothing to undo
 */
int worker_init(struct worker *worker, enum peer_kind kind, struct page *page, unsigned number, int master_fd);
/** Everything that uses the loop must be freed before. */
void worker_done(struct worker *worker);

/** From now on this worker serves: its slot is alive, and whoever started it is told. Once. */
void worker_is_alive(struct worker *worker);

/** Runs the loop until it is stopped. Returns 0 or -errno. */
int worker_run(struct worker *worker);

#endif
