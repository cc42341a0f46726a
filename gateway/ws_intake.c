/* ws_intake - what a session takes in, and how it is answered.
 *
 * Invariants
 *   W1  replies leave in the order of the messages they answer: each message has a place in the queue of replies, and
 *       only its front is ever carried out
 *   W2  no message is judged with a role that an earlier one may still change: behind a message that may be an identify,
 *       and in a session without a role, nothing is taken in until the reply is out
 *   W3  what may be filed under the connection's name, such as every picture, is passed on when every earlier text that
 *       may still change that name is settled
 *   W4  replies are carried out at the end of a turn, never inside a handler of the bus: only there may the worker drain
 *       its link to fanout, which makes a reply see all that was acknowledged anywhere
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/svc.h"
#include "ws_session_internal.h"

#define INPUT_KEPT_BYTES     65536u /* an empty input buffer larger than this is given back */
#define PHOTOS_IN_FLIGHT_MAX 16u    /* of one camera */

/* ---- the name of the connection ---- */

static void set_name(char **name, const char *value)
{
    free(*name);
    *name = *value != '\0' ? strdup(value) : NULL;
}

/* What history knows of the connection follows its name. */
static void rename_log(struct ws_session *session)
{
    char name[NAME_BYTES_MAX + 1];

    if (session->log == NULL)
        return;
    ws_session_write_name(session, name);
    reports_session_rename(session->all->reports, session->log, name);
}

static void open_log(struct ws_session *session)
{
    char name[NAME_BYTES_MAX + 1];

    ws_session_write_name(session, name);
    if (session->log == NULL)
        session->log = reports_session_open(session->all->reports, name, session->address, session->port);
    else
        rename_log(session);
}

/* ---- replies, in order (W1) ---- */

void ws_session_drop_pendings(struct ws_session *session)
{
    struct pending *pending;

    while ((pending = session->pendings) != NULL) {
        session->pendings = pending->next;
        if (pending->text != NULL)
            unsettled_abandon(pending->text);
        if (pending->photo != NULL)
            photo_wait_abandon(pending->photo);
        out_frame_unref(pending->reply);
        free(pending);
    }
    session->pendings_end = &session->pendings;
    session->pending_count = 0;
}

static struct pending *add_pending(struct ws_session *session)
{
    struct pending *pending = calloc(1, sizeof *pending);

    if (pending == NULL)
        return NULL;
    pending->session = session;
    *session->pendings_end = pending;
    session->pendings_end = &pending->next;
    session->pending_count++;
    return pending;
}

/* The message got no place on the bus: it is as if it had been answered with nothing. */
static void pending_done(struct pending *pending)
{
    pending->done = true;
    ws_session_act_later(pending->session);
}

static void text_verdict(void *requester, const struct msg_verdict *verdict)
{
    struct pending *pending = requester;

    pending->text = NULL;
    pending->photo = NULL;
    pending->change = (enum role_change)verdict->change;
    pending->replay = (enum replay)verdict->replay;
    memcpy(pending->camera, verdict->camera, sizeof pending->camera);
    memcpy(pending->device, verdict->device, sizeof pending->device);
    if (verdict->reply.length > 0)
        pending->reply = out_frame_new(WS_OPCODE_TEXT, verdict->reply, OUT_REPLY, 0);
    pending_done(pending);
}

static void text_settled(void *requester, const struct unsettled *entry)
{
    static const char ACK[] = "{\"event\": \"apriltag_ack\", \"status\": \"received\"}";
    struct pending *pending = requester;

    pending->text = NULL;
    if (entry->named) {
        set_name(&pending->session->telemetry_name, entry->camera);
        rename_log(pending->session);
    }
    pending->reply = out_frame_new(WS_OPCODE_TEXT, view_text(ACK), OUT_REPLY, 0);
    pending_done(pending);
}

static void photo_over(void *requester)
{
    struct pending *pending = requester;

    pending->photo = NULL;
    pending_done(pending);
}

static bool photo_lost(void *requester)
{
    photo_over(requester);
    return false; /* its camera has a newer one soon */
}

