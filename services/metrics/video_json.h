/* video_json - what /video_fps, /video_stats and /cameras answer: the statistics, rounded as the wire contract says.
 *
 * All return one JSON object as a text for free(), or NULL without memory. Numbers are rounded half away from zero. */
#ifndef TAGHUB_VIDEO_JSON_H
#define TAGHUB_VIDEO_JSON_H

#include "cameras.h"

char *video_json_fps(const struct video_stats *stats);
char *video_json_stats(const struct video_stats *stats);

/** All cameras in the order given, each with both of the above, its intervals (s, oldest first) and its age. */
char *video_json_cameras(const struct camera *const *cameras, size_t count, uint32_t target_interval_ms,
                         uint64_t now_utc_us);

#endif
