/* test_photos - pictures on their way to workers that read fast, slowly and not at all. The links are real, over socket
 * pairs with small buffers; the workers are plain sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "frame.h"
#include "photos.h"

#define WORKERS    3
#define BIG_BYTES  400000u /* more than a socket holds, and more than is queued ahead */
#define ORIGIN     UINT64_C(77)
#define NAMES_ROOM 512

static const struct bus_identity FANOUT = {.kind = PEER_FANOUT, .slot = 0, .incarnation = 5};

struct world;

struct worker_end {
    struct world *world;
    struct bus_link *link;
    struct photo_subscriber *subscriber;
    int fd;
    struct bytes in;
    char got[NAMES_ROOM]; /* pictures received, as "a1 b2 " */
};

struct world {
    struct loop *loop;
    struct photos *photos;
    struct worker_end workers[WORKERS];
    char settled[NAMES_ROOM]; /* as "1 2 " */
};

static void append(char *dst, const char *text)
{
    assert_true(strlen(dst) + strlen(text) < NAMES_ROOM);
    strcat(dst, text);
}

static void on_settled(void *user, const struct msg_photo *photo)
{
    struct world *world = user;
    char text[24];

    assert_int_equal(photo->origin, ORIGIN);
    snprintf(text, sizeof text, "%u ", (unsigned)photo->seq);
    append(world->settled, text);
}

static void on_closed(void *owner, struct bus_link *link, const char *why)
{
    (void)owner;
    (void)link;
    fail_msg("%s", why);
}

static void on_ready(void *owner, struct bus_link *link)
{
    (void)owner;
    (void)link;
}

static void on_taken(void *owner, struct bus_link *link)
{
    struct worker_end *end = owner;

    (void)link;
    if (end->subscriber != NULL)
        photos_link_taken(end->subscriber);
}

static const struct bus_link_events EVENTS = {.ready = on_ready, .closed = on_closed, .taken = on_taken};
static const struct bus_handlers NO_HANDLERS = {.on = {NULL}};

static void stop_turn(struct loop_task *task)
{
    loop_stop(task->loop);
}

/* Turns of the loop that do not wait. */
static void turn(struct world *world)
{
    for (int i = 0; i < 4; i++) {
        struct loop_task stop = {.run = stop_turn};

        loop_at_turn_end(world->loop, &stop);
        assert_int_equal(loop_run(world->loop), 0);
    }
}

static void open_reader(struct world *world, unsigned index, enum photo_reader reader)
{
    struct worker_end *end = &world->workers[index];
    struct bus_link_conf conf = {
        .me = &FANOUT, .handlers = &NO_HANDLERS, .events = &EVENTS, .owner = end, .queue_bytes_max = 100 * BIG_BYTES};
    int fds[2], bytes = 32768;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    end->world = world;
    end->fd = fds[1];
    end->link = bus_link_new(world->loop, fds[0], LANE_PHOTOS, &conf);
    assert_non_null(end->link);
    turn(world); /* its hello is out */
    end->subscriber = photos_subscribe(world->photos, end->link, reader);
    assert_non_null(end->subscriber);
}

static void leave(struct worker_end *end)
{
    photos_unsubscribe(end->subscriber);
    end->subscriber = NULL;
}

static void note_frames(struct worker_end *end)
{
    struct view content;
    size_t frame_bytes;

    while (end->in.length > 0 &&
           frame_read(view_of(bytes_begin(&end->in), end->in.length), &content, &frame_bytes) > 0) {
        struct codec_error error;
        union msg_any msg;
        enum msg_type type;
        char text[NAME_BYTES_MAX + 24];

        assert_int_equal(codec_decode(content, &type, &msg, &error), 0);
        if (type == MSG_photo) {
            snprintf(text, sizeof text, "%s%u ", msg.photo.camera, (unsigned)msg.photo.seq);
            append(end->got, text);
        }
        bytes_consume(&end->in, frame_bytes);
    }
}

static void open_worker(struct world *world, unsigned index)
{
    open_reader(world, index, PHOTO_READER_WORKER);
}

/* The worker reads all there is, and what follows when there is room again. */
static void read_all(struct worker_end *end)
{
    ssize_t n;

    do {
        uint8_t *room = bytes_reserve(&end->in, 65536);

        turn(end->world);
        assert_non_null(room);
        n = recv(end->fd, room, 65536, 0);
        if (n > 0)
            bytes_added(&end->in, (size_t)n);
        note_frames(end);
    } while (n > 0);
}

static struct msg_photo picture(const char *camera, uint64_t seq, size_t bytes)
{
    static uint8_t jpeg[BIG_BYTES] = {0xff, 0xd8, 0xff};
    struct msg_photo photo = {.origin = ORIGIN, .seq = seq, .arrived_utc_us = 1000 + seq, .jpeg = view_of(jpeg, bytes)};

