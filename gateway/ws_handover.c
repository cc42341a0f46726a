/* ws_handover - sessions that change their process: see ws_sessions_park() and ws_session_adopt() in ws_session.h.
 *
 * A session is parked when nothing of it is under way: it has no reply outstanding, and whoever parks sees to it that no
 * sighting is on its way to any worker. What is half here travels along: the message that is coming in, bytes that were
 * read and not yet understood, frames that the kernel has not taken. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "codec.h"
#include "ws_session_internal.h"

/* ---- writing down ---- */

static int put_text(struct bytes *record, const char *text)
{
    return record_put_blob(record, text != NULL ? view_text(text) : view_of(NULL, 0));
}

static int put_identity(struct bytes *record, const struct ws_session *session)
{
    int r = put_text(record, session->address); /* first: see ws_session_peek_address() */

    r = r < 0 ? r : record_put_u64(record, session->port);
    r = r < 0 ? r : record_put_u64(record, session->role);
    r = r < 0 ? r : put_text(record, session->identified_name);
    r = r < 0 ? r : put_text(record, session->telemetry_name);
    r = r < 0 ? r : put_text(record, session->device);
    r = r < 0 ? r : record_put_u64(record, session->auth_failures);
    return r < 0 ? r : record_put_u64(record, session->dropped);
}

static int put_input(struct bytes *record, const struct ws_session *session)
{
    uint8_t parser[WS_PARSER_PACKED_BYTES];
    const h2o_buffer_t *input = session->sock->input;
    int r;

    ws_parser_pack(&session->parser, parser);
    r = record_put_blob(record, view_of(parser, sizeof parser));
    r = r < 0 ? r : record_put_blob(record, view_of(bytes_begin(&session->message), session->message.length));
    r = r < 0 ? r : record_put_u64(record, session->skip_message);
    r = r < 0 ? r : record_put_u64(record, session->message_held);
    r = r < 0 ? r : record_put_u64(record, session->held_opcode);
    r = r < 0 ? r : record_put_u64(record, session->message_arrived_utc_us);
    return r < 0 ? r : record_put_blob(record, view_of(input->bytes, input->size));
}

static int put_frame(void *user, const struct out_frame *frame)
{
    struct bytes *record = user;
    int r = record_put_u64(record, frame->kind);

    r = r < 0 ? r : record_put_u64(record, frame->key);
    return r < 0 ? r : record_put_blob(record, view_of(frame->bytes, frame->length));
}

static int put_output(struct bytes *record, const struct ws_session *session)
{
    int r = record_put_u64(record, session->outbox.first_sent);

    r = r < 0 ? r : record_put_u64(record, session->outbox.count);
    return r < 0 ? r : outbox_each(&session->outbox, put_frame, record);
}

/* As the message that tells it to history, behind the worker that told it; empty without a log. */
static int put_log(struct bytes *record, const struct ws_session *session)
{
    struct bytes log = {0};
    int r = record_put_u64(record, session->all->worker->identity.incarnation);

    if (r == 0 && session->log != NULL)
        r = codec_encode(&log, MSG_session, &session->log->record);
    r = r < 0 ? r : record_put_blob(record, view_of(bytes_begin(&log), log.length));
    bytes_done(&log);
    return r;
}

static bool park(struct ws_session *session, struct parking_writer *parking)
{
    struct bytes record = {0};
    int r = put_identity(&record, session);

    r = r < 0 ? r : put_input(&record, session);
    r = r < 0 ? r : put_output(&record, session);
    r = r < 0 ? r : put_log(&record, session);
    if (r == 0)
        r = parking_add(parking, h2o_socket_get_fd(session->sock), view_of(bytes_begin(&record), record.length));
    bytes_done(&record);
    return r == 0;
}

