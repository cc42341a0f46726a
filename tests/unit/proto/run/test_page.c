/* page: what the workers share is counted right, and nothing else is taken for it. */
#include "run/page.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/taghub-unit-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/page", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails when something was left behind */
}

/* ---- the gate ---- */

static void test_gate(void **state)
{
    static const struct {
        const char *name;
        uint64_t connections[4];
        int not_alive[2]; /* 1-based, 0: none */
        unsigned slot;
        uint64_t slack;
        bool open;
    } CASES[] = {
        {.name = "all empty", .open = true},
        {.name = "all empty, with slack", .slack = 8, .open = true},
        {.name = "as many as the least", .connections = {5, 7, 5, 9}, .slot = 2, .open = true},
        {.name = "one more than the least", .connections = {5, 6, 9, 9}, .slot = 1, .open = false},
        {.name = "one more, slack 1", .connections = {5, 6, 9, 9}, .slot = 1, .slack = 1, .open = true},
        {.name = "at the edge of the slack", .connections = {12, 4, 9, 9}, .slack = 8, .open = true},
        {.name = "beyond the slack", .connections = {13, 4, 9, 9}, .slack = 8, .open = false},
        {.name = "the least is itself", .connections = {1, 400, 900, 900}, .open = true},
        {.name = "a dead worker does not count",
         .connections = {9, 0, 5, 9},
         .not_alive = {2},
         .slack = 4,
         .open = true},
        {.name = "but the living do", .connections = {10, 0, 5, 9}, .not_alive = {2}, .slack = 4, .open = false},
        {.name = "two are dead", .connections = {9, 0, 0, 5}, .not_alive = {2, 3}, .slack = 4, .open = true},
    };
    struct page *page;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("    %s\n", CASES[i].name);
        assert_int_equal(page_create(NULL, "test", 4, &page), 0);
        for (unsigned slot = 0; slot < 4; slot++) {
            atomic_store(&page->slots[slot].state, SLOT_ALIVE);
            count_set(&page->slots[slot], COUNTER_connections, CASES[i].connections[slot]);
        }
        for (unsigned k = 0; k < 2; k++) {
            if (CASES[i].not_alive[k] > 0)
                atomic_store(&page->slots[CASES[i].not_alive[k] - 1].state, SLOT_LEAVING);
        }
        assert_int_equal(page_gate(page, CASES[i].slot, COUNTER_connections, CASES[i].slack), CASES[i].open);
        page_free(page);
    }
}

/* However they take turns, living workers stay within slack and one, and somebody may always accept. */
static void test_gate_keeps_workers_even(void **state)
{
    struct page *page;
    uint64_t least = 0, most = 0;

    (void)state;
    srandom(5);
    for (uint64_t slack = 0; slack <= 8; slack += 4) {
        assert_int_equal(page_create(NULL, "test", 3, &page), 0);
        for (unsigned slot = 0; slot < 3; slot++)
            atomic_store(&page->slots[slot].state, SLOT_ALIVE);
        for (int i = 0; i < 3000; i++) {
            bool somebody = false;
            unsigned slot = random() % 10 < 8 ? 0 : 1 + (unsigned)random() % 2; /* one is quicker than the others */

            for (unsigned other = 0; other < 3; other++)
                somebody |= page_gate(page, other, COUNTER_connections, slack);
            assert_true(somebody);
            if (page_gate(page, slot, COUNTER_connections, slack))
                count_add(&page->slots[slot], COUNTER_connections, 1);
            least = most = count_get(&page->slots[0], COUNTER_connections);
            for (unsigned other = 1; other < 3; other++) {
                uint64_t count = count_get(&page->slots[other], COUNTER_connections);

                least = count < least ? count : least;
                most = count > most ? count : most;
            }
            assert_true(most - least <= slack + 1);
        }
        assert_true(most > 100);
        page_free(page);
    }
}

static void test_a_worker_alone_is_never_held_back(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(page_create(NULL, "test", 1, &page), 0);
    atomic_store(&page->slots[0].state, SLOT_ALIVE);
    count_set(&page->slots[0], COUNTER_connections, 1000000);
    assert_true(page_gate(page, 0, COUNTER_connections, 0));
    page_free(page);
}

/* ---- masks and sums ---- */

