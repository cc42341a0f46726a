/* prefork: a master in a process of its own, with workers that die, hang, refuse to stop, or never come up.
 *
 * Every worker tells of itself through one pipe. The pipe ends when the last of them is gone, however they went. */
#include "run/prefork.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "run/log.h"
#include "run/svc.h"
#include "run/worker.h"
#include "supervisor.h"

enum behaviour {
    SERVES,
    LATE,     /* the last worker is alive only when it is told so through the pipe `go` */
    DIES,     /* ends at once */
    STUBBORN, /* all but worker 0 beat on when they are asked to stop */
    PARKS,    /* tells so when it is asked to park */
    FINISHES, /* likewise, and parks only when it is to hurry */
};

/* Added to the number of a worker that tells that it was asked to park. */
#define PARKED  100u
#define HURRIES 200u

struct news {
    unsigned number;
    pid_t pid;
    uint64_t mono_ms;
};

struct troupe {
    enum behaviour behaviour;
    unsigned worker_count;
    uint64_t hang_ms, stop_ms;
    int reload_error;
    enum prefork_end end; /* what the master has to end with */
    struct page *page;
    struct supervisor supervisor;
    int news_fds[2], go_fds[2];
    pid_t master_pid, pids[8];
};

/* ---- in the worker ---- */

static void tell_news(const struct troupe *troupe, unsigned number)
{
    struct news news = {.number = number, .pid = getpid(), .mono_ms = svc_mono_ms()};

    (void)!write(troupe->news_fds[1], &news, sizeof news);
}

static void never_stop(void *user)
{
    (void)user;
}

struct performer {
    struct worker worker;
    const struct troupe *troupe;
};

static void on_park(void *user, bool hurry)
{
    struct performer *performer = user;

    tell_news(performer->troupe, (hurry ? HURRIES : PARKED) + performer->worker.number);
    if (hurry || performer->troupe->behaviour != FINISHES)
        loop_stop(performer->worker.loop);
}

static int may_reload(void *user)
{
    const struct troupe *troupe = user;

    return troupe->reload_error;
}

static int worker_main(void *user, unsigned number, int master_fd)
{
    struct troupe *troupe = user;
    struct performer performer = {.troupe = troupe};
    struct worker *worker = &performer.worker;
    char go;
    int r;

    if (troupe->behaviour == DIES) {
        tell_news(troupe, number);
        return 3;
    }
    r = worker_init(worker, PEER_INGEST, troupe->page, number, master_fd);
    if (r < 0)
        return EXIT_FAILURE;
    tell_news(troupe, number);
    if (troupe->behaviour == LATE && number == troupe->worker_count - 1)
        (void)!read(troupe->go_fds[0], &go, 1);
    if (troupe->behaviour == STUBBORN && number > 0)
        worker->on_stop = never_stop;
    if (troupe->behaviour >= PARKS) {
        worker->on_park = on_park;
        worker->user = &performer;
    }
    worker_is_alive(worker);
    r = worker_run(worker);
    worker_done(worker);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- in the test ---- */

static void troupe_begin(struct troupe *troupe)
{
    struct prefork_conf conf;
    int r;

    supervisor_begin(&troupe->supervisor);
    assert_int_equal(page_create(NULL, "test", troupe->worker_count, &troupe->page), 0);
    assert_int_equal(pipe2(troupe->news_fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(troupe->go_fds, O_CLOEXEC), 0);
    conf = (struct prefork_conf){.worker_count = troupe->worker_count,
                                 .page = troupe->page,
                                 .hang_ms = troupe->hang_ms > 0 ? troupe->hang_ms : PATIENCE_MS,
                                 .stop_ms = troupe->stop_ms > 0 ? troupe->stop_ms : PATIENCE_MS,
                                 .worker_main = worker_main,
                                 .may_reload = troupe->behaviour >= PARKS ? may_reload : NULL,
                                 .user = troupe};
    fflush(NULL);
    troupe->master_pid = fork();
    if (troupe->master_pid == 0) {
        log_open("test", (enum log_level)0); /* the deaths are wanted; nobody needs to read of them */
        close(troupe->news_fds[0]);
        r = prefork_run(&conf);
        _exit(r >= 0 ? r : 99);
    }
    close(troupe->news_fds[1]);
}

/* The next worker that started. */
static struct news troupe_news(struct troupe *troupe)
{
    struct pollfd event = {.fd = troupe->news_fds[0], .events = POLLIN};
    struct news news;

    assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
    assert_int_equal(read(troupe->news_fds[0], &news, sizeof news), sizeof news);
    if (news.number < PARKED)
        troupe->pids[news.number] = news.pid;
    return news;
}

static void troupe_all_started(struct troupe *troupe)
{
    for (unsigned i = 0; i < troupe->worker_count; i++)
        troupe_news(troupe);
    for (unsigned i = 0; i < troupe->worker_count; i++)
        assert_true(troupe->pids[i] > 0);
}

/* Waits for the master, and sees that it left nobody behind. */
static void troupe_end(struct troupe *troupe, int signal_number, struct rusage *ret_usage)
{
    struct pollfd event = {.fd = troupe->news_fds[0], .events = POLLIN};
    struct news news;
    int status;

    assert_int_equal(kill(troupe->master_pid, signal_number), 0);
    do
        assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
    while (read(troupe->news_fds[0], &news, sizeof news) > 0);
    assert_int_equal(wait4(troupe->master_pid, &status, 0, ret_usage), troupe->master_pid);
    if (signal_number == SIGKILL) {
        assert_true(WIFSIGNALED(status));
        for (unsigned i = 0; i < troupe->worker_count; i++) /* they are ours now, see main() */
            assert_int_equal(waitpid(troupe->pids[i], &status, 0), troupe->pids[i]);
    } else {
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), troupe->end);
        for (unsigned i = 0; i < troupe->worker_count; i++) {
            assert_int_equal(troupe->page->slots[i].state, SLOT_EMPTY);
            assert_int_equal(troupe->page->slots[i].pid, 0);
        }
    }
    close(troupe->news_fds[0]);
    close(troupe->go_fds[0]);
    close(troupe->go_fds[1]);
    page_free(troupe->page);
    supervisor_end(&troupe->supervisor);
}

