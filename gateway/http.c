/* http - see http.h.
 *
 * Invariants
 *   H1  the limit of a body is its route's, and is applied when the request's head is complete: libh2o asks its
 *       configuration for one limit at that moment, so it is set right before libh2o reads, from the request line that
 *       is in the buffer (body_guard below). A request that was pipelined behind another is judged when it is whole
 *   H2  whoever waits for a service has a deadline, because libh2o has none
 *   H3  Access-Control-Allow-Origin is added in one place, to every reply, also to those that libh2o makes
 *   H4  a connection that libh2o ends in the middle of a request lingers, so that the client can read why
 */
#include "http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <h2o/http1.h>

#include "http_linger.h"
#include "net_address.h"

static const struct http_route ROUTES[] = {
#define ROUTE(path_, ports_, method_, body_, cors_, handler_, meaning_)                                                \
    {.path = (path_),                                                                                                  \
     .ports = (ports_),                                                                                                \
     .method = METHOD_##method_,                                                                                       \
     .body = BODY_##body_,                                                                                             \
     .cors = CORS_##cors_,                                                                                             \
     .handler = (handler_),                                                                                            \
     .meaning = (meaning_)},
#include "routes.def"
};

#define FRESH_MS 150u /* between a connection and its first request */

static const char *const ALLOW[] = {[METHOD_GET] = "GET, HEAD, OPTIONS", [METHOD_POST] = "POST, OPTIONS"};
static const char *const CORS_METHODS[] = {[METHOD_GET] = "GET, OPTIONS", [METHOD_POST] = "POST, OPTIONS"};

/* An accepted socket, until it closes. */
struct http_conn {
    struct http *http;
    h2o_socket_t *sock;
    enum http_port port;
    h2o_socket_cb h2o_read; /* what body_guard stands before */
    bool upgraded;
    bool dispatched;                /* a whole request is in our hands, not libh2o's */
    bool served;                    /* any request was */
    bool marked;                    /* it was busy at http_mark_busy(), and that request is not over */
    const struct http_route *route; /* while dispatched: NULL for a path that is not in the table */
    uint64_t accepted_mono_ms;
    int linger_fd; /* H4: a duplicate that keeps the connection when libh2o closes it; -1: none */
    char address[ADDRESS_BYTES_MAX + 1];
    struct loop_task guard_task;
    struct http_conn *next, **slot;
};

static const struct http_route *find_route(struct view path, enum http_port port)
{
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
        if ((ROUTES[i].ports & (unsigned)port) != 0 && view_equals(view_text(ROUTES[i].path), path))
            return &ROUTES[i];
    }
    return NULL;
}

static size_t body_limit(const struct http *http, const struct http_route *route)
{
    return route != NULL && route->body == BODY_PHOTO ? http->conf->photo_max_bytes : http->conf->text_max_bytes;
}

/* ---- replies ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } REASONS[] = {{101, "Switching Protocols"}, {200, "OK"},
                   {400, "Bad Request"},         {401, "Unauthorized"},
                   {404, "Not Found"},           {405, "Method Not Allowed"},
                   {413, "Payload Too Large"},   {415, "Unsupported Media Type"},
                   {426, "Upgrade Required"},    {503, "Service Unavailable"}};

    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++) {
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    }
    return "Error";
}

void http_reply(h2o_req_t *req, int status, const char *type, struct view body)
{
    static h2o_generator_t NOTHING_MORE = {NULL, NULL};
    h2o_iovec_t content = h2o_strdup(&req->pool, (const char *)body.bytes, body.length);
    bool is_head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));

    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = body.length;
    if (body.length > 0)
        http_add_header(req, "Content-Type", type != NULL ? type : "application/json");
    h2o_start_response(req, &NOTHING_MORE);
    h2o_send(req, &content, is_head || body.length == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void http_reply_error(h2o_req_t *req, int status, const char *sentence)
{
    char body[256];

    snprintf(body, sizeof body, "{\"status\": \"error\", \"error\": \"%s\", \"message\": \"%s\"}", sentence, sentence);
    http_reply(req, status, NULL, view_text(body));
}

struct view http_header(const h2o_req_t *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);

    if (at < 0)
        return view_of(NULL, 0);
    return view_of(req->headers.entries[at].value.base, req->headers.entries[at].value.len);
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Returns "" for a broken escape or a NUL. */
static const char *percent_decode(h2o_mem_pool_t *pool, const char *text, size_t length)
{
    char *decoded = h2o_mem_alloc_pool(pool, length + 1);
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i] == '+' ? ' ' : text[i];

        if (c == '%') {
            if (length - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return "";
            c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        if (c == '\0')
            return "";
        decoded[count++] = c;
    }
    decoded[count] = '\0';
    return decoded;
}

