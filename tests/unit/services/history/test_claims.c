/* test_claims - gateway workers come, are lost, come back or do not. Links are never looked into here, so any address
 * serves as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "claims.h"

#define START_MONO_MS UINT64_C(1000)
#define ORIGIN        UINT64_C(77)
#define HEIR          UINT64_C(78)

struct world {
    struct sessions *sessions;
    struct claims claims;
};

static char links[3];

static struct bus_link *a_link(unsigned i)
{
    return (struct bus_link *)(void *)&links[i];
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->sessions = sessions_new(100);
    claims_init(&world->claims, world->sessions, START_MONO_MS);
    *state = world;
    return world->sessions == NULL;
}

static int teardown(void **state)
{
    struct world *world = *state;

    claims_done(&world->claims);
    sessions_free(world->sessions);
    free(world);
    return 0;
}

static void join(struct world *world, unsigned i, uint64_t now_utc_us)
{
    assert_int_equal(claims_join(&world->claims, a_link(i), ORIGIN, now_utc_us), 0);
}

static void tell(struct world *world, uint64_t number)
{
    struct msg_session said = {.number = number, .version = 1, .camera = "porch", .identified_utc_us = 5};

    assert_int_equal(sessions_put(world->sessions, ORIGIN, &said), 0);
}

/* Nothing waits, as after a commit. */
static void commit(struct world *world)
{
    while (sessions_first_waiting(world->sessions) != NULL)
        sessions_pop_waiting(world->sessions);
}

static void strangers_have_ten_seconds(void **state)
{
    struct world *world = *state;

    assert_false(claims_is_orphan(&world->claims, 99, 1));
    assert_false(claims_expire(&world->claims, START_MONO_MS + CLAIMS_GRACE_MS - 1));
    assert_false(claims_is_orphan(&world->claims, 99, 1));
    assert_true(claims_expire(&world->claims, START_MONO_MS + CLAIMS_GRACE_MS));
    assert_true(claims_is_orphan(&world->claims, 99, 1));
    assert_false(claims_expire(&world->claims, START_MONO_MS + CLAIMS_GRACE_MS + 1)); /* said once */
}

static void what_is_not_held_is_an_orphan_when_all_is_told(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    claims_expire(&world->claims, START_MONO_MS + CLAIMS_GRACE_MS);
    tell(world, 1);
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 2)); /* it may still be told */
    claims_seed_end(&world->claims, a_link(0));
    assert_true(claims_is_orphan(&world->claims, ORIGIN, 2));
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 1));
}

static void who_comes_back_keeps_what_it_tells(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    tell(world, 1);
    tell(world, 2);
    claims_seed_end(&world->claims, a_link(0));
    commit(world);
    claims_leave(&world->claims, a_link(0), 5000, 20000);
    assert_true(sessions_find(world->sessions, ORIGIN, 1)->is_away);
    assert_int_equal(claims_alive_utc_us(&world->claims, ORIGIN, 6000), 5000);
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 3));               /* it may come back */
    assert_true(claims_expire(&world->claims, 20000 + CLAIMS_GRACE_MS - 1)); /* only the start is over */

    join(world, 1, 7000);
    tell(world, 1);
    commit(world);
    claims_seed_end(&world->claims, a_link(1));
    assert_false(sessions_find(world->sessions, ORIGIN, 1)->is_away);
    assert_int_equal(sessions_first_waiting(world->sessions)->said.number, 2);
    assert_int_equal(sessions_first_waiting(world->sessions)->said.ended_utc_us, 5000);
    assert_int_equal(claims_alive_utc_us(&world->claims, ORIGIN, 8000), 8000);
}

static void who_does_not_come_back_is_given_up(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    tell(world, 1);
    claims_seed_end(&world->claims, a_link(0));
    commit(world);
    claims_leave(&world->claims, a_link(0), 5000, 20000);
    assert_true(claims_expire(&world->claims, 20000 + CLAIMS_GRACE_MS));
    assert_null(claims_find(&world->claims, ORIGIN));
    assert_int_equal(sessions_open_count(world->sessions), 0);
    assert_int_equal(sessions_first_waiting(world->sessions)->said.ended_utc_us, 5000);
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 1)); /* its end waits to be written */
    commit(world);
    assert_true(claims_is_orphan(&world->claims, ORIGIN, 1));
}

