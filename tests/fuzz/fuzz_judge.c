/* Anything through any door: the first byte chooses source, role and proof, the rest is the text
 * or picture.
 *
 * Whatever is judged must be fit for the bus, made only for those who may, and JSON where JSON is
 * promised. A broadcast must have the hub's own members exactly once and the sender's others byte
 * for byte. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_repair.h"
#include "json_scan.h"
#include "judge.h"

#define TOKEN   "s3cret-of-the-tests"
#define ADDRESS "192.0.2.17"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum proof { PROOF_NONE, PROOF_RIGHT, PROOF_WRONG, PROOF_COUNT };

struct input {
    enum source source;
    enum role role;
    enum proof proof;
    struct view content;
};

static const struct judge_limits LIMITS = {
    .depth_max_count = 64,
    .telemetry = {.tag_id_max = 65535, .angle_max_deg = 360, .length_max_cm = 100000},
};

static struct input read_input(const uint8_t *data, size_t size)
{
    return (struct input){
        .source = data[0] % SOURCE_COUNT,
        .role = data[0] / SOURCE_COUNT % ROLE_COUNT,
        .proof = data[0] / SOURCE_COUNT / ROLE_COUNT % PROOF_COUNT,
        .content = view_of(data + 1, size - 1),
    };
}

static struct view authorization_of(enum proof proof)
{
    switch (proof) {
    case PROOF_RIGHT:
        return view_text(TOKEN);
    case PROOF_WRONG:
        return view_text("Bearer " TOKEN);
    case PROOF_NONE:
    case PROOF_COUNT:
        break;
    }
    return view_text("");
}

/* The ranges of messages.def, as the codec of the receiver will see them. */
static void assert_fits_bus(enum msg_type type, const void *msg)
{
    const struct msg_desc *desc = schema_message(type);

    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const void *at = (const char *)msg + field->offset;
        uint64_t value = 0;

        switch (field->type) {
        case FIELD_u64:
            value = *(const uint64_t *)at;
            break;
        case FIELD_str:
            value = strlen(at);
            break;
        case FIELD_blob:
            value = ((const struct view *)at)->length;
            break;
        }
        assert(value >= field->min && value <= field->max);
    }
}

static enum json_type assert_json(struct view text)
{
    struct json_error error;
    enum json_type type;

    assert(json_check(text, JSON_DEPTH_MAX, &type, &error) == 0);
    return type;
}

static size_t count_members(struct view object, const char *key)
{
    struct json_iterator it;
    struct json_member member;
    size_t count = 0;

    json_iterator_init(&it, object);
    while (json_next_member(&it, &member))
        count += json_key_equals(&member, key);
    return count;
}

static bool is_hubs_own(const struct json_member *member, enum source source)
{
    return json_key_equals(member, "event") || json_key_equals(member, "server_timestamp") ||
           json_key_equals(member, "auth_token") || (source == SOURCE_UDP && json_key_equals(member, "smartcam_ip"));
}

/* The next member that the sender made. */
static bool next_of_sender(struct json_iterator *it, enum source source, struct json_member *ret)
{
    while (json_next_member(it, ret)) {
        if (!is_hubs_own(ret, source))
            return true;
    }
    return false;
}

/* Finds the payload of an accepted text once more, in a way of its own. */
static struct view payload_of(const struct input *input, char *repaired, size_t room)
{
    struct view text = input->content;
    struct json_member data;
    struct json_error error;
    enum json_type type;
    size_t length;

    if (json_check(text, JSON_DEPTH_MAX, &type, &error) < 0) {
        assert(input->source == SOURCE_WEBSOCKET);
        assert(json_repair_quotes(text, repaired, room, &length) == 0);
        text = view_of(repaired, length);
        assert_json(text);
    }
    if (input->source == SOURCE_WEBSOCKET && json_find(text, "data", &data) == 0 && data.type == JSON_OBJECT)
        return data.value;
    return text;
}

static void assert_same_members(struct view payload, struct view json, enum source source)
{
    struct json_iterator sent, got;
    struct json_member a, b;

    json_iterator_init(&sent, payload);
    json_iterator_init(&got, json);
    while (next_of_sender(&sent, source, &a)) {
        assert(next_of_sender(&got, source, &b));
        assert(view_equals(a.span, b.span));
    }
    assert(!next_of_sender(&got, source, &b));
}

