/* video_stats - see video_stats.h.
 *
 * Arrivals are whole microseconds, and each ratio is one division of whole numbers: efficiencies of exactly 95, 85 and
 * 70 percent come out as such, so that the borders of the recommendations lie where they are written. */
#include "video_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURRENT_FRAMES_MAX 10u
#define MEDIAN_INTERVALS   10u /* with fewer, a median tells nothing */

#define ANY (-1.0) /* below every value */

/* First match; a row matches when all its values are exceeded. */
static const struct {
    double efficiency_percent, jitter_s, avg_processing_ms;
    const char *text;
} RECOMMENDATIONS[] = {
    {95, ANY, ANY, "OPTIMAL - System performing excellently"},
    {85, ANY, ANY, "GOOD - Minor tuning could improve performance"},
    {70, 0.5, ANY, "UNSTABLE - High jitter detected, consider increasing interval"},
    {70, ANY, ANY, "FAIR - Consider adjusting ESP32 send interval"},
    {ANY, ANY, 50, "SLOW - Server processing bottleneck, optimize code"},
    {ANY, 1.0, ANY, "UNSTABLE - Network issues, increase ESP32 interval significantly"},
    {ANY, ANY, ANY, "POOR - Check ESP32 configuration and network quality"},
};

void video_window_insert(struct video_window *window, const struct video_frame *frame)
{
    struct video_frame *frames = window->frames;
    unsigned at = window->count;

    while (at > 0 && frames[at - 1].arrived_utc_us > frame->arrived_utc_us)
        at--;
    if (window->count < VIDEO_FRAMES_MAX) {
        memmove(&frames[at + 1], &frames[at], (window->count - at) * sizeof *frames);
        frames[at] = *frame;
        window->count++;
    } else if (at > 0) {
        memmove(&frames[0], &frames[1], (at - 1) * sizeof *frames);
        frames[at - 1] = *frame;
    }
}

static double ratio(double dividend, double divisor)
{
    return divisor > 0 ? dividend / divisor : 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* n intervals, sorted, and their sum. */
static void judge_pace(const uint64_t *sorted_us, unsigned n, double sum_us, uint32_t target_interval_ms,
                       struct video_stats *stats)
{
    double target_us, targets_us;

    if (target_interval_ms == 0 && n < MEDIAN_INTERVALS) {
        stats->target_fps = stats->avg_fps;
        stats->efficiency_percent = 50;
        return;
    }
    target_us = target_interval_ms > 0 ? target_interval_ms * 1000.0 : (double)sorted_us[n / 2];
    targets_us = target_us * n;
    stats->target_fps = ratio(1e6, target_us);
    if (target_interval_ms > 0)
        stats->efficiency_percent = ratio(100 * targets_us, sum_us);
    else
        stats->efficiency_percent = fmax(0, ratio(100 * (targets_us - fabs(sum_us - targets_us)), targets_us));
}

static void measure_intervals(const struct video_window *window, uint32_t target_interval_ms, struct video_stats *stats)
{
    const struct video_frame *frames = window->frames;
    unsigned n = window->count - 1, first = window->count > CURRENT_FRAMES_MAX ? window->count - CURRENT_FRAMES_MAX : 0;
    uint64_t sorted_us[VIDEO_INTERVALS_MAX] = {0};
    double sum_us = (double)(frames[n].arrived_utc_us - frames[0].arrived_utc_us), avg_us = sum_us / n, squares = 0;

    for (unsigned i = 0; i < n; i++) {
        sorted_us[i] = frames[i + 1].arrived_utc_us - frames[i].arrived_utc_us;
        squares += ((double)sorted_us[i] - avg_us) * ((double)sorted_us[i] - avg_us);
    }
    qsort(sorted_us, n, sizeof *sorted_us, by_value);
    stats->interval_count = n;
    stats->avg_interval_s = avg_us / 1e6;
    stats->min_interval_s = (double)sorted_us[0] / 1e6;
    stats->max_interval_s = (double)sorted_us[n - 1] / 1e6;
    stats->jitter_s = sqrt(squares / n) / 1e6;
    stats->avg_fps = ratio(1e6, avg_us);
    stats->current_fps = ratio((n - first) * 1e6, (double)(frames[n].arrived_utc_us - frames[first].arrived_utc_us));
    judge_pace(sorted_us, n, sum_us, target_interval_ms, stats);
}

static void measure_frames(const struct video_window *window, struct video_stats *stats)
{
    unsigned first = window->count > VIDEO_INTERVALS_MAX ? window->count - VIDEO_INTERVALS_MAX : 0;
    double count = window->count - first;

    stats->min_bytes = window->frames[first].bytes;
    for (unsigned i = first; i < window->count; i++) {
        const struct video_frame *frame = &window->frames[i];

        stats->avg_bytes += frame->bytes; /* sums, as yet */
        stats->min_bytes = fmin(stats->min_bytes, frame->bytes);
        stats->max_bytes = fmax(stats->max_bytes, frame->bytes);
        stats->avg_processing_ms += frame->processing_us;
        stats->max_processing_ms = fmax(stats->max_processing_ms, frame->processing_us / 1e3);
    }
    stats->avg_bytes /= count;
    stats->avg_processing_ms /= count * 1e3;
}

static const char *recommend(const struct video_stats *stats)
{
    size_t row = 0;

    while (stats->efficiency_percent <= RECOMMENDATIONS[row].efficiency_percent ||
           stats->jitter_s <= RECOMMENDATIONS[row].jitter_s ||
           stats->avg_processing_ms <= RECOMMENDATIONS[row].avg_processing_ms)
        row++; /* the last row matches always */
    return RECOMMENDATIONS[row].text;
}

void video_stats_compute(const struct video_window *window, uint64_t total_frames, uint32_t target_interval_ms,
                         struct video_stats *ret_stats)
{
    *ret_stats = (struct video_stats){.recommendation = "WAITING_FOR_DATA"};
    if (window->count == 0)
        return;
    ret_stats->width = window->frames[window->count - 1].width;
    ret_stats->height = window->frames[window->count - 1].height;
    if (window->count == 1)
        return;
    ret_stats->total_frames = total_frames;
    measure_intervals(window, target_interval_ms, ret_stats);
    measure_frames(window, ret_stats);
    ret_stats->recommendation = recommend(ret_stats);
}
