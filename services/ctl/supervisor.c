/* supervisor - see supervisor.h. What is to be done about a service is decided in child.c; this
 * file does it.
 *
 * Why not simply let services start each other: the sockets between them must outlive each of
 * them, somebody has to notice that one hangs, and Ctrl-C must end them in an order in which
 * nothing is lost. On a machine with systemd all of that is systemd's work; here it is done with
 * the same protocols, so that the services cannot tell the difference.
 *
 * Invariants
 *   S1  one thread waits in one poll(): signals, what services tell, and the clock are events
 *       there
 *   S2  what a service told before it died is heard before its death is handled
 *   S3  the listening sockets stay open from the start to the end of the hub, and what a service
 *       stored as long as it may start again: that is a pause for its peers, not a refusal
 *   S4  every process is a direct child, and is killed by the kernel when we die
 *   S5  the stop ends in time whatever the services do: each stage has a deadline, and behind it
 *       is SIGKILL */
#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fd_store.h"
#include "notify.h"
#include "run/svc.h"
#include "spawn.h"
#include "verbs.h"

/* While stopping, what each service that still has to wait for its turn is sure to have. */
#define STAGE_RESERVE_MS 250u
/* Behind the last deadline: time for the kernel to end what was killed. */
#define BURIAL_MS 500u

struct supervisor {
    const struct supervisor_conf *conf;
    struct child children[SERVICE_COUNT];
    struct fd_store fd_stores[SERVICE_COUNT];
    int signal_fd;
    struct notify notify;
    bool had_terminal;
    bool was_announced;
    bool is_stopping;
    bool has_orphans;      /* a killed service's workers are ours to bury */
    unsigned stages_left;  /* services 0..stages_left-1 were not told to stop yet */
    uint64_t stop_mono_ms; /* everybody has ended by then, or is killed */
    int exit_status;
};

/* ---- words for the log ---- */

#define END_ROOM 32

static const char *describe_end(char dst[END_ROOM], int status)
{
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (name != NULL)
        snprintf(dst, END_ROOM, "signal=SIG%s", name);
    else if (WIFSIGNALED(status))
        snprintf(dst, END_ROOM, "signal=%d", WTERMSIG(status));
    else
        snprintf(dst, END_ROOM, "status=%d", WEXITSTATUS(status));
    return dst;
}

/* ---- the stop ---- */

static void begin_stop(struct supervisor *self, int exit_status)
{
    if (self->is_stopping)
        return;
    self->is_stopping = true;
    self->exit_status = exit_status;
    self->stop_mono_ms = svc_mono_ms() + self->conf->hub->stop_deadline_ms;
    self->stages_left = SERVICE_COUNT;
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        child_await_turn(&self->children[i]);
    /* From here on the workers of a service that must be killed become our children, so that we
     * can wait for them too. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* A service that hangs must not use up the time of those behind it. */
static uint64_t stage_deadline(const struct supervisor *self, uint64_t now_mono_ms)
{
    uint64_t left_ms = self->stop_mono_ms > now_mono_ms ? self->stop_mono_ms - now_mono_ms : 0;
    uint64_t reserve_ms = (uint64_t)(self->stages_left - 1) * STAGE_RESERVE_MS;
    uint64_t share_ms = left_ms / self->stages_left;

    if (left_ms > reserve_ms && left_ms - reserve_ms > share_ms)
        share_ms = left_ms - reserve_ms;
    return now_mono_ms + share_ms;
}

/* Stops the last service that has not ended, then the one before it. */
static void advance_stop(struct supervisor *self, uint64_t now_mono_ms)
{
    while (self->stages_left > 0) {
        size_t next = self->stages_left - 1;
        struct child *child = &self->children[next];

        if (self->stages_left < SERVICE_COUNT && self->children[self->stages_left].state != CHILD_GONE)
            return;
        if (child_stop(child, stage_deadline(self, now_mono_ms)))
            kill(child->pid, SIGTERM);
        self->stages_left--;
    }
}

static bool all_gone(const struct supervisor *self)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (self->children[i].state != CHILD_GONE)
            return false;
    }
    return true;
}

static bool is_finished(const struct supervisor *self, uint64_t now_mono_ms)
{
    if (!self->is_stopping)
        return false;
    return (all_gone(self) && !self->has_orphans) || now_mono_ms >= self->stop_mono_ms + BURIAL_MS;
}

/* ---- what happens to services ---- */

