/* ws_frame_cases - what a server must make of client frames: the conformance table.
 *
 * It follows the families of the Autobahn test list (1 framing, 2 pings, 3 reserved bits, 4 opcodes,
 * 5 fragmentation, 6 UTF-8, 7 close, 9 limits, 10 the rest); families that are every value of
 * something are loops in test_ws_frame.c.
 *
 * The outcome is told as text: <text 'Hello'> is a whole message, < and > stand where a message
 * begins and ends, pieces that follow each other are joined. Bytes that are not printable show as
 * \xNN, long runs of one byte as 65536 x '*'. */
#ifndef TAGHUB_TEST_WS_FRAME_CASES_H
#define TAGHUB_TEST_WS_FRAME_CASES_H

#include "ws_frame.h"

enum { CONT = 0, TEXT = 1, BIN = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, FRAMES_MAX = 12 };

struct wire_frame {
    uint8_t first_byte;
    const char *payload; /* NULL: filled with stars */
    size_t length;
    uint64_t claim; /* announce this length and send no payload */
    size_t form;    /* bytes to write the length in, 2 or 8; 0: as the RFC says */
    bool is_unmasked;
};

#define FRAME(first, text)                                                                                             \
    {                                                                                                                  \
        .first_byte = (first), .payload = (text), .length = sizeof(text) - 1                                           \
    }
#define STARS(first, n)                                                                                                \
    {                                                                                                                  \
        .first_byte = (first), .length = (n)                                                                           \
    }
#define CLAIM(first, n)                                                                                                \
    {                                                                                                                  \
        .first_byte = (first), .claim = (n)                                                                            \
    }
#define WIDE(first, n, in_bytes)                                                                                       \
    {                                                                                                                  \
        .first_byte = (first), .length = (n), .form = (in_bytes)                                                       \
    }
#define BARE(first, text)                                                                                              \
    {                                                                                                                  \
        .first_byte = (first), .payload = (text), .length = sizeof(text) - 1, .is_unmasked = true                      \
    }

struct wire_case {
    const char *name;
    struct wire_frame frames[FRAMES_MAX];
    const char *story;
    size_t refused_after; /* bytes of the stream that suffice for the refusal; 0: not looked at */
};

static const struct ws_limits LIMITS = {.text_bytes = 100000, .binary_bytes = 200000, .fragments_max = 11};

#define STARS_10  "**********"
#define STARS_41  STARS_10 STARS_10 STARS_10 STARS_10 "*"
#define STARS_123 STARS_41 STARS_41 STARS_41

#define UNMASKED  "error 1002 client frame is not masked"
#define RESERVED  "error 1002 reserved bit is set, and no extension was agreed on"
#define OPCODE    "error 1002 reserved opcode"
#define STRAY     "error 1002 continuation frame without a message to continue"
#define NESTED    "error 1002 new message inside a fragmented message"
#define SPLIT     "error 1002 control frame is fragmented"
#define BIG_PING  "error 1002 control frame is longer than 125 bytes"
#define LONG_FORM "error 1002 payload length is not written in the shortest form"
#define HIGH_BIT  "error 1002 payload length has its highest bit set"
#define BAD_TEXT  "error 1007 text is not UTF-8"
#define CUT_TEXT  "error 1007 text ends inside a UTF-8 character"

