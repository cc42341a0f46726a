/* The strict check, its sentences, and the walk over members. */
#include "json_scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A literal with its length, so that it may contain NUL bytes. */
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

/* Longer than any text that the hub accepts. */
#define BIG_BYTES (16 * 1024)

static void copy_exact(struct view text, uint8_t **ret)
{
    /* An allocation of exactly this size: the address sanitizer sees a read beyond it. */
    *ret = malloc(text.length + (text.length == 0));
    assert_non_null(*ret);
    if (text.length > 0)
        memcpy(*ret, text.bytes, text.length);
}

/* ---- accepted ---- */

static const struct {
    const char *name;
    struct view text;
    enum json_type type;
} ACCEPTED[] = {
    {"object, empty", TEXT("{}"), JSON_OBJECT},
    {"object, empty, space inside", TEXT("{ \t\r\n }"), JSON_OBJECT},
    {"object, one member", TEXT("{\"a\":1}"), JSON_OBJECT},
    {"object, space everywhere", TEXT(" \n{ \"a\" : 1 , \"b\" : [ ] } \t"), JSON_OBJECT},
    {"object, empty key", TEXT("{\"\":0}"), JSON_OBJECT},
    {"object, the same key twice", TEXT("{\"a\":1,\"a\":1}"), JSON_OBJECT},
    {"object, key with escapes", TEXT("{\"\\u0000\\n\\ud800\":0}"), JSON_OBJECT},
    {"object in object in array", TEXT("[{\"a\":{\"b\":{}}},{}]"), JSON_ARRAY},
    {"array, empty", TEXT("[]"), JSON_ARRAY},
    {"array of every type", TEXT("[null,true,false,0,\"\",[],{}]"), JSON_ARRAY},
    {"array of arrays", TEXT("[[[]],[[],[]]]"), JSON_ARRAY},
    {"null", TEXT("null"), JSON_NULL},
    {"true", TEXT("true"), JSON_BOOL},
    {"false in space", TEXT("\r\nfalse\t "), JSON_BOOL},
    {"number, zero", TEXT("0"), JSON_NUMBER},
    {"number, minus zero", TEXT("-0"), JSON_NUMBER},
    {"number, fraction", TEXT("-12.40"), JSON_NUMBER},
    {"number, zero before the point", TEXT("0.5"), JSON_NUMBER},
    {"number, exponent", TEXT("1e5"), JSON_NUMBER},
    {"number, capital exponent with sign", TEXT("1.5E+07"), JSON_NUMBER},
    {"number, negative exponent with zeros", TEXT("0e-00"), JSON_NUMBER},
    {"number, beyond 64 bits", TEXT("123456789012345678901234567890"), JSON_NUMBER},
    {"number, vanishingly small", TEXT("1e-99999999999999999999"), JSON_NUMBER},
    {"number, zero with a huge exponent", TEXT("0e99999999999999999999"), JSON_NUMBER},
    {"number, the largest double", TEXT("1.7976931348623157e308"), JSON_NUMBER},
    {"number, rounds down to the largest double", TEXT("1.7976931348623158e308"), JSON_NUMBER},
    {"string, empty", TEXT("\"\""), JSON_STRING},
    {"string, every short escape", TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), JSON_STRING},
    {"string, unicode escapes in both cases", TEXT("\"\\u00e9\\u00E9\\uABCD\\uabcd\""), JSON_STRING},
    {"string, surrogate pair", TEXT("\"\\ud83d\\ude00\""), JSON_STRING},
    {"string, high surrogate alone", TEXT("\"\\ud83d\""), JSON_STRING},
    {"string, low surrogate alone", TEXT("\"\\udead!\""), JSON_STRING},
    {"string, surrogates in the wrong order", TEXT("\"\\ude00\\ud83d\""), JSON_STRING},
    {"string, escaped NUL", TEXT("\"\\u0000\""), JSON_STRING},
    {"string, escaped backslash before the quote", TEXT("\"\\\\\""), JSON_STRING},
    {"string, apostrophes and braces", TEXT("\"it's {[]}, : //\""), JSON_STRING},
    {"string, DEL is no control character of JSON", TEXT("\"\x7f\""), JSON_STRING},
    {"string, UTF-8 of two to four bytes", TEXT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), JSON_STRING},
    {"string, first and last of each length",
     TEXT("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), JSON_STRING},
    {"string, around the surrogates", TEXT("\"\xed\x9f\xbf\xee\x80\x80\""), JSON_STRING},
    {"string, byte order mark inside", TEXT("\"\xef\xbb\xbf\""), JSON_STRING},
    {"string, quote as ninth byte", TEXT("\"abcdefgh\\\"ijklmnop\""), JSON_STRING},
};

static void test_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ACCEPTED); i++) {
        struct json_error error = {0};
        enum json_type type = JSON_NULL;
        uint8_t *copy;

        copy_exact(ACCEPTED[i].text, &copy);
        if (json_check(view_of(copy, ACCEPTED[i].text.length), JSON_DEPTH_MAX, &type, &error) != 0)
            fail_msg("%s: refused: %s", ACCEPTED[i].name, error.text);
        if (type != ACCEPTED[i].type)
            fail_msg("%s: type %d instead of %d", ACCEPTED[i].name, type, ACCEPTED[i].type);
        free(copy);
    }
}