static void start(struct supervisor *self, size_t index, uint64_t now_mono_ms)
{
    const struct service_desc *service = &SERVICES[index];
    const struct spawn what = {
        .program = self->conf->programs[index],
        .fds = &self->fd_stores[index].fds,
        .notify_path = self->notify.path,
        .watchdog_ms = CHILD_WATCHDOG_MS,
    };
    pid_t pid;
    int r = spawn_service(&what, &pid);

    if (r < 0) {
        log_error("service_not_started", "service=%s error=%s", service->name, log_quote(strerror(-r)));
        child_not_started(&self->children[index], now_mono_ms);
        return;
    }
    child_started(&self->children[index], pid, now_mono_ms);
    log_info("service_started", "service=%s pid=%d", service->name, (int)pid);
}

static void bury(struct supervisor *self, size_t index, int status, uint64_t now_mono_ms)
{
    const char *name = SERVICES[index].name;
    struct child *child = &self->children[index];
    bool was_told = child->state == CHILD_STOPPING;
    bool was_planned = child_ends_as_planned(child, status);
    char end[END_ROOM];
    pid_t pid = child->pid;
    enum child_fate fate = child_ended(child, status, now_mono_ms);

    describe_end(end, status);
    switch (fate) {
    case CHILD_STARTS_AGAIN:
        if (was_planned)
            log_info("service_restarts", "service=%s pid=%d restart_ms=%u", name, (int)pid,
                     (unsigned)child->backoff_ms);
        else
            log_warn("service_died", "service=%s pid=%d %s restart_ms=%u", name, (int)pid, end,
                     (unsigned)child->backoff_ms);
        break;
    case CHILD_STAYS_DOWN:
        fd_store_clear(&self->fd_stores[index]); /* or clients would wait at doors that nobody opens */
        /* Our SIGTERM ends one that has just been started and does not listen to it yet. */
        if (was_told && (!WIFSIGNALED(status) || WTERMSIG(status) == SIGTERM))
            log_info("service_stopped", "service=%s pid=%d %s", name, (int)pid, end);
        else
            log_warn("service_died", "service=%s pid=%d %s while=stopping", name, (int)pid, end);
        break;
    case CHILD_FAILED:
        log_error("service_failed",
                  "service=%s %s starts=%u: it never became ready; see its own lines above. "
                  "Stopping everything.",
                  name, end, child->failed_starts);
        begin_stop(self, EXIT_FAILURE);
        break;
    case CHILD_MISCONFIGURED:
        log_error("service_misconfigured",
                  "service=%s %s: it cannot start with this configuration; see its own line above. "
                  "Stopping everything.",
                  name, end);
        begin_stop(self, EXIT_CONFIG);
        break;
    }
}

static void hear_one(struct supervisor *self, size_t index, struct notice *notice)
{
    const char *name = SERVICES[index].name;
    struct child *child = &self->children[index];
    uint64_t now_mono_ms = svc_mono_ms();

    if (child_told(child, notice->text, now_mono_ms))
        log_info("service_ready", "service=%s pid=%d after_ms=%u", name, (int)notice->sender,
                 (unsigned)(now_mono_ms - child->started_mono_ms));
    if (!fd_store_hear(&self->fd_stores[index], notice->text, notice->fds, notice->fd_count))
        log_warn("descriptors_closed", "service=%s: it stores more than %d", name, SVC_FDS_MAX);
    notice->fd_count = 0; /* fd_store_hear() took them */
}

static void hear(struct supervisor *self)
{
    struct notice notice;

    while (notify_read(&self->notify, &notice) > 0) {
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            if (notice.sender != 0 && self->children[i].pid == notice.sender)
                hear_one(self, i, &notice);
        }
        notify_drop_fds(&notice);
    }
}

static void reap(struct supervisor *self)
{
    siginfo_t info = {0};
    int r;

    while ((r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT)) == 0 && info.si_pid != 0) {
        int status = 0;

        hear(self); /* it may have spoken until just now, see S2 */
        waitpid(info.si_pid, &status, 0);
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            if (self->children[i].pid == info.si_pid)
                bury(self, i, status, svc_mono_ms());
        }
        info.si_pid = 0;
    }
    self->has_orphans = r == 0;
}

static void announce_once(struct supervisor *self)
{
    if (self->was_announced || self->is_stopping)
        return;
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (self->children[i].state != CHILD_READY)
            return;
    }
    self->was_announced = true;
    self->conf->on_ready(self->conf->hub);
}

