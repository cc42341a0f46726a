/* store - see store.h. Opening, and the running of statements.
 *
 * Why so careful at the start: the file holds what cannot be had again. What it is, is found out by reading, before
 * anything is written; what is not ours, or newer than we know, is left as it was.
 *
 * Invariants
 *   S1  a handle that store_open() gives out is of a database of STORE_VERSION, in WAL mode
 *   S2  a version is reached in one transaction, in which it was looked at once more: of two programs that open an old
 *       database, one migrates it
 *   S3  between two calls no statement is under way, so that nothing holds a transaction open but store_begin()
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READER_PATIENCE_MS 5000 /* a hub that starts or stops holds the database for a moment */
#define OPENING            "open it"

const struct statement_desc STATEMENTS[STATEMENT_COUNT] = {
#define STATEMENT(row, text, doc) [STATEMENT_##row] = {.name = #row, .sql = (text), .meaning = (doc)},
#include "statements.def"
};

/* ---- what went wrong ---- */

/* The path last: when it is long, it is what may be cut. */
enum store_trouble store_fail(struct store *store, enum store_trouble trouble, const char *doing, const char *because)
{
    snprintf(store->why, sizeof store->why, "cannot %s: %s: %s", doing, because, store->path);
    return trouble;
}

enum store_trouble store_fail_db(struct store *store, sqlite3 *db, const char *doing)
{
    int code = sqlite3_extended_errcode(db), system_errno = sqlite3_system_errno(db);
    int family = code & 0xff;
    char because[160];

    if (system_errno != 0 && (family == SQLITE_IOERR || family == SQLITE_CANTOPEN))
        snprintf(because, sizeof because, "%s (code %d, %s)", sqlite3_errmsg(db), code, strerror(system_errno));
    else
        snprintf(because, sizeof because, "%s (code %d)", sqlite3_errmsg(db), code);
    return store_fail(store, store_trouble_of_code(code, system_errno), doing, because);
}

const char *store_why(const struct store *store)
{
    return store->why;
}

/* ---- statements ---- */

enum store_trouble store_prepare(struct store *store, enum statement id, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt **prepared = &store->prepared[id];

    if (*prepared == NULL &&
        sqlite3_prepare_v3(store->db, STATEMENTS[id].sql, -1, SQLITE_PREPARE_PERSISTENT, prepared, NULL) != SQLITE_OK)
        return store_fail_db(store, store->db, STATEMENTS[id].meaning);
    *ret_statement = *prepared;
    return STORE_FINE;
}

enum store_trouble store_run(struct store *store, enum statement id, bool (*each)(void *user, sqlite3_stmt *row),
                             void *user)
{
    sqlite3_stmt *statement = store->prepared[id];
    enum store_trouble trouble = STORE_FINE;
    int code;

    do
        code = sqlite3_step(statement);
    while (code == SQLITE_ROW && (each == NULL || each(user, statement)));
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        trouble = store_fail_db(store, store->db, STATEMENTS[id].meaning);
    sqlite3_reset(statement); /* S3 */
    sqlite3_clear_bindings(statement);
    return trouble;
}

enum store_trouble store_read(struct store *store, enum statement id, bool (*each)(void *user, sqlite3_stmt *row),
                              void *user)
{
    sqlite3_stmt *statement;
    enum store_trouble trouble = store_prepare(store, id, &statement);

    return trouble != STORE_FINE ? trouble : store_run(store, id, each, user);
}

enum store_trouble store_do(struct store *store, enum statement id)
{
    return store_read(store, id, NULL, NULL);
}

/* ---- transactions ---- */

enum store_trouble store_begin(struct store *store)
{
    return store_do(store, STATEMENT_begin);
}

enum store_trouble store_commit(struct store *store)
{
    return store_do(store, STATEMENT_commit);
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db)) /* some errors have rolled back already */
        store_do(store, STATEMENT_rollback);
}

/* ---- opening ---- */

struct identity {
    int application_id, version, object_count;
};

static bool read_identity(void *user, sqlite3_stmt *row)
{
    struct identity *identity = user;

    identity->application_id = sqlite3_column_int(row, 0);
    identity->version = sqlite3_column_int(row, 1);
    identity->object_count = sqlite3_column_int(row, 2);
    return true;
}

/* The version, 0 for a database with nothing in it, if it is for us to read. */
static enum store_trouble identify(struct store *store, int *ret_version)
{
    struct identity identity = {0};
    char because[96];
    enum store_trouble trouble = store_read(store, STATEMENT_identify, read_identity, &identity);

