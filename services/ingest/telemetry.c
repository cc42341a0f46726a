/* telemetry - picks the few fields that concern the hub and passes all others through untouched.
 *
 * Games read fields that this program has never heard of, and numbers that no double can hold. So
 * a record is never parsed into values and printed again: the broadcast is put together from the
 * spans of the text that came in, and what is not the hub's business cannot change on the way.
 *
 * Invariants
 *   T1  a broadcast has exactly one `event` and one `server_timestamp`, both the hub's, and no
 *       `auth_token`, however their keys were spelled
 *   T2  of equal keys the last counts, here as in every game
 *   T3  one walk to read, one to write; the time is linear in the length of the text
 */
#include "telemetry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "json_scan.h"

/* Numbers longer than this are written anew where a short text is needed. */
#define NUMBER_BYTES_MAX 40

enum measure { MEASURE_NONE, MEASURE_TAG, MEASURE_ANGLE, MEASURE_LENGTH };

/* What becomes of the camera's own value. */
enum fate { FATE_KEPT, FATE_DROPPED, FATE_REPLACED_BY_ADDRESS };

static const struct field {
    const char *name;
    size_t name_length;
    enum fate fate;
    enum measure measure;
} FIELDS[TELEMETRY_FIELD_COUNT] = {
#define FIELD(text, fate, measure)                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1, FATE_##fate, MEASURE_##measure                                                         \
    }
    [TELEMETRY_EVENT] = FIELD("event", DROPPED, NONE),
    [TELEMETRY_SERVER_TIMESTAMP] = FIELD("server_timestamp", DROPPED, NONE),
    [TELEMETRY_AUTH_TOKEN] = FIELD("auth_token", DROPPED, NONE),
    [TELEMETRY_SMARTCAM_IP] = FIELD("smartcam_ip", REPLACED_BY_ADDRESS, NONE),
    [TELEMETRY_DATA] = FIELD("data", KEPT, NONE),
    [TELEMETRY_CAMERA_NAME] = FIELD("camera_name", KEPT, NONE),
    [TELEMETRY_TAG_ID] = FIELD("tag_id", KEPT, TAG),
    [TELEMETRY_YAW] = FIELD("yaw", KEPT, ANGLE),
    [TELEMETRY_PITCH] = FIELD("pitch", KEPT, ANGLE),
    [TELEMETRY_ROLL] = FIELD("roll", KEPT, ANGLE),
    [TELEMETRY_X_CM] = FIELD("x_cm", KEPT, LENGTH),
    [TELEMETRY_Y_CM] = FIELD("y_cm", KEPT, LENGTH),
    [TELEMETRY_Z_CM] = FIELD("z_cm", KEPT, LENGTH),
    [TELEMETRY_RANGE_CM] = FIELD("range_cm", KEPT, LENGTH),
    [TELEMETRY_DISTANCE_CM] = FIELD("distance_cm", KEPT, LENGTH),
#undef FIELD
};

/* Which field a member is; TELEMETRY_FIELD_COUNT when it is none of the hub's business. */
static enum telemetry_field field_of(const struct json_member *member)
{
    for (unsigned i = 0; i < TELEMETRY_FIELD_COUNT; i++) {
        /* Most keys differ in their length already; one with escapes has to be decoded to know. */
        if ((member->key_escaped || member->key.length == FIELDS[i].name_length) &&
            json_key_equals(member, FIELDS[i].name))
            return (enum telemetry_field)i;
    }
    return TELEMETRY_FIELD_COUNT;
}

void telemetry_read(struct view object, struct telemetry *ret)
{
    struct json_iterator it;
    struct json_member member;

    *ret = (struct telemetry){.object = object};
    json_iterator_init(&it, object);
    while (json_next_member(&it, &member)) {
        enum telemetry_field field = field_of(&member);

        if (field != TELEMETRY_FIELD_COUNT)
            ret->values[field] = member.value;
    }
}

/* The text of a number, or a short one of the same double. */
static void number_text(struct view number, double value, char ret[NUMBER_BYTES_MAX + 1])
{
    if (number.length > NUMBER_BYTES_MAX) {
        snprintf(ret, NUMBER_BYTES_MAX + 1, "%.17g", value);
        return;
    }
    memcpy(ret, number.bytes, number.length);
    ret[number.length] = '\0';
}

static double measure_max(enum measure measure, const struct telemetry_limits *limits)
{
    switch (measure) {
    case MEASURE_TAG:
        return (double)limits->tag_id_max;
    case MEASURE_ANGLE:
        return (double)limits->angle_max_deg;
    case MEASURE_LENGTH:
        return (double)limits->length_max_cm;
    case MEASURE_NONE:
        break;
    }
    return 0;
}

