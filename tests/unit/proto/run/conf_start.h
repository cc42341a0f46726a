/* conf_start - what the tests of the configuration share: one start of a program in a private folder,
 * with a file, variables and options of its own. */
#ifndef TAGHUB_TEST_CONF_START_H
#define TAGHUB_TEST_CONF_START_H

#include "private_folder.h"
#include "run/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 8

/* One start: a file in the current directory, variables, options. */
struct start {
    const char *file; /* text of taghub.conf, NULL = none */
    char *variables[WORDS_MAX];
    char *options[WORDS_MAX];
};

static inline void write_file(const char *path, const void *text, size_t length)
{
    FILE *const file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

static inline int load_as(const struct start *start, bool is_system_user, struct hub_conf *ret_conf,
                          struct conf_error *ret_error)
{
    char *argv[WORDS_MAX + 2] = {"program"};
    char *environment[WORDS_MAX + 3] = {"PATH=/bin", "HOME=/home/ann"};
    int argc = 1;

    for (size_t i = 0; i < WORDS_MAX && start->options[i] != NULL; i++)
        argv[argc++] = start->options[i];
    for (size_t i = 0; i < WORDS_MAX && start->variables[i] != NULL; i++)
        environment[i + 2] = start->variables[i];
    unlink("taghub.conf");
    if (start->file != NULL)
        write_text("taghub.conf", start->file);

    const struct conf_sources sources = {
        .program = "taghub-test",
        .argc = argc,
        .argv = argv,
        .environment = environment,
        .default_file = "taghub.conf",
        .is_system_user = is_system_user,
    };
    memset(ret_error, 0, sizeof(*ret_error));
    return conf_load_sources(&sources, ret_conf, ret_error);
}

static inline int load(const struct start *start, struct hub_conf *ret_conf, struct conf_error *ret_error)
{
    return load_as(start, true, ret_conf, ret_error);
}

static inline void load_well(const struct start *start, struct hub_conf *ret_conf)
{
    struct conf_error error;

    if (load(start, ret_conf, &error) != 0)
        fail_msg("refused: %s", error.text);
}

#endif
