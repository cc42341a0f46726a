/* bus_link - see bus_link.h.
 *
 * Invariants
 *   B1  the first message of either end is hello; nothing is handled before it was checked
 *   B2  a broken link is read to its end before `closed`: what the peer had written before it died still counts
 *   B3  memory is freed at the end of a turn, so that a handler may free the link it is called for
 *   B4  a message handled came from a kind of process that may send it, to one that may receive it
 */
#include "bus_link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "frame.h"

#define READ_ROOM           65536u
#define READ_BYTES_PER_TURN (16 * READ_ROOM) /* then the others get their turn */

struct bus_link {
    struct loop *loop;
    struct watch *watch;
    struct bus_link_conf conf;
    struct msg_hello peer;
    void *context;
    int lane; /* as asked; -1 until the peer chose */
    struct bytes in, out;
    struct view handled; /* the frame whose handler runs, header included */
    struct loop_task flush_task, read_task, end_task;
    uint64_t stalled_since_mono_ms;
    uint64_t appended, taken;            /* bytes since the beginning */
    uint64_t mark, mark_taken;           /* the newest set, the newest known to be taken */
    uint64_t check_appended, check_mark; /* when `taken` reaches check_appended, check_mark is taken */
    bool ready, paused, dozing, handling, write_broken, closing, dead;
    char why[192];
};

static void link_readable(void *user);

const char *bus_handlers_check(const struct bus_handlers *handlers, enum peer_kind me)
{
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);
        bool wanted = desc != NULL && type != MSG_hello && (desc->to & (unsigned)me) != 0;

        if (wanted != (handlers->on[type] != NULL))
            return desc != NULL ? desc->name : "a message that does not exist";
    }
    return NULL;
}

/* ---- closing ---- */

/* The peer is gone: nothing is written any more, reading goes on to the end of file (B2). A peer that is there all the
 * same (the kernel had no memory) reads our end of file and leaves, so an end always comes. */
static void stop_writing(struct bus_link *link)
{
    link->write_broken = true;
    shutdown(watch_fd(link->watch), SHUT_WR);
    link->stalled_since_mono_ms = 0;
    bytes_consume(&link->out, link->out.length);
    if (!link->paused)
        loop_at_turn_end(link->loop, &link->read_task);
}

static void end_of_link(struct loop_task *task)
{
    struct bus_link *link = H2O_STRUCT_FROM_MEMBER(struct bus_link, end_task, task);

    if (!link->dead) {
        link->conf.events->closed(link->conf.owner, link, link->why);
        return; /* its bus_link_free() asks for this task again */
    }
    bytes_done(&link->in);
    bytes_done(&link->out);
    free(link);
}

/* The owner is told at the end of the turn, when no handler of this link runs. */
static void close_link(struct bus_link *link, const char *why)
{
    if (link->closing || link->dead)
        return;
    link->closing = true;
    if (link->why[0] == '\0')
        snprintf(link->why, sizeof link->why, "%s", why);
    watch_pause(link->watch);
    loop_at_turn_end(link->loop, &link->end_task);
}

void bus_link_free(struct bus_link *link)
{
    if (link == NULL || link->dead)
        return;
    link->dead = true;
    loop_task_cancel(&link->flush_task);
    loop_task_cancel(&link->read_task);
    watch_free(link->watch);
    link->watch = NULL;
    loop_at_turn_end(link->loop, &link->end_task);
}

/* ---- writing ---- */

static void all_is_taken(struct bus_link *link)
{
    link->mark_taken = link->mark;
    link->check_mark = link->mark; /* an older check must not take it back */
    link->check_appended = link->appended;
}

static void note_taken(struct bus_link *link, size_t count)
{
    uint64_t mark_before = link->mark_taken;

    link->taken += count;
    bytes_consume(&link->out, count);
    if (link->out.length == 0) {
        all_is_taken(link);
        link->stalled_since_mono_ms = 0;
    } else {
        if (link->taken >= link->check_appended) {
            link->mark_taken = link->check_mark;
            link->check_appended = link->appended;
            link->check_mark = link->mark;
        }
        if (count > 0 || link->stalled_since_mono_ms == 0)
            link->stalled_since_mono_ms = loop_now_mono_ms(link->loop);
    }
    if (link->conf.events->taken != NULL && (count > 0 || link->mark_taken != mark_before))
        link->conf.events->taken(link->conf.owner, link);
}

static void link_writable(void *user)
{
    bus_link_flush(user);
}

