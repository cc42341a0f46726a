/* Numbers: exact integers, nearest doubles, and the border of infinity. */
#include "json_number.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        int signed_r, unsigned_r;
        int64_t signed_value;
        uint64_t unsigned_value;
    } CASES[] = {
        {"0", 0, 0, 0, 0},
        {"-0", 0, 0, 0, 0},
        {"7", 0, 0, 7, 7},
        {"-1", 0, -ERANGE, -1, 0},
        {"734512", 0, 0, 734512, 734512},
        {"9007199254740993", 0, 0, 9007199254740993, 9007199254740993},
        {"9223372036854775807", 0, 0, INT64_MAX, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0, 0, (uint64_t)INT64_MAX + 1},
        {"-9223372036854775808", 0, -ERANGE, INT64_MIN, 0},
        {"-9223372036854775809", -ERANGE, -ERANGE, 0, 0},
        {"18446744073709551615", -ERANGE, 0, 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, -ERANGE, 0, 0},
        {"-18446744073709551616", -ERANGE, -ERANGE, 0, 0},
        {"99999999999999999999999999", -ERANGE, -ERANGE, 0, 0},
        {"1e2", -EINVAL, -EINVAL, 0, 0},
        {"1e0", -EINVAL, -EINVAL, 0, 0},
        {"5.0", -EINVAL, -EINVAL, 0, 0},
        {"", -EINVAL, -EINVAL, 0, 0},
        {"-", -EINVAL, -EINVAL, 0, 0},
        {"+1", -EINVAL, -EINVAL, 0, 0},
        {"01", -EINVAL, -EINVAL, 0, 0},
        {" 1", -EINVAL, -EINVAL, 0, 0},
        {"1 ", -EINVAL, -EINVAL, 0, 0},
        {"1,", -EINVAL, -EINVAL, 0, 0},
        {"\"1\"", -EINVAL, -EINVAL, 0, 0},
        {"true", -EINVAL, -EINVAL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t signed_value = 0;
        uint64_t unsigned_value = 0;

        if (json_number_i64(view_text(CASES[i].text), &signed_value) != CASES[i].signed_r ||
            signed_value != CASES[i].signed_value)
            fail_msg("%s: signed", CASES[i].text);
        if (json_number_u64(view_text(CASES[i].text), &unsigned_value) != CASES[i].unsigned_r ||
            unsigned_value != CASES[i].unsigned_value)
            fail_msg("%s: unsigned", CASES[i].text);
    }
    assert_int_equal(json_number_i64(view_of(NULL, 0), &(int64_t){0}), -EINVAL);
}

static void test_doubles(void **state)
{
    static const struct {
        const char *text;
        double value;
    } CASES[] = {
        {"0", 0.0},
        {"-0", -0.0},
        {"-0.0e7", -0.0},
        {"12.4", 12.4},
        {"-12.4", -12.4},
        {"0.1", 0.1},
        {"100.0", 100.0},
        {"0.001", 0.001},
        {"1e2", 100.0},
        {"1E+2", 100.0},
        {"25e-1", 2.5},
        {"1750000000.123", 1750000000.123},
        {"9007199254740992", 0x1p53},
        {"9007199254740993", 0x1p53},
        {"9007199254740994", 0x1p53 + 2},
        {"9007199254740993.00000000000000000000000000000000001", 0x1p53 + 2},
        {"9007199254740993e1", 90071992547409936.0},
        {"1234567890123456.7", 1234567890123456.7},
        {"18446744073709551615", 0x1p64},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"4.9406564584124654e-324", 0x1p-1074},
        {"2.4703282292062327e-324", 0.0},
        {"2.4703282292062328e-324", 0x1p-1074},
        {"1e-400", 0.0},
        {"-1e-99999999999999999999999", -0.0},
        {"0e99999999999999999999999", 0.0},
        {"1.7976931348623157e308", 0x1.fffffffffffffp+1023},
        {"0.00017976931348623157e312", 0x1.fffffffffffffp+1023},
        {"1797693134862315708145274237317043567980e269", 0x1.fffffffffffffp+1023},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double value = 99;

        if (json_number_double(view_text(CASES[i].text), &value) != 0)
            fail_msg("%s: refused", CASES[i].text);
        /* Bits, so that the sign of zero counts. */
        if (memcmp(&value, &CASES[i].value, sizeof(value)) != 0)
            fail_msg("%s: %.17g", CASES[i].text, value);
    }
}

