/* marks - see marks.h. Live origins are few and stand in front, so a linear search is the fastest table. */
#include "marks.h"

#include <string.h>

/* Brings the origin's mark to the front, new with 0. */
static struct mark *front(struct marks *marks, uint64_t origin)
{
    struct mark found = {.origin = origin};
    uint32_t i = 0;

    while (i < marks->count && marks->items[i].origin != origin)
        i++;
    if (i < marks->count)
        found = marks->items[i];
    else if (marks->count < MARKS_MAX)
        marks->count++;
    else
        i = MARKS_MAX - 1;
    memmove(&marks->items[1], &marks->items[0], i * sizeof marks->items[0]);
    marks->items[0] = found;
    return &marks->items[0];
}

bool marks_accept(struct marks *marks, uint64_t origin, uint64_t seq)
{
    struct mark *mark = front(marks, origin);

    if (seq <= mark->seq)
        return false;
    mark->seq = seq;
    return true;
}

void marks_raise(struct marks *marks, uint64_t origin, uint64_t seq)
{
    struct mark *mark = front(marks, origin);

    if (mark->seq < seq)
        mark->seq = seq;
}
