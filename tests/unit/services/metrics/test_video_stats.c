/* The formulas against tables that were computed by hand, and the borders of the recommendations to the microsecond. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "video_stats.h"
#include "view.h"

#define INTERVALS_ROOM 24u

#define OPTIMAL       "OPTIMAL - System performing excellently"
#define GOOD          "GOOD - Minor tuning could improve performance"
#define UNSTABLE_HIGH "UNSTABLE - High jitter detected, consider increasing interval"
#define FAIR          "FAIR - Consider adjusting ESP32 send interval"
#define SLOW          "SLOW - Server processing bottleneck, optimize code"
#define UNSTABLE_NET  "UNSTABLE - Network issues, increase ESP32 interval significantly"
#define POOR          "POOR - Check ESP32 configuration and network quality"

#define X2(...)  __VA_ARGS__, __VA_ARGS__
#define X4(...)  X2(X2(__VA_ARGS__))
#define X5(...)  X4(__VA_ARGS__), __VA_ARGS__
#define X9(...)  X4(X2(__VA_ARGS__)), __VA_ARGS__
#define X10(...) X5(X2(__VA_ARGS__))

struct timing {
    const char *name;
    unsigned n;
    uint64_t intervals_us[INTERVALS_ROOM];
    uint32_t target_ms, processing_us;
    double efficiency, target_fps;
    const char *recommendation;
};

static const struct timing TIMINGS[] = {
    {"one interval", 1, {200000}, 0, 0, 50, 5, POOR},
    {"nine intervals are too few for a median", 9, {X9(200000)}, 0, 0, 50, 5, POOR},
    {"ten are enough", 10, {X10(200000)}, 0, 0, 100, 5, OPTIMAL},
    {"twenty", 20, {X2(X10(250000))}, 0, 0, 100, 4, OPTIMAL},
    {"of twenty-one the oldest is forgotten", 21, {7000000, X2(X10(250000))}, 0, 0, 100, 4, OPTIMAL},
    {"the upper median of an even number", 10, {X5(100000), X5(200000)}, 0, 0, 75, 5, FAIR},
    {"the median of an odd number", 11, {X5(100000), 160000, X5(220000)}, 0, 0, 100, 6.25, OPTIMAL},
    {"the order does not matter", 10, {X5(200000, 100000)}, 0, 0, 75, 5, FAIR},
    {"never below 0", 10, {X9(1000), 1000000}, 0, 0, 0, 1000, POOR},

    {"just above 95", 10, {X9(200000), 299999}, 0, 0, 95.00005, 5, OPTIMAL},
    {"exactly 95", 10, {X9(200000), 300000}, 0, 0, 95, 5, GOOD},
    {"95 by being too fast", 10, {X9(200000), 100000}, 0, 0, 95, 5, GOOD},
    {"just above 85", 10, {X9(200000), 499999}, 0, 0, 85.00005, 5, GOOD},
    {"exactly 85", 10, {X9(200000), 500000}, 0, 0, 85, 5, FAIR},
    {"just above 70", 10, {X9(200000), 799999}, 0, 0, 70.00005, 5, FAIR},
    {"exactly 70", 10, {X9(200000), 800000}, 0, 0, 70, 5, POOR},
    {"a third is no whole number", 10, {X9(333333), 499998}, 0, 0, 95.00005, 3.000003, OPTIMAL},

    {"above 70, jitter exactly 0.5", 10, {X5(1500000, 2500000)}, 0, 0, 80, 0.4, FAIR},
    {"above 70, jitter above 0.5", 10, {X5(1499999, 2500001)}, 0, 0, 79.999968, 0.39999984, UNSTABLE_HIGH},
    {"above 70, slow does not count", 10, {X9(200000), 799999}, 0, 60000, 70.00005, 5, FAIR},
    {"above 85, jitter does not count", 10, {X9(6000000), 3000000}, 0, 0, 95, 1 / 6.0, GOOD},
    {"below 70, jitter exactly 1", 10, {X5(1000000, 3000000)}, 0, 0, 200 / 3.0, 1 / 3.0, POOR},
    {"below 70, jitter above 1", 10, {X5(999999, 3000001)}, 0, 0, 66.666644, 0.33333322, UNSTABLE_NET},
    {"below 70, processing exactly 50 ms", 10, {X9(200000), 800000}, 0, 50000, 70, 5, POOR},
    {"below 70, processing above 50 ms", 10, {X9(200000), 800000}, 0, 50001, 70, 5, SLOW},
    {"slow comes before the network", 10, {X5(999999, 3000001)}, 0, 50001, 66.666644, 0.33333322, SLOW},

    {"a configured target, kept", 1, {200000}, 200, 0, 100, 5, OPTIMAL},
    {"a configured target counts with any n", 9, {X9(400000)}, 200, 0, 50, 5, POOR},
    {"a configured target replaces the median", 10, {X10(200000)}, 500, 0, 250, 2, OPTIMAL},
    {"exactly 95 of a configured target", 4, {X4(200000)}, 190, 0, 95, 1000 / 190.0, GOOD},
    {"exactly 70 of a configured target", 4, {X4(100000)}, 70, 0, 70, 1000 / 70.0, POOR},

    {"intervals of nothing", 10, {0}, 0, 0, 0, 0, POOR},
    {"few intervals of nothing", 3, {0}, 0, 0, 50, 0, POOR},
    {"intervals of nothing against a target", 10, {0}, 200, 0, 0, 5, POOR},
    {"a median of nothing", 10, {[9] = 1000000}, 0, 0, 0, 0, POOR},
};

static void assert_near(double value, double expected, const char *what)
{
    if (!(fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("%s is %.12g, not %.12g", what, value, expected);
}

static void fill(struct video_window *window, const uint64_t *intervals_us, unsigned n, uint32_t processing_us)
{
    struct video_frame frame = {.arrived_utc_us = UINT64_C(1750000000000000),
                                .bytes = 6000,
                                .processing_us = processing_us,
                                .width = 240,
                                .height = 180};

    *window = (struct video_window){0};
    video_window_insert(window, &frame);
    for (unsigned i = 0; i < n; i++) {
        frame.arrived_utc_us += intervals_us[i];
        video_window_insert(window, &frame);
    }
}

static void pace_and_recommendation(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TIMINGS); i++) {
        const struct timing *timing = &TIMINGS[i];
        struct video_window window;
        struct video_stats stats;

        print_message("  %s\n", timing->name);
        fill(&window, timing->intervals_us, timing->n, timing->processing_us);
        video_stats_compute(&window, 100, timing->target_ms, &stats);
        assert_int_equal(stats.interval_count, timing->n <= 20 ? timing->n : 20);
        assert_near(stats.efficiency_percent, timing->efficiency, "efficiency");
        assert_near(stats.target_fps, timing->target_fps, "target_fps");
        assert_string_equal(stats.recommendation, timing->recommendation);
    }
}

static void intervals_by_hand(void **state)
{
    const uint64_t intervals_us[] = {197000, 214000, 200000, 201000};
    struct video_window window;
    struct video_stats stats;

    (void)state;
    fill(&window, intervals_us, ARRAY_LEN(intervals_us), 140);
    video_stats_compute(&window, 812, 0, &stats);
    assert_near(stats.avg_interval_s, 0.203, "avg_interval");
    assert_near(stats.min_interval_s, 0.197, "min_interval");
    assert_near(stats.max_interval_s, 0.214, "max_interval");
    assert_near(stats.jitter_s, 0.00651920241, "jitter"); /* sqrt((36 + 121 + 9 + 4) / 4) ms */
    assert_near(stats.avg_fps, 4.92610837, "avg_fps");
    assert_near(stats.target_fps, 4.92610837, "target_fps");
    assert_near(stats.current_fps, 4.92610837, "current_fps");
    assert_int_equal(stats.total_frames, 812);
    assert_int_equal(stats.width, 240);
    assert_int_equal(stats.height, 180);
}

