/* ws_frame - RFC 6455 framing for a server: client bytes in, events out, and our own headers. */
#ifndef TAGHUB_WS_FRAME_H
#define TAGHUB_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view.h"

enum ws_opcode {
    WS_OPCODE_CONTINUATION = 0,
    WS_OPCODE_TEXT = 1,
    WS_OPCODE_BINARY = 2,
    WS_OPCODE_CLOSE = 8,
    WS_OPCODE_PING = 9,
    WS_OPCODE_PONG = 10,
};

/** Close codes this module speaks of. The others are the session's business. */
enum ws_close_code {
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_ABSENT = 1005, /* stands for "no code"; never on the wire */
    WS_CLOSE_NOT_UTF8 = 1007,
    WS_CLOSE_TOO_BIG = 1009,
};

#define WS_HEADER_MAX          10  /* bytes of the longest header we write */
#define WS_CONTROL_PAYLOAD_MAX 125 /* bytes a control frame may carry, RFC 6455 section 5.5 */
#define WS_CLOSE_FRAME_MAX     (2 + WS_CONTROL_PAYLOAD_MAX)
#define WS_LEFTOVER_MAX        130 /* bytes ws_parse() leaves unconsumed at most: a ping less one */
#define WS_PARSER_PACKED_BYTES 29

/** What one message may cost. Judged when a frame's header has come, before its payload. */
struct ws_limits {
    uint64_t text_bytes;    /* payload of one text message, over all its frames */
    uint64_t binary_bytes;  /* the same for a binary message */
    uint32_t fragments_max; /* data frames one message may be made of, 1 or more */
};

/**
 * Where one connection's inbound stream stands. No pointers, no hidden state: a copy made with
 * memcpy, or through ws_parser_pack(), goes on exactly as the original would, given the same bytes.
 * The fields belong to ws_frame.c; they are public only so that a session can embed the struct.
 */
struct ws_parser {
    uint64_t frame_left; /* payload bytes of the current data frame that have not come yet */
    uint64_t announced;  /* payload bytes of the message's frames whose headers have come */
    uint32_t fragments;  /* data frames of the message so far, the current one included */
    uint32_t utf8;       /* utf8_feed() state of a text message */
    uint8_t key[4];      /* masking key, turned so that key[0] belongs to the next byte */
    uint8_t opcode;      /* of the message that was begun; 0 between messages */
    bool fin;            /* the current data frame is the last of its message */
    bool finished;       /* a close frame or a violation ended the stream */
};

enum ws_event_kind {
    WS_NEED_MORE, /* nothing to report until more bytes come */
    WS_DATA,      /* the next piece of a text or binary message */
    WS_PING,      /* to be answered by a pong with the same payload */
    WS_PONG,
    WS_CLOSE, /* the client says goodbye; the stream ends here */
    WS_ERROR, /* the client broke a rule; the stream ends here */
};

/** What one call of ws_parse() found. Fields that do not belong to the kind are zero. */
struct ws_event {
    enum ws_event_kind kind;
    /* WS_DATA: bytes of this piece, unmasked. WS_PING, WS_PONG: the whole payload. WS_CLOSE: the
     * reason, checked to be UTF-8. Points into the buffer given to ws_parse(). */
    struct view payload;
    enum ws_opcode opcode;    /* WS_DATA: WS_OPCODE_TEXT or WS_OPCODE_BINARY, also in later frames */
    bool first;               /* WS_DATA: this piece begins its message */
    bool last;                /* WS_DATA: this piece completes its message */
    uint64_t announced_bytes; /* WS_DATA: length of the message as far as headers have told; exact
                                 when last is set, and from the start if it is not fragmented */
    uint16_t code;            /* WS_CLOSE: the client's code, WS_CLOSE_ABSENT if it sent none.
                                 WS_ERROR: the code to close with: 1002, 1007 or 1009 */
    const char *problem;      /* WS_ERROR: what was wrong, a static text that fits a close reason */
};

/** Make a parser ready for the first byte after the handshake. Nothing has to be undone later. */
void ws_parser_init(struct ws_parser *ret_parser);

