/* ws_session - see ws_session.h: its life, its role, what is sent to it, and its end. What it takes in is in ws_intake.c.
 *
 * What a session may be written down as: the fields of struct ws_session up to `memory only`, its parser
 * (ws_parser_pack), the input not yet consumed, and the frames not yet taken. Nothing lives in closures.
 *
 * Invariant, beside those of ws_intake.c
 *   W5  a socket that is not read because of us is not blamed for its silence
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net_address.h"
#include "run/log.h"
#include "run/svc.h"
#include "ws_session_internal.h"

#define GATHER_MAX           128u   /* frames of one write to a game */
#define UNASKED_MAX          1024u  /* replies and what it did not ask for, such as commands, before it is closed */
#define SEND_BUFFER_BYTES    131072 /* of the kernel; what is in it can no longer give way to newer */
#define RECEIVE_BUFFER_BYTES 262144 /* of the kernel; libh2o reads all of it at once, into memory of ours */
#define LINGER_MS            2000u  /* for the other side of a closing handshake */
#define SLOW_LINGER_MS       30000u /* for a slow client to find out why */

static const char WELCOME[] =
    "{\"event\": \"connection_success\", \"message\": \"WebSocket connected - send identify event\"}";

/* ---- roles and counts ---- */

static void show_counts(struct ws_sessions *all)
{
    count_set(all->worker->slot, COUNTER_connections, all->open_count);
    count_set(all->worker->slot, COUNTER_cameras, all->role_counts[ROLE_CAMERA]);
    count_set(all->worker->slot, COUNTER_games, all->role_counts[ROLE_GAME]);
}

static void leave_role(struct ws_session *session)
{
    if (session->role_slot == NULL)
        return;
    *session->role_slot = session->role_next;
    if (session->role_next != NULL)
        session->role_next->role_slot = session->role_slot;
    session->role_slot = NULL;
    session->all->role_counts[session->role]--;
}

void ws_session_take_role(struct ws_session *session, enum role role)
{
    struct ws_session **head = &session->all->by_role[role];

    leave_role(session);
    session->role = role;
    session->role_next = *head;
    session->role_slot = head;
    if (*head != NULL)
        (*head)->role_slot = &session->role_next;
    *head = session;
    session->all->role_counts[role]++;
    show_counts(session->all);
}

/* The name of the connection, for records that bring none. */
void ws_session_write_name(const struct ws_session *session, char name[NAME_BYTES_MAX + 1])
{
    const char *known = session->identified_name != NULL  ? session->identified_name
                        : session->telemetry_name != NULL ? session->telemetry_name
                                                          : session->device;

    if (known != NULL)
        memcpy(name, known, strlen(known) + 1);
    else
        net_camera_name(session->address, name);
}

void ws_session_end_log(struct ws_session *session, enum session_end end)
{
    reports_session_end(session->all->reports, &session->log, end);
}

/* ---- sending ---- */

void ws_session_act_later(struct ws_session *session)
{
    loop_at_turn_end(session->all->worker->loop, &session->turn_task);
}

static void on_writable(h2o_socket_t *sock, const char *err)
{
    (void)err; /* the next send tells */
    ws_session_act_later(sock->data);
}

/* What the other side's kernel has not confirmed yet. */
static int unacknowledged_bytes(const struct ws_session *session)
{
    int bytes = 0;

    ioctl(h2o_socket_get_fd(session->sock), SIOCOUTQ, &bytes);
    return bytes;
}

/* After bytes were taken, or none: who waits with something in the outbox is watched. */
static void watch_slowness(struct ws_session *session, bool progress)
{
    if (session->outbox.count == 0) {
        deadline_disarm(&session->slow_deadline);
    } else if (progress || !deadline_is_armed(&session->slow_deadline)) {
        deadline_arm(session->all->worker->loop, &session->all->slow_list, &session->slow_deadline);
        session->unacknowledged_bytes = unacknowledged_bytes(session);
    }
}

/* Returns false when the socket is broken. To a camera each frame is one write: its library reads a frame's header only
 * once and must find it whole. */
static bool flush(struct ws_session *session)
{
    unsigned gather_max = session->role == ROLE_GAME ? GATHER_MAX : 1;
    const int fd = h2o_socket_get_fd(session->sock);
    struct iovec pieces[GATHER_MAX];
    bool progress = false;

    while (session->outbox.count > 0) {
        struct msghdr message = {.msg_iov = pieces};
        ssize_t n;

        message.msg_iovlen = outbox_gather(&session->outbox, pieces, gather_max);
        if (message.msg_iovlen == 1) /* as most of them are; it costs less */
            n = send(fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0) {
            if (!h2o_socket_is_writing(session->sock))
                h2o_socket_notify_write(session->sock, on_writable);
            break;
        }
        progress = true;
        count_add(session->all->worker->slot, COUNTER_deliveries, outbox_taken(&session->outbox, (size_t)n));
    }
    if (session->outbox.count == 0 && session->news_utc_us != 0) {
        count_duration(session->all->worker->slot, HISTOGRAM_delivered, session->news_utc_us, svc_utc_us());
        session->news_utc_us = 0;
    }
    if (!session->closing)
        watch_slowness(session, progress);
    return true;
}

