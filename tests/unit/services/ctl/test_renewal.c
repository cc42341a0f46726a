/* renewal - what two looks at a page say about a reload or a restart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "renewal.h"
#include "view.h"

/* A service in short: its process and the incarnations of its workers, 0 ends the list. */
struct look {
    int error;
    pid_t pid;
    uint64_t incarnations[4];
    unsigned alive_count;
};

static void draw(const struct look *look, struct service_sample *ret_sample)
{
    *ret_sample = (struct service_sample){.error = look->error, .pid = look->pid, .alive_count = look->alive_count};
    while (look->incarnations[ret_sample->worker_count] != 0) {
        ret_sample->workers[ret_sample->worker_count].incarnation = look->incarnations[ret_sample->worker_count];
        ret_sample->worker_count++;
    }
}

static void test_judgement(void **state)
{
    static const struct look BEFORE = {0, 7, {1, 2}, 2};
    static const struct {
        const char *name;
        enum renewal_kind kind;
        struct look now;
        uint64_t elapsed_ms;
        enum renewal expected;
    } CASES[] = {
        {"not begun", RENEWAL_RELOAD, {0, 7, {1, 2}, 2}, 20, RENEWAL_UNDER_WAY},
        {"not begun, just in time", RENEWAL_RELOAD, {0, 7, {1, 2}, 2}, 1999, RENEWAL_UNDER_WAY},
        {"not begun after 2 s", RENEWAL_RELOAD, {0, 7, {1, 2}, 2}, 2000, RENEWAL_REFUSED},
        {"the old ones leave slowly", RENEWAL_RELOAD, {0, 7, {1, 2}, 1}, 2000, RENEWAL_UNDER_WAY},
        {"one of two is new", RENEWAL_RELOAD, {0, 7, {3, 2}, 2}, 2000, RENEWAL_UNDER_WAY},
        {"one of two serves", RENEWAL_RELOAD, {0, 7, {3, 4}, 1}, 2000, RENEWAL_UNDER_WAY},
        {"all are new and serve", RENEWAL_RELOAD, {0, 7, {3, 4}, 2}, 20, RENEWAL_DONE},
        {"there are more of them now", RENEWAL_RELOAD, {0, 7, {3, 4, 5}, 3}, 20, RENEWAL_DONE},
        {"there are fewer of them now", RENEWAL_RELOAD, {0, 7, {3}, 1}, 20, RENEWAL_DONE},
        {"the main process died of it", RENEWAL_RELOAD, {0, 8, {3, 4}, 2}, 20, RENEWAL_DONE},
        {"a new page, still empty", RENEWAL_RELOAD, {0, 7, {0}, 0}, 20, RENEWAL_UNDER_WAY},
        {"no page for a moment", RENEWAL_RELOAD, {-ENOENT, 0, {0}, 0}, 20, RENEWAL_UNDER_WAY},
        {"no page for too long", RENEWAL_RELOAD, {-ENOENT, 0, {0}, 0}, 10000, RENEWAL_LATE},
        {"done at the last moment", RENEWAL_RELOAD, {0, 7, {3, 4}, 2}, 10000, RENEWAL_DONE},
        {"the old process still", RENEWAL_RESTART, {0, 7, {1, 2}, 2}, 9999, RENEWAL_UNDER_WAY},
        {"the old process for ever", RENEWAL_RESTART, {0, 7, {1, 2}, 2}, 10000, RENEWAL_LATE},
        {"new workers of the old process", RENEWAL_RESTART, {0, 7, {3, 4}, 2}, 20, RENEWAL_UNDER_WAY},
        {"the new process starts", RENEWAL_RESTART, {0, 8, {3, 4}, 1}, 20, RENEWAL_UNDER_WAY},
        {"the new process serves", RENEWAL_RESTART, {0, 8, {3, 4}, 2}, 20, RENEWAL_DONE},
    };
    static struct service_sample before, now;

    (void)state;
    draw(&BEFORE, &before);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        enum renewal judged;

        draw(&CASES[i].now, &now);
        judged = renewal_judge(CASES[i].kind, &before, &now, CASES[i].elapsed_ms);
        if (judged != CASES[i].expected)
            fail_msg("%s: %d", CASES[i].name, judged);
    }
}

static void test_a_reload_that_finishes_requests_is_not_refused(void **state)
{
    static const struct look SAME = {0, 7, {1, 2}, 2};
    static struct service_sample before, now;

    (void)state;
    draw(&SAME, &before);
    draw(&SAME, &now);
    now.workers[1].is_parking = true;
    assert_int_equal(renewal_judge(RENEWAL_RELOAD, &before, &now, RENEWAL_REFUSED_MS), RENEWAL_UNDER_WAY);
    now.workers[1].is_parking = false;
    assert_int_equal(renewal_judge(RENEWAL_RELOAD, &before, &now, RENEWAL_REFUSED_MS), RENEWAL_REFUSED);
}

static void test_whom_a_signal_may_reach(void **state)
{
    static const struct {
        const char *name;
        int error;
        pid_t pid;
        unsigned worker_count;
        uint64_t heartbeat_ages_ms[2];
        bool is_possible;
    } CASES[] = {
        {"a service", 0, 7, 2, {0, 900}, true},
        {"no page", -ENOENT, 0, 0, {0}, false},
        {"no process", 0, 0, 2, {0, 0}, false},
        {"no workers", 0, 7, 0, {0}, false},
        {"one worker hangs", 0, 7, 2, {99999, 10000}, true},
        {"a page that was left behind", 0, 7, 2, {10001, 10001}, false},
    };
    static struct service_sample sample;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        sample = (struct service_sample){
            .error = CASES[i].error, .pid = CASES[i].pid, .worker_count = CASES[i].worker_count};
        for (size_t j = 0; j < 2; j++)
            sample.workers[j].heartbeat_age_ms = CASES[i].heartbeat_ages_ms[j];
        if (renewal_is_possible(&sample) != CASES[i].is_possible)
            fail_msg("%s", CASES[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_a_reload_that_finishes_requests_is_not_refused),
        cmocka_unit_test(test_whom_a_signal_may_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
