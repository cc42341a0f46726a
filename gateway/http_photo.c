/* http_photo - pictures over HTTP: posted by cameras, fetched by everybody. */
#include <stdio.h>

#include "http_internal.h"
#include "net_address.h"
#include "run/svc.h"
#include "utf8.h"

/* A service that begins, or begins anew, is away for a moment only: a picture is offered again for as long as its
 * sender waits, also one that may have passed already. That cannot harm: one that comes twice is the same newest one, a
 * newer one is not replaced by it, and what was measured of it is told when it is settled, once. */
static void try_later(struct http_wait *wait)
{
    deadline_arm(wait->http->worker->loop, &wait->http->retry_list, &wait->photo_retry);
}

static void answer_verdict(void *requester, const struct msg_verdict *verdict)
{
    struct http_wait *wait = requester;

    wait->photo = NULL;
    if (verdict->http_status == 503) { /* ingest has nobody to pass it on to */
        try_later(wait);
        return;
    }
    http_reply(http_wait_end(wait), (int)verdict->http_status, NULL, verdict->reply);
}

static void answer_settled(void *requester)
{
    struct http_wait *wait = requester;
    char body[64];

    reports_flush(wait->http->reports);
    snprintf(body, sizeof body, "{\"status\": \"success\", \"size\": %zu}", wait->photo_bytes);
    wait->photo = NULL;
    http_reply(http_wait_end(wait), 200, NULL, view_text(body));
}

static bool offer_again(void *requester)
{
    struct http_wait *wait = requester;

    wait->photo = NULL;
    try_later(wait);
    return true;
}

static const struct photo_ops OPS = {.verdict = answer_verdict, .settled = answer_settled, .lost = offer_again};

static bool is_name(struct view given)
{
    uint32_t state = UTF8_START;

    return given.length > 0 && given.length <= NAME_BYTES_MAX && memchr(given.bytes, 0, given.length) == NULL &&
           utf8_feed(&state, given.bytes, given.length) && utf8_is_complete(state);
}

static void name_camera(h2o_req_t *req, char name[NAME_BYTES_MAX + 1])
{
    struct view given = http_header(req, "x-camera-name");
    char address[ADDRESS_BYTES_MAX + 1];

    http_peer_address(req, address);
    if (is_name(given))
        snprintf(name, NAME_BYTES_MAX + 1, "%.*s", (int)given.length, (const char *)given.bytes);
    else
        net_camera_name(address, name);
}

static void offer(struct deadline *retry)
{
    struct http_wait *wait = H2O_STRUCT_FROM_MEMBER(struct http_wait, photo_retry, retry);
    h2o_req_t *req = wait->req;
    struct msg_device_photo message = {.source = SOURCE_HTTP_PHOTO,
                                       .arrived_utc_us = wait->photo_arrived_utc_us,
                                       .authorization = http_header(req, "authorization"),
                                       .jpeg = view_of(req->entity.base, req->entity.len)};

    if (message.authorization.length > 1024)
        message.authorization.length = 1024; /* longer than any token: refused all the same */
    name_camera(req, message.camera);
    if (uplink_submit_photo(wait->http->uplink, &message, &OPS, wait, &wait->photo) < 0)
        try_later(wait);
}

int http_post_photo(struct http *http, h2o_req_t *req)
{
    struct http_wait *wait = http_wait_new(http, req);

    wait->photo_bytes = req->entity.len;
    wait->photo_arrived_utc_us = svc_utc_us();
    wait->photo_retry.fire = offer;
    offer(&wait->photo_retry);
    return 0;
}

static const struct camera_entry *find_photo(struct http *http, h2o_req_t *req, bool *ret_known)
{
    const char *camera = http_query(req, "camera");

    uplink_catch_up_photos(http->uplink); /* a picture whose post was answered anywhere is here now */
    *ret_known = true;
    if (camera != NULL) {
        const struct camera_entry *entry = camera_table_find(http->newest->photos, camera);

        *ret_known = entry != NULL;
        return entry;
    }
    return camera_table_newest(http->newest->photos);
}

/* Seconds with one digit, "12.3s", in the request's pool. By hand: printf took a twentieth of all that /photo costs. */
static const char *age_text(h2o_req_t *req, uint64_t arrived_utc_us)
{
    char text[24] = "", *at = text + sizeof text;
    uint64_t now = svc_utc_us(), tenths = now > arrived_utc_us ? (now - arrived_utc_us + 50000) / 100000 : 0;

    *--at = '\0';
    *--at = 's';
    *--at = (char)('0' + tenths % 10);
    *--at = '.';
    do
        *--at = (char)('0' + (tenths /= 10) % 10);
    while (tenths >= 10);
    return h2o_strdup(&req->pool, at, (size_t)(text + sizeof text - at - 1)).base;
}

int http_get_photo(struct http *http, h2o_req_t *req)
{
    static h2o_generator_t NOTHING_MORE = {NULL, NULL};
    bool known, is_head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    const struct camera_entry *entry = find_photo(http, req, &known);
    const struct kept_photo *kept;
    h2o_iovec_t body;

    if (entry == NULL) {
        http_reply(req, 404, "text/plain; charset=utf-8",
                   view_text(known ? "No photo yet\n" : "No photo of this camera\n"));
        return 0;
    }
    kept = entry->value;
    h2o_mem_addref_shared((void *)(uintptr_t)kept); /* the reply sends it from where it lies */
    h2o_mem_link_shared(&req->pool, (void *)(uintptr_t)kept);
    h2o_mem_release_shared((void *)(uintptr_t)kept);
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = kept->photo.jpeg.length;
    http_add_header(req, "Content-Type", "image/jpeg");
    http_add_header(req, "Cache-Control", "no-cache, no-store, must-revalidate");
    http_add_header(req, "Pragma", "no-cache");
    http_add_header(req, "Expires", "0");
    http_add_header(req, "X-Frame-Age", age_text(req, entry->arrived_utc_us));
    http_add_header(req, "X-Content-Type-Options", "nosniff");
    body = h2o_iovec_init(kept->photo.jpeg.bytes, kept->photo.jpeg.length);
    h2o_start_response(req, &NOTHING_MORE);
    h2o_send(req, &body, is_head ? 0 : 1, H2O_SEND_STATE_FINAL);
    return 0;
}
