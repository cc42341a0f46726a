/* udp - telemetry by datagram: the same message as by other doors, and an acknowledgement that is never late.
 *
 * One worker at a time reads (a lease in the shared page), so that the datagrams of one camera keep their order. */
#ifndef TAGHUB_UDP_H
#define TAGHUB_UDP_H

#include "net_address.h"
#include "run/conf.h"
#include "run/worker.h"
#include "uplink.h"

struct udp;

/** sockets are those of the master, inherited; the worker reads duplicates. NULL without memory. */
struct udp *udp_new(const struct hub_conf *conf, struct worker *worker, struct uplink *uplink,
                    const struct net_sockets *sockets);
void udp_free(struct udp *udp);

/** Takes the lease when it is free; to be called at every tick. */
void udp_tick(struct udp *udp);
/** Gives the lease up and reads no more. */
void udp_stop(struct udp *udp);
/** The store has room again. */
void udp_room(struct udp *udp);

#endif
