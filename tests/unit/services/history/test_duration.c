/* test_duration - the two forms in which spans of time are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "duration.h"

static const struct duration_case {
    uint64_t seconds;
    const char *text, *minutes_text;
    struct duration split;
} CASES[] = {
    {0, "0s", "0m 0s", {0, 0, 0, 0}},
    {59, "59s", "0m 59s", {0, 0, 0, 59}},
    {60, "1m 0s", "1m 0s", {0, 0, 1, 0}},
    {125, "2m 5s", "2m 5s", {0, 0, 2, 5}},
    {3599, "59m 59s", "59m 59s", {0, 0, 59, 59}},
    {3600, "1h 0m 0s", "60m 0s", {0, 1, 0, 0}},
    {7207, "2h 0m 7s", "120m 7s", {0, 2, 0, 7}},
    {86399, "23h 59m 59s", "1439m 59s", {0, 23, 59, 59}},
    {86400, "1d 0h 0m 0s", "1440m 0s", {1, 0, 0, 0}},
    {93784, "1d 2h 3m 4s", "1563m 4s", {1, 2, 3, 4}},
    {UINT64_MAX, "213503982334601d 7h 0m 15s", "307445734561825860m 15s", {213503982334601, 7, 0, 15}},
};

static void durations_are_shown_as_promised(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct duration split = duration_split(CASES[i].seconds);
        char text[DURATION_ROOM];

        assert_int_equal(split.days, CASES[i].split.days);
        assert_int_equal(split.hours, CASES[i].split.hours);
        assert_int_equal(split.minutes, CASES[i].split.minutes);
        assert_int_equal(split.seconds, CASES[i].split.seconds);
        duration_format(CASES[i].seconds, text);
        assert_string_equal(text, CASES[i].text);
        duration_format_minutes(CASES[i].seconds, text);
        assert_string_equal(text, CASES[i].minutes_text);
    }
}

int main(void)
{
    const struct CMUnitTest TESTS[] = {
        {"durations are shown as promised", durations_are_shown_as_promised, NULL, NULL, NULL},
    };

    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
