/* Text messages over WebSocket: every event in every role, and what is refused. */
#include "judge_fixture.h"

#define NO_DATA   "{\"event\":\"no_data_available\"}"
#define PONG      "{\"event\":\"pong\",\"timestamp\":" ARRIVED "}"
#define AS_CAMERA "{\"event\":\"identify_success\",\"client_type\":\"esp32\"}"
#define AS_GAME   "{\"event\":\"identify_success\",\"client_type\":\"gdevelop\"}"

#define IDENTIFY(members) "{\"event\":\"identify\",\"data\":{" members "}}"
#define ESP32(members)    IDENTIFY("\"type\":\"esp32\"," members)
#define GOOD              "\"auth_token\":\"" TOKEN "\""
#define NAME_128                                                                                                       \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                                                 \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define EVERY_ROLE -1

/* Answers that are verdicts. reply NULL: nothing is said. */
static const struct verdict_case {
    const char *name;
    int role;
    const char *text;
    enum reject reject;
    enum role_change change;
    enum replay replay;
    const char *camera, *device, *reply;
} VERDICTS[] = {
    /* identify of a camera */
    {"good token", EVERY_ROLE, ESP32(GOOD), REJECT_none, CHANGE_CAMERA, 0, "", "", AS_CAMERA},
    {"good token with names", EVERY_ROLE,
     ESP32(GOOD ",\"camera_name\":\"garage-cam\",\"device\":\"Waveshare-ESP32-S3\""), REJECT_none, CHANGE_CAMERA, 0,
     "garage-cam", "Waveshare-ESP32-S3", AS_CAMERA},
    {"escapes are decoded", ROLE_NONE,
     "{\"\\u0065vent\":\"identif\\u0079\",\"data\":{\"typ\\u0065\":\"\\u0065sp32\","
     "\"auth_token\":\"s3cret\\u002dof-the-tests\",\"camera_name\":\"g\\u00e4\\ud83d\\ude00\"}}",
     REJECT_none, CHANGE_CAMERA, 0, "g\xc3\xa4\xf0\x9f\x98\x80", "", AS_CAMERA},
    {"the longest name", ROLE_NONE, ESP32(GOOD ",\"camera_name\":\"" NAME_128 "\""), REJECT_none, CHANGE_CAMERA, 0,
     NAME_128, "", AS_CAMERA},
    {"a longer name is none", ROLE_NONE, ESP32(GOOD ",\"camera_name\":\"" NAME_128 "x\",\"device\":\"d\""), REJECT_none,
     CHANGE_CAMERA, 0, "", "d", AS_CAMERA},
    {"an empty name is none", ROLE_NONE, ESP32(GOOD ",\"camera_name\":\"\",\"device\":\"\""), REJECT_none,
     CHANGE_CAMERA, 0, "", "", AS_CAMERA},
    {"a name with NUL is none", ROLE_NONE, ESP32(GOOD ",\"camera_name\":\"a\\u0000b\""), REJECT_none, CHANGE_CAMERA, 0,
     "", "", AS_CAMERA},
    {"half a character is no name", ROLE_NONE, ESP32(GOOD ",\"camera_name\":\"a\\ud800\""), REJECT_none, CHANGE_CAMERA,
     0, "", "", AS_CAMERA},
    {"names of other types are none", ROLE_NONE, ESP32(GOOD ",\"camera_name\":7,\"device\":[1]"), REJECT_none,
     CHANGE_CAMERA, 0, "", "", AS_CAMERA},
    {"token absent", EVERY_ROLE, ESP32("\"x\":1"), REJECT_auth_missing, CHANGE_NONE, 0, "", "", AUTH_MISSING},
    {"token null", ROLE_CAMERA, ESP32("\"auth_token\":null"), REJECT_auth_missing, CHANGE_NONE, 0, "", "",
     AUTH_MISSING},
    {"token empty", ROLE_CAMERA, ESP32("\"auth_token\":\"\""), REJECT_auth_missing, CHANGE_NONE, 0, "", "",
     AUTH_MISSING},
    {"token wrong", EVERY_ROLE, ESP32("\"auth_token\":\"s3cret-of-the-testz\",\"camera_name\":\"c\""),
     REJECT_auth_invalid, CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token cut", ROLE_NONE, ESP32("\"auth_token\":\"s3cret-of-the-test\""), REJECT_auth_invalid, CHANGE_NONE, 0, "",
     "", AUTH_INVALID},
    {"token with more behind it", ROLE_NONE, ESP32("\"auth_token\":\"" TOKEN "x\""), REJECT_auth_invalid, CHANGE_NONE,
     0, "", "", AUTH_INVALID},
    {"token with NUL behind it", ROLE_NONE, ESP32("\"auth_token\":\"" TOKEN "\\u0000x\""), REJECT_auth_invalid,
     CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token with a last NUL", ROLE_NONE, ESP32("\"auth_token\":\"" TOKEN "\\u0000\""), REJECT_auth_invalid, CHANGE_NONE,
     0, "", "", AUTH_INVALID},
    {"token in another case", ROLE_NONE, ESP32("\"auth_token\":\"S3CRET-OF-THE-TESTS\""), REJECT_auth_invalid,
     CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token longer than any", ROLE_NONE, ESP32("\"auth_token\":\"" NAME_128 NAME_128 "\""), REJECT_auth_invalid,
     CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token a number", ROLE_NONE, ESP32("\"auth_token\":12"), REJECT_auth_invalid, CHANGE_NONE, 0, "", "",
     AUTH_INVALID},
    {"token an array of the token", ROLE_NONE, ESP32("\"auth_token\":[\"" TOKEN "\"]"), REJECT_auth_invalid,
     CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token true", ROLE_NONE, ESP32("\"auth_token\":true"), REJECT_auth_invalid, CHANGE_NONE, 0, "", "", AUTH_INVALID},
    {"token beside data", ROLE_NONE, "{\"event\":\"identify\",\"data\":{\"type\":\"esp32\"}," GOOD "}",
     REJECT_auth_missing, CHANGE_NONE, 0, "", "", AUTH_MISSING},
    {"the last token counts", ROLE_NONE, ESP32(GOOD ",\"auth_token\":\"x\""), REJECT_auth_invalid, CHANGE_NONE, 0, "",
     "", AUTH_INVALID},
    {"the last data counts", ROLE_NONE, "{\"event\":\"identify\",\"data\":7,\"data\":{\"type\":\"esp32\"," GOOD "}}",
     REJECT_none, CHANGE_CAMERA, 0, "", "", AS_CAMERA},

    /* identify of a game */
    {"a game", EVERY_ROLE, IDENTIFY("\"type\":\"gdevelop\",\"name\":\"Racer\""), REJECT_none, CHANGE_GAME, REPLAY_ALL,
     "", "", AS_GAME},
    {"no data", EVERY_ROLE, "{\"event\":\"identify\"}", REJECT_none, CHANGE_GAME, REPLAY_ALL, "", "", AS_GAME},
    {"no type", ROLE_NONE, IDENTIFY("\"name\":\"x\""), REJECT_none, CHANGE_GAME, REPLAY_ALL, "", "", AS_GAME},
    {"empty data", ROLE_NONE, IDENTIFY(""), REJECT_none, CHANGE_GAME, REPLAY_ALL, "", "", AS_GAME},
    {"another type", ROLE_NONE, IDENTIFY("\"type\":\"ESP32\"," GOOD), REJECT_none, CHANGE_GAME, REPLAY_ALL, "", "",
     AS_GAME},
    {"type with NUL", ROLE_NONE, IDENTIFY("\"type\":\"esp32\\u0000\"," GOOD), REJECT_none, CHANGE_GAME, REPLAY_ALL, "",
     "", AS_GAME},
    {"type no string", ROLE_NONE, IDENTIFY("\"type\":[\"esp32\"]"), REJECT_none, CHANGE_GAME, REPLAY_ALL, "", "",
     AS_GAME},
    {"single quotes", ROLE_NONE, "{'event':'identify','data':{'type':'gdevelop'}}", REJECT_none, CHANGE_GAME,
     REPLAY_ALL, "", "", AS_GAME},

    /* ping */
    {"ping of a camera", ROLE_CAMERA, "{\"event\":\"ping\"}", REJECT_none, CHANGE_KEEP, 0, "", "", PONG},
    {"ping of a game", ROLE_GAME, "{\"event\":\"ping\"}", REJECT_none, CHANGE_KEEP, 0, "", "", PONG},
    {"first ping", ROLE_NONE, "{\"event\":\"ping\"}", REJECT_none, CHANGE_GAME, 0, "", "", PONG},
    {"ping in single quotes", ROLE_GAME, "{'event':'ping'}", REJECT_none, CHANGE_KEEP, 0, "", "", PONG},
    {"ping in both quotes", ROLE_GAME, "{'event':\"ping\", \"it's\": 'a \"b\" \\'c\\''}", REJECT_none, CHANGE_KEEP, 0,
     "", "", PONG},
    {"the last event counts", ROLE_GAME, "{\"event\":7,\"event\":\"ping\"}", REJECT_none, CHANGE_KEEP, 0, "", "", PONG},

    /* request_latest_data */
    {"latest for a game", ROLE_GAME, "{\"event\":\"request_latest_data\"}", REJECT_none, CHANGE_KEEP, REPLAY_ALL_OR_SAY,
     "", "", NO_DATA},
    {"latest as the first message", ROLE_NONE, "{\"event\":\"request_latest_data\"}", REJECT_none, CHANGE_GAME,
     REPLAY_ALL_OR_SAY, "", "", NO_DATA},
    {"latest of one camera", ROLE_NONE, "{\"event\":\"request_latest_data\",\"data\":{\"camera_name\":\"garage-cam\"}}",
     REJECT_none, CHANGE_GAME, REPLAY_ONE_OR_SAY, "garage-cam", "", NO_DATA},
    {"latest, data without a name", ROLE_GAME, "{\"event\":\"request_latest_data\",\"data\":{}}", REJECT_none,
     CHANGE_KEEP, REPLAY_ALL_OR_SAY, "", "", NO_DATA},
    {"latest, data no object", ROLE_GAME, "{\"event\":\"request_latest_data\",\"data\":[1]}", REJECT_none, CHANGE_KEEP,
     REPLAY_ALL_OR_SAY, "", "", NO_DATA},
    {"latest, a name too long", ROLE_GAME,
     "{\"event\":\"request_latest_data\",\"data\":{\"camera_name\":\"" NAME_128 "x\"}}", REJECT_none, CHANGE_KEEP,
     REPLAY_ALL_OR_SAY, "", "", NO_DATA},
    {"latest, an empty name", ROLE_GAME, "{\"event\":\"request_latest_data\",\"data\":{\"camera_name\":\"\"}}",
     REJECT_none, CHANGE_KEEP, REPLAY_ALL_OR_SAY, "", "", NO_DATA},
    {"latest is not for cameras", ROLE_CAMERA, "{\"event\":\"request_latest_data\"}", REJECT_none, CHANGE_KEEP, 0, "",
     "", NULL},

    /* telemetry from strangers */
    {"telemetry without a role", ROLE_NONE, "{\"event\":\"apriltag_data\",\"tag_id\":1}", REJECT_auth_missing,
     CHANGE_KEEP, 0, "", "", AUTH_MISSING},
    {"telemetry of a game", ROLE_GAME, "{\"event\":\"apriltag_data\",\"tag_id\":1}", REJECT_auth_missing, CHANGE_KEEP,
     0, "", "", AUTH_MISSING},
    {"telemetry with the token is no identify", ROLE_NONE, "{\"event\":\"apriltag_data\"," GOOD "}",
     REJECT_auth_missing, CHANGE_KEEP, 0, "", "", AUTH_MISSING},

    /* everything else */
    {"video notice", EVERY_ROLE, "{\"event\":\"video_frame\"}", REJECT_none, CHANGE_KEEP, 0, "", "", NULL},
    {"unknown from a camera", ROLE_CAMERA, "{\"event\":\"hello\"}", REJECT_none, CHANGE_KEEP, 0, "", "", NULL},
    {"unknown from a game", ROLE_GAME, "{\"event\":\"hello\"}", REJECT_none, CHANGE_KEEP, 0, "", "", NULL},
    {"unknown as the first message", ROLE_NONE, "{\"event\":\"event_FromGDevelop\"}", REJECT_none, CHANGE_GAME, 0, "",
     "", NULL},
    {"no event from a camera", ROLE_CAMERA, "{\"tag_id\":1}", REJECT_none, CHANGE_KEEP, 0, "", "", NULL},
    {"no event as the first message", ROLE_NONE, "{\"a\":1}", REJECT_none, CHANGE_GAME, 0, "", "", NULL},
    {"empty object as the first message", ROLE_NONE, "{}", REJECT_none, CHANGE_GAME, 0, "", "", NULL},
    {"event with NUL is unknown", ROLE_GAME, "{\"event\":\"ping\\u0000\"}", REJECT_none, CHANGE_KEEP, 0, "", "", NULL},
};

