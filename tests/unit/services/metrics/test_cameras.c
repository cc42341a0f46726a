/* What several workers tell of several cameras, put together. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cameras.h"

#define CAMERAS_MAX 3u
#define NOW         UINT64_C(1000000)

/* Workers: slot and origin. The last two are one slot's former and present owner. */
enum { WORKER_A, WORKER_B, WORKER_B_NEXT };

static const struct {
    uint64_t slot, origin;
} WORKERS[] = {[WORKER_A] = {0, 70}, [WORKER_B] = {63, 71}, [WORKER_B_NEXT] = {63, 72}};

static int setup(void **state)
{
    struct cameras *cameras = cameras_new(CAMERAS_MAX);

    *state = cameras;
    if (cameras != NULL)
        cameras_set_clock(cameras, NOW);
    return cameras != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    cameras_free(*state);
    return 0;
}

static bool tell(struct cameras *cameras, int worker, const char *camera, uint64_t count, uint64_t arrived_utc_us)
{
    struct msg_photo_stored photo = {.count = count,
                                     .arrived_utc_us = arrived_utc_us,
                                     .bytes = 1000 + count,
                                     .processing_us = 50,
                                     .width = 100 + count,
                                     .height = 10};

    snprintf(photo.camera, sizeof photo.camera, "%s", camera);
    return cameras_take(cameras, WORKERS[worker].slot, WORKERS[worker].origin, &photo);
}

/* Counts first .. last, one every 10 us, the last at last_utc_us. */
static void tell_row(struct cameras *cameras, int worker, const char *camera, uint64_t first, uint64_t last,
                     uint64_t last_utc_us)
{
    for (uint64_t count = first; count <= last; count++)
        tell(cameras, worker, camera, count, last_utc_us - (last - count) * 10);
}

static void assert_window(const struct cameras *cameras, const char *name, const char *expected)
{
    const struct camera *camera = cameras_find(cameras, name);
    char got[512] = "";

    assert_non_null(camera);
    for (unsigned i = 0; i < camera->window.count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%u ", (unsigned)camera->window.frames[i].arrived_utc_us);
    assert_string_equal(got, expected);
}

static void assert_count(const struct cameras *cameras, const char *name, uint64_t expected)
{
    const struct camera *camera = cameras_find(cameras, name);

    assert_non_null(camera);
    assert_int_equal(camera_photo_count(camera), expected);
}

static void unknown_until_told(void **state)
{
    struct cameras *cameras = *state;
    struct video_stats stats;
    size_t count = 9;
    const struct camera **list = cameras_by_name(cameras, &count);

    assert_null(cameras_find(cameras, "a"));
    assert_null(cameras_newest(cameras));
    assert_non_null(list);
    assert_int_equal(count, 0);
    free(list);
    camera_stats(NULL, 200, &stats);
    assert_string_equal(stats.recommendation, "WAITING_FOR_DATA");
}

static void a_repeat_changes_nothing(void **state)
{
    struct cameras *cameras = *state;

    assert_true(tell(cameras, WORKER_A, "a", 1, 100));
    assert_true(tell(cameras, WORKER_A, "a", 2, 110));
    assert_false(tell(cameras, WORKER_A, "a", 2, 110));
    assert_false(tell(cameras, WORKER_A, "a", 1, 100));
    assert_window(cameras, "a", "100 110 ");
    assert_count(cameras, "a", 2);
}

static void counts_are_absolute(void **state)
{
    struct cameras *cameras = *state;

    tell_row(cameras, WORKER_A, "a", 480, 500, 1000);
    assert_count(cameras, "a", 500);
    tell(cameras, WORKER_A, "a", 503, 1100); /* two were not told: a link was lost */
    assert_count(cameras, "a", 503);
}

static void workers_are_merged_by_arrival(void **state)
{
    struct cameras *cameras = *state;
    struct video_stats stats;

    tell(cameras, WORKER_B, "a", 1, 105);
    tell(cameras, WORKER_B, "a", 2, 125);
    tell(cameras, WORKER_A, "a", 8, 110);
    tell(cameras, WORKER_A, "a", 9, 115);
    assert_window(cameras, "a", "105 110 115 125 ");
    assert_count(cameras, "a", 11);
    camera_stats(cameras_find(cameras, "a"), 0, &stats);
    assert_int_equal(stats.width, 102); /* of the newest arrival, not of what was told last */
    assert_int_equal(stats.total_frames, 11);
}

static void told_again_in_any_order_of_workers_it_is_the_same(void **state)
{
    struct cameras *cameras = *state, *again = cameras_new(CAMERAS_MAX);

    assert_non_null(again);
    cameras_set_clock(again, NOW);
    tell_row(cameras, WORKER_A, "a", 1, 30, 1000);
    tell_row(cameras, WORKER_B, "a", 1, 4, 1045);
    tell_row(again, WORKER_B, "a", 1, 4, 1045);
    tell_row(again, WORKER_A, "a", 10, 30, 1000);
    assert_memory_equal(&cameras_find(again, "a")->window, &cameras_find(cameras, "a")->window,
                        sizeof(struct video_window));
    assert_count(again, "a", 34);
    cameras_free(again);
}

static void a_worker_that_is_gone_keeps_its_share(void **state)
{
    struct cameras *cameras = *state;

    tell_row(cameras, WORKER_B, "a", 1, 5, 100);
    tell_row(cameras, WORKER_A, "a", 1, 2, 200);
    tell_row(cameras, WORKER_B_NEXT, "a", 1, 3, 300);
    assert_count(cameras, "a", 10);
    assert_int_equal(cameras_find(cameras, "a")->gone_count, 5);
    tell_row(cameras, WORKER_B_NEXT, "a", 1, 3, 300);
    assert_count(cameras, "a", 10);
}

static void a_new_worker_may_tell_what_is_older(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_B, "a", 1, 500);
    assert_true(tell(cameras, WORKER_B_NEXT, "a", 1, 400));
    assert_false(tell(cameras, WORKER_B_NEXT, "a", 1, 400));
    assert_window(cameras, "a", "400 500 ");
    assert_count(cameras, "a", 2);
}

