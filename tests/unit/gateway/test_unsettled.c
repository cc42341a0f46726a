/* unsettled: what was taken in stays until its end, is sent in order, and again in order after a lost link; each
 * requester hears of its message's end once, or never after it has left. */
#include "unsettled.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM ((size_t)1 << 20)

/* What the callbacks told, as text: "s3" settled, "v4" verdict, "c5" command result, each with the message's number. */
struct heard {
    char text[4096];
};

struct asker {
    struct heard *heard;
    uint64_t seq;
    struct unsettled_store *store; /* to add another message from inside the callback (U3) */
};

static void tell(const struct asker *asker, char what)
{
    size_t used = strlen(asker->heard->text);

    snprintf(asker->heard->text + used, sizeof asker->heard->text - used, "%s%c%u", used > 0 ? " " : "", what,
             (unsigned)asker->seq);
}

static void add_text(struct unsettled_store *store, struct asker *asker, const char *text);

static void on_verdict(void *requester, const struct msg_verdict *verdict)
{
    struct asker *asker = requester;

    assert_int_equal(verdict->seq, asker->seq);
    tell(asker, 'v');
}

static void on_settled(void *requester, const struct unsettled *entry)
{
    struct asker *asker = requester;

    assert_int_equal(entry->message.seq, asker->seq);
    assert_string_equal(entry->camera, "porch");
    assert_string_equal(entry->tag, "7");
    tell(asker, 's');
    if (asker->store != NULL)
        add_text(asker->store, asker, "from inside");
}

static void on_command_result(void *requester, const struct msg_command_result *result)
{
    (void)result;
    tell(requester, 'c');
}

static const struct requester_ops OPS = {
    .verdict = on_verdict, .settled = on_settled, .command_result = on_command_result};

static void add_text(struct unsettled_store *store, struct asker *asker, const char *text)
{
    struct msg_device_text message = {.source = SOURCE_WEBSOCKET, .text = view_text(text)};
    struct unsettled *entry = NULL;

    assert_int_equal(unsettled_add(store, &message, &OPS, asker, &entry), 0);
    asker->seq = entry->message.seq;
    assert_ptr_equal(unsettled_find(store, asker->seq), entry);
}

static void add_many(struct unsettled_store *store, struct asker *askers, struct heard *heard, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        askers[i] = (struct asker){.heard = heard};
        add_text(store, &askers[i], "text");
        assert_int_equal(askers[i].seq, i + 1);
    }
}

static void see(struct unsettled_store *store, uint64_t seq)
{
    struct msg_sighting sighting = {.seq = seq, .camera = "porch", .tag = "7", .named = 1};

    unsettled_saw(store, unsettled_find(store, seq), &sighting);
}

static void judge(struct unsettled_store *store, uint64_t seq)
{
    struct msg_verdict verdict = {.seq = seq};

    unsettled_end_verdict(store, unsettled_find(store, seq), &verdict);
}

/* Sends all that is unsent; returns the numbers as text. */
static const char *send_all(struct unsettled_store *store, struct heard *sent)
{
    struct unsettled *entry;
    size_t used = 0;

    sent->text[0] = '\0';
    while ((entry = unsettled_next_unsent(store)) != NULL) {
        used += (size_t)snprintf(sent->text + used, sizeof sent->text - used, "%s%u", used > 0 ? " " : "",
                                 (unsigned)entry->message.seq);
        unsettled_sent(store, entry);
    }
    return sent->text;
}

static void test_content_is_copied(void **state)
{
    struct unsettled_store *store = unsettled_store_new(ROOM);
    char text[] = "{\"a\": 1}", authorization[] = "token";
    struct msg_device_text message = {.seq = 999, .text = view_text(text), .authorization = view_text(authorization)};
    struct unsettled *entry = NULL;

    (void)state;
    assert_int_equal(unsettled_add(store, &message, &OPS, NULL, &entry), 0);
    memset(text, 'x', sizeof text);
    memset(authorization, 'x', sizeof authorization);
    assert_true(view_equals(entry->message.text, view_text("{\"a\": 1}")));
    assert_true(view_equals(entry->message.authorization, view_text("token")));
    assert_int_equal(entry->message.seq, 1);
    unsettled_store_free(store); /* with a message in it */
    unsettled_store_free(NULL);
}

