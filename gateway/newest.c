/* newest - see newest.h. */
#include "newest.h"

#include <errno.h>
#include <stdlib.h>

#include <h2o.h>

#include "bus_link.h"

static void free_sighting(void *value)
{
    struct kept_sighting *kept = value;

    if (--kept->references > 0)
        return;
    out_frame_unref(kept->frame);
    free(kept);
}

static void free_photo(void *value)
{
    h2o_mem_release_shared(value);
}

int newest_init(struct newest *newest, const struct hub_conf *conf)
{
    /* sightings are small: cameras times the longest text bounds them well enough */
    newest->sightings = camera_table_new(conf->cameras_max_count, UINT64_MAX, free_sighting);
    newest->tags = camera_table_new(TAGS_MAX, TAGS_BYTES_MAX, free_sighting);
    newest->photos = camera_table_new(conf->cameras_max_count, conf->photo_memory_bytes, free_photo);
    return newest->sightings != NULL && newest->tags != NULL && newest->photos != NULL ? 0 : -ENOMEM;
}

void newest_done(struct newest *newest)
{
    camera_table_free(newest->sightings);
    camera_table_free(newest->tags);
    camera_table_free(newest->photos);
    *newest = (struct newest){0};
}

static void keep_tag(struct newest *newest, struct kept_sighting *kept, uint64_t arrived_utc_us, bool news)
{
    char key[17];

    for (unsigned i = 0; i < 16; i++)
        key[i] = "0123456789abcdef"[kept->frame->key >> 4 * i & 15];
    key[16] = '\0';
    camera_table_put(newest->tags, key, arrived_utc_us, kept, sizeof *kept + kept->frame->length, !news);
}

int newest_keep_sighting(struct newest *newest, const char *camera, const char *tag, uint64_t arrived_utc_us,
                         struct out_frame *frame, bool news)
{
    struct kept_sighting *kept = malloc(sizeof *kept);

    if (kept == NULL)
        return -ENOMEM;
    kept->references = 2;
    kept->frame = out_frame_ref(frame);
    memcpy(kept->camera, camera, strlen(camera) + 1);
    memcpy(kept->tag, tag, strlen(tag) + 1);
    keep_tag(newest, kept, arrived_utc_us, news);
    camera_table_put(newest->sightings, camera, arrived_utc_us, kept, frame->length, !news);
    return 0;
}

int newest_keep_photo(struct newest *newest, const struct msg_photo *photo)
{
    size_t jpeg_bytes = photo->jpeg.length;
    struct kept_photo *kept = h2o_mem_alloc_shared(NULL, sizeof *kept + jpeg_bytes, NULL);

    kept->photo = *photo;
    memcpy(kept + 1, photo->jpeg.bytes, jpeg_bytes);
    kept->photo.jpeg = view_of(kept + 1, jpeg_bytes);
    camera_table_put(newest->photos, photo->camera, photo->arrived_utc_us, kept, sizeof *kept + jpeg_bytes, true);
    return 0;
}

struct view newest_json(const struct kept_sighting *kept)
{
    const struct out_frame *frame = kept->frame;
    uint8_t header[WS_HEADER_MAX];
    size_t header_bytes = 2;

    /* the header's length follows from the frame's, as ws_write_header() chose it */
    while (ws_write_header(header, WS_OPCODE_TEXT, frame->length - header_bytes) != header_bytes)
        header_bytes += header_bytes == 2 ? 2 : 6;
    return view_of(frame->bytes + header_bytes, frame->length - header_bytes);
}

void newest_seed_sightings(const struct newest *newest, struct bus_link *link)
{
    for (const struct camera_entry *entry = camera_table_oldest(newest->sightings); entry != NULL;
         entry = entry->newer) {
        const struct kept_sighting *kept = entry->value;
        struct msg_kept msg = {.arrived_utc_us = entry->arrived_utc_us, .json = newest_json(kept)};

        memcpy(msg.camera, entry->name, sizeof msg.camera);
        memcpy(msg.tag, kept->tag, sizeof msg.tag);
        bus_link_send(link, MSG_kept, &msg);
    }
}

void newest_seed_photos(const struct newest *newest, struct bus_link *link)
{
    for (const struct camera_entry *entry = camera_table_oldest(newest->photos); entry != NULL; entry = entry->newer)
        bus_link_send(link, MSG_photo, &((const struct kept_photo *)entry->value)->photo);
}
