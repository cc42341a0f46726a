/* polling - the queue behind the polling endpoint, for games without WebSocket.
 *
 * Holds the newest records of all cameras as they were broadcast. Who polls takes the oldest one
 * out; when nobody polls, the oldest one gives way to the newest.
 */
#ifndef TAGHUB_POLLING_H
#define TAGHUB_POLLING_H

#include "schema.h"
#include "view.h"

#define POLLING_RECORD_COUNT_MAX 50

/* Room that is enough for every reply: what a poll_result may carry. */
#define POLLING_REPLY_BYTES_MAX (TEXT_BYTES_MAX + 1024)

/* The longest record that is kept. What ingest makes of its longest text is shorter; the rest is
 * left for the names of the fields that a reply adds. */
#define POLLING_RECORD_BYTES_MAX (POLLING_REPLY_BYTES_MAX - 256)

/** At most POLLING_RECORD_COUNT_MAX records, each in memory of about its own length. */
struct polling;

/** Returns 0 or -ENOMEM. */
int polling_new(struct polling **ret_polling);

/** NULL is fine. */
void polling_free(struct polling *polling);

/**
 * Append a record; when the queue is full the oldest one goes.
 *
 * json     the finished broadcast, valid JSON; copied
 * returns  0
 * errors   -ENOMEM, -E2BIG (over POLLING_RECORD_BYTES_MAX): the queue is unchanged
 */
int polling_push(struct polling *polling, struct view json);

/**
 * Take the oldest record out and write the body of the reply: the fields that the contract lists,
 * with the values of the record where it has them. With an empty queue: the answer that says so.
 *
 * dst      the reply, no terminating NUL
 * returns  bytes of the reply
 */
size_t polling_take(struct polling *polling, char dst[POLLING_REPLY_BYTES_MAX]);

#endif
