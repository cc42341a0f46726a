/* The configuration: what wins, what is refused and in which words, what is filled in. */
#include "conf_start.h"
#include "run/conf_text.h"

#include <sys/un.h>

static void test_defaults_of_the_contract(void **state)
{
    const struct start start = {0};
    struct hub_conf conf;

    (void)state;
    load_well(&start, &conf);
    assert_string_equal(conf.bind, "0.0.0.0, ::");
    assert_int_equal(conf.http_port, 5000);
    assert_int_equal(conf.ws_port, 5100);
    assert_int_equal(conf.udp_port, 5200);
    assert_int_equal(conf.text_max_bytes, 16384);
    assert_int_equal(conf.photo_max_bytes, 4194304);
    assert_int_equal(conf.json_depth_max_count, 64);
    assert_int_equal(conf.message_deadline_ms, 10000);
    assert_int_equal(conf.ping_interval_ms, 20000);
    assert_int_equal(conf.pong_deadline_ms, 20000);
    assert_int_equal(conf.game_queue_messages_count, 256);
    assert_int_equal(conf.game_queue_bytes, 1048576);
    assert_int_equal(conf.slow_client_deadline_ms, 10000);
    assert_int_equal(conf.udp_ack_deadline_ms, 400);
    assert_true(conf.cameras_max_count >= 64);
    assert_int_equal(conf.udp_allow_networks.count, 0);
    assert_false(conf.udp_require_token);
    assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
    assert_int_equal(conf.gateway_workers, 2);
    assert_int_equal(conf.ingest_workers, 2);
}

static void test_precedence(void **state)
{
    static const struct {
        const char *name;
        struct start start;
        uint16_t http_port;
        const char *origin;
    } CASES[] = {
        {"default", {0}, 5000, "default"},
        {"file", {.file = "http_port = 1\n"}, 1, "taghub.conf:1"},
        {"the last line of a file", {.file = "http_port=1\n\n http_port\t=\t2 "}, 2, "taghub.conf:3"},
        {"include beats file", {.file = "include extra.d/*.conf\nhttp_port = 1\n"}, 22, "/extra.d/20-b.conf:2"},
        {"environment beats include",
         {.file = "include extra.d/*.conf\n", .variables = {"TAGHUB_HTTP_PORT=3"}},
         3,
         "TAGHUB_HTTP_PORT"},
        {"option beats environment",
         {.file = "http_port = 1\n", .variables = {"TAGHUB_HTTP_PORT=3"}, .options = {"--http-port=4"}},
         4,
         "--http-port"},
        {"underscores in options", {.options = {"--http_port=5"}}, 5, "--http-port"},
        {"the last option", {.options = {"--http-port=5", "--http-port=6"}}, 6, "--http-port"},
        {"--config FILE", {.options = {"--config", "other.conf"}}, 77, "other.conf:1"},
        {"--config=FILE", {.options = {"--config=other.conf"}}, 77, "other.conf:1"},
        {"TAGHUB_CONFIG", {.variables = {"TAGHUB_CONFIG=other.conf"}}, 77, "other.conf:1"},
        {"--config beats TAGHUB_CONFIG",
         {.variables = {"TAGHUB_CONFIG=missing.conf"}, .options = {"--config=other.conf"}},
         77,
         "other.conf:1"},
        {"an empty TAGHUB_CONFIG is no file",
         {.file = "http_port = 1\n", .variables = {"TAGHUB_CONFIG="}},
         5000,
         "default"},
    };

    (void)state;
    mkdir("extra.d", 0755);
    write_text("extra.d/20-b.conf", "# later by its name\nhttp_port = 22\n");
    write_text("extra.d/10-a.conf", "http_port = 11\nudp_port = 12\n");
    write_text("extra.d/30-c.off", "http_port = 33\n");
    write_text("other.conf", "http_port = 77\n");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *origin;
        struct hub_conf conf;

        load_well(&CASES[i].start, &conf);
        if (conf.http_port != CASES[i].http_port)
            fail_msg("%s: %u", CASES[i].name, conf.http_port);
        origin = conf.origin[CONF_KEY_http_port];
        /* an included file is shown by its whole path: compare the end */
        if (strlen(origin) < strlen(CASES[i].origin) ||
            strcmp(origin + strlen(origin) - strlen(CASES[i].origin), CASES[i].origin) != 0)
            fail_msg("%s: from %s", CASES[i].name, origin);
    }
}

