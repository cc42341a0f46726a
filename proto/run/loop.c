/* loop - see loop.h.
 *
 * Invariants
 *   L1  a turn is: fire what is due, wait and serve sockets, run the tasks of the turn until there are none
 *   L2  the wait never exceeds the nearest deadline, and is 0 while libh2o has completed writes to report
 *       (writes issued outside its own callbacks are reported only when it is called again)
 *   L3  nobody sees a time from before the wait: a deadline armed after an idle hour still has its full duration
 *   L4  no deadline is due before nearest_mono_ms; until then a turn looks at none of them. It may be too early, when
 *       what was nearest has been disarmed: that costs one turn in vain
 */
#include "run/loop.h"

#include <errno.h>
#include <stdlib.h>

#include "run/svc.h"

#define WAIT_MAX_MS 60000

struct loop {
    h2o_loop_t *h2o;
    struct loop_task *tasks, **tasks_end;
    struct deadline_list *deadlines;
    struct deadline_list *firing; /* whose turn it is in fire_due(), NULL outside */
    uint64_t now_mono_ms, nearest_mono_ms, turn;
    bool now_is_old; /* L3: the loop has waited since the clock was read */
    bool running, stopping;
};

static void run_tasks(struct loop *loop);

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->h2o = h2o_evloop_create();
    if (loop->h2o == NULL) {
        free(loop);
        return NULL;
    }
    loop->tasks_end = &loop->tasks;
    loop->nearest_mono_ms = UINT64_MAX;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_tasks(loop);
    h2o_evloop_run(loop->h2o, 0); /* libh2o frees closed sockets in the next turn */
    h2o_evloop_destroy(loop->h2o);
    free(loop);
}

h2o_loop_t *loop_h2o(struct loop *loop)
{
    return loop->h2o;
}

uint64_t loop_now_mono_ms(struct loop *loop)
{
    if (loop->now_is_old || !loop->running)
        loop->now_mono_ms = svc_mono_ms();
    loop->now_is_old = false;
    return loop->now_mono_ms;
}

