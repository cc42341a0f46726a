/* supervisor - the test in the place of systemd: a socket for sd_notify(3) messages in a folder of its own. */
#ifndef TAGHUB_TEST_SUPERVISOR_H
#define TAGHUB_TEST_SUPERVISOR_H

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* only a test that fails waits so long */

struct supervisor {
    char folder[64], path[96];
    int fd;
};

static inline void supervisor_begin(struct supervisor *supervisor)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(supervisor->folder, sizeof supervisor->folder, "/tmp/taghub-unit-XXXXXX");
    assert_non_null(mkdtemp(supervisor->folder));
    snprintf(supervisor->path, sizeof supervisor->path, "%s/notify", supervisor->folder);
    memcpy(address.sun_path, supervisor->path, strlen(supervisor->path));
    supervisor->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(supervisor->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", supervisor->path, 1), 0);
}

static inline void supervisor_end(struct supervisor *supervisor)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(supervisor->fd);
    unlink(supervisor->path);
    assert_int_equal(rmdir(supervisor->folder), 0);
}

/* Whether this is the next message, or its first line; waits for it at most so long. */
static inline void supervisor_expect(struct supervisor *supervisor, const char *message)
{
    struct pollfd event = {.fd = supervisor->fd, .events = POLLIN};
    char got[256];
    ssize_t n;

    assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
    n = recv(supervisor->fd, got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    if (strchr(message, '\n') == NULL)
        got[strcspn(got, "\n")] = '\0';
    assert_string_equal(got, message);
}

static inline void supervisor_expect_nothing(struct supervisor *supervisor)
{
    char got[256];

    assert_int_equal(recv(supervisor->fd, got, sizeof got, 0), -1);
}

#endif
