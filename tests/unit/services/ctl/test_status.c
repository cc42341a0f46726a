/* status - both forms of output, made from samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "status.h"

#define WIDTH_MAX 100

/* A hub whose ingest is as given, and whose other services have no page. Freed by the caller. */
static struct status *make_status(uint64_t value)
{
    struct status *status = calloc(1, sizeof *status);

    assert_non_null(status);
    status->runtime_dir = "/run/taghub";
    status->interval_ms = 500;
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        struct service_sample *after = &status->after[i];

        status->before[i] = (struct service_sample){.pid = 4194304, .taken_mono_ms = 1000};
        *after = (struct service_sample){
            .pid = 4194304, .uptime_ms = 13 * 86400000u, .taken_mono_ms = 1500, .worker_count = 2, .alive_count = 2};
        for (size_t j = 0; j < COUNTER_COUNT; j++)
            after->tally.counters[j] = value;
        after->tally.refused[REJECT_not_jpeg] = value;
        for (unsigned j = 0; j < 2; j++) {
            after->workers[j] = (struct worker_sample){.state = SLOT_ALIVE,
                                                       .pid = 4194303,
                                                       .incarnation = UINT64_MAX,
                                                       .uptime_ms = 86399000,
                                                       .restarts_count = 12345,
                                                       .heartbeat_age_ms = 99999};
            after->workers[j].tally.counters[COUNTER_texts] = value / 2;
        }
    }
    return status;
}

static char *print_text(const struct status *status)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    status_print_text(out, status);
    fclose(out);
    return text;
}

static cJSON *print_json(const struct status *status)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    cJSON *root;

    assert_non_null(out);
    assert_int_equal(status_print_json(out, status), 0);
    fclose(out);
    root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    return root;
}

static void test_health_of_the_hub(void **state)
{
    static const struct {
        enum health health;
        bool is_healthy;
    } CASES[HEALTH_COUNT] = {
        {HEALTH_OK, true}, {HEALTH_STARTS, true}, {HEALTH_LEAVES, true}, {HEALTH_HANGS, false}, {HEALTH_AWAY, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status *status = make_status(1);

        status->after[SERVICE_COUNT - 1].health = CASES[i].health;
        if (status_is_healthy(status) != CASES[i].is_healthy)
            fail_msg("%s", health_name(CASES[i].health));
        free(status);
    }
}

static void test_text_fits_the_screen(void **state)
{
    struct status *status = make_status(UINT64_C(99999999999));
    char *text = print_text(status);

    (void)state;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strcspn(line, "\n") > WIDTH_MAX)
            fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
    }
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        assert_non_null(strstr(text, COUNTERS[i].name));
    assert_non_null(strstr(text, "not_jpeg"));
    assert_non_null(strstr(text, "ffffffffffffffff"));
    assert_non_null(strstr(text, "13d 0h"));
    assert_non_null(strstr(text, "23h 59m"));
    free(text);
    free(status);
}

static void test_text_leaves_out_what_never_happened(void **state)
{
    struct status *status = make_status(0);
    char *text;

    (void)state;
    status->after[SERVICE_gateway] = (struct service_sample){.health = HEALTH_AWAY, .error = -2};
    text = print_text(status);
    assert_null(strstr(text, "PER SECOND"));
    assert_null(strstr(text, "REFUSED"));
    assert_null(strstr(text, COUNTERS[0].name));
    assert_non_null(strstr(text, "it was not started"));
    assert_non_null(strstr(text, "NOT healthy"));
    free(text);
    free(status);
}

static const cJSON *service_named(const cJSON *root, const char *name)
{
    const cJSON *service;

    cJSON_ArrayForEach(service, cJSON_GetObjectItemCaseSensitive(root, "services"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, "service")), name) == 0)
            return service;
    }
    return NULL;
}

static double number_at(const cJSON *object, const char *group, const char *name)
{
    const cJSON *inner = group == NULL ? object : cJSON_GetObjectItemCaseSensitive(object, group);

    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(inner, name)); /* NaN when it is not there */
}

static void test_json_members(void **state)
{
    struct status *status = make_status(1000);
    const cJSON *service, *worker;
    cJSON *root;

    (void)state;
    root = print_json(status);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "healthy")));
    assert_true(number_at(root, NULL, "interval_ms") == 500);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "services")), SERVICE_COUNT);
    service = service_named(root, "ingest");
    assert_true(number_at(service, NULL, "pid") == 4194304);
    assert_true(number_at(service, "gauges", "connections") == 1000);
    assert_true(number_at(service, "totals", "texts") == 1000);
    assert_true(number_at(service, "rates_per_s", "texts") == 2000);
    assert_true(number_at(service, "refused", "not_jpeg") == 1000);
    assert_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(service, "refused"), "empty"));
    worker = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(service, "workers"), 1);
    assert_true(number_at(worker, NULL, "number") == 1);
    assert_true(number_at(worker, NULL, "heartbeat_age_ms") == 99999);
    assert_true(number_at(worker, "rates_per_s", "texts") == 1000);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(worker, "incarnation")),
                        "ffffffffffffffff");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(worker, "state")), "alive");
    cJSON_Delete(root);
    free(status);
}

static void test_json_of_a_service_that_is_away(void **state)
{
    struct status *status = make_status(1000);
    const cJSON *service;
    cJSON *root;

    (void)state;
    status->after[SERVICE_ingest] = (struct service_sample){.health = HEALTH_AWAY, .error = -2};
    root = print_json(status);
    service = service_named(root, "ingest");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(root, "healthy")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(service, "pid")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(service, "rates_per_s")));
    assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(service, "error")));
    assert_true(number_at(service, "gauges", "connections") == 0);
    cJSON_Delete(root);
    free(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_of_the_hub),
        cmocka_unit_test(test_text_fits_the_screen),
        cmocka_unit_test(test_text_leaves_out_what_never_happened),
        cmocka_unit_test(test_json_members),
        cmocka_unit_test(test_json_of_a_service_that_is_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
