/* The text of a scrape, from pages and cameras that the test makes. Its form as a whole is judged by the end-to-end
 * tests, with Prometheus' own parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "prometheus.h"

#define NOW_MONO_MS UINT64_C(50000)
#define HANG_MS     1000u
#define NOW_UTC_US  UINT64_C(1750000000000000)

struct world {
    struct page *gateway, *fanout;
    struct prometheus_view view;
};

static void beat(struct page *page, unsigned slot, enum slot_state state, uint64_t age_ms)
{
    atomic_store(&page->slots[slot].state, state);
    atomic_store(&page->slots[slot].heartbeat_mono_ms, NOW_MONO_MS - age_ms);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    if (world == NULL || page_create(NULL, "gateway", 2, &world->gateway) < 0 ||
        page_create(NULL, "fanout", 1, &world->fanout) < 0)
        return -1;
    beat(world->gateway, 0, SLOT_ALIVE, 0);
    beat(world->gateway, 1, SLOT_ALIVE, 0);
    beat(world->fanout, 0, SLOT_ALIVE, 0);
    world->view =
        (struct prometheus_view){.service_count = 3,
                                 .services = {{"gateway", world->gateway}, {"ingest", NULL}, {"fanout", world->fanout}},
                                 .hang_ms = HANG_MS,
                                 .now_mono_ms = NOW_MONO_MS,
                                 .now_utc_us = NOW_UTC_US};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    page_free(world->gateway);
    page_free(world->fanout);
    free(world);
    return 0;
}

/* Every given line stands in the text; one that begins with '!' begins no line of it. Ends with NULL. */
static void assert_lines(const struct prometheus_view *view, const char *const *lines)
{
    char *text = prometheus_text(view);

    assert_non_null(text);
    for (; *lines != NULL; lines++) {
        char wanted[256];

        if (**lines == '!')
            snprintf(wanted, sizeof wanted, "\n%s", *lines + 1);
        else
            snprintf(wanted, sizeof wanted, "\n%s\n", *lines);
        if ((strstr(text, wanted) != NULL) == (**lines == '!'))
            fail_msg("%s in\n%s", *lines, text);
    }
    free(text);
}

#define ASSERT_LINES(world, ...) assert_lines(&(world)->view, (const char *const[]){__VA_ARGS__, NULL})

static void services_are_up_or_not(void **state)
{
    struct world *world = *state;

    atomic_store(&world->fanout->started_utc_us, 1750000000000042);
    ASSERT_LINES(world, "taghub_build_info{version=\"" TAGHUB_VERSION "\"} 1", "taghub_up{service=\"gateway\"} 1",
                 "taghub_up{service=\"ingest\"} 0", "taghub_up{service=\"fanout\"} 1",
                 "taghub_start_time_seconds{service=\"fanout\"} 1750000000.000042",
                 "!taghub_start_time_seconds{service=\"ingest\"",
                 "taghub_worker_up{service=\"gateway\",worker=\"1\"} 1",
                 "!taghub_worker_up{service=\"gateway\",worker=\"2\"}", "!taghub_worker_up{service=\"ingest\"");
}

static void a_worker_is_up_while_it_beats_and_serves(void **state)
{
    static const struct {
        const char *name;
        enum slot_state slot_state;
        uint64_t age_ms;
        bool is_up, has_gauges;
    } CASES[] = {
        {"it serves", SLOT_ALIVE, 0, true, true},
        {"a beat that is just young enough", SLOT_ALIVE, HANG_MS, true, true},
        {"it hangs", SLOT_ALIVE, HANG_MS + 1, false, false},
        {"it starts", SLOT_STARTING, 0, false, true},
        {"it leaves", SLOT_LEAVING, 0, false, true},
        {"it is gone", SLOT_EMPTY, 0, false, false},
    };
    struct world *world = *state;

    count_set(&world->fanout->slots[0], COUNTER_connections, 7);
    count_add(&world->fanout->slots[0], COUNTER_sightings, 12);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        beat(world->fanout, 0, CASES[i].slot_state, CASES[i].age_ms);
        ASSERT_LINES(world, CASES[i].is_up ? "taghub_up{service=\"fanout\"} 1" : "taghub_up{service=\"fanout\"} 0",
                     CASES[i].is_up ? "taghub_worker_up{service=\"fanout\",worker=\"0\"} 1"
                                    : "taghub_worker_up{service=\"fanout\",worker=\"0\"} 0",
                     CASES[i].has_gauges ? "taghub_connections{service=\"fanout\",worker=\"0\"} 7"
                                         : "!taghub_connections{service=\"fanout\"",
                     "taghub_sightings_total{service=\"fanout\",worker=\"0\"} 12");
    }
}

static void a_service_is_up_while_one_worker_is(void **state)
{
    struct world *world = *state;

    beat(world->gateway, 0, SLOT_EMPTY, 0);
    ASSERT_LINES(world, "taghub_up{service=\"gateway\"} 1", "taghub_worker_up{service=\"gateway\",worker=\"0\"} 0");
    beat(world->gateway, 1, SLOT_ALIVE, HANG_MS + 1);
    ASSERT_LINES(world, "taghub_up{service=\"gateway\"} 0");
}

