/* hearing - what all doors share: how to refuse, how to prove, how a sighting is made.
 *
 * Invariants
 *   J1  a sighting is made in one function only, after the proof that its door asks for
 *   J2  all or nothing: a message that is refused leaves no trace but its verdict
 *   J3  secrets are compared as decoded bytes, in constant time, by token_equals() alone
 */
#include "hearing.h"

/* ---- refusals ---- */

/* What a refusal looks like at each door. Datagrams are not answered, see judge_udp.c. */
static const struct door {
    bool answers;
    enum reply_form form;
    uint64_t http_status;
} DOORS[SOURCE_COUNT] = {
    [SOURCE_WEBSOCKET] = {true, REPLY_FORM_EVENT, 0},     [SOURCE_HTTP_TAG] = {true, REPLY_FORM_ERROR, 400},
    [SOURCE_HTTP_PHOTO] = {true, REPLY_FORM_STATUS, 400}, [SOURCE_HTTP_INTERVAL] = {true, REPLY_FORM_STATUS, 400},
    [SOURCE_UDP] = {false, REPLY_FORM_EVENT, 0},
};

void hearing_refuse_with_status(const struct hearing *h, enum reject why, uint64_t http_status, const char *sentence)
{
    const struct door *door = &DOORS[h->source];

    h->ret->verdict.reject = why;
    h->ret->verdict.http_status = http_status;
    if (door->answers)
        h->ret->verdict.reply = reply_refusal(door->form, sentence, h->judge->reply);
}

void hearing_refuse(const struct hearing *h, enum reject why, const char *sentence)
{
    hearing_refuse_with_status(h, why, DOORS[h->source].http_status, sentence);
}

void hearing_refuse_auth(const struct hearing *h, enum reject why)
{
    h->ret->verdict.reject = why;
    h->ret->verdict.reply = view_text(why == REJECT_auth_missing ? REPLY_AUTH_MISSING : REPLY_AUTH_INVALID);
}

enum reject hearing_reject_of(enum json_reason reason)
{
    static const enum reject REJECTS[] = {
        [JSON_EMPTY] = REJECT_empty,           [JSON_ENDED] = REJECT_not_json,
        [JSON_UNEXPECTED] = REJECT_not_json,   [JSON_NUMBER_FORM] = REJECT_not_json,
        [JSON_NOT_FINITE] = REJECT_not_finite, [JSON_CONTROL] = REJECT_not_json,
        [JSON_ESCAPE] = REJECT_not_json,       [JSON_UTF8] = REJECT_not_utf8,
        [JSON_DEPTH] = REJECT_too_deep,        [JSON_TRAILING] = REJECT_not_json,
    };

    return REJECTS[reason];
}

/* ---- proof ---- */

enum reject hearing_check_token(const struct hearing *h, struct view raw)
{
    char given[TOKEN_MAX + 2]; /* what does not fit is longer than any token */
    size_t length;
    enum reject why = REJECT_auth_invalid;

    if (raw.length == 0 || json_type_of(raw) == JSON_NULL)
        return REJECT_auth_missing;
    if (json_decode_string(raw, given, sizeof(given), &length) < 0)
        return REJECT_auth_invalid;
    if (length == 0)
        why = REJECT_auth_missing;
    else if (token_equals(view_of(given, length), h->judge->token))
        why = REJECT_none;
    explicit_bzero(given, sizeof(given));
    return why;
}

bool hearing_passes_authorization(const struct hearing *h, struct view authorization)
{
    if (authorization.length > 0 && token_equals(authorization, h->judge->token))
        return true;
    hearing_refuse_with_status(h, authorization.length == 0 ? REJECT_auth_missing : REJECT_auth_invalid, 401,
                               "Invalid auth_token");
    return false;
}

/* ---- members ---- */

struct view member_value(struct view object, const char *key)
{
    struct json_member member;

    return json_find(object, key, &member) == 0 ? member.value : view_of(NULL, 0);
}

bool member_name(struct view raw, char ret[NAME_BYTES_MAX + 1])
{
    size_t length;

    if (raw.length > 0 && json_decode_string(raw, ret, NAME_BYTES_MAX + 1, &length) == 0 && length > 0 &&
        memchr(ret, '\0', length) == NULL)
        return true;
    ret[0] = '\0';
    return false;
}

bool member_is_object(struct view value)
{
    return value.length > 0 && json_type_of(value) == JSON_OBJECT;
}

/* ---- telemetry ---- */

void hearing_accept_telemetry(const struct hearing *h, const struct telemetry *record, const char *smartcam_ip)
{
    const struct msg_device_text *text = h->text;
    struct msg_sighting *sighting = &h->ret->sighting;
    char sentence[TELEMETRY_WHY_BYTES_MAX];
    size_t length;
    enum reject why;

    why = telemetry_check(record, &h->judge->limits.telemetry, sentence);
    if (why != REJECT_none) {
        hearing_refuse(h, why, sentence);
        return;
    }
    if (telemetry_write(record, smartcam_ip, text->arrived_utc_us, h->judge->json, sizeof(h->judge->json), &length) <
        0) {
        hearing_refuse(h, REJECT_too_large, "the record is too long");
        return;
    }

    h->ret->kind = JUDGED_SIGHTING;
    *sighting = (struct msg_sighting){
        .origin = h->origin,
        .seq = text->seq,
        .arrived_utc_us = text->arrived_utc_us,
        .json = view_of(h->judge->json, length),
    };
    sighting->named = member_name(record->values[TELEMETRY_CAMERA_NAME], sighting->camera);
    if (!sighting->named)
        memcpy(sighting->camera, text->fallback_name, sizeof(sighting->camera));
    (void)telemetry_tag(record, sighting->tag); /* a stand-in is good enough to compare tags */
}
