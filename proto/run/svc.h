/* svc - what a process asks of its supervisor and of the kernel when it starts.
 *
 * The supervisor is systemd or `taghubctl run`; both speak the same small documented protocols
 * (sd_listen_fds(3), sd_notify(3)), and a page of C is enough to answer them without libsystemd.
 */
#ifndef TAGHUB_RUN_SVC_H
#define TAGHUB_RUN_SVC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors one process can be handed; more are refused. */
#define SVC_FDS_MAX 64
/* Room of a descriptor's name with NUL; a longer name is cut. */
#define SVC_FD_NAME_ROOM 64

/** The descriptors that came with the start. They belong to whoever holds this struct. */
struct svc_fds {
    size_t count;
    struct {
        int fd;                      /* -1 = taken */
        char name[SVC_FD_NAME_ROOM]; /* "unknown" when none was given, as sd_listen_fds does */
    } items[SVC_FDS_MAX];
};

/**
 * The descriptors passed in LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. All become CLOEXEC, and
 * the variables leave the environment, so that a second call and every child find nothing.
 *
 * ret_fds  count 0 when nothing was passed, or when it was meant for another process
 * returns  0; -EINVAL for malformed numbers or a descriptor that is not open; -E2BIG for more than
 *          SVC_FDS_MAX. The environment is cleared in every case.
 */
int svc_listen_fds(struct svc_fds *ret_fds);

/**
 * Take the first descriptor of that name out of the set; it is the caller's then.
 *
 * returns  the descriptor; -ENOENT when there is none (left)
 */
int svc_fds_take(struct svc_fds *fds, const char *name);

/** Close what nobody took. */
void svc_fds_done(struct svc_fds *fds);

/**
 * The Unix listener of a service: the one that was passed, or a new one.
 *
 * For processes that are handed a single listener. It calls svc_listen_fds(); a passed listener
 * bound to `path` is used, and other passed descriptors are closed.
 *
 * path     at most 107 bytes
 * returns  a descriptor, nonblocking and CLOEXEC, owned by the caller; -EADDRNOTAVAIL when
 *          descriptors were passed but none listens on `path` (configuration and unit disagree);
 *          else as svc_listen_unix()
 */
int svc_listen(const char *path);

/**
 * A new Unix stream listener: nonblocking, CLOEXEC, mode 0660, backlog 4096. A socket file left
 * over by a dead process is replaced; one that somebody answers on is not.
 *
 * returns  a descriptor, owned by the caller; -EADDRINUSE when somebody answers on `path`;
 *          -EEXIST when `path` is there but is no socket; -ENAMETOOLONG; -ENOENT when the folder
 *          is missing; other -errno of socket, bind and open
 */
int svc_listen_unix(const char *path);

/**
 * Make a folder for our files or sockets, with the missing folders above it, and see that nobody
 * else can play with it.
 *
 * mode     of folders that are made, e.g. 0755; one that exists keeps its mode
 * returns  0; -EPERM when it exists and belongs to another ordinary user or everybody may write in
 *          it; -ENOTDIR; -ENAMETOOLONG; other -errno of mkdir
 */
int svc_make_folder(const char *path, mode_t mode);

/** How long a notice waits for room: the queue of a supervisor that may not run for a moment holds ten on many machines. */
#define SVC_NOTICE_WAIT_MS 1000

/**
 * Tell the supervisor: "READY=1", "STOPPING=1", "STATUS=...", newline-separated. Waits for room at most
 * SVC_NOTICE_WAIT_MS, for nobody says it again.
 *
 * returns  0, also when there is no supervisor (NOTIFY_SOCKET unset); -errno when it did not take
 *          the message, which a caller may ignore
 */
int svc_notify(const char *state);

/** Tell the supervisor that all is well. Never blocks: -EAGAIN while there is no room, and the next one follows soon. */
int svc_ping_watchdog(void);

/**
 * Give the supervisor descriptors to keep: the next start of this service is handed them, named, by
 * svc_listen_fds(), also after a crash. They stay the caller's as well. Waits like svc_notify().
 *
 * Order does not survive everywhere (systemd keeps none), and what points to the same open file is
 * kept once: what has to be told apart has to have different names. systemd keeps any only for a
 * unit with FileDescriptorStoreMax=. The supervisor does not watch them (FDPOLL=0): a connection
 * whose peer has gone stays until it is forgotten.
 *
 * name     1 to SVC_FD_NAME_ROOM - 1 printable ASCII characters without ':'
 * count    up to SVC_FDS_MAX; 0 does nothing
 * returns  0, also when there is no supervisor; -EINVAL for the name; -E2BIG; -errno when it did
 *          not take the message, such as -EAGAIN when it reads nothing
 */
int svc_store_fds(const char *name, const int *fds, size_t count);

/**
 * Have the supervisor close all that it keeps under this name. Waits like svc_notify().
 *
 * returns  as svc_store_fds()
 */
int svc_forget_fds(const char *name);

/**
 * Become another program, or this one anew, that finds these descriptors by svc_listen_fds().
 *
 * Nothing else is passed but 0 to 2 and what is not CLOEXEC. The process id, the signal mask and
 * the rest of the environment stay, so to the supervisor it is the same service.
 *
 * fds      in this order; taken ones (-1) are left out
 * returns  only with -errno; the descriptors from 3 on and LISTEN_* are not what they were then, so
 *          all that is left to do is to say so and to exit
 */
int svc_exec_with_fds(const char *program, char *const argv[], const struct svc_fds *fds);

/**
 * How often to call svc_ping_watchdog(): half of what the supervisor waits for.
 *
 * returns  ms, at least 1; 0 = nobody watches (WATCHDOG_USEC unset or malformed, or WATCHDOG_PID
 *          is another process)
 */
uint64_t svc_watchdog_interval_ms(void);

/**
 * Be killed (SIGKILL) when the parent dies. For children right after fork().
 *
 * expected_parent  getpid() of the parent, taken before the fork
 * returns          0; -ESRCH when that parent is gone already: the caller exits at once
 */
int svc_die_with_parent(pid_t expected_parent);

/**
 * Raise the soft limit of open descriptors to the hard limit: a connection is a descriptor.
 *
 * returns  0 or -errno
 */
int svc_raise_nofile(void);

/** Set malloc up for a process that moves pictures; see svc.c for the reason. */
void svc_tune_malloc(void);

/** Time since boot, never steps; for deadlines. Never 0. */
uint64_t svc_mono_ms(void);
uint64_t svc_mono_us(void);

/** Microseconds since 1970-01-01 UTC; may step. For dates only. */
uint64_t svc_utc_us(void);

/** 64 unpredictable bits from the kernel. */
uint64_t svc_random_u64(void);

#endif
