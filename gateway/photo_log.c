/* photo_log - see photo_log.h. */
#include "photo_log.h"

#include <stdlib.h>

#include "camera_table.h"

struct camera_log {
    uint64_t count;                                   /* of all times */
    struct msg_photo_stored newest[PHOTO_LOG_NEWEST]; /* number n at n % PHOTO_LOG_NEWEST */
};

struct photo_log {
    struct camera_table *cameras; /* struct camera_log */
};

struct photo_log *photo_log_new(uint32_t cameras_max)
{
    struct photo_log *log = calloc(1, sizeof *log);

    if (log == NULL)
        return NULL;
    log->cameras = camera_table_new(cameras_max, UINT64_MAX, free);
    if (log->cameras == NULL) {
        free(log);
        return NULL;
    }
    return log;
}

void photo_log_free(struct photo_log *log)
{
    if (log == NULL)
        return;
    camera_table_free(log->cameras);
    free(log);
}

const struct msg_photo_stored *photo_log_add(struct photo_log *log, const struct msg_photo_stored *stored)
{
    struct camera_entry *entry = camera_table_find(log->cameras, stored->camera);
    struct camera_log *camera = entry != NULL ? entry->value : calloc(1, sizeof *camera);
    struct msg_photo_stored *kept;

    if (camera == NULL ||
        camera_table_put(log->cameras, stored->camera, stored->arrived_utc_us, camera, sizeof *camera, false) == NULL)
        return NULL;
    camera->count++;
    kept = &camera->newest[camera->count % PHOTO_LOG_NEWEST];
    *kept = *stored;
    kept->count = camera->count;
    return kept;
}

void photo_log_each(const struct photo_log *log, void (*each)(void *user, const struct msg_photo_stored *stored),
                    void *user)
{
    for (const struct camera_entry *entry = camera_table_oldest(log->cameras); entry != NULL; entry = entry->newer) {
        const struct camera_log *camera = entry->value;
        uint64_t first = camera->count > PHOTO_LOG_NEWEST ? camera->count - PHOTO_LOG_NEWEST + 1 : 1;

        for (uint64_t n = first; n <= camera->count; n++)
            each(user, &camera->newest[n % PHOTO_LOG_NEWEST]);
    }
}
