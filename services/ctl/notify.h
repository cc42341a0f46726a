/* notify - the socket on which services say READY=1 and WATCHDOG=1, as in sd_notify(3).
 *
 * There is one for all services, a file in the runtime directory; who spoke is known from the
 * process id that the kernel puts to each datagram. */
#ifndef TAGHUB_CTL_NOTIFY_H
#define TAGHUB_CTL_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define NOTIFY_BYTES_MAX 4096 /* longest datagram that is heard; longer ones are cut */
#define NOTIFY_FDS_MAX   253  /* what Linux lets one datagram carry */

struct notify {
    int fd;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

#define NOTIFY_CLOSED ((struct notify){.fd = -1})

/** One datagram. */
struct notice {
    pid_t sender; /* 0 when it lives where it cannot be seen */
    char text[NOTIFY_BYTES_MAX + 1];
    size_t fd_count;
    int fds[NOTIFY_FDS_MAX]; /* CLOEXEC; they belong to whoever holds this struct */
};

/**
 * Makes <folder>/notify.sock, mode 0600, in place of one that a dead supervisor left. The caller
 * sees to it that no other supervisor lives there.
 *
 * returns  0, or -errno; notify->path is set in any case
 */
int notify_open(struct notify *notify, const char *folder);

/**
 * Takes the next datagram. Never blocks.
 *
 * returns  1 with a datagram, 0 when there is none, -errno
 */
int notify_read(const struct notify *notify, struct notice *ret_notice);

/** Closes the descriptors that came along. */
void notify_drop_fds(struct notice *notice);

/**
 * What stands behind `start`, such as "FDNAME=", in the first line that begins so.
 *
 * text     lines of NAME=VALUE
 * returns  a place in text, *ret_length bytes up to the end of the line; NULL: no such line
 */
const char *notify_find(const char *text, const char *start, size_t *ret_length);

/** Whether a flag, such as "READY=", is set to 1. */
bool notify_says(const char *text, const char *flag);

/** Closes it and removes the file. */
void notify_close(struct notify *notify);

#endif