static void test_verdicts(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(VERDICTS); i++) {
        const struct verdict_case *c = &VERDICTS[i];

        for (int role = ROLE_NONE; role < ROLE_COUNT; role++) {
            struct msg_device_text text = fixture_text(SOURCE_WEBSOCKET, (enum role)role, view_text(c->text));
            struct judged judged;

            if (c->role != EVERY_ROLE && c->role != role)
                continue;
            print_message("    %s, role %d\n", c->name, role);
            judge_text(*state, &text, ORIGIN, &judged);
            assert_int_equal(judged.kind, JUDGED_VERDICT);
            assert_int_equal(judged.verdict.seq, 5);
            assert_int_equal(judged.verdict.http_status, 0);
            assert_string_equal(reject_name(judged.verdict.reject), reject_name(c->reject));
            assert_int_equal(judged.verdict.change, c->change);
            assert_int_equal(judged.verdict.replay, c->replay);
            assert_string_equal(judged.verdict.camera, c->camera);
            assert_string_equal(judged.verdict.device, c->device);
            if (c->reply == NULL)
                assert_int_equal(judged.verdict.reply.length, 0);
            else
                assert_json_equal(judged.verdict.reply, c->reply);
        }
    }
}

/* Refused with an error event in every role, and nothing else happens. */
static const struct {
    const char *name, *text;
    enum reject reject;
    const char *says;
} REFUSED[] = {
    {"nothing", "", REJECT_empty, ""},
    {"white space", " \n", REJECT_empty, ""},
    {"no JSON", "hello", REJECT_not_json, ""},
    {"cut", "{\"event\":\"ping\"", REJECT_not_json, ""},
    {"trailing text", "{\"event\":\"ping\"}x", REJECT_not_json, ""},
    {"two objects", "{\"event\":\"ping\"}{\"event\":\"ping\"}", REJECT_not_json, ""},
    {"trailing comma", "{\"event\":\"ping\",}", REJECT_not_json, ""},
    {"comment", "{\"event\":\"ping\"}//", REJECT_not_json, ""},
    {"leading zero", "{\"event\":\"ping\",\"a\":01}", REJECT_not_json, "a"},
    {"raw control character", "{\"event\":\"ping\",\"a\":\"\n\"}", REJECT_not_json, "a"},
    {"bad escape", "{\"event\":\"ping\",\"a\":\"\\x\"}", REJECT_not_json, "a"},
    {"not UTF-8", "{\"event\":\"ping\",\"a\":\"\xc3(\"}", REJECT_not_utf8, "a"},
    {"array", "[{\"event\":\"ping\"}]", REJECT_not_object, "object"},
    {"string", "\"ping\"", REJECT_not_object, "object"},
    {"number", "5", REJECT_not_object, "object"},
    {"null", "null", REJECT_not_object, "object"},
    {"NaN", "{\"event\":\"apriltag_data\",\"x_cm\":NaN}", REJECT_not_finite, "x_cm"},
    {"Infinity", "{\"event\":\"apriltag_data\",\"x_cm\":Infinity}", REJECT_not_finite, "x_cm"},
    {"-Infinity", "{\"event\":\"apriltag_data\",\"x_cm\":-Infinity}", REJECT_not_finite, "x_cm"},
    {"1e999", "{\"event\":\"apriltag_data\",\"x_cm\":1e999}", REJECT_not_finite, "x_cm"},
    {"1e999 deep inside", "{\"event\":\"ping\",\"a\":[{\"b\":-1e999}]}", REJECT_not_finite, ""},
    {"not finite in single quotes", "{'event':'ping','x_cm':NaN}", REJECT_not_finite, "x_cm"},
    {"event a number", "{\"event\":7}", REJECT_bad_type, "event"},
    {"event null", "{\"event\":null}", REJECT_bad_type, "event"},
    {"event an object", "{\"event\":{}}", REJECT_bad_type, "event"},
    {"identify with an array", "{\"event\":\"identify\",\"data\":[]}", REJECT_bad_type, "data"},
    {"identify with a string", "{\"event\":\"identify\",\"data\":\"esp32\"}", REJECT_bad_type, "data"},
    {"identify with null", "{\"event\":\"identify\",\"data\":null}", REJECT_bad_type, "data"},
    {"identify, last data", "{\"event\":\"identify\",\"data\":{},\"data\":1}", REJECT_bad_type, "data"},
    {"an open single quote", "{'event':'ping", REJECT_not_json, ""},
};