static void test_alive_mask(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(page_create(NULL, "test", SLOT_MAX, &page), 0);
    assert_int_equal(page_alive_mask(page), 0);
    atomic_store(&page->slots[0].state, SLOT_ALIVE);
    atomic_store(&page->slots[1].state, SLOT_STARTING);
    atomic_store(&page->slots[2].state, SLOT_LEAVING);
    atomic_store(&page->slots[33].state, SLOT_ALIVE);
    atomic_store(&page->slots[63].state, SLOT_ALIVE);
    assert_true(page_alive_mask(page) == ((UINT64_C(1) << 63) | (UINT64_C(1) << 33) | 1));
    atomic_store(&page->slot_count, 33u);
    assert_true(page_alive_mask(page) == 1);
    page_free(page);
}

static void test_all_at_a_stage(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(page_create(NULL, "test", 3, &page), 0);
    assert_true(page_all_at(page, PARK_QUIET)); /* nobody is there */
    atomic_store(&page->slots[0].state, SLOT_ALIVE);
    atomic_store(&page->slots[2].state, SLOT_ALIVE);
    assert_true(page_all_at(page, PARK_NOT));
    assert_false(page_all_at(page, PARK_SERVES));
    atomic_store(&page->slots[0].park_stage, PARK_QUIET);
    atomic_store(&page->slots[2].park_stage, PARK_FINISHED);
    assert_true(page_all_at(page, PARK_FINISHED));
    assert_false(page_all_at(page, PARK_QUIET));
    atomic_store(&page->slots[2].state, SLOT_LEAVING); /* who leaves is not waited for */
    assert_true(page_all_at(page, PARK_QUIET));
    page_free(page);
}

static void test_counters(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(page_create(NULL, "test", 3, &page), 0);
    count_add(&page->slots[0], COUNTER_texts, 5);
    count_add(&page->slots[0], COUNTER_texts, 5);
    count_add(&page->slots[2], COUNTER_texts, 1);
    count_add(&page->slots[3], COUNTER_texts, 1000); /* not of this service */
    count_set(&page->slots[1], COUNTER_games, 7);
    count_set(&page->slots[1], COUNTER_games, 6);
    assert_int_equal(page_sum(page, COUNTER_texts), 11);
    assert_int_equal(page_sum(page, COUNTER_games), 6);
    assert_int_equal(page_sum(page, COUNTER_photos), 0);
    count_refused(&page->slots[1], REJECT_rate);
    count_refused(&page->slots[1], REJECT_rate);
    assert_int_equal(atomic_load(&page->slots[1].refused[REJECT_rate]), 2);
    assert_int_equal(atomic_load(&page->slots[1].refused[REJECT_network]), 0);
    page_free(page);
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t us;
        unsigned bucket;
    } CASES[] = {{0, 0}, {1, 0}, {100, 0}, {101, 1}, {200, 1}, {999, 3}, {1000, 3}, {5000000, 13}, {5000001, 14}};
    struct page *page;
    const struct page_histogram *counts;

    (void)state;
    assert_int_equal(page_create(NULL, "test", 1, &page), 0);
    counts = &page->slots[0].histograms[HISTOGRAM_settled];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t count = atomic_load(&counts->buckets[CASES[i].bucket]), sum = atomic_load(&counts->sum_us);

        count_duration(&page->slots[0], HISTOGRAM_settled, 1000, 1000 + CASES[i].us);
        assert_int_equal(atomic_load(&counts->buckets[CASES[i].bucket]), count + 1);
        assert_int_equal(atomic_load(&counts->sum_us), sum + CASES[i].us);
    }
    count_duration(&page->slots[0], HISTOGRAM_settled, 1000, 10); /* the clock was set back */
    assert_int_equal(atomic_load(&counts->buckets[0]), 4);
    assert_int_equal(atomic_load(&page->slots[0].histograms[HISTOGRAM_delivered].buckets[0]), 0);
    for (unsigned i = 1; i < HISTOGRAM_BOUND_COUNT; i++)
        assert_true(HISTOGRAM_BOUNDS_US[i] > HISTOGRAM_BOUNDS_US[i - 1]);
    page_free(page);
}

static void test_every_counter_has_a_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        assert_non_null(COUNTERS[i].name);
        assert_true(COUNTERS[i].meaning[0] != '\0');
        assert_true(COUNTERS[i].kind == COUNTER_gauge || COUNTERS[i].kind == COUNTER_total);
    }
    assert_string_equal(COUNTERS[COUNTER_polls].name, "polls");
    assert_int_equal(COUNTERS[COUNTER_polls].kind, COUNTER_total);
    assert_int_equal(COUNTERS[COUNTER_games].kind, COUNTER_gauge);
}

/* ---- files ---- */

