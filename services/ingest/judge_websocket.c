/* judge_websocket - text messages of cameras and games.
 *
 * What a message means depends on the role of the connection, which the gateway keeps and sends
 * along. Two tables say it all: STEPS, who may do what, and MAKES_GAME, which first message makes
 * a game of a connection without a role.
 */
#include "hearing.h"

#include "json_repair.h"

enum event {
    EVENT_IDENTIFY,
    EVENT_TELEMETRY,
    EVENT_VIDEO_NOTICE,
    EVENT_PING,
    EVENT_LATEST,
    EVENT_OTHER, /* unknown or absent */
    EVENT_COUNT
};

static const char *const EVENT_NAMES[EVENT_OTHER] = {
    [EVENT_IDENTIFY] = "identify", [EVENT_TELEMETRY] = "apriltag_data",    [EVENT_VIDEO_NOTICE] = "video_frame",
    [EVENT_PING] = "ping",         [EVENT_LATEST] = "request_latest_data",
};

static void identify_camera(const struct hearing *h, struct view claim)
{
    struct msg_verdict *verdict = &h->ret->verdict;
    enum reject why = hearing_check_token(h, member_value(claim, "auth_token"));

    if (why != REJECT_none) {
        verdict->change = CHANGE_NONE;
        hearing_refuse_auth(h, why);
        return;
    }
    verdict->change = CHANGE_CAMERA;
    verdict->reply = view_text(REPLY_IDENTIFIED_CAMERA);
    member_name(member_value(claim, "camera_name"), verdict->camera);
    member_name(member_value(claim, "device"), verdict->device);
}

static void identify(const struct hearing *h, struct view object)
{
    struct msg_verdict *verdict = &h->ret->verdict;
    struct view claim = member_value(object, "data");
    struct json_member type;

    if (claim.length > 0 && !member_is_object(claim)) {
        hearing_refuse(h, REJECT_bad_type, "data: identify needs an object");
        return;
    }
    if (claim.length > 0 && json_find(claim, "type", &type) == 0 && type.type == JSON_STRING &&
        json_inside_equals(view_of(type.value.bytes + 1, type.value.length - 2), "esp32")) {
        identify_camera(h, claim);
        return;
    }
    verdict->change = CHANGE_GAME;
    verdict->replay = REPLAY_ALL;
    verdict->reply = view_text(REPLY_IDENTIFIED_GAME);
}

static void take_telemetry(const struct hearing *h, struct view object)
{
    struct telemetry record;

    telemetry_read(object, &record);
    if (member_is_object(record.values[TELEMETRY_DATA]))
        telemetry_read(record.values[TELEMETRY_DATA], &record);
    hearing_accept_telemetry(h, &record, NULL);
}

static void refuse_telemetry(const struct hearing *h, struct view object)
{
    (void)object; /* who is not a camera is not listened to */
    hearing_refuse_auth(h, REJECT_auth_missing);
}

static void answer_ping(const struct hearing *h, struct view object)
{
    (void)object;
    h->ret->verdict.reply = reply_pong(h->text->arrived_utc_us, h->judge->reply);
}

/* A camera_name that no camera can have counts as absent here too: the question is about all. */
static void replay_latest(const struct hearing *h, struct view object)
{
    struct msg_verdict *verdict = &h->ret->verdict;
    struct view wish = member_value(object, "data");

    verdict->replay = REPLAY_ALL_OR_SAY;
    if (member_is_object(wish) && member_name(member_value(wish, "camera_name"), verdict->camera))
        verdict->replay = REPLAY_ONE_OR_SAY;
    verdict->reply = view_text(REPLY_NO_DATA);
}

static void ignore(const struct hearing *h, struct view object)
{
    (void)h;
    (void)object;
}

typedef void websocket_step(const struct hearing *h, struct view object);

/* Who may do what. Telemetry goes to no camera, stored telemetry neither: a camera that asks for
 * the latest is ignored, as with every event that is not meant for it. */
static websocket_step *const STEPS[ROLE_COUNT][EVENT_COUNT] = {
    [ROLE_NONE] = {[EVENT_IDENTIFY] = identify,
                   [EVENT_TELEMETRY] = refuse_telemetry,
                   [EVENT_VIDEO_NOTICE] = ignore,
                   [EVENT_PING] = answer_ping,
                   [EVENT_LATEST] = replay_latest,
                   [EVENT_OTHER] = ignore},
    [ROLE_CAMERA] = {[EVENT_IDENTIFY] = identify,
                     [EVENT_TELEMETRY] = take_telemetry,
                     [EVENT_VIDEO_NOTICE] = ignore,
                     [EVENT_PING] = answer_ping,
                     [EVENT_LATEST] = ignore,
                     [EVENT_OTHER] = ignore},
    [ROLE_GAME] = {[EVENT_IDENTIFY] = identify,
                   [EVENT_TELEMETRY] = refuse_telemetry,
                   [EVENT_VIDEO_NOTICE] = ignore,
                   [EVENT_PING] = answer_ping,
                   [EVENT_LATEST] = replay_latest,
                   [EVENT_OTHER] = ignore},
};

/* What only a game would send first makes a game of a connection without a role. */
static const bool MAKES_GAME[EVENT_COUNT] = {[EVENT_PING] = true, [EVENT_LATEST] = true, [EVENT_OTHER] = true};

/* Returns whether there is an object; if not, the message is refused. */
static bool read_websocket_object(const struct hearing *h, struct view *ret_object)
{
    struct judge *judge = h->judge;
    struct view text = h->text->text;
    struct json_error error;
    enum json_type type;
    size_t length;
    int r;

    r = json_check(text, judge->limits.depth_max_count, &type, &error);
    if (r < 0) {
        r = json_repair_quotes(text, judge->repaired, sizeof(judge->repaired), &length);
        if (r == 0) {
            text = view_of(judge->repaired, length);
            r = json_check(text, judge->limits.depth_max_count, &type, &error);
        }
    }
    if (r < 0) {
        hearing_refuse(h, hearing_reject_of(error.reason), error.text);
        return false;
    }
    if (type != JSON_OBJECT) {
        hearing_refuse(h, REJECT_not_object, "a message is a JSON object");
        return false;
    }
    *ret_object = text;
    return true;
}

/* Returns whether the event has a type that it may have; if not, the message is refused. */
static bool read_event(const struct hearing *h, struct view object, enum event *ret_event)
{
    struct json_member member;
    unsigned event = EVENT_OTHER;

    if (json_find(object, "event", &member) == 0) {
        if (member.type != JSON_STRING) {
            hearing_refuse(h, REJECT_bad_type, "event: must be a string");
            return false;
        }
        for (event = 0; event < EVENT_OTHER; event++) {
            if (json_inside_equals(view_of(member.value.bytes + 1, member.value.length - 2), EVENT_NAMES[event]))
                break;
        }
    }
    *ret_event = (enum event)event;
    return true;
}

void judge_websocket(const struct hearing *h)
{
    struct view object;
    enum event event;

    if (!read_websocket_object(h, &object) || !read_event(h, object, &event))
        return;
    if (h->text->role == ROLE_NONE && MAKES_GAME[event])
        h->ret->verdict.change = CHANGE_GAME;
    STEPS[h->text->role][event](h, object);
}
