/* Configuration files: their syntax, their bounds, what they include. */
#include "conf_start.h"
#include "run/conf_text.h"

static void test_file_syntax(void **state)
{
    const struct start start = {
        .file = "# comment\n"
                "\n"
                "   # indented comment\n"
                "  http_port   =   8080   # trailing comment\r\n"
                "state_dir = /srv/a#b\n" /* no blank before '#': part of the value */
                "udp_allow_networks =\n"
                "bind = 127.0.0.1 ::1,[fe80::1]\n"
                "udp_require_token = yes\n"
                "log_level = debug",
    };
    struct hub_conf conf;

    (void)state;
    load_well(&start, &conf);
    assert_int_equal(conf.http_port, 8080);
    assert_string_equal(conf.state_dir, "/srv/a#b");
    assert_string_equal(conf.bind, "127.0.0.1 ::1,[fe80::1]");
    assert_true(conf.udp_require_token);
    assert_int_equal(conf.log_level, LOG_LEVEL_DEBUG);
}

static void test_includes(void **state)
{
    const struct start both = {.file = "include extra.d/2*.conf\ninclude extra.d/1*.conf # comment\n"};
    const struct start none = {.file = "include missing.d/*.conf\n"};
    struct hub_conf conf;

    (void)state;
    mkdir("extra.d", 0755);
    write_text("extra.d/20-b.conf", "http_port = 22\n");
    write_text("extra.d/10-a.conf", "http_port = 11\nudp_port = 12\n");
    load_well(&both, &conf);
    assert_int_equal(conf.http_port, 11); /* the second line's files come second */
    assert_int_equal(conf.udp_port, 12);
    load_well(&none, &conf);

    /* a folder whose name looks like a pattern is still that folder */
    mkdir("odd[1]*", 0755);
    mkdir("odd[1]*/d", 0755);
    write_text("odd[1]*/main.conf", "include d/*.conf\n");
    write_text("odd[1]*/d/x.conf", "http_port = 99\ntoken_file = secret\n");
    load_well(&(struct start){.options = {"--config=odd[1]*/main.conf"}}, &conf);
    assert_int_equal(conf.http_port, 99);
    assert_non_null(strstr(conf.token_file, "/odd[1]*/d/secret"));
}

static void test_nested_include_is_refused(void **state)
{
    const struct start start = {.file = "include nested.conf\n"};
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    write_text("nested.conf", "\ninclude other.conf\n");
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_non_null(strstr(error.text, "/nested.conf:2: an included file cannot include another one"));
}

static void test_bounds_of_a_file(void **state)
{
    static char text[CONF_FILE_MAX_BYTES + 1];
    const struct start start = {.options = {"--config=bounds.conf"}};
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    memset(text, ' ', sizeof(text));
    text[0] = '#';
    write_file("bounds.conf", text, CONF_LINE_MAX);
    load_well(&start, &conf);
    write_file("bounds.conf", text, CONF_LINE_MAX + 1);
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_string_equal(error.text, "bounds.conf:1: the line is longer than 1024 bytes");

    memset(text, '\n', sizeof(text));
    write_file("bounds.conf", text, CONF_FILE_MAX_BYTES);
    load_well(&start, &conf);
    write_file("bounds.conf", text, CONF_FILE_MAX_BYTES + 1);
    assert_int_equal(load(&start, &conf, &error), -EFBIG);
    assert_string_equal(error.text, "bounds.conf: the file is larger than 1048576 bytes");

    write_file("bounds.conf", "\nworkers = 1\0 # 2\n", 18);
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_string_equal(error.text, "bounds.conf:2: the line contains a NUL byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_syntax),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_nested_include_is_refused),
        cmocka_unit_test(test_bounds_of_a_file),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
