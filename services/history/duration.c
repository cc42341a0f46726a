/* duration - see duration.h. There are two forms because the two endpoints that show durations have always differed,
 * and pages read them. */
#include "duration.h"

#include <inttypes.h>
#include <stdio.h>

struct duration duration_split(uint64_t seconds)
{
    return (struct duration){
        .days = seconds / 86400,
        .hours = (unsigned)(seconds / 3600 % 24),
        .minutes = (unsigned)(seconds / 60 % 60),
        .seconds = (unsigned)(seconds % 60),
    };
}

void duration_format(uint64_t seconds, char ret_text[DURATION_ROOM])
{
    struct duration split = duration_split(seconds);

    if (seconds >= 86400)
        snprintf(ret_text, DURATION_ROOM, "%" PRIu64 "d %uh %um %us", split.days, split.hours, split.minutes,
                 split.seconds);
    else if (seconds >= 3600)
        snprintf(ret_text, DURATION_ROOM, "%uh %um %us", split.hours, split.minutes, split.seconds);
    else if (seconds >= 60)
        snprintf(ret_text, DURATION_ROOM, "%um %us", split.minutes, split.seconds);
    else
        snprintf(ret_text, DURATION_ROOM, "%us", split.seconds);
}

void duration_format_minutes(uint64_t seconds, char ret_text[DURATION_ROOM])
{
    snprintf(ret_text, DURATION_ROOM, "%" PRIu64 "m %us", seconds / 60, (unsigned)(seconds % 60));
}
