/* store_upkeep - see store.h. Trimming, checkpoints, copies, and the setting aside of a damaged database. */
#include "store_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- trimming ---- */

static enum store_trouble delete_some(struct store *store, enum statement id, uint64_t kept, uint64_t *room)
{
    sqlite3_stmt *statement;
    enum store_trouble trouble = store_prepare(store, id, &statement);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_int64(statement, 1, store_clamp(kept));
    sqlite3_bind_int64(statement, 2, store_clamp(*room));
    trouble = store_run(store, id, NULL, NULL);
    if (trouble == STORE_FINE)
        *room -= (uint64_t)sqlite3_changes64(store->db);
    return trouble;
}

enum store_trouble store_trim(struct store *store, const struct store_retention *retention, uint64_t delete_max,
                              uint64_t *ret_deleted)
{
    const struct {
        enum statement id;
        uint64_t kept;
    } STEPS[] = {
        {STATEMENT_trim_old_sessions, retention->oldest_utc_us},
        {STATEMENT_trim_old_photos, retention->oldest_utc_us},
        {STATEMENT_trim_many_sessions, retention->sessions_max_count},
        {STATEMENT_trim_many_photos, retention->photos_max_count},
    };
    uint64_t room = delete_max;
    enum store_trouble trouble = store_begin(store);

    if (trouble != STORE_FINE)
        return trouble;
    for (size_t i = 0; i < ARRAY_LEN(STEPS) && room > 0 && trouble == STORE_FINE; i++)
        trouble = delete_some(store, STEPS[i].id, STEPS[i].kept, &room);
    if (trouble == STORE_FINE)
        trouble = store_commit(store);
    if (trouble == STORE_FINE)
        *ret_deleted = delete_max - room;
    else
        store_rollback(store);
    return trouble;
}

/* ---- files ---- */

enum store_trouble store_checkpoint(struct store *store)
{
    if (sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        return store_fail_db(store, store->db, "empty the write-ahead log");
    return STORE_FINE;
}

static uint64_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

void store_sizes(const struct store *store, uint64_t *ret_database_bytes, uint64_t *ret_wal_bytes)
{
    const char *name = sqlite3_db_filename(store->db, "main");

    *ret_database_bytes = size_of(sqlite3_filename_database(name));
    *ret_wal_bytes = size_of(sqlite3_filename_wal(name));
}

/* ---- a copy ---- */

/* All pages in one step: one read transaction, which others write beside. Done by many steps, it would begin again with
 * every write of theirs. */
static enum store_trouble copy_pages(struct store *store, sqlite3 *copy)
{
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", store->db, "main");
    const char *without_log = STATEMENTS[STATEMENT_use_no_wal].sql; /* the pages say that there is one */

    if (backup != NULL)
        sqlite3_backup_step(backup, -1); /* what it cannot do, _finish() says */
    if (backup == NULL || sqlite3_backup_finish(backup) != SQLITE_OK ||
        sqlite3_exec(copy, without_log, NULL, NULL, NULL) != SQLITE_OK)
        return store_fail_db(store, copy, "copy it");
    return STORE_FINE;
}

enum store_trouble store_backup(struct store *store, const char *path)
{
    sqlite3 *copy = NULL;
    enum store_trouble trouble;
    char doing[STORE_WHY_ROOM];
    int r = store_make_file(path, 0600);

    if (r < 0) {
        snprintf(doing, sizeof doing, "make %s", path);
        return store_fail(store, r == -EEXIST ? STORE_BROKEN : store_trouble_of_errno(-r), doing, strerror(-r));
    }
    if (sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL) == SQLITE_OK)
        trouble = copy_pages(store, copy);
    else
        trouble = store_fail_db(store, copy, "copy it");
    sqlite3_close(copy);
    if (trouble != STORE_FINE)
        unlink(path);
    return trouble;
}

/* ---- setting aside ---- */

/* Finds and reserves a name; of two in one second, the second gets a number more. */
static int choose_name(const char *path, char *ret_name, size_t room)
{
    time_t now = time(NULL);
    struct tm local;
    char stamp[32];
    int r = -EEXIST;

    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime_r(&now, &local));
    for (int i = 1; i < 100 && r == -EEXIST; i++) {
        int length = snprintf(ret_name, room, i == 1 ? "%s.corrupt-%s" : "%s.corrupt-%s-%d", path, stamp, i);

        r = (size_t)length < room ? store_make_file(ret_name, 0600) : -ENAMETOOLONG;
    }
    return r;
}

static int move_part(const char *path, const char *name, const char *part)
{
    char from[PATH_MAX], to[PATH_MAX];
    int r;

    if (snprintf(from, sizeof from, "%s%s", path, part) >= (int)sizeof from ||
        snprintf(to, sizeof to, "%s%s", name, part) >= (int)sizeof to)
        return -ENAMETOOLONG;
    if (access(from, F_OK) < 0)
        return errno == ENOENT ? 0 : -errno;
    r = store_make_file(to, 0600);
    if (r == 0 && rename(from, to) < 0) {
        r = -errno;
        unlink(to);
    }
    return r;
}

/* The database last: a new one beside the old log would take the log for its own, and clear it. */
enum store_trouble store_set_aside(const char *path, char *ret_name, size_t room)
{
    int r = choose_name(path, ret_name, room);

    if (r < 0)
        return store_trouble_of_errno(-r);
    r = move_part(path, ret_name, "-wal");
    if (r == 0)
        r = move_part(path, ret_name, "-shm");
    if (r == 0 && rename(path, ret_name) < 0)
        r = -errno;
    if (r == 0)
        return STORE_FINE;
    unlink(ret_name);
    return store_trouble_of_errno(-r);
}
