/* http - the HTTP side of a gateway worker: one table of routes, the rules all of them share, replies that come later.
 *
 * libh2o parses and writes; what the contract demands beyond it is here: limits per route judged before the body
 * arrives, 404/405/OPTIONS/CORS, deadlines for replies that wait for a service. */
#ifndef TAGHUB_HTTP_H
#define TAGHUB_HTTP_H

#include "newest.h"
#include "reports.h"
#include "run/worker.h"
#include "uplink.h"
#include "ws_session.h"

enum http_port { PORT_MAIN = 1, PORT_WS = 2 };

struct http;

/** All borrowed; uplink and reports are set later. NULL without memory. */
struct http *http_new(const struct hub_conf *conf, struct worker *worker, struct newest *newest,
                      struct ws_sessions *sessions);
void http_set_services(struct http *http, struct uplink *uplink, struct reports *reports);
/** Every connection must be over: http_connection_count() is 0, or http_abort() was called. */
void http_free(struct http *http);

/** Serves an accepted socket (taken over), or closes it when its address has too many. */
void http_accept(struct http *http, h2o_socket_t *sock, enum http_port port);

/** Goes on with a parked WebSocket; fd is taken over. See ws_session_adopt(). */
int http_adopt(struct http *http, int fd, struct view record);

/** Is a request under way, as far as it is known: being read, waiting for a service, or being answered? */
bool http_is_busy(const struct http *http);
/** Remembers which connections are busy now. */
void http_mark_busy(struct http *http);
/** Is a request under way that was so at the last http_mark_busy()? */
bool http_is_marked_busy(const struct http *http);

/** Open sockets that came through http_accept(), those that became WebSockets included. */
uint64_t http_connection_count(const struct http *http);

/** No new requests on open connections; what is under way is finished. */
void http_begin_stop(struct http *http);
/** Cuts the connections that are left, WebSockets excepted. */
void http_abort(struct http *http);

/** What services answer to questions that came by HTTP. */
void http_answer(struct http *http, const struct msg_answer *answer);
/** This service is lost: no answer comes to what it was asked. */
void http_answers_lost(struct http *http, enum peer_kind service);

#endif
