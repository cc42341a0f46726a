/* RFC 6455 from a hostile client's side. Every case of the conformance table runs with several
 * masks, cut in several ways, and with the parser kept, copied or packed between calls; all of them
 * must tell the same story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws_frame.h"
#include "ws_frame_cases.h"

/* ---- the client: from frames to a masked stream ---- */

enum masks { MASK_ZERO, MASK_CONSTANT, MASK_RANDOM, MASKS_COUNT };

struct wire {
    uint8_t *bytes;
    size_t length;
};

/* xorshift: the same numbers on every run, so that a failure can be looked at again. */
static uint32_t next_random(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

static void put_bytes(struct wire *wire, const void *bytes, size_t n)
{
    wire->bytes = realloc(wire->bytes, wire->length + n + 1);
    if (bytes)
        memcpy(wire->bytes + wire->length, bytes, n);
    wire->length += n;
}

static void put_head(struct wire *wire, const struct wire_frame *frame)
{
    uint64_t length = frame->claim ? frame->claim : frame->length;
    size_t size = frame->form ? frame->form : length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;
    uint8_t head[10] = {frame->first_byte, size == 0 ? (uint8_t)length : size == 2 ? 126 : 127};

    if (!frame->is_unmasked)
        head[1] |= 0x80;
    for (size_t i = 0; i < size; i++)
        head[2 + i] = (uint8_t)(length >> 8 * (size - 1 - i));
    put_bytes(wire, head, 2 + size);
}

static void put_frame(struct wire *wire, const struct wire_frame *frame, enum masks masks, uint32_t *random)
{
    static const uint8_t keys[MASKS_COUNT][4] = {[MASK_CONSTANT] = {0x37, 0xfa, 0x21, 0x3d}};
    uint32_t random_key = next_random(random);
    const void *key = masks == MASK_RANDOM ? (const void *)&random_key : keys[masks];
    uint8_t *payload;

    put_head(wire, frame);
    if (!frame->is_unmasked)
        put_bytes(wire, key, 4);
    put_bytes(wire, frame->payload, frame->length);
    payload = wire->bytes + wire->length - frame->length;
    if (!frame->payload)
        memset(payload, '*', frame->length);
    for (size_t i = 0; i < frame->length && !frame->is_unmasked; i++)
        payload[i] ^= ((const uint8_t *)key)[i % 4];
}

static struct wire wire_of(const struct wire_case *test, enum masks masks)
{
    struct wire wire = {0};
    uint32_t random = 0x9e3779b9;

    for (const struct wire_frame *frame = test->frames; frame < test->frames + FRAMES_MAX; frame++)
        if (frame->payload || frame->length || frame->claim || frame->form)
            put_frame(&wire, frame, masks, &random);
    return wire;
}

/* ---- the story: from events to text ---- */

struct story {
    FILE *out;
    char *text;
    size_t text_length;
    uint8_t *piece; /* data told since the last mark, not written yet; room for the whole stream */
    size_t piece_length;
    enum ws_opcode opcode;
    bool has_piece, piece_is_first, is_open;
    uint64_t message_bytes;
    size_t refused_after;
};

static void write_gap(struct story *story)
{
    if (ftell(story->out) > 0)
        fputc(' ', story->out);
}

static void write_bytes(struct story *story, const uint8_t *bytes, size_t n)
{
    if (n > 64 && memcmp(bytes, bytes + 1, n - 1) == 0) {
        fprintf(story->out, "%zu x '%c'", n, bytes[0]);
        return;
    }
    fputc('\'', story->out);
    for (size_t i = 0; i < n; i++)
        fprintf(story->out, bytes[i] >= ' ' && bytes[i] < 0x7f ? "%c" : "\\x%02x", bytes[i]);
    fputc('\'', story->out);
}

static void write_piece(struct story *story)
{
    if (story->has_piece) {
        write_gap(story);
        fprintf(story->out, "%s%s ", story->piece_is_first ? "<" : "",
                story->opcode == WS_OPCODE_TEXT ? "text" : "binary");
        write_bytes(story, story->piece, story->piece_length);
    }
    story->has_piece = false;
    story->piece_length = 0;
}

static void tell_data(struct story *story, const struct ws_event *event)
{
    size_t n = event->payload.length;

    assert_true(event->opcode == WS_OPCODE_TEXT || event->opcode == WS_OPCODE_BINARY);
    assert_int_equal(event->first, !story->is_open);
    assert_true(n > 0 || event->last);
    if (event->first)
        story->message_bytes = 0;
    story->message_bytes += n;
    assert_true(event->announced_bytes >= story->message_bytes);
    assert_true(!event->last || event->announced_bytes == story->message_bytes);
    if (!story->has_piece)
        story->piece_is_first = event->first;
    story->has_piece = true;
    story->opcode = event->opcode;
    story->is_open = !event->last;
    memcpy(story->piece + story->piece_length, event->payload.bytes, n);
    story->piece_length += n;
    if (event->last) {
        write_piece(story);
        fputc('>', story->out);
    }
}

static void tell(struct story *story, const struct ws_event *event)
{
    switch (event->kind) {
    case WS_NEED_MORE:
        break;
    case WS_DATA:
        tell_data(story, event);
        break;
    case WS_PING:
    case WS_PONG:
        write_piece(story);
        write_gap(story);
        fputs(event->kind == WS_PING ? "ping " : "pong ", story->out);
        write_bytes(story, event->payload.bytes, event->payload.length);
        break;
    case WS_CLOSE:
        write_piece(story);
        write_gap(story);
        fprintf(story->out, "close %u ", event->code);
        write_bytes(story, event->payload.bytes, event->payload.length);
        break;
    case WS_ERROR: /* how much of the broken message came before depends on the cuts: not told */
        story->has_piece = false;
        write_gap(story);
        fprintf(story->out, "error %u %s", event->code, event->problem);
        assert_true(strlen(event->problem) <= WS_CONTROL_PAYLOAD_MAX - 2);
        break;
    }
}

/* ---- the server: how the stream is cut, and what happens to the parser between calls ---- */

enum cuts { CUT_NOWHERE, CUT_EVERYWHERE, CUT_SHORT, CUT_LONG, CUTS_COUNT };
enum carry { CARRY_KEEP, CARRY_COPY, CARRY_PACK, CARRY_COUNT };

static size_t next_piece(enum cuts cuts, size_t left, uint32_t *random)
{
    static const uint32_t longest[CUTS_COUNT] = {[CUT_EVERYWHERE] = 1, [CUT_SHORT] = 9, [CUT_LONG] = 2000};
    size_t n = cuts == CUT_NOWHERE ? left : 1 + next_random(random) % longest[cuts];

    return n < left ? n : left;
}

static void carry_over(enum carry carry, struct ws_parser *parser)
{
    struct ws_parser other;
    uint8_t packed[WS_PARSER_PACKED_BYTES];

    if (carry == CARRY_KEEP)
        return;
    memcpy(&other, parser, sizeof(other));
    ws_parser_pack(parser, packed);
    memset(parser, 0xa5, sizeof(*parser));
    if (carry == CARRY_PACK)
        assert_int_equal(ws_parser_unpack(packed, parser), 0);
    else
        memcpy(parser, &other, sizeof(other));
}

/* One call, on a copy of exactly the bytes it may see, so that reading further is found. */
static size_t parse_copy(struct ws_parser *parser, const struct wire *wire, size_t used, size_t have,
                         struct story *story, enum ws_event_kind *ret_kind)
{
    bool was_finished = ws_parser_is_finished(parser);
    size_t n = have - used;
    uint8_t *window = memcpy(malloc(n + !n), wire->bytes + used, n);
    struct ws_event event;
    size_t step = ws_parse(parser, &LIMITS, window, n, &event);

    assert_true(step <= n);
    assert_true(!was_finished || (step == 0 && event.kind == WS_NEED_MORE));
    assert_int_equal(memcmp(window + step, wire->bytes + used + step, n - step), 0);
    assert_true(event.payload.length <= step);
    assert_int_equal(ws_parser_is_finished(parser), was_finished || event.kind == WS_CLOSE || event.kind == WS_ERROR);
    tell(story, &event);
    assert_true(ws_parser_is_finished(parser) || !story->is_open || ws_parser_in_message(parser));
    assert_false(event.kind == WS_DATA && event.last && ws_parser_in_message(parser));
    if (event.kind == WS_NEED_MORE && !was_finished)
        assert_true(n - step <= WS_LEFTOVER_MAX);
    if (event.kind == WS_ERROR)
        story->refused_after = have;
    free(window);
    *ret_kind = event.kind;
    return step;
}

/* The story of a stream, told until nothing more can come; the caller frees it. */
static char *run(const struct wire *wire, enum cuts cuts, enum carry carry, uint32_t random, size_t *ret_refused_after)
{
    struct story story = {.piece = malloc(wire->length + 1)};
    struct ws_parser parser;
    size_t used = 0, have = 0;
    enum ws_event_kind kind;

    story.out = open_memstream(&story.text, &story.text_length);
    ws_parser_init(&parser);
    while (have < wire->length && !ws_parser_is_finished(&parser)) {
        have += next_piece(cuts, wire->length - have, &random);
        do {
            used += parse_copy(&parser, wire, used, have, &story, &kind);
            carry_over(carry, &parser);
        } while (kind != WS_NEED_MORE);
    }
    parse_copy(&parser, wire, used, wire->length, &story, &kind); /* whatever else was sent */
    assert_int_equal(kind, WS_NEED_MORE);
    write_piece(&story);
    fclose(story.out);
    free(story.piece);
    *ret_refused_after = story.refused_after;
    return story.text;
}

static void check_run(const struct wire_case *test, const struct wire *wire, enum cuts cuts, enum carry carry,
                      uint32_t random)
{
    size_t refused_after;
    char *story = run(wire, cuts, carry, random, &refused_after);

    if (strcmp(story, test->story) != 0)
        fail_msg("%s, cuts %d, carry %d: %.200s", test->name, cuts, carry, story);
    if (cuts == CUT_EVERYWHERE && test->refused_after && refused_after != test->refused_after)
        fail_msg("%s: refused after %zu bytes", test->name, refused_after);
    free(story);
}

static void check_case(const struct wire_case *test)
{
    for (enum masks masks = 0; masks < MASKS_COUNT; masks++) {
        struct wire wire = wire_of(test, masks);
        bool is_long = wire.length > 2000;

        for (enum carry carry = 0; carry < CARRY_COUNT; carry++) {
            check_run(test, &wire, CUT_NOWHERE, carry, 1);
            for (uint32_t random = 1; random <= (is_long ? 1 : 5); random++) {
                check_run(test, &wire, CUT_SHORT, carry, random);
                check_run(test, &wire, CUT_LONG, carry, random);
            }
            if (!is_long || (masks == MASK_RANDOM && carry == CARRY_PACK))
                check_run(test, &wire, CUT_EVERYWHERE, carry, 1);
        }
        free(wire.bytes);
    }
}

/* ---- tests ---- */

static void test_conformance_table(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        check_case(&CASES[i]);
}

static void test_every_reserved_bit(void **unused)
{
    (void)unused;
    for (uint8_t bits = 0x10; bits <= 0x70; bits += 0x10) {
        for (uint8_t opcode = 0; opcode <= 0x0f; opcode++) {
            const struct wire_case test = {"3 reserved bits", {FRAME(FIN | bits | opcode, "x")}, RESERVED, 1};

            check_case(&test);
        }
    }
}

static void test_every_reserved_opcode(void **unused)
{
    (void)unused;
    for (uint8_t opcode = 3; opcode <= 0x0f; opcode++) {
        const struct wire_case whole = {"4 opcode", {FRAME(FIN | opcode, "x")}, OPCODE, 1};
        const struct wire_case open = {"4 opcode, open", {FRAME(opcode, "x")}, OPCODE, 1};

        if (opcode >= CLOSE && opcode <= PONG)
            continue;
        check_case(&whole);
        check_case(&open);
    }
}

static char *story_of_text(const char *text)
{
    struct story story = {0};

    story.out = open_memstream(&story.text, &story.text_length);
    fputs("<text ", story.out);
    write_bytes(&story, (const uint8_t *)text, strlen(text));
    fputc('>', story.out);
    fclose(story.out);
    return story.text;
}

static void check_utf8_case(const struct utf8_case *test, const char *story, size_t cut)
{
    enum { HEADER = 6 };
    size_t length = strlen(test->text);
    size_t shown_at = test->broken_at >= 0 ? (size_t)test->broken_at : length - 1;
    const struct wire_case wire_case = {
        .name = test->name,
        .frames = {{.first_byte = TEXT, .payload = test->text, .length = cut},
                   {.first_byte = FIN | CONT, .payload = test->text + cut, .length = length - cut}},
        .story = test->broken_at == WHOLE        ? story
                 : test->broken_at == UNFINISHED ? CUT_TEXT
                                                 : BAD_TEXT,
        /* an unfinished text in the first frame is known only when an empty second one ends it */
        .refused_after = test->broken_at == WHOLE                 ? 0
                         : shown_at < cut && test->broken_at >= 0 ? HEADER + shown_at + 1
                                                                  : 2 * HEADER + shown_at + 1};

    check_case(&wire_case);
}

static void test_utf8_cut_everywhere(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(UTF8_CASES); i++) {
        char *story = story_of_text(UTF8_CASES[i].text);

        for (size_t cut = 0; cut <= strlen(UTF8_CASES[i].text); cut++)
            check_utf8_case(&UTF8_CASES[i], story, cut);
        free(story);
    }
}

