/* child - the life of a service as scripts: each step is an event at a time, and what must come
 * out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "child.h"
#include "view.h"

#define EXITED(code)      ((code) << 8) /* as waitpid() tells it */
#define KILLED_BY(number) (number)

enum event { END_OF_SCRIPT, DUE, STARTED, NOT_STARTED, TOLD, ENDED, AWAIT, STOP };

struct step {
    uint64_t at_ms;
    enum event event;
    const char *text;       /* TOLD */
    int status;             /* ENDED */
    uint64_t kill_ms;       /* STOP */
    int result;             /* of the call: action, fate, or yes and no */
    enum child_state state; /* afterwards */
    uint64_t due_ms;        /* afterwards; 0: not looked at */
};

static int take(struct child *child, const struct step *step)
{
    switch (step->event) {
    case DUE:
        return (int)child_due(child, step->at_ms);
    case STARTED:
        child_started(child, 7, step->at_ms);
        return 0;
    case NOT_STARTED:
        child_not_started(child, step->at_ms);
        return 0;
    case TOLD:
        return child_told(child, step->text, step->at_ms);
    case ENDED:
        return (int)child_ended(child, step->status, step->at_ms);
    case AWAIT:
        child_await_turn(child);
        return 0;
    case STOP:
        return child_stop(child, step->kill_ms);
    case END_OF_SCRIPT:
        break;
    }
    return -1;
}

#define START(at)                                                                                                      \
    {at, DUE, .result = CHILD_DO_START, .state = CHILD_DOWN},                                                          \
    {                                                                                                                  \
        at, STARTED, .state = CHILD_STARTING                                                                           \
    }
#define READY(at)                                                                                                      \
    {                                                                                                                  \
        at, TOLD, .text = "READY=1", .result = true, .state = CHILD_READY, .due_ms = (at) + 10000                      \
    }

