/* doors - the listening TCP sockets of a gateway worker: who is let in, and when. */
#ifndef TAGHUB_DOORS_H
#define TAGHUB_DOORS_H

#include "gateway.h"
#include "http.h"

struct doors;

/** sockets are the master's, inherited; each worker polls duplicates. NULL without memory. */
struct doors *doors_new(const struct hub_conf *conf, struct worker *worker, struct http *http,
                        const struct gateway_sockets *sockets);
/** Begins to accept. */
void doors_open(struct doors *doors);
/** Accepts nobody any more. */
void doors_close(struct doors *doors);
/** Accepts NULL. */
void doors_free(struct doors *doors);

#endif
