/* Reading, checking and splicing of records, apart from who sent them. */
#include "judge_fixture.h"

#include <errno.h>
#include <time.h>

#include "telemetry.h"

#define HEAD     "{\"event\":\"apriltag_data\""
#define TAIL     ",\"server_timestamp\":" ARRIVED "}"
#define TEXT_158 TEN("0123456789abcde") "01234567"
#define TEN(x)   x x x x x x x x x x

static const struct telemetry_limits LIMITS = {.tag_id_max = 65535, .angle_max_deg = 360, .length_max_cm = 100000};

/* The text is checked first, as everybody must who calls telemetry_read(). */
static struct telemetry read_record(struct view text)
{
    struct telemetry record;
    struct json_error error;
    enum json_type type;

    if (json_check(text, JSON_DEPTH_MAX, &type, &error) < 0)
        fail_msg("%s: %.*s", error.text, (int)text.length, (const char *)text.bytes);
    telemetry_read(text, &record);
    return record;
}

/* What goes in between is copied byte for byte: the expectation is exact. */
static const struct {
    const char *name, *text, *address, *json;
} WRITTEN[] = {
    {"empty", "{}", NULL, HEAD TAIL},
    {"one", "{\"a\":1}", NULL, HEAD ",\"a\":1" TAIL},
    {"order and spelling stay", " { \"z\" : 1.50 ,\n\"a\":[ 1 , 2 ],\"\\u00e4\":\"\\/\" } ", NULL,
     HEAD ",\"z\" : 1.50,\"a\":[ 1 , 2 ],\"\\u00e4\":\"\\/\"" TAIL},
    {"integers of 64 bits", "{\"a\":-9223372036854775808,\"b\":18446744073709551615}", NULL,
     HEAD ",\"a\":-9223372036854775808,\"b\":18446744073709551615" TAIL},
    {"doubles", "{\"a\":0.1,\"b\":-0.0,\"c\":1e-320,\"d\":1.7976931348623157e308}", NULL,
     HEAD ",\"a\":0.1,\"b\":-0.0,\"c\":1e-320,\"d\":1.7976931348623157e308" TAIL},
    {"strings", "{\"a\":\"\\u0000\\ud83d\\ude00\\ud800\xf0\x9f\x98\x80\\\"\\\\\"}", NULL,
     HEAD ",\"a\":\"\\u0000\\ud83d\\ude00\\ud800\xf0\x9f\x98\x80\\\"\\\\\"" TAIL},
    {"literals and empty things", "{\"\":null,\"a\":true,\"b\":false,\"c\":{},\"d\":[],\"e\":\"\"}", NULL,
     HEAD ",\"\":null,\"a\":true,\"b\":false,\"c\":{},\"d\":[],\"e\":\"\"" TAIL},
    {"the hub's members, first", "{\"event\":1,\"a\":1}", NULL, HEAD ",\"a\":1" TAIL},
    {"the hub's members, last", "{\"a\":1,\"auth_token\":\"t\"}", NULL, HEAD ",\"a\":1" TAIL},
    {"the hub's members, all and twice",
     "{\"event\":1,\"auth_token\":2,\"server_timestamp\":3,\"a\":4,\"event\":{\"event\":1},"
     "\"server_timestamp\":[],\"auth_token\":\"\"}",
     NULL, HEAD ",\"a\":4" TAIL},
    {"the hub's members in disguise", "{\"\\u0065vent\":1,\"auth\\u005Ftoken\":2,\"server_timestam\\u0070\":3}", NULL,
     HEAD TAIL},
    {"keys that only look like it",
     "{\"Event\":1,\"event \":2,\"event\\u0000\":3,\"even\":4,\"events\":5,\"auth-token\":6}", NULL,
     HEAD ",\"Event\":1,\"event \":2,\"event\\u0000\":3,\"even\":4,\"events\":5,\"auth-token\":6" TAIL},
    {"deeper down they stay", "{\"a\":{\"event\":1,\"auth_token\":2,\"server_timestamp\":3}}", NULL,
     HEAD ",\"a\":{\"event\":1,\"auth_token\":2,\"server_timestamp\":3}" TAIL},
    {"smartcam_ip as sent", "{\"smartcam_ip\":\"10.0.0.1\"}", NULL, HEAD ",\"smartcam_ip\":\"10.0.0.1\"" TAIL},
    {"smartcam_ip replaced", "{\"smartcam_ip\":\"10.0.0.1\",\"a\":1}", "2001:db8::1",
     HEAD ",\"a\":1,\"smartcam_ip\":\"2001:db8::1\"" TAIL},
    {"smartcam_ip added", "{}", "192.0.2.1", HEAD ",\"smartcam_ip\":\"192.0.2.1\"" TAIL},
    {"an odd address", "{}", "a\"\\\n", HEAD ",\"smartcam_ip\":\"a\\\"\\\\\\n\"" TAIL},
};

