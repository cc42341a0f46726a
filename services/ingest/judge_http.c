/* judge_http - the JSON bodies of POST requests.
 *
 * Strict: quotes are repaired for games on a WebSocket only. The order of the checks is part of
 * the contract, and so are most of the sentences.
 */
#include "hearing.h"

#define INTERVAL_MIN_MS     100
#define INTERVAL_MAX_MS     10000
#define INTERVAL_DEFAULT_MS 1000

/* Whether the body is announced as JSON. If not, it is refused unread. */
static bool is_announced_as_json(const struct hearing *h)
{
    if (h->text->typed)
        return true;
    hearing_refuse_with_status(h, REJECT_bad_type, 415, "Content-Type must be application/json");
    return false;
}

/* ---- POST /apriltag ---- */

/* `[]` and `{}`, with white space anywhere: nothing else that is a container has but two bytes. */
static bool is_empty_container(struct view container)
{
    size_t count = 0;

    for (size_t i = 0; i < container.length && count <= 2; i++)
        count += strchr(" \t\r\n", container.bytes[i]) == NULL;
    return count == 2;
}

void judge_http_tag(const struct hearing *h)
{
    struct view body = h->text->text;
    struct telemetry record;
    struct json_error error;
    enum json_type type;

    if (!hearing_passes_authorization(h, h->text->authorization) || !is_announced_as_json(h))
        return;
    if (json_check(body, h->judge->limits.depth_max_count, &type, &error) < 0) {
        hearing_refuse(h, hearing_reject_of(error.reason), error.reason == JSON_EMPTY ? "No JSON body" : error.text);
        return;
    }
    if (type == JSON_NULL || ((type == JSON_ARRAY || type == JSON_OBJECT) && is_empty_container(body))) {
        hearing_refuse(h, REJECT_not_object, "No JSON body");
        return;
    }
    if (type != JSON_OBJECT) {
        hearing_refuse(h, REJECT_not_object, "the body must be a JSON object");
        return;
    }
    telemetry_read(body, &record);
    hearing_accept_telemetry(h, &record, NULL);
}

/* ---- POST /set_video_interval ---- */

/* Returns REJECT_none when there is an interval that cameras can keep. */
static enum reject read_interval(struct view object, double *ret_ms)
{
    struct view raw = member_value(object, "interval_ms");
    double ms = INTERVAL_DEFAULT_MS;

    if (raw.length > 0 && (json_type_of(raw) != JSON_NUMBER || json_number_double(raw, &ms) < 0))
        return REJECT_bad_type;
    if (ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS)
        return REJECT_out_of_range;
    *ret_ms = ms;
    return REJECT_none;
}

void judge_http_interval(const struct hearing *h)
{
    struct view body = h->text->text, camera;
    struct msg_command *command = &h->ret->command;
    char name[NAME_BYTES_MAX + 1] = "";
    struct json_error error;
    enum json_type type;
    double interval_ms;
    enum reject why;

    if (!is_announced_as_json(h))
        return;
    if (json_check(body, h->judge->limits.depth_max_count, &type, &error) < 0) {
        hearing_refuse(h, hearing_reject_of(error.reason), error.text);
        return;
    }
    if (type != JSON_OBJECT) {
        hearing_refuse(h, REJECT_not_object, "the body must be a JSON object");
        return;
    }
    why = read_interval(body, &interval_ms);
    if (why != REJECT_none) {
        hearing_refuse(h, why, "Interval must be 100-10000ms");
        return;
    }
    camera = member_value(body, "camera");
    if (camera.length > 0 && json_type_of(camera) != JSON_STRING) {
        hearing_refuse(h, REJECT_bad_type, "camera: must be a string");
        return;
    }
    /* No camera can have this name. It must not turn into the empty name, which means all. */
    if (camera.length > 0 && !member_name(camera, name)) {
        hearing_refuse_with_status(h, REJECT_none, 503, "ESP32 not connected");
        return;
    }

    h->ret->kind = JUDGED_COMMAND;
    *command = (struct msg_command){
        .origin = h->origin,
        .seq = h->text->seq,
        .event = reply_interval_event(interval_ms, h->judge->event),
        .reply = reply_interval_set(interval_ms, h->judge->reply),
    };
    memcpy(command->camera, name, sizeof(command->camera));
}
