/* loop: order and honesty of deadlines and tasks, and that the wall clock has no say in them.
 *
 * libh2o reads the wall clock with gettimeofday() once per turn. This program has a gettimeofday() of its own, which
 * the dynamic linker puts in the place of libc's: so a test can set the clock back, and count turns. */
#include "run/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/svc.h"
#include "view.h"

static int64_t wall_clock_step_s;
static unsigned turns_count;

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec + wall_clock_step_s;
    tv->tv_usec = now.tv_nsec / 1000;
    turns_count++;
    return 0;
}

static int setup(void **state)
{
    wall_clock_step_s = 0;
    *state = loop_new();
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    loop_free(*state);
    return 0;
}

/* ---- deadlines ---- */

struct alarm {
    struct deadline deadline;
    struct loop *loop;
    struct deadline_list *list;
    char name;
    char *trace; /* names in the order in which they fired */
    unsigned again_count;
    struct alarm *disarms, *arms;
    bool removes_list, stops;
    uint64_t armed_mono_ms, fired_mono_ms;
};

static void alarm_fire(struct deadline *deadline)
{
    struct alarm *alarm = H2O_STRUCT_FROM_MEMBER(struct alarm, deadline, deadline);

    assert_false(deadline_is_armed(deadline));
    alarm->fired_mono_ms = svc_mono_ms();
    alarm->trace[strlen(alarm->trace)] = alarm->name;
    if (alarm->disarms != NULL)
        deadline_disarm(&alarm->disarms->deadline);
    if (alarm->arms != NULL)
        deadline_arm(alarm->loop, alarm->arms->list, &alarm->arms->deadline);
    if (alarm->again_count > 0) {
        alarm->again_count--;
        deadline_arm(alarm->loop, alarm->list, deadline);
    }
    if (alarm->removes_list) {
        loop_remove_deadlines(alarm->loop, alarm->list);
        memset(alarm->list, 0xff, sizeof *alarm->list); /* whoever looks at it now crashes */
    }
    if (alarm->stops && !deadline_is_armed(deadline))
        loop_stop(alarm->loop);
}

static void alarm_arm(struct alarm *alarm, struct loop *loop, struct deadline_list *list, char name, char *trace)
{
    alarm->deadline.fire = alarm_fire;
    alarm->loop = loop;
    alarm->list = list;
    alarm->name = name;
    alarm->trace = trace;
    alarm->armed_mono_ms = svc_mono_ms();
    deadline_arm(loop, list, &alarm->deadline);
}

static void test_one_list_fires_in_the_order_of_arming(void **state)
{
    struct loop *loop = *state;
    struct deadline_list list;
    struct alarm alarms[5] = {0};
    char trace[16] = "";

    loop_add_deadlines(loop, &list, 5);
    for (int i = 0; i < 5; i++)
        alarm_arm(&alarms[i], loop, &list, (char)('a' + i), trace);
    deadline_arm(loop, &list, &alarms[1].deadline); /* again: goes to the end */
    deadline_disarm(&alarms[3].deadline);
    deadline_disarm(&alarms[3].deadline);
    alarms[1].stops = true;
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "aceb");
    assert_true(alarms[0].fired_mono_ms >= alarms[0].armed_mono_ms + 5);
    loop_remove_deadlines(loop, &list);
}

static void test_shorter_lists_do_not_wait_for_longer_ones(void **state)
{
    static const uint64_t DURATIONS_MS[] = {60000, 3, 30000};
    struct loop *loop = *state;
    struct deadline_list lists[3];
    struct alarm alarms[3] = {0};
    char trace[16] = "";

    for (int i = 0; i < 3; i++) {
        loop_add_deadlines(loop, &lists[i], DURATIONS_MS[i]);
        alarm_arm(&alarms[i], loop, &lists[i], (char)('a' + i), trace);
    }
    alarms[1].stops = true;
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "b");
    assert_true(alarms[1].fired_mono_ms >= alarms[1].armed_mono_ms + 3);
    assert_true(deadline_is_armed(&alarms[0].deadline) && deadline_is_armed(&alarms[2].deadline));
}

