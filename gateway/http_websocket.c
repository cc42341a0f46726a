/* http_websocket - from an HTTP request to a session: the checks of the contract, then the socket changes hands. */
#include "http_internal.h"

#include "ws_handshake.h"

#include <h2o/http1.h>

struct upgrade {
    struct http *http;
    char address[ADDRESS_BYTES_MAX + 1];
    uint16_t port;
};

static void on_upgraded(void *data, h2o_socket_t *sock, size_t request_bytes)
{
    struct upgrade *upgrade = data;

    if (sock != NULL) {
        h2o_buffer_consume(&sock->input, request_bytes);
        http_conn_upgraded(upgrade->http, sock);
        if (upgrade->http->stopping)
            h2o_socket_close(sock);
        else
            ws_session_open(upgrade->http->sessions, sock, upgrade->address, upgrade->port);
    }
    free(upgrade);
}

/* All lines of one header as one list; NULL bytes when there is none. */
static struct view header_list(h2o_req_t *req, const char *name)
{
    h2o_iovec_t list = {NULL, 0};
    ssize_t at = -1;

    while ((at = h2o_find_header_by_str(&req->headers, name, strlen(name), at)) >= 0) {
        h2o_iovec_t value = req->headers.entries[at].value;

        list = list.base == NULL ? value : h2o_concat(&req->pool, list, h2o_iovec_init(H2O_STRLIT(",")), value);
    }
    return view_of(list.base, list.len);
}

/* libh2o moves Upgrade out of the headers when Connection names it. */
static struct view upgrade_header(h2o_req_t *req)
{
    return req->upgrade.base != NULL ? view_of(req->upgrade.base, req->upgrade.len) : header_list(req, "upgrade");
}

static int refuse(struct http *http, h2o_req_t *req, int status, const char *problem)
{
    if (status == 426) {
        http_add_header(req, "Upgrade", "websocket");
        http_add_header(req, "Sec-WebSocket-Version", "13");
    }
    count_refused(http->worker->slot, REJECT_protocol);
    http_reply(req, status, "text/plain; charset=utf-8", view_text(problem));
    return 0;
}

int http_websocket(struct http *http, h2o_req_t *req)
{
    struct ws_handshake handshake = {.method = view_of(req->method.base, req->method.len),
                                     .http_version = (uint16_t)req->version,
                                     .upgrade = upgrade_header(req),
                                     .connection = header_list(req, "connection"),
                                     .key = http_header(req, "sec-websocket-key"),
                                     .version = http_header(req, "sec-websocket-version")};
    char accept[WS_ACCEPT_SIZE];
    const char *problem = "";
    struct upgrade *upgrade;
    int status;

    if (!ws_handshake_wanted(&handshake)) /* the contract: 400 at /websocket, 426 at / */
        return refuse(http, req, req->path.len > 1 && req->path.base[1] != '?' ? 400 : 426,
                      "This is a WebSocket endpoint\n");
    status = ws_handshake_check(&handshake, accept, &problem);
    if (status != 101)
        return refuse(http, req, status, problem);
    upgrade = h2o_mem_alloc(sizeof *upgrade);
    upgrade->http = http;
    http_peer_address(req, upgrade->address);
    upgrade->port = http_port_number(req);
    req->res.status = 101;
    req->res.reason = "Switching Protocols";
    http_add_header(req, "Upgrade", "websocket");
    http_add_header(req, "Sec-WebSocket-Accept", h2o_strdup(&req->pool, accept, SIZE_MAX).base);
    h2o_http1_upgrade(req, NULL, 0, on_upgraded, upgrade);
    return 0;
}
