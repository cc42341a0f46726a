/* svc and the supervisor: notices, descriptors that it keeps or hands on, its watchdog, its death. */
#include "private_folder.h"
#include "run/svc.h"
#include "svc_child.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_notify(void **state)
{
    static const struct {
        const char *name;
        bool is_abstract;
    } CASES[] = {{"file", false}, {"abstract", true}};
    char cwd[64];

    (void)state;
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t length = sizeof(address);
        char got[64] = "";

        if (CASES[i].is_abstract)
            snprintf(address.sun_path, sizeof(address.sun_path), "@taghub-test-%d", (int)getpid());
        else
            snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify.sock", cwd);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        if (CASES[i].is_abstract) {
            length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
            address.sun_path[0] = '\0';
        }
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
        assert_int_equal(svc_notify("READY=1"), 0);
        assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), 7);
        if (strcmp(got, "READY=1") != 0)
            fail_msg("%s: %s", CASES[i].name, got);
        assert_non_null(getenv("NOTIFY_SOCKET")); /* stays for the next notice */

        close(fd);
        assert_int_equal(svc_notify("READY=1"), -ECONNREFUSED);
    }
    setenv("NOTIFY_SOCKET", "relative.sock", 1);
    assert_int_equal(svc_notify("READY=1"), -EINVAL);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(svc_notify("READY=1"), 0);
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(svc_notify("READY=1"), 0);
}

/* A supervisor's socket at notify.sock of the folder, and NOTIFY_SOCKET for it. */
static int open_notify(void)
{
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char cwd[64];

    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify.sock", cwd);
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    return fd;
}

/* Takes one datagram; returns how many descriptors came along. */
static size_t take_notice(int notify_fd, char *text, size_t room, int fds[SVC_FDS_MAX])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SVC_FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = room - 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    const ssize_t length = recvmsg(notify_fd, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    size_t bytes = 0;

    assert_true(length >= 0);
    text[length] = '\0';
    if (header != NULL) {
        assert_int_equal(header->cmsg_type, SCM_RIGHTS);
        bytes = header->cmsg_len - CMSG_LEN(0);
        memcpy(fds, CMSG_DATA(header), bytes);
    }
    return bytes / sizeof(int);
}

/* Pings until there is no room left, which each of them finds out at once. */
static void fill(void)
{
    int n = 0;

    while (svc_ping_watchdog() == 0)
        assert_true(++n < 100000);
    assert_int_equal(svc_ping_watchdog(), -EAGAIN);
}

static int late_reader_fd;

static void read_late(int signal_number)
{
    char text[64];

    (void)signal_number;
    while (recv(late_reader_fd, text, sizeof(text), 0) > 0)
        ;
}

static void test_a_supervisor_that_is_behind_is_waited_for(void **state)
{
    const struct sigaction action = {.sa_handler = read_late};
    const struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    const int notify_fd = open_notify();
    char text[64];
    int none[SVC_FDS_MAX];

    (void)state;
    late_reader_fd = notify_fd;
    sigaction(SIGALRM, &action, NULL);
    fill();
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(svc_notify("READY=1"), 0);
    take_notice(notify_fd, text, sizeof(text), none);
    assert_string_equal(text, "READY=1");
    signal(SIGALRM, SIG_DFL);
    close(notify_fd);
    unsetenv("NOTIFY_SOCKET");
}

static void test_a_supervisor_that_reads_nothing_is_not_waited_for_for_ever(void **state)
{
    const int notify_fd = open_notify();
    uint64_t begin_mono_ms;

    (void)state;
    fill();
    begin_mono_ms = svc_mono_ms();
    assert_int_equal(svc_notify("READY=1"), -EAGAIN);
    assert_true(svc_mono_ms() - begin_mono_ms >= SVC_NOTICE_WAIT_MS);
    assert_int_equal(svc_store_fds("park", (int[]){STDIN_FILENO}, 1), -EAGAIN);
    close(notify_fd);
    unsetenv("NOTIFY_SOCKET");
}

