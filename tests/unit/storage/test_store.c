/* test_store - opening what is there, in whatever state it is, and transactions. */
#include "place.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#define NOBODY 65534

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    char *bytes = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(bytes);
    *ret_length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* ---- opening ---- */

static void new_database(void **state)
{
    struct place *place = *state;

    place_open(place);
    assert_int_equal(number_of(place->store->db, "PRAGMA user_version"), STORE_VERSION);
    assert_int_equal(number_of(place->store->db, "PRAGMA application_id"), STORE_APPLICATION_ID);
    assert_fine(put(place, 1, "porch", T0 + S));
    place_close(place);
    assert_false(file_is_there(PLACE_DB "-wal"));
    place_open(place);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
}

static void empty_file_is_a_new_database(void **state)
{
    struct place *place = *state;

    write_file(PLACE_DB, "", 0);
    place_open(place);
    assert_int_equal(number_of(place->store->db, "PRAGMA user_version"), STORE_VERSION);
}

static void settings(void **state)
{
    static const struct {
        const char *sql;
        int64_t value;
    } PRAGMAS[] = {
        {"PRAGMA synchronous", 1},    {"PRAGMA foreign_keys", 1},
        {"PRAGMA busy_timeout", 0},   {"PRAGMA journal_size_limit", 4194304},
        {"PRAGMA trusted_schema", 0}, {"SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1},
        {"PRAGMA query_only", 0},
    };
    struct place *place = *state;
    struct store_conf full = {.path = PLACE_DB, .is_sync_full = true};

    place_open(place);
    for (size_t i = 0; i < ARRAY_LEN(PRAGMAS); i++) {
        if (number_of(place->store->db, PRAGMAS[i].sql) != PRAGMAS[i].value)
            fail_msg("%s", PRAGMAS[i].sql);
    }
    place_close(place);
    assert_fine(store_open(&full, &place->store, place->why));
    assert_int_equal(number_of(place->store->db, "PRAGMA synchronous"), 2);
}

static void no_such_folder(void **state)
{
    struct place *place = *state;
    struct store_conf conf = {.path = "nowhere/history.db"};

    assert_int_equal(store_open(&conf, &place->store, place->why), STORE_BROKEN);
    assert_null(place->store);
    assert_non_null(strstr(place->why, "No such file or directory"));
    assert_non_null(strstr(place->why, "nowhere/history.db"));
}

static void long_path_cuts_the_sentence(void **state)
{
    struct place *place = *state;
    char path[600];

    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(store_open(&(struct store_conf){.path = path}, &place->store, place->why), STORE_BROKEN);
    assert_int_equal(strlen(place->why), STORE_WHY_ROOM - 1);
    assert_int_equal(strncmp(place->why, "cannot open it: ", 16), 0);
}

static void garbage_is_corrupt(void **state)
{
    struct place *place = *state;
    char garbage[8192];

    memset(garbage, 'g', sizeof garbage);
    write_file(PLACE_DB, garbage, sizeof garbage);
    assert_int_equal(place_try(place), STORE_CORRUPT);
    assert_null(place->store);
    assert_non_null(strstr(place->why, "file is not a database"));
}

static void damaged_page_is_corrupt(void **state)
{
    struct place *place = *state;
    char page[4096];
    int fd;

    place_open(place);
    for (uint64_t i = 1; i <= 2000; i++)
        assert_fine(put(place, i, "porch", T0 + i * S));
    place_close(place);
    memset(page, 0xee, sizeof page);
    fd = open(PLACE_DB, O_WRONLY | O_CLOEXEC);
    for (int i = 10; i < 40; i++)
        assert_int_equal(pwrite(fd, page, sizeof page, i * 4096), 4096);
    close(fd);
    place_open(place); /* only what is read is looked at */
    assert_fine(store_begin(place->store));
    for (uint64_t i = 1; i <= 2000; i++) {
        enum store_trouble trouble = put(place, i, "yard", T0 + i * S);

        if (trouble != STORE_FINE) {
            assert_int_equal(trouble, STORE_CORRUPT);
            assert_non_null(strstr(store_why(place->store), "cannot write a session: "));
            return;
        }
    }
    fail_msg("nobody noticed");
}

/* A database that is not for us: its bytes must stay what they are. */
static void assert_left_alone(struct place *place, const char *sql, const char *why)
{
    sqlite3 *db = open_raw(PLACE_DB);
    char *before, *after;
    size_t before_bytes, after_bytes;

    run_sql(db, sql);
    sqlite3_close(db);
    before = read_file(PLACE_DB, &before_bytes);
    assert_int_equal(place_try(place), STORE_FOREIGN);
    assert_null(place->store);
    if (strstr(place->why, why) == NULL)
        fail_msg("%s", place->why);
    after = read_file(PLACE_DB, &after_bytes);
    assert_int_equal(before_bytes, after_bytes);
    assert_memory_equal(before, after, before_bytes);
    assert_false(file_is_there(PLACE_DB "-wal"));
    free(before);
    free(after);
    unlink(PLACE_DB);
}

static void foreign_is_left_alone(void **state)
{
    struct place *place = *state;
    static const char THEIRS[] = "another program";

    assert_left_alone(place, "CREATE TABLE t (x)", THEIRS);
    assert_left_alone(place, "PRAGMA journal_mode = WAL; CREATE TABLE t (x)", THEIRS);
    assert_left_alone(place, "PRAGMA user_version = 2; CREATE TABLE session (x)", THEIRS);
    assert_left_alone(place, "PRAGMA application_id = 7", THEIRS);
    assert_left_alone(place, "PRAGMA application_id = 0x74687562; CREATE TABLE t (x)", THEIRS);
}

static void newer_is_left_alone(void **state)
{
    assert_left_alone(*state, "PRAGMA application_id = 0x74687562; PRAGMA user_version = 3; CREATE TABLE session (x)",
                      "it has version 3, and this program knows up to 2");
}

static void opening_waits_for_nobody(void **state)
{
    struct place *place = *state;

    place_open(place);
    place_close(place);
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    assert_int_equal(place_try(place), STORE_BUSY);
    assert_non_null(strstr(place->why, "database is locked"));
    sqlite3_close(place->other);
    place->other = NULL;
    place_open(place);
}

/* As a user who may not write; a root that tests may write everything. */
static enum store_trouble open_as_nobody(struct place *place)
{
    bool is_root = geteuid() == 0;
    enum store_trouble trouble;

    assert_true(!is_root || seteuid(NOBODY) == 0);
    trouble = place_try(place);
    assert_true(!is_root || seteuid(0) == 0);
    return trouble;
}

static void file_that_may_not_be_written(void **state)
{
    struct place *place = *state;

    place_open(place);
    place_close(place);
    assert_int_equal(chmod(PLACE_DB, 0444), 0);
    assert_int_equal(chmod(".", 0777), 0);
    assert_int_equal(open_as_nobody(place), STORE_READ_ONLY);
    assert_non_null(strstr(place->why, "may not be written"));
}

static void folder_that_may_not_be_written(void **state)
{
    struct place *place = *state;

    assert_int_equal(chmod(".", 0555), 0);
    assert_int_equal(open_as_nobody(place), STORE_READ_ONLY);
    assert_int_equal(chmod(".", 0777), 0);
    place_open(place);
    place_close(place);
    assert_int_equal(chmod(PLACE_DB, 0666), 0);
    assert_int_equal(chmod(".", 0555), 0);
    assert_int_equal(open_as_nobody(place), STORE_READ_ONLY);
    assert_non_null(strstr(place->why, "(code 1544)")); /* SQLITE_READONLY_DIRECTORY */
    assert_int_equal(chmod(".", 0700), 0);
}

/* ---- readers ---- */

static enum store_trouble try_reading(struct place *place)
{
    return store_open(&(struct store_conf){.path = PLACE_DB, .is_read_only = true}, &place->store, place->why);
}

static void reader_changes_nothing(void **state)
{
    struct place *place = *state;

    assert_int_equal(try_reading(place), STORE_BROKEN);
    assert_false(file_is_there(PLACE_DB));
    place_open(place);
    place_close(place);
    assert_fine(try_reading(place));
    assert_int_equal(put(place, 1, "porch", T0 + S), STORE_READ_ONLY);
    assert_non_null(strstr(store_why(place->store), "cannot write a session: "));
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 0);
    place_close(place);
    assert_false(file_is_there(PLACE_DB "-wal"));
    assert_false(file_is_there(PLACE_DB "-shm"));
}

