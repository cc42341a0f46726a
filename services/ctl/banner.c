/* banner - see banner.h. */
#include "banner.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

/* Order of the addresses: the earlier a rank, the likelier it is the one to type into a camera. */
enum rank { RANK_IPV4, RANK_IPV6, RANK_LOOPBACK, RANK_COUNT };

static const struct in_addr *ipv4_of(const struct sockaddr *address)
{
    return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
}

static const struct in6_addr *ipv6_of(const struct sockaddr *address)
{
    return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static bool is_wildcard(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ipv4_of(address)->s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(ipv6_of(address));
}

static enum rank rank_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(ipv4_of(address)->s_addr) >> 24 == IN_LOOPBACKNET ? RANK_LOOPBACK : RANK_IPV4;
    return IN6_IS_ADDR_LOOPBACK(ipv6_of(address)) ? RANK_LOOPBACK : RANK_IPV6;
}

static void add_host(struct banner_hosts *hosts, const struct sockaddr *address)
{
    char plain[INET6_ADDRSTRLEN], host[BANNER_HOST_ROOM];

    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, ipv4_of(address), plain, sizeof plain);
        snprintf(host, sizeof host, "%s", plain);
    } else {
        inet_ntop(AF_INET6, ipv6_of(address), plain, sizeof plain);
        snprintf(host, sizeof host, "[%s]", plain);
    }
    for (size_t i = 0; i < hosts->count; i++) {
        if (strcmp(hosts->at[i], host) == 0)
            return;
    }
    if (hosts->count < BANNER_ADDRESSES_MAX)
        memcpy(hosts->at[hosts->count++], host, sizeof host);
}

static bool is_usable(const struct ifaddrs *interface, sa_family_t family)
{
    const struct sockaddr *address = interface->ifa_addr;

    if (address == NULL || address->sa_family != family || (interface->ifa_flags & IFF_UP) == 0)
        return false;
    return family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(ipv6_of(address));
}

static void add_ranked(struct banner_hosts *hosts, const char *bind, const struct ifaddrs *interfaces, enum rank rank)
{
    struct sockaddr_storage storage;
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&storage;
    socklen_t length;

    while (conf_addr_next(&bind, 0, &storage, &length) > 0) {
        if (!is_wildcard(address)) {
            if (rank_of(address) == rank)
                add_host(hosts, address);
            continue;
        }
        for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
            if (is_usable(at, address->sa_family) && rank_of(at->ifa_addr) == rank)
                add_host(hosts, at->ifa_addr);
        }
    }
}

void banner_find_hosts(const char *bind, const struct ifaddrs *interfaces, struct banner_hosts *ret_hosts)
{
    ret_hosts->count = 0;
    for (int rank = 0; rank < RANK_COUNT; rank++)
        add_ranked(ret_hosts, bind, interfaces, (enum rank)rank);
}

struct line {
    const char *label;
    const char *before; /* of the host */
    uint16_t port;      /* 0: switched off, the line is left out */
    const char *behind;
};

static void print_line(FILE *out, const struct line *line, const char *label, const char *host)
{
    if (line->port != 0)
        fprintf(out, "  %-18s %s%s:%u%s\n", label, line->before, host, line->port, line->behind);
}

void banner_print(FILE *out, const struct hub_conf *conf, const struct banner_hosts *hosts)
{
    const struct line dashboard = {"Dashboard", "http://", conf->http_port, "/"};
    const struct line lines[] = {
        {"Camera pictures", "http://", conf->http_port, "/video"},
        {"Game, WebSocket", "ws://", conf->ws_port, "/"},
        {"", "ws://", conf->http_port, "/websocket"},
        {"Camera, WebSocket", "ws://", conf->http_port, "/websocket"},
        {"", "ws://", conf->ws_port, "/"},
        {"Camera, HTTP", "http://", conf->http_port, "/apriltag"},
        {"Camera, UDP", "", conf->udp_port, ""},
    };

    fprintf(out, "\ntaghub is ready.\n\n");
    for (size_t i = 0; i < hosts->count; i++)
        print_line(out, &dashboard, i == 0 ? dashboard.label : "", hosts->at[i]);
    for (size_t i = 0; i < ARRAY_LEN(lines) && hosts->count > 0; i++)
        print_line(out, &lines[i], lines[i].label, hosts->at[0]);
    fprintf(out, "  %-18s %s\n", "Camera token", conf->token_file);
    fprintf(out, "  %-18s (`taghubctl token show` prints it)\n\n", "");
    fprintf(out, "Ctrl-C stops it.\n\n");
}