static void test_ready_when_all_are_alive(void **state)
{
    struct troupe troupe = {.behaviour = LATE, .worker_count = 3};

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    for (uint64_t until = svc_mono_ms() + PATIENCE_MS; page_alive_mask(troupe.page) != 3;)
        assert_true(svc_mono_ms() < until);
    supervisor_expect_nothing(&troupe.supervisor);
    assert_int_equal(write(troupe.go_fds[1], "g", 1), 1);
    supervisor_expect(&troupe.supervisor, "READY=1");
    assert_int_equal(page_alive_mask(troupe.page), 7);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(troupe.page->slots[i].pid, troupe.pids[i]);
    troupe_end(&troupe, SIGTERM, NULL);
}

static void test_signals_stop_all(void **state)
{
    static const struct {
        const char *name;
        int number;
    } CASES[] = {{.name = "SIGTERM", .number = SIGTERM}, {.name = "SIGINT", .number = SIGINT}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct troupe troupe = {.worker_count = 4};
        char got[64];
        ssize_t n;

        print_message("    %s\n", CASES[i].name);
        troupe_begin(&troupe);
        supervisor_expect(&troupe.supervisor, "READY=1");
        assert_int_equal(kill(troupe.master_pid, CASES[i].number), 0);
        supervisor_expect(&troupe.supervisor, "STOPPING=1");
        n = recv(troupe.supervisor.fd, got, sizeof got, MSG_DONTWAIT);
        assert_int_equal(n, -1); /* the workers do not speak to the supervisor */
        troupe_end(&troupe, CASES[i].number, NULL);
    }
}

/* Each of three workers once, and nobody is started anew. */
static void troupe_all_tell(struct troupe *troupe, unsigned what)
{
    unsigned told = 0;

    while (told != 7) {
        struct news news = troupe_news(troupe);

        assert_in_range(news.number, what, what + 2);
        assert_int_equal(told & 1u << (news.number - what), 0);
        told |= 1u << (news.number - what);
    }
}

