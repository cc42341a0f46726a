/* banner - which addresses are told, in which order, and that what is off is not. */
#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "banner.h"

#define INTERFACES_MAX 8

/* The machine of these tests, in the kernel's order. */
static const struct {
    const char *address; /* NULL: an interface without one */
    bool is_up;
} MACHINE[] = {
    {"127.0.0.1", true}, {"::1", true},           {NULL, true},          {"fe80::1", true},
    {"192.0.2.5", true}, {"198.51.100.7", false}, {"2001:db8::5", true}, {"203.0.113.9", true},
};

struct machine {
    struct ifaddrs interfaces[INTERFACES_MAX];
    struct sockaddr_storage addresses[INTERFACES_MAX];
};

static const struct ifaddrs *build(struct machine *machine)
{
    memset(machine, 0, sizeof *machine);
    for (size_t i = 0; i < ARRAY_LEN(MACHINE); i++) {
        const char *text = MACHINE[i].address;
        socklen_t length;

        machine->interfaces[i].ifa_flags = MACHINE[i].is_up ? IFF_UP : 0;
        machine->interfaces[i].ifa_next = i + 1 < ARRAY_LEN(MACHINE) ? &machine->interfaces[i + 1] : NULL;
        if (text == NULL)
            continue;
        assert_int_equal(conf_addr_next(&text, 0, &machine->addresses[i], &length), 1);
        machine->interfaces[i].ifa_addr = (struct sockaddr *)&machine->addresses[i];
    }
    return machine->interfaces;
}

static void test_hosts(void **state)
{
    static const struct {
        const char *name, *bind, *hosts;
    } CASES[] = {
        {"everything", "0.0.0.0, ::", "192.0.2.5 203.0.113.9 [2001:db8::5] 127.0.0.1 [::1] "},
        {"only IPv4", "0.0.0.0", "192.0.2.5 203.0.113.9 127.0.0.1 "},
        {"only IPv6", "::", "[2001:db8::5] [::1] "},
        {"one address", "203.0.113.9", "203.0.113.9 "},
        {"one that this machine may get later", "203.0.113.77", "203.0.113.77 "},
        {"loopback is told last", "127.0.0.1, ::1, 192.0.2.5", "192.0.2.5 127.0.0.1 [::1] "},
        {"loopback is all of its network", "127.0.0.9, 203.0.113.9", "203.0.113.9 127.0.0.9 "},
        {"named and meant is told once", "192.0.2.5, 0.0.0.0", "192.0.2.5 203.0.113.9 127.0.0.1 "},
    };
    struct machine machine;
    const struct ifaddrs *interfaces = build(&machine);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct banner_hosts hosts;
        char told[512] = "";

        banner_find_hosts(CASES[i].bind, interfaces, &hosts);
        for (size_t j = 0; j < hosts.count; j++) {
            strcat(told, hosts.at[j]);
            strcat(told, " ");
        }
        if (strcmp(told, CASES[i].hosts) != 0)
            fail_msg("%s: %s", CASES[i].name, told);
    }
}

static void test_more_addresses_than_room(void **state)
{
    struct sockaddr_in addresses[BANNER_ADDRESSES_MAX + 4] = {0};
    struct ifaddrs interfaces[ARRAY_LEN(addresses)] = {0};
    struct banner_hosts hosts;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        addresses[i].sin_family = AF_INET;
        addresses[i].sin_addr.s_addr = htonl(0xc0000200u + (uint32_t)i);
        interfaces[i].ifa_addr = (struct sockaddr *)&addresses[i];
        interfaces[i].ifa_flags = IFF_UP;
        interfaces[i].ifa_next = i + 1 < ARRAY_LEN(addresses) ? &interfaces[i + 1] : NULL;
    }
    banner_find_hosts("0.0.0.0", interfaces, &hosts);
    assert_int_equal(hosts.count, BANNER_ADDRESSES_MAX);
    banner_find_hosts("0.0.0.0", NULL, &hosts);
    assert_int_equal(hosts.count, 0);
}

static char *print(const struct hub_conf *conf, const char *bind)
{
    struct machine machine;
    struct banner_hosts hosts;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    banner_find_hosts(bind, build(&machine), &hosts);
    banner_print(out, conf, &hosts);
    fclose(out);
    return text;
}

static void test_block(void **state)
{
    static const struct {
        const char *name;
        uint16_t http_port, ws_port, udp_port;
        const char *there[4], *absent[4];
    } CASES[] = {
        {"all ports",
         5000,
         5100,
         5200,
         {"http://192.0.2.5:5000/\n", "http://[2001:db8::5]:5000/\n", "ws://192.0.2.5:5100/\n", "192.0.2.5:5200\n"},
         {NULL}},
        {"no HTTP port", 0, 5100, 5200, {"ws://192.0.2.5:5100/\n"}, {"Dashboard", "/websocket", ":0"}},
        {"no WebSocket port", 5000, 0, 5200, {"ws://192.0.2.5:5000/websocket\n"}, {"5100", ":0"}},
        {"no UDP port", 5000, 5100, 0, {"http://192.0.2.5:5000/apriltag\n"}, {"UDP", ":0"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hub_conf conf = {.token_file = "/var/lib/taghub/token"};
        char *text;

        conf.http_port = CASES[i].http_port;
        conf.ws_port = CASES[i].ws_port;
        conf.udp_port = CASES[i].udp_port;
        text = print(&conf, "0.0.0.0, ::");
        assert_non_null(strstr(text, "/var/lib/taghub/token"));
        for (size_t j = 0; j < ARRAY_LEN(CASES[i].there) && CASES[i].there[j] != NULL; j++) {
            if (strstr(text, CASES[i].there[j]) == NULL)
                fail_msg("%s: no %s in:%s", CASES[i].name, CASES[i].there[j], text);
        }
        for (size_t j = 0; j < ARRAY_LEN(CASES[i].absent) && CASES[i].absent[j] != NULL; j++) {
            if (strstr(text, CASES[i].absent[j]) != NULL)
                fail_msg("%s: %s in:%s", CASES[i].name, CASES[i].absent[j], text);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_more_addresses_than_room),
        cmocka_unit_test(test_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
