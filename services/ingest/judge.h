/* judge - decides about everything that comes from outside.
 *
 * A text or picture goes in with all that is known about its sender; out comes what becomes of it:
 * a verdict that tells the gateway what to answer, a sighting or a picture for the games, or a
 * command for cameras. Pure: no socket, no file, no clock, no log, and no memory of earlier
 * messages.
 */
#ifndef TAGHUB_JUDGE_H
#define TAGHUB_JUDGE_H

#include <stdbool.h>

#include "schema.h"
#include "telemetry.h"

/** What is still believed and what is too much; taken from the configuration. */
struct judge_limits {
    unsigned depth_max_count; /* containers inside each other, 1..JSON_DEPTH_MAX */
    bool udp_require_token;   /* a datagram without auth_token is refused */
    struct telemetry_limits telemetry;
};

enum judged_kind { JUDGED_VERDICT, JUDGED_SIGHTING, JUDGED_COMMAND, JUDGED_PHOTO };

/** What becomes of a message; `kind` tells which one is set. */
struct judged {
    enum judged_kind kind;
    union {
        struct msg_verdict verdict;
        struct msg_sighting sighting;
        struct msg_command command;
        struct msg_photo photo;
    };
};

/** A judge with its scratch memory, some 256 KiB. Later only cJSON allocates, for short. */
struct judge;

/**
 * limits   copied
 * token    what cameras must know, as judge_set_token()
 * returns  0
 * errors   -ENOMEM, and those of judge_set_token()
 */
int judge_new(const struct judge_limits *limits, const char *token, struct judge **ret_judge);

/** Wipes the token. NULL is fine. */
void judge_free(struct judge *judge);

/**
 * Another token, for everything that is judged from now on.
 *
 * token    copied
 * returns  0
 * errors   -EINVAL  empty, or longer than TOKEN_MAX; the old token stays
 */
int judge_set_token(struct judge *judge, const char *token);

/**
 * Judge a text: a WebSocket message, the body of a POST, or a datagram.
 *
 * text     borrowed
 * origin   incarnation of the gateway worker that sent it
 * ret      a verdict, a sighting or a command. Its views point into the judge: they die with the
 *          next call.
 */
void judge_text(struct judge *judge, const struct msg_device_text *text, uint64_t origin, struct judged *ret);

/**
 * Judge a picture: a binary WebSocket message or the body of the video POST.
 *
 * ret      a verdict, whose reply dies with the next call, or a photo, whose jpeg is the one that
 *          came in
 */
void judge_photo(struct judge *judge, const struct msg_device_photo *photo, uint64_t origin, struct judged *ret);

#endif