void bus_link_flush(struct bus_link *link)
{
    size_t count = 0;

    loop_task_cancel(&link->flush_task);
    if (link->dead || link->closing || link->write_broken || link->out.length == 0)
        return;
    while (count < link->out.length) {
        ssize_t n = send(watch_fd(link->watch), bytes_begin(&link->out) + count, link->out.length - count,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            stop_writing(link);
            return;
        }
        if (n < 0)
            break;
        count += (size_t)n;
    }
    note_taken(link, count);
    if (!link->dead && !link->closing && link->out.length > 0)
        watch_when_writable(link->watch, link_writable);
}

static void flush_at_turn_end(struct loop_task *task)
{
    bus_link_flush(H2O_STRUCT_FROM_MEMBER(struct bus_link, flush_task, task));
}

static void appended_to_queue(struct bus_link *link, size_t length_before, bool failed)
{
    if (failed) {
        close_link(link, "no memory for the queue");
        return;
    }
    link->appended += link->out.length - length_before;
    if (link->out.length > link->conf.queue_bytes_max) {
        close_link(link, "the peer reads too slowly");
        return;
    }
    loop_at_turn_end(link->loop, &link->flush_task);
}

void bus_link_send(struct bus_link *link, enum msg_type type, const void *msg)
{
    size_t length_before = link->out.length;

    if (link->dead || link->closing || link->write_broken)
        return;
    appended_to_queue(link, length_before, frame_write(&link->out, type, msg) < 0);
}

void bus_link_forward(struct bus_link *to, const struct bus_link *from)
{
    size_t length_before = to->out.length;

    assert(from->handled.length > 0);
    if (to->dead || to->closing || to->write_broken)
        return;
    appended_to_queue(to, length_before, bytes_append(&to->out, from->handled.bytes, from->handled.length) < 0);
}

void bus_link_set_mark(struct bus_link *link, uint64_t mark)
{
    if (link->dead || link->closing || link->write_broken)
        return; /* the queue is empty because it was thrown away */
    link->mark = mark;
    if (link->out.length == 0)
        all_is_taken(link);
}

uint64_t bus_link_taken_mark(const struct bus_link *link)
{
    return link->mark_taken;
}

size_t bus_link_queued_bytes(const struct bus_link *link)
{
    return link->out.length;
}

uint64_t bus_link_stalled_since_mono_ms(const struct bus_link *link)
{
    return link->stalled_since_mono_ms;
}

/* ---- reading ---- */

/* B1. Returns whether the peer may stay; if not, link->why tells. */
static bool accept_hello(struct bus_link *link, const struct msg_hello *hello)
{
    if (hello->version != BUS_VERSION) {
        snprintf(link->why, sizeof link->why, "%s speaks bus version %u, this is version %u",
                 peer_name((enum peer_kind)hello->kind), (unsigned)hello->version, BUS_VERSION);
        return false;
    }
    if ((hello->kind & (hello->kind - 1)) != 0) {
        snprintf(link->why, sizeof link->why, "the peer claims to be several kinds of process");
        return false;
    }
    if (link->lane >= 0 && hello->lane != (uint64_t)link->lane) {
        snprintf(link->why, sizeof link->why, "the peer answered with another lane");
        return false;
    }
    link->peer = *hello;
    link->ready = true;
    return true;
}

static void say_hello(struct bus_link *link, uint64_t lane)
{
    struct msg_hello hello = {.version = BUS_VERSION,
                              .kind = link->conf.me->kind,
                              .lane = lane,
                              .slot = link->conf.me->slot,
                              .incarnation = link->conf.me->incarnation};

    bus_link_send(link, MSG_hello, &hello);
}

static void handle_hello(struct bus_link *link, const struct msg_hello *hello)
{
    bool stays = accept_hello(link, hello);

    if (link->lane < 0)
        say_hello(link, hello->lane); /* also to a peer that is refused: it shall know why */
    if (!stays) {
        bus_link_flush(link);
        close_link(link, "hello refused"); /* accept_hello() said why */
        return;
    }
    link->conf.events->ready(link->conf.owner, link);
}

static void handle_content(struct bus_link *link, struct view content)
{
    struct codec_error error;
    union msg_any msg;
    enum msg_type type;
    const struct msg_desc *desc;

    if (codec_decode(content, &type, &msg, &error) < 0) {
        close_link(link, error.text);
        return;
    }
    if (!link->ready) {
        if (type != MSG_hello)
            close_link(link, "the first message was not hello");
        else
            handle_hello(link, &msg.hello);
        return;
    }
    desc = schema_message(type);
    if (type == MSG_hello || (desc->from & (unsigned)link->peer.kind) == 0 || link->conf.handlers->on[type] == NULL) {
        char why[96];

        snprintf(why, sizeof why, "%s may not send %s here", peer_name((enum peer_kind)link->peer.kind), desc->name);
        close_link(link, why);
        return;
    }
    link->conf.handlers->on[type](link->conf.user, link, &msg);
}