static void tend(struct supervisor *self, uint64_t now_mono_ms)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        struct child *child = &self->children[i];
        bool was_ready = child->state == CHILD_READY;

        switch (child_due(child, now_mono_ms)) {
        case CHILD_DO_NOTHING:
            break;
        case CHILD_DO_START:
            start(self, i, now_mono_ms);
            break;
        case CHILD_DO_ABORT:
            log_error("service_hangs", "service=%s pid=%d silent_ms=%u", SERVICES[i].name, (int)child->pid,
                      was_ready ? CHILD_WATCHDOG_MS : CHILD_START_MS);
            kill(child->pid, SIGABRT);
            break;
        case CHILD_DO_KILL:
            log_warn("service_killed", "service=%s pid=%d: it did not end when asked", SERVICES[i].name,
                     (int)child->pid);
            kill(child->pid, SIGKILL);
            break;
        }
    }
    if (self->is_stopping)
        advance_stop(self, now_mono_ms);
}

/* ---- events ---- */

static void read_signals(struct supervisor *self)
{
    struct signalfd_siginfo info;

    while (read(self->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        bool asks_to_stop = info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM;

        /* A hangup matters when our terminal is gone with it: nobody could stop us any more. */
        if (info.ssi_signo == SIGHUP)
            asks_to_stop = self->had_terminal && !isatty(STDERR_FILENO);
        if (asks_to_stop && !self->is_stopping) {
            log_info("stopping", "signal=SIG%s", sigabbrev_np((int)info.ssi_signo));
            begin_stop(self, EXIT_SUCCESS);
        }
    }
}

static int wait_ms(const struct supervisor *self, uint64_t now_mono_ms)
{
    uint64_t due_mono_ms = self->is_stopping ? self->stop_mono_ms + BURIAL_MS : CHILD_NEVER;

    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (self->children[i].due_mono_ms < due_mono_ms)
            due_mono_ms = self->children[i].due_mono_ms;
    }
    if (due_mono_ms == CHILD_NEVER)
        return -1;
    return due_mono_ms > now_mono_ms ? (int)(due_mono_ms - now_mono_ms) : 0;
}

static void loop(struct supervisor *self)
{
    for (;;) {
        struct pollfd events[] = {{.fd = self->signal_fd, .events = POLLIN}, {.fd = self->notify.fd, .events = POLLIN}};
        uint64_t now_mono_ms = svc_mono_ms();

        tend(self, now_mono_ms);
        if (is_finished(self, now_mono_ms))
            return;
        poll(events, ARRAY_LEN(events), wait_ms(self, now_mono_ms));
        read_signals(self);
        hear(self); /* before tend(): we may have stood still for a while */
        reap(self);
        announce_once(self);
    }
}

/* ---- before and after ---- */

static int open_signals(struct supervisor *self)
{
    sigset_t set;

    signal(SIGCHLD, SIG_DFL); /* ignored by whoever started us, it would take the exit statuses away */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    self->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return self->signal_fd < 0 ? -errno : 0;
}

static int open_listeners(struct supervisor *self)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    int listen_fd, r;

    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (!SERVICES[i].has_socket)
            continue;
        r = conf_socket_path(self->conf->hub, SERVICES[i].name, path, sizeof path);
        if (r == 0)
            r = svc_listen_unix(path);
        if (r == -EADDRINUSE)
            log_error("socket_in_use", "path=%s: some other process serves there; stop it, or set runtime_dir",
                      log_quote(path));
        else if (r < 0)
            log_error("socket_failed", "service=%s path=%s error=%s", SERVICES[i].name, log_quote(path),
                      log_quote(strerror(-r)));
        if (r < 0)
            return r;
        listen_fd = r;
        fd_store_add_own(&self->fd_stores[i], &listen_fd, SERVICES[i].fd_name);
    }
    return 0;
}

static void close_descriptors(struct supervisor *self)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (self->fd_stores[i].own_count > 0 &&
            conf_socket_path(self->conf->hub, SERVICES[i].name, path, sizeof path) == 0)
            unlink(path);
        fd_store_done(&self->fd_stores[i]);
    }
}

int supervisor_run(const struct supervisor_conf *conf)
{
    struct supervisor self = {.conf = conf, .signal_fd = -1, .notify = NOTIFY_CLOSED, .exit_status = EXIT_FAILURE};
    int r;

    self.had_terminal = isatty(STDERR_FILENO);
    r = open_signals(&self);
    if (r < 0) {
        log_error("signals_failed", "error=%s", log_quote(strerror(-r)));
        goto out;
    }
    r = notify_open(&self.notify, conf->hub->runtime_dir);
    if (r < 0) {
        log_error("notify_failed", "path=%s error=%s", log_quote(self.notify.path), log_quote(strerror(-r)));
        goto out;
    }
    r = open_listeners(&self);
    if (r < 0)
        goto out;
    loop(&self);
out:
    close_descriptors(&self);
    notify_close(&self.notify);
    if (self.signal_fd >= 0)
        close(self.signal_fd);
    return self.exit_status;
}
