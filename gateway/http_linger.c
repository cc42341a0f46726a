/* http_linger - see http_linger.h.
 *
 * Invariants
 *   L1  at most LINGERS_MAX, each for LINGER_MS: nobody can hold descriptors by sending for ever
 *   L2  one turn reads at most TURN_BYTES_MAX from each, so that a fast sender delays nobody
 */
#include "http_linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS      3000u
#define LINGERS_MAX    64u
#define TURN_BYTES_MAX (256u * 1024)

struct linger_conn {
    struct http_lingers *lingers;
    struct watch *watch;
    struct deadline deadline;
    struct linger_conn *next, **slot;
};

struct http_lingers {
    struct loop *loop;
    struct deadline_list deadlines;
    struct linger_conn *first;
    unsigned count;
};

static void linger_end(struct linger_conn *conn)
{
    watch_free(conn->watch);
    deadline_disarm(&conn->deadline);
    *conn->slot = conn->next;
    if (conn->next != NULL)
        conn->next->slot = conn->slot;
    conn->lingers->count--;
    free(conn);
}

static void linger_too_long(struct deadline *deadline)
{
    linger_end(H2O_STRUCT_FROM_MEMBER(struct linger_conn, deadline, deadline));
}

static void on_readable(void *user)
{
    struct linger_conn *conn = user;
    char dropped[16384];
    ssize_t got = 0;

    for (size_t total = 0; total < TURN_BYTES_MAX; total += (size_t)got) {
        got = recv(watch_fd(conn->watch), dropped, sizeof dropped, MSG_DONTWAIT);
        if (got <= 0)
            break;
    }
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        linger_end(conn);
}

void http_linger(struct http_lingers *lingers, int *fd)
{
    struct linger_conn *conn = lingers->count < LINGERS_MAX ? calloc(1, sizeof *conn) : NULL;

    if (conn != NULL)
        conn->watch = watch_new(lingers->loop, *fd, on_readable, conn);
    if (conn == NULL || conn->watch == NULL) {
        close(*fd);
        free(conn);
        *fd = -1;
        return;
    }
    shutdown(*fd, SHUT_WR);
    *fd = -1;
    conn->lingers = lingers;
    conn->deadline.fire = linger_too_long;
    deadline_arm(lingers->loop, &lingers->deadlines, &conn->deadline);
    conn->next = lingers->first;
    conn->slot = &lingers->first;
    if (conn->next != NULL)
        conn->next->slot = &conn->next;
    lingers->first = conn;
    lingers->count++;
}

struct http_lingers *http_lingers_new(struct loop *loop)
{
    struct http_lingers *lingers = calloc(1, sizeof *lingers);

    if (lingers == NULL)
        return NULL;
    lingers->loop = loop;
    loop_add_deadlines(loop, &lingers->deadlines, LINGER_MS);
    return lingers;
}

void http_lingers_free(struct http_lingers *lingers)
{
    if (lingers == NULL)
        return;
    while (lingers->first != NULL)
        linger_end(lingers->first);
    loop_remove_deadlines(lingers->loop, &lingers->deadlines);
    free(lingers);
}
