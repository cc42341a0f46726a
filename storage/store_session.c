/* store_session - see store.h. */
#include "store_internal.h"

static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC); /* run before our caller returns */
}

enum store_trouble store_put_session(struct store *store, const struct store_session *session)
{
    sqlite3_stmt *put;
    enum store_trouble trouble = store_prepare(store, STATEMENT_put_session, &put);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_int64(put, 1, (sqlite3_int64)session->origin);
    sqlite3_bind_int64(put, 2, (sqlite3_int64)session->number);
    bind_text(put, 3, session->camera);
    bind_text(put, 4, session->address);
    sqlite3_bind_int(put, 5, session->port);
    bind_text(put, 6, session->transport);
    sqlite3_bind_int64(put, 7, store_clamp(session->identified_utc_us));
    sqlite3_bind_int64(put, 8, store_clamp(session->alive_utc_us));
    sqlite3_bind_int64(put, 9, store_clamp(session->ended_utc_us));
    bind_text(put, 10, session->end);
    return store_run(store, STATEMENT_put_session, NULL, NULL);
}

enum store_trouble store_touch_session(struct store *store, struct store_session_id id, uint64_t now_utc_us)
{
    sqlite3_stmt *touch;
    enum store_trouble trouble = store_prepare(store, STATEMENT_touch_session, &touch);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_int64(touch, 1, (sqlite3_int64)id.origin);
    sqlite3_bind_int64(touch, 2, (sqlite3_int64)id.number);
    sqlite3_bind_int64(touch, 3, store_clamp(now_utc_us));
    return store_run(store, STATEMENT_touch_session, NULL, NULL);
}

enum store_trouble store_end_unclaimed(struct store *store, struct store_session_id id, const char *end)
{
    sqlite3_stmt *statement;
    enum store_trouble trouble = store_prepare(store, STATEMENT_end_session, &statement);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id.origin);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)id.number);
    bind_text(statement, 3, end);
    return store_run(store, STATEMENT_end_session, NULL, NULL);
}

/* ---- reading ---- */

struct open_reader {
    bool (*each)(void *user, struct store_session_id id);
    void *user;
};

static bool tell_open(void *user, sqlite3_stmt *row)
{
    struct open_reader *reader = user;

    return reader->each(reader->user, (struct store_session_id){.origin = (uint64_t)sqlite3_column_int64(row, 0),
                                                                .number = (uint64_t)sqlite3_column_int64(row, 1)});
}

enum store_trouble store_each_open(struct store *store, bool (*each)(void *user, struct store_session_id id),
                                   void *user)
{
    struct open_reader reader = {.each = each, .user = user};

    return store_read(store, STATEMENT_open_sessions, tell_open, &reader);
}

struct session_reader {
    bool (*each)(void *user, const struct store_session *session);
    void *user;
    uint64_t told_count;
    bool is_stopped;
};

static bool tell_session(void *user, sqlite3_stmt *row)
{
    struct session_reader *reader = user;
    struct store_session session = {
        .origin = (uint64_t)sqlite3_column_int64(row, 0),
        .number = (uint64_t)sqlite3_column_int64(row, 1),
        .camera = (const char *)sqlite3_column_text(row, 2),
        .address = (const char *)sqlite3_column_text(row, 3),
        .port = (uint16_t)sqlite3_column_int(row, 4),
        .transport = (const char *)sqlite3_column_text(row, 5),
        .identified_utc_us = (uint64_t)sqlite3_column_int64(row, 6),
        .alive_utc_us = (uint64_t)sqlite3_column_int64(row, 7),
        .ended_utc_us = (uint64_t)sqlite3_column_int64(row, 8), /* NULL reads as 0 */
        .end = (const char *)sqlite3_column_text(row, 9),
    };

    reader->told_count++;
    reader->is_stopped = !reader->each(reader->user, &session);
    return !reader->is_stopped;
}

static enum store_trouble list(struct store *store, enum statement id, const struct store_session_query *query,
                               struct session_reader *reader)
{
    sqlite3_stmt *statement;
    enum store_trouble trouble;

    if (reader->is_stopped || (query->max_count != 0 && reader->told_count >= query->max_count))
        return STORE_FINE;
    trouble = store_prepare(store, id, &statement);
    if (trouble != STORE_FINE)
        return trouble;
    bind_text(statement, 1, query->camera);
    sqlite3_bind_int64(statement, 2, store_clamp(query->since_utc_us));
    sqlite3_bind_int64(statement, 3, query->max_count == 0 ? -1 : store_clamp(query->max_count - reader->told_count));
    return store_run(store, id, tell_session, reader);
}

enum store_trouble store_each_session(struct store *store, const struct store_session_query *query,
                                      bool (*each)(void *user, const struct store_session *session), void *user)
{
    struct session_reader reader = {.each = each, .user = user};
    enum store_trouble trouble = STORE_FINE;

    if (!query->is_ended_only)
        trouble = list(store, STATEMENT_list_open, query, &reader);
    if (trouble == STORE_FINE)
        trouble =
            list(store, query->camera == NULL ? STATEMENT_list_ended : STATEMENT_list_ended_of_camera, query, &reader);
    return trouble;
}