const char *http_query(h2o_req_t *req, const char *name)
{
    const char *at, *end = req->path.base + req->path.len;
    size_t name_length = strlen(name);

    if (req->query_at == SIZE_MAX)
        return NULL;
    for (at = req->path.base + req->query_at + 1; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        size_t length = (size_t)((stop != NULL ? stop : end) - at);

        if (length > name_length && memcmp(at, name, name_length) == 0 && at[name_length] == '=')
            return percent_decode(&req->pool, at + name_length + 1, length - name_length - 1);
        at += length + 1;
    }
    return NULL;
}

static struct http_conn *conn_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

void http_peer_address(h2o_req_t *req, char address[ADDRESS_BYTES_MAX + 1])
{
    memcpy(address, conn_of(req)->address, ADDRESS_BYTES_MAX + 1);
}

uint16_t http_port_number(h2o_req_t *req)
{
    const struct http_conn *conn = conn_of(req);

    return conn->port == PORT_MAIN ? conn->http->conf->http_port : conn->http->conf->ws_port;
}

bool http_is_json(const h2o_req_t *req)
{
    static const char JSON[] = "application/json";
    struct view type = http_header(req, "content-type");
    size_t length = sizeof JSON - 1;

    if (type.length < length || !h2o_lcstris((const char *)type.bytes, length, JSON, length))
        return false;
    return type.length == length || type.bytes[length] == ';' || type.bytes[length] == ' ';
}

/* ---- replies that come later (H2) ---- */

h2o_req_t *http_wait_end(struct http_wait *wait)
{
    h2o_req_t *req = wait->req;

    if (req == NULL)
        return NULL;
    wait->req = NULL;
    deadline_disarm(&wait->deadline);
    deadline_disarm(&wait->photo_retry);
    if (wait->text != NULL)
        unsettled_abandon(wait->text);
    if (wait->photo != NULL)
        photo_wait_abandon(wait->photo);
    wait->text = NULL;
    wait->photo = NULL;
    *wait->slot = wait->next;
    if (wait->next != NULL)
        wait->next->slot = wait->slot;
    return req;
}

static void wait_dispose(void *wait)
{
    http_wait_end(wait);
}

static void wait_too_long(struct deadline *deadline)
{
    struct http_wait *wait = H2O_STRUCT_FROM_MEMBER(struct http_wait, deadline, deadline);

    count_refused(wait->http->worker->slot, REJECT_deadline);
    if (wait->text != NULL) /* its sender will go on, by any worker: sent again, this would come behind what is newer */
        uplink_withdraw(wait->http->uplink, wait->text);
    wait->text = NULL;
    http_reply_error(http_wait_end(wait), 503, "no answer from the services in time; it may still be delivered");
}

struct http_wait *http_wait_new(struct http *http, h2o_req_t *req)
{
    struct http_wait *wait = h2o_mem_alloc_shared(&req->pool, sizeof *wait, wait_dispose);

    *wait = (struct http_wait){.http = http, .req = req, .next = http->waits, .slot = &http->waits};
    if (wait->next != NULL)
        wait->next->slot = &wait->next;
    http->waits = wait;
    wait->deadline.fire = wait_too_long;
    deadline_arm(http->worker->loop, &http->wait_list, &wait->deadline);
    return wait;
}

/* ---- dispatch ---- */

struct door_handler {
    h2o_handler_t super;
    struct http *http;
    enum http_port port;
};