static void test_rearm_inside_fire(void **state)
{
    struct loop *loop = *state;
    struct deadline_list list;
    struct alarm alarm = {.again_count = 4, .stops = true};
    char trace[16] = "";

    loop_add_deadlines(loop, &list, 2);
    alarm_arm(&alarm, loop, &list, 'a', trace);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "aaaaa");
    assert_true(alarm.fired_mono_ms >= alarm.armed_mono_ms + 5 * 2);
}

/* The other list was looked at already when the first one fires, whichever of them the loop begins with. */
static void test_arm_another_list_inside_fire(void **state)
{
    struct loop *loop = *state;
    struct deadline_list lists[2];
    struct alarm alarms[4] = {0};
    char trace[16] = "";

    for (int i = 0; i < 2; i++)
        loop_add_deadlines(loop, &lists[i], 2);
    for (int i = 0; i < 2; i++) {
        alarms[i].arms = &alarms[2 + i];
        alarms[2 + i] = (struct alarm){.deadline.fire = alarm_fire, .name = 'b', .trace = trace, .loop = loop};
        alarms[2 + i].list = &lists[1 - i];
        alarm_arm(&alarms[i], loop, &lists[i], 'a', trace);
    }
    alarms[2].stops = alarms[3].stops = true;
    while (strlen(trace) < 4)
        assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "aabb");
    assert_in_range(alarms[3].fired_mono_ms, alarms[1].fired_mono_ms + 2, alarms[1].fired_mono_ms + 2000);
}

static void test_disarm_the_next_one_inside_fire(void **state)
{
    struct loop *loop = *state;
    struct deadline_list list;
    struct alarm alarms[3] = {0};
    char trace[16] = "";

    loop_add_deadlines(loop, &list, 2);
    for (int i = 0; i < 3; i++)
        alarm_arm(&alarms[i], loop, &list, (char)('a' + i), trace);
    alarms[0].disarms = &alarms[1];
    alarms[2].stops = true;
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "ac");
    assert_false(deadline_is_armed(&alarms[1].deadline));
}

static void test_remove_the_list_inside_fire(void **state)
{
    struct loop *loop = *state;
    struct deadline_list first, own, other;
    struct alarm alarm = {.removes_list = true}, last = {.stops = true};
    char trace[16] = "";

    loop_add_deadlines(loop, &other, 10);
    loop_add_deadlines(loop, &own, 2);
    loop_add_deadlines(loop, &first, 2);
    alarm_arm(&alarm, loop, &own, 'a', trace);
    alarm_arm(&last, loop, &other, 'b', trace);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "ab");
}

struct late {
    struct loop *loop;
    struct deadline_list list;
    struct alarm alarm;
    struct watch *timer;
    char trace[4];
};

static void late_readable(void *user)
{
    struct late *late = user;
    uint64_t count;

    assert_int_equal(read(watch_fd(late->timer), &count, sizeof count), sizeof count);
    alarm_arm(&late->alarm, late->loop, &late->list, 'a', late->trace);
}

