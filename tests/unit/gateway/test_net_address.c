/* Addresses as text; sockets on every address of a bind setting; the sentence when that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "net_address.h"
#include "view.h"

#define FDS_LOOKED_AT 64

/* ---- text ---- */

static const struct {
    const char *name, *address, *text;
} TEXTS[] = {
    {"IPv4", "192.0.2.17", "192.0.2.17"},
    {"IPv4 any", "0.0.0.0", "0.0.0.0"},
    {"IPv6", "2001:db8::1", "2001:db8::1"},
    {"IPv6 loopback", "::1", "::1"},
    {"IPv6 any", "::", "::"},
    {"IPv4 within IPv6", "::ffff:192.0.2.17", "192.0.2.17"},
    {"IPv4-compatible is another thing", "::0.2.0.17", "::0.2.0.17"},
    {"the longest", "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888"},
};

static struct sockaddr_storage parse(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        address.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        address.ss_family = AF_INET6;
    }
    return address;
}

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct sockaddr_storage address = parse(TEXTS[i].address);
        char text[ADDRESS_BYTES_MAX + 1] = "not touched";

        print_message("    %s\n", TEXTS[i].name);
        net_address_text((struct sockaddr *)&address, text);
        assert_string_equal(text, TEXTS[i].text);
    }
}

static void test_text_of_another_family(void **state)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    char text[ADDRESS_BYTES_MAX + 1] = "not touched";

    (void)state;
    net_address_text((struct sockaddr *)&address, text);
    assert_string_equal(text, "");
}

/* ---- sockets ---- */

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static void assert_bound_to(int fd, const char *expected)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char text[ADDRESS_BYTES_MAX + 1];

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    net_address_text((struct sockaddr *)&address, text);
    assert_string_equal(text, expected);
}

static int option_of(int fd, int level, int name)
{
    socklen_t length = sizeof(int);
    int value = -1;

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

/* A machine may have no IPv6; the cases that need it say nothing there. */
static bool is_possible_here(const char *bind_setting)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;

    if (fd >= 0)
        close(fd);
    return has_ipv6 || strchr(bind_setting, ':') == NULL;
}

static unsigned open_fd_count(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* A port that nobody used a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint16_t port;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    port = port_of(fd);
    close(fd);
    return port;
}

static const struct {
    const char *name, *bind;
    int type;
    unsigned count;
    const char *bound[3];
} OPENED[] = {
    {"one, listening", "127.0.0.1", SOCK_STREAM, 1, {"127.0.0.1"}},
    {"one, datagrams", "127.0.0.1", SOCK_DGRAM, 1, {"127.0.0.1"}},
    {"IPv6", "::1", SOCK_STREAM, 1, {"::1"}},
    {"IPv6 datagrams", "::1", SOCK_DGRAM, 1, {"::1"}},
    {"every address of both families", "0.0.0.0, ::", SOCK_STREAM, 2, {"0.0.0.0", "::"}},
    {"in the other order", "::, 0.0.0.0", SOCK_STREAM, 2, {"::", "0.0.0.0"}},
    {"datagrams of both families", ":: 0.0.0.0", SOCK_DGRAM, 2, {"::", "0.0.0.0"}},
    {"three", "127.0.0.1,127.0.0.2 ::1", SOCK_DGRAM, 3, {"127.0.0.1", "127.0.0.2", "::1"}},
};

static void test_open(void **state)
{
    unsigned before = open_fd_count();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(OPENED); i++) {
        struct net_sockets sockets = {0};
        struct net_error error = {""};
        uint16_t port = free_port();

        print_message("    %s\n", OPENED[i].name);
        if (!is_possible_here(OPENED[i].bind))
            continue;
        assert_int_equal(net_open(OPENED[i].bind, port, OPENED[i].type, "x_port", NULL, &sockets, &error), 0);
        assert_string_equal(error.text, "");
        assert_int_equal(sockets.count, OPENED[i].count);
        for (unsigned k = 0; k < sockets.count; k++) {
            int fd = sockets.fds[k];

            assert_bound_to(fd, OPENED[i].bound[k]);
            assert_int_equal(port_of(fd), port);
            assert_int_equal(option_of(fd, SOL_SOCKET, SO_TYPE), OPENED[i].type);
            assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), OPENED[i].type == SOCK_STREAM);
            assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        }
        net_close(&sockets);
        assert_int_equal(sockets.count, 0);
        assert_int_equal(open_fd_count(), before);
    }
}

