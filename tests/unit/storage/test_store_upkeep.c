/* test_store_upkeep - trimming, checkpoints beside readers, copies beside writers, and setting aside. */
#include "place.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#define EVERYTHING UINT64_MAX

static void put_photo(struct place *place, const char *camera, uint64_t seconds)
{
    assert_fine(store_put_photo(
        place->store,
        &(struct store_photo){.camera = camera, .arrived_utc_us = T0 + seconds * S, .jpeg = "jpeg", .jpeg_bytes = 4}));
}

/* Sessions that ended 1..10 s after T0, two open ones, and photos of 1..4 s after T0. */
static void fill(struct place *place)
{
    static const char *const CAMERAS[] = {"a", "b", "c", "d"};

    for (uint64_t i = 1; i <= 10; i++)
        assert_fine(put(place, i, "porch", T0 + i * S));
    assert_fine(put(place, 11, "porch", 0));
    assert_fine(put(place, 12, "porch", 0));
    for (size_t i = 0; i < ARRAY_LEN(CAMERAS); i++)
        put_photo(place, CAMERAS[i], i + 1);
}

static void assert_left(struct place *place, const char *sessions, const char *photos)
{
    assert_rows(place->store->db, "SELECT group_concat(number, ' ') FROM (SELECT number FROM session ORDER BY number)",
                sessions);
    assert_rows(place->store->db, "SELECT group_concat(camera, ' ') FROM (SELECT camera FROM photo ORDER BY camera)",
                photos);
}

static uint64_t trim(struct place *place, uint64_t oldest_s, uint64_t sessions, uint64_t photos, uint64_t delete_max)
{
    struct store_retention retention = {
        .oldest_utc_us = T0 + oldest_s * S, .sessions_max_count = sessions, .photos_max_count = photos};
    uint64_t deleted = 99;

    assert_fine(store_trim(place->store, &retention, delete_max, &deleted));
    return deleted;
}

static void trimming_by_age(void **state)
{
    struct place *place = *state;

    fill(place);
    assert_int_equal(trim(place, 0, EVERYTHING, EVERYTHING, 100), 0);
    assert_int_equal(trim(place, 3, EVERYTHING, EVERYTHING, 100), 4); /* what is just as old stays */
    assert_left(place, "3 4 5 6 7 8 9 10 11 12\n", "c d\n");
    assert_int_equal(trim(place, 1000, EVERYTHING, EVERYTHING, 100), 10);
    assert_left(place, "11 12\n", "NULL\n");
}

static void trimming_by_number(void **state)
{
    struct place *place = *state;

    fill(place);
    assert_int_equal(trim(place, 0, 12, 4, 100), 0);
    assert_int_equal(trim(place, 0, 7, 1, 100), 8);
    assert_left(place, "6 7 8 9 10 11 12\n", "d\n");
    assert_int_equal(trim(place, 0, 1, 0, 100), 6); /* open sessions stay, however many */
    assert_left(place, "11 12\n", "NULL\n");
}

static void trimming_in_steps(void **state)
{
    struct place *place = *state;
    uint64_t steps = 0;

    fill(place);
    assert_int_equal(trim(place, 3, 5, 1, 0), 0);
    while (trim(place, 3, 5, 1, 2) == 2)
        steps++;
    assert_int_equal(steps, 5); /* 2 + 2 by age, then 5 + 1 by number */
    assert_left(place, "8 9 10 11 12\n", "d\n");
}

static void trimming_when_busy(void **state)
{
    struct place *place = *state;
    struct store_retention retention = {.oldest_utc_us = T0 + 100 * S};
    uint64_t deleted = 99;

    fill(place);
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "BEGIN IMMEDIATE");
    assert_int_equal(store_trim(place->store, &retention, 10, &deleted), STORE_BUSY);
    assert_int_equal(deleted, 99);
    run_sql(place->other, "ROLLBACK");
    assert_fine(store_trim(place->store, &retention, 10, &deleted));
    assert_int_equal(deleted, 10);
}

static void trimming_that_fails(void **state)
{
    struct place *place = *state;
    struct store_retention retention = {.oldest_utc_us = T0 + 100 * S};
    uint64_t deleted = 99;

    fill(place);
    run_sql(place->store->db, "CREATE TRIGGER t BEFORE DELETE ON photo BEGIN SELECT RAISE(ABORT, 'not this'); END");
    assert_int_equal(store_trim(place->store, &retention, 100, &deleted), STORE_BROKEN);
    assert_non_null(strstr(store_why(place->store), "cannot delete old photos: not this"));
    assert_left(place, "1 2 3 4 5 6 7 8 9 10 11 12\n", "a b c d\n");
    assert_fine(store_begin(place->store)); /* its own transaction is over */
}

/* ---- the write-ahead log ---- */

static uint64_t wal_bytes(struct place *place)
{
    uint64_t database_bytes, bytes;

    store_sizes(place->store, &database_bytes, &bytes);
    return bytes;
}