/* The loop has slept for longer than the deadline lasts when the deadline is armed. */
static void test_a_deadline_armed_after_idling_has_its_full_duration(void **state)
{
    struct late late = {.loop = *state, .alarm = {.stops = true}};
    const struct itimerspec soon = {.it_value = {.tv_nsec = 80 * 1000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    loop_add_deadlines(late.loop, &late.list, 30);
    late.timer = watch_new(late.loop, fd, late_readable, &late);
    assert_int_equal(timerfd_settime(fd, 0, &soon, NULL), 0);
    assert_int_equal(loop_run(late.loop), 0);
    assert_true(late.alarm.fired_mono_ms >= late.alarm.armed_mono_ms + 30);
    watch_free(late.timer);
}

struct wall_clock_step {
    struct deadline deadline;
    int64_t step_s;
};

static void step_wall_clock(struct deadline *deadline)
{
    wall_clock_step_s += H2O_STRUCT_FROM_MEMBER(struct wall_clock_step, deadline, deadline)->step_s;
}

/* Once set back by an hour, a wall-clock timer would fire an hour late; set forward, at once. */
static void test_the_wall_clock_has_no_say(void **state)
{
    static const struct {
        const char *name;
        int64_t step_s;
    } CASES[] = {{.name = "an hour back", .step_s = -3600}, {.name = "a day forward", .step_s = 86400}};
    struct loop *loop = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct deadline_list soon_list, list;
        struct wall_clock_step step = {.deadline = {.fire = step_wall_clock}, .step_s = CASES[i].step_s};
        struct alarm alarm = {.stops = true};
        char trace[4] = "";
        int64_t before = wall_clock_step_s;

        print_message("    %s\n", CASES[i].name);
        loop_add_deadlines(loop, &soon_list, 5);
        loop_add_deadlines(loop, &list, 40);
        deadline_arm(loop, &soon_list, &step.deadline);
        alarm_arm(&alarm, loop, &list, 'a', trace);
        assert_int_equal(loop_run(loop), 0);
        assert_true(wall_clock_step_s != before);
        assert_true(alarm.fired_mono_ms >= alarm.armed_mono_ms + 40);
        assert_true(alarm.fired_mono_ms < alarm.armed_mono_ms + 10000);
        loop_remove_deadlines(loop, &list);
        loop_remove_deadlines(loop, &soon_list);
    }
    assert_true(turns_count > 0); /* else libh2o does not call our clock and this shows nothing */
}

/* ---- tasks ---- */

struct job {
    struct loop_task task;
    struct loop *loop;
    char name;
    char *trace;
    unsigned again_count;
    struct job *asks, *cancels;
    bool frees_itself, stops;
};

static void job_run(struct loop_task *task)
{
    struct job *job = H2O_STRUCT_FROM_MEMBER(struct job, task, task);
    struct loop *loop = job->loop;
    bool stops = job->stops;

    job->trace[strlen(job->trace)] = job->name;
    if (job->asks != NULL)
        loop_at_turn_end(loop, &job->asks->task);
    if (job->cancels != NULL)
        loop_task_cancel(&job->cancels->task);
    if (job->again_count > 0) {
        job->again_count--;
        loop_at_turn_end(loop, task);
    }
    if (job->frees_itself)
        free(job);
    if (stops)
        loop_stop(loop);
}

static void test_tasks(void **state)
{
    static const struct {
        const char *name;
        int cancel_before, asks[2], cancels[2], again;
        const char *trace;
    } CASES[] = {
        {.name = "in order, each once",
         .cancel_before = -1,
         .asks = {-1},
         .cancels = {-1},
         .again = -1,
         .trace = "abcd"},
        {.name = "the first is taken back",
         .cancel_before = 0,
         .asks = {-1},
         .cancels = {-1},
         .again = -1,
         .trace = "bcd"},
        {.name = "one in the middle", .cancel_before = 1, .asks = {-1}, .cancels = {-1}, .again = -1, .trace = "acd"},
        {.name = "the last", .cancel_before = 3, .asks = {-1}, .cancels = {-1}, .again = -1, .trace = "abc"},
        {.name = "the next is taken back by a task",
         .cancel_before = -1,
         .asks = {-1},
         .cancels = {1, 2},
         .again = -1,
         .trace = "abd"},
        {.name = "the last is taken back by a task",
         .cancel_before = -1,
         .asks = {-1},
         .cancels = {0, 3},
         .again = -1,
         .trace = "abc"},
        {.name = "one that ran is asked for",
         .cancel_before = -1,
         .asks = {2, 0},
         .cancels = {-1},
         .again = -1,
         .trace = "abcda"},
        {.name = "one that waits is asked for",
         .cancel_before = -1,
         .asks = {0, 2},
         .cancels = {-1},
         .again = -1,
         .trace = "abcd"},
        {.name = "one asks for itself",
         .cancel_before = -1,
         .asks = {-1},
         .cancels = {-1},
         .again = 1,
         .trace = "abcdb"},
    };
    struct loop *loop = *state;

    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct job jobs[4] = {0};
        char trace[16] = "";

        print_message("    %s\n", CASES[c].name);
        for (int i = 0; i < 4; i++) {
            jobs[i] = (struct job){.task.run = job_run, .loop = loop, .name = (char)('a' + i), .trace = trace};
            loop_at_turn_end(loop, &jobs[i].task);
            loop_at_turn_end(loop, &jobs[i].task);
        }
        jobs[2].stops = jobs[3].stops = true;
        if (CASES[c].cancel_before >= 0) {
            loop_task_cancel(&jobs[CASES[c].cancel_before].task);
            loop_task_cancel(&jobs[CASES[c].cancel_before].task);
        }
        if (CASES[c].asks[0] >= 0)
            jobs[CASES[c].asks[0]].asks = &jobs[CASES[c].asks[1]];
        if (CASES[c].cancels[0] >= 0)
            jobs[CASES[c].cancels[0]].cancels = &jobs[CASES[c].cancels[1]];
        if (CASES[c].again >= 0)
            jobs[CASES[c].again].again_count = 1;
        assert_int_equal(loop_run(loop), 0);
        assert_string_equal(trace, CASES[c].trace);
    }
}

