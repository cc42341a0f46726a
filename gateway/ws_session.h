/* ws_session - the WebSockets of one gateway worker: roles, replies in order, what games and cameras are sent.
 *
 * A session knows no JSON: texts go to ingest with the session's role, and come back as verdicts or as news. */
#ifndef TAGHUB_WS_SESSION_H
#define TAGHUB_WS_SESSION_H

#include "newest.h"
#include "parking.h"
#include "reports.h"
#include "run/worker.h"
#include "uplink.h"

struct ws_sessions;

/** All borrowed; uplink and reports are set later with ws_sessions_set_services(), before the first session opens. */
struct ws_sessions *ws_sessions_new(const struct hub_conf *conf, struct worker *worker, struct newest *newest);
void ws_sessions_set_services(struct ws_sessions *sessions, struct uplink *uplink, struct reports *reports);
/** Closes every socket without a word. */
void ws_sessions_free(struct ws_sessions *sessions);

/**
 * Begins a session on a socket whose handshake was answered, and sends the welcome.
 *
 * sock     taken over, with what it has read already
 * address  of the peer, without port
 * port     of ours, by which it came
 */
void ws_session_open(struct ws_sessions *sessions, h2o_socket_t *sock, const char *address, uint16_t port);

/** Queues a sighting for every game. The frame is borrowed. */
void ws_sessions_broadcast(struct ws_sessions *sessions, struct out_frame *frame, uint64_t arrived_utc_us);

/** Queues a text for the named camera ("" for all). Returns how many cameras match; with tell false only counts. */
uint64_t ws_sessions_command(struct ws_sessions *sessions, const char *camera, struct view event, bool tell);

/** The store has room again: goes on reading. */
void ws_sessions_room(struct ws_sessions *sessions);

/** Whether anything is taken in; it is at the beginning. While it is not, clients are not blamed for their silence. */
void ws_sessions_take_in(struct ws_sessions *sessions, bool take_in);

/** Has every session said all that it owes? */
bool ws_sessions_are_quiet(const struct ws_sessions *sessions);

/**
 * Writes every session down and parks it, with its socket; what cannot be parked is told 1012, "come again". Afterwards
 * there are none here. Sessions of cameras go on as they are in history: see reports_session_adopt().
 */
void ws_sessions_park(struct ws_sessions *sessions, struct parking_writer *parking);

/**
 * Goes on with a session that was parked.
 *
 * sock    taken over, with nothing read from it
 * record  as ws_sessions_park() wrote it
 * returns 0; -EPROTO for a record that is not one, -ENOMEM: the client is then disconnected
 */
int ws_session_adopt(struct ws_sessions *sessions, h2o_socket_t *sock, struct view record);
/** Address of the peer in such a record; "" when it is broken. */
void ws_session_peek_address(struct view record, char address[ADDRESS_BYTES_MAX + 1]);

/** Says 1001 to everybody and lets them go; ws_sessions_count() falls to 0 within the linger time. */
void ws_sessions_close_all(struct ws_sessions *sessions);
uint64_t ws_sessions_count(const struct ws_sessions *sessions);

#endif