static void assert_refused(struct judge *judge, enum role role, struct view content, enum reject reject,
                           const char *says)
{
    struct msg_device_text text = fixture_text(SOURCE_WEBSOCKET, role, content);
    struct judged judged;

    judge_text(judge, &text, ORIGIN, &judged);
    assert_int_equal(judged.kind, JUDGED_VERDICT);
    assert_string_equal(reject_name(judged.verdict.reject), reject_name(reject));
    assert_int_equal(judged.verdict.change, CHANGE_KEEP);
    assert_int_equal(judged.verdict.replay, REPLAY_NOTHING);
    assert_refusal(judged.verdict.reply, "event", "error", "error", says);
}

static void test_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        print_message("    %s\n", REFUSED[i].name);
        for (int role = ROLE_NONE; role < ROLE_COUNT; role++)
            assert_refused(*state, (enum role)role, view_text(REFUSED[i].text), REFUSED[i].reject, REFUSED[i].says);
    }
}

/* {"a":[[...]]} of a given depth in all. */
static size_t write_nested(char *dst, size_t depth)
{
    char *at = dst;

    at += sprintf(at, "{\"event\":\"ping\",\"a\":");
    for (size_t i = 1; i < depth; i++)
        *at++ = '[';
    for (size_t i = 1; i < depth; i++)
        *at++ = ']';
    *at++ = '}';
    return (size_t)(at - dst);
}