static void current_fps_looks_at_ten_arrivals(void **state)
{
    const uint64_t intervals_us[] = {1000000, 1000000, X9(100000)};
    struct video_window window;
    struct video_stats stats;

    (void)state;
    fill(&window, intervals_us, ARRAY_LEN(intervals_us), 0);
    video_stats_compute(&window, 12, 0, &stats);
    assert_near(stats.current_fps, 10, "current_fps");
    assert_near(stats.avg_fps, 11 / 2.9, "avg_fps");
}

static void sizes_are_those_of_the_newest_twenty(void **state)
{
    struct video_window window = {0};
    struct video_stats stats;

    (void)state;
    for (uint32_t i = 0; i < 21; i++) {
        struct video_frame frame = {.arrived_utc_us = i,
                                    .bytes = i == 0 ? 1 : 1000 + i, /* 1001 .. 1020 */
                                    .processing_us = i == 0 ? 900000 : 100 * i,
                                    .width = (uint16_t)(100 + i),
                                    .height = 50};

        video_window_insert(&window, &frame);
    }
    video_stats_compute(&window, 21, 0, &stats);
    assert_near(stats.avg_bytes, 1010.5, "avg_bytes");
    assert_near(stats.min_bytes, 1001, "min_bytes");
    assert_near(stats.max_bytes, 1020, "max_bytes");
    assert_near(stats.avg_processing_ms, 1.05, "avg_processing");
    assert_near(stats.max_processing_ms, 2, "max_processing");
    assert_int_equal(stats.width, 120);
}

