/* hearing - one message before the judge: what every door needs. Private to the judge_*.c files. */
#ifndef TAGHUB_HEARING_H
#define TAGHUB_HEARING_H

#include "json_scan.h"
#include "judge.h"
#include "reply.h"
#include "run/token.h"

struct judge {
    struct judge_limits limits;
    char token[TOKEN_MAX + 1];
    char repaired[TEXT_BYTES_MAX];
    char json[TEXT_BYTES_MAX + TELEMETRY_EXTRA_BYTES_MAX];
    char reply[REPLY_BYTES_MAX];
    char event[REPLY_BYTES_MAX];
};

/**
 * One message before the judge. `ret` starts as an empty verdict: nothing is said and nothing
 * changes.
 */
struct hearing {
    struct judge *judge;
    enum source source;
    uint64_t origin;
    const struct msg_device_text *text; /* NULL for pictures */
    struct judged *ret;
};

/* ---- the doors; each fills h->ret ---- */

void judge_websocket(const struct hearing *h);     /* judge_websocket.c */
void judge_http_tag(const struct hearing *h);      /* judge_http.c */
void judge_http_interval(const struct hearing *h); /* judge_http.c */
void judge_datagram(const struct hearing *h);      /* judge_udp.c */

/* ---- refusals ---- */

/**
 * Refuse in the form and with the HTTP status that belong to the door.
 *
 * sentence  why, for the sender; not said where a door does not answer
 */
void hearing_refuse(const struct hearing *h, enum reject why, const char *sentence);

/** The same with another HTTP status. */
void hearing_refuse_with_status(const struct hearing *h, enum reject why, uint64_t http_status, const char *sentence);

/**
 * Refuse a WebSocket that did not prove to be a camera.
 *
 * why  REJECT_auth_missing or REJECT_auth_invalid
 */
void hearing_refuse_auth(const struct hearing *h, enum reject why);

/** What counts for a text that json_check() did not accept. */
enum reject hearing_reject_of(enum json_reason reason);

/* ---- proof ---- */

/**
 * Compare a member with the token.
 *
 * raw      value of auth_token as it stands in the text, empty when absent
 * returns  REJECT_none, REJECT_auth_missing (absent, null, "") or REJECT_auth_invalid
 */
enum reject hearing_check_token(const struct hearing *h, struct view raw);

/** Whether a request brings the bare token. If not, it is refused with 401. */
bool hearing_passes_authorization(const struct hearing *h, struct view authorization);

/* ---- members of a checked object ---- */

/** The value of a member, empty when there is none. */
struct view member_value(struct view object, const char *key);

/** Whether a value is there and is an object. */
bool member_is_object(struct view value);

/**
 * Read a name that a camera can have: a string of 1 to NAME_BYTES_MAX bytes without a NUL. Anything
 * else, also a string for which there is no UTF-8, counts as absent.
 *
 * raw      value as it stands in the text, may be empty
 * ret      NUL-terminated; empty when absent
 * returns  whether there is a name
 */
bool member_name(struct view raw, char ret[NAME_BYTES_MAX + 1]);

/* ---- what is behind every door ---- */

/**
 * Make a sighting of a record whose sender was proven, or refuse its values.
 *
 * smartcam_ip  replaces the camera's own, or NULL
 */
void hearing_accept_telemetry(const struct hearing *h, const struct telemetry *record, const char *smartcam_ip);

#endif