static void test_descriptors_are_stored_and_forgotten(void **state)
{
    const int notify_fd = open_notify();
    int ends[2], got[SVC_FDS_MAX];
    char text[128], byte = 0;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(svc_store_fds("park", ends, 2), 0);
    assert_int_equal(take_notice(notify_fd, text, sizeof(text), got), 2);
    assert_string_equal(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=park");
    assert_int_equal(write(got[1], "x", 1), 1); /* they are these, in this order */
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(got[0]);
    close(got[1]);

    assert_int_equal(svc_forget_fds("park"), 0);
    assert_int_equal(take_notice(notify_fd, text, sizeof(text), got), 0);
    assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=park");

    close(notify_fd);
    unsetenv("NOTIFY_SOCKET");
    close(ends[0]);
    close(ends[1]);
}

static void test_what_cannot_be_stored(void **state)
{
    static const struct {
        const char *name, *fd_name;
        size_t count;
        int r;
    } CASES[] = {
        {"nothing", "http", 0, 0},
        {"as many as a start can be handed", "http", SVC_FDS_MAX, 0},
        {"one more", "http", SVC_FDS_MAX + 1, -E2BIG},
        {"no name", "", 1, -EINVAL},
        {"a separator in the name", "http:ws", 1, -EINVAL},
        {"a line end in the name", "http\nREADY=1", 1, -EINVAL},
        {"the longest name", "123456789012345678901234567890123456789012345678901234567890123", 1, 0},
        {"one longer", "1234567890123456789012345678901234567890123456789012345678901234", 1, -EINVAL},
    };
    const int notify_fd = open_notify();
    int fds[SVC_FDS_MAX + 1], got[SVC_FDS_MAX];
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = STDIN_FILENO;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const int r = svc_store_fds(CASES[i].fd_name, fds, CASES[i].count);

        if (r != CASES[i].r)
            fail_msg("%s: %d", CASES[i].name, r);
        if (r < 0 || CASES[i].count == 0)
            continue;
        assert_int_equal(take_notice(notify_fd, text, sizeof(text), got), CASES[i].count);
        for (size_t j = 0; j < CASES[i].count; j++)
            close(got[j]);
    }
    assert_int_equal(recv(notify_fd, text, sizeof(text), 0), -1); /* what was refused was not sent */
    assert_int_equal(svc_forget_fds(""), -EINVAL);
    close(notify_fd);
    assert_int_equal(svc_store_fds("http", fds, 1), -ECONNREFUSED);
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(svc_store_fds("http", fds, 1), 0);
    assert_int_equal(svc_forget_fds("http"), 0);
}

/* The descriptors stand in each other's places, and one was taken. */
static void child_execs_with_fds(void)
{
    static const char CHECKS[] =
        "test $LISTEN_PID = $$ && test $LISTEN_FDS = 3 && test $LISTEN_FDNAMES = null:zero:pipe && "
        "test $(readlink /proc/$$/fd/3) = /dev/null && test $(readlink /proc/$$/fd/4) = /dev/zero && "
        "read line <&5 && test \"$line\" = hello && ! test -e /proc/$$/fd/6";
    char *const argv[] = {"sh", "-c", (char *)(uintptr_t)CHECKS, NULL};
    const struct svc_fds fds = {.count = 4, .items = {{5, "null"}, {-1, "taken"}, {3, "zero"}, {4, "pipe"}}};
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int ends[2];

    REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "hello\n", 6) == 6);
    REQUIRE(dup3(null_fd, 50, O_CLOEXEC) == 50 && dup3(zero_fd, 51, O_CLOEXEC) == 51);
    REQUIRE(dup3(ends[0], 4, O_CLOEXEC) == 4 || ends[0] == 4);
    REQUIRE(dup3(50, 5, O_CLOEXEC) == 5 && dup3(51, 3, O_CLOEXEC) == 3);
    REQUIRE(close_range(6, 49, 0) == 0); /* what we were started with */
    setenv("LISTEN_FDS", "17", 1);       /* what was said to us is not passed on */
    svc_exec_with_fds("/bin/sh", argv, &fds);
    REQUIRE(!"executed");
}

