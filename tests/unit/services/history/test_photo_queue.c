/* test_photo_queue - the newest picture of each camera waits, in the place of the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "photo_queue.h"

static void put(struct photo_queue *queue, const char *camera, const char *jpeg)
{
    struct msg_photo photo = {.seq = 1, .jpeg = view_text(jpeg)};

    snprintf(photo.camera, sizeof photo.camera, "%s", camera);
    assert_int_equal(photo_queue_put(queue, &photo), 0);
}

static void assert_first(const struct photo_queue *queue, const char *camera, const char *jpeg)
{
    assert_string_equal(queue->first->photo.camera, camera);
    assert_true(view_equals(queue->first->photo.jpeg, view_text(jpeg)));
}

static void the_newest_takes_the_place(void **state)
{
    struct photo_queue queue = {0};

    (void)state;
    put(&queue, "a", "one");
    put(&queue, "b", "three");
    put(&queue, "a", "the second");
    assert_int_equal(queue.bytes, 2 * sizeof(struct queued_photo) + strlen("the second") + strlen("three"));
    assert_first(&queue, "a", "the second");
    photo_queue_pop(&queue);
    assert_first(&queue, "b", "three");
    photo_queue_pop(&queue);
    assert_null(queue.first);
    assert_int_equal(queue.bytes, 0);
}

static void a_copy_is_kept(void **state)
{
    struct photo_queue queue = {0};
    char jpeg[] = "bytes";

    (void)state;
    put(&queue, "a", jpeg);
    put(&queue, "b", "others");
    jpeg[0] = 'B';
    assert_first(&queue, "a", "bytes");
    photo_queue_done(&queue);
    assert_null(queue.first);
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        {"the newest takes the place of the older", the_newest_takes_the_place, NULL, NULL, NULL},
        {"a copy is kept", a_copy_is_kept, NULL, NULL, NULL},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
