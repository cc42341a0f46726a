/* The table of keys and its values: ends of ranges, addresses, networks, nearest names. */
#include "conf_start.h"
#include "run/conf_text.h"

#include <arpa/inet.h>
#include <sys/un.h>

static void test_every_default_is_accepted_by_its_row(void **state)
{
    struct hub_conf conf;
    char reason[CONF_PROBLEM_ROOM];

    (void)state;
    conf_set_defaults(&conf);
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name != NULL && conf_value_parse(row, row->preset, "/", &conf, reason) < 0)
            fail_msg("%s: %s", row->name, reason);
        if (row->name != NULL && row->meaning[0] == '\0')
            fail_msg("%s: has no meaning", row->name);
        if (row->name != NULL && strlen(row->name) > CONF_STYLED_ROOM - sizeof("TAGHUB_"))
            fail_msg("%s: the name is too long for CONF_STYLED_ROOM", row->name);
    }
}

static void test_numbers_are_accepted_at_their_ends_and_refused_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];
        struct hub_conf conf;
        char reason[CONF_PROBLEM_ROOM];
        char text[32];

        if (row->name == NULL ||
            (row->type != CONF_TYPE_u32 && row->type != CONF_TYPE_u64 && row->type != CONF_TYPE_port))
            continue;
        conf_set_defaults(&conf);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)row->min);
        assert_int_equal(conf_value_parse(row, text, "/", &conf, reason), 0);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)row->max);
        assert_int_equal(conf_value_parse(row, text, "/", &conf, reason), 0);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)row->max + 1);
        assert_int_equal(conf_value_parse(row, text, "/", &conf, reason), -EINVAL);
        assert_non_null(strstr(reason, " is out of range "));
        if (row->min > 0) {
            snprintf(text, sizeof(text), "%llu", (unsigned long long)row->min - 1);
            assert_int_equal(conf_value_parse(row, text, "/", &conf, reason), -EINVAL);
        }
    }
}

static void test_addresses(void **state)
{
    const char *cursor = " 0.0.0.0,, [::1] ";
    struct sockaddr_storage address;
    socklen_t length;

    (void)state;
    assert_int_equal(conf_addr_next(&cursor, 5000, &address, &length), 1);
    assert_int_equal(address.ss_family, AF_INET);
    assert_int_equal(length, sizeof(struct sockaddr_in));
    assert_int_equal(((struct sockaddr_in *)&address)->sin_port, htons(5000));
    assert_int_equal(conf_addr_next(&cursor, 5100, &address, &length), 1);
    assert_int_equal(address.ss_family, AF_INET6);
    assert_int_equal(length, sizeof(struct sockaddr_in6));
    assert_int_equal(((struct sockaddr_in6 *)&address)->sin6_port, htons(5100));
    assert_memory_equal(&((struct sockaddr_in6 *)&address)->sin6_addr, &in6addr_loopback, 16);
    assert_int_equal(conf_addr_next(&cursor, 5000, &address, &length), 0);
    cursor = "fe80::1%lo";
    assert_int_equal(conf_addr_next(&cursor, 1, &address, &length), 1);
    assert_int_not_equal(((struct sockaddr_in6 *)&address)->sin6_scope_id, 0);
    cursor = "12.0.0";
    assert_int_equal(conf_addr_next(&cursor, 1, &address, &length), -EINVAL);
}

static void test_networks(void **state)
{
    static const struct {
        const char *networks;
        const char *source;
        bool allowed;
    } CASES[] = {
        {"", "192.0.2.1", true},
        {"", "2001:db8::1", true},
        {"192.168.1.0/24", "192.168.1.255", true},
        {"192.168.1.0/24", "192.168.2.0", false},
        {"192.168.1.7/24", "192.168.1.200", true},
        {"192.168.1.0/24", "::ffff:192.168.1.9", true},
        {"192.168.1.0/24", "::ffff:192.168.2.9", false},
        {"192.168.1.0/24", "2001:db8::1", false},
        {"10.0.0.128/25", "10.0.0.127", false},
        {"10.0.0.128/25", "10.0.0.128", true},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "8.8.8.8", false},
        {"::/0", "::ffff:8.8.8.8", false},
        {"::ffff:10.0.0.0/104", "10.255.0.1", true},
        {"::ffff:10.0.0.0/104", "11.0.0.1", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"10.0.0.0/8, 192.168.0.0/16", "192.168.3.4", true},
        {"10.0.0.0/8 192.168.0.0/16", "172.16.0.1", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *cursor = CASES[i].source;
        struct hub_conf conf;
        char reason[CONF_PROBLEM_ROOM];
        struct sockaddr_storage source;
        socklen_t length;

        assert_int_equal(
            conf_value_parse(&conf_rows()[CONF_KEY_udp_allow_networks], CASES[i].networks, "/", &conf, reason), 0);
        assert_int_equal(conf_addr_next(&cursor, 1, &source, &length), 1);
        if (conf_cidrs_allow(&conf.udp_allow_networks, (const struct sockaddr *)&source) != CASES[i].allowed)
            fail_msg("'%s' and %s", CASES[i].networks, CASES[i].source);
    }
}

static void test_bad_networks(void **state)
{
    static const char *const CASES[] = {
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "::/129",
        "10.0.0/8",
        "net",
        "/8",
        "10.0.0.0/8/8",
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1",
    };
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct cidr_list some = {.count = 1};
    struct hub_conf conf;
    char reason[CONF_PROBLEM_ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (conf_value_parse(&conf_rows()[CONF_KEY_udp_allow_networks], CASES[i], "/", &conf, reason) == 0)
            fail_msg("accepted: %s", CASES[i]);
    }
    assert_false(conf_cidrs_allow(&some, (const struct sockaddr *)&local));
}

static void test_nearest(void **state)
{
    static const struct {
        const char *given;
        enum conf_style style;
        const char *nearest;
        bool is_close;
    } CASES[] = {
        {"htp_port", CONF_STYLE_FILE, "http_port", true},   /* dropped */
        {"htttp_port", CONF_STYLE_FILE, "http_port", true}, /* added */
        {"hxtp_port", CONF_STYLE_FILE, "http_port", true},  /* changed */
        {"wroekrs", CONF_STYLE_FILE, "workers", true},      /* swapped */
        {"token", CONF_STYLE_FILE, "token_file", true},     /* cut off */
        {"colour", CONF_STYLE_FILE, "workers", false},
        {"photo_max_byte", CONF_STYLE_FILE, "photo_max_bytes", true},
        {"--stat-dir", CONF_STYLE_OPTION, "state_dir", true},
        {"TAGHUB_UPD_PORT", CONF_STYLE_VARIABLE, "udp_port", true},
    };
    char longest[CONF_LINE_MAX];
    bool is_close;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct conf_row *const row = conf_row_nearest(CASES[i].given, CASES[i].style, &is_close);

        if (strcmp(row->name, CASES[i].nearest) != 0 || is_close != CASES[i].is_close)
            fail_msg("%s: %s, close: %d", CASES[i].given, row->name, is_close);
    }
    memset(longest, 'k', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_non_null(conf_row_nearest(longest, CONF_STYLE_FILE, &is_close));
    assert_false(is_close);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default_is_accepted_by_its_row),
        cmocka_unit_test(test_numbers_are_accepted_at_their_ends_and_refused_beyond),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_bad_networks),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
