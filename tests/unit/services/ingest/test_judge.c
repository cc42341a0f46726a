/* The judge itself: its token, its limits, pictures, and the longest text. */
#include "judge_fixture.h"

#include <errno.h>

#include "run/token.h"

#define BYTES(...)                                                                                                     \
    {                                                                                                                  \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                                         \
    }
/* 320 x 240 */
#define JPEG BYTES(0xff, 0xd8, 0xff, 0xc2, 0, 11, 8, 0, 240, 1, 64, 1, 1, 0x11, 0, 0xff, 0xd9)
#define GIF  BYTES('G', 'I', 'F', '8', '9', 'a', 0xff, 0xc0, 0, 11, 8, 0, 240, 1, 64, 1)

#define NOT_JPEG    "{\"status\":\"error\",\"message\":\"Not a JPEG image\"}"
#define WRONG_TOKEN "{\"status\":\"error\",\"message\":\"Invalid auth_token\"}"
#define NO_BYTES    "{\"status\":\"error\",\"message\":\"No data received\"}"

/* reply NULL: nothing is said. reject and the rest do not matter where it is accepted. */
static const struct {
    const char *name;
    enum source source;
    enum role role;
    const char *authorization;
    struct view bytes;
    bool accepted;
    enum reject reject;
    uint64_t status;
    const char *reply;
} PICTURES[] = {
    {"of a camera", SOURCE_WEBSOCKET, ROLE_CAMERA, "", JPEG, true, 0, 0, NULL},
    {"of nobody", SOURCE_WEBSOCKET, ROLE_NONE, "", JPEG, false, REJECT_auth_missing, 0, AUTH_MISSING},
    {"of a game", SOURCE_WEBSOCKET, ROLE_GAME, TOKEN, JPEG, false, REJECT_auth_missing, 0, AUTH_MISSING},
    {"no JPEG of a camera", SOURCE_WEBSOCKET, ROLE_CAMERA, "", GIF, false, REJECT_not_jpeg, 0,
     "{\"event\":\"error\",\"error\":\"Not a JPEG image\"}"},
    {"no JPEG of nobody", SOURCE_WEBSOCKET, ROLE_NONE, "", GIF, false, REJECT_auth_missing, 0, AUTH_MISSING},
    {"empty of a camera", SOURCE_WEBSOCKET, ROLE_CAMERA, "", {NULL, 0}, false, REJECT_none, 0, NULL},
    {"empty of nobody", SOURCE_WEBSOCKET, ROLE_NONE, "", {NULL, 0}, false, REJECT_none, 0, NULL},
    {"posted", SOURCE_HTTP_PHOTO, ROLE_NONE, TOKEN, JPEG, true, 0, 0, NULL},
    {"posted without token", SOURCE_HTTP_PHOTO, ROLE_NONE, "", JPEG, false, REJECT_auth_missing, 401, WRONG_TOKEN},
    {"posted with a wrong token", SOURCE_HTTP_PHOTO, ROLE_NONE, "x", JPEG, false, REJECT_auth_invalid, 401,
     WRONG_TOKEN},
    {"posted with a scheme word", SOURCE_HTTP_PHOTO, ROLE_NONE, "Bearer " TOKEN, JPEG, false, REJECT_auth_invalid, 401,
     WRONG_TOKEN},
    {"posted empty", SOURCE_HTTP_PHOTO, ROLE_NONE, TOKEN, {NULL, 0}, false, REJECT_empty, 400, NO_BYTES},
    {"posted empty without token",
     SOURCE_HTTP_PHOTO,
     ROLE_NONE,
     "",
     {NULL, 0},
     false,
     REJECT_auth_missing,
     401,
     WRONG_TOKEN},
    {"posted, no JPEG", SOURCE_HTTP_PHOTO, ROLE_NONE, TOKEN, GIF, false, REJECT_not_jpeg, 400, NOT_JPEG},
    {"posted, only a start", SOURCE_HTTP_PHOTO, ROLE_NONE, TOKEN, BYTES(0xff, 0xd8, 0xff), false, REJECT_not_jpeg, 400,
     NOT_JPEG},
};

static void test_pictures(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(PICTURES); i++) {
        struct msg_device_photo photo = {
            .seq = 9,
            .source = PICTURES[i].source,
            .role = PICTURES[i].role,
            .arrived_utc_us = ARRIVED_US,
            .camera = "garage-cam",
            .authorization = view_text(PICTURES[i].authorization),
            .jpeg = PICTURES[i].bytes,
        };
        struct judged judged;

        print_message("    %s\n", PICTURES[i].name);
        judge_photo(*state, &photo, ORIGIN, &judged);
        if (PICTURES[i].accepted) {
            assert_int_equal(judged.kind, JUDGED_PHOTO);
            assert_int_equal(judged.photo.origin, ORIGIN);
            assert_int_equal(judged.photo.seq, 9);
            assert_int_equal(judged.photo.arrived_utc_us, ARRIVED_US);
            assert_int_equal(judged.photo.width, 320);
            assert_int_equal(judged.photo.height, 240);
            assert_string_equal(judged.photo.camera, "garage-cam");
            assert_true(view_equals(judged.photo.jpeg, PICTURES[i].bytes));
            continue;
        }
        assert_int_equal(judged.kind, JUDGED_VERDICT);
        assert_int_equal(judged.verdict.seq, 9);
        assert_string_equal(reject_name(judged.verdict.reject), reject_name(PICTURES[i].reject));
        assert_int_equal(judged.verdict.http_status, PICTURES[i].status);
        assert_int_equal(judged.verdict.change, CHANGE_KEEP);
        if (PICTURES[i].reply == NULL)
            assert_int_equal(judged.verdict.reply.length, 0);
        else
            assert_json_equal(judged.verdict.reply, PICTURES[i].reply);
    }
}

