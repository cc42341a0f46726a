/* photo_log: the newest 21 pictures of each camera, numbered through, whatever came before. */
#include "photo_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct msg_photo_stored picture(const char *camera, uint64_t arrived_utc_us)
{
    struct msg_photo_stored stored = {.arrived_utc_us = arrived_utc_us, .bytes = 100 + arrived_utc_us};

    snprintf(stored.camera, sizeof stored.camera, "%s", camera);
    return stored;
}

static uint64_t add(struct photo_log *log, const char *camera, uint64_t arrived_utc_us)
{
    struct msg_photo_stored stored = picture(camera, arrived_utc_us);
    const struct msg_photo_stored *kept = photo_log_add(log, &stored);

    assert_non_null(kept);
    assert_string_equal(kept->camera, camera);
    assert_int_equal(kept->arrived_utc_us, arrived_utc_us);
    assert_int_equal(kept->bytes, 100 + arrived_utc_us);
    return kept->count;
}

/* What photo_log_each() tells, as "a1 b1 a2 ". */
static void note(void *user, const struct msg_photo_stored *stored)
{
    char *text = user;

    sprintf(text + strlen(text), "%s%u ", stored->camera, (unsigned)stored->count);
}

static void test_counts_and_order(void **state)
{
    struct photo_log *log = photo_log_new(8);
    char text[256] = "";

    (void)state;
    assert_int_equal(add(log, "a", 1), 1);
    assert_int_equal(add(log, "b", 2), 1);
    assert_int_equal(add(log, "a", 3), 2);
    photo_log_each(log, note, text);
    assert_string_equal(text, "b1 a1 a2 "); /* the camera silent longest first */
    photo_log_free(log);
}

static void test_only_the_newest_are_remembered(void **state)
{
    struct photo_log *log = photo_log_new(8);
    char text[1024] = "", expected[1024] = "";

    (void)state;
    for (unsigned n = 1; n <= 50; n++)
        assert_int_equal(add(log, "a", 1000 - n), n); /* also when the clock is set back */
    for (unsigned n = 50 - PHOTO_LOG_NEWEST + 1; n <= 50; n++)
        sprintf(expected + strlen(expected), "a%u ", n);
    photo_log_each(log, note, text);
    assert_string_equal(text, expected);
    photo_log_free(log);
}

static void test_the_silent_camera_is_forgotten(void **state)
{
    struct photo_log *log = photo_log_new(2);
    char text[256] = "";

    (void)state;
    add(log, "a", 1);
    add(log, "b", 2);
    add(log, "a", 3);
    add(log, "c", 4);
    photo_log_each(log, note, text);
    assert_string_equal(text, "a1 a2 c1 ");
    photo_log_free(log);
    photo_log_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_order),
        cmocka_unit_test(test_only_the_newest_are_remembered),
        cmocka_unit_test(test_the_silent_camera_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