static void every_counter_with_its_type(void **state)
{
    struct world *world = *state;

    count_set(&world->gateway->slots[0], COUNTER_games, 3);
    count_set(&world->gateway->slots[1], COUNTER_games, 4);
    count_add(&world->gateway->slots[1], COUNTER_deliveries, UINT64_C(12345678901234567));
    atomic_store(&world->gateway->slots[1].restarts_count, 5);
    ASSERT_LINES(world, "# TYPE taghub_games gauge", "taghub_games{service=\"gateway\",worker=\"0\"} 3",
                 "taghub_games{service=\"gateway\",worker=\"1\"} 4", "# TYPE taghub_deliveries_total counter",
                 "taghub_deliveries_total{service=\"gateway\",worker=\"1\"} 12345678901234567",
                 "taghub_worker_restarts_total{service=\"gateway\",worker=\"1\"} 5");
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        char line[128];

        snprintf(line, sizeof line, "# TYPE taghub_%s%s %s", COUNTERS[i].name,
                 COUNTERS[i].kind == COUNTER_total ? "_total" : "",
                 COUNTERS[i].kind == COUNTER_total ? "counter" : "gauge");
        ASSERT_LINES(world, line);
    }
}

static void refusals_are_summed_over_workers(void **state)
{
    struct world *world = *state;

    count_refused(&world->gateway->slots[0], REJECT_rate);
    count_refused(&world->gateway->slots[1], REJECT_rate);
    count_refused(&world->gateway->slots[1], REJECT_none);
    ASSERT_LINES(world, "taghub_refused_total{service=\"gateway\",reason=\"rate\"} 2",
                 "taghub_refused_total{service=\"gateway\",reason=\"protocol\"} 0",
                 "taghub_refused_total{service=\"fanout\",reason=\"rate\"} 0",
                 "!taghub_refused_total{service=\"gateway\",reason=\"none\"}",
                 "!taghub_refused_total{service=\"ingest\"");
}

static void buckets_are_cumulative(void **state)
{
    struct world *world = *state;

    count_duration(&world->gateway->slots[0], HISTOGRAM_settled, 1000, 1100);     /* 100 us: the bound is inclusive */
    count_duration(&world->gateway->slots[0], HISTOGRAM_settled, 1000, 1101);     /* 101 us */
    count_duration(&world->gateway->slots[0], HISTOGRAM_settled, 0, 1500000);     /* 1.5 s */
    count_duration(&world->gateway->slots[0], HISTOGRAM_settled, 0, 5000001);     /* above all bounds */
    count_duration(&world->gateway->slots[0], HISTOGRAM_settled, 9000000, 10000); /* the clock was set back */
    ASSERT_LINES(world, "# TYPE taghub_settled_seconds histogram",
                 "taghub_settled_seconds_bucket{service=\"gateway\",worker=\"0\",le=\"0.0001\"} 2",
                 "taghub_settled_seconds_bucket{service=\"gateway\",worker=\"0\",le=\"0.0002\"} 3",
                 "taghub_settled_seconds_bucket{service=\"gateway\",worker=\"0\",le=\"1\"} 3",
                 "taghub_settled_seconds_bucket{service=\"gateway\",worker=\"0\",le=\"5\"} 4",
                 "taghub_settled_seconds_bucket{service=\"gateway\",worker=\"0\",le=\"+Inf\"} 5",
                 "taghub_settled_seconds_sum{service=\"gateway\",worker=\"0\"} 6.500202",
                 "taghub_settled_seconds_count{service=\"gateway\",worker=\"0\"} 5",
                 "taghub_settled_seconds_count{service=\"gateway\",worker=\"1\"} 0",
                 "!taghub_settled_seconds_bucket{service=\"fanout\"");
}

static void cameras_with_whatever_name(void **state)
{
    static struct camera odd = {.name = "a\"b\\c\nd{}"}, porch = {.name = "porch"};
    const struct camera *list[] = {&odd, &porch};
    struct world *world = *state;

    for (unsigned i = 0; i < 11; i++)
        video_window_insert(&porch.window, &(struct video_frame){.arrived_utc_us = NOW_UTC_US - 2500000 + i * 200000,
                                                                 .bytes = 6000 + i});
    porch.shares[0].count = 30;
    video_window_insert(&odd.window, &(struct video_frame){.arrived_utc_us = NOW_UTC_US, .bytes = 5});
    odd.shares[0].count = 1;
    world->view.cameras = list;
    world->view.camera_count = 2;
    ASSERT_LINES(world, "# TYPE taghub_camera_photos_total counter", "taghub_camera_photos_total{camera=\"porch\"} 30",
                 "taghub_camera_fps{camera=\"porch\"} 5", "taghub_camera_jitter_seconds{camera=\"porch\"} 0",
                 "taghub_camera_efficiency_ratio{camera=\"porch\"} 1",
                 "taghub_camera_photo_age_seconds{camera=\"porch\"} 0.5",
                 "taghub_camera_photo_bytes{camera=\"porch\"} 6010",
                 "taghub_camera_photos_total{camera=\"a\\\"b\\\\c\\nd{}\"} 1",
                 "taghub_camera_photo_bytes{camera=\"a\\\"b\\\\c\\nd{}\"} 5", "!taghub_camera_fps{camera=\"a",
                 "!taghub_camera_efficiency_ratio{camera=\"a");
}

static void a_page_that_lies_about_its_size(void **state)
{
    struct world *world = *state;

    atomic_store(&world->fanout->slot_count, 4000000000u);
    ASSERT_LINES(world, "taghub_worker_up{service=\"fanout\",worker=\"63\"} 0",
                 "!taghub_worker_up{service=\"fanout\",worker=\"64\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(services_are_up_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_is_up_while_it_beats_and_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_is_up_while_one_worker_is, setup, teardown),
        cmocka_unit_test_setup_teardown(every_counter_with_its_type, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_are_summed_over_workers, setup, teardown),
        cmocka_unit_test_setup_teardown(buckets_are_cumulative, setup, teardown),
        cmocka_unit_test_setup_teardown(cameras_with_whatever_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_that_lies_about_its_size, setup, teardown),
    };

    return cmocka_run_group_tests_name("prometheus", tests, NULL, NULL);
}
