/* sample - what is made of a shared page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample.h"

#define MASTER 100
#define NOBODY 666 /* the one process id that is not in use */

static bool is_running(pid_t pid)
{
    return pid != NOBODY;
}

static const struct sample_clock CLOCK = {
    .now_mono_ms = 50000, .now_utc_us = UINT64_C(1750000000000000), .hang_ms = 1000};

static struct page *make_page(unsigned slot_count)
{
    struct page *page;

    assert_int_equal(page_create(NULL, "ingest", slot_count, &page), 0);
    atomic_store(&page->master_pid, MASTER);
    atomic_store(&page->started_utc_us, CLOCK.now_utc_us - 7000000);
    for (unsigned i = 0; i < slot_count; i++) {
        atomic_store(&page->slots[i].state, SLOT_ALIVE);
        atomic_store(&page->slots[i].pid, (int)(MASTER + 1 + i));
        atomic_store(&page->slots[i].heartbeat_mono_ms, CLOCK.now_mono_ms - 40);
        atomic_store(&page->slots[i].started_utc_us, CLOCK.now_utc_us - 5000000);
    }
    return page;
}

static void test_health(void **state)
{
    static const struct {
        const char *name;
        int master, pid;
        enum slot_state slot;
        unsigned beat_age_ms;
        enum health worker, service;
    } CASES[] = {
        {"all well", MASTER, 101, SLOT_ALIVE, 40, HEALTH_OK, HEALTH_OK},
        {"on the edge", MASTER, 101, SLOT_ALIVE, 1000, HEALTH_OK, HEALTH_OK},
        {"over the edge", MASTER, 101, SLOT_ALIVE, 1001, HEALTH_HANGS, HEALTH_HANGS},
        {"starting", MASTER, 101, SLOT_STARTING, 40, HEALTH_STARTS, HEALTH_STARTS},
        {"hung while starting", MASTER, 101, SLOT_STARTING, 2000, HEALTH_HANGS, HEALTH_HANGS},
        {"leaving", MASTER, 101, SLOT_LEAVING, 40, HEALTH_LEAVES, HEALTH_LEAVES},
        {"an empty slot", MASTER, 0, SLOT_EMPTY, 40, HEALTH_AWAY, HEALTH_AWAY},
        {"a worker that died", MASTER, NOBODY, SLOT_ALIVE, 40, HEALTH_AWAY, HEALTH_AWAY},
        {"a master that died", NOBODY, 101, SLOT_ALIVE, 40, HEALTH_OK, HEALTH_AWAY},
        {"no master", 0, 101, SLOT_ALIVE, 40, HEALTH_OK, HEALTH_AWAY},
        {"a state that is none", MASTER, 101, (enum slot_state)77, 40, HEALTH_AWAY, HEALTH_AWAY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct service_sample sample;
        struct page *page = make_page(2);

        atomic_store(&page->master_pid, CASES[i].master);
        atomic_store(&page->slots[1].pid, CASES[i].pid);
        atomic_store(&page->slots[1].state, CASES[i].slot);
        atomic_store(&page->slots[1].heartbeat_mono_ms, CLOCK.now_mono_ms - CASES[i].beat_age_ms);
        sample_page(page, &CLOCK, is_running, &sample);
        if (sample.workers[1].health != CASES[i].worker || sample.workers[0].health != HEALTH_OK)
            fail_msg("%s: workers %s, %s", CASES[i].name, health_name(sample.workers[0].health),
                     health_name(sample.workers[1].health));
        if (sample.health != CASES[i].service)
            fail_msg("%s: service %s", CASES[i].name, health_name(sample.health));
        assert_int_equal(sample.alive_count, CASES[i].worker == HEALTH_OK ? 2 : 1);
        page_free(page);
    }
}

static void test_values_and_sums(void **state)
{
    struct service_sample sample;
    struct page *page = make_page(3);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        count_set(&page->slots[i], COUNTER_connections, 10 + i);
        count_add(&page->slots[i], COUNTER_texts, 100 + i);
        count_refused(&page->slots[i], REJECT_auth_invalid);
        atomic_store(&page->slots[i].restarts_count, i);
        atomic_store(&page->slots[i].incarnation, UINT64_C(0xfedcba9876543210));
    }
    atomic_store(&page->slots[2].pid, NOBODY); /* its totals remain, its gauges mean nothing */
    sample_page(page, &CLOCK, is_running, &sample);
    assert_int_equal(sample.error, 0);
    assert_int_equal(sample.pid, MASTER);
    assert_int_equal(sample.uptime_ms, 7000);
    assert_int_equal(sample.worker_count, 3);
    assert_int_equal(sample.restarts_count, 3);
    assert_int_equal(sample.tally.counters[COUNTER_connections], 10 + 11);
    assert_int_equal(sample.tally.counters[COUNTER_texts], 100 + 101 + 102);
    assert_int_equal(sample.tally.refused[REJECT_auth_invalid], 3);
    assert_int_equal(sample.workers[1].pid, 102);
    assert_int_equal(sample.workers[1].uptime_ms, 5000);
    assert_int_equal(sample.workers[1].heartbeat_age_ms, 40);
    assert_true(sample.workers[1].incarnation == UINT64_C(0xfedcba9876543210));
    assert_int_equal(sample.workers[2].uptime_ms, 0);
    page_free(page);
}

