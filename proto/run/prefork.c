/* prefork - see prefork.h.
 *
 * Invariants
 *   F1  a slot has at most one process; its page fields are the master's while it has none
 *   F2  the master waits in poll() alone: signals, readiness and the clock are events there
 *   F3  READY=1 is sent once, when every slot is alive for the first time
 */
#include "run/prefork.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/log.h"
#include "run/svc.h"

#define CHECK_MS         100
#define BACKOFF_FIRST_MS 10u
#define BACKOFF_MAX_MS   1000u
#define STEADY_FACTOR    10u   /* a life so many times as long as the back-off before it starts it anew */
#define PARK_MS          1500u /* a worker that has not ended so long after it was to park is killed */
#define FINISH_MS        5500u /* so much later when it may first finish what is under way */

struct child {
    pid_t pid; /* 0: none */
    uint64_t started_mono_ms, restart_mono_ms, backoff_ms;
};

struct master {
    const struct prefork_conf *conf;
    struct child children[SLOT_MAX];
    int signal_fd, wake_fd;
    bool ready, stopping;
    enum prefork_end end;  /* while stopping: how */
    uint64_t kill_mono_ms; /* while stopping */
    uint64_t watchdog_ms, watchdog_due_mono_ms;
    uint64_t looked_mono_ms; /* when the heartbeats were last looked at */
};

static void clear_slot(struct page *page, unsigned number)
{
    struct page_slot *slot = &page->slots[number];
    uint32_t lease = number + 1;

    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        if (COUNTERS[i].kind == COUNTER_gauge)
            count_set(slot, (enum counter)i, 0);
    }
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->links, 0);
    atomic_store(&slot->state, SLOT_EMPTY);
    atomic_compare_exchange_strong(&page->udp_lease, &lease, 0);
}

static int run_child(struct master *master, unsigned number, pid_t master_pid)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(master->signal_fd);
    if (svc_die_with_parent(master_pid) < 0)
        return EXIT_FAILURE;
    return master->conf->worker_main(master->conf->user, number, master->wake_fd);
}

static void start_child(struct master *master, unsigned number)
{
    struct child *child = &master->children[number];
    struct page_slot *slot = &master->conf->page->slots[number];
    pid_t master_pid = getpid(), pid;

    child->started_mono_ms = svc_mono_ms();
    atomic_store(&slot->heartbeat_mono_ms, child->started_mono_ms);
    atomic_store(&slot->state, SLOT_STARTING);
    pid = fork();
    if (pid == 0)
        exit(run_child(master, number, master_pid));
    if (pid < 0) {
        log_error("fork_failed", "worker=%u error=%s", number, strerror(errno));
        atomic_store(&slot->state, SLOT_EMPTY);
        child->restart_mono_ms = child->started_mono_ms + BACKOFF_MAX_MS;
        return;
    }
    child->pid = pid;
    atomic_store(&slot->pid, pid);
}

static void bury(struct master *master, unsigned number, int status)
{
    struct child *child = &master->children[number];
    uint64_t now = svc_mono_ms();
    bool has_served = atomic_load(&master->conf->page->slots[number].state) != SLOT_STARTING;
    uint64_t served_ms = has_served ? now - child->started_mono_ms : 0;

    child->pid = 0;
    clear_slot(master->conf->page, number);
    if (master->stopping)
        return;
    if (served_ms >= child->backoff_ms * STEADY_FACTOR)
        child->backoff_ms = BACKOFF_FIRST_MS;
    else
        child->backoff_ms = child->backoff_ms * 2 < BACKOFF_MAX_MS ? child->backoff_ms * 2 : BACKOFF_MAX_MS;
    child->restart_mono_ms = now + child->backoff_ms;
    atomic_fetch_add(&master->conf->page->slots[number].restarts_count, 1);
    if (WIFSIGNALED(status))
        log_warn("worker_died", "worker=%u signal=%d restart_ms=%u", number, WTERMSIG(status),
                 (unsigned)child->backoff_ms);
    else
        log_warn("worker_died", "worker=%u status=%d restart_ms=%u", number, WEXITSTATUS(status),
                 (unsigned)child->backoff_ms);
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < master->conf->worker_count; i++) {
            if (master->children[i].pid == pid)
                bury(master, i, status);
        }
    }
}

static void signal_all(const struct master *master, int signal_number)
{
    for (unsigned i = 0; i < master->conf->worker_count; i++) {
        if (master->children[i].pid != 0)
            kill(master->children[i].pid, signal_number);
    }
}

static void begin_end(struct master *master, enum prefork_end end)
{
    static const int SIGNALS[] = {[PREFORK_STOPPED] = SIGTERM, [PREFORK_PARKED] = SIGUSR1, [PREFORK_RELOAD] = SIGHUP};
    const uint64_t limits_ms[] = {
        [PREFORK_STOPPED] = master->conf->stop_ms, [PREFORK_PARKED] = PARK_MS, [PREFORK_RELOAD] = PARK_MS + FINISH_MS};

    if (master->stopping && (master->end == PREFORK_STOPPED || end == PREFORK_RELOAD))
        return;
    /* who reloads parks anyway, and is to hurry now; nothing begins anew behind it */
    signal_all(master, master->stopping ? SIGUSR1 : SIGNALS[end]);
    master->kill_mono_ms = svc_mono_ms() + limits_ms[master->stopping ? PREFORK_PARKED : end];
    master->stopping = true;
    master->end = end;
}