/* A text at the pictures' door is no picture. */
static void test_text_as_picture(void **state)
{
    struct msg_device_text text = fixture_text(SOURCE_HTTP_PHOTO, ROLE_NONE, view_text("{}"));
    struct judged judged;

    text.authorization = view_text(TOKEN);
    judge_text(*state, &text, ORIGIN, &judged);
    assert_int_equal(judged.kind, JUDGED_VERDICT);
    assert_int_equal(judged.verdict.http_status, 400);
    assert_json_equal(judged.verdict.reply, NOT_JPEG);
}

static enum judged_kind post_with(struct judge *judge, const char *token)
{
    struct msg_device_text text = fixture_text(SOURCE_HTTP_TAG, ROLE_NONE, view_text("{\"tag_id\":1}"));
    struct judged judged;

    text.authorization = view_text(token);
    judge_text(judge, &text, ORIGIN, &judged);
    return judged.kind;
}

static void test_set_token(void **state)
{
    char longest[TOKEN_MAX + 2];
    struct judge *judge = NULL;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[TOKEN_MAX + 1] = '\0';
    assert_int_equal(judge_new(&FIXTURE_LIMITS, "", &judge), -EINVAL);
    assert_int_equal(judge_new(&FIXTURE_LIMITS, longest, &judge), -EINVAL);
    assert_null(judge);

    longest[TOKEN_MAX] = '\0';
    assert_int_equal(judge_new(&FIXTURE_LIMITS, longest, &judge), 0);
    assert_int_equal(post_with(judge, longest), JUDGED_SIGHTING);
    assert_int_equal(judge_set_token(judge, "a-second-token"), 0);
    assert_int_equal(post_with(judge, longest), JUDGED_VERDICT);
    assert_int_equal(post_with(judge, "a-second-token"), JUDGED_SIGHTING);
    assert_int_equal(judge_set_token(judge, ""), -EINVAL);
    assert_int_equal(post_with(judge, "a-second-token"), JUDGED_SIGHTING);
    assert_int_equal(post_with(judge, ""), JUDGED_VERDICT);
    judge_free(judge);
    judge_free(NULL);
}

static void test_depth_limit(void **state)
{
    struct judge_limits limits = FIXTURE_LIMITS;
    struct msg_device_text text = fixture_text(SOURCE_UDP, ROLE_NONE, view_text("{\"a\":[[]]}"));
    struct judge *judge;
    struct judged judged;

    (void)state;
    limits.depth_max_count = 3;
    assert_int_equal(judge_new(&limits, TOKEN, &judge), 0);
    judge_text(judge, &text, ORIGIN, &judged);
    assert_int_equal(judged.kind, JUDGED_SIGHTING);
    text.text = view_text("{\"a\":[[[]]]}");
    judge_text(judge, &text, ORIGIN, &judged);
    assert_int_equal(judged.kind, JUDGED_VERDICT);
    assert_int_equal(judged.verdict.reject, REJECT_too_deep);
    judge_free(judge);
}

/* The longest text that the bus carries, through each door that takes telemetry. */
static void test_longest_text(void **state)
{
    static const char START[] = "{\"event\":\"apriltag_data\",\"a\":\"";
    char *content = malloc(TEXT_BYTES_MAX);
    struct judged judged;

    assert_non_null(content);
    memset(content, 'x', TEXT_BYTES_MAX);
    memcpy(content, START, sizeof(START) - 1);
    memcpy(content + TEXT_BYTES_MAX - 2, "\"}", 2);
    for (int source = 0; source < SOURCE_COUNT; source++) {
        struct msg_device_text text = fixture_text((enum source)source, ROLE_CAMERA, view_of(content, TEXT_BYTES_MAX));
        struct json_error error;
        enum json_type type;

        if (source == SOURCE_HTTP_PHOTO || source == SOURCE_HTTP_INTERVAL)
            continue;
        text.authorization = view_text(TOKEN);
        memset(text.address, 'a', ADDRESS_BYTES_MAX);
        judge_text(*state, &text, ORIGIN, &judged);
        assert_int_equal(judged.kind, JUDGED_SIGHTING);
        assert_int_equal(json_check(judged.sighting.json, 64, &type, &error), 0);
        assert_true(judged.sighting.json.length <= TEXT_BYTES_MAX + TELEMETRY_EXTRA_BYTES_MAX);
    }
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),    cmocka_unit_test(test_text_as_picture), cmocka_unit_test(test_set_token),
        cmocka_unit_test(test_depth_limit), cmocka_unit_test(test_longest_text),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
