/* What waits for one client: order, limits, who gives way to whom, and that a frame of which a byte
 * is sent is always sent whole. A frame's payload is its number, so what leaves can be recognized. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "outbox.h"

#define FRAMES_MAX  8u
#define PAYLOAD     4u /* digits of a frame's number */
#define FRAME_BYTES (2u + PAYLOAD)
#define PIECES_MAX  64u
#define STREAM_MAX  65536u

static const struct outbox_limits ROOMY = {.frames_max = 1000, .bytes_max = 1000000};
static const struct outbox_limits NARROW = {.frames_max = FRAMES_MAX, .bytes_max = 1000000};

/* ---- frames ---- */

static struct out_frame *frame_of(enum out_kind kind, uint64_t key, unsigned number)
{
    char text[PAYLOAD + 1];
    struct out_frame *frame;

    assert_true(number < 10000);
    snprintf(text, sizeof(text), "%04u", number);
    frame = out_frame_new(WS_OPCODE_TEXT, view_text(text), kind, key);
    assert_non_null(frame);
    return frame;
}

/* Queue a frame whose only owner is the box. */
static enum outbox_push push(struct outbox *box, const struct outbox_limits *limits, enum out_kind kind, uint64_t key,
                             unsigned number)
{
    struct out_frame *frame = frame_of(kind, key, number);
    enum outbox_push result = outbox_push(box, limits, frame);

    out_frame_unref(frame);
    return result;
}

/* Let a socket take `room` bytes. Returns how many there were to take. */
static size_t send_some(struct outbox *box, size_t room, uint8_t *stream, size_t *length)
{
    struct iovec pieces[PIECES_MAX];
    unsigned count = outbox_gather(box, pieces, PIECES_MAX);
    size_t taken = 0;

    for (unsigned i = 0; i < count && taken < room; i++) {
        size_t part = pieces[i].iov_len < room - taken ? pieces[i].iov_len : room - taken;

        assert_true(part > 0 && *length + part <= STREAM_MAX);
        memcpy(stream + *length, pieces[i].iov_base, part);
        *length += part;
        taken += part;
    }
    outbox_taken(box, taken);
    return taken;
}

/* The numbers of the frames in a stream, "1 2 3"; fails unless the stream is made of whole frames. */
static const char *numbers_in(const uint8_t *stream, size_t length)
{
    static char text[STREAM_MAX];
    size_t used = 0;

    text[0] = '\0';
    assert_int_equal(length % FRAME_BYTES, 0);
    for (size_t at = 0; at < length; at += FRAME_BYTES) {
        char digits[PAYLOAD + 1] = {0};

        assert_int_equal(stream[at], 0x81);
        assert_int_equal(stream[at + 1], PAYLOAD);
        memcpy(digits, stream + at + 2, PAYLOAD);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d", at > 0 ? " " : "", atoi(digits));
    }
    return text;
}

static const char *send_all(struct outbox *box)
{
    uint8_t stream[STREAM_MAX];
    size_t length = 0;

    while (send_some(box, SIZE_MAX, stream, &length) > 0)
        continue;
    assert_int_equal(box->count, 0);
    assert_int_equal(box->bytes, 0);
    assert_int_equal(box->replies, 0);
    assert_int_equal(box->first_sent, 0);
    return numbers_in(stream, length);
}

/* ---- a script: what is pushed, what the socket takes, and what leaves in the end ---- */

/* s<key><number> sighting, r<number> reply, t<bytes> the socket takes bytes; key is a letter */
struct outbox_case {
    const char *name;
    const char *script;
    const char *results; /* of each push: q queued, w instead of an older one, x refused */
    const char *sent;    /* numbers, in the order in which they left */
};

