/* http_ask - requests that a service answers: the gateway passes the question on and the answer back.
 *
 * A service that is away is known at once; one that hangs is noticed by the deadline of the wait. */
#include <stdio.h>

#include "http_internal.h"

static const char *const TYPES[QUESTION_COUNT] = {
    [QUESTION_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8", /* the others: application/json */
};

static void reply_away(h2o_req_t *req, enum peer_kind service)
{
    char sentence[64];

    snprintf(sentence, sizeof sentence, "the service %s is away", peer_name(service));
    http_reply_error(req, 503, sentence);
}

static bool pass_on(struct http *http, enum peer_kind service, const struct msg_ask *ask)
{
    return service == PEER_FANOUT ? uplink_ask(http->uplink, ask) : reports_ask(http->reports, service, ask);
}

static int ask(struct http *http, h2o_req_t *req, enum peer_kind service, enum question question)
{
    const char *camera = http_query(req, "camera");
    struct msg_ask message = {.request = ++http->ask_count,
                              .question = question,
                              .named = camera != NULL,
                              .hub_started_utc_us = http->worker->page->started_utc_us};
    struct http_wait *wait;

    /* a name that is too long is one that nobody has; so is an empty one */
    if (camera != NULL && strlen(camera) <= NAME_BYTES_MAX)
        memcpy(message.camera, camera, strlen(camera) + 1);
    wait = http_wait_new(http, req);
    wait->ask = message.request;
    wait->asked = service;
    wait->type = TYPES[question];
    if (!pass_on(http, service, &message))
        reply_away(http_wait_end(wait), service);
    return 0;
}

void http_answer(struct http *http, const struct msg_answer *answer)
{
    struct http_wait *wait = http->waits;
    const char *type;

    while (wait != NULL && wait->ask != answer->request)
        wait = wait->next;
    if (wait == NULL)
        return; /* the client has gone, or was told that it took too long */
    type = answer->http_status == 200 ? wait->type : NULL;
    http_reply(http_wait_end(wait), (int)answer->http_status, type, answer->body);
}

void http_answers_lost(struct http *http, enum peer_kind service)
{
    struct http_wait *wait = http->waits, *next;

    for (; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->ask != 0 && wait->asked == service)
            reply_away(http_wait_end(wait), service);
    }
}

/* ---- the routes ---- */

int http_get_poll(struct http *http, h2o_req_t *req)
{
    if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD")))
        return ask(http, req, PEER_FANOUT, QUESTION_POLL);
    http_reply(req, 200, NULL, view_text("{}")); /* a HEAD takes nothing out of the queue */
    return 0;
}

int http_get_video_fps(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_METRICS, QUESTION_VIDEO_FPS);
}

int http_get_video_stats(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_METRICS, QUESTION_VIDEO_STATS);
}

int http_get_cameras(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_METRICS, QUESTION_CAMERAS);
}

int http_get_prometheus(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_METRICS, QUESTION_PROMETHEUS);
}

int http_get_connection_uptime(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_HISTORY, QUESTION_CONNECTION_UPTIME);
}

int http_get_connection_history(struct http *http, h2o_req_t *req)
{
    return ask(http, req, PEER_HISTORY, QUESTION_CONNECTION_HISTORY);
}
