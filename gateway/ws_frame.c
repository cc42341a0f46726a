/* ws_frame - RFC 6455 framing for a server.
 *
 * Why our own: a connection must be able to move to another process in the middle of a message, so
 * its state has to be a few plain numbers; pictures of megabytes are unmasked in place and passed on
 * as they come, so that no message needs memory of its own; and thousands of idle connections must
 * cost nearly nothing. There is no I/O here, no memory is taken, and no clock is read.
 *
 * A frame is read in two steps. Its header is looked at as often as needed and consumed only when it
 * is whole; control frames are treated as one long header. Only a data frame's payload is consumed
 * in pieces. So the state knows two places in the stream and no more: before a header, and inside
 * the payload of a data frame.
 *
 * Invariants
 *   W1  frame_left > 0 exactly inside a data frame's payload; key and fin are zero elsewhere
 *   W2  opcode is 0 between messages, and then announced, fragments and utf8 are zero too
 *   W3  announced - frame_left is what was reported of the message; a piece is the message's first
 *       exactly when that is 0, because an empty piece is reported only at the end of a message
 *   W4  a byte is changed only in the call that consumes it, so leftovers can be offered again
 *   W5  a finished parser is all zero but for `finished`
 *   W6  rules are checked in the order of the bytes they speak of; with W4 the outcome does not
 *       depend on how the stream was cut
 *
 * W1, W2, W3 and W5 make equal positions equal structs, and ws_parser_unpack() checks them.
 */
#include "ws_frame.h"

#include <assert.h>
#include <errno.h>

#include "utf8.h"

#define FIN_BIT        0x80
#define RSV_BITS       0x70
#define OPCODE_BITS    0x0f
#define CONTROL_BIT    0x08 /* of the opcode */
#define MASK_BIT       0x80
#define LENGTH_BITS    0x7f
#define LENGTH_IN_16   126
#define LENGTH_IN_64   127
#define OPENING_BYTES  2
#define KEY_BYTES      4
#define CODE_BYTES     2
#define PACKED_VERSION 1

/* A client's frame header, up to and with the length. The masking key follows. */
struct head {
    uint8_t opcode;
    bool fin;
    uint64_t length;
    size_t key_at;
};

/* ---- numbers on the wire, big-endian ---- */

static uint64_t read_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void write_number(uint8_t *dst, size_t size, uint64_t value)
{
    for (size_t i = size; i > 0; value >>= 8)
        dst[--i] = (uint8_t)value;
}

/* ---- the mask ---- */

/* Unmask n bytes and turn the key, so that key[0] belongs to the byte after them. */
static void unmask(uint8_t key[KEY_BYTES], uint8_t *bytes, size_t n)
{
    uint8_t turned[KEY_BYTES];
    uint64_t wide, word;
    size_t i = 0;

    for (size_t at = 0; at < sizeof(wide); at += KEY_BYTES)
        memcpy((uint8_t *)&wide + at, key, KEY_BYTES);
    if (wide == 0) /* cameras mask with zero: nothing to do for whole pictures */
        return;
    for (; n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        word ^= wide;
        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < n; i++)
        bytes[i] ^= key[i % KEY_BYTES];
    for (size_t k = 0; k < KEY_BYTES; k++)
        turned[k] = key[(n + k) % KEY_BYTES];
    memcpy(key, turned, KEY_BYTES);
}

/* ---- how the stream ends ---- */

static void finish(struct ws_parser *parser)
{
    *parser = (struct ws_parser){.finished = true};
}

static void fail(struct ws_parser *parser, uint16_t code, const char *problem, struct ws_event *ret_event)
{
    finish(parser);
    *ret_event = (struct ws_event){.kind = WS_ERROR, .code = code, .problem = problem};
}

/* ---- headers ---- */

static bool is_control(uint8_t opcode)
{
    return opcode & CONTROL_BIT;
}

static bool is_known(uint8_t opcode)
{
    return opcode <= WS_OPCODE_BINARY || (opcode >= WS_OPCODE_CLOSE && opcode <= WS_OPCODE_PONG);
}