static void a_worker_that_had_forgotten_the_camera_counts_anew(void **state)
{
    struct cameras *cameras = *state;

    tell_row(cameras, WORKER_A, "a", 1, 5, 100);
    assert_true(tell(cameras, WORKER_A, "a", 1, 200));
    assert_false(tell(cameras, WORKER_A, "a", 1, 200));
    assert_true(tell(cameras, WORKER_A, "a", 2, 210));
    assert_count(cameras, "a", 7);
    assert_window(cameras, "a", "60 70 80 90 100 200 210 ");
}

static void the_camera_silent_longest_is_forgotten(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "a", 1, 100);
    tell(cameras, WORKER_A, "b", 1, 110);
    tell(cameras, WORKER_A, "c", 1, 120);
    tell(cameras, WORKER_A, "a", 2, 130);
    tell(cameras, WORKER_A, "d", 1, 140);
    assert_null(cameras_find(cameras, "b"));
    assert_count(cameras, "a", 2);
    assert_non_null(cameras_find(cameras, "c"));
    tell(cameras, WORKER_A, "b", 9, 150); /* back: the worker remembers */
    assert_count(cameras, "b", 9);
    assert_null(cameras_find(cameras, "c"));
}

static void the_newest_is_the_one_that_arrived_last(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "a", 1, 300);
    assert_string_equal(cameras_newest(cameras)->name, "a");
    tell(cameras, WORKER_B, "b", 1, 200); /* told later */
    assert_string_equal(cameras_newest(cameras)->name, "a");
    tell(cameras, WORKER_B, "b", 2, 310);
    assert_string_equal(cameras_newest(cameras)->name, "b");
    tell(cameras, WORKER_A, "b", 1, 100); /* a late report does not make it older */
    assert_string_equal(cameras_newest(cameras)->name, "b");
}

static void listed_by_name(void **state)
{
    struct cameras *cameras = *state;
    const struct camera **list;
    size_t count;

    tell(cameras, WORKER_A, "b", 1, 100);
    tell(cameras, WORKER_A, "B", 1, 110);
    tell(cameras, WORKER_A, "a", 1, 120);
    list = cameras_by_name(cameras, &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[0]->name, "B");
    assert_string_equal(list[1]->name, "a");
    assert_string_equal(list[2]->name, "b");
    free(list);
}

static void when_the_clock_is_set_back_the_past_goes_along(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "old", 1, NOW - 5000);
    tell(cameras, WORKER_A, "a", 1, NOW - 20);
    tell(cameras, WORKER_A, "a", 2, NOW - 10);
    cameras_set_clock(cameras, NOW - 600000);
    assert_window(cameras, "a", "399980 399990 ");
    assert_window(cameras, "old", "395000 ");
    assert_true(tell(cameras, WORKER_B, "old", 1, NOW - 600000));
    assert_string_equal(cameras_newest(cameras)->name, "old");
    assert_true(tell(cameras, WORKER_A, "a", 3, NOW - 600000));
    assert_window(cameras, "a", "399980 399990 400000 ");
    assert_false(tell(cameras, WORKER_A, "a", 2, NOW - 10)); /* told again, with the time as it was then */
    assert_count(cameras, "a", 3);
}

static void the_past_ends_at_1970(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "a", 1, 100);
    cameras_set_clock(cameras, 0);
    assert_window(cameras, "a", "0 ");
}

static void nothing_arrives_in_the_future(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "a", 1, NOW + 3600000000u); /* stamped before the clock was set back */
    tell(cameras, WORKER_A, "a", 2, NOW);
    assert_window(cameras, "a", "1000000 1000000 ");
    cameras_set_clock(cameras, NOW + 10);
    tell(cameras, WORKER_A, "a", 3, NOW + 10);
    assert_window(cameras, "a", "1000000 1000000 1000010 ");
}

static void a_clock_that_goes_on_changes_nothing(void **state)
{
    struct cameras *cameras = *state;

    tell(cameras, WORKER_A, "a", 1, 100);
    cameras_set_clock(cameras, NOW + 5000000);
    assert_window(cameras, "a", "100 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_until_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeat_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_are_absolute, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_are_merged_by_arrival, setup, teardown),
        cmocka_unit_test_setup_teardown(told_again_in_any_order_of_workers_it_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_is_gone_keeps_its_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_worker_may_tell_what_is_older, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_had_forgotten_the_camera_counts_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(the_camera_silent_longest_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_is_the_one_that_arrived_last, setup, teardown),
        cmocka_unit_test_setup_teardown(listed_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(when_the_clock_is_set_back_the_past_goes_along, setup, teardown),
        cmocka_unit_test_setup_teardown(the_past_ends_at_1970, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_arrives_in_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_goes_on_changes_nothing, setup, teardown),
    };

    return cmocka_run_group_tests_name("cameras", tests, NULL, NULL);
}
