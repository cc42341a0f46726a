/* photo_lanes - the links on which gateway workers get pictures: who has one, and from when on. */
#ifndef TAGHUB_PHOTO_LANES_H
#define TAGHUB_PHOTO_LANES_H

#include "photos.h"

struct photo_lane;

/** Zero-initialise. */
struct photo_lanes {
    struct photo_lane *first;
};

/**
 * The worker's lane gets pictures from now on. The link is borrowed until photo_lanes_remove(). Aborts without memory:
 * the worker comes back to the next process.
 */
void photo_lanes_add(struct photo_lanes *lanes, struct photos *photos, struct bus_link *link);
void photo_lanes_remove(struct photo_lanes *lanes, struct photo_lane *lane);
/** NULL when it is no photo lane. */
struct photo_lane *photo_lanes_find(const struct photo_lanes *lanes, const struct bus_link *link);

/** Its worker is fresh: what is known is sent to it when it is welcomed. */
void photo_lane_set_fresh(struct photo_lane *lane, bool fresh);
/** Its worker has told all that it kept. */
void photo_lane_set_seeded(struct photo_lane *lane);
/** Tells every lane that is seeded, once, that it has what is known. */
void photo_lanes_welcome(struct photo_lanes *lanes);

/** The kernel has taken more of it. */
void photo_lane_taken(struct photo_lane *lane);
/** Reports to the origin of a picture that it is settled. */
void photo_lanes_settled(struct photo_lanes *lanes, const struct msg_photo *photo);

/** Forgets all of them; their subscriptions go with photos_free(). */
void photo_lanes_clear(struct photo_lanes *lanes);

#endif
