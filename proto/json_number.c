/* json_number - what the digits of a JSON number are worth.
 *
 * A hub forwards numbers as text, so it seldom needs their value; but it must refuse those that a
 * game could only read as infinity, and it must do so for every number of every message. Asking
 * strtod() would mean a terminated copy of a text that may be 16 KiB long. Instead the question is
 * answered on the digits themselves: only numbers whose first digit stands for 10^308 are
 * compared, digit by digit, with the smallest decimal that rounds to infinity.
 *
 * Values are computed from the significant digits and a power of ten. No decimal point ever
 * reaches strtod(), so the locale has no say.
 *
 * Invariants
 *   N1  a walk over the digits is linear in the length of the text and the stack use is constant
 *   N2  exponents saturate far beyond any number of digits that fits in memory, and never overflow
 */
#include "json_number.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_string.h"

/* Saturation of exponents: sums with digit counts stay far inside an int64_t (N2). */
#define EXPONENT_LIMIT ((int64_t)1 << 48)

/* A finite double has at most 309 digits before the point. */
#define WHOLE_DIGITS_MAX 309

/* No decision between two neighbouring doubles needs more significant digits than 767; what
 * follows matters only by being zero or not. */
#define SIGNIFICANT_MAX 768

/* 2^53 has 16 digits: a number with more significant digits is no integer that a double surely
 * holds. */
#define EXACT_DIGITS 16

/* 2^1024 - 2^970, half way between the largest double and the next power of two. Ties go to the
 * even neighbour, which is infinity: this is the smallest magnitude that is not finite. */
static const char INFINITY_DIGITS[WHOLE_DIGITS_MAX + 1] =
    "179769313486231580793728971405303415079934132710037826936173778980444968292"
    "764750946649017977587207096330286416692887910946555547851940402630657488671"
    "505820681908902000708383676273854845817711531764475730270069855571366959622"
    "842914819860834936475292719074168444365510704342711559699508093042880177904"
    "174497792";

/* A number taken apart: sign, digits before and behind the point, power of ten. */
struct decimal {
    bool is_negative;
    bool has_exponent;
    struct view whole;    /* at least one digit */
    struct view fraction; /* empty without a point */
    int64_t exponent;     /* as written after the e, saturated; 0 without */
    size_t length;        /* bytes of the whole number */
};

static struct view take_digits(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return view_of(start, (size_t)(at - start));
}

/* Read what follows an e; returns the end of the exponent, or NULL when there is no digit. */
static const uint8_t *parse_exponent(const uint8_t *at, const uint8_t *end, int64_t *ret)
{
    struct view digits;
    int64_t value = 0;
    bool is_negative;

    is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    digits = take_digits(at, end);
    if (digits.length == 0)
        return NULL;
    for (size_t i = 0; i < digits.length; i++) {
        value = value * 10 + (digits.bytes[i] - '0');
        if (value > EXPONENT_LIMIT)
            value = EXPONENT_LIMIT;
    }
    *ret = is_negative ? -value : value;
    return digits.bytes + digits.length;
}

static int decimal_parse(struct view text, struct decimal *ret)
{
    const uint8_t *at = text.bytes, *end = json_view_end(text);
    struct decimal d = {0};

    if (at < end && *at == '-') {
        d.is_negative = true;
        at++;
    }
    d.whole = take_digits(at, end);
    if (d.whole.length == 0 || (d.whole.length > 1 && d.whole.bytes[0] == '0'))
        return -EINVAL;
    at += d.whole.length;
    if (at < end && *at == '.') {
        d.fraction = take_digits(at + 1, end);
        if (d.fraction.length == 0)
            return -EINVAL;
        at += 1 + d.fraction.length;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        d.has_exponent = true;
        at = parse_exponent(at + 1, end, &d.exponent);
        if (at == NULL)
            return -EINVAL;
    }
    d.length = (size_t)(at - text.bytes);
    *ret = d;
    return 0;
}

static size_t decimal_digit_count(const struct decimal *d)
{
    return d->whole.length + d->fraction.length;
}

/* Digit number i, counted from the first one before the point. */
static uint8_t decimal_digit(const struct decimal *d, size_t i)
{
    if (i < d->whole.length)
        return d->whole.bytes[i];
    return d->fraction.bytes[i - d->whole.length];
}

/* Index of the first digit that is not zero; the digit count when the number is zero. */
static size_t decimal_first(const struct decimal *d)
{
    size_t count = decimal_digit_count(d), i = 0;

    while (i < count && decimal_digit(d, i) == '0')
        i++;
    return i;
}

