/* json_number - numbers of a JSON text: grammar, finiteness, and exact values.
 *
 * Nothing here depends on the locale, allocates, or takes longer than one or two walks over the
 * digits, however long the number is.
 */
#ifndef TAGHUB_JSON_NUMBER_H
#define TAGHUB_JSON_NUMBER_H

#include "view.h"

/**
 * Measure the number at the start of a text and tell whether a double can hold it.
 *
 * text        starts where the number starts; what follows the number is not looked at
 * ret_length  bytes of the number, at least 1; set when 0 or -ERANGE is returned
 * returns     0
 * errors      -EINVAL  no number by the grammar of RFC 8259 (`01`, `+1`, `.5`, `1.`, `1e`, `-`)
 *             -ERANGE  well formed, but it would round to infinity
 */
int json_number_scan(struct view text, size_t *ret_length);

/**
 * The double nearest to a number, ties to even. `-0` is the negative zero, tiny values become 0.
 *
 * number   raw text of the number, nothing around it; any length
 * returns  0
 * errors   -EINVAL  not a number
 *          -ERANGE  not finite
 */
int json_number_double(struct view number, double *ret);

/**
 * The exact value of an integer: digits with an optional minus sign, no fraction, no exponent
 * (`5.0` and `1e2` are numbers but no integers here; `-0` is 0).
 *
 * number   raw text of the number, nothing around it; any length
 * returns  0
 * errors   -EINVAL  not an integer
 *          -ERANGE  an integer outside the type
 */
int json_number_i64(struct view number, int64_t *ret);
int json_number_u64(struct view number, uint64_t *ret);

#endif
