/* place - a private folder with a history.db in it, and another program that uses the same file. */
#ifndef TAGHUB_TEST_PLACE_H
#define TAGHUB_TEST_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_internal.h"

#define S        UINT64_C(1000000)            /* microseconds */
#define T0       UINT64_C(1750000000000000)   /* 2025-06-15 15:06:40 UTC */
#define BIG      UINT64_C(0xfedcba9876543210) /* negative for SQLite */
#define PLACE_DB "history.db"

struct place {
    char folder[32]; /* the current one during a test */
    struct store *store;
    sqlite3 *other;
    char why[STORE_WHY_ROOM];
};

#define assert_fine(call) assert_int_equal((call), STORE_FINE)

static inline void run_sql(sqlite3 *db, const char *sql)
{
    char *error = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
}

/* The first column of the first row. */
static inline int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t number;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* All rows, as "a|b\nc|d\n"; to be freed. */
static inline char *text_of(sqlite3 *db, const char *sql)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_stmt *statement;
    char *all;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *column = (const char *)sqlite3_column_text(statement, i);

            sqlite3_str_appendf(text, "%s%s", i > 0 ? "|" : "", column != NULL ? column : "NULL");
        }
        sqlite3_str_appendall(text, "\n");
    }
    sqlite3_finalize(statement);
    all = sqlite3_str_finish(text);
    return all != NULL ? all : sqlite3_mprintf("");
}

static inline void assert_rows(sqlite3 *db, const char *sql, const char *expected)
{
    char *text = text_of(db, sql);

    assert_string_equal(text, expected);
    sqlite3_free(text);
}

static inline sqlite3 *open_raw(const char *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static inline enum store_trouble place_try(struct place *place)
{
    place->why[0] = '\0';
    return store_open(&(struct store_conf){.path = PLACE_DB}, &place->store, place->why);
}

static inline void place_open(struct place *place)
{
    if (place_try(place) != STORE_FINE)
        fail_msg("%s", place->why);
}

static inline void place_close(struct place *place)
{
    store_close(place->store);
    place->store = NULL;
}

static inline bool file_is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline int place_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    strcpy(place->folder, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_int_equal(chdir(place->folder), 0);
    *state = place;
    return 0;
}

static inline int place_setup_open(void **state)
{
    place_setup(state);
    place_open(*state);
    return 0;
}

static inline int place_teardown(void **state)
{
    struct place *place = *state;
    char command[64];

    store_close(place->store);
    sqlite3_close(place->other);
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

/* A session that came with number and lasted from T0 to its end, or is open. */
static inline struct store_session session_of(uint64_t number, const char *camera, uint64_t ended_utc_us)
{
    return (struct store_session){.origin = BIG,
                                  .number = number,
                                  .camera = camera,
                                  .address = "192.0.2.7",
                                  .transport = "websocket",
                                  .port = 5100,
                                  .identified_utc_us = T0,
                                  .alive_utc_us = ended_utc_us != 0 ? ended_utc_us : T0 + S,
                                  .ended_utc_us = ended_utc_us,
                                  .end = ended_utc_us != 0 ? "closed" : "none"};
}

static inline enum store_trouble put(struct place *place, uint64_t number, const char *camera, uint64_t ended_utc_us)
{
    struct store_session session = session_of(number, camera, ended_utc_us);

    return store_put_session(place->store, &session);
}

#define CASE_OF(text, begin, function)                                                                                 \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = (begin), .teardown_func = place_teardown                \
    }

#endif
