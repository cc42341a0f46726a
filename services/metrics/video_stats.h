/* video_stats - the pace of one camera's pictures: its newest arrivals, and every number that follows from them.
 *
 * Pure. Numbers are not rounded here, because recommendations are decided before rounding; see video_json.h. */
#ifndef TAGHUB_VIDEO_STATS_H
#define TAGHUB_VIDEO_STATS_H

#include <stdint.h>

#define VIDEO_INTERVALS_MAX 20u /* also sizes and processing times that are looked at */
#define VIDEO_FRAMES_MAX    (VIDEO_INTERVALS_MAX + 1)

/** One picture, without its bytes. */
struct video_frame {
    uint64_t arrived_utc_us;
    uint32_t bytes;
    uint32_t processing_us; /* from the complete arrival until it was stored */
    uint16_t width, height; /* pixels */
};

/** The newest pictures, oldest first. Zero-initialise. */
struct video_window {
    unsigned count;
    struct video_frame frames[VIDEO_FRAMES_MAX];
};

/**
 * Puts a picture in its place by arrival, behind those of the same instant. When the window is full the oldest gives
 * way, which may be the picture itself.
 */
void video_window_insert(struct video_window *window, const struct video_frame *frame);

/** All 0 while there is no interval, but for width and height. Never NaN nor infinite. */
struct video_stats {
    unsigned interval_count;
    double avg_interval_s, min_interval_s, max_interval_s;
    double jitter_s; /* population standard deviation of the intervals */
    double avg_fps, target_fps, current_fps;
    double efficiency_percent; /* above 100 only against a configured target */
    double avg_bytes, min_bytes, max_bytes;
    double avg_processing_ms, max_processing_ms;
    uint64_t total_frames;
    unsigned width, height;     /* of the newest picture; 0 while there is none */
    const char *recommendation; /* a word and a sentence, static */
};

/**
 * window              may be empty
 * total_frames        of this camera, not only those of the window
 * target_interval_ms  configured; 0: the target is the median of what the camera does
 *
 * formulas  avg      (last arrival - first) / n, n intervals
 *           jitter   sqrt(sum((x - avg)^2) / n)
 *           current  (m - 1) / (last - first), over the newest m <= 10 arrivals
 *           target   configured; else with n >= 10 the upper median, sorted[n / 2]; else avg
 *           efficiency, percent
 *                    configured: avg_fps / target_fps * 100
 *                    median:     clamp((1 - |avg - target| / target) * 100, 0, 100)
 *                    else:       50
 *           fps      1 / interval; 0 when the interval is 0, and so are the others that divide by one
 *           sizes and processing times are those of the newest 20 pictures
 */
void video_stats_compute(const struct video_window *window, uint64_t total_frames, uint32_t target_interval_ms,
                         struct video_stats *ret_stats);

#endif
