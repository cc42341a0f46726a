/* banner - what `taghubctl run` prints when the hub is ready: where to point cameras and games. */
#ifndef TAGHUB_CTL_BANNER_H
#define TAGHUB_CTL_BANNER_H

#include "run/conf.h"

#include <ifaddrs.h>
#include <stddef.h>

#define BANNER_ADDRESSES_MAX 16
#define BANNER_HOST_ROOM     48 /* an IPv6 address in brackets, with NUL */

/** Addresses as they stand in a URL, those that others can reach first. */
struct banner_hosts {
    size_t count;
    char at[BANNER_ADDRESSES_MAX][BANNER_HOST_ROOM];
};

/**
 * The addresses under which a hub that listens on `bind` is found: what a wildcard stands for on
 * this machine, or what is named. IPv4 comes before IPv6, loopback last; link-local IPv6 addresses
 * are left out, because a URL cannot name the interface they need.
 *
 * bind        conf->bind
 * interfaces  from getifaddrs(); may be NULL
 */
void banner_find_hosts(const char *bind, const struct ifaddrs *interfaces, struct banner_hosts *ret_hosts);

/** Prints the block. The token itself is not in it, only where it lies. */
void banner_print(FILE *out, const struct hub_conf *conf, const struct banner_hosts *hosts);

#endif
