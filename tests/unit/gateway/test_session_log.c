/* session_log: what is open or not yet stored is told, as it stands, and nothing else is kept. */
#include "session_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct session_log *log;
    char told[512];     /* as "1.2=porch " for version 2 of session 1; "1.3=porch:closed " once it has ended */
    char given_up[512]; /* likewise */
};

static void note(char *text, const struct msg_session *record)
{
    sprintf(text + strlen(text), "%u.%u=%s%s%s ", (unsigned)record->number, (unsigned)record->version, record->camera,
            record->ended_utc_us != 0 ? ":" : "",
            record->ended_utc_us != 0 ? session_end_name((enum session_end)record->end) : "");
}

static void on_changed(void *user, const struct msg_session *record)
{
    note(((struct world *)user)->told, record);
}

static void on_given_up(void *user, const struct msg_session *record)
{
    note(((struct world *)user)->given_up, record);
}

static void open_world(struct world *world, uint32_t count_max)
{
    *world = (struct world){.log = session_log_new(count_max, on_changed, on_given_up, world)};
    assert_non_null(world->log);
}

static struct logged_session *open_session(struct world *world, const char *camera)
{
    struct logged_session *session = session_log_open(world->log, camera, "192.0.2.7", 5000, 1000);

    assert_non_null(session);
    assert_string_equal(session->record.address, "192.0.2.7");
    assert_int_equal(session->record.port, 5000);
    assert_int_equal(session->record.identified_utc_us, 1000);
    return session;
}

/* All that is kept, told from the beginning. */
static const char *all(struct world *world)
{
    world->told[0] = '\0';
    session_log_each(world->log, on_changed, world);
    return world->told;
}

static void test_a_life(void **state)
{
    struct world world;
    struct logged_session *session;

    (void)state;
    open_world(&world, 10);
    session = open_session(&world, "porch");
    session_log_rename(world.log, session, "porch");
    session_log_rename(world.log, session, "garage");
    assert_string_equal(world.told, "1.1=porch 1.2=garage ");
    session_log_stored(world.log, 1, 2);
    assert_string_equal(all(&world), "1.2=garage "); /* open: it is alive, and says so to whoever asks */
    assert_true(session_log_is_settled(world.log));
    session_log_end(world.log, session, SESSION_END_closed, 5000);
    assert_string_equal(all(&world), "1.3=garage:closed ");
    assert_false(session_log_is_settled(world.log));
    session_log_stored(world.log, 1, 2); /* an older word */
    assert_false(session_log_is_settled(world.log));
    session_log_stored(world.log, 1, 3);
    assert_true(session_log_is_settled(world.log));
    assert_string_equal(all(&world), "");
    assert_int_equal(session_log_count(world.log), 0);
    session_log_stored(world.log, 1, 3); /* told twice */
    session_log_free(world.log);
}

static void test_several(void **state)
{
    struct world world;
    struct logged_session *sessions[4];

    (void)state;
    open_world(&world, 10);
    for (unsigned i = 0; i < ARRAY_LEN(sessions); i++)
        sessions[i] = open_session(&world, i % 2 == 0 ? "a" : "b");
    session_log_end(world.log, sessions[2], SESSION_END_lost, 2000);
    session_log_end(world.log, sessions[0], SESSION_END_silent, 2000);
    assert_string_equal(all(&world), "1.2=a:silent 2.1=b 3.2=a:lost 4.1=b ");
    session_log_stored(world.log, 3, 2);
    session_log_stored(world.log, 4, 1);
    assert_string_equal(all(&world), "1.2=a:silent 2.1=b 4.1=b ");
    session_log_free(world.log);
}

static void test_a_clock_that_was_set_back(void **state)
{
    struct world world;
    struct logged_session *session;

    (void)state;
    open_world(&world, 10);
    session = open_session(&world, "a");
    session_log_end(world.log, session, SESSION_END_closed, 10);
    session_log_each(world.log, on_changed, &world);
    assert_int_equal(session->record.ended_utc_us, 1000);
    session_log_free(world.log);
}

