/* database - history.db while things go wrong: opened, closed, set aside and tried again as the trouble requires. */
#ifndef TAGHUB_DATABASE_H
#define TAGHUB_DATABASE_H

#include "run/conf.h"
#include "store.h"

struct database;

/** conf is borrowed. Opens nothing yet. NULL without memory. */
struct database *database_new(const struct hub_conf *conf);
void database_free(struct database *database);

/** The handle, or NULL while it is closed; until the next call of a function below. */
struct store *database_store(const struct database *database);

/**
 * Opens it when it is closed or is better opened anew, and makes its folder if that is missing.
 *
 * ret_is_new  whether it is another one than was open before
 */
enum store_trouble database_open(struct database *database, bool *ret_is_new);

/** Closes it when its files are not those any more that were opened: somebody has deleted or replaced them. */
void database_check_file(struct database *database);

/**
 * Something failed. Rolls back, sets a corrupt database aside, and logs what is new.
 *
 * returns  ms until it is worth trying again
 */
uint32_t database_had_trouble(struct database *database, enum store_trouble trouble, uint64_t now_mono_ms);
/** Everything that was to be written is written. */
void database_is_fine(struct database *database, uint64_t now_mono_ms);

/** STORE_FINE from database_is_fine() to the next trouble. */
enum store_trouble database_trouble(const struct database *database);

#endif
