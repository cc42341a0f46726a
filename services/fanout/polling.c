/* polling - a plain queue with an end: the newest records, the oldest first.
 *
 * Pushing happens for every sighting, polling almost never, so a push only copies the text and the
 * reply is made when somebody asks.
 *
 * Invariants
 *   P1  at most POLLING_RECORD_COUNT_MAX records, each in memory not much larger than itself
 *   P2  a reply always fits: it has the values of one record, and what is added is shorter than the
 *       difference between POLLING_RECORD_BYTES_MAX and POLLING_REPLY_BYTES_MAX
 */
#include "polling.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "json_scan.h"

/* A slot keeps its memory for the next record unless it has more than this to spare. */
#define SPARE_BYTES_MAX 4096

struct record {
    char *json;
    size_t length, room;
};

struct polling {
    struct record records[POLLING_RECORD_COUNT_MAX];
    size_t oldest, count;
};

/* The fields of a reply in their order: where the value comes from and what stands for none. */
static const struct field {
    const char *name;
    const char *source; /* member of the broadcast */
    const char *absent; /* JSON text when the record has no such member */
    const char *empty;  /* JSON text when there is no record */
} FIELDS[] = {
    {"smartcam_ip", "smartcam_ip", "\"\"", "\"\""},
    {"tag_id", "tag_id", "0", "-1"},
    {"camera_name", "camera_name", "\"\"", "\"\""},
    {"yaw", "yaw", "0", "0"},
    {"pitch", "pitch", "0", "0"},
    {"roll", "roll", "0", "0"},
    {"x_cm", "x_cm", "0", "0"},
    {"y_cm", "y_cm", "0", "0"},
    {"z_cm", "z_cm", "0", "0"},
    {"tag_size_percent", "tag_size_percent", "0", "0"},
    {"distance_cm", "distance_cm", "0", "0"},
    {"timestamp", "server_timestamp", "0", "0"},
};

int polling_new(struct polling **ret_polling)
{
    struct polling *polling = calloc(1, sizeof(*polling));

    if (polling == NULL)
        return -ENOMEM;
    *ret_polling = polling;
    return 0;
}

void polling_free(struct polling *polling)
{
    if (polling == NULL)
        return;
    for (size_t i = 0; i < POLLING_RECORD_COUNT_MAX; i++)
        free(polling->records[i].json);
    free(polling);
}

/* Gives a slot the memory that a record of this length needs (P1). */
static int record_fit(struct record *record, size_t length)
{
    char *json;

    if (record->room >= length && record->room - length <= SPARE_BYTES_MAX)
        return 0;
    json = malloc(length);
    if (json == NULL)
        return -ENOMEM;
    free(record->json);
    record->json = json;
    record->room = length;
    return 0;
}

int polling_push(struct polling *polling, struct view json)
{
    struct record *record = &polling->records[(polling->oldest + polling->count) % POLLING_RECORD_COUNT_MAX];
    int r;

    if (json.length > POLLING_RECORD_BYTES_MAX)
        return -E2BIG;
    r = record_fit(record, json.length); /* when full, this is the oldest one's slot */
    if (r < 0)
        return r;
    memcpy(record->json, json.bytes, json.length);
    record->length = json.length;
    if (polling->count < POLLING_RECORD_COUNT_MAX)
        polling->count++;
    else
        polling->oldest = (polling->oldest + 1) % POLLING_RECORD_COUNT_MAX;
    return 0;
}

struct output {
    char *dst;
    size_t length;
};

static void output_add(struct output *out, struct view piece)
{
    assert(piece.length <= POLLING_REPLY_BYTES_MAX - out->length); /* P2 */
    memcpy(out->dst + out->length, piece.bytes, piece.length);
    out->length += piece.length;
}

static void output_add_field(struct output *out, const char *name, struct view value)
{
    output_add(out, view_text(out->length == 0 ? "{\"" : ",\""));
    output_add(out, view_text(name));
    output_add(out, view_text("\":"));
    output_add(out, value);
}

/* What a record has for each field, or what stands for it. Of equal keys the last counts. */
static void read_values(struct view json, struct view ret_values[ARRAY_LEN(FIELDS)])
{
    struct json_iterator it;
    struct json_member member;

    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        ret_values[i] = view_text(FIELDS[i].absent);
    json_iterator_init(&it, json);
    while (json_next_member(&it, &member)) {
        for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
            if (json_key_equals(&member, FIELDS[i].source))
                ret_values[i] = member.value;
        }
    }
}

size_t polling_take(struct polling *polling, char dst[POLLING_REPLY_BYTES_MAX])
{
    struct view values[ARRAY_LEN(FIELDS)];
    struct output out = {.dst = dst};
    const struct record *record = &polling->records[polling->oldest];
    bool is_empty = polling->count == 0;

    if (is_empty) {
        for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
            values[i] = view_text(FIELDS[i].empty);
    } else {
        read_values(view_of(record->json, record->length), values);
        polling->oldest = (polling->oldest + 1) % POLLING_RECORD_COUNT_MAX;
        polling->count--;
    }
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        output_add_field(&out, FIELDS[i].name, values[i]);
    if (is_empty)
        output_add_field(&out, "list_remaining", view_text("0"));
    output_add(&out, view_text("}"));
    return out.length;
}