/* What the first byte breaks, given where the stream stands; NULL if nothing. All of it is 1002. */
static const char *opcode_problem(const struct ws_parser *parser, uint8_t byte)
{
    uint8_t opcode = byte & OPCODE_BITS;

    if (byte & RSV_BITS)
        return "reserved bit is set, and no extension was agreed on";
    if (!is_known(opcode))
        return "reserved opcode";
    if (is_control(opcode))
        return byte & FIN_BIT ? NULL : "control frame is fragmented";
    if (opcode == WS_OPCODE_CONTINUATION && parser->opcode == 0)
        return "continuation frame without a message to continue";
    if (opcode != WS_OPCODE_CONTINUATION && parser->opcode != 0)
        return "new message inside a fragmented message";
    return NULL;
}

/* What the second byte breaks; NULL if nothing. All of it is 1002. */
static const char *mask_problem(uint8_t opcode, uint8_t byte)
{
    if (!(byte & MASK_BIT))
        return "client frame is not masked";
    if (is_control(opcode) && (byte & LENGTH_BITS) > WS_CONTROL_PAYLOAD_MAX)
        return "control frame is longer than 125 bytes";
    return NULL;
}

/* Read a header whose first two bytes broke no rule; false if its length is not all there. */
static bool read_head(const uint8_t *bytes, size_t n, struct head *ret_head)
{
    uint8_t form = bytes[1] & LENGTH_BITS;
    size_t size = form == LENGTH_IN_16 ? sizeof(uint16_t) : form == LENGTH_IN_64 ? sizeof(uint64_t) : 0;

    if (n < OPENING_BYTES + size)
        return false;
    *ret_head = (struct head){.opcode = bytes[0] & OPCODE_BITS,
                              .fin = bytes[0] & FIN_BIT,
                              .length = size > 0 ? read_number(bytes + OPENING_BYTES, size) : form,
                              .key_at = OPENING_BYTES + size};
    return true;
}

/* What is wrong with the way the length is written; NULL if nothing. All of it is 1002. */
static const char *length_problem(const struct head *head)
{
    if (head->length >> 63)
        return "payload length has its highest bit set";
    if (head->key_at == OPENING_BYTES + sizeof(uint16_t) && head->length < LENGTH_IN_16)
        return "payload length is not written in the shortest form";
    if (head->key_at == OPENING_BYTES + sizeof(uint64_t) && head->length <= UINT16_MAX)
        return "payload length is not written in the shortest form";
    return NULL;
}

/* What the frame would make of its message that is more than allowed; NULL if nothing. 1009. */
static const char *size_problem(const struct ws_parser *parser, const struct ws_limits *limits, const struct head *head)
{
    bool is_text = (parser->opcode ? parser->opcode : head->opcode) == WS_OPCODE_TEXT;
    uint64_t limit = is_text ? limits->text_bytes : limits->binary_bytes;

    if (parser->fragments >= limits->fragments_max)
        return "message has too many fragments";
    /* The limit may have been lowered since the last frame: no difference before the comparison. */
    if (parser->announced > limit || head->length > limit - parser->announced)
        return is_text ? "text message is too long" : "binary message is too long";
    return NULL;
}

/* ---- control frames ---- */

static void report_close(struct ws_parser *parser, struct view payload, struct ws_event *ret_event)
{
    struct view reason = payload;
    uint32_t utf8 = UTF8_START;
    uint16_t code = WS_CLOSE_ABSENT;

    if (payload.length == 1) {
        fail(parser, WS_CLOSE_PROTOCOL_ERROR, "close frame has half a code", ret_event);
        return;
    }
    if (payload.length >= CODE_BYTES) {
        code = (uint16_t)read_number(payload.bytes, sizeof(uint16_t));
        reason = view_of(payload.bytes + CODE_BYTES, payload.length - CODE_BYTES);
        if (!ws_close_code_is_valid(code)) {
            fail(parser, WS_CLOSE_PROTOCOL_ERROR, "close code is not allowed", ret_event);
            return;
        }
    }
    if (!utf8_feed(&utf8, reason.bytes, reason.length) || !utf8_is_complete(utf8)) {
        fail(parser, WS_CLOSE_NOT_UTF8, "close reason is not UTF-8", ret_event);
        return;
    }
    finish(parser);
    *ret_event = (struct ws_event){.kind = WS_CLOSE, .code = code, .payload = reason};
}