static void child_execs_with_none(void)
{
    char *const argv[] = {"sh", "-c", "test -z \"$LISTEN_PID$LISTEN_FDS$LISTEN_FDNAMES\"", NULL};
    const struct svc_fds none = {0};

    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "17", 1);
    setenv("LISTEN_FDNAMES", "x", 1);
    svc_exec_with_fds("/bin/sh", argv, &none);
    REQUIRE(!"executed");
}

static void child_cannot_exec(void)
{
    char *const argv[] = {"nothing", NULL};
    struct svc_fds fds = {.count = 1, .items = {{200, "closed"}}};

    REQUIRE(svc_exec_with_fds("/bin/sh", argv, &fds) == -EBADF);
    fds.items[0].fd = STDIN_FILENO;
    REQUIRE(svc_exec_with_fds("/nonexistent", argv, &fds) == -ENOENT);
}

/* 64 names of full length are announced whole. */
static void child_execs_with_all(void)
{
    char *const argv[] = {"sh", "-c", "test $LISTEN_FDS = 64 && test ${#LISTEN_FDNAMES} = 4095", NULL};
    struct svc_fds fds = {.count = SVC_FDS_MAX};

    for (size_t i = 0; i < SVC_FDS_MAX; i++) {
        fds.items[i].fd = STDIN_FILENO;
        memset(fds.items[i].name, 'n', SVC_FD_NAME_ROOM - 1);
    }
    svc_exec_with_fds("/bin/sh", argv, &fds);
    REQUIRE(!"executed");
}

static void test_descriptors_reach_the_next_program(void **state)
{
    static const struct {
        const char *name;
        void (*check)(void);
    } CASES[] = {
        {"moved, named, in order", child_execs_with_fds},
        {"none", child_execs_with_none},
        {"refused", child_cannot_exec},
        {"as many as there can be", child_execs_with_all},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (run_child(CASES[i].check) != 0)
            fail_msg("%s", CASES[i].name);
    }
}

static void test_watchdog(void **state)
{
    static const struct {
        const char *usec;
        long pid_offset; /* from our own; -1 = WATCHDOG_PID unset */
        uint64_t interval_ms;
    } CASES[] = {
        {NULL, 0, 0}, {"10000000", 0, 5000}, {"10000000", -1, 5000}, {"10000000", 1, 0}, {"0", 0, 0},
        {"1", 0, 1},  {"ten seconds", 0, 0}, {"-5", 0, 0},           {"3000", 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (CASES[i].usec != NULL)
            setenv("WATCHDOG_USEC", CASES[i].usec, 1);
        if (CASES[i].pid_offset >= 0)
            set_number("WATCHDOG_PID", getpid() + CASES[i].pid_offset);
        if (svc_watchdog_interval_ms() != CASES[i].interval_ms)
            fail_msg("case %zu: %llu", i, (unsigned long long)svc_watchdog_interval_ms());
    }
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* A parent that dies takes its child along: the pipe's end comes when the child is gone. */
static void test_die_with_parent(void **state)
{
    struct pollfd ended;
    char byte;
    int ends[2];
    pid_t parent;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    parent = fork();
    if (parent == 0) {
        const pid_t expected = getpid();

        if (fork() == 0) {
            if (svc_die_with_parent(expected) < 0)
                _exit(1);
            if (write(ends[1], "r", 1) == 1)
                pause();
            _exit(1);
        }
        pause();
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    ended = (struct pollfd){.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 5000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void child_of_somebody_else(void)
{
    REQUIRE(svc_die_with_parent(getpid()) == -ESRCH);
}

static void test_parent_already_gone(void **state)
{
    (void)state;
    assert_int_equal(run_child(child_of_somebody_else), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_a_supervisor_that_is_behind_is_waited_for),
        cmocka_unit_test(test_a_supervisor_that_reads_nothing_is_not_waited_for_for_ever),
        cmocka_unit_test(test_descriptors_are_stored_and_forgotten),
        cmocka_unit_test(test_what_cannot_be_stored),
        cmocka_unit_test(test_descriptors_reach_the_next_program),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_die_with_parent),
        cmocka_unit_test(test_parent_already_gone),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
