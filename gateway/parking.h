/* parking - where sockets and what is known of them wait while no worker of the gateway is alive.
 *
 * A pair of Unix sockets that the master, or its supervisor, keeps open: workers that leave write sessions in at one end,
 * workers that come take them out at the other. The kernel keeps them meanwhile. Some sessions share a message, whose
 * records stand in a memory file that travels with them. */
#ifndef TAGHUB_PARKING_H
#define TAGHUB_PARKING_H

#include <stdbool.h>

#include "bytes.h"
#include "view.h"

/** Sessions of one message: few enough that workers can share them out evenly, and a pair holds some 10 000. */
#define PARKING_BATCH 64u

/** Makes the pair: *ret_write_fd and *ret_read_fd, neither blocks. Returns 0 or -errno. */
int parking_new(int *ret_write_fd, int *ret_read_fd);

/** Zero-initialise but for write_fd, which is borrowed. */
struct parking_writer {
    int write_fd;
    struct bytes records;
    unsigned count, socket_count;
    int sockets[PARKING_BATCH];
};

/**
 * Adds what is known of a socket, or with -1 of something without one. The socket is borrowed: it lives on in the parking
 * when the caller closes it.
 * returns 0; -errno when the batch that was full could not be parked
 */
int parking_add(struct parking_writer *writer, int socket, struct view record);
/** Parks what was added. Returns 0; -errno, and what this batch held is not parked. */
int parking_flush(struct parking_writer *writer);
void parking_writer_done(struct parking_writer *writer);

bool parking_is_empty(int read_fd);

/**
 * Takes one message out.
 *
 * each     gets each record with its socket (the callee's from then on) or -1; the record dies afterwards
 * returns  how many records; 0 when nothing is parked; -errno, among them -EPROTO for a message that is not one
 */
int parking_take(int read_fd, void (*each)(void *user, int socket, struct view record), void *user);

/* ---- what a record is made of: fields one behind the other, read back in the same order ---- */

/** Each returns 0 or -ENOMEM. */
int record_put_u64(struct bytes *record, uint64_t value);
int record_put_blob(struct bytes *record, struct view value);

struct record_reader {
    struct view left;
    bool is_broken; /* it ended too early; what is read from then on is 0 and empty */
};

uint64_t record_get_u64(struct record_reader *reader);
/** Points into the record. */
struct view record_get_blob(struct record_reader *reader);
/** The same as text of less than `room` bytes, with its NUL. */
void record_get_text(struct record_reader *reader, char *dst, size_t room);

#endif