static const struct outbox_case CASES[] = {
    {"nothing", "", "", ""},
    {"one", "sa1", "q", "1"},
    {"order is kept", "sa1 r2 sb3 sa4 r5", "qqqqq", "1 2 3 4 5"},
    {"equal keys are no reason while there is room", "sa1 sa2 sa3 sa4 sa5 sa6 sa7 sa8", "qqqqqqqq", "1 2 3 4 5 6 7 8"},
    {"the oldest of the same key gives way", "sb1 sa2 sb3 sa4 sc5 sb6 sc7 sd8 sa9", "qqqqqqqqw", "1 3 4 5 6 7 8 9"},
    {"again and again", "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 sa9 sa10 sa11 sb12", "qqqqqqqqwwww", "3 4 5 6 7 8 11 12"},
    {"the newest value is the one that stays", "sa1 sb2 r3 r4 r5 r6 r7 r8 sa9 sb10 sa11 sb12", "qqqqqqqqwwww",
     "3 4 5 6 7 8 11 12"},
    {"a new key takes the place of the oldest", "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 si9", "qqqqqqqqw", "2 3 4 5 6 7 8 9"},
    {"what is outdated gives way before the only one of its key", "sa1 sb2 sb3 sb4 sb5 sb6 sb7 sb8 sc9", "qqqqqqqqw",
     "1 3 4 5 6 7 8 9"},
    {"the oldest of what is outdated", "sa1 sb2 sc3 sd4 sd5 sc6 sb7 sc8 se9 sf10 sg11", "qqqqqqqqwww",
     "1 5 6 7 8 9 10 11"},
    {"outdated but for the one partly sent", "sa1 sa2 sb3 sb4 sc5 sd6 se7 sf8 t2 sg9", "qqqqqqqqw", "1 2 4 5 6 7 8 9"},
    {"replies do not give way", "r1 sa2 r3 r4 r5 r6 r7 r8 sb9", "qqqqqqqqw", "1 3 4 5 6 7 8 9"},
    {"full of replies: the sighting is refused", "r1 r2 r3 r4 r5 r6 r7 r8 sa9", "qqqqqqqqx", "1 2 3 4 5 6 7 8"},
    {"replies know no limit", "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 r9 r10", "qqqqqqqqqq", "1 2 3 4 5 6 7 8 9 10"},
    {"beyond the limit by replies, sightings still take turns", "sa1 r2 r3 r4 r5 r6 r7 r8 r9 r10 sa11 sb12",
     "qqqqqqqqqqww", "2 3 4 5 6 7 8 9 10 12"},
    {"what was sent makes room", "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 t6 sa9", "qqqqqqqqq", "1 2 3 4 5 6 7 8 9"},
    {"one byte sent: it cannot give way", "sa1 sa2 sc3 sd4 se5 sf6 sg7 sh8 t1 sa9", "qqqqqqqqw", "1 3 4 5 6 7 8 9"},
    {"one byte missing: it cannot give way", "sa1 sa2 sc3 sd4 se5 sf6 sg7 sh8 t5 sa9", "qqqqqqqqw", "1 3 4 5 6 7 8 9"},
    {"partly sent and alone with its key: another one goes", "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 t3 sa9", "qqqqqqqqw",
     "1 3 4 5 6 7 8 9"},
    {"partly sent and nothing else may go", "sa1 r2 r3 r4 r5 r6 r7 r8 t3 sa9", "qqqqqqqqx", "1 2 3 4 5 6 7 8"},
    {"whole frames and a part at once", "sa1 sb2 sc3 t14 sd4", "qqqq", "1 2 3 4"},
    {"part by part", "sa1 t1 t1 t1 t1 t1 sb2 t1 t3 t3", "qq", "1 2"},
    {"the ring goes round while it grows",
     "sa1 sb2 sc3 t18 sd4 se5 sf6 sg7 sh8 si9 sj10 sk11 r12 r13 r14 r15 r16 r17 r18 r19 r20", "qqqqqqqqqqqqqqqqqqqq",
     "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"},
    {"taking away across the end of the ring",
     "sa1 sb2 sc3 sd4 se5 sf6 sg7 sh8 t36 si9 sj10 sk11 sl12 sm13 sn14 sk15 sg16", "qqqqqqqqqqqqqqww",
     "1 2 3 4 5 6 8 9 10 12 13 14 15 16"},
};

static void run_step(struct outbox *box, const char *step, char *results, uint8_t *stream, size_t *length)
{
    static const char LETTERS[] = {[OUTBOX_QUEUED] = 'q', [OUTBOX_REPLACED] = 'w', [OUTBOX_REFUSED] = 'x'};
    enum outbox_push result;

    if (*step == 't') {
        size_t room = strtoul(step + 1, NULL, 10);

        assert_int_equal(send_some(box, room, stream, length), room);
        return;
    }
    if (*step == 's')
        result = push(box, &NARROW, OUT_SIGHTING, (uint64_t)step[1], (unsigned)atoi(step + 2));
    else
        result = push(box, &NARROW, OUT_REPLY, 0, (unsigned)atoi(step + 1));
    results[strlen(results)] = LETTERS[result];
}

