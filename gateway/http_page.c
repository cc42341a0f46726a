/* http_page - the pages for people, and the files that belong to them.
 *
 * The dashboard is right without scripts too: {{name}} in its text is replaced by what is so now. All of these values
 * are numbers and words of ours; nothing that came from a client is ever put into a page here. */
#include <inttypes.h>
#include <stdio.h>

#include "assets.h"
#include "http_internal.h"
#include "run/svc.h"

/* Scripts, styles and pictures come from this hub alone, and none stands in a page. */
static const char POLICY[] = "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'self'";

#define VALUE_ROOM 24u

struct value {
    const char *name;
    char text[VALUE_ROOM];
};

static struct value number(const char *name, uint64_t number)
{
    struct value value = {.name = name};

    snprintf(value.text, sizeof value.text, "%" PRIu64, number);
    return value;
}

static struct value word(const char *name, const char *text)
{
    struct value value = {.name = name};

    snprintf(value.text, sizeof value.text, "%s", text);
    return value;
}

static const char *find_value(const struct value *values, size_t count, struct view name)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equals(view_text(values[i].name), name))
            return values[i].text;
    }
    return "";
}

/* The text with every {{name}} replaced, in the pool. */
static struct view fill_in(h2o_mem_pool_t *pool, struct view text, const struct value *values, size_t count)
{
    char *filled = h2o_mem_alloc_pool(pool, text.length * (VALUE_ROOM / 4)); /* {{}} is four bytes */
    const uint8_t *at = text.bytes, *end = at + text.length, *open, *close;
    size_t length = 0;

    while ((open = memmem(at, (size_t)(end - at), "{{", 2)) != NULL &&
           (close = memmem(open, (size_t)(end - open), "}}", 2)) != NULL) {
        const char *value = find_value(values, count, view_of(open + 2, (size_t)(close - open - 2)));

        memcpy(filled + length, at, (size_t)(open - at));
        length += (size_t)(open - at);
        memcpy(filled + length, value, strlen(value));
        length += strlen(value);
        at = close + 2;
    }
    memcpy(filled + length, at, (size_t)(end - at));
    return view_of(filled, length + (size_t)(end - at));
}

static struct view fill_in_status(struct http *http, h2o_req_t *req, struct view text)
{
    const struct page *page = http->worker->page;
    const struct value values[] = {
        word("version", TAGHUB_VERSION),
        word("esp32", page_sum(page, COUNTER_cameras) > 0 ? "Connected" : "Not connected"),
        number("gdevelop", page_sum(page, COUNTER_games)),
        number("connections", page_sum(page, COUNTER_connections)),
        number("events", page_sum(page, COUNTER_sightings_taken)),
        number("uptime_minutes", http_uptime_s(http) / 60),
    };

    return fill_in(&req->pool, text, values, ARRAY_LEN(values));
}

int http_get_asset(struct http *http, h2o_req_t *req)
{
    struct asset asset;

    if (!assets_find(http_path(req), &asset))
        return -1;
    http_add_header(req, "Cache-Control", "no-cache");
    http_add_header(req, "Content-Security-Policy", POLICY);
    http_add_header(req, "X-Content-Type-Options", "nosniff");
    if (http_path(req).length == 1)
        asset.content = fill_in_status(http, req, asset.content);
    http_reply(req, 200, asset.type, asset.content);
    return 0;
}