static void test_no_doubles(void **state)
{
    static const struct {
        const char *text;
        int r;
    } CASES[] = {
        {"1e281474976710660", -ERANGE},
        {"1e309", -ERANGE},
        {"-1e309", -ERANGE},
        {"1e999999999999999999999", -ERANGE},
        {"1.8e308", -ERANGE},
        {"NaN", -EINVAL},
        {"Infinity", -EINVAL},
        {"-Infinity", -EINVAL},
        {"", -EINVAL},
        {"1.", -EINVAL},
        {".5", -EINVAL},
        {"1e", -EINVAL},
        {"00", -EINVAL},
        {"0x10", -EINVAL},
        {"1,5", -EINVAL},
        {"1 ", -EINVAL},
        {"\"1\"", -EINVAL},
        {"null", -EINVAL},
        {"1e5.5", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double value;

        if (json_number_double(view_text(CASES[i].text), &value) != CASES[i].r)
            fail_msg("%s", CASES[i].text);
    }
}

/* 2^1024 - 2^970, the smallest number that is not finite, written in several ways. */
#define BORDER                                                                                                         \
    "179769313486231580793728971405303415079934132710037826936173778980444968292"                                      \
    "764750946649017977587207096330286416692887910946555547851940402630657488671"                                      \
    "505820681908902000708383676273854845817711531764475730270069855571366959622"                                      \
    "842914819860834936475292719074168444365510704342711559699508093042880177904"                                      \
    "17449779"

static void test_border_of_infinity(void **state)
{
    static const struct {
        const char *name, *text;
        int r;
    } CASES[] = {
        {"the border", BORDER "2", -ERANGE},
        {"one below", BORDER "1", 0},
        {"just below", BORDER "1.99999999999999999999999999", 0},
        {"a trifle above", BORDER "2.00000000000000000000000001", -ERANGE},
        {"shifted left", "0.00" BORDER "2e311", -ERANGE},
        {"shifted left, below", "0.00" BORDER "1e311", 0},
        {"shifted right", BORDER "200e-2", -ERANGE},
        {"shifted right, below", BORDER "199e-2", 0},
        {"cut short", "17976931348623158e292", 0},
        {"cut short, above", "17976931348623159e292", -ERANGE},
        {"negative", "-" BORDER "2", -ERANGE},
        {"negative, below", "-" BORDER "1", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double value = 0;
        size_t length = 0;
        int r = json_number_scan(view_text(CASES[i].text), &length);

        if (r != CASES[i].r || length != strlen(CASES[i].text))
            fail_msg("%s: %d, %zu bytes", CASES[i].name, r, length);
        assert_int_equal(isinf(strtod(CASES[i].text, NULL)) ? -ERANGE : 0, r);
        assert_int_equal(json_number_double(view_text(CASES[i].text), &value), r);
        assert_true(r < 0 || fabs(value) == 0x1.fffffffffffffp+1023);
    }
}

/* Numbers as long as a whole message, against strtod() of the same text. */
static void test_long_numbers(void **state)
{
    enum { DIGITS = 16 * 1024 };
    static const struct {
        const char *name, *head, digit, *tail;
        int r;
    } CASES[] = {
        {"nines", "", '9', "", -ERANGE},
        {"nines behind the point", "0.", '9', "", 0},
        {"zeros behind the point", "1.", '0', "", 0},
        {"zeros and a one, lifted", "0.", '0', "1e16385", 0},
        {"zeros and a one, lifted higher", "0.", '0', "1e16694", -ERANGE},
        {"zeros and a one, lifted to the limit", "0.", '0', "1e16693", 0},
        {"many digits pushed down", "1", '3', "e-16384", 0},
        {"many digits pushed down to nothing", "1", '3', "e-99999", 0},
        {"half way and a last digit", "9007199254740993.", '0', "1", 0},
        {"half way", "9007199254740993.", '0', "", 0},
        {"zeros in the exponent", "1e", '0', "5", 0},
        {"nines in the exponent", "1e", '9', "", -ERANGE},
        {"nines in the negative exponent", "1e-", '9', "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t head = strlen(CASES[i].head), tail = strlen(CASES[i].tail);
        size_t length = head + DIGITS + tail, scanned = 0;
        char *text = malloc(length + 1);
        double value = 0, expected;
        int r;

        assert_non_null(text);
        memcpy(text, CASES[i].head, head);
        memset(text + head, CASES[i].digit, DIGITS);
        memcpy(text + head + DIGITS, CASES[i].tail, tail + 1);
        expected = strtod(text, NULL);
        r = json_number_double(view_of(text, length), &value);
        if (r != CASES[i].r || (r == 0 && value != expected))
            fail_msg("%s: %d, %.17g instead of %.17g", CASES[i].name, r, value, expected);
        assert_int_equal(json_number_scan(view_of(text, length), &scanned), r);
        assert_int_equal(scanned, length);
        free(text);
    }
}

static void test_scan_stops_behind_the_number(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } CASES[] = {
        {"1,2", 1},   {"-1.5]", 4}, {"1e5}", 3}, {"0 ", 1},      {"1.5.2", 3},
        {"1e2e3", 3}, {"12x", 2},   {"0x10", 1}, {"1e+07\n", 5}, {"1-2", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t length = 0;

        assert_int_equal(json_number_scan(view_text(CASES[i].text), &length), 0);
        if (length != CASES[i].length)
            fail_msg("%s: %zu", CASES[i].text, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_no_doubles),   cmocka_unit_test(test_border_of_infinity),
        cmocka_unit_test(test_long_numbers), cmocka_unit_test(test_scan_stops_behind_the_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