static void check_script(const struct outbox_case *script)
{
    uint8_t stream[STREAM_MAX];
    struct outbox box = {0};
    char steps[256], results[64] = "", *rest = steps;
    size_t length = 0;

    snprintf(steps, sizeof(steps), "%s", script->script);
    for (char *step = strtok_r(steps, " ", &rest); step != NULL; step = strtok_r(NULL, " ", &rest))
        run_step(&box, step, results, stream, &length);
    while (send_some(&box, SIZE_MAX, stream, &length) > 0)
        continue;
    if (strcmp(results, script->results) != 0 || strcmp(numbers_in(stream, length), script->sent) != 0)
        fail_msg("%s: %s, sent %s", script->name, results, numbers_in(stream, length));
    outbox_done(&box);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_script(&CASES[i]);
}

/* ---- frames and references ---- */

static void test_frame_is_header_and_payload(void **state)
{
    static const struct {
        const char *name;
        size_t payload, header;
    } SIZES[] = {{"empty", 0, 2},
                 {"longest short", 125, 2},
                 {"first medium", 126, 4},
                 {"longest medium", 65535, 4},
                 {"first long", 65536, 10}};
    static uint8_t payload[65536];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct out_frame *frame;
        uint8_t header[WS_HEADER_MAX];

        memset(payload, (int)('a' + i), sizeof(payload));
        frame = out_frame_new(WS_OPCODE_BINARY, view_of(payload, SIZES[i].payload), OUT_REPLY, 7);
        assert_non_null(frame);
        if (frame->length != SIZES[i].header + SIZES[i].payload)
            fail_msg("%s: %zu bytes", SIZES[i].name, frame->length);
        assert_int_equal(ws_write_header(header, WS_OPCODE_BINARY, SIZES[i].payload), SIZES[i].header);
        assert_memory_equal(frame->bytes, header, SIZES[i].header);
        assert_memory_equal(frame->bytes + SIZES[i].header, payload, SIZES[i].payload);
        assert_int_equal(frame->references, 1);
        out_frame_unref(frame);
    }
}

static void test_close_frame(void **state)
{
    static const uint8_t EXPECTED[] = {0x88, 5, 0x03, 0xf0, 'b', 'y', 'e'}; /* 1008 */
    struct out_frame *frame = out_frame_close(1008, "bye");

    (void)state;
    assert_non_null(frame);
    assert_int_equal(frame->length, sizeof(EXPECTED));
    assert_memory_equal(frame->bytes, EXPECTED, sizeof(EXPECTED));
    assert_int_equal(frame->kind, OUT_REPLY);
    out_frame_unref(frame);
    out_frame_unref(NULL);
}

/* Each way out of a box gives the box's reference back, and no more than that. */
static void test_references(void **state)
{
    struct out_frame *frame = frame_of(OUT_SIGHTING, 1, 1);
    struct outbox first = {0}, second = {0};

    (void)state;
    assert_int_equal(outbox_push(&first, &NARROW, frame), OUTBOX_QUEUED);
    assert_int_equal(outbox_push(&second, &NARROW, frame), OUTBOX_QUEUED);
    assert_int_equal(outbox_push(&second, &NARROW, frame), OUTBOX_QUEUED);
    assert_int_equal(frame->references, 4);

    assert_string_equal(send_all(&first), "1"); /* sent */
    assert_int_equal(frame->references, 3);

    for (unsigned i = 2; i < FRAMES_MAX; i++)
        push(&second, &NARROW, OUT_REPLY, 0, i);
    assert_int_equal(push(&second, &NARROW, OUT_SIGHTING, 1, 99), OUTBOX_REPLACED); /* gave way */
    assert_int_equal(frame->references, 2);

    outbox_clear_unsent(&second); /* cleared */
    assert_int_equal(frame->references, 1);

    assert_int_equal(outbox_push(&first, &NARROW, frame), OUTBOX_QUEUED);
    outbox_taken(&first, 1);
    outbox_done(&first); /* done, though partly sent */
    outbox_done(&second);
    assert_int_equal(frame->references, 1);

    for (unsigned i = 0; i < FRAMES_MAX; i++)
        push(&first, &NARROW, OUT_REPLY, 0, i);
    assert_int_equal(outbox_push(&first, &NARROW, frame), OUTBOX_REFUSED); /* refused */
    assert_int_equal(frame->references, 1);
    outbox_done(&first);
    out_frame_unref(frame);
}

