/* marks - the newest id accepted of each origin: how repeats are recognised.
 *
 * Ids of an origin ascend on every path by which they come, and the first copy of each comes in order; so one number
 * per origin tells every repeat. */
#ifndef TAGHUB_MARKS_H
#define TAGHUB_MARKS_H

#include <stdbool.h>
#include <stdint.h>

/** Origins remembered. One that has been silent longest is forgotten: its process is long gone. */
#define MARKS_MAX 256u

/** Zero-initialise. */
struct marks {
    uint32_t count;
    struct mark {
        uint64_t origin, seq;
    } items[MARKS_MAX]; /* the one accepted last stands first */
};

/** Is this the first copy? If so the mark moves up to it. */
bool marks_accept(struct marks *marks, uint64_t origin, uint64_t seq);

/** Raises a mark to at least seq. */
void marks_raise(struct marks *marks, uint64_t origin, uint64_t seq);

#endif
