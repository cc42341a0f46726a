/* fuzz_ws_frame - any bytes, cut anywhere, must lead to the same events as in one piece.
 *
 * Input: one byte of options, one byte that seeds the cuts, then the stream. With OPTION_STATE the
 * stream begins with a packed parser to start from. Each run writes its events into a log that does
 * not depend on the cuts; the logs are compared byte by byte. */
#include <stdlib.h>

#include "utf8.h"
#include "ws_frame.h"

#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { OPTION_STATE = 1, OPTION_TIGHT = 2, OPTION_BYTES = 2, EVENT_BYTES = 5 };

static const struct ws_limits WIDE = {.text_bytes = 65536, .binary_bytes = 1 << 20, .fragments_max = 1000};
static const struct ws_limits TIGHT = {.text_bytes = 16, .binary_bytes = 40, .fragments_max = 3};

struct log {
    uint8_t *bytes;
    size_t length;
    size_t data_at;         /* start of the data entry that further pieces are joined to */
    bool is_joining;        /* the last entry is such an entry */
    bool is_foreign;        /* the message under way began in the state we were given */
    uint64_t message_bytes; /* of that message */
    uint32_t utf8;
};

static void put_entry(struct log *log, const uint8_t head[EVENT_BYTES], struct view payload)
{
    memcpy(log->bytes + log->length, head, EVENT_BYTES);
    log->length += EVENT_BYTES;
    if (payload.length > 0)
        memcpy(log->bytes + log->length, payload.bytes, payload.length);
    log->length += payload.length;
}

static void log_data(struct log *log, const struct ws_limits *limits, const struct ws_event *event)
{
    bool is_text = event->opcode == WS_OPCODE_TEXT;
    const uint8_t head[EVENT_BYTES] = {WS_DATA, (uint8_t)event->opcode, event->first};

    CHECK(is_text || event->opcode == WS_OPCODE_BINARY);
    CHECK(event->payload.length > 0 || event->last);
    if (event->first) {
        log->message_bytes = 0;
        log->utf8 = UTF8_START;
    }
    log->message_bytes += event->payload.length;
    if (!log->is_foreign) {
        CHECK(event->announced_bytes >= log->message_bytes);
        CHECK(event->announced_bytes <= (is_text ? limits->text_bytes : limits->binary_bytes));
        CHECK(!event->last || event->announced_bytes == log->message_bytes);
        CHECK(!is_text || utf8_feed(&log->utf8, event->payload.bytes, event->payload.length));
        CHECK(!is_text || !event->last || utf8_is_complete(log->utf8));
    }
    if (event->last)
        log->is_foreign = false;
    if (!log->is_joining) {
        log->data_at = log->length;
        put_entry(log, head, view_of(NULL, 0));
    }
    if (event->payload.length > 0)
        memcpy(log->bytes + log->length, event->payload.bytes, event->payload.length);
    log->length += event->payload.length;
    log->bytes[log->data_at + 3] = event->last;
    log->is_joining = !event->last;
}

static void log_event(struct log *log, const struct ws_limits *limits, const struct ws_event *event)
{
    const uint8_t head[EVENT_BYTES] = {event->kind, (uint8_t)(event->code >> 8), (uint8_t)event->code,
                                       (uint8_t)event->payload.length};

    switch (event->kind) {
    case WS_NEED_MORE:
        return;
    case WS_DATA:
        log_data(log, limits, event);
        return;
    case WS_PING:
    case WS_PONG:
        CHECK(event->payload.length <= WS_CONTROL_PAYLOAD_MAX);
        break;
    case WS_CLOSE:
        CHECK(ws_close_code_is_valid(event->code) || event->code == WS_CLOSE_ABSENT);
        break;
    case WS_ERROR:
        CHECK(event->code == 1002 || event->code == 1007 || event->code == 1009);
        CHECK(event->problem && event->payload.length == 0);
        if (log->is_joining) /* how much came before depends on the cuts */
            log->length = log->data_at;
        break;
    }
    log->is_joining = false;
    put_entry(log, head, event->payload);
}