static void test_keys(void **state)
{
    (void)state;
    assert_true(out_key("porch", "7") == out_key("porch", "7"));
    assert_true(out_key("porch", "7") != out_key("porch", "8"));
    assert_true(out_key("porch", "7") != out_key("garage", "7"));
    assert_true(out_key("ab", "c") != out_key("a", "bc")); /* where one ends counts */
    assert_true(out_key("a", "") != out_key("", "a"));
}

/* ---- limits in bytes ---- */

static void test_bytes_limit_makes_sightings_give_way(void **state)
{
    const struct outbox_limits limits = {.frames_max = 1000, .bytes_max = 3 * FRAME_BYTES};
    struct outbox box = {0};

    (void)state;
    assert_int_equal(push(&box, &limits, OUT_SIGHTING, 1, 1), OUTBOX_QUEUED);
    assert_int_equal(push(&box, &limits, OUT_SIGHTING, 2, 2), OUTBOX_QUEUED);
    assert_int_equal(push(&box, &limits, OUT_SIGHTING, 3, 3), OUTBOX_QUEUED);
    assert_int_equal(push(&box, &limits, OUT_SIGHTING, 2, 4), OUTBOX_REPLACED);
    assert_int_equal(push(&box, &limits, OUT_REPLY, 0, 5), OUTBOX_QUEUED);
    assert_int_equal(box.bytes, 4 * FRAME_BYTES);
    assert_string_equal(send_all(&box), "1 3 4 5");
    outbox_done(&box);
}

static void test_empty_box_has_room_for_any_frame(void **state)
{
    const struct outbox_limits limits = {.frames_max = 1000, .bytes_max = 1};
    struct out_frame *frame = frame_of(OUT_SIGHTING, 1, 1);
    struct outbox box = {0};

    (void)state;
    assert_false(outbox_is_full(&box, &limits, frame));
    assert_int_equal(outbox_push(&box, &limits, frame), OUTBOX_QUEUED);
    assert_true(outbox_is_full(&box, &limits, frame));
    out_frame_unref(frame);
    outbox_done(&box);
}

static void test_full_exactly_at_the_limit(void **state)
{
    const struct outbox_limits limits = {.frames_max = 1000, .bytes_max = 2 * FRAME_BYTES};
    struct out_frame *frame = frame_of(OUT_SIGHTING, 1, 1);
    struct outbox box = {0};

    (void)state;
    push(&box, &limits, OUT_SIGHTING, 1, 1);
    assert_false(outbox_is_full(&box, &limits, frame));
    push(&box, &limits, OUT_SIGHTING, 1, 2);
    assert_true(outbox_is_full(&box, &limits, frame));
    outbox_taken(&box, FRAME_BYTES - 1); /* a frame partly sent still counts in full */
    assert_true(outbox_is_full(&box, &limits, frame));
    outbox_taken(&box, 1);
    assert_false(outbox_is_full(&box, &limits, frame));
    out_frame_unref(frame);
    outbox_done(&box);
}

/* ---- sending and clearing ---- */

static void test_gather_gives_no_more_than_asked(void **state)
{
    struct iovec pieces[3];
    struct outbox box = {0};

    (void)state;
    assert_int_equal(outbox_gather(&box, pieces, 3), 0);
    for (unsigned i = 0; i < 5; i++)
        push(&box, &ROOMY, OUT_REPLY, 0, i);
    assert_int_equal(outbox_gather(&box, pieces, 3), 3);
    assert_int_equal(outbox_gather(&box, pieces, 1), 1);
    outbox_taken(&box, 4);
    assert_int_equal(outbox_gather(&box, pieces, 3), 3);
    assert_int_equal(pieces[0].iov_len, FRAME_BYTES - 4);
    assert_int_equal(pieces[1].iov_len, FRAME_BYTES);
    outbox_done(&box);
}

