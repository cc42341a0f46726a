/* http_internal - what http.c and the handlers of the routes share. */
#ifndef TAGHUB_HTTP_INTERNAL_H
#define TAGHUB_HTTP_INTERNAL_H

#include "http.h"

#define HTTP_RETRY_MS 25u

enum http_method { METHOD_GET, METHOD_POST };
enum http_body { BODY_NONE, BODY_JSON, BODY_PHOTO };
enum http_cors { CORS_ASKED, CORS_ALWAYS };

/** Returns 0 when it answered or will answer. */
typedef int (*http_handler)(struct http *http, h2o_req_t *req);

struct http_route {
    const char *path;
    unsigned ports;
    enum http_method method;
    enum http_body body;
    enum http_cors cors;
    http_handler handler;
    const char *meaning;
};

#define ROUTE(path, ports, method, body, cors, handler, meaning) int handler(struct http *http, h2o_req_t *req);
#include "routes.def"

/** The path without query. */
struct view http_path(const h2o_req_t *req);

struct http {
    const struct hub_conf *conf;
    struct worker *worker;
    struct newest *newest;
    struct ws_sessions *sessions;
    struct uplink *uplink;
    struct reports *reports;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_hostconf_t *hosts[2][2]; /* per port: one host and NULL */
    h2o_accept_ctx_t accept[2];
    struct http_conn *conns;
    struct http_lingers *lingers;
    uint64_t conn_count, websocket_count;
    struct http_wait *waits;
    struct deadline_list wait_list;
    struct deadline_list retry_list; /* after HTTP_RETRY_MS somebody looks or asks again */
    uint64_t ask_count;              /* numbers the questions */
    bool stopping;
};

/* ---- replies ---- */

/** Answers. The body is copied; HEAD gets the headers alone. type NULL means application/json. */
void http_reply(h2o_req_t *req, int status, const char *type, struct view body);
/** {"status":"error","error":...,"message":...}: serves clients that look for either member. */
void http_reply_error(h2o_req_t *req, int status, const char *sentence);
/** Name and value are borrowed: literals, or memory of the request's pool. */
static inline void http_add_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 0, name, value, strlen(value));
}
/** A request header; bytes NULL when absent. */
struct view http_header(const h2o_req_t *req, const char *name);
/** A query parameter, percent-decoded, as text in the request's pool; NULL when absent, "" when malformed. */
const char *http_query(h2o_req_t *req, const char *name);
/** Seconds since the gateway was started, truncated. */
uint64_t http_uptime_s(const struct http *http);
/** Address of the peer without port; v4-mapped IPv6 as IPv4. */
void http_peer_address(h2o_req_t *req, char address[ADDRESS_BYTES_MAX + 1]);
/** Number of the port by which the request came. */
uint16_t http_port_number(h2o_req_t *req);
/** Is the Content-Type application/json, with any parameters? */
bool http_is_json(const h2o_req_t *req);

/* ---- replies that come later ---- */

/** A request that waits for a service. Lives in the request's pool and dies with it. */
struct http_wait {
    struct http *http;
    h2o_req_t *req; /* NULL once answered */
    struct unsettled *text;
    struct photo_wait *photo;
    uint64_t ask;         /* number of the question, 0 = none */
    enum peer_kind asked; /* whom */
    const char *type;     /* of the answer; NULL: application/json */
    size_t photo_bytes;
    uint64_t photo_arrived_utc_us;
    struct deadline photo_retry;
    struct deadline deadline;
    struct http_wait *next, **slot;
};

/** Begins to wait, at most post_deadline_ms; then the client is told 503. */
struct http_wait *http_wait_new(struct http *http, h2o_req_t *req);
/** Ends the wait and hands the request back, to be answered; NULL when it is gone. */
h2o_req_t *http_wait_end(struct http_wait *wait);

/** Takes the socket out of HTTP: it is a WebSocket now. */
void http_conn_upgraded(struct http *http, h2o_socket_t *sock);

#endif
