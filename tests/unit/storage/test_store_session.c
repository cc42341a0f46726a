/* test_store_session - sessions in, sessions out. */
#include "place.h"

#define TOLD_ROOM 512

/* Sessions as "number:camera " in the order they were told. */
struct told {
    char text[TOLD_ROOM];
    size_t count, stop_after;
};

static bool tell(void *user, const struct store_session *session)
{
    struct told *told = user;
    size_t length = strlen(told->text);

    snprintf(told->text + length, sizeof told->text - length, "%u:%s ", (unsigned)session->number, session->camera);
    return ++told->count != told->stop_after;
}

static bool tell_id(void *user, struct store_session_id id)
{
    struct told *told = user;
    size_t length = strlen(told->text);

    assert_true(id.origin == BIG);
    snprintf(told->text + length, sizeof told->text - length, "%u ", (unsigned)id.number);
    return ++told->count != told->stop_after;
}

static void assert_told(struct place *place, struct store_session_query query, const char *expected)
{
    struct told told = {.count = 0};

    assert_fine(store_each_session(place->store, &query, tell, &told));
    assert_string_equal(told.text, expected);
}

static void assert_open(struct place *place, const char *expected)
{
    struct told told = {.count = 0};

    assert_fine(store_each_open(place->store, tell_id, &told));
    assert_string_equal(told.text, expected);
}

static bool copy_session(void *user, const struct store_session *session)
{
    const struct store_session *expected = user;

    assert_true(session->origin == expected->origin);
    assert_true(session->number == expected->number);
    assert_string_equal(session->camera, expected->camera);
    assert_string_equal(session->address, expected->address);
    assert_string_equal(session->transport, expected->transport);
    assert_int_equal(session->port, expected->port);
    assert_true(session->identified_utc_us == expected->identified_utc_us);
    assert_true(session->alive_utc_us == expected->alive_utc_us);
    assert_true(session->ended_utc_us == expected->ended_utc_us);
    assert_string_equal(session->end, expected->end);
    return true;
}

static void assert_only(struct place *place, struct store_session expected)
{
    assert_int_equal(number_of(place->store->db, "SELECT count(*) FROM session"), 1);
    assert_fine(
        store_each_session(place->store, &(struct store_session_query){.max_count = 0}, copy_session, &expected));
}

static void bits_are_kept(void **state)
{
    static const uint64_t NUMBERS[] = {1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, BIG};
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        struct store_session session = {.origin = NUMBERS[i],
                                        .number = NUMBERS[ARRAY_LEN(NUMBERS) - 1 - i],
                                        .camera = "K\xc3\xbc"
                                                  "che '\"; --\n",
                                        .address = "2001:db8::7",
                                        .transport = "websocket",
                                        .port = 65535,
                                        .identified_utc_us = 1,
                                        .alive_utc_us = INT64_MAX,
                                        .ended_utc_us = INT64_MAX,
                                        .end = "silent"};

        assert_fine(store_put_session(place->store, &session));
        assert_only(place, session);
        run_sql(place->store->db, "DELETE FROM session");
    }
}

static void the_newest_word_counts(void **state)
{
    struct place *place = *state;
    struct store_session session = session_of(1, "porch", 0);

    assert_fine(store_put_session(place->store, &session));
    assert_fine(store_put_session(place->store, &session)); /* told again */
    assert_only(place, session);
    session.camera = "yard";
    session.address = "192.0.2.8";
    session.port = 5000;
    session.identified_utc_us++;
    session.alive_utc_us += S;
    assert_fine(store_put_session(place->store, &session));
    assert_only(place, session);
    assert_fine(store_end_unclaimed(place->store, (struct store_session_id){BIG, 1}, "hub_restart"));
    assert_open(place, "");
    assert_fine(store_put_session(place->store, &session)); /* it was there all the time */
    assert_only(place, session);
    assert_open(place, "1 ");
    session.ended_utc_us = session.alive_utc_us = T0 + 60 * S;
    session.end = "lost";
    assert_fine(store_put_session(place->store, &session));
    assert_only(place, session);
    assert_open(place, "");
}

static void touching(void **state)
{
    struct place *place = *state;
    struct store_session other = session_of(1, "far", 0);

    other.origin = 8;
    assert_fine(put(place, 1, "porch", 0));
    assert_fine(put(place, 2, "porch", T0 + 5 * S));
    assert_fine(store_put_session(place->store, &other));
    for (uint64_t number = 1; number <= 3; number++) /* the third does not exist */
        assert_fine(store_touch_session(place->store, (struct store_session_id){BIG, number}, T0 + 9 * S));
    assert_rows(place->store->db, "SELECT camera, (alive_utc_us - 1750000000000000) / 1000000 FROM session ORDER BY 2",
                "far|1\nporch|5\nporch|9\n");
}

