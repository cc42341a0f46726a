/* photo_queue - see photo_queue.h. Cameras are some dozens and each sends one picture a second, so a list is enough. */
#include "photo_queue.h"

#include <errno.h>
#include <stdlib.h>

static size_t bytes_of(const struct queued_photo *queued)
{
    return sizeof *queued + queued->photo.jpeg.length;
}

int photo_queue_put(struct photo_queue *queue, const struct msg_photo *photo)
{
    struct queued_photo *newer = malloc(sizeof *newer + photo->jpeg.length), **slot = &queue->first, *older;

    if (newer == NULL)
        return -ENOMEM;
    *newer = (struct queued_photo){.photo = *photo};
    memcpy(newer + 1, photo->jpeg.bytes, photo->jpeg.length);
    newer->photo.jpeg.bytes = (const uint8_t *)(newer + 1);

    while (*slot != NULL && strcmp((*slot)->photo.camera, photo->camera) != 0)
        slot = &(*slot)->next;
    older = *slot;
    *slot = newer;
    queue->bytes += bytes_of(newer);
    if (older != NULL) {
        newer->next = older->next;
        queue->bytes -= bytes_of(older);
        free(older);
    }
    return 0;
}

void photo_queue_pop(struct photo_queue *queue)
{
    struct queued_photo *first = queue->first;

    queue->first = first->next;
    queue->bytes -= bytes_of(first);
    free(first);
}

void photo_queue_done(struct photo_queue *queue)
{
    while (queue->first != NULL)
        photo_queue_pop(queue);
}