static const struct requester_ops TEXT_OPS = {.verdict = text_verdict, .settled = text_settled};
static const struct photo_ops PHOTO_OPS = {.verdict = text_verdict, .settled = photo_over, .lost = photo_lost};

static void replay_one(struct ws_session *session, const struct camera_entry *entry)
{
    const struct kept_sighting *kept = entry->value;

    ws_session_push(session, kept->frame);
}

/* Returns whether there was anything. */
static bool replay(struct ws_session *session, const struct pending *pending)
{
    const struct camera_table *sightings = session->all->newest->sightings;
    const struct camera_entry *entry;

    if (pending->replay == REPLAY_ONE_OR_SAY) {
        entry = camera_table_find(sightings, pending->camera);
        if (entry != NULL)
            replay_one(session, entry);
        return entry != NULL;
    }
    for (entry = camera_table_oldest(sightings); entry != NULL; entry = entry->newer)
        replay_one(session, entry);
    return camera_table_oldest(sightings) != NULL;
}

static void change_role(struct ws_session *session, const struct pending *pending)
{
    switch (pending->change) {
    case CHANGE_KEEP:
    case CHANGE_COUNT:
        break;
    case CHANGE_NONE:
        ws_session_end_log(session, SESSION_END_role);
        ws_session_take_role(session, ROLE_NONE);
        session->auth_failures++;
        break;
    case CHANGE_CAMERA:
        set_name(&session->identified_name, pending->camera);
        set_name(&session->device, pending->device);
        ws_session_take_role(session, ROLE_CAMERA);
        open_log(session);
        break;
    case CHANGE_GAME:
        ws_session_end_log(session, SESSION_END_role);
        ws_session_take_role(session, ROLE_GAME);
        break;
    }
}

static void carry_out(struct ws_session *session, const struct pending *pending)
{
    bool say_after = pending->replay == REPLAY_ALL_OR_SAY || pending->replay == REPLAY_ONE_OR_SAY;

    reports_flush(session->all->reports); /* who is told of a picture may ask for its statistics */
    if (pending->replay != REPLAY_NOTHING)
        uplink_catch_up(session->all->uplink); /* before it is a game: what comes now is in the replay */
    change_role(session, pending);
    if (pending->reply != NULL && !say_after)
        ws_session_push(session, pending->reply);
    if (pending->replay != REPLAY_NOTHING && !replay(session, pending) && say_after && pending->reply != NULL)
        ws_session_push(session, pending->reply);
    if (session->auth_failures >= session->all->conf->auth_failures_max_count)
        ws_session_close(session, 1008, "too many refused identify messages", SESSION_END_violation);
}

void ws_session_carry_out_replies(struct ws_session *session)
{
    while (!session->closing && session->pendings != NULL && session->pendings->done) {
        struct pending *pending = session->pendings;

        session->pendings = pending->next;
        if (session->pendings == NULL)
            session->pendings_end = &session->pendings;
        session->pending_count--;
        carry_out(session, pending);
        out_frame_unref(pending->reply);
        free(pending);
    }
}

/* ---- taking in ---- */

/* W2. Escapes could spell identify, so they count too: a false alarm costs one round trip. */
static bool may_change_role(struct view text)
{
    return memmem(text.bytes, text.length, "identify", 8) != NULL || memchr(text.bytes, '\\', text.length) != NULL;
}

/* W3. An escaped key is taken for another one: that costs a round trip again, and nothing else. */
static bool may_bring_name(struct view text)
{
    return memmem(text.bytes, text.length, "camera_name", 11) != NULL;
}

static bool name_may_change(const struct ws_session *session)
{
    const struct pending *pending = session->pendings;

    if (session->identified_name != NULL)
        return false;
    while (pending != NULL && !pending->may_bring_name)
        pending = pending->next;
    return pending != NULL;
}

