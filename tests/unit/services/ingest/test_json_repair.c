/* Single quotes become double quotes, and nothing else changes. */
#include "json_repair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json_scan.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

static const struct {
    const char *name;
    struct view text;
    const char *repaired; /* NULL: nothing to repair */
    bool is_json;         /* the result passes the strict check */
} CASES[] = {
    {"as games send it", TEXT("{'event':'ping'}"), "{\"event\":\"ping\"}", true},
    {"empty string", TEXT("{'':''}"), "{\"\":\"\"}", true},
    {"one string", TEXT("'a'"), "\"a\"", true},
    {"mixed with double quotes", TEXT("{'a':\"b\",\"c\":'d'}"), "{\"a\":\"b\",\"c\":\"d\"}", true},
    {"numbers and literals between", TEXT("{'a' : [1, -2.5e3, true, null]}"), "{\"a\" : [1, -2.5e3, true, null]}",
     true},
    {"double quote inside single quotes", TEXT("{'a':'say \"hi\"'}"), "{\"a\":\"say \\\"hi\\\"\"}", true},
    {"escaped apostrophe inside single quotes", TEXT("{'a':'it\\'s'}"), "{\"a\":\"it's\"}", true},
    {"apostrophe inside double quotes", TEXT("{'a':\"it's\"}"), "{\"a\":\"it's\"}", true},
    {"quoted word inside double quotes", TEXT("{'a':\"'b'\"}"), "{\"a\":\"'b'\"}", true},
    {"escaped double quote inside double quotes", TEXT("['a',\"\\\"'\\\"\"]"), "[\"a\",\"\\\"'\\\"\"]", true},
    {"escaped double quote inside single quotes", TEXT("['\\\"']"), "[\"\\\"\"]", true},
    {"escaped backslash before the closing quote", TEXT("['a\\\\','b']"), "[\"a\\\\\",\"b\"]", true},
    {"backslash, then escaped apostrophe", TEXT("['\\\\\\'']"), "[\"\\\\'\"]", true},
    {"other escapes", TEXT("['\\n\\u00e9\\ud800\\/']"), "[\"\\n\\u00e9\\ud800\\/\"]", true},
    {"UTF-8", TEXT("['\xc3\xa9\xf0\x9f\x98\x80']"), "[\"\xc3\xa9\xf0\x9f\x98\x80\"]", true},
    {"brackets and commas inside", TEXT("['{\"a\":[1,2]}']"), "[\"{\\\"a\\\":[1,2]}\"]", true},
    {"adjacent strings", TEXT("['a''b']"), "[\"a\"\"b\"]", false},
    {"not finite stays", TEXT("{'x_cm':NaN}"), "{\"x_cm\":NaN}", false},
    {"words of another language stay", TEXT("{'a':True}"), "{\"a\":True}", false},
    {"unknown escape stays", TEXT("['\\x']"), "[\"\\x\"]", false},
    {"apostrophe escaped inside double quotes stays", TEXT("['a',\"it\\'s\"]"), "[\"a\",\"it\\'s\"]", false},
    {"raw newline stays", TEXT("['a\nb']"), "[\"a\nb\"]", false},
    {"backslash between strings stays", TEXT("[\\'a']"), "[\\\"a\"]", false},
    {"open string", TEXT("{'a':'b}"), "{\"a\":\"b}", false},
    {"ends in a backslash", TEXT("['a\\"), "[\"a\\", false},
    {"ends in an escaped apostrophe", TEXT("['a\\'"), "[\"a'", false},
    {"one apostrophe", TEXT("'"), "\"", false},
    {"trailing comma stays", TEXT("{'a':1,}"), "{\"a\":1,}", false},

    {"nothing", TEXT(""), NULL, false},
    {"no string", TEXT("[1,]"), NULL, false},
    {"strictly valid", TEXT("{\"a\":\"it's 'fine'\"}"), NULL, false},
    {"only double quotes, broken", TEXT("{\"it's\":}"), NULL, false},
    {"apostrophe in an open string", TEXT("{\"a':1}"), NULL, false},
    {"apostrophe behind an escaped quote", TEXT("{\"a\\\"'\":}"), NULL, false},
};

static void test_repairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct view text = CASES[i].text, expected;
        size_t room = JSON_REPAIR_ROOM(text.length), length = 0;
        char *repaired = malloc(room);
        struct json_error error;
        enum json_type type;
        int r;

        assert_non_null(repaired);
        r = json_repair_quotes(text, repaired, room, &length);
        if (r != (CASES[i].repaired != NULL ? 0 : -ENOENT))
            fail_msg("%s: returns %d", CASES[i].name, r);
        if (r == 0) {
            expected = view_text(CASES[i].repaired);
            if (!view_equals(view_of(repaired, length), expected))
                fail_msg("%s: %.*s", CASES[i].name, (int)length, repaired);
            r = json_check(expected, JSON_DEPTH_MAX, &type, &error);
            if ((r == 0) != CASES[i].is_json)
                fail_msg("%s: %s", CASES[i].name, r < 0 ? error.text : "is JSON");
        }
        free(repaired);
    }
}

/* Any room that is too small is an error, never a cut text; the exact size is enough. */
static void test_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t needed, length;

        if (CASES[i].repaired == NULL)
            continue;
        needed = strlen(CASES[i].repaired);
        for (size_t room = 0; room <= needed; room++) {
            char *repaired = malloc(room + (room == 0));
            int r = json_repair_quotes(CASES[i].text, repaired, room, &length);

            if (r != (room == needed ? 0 : -E2BIG))
                fail_msg("%s: returns %d with room for %zu", CASES[i].name, r, room);
            free(repaired);
        }
    }
}

static void test_worst_growth(void **state)
{
    enum { BYTES = 16 * 1024 };
    static char text[BYTES], repaired[JSON_REPAIR_ROOM(BYTES)];
    size_t length = 0;

    (void)state;
    memset(text, '"', sizeof(text));
    text[0] = '\'';
    text[BYTES - 1] = '\'';
    assert_int_equal(json_repair_quotes(view_of(text, sizeof(text)), repaired, sizeof(repaired), &length), 0);
    assert_int_equal(length, 2 * BYTES - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repairs),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_worst_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
