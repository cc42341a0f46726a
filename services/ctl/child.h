/* child - what the supervisor knows about one service, and what has to be done about it and when.
 *
 * No process is touched here: the clock and the events come in, decisions go out. supervisor.c
 * acts on them. */
#ifndef TAGHUB_CTL_CHILD_H
#define TAGHUB_CTL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_WATCHDOG_MS      10000u /* a service that was silent for so long hangs */
#define CHILD_ABORT_MS         1000u  /* from SIGABRT to SIGKILL: time to write a core file */
#define CHILD_START_MS         90000u /* from the start to READY=1 */
#define CHILD_BACKOFF_FIRST_MS 10u
#define CHILD_BACKOFF_MAX_MS   1000u
#define CHILD_STEADY_FACTOR    10u /* a life so many times as long as the back-off before it starts it anew */
#define CHILD_STARTS_MAX       5u  /* starts in a row that may fail before the first READY=1 ever */

#define CHILD_NEVER UINT64_MAX

enum child_state {
    CHILD_DOWN,     /* no process; is to be started when due */
    CHILD_STARTING, /* not ready yet */
    CHILD_READY,
    CHILD_ABORTED,  /* hung and was sent SIGABRT; is killed when due */
    CHILD_STOPPING, /* was told to stop; is killed when due */
    CHILD_KILLED,   /* was killed, not yet buried */
    CHILD_GONE,     /* ended and stays so */
};

/** Zero-initialised it is down and due at once. */
struct child {
    enum child_state state;
    pid_t pid;            /* 0 without a process */
    uint64_t due_mono_ms; /* when child_due() has something to do; CHILD_NEVER */
    uint64_t started_mono_ms;
    uint64_t backoff_ms;
    unsigned failed_starts; /* in a row */
    bool was_ready;         /* any of its processes was */
    bool is_stopping;       /* this process has said that it ends */
    bool is_over;           /* the hub stops: no watch is kept, nothing starts again */
};

enum child_action {
    CHILD_DO_NOTHING,
    CHILD_DO_START, /* followed by child_started() or child_not_started() */
    CHILD_DO_ABORT, /* send SIGABRT: it does not ping, or does not get ready */
    CHILD_DO_KILL,  /* send SIGKILL */
};

/** What to do now. The child has moved on when this returns, so each action is asked for once. */
enum child_action child_due(struct child *child, uint64_t now_mono_ms);

void child_started(struct child *child, pid_t pid, uint64_t now_mono_ms);
/** The kernel would not make a process: tried again after CHILD_BACKOFF_MAX_MS. */
void child_not_started(struct child *child, uint64_t now_mono_ms);

/**
 * A datagram from the child's main process in the language of sd_notify(3).
 *
 * text     NUL-terminated, lines of NAME=VALUE
 * returns  true when this made it ready
 */
bool child_told(struct child *child, const char *text, uint64_t now_mono_ms);

enum child_fate {
    CHILD_STARTS_AGAIN, /* after child->backoff_ms */
    CHILD_STAYS_DOWN,   /* the hub stops */
    CHILD_FAILED,       /* never became ready in CHILD_STARTS_MAX starts */
    CHILD_MISCONFIGURED /* never became ready; its exit status says: useless to try again */
};

/** Is this the end of a process that was asked to begin anew? status as from waitpid(); to be asked before child_ended(). */
bool child_ends_as_planned(const struct child *child, int status);

/** The process ended. status as from waitpid(). A planned end is no failed start, however early. */
enum child_fate child_ended(struct child *child, int status, uint64_t now_mono_ms);

/** The hub begins to stop and others come first: a child without a process is gone from here on. */
void child_await_turn(struct child *child);
/**
 * Its turn to stop.
 *
 * returns  true when SIGTERM is to be sent; false when there is no process, or it was aborted or
 *          killed already
 */
bool child_stop(struct child *child, uint64_t kill_mono_ms);

#endif
