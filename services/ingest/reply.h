/* reply - the small JSON texts that ingest answers with, in the words of the wire contract.
 *
 * Texts that are always the same are constants. The others are written into the caller's buffer; a
 * reply that does not fit REPLY_BYTES_MAX does not exist.
 */
#ifndef TAGHUB_REPLY_H
#define TAGHUB_REPLY_H

#include <stdint.h>

#include "view.h"

/* Room that is enough for every reply; also what a command message may carry. */
#define REPLY_BYTES_MAX 1024

/* The longest sentence for reply_refusal(), NUL excluded. */
#define REPLY_SENTENCE_BYTES_MAX 160

#define REPLY_IDENTIFIED_CAMERA "{\"event\":\"identify_success\",\"client_type\":\"esp32\"}"
#define REPLY_IDENTIFIED_GAME   "{\"event\":\"identify_success\",\"client_type\":\"gdevelop\"}"
#define REPLY_NO_DATA           "{\"event\":\"no_data_available\"}"

#define REPLY_AUTH_MISSING                                                                                             \
    "{\"event\":\"auth_failed\",\"error\":\"Missing auth_token\","                                                     \
    "\"message\":\"Authentication required - check your auth_token\"}"
#define REPLY_AUTH_INVALID                                                                                             \
    "{\"event\":\"auth_failed\",\"error\":\"Invalid auth_token\","                                                     \
    "\"message\":\"Authentication required - check your auth_token\"}"

/** How a refusal is dressed; which one depends on the door. */
enum reply_form {
    REPLY_FORM_EVENT,  /* {"event":"error","error":...}     WebSocket */
    REPLY_FORM_ERROR,  /* {"error":...}                     POST /apriltag */
    REPLY_FORM_STATUS, /* {"status":"error","message":...}  the other endpoints */
    REPLY_FORM_COUNT
};

/**
 * A refusal with its reason.
 *
 * sentence  UTF-8, at most REPLY_SENTENCE_BYTES_MAX bytes; borrowed
 * dst       the reply is written here
 * returns   the reply, a view into dst
 */
struct view reply_refusal(enum reply_form form, const char *sentence, char dst[REPLY_BYTES_MAX]);

/** The answer to a ping. utc_us: the hub's microseconds since 1970. Returns a view into dst. */
struct view reply_pong(uint64_t utc_us, char dst[REPLY_BYTES_MAX]);

/** What cameras are told when the interval of their pictures changes. interval_ms: 100..10000. */
struct view reply_interval_event(double interval_ms, char dst[REPLY_BYTES_MAX]);

/** What the one who changed it is told; fps is rounded to 2 decimals. interval_ms: 100..10000. */
struct view reply_interval_set(double interval_ms, char dst[REPLY_BYTES_MAX]);

#endif
