/* answers - see answers.h.
 *
 * A session that has ended is listed from the moment history hears of it, committed or not: memory is asked first, and
 * what it knows counts over a row of the same session. So no answer has to wait for a transaction. */
#include "answers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "duration.h"

#define ENDED_LISTED_MAX 20u   /* as the contract says */
#define OPEN_LISTED_MAX  1000u /* the newest; keeps the longest possible answer below ANSWER_BYTES_MAX */

/* The newest sessions that have ended, the oldest of them first. */
struct newest {
    struct {
        uint64_t ended_utc_us;
        cJSON *object;
    } items[ENDED_LISTED_MAX];
    size_t count;
    size_t rows_count; /* taken from the database */
    const struct sessions *sessions;
};

/* ---- members ---- */

static void must(const void *added)
{
    if (added == NULL)
        abort(); /* without memory for a few nodes nothing else would work either */
}

static void add_text(cJSON *object, const char *name, const char *value)
{
    must(cJSON_AddStringToObject(object, name, value));
}

static void add_whole(cJSON *object, const char *name, uint64_t value)
{
    must(cJSON_AddNumberToObject(object, name, (double)value));
}

/* Seconds with all six digits, which cJSON would round. */
static void add_epoch(cJSON *object, const char *name, uint64_t utc_us)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64 ".%06u", utc_us / 1000000, (unsigned)(utc_us % 1000000));
    must(cJSON_AddRawToObject(object, name, text));
}

static void add_local_time(cJSON *object, const char *name, uint64_t utc_us)
{
    const time_t seconds = (time_t)(utc_us / 1000000);
    char text[64] = "";
    struct tm local;

    if (localtime_r(&seconds, &local) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    add_text(object, name, text);
}

/* Whole seconds; 0 when the clock was set back in between. */
static uint64_t seconds_between(uint64_t from_utc_us, uint64_t to_utc_us)
{
    return to_utc_us > from_utc_us ? (to_utc_us - from_utc_us) / 1000000 : 0;
}

static void add_duration(cJSON *object, uint64_t seconds)
{
    char text[DURATION_ROOM];

    duration_format_minutes(seconds, text);
    add_whole(object, "duration_seconds", seconds);
    add_text(object, "duration_formatted", text);
}

static cJSON *new_object(void)
{
    cJSON *object = cJSON_CreateObject();

    must(object);
    return object;
}

static char *finish(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);

    must(text);
    cJSON_Delete(object);
    return text;
}

/* ---- uptime ---- */

char *answer_uptime(const struct sessions *sessions, uint64_t now_utc_us)
{
    const struct session *newest = NULL;
    char text[DURATION_ROOM] = "Not connected";
    struct duration split;
    cJSON *object = new_object();
    uint64_t seconds = 0;

    for (const struct session *each = sessions_next(sessions, NULL); each != NULL;
         each = sessions_next(sessions, each)) {
        if (session_is_there(each) && (newest == NULL || each->said.identified_utc_us > newest->said.identified_utc_us))
            newest = each;
    }
    if (newest != NULL) {
        seconds = seconds_between(newest->said.identified_utc_us, now_utc_us);
        duration_format(seconds, text);
    }
    split = duration_split(seconds);
    must(cJSON_AddBoolToObject(object, "connected", newest != NULL));
    add_whole(object, "uptime_seconds", seconds);
    add_text(object, "uptime_formatted", text);
    add_whole(object, "days", split.days);
    add_whole(object, "hours", split.hours);
    add_whole(object, "minutes", split.minutes);
    add_whole(object, "seconds", split.seconds);
    if (newest != NULL)
        add_text(object, "camera", newest->said.camera);
    return finish(object);
}

/* ---- history ---- */

static cJSON *new_session(const struct store_session *session)
{
    cJSON *object = new_object();

    add_text(object, "camera", session->camera);
    add_text(object, "address", session->address);
    add_text(object, "transport", session->transport);
    add_whole(object, "port", session->port);
    add_local_time(object, "connect_time", session->identified_utc_us);
    add_epoch(object, "connect_timestamp", session->identified_utc_us);
    return object;
}

static cJSON *new_ended(const struct store_session *session)
{
    cJSON *object = new_session(session);

    add_local_time(object, "disconnect_time", session->ended_utc_us);
    add_epoch(object, "disconnect_timestamp", session->ended_utc_us);
    add_duration(object, seconds_between(session->identified_utc_us, session->ended_utc_us));
    add_text(object, "status", "disconnected");
    add_text(object, "reason", session->end);
    return object;
}

