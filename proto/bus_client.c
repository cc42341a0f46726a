/* bus_client - see bus_client.h. A Unix connect answers at once, so there is no connecting state: an attempt
 * either has a socket or waits for the next try. */
#include "bus_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The waits before an attempt, in order; the last one repeats. */
static const uint64_t BACKOFF_MS[] = {10, 20, 50, 100, 200, 500, 1000};

struct bus_client {
    struct loop *loop;
    struct sockaddr_un address;
    enum lane lane;
    const struct bus_client_events *events;
    void *user;
    struct bus_link_conf link_conf;
    struct bus_link *link;
    bool up;
    struct loop_task connect_task;
    struct deadline_list backoff_lists[ARRAY_LEN(BACKOFF_MS)];
    struct deadline retry;
    size_t failures; /* since the last usable link */
    char told[192];  /* the trouble that was told last */
};

static void try_later(struct bus_client *client)
{
    size_t step = client->failures < ARRAY_LEN(BACKOFF_MS) ? client->failures : ARRAY_LEN(BACKOFF_MS) - 1;

    client->failures++;
    deadline_arm(client->loop, &client->backoff_lists[step], &client->retry);
}

static void report(struct bus_client *client, const char *why)
{
    if (strcmp(client->told, why) == 0)
        return;
    snprintf(client->told, sizeof client->told, "%s", why);
    client->events->trouble(client->user, client, why);
}

static void link_ready(void *owner, struct bus_link *link)
{
    struct bus_client *client = owner;

    (void)link;
    client->up = true;
    client->failures = 0;
    client->told[0] = '\0';
    client->events->up(client->user, client);
}

/* Returns whether it was usable. */
static bool lose_link(struct bus_client *client)
{
    bool was_up = client->up;

    bus_link_free(client->link);
    client->link = NULL;
    client->up = false;
    return was_up;
}

/* Last in its caller, because the events may free the client. */
static void tell_loss(struct bus_client *client, bool was_up, const char *why)
{
    if (was_up)
        client->events->down(client->user, client, why);
    else
        report(client, why);
}

static void link_closed(void *owner, struct bus_link *link, const char *why)
{
    struct bus_client *client = owner;
    bool was_up;

    (void)link;
    was_up = lose_link(client); /* `why` lives as long as the link: to the end of the turn */
    try_later(client);
    tell_loss(client, was_up, why);
}

static void link_taken(void *owner, struct bus_link *link)
{
    struct bus_client *client = owner;

    (void)link;
    if (client->up && client->events->taken != NULL)
        client->events->taken(client->user, client);
}

static const struct bus_link_events LINK_EVENTS = {.ready = link_ready, .closed = link_closed, .taken = link_taken};

static void connect_now(struct bus_client *client)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char why[192];

    if (fd < 0 || connect(fd, (struct sockaddr *)&client->address, sizeof client->address) < 0) {
        snprintf(why, sizeof why, "%s: %s", client->address.sun_path, strerror(errno));
        if (fd >= 0)
            close(fd);
        try_later(client);
        report(client, why);
        return;
    }
    client->link = bus_link_new(client->loop, fd, (int)client->lane, &client->link_conf);
    if (client->link == NULL)
        try_later(client);
}

static void connect_at_turn_end(struct loop_task *task)
{
    connect_now(H2O_STRUCT_FROM_MEMBER(struct bus_client, connect_task, task));
}

static void connect_after_backoff(struct deadline *deadline)
{
    connect_now(H2O_STRUCT_FROM_MEMBER(struct bus_client, retry, deadline));
}

struct bus_client *bus_client_new(struct loop *loop, const char *path, enum lane lane, const struct bus_identity *me,
                                  const struct bus_handlers *handlers, const struct bus_client_events *events,
                                  void *user, uint64_t queue_bytes_max)
{
    struct bus_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return NULL;
    client->loop = loop;
    client->address.sun_family = AF_UNIX;
    snprintf(client->address.sun_path, sizeof client->address.sun_path, "%s", path);
    client->lane = lane;
    client->events = events;
    client->user = user;
    client->link_conf = (struct bus_link_conf){.me = me,
                                               .handlers = handlers,
                                               .user = user,
                                               .events = &LINK_EVENTS,
                                               .owner = client,
                                               .queue_bytes_max = queue_bytes_max};
    client->connect_task.run = connect_at_turn_end;
    client->retry.fire = connect_after_backoff;
    for (size_t i = 0; i < ARRAY_LEN(BACKOFF_MS); i++)
        loop_add_deadlines(loop, &client->backoff_lists[i], BACKOFF_MS[i]);
    loop_at_turn_end(loop, &client->connect_task);
    return client;
}

void bus_client_free(struct bus_client *client)
{
    if (client == NULL)
        return;
    loop_task_cancel(&client->connect_task);
    deadline_disarm(&client->retry);
    for (size_t i = 0; i < ARRAY_LEN(BACKOFF_MS); i++)
        loop_remove_deadlines(client->loop, &client->backoff_lists[i]);
    bus_link_free(client->link);
    free(client);
}

struct bus_link *bus_client_link(const struct bus_client *client)
{
    return client->up && bus_link_is_ready(client->link) ? client->link : NULL;
}

void bus_client_restart(struct bus_client *client, const char *why)
{
    bool was_up;

    if (client->link == NULL)
        return; /* an attempt is under way already */
    was_up = lose_link(client);
    loop_at_turn_end(client->loop, &client->connect_task);
    tell_loss(client, was_up, why);
}
