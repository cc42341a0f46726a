/* args - a command line that is taken apart: a verb takes the words and options that are its own,
 * and what is left goes to conf_load(), which knows the settings. */
#ifndef TAGHUB_RUN_ARGS_H
#define TAGHUB_RUN_ARGS_H

#include <stdbool.h>

/**
 * What is left of a command line. `at[0]` is the program's name, `at[count]` NULL. The array may
 * be main()'s own: taking something closes the gap in it.
 */
struct args {
    int count;
    char **at;
};

/** Takes every occurrence of an option without a value; returns whether there was one. */
bool args_take_flag(struct args *args, const char *name);

/**
 * Takes an option with a value, `--name=VALUE` or `--name VALUE`; the last one counts.
 *
 * returns  1 with *ret_value; 0 when the option is not there; -EINVAL when its value is missing
 */
int args_take_value(struct args *args, const char *name, const char **ret_value);

/**
 * Takes the first word that is no option; NULL when there is none. `-`, which stands for standard
 * input or output, is a word; the FILE of `--config FILE` is none.
 */
const char *args_take_word(struct args *args);

#endif