static void write_a_lot(struct place *place)
{
    assert_fine(store_begin(place->store));
    for (uint64_t i = 1; i <= 3000; i++)
        assert_fine(put(place, i, "porch", T0 + i * S));
    assert_fine(store_commit(place->store));
}

static void sizes(void **state)
{
    struct place *place = *state;
    uint64_t database_bytes, bytes;
    struct stat status;

    write_a_lot(place);
    store_sizes(place->store, &database_bytes, &bytes);
    assert_int_equal(stat(PLACE_DB, &status), 0);
    assert_int_equal(database_bytes, status.st_size);
    assert_int_equal(stat(PLACE_DB "-wal", &status), 0);
    assert_int_equal(bytes, status.st_size);
    assert_true(bytes > 100000);
    unlink(PLACE_DB "-wal");
    unlink(PLACE_DB);
    store_sizes(place->store, &database_bytes, &bytes);
    assert_int_equal(database_bytes, 0);
    assert_int_equal(bytes, 0);
}

static void checkpoint(void **state)
{
    struct place *place = *state;

    write_a_lot(place);
    assert_true(wal_bytes(place) > 0);
    assert_fine(store_checkpoint(place->store));
    assert_int_equal(wal_bytes(place), 0);
}

static void checkpoint_beside_a_reader(void **state)
{
    struct place *place = *state;
    uint64_t kept_bytes;

    assert_fine(put(place, 1, "porch", T0 + S));
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "BEGIN; SELECT count(*) FROM session");
    write_a_lot(place);
    assert_int_equal(store_checkpoint(place->store), STORE_BUSY);
    kept_bytes = wal_bytes(place);
    assert_true(kept_bytes > 100000);
    write_a_lot(place);
    assert_true(wal_bytes(place) >= kept_bytes);
    assert_int_equal(number_of(place->other, "SELECT count(*) FROM session"), 1); /* as when it began */
    run_sql(place->other, "COMMIT");
    assert_fine(store_checkpoint(place->store));
    assert_int_equal(wal_bytes(place), 0);
    assert_int_equal(number_of(place->other, "SELECT count(*) FROM session"), 3000);
}

static void checkpoint_beside_a_writer(void **state)
{
    struct place *place = *state;

    write_a_lot(place);
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "BEGIN IMMEDIATE");
    assert_int_equal(store_checkpoint(place->store), STORE_BUSY);
    run_sql(place->other, "COMMIT");
    assert_fine(store_checkpoint(place->store));
}

/* ---- copies ---- */

static void assert_whole(const char *path, int64_t session_count)
{
    sqlite3 *copy = open_raw(path);

    assert_rows(copy, "PRAGMA integrity_check", "ok\n");
    assert_rows(copy, "PRAGMA journal_mode", "delete\n");
    assert_int_equal(number_of(copy, "SELECT count(*) FROM session"), session_count);
    sqlite3_close(copy);
}

static void backup_beside_a_writer(void **state)
{
    struct place *place = *state;
    struct stat status;

    write_a_lot(place);
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "BEGIN IMMEDIATE; DELETE FROM session WHERE number > 10");
    assert_fine(store_backup(place->store, "copy.db"));
    run_sql(place->other, "COMMIT");
    assert_fine(store_backup(place->store, "later.db"));
    assert_whole("copy.db", 3000);
    assert_whole("later.db", 10);
    assert_int_equal(stat("copy.db", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_false(file_is_there("copy.db-wal"));
    assert_false(file_is_there("copy.db-journal"));
}

static void backup_is_used_in_place(void **state)
{
    struct place *place = *state;

    write_a_lot(place);
    assert_fine(store_backup(place->store, "copy.db"));
    assert_fine(put(place, 9999, "later", T0));
    place_close(place);
    assert_int_equal(system("cp copy.db " PLACE_DB "; rm -f " PLACE_DB "-wal " PLACE_DB "-shm"), 0);
    place_open(place);
    assert_rows(place->store->db, "PRAGMA journal_mode", "wal\n");
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 3000);
}

static void backup_by_a_reader(void **state)
{
    struct place *place = *state;
    struct store_conf conf = {.path = PLACE_DB, .is_read_only = true};

    write_a_lot(place);
    place_close(place);
    assert_fine(store_open(&conf, &place->store, place->why));
    assert_fine(store_backup(place->store, "copy.db"));
    assert_whole("copy.db", 3000);
}

static void backup_overwrites_nothing(void **state)
{
    struct place *place = *state;
    char bytes[8] = "";
    int fd = open("mine", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert_int_equal(write(fd, "precious", 8), 8);
    assert_int_equal(store_backup(place->store, "mine"), STORE_BROKEN);
    assert_string_equal(store_why(place->store), "cannot make mine: File exists: " PLACE_DB);
    assert_int_equal(pread(fd, bytes, 8, 0), 8);
    assert_memory_equal(bytes, "precious", 8);
    close(fd);
    assert_int_equal(symlink("mine2", "link"), 0);
    assert_int_equal(store_backup(place->store, "link"), STORE_BROKEN);
    assert_int_equal(store_backup(place->store, "nowhere/copy.db"), STORE_BROKEN);
}

static void failed_backup_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct rlimit old, small;

    write_a_lot(place);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 100000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(store_backup(place->store, "copy.db"), STORE_FULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(store_why(place->store), "cannot copy it: "));
    assert_false(file_is_there("copy.db"));
    assert_false(file_is_there("copy.db-journal"));
    assert_fine(store_backup(place->store, "copy.db"));
    assert_whole("copy.db", 3000);
}

