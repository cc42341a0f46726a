/* history_lane - the photo link to history: each camera's newest picture goes there once a second, and at a start those
 * that it kept come back. Nobody waits for it. */
#ifndef TAGHUB_HISTORY_LANE_H
#define TAGHUB_HISTORY_LANE_H

#include "photos.h"
#include "run/conf.h"
#include "run/worker.h"

struct history_lane;

/** All borrowed. NULL without memory. */
struct history_lane *history_lane_new(const struct hub_conf *conf, struct worker *worker, struct photos *photos);
/** Accepts NULL. */
void history_lane_free(struct history_lane *lane);

/** To be called at every tick of the worker. */
void history_lane_tick(struct history_lane *lane);
/** Sends what waits at once. */
void history_lane_release(struct history_lane *lane);
/** Has the kernel taken everything that history is to have? True while it is away. */
bool history_lane_has_all(const struct history_lane *lane);

#endif
