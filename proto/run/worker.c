/* worker - see worker.h. */
#include "run/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "run/svc.h"

static void beat(struct worker *worker)
{
    uint64_t now = loop_now_mono_ms(worker->loop);

    atomic_store(&worker->slot->heartbeat_mono_ms, now);
    if (worker->master_fd < 0 && worker->watchdog_ms > 0 && now >= worker->watchdog_due_mono_ms) {
        svc_ping_watchdog();
        worker->watchdog_due_mono_ms = now + worker->watchdog_ms;
    }
}

static void on_tick(struct deadline *deadline)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, tick, deadline);

    beat(worker);
    deadline_arm(worker->loop, &worker->tick_list, &worker->tick);
    if (worker->on_tick != NULL)
        worker->on_tick(worker->user);
}

static void stop(struct worker *worker)
{
    if (atomic_load(&worker->slot->state) == SLOT_LEAVING)
        return;
    atomic_store(&worker->slot->state, SLOT_LEAVING);
    if (worker->master_fd < 0)
        svc_notify("STOPPING=1");
    if (worker->on_stop != NULL)
        worker->on_stop(worker->user);
    else
        loop_stop(worker->loop);
}

static void park(struct worker *worker, bool hurry)
{
    uint32_t state = atomic_load(&worker->slot->state);
    bool is_news = !worker->is_parking || (hurry && !worker->hurries);

    if (worker->on_park == NULL) {
        stop(worker);
        return;
    }
    worker->hurries |= hurry;
    if (is_news && state == SLOT_ALIVE)
        worker->on_park(worker->user, hurry);
    worker->is_parking = state != SLOT_LEAVING; /* one that starts parks as soon as it holds everything */
}

static void on_signal(void *user)
{
    struct worker *worker = user;
    struct signalfd_siginfo signal;
    int fd = watch_fd(worker->signals);

    while (read(fd, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGUSR1 || signal.ssi_signo == SIGHUP)
            park(worker, signal.ssi_signo == SIGUSR1);
        else if (!worker->is_parking) /* what parks ends anyway, and soon */
            stop(worker);
    }
}

static int signals_fd(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int worker_init(struct worker *worker, enum peer_kind kind, struct page *page, unsigned number, int master_fd)
{
    int fd;

    *worker = (struct worker){.page = page, .slot = &page->slots[number], .number = number, .master_fd = master_fd};
    worker->identity =
        (struct bus_identity){.kind = kind, .slot = number, .incarnation = svc_random_u64() | 1u /* never 0 */};
    worker->loop = loop_new();
    if (worker->loop == NULL)
        return -ENOMEM;
    fd = signals_fd();
    if (fd >= 0)
        worker->signals = watch_new(worker->loop, fd, on_signal, worker);
    if (worker->signals == NULL) {
        int r = fd < 0 ? -errno : -ENOMEM;

        if (fd >= 0)
            close(fd);
        loop_free(worker->loop);
        worker->loop = NULL;
        return r;
    }
    worker->tick.fire = on_tick;
    loop_add_deadlines(worker->loop, &worker->tick_list, WORKER_TICK_MS);
    deadline_arm(worker->loop, &worker->tick_list, &worker->tick);
    worker->watchdog_ms = svc_watchdog_interval_ms();
    atomic_store(&worker->slot->pid, getpid());
    atomic_store(&worker->slot->incarnation, worker->identity.incarnation);
    atomic_store(&worker->slot->started_utc_us, svc_utc_us());
    atomic_store(&worker->slot->state, SLOT_STARTING);
    beat(worker);
    return 0;
}

void worker_done(struct worker *worker)
{
    if (worker->loop == NULL)
        return;
    deadline_disarm(&worker->tick);
    watch_free(worker->signals);
    loop_free(worker->loop);
    worker->loop = NULL;
}

void worker_is_alive(struct worker *worker)
{
    uint32_t starting = SLOT_STARTING;

    if (!atomic_compare_exchange_strong(&worker->slot->state, &starting, SLOT_ALIVE))
        return;
    if (worker->master_fd < 0)
        svc_notify("READY=1");
    else
        eventfd_write(worker->master_fd, 1);
    if (worker->is_parking)
        worker->on_park(worker->user, worker->hurries);
}

int worker_run(struct worker *worker)
{
    return loop_run(worker->loop);
}
