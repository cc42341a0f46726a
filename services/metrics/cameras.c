/* cameras - see cameras.h.
 *
 * Invariants
 *   C1  a worker counts a camera's pictures from 1 and tells them in that order; a count that is not above the one it
 *       told before is a repeat. Unless the picture is younger than all it told: then the worker had forgotten the
 *       camera and counts anew
 *   C2  a slot belongs to one worker at a time, so a camera has at most SLOT_MAX shares, and what a worker that is gone
 *       had counted is one number
 *   C3  no arrival is later than the clock that was told last */
#include "cameras.h"

#include <stdlib.h>

#include "camera_table.h"

struct cameras {
    struct camera_table *table; /* struct camera */
    uint64_t now_utc_us;
};

struct cameras *cameras_new(uint32_t cameras_max)
{
    struct cameras *cameras = calloc(1, sizeof *cameras);

    if (cameras == NULL)
        return NULL;
    cameras->table = camera_table_new(cameras_max, UINT64_MAX, free);
    if (cameras->table == NULL) {
        free(cameras);
        return NULL;
    }
    return cameras;
}

void cameras_free(struct cameras *cameras)
{
    if (cameras == NULL)
        return;
    camera_table_free(cameras->table);
    free(cameras);
}

static void move_back(uint64_t *utc_us, uint64_t by_us)
{
    *utc_us = *utc_us > by_us ? *utc_us - by_us : 0;
}

void cameras_set_clock(struct cameras *cameras, uint64_t now_utc_us)
{
    uint64_t back_us = cameras->now_utc_us > now_utc_us ? cameras->now_utc_us - now_utc_us : 0;
    struct camera_entry *entry = back_us > 0 ? camera_table_oldest(cameras->table) : NULL;

    cameras->now_utc_us = now_utc_us;
    for (; entry != NULL; entry = entry->newer) {
        struct camera *camera = entry->value;

        move_back(&entry->arrived_utc_us, back_us); /* all alike, so the table's order stays */
        for (unsigned i = 0; i < camera->window.count; i++)
            move_back(&camera->window.frames[i].arrived_utc_us, back_us);
    }
}

/* Notes in the share that the worker told this. Returns whether it is news. */
static bool count_in(struct camera *camera, uint64_t slot, uint64_t origin, const struct msg_photo_stored *photo)
{
    struct camera_share *share = &camera->shares[slot];
    bool same = share->origin == origin, higher = photo->count > share->count;

    if (same && !higher && photo->arrived_utc_us <= share->newest_utc_us)
        return false;
    if (!same || !higher) { /* C2, or C1: it counts anew */
        camera->gone_count += share->count;
        *share = (struct camera_share){.origin = origin};
    }
    share->count = photo->count;
    if (photo->arrived_utc_us > share->newest_utc_us)
        share->newest_utc_us = photo->arrived_utc_us;
    return true;
}

bool cameras_take(struct cameras *cameras, uint64_t slot, uint64_t origin, const struct msg_photo_stored *photo)
{
    struct video_frame frame = {.arrived_utc_us = photo->arrived_utc_us,
                                .bytes = (uint32_t)photo->bytes,
                                .processing_us = (uint32_t)photo->processing_us,
                                .width = (uint16_t)photo->width,
                                .height = (uint16_t)photo->height};
    struct camera_entry *entry = camera_table_find(cameras->table, photo->camera);
    struct camera *camera = entry != NULL ? entry->value : calloc(1, sizeof *camera);

    if (camera == NULL || !count_in(camera, slot, origin, photo))
        return false;
    if (frame.arrived_utc_us > cameras->now_utc_us)
        frame.arrived_utc_us = cameras->now_utc_us; /* C3: from before the clock was set back */
    memcpy(camera->name, photo->camera, sizeof camera->name);
    video_window_insert(&camera->window, &frame);
    return camera_table_put(cameras->table, photo->camera, camera_newest_utc_us(camera), camera, sizeof *camera,
                            false) != NULL;
}

const struct camera *cameras_find(const struct cameras *cameras, const char *name)
{
    const struct camera_entry *entry = camera_table_find(cameras->table, name);

    return entry != NULL ? entry->value : NULL;
}

const struct camera *cameras_newest(const struct cameras *cameras)
{
    const struct camera_entry *entry = camera_table_newest(cameras->table);

    return entry != NULL ? entry->value : NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct camera *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

const struct camera **cameras_by_name(const struct cameras *cameras, size_t *ret_count)
{
    const struct camera **list;
    size_t count = 0;

    for (const struct camera_entry *entry = camera_table_oldest(cameras->table); entry != NULL; entry = entry->newer)
        count++;
    list = malloc((count + 1) * sizeof *list); /* not even no cameras are NULL */
    if (list == NULL)
        return NULL;
    *ret_count = count;
    for (const struct camera_entry *entry = camera_table_oldest(cameras->table); entry != NULL; entry = entry->newer)
        list[--count] = entry->value;
    qsort(list, *ret_count, sizeof *list, by_name);
    return list;
}

uint64_t camera_photo_count(const struct camera *camera)
{
    uint64_t count = camera->gone_count;

    for (unsigned slot = 0; slot < SLOT_MAX; slot++)
        count += camera->shares[slot].count;
    return count;
}

uint64_t camera_newest_utc_us(const struct camera *camera)
{
    return camera->window.frames[camera->window.count - 1].arrived_utc_us;
}

void camera_stats(const struct camera *camera, uint32_t target_interval_ms, struct video_stats *ret_stats)
{
    static const struct video_window EMPTY;

    if (camera != NULL)
        video_stats_compute(&camera->window, camera_photo_count(camera), target_interval_ms, ret_stats);
    else
        video_stats_compute(&EMPTY, 0, target_interval_ms, ret_stats);
}