static const struct script {
    const char *name;
    struct step steps[24];
} SCRIPTS[] = {
    {"a new child starts at once and has time to get ready",
     {{1, DUE, .result = CHILD_DO_START, .state = CHILD_DOWN},
      {1, STARTED, .state = CHILD_STARTING, .due_ms = 90001},
      {90000, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_STARTING},
      {90001, DUE, .result = CHILD_DO_ABORT, .state = CHILD_ABORTED, .due_ms = 91001}}},
    {"without a process it is tried again",
     {{1, DUE, .result = CHILD_DO_START, .state = CHILD_DOWN},
      {1, NOT_STARTED, .state = CHILD_DOWN, .due_ms = 1001},
      {1000, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_DOWN},
      {1001, DUE, .result = CHILD_DO_START, .state = CHILD_DOWN}}},
    {"pings keep it alive, silence is aborted, then killed, each once",
     {START(0),
      READY(100),
      {9000, TOLD, .text = "WATCHDOG=1", .result = false, .state = CHILD_READY, .due_ms = 19000},
      {18999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_READY},
      {19000, DUE, .result = CHILD_DO_ABORT, .state = CHILD_ABORTED, .due_ms = 20000},
      {19001, TOLD, .text = "WATCHDOG=1", .result = false, .state = CHILD_ABORTED, .due_ms = 20000},
      {19999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_ABORTED},
      {20000, DUE, .result = CHILD_DO_KILL, .state = CHILD_KILLED, .due_ms = CHILD_NEVER},
      {99999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_KILLED},
      {99999, ENDED, .status = KILLED_BY(9), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 100009}}},
    {"what is told is whole lines",
     {START(0),
      {1, TOLD, .text = "READY=10", .result = false, .state = CHILD_STARTING},
      {1, TOLD, .text = "XREADY=1", .result = false, .state = CHILD_STARTING},
      {1, TOLD, .text = "STATUS=READY=1", .result = false, .state = CHILD_STARTING},
      {1, TOLD, .text = "", .result = false, .state = CHILD_STARTING},
      {1, TOLD, .text = "\n\nREADY=", .result = false, .state = CHILD_STARTING},
      {1, TOLD, .text = "WATCHDOG=1", .result = false, .state = CHILD_STARTING, .due_ms = 90000},
      {2, TOLD, .text = "STATUS=x\nREADY=1\n", .result = true, .state = CHILD_READY, .due_ms = 10002},
      {3, TOLD, .text = "READY=1", .result = false, .state = CHILD_READY, .due_ms = 10002}}},
    {"the back-off doubles up to a second and begins anew after a life ten times as long",
     {START(0),
      READY(1),
      {4999, ENDED, .status = EXITED(0), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 5009},
      START(5009),
      {5010, ENDED, .status = EXITED(1), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 5030},
      START(6000),
      {6000, ENDED, .status = EXITED(78), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 6040},
      START(7000),
      {7000, ENDED, .status = KILLED_BY(11), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 7080},
      START(8000),
      READY(8001),
      {8799, ENDED, .status = KILLED_BY(9), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 8959},
      START(9000),
      READY(9001),
      {10600, ENDED, .status = KILLED_BY(9), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 10610},
      START(11000),
      {12000, ENDED, .status = KILLED_BY(9), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN, .due_ms = 12020}}},
    {"never ready is given up after five starts",
     {START(0),
      {1, ENDED, .status = EXITED(1), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN},
      START(100),
      {101, ENDED, .status = EXITED(203), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN},
      START(200),
      {201, ENDED, .status = KILLED_BY(11), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN},
      START(300),
      {301, ENDED, .status = EXITED(0), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN},
      START(500),
      {501, ENDED, .status = EXITED(1), .result = CHILD_FAILED, .state = CHILD_DOWN}}},
    {"a configuration failure at the start is final",
     {START(0), {1, ENDED, .status = EXITED(78), .result = CHILD_MISCONFIGURED, .state = CHILD_DOWN}}},
    {"78 as a signal's number is no exit status",
     {START(0), {1, ENDED, .status = 64 + 14, .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN}}},
    {"an orderly stop",
     {START(0),
      READY(1),
      {10, AWAIT, .state = CHILD_READY, .due_ms = CHILD_NEVER},
      {99999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_READY},
      {99999, TOLD, .text = "WATCHDOG=1", .result = false, .state = CHILD_READY, .due_ms = CHILD_NEVER},
      {99999, STOP, .kill_ms = 101000, .result = true, .state = CHILD_STOPPING, .due_ms = 101000},
      {99999, STOP, .kill_ms = 109000, .result = false, .state = CHILD_STOPPING, .due_ms = 101000},
      {100000, ENDED, .status = EXITED(0), .result = CHILD_STAYS_DOWN, .state = CHILD_GONE, .due_ms = CHILD_NEVER}}},
    {"a stop that is not heard",
     {START(0),
      READY(1),
      {10, AWAIT, .state = CHILD_READY},
      {10, STOP, .kill_ms = 1000, .result = true, .state = CHILD_STOPPING, .due_ms = 1000},
      {999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_STOPPING},
      {1000, DUE, .result = CHILD_DO_KILL, .state = CHILD_KILLED, .due_ms = CHILD_NEVER},
      {1001, ENDED, .status = KILLED_BY(9), .result = CHILD_STAYS_DOWN, .state = CHILD_GONE, .due_ms = CHILD_NEVER}}},
    {"a stop while it starts",
     {START(0),
      {10, AWAIT, .state = CHILD_STARTING, .due_ms = CHILD_NEVER},
      {11, TOLD, .text = "READY=1", .result = false, .state = CHILD_STARTING, .due_ms = CHILD_NEVER},
      {12, STOP, .kill_ms = 1000, .result = true, .state = CHILD_STOPPING, .due_ms = 1000}}},
    {"a stop while it has no process",
     {START(0),
      {1, ENDED, .status = EXITED(1), .result = CHILD_STARTS_AGAIN, .state = CHILD_DOWN},
      {2, AWAIT, .state = CHILD_GONE, .due_ms = CHILD_NEVER},
      {3, STOP, .kill_ms = 1000, .result = false, .state = CHILD_GONE, .due_ms = CHILD_NEVER},
      {9999, DUE, .result = CHILD_DO_NOTHING, .state = CHILD_GONE}}},
    {"a death before its turn to stop is an end",
     {START(0),
      READY(1),
      {10, AWAIT, .state = CHILD_READY},
      {11, ENDED, .status = KILLED_BY(11), .result = CHILD_STAYS_DOWN, .state = CHILD_GONE, .due_ms = CHILD_NEVER}}},
    {"one that was aborted when the stop began is still killed",
     {START(0),
      READY(0),
      {10000, DUE, .result = CHILD_DO_ABORT, .state = CHILD_ABORTED, .due_ms = 11000},
      {10500, AWAIT, .state = CHILD_ABORTED, .due_ms = 11000},
      {10500, STOP, .kill_ms = 99999, .result = false, .state = CHILD_ABORTED, .due_ms = 11000},
      {11000, DUE, .result = CHILD_DO_KILL, .state = CHILD_KILLED, .due_ms = CHILD_NEVER}}},
};

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SCRIPTS); i++) {
        struct child child = {0};

        for (const struct step *step = SCRIPTS[i].steps; step->event != END_OF_SCRIPT; step++) {
            int number = (int)(step - SCRIPTS[i].steps), result = take(&child, step);

            if (result != step->result)
                fail_msg("%s: step %d: result %d, not %d", SCRIPTS[i].name, number, result, step->result);
            if (child.state != step->state)
                fail_msg("%s: step %d: state %d, not %d", SCRIPTS[i].name, number, (int)child.state, (int)step->state);
            if (step->due_ms != 0 && child.due_mono_ms != step->due_ms)
                fail_msg("%s: step %d: due at %llu, not %llu", SCRIPTS[i].name, number,
                         (unsigned long long)child.due_mono_ms, (unsigned long long)step->due_ms);
            if ((child.pid != 0) == (child.state == CHILD_DOWN || child.state == CHILD_GONE))
                fail_msg("%s: step %d: pid %d in state %d", SCRIPTS[i].name, number, (int)child.pid, (int)child.state);
        }
    }
}

