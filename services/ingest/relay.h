/* relay - what an ingest worker does: device messages in, verdicts back, sightings and pictures on.
 *
 *     gateway workers ──device_text, device_photo──▶ relay ──sighting, command, photo──▶ fanout
 *                     ◀───────────verdict───────────
 *
 * It keeps nothing about devices. What a gateway has sent and what is not settled is the gateway's
 * to keep: whenever something is lost here, the gateway's link is closed and it sends again. */
#ifndef TAGHUB_RELAY_H
#define TAGHUB_RELAY_H

#include "run/conf.h"
#include "run/worker.h"

struct relay;

/**
 * Begins to serve: from the next turn of the loop on gateways are taken in, and fanout is called.
 *
 * worker     initialised; borrowed, as is conf
 * listen_fd  listening socket, taken over and left as -1, also when this fails
 * token      copied; what cameras must know
 * returns    0
 * errors     -ENOMEM, -ENAMETOOLONG (path of fanout's socket), -EINVAL (token)
 */
int relay_new(struct worker *worker, const struct hub_conf *conf, int *listen_fd, const char *token,
              struct relay **ret_relay);

/** Closes all links. Accepts NULL. */
void relay_free(struct relay *relay);

/** Another token from now on; copied. Returns 0, or -EINVAL for an unfit one: the old one stays. */
int relay_set_token(struct relay *relay, const char *token);

/** Counters, and reading that may go on. To be called at every tick of the worker. */
void relay_tick(struct relay *relay);

/**
 * Whether everything that messages.def addresses to ingest is handled, and nothing else.
 *
 * returns  NULL, or the name of the first message for which that is not so
 */
const char *relay_check_handlers(void);

#endif
