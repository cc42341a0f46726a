/* database - see database.h.
 *
 * Invariants
 *   D1  nothing that stands in a file is overwritten or deleted because it cannot be read: a corrupt database is
 *       renamed, one that is not ours stays as it is
 *   D2  every change of state is logged once, however often it is tried again
 */
#include "database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "run/svc.h"

/* A disk that damages whatever is written to it shall not be filled with databases that were set aside. */
#define SET_ASIDE_PAUSE_MS 60000u

/* Which file stands at a path; all 0 for none. */
struct file_id {
    dev_t device;
    ino_t number;
};

struct database {
    const struct hub_conf *conf;
    char path[sizeof((struct hub_conf){0}.state_dir) + sizeof "/history.db"];
    char wal_path[sizeof((struct hub_conf){0}.state_dir) + sizeof "/history.db-wal"];
    struct store *store;
    struct file_id file, wal_file;    /* as they were opened; none when they are known to be gone */
    char why[256];                    /* of the trouble */
    enum store_trouble trouble, told; /* told: in the log, since it was last fine */
    uint64_t troubled_since_mono_ms, same_since_mono_ms, set_aside_mono_ms;
    uint32_t retry_ms;
};

#define RETRY_FIRST_MS 50u

/* What a trouble means for us. */
static const struct policy {
    uint32_t retry_max_ms; /* between two attempts; from RETRY_FIRST_MS it doubles up to this */
    uint32_t patience_ms;  /* it may pass by itself before anybody is told */
    bool reopens;          /* a new handle may do better; until then the old one is good for reading */
    enum log_level level;
} POLICIES[STORE_TROUBLE_COUNT] = {
    [STORE_BUSY] = {.retry_max_ms = 1000, .patience_ms = 1000, .level = LOG_LEVEL_WARNING},
    [STORE_FULL] = {.retry_max_ms = 1000, .level = LOG_LEVEL_ERROR},
    [STORE_READ_ONLY] = {.retry_max_ms = 1000, .level = LOG_LEVEL_ERROR},
    [STORE_CORRUPT] = {.retry_max_ms = 1000, .reopens = true, .level = LOG_LEVEL_ERROR},
    [STORE_FOREIGN] = {.retry_max_ms = 5000, .reopens = true, .level = LOG_LEVEL_ERROR},
    [STORE_BROKEN] = {.retry_max_ms = 1000, .reopens = true, .level = LOG_LEVEL_ERROR},
};

struct database *database_new(const struct hub_conf *conf)
{
    struct database *database = calloc(1, sizeof *database);

    if (database == NULL)
        return NULL;
    database->conf = conf;
    snprintf(database->path, sizeof database->path, "%s/history.db", conf->state_dir);
    snprintf(database->wal_path, sizeof database->wal_path, "%s-wal", database->path);
    return database;
}

static void close_store(struct database *database)
{
    store_close(database->store);
    database->store = NULL;
}

void database_free(struct database *database)
{
    if (database == NULL)
        return;
    close_store(database);
    free(database);
}

struct store *database_store(const struct database *database)
{
    return database->store;
}

enum store_trouble database_trouble(const struct database *database)
{
    return database->trouble;
}

/* ---- files ---- */

static struct file_id file_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return (struct file_id){0};
    return (struct file_id){.device = status.st_dev, .number = status.st_ino};
}

static bool is_same_file(struct file_id a, struct file_id b)
{
    return a.device == b.device && a.number == b.number;
}

void database_check_file(struct database *database)
{
    struct file_id wal_file = file_at(database->wal_path);

    if (database->store == NULL)
        return;
    if (database->wal_file.number == 0)
        database->wal_file = wal_file; /* it is made with the first write */
    if (is_same_file(file_at(database->path), database->file) && is_same_file(wal_file, database->wal_file))
        return;
    log_warn("history_replaced", "path=%s reason=\"somebody has deleted or replaced it; opening what is there now\"",
             log_quote(database->path));
    close_store(database);
    database->file = (struct file_id){0}; /* its number may be given to the next */
}

enum store_trouble database_open(struct database *database, bool *ret_is_new)
{
    const struct store_conf conf = {.path = database->path, .is_sync_full = database->conf->history_sync_full};
    enum store_trouble trouble;
    struct file_id file;
    int r;

    *ret_is_new = false;
    if (database->store != NULL && !POLICIES[database->trouble].reopens)
        return STORE_FINE;
    close_store(database);
    r = svc_make_folder(database->conf->state_dir, 0700);
    if (r < 0) {
        snprintf(database->why, sizeof database->why, "%s: %.180s",
                 r == -EPERM ? "belongs to somebody else, or everybody may write in it" : strerror(-r),
                 database->conf->state_dir);
        return STORE_BROKEN;
    }
    trouble = store_open(&conf, &database->store, database->why);
    file = trouble == STORE_FINE ? file_at(database->path) : (struct file_id){0};
    *ret_is_new = !is_same_file(file, database->file);
    database->file = file;
    database->wal_file = file_at(database->wal_path);
    return trouble;
}

/* D1. Returns whether the way is free for a new one; if not, it is tried again. */
static bool set_aside(struct database *database, uint64_t now_mono_ms)
{
    char name[sizeof database->path + 64];

    close_store(database);
    if (database->set_aside_mono_ms != 0 && now_mono_ms < database->set_aside_mono_ms + SET_ASIDE_PAUSE_MS)
        return false;
    if (store_set_aside(database->path, name, sizeof name) != STORE_FINE)
        return false;
    database->set_aside_mono_ms = now_mono_ms;
    log_error("history_set_aside", "name=%s", log_quote(name));
    return true;
}

/* ---- trouble ---- */

static void tell(struct database *database, uint64_t now_mono_ms)
{
    const struct policy *policy = &POLICIES[database->trouble];

    if (database->told == database->trouble || now_mono_ms < database->same_since_mono_ms + policy->patience_ms)
        return; /* D2 */
    database->told = database->trouble;
    log_write(policy->level, "history_trouble", " trouble=%s reason=%s", store_trouble_name(database->trouble),
              log_quote(database->why));
}

uint32_t database_had_trouble(struct database *database, enum store_trouble trouble, uint64_t now_mono_ms)
{
    if (database->store != NULL) {
        snprintf(database->why, sizeof database->why, "%s", store_why(database->store));
        store_rollback(database->store);
    }
    if (database->trouble == STORE_FINE)
        database->troubled_since_mono_ms = now_mono_ms;
    database->retry_ms *= 2;
    if (database->trouble != trouble) {
        database->same_since_mono_ms = now_mono_ms;
        database->retry_ms = RETRY_FIRST_MS;
    }
    if (database->retry_ms > POLICIES[trouble].retry_max_ms)
        database->retry_ms = POLICIES[trouble].retry_max_ms;
    database->trouble = trouble;
    tell(database, now_mono_ms);
    if (trouble == STORE_CORRUPT && set_aside(database, now_mono_ms))
        return 0;
    return database->retry_ms;
}

void database_is_fine(struct database *database, uint64_t now_mono_ms)
{
    if (database->told != STORE_FINE)
        log_info("history_recovered", "after_ms=%llu",
                 (unsigned long long)(now_mono_ms - database->troubled_since_mono_ms));
    database->trouble = STORE_FINE;
    database->told = STORE_FINE;
}
