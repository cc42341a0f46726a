/* The pages made from the table: example file, effective configuration, help. */
#include "conf_start.h"
#include "run/conf_text.h"

static char *example_uncommented(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *const out = open_memstream(&text, &length);

    assert_non_null(out);
    conf_print_example(out);
    fclose(out);
    for (char *at = text; *at != '\0'; at++) {
        if (at[0] == '#' && at[1] != ' ' && (at == text || at[-1] == '\n'))
            at[0] = ' ';
    }
    return text;
}

static void test_example_states_the_defaults(void **state)
{
    char *const text = example_uncommented();
    const struct start start = {.file = text};
    struct hub_conf conf;
    struct hub_conf defaults;

    (void)state;
    load_well(&start, &conf);
    load_well(&(struct start){0}, &defaults);
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        if (conf_rows()[i].name != NULL && strncmp(conf.origin[i], "taghub.conf:", 12) != 0)
            fail_msg("%s is not in the example", conf_rows()[i].name);
    }
    memset(conf.origin, 0, sizeof(conf.origin));
    memset(defaults.origin, 0, sizeof(defaults.origin));
    assert_memory_equal(&conf, &defaults, offsetof(struct hub_conf, origin));
    free(text);
}

static void test_effective_is_a_file_of_the_same_configuration(void **state)
{
    const struct start start = {
        .variables = {"TAGHUB_HTTP_PORT=8080", "TAGHUB_UDP_ALLOW_NETWORKS=10.9.9.9/8 fe80::/10"},
        .options = {"--log-level=warning", "--udp-require-token=on", "--bind=::1"},
    };
    struct start again = {0};
    struct hub_conf conf;
    struct hub_conf second;
    char *text = NULL;
    size_t length = 0;
    FILE *const out = open_memstream(&text, &length);

    (void)state;
    load_well(&start, &conf);
    conf_print_effective(out, &conf);
    fclose(out);
    assert_non_null(strstr(text, "\nhttp_port = 8080  # TAGHUB_HTTP_PORT\n"));
    assert_non_null(strstr(text, "\nws_port = 5100  # default\n"));
    assert_non_null(strstr(text, "\nlog_level = warning  # --log-level\n"));
    assert_non_null(strstr(text, "\nudp_allow_networks = 10.0.0.0/8, fe80::/10  # "));
    assert_non_null(strstr(text, "\nstate_dir = /var/lib/taghub  # default\n"));
    again.file = text;
    load_well(&again, &second);
    assert_memory_equal(&conf, &second, offsetof(struct hub_conf, origin));
    free(text);
}

static void test_help_and_version(void **state)
{
    const struct start help = {.options = {"--nonsense", "--help"}};
    const struct start version = {.file = "nonsense\n", .options = {"--version"}};
    struct hub_conf conf;
    struct conf_error error;
    char styled[CONF_STYLED_ROOM];
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    (void)state;
    assert_int_equal(load(&help, &conf, &error), CONF_ASKED_HELP);
    assert_int_equal(load(&version, &conf, &error), CONF_ASKED_VERSION);

    conf_print_asked(out, CONF_ASKED_HELP, "taghub-test", "tests");
    fflush(out);
    assert_ptr_equal(strstr(text, "taghub-test - tests\n"), text);
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name == NULL)
            continue;
        if (strstr(text, conf_row_style(row, CONF_STYLE_OPTION, styled)) == NULL ||
            strstr(text, conf_row_style(row, CONF_STYLE_VARIABLE, styled)) == NULL)
            fail_msg("%s is not in the help", row->name);
    }
    assert_non_null(strstr(text, "default: 4000; 100..4500 ms\n"));
    fclose(out);
    free(text);

    out = open_memstream(&text, &length);
    conf_print_asked(out, CONF_ASKED_VERSION, "taghub-test", "tests");
    fclose(out);
    assert_ptr_equal(strstr(text, "taghub-test "), text);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_states_the_defaults),
        cmocka_unit_test(test_effective_is_a_file_of_the_same_configuration),
        cmocka_unit_test(test_help_and_version),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
