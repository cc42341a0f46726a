/* owed - the parts of the stream that one gateway worker is to be told of when they are settled, oldest first. */
#ifndef TAGHUB_OWED_H
#define TAGHUB_OWED_H

#include <stdbool.h>
#include <stdint.h>

/** Zero-initialise; owed_clear() frees. */
struct owed {
    struct owed_part *first, *last;
};

/**
 * The worker's sightings up to `seq` lie at `stream` or before; both rise from call to call. What is added in one `turn`
 * is one part. Aborts without memory: a stream that cannot be settled is better begun anew.
 */
void owed_add(struct owed *owed, uint64_t turn, uint64_t stream, uint64_t seq);
/** Takes off what lies at `taken` or before; returns the last sequence number of it, 0 when it is nothing. */
uint64_t owed_take(struct owed *owed, uint64_t taken);
bool owed_is_empty(const struct owed *owed);
void owed_clear(struct owed *owed);

#endif
