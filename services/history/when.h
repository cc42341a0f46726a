/* when - a point in time as people type it. Pure. */
#ifndef TAGHUB_WHEN_H
#define TAGHUB_WHEN_H

#include <stdint.h>
#include <time.h>

/**
 * "30m", "2h" and "3d" are so long before now; "2025-06-15", "2025-06-15 14:00" and "2025-06-15 14:00:30" are local
 * time, where a T may stand for the blank.
 *
 * returns  0; -EINVAL when it is none of these, no such day, or before 1970
 */
int when_parse(const char *text, time_t now, uint64_t *ret_utc_us);

#endif
