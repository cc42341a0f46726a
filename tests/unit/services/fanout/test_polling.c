/* The polling queue: what a reply looks like, which record it is, and how much memory it takes. */
#include "polling.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json_scan.h"

#define EMPTY                                                                                                          \
    "{\"smartcam_ip\":\"\",\"tag_id\":-1,\"camera_name\":\"\",\"yaw\":0,\"pitch\":0,\"roll\":0,"                       \
    "\"x_cm\":0,\"y_cm\":0,\"z_cm\":0,\"tag_size_percent\":0,\"distance_cm\":0,\"timestamp\":0,"                       \
    "\"list_remaining\":0}"

static int setup(void **state)
{
    struct polling *polling;

    if (polling_new(&polling) < 0)
        return -1;
    *state = polling;
    return 0;
}

static int teardown(void **state)
{
    polling_free(*state);
    return 0;
}

/* Takes the reply as a text; every reply must be one JSON object. */
static char *take(struct polling *polling)
{
    char *reply = malloc(POLLING_REPLY_BYTES_MAX + 1);
    struct json_error error;
    enum json_type type;
    size_t length;

    assert_non_null(reply);
    length = polling_take(polling, reply);
    assert_true(length <= POLLING_REPLY_BYTES_MAX);
    reply[length] = '\0';
    if (json_check(view_of(reply, length), JSON_DEPTH_MAX, &type, &error) < 0)
        fail_msg("%s: %s", error.text, reply);
    assert_int_equal(type, JSON_OBJECT);
    return reply;
}

static void assert_takes(struct polling *polling, const char *expected)
{
    char *reply = take(polling);

    assert_string_equal(reply, expected);
    free(reply);
}

static const struct {
    const char *name, *record, *reply;
} CASES[] = {
    {"all fields",
     "{\"event\":\"apriltag_data\",\"tag_id\":12,\"yaw\":-12.4,\"pitch\":3.1,\"roll\":0.7,"
     "\"x_cm\":4.2,\"y_cm\":-1.8,\"z_cm\":38.5,\"tag_size_percent\":1.5,\"distance_cm\":40.0,"
     "\"camera_name\":\"garage-cam\",\"smartcam_ip\":\"192.0.2.17\",\"timestamp\":734512,"
     "\"decision_margin\":70,\"server_timestamp\":1750000000.123000}",
     "{\"smartcam_ip\":\"192.0.2.17\",\"tag_id\":12,\"camera_name\":\"garage-cam\",\"yaw\":-12.4,"
     "\"pitch\":3.1,\"roll\":0.7,\"x_cm\":4.2,\"y_cm\":-1.8,\"z_cm\":38.5,"
     "\"tag_size_percent\":1.5,\"distance_cm\":40.0,\"timestamp\":1750000000.123000}"},
    {"no fields", "{\"event\":\"apriltag_data\",\"server_timestamp\":5.000000}",
     "{\"smartcam_ip\":\"\",\"tag_id\":0,\"camera_name\":\"\",\"yaw\":0,\"pitch\":0,\"roll\":0,"
     "\"x_cm\":0,\"y_cm\":0,\"z_cm\":0,\"tag_size_percent\":0,\"distance_cm\":0,"
     "\"timestamp\":5.000000}"},
    {"the camera's own timestamp is not used",
     "{\"timestamp\":734512,\"list_remaining\":3,\"server_timestamp\":5.000000}",
     "{\"smartcam_ip\":\"\",\"tag_id\":0,\"camera_name\":\"\",\"yaw\":0,\"pitch\":0,\"roll\":0,"
     "\"x_cm\":0,\"y_cm\":0,\"z_cm\":0,\"tag_size_percent\":0,\"distance_cm\":0,"
     "\"timestamp\":5.000000}"},
    {"values as they came, the last counts",
     "{\"tag_id\":1,\"tag_\\u0069d\":18446744073709551615,\"yaw\":\"left\",\"pitch\":null,"
     "\"roll\":1e2,\"camera_name\":\"\\u00e4\\\"\",\"x_cm\":[1,{\"yaw\":2}],"
     "\"server_timestamp\":5.000000}",
     "{\"smartcam_ip\":\"\",\"tag_id\":18446744073709551615,\"camera_name\":\"\\u00e4\\\"\","
     "\"yaw\":\"left\",\"pitch\":null,\"roll\":1e2,\"x_cm\":[1,{\"yaw\":2}],\"y_cm\":0,\"z_cm\":0,"
     "\"tag_size_percent\":0,\"distance_cm\":0,\"timestamp\":5.000000}"},
};

static void test_replies(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("    %s\n", CASES[i].name);
        assert_int_equal(polling_push(*state, view_text(CASES[i].record)), 0);
        assert_takes(*state, CASES[i].reply);
        assert_takes(*state, EMPTY);
    }
}

static void push_number(struct polling *polling, unsigned number)
{
    char json[64];

    snprintf(json, sizeof(json), "{\"tag_id\":%u,\"server_timestamp\":1.5}", number);
    assert_int_equal(polling_push(polling, view_text(json)), 0);
    memset(json, 'x', sizeof(json)); /* the queue has a copy */
}

static void take_number(struct polling *polling, unsigned number)
{
    char expected[32], *reply = take(polling);

    snprintf(expected, sizeof(expected), "\"tag_id\":%u,", number);
    if (strstr(reply, expected) == NULL)
        fail_msg("%s, expected %u", reply, number);
    free(reply);
}

/* The oldest first; when full the oldest gives way; and the same once more after an overflow. */
static void test_order(void **state)
{
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 120; i++)
            push_number(*state, i);
        for (unsigned i = 120 - POLLING_RECORD_COUNT_MAX; i < 120; i++)
            take_number(*state, i);
        assert_takes(*state, EMPTY);
        assert_takes(*state, EMPTY);
    }
}

static void test_interleaved(void **state)
{
    unsigned pushed = 0, taken = 0;

    for (int i = 0; i < 100; i++) {
        push_number(*state, pushed++);
        push_number(*state, pushed++);
        take_number(*state, taken++);
        if (pushed - taken == 40) {
            while (taken < pushed)
                take_number(*state, taken++);
        }
    }
    while (taken < pushed)
        take_number(*state, taken++);
    assert_takes(*state, EMPTY);
}

/* The longest record, of which everything goes into the reply. */
static void test_longest(void **state)
{
    static const char START[] = "{\"camera_name\":\"";
    char *json = malloc(POLLING_RECORD_BYTES_MAX + 1), *reply;

    assert_non_null(json);
    memset(json, 'x', POLLING_RECORD_BYTES_MAX + 1);
    memcpy(json, START, sizeof(START) - 1);
    memcpy(json + POLLING_RECORD_BYTES_MAX - 2, "\"}", 2);
    assert_int_equal(polling_push(*state, view_of(json, POLLING_RECORD_BYTES_MAX)), 0);
    push_number(*state, 7);
    assert_int_equal(polling_push(*state, view_of(json, POLLING_RECORD_BYTES_MAX + 1)), -E2BIG);

    reply = take(*state);
    assert_true(strlen(reply) > POLLING_RECORD_BYTES_MAX);
    free(reply);
    take_number(*state, 7);
    assert_takes(*state, EMPTY);
    free(json);
}

static void test_free_null(void **state)
{
    (void)state;
    polling_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interleaved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
        cmocka_unit_test(test_free_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
