/* photo_log - what a gateway worker remembers of the pictures that came in by way of it, for the statistics.
 *
 * Per camera the newest few, which are all that the statistics ever look at: a metrics service that begins anew is told
 * them again and has lost nothing, and there is no other queue towards it. */
#ifndef TAGHUB_PHOTO_LOG_H
#define TAGHUB_PHOTO_LOG_H

#include "schema.h"

/** Enough for 20 intervals. */
#define PHOTO_LOG_NEWEST 21u

struct photo_log;

/** cameras_max: then the camera silent longest is forgotten. NULL without memory. */
struct photo_log *photo_log_new(uint32_t cameras_max);
/** Accepts NULL. */
void photo_log_free(struct photo_log *log);

/**
 * Remembers one more (stored->count is ignored).
 *
 * returns  what metrics is to be told, with its count; valid until the next call; NULL without memory
 */
const struct msg_photo_stored *photo_log_add(struct photo_log *log, const struct msg_photo_stored *stored);

/** Tells all, each camera's oldest first. */
void photo_log_each(const struct photo_log *log, void (*each)(void *user, const struct msg_photo_stored *stored),
                    void *user);

#endif