static void note_dropped(struct ws_session *session)
{
    session->dropped++;
    count_add(session->all->worker->slot, COUNTER_dropped, 1);
    if (!deadline_is_armed(&session->notice_deadline))
        deadline_arm(session->all->worker->loop, &session->all->notice_list, &session->notice_deadline);
}

/* One turn may bring more than an outbox holds: only what the kernel did not take either is a client's slowness. */
void ws_session_push(struct ws_session *session, struct out_frame *frame)
{
    if (session->closing)
        return;
    if (outbox_is_full(&session->outbox, &session->all->outbox_limits, frame) && !h2o_socket_is_writing(session->sock))
        flush(session); /* a broken socket shows again at the end of the turn */
    if (outbox_push(&session->outbox, &session->all->outbox_limits, frame) != OUTBOX_QUEUED)
        note_dropped(session);
    ws_session_act_later(session);
}

/* Takes the frame over; NULL (no memory) loses it. */
void ws_session_push_own(struct ws_session *session, struct out_frame *frame)
{
    if (frame == NULL)
        return;
    ws_session_push(session, frame);
    out_frame_unref(frame);
}

static void push_text(struct ws_session *session, struct view text)
{
    ws_session_push_own(session, out_frame_new(WS_OPCODE_TEXT, text, OUT_REPLY, 0));
}

/* ---- closing ---- */

static void stop_deadlines(struct ws_session *session)
{
    deadline_disarm(&session->message_deadline);
    deadline_disarm(&session->ping_deadline);
    deadline_disarm(&session->pong_deadline);
    deadline_disarm(&session->slow_deadline);
    deadline_disarm(&session->notice_deadline);
}

/* From here on the session takes nothing in and sends nothing but what is queued and its close frame. */
static void begin_close(struct ws_session *session, uint16_t code, const char *reason, enum session_end end,
                        struct deadline_list *linger)
{
    if (session->closing)
        return;
    ws_session_end_log(session, end);
    ws_session_push_own(session, out_frame_close(code, reason));
    session->closing = true;
    session->all->open_count--;
    leave_role(session);
    show_counts(session->all);
    stop_deadlines(session);
    ws_session_drop_pendings(session);
    bytes_done(&session->message);
    deadline_arm(session->all->worker->loop, linger, &session->linger_deadline);
    ws_session_read_on(session); /* to its end, unread data would turn our close into a reset */
    ws_session_act_later(session);
}

void ws_session_close(struct ws_session *session, uint16_t code, const char *reason, enum session_end end)
{
    begin_close(session, code, reason, end, &session->all->linger_list);
}

void ws_session_refuse(struct ws_session *session, uint16_t code, enum reject reject, const char *reason)
{
    count_refused(session->all->worker->slot, reject);
    log_limited(&session->all->log_limit, LOG_LEVEL_WARNING, "websocket_closed", "address=%s code=%u reason=%s",
                session->address, code, log_quote(reason));
    ws_session_close(session, code, reason, SESSION_END_violation);
}

static void close_slow(struct ws_session *session)
{
    count_add(session->all->worker->slot, COUNTER_slow_closed, 1);
    log_warn("slow_client_closed", "address=%s waiting=%u", session->address, session->outbox.count);
    outbox_clear_unsent(&session->outbox);
    begin_close(session, 1013, "too slow", SESSION_END_slow, &session->all->slow_linger_list);
}

void ws_session_free(struct ws_session *session, enum session_end end)
{
    ws_session_end_log(session, end);
    if (!session->closing) {
        session->closing = true;
        session->all->open_count--;
        leave_role(session);
        show_counts(session->all);
    }
    stop_deadlines(session);
    deadline_disarm(&session->linger_deadline);
    loop_task_cancel(&session->turn_task);
    ws_session_drop_pendings(session);
    outbox_done(&session->outbox);
    bytes_done(&session->message);
    free(session->identified_name);
    free(session->telemetry_name);
    free(session->device);
    *session->slot = session->next;
    if (session->next != NULL)
        session->next->slot = session->slot;
    session->all->total_count--;
    h2o_socket_close(session->sock);
    free(session);
}

/* ---- deadlines ---- */

static bool is_blocked(const struct ws_session *session)
{
    return !session->reading;
}