/* Handles the whole frames that are buffered. */
static void handle_buffered(struct bus_link *link)
{
    size_t used = 0;

    while (!link->paused && !link->closing && !link->dead) {
        struct view stream = view_of(bytes_begin(&link->in) + used, link->in.length - used);
        struct view content;
        size_t frame_bytes;
        int r = stream.length > 0 ? frame_read(stream, &content, &frame_bytes) : 0;

        if (r < 0)
            close_link(link, "a frame announced an impossible length");
        if (r <= 0)
            break;
        link->handled = view_of(stream.bytes, frame_bytes);
        handle_content(link, content);
        link->handled = view_of(NULL, 0);
        used += frame_bytes;
    }
    bytes_consume(&link->in, used);
}

/* Returns how many bytes came, with *ret_more false when they were the last for now. */
static size_t read_once(struct bus_link *link, bool *ret_more)
{
    uint8_t *room = bytes_reserve(&link->in, READ_ROOM);
    size_t room_bytes = link->in.room - link->in.start - link->in.length;
    ssize_t n;

    *ret_more = false;

    if (room == NULL) {
        close_link(link, "no memory to read");
        return 0;
    }
    do
        n = recv(watch_fd(link->watch), room, room_bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        bytes_added(&link->in, (size_t)n);
        *ret_more = (size_t)n == room_bytes;
        return (size_t)n;
    }
    if (n == 0 || errno != EAGAIN) {
        handle_buffered(link);
        if (!link->paused)
            close_link(link, "the peer closed the link");
    }
    return 0;
}

/* Reads until that many bytes were read or there are no more. */
static void read_and_handle(struct bus_link *link, size_t bytes_enough)
{
    bool more = true;

    if (link->handling || link->paused || link->closing || link->dead)
        return;
    link->handling = true;
    handle_buffered(link);
    for (size_t sum = 0; sum < bytes_enough && more;) {
        if (link->paused || link->closing || link->dead)
            break;
        sum += read_once(link, &more);
        handle_buffered(link);
    }
    link->handling = false;
}

static void link_readable(void *user)
{
    read_and_handle(user, READ_BYTES_PER_TURN);
}

static void read_later(struct loop_task *task)
{
    read_and_handle(H2O_STRUCT_FROM_MEMBER(struct bus_link, read_task, task), READ_BYTES_PER_TURN);
}

size_t bus_link_drain(struct bus_link *link)
{
    int waiting = 0; /* a peer that never stops must not hold the caller for ever */

    if (link->dead || ioctl(watch_fd(link->watch), FIONREAD, &waiting) < 0)
        return 0;
    read_and_handle(link, waiting > 0 ? (size_t)waiting : link->dozing); /* who dozes has not seen an end of file */
    return (size_t)waiting;
}

static void watch_again(struct bus_link *link)
{
    if (link->paused || link->dozing || link->closing)
        return;
    watch_resume(link->watch);
    loop_at_turn_end(link->loop, &link->read_task);
}

void bus_link_pause(struct bus_link *link)
{
    if (link->paused || link->dead)
        return;
    link->paused = true;
    watch_pause(link->watch);
}

void bus_link_resume(struct bus_link *link)
{
    if (!link->paused || link->dead)
        return;
    link->paused = false;
    watch_again(link);
}

void bus_link_doze(struct bus_link *link, bool doze)
{
    if (link->dozing == doze || link->dead)
        return;
    link->dozing = doze;
    if (doze)
        watch_pause(link->watch);
    else
        watch_again(link);
}

/* ---- the rest ---- */

struct bus_link *bus_link_new(struct loop *loop, int fd, int lane, const struct bus_link_conf *conf)
{
    struct bus_link *link = calloc(1, sizeof *link);

    if (link != NULL)
        link->watch = watch_new(loop, fd, link_readable, link);
    if (link == NULL || link->watch == NULL) {
        close(fd);
        free(link);
        return NULL;
    }
    link->loop = loop;
    link->conf = *conf;
    link->lane = lane;
    link->flush_task.run = flush_at_turn_end;
    link->read_task.run = read_later;
    link->end_task.run = end_of_link;
    if (lane >= 0)
        say_hello(link, (uint64_t)lane);
    return link;
}

const struct msg_hello *bus_link_peer(const struct bus_link *link)
{
    return &link->peer;
}

bool bus_link_is_ready(const struct bus_link *link)
{
    return link->ready && !link->write_broken && !link->closing && !link->dead;
}

void bus_link_set_context(struct bus_link *link, void *context)
{
    link->context = context;
}

void *bus_link_context(const struct bus_link *link)
{
    return link->context;
}
