/* Starting under a supervisor: passed descriptors, notices, listeners, parents. */
#include "run/svc.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int connect_to(const char *path)
{
    const struct sockaddr_un address = address_of(path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

static bool is_cloexec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static bool is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* For checks in a child, where a failure of cmocka would jump into the parent's copy of a test. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(STDERR_FILENO, "line %d: %s\n", __LINE__, #condition);                                             \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static int run_child(void (*check)(void))
{
    const pid_t pid = fork();
    int status;

    if (pid == 0) {
        check();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void set_number(const char *name, long value)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", value);
    setenv(name, text, 1);
}

/* ---- passed descriptors ---- */

static void child_takes_passed_fds(void)
{
    struct svc_fds fds;
    int ends[2];

    REQUIRE(pipe(ends) == 0);
    REQUIRE(dup2(ends[0], 50) == 50 && dup2(ends[1], 51) == 51);
    REQUIRE(dup2(50, 3) == 3 && dup2(51, 4) == 4 && dup2(50, 5) == 5);
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_FDNAMES", "http:ws", 1);

    REQUIRE(svc_listen_fds(&fds) == 0);
    REQUIRE(fds.count == 3);
    REQUIRE(strcmp(fds.items[0].name, "http") == 0 && fds.items[0].fd == 3);
    REQUIRE(strcmp(fds.items[1].name, "ws") == 0 && fds.items[1].fd == 4);
    REQUIRE(strcmp(fds.items[2].name, "unknown") == 0 && fds.items[2].fd == 5);
    REQUIRE(is_cloexec(3) && is_cloexec(4) && is_cloexec(5));
    REQUIRE(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL);
    REQUIRE(getenv("LISTEN_FDNAMES") == NULL);

    REQUIRE(svc_fds_take(&fds, "ws") == 4);
    REQUIRE(svc_fds_take(&fds, "ws") == -ENOENT);
    svc_fds_done(&fds);
    REQUIRE(fcntl(3, F_GETFD) == -1 && fcntl(5, F_GETFD) == -1); /* closed */
    REQUIRE(fcntl(4, F_GETFD) != -1);                            /* taken */

    REQUIRE(svc_listen_fds(&fds) == 0); /* said once only */
    REQUIRE(fds.count == 0);
}

static void child_ignores_what_is_for_others(void)
{
    struct svc_fds fds = {.count = 7};

    set_number("LISTEN_PID", getpid() + 1);
    setenv("LISTEN_FDS", "3", 1);
    REQUIRE(svc_listen_fds(&fds) == 0);
    REQUIRE(fds.count == 0);
    REQUIRE(getenv("LISTEN_FDS") == NULL);
}

static void child_refuses_malformed_variables(void)
{
    static const struct {
        const char *pid; /* NULL = our own */
        const char *count;
        int r;
    } CASES[] = {
        {"12x", "1", -EINVAL},
        {"", "1", -EINVAL},
        {NULL, "-1", -EINVAL},
        {NULL, "one", -EINVAL},
        {NULL, "", -EINVAL},
        {NULL, "65", -E2BIG},
        {NULL, "64", -EINVAL}, /* of which the last ones are not open */
        {NULL, "99999999999999999999", -EINVAL},
        {NULL, "0", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct svc_fds fds;

        if (CASES[i].pid != NULL)
            setenv("LISTEN_PID", CASES[i].pid, 1);
        else
            set_number("LISTEN_PID", getpid());
        setenv("LISTEN_FDS", CASES[i].count, 1);
        REQUIRE(svc_listen_fds(&fds) == CASES[i].r);
        REQUIRE(getenv("LISTEN_FDS") == NULL);
    }
}

static void child_uses_the_passed_listener(void)
{
    const struct sockaddr_un address = address_of("passed.sock");
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int listen_fd;

    REQUIRE(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    REQUIRE(listen(fd, 5) == 0);
    REQUIRE(dup2(fd, 60) == 60 && dup2(60, 4) == 4);
    REQUIRE(dup2(STDIN_FILENO, 3) == 3); /* something else that was passed as well */
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDS", "2", 1);

    listen_fd = svc_listen("passed.sock");
    REQUIRE(listen_fd == 4);
    REQUIRE(is_nonblocking(4) && is_cloexec(4));
    REQUIRE(fcntl(3, F_GETFD) == -1);
}

static void child_refuses_a_listener_elsewhere(void)
{
    const int fd = svc_listen_unix("elsewhere.sock");

    REQUIRE(fd >= 0 && dup2(fd, 60) == 60 && dup2(60, 3) == 3);
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDS", "1", 1);
    REQUIRE(svc_listen("wanted.sock") == -EADDRNOTAVAIL);
    REQUIRE(access("wanted.sock", F_OK) < 0);
}

static void test_passed_descriptors(void **state)
{
    static const struct {
        const char *name;
        void (*check)(void);
    } CASES[] = {
        {"taken, named, closed", child_takes_passed_fds},
        {"for another process", child_ignores_what_is_for_others},
        {"malformed", child_refuses_malformed_variables},
        {"the listener among them", child_uses_the_passed_listener},
        {"a listener elsewhere", child_refuses_a_listener_elsewhere},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (run_child(CASES[i].check) != 0)
            fail_msg("%s", CASES[i].name);
    }
}

/* ---- own listeners ---- */

static void test_own_listener(void **state)
{
    const mode_t old_umask = umask(0077);
    struct stat status;
    int client_fd;
    int listen_fd;

    (void)state;
    listen_fd = svc_listen("own.sock");
    umask(old_umask);
    assert_true(listen_fd >= 0);
    assert_true(is_cloexec(listen_fd));
    assert_true(is_nonblocking(listen_fd));
    assert_int_equal(stat("own.sock", &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0660); /* whatever the umask */
    client_fd = connect_to("own.sock");
    assert_true(client_fd >= 0);
    close(client_fd);

    assert_int_equal(svc_listen_unix("own.sock"), -EADDRINUSE); /* somebody answers */
    close(listen_fd);
    assert_int_equal(connect_to("own.sock"), -ECONNREFUSED); /* stale */
    listen_fd = svc_listen_unix("own.sock");
    assert_true(listen_fd >= 0);
    client_fd = connect_to("own.sock");
    assert_true(client_fd >= 0);
    close(client_fd);
    close(listen_fd);
}

static void test_a_full_backlog_is_not_stale(void **state)
{
    const struct sockaddr_un address = address_of("full.sock");
    const int busy_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int waiting_fd;

    (void)state;
    assert_int_equal(bind(busy_fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(busy_fd, 0), 0);
    waiting_fd = connect_to("full.sock");
    assert_true(waiting_fd >= 0);
    assert_int_equal(svc_listen_unix("full.sock"), -EADDRINUSE);
    close(waiting_fd);
    close(busy_fd);
}

static void test_listener_refusals(void **state)
{
    char path[200];
    const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    FILE *file;
    int fd;

    (void)state;
    file = fopen("plain", "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(svc_listen_unix("plain"), -EEXIST);
    assert_int_equal(access("plain", F_OK), 0);
    assert_int_equal(svc_listen_unix("missing/x.sock"), -ENOENT);

    memset(path, 'p', sizeof(path));
    path[longest + 1] = '\0';
    assert_int_equal(svc_listen_unix(path), -ENAMETOOLONG);
    path[longest] = '\0';
    fd = svc_listen_unix(path);
    assert_true(fd >= 0);
    close(fd);
}

static void test_make_folder(void **state)
{
    struct stat status;
    FILE *file;

    (void)state;
    assert_int_equal(svc_make_folder("one/two/three/", 0750), 0);
    assert_int_equal(stat("one/two/three", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    assert_int_equal(svc_make_folder("one/two/three", 0700), 0);

    assert_int_equal(mkdir("open", 0700), 0);
    assert_int_equal(chmod("open", 0777), 0);
    assert_int_equal(svc_make_folder("open", 0700), -EPERM);
    file = fopen("file", "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(svc_make_folder("file", 0700), -ENOTDIR);
    assert_int_equal(svc_make_folder("file/below", 0700), -ENOTDIR);
}

static void child_is_not_the_owner(void)
{
    REQUIRE(setuid(4711) == 0);
    REQUIRE(svc_make_folder("foreign", 0700) == -EPERM);
    REQUIRE(svc_make_folder("of_root", 0700) == 0);
}

static void test_a_folder_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(mkdir("foreign", 0755), 0);
    assert_int_equal(chown("foreign", 4712, 4712), 0);
    assert_int_equal(mkdir("of_root", 0755), 0);
    assert_int_equal(run_child(child_is_not_the_owner), 0);
}

/* ---- the supervisor ---- */

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

/* ---- the kernel and libc ---- */

static void test_raise_nofile(void **state)
{
    struct rlimit limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(svc_raise_nofile(), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

static void test_clocks_and_random(void **state)
{
    const uint64_t before_us = svc_mono_us();
    const uint64_t before_ms = svc_mono_ms();

    (void)state;
    assert_true(before_ms >= before_us / 1000);
    assert_true(before_ms - before_us / 1000 < 10000);
    assert_true(svc_mono_us() >= before_us);
    assert_true(svc_utc_us() > UINT64_C(1600000000000000)); /* after 2020, in microseconds */
    assert_true(svc_utc_us() < UINT64_C(10000000000000000));
    assert_true(svc_random_u64() != svc_random_u64());
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int enter_private_folder(void **state)
{
    static char folder[] = "/tmp/taghub-svc-XXXXXX";

    *state = mkdtemp(folder);
    return *state == NULL || chdir(folder) < 0 ? -1 : 0;
}

static int leave_private_folder(void **state)
{
    return chdir("/") < 0 || nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed_descriptors),
        cmocka_unit_test(test_own_listener),
        cmocka_unit_test(test_a_full_backlog_is_not_stale),
        cmocka_unit_test(test_listener_refusals),
        cmocka_unit_test(test_make_folder),
        cmocka_unit_test(test_a_folder_of_another_user_is_refused),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_a_supervisor_that_is_behind_is_waited_for),
        cmocka_unit_test(test_a_supervisor_that_reads_nothing_is_not_waited_for_for_ever),
        cmocka_unit_test(test_descriptors_are_stored_and_forgotten),
        cmocka_unit_test(test_what_cannot_be_stored),
        cmocka_unit_test(test_descriptors_reach_the_next_program),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_die_with_parent),
        cmocka_unit_test(test_parent_already_gone),
        cmocka_unit_test(test_raise_nofile),
        cmocka_unit_test(test_clocks_and_random),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
