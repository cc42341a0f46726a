/* tool - taghub-history when its first argument is a word: a look into the database, and an end.
 *
 *     taghub-history history [--camera NAME] [--since WHEN] [--limit N] [--json | --csv]
 *     taghub-history photo CAMERA FILE
 *     taghub-history backup FILE
 *
 * It reads the database in state_dir, whether a hub writes it at the time or not, and changes nothing in it. What it
 * tells goes to standard output, complaints and remarks to standard error.
 */
#ifndef TAGHUB_HISTORY_TOOL_H
#define TAGHUB_HISTORY_TOOL_H

#include <stdbool.h>

/** Whether this start is for the tool. The service is started without words. */
bool history_tool_is_asked(int argc, char **argv);

/**
 * Does it. Own words and options are taken out of argv; the rest are settings, as conf_load() takes them.
 *
 * returns  the exit status: 0; 1 when it failed; 2 for wrong usage; 78 for a bad configuration
 */
int history_tool_run(int argc, char **argv);

#endif
