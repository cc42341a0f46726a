/* doors - see doors.h.
 *
 * All workers poll the same listeners. A worker that is full, or has more connections than another that is not, by
 * more than the slack, stops polling for 10 ms: a listener that stays readable would otherwise spin.
 *
 * Clients never get the last descriptors. A worker without any could not reach a service again that was restarted,
 * and all its clients would be cut off from the rest of the hub for as long as they stay. */
#include "doors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "run/log.h"

#define SLACK                2u
#define SLACK_SHARE          32u /* and one more for so many connections */
#define RETRY_MS             10u
#define BEAT_LATE_MS         (4 * WORKER_TICK_MS)
#define ACCEPTS_AT_ONCE      8u
#define DESCRIPTORS_RESERVED 16u /* for links to services, in any state of being replaced */

struct door {
    struct doors *doors;
    h2o_socket_t *listener;
    enum http_port port;
};

struct doors {
    const struct hub_conf *conf;
    struct worker *worker;
    struct http *http;
    const struct gateway_sockets *sockets;
    struct door items[2 * ARRAY_LEN(((struct net_sockets *)0)->fds)];
    unsigned count;
    uint64_t connections_max;
    struct deadline_list retry_list;
    struct deadline retry;
};

static void poll_listeners(struct doors *doors, bool poll);

/* The configured limit, or fewer if there are not enough descriptors. To be called when all but the clients is open. */
static uint64_t find_connections_max(const struct doors *doors)
{
    uint64_t max = doors->conf->connections_max_count, room;
    int lowest_free = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); /* those below are in use */
    struct rlimit limit;

    if (lowest_free < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return max;
    close(lowest_free);
    room = (uint64_t)lowest_free + DESCRIPTORS_RESERVED;
    room = limit.rlim_cur > room ? limit.rlim_cur - room : 1;
    if (room >= max)
        return max;
    log_warn("few_descriptors", "worker=%u connections_max=%" PRIu64 " wanted=%" PRIu64, doors->worker->number, room,
             max);
    return room;
}

/* Before its first request nobody tells a WebSocket from others, so all of them count. */
static uint64_t connections_of(const struct page_slot *slot)
{
    return count_get(slot, COUNTER_connections) + count_get(slot, COUNTER_http_connections);
}

/* One that hangs would keep clients waiting until its master ends it. */
static bool takes_clients(const struct doors *doors, const struct page_slot *slot)
{
    uint64_t now = loop_now_mono_ms(doors->worker->loop), beat = atomic_load(&slot->heartbeat_mono_ms);

    return atomic_load(&slot->state) == SLOT_ALIVE && (now < beat || now - beat < BEAT_LATE_MS);
}

/* Whether another worker should have the next client. */
static bool is_gated(const struct doors *doors)
{
    const struct page *page = doors->worker->page;
    uint64_t mine = connections_of(doors->worker->slot);

    for (unsigned i = 0; i < page->slot_count; i++) {
        const struct page_slot *slot = &page->slots[i];
        uint64_t theirs = connections_of(slot);

        if (slot != doors->worker->slot && takes_clients(doors, slot) && theirs + SLACK + theirs / SLACK_SHARE < mine &&
            theirs < doors->connections_max)
            return true;
    }
    return false;
}

static bool may_accept(const struct doors *doors)
{
    return http_connection_count(doors->http) < doors->connections_max && !is_gated(doors);
}

static void pause_doors(struct doors *doors)
{
    poll_listeners(doors, false);
    deadline_arm(doors->worker->loop, &doors->retry_list, &doors->retry);
}

static void on_connection(h2o_socket_t *listener, const char *err)
{
    struct door *door = listener->data;

    (void)err;
    for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++) {
        h2o_socket_t *sock;

        if (!may_accept(door->doors)) {
            pause_doors(door->doors);
            return;
        }
        sock = h2o_evloop_socket_accept(listener);
        if (sock == NULL) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_doors(door->doors);
            return;
        }
        http_accept(door->doors->http, sock, door->port);
    }
}

static void poll_listeners(struct doors *doors, bool poll)
{
    for (unsigned i = 0; i < doors->count; i++) {
        if (poll)
            h2o_socket_read_start(doors->items[i].listener, on_connection);
        else
            h2o_socket_read_stop(doors->items[i].listener);
    }
}

static void poll_again(struct deadline *deadline)
{
    poll_listeners(H2O_STRUCT_FROM_MEMBER(struct doors, retry, deadline), true);
}

static void add(struct doors *doors, const struct net_sockets *sockets, enum http_port port)
{
    for (unsigned i = 0; i < sockets->count; i++) {
        struct door *door = &doors->items[doors->count];
        int fd = fcntl(sockets->fds[i], F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
            continue;
        *door = (struct door){.doors = doors, .port = port};
        door->listener = h2o_evloop_socket_create(loop_h2o(doors->worker->loop), fd, H2O_SOCKET_FLAG_DONT_READ);
        door->listener->data = door;
        doors->count++;
    }
}

void doors_open(struct doors *doors)
{
    add(doors, &doors->sockets->http, PORT_MAIN);
    add(doors, &doors->sockets->ws, PORT_WS);
    doors->connections_max = find_connections_max(doors);
    poll_listeners(doors, true);
}

void doors_close(struct doors *doors)
{
    deadline_disarm(&doors->retry);
    for (unsigned i = 0; i < doors->count; i++)
        h2o_socket_close(doors->items[i].listener);
    doors->count = 0;
}

struct doors *doors_new(const struct hub_conf *conf, struct worker *worker, struct http *http,
                        const struct gateway_sockets *sockets)
{
    struct doors *doors = calloc(1, sizeof *doors);

    if (doors == NULL)
        return NULL;
    doors->conf = conf;
    doors->worker = worker;
    doors->http = http;
    doors->sockets = sockets;
    doors->retry.fire = poll_again;
    loop_add_deadlines(worker->loop, &doors->retry_list, RETRY_MS);
    return doors;
}

void doors_free(struct doors *doors)
{
    if (doors == NULL)
        return;
    doors_close(doors);
    loop_remove_deadlines(doors->worker->loop, &doors->retry_list);
    free(doors);
}
