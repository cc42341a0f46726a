/* svc - starting under a supervisor.
 *
 * Why our own: the two protocols are stable and documented, and speaking them ourselves keeps
 * libsystemd out of a suite that also runs where there is no systemd.
 *
 * Invariants
 *   S1  every descriptor returned from here is CLOEXEC
 *   S2  nothing here waits for another process, but a notice for room: SVC_NOTICE_WAIT_MS at most
 *   S3  what the supervisor said to us is not inherited by our children (LISTEN_*)
 */
#include "run/svc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* sd_listen_fds(3): passed descriptors start here. */
#define FIRST_PASSED_FD 3
#define LISTEN_BACKLOG  4096
#define SOCKET_MODE     0660

/* A decimal number and nothing else; environment variables are written by strangers too. */
static int parse_u64(const char *text, uint64_t *ret_value)
{
    unsigned long long value;
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static int set_cloexec(int fd)
{
    const int flags = fcntl(fd, F_GETFD);

    if (flags < 0)
        return -EINVAL;
    return fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
}

/* ---- descriptors that were passed ---- */

/* The next name of a colon-separated list; moves the cursor behind it. */
static void next_name(const char **cursor, char dst[SVC_FD_NAME_ROOM])
{
    const size_t length = *cursor == NULL ? 0 : strcspn(*cursor, ":");

    if (length == 0)
        snprintf(dst, SVC_FD_NAME_ROOM, "unknown");
    else
        snprintf(dst, SVC_FD_NAME_ROOM, "%.*s", (int)length, *cursor);
    if (*cursor != NULL)
        *cursor = (*cursor)[length] == ':' ? *cursor + length + 1 : NULL;
}

static int collect_fds(const char *count_text, const char *names, struct svc_fds *fds)
{
    uint64_t count;
    int r = parse_u64(count_text, &count);

    if (r < 0)
        return r;
    if (count > SVC_FDS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        const int fd = FIRST_PASSED_FD + (int)i;

        r = set_cloexec(fd);
        if (r < 0)
            return r;
        fds->items[i].fd = fd;
        next_name(&names, fds->items[i].name);
    }
    fds->count = count;
    return 0;
}

int svc_listen_fds(struct svc_fds *ret_fds)
{
    const char *const pid_text = getenv("LISTEN_PID");
    const char *const count_text = getenv("LISTEN_FDS");
    struct svc_fds fds = {0};
    uint64_t pid;
    int r = 0;

    if (pid_text == NULL || count_text == NULL)
        goto out;
    r = parse_u64(pid_text, &pid);
    if (r < 0 || pid != (uint64_t)getpid())
        goto out;
    r = collect_fds(count_text, getenv("LISTEN_FDNAMES"), &fds);
out:
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (r == 0)
        *ret_fds = fds;
    return r;
}

int svc_fds_take(struct svc_fds *fds, const char *name)
{
    for (size_t i = 0; i < fds->count; i++) {
        const int fd = fds->items[i].fd;

        if (fd >= 0 && strcmp(fds->items[i].name, name) == 0) {
            fds->items[i].fd = -1;
            return fd;
        }
    }
    return -ENOENT;
}

void svc_fds_done(struct svc_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++) {
        if (fds->items[i].fd >= 0)
            close(fds->items[i].fd);
        fds->items[i].fd = -1;
    }
    fds->count = 0;
}

/* ---- Unix listeners ---- */

static int unix_address(const char *path, struct sockaddr_un *ret_address)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    *ret_address = address;
    return 0;
}

static int is_listener_on(int fd, const char *path)
{
    struct sockaddr_un address = {0};
    socklen_t address_length = sizeof(address) - 1; /* keeps a NUL behind the longest path */
    int listening = 0;
    socklen_t length = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening &&
           getsockname(fd, (struct sockaddr *)&address, &address_length) == 0 && address.sun_family == AF_UNIX &&
           strcmp(address.sun_path, path) == 0;
}

int svc_listen(const char *path)
{
    struct svc_fds fds = {0};
    int listen_fd = -1;
    int flags;
    int r;

    r = svc_listen_fds(&fds);
    if (r < 0)
        goto out;
    if (fds.count == 0) {
        r = svc_listen_unix(path);
        goto out;
    }

    for (size_t i = 0; i < fds.count && listen_fd < 0; i++) {
        if (is_listener_on(fds.items[i].fd, path)) {
            listen_fd = fds.items[i].fd;
            fds.items[i].fd = -1;
        }
    }
    r = -EADDRNOTAVAIL;
    if (listen_fd < 0)
        goto out;

    flags = fcntl(listen_fd, F_GETFL);
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        r = -errno;
        close(listen_fd);
        goto out;
    }
    r = listen_fd;
