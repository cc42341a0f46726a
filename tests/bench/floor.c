/* floor - the least a hub can cost: one process that moves bytes and does nothing else.
 *
 *   floor PORT
 *
 * WebSocket at /pub is a publisher, anywhere else a subscriber. A publisher's text becomes one frame, built once and sent
 * with plain send() to every subscriber; nothing is parsed, queued, checked or answered. A ping gets its pong, a picture is
 * swallowed. Who does not read holds up everybody: it is a floor, no hub.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { READ_BYTES = 1 << 20, WAIT_MS = 2000, KEY_BYTES = 24 };

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

enum role { ROLE_NEW, ROLE_PUBLISHER, ROLE_SUBSCRIBER };

struct peer {
    int fd;
    enum role role;
    size_t place; /* in subscribers */
    struct bytes in;
};

struct floor {
    int epoll_fd, listen_fd;
    struct peer **subscribers;
    size_t count, capacity;
    uint8_t *scratch; /* READ_BYTES and what was left from before */
    size_t scratch_bytes;
    struct bytes frame;
};

/* Whether the peer took all of it; it is waited for, as nothing may be lost in a measurement. */
static bool send_all(const struct peer *peer, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(peer->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd ready = {.fd = peer->fd, .events = POLLOUT};

        if (sent < 0 && (errno != EAGAIN || poll(&ready, 1, WAIT_MS) <= 0))
            return false;
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
    }
    return true;
}

static void publish(struct floor *floor, const uint8_t *payload, const struct ws_head *head)
{
    uint8_t out_head[WS_HEAD_MAX_BYTES];
    size_t head_bytes = ws_head_write(out_head, WS_TEXT, head->payload_bytes, NULL);

    floor->frame.count = 0;
    bytes_append(&floor->frame, out_head, head_bytes);
    bytes_append(&floor->frame, payload, head->payload_bytes);
    ws_mask(floor->frame.base + head_bytes, floor->frame.base + head_bytes, head->payload_bytes, head->mask);
    for (size_t i = 0; i < floor->count; i++)
        send_all(floor->subscribers[i], floor->frame.base, floor->frame.count);
}

static bool answer_ping(const struct peer *peer, const uint8_t *payload, const struct ws_head *head)
{
    uint8_t pong[WS_HEAD_MAX_BYTES + 125];
    size_t head_bytes = ws_head_write(pong, WS_PONG, head->payload_bytes, NULL);

    if (head->payload_bytes > 125)
        return false;
    ws_mask(pong + head_bytes, payload, head->payload_bytes, head->mask);
    return send_all(peer, pong, head_bytes + head->payload_bytes);
}

/* Returns how many bytes were used, or -1 when the peer has to go. */
static ssize_t take_frames(struct floor *floor, struct peer *peer, const uint8_t *bytes, size_t count)
{
    struct ws_head head;
    size_t used = 0;

    while (ws_head_read(bytes + used, count - used, &head) && count - used >= head.head_bytes + head.payload_bytes) {
        const uint8_t *payload = bytes + used + head.head_bytes;

        if (!head.is_masked || !head.is_final || head.opcode == WS_CLOSE)
            return -1;
        if (head.opcode == WS_PING && !answer_ping(peer, payload, &head))
            return -1;
        if (head.opcode == WS_TEXT && peer->role == ROLE_PUBLISHER)
            publish(floor, payload, &head);
        used += head.head_bytes + head.payload_bytes;
    }
    return (ssize_t)used;
}

static void subscribe(struct floor *floor, struct peer *peer)
{
    if (floor->count == floor->capacity) {
        floor->capacity = 2 * floor->capacity + 16;
        floor->subscribers = realloc(floor->subscribers, floor->capacity * sizeof(struct peer *));
        if (floor->subscribers == NULL)
            die("out of memory");
    }
    peer->role = ROLE_SUBSCRIBER;
    peer->place = floor->count;
    floor->subscribers[floor->count++] = peer;
}

static ssize_t shake_hands(struct floor *floor, struct peer *peer, const uint8_t *bytes, size_t count)
{
    static const char KEY[] = "Sec-WebSocket-Key: ";
    const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4), *key = memmem(bytes, count, KEY, strlen(KEY));
    char joined[KEY_BYTES + sizeof GUID], reply[256];
    uint8_t digest[SHA_DIGEST_LENGTH], accept[32];
    int reply_bytes;

    if (end == NULL)
        return 0;
    if (key == NULL || key + strlen(KEY) + KEY_BYTES > end)
        return -1;
    memcpy(joined, key + strlen(KEY), KEY_BYTES);
    memcpy(joined + KEY_BYTES, GUID, sizeof GUID);
    SHA1((const uint8_t *)joined, strlen(joined), digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    reply_bytes = snprintf(reply, sizeof reply,
                           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n\r\n",
                           (const char *)accept);
    if (memcmp(bytes, "GET /pub ", 9) == 0)
        peer->role = ROLE_PUBLISHER;
    else
        subscribe(floor, peer);
    return send_all(peer, (const uint8_t *)reply, (size_t)reply_bytes) ? end + 4 - bytes : -1;
}

static void peer_free(struct floor *floor, struct peer *peer)
{
    if (peer->role == ROLE_SUBSCRIBER) {
        struct peer *last = floor->subscribers[--floor->count];

        floor->subscribers[peer->place] = last;
        last->place = peer->place;
    }
    close(peer->fd);
    free(peer->in.base);
    free(peer);
}

static bool peer_read(struct floor *floor, struct peer *peer)
{
    size_t kept = peer->in.count, count;
    ssize_t used = 0, got;

    if (kept + READ_BYTES > floor->scratch_bytes)
        return false;
    if (kept > 0)
        memcpy(floor->scratch, peer->in.base, kept);
    got = recv(peer->fd, floor->scratch + kept, READ_BYTES, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    count = kept + (size_t)got;
    if (peer->role == ROLE_NEW)
        used = shake_hands(floor, peer, floor->scratch, count);
    if (used >= 0 && peer->role != ROLE_NEW) {
        ssize_t more = take_frames(floor, peer, floor->scratch + used, count - (size_t)used);

        used = more < 0 ? -1 : used + more;
    }
    if (used < 0)
        return false;
    peer->in.count = 0;
    bytes_append(&peer->in, floor->scratch + used, count - (size_t)used);
    if (peer->in.count == 0) {
        free(peer->in.base);
        peer->in = (struct bytes){0};
    }
    return true;
}

static void accept_peers(struct floor *floor)
{
    int fd, on = 1;

    while ((fd = accept4(floor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = must_alloc(1, sizeof *peer);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

        peer->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(floor->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll: %s", strerror(errno));
    }
}

int main(int argc, char **argv)
{
    struct floor floor = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .scratch_bytes = 2 * READ_BYTES};
    struct epoll_event events[256], listening = {.events = EPOLLIN};

    if (argc != 2)
        die("usage: floor PORT");
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    floor.scratch = must_alloc(floor.scratch_bytes, 1);
    floor.listen_fd = must_listen(argv[1]);
    if (epoll_ctl(floor.epoll_fd, EPOLL_CTL_ADD, floor.listen_fd, &listening) < 0)
        die("epoll: %s", strerror(errno));
    for (;;) {
        int count = epoll_wait(floor.epoll_fd, events, 256, -1);

        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;

            if (peer == NULL)
                accept_peers(&floor);
            else if (!peer_read(&floor, peer))
                peer_free(&floor, peer);
        }
    }
}