/* Report the control frame that starts at bytes, and return its size; 0 while it is not whole. */
static size_t take_control(struct ws_parser *parser, const struct head *head, uint8_t *bytes, size_t n,
                           struct ws_event *ret_event)
{
    size_t header_bytes = head->key_at + KEY_BYTES;
    size_t frame_bytes = header_bytes + head->length;
    uint8_t key[KEY_BYTES];
    struct view payload;

    if (n < frame_bytes)
        return 0;
    memcpy(key, bytes + head->key_at, KEY_BYTES);
    unmask(key, bytes + header_bytes, head->length);
    payload = view_of(bytes + header_bytes, head->length);
    if (head->opcode == WS_OPCODE_CLOSE) {
        report_close(parser, payload, ret_event);
        return frame_bytes;
    }
    ret_event->kind = head->opcode == WS_OPCODE_PING ? WS_PING : WS_PONG;
    ret_event->payload = payload;
    return frame_bytes;
}

/* ---- data frames ---- */

/* Report the next n bytes of the current frame, and move the parser behind them. */
static void report_data(struct ws_parser *parser, uint8_t *bytes, size_t n, struct ws_event *ret_event)
{
    bool first = parser->announced == parser->frame_left; /* W3 */
    bool last = parser->fin && parser->frame_left == n;
    bool is_text = parser->opcode == WS_OPCODE_TEXT;

    unmask(parser->key, bytes, n);
    if (is_text && !utf8_feed(&parser->utf8, bytes, n)) {
        fail(parser, WS_CLOSE_NOT_UTF8, "text is not UTF-8", ret_event);
        return;
    }
    if (is_text && last && !utf8_is_complete(parser->utf8)) {
        fail(parser, WS_CLOSE_NOT_UTF8, "text ends inside a UTF-8 character", ret_event);
        return;
    }
    ret_event->kind = WS_DATA;
    ret_event->opcode = is_text ? WS_OPCODE_TEXT : WS_OPCODE_BINARY;
    ret_event->payload = view_of(bytes, n);
    ret_event->first = first;
    ret_event->last = last;
    ret_event->announced_bytes = parser->announced;
    parser->frame_left -= n;
    if (last)
        ws_parser_init(parser);
    else if (parser->frame_left == 0)
        memset(parser->key, 0, KEY_BYTES); /* W1; fin is false here */
}

static size_t take_payload(struct ws_parser *parser, uint8_t *bytes, size_t n, struct ws_event *ret_event)
{
    size_t piece = parser->frame_left < n ? parser->frame_left : n;

    report_data(parser, bytes, piece, ret_event);
    return piece;
}

/* Consume a data frame's header, which is allowed; 0 while it is not whole. An empty frame ends
 * here: it is reported if it completes its message, and has nothing to say otherwise. */
static size_t take_data_header(struct ws_parser *parser, const struct head *head, uint8_t *bytes, size_t n,
                               struct ws_event *ret_event)
{
    size_t header_bytes = head->key_at + KEY_BYTES;

    if (n < header_bytes)
        return 0;
    if (head->opcode != WS_OPCODE_CONTINUATION)
        parser->opcode = head->opcode;
    parser->fragments++;
    parser->announced += head->length;
    if (head->length > 0) {
        parser->frame_left = head->length;
        parser->fin = head->fin;
        memcpy(parser->key, bytes + head->key_at, KEY_BYTES);
    } else if (head->fin) {
        parser->fin = true;
        report_data(parser, bytes + header_bytes, 0, ret_event);
    }
    return header_bytes;
}

/* ---- the stream ---- */