/* `end` is a script: s = seen, v = verdict, c = command result, a = requester leaves, S = settled up to. */
static void test_ends(void **state)
{
    static const struct {
        const char *name, *script, *heard, *again;
    } CASES[] = {
        {.name = "nothing ended", .script = "", .heard = "", .again = "1 2 3 4 5"},
        {.name = "settled in order", .script = "s1 s2 s3 S3", .heard = "s1 s2 s3", .again = "4 5"},
        {.name = "settled as far as the report goes", .script = "s1 s2 s3 S2", .heard = "s1 s2", .again = "3 4 5"},
        {.name = "a report beyond what was seen", .script = "s1 s2 S5", .heard = "s1 s2", .again = "3 4 5"},
        {.name = "a report again", .script = "s1 S1 S1 s2 S1 S2", .heard = "s1 s2", .again = "3 4 5"},
        {.name = "seen twice", .script = "s1 s1 s2 S2", .heard = "s1 s2", .again = "3 4 5"},
        {.name = "what was not seen stays, though later ones settle",
         .script = "s2 s4 S5",
         .heard = "s2 s4",
         .again = "1 3 5"},
        {.name = "refused in between", .script = "v1 s2 v3 s4 S4", .heard = "v1 v3 s2 s4", .again = "5"},
        {.name = "refused after it was seen, in front", .script = "s1 s2 v1 S2", .heard = "v1 s2", .again = "3 4 5"},
        {.name = "refused after it was seen, last", .script = "s1 s2 v2 s3 S3", .heard = "v2 s1 s3", .again = "4 5"},
        {.name = "refused after it was seen, alone", .script = "s1 v1 s2 S2", .heard = "v1 s2", .again = "3 4 5"},
        {.name = "a command", .script = "c3", .heard = "c3", .again = "1 2 4 5"},
        {.name = "nobody waits any more", .script = "a1 a2 a3 s1 s2 S2 v3", .heard = "", .again = "4 5"},
        {.name = "all from behind", .script = "v5 v4 v3 v2 v1", .heard = "v5 v4 v3 v2 v1", .again = ""},
    };
    struct heard sent;

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct unsettled_store *store = unsettled_store_new(ROOM);
        struct heard heard = {""};
        struct asker askers[5];

        print_message("    %s\n", CASES[c].name);
        add_many(store, askers, &heard, ARRAY_LEN(askers));
        assert_string_equal(send_all(store, &sent), "1 2 3 4 5");
        for (const char *at = CASES[c].script; *at != '\0'; at += at[2] == ' ' ? 3 : 2) {
            uint64_t seq = (uint64_t)(at[1] - '0');

            switch (at[0]) {
            case 's':
                see(store, seq);
                break;
            case 'v':
                judge(store, seq);
                break;
            case 'c':
                unsettled_end_command(store, unsettled_find(store, seq), &(struct msg_command_result){});
                break;
            case 'a':
                unsettled_abandon(unsettled_find(store, seq));
                break;
            case 'S':
                unsettled_settle(store, seq);
                break;
            default:
                fail();
                break;
            }
        }
        assert_string_equal(heard.text, CASES[c].heard);
        assert_null(unsettled_next_unsent(store));
        unsettled_go_back(store);
        assert_string_equal(send_all(store, &sent), CASES[c].again);
        unsettled_store_free(store);
    }
}

static void test_going_back(void **state)
{
    struct unsettled_store *store = unsettled_store_new(ROOM);
    struct heard heard = {""}, sent;
    struct asker askers[4], late = {.heard = &heard};

    (void)state;
    assert_int_equal(unsettled_go_back(store), 0);
    add_many(store, askers, &heard, ARRAY_LEN(askers));
    unsettled_sent(store, unsettled_next_unsent(store));
    unsettled_sent(store, unsettled_next_unsent(store));
    assert_int_equal(unsettled_go_back(store), 2); /* only what had been sent counts as sent again */
    assert_string_equal(send_all(store, &sent), "1 2 3 4");
    add_text(store, &late, "later");
    assert_int_equal(unsettled_go_back(store), 4);
    assert_string_equal(send_all(store, &sent), "1 2 3 4 5"); /* old ones before anything new */
    see(store, 1);
    assert_int_equal(unsettled_go_back(store), 5); /* seen is not settled: another worker may need it */
    assert_int_equal(unsettled_settle(store, 1), 1);
    assert_string_equal(send_all(store, &sent), "2 3 4 5");
    unsettled_store_free(store);
}