/* The slow half of decimal_is_finite(): numbers near or beyond the limit, or written oddly. */
static bool decimal_is_below_infinity(const struct decimal *d)
{
    size_t count = decimal_digit_count(d), first = decimal_first(d);
    int64_t whole_digits = (int64_t)d->whole.length - (int64_t)first + d->exponent;

    if (first == count || whole_digits < WHOLE_DIGITS_MAX)
        return true;
    if (whole_digits > WHOLE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < WHOLE_DIGITS_MAX; i++) {
        uint8_t digit = first + i < count ? decimal_digit(d, first + i) : '0';

        if (digit != (uint8_t)INFINITY_DIGITS[i])
            return digit < (uint8_t)INFINITY_DIGITS[i];
    }
    return false;
}

static bool decimal_is_finite(const struct decimal *d)
{
    if ((int64_t)d->whole.length + d->exponent < WHOLE_DIGITS_MAX)
        return true;
    return decimal_is_below_infinity(d);
}

/* The common case: few digits and a small power of ten. Both are exact doubles then, and one
 * multiplication or division rounds once, hence correctly. */
static bool double_from_few_digits(uint64_t mantissa, int64_t exponent, double *ret)
{
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t limit = (int64_t)ARRAY_LEN(POWERS) - 1;

    /* Machines that compute with extra precision would round twice. */
    if (FLT_EVAL_METHOD != 0 || mantissa > (uint64_t)1 << 53 || exponent < -limit || exponent > limit)
        return false;
    *ret = exponent < 0 ? (double)mantissa / POWERS[-exponent] : (double)mantissa * POWERS[exponent];
    return true;
}

/* The general case: significant digits and exponent as a text without a point, for strtod(). */
static double double_from_digits(const struct decimal *d)
{
    char text[SIGNIFICANT_MAX + 32];
    size_t first = decimal_first(d), count = decimal_digit_count(d) - first, used;
    int64_t exponent = d->exponent - (int64_t)d->fraction.length;

    used = count < SIGNIFICANT_MAX ? count : SIGNIFICANT_MAX;
    for (size_t i = 0; i < used; i++)
        text[i] = (char)decimal_digit(d, first + i);
    exponent += (int64_t)(count - used);
    for (size_t i = used; i < count; i++) {
        if (decimal_digit(d, first + i) != '0') {
            text[used++] = '1'; /* stands for everything that was cut off */
            exponent--;
            break;
        }
    }
    snprintf(text + used, sizeof(text) - used, "e%" PRId64, exponent);
    return strtod(text, NULL);
}

int json_number_scan(struct view text, size_t *ret_length)
{
    struct decimal d;
    int r;

    r = decimal_parse(text, &d);
    if (r < 0)
        return r;
    *ret_length = d.length;
    return decimal_is_finite(&d) ? 0 : -ERANGE;
}

int json_number_double(struct view number, double *ret)
{
    struct decimal d;
    uint64_t mantissa = 0;
    double value = 0;
    size_t first, count;
    int r;

    r = decimal_parse(number, &d);
    if (r < 0)
        return r;
    if (d.length != number.length)
        return -EINVAL;
    if (!decimal_is_finite(&d))
        return -ERANGE;

    count = decimal_digit_count(&d);
    first = decimal_first(&d);
    if (first < count) {
        for (size_t i = first; i < count && i < first + EXACT_DIGITS; i++)
            mantissa = mantissa * 10 + (uint64_t)(decimal_digit(&d, i) - '0');
        if (count - first > EXACT_DIGITS ||
            !double_from_few_digits(mantissa, d.exponent - (int64_t)d.fraction.length, &value))
            value = double_from_digits(&d);
    }
    *ret = d.is_negative ? -value : value;
    return 0;
}

/* Sign and magnitude of an integer. */
static int parse_integer(struct view number, bool *ret_is_negative, uint64_t *ret_magnitude)
{
    struct decimal d;
    uint64_t value = 0;
    int r;

    r = decimal_parse(number, &d);
    if (r < 0)
        return r;
    if (d.length != number.length || d.fraction.length > 0 || d.has_exponent)
        return -EINVAL;
    for (size_t i = 0; i < d.whole.length; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(d.whole.bytes[i] - '0'), &value))
            return -ERANGE;
    }
    *ret_is_negative = d.is_negative;
    *ret_magnitude = value;
    return 0;
}

int json_number_i64(struct view number, int64_t *ret)
{
    uint64_t magnitude;
    bool is_negative;
    int r;

    r = parse_integer(number, &is_negative, &magnitude);
    if (r < 0)
        return r;
    if (magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return -ERANGE;
    /* Negated as unsigned: the magnitude of the smallest value has no positive counterpart. */
    *ret = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

int json_number_u64(struct view number, uint64_t *ret)
{
    uint64_t magnitude;
    bool is_negative;
    int r;

    r = parse_integer(number, &is_negative, &magnitude);
    if (r < 0)
        return r;
    if (is_negative && magnitude > 0)
        return -ERANGE;
    *ret = magnitude;
    return 0;
}