    snprintf(photo.camera, sizeof photo.camera, "%s", camera);
    return photo;
}

static void take(struct world *world, const char *camera, uint64_t seq, size_t bytes)
{
    struct msg_photo photo = picture(camera, seq, bytes);

    photos_take(world->photos, &photo);
    turn(world);
}

static int setup_with(void **state, uint32_t cameras_max, uint64_t bytes_max)
{
    struct world *world = calloc(1, sizeof *world);

    world->loop = loop_new();
    world->photos = photos_new(cameras_max, bytes_max, on_settled, world);
    *state = world;
    return world->loop != NULL && world->photos != NULL ? 0 : -1;
}

static int setup(void **state)
{
    return setup_with(state, 64, UINT64_MAX);
}

static int setup_small(void **state)
{
    return setup_with(state, 2, 1000);
}

static int teardown(void **state)
{
    struct world *world = *state;

    photos_free(world->photos);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (world->workers[i].link == NULL)
            continue;
        bus_link_free(world->workers[i].link);
        close(world->workers[i].fd);
        bytes_done(&world->workers[i].in);
    }
    loop_free(world->loop);
    free(world);
    return 0;
}

static void nobody_to_wait_for(void **state)
{
    struct world *world = *state;

    take(world, "a", 1, 100);
    assert_string_equal(world->settled, "1 ");
}

static void settled_when_every_kernel_has_it(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    open_worker(world, 1);
    take(world, "a", 1, BIG_BYTES);
    read_all(&world->workers[0]);
    assert_string_equal(world->workers[0].got, "a1 ");
    assert_string_equal(world->settled, "");
    read_all(&world->workers[1]);
    assert_string_equal(world->settled, "1 ");
}

static void newest_of_each_camera_wins(void **state)
{
    struct world *world = *state;

    open_worker(world, 0); /* reads */
    open_worker(world, 1); /* does not, for now */
    for (uint64_t seq = 1; seq <= 6; seq++) {
        take(world, seq % 2 == 1 ? "a" : "b", seq, BIG_BYTES);
        read_all(&world->workers[0]);
    }
    assert_string_equal(world->workers[0].got, "a1 b2 a3 b4 a5 b6 ");
    assert_string_equal(world->settled, "2 3 4 "); /* 1 is half way through the other's socket */
    read_all(&world->workers[1]);
    assert_string_equal(world->workers[1].got, "a1 b6 a5 ");
    assert_string_equal(world->settled, "2 3 4 1 6 5 ");
}

static void superseded_but_owed_to_another(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    open_worker(world, 1);
    take(world, "x", 1, BIG_BYTES); /* blocks both */
    take(world, "a", 2, 100);
    read_all(&world->workers[0]);
    take(world, "a", 3, 100); /* takes the place of 2 at worker 1; worker 0 has 2 */
    assert_string_equal(world->settled, "2 ");
    read_all(&world->workers[0]);
    assert_string_equal(world->workers[0].got, "x1 a2 a3 ");
    read_all(&world->workers[1]);
    assert_string_equal(world->workers[1].got, "x1 a3 ");
    assert_string_equal(world->settled, "2 1 3 ");
}

static void who_leaves_holds_nothing_up(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    open_worker(world, 1);
    take(world, "a", 1, BIG_BYTES);
    take(world, "b", 2, BIG_BYTES);
    read_all(&world->workers[0]);
    assert_string_equal(world->settled, "");
    leave(&world->workers[1]);
    assert_string_equal(world->settled, "1 2 ");
    take(world, "a", 3, 100);
    assert_string_equal(world->settled, "1 2 3 ");
}

static void newcomer_gets_all_and_settles_nothing_again(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    take(world, "a", 1, 100);
    take(world, "b", 2, 100);
    take(world, "a", 3, 100);
    assert_string_equal(world->settled, "1 2 3 ");
    open_worker(world, 1);
    photos_send_all(world->workers[1].subscriber);
    read_all(&world->workers[1]);
    assert_string_equal(world->workers[1].got, "b2 a3 ");
    assert_string_equal(world->settled, "1 2 3 ");
}

static void newcomer_and_open_picture(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    take(world, "a", 1, BIG_BYTES);
    open_worker(world, 1);
    photos_send_all(world->workers[1].subscriber);
    read_all(&world->workers[1]);
    assert_string_equal(world->settled, ""); /* worker 0 has yet to read it */
    read_all(&world->workers[0]);
    assert_string_equal(world->settled, "1 ");
}

static void seed(struct world *world, const char *camera, uint64_t seq)
{
    struct msg_photo photo = picture(camera, seq, 100);

    photos_seed(world->photos, &photo);
}

