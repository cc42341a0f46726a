/* gateway - one worker: its loop, its doors to the network, its uplink to the services. */
#ifndef TAGHUB_GATEWAY_H
#define TAGHUB_GATEWAY_H

#include "net_address.h"
#include "run/conf.h"
#include "run/page.h"

/** What the master opens before it forks and every worker inherits. */
struct gateway_sockets {
    struct net_sockets http, ws, udp;
    int park_write_fd, park_read_fd; /* see parking.h */
};

/**
 * Runs a worker until it is asked to stop and its clients have gone, or to park and they are parked.
 *
 * returns  0 after an orderly end, else -errno
 */
int gateway_run(const struct hub_conf *conf, struct page *page, const struct gateway_sockets *sockets, unsigned number,
                int master_fd);

#endif
