/* loop - one event loop per process: libh2o's, with what it lacks.
 *
 * - Deadlines on the monotonic clock. libh2o's own timers follow the wall clock and would stall when it is set back.
 * - Tasks at the end of a turn: whatever a turn produced for one destination leaves in one write.
 * - Watches: readiness of a descriptor that is read and written by its owner.
 *
 * Single-threaded. Callbacks may free the object they belong to; none is called after its object was stopped. */
#ifndef TAGHUB_RUN_LOOP_H
#define TAGHUB_RUN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <h2o.h>

struct loop;

/** Makes a loop; NULL without memory or descriptors. Freed after everything that uses it. */
struct loop *loop_new(void);
/** Runs the tasks that wait for the end of a turn, since they may free what was stopped outside of one. Accepts NULL. */
void loop_free(struct loop *loop);

/** The libh2o loop inside, for sockets that libh2o serves. Borrowed. */
h2o_loop_t *loop_h2o(struct loop *loop);

/** Runs until loop_stop(). Returns 0, or -errno when polling itself failed. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/** Milliseconds of the monotonic clock, read once per turn: after the wait, when something first asks. */
uint64_t loop_now_mono_ms(struct loop *loop);
/** Number of the turn, from 1: ascends with every wait for sockets; 0 before the first. */
uint64_t loop_turn(const struct loop *loop);

/* ---- tasks at the end of a turn ---- */

/** Embed it in what wants to act once per turn; zero-initialise. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop *loop; /* private from here */
    struct loop_task *next, **link;
};

/** Runs task->run once at the end of this turn, however often it is asked for. */
void loop_at_turn_end(struct loop *loop, struct loop_task *task);
/** Takes it back; harmless when it was not asked for. */
void loop_task_cancel(struct loop_task *task);

/* ---- deadlines ---- */

/**
 * All deadlines of one duration. They fire in the order in which they were armed, so arming and disarming cost a
 * few pointer writes however many there are.
 */
struct deadline_list {
    uint64_t duration_ms;
    struct deadline *first, *last; /* private */
    struct deadline_list *next;    /* private */
};

struct deadline {
    void (*fire)(struct deadline *deadline);
    uint64_t due_mono_ms; /* private from here */
    struct deadline *next, *prev;
    struct deadline_list *list; /* NULL while not armed */
};

/** Tells the loop of a list, which must live until it is removed or the loop ends. */
void loop_add_deadlines(struct loop *loop, struct deadline_list *list, uint64_t duration_ms);
/** Its deadlines must be disarmed. Allowed everywhere, also inside fire(). */
void loop_remove_deadlines(struct loop *loop, struct deadline_list *list);
/** (Re-)starts: it fires once, duration_ms after this turn's time. */
void deadline_arm(struct loop *loop, struct deadline_list *list, struct deadline *deadline);
/** Harmless when it is not armed. */
void deadline_disarm(struct deadline *deadline);

static inline bool deadline_is_armed(const struct deadline *deadline)
{
    return deadline->list != NULL;
}

/* ---- watches ---- */

struct watch;

typedef void (*watch_cb)(void *user);

/**
 * Watches a descriptor for reading.
 *
 * fd           taken over: watch_free() closes it
 * on_readable  called each turn in which there is something to read, until there is no more or watch_pause()
 * returns      the watch, or NULL without memory (fd is then still the caller's)
 */
struct watch *watch_new(struct loop *loop, int fd, watch_cb on_readable, void *user);
/** Closes the descriptor. Accepts NULL. */
void watch_free(struct watch *watch);
int watch_fd(const struct watch *watch);
/** Stops and resumes reading; both may be repeated. */
void watch_pause(struct watch *watch);
void watch_resume(struct watch *watch);
/** Calls on_writable once when something can be written. One request at a time. */
void watch_when_writable(struct watch *watch, watch_cb on_writable);

#endif
