/* commands: each is over once, when every worker that was there has told its cameras or has gone. */
#include "commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct commands commands;
    char over[256]; /* as "7.1=3:yes " for command 1 of origin 7, told to 3 cameras, with its reply */
};

static void on_over(void *user, uint64_t origin, const struct msg_command_result *result)
{
    struct world *world = user;

    sprintf(world->over + strlen(world->over), "%u.%u=%u:%.*s ", (unsigned)origin, (unsigned)result->seq,
            (unsigned)result->cameras_count, (int)result->reply.length, (const char *)result->reply.bytes);
}

static void begin(struct world *world)
{
    *world = (struct world){.commands = {.over = on_over, .user = world}};
}

static void add(struct world *world, uint64_t origin, uint64_t seq, uint64_t slots)
{
    const struct msg_command told = {.origin = origin, .seq = seq, .reply = view_text("yes")};

    assert_int_equal(commands_add(&world->commands, &told, slots), 0);
}

static void done(struct world *world, unsigned slot, uint64_t origin, uint64_t seq, uint64_t cameras_count)
{
    const struct msg_command_done report = {.origin = origin, .seq = seq, .cameras_count = cameras_count};

    commands_done(&world->commands, UINT64_C(1) << slot, &report);
}

static void test_every_worker_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    add(&world, 7, 1, 0x5);
    add(&world, 8, 1, 0x5); /* the same number of another origin */
    done(&world, 0, 7, 1, 2);
    done(&world, 0, 7, 1, 9); /* told twice */
    done(&world, 1, 7, 1, 9); /* was not there */
    done(&world, 2, 7, 2, 9); /* unknown */
    assert_string_equal(world.over, "");
    done(&world, 2, 7, 1, 1);
    assert_string_equal(world.over, "7.1=3:yes ");
    done(&world, 2, 8, 1, 0);
    done(&world, 0, 8, 1, 0);
    assert_string_equal(world.over, "7.1=3:yes 8.1=0:yes ");
    assert_null(world.commands.first);
}

static void test_who_goes_is_not_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    add(&world, 7, 1, 0x3);
    add(&world, 7, 2, 0x2);
    add(&world, 7, 3, 0x0); /* nobody is there */
    assert_string_equal(world.over, "7.3=0:yes ");
    done(&world, 0, 7, 1, 4);
    commands_lose(&world.commands, 0x2);
    assert_string_equal(world.over, "7.3=0:yes 7.2=0:yes 7.1=4:yes ");
}

static void test_clearing_tells_nobody(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    add(&world, 7, 1, 0x1);
    add(&world, 7, 2, 0x1);
    commands_clear(&world.commands);
    commands_lose(&world.commands, 0x1);
    assert_string_equal(world.over, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_worker_is_waited_for),
        cmocka_unit_test(test_who_goes_is_not_waited_for),
        cmocka_unit_test(test_clearing_tells_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
