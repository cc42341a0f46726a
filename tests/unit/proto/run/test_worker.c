/* worker: it beats, it says when it serves, and it stops when asked. */
#include "run/worker.h"

#include <signal.h>
#include <sys/eventfd.h>

#include "run/svc.h"
#include "supervisor.h"

struct life {
    struct worker worker;
    struct page *page;
    struct supervisor supervisor;
    unsigned ticks_count, ticks_wanted, stops_count;
    bool stop_on_stop;
};

static void life_tick(void *user)
{
    struct life *life = user;

    if (++life->ticks_count == life->ticks_wanted)
        loop_stop(life->worker.loop);
}

static void life_stop(void *user)
{
    struct life *life = user;

    life->stops_count++;
    if (life->stop_on_stop)
        loop_stop(life->worker.loop);
}

static void life_begin(struct life *life, unsigned number, int master_fd)
{
    supervisor_begin(&life->supervisor);
    assert_int_equal(page_create(NULL, "test", 4, &life->page), 0);
    assert_int_equal(worker_init(&life->worker, PEER_INGEST, life->page, number, master_fd), 0);
    life->worker.user = life;
    life->worker.on_tick = life_tick;
}

static void life_end(struct life *life)
{
    worker_done(&life->worker);
    worker_done(&life->worker); /* harmless */
    page_free(life->page);
    supervisor_end(&life->supervisor);
}

static void test_the_slot_tells_who_it_is(void **state)
{
    struct life life = {0}, other = {0};
    struct page_slot *slot;

    (void)state;
    life_begin(&life, 2, -1);
    slot = &life.page->slots[2];
    assert_ptr_equal(life.worker.slot, slot);
    assert_int_equal(slot->pid, getpid());
    assert_int_equal(slot->state, SLOT_STARTING);
    assert_int_not_equal(slot->incarnation, 0);
    assert_int_not_equal(slot->started_utc_us, 0);
    assert_true(slot->heartbeat_mono_ms <= svc_mono_ms() && slot->heartbeat_mono_ms + 10000 > svc_mono_ms());
    assert_int_equal(life.worker.identity.kind, PEER_INGEST);
    assert_int_equal(life.worker.identity.slot, 2);
    assert_int_equal(life.worker.identity.incarnation, slot->incarnation);
    life_begin(&other, 2, -1);
    assert_true(other.worker.identity.incarnation != life.worker.identity.incarnation);
    life_end(&other);
    life_end(&life);
}

static void test_it_beats_with_every_tick(void **state)
{
    struct life life = {.ticks_wanted = 3};
    uint64_t began, first_beat;

    (void)state;
    life_begin(&life, 0, -1);
    began = svc_mono_ms();
    first_beat = life.worker.slot->heartbeat_mono_ms;
    assert_int_equal(worker_run(&life.worker), 0);
    assert_true(svc_mono_ms() - began >= 3 * WORKER_TICK_MS - 3);
    assert_true(life.worker.slot->heartbeat_mono_ms >= first_beat + 3 * WORKER_TICK_MS - 3);
    life_end(&life);
}

static void test_ready_is_said_once(void **state)
{
    struct life life = {0};

    (void)state;
    life_begin(&life, 0, -1);
    supervisor_expect_nothing(&life.supervisor);
    worker_is_alive(&life.worker);
    worker_is_alive(&life.worker);
    assert_int_equal(life.worker.slot->state, SLOT_ALIVE);
    supervisor_expect(&life.supervisor, "READY=1");
    supervisor_expect_nothing(&life.supervisor);
    life_end(&life);
}

static void test_a_master_is_told_instead(void **state)
{
    struct life life = {0};
    int master_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    eventfd_t count = 0;

    (void)state;
    life_begin(&life, 0, master_fd);
    worker_is_alive(&life.worker);
    worker_is_alive(&life.worker);
    assert_int_equal(eventfd_read(master_fd, &count), 0);
    assert_int_equal(count, 1);
    raise(SIGTERM);
    assert_int_equal(worker_run(&life.worker), 0);
    supervisor_expect_nothing(&life.supervisor); /* that is the master's business */
    life_end(&life);
    close(master_fd);
}

static void test_signals(void **state)
{
    static const struct {
        const char *name;
        int number;
        bool has_on_stop;
    } CASES[] = {
        {.name = "SIGTERM", .number = SIGTERM},
        {.name = "SIGINT", .number = SIGINT},
        {.name = "SIGTERM, with something to finish", .number = SIGTERM, .has_on_stop = true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct life life = {.stop_on_stop = true};

        print_message("    %s\n", CASES[i].name);
        life_begin(&life, 0, -1);
        if (CASES[i].has_on_stop)
            life.worker.on_stop = life_stop;
        raise(CASES[i].number);
        assert_int_equal(worker_run(&life.worker), 0);
        assert_int_equal(life.worker.slot->state, SLOT_LEAVING);
        assert_int_equal(life.stops_count, CASES[i].has_on_stop);
        supervisor_expect(&life.supervisor, "STOPPING=1");
        worker_is_alive(&life.worker); /* too late */
        assert_int_equal(life.worker.slot->state, SLOT_LEAVING);
        supervisor_expect_nothing(&life.supervisor);
        life_end(&life);
    }
}

static void life_tick_then_raise_again(void *user)
{
    struct life *life = user;

    raise(SIGTERM);
    life_tick(user);
    assert_int_equal(life->stops_count, 1);
}

/* An impatient supervisor does not make it stop twice. */
static void test_a_second_signal_changes_nothing(void **state)
{
    struct life life = {.ticks_wanted = 3};

    (void)state;
    life_begin(&life, 0, -1);
    life.worker.on_stop = life_stop;
    life.worker.on_tick = life_tick_then_raise_again;
    raise(SIGTERM);
    assert_int_equal(worker_run(&life.worker), 0);
    assert_int_equal(life.stops_count, 1);
    supervisor_expect(&life.supervisor, "STOPPING=1");
    supervisor_expect_nothing(&life.supervisor);
    life_end(&life);
}

static void test_the_watchdog_is_fed(void **state)
{
    struct life life = {.ticks_wanted = 5};

    (void)state;
    assert_int_equal(setenv("WATCHDOG_USEC", "400000", 1), 0);
    life_begin(&life, 0, -1);
    assert_int_equal(worker_run(&life.worker), 0); /* half a second */
    supervisor_expect(&life.supervisor, "WATCHDOG=1");
    supervisor_expect(&life.supervisor, "WATCHDOG=1");
    supervisor_expect(&life.supervisor, "WATCHDOG=1");
    life_end(&life);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "the slot tells who it is", .test_func = test_the_slot_tells_who_it_is},
        {.name = "it beats with every tick", .test_func = test_it_beats_with_every_tick},
        {.name = "ready is said once", .test_func = test_ready_is_said_once},
        {.name = "a master is told instead", .test_func = test_a_master_is_told_instead},
        {.name = "signals", .test_func = test_signals},
        {.name = "a second signal changes nothing", .test_func = test_a_second_signal_changes_nothing},
        {.name = "the watchdog is fed", .test_func = test_the_watchdog_is_fed},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
