/* duration - spans of time as people read them. Pure. */
#ifndef TAGHUB_DURATION_H
#define TAGHUB_DURATION_H

#include <stdint.h>

/** Room of a formatted duration with its NUL. */
#define DURATION_ROOM 48

struct duration {
    uint64_t days;
    unsigned hours, minutes, seconds; /* below 24, 60 and 60 */
};

struct duration duration_split(uint64_t seconds);

/** "1d 2h 3m 4s"; units that are 0 are left out up to the first that is not, so "59s" and "2h 0m 7s". */
void duration_format(uint64_t seconds, char ret_text[DURATION_ROOM]);

/** "2m 5s" and "125m 0s": minutes may exceed 59, and both units are always there. */
void duration_format_minutes(uint64_t seconds, char ret_text[DURATION_ROOM]);

#endif
