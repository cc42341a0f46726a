/* answers - the JSON of the endpoints that history answers. */
#ifndef TAGHUB_ANSWERS_H
#define TAGHUB_ANSWERS_H

#include "sessions.h"
#include "store.h"

/* All return a text to be given to free(). Without memory for it the process ends. */

/** /connection_uptime: from what is known in memory, whatever the database does. */
char *answer_uptime(const struct sessions *sessions, uint64_t now_utc_us);

/**
 * /connection_history: the newest sessions that have ended, in the database or still on their way there, and those that
 * are open.
 *
 * returns  STORE_FINE with *ret_text; else why the database could not be read
 */
enum store_trouble answer_history(struct store *store, const struct sessions *sessions, uint64_t hub_started_utc_us,
                                  uint64_t now_utc_us, char **ret_text);

/** What is said instead, with status 503. */
char *answer_trouble(enum store_trouble trouble);

#endif
