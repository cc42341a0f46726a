/* suggest - which known word somebody meant. */
#ifndef TAGHUB_CTL_SUGGEST_H
#define TAGHUB_CTL_SUGGEST_H

#include <stddef.h>

/**
 * How many letters must be added, dropped or changed to make one word of the other. Only the first
 * 31 letters of each are looked at.
 */
size_t suggest_distance(const char *a, const char *b);

/**
 * The nearest of `count` known words, at least one.
 *
 * word_at  the known word of that number, 0 to count - 1
 * returns  what word_at() gave; NULL when more than half of it would have to be changed
 */
const char *suggest_nearest(const char *word, const char *(*word_at)(size_t number), size_t count);

#endif
