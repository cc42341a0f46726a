/* load_run - one measurement: who is connected, what is sent when, and what has to arrive.
 *
 * Every message has an index, which travels as "seq". A message is complete when every game has it and its sender was
 * answered; what is in flight is sent and not complete.
 */
#ifndef BENCH_LOAD_RUN_H
#define BENCH_LOAD_RUN_H

#include "load_meter.h"
#include "load_net.h"

struct options {
    uint64_t port, http_port, udp_port;
    uint64_t is_hub; /* else a floor, which knows no identify and no acknowledgement */
    uint64_t games, slow;
    uint64_t senders, tags;
    uint64_t together; /* how many may be connecting at a time */
    uint64_t rate, window;
    uint64_t warmup, count, size_bytes;
    uint64_t duration_ms, stall_ms;
    uint64_t stamp_at; /* where the picture has eight digits for its number */
    uint64_t is_held;  /* wait for the end of standard input, or a line, before the measurement */
    const char *via, *token, *pids, *picture;
};

struct faults {
    uint64_t lost, doubled, reordered, altered, refused, closed, bad_status, errors;
};

struct run {
    struct options options;
    const struct via *via;
    struct net net;
    struct meter meter;
    struct conn *games, *senders;
    unsigned *idle; /* senders by HTTP that have no request under way */
    size_t idle_count;
    struct bytes message, picture;

    uint64_t limit;        /* of this phase */
    uint64_t rate, window; /* of this phase; 0 is none */
    uint64_t sent, completed, delivered, acked;
    uint64_t phase_mono_ns, phase_first, progress_mono_ns, trickle_mono_ns, end_mono_ns;
    bool is_metered;

    /* by index */
    uint64_t *due_mono_ns;
    unsigned *sender_of;
    uint32_t *missing; /* games and an answer */
    bool *is_acked;
    /* by game, or by sender, or both */
    uint8_t *seen;
    uint64_t *next;        /* by game and sender: one more than the index seen last */
    uint64_t *acks_of;     /* by sender */
    uint64_t *in_progress; /* by sender by HTTP: index of its request */

    struct histogram latency_ns;
    uint64_t connect_ns;
    struct faults faults;
};

void run_measure(struct run *run);

#endif
