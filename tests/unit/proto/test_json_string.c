/* Strings in and out of their JSON form. */
#include "json_string.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

static void test_decodes(void **state)
{
    static const struct {
        const char *name;
        struct view value;
        int r;
        struct view decoded;
    } CASES[] = {
        {"empty", TEXT("\"\""), 0, TEXT("")},
        {"plain", TEXT("\"garage-cam\""), 0, TEXT("garage-cam")},
        {"every short escape", TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), 0, TEXT("\"\\/\b\f\n\r\t")},
        {"escape first, middle, last", TEXT("\"\\ta\\tb\\t\""), 0, TEXT("\ta\tb\t")},
        {"UTF-8 is kept", TEXT("\"\xc3\xa9\xf0\x9f\x98\x80\""), 0, TEXT("\xc3\xa9\xf0\x9f\x98\x80")},
        {"one byte, last", TEXT("\"\\u007f\""), 0, TEXT("\x7f")},
        {"two bytes, first", TEXT("\"\\u0080\""), 0, TEXT("\xc2\x80")},
        {"two bytes, last", TEXT("\"\\u07ff\""), 0, TEXT("\xdf\xbf")},
        {"three bytes, first", TEXT("\"\\u0800\""), 0, TEXT("\xe0\xa0\x80")},
        {"below the surrogates", TEXT("\"\\ud7ff\""), 0, TEXT("\xed\x9f\xbf")},
        {"above the surrogates", TEXT("\"\\uE000\""), 0, TEXT("\xee\x80\x80")},
        {"three bytes, last", TEXT("\"\\uffff\""), 0, TEXT("\xef\xbf\xbf")},
        {"first pair", TEXT("\"\\ud800\\udc00\""), 0, TEXT("\xf0\x90\x80\x80")},
        {"last pair", TEXT("\"\\uDBFF\\uDFFF\""), 0, TEXT("\xf4\x8f\xbf\xbf")},
        {"pair among letters", TEXT("\"a\\ud83d\\ude00b\""), 0,
         TEXT("a\xf0\x9f\x98\x80"
              "b")},
        {"NUL is kept", TEXT("\"a\\u0000b\""), 0, TEXT("a\0b")},
        {"high surrogate alone", TEXT("\"\\ud83d\""), -EILSEQ, TEXT("")},
        {"high surrogate before a letter", TEXT("\"\\ud83dx\""), -EILSEQ, TEXT("")},
        {"high surrogate before another escape", TEXT("\"\\ud83d\\n\""), -EILSEQ, TEXT("")},
        {"high surrogate before another one", TEXT("\"\\ud83d\\ud83d\\ude00\""), -EILSEQ, TEXT("")},
        {"low surrogate alone", TEXT("\"\\ude00\""), -EILSEQ, TEXT("")},
        {"two low surrogates", TEXT("\"\\udc00\\udc00\""), -EILSEQ, TEXT("")},
        {"high surrogate before an escaped letter", TEXT("\"\\ud83d\\u0041\""), -EILSEQ, TEXT("")},
        {"pair in the wrong order", TEXT("\"\\ude00\\ud83d\""), -EILSEQ, TEXT("")},
        {"number", TEXT("12"), -EINVAL, TEXT("")},
        {"one quote", TEXT("\""), -EINVAL, TEXT("")},
        {"no closing quote", TEXT("\"ab"), -EINVAL, TEXT("")},
        {"nothing", TEXT(""), -EINVAL, TEXT("")},
        {"escape cut off", TEXT("\"\\\""), -EINVAL, TEXT("")},
        {"unicode escape cut off", TEXT("\"\\u12\""), -EINVAL, TEXT("")},
        {"unknown escape", TEXT("\"\\x\""), -EINVAL, TEXT("")},
        {"escaped non-ASCII", TEXT("\"\\\xc3\xa9\""), -EINVAL, TEXT("")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char decoded[64];
        size_t length = 0;
        int r = json_decode_string(CASES[i].value, decoded, sizeof(decoded), &length);

        if (r != CASES[i].r)
            fail_msg("%s: returns %d", CASES[i].name, r);
        if (r < 0)
            continue;
        if (!view_equals(view_of(decoded, length), CASES[i].decoded))
            fail_msg("%s: %zu bytes \"%s\"", CASES[i].name, length, decoded);
        assert_int_equal(decoded[length], '\0');
    }
}

static void test_decodes_into_exact_room(void **state)
{
    static const struct {
        const char *name;
        const char *inside;
        size_t length;
    } CASES[] = {
        {"empty", "", 0},
        {"plain", "abcdef", 6},
        {"escapes", "\\n\\n", 2},
        {"pair last", "ab\\ud83d\\ude00", 6},
        {"plain last", "\\u20acabc", 6},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct view inside = view_text(CASES[i].inside);
        size_t length = 99;

        for (size_t room = 0; room <= CASES[i].length + 2; room++) {
            char decoded[16];
            int r;

            memset(decoded, '#', sizeof(decoded));
            r = json_unescape(inside, decoded, room, &length);
            if (r != (room > CASES[i].length ? 0 : -E2BIG))
                fail_msg("%s: returns %d with room for %zu", CASES[i].name, r, room);
            if (r == 0)
                assert_int_equal(length, CASES[i].length);
            for (size_t at = room; at < sizeof(decoded); at++)
                assert_int_equal(decoded[at], '#');
        }
    }
}

