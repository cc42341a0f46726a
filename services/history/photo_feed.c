/* photo_feed - see photo_feed.h. A statement that stays open would keep the write-ahead log from being emptied, so
 * first the cameras are listed, and then each picture is fetched when there is room for it. */
#include "photo_feed.h"

#include <stdlib.h>

#define QUEUE_AHEAD_BYTES 2097152u /* plus one picture */

struct photo_feed {
    struct bus_link *link;
    uint64_t incarnation, seq;
    char (*cameras)[NAME_BYTES_MAX + 1];
    size_t count, room, next;
    bool is_listed, is_over;
};

struct photo_feed *photo_feed_new(struct bus_link *link, uint64_t incarnation)
{
    struct photo_feed *feed = calloc(1, sizeof *feed);

    if (feed == NULL)
        return NULL;
    feed->link = link;
    feed->incarnation = incarnation;
    return feed;
}

void photo_feed_free(struct photo_feed *feed)
{
    if (feed == NULL)
        return;
    free(feed->cameras);
    free(feed);
}

bool photo_feed_is_over(const struct photo_feed *feed)
{
    return feed->is_over;
}

/* The database can be edited by anybody; what goes onto the bus must be as messages.def says. */
static bool is_valid(const struct store_photo *photo)
{
    size_t name_bytes = strlen(photo->camera);

    return name_bytes >= 1 && name_bytes <= NAME_BYTES_MAX && photo->arrived_utc_us <= INT64_MAX &&
           photo->width <= UINT16_MAX && photo->height <= UINT16_MAX;
}

static bool list_camera(void *user, const struct store_photo *photo)
{
    struct photo_feed *feed = user;

    if (!is_valid(photo))
        return true;
    if (feed->count == feed->room) {
        size_t room = feed->room * 2 + 16;
        void *more = realloc(feed->cameras, room * sizeof feed->cameras[0]);

        if (more == NULL)
            return false; /* those that are listed are better than none */
        feed->cameras = more;
        feed->room = room;
    }
    strcpy(feed->cameras[feed->count++], photo->camera);
    return true;
}

static bool send_photo(void *user, const struct store_photo *photo)
{
    struct photo_feed *feed = user;
    struct msg_photo msg = {
        .origin = feed->incarnation,
        .seq = ++feed->seq,
        .arrived_utc_us = photo->arrived_utc_us,
        .width = photo->width,
        .height = photo->height,
        .jpeg = view_of(photo->jpeg, photo->jpeg_bytes),
    };

    if (!is_valid(photo) || photo->jpeg_bytes < 4 || photo->jpeg_bytes > PHOTO_BYTES_MAX)
        return false;
    strcpy(msg.camera, photo->camera);
    bus_link_send(feed->link, MSG_photo, &msg);
    return false; /* there is one per camera */
}

static enum store_trouble list_cameras(struct photo_feed *feed, struct store *store)
{
    enum store_trouble trouble;

    if (feed->is_listed || store == NULL)
        return STORE_FINE;
    feed->count = 0;
    trouble = store_each_photo(store, list_camera, feed);
    feed->is_listed = trouble == STORE_FINE;
    return trouble;
}

enum store_trouble photo_feed_pump(struct photo_feed *feed, struct store *store)
{
    enum store_trouble trouble = list_cameras(feed, store);

    while (trouble == STORE_FINE && feed->next < feed->count && bus_link_queued_bytes(feed->link) < QUEUE_AHEAD_BYTES) {
        trouble = store_find_photo(store, feed->cameras[feed->next], send_photo, feed);
        feed->next += trouble == STORE_FINE;
    }
    if (trouble == STORE_BUSY || (trouble == STORE_FINE && feed->next < feed->count))
        return trouble;
    feed->is_over = true;
    bus_link_send(feed->link, MSG_seed_end, &(struct msg_seed_end){});
    return trouble;
}