static void equal_sizes_have_exactly_that_average(void **state)
{
    const uint64_t intervals_us[19] = {0};
    struct video_window window;
    struct video_stats stats;

    (void)state;
    fill(&window, intervals_us, ARRAY_LEN(intervals_us), 0);
    video_stats_compute(&window, 20, 0, &stats);
    assert_true(stats.avg_bytes == 6000); /* it is truncated later */
}

static void nothing_before_the_first_interval(void **state)
{
    struct video_window window = {0};

    (void)state;
    for (unsigned frames = 0; frames <= 1; frames++) {
        struct video_stats stats, expected = {.width = frames * 240, .height = frames * 180};

        video_stats_compute(&window, 5, frames * 200, &stats);
        assert_string_equal(stats.recommendation, "WAITING_FOR_DATA");
        stats.recommendation = NULL;
        assert_memory_equal(&stats, &expected, sizeof stats);
        fill(&window, NULL, 0, 100);
    }
}

static void pictures_stand_in_the_order_of_arrival(void **state)
{
    static const struct {
        const char *name;
        uint64_t arrivals[4], expected[4];
    } CASES[] = {
        {"in order", {1, 2, 3, 4}, {1, 2, 3, 4}},
        {"the last comes first", {4, 1, 2, 3}, {1, 2, 3, 4}},
        {"backwards", {4, 3, 2, 1}, {1, 2, 3, 4}},
        {"twice the same instant", {2, 1, 2, 1}, {1, 1, 2, 2}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct video_window window = {0};

        print_message("  %s\n", CASES[i].name);
        for (size_t at = 0; at < 4; at++)
            video_window_insert(&window, &(struct video_frame){.arrived_utc_us = CASES[i].arrivals[at]});
        for (size_t at = 0; at < 4; at++)
            assert_int_equal(window.frames[at].arrived_utc_us, CASES[i].expected[at]);
    }
}

static void those_of_one_instant_stay_as_they_came(void **state)
{
    struct video_window window = {0};

    (void)state;
    for (uint32_t bytes = 1; bytes <= 3; bytes++)
        video_window_insert(&window, &(struct video_frame){.arrived_utc_us = 9, .bytes = bytes});
    assert_int_equal(window.frames[0].bytes, 1);
    assert_int_equal(window.frames[2].bytes, 3);
}

static void a_full_window_keeps_the_newest(void **state)
{
    struct video_window window = {0};

    (void)state;
    for (uint64_t at = 100; at < 100 + VIDEO_FRAMES_MAX; at++)
        video_window_insert(&window, &(struct video_frame){.arrived_utc_us = 10 * at});
    video_window_insert(&window, &(struct video_frame){.arrived_utc_us = 999}); /* older than all */
    assert_int_equal(window.count, VIDEO_FRAMES_MAX);
    assert_int_equal(window.frames[0].arrived_utc_us, 1000);
    video_window_insert(&window, &(struct video_frame){.arrived_utc_us = 1015}); /* in between */
    assert_int_equal(window.count, VIDEO_FRAMES_MAX);
    assert_int_equal(window.frames[0].arrived_utc_us, 1010);
    assert_int_equal(window.frames[1].arrived_utc_us, 1015);
    assert_int_equal(window.frames[2].arrived_utc_us, 1020);
    video_window_insert(&window, &(struct video_frame){.arrived_utc_us = 5000});
    assert_int_equal(window.frames[0].arrived_utc_us, 1015);
    assert_int_equal(window.frames[VIDEO_FRAMES_MAX - 1].arrived_utc_us, 5000);
    assert_int_equal(window.frames[VIDEO_FRAMES_MAX - 2].arrived_utc_us, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pace_and_recommendation),
        cmocka_unit_test(intervals_by_hand),
        cmocka_unit_test(current_fps_looks_at_ten_arrivals),
        cmocka_unit_test(sizes_are_those_of_the_newest_twenty),
        cmocka_unit_test(equal_sizes_have_exactly_that_average),
        cmocka_unit_test(nothing_before_the_first_interval),
        cmocka_unit_test(pictures_stand_in_the_order_of_arrival),
        cmocka_unit_test(those_of_one_instant_stay_as_they_came),
        cmocka_unit_test(a_full_window_keeps_the_newest),
    };

    return cmocka_run_group_tests_name("video_stats", tests, NULL, NULL);
}