static int answer_options(h2o_req_t *req, const struct http_route *route)
{
    struct view asked = http_header(req, "access-control-request-headers");
    bool preflight = http_header(req, "access-control-request-method").bytes != NULL;

    http_add_header(req, "Allow", ALLOW[route->method]);
    if (preflight || route->cors == CORS_ALWAYS) {
        http_add_header(req, "Access-Control-Allow-Methods", CORS_METHODS[route->method]);
        if (asked.length > 0)
            http_add_header(req, "Access-Control-Allow-Headers",
                            h2o_strdup(&req->pool, (const char *)asked.bytes, asked.length).base);
        else if (route->cors == CORS_ALWAYS)
            http_add_header(req, "Access-Control-Allow-Headers", "Content-Type");
    }
    http_reply(req, 200, NULL, view_of(NULL, 0));
    return 0;
}

static bool method_fits(h2o_iovec_t method, const struct http_route *route)
{
    if (route->method == METHOD_POST)
        return h2o_memis(method.base, method.len, H2O_STRLIT("POST"));
    return h2o_memis(method.base, method.len, H2O_STRLIT("GET")) ||
           h2o_memis(method.base, method.len, H2O_STRLIT("HEAD"));
}

struct view http_path(const h2o_req_t *req)
{
    return view_of(req->path.base, req->query_at == SIZE_MAX ? req->path.len : req->query_at);
}

static void request_over(void *hook);

static int on_request(h2o_handler_t *super, h2o_req_t *req)
{
    struct door_handler *door = (struct door_handler *)super;
    const struct http_route *route = find_route(http_path(req), door->port);
    struct http_conn **hook = h2o_mem_alloc_shared(&req->pool, sizeof *hook, request_over);

    *hook = conn_of(req);
    (*hook)->dispatched = (*hook)->served = true;
    (*hook)->route = route;
    count_add(door->http->worker->slot, COUNTER_http_requests, 1);
    if (route == NULL) {
        http_reply(req, 404, "text/plain; charset=utf-8", view_text("Not found\n"));
        return 0;
    }
    if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS")))
        return answer_options(req, route);
    if (!method_fits(req->method, route)) {
        http_add_header(req, "Allow", ALLOW[route->method]);
        http_reply(req, 405, "text/plain; charset=utf-8", view_text("Method not allowed\n"));
        return 0;
    }
    if (req->entity.len > body_limit(door->http, route)) {
        count_refused(door->http->worker->slot, REJECT_too_large);
        http_reply_error(req, 413, "the body is over the limit");
        return 0;
    }
    return route->handler(door->http, req);
}

/* ---- H3 and H4 ---- */

static void on_reply(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct http_conn *conn = conn_of(req);
    const struct http_route *route = conn->dispatched ? conn->route : find_route(http_path(req), conn->port);

    (void)filter;
    if ((route != NULL && route->cors == CORS_ALWAYS) || http_header(req, "origin").bytes != NULL)
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN, NULL, H2O_STRLIT("*"));
    if (!conn->dispatched && conn->linger_fd < 0) /* libh2o refuses what has come so far, and will close */
        conn->linger_fd = fcntl(h2o_socket_get_fd(conn->sock), F_DUPFD_CLOEXEC, 0);
    h2o_setup_next_ostream(req, slot);
}

/* ---- H1 ---- */

/* The route of the POST whose head begins the buffer; NULL when there is none, or no whole request line. */
static const struct http_route *route_in_buffer(const h2o_buffer_t *input, enum http_port port)
{
    const char *path, *end = input->bytes + input->size, *stop;

    path = input->size > 0 && input->bytes[0] == 'P' ? memchr(input->bytes, ' ', input->size) : NULL;
    if (path == NULL)
        return NULL; /* other methods get no more than a text may have */
    for (stop = ++path; stop < end && *stop != ' ' && *stop != '?'; stop++)
        ;
    return stop < end ? find_route(view_of(path, (size_t)(stop - path)), port) : NULL;
}

static void body_guard(h2o_socket_t *sock, const char *err)
{
    struct http_conn *conn = sock->on_close.data;
    struct http *http = conn->http; /* conn may be gone afterwards */

    http->config.max_request_entity_size = body_limit(http, route_in_buffer(sock->input, conn->port));
    conn->h2o_read(sock, err);
    http->config.max_request_entity_size = http->conf->photo_max_bytes;
}

