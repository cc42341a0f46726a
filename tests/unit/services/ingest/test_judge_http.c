/* POST bodies: the order of the checks, the statuses and the words of the contract. */
#include "judge_fixture.h"

#define NO_BODY      "{\"error\":\"No JSON body\"}"
#define WRONG_TOKEN  "{\"error\":\"Invalid auth_token\"}"
#define BAD_INTERVAL "{\"status\":\"error\",\"message\":\"Interval must be 100-10000ms\"}"

static void judge_typed_body(struct judge *judge, enum source source, const char *authorization, struct view body,
                             bool typed, struct judged *ret)
{
    struct msg_device_text text = fixture_text(source, ROLE_NONE, body);

    text.authorization = view_text(authorization);
    text.typed = typed;
    judge_text(judge, &text, ORIGIN, ret);
}

static void judge_body(struct judge *judge, enum source source, const char *authorization, struct view body,
                       struct judged *ret)
{
    judge_typed_body(judge, source, authorization, body, true, ret);
}

/* ---- POST /apriltag ---- */

/* reply NULL: some sentence under "error". */
static const struct {
    const char *name, *authorization;
    struct view body;
    enum reject reject;
    uint64_t status;
    const char *reply;
} TAG_REFUSED[] = {
#define BODY(text)                                                                                                     \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }
    {"no token", "", BODY("{\"tag_id\":1}"), REJECT_auth_missing, 401, WRONG_TOKEN},
    {"wrong token", "nope", BODY("{\"tag_id\":1}"), REJECT_auth_invalid, 401, WRONG_TOKEN},
    {"scheme word", "Bearer " TOKEN, BODY("{\"tag_id\":1}"), REJECT_auth_invalid, 401, WRONG_TOKEN},
    {"token and a space", TOKEN " ", BODY("{\"tag_id\":1}"), REJECT_auth_invalid, 401, WRONG_TOKEN},
    {"token in the body only", "", BODY("{\"auth_token\":\"" TOKEN "\"}"), REJECT_auth_missing, 401, WRONG_TOKEN},
    {"the token is checked before the body", "nope", BODY("{"), REJECT_auth_invalid, 401, WRONG_TOKEN},
    {"nothing", TOKEN, BODY(""), REJECT_empty, 400, NO_BODY},
    {"empty object", TOKEN, BODY("{}"), REJECT_not_object, 400, NO_BODY},
    {"empty object with spaces", TOKEN, BODY(" { \r\n\t} "), REJECT_not_object, 400, NO_BODY},
    {"empty array", TOKEN, BODY("[ ]"), REJECT_not_object, 400, NO_BODY},
    {"null", TOKEN, BODY("null"), REJECT_not_object, 400, NO_BODY},
    {"array", TOKEN, BODY("[{\"tag_id\":1}]"), REJECT_not_object, 400, NULL},
    {"array of one digit", TOKEN, BODY("[1]"), REJECT_not_object, 400, NULL},
    {"number", TOKEN, BODY("12"), REJECT_not_object, 400, NULL},
    {"string", TOKEN, BODY("\"{}\""), REJECT_not_object, 400, NULL},
    {"empty string", TOKEN, BODY("\"\""), REJECT_not_object, 400, NULL},
    {"true", TOKEN, BODY("true"), REJECT_not_object, 400, NULL},
    {"cut", TOKEN, BODY("{\"tag_id\":1"), REJECT_not_json, 400, NULL},
    {"trailing text", TOKEN, BODY("{\"tag_id\":1}x"), REJECT_not_json, 400, NULL},
    {"NUL behind it", TOKEN, BODY("{\"tag_id\":1}\0"), REJECT_not_json, 400, NULL},
    {"single quotes", TOKEN, BODY("{'tag_id':1}"), REJECT_not_json, 400, NULL},
    {"NaN", TOKEN, BODY("{\"x_cm\":NaN}"), REJECT_not_finite, 400, NULL},
    {"1e999", TOKEN, BODY("{\"x_cm\":1e999}"), REJECT_not_finite, 400, NULL},
    {"not UTF-8", TOKEN, BODY("{\"x\":\"\xff\"}"), REJECT_not_utf8, 400, NULL},
    {"out of range", TOKEN, BODY("{\"roll\":-360.5}"), REJECT_out_of_range, 400,
     "{\"error\":\"roll: -360.5 is out of range -360..360\"}"},
};

static void test_tag_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(TAG_REFUSED); i++) {
        struct judged judged;

        print_message("    %s\n", TAG_REFUSED[i].name);
        judge_body(*state, SOURCE_HTTP_TAG, TAG_REFUSED[i].authorization, TAG_REFUSED[i].body, &judged);
        assert_int_equal(judged.kind, JUDGED_VERDICT);
        assert_string_equal(reject_name(judged.verdict.reject), reject_name(TAG_REFUSED[i].reject));
        assert_int_equal(judged.verdict.http_status, TAG_REFUSED[i].status);
        assert_int_equal(judged.verdict.change, CHANGE_KEEP);
        if (TAG_REFUSED[i].reply != NULL)
            assert_json_equal(judged.verdict.reply, TAG_REFUSED[i].reply);
        else
            assert_refusal(judged.verdict.reply, NULL, NULL, "error", "");
    }
}

