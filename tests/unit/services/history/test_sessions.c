/* test_sessions - the table of sessions and what waits in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sessions.h"

#define MANY 1000u

static int setup(void **state)
{
    *state = sessions_new(MANY);
    return *state == NULL;
}

static int teardown(void **state)
{
    sessions_free(*state);
    return 0;
}

static struct msg_session words(uint64_t number, uint64_t version, uint64_t ended_utc_us)
{
    return (struct msg_session){.number = number,
                                .version = version,
                                .camera = "porch",
                                .address = "192.0.2.7",
                                .port = 5100,
                                .identified_utc_us = 1000,
                                .ended_utc_us = ended_utc_us,
                                .end = ended_utc_us != 0 ? SESSION_END_closed : SESSION_END_none};
}

static void say(struct sessions *sessions, uint64_t holder, uint64_t number, uint64_t version, uint64_t ended_utc_us)
{
    struct msg_session said = words(number, version, ended_utc_us);

    assert_int_equal(sessions_put(sessions, holder, &said), 0);
}

/* What holder says of session 1 of worker 7, which it goes on with as its own session 40. */
static void say_as_heir(struct sessions *sessions, uint64_t holder, uint64_t version, uint64_t ended_utc_us)
{
    struct msg_session said = words(40, version, ended_utc_us);

    said.heir_of_origin = 7;
    said.heir_of_number = 1;
    assert_int_equal(sessions_put(sessions, holder, &said), 0);
}

/* Numbers of the sessions that wait, as "1 2 "; they are taken out. */
static const char *pop_all(struct sessions *sessions)
{
    static char text[256];
    const struct session *first;

    text[0] = '\0';
    while ((first = sessions_first_waiting(sessions)) != NULL) {
        sprintf(text + strlen(text), "%u ", (unsigned)first->said.number);
        sessions_pop_waiting(sessions);
    }
    assert_int_equal(sessions_waiting_bytes(sessions), 0);
    return text;
}

static void an_open_one_stays_and_an_ended_one_goes(void **state)
{
    say(*state, 7, 1, 1, 0);
    say(*state, 7, 2, 1, 0);
    say(*state, 7, 2, 2, 5000);
    assert_int_equal(sessions_open_count(*state), 1);
    assert_int_equal(sessions_waiting_bytes(*state), 2 * sizeof(struct session));
    assert_string_equal(pop_all(*state), "1 2 ");
    assert_non_null(sessions_find(*state, 7, 1));
    assert_null(sessions_find(*state, 7, 2));
    assert_null(sessions_find(*state, 8, 1));
}

static void many_words_wait_as_one(void **state)
{
    for (uint64_t version = 1; version <= 10; version++)
        say(*state, 7, 1, version, 0);
    assert_int_equal(sessions_first_waiting(*state)->said.version, 10);
    assert_string_equal(pop_all(*state), "1 ");
    say(*state, 7, 1, 11, 0);
    assert_string_equal(pop_all(*state), "1 ");
}

static void a_row_says_what_was_said(void **state)
{
    struct store_session row;

    say(*state, 7, 1, 1, 5000);
    row = session_row(sessions_first_waiting(*state));
    assert_int_equal(row.origin, 7);
    assert_int_equal(row.number, 1);
    assert_string_equal(row.camera, "porch");
    assert_string_equal(row.address, "192.0.2.7");
    assert_string_equal(row.transport, "websocket");
    assert_int_equal(row.port, 5100);
    assert_int_equal(row.identified_utc_us, 1000);
    assert_int_equal(row.alive_utc_us, 5000);
    assert_int_equal(row.ended_utc_us, 5000);
    assert_string_equal(row.end, "closed");
}

static void a_new_database_is_told_of_the_open_ones(void **state)
{
    say(*state, 7, 1, 1, 0);
    pop_all(*state);
    say(*state, 7, 2, 1, 5000);
    sessions_all_wait(*state);
    assert_string_equal(pop_all(*state), "2 1 ");
}

static void the_limit_is_kept(void **state)
{
    struct msg_session said = {.number = MANY + 1, .version = 1, .camera = "one too many", .identified_utc_us = 1};
    unsigned count = 0;

    for (uint64_t number = 1; number <= MANY; number++)
        say(*state, UINT64_MAX - 5, number, 1, 0);
    assert_int_equal(sessions_put(*state, 7, &said), -ENOSPC);
    for (uint64_t number = 1; number <= MANY; number++)
        assert_int_equal(sessions_find(*state, UINT64_MAX - 5, number)->said.number, number);
    for (const struct session *each = sessions_next(*state, NULL); each != NULL; each = sessions_next(*state, each))
        count++;
    assert_int_equal(count, MANY);
    say(*state, UINT64_MAX - 5, 17, 2, 0); /* one that is known may change */
}

