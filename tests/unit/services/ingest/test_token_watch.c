/* token_watch: every change of the file is noticed once, whatever kind of change it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token_watch.h"

#define FIRST_TOKEN  "first-token-0815"
#define SECOND_TOKEN "other-token-4711" /* as long as the first */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(fclose(file), 0);
}

/* As a careful tool does: the new file appears whole under the old name. */
static void replace_file(const char *path, const char *text)
{
    char fresh[64];

    snprintf(fresh, sizeof fresh, "%s.new", path);
    write_file(fresh, text);
    assert_int_equal(rename(fresh, path), 0);
}

enum change { NOTHING, REPLACE, OPEN_TO_ALL, CLOSE_TO_ALL, REMOVE };

/* One story, step after step; each row looks twice, and the second look finds nothing new. */
static const struct step {
    const char *name;
    enum change change;
    const char *text; /* for REPLACE */
    int result;
    const char *token; /* when the result is 1 */
} STEPS[] = {
    {"no file at the first look", NOTHING, NULL, -ENOENT, NULL},
    {"a file appears", REPLACE, FIRST_TOKEN "\n", 1, FIRST_TOKEN},
    {"another of the same length", REPLACE, SECOND_TOKEN "\n", 1, SECOND_TOKEN},
    {"replaced by an equal one", REPLACE, SECOND_TOKEN "\n", 1, SECOND_TOKEN},
    {"everybody may write it", OPEN_TO_ALL, NULL, -EPERM, NULL},
    {"nobody else any more", CLOSE_TO_ALL, NULL, 1, SECOND_TOKEN},
    {"no token in it", REPLACE, "two words\n", -EINVAL, NULL},
    {"a good one again", REPLACE, FIRST_TOKEN "\n", 1, FIRST_TOKEN},
    {"removed", REMOVE, NULL, -ENOENT, NULL},
};

static void apply(const struct step *step, const char *path)
{
    switch (step->change) {
    case NOTHING:
        break;
    case REPLACE:
        replace_file(path, step->text);
        break;
    case OPEN_TO_ALL:
        assert_int_equal(chmod(path, 0666), 0);
        break;
    case CLOSE_TO_ALL:
        assert_int_equal(chmod(path, 0600), 0);
        break;
    case REMOVE:
        assert_int_equal(unlink(path), 0);
        break;
    }
}

static void test_changes(void **state)
{
    char folder[] = "/tmp/token_watch_XXXXXX";
    char path[48];
    struct token_watch watch = {.path = path};

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        char token[TOKEN_MAX + 1] = "untouched";
        struct conf_error error = {""};

        print_message("%s\n", STEPS[i].name);
        apply(&STEPS[i], path);
        assert_int_equal(token_watch_look(&watch, token, &error), STEPS[i].result);
        assert_string_equal(token, STEPS[i].result == 1 ? STEPS[i].token : "untouched");
        assert_int_equal(error.text[0] != '\0', STEPS[i].result < 0);
        assert_int_equal(token_watch_look(&watch, token, &error), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_the_first_look_reads(void **state)
{
    char path[] = "/tmp/token_watch_XXXXXX";
    int fd = mkstemp(path);
    struct token_watch watch = {.path = path};
    char token[TOKEN_MAX + 1];
    struct conf_error error;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, FIRST_TOKEN "\n");
    assert_int_equal(token_watch_look(&watch, token, &error), 1);
    assert_string_equal(token, FIRST_TOKEN);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_the_first_look_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
