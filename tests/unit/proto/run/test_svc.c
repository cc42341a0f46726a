/* svc at the start: passed descriptors, listeners, folders, limits. What is said to the supervisor is in
 * test_svc_supervisor.c. */
#include "private_folder.h"
#include "run/svc.h"
#include "svc_child.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed_descriptors),
        cmocka_unit_test(test_own_listener),
        cmocka_unit_test(test_a_full_backlog_is_not_stale),
        cmocka_unit_test(test_listener_refusals),
        cmocka_unit_test(test_make_folder),
        cmocka_unit_test(test_a_folder_of_another_user_is_refused),
        cmocka_unit_test(test_raise_nofile),
        cmocka_unit_test(test_clocks_and_random),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
