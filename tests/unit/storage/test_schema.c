/* test_schema - the tables and views, how an old database gets them, and what the statements cost. */
#include "place.h"

#define V1_PATH "tests/unit/storage/schema_v1.sql" /* from the root of the tree, where tests are run */

static char *V1; /* read before the first test leaves the root */

/* Columns, keys and indexes of all tables, and the text of the views. */
static const char *const LOOKS[] = {
    "SELECT t.name, t.type, t.wr, t.strict, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk"
    " FROM pragma_table_list t, pragma_table_xinfo(t.name) c WHERE t.schema = 'main' ORDER BY "
    "t.name, c.cid",
    "SELECT s.name, s.tbl_name, l.\"unique\", l.partial, x.seqno, x.name, x.\"desc\", x.coll, x.key"
    " FROM sqlite_schema s, pragma_index_list(s.tbl_name) l ON l.name = s.name, "
    "pragma_index_xinfo(s.name) x"
    " ORDER BY s.name, x.seqno",
    "SELECT name, sql FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY name",
    "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version",
};

static int read_v1(void **state)
{
    FILE *file = fopen(V1_PATH, "re");
    long length;

    (void)state;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return -1;
    length = ftell(file);
    V1 = calloc(1, (size_t)length + 1);
    rewind(file);
    length -= V1 != NULL ? (long)fread(V1, 1, (size_t)length, file) : 0;
    fclose(file);
    return length == 0 ? 0 : -1;
}

static int forget_v1(void **state)
{
    (void)state;
    free(V1);
    return 0;
}

static void make_v1(void)
{
    sqlite3 *db = open_raw(PLACE_DB);

    run_sql(db, V1);
    sqlite3_close(db);
}

static void migrated_is_like_new(void **state)
{
    struct place *place = *state;
    struct store *fresh;

    make_v1();
    place_open(place);
    assert_fine(store_open(&(struct store_conf){.path = "fresh.db"}, &fresh, place->why));
    for (size_t i = 0; i < ARRAY_LEN(LOOKS); i++) {
        char *expected = text_of(fresh->db, LOOKS[i]);

        assert_true(strlen(expected) > 0);
        assert_rows(place->store->db, LOOKS[i], expected);
        sqlite3_free(expected);
    }
    store_close(fresh);
}

static void migration_keeps_rows(void **state)
{
    struct place *place = *state;

    make_v1();
    place_open(place);
    assert_rows(place->store->db, "SELECT origin, number, camera, ended_utc_us FROM session ORDER BY 1, 2",
                "-1|1|porch|1750000125750000\n-1|2|porch|1750007403000000\n9223372036854775807|1|"
                "Küche|NULL\n");
    assert_rows(place->store->db, "SELECT camera, connected, sessions, has_photo FROM cameras ORDER BY 1",
                "Küche|1|1|0\nporch|0|2|0\n");
}

static void migration_waits_for_nobody(void **state)
{
    struct place *place = *state;

    make_v1();
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");
    assert_int_equal(place_try(place), STORE_BUSY);
    assert_int_equal(number_of(place->other, "PRAGMA user_version"), 1);
    run_sql(place->other, "ROLLBACK");
    place_open(place);
}

static void failed_migration_changes_nothing(void **state)
{
    struct place *place = *state;

    make_v1();
    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "CREATE VIEW latest_photos AS SELECT 1"); /* in the way of the last steps but one */
    assert_int_equal(place_try(place), STORE_BROKEN);
    assert_non_null(strstr(place->why, "cannot bring it up to date: "));
    assert_int_equal(number_of(place->other, "PRAGMA user_version"), 1);
    assert_int_equal(number_of(place->other, "SELECT count(*) FROM sqlite_schema WHERE name = 'photo'"), 0);
    run_sql(place->other, "DROP VIEW latest_photos");
    place_open(place);
}

static void older_is_not_migrated_by_readers(void **state)
{
    struct place *place = *state;
    struct store_conf conf = {.path = PLACE_DB, .is_read_only = true};

    make_v1();
    assert_int_equal(store_open(&conf, &place->store, place->why), STORE_BROKEN);
    assert_non_null(strstr(place->why, "older version"));
    place->other = open_raw(PLACE_DB);
    assert_int_equal(number_of(place->other, "PRAGMA user_version"), 1);
}

/* ---- statements ---- */

static void all_statements_compile(void **state)
{
    struct place *place = *state;
    sqlite3_stmt *statement;

    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        if (store_prepare(place->store, (enum statement)i, &statement) != STORE_FINE)
            fail_msg("%s: %s", STATEMENTS[i].name, store_why(place->store));
        assert_true(strlen(STATEMENTS[i].meaning) > 0);
    }
}

