/* newest - what a gateway worker knows of each camera: its newest sighting as a ready frame, also of each tag, and its
 * newest photo. */
#ifndef TAGHUB_NEWEST_H
#define TAGHUB_NEWEST_H

#include "camera_table.h"
#include "outbox.h"
#include "run/conf.h"

struct bus_link;

/** Tags remembered, of all cameras together; the one silent longest is forgotten. */
#define TAGS_MAX       512u
#define TAGS_BYTES_MAX 4194304u

struct kept_sighting {
    unsigned references;     /* of tables */
    struct out_frame *frame; /* text frame; the JSON stands behind its header */
    char camera[NAME_BYTES_MAX + 1], tag[TAG_BYTES_MAX + 1];
};

/** Lives in memory that is shared with the replies that send it (h2o_mem_link_shared()). */
struct kept_photo {
    struct msg_photo photo; /* jpeg points behind this struct */
};

struct newest {
    struct camera_table *sightings; /* struct kept_sighting */
    struct camera_table *tags;      /* the same per camera and tag, by the digits of the frame's key */
    struct camera_table *photos;    /* struct kept_photo */
};

/** Returns 0 or -ENOMEM; free with newest_done(), also after an error. */
int newest_init(struct newest *newest, const struct hub_conf *conf);
void newest_done(struct newest *newest);

/** Keeps a sighting; `frame` is referenced. news: it is, and not a seed. Returns 0 or -ENOMEM. */
int newest_keep_sighting(struct newest *newest, const char *camera, const char *tag, uint64_t arrived_utc_us,
                         struct out_frame *frame, bool news);
/** The broadcast inside the frame; valid as long as that is. */
struct view newest_json(const struct kept_sighting *kept);
int newest_keep_photo(struct newest *newest, const struct msg_photo *photo);

/** Tells a fanout that has just started what this worker knows. */
void newest_seed_sightings(const struct newest *newest, struct bus_link *link);
void newest_seed_photos(const struct newest *newest, struct bus_link *link);

#endif