static void seeds_are_state(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    seed(world, "a", 5);
    seed(world, "a", 4); /* older: forgotten */
    seed(world, "b", 6);
    seed(world, "b", 7);
    read_all(&world->workers[0]);
    assert_string_equal(world->workers[0].got, "");
    open_worker(world, 1);
    photos_send_all(world->workers[1].subscriber);
    read_all(&world->workers[1]);
    assert_string_equal(world->workers[1].got, "a5 b7 ");
    assert_string_equal(world->settled, "");
}

static void limits_forget_the_camera_silent_longest(void **state)
{
    struct world *world = *state;

    take(world, "a", 1, 100);
    take(world, "b", 2, 100);
    take(world, "c", 3, 100);  /* the third camera of two */
    take(world, "b", 4, 950);  /* c must go for the bytes */
    take(world, "d", 5, 1001); /* never fits: passed on, not kept */
    open_worker(world, 0);
    photos_send_all(world->workers[0].subscriber);
    read_all(&world->workers[0]);
    assert_string_equal(world->workers[0].got, "b4 ");
    assert_string_equal(world->settled, "1 2 3 4 5 ");
}

static void freed_with_pictures_under_way(void **state)
{
    struct world *world = *state;

    open_worker(world, 0);
    take(world, "a", 1, BIG_BYTES);
    take(world, "b", 2, BIG_BYTES);
    assert_string_equal(world->settled, "");
    world->workers[0].subscriber = NULL; /* teardown frees photos first: the sanitizer looks on */
}

static void nobody_waits_for_history(void **state)
{
    struct world *world = *state;
    struct worker_end *history = &world->workers[1];

    open_worker(world, 0);
    open_reader(world, 1, PHOTO_READER_HISTORY);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        take(world, seq % 2 == 1 ? "a" : "b", seq, BIG_BYTES);
        read_all(&world->workers[0]);
    }
    assert_string_equal(world->settled, "1 2 3 4 ");
    read_all(history);
    assert_string_equal(history->got, "");
    photos_release(history->subscriber);
    take(world, "c", 5, 100); /* came too late for this time */
    read_all(history);
    assert_string_equal(history->got, "a3 b4 ");
    assert_false(photos_are_taken(history->subscriber));
    photos_release(history->subscriber);
    read_all(history);
    assert_string_equal(history->got, "a3 b4 c5 ");
    assert_true(photos_are_taken(history->subscriber));
    assert_true(photos_are_taken(NULL));
    photos_release(NULL);
}

static void restore(struct world *world, const char *camera, uint64_t seq)
{
    struct msg_photo photo = picture(camera, seq, 100);

    photos_restore(world->workers[1].subscriber, &photo);
    turn(world);
}

static void history_gives_back_and_gets_what_it_has_not(void **state)
{
    struct world *world = *state;
    struct worker_end *history = &world->workers[1];

    open_worker(world, 0);
    take(world, "a", 5, 100);
    take(world, "b", 6, 100);
    take(world, "c", 7, 100);
    open_reader(world, 1, PHOTO_READER_HISTORY);
    photos_send_all(history->subscriber);
    restore(world, "a", 4); /* older than ours: history shall have ours */
    restore(world, "b", 6); /* the same: it need not be sent */
    restore(world, "d", 2); /* nobody knew it */
    restore(world, "c", 8); /* newer than ours */
    read_all(&world->workers[0]);
    assert_string_equal(world->workers[0].got, "a5 b6 c7 d2 c8 ");
    assert_string_equal(world->settled, "5 6 7 ");
    photos_release(history->subscriber);
    read_all(history);
    assert_string_equal(history->got, "a5 ");
    open_worker(world, 2);
    photos_send_all(world->workers[2].subscriber);
    read_all(&world->workers[2]);
    assert_string_equal(world->workers[2].got, "d2 a5 b6 c8 ");
}

#define CASE(text, begin, function)                                                                                    \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = (begin), .teardown_func = teardown                      \
    }

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE("without workers a picture is settled at once", setup, nobody_to_wait_for),
        CASE("a picture is settled when every kernel has it", setup, settled_when_every_kernel_has_it),
        CASE("the newest of each camera wins in every queue", setup, newest_of_each_camera_wins),
        CASE("what gave way here may still be owed there", setup, superseded_but_owed_to_another),
        CASE("who leaves holds nothing up", setup, who_leaves_holds_nothing_up),
        CASE("a newcomer gets all and settles nothing again", setup, newcomer_gets_all_and_settles_nothing_again),
        CASE("a newcomer gets a picture that is still open", setup, newcomer_and_open_picture),
        CASE("what workers told of is kept, not sent and not settled", setup, seeds_are_state),
        CASE("the limits forget the camera silent longest", setup_small, limits_forget_the_camera_silent_longest),
        CASE("nobody waits for history", setup, nobody_waits_for_history),
        CASE("history gives back, and gets what it has not", setup, history_gives_back_and_gets_what_it_has_not),
        CASE("freeing with pictures under way", setup, freed_with_pictures_under_way),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
