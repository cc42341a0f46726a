/* test_answers - the JSON about sessions, from memory and from a real database in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "answers.h"

#define SECOND UINT64_C(1000000)
#define NOON   (UINT64_C(1750000000) * SECOND) /* 2025-06-15 15:06:40 UTC */

struct world {
    struct sessions *sessions;
    struct store *store;
    char folder[32], path[64];
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct store_conf conf = {.path = world->path};
    char why[256] = "";

    strcpy(world->folder, "/tmp/answersXXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/h.db", world->folder);
    world->sessions = sessions_new(5000);
    if (store_open(&conf, &world->store, why) != STORE_FINE)
        fail_msg("%s", why);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    store_close(world->store);
    sessions_free(world->sessions);
    unlink(world->path);
    rmdir(world->folder);
    free(world);
    return 0;
}

static struct msg_session said(uint64_t number, const char *camera, uint64_t identified_utc_us, uint64_t ended_utc_us)
{
    struct msg_session said = {.number = number,
                               .version = 1,
                               .address = "192.0.2.7",
                               .port = 5100,
                               .identified_utc_us = identified_utc_us,
                               .ended_utc_us = ended_utc_us,
                               .end = ended_utc_us != 0 ? SESSION_END_lost : SESSION_END_none};

    snprintf(said.camera, sizeof said.camera, "%s", camera);
    return said;
}

static void tell(struct world *world, struct msg_session session)
{
    assert_int_equal(sessions_put(world->sessions, 7, &session), 0);
}

static void store(struct world *world, struct msg_session session)
{
    struct session in_memory = {.id = {7, session.number}, .holder = 7, .said = session};
    struct store_session row = session_row(&in_memory);

    assert_int_equal(store_put_session(world->store, &row), STORE_FINE);
}

static char *history(struct world *world)
{
    char *text = NULL;

    assert_int_equal(answer_history(world->store, world->sessions, NOON, NOON + 100 * SECOND, &text), STORE_FINE);
    return text;
}

static void assert_text(char *text, const char *wanted)
{
    assert_string_equal(text, wanted);
    free(text);
}

static void nobody_is_there(void **state)
{
    struct world *world = *state;

    tell(world, said(1, "porch", NOON, NOON + SECOND));
    tell(world, said(2, "shed", NOON, 0));
    sessions_mark_away(world->sessions, 7);
    assert_text(answer_uptime(world->sessions, NOON + 100 * SECOND),
                "{\"connected\":false,\"uptime_seconds\":0,\"uptime_formatted\":\"Not "
                "connected\",\"days\":0,"
                "\"hours\":0,\"minutes\":0,\"seconds\":0}");
}

static void uptime_is_of_the_last_that_came(void **state)
{
    struct world *world = *state;

    tell(world, said(1, "porch", NOON, 0));
    tell(world, said(3, "shed", NOON + 5 * SECOND, 0));
    tell(world, said(2, "gate", NOON + 4 * SECOND, 0));
    assert_text(answer_uptime(world->sessions, NOON + 93789 * SECOND - 1),
                "{\"connected\":true,\"uptime_seconds\":93783,\"uptime_formatted\":\"1d 2h 3m "
                "3s\",\"days\":1,"
                "\"hours\":2,\"minutes\":3,\"seconds\":3,\"camera\":\"shed\"}");
    tell(world, said(3, "shed", NOON + 5 * SECOND, NOON + 6 * SECOND));
    assert_text(answer_uptime(world->sessions, NOON), /* the clock was set back */
                "{\"connected\":true,\"uptime_seconds\":0,\"uptime_formatted\":\"0s\",\"days\":0,"
                "\"hours\":0,\"minutes\":0,\"seconds\":0,\"camera\":\"gate\"}");
}

