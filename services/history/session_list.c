/* session_list - see session_list.h. A session becomes a row of texts, one for each column; a format is a way to write
 * rows. */
#include "session_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "duration.h"
#include "json_string.h"

#define NUMBER_ROOM 24

enum column {
    COLUMN_camera,
    COLUMN_transport,
    COLUMN_address,
    COLUMN_port,
    COLUMN_connect_time,
    COLUMN_disconnect_time,
    COLUMN_duration_seconds,
    COLUMN_duration,
    COLUMN_status,
    COLUMN_reason,
    COLUMN_COUNT
};

static const struct {
    const char *name;
    const char *title; /* in the table; NULL = not there, for it tells nothing more */
    bool is_number;
} COLUMNS[COLUMN_COUNT] = {
    [COLUMN_camera] = {"camera", "CAMERA", false},
    [COLUMN_transport] = {"transport", NULL, false},
    [COLUMN_address] = {"address", "ADDRESS", false},
    [COLUMN_port] = {"port", "PORT", true},
    [COLUMN_connect_time] = {"connect_time", "CONNECTED", false},
    [COLUMN_disconnect_time] = {"disconnect_time", "DISCONNECTED", false},
    [COLUMN_duration_seconds] = {"duration_seconds", NULL, true},
    [COLUMN_duration] = {"duration", "DURATION", false},
    [COLUMN_status] = {"status", NULL, false},
    [COLUMN_reason] = {"reason", "REASON", false},
};

/* What stands in a row; an empty text is no value. */
struct row {
    const char *cells[COLUMN_COUNT];
    char port[NUMBER_ROOM], connect_time[LOCAL_TIME_ROOM], disconnect_time[LOCAL_TIME_ROOM],
        duration_seconds[NUMBER_ROOM], duration[DURATION_ROOM];
};

/* ---- the list ---- */

static void free_texts(struct store_session *session)
{
    free((char *)(uintptr_t)session->camera);
    free((char *)(uintptr_t)session->address);
    free((char *)(uintptr_t)session->transport);
    free((char *)(uintptr_t)session->end);
}

void session_list_done(struct session_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_texts(&list->items[i]);
    free(list->items);
    *list = (struct session_list){.items = NULL};
}

int session_list_add(struct session_list *list, const struct store_session *session)
{
    struct store_session *copy;

    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        struct store_session *items = reallocarray(list->items, room, sizeof *items);

        if (items == NULL)
            return -ENOMEM;
        list->items = items;
        list->room = room;
    }
    copy = &list->items[list->count];
    *copy = *session;
    copy->camera = strdup(session->camera);
    copy->address = strdup(session->address);
    copy->transport = strdup(session->transport);
    copy->end = strdup(session->end);
    if (copy->camera == NULL || copy->address == NULL || copy->transport == NULL || copy->end == NULL) {
        free_texts(copy);
        return -ENOMEM;
    }
    list->count++;
    return 0;
}

/* ---- rows ---- */

void local_time_format(uint64_t utc_us, char ret_text[LOCAL_TIME_ROOM])
{
    const time_t seconds = (time_t)(utc_us / 1000000);
    struct tm local;

    if (utc_us == 0 || localtime_r(&seconds, &local) == NULL ||
        strftime(ret_text, LOCAL_TIME_ROOM, "%Y-%m-%d %H:%M:%S", &local) == 0)
        ret_text[0] = '\0';
}

static void fill_row(struct row *row, const struct store_session *session)
{
    bool is_open = session->ended_utc_us == 0;
    uint64_t until_utc_us = is_open ? session->alive_utc_us : session->ended_utc_us;
    uint64_t seconds =
        until_utc_us > session->identified_utc_us ? (until_utc_us - session->identified_utc_us) / 1000000 : 0;

    snprintf(row->port, sizeof row->port, "%u", session->port);
    local_time_format(session->identified_utc_us, row->connect_time);
    local_time_format(session->ended_utc_us, row->disconnect_time);
    snprintf(row->duration_seconds, sizeof row->duration_seconds, "%" PRIu64, seconds);
    duration_format_minutes(seconds, row->duration);
    row->cells[COLUMN_camera] = session->camera;
    row->cells[COLUMN_transport] = session->transport;
    row->cells[COLUMN_address] = session->address;
    row->cells[COLUMN_port] = row->port;
    row->cells[COLUMN_connect_time] = row->connect_time;
    row->cells[COLUMN_disconnect_time] = row->disconnect_time;
    row->cells[COLUMN_duration_seconds] = row->duration_seconds;
    row->cells[COLUMN_duration] = row->duration;
    row->cells[COLUMN_status] = is_open ? "connected" : "disconnected";
    row->cells[COLUMN_reason] = session->end;
}

/* ---- a table ---- */

