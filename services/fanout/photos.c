/* photos - see photos.h.
 *
 * Per subscriber a picture waits in `waiting` (at most one per camera) until the link is nearly empty, then stands in
 * `on_link` until the kernel has it. So a slow reader holds at most one picture per camera and QUEUE_AHEAD_BYTES. */
#include "photos.h"

#include <stdlib.h>

#include "camera_table.h"

#define QUEUE_AHEAD_BYTES 262144u /* enough to keep a link busy between two turns */

/* One picture, shared by the table and by all who have yet to get it. */
struct picture {
    unsigned references;
    unsigned owed;            /* workers that have yet to take it */
    bool to_settle;           /* from ingest, and nobody was told yet */
    struct msg_photo message; /* jpeg points behind this struct */
};

struct item {
    struct picture *picture;
    uint64_t mark; /* on the link */
    struct item *next;
};

struct photo_subscriber {
    struct photos *photos;
    struct bus_link *link;
    enum photo_reader reader;
    size_t released_count; /* history: of the first that wait */
    struct item *waiting, **waiting_end, *on_link, **on_link_end;
    uint64_t mark;
    struct photo_subscriber *next, **slot;
};

struct photos {
    struct camera_table *newest; /* struct picture */
    struct photo_subscriber *subscribers;
    void (*settled)(void *user, const struct msg_photo *photo);
    void *user;
};

static void picture_unref(void *value)
{
    struct picture *picture = value;

    if (--picture->references == 0)
        free(picture);
}

static struct picture *picture_new(const struct msg_photo *photo)
{
    struct picture *picture = malloc(sizeof *picture + photo->jpeg.length);

    if (picture == NULL)
        return NULL;
    *picture = (struct picture){.references = 1, .message = *photo};
    memcpy(picture + 1, photo->jpeg.bytes, photo->jpeg.length);
    picture->message.jpeg = view_of(picture + 1, photo->jpeg.length);
    return picture;
}

static void settle_if_owed_to_none(struct photos *photos, struct picture *picture)
{
    if (picture->owed > 0 || !picture->to_settle)
        return;
    picture->to_settle = false; /* a newcomer will get it too, but that is nobody's business */
    photos->settled(photos->user, &picture->message);
}

static void hold(const struct photo_subscriber *subscriber, struct picture *picture)
{
    picture->references++;
    picture->owed += subscriber->reader == PHOTO_READER_WORKER;
}

/* This subscriber has the picture, or will never get it. */
static void let_go(const struct photo_subscriber *subscriber, struct picture *picture)
{
    picture->owed -= subscriber->reader == PHOTO_READER_WORKER;
    settle_if_owed_to_none(subscriber->photos, picture);
    picture_unref(picture);
}

static struct item *pop(struct item **head, struct item ***end)
{
    struct item *item = *head;

    if (item == NULL)
        return NULL;
    *head = item->next;
    if (*head == NULL)
        *end = head;
    return item;
}

static void append(struct item ***end, struct item *item)
{
    item->next = NULL;
    **end = item;
    *end = &item->next;
}

static void pump(struct photo_subscriber *subscriber)
{
    while (subscriber->waiting != NULL &&
           (subscriber->reader == PHOTO_READER_WORKER || subscriber->released_count > 0) &&
           bus_link_queued_bytes(subscriber->link) < QUEUE_AHEAD_BYTES) {
        struct item *item = pop(&subscriber->waiting, &subscriber->waiting_end);

        subscriber->released_count -= subscriber->reader == PHOTO_READER_HISTORY;
        item->mark = ++subscriber->mark;
        append(&subscriber->on_link_end, item);
        bus_link_send(subscriber->link, MSG_photo, &item->picture->message);
        bus_link_set_mark(subscriber->link, item->mark);
    }
}

/* The place of what waits of a camera, or the end of what waits. */
static struct item **find_waiting(struct photo_subscriber *subscriber, const char *camera)
{
    struct item **slot = &subscriber->waiting;

    while (*slot != NULL && strcmp((*slot)->picture->message.camera, camera) != 0)
        slot = &(*slot)->next;
    return slot;
}

static void enqueue(struct photo_subscriber *subscriber, struct picture *picture)
{
    struct item *item = *find_waiting(subscriber, picture->message.camera);

    if (item != NULL) {
        struct picture *older = item->picture;

        item->picture = picture;
        hold(subscriber, picture);
        let_go(subscriber, older);
        return;
    }
    item = calloc(1, sizeof *item);
    if (item == NULL)
        return; /* this reader misses a picture; the next one replaces it anyway */
    item->picture = picture;
    hold(subscriber, picture);
    append(&subscriber->waiting_end, item);
    pump(subscriber);
}

static void enqueue_to_all(struct photos *photos, struct picture *picture, const struct photo_subscriber *but)
{
    picture->owed = 1; /* held until all have been asked */
    for (struct photo_subscriber *each = photos->subscribers; each != NULL; each = each->next) {
        if (each != but)
            enqueue(each, picture);
    }
    picture->owed--;
    settle_if_owed_to_none(photos, picture);
}