static void an_older_link_does_not_count_any_more(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    tell(world, 1);
    claims_seed_end(&world->claims, a_link(0));
    join(world, 1, 200);
    assert_null(claims_by_link(&world->claims, a_link(0)));
    assert_true(sessions_find(world->sessions, ORIGIN, 1)->is_away);
    tell(world, 1);
    claims_seed_end(&world->claims, a_link(0)); /* read late */
    assert_false(claims_find(&world->claims, ORIGIN)->is_seeded);
    claims_leave(&world->claims, a_link(0), 300, 30000);
    assert_ptr_equal(claims_find(&world->claims, ORIGIN)->link, a_link(1));
    assert_false(sessions_find(world->sessions, ORIGIN, 1)->is_away);
}

/* Session 1 goes on at another worker, whose link is link 2. */
static void hand_over(struct world *world, uint64_t version, uint64_t now_utc_us)
{
    struct msg_session said = {.number = 40,
                               .version = version,
                               .camera = "porch",
                               .identified_utc_us = 5,
                               .heir_of_origin = ORIGIN,
                               .heir_of_number = 1};

    assert_int_equal(claims_join(&world->claims, a_link(2), HEIR, now_utc_us), 0);
    assert_int_equal(sessions_put(world->sessions, HEIR, &said), 0);
    claims_seed_end(&world->claims, a_link(2));
}

static void what_went_on_elsewhere_outlives_its_worker(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    tell(world, 1);
    tell(world, 2);
    claims_seed_end(&world->claims, a_link(0));
    commit(world);
    hand_over(world, 2, 200); /* the end of the older worker's link is seen late */
    claims_leave(&world->claims, a_link(0), 5000, 20000);
    assert_true(session_is_there(sessions_find(world->sessions, ORIGIN, 1)));
    assert_true(sessions_find(world->sessions, ORIGIN, 2)->is_away);
    commit(world);
    assert_true(claims_expire(&world->claims, 20000 + CLAIMS_GRACE_MS));
    assert_int_equal(sessions_open_count(world->sessions), 1);
    assert_int_equal(sessions_first_waiting(world->sessions)->id.number, 2);
    commit(world);
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 1)); /* held, though nobody of that origin is left */
    assert_true(claims_is_orphan(&world->claims, ORIGIN, 2));

    claims_leave(&world->claims, a_link(2), 6000, 40000); /* and now its own worker */
    assert_false(session_is_there(sessions_find(world->sessions, ORIGIN, 1)));
    assert_true(claims_expire(&world->claims, 40000 + CLAIMS_GRACE_MS));
    assert_int_equal(sessions_first_waiting(world->sessions)->said.ended_utc_us, 6000);
    commit(world);
    assert_true(claims_is_orphan(&world->claims, ORIGIN, 1));
}

static void an_heir_that_comes_late_is_heard(void **state)
{
    struct world *world = *state;

    join(world, 0, 100);
    tell(world, 1);
    claims_seed_end(&world->claims, a_link(0));
    claims_leave(&world->claims, a_link(0), 5000, 20000);
    claims_expire(&world->claims, 20000 + CLAIMS_GRACE_MS);
    commit(world);
    assert_null(sessions_find(world->sessions, ORIGIN, 1));
    hand_over(world, 2, 50000);
    assert_true(session_is_there(sessions_find(world->sessions, ORIGIN, 1)));
    assert_false(claims_is_orphan(&world->claims, ORIGIN, 1));
}

#define CASE(text, function)                                                                                           \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = setup, .teardown_func = teardown                        \
    }

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE("a worker that has not come has ten seconds", strangers_have_ten_seconds),
        CASE("what is not held is an orphan when all is told", what_is_not_held_is_an_orphan_when_all_is_told),
        CASE("who comes back keeps what it tells again", who_comes_back_keeps_what_it_tells),
        CASE("who does not come back is given up", who_does_not_come_back_is_given_up),
        CASE("an older link does not count any more", an_older_link_does_not_count_any_more),
        CASE("what went on elsewhere outlives its worker", what_went_on_elsewhere_outlives_its_worker),
        CASE("an heir that comes late is heard", an_heir_that_comes_late_is_heard),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
