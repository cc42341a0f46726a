#include "load_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, MESSAGE_MAX_BYTES = 1 << 20, EVENTS_MAX = 256, SLOW_WINDOW_BYTES = 4096 };

/* The example of RFC 6455, 1.3: the key may be any, and who sends another answer knows no handshake. */
static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ==", ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

void net_init(struct net *net, const struct net_events *events, void *user)
{
    *net = (struct net){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .events = events, .user = user, .mask = 2463534242u};
    net->scratch = must_alloc(READ_BYTES + MESSAGE_MAX_BYTES, 1);
}

static void watch(struct net *net, struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl(net->epoll_fd, operation, conn->fd, &event) < 0)
        die("epoll: %s", strerror(errno));
}

static void conn_close(struct net *net, struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->state == CONN_OPEN) {
        net->open_count--;
        net->closed += !conn->is_slow;
    } else {
        net->refused++;
    }
    close(conn->fd);
    conn->state = CONN_CLOSED;
}

static void conn_opened(struct net *net, struct conn *conn)
{
    conn->state = CONN_OPEN;
    net->open_count++;
    if (conn->is_slow)
        watch(net, conn, EPOLL_CTL_DEL, 0);
}

void net_connect(struct net *net, struct conn *conn, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, window = SLOW_WINDOW_BYTES;

    conn->fd = socket(AF_INET, (conn->kind == CONN_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket: %s", strerror(errno));
    if (conn->kind != CONN_UDP)
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (conn->is_slow)
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    conn->state = CONN_CONNECTING;
    watch(net, conn, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        conn_close(net, conn);
}

/* ---- out ---- */

void net_send(struct net *net, struct conn *conn, const void *bytes, size_t count)
{
    ssize_t sent = 0;

    if (conn->state == CONN_CLOSED)
        return;
    if (conn->out.count == 0)
        sent = send(conn->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        conn_close(net, conn);
        return;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == count)
        return;
    if (conn->out.count == 0)
        watch(net, conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    bytes_append(&conn->out, (const uint8_t *)bytes + sent, count - (size_t)sent);
}

static void send_rest(struct net *net, struct conn *conn)
{
    ssize_t sent = send(conn->fd, conn->out.base, conn->out.count, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        conn_close(net, conn);
    else if (sent > 0)
        bytes_drop_front(&conn->out, (size_t)sent);
    if (conn->state != CONN_CLOSED && conn->out.count == 0)
        watch(net, conn, EPOLL_CTL_MOD, EPOLLIN);
}

static void add_frame(struct net *net, enum ws_opcode opcode, const void *payload, size_t count)
{
    uint8_t head[WS_HEAD_MAX_BYTES], mask[4];
    size_t head_bytes, at;

    net->mask = net->mask * 1664525u + 1013904223u;
    memcpy(mask, &net->mask, sizeof mask);
    head_bytes = ws_head_write(head, opcode, count, mask);
    bytes_append(&net->frame, head, head_bytes);
    at = net->frame.count;
    bytes_append(&net->frame, payload, count);
    ws_mask(net->frame.base + at, net->frame.base + at, count, mask);
}

void net_send_frame(struct net *net, struct conn *conn, enum ws_opcode opcode, const void *payload, size_t count,
                    bool has_ping)
{
    net->frame.count = 0;
    add_frame(net, opcode, payload, count);
    if (has_ping)
        add_frame(net, WS_PING, "bench", 5);
    net_send(net, conn, net->frame.base, net->frame.count);
}

/* ---- in ---- */

static void take_text(struct net *net, struct conn *conn, const char *text, size_t count)
{
    static const char WELCOME[] = "connection_success", SUCCESS[] = "identify_success";

    if (conn->state == CONN_OPEN) {
        net->events->on_text(net->user, conn, text, count);
    } else if (memmem(text, count, SUCCESS, strlen(SUCCESS)) != NULL) {
        conn_opened(net, conn);
    } else if (memmem(text, count, WELCOME, strlen(WELCOME)) == NULL) {
        fprintf(stderr, "load: instead of identify_success: %.*s\n", (int)count, text);
        conn_close(net, conn);
    }
}

static void take_frame(struct net *net, struct conn *conn, const struct ws_head *head, const uint8_t *payload)
{
    if (head->is_masked || !head->is_final || head->opcode == WS_CLOSE)
        conn_close(net, conn);
    else if (head->opcode == WS_PING)
        net_send_frame(net, conn, WS_PONG, payload, head->payload_bytes, false);
    else if (head->opcode == WS_PONG)
        net->events->on_pong(net->user, conn);
    else
        take_text(net, conn, (const char *)payload, head->payload_bytes);
}

/* These return how many bytes were used. */

static size_t take_frames(struct net *net, struct conn *conn, const uint8_t *bytes, size_t count)
{
    struct ws_head head;
    size_t used = 0;

    while (conn->state != CONN_CLOSED && ws_head_read(bytes + used, count - used, &head) &&
           count - used >= head.head_bytes + head.payload_bytes) {
        take_frame(net, conn, &head, bytes + used + head.head_bytes);
        used += head.head_bytes + head.payload_bytes;
    }
    return used;
}

static const char *header_value(const char *header, const char *end, const char *name)
{
    size_t count = strlen(name);

    for (const char *line = header; line != NULL && line + count < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        line += *line == '\n';
        if (line + count < end && strncasecmp(line, name, count) == 0)
            return line + count;
    }
    return NULL;
}

static size_t take_upgrade(struct net *net, struct conn *conn, const uint8_t *bytes, size_t count)
{
    const char *header = (const char *)bytes, *end = memmem(bytes, count, "\r\n\r\n", 4), *accept;

    if (end == NULL)
        return 0;
    accept = header_value(header, end, "Sec-WebSocket-Accept: ");
    if (strncmp(header, "HTTP/1.1 101", 12) != 0 || accept == NULL || strncmp(accept, ACCEPT, strlen(ACCEPT)) != 0) {
        fprintf(stderr, "load: upgrade refused: %.*s\n", (int)strcspn(header, "\r"), header);
        conn_close(net, conn);
        return count;
    }
    if (conn->identify != NULL) {
        conn->state = CONN_IDENTIFYING;
        net_send_frame(net, conn, WS_TEXT, conn->identify, strlen(conn->identify), false);
    } else {
        conn_opened(net, conn);
    }
    return (size_t)(end - header) + 4;
}

static size_t take_reply(struct net *net, struct conn *conn, const uint8_t *bytes, size_t count)
{
    const char *header = (const char *)bytes, *end = memmem(bytes, count, "\r\n\r\n", 4), *length;
    size_t head_bytes, body_bytes;

    if (end == NULL)
        return 0;
    head_bytes = (size_t)(end - header) + 4;
    length = header_value(header, end, "Content-Length: ");
    if (length == NULL || strncmp(header, "HTTP/1.1 ", 9) != 0) {
        conn_close(net, conn);
        return count;
    }
    body_bytes = strtoul(length, NULL, 10);
    if (count - head_bytes < body_bytes)
        return 0;
    net->events->on_reply(net->user, conn, (unsigned)strtoul(header + 9, NULL, 10), bytes + head_bytes, body_bytes);
    return head_bytes + body_bytes;
}

static size_t take(struct net *net, struct conn *conn, const uint8_t *bytes, size_t count)
{
    size_t used = 0;

    if (conn->kind == CONN_HTTP)
        return take_reply(net, conn, bytes, count);
    if (conn->kind == CONN_UDP) {
        net->events->on_text(net->user, conn, (const char *)bytes, count);
        return count;
    }
    if (conn->state == CONN_UPGRADING)
        used = take_upgrade(net, conn, bytes, count);
    if (conn->state == CONN_IDENTIFYING || conn->state == CONN_OPEN)
        used += take_frames(net, conn, bytes + used, count - used);
    return used;
}

static void conn_read(struct net *net, struct conn *conn)
{
    size_t kept = conn->in.count, count, used;
    ssize_t got;

    if (kept > MESSAGE_MAX_BYTES)
        die("a message has no end");
    if (kept > 0)
        memcpy(net->scratch, conn->in.base, kept);
    got = recv(conn->fd, net->scratch + kept, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        conn_close(net, conn);
        return;
    }
    count = kept + (size_t)got;
    used = take(net, conn, net->scratch, count);
    conn->in.count = 0;
    if (conn->state != CONN_CLOSED)
        bytes_append(&conn->in, net->scratch + used, count - used);
}

void net_trickle(struct net *net, struct conn *conn, size_t count)
{
    ssize_t got;

    if (conn->state != CONN_OPEN)
        return;
    got = recv(conn->fd, net->scratch, count, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        conn_close(net, conn);
}

/* ---- turns ---- */

static void conn_connected(struct net *net, struct conn *conn)
{
    char request[256];
    int error = 0, count;
    socklen_t error_bytes = sizeof error;

    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error != 0) {
        conn_close(net, conn);
        return;
    }
    watch(net, conn, EPOLL_CTL_MOD, EPOLLIN);
    if (conn->kind == CONN_HTTP || conn->kind == CONN_UDP) {
        conn_opened(net, conn);
        return;
    }
    count = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     conn->path, KEY);
    conn->state = CONN_UPGRADING;
    net_send(net, conn, request, (size_t)count);
}

static void conn_ready(struct net *net, struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CONNECTING) {
        conn_connected(net, conn);
        return;
    }
    if (events & EPOLLOUT)
        send_rest(net, conn);
    if (conn->state != CONN_CLOSED && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        conn_read(net, conn);
}

void net_turn(struct net *net, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int count = epoll_pwait2(net->epoll_fd, events, EVENTS_MAX, &wait, NULL);

    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;

        if (conn->state != CONN_CLOSED)
            conn_ready(net, conn, events[i].events);
        net->events->on_event(net->user);
    }
    if (count <= 0)
        net->events->on_event(net->user);
}
