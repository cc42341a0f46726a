/* owed - see owed.h. */
#include "owed.h"

#include <stdlib.h>

struct owed_part {
    uint64_t turn, stream, seq;
    struct owed_part *next;
};

void owed_add(struct owed *owed, uint64_t turn, uint64_t stream, uint64_t seq)
{
    struct owed_part *part = owed->last;

    if (part == NULL || part->turn != turn) {
        part = calloc(1, sizeof *part);
        if (part == NULL)
            abort();
        part->turn = turn;
        *(owed->first == NULL ? &owed->first : &owed->last->next) = part;
        owed->last = part;
    }
    part->stream = stream;
    part->seq = seq;
}

uint64_t owed_take(struct owed *owed, uint64_t taken)
{
    struct owed_part *part;
    uint64_t seq = 0;

    while ((part = owed->first) != NULL && part->stream <= taken) {
        seq = part->seq;
        owed->first = part->next;
        free(part);
    }
    if (owed->first == NULL)
        owed->last = NULL;
    return seq;
}

bool owed_is_empty(const struct owed *owed)
{
    return owed->first == NULL;
}

void owed_clear(struct owed *owed)
{
    owed_take(owed, UINT64_MAX);
}
