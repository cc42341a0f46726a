/* video_json - see video_json.h.
 *
 * cJSON prints a number with 15 digits when that reads back as the same number, which holds for everything that was
 * rounded here. So 4.97 is never 4.9699999999999998. */
#include "video_json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A member that is a rounded number of struct video_stats. */
struct member {
    const char *name;
    size_t offset;
    int decimals;
};

#define MEMBER(name, field, decimals)                                                                                  \
    {                                                                                                                  \
        name, offsetof(struct video_stats, field), decimals                                                            \
    }

static const struct member FPS_MEMBERS[] = {
    MEMBER("fps", current_fps, 2),
    MEMBER("target_fps", target_fps, 1),
};

static const struct member STATS_MEMBERS[] = {
    MEMBER("avg_interval", avg_interval_s, 3),
    MEMBER("min_interval", min_interval_s, 3),
    MEMBER("max_interval", max_interval_s, 3),
    MEMBER("jitter", jitter_s, 3),
    MEMBER("avg_fps", avg_fps, 3),
    MEMBER("target_fps", target_fps, 1),
    MEMBER("min_size", min_bytes, 0),
    MEMBER("max_size", max_bytes, 0),
    MEMBER("avg_processing", avg_processing_ms, 2),
    MEMBER("max_processing", max_processing_ms, 2),
    MEMBER("efficiency", efficiency_percent, 1),
    MEMBER("current_fps", current_fps, 2),
};

/* An object that is being built; one addition that fails fails the whole. */
struct builder {
    cJSON *object;
    bool has_failed;
};

static double rounded(double value, int decimals)
{
    static const double SCALES[] = {1, 10, 100, 1000};

    return round(value * SCALES[decimals]) / SCALES[decimals];
}

static struct builder builder_new(void)
{
    struct builder builder = {.object = cJSON_CreateObject()};

    builder.has_failed = builder.object == NULL;
    return builder;
}

static void add_number(struct builder *builder, const char *name, double value)
{
    builder->has_failed |= cJSON_AddNumberToObject(builder->object, name, value) == NULL;
}

static void add_text(struct builder *builder, const char *name, const char *text)
{
    builder->has_failed |= cJSON_AddStringToObject(builder->object, name, text) == NULL;
}

static cJSON *add_list(struct builder *builder, const char *name)
{
    cJSON *list = cJSON_AddArrayToObject(builder->object, name);

    builder->has_failed |= list == NULL;
    return list;
}

/* Takes the item over; NULL is a failure. */
static void append(struct builder *builder, cJSON *list, cJSON *item)
{
    if (item != NULL && cJSON_AddItemToArray(list, item))
        return;
    cJSON_Delete(item);
    builder->has_failed = true;
}

static char *finish(struct builder *builder)
{
    char *text = builder->has_failed ? NULL : cJSON_PrintUnformatted(builder->object);

    cJSON_Delete(builder->object);
    return text;
}

static void add_members(struct builder *builder, const struct member *members, size_t count,
                        const struct video_stats *stats)
{
    for (size_t i = 0; i < count; i++) {
        double value;

        memcpy(&value, (const char *)stats + members[i].offset, sizeof value);
        add_number(builder, members[i].name, rounded(value, members[i].decimals));
    }
}

static void add_size(struct builder *builder, const struct video_stats *stats)
{
    char resolution[24] = "Unknown";

    if (stats->width > 0)
        snprintf(resolution, sizeof resolution, "%ux%u", stats->width, stats->height);
    add_number(builder, "width", stats->width);
    add_number(builder, "height", stats->height);
    add_text(builder, "resolution", resolution);
}

static void add_interval(struct builder *builder, const struct video_stats *stats)
{
    double target_fps = rounded(stats->target_fps, 1); /* of the rounded one, says the contract */

    add_number(builder, "interval_ms", target_fps > 0 ? trunc(1000 / target_fps) : 0);
}

static void add_stats(struct builder *builder, const struct video_stats *stats)
{
    add_members(builder, STATS_MEMBERS, ARRAY_LEN(STATS_MEMBERS), stats);
    add_number(builder, "avg_size", trunc(stats->avg_bytes));
    add_number(builder, "total_frames", (double)stats->total_frames);
    add_number(builder, "dropped_frames", 0); /* every picture that was stored was told */
    add_text(builder, "recommendation", stats->recommendation);
    add_size(builder, stats);
}

char *video_json_fps(const struct video_stats *stats)
{
    struct builder builder = builder_new();

    add_members(&builder, FPS_MEMBERS, ARRAY_LEN(FPS_MEMBERS), stats);
    add_interval(&builder, stats);
    add_size(&builder, stats);
    return finish(&builder);
}

char *video_json_stats(const struct video_stats *stats)
{
    struct builder builder = builder_new();

    add_stats(&builder, stats);
    return finish(&builder);
}

static void add_intervals(struct builder *builder, const struct video_window *window)
{
    cJSON *list = add_list(builder, "intervals");

    for (unsigned i = 1; i < window->count; i++) {
        uint64_t us = window->frames[i].arrived_utc_us - window->frames[i - 1].arrived_utc_us;

        append(builder, list, cJSON_CreateNumber(rounded((double)us / 1e6, 3)));
    }
}

static cJSON *camera_object(const struct camera *camera, uint32_t target_interval_ms, uint64_t now_utc_us)
{
    uint64_t newest_utc_us = camera_newest_utc_us(camera);
    struct builder builder = builder_new();
    struct video_stats stats;

    camera_stats(camera, target_interval_ms, &stats);
    add_text(&builder, "camera", camera->name);
    add_number(&builder, "last_photo_timestamp", rounded((double)newest_utc_us / 1e6, 3));
    add_number(&builder, "last_photo_age_seconds", rounded((double)(now_utc_us - newest_utc_us) / 1e6, 1));
    add_number(&builder, "fps", rounded(stats.current_fps, 2));
    add_interval(&builder, &stats);
    add_stats(&builder, &stats);
    add_intervals(&builder, &camera->window);
    if (!builder.has_failed)
        return builder.object;
    cJSON_Delete(builder.object);
    return NULL;
}

char *video_json_cameras(const struct camera *const *cameras, size_t count, uint32_t target_interval_ms,
                         uint64_t now_utc_us)
{
    struct builder builder = builder_new();
    cJSON *list;

    add_number(&builder, "now", rounded((double)now_utc_us / 1e6, 3));
    list = add_list(&builder, "cameras");
    for (size_t i = 0; i < count; i++)
        append(&builder, list, camera_object(cameras[i], target_interval_ms, now_utc_us));
    return finish(&builder);
}
