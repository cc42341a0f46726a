/* owed: what a worker is told is the last of all that everybody has, and nothing twice. */
#include "owed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_nothing_is_owed_at_first(void **state)
{
    struct owed owed = {0};

    (void)state;
    assert_true(owed_is_empty(&owed));
    assert_int_equal(owed_take(&owed, UINT64_MAX), 0);
    owed_clear(&owed);
}

static void test_what_has_been_taken_is_told_once(void **state)
{
    struct owed owed = {0};

    (void)state;
    owed_add(&owed, 1, 10, 101);
    owed_add(&owed, 2, 12, 102);
    owed_add(&owed, 3, 17, 103);
    assert_int_equal(owed_take(&owed, 9), 0);
    assert_int_equal(owed_take(&owed, 10), 101);
    assert_int_equal(owed_take(&owed, 10), 0);
    assert_false(owed_is_empty(&owed));
    assert_int_equal(owed_take(&owed, 16), 102);
    assert_int_equal(owed_take(&owed, 40), 103);
    assert_true(owed_is_empty(&owed));
}

static void test_several_parts_are_told_as_one(void **state)
{
    struct owed owed = {0};

    (void)state;
    for (uint64_t turn = 1; turn <= 5; turn++)
        owed_add(&owed, turn, 10 * turn, 100 + turn);
    assert_int_equal(owed_take(&owed, 39), 103);
    owed_clear(&owed);
}

static void test_a_turn_is_one_part(void **state)
{
    struct owed owed = {0};

    (void)state;
    owed_add(&owed, 1, 10, 101);
    owed_add(&owed, 1, 11, 102);
    owed_add(&owed, 2, 12, 103);
    assert_int_equal(owed_take(&owed, 10), 0);
    assert_int_equal(owed_take(&owed, 11), 102);
    owed_add(&owed, 2, 13, 104); /* while the turn goes on */
    assert_int_equal(owed_take(&owed, 12), 0);
    assert_int_equal(owed_take(&owed, 13), 104);
}

static void test_it_begins_anew_when_it_has_been_emptied(void **state)
{
    struct owed owed = {0};

    (void)state;
    owed_add(&owed, 1, 10, 101);
    assert_int_equal(owed_take(&owed, 10), 101);
    owed_add(&owed, 1, 11, 102); /* of the same turn, whose part is gone */
    owed_clear(&owed);
    assert_true(owed_is_empty(&owed));
    assert_int_equal(owed_take(&owed, UINT64_MAX), 0);
    owed_add(&owed, 1, 12, 103);
    assert_int_equal(owed_take(&owed, 12), 103);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_owed_at_first),
        cmocka_unit_test(test_what_has_been_taken_is_told_once),
        cmocka_unit_test(test_several_parts_are_told_as_one),
        cmocka_unit_test(test_a_turn_is_one_part),
        cmocka_unit_test(test_it_begins_anew_when_it_has_been_emptied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