/* Take a header, or a whole control frame, from the front; 0 while it is not whole. */
static size_t take_frame(struct ws_parser *parser, const struct ws_limits *limits, uint8_t *bytes, size_t n,
                         struct ws_event *ret_event)
{
    const char *problem;
    struct head head;
    uint16_t code = WS_CLOSE_PROTOCOL_ERROR;

    problem = opcode_problem(parser, bytes[0]);
    if (problem)
        goto bad;
    if (n < OPENING_BYTES)
        return 0;
    problem = mask_problem(bytes[0] & OPCODE_BITS, bytes[1]);
    if (problem)
        goto bad;
    if (!read_head(bytes, n, &head))
        return 0;
    if (is_control(head.opcode))
        return take_control(parser, &head, bytes, n, ret_event);
    problem = length_problem(&head);
    if (problem)
        goto bad;
    code = WS_CLOSE_TOO_BIG;
    problem = size_problem(parser, limits, &head);
    if (problem)
        goto bad;
    return take_data_header(parser, &head, bytes, n, ret_event);
bad:
    fail(parser, code, problem, ret_event);
    return 0;
}

void ws_parser_init(struct ws_parser *ret_parser)
{
    *ret_parser = (struct ws_parser){0};
}

size_t ws_parse(struct ws_parser *parser, const struct ws_limits *limits, uint8_t *bytes, size_t n,
                struct ws_event *ret_event)
{
    size_t used = 0;

    *ret_event = (struct ws_event){.kind = WS_NEED_MORE};
    while (ret_event->kind == WS_NEED_MORE && used < n && !parser->finished) {
        size_t step = parser->frame_left > 0 ? take_payload(parser, bytes + used, n - used, ret_event)
                                             : take_frame(parser, limits, bytes + used, n - used, ret_event);

        if (step == 0)
            break;
        used += step;
    }
    return used;
}

bool ws_parser_in_message(const struct ws_parser *parser)
{
    return parser->opcode != 0;
}

bool ws_parser_is_finished(const struct ws_parser *parser)
{
    return parser->finished;
}

bool ws_close_code_is_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* ---- writing the state down ---- */

/* The packed form; numbers are big-endian. */
enum packed_at {
    AT_VERSION = 0,
    AT_FINISHED = 1,
    AT_FIN = 2,
    AT_OPCODE = 3,
    AT_UTF8 = 4,
    AT_KEY = 5,
    AT_FRAGMENTS = AT_KEY + KEY_BYTES,
    AT_FRAME_LEFT = AT_FRAGMENTS + sizeof(uint32_t),
    AT_ANNOUNCED = AT_FRAME_LEFT + sizeof(uint64_t),
    AT_END = AT_ANNOUNCED + sizeof(uint64_t),
};
static_assert(AT_END == WS_PARSER_PACKED_BYTES, "the header promises the size");

void ws_parser_pack(const struct ws_parser *parser, uint8_t ret_packed[WS_PARSER_PACKED_BYTES])
{
    ret_packed[AT_VERSION] = PACKED_VERSION;
    ret_packed[AT_FINISHED] = parser->finished;
    ret_packed[AT_FIN] = parser->fin;
    ret_packed[AT_OPCODE] = parser->opcode;
    ret_packed[AT_UTF8] = (uint8_t)parser->utf8;
    memcpy(ret_packed + AT_KEY, parser->key, KEY_BYTES);
    write_number(ret_packed + AT_FRAGMENTS, sizeof(uint32_t), parser->fragments);
    write_number(ret_packed + AT_FRAME_LEFT, sizeof(uint64_t), parser->frame_left);
    write_number(ret_packed + AT_ANNOUNCED, sizeof(uint64_t), parser->announced);
}

static bool is_rest(const struct ws_parser *parser)
{
    static const uint8_t no_key[KEY_BYTES];

    return parser->frame_left == 0 && !parser->fin && memcmp(parser->key, no_key, KEY_BYTES) == 0;
}