static void test_back_off_has_a_limit(void **state)
{
    static const unsigned WAITS_MS[] = {10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000};
    struct child child = {.was_ready = true};
    uint64_t now_mono_ms = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WAITS_MS); i++) {
        assert_int_equal(child_due(&child, now_mono_ms), CHILD_DO_START);
        child_started(&child, 7, now_mono_ms);
        assert_int_equal(child_ended(&child, EXITED(1), now_mono_ms), CHILD_STARTS_AGAIN);
        assert_int_equal(child.backoff_ms, WAITS_MS[i]);
        now_mono_ms += WAITS_MS[i];
    }
}

/* Asked to begin anew before it was ready: that is no reason to give the hub up, or to call it a death. */
static void test_a_planned_end_is_no_failed_start(void **state)
{
    static const struct {
        const char *text;
        int status;
        bool is_planned;
    } CASES[] = {
        {"STOPPING=1", EXITED(0), true},     {"STOPPING=1", EXITED(1), false}, {"STOPPING=1", KILLED_BY(9), false},
        {"STATUS=starts", EXITED(0), false}, {"READY=1", EXITED(0), true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct child child = {0};
        unsigned starts = 0;

        do {
            child_started(&child, 7, starts);
            child_told(&child, CASES[i].text, starts);
            assert_int_equal(child_ends_as_planned(&child, CASES[i].status), CASES[i].is_planned);
        } while (child_ended(&child, CASES[i].status, starts++) == CHILD_STARTS_AGAIN && starts < 2 * CHILD_STARTS_MAX);
        assert_int_equal(starts, CASES[i].is_planned ? 2 * CHILD_STARTS_MAX : CHILD_STARTS_MAX);
        child_started(&child, 7, 99); /* what the last one said is not said by the next */
        if (!child.was_ready)
            assert_false(child_ends_as_planned(&child, EXITED(0)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_back_off_has_a_limit),
        cmocka_unit_test(test_a_planned_end_is_no_failed_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
