/* test_when - points in time as people type them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "view.h"
#include "when.h"

#define NOW     1750000000  /* 2025-06-15 15:06:40 UTC */
#define NO_TIME UINT64_C(1) /* whole seconds never give this */

static const struct when_case {
    const char *text;
    uint64_t utc_us;
} CASES[] = {
    {"0m", UINT64_C(1750000000000000)},
    {"30m", UINT64_C(1749998200000000)},
    {"2h", UINT64_C(1749992800000000)},
    {"3d", UINT64_C(1749740800000000)},
    {"2025-06-15", UINT64_C(1749938400000000)}, /* zone is two hours east */
    {"2025-06-15 14:00", UINT64_C(1749988800000000)},
    {"2025-06-15 14:00:30", UINT64_C(1749988830000000)},
    {"2025-06-15T14:00", UINT64_C(1749988800000000)},
    {"2025-06-15T14:00:30", UINT64_C(1749988830000000)},
    {"2024-02-29", UINT64_C(1709157600000000)},
    {"", NO_TIME},
    {"h", NO_TIME},
    {"2", NO_TIME},
    {"2x", NO_TIME},
    {"2hh", NO_TIME},
    {"-2h", NO_TIME},
    {" 2h", NO_TIME},
    {"1000000d", NO_TIME}, /* before 1970 */
    {"99999999999999999999999d", NO_TIME},
    {"yesterday", NO_TIME},
    {"2025-06", NO_TIME},
    {"2025-13-01", NO_TIME},
    {"2025-02-29", NO_TIME},
    {"2025-02-31", NO_TIME},
    {"2025-06-15 25:00", NO_TIME},
    {"2025-06-15 14:00 ", NO_TIME},
    {"1969-06-15", NO_TIME},
};

static void points_in_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t utc_us = NO_TIME;
        int r = when_parse(CASES[i].text, NOW, &utc_us);

        if (utc_us != CASES[i].utc_us || r != (CASES[i].utc_us == NO_TIME ? -EINVAL : 0))
            fail_msg("'%s': %d, %llu", CASES[i].text, r, (unsigned long long)utc_us);
    }
}

int main(void)
{
    const struct CMUnitTest TESTS[] = {
        {"points in time", points_in_time, NULL, NULL, NULL},
    };

    setenv("TZ", "XYZ-02:00", 1);
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
