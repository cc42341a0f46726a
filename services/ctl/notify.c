/* notify - see notify.h.
 *
 * Why a file and not an abstract address: everybody on the machine could send to an abstract one
 * and fill its queue, until the pings of healthy services are lost and they are killed for it. The
 * file is ours alone. */
#include "notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int notify_open(struct notify *notify, const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int on = 1, r;

    if (snprintf(notify->path, sizeof notify->path, "%s/notify.sock", folder) >= (int)sizeof notify->path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, notify->path, sizeof address.sun_path);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0)
        return -errno;
    if (unlink(notify->path) < 0 && errno != ENOENT)
        goto fail;
    if (fchmod(notify->fd, 0600) < 0 || setsockopt(notify->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
        bind(notify->fd, (struct sockaddr *)&address, sizeof address) < 0)
        goto fail;
    return 0;
fail:
    r = -errno;
    close(notify->fd);
    notify->fd = -1;
    return r;
}

static void take_control(struct msghdr *message, struct notice *notice)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        const size_t bytes = at->cmsg_len - CMSG_LEN(0);
        struct ucred who;

        if (at->cmsg_level != SOL_SOCKET)
            continue;
        if (at->cmsg_type == SCM_CREDENTIALS && bytes == sizeof who) {
            memcpy(&who, CMSG_DATA(at), sizeof who);
            notice->sender = who.pid;
        } else if (at->cmsg_type == SCM_RIGHTS) {
            memcpy(notice->fds, CMSG_DATA(at), bytes);
            notice->fd_count = bytes / sizeof *notice->fds;
        }
    }
}

int notify_read(const struct notify *notify, struct notice *ret_notice)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof ret_notice->fds)];
    } control;
    struct iovec part = {.iov_base = ret_notice->text, .iov_len = NOTIFY_BYTES_MAX};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length;

    do
        length = recvmsg(notify->fd, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return errno == EAGAIN ? 0 : -errno;
    ret_notice->text[length] = '\0';
    ret_notice->sender = 0;
    ret_notice->fd_count = 0;
    take_control(&message, ret_notice);
    return 1;
}

void notify_drop_fds(struct notice *notice)
{
    while (notice->fd_count > 0)
        close(notice->fds[--notice->fd_count]);
}

const char *notify_find(const char *text, const char *start, size_t *ret_length)
{
    const size_t length = strlen(start);

    while (*text != '\0') {
        const size_t here = strcspn(text, "\n");

        if (here >= length && memcmp(text, start, length) == 0) {
            *ret_length = here - length;
            return text + length;
        }
        text += here + (text[here] == '\n');
    }
    return NULL;
}

bool notify_says(const char *text, const char *flag)
{
    size_t length;
    const char *const value = notify_find(text, flag, &length);

    return value != NULL && length == 1 && *value == '1';
}

void notify_close(struct notify *notify)
{
    if (notify->fd < 0)
        return;
    unlink(notify->path);
    close(notify->fd);
    notify->fd = -1;
}