/* A text that is cut off anywhere is refused, unless what is left is a shorter number or only
 * the space at its end is missing. */
static void test_refuses_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ACCEPTED); i++) {
        struct view text = ACCEPTED[i].text;

        if (ACCEPTED[i].type == JSON_NUMBER)
            continue;
        while (text.length > 0 && text.bytes[text.length - 1] <= ' ')
            text.length--;
        while (text.length-- > 0) {
            struct json_error error;
            enum json_type type;
            uint8_t *copy;

            copy_exact(text, &copy);
            if (json_check(view_of(copy, text.length), JSON_DEPTH_MAX, &type, &error) == 0)
                fail_msg("%s: the first %zu bytes were accepted", ACCEPTED[i].name, text.length);
            free(copy);
        }
    }
}

/* ---- refused ---- */

static const struct {
    const char *name;
    struct view text;
    enum json_reason reason;
    size_t offset;
    const char *sentence; /* NULL: not looked at */
} REFUSED[] = {
    {"nothing", TEXT(""), JSON_EMPTY, 0, "not JSON: the text is empty"},
    {"only space", TEXT(" \n"), JSON_EMPTY, 2, NULL},

    {"open object", TEXT("{"), JSON_ENDED, 1, "not JSON: the text ends at byte 1, inside a value"},
    {"open array", TEXT("[1"), JSON_ENDED, 2, NULL},
    {"open string", TEXT("\"abc"), JSON_ENDED, 4, NULL},
    {"open string after an escaped quote", TEXT("\"abc\\\""), JSON_ENDED, 6, NULL},
    {"string ends in a backslash", TEXT("\"\\"), JSON_ENDED, 2, NULL},
    {"string ends in half an escape", TEXT("\"\\u12"), JSON_ENDED, 5, NULL},
    {"key without value", TEXT("{\"a\""), JSON_ENDED, 4, NULL},
    {"key and colon", TEXT("{\"a\":"), JSON_ENDED, 5, NULL},
    {"comma at the end", TEXT("{\"a\":1,"), JSON_ENDED, 7, NULL},

    {"a word", TEXT("hello"), JSON_UNEXPECTED, 0, "not JSON: unexpected 'h' at byte 0"},
    {"single quotes", TEXT("{'a':1}"), JSON_UNEXPECTED, 1, NULL},
    {"bare key", TEXT("{a:1}"), JSON_UNEXPECTED, 1, "not JSON: unexpected 'a' at byte 1"},
    {"number as key", TEXT("{1:1}"), JSON_UNEXPECTED, 1, NULL},
    {"comma before the first member", TEXT("{,\"a\":1}"), JSON_UNEXPECTED, 1, NULL},
    {"comma after the last member", TEXT("{\"a\":1,}"), JSON_UNEXPECTED, 7, NULL},
    {"two commas in an object", TEXT("{\"a\":1,,\"b\":2}"), JSON_UNEXPECTED, 7, NULL},
    {"two colons", TEXT("{\"a\"::1}"), JSON_UNEXPECTED, 5, NULL},
    {"no colon", TEXT("{\"a\" 1}"), JSON_UNEXPECTED, 5, NULL},
    {"comma for colon", TEXT("{\"a\",1}"), JSON_UNEXPECTED, 4, NULL},
    {"no comma", TEXT("{\"a\":1 \"b\":2}"), JSON_UNEXPECTED, 7, NULL},
    {"key alone", TEXT("{\"a\"}"), JSON_UNEXPECTED, 4, NULL},
    {"no value", TEXT("{\"a\":}"), JSON_UNEXPECTED, 5, NULL},
    {"colon in array", TEXT("[\"a\":1]"), JSON_UNEXPECTED, 4, NULL},
    {"comma before the first element", TEXT("[,1]"), JSON_UNEXPECTED, 1, NULL},
    {"comma after the last element", TEXT("[1,]"), JSON_UNEXPECTED, 3, NULL},
    {"only a comma", TEXT("[,]"), JSON_UNEXPECTED, 1, NULL},
    {"elements without a comma", TEXT("[1 2]"), JSON_UNEXPECTED, 3, NULL},
    {"object closed as array", TEXT("{\"a\":1]"), JSON_UNEXPECTED, 6, NULL},
    {"array closed as object", TEXT("[1}"), JSON_UNEXPECTED, 2, NULL},
    {"closed before opened", TEXT("]"), JSON_UNEXPECTED, 0, NULL},
    {"capital literal", TEXT("[True]"), JSON_UNEXPECTED, 1, NULL},
    {"misspelt literal", TEXT("[nul]"), JSON_UNEXPECTED, 1, NULL},
    {"literal that goes on", TEXT("[nullx]"), JSON_UNEXPECTED, 5, NULL},
    {"comment", TEXT("[/**/1]"), JSON_UNEXPECTED, 1, NULL},
    {"line comment", TEXT("[1//\n]"), JSON_UNEXPECTED, 2, NULL},
    {"plus sign", TEXT("[+1]"), JSON_UNEXPECTED, 1, "not JSON: unexpected '+' at byte 1"},
    {"no digit before the point", TEXT("[.5]"), JSON_UNEXPECTED, 1, NULL},
    {"hexadecimal", TEXT("[0x10]"), JSON_UNEXPECTED, 2, NULL},
    {"underscore in a number", TEXT("[1_000]"), JSON_UNEXPECTED, 2, NULL},
    {"two points", TEXT("[1.2.3]"), JSON_UNEXPECTED, 4, NULL},
    {"two exponents", TEXT("[1e2e3]"), JSON_UNEXPECTED, 4, NULL},
    {"byte order mark", TEXT("\xef\xbb\xbf{}"), JSON_UNEXPECTED, 0, "not JSON: unexpected byte 0xef at byte 0"},
    {"form feed is no space", TEXT("\f{}"), JSON_UNEXPECTED, 0, NULL},
    {"vertical tab is no space", TEXT("[1\v]"), JSON_UNEXPECTED, 2, NULL},
    {"no-break space is no space", TEXT("[1\xc2\xa0]"), JSON_UNEXPECTED, 2, NULL},
    {"NUL byte between values", TEXT("[1,\0 2]"), JSON_UNEXPECTED, 3, "not JSON: unexpected byte 0x00 at byte 3"},
    {"escape between values", TEXT("[\\u0031]"), JSON_UNEXPECTED, 1, NULL},
    {"full-width digit", TEXT("[\xef\xbc\x91]"), JSON_UNEXPECTED, 1, NULL},
    {"minus NaN", TEXT("[-NaN]"), JSON_NUMBER_FORM, 1, NULL},
    {"nan in small letters", TEXT("[nan]"), JSON_UNEXPECTED, 1, NULL},
    {"inf", TEXT("[inf]"), JSON_UNEXPECTED, 1, NULL},

    {"leading zero", TEXT("[01]"), JSON_NUMBER_FORM, 1, "not JSON: malformed number at byte 1"},
    {"leading zero, negative", TEXT("-00"), JSON_NUMBER_FORM, 0, NULL},
    {"leading zero before a point", TEXT("[00.5]"), JSON_NUMBER_FORM, 1, NULL},
    {"nothing after the point", TEXT("[1.]"), JSON_NUMBER_FORM, 1, NULL},
    {"exponent after the point", TEXT("[1.e5]"), JSON_NUMBER_FORM, 1, NULL},
    {"no digit in the exponent", TEXT("[1e]"), JSON_NUMBER_FORM, 1, NULL},
    {"only a sign in the exponent", TEXT("[1e+]"), JSON_NUMBER_FORM, 1, NULL},
    {"two signs in the exponent", TEXT("[1e+-1]"), JSON_NUMBER_FORM, 1, NULL},
    {"only a minus", TEXT("-"), JSON_NUMBER_FORM, 0, NULL},
    {"two minuses", TEXT("[--1]"), JSON_NUMBER_FORM, 1, NULL},
    {"minus and a space", TEXT("[- 1]"), JSON_NUMBER_FORM, 1, NULL},
    {"minus and a point", TEXT("[-.5]"), JSON_NUMBER_FORM, 1, NULL},

    {"NaN", TEXT("NaN"), JSON_NOT_FINITE, 0, "number is not finite"},
    {"Infinity in an array", TEXT("[Infinity]"), JSON_NOT_FINITE, 1, "number is not finite"},
    {"minus Infinity", TEXT("[-Infinity]"), JSON_NOT_FINITE, 1, "number is not finite"},
    {"too large", TEXT("{\"x_cm\":1e999}"), JSON_NOT_FINITE, 8, "x_cm: number is not finite"},
    {"too large, negative", TEXT("{\"x_cm\": -1E+999}"), JSON_NOT_FINITE, 9, "x_cm: number is not finite"},
    {"twice the largest double", TEXT("{\"a\":3.6e308}"), JSON_NOT_FINITE, 5, NULL},
    {"rounds up to infinity", TEXT("{\"a\":1.797693134862315808e308}"), JSON_NOT_FINITE, 5, NULL},
    {"value of the second member", TEXT("{\"a\":1,\"yaw\":NaN}"), JSON_NOT_FINITE, 13, "yaw: number is not finite"},
    {"in an array, after an object", TEXT("{\"a\":[{\"b\":1},[],Infinity]}"), JSON_NOT_FINITE, 17,
     "a: number is not finite"},
    {"in an object in an array", TEXT("{\"a\":[[{\"b\":-Infinity}]]}"), JSON_NOT_FINITE, 12, "b: number is not finite"},
    {"after a deeper member", TEXT("{\"pose\":{\"x\":{\"y\":0},\"z\":1e400}}"), JSON_NOT_FINITE, 25,
     "z: number is not finite"},
    {"after an inner object was closed", TEXT("{\"a\":{\"b\":0},\"c\":NaN}"), JSON_NOT_FINITE, 17,
     "c: number is not finite"},
    {"empty key", TEXT("{\"\":NaN}"), JSON_NOT_FINITE, 4, ": number is not finite"},
    {"key with an escaped quote", TEXT("{\"a\\\"b\":NaN}"), JSON_NOT_FINITE, 8, "a\\\"b: number is not finite"},

    {"raw newline in a string", TEXT("[\"a\nb\"]"), JSON_CONTROL, 3,
     "not JSON: raw control character 0x0a in a string at byte 3"},
    {"raw tab in a key", TEXT("{\"\t\":1}"), JSON_CONTROL, 2, NULL},
    {"raw NUL in a string", TEXT("\"\0\""), JSON_CONTROL, 1, NULL},
    {"raw 0x1f in a long string", TEXT("\"0123456789abcdef\x1f\""), JSON_CONTROL, 17, NULL},

    {"raw 0x1f amid a long string",
     TEXT("\"0123456789\x1f"
          "abcdefghijkl\""),
     JSON_CONTROL, 11, NULL},
    {"unknown escape", TEXT("\"ab\\x\""), JSON_ESCAPE, 3, "not JSON: unknown escape at byte 3"},
    {"escaped apostrophe", TEXT("\"it\\'s\""), JSON_ESCAPE, 3, NULL},
    {"capital U", TEXT("\"\\U0041\""), JSON_ESCAPE, 1, NULL},
    {"too few digits", TEXT("\"\\u12\""), JSON_ESCAPE, 1, NULL},
    {"no hexadecimal digit", TEXT("\"\\u12g4\""), JSON_ESCAPE, 1, NULL},
    {"sign among the digits", TEXT("\"\\u+123\""), JSON_ESCAPE, 1, NULL},
    {"escaped newline", TEXT("\"\\\n\""), JSON_ESCAPE, 1, NULL},
    {"escaped NUL byte", TEXT("\"\\\0\""), JSON_ESCAPE, 1, NULL},
    {"escaped non-ASCII", TEXT("\"\\\xc3\xa9\""), JSON_ESCAPE, 1, NULL},

    {"stray continuation byte", TEXT("\"\x80\""), JSON_UTF8, 1, "not UTF-8 at byte 1"},
    {"Latin-1", TEXT("\"caf\xe9\""), JSON_UTF8, 4, NULL},
    {"sequence cut by the quote", TEXT("\"\xe2\x82\""), JSON_UTF8, 1, NULL},
    {"sequence cut by the end", TEXT("\"\xf0\x9f\x98"), JSON_UTF8, 1, NULL},
    {"overlong NUL", TEXT("\"\xc0\x80\""), JSON_UTF8, 1, NULL},
    {"overlong slash of two bytes", TEXT("\"\xc1\xaf\""), JSON_UTF8, 1, NULL},
    {"overlong of three bytes", TEXT("\"\xe0\x9f\xbf\""), JSON_UTF8, 1, NULL},
    {"overlong of four bytes", TEXT("\"\xf0\x8f\xbf\xbf\""), JSON_UTF8, 1, NULL},
    {"surrogate in UTF-8", TEXT("\"\xed\xa0\x80\""), JSON_UTF8, 1, NULL},
    {"beyond the last code point", TEXT("\"\xf4\x90\x80\x80\""), JSON_UTF8, 1, NULL},
    {"F5 begins nothing", TEXT("\"\xf5\x80\x80\x80\""), JSON_UTF8, 1, NULL},
    {"five-byte sequence", TEXT("\"\xf8\x88\x80\x80\x80\""), JSON_UTF8, 1, NULL},
    {"0xff in a key", TEXT("{\"\xff\":1}"), JSON_UTF8, 2, NULL},

    {"two values", TEXT("{} {}"), JSON_TRAILING, 3, "text after the JSON value at byte 3"},
    {"comma behind the value", TEXT("1,"), JSON_TRAILING, 1, NULL},
    {"closed twice", TEXT("[]]"), JSON_TRAILING, 2, NULL},
    {"NUL byte behind the value", TEXT("{}\0"), JSON_TRAILING, 2, NULL},
    {"word behind a literal", TEXT("truefalse"), JSON_TRAILING, 4, NULL},
    {"letters behind a number", TEXT("1x"), JSON_TRAILING, 1, NULL},
    {"two strings", TEXT("\"a\"\"b\""), JSON_TRAILING, 3, NULL},
};

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct json_error error = {0};
        enum json_type type;
        uint8_t *copy;

        copy_exact(REFUSED[i].text, &copy);
        if (json_check(view_of(copy, REFUSED[i].text.length), JSON_DEPTH_MAX, &type, &error) != -EBADMSG)
            fail_msg("%s: accepted", REFUSED[i].name);
        if (error.reason != REFUSED[i].reason || error.offset != REFUSED[i].offset)
            fail_msg("%s: reason %d at %zu instead of %d at %zu (%s)", REFUSED[i].name, error.reason, error.offset,
                     REFUSED[i].reason, REFUSED[i].offset, error.text);
        if (REFUSED[i].sentence != NULL && strcmp(error.text, REFUSED[i].sentence) != 0)
            fail_msg("%s: says \"%s\"", REFUSED[i].name, error.text);
        assert_int_not_equal(error.text[0], '\0');
        free(copy);
    }
}