static void test_compares_decoded(void **state)
{
    static const struct {
        const char *name;
        struct view inside;
        const char *text;
        bool equal;
    } CASES[] = {
        {"plain", TEXT("event"), "event", true},
        {"both empty", TEXT(""), "", true},
        {"one escape", TEXT("\\u0065vent"), "event", true},
        {"all escapes", TEXT("\\u0065\\u0076\\u0065\\u006E\\u0074"), "event", true},
        {"short escape", TEXT("a\\/b"), "a/b", true},
        {"beyond the BMP", TEXT("\\ud83d\\ude00"), "\xf0\x9f\x98\x80", true},
        {"escaped against raw", TEXT("\\u00e9"), "\xc3\xa9", true},
        {"too short", TEXT("\\u0065ven"), "event", false},
        {"too long", TEXT("\\u0065vents"), "event", false},
        {"other letter", TEXT("\\u0066vent"), "event", false},
        {"first byte of a character", TEXT("\\u00e9"), "\xc3", false},
        {"NUL is not the end", TEXT("event\\u0000"), "event", false},
        {"NUL and more", TEXT("event\\u0000s"), "event", false},
        {"only NUL against nothing", TEXT("\\u0000"), "", false},
        {"lone surrogate", TEXT("\\ud800"), "\xed\xa0\x80", false},
        {"empty against something", TEXT(""), "a", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (json_inside_equals(CASES[i].inside, CASES[i].text) != CASES[i].equal)
            fail_msg("%s", CASES[i].name);
    }
}

static void test_escapes(void **state)
{
    static const struct {
        const char *name;
        struct view text;
        const char *escaped;
    } CASES[] = {
        {"nothing", TEXT(""), ""},
        {"plain", TEXT("garage-cam it's </b>"), "garage-cam it's </b>"},
        {"quote and backslash", TEXT("\"\\"), "\\\"\\\\"},
        {"named control characters", TEXT("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
        {"other control characters", TEXT("\0\x01\x0b\x1f"), "\\u0000\\u0001\\u000b\\u001f"},
        {"DEL", TEXT("\x7f"), "\x7f"},
        {"UTF-8", TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"Latin-1", TEXT("caf\xe9!"), "caf\\ufffd!"},
        {"sequence cut off", TEXT("\xe2\x82"), "\\ufffd\\ufffd"},
        {"surrogate", TEXT("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd"},
        {"overlong", TEXT("\xc0\xaf"), "\\ufffd\\ufffd"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char escaped[64];
        size_t length = json_escape(escaped, sizeof(escaped), CASES[i].text);

        if (!view_equals(view_of(escaped, length), view_text(CASES[i].escaped)))
            fail_msg("%s: %.*s", CASES[i].name, (int)length, escaped);
        assert_int_equal(json_escape(NULL, 0, CASES[i].text), length);
    }
    assert_int_equal(json_escape(NULL, 0, view_of(NULL, 0)), 0);
}

/* Too little room gives whole characters from the start and tells how much was needed. */
static void test_escape_is_cut_between_characters(void **state)
{
    static const size_t KEPT[] = {0, 1, 1, 1, 1, 1, 1, 7, 7, 7, 10, 11};
    static const char ESCAPED[] = "a\\u0001\xe2\x82\xac"
                                  "b";

    (void)state;
    for (size_t room = 0; room < ARRAY_LEN(KEPT); room++) {
        char escaped[16];

        memset(escaped, '#', sizeof(escaped));
        assert_int_equal(json_escape(escaped, room,
                                     view_text("a\x01\xe2\x82\xac"
                                               "b")),
                         11);
        assert_memory_equal(escaped, ESCAPED, KEPT[room]);
        for (size_t at = KEPT[room]; at < sizeof(escaped); at++)
            assert_int_equal(escaped[at], '#');
    }
}

/* Every code point survives being escaped and decoded. */
static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point += point < 0x1000 ? 1 : 61) {
        char inside[16], decoded[8], escaped[16];
        size_t length, escaped_length, again;

        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        if (point < 0x10000)
            snprintf(inside, sizeof(inside), "\\u%04x", point);
        else
            snprintf(inside, sizeof(inside), "\\u%04X\\u%04X", 0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff));
        assert_int_equal(json_unescape(view_text(inside), decoded, sizeof(decoded), &length), 0);
        assert_int_equal(json_utf8_length((uint8_t *)decoded, (uint8_t *)decoded + length), length);
        escaped_length = json_escape(escaped, sizeof(escaped), view_of(decoded, length));
        assert_int_equal(json_unescape(view_of(escaped, escaped_length), inside, sizeof(inside), &again), 0);
        assert_int_equal(again, length);
        assert_memory_equal(inside, decoded, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_decodes_into_exact_room),
        cmocka_unit_test(test_compares_decoded),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_escape_is_cut_between_characters),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
