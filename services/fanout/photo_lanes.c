/* photo_lanes - see photo_lanes.h. */
#include "photo_lanes.h"

#include <stdlib.h>

struct photo_lane {
    struct bus_link *link;
    struct photo_subscriber *subscriber;
    uint64_t origin;
    bool fresh, seeded, welcomed;
    struct photo_lane *next;
};

void photo_lanes_add(struct photo_lanes *lanes, struct photos *photos, struct bus_link *link)
{
    struct photo_lane *lane = calloc(1, sizeof *lane);

    if (lane != NULL)
        lane->subscriber = photos_subscribe(photos, link, PHOTO_READER_WORKER);
    if (lane == NULL || lane->subscriber == NULL)
        abort();
    lane->link = link;
    lane->origin = bus_link_peer(link)->incarnation;
    lane->next = lanes->first;
    lanes->first = lane;
}

void photo_lanes_remove(struct photo_lanes *lanes, struct photo_lane *lane)
{
    struct photo_lane **slot = &lanes->first;

    while (*slot != lane)
        slot = &(*slot)->next;
    *slot = lane->next;
    photos_unsubscribe(lane->subscriber);
    free(lane);
}

struct photo_lane *photo_lanes_find(const struct photo_lanes *lanes, const struct bus_link *link)
{
    struct photo_lane *each = lanes->first;

    while (each != NULL && each->link != link)
        each = each->next;
    return each;
}

void photo_lane_set_fresh(struct photo_lane *lane, bool fresh)
{
    lane->fresh = fresh;
}

void photo_lane_set_seeded(struct photo_lane *lane)
{
    lane->seeded = true;
}

void photo_lanes_welcome(struct photo_lanes *lanes)
{
    for (struct photo_lane *each = lanes->first; each != NULL; each = each->next) {
        if (!each->seeded || each->welcomed)
            continue;
        each->welcomed = true;
        if (each->fresh)
            photos_send_all(each->subscriber);
        bus_link_send(each->link, MSG_seed_end, &(struct msg_seed_end){});
    }
}

void photo_lane_taken(struct photo_lane *lane)
{
    photos_link_taken(lane->subscriber);
}

void photo_lanes_settled(struct photo_lanes *lanes, const struct msg_photo *photo)
{
    const struct msg_photo_settled settled = {.seq = photo->seq, .width = photo->width, .height = photo->height};

    for (struct photo_lane *each = lanes->first; each != NULL; each = each->next) {
        if (each->origin == photo->origin)
            bus_link_send(each->link, MSG_photo_settled, &settled);
    }
}

void photo_lanes_clear(struct photo_lanes *lanes)
{
    struct photo_lane *lane;

    while ((lane = lanes->first) != NULL) {
        lanes->first = lane->next;
        free(lane);
    }
}