static void test_depth(void **state)
{
    struct msg_device_text text;
    struct judged judged;
    char nested[512];

    text = fixture_text(SOURCE_WEBSOCKET, ROLE_GAME, view_of(nested, write_nested(nested, 64)));
    judge_text(*state, &text, ORIGIN, &judged);
    assert_int_equal(judged.verdict.reject, REJECT_none);
    assert_refused(*state, ROLE_GAME, view_of(nested, write_nested(nested, 65)), REJECT_too_deep, "");
}

/* The repair may lengthen a text; what outgrows every limit is refused as the broken text it is. */
static void test_repair_without_room(void **state)
{
    size_t length = TEXT_BYTES_MAX;
    char *quotes = malloc(length);

    assert_non_null(quotes);
    memset(quotes, '"', length);
    memcpy(quotes, "{'event':'", 10);
    memcpy(quotes + length - 2, "'}", 2);
    assert_refused(*state, ROLE_GAME, view_of(quotes, length), REJECT_not_json, "");
    free(quotes);
}

/* Accepted telemetry of a camera: the broadcast, the name, the tag. */
static const struct {
    const char *name, *text, *camera;
    bool named;
    const char *tag, *json;
} SIGHTINGS[] = {
    {"flat", "{\"event\":\"apriltag_data\",\"tag_id\":12,\"x_cm\":4.2,\"camera_name\":\"garage-cam\"}", "garage-cam",
     true, "12",
     "{\"event\":\"apriltag_data\",\"tag_id\":12,\"x_cm\":4.2,\"camera_name\":\"garage-cam\","
     "\"server_timestamp\":" ARRIVED "}"},
    {"nothing measured", "{\"event\":\"apriltag_data\"}", FALLBACK, false, "null",
     "{\"event\":\"apriltag_data\",\"server_timestamp\":" ARRIVED "}"},
    {"nested",
     "{\"event\":\"apriltag_data\",\"camera_name\":\"outer\",\"tag_id\":1,"
     "\"data\":{\"tag_id\":\"a\",\"event\":\"boom\",\"auth_token\":\"t\",\"server_timestamp\":1,"
     "\"data\":{\"event\":1}}}",
     FALLBACK, false, "\"a\"",
     "{\"event\":\"apriltag_data\",\"tag_id\":\"a\",\"data\":{\"event\":1},"
     "\"server_timestamp\":" ARRIVED "}"},
    {"nested and empty", "{\"event\":\"apriltag_data\",\"tag_id\":1,\"data\":{}}", FALLBACK, false, "null",
     "{\"event\":\"apriltag_data\",\"server_timestamp\":" ARRIVED "}"},
    {"data that is no object", "{\"event\":\"apriltag_data\",\"tag_id\":1,\"data\":[{}]}", FALLBACK, false, "1",
     "{\"event\":\"apriltag_data\",\"tag_id\":1,\"data\":[{}],\"server_timestamp\":" ARRIVED "}"},
    {"the last data counts: object", "{\"event\":\"apriltag_data\",\"data\":1,\"data\":{\"tag_id\":2}}", FALLBACK,
     false, "2", "{\"event\":\"apriltag_data\",\"tag_id\":2,\"server_timestamp\":" ARRIVED "}"},
    {"token and address", "{\"event\":\"apriltag_data\"," GOOD ",\"smartcam_ip\":\"10.0.0.1\"}", FALLBACK, false,
     "null", "{\"event\":\"apriltag_data\",\"smartcam_ip\":\"10.0.0.1\",\"server_timestamp\":" ARRIVED "}"},
    {"a wrong token is only removed", "{\"event\":\"apriltag_data\",\"auth_token\":\"x\"}", FALLBACK, false, "null",
     "{\"event\":\"apriltag_data\",\"server_timestamp\":" ARRIVED "}"},
    {"the last name counts", "{\"event\":\"apriltag_data\",\"camera_name\":\"a\",\"camera_nam\\u0065\":\"b\"}", "b",
     true, "null", NULL},
    {"name of another type", "{\"event\":\"apriltag_data\",\"camera_name\":7}", FALLBACK, false, "null",
     "{\"event\":\"apriltag_data\",\"camera_name\":7,\"server_timestamp\":" ARRIVED "}"},
    {"name too long is forwarded, not used", "{\"event\":\"apriltag_data\",\"camera_name\":\"" NAME_128 "x\"}",
     FALLBACK, false, "null",
     "{\"event\":\"apriltag_data\",\"camera_name\":\"" NAME_128 "x\",\"server_timestamp\":" ARRIVED "}"},
    {"unexpected types", "{\"event\":\"apriltag_data\",\"x_cm\":\"far\",\"tag_id\":true}", FALLBACK, false, NULL,
     "{\"event\":\"apriltag_data\",\"x_cm\":\"far\",\"tag_id\":true,"
     "\"server_timestamp\":" ARRIVED "}"},
    {"single quotes", "{'event':'apriltag_data','tag_id':'it\\'s \"x\"'}", FALLBACK, false, "\"it's \\\"x\\\"\"",
     "{\"event\":\"apriltag_data\",\"tag_id\":\"it's \\\"x\\\"\","
     "\"server_timestamp\":" ARRIVED "}"},
};

