/* The bodies as clients get them, to the letter: rounding, and how the numbers are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "video_json.h"

#define NOW UINT64_C(1750000000123456)

static void assert_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void as_in_the_contract(void **state)
{
    const struct video_stats stats = {
        .interval_count = 20,
        .avg_interval_s = 0.20101,
        .min_interval_s = 0.1969,
        .max_interval_s = 0.2141,
        .jitter_s = 0.0042,
        .avg_fps = 4.97488,
        .target_fps = 5.0251,
        .current_fps = 4.9703,
        .efficiency_percent = 99.502,
        .avg_bytes = 6120.95,
        .min_bytes = 5980,
        .max_bytes = 6301,
        .avg_processing_ms = 0.1399,
        .max_processing_ms = 0.312,
        .total_frames = 812,
        .width = 240,
        .height = 180,
        .recommendation = "OPTIMAL - System performing excellently",
    };

    (void)state;
    assert_text(video_json_fps(&stats), "{\"fps\":4.97,\"target_fps\":5,\"interval_ms\":200,\"width\":240,"
                                        "\"height\":180,\"resolution\":\"240x180\"}");
    assert_text(video_json_stats(&stats),
                "{\"avg_interval\":0.201,\"min_interval\":0.197,\"max_interval\":0.214,\"jitter\":0.004,"
                "\"avg_fps\":4.975,\"target_fps\":5,\"min_size\":5980,\"max_size\":6301,"
                "\"avg_processing\":0.14,\"max_processing\":0.31,\"efficiency\":99.5,\"current_fps\":4.97,"
                "\"avg_size\":6120,\"total_frames\":812,\"dropped_frames\":0,"
                "\"recommendation\":\"OPTIMAL - System performing excellently\","
                "\"width\":240,\"height\":180,\"resolution\":\"240x180\"}");
}

static void nothing_yet(void **state)
{
    struct video_stats stats;

    (void)state;
    camera_stats(NULL, 0, &stats);
    assert_text(video_json_fps(&stats), "{\"fps\":0,\"target_fps\":0,\"interval_ms\":0,\"width\":0,\"height\":0,"
                                        "\"resolution\":\"Unknown\"}");
    assert_text(video_json_stats(&stats),
                "{\"avg_interval\":0,\"min_interval\":0,\"max_interval\":0,\"jitter\":0,"
                "\"avg_fps\":0,\"target_fps\":0,\"min_size\":0,\"max_size\":0,"
                "\"avg_processing\":0,\"max_processing\":0,\"efficiency\":0,\"current_fps\":0,"
                "\"avg_size\":0,\"total_frames\":0,\"dropped_frames\":0,"
                "\"recommendation\":\"WAITING_FOR_DATA\",\"width\":0,\"height\":0,\"resolution\":"
                "\"Unknown\"}");
}

/* One member of a body as it is printed. */
static void assert_member(char *text, const char *name, const char *expected)
{
    char key[64], *at;

    snprintf(key, sizeof key, "\"%s\":", name);
    at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    at[strcspn(at, ",}")] = '\0';
    assert_string_equal(at, expected);
    free(text);
}

