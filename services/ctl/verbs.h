/* verbs - what taghubctl can be told to do. main.c has their table; each verb is one function in a
 * file of its own. */
#ifndef TAGHUB_CTL_VERBS_H
#define TAGHUB_CTL_VERBS_H

#include "run/args.h"
#include "run/conf.h"

/* Exit statuses beside 0 and 1. EX_CONFIG is that of sysexits.h: do not start again before
 * something was changed. */
#define EXIT_USAGE  2
#define EXIT_CONFIG 78

/** A verb gets the command line without its own name, and returns the process's exit status. */
typedef int (*verb_function)(struct args *args);

int verb_run(struct args *args);
int verb_status(struct args *args);
int verb_reload(struct args *args);
int verb_restart(struct args *args);
int verb_token(struct args *args);
int verb_history(struct args *args);
int verb_photo(struct args *args);
int verb_backup(struct args *args);
int verb_check_config(struct args *args);
int verb_example_config(struct args *args);
int verb_protocol(struct args *args);

/**
 * Loads the configuration from files, environment and what is left of the command line, which must
 * be options only.
 *
 * returns  0, or the exit status after the error was printed on stderr
 */
int verb_load_conf(struct args *args, struct hub_conf *ret_conf);

/** Prints a complaint about a command line on stderr and returns EXIT_USAGE. */
int verb_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** 0 when nothing is left on the command line; else EXIT_USAGE, complained about. */
int verb_expect_nothing(const struct args *args);

#endif
