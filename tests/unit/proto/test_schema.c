/* schema: the tables hold what the rest of the program takes for granted. */
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "frame.h"

static void test_every_row_is_found_by_its_id(void **state)
{
    unsigned count = 0;

    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);

        if (desc == NULL)
            continue; /* ids are never reused: a removed row leaves a gap */
        count++;
        assert_int_equal(desc->type, type);
        assert_true(desc->name[0] != '\0' && desc->meaning[0] != '\0');
        assert_true(desc->size <= sizeof(union msg_any));
        for (uint64_t other = 1; other < type; other++) {
            if (schema_message(other) != NULL)
                assert_string_not_equal(schema_message(other)->name, desc->name);
        }
    }
    assert_true(count >= 18);
}

static void test_other_ids_are_unknown(void **state)
{
    static const uint64_t IDS[] = {0, MSG_TYPE_COUNT, MSG_TYPE_COUNT + 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(IDS); i++)
        assert_null(schema_message(IDS[i]));
}

static void test_senders_and_receivers_are_peers(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);

        if (desc == NULL)
            continue;
        assert_int_not_equal(desc->from, 0);
        assert_int_not_equal(desc->to, 0);
        assert_int_equal((desc->from | desc->to) & ~(unsigned)PEER_ALL, 0);
    }
}

/* What the codec relies on: ascending offsets inside the struct, sane ranges, a number of fields that fits. */
static void test_fields_are_sound(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);
        size_t end = 0;

        if (desc == NULL)
            continue;
        assert_true(desc->field_count < 15);
        for (size_t i = 0; i < desc->field_count; i++) {
            const struct field_desc *field = &desc->fields[i];

            assert_true(field->offset >= end);
            assert_true(field->min <= field->max);
            assert_true(field->meaning[0] != '\0');
            switch (field->type) {
            case FIELD_u64:
                end = field->offset + sizeof(uint64_t);
                break;
            case FIELD_str:
                end = field->offset + field->max + 1;
                break;
            case FIELD_blob:
                end = field->offset + sizeof(struct view);
                break;
            }
        }
        assert_true(end <= desc->size);
        assert_null(desc->fields[desc->field_count].name);
    }
}

static void test_the_largest_message_fits_a_frame(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);
        uint64_t bytes = 1 + 9;

        for (size_t i = 0; desc != NULL && i < desc->field_count; i++)
            bytes += desc->fields[i].type == FIELD_u64 ? 9 : 5 + desc->fields[i].max;
        assert_true(bytes <= FRAME_BYTES_MAX);
    }
}

static void test_peers_have_names(void **state)
{
    static const struct {
        const char *name;
        enum peer_kind kind;
    } CASES[] = {
        {.name = "gateway", .kind = PEER_GATEWAY},      {.name = "ingest", .kind = PEER_INGEST},
        {.name = "fanout", .kind = PEER_FANOUT},        {.name = "metrics", .kind = PEER_METRICS},
        {.name = "history", .kind = PEER_HISTORY},      {.name = "taghubctl", .kind = PEER_CTL},
        {.name = "unknown", .kind = PEER_ALL},          {.name = "unknown", .kind = (enum peer_kind)0},
        {.name = "unknown", .kind = (enum peer_kind)3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(peer_name(CASES[i].kind), CASES[i].name);
}

static void test_reasons_have_names(void **state)
{
    (void)state;
    assert_string_equal(reject_name(REJECT_none), "none");
    assert_string_equal(reject_name(REJECT_unavailable), "unavailable");
    for (unsigned i = 0; i < REJECT_COUNT; i++)
        assert_string_not_equal(reject_name((enum reject)i), "unknown");
    assert_string_equal(reject_name(REJECT_COUNT), "unknown");
    assert_string_equal(reject_name((enum reject) - 1), "unknown");
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "every row is found by its id", .test_func = test_every_row_is_found_by_its_id},
        {.name = "other ids are unknown", .test_func = test_other_ids_are_unknown},
        {.name = "senders and receivers are peers", .test_func = test_senders_and_receivers_are_peers},
        {.name = "fields are sound", .test_func = test_fields_are_sound},
        {.name = "the largest message fits a frame", .test_func = test_the_largest_message_fits_a_frame},
        {.name = "peers have names", .test_func = test_peers_have_names},
        {.name = "reasons have names", .test_func = test_reasons_have_names},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
