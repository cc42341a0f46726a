/* spawn - makes one service's process in the way systemd does. */
#ifndef TAGHUB_CTL_SPAWN_H
#define TAGHUB_CTL_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "run/svc.h"

struct spawn {
    const char *program;       /* path */
    const struct svc_fds *fds; /* become descriptors 3, 4, ... with these names. Borrowed */
    const char *notify_path;   /* NOTIFY_SOCKET */
    uint64_t watchdog_ms;      /* WATCHDOG_USEC */
};

/** Exit status of a child whose program could not be executed; what systemd uses. */
#define SPAWN_EXIT_EXEC 203

/**
 * Forks and executes. The child is in a session of its own (a terminal's Ctrl-C reaches only us),
 * dies with us, reads /dev/null, has default signals, and no descriptor but 0 to 2 and what it is
 * given: all others of this process must be CLOEXEC. A failure to execute is logged by the child.
 *
 * returns  0 with *ret_pid, or -errno of fork
 */
int spawn_service(const struct spawn *what, pid_t *ret_pid);

/**
 * Prepares this process: descriptors 0 to 2 are open, and what it inherited beyond them does not
 * reach its children.
 */
void spawn_prepare(void);

/**
 * Finds a service's program: beside our own executable, else in PATH.
 *
 * ret_path  room of at least PATH_MAX bytes
 * returns   0 or -ENOENT
 */
int spawn_find_program(const char *name, char *ret_path);

#endif