static void unclaimed(void **state)
{
    struct place *place = *state;

    assert_fine(put(place, 1, "porch", 0));
    assert_fine(put(place, 2, "porch", T0 + 5 * S));
    assert_open(place, "1 ");
    for (uint64_t number = 1; number <= 3; number++) /* the third does not exist */
        assert_fine(store_end_unclaimed(place->store, (struct store_session_id){BIG, number}, "hub_restart"));
    assert_open(place, "");
    assert_rows(place->store->db,
                "SELECT number, (ended_utc_us - 1750000000000000) / 1000000, ended_utc_us = alive_utc_us, end_reason"
                " FROM session ORDER BY 1",
                "1|1|1|hub_restart\n2|5|1|closed\n");
}

static void open_ones_until_enough(void **state)
{
    struct place *place = *state;
    struct told told = {.stop_after = 2};

    for (uint64_t i = 1; i <= 5; i++)
        assert_fine(put(place, i, "porch", 0));
    assert_fine(store_each_open(place->store, tell_id, &told));
    assert_string_equal(told.text, "1 2 ");
    assert_fine(store_begin(place->store)); /* nothing is left under way */
    assert_fine(store_commit(place->store));
}

/* Numbers tell the order of the ends; 8 and 9 are open, 9 began later. */
static void fill(struct place *place)
{
    struct store_session late = session_of(9, "porch", 0);

    for (uint64_t i = 1; i <= 6; i++)
        assert_fine(put(place, i, i % 2 == 0 ? "porch" : "yard", T0 + i * 10 * S));
    assert_fine(put(place, 8, "yard", 0));
    late.identified_utc_us += S / 2;
    late.alive_utc_us = T0 + 100 * S;
    assert_fine(store_put_session(place->store, &late));
}

static void queries(void **state)
{
    static const struct {
        const char *name;
        struct store_session_query query;
        const char *told;
    } QUERIES[] = {
        {"all", {.max_count = 0}, "9:porch 8:yard 6:porch 5:yard 4:porch 3:yard 2:porch 1:yard "},
        {"ended", {.is_ended_only = true}, "6:porch 5:yard 4:porch 3:yard 2:porch 1:yard "},
        {"newest", {.max_count = 3}, "9:porch 8:yard 6:porch "},
        {"as many as are open", {.max_count = 2}, "9:porch 8:yard "},
        {"fewer than are open", {.max_count = 1}, "9:porch "},
        {"newest ended", {.is_ended_only = true, .max_count = 2}, "6:porch 5:yard "},
        {"camera", {.camera = "yard"}, "8:yard 5:yard 3:yard 1:yard "},
        {"camera, ended, newest", {.camera = "porch", .is_ended_only = true, .max_count = 2}, "6:porch 4:porch "},
        {"no such camera", {.camera = "nobody"}, ""},
        {"camera, letters count", {.camera = "Porch"}, ""},
        {"since", {.since_utc_us = T0 + 40 * S}, "9:porch 6:porch 5:yard "},
        {"since, just before", {.since_utc_us = T0 + 40 * S - 1}, "9:porch 6:porch 5:yard 4:porch "},
        {"since, camera", {.since_utc_us = T0 + 40 * S, .camera = "yard"}, "5:yard "},
        {"since the future", {.since_utc_us = UINT64_MAX}, ""},
        {"many", {.max_count = UINT64_MAX, .camera = "yard"}, "8:yard 5:yard 3:yard 1:yard "},
    };
    struct place *place = *state;

    assert_told(place, (struct store_session_query){.max_count = 0}, "");
    fill(place);
    for (size_t i = 0; i < ARRAY_LEN(QUERIES); i++) {
        print_message("           %s\n", QUERIES[i].name);
        assert_told(place, QUERIES[i].query, QUERIES[i].told);
    }
}

static void telling_stops(void **state)
{
    struct place *place = *state;

    fill(place);
    for (size_t count = 1; count <= 4; count++) {
        struct told told = {.stop_after = count};

        assert_fine(store_each_session(place->store, &(struct store_session_query){.max_count = 0}, tell, &told));
        assert_int_equal(told.count, count);
    }
}

static void bad_rows_are_refused(void **state)
{
    struct place *place = *state;
    struct store_session session = session_of(1, NULL, 0);

    assert_int_equal(store_put_session(place->store, &session), STORE_BROKEN);
    assert_non_null(strstr(store_why(place->store), "NOT NULL constraint failed: session.camera"));
    assert_fine(put(place, 1, "porch", 0)); /* the statement is as good as before */
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE_OF("numbers and texts come back bit by bit", place_setup_open, bits_are_kept),
        CASE_OF("the newest word counts", place_setup_open, the_newest_word_counts),
        CASE_OF("touching moves an open session", place_setup_open, touching),
        CASE_OF("unclaimed sessions end when last alive", place_setup_open, unclaimed),
        CASE_OF("open sessions, until enough", place_setup_open, open_ones_until_enough),
        CASE_OF("queries", place_setup_open, queries),
        CASE_OF("telling stops", place_setup_open, telling_stops),
        CASE_OF("bad rows are refused", place_setup_open, bad_rows_are_refused),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