static void test_taken_counts_whole_sightings(void **state)
{
    struct outbox box = {0};

    (void)state;
    push(&box, &ROOMY, OUT_SIGHTING, 1, 1);
    push(&box, &ROOMY, OUT_REPLY, 0, 2);
    push(&box, &ROOMY, OUT_SIGHTING, 2, 3);
    push(&box, &ROOMY, OUT_SIGHTING, 3, 4);
    assert_int_equal(box.replies, 1);
    assert_int_equal(outbox_taken(&box, 0), 0);
    assert_int_equal(outbox_taken(&box, FRAME_BYTES - 1), 0);
    assert_int_equal(outbox_taken(&box, 1), 1);
    assert_int_equal(outbox_taken(&box, 2 * FRAME_BYTES), 1);
    assert_int_equal(box.replies, 0);
    assert_int_equal(outbox_taken(&box, FRAME_BYTES), 1);
    outbox_done(&box);
}

static void test_clear_keeps_a_frame_that_is_partly_sent(void **state)
{
    struct outbox box = {0};
    uint8_t stream[STREAM_MAX];
    size_t length = 0;

    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        push(&box, &ROOMY, i == 2 ? OUT_REPLY : OUT_SIGHTING, i, i);
    send_some(&box, 1, stream, &length);
    outbox_clear_unsent(&box);
    assert_int_equal(box.count, 1);
    assert_int_equal(box.bytes, FRAME_BYTES);
    assert_int_equal(box.replies, 0);
    push(&box, &ROOMY, OUT_REPLY, 0, 4);
    send_some(&box, SIZE_MAX, stream, &length);
    assert_string_equal(numbers_in(stream, length), "1 4");
    outbox_done(&box);
}

static void test_clear_takes_everything_at_a_border(void **state)
{
    struct outbox box = {0};

    (void)state;
    outbox_clear_unsent(&box);
    for (unsigned i = 1; i <= 3; i++)
        push(&box, &ROOMY, OUT_REPLY, 0, i);
    outbox_taken(&box, FRAME_BYTES);
    outbox_clear_unsent(&box);
    assert_int_equal(box.count, 0);
    assert_int_equal(box.bytes, 0);
    assert_int_equal(box.replies, 0);
    push(&box, &ROOMY, OUT_SIGHTING, 1, 9);
    assert_string_equal(send_all(&box), "9");
    outbox_done(&box);
}

/* ---- whatever comes ---- */

#define KEYS   12u
#define ROUNDS 9000u

/* Numbers ascend, so order shows in the stream; number % KEYS is the key. The last sighting of each
 * key must have left in the end, and every reply. */
static void check_stream(const uint8_t *stream, size_t length, const unsigned newest[KEYS], unsigned replies)
{
    unsigned seen[KEYS] = {0}, seen_replies = 0;
    int last = -1;

    (void)numbers_in(stream, length); /* whole frames */
    for (size_t at = 0; at < length; at += FRAME_BYTES) {
        char digits[PAYLOAD + 1] = {0};
        int number;

        memcpy(digits, stream + at + 2, PAYLOAD);
        number = atoi(digits);
        assert_true(number > last);
        last = number;
        seen[(unsigned)number % KEYS] = (unsigned)number;
        seen_replies += (unsigned)number % KEYS == 0;
    }
    for (unsigned key = 1; key < KEYS; key++)
        assert_int_equal(seen[key], newest[key]);
    assert_int_equal(seen_replies, replies);
}

