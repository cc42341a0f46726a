/* http_status - what the worker can say without asking anybody: from the shared pages and its own links. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <sys/un.h>

#include "http_internal.h"
#include "run/svc.h"

/* Takes the object over. */
static void reply_json(h2o_req_t *req, int status, cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);

    if (text != NULL)
        http_reply(req, status, NULL, view_text(text));
    else
        http_reply_error(req, 503, "out of memory");
    cJSON_free(text);
    cJSON_Delete(object);
}

uint64_t http_uptime_s(const struct http *http)
{
    uint64_t now = svc_utc_us(), started = http->worker->page->started_utc_us;

    return now > started ? (now - started) / 1000000 : 0;
}

int http_get_status(struct http *http, h2o_req_t *req)
{
    const struct page *page = http->worker->page;
    cJSON *status = cJSON_CreateObject(), *websocket;

    cJSON_AddStringToObject(status, "server", "online");
    cJSON_AddStringToObject(status, "protocol", "hub-1");
    cJSON_AddStringToObject(status, "version", TAGHUB_VERSION);
    cJSON_AddNumberToObject(status, "uptime_seconds", (double)http_uptime_s(http));
    cJSON_AddNumberToObject(status, "apriltag_events", (double)page_sum(page, COUNTER_sightings_taken));
    cJSON_AddNumberToObject(status, "photos", (double)page_sum(page, COUNTER_photos));
    websocket = cJSON_AddObjectToObject(status, "websocket");
    cJSON_AddNumberToObject(websocket, "active_connections", (double)page_sum(page, COUNTER_connections));
    cJSON_AddBoolToObject(websocket, "esp32_connected", page_sum(page, COUNTER_cameras) > 0);
    cJSON_AddNumberToObject(websocket, "esp32_clients", (double)page_sum(page, COUNTER_cameras));
    cJSON_AddNumberToObject(websocket, "gdevelop_clients", (double)page_sum(page, COUNTER_games));
    reply_json(req, 200, status);
    return 0;
}

int http_get_healthz(struct http *http, h2o_req_t *req)
{
    (void)http;
    http_reply(req, 200, NULL, view_text("{\"status\": \"ok\"}"));
    return 0;
}

/* A service that hangs keeps its links; but its heart stands still. Without a page to look at, the links must do. */
static bool service_beats(const struct hub_conf *conf, enum peer_kind service)
{
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    uint64_t now = svc_mono_ms();
    const struct page *page;
    bool beats = false;

    if (conf_page_path(conf, peer_name(service), path, sizeof path) < 0 || page_open(path, &page) < 0)
        return true;
    for (unsigned i = 0; i < SLOT_MAX; i++) {
        const struct page_slot *slot = &page->slots[i];

        if (atomic_load(&slot->state) == SLOT_ALIVE &&
            atomic_load(&slot->heartbeat_mono_ms) + conf->worker_hang_ms >= now)
            beats = true;
    }
    page_free(page);
    return beats;
}

static const struct {
    enum peer_kind kind;
    uint32_t links; /* of a worker that reaches it */
} SERVICES[] = {
    {PEER_INGEST, PAGE_LINK(PEER_INGEST, LANE_SIGHTINGS) | PAGE_LINK(PEER_INGEST, LANE_PHOTOS)},
    {PEER_FANOUT, PAGE_LINK(PEER_FANOUT, LANE_SIGHTINGS) | PAGE_LINK(PEER_FANOUT, LANE_PHOTOS)},
    {PEER_METRICS, PAGE_LINK(PEER_METRICS, LANE_SIGHTINGS)},
    {PEER_HISTORY, PAGE_LINK(PEER_HISTORY, LANE_SIGHTINGS)},
};

/* A link may be away for a moment without anybody being at fault, when workers begin or share their links anew. So a
 * service is away only when it was so at every one of some looks. */
#define READY_LOOKS_MAX 12u

struct ready_wait {
    struct http *http;
    h2o_req_t *req;
    unsigned looks;
    uint32_t links[SLOT_MAX];             /* that each worker had at one of the looks */
    bool has_beaten[ARRAY_LEN(SERVICES)]; /* at one of the looks */
    bool is_here[ARRAY_LEN(SERVICES)];
    struct deadline deadline;
};

static void reply_ready(struct ready_wait *wait, bool ready)
{
    cJSON *answer = cJSON_CreateObject(), *services;

    cJSON_AddBoolToObject(answer, "ready", ready);
    if (!ready)
        cJSON_AddStringToObject(answer, "error", "a service is not reachable");
    services = cJSON_AddObjectToObject(answer, "services");
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++)
        cJSON_AddBoolToObject(services, peer_name(SERVICES[i].kind), wait->is_here[i]);
    reply_json(wait->req, ready ? 200 : 503, answer);
}

/* For the whole hub, not for this worker alone: a client cannot choose which worker it meets next. */
static bool all_workers_reach(const struct ready_wait *wait, uint32_t links)
{
    const struct page_slot *slots = wait->http->worker->page->slots;

    for (unsigned i = 0; i < SLOT_MAX; i++) {
        uint32_t state = atomic_load(&slots[i].state);

        if ((state == SLOT_STARTING || state == SLOT_ALIVE) && (wait->links[i] & links) != links)
            return false;
    }
    return true;
}

static void ready_look(struct deadline *deadline)
{
    struct ready_wait *wait = H2O_STRUCT_FROM_MEMBER(struct ready_wait, deadline, deadline);
    struct http *http = wait->http;
    bool ready = true;

    for (unsigned i = 0; i < SLOT_MAX; i++)
        wait->links[i] |= atomic_load(&http->worker->page->slots[i].links);
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++) {
        wait->has_beaten[i] = wait->has_beaten[i] || service_beats(http->conf, SERVICES[i].kind);
        wait->is_here[i] = wait->has_beaten[i] && all_workers_reach(wait, SERVICES[i].links);
        ready = ready && wait->is_here[i];
    }
    if (ready || ++wait->looks == READY_LOOKS_MAX)
        reply_ready(wait, ready);
    else
        deadline_arm(http->worker->loop, &http->retry_list, &wait->deadline);
}

static void ready_dispose(void *wait)
{
    deadline_disarm(&((struct ready_wait *)wait)->deadline);
}

int http_get_readyz(struct http *http, h2o_req_t *req)
{
    struct ready_wait *wait = h2o_mem_alloc_shared(&req->pool, sizeof *wait, ready_dispose);

    *wait = (struct ready_wait){.http = http, .req = req, .deadline = {.fire = ready_look}};
    ready_look(&wait->deadline);
    return 0;
}