static void test_clocks_that_stepped(void **state)
{
    struct service_sample sample;
    struct page *page = make_page(1);

    (void)state;
    atomic_store(&page->started_utc_us, CLOCK.now_utc_us + 1000000);
    atomic_store(&page->slots[0].started_utc_us, CLOCK.now_utc_us + 1000000);
    atomic_store(&page->slots[0].heartbeat_mono_ms, CLOCK.now_mono_ms + 1);
    sample_page(page, &CLOCK, is_running, &sample);
    assert_int_equal(sample.uptime_ms, 0);
    assert_int_equal(sample.workers[0].uptime_ms, 0);
    assert_int_equal(sample.workers[0].heartbeat_age_ms, 0);
    assert_int_equal(sample.health, HEALTH_OK);
    page_free(page);
}

static void test_a_slot_count_that_is_none(void **state)
{
    struct service_sample sample;
    struct page *page = make_page(1);

    (void)state;
    atomic_store(&page->slot_count, 9999);
    sample_page(page, &CLOCK, is_running, &sample);
    assert_int_equal(sample.worker_count, SLOT_MAX);
    page_free(page);
}

static void test_rates(void **state)
{
    static const struct {
        const char *name;
        struct service_sample before, after;
        bool has_rates;
    } CASES[] = {
        {"same life",
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1000},
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1500},
         true},
        {"another process",
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1000},
         {.pid = 2, .started_utc_us = 5, .taken_mono_ms = 1500},
         false},
        {"the same number again",
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1000},
         {.pid = 1, .started_utc_us = 6, .taken_mono_ms = 1500},
         false},
        {"no page before", {.error = -2}, {.pid = 1, .taken_mono_ms = 1500}, false},
        {"no page after", {.pid = 1, .taken_mono_ms = 1000}, {.error = -2}, false},
        {"no time between",
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1000},
         {.pid = 1, .started_utc_us = 5, .taken_mono_ms = 1000},
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (sample_has_rates(&CASES[i].before, &CASES[i].after) != CASES[i].has_rates)
            fail_msg("%s", CASES[i].name);
    }
    assert_true(sample_rate_per_s(&CASES[0].before, &CASES[0].after, 100, 350) == 500.0);
    assert_true(sample_rate_per_s(&CASES[0].before, &CASES[0].after, 350, 100) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_values_and_sums),
        cmocka_unit_test(test_clocks_that_stepped),
        cmocka_unit_test(test_a_slot_count_that_is_none),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