/* Puts it in its place by time; the oldest gives way. */
static void newest_add(struct newest *newest, const struct store_session *session)
{
    size_t place = newest->count;

    while (place > 0 && newest->items[place - 1].ended_utc_us > session->ended_utc_us)
        place--;
    if (newest->count == ENDED_LISTED_MAX) {
        if (place == 0)
            return;
        cJSON_Delete(newest->items[0].object);
        place--;
        memmove(&newest->items[0], &newest->items[1], place * sizeof newest->items[0]);
    } else {
        memmove(&newest->items[place + 1], &newest->items[place], (newest->count - place) * sizeof newest->items[0]);
        newest->count++;
    }
    newest->items[place].ended_utc_us = session->ended_utc_us;
    newest->items[place].object = new_ended(session);
}

static bool take_row(void *user, const struct store_session *session)
{
    struct newest *newest = user;

    if (sessions_find(newest->sessions, session->origin, session->number) == NULL) {
        newest_add(newest, session);
        newest->rows_count++;
    }
    return newest->rows_count < ENDED_LISTED_MAX;
}

static cJSON *new_ended_list(struct newest *newest)
{
    cJSON *array = cJSON_CreateArray();

    must(array);
    for (size_t i = 0; i < newest->count; i++)
        cJSON_AddItemToArray(array, newest->items[i].object);
    return array;
}

static int by_identification(const void *a, const void *b)
{
    const struct msg_session *one = &(*(const struct session *const *)a)->said;
    const struct msg_session *other = &(*(const struct session *const *)b)->said;

    return (one->identified_utc_us > other->identified_utc_us) - (one->identified_utc_us < other->identified_utc_us);
}

static cJSON *new_open_list(const struct sessions *sessions, uint64_t now_utc_us)
{
    const struct session **open = calloc(sessions_open_count(sessions) + 1, sizeof(struct session *));
    cJSON *array = cJSON_CreateArray();
    size_t count = 0;

    must(open);
    must(array);
    for (const struct session *each = sessions_next(sessions, NULL); each != NULL;
         each = sessions_next(sessions, each)) {
        if (session_is_there(each))
            open[count++] = each;
    }
    qsort(open, count, sizeof(struct session *), by_identification);
    for (size_t i = count > OPEN_LISTED_MAX ? count - OPEN_LISTED_MAX : 0; i < count; i++) {
        const struct store_session row = session_row(open[i]);
        cJSON *object = new_session(&row);

        add_duration(object, seconds_between(row.identified_utc_us, now_utc_us));
        cJSON_AddItemToArray(array, object);
    }
    free(open);
    return array;
}

enum store_trouble answer_history(struct store *store, const struct sessions *sessions, uint64_t hub_started_utc_us,
                                  uint64_t now_utc_us, char **ret_text)
{
    const struct store_session_query query = {.is_ended_only = true};
    struct newest newest = {.sessions = sessions};
    cJSON *object = new_object();
    enum store_trouble trouble = store_each_session(store, &query, take_row, &newest);

    for (const struct session *each = sessions_next(sessions, NULL); each != NULL;
         each = sessions_next(sessions, each)) {
        const struct store_session row = session_row(each);

        if (row.ended_utc_us != 0)
            newest_add(&newest, &row);
    }
    cJSON_AddItemToObject(object, "sessions", new_ended_list(&newest));
    add_whole(object, "total_sessions", newest.count);
    add_local_time(object, "server_start_time", hub_started_utc_us);
    cJSON_AddItemToObject(object, "open_sessions", new_open_list(sessions, now_utc_us));
    if (trouble == STORE_FINE)
        *ret_text = finish(object);
    else
        cJSON_Delete(object);
    return trouble;
}

/* ---- trouble ---- */

char *answer_trouble(enum store_trouble trouble)
{
    static const char *const MESSAGES[STORE_TROUBLE_COUNT] = {
        [STORE_FINE] = "The history is being opened",
        [STORE_BUSY] = "Another program has locked the history; try again",
        [STORE_FULL] = "There is no room on the hub's disk",
        [STORE_READ_ONLY] = "The history may not be written; see the hub's log",
        [STORE_CORRUPT] = "The history is damaged and is being replaced; see the hub's log",
        [STORE_FOREIGN] = "The history is of another program or a newer version of this one; see the hub's log",
        [STORE_BROKEN] = "The history cannot be opened; see the hub's log",
    };
    cJSON *object = new_object();
    char error[64];

    snprintf(error, sizeof error, "history is %s", trouble == STORE_FINE ? "opening" : store_trouble_name(trouble));
    add_text(object, "status", "error");
    add_text(object, "error", error);
    add_text(object, "message", MESSAGES[trouble]);
    return finish(object);
}