static void pass_text(struct ws_session *session, struct view text)
{
    struct msg_device_text message = {.source = SOURCE_WEBSOCKET,
                                      .role = session->role,
                                      .arrived_utc_us = session->message_arrived_utc_us,
                                      .typed = 1,
                                      .text = text};
    struct pending *pending = add_pending(session);

    memcpy(message.address, session->address, sizeof message.address);
    ws_session_write_name(session, message.fallback_name);
    if (pending == NULL || uplink_submit(session->all->uplink, &message, &TEXT_OPS, pending, &pending->text) < 0) {
        /* may_take_more() saw room before; this is want of memory */
        ws_session_close(session, 1011, "out of memory", SESSION_END_lost);
        return;
    }
    pending->may_change_role = session->role == ROLE_NONE || may_change_role(text);
    pending->may_bring_name = may_bring_name(text) || memchr(text.bytes, '\\', text.length) != NULL;
}

static void pass_photo(struct ws_session *session, struct view jpeg)
{
    struct msg_device_photo message = {.source = SOURCE_WEBSOCKET,
                                       .role = session->role,
                                       .arrived_utc_us = session->message_arrived_utc_us,
                                       .jpeg = jpeg};
    struct pending *pending = add_pending(session);

    if (pending == NULL)
        return;
    ws_session_write_name(session, message.camera);
    if (uplink_submit_photo(session->all->uplink, &message, &PHOTO_OPS, pending, &pending->photo) < 0) {
        count_add(session->all->worker->slot, COUNTER_photos_dropped, 1);
        pending_done(pending);
    }
}

static void pass_message(struct ws_session *session, enum ws_opcode opcode, struct view whole)
{
    if (opcode == WS_OPCODE_TEXT)
        pass_text(session, whole);
    else
        pass_photo(session, whole);
}

static unsigned photos_in_flight(const struct ws_session *session)
{
    unsigned count = 0;

    for (const struct pending *pending = session->pendings; pending != NULL; pending = pending->next)
        count += pending->photo != NULL;
    return count;
}

/* A camera has one picture on its way, and more while the way is clear: they pass every process in one turn. */
static bool photo_must_wait(const struct ws_session *session)
{
    unsigned count = session->pendings != NULL ? photos_in_flight(session) : 0;

    return count >= PHOTOS_IN_FLIGHT_MAX || (count > 0 && !uplink_photos_flow(session->all->uplink));
}

static bool must_wait(const struct ws_session *session, enum ws_opcode opcode, struct view whole)
{
    if (opcode == WS_OPCODE_TEXT)
        return session->role == ROLE_CAMERA && !may_bring_name(whole) && name_may_change(session);
    return name_may_change(session) || photo_must_wait(session);
}

static void take_message(struct ws_session *session, enum ws_opcode opcode, struct view whole)
{
    session->message_arrived_utc_us = svc_utc_us();
    if (!must_wait(session, opcode, whole)) {
        pass_message(session, opcode, whole);
        return;
    }
    if (session->message.length == 0 && bytes_append(&session->message, whole.bytes, whole.length) < 0) {
        ws_session_close(session, 1011, "out of memory", SESSION_END_lost);
        return;
    }
    session->message_held = true;
    session->held_opcode = opcode;
}

void ws_session_pass_held_message(struct ws_session *session)
{
    struct view held = view_of(bytes_begin(&session->message), session->message.length);

    if (!session->message_held || session->all->is_paused || must_wait(session, session->held_opcode, held))
        return;
    session->waits_for_room =
        session->held_opcode == WS_OPCODE_TEXT && !uplink_has_room(session->all->uplink, session->message.length);
    if (session->waits_for_room)
        return;
    session->message_held = false;
    pass_message(session, session->held_opcode, held);
    bytes_done(&session->message);
}

/* Somebody who is no camera sends a picture: enough of it goes to ingest to be refused there, the rest is skipped. */
#define PHOTO_BYTES_OF_STRANGERS 16u

static void take_data(struct ws_session *session, const struct ws_event *event)
{
    bool text = event->opcode == WS_OPCODE_TEXT;
    struct view whole = event->payload;

    if (event->first)
        session->skip_message = !text && session->role != ROLE_CAMERA;
    if (session->skip_message && whole.length > PHOTO_BYTES_OF_STRANGERS)
        whole.length = PHOTO_BYTES_OF_STRANGERS;
    if (!event->first || !event->last) {
        bool keep = !session->skip_message || session->message.length == 0;

        if (keep && bytes_append(&session->message, whole.bytes, whole.length) < 0) {
            ws_session_close(session, 1011, "out of memory", SESSION_END_lost);
            return;
        }
        whole = view_of(bytes_begin(&session->message), session->message.length);
    }
    if (!event->last)
        return;
    take_message(session, event->opcode, whole);
    if (!session->message_held)
        bytes_done(&session->message);
}