out:
    svc_fds_done(&fds);
    return r;
}

/* 0 when the path is free now; -EADDRINUSE when somebody answers there. */
static int remove_stale_socket(const char *path, const struct sockaddr_un *address)
{
    struct stat status;
    int probe_fd;
    int r;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;

    probe_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe_fd < 0)
        return -errno;
    r = connect(probe_fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    close(probe_fd);
    if (r != -ECONNREFUSED) /* connected, or -EAGAIN: alive with a full backlog */
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Hold the folder's lock, so that of two processes starting at once one does not take the
 * other's fresh, not yet listening socket for a stale one. */
static int lock_folder_of(const char *path, int *ret_lock_fd)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *const slash = strrchr(path, '/');
    int lock_fd;
    int r;

    if (slash == NULL)
        snprintf(folder, sizeof(folder), ".");
    else
        snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);

    lock_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_fd < 0)
        return -errno;
    while (flock(lock_fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            r = -errno;
            close(lock_fd);
            return r;
        }
    }
    *ret_lock_fd = lock_fd;
    return 0;
}

static int bind_and_listen(int fd, const char *path, const struct sockaddr_un *address)
{
    /* The file takes the socket's mode less the umask: never wider than wanted, not even for the
     * moment until chmod() undoes a narrow umask. */
    if (fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -errno;
    if (chmod(path, SOCKET_MODE) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        const int r = -errno;

        unlink(path);
        return r;
    }
    return 0;
}

int svc_listen_unix(const char *path)
{
    struct sockaddr_un address;
    int lock_fd = -1;
    int fd = -1;
    int r;

    r = unix_address(path, &address);
    if (r < 0)
        goto out;
    r = lock_folder_of(path, &lock_fd);
    if (r < 0)
        goto out;
    r = remove_stale_socket(path, &address);
    if (r < 0)
        goto out;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        r = -errno;
        goto out;
    }
    r = bind_and_listen(fd, path, &address);
out:
    if (lock_fd >= 0)
        close(lock_fd);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* ---- folders ---- */

static int make_one_folder(const char *path, mode_t mode)
{
    return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int svc_make_folder(const char *path, mode_t mode)
{
    char part[4096];
    struct stat status;
    int r;

    if (strlen(path) >= sizeof(part))
        return -ENAMETOOLONG;
    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        r = make_one_folder(part, mode);
        if (r < 0)
            return r;
        *slash = '/';
    }
    r = make_one_folder(part, mode);
    if (r < 0)
        return r;

    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    /* root may use everybody's folder; systemd makes ours as root for the service's user */
    if (geteuid() != 0 && status.st_uid != geteuid() && status.st_uid != 0)
        return -EPERM;
    return (status.st_mode & S_IWOTH) != 0 ? -EPERM : 0;
}

/* ---- the supervisor ---- */

/* 1: *ret_address is where to send; 0: there is no supervisor; -errno */
static int notify_address(struct sockaddr_un *ret_address, socklen_t *ret_length)
{
    const char *const path = getenv("NOTIFY_SOCKET");
    int r;

    if (path == NULL || path[0] == '\0')
        return 0;
    if (path[0] != '/' && path[0] != '@')
        return -EINVAL;
    r = unix_address(path, ret_address);
    if (r < 0)
        return r;
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        ret_address->sun_path[0] = '\0'; /* abstract: no file, and no NUL at the end */
    return 1;
}

static int send_notice(const char *state, const int *fds, size_t fd_count, int wait_ms)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SVC_FDS_MAX * sizeof(int))];
    } control = {0};
    struct sockaddr_un address;
    struct iovec part = {.iov_base = (char *)(uintptr_t)state, .iov_len = strlen(state)};
    struct msghdr message = {.msg_name = &address, .msg_iov = &part, .msg_iovlen = 1};
    const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    int r = notify_address(&address, &message.msg_namelen);
    int fd;

    if (r <= 0)
        return r;
    if (fd_count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.align = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fd_count * sizeof(int))};
        memcpy(CMSG_DATA(&control.align), fds, fd_count * sizeof(int));
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    do
        r = sendmsg(fd, &message, MSG_NOSIGNAL | (wait_ms == 0 ? MSG_DONTWAIT : 0)) < 0 ? -errno : 0;
    while (r == -EINTR);
    close(fd);
    return r;
}

int svc_notify(const char *state)
{
    return send_notice(state, NULL, 0, SVC_NOTICE_WAIT_MS);
}

int svc_ping_watchdog(void)
{
    return send_notice("WATCHDOG=1", NULL, 0, 0);
}