static void test_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WRITTEN); i++) {
        struct telemetry record = read_record(view_text(WRITTEN[i].text));
        struct json_error error;
        enum json_type type;
        char json[1024];
        size_t length;

        print_message("    %s\n", WRITTEN[i].name);
        assert_int_equal(telemetry_write(&record, WRITTEN[i].address, ARRIVED_US, json, sizeof(json), &length), 0);
        assert_true(length < sizeof(json));
        json[length] = '\0';
        assert_string_equal(json, WRITTEN[i].json);
        assert_int_equal(json_check(view_of(json, length), JSON_DEPTH_MAX, &type, &error), 0);
        assert_true(length <= strlen(WRITTEN[i].text) + TELEMETRY_EXTRA_BYTES_MAX);

        /* It fits exactly, and in nothing less; no byte behind the room is touched. */
        for (size_t room = 0; room < length; room++) {
            size_t ignored;

            json[room] = '#';
            assert_int_equal(telemetry_write(&record, WRITTEN[i].address, ARRIVED_US, json, room, &ignored), -E2BIG);
            assert_int_equal(json[room], '#');
        }
        assert_int_equal(telemetry_write(&record, WRITTEN[i].address, ARRIVED_US, json, length, &length), 0);
    }
}

/* says NULL: not refused. */
static const struct {
    const char *name, *text, *says;
} RANGES[] = {
    {"nothing", "{}", NULL},
    {"tag at both ends", "{\"tag_id\":-1,\"a\":{\"tag_id\":70000}}", NULL},
    {"largest tag", "{\"tag_id\":65535}", NULL},
    {"tag below", "{\"tag_id\":-2}", "tag_id: -2 is out of range -1..65535"},
    {"tag above", "{\"tag_id\":65536}", "tag_id: 65536 is out of range -1..65535"},
    {"tag of 64 bits", "{\"tag_id\":18446744073709551615}", "tag_id: 18446744073709551615 is out of range -1..65535"},
    {"angles at the ends", "{\"yaw\":-360,\"pitch\":360,\"roll\":3.6e2}", NULL},
    {"yaw", "{\"yaw\":360.1}", "yaw: 360.1 is out of range -360..360"},
    {"pitch", "{\"pitch\":-361}", "pitch: -361 is out of range -360..360"},
    {"roll", "{\"roll\":1e300}", "roll: 1e300 is out of range -360..360"},
    {"lengths at the ends", "{\"x_cm\":-100000,\"y_cm\":100000,\"z_cm\":1e5,\"range_cm\":-1e5,\"distance_cm\":0}",
     NULL},
    {"x_cm", "{\"x_cm\":2e9}", "x_cm: 2e9 is out of range -100000..100000"},
    {"y_cm", "{\"y_cm\":-100000.5}", "y_cm: -100000.5 is out of range -100000..100000"},
    {"z_cm", "{\"z_cm\":100001}", "z_cm: 100001 is out of range -100000..100000"},
    {"range_cm", "{\"range_cm\":100001}", "range_cm: 100001 is out of range -100000..100000"},
    {"distance_cm", "{\"distance_cm\":1e6}", "distance_cm: 1e6 is out of range -100000..100000"},
    {"a long number is told in short", "{\"x_cm\":1" TEN("000000") ".0}",
     "x_cm: 9.9999999999999995e+59 is out of range -100000..100000"},
    {"other types are not measured", "{\"tag_id\":\"70000\",\"yaw\":null,\"x_cm\":[1e9],\"y_cm\":true,\"z_cm\":{}}",
     NULL},
    {"other fields have no range",
     "{\"decision_margin\":1e300,\"tag_size_percent\":-5e9,\"timestamp\":18446744073709551615}", NULL},
    {"the last one counts: good", "{\"x_cm\":2e9,\"x_c\\u006d\":1}", NULL},
    {"the last one counts: bad", "{\"x_cm\":1,\"x_c\\u006d\":2e9}", "x_cm: 2e9 is out of range -100000..100000"},
};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(RANGES); i++) {
        struct telemetry record = read_record(view_text(RANGES[i].text));
        char why[TELEMETRY_WHY_BYTES_MAX] = "";
        enum reject reject = telemetry_check(&record, &LIMITS, why);

        print_message("    %s\n", RANGES[i].name);
        assert_int_equal(reject, RANGES[i].says == NULL ? REJECT_none : REJECT_out_of_range);
        assert_string_equal(why, RANGES[i].says == NULL ? "" : RANGES[i].says);
    }
}

/* The limits are settings: all of them count. */
static void test_limits(void **state)
{
    const struct telemetry_limits wide = {
        .tag_id_max = UINT64_MAX, .angle_max_deg = 1000, .length_max_cm = 1000000000000};
    struct telemetry record =
        read_record(view_text("{\"tag_id\":18446744073709551615,\"yaw\":-1000,\"x_cm\":1000000000001}"));
    char why[TELEMETRY_WHY_BYTES_MAX];

    (void)state;
    assert_int_equal(telemetry_check(&record, &wide, why), REJECT_out_of_range);
    assert_string_equal(why, "x_cm: 1000000000001 is out of range -1000000000000..1000000000000");
}

