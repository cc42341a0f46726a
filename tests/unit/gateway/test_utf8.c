/* What is UTF-8 and what is not: a table of known texts, and every short byte string against a
 * reference that decodes character by character and shares nothing with the code under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "utf8.h"
#include "view.h"

struct text_case {
    const char *name;
    const char *text;
    int broken_at; /* index of the first byte that nothing could make valid again; OK or CUT */
};

enum { OK = -1, CUT = -2 };

static const struct text_case TEXTS[] = {
    {"empty", "", OK},
    {"ascii longer than a word", "the quick brown fox", OK},
    {"two, three and four bytes", "\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80", OK},
    {"greek word", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", OK},
    {"first of each length", "\x01\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80", OK},
    {"last of each length", "\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf", OK},
    {"around the surrogates", "\xed\x9f\xbf\xee\x80\x80", OK},
    {"noncharacters", "\xef\xb7\x90\xef\xbf\xbe\xf0\x9f\xbf\xbe", OK},
    {"byte order mark", "\xef\xbb\xbf", OK},
    {"cut after one of two", "a\xc3", CUT},
    {"cut after two of three", "a\xe2\x82", CUT},
    {"cut after three of four", "a\xf0\x9f\x98", CUT},
    {"lone continuation", "a\x80", 1},
    {"two continuations after two bytes", "\xc3\xa9\xa9", 2},
    {"lead followed by ascii", "\xc3 x", 1},
    {"three-byte lead followed by a lead", "\xe2\x82\xc3", 2},
    {"overlong slash in two", "\xc0\xaf", 0},
    {"overlong in two, highest", "\xc1\xbf", 0},
    {"overlong in three", "\xe0\x9f\xbf", 1},
    {"overlong in four", "\xf0\x8f\xbf\xbf", 1},
    {"overlong NUL", "\xc0\x80", 0},
    {"lowest surrogate", "\xed\xa0\x80", 1},
    {"highest surrogate", "\xed\xbf\xbf", 1},
    {"surrogate pair", "\xed\xa0\x80\xed\xb0\x80", 1},
    {"above U+10FFFF", "\xf4\x90\x80\x80", 1},
    {"lead of U+140000", "\xf5\x80\x80\x80", 0},
    {"five bytes", "\xf8\x88\x80\x80\x80", 0},
    {"six bytes", "\xfc\x84\x80\x80\x80\x80", 0},
    {"byte FE", "\xfe", 0},
    {"byte FF after a word of ascii", "12345678\xff", 8},
};

/* ---- the reference ---- */

/* Length of the character at the front of text, decoded by arithmetic; 0 if there is none. */
static size_t decoded_length(const uint8_t *text, size_t n)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length;
    uint32_t value;

    if (text[0] < 0x80)
        return 1;
    length = (text[0] & 0xe0) == 0xc0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 : (text[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (length == 0 || length > n)
        return 0;
    value = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3fu);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    return length;
}

static bool is_text(const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = decoded_length(text + i, n - i);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

/* Could more bytes make this text valid? Where a range is narrowed one of its ends is still in. */
static bool can_become_text(const uint8_t *text, size_t n)
{
    static const uint8_t ends[] = {0x80, 0xbf};
    uint8_t longer[8];

    if (is_text(text, n))
        return true;
    memcpy(longer, text, n);
    for (size_t more = 1; more <= 3; more++) {
        for (unsigned int pick = 0; pick < 1u << more; pick++) {
            for (size_t i = 0; i < more; i++)
                longer[n + i] = ends[pick >> i & 1];
            if (is_text(longer, n + more))
                return true;
        }
    }
    return false;
}

static void check_against_reference(const uint8_t *text, size_t n)
{
    uint32_t state = UTF8_START;
    bool alive = utf8_feed(&state, text, n);

    if (alive == can_become_text(text, n) && utf8_is_complete(state) == is_text(text, n) &&
        utf8_state_is_valid(state) == alive)
        return;
    for (size_t i = 0; i < n; i++)
        print_error("%02x ", text[i]);
    fail_msg("judged differently: fed %d, complete %d", alive, utf8_is_complete(state));
}

/* ---- tests ---- */

static void check_cut_at(const struct text_case *test, const uint8_t *text, size_t n, size_t cut)
{
    uint32_t state = UTF8_START;
    bool alive = utf8_feed(&state, text, cut) && utf8_feed(&state, text + cut, n - cut);

    if (alive != (test->broken_at < 0) || utf8_is_complete(state) != (test->broken_at == OK))
        fail_msg("%s: wrong when cut at %zu", test->name, cut);
}

static void check_text(const struct text_case *test)
{
    const uint8_t *text = (const uint8_t *)test->text;
    size_t n = strlen(test->text);
    uint32_t state = UTF8_START;

    for (size_t cut = 0; cut <= n; cut++)
        check_cut_at(test, text, n, cut);
    for (size_t i = 0; i < n; i++) {
        bool alive = utf8_feed(&state, text + i, 1);

        if (alive != (test->broken_at < 0 || i < (size_t)test->broken_at))
            fail_msg("%s: wrong at byte %zu", test->name, i);
    }
}

static void test_known_texts(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        check_text(&TEXTS[i]);
}

static void test_every_string_of_up_to_three_bytes(void **unused)
{
    (void)unused;
    for (uint32_t value = 0; value < 1u << 24; value++) {
        uint8_t text[3] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};

        if (text[0] < 0x80 && text[0] != 'a') /* one ASCII byte stands for all in front */
            continue;
        if (value >> 8 == 0x6161)
            check_against_reference(text + 2, 1);
        if (text[0] == 'a')
            check_against_reference(text + 1, 2);
        check_against_reference(text, 3);
    }
}

static void test_every_four_bytes_at_the_borders(void **unused)
{
    static const uint8_t borders[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                      0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                      0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfe, 0xff};
    const size_t count = ARRAY_LEN(borders);

    (void)unused;
    for (size_t pick = 0; pick < count * count * count * count; pick++) {
        uint8_t text[4];
        size_t rest = pick;

        for (size_t i = 0; i < sizeof(text); i++, rest /= count)
            text[i] = borders[rest % count];
        check_against_reference(text, sizeof(text));
    }
}

/* Runs of ASCII are skipped in words: a byte must be seen at any place in a word, at any address. */
static void test_odd_byte_at_every_place_and_alignment(void **unused)
{
    enum { LONGEST = 40, WORD = 8 };
    static const uint8_t odd[] = {0x80, 0xc3, 0xff};

    (void)unused;
    for (size_t n = 1; n <= LONGEST; n++) {
        uint8_t *block = malloc(WORD + n);

        for (size_t at = 0; at < n * WORD * ARRAY_LEN(odd); at++) {
            uint8_t *text = block + at % WORD;
            size_t place = at / WORD % n;
            uint8_t byte = odd[at / WORD / n];
            uint32_t state = UTF8_START;
            bool alive;

            memset(text, 'x', n);
            text[place] = byte;
            alive = utf8_feed(&state, text, n);
            assert_int_equal(alive, byte == 0xc3 && place == n - 1);
            assert_false(utf8_is_complete(state));
        }
        free(block);
    }
}

static void test_broken_stays_broken(void **unused)
{
    uint32_t state = UTF8_START;
    uint32_t foreign = 0xdeadbeef;

    (void)unused;
    assert_false(utf8_feed(&state, (const uint8_t *)"\xff", 1));
    assert_false(utf8_feed(&state, (const uint8_t *)"fine again", 10));
    assert_false(utf8_feed(&state, NULL, 0));
    assert_false(utf8_is_complete(state));
    assert_false(utf8_state_is_valid(state));
    assert_false(utf8_state_is_valid(foreign));
    assert_false(utf8_feed(&foreign, (const uint8_t *)"x", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_every_string_of_up_to_three_bytes),
        cmocka_unit_test(test_every_four_bytes_at_the_borders),
        cmocka_unit_test(test_odd_byte_at_every_place_and_alignment),
        cmocka_unit_test(test_broken_stays_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
