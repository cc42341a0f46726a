/* judge_udp - datagrams.
 *
 * The address of a datagram proves nothing, so what is wrong with one is never said, only counted:
 * an answer could be made to hit somebody else. The sentences below are for readers.
 */
#include "hearing.h"

/* The longest string that may come back in an acknowledgement. */
#define TAG_ECHO_BYTES_MAX 64

/* Whether tag_id can go back in the acknowledgement as it came. */
static bool is_echoable(const struct telemetry *record)
{
    struct view raw = record->values[TELEMETRY_TAG_ID];
    char tag[TAG_BYTES_MAX + 1], decoded[TAG_ECHO_BYTES_MAX + 1];
    size_t length;

    if (!telemetry_tag(record, tag))
        return false;
    return raw.length == 0 || json_type_of(raw) != JSON_STRING ||
           json_decode_string(raw, decoded, sizeof(decoded), &length) == 0;
}

void judge_datagram(const struct hearing *h)
{
    const struct msg_device_text *text = h->text;
    enum reject why = REJECT_none;
    struct telemetry record;
    struct json_error error;
    enum json_type type;

    if (json_check(text->text, h->judge->limits.depth_max_count, &type, &error) < 0) {
        hearing_refuse(h, hearing_reject_of(error.reason), error.text);
        return;
    }
    if (type != JSON_OBJECT) {
        hearing_refuse(h, REJECT_not_object, "a datagram is a JSON object");
        return;
    }
    telemetry_read(text->text, &record);
    if (record.values[TELEMETRY_AUTH_TOKEN].length > 0 || h->judge->limits.udp_require_token)
        why = hearing_check_token(h, record.values[TELEMETRY_AUTH_TOKEN]);
    if (why != REJECT_none) {
        hearing_refuse(h, why, "auth_token: wrong or missing");
        return;
    }
    if (!is_echoable(&record)) {
        hearing_refuse(h, REJECT_bad_type, "tag_id: must be null, a number or a short string");
        return;
    }
    hearing_accept_telemetry(h, &record, text->address);
}
