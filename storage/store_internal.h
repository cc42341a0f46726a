/* store_internal - what the files of storage/ share. Nobody else includes it but their tests. */
#ifndef TAGHUB_STORE_INTERNAL_H
#define TAGHUB_STORE_INTERNAL_H

#include "store.h"

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x74687562 /* "thub", as in schema.sql */
#define STORE_VERSION        2          /* of schema.sql */
#define STORE_WHY_ROOM       256

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/** One number for each row of statements.def. */
enum statement {
#define STATEMENT(name, sql, meaning) STATEMENT_##name,
#include "statements.def"
    STATEMENT_COUNT
};

extern const struct statement_desc {
    const char *name, *sql, *meaning;
} STATEMENTS[STATEMENT_COUNT];

struct store {
    sqlite3 *db;
    sqlite3_stmt *prepared[STATEMENT_COUNT]; /* NULL until it is needed */
    char why[STORE_WHY_ROOM];
    char path[]; /* as it was given, for sentences */
};

/* ---- schema.c ---- */

/** What turns a database of this version, 0..STORE_VERSION - 1, into a later one, its user_version included. */
const char *store_migration(int from_version);

/* ---- store_trouble.c ---- */

/**
 * What a result code of SQLite means to us.
 *
 * code          primary or extended
 * system_errno  of sqlite3_system_errno(); read only where SQLite sets it, for SQLITE_IOERR and SQLITE_CANTOPEN
 */
enum store_trouble store_trouble_of_code(int code, int system_errno);
/** What an errno about a file means to us. */
enum store_trouble store_trouble_of_errno(int system_errno);

/* ---- store.c: running statements; each of these writes store->why when it fails ---- */

/**
 * Notes why something could not be done.
 *
 * doing    completes "cannot ..."
 * because  the reason
 * returns  trouble
 */
enum store_trouble store_fail(struct store *store, enum store_trouble trouble, const char *doing, const char *because);
/** As store_fail(), with trouble and reason as a connection tells them; usually that of the store. */
enum store_trouble store_fail_db(struct store *store, sqlite3 *db, const char *doing);

/** Gives a statement to be bound; it is finished by store_run(). */
enum store_trouble store_prepare(struct store *store, enum statement id, sqlite3_stmt **ret_statement);
/**
 * Runs a prepared statement to its end and forgets what was bound.
 *
 * each  is given each row, and ends the run by returning false; NULL for statements without rows
 */
enum store_trouble store_run(struct store *store, enum statement id, bool (*each)(void *user, sqlite3_stmt *row),
                             void *user);
/** Both, for a statement without parameters. */
enum store_trouble store_read(struct store *store, enum statement id, bool (*each)(void *user, sqlite3_stmt *row),
                              void *user);
/** For one without rows, too. */
enum store_trouble store_do(struct store *store, enum statement id);

/** Makes an empty file where there was nothing. Returns 0; -EEXIST; -errno. */
int store_make_file(const char *path, unsigned mode);

/** A number that is too large for the database is as good as the largest. */
static inline sqlite3_int64 store_clamp(uint64_t value)
{
    return value < INT64_MAX ? (sqlite3_int64)value : INT64_MAX;
}

#endif
