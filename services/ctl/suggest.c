/* suggest - see suggest.h.
 *
 * formula  Levenshtein distance, one row of the table at a time */
#include "suggest.h"

#include <string.h>

#define LETTERS_MAX 31u

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, LETTERS_MAX), b_length = strnlen(b, LETTERS_MAX);
    size_t row[LETTERS_MAX + 1];

    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

const char *suggest_nearest(const char *word, const char *(*word_at)(size_t number), size_t count)
{
    const char *nearest = word_at(0);

    for (size_t i = 1; i < count; i++) {
        if (suggest_distance(word, word_at(i)) < suggest_distance(word, nearest))
            nearest = word_at(i);
    }
    return suggest_distance(word, nearest) <= strlen(nearest) / 2 ? nearest : NULL;
}
