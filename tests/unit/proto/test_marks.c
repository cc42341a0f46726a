/* marks: the first copy of each id is accepted, every repeat is not, for as many origins as are remembered. */
#include "marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "view.h"

static void test_first_copies_only(void **state)
{
    static const struct {
        const char *name;
        struct {
            uint64_t origin, seq;
            bool accepted;
        } steps[8];
    } CASES[] = {
        {.name = "in order", .steps = {{7, 1, true}, {7, 2, true}, {7, 3, true}}},
        {.name = "with gaps", .steps = {{7, 5, true}, {7, 900, true}, {7, UINT64_MAX, true}, {7, 901, false}}},
        {.name = "at once again", .steps = {{7, 1, true}, {7, 1, false}, {7, 2, true}, {7, 2, false}}},
        {.name = "all sent again from the beginning",
         .steps =
             {{7, 1, true}, {7, 2, true}, {7, 3, true}, {7, 1, false}, {7, 2, false}, {7, 3, false}, {7, 4, true}}},
        {.name = "old stream and new interleaved",
         .steps =
             {{7, 1, true}, {7, 1, false}, {7, 2, true}, {7, 3, true}, {7, 2, false}, {7, 3, false}, {7, 4, true}}},
        {.name = "origins apart", .steps = {{7, 3, true}, {8, 1, true}, {7, 3, false}, {8, 2, true}, {9, 3, true}}},
    };

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct marks marks = {0};

        print_message("    %s\n", CASES[c].name);
        for (size_t i = 0; i < ARRAY_LEN(CASES[c].steps) && CASES[c].steps[i].origin != 0; i++)
            assert_int_equal(marks_accept(&marks, CASES[c].steps[i].origin, CASES[c].steps[i].seq),
                             CASES[c].steps[i].accepted);
    }
}

static void test_raising(void **state)
{
    struct marks marks = {0};

    (void)state;
    marks_raise(&marks, 7, 10);
    assert_int_equal(marks.count, 1);
    assert_false(marks_accept(&marks, 7, 10));
    assert_true(marks_accept(&marks, 7, 11));
    marks_raise(&marks, 7, 5); /* never lowers */
    assert_false(marks_accept(&marks, 7, 11));
    assert_int_equal(marks.count, 1);
}

static void test_the_one_silent_longest_is_forgotten(void **state)
{
    struct marks marks = {0};

    (void)state;
    for (uint64_t origin = 1; origin <= MARKS_MAX; origin++)
        assert_true(marks_accept(&marks, origin, 100));
    assert_int_equal(marks.count, MARKS_MAX);
    assert_true(marks_accept(&marks, 1, 101)); /* speaks again: 2 is silent longest now */
    assert_true(marks_accept(&marks, 9999, 1));
    assert_int_equal(marks.count, MARKS_MAX);
    for (uint64_t origin = 3; origin <= MARKS_MAX; origin++)
        assert_false(marks_accept(&marks, origin, 100));
    assert_false(marks_accept(&marks, 1, 101));
    assert_false(marks_accept(&marks, 9999, 1));
    assert_true(marks_accept(&marks, 2, 1)); /* as if never heard of */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_copies_only),
        cmocka_unit_test(test_raising),
        cmocka_unit_test(test_the_one_silent_longest_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