static void history_is_as_the_contract_says(void **state)
{
    struct world *world = *state;

    setenv("TZ", "XYZ-2", 1);
    tzset();
    store(world, said(1, "a \"b\"", NOON + SECOND / 4, NOON + 3725 * SECOND + SECOND / 2 + 3));
    tell(world, said(2, "shed", NOON + 39 * SECOND, 0));
    assert_text(history(world), "{\"sessions\":[{\"camera\":\"a \\\"b\\\"\",\"address\":\"192.0.2.7\","
                                "\"transport\":\"websocket\",\"port\":5100,\"connect_time\":\"2025-06-15 17:06:40\","
                                "\"connect_timestamp\":1750000000.250000,\"disconnect_time\":\"2025-06-15 18:08:45\","
                                "\"disconnect_timestamp\":1750003725.500003,\"duration_seconds\":3725,"
                                "\"duration_formatted\":\"62m 5s\",\"status\":\"disconnected\",\"reason\":\"lost\"}],"
                                "\"total_sessions\":1,\"server_start_time\":\"2025-06-15 17:06:40\","
                                "\"open_sessions\":[{\"camera\":\"shed\",\"address\":\"192.0.2.7\","
                                "\"transport\":\"websocket\",\"port\":5100,\"connect_time\":\"2025-06-15 17:07:19\","
                                "\"connect_timestamp\":1750000039.000000,\"duration_seconds\":61,"
                                "\"duration_formatted\":\"1m 1s\"}]}");
}

/* Numbers in the names of the cameras listed, as "1 2 ". */
static const char *cameras_in(char *text, const char *list_name)
{
    static char names[16384];
    cJSON *answer = cJSON_Parse(text);
    const cJSON *session;

    names[0] = '\0';
    cJSON_ArrayForEach(session, cJSON_GetObjectItem(answer, list_name))
        sprintf(names + strlen(names), "%s ", cJSON_GetObjectItem(session, "camera")->valuestring);
    cJSON_Delete(answer);
    free(text);
    return names;
}

static void put_numbered(struct world *world, void (*put)(struct world *, struct msg_session), unsigned number,
                         uint64_t ended_utc_us)
{
    char name[16];

    snprintf(name, sizeof name, "%u", number);
    put(world, said(number, name, NOON, ended_utc_us));
}

static void the_newest_twenty_of_both_places(void **state)
{
    struct world *world = *state;

    for (unsigned i = 1; i <= 30; i += 2)
        put_numbered(world, store, i, NOON + i * SECOND);
    for (unsigned i = 2; i <= 30; i += 2)
        put_numbered(world, tell, i, NOON + i * SECOND);
    assert_string_equal(cameras_in(history(world), "sessions"),
                        "11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 ");
}

static void memory_counts_over_the_database(void **state)
{
    struct world *world = *state;

    for (unsigned i = 1; i <= 24; i++)
        put_numbered(world, store, i, NOON + i * SECOND);
    put_numbered(world, tell, 24, 0);             /* the guess that it had ended was wrong */
    put_numbered(world, tell, 23, NOON + SECOND); /* it ended earlier: older than the newest twenty */
    assert_string_equal(cameras_in(history(world), "sessions"),
                        "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 ");
    assert_string_equal(cameras_in(history(world), "open_sessions"), "24 ");
}

static void open_ones_are_listed_oldest_first_and_not_without_end(void **state)
{
    struct world *world = *state;
    char name[16];

    for (unsigned i = 1; i <= 1500; i++) {
        snprintf(name, sizeof name, "%u", i);
        tell(world, said(2000 - i, name, NOON + i, 0));
    }
    assert_memory_equal(cameras_in(history(world), "open_sessions"), "501 502 503 ", 12);
}

static void trouble_is_told(void **state)
{
    (void)state;
    for (enum store_trouble trouble = STORE_FINE; trouble < STORE_TROUBLE_COUNT; trouble++) {
        char *text = answer_trouble(trouble);
        cJSON *answer = cJSON_Parse(text);

        assert_string_equal(cJSON_GetObjectItem(answer, "status")->valuestring, "error");
        assert_true(cJSON_IsString(cJSON_GetObjectItem(answer, "message")));
        if (trouble == STORE_CORRUPT)
            assert_string_equal(cJSON_GetObjectItem(answer, "error")->valuestring, "history is corrupt");
        cJSON_Delete(answer);
        free(text);
    }
}

#define CASE(text, function)                                                                                           \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = setup, .teardown_func = teardown                        \
    }

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE("nobody is there", nobody_is_there),
        CASE("uptime is of the camera that came last", uptime_is_of_the_last_that_came),
        CASE("history is as the contract says", history_is_as_the_contract_says),
        CASE("the newest twenty of memory and database", the_newest_twenty_of_both_places),
        CASE("memory counts over the database", memory_counts_over_the_database),
        CASE("open ones, oldest first, the newest thousand", open_ones_are_listed_oldest_first_and_not_without_end),
        CASE("trouble is told", trouble_is_told),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