static const struct {
    const char *name, *body, *camera;
    bool named;
    const char *json;
} TAG_TAKEN[] = {
    {"as cameras send it",
     "{\"tag_id\":12,\"timestamp\":734512,\"camera_name\":\"garage-cam\","
     "\"smartcam_ip\":\"192.0.2.99\"}",
     "garage-cam", true,
     "{\"event\":\"apriltag_data\",\"tag_id\":12,\"timestamp\":734512,"
     "\"camera_name\":\"garage-cam\",\"smartcam_ip\":\"192.0.2.99\","
     "\"server_timestamp\":" ARRIVED "}"},
    {"no name", "{\"a\":1}", FALLBACK, false, "{\"event\":\"apriltag_data\",\"a\":1,\"server_timestamp\":" ARRIVED "}"},
    {"data is a field", "{\"data\":{\"tag_id\":1}}", FALLBACK, false,
     "{\"event\":\"apriltag_data\",\"data\":{\"tag_id\":1},\"server_timestamp\":" ARRIVED "}"},
    {"the hub's members are its own", "{\"event\":\"x\",\"server_timestamp\":1,\"auth_token\":\"wrong\"}", FALLBACK,
     false, "{\"event\":\"apriltag_data\",\"server_timestamp\":" ARRIVED "}"},
};

static void test_tag_taken(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(TAG_TAKEN); i++) {
        struct judged judged;

        print_message("    %s\n", TAG_TAKEN[i].name);
        judge_body(*state, SOURCE_HTTP_TAG, TOKEN, view_text(TAG_TAKEN[i].body), &judged);
        assert_int_equal(judged.kind, JUDGED_SIGHTING);
        assert_string_equal(judged.sighting.camera, TAG_TAKEN[i].camera);
        assert_int_equal(judged.sighting.named, TAG_TAKEN[i].named);
        assert_json_equal(judged.sighting.json, TAG_TAKEN[i].json);
    }
}

/* ---- POST /set_video_interval ---- */

static const struct {
    const char *name, *body, *camera, *interval, *fps;
} INTERVAL_SET[] = {
    {"given", "{\"interval_ms\":500}", "", "500", "2.0"},
    {"default", "{}", "", "1000", "1.0"},
    {"default for one camera", "{\"camera\":\"garage-cam\"}", "garage-cam", "1000", "1.0"},
    {"shortest", "{\"interval_ms\":100}", "", "100", "10.0"},
    {"longest", "{\"interval_ms\":10000}", "", "10000", "0.1"},
    {"rounded down", "{\"interval_ms\":300}", "", "300", "3.33"},
    {"rounded up", "{\"interval_ms\":150}", "", "150", "6.67"},
    {"fraction", "{\"interval_ms\":333.25}", "", "333.25", "3.0"},
    {"all digits of a double", "{\"interval_ms\":100.10000000000001}", "", "100.10000000000001", "9.99"},
    {"exponent", "{\"interval_ms\":5e2}", "", "500", "2.0"},
    {"a number of 100 digits",
     "{\"interval_ms\":250.0000000000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000}",
     "", "250", "4.0"},
    {"the last one counts", "{\"interval_ms\":true,\"camera\":1,\"interval_m\\u0073\":200,\"camera\":\"b\"}", "b",
     "200", "5.0"},
    {"other members", "{\"interval_ms\":200,\"name\":\"x\"}", "", "200", "5.0"},
};

static void test_interval_set(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(INTERVAL_SET); i++) {
        struct judged judged;
        char expected[256];

        print_message("    %s\n", INTERVAL_SET[i].name);
        judge_body(*state, SOURCE_HTTP_INTERVAL, "", view_text(INTERVAL_SET[i].body), &judged);
        assert_int_equal(judged.kind, JUDGED_COMMAND);
        assert_int_equal(judged.command.origin, ORIGIN);
        assert_int_equal(judged.command.seq, 5);
        assert_string_equal(judged.command.camera, INTERVAL_SET[i].camera);
        snprintf(expected, sizeof(expected), "{\"event\":\"set_video_interval\",\"interval_ms\":%s}",
                 INTERVAL_SET[i].interval);
        assert_true(view_equals(judged.command.event, view_text(expected)));
        snprintf(expected, sizeof(expected), "{\"status\":\"success\",\"interval_ms\":%s,\"fps\":%s}",
                 INTERVAL_SET[i].interval, INTERVAL_SET[i].fps);
        assert_true(view_equals(judged.command.reply, view_text(expected)));
    }
}