/* Takes the reference over. */
static void remember(struct photos *photos, struct picture *picture)
{
    const struct msg_photo *photo = &picture->message;

    camera_table_put(photos->newest, photo->camera, photo->arrived_utc_us, picture, photo->jpeg.length, true);
}

void photos_take(struct photos *photos, const struct msg_photo *photo)
{
    struct picture *picture = picture_new(photo);

    if (picture == NULL)
        return;
    picture->to_settle = true;
    enqueue_to_all(photos, picture, NULL);
    remember(photos, picture);
}

void photos_seed(struct photos *photos, const struct msg_photo *photo)
{
    struct picture *picture = picture_new(photo);

    if (picture != NULL)
        remember(photos, picture);
}

/* History has it: whatever waits for it and is not newer need not be sent. */
static void forget_waiting(struct photo_subscriber *history, const struct msg_photo *photo)
{
    struct item **slot = find_waiting(history, photo->camera), *item = *slot;

    if (item == NULL || item->picture->message.arrived_utc_us > photo->arrived_utc_us)
        return;
    *slot = item->next;
    if (item->next == NULL)
        history->waiting_end = slot;
    let_go(history, item->picture);
    free(item);
}

void photos_restore(struct photo_subscriber *history, const struct msg_photo *photo)
{
    struct photos *photos = history->photos;
    const struct camera_entry *known = camera_table_find(photos->newest, photo->camera);
    struct picture *picture;

    forget_waiting(history, photo);
    if (known != NULL && known->arrived_utc_us >= photo->arrived_utc_us)
        return;
    picture = picture_new(photo);
    if (picture == NULL)
        return;
    enqueue_to_all(photos, picture, history);
    remember(photos, picture);
}

void photos_send_all(struct photo_subscriber *subscriber)
{
    for (struct camera_entry *entry = camera_table_oldest(subscriber->photos->newest); entry != NULL;
         entry = entry->newer)
        enqueue(subscriber, entry->value);
}

void photos_release(struct photo_subscriber *history)
{
    if (history == NULL)
        return;
    history->released_count = 0;
    for (const struct item *item = history->waiting; item != NULL; item = item->next)
        history->released_count++;
    pump(history);
}

bool photos_are_taken(const struct photo_subscriber *subscriber)
{
    return subscriber == NULL || (subscriber->waiting == NULL && subscriber->on_link == NULL);
}

static void item_over(struct photo_subscriber *subscriber, struct item *item)
{
    let_go(subscriber, item->picture);
    free(item);
}

void photos_link_taken(struct photo_subscriber *subscriber)
{
    while (subscriber->on_link != NULL && subscriber->on_link->mark <= bus_link_taken_mark(subscriber->link))
        item_over(subscriber, pop(&subscriber->on_link, &subscriber->on_link_end));
    pump(subscriber);
}

struct photo_subscriber *photos_subscribe(struct photos *photos, struct bus_link *link, enum photo_reader reader)
{
    struct photo_subscriber *subscriber = calloc(1, sizeof *subscriber);

    if (subscriber == NULL)
        return NULL;
    subscriber->photos = photos;
    subscriber->link = link;
    subscriber->reader = reader;
    subscriber->waiting_end = &subscriber->waiting;
    subscriber->on_link_end = &subscriber->on_link;
    subscriber->next = photos->subscribers;
    subscriber->slot = &photos->subscribers;
    if (subscriber->next != NULL)
        subscriber->next->slot = &subscriber->next;
    photos->subscribers = subscriber;
    return subscriber;
}

void photos_unsubscribe(struct photo_subscriber *subscriber)
{
    struct item *item;

    if (subscriber == NULL)
        return;
    while ((item = pop(&subscriber->on_link, &subscriber->on_link_end)) != NULL ||
           (item = pop(&subscriber->waiting, &subscriber->waiting_end)) != NULL)
        item_over(subscriber, item);
    *subscriber->slot = subscriber->next;
    if (subscriber->next != NULL)
        subscriber->next->slot = subscriber->slot;
    free(subscriber);
}

struct photos *photos_new(uint32_t cameras_max, uint64_t bytes_max,
                          void (*settled)(void *user, const struct msg_photo *photo), void *user)
{
    struct photos *photos = calloc(1, sizeof *photos);

    if (photos == NULL)
        return NULL;
    photos->newest = camera_table_new(cameras_max, bytes_max, picture_unref);
    if (photos->newest == NULL) {
        free(photos);
        return NULL;
    }
    photos->settled = settled;
    photos->user = user;
    return photos;
}

void photos_free(struct photos *photos)
{
    if (photos == NULL)
        return;
    while (photos->subscribers != NULL)
        photos_unsubscribe(photos->subscribers);
    camera_table_free(photos->newest);
    free(photos);
}
