/* when - see when.h. */
#include "when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

#define AGO_MAX 1000000000ul /* of any unit; far before 1970 in the largest */

static const struct {
    char letter;
    time_t seconds;
} UNITS[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};

static const char *const FORMATS[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                      "%Y-%m-%dT%H:%M:%S"};

static time_t parse_ago(const char *text, time_t now)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || end[0] == '\0' || end[1] != '\0' || count > AGO_MAX)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (UNITS[i].letter == end[0])
            return now - (time_t)count * UNITS[i].seconds;
    }
    return -1;
}

static time_t parse_date(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        struct tm local = {.tm_isdst = -1}; /* to be found out */
        const char *end = strptime(text, FORMATS[i], &local);
        int day = local.tm_mday;
        time_t found;

        if (end == NULL || *end != '\0')
            continue;
        found = mktime(&local);
        return local.tm_mday == day ? found : -1; /* it makes 3 March of 31 February */
    }
    return -1;
}

int when_parse(const char *text, time_t now, uint64_t *ret_utc_us)
{
    time_t found = parse_ago(text, now);

    if (found < 0)
        found = parse_date(text);
    if (found < 0)
        return -EINVAL;
    *ret_utc_us = (uint64_t)found * 1000000;
    return 0;
}