static void test_signals_that_park(void **state)
{
    static const struct {
        const char *name, *state;
        int number;
        enum prefork_end end;
        unsigned told;
    } CASES[] = {
        {.name = "SIGUSR1", .state = "STOPPING=1", .number = SIGUSR1, .end = PREFORK_PARKED, .told = HURRIES},
        {.name = "SIGHUP", .state = "RELOADING=1", .number = SIGHUP, .end = PREFORK_RELOAD, .told = PARKED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct troupe troupe = {.behaviour = PARKS, .worker_count = 3, .end = CASES[i].end};

        print_message("    %s\n", CASES[i].name);
        troupe_begin(&troupe);
        troupe_all_started(&troupe);
        supervisor_expect(&troupe.supervisor, "READY=1");
        assert_int_equal(kill(troupe.master_pid, CASES[i].number), 0);
        supervisor_expect(&troupe.supervisor, CASES[i].state);
        troupe_all_tell(&troupe, CASES[i].told);
        troupe_end(&troupe, 0, NULL);
    }
}

/* Who has time is told to hurry when the wish changes; it ends as the last wish says. */
static void test_a_reload_that_is_overtaken(void **state)
{
    static const struct {
        int number;
        enum prefork_end end;
    } CASES[] = {{SIGUSR1, PREFORK_PARKED}, {SIGTERM, PREFORK_STOPPED}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct troupe troupe = {.behaviour = FINISHES, .worker_count = 3, .end = CASES[i].end};

        troupe_begin(&troupe);
        troupe_all_started(&troupe);
        supervisor_expect(&troupe.supervisor, "READY=1");
        assert_int_equal(kill(troupe.master_pid, SIGHUP), 0);
        supervisor_expect(&troupe.supervisor, "RELOADING=1");
        troupe_all_tell(&troupe, PARKED);
        assert_int_equal(kill(troupe.master_pid, CASES[i].number), 0);
        supervisor_expect(&troupe.supervisor, "STOPPING=1");
        troupe_all_tell(&troupe, HURRIES);
        troupe_end(&troupe, 0, NULL);
    }
}

/* Nobody parks for a configuration that cannot work; a stop afterwards is an ordinary one. */
static void test_a_reload_that_may_not_be_changes_nothing(void **state)
{
    struct troupe troupe = {.behaviour = PARKS, .worker_count = 2, .reload_error = -22};

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    assert_int_equal(kill(troupe.master_pid, SIGHUP), 0);
    supervisor_expect_nothing(&troupe.supervisor);
    assert_int_equal(kill(troupe.pids[1], SIGKILL), 0);
    assert_int_equal(troupe_news(&troupe).number, 1); /* it tends its workers as before */
    troupe_end(&troupe, SIGTERM, NULL);
}

static void test_services_that_cannot_park_ignore_the_wish(void **state)
{
    static const int SIGNALS[] = {SIGHUP, SIGUSR1};
    struct troupe troupe = {.worker_count = 1};

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++)
        assert_int_equal(kill(troupe.master_pid, SIGNALS[i]), 0);
    supervisor_expect_nothing(&troupe.supervisor);
    assert_int_equal(kill(troupe.pids[0], SIGKILL), 0);
    assert_int_equal(troupe_news(&troupe).number, 0);
    troupe_end(&troupe, SIGTERM, NULL);
}

static void test_a_killed_worker_is_started_anew(void **state)
{
    struct troupe troupe = {.worker_count = 2};
    struct news news;
    pid_t killed, other;

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    killed = troupe.pids[1];
    other = troupe.pids[0];
    count_set(&troupe.page->slots[1], COUNTER_connections, 5);
    count_set(&troupe.page->slots[1], COUNTER_texts, 50);
    count_set(&troupe.page->slots[0], COUNTER_connections, 6);
    atomic_store(&troupe.page->udp_lease, 2u);
    assert_int_equal(kill(killed, SIGKILL), 0);
    news = troupe_news(&troupe);
    assert_int_equal(news.number, 1);
    assert_int_not_equal(news.pid, killed);
    assert_int_equal(troupe.page->slots[1].restarts_count, 1);
    assert_int_equal(count_get(&troupe.page->slots[1], COUNTER_connections), 0); /* a gauge dies with its worker */
    assert_int_equal(count_get(&troupe.page->slots[1], COUNTER_texts), 50);      /* a total does not */
    assert_int_equal(count_get(&troupe.page->slots[0], COUNTER_connections), 6);
    assert_int_equal(troupe.page->udp_lease, 0);
    assert_int_equal(troupe.page->slots[0].pid, other);
    supervisor_expect_nothing(&troupe.supervisor); /* READY=1 is said once */
    troupe_end(&troupe, SIGTERM, NULL);
}

static void test_a_hanging_worker_is_killed(void **state)
{
    struct troupe troupe = {.worker_count = 2, .hang_ms = 1000};
    struct news news;
    uint64_t beat_mono_ms;
    pid_t stopped;

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    stopped = troupe.pids[0];
    beat_mono_ms = troupe.page->slots[0].heartbeat_mono_ms; /* the last one, or one before it */
    assert_int_equal(kill(stopped, SIGSTOP), 0);
    news = troupe_news(&troupe);
    assert_int_equal(news.number, 0);
    assert_int_not_equal(news.pid, stopped);
    assert_true(news.mono_ms - beat_mono_ms >= troupe.hang_ms);
    assert_int_equal(troupe.page->slots[1].restarts_count, 0);
    troupe_end(&troupe, SIGTERM, NULL);
}

