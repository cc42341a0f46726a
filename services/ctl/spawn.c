/* spawn - see spawn.h.
 *
 * This process has one thread, so the child may use all of libc between fork and exec. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/log.h"

void spawn_prepare(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    /* Where the kernel does not have this, children get what our own parent forgot to close:
     * untidy, not wrong. */
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static int find_in_path(const char *name, char *ret_path)
{
    const char *folders = getenv("PATH");

    while (folders != NULL && *folders != '\0') {
        size_t length = strcspn(folders, ":");

        if (length > 0 && snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)length, folders, name) < PATH_MAX &&
            is_program(ret_path))
            return 0;
        folders += length + (folders[length] == ':');
    }
    return -ENOENT;
}

int spawn_find_program(const char *name, char *ret_path)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (length > 0) {
        self[length] = '\0';
        slash = strrchr(self, '/');
        if (slash != NULL && snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name) < PATH_MAX &&
            is_program(ret_path))
            return 0;
    }
    return find_in_path(name, ret_path);
}

static void default_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* SIGKILL, SIGSTOP and libc's own refuse, and need it not */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int read_nothing(void)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ? -errno : 0;
}

static void set_number(const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    setenv(name, text, 1);
}

static void arrange_environment(const struct spawn *what)
{
    uint64_t self = (uint64_t)getpid();

    setenv("NOTIFY_SOCKET", what->notify_path, 1);
    set_number("WATCHDOG_PID", self);
    set_number("WATCHDOG_USEC", what->watchdog_ms * 1000);
}

static int become(const struct spawn *what, pid_t parent)
{
    char *argv[] = {(char *)(uintptr_t)what->program, NULL};
    int r;

    r = svc_die_with_parent(parent);
    if (r < 0)
        return r;
    setsid();
    r = read_nothing();
    if (r < 0)
        return r;
    arrange_environment(what);
    default_signals();
    return svc_exec_with_fds(what->program, argv, what->fds);
}

int spawn_service(const struct spawn *what, pid_t *ret_pid)
{
    pid_t parent = getpid(), pid = fork();
    int r;

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        r = become(what, parent);
        log_error("exec_failed", "program=%s error=%s", log_quote(what->program), log_quote(strerror(-r)));
        _exit(SPAWN_EXIT_EXEC);
    }
    *ret_pid = pid;
    return 0;
}
