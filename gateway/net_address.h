/* net_address - addresses of clients as text, and the sockets that listen for them. */
#ifndef TAGHUB_NET_ADDRESS_H
#define TAGHUB_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "schema.h"

/** Address without port; IPv4 within IPv6 is shown as IPv4. "" for other families. */
void net_address_text(const struct sockaddr *address, char text[ADDRESS_BYTES_MAX + 1]);

/** Listening or receiving sockets for one port, one per bind address. */
struct net_sockets {
    unsigned count;
    int fds[16];
};

/** What could not be bound, as a sentence that names the port and the setting to change. */
struct net_error {
    char text[256];
};

/**
 * Makes non-blocking sockets on every address of a bind setting.
 *
 * bind      addresses as in the configuration, checked by it
 * port      0 makes none
 * type      SOCK_STREAM (listening) or SOCK_DGRAM (each datagram comes with the address that it was sent to)
 * setting   name of the port's key, for the error
 * former    sockets of an earlier life, or NULL: one that is bound to such an address is used, and taken out
 * returns   0; -errno with *ret_error and nothing left open
 */
int net_open(const char *bind, uint16_t port, int type, const char *setting, struct net_sockets *former,
             struct net_sockets *ret_sockets, struct net_error *ret_error);
void net_close(struct net_sockets *sockets);

/** What a camera is called that nobody named. */
void net_camera_name(const char address[ADDRESS_BYTES_MAX + 1], char ret_name[NAME_BYTES_MAX + 1]);

#endif
