/* schema - what messages.def becomes: an enum, a struct per message, and descriptors for the codec.
 *
 * A decoded message is a plain struct. Its strings are inline and NUL-terminated; its blobs are views into the
 * frame and die when the handler returns. Past the codec a message is valid: nobody checks ranges again. */
#ifndef TAGHUB_SCHEMA_H
#define TAGHUB_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

#define BUS_VERSION 1u

/* Limits that shape messages. The settings of the same kind can only be lower. */
#define NAME_BYTES_MAX    128
#define ADDRESS_BYTES_MAX 64
#define TAG_BYTES_MAX     160
#define TEXT_BYTES_MAX    131072 /* twice the largest text setting: the quote repair may lengthen it */
#define PHOTO_BYTES_MAX   16777216
#define ANSWER_BYTES_MAX  8388608
#define SLOT_MAX          64 /* workers of one service; sets of slots are 64-bit masks */

/** Kinds of processes on the bus, as bits, so that a row can name several. */
enum peer_kind {
    PEER_GATEWAY = 1,
    PEER_INGEST = 2,
    PEER_FANOUT = 4,
    PEER_METRICS = 8,
    PEER_HISTORY = 16,
    PEER_CTL = 32,
    PEER_ALL = 63,
};

enum lane { LANE_SIGHTINGS, LANE_PHOTOS, LANE_COUNT };

/** By which door a text or picture came. */
enum source {
    SOURCE_WEBSOCKET,
    SOURCE_HTTP_TAG,      /* POST /apriltag */
    SOURCE_HTTP_PHOTO,    /* the video POST */
    SOURCE_HTTP_INTERVAL, /* POST /set_video_interval */
    SOURCE_UDP,
    SOURCE_COUNT
};

enum role { ROLE_NONE, ROLE_CAMERA, ROLE_GAME, ROLE_COUNT };

/** What a verdict does to the session's role. */
enum role_change {
    CHANGE_KEEP,
    CHANGE_NONE,   /* a refused identify takes any role away */
    CHANGE_CAMERA, /* an accepted identify; camera and device of the verdict are the new names */
    CHANGE_GAME,   /* an identify, or a first message that makes a game of the connection */
    CHANGE_COUNT
};

/** Which kept sightings follow the reply. */
enum replay {
    REPLAY_NOTHING,
    REPLAY_ALL,        /* every camera's newest; none is no answer at all */
    REPLAY_ALL_OR_SAY, /* the same; none is answered with the verdict's reply */
    REPLAY_ONE_OR_SAY, /* the one named camera's newest, or the verdict's reply */
    REPLAY_COUNT
};

/** What an HTTP client asks of a service; one per route that a service answers. */
enum question {
    QUESTION_POLL,               /* fanout: the oldest record of the polling queue, which is taken out */
    QUESTION_VIDEO_FPS,          /* metrics */
    QUESTION_VIDEO_STATS,        /* metrics */
    QUESTION_CAMERAS,            /* metrics: the statistics of every camera */
    QUESTION_PROMETHEUS,         /* metrics: everything that is counted, in the text format of Prometheus */
    QUESTION_CONNECTION_UPTIME,  /* history */
    QUESTION_CONNECTION_HISTORY, /* history */
    QUESTION_COUNT
};

/** Why a camera's session ended; none while it is open. */
enum session_end {
#define SESSION_END(name, meaning) SESSION_END_##name,
#include "session_end.def"
    SESSION_END_COUNT
};

/** The row's name, for the database and for people; never NULL. */
const char *session_end_name(enum session_end end);

enum reject {
#define REJECT(name, meaning) REJECT_##name,
#include "reject.def"
    REJECT_COUNT
};

/** The row's name, for logs and metrics; never NULL. */
const char *reject_name(enum reject reject);

enum field_type { FIELD_u64, FIELD_str, FIELD_blob };

#define DECLARE_u64(name, max)  uint64_t name;
#define DECLARE_str(name, max)  char name[(max) + 1];
#define DECLARE_blob(name, max) struct view name;

#define MESSAGE(id, msg, from, to, meaning)       struct msg_##msg {
#define FIELD(msg, type, name, min, max, meaning) DECLARE_##type(name, max)
#define END(msg)                                                                                                       \
    }                                                                                                                  \
    ;
#include "messages.def"

enum msg_type {
    MSG_none = 0,
#define MESSAGE(id, msg, from, to, meaning) MSG_##msg = (id),
#define FIELD(msg, type, name, min, max, meaning)
#define END(msg)
#include "messages.def"
    MSG_TYPE_COUNT
};

/** Room for any one decoded message. */
union msg_any {
#define MESSAGE(id, msg, from, to, meaning) struct msg_##msg msg;
#define FIELD(msg, type, name, min, max, meaning)
#define END(msg)
#include "messages.def"
};

/** One field as the codec sees it. Numbers have a range of values, str and blob a range of lengths. */
struct field_desc {
    const char *name;
    enum field_type type;
    size_t offset;
    uint64_t min, max;
    const char *meaning;
};

struct msg_desc {
    const char *name;
    enum msg_type type;
    unsigned from, to; /* PEER_ bits */
    const char *meaning;
    size_t size;
    const struct field_desc *fields;
    size_t field_count;
};

/** The row of a message, or NULL when there is none with this id. */
const struct msg_desc *schema_message(uint64_t type);

/** Name of one peer kind, for logs; never NULL. */
const char *peer_name(enum peer_kind kind);

#endif
