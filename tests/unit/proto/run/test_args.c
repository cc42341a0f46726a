/* args - what is taken, and what is left for the settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/args.h"
#include "view.h"

#define WORDS_MAX 8

struct line {
    char *words[WORDS_MAX];
    struct args args;
};

static void split(struct line *line, const char *text)
{
    static char storage[128];
    char *rest = storage;

    snprintf(storage, sizeof storage, "%s", text);
    line->args = (struct args){.count = 0, .at = line->words};
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        line->words[line->args.count++] = word;
    line->words[line->args.count] = NULL;
}

static void assert_left(const char *name, const struct args *args, const char *expected)
{
    char joined[128] = "";

    for (int i = 0; i < args->count; i++) {
        strcat(joined, i > 0 ? " " : "");
        strcat(joined, args->at[i]);
    }
    if (strcmp(joined, expected) != 0)
        fail_msg("%s: left is '%s'", name, joined);
    assert_null(args->at[args->count]);
}

static void test_flags(void **state)
{
    static const struct {
        const char *name, *line;
        bool found;
        const char *left;
    } CASES[] = {
        {"absent", "p run", false, "p run"},
        {"alone", "p --json", true, "p"},
        {"first", "p --json status", true, "p status"},
        {"twice", "p --json status --json", true, "p status"},
        {"a prefix is another", "p --jso --jsonx --json=1", false, "p --jso --jsonx --json=1"},
        {"never the program itself", "--json", false, "--json"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct line line;

        split(&line, CASES[i].line);
        if (args_take_flag(&line.args, "--json") != CASES[i].found)
            fail_msg("%s", CASES[i].name);
        assert_left(CASES[i].name, &line.args, CASES[i].left);
    }
}

static void test_values(void **state)
{
    static const struct {
        const char *name, *line;
        int result;
        const char *value, *left;
    } CASES[] = {
        {"absent", "p run", 0, NULL, "p run"},
        {"with an equals sign", "p --at=5 run", 1, "5", "p run"},
        {"as the next word", "p run --at 5 more", 1, "5", "p run more"},
        {"empty", "p --at=", 1, "", "p"},
        {"the last one counts", "p --at=5 --at 6", 1, "6", "p"},
        {"missing", "p run --at", -EINVAL, NULL, "p run"},
        {"a longer name is another", "p --attic=5", 0, NULL, "p --attic=5"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *value = NULL;
        struct line line;

        split(&line, CASES[i].line);
        if (args_take_value(&line.args, "--at", &value) != CASES[i].result)
            fail_msg("%s: result", CASES[i].name);
        if (CASES[i].result == 1 && strcmp(value, CASES[i].value) != 0)
            fail_msg("%s: value '%s'", CASES[i].name, value);
        assert_left(CASES[i].name, &line.args, CASES[i].left);
    }
}

static void test_words(void **state)
{
    static const struct {
        const char *name, *line, *word, *left;
    } CASES[] = {
        {"none", "p", NULL, "p"},
        {"only options", "p --a=1 -b", NULL, "p --a=1 -b"},
        {"the first", "p one two", "one", "p two"},
        {"behind options", "p --a=1 one", "one", "p --a=1"},
        {"not the file of --config", "p --config file one", "one", "p --config file"},
        {"--config with an equals sign takes no word", "p --config=file one", "one", "p --config=file"},
        {"--config without its file", "p --config", NULL, "p --config"},
        {"a dash alone is a word", "p --a=1 - one", "-", "p --a=1 one"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *word;
        struct line line;

        split(&line, CASES[i].line);
        word = args_take_word(&line.args);
        if ((word == NULL) != (CASES[i].word == NULL) || (word != NULL && strcmp(word, CASES[i].word) != 0))
            fail_msg("%s: '%s'", CASES[i].name, word != NULL ? word : "(none)");
        assert_left(CASES[i].name, &line.args, CASES[i].left);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
