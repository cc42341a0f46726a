/* store_photo - see store.h. */
#include "store_internal.h"

enum store_trouble store_put_photo(struct store *store, const struct store_photo *photo)
{
    sqlite3_stmt *put;
    enum store_trouble trouble = store_prepare(store, STATEMENT_put_photo, &put);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_text(put, 1, photo->camera, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 2, store_clamp(photo->arrived_utc_us));
    sqlite3_bind_int64(put, 3, photo->width);
    sqlite3_bind_int64(put, 4, photo->height);
    sqlite3_bind_blob64(put, 5, photo->jpeg, photo->jpeg_bytes, SQLITE_STATIC);
    return store_run(store, STATEMENT_put_photo, NULL, NULL);
}

struct photo_reader {
    bool (*each)(void *user, const struct store_photo *photo);
    void *user;
};

static bool tell_photo(void *user, sqlite3_stmt *row)
{
    struct photo_reader *reader = user;
    struct store_photo photo = {
        .camera = (const char *)sqlite3_column_text(row, 0),
        .arrived_utc_us = (uint64_t)sqlite3_column_int64(row, 1),
        .width = (uint32_t)sqlite3_column_int64(row, 2),
        .height = (uint32_t)sqlite3_column_int64(row, 3),
        .jpeg = sqlite3_column_blob(row, 4),
        .jpeg_bytes = (size_t)sqlite3_column_bytes(row, 4),
    };

    return reader->each(reader->user, &photo);
}

enum store_trouble store_each_photo(struct store *store, bool (*each)(void *user, const struct store_photo *photo),
                                    void *user)
{
    struct photo_reader reader = {.each = each, .user = user};

    return store_read(store, STATEMENT_list_photos, tell_photo, &reader);
}

enum store_trouble store_find_photo(struct store *store, const char *camera,
                                    bool (*each)(void *user, const struct store_photo *photo), void *user)
{
    struct photo_reader reader = {.each = each, .user = user};
    sqlite3_stmt *statement;
    enum store_trouble trouble = store_prepare(store, STATEMENT_find_photo, &statement);

    if (trouble != STORE_FINE)
        return trouble;
    sqlite3_bind_text(statement, 1, camera, -1, SQLITE_STATIC);
    return store_run(store, STATEMENT_find_photo, tell_photo, &reader);
}
