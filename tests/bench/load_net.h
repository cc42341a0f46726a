/* load_net - the connections of the load: WebSockets of cameras and games, keep-alive HTTP and UDP, all in one epoll.
 *
 * A WebSocket is open once the server has let it in: after the upgrade when there is nothing to say, else after its identify
 * has succeeded.
 */
#ifndef BENCH_LOAD_NET_H
#define BENCH_LOAD_NET_H

#include "wire.h"

enum conn_kind { CONN_GAME, CONN_CAMERA, CONN_HTTP, CONN_UDP };

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_UPGRADING, CONN_IDENTIFYING, CONN_OPEN };

struct conn {
    enum conn_kind kind;
    enum conn_state state;
    unsigned number; /* among its kind */
    int fd;
    bool is_slow;         /* its window is small, and once open it is not read here */
    const char *path;     /* of the upgrade */
    const char *identify; /* said after the upgrade, or NULL */
    struct bytes in, out;
};

struct net_events {
    void (*on_text)(void *user, struct conn *conn, const char *text, size_t count);
    void (*on_pong)(void *user, struct conn *conn);
    void (*on_reply)(void *user, struct conn *conn, unsigned status, const uint8_t *body, size_t count);
    void (*on_event)(void *user); /* after each piece of work: something may be due */
};

struct net {
    int epoll_fd;
    const struct net_events *events;
    void *user;
    uint8_t *scratch;
    struct bytes frame;
    uint32_t mask; /* of the next frame */
    size_t open_count;
    size_t refused, closed; /* that never opened; that were open */
};

void net_init(struct net *net, const struct net_events *events, void *user);

/* Begins to connect to 127.0.0.1. What comes by UDP is told as text. */
void net_connect(struct net *net, struct conn *conn, uint16_t port);

/* One frame; a ping may follow in the same send(). */
void net_send_frame(struct net *net, struct conn *conn, enum ws_opcode opcode, const void *payload, size_t count,
                    bool has_ping);
void net_send(struct net *net, struct conn *conn, const void *bytes, size_t count);

/* Waits at most that long and handles what has come. */
void net_turn(struct net *net, uint64_t wait_ns);

/* Takes up to `count` bytes from a slow connection and throws them away. */
void net_trickle(struct net *net, struct conn *conn, size_t count);

#endif