    if (trouble != STORE_FINE)
        return trouble;
    *ret_version = identity.version;
    if (identity.application_id == 0 && identity.version == 0 && identity.object_count == 0)
        return STORE_FINE;
    if (identity.application_id != STORE_APPLICATION_ID || identity.version < 1)
        return store_fail(store, STORE_FOREIGN, OPENING, "it is a database of another program");
    if (identity.version <= STORE_VERSION)
        return STORE_FINE;
    snprintf(because, sizeof because, "it has version %d, and this program knows up to %d", identity.version,
             STORE_VERSION);
    return store_fail(store, STORE_FOREIGN, OPENING, because);
}

/* S2 */
static enum store_trouble migrate_once(struct store *store, int *version)
{
    enum store_trouble trouble = store_begin(store);

    if (trouble == STORE_FINE)
        trouble = identify(store, version);
    if (trouble == STORE_FINE && *version < STORE_VERSION &&
        sqlite3_exec(store->db, store_migration(*version), NULL, NULL, NULL) != SQLITE_OK)
        trouble = store_fail_db(store, store->db, "bring it up to date");
    if (trouble == STORE_FINE)
        trouble = store_commit(store);
    if (trouble != STORE_FINE)
        store_rollback(store);
    return trouble == STORE_FINE ? identify(store, version) : trouble;
}

static bool is_wal(void *user, sqlite3_stmt *row)
{
    *(bool *)user = strcmp((const char *)sqlite3_column_text(row, 0), "wal") == 0;
    return true;
}

static enum store_trouble use_wal(struct store *store)
{
    bool does = false;
    enum store_trouble trouble = store_read(store, STATEMENT_use_wal, is_wal, &does);

    if (trouble == STORE_FINE && !does)
        trouble = store_fail(store, STORE_BROKEN, OPENING, "there can be no write-ahead log");
    return trouble;
}

static enum store_trouble begin_writing(struct store *store, const struct store_conf *conf, int version)
{
    enum store_trouble trouble = use_wal(store);

    if (trouble == STORE_FINE)
        trouble = store_do(store, STATEMENT_limit_wal);
    if (trouble == STORE_FINE)
        trouble = store_do(store, conf->is_sync_full ? STATEMENT_sync_full : STATEMENT_sync_normal);
    while (trouble == STORE_FINE && version < STORE_VERSION)
        trouble = migrate_once(store, &version);
    return trouble;
}

static enum store_trouble begin_reading(struct store *store, int version)
{
    if (version < STORE_VERSION)
        return store_fail(store, STORE_BROKEN, OPENING, "it is of an older version; the hub updates it when it starts");
    return store_do(store, STATEMENT_only_read);
}

int store_make_file(const char *path, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* Also a reader opens for writing where it may: so that the last one to close takes -wal and -shm away. */
static enum store_trouble open_file(struct store *store, bool may_create)
{
    static const struct {
        int option, value;
    } OPTIONS[] = {
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, /* a file from elsewhere has no side effects */
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0}, /* a misspelt column is not a text */
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int r = may_create ? store_make_file(store->path, 0644) : 0;

    if (r < 0 && r != -EEXIST) /* SQLite would not tell why */
        return store_fail(store, store_trouble_of_errno(-r), OPENING, strerror(-r));
    if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
        return store_fail_db(store, store->db, OPENING);
    if (may_create && sqlite3_db_readonly(store->db, "main") != 0) /* SQLite is content with it */
        return store_fail(store, STORE_READ_ONLY, OPENING, "the file may not be written");
    sqlite3_busy_timeout(store->db, may_create ? 0 : READER_PATIENCE_MS);
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        sqlite3_db_config(store->db, OPTIONS[i].option, OPTIONS[i].value, NULL);
    return STORE_FINE;
}

enum store_trouble store_open(const struct store_conf *conf, struct store **ret_store, char ret_why[STORE_WHY_ROOM])
{
    size_t path_room = strlen(conf->path) + 1;
    struct store *store = calloc(1, sizeof *store + path_room);
    enum store_trouble trouble;
    int version = 0;

    *ret_store = NULL;
    if (store == NULL) {
        snprintf(ret_why, STORE_WHY_ROOM, "cannot " OPENING ": out of memory: %s", conf->path);
        return STORE_BROKEN;
    }
    memcpy(store->path, conf->path, path_room);
    trouble = open_file(store, !conf->is_read_only);
    if (trouble == STORE_FINE)
        trouble = identify(store, &version);
    if (trouble == STORE_FINE)
        trouble = conf->is_read_only ? begin_reading(store, version) : begin_writing(store, conf, version);
    if (trouble == STORE_FINE) {
        *ret_store = store;
        return STORE_FINE;
    }
    memcpy(ret_why, store->why, STORE_WHY_ROOM);
    store_close(store);
    return trouble;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->prepared[i]);
    sqlite3_close(store->db);
    free(store);
}
