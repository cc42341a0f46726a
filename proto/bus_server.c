/* bus_server - see bus_server.h.
 *
 * Invariants
 *   S1  a peer of another user (SO_PEERCRED; root may) is closed before its first byte is read
 *   S2  one accept per event: with several workers on one listener each gets its share
 */
#include "bus_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATE_RETRY_MS 10u

struct server_link {
    struct bus_server *server;
    struct bus_link *link;
    struct server_link *next, **slot;
    bool joined;
    struct loop_task drop_task;
    char why[96]; /* of bus_server_drop() */
};

struct bus_server {
    struct loop *loop;
    struct watch *listener;
    const struct bus_server_events *events;
    void *user;
    struct bus_link_conf link_conf;
    struct server_link *links;
    unsigned joined_count;
    struct deadline_list gate_list;
    struct deadline gate_deadline;
};

static void forget(struct server_link *entry)
{
    *entry->slot = entry->next;
    if (entry->next != NULL)
        entry->next->slot = entry->slot;
    if (entry->joined)
        entry->server->joined_count--;
    loop_task_cancel(&entry->drop_task);
    bus_link_free(entry->link);
    free(entry);
}

static void link_ready(void *owner, struct bus_link *link)
{
    struct server_link *entry = owner;

    entry->joined = true;
    entry->server->joined_count++;
    entry->server->events->joined(entry->server->user, link);
}

static void link_closed(void *owner, struct bus_link *link, const char *why)
{
    struct server_link *entry = owner;

    if (entry->joined)
        entry->server->events->left(entry->server->user, link, why);
    else
        entry->server->events->refused(entry->server->user, why);
    forget(entry);
}

static void link_taken(void *owner, struct bus_link *link)
{
    struct server_link *entry = owner;

    if (entry->joined && entry->server->events->taken != NULL)
        entry->server->events->taken(entry->server->user, link);
}

static const struct bus_link_events LINK_EVENTS = {.ready = link_ready, .closed = link_closed, .taken = link_taken};

static void drop_now(struct loop_task *task)
{
    struct server_link *entry = H2O_STRUCT_FROM_MEMBER(struct server_link, drop_task, task);

    link_closed(entry, entry->link, entry->why);
}

static bool peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static void take_in(struct bus_server *server, int fd)
{
    struct server_link *entry;
    struct bus_link_conf conf = server->link_conf;

    if (!peer_is_ours(fd)) { /* S1 */
        close(fd);
        server->events->refused(server->user, "the peer runs as another user");
        return;
    }
    entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        close(fd);
        return;
    }
    conf.owner = entry;
    entry->server = server;
    entry->drop_task.run = drop_now;
    entry->link = bus_link_new(server->loop, fd, -1, &conf);
    if (entry->link == NULL) {
        free(entry);
        return;
    }
    entry->next = server->links;
    entry->slot = &server->links;
    if (entry->next != NULL)
        entry->next->slot = &entry->next;
    server->links = entry;
}

static void listener_readable(void *user)
{
    struct bus_server *server = user;
    int fd;

    if (server->events->gate != NULL && !server->events->gate(server->user)) {
        watch_pause(server->listener);
        deadline_arm(server->loop, &server->gate_list, &server->gate_deadline);
        return;
    }
    fd = accept4(watch_fd(server->listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_in(server, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        watch_pause(server->listener); /* it would stay readable and spin */
        deadline_arm(server->loop, &server->gate_list, &server->gate_deadline);
    }
}

static void gate_again(struct deadline *deadline)
{
    struct bus_server *server = H2O_STRUCT_FROM_MEMBER(struct bus_server, gate_deadline, deadline);

    watch_resume(server->listener);
}

struct bus_server *bus_server_new(struct loop *loop, int listen_fd, const struct bus_identity *me,
                                  const struct bus_handlers *handlers, const struct bus_server_events *events,
                                  void *user, uint64_t queue_bytes_max)
{
    struct bus_server *server = calloc(1, sizeof *server);

    if (server != NULL)
        server->listener = watch_new(loop, listen_fd, listener_readable, server);
    if (server == NULL || server->listener == NULL) {
        close(listen_fd);
        free(server);
        return NULL;
    }
    server->loop = loop;
    server->events = events;
    server->user = user;
    server->link_conf = (struct bus_link_conf){
        .me = me, .handlers = handlers, .user = user, .events = &LINK_EVENTS, .queue_bytes_max = queue_bytes_max};
    server->gate_deadline.fire = gate_again;
    loop_add_deadlines(loop, &server->gate_list, GATE_RETRY_MS);
    return server;
}

void bus_server_free(struct bus_server *server)
{
    if (server == NULL)
        return;
    while (server->links != NULL)
        forget(server->links);
    deadline_disarm(&server->gate_deadline);
    loop_remove_deadlines(server->loop, &server->gate_list);
    watch_free(server->listener);
    free(server);
}

static struct server_link *entry_of(struct bus_server *server, const struct bus_link *link)
{
    struct server_link *entry = server->links;

    while (entry != NULL && entry->link != link)
        entry = entry->next;
    return entry;
}

void bus_server_drop(struct bus_server *server, struct bus_link *link, const char *why)
{
    struct server_link *entry = entry_of(server, link);

    if (entry == NULL)
        return;
    snprintf(entry->why, sizeof entry->why, "%s", why);
    bus_link_pause(link); /* nothing more of it is handled */
    loop_at_turn_end(server->loop, &entry->drop_task);
}

struct bus_link *bus_server_next(struct bus_server *server, struct bus_link *after)
{
    struct server_link *entry = after == NULL ? server->links : entry_of(server, after)->next;

    while (entry != NULL && !entry->joined)
        entry = entry->next;
    return entry != NULL ? entry->link : NULL;
}

unsigned bus_server_count(const struct bus_server *server)
{
    return server->joined_count;
}