static void take_event(struct ws_session *session, const struct ws_event *event)
{
    switch (event->kind) {
    case WS_NEED_MORE:
        break;
    case WS_DATA:
        take_data(session, event);
        break;
    case WS_PING:
        ws_session_push_own(session, out_frame_new(WS_OPCODE_PONG, event->payload, OUT_REPLY, 0));
        break;
    case WS_PONG:
        deadline_disarm(&session->pong_deadline);
        deadline_arm(session->all->worker->loop, &session->all->ping_list, &session->ping_deadline);
        break;
    case WS_CLOSE:
        ws_session_close(session, event->code, "", SESSION_END_closed);
        break;
    case WS_ERROR:
        ws_session_refuse(session, event->code, event->code == WS_CLOSE_TOO_BIG ? REJECT_too_large : REJECT_protocol,
                          event->problem);
        break;
    }
}

static bool may_take_more(struct ws_session *session)
{
    const struct pending *last = session->pendings_end == &session->pendings
                                     ? NULL
                                     : H2O_STRUCT_FROM_MEMBER(struct pending, next, session->pendings_end);

    if (session->closing || session->all->is_paused)
        return false;
    if (session->message_held || (last != NULL && last->may_change_role) || /* W3, W2 */
        session->pending_count >= session->all->conf->unsettled_per_session_count ||
        session->outbox.replies >= REPLIES_MAX)
        return false;
    session->waits_for_room = !uplink_has_room(session->all->uplink, session->all->limits.text_bytes);
    return !session->waits_for_room;
}

static void on_read(h2o_socket_t *sock, const char *err)
{
    struct ws_session *session = sock->data;

    if (err != NULL) {
        ws_session_free(session, SESSION_END_lost);
        return;
    }
    ws_session_consume_input(session);
}

void ws_session_read_on(struct ws_session *session)
{
    if (!session->reading)
        h2o_socket_read_start(session->sock, on_read);
    session->reading = true;
}

static void read_no_more(struct ws_session *session)
{
    if (session->reading)
        h2o_socket_read_stop(session->sock);
    session->reading = false;
    deadline_disarm(&session->message_deadline);
}

static void watch_message(struct ws_session *session)
{
    bool begun = ws_parser_in_message(&session->parser) || session->sock->input->size > 0;

    if (!begun)
        deadline_disarm(&session->message_deadline);
    else if (!deadline_is_armed(&session->message_deadline))
        deadline_arm(session->all->worker->loop, &session->all->message_list, &session->message_deadline);
}

/* libh2o never shrinks a buffer: after one large picture it would stay that large for as long as the socket lives. */
static void drop_input(h2o_buffer_t **input, size_t bytes)
{
    h2o_buffer_consume(input, bytes);
    if ((*input)->size > 0 || (*input)->capacity <= INPUT_KEPT_BYTES)
        return;
    h2o_buffer_dispose(input);
    h2o_buffer_init(input, &h2o_socket_buffer_prototype);
}

void ws_session_consume_input(struct ws_session *session)
{
    h2o_buffer_t **input = &session->sock->input;
    size_t used = 0;

    while (!session->closing && may_take_more(session)) {
        struct ws_event event;

        used += ws_parse(&session->parser, &session->all->limits, (uint8_t *)(*input)->bytes + used,
                         (*input)->size - used, &event);
        if (event.kind == WS_NEED_MORE)
            break;
        if (!ws_parser_in_message(&session->parser)) /* what was begun, if only a ping, has ended */
            deadline_disarm(&session->message_deadline);
        take_event(session, &event);
    }
    drop_input(input, session->closing ? (*input)->size : used);
    if (session->closing)
        return;
    if (may_take_more(session)) {
        watch_message(session);
        ws_session_read_on(session);
    } else {
        read_no_more(session);
    }
}
