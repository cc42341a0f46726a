/* fd_store - the descriptors that a service is handed at each of its starts: its listener, then what
 * it had us keep for it, in the order of keeping (sd_notify(3): FDSTORE, FDSTOREREMOVE, FDNAME).
 *
 * There is room for SVC_FDS_MAX, the listener included, because no service takes more. What points
 * to an open file that is kept already is not kept twice, whatever its name. Nothing is polled, as
 * if every message said FDPOLL=0. */
#ifndef TAGHUB_CTL_FD_STORE_H
#define TAGHUB_CTL_FD_STORE_H

#include "run/svc.h"

#include <stdbool.h>

/** Zero-initialised it is empty. */
struct fd_store {
    struct svc_fds fds;   /* what the next start is handed */
    size_t own_count;     /* items[0..own_count-1] are the supervisor's: no message removes them */
    bool was_overflowing; /* has been told of */
};

/** Takes *fd, which is -1 then, as a descriptor of the supervisor's own. Before anything is kept. */
void fd_store_add_own(struct fd_store *store, int *fd, const char *name);

/**
 * Does what a notice of the service says about descriptors. Without a usable FDNAME they are kept
 * as "stored", and nothing is removed.
 *
 * text     NUL-terminated, lines of NAME=VALUE
 * fds      came with it; this call takes them all, and closes what is not kept
 * returns  false when some were closed for lack of room, but true again for later ones
 */
bool fd_store_hear(struct fd_store *store, const char *text, const int *fds, size_t fd_count);

/** Closes what the service had us keep. */
void fd_store_clear(struct fd_store *store);

/** Closes all. */
void fd_store_done(struct fd_store *store);

#endif