static void fps_is_rounded(void **state)
{
    static const struct {
        double target_fps;
        const char *printed, *interval_ms;
    } CASES[] = {
        {5, "5", "200"},     {4.97, "5", "200"},        {4.9499, "4.9", "204"}, /* 204.08 */
        {4.95, "5", "200"},  {0.3, "0.3", "3333"},      {0.1, "0.1", "10000"},  {0.05, "0.1", "10000"},
        {0.0499, "0", "0"},  {0.7, "0.7", "1428"},      {6.4, "6.4", "156"},    {0.8, "0.8", "1250"},
        {29.97, "30", "33"}, {1000000, "1000000", "0"}, {0, "0", "0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct video_stats stats = {.target_fps = CASES[i].target_fps, .recommendation = ""};

        assert_member(video_json_fps(&stats), "target_fps", CASES[i].printed);
        assert_member(video_json_fps(&stats), "interval_ms", CASES[i].interval_ms);
    }
}

static void halves_are_rounded_away_from_zero(void **state)
{
    const struct video_stats stats = {.avg_interval_s = 0.0005,
                                      .avg_processing_ms = 0.125,
                                      .efficiency_percent = 94.25,
                                      .avg_bytes = 99.999,
                                      .recommendation = ""};

    (void)state;
    assert_member(video_json_stats(&stats), "avg_interval", "0.001");
    assert_member(video_json_stats(&stats), "avg_processing", "0.13");
    assert_member(video_json_stats(&stats), "efficiency", "94.3");
    assert_member(video_json_stats(&stats), "avg_size", "99"); /* but sizes are truncated */
}

static void numbers_are_printed_short(void **state)
{
    (void)state;
    for (unsigned thousandths = 1; thousandths < 20000; thousandths += 7) {
        const struct video_stats stats = {.avg_interval_s = thousandths / 1000.0 + 0.0001, .recommendation = ""};
        char expected[16];

        snprintf(expected, sizeof expected, "%u.%03u", thousandths / 1000, thousandths % 1000);
        while (expected[strlen(expected) - 1] == '0')
            expected[strlen(expected) - 1] = '\0';
        if (expected[strlen(expected) - 1] == '.')
            expected[strlen(expected) - 1] = '\0';
        assert_member(video_json_stats(&stats), "avg_interval", expected);
    }
}

static void every_camera(void **state)
{
    static struct camera porch = {.name = "po\"rch"}, shed = {.name = "shed", .gone_count = 1};
    const struct camera *list[] = {&porch, &shed};
    struct video_frame frame = {.bytes = 6000, .processing_us = 140, .width = 240, .height = 180};

    (void)state;
    frame.arrived_utc_us = NOW - 1720456;
    video_window_insert(&porch.window, &frame);
    frame.arrived_utc_us = NOW - 1519456;
    video_window_insert(&porch.window, &frame);
    frame.arrived_utc_us = NOW - 1319556;
    video_window_insert(&porch.window, &frame);
    porch.shares[1].count = 3;
    frame.arrived_utc_us = NOW;
    video_window_insert(&shed.window, &frame);
    assert_text(video_json_cameras(list, 2, 0, NOW),
                "{\"now\":1750000000.123,\"cameras\":[{\"camera\":\"po\\\"rch\",\"last_photo_timestamp\":"
                "1749999998.804,"
                "\"last_photo_age_seconds\":1.3,\"fps\":4.99,\"interval_ms\":200,"
                "\"avg_interval\":0.2,\"min_interval\":0.2,\"max_interval\":0.201,\"jitter\":0.001,"
                "\"avg_fps\":4.989,\"target_fps\":5,\"min_size\":6000,\"max_size\":6000,"
                "\"avg_processing\":0.14,\"max_processing\":0.14,\"efficiency\":50,\"current_fps\":4.99,"
                "\"avg_size\":6000,\"total_frames\":3,\"dropped_frames\":0,"
                "\"recommendation\":\"POOR - Check ESP32 configuration and network quality\","
                "\"width\":240,\"height\":180,\"resolution\":\"240x180\",\"intervals\":[0.201,0.2]},"
                "{\"camera\":\"shed\",\"last_photo_timestamp\":1750000000.123,"
                "\"last_photo_age_seconds\":0,\"fps\":0,\"interval_ms\":0,"
                "\"avg_interval\":0,\"min_interval\":0,\"max_interval\":0,\"jitter\":0,"
                "\"avg_fps\":0,\"target_fps\":0,\"min_size\":0,\"max_size\":0,"
                "\"avg_processing\":0,\"max_processing\":0,\"efficiency\":0,\"current_fps\":0,"
                "\"avg_size\":0,\"total_frames\":0,\"dropped_frames\":0,"
                "\"recommendation\":\"WAITING_FOR_DATA\","
                "\"width\":240,\"height\":180,\"resolution\":\"240x180\",\"intervals\":[]}]}");
}

static void no_camera(void **state)
{
    (void)state;
    assert_text(video_json_cameras(NULL, 0, 0, NOW), "{\"now\":1750000000.123,\"cameras\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_in_the_contract),
        cmocka_unit_test(nothing_yet),
        cmocka_unit_test(fps_is_rounded),
        cmocka_unit_test(halves_are_rounded_away_from_zero),
        cmocka_unit_test(numbers_are_printed_short),
        cmocka_unit_test(every_camera),
        cmocka_unit_test(no_camera),
    };

    return cmocka_run_group_tests_name("video_json", tests, NULL, NULL);
}