/* Somebody froze everybody. The master is first to thaw, and must not take the others for dead. */
static void test_a_frozen_machine_is_forgiven(void **state)
{
    struct troupe troupe = {.worker_count = 2, .hang_ms = 800};
    uint64_t thawed_mono_ms, until;
    int status;

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    assert_int_equal(kill(troupe.master_pid, SIGSTOP), 0);
    assert_int_equal(waitpid(troupe.master_pid, &status, WUNTRACED), troupe.master_pid);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(kill(troupe.pids[i], SIGSTOP), 0);
    until = svc_mono_ms() + 2 * troupe.hang_ms;
    assert_int_equal(poll(NULL, 0, 2 * (int)troupe.hang_ms), 0); /* that time passes is what is tested */
    assert_true(svc_mono_ms() + 1 >= until);
    thawed_mono_ms = svc_mono_ms();
    assert_int_equal(kill(troupe.master_pid, SIGCONT), 0);
    for (until = svc_mono_ms() + PATIENCE_MS; troupe.page->slots[1].heartbeat_mono_ms < thawed_mono_ms;)
        assert_true(svc_mono_ms() < until); /* the master looked, and gave them a new term */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(kill(troupe.pids[i], SIGCONT), 0);
    for (unsigned i = 0; i < 2; i++) {
        while (troupe.page->slots[i].heartbeat_mono_ms < thawed_mono_ms + 2 * troupe.hang_ms)
            assert_true(svc_mono_ms() < until); /* beats again */
        assert_int_equal(troupe.page->slots[i].restarts_count, 0);
        assert_int_equal(troupe.page->slots[i].pid, troupe.pids[i]);
    }
    troupe_end(&troupe, SIGTERM, NULL);
}

static void test_workers_die_with_their_master(void **state)
{
    struct troupe troupe = {.worker_count = 4};

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    assert_int_equal(kill(troupe.pids[2], SIGSTOP), 0); /* even one that cannot run */
    troupe_end(&troupe, SIGKILL, NULL);                 /* sees the pipe end */
}

static void test_the_back_off_grows(void **state)
{
    static const uint64_t WAITS_MS[] = {10, 20, 40, 80, 160};
    struct troupe troupe = {.behaviour = DIES, .worker_count = 1};
    struct news last, news;

    (void)state;
    troupe_begin(&troupe);
    last = troupe_news(&troupe);
    for (size_t i = 0; i < ARRAY_LEN(WAITS_MS); i++) {
        news = troupe_news(&troupe);
        assert_true(news.mono_ms - last.mono_ms >= WAITS_MS[i]);
        last = news;
    }
    assert_true(troupe.page->slots[0].restarts_count >= ARRAY_LEN(WAITS_MS)); /* the last one dies, too */
    supervisor_expect_nothing(&troupe.supervisor);
    troupe_end(&troupe, SIGTERM, NULL);
}

/* While it waits for the stubborn one the master must not spin over the empty slot of the other. */
static void test_a_worker_that_will_not_stop_is_killed(void **state)
{
    struct troupe troupe = {.behaviour = STUBBORN, .worker_count = 2, .stop_ms = 700};
    struct rusage usage;
    uint64_t began;

    (void)state;
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    began = svc_mono_ms();
    troupe_end(&troupe, SIGTERM, &usage);
    assert_true(svc_mono_ms() - began >= 700);
    assert_true((uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw < 500);
    assert_true(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000 +
                    usage.ru_stime.tv_usec <
                300000);
}

static void test_the_watchdog_is_fed(void **state)
{
    struct troupe troupe = {.worker_count = 1};

    (void)state;
    assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
    troupe_begin(&troupe);
    troupe_all_started(&troupe);
    supervisor_expect(&troupe.supervisor, "READY=1");
    supervisor_expect(&troupe.supervisor, "WATCHDOG=1");
    supervisor_expect(&troupe.supervisor, "WATCHDOG=1");
    supervisor_expect(&troupe.supervisor, "WATCHDOG=1");
    troupe_end(&troupe, SIGTERM, NULL);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "ready when all are alive", .test_func = test_ready_when_all_are_alive},
        {.name = "signals stop all", .test_func = test_signals_stop_all},
        {.name = "signals that park", .test_func = test_signals_that_park},
        {.name = "a reload that is overtaken", .test_func = test_a_reload_that_is_overtaken},
        {.name = "a reload that may not be changes nothing",
         .test_func = test_a_reload_that_may_not_be_changes_nothing},
        {.name = "services that cannot park ignore the wish",
         .test_func = test_services_that_cannot_park_ignore_the_wish},
        {.name = "a killed worker is started anew", .test_func = test_a_killed_worker_is_started_anew},
        {.name = "a hanging worker is killed", .test_func = test_a_hanging_worker_is_killed},
        {.name = "a frozen machine is forgiven", .test_func = test_a_frozen_machine_is_forgiven},
        {.name = "workers die with their master", .test_func = test_workers_die_with_their_master},
        {.name = "the back-off grows", .test_func = test_the_back_off_grows},
        {.name = "a worker that will not stop is killed", .test_func = test_a_worker_that_will_not_stop_is_killed},
        {.name = "the watchdog is fed", .test_func = test_the_watchdog_is_fed},
    };

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* inherits the workers of a master that was killed, and buries them */
    return cmocka_run_group_tests(CASES, NULL, NULL);
}