/* tag NULL: a replacement. */
static const struct {
    const char *name, *text, *tag;
} TAGS[] = {
    {"absent", "{}", "null"},
    {"null", "{\"tag_id\":null}", "null"},
    {"number", "{\"tag_id\":12}", "12"},
    {"number as written", "{\"tag_id\":1.20E1}", "1.20E1"},
    {"number of 40 bytes", "{\"tag_id\":1.0" TEN("000") "0000000}", "1.0" TEN("000") "0000000"},
    {"longer number", "{\"tag_id\":-1.0" TEN("000") "0000000}", "-1"},
    {"string", "{\"tag_id\":\"a\"}", "\"a\""},
    {"equal strings, equal texts", "{\"tag_id\":\"\\u0061\\u00e4\"}", "\"a\xc3\xa4\""},
    {"controls are escaped", "{\"tag_id\":\"\\u0000\\u000a\"}", "\"\\u0000\\n\""},
    {"longest string", "{\"tag_id\":\"" TEXT_158 "\"}", "\"" TEXT_158 "\""},
    {"longer string", "{\"tag_id\":\"" TEXT_158 "x\"}", NULL},
    {"a string much longer", "{\"tag_id\":\"" TEXT_158 TEXT_158 "\"}", NULL},
    {"a string longer by escapes", "{\"tag_id\":\"" TEN("\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"") "\"}", NULL},
    {"half a character", "{\"tag_id\":\"\\ud83d\"}", NULL},
    {"true", "{\"tag_id\":true}", NULL},
    {"array", "{\"tag_id\":[1]}", NULL},
    {"object", "{\"tag_id\":{\"a\":1}}", NULL},
    {"the last one", "{\"tag_id\":1,\"tag_id\":2}", "2"},
};

static void test_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TAGS); i++) {
        struct telemetry record = read_record(view_text(TAGS[i].text));
        char tag[TAG_BYTES_MAX + 1], again[TAG_BYTES_MAX + 1];
        struct json_error error;
        enum json_type type;
        bool exact = telemetry_tag(&record, tag);

        print_message("    %s\n", TAGS[i].name);
        assert_int_equal(exact, TAGS[i].tag != NULL);
        if (TAGS[i].tag != NULL)
            assert_string_equal(tag, TAGS[i].tag);
        assert_int_equal(json_check(view_text(tag), 1, &type, &error), 0);
        telemetry_tag(&record, again);
        assert_string_equal(tag, again);
    }
}

/* Replacements differ where the values differ. */
static void test_tag_replacements(void **state)
{
    struct telemetry one = read_record(view_text("{\"tag_id\":[1]}"));
    struct telemetry two = read_record(view_text("{\"tag_id\":[2]}"));
    char first[TAG_BYTES_MAX + 1], second[TAG_BYTES_MAX + 1];

    (void)state;
    assert_false(telemetry_tag(&one, first));
    assert_false(telemetry_tag(&two, second));
    assert_string_not_equal(first, second);
}

static void test_epoch(void **state)
{
    static const struct {
        uint64_t utc_us;
        const char *text;
    } CASES[] = {
        {0, "0.000000"},
        {1, "0.000001"},
        {999999, "0.999999"},
        {1000000, "1.000000"},
        {UINT64_C(1750000000000042), "1750000000.000042"},
        {INT64_MAX, "9223372036854.775807"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[TELEMETRY_EPOCH_BYTES_MAX];

        telemetry_epoch(CASES[i].utc_us, text);
        assert_string_equal(text, CASES[i].text);
    }
}

/* CPU seconds to read and write an object of so many members. */
static double seconds_for(size_t member_count)
{
    size_t room = member_count * 16 + TELEMETRY_EXTRA_BYTES_MAX, length = 0;
    char *text = malloc(room), *json = malloc(room);
    struct telemetry record;
    clock_t start;

    assert_non_null(text);
    assert_non_null(json);
    for (size_t i = 0; i < member_count; i++)
        length += (size_t)sprintf(text + length, "%c\"event\":1", i == 0 ? '{' : ',');
    text[length++] = '}';
    start = clock();
    telemetry_read(view_of(text, length), &record);
    assert_int_equal(telemetry_write(&record, NULL, 0, json, room, &length), 0);
    free(text);
    free(json);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Ten times the members take about ten times as long; a quadratic walk would take a hundred. */
static void test_linear(void **state)
{
    (void)state;
    assert_true(seconds_for(300000) < 40 * (seconds_for(30000) + 0.001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written), cmocka_unit_test(test_ranges),           cmocka_unit_test(test_limits),
        cmocka_unit_test(test_tags),    cmocka_unit_test(test_tag_replacements), cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