static void test_any_order_of_events(void **state)
{
    const struct outbox_limits limits = {.frames_max = 2 * KEYS, .bytes_max = 1000000};

    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        static uint8_t stream[STREAM_MAX];
        struct outbox box = {0};
        unsigned newest[KEYS] = {0}, replies = 0;
        size_t length = 0;

        srand(seed);
        for (unsigned number = 1; number < ROUNDS; number++) {
            unsigned key = number % KEYS;

            if (key == 0 && box.replies > KEYS / 2)
                continue; /* a session with many replies outstanding is not read */
            if (rand() % 3 == 0)
                send_some(&box, (size_t)(rand() % 20), stream, &length);
            if (key != 0 && rand() % 2 == 0)
                continue;
            if (push(&box, &limits, key == 0 ? OUT_REPLY : OUT_SIGHTING, key, number) == OUTBOX_REFUSED)
                fail_msg("seed %u: %u was refused", seed, number);
            if (key == 0)
                replies++;
            else
                newest[key] = number;
            assert_true(box.count <= limits.frames_max + KEYS / 2 + 1);
        }
        while (send_some(&box, SIZE_MAX, stream, &length) > 0)
            continue;
        check_stream(stream, length, newest, replies);
        outbox_done(&box);
    }
}

/* ---- written down and read back ---- */

/* `user` is another box, which gets a copy of every frame. */
static int copy_frame(void *user, const struct out_frame *frame)
{
    struct out_frame *copy = out_frame_raw(view_of(frame->bytes, frame->length), frame->kind, frame->key);
    enum outbox_push result = outbox_push(user, &ROOMY, copy);

    out_frame_unref(copy);
    return result == OUTBOX_QUEUED ? 0 : -1;
}

static void test_a_copy_goes_on_where_the_first_box_stopped(void **state)
{
    (void)state;
    for (size_t sent = 0; sent <= 4 * FRAME_BYTES; sent++) {
        static uint8_t stream[STREAM_MAX];
        struct outbox box = {0}, copy = {0};
        size_t length = 0;

        for (unsigned number = 1; number <= 4; number++)
            push(&box, &ROOMY, number == 3 ? OUT_REPLY : OUT_SIGHTING, number, number);
        send_some(&box, sent, stream, &length);
        assert_int_equal(outbox_each(&box, copy_frame, &copy), 0);
        if (box.first_sent > 0)
            assert_int_equal(outbox_skip(&copy, box.first_sent), 0);
        assert_int_equal(copy.count, box.count);
        assert_int_equal(copy.replies, box.replies);
        assert_int_equal(copy.bytes, box.bytes);
        outbox_done(&box);
        send_some(&copy, SIZE_MAX, stream, &length);
        assert_string_equal(numbers_in(stream, length), "1 2 3 4");
        outbox_done(&copy);
    }
}

static int refuse_frame(void *user, const struct out_frame *frame)
{
    (void)frame;
    return --*(int *)user < 0 ? -7 : 0;
}

static void test_each_ends_at_the_first_that_is_refused(void **state)
{
    struct outbox box = {0};
    int wanted = 1;

    (void)state;
    for (unsigned number = 1; number <= 3; number++)
        push(&box, &ROOMY, OUT_SIGHTING, number, number);
    assert_int_equal(outbox_each(&box, refuse_frame, &wanted), -7);
    assert_int_equal(wanted, -1);
    outbox_done(&box);
}

static void test_skip_refuses_a_whole_frame_and_an_empty_box(void **state)
{
    struct outbox box = {0};

    (void)state;
    assert_int_equal(outbox_skip(&box, 1), -EPROTO);
    push(&box, &ROOMY, OUT_REPLY, 0, 1);
    assert_int_equal(outbox_skip(&box, FRAME_BYTES), -EPROTO);
    assert_int_equal(outbox_skip(&box, FRAME_BYTES - 1), 0);
    outbox_done(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_frame_is_header_and_payload),
        cmocka_unit_test(test_close_frame),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bytes_limit_makes_sightings_give_way),
        cmocka_unit_test(test_empty_box_has_room_for_any_frame),
        cmocka_unit_test(test_full_exactly_at_the_limit),
        cmocka_unit_test(test_gather_gives_no_more_than_asked),
        cmocka_unit_test(test_taken_counts_whole_sightings),
        cmocka_unit_test(test_clear_keeps_a_frame_that_is_partly_sent),
        cmocka_unit_test(test_clear_takes_everything_at_a_border),
        cmocka_unit_test(test_any_order_of_events),
        cmocka_unit_test(test_a_copy_goes_on_where_the_first_box_stopped),
        cmocka_unit_test(test_each_ends_at_the_first_that_is_refused),
        cmocka_unit_test(test_skip_refuses_a_whole_frame_and_an_empty_box),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