/* Those that are asked while somebody waits, and trimming by age, must find their rows through an index. */
static void no_statement_reads_whole_tables(void **state)
{
    static const enum statement MAY_SCAN[] = {
        STATEMENT_identify,           /* the schema */
        STATEMENT_open_sessions,      /* an index of the open ones alone */
        STATEMENT_list_open,          /* the same */
        STATEMENT_list_photos,        /* all of them are wanted */
        STATEMENT_trim_many_sessions, /* counts the entries of an index */
        STATEMENT_trim_many_photos,   /* the same */
    };
    struct place *place = *state;

    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", STATEMENTS[i].sql);
        char *plan = text_of(place->store->db, sql);
        bool may_scan = false;

        for (size_t k = 0; k < ARRAY_LEN(MAY_SCAN); k++)
            may_scan = may_scan || MAY_SCAN[k] == i;
        if (!may_scan && (strstr(plan, "|SCAN") != NULL || strstr(plan, "TEMP B-TREE") != NULL))
            fail_msg("%s:\n%s", STATEMENTS[i].name, plan);
        if (i != STATEMENT_identify && strstr(plan, "|SCAN session\n") != NULL)
            fail_msg("%s:\n%s", STATEMENTS[i].name, plan);
        sqlite3_free(plan);
        sqlite3_free(sql);
    }
}

/* ---- views ---- */

static void history_view(void **state)
{
    struct place *place = *state;
    struct store_session open = session_of(3, "porch", 0);

    open.alive_utc_us = T0 + 59 * S + 999999;
    assert_fine(put(place, 1, "porch", T0 + 7265 * S + 999999));
    assert_fine(put(place, 2, "porch", T0 - 10 * S)); /* the clock was set back */
    assert_fine(store_put_session(place->store, &open));
    assert_rows(place->store->db, "SELECT * FROM connection_history ORDER BY duration_seconds",
                "porch|websocket|192.0.2.7|5100|2025-06-15 15:06:40|2025-06-15 15:06:30|0|0m "
                "0s|disconnected|closed\n"
                "porch|websocket|192.0.2.7|5100|2025-06-15 15:06:40|NULL|59|0m 59s|connected|none\n"
                "porch|websocket|192.0.2.7|5100|2025-06-15 15:06:40|2025-06-15 17:07:45|7265|121m "
                "5s|disconnected|"
                "closed\n");
}

static void history_view_is_local(void **state)
{
    struct place *place = *state;

    assert_fine(put(place, 1, "porch", T0 + 5 * S));
    setenv("TZ", "XYZ-02:00", 1);
    tzset();
    assert_rows(place->store->db, "SELECT connect_time, disconnect_time FROM connection_history",
                "2025-06-15 17:06:40|2025-06-15 17:06:45\n");
    setenv("TZ", "UTC", 1);
    tzset();
}

static void photo_view(void **state)
{
    struct place *place = *state;
    struct store_photo photo = {.camera = "porch",
                                .arrived_utc_us = T0,
                                .width = 640,
                                .height = 480,
                                .jpeg = "\xff\xd8\xff\xe0",
                                .jpeg_bytes = 4};

    assert_fine(store_put_photo(place->store, &photo));
    assert_rows(place->store->db, "SELECT camera, time, width, height, bytes, hex(jpeg) FROM latest_photos",
                "porch|2025-06-15 15:06:40|640|480|4|FFD8FFE0\n");
    assert_rows(place->store->db, "SELECT age_seconds - (unixepoch('now') - 1750000000) IN (0, -1) FROM latest_photos",
                "1\n");
}

static void cameras_view(void **state)
{
    struct place *place = *state;
    struct store_photo photo = {.camera = "hall",
                                .arrived_utc_us = T0,
                                .width = 640,
                                .height = 480,
                                .jpeg = "\xff\xd8\xff\xe0",
                                .jpeg_bytes = 4};

    assert_fine(put(place, 1, "porch", T0 + 5 * S));
    assert_fine(put(place, 2, "porch", T0 + 9 * S));
    assert_fine(put(place, 3, "yard", T0 + 7 * S));
    assert_fine(put(place, 4, "yard", 0));
    assert_fine(store_put_photo(place->store, &photo));
    photo.camera = "yard";
    photo.arrived_utc_us = T0 + 20 * S;
    assert_fine(store_put_photo(place->store, &photo));
    assert_rows(place->store->db, "SELECT * FROM cameras ORDER BY camera",
                "hall|2025-06-15 15:06:40|2025-06-15 15:06:40|0|0|1\n"
                "porch|2025-06-15 15:06:40|2025-06-15 15:06:49|0|2|0\n"
                "yard|2025-06-15 15:06:40|2025-06-15 15:07:00|1|2|1\n");
}

static void comments_stay_in_the_file(void **state)
{
    struct place *place = *state;

    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view')"
                                                 " AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%-- %'"),
                     0);
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE_OF("a migrated database is like a new one", place_setup, migrated_is_like_new),
        CASE_OF("migration keeps rows", place_setup, migration_keeps_rows),
        CASE_OF("migration waits for nobody", place_setup, migration_waits_for_nobody),
        CASE_OF("a failed migration changes nothing", place_setup, failed_migration_changes_nothing),
        CASE_OF("readers do not migrate", place_setup, older_is_not_migrated_by_readers),
        CASE_OF("all statements compile", place_setup_open, all_statements_compile),
        CASE_OF("no statement reads whole tables", place_setup_open, no_statement_reads_whole_tables),
        CASE_OF("connection_history", place_setup_open, history_view),
        CASE_OF("connection_history has local time", place_setup_open, history_view_is_local),
        CASE_OF("latest_photos", place_setup_open, photo_view),
        CASE_OF("cameras", place_setup_open, cameras_view),
        CASE_OF("comments stay in the file", place_setup_open, comments_stay_in_the_file),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(CASES, read_v1, forget_v1);
}