/* libh2o sets its reader anew for every request of a connection. */
static void set_body_guard(struct loop_task *task)
{
    struct http_conn *conn = H2O_STRUCT_FROM_MEMBER(struct http_conn, guard_task, task);

    if (conn->upgraded || conn->sock->_cb.read == NULL || conn->sock->_cb.read == body_guard)
        return;
    conn->h2o_read = conn->sock->_cb.read;
    conn->sock->_cb.read = body_guard;
}

static void request_over(void *hook)
{
    struct http_conn *conn = *(struct http_conn **)hook;

    conn->dispatched = conn->marked = false;
    loop_at_turn_end(conn->http->worker->loop, &conn->guard_task);
}

/* ---- connections ---- */

static void count_conns(const struct http *http)
{
    count_set(http->worker->slot, COUNTER_http_connections, http->conn_count - http->websocket_count);
}

static void conn_closed(void *data)
{
    struct http_conn *conn = data;
    struct http *http = conn->http;

    loop_task_cancel(&conn->guard_task);
    if (conn->linger_fd >= 0)
        http_linger(http->lingers, &conn->linger_fd);
    *conn->slot = conn->next;
    if (conn->next != NULL)
        conn->next->slot = conn->slot;
    http->conn_count--;
    http->websocket_count -= conn->upgraded;
    count_conns(http);
    free(conn);
}

void http_conn_upgraded(struct http *http, h2o_socket_t *sock)
{
    struct http_conn *conn = sock->on_close.data;

    conn->upgraded = true;
    loop_task_cancel(&conn->guard_task);
    http->websocket_count++;
    count_conns(http);
}

static bool address_may_have_more(const struct http *http, const char *address)
{
    uint32_t limit = http->conf->connections_per_address_max_count, count = 0;

    if (limit == 0)
        return true;
    for (const struct http_conn *conn = http->conns; conn != NULL; conn = conn->next)
        count += strcmp(conn->address, address) == 0;
    return count < limit;
}

static struct http_conn *conn_new(struct http *http, h2o_socket_t *sock, enum http_port port)
{
    struct http_conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL)
        return NULL;
    conn->http = http;
    conn->sock = sock;
    conn->port = port;
    conn->linger_fd = -1;
    conn->guard_task.run = set_body_guard;
    conn->next = http->conns;
    conn->slot = &http->conns;
    if (conn->next != NULL)
        conn->next->slot = &conn->next;
    http->conns = conn;
    http->conn_count++;
    sock->on_close.cb = conn_closed;
    sock->on_close.data = conn;
    return conn;
}

void http_accept(struct http *http, h2o_socket_t *sock, enum http_port port)
{
    char address[ADDRESS_BYTES_MAX + 1] = "";
    struct sockaddr_storage peer;
    socklen_t length = h2o_socket_getpeername(sock, (struct sockaddr *)&peer);
    struct http_conn *conn = NULL;
    struct timeval now;

    if (length > 0)
        net_address_text((struct sockaddr *)&peer, address);
    if (address[0] != '\0' && address_may_have_more(http, address))
        conn = conn_new(http, sock, port);
    else if (address[0] != '\0')
        count_refused(http->worker->slot, REJECT_rate);
    if (conn == NULL) {
        h2o_socket_close(sock);
        return;
    }
    memcpy(conn->address, address, sizeof conn->address);
    conn->accepted_mono_ms = loop_now_mono_ms(http->worker->loop);
    count_conns(http);
    gettimeofday(&now, NULL);
    h2o_http1_accept(&http->accept[port == PORT_MAIN ? 0 : 1], sock, now);
    set_body_guard(&conn->guard_task);
}