static void test_empty_view_without_bytes(void **state)
{
    struct json_error error;
    enum json_type type;

    (void)state;
    assert_int_equal(json_check(view_of(NULL, 0), 1, &type, &error), -EBADMSG);
    assert_int_equal(error.reason, JSON_EMPTY);
}

static void test_long_key_is_cut_between_characters(void **state)
{
    static const struct {
        const char *name;
        size_t ascii; /* letters in front of a run of three-byte characters */
        size_t kept;  /* bytes of the key in the sentence */
    } CASES[] = {
        {"border at 64", 64, 64},
        {"border at 63", 60, 63},
        {"border at 62", 62, 62},
        {"only long characters", 0, 63},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[512], key[400], expected[512];
        struct json_error error;
        enum json_type type;

        memset(key, 'k', CASES[i].ascii);
        key[CASES[i].ascii] = '\0';
        for (int n = 0; n < 50; n++)
            strcat(key, "\xe2\x82\xac");
        snprintf(text, sizeof(text), "{\"%s\":NaN}", key);
        snprintf(expected, sizeof(expected), "%.*s...: number is not finite", (int)CASES[i].kept, key);
        assert_int_equal(json_check(view_text(text), 4, &type, &error), -EBADMSG);
        if (strcmp(error.text, expected) != 0)
            fail_msg("%s: %s", CASES[i].name, error.text);
    }
}