/* W1, W2, W3 and W5, and what follows from them. */
static bool is_possible(const struct ws_parser *parser)
{
    bool nothing_begun =
        is_rest(parser) && parser->fragments == 0 && parser->announced == 0 && parser->utf8 == UTF8_START;

    if (parser->finished || parser->opcode == 0)
        return parser->opcode == 0 && nothing_begun;
    if (parser->opcode != WS_OPCODE_TEXT && parser->opcode != WS_OPCODE_BINARY)
        return false;
    if (parser->fragments == 0 || parser->frame_left > parser->announced || parser->frame_left > INT64_MAX ||
        (parser->frame_left == 0 && !is_rest(parser)))
        return false;
    if (parser->utf8 == UTF8_START)
        return true;
    return parser->opcode == WS_OPCODE_TEXT && utf8_state_is_valid(parser->utf8) &&
           parser->announced > parser->frame_left;
}

int ws_parser_unpack(const uint8_t packed[WS_PARSER_PACKED_BYTES], struct ws_parser *ret_parser)
{
    struct ws_parser parser;

    if (packed[AT_VERSION] != PACKED_VERSION || packed[AT_FINISHED] > 1 || packed[AT_FIN] > 1)
        return -EINVAL;
    ws_parser_init(&parser);
    parser.finished = packed[AT_FINISHED];
    parser.fin = packed[AT_FIN];
    parser.opcode = packed[AT_OPCODE];
    parser.utf8 = packed[AT_UTF8];
    parser.fragments = (uint32_t)read_number(packed + AT_FRAGMENTS, sizeof(uint32_t));
    parser.frame_left = read_number(packed + AT_FRAME_LEFT, sizeof(uint64_t));
    parser.announced = read_number(packed + AT_ANNOUNCED, sizeof(uint64_t));
    memcpy(parser.key, packed + AT_KEY, KEY_BYTES);
    if (!is_possible(&parser))
        return -EINVAL;
    *ret_parser = parser;
    return 0;
}

/* ---- outbound ---- */

size_t ws_write_header(uint8_t *dst, enum ws_opcode opcode, uint64_t payload_length)
{
    assert(opcode != WS_OPCODE_CONTINUATION && payload_length <= INT64_MAX);
    assert(!is_control(opcode) || payload_length <= WS_CONTROL_PAYLOAD_MAX);
    dst[0] = FIN_BIT | (uint8_t)opcode;
    if (payload_length < LENGTH_IN_16) {
        dst[1] = (uint8_t)payload_length;
        return OPENING_BYTES;
    }
    if (payload_length <= UINT16_MAX) {
        dst[1] = LENGTH_IN_16;
        write_number(dst + OPENING_BYTES, sizeof(uint16_t), payload_length);
        return OPENING_BYTES + sizeof(uint16_t);
    }
    dst[1] = LENGTH_IN_64;
    write_number(dst + OPENING_BYTES, sizeof(uint64_t), payload_length);
    return OPENING_BYTES + sizeof(uint64_t);
}

/* Length of the reason that fits a close frame and ends with a whole character. */
static size_t fitting_bytes(const char *reason)
{
    const size_t room = WS_CONTROL_PAYLOAD_MAX - CODE_BYTES;
    size_t length = strnlen(reason, room + 1);

    if (length <= room)
        return length;
    for (length = room; length > 0 && ((uint8_t)reason[length] & 0xc0) == 0x80;)
        length--; /* reason[length] continues a character, so the cut goes before its first byte */
    return length;
}

size_t ws_write_close(uint8_t *dst, uint16_t code, const char *reason)
{
    size_t reason_bytes = reason ? fitting_bytes(reason) : 0;
    size_t header_bytes;

    if (code == WS_CLOSE_ABSENT)
        return ws_write_header(dst, WS_OPCODE_CLOSE, 0);
    assert(ws_close_code_is_valid(code));
    header_bytes = ws_write_header(dst, WS_OPCODE_CLOSE, CODE_BYTES + reason_bytes);
    write_number(dst + header_bytes, sizeof(uint16_t), code);
    if (reason_bytes > 0)
        memcpy(dst + header_bytes + CODE_BYTES, reason, reason_bytes);
    return header_bytes + CODE_BYTES + reason_bytes;
}