static const struct wire_case CASES[] = {
    {"1.1 empty text", {FRAME(FIN | TEXT, "")}, "<text ''>", 0},
    {"1.1 text of 125", {STARS(FIN | TEXT, 125)}, "<text 125 x '*'>", 0},
    {"1.1 text of 126", {STARS(FIN | TEXT, 126)}, "<text 126 x '*'>", 0},
    {"1.1 text of 127", {STARS(FIN | TEXT, 127)}, "<text 127 x '*'>", 0},
    {"1.1 text of 128", {STARS(FIN | TEXT, 128)}, "<text 128 x '*'>", 0},
    {"1.1 text of 65535", {STARS(FIN | TEXT, 65535)}, "<text 65535 x '*'>", 0},
    {"1.1 text of 65536", {STARS(FIN | TEXT, 65536)}, "<text 65536 x '*'>", 0},
    {"1.2 empty binary", {FRAME(FIN | BIN, "")}, "<binary ''>", 0},
    {"1.2 binary of 125", {STARS(FIN | BIN, 125)}, "<binary 125 x '*'>", 0},
    {"1.2 binary of 126", {STARS(FIN | BIN, 126)}, "<binary 126 x '*'>", 0},
    {"1.2 binary of 127", {STARS(FIN | BIN, 127)}, "<binary 127 x '*'>", 0},
    {"1.2 binary of 128", {STARS(FIN | BIN, 128)}, "<binary 128 x '*'>", 0},
    {"1.2 binary of 65535", {STARS(FIN | BIN, 65535)}, "<binary 65535 x '*'>", 0},
    {"1.2 binary of 65536", {STARS(FIN | BIN, 65536)}, "<binary 65536 x '*'>", 0},
    {"1.2 any byte may be binary", {FRAME(FIN | BIN, "\0\xff\x80")}, "<binary '\\x00\\xff\\x80'>", 0},
    {"1.3 125 in 16 bits", {WIDE(FIN | TEXT, 125, 2)}, LONG_FORM, 4},
    {"1.3 0 in 16 bits", {WIDE(FIN | BIN, 0, 2)}, LONG_FORM, 4},
    {"1.3 65535 in 64 bits", {WIDE(FIN | BIN, 65535, 8)}, LONG_FORM, 10},
    {"1.3 1 in 64 bits", {WIDE(FIN | TEXT, 1, 8)}, LONG_FORM, 10},
    {"1.3 length of 2^63", {CLAIM(FIN | BIN, UINT64_C(1) << 63)}, HIGH_BIT, 10},
    {"1.3 length of 2^64-1", {CLAIM(FIN | TEXT, UINT64_MAX)}, HIGH_BIT, 10},
    {"1.4 unmasked text", {BARE(FIN | TEXT, "Hello")}, UNMASKED, 2},
    {"1.4 unmasked empty ping", {BARE(FIN | PING, "")}, UNMASKED, 2},
    {"1.4 unmasked after masked", {FRAME(FIN | TEXT, "a"), BARE(FIN | TEXT, "b")}, "<text 'a'> " UNMASKED, 9},

    {"2.1 ping without payload", {FRAME(FIN | PING, "")}, "ping ''", 0},
    {"2.2 ping with text", {FRAME(FIN | PING, "Hello")}, "ping 'Hello'", 0},
    {"2.3 ping with bytes", {FRAME(FIN | PING, "\0\xff\xfe\xfd")}, "ping '\\x00\\xff\\xfe\\xfd'", 0},
    {"2.4 ping of 125", {STARS(FIN | PING, 125)}, "ping 125 x '*'", 0},
    {"2.5 ping of 126", {STARS(FIN | PING, 126)}, BIG_PING, 2},
    {"2.5 ping of 65536", {STARS(FIN | PING, 65536)}, BIG_PING, 2},
    {"2.5 empty ping, length in 16 bits", {WIDE(FIN | PING, 0, 2)}, BIG_PING, 2},
    {"2.7 pong nobody asked for", {FRAME(FIN | PONG, "")}, "pong ''", 0},
    {"2.8 pong with payload", {FRAME(FIN | PONG, "unasked")}, "pong 'unasked'", 0},
    {"2.8 pong of 126", {STARS(FIN | PONG, 126)}, BIG_PING, 2},
    {"2.9 pong, then ping", {FRAME(FIN | PONG, "p"), FRAME(FIN | PING, "q")}, "pong 'p' ping 'q'", 0},
    {"2.10 many pings",
     {FRAME(FIN | PING, "0"), FRAME(FIN | PING, "1"), FRAME(FIN | PING, "2"), FRAME(FIN | PING, "3"),
      FRAME(FIN | PING, "4")},
     "ping '0' ping '1' ping '2' ping '3' ping '4'",
     0},

    {"3.1 first reserved bit, after a text",
     {FRAME(FIN | TEXT, "a"), FRAME(FIN | TEXT | 0x40, "b")},
     "<text 'a'> " RESERVED,
     8},
    {"3.4 reserved bit before a ping is answered", {FRAME(FIN | TEXT | 0x10, "a"), FRAME(FIN | PING, "")}, RESERVED, 1},
    {"3.6 reserved bits of a continuation", {FRAME(TEXT, "a"), FRAME(FIN | CONT | 0x60, "b")}, RESERVED, 8},

    {"4.1 reserved data opcode inside a message", {FRAME(TEXT, "a"), FRAME(FIN | 3, "")}, OPCODE, 8},
    {"4.2 reserved control opcode, after a text",
     {FRAME(FIN | TEXT, "a"), FRAME(FIN | 11, "")},
     "<text 'a'> " OPCODE,
     8},

    {"5.1 ping in two frames", {FRAME(PING, "pi"), FRAME(FIN | CONT, "ng")}, SPLIT, 1},
    {"5.2 pong in two frames", {FRAME(PONG, "po"), FRAME(FIN | CONT, "ng")}, SPLIT, 1},
    {"5.2 close in two frames", {FRAME(CLOSE, ""), FRAME(FIN | CONT, "")}, SPLIT, 1},
    {"5.3 text in two frames", {FRAME(TEXT, "frag"), FRAME(FIN | CONT, "ment")}, "<text 'fragment'>", 0},
    {"5.3 binary in three frames", {FRAME(BIN, "a"), FRAME(CONT, "b"), FRAME(FIN | CONT, "c")}, "<binary 'abc'>", 0},
    {"5.6 ping between two frames",
     {FRAME(TEXT, "frag"), FRAME(FIN | PING, "now"), FRAME(FIN | CONT, "ment")},
     "<text 'frag' ping 'now' text 'ment'>",
     0},
    {"5.6 pong between two frames",
     {FRAME(BIN, "frag"), FRAME(FIN | PONG, ""), FRAME(FIN | CONT, "ment")},
     "<binary 'frag' pong '' binary 'ment'>",
     0},
    {"5.9 continuation of nothing", {FRAME(FIN | CONT, "stray"), FRAME(FIN | TEXT, "a")}, STRAY, 1},
    {"5.12 open continuation of nothing", {FRAME(CONT, "stray")}, STRAY, 1},
    {"5.15 continuation after the end",
     {FRAME(TEXT, "a"), FRAME(FIN | CONT, "b"), FRAME(FIN | CONT, "c")},
     "<text 'ab'> " STRAY,
     15},
    {"5.15 continuation after a whole message", {FRAME(FIN | TEXT, "a"), FRAME(CONT, "b")}, "<text 'a'> " STRAY, 8},
    {"5.18 text inside a text", {FRAME(TEXT, "a"), FRAME(FIN | TEXT, "b")}, NESTED, 8},
    {"5.18 binary inside a text", {FRAME(TEXT, "a"), FRAME(BIN, "b")}, NESTED, 8},
    {"5.18 text after an empty first frame", {FRAME(BIN, ""), FRAME(FIN | TEXT, "b")}, NESTED, 7},
    {"5.19 pings among five frames",
     {FRAME(TEXT, "1"), FRAME(CONT, "2"), FRAME(FIN | PING, "x"), FRAME(CONT, "3"), FRAME(CONT, "4"),
      FRAME(FIN | PING, "y"), FRAME(FIN | CONT, "5")},
     "<text '12' ping 'x' text '34' ping 'y' text '5'>",
     0},
    {"5.20 message is left open", {FRAME(TEXT, "1"), FRAME(CONT, "2")}, "<text '12'", 0},

    {"6.1 three empty frames", {FRAME(TEXT, ""), FRAME(CONT, ""), FRAME(FIN | CONT, "")}, "<text ''>", 0},
    {"6.1 one full frame among empty ones",
     {FRAME(TEXT, ""), FRAME(CONT, "a"), FRAME(FIN | CONT, "")},
     "<text 'a'>",
     0},
    {"6.1 ping behind an empty first frame",
     {FRAME(BIN, ""), FRAME(FIN | PING, ""), FRAME(FIN | CONT, "a")},
     "ping '' <binary 'a'>",
     0},
    {"6.2 frame ends inside a character",
     {FRAME(TEXT, "\xe2\x82"), FRAME(FIN | CONT, "\xac")},
     "<text '\\xe2\\x82\\xac'>",
     0},
    {"6.2 ping inside a character",
     {FRAME(TEXT, "\xe2"), FRAME(FIN | PING, "\xff"), FRAME(FIN | CONT, "\x82\xac")},
     "<text '\\xe2' ping '\\xff' text '\\x82\\xac'>",
     0},
    {"6.2 empty frame inside a character",
     {FRAME(TEXT, "\xe2"), FRAME(CONT, ""), FRAME(FIN | CONT, "\x82\xac")},
     "<text '\\xe2\\x82\\xac'>",
     0},
    {"6.2 message ends inside a character", {FRAME(FIN | TEXT, "a\xe2\x82")}, CUT_TEXT, 9},
    {"6.2 ends inside a character, by an empty frame", {FRAME(TEXT, "a\xe2\x82"), FRAME(FIN | CONT, "")}, CUT_TEXT, 15},
    {"6.2 next message starts afresh",
     {FRAME(FIN | BIN, "\xe2"), FRAME(FIN | TEXT, "a")},
     "<binary '\\xe2'> <text 'a'>",
     0},
    {"6.3 wrong byte in the second frame", {FRAME(TEXT, "\xe2"), FRAME(FIN | CONT, "xx")}, BAD_TEXT, 14},
    {"6.4 wrong byte, more promised",
     {FRAME(TEXT, "\xce\xba\xf4"), FRAME(CONT, "\x90"), FRAME(FIN | CONT, "\x80\x80")},
     BAD_TEXT,
     16},

    {"7.1 close after a message",
     {FRAME(FIN | TEXT, "a"), FRAME(FIN | CLOSE, "\x03\xe8")},
     "<text 'a'> close 1000 ''",
     0},
    {"7.1 two closes", {FRAME(FIN | CLOSE, ""), FRAME(FIN | CLOSE, "")}, "close 1005 ''", 0},
    {"7.1 ping after close", {FRAME(FIN | CLOSE, "\x03\xe8"), FRAME(FIN | PING, "")}, "close 1000 ''", 0},
    {"7.1 text after close", {FRAME(FIN | CLOSE, "\x03\xe8"), FRAME(FIN | TEXT, "a")}, "close 1000 ''", 0},
    {"7.1 garbage after close", {FRAME(FIN | CLOSE, "\x03\xe8"), BARE(0x7f, "a")}, "close 1000 ''", 0},
    {"7.1 close inside a message",
     {FRAME(TEXT, "a"), FRAME(FIN | CLOSE, "\x03\xe8"), FRAME(FIN | CONT, "b")},
     "<text 'a' close 1000 ''",
     0},
    {"7.3 close without payload", {FRAME(FIN | CLOSE, "")}, "close 1005 ''", 0},
    {"7.3 close with half a code", {FRAME(FIN | CLOSE, "\x03")}, "error 1002 close frame has half a code", 7},
    {"7.3 close with a reason", {FRAME(FIN | CLOSE, "\x03\xe9going away")}, "close 1001 'going away'", 0},
    {"7.3 close with the longest reason", {FRAME(FIN | CLOSE, "\x0f\xa0" STARS_123)}, "close 4000 123 x '*'", 0},
    {"7.3 close of 126", {STARS(FIN | CLOSE, 126)}, BIG_PING, 2},
    {"7.5 reason is not UTF-8",
     {FRAME(FIN | CLOSE, "\x03\xe8\xce\xba\xed\xa0\x80")},
     "error 1007 close reason is not UTF-8",
     13},
    {"7.5 reason is cut inside a character",
     {FRAME(FIN | CLOSE, "\x03\xe8\xe2\x82")},
     "error 1007 close reason is not UTF-8",
     10},
    {"7.5 wrong code and wrong reason",
     {FRAME(FIN | CLOSE, "\x03\xed\xff")},
     "error 1002 close code is not allowed",
     9},
    {"7.9 code 0", {FRAME(FIN | CLOSE, "\0\0")}, "error 1002 close code is not allowed", 8},

    {"9.1 text at the limit", {STARS(FIN | TEXT, 100000)}, "<text 100000 x '*'>", 0},
    {"9.1 text over the limit", {CLAIM(FIN | TEXT, 100001)}, "error 1009 text message is too long", 10},
    {"9.2 binary at the limit", {STARS(FIN | BIN, 200000)}, "<binary 200000 x '*'>", 0},
    {"9.2 binary over the limit", {CLAIM(FIN | BIN, 200001)}, "error 1009 binary message is too long", 10},
    {"9.2 longest length there is", {CLAIM(FIN | BIN, INT64_MAX)}, "error 1009 binary message is too long", 10},
    {"9.3 frames add up to the limit", {STARS(TEXT, 60000), STARS(FIN | CONT, 40000)}, "<text 100000 x '*'>", 0},
    {"9.3 frames add up to more",
     {STARS(TEXT, 60000), CLAIM(CONT, 40001)},
     "error 1009 text message is too long",
     60012},
    {"9.3 sum would overflow",
     {STARS(BIN, 60000), CLAIM(CONT, INT64_MAX)},
     "error 1009 binary message is too long",
     60018},
    {"9.3 each message has the whole limit",
     {STARS(FIN | TEXT, 60000), STARS(FIN | TEXT, 60000)},
     "<text 60000 x '*'> <text 60000 x '*'>",
     0},
    {"9.4 as many frames as allowed",
     {FRAME(TEXT, "0"), FRAME(CONT, "1"), FRAME(CONT, "2"), FRAME(CONT, "3"), FRAME(CONT, "4"), FRAME(CONT, "5"),
      FRAME(CONT, "6"), FRAME(CONT, "7"), FRAME(FIN | PING, ""), FRAME(CONT, "8"), FRAME(CONT, "9"),
      FRAME(FIN | CONT, "A")},
     "<text '01234567' ping '' text '89A'>",
     0},
    {"9.4 one frame too many",
     {FRAME(BIN, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""),
      FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(CONT, ""), FRAME(FIN | CONT, "")},
     "error 1009 message has too many fragments",
     68},

    {"10.1 messages and pings behind each other",
     {FRAME(FIN | TEXT, "{}"), FRAME(FIN | BIN, "\xff\xd8"), FRAME(FIN | PING, "."), FRAME(TEXT, "["),
      FRAME(FIN | CONT, "]"), FRAME(FIN | BIN, "")},
     "<text '{}'> <binary '\\xff\\xd8'> ping '.' <text '[]'> <binary ''>",
     0},
};

