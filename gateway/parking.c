/* parking - see parking.h. */
#include "parking.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x7468706b00000001) /* the last digit is the version of what records say */

/* Of a message: the fields before its ancillary data, which are the memory file and then the sockets. */
struct head {
    uint64_t magic;
    uint32_t count, socket_count;
};

/* Before each record in the memory file. */
struct record_head {
    uint64_t bytes;
    uint64_t has_socket;
};

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE((PARKING_BATCH + 1) * sizeof(int))];
};

int parking_new(int *ret_write_fd, int *ret_read_fd)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    *ret_write_fd = fds[0];
    *ret_read_fd = fds[1];
    return 0;
}

/* ---- writing ---- */

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);

        if (n < 0 && errno != EINTR)
            return -errno;
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int send_batch(const struct parking_writer *writer, int records_fd)
{
    struct head head = {.magic = MAGIC, .count = writer->count, .socket_count = writer->socket_count};
    struct iovec part = {.iov_base = &head, .iov_len = sizeof head};
    union control control = {0};
    size_t fds_bytes = (writer->socket_count + 1) * sizeof(int);
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(fds_bytes)};
    struct cmsghdr *fds = CMSG_FIRSTHDR(&message);

    fds->cmsg_level = SOL_SOCKET;
    fds->cmsg_type = SCM_RIGHTS;
    fds->cmsg_len = CMSG_LEN(fds_bytes);
    memcpy(CMSG_DATA(fds), &records_fd, sizeof records_fd);
    memcpy(CMSG_DATA(fds) + sizeof records_fd, writer->sockets, writer->socket_count * sizeof(int));
    return sendmsg(writer->write_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int parking_flush(struct parking_writer *writer)
{
    int fd, r;

    if (writer->count == 0)
        return 0;
    fd = memfd_create("taghub-parking", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = write_all(fd, bytes_begin(&writer->records), writer->records.length);
    if (r == 0)
        r = send_batch(writer, fd);
    close(fd);
    bytes_consume(&writer->records, writer->records.length);
    writer->count = writer->socket_count = 0;
    return r;
}

int parking_add(struct parking_writer *writer, int socket, struct view record)
{
    const struct record_head head = {.bytes = record.length, .has_socket = socket >= 0};
    int r = writer->count == PARKING_BATCH ? parking_flush(writer) : 0;

    if (r == 0)
        r = bytes_append(&writer->records, &head, sizeof head);
    if (r == 0)
        r = bytes_append(&writer->records, record.bytes, record.length);
    if (r < 0)
        return r;
    if (socket >= 0)
        writer->sockets[writer->socket_count++] = socket;
    writer->count++;
    return 0;
}

void parking_writer_done(struct parking_writer *writer)
{
    bytes_done(&writer->records);
    *writer = (struct parking_writer){.write_fd = writer->write_fd};
}

/* ---- taking ---- */

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* What is wrong ends the walk; sockets that nobody got are closed. */
static int walk(struct view records, const struct head *head, const int *sockets,
                void (*each)(void *user, int socket, struct view record), void *user)
{
    uint32_t given = 0, count;
    struct record_head record;

    for (count = 0; count < head->count && records.length >= sizeof record; count++) {
        memcpy(&record, records.bytes, sizeof record);
        records = view_of(records.bytes + sizeof record, records.length - sizeof record);
        if (record.bytes > records.length || (record.has_socket && given == head->socket_count))
            break;
        each(user, record.has_socket ? sockets[given++] : -1, view_of(records.bytes, record.bytes));
        records = view_of(records.bytes + record.bytes, records.length - record.bytes);
    }
    close_all(sockets + given, head->socket_count - given);
    return count == head->count ? (int)count : -EPROTO;
}

static int take_batch(const struct head *head, const int *fds, size_t fd_count,
                      void (*each)(void *user, int socket, struct view record), void *user)
{
    struct stat status;
    void *records;
    int r;

    if (fd_count == 0)
        return -EPROTO;
    if (head->magic != MAGIC || head->socket_count != fd_count - 1 || fstat(fds[0], &status) < 0 ||
        status.st_size <= 0) {
        close_all(fds, fd_count);
        return -EPROTO;
    }
    records = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fds[0], 0);
    close(fds[0]);
    if (records == MAP_FAILED) {
        r = -errno;
        close_all(fds + 1, fd_count - 1);
        return r;
    }
    r = walk(view_of(records, (size_t)status.st_size), head, fds + 1, each, user);
    munmap(records, (size_t)status.st_size);
    return r;
}

bool parking_is_empty(int read_fd)
{
    struct pollfd look = {.fd = read_fd, .events = POLLIN};

    return poll(&look, 1, 0) == 0 || (look.revents & POLLIN) == 0;
}

int parking_take(int read_fd, void (*each)(void *user, int socket, struct view record), void *user)
{
    struct head head = {0};
    struct iovec part = {.iov_base = &head, .iov_len = sizeof head};
    union control control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int fds[PARKING_BATCH + 1];
    size_t fd_count = 0;
    ssize_t n = recvmsg(read_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (n == 0)
        return 0; /* nobody holds the other end: nothing can be parked */
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        fd_count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(at), fd_count * sizeof(int));
    }
    return take_batch(&head, fds, fd_count, each, user);
}

/* ---- records ---- */

int record_put_u64(struct bytes *record, uint64_t value)
{
    return bytes_append(record, &value, sizeof value);
}

int record_put_blob(struct bytes *record, struct view value)
{
    int r = record_put_u64(record, value.length);

    return r < 0 || value.length == 0 ? r : bytes_append(record, value.bytes, value.length);
}

static struct view take(struct record_reader *reader, size_t length)
{
    struct view taken = view_of(reader->left.bytes, length);

    if (reader->is_broken || length > reader->left.length) {
        reader->is_broken = true;
        return view_of(NULL, 0);
    }
    reader->left = view_of(reader->left.bytes + length, reader->left.length - length);
    return taken;
}

uint64_t record_get_u64(struct record_reader *reader)
{
    struct view taken = take(reader, sizeof(uint64_t));
    uint64_t value = 0;

    if (taken.length > 0)
        memcpy(&value, taken.bytes, sizeof value);
    return value;
}

struct view record_get_blob(struct record_reader *reader)
{
    uint64_t length = record_get_u64(reader);

    return take(reader, length);
}

void record_get_text(struct record_reader *reader, char *dst, size_t room)
{
    struct view text = record_get_blob(reader);

    reader->is_broken |= text.length >= room;
    if (reader->is_broken)
        text.length = 0;
    if (text.length > 0)
        memcpy(dst, text.bytes, text.length);
    dst[text.length] = '\0';
}
