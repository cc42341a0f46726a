/* ws_session_internal - what a session is made of, for ws_session.c, which lives it, ws_intake.c, which takes in what it
 * is sent, and ws_handover.c, which writes it down. */
#ifndef TAGHUB_WS_SESSION_INTERNAL_H
#define TAGHUB_WS_SESSION_INTERNAL_H

#include "bytes.h"
#include "run/log.h"
#include "ws_frame.h"
#include "ws_session.h"

#define REPLIES_MAX 64u /* replies that wait in an outbox before the client is no longer read */

/* A message whose reply is outstanding. */
struct pending {
    struct pending *next;
    struct ws_session *session;
    struct unsettled *text;   /* while its fate is open */
    struct photo_wait *photo; /* the same for a picture */
    bool done;
    bool may_change_role; /* W2 */
    bool may_bring_name;  /* W3 */
    struct out_frame *reply;
    enum role_change change;
    enum replay replay;
    char camera[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1]; /* of the verdict */
};

struct ws_session {
    enum role role;
    char address[ADDRESS_BYTES_MAX + 1];
    uint16_t port;
    char *identified_name, *telemetry_name, *device; /* NULL when absent */
    uint32_t auth_failures;
    struct ws_parser parser;
    struct bytes message; /* of the message that is coming in */
    bool skip_message;    /* its bytes are not kept: a picture of somebody who is no camera */
    bool message_held;    /* it is complete and waits for W3 */
    enum ws_opcode held_opcode;
    uint64_t message_arrived_utc_us;
    struct outbox outbox;
    uint64_t dropped;           /* since the last notice */
    struct logged_session *log; /* while it is a camera; its record can be written down */

    /* memory only */
    struct ws_sessions *all;
    struct ws_session *next, **slot;           /* of all sessions */
    struct ws_session *role_next, **role_slot; /* of those with the same role */
    h2o_socket_t *sock;
    struct pending *pendings, **pendings_end;
    uint32_t pending_count;
    bool reading, closing, shut, waits_for_room, notice_due;
    struct loop_task turn_task;
    struct deadline message_deadline, ping_deadline, pong_deadline, slow_deadline, notice_deadline, linger_deadline;
    uint64_t news_utc_us;     /* arrival of the oldest sighting that waits since the outbox was empty; 0: none */
    int unacknowledged_bytes; /* of what the kernel took, when slow_deadline was armed */
};

struct ws_sessions {
    const struct hub_conf *conf;
    struct worker *worker;
    struct newest *newest;
    struct uplink *uplink;
    struct reports *reports;
    struct ws_limits limits;
    struct outbox_limits outbox_limits;
    struct ws_session *first, *by_role[ROLE_COUNT];
    uint64_t open_count, total_count, role_counts[ROLE_COUNT];
    struct deadline_list message_list, ping_list, pong_list, slow_list, notice_list, linger_list, slow_linger_list;
    struct log_limit log_limit;
    bool is_paused; /* nothing is taken in */
};

/** Makes a session on a socket, which it takes over, in the list and without a role; NULL without memory. */
struct ws_session *ws_session_new(struct ws_sessions *sessions, h2o_socket_t *sock, const char *address, uint16_t port);
/** Ends it at once, without a word to the client. Its log ends with this reason, unless it has ended. */
void ws_session_free(struct ws_session *session, enum session_end end);
/** Gives it a role, in counts and lists. */
void ws_session_take_role(struct ws_session *session, enum role role);
/** Does at the end of this turn what there is to do: replies, reading, writing. */
void ws_session_act_later(struct ws_session *session);

/** Queues a frame (takes its own reference); a sighting may give way or be counted as dropped. */
void ws_session_push(struct ws_session *session, struct out_frame *frame);
/** Likewise, and takes the frame over; NULL (no memory) loses it. */
void ws_session_push_own(struct ws_session *session, struct out_frame *frame);
/** Begins the closing handshake: nothing is taken in any more, and what is queued is sent before. */
void ws_session_close(struct ws_session *session, uint16_t code, const char *reason, enum session_end end);
/** Likewise, for a violation, which is counted and logged. */
void ws_session_refuse(struct ws_session *session, uint16_t code, enum reject reject, const char *reason);
/** The name of the connection, for records that bring none. */
void ws_session_write_name(const struct ws_session *session, char name[NAME_BYTES_MAX + 1]);
/** Tells history that the camera's session is over, if there is one. */
void ws_session_end_log(struct ws_session *session, enum session_end end);

/** Takes in what has been read, as far as W2, W3 and the limits allow, and reads on or stops reading. */
void ws_session_consume_input(struct ws_session *session);
/** Carries out the replies at the front that are known (W1, W4). */
void ws_session_carry_out_replies(struct ws_session *session);
/** Passes on the message that waited for those before it (W3), if it may go now. */
void ws_session_pass_held_message(struct ws_session *session);
/** Nobody waits for these replies any more. */
void ws_session_drop_pendings(struct ws_session *session);
/** Reads from the socket whether or not it may take in. */
void ws_session_read_on(struct ws_session *session);

#endif