/* There is no time for a handshake: what the kernel does not take now is lost with the connection. */
static void say_come_again(struct ws_session *session)
{
    uint8_t frame[WS_CLOSE_FRAME_MAX];
    size_t length = ws_write_close(frame, 1012, "the hub starts anew");

    if (!session->closing && session->outbox.first_sent == 0 &&
        send(h2o_socket_get_fd(session->sock), frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; /* it was slow, or is gone already */
}

void ws_sessions_park(struct ws_sessions *sessions, struct parking_writer *parking)
{
    unsigned parked = 0, lost = 0;

    for (struct ws_session *session = sessions->first; session != NULL; session = session->next) {
        if (!session->closing && session->pending_count == 0 && park(session, parking)) {
            parked++;
            session->log = NULL; /* it goes on elsewhere */
        } else if (!session->closing) {
            lost++;
            say_come_again(session);
        }
    }
    if (parking_flush(parking) < 0)
        lost = parked + lost;
    log_info("sessions_parked", "worker=%u count=%u lost=%u", sessions->worker->number, parked, lost);
}

/* ---- reading back ---- */

static void get_name(struct record_reader *reader, char **ret_name)
{
    char name[NAME_BYTES_MAX + 1];

    record_get_text(reader, name, sizeof name);
    *ret_name = name[0] != '\0' ? strdup(name) : NULL;
}

static void get_identity(struct record_reader *reader, struct ws_session *session)
{
    uint64_t role = record_get_u64(reader);

    reader->is_broken |= role >= ROLE_COUNT;
    get_name(reader, &session->identified_name);
    get_name(reader, &session->telemetry_name);
    get_name(reader, &session->device);
    session->auth_failures = (uint32_t)record_get_u64(reader);
    session->dropped = record_get_u64(reader);
    if (!reader->is_broken)
        ws_session_take_role(session, (enum role)role);
}

static int get_input(struct record_reader *reader, struct ws_session *session)
{
    struct view parser = record_get_blob(reader), message = record_get_blob(reader), input;
    h2o_iovec_t room;

    if (parser.length != WS_PARSER_PACKED_BYTES || ws_parser_unpack(parser.bytes, &session->parser) < 0)
        return -EPROTO;
    if (message.length > 0 && bytes_append(&session->message, message.bytes, message.length) < 0)
        return -ENOMEM;
    session->skip_message = record_get_u64(reader) != 0;
    session->message_held = record_get_u64(reader) != 0;
    session->held_opcode = (enum ws_opcode)record_get_u64(reader);
    session->message_arrived_utc_us = record_get_u64(reader);
    input = record_get_blob(reader);
    if (input.length == 0)
        return 0;
    room = h2o_buffer_reserve(&session->sock->input, input.length);
    if (room.base == NULL)
        return -ENOMEM;
    memcpy(room.base, input.bytes, input.length);
    session->sock->input->size += input.length;
    return 0;
}

static int get_output(struct record_reader *reader, struct ws_session *session)
{
    uint64_t first_sent = record_get_u64(reader), count = record_get_u64(reader);
    int r = 0;

    for (uint64_t i = 0; i < count && r == 0 && !reader->is_broken; i++) {
        enum out_kind kind = record_get_u64(reader) == OUT_SIGHTING ? OUT_SIGHTING : OUT_REPLY;
        uint64_t key = record_get_u64(reader);
        struct out_frame *frame = out_frame_raw(record_get_blob(reader), kind, key);

        if (frame == NULL || outbox_push(&session->outbox, &session->all->outbox_limits, frame) == OUTBOX_REFUSED)
            r = -ENOMEM;
        out_frame_unref(frame);
    }
    if (r == 0 && first_sent > 0 && !reader->is_broken) /* the rest of a frame that is partly out */
        r = outbox_skip(&session->outbox, first_sent);
    return r;
}

static void get_log(struct record_reader *reader, struct ws_session *session)
{
    uint64_t origin = record_get_u64(reader);
    struct view log = record_get_blob(reader);
    struct codec_error error;
    enum msg_type type;
    union msg_any msg;

    if (log.length > 0 && codec_decode(log, &type, &msg, &error) == 0 && type == MSG_session)
        session->log = reports_session_adopt(session->all->reports, &msg.session, origin);
}

void ws_session_peek_address(struct view record, char address[ADDRESS_BYTES_MAX + 1])
{
    struct record_reader reader = {.left = record};

    record_get_text(&reader, address, ADDRESS_BYTES_MAX + 1);
}

int ws_session_adopt(struct ws_sessions *sessions, h2o_socket_t *sock, struct view record)
{
    struct record_reader reader = {.left = record};
    char address[ADDRESS_BYTES_MAX + 1];
    struct ws_session *session;
    uint16_t port;
    int r;

    record_get_text(&reader, address, sizeof address);
    port = (uint16_t)record_get_u64(&reader);
    session = ws_session_new(sessions, sock, address, port);
    if (session == NULL)
        return -ENOMEM;
    get_identity(&reader, session);
    r = get_input(&reader, session);
    if (r == 0)
        r = get_output(&reader, session);
    if (r == 0)
        get_log(&reader, session);
    if (r == 0 && reader.is_broken)
        r = -EPROTO;
    if (r < 0)
        ws_session_free(session, SESSION_END_lost);
    else
        ws_session_act_later(session);
    return r;
}