static void reader_beside_a_writer(void **state)
{
    struct place *place = *state;
    struct place writer = {.store = NULL};

    place_open(&writer);
    assert_fine(put(&writer, 1, "porch", T0 + S));
    assert_fine(store_begin(writer.store));
    assert_fine(put(&writer, 2, "porch", T0 + S));
    assert_fine(try_reading(place));
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    assert_fine(store_commit(writer.store));
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 2);
    place_close(&writer);
}

/* ---- transactions ---- */

static void transactions(void **state)
{
    struct place *place = *state;

    assert_fine(store_begin(place->store));
    assert_fine(put(place, 1, "porch", T0 + S));
    store_rollback(place->store);
    store_rollback(place->store);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 0);
    assert_fine(store_begin(place->store));
    assert_int_equal(store_begin(place->store), STORE_BROKEN); /* our bug, but nothing is lost */
    assert_fine(put(place, 1, "porch", T0 + S));
    assert_fine(store_commit(place->store));
    assert_int_equal(store_commit(place->store), STORE_BROKEN);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    assert_fine(store_begin(place->store));
    assert_fine(put(place, 2, "porch", T0 + S));
    place_close(place); /* rolls back */
    place_open(place);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    store_close(NULL);
}

static void busy(void **state)
{
    struct place *place = *state;
    static const char *const LOCKS[] = {"BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"};

    place->other = open_raw(PLACE_DB);
    for (size_t i = 0; i < ARRAY_LEN(LOCKS); i++) {
        run_sql(place->other, LOCKS[i]);
        assert_int_equal(store_begin(place->store), STORE_BUSY);
        assert_string_equal(store_why(place->store),
                            "cannot begin a transaction: database is locked (code 5): " PLACE_DB);
        assert_int_equal(put(place, 1, "porch", T0 + S), STORE_BUSY);
        run_sql(place->other, "ROLLBACK");
        assert_fine(put(place, 1, "porch", T0 + S));
    }
}

