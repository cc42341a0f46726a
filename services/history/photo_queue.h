/* photo_queue - pictures that wait to be written: the newest of each camera. Pure. */
#ifndef TAGHUB_PHOTO_QUEUE_H
#define TAGHUB_PHOTO_QUEUE_H

#include "schema.h"

struct queued_photo {
    struct msg_photo photo; /* its jpeg lies behind this struct */
    struct queued_photo *next;
};

/** Zero-initialise. `first` has waited longest. */
struct photo_queue {
    struct queued_photo *first;
    size_t bytes;
};

/** Copies a picture in, where it takes the place of an older one of its camera. Returns 0 or -ENOMEM. */
int photo_queue_put(struct photo_queue *queue, const struct msg_photo *photo);
/** Takes the first one out; there must be one. */
void photo_queue_pop(struct photo_queue *queue);
void photo_queue_done(struct photo_queue *queue);

#endif
