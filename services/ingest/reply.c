/* reply - small known objects, written with cJSON.
 *
 * Numbers are handed to cJSON as finished texts: the contract fixes their decimals, which cJSON
 * would choose itself.
 *
 * Running out of memory for a handful of nodes ends the process. A service in that state judges
 * nothing any more, and the gateway sends what was not settled to its successor.
 */
#include "reply.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "telemetry.h"

#define NUMBER_BYTES_MAX 32

struct member {
    const char *name;
    const char *value;
    enum { VALUE_STRING, VALUE_NUMBER } kind;
};

static struct view write_object(const struct member *members, size_t count, char dst[REPLY_BYTES_MAX])
{
    cJSON *object = cJSON_CreateObject();

    assert(object != NULL);
    for (size_t i = 0; i < count; i++) {
        const cJSON *added = members[i].kind == VALUE_STRING
                                 ? cJSON_AddStringToObject(object, members[i].name, members[i].value)
                                 : cJSON_AddRawToObject(object, members[i].name, members[i].value);

        assert(added != NULL);
    }
    if (!cJSON_PrintPreallocated(object, dst, REPLY_BYTES_MAX, 0))
        abort(); /* longer than any reply can be: a mistake in this file */
    cJSON_Delete(object);
    return view_text(dst);
}

struct view reply_refusal(enum reply_form form, const char *sentence, char dst[REPLY_BYTES_MAX])
{
    static const struct {
        struct member first; /* without a name: there is none */
        const char *sentence_name;
    } FORMS[REPLY_FORM_COUNT] = {
        [REPLY_FORM_EVENT] = {{"event", "error", VALUE_STRING}, "error"},
        [REPLY_FORM_ERROR] = {{NULL, NULL, VALUE_STRING}, "error"},
        [REPLY_FORM_STATUS] = {{"status", "error", VALUE_STRING}, "message"},
    };
    struct member members[2];
    size_t count = 0;

    if (FORMS[form].first.name != NULL)
        members[count++] = FORMS[form].first;
    members[count++] = (struct member){FORMS[form].sentence_name, sentence, VALUE_STRING};
    return write_object(members, count, dst);
}

struct view reply_pong(uint64_t utc_us, char dst[REPLY_BYTES_MAX])
{
    char epoch[TELEMETRY_EPOCH_BYTES_MAX];
    const struct member members[] = {
        {"event", "pong", VALUE_STRING},
        {"timestamp", epoch, VALUE_NUMBER},
    };

    telemetry_epoch(utc_us, epoch);
    return write_object(members, ARRAY_LEN(members), dst);
}

/* A whole number stays one, others keep their value. Some need 17 digits, to most 15 are kinder. */
static void interval_text(double interval_ms, char ret[NUMBER_BYTES_MAX])
{
    snprintf(ret, NUMBER_BYTES_MAX, "%.15g", interval_ms);
    if (strtod(ret, NULL) != interval_ms)
        snprintf(ret, NUMBER_BYTES_MAX, "%.17g", interval_ms);
}

/* Two decimals, of which a last 0 is left away: 2.0, 3.33. */
static void fps_text(double interval_ms, char ret[NUMBER_BYTES_MAX])
{
    size_t length;

    snprintf(ret, NUMBER_BYTES_MAX, "%.2f", 1000 / interval_ms);
    length = strlen(ret);
    if (ret[length - 1] == '0')
        ret[length - 1] = '\0';
}

struct view reply_interval_event(double interval_ms, char dst[REPLY_BYTES_MAX])
{
    char interval[NUMBER_BYTES_MAX];
    const struct member members[] = {
        {"event", "set_video_interval", VALUE_STRING},
        {"interval_ms", interval, VALUE_NUMBER},
    };

    interval_text(interval_ms, interval);
    return write_object(members, ARRAY_LEN(members), dst);
}

struct view reply_interval_set(double interval_ms, char dst[REPLY_BYTES_MAX])
{
    char interval[NUMBER_BYTES_MAX], fps[NUMBER_BYTES_MAX];
    const struct member members[] = {
        {"status", "success", VALUE_STRING},
        {"interval_ms", interval, VALUE_NUMBER},
        {"fps", fps, VALUE_NUMBER},
    };

    interval_text(interval_ms, interval);
    fps_text(interval_ms, fps);
    return write_object(members, ARRAY_LEN(members), dst);
}
