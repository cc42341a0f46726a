/* tool_verbs - what the tool can be told to do, one function each; tool.c has their table. */
#ifndef TAGHUB_HISTORY_TOOL_VERBS_H
#define TAGHUB_HISTORY_TOOL_VERBS_H

#include "run/args.h"
#include "store.h"

#define EXIT_USAGE 2 /* beside EXIT_SUCCESS, EXIT_FAILURE and EX_CONFIG */

/** Each gets the command line without its own name, and returns the exit status. */
int tool_history(struct args *args);
int tool_photo(struct args *args);
int tool_backup(struct args *args);

/** Says on standard error what is wrong, as one line. Return EXIT_FAILURE and EXIT_USAGE. */
int tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tool_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * Loads the configuration from what is left of the command line, and opens its database for reading.
 *
 * returns  0 with *ret_store, to be closed; else the exit status, after a complaint
 */
int tool_open_store(struct args *args, struct store **ret_store);

#endif