static void test_sightings(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(SIGHTINGS); i++) {
        struct msg_device_text text = fixture_text(SOURCE_WEBSOCKET, ROLE_CAMERA, view_text(SIGHTINGS[i].text));
        struct judged judged;

        print_message("    %s\n", SIGHTINGS[i].name);
        judge_text(*state, &text, ORIGIN, &judged);
        assert_int_equal(judged.kind, JUDGED_SIGHTING);
        assert_int_equal(judged.sighting.origin, ORIGIN);
        assert_int_equal(judged.sighting.seq, 5);
        assert_int_equal(judged.sighting.arrived_utc_us, ARRIVED_US);
        assert_string_equal(judged.sighting.camera, SIGHTINGS[i].camera);
        assert_int_equal(judged.sighting.named, SIGHTINGS[i].named);
        if (SIGHTINGS[i].tag != NULL)
            assert_string_equal(judged.sighting.tag, SIGHTINGS[i].tag);
        if (SIGHTINGS[i].json != NULL)
            assert_json_equal(judged.sighting.json, SIGHTINGS[i].json);
    }
}

static void test_out_of_range(void **state)
{
    assert_refused(*state, ROLE_CAMERA, view_text("{\"event\":\"apriltag_data\",\"x_cm\":2e9}"), REJECT_out_of_range,
                   "x_cm: 2e9 is out of range -100000..100000");
    assert_refused(*state, ROLE_CAMERA, view_text("{\"event\":\"apriltag_data\",\"data\":{\"yaw\":361}}"),
                   REJECT_out_of_range, "yaw: 361 is out of range -360..360");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_repair_without_room),
        cmocka_unit_test(test_sightings), cmocka_unit_test(test_out_of_range),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