static void test_a_task_may_free_itself(void **state)
{
    struct loop *loop = *state;
    struct job *job = calloc(1, sizeof *job);
    char trace[4] = "";

    *job = (struct job){
        .task.run = job_run, .loop = loop, .name = 'a', .trace = trace, .frees_itself = true, .stops = true};
    loop_at_turn_end(loop, &job->task);
    assert_int_equal(loop_run(loop), 0);
    assert_string_equal(trace, "a");
}

static void test_the_end_of_the_loop_runs_what_waits(void **state)
{
    struct loop *loop = loop_new();
    struct job *job = calloc(1, sizeof *job);
    char trace[4] = "";

    (void)state;
    *job = (struct job){.task.run = job_run, .loop = loop, .name = 'a', .trace = trace, .frees_itself = true};
    loop_at_turn_end(loop, &job->task);
    loop_free(loop);
    assert_string_equal(trace, "a");
    loop_free(NULL);
}

/* ---- watches ---- */

struct reader {
    struct loop *loop;
    struct watch *watch;
    unsigned readable_count, writable_count;
    bool frees_itself, stops;
};

static void reader_readable(void *user)
{
    struct reader *reader = user;
    char byte;

    reader->readable_count++;
    while (read(watch_fd(reader->watch), &byte, 1) > 0)
        continue;
    if (reader->frees_itself)
        watch_free(reader->watch);
    if (reader->stops)
        loop_stop(reader->loop);
}

static void reader_writable(void *user)
{
    struct reader *reader = user;

    reader->writable_count++;
}

static void run_for(struct loop *loop, uint64_t duration_ms)
{
    struct deadline_list list;
    struct alarm alarm = {.stops = true};
    char trace[4] = "";

    loop_add_deadlines(loop, &list, duration_ms);
    alarm_arm(&alarm, loop, &list, 'z', trace);
    assert_int_equal(loop_run(loop), 0);
    loop_remove_deadlines(loop, &list);
}

/* Watches one end of a pair of sockets; returns the other. */
static int reader_watch(struct reader *reader, struct loop *loop)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *reader = (struct reader){.loop = loop, .stops = true};
    reader->watch = watch_new(loop, fds[0], reader_readable, reader);
    assert_non_null(reader->watch);
    assert_int_equal(watch_fd(reader->watch), fds[0]);
    return fds[1];
}

static void test_pause_and_resume(void **state)
{
    struct loop *loop = *state;
    struct reader reader;
    int other_fd = reader_watch(&reader, loop);

    assert_int_equal(write(other_fd, "a", 1), 1);
    watch_pause(reader.watch);
    watch_pause(reader.watch);
    run_for(loop, 5);
    assert_int_equal(reader.readable_count, 0);
    watch_resume(reader.watch);
    watch_resume(reader.watch);
    assert_int_equal(loop_run(loop), 0); /* ended by the reader */
    assert_int_equal(reader.readable_count, 1);
    watch_free(reader.watch);
    close(other_fd);
}

