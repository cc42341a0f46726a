/* net_address - see net_address.h. */
#include "net_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "run/conf.h"

#define LISTEN_BACKLOG   4096
#define UDP_BUFFER_BYTES (1 << 20) /* what comes while no worker reads, for a moment */

void net_address_text(const struct sockaddr *address, char text[ADDRESS_BYTES_MAX + 1])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

    text[0] = '\0';
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, text, ADDRESS_BYTES_MAX + 1);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, ADDRESS_BYTES_MAX + 1);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, text, ADDRESS_BYTES_MAX + 1);
}

static void set_datagram_options(int fd, sa_family_t family)
{
    int on = 1, buffer = UDP_BUFFER_BYTES;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    else
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
}

/* Each family has its own socket, so that "::" and "0.0.0.0" can be bound side by side. */
static int open_one(const struct sockaddr_storage *address, socklen_t length, int type)
{
    int fd = socket(address->ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, r;

    if (fd < 0)
        return -errno;
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    else
        set_datagram_options(fd, address->ss_family);
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, length) < 0 ||
        (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0)) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* A machine without IPv6 still serves IPv4: "every IPv6 address" may be none. One that was named must be there. */
static bool family_is_missing(const struct sockaddr_storage *address, int error, const char *bind)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

    return address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) &&
           (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL) && strchr(bind, '.') != NULL;
}

static bool is_bound_to(int fd, const struct sockaddr_storage *address, socklen_t length)
{
    struct sockaddr_storage bound = {0};
    socklen_t bound_length = sizeof bound;

    if (getsockname(fd, (struct sockaddr *)&bound, &bound_length) < 0 || bound.ss_family != address->ss_family)
        return false;
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)&bound,
                                  *b = (const struct sockaddr_in6 *)(const void *)address;

        return a->sin6_port == b->sin6_port && memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
    }
    return bound_length == length && memcmp(&bound, address, offsetof(struct sockaddr_in, sin_zero)) == 0;
}

/* The one of an earlier life that is bound to this address; -1 when there is none. */
static int take_former(struct net_sockets *former, const struct sockaddr_storage *address, socklen_t length)
{
    for (unsigned i = 0; former != NULL && i < former->count; i++) {
        int fd = former->fds[i];

        if (!is_bound_to(fd, address, length))
            continue;
        former->fds[i] = former->fds[--former->count];
        return fd;
    }
    return -1;
}

int net_open(const char *bind, uint16_t port, int type, const char *setting, struct net_sockets *former,
             struct net_sockets *ret_sockets, struct net_error *ret_error)
{
    struct net_sockets sockets = {0};
    struct sockaddr_storage address;
    const char *cursor = bind;
    socklen_t length;

    while (port != 0 && conf_addr_next(&cursor, port, &address, &length) == 1 &&
           sockets.count < ARRAY_LEN(sockets.fds)) {
        char text[ADDRESS_BYTES_MAX + 1];
        int fd = take_former(former, &address, length);

        if (fd < 0)
            fd = open_one(&address, length, type);
        if (fd >= 0) {
            sockets.fds[sockets.count++] = fd;
            continue;
        }
        if (family_is_missing(&address, fd, bind))
            continue;
        net_address_text((struct sockaddr *)&address, text);
        snprintf(ret_error->text, sizeof ret_error->text, "port %u (%s) on %s: %s%s%s", port,
                 type == SOCK_STREAM ? "TCP" : "UDP", text, strerror(-fd),
                 fd == -EADDRINUSE ? "; end the program that uses it or change the setting " : "; the setting is ",
                 setting);
        net_close(&sockets);
        return fd;
    }
    *ret_sockets = sockets;
    return 0;
}

void net_close(struct net_sockets *sockets)
{
    for (unsigned i = 0; i < sockets->count; i++)
        close(sockets->fds[i]);
    sockets->count = 0;
}

void net_camera_name(const char address[ADDRESS_BYTES_MAX + 1], char ret_name[NAME_BYTES_MAX + 1])
{
    static const char PREFIX[] = "camera-";

    memcpy(ret_name, PREFIX, sizeof PREFIX - 1);
    memcpy(ret_name + sizeof PREFIX - 1, address, strlen(address) + 1);
}