/* ---- nesting ---- */

static void test_nesting_limit(void **state)
{
    static const struct {
        const char *name;
        const char *open, *middle, *close;
        unsigned depth, depth_max;
        bool fits;
    } CASES[] = {
        {"64 arrays", "[", "", "]", 64, 64, true},
        {"65 arrays", "[", "", "]", 65, 64, false},
        {"64 objects", "{\"a\":", "1", "}", 64, 64, true},
        {"65 objects", "{\"a\":", "1", "}", 65, 64, false},
        {"64 in turn", "{\"a\":[", "null", "]}", 32, 64, true},
        {"66 in turn", "{\"a\":[", "null", "]}", 33, 64, false},
        {"scalar at depth 1", "", "1", "", 1, 1, true},
        {"array at depth 1", "[", "1", "]", 1, 1, true},
        {"two arrays at depth 1", "[", "", "]", 2, 1, false},
        {"a third one at depth 2", "[[],", "[[]]", "]", 1, 2, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[1024] = "", sentence[64];
        struct json_error error = {0};
        enum json_type type;
        int r;

        for (unsigned d = 0; d < CASES[i].depth; d++)
            strcat(text, CASES[i].open);
        strcat(text, CASES[i].middle);
        for (unsigned d = 0; d < CASES[i].depth; d++)
            strcat(text, CASES[i].close);
        r = json_check(view_text(text), CASES[i].depth_max, &type, &error);
        if (r != (CASES[i].fits ? 0 : -EBADMSG))
            fail_msg("%s: %d %s", CASES[i].name, r, error.text);
        if (CASES[i].fits)
            continue;
        snprintf(sentence, sizeof(sentence), "nesting is deeper than %u", CASES[i].depth_max);
        assert_int_equal(error.reason, JSON_DEPTH);
        assert_string_equal(error.text, sentence);
    }
}

/* Containers side by side do not add up, and types are not mixed up on the way back. */
static void test_nesting_is_left_again(void **state)
{
    char text[BIG_BYTES] = "[";
    size_t length = 1;
    struct json_error error;
    enum json_type type;

    (void)state;
    for (int i = 0; i < 30; i++) {
        for (int d = 0; d < 31; d++)
            length += (size_t)sprintf(text + length, "{\"a\":[");
        for (int d = 0; d < 31; d++)
            length += (size_t)sprintf(text + length, "]}");
        text[length++] = ',';
    }
    text[length - 1] = ']';
    if (json_check(view_of(text, length), JSON_DEPTH_MAX, &type, &error) != 0)
        fail_msg("%s", error.text);
    text[length - 2] = ']';
    assert_int_equal(json_check(view_of(text, length), JSON_DEPTH_MAX, &type, &error), -EBADMSG);
    assert_int_equal(error.offset, length - 2);
}

/* ---- hostile texts ---- */

static void test_hostile_texts(void **state)
{
    static const struct {
        const char *name;
        const char *repeated;
        int r;
        enum json_reason reason;
    } CASES[] = {
        {"brackets", "[", -EBADMSG, JSON_DEPTH},    {"braces", "{\"a\":", -EBADMSG, JSON_DEPTH},
        {"quotes", "\"", -EBADMSG, JSON_TRAILING},  {"backslashes", "\\", -EBADMSG, JSON_UNEXPECTED},
        {"digits", "9", -EBADMSG, JSON_NOT_FINITE}, {"minuses", "-", -EBADMSG, JSON_NUMBER_FORM},
        {"spaces", " ", -EBADMSG, JSON_EMPTY},      {"NUL bytes", "", -EBADMSG, JSON_UNEXPECTED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        static char text[BIG_BYTES];
        size_t unit = strlen(CASES[i].repeated);
        struct json_error error;
        enum json_type type;

        memset(text, 0, sizeof(text));
        for (size_t at = 0; unit > 0 && at + unit <= sizeof(text); at += unit)
            memcpy(text + at, CASES[i].repeated, unit);
        if (json_check(view_of(text, sizeof(text)), JSON_DEPTH_MAX, &type, &error) != CASES[i].r ||
            error.reason != CASES[i].reason)
            fail_msg("%s: %s", CASES[i].name, error.text);
    }
}

static void test_thousands_of_members(void **state)
{
    static char text[4 * BIG_BYTES];
    struct json_iterator it;
    struct json_member member;
    struct json_error error;
    enum json_type type;
    size_t length = 1;
    int count = 0;

    (void)state;
    text[0] = '{';
    for (int i = 0; i < 3000; i++)
        length += (size_t)sprintf(text + length, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
    text[length++] = '}';
    if (json_check(view_of(text, length), JSON_DEPTH_MAX, &type, &error) != 0)
        fail_msg("%s", error.text);
    json_iterator_init(&it, view_of(text, length));
    while (json_next_member(&it, &member)) {
        char key[16];
        int64_t value;

        snprintf(key, sizeof(key), "k%d", count);
        assert_true(json_key_equals(&member, key));
        assert_int_equal(json_number_i64(member.value, &value), 0);
        assert_int_equal(value, count);
        count++;
    }
    assert_int_equal(count, 3000);
    assert_int_equal(json_find(view_of(text, length), "k2999", &member), 0);
    assert_int_equal(json_find(view_of(text, length), "k3000", &member), -ENOENT);
}

/* ---- the walk ---- */

struct expected_member {
    const char *key, *value, *span;
    enum json_type type;
    bool key_escaped;
};

static void test_walks_members(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        struct expected_member members[8]; /* ends with a NULL key */
    } CASES[] = {
        {"no member", " { } ", {{0}}},
        {"one", "{\"a\":1}", {{"a", "1", "\"a\":1", JSON_NUMBER, false}}},
        {"space is in the span, not in the value",
         "\n{ \"a\" :\t-1.5e3 , \"b\": null }\n",
         {{"a", "-1.5e3", "\"a\" :\t-1.5e3", JSON_NUMBER, false}, {"b", "null", "\"b\": null", JSON_NULL, false}}},
        {"every type",
         "{\"o\":{\"a\":[1]},\"a\":[{},\"]\"],\"s\":\"}\",\"n\":0,\"t\":true,\"f\":false,\"z\":"
         "null}",
         {{"o", "{\"a\":[1]}", "\"o\":{\"a\":[1]}", JSON_OBJECT, false},
          {"a", "[{},\"]\"]", "\"a\":[{},\"]\"]", JSON_ARRAY, false},
          {"s", "\"}\"", "\"s\":\"}\"", JSON_STRING, false},
          {"n", "0", "\"n\":0", JSON_NUMBER, false},
          {"t", "true", "\"t\":true", JSON_BOOL, false},
          {"f", "false", "\"f\":false", JSON_BOOL, false},
          {"z", "null", "\"z\":null", JSON_NULL, false}}},
        {"quotes and backslashes in strings",
         "{\"a\":\"\\\"\",\"b\":\"\\\\\",\"c\":[\"\\\\\\\"]}\"]}",
         {{"a", "\"\\\"\"", "\"a\":\"\\\"\"", JSON_STRING, false},
          {"b", "\"\\\\\"", "\"b\":\"\\\\\"", JSON_STRING, false},
          {"c", "[\"\\\\\\\"]}\"]", "\"c\":[\"\\\\\\\"]}\"]", JSON_ARRAY, false}}},
        {"keys with escapes",
         "{\"\\u0065vent\":1,\"a\\\\\":2,\"\\\"\":3}",
         {{"\\u0065vent", "1", "\"\\u0065vent\":1", JSON_NUMBER, true},
          {"a\\\\", "2", "\"a\\\\\":2", JSON_NUMBER, true},
          {"\\\"", "3", "\"\\\"\":3", JSON_NUMBER, true}}},
        {"empty and repeated keys",
         "{\"\":\"\",\"a\":1,\"a\":2}",
         {{"", "\"\"", "\"\":\"\"", JSON_STRING, false},
          {"a", "1", "\"a\":1", JSON_NUMBER, false},
          {"a", "2", "\"a\":2", JSON_NUMBER, false}}},
        {"an array has no members", "[{\"a\":1}]", {{0}}},
        {"a string has no members", "\"{}\"", {{0}}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct expected_member *expected = CASES[i].members;
        struct json_iterator it;
        struct json_member member;
        struct json_error error;
        enum json_type type;

        assert_int_equal(json_check(view_text(CASES[i].text), 8, &type, &error), 0);
        json_iterator_init(&it, view_text(CASES[i].text));
        for (; json_next_member(&it, &member); expected++) {
            if (expected->key == NULL)
                fail_msg("%s: too many members", CASES[i].name);
            if (!view_equals(member.key, view_text(expected->key)) ||
                !view_equals(member.value, view_text(expected->value)) ||
                !view_equals(member.span, view_text(expected->span)) || member.type != expected->type ||
                member.key_escaped != expected->key_escaped)
                fail_msg("%s: member \"%s\" differs: key %.*s value %.*s span %.*s", CASES[i].name, expected->key,
                         (int)member.key.length, member.key.bytes, (int)member.value.length, member.value.bytes,
                         (int)member.span.length, member.span.bytes);
        }
        if (expected->key != NULL)
            fail_msg("%s: member \"%s\" is missing", CASES[i].name, expected->key);
        assert_false(json_next_member(&it, &member));
    }
}

/* Texts that were never checked give nonsense at worst. */
static void test_walk_stays_inside_unchecked_texts(void **state)
{
    static const char *const TEXTS[] = {
        "",           "{",         "{\"",          "{\"a",         "{\"a\\",    "{\"a\"",
        "{\"a\":",    "{\"a\":,",  "{\"a\":\"b",   "{\"a\":\"b\\", "{\"a\":[[", "{,,,",
        "{\"a\":[\"", "{\"a\":[}", "{\"a\":\x01}", "{1:2}",        "{\"a\" 1}", "{\"a\":1 \"b\":2",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct view text = view_text(TEXTS[i]);
        struct json_iterator it;
        struct json_member member;
        uint8_t *copy;
        int count = 0;

        copy_exact(text, &copy);
        json_iterator_init(&it, view_of(copy, text.length));
        while (json_next_member(&it, &member)) {
            assert_true(member.span.bytes >= copy);
            assert_true(member.span.bytes + member.span.length <= copy + text.length);
            count++;
        }
        assert_in_range(count, 0, 2);
        free(copy);
    }
    assert_int_equal(json_find(view_of(NULL, 0), "a", &(struct json_member){0}), -ENOENT);
}

static void test_finds_the_last_of_equal_keys(void **state)
{
    static const struct {
        const char *name, *text, *key;
        const char *value; /* NULL: there is none */
    } CASES[] = {
        {"only one", "{\"a\":1,\"b\":2}", "b", "2"},
        {"last of two", "{\"a\":1,\"b\":2,\"a\":3}", "a", "3"},
        {"plain, then escaped", "{\"event\":1,\"\\u0065vent\":2}", "event", "2"},
        {"escaped, then plain", "{\"even\\u0074\":1,\"event\":2}", "event", "2"},
        {"empty key", "{\"\":1}", "", "1"},
        {"not in the inner object", "{\"a\":{\"b\":1}}", "b", NULL},
        {"not a value", "{\"a\":\"b\"}", "b", NULL},
        {"a prefix is not enough", "{\"eventual\":1,\"even\":2}", "event", NULL},
        {"case matters", "{\"Event\":1}", "event", NULL},
        {"nothing to find", "{}", "a", NULL},
        {"no object", "[\"a\",1]", "a", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct json_member member;
        int r = json_find(view_text(CASES[i].text), CASES[i].key, &member);

        if (r != (CASES[i].value != NULL ? 0 : -ENOENT))
            fail_msg("%s: %d", CASES[i].name, r);
        if (r == 0 && !view_equals(member.value, view_text(CASES[i].value)))
            fail_msg("%s: %.*s", CASES[i].name, (int)member.value.length, member.value.bytes);
    }
}

static void test_type_of(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
    } CASES[] = {
        {"{}", JSON_OBJECT}, {" []", JSON_ARRAY}, {"\n\"\"", JSON_STRING}, {"-1", JSON_NUMBER},
        {"0", JSON_NUMBER},  {"true", JSON_BOOL}, {"false", JSON_BOOL},    {"null", JSON_NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(json_type_of(view_text(CASES[i].text)), CASES[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses_every_prefix),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_empty_view_without_bytes),
        cmocka_unit_test(test_long_key_is_cut_between_characters),
        cmocka_unit_test(test_nesting_limit),
        cmocka_unit_test(test_nesting_is_left_again),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_thousands_of_members),
        cmocka_unit_test(test_walks_members),
        cmocka_unit_test(test_walk_stays_inside_unchecked_texts),
        cmocka_unit_test(test_finds_the_last_of_equal_keys),
        cmocka_unit_test(test_type_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
