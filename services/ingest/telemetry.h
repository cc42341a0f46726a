/* telemetry - one record as it came, and the broadcast that games get.
 *
 *     telemetry_read(object, &record);
 *     why = telemetry_check(&record, &limits, text);
 *     if (why == REJECT_none)
 *         telemetry_write(&record, NULL, arrived_utc_us, json, sizeof(json), &json_length);
 *
 * Texts that come in here were accepted by json_check(). Nothing is allocated.
 */
#ifndef TAGHUB_TELEMETRY_H
#define TAGHUB_TELEMETRY_H

#include <stdbool.h>

#include "schema.h"
#include "view.h"

/* Most bytes that telemetry_write() puts around the members of a record. */
#define TELEMETRY_EXTRA_BYTES_MAX 512

/* Room for the sentence of telemetry_check(), NUL included. */
#define TELEMETRY_WHY_BYTES_MAX 128

/* Room for telemetry_epoch(), NUL included. */
#define TELEMETRY_EPOCH_BYTES_MAX 32

/** Members of the top level that the hub looks at. Every other member only passes through. */
enum telemetry_field {
    TELEMETRY_EVENT,
    TELEMETRY_SERVER_TIMESTAMP,
    TELEMETRY_AUTH_TOKEN,
    TELEMETRY_SMARTCAM_IP,
    TELEMETRY_DATA,
    TELEMETRY_CAMERA_NAME,
    TELEMETRY_TAG_ID,
    TELEMETRY_YAW,
    TELEMETRY_PITCH,
    TELEMETRY_ROLL,
    TELEMETRY_X_CM,
    TELEMETRY_Y_CM,
    TELEMETRY_Z_CM,
    TELEMETRY_RANGE_CM,
    TELEMETRY_DISTANCE_CM,
    TELEMETRY_FIELD_COUNT
};

/** The largest values that are believed. Numbers beyond them were measured by no camera. */
struct telemetry_limits {
    uint64_t tag_id_max;    /* tag_id is -1 (older firmware: no tag) to this */
    uint64_t angle_max_deg; /* yaw, pitch and roll, either sign */
    uint64_t length_max_cm; /* every field that ends in _cm, either sign */
};

/** A record. The views point into the text it was read from. */
struct telemetry {
    struct view object;
    struct view values[TELEMETRY_FIELD_COUNT]; /* raw text; of equal keys the last; empty when absent */
};

/**
 * Look at every member of an object once.
 *
 * object  text of a JSON object; borrowed for as long as ret is used. `data` is a field like
 *         others: where it may be the payload, the caller reads it in turn.
 */
void telemetry_read(struct view object, struct telemetry *ret);

/**
 * Whether the measured values can be true. Fields that are absent or no numbers always can.
 *
 * ret_why  a sentence that names field and range, printable ASCII; written when refused
 * returns  REJECT_none or REJECT_out_of_range
 */
enum reject telemetry_check(const struct telemetry *record, const struct telemetry_limits *limits,
                            char ret_why[TELEMETRY_WHY_BYTES_MAX]);

/**
 * tag_id as a short JSON text: null, a number, or a string.
 *
 * A value that is too long, or of another type, is replaced by a string made from its hash: it
 * still tells one tag from another, but says nothing else. Strings are written with as few escapes
 * as possible, so that equal strings give equal texts.
 *
 * ret_tag  NUL-terminated, 1..TAG_BYTES_MAX bytes
 * returns  true when ret_tag is the value itself, false when it is a replacement
 */
bool telemetry_tag(const struct telemetry *record, char ret_tag[TAG_BYTES_MAX + 1]);

/**
 * Write the broadcast: the event, every member of the record that the hub does not set itself,
 * byte for byte and in its order, then the arrival time. The result is one flat JSON object.
 *
 * smartcam_ip     address that replaces the camera's own idea of it, at most ADDRESS_BYTES_MAX
 *                 bytes; NULL keeps what was sent
 * arrived_utc_us  becomes server_timestamp, in seconds with 6 decimals
 * room            of dst in bytes; the length of the record plus TELEMETRY_EXTRA_BYTES_MAX is
 *                 always enough
 * returns         0
 * errors          -E2BIG  does not fit; the contents of dst are undefined
 */
int telemetry_write(const struct telemetry *record, const char *smartcam_ip, uint64_t arrived_utc_us, char *dst,
                    size_t room, size_t *ret_length);

/** Microseconds since 1970 as a JSON number of seconds with 6 decimals, NUL-terminated. */
void telemetry_epoch(uint64_t utc_us, char ret_text[TELEMETRY_EPOCH_BYTES_MAX]);

#endif
