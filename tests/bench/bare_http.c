/* bare_http - the least an HTTP server on libh2o can cost: a constant answer to every request.
 *
 *   bare_http PORT FILE      GET is answered with the file, POST with a line of JSON
 */
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { ACCEPTS_PER_TURN = 64, BODY_MAX_BYTES = 1 << 20 };

struct bare_handler {
    h2o_handler_t super; /* first: libh2o hands it to on_request */
    h2o_iovec_t picture;
};

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    static h2o_generator_t generator;
    bool is_post = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"));
    h2o_iovec_t body = is_post ? h2o_iovec_init(H2O_STRLIT("{\"status\": \"received\", \"event\": \"apriltag_ack\"}"))
                               : ((struct bare_handler *)self)->picture;
    const char *type = is_post ? "application/json" : "image/jpeg";

    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = body.len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    h2o_start_response(req, &generator);
    h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    h2o_socket_t *accepted;

    if (error != NULL)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN && (accepted = h2o_evloop_socket_accept(listener)) != NULL; i++)
        h2o_accept(listener->data, accepted);
}

static h2o_iovec_t must_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    h2o_iovec_t body = {.base = must_alloc(BODY_MAX_BYTES, 1)};

    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    body.len = fread(body.base, 1, BODY_MAX_BYTES, file);
    fclose(file);
    return body;
}

int main(int argc, char **argv)
{
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept_context = {.ctx = &context};
    h2o_hostconf_t *host;
    struct bare_handler *handler;
    h2o_socket_t *listener;

    if (argc != 3)
        die("usage: bare_http PORT FILE");
    signal(SIGPIPE, SIG_IGN);
    h2o_config_init(&config);
    host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    handler = (void *)h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof *handler);
    handler->super.on_req = on_request;
    handler->picture = must_read(argv[2]);
    h2o_context_init(&context, h2o_evloop_create(), &config);
    accept_context.hosts = config.hosts;
    listener = h2o_evloop_socket_create(context.loop, must_listen(argv[1]), H2O_SOCKET_FLAG_DONT_READ);
    listener->data = &accept_context;
    h2o_socket_read_start(listener, on_accept);
    while (h2o_evloop_run(context.loop, INT32_MAX) == 0)
        ;
    return EXIT_FAILURE;
}