static void test_free_inside_its_own_callback(void **state)
{
    struct loop *loop = *state;
    struct reader reader;
    int other_fd = reader_watch(&reader, loop);
    char byte;

    reader.frees_itself = true;
    watch_when_writable(reader.watch, reader_writable);
    assert_int_equal(write(other_fd, "a", 1), 1);
    assert_int_equal(loop_run(loop), 0);
    run_for(loop, 2);
    assert_int_equal(reader.readable_count, 1);
    assert_int_equal(read(other_fd, &byte, 1), 0); /* the descriptor was closed */
    close(other_fd);
}

static void test_writable_once(void **state)
{
    struct loop *loop = *state;
    struct reader reader;
    int other_fd = reader_watch(&reader, loop);

    watch_when_writable(reader.watch, reader_writable);
    watch_when_writable(reader.watch, reader_writable);
    run_for(loop, 5);
    assert_int_equal(reader.writable_count, 1);
    watch_when_writable(reader.watch, reader_writable);
    run_for(loop, 5);
    assert_int_equal(reader.writable_count, 2);
    watch_free(reader.watch);
    close(other_fd);
}

/* The kernel reports the hang-up of a paused descriptor whether it is asked or not; the loop must not spin on it. */
static void test_a_paused_watch_whose_peer_left_costs_nothing(void **state)
{
    struct loop *loop = *state;
    struct reader reader;
    int other_fd = reader_watch(&reader, loop);
    unsigned turns_before;

    watch_pause(reader.watch);
    close(other_fd);
    turns_before = turns_count;
    run_for(loop, 50);
    assert_in_range(turns_count - turns_before, 1, 20);
    assert_int_equal(reader.readable_count, 0);
    watch_resume(reader.watch);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(reader.readable_count, 1);
    watch_free(reader.watch);
}

static void test_idle_loop_sleeps(void **state)
{
    struct loop *loop = *state;
    unsigned turns_before = turns_count;

    run_for(loop, 50);
    assert_in_range(turns_count - turns_before, 1, 20);
}

int main(void)
{
#define WITH_LOOP(text, function)                                                                                      \
    {                                                                                                                  \
        .name = (text), .test_func = (function), .setup_func = setup, .teardown_func = teardown                        \
    }
    static const struct CMUnitTest CASES[] = {
        WITH_LOOP("one list fires in the order of arming", test_one_list_fires_in_the_order_of_arming),
        WITH_LOOP("shorter lists do not wait for longer ones", test_shorter_lists_do_not_wait_for_longer_ones),
        WITH_LOOP("re-arm inside fire", test_rearm_inside_fire),
        WITH_LOOP("arm another list inside fire", test_arm_another_list_inside_fire),
        WITH_LOOP("disarm the next one inside fire", test_disarm_the_next_one_inside_fire),
        WITH_LOOP("remove the list inside fire", test_remove_the_list_inside_fire),
        WITH_LOOP("full duration after idling", test_a_deadline_armed_after_idling_has_its_full_duration),
        WITH_LOOP("the wall clock has no say", test_the_wall_clock_has_no_say),
        WITH_LOOP("tasks", test_tasks),
        WITH_LOOP("a task may free itself", test_a_task_may_free_itself),
        WITH_LOOP("the end of the loop runs what waits", test_the_end_of_the_loop_runs_what_waits),
        WITH_LOOP("pause and resume", test_pause_and_resume),
        WITH_LOOP("free inside its own callback", test_free_inside_its_own_callback),
        WITH_LOOP("writable once", test_writable_once),
        WITH_LOOP("a paused watch whose peer left costs nothing", test_a_paused_watch_whose_peer_left_costs_nothing),
        WITH_LOOP("an idle loop sleeps", test_idle_loop_sleeps),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