static void test_room(void **state)
{
    const size_t cost = sizeof(struct unsettled) + 100;
    struct unsettled_store *store = unsettled_store_new(3 * cost);
    uint8_t text[100] = {0};
    struct msg_device_text message = {.text = view_of(text, sizeof text)};
    struct unsettled *entry = NULL;

    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        assert_true(unsettled_has_room(store, sizeof text));
        assert_int_equal(unsettled_add(store, &message, &OPS, NULL, &entry), 0);
        assert_int_equal(unsettled_count(store), n);
        assert_int_equal(unsettled_bytes(store), n * cost);
    }
    assert_false(unsettled_has_room(store, 0));
    assert_int_equal(unsettled_add(store, &message, &OPS, NULL, &entry), -ENOBUFS);
    assert_int_equal(unsettled_count(store), 3);
    judge(store, 2);
    assert_int_equal(unsettled_bytes(store), 2 * cost);
    assert_int_equal(unsettled_add(store, &message, &OPS, NULL, &entry), 0);
    assert_int_equal(entry->message.seq, 4); /* a refused one has used no number */
    unsettled_store_free(store);
}

/* The oldest stays open while thousands come and go: the window grows and turns over. */
static void test_a_long_window(void **state)
{
    struct unsettled_store *store = unsettled_store_new(ROOM * 64);
    struct heard heard = {""};
    struct asker first = {.heard = &heard}, other = {.heard = &heard};

    (void)state;
    add_text(store, &first, "stays");
    for (uint64_t seq = 2; seq < 5000; seq++) {
        add_text(store, &other, "comes");
        unsettled_abandon(unsettled_find(store, seq));
        if (seq > 40)
            judge(store, seq - 30);
        assert_non_null(unsettled_find(store, 1));
        assert_ptr_equal(unsettled_next_unsent(store), unsettled_find(store, 1));
    }
    assert_null(unsettled_find(store, 0));
    assert_null(unsettled_find(store, 5000));
    assert_null(unsettled_find(store, 100));
    judge(store, 1);
    assert_string_equal(heard.text, "v1");
    assert_int_equal(unsettled_next_unsent(store)->message.seq, 2);
    unsettled_store_free(store);
}

static void test_a_callback_may_add(void **state)
{
    struct unsettled_store *store = unsettled_store_new(ROOM);
    struct heard heard = {""};
    struct asker askers[3];

    (void)state;
    add_many(store, askers, &heard, ARRAY_LEN(askers));
    askers[0].store = store;
    see(store, 1);
    see(store, 2);
    assert_int_equal(unsettled_settle(store, 2), 2);
    assert_string_equal(heard.text, "s1 s2");
    assert_int_equal(unsettled_count(store), 2);
    assert_true(view_equals(unsettled_find(store, 4)->message.text, view_text("from inside")));
    unsettled_store_free(store);
}

/* What was withdrawn is neither sent again nor told of, wherever it stood, and leaves no hole for the others. */
static void test_withdrawing(void **state)
{
    struct unsettled_store *store = unsettled_store_new(ROOM);
    struct heard heard = {""};
    struct asker askers[4];

    (void)state;
    add_many(store, askers, &heard, ARRAY_LEN(askers));
    unsettled_sent(store, unsettled_find(store, 1));
    unsettled_sent(store, unsettled_find(store, 2));
    see(store, 1);
    see(store, 2);
    unsettled_withdraw(store, unsettled_find(store, 2));
    unsettled_withdraw(store, unsettled_find(store, 3));
    assert_null(unsettled_find(store, 2));
    assert_int_equal(unsettled_go_back(store), 1);
    assert_int_equal(unsettled_next_unsent(store)->message.seq, 1);
    unsettled_sent(store, unsettled_find(store, 1));
    assert_int_equal(unsettled_next_unsent(store)->message.seq, 4);
    see(store, 4);
    assert_int_equal(unsettled_settle(store, 4), 2);
    assert_string_equal(heard.text, "s1 s4");
    assert_int_equal(unsettled_bytes(store), 0);
    unsettled_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_is_copied), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_going_back),        cmocka_unit_test(test_room),
        cmocka_unit_test(test_a_long_window),     cmocka_unit_test(test_a_callback_may_add),
        cmocka_unit_test(test_withdrawing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