static void message_too_slow(struct deadline *deadline)
{
    ws_session_refuse(H2O_STRUCT_FROM_MEMBER(struct ws_session, message_deadline, deadline), 1008, REJECT_deadline,
                      "a message that was begun did not end in time");
}

static void time_to_ping(struct deadline *deadline)
{
    struct ws_session *session = H2O_STRUCT_FROM_MEMBER(struct ws_session, ping_deadline, deadline);

    ws_session_push_own(session, out_frame_new(WS_OPCODE_PING, view_text("taghub"), OUT_REPLY, 0));
    deadline_arm(session->all->worker->loop, &session->all->pong_list, &session->pong_deadline);
}

static void no_pong(struct deadline *deadline)
{
    struct ws_session *session = H2O_STRUCT_FROM_MEMBER(struct ws_session, pong_deadline, deadline);

    if (is_blocked(session)) { /* W5 */
        deadline_arm(session->all->worker->loop, &session->all->pong_list, &session->pong_deadline);
        return;
    }
    count_refused(session->all->worker->slot, REJECT_deadline);
    log_info("websocket_gone", "address=%s reason=\"no pong\"", session->address);
    ws_session_free(session, SESSION_END_silent);
}

static void took_nothing(struct deadline *deadline)
{
    struct ws_session *session = H2O_STRUCT_FROM_MEMBER(struct ws_session, slow_deadline, deadline);

    /* Our kernel takes more only when a good part of its buffer is free, which a slow link may need long for. */
    if (unacknowledged_bytes(session) < session->unacknowledged_bytes) {
        watch_slowness(session, true);
        return;
    }
    close_slow(session);
}

static void tell_dropped(struct deadline *deadline)
{
    struct ws_session *session = H2O_STRUCT_FROM_MEMBER(struct ws_session, notice_deadline, deadline);
    char text[96];

    if (session->outbox.replies >= REPLIES_MAX) { /* it has not read the last ones: later, in one sum */
        deadline_arm(session->all->worker->loop, &session->all->notice_list, &session->notice_deadline);
        return;
    }
    snprintf(text, sizeof text, "{\"event\": \"notice\", \"code\": \"dropped\", \"count\": %" PRIu64 "}",
             session->dropped);
    session->dropped = 0;
    push_text(session, view_text(text));
}

static void lingered(struct deadline *deadline)
{
    ws_session_free(H2O_STRUCT_FROM_MEMBER(struct ws_session, linger_deadline, deadline), SESSION_END_lost);
}

/* ---- a session's part of a turn ---- */

static void act(struct loop_task *task)
{
    struct ws_session *session = H2O_STRUCT_FROM_MEMBER(struct ws_session, turn_task, task);

    ws_session_carry_out_replies(session);
    if (!session->closing)
        ws_session_pass_held_message(session);
    if (!session->closing && (!session->reading || session->all->is_paused))
        ws_session_consume_input(session);
    if (!flush(session)) {
        ws_session_free(session, SESSION_END_lost);
        return;
    }
    if (!session->closing && !session->reading && session->outbox.count == 0)
        ws_session_consume_input(session); /* what held us up may have been the outbox */
    if (session->closing && session->outbox.count == 0 && !session->shut) {
        session->shut = true;
        shutdown(h2o_socket_get_fd(session->sock), SHUT_WR);
    }
}

/* ---- the whole ---- */

struct ws_session *ws_session_new(struct ws_sessions *sessions, h2o_socket_t *sock, const char *address, uint16_t port)
{
    struct ws_session *session = calloc(1, sizeof *session);
    int send_bytes = SEND_BUFFER_BYTES, receive_bytes = RECEIVE_BUFFER_BYTES;