static void who_is_away_ends_with_a_guess(void **state)
{
    const struct session *session;

    say(*state, 7, 1, 1, 0);
    say(*state, 7, 2, 1, 0);
    say(*state, 8, 1, 1, 0);
    pop_all(*state);
    sessions_mark_away(*state, 7);
    say(*state, 7, 2, 1, 0); /* told again */
    pop_all(*state);
    sessions_end_away(*state, 7, 9000);
    session = sessions_first_waiting(*state);
    assert_int_equal(session->said.number, 1);
    assert_int_equal(session->said.ended_utc_us, 9000);
    assert_int_equal(session->said.end, SESSION_END_hub_restart);
    assert_int_equal(sessions_open_count(*state), 2);
    assert_string_equal(pop_all(*state), "1 ");
    assert_false(sessions_find(*state, 7, 2)->is_away);
    assert_false(sessions_find(*state, 8, 1)->is_away);
}

static void a_guess_is_not_before_the_beginning_and_gives_way(void **state)
{
    say(*state, 7, 1, 1, 0);
    sessions_mark_away(*state, 7);
    sessions_end_away(*state, 7, 10); /* the clock was set back */
    assert_int_equal(sessions_find(*state, 7, 1)->said.ended_utc_us, 1000);
    say(*state, 7, 1, 1, 0);
    assert_int_equal(sessions_open_count(*state), 1);
    assert_string_equal(pop_all(*state), "1 ");
}

static void assert_held(struct sessions *sessions, uint64_t holder, uint64_t version)
{
    const struct session *session = sessions_find(sessions, 7, 1);

    assert_non_null(session);
    assert_null(sessions_find(sessions, holder, 40));
    assert_int_equal(session->holder, holder);
    assert_int_equal(session->said.version, version);
    assert_int_equal(session_row(session).origin, 7);
    assert_int_equal(session_row(session).number, 1);
    assert_int_equal(session_row(session).identified_utc_us, 1000);
    assert_int_equal(sessions_open_count(sessions), session->said.ended_utc_us == 0);
}

static void one_that_goes_on_elsewhere_is_the_same(void **state)
{
    say(*state, 7, 1, 1, 0);
    say_as_heir(*state, 8, 2, 0); /* while it waits */
    assert_held(*state, 8, 2);
    assert_string_equal(pop_all(*state), "40 ");
    say_as_heir(*state, 8, 2, 0); /* told again */
    assert_string_equal(pop_all(*state), "40 ");
    sessions_mark_away(*state, 7); /* it has nothing more to say */
    assert_true(session_is_there(sessions_find(*state, 7, 1)));
    say_as_heir(*state, 10, 4, 0); /* of 9 nothing was heard */
    assert_held(*state, 10, 4);
    sessions_mark_away(*state, 10);
    assert_false(session_is_there(sessions_find(*state, 7, 1)));
    say_as_heir(*state, 10, 5, 6000);
    assert_held(*state, 10, 5);
    assert_string_equal(pop_all(*state), "40 ");
    assert_null(sessions_find(*state, 7, 1));
}

static void older_words_change_nothing(void **state)
{
    say_as_heir(*state, 9, 4, 0); /* heard first */
    pop_all(*state);
    say(*state, 7, 1, 1, 0);
    say(*state, 7, 1, 2, 5000);
    say_as_heir(*state, 8, 3, 5000);
    assert_held(*state, 9, 4);
    assert_null(sessions_first_waiting(*state));
    say_as_heir(*state, 9, 5, 6000);
    say(*state, 7, 1, 1, 0);
    assert_held(*state, 9, 5);
}

static void an_heir_counts_over_a_guess(void **state)
{
    say(*state, 7, 1, 3, 0);
    sessions_mark_away(*state, 7);
    sessions_end_away(*state, 7, 9000);
    say_as_heir(*state, 8, 4, 0);
    assert_held(*state, 8, 4);
    assert_true(session_is_there(sessions_find(*state, 7, 1)));
}

static void what_went_on_elsewhere_is_found_among_many(void **state)
{
    for (uint64_t number = 2; number < MANY; number++)
        say(*state, 8, number, 1, 0);
    say_as_heir(*state, 8, 2, 0);
    for (const struct session *each = sessions_next(*state, NULL); each != NULL; each = sessions_next(*state, each))
        assert_ptr_equal(sessions_find(*state, each->id.origin, each->id.number), each);
    assert_non_null(sessions_find(*state, 7, 1));
    assert_non_null(sessions_find(*state, 8, 40)); /* another one */
}

#define CASE(text, function)                                                                                           \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = setup, .teardown_func = teardown                        \
    }

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE("an open one stays, an ended one goes when it is written", an_open_one_stays_and_an_ended_one_goes),
        CASE("many words about a session wait as one", many_words_wait_as_one),
        CASE("a row says what was said", a_row_says_what_was_said),
        CASE("a new database is told of the open ones", a_new_database_is_told_of_the_open_ones),
        CASE("the limit is kept, and every session found", the_limit_is_kept),
        CASE("who is away ends with a guess", who_is_away_ends_with_a_guess),
        CASE("a guess is not before the beginning and gives way", a_guess_is_not_before_the_beginning_and_gives_way),
        CASE("one that goes on elsewhere is the same", one_that_goes_on_elsewhere_is_the_same),
        CASE("older words change nothing", older_words_change_nothing),
        CASE("an heir counts over a guess", an_heir_counts_over_a_guess),
        CASE("what went on elsewhere is found among many", what_went_on_elsewhere_is_found_among_many),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
