/* test_session_list - sessions for people, spreadsheets and programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "session_list.h"
#include "view.h"

#define T0 UINT64_C(1750000000250000) /* 2025-06-15 15:06:40 UTC */

#define ENDED                                                                                                          \
    {                                                                                                                  \
        .camera = "porch", .address = "192.0.2.7", .transport = "websocket", .port = 5100, .identified_utc_us = T0,    \
        .alive_utc_us = T0 + 7265999999, .ended_utc_us = T0 + 7265999999, .end = "lost"                                \
    }
#define OPEN                                                                                                           \
    {                                                                                                                  \
        .camera = "K\xc3\xbc"                                                                                          \
                  "che, \"2\"",                                                                                        \
        .address = "2001:db8::7", .transport = "websocket", .port = 5000, .identified_utc_us = T0,                     \
        .alive_utc_us = T0 + 59000000, .end = "none"                                                                   \
    }
#define HOSTILE                                                                                                        \
    {                                                                                                                  \
        .camera = "\x1b[2J\n\x7f\xc2\x9b\xff\xc3", .address = "", .transport = "websocket", .port = 1,                 \
        .identified_utc_us = T0, .alive_utc_us = T0 - 1, .ended_utc_us = T0 - 1, .end = "closed"                       \
    }

static const struct list_case {
    const char *name;
    enum session_list_format format;
    struct store_session sessions[3]; /* the newest first */
    const char *text;
} CASES[] = {
    {"empty table",
     SESSION_LIST_TABLE,
     {{.camera = NULL}},
     "CAMERA  ADDRESS  PORT  CONNECTED  DISCONNECTED  DURATION  REASON\n"},
    {"table",
     SESSION_LIST_TABLE,
     {OPEN, ENDED},
     "CAMERA      ADDRESS      PORT  CONNECTED            DISCONNECTED         DURATION  REASON\n"
     "porch       192.0.2.7    5100  2025-06-15 15:06:40  2025-06-15 17:07:46  121m 5s   lost\n"
     "K\xc3\xbc"
     "che, \"2\"  2001:db8::7  5000  2025-06-15 15:06:40  -                    0m 59s    none\n"},
    {"table with what may not reach a terminal",
     SESSION_LIST_TABLE,
     {HOSTILE},
     "CAMERA                           ADDRESS  PORT  CONNECTED            DISCONNECTED        "
     " "
     "DURATION  REASON\n"
     "\\x1b[2J\\x0a\\x7f\\xc2\\x9b\\xff\\xc3  -        1     2025-06-15 15:06:40  2025-06-15 "
     "15:06:40  "
     "0m 0s     closed\n"},
    {"empty CSV",
     SESSION_LIST_CSV,
     {{.camera = NULL}},
     "camera,transport,address,port,connect_time,disconnect_time,duration_seconds,duration,status,"
     "reason\r\n"},
    {"CSV",
     SESSION_LIST_CSV,
     {OPEN, ENDED},
     "camera,transport,address,port,connect_time,disconnect_time,duration_seconds,duration,status,"
     "reason\r\n"
     "porch,websocket,192.0.2.7,5100,2025-06-15 15:06:40,2025-06-15 17:07:46,7265,121m 5s,"
     "disconnected,lost\r\n"
     "\"K\xc3\xbc"
     "che, \"\"2\"\"\",websocket,2001:db8::7,5000,2025-06-15 15:06:40,,59,0m "
     "59s,connected,none\r\n"},
    {"empty JSON", SESSION_LIST_JSON, {{.camera = NULL}}, "[]\n"},
    {"JSON",
     SESSION_LIST_JSON,
     {OPEN, ENDED},
     "[\n "
     "{\"camera\":\"porch\",\"transport\":\"websocket\",\"address\":\"192.0.2.7\",\"port\":5100,"
     "\"connect_time\":\"2025-06-15 15:06:40\",\"disconnect_time\":\"2025-06-15 17:07:46\","
     "\"duration_seconds\":7265,\"duration\":\"121m 5s\",\"status\":\"disconnected\",\"reason\":"
     "\"lost\",\"connect_timestamp\":1750000000.250000,\"disconnect_timestamp\":1750007266.249999},"
     "\n"
     " {\"camera\":\"K\xc3\xbc"
     "che, \\\"2\\\"\",\"transport\":\"websocket\",\"address\":\"2001:db8::7\",\"port\":5000,"
     "\"connect_time\":\"2025-06-15 15:06:40\",\"disconnect_time\":null,\"duration_seconds\":59,"
     "\"duration\":\"0m 59s\",\"status\":\"connected\",\"reason\":\"none\",\"connect_timestamp\":"
     "1750000000.250000,\"disconnect_timestamp\":null}\n]\n"},
};

static void formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct session_list list = {.items = NULL};
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);

        for (size_t k = 0; k < ARRAY_LEN(CASES[i].sessions) && CASES[i].sessions[k].camera != NULL; k++)
            assert_int_equal(session_list_add(&list, &CASES[i].sessions[k]), 0);
        session_list_print(&list, CASES[i].format, out);
        assert_int_equal(fclose(out), 0);
        if (strcmp(text, CASES[i].text) != 0)
            fail_msg("%s:\n%s", CASES[i].name, text);
        session_list_done(&list);
        free(text);
    }
}

static void many_sessions(void **state)
{
    struct session_list list = {.items = NULL};
    struct store_session session = ENDED;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        session.number = i;
        assert_int_equal(session_list_add(&list, &session), 0);
    }
    assert_int_equal(list.count, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(list.items[i].number, i);
    session_list_done(&list);
    assert_int_equal(list.count, 0);
}

static void local_times(void **state)
{
    char text[LOCAL_TIME_ROOM] = "x";

    (void)state;
    local_time_format(0, text);
    assert_string_equal(text, "");
    local_time_format(T0, text);
    assert_string_equal(text, "2025-06-15 15:06:40");
    local_time_format(UINT64_MAX, text);
    assert_true(strlen(text) < LOCAL_TIME_ROOM);
}

int main(void)
{
    const struct CMUnitTest TESTS[] = {
        {"formats", formats, NULL, NULL, NULL},
        {"many sessions", many_sessions, NULL, NULL, NULL},
        {"local times", local_times, NULL, NULL, NULL},
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
