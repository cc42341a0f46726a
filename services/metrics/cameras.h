/* cameras - what is known of every camera's pictures, put together from what the gateway workers tell.
 *
 * A camera may come in by way of several workers, one after the other or at once: its window is ordered by arrival,
 * and its count is the sum of theirs. Pure: the clock is told. */
#ifndef TAGHUB_CAMERAS_H
#define TAGHUB_CAMERAS_H

#include <stdbool.h>

#include "schema.h"
#include "video_stats.h"

struct cameras;

/** What came in by way of one gateway worker. */
struct camera_share {
    uint64_t origin;        /* incarnation of the worker, 0 for none */
    uint64_t count;         /* the highest it told */
    uint64_t newest_utc_us; /* the latest arrival it told, as told */
};

struct camera {
    char name[NAME_BYTES_MAX + 1];
    struct video_window window;           /* never empty; no arrival is later than the clock */
    uint64_t gone_count;                  /* by way of workers that are no more */
    struct camera_share shares[SLOT_MAX]; /* by slot of the worker */
};

/** cameras_max: then the camera silent longest is forgotten. NULL without memory. */
struct cameras *cameras_new(uint32_t cameras_max);
/** Accepts NULL. */
void cameras_free(struct cameras *cameras);

/**
 * Tells the time: before anything else in a turn. When the clock was set back the past goes along with it, so that
 * ages, the order of arrivals and the intervals between them stay what they were.
 */
void cameras_set_clock(struct cameras *cameras, uint64_t now_utc_us);

/**
 * A worker tells of a picture.
 *
 * slot, origin  of the worker. Another origin in a slot means that the former worker of that slot is gone for good
 * returns       false for a repeat, which changes nothing, and without memory
 */
bool cameras_take(struct cameras *cameras, uint64_t slot, uint64_t origin, const struct msg_photo_stored *photo);

/** NULL when nothing is known of it. Like all cameras here: borrowed until the next cameras_take(). */
const struct camera *cameras_find(const struct cameras *cameras, const char *name);
/** The camera whose picture came last; NULL while there is none. */
const struct camera *cameras_newest(const struct cameras *cameras);
/** All of them by name, in an array for free(); NULL without memory. */
const struct camera **cameras_by_name(const struct cameras *cameras, size_t *ret_count);

/** Pictures since the camera is known, those that were told again included once. */
uint64_t camera_photo_count(const struct camera *camera);
/** When its newest picture came. */
uint64_t camera_newest_utc_us(const struct camera *camera);
/** See video_stats_compute(). NULL stands for no camera at all. */
void camera_stats(const struct camera *camera, uint32_t target_interval_ms, struct video_stats *ret_stats);

#endif