/* reply NULL: some sentence under "message". */
static const struct {
    const char *name, *body;
    enum reject reject;
    uint64_t status;
    const char *reply;
} INTERVAL_REFUSED[] = {
    {"nothing", "", REJECT_empty, 400, NULL},
    {"no JSON", "interval_ms=500", REJECT_not_json, 400, NULL},
    {"array", "[500]", REJECT_not_object, 400, NULL},
    {"number", "500", REJECT_not_object, 400, NULL},
    {"null", "null", REJECT_not_object, 400, NULL},
    {"single quotes", "{'interval_ms':500}", REJECT_not_json, 400, NULL},
    {"not finite", "{\"interval_ms\":NaN}", REJECT_not_finite, 400, NULL},
    {"too short", "{\"interval_ms\":99}", REJECT_out_of_range, 400, BAD_INTERVAL},
    {"a hair too short", "{\"interval_ms\":99.999}", REJECT_out_of_range, 400, BAD_INTERVAL},
    {"too long", "{\"interval_ms\":10001}", REJECT_out_of_range, 400, BAD_INTERVAL},
    {"negative", "{\"interval_ms\":-500}", REJECT_out_of_range, 400, BAD_INTERVAL},
    {"huge", "{\"interval_ms\":1e300}", REJECT_out_of_range, 400, BAD_INTERVAL},
    {"string", "{\"interval_ms\":\"500\"}", REJECT_bad_type, 400, BAD_INTERVAL},
    {"true", "{\"interval_ms\":true}", REJECT_bad_type, 400, BAD_INTERVAL},
    {"false", "{\"interval_ms\":false}", REJECT_bad_type, 400, BAD_INTERVAL},
    {"null interval", "{\"interval_ms\":null}", REJECT_bad_type, 400, BAD_INTERVAL},
    {"the interval is checked before the camera", "{\"interval_ms\":1,\"camera\":5}", REJECT_out_of_range, 400,
     BAD_INTERVAL},
    {"camera a number", "{\"interval_ms\":500,\"camera\":5}", REJECT_bad_type, 400, NULL},
    {"camera null", "{\"interval_ms\":500,\"camera\":null}", REJECT_bad_type, 400, NULL},
    {"no camera is called nothing", "{\"camera\":\"\"}", REJECT_none, 503,
     "{\"status\":\"error\",\"message\":\"ESP32 not connected\"}"},
    {"no camera has NUL in its name", "{\"camera\":\"a\\u0000\"}", REJECT_none, 503,
     "{\"status\":\"error\",\"message\":\"ESP32 not connected\"}"},
};

static void test_interval_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(INTERVAL_REFUSED); i++) {
        struct judged judged;

        print_message("    %s\n", INTERVAL_REFUSED[i].name);
        judge_body(*state, SOURCE_HTTP_INTERVAL, "", view_text(INTERVAL_REFUSED[i].body), &judged);
        assert_int_equal(judged.kind, JUDGED_VERDICT);
        assert_string_equal(reject_name(judged.verdict.reject), reject_name(INTERVAL_REFUSED[i].reject));
        assert_int_equal(judged.verdict.http_status, INTERVAL_REFUSED[i].status);
        if (INTERVAL_REFUSED[i].reply != NULL)
            assert_json_equal(judged.verdict.reply, INTERVAL_REFUSED[i].reply);
        else
            assert_refusal(judged.verdict.reply, "status", "error", "message", "");
    }
}

/* ---- Content-Type ---- */

/* Bodies that were not announced as JSON. The token comes first, the type before what is in the body. */
static const struct {
    const char *name;
    enum source source;
    const char *authorization, *body;
    enum reject reject;
    uint64_t status;
    const char *reply;
} UNTYPED[] = {
    {"tag, wrong token", SOURCE_HTTP_TAG, "nope", "{\"tag_id\":1}", REJECT_auth_invalid, 401, WRONG_TOKEN},
    {"tag, good record", SOURCE_HTTP_TAG, TOKEN, "{\"tag_id\":1}", REJECT_bad_type, 415,
     "{\"error\":\"Content-Type must be application/json\"}"},
    {"tag, no JSON", SOURCE_HTTP_TAG, TOKEN, "tag_id=1", REJECT_bad_type, 415,
     "{\"error\":\"Content-Type must be application/json\"}"},
    {"interval, good", SOURCE_HTTP_INTERVAL, "", "{\"interval_ms\":500}", REJECT_bad_type, 415,
     "{\"status\":\"error\",\"message\":\"Content-Type must be application/json\"}"},
    {"interval, too short", SOURCE_HTTP_INTERVAL, "", "{\"interval_ms\":1}", REJECT_bad_type, 415,
     "{\"status\":\"error\",\"message\":\"Content-Type must be application/json\"}"},
};

static void test_untyped(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(UNTYPED); i++) {
        struct judged judged;

        print_message("    %s\n", UNTYPED[i].name);
        judge_typed_body(*state, UNTYPED[i].source, UNTYPED[i].authorization, view_text(UNTYPED[i].body), false,
                         &judged);
        assert_int_equal(judged.kind, JUDGED_VERDICT);
        assert_string_equal(reject_name(judged.verdict.reject), reject_name(UNTYPED[i].reject));
        assert_int_equal(judged.verdict.http_status, UNTYPED[i].status);
        assert_json_equal(judged.verdict.reply, UNTYPED[i].reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag_refused),      cmocka_unit_test(test_tag_taken), cmocka_unit_test(test_interval_set),
        cmocka_unit_test(test_interval_refused), cmocka_unit_test(test_untyped),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