/* Texts of family 6. Each goes out cut in two frames at every place. */
enum { WHOLE = -1, UNFINISHED = -2 };

static const struct utf8_case {
    const char *name;
    const char *text;
    int broken_at; /* index of the byte that shows it is not UTF-8; WHOLE or UNFINISHED */
} UTF8_CASES[] = {
    {"6.2 umlauts", "Hello-\xc2\xb5@\xc3\x9f", WHOLE},
    {"6.5 greek word", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", WHOLE},
    {"6.6 greek word without its last byte", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce", UNFINISHED},
    {"6.7 first of two, three and four bytes", "\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80", WHOLE},
    {"6.8 first of five bytes", "\xf8\x88\x80\x80\x80", 0},
    {"6.8 first of six bytes", "\xfc\x84\x80\x80\x80\x80", 0},
    {"6.9 last of each length", "\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf", WHOLE},
    {"6.10 last of four bytes", "\xf7\xbf\xbf\xbf", 0},
    {"6.11 around the surrogates", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd", WHOLE},
    {"6.11 above the last character", "\xf4\x90\x80\x80", 1},
    {"6.12 lone continuation", "\x80", 0},
    {"6.12 continuation too many", "\xc3\xa9\xbf", 2},
    {"6.13 lead bytes and blanks", "\xc3 \xc4 ", 1},
    {"6.13 lead byte of four and blank", "\xf0 ", 1},
    {"6.14 last continuation is missing, two", "\xc3", UNFINISHED},
    {"6.14 last continuation is missing, three", "\xe2\x82", UNFINISHED},
    {"6.14 last continuation is missing, four", "\xf0\x9f\x98", UNFINISHED},
    {"6.15 one incomplete after the other", "\xe2\x82\xf0\x9f", 2},
    {"6.16 FE", "\xfe", 0},
    {"6.16 FF in the middle",
     "ab\xff"
     "cd",
     2},
    {"6.17 overlong ASCII in two", "\xc0\xaf", 0},
    {"6.17 overlong ASCII in three", "\xe0\x80\xaf", 1},
    {"6.17 overlong ASCII in four", "\xf0\x80\x80\xaf", 1},
    {"6.18 highest overlong in two", "\xc1\xbf", 0},
    {"6.18 highest overlong in three", "\xe0\x9f\xbf", 1},
    {"6.18 highest overlong in four", "\xf0\x8f\xbf\xbf", 1},
    {"6.19 overlong NUL", "\xc0\x80", 0},
    {"6.20 first surrogate", "\xed\xa0\x80", 1},
    {"6.20 last surrogate", "\xed\xbf\xbf", 1},
    {"6.21 pair of surrogates", "\xed\xa0\x80\xed\xb0\x80", 1},
    {"6.22 noncharacters", "\xef\xbf\xbe\xf0\x9f\xbf\xbe", WHOLE},
    {"6.23 replacement character", "\xef\xbf\xbd", WHOLE},
};

#endif