static bool is_control(const uint8_t *at, size_t length)
{
    return *at < 0x20 || *at == 0x7f || (length == 2 && at[0] == 0xc2 && at[1] < 0xa0); /* C0, DEL, C1 */
}

size_t print_plainly(FILE *out, const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    size_t columns = 0, length;

    for (; at < end; at += length) {
        bool is_plain;

        length = json_utf8_length(at, end);
        is_plain = length > 0 && !is_control(at, length);
        if (!is_plain)
            length = 1;
        columns += is_plain ? 1 : strlen("\\xNN");
        if (out != NULL && is_plain)
            fwrite(at, 1, length, out);
        else if (out != NULL)
            fprintf(out, "\\x%02x", *at);
    }
    return columns;
}

static const char *table_cell(const struct row *row, size_t column)
{
    return row->cells[column][0] != '\0' ? row->cells[column] : "-";
}

static void print_table_line(FILE *out, const struct row *row, const size_t widths[COLUMN_COUNT])
{
    size_t gap = 0; /* written before the next cell, so that no line ends in blanks */

    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (COLUMNS[i].title == NULL)
            continue;
        fprintf(out, "%*s", (int)gap, "");
        gap = widths[i] + 2 - print_plainly(out, row != NULL ? table_cell(row, i) : COLUMNS[i].title);
    }
    fputc('\n', out);
}

static void print_table(const struct session_list *list, FILE *out)
{
    size_t widths[COLUMN_COUNT] = {0};
    struct row row = {.cells = {NULL}};

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        widths[i] = COLUMNS[i].title != NULL ? strlen(COLUMNS[i].title) : 0;
    for (size_t k = 0; k < list->count; k++) {
        fill_row(&row, &list->items[k]);
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
            size_t columns = print_plainly(NULL, table_cell(&row, i));

            widths[i] = columns > widths[i] ? columns : widths[i];
        }
    }
    print_table_line(out, NULL, widths);
    for (size_t k = list->count; k > 0; k--) {
        fill_row(&row, &list->items[k - 1]);
        print_table_line(out, &row, widths);
    }
}

/* ---- CSV ---- */

static void print_csv_cell(FILE *out, const char *text)
{
    bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;

    if (is_quoted)
        fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (is_quoted)
        fputc('"', out);
}

static void print_csv_line(FILE *out, const struct row *row)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (i > 0)
            fputc(',', out);
        print_csv_cell(out, row != NULL ? row->cells[i] : COLUMNS[i].name);
    }
    fputs("\r\n", out);
}

static void print_csv(const struct session_list *list, FILE *out)
{
    struct row row = {.cells = {NULL}};

    print_csv_line(out, NULL);
    for (size_t k = list->count; k > 0; k--) {
        fill_row(&row, &list->items[k - 1]);
        print_csv_line(out, &row);
    }
}

/* ---- JSON ---- */

static void add_timestamp(cJSON *object, const char *name, uint64_t utc_us)
{
    char text[NUMBER_ROOM + 8];

    snprintf(text, sizeof text, "%" PRIu64 ".%06u", utc_us / 1000000, (unsigned)(utc_us % 1000000));
    cJSON_AddRawToObject(object, name, utc_us == 0 ? "null" : text); /* cJSON would round it */
}

static char *json_of(const struct store_session *session)
{
    cJSON *object = cJSON_CreateObject();
    struct row row = {.cells = {NULL}};
    char *text;

    fill_row(&row, session);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (row.cells[i][0] == '\0')
            cJSON_AddNullToObject(object, COLUMNS[i].name);
        else if (COLUMNS[i].is_number)
            cJSON_AddRawToObject(object, COLUMNS[i].name, row.cells[i]);
        else
            cJSON_AddStringToObject(object, COLUMNS[i].name, row.cells[i]);
    }
    add_timestamp(object, "connect_timestamp", session->identified_utc_us);
    add_timestamp(object, "disconnect_timestamp", session->ended_utc_us);
    text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    if (text == NULL)
        abort(); /* without memory for one row nothing else would work either */
    return text;
}

/* Row by row: a tree of all of them may be larger than the machine. */
static void print_json(const struct session_list *list, FILE *out)
{
    fputs("[", out);
    for (size_t k = list->count; k > 0; k--) {
        char *text = json_of(&list->items[k - 1]);

        fprintf(out, "%s\n %s", k < list->count ? "," : "", text);
        cJSON_free(text);
    }
    fputs(list->count > 0 ? "\n]\n" : "]\n", out);
}

void session_list_print(const struct session_list *list, enum session_list_format format, FILE *out)
{
    static void (*const PRINT[])(const struct session_list *list, FILE *out) = {
        [SESSION_LIST_TABLE] = print_table,
        [SESSION_LIST_CSV] = print_csv,
        [SESSION_LIST_JSON] = print_json,
    };

    PRINT[format](list, out);
}