static void check_sighting(const struct input *input, const struct msg_sighting *sighting)
{
    char *repaired = malloc(TEXT_BYTES_MAX);
    struct json_member member;

    assert(repaired != NULL);
    assert(input->source == SOURCE_UDP || (input->source == SOURCE_WEBSOCKET && input->role == ROLE_CAMERA) ||
           (input->source == SOURCE_HTTP_TAG && input->proof == PROOF_RIGHT));
    assert_fits_bus(MSG_sighting, sighting);
    assert(assert_json(sighting->json) == JSON_OBJECT);
    assert(count_members(sighting->json, "event") == 1);
    assert(count_members(sighting->json, "server_timestamp") == 1);
    assert(count_members(sighting->json, "auth_token") == 0);
    assert(json_find(sighting->json, "event", &member) == 0);
    assert(view_equals(member.value, view_text("\"apriltag_data\"")));
    if (input->source == SOURCE_UDP) {
        assert(count_members(sighting->json, "smartcam_ip") == 1);
        assert(json_find(sighting->json, "smartcam_ip", &member) == 0);
        assert(view_equals(member.value, view_text("\"" ADDRESS "\"")));
    }
    assert_same_members(payload_of(input, repaired, TEXT_BYTES_MAX), sighting->json, input->source);
    switch (assert_json(view_text(sighting->tag))) {
    case JSON_NULL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    case JSON_BOOL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        abort();
    }
    free(repaired);
}

static bool contains_token(struct view text)
{
    return text.length > 0 && memmem(text.bytes, text.length, TOKEN, strlen(TOKEN)) != NULL;
}

static void check_verdict(const struct input *input, const struct msg_verdict *verdict)
{
    bool is_http = input->source != SOURCE_WEBSOCKET && input->source != SOURCE_UDP;

    assert_fits_bus(MSG_verdict, verdict);
    if (verdict->reply.length > 0)
        assert(assert_json(verdict->reply) == JSON_OBJECT);
    assert((verdict->http_status >= 400) == is_http);
    assert(!is_http || verdict->reply.length > 0);
    assert(input->source != SOURCE_UDP || (verdict->reply.length == 0 && verdict->reject != REJECT_none));
    assert(input->source == SOURCE_WEBSOCKET || (verdict->change == CHANGE_KEEP && verdict->replay == REPLAY_NOTHING));
    assert(!contains_token(verdict->reply) || contains_token(input->content));
}

static void check_command(const struct input *input, const struct msg_command *command)
{
    assert(input->source == SOURCE_HTTP_INTERVAL);
    assert_fits_bus(MSG_command, command);
    assert(assert_json(command->event) == JSON_OBJECT);
    assert(assert_json(command->reply) == JSON_OBJECT);
}

static void check_photo(const struct input *input, const struct msg_photo *photo)
{
    assert(input->source == SOURCE_WEBSOCKET ? input->role == ROLE_CAMERA : input->proof == PROOF_RIGHT);
    assert_fits_bus(MSG_photo, photo);
    assert(view_equals(photo->jpeg, input->content));
}

static void check_text(struct judge *judge, const struct input *input)
{
    struct msg_device_text text = {
        .seq = 5,
        .source = input->source,
        .role = input->role,
        .arrived_utc_us = UINT64_C(1750000000123456),
        .address = ADDRESS,
        .fallback_name = "camera-" ADDRESS,
        .authorization = authorization_of(input->proof),
        .text = input->content,
    };
    struct judged judged;

    judge_text(judge, &text, 77, &judged);
    switch (judged.kind) {
    case JUDGED_VERDICT:
        check_verdict(input, &judged.verdict);
        break;
    case JUDGED_SIGHTING:
        check_sighting(input, &judged.sighting);
        break;
    case JUDGED_COMMAND:
        check_command(input, &judged.command);
        break;
    case JUDGED_PHOTO:
        abort();
    }
}

static void check_picture(struct judge *judge, const struct input *input)
{
    struct msg_device_photo photo = {
        .seq = 5,
        .source = input->source,
        .role = input->role,
        .arrived_utc_us = UINT64_C(1750000000123456),
        .camera = "camera-" ADDRESS,
        .authorization = authorization_of(input->proof),
        .jpeg = input->content,
    };
    struct judged judged;

    judge_photo(judge, &photo, 77, &judged);
    switch (judged.kind) {
    case JUDGED_VERDICT:
        check_verdict(input, &judged.verdict);
        break;
    case JUDGED_PHOTO:
        check_photo(input, &judged.photo);
        break;
    case JUDGED_SIGHTING:
    case JUDGED_COMMAND:
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judge; /* one for all inputs: nothing of an earlier one may remain */
    struct input input;

    if (size == 0 || size > TEXT_BYTES_MAX)
        return 0;
    if (judge == NULL && judge_new(&LIMITS, TOKEN, &judge) < 0)
        abort();
    input = read_input(data, size);
    check_text(judge, &input);
    if (input.source == SOURCE_WEBSOCKET || input.source == SOURCE_HTTP_PHOTO)
        check_picture(judge, &input);
    return 0;
}