static void commit_survives_a_crash(void **state)
{
    struct place *place = *state;

    assert_fine(store_begin(place->store));
    assert_fine(put(place, 1, "porch", T0 + S));
    assert_fine(store_commit(place->store));
    assert_int_equal(system("mkdir crash && cp " PLACE_DB "* crash"), 0); /* what a killed process leaves behind */
    assert_int_equal(chdir("crash"), 0);
    place_close(place);
    place_open(place);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
}

/* ---- a full disk ---- */

static enum store_trouble put_until_trouble(struct place *place)
{
    enum store_trouble trouble = store_begin(place->store);

    for (uint64_t i = 1; i <= 20000 && trouble == STORE_FINE; i++)
        trouble = put(place, i, "porch", T0 + i * S);
    return trouble != STORE_FINE ? trouble : store_commit(place->store);
}

static void full_by_pages(void **state)
{
    struct place *place = *state;

    assert_fine(put(place, 1, "porch", T0 + S));
    run_sql(place->store->db, "PRAGMA max_page_count = 20");
    assert_int_equal(put_until_trouble(place), STORE_FULL);
    assert_non_null(strstr(store_why(place->store), "cannot write a session: database or disk is full"));
    store_rollback(place->store);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    run_sql(place->store->db, "PRAGMA max_page_count = 10000");
    assert_fine(put_until_trouble(place)); /* there is room again */
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 20000);
}

static void full_by_a_limit_of_files(void **state)
{
    struct place *place = *state;
    struct rlimit old, small;

    assert_fine(put(place, 1, "porch", T0 + S));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 200000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(put_until_trouble(place), STORE_FULL);
    store_rollback(place->store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    assert_fine(put_until_trouble(place));
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE_OF("a new database, opened again", place_setup, new_database),
        CASE_OF("an empty file becomes a database", place_setup, empty_file_is_a_new_database),
        CASE_OF("settings of a connection", place_setup, settings),
        CASE_OF("no such folder", place_setup, no_such_folder),
        CASE_OF("a long path cuts the sentence", place_setup, long_path_cuts_the_sentence),
        CASE_OF("garbage is corrupt", place_setup, garbage_is_corrupt),
        CASE_OF("damaged pages are corrupt", place_setup, damaged_page_is_corrupt),
        CASE_OF("foreign databases are left alone", place_setup, foreign_is_left_alone),
        CASE_OF("newer databases are left alone", place_setup, newer_is_left_alone),
        CASE_OF("opening waits for nobody", place_setup, opening_waits_for_nobody),
        CASE_OF("a file that may not be written", place_setup, file_that_may_not_be_written),
        CASE_OF("a folder that may not be written", place_setup, folder_that_may_not_be_written),
        CASE_OF("a reader changes nothing", place_setup, reader_changes_nothing),
        CASE_OF("a reader beside a writer", place_setup, reader_beside_a_writer),
        CASE_OF("transactions", place_setup_open, transactions),
        CASE_OF("busy", place_setup_open, busy),
        CASE_OF("what was committed survives a crash", place_setup_open, commit_survives_a_crash),
        CASE_OF("full, by number of pages", place_setup_open, full_by_pages),
        CASE_OF("full, by a limit of the system", place_setup_open, full_by_a_limit_of_files),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