static void begin_reload(struct master *master)
{
    char state[64];

    if (master->stopping || master->conf->may_reload(master->conf->user) < 0)
        return;
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)svc_mono_us());
    svc_notify(state);
    begin_end(master, PREFORK_RELOAD);
}

static void read_signals(struct master *master)
{
    struct signalfd_siginfo info;

    while (read(master->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            svc_notify("STOPPING=1");
            begin_end(master, PREFORK_STOPPED);
        } else if (info.ssi_signo == SIGUSR1 && master->conf->may_reload != NULL) {
            svc_notify("STOPPING=1");
            begin_end(master, PREFORK_PARKED);
        } else if (info.ssi_signo == SIGHUP && master->conf->may_reload != NULL) {
            begin_reload(master);
        }
    }
}

static bool any_left(const struct master *master)
{
    for (unsigned i = 0; i < master->conf->worker_count; i++) {
        if (master->children[i].pid != 0)
            return true;
    }
    return false;
}

/* A master that was itself held up (stopped, frozen with its workers, starved) cannot tell their silence from its own:
 * everybody gets a new term. */
static void forgive_own_absence(struct master *master, uint64_t now)
{
    bool was_away = master->looked_mono_ms != 0 && now - master->looked_mono_ms > CHECK_MS + master->conf->hang_ms / 2;

    master->looked_mono_ms = now;
    for (unsigned i = 0; was_away && i < master->conf->worker_count; i++) {
        if (master->children[i].pid != 0)
            atomic_store(&master->conf->page->slots[i].heartbeat_mono_ms, now);
    }
}

/* Starts whose time has come, kills of those that hang. Returns whether every worker beats. */
static bool tend_children(struct master *master, uint64_t now)
{
    bool all_beat = true;

    forgive_own_absence(master, now);
    for (unsigned i = 0; i < master->conf->worker_count; i++) {
        struct child *child = &master->children[i];
        uint64_t beat = atomic_load(&master->conf->page->slots[i].heartbeat_mono_ms);

        if (child->pid == 0) {
            all_beat = false;
            if (!master->stopping && now >= child->restart_mono_ms)
                start_child(master, i);
        } else if (now > beat && now - beat > master->conf->hang_ms) {
            all_beat = false;
            log_error("worker_hangs", "worker=%u pid=%d silent_ms=%u", i, (int)child->pid, (unsigned)(now - beat));
            kill(child->pid, SIGKILL);
            atomic_store(&master->conf->page->slots[i].heartbeat_mono_ms, now); /* once per hang_ms */
        }
    }
    return all_beat;
}

static void tell_supervisor(struct master *master, uint64_t now, bool all_beat)
{
    uint64_t everybody =
        master->conf->worker_count == 64 ? UINT64_MAX : (UINT64_C(1) << master->conf->worker_count) - 1;

    if (!master->ready && page_alive_mask(master->conf->page) == everybody) {
        master->ready = true;
        svc_notify("READY=1");
    }
    if (master->watchdog_ms > 0 && all_beat && now >= master->watchdog_due_mono_ms) {
        svc_ping_watchdog();
        master->watchdog_due_mono_ms = now + master->watchdog_ms;
    }
}

static int wait_ms(const struct master *master, uint64_t now)
{
    int wait = CHECK_MS;

    if (master->stopping)
        return wait; /* nobody is started any more */
    for (unsigned i = 0; i < master->conf->worker_count; i++) {
        const struct child *child = &master->children[i];

        if (child->pid == 0 && child->restart_mono_ms < now + (uint64_t)wait)
            wait = child->restart_mono_ms > now ? (int)(child->restart_mono_ms - now) : 0;
    }
    return wait;
}

static int open_events(struct master *master)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    master->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (master->signal_fd < 0)
        return -errno;
    master->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (master->wake_fd < 0) {
        int r = -errno;

        close(master->signal_fd);
        return r;
    }
    return 0;
}

int prefork_run(const struct prefork_conf *conf)
{
    struct master master = {.conf = conf, .watchdog_ms = svc_watchdog_interval_ms()};
    int r = open_events(&master);

    if (r < 0)
        return r;
    while (!master.stopping || any_left(&master)) {
        struct pollfd events[] = {{.fd = master.signal_fd, .events = POLLIN}, {.fd = master.wake_fd, .events = POLLIN}};
        uint64_t now = svc_mono_ms(), woken;
        bool all_beat = tend_children(&master, now);

        if (master.stopping && now >= master.kill_mono_ms)
            signal_all(&master, SIGKILL);
        poll(events, ARRAY_LEN(events), wait_ms(&master, now));
        read_signals(&master);
        reap(&master);
        if (read(master.wake_fd, &woken, sizeof woken) < 0 && errno != EAGAIN)
            log_warn("wake_failed", "error=%s", strerror(errno));
        tell_supervisor(&master, svc_mono_ms(), all_beat);
    }
    close(master.wake_fd);
    close(master.signal_fd);
    return (int)master.end;
}