static void test_port_0_opens_nothing(void **state)
{
    struct net_sockets sockets = {.count = 5};
    struct net_error error;

    (void)state;
    assert_int_equal(net_open("0.0.0.0, ::", 0, SOCK_STREAM, "x_port", NULL, &sockets, &error), 0);
    assert_int_equal(sockets.count, 0);
}

/* What a datagram brings with it, so that its acknowledgement can come from the same address. */
static void test_a_datagram_comes_with_its_destination(void **state)
{
    struct net_sockets sockets;
    struct net_error error;

    (void)state;
    assert_int_equal(net_open("127.0.0.1", free_port(), SOCK_DGRAM, "x_port", NULL, &sockets, &error), 0);
    assert_int_equal(option_of(sockets.fds[0], IPPROTO_IP, IP_PKTINFO), 1);
    net_close(&sockets);
    if (!is_possible_here("::1"))
        return;
    assert_int_equal(net_open("::1", free_port(), SOCK_DGRAM, "x_port", NULL, &sockets, &error), 0);
    assert_int_equal(option_of(sockets.fds[0], IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
    net_close(&sockets);
}

/* ---- errors ---- */

static const struct {
    const char *name, *bind, *taken;
    int type;
    const char *kind;
} TAKEN[] = {
    {"TCP", "127.0.0.1", "127.0.0.1", SOCK_STREAM, "TCP"},
    {"UDP", "127.0.0.1", "127.0.0.1", SOCK_DGRAM, "UDP"},
    {"IPv6", "::1", "::1", SOCK_STREAM, "TCP"},
    {"the second of two", "127.0.0.1, ::1", "::1", SOCK_STREAM, "TCP"},
    {"the second of three", "127.0.0.1 127.0.0.2 ::1", "127.0.0.2", SOCK_DGRAM, "UDP"},
};

static void test_a_port_in_use(void **state)
{
    unsigned before = open_fd_count();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TAKEN); i++) {
        struct net_sockets others, sockets = {.count = 7};
        struct net_error error;
        uint16_t port = free_port();
        char expected[256];

        print_message("    %s\n", TAKEN[i].name);
        if (!is_possible_here(TAKEN[i].bind))
            continue;
        assert_int_equal(net_open(TAKEN[i].taken, port, TAKEN[i].type, "y_port", NULL, &others, &error), 0);
        assert_int_equal(net_open(TAKEN[i].bind, port, TAKEN[i].type, "x_port", NULL, &sockets, &error), -EADDRINUSE);
        snprintf(expected, sizeof expected,
                 "port %u (%s) on %s: Address already in use; end the program that uses it or "
                 "change the setting x_port",
                 port, TAKEN[i].kind, TAKEN[i].taken);
        assert_string_equal(error.text, expected);
        assert_int_equal(sockets.count, 7); /* written on success only */
        net_close(&others);
        assert_int_equal(open_fd_count(), before);
    }
}

static const struct {
    const char *name, *bind;
    int error;
    const char *address;
} IMPOSSIBLE[] = {
    {"an address of another machine", "192.0.2.99", -EADDRNOTAVAIL, "192.0.2.99"},
    {"the second", "127.0.0.1, 192.0.2.99", -EADDRNOTAVAIL, "192.0.2.99"},
    {"of IPv6", "2001:db8::dead", -EADDRNOTAVAIL, "2001:db8::dead"},
    {"named beside one that can", "127.0.0.1, 2001:db8::dead", -EADDRNOTAVAIL, "2001:db8::dead"},
};

static void test_an_address_that_cannot_be(void **state)
{
    unsigned before = open_fd_count();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(IMPOSSIBLE); i++) {
        struct net_sockets sockets;
        struct net_error error;
        uint16_t port = free_port();
        char expected[256];

        print_message("    %s\n", IMPOSSIBLE[i].name);
        if (!is_possible_here(IMPOSSIBLE[i].bind))
            continue;
        assert_int_equal(net_open(IMPOSSIBLE[i].bind, port, SOCK_STREAM, "x_port", NULL, &sockets, &error),
                         IMPOSSIBLE[i].error);
        snprintf(expected, sizeof expected,
                 "port %u (TCP) on %s: Cannot assign requested address; the setting is x_port", port,
                 IMPOSSIBLE[i].address);
        assert_string_equal(error.text, expected);
        assert_int_equal(open_fd_count(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_another_family),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_port_0_opens_nothing),
        cmocka_unit_test(test_a_datagram_comes_with_its_destination),
        cmocka_unit_test(test_a_port_in_use),
        cmocka_unit_test(test_an_address_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
