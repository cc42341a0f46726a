/* camera_table: one value per camera, in the order of arrival, and never more than the limits. Values are numbers on
 * the heap, so that a value freed twice or never shows. */
#include "camera_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int values_alive; /* cmocka's callbacks have no place for it */

static void free_number(void *value)
{
    values_alive--;
    free(value);
}

static struct camera_entry *put(struct camera_table *table, const char *name, uint64_t arrived, int number,
                                size_t bytes, bool only_if_newer)
{
    int *value = malloc(sizeof *value);

    assert_non_null(value);
    *value = number;
    values_alive++;
    return camera_table_put(table, name, arrived, value, bytes, only_if_newer);
}

/* "a=1 b=2": names and values, oldest first; the same backwards must agree. */
static void assert_content(struct camera_table *table, const char *expected)
{
    char forwards[256] = "";
    size_t used = 0;
    int count = 0;

    for (struct camera_entry *entry = camera_table_oldest(table); entry != NULL; entry = entry->newer) {
        used += (size_t)snprintf(forwards + used, sizeof forwards - used, "%s%s=%d", used > 0 ? " " : "", entry->name,
                                 *(int *)entry->value);
        assert_ptr_equal(camera_table_find(table, entry->name), entry);
        if (entry->newer != NULL)
            assert_ptr_equal(entry->newer->older, entry);
        else
            assert_ptr_equal(camera_table_newest(table), entry);
        count++;
    }
    assert_string_equal(forwards, expected);
    assert_int_equal(values_alive, count);
}

struct step {
    const char *name;
    uint64_t arrived;
    int number;
    size_t bytes;
    bool only_if_newer, refused;
};

static const struct {
    const char *name;
    uint32_t cameras_max;
    uint64_t bytes_max;
    struct step steps[8];
    const char *expected;
} CASES[] = {
    {.name = "one camera, newest value",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"a", 11, 2, 1}},
     .expected = "a=2"},
    {.name = "order of arrival",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 11, 2, 1}, {"a", 12, 3, 1}},
     .expected = "b=2 a=3"},
    {.name = "arrivals that cross",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 13, 2, 1}, {"c", 11, 3, 1}, {"d", 12, 4, 1}},
     .expected = "a=1 c=3 d=4 b=2"},
    {.name = "equal arrivals keep the order of calls",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 10, 2, 1}, {"c", 10, 3, 1}},
     .expected = "a=1 b=2 c=3"},
    {.name = "news counts though the clock was set back",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 11, 2, 1}, {"b", 5, 3, 1}},
     .expected = "b=3 a=1"},
    {.name = "an older seed is refused",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"a", 9, 2, 1, true, true}, {"b", 1, 3, 1, true}},
     .expected = "b=3 a=1"},
    {.name = "an equal or newer seed is taken",
     .cameras_max = 4,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"a", 10, 2, 1, true}, {"a", 11, 3, 1, true}},
     .expected = "a=3"},
    {.name = "the camera silent longest goes",
     .cameras_max = 2,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 11, 2, 1}, {"a", 12, 3, 1}, {"c", 13, 4, 1}},
     .expected = "a=3 c=4"},
    {.name = "but never the one just put",
     .cameras_max = 2,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 1}, {"b", 11, 2, 1}, {"c", 5, 3, 1}},
     .expected = "c=3 b=2"},
    {.name = "bytes are limited",
     .cameras_max = 9,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 40}, {"b", 11, 2, 40}, {"c", 12, 3, 20}, {"d", 13, 4, 1}},
     .expected = "b=2 c=3 d=4"},
    {.name = "one value may push out several",
     .cameras_max = 9,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 40}, {"b", 11, 2, 40}, {"c", 12, 3, 100}},
     .expected = "c=3"},
    {.name = "a value that grows",
     .cameras_max = 9,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 60}, {"b", 11, 2, 40}, {"b", 12, 3, 41}},
     .expected = "b=3"},
    {.name = "a value that shrinks makes room",
     .cameras_max = 9,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 60}, {"a", 11, 2, 10}, {"b", 12, 3, 90}},
     .expected = "a=2 b=3"},
    {.name = "larger than the limit is refused and changes nothing",
     .cameras_max = 9,
     .bytes_max = 100,
     .steps = {{"a", 10, 1, 60}, {"b", 11, 2, 101, false, true}, {"a", 12, 3, 101, false, true}},
     .expected = "a=1"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct camera_table *table = camera_table_new(CASES[c].cameras_max, CASES[c].bytes_max, free_number);

        print_message("    %s\n", CASES[c].name);
        assert_non_null(table);
        for (const struct step *step = CASES[c].steps; step->name != NULL; step++) {
            struct camera_entry *entry =
                put(table, step->name, step->arrived, step->number, step->bytes, step->only_if_newer);

            if (step->refused) {
                assert_null(entry);
            } else {
                assert_non_null(entry);
                assert_string_equal(entry->name, step->name);
                assert_int_equal(entry->arrived_utc_us, step->arrived);
                assert_int_equal(entry->value_bytes, step->bytes);
            }
        }
        assert_content(table, CASES[c].expected);
        camera_table_free(table);
        assert_int_equal(values_alive, 0);
    }
}

/* More cameras than buckets, names of every length: each is found, and only those that are there. */
static void test_many_cameras(void **state)
{
    struct camera_table *table = camera_table_new(100, UINT64_MAX, free_number);
    char name[NAME_BYTES_MAX + 1];

    (void)state;
    assert_null(camera_table_oldest(table));
    assert_null(camera_table_newest(table));
    for (int n = 0; n < 1000; n++) {
        snprintf(name, sizeof name, "%0*d", 4 + n % (NAME_BYTES_MAX - 3), n);
        assert_non_null(put(table, name, (uint64_t)n, n, 10, false));
    }
    assert_int_equal(values_alive, 100);
    for (int n = 0; n < 1000; n++) {
        struct camera_entry *entry;

        snprintf(name, sizeof name, "%0*d", 4 + n % (NAME_BYTES_MAX - 3), n);
        entry = camera_table_find(table, name);
        assert_int_equal(entry != NULL, n >= 900);
        if (entry != NULL)
            assert_int_equal(*(int *)entry->value, n);
    }
    camera_table_free(table);
    assert_int_equal(values_alive, 0);
    camera_table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many_cameras),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
