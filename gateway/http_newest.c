/* http_newest - what the hub saw last, for people and their scripts: the newest sighting of every camera and tag, as
 * games got it, and which cameras have a picture. Any worker knows it; no service is asked. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "http_internal.h"
#include "run/svc.h"

/* Begins an object: {"camera":...,"age_seconds":... */
static void print_begin(FILE *out, const char *camera, uint64_t arrived_utc_us, uint64_t now)
{
    uint64_t age_us = now > arrived_utc_us ? now - arrived_utc_us : 0;
    cJSON *name = cJSON_CreateString(camera);
    char *text = cJSON_PrintUnformatted(name);

    fprintf(out, "{\"camera\":%s,\"age_seconds\":%.3f", text != NULL ? text : "\"\"", (double)age_us / 1e6);
    cJSON_free(text);
    cJSON_Delete(name);
}

/* The broadcast is finished JSON. */
static void print_tag(FILE *out, const struct camera_entry *entry, uint64_t now)
{
    const struct kept_sighting *kept = entry->value;
    struct view json = newest_json(kept);

    print_begin(out, kept->camera, entry->arrived_utc_us, now);
    fputs(",\"sighting\":", out);
    fwrite(json.bytes, 1, json.length, out);
    fputc('}', out);
}

static void print_photo(FILE *out, const struct camera_entry *entry, uint64_t now)
{
    const struct msg_photo *photo = &((const struct kept_photo *)entry->value)->photo;

    print_begin(out, photo->camera, entry->arrived_utc_us, now);
    fprintf(out, ",\"width\":%u,\"height\":%u,\"bytes\":%zu}", (unsigned)photo->width, (unsigned)photo->height,
            photo->jpeg.length);
}

/* {"now":...,"MEMBER":[...]}, oldest first. */
static int reply_list(h2o_req_t *req, const char *member, const struct camera_table *table,
                      void (*print)(FILE *out, const struct camera_entry *entry, uint64_t now))
{
    uint64_t now = svc_utc_us();
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL) {
        http_reply_error(req, 503, "out of memory");
        return 0;
    }
    fprintf(out, "{\"now\":%.6f,\"%s\":[", (double)now / 1e6, member);
    for (const struct camera_entry *entry = camera_table_oldest(table); entry != NULL; entry = entry->newer) {
        print(out, entry, now);
        fputs(entry->newer != NULL ? "," : "", out);
    }
    fputs("]}", out);
    if (fclose(out) == 0)
        http_reply(req, 200, NULL, view_of(text, length));
    else
        http_reply_error(req, 503, "out of memory");
    free(text);
    return 0;
}

int http_get_tags(struct http *http, h2o_req_t *req)
{
    uplink_catch_up(http->uplink); /* what was acknowledged anywhere is listed */
    return reply_list(req, "tags", http->newest->tags, print_tag);
}

int http_get_photos(struct http *http, h2o_req_t *req)
{
    uplink_catch_up_photos(http->uplink); /* as /photo does: what it lists can be fetched */
    return reply_list(req, "photos", http->newest->photos, print_photo);
}