static void test_every_close_code(void **unused)
{
    static const struct {
        uint16_t from, to;
    } allowed[] = {{1000, 1003}, {1007, 1014}, {3000, 4999}};

    (void)unused;
    for (uint32_t code = 0; code <= UINT16_MAX; code++) {
        uint8_t frame[] = {FIN | CLOSE, 0x82, 0, 0, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};
        struct ws_parser parser;
        struct ws_event event;
        bool is_allowed = false;

        for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
            is_allowed |= code >= allowed[i].from && code <= allowed[i].to;
        ws_parser_init(&parser);
        ws_parse(&parser, &LIMITS, frame, sizeof(frame), &event);
        assert_int_equal(event.kind, is_allowed ? WS_CLOSE : WS_ERROR);
        assert_int_equal(event.code, is_allowed ? code : 1002);
        assert_int_equal(ws_close_code_is_valid((uint16_t)code), is_allowed);
    }
}

/* A picture in many frames, each with its own key, arrives byte for byte. */
static void test_picture_in_many_frames(void **unused)
{
    enum { PICTURE = 65536, FRAME_BYTES = 1300 };
    const struct ws_limits limits = {.binary_bytes = PICTURE, .fragments_max = 51};
    char *picture = malloc(PICTURE);
    struct wire wire = {0};
    struct ws_parser parser;
    struct ws_event event;
    uint32_t random = 7;
    size_t used = 0, got = 0;

    (void)unused;
    for (size_t i = 0; i < PICTURE; i++)
        picture[i] = (char)next_random(&random);
    for (size_t at = 0; at < PICTURE; at += FRAME_BYTES) {
        struct wire_frame frame = {.first_byte = at == 0 ? BIN : CONT, .payload = picture + at, .length = FRAME_BYTES};

        if (at + FRAME_BYTES >= PICTURE) {
            frame.first_byte |= FIN;
            frame.length = PICTURE - at;
        }
        put_frame(&wire, &frame, MASK_RANDOM, &random);
    }
    ws_parser_init(&parser);
    do {
        used += ws_parse(&parser, &limits, wire.bytes + used, wire.length - used, &event);
        assert_int_equal(event.kind, WS_DATA);
        assert_memory_equal(event.payload.bytes, picture + got, event.payload.length);
        got += event.payload.length;
    } while (!event.last);
    assert_int_equal(got, PICTURE);
    assert_int_equal(used, wire.length);
    free(wire.bytes);
    free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conformance_table),     cmocka_unit_test(test_every_reserved_bit),
        cmocka_unit_test(test_every_reserved_opcode), cmocka_unit_test(test_utf8_cut_everywhere),
        cmocka_unit_test(test_every_close_code),      cmocka_unit_test(test_picture_in_many_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