    if (session == NULL) {
        h2o_socket_close(sock);
        return NULL;
    }
    setsockopt(h2o_socket_get_fd(sock), SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    setsockopt(h2o_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    session->all = sessions;
    session->sock = sock;
    sock->data = session;
    snprintf(session->address, sizeof session->address, "%s", address);
    session->port = port;
    ws_parser_init(&session->parser);
    session->pendings_end = &session->pendings;
    session->turn_task.run = act;
    session->message_deadline.fire = message_too_slow;
    session->ping_deadline.fire = time_to_ping;
    session->pong_deadline.fire = no_pong;
    session->slow_deadline.fire = took_nothing;
    session->notice_deadline.fire = tell_dropped;
    session->linger_deadline.fire = lingered;
    session->next = sessions->first;
    session->slot = &sessions->first;
    if (session->next != NULL)
        session->next->slot = &session->next;
    sessions->first = session;
    sessions->open_count++;
    sessions->total_count++;
    ws_session_take_role(session, ROLE_NONE);
    deadline_arm(sessions->worker->loop, &sessions->ping_list, &session->ping_deadline);
    return session;
}

void ws_session_open(struct ws_sessions *sessions, h2o_socket_t *sock, const char *address, uint16_t port)
{
    struct ws_session *session = ws_session_new(sessions, sock, address, port);

    if (session == NULL)
        return;
    push_text(session, view_text(WELCOME));
    ws_session_consume_input(session);
}

bool ws_sessions_are_quiet(const struct ws_sessions *sessions)
{
    for (const struct ws_session *session = sessions->first; session != NULL; session = session->next) {
        if (!session->closing && session->pending_count > 0)
            return false;
    }
    return true;
}

void ws_sessions_take_in(struct ws_sessions *sessions, bool take_in)
{
    sessions->is_paused = !take_in;
    for (struct ws_session *session = sessions->first; session != NULL; session = session->next)
        ws_session_act_later(session);
}

void ws_sessions_broadcast(struct ws_sessions *sessions, struct out_frame *frame, uint64_t arrived_utc_us)
{
    for (struct ws_session *game = sessions->by_role[ROLE_GAME]; game != NULL; game = game->role_next) {
        ws_session_push(game, frame);
        game->news_utc_us = game->news_utc_us != 0 ? game->news_utc_us : arrived_utc_us;
    }
}

uint64_t ws_sessions_command(struct ws_sessions *sessions, const char *camera, struct view event, bool tell)
{
    struct ws_session *next;
    uint64_t count = 0;

    for (struct ws_session *session = sessions->by_role[ROLE_CAMERA]; session != NULL; session = next) {
        char name[NAME_BYTES_MAX + 1];

        next = session->role_next;
        ws_session_write_name(session, name);
        if (*camera != '\0' && strcmp(camera, name) != 0)
            continue;
        if (session->outbox.replies >= UNASKED_MAX) { /* it may take a little now and then, and never catch up */
            close_slow(session);
            continue;
        }
        count++;
        if (tell)
            push_text(session, event);
    }
    return count;
}

void ws_sessions_room(struct ws_sessions *sessions)
{
    for (struct ws_session *session = sessions->first; session != NULL; session = session->next) {
        if (session->waits_for_room)
            ws_session_act_later(session);
    }
}

void ws_sessions_close_all(struct ws_sessions *sessions)
{
    for (struct ws_session *session = sessions->first; session != NULL; session = session->next)
        ws_session_close(session, 1001, "the hub stops", SESSION_END_hub_stop);
}

uint64_t ws_sessions_count(const struct ws_sessions *sessions)
{
    return sessions->total_count;
}

struct ws_sessions *ws_sessions_new(const struct hub_conf *conf, struct worker *worker, struct newest *newest)
{
    struct ws_sessions *sessions = calloc(1, sizeof *sessions);
    struct loop *loop = worker->loop;

    if (sessions == NULL)
        return NULL;
    sessions->conf = conf;
    sessions->worker = worker;
    sessions->newest = newest;
    sessions->limits = (struct ws_limits){.text_bytes = conf->text_max_bytes,
                                          .binary_bytes = conf->photo_max_bytes,
                                          .fragments_max = conf->fragments_max_count};
    sessions->outbox_limits =
        (struct outbox_limits){.frames_max = conf->game_queue_messages_count, .bytes_max = conf->game_queue_bytes};
    sessions->log_limit = LOG_LIMIT(10);
    loop_add_deadlines(loop, &sessions->message_list, conf->message_deadline_ms);
    loop_add_deadlines(loop, &sessions->ping_list, conf->ping_interval_ms);
    loop_add_deadlines(loop, &sessions->pong_list, conf->pong_deadline_ms);
    loop_add_deadlines(loop, &sessions->slow_list, conf->slow_client_deadline_ms);
    loop_add_deadlines(loop, &sessions->notice_list, conf->notice_interval_ms);
    loop_add_deadlines(loop, &sessions->linger_list, LINGER_MS);
    loop_add_deadlines(loop, &sessions->slow_linger_list, SLOW_LINGER_MS);
    return sessions;
}

void ws_sessions_set_services(struct ws_sessions *sessions, struct uplink *uplink, struct reports *reports)
{
    sessions->uplink = uplink;
    sessions->reports = reports;
}

void ws_sessions_free(struct ws_sessions *sessions)
{
    if (sessions == NULL)
        return;

    struct deadline_list *lists[] = {&sessions->message_list,    &sessions->ping_list,   &sessions->pong_list,
                                     &sessions->slow_list,       &sessions->notice_list, &sessions->linger_list,
                                     &sessions->slow_linger_list};

    while (sessions->first != NULL)
        ws_session_free(sessions->first, SESSION_END_hub_stop);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        loop_remove_deadlines(sessions->worker->loop, lists[i]);
    free(sessions);
}
