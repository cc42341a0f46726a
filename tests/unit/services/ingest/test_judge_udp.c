/* Datagrams: what is accepted, and that nothing else is ever answered. */
#include "judge_fixture.h"

#define TEXT_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEN(x)  x x x x x x x x x x

static void judge_bytes(struct judge *judge, struct view bytes, struct judged *ret)
{
    struct msg_device_text text = fixture_text(SOURCE_UDP, ROLE_NONE, bytes);

    judge_text(judge, &text, ORIGIN, ret);
}

/* json NULL: not looked at. */
static const struct {
    const char *name, *text, *camera, *tag, *json;
} TAKEN[] = {
    {"as cameras send it", "{\"tag_id\":12,\"x_cm\":4.2,\"camera_name\":\"garage-cam\",\"smartcam_ip\":\"10.0.0.1\"}",
     "garage-cam", "12",
     "{\"event\":\"apriltag_data\",\"tag_id\":12,\"x_cm\":4.2,\"camera_name\":\"garage-cam\","
     "\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"empty object", "{}", FALLBACK, "null",
     "{\"event\":\"apriltag_data\",\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"data is not unwrapped", "{\"data\":{\"tag_id\":1,\"smartcam_ip\":\"in\"}}", FALLBACK, "null",
     "{\"event\":\"apriltag_data\",\"data\":{\"tag_id\":1,\"smartcam_ip\":\"in\"},"
     "\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"its own event is dropped", "{\"event\":\"identify\",\"server_timestamp\":\"x\"}", FALLBACK, "null",
     "{\"event\":\"apriltag_data\",\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"right token", "{\"auth_token\":\"" TOKEN "\",\"tag_id\":1}", FALLBACK, "1",
     "{\"event\":\"apriltag_data\",\"tag_id\":1,\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"every smartcam_ip is replaced", "{\"smartcam_ip\":1,\"smartcam_\\u0069p\":{\"a\":2},\"smartcam_ip\":null}",
     FALLBACK, "null",
     "{\"event\":\"apriltag_data\",\"smartcam_ip\":\"" ADDRESS "\",\"server_timestamp\":" ARRIVED "}"},
    {"tag null", "{\"tag_id\":null}", FALLBACK, "null", NULL},
    {"tag a fraction", "{\"tag_id\":1.50}", FALLBACK, "1.50", NULL},
    {"tag a long number", "{\"tag_id\":7." TEN("0000") "}", FALLBACK, "7", NULL},
    {"tag a string", "{\"tag_id\":\"a\\u0022\\/b\"}", FALLBACK, "\"a\\\"/b\"", NULL},
    {"tag an empty string", "{\"tag_id\":\"\"}", FALLBACK, "\"\"", NULL},
    {"tag of 64 bytes", "{\"tag_id\":\"" TEXT_64 "\"}", FALLBACK, "\"" TEXT_64 "\"", NULL},
    {"the last tag counts", "{\"tag_id\":[],\"tag_id\":3}", FALLBACK, "3", NULL},
};

static void test_taken(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(TAKEN); i++) {
        struct judged judged;

        print_message("    %s\n", TAKEN[i].name);
        judge_bytes(*state, view_text(TAKEN[i].text), &judged);
        assert_int_equal(judged.kind, JUDGED_SIGHTING);
        assert_string_equal(judged.sighting.camera, TAKEN[i].camera);
        assert_string_equal(judged.sighting.tag, TAKEN[i].tag);
        if (TAKEN[i].json != NULL)
            assert_json_equal(judged.sighting.json, TAKEN[i].json);
    }
}

static const struct {
    const char *name;
    struct view bytes;
    enum reject reject;
} DROPPED[] = {
#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }
    {"nothing", BYTES(""), REJECT_empty},
    {"no JSON", BYTES("tag_id=1"), REJECT_not_json},
    {"cut", BYTES("{\"tag_id\":1"), REJECT_not_json},
    {"two records", BYTES("{\"tag_id\":1}{\"tag_id\":2}"), REJECT_not_json},
    {"single quotes", BYTES("{'tag_id':1}"), REJECT_not_json},
    {"array", BYTES("[{\"tag_id\":1}]"), REJECT_not_object},
    {"null", BYTES("null"), REJECT_not_object},
    {"not UTF-8", BYTES("{\"a\":\"\xe4\"}"), REJECT_not_utf8},
    {"NaN", BYTES("{\"x_cm\":NaN}"), REJECT_not_finite},
    {"1e999", BYTES("{\"x_cm\":1e999}"), REJECT_not_finite},
    {"wrong token", BYTES("{\"auth_token\":\"nope\"}"), REJECT_auth_invalid},
    {"token with NUL behind it", BYTES("{\"auth_token\":\"" TOKEN "\\u0000x\"}"), REJECT_auth_invalid},
    {"token no string", BYTES("{\"auth_token\":1}"), REJECT_auth_invalid},
    {"token null", BYTES("{\"auth_token\":null}"), REJECT_auth_missing},
    {"token empty", BYTES("{\"auth_token\":\"\"}"), REJECT_auth_missing},
    {"the last token counts", BYTES("{\"auth_token\":\"" TOKEN "\",\"auth_tok\\u0065n\":\"x\"}"), REJECT_auth_invalid},
    {"tag of 65 bytes", BYTES("{\"tag_id\":\"" TEXT_64 "x\"}"), REJECT_bad_type},
    {"tag that grows by escapes", BYTES("{\"tag_id\":\"" TEN("\\u0001\\u0001\\u0001") "\"}"), REJECT_bad_type},
    {"tag of half a character", BYTES("{\"tag_id\":\"\\udc00\"}"), REJECT_bad_type},
    {"tag true", BYTES("{\"tag_id\":true}"), REJECT_bad_type},
    {"tag an array", BYTES("{\"tag_id\":[1]}"), REJECT_bad_type},
    {"tag an object", BYTES("{\"tag_id\":{}}"), REJECT_bad_type},
    {"out of range", BYTES("{\"tag_id\":65536}"), REJECT_out_of_range},
};

static void test_dropped(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(DROPPED); i++) {
        struct judged judged;

        print_message("    %s\n", DROPPED[i].name);
        judge_bytes(*state, DROPPED[i].bytes, &judged);
        assert_int_equal(judged.kind, JUDGED_VERDICT);
        assert_string_equal(reject_name(judged.verdict.reject), reject_name(DROPPED[i].reject));
        assert_int_equal(judged.verdict.reply.length, 0);
        assert_int_equal(judged.verdict.http_status, 0);
    }
}

static void test_token_required(void **state)
{
    struct judge_limits limits = FIXTURE_LIMITS;
    struct judge *judge;
    struct judged judged;

    (void)state;
    limits.udp_require_token = true;
    assert_int_equal(judge_new(&limits, TOKEN, &judge), 0);
    judge_bytes(judge, view_text("{\"tag_id\":1}"), &judged);
    assert_int_equal(judged.kind, JUDGED_VERDICT);
    assert_int_equal(judged.verdict.reject, REJECT_auth_missing);
    judge_bytes(judge, view_text("{\"tag_id\":1,\"auth_token\":\"x\"}"), &judged);
    assert_int_equal(judged.verdict.reject, REJECT_auth_invalid);
    judge_bytes(judge, view_text("{\"tag_id\":1,\"auth_token\":\"" TOKEN "\"}"), &judged);
    assert_int_equal(judged.kind, JUDGED_SIGHTING);
    judge_free(judge);
}

/* The largest acknowledgement that a sighting of a datagram can lead to. */
static void test_acknowledgement_fits(void **state)
{
    struct judged judged;
    char ack[512];

    judge_bytes(*state, view_text("{\"tag_id\":\"" TEN("\\\"\\\"\\\"\\\"\\\"\\\"") "\\\"\\\"\\\"\"}"), &judged);
    assert_int_equal(judged.kind, JUDGED_SIGHTING);
    assert_int_equal(strlen(judged.sighting.tag), 2 * 63 + 2);
    assert_in_range(snprintf(ack, sizeof(ack),
                             "{\"event\":\"apriltag_ack\",\"status\":\"received\",\"tag_id\":%s,"
                             "\"server_timestamp\":" ARRIVED "}",
                             judged.sighting.tag),
                    1, 255);
    assert_true(TAG_BYTES_MAX + strlen("{\"event\":\"apriltag_ack\",\"status\":\"received\","
                                       "\"tag_id\":,\"server_timestamp\":" ARRIVED "}") <=
                255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_token_required),
        cmocka_unit_test(test_acknowledgement_fits),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