static int check_fd_name(const char *name)
{
    const size_t length = strnlen(name, SVC_FD_NAME_ROOM);

    for (size_t i = 0; i < length; i++) {
        if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
            return -EINVAL;
    }
    return length == 0 || length == SVC_FD_NAME_ROOM ? -EINVAL : 0;
}

int svc_store_fds(const char *name, const int *fds, size_t count)
{
    char state[sizeof("FDSTORE=1\nFDPOLL=0\nFDNAME=") + SVC_FD_NAME_ROOM];

    if (check_fd_name(name) < 0)
        return -EINVAL;
    if (count > SVC_FDS_MAX)
        return -E2BIG;
    if (count == 0)
        return 0;
    snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
    return send_notice(state, fds, count, SVC_NOTICE_WAIT_MS);
}

int svc_forget_fds(const char *name)
{
    char state[sizeof("FDSTOREREMOVE=1\nFDNAME=") + SVC_FD_NAME_ROOM];

    if (check_fd_name(name) < 0)
        return -EINVAL;
    snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
    return svc_notify(state);
}

/* To 3, 4, ... In two steps, because one may stand where another has to go. */
static int place_fds(const int *fds, size_t count)
{
    int above[SVC_FDS_MAX];

    for (size_t i = 0; i < count; i++) {
        above[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_PASSED_FD + (int)count);
        if (above[i] < 0)
            return -errno;
    }
    for (size_t i = 0; i < count; i++) {
        if (dup2(above[i], FIRST_PASSED_FD + (int)i) < 0)
            return -errno;
    }
    return 0;
}

static int set_number(const char *name, unsigned long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lu", value);
    return setenv(name, text, 1) < 0 ? -errno : 0;
}

static int announce_fds(size_t count, const char *names)
{
    int r = set_number("LISTEN_PID", (unsigned long)getpid());

    if (r == 0)
        r = set_number("LISTEN_FDS", count);
    if (r == 0 && setenv("LISTEN_FDNAMES", names, 1) < 0)
        r = -errno;
    return r;
}

int svc_exec_with_fds(const char *program, char *const argv[], const struct svc_fds *fds)
{
    char names[SVC_FDS_MAX * SVC_FD_NAME_ROOM] = "";
    int passed[SVC_FDS_MAX];
    size_t count = 0, used = 0;
    int r;

    for (size_t i = 0; i < fds->count; i++) {
        if (fds->items[i].fd < 0)
            continue;
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", count == 0 ? "" : ":", fds->items[i].name);
        passed[count++] = fds->items[i].fd;
    }
    unsetenv("LISTEN_PID"); /* what our own supervisor told us is not for them */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    r = count == 0 ? 0 : announce_fds(count, names);
    if (r == 0)
        r = place_fds(passed, count);
    if (r < 0)
        return r;
    execv(program, argv);
    return -errno;
}

uint64_t svc_watchdog_interval_ms(void)
{
    const char *const usec_text = getenv("WATCHDOG_USEC");
    const char *const pid_text = getenv("WATCHDOG_PID");
    uint64_t watchdog_us;
    uint64_t pid;

    if (usec_text == NULL || parse_u64(usec_text, &watchdog_us) < 0 || watchdog_us == 0)
        return 0;
    if (pid_text != NULL && (parse_u64(pid_text, &pid) < 0 || pid != (uint64_t)getpid()))
        return 0;
    return watchdog_us < 2000 ? 1 : watchdog_us / 2000;
}

int svc_die_with_parent(pid_t expected_parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    /* It may have died between the fork and the prctl; then no signal would ever come. */
    return getppid() == expected_parent ? 0 : -ESRCH;
}

/* ---- the kernel and libc ---- */

int svc_raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

void svc_tune_malloc(void)
{
    /* A picture is some hundred KiB. Above 128 KiB malloc would map and unmap each one, and every
     * page would be zeroed and faulted in anew; keep such blocks on the heap, and give the heap
     * back to the kernel only when a whole burst of them is free. Fixed numbers also switch off
     * glibc's own moving threshold, so memory use does not depend on what came first. */
    mallopt(M_MMAP_THRESHOLD, 16 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t svc_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t svc_mono_ms(void)
{
    return svc_mono_us() / 1000;
}

uint64_t svc_utc_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

uint64_t svc_random_u64(void)
{
    uint64_t value;
    ssize_t got;

    do
        got = getrandom(&value, sizeof(value), 0);
    while (got < 0 && errno == EINTR);
    assert(got == (ssize_t)sizeof(value)); /* up to 256 bytes come whole or not at all */
    return value;
}