static void test_sentences(void **state)
{
    static const struct {
        struct start start;
        const char *sentence;
    } CASES[] = {
        {{.file = "\n\nhtp_port = 1\n"}, "taghub.conf:3: unknown key 'htp_port'; did you mean 'http_port'?"},
        {{.file = "http-port = 1\n"}, "taghub.conf:1: unknown key 'http-port'; did you mean 'http_port'?"},
        {{.file = "colour = red\n"}, "taghub.conf:1: unknown key 'colour'; the nearest known one is 'workers'"},
        {{.file = "http_port = 99999\n"}, "taghub.conf:1: http_port: '99999' is out of range 0..65535"},
        {{.file = "http_port\n"}, "taghub.conf:1: 'http_port' is not of the form 'key = value'"},
        {{.file = "= 5\n"}, "taghub.conf:1: unknown key ''; the nearest known one is 'bind'"},
        {{.file = "post_deadline_ms = 5000\n"}, "taghub.conf:1: post_deadline_ms: '5000' is out of range 100..4500 ms"},
        {{.file = "workers = two\n"}, "taghub.conf:1: workers: 'two' is not a whole number"},
        {{.file = "workers = -1\n"}, "taghub.conf:1: workers: '-1' is not a whole number"},
        {{.file = "workers =\n"}, "taghub.conf:1: workers: '' is not a whole number"},
        {{.file = "workers = 99999999999999999999999\n"},
         "taghub.conf:1: workers: '99999999999999999999999' is out of range 1..16"},
        {{.file = "udp_require_token = maybe\n"},
         "taghub.conf:1: udp_require_token: 'maybe' is neither true nor false"},
        {{.file = "log_level = loud\n"}, "taghub.conf:1: log_level: 'loud' is none of error, warning, info, debug"},
        {{.file = "bind =\n"}, "taghub.conf:1: bind: '' lists no address"},
        {{.file = "bind = 0.0.0.0, localhost\n"}, "taghub.conf:1: bind: 'localhost' is not an IPv4 or IPv6 address"},
        {{.file = "bind = fe80::1%no_such_interface\n"},
         "taghub.conf:1: bind: 'fe80::1%no_such_interface' is not an IPv4 or IPv6 address"},
        {{.file = "bind = ::1, [::1]\n"}, "taghub.conf:1: bind: '[::1]' is listed twice"},
        {{.file = "bind = ::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9\n"},
         "taghub.conf:1: bind: '::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9' lists too many addresses: "
         "at most 8"},
        {{.file = "udp_allow_networks = 10.0.0.0/33\n"},
         "taghub.conf:1: udp_allow_networks: '10.0.0.0/33' is not a network like 192.168.1.0/24"},
        {{.file = "state_dir = a\x01z\n"}, "taghub.conf:1: state_dir: 'a\\x01z' contains a control character"},
        {{.file = "include\n"}, "taghub.conf:1: include needs a file or a pattern, conf.d/*.conf"},
        {{.file = "\ninclude missing.conf\n"}, "taghub.conf:2: include missing.conf: No such file or directory"},
        {{.options = {"--config=missing.conf"}}, "missing.conf: No such file or directory"},
        {{.variables = {"TAGHUB_CONFIG=missing.conf"}}, "missing.conf: No such file or directory"},
        {{.options = {"--config=extra.d"}}, "extra.d: Is a directory"},
        {{.variables = {"TAGHUB_HTTP_PORT=99999"}}, "TAGHUB_HTTP_PORT: '99999' is out of range 0..65535"},
        {{.variables = {"TAGHUB_HTPT_PORT=1"}},
         "unknown variable 'TAGHUB_HTPT_PORT'; did you mean 'TAGHUB_HTTP_PORT'?"},
        {{.variables = {"TAGHUB_http_port=1"}},
         "unknown variable 'TAGHUB_http_port'; the nearest known one is 'TAGHUB_HTTP_PORT'"},
        {{.options = {"--http-port=http"}}, "--http-port: 'http' is not a whole number"},
        {{.options = {"--http-prot=1"}}, "unknown option '--http-prot'; did you mean '--http-port'?"},
        {{.variables = {"TAGHUB_STATE_DIR=/srv/x "}},
         "TAGHUB_STATE_DIR: '/srv/x ' has a blank at one of its ends or before a '#'"},
        {{.variables = {"TAGHUB_STATE_DIR=/srv/x //"}},
         "TAGHUB_STATE_DIR: '/srv/x //' has a blank at one of its ends or before a '#'"},
        {{.variables = {"TAGHUB_STATE_DIR= /srv/x"}},
         "TAGHUB_STATE_DIR: ' /srv/x' has a blank at one of its ends or before a '#'"},
        {{.variables = {"TAGHUB_STATE_DIR=/srv/x #1"}},
         "TAGHUB_STATE_DIR: '/srv/x #1' has a blank at one of its ends or before a '#'"},
        {{.options = {"--http-port"}}, "--http-port: needs a value, as in --http-port=5000"},
        {{.options = {"--config"}}, "--config: needs a value, as in --config=" CONF_FILE},
        {{.options = {"run"}}, "unexpected argument 'run'; 'taghub-test --help' lists what there is"},
        {{.file = "http_port = 7\n", .variables = {"TAGHUB_WS_PORT=7"}},
         "http_port (taghub.conf:1) and ws_port (TAGHUB_WS_PORT) are both 7"},
        {{.options = {"--http-port=0", "--ws-port=0", "--udp-port=0"}},
         "http_port, ws_port and udp_port are all 0: there is nothing to serve"},
        {{.options = {"--photo-memory-bytes=1048576"}},
         "photo_memory_bytes (--photo-memory-bytes) is below photo_max_bytes (default): one photo "
         "would not fit"},
        {{.options = {"--photo-max-bytes=8388608"}},
         "bus_queue_max_bytes (default) is too small for a photo of photo_max_bytes "
         "(--photo-max-bytes): 8454144 or more are needed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hub_conf conf;
        struct conf_error error;
        const int r = load(&CASES[i].start, &conf, &error);

        if (r >= 0)
            fail_msg("accepted: %s", CASES[i].sentence);
        if (strcmp(error.text, CASES[i].sentence) != 0)
            fail_msg("wanted: %s\n   got: %s", CASES[i].sentence, error.text);
    }
}

static void test_runtime_dir_leaves_room_for_a_socket_name(void **state)
{
    char option[160] = "--runtime-dir=/";
    const struct start start = {.options = {option}};
    const size_t prefix_length = strlen("--runtime-dir=");
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    memset(option + prefix_length + 1, 'r', 88);
    load_well(&start, &conf);
    assert_int_equal(conf_socket_path(&conf, "twelve_bytes", path, sizeof(path)), 0);
    assert_int_equal(conf_page_path(&conf, "twelve_bytes", path, sizeof(path)), 0);
    assert_int_equal(strlen(path), sizeof(path) - 1);
    assert_int_equal(conf_socket_path(&conf, "twelve_bytes", path, sizeof(path) - 1), -ENAMETOOLONG);
    assert_int_equal(conf_socket_path(&conf, "thirteen_byte", path, sizeof(path)), -ENAMETOOLONG);

    option[prefix_length + 89] = 'r';
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_non_null(strstr(error.text, "runtime_dir (--runtime-dir): "));
    assert_non_null(strstr(error.text, "has 90 bytes, and a socket in it may have no more than 89"));
}

static void test_too_long_path(void **state)
{
    char option[700] = "--state-dir=/";
    const struct start start = {.options = {option}};
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    memset(option + strlen(option), 's', 511);
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_non_null(strstr(error.text, "is too long: a path may have 511 bytes"));
    option[strlen("--state-dir=") + 511] = '\0'; /* fits, but a token in it does not */
    assert_int_equal(load(&start, &conf, &error), -EINVAL);
    assert_non_null(strstr(error.text, "is longer than 511 bytes"));
}

static void test_folders(void **state)
{
    static const struct {
        const char *name;
        bool is_system_user;
        struct start start;
        const char *runtime_dir;
        const char *state_dir;
        const char *token_file;
    } CASES[] = {
        {"system",
         true,
         {.variables = {"XDG_RUNTIME_DIR=/run/user/0"}},
         "/run/taghub",
         "/var/lib/taghub",
         "/var/lib/taghub/token"},
        {"user without XDG",
         false,
         {0},
         "/home/ann/.local/state/taghub/run",
         "/home/ann/.local/state/taghub",
         "/home/ann/.local/state/taghub/token"},
        {"user with XDG",
         false,
         {.variables = {"XDG_RUNTIME_DIR=/run/user/7", "XDG_STATE_HOME=/home/ann/state"}},
         "/run/user/7/taghub",
         "/home/ann/state/taghub",
         "/home/ann/state/taghub/token"},
        {"relative XDG is ignored",
         false,
         {.variables = {"XDG_RUNTIME_DIR=run"}},
         "/home/ann/.local/state/taghub/run",
         "/home/ann/.local/state/taghub",
         "/home/ann/.local/state/taghub/token"},
        {"set",
         true,
         {.variables = {"TAGHUB_RUNTIME_DIR=/r", "TAGHUB_STATE_DIR=/s/"}, .options = {"--token-file=/t"}},
         "/r",
         "/s",
         "/t"},
        {"the token follows the state", true, {.variables = {"TAGHUB_STATE_DIR=/s"}}, "/run/taghub", "/s", "/s/token"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hub_conf conf;
        struct conf_error error;

        if (load_as(&CASES[i].start, CASES[i].is_system_user, &conf, &error) != 0)
            fail_msg("%s: %s", CASES[i].name, error.text);
        if (strcmp(conf.runtime_dir, CASES[i].runtime_dir) != 0 || strcmp(conf.state_dir, CASES[i].state_dir) != 0 ||
            strcmp(conf.token_file, CASES[i].token_file) != 0)
            fail_msg("%s: %s %s %s", CASES[i].name, conf.runtime_dir, conf.state_dir, conf.token_file);
    }
}

static void test_no_home(void **state)
{
    char *environment[] = {NULL, NULL, NULL};
    char *argv[] = {"program", NULL};
    const struct conf_sources sources = {.program = "taghub-test", .argc = 1, .argv = argv, .environment = environment};
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    assert_int_equal(conf_load_sources(&sources, &conf, &error), -EINVAL);
    assert_string_equal(error.text, "this user has no home directory: set runtime_dir and state_dir");
    environment[0] = "TAGHUB_RUNTIME_DIR=/r";
    environment[1] = "TAGHUB_STATE_DIR=/s";
    assert_int_equal(conf_load_sources(&sources, &conf, &error), 0);
}

static void test_relative_paths(void **state)
{
    const struct start start = {.options = {"--config=sub/relative.conf", "--token-file=t"}};
    char cwd[400];
    char wanted[450];
    struct hub_conf conf;

    (void)state;
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    mkdir("sub", 0755);
    write_text("sub/relative.conf", "state_dir = state/\n");
    load_well(&start, &conf);
    snprintf(wanted, sizeof(wanted), "%s/sub/state", cwd);
    assert_string_equal(conf.state_dir, wanted);
    snprintf(wanted, sizeof(wanted), "%s/t", cwd);
    assert_string_equal(conf.token_file, wanted);
}

static void test_worker_counts(void **state)
{
    const struct start start = {.variables = {"TAGHUB_WORKERS=3", "TAGHUB_INGEST_WORKERS=5"}};
    struct hub_conf conf;

    (void)state;
    load_well(&start, &conf);
    assert_int_equal(conf.gateway_workers, 3);
    assert_int_equal(conf.ingest_workers, 5);
}

static void test_process_sources(void **state)
{
    char *argv[] = {"program", "--http-port=8081", NULL};
    struct hub_conf conf;
    struct conf_error error;

    (void)state;
    setenv("TAGHUB_CONFIG", "", 1);
    setenv("TAGHUB_WS_PORT", "8082", 1);
    assert_int_equal(conf_load(2, argv, "taghub-test", &conf, &error), 0);
    unsetenv("TAGHUB_CONFIG");
    unsetenv("TAGHUB_WS_PORT");
    assert_int_equal(conf.http_port, 8081);
    assert_int_equal(conf.ws_port, 8082);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_of_the_contract),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_runtime_dir_leaves_room_for_a_socket_name),
        cmocka_unit_test(test_too_long_path),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_no_home),
        cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_worker_counts),
        cmocka_unit_test(test_process_sources),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