static void test_too_many(void **state)
{
    struct world world;
    struct logged_session *first, *second;

    (void)state;
    open_world(&world, 2);
    first = open_session(&world, "a");
    second = open_session(&world, "b");
    open_session(&world, "c"); /* nothing has ended: all stay */
    assert_string_equal(world.given_up, "");
    session_log_end(world.log, second, SESSION_END_closed, 2000);
    open_session(&world, "d");
    assert_string_equal(world.given_up, "2.2=b:closed ");
    assert_true(session_log_is_settled(world.log));
    session_log_end(world.log, first, SESSION_END_closed, 2000);
    assert_string_equal(all(&world), "1.2=a:closed 3.1=c 4.1=d ");
    session_log_free(world.log);
    session_log_free(NULL);
}

/* What the other worker, 77, told last. */
static struct msg_session former_of(uint64_t number, uint64_t version, uint64_t ended_utc_us)
{
    return (struct msg_session){.number = number,
                                .version = version,
                                .camera = "porch",
                                .address = "192.0.2.8",
                                .port = 5001,
                                .identified_utc_us = 2000,
                                .ended_utc_us = ended_utc_us,
                                .end = ended_utc_us != 0 ? SESSION_END_lost : SESSION_END_none};
}

static void test_adopting_an_open_one(void **state)
{
    struct msg_session former = former_of(9, 4, 0);
    struct logged_session *session;
    struct world world;

    (void)state;
    open_world(&world, 10);
    open_session(&world, "mine");
    session = session_log_adopt(world.log, &former, 77);
    assert_non_null(session);
    assert_int_equal(session->record.heir_of_origin, 77);
    assert_int_equal(session->record.heir_of_number, 9);
    assert_string_equal(session->record.address, "192.0.2.8");
    assert_int_equal(session->record.port, 5001);
    assert_int_equal(session->record.identified_utc_us, 2000);
    session_log_rename(world.log, session, "garage");
    session_log_end(world.log, session, SESSION_END_closed, 5000);
    assert_string_equal(world.told, "1.1=mine 2.5=porch 2.6=garage 2.7=garage:closed ");
    session_log_stored(world.log, 9, 7); /* its number is another one here */
    assert_int_equal(session_log_count(world.log), 2);
    session_log_stored(world.log, 2, 7);
    assert_string_equal(all(&world), "1.1=mine ");
    session_log_free(world.log);
}

static void test_adopting_twice_names_the_beginning(void **state)
{
    struct msg_session former = former_of(9, 4, 0);
    struct logged_session *session;
    struct world worlds[2];

    (void)state;
    open_world(&worlds[0], 10);
    open_world(&worlds[1], 10);
    session = session_log_adopt(worlds[0].log, &former, 77);
    session = session_log_adopt(worlds[1].log, &session->record, 78);
    assert_int_equal(session->record.heir_of_origin, 77);
    assert_int_equal(session->record.heir_of_number, 9);
    assert_string_equal(worlds[1].told, "1.6=porch ");
    session_log_free(worlds[0].log);
    session_log_free(worlds[1].log);
}

static void test_adopting_an_ended_one(void **state)
{
    struct msg_session former = former_of(9, 4, 6000);
    struct world world;

    (void)state;
    open_world(&world, 1);
    assert_null(session_log_adopt(world.log, &former, 77));
    assert_string_equal(world.told, "1.5=porch:lost ");
    assert_false(session_log_is_settled(world.log));
    session_log_stored(world.log, 1, 5);
    assert_true(session_log_is_settled(world.log));
    assert_int_equal(session_log_count(world.log), 0);

    open_session(&world, "mine");
    assert_null(session_log_adopt(world.log, &former, 77)); /* no room: told once, and given up */
    assert_string_equal(world.given_up, "3.5=porch:lost ");
    assert_string_equal(all(&world), "2.1=mine ");
    session_log_free(world.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_life),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_a_clock_that_was_set_back),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_adopting_an_open_one),
        cmocka_unit_test(test_adopting_twice_names_the_beginning),
        cmocka_unit_test(test_adopting_an_ended_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