static void test_a_reader_sees_the_writer(void **state)
{
    struct page *page;
    const struct page *seen;

    (void)state;
    assert_int_equal(page_create(path, "gateway", 2, &page), 0);
    assert_int_equal(page_open(path, &seen), 0);
    assert_string_equal(seen->service, "gateway");
    assert_int_equal(seen->master_pid, getpid());
    assert_int_equal(seen->slot_count, 2);
    assert_true(seen->started_utc_us > 0);
    assert_int_equal(page_sum(seen, COUNTER_texts), 0);
    count_add(&page->slots[1], COUNTER_texts, 3);
    assert_int_equal(page_sum(seen, COUNTER_texts), 3);
    page_free(seen);
    page_free(page);
    page_free(NULL);
}

static void test_a_new_page_replaces_an_old_one(void **state)
{
    struct page *old_page, *new_page;
    const struct page *seen;

    (void)state;
    assert_int_equal(page_create(path, "first", 1, &old_page), 0);
    count_add(&old_page->slots[0], COUNTER_texts, 3);
    assert_int_equal(page_create(path, "second", 1, &new_page), 0);
    assert_int_equal(page_sum(old_page, COUNTER_texts), 3); /* whoever holds it is not disturbed */
    assert_int_equal(page_open(path, &seen), 0);
    assert_string_equal(seen->service, "second");
    assert_int_equal(page_sum(seen, COUNTER_texts), 0);
    page_free(seen);
    page_free(old_page);
    page_free(new_page);
}

static void write_file(const void *content, size_t length, off_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, length), length);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static void test_garbage_is_refused(void **state)
{
    static const struct {
        const char *name;
        off_t size_more;
        int magic_more, version_more, slots_more;
        int answer;
    } CASES[] = {
        {.name = "as it is", .answer = 0},
        {.name = "another magic", .magic_more = 1, .answer = -EPROTO},
        {.name = "another version", .version_more = 1, .answer = -EPROTO},
        {.name = "more slots than there can be", .slots_more = SLOT_MAX, .answer = -EPROTO},
        {.name = "too short", .size_more = -1, .answer = -EPROTO},
        {.name = "too long", .size_more = 1, .answer = -EPROTO},
        {.name = "empty", .size_more = -(off_t)sizeof(struct page), .answer = -EPROTO},
    };
    static struct page copy;
    struct page *page;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct page *seen = NULL;

        print_message("    %s\n", CASES[i].name);
        assert_int_equal(page_create(NULL, "test", 1, &page), 0);
        memcpy(&copy, page, sizeof copy);
        page_free(page);
        copy.magic += (uint32_t)CASES[i].magic_more;
        copy.version += (uint32_t)CASES[i].version_more;
        atomic_fetch_add(&copy.slot_count, (uint32_t)CASES[i].slots_more);
        write_file(&copy, sizeof copy, (off_t)sizeof copy + CASES[i].size_more);
        assert_int_equal(page_open(path, &seen), CASES[i].answer);
        page_free(seen);
    }
}

static void test_paths_that_cannot_be(void **state)
{
    struct page *page = NULL;
    const struct page *seen = NULL;
    char long_path[400], beside[128];

    (void)state;
    unlink(path);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    errno = 0;
    assert_int_equal(page_create(long_path, "test", 1, &page), -ENAMETOOLONG);
    assert_int_equal(page_create("/nonexistent/page", "test", 1, &page), -ENOENT);
    assert_int_equal(page_open(path, &seen), -ENOENT);
    assert_int_equal(page_open(folder, &seen), -EPROTO);
    assert_int_equal(mkdir(path, 0700), 0); /* a folder stands where the page should be */
    assert_int_equal(page_create(path, "test", 1, &page), -EISDIR);
    snprintf(beside, sizeof beside, "%s.new", path);
    assert_int_equal(access(beside, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
    assert_null(page);
    assert_null(seen);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "gate", .test_func = test_gate},
        {.name = "the gate keeps workers even", .test_func = test_gate_keeps_workers_even},
        {.name = "a worker alone is never held back", .test_func = test_a_worker_alone_is_never_held_back},
        {.name = "alive mask", .test_func = test_alive_mask},
        {.name = "all at a stage", .test_func = test_all_at_a_stage},
        {.name = "counters", .test_func = test_counters},
        {.name = "durations", .test_func = test_durations},
        {.name = "every counter has a row", .test_func = test_every_counter_has_a_row},
        {.name = "a reader sees the writer", .test_func = test_a_reader_sees_the_writer},
        {.name = "a new page replaces an old one", .test_func = test_a_new_page_replaces_an_old_one},
        {.name = "garbage is refused", .test_func = test_garbage_is_refused},
        {.name = "paths that cannot be", .test_func = test_paths_that_cannot_be},
    };

    return cmocka_run_group_tests(CASES, setup, teardown);
}
