/* suggest - distances between words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "suggest.h"
#include "view.h"

static void test_distances(void **state)
{
    static const struct {
        const char *name, *a, *b;
        size_t distance;
    } CASES[] = {
        {"equal", "run", "run", 0},
        {"empty", "", "", 0},
        {"from nothing", "", "run", 3},
        {"one added", "runs", "run", 1},
        {"one dropped", "staus", "status", 1},
        {"one changed", "stotus", "status", 1},
        {"two swapped are two changes", "tokne", "token", 2},
        {"the classic", "kitten", "sitting", 3},
        {"nothing in common", "abc", "xyz", 3},
        {"only the beginning of a long word counts", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "", 31},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t there = suggest_distance(CASES[i].a, CASES[i].b), back = suggest_distance(CASES[i].b, CASES[i].a);

        if (there != CASES[i].distance || back != there)
            fail_msg("%s: %zu there, %zu back", CASES[i].name, there, back);
    }
}

static const char *word_at(size_t number)
{
    static const char *const WORDS[] = {"run", "status", "token"};

    return WORDS[number];
}

static void test_nearest(void **state)
{
    static const struct {
        const char *word, *nearest;
    } CASES[] = {{"run", "run"}, {"rum", "run"}, {"tokne", "token"}, {"stat", "status"}, {"st", NULL}, {"xyzzy", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *nearest = suggest_nearest(CASES[i].word, word_at, 3);

        if (nearest == NULL || CASES[i].nearest == NULL)
            assert_ptr_equal(nearest, CASES[i].nearest);
        else
            assert_string_equal(nearest, CASES[i].nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distances), cmocka_unit_test(test_nearest)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