int http_adopt(struct http *http, int fd, struct view record)
{
    h2o_socket_t *sock =
        h2o_evloop_socket_create(loop_h2o(http->worker->loop), fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    struct http_conn *conn = conn_new(http, sock, PORT_MAIN); /* its port matters no more: it asks nothing by HTTP */

    if (conn == NULL) {
        h2o_socket_close(sock);
        return -ENOMEM;
    }
    ws_session_peek_address(record, conn->address);
    http_conn_upgraded(http, sock);
    return ws_session_adopt(http->sessions, sock, record);
}

/* Who has just connected is about to ask. */
static bool conn_is_busy(const struct http_conn *conn, uint64_t now_mono_ms)
{
    bool is_fresh = !conn->served && now_mono_ms - conn->accepted_mono_ms < FRESH_MS;

    return !conn->upgraded &&
           (is_fresh || conn->dispatched || conn->sock->input->size > 0 || h2o_socket_is_writing(conn->sock));
}

bool http_is_busy(const struct http *http)
{
    const struct http_conn *conn = http->conns;

    while (conn != NULL && !conn_is_busy(conn, loop_now_mono_ms(http->worker->loop)))
        conn = conn->next;
    return conn != NULL || http->waits != NULL;
}

void http_mark_busy(struct http *http)
{
    for (struct http_conn *conn = http->conns; conn != NULL; conn = conn->next)
        conn->marked = conn_is_busy(conn, loop_now_mono_ms(http->worker->loop));
}

bool http_is_marked_busy(const struct http *http)
{
    const struct http_conn *conn = http->conns;

    while (conn != NULL && !(conn->marked && conn_is_busy(conn, loop_now_mono_ms(http->worker->loop))))
        conn = conn->next;
    return conn != NULL;
}

uint64_t http_connection_count(const struct http *http)
{
    return http->conn_count;
}

void http_begin_stop(struct http *http)
{
    http->stopping = true;
    h2o_context_request_shutdown(&http->context);
}

void http_abort(struct http *http)
{
    while (http->waits != NULL)
        http_reply_error(http_wait_end(http->waits), 503, "the hub stops");
    for (struct http_conn *conn = http->conns; conn != NULL; conn = conn->next) {
        if (!conn->upgraded)
            shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    }
}

/* ---- the whole ---- */

/* Each port is a host of its own, and the only one its connections know: the Host header plays no part. */
static void open_door(struct http *http, int index, enum http_port port)
{
    h2o_iovec_t name = port == PORT_MAIN ? h2o_iovec_init(H2O_STRLIT("main")) : h2o_iovec_init(H2O_STRLIT("ws"));
    h2o_hostconf_t *host = h2o_config_register_host(&http->config, name, 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct door_handler *handler = (struct door_handler *)h2o_create_handler(path, sizeof *handler);

    handler->super.on_req = on_request;
    handler->http = http;
    handler->port = port;
    h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = on_reply;
    h2o_create_filter(&host->fallback_path, sizeof(h2o_filter_t))->on_setup_ostream = on_reply;
    http->hosts[index][0] = host;
    http->accept[index] = (h2o_accept_ctx_t){.ctx = &http->context, .hosts = http->hosts[index]};
}

struct http *http_new(const struct hub_conf *conf, struct worker *worker, struct newest *newest,
                      struct ws_sessions *sessions)
{
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL)
        return NULL;
    http->lingers = http_lingers_new(worker->loop);
    if (http->lingers == NULL) {
        free(http);
        return NULL;
    }
    http->conf = conf;
    http->worker = worker;
    http->newest = newest;
    http->sessions = sessions;
    loop_add_deadlines(worker->loop, &http->wait_list, conf->post_deadline_ms);
    loop_add_deadlines(worker->loop, &http->retry_list, HTTP_RETRY_MS);
    h2o_config_init(&http->config);
    http->config.server_name = h2o_iovec_init(H2O_STRLIT("taghub"));
    http->config.max_request_entity_size = conf->photo_max_bytes;
    http->config.http1.req_timeout = conf->http_request_deadline_ms;
    http->config.http1.upgrade_to_http2 = 0;
    open_door(http, 0, PORT_MAIN);
    open_door(http, 1, PORT_WS);
    h2o_context_init(&http->context, loop_h2o(worker->loop), &http->config);
    return http;
}

void http_set_services(struct http *http, struct uplink *uplink, struct reports *reports)
{
    http->uplink = uplink;
    http->reports = reports;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    if (http->stopping) /* libh2o would miss it: it is linked for a second after the request to stop */
        h2o_timeout_unlink(&http->context.http2._graceful_shutdown_timeout);
    h2o_context_dispose(&http->context);
    h2o_config_dispose(&http->config);
    http_lingers_free(http->lingers);
    loop_remove_deadlines(http->worker->loop, &http->wait_list);
    loop_remove_deadlines(http->worker->loop, &http->retry_list);
    free(http);
}
