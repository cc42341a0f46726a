/* http_text - requests whose body is JSON for ingest to judge: telemetry, and the interval of pictures. */
#include "http_internal.h"
#include "net_address.h"
#include "run/svc.h"

static void answer_verdict(void *requester, const struct msg_verdict *verdict)
{
    struct http_wait *wait = requester;

    wait->text = NULL;
    http_reply(http_wait_end(wait), (int)verdict->http_status, NULL, verdict->reply);
}

static void answer_settled(void *requester, const struct unsettled *entry)
{
    struct http_wait *wait = requester;

    (void)entry;
    wait->text = NULL;
    http_reply(http_wait_end(wait), 200, NULL, view_text("{\"status\": \"received\", \"event\": \"apriltag_ack\"}"));
}

static void answer_command(void *requester, const struct msg_command_result *result)
{
    struct http_wait *wait = requester;
    h2o_req_t *req;

    wait->text = NULL;
    req = http_wait_end(wait);
    if (result->cameras_count > 0)
        http_reply(req, 200, NULL, result->reply);
    else
        http_reply_error(req, 503, "ESP32 not connected");
}

static const struct requester_ops OPS = {
    .verdict = answer_verdict, .settled = answer_settled, .command_result = answer_command};

static int submit(struct http *http, h2o_req_t *req, enum source source)
{
    struct msg_device_text message = {.source = source,
                                      .arrived_utc_us = svc_utc_us(),
                                      .typed = http_is_json(req),
                                      .authorization = http_header(req, "authorization"),
                                      .text = view_of(req->entity.base, req->entity.len)};
    struct http_wait *wait;

    if (message.authorization.length > 1024)
        message.authorization.length = 1024; /* longer than any token: refused all the same */
    http_peer_address(req, message.address);
    net_camera_name(message.address, message.fallback_name);
    if (!uplink_has_room(http->uplink, message.text.length + message.authorization.length)) {
        count_refused(http->worker->slot, REJECT_overload);
        http_reply_error(req, 503, "too much waits to be delivered");
        return 0;
    }
    wait = http_wait_new(http, req);
    if (uplink_submit(http->uplink, &message, &OPS, wait, &wait->text) < 0)
        http_reply_error(http_wait_end(wait), 503, "out of memory");
    return 0;
}

int http_post_tag(struct http *http, h2o_req_t *req)
{
    return submit(http, req, SOURCE_HTTP_TAG);
}

int http_post_interval(struct http *http, h2o_req_t *req)
{
    return submit(http, req, SOURCE_HTTP_INTERVAL);
}