enum reject telemetry_check(const struct telemetry *record, const struct telemetry_limits *limits,
                            char ret_why[TELEMETRY_WHY_BYTES_MAX])
{
    for (size_t i = 0; i < TELEMETRY_FIELD_COUNT; i++) {
        struct view raw = record->values[i];
        char text[NUMBER_BYTES_MAX + 1];
        double value, min, max;

        if (FIELDS[i].measure == MEASURE_NONE || raw.length == 0 || json_type_of(raw) != JSON_NUMBER ||
            json_number_double(raw, &value) < 0)
            continue;
        max = measure_max(FIELDS[i].measure, limits);
        min = FIELDS[i].measure == MEASURE_TAG ? -1 : -max;
        if (value >= min && value <= max)
            continue;
        number_text(raw, value, text);
        snprintf(ret_why, TELEMETRY_WHY_BYTES_MAX, "%s: %s is out of range %.0f..%.0f", FIELDS[i].name, text, min, max);
        return REJECT_out_of_range;
    }
    return REJECT_none;
}

/* FNV-1a is enough: a tag is only compared with others of the same camera, so a collision that
 * somebody makes on purpose hurts nobody but himself. */
static void tag_from_hash(struct view raw, char ret_tag[TAG_BYTES_MAX + 1])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < raw.length; i++)
        hash = (hash ^ raw.bytes[i]) * UINT64_C(0x100000001b3);
    snprintf(ret_tag, TAG_BYTES_MAX + 1, "\"#%016" PRIx64 "\"", hash);
}

static bool tag_from_string(struct view raw, char ret_tag[TAG_BYTES_MAX + 1])
{
    const size_t room = TAG_BYTES_MAX - 2; /* between the quotes */
    char decoded[TAG_BYTES_MAX + 1];
    size_t decoded_length, length;

    if (json_decode_string(raw, decoded, sizeof(decoded), &decoded_length) < 0)
        return false;
    length = json_escape(ret_tag + 1, room, view_of(decoded, decoded_length));
    if (length > room)
        return false;
    ret_tag[0] = '"';
    ret_tag[1 + length] = '"';
    ret_tag[2 + length] = '\0';
    return true;
}

bool telemetry_tag(const struct telemetry *record, char ret_tag[TAG_BYTES_MAX + 1])
{
    struct view raw = record->values[TELEMETRY_TAG_ID];
    enum json_type type = raw.length == 0 ? JSON_NULL : json_type_of(raw);
    double value;

    if (type == JSON_NULL) {
        snprintf(ret_tag, TAG_BYTES_MAX + 1, "null");
        return true;
    }
    if (type == JSON_NUMBER && json_number_double(raw, &value) == 0) {
        number_text(raw, value, ret_tag);
        return true;
    }
    if (type == JSON_STRING && tag_from_string(raw, ret_tag))
        return true;
    tag_from_hash(raw, ret_tag);
    return false;
}

/* The broadcast while it grows. After an overflow only `length` goes on, and stays beyond room. */
struct output {
    char *dst;
    size_t room, length;
};

static void output_add(struct output *out, struct view piece)
{
    if (out->length <= out->room && piece.length <= out->room - out->length)
        memcpy(out->dst + out->length, piece.bytes, piece.length);
    out->length += piece.length;
}

static void output_add_text(struct output *out, const char *text)
{
    output_add(out, view_text(text));
}

static void output_add_members(struct output *out, struct view object, bool keeps_address)
{
    struct json_iterator it;
    struct json_member member;

    json_iterator_init(&it, object);
    while (json_next_member(&it, &member)) {
        enum telemetry_field field = field_of(&member);
        enum fate fate = field == TELEMETRY_FIELD_COUNT ? FATE_KEPT : FIELDS[field].fate;

        if (fate == FATE_DROPPED || (fate == FATE_REPLACED_BY_ADDRESS && !keeps_address))
            continue;
        output_add_text(out, ",");
        output_add(out, member.span);
    }
}

int telemetry_write(const struct telemetry *record, const char *smartcam_ip, uint64_t arrived_utc_us, char *dst,
                    size_t room, size_t *ret_length)
{
    struct output out = {.dst = dst, .room = room};
    char epoch[TELEMETRY_EPOCH_BYTES_MAX];
    char address[ADDRESS_BYTES_MAX * 6];

    telemetry_epoch(arrived_utc_us, epoch);
    output_add_text(&out, "{\"event\":\"apriltag_data\"");
    output_add_members(&out, record->object, smartcam_ip == NULL);
    if (smartcam_ip != NULL) {
        size_t length = json_escape(address, sizeof(address), view_text(smartcam_ip));

        if (length > sizeof(address))
            return -E2BIG;
        output_add_text(&out, ",\"smartcam_ip\":\"");
        output_add(&out, view_of(address, length));
        output_add_text(&out, "\"");
    }
    output_add_text(&out, ",\"server_timestamp\":");
    output_add_text(&out, epoch);
    output_add_text(&out, "}");
    if (out.length > out.room)
        return -E2BIG;
    *ret_length = out.length;
    return 0;
}

/* By hand: every sighting has one, and printf took a tenth of all that is executed for it. */
void telemetry_epoch(uint64_t utc_us, char ret_text[TELEMETRY_EPOCH_BYTES_MAX])
{
    char text[TELEMETRY_EPOCH_BYTES_MAX], *const end = text + sizeof text, *at = end;
    unsigned digits = 0;

    *--at = '\0';
    do {
        if (digits == 6)
            *--at = '.';
        *--at = (char)('0' + utc_us % 10);
        utc_us /= 10;
    } while (++digits <= 6 || utc_us > 0);
    memcpy(ret_text, at, (size_t)(end - at));
}