uint64_t loop_turn(const struct loop *loop)
{
    return loop->turn;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

/* ---- tasks ---- */

void loop_at_turn_end(struct loop *loop, struct loop_task *task)
{
    if (task->link != NULL)
        return;
    task->next = NULL;
    task->loop = loop;
    task->link = loop->tasks_end;
    *loop->tasks_end = task;
    loop->tasks_end = &task->next;
}

void loop_task_cancel(struct loop_task *task)
{
    if (task->link == NULL)
        return;
    *task->link = task->next;
    *(task->next != NULL ? &task->next->link : &task->loop->tasks_end) = task->link;
    task->link = NULL;
}

static void run_tasks(struct loop *loop)
{
    struct loop_task *task;

    while ((task = loop->tasks) != NULL) {
        loop_task_cancel(task); /* first, so that it may ask again or free itself */
        task->run(task);
    }
}

/* ---- deadlines ---- */

void loop_add_deadlines(struct loop *loop, struct deadline_list *list, uint64_t duration_ms)
{
    *list = (struct deadline_list){.duration_ms = duration_ms, .next = loop->deadlines};
    loop->deadlines = list;
}

void loop_remove_deadlines(struct loop *loop, struct deadline_list *list)
{
    struct deadline_list **slot = &loop->deadlines;

    while (*slot != NULL && *slot != list)
        slot = &(*slot)->next;
    if (*slot != NULL)
        *slot = list->next;
    if (loop->firing == list)
        loop->firing = list->next;
}

void deadline_disarm(struct deadline *deadline)
{
    struct deadline_list *list = deadline->list;

    if (list == NULL)
        return;
    *(deadline->prev != NULL ? &deadline->prev->next : &list->first) = deadline->next;
    *(deadline->next != NULL ? &deadline->next->prev : &list->last) = deadline->prev;
    deadline->list = NULL;
}

static void note_due(struct loop *loop, const struct deadline *deadline)
{
    if (deadline->due_mono_ms < loop->nearest_mono_ms)
        loop->nearest_mono_ms = deadline->due_mono_ms;
}

void deadline_arm(struct loop *loop, struct deadline_list *list, struct deadline *deadline)
{
    deadline_disarm(deadline);
    deadline->due_mono_ms = loop_now_mono_ms(loop) + list->duration_ms;
    deadline->list = list;
    deadline->next = NULL;
    deadline->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = deadline;
    list->last = deadline;
    note_due(loop, deadline);
}

static void fire_due(struct loop *loop)
{
    const uint64_t now = loop_now_mono_ms(loop);

    if (now < loop->nearest_mono_ms)
        return;
    loop->nearest_mono_ms = UINT64_MAX;
    loop->firing = loop->deadlines;
    while (loop->firing != NULL) {
        struct deadline *first = loop->firing->first;

        if (first != NULL && first->due_mono_ms <= now) {
            deadline_disarm(first);
            first->fire(first); /* may remove the list */
            continue;
        }
        if (first != NULL)
            note_due(loop, first);
        loop->firing = loop->firing->next;
    }
}

static int32_t nearest_wait_ms(const struct loop *loop)
{
    const uint64_t now = svc_mono_ms(); /* the turn's own work took time too */

    if (loop->h2o->_pending_as_client != NULL || loop->h2o->_pending_as_server != NULL || loop->stopping ||
        loop->nearest_mono_ms <= now)
        return 0;
    return loop->nearest_mono_ms - now < WAIT_MAX_MS ? (int32_t)(loop->nearest_mono_ms - now) : WAIT_MAX_MS;
}

int loop_run(struct loop *loop)
{
    int r = 0;

    loop->running = true;
    loop->stopping = false;
    while (!loop->stopping && r == 0) {
        int32_t wait_ms;

        loop->now_is_old = true;
        fire_due(loop);
        run_tasks(loop);
        wait_ms = nearest_wait_ms(loop);
        loop->now_is_old = true;
        loop->turn++;
        if (h2o_evloop_run(loop->h2o, wait_ms) != 0 && errno != EINTR)
            r = -errno;
        run_tasks(loop);
    }
    loop->running = false;
    return r;
}

/* ---- watches ---- */

struct watch {
    h2o_socket_t *sock;
    watch_cb on_readable, on_writable;
    void *user;
    bool paused;
};

static void watch_read(h2o_socket_t *sock, const char *err)
{
    struct watch *watch = sock->data;

    (void)err; /* the owner's read or recv tells */
    watch->on_readable(watch->user);
}

static void watch_written(h2o_socket_t *sock, const char *err)
{
    struct watch *watch = sock->data;

    (void)err;
    watch->on_writable(watch->user);
}

struct watch *watch_new(struct loop *loop, int fd, watch_cb on_readable, void *user)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->sock = h2o_evloop_socket_create(loop->h2o, fd, H2O_SOCKET_FLAG_DONT_READ);
    if (watch->sock == NULL) {
        free(watch);
        return NULL;
    }
    watch->sock->data = watch;
    watch->on_readable = on_readable;
    watch->user = user;
    h2o_socket_read_start(watch->sock, watch_read);
    return watch;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    h2o_socket_close(watch->sock);
    free(watch);
}

int watch_fd(const struct watch *watch)
{
    return h2o_socket_get_fd(watch->sock);
}

void watch_pause(struct watch *watch)
{
    if (!watch->paused)
        h2o_socket_read_stop(watch->sock);
    watch->paused = true;
}

void watch_resume(struct watch *watch)
{
    if (watch->paused)
        h2o_socket_read_start(watch->sock, watch_read);
    watch->paused = false;
}

void watch_when_writable(struct watch *watch, watch_cb on_writable)
{
    watch->on_writable = on_writable;
    if (!h2o_socket_is_writing(watch->sock))
        h2o_socket_notify_write(watch->sock, watch_written);
}
