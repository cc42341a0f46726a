/* fd_store - see fd_store.h.
 *
 * Invariant
 *   D1  fds.items[0..fds.count-1] are open, each another open file, and closed by nobody else */
#include "fd_store.h"

#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "notify.h"

#define DEFAULT_NAME "stored" /* systemd's */

/* Where the kernel does not compare open files, sockets can still be told: each is opened once. */
static bool is_same_file(int fd, int other_fd)
{
    const long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, other_fd);
    struct stat status, other;

    if (order >= 0)
        return order == 0;
    return fstat(fd, &status) == 0 && fstat(other_fd, &other) == 0 && S_ISSOCK(status.st_mode) &&
           status.st_dev == other.st_dev && status.st_ino == other.st_ino;
}

static bool holds(const struct fd_store *store, int fd)
{
    for (size_t i = 0; i < store->fds.count; i++) {
        if (is_same_file(store->fds.items[i].fd, fd))
            return true;
    }
    return false;
}

static void append(struct fd_store *store, int fd, const char *name)
{
    const size_t at = store->fds.count++;

    store->fds.items[at].fd = fd;
    snprintf(store->fds.items[at].name, SVC_FD_NAME_ROOM, "%s", name);
}

/* Closes what the service had kept under a name, NULL: everything, and closes the gaps. */
static void drop(struct fd_store *store, const char *name)
{
    size_t left = store->own_count;

    for (size_t i = store->own_count; i < store->fds.count; i++) {
        if (name == NULL || strcmp(store->fds.items[i].name, name) == 0)
            close(store->fds.items[i].fd);
        else
            store->fds.items[left++] = store->fds.items[i];
    }
    store->fds.count = left;
}

/* FDNAME, when there is one that can stand in LISTEN_FDNAMES. */
static bool read_name(const char *text, char ret_name[SVC_FD_NAME_ROOM])
{
    size_t length;
    const char *const value = notify_find(text, "FDNAME=", &length);

    if (value == NULL || length == 0 || length >= SVC_FD_NAME_ROOM)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < ' ' || value[i] > '~' || value[i] == ':')
            return false;
    }
    memcpy(ret_name, value, length);
    ret_name[length] = '\0';
    return true;
}

/* returns whether it is kept, or was already */
static bool keep(struct fd_store *store, int fd, const char *name)
{
    const bool is_held = holds(store, fd);

    if (is_held || store->fds.count == SVC_FDS_MAX) {
        close(fd);
        return is_held;
    }
    append(store, fd, name);
    return true;
}

void fd_store_add_own(struct fd_store *store, int *fd, const char *name)
{
    append(store, *fd, name);
    store->own_count = store->fds.count;
    *fd = -1;
}

bool fd_store_hear(struct fd_store *store, const char *text, const int *fds, size_t fd_count)
{
    char name[SVC_FD_NAME_ROOM] = DEFAULT_NAME;
    const bool has_name = read_name(text, name), is_to_keep = notify_says(text, "FDSTORE=");
    bool is_overflowing = false;

    if (has_name && notify_says(text, "FDSTOREREMOVE="))
        drop(store, name);
    for (size_t i = 0; i < fd_count; i++) {
        if (!is_to_keep)
            close(fds[i]);
        else if (!keep(store, fds[i], name))
            is_overflowing = true;
    }
    if (!is_overflowing || store->was_overflowing)
        return true;
    store->was_overflowing = true;
    return false;
}

void fd_store_clear(struct fd_store *store)
{
    drop(store, NULL);
}

void fd_store_done(struct fd_store *store)
{
    svc_fds_done(&store->fds);
    store->own_count = 0;
}
