/* child - see child.h.
 *
 * Invariants
 *   C1  a child has a process (pid > 0) in every state but CHILD_DOWN and CHILD_GONE
 *   C2  due_mono_ms belongs to the state: restart, time to get ready, next ping, kill
 *   C3  what was ready once is started for ever; what never was is given up after a few tries,
 *       because a hub that cannot start should say so and end */
#include "child.h"

#include <assert.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "notify.h"

enum child_action child_due(struct child *child, uint64_t now_mono_ms)
{
    if (now_mono_ms < child->due_mono_ms)
        return CHILD_DO_NOTHING;
    switch (child->state) {
    case CHILD_DOWN:
        return CHILD_DO_START;
    case CHILD_STARTING:
    case CHILD_READY:
        child->state = CHILD_ABORTED;
        child->due_mono_ms = now_mono_ms + CHILD_ABORT_MS;
        return CHILD_DO_ABORT;
    case CHILD_ABORTED:
    case CHILD_STOPPING:
        child->state = CHILD_KILLED;
        child->due_mono_ms = CHILD_NEVER;
        return CHILD_DO_KILL;
    case CHILD_KILLED:
    case CHILD_GONE:
        break;
    }
    return CHILD_DO_NOTHING;
}

void child_started(struct child *child, pid_t pid, uint64_t now_mono_ms)
{
    assert(child->state == CHILD_DOWN);
    child->state = CHILD_STARTING;
    child->is_stopping = false;
    child->pid = pid;
    child->started_mono_ms = now_mono_ms;
    child->due_mono_ms = now_mono_ms + CHILD_START_MS;
}

void child_not_started(struct child *child, uint64_t now_mono_ms)
{
    assert(child->state == CHILD_DOWN);
    child->due_mono_ms = now_mono_ms + CHILD_BACKOFF_MAX_MS;
}

bool child_told(struct child *child, const char *text, uint64_t now_mono_ms)
{
    bool is_ready = child->state == CHILD_STARTING && !child->is_over && notify_says(text, "READY=");

    child->is_stopping |= notify_says(text, "STOPPING=");
    if (is_ready) {
        child->state = CHILD_READY;
        child->was_ready = true;
    }
    if (is_ready || (child->state == CHILD_READY && !child->is_over && notify_says(text, "WATCHDOG=")))
        child->due_mono_ms = now_mono_ms + CHILD_WATCHDOG_MS;
    return is_ready;
}

static void back_off(struct child *child, uint64_t now_mono_ms)
{
    uint64_t served_ms = child->state != CHILD_STARTING ? now_mono_ms - child->started_mono_ms : 0;

    if (served_ms >= child->backoff_ms * CHILD_STEADY_FACTOR)
        child->backoff_ms = CHILD_BACKOFF_FIRST_MS;
    else if (child->backoff_ms * 2 < CHILD_BACKOFF_MAX_MS)
        child->backoff_ms *= 2;
    else
        child->backoff_ms = CHILD_BACKOFF_MAX_MS;
    child->state = CHILD_DOWN;
    child->due_mono_ms = now_mono_ms + child->backoff_ms;
}

bool child_ends_as_planned(const struct child *child, int status)
{
    return (child->state == CHILD_READY || child->is_stopping) && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum child_fate child_ended(struct child *child, int status, uint64_t now_mono_ms)
{
    bool is_planned = child_ends_as_planned(child, status);

    child->pid = 0;
    if (child->is_over) {
        child->state = CHILD_GONE;
        child->due_mono_ms = CHILD_NEVER;
        return CHILD_STAYS_DOWN;
    }
    back_off(child, now_mono_ms);
    if (child->was_ready || is_planned)
        return CHILD_STARTS_AGAIN;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
        return CHILD_MISCONFIGURED;
    child->failed_starts++;
    return child->failed_starts >= CHILD_STARTS_MAX ? CHILD_FAILED : CHILD_STARTS_AGAIN;
}

void child_await_turn(struct child *child)
{
    child->is_over = true;
    switch (child->state) {
    case CHILD_DOWN:
        child->state = CHILD_GONE;
        child->due_mono_ms = CHILD_NEVER;
        break;
    case CHILD_STARTING:
    case CHILD_READY:
        child->due_mono_ms = CHILD_NEVER;
        break;
    case CHILD_ABORTED: /* its end is near, and due */
    case CHILD_STOPPING:
    case CHILD_KILLED:
    case CHILD_GONE:
        break;
    }
}

bool child_stop(struct child *child, uint64_t kill_mono_ms)
{
    assert(child->is_over);
    if (child->state != CHILD_STARTING && child->state != CHILD_READY)
        return false;
    child->state = CHILD_STOPPING;
    child->due_mono_ms = kill_mono_ms;
    return true;
}