static void repack(struct ws_parser *parser)
{
    uint8_t packed[WS_PARSER_PACKED_BYTES], again[WS_PARSER_PACKED_BYTES];

    ws_parser_pack(parser, packed);
    memset(parser, 0xa5, sizeof(*parser));
    CHECK(ws_parser_unpack(packed, parser) == 0);
    ws_parser_pack(parser, again);
    CHECK(memcmp(packed, again, sizeof(packed)) == 0);
}

/* One call, on a copy of exactly the bytes it may see. */
static size_t parse_copy(struct ws_parser *parser, const struct ws_limits *limits, struct view window, struct log *log,
                         bool *ret_has_more)
{
    bool was_finished = ws_parser_is_finished(parser);
    uint8_t *copy = malloc(window.length + 1); /* one more in front: payload at odd addresses */
    struct ws_event event;
    size_t used;

    memcpy(copy + 1, window.bytes, window.length);
    used = ws_parse(parser, limits, copy + 1, window.length, &event);
    CHECK(used <= window.length);
    CHECK(memcmp(copy + 1 + used, window.bytes + used, window.length - used) == 0);
    CHECK(!was_finished || (used == 0 && event.kind == WS_NEED_MORE));
    CHECK(ws_parser_is_finished(parser) || event.kind != WS_NEED_MORE || window.length - used <= WS_LEFTOVER_MAX);
    if (event.payload.length > 0)
        CHECK(event.payload.bytes > copy && event.payload.bytes + event.payload.length <= copy + 1 + used);
    log_event(log, limits, &event);
    free(copy);
    *ret_has_more = event.kind != WS_NEED_MORE;
    return used;
}

/* Parse it all, in pieces of at most `longest` bytes (0: in one), and pack the parser after every
 * call if asked to. */
static struct log run(struct ws_parser parser, const struct ws_limits *limits, struct view stream, size_t longest,
                      uint32_t random, bool is_packing)
{
    /* every entry stands for a byte of the stream at least, but for the last */
    struct log log = {.bytes = malloc((EVENT_BYTES + 1) * (stream.length + 1)),
                      .is_foreign = ws_parser_in_message(&parser)};
    size_t used = 0, have = 0;
    bool has_more;

    while (have < stream.length && !ws_parser_is_finished(&parser)) {
        size_t left = stream.length - have;
        size_t piece = left;

        if (longest > 0)
            piece = 1 + (random >> 16) % longest;
        random = random * 1664525 + 1013904223;
        have += piece < left ? piece : left;
        do {
            used += parse_copy(&parser, limits, view_of(stream.bytes + used, have - used), &log, &has_more);
            if (is_packing)
                repack(&parser);
        } while (has_more);
    }
    CHECK(ws_parser_is_finished(&parser) || stream.length - used <= WS_LEFTOVER_MAX);
    return log;
}

static void compare(struct log *whole, struct log other)
{
    CHECK(whole->length == other.length);
    CHECK(memcmp(whole->bytes, other.bytes, other.length) == 0);
    free(other.bytes);
}

/* Start where the input says; what unpack takes, pack must give back. */
static void take_state(struct view *stream, struct ws_parser *parser)
{
    uint8_t packed[WS_PARSER_PACKED_BYTES];

    if (stream->length < sizeof(packed) || ws_parser_unpack(stream->bytes, parser) < 0)
        return;
    ws_parser_pack(parser, packed);
    CHECK(memcmp(packed, stream->bytes, sizeof(packed)) == 0);
    *stream = view_of(stream->bytes + sizeof(packed), stream->length - sizeof(packed));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    const struct ws_limits *limits;
    struct ws_parser parser;
    struct view stream;
    struct log whole;

    if (size < OPTION_BYTES || size > 8192)
        return 0;
    limits = input[0] & OPTION_TIGHT ? &TIGHT : &WIDE;
    stream = view_of(input + OPTION_BYTES, size - OPTION_BYTES);
    ws_parser_init(&parser);
    if (input[0] & OPTION_STATE)
        take_state(&stream, &parser);
    whole = run(parser, limits, stream, 0, 0, false);
    compare(&whole, run(parser, limits, stream, 1, 0, false));
    compare(&whole, run(parser, limits, stream, 7, input[1], true));
    compare(&whole, run(parser, limits, stream, 300, input[1], false));
    compare(&whole, run(parser, limits, stream, 0, 0, true));
    free(whole.bytes);
    return 0;
}