/* ---- setting aside ---- */

static size_t count_files(const char *ending)
{
    DIR *folder = opendir(".");
    struct dirent *entry;
    size_t count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name), ending_length = strlen(ending);

        count += strstr(entry->d_name, ".corrupt-") != NULL && length > ending_length &&
                 strcmp(entry->d_name + length - ending_length, ending) == 0;
    }
    closedir(folder);
    return count;
}

static void make(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_holds(const char *name, const char *part, const char *text)
{
    char path[128], got[16] = "";
    FILE *file;

    snprintf(path, sizeof path, "%s%s", name, part);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(got, 1, sizeof got - 1, file) > 0);
    fclose(file);
    assert_string_equal(got, text);
}

static void setting_aside(void **state)
{
    struct place *place = *state;
    char names[3][96];

    for (int i = 0; i < 3; i++) { /* within one second, as a rule */
        char text[8];

        snprintf(text, sizeof text, "db%d", i);
        make(PLACE_DB, text);
        if (i != 1) {
            make(PLACE_DB "-wal", "wal");
            make(PLACE_DB "-shm", "shm");
        }
        assert_fine(store_set_aside(PLACE_DB, names[i], sizeof names[i]));
        assert_int_equal(strncmp(names[i], PLACE_DB ".corrupt-20", 21), 0);
        assert_false(file_is_there(PLACE_DB));
        assert_false(file_is_there(PLACE_DB "-wal"));
        assert_false(file_is_there(PLACE_DB "-shm"));
    }
    assert_holds(names[0], "", "db0");
    assert_holds(names[1], "", "db1");
    assert_holds(names[2], "", "db2");
    assert_holds(names[2], "-wal", "wal");
    assert_holds(names[2], "-shm", "shm");
    assert_int_equal(count_files("-wal"), 2);
    place_open(place); /* a new one has the place */
}

static void nothing_to_set_aside(void **state)
{
    char name[96];

    (void)state;
    assert_int_equal(store_set_aside(PLACE_DB, name, sizeof name), STORE_BROKEN);
    assert_int_equal(count_files(""), 0);
    make(PLACE_DB, "x");
    assert_int_equal(store_set_aside(PLACE_DB, name, 12), STORE_BROKEN); /* no room for the name */
    assert_true(file_is_there(PLACE_DB));
    assert_int_equal(store_set_aside("nowhere/" PLACE_DB, name, sizeof name), STORE_BROKEN);
}

static void folder_that_may_not_be_written(void **state)
{
    bool is_root = geteuid() == 0;
    enum store_trouble trouble;
    char name[96];

    (void)state;
    make(PLACE_DB, "x");
    assert_int_equal(chmod(".", 0555), 0);
    assert_true(!is_root || seteuid(65534) == 0);
    trouble = store_set_aside(PLACE_DB, name, sizeof name);
    assert_true(!is_root || seteuid(0) == 0);
    assert_int_equal(chmod(".", 0700), 0);
    assert_int_equal(trouble, STORE_READ_ONLY);
    assert_true(file_is_there(PLACE_DB));
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE_OF("trimming by age", place_setup_open, trimming_by_age),
        CASE_OF("trimming by number", place_setup_open, trimming_by_number),
        CASE_OF("trimming in steps", place_setup_open, trimming_in_steps),
        CASE_OF("trimming when busy", place_setup_open, trimming_when_busy),
        CASE_OF("trimming that fails", place_setup_open, trimming_that_fails),
        CASE_OF("sizes", place_setup_open, sizes),
        CASE_OF("a checkpoint empties the log", place_setup_open, checkpoint),
        CASE_OF("a checkpoint beside a reader", place_setup_open, checkpoint_beside_a_reader),
        CASE_OF("a checkpoint beside a writer", place_setup_open, checkpoint_beside_a_writer),
        CASE_OF("a copy while another writes", place_setup_open, backup_beside_a_writer),
        CASE_OF("a copy takes the place of the database", place_setup_open, backup_is_used_in_place),
        CASE_OF("a copy by a reader", place_setup_open, backup_by_a_reader),
        CASE_OF("a copy overwrites nothing", place_setup_open, backup_overwrites_nothing),
        CASE_OF("a copy that fails leaves nothing", place_setup_open, failed_backup_leaves_nothing),
        CASE_OF("setting aside overwrites nothing", place_setup, setting_aside),
        CASE_OF("nothing to set aside", place_setup, nothing_to_set_aside),
        CASE_OF("setting aside in a folder that may not be written", place_setup, folder_that_may_not_be_written),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