/**
 * Read on until there is one thing to report. Call again with the rest while it reports something:
 *
 *     do {
 *         used += ws_parse(&parser, &limits, bytes + used, n - used, &event);
 *         ... act on event ...
 *     } while (event.kind != WS_NEED_MORE);
 *
 * Message payload is reported as it comes, so that no message has to be in memory: cut by the end
 * of the buffer and by frame ends, never held back. A message in one frame that is whole in the
 * buffer comes as one event with `first` and `last`. Every piece has at least one byte, except that
 * a message which ends in an empty frame ends with an empty piece. A text message may be cut inside
 * a character. What was reported of a message that WS_ERROR cuts short is to be thrown away.
 *
 * Headers and control frames are consumed only when they are whole. Bytes that were not consumed
 * (WS_LEFTOVER_MAX at most when WS_NEED_MORE was reported) are unchanged; keep them and put the next
 * bytes behind them. After WS_CLOSE and WS_ERROR nothing is consumed any more and every call reports
 * WS_NEED_MORE; what the buffer still holds is to be thrown away.
 *
 * parser     from ws_parser_init() or ws_parser_unpack()
 * limits     borrowed for the call; may differ from call to call, and holds for headers yet to come
 * bytes      n bytes, changed in place: the payload of what was reported is unmasked. May be NULL
 *            when n is 0
 * ret_event  always written; its payload is valid as long as `bytes` is
 * returns    bytes consumed, 0..n; may be above 0 also with WS_NEED_MORE
 * errors     none; what the client does wrong is reported as WS_ERROR
 */
size_t ws_parse(struct ws_parser *parser, const struct ws_limits *limits, uint8_t *bytes, size_t n,
                struct ws_event *ret_event);

/**
 * True while a message was begun and is not complete, also between its frames: the time to watch a
 * deadline. A header or control frame that came only in part is not known here; it shows as bytes
 * that the caller still keeps because ws_parse() did not consume them.
 */
bool ws_parser_in_message(const struct ws_parser *parser);

/** True after WS_CLOSE or WS_ERROR was reported: this stream has nothing more to say. */
bool ws_parser_is_finished(const struct ws_parser *parser);

/** Write the parser down. The bytes mean the same on every machine; equal states, equal bytes. */
void ws_parser_pack(const struct ws_parser *parser, uint8_t ret_packed[WS_PARSER_PACKED_BYTES]);

/**
 * Read back what ws_parser_pack() wrote.
 *
 * packed      WS_PARSER_PACKED_BYTES bytes from anywhere; they are checked
 * ret_parser  written only on success
 * returns     0
 * errors      -EINVAL: no parser can be in that state, or another version wrote it
 */
int ws_parser_unpack(const uint8_t packed[WS_PARSER_PACKED_BYTES], struct ws_parser *ret_parser);

/** True for codes that may stand in a close frame: 1000-1003, 1007-1014, 3000-4999. */
bool ws_close_code_is_valid(uint16_t code);

/**
 * Write the header of a frame from server to client: whole message (FIN), not masked.
 *
 * dst             room for WS_HEADER_MAX bytes
 * opcode          not WS_OPCODE_CONTINUATION
 * payload_length  bytes that will follow, 0..2^63-1; at most WS_CONTROL_PAYLOAD_MAX for control frames
 * returns         length of the header: 2, 4 or 10 bytes
 */
size_t ws_write_header(uint8_t *dst, enum ws_opcode opcode, uint64_t payload_length);

/**
 * Write a whole close frame.
 *
 * dst      room for WS_CLOSE_FRAME_MAX bytes
 * code     valid as by ws_close_code_is_valid(), or WS_CLOSE_ABSENT for a frame without code and
 *          reason: the answer to a client that gave none
 * reason   UTF-8, borrowed; cut after the last whole character within 123 bytes. NULL is ""
 * returns  length of the frame, 2..WS_CLOSE_FRAME_MAX bytes
 */
size_t ws_write_close(uint8_t *dst, uint16_t code, const char *reason);

#endif
