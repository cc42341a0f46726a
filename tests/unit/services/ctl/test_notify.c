/* notify - what services say arrives with who said it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"
#include "run/svc.h"
#include "view.h"

struct place {
    char folder[32];
    struct notify notify;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    strcpy(place->folder, "/tmp/notifyXXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_int_equal(notify_open(&place->notify, place->folder), 0);
    setenv("NOTIFY_SOCKET", place->notify.path, 1);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    notify_close(&place->notify);
    assert_int_equal(access(place->notify.path, F_OK), -1);
    assert_int_equal(rmdir(place->folder), 0);
    unsetenv("NOTIFY_SOCKET");
    free(place);
    return 0;
}

static void test_text_and_sender(void **state)
{
    const struct place *place = *state;
    struct notice notice;
    pid_t child;
    int status;

    assert_int_equal(notify_read(&place->notify, &notice), 0);
    assert_int_equal(svc_notify("STATUS=x\nREADY=1"), 0);
    assert_int_equal(svc_ping_watchdog(), 0);
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_string_equal(notice.text, "STATUS=x\nREADY=1");
    assert_int_equal(notice.sender, getpid());
    assert_int_equal(notice.fd_count, 0);
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_string_equal(notice.text, "WATCHDOG=1");

    child = fork();
    if (child == 0)
        _exit(svc_notify("READY=1") < 0);
    assert_int_equal(waitpid(child, &status, 0), child); /* dead and buried, and still known by its number */
    assert_int_equal(status, 0);
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_int_equal(notice.sender, child);
    assert_int_equal(notify_read(&place->notify, &notice), 0);
}

static void test_long_text_is_cut(void **state)
{
    const struct place *place = *state;
    char sent[NOTIFY_BYTES_MAX + 101];
    struct notice notice;

    memset(sent, 'x', sizeof sent - 1);
    sent[sizeof sent - 1] = '\0';
    assert_int_equal(svc_notify(sent), 0);
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_int_equal(strlen(notice.text), NOTIFY_BYTES_MAX);
}

static int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_descriptors_come_along(void **state)
{
    const struct place *place = *state;
    int ends[2], before;
    struct notice notice;
    char byte = 0;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    before = count_descriptors();
    assert_int_equal(svc_store_fds("park", ends, 2), 0);
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_string_equal(notice.text, "FDSTORE=1\nFDPOLL=0\nFDNAME=park");
    assert_int_equal(notice.sender, getpid());
    assert_int_equal(notice.fd_count, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(notice.fds[i], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(notice.fds[1], "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    notify_drop_fds(&notice);
    assert_int_equal(notice.fd_count, 0);
    assert_int_equal(count_descriptors(), before);
    close(ends[0]);
    close(ends[1]);
}

/* As many as the kernel lets one datagram carry arrive all, beside who sent them. */
static void test_many_descriptors_come_along(void **state)
{
    const struct place *place = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
    } control = {.align = {.cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(NOTIFY_FDS_MAX * sizeof(int))}};
    struct iovec part = {.iov_base = (char[]){"FDSTORE=1"}, .iov_len = 9};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), before;
    struct notice notice;

    assert_true(fd >= 0);
    strcpy(address.sun_path, place->notify.path);
    for (size_t i = 0; i < NOTIFY_FDS_MAX; i++)
        memcpy(CMSG_DATA(&control.align) + i * sizeof fd, &fd, sizeof fd);
    assert_int_equal(sendmsg(fd, &message, 0), 9);
    before = count_descriptors();
    assert_int_equal(notify_read(&place->notify, &notice), 1);
    assert_int_equal(notice.sender, getpid());
    assert_int_equal(notice.fd_count, NOTIFY_FDS_MAX);
    assert_int_equal(count_descriptors(), before + NOTIFY_FDS_MAX);
    notify_drop_fds(&notice);
    assert_int_equal(count_descriptors(), before);
    close(fd);
}

static void test_lines(void **state)
{
    static const struct {
        const char *name, *text, *start, *value; /* NULL: there is none */
        bool says;
    } CASES[] = {
        {"nothing", "", "READY=", NULL, false},
        {"the only line", "READY=1", "READY=", "1", true},
        {"a line among others", "STATUS=a b\nREADY=1\nX=2\n", "READY=", "1", true},
        {"empty lines", "\n\nREADY=1", "READY=", "1", true},
        {"no value", "READY=\nX=1", "READY=", "", false},
        {"more than a flag", "READY=10", "READY=", "10", false},
        {"switched off", "READY=0", "READY=", "0", false},
        {"only at the beginning of a line", "STATUS=READY=1\nXREADY=1", "READY=", NULL, false},
        {"the first of two", "FDNAME=a\nFDNAME=b", "FDNAME=", "a", false},
        {"cut short", "READ", "READY=", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t length = 0;
        const char *value = notify_find(CASES[i].text, CASES[i].start, &length);

        if ((value == NULL) != (CASES[i].value == NULL) || notify_says(CASES[i].text, CASES[i].start) != CASES[i].says)
            fail_msg("%s", CASES[i].name);
        if (value != NULL && (length != strlen(CASES[i].value) || memcmp(value, CASES[i].value, length) != 0))
            fail_msg("%s: %.*s", CASES[i].name, (int)length, value);
    }
}

static void test_the_file_is_ours_alone(void **state)
{
    struct place *place = *state;
    struct notify again = NOTIFY_CLOSED, nowhere = NOTIFY_CLOSED;
    struct stat status;

    assert_int_equal(stat(place->notify.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(notify_open(&again, place->folder), 0); /* takes the place of what a dead one left */
    close(place->notify.fd);
    place->notify = again;
    assert_int_equal(notify_open(&nowhere, "/nonexistent"), -ENOENT);
    notify_close(&nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_and_sender, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_text_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors_come_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_descriptors_come_along, set_up, tear_down),
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup_teardown(test_the_file_is_ours_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
